"""Carries what monitors say on to services and incidents, inside the transaction that recorded it.

Nothing here follows from a single event. What is read is how things stand, the domain says what
should be, and the difference is written; so it can be done again at any time, by whoever holds the
lease.

People write about the same services and incidents at the same time. Everybody locks services
before incidents, in the order of their ids. Which services it will be is only found while settling,
so all services of the organization are locked at once, before anything else is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from statustui.domain.incident import (
    IncidentFacts,
    MoveIncident,
    OpenIncident,
    ServiceFacts,
    Situation,
    reconcile,
)
from statustui.domain.maintenance import next_occurrence
from statustui.domain.service_status import MonitorSay, ServiceSay, roll_up
from statustui.domain.status import (
    AutomaticIncidents,
    ErrorKind,
    IncidentStatus,
    MonitorState,
    ServiceStatus,
)
from statustui.store import queries
from statustui.store.connection import PoolConnection

_LOG = logging.getLogger("statustui.engine")
_SQL = queries.load("engine_settle")


async def settle_services(
    connection: PoolConnection, services: Iterable[UUID], at: datetime
) -> None:
    """Settles services whose monitors may say something else now, and the incidents about them.

    Args:
        connection: inside a transaction that holds the lease.
        services: which; those that were deleted meanwhile are left out.
        at: now.
    """
    wanted = sorted(set(services))
    if not wanted:
        return
    monitors: dict[UUID, list[MonitorSay]] = {}
    latest: dict[UUID, tuple[datetime, UUID]] = {}
    for row in await connection.fetch(_SQL["monitors_of_services"], wanted):
        service_id, since = row["service_id"], row["since"]
        monitors.setdefault(service_id, []).append(MonitorSay(MonitorState(row["state"]), since))
        latest[service_id] = max(
            latest.get(service_id, (since, row["monitor_id"])), (since, row["monitor_id"])
        )
    changed: list[tuple[UUID, int, str, datetime, UUID | None]] = []
    organizations: set[int] = set()
    for row in await connection.fetch(_SQL["says_of_services"], wanted):
        service_id = row["service_id"]
        organizations.add(row["org_id"])
        before = (
            ServiceSay(ServiceStatus(row["status"]), row["since"])
            if row["status"] is not None
            else None
        )
        say = roll_up(monitors.get(service_id, ()), before, at)
        if say is not None and say != before:
            cause = latest[service_id][1] if service_id in latest else None
            changed.append((service_id, row["org_id"], str(say.status), say.since, cause))
    if changed:
        await connection.execute(_SQL["record_says"], *map(list, zip(*changed, strict=True)))
        await _recompute(connection, organizations)
    for org_id in sorted(organizations):
        await settle_incidents(connection, org_id, at)


async def _recompute(connection: PoolConnection, organizations: Iterable[int]) -> None:
    """Locks all services of some organizations and brings their statuses up to date."""
    rows = await connection.fetch(_SQL["services_of_organizations"], sorted(organizations))
    await connection.fetch(_SQL["recompute"], [row["id"] for row in rows])


async def settle_incidents(connection: PoolConnection, org_id: int, at: datetime) -> None:
    """Opens, moves and resolves an organization's automatic incidents as things stand.

    Args:
        connection: inside a transaction that holds the lease.
        org_id: the organization.
        at: now.
    """
    situation = await _load_situation(connection, org_id)
    actions = reconcile(situation, at)
    if not actions:
        return
    await _recompute(connection, [org_id])
    for action in actions:
        match action:
            case OpenIncident():
                await _open(connection, action)
            case MoveIncident():
                outcome = await connection.fetchval(
                    _SQL["move_incident"], action.incident_id, str(action.status), action.message
                )
                _LOG.info("incident %s to %s: %s", action.incident_id, action.status, outcome)
            case _:
                assert_never(action)
    # An incident that became public lets the colour of an internal service through.
    await _recompute(connection, [org_id])


async def _open(connection: PoolConnection, action: OpenIncident) -> None:
    row = await connection.fetchrow(
        _SQL["open_incident"],
        action.service_id,
        action.title,
        str(action.impact),
        action.is_public,
        action.message,
        action.started_at,
        str(action.to_status),
        action.internal_title,
        str(action.error_kind) if action.error_kind is not None else None,
        action.cause_id,
    )
    if row is not None:
        _LOG.info("incident %s %s for service %s", row["code"], row["outcome"], action.service_id)


async def _load_situation(connection: PoolConnection, org_id: int) -> Situation:
    services = {
        row["id"]: ServiceFacts(
            id=row["id"],
            name=row["name"],
            is_visible=row["is_visible"],
            mode=AutomaticIncidents(row["mode"]),
            say=ServiceStatus(row["say"]) if row["say"] is not None else None,
            say_since=row["say_since"],
            said_at=row["said_at"],
            watched=row["watched"],
            failing=row["failing"],
            pinned=ServiceStatus(row["pinned_status"]) if row["pinned_status"] else None,
            in_window=row["in_window"],
            depends_on=tuple(row["depends_on"]),
            error_kind=ErrorKind(row["error_kind"]) if row["error_kind"] else None,
            reason=row["reason"] or "",
            closed_at=row["closed_at"],
            is_covered=row["is_covered"],
        )
        for row in await connection.fetch(_SQL["situation_services"], org_id)
    }
    incidents = tuple(
        IncidentFacts(
            id=row["id"],
            status=IncidentStatus(row["status"]),
            touched=row["touched"],
            started_at=row["started_at"],
            monitoring_at=row["monitoring_at"],
            services=tuple(row["services"]),
        )
        for row in await connection.fetch(_SQL["situation_incidents"], org_id)
    )
    watch_seconds = await connection.fetchval(_SQL["recovery_watch"], org_id)
    return Situation(watch_seconds or 0, services, incidents)


async def settle_pauses(connection: PoolConnection, at: datetime) -> None:
    """Brings monitors that were paused or resumed, and their services, up to date."""
    rows = await connection.fetch(_SQL["settle_pauses"])
    await settle_services(connection, [row["service_id"] for row in rows], at)


async def settle_organizations(
    connection: PoolConnection, keys: Sequence[str] | None, at: datetime
) -> None:
    """Settles all services of some organizations after their configuration changed.

    Args:
        connection: inside a transaction that holds the lease.
        keys: the organizations' random keys; None for every organization.
        at: now.
    """
    if keys is None:
        found = await connection.fetch(_SQL["organizations"])
    else:
        found = await connection.fetch(_SQL["organizations_of_keys"], list(keys))
    organizations = [row["org_id"] for row in found]
    services = await connection.fetch(_SQL["services_of_organizations"], organizations)
    await settle_services(connection, [row["id"] for row in services], at)


async def settle_windows(connection: PoolConnection, at: datetime) -> set[int]:
    """Begins and ends windows; returns the organizations whose incidents are to be settled now.

    That is done in another transaction: this one has locked some services already.
    """
    moved = await connection.fetch(_SQL["advance_maintenance"])
    await _add_occurrences(connection, at)
    return {row["org_id"] for row in moved}


async def settle_due(connection: PoolConnection, organizations: set[int], at: datetime) -> None:
    """Settles the incidents of organizations, and of those where a recovery lasted long enough."""
    due = await connection.fetch(_SQL["organizations_due"])
    for org_id in sorted(organizations | {row["org_id"] for row in due}):
        await settle_incidents(connection, org_id, at)


async def _add_occurrences(connection: PoolConnection, at: datetime) -> None:
    for row in await connection.fetch(_SQL["recurring_windows"]):
        following = next_occurrence(
            row["starts_at"],
            row["ends_at"],
            row["recurrence_rule"],
            ZoneInfo(row["timezone"]),
            after=max(at, row["starts_at"]),
            exceptions=frozenset(row["exceptions"]),
        )
        if following is not None:
            await connection.execute(
                _SQL["add_occurrence"], row["id"], following.starts_at, following.ends_at
            )
