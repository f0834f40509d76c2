"""The engine's side of the database: its lease, its monitors, and batches of what it decided.

Everything that decides something happens in transactions whose first statement is the fence: the
lease row, locked `FOR SHARE`, by name, holder and epoch. A process that was frozen and lost its
lease meanwhile is refused there with everything it decided; what it *saw* is recorded all the
same, as a fact, by `record_stale_facts`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from statustui.domain.decision import Decision, Memory, WatchedMonitor
from statustui.domain.errors import Conflict, ValidationFailed
from statustui.domain.rollup import BOUNDS_MS
from statustui.store import engine_rows, engine_settle, queries
from statustui.store.connection import Pool, PoolConnection, transaction

_LOG = logging.getLogger("statustui.engine")
_WORK = queries.load("engine_work")
_BATCH = queries.load("engine_batch")
_SETTLE = queries.load("engine_settle")

LEASE_SECONDS = 6.0

# An operator may hold a lock on a row that the engine wants; a batch is then tried again.
_LOCK_TIMEOUT = "2s"
# A process that is frozen inside a transaction must not keep the lease row for itself.
_IDLE_TIMEOUT = "2s"

_NEGATED_BOUNDS = [-bound for bound in reversed(BOUNDS_MS)]


class LeaseLost(Conflict):
    """Another engine holds the lease now: nothing was decided."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to decide, as long as nobody else has taken it.

    Attributes:
        name: one lease per region; holder: drawn by each engine when it starts.
        epoch: rises whenever the lease changes hands.
    """

    name: str
    holder: UUID
    epoch: int


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
    """

    monitors: Mapping[int, WatchedMonitor]
    unreadable: Mapping[int, str]
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch: checks that were new; the rest were there already."""

    inserted: int
    repeated: int


class EngineStore:
    """What an engine reads and writes, as the engine's own role.

    Args:
        pool: connections as `statustui_engine`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Services whose windows moved, until their incidents were settled.
        self._unsettled: set[UUID] = set()

    # -- the lease -------------------------------------------------------------------------------

    async def take_lease(self, name: str, holder: UUID, info: Mapping[str, object]) -> Lease | None:
        """Takes the lease, or renews it.

        Args:
            name: of the lease; holder: this engine; info: shown to operators.

        Returns:
            The lease; None while another engine holds it.
        """
        async with transaction(self._pool) as connection:
            epoch = await connection.fetchval(
                _WORK["take_lease"], name, holder, LEASE_SECONDS, json.dumps(dict(info))
            )
        return None if epoch is None else Lease(name, holder, epoch)

    async def release_lease(self, lease: Lease) -> None:
        """Gives the lease back, so that a standby takes it over at once."""
        async with transaction(self._pool) as connection:
            await connection.execute(_WORK["release_lease"], lease.name, lease.holder, lease.epoch)

    async def register(
        self, engine_id: UUID, region: str, host: str, process_id: int, version: str
    ) -> int:
        """Makes an engine known; returns its region's key."""
        async with transaction(self._pool) as connection:
            key: int = await connection.fetchval(_WORK["region"], region)
            await connection.execute(
                _WORK["register_engine"], engine_id, key, host, process_id, version
            )
        return key

    async def beat(
        self, engine_id: UUID, behind_seconds: float, info: Mapping[str, object]
    ) -> None:
        """Says that an engine lives, and how late its checks start."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                _WORK["beat"], engine_id, behind_seconds, json.dumps(dict(info))
            )

    async def sign_off(self, engine_id: UUID) -> None:
        """Says that an engine has stopped."""
        async with transaction(self._pool) as connection:
            await connection.execute(_WORK["stop_engine"], engine_id)

    async def load_installation(self) -> UUID:
        """Which database this is, so that results on disk never get into another."""
        async with transaction(self._pool, readonly=True) as connection:
            found: UUID = await connection.fetchval(_WORK["installation"])
        return found

    # -- what there is to do ---------------------------------------------------------------------

    async def load_work(self, region: str, region_key: int) -> Work:
        """The monitors of a region and the windows that flag their checks."""
        async with transaction(
            self._pool, isolation="repeatable_read", readonly=True
        ) as connection:
            rows = await connection.fetch(_WORK["monitors"], region_key, region)
            windows = await connection.fetch(_WORK["windows"])
        monitors: dict[int, WatchedMonitor] = {}
        unreadable: dict[int, str] = {}
        for row in rows:
            try:
                monitors[row["key"]] = engine_rows.read_monitor(row, region_key)
            except ValidationFailed as error:
                unreadable[row["key"]] = error.message
        return Work(
            monitors,
            unreadable,
            tuple(Window(row["service_id"], row["starts_at"], row["ends_at"]) for row in windows),
        )

    async def load_memories(self, region_key: int) -> dict[int, Memory]:
        """What was remembered of each monitor of a region, by its key."""
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(_WORK["memories"], region_key)
        return {row["monitor"]: engine_rows.read_memory(row) for row in rows}

    # -- what was decided ------------------------------------------------------------------------

    async def record_batch(
        self, lease: Lease, decisions: Sequence[Decision], at: datetime
    ) -> BatchOutcome:
        """Writes checks and everything that follows from them, all or nothing.

        Sending a batch again, because nobody knows whether it was committed, changes nothing: what
        follows from a check is written with the check or never.

        Args:
            lease: held by this engine.
            decisions: in the order in which they were made.
            at: now.

        Raises:
            LeaseLost: another engine holds the lease; nothing was written.
            DatabaseUnavailable: nothing was written, or nobody knows; send it again.
        """
        if not decisions:
            return BatchOutcome(0, 0)
        async with self._holding(lease) as connection:
            sent = len(decisions)
            decisions = await self._record_checks(connection, decisions)
            if not decisions:
                return BatchOutcome(0, sent)
            await connection.execute(_BATCH["record_state"], *engine_rows.state_columns(decisions))
            evidence = engine_rows.evidence_columns(decisions)
            if evidence:
                await connection.execute(_BATCH["record_evidence"], *evidence)
            transitions = engine_rows.transition_columns(decisions)
            if transitions:
                await connection.execute(_BATCH["record_transitions"], *transitions)
                await connection.execute(
                    _BATCH["record_status"], *engine_rows.status_columns(decisions)
                )
                services = {d.monitor.service_id for d in decisions if d.transitions}
                await engine_settle.settle_services(connection, services, at)
        return BatchOutcome(len(decisions), sent - len(decisions))

    async def record_stale_facts(self, decisions: Sequence[Decision]) -> BatchOutcome:
        """Writes what was seen by an engine that lost its lease, and nothing that it decided.

        Raises:
            DatabaseUnavailable: as with `record_batch`.
        """
        if not decisions:
            return BatchOutcome(0, 0)
        async with transaction(self._pool) as connection:
            new = await self._record_checks(connection, decisions)
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
        self, lease: Lease, at: datetime, *, organizations: Sequence[str] | None = ()
    ) -> None:
        """Brings paused monitors, services and incidents in step after edits by operators.

        Args:
            lease: held by this engine.
            at: now.
            organizations: keys of those whose configuration changed; None for all.

        Raises:
            LeaseLost, DatabaseUnavailable: nothing was written.
        """
        async with self._holding(lease) as connection:
            await engine_settle.settle_edits(connection, organizations, at)

    async def tick(self, lease: Lease, at: datetime) -> None:
        """Does what is due by the clock: windows, recurrences, recoveries that have lasted.

        Raises:
            LeaseLost, DatabaseUnavailable: what was not done is done by the next tick.
        """
        async with self._holding(lease) as connection:
            self._unsettled |= await engine_settle.settle_windows(connection, at)
        async with self._holding(lease) as connection:
            await engine_settle.settle_due(connection, self._unsettled, at)
        self._unsettled = set()

    async def apply_due_posts(self) -> int:
        """Publishes posts whose moment has come; returns how many were settled."""
        async with transaction(self._pool) as connection:
            return len(await connection.fetch(_SETTLE["apply_due_posts"]))

    async def keep_house(self) -> None:
        """Makes the partitions of the coming months and forgets engines long gone."""
        async with transaction(self._pool) as connection:
            await connection.execute(_WORK["ensure_partitions"])
            await connection.execute(_WORK["forget_engines"])

    @asynccontextmanager
    async def _holding(self, lease: Lease) -> AsyncIterator[PoolConnection]:
        """A transaction that is refused unless the lease is held, and holds it until its end."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(
                _BATCH["hold"], lease.name, lease.holder, lease.epoch, _LOCK_TIMEOUT, _IDLE_TIMEOUT
            )
            if row is None or not row["held"]:
                raise LeaseLost("another engine holds the lease now")
            yield connection
