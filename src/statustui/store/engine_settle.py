"""Carries what monitors say on to services and incidents, inside the transaction that recorded it.

Nothing here follows from a single event. What is read is how things stand, the domain says what
should be, and the difference is written; so it can be done again at any time, by whoever holds the
lease.

It reads no more of an organization than a change can reach: the services that changed, what they
depend on, what depends on them and still waits for an incident, and whatever shares an open
automatic incident with any of these. For all the others the rules come to what they came to before.

People write about the same services and incidents at the same time. Everybody locks services
before incidents, in the order of their ids; so all that is read is locked at once, before anything
is read that decides.
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
from statustui.store import engine_regions, queries
from statustui.store.connection import PoolConnection

_LOG = logging.getLogger("statustui.engine")
_SQL = queries.load("engine_settle")


async def settle_services(
    connection: PoolConnection, services: Iterable[UUID], at: datetime
) -> None:
    """Settles services whose monitors may say something else now, and the incidents about them.

    Args:
        connection: inside a transaction that holds the lease, and has locked no service yet.
        services: which; those that were deleted meanwhile are left out.
        at: now.
    """
    wanted = sorted(set(services))
    if not wanted:
        return
    affected = await _lock_affected(connection, wanted)
    changed = await _changed_says(connection, wanted, at)
    if changed:
        await connection.execute(_SQL["record_says"], *map(list, zip(*changed, strict=True)))
        await connection.fetch(_SQL["recompute"], [service_id for service_id, *_ in changed])
    await _settle_affected(connection, affected, at)


async def settle_incidents(
    connection: PoolConnection, services: Iterable[UUID], at: datetime
) -> None:
    """Opens, moves and resolves the automatic incidents of some services as things stand.

    Args:
        connection: inside a transaction that holds the lease, and has locked no service yet.
        services: which.
        at: now.
    """
    wanted = sorted(set(services))
    if wanted:
        await _settle_affected(connection, await _lock_affected(connection, wanted), at)


async def _lock_affected(connection: PoolConnection, services: list[UUID]) -> list[UUID]:
    return [row["id"] for row in await connection.fetch(_SQL["lock_affected"], services)]


async def _changed_says(
    connection: PoolConnection, services: list[UUID], at: datetime
) -> list[tuple[UUID, int, str, datetime, UUID | None]]:
    """What monitors say now, of the services where that is something else than what is recorded."""
    monitors: dict[UUID, list[MonitorSay]] = {}
    latest: dict[UUID, tuple[datetime, UUID]] = {}
    for row in await connection.fetch(_SQL["monitors_of_services"], services):
        service_id, since = row["service_id"], row["since"]
        monitors.setdefault(service_id, []).append(MonitorSay(MonitorState(row["state"]), since))
        latest[service_id] = max(
            latest.get(service_id, (since, row["monitor_id"])), (since, row["monitor_id"])
        )
    changed: list[tuple[UUID, int, str, datetime, UUID | None]] = []
    for row in await connection.fetch(_SQL["says_of_services"], services):
        service_id = row["service_id"]
        before = (
            ServiceSay(ServiceStatus(row["status"]), row["since"])
            if row["status"] is not None
            else None
        )
        say = roll_up(monitors.get(service_id, ()), before, at)
        if say is not None and say != before:
            cause = latest[service_id][1] if service_id in latest else None
            changed.append((service_id, row["org_id"], str(say.status), say.since, cause))
    return changed


async def _settle_affected(connection: PoolConnection, affected: list[UUID], at: datetime) -> None:
    moves: list[MoveIncident] = []
    openings: list[OpenIncident] = []
    for situation in await _load_situations(connection, affected):
        for action in reconcile(situation, at):
            match action:
                case OpenIncident():
                    openings.append(action)
                case MoveIncident():
                    moves.append(action)
                case _:
                    assert_never(action)
    if moves:
        await _move(connection, moves)
    if openings:
        await _open(connection, openings)
        await connection.fetch(
            _SQL["recompute_companions"], [opening.service_id for opening in openings]
        )


async def _move(connection: PoolConnection, moves: Sequence[MoveIncident]) -> None:
    columns = zip(
        *((move.incident_id, str(move.status), move.message) for move in moves), strict=True
    )
    for row in await connection.fetch(_SQL["move_incidents"], *map(list, columns)):
        _LOG.info("incident %s to %s: %s", row["incident_id"], row["status"], row["outcome"])


async def _open(connection: PoolConnection, openings: Sequence[OpenIncident]) -> None:
    columns = zip(
        *(
            (
                opening.service_id,
                opening.title,
                str(opening.impact),
                opening.is_public,
                opening.message,
                opening.started_at,
                str(opening.to_status),
                opening.internal_title,
                str(opening.error_kind) if opening.error_kind is not None else None,
                opening.cause_id,
            )
            for opening in openings
        ),
        strict=True,
    )
    for row in await connection.fetch(_SQL["open_incidents"], *map(list, columns)):
        _LOG.info("incident %s %s for service %s", row["code"], row["outcome"], row["service_id"])


async def _load_situations(connection: PoolConnection, services: list[UUID]) -> list[Situation]:
    """How these services and the open automatic incidents about them stand, by organization."""
    watch_seconds: dict[int, int] = {}
    facts: dict[int, dict[UUID, ServiceFacts]] = {}
    for row in await connection.fetch(_SQL["situation_services"], services):
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
            closed_at=row["closed_at"],
            is_covered=row["is_covered"],
            place=row["display_order"],
        )
    incidents: dict[int, list[IncidentFacts]] = {}
    for row in await connection.fetch(_SQL["situation_incidents"], services):
        incidents.setdefault(row["org_id"], []).append(
            IncidentFacts(
                id=row["id"],
                status=IncidentStatus(row["status"]),
                touched=row["touched"],
                started_at=row["started_at"],
                monitoring_at=row["monitoring_at"],
                services=tuple(row["services"]),
            )
        )
    return [
        # Of an incident whose services were all deleted there are no services to read.
        Situation(
            watch_seconds.get(org_id, 0), facts.get(org_id, {}), tuple(incidents.get(org_id, ()))
        )
        for org_id in sorted(facts.keys() | incidents.keys())
    ]


async def settle_edits(
    connection: PoolConnection, keys: Sequence[str] | None, at: datetime
) -> None:
    """Settles monitors that were paused or resumed, and organizations that were configured anew.

    It looks at all services of these organizations without locking any, and settles those where
    something is to be done.

    Args:
        connection: inside a transaction that holds the lease, and has locked no service yet.
        keys: the organizations' random keys; None for every organization.
        at: now.
    """
    unsettled = {row["service_id"] for row in await connection.fetch(_SQL["settle_pauses"])}
    unsettled |= await engine_regions.settle_edits(connection, keys, at)
    if keys is None:
        rows = await connection.fetch(_SQL["services"])
    else:
        rows = await connection.fetch(_SQL["services_of_organizations"], list(keys))
    everything = [row["id"] for row in rows]
    if everything:
        unsettled |= await _unsettled(connection, everything, at)
    await settle_services(connection, unsettled, at)


async def _unsettled(connection: PoolConnection, services: list[UUID], at: datetime) -> set[UUID]:
    """Those of whole organizations' services for which something is to be done."""
    unsettled = {service_id for service_id, *_ in await _changed_says(connection, services, at)}
    for situation in await _load_situations(connection, services):
        members = {incident.id: incident.services for incident in situation.incidents}
        for action in reconcile(situation, at):
            match action:
                case OpenIncident():
                    unsettled.add(action.service_id)
                case MoveIncident():
                    unsettled.update(members[action.incident_id])
                case _:
                    assert_never(action)
    return unsettled


async def settle_windows(connection: PoolConnection, at: datetime) -> set[UUID]:
    """Begins and ends windows; returns the services whose incidents are to be settled now.

    That is done in another transaction: this one has locked some services already.
    """
    moved = await connection.fetch(_SQL["advance_maintenance"])
    await _add_occurrences(connection, at)
    rows = await connection.fetch(_SQL["services_of_windows"], [row["window_id"] for row in moved])
    return {row["service_id"] for row in rows}


async def settle_due(connection: PoolConnection, services: set[UUID], at: datetime) -> None:
    """Settles the incidents of some services, and those whose recovery has lasted long enough."""
    due = await connection.fetch(_SQL["services_due"])
    await settle_incidents(connection, services | {row["service_id"] for row in due}, at)


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
