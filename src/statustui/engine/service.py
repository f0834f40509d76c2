"""The engine: takes its part in a region, looks when it is time, decides, and hands that on.

Its life is a loop of two states. On *standby* it asks for a part until the database gives it one.
*Active*, it runs its tasks until it is asked to stop: looks, the writer, the beat by which others
know that it lives, what is configured, and what one engine does by the clock for all of them. None
of them waits for another: while the database is away, looks go on and their results queue up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import statustui
from statustui.domain.enginemetrics import EngineSnapshot
from statustui.domain.errors import DatabaseUnavailable, StatustuiError
from statustui.engine import checkers
from statustui.engine.beats import BeatReader
from statustui.engine.clock import Clock
from statustui.engine.counters import Counters
from statustui.engine.following import Following
from statustui.engine.housekeeping import keep_time
from statustui.engine.looking import Look, Looking
from statustui.engine.membership import KeeperLease, Membership, Rhythm
from statustui.engine.observer import Outage, OwnNetwork
from statustui.engine.spool import Spool
from statustui.engine.tasks import cancel, first, wait_for
from statustui.engine.writer import Writer
from statustui.settings import EngineSettings, canary_address
from statustui.store.changes import EVERYBODY, ChangeListener
from statustui.store.engine import EngineStore

_LOG = logging.getLogger("statustui.engine")

# How long looks under way may go on after a stop was asked for, and how long the rest may take.
_FINISH_SECONDS = 0.8
_FLUSH_SECONDS = 1.2
_LEAVE_SECONDS = 0.4
_RETRY_SECONDS = 0.5


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
        offline_since: since when this host's own network is gone; None while it is there.
        behind_seconds: how late looks start.
        unavailable: why the database does not answer; None when it does.
        region: where it looks from; members: how many engines share that region.
        share: the part of the region's monitors that it watches, 0 to 1.
    """

    state: str
    monitors: int
    running: int
    pending_results: int
    lost_results: int
    behind_seconds: float
    unavailable: str | None
    region: str = "local"
    members: int = 0
    share: float = 0.0
    spooled_results: int = 0
    spool_bytes: int = 0
    spool_oldest_at: datetime | None = None
    spool_trouble: str | None = None
    offline_since: datetime | None = None


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
        rhythm: how often it says that it lives, and when others stop believing it.

    Attributes:
        counters: what it did, counted.
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
        rhythm: Rhythm | None = None,
    ) -> None:
        self._store = store
        self._changes = changes
        self._settings = settings
        self._holder = holder
        self._clock = clock or Clock()
        self._rhythm = rhythm or Rhythm()
        self._id = uuid4()
        self._region = settings.region
        self._state = "starting"
        self._started_at = self._clock.now()
        self.counters = Counters()
        self._writer = Writer(
            store,
            self._clock,
            settings.queue_size,
            settings.flush_interval_ms / 1000,
            spool,
            self.counters,
        )
        self._network = OwnNetwork(
            self._clock,
            [found for text in settings.canaries if (found := canary_address(text))],
            self._tell_outage,
            self._look_again,
        )
        self._looking = Looking(
            look,
            self._clock,
            self._writer,
            self._network,
            BeatReader(store),
            self.counters,
            settings,
        )
        self._membership = Membership(
            store, self._id, self._rhythm, self._register, self._clock.now
        )
        self._keeper = KeeperLease(store, self._id, self._rhythm)
        self._following = Following(
            store,
            self._clock,
            self._membership,
            self._looking,
            lambda: self._keeper.held,
            settings.region,
            settings.configuration_poll_seconds,
        )

    def status(self) -> EngineStatus:
        """How the engine is at the moment, for health checks."""
        scheduler, share = self._looking.scheduler, self._membership.share
        spooled = self._writer.spooled
        return EngineStatus(
            state=self._state,
            monitors=scheduler.monitors,
            running=scheduler.running,
            pending_results=self._writer.pending,
            lost_results=self._writer.lost,
            behind_seconds=scheduler.behind_seconds(self._clock.now()),
            unavailable=self._writer.unavailable,
            region=self._region,
            members=len(share.members) if share is not None else 0,
            share=scheduler.monitors / max(1, self._following.of_region),
            spooled_results=spooled.results,
            spool_bytes=spooled.bytes,
            spool_oldest_at=spooled.oldest_at,
            spool_trouble=spooled.trouble,
            offline_since=self._network.offline_since,
        )

    def now(self) -> datetime:
        """The time by the engine's clock."""
        return self._clock.now()

    def snapshot(self) -> Callable[[], EngineSnapshot]:
        """What the engine did so far, for the metrics; see `Counters.snapshot`."""
        status = self.status()
        # What another engine looks at meanwhile is told by that one.
        self.counters.keep_only(self._looking.scheduler.keys)
        return self.counters.snapshot(
            queued=status.pending_results,
            spooled=status.spooled_results,
            lost=status.lost_results,
            region=self._region,
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
                    await first(stop.wait(), asyncio.sleep(self._rhythm.beat_seconds))
        finally:
            report = await self._end()
        return report

    # -- standby ---------------------------------------------------------------------------------

    async def _stand_by(self, stop: asyncio.Event) -> bool:
        """Takes part in the region; returns whether that came about before the stop."""
        troubled = False
        while not stop.is_set():
            try:
                # What is queued from before was decided with a memory that is gone.
                await self._writer.record_facts()
                self._looking.forget()
                await self._membership.join()
                return True
            except DatabaseUnavailable as error:
                if not troubled:
                    _LOG.warning("waiting for the database: %s", error.message)
                troubled = True
            await first(stop.wait(), asyncio.sleep(_RETRY_SECONDS))
        return False

    def _look_again(self) -> None:
        self._looking.look_again()

    async def _tell_outage(self, outage: Outage) -> None:
        await self._store.record_outage(
            self._id, outage.since, outage.until, holder=self._holder, region=self._region
        )

    async def _register(self) -> int:
        return await self._store.register(
            self._id, self._region, socket.gethostname(), os.getpid(), statustui.__version__
        )

    # -- active ----------------------------------------------------------------------------------

    async def _be_active(self, stop: asyncio.Event) -> None:
        """Runs everything until the stop."""
        # From here on nothing that is announced is missed; what was before is about to be read.
        changes = self._changes.subscribe()
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._following.listen(changes), name="announcements"),
            asyncio.create_task(self._belong(), name="membership"),
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            if await self._begin(stop):
                tasks += [
                    asyncio.create_task(self._writer.run(self._membership), name="writer"),
                    asyncio.create_task(self._looking.run(), name="checks"),
                    asyncio.create_task(self._network.run(), name="network"),
                    asyncio.create_task(self._following.run(), name="configuration"),
                    asyncio.create_task(
                        keep_time(
                            self._store,
                            lambda: self._keeper.held,
                            self._rhythm.silent_seconds,
                        ),
                        name="clock",
                    ),
                ]
                await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                if task.get_name() != "writer":
                    task.cancel()
            await self._looking.finish(_FINISH_SECONDS if stop.is_set() else 0.0)
            stopping.cancel()
            # A task may hang in a line that is silent, and then it is left behind.
            ended, _ = await cancel([*tasks, stopping], _LEAVE_SECONDS)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        if not stop.is_set():
            self._state = "standby"

    async def _begin(self, stop: asyncio.Event) -> bool:
        """Loads this engine's part of the region."""
        while not stop.is_set():
            try:
                # What was decided before now comes before anything that is remembered.
                self._writer.know(await self._store.load_installation(), self._id)
                await self._writer.catch_up(self._membership)
                await self._following.reload()
            except DatabaseUnavailable as error:
                _LOG.warning("waiting for the database: %s", error.message)
                await first(stop.wait(), asyncio.sleep(_RETRY_SECONDS))
            else:
                self._state = "active"
                status = self.status()
                _LOG.info(
                    "active in region %s: %d monitors, %d engines",
                    self._region,
                    status.monitors,
                    status.members,
                )
                return True
        return False

    async def _belong(self) -> None:
        """Says that this engine lives, and follows who else does, until cancelled."""
        loop = asyncio.get_running_loop()
        changed = self._following.members_changed
        beat_at = loop.time()
        while True:
            try:
                if loop.time() >= beat_at:
                    beat_at = loop.time() + self._rhythm.beat_seconds
                    await self._membership.beat(self._behind_seconds(), self._info())
                else:
                    await self._membership.renew()
                if await self._keeper.take(self._info()):
                    # Whatever the keeper before did not come to is settled now.
                    self._following.ask(EVERYBODY)
                self._following.ask_if_shared_anew()
            except DatabaseUnavailable as error:
                _LOG.debug("nobody heard that this engine lives: %s", error.message)
                beat_at = min(beat_at, loop.time() + _RETRY_SECONDS)
            except StatustuiError as error:
                _LOG.error("the region could not be followed: %s", error.message)
            await wait_for(changed, max(0.0, beat_at - loop.time()))
            changed.clear()

    def _behind_seconds(self) -> float:
        return self._looking.scheduler.behind_seconds(self._clock.now())

    # -- the end ---------------------------------------------------------------------------------

    async def _end(self) -> EngineReport:
        """Writes what is queued, or leaves it on disk, and leaves the region."""
        left = await self._writer.close(self._membership, _FLUSH_SECONDS)
        leaving = asyncio.create_task(self._leave())
        await asyncio.wait({leaving}, timeout=_LEAVE_SECONDS)
        await cancel([leaving], 0.0)
        self._state = "stopped"
        return EngineReport(left.lost, left.on_disk)

    async def _leave(self) -> None:
        with suppress(DatabaseUnavailable):
            await self._membership.leave()
            await self._keeper.release()

    def _info(self) -> dict[str, object]:
        status = self.status()
        return {
            "holder": self._holder,
            "host": socket.gethostname(),
            "process_id": os.getpid(),
            "region": self._region,
            "version": statustui.__version__,
            "started_at": self._started_at.isoformat(),
            "monitors": status.monitors,
            "behind_seconds": round(status.behind_seconds, 3),
            "clock_skew_seconds": round(self._membership.clock_skew.total_seconds(), 3),
            "spooled_results": status.spooled_results,
        }
