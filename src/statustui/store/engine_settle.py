"""Carries what monitors say on to services and incidents, inside the transaction that recorded it.

Nothing here follows from a single event. What is read is how things stand, the domain says what
should be, and the difference is written; so it can be done again at any time, by whoever holds the
lease.

It reads no more of an organization than a change can reach: the services that changed, what they
depend on, what depends on them and is out, what is out and may fail of the same thing, and whatever
shares an open automatic incident with any of these. For all the others the rules come to what they
came to before.

People write about the same services and incidents at the same time. Everybody locks services
before incidents, in the order of their ids; so all that is read is locked at once, before anything
is read that decides.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from statustui.domain.errors import Conflict, ValidationFailed
from statustui.domain.incident import reconcile
from statustui.domain.incident_facts import (
    Action,
    FlagFlapping,
    LeaveIncident,
    MoveIncident,
    OpenIncident,
)
from statustui.domain.maintenance import Occurrence, next_in_series
from statustui.domain.monitor import CheckConfig, parse_config
from statustui.domain.service_status import MonitorSay, ServiceSay, is_broken, roll_up
from statustui.domain.shared_cause import causes_of
from statustui.domain.status import ErrorKind, MonitorState, MonitorType, ServiceStatus
from statustui.store import engine_regions, queries
from statustui.store.connection import PoolConnection
from statustui.store.engine_situation import load_situations

_LOG = logging.getLogger("statustui.engine")
_SQL = queries.load("engine_settle")

_MOST_OVER = 10_000

_Say = tuple[UUID, int, str, datetime, UUID | None]
"""What a service's monitors say now: service, organization, status, since when, by which."""


@dataclass(frozen=True, slots=True)
class _Series:
    """All that decides what comes next in a series of windows, besides the time."""

    series_id: UUID
    first_starts_at: datetime
    newest: Occurrence
    rule: str
    timezone: str
    exceptions: frozenset[datetime]


_OVER: set[_Series] = set()
"""Series in which nothing follows, or nothing that can be read: not asked again, nor logged."""


async def settle_services(
    connection: PoolConnection, services: Iterable[UUID], at: datetime
) -> None:
    """Settles services whose monitors may say something else now, and the incidents about them.

    Args:
        connection: inside a transaction that holds the lease, and has locked no service yet.
        services: which; those that were deleted meanwhile are left out.
        at: the moment as of which they are settled: now, or when the newest of what is recorded
            afterwards was seen.
    """
    wanted = sorted(set(services))
    if not wanted:
        return
    if await _all_begin_well(connection, wanted):
        # At a start there are thousands of these, and nothing is to be done about any of them.
        await connection.fetch(_SQL["recompute"], wanted)  # locks them, in the order of all
        if not await _all_begin_well(connection, wanted):
            # Another engine was faster. Locks were taken, so the long way begins anew.
            raise Conflict("another engine settles the same services at this moment")
        await _record_says(connection, await _changed_says(connection, wanted, at), {})
        return
    causes = await _causes(connection, wanted)
    affected = await _lock_affected(connection, wanted, _flat(causes))
    await _record_says(connection, await _changed_says(connection, wanted, at), causes)
    await _settle_affected(connection, affected, wanted, at, seen_at=at)


async def _all_begin_well(connection: PoolConnection, services: list[UUID]) -> bool:
    """Whether of none of these anything was ever said, and nothing is wrong with any monitor."""
    return bool(await connection.fetchval(_SQL["all_begin_well"], services))


async def _record_says(
    connection: PoolConnection, changed: Sequence[_Say], causes: Mapping[UUID, tuple[str, ...]]
) -> None:
    if not changed:
        return
    rows = [
        (*row, _array(causes.get(row[0], ()) if is_broken(ServiceStatus(row[2])) else ()))
        for row in changed
    ]
    await connection.execute(_SQL["record_says"], *map(list, zip(*rows, strict=True)))
    await connection.fetch(_SQL["recompute"], [service_id for service_id, *_ in changed])


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
        await _settle_affected(connection, await _lock_affected(connection, wanted), wanted, at)


async def _lock_affected(
    connection: PoolConnection, services: list[UUID], causes: Sequence[str] = ()
) -> list[UUID]:
    rows = await connection.fetch(_SQL["lock_affected"], services, list(causes))
    return [row["id"] for row in rows]


async def _causes(connection: PoolConnection, services: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    """What each of these services fails of that others may fail of too."""
    found: dict[UUID, dict[str, None]] = {}
    for row in await connection.fetch(_SQL["failing_looks"], services):
        config = _read_config(row["type"], row["config"])
        if config is None:
            continue
        lines = causes_of(
            config,
            ErrorKind(row["error_kind"]) if row["error_kind"] else None,
            row["reason"],
            json.loads(row["last_look"] or "{}"),
        )
        found.setdefault(row["service_id"], {}).update(dict.fromkeys(lines))
    return {service: tuple(lines) for service, lines in found.items()}


@lru_cache(maxsize=10_000)
def _read_config(monitor_type: str, text: str) -> CheckConfig | None:
    try:
        return parse_config(MonitorType(monitor_type), json.loads(text))
    except (ValidationFailed, ValueError):
        return None  # another version's: it fails of nothing that this one can name


def _flat(causes: dict[UUID, tuple[str, ...]]) -> list[str]:
    return sorted({line for lines in causes.values() for line in lines})


def _array(lines: Sequence[str]) -> str:
    """An array as PostgreSQL writes it, since arrays of arrays must be rectangular."""
    quoted = ('"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"' for line in lines)
    return "{" + ",".join(quoted) + "}"


async def _changed_says(
    connection: PoolConnection, services: list[UUID], at: datetime
) -> list[_Say]:
    """What monitors say now, of the services where that is something else than what is recorded."""
    monitors: dict[UUID, list[MonitorSay]] = {}
    latest: dict[UUID, tuple[datetime, UUID]] = {}
    for row in await connection.fetch(_SQL["monitors_of_services"], services):
        service_id, since = row["service_id"], row["since"]
        monitors.setdefault(service_id, []).append(MonitorSay(MonitorState(row["state"]), since))
        latest[service_id] = max(
            latest.get(service_id, (since, row["monitor_id"])), (since, row["monitor_id"])
        )
    changed: list[_Say] = []
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


async def _settle_affected(
    connection: PoolConnection,
    affected: list[UUID],
    wanted: Collection[UUID],
    at: datetime,
    *,
    seen_at: datetime | None = None,
) -> None:
    actions: list[Action] = []
    for situation in await load_situations(connection, affected, wanted, seen_at):
        actions += reconcile(situation, at)
    leaving = [action for action in actions if isinstance(action, LeaveIncident)]
    flags = [action for action in actions if isinstance(action, FlagFlapping)]
    moves = [action for action in actions if isinstance(action, MoveIncident)]
    openings = [action for action in actions if isinstance(action, OpenIncident)]
    for leave in leaving:
        _LOG.info("service %s leaves incident %s", leave.service_id, leave.incident_id)
    if leaving:
        left = [(each.incident_id, each.service_id, each.message) for each in leaving]
        await connection.fetch(_SQL["leave_incidents"], *_columns(left), at)
    if flags:
        flagged = [
            (each.incident_id, each.is_flapping, each.internal_title, each.message)
            for each in flags
        ]
        await connection.fetch(_SQL["flag_flapping"], *_columns(flagged), at)
    if moves:
        await _move(connection, moves)
    if openings:
        await _open(connection, openings, at)
    if openings or leaving:
        touched = {opening.service_id for opening in openings}
        touched |= {leave.service_id for leave in leaving}
        await connection.fetch(_SQL["recompute_companions"], sorted(touched))


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _move(connection: PoolConnection, moves: Sequence[MoveIncident]) -> None:
    rows = [(move.incident_id, str(move.status), move.message, move.at) for move in moves]
    for row in await connection.fetch(_SQL["move_incidents"], *_columns(rows)):
        _LOG.info("incident %s to %s: %s", row["incident_id"], row["status"], row["outcome"])


async def _open(connection: PoolConnection, openings: Sequence[OpenIncident], at: datetime) -> None:
    rows = [
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
            opening.joins_id,
            opening.is_guarded,
        )
        for opening in openings
    ]
    for row in await connection.fetch(_SQL["open_incidents"], *_columns(rows), at):
        _LOG.info("incident %s %s for service %s", row["code"], row["outcome"], row["service_id"])


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
    for situation in await load_situations(connection, services):
        members = {incident.id: incident.services for incident in situation.incidents}
        for action in reconcile(situation, at):
            match action:
                case OpenIncident():
                    unsettled.add(action.service_id)
                case MoveIncident() | FlagFlapping() | LeaveIncident():
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
    """Settles the incidents of some services, and those in which something is due by the clock.

    That is a recovery that has lasted long enough, a wait for the confirmation of a cause that has
    ended, and a service that is still out after its cause has recovered.
    """
    due = await connection.fetch(_SQL["services_due"])
    waiting = await connection.fetch(_SQL["services_waiting"])
    found = {row["service_id"] for row in (*due, *waiting)}
    await settle_incidents(connection, services | found, at)


async def speak(connection: PoolConnection) -> None:
    """Posts the approved sentence where no person spoke, and tells of what was recorded late."""
    await connection.fetch(_SQL["post_guarded_sentences"])
    await connection.fetch(_SQL["tell_of_late_incidents"])


async def _add_occurrences(connection: PoolConnection, at: datetime) -> None:
    """Writes what follows in each series whose newest occurrence is over.

    The database takes any line for a rule, so what cannot be read ends its own series, not the turn
    of everybody.
    """
    for row in await connection.fetch(_SQL["recurring_windows"]):
        series = _Series(
            row["series_id"],
            row["first_starts_at"],
            Occurrence(row["starts_at"], row["ends_at"]),
            row["recurrence_rule"],
            row["timezone"],
            frozenset(row["exceptions"]),
        )
        if series in _OVER:
            continue
        following = _following(series, at)
        if following is not None:
            await connection.execute(
                _SQL["add_occurrence"], row["id"], following.starts_at, following.ends_at
            )
            continue
        if len(_OVER) >= _MOST_OVER:
            _OVER.clear()
        _OVER.add(series)


def _following(series: _Series, at: datetime) -> Occurrence | None:
    try:
        return next_in_series(
            series.first_starts_at,
            series.newest,
            series.rule,
            ZoneInfo(series.timezone),
            after=at,
            exceptions=series.exceptions,
        )
    except (ValidationFailed, ArithmeticError, LookupError, TypeError, ValueError) as error:
        _LOG.warning("maintenance series %s does not go on: %s", series.series_id, error)
        return None
