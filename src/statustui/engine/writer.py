"""Carries decisions from the checks to the database in batches, through a queue that has an end.

Checks never wait for the database. Their decisions queue up and are written in one transaction per
batch: after at most the flush interval, and almost at once when a decision changes a state, because
somebody is then waiting to hear of it. While the database is away they stay in the queue, in order,
and are sent again, which changes nothing when they had arrived after all.

When the queue is full, the oldest decision that changes no state is given up, and counted; when
there is none, the newest. One that
the database refuses on its own (a monitor purged meanwhile) is found by halving its batch, given
up, counted and logged, so that it never keeps the others back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Protocol

from statustui.domain.decision import Decision
from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.domain.sharing import Share
from statustui.engine.clock import Clock
from statustui.engine.counters import Counters
from statustui.store.engine import BatchOutcome, LeaseLost

_LOG = logging.getLogger("statustui.engine")

_MOST_IN_A_BATCH = 2_000
# Opening an incident costs some milliseconds, and whoever joins or leaves waits for a batch.
_MOST_CHANGES_IN_A_BATCH = 100
# Long enough to write what fails together together, short enough that nobody notices.
_URGENT_SECONDS = 0.02
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_COLLISIONS = 5


class ShareSource(Protocol):
    """Who knows what this engine may still decide."""

    async def renew(self) -> Share | None:
        """The share after asking for it once more; None when the engine has no part any more."""


class BatchStore(Protocol):
    """Where decisions go; `EngineStore` is one."""

    async def record_batch(
        self, share: Share, decisions: Sequence[Decision], at: datetime
    ) -> BatchOutcome:
        """See `EngineStore.record_batch`."""

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        """See `EngineStore.record_stale_facts`."""


class Writer:
    """The queue, and the task that empties it.

    Args:
        store: where decisions go.
        clock: for the time of settling.
        queue_size: decisions kept at most.
        flush_seconds: how long a decision waits for others.
        counters: told of every check and every batch.
    """

    def __init__(
        self,
        store: BatchStore,
        clock: Clock,
        queue_size: int,
        flush_seconds: float,
        counters: Counters | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue_size = queue_size
        self._flush_seconds = flush_seconds
        self._counters = counters or Counters()
        self._queue: deque[Decision] = deque()
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._in_hand = 0
        self._lost = 0
        self._unavailable: str | None = None

    @property
    def pending(self) -> int:
        """Decisions that are not in the database yet."""
        return len(self._queue)

    @property
    def lost(self) -> int:
        """Decisions that were given up."""
        return self._lost

    @property
    def unavailable(self) -> str | None:
        """Why the database could not be reached at the last attempt; None when it could."""
        return self._unavailable

    def put(self, decision: Decision) -> None:
        """Queues a decision."""
        self._counters.checked(decision)
        if len(self._queue) >= self._queue_size and not self._make_room():
            return
        self._queue.append(decision)
        self._filled.set()
        if decision.transitions:
            self._urgent.set()

    def _make_room(self) -> bool:
        """Gives up one decision; returns whether that was a queued one and not the new one."""
        self._lost += 1
        if self._lost == 1 or self._lost % 1_000 == 0:
            _LOG.error("the queue is full: %d results were given up so far", self._lost)
        # The head of the queue may be on its way to the database; it must stay what it is.
        for index in range(self._in_hand, len(self._queue)):
            if not self._queue[index].transitions:
                del self._queue[index]
                return True
        return False

    async def run(self, shares: ShareSource) -> None:
        """Empties the queue until cancelled or until the engine has no part any more.

        Args:
            shares: asked for the share before the first batch, and when a batch was refused.
        """
        pause = _FIRST_PAUSE_SECONDS
        held = await self._renewed(shares)
        while held is not None:
            await self._filled.wait()
            if not self._urgent.is_set():
                await _wait(self._urgent, self._flush_seconds)
            if self._urgent.is_set():
                await asyncio.sleep(_URGENT_SECONDS)
            self._urgent.clear()
            try:
                held = await self._flush(held, shares)
                pause = _FIRST_PAUSE_SECONDS
            except DatabaseUnavailable as error:
                self._note(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _renewed(self, shares: ShareSource) -> Share | None:
        while True:
            try:
                return await shares.renew()
            except DatabaseUnavailable as error:
                self._note(error)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    async def _flush(self, held: Share, shares: ShareSource) -> Share | None:
        """Writes what is queued; returns the share it ended with, None when there is none."""
        while self._queue:
            batch = self._next_batch()
            begun = perf_counter()
            try:
                await self._write(batch, partial(self._record, held))
            except LeaseLost:
                renewed = await shares.renew()
                if renewed is None:
                    await self.record_facts()
                    return None
                held = renewed
                continue
            self._counters.flushed(perf_counter() - begun)
            self._done(batch)
        self._filled.clear()
        return held

    async def record_facts(self) -> None:
        """Writes what was seen, and nothing that was decided, of all that is queued.

        Raises:
            DatabaseUnavailable: the rest stays queued.
        """
        while self._queue:
            batch = self._next_batch()
            await self._write(batch, self._store.record_stale_facts)
            self._done(batch)
        self._filled.clear()

    async def close(self, held: Share | None, seconds: float) -> int:
        """Writes what is left, for at most some time.

        Args:
            held: the share; None when the engine has no part.
            seconds: how long to try.

        Returns:
            How many results were lost since the start, those that are still queued included.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._queue:
                    try:
                        await self._close_once(held)
                    except DatabaseUnavailable as error:
                        self._note(error)
                        await asyncio.sleep(_FIRST_PAUSE_SECONDS)
        except TimeoutError:
            _LOG.error("the database did not answer: %d results were not written", self.pending)
        return self._lost + self.pending

    async def _close_once(self, held: Share | None) -> None:
        if held is None:
            await self.record_facts()
            return
        batch = self._next_batch()
        try:
            await self._write(batch, partial(self._record, held))
        except LeaseLost:
            await self.record_facts()
        else:
            self._done(batch)

    async def _record(self, held: Share, batch: Sequence[Decision]) -> BatchOutcome:
        return await self._store.record_batch(held, batch, self._clock.now())

    def _next_batch(self) -> list[Decision]:
        batch: list[Decision] = []
        changes = 0
        for decision in self._queue:
            changes += len(decision.transitions)
            if len(batch) == _MOST_IN_A_BATCH or changes > _MOST_CHANGES_IN_A_BATCH:
                break
            batch.append(decision)
        self._in_hand = len(batch)
        return batch

    def _done(self, batch: Sequence[Decision]) -> None:
        for _ in batch:
            self._queue.popleft()
        self._in_hand = 0
        if self._unavailable is not None:
            _LOG.info("the database is back; %d results wait", self.pending)
            self._unavailable = None

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


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event for at most some time, whether it came or not."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
