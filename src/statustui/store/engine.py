"""The engine's side of the database: its monitors, and batches of what it decided.

Everything that decides something happens in transactions whose first statement is a fence. For
looks it is the region's share, locked `FOR SHARE` in the generation in which the engine decided;
for what one engine does for all of them it is the keeper's lease. A process that was frozen while
others took over is refused there with everything it decided; what it *saw* is recorded all the
same, as a fact, by `record_stale_facts`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from statustui.domain.decision import Decision, Memory, WatchedMonitor
from statustui.domain.errors import ValidationFailed
from statustui.domain.heartbeat import Away, Beats
from statustui.domain.rollup import BOUNDS_MS
from statustui.domain.sharing import Generation, Share
from statustui.store import engine_regions, engine_rows, engine_settle, engine_share, queries
from statustui.store.connection import Pool, PoolConnection, transaction
from statustui.store.engine_share import DEAD_SECONDS, LEASE_SECONDS, Beat, Lease, LeaseLost
from statustui.store.retention import USUAL, Pruned, Retention, prune

__all__ = ["BatchOutcome", "Beat", "EngineStore", "Lease", "LeaseLost", "Window", "Work"]

_LOG = logging.getLogger("statustui.engine")
_WORK = queries.load("engine_work")
_BATCH = queries.load("engine_batch")
_SETTLE = queries.load("engine_settle")

# Steps of deleting per visit: a tick waits for them.
_HOUSE_STEPS = 4
# A region's end may concern thousands; nobody waits longer for their locks than for a batch's.
_SERVICES_AT_ONCE = 200
# Monitors read without a pause: a few milliseconds' worth.
_READ_AT_ONCE = 200

_NEGATED_BOUNDS = [-bound for bound in reversed(BOUNDS_MS)]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of maintenance of one service; the end is None while nobody has ended it."""

    service_id: UUID
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Work:
    """All that the engine of one region works with.

    Attributes:
        monitors: by key; unreadable: keys of monitors whose stored configuration no reader of
            this version understands, with why.
        windows: of maintenance, that flag checks.
        ids: of all monitors of the region by key, whoever looks at them.
        pauses_end_at: when the next of their pauses ends by itself; None while none does.
    """

    monitors: Mapping[int, WatchedMonitor]
    unreadable: Mapping[int, str]
    windows: tuple[Window, ...]
    ids: Mapping[int, UUID] = field(default_factory=dict)
    pauses_end_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch: checks that were new; the rest were there already."""

    inserted: int
    repeated: int


class EngineStore:
    """What an engine reads and writes, as the engine's own role.

    Args:
        pool: connections as `statustui_engine`.
        retention: how long raw checks and hourly figures are kept.
    """

    def __init__(self, pool: Pool, retention: Retention = USUAL) -> None:
        self._pool = pool
        self._retention = retention
        # Services whose windows moved, until their incidents were settled.
        self._unsettled: set[UUID] = set()

    # -- who looks -------------------------------------------------------------------------------

    async def register(
        self, engine_id: UUID, region: str, host: str, process_id: int, version: str
    ) -> int:
        """Makes an engine known; returns its region's key."""
        return await engine_share.register(self._pool, engine_id, region, host, process_id, version)

    async def join(self, region: int, engine_id: UUID, dead_seconds: float = DEAD_SECONDS) -> Share:
        """Takes part in a region from now on.

        Args:
            region: its key; engine_id: registered.
            dead_seconds: members that have said nothing for so long are out at the same moment.
        """
        generation = await engine_share.join(self._pool, region, engine_id, dead_seconds)
        known = await engine_share.load_generations(self._pool, region, generation - 1)
        return Share(region, engine_id, known[-1].number, known[-1].members)

    async def beat(
        self,
        share: Share,
        behind_seconds: float,
        info: Mapping[str, object],
        dead_seconds: float = DEAD_SECONDS,
    ) -> Beat:
        """Says that an engine lives, how late its looks start, and asks how its region stands.

        Raises:
            Conflict: the region has no share.
        """
        return await engine_share.beat(
            self._pool, share.region, share.engine, behind_seconds, info, dead_seconds
        )

    async def evict(self, region: int, dead_seconds: float = DEAD_SECONDS) -> int:
        """Puts out members that have said nothing for so long; returns the generation."""
        return await engine_share.evict(self._pool, region, dead_seconds)

    async def load_generations(self, region: int, after: int) -> tuple[Generation, ...]:
        """The generations of a region later than one, in their order."""
        return await engine_share.load_generations(self._pool, region, after)

    async def record_outage(
        self,
        engine_id: UUID,
        since: datetime,
        until: datetime | None,
        *,
        holder: str,
        region: str,
    ) -> None:
        """Notes that an engine has lost its own network or has it back, and tells people once.

        Args:
            since: when it was lost; until: when it was back, None while it is not.
            holder: "host:pid" of the engine; region: where it looks from.
        """
        await engine_share.record_outage(
            self._pool, engine_id, since, until, holder=holder, region=region
        )

    async def leave(self, share: Share) -> None:
        """Takes no part any more, so that others go on at once."""
        await engine_share.leave(self._pool, share.region, share.engine)

    async def take_lease(
        self,
        name: str,
        holder: UUID,
        info: Mapping[str, object],
        seconds: float = LEASE_SECONDS,
    ) -> Lease | None:
        """Takes a lease, or renews it.

        Args:
            name: of the lease; holder: this engine; info: shown to operators.
            seconds: for how long.

        Returns:
            The lease; None while another engine holds it.
        """
        return await engine_share.take_lease(self._pool, name, holder, info, seconds)

    async def release_lease(self, lease: Lease) -> None:
        """Gives the lease back, so that another engine takes it over at once."""
        await engine_share.release_lease(self._pool, lease)

    async def load_installation(self) -> UUID:
        """Which database this is, so that results on disk never get into another."""
        async with transaction(self._pool, readonly=True) as connection:
            found: UUID = await connection.fetchval(_WORK["installation"])
        return found

    # -- what there is to do ---------------------------------------------------------------------

    async def load_work(
        self, region: str, region_key: int, owns: Callable[[UUID], bool] | None = None
    ) -> Work:
        """The monitors of a region and the windows that flag their checks.

        Args:
            region: its name; region_key: its key.
            owns: tells by its id whether a monitor is wanted; None for all of them.
        """
        async with transaction(
            self._pool, isolation="repeatable_read", readonly=True
        ) as connection:
            rows = await connection.fetch(_WORK["monitors"], region_key, region)
            windows = await connection.fetch(_WORK["windows"])
        monitors: dict[int, WatchedMonitor] = {}
        unreadable: dict[int, str] = {}
        for number, row in enumerate(rows):
            if number % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)  # looks that are due meanwhile start in between
            if owns is not None and not owns(row["id"]):
                continue
            try:
                monitors[row["key"]] = engine_rows.read_monitor(row, region_key)
            except ValidationFailed as error:
                unreadable[row["key"]] = error.message
        return Work(
            monitors,
            unreadable,
            tuple(Window(row["service_id"], row["starts_at"], row["ends_at"]) for row in windows),
            {row["key"]: row["id"] for row in rows},
            min(
                (row["paused_until"] for row in rows if row["is_paused"] and row["is_active"]),
                default=None,
            ),
        )

    async def load_memories(
        self, region_key: int, monitors: Collection[int] | None = None
    ) -> dict[int, Memory]:
        """What was remembered of monitors of a region, by their keys; None for all of them."""
        wanted = None if monitors is None else list(monitors)
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(_WORK["memories"], region_key, wanted)
        return {row["monitor"]: engine_rows.read_memory(row) for row in rows}

    async def load_beats(self, monitors: Iterable[int]) -> tuple[Mapping[int, Beats], Away | None]:
        """What is known of the jobs of some heartbeat monitors.

        Args:
            monitors: their keys; one that is no heartbeat is left out.

        Returns:
            What is known, by key, and the stretch around the server's last start in which no
            beat could be noted; None when no engine lived before it.
        """
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(_WORK["beats"], list(monitors))
        return engine_rows.read_beats(rows)

    # -- what was decided ------------------------------------------------------------------------

    async def record_batch(
        self, share: Share, decisions: Sequence[Decision], at: datetime | None
    ) -> BatchOutcome:
        """Writes checks and everything that follows from them, all or nothing.

        Of monitors that were another engine's since the look, only what was seen is written, in a
        transaction of its own. Sending a batch again, because nobody knows whether it was
        committed, changes nothing: what follows from a check is written with the check or never.

        Args:
            share: of this engine.
            decisions: in the order in which they were made.
            at: the moment as of which services and incidents are settled: None for now, on the
                database's clock, or, for results that had to wait, the time of the newest; it is
                when incidents open and move.

        Raises:
            LeaseLost: members came or went; nothing was decided.
            DatabaseUnavailable: nothing was decided, or nobody knows; send it again.
        """
        held = [d for d in decisions if share.holds(d.monitor.key, d.monitor.tenure)]
        inserted = 0
        if len(held) < len(decisions):
            stale = [d for d in decisions if not share.holds(d.monitor.key, d.monitor.tenure)]
            inserted = (await self.record_stale_facts(stale)).inserted
        if held:
            inserted += await self._record(share, held, at)
        return BatchOutcome(inserted, len(decisions) - inserted)

    async def _record(
        self, share: Share, decisions: Sequence[Decision], at: datetime | None
    ) -> int:
        async with engine_share.sharing(self._pool, share) as connection:
            decisions = await self._record_checks(connection, decisions)
            if not decisions:
                return 0
            await connection.execute(_BATCH["record_state"], *engine_rows.state_columns(decisions))
            evidence = engine_rows.evidence_columns(decisions)
            if evidence:
                await connection.execute(_BATCH["record_evidence"], *evidence)
            transitions = engine_rows.transition_columns(decisions)
            if transitions:
                # The host whose clock said when may be ahead; nothing is settled as of the future.
                now = await _now(connection)
                at = now if at is None else min(at, now)
                await connection.execute(_BATCH["record_transitions"], *transitions)
                services = await self._record_status(
                    connection, [d for d in decisions if d.transitions], at
                )
                await engine_settle.settle_services(connection, services, at)
        return len(decisions)

    async def _record_status(
        self, connection: PoolConnection, changed: Sequence[Decision], at: datetime
    ) -> set[UUID]:
        """What monitors are now; returns the services about which they may say something else."""
        statuses = engine_rows.status_columns(changed)
        if statuses:
            await connection.execute(_BATCH["record_status"], *statuses)
        several = {d.monitor.key for d in changed if d.monitor.has_other_regions}
        services = await engine_regions.settle_monitors(connection, several, at)
        return services | {d.monitor.service_id for d in changed if d.monitor.key not in several}

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        """Writes what an engine saw of monitors that are another's, and nothing that it decided.

        Raises:
            DatabaseUnavailable: as with `record_batch`.
        """
        if not decisions:
            return BatchOutcome(0, 0)
        async with engine_share.standing_aside(self._pool) as connection:
            new = await self._record_checks(connection, decisions)
            slots = engine_rows.slot_columns(decisions)
            if slots:
                await connection.execute(_BATCH["record_slots"], *slots)
        return BatchOutcome(len(new), len(decisions) - len(new))

    async def _record_checks(
        self, connection: PoolConnection, decisions: Sequence[Decision]
    ) -> Sequence[Decision]:
        """Writes checks and figures; returns the decisions whose check was not there before."""
        inserted = await connection.fetch(
            _BATCH["record_checks"], *engine_rows.check_columns(decisions), _NEGATED_BOUNDS
        )
        await connection.execute(
            _BATCH["record_observed"], *engine_rows.observed_columns(decisions)
        )
        if len(inserted) == len(decisions):
            return decisions
        new = {(row["monitor"], row["region"], row["checked_at"]) for row in inserted}
        return [
            each
            for each in decisions
            if (each.monitor.key, each.monitor.region, each.check.checked_at) in new
        ]

    # -- what is due without a check -------------------------------------------------------------

    async def settle(
        self,
        lease: Lease,
        at: datetime | None = None,
        *,
        organizations: Sequence[str] | None = (),
    ) -> None:
        """Brings paused monitors, services and incidents in step after edits by operators.

        Args:
            lease: the keeper's.
            at: the time; None for the database's.
            organizations: keys of those whose configuration changed; None for all.

        Raises:
            LeaseLost, DatabaseUnavailable: nothing was written.
        """
        async with engine_share.keeping(self._pool, lease) as connection:
            at = at or await _now(connection)
            await engine_settle.settle_edits(connection, organizations, at)

    async def tick(self, lease: Lease, at: datetime | None = None) -> None:
        """Does what is due by the clock: windows, recurrences, recoveries that have lasted, words.

        Args:
            lease: the keeper's.
            at: the time; None for the database's, which no host's clock can mislead.

        Raises:
            LeaseLost, DatabaseUnavailable: what was not done is done by the next tick.
        """
        async with engine_share.keeping(self._pool, lease) as connection:
            at = at or await _now(connection)
            self._unsettled |= await engine_settle.settle_windows(connection, at)
        async with engine_share.keeping(self._pool, lease) as connection:
            await engine_settle.settle_due(connection, self._unsettled, at)
        self._unsettled = set()
        async with engine_share.keeping(self._pool, lease) as connection:
            await engine_settle.speak(connection)

    async def silence_regions(
        self, lease: Lease, silent_seconds: float, at: datetime | None = None
    ) -> None:
        """Takes back what regions said whose engines are all gone.

        Args:
            lease: the keeper's.
            silent_seconds: of not hearing from any of their engines.
            at: the time; None for the database's.

        Raises:
            LeaseLost, DatabaseUnavailable: what was not done is done by the next call.
        """
        async with engine_share.keeping(self._pool, lease) as connection:
            at = at or await _now(connection)
            silent = await engine_regions.find_silent(connection, silent_seconds)
        for region, name in silent.items():
            # Whoever comes back starts with what is remembered then, not with what it remembers.
            await engine_share.evict(self._pool, region, silent_seconds)
            async with engine_share.keeping(self._pool, lease) as connection:
                services = sorted(await engine_regions.silence(connection, region, at))
            _LOG.warning("nobody looks from region %s any more", name)
            for begin in range(0, len(services), _SERVICES_AT_ONCE):
                part = services[begin : begin + _SERVICES_AT_ONCE]
                async with engine_share.keeping(self._pool, lease) as connection:
                    await engine_settle.settle_services(connection, part, at)

    async def apply_due_posts(self) -> int:
        """Publishes posts whose moment has come; returns how many were settled."""
        async with transaction(self._pool) as connection:
            return len(await connection.fetch(_SETTLE["apply_due_posts"]))

    async def keep_house(self) -> Pruned:
        """Makes the partitions of the coming months, forgets engines long gone, and lets some of
        what is too old go; what came of the last is returned."""
        async with transaction(self._pool) as connection:
            await connection.execute(_WORK["ensure_partitions"])
            await connection.execute(_WORK["forget_engines"])
            await connection.execute(_WORK["forget_generations"])
        return await prune(self._pool, self._retention, steps=_HOUSE_STEPS)


async def _now(connection: PoolConnection) -> datetime:
    at: datetime = await connection.fetchval(_WORK["now"])
    return at
