"""Reads how services and the open automatic incidents about them stand, as the domain takes it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from statustui.domain.incident_facts import IncidentFacts, ServiceFacts, Situation
from statustui.domain.status import (
    AutomaticIncidents,
    ErrorKind,
    IncidentStatus,
    ServiceStatus,
)
from statustui.store import queries
from statustui.store.connection import PoolConnection

_SQL = queries.load("engine_settle")


async def load_situations(
    connection: PoolConnection,
    services: Sequence[UUID],
    left_over: Collection[UUID] = (),
    seen_at: datetime | None = None,
) -> list[Situation]:
    """How these services and the open automatic incidents about them stand, by organization.

    Args:
        connection: inside a transaction.
        services: which.
        left_over: of which of them to count the looks since the cause of their incident recovered.
        seen_at: when what is settled was seen, for the windows of that moment; None for now.
    """
    failed = {
        row["service_id"]: row["failed"]
        for row in await connection.fetch(_SQL["looks_since_cause"], list(left_over))
    }
    watch_seconds: dict[int, int] = {}
    facts: dict[int, dict[UUID, ServiceFacts]] = {}
    for row in await connection.fetch(_SQL["situation_services"], list(services), seen_at):
        watch_seconds[row["org_id"]] = row["recovery_watch_seconds"]
        facts.setdefault(row["org_id"], {})[row["id"]] = ServiceFacts(
            id=row["id"],
            name=row["name"],
            is_visible=row["is_visible"],
            mode=AutomaticIncidents(row["mode"]),
            say=ServiceStatus(row["say"]) if row["say"] is not None else None,
            say_since=row["say_since"],
            said_at=row["said_at"],
            watched=row["watched"],
            checked=row["checked"],
            failing=row["failing"],
            pinned=ServiceStatus(row["pinned_status"]) if row["pinned_status"] else None,
            in_window=row["in_window"],
            depends_on=tuple(row["depends_on"]),
            error_kind=ErrorKind(row["error_kind"]) if row["error_kind"] else None,
            reason=row["reason"] or "",
            status_code=row["status_code"],
            closed_at=row["closed_at"],
            is_covered=row["is_covered"],
            place=row["display_order"],
            broke_at=row["broke_at"],
            good_until=row["good_until"],
            failing_since=row["failing_since"],
            confirmed_by=row["confirmed_by"],
            causes=tuple(row["causes"] or ()),
            is_flapping=row["is_flapping"],
            resolves_names=row["resolves_names"],
            looks_since_cause=failed.get(row["id"], 0),
        )
    incidents: dict[int, list[IncidentFacts]] = {}
    for row in await connection.fetch(_SQL["situation_incidents"], list(services)):
        incidents.setdefault(row["org_id"], []).append(
            IncidentFacts(
                id=row["id"],
                status=IncidentStatus(row["status"]),
                touched=row["touched"],
                started_at=row["started_at"],
                monitoring_at=row["monitoring_at"],
                services=tuple(row["services"]),
                cause_id=row["cause_service_id"],
                says_flapping=row["says_flapping"],
                asked_of=frozenset(row["asked_of"]),
            )
        )
    return [
        # Of an incident whose services were all deleted there are no services to read.
        Situation(
            watch_seconds.get(org_id, 0), facts.get(org_id, {}), tuple(incidents.get(org_id, ()))
        )
        for org_id in sorted(facts.keys() | incidents.keys())
    ]
