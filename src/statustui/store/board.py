"""Reads the first screen: every service with what its monitors say, and what is being worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import asyncpg

from statustui.domain import recent
from statustui.domain.causes import find_causes
from statustui.domain.readmodels import Board, IncidentSummary, RegionState, ServiceRow
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState, ServiceStatus
from statustui.store import incidents, maintenance, organizations, queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("board")

_STATUS = {str(status): status for status in ServiceStatus}
_STATE = {str(state): state for state in MonitorState}
_STATE_RANK = {str(state): rank for rank, state in enumerate(MonitorState)}
_NO_RANK = (len(MonitorState), False)
_PAUSED = str(MonitorState.PAUSED)
_UP = str(MonitorState.UP)
_SUCCESS = str(CheckStatus.SUCCESS)
# Values are made of this many rows at a time: in between, a key that was pressed is answered.
_BREATH = 200

Strip = tuple[bytes, datetime | None]


@dataclass(slots=True)
class Said:
    """What the monitors of one service say together."""

    monitors: int = 0
    paused: int = 0
    paused_until: datetime | None = None
    state: str | None = None
    error_kind: ErrorKind | None = None
    reason: str = ""
    monitor: str = ""
    limit_ms: int | None = None
    flips: int = 0
    regions_down: int = 0
    regions_looked: int = 0
    regions: tuple[RegionState, ...] = ()
    failures: int = 0
    threshold: int = 0
    successes: int = 0
    looked_at: datetime | None = None
    strip: Strip = (b"", None)
    tags: list[str] = field(default_factory=list)


_NOTHING_SAID = Said()


async def load_board(pool: Pool, org_id: int) -> Board:
    """Everything the first screen shows."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        organization = await organizations.organization_row(connection, org_id)
        open_and_recent = await incidents.load_open_and_recent(connection, org_id)
        services = await load_services(connection, org_id, open_and_recent)
        return Board(
            organization=organizations.organization(organization),
            operator=organization["operator"],
            read_at=organization["read_at"],
            services=services,
            incidents=open_and_recent,
            pages=await organizations.pages(connection, org_id),
            maintenance=await maintenance.load_windows(connection, org_id),
            watch=await organizations.watch(connection),
            silenced=count_silenced(services, open_and_recent, organization["read_at"]),
        )


async def load_services(
    connection: PoolConnection,
    org_id: int,
    incident_summaries: Sequence[IncidentSummary],
    only: Sequence[UUID] | None = None,
) -> tuple[ServiceRow, ...]:
    """All services in their order, or only some.

    Args:
        connection: inside a transaction.
        org_id: the organization.
        incident_summaries: those that are open; others do no harm.
        only: ids; causes are found among these alone. None for all.
    """
    rows = await connection.fetch(_SQL["load_services"], org_id, only)
    depends_on: dict[UUID, tuple[UUID, ...]] = {
        service: tuple(row["depends_on_id"] for row in group)
        for service, group in groupby(
            await connection.fetch(_SQL["load_dependencies"], org_id), itemgetter("service_id")
        )
    }
    said: dict[UUID, Said] = {}
    states = await connection.fetch(_SQL["load_states"], org_id, only)
    for number, (service, group) in enumerate(groupby(states, itemgetter("service_id"))):
        said[service] = put_together(group)
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    maintained = {
        row["service_id"] for row in await connection.fetch(_SQL["load_maintained"], org_id)
    }
    causes = find_causes({row["id"]: _STATUS[row["current_status"]] for row in rows}, depends_on)
    concerned = incidents_by_service(incident_summaries)
    services: list[ServiceRow] = []
    for number, row in enumerate(rows):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        key = row["id"]
        services.append(
            _service(
                row,
                said.get(key, _NOTHING_SAID),
                depends_on.get(key, ()),
                causes.get(key),
                concerned.get(key),
                key in maintained,
            )
        )
    return tuple(services)


async def find_neighbours(connection: PoolConnection, org_id: int, service_id: UUID) -> list[UUID]:
    """A service, everything it needs however far down, and what needs it directly."""
    rows = await connection.fetch(_SQL["find_neighbours"], org_id, service_id)
    return [row["id"] for row in rows]


def incidents_by_service(
    summaries: Iterable[IncidentSummary],
) -> Mapping[UUID, IncidentSummary]:
    """The most severe open incident of each service; the older one of equals."""
    worst: dict[UUID, IncidentSummary] = {}
    for summary in summaries:
        if not summary.status.is_open:
            continue
        for service in summary.services:
            known = worst.get(service.id)
            if known is None or _urgency(summary) > _urgency(known):
                worst[service.id] = summary
    return worst


def _urgency(summary: IncidentSummary) -> tuple[int, float]:
    return summary.impact.severity, -summary.started_at.timestamp()


def put_together(rows: Iterable[asyncpg.Record]) -> Said:
    """What the rows of `load_states` for one service say together."""
    said = Said()
    strips: list[Strip] = []
    worst: list[asyncpg.Record] = []
    rank = _NO_RANK
    for _, group in groupby(rows, itemgetter("monitor")):
        regions = list(group)
        row = regions[0]
        said.monitors += 1
        if row["tags"]:
            said.tags.extend(tag for tag in row["tags"] if tag not in said.tags)
        if row["is_paused"]:
            said.paused += 1
            until = row["paused_until"]
            if until and (said.paused_until is None or until > said.paused_until):
                said.paused_until = until
        else:
            found = _rank(row["state"] or "unknown", regions)
            if found < rank and row["state"] != _PAUSED:
                rank, worst = found, regions
        for region in regions:
            if region["recent_until"] is not None:
                strips.append((region["recent"], region["recent_until"]))
            said.looked_at = _newer(said.looked_at, region["last_checked_at"])
    if worst:
        _take_worst(said, worst)
    said.strip = strips[0] if len(strips) == 1 else _combine(tuple(strips))
    return said


def _rank(state: str, regions: Sequence[asyncpg.Record]) -> tuple[int, bool]:
    """How bad a monitor is, least for the worst; of two alike, the one whose last looks failed."""
    return _STATE_RANK[state], not any(row["failures"] for row in regions)


def _newer(known: datetime | None, other: datetime | None) -> datetime | None:
    return other if known is None or (other is not None and other > known) else known


def _take_worst(said: Said, regions: Sequence[asyncpg.Record]) -> None:
    row = regions[0]
    said.state = row["state"] or "unknown"
    said.monitor = row["name"]
    said.limit_ms = row["degraded_after_ms"]
    said.threshold = row["failure_threshold"]
    said.error_kind = ErrorKind(row["error_kind"]) if row["error_kind"] else None
    said.reason = row["reason"] or ""
    states = {region["region_name"]: region["region_state"] for region in regions}
    said.regions = tuple(
        RegionState(name, _STATE[states.get(name) or "unknown"]) for name in row["regions"]
    )
    is_up = said.state == _UP
    telling: asyncpg.Record | None = None
    looked_at: datetime | None = None
    for region in regions:
        if region["region_state"] is None:
            continue
        said.regions_looked += region["region_state"] != "unknown"
        said.regions_down += region["region_state"] == "down"
        said.flips = max(said.flips, region["flips"])
        said.failures = max(said.failures, region["failures"])
        if not is_up:
            said.successes = max(said.successes, region["successes"])
            looked_at = _newer(looked_at, region["last_checked_at"])
        if _tells(region, is_up) and (telling is None or _telling(region) > _telling(telling)):
            telling = region
    if telling is not None:
        # What was said when the state began is old by now; the last look says what is.
        kind = telling["last_error_kind"]
        said.error_kind = ErrorKind(kind) if kind else None
        said.reason = telling["last_reason"] or said.reason
        said.successes = 0
        looked_at = telling["last_checked_at"]
    if looked_at is not None:
        said.looked_at = looked_at


def _tells(region: asyncpg.Record, is_up: bool) -> bool:
    """Whether the last look of a region says why; one slow look of one that is up does not yet."""
    status = region["last_status"]
    return status is not None and status != _SUCCESS and (not is_up or region["failures"] > 0)


def _telling(region: asyncpg.Record) -> tuple[bool, datetime]:
    """Orders regions by how much their last look tells: those that failed, then the newest."""
    return region["failures"] > 0, region["last_checked_at"]


@lru_cache(maxsize=16_384)
def _combine(strips: tuple[Strip, ...]) -> Strip:
    # Strips change once a minute, boards are read several times a second while things happen.
    return recent.combine(strips)


def _service(
    row: asyncpg.Record,
    said: Said,
    depends_on: tuple[UUID, ...],
    cause: UUID | None,
    incident: IncidentSummary | None,
    in_maintenance: bool,
) -> ServiceRow:
    strip, until = said.strip
    silenced = said.paused_until
    if incident is not None and incident.snoozed_until is not None:
        silenced = max(silenced or incident.snoozed_until, incident.snoozed_until)
    return ServiceRow(
        id=row["id"],
        name=row["name"],
        group_name=row["group_name"],
        description=row["description"],
        display_order=row["display_order"],
        is_visible=row["is_visible"],
        status=_STATUS[row["current_status"]],
        public_status=_STATUS[row["public_status"]],
        status_since=row["status_since"],
        pinned_status=_STATUS[row["pinned_status"]] if row["pinned_status"] else None,
        monitor_state=_STATE[said.state] if said.state else None,
        error_kind=said.error_kind,
        reason=said.reason,
        reason_monitor=said.monitor,
        depends_on=depends_on,
        cause_id=cause,
        incident_code=incident.code if incident else None,
        recent=strip,
        recent_until=until,
        monitors=said.monitors,
        paused=said.paused,
        silenced_until=silenced,
        regions_down=said.regions_down,
        regions_looked=said.regions_looked,
        regions=said.regions,
        flips=said.flips,
        limit_ms=said.limit_ms,
        last_looked_at=said.looked_at,
        in_maintenance=in_maintenance,
        tags=tuple(said.tags),
        failures=said.failures,
        threshold=said.threshold,
        successes=said.successes,
    )


def count_silenced(
    services: Iterable[ServiceRow], summaries: Iterable[IncidentSummary], at: datetime
) -> int:
    """How many services are quiet for some reason; each counts once."""
    snoozed = {
        service.id
        for summary in summaries
        if summary.status.is_open and summary.snoozed_until and summary.snoozed_until > at
        for service in summary.services
    }
    return sum(
        1
        for service in services
        if service.paused or service.in_maintenance or service.id in snoozed
    )
