"""Takes part in a region: says every two seconds that the engine lives, and follows who else does.

Who belongs to a region stands in one row on the database's clock. Its engines beat every two
seconds, and whichever of them sees that another has said nothing for six seconds puts it out. Each
such change is a generation, and decisions are only taken from the generation that is in force, so
an engine that was frozen, cut off or slow finds out before it does harm. It then asks for the
generations that it missed: monitors that were never another's go on as they were, those that were
are loaded anew, and what it still had in hand about them is recorded as facts.

Nobody is left out while the database is away for all: an engine that comes back and was given up
for dead by nobody goes on in the same generation.

Work that one engine does for all of them (see `keeper`) is under a lease of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from statustui.domain.sharing import CLOCK_TOLERANCE_SECONDS, Share, follow
from statustui.store.engine import EngineStore, Lease
from statustui.store.engine_share import DEAD_SECONDS, LEASE_SECONDS

_LOG = logging.getLogger("statustui.engine")

BEAT_SECONDS = 2.0
# Longer than for one engine, because nobody takes over: what the region said is taken back.
SILENT_SECONDS = 10.0
KEEPER = "keeper"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often an engine says that it lives, and when the others stop believing it.

    Attributes:
        beat_seconds: between two beats; dead_seconds: of silence until an engine is out;
            lease_seconds: of silence until the keeper's lease is free; silent_seconds: of silence
            of all engines of a region until it counts as gone.
    """

    beat_seconds: float = BEAT_SECONDS
    dead_seconds: float = DEAD_SECONDS
    lease_seconds: float = LEASE_SECONDS
    silent_seconds: float = SILENT_SECONDS


class Membership:
    """The part of one engine in its region.

    Args:
        store: the database.
        engine_id: drawn by the engine when it starts.
        rhythm: of beats.
        register: makes the engine known, and gives its region's key.
        now: this host's clock.
    """

    def __init__(
        self,
        store: EngineStore,
        engine_id: UUID,
        rhythm: Rhythm,
        register: Callable[[], Awaitable[int]],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._id = engine_id
        self._rhythm = rhythm
        self._register = register
        self._now = now
        self._share: Share | None = None
        self._monitors: Mapping[int, UUID] = {}
        self._skew = timedelta(0)

    @property
    def share(self) -> Share | None:
        """The share as it is known; None before the first join and after leaving."""
        return self._share

    @property
    def clock_skew(self) -> timedelta:
        """How much this host's clock is ahead of the database's, at the last beat."""
        return self._skew

    def know(self, monitors: Mapping[int, UUID]) -> None:
        """Takes over the ids of the region's monitors by key: only these can be lost."""
        self._monitors = monitors

    async def join(self) -> None:
        """Takes part in the region.

        Raises:
            DatabaseUnavailable: nobody knows; it may be a member already.
        """
        if await self.renew() is None:
            region = await self._register()
            self._share = await self._store.join(region, self._id, self._rhythm.dead_seconds)

    async def beat(self, behind_seconds: float, info: Mapping[str, object]) -> None:
        """Says that the engine lives, puts out those that do not, and follows what changed.

        Raises:
            DatabaseUnavailable: nobody knows; what was held may still be held.
        """
        share = self._share
        if share is None:
            return
        asked_at = self._now()
        beat = await self._store.beat(share, behind_seconds, info, self._rhythm.dead_seconds)
        self._compare(asked_at + (self._now() - asked_at) / 2 - beat.database_time)
        generation = beat.generation
        if not beat.is_known:
            # Nobody had heard of this engine for so long that it was forgotten.
            await self._register()
        if beat.has_dead:
            generation = await self._store.evict(share.region, self._rhythm.dead_seconds)
            _LOG.warning("an engine has said nothing for too long and is out")
        if generation != share.generation or not share.is_member:
            await self.renew()

    async def renew(self) -> Share | None:
        """The share as it is now, after asking; joins again when this engine was put out.

        Returns:
            The share; None after leaving.

        Raises:
            DatabaseUnavailable: nobody knows; what was held may still be held.
        """
        share = self._share
        if share is None:
            return None
        generations = await self._store.load_generations(share.region, share.generation)
        if self._id not in (generations[-1].members if generations else share.members):
            _LOG.warning("this engine was given up for dead; it starts anew in its region")
            await self._register()
            await self._store.join(share.region, self._id, self._rhythm.dead_seconds)
            generations = await self._store.load_generations(share.region, share.generation)
        # Asked meanwhile by another task of this engine: what is known only grows.
        known = self._share
        if known is None:
            return None
        self._share = follow(known, generations, self._monitors)
        return self._share

    async def leave(self) -> None:
        """Takes no part any more.

        Raises:
            DatabaseUnavailable: the others find out by the silence.
        """
        share, self._share = self._share, None
        if share is not None:
            await self._store.leave(share)

    def _compare(self, skew: timedelta) -> None:
        tolerance = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
        was_off, is_off = abs(self._skew) > tolerance, abs(skew) > tolerance
        self._skew = skew
        if is_off and not was_off:
            _LOG.warning(
                "this host's clock is %.0f s %s the database's: set it by a time service",
                abs(skew).total_seconds(),
                "ahead of" if skew > timedelta(0) else "behind",
            )


class KeeperLease:
    """The right of one engine to do what only one may do for the installation.

    Args:
        store: the database.
        engine_id: who asks.
        rhythm: for how long.
    """

    def __init__(self, store: EngineStore, engine_id: UUID, rhythm: Rhythm) -> None:
        self._store = store
        self._id = engine_id
        self._rhythm = rhythm
        self._held: Lease | None = None

    @property
    def held(self) -> Lease | None:
        """The lease as it was last seen, None when it is another's."""
        return self._held

    async def take(self, info: Mapping[str, object]) -> bool:
        """Takes the lease or renews it; returns whether it is newly this engine's.

        Raises:
            DatabaseUnavailable: nobody knows; what was held may still be held.
        """
        before = self._held
        self._held = await self._store.take_lease(
            KEEPER, self._id, info, self._rhythm.lease_seconds
        )
        return self._held is not None and self._held != before

    async def release(self) -> None:
        """Gives the lease back.

        Raises:
            DatabaseUnavailable: it runs out by itself.
        """
        held, self._held = self._held, None
        if held is not None:
            await self._store.release_lease(held)
