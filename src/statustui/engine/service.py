"""The engine: takes the lease, looks when it is time, decides, and hands what it decided on.

Its life is a loop of two states. On *standby* it asks for the lease now and then, and at once when
it hears that it was given back. *Active*, it runs five tasks until it is asked to stop or the lease
is lost: checks, the writer, the lease, changes of configuration, and what is due by the clock. None
of them waits for another: while the database is away, checks go on and their results queue up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import statustui
from statustui.domain.decision import Memory, WatchedMonitor, decide
from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.domain.monitor import CheckConfig
from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind
from statustui.domain.verdict import VerdictState, wants_retry
from statustui.engine import checkers
from statustui.engine.clock import Clock
from statustui.engine.housekeeping import keep_time
from statustui.engine.leases import RENEW_SECONDS, LeaseKeeper
from statustui.engine.scheduler import Run, Scheduler
from statustui.engine.spool import Spool
from statustui.engine.tasks import cancel, first
from statustui.engine.writer import Writer
from statustui.settings import EngineSettings
from statustui.store.changes import EVERYBODY, Change, ChangeListener, Resync, Subscription
from statustui.store.engine import EngineStore, LeaseLost, Window

_LOG = logging.getLogger("statustui.engine")

# How long looks under way may go on after a stop was asked for, and how long the rest may take.
_FINISH_SECONDS = 0.8
_FLUSH_SECONDS = 1.2
_LEAVE_SECONDS = 0.3
_RETRY_SECONDS = 0.5
# Every look ends at its timeout. One that took so much longer was held up here, not over there.
_HELD_UP = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_RELOADING = frozenset({"configuration", "maintenance"})


class Look(Protocol):
    """Looks at a target once, as `checkers.look` does."""

    def __call__(
        self, config: CheckConfig, *, timeout_ms: int, options: checkers.LookOptions
    ) -> Awaitable[Observation]:
        """See `checkers.look`."""


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What came of a run.

    Attributes:
        lost_results: results that are nowhere.
        results_on_disk: results that wait for the next engine that starts here.
    """

    lost_results: int
    results_on_disk: int = 0


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine is at the moment.

    Attributes:
        state: "starting", "standby", "active" or "stopped".
        monitors: how many it watches; running: looks under way.
        pending_results: decisions that wait for the database; spooled_results: those of them that
            wait on disk, in spool_bytes, the oldest since spool_oldest_at.
        spool_trouble: why the disk does not take results; None when it does.
        behind_seconds: how late looks start.
        unavailable: why the database does not answer; None when it does.
    """

    state: str
    monitors: int
    running: int
    pending_results: int
    lost_results: int
    behind_seconds: float
    unavailable: str | None
    spooled_results: int = 0
    spool_bytes: int = 0
    spool_oldest_at: datetime | None = None
    spool_trouble: str | None = None


class Engine:
    """One engine of one region.

    Args:
        store: the database, as the engine's role.
        changes: announcements of changed configuration.
        settings: the part's own settings.
        holder: how operators know this process: "host:pid".
        spool: where results wait on disk while the database is away; without it, in memory only.
        look: looks at a target.
        clock: the time.
    """

    def __init__(
        self,
        store: EngineStore,
        changes: ChangeListener,
        settings: EngineSettings,
        *,
        holder: str,
        spool: Spool | None = None,
        look: Look = checkers.look,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._changes = changes
        self._settings = settings
        self._holder = holder
        self._look = look
        self._clock = clock or Clock()
        self._id = uuid4()
        self._region = settings.region
        self._region_key = 0
        self._state = "starting"
        self._started_at = self._clock.now()
        self._scheduler = Scheduler(settings.concurrency, settings.per_host_concurrency)
        self._writer = Writer(
            store, self._clock, settings.queue_size, settings.flush_interval_ms / 1000, spool
        )
        self._lease = LeaseKeeper(store, f"engine:{settings.region}", self._id, self._info)
        self._options = checkers.LookOptions(wall_clock=self._clock.now)
        self._memories: dict[int, Memory] = {}
        self._windows: dict[UUID, list[Window]] = {}
        self._unreadable: frozenset[int] = frozenset()
        self._pauses_end_at: datetime | None = None
        self._wake = asyncio.Event()
        self._looks: set[asyncio.Task[None]] = set()

    def status(self) -> EngineStatus:
        """How the engine is at the moment, for health checks."""
        spooled = self._writer.spooled
        return EngineStatus(
            state=self._state,
            monitors=self._scheduler.monitors,
            running=self._scheduler.running,
            pending_results=self._writer.pending,
            lost_results=self._writer.lost,
            behind_seconds=self._scheduler.behind_seconds(self._clock.now()),
            unavailable=self._writer.unavailable,
            spooled_results=spooled.results,
            spool_bytes=spooled.bytes,
            spool_oldest_at=spooled.oldest_at,
            spool_trouble=spooled.trouble,
        )

    async def run(self, stop: asyncio.Event) -> EngineReport:
        """Checks until asked to stop.

        Args:
            stop: set to ask for a clean stop, which writes what is queued.
        """
        try:
            while not stop.is_set():
                try:
                    if await self._stand_by(stop):
                        await self._be_active(stop)
                except Exception:  # noqa: BLE001  the supervisor: a defect must not end the watch
                    _LOG.exception("the engine failed in itself and starts again")
                    await first(stop.wait(), asyncio.sleep(RENEW_SECONDS))
        finally:
            report = await self._end()
        return report

    # -- standby ---------------------------------------------------------------------------------

    async def _stand_by(self, stop: asyncio.Event) -> bool:
        """Waits for the lease; returns whether it was had before the stop."""
        hints = self._changes.subscribe()
        troubled = False
        while not stop.is_set():
            try:
                self._region_key = await self._store.register(
                    self._id,
                    self._region,
                    socket.gethostname(),
                    os.getpid(),
                    statustui.__version__,
                )
                # What was queued when the lease was lost was decided by nobody.
                await self._writer.record_facts()
                if await self._lease.take() is not None:
                    return True
                if self._state != "standby":
                    _LOG.info("standing by: another engine checks in region %s", self._region)
                self._state = "standby"
                troubled = False
            except DatabaseUnavailable as error:
                if not troubled:
                    _LOG.warning("waiting for the database: %s", error.message)
                troubled = True
            await first(
                stop.wait(),
                asyncio.sleep(_RETRY_SECONDS if troubled else RENEW_SECONDS),
                _until_lease_changes(hints),
            )
        return False

    # -- active ----------------------------------------------------------------------------------

    async def _be_active(self, stop: asyncio.Event) -> None:
        """Runs everything until the stop or the loss of the lease."""
        # From here on nothing that is announced is missed; what was before is about to be read.
        changes = self._changes.subscribe()
        if not await self._begin(stop):
            return
        self._state = "active"
        _LOG.info("active in region %s: %d monitors", self._region, self._scheduler.monitors)
        writing = asyncio.create_task(self._writer.run(self._lease), name="writer")
        tasks: list[asyncio.Task[Any]] = [
            writing,
            asyncio.create_task(self._check(), name="checks"),
            asyncio.create_task(self._renew(), name="lease"),
            asyncio.create_task(self._follow(changes), name="configuration"),
            asyncio.create_task(
                keep_time(self._store, self._clock, lambda: self._lease.held), name="clock"
            ),
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks[1:]:
                task.cancel()
            await self._finish_looks(_FINISH_SECONDS if stop.is_set() else 0.0)
            stopping.cancel()
            # A task may hang in a line that is silent, and then it is left behind.
            ended, _ = await cancel([*tasks, stopping], _LEAVE_SECONDS)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        if not stop.is_set():
            self._state = "standby"

    async def _begin(self, stop: asyncio.Event) -> bool:
        """Loads everything and settles what happened while nobody checked."""
        self._scheduler = Scheduler(self._settings.concurrency, self._settings.per_host_concurrency)
        while not stop.is_set():
            try:
                # What was decided before now comes before anything that is remembered.
                self._writer.know(await self._store.load_installation())
                await self._writer.catch_up(self._lease)
                lease = await self._lease.renew()
                if lease is None:
                    return False
                self._memories = await self._store.load_memories(self._region_key)
                await self._store.settle(lease, self._clock.now(), organizations=None)
                await self._reload()
                return True
            except LeaseLost:
                return False
            except DatabaseUnavailable as error:
                _LOG.warning("waiting for the database: %s", error.message)
                await first(stop.wait(), asyncio.sleep(_RETRY_SECONDS))
        return False

    async def _check(self) -> None:
        """Starts looks when they are due."""
        loop = asyncio.get_running_loop()
        while True:
            if self._clock.jumped():
                _LOG.warning("the clock was set or this machine slept: missed looks are skipped")
                self._scheduler.reschedule(self._clock.now())
            now = self._clock.now()
            for run in self._scheduler.take(now):
                task = loop.create_task(self._look_once(run))
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)
            following = self._scheduler.next_at()
            seconds = 1.0
            if following is not None:
                seconds = min(1.0, max(0.0, (following - self._clock.now()).total_seconds()))
            timer = loop.call_later(seconds, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()

    async def _look_once(self, run: Run) -> None:
        """One look, and what follows from it."""
        monitor = run.monitor
        retry = False
        try:
            observation = await self._observe(monitor)
            if self._scheduler.watches(monitor.key):
                retry = self._decide(monitor, observation, run)
        finally:
            self._scheduler.finish(run, self._clock.now(), retry=retry)
            self._wake.set()

    async def _observe(self, monitor: WatchedMonitor) -> Observation:
        started_at = self._clock.now()
        mark = self._clock.mark()
        try:
            seen = await self._look(
                monitor.spec.config, timeout_ms=monitor.spec.timeout_ms, options=self._options
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
        self._writer.put(decision)
        return wants_retry(decision.memory.verdict, monitor.spec)

    def _in_maintenance(self, monitor: WatchedMonitor, at: datetime) -> bool:
        return any(
            window.starts_at <= at and (window.ends_at is None or at < window.ends_at)
            for window in self._windows.get(monitor.service_id, ())
        )

    async def _finish_looks(self, seconds: float) -> None:
        """Waits a little for looks under way; the rest never happened."""
        if self._looks and seconds:
            await asyncio.wait(self._looks, timeout=seconds)
        looks = list(self._looks)
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _renew(self) -> None:
        """Renews the lease until another engine has it."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if await self._lease.renew() is None:
                    return
                now = self._clock.now()
                behind = self._scheduler.behind_seconds(now)
                await self._store.beat(self._id, behind, self._info())
            except DatabaseUnavailable as error:
                _LOG.debug("the lease could not be renewed: %s", error.message)

    # -- configuration ---------------------------------------------------------------------------

    async def _follow(self, changes: Subscription) -> None:
        """Takes over edits within moments of their announcement, and now and then without one."""
        while True:
            bundle = await _next_within(changes, self._until_reload())
            organizations: list[str] | None = []
            if isinstance(bundle, Resync):
                organizations = None
            elif bundle is not None:
                kinds = {change.kind for change in bundle}
                if not kinds & _RELOADING:
                    continue
                organizations = _organizations(bundle)
            is_done = await self._take_over(organizations)
            while not is_done:
                await asyncio.sleep(_RETRY_SECONDS)
                is_done = await self._take_over(organizations)

    async def _take_over(self, organizations: list[str] | None) -> bool:
        """Settles and reads the configuration; returns whether that is done with."""
        try:
            held = self._lease.held
            if held is not None:
                await self._store.settle(held, self._clock.now(), organizations=organizations)
            await self._reload()
        except LeaseLost:
            return True  # the lease's own task finds out what that means
        except DatabaseUnavailable as error:
            _LOG.debug("configuration is read later: %s", error.message)
            return False
        except Conflict as error:
            _LOG.info("somebody edits the same at this moment: %s", error.message)
            return False
        return True

    def _until_reload(self) -> float:
        """Seconds until the configuration is read again without an announcement."""
        seconds = self._settings.configuration_poll_seconds
        if self._pauses_end_at is not None:
            left = (self._pauses_end_at - self._clock.now()).total_seconds() + 0.05
            seconds = min(seconds, max(left, 0.05))
        return seconds

    async def _reload(self) -> None:
        work = await self._store.load_work(self._region, self._region_key)
        for key in work.unreadable.keys() - self._unreadable:
            _LOG.error("monitor %d is not watched: %s", key, work.unreadable[key])
        self._unreadable = frozenset(work.unreadable)
        now = self._clock.now()
        for key, monitor in work.monitors.items():
            if monitor.is_paused and key in self._memories:
                # What was known before a pause says nothing about the time after it.
                memory = self._memories[key]
                forgotten = VerdictState(last_good_at=memory.verdict.last_good_at)
                self._memories[key] = replace(memory, verdict=forgotten)
        self._memories = {
            key: memory for key, memory in self._memories.items() if key in work.monitors
        }
        self._windows = {}
        for window in work.windows:
            self._windows.setdefault(window.service_id, []).append(window)
        self._pauses_end_at = min(
            (
                monitor.paused_until
                for monitor in work.monitors.values()
                if monitor.is_paused and monitor.spec.is_active and monitor.paused_until is not None
            ),
            default=None,
        )
        last_looks = {
            key: memory.last_checked_at
            for key, memory in self._memories.items()
            if memory.last_checked_at is not None
        }
        self._scheduler.load(work.monitors, last_looks, now)
        self._wake.set()

    # -- the end ---------------------------------------------------------------------------------

    async def _end(self) -> EngineReport:
        """Writes what is queued, or leaves it on disk, and gives the lease back."""
        left = await self._writer.close(self._lease.held, _FLUSH_SECONDS)
        leaving = asyncio.create_task(self._leave())
        await asyncio.wait({leaving}, timeout=_LEAVE_SECONDS)
        await cancel([leaving], 0.0)
        self._state = "stopped"
        return EngineReport(left.lost, left.on_disk)

    async def _leave(self) -> None:
        with suppress(DatabaseUnavailable):
            await self._lease.release()
            await self._store.sign_off(self._id)

    def _info(self) -> dict[str, object]:
        return {
            "holder": self._holder,
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "region": self._region,
            "version": statustui.__version__,
            "started_at": self._started_at.isoformat(),
            "monitors": self._scheduler.monitors,
            "behind_seconds": round(self._scheduler.behind_seconds(self._clock.now()), 3),
            "spooled_results": self._writer.spooled.results,
        }


def _organizations(bundle: frozenset[Change]) -> list[str] | None:
    """The keys of those whose configuration or windows changed; None for everybody's."""
    keys = {change.org_key for change in bundle if change.kind in _RELOADING}
    return None if EVERYBODY in keys else sorted(keys)


async def _next_within(changes: Subscription, seconds: float) -> frozenset[Change] | Resync | None:
    """The next bundle of changes, None when none came in time."""
    try:
        async with asyncio.timeout(seconds):
            async for bundle in changes:
                return bundle
            # The listener was closed: nothing comes any more, the slow poll goes on.
            await asyncio.Event().wait()
    except TimeoutError:
        pass
    return None


async def _until_lease_changes(changes: Subscription) -> None:
    """Returns when a lease changed hands or was given back."""
    async for bundle in changes:
        if isinstance(bundle, Resync) or any(change.kind == "leases" for change in bundle):
            return
    await asyncio.Event().wait()
