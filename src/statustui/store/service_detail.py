"""Reads one service closely: the last look of each of its monitors, and what surrounds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from statustui.domain.errors import NotFound
from statustui.domain.evidence import certificate_of, phases_of
from statustui.domain.observation import Phases
from statustui.domain.readmodels import Evidence, LastLook, MonitorRow, ServiceNow
from statustui.domain.status import CheckStatus, ErrorKind
from statustui.store import board, evidence, incidents, monitors, queries
from statustui.store.connection import Pool, transaction

_SQL = queries.load("service_detail")


async def load_service_now(pool: Pool, org_id: int, service_id: UUID) -> ServiceNow:
    """The last look of each monitor of a service, with what surrounds it."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        summaries = await incidents.load_open_and_recent(connection, org_id)
        around = await board.find_neighbours(connection, org_id, service_id)
        rows = await board.load_services(connection, org_id, summaries, around)
        services = {row.id: row for row in rows}
        service = services.get(service_id)
        if service is None:
            raise NotFound("no such service in this organization")
        monitor_rows = await monitors.load_rows(connection, org_id, service_id=service_id)
        looks = await connection.fetch(_SQL["load_looks"], org_id, service_id)
        details = await evidence.service_evidence(connection, org_id, service_id)
    now = datetime.now(UTC)
    shown = {row["key"]: monitors.monitor_row(row, now) for row in monitor_rows}
    found = [
        _look(row, shown[row["key"]], details.get((row["key"], row["region"])))
        for row in looks
        if row["key"] in shown
    ]
    looked_at = {look.monitor.id for look in found}
    found += [_not_yet(row) for row in shown.values() if row.id not in looked_at]
    return ServiceNow(
        service=service,
        looks=tuple(sorted(found, key=lambda look: (look.monitor.name, look.region))),
        incidents=tuple(
            summary
            for summary in summaries
            if any(affected.id == service_id for affected in summary.services)
        ),
        depends_on=tuple(services[key] for key in service.depends_on if key in services),
        needed_by=tuple(row for row in rows if service_id in row.depends_on),
    )


def _look(row: asyncpg.Record, monitor: MonitorRow, kept: Evidence | None) -> LastLook:
    detail: dict[str, Any] = json.loads(row["last_look"])
    last_good: dict[str, Any] = json.loads(row["last_good"])
    status_code = detail.get("status_code")
    return LastLook(
        monitor=monitor,
        region=row["region_name"],
        at=row["last_checked_at"],
        status=CheckStatus(row["last_status"]) if row["last_status"] else None,
        duration_ms=row["last_duration_ms"],
        phases=phases_of(detail),
        address=str(detail.get("address") or ""),
        error_kind=ErrorKind(row["last_error_kind"]) if row["last_error_kind"] else None,
        reason=row["last_reason"] or "",
        status_code=status_code if isinstance(status_code, int) else None,
        certificate=certificate_of(detail),
        repeat_command=str(detail.get("repeat_command") or ""),
        last_good_at=row["last_good_at"],
        last_good_phases=phases_of(last_good) if last_good else None,
        evidence=kept,
    )


def _not_yet(monitor: MonitorRow) -> LastLook:
    return LastLook(
        monitor=monitor,
        region="",
        at=None,
        status=None,
        duration_ms=None,
        phases=Phases(),
        address="",
        error_kind=None,
        reason="",
        status_code=None,
        certificate=None,
        repeat_command="",
        last_good_at=None,
        last_good_phases=None,
        evidence=None,
    )
