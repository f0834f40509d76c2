"""Reads what was seen with a first failure, what had changed by then, and what was noted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from statustui.domain.evidence import certificate_of, phases_of, time_of
from statustui.domain.evidence_changes import changes
from statustui.domain.evidence_facts import further_facts
from statustui.domain.readmodels import Evidence, IncidentSummary, Mark
from statustui.domain.status import ErrorKind
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction
from statustui.store.marks import read_mark

_SQL = queries.load("evidence")

# An incident begins with the failure that opened it; clocks of hosts may differ a little.
_EARLIER = timedelta(minutes=1)
# Scripts note a deploy when it is done, which may be after the first failure that it brought.
_MARKS_BEFORE = timedelta(hours=1)
_MARKS_AFTER = timedelta(minutes=5)
_MOST_MARKS = 10


async def first_evidence(
    connection: PoolConnection, org_id: int, summary: IncidentSummary
) -> Evidence | None:
    """The evidence of an incident's first failure, None when nothing was kept."""
    row = await connection.fetchrow(
        _SQL["load_first"],
        org_id,
        summary.id,
        summary.started_at - _EARLIER,
        summary.resolved_at,
        summary.cause_service_id,
    )
    if row is None:
        return None
    (found,) = await _with_marks(connection, org_id, [row], [_evidence(row)])
    return found


async def service_evidence(
    connection: PoolConnection, org_id: int, service_id: UUID
) -> dict[tuple[int, int], Evidence]:
    """The newest evidence of each monitor of a service and region, by their keys."""
    rows = await connection.fetch(_SQL["load_newest"], org_id, service_id, None)
    found = [_evidence(row) for row in rows]
    found = await _with_marks(connection, org_id, rows, found)
    return {(row["monitor"], row["region"]): each for row, each in zip(rows, found, strict=True)}


async def load_monitor_evidence(pool: Pool, org_id: int, monitor_id: UUID) -> tuple[Evidence, ...]:
    """The newest evidence of a monitor, one for each region that has some, newest first."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        rows = await connection.fetch(_SQL["load_newest"], org_id, None, monitor_id)
        found = [_evidence(row) for row in rows]
        found = await _with_marks(connection, org_id, rows, found)
    return tuple(sorted(found, key=lambda each: each.at, reverse=True))


async def _with_marks(
    connection: PoolConnection,
    org_id: int,
    rows: Sequence[asyncpg.Record],
    found: Sequence[Evidence],
) -> list[Evidence]:
    if not rows:
        return []
    noted: dict[int, list[Mark]] = {}
    for row in await connection.fetch(
        _SQL["load_marks"],
        org_id,
        [row["service_id"] for row in rows],
        [row["checked_at"] for row in rows],
        _MARKS_BEFORE,
        _MARKS_AFTER,
        _MOST_MARKS,
    ):
        noted.setdefault(row["place"] - 1, []).append(read_mark(row))
    return [replace(each, marks=tuple(noted.get(place, ()))) for place, each in enumerate(found)]


def _good_look(row: asyncpg.Record, at: datetime) -> dict[str, Any]:
    """The last good look before a failure: kept beside it, else the newest if that is older."""
    if row["good"]:
        good: dict[str, Any] = json.loads(row["good"])
        return good
    newest: dict[str, Any] = json.loads(row["last_good"]) if row["last_good"] else {}
    good_at = time_of(newest)
    return newest if good_at is not None and good_at < at else {}


def _evidence(row: asyncpg.Record) -> Evidence:
    data: dict[str, Any] = json.loads(row["data"])
    good = _good_look(row, row["checked_at"])
    kind = data.get("error_kind")
    status_code = data.get("status_code")
    headers = data.get("headers")
    return Evidence(
        monitor_id=row["monitor_id"],
        monitor_name=row["monitor_name"],
        service_name=row["service_name"],
        region=row["region_name"],
        at=row["checked_at"],
        error_kind=ErrorKind(kind) if kind else None,
        reason=str(data.get("reason") or ""),
        phases=phases_of(data),
        address=str(data.get("address") or ""),
        status_code=status_code if isinstance(status_code, int) else None,
        headers=dict(headers) if isinstance(headers, dict) else {},
        body_text=row["body"] or "",
        certificate=certificate_of(data),
        answers=tuple(map(str, data.get("answers") or ())),
        repeat_command=str(data.get("repeat_command") or ""),
        last_good_at=time_of(good),
        last_good_phases=phases_of(good) if good else None,
        changes=changes(good, data),
        further=further_facts(data),
    )
