"""Reads what happened, in order: of an incident, of a service."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg

from statustui.domain.readmodels import IncidentSummary, TimelineEntry
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("timelines")

# What the engine saw shortly before it opened an incident, and shortly after it was resolved,
# belongs to it: outage and verdict have times of their own.
_EARLIER = timedelta(minutes=1)
_LATER = timedelta(seconds=5)

# What somebody did to an incident is written down in words; what kind it was, its first one says.
_EVENTS = {"acknowledged": "acknowledged", "snoozed": "snoozed", "snooze": "snoozed"}


async def incident_timeline(
    connection: PoolConnection, org_id: int, summary: IncidentSummary
) -> tuple[TimelineEntry, ...]:
    """Everything around an incident, oldest first."""
    rows = await connection.fetch(
        _SQL["incident"],
        org_id,
        summary.id,
        summary.started_at - _EARLIER,
        summary.resolved_at + _LATER if summary.resolved_at else None,
    )
    return tuple(map(_entry, rows))


async def load_service_timeline(
    pool: Pool, org_id: int, service_id: UUID, limit: int
) -> tuple[TimelineEntry, ...]:
    """The newest events of a service, oldest of them first."""
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["service"], org_id, service_id, limit)
        return tuple(map(_entry, reversed(rows)))


def _entry(row: asyncpg.Record) -> TimelineEntry:
    kind, text = row["kind"], row["text"]
    if kind == "event":
        kind = _EVENTS.get(text.partition(" ")[0], "edited")
    return TimelineEntry(
        at=row["at"],
        kind=kind,
        text=text,
        who=row["who"],
        is_public=row["is_public"],
        service_name=row["service_name"],
        status=row["status"] if kind in _WITH_STATUS else "",
    )


_WITH_STATUS = frozenset({"update", "note", "state", "status", "public_status"})
