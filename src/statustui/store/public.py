"""Reads public pages, as the role that can see nothing but the public views.

One page is one read-only transaction on one snapshot, so that a status, its incident and its
figures never contradict each other. What lies further back than yesterday does not change any
more, so a page that was read before only reads its last two days again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from statustui.domain.public_days import StatusChange, worst_by_day
from statustui.domain.publicmodels import (
    PublicAffected,
    PublicDay,
    PublicIncident,
    PublicMaintenance,
    PublicMaintenanceUpdate,
    PublicPage,
    PublicPoint,
    PublicService,
    PublicUpdate,
)
from statustui.domain.status import (
    Impact,
    IncidentStatus,
    MaintenanceStatus,
    ServiceStatus,
    Visibility,
)
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction
from statustui.store.public_figures import (
    NO_CHECKS,
    Calendar,
    DayFigures,
    read_days,
    read_points,
    read_slots,
)

SHOWN_DAYS: Final = 90
LATENCY_HOURS: Final = 24
PAST_MAINTENANCE_DAYS: Final = 90
# A look that was due a moment ago may still be under way: its absence says nothing yet.
SLOT_GRACE: Final = timedelta(seconds=5)

_SQL = queries.load("public")

Row = asyncpg.Record


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page that exists, whether it may be shown or not.

    Attributes:
        org_key: the key under which changes of its organization are announced.
    """

    slug: str
    name: str
    visibility: Visibility
    custom_domain: str | None
    org_key: str


@dataclass(frozen=True, slots=True)
class _Read:
    """The rows that one transaction saw."""

    page: Row
    services: Sequence[Row]
    daily: Sequence[Row]
    hourly: Sequence[Row]
    slots: Sequence[Row]
    changes: Sequence[Row]
    maintenance: Sequence[Row]
    maintenance_services: Sequence[Row]
    maintenance_updates: Sequence[Row]
    incidents: tuple[Sequence[Row], Sequence[Row], Sequence[Row]] | None


class PublicStore:
    """Everything that the page's server asks of the database.

    Args:
        pool: connections as `statustui_web`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load_page_index(self) -> tuple[PageEntry, ...]:
        """All pages, private ones too, by slug.

        Raises:
            DatabaseUnavailable: PostgreSQL cannot be reached.
        """
        async with transaction(self._pool, readonly=True) as connection:
            rows = await connection.fetch(_SQL["load_page_index"])
        return tuple(
            PageEntry(
                slug=row["page_slug"],
                name=row["name"],
                visibility=Visibility(row["visibility"]),
                custom_domain=row["custom_domain"],
                org_key=row["channel_key"],
            )
            for row in rows
        )

    async def load_page(self, slug: str, *, days: int = SHOWN_DAYS) -> PublicPage | None:
        """One page whole.

        Args:
            slug: the page's.
            days: how many days of figures, today included.

        Returns:
            None when there is no such page.

        Raises:
            DatabaseUnavailable: PostgreSQL cannot be reached.
        """
        async with self._snapshot() as connection:
            page = await connection.fetchrow(_SQL["load_page"], slug)
            if page is None:
                return None
            oldest = _day(page["read_at"]) - timedelta(days=days - 1)
            hours = page["read_at"] - timedelta(hours=LATENCY_HOURS)
            read = await self._read(connection, page, oldest, hours, incidents=True)
        return await asyncio.to_thread(_page, read, None, oldest)

    async def reload_page(self, before: PublicPage, *, incidents: bool) -> PublicPage | None:
        """A page that was read before, brought up to date.

        Args:
            before: as it was read last, less than a day ago.
            incidents: whether incidents may have changed as well.

        Returns:
            None when it is gone.

        Raises:
            DatabaseUnavailable: PostgreSQL cannot be reached.
        """
        async with self._snapshot() as connection:
            page = await connection.fetchrow(_SQL["load_page"], before.slug)
            if page is None:
                return None
            oldest = _day(before.read_at) - timedelta(days=1)
            hours = before.read_at.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
            read = await self._read(connection, page, oldest, hours, incidents=incidents)
        known = {service.id for service in before.services}
        if any(row["id"] not in known for row in read.services):
            # A service that is new here may have a past elsewhere.
            days = max((len(service.days) for service in before.services), default=0)
            return await self.load_page(before.slug, days=max(days, SHOWN_DAYS))
        return await asyncio.to_thread(_page, read, before, oldest)

    def _snapshot(self) -> Any:
        return transaction(self._pool, isolation="repeatable_read", readonly=True)

    async def _read(
        self,
        connection: PoolConnection,
        page: Row,
        oldest: date,
        hours: datetime,
        *,
        incidents: bool,
    ) -> _Read:
        slug = page["page_slug"]
        since = datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC)
        until = max(since, page["read_at"] - SLOT_GRACE)
        past = page["read_at"] - timedelta(days=PAST_MAINTENANCE_DAYS)
        return _Read(
            page=page,
            services=await connection.fetch(_SQL["load_services"], slug),
            daily=await connection.fetch(_SQL["load_daily"], slug, oldest),
            hourly=await connection.fetch(_SQL["load_hourly"], slug, hours),
            slots=await connection.fetch(_SQL["load_slots"], slug, since, until),
            changes=await connection.fetch(_SQL["load_status_changes"], slug, since),
            maintenance=await connection.fetch(_SQL["load_maintenance"], slug, past),
            maintenance_services=await connection.fetch(_SQL["load_maintenance_services"], slug),
            maintenance_updates=await connection.fetch(_SQL["load_maintenance_updates"], slug),
            incidents=(
                (
                    await connection.fetch(_SQL["load_incidents"], slug),
                    await connection.fetch(_SQL["load_incident_updates"], slug),
                    await connection.fetch(_SQL["load_incident_services"], slug),
                )
                if incidents
                else None
            ),
        )


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _page(read: _Read, before: PublicPage | None, oldest: date) -> PublicPage:
    """Make the page's value out of rows; older days and hours come from `before`."""
    page = read.page
    now: datetime = page["read_at"]
    if read.incidents is not None:
        incidents = _incidents(*read.incidents)
    else:
        incidents = before.incidents if before is not None else ()
    return PublicPage(
        slug=page["page_slug"],
        name=page["name"],
        description=page["description"] or "",
        headline=page["headline"],
        support_link=page["support_url"],
        visibility=Visibility(page["visibility"]),
        custom_domain=page["custom_domain"],
        theme=page["theme"],
        organization_name=page["organization_name"],
        organization_slug=page["organization_slug"],
        organization_url=page["public_base_url"],
        logo_url=page["logo_url"],
        brand_color=page["brand_color"],
        timezone=page["timezone"],
        revision=now.isoformat(),
        read_at=now,
        observed_at=page["observed_at"],
        services=_services(read, before, incidents, oldest, now),
        incidents=incidents,
        maintenance=_maintenance(read),
    )


def _services(
    read: _Read,
    before: PublicPage | None,
    incidents: Sequence[PublicIncident],
    oldest: date,
    now: datetime,
) -> tuple[PublicService, ...]:
    known = {} if before is None else {service.id: service for service in before.services}
    calendar = Calendar(oldest)
    daily = read_days(read.daily, calendar)
    hourly = read_points(read.hourly)
    slots = read_slots(read.slots, calendar)
    changes: dict[UUID, list[StatusChange]] = defaultdict(list)
    for row in read.changes:
        changes[row["service_id"]].append(
            StatusChange(
                row["effective_at"],
                ServiceStatus(row["from_status"]),
                ServiceStatus(row["to_status"]),
            )
        )
    codes = _codes_by_day(incidents, now)
    services = []
    for row in read.services:
        key: UUID = row["id"]
        status = ServiceStatus(row["status"])
        worst = worst_by_day(changes[key], status, row["created_at"], oldest, now)
        seen, planned = daily.get(key, {}), slots.get(key, {})
        fresh = [
            _public_day(
                on,
                seen.get(on, NO_CHECKS),
                planned.get(on, 0),
                worst.get(on),
                codes.get((key, on), ()),
            )
            for on in sorted(seen.keys() | planned.keys() | worst.keys())
            if on >= oldest
        ]
        points = hourly.get(key, [])
        old = known.get(key)
        if old is not None:
            fresh = [
                *_older_days(old, oldest, codes),
                *fresh,
            ]
            points = _older_points(old, points, now)
        services.append(
            PublicService(
                id=key,
                name=row["name"],
                description=row["description"],
                group_name=row["group_name"],
                display_order=row["display_order"],
                status=status,
                status_since=row["status_since"],
                created_at=row["created_at"],
                days=tuple(fresh),
                points=tuple(points),
            )
        )
    return tuple(services)


def _older_days(
    service: PublicService, oldest: date, codes: Mapping[tuple[UUID, date], tuple[str, ...]]
) -> list[PublicDay]:
    """The days that were read before; an incident may have been published for them since."""
    days = []
    for day in service.days:
        if day.day >= oldest:
            continue
        now_codes = codes.get((service.id, day.day), ())
        days.append(
            day if day.incident_codes == now_codes else replace(day, incident_codes=now_codes)
        )
    return days


def _older_points(
    service: PublicService, fresh: list[PublicPoint], now: datetime
) -> list[PublicPoint]:
    from_at = now - timedelta(hours=LATENCY_HOURS + 1)
    read_again = {point.at for point in fresh}
    older = [
        point for point in service.points if point.at >= from_at and point.at not in read_again
    ]
    return sorted([*older, *fresh], key=lambda point: point.at)


def _codes_by_day(
    incidents: Sequence[PublicIncident], now: datetime
) -> dict[tuple[UUID, date], tuple[str, ...]]:
    """The incidents of each service on each day, the first to begin first."""
    codes: dict[tuple[UUID, date], tuple[str, ...]] = {}
    for incident in sorted(incidents, key=lambda each: each.started_at):
        on, last = _day(incident.started_at), _day(incident.resolved_at or now)
        on = max(on, last - timedelta(days=366))
        while on <= last:
            for service in incident.services:
                key = (service.id, on)
                codes[key] = (*codes.get(key, ()), incident.code)
            on += timedelta(days=1)
    return codes


def _public_day(
    on: date,
    seen: DayFigures,
    scheduled: int,
    worst: ServiceStatus | None,
    codes: tuple[str, ...],
) -> PublicDay:
    return PublicDay(
        day=on,
        succeeded=seen.succeeded,
        looked=seen.looked,
        checks=seen.looked,
        slots_scheduled=scheduled,
        # The looks of the last moments may belong to slots that are not counted as planned yet.
        slots_looked=min(seen.slots, scheduled),
        avg_ms=seen.avg_ms,
        p95_ms=seen.p95_ms,
        worst_status=worst,
        incident_codes=codes,
    )


def _incidents(
    incidents: Sequence[Row], updates: Sequence[Row], services: Sequence[Row]
) -> tuple[PublicIncident, ...]:
    updates_of: dict[UUID, list[PublicUpdate]] = defaultdict(list)
    for row in updates:
        updates_of[row["incident_id"]].append(
            PublicUpdate(
                id=row["id"],
                status=IncidentStatus(row["status"]),
                message=row["message"],
                still_works=row["still_works"],
                created_at=row["created_at"],
                edited_at=row["edited_at"],
                detected_automatically=row["detected"] == "automatically",
                next_update_by=row["next_update_by"],
            )
        )
    services_of: dict[UUID, list[PublicAffected]] = defaultdict(list)
    for row in services:
        services_of[row["incident_id"]].append(
            PublicAffected(
                id=row["service_id"],
                name=row["name"],
                from_status=ServiceStatus(row["from_status"]),
                to_status=ServiceStatus(row["to_status"]),
            )
        )
    return tuple(
        PublicIncident(
            id=row["id"],
            code=row["code"],
            title=row["title"],
            status=IncidentStatus(row["status"]),
            impact=Impact(row["impact"]),
            is_auto=row["is_auto"],
            started_at=row["started_at"],
            identified_at=row["identified_at"],
            monitoring_at=row["monitoring_at"],
            resolved_at=row["resolved_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            next_update_by=row["next_update_by"],
            updates=tuple(updates_of[row["id"]]),
            services=tuple(services_of[row["id"]]),
            postmortem=row["postmortem"],
            is_retroactive=row["is_retroactive"],
        )
        for row in incidents
    )


def _maintenance(read: _Read) -> tuple[PublicMaintenance, ...]:
    services: dict[UUID, list[Row]] = defaultdict(list)
    for row in read.maintenance_services:
        services[row["window_id"]].append(row)
    updates: dict[UUID, list[PublicMaintenanceUpdate]] = defaultdict(list)
    for row in read.maintenance_updates:
        updates[row["window_id"]].append(
            PublicMaintenanceUpdate(
                id=row["id"],
                status=MaintenanceStatus(row["status"]),
                message=row["message"],
                created_at=row["created_at"],
            )
        )
    return tuple(
        PublicMaintenance(
            id=row["id"],
            title=row["title"],
            description=row["description"] or "",
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            status=MaintenanceStatus(row["status"]),
            recurrence_rule=row["recurrence_rule"],
            services=tuple(service["name"] for service in services[row["id"]]),
            service_ids=tuple(service["service_id"] for service in services[row["id"]]),
            updates=tuple(updates[row["id"]]),
        )
        for row in read.maintenance
    )
