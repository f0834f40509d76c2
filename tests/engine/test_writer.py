"""The writer loses nothing that it need not, keeps order, and is never held up by one result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from statustui.domain.decision import CheckRow, Decision, Memory, WatchedMonitor
from statustui.domain.errors import (
    Conflict,
    DatabaseUnavailable,
    StatustuiError,
    ValidationFailed,
)
from statustui.domain.monitor import HttpConfig, MonitorSpec
from statustui.domain.observation import Phases
from statustui.domain.sharing import Share
from statustui.domain.status import CheckStatus, MonitorState, MonitorType
from statustui.domain.verdict import CheckResult, Transition
from statustui.engine.clock import Clock
from statustui.engine.writer import Leftover, Writer
from statustui.store.engine import BatchOutcome, LeaseLost

_BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
_SHARE = Share(1, UUID(int=1), 5, (UUID(int=1),))
_MONITOR = WatchedMonitor(
    key=1,
    id=UUID(int=1),
    org_id=1,
    service_id=UUID(int=1),
    region=1,
    spec=MonitorSpec(
        name="a",
        type=MonitorType.HTTP,
        config=HttpConfig("http://a/"),
        timeout_ms=1_000,
        retry_interval_seconds=5,
    ),
    timetable=None,
)


def _decision(number: int, *, changes_state: bool = False) -> Decision:
    at = _BEGIN + timedelta(seconds=number)
    check = CheckRow(
        at, at, CheckStatus.SUCCESS, None, False, False, 200, 1.0, Phases(), f"{number}", ""
    )
    transition = Transition(MonitorState.UP, MonitorState.DOWN, at, at)
    return Decision(
        _MONITOR,
        check,
        CheckResult(CheckStatus.SUCCESS),
        Memory(),
        (transition,) if changes_state else (),
    )


class MemoryStore:
    """Keeps batches in memory, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.facts: list[str] = []
        self.refuse: Callable[[Sequence[Decision]], StatustuiError | None] = lambda _: None
        self.generation = _SHARE.generation
        self.wrote = asyncio.Event()

    async def record_batch(
        self, share: Share, decisions: Sequence[Decision], at: datetime | None
    ) -> BatchOutcome:
        assert at is None or at.tzinfo is UTC
        if share.generation != self.generation:
            raise LeaseLost("another has it")
        error = self.refuse(decisions)
        if error is not None:
            raise error
        self.batches.append([decision.check.reason for decision in decisions])
        self.wrote.set()
        return BatchOutcome(len(decisions), 0)

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        self.facts += [decision.check.reason for decision in decisions]
        return BatchOutcome(len(decisions), 0)

    @property
    def written(self) -> list[str]:
        """Everything that arrived, in order."""
        return [reason for batch in self.batches for reason in batch]


class Shares:
    """Says which share is had."""

    def __init__(self, *answers: Share | None) -> None:
        self._answers = list(answers)

    async def renew(self) -> Share | None:
        """The next answer; the last one stays."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _unavailable(_: Sequence[Decision]) -> StatustuiError:
    return DatabaseUnavailable("test", "it is away")


@asynccontextmanager
async def _running(writer: Writer, shares: Shares) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(writer.run(shares))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _writer(store: MemoryStore, *, size: int = 1_000, flush_seconds: float = 30.0) -> Writer:
    return Writer(store, Clock(), size, flush_seconds)


async def _quiet(writer: Writer) -> None:
    async with asyncio.timeout(5):
        while writer.pending:
            await asyncio.sleep(0.005)


async def test_a_change_of_state_is_written_at_once_with_what_waits() -> None:
    store = MemoryStore()
    writer = _writer(store)
    async with _running(writer, Shares(_SHARE)):
        writer.put(_decision(1))
        writer.put(_decision(2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert store.batches == []  # nothing is urgent, and the flush interval is long
        writer.put(_decision(3, changes_state=True))
        begun = asyncio.get_running_loop().time()
        await asyncio.wait_for(store.wrote.wait(), 5)
        assert asyncio.get_running_loop().time() - begun < 1
    assert store.batches == [["1", "2", "3"]]


async def test_a_storm_of_changes_is_written_in_parts() -> None:
    store = MemoryStore()
    writer = _writer(store)
    for number in range(250):
        writer.put(_decision(number, changes_state=True))
    assert await writer.close(Shares(_SHARE), 5) == Leftover(0, 0)
    assert [len(batch) for batch in store.batches] == [100, 100, 50]
    assert store.written == [str(number) for number in range(250)]


async def test_results_are_written_within_the_flush_interval() -> None:
    store = MemoryStore()
    writer = _writer(store, flush_seconds=0.05)
    async with _running(writer, Shares(_SHARE)):
        writer.put(_decision(1))
        await asyncio.wait_for(store.wrote.wait(), 5)
    assert store.batches == [["1"]]
    assert writer.pending == 0


async def test_while_the_database_is_away_results_wait_in_order() -> None:
    store = MemoryStore()
    store.refuse = _unavailable
    writer = _writer(store, flush_seconds=0.01)
    async with _running(writer, Shares(_SHARE)):
        for number in range(5):
            writer.put(_decision(number, changes_state=number == 3))
        async with asyncio.timeout(5):
            while not writer.unavailable:
                await asyncio.sleep(0.005)
        assert writer.pending == 5
        store.refuse = lambda _: None
        await _quiet(writer)
    assert store.written == ["0", "1", "2", "3", "4"]
    assert writer.unavailable is None
    assert writer.lost == 0


async def test_a_full_queue_gives_up_what_changes_no_state_and_counts_it() -> None:
    store = MemoryStore()
    writer = _writer(store, size=3)
    for number, changes_state in enumerate([True, False, False, False, True, True]):
        writer.put(_decision(number, changes_state=changes_state))
    assert (writer.pending, writer.lost) == (3, 3)
    assert await writer.close(Shares(_SHARE), 1) == Leftover(3, 0)
    assert store.written == ["0", "4", "5"]


async def test_one_result_that_is_refused_does_not_hold_up_the_rest() -> None:
    store = MemoryStore()

    def refuse(batch: Sequence[Decision]) -> StatustuiError | None:
        if any(decision.check.reason == "3" for decision in batch):
            return ValidationFailed("no such monitor")
        return None

    store.refuse = refuse
    writer = _writer(store)
    for number in range(7):
        writer.put(_decision(number))
    assert await writer.close(Shares(_SHARE), 1) == Leftover(1, 0)
    assert store.written == ["0", "1", "2", "4", "5", "6"]
    assert writer.pending == 0


async def test_a_collision_is_tried_again() -> None:
    store = MemoryStore()
    collisions = iter([Conflict("deadlock"), Conflict("deadlock")])
    store.refuse = lambda _: next(collisions, None)
    writer = _writer(store)
    writer.put(_decision(1))
    assert await writer.close(Shares(_SHARE), 1) == Leftover(0, 0)
    assert store.batches == [["1"]]


async def test_a_batch_that_was_refused_goes_on_in_the_next_generation() -> None:
    store = MemoryStore()
    store.generation = 6
    writer = _writer(store, flush_seconds=0.01)
    async with _running(writer, Shares(_SHARE, replace(_SHARE, generation=6))):
        writer.put(_decision(1))
        await asyncio.wait_for(store.wrote.wait(), 5)
    assert (store.batches, store.facts) == ([["1"]], [])


async def test_what_waits_when_the_engine_has_no_part_any_more_becomes_facts() -> None:
    store = MemoryStore()
    store.generation = 7
    writer = _writer(store, flush_seconds=0.01)
    async with _running(writer, Shares(_SHARE, None)) as task:
        writer.put(_decision(1))
        writer.put(_decision(2))
        await asyncio.wait_for(task, 5)  # it ends, so that the engine stands by
    assert (store.batches, store.facts) == ([], ["1", "2"])
    writer.put(_decision(3))
    assert await writer.close(Shares(_SHARE, None), 1) == Leftover(0, 0)
    writer.put(_decision(4))
    assert await writer.close(Shares(None), 1) == Leftover(0, 0)
    assert store.facts == ["1", "2", "3", "4"]


async def test_a_stop_without_a_database_says_how_many_results_are_lost() -> None:
    store = MemoryStore()
    store.refuse = _unavailable
    writer = _writer(store)
    for number in range(4):
        writer.put(_decision(number))
    assert await writer.close(Shares(_SHARE), 0.15) == Leftover(4, 0)


def test_the_clock_runs_evenly_and_notices_when_it_was_set() -> None:
    wall, monotonic = 1_000.0, 50.0
    clock = Clock(lambda: wall, lambda: monotonic)
    assert clock.now() == datetime.fromtimestamp(1_000, UTC)
    monotonic += 10
    assert clock.now() == datetime.fromtimestamp(1_010, UTC)  # although nobody moved the wall clock
    wall += 10.2
    assert not clock.jumped()
    assert clock.now() == datetime.fromtimestamp(1_010.2, UTC)
    wall -= 3_600
    assert clock.jumped()
    assert not clock.jumped()
    assert clock.now() == datetime.fromtimestamp(1_010.2 - 3_600, UTC)
