"""Reads the slower figures: thirty days and the latency of every service, and the charts of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import asyncpg

from statustui.domain.errors import ValidationFailed
from statustui.domain.readmodels import DayCell, LatencyPoint, ServiceFigures
from statustui.domain.rollup import BUCKETS, Rollup, percentile_ms, split_window
from statustui.domain.status import ServiceStatus
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("figures")

DAYS = 30
HOURS_MOST = 9_600
# Whatever the watch's settings are, so many days have their hours (see hours_kept_since).
HOURS_ALWAYS_KEPT = timedelta(days=34)
_SUMS = (
    *("success", "degraded", "failure", "timeout", "unknown", "maintenance", "slots", "timed"),
    *("sum_ms", "min_ms", "max_ms"),
)
_HISTOGRAM = tuple(f"h{bucket:02}" for bucket in range(BUCKETS))
# Thirty days of 5,000 services are 150,000 values: between these many services others may run.
_BREATH = 100


async def load_figures(pool: Pool, org_id: int) -> tuple[ServiceFigures, ...]:
    """The figures of every service, in their order."""
    now = datetime.now(UTC)
    first = now.date() - timedelta(days=DAYS - 1)
    since = datetime.combine(first, time(), UTC)
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        services = await connection.fetch(_SQL["load_statuses"], org_id)
        days = await connection.fetch(_SQL["load_days"], org_id, first)
        scheduled = await connection.fetch(_SQL["load_scheduled"], org_id, first)
        of_day = await _window(connection, org_id, None, now - timedelta(hours=24), now)
        changes = await connection.fetch(_SQL["load_worst"], org_id, since)
    seen = {row["service_id"]: row for row in days}
    slots = {row["service_id"]: row for row in scheduled}
    p95 = {key: rollup.percentile_ms(0.95) for key, rollup in of_day.items()}
    moved = {key: list(group) for key, group in groupby(changes, itemgetter("service_id"))}
    calendar = [first + timedelta(days=offset) for offset in range(DAYS)]
    figures: list[ServiceFigures] = []
    for number, service in enumerate(services):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        key = service["id"]
        worst = worst_by_day(
            ServiceStatus(service["current_status"]), moved.get(key, ()), service["since"], calendar
        )
        cells = _cells(calendar, seen.get(key), slots.get(key), worst)
        figures.append(
            ServiceFigures(
                service_id=key,
                p95_ms=p95.get(key),
                succeeded=sum(cell.succeeded for cell in cells),
                looked=sum(cell.looked for cell in cells),
                days=cells,
            )
        )
    return tuple(figures)


async def load_window(
    pool: Pool,
    org_id: int,
    start: datetime,
    end: datetime,
    service_ids: Sequence[UUID] | None = None,
) -> dict[UUID, Rollup]:
    """What any window amounts to, from sums alone: days where they are whole, hours at its edges.

    Args:
        pool: of a person's own role.
        org_id: the organization.
        start, end: the window; it is widened to whole hours, and to whole days where the hours are
            no longer kept. What lies before the plan's days is left out.
        service_ids: None for all.

    Returns:
        By service; those of which nothing is known are missing.

    Raises:
        ValidationFailed: it ends before it starts.
    """
    if end < start:
        raise ValidationFailed("a window ends after it starts")
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        return await _window(connection, org_id, service_ids, start, end)


async def _window(
    connection: PoolConnection,
    org_id: int,
    service_ids: Sequence[UUID] | None,
    start: datetime,
    end: datetime,
) -> dict[UUID, Rollup]:
    now = datetime.now(UTC)
    shown: date | None = await connection.fetchval(_SQL["load_shown_since"], org_id)
    if shown is None:
        return {}
    start = max(start, datetime.combine(shown, time(), UTC))
    end = max(end, start)
    kept = datetime.combine((now - HOURS_ALWAYS_KEPT).date(), time(), UTC)
    parts = split_window(start, end, kept)
    rows = await connection.fetch(
        _SQL["load_window"],
        org_id,
        None if service_ids is None else list(service_ids),
        parts.from_hour,
        parts.hours_until,
        parts.first_day,
        parts.days_until,
        parts.later_from,
        parts.to_hour,
    )
    return {row["service_id"]: _rollup(row) for row in rows}


def _rollup(row: asyncpg.Record) -> Rollup:
    return Rollup(
        **{name: row[name] for name in _SUMS},
        histogram=tuple(row[name] for name in _HISTOGRAM),
    )


async def load_uptime(pool: Pool, org_id: int, days: int) -> dict[UUID, tuple[int, int]]:
    """Checks that succeeded, and checks that looked, of every service over some days.

    Args:
        pool: of a person's own role.
        org_id: the organization.
        days: UTC days, today included, as far as the plan shows them.
    """
    first = datetime.now(UTC).date() - timedelta(days=days - 1)
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["load_uptime"], org_id, first)
    return {row["service_id"]: (int(row["succeeded"]), int(row["looked"])) for row in rows}


def _cells(
    calendar: Sequence[date],
    seen: asyncpg.Record | None,
    scheduled: asyncpg.Record | None,
    worst: Sequence[ServiceStatus | None],
) -> tuple[DayCell, ...]:
    # A list may run a day ahead of the calendar when midnight passes in between.
    count = len(calendar)
    succeeded, looked, slots, planned = [0] * count, [0] * count, [0] * count, [0] * count
    if seen is not None:
        for index, day in enumerate(seen["days"]):
            if day < count:
                succeeded[day] = seen["succeeded"][index]
                looked[day] = seen["looked"][index]
                slots[day] = seen["slots"][index]
    if scheduled is not None:
        for day, number in zip(scheduled["days"], scheduled["slots"], strict=True):
            if day < count:
                planned[day] = number
    return tuple(map(DayCell, calendar, succeeded, looked, planned, slots, worst))


def worst_by_day(
    now: ServiceStatus,
    changes: Sequence[asyncpg.Record],
    since: date,
    calendar: Sequence[date],
) -> list[ServiceStatus | None]:
    """The worst status of each day; None before the service existed.

    Args:
        now: its status at present.
        changes: its changes within the days, by time.
        since: the day on which it was created.
        calendar: the days, in order.
    """
    status = ServiceStatus(changes[0]["from_status"]) if changes else now
    begins = min([since, *(change["effective_at"].date() for change in changes[:1])])
    result: list[ServiceStatus | None] = []
    index = 0
    for day in calendar:
        worst = status
        while index < len(changes) and changes[index]["effective_at"].date() <= day:
            status = ServiceStatus(changes[index]["to_status"])
            worst = max(worst, status, key=lambda each: each.severity)
            index += 1
        result.append(worst if day >= begins else None)
    return result


async def load_latency(
    pool: Pool, org_id: int, service_id: UUID, hours: int
) -> tuple[LatencyPoint, ...]:
    """Response times of a service, oldest first."""
    if not 1 <= hours <= HOURS_MOST:
        raise ValidationFailed(f"a chart shows 1 to {HOURS_MOST:,} hours")
    now = datetime.now(UTC)
    since = now - timedelta(hours=hours)
    async with transaction(pool, readonly=True) as connection:
        if hours <= 24:
            width = timedelta(minutes=1 if hours <= 2 else 5)
            rows = await connection.fetch(
                _SQL["load_latency_from_checks"], org_id, service_id, width, since
            )
            return tuple(map(_point_from_checks, rows))
        if hours <= 24 * 31:
            rows = await connection.fetch(
                _SQL["load_latency_hourly"], org_id, service_id, since - timedelta(hours=1)
            )
        else:
            rows = await connection.fetch(
                _SQL["load_latency_daily"], org_id, service_id, since.date()
            )
        return tuple(map(_point, rows))


def _point_from_checks(row: asyncpg.Record) -> LatencyPoint:
    p50, p95, p99 = row["percentiles"] or (None, None, None)
    return LatencyPoint(row["at"], p50, p95, p99, row["checks"], row["failures"])


def _point(row: asyncpg.Record) -> LatencyPoint:
    return LatencyPoint(
        at=row["at"],
        p50_ms=_percentile(row, 0.5),
        p95_ms=_percentile(row, 0.95),
        p99_ms=_percentile(row, 0.99),
        checks=row["checks"],
        failures=row["failures"],
    )


def _percentile(row: asyncpg.Record, fraction: float) -> float | None:
    histogram = [row[name] for name in _HISTOGRAM]
    return percentile_ms(histogram, fraction, row["min_ms"], row["max_ms"])
