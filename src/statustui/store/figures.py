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
from statustui.domain.rollup import BUCKETS, percentile_ms
from statustui.domain.status import ServiceStatus
from statustui.store import queries
from statustui.store.connection import Pool, transaction

_SQL = queries.load("figures")

DAYS = 30
HOURS_MOST = 9_600
_HISTOGRAM = tuple(f"h{bucket:02}" for bucket in range(BUCKETS))
# Thirty days of 5,000 services are 150,000 values: between these many services others may run.
_BREATH = 100


async def load_figures(pool: Pool, org_id: int) -> tuple[ServiceFigures, ...]:
    """The figures of every service, in their order."""
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    since = datetime.combine(first, time(), UTC)
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        services = await connection.fetch(_SQL["load_statuses"], org_id)
        days = await connection.fetch(_SQL["load_days"], org_id, first)
        scheduled = await connection.fetch(_SQL["load_scheduled"], org_id, first)
        latencies = await connection.fetch(_SQL["load_latency_of_day"], org_id)
        changes = await connection.fetch(_SQL["load_worst"], org_id, since)
    seen = {row["service_id"]: row for row in days}
    slots = {row["service_id"]: row for row in scheduled}
    p95 = {row["service_id"]: _percentile(row, 0.95) for row in latencies}
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
