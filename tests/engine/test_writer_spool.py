"""What the database does not take in time goes to disk, and from there into it, in order, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from statustui.domain.decision import Decision
from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.sharing import Generation, Share
from statustui.domain.status import MonitorState
from statustui.engine.clock import Clock
from statustui.engine.spool import Spool
from statustui.engine.writer import Leftover, Writer
from statustui.store.engine import BatchOutcome, LeaseLost
from tests.support.decisions import BEGIN, decision, numbers

ME, OTHER = UUID(int=1), UUID(int=2)
SHARE = Share(1, ME, 5, (ME,))
DOWN, UP = MonitorState.DOWN, MonitorState.UP


class Base:
    """A database that can be away or silent, and knows its primary key."""

    def __init__(self) -> None:
        self.is_away = False
        self.is_silent = False
        self.generations = [Generation(number, (ME,)) for number in range(1, 6)]
        self.decided: list[int] = []
        self.facts: list[int] = []
        self.times: list[datetime] = []
        self.seen: set[int] = set()

    async def record_batch(
        self, share: Share, decisions: Sequence[Decision], at: datetime
    ) -> BatchOutcome:
        await self._answer()
        if share.generation != self.generations[-1].number:
            raise LeaseLost("members came or went")
        self.times.append(at)
        parts: dict[bool, list[Decision]] = {True: [], False: []}
        for each in decisions:
            parts[share.holds(each.monitor.key, each.monitor.tenure)].append(each)
        self._record(parts[False], self.facts)
        return self._record(parts[True], self.decided)

    async def load_generations(self, region: int, after: int) -> list[Generation]:
        await self._answer()
        return [each for each in self.generations if each.number > after]

    def share(self, engine: UUID, *members: UUID) -> Share:
        """A share of a generation that begins now."""
        made = Generation(self.generations[-1].number + 1, members)
        self.generations.append(made)
        return Share(1, engine, made.number, made.members)

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        await self._answer()
        return self._record(decisions, self.facts)

    def _record(self, decisions: Sequence[Decision], into: list[int]) -> BatchOutcome:
        new = [number for number in numbers(list(decisions)) if number not in self.seen]
        self.seen |= set(new)
        into += new
        return BatchOutcome(len(new), len(decisions) - len(new))

    async def _answer(self) -> None:
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_away:
            raise DatabaseUnavailable("test", "it is away")


class Shares:
    """Says what is held."""

    def __init__(self, *answers: Share | None) -> None:
        self._answers = list(answers)

    async def renew(self) -> Share | None:
        """The next answer; the last one stays."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _writer(base: Base, folder: Path, *, size: int = 1_000, engine: UUID = ME) -> Writer:
    writer = Writer(base, Clock(), size, 0.01, Spool(folder, 10_000_000))
    writer.know(UUID(int=7), engine)
    return writer


@asynccontextmanager
async def _running(writer: Writer, shares: Shares) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(writer.run(shares))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _until(probe: object, what: str) -> None:
    try:
        async with asyncio.timeout(8):
            while not probe():  # type: ignore[operator]
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(what) from None


@pytest.mark.parametrize("trouble", ["is_away", "is_silent"])
async def test_what_waits_goes_to_disk_within_a_second_and_comes_back_in_order(
    tmp_path: Path, trouble: str
) -> None:
    base = Base()
    writer = _writer(base, tmp_path / "local")
    async with _running(writer, Shares(SHARE)):
        setattr(base, trouble, True)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(30):
            writer.put(decision(number))
        await _until(lambda: writer.spooled.results == 30, "it is on disk")
        assert loop.time() - begun < 1.5  # 0.8 s and a busy machine
        assert writer.pending == 30
        writer.put(decision(30))
        setattr(base, trouble, False)
        if trouble == "is_away":
            await _until(lambda: writer.pending == 0, "it is written")
            assert base.decided == list(range(31))
            # From now on straight from memory again.
            writer.put(decision(31, to=DOWN))
            await _until(lambda: writer.pending == 0, "it is written")
            assert writer.spooled.results == 0
            assert base.decided[-1] == 31
    left = await writer.close(Shares(SHARE), 5)
    assert left == Leftover(0, 0)
    assert base.decided[:31] == list(range(31))


async def test_a_batch_that_arrives_after_all_is_not_written_twice(tmp_path: Path) -> None:
    base = Base()
    arriving = asyncio.Event()
    original = base._answer

    async def slow() -> None:
        await arriving.wait()
        await original()

    base._answer = slow  # type: ignore[method-assign]
    writer = _writer(base, tmp_path / "local")
    async with _running(writer, Shares(SHARE)):
        writer.put(decision(1))
        writer.put(decision(2))
        await _until(lambda: writer.spooled.results == 2, "the batch under way is on disk too")
        writer.put(decision(3))
        arriving.set()
        await _until(lambda: writer.pending == 0, "all is written")
    assert base.decided == [1, 2, 3]


async def test_results_that_waited_are_settled_as_of_their_time(tmp_path: Path) -> None:
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local")
    async with _running(writer, Shares(SHARE)):
        writer.put(decision(0))
        writer.put(decision(10, to=DOWN))
        writer.put(decision(40, to=UP))
        writer.put(decision(50))
        await _until(lambda: writer.spooled.results == 4, "it is on disk")
        base.is_away = False
        await _until(lambda: writer.pending == 0, "it is written")
    assert base.times == [BEGIN + timedelta(seconds=n) for n in (10, 40, 50)]


async def test_a_stop_leaves_on_disk_what_the_next_one_writes_first(tmp_path: Path) -> None:
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local")
    for number in range(4):
        writer.put(decision(number))
    assert await writer.close(Shares(SHARE), 0.15) == Leftover(0, 4)

    base.is_away = False
    later = _writer(base, tmp_path / "local", engine=OTHER)
    later.put(decision(4, tenure=6))
    await later.catch_up(Shares(base.share(OTHER, OTHER)))
    # What was left is older than what the new one decided itself.
    assert (base.decided, base.facts) == ([0, 1, 2, 3, 4], [])
    assert await later.close(Shares(None), 1) == Leftover(0, 0)
    assert not list(tmp_path.rglob("*.seg"))


async def test_what_an_engine_left_before_another_decided_is_only_what_was_seen(
    tmp_path: Path,
) -> None:
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local")
    writer.put(decision(1, to=DOWN))
    assert await writer.close(Shares(SHARE), 0.1) == Leftover(0, 1)
    base.is_away = False
    base.share(UUID(int=3), UUID(int=3))
    later = _writer(base, tmp_path / "local", engine=OTHER)
    await later.catch_up(Shares(base.share(OTHER, OTHER)))
    assert (base.decided, base.facts) == ([], [1])
    await later.close(Shares(None), 1)


async def test_members_that_come_and_go_while_this_is_written_are_followed(
    tmp_path: Path,
) -> None:
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local")
    writer.put(decision(1, to=DOWN))
    assert await writer.close(Shares(SHARE), 0.1) == Leftover(0, 1)
    base.is_away = False
    later = _writer(base, tmp_path / "local", engine=OTHER)
    early = base.share(OTHER, ME, OTHER)
    await later.catch_up(Shares(early, base.share(OTHER, UUID(int=3))))
    assert (base.decided, base.facts) == ([], [1])
    await later.close(Shares(None), 1)


async def test_without_a_part_in_the_region_facts_are_written(tmp_path: Path) -> None:
    base = Base()
    writer = _writer(base, tmp_path / "local")
    async with _running(writer, Shares(SHARE, None)) as task:
        base.is_away = True
        writer.put(decision(1, to=DOWN))
        await _until(lambda: writer.spooled.results == 1, "it is on disk")
        base.share(OTHER, OTHER)
        base.is_away = False
        await asyncio.wait_for(task, 8)
    assert (base.decided, base.facts) == ([], [1])
    assert await writer.close(Shares(None), 1) == Leftover(0, 0)


async def test_a_disk_that_takes_nothing_leaves_results_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "local").write_text("a file stands where the folder should be")
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local", size=3)
    async with _running(writer, Shares(SHARE)):
        for number in range(4):
            writer.put(decision(number))
        await _until(lambda: writer.spooled.trouble, "it is said")
        base.is_away = False
        await _until(lambda: writer.pending == 0, "it is written")
    assert base.decided == [1, 2, 3]
    assert "wait in memory" in caplog.text
    base.is_away = True
    writer.put(decision(4))
    assert await writer.close(Shares(SHARE), 0.1) == Leftover(2, 0)


async def test_thousands_of_results_a_second_come_from_disk(tmp_path: Path) -> None:
    base = Base()
    base.is_away = True
    writer = _writer(base, tmp_path / "local", size=20_000)
    for number in range(10_000):
        writer.put(decision(number, to=DOWN if number % 2_000 == 0 else None, service=number))
    assert await writer.close(Shares(SHARE), 0.05) == Leftover(0, 10_000)
    base.is_away = False
    later = _writer(base, tmp_path / "local", engine=OTHER)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await later.catch_up(Shares(SHARE))
    assert base.decided == list(range(10_000))
    # 15,000 a second where nothing else runs; without the database, which takes as much again.
    assert loop.time() - begun < 10
    await later.close(Shares(None), 1)
