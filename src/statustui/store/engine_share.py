"""How engines find each other in the database: heartbeats, the members of a region, the keeper.

All of it runs on the database's clock, so no host's clock matters. Who is a member, and of which
generation, is changed by functions in the database alone (migration 0018).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from statustui.domain.errors import Conflict
from statustui.domain.sharing import Generation, Share
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("engine_share")

LEASE_SECONDS = 6.0
DEAD_SECONDS = 6.0
"""An engine that has said nothing for so long is out, and its monitors are the others'."""

# An operator may hold a lock on a row that the engine wants; a batch is then tried again.
_LOCK_TIMEOUT = "2s"
# A process that is frozen inside a transaction must not keep its share's row for itself.
_IDLE_TIMEOUT = "2s"


class LeaseLost(Conflict):
    """The right to decide is another's now: nothing was decided."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what only one engine may do, as long as nobody else has taken it.

    Attributes:
        name: of the lease; holder: drawn by each engine when it starts.
        epoch: rises whenever the lease changes hands.
    """

    name: str
    holder: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class Beat:
    """What an engine learns when it says that it lives.

    Attributes:
        database_time: on the database's clock.
        generation: of its region's members at that moment.
        is_known: whether the engine is in the list of engines still.
        has_dead: whether another member has said nothing for too long.
    """

    database_time: datetime
    generation: int
    is_known: bool
    has_dead: bool


# -- the region ------------------------------------------------------------------------------------


async def register(
    pool: Pool, engine_id: UUID, region: str, host: str, process_id: int, version: str
) -> int:
    """Makes an engine known; returns its region's key."""
    async with transaction(pool) as connection:
        key: int = await connection.fetchval(_SQL["region"], region)
        await connection.execute(_SQL["register_engine"], engine_id, key, host, process_id, version)
    return key


async def join(pool: Pool, region: int, engine_id: UUID, dead_seconds: float) -> int:
    """Takes part in a region from now on; returns the generation."""
    async with transaction(pool) as connection:
        generation: int = await connection.fetchval(_SQL["join"], region, engine_id, dead_seconds)
    return generation


async def evict(pool: Pool, region: int, dead_seconds: float) -> int:
    """Puts out members that have said nothing for so long; returns the generation."""
    async with transaction(pool) as connection:
        generation: int = await connection.fetchval(_SQL["evict"], region, dead_seconds)
    return generation


async def leave(pool: Pool, region: int, engine_id: UUID) -> None:
    """Takes no part any more: others go on at once."""
    async with transaction(pool) as connection:
        await connection.execute(_SQL["leave"], region, engine_id)


async def beat(
    pool: Pool,
    region: int,
    engine_id: UUID,
    behind_seconds: float,
    info: Mapping[str, object],
    dead_seconds: float,
) -> Beat:
    """Says that an engine lives, how late its looks start, and asks how its region stands."""
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            _SQL["beat"],
            engine_id,
            region,
            behind_seconds,
            json.dumps(dict(info)),
            dead_seconds,
        )
    if row is None:
        raise Conflict("the region of this engine has no share", advice="it joins again")
    return Beat(row["database_time"], row["generation"], row["is_known"], row["has_dead"])


async def load_generations(pool: Pool, region: int, after: int) -> tuple[Generation, ...]:
    """The generations of a region later than one, in their order."""
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["generations"], region, after)
    return tuple(Generation(row["generation"], tuple(row["members"])) for row in rows)


async def record_outage(
    pool: Pool,
    engine_id: UUID,
    since: datetime,
    until: datetime | None,
    *,
    holder: str,
    region: str,
) -> None:
    """Notes that an engine has lost its own network or has it back, and tells every organization.

    Args:
        since: when it was lost; until: when it was back, None while it is not.
        holder: "host:pid" of the engine; region: where it looks from.
    """
    event = "observer.offline" if until is None else "observer.online"
    payload = {
        "engine": holder,
        "region": region,
        "since": since.isoformat(),
        "until": None if until is None else until.isoformat(),
    }
    async with transaction(pool) as connection:
        await connection.execute(_SQL["offline"], engine_id, since if until is None else None)
        await connection.execute(
            _SQL["tell_outage"], event, f"{engine_id}:{since.isoformat()}", json.dumps(payload)
        )


# -- the lease of the keeper -----------------------------------------------------------------------


async def take_lease(
    pool: Pool, name: str, holder: UUID, info: Mapping[str, object], seconds: float
) -> Lease | None:
    """Takes the lease, or renews it; None while another engine holds it."""
    async with transaction(pool) as connection:
        epoch = await connection.fetchval(
            _SQL["take_lease"], name, holder, seconds, json.dumps(dict(info))
        )
    return None if epoch is None else Lease(name, holder, epoch)


async def release_lease(pool: Pool, lease: Lease) -> None:
    """Gives the lease back, so that another engine takes it over at once."""
    async with transaction(pool) as connection:
        await connection.execute(_SQL["release_lease"], lease.name, lease.holder, lease.epoch)


# -- fences ----------------------------------------------------------------------------------------


@asynccontextmanager
async def sharing(pool: Pool, share: Share) -> AsyncIterator[PoolConnection]:
    """A transaction that is refused unless the share is as it is known, and keeps it so.

    Raises:
        LeaseLost: members came or went.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            _SQL["hold"],
            share.region,
            share.engine,
            share.generation,
            _LOCK_TIMEOUT,
            _IDLE_TIMEOUT,
        )
        if row is None or not row["held"]:
            raise LeaseLost("the region is shared otherwise now")
        yield connection


@asynccontextmanager
async def keeping(pool: Pool, lease: Lease) -> AsyncIterator[PoolConnection]:
    """A transaction that is refused unless the lease is held, and holds it until its end.

    Raises:
        LeaseLost: another engine has it.
    """
    async with transaction(pool) as connection:
        row = await connection.fetchrow(
            _SQL["hold_lease"], lease.name, lease.holder, lease.epoch, _LOCK_TIMEOUT, _IDLE_TIMEOUT
        )
        if row is None or not row["held"]:
            raise LeaseLost("another engine holds the lease now")
        yield connection


@asynccontextmanager
async def standing_aside(pool: Pool) -> AsyncIterator[PoolConnection]:
    """A transaction for what was only seen, while nobody decides."""
    async with transaction(pool) as connection:
        await connection.execute(_SQL["stand_aside"], _LOCK_TIMEOUT, _IDLE_TIMEOUT)
        yield connection
