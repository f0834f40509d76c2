"""Turns the figures of a page from lists, as the database hands them over, into days and hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from statustui.domain.publicmodels import PublicPoint
from statustui.domain.rollup import BUCKETS, percentile_ms, percentiles_ms

_HISTOGRAM: Final = tuple(f"h{index:02d}" for index in range(BUCKETS))
_POINT: Final = (0.5, 0.95, 0.99)

Row = asyncpg.Record


class DayFigures(NamedTuple):
    """What one UTC day of one service came to.

    Attributes:
        succeeded, looked: checks outside maintenance.
        slots: scheduled slots that had their look.
        avg_ms, p95_ms: None when nothing succeeded.
    """

    succeeded: int
    looked: int
    slots: int
    avg_ms: float | None
    p95_ms: float | None


NO_CHECKS = DayFigures(0, 0, 0, None, None)


class Calendar(dict[int, date]):
    """Days by how many come before them; each is made once, and all services share it."""

    def __init__(self, oldest: date) -> None:
        super().__init__()
        self._oldest = oldest

    def __missing__(self, days: int) -> date:
        self[days] = made = self._oldest + timedelta(days=days)
        return made


def read_days(rows: Iterable[Row], calendar: Calendar) -> dict[UUID, dict[date, DayFigures]]:
    """What was seen, by service and day.

    Args:
        rows: of `load_daily`.
        calendar: from the day on from which theirs are counted.
    """
    found = {}
    for row in rows:
        found[row["service_id"]] = {
            calendar[day]: DayFigures(
                succeeded, looked, slots, avg_ms, percentile_ms(histogram, 0.95, low, high)
            )
            for day, succeeded, looked, slots, avg_ms, low, high, histogram in zip(
                row["days"],
                row["succeeded"],
                row["looked"],
                row["slots"],
                row["avg_ms"],
                row["min_ms"],
                row["max_ms"],
                _histograms(row),
                strict=True,
            )
        }
    return found


def read_slots(rows: Iterable[Row], calendar: Calendar) -> dict[UUID, dict[date, int]]:
    """How many slots were planned, by service and day.

    Args:
        rows: of `load_slots`.
        calendar: from the day on from which theirs are counted.
    """
    return {
        row["service_id"]: {
            calendar[day]: slots for day, slots in zip(row["days"], row["slots"], strict=True)
        }
        for row in rows
    }


def read_points(rows: Iterable[Row]) -> dict[UUID, list[PublicPoint]]:
    """Response times by service, oldest first.

    Args:
        rows: of `load_hourly`.
    """
    found = {}
    for row in rows:
        points = [
            _point(hour, avg_ms, percentiles_ms(histogram, _POINT, low, high), looked)
            for hour, looked, avg_ms, low, high, histogram in zip(
                row["hours"],
                row["looked"],
                row["avg_ms"],
                row["min_ms"],
                row["max_ms"],
                _histograms(row),
                strict=True,
            )
        ]
        points.sort(key=lambda point: point.at)
        found[row["service_id"]] = points
    return found


def _point(
    at: datetime, avg_ms: float | None, percentiles: Sequence[float | None], checks: int
) -> PublicPoint:
    p50_ms, p95_ms, p99_ms = percentiles
    return PublicPoint(at, avg_ms, p50_ms, p95_ms, p99_ms, checks)


def _histograms(row: Row) -> Iterator[Sequence[int]]:
    return zip(*(row[name] for name in _HISTOGRAM), strict=True)
