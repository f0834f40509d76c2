"""Reads what was seen with a first failure."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from statustui.domain.evidence import certificate_of, phases_of, time_of
from statustui.domain.readmodels import Evidence, IncidentSummary
from statustui.domain.status import ErrorKind
from statustui.store import queries
from statustui.store.connection import PoolConnection

_SQL = queries.load("evidence")

# An incident begins with the failure that opened it; clocks of hosts may differ a little.
_EARLIER = timedelta(minutes=1)


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
    last_good: dict[str, Any] = json.loads(row["last_good"]) if row["last_good"] else {}
    return evidence(
        row,
        monitor_id=row["monitor_id"],
        monitor_name=row["monitor_name"],
        service_name=row["service_name"],
        region=row["region"],
        last_good=last_good,
    )


def evidence(
    row: asyncpg.Record,
    *,
    monitor_id: UUID,
    monitor_name: str,
    service_name: str,
    region: str,
    last_good: dict[str, Any],
) -> Evidence:
    """A row with `checked_at`, `data` and `body` as the value that others know.

    Args:
        row: of one of the two queries.
        monitor_id, monitor_name, service_name, region: whose it is.
        last_good: the last look that succeeded, as stored; empty for none.
    """
    data: dict[str, Any] = json.loads(row["data"])
    kind = data.get("error_kind")
    status_code = data.get("status_code")
    headers = data.get("headers")
    return Evidence(
        monitor_id=monitor_id,
        monitor_name=monitor_name,
        service_name=service_name,
        region=region,
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
        last_good_at=time_of(last_good),
        last_good_phases=phases_of(last_good) if last_good else None,
    )
