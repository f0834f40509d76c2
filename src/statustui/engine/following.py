"""Follows what is configured and who shares the region: reads it again when either has changed.

Edits are announced, and taken over within moments; now and then everything is read without an
announcement, because one may be lost. What an edit means for services and incidents is settled by
one engine for all of them, the keeper.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.domain.sharing import Share
from statustui.engine.clock import Clock
from statustui.engine.looking import Looking
from statustui.engine.membership import Membership
from statustui.engine.tasks import wait_for
from statustui.store.changes import EVERYBODY, Change, Resync, Subscription
from statustui.store.engine import EngineStore, Lease, LeaseLost, Work

_LOG = logging.getLogger("statustui.engine")

_RETRY_SECONDS = 0.5
_RELOADING = frozenset({"configuration", "maintenance"})


class Following:
    """What the engine of one region works with, kept as it is in the database.

    Args:
        store: the database.
        clock: the time.
        membership: which of the region's monitors are this engine's.
        looking: looks at them.
        keeper: the keeper's lease while this engine has it.
        region: its name.
        poll_seconds: until everything is read again without an announcement.
    """

    def __init__(
        self,
        store: EngineStore,
        clock: Clock,
        membership: Membership,
        looking: Looking,
        keeper: Callable[[], Lease | None],
        region: str,
        poll_seconds: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._looking = looking
        self._keeper = keeper
        self._region = region
        self._poll_seconds = poll_seconds
        self._share: Share | None = None
        self._of_region = 0
        self._unreadable: frozenset[int] = frozenset()
        self._pauses_end_at: datetime | None = None
        self._asked = asyncio.Event()
        self._members_changed = asyncio.Event()
        self._edited: set[str] = set()

    @property
    def of_region(self) -> int:
        """How many monitors the region has, whoever looks at them."""
        return self._of_region

    @property
    def members_changed(self) -> asyncio.Event:
        """Set when it was announced that engines came or went; whoever waits for it clears it."""
        return self._members_changed

    def ask(self, *organizations: str) -> None:
        """Has everything read again, and these organizations settled, `EVERYBODY` for all."""
        self._edited.update(organizations)
        self._asked.set()

    def ask_if_shared_anew(self) -> None:
        """Has everything read again when members came or went since it was read."""
        if self._membership.share is not self._share:
            self._asked.set()

    async def listen(self, changes: Subscription) -> None:
        """Hears what is announced, until cancelled."""
        async for bundle in changes:
            if isinstance(bundle, Resync):
                self.ask(EVERYBODY)
                self._members_changed.set()
                continue
            if any(change.kind == "leases" for change in bundle):
                self._members_changed.set()
            if organizations := _organizations(bundle):
                self.ask(*organizations)
        # The listener was closed: nothing comes any more, the slow poll goes on.
        await asyncio.Event().wait()

    async def run(self) -> None:
        """Takes over edits within moments, until cancelled."""
        while True:
            await wait_for(self._asked, self._until_reload())
            self._asked.clear()
            if not await self._take_over():
                self._asked.set()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take_over(self) -> bool:
        """Settles and reads the configuration; returns whether that is done with."""
        edited, self._edited = self._edited, set()
        try:
            await self._settle(edited)
            await self.reload()
        except DatabaseUnavailable as error:
            _LOG.debug("configuration is read later: %s", error.message)
        except Conflict as error:
            _LOG.info("somebody edits the same at this moment: %s", error.message)
        except StatustuiError as error:
            # One organization's rows must not keep everybody's from being watched.
            _LOG.error("edits could not be settled, and are tried again later: %s", error.message)
            return True
        else:
            return True
        self._edited |= edited
        return False

    async def _settle(self, edited: set[str]) -> None:
        held = self._keeper()
        if held is None:
            return
        organizations = None if EVERYBODY in edited else sorted(edited)
        try:
            await self._store.settle(held, organizations=organizations)
        except LeaseLost:
            _LOG.debug("edits are settled by another engine, which settles all when it begins")

    async def reload(self) -> None:
        """Reads what there is to do, and takes over the part that is this engine's.

        Raises:
            DatabaseUnavailable: everything goes on as it was.
        """
        while (share := self._membership.share) is not None:
            work = await self._store.load_work(self._region, share.region, share.owns)
            gained = self._looking.gained(work.monitors, share)
            memories = await self._store.load_memories(share.region, gained) if gained else {}
            if self._membership.share is not share:
                continue  # members came or went while this was read
            self._share = share
            self._note(work)
            self._membership.know(work.ids)
            self._looking.take_over(work.monitors, memories, work.windows, share)
            return

    def _note(self, work: Work) -> None:
        for key in work.unreadable.keys() - self._unreadable:
            _LOG.error("monitor %d is not watched: %s", key, work.unreadable[key])
        self._unreadable = frozenset(work.unreadable)
        self._of_region = len(work.ids)
        self._pauses_end_at = work.pauses_end_at

    def _until_reload(self) -> float:
        """Seconds until the configuration is read again without an announcement."""
        seconds = self._poll_seconds
        if self._pauses_end_at is not None:
            left = (self._pauses_end_at - self._clock.now()).total_seconds() + 0.05
            seconds = min(seconds, max(left, 0.05))
        return seconds


def _organizations(bundle: frozenset[Change]) -> set[str]:
    """The keys of those whose configuration or windows changed."""
    return {change.org_key for change in bundle if change.kind in _RELOADING}
