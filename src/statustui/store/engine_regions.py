"""Puts together what the regions say about a monitor, inside the transaction that recorded it.

Two regions may come to another state at the same moment, each in a transaction of its engine. The
row of what they say together is locked before what single ones say is read, so the later of the
two sees both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from statustui.domain.regions import RegionSay, combine
from statustui.domain.status import ErrorKind, MonitorState
from statustui.store import queries
from statustui.store.connection import PoolConnection

_SQL = queries.load("engine_regions")


async def settle_monitors(
    connection: PoolConnection, monitors: Collection[int], at: datetime
) -> set[UUID]:
    """Settles what monitors are, from what their regions say.

    Args:
        connection: inside a transaction that may decide.
        monitors: their keys; those that rest are left as they are.
        at: now.

    Returns:
        The services whose monitors say something else now.
    """
    keys = sorted(set(monitors))
    if not keys:
        return set()
    await connection.execute(_SQL["begin_status"], keys)
    before = {
        row["monitor"]: _say(row["state"], row["since"], row["error_kind"], row["reason"])
        for row in await connection.fetch(_SQL["hold_status"], keys)
    }
    says: dict[int, list[RegionSay]] = {}
    facts: dict[int, asyncpg.Record] = {}
    for row in await connection.fetch(_SQL["region_says"], keys):
        facts[row["monitor"]] = row
        of_monitor = says.setdefault(row["monitor"], [])
        if row["state"] is not None:
            of_monitor.append(
                _say(row["state"], row["state_since"], row["last_error_kind"], row["last_reason"])
            )
    changed: list[tuple[object, ...]] = []
    services: set[UUID] = set()
    for key, row in facts.items():
        was = before[key]
        now = combine(says[key], row["region_quorum"], was, at)
        if now.state is not was.state:
            services.add(row["service_id"])
            changed.append(
                (
                    key,
                    row["org_id"],
                    str(was.state),
                    str(now.state),
                    now.since,
                    str(now.error_kind) if now.error_kind is not None else None,
                    now.reason or None,
                )
            )
    if changed:
        await connection.execute(_SQL["record_together"], *map(list, zip(*changed, strict=True)))
    return services


async def settle_edits(
    connection: PoolConnection, keys: Sequence[str] | None, at: datetime
) -> set[UUID]:
    """Settles monitors whose regions or quorum may have been edited.

    Args:
        connection: inside a transaction that may decide.
        keys: the organizations' random keys; None for every organization.
        at: now.

    Returns:
        The services whose monitors say something else now.
    """
    if keys is not None and not keys:
        return set()
    wanted = list(keys) if keys is not None else None
    rows = await connection.fetch(_SQL["edited"], wanted)
    return await settle_monitors(connection, [row["key"] for row in rows], at)


async def find_silent(connection: PoolConnection, silent_seconds: float) -> dict[int, str]:
    """Regions from which nobody has been heard of for so long: their keys and names."""
    rows = await connection.fetch(_SQL["silent"], silent_seconds)
    return {row["key"]: row["name"] for row in rows}


async def silence(connection: PoolConnection, region: int, at: datetime) -> set[UUID]:
    """Takes back what a region said whose engines are all gone.

    Args:
        connection: inside a transaction that may decide.
        region: its key.
        at: now.

    Returns:
        The services whose monitors say something else now; none when an engine came back.
    """
    if not await connection.fetchval(_SQL["gone"], region):
        return set()
    rows = await connection.fetch(_SQL["silence"], region)
    return await settle_monitors(connection, [row["monitor"] for row in rows], at)


def _say(state: str, since: datetime, kind: str | None, reason: str | None) -> RegionSay:
    return RegionSay(
        MonitorState(state), since, ErrorKind(kind) if kind is not None else None, reason or ""
    )
