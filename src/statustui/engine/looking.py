"""Looks at the monitors that this engine holds, and hands what it decided to the writer.

What is remembered of a monitor is true as long as nobody else looked after it. So it is loaded when
the monitor is gained and dropped when it is lost; a look that was under way when that happened ends
all the same, and what it saw is a fact from which nothing follows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from statustui.domain.decision import Memory, WatchedMonitor, decide
from statustui.domain.errors import StatustuiError
from statustui.domain.monitor import CheckConfig, host_of
from statustui.domain.observation import Observation
from statustui.domain.scheduling import Timetable
from statustui.domain.sharing import Share
from statustui.domain.status import ErrorKind, MonitorState, MonitorType
from statustui.domain.verdict import VerdictState, wants_retry
from statustui.engine import checkers
from statustui.engine.beats import BeatReader
from statustui.engine.clock import Clock
from statustui.engine.counters import Counters
from statustui.engine.observer import OwnNetwork
from statustui.engine.scheduler import Run, Scheduler
from statustui.engine.writer import Writer
from statustui.settings import EngineSettings
from statustui.store.engine import Window

_LOG = logging.getLogger("statustui.engine")

# Every look ends at its timeout. One that took so much longer was held up here, not over there.
_HELD_UP = timedelta(seconds=1)
# Looks that are due together start in small groups, and what they wait for is read in between:
# a thousand at once would each report how long the engine took for all of them.
_STARTS_AT_ONCE = 8
_MICROSECOND = timedelta(microseconds=1)
# Of no generation: from what was seen under it nothing follows.
_NO_TENURE = 0


class Look(Protocol):
    """Looks at a target once, as `checkers.look` does."""

    def __call__(
        self, config: CheckConfig, *, timeout_ms: int, options: checkers.LookOptions
    ) -> Awaitable[Observation]:
        """See `checkers.look`."""


class Looking:
    """The looks of one engine, and what it remembers from look to look.

    Args:
        look: looks at a target.
        clock: the time.
        writer: takes what was decided.
        network: says whether a failure is this host's own.
        beats: what jobs said of themselves.
        counters: told of every check.
        settings: how many looks at once, and what this host allows.
    """

    def __init__(
        self,
        look: Look,
        clock: Clock,
        writer: Writer,
        network: OwnNetwork,
        beats: BeatReader,
        counters: Counters,
        settings: EngineSettings,
    ) -> None:
        self._look = look
        self._clock = clock
        self._writer = writer
        self._network = network
        self._beats = beats
        self._counters = counters
        self._concurrency = settings.concurrency
        self._per_host = settings.per_host_concurrency
        self._options = checkers.LookOptions(
            wall_clock=clock.now, commands_allowed=settings.commands_allowed
        )
        self._scheduler = Scheduler(self._concurrency, self._per_host)
        self._memories: dict[int, Memory] = {}
        self._tenures: dict[int, int] = {}
        self._timetables: dict[int, Timetable] = {}
        self._windows: dict[UUID, list[Window]] = {}
        self._wake = asyncio.Event()
        self._sleeps_until = clock.now()
        self._looks: set[asyncio.Task[None]] = set()

    @property
    def scheduler(self) -> Scheduler:
        """When which monitor is looked at."""
        return self._scheduler

    # -- what is looked at -----------------------------------------------------------------------

    def forget(self) -> None:
        """Drops everything, before it is loaded anew."""
        self._scheduler = Scheduler(self._concurrency, self._per_host)
        self._memories.clear()
        self._tenures.clear()
        self._timetables.clear()

    def gained(self, monitors: Collection[int], share: Share) -> list[int]:
        """Those of this engine's monitors whose memory is to be loaded."""
        return [key for key in monitors if not self._is_held(key, share)]

    def _is_held(self, key: int, share: Share) -> bool:
        tenure = self._tenures.get(key)
        return tenure is not None and share.holds(key, tenure)

    def take_over(
        self,
        monitors: Mapping[int, WatchedMonitor],
        memories: Mapping[int, Memory],
        windows: Sequence[Window],
        share: Share,
    ) -> None:
        """Looks at these from now on.

        Args:
            monitors: all that this engine holds, by key.
            memories: of those that were `gained`; what is missing was never looked at.
            windows: of maintenance, that flag checks.
            share: under which the monitors are held.
        """
        for key in self._tenures.keys() - monitors.keys():
            del self._tenures[key]
            self._memories.pop(key, None)
            self._timetables.pop(key, None)
        for key in self.gained(monitors, share):
            self._tenures[key] = share.generation
            self._memories[key] = memories.get(key, Memory())
            self._timetables.pop(key, None)
        for key, monitor in monitors.items():
            if self._has_rested(monitor):
                # What was known before a pause says nothing about the time after it.
                memory = self._memories[key]
                forgotten = VerdictState(last_good_at=memory.verdict.last_good_at)
                self._memories[key] = replace(memory, verdict=forgotten)
            if monitor.timetable is not None:
                self._timetables[key] = monitor.timetable
        self._windows = {}
        for window in windows:
            self._windows.setdefault(window.service_id, []).append(window)
        last_looks = {
            key: memory.last_checked_at
            for key, memory in self._memories.items()
            if memory.last_checked_at is not None
        }
        held = {
            key: replace(monitor, tenure=self._tenures[key]) for key, monitor in monitors.items()
        }
        self._network.watch({host_of(monitor.spec.config) for monitor in held.values()})
        self._scheduler.load(held, last_looks, self._clock.now())
        self._wake.set()

    def look_again(self) -> None:
        """Looks again, evenly, at what nobody could look at: this host has its network back."""
        unseen = [
            key
            for key, memory in self._memories.items()
            if memory.last_error_kind is ErrorKind.OBSERVER
        ]
        self._scheduler.look_again(unseen, self._clock.now())
        self._wake.set()

    def _has_rested(self, monitor: WatchedMonitor) -> bool:
        """Whether a monitor rests, or did since it was read last: its slots then began anew."""
        before, after = self._timetables.get(monitor.key), monitor.timetable
        return monitor.is_paused or (
            before is not None
            and after is not None
            and before.interval_ms == after.interval_ms
            and before.from_at != after.from_at
        )

    # -- looking ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts looks when they are due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if self._clock.jumped():
                _LOG.warning("the clock was set or this machine slept: missed looks are skipped")
                self._scheduler.reschedule(self._clock.now())
            now = self._clock.now()
            runs = self._scheduler.take(now, _STARTS_AT_ONCE)
            for run in runs:
                task = loop.create_task(self._look_once(run))
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)
            if len(runs) == _STARTS_AT_ONCE:
                await asyncio.sleep(0)
                continue
            following = self._scheduler.next_at()
            seconds = 1.0
            if following is not None:
                seconds = min(1.0, max(0.0, (following - self._clock.now()).total_seconds()))
            self._sleeps_until = self._clock.now() + timedelta(seconds=seconds)
            timer = loop.call_later(seconds, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()

    async def finish(self, seconds: float) -> None:
        """Waits a little for looks under way; the rest never happened."""
        if self._looks and seconds:
            await asyncio.wait(self._looks, timeout=seconds)
        looks = list(self._looks)
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _look_once(self, run: Run) -> None:
        """One look, and what follows from it."""
        monitor = run.monitor
        scheduler = self._scheduler
        retry = False
        try:
            observation = await self._believed(run, await self._observe(monitor))
            if self._tenures.get(monitor.key) != monitor.tenure:
                self._record_fact(monitor, observation, run)
            elif scheduler.watches(monitor.key):
                retry = self._decide(monitor, observation, run)
        finally:
            scheduler.finish(run, self._clock.now(), retry=retry)
            following = scheduler.next_at()
            if scheduler.has_waiting or (following is not None and following < self._sleeps_until):
                self._wake.set()

    async def _observe(self, monitor: WatchedMonitor) -> Observation:
        started_at = self._clock.now()
        mark = self._clock.mark()
        options = self._options
        if monitor.spec.type is MonitorType.HEARTBEAT:
            options = replace(options, beats=partial(self._beats.of, monitor.key))
        try:
            seen = await self._look(
                monitor.spec.config, timeout_ms=monitor.spec.timeout_ms, options=options
            )
        except Exception:  # noqa: BLE001  a defect in a checker must not end the watch: nobody could look
            _LOG.exception("looking for monitor %s failed in itself", monitor.id)
            spent = self._clock.now() - started_at
            return Observation(
                started_at=started_at,
                duration_ms=spent / timedelta(milliseconds=1),
                error_kind=ErrorKind.OBSERVER,
                reason="the check failed in itself; its log says why",
            )
        if self._clock.since(mark) <= timedelta(milliseconds=monitor.spec.timeout_ms) + _HELD_UP:
            return seen
        # A frozen process or a sleeping machine: the target may have answered in time.
        return replace(
            seen,
            error_kind=ErrorKind.OBSERVER,
            reason="the watch itself stood still during this look",
        )

    async def _believed(self, run: Run, observation: Observation) -> Observation:
        """What was seen, unless it is this host whose network is gone."""
        memory = self._memories.get(run.monitor.key)
        return await self._network.consider(
            run.host,
            observation,
            was_down=memory is not None and memory.verdict.state is MonitorState.DOWN,
            hold_seconds=run.monitor.spec.retry_interval_seconds,
        )

    def _decide(self, monitor: WatchedMonitor, observation: Observation, run: Run) -> bool:
        """Queues what follows from a look; returns whether it wants a retry."""
        memory = self._memories.get(monitor.key, Memory())
        last = memory.last_checked_at
        if last is not None and observation.started_at <= last:
            # Checks of one monitor are told apart by their start.
            observation = replace(observation, started_at=last + _MICROSECOND)
        try:
            decision = decide(
                monitor,
                memory,
                observation,
                run.due,
                in_maintenance=self._in_maintenance(monitor, observation.started_at),
            )
        except StatustuiError as error:
            _LOG.error("a look of monitor %s cannot be judged: %s", monitor.id, error.message)
            return False
        self._memories[monitor.key] = decision.memory
        self._counters.checked(monitor, decision)
        self._writer.put(decision)
        return wants_retry(decision.memory.verdict, monitor.spec)

    def _record_fact(self, monitor: WatchedMonitor, observation: Observation, run: Run) -> None:
        """Queues what was seen of a monitor that was another engine's meanwhile."""
        try:
            decision = decide(
                replace(monitor, tenure=_NO_TENURE),
                Memory(),
                observation,
                run.due,
                in_maintenance=self._in_maintenance(monitor, observation.started_at),
            )
        except StatustuiError as error:
            _LOG.error("a look of monitor %s cannot be judged: %s", monitor.id, error.message)
            return
        self._writer.put(replace(decision, transitions=(), evidence=()))

    def _in_maintenance(self, monitor: WatchedMonitor, at: datetime) -> bool:
        return any(
            window.starts_at <= at and (window.ends_at is None or at < window.ends_at)
            for window in self._windows.get(monitor.service_id, ())
        )
