"""Carries decisions from the checks to the database in batches, by way of memory and disk.

    looks ──► queue in memory ──► database
                    │                ▲
                    └─► spool ───────┘      older first, always

Checks never wait for the database. Their decisions queue up and are written in one transaction per
batch: after at most the flush interval, and almost at once when a decision changes a state, because
somebody is then waiting to hear of it. What has waited in memory for most of a second, because the
database is away or slower than results come, goes to the disk (`spool`), so that a process that is
killed loses less than a second of results. While anything is on disk, results go that way round, so
the order holds; they are written from there, oldest first, and sent again when nobody knows whether
they arrived, which changes nothing when they did.

When the disk does not take them either, they stay in memory until the queue is full. Then the
oldest decision that changes no state is given up, and counted; when there is none, the newest. One
that the database refuses on its own (a monitor purged meanwhile) is found by halving its batch,
given up, counted and logged, so that it never keeps the others back.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import NamedTuple, Protocol
from uuid import UUID

from statustui.domain.decision import Decision
from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.domain.sharing import Generation, Share, is_unbroken
from statustui.engine.batches import MOST_IN_A_BATCH, newest, next_batch
from statustui.engine.clock import Clock
from statustui.engine.counters import Counters
from statustui.engine.spool import Spool, SpoolRefused, SpoolStatus
from statustui.engine.spool_folder import Waiting
from statustui.engine.tasks import cancel, look_at
from statustui.store.engine import BatchOutcome, LeaseLost

_LOG = logging.getLogger("statustui.engine")

# Long enough to write what fails together together, short enough that nobody notices.
_URGENT_SECONDS = 0.02
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_COLLISIONS = 5
# A result that is not in the database by then goes to the disk; with what the disk takes, that is
# less than a second. The flush interval is shorter.
_SAFE_SECONDS = 0.7
_WATCH_SECONDS = 0.1
_SHORT_CLOSE_SECONDS = 0.5
_DISK_PAUSE_SECONDS = 1.0
_DISK_REST_SECONDS = 5.0
# Results that waited for longer are settled as of their own time, not as of now.
_LATE_SECONDS = 2.0


class ShareSource(Protocol):
    """Who knows what this engine may still decide."""

    async def renew(self) -> Share | None:
        """The share after asking for it once more; None when the engine has no part any more."""


class BatchStore(Protocol):
    """Where decisions go; `EngineStore` is one."""

    async def record_batch(
        self, share: Share, decisions: Sequence[Decision], at: datetime | None
    ) -> BatchOutcome:
        """See `EngineStore.record_batch`."""

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        """See `EngineStore.record_stale_facts`."""

    async def load_generations(self, region: int, after: int) -> Sequence[Generation]:
        """See `EngineStore.load_generations`."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a writer could not put into the database.

    Attributes:
        lost: results that are nowhere; on_disk: results that the next engine writes.
    """

    lost: int
    on_disk: int


class _Queued(NamedTuple):
    number: int
    since: float
    decision: Decision


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is written next.

    Attributes:
        number: of the last result when it comes from memory; None when it comes from the disk.
        is_late: whether it is settled as of its own time.
    """

    decisions: Sequence[Decision]
    number: int | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class _LeftBehind:
    """Which decisions of engines that are no more may still stand.

    Attributes:
        generations: of the region, by number; generation: the newest of them.
    """

    generations: Mapping[int, Generation]
    generation: int

    def judged(self, decision: Decision, left_by: frozenset[UUID], share: Share) -> Decision:
        """The decision as this engine's own, or of no tenure when others decided meanwhile."""
        monitor = decision.monitor
        engines = left_by | {share.engine}
        stands = is_unbroken(self.generations, monitor.id, monitor.tenure, engines)
        tenure = self.generation if stands else 0
        return replace(decision, monitor=replace(monitor, tenure=tenure))


class Writer:
    """The queue, and the tasks that empty it.

    Args:
        store: where decisions go.
        clock: says how old what is put on the disk is.
        queue_size: decisions kept in memory at most.
        flush_seconds: how long a decision waits for others.
        spool: where they wait on disk; without it, in memory only.
        counters: told of every batch.
    """

    def __init__(
        self,
        store: BatchStore,
        clock: Clock,
        queue_size: int,
        flush_seconds: float,
        spool: Spool | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue_size = queue_size
        self._flush_seconds = flush_seconds
        self._spool = spool
        self._counters = counters or Counters()
        self._numbers = itertools.count(1)
        self._queue: deque[_Queued] = deque()
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._in_hand = 0
        self._left = _LeftBehind({}, 0)
        self._lost = 0
        self._unavailable: str | None = None
        self._disk_rests_until = 0.0
        self._disk_is_behind = False

    @property
    def pending(self) -> int:
        """Decisions that are not in the database yet, those on disk included."""
        return len(self._queue) + self.spooled.results

    @property
    def spooled(self) -> SpoolStatus:
        """What waits on disk."""
        return self._spool.status if self._spool is not None else SpoolStatus()

    @property
    def lost(self) -> int:
        """Decisions that were given up."""
        return self._lost + self.spooled.given_up

    @property
    def unavailable(self) -> str | None:
        """Why the database could not be reached at the last attempt; None when it could."""
        return self._unavailable

    # -- the queue in memory ---------------------------------------------------------------------

    def put(self, decision: Decision) -> None:
        """Queues a decision."""
        if len(self._queue) >= self._queue_size and not self._make_room():
            return
        self._queue.append(_Queued(next(self._numbers), time.monotonic(), decision))
        self._filled.set()
        if decision.is_news or len(self._queue) == MOST_IN_A_BATCH:
            self._urgent.set()

    def _make_room(self) -> bool:
        """Gives up one decision; returns whether that was a queued one and not the new one."""
        self._lost += 1
        if self._lost == 1 or self._lost % 1_000 == 0:
            _LOG.error("the queue is full: %d results were given up so far", self._lost)
        # The head of the queue may be on its way to the database; it must stay what it is.
        for index in range(self._in_hand, len(self._queue)):
            if not self._queue[index].decision.transitions:
                del self._queue[index]
                return True
        return False

    def _forget(self, number: int) -> None:
        """Drops what is in the database or on disk, up to a number."""
        while self._queue and self._queue[0].number <= number:
            self._queue.popleft()
        self._in_hand = 0

    # -- to the disk -----------------------------------------------------------------------------

    async def _keep_safe(self) -> None:
        """Puts on disk what has waited too long, until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._queue and time.monotonic() - self._queue[0].since >= _SAFE_SECONDS:
                try:
                    await self._to_disk()
                except SpoolRefused:
                    await asyncio.sleep(_DISK_PAUSE_SECONDS)

    async def _to_disk(self) -> None:
        """Moves the queue from memory to the disk.

        Raises:
            SpoolRefused: it stays in memory.
        """
        if self._spool is None or not self._queue:
            return
        waiting = list(self._queue)
        await self._spool.append([queued.decision for queued in waiting], self._clock.now())
        # A batch of them that is under way may arrive as well; from the disk it adds nothing then.
        self._forget(waiting[-1].number)

    # -- to the database -------------------------------------------------------------------------

    def know(self, database: UUID, engine: UUID) -> None:
        """Says which installation's monitors the results are about, and which engine decides."""
        if self._spool is not None:
            self._spool.know(database, engine)

    async def catch_up(self, shares: ShareSource) -> None:
        """Writes all that was left before now, also by engines that are no more.

        To be called as a member of the region, and before anything that is remembered is read.

        Args:
            shares: asked for the share now, and whenever members came or went.

        Raises:
            DatabaseUnavailable: the rest waits.
        """
        share = await shares.renew()
        if self._spool is not None and share is not None:
            found = 0
            with _logged("what an earlier engine left cannot be read"):
                found = await self._spool.adopt()
            if found:
                _LOG.info("%d results wait on disk and are written first", found)
        if share is not None and self.spooled.results:
            self._left = await self._left_behind(share)
        while share is not None and (batch := await self._next(share)) is not None:
            try:
                await self._write_batch(batch, share)
            except LeaseLost:
                share = await shares.renew()
                if share is not None:
                    self._left = await self._left_behind(share)

    async def _left_behind(self, share: Share) -> _LeftBehind:
        generations = await self._store.load_generations(share.region, 0)
        known = {each.number: each for each in generations if each.number <= share.generation}
        return _LeftBehind(known, share.generation)

    async def run(self, shares: ShareSource) -> None:
        """Empties the queue until cancelled or until the engine has no part any more.

        Args:
            shares: asked for the share before the first batch, and when a batch was refused.
        """
        tasks = [asyncio.create_task(self._run(shares), name="writer")]
        if self._spool is not None:
            tasks.append(asyncio.create_task(self._keep_safe(), name="spool"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(tasks, None)
        for task in done:
            task.result()

    async def _run(self, shares: ShareSource) -> None:
        pause = _FIRST_PAUSE_SECONDS
        share = await self._renewed(shares)
        while share is not None:
            if not self._reads_disk:
                await self._filled.wait()
                if not self._urgent.is_set() and len(self._queue) < MOST_IN_A_BATCH:
                    await _wait(self._urgent, self._flush_seconds)
                if self._urgent.is_set():
                    await asyncio.sleep(_URGENT_SECONDS)
            self._urgent.clear()
            try:
                share = await self._flush(share, shares)
                pause = _FIRST_PAUSE_SECONDS
            except DatabaseUnavailable as error:
                self._note(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    @property
    def _reads_disk(self) -> bool:
        return self.spooled.results > 0 and time.monotonic() >= self._disk_rests_until

    async def _renewed(self, shares: ShareSource) -> Share | None:
        while True:
            try:
                return await shares.renew()
            except DatabaseUnavailable as error:
                self._note(error)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    async def _flush(self, share: Share, shares: ShareSource) -> Share | None:
        """Writes what waits by now; returns the share it ended with, None when there is none.

        What comes meanwhile waits for company: written at once, it would be one small batch after
        the other, which cost this process and the database several times as much.
        """
        newest_now = self._queue[-1].number if self._queue else 0
        while (batch := await self._next(share)) is not None:
            begun = perf_counter()
            try:
                await self._write_batch(batch, share)
            except LeaseLost:
                renewed = await shares.renew()
                if renewed is None:
                    await self.record_facts()
                    return None
                share = renewed
                continue
            self._counters.flushed(perf_counter() - begun)
            if batch.number is not None and batch.number >= newest_now:
                break
        return share

    async def record_facts(self) -> None:
        """Writes what was seen, and nothing that was decided, of all that waits.

        Raises:
            DatabaseUnavailable: the rest waits.
        """
        try:
            while (batch := await self._next(None)) is not None:
                await self._write_batch(batch, None)
        except DatabaseUnavailable:
            with suppress(SpoolRefused):
                await self._to_disk()
            raise

    async def close(self, shares: ShareSource, seconds: float) -> Leftover:
        """Writes what is left, for at most some time, and leaves the rest on disk.

        Args:
            shares: asked for the share first, and whenever members came or went.
            seconds: how long to try.

        Returns:
            How many results were lost since the start, and how many wait on disk.
        """
        if self._spool is not None and (self._unavailable or self.spooled.results):
            seconds = min(seconds, _SHORT_CLOSE_SECONDS)  # on disk it is as safe
        writing = asyncio.create_task(self._write_rest(shares))
        writing.add_done_callback(look_at)
        await asyncio.wait([writing], timeout=seconds)
        # Not waited for: it may hang in a line that is silent. Should it arrive after all, what is
        # on disk adds nothing.
        writing.cancel()
        with _logged("what is left cannot be kept on disk"):
            await self._to_disk()
        on_disk = self.spooled.results
        if self._spool is not None:
            with _logged("the spool cannot be closed"):
                await self._spool.close()
        if self._queue:
            _LOG.error("the database did not answer: %d results were lost", len(self._queue))
        if on_disk:
            _LOG.warning("the database did not answer: %d results wait on disk", on_disk)
        return Leftover(self.lost + len(self._queue), on_disk)

    async def _write_rest(self, shares: ShareSource) -> None:
        while self.pending:
            try:
                share = await shares.renew()
                while (batch := await self._next(share)) is not None:
                    try:
                        await self._write_batch(batch, share)
                    except LeaseLost:
                        share = await shares.renew()
            except DatabaseUnavailable as error:
                self._note(error)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    async def _next(self, share: Share | None) -> _Batch | None:
        """The batch that is to be written next; None when nothing waits."""
        waiting = await self._from_disk() if self._reads_disk else None
        if waiting is not None:
            batch = next_batch(waiting.decisions, late=True)
            if waiting.left_by and share is not None:
                batch = [self._left.judged(each, waiting.left_by, share) for each in batch]
            return _Batch(batch, None, is_late=True)
        if not self._queue:
            self._filled.clear()
            return None
        late = time.monotonic() - self._queue[0].since > _LATE_SECONDS
        batch = next_batch((queued.decision for queued in self._queue), late=late)
        self._in_hand = len(batch)
        return _Batch(batch, self._queue[len(batch) - 1].number, is_late=late)

    async def _from_disk(self) -> Waiting | None:
        if self._spool is None:
            return None
        try:
            return await self._spool.peek(MOST_IN_A_BATCH)
        except SpoolRefused as error:
            # What is newer goes on without it, and so nothing on disk may decide any more.
            _LOG.error("results on disk cannot be read now: %s", error)
            self._disk_rests_until = time.monotonic() + _DISK_REST_SECONDS
            self._disk_is_behind = True
            return None

    async def _write_batch(self, batch: _Batch, share: Share | None) -> None:
        """Writes a batch and forgets it; without a share, as facts."""
        is_fact = share is None or (batch.number is None and self._disk_is_behind)
        if share is None or is_fact:
            await self._write(batch.decisions, self._store.record_stale_facts)
        else:
            await self._write(batch.decisions, partial(self._record, share, batch.is_late))
        if batch.number is not None:
            self._forget(batch.number)
        elif self._spool is not None:
            with _logged("what is written cannot be removed from the disk"):
                await self._spool.advance(len(batch.decisions))
            self._disk_is_behind &= self.spooled.results > 0
        if self._unavailable is not None:
            _LOG.info("the database is back; %d results wait", self.pending)
            self._unavailable = None

    async def _record(
        self, share: Share, is_late: bool, decisions: Sequence[Decision]
    ) -> BatchOutcome:
        at = newest(decisions) if is_late else None
        return await self._store.record_batch(share, decisions, at)

    def _note(self, error: DatabaseUnavailable) -> None:
        self._in_hand = 0
        if self._unavailable is None:
            _LOG.warning("results wait: %s", error.message)
        self._unavailable = error.cause

    async def _write(
        self,
        batch: Sequence[Decision],
        record: Callable[[Sequence[Decision]], Awaitable[BatchOutcome]],
    ) -> None:
        """Writes a batch, without those that the database refuses for what they are."""
        for attempt in range(_COLLISIONS + 1):
            try:
                await record(batch)
            except (LeaseLost, DatabaseUnavailable):
                raise
            except Conflict:
                # Two writers met (a deadlock, a unique key): the next attempt sees the outcome.
                if attempt < _COLLISIONS:
                    continue
                await self._halve(batch, record)
            except StatustuiError:
                await self._halve(batch, record)
            return

    async def _halve(
        self,
        batch: Sequence[Decision],
        record: Callable[[Sequence[Decision]], Awaitable[BatchOutcome]],
    ) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write(batch[:middle], record)
            await self._write(batch[middle:], record)
            return
        try:
            await record(batch)
        except (LeaseLost, DatabaseUnavailable):
            raise
        except StatustuiError as error:
            self._lost += 1
            monitor = batch[0].monitor
            _LOG.error(
                "a result of monitor %s was refused and given up: %s", monitor.id, error.message
            )


@contextmanager
def _logged(trouble: str) -> Iterator[None]:
    """Says what the disk refused, and goes on without it."""
    try:
        yield
    except SpoolRefused as error:
        _LOG.error("%s: %s", trouble, error)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event for at most some time, whether it came or not."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
