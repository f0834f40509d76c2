"""Reduces the points of a latency chart to the columns it is drawn in, so that no spike is lost.

A chart that is 100 columns wide and is given 1,440 points draws most of them on top of each other
and takes a hundred times as long. Each column keeps the lowest and the highest of its points, in
the order in which they came: the line through them has the same outline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from statustui.domain.readmodels import LatencyPoint
from statustui.presenters import clock

RANGES: tuple[tuple[str, int], ...] = (
    ("1 h", 1),
    ("24 h", 24),
    ("7 d", 7 * 24),
    ("30 d", 30 * 24),
    ("90 d", 90 * 24),
)
"""What a chart can show: its name, and how many hours."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the chart.

    Attributes:
        name: "p95".
        pieces: stretches without a gap, each as (hours since the start, milliseconds) pairs; the
            line stops where nothing succeeded.
    """

    name: str
    pieces: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        start, end: the ends of the time axis.
        series: p50, p95, p99.
        failures: hours since the start at which a bucket had failures, at most one a column.
        highest_ms: the highest figure of all, None without any.
    """

    start: datetime
    end: datetime
    series: tuple[Series, ...]
    failures: tuple[float, ...]
    highest_ms: float | None


@dataclass(frozen=True, slots=True)
class ChartWords:
    """The chart in words, for its title and for those who cannot see it.

    Attributes:
        latest: the figures of the newest bucket that has had its time: one that has just begun
            holds a look or two, and its percentiles jump; highest: the worst p95 and when it was.
        checks, failures: over the whole range.
    """

    latest: LatencyPoint | None
    highest: LatencyPoint | None
    checks: int
    failures: int


def chart(points: Sequence[LatencyPoint], end: datetime, hours: int, columns: int) -> Chart:
    """Make the lines of a chart.

    Args:
        points: oldest first.
        end: the right edge; hours: how far it reaches back.
        columns: width of the drawing area, at least 1.
    """
    start = end - timedelta(hours=hours)
    shown = [point for point in points if start <= point.at <= end]
    bucket = _usual_distance(shown)
    lines: tuple[tuple[str, Callable[[LatencyPoint], float | None]], ...] = (
        ("p50", lambda point: point.p50_ms),
        ("p95", lambda point: point.p95_ms),
        ("p99", lambda point: point.p99_ms),
    )
    series = tuple(
        Series(name, _pieces(shown, read, start, hours, columns, bucket)) for name, read in lines
    )
    highest = max(
        (value for line in series for piece in line.pieces for _, value in piece), default=None
    )
    return Chart(start, end, series, _failures(shown, start, hours, columns), highest)


def words(points: Sequence[LatencyPoint]) -> ChartWords:
    """Sum a range up.

    Args:
        points: oldest first.
    """
    answered = [point for point in points if point.p95_ms is not None]
    highest = max(answered, key=lambda point: point.p95_ms or 0.0, default=None)
    return ChartWords(
        _settled(answered),
        highest,
        sum(point.checks for point in points),
        sum(point.failures for point in points),
    )


def _settled(answered: Sequence[LatencyPoint]) -> LatencyPoint | None:
    usual = sorted(point.checks for point in answered)[len(answered) // 2] if answered else 0
    return next((point for point in reversed(answered) if 2 * point.checks >= usual), None)


def thin(values: Sequence[tuple[float, float]], columns: int) -> tuple[tuple[float, float], ...]:
    """Keep at most two points a column: the lowest and the highest, in their order.

    Args:
        values: (position, value), positions rising within 0 ≤ position ≤ 1.
        columns: at least 1.
    """
    if len(values) <= 2 * columns:
        return tuple(values)
    kept: list[tuple[float, float]] = []
    column: list[tuple[float, float]] = []
    number = 0
    for position, value in values:
        here = min(columns - 1, int(position * columns))
        if here != number and column:
            kept.extend(_ends(column))
            column = []
        number = here
        column.append((position, value))
    kept.extend(_ends(column))
    return tuple(kept)


def _ends(column: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    lowest = min(column, key=lambda point: point[1])
    highest = max(column, key=lambda point: point[1])
    return sorted({lowest, highest})


def _pieces(
    points: Sequence[LatencyPoint],
    read: Callable[[LatencyPoint], float | None],
    start: datetime,
    hours: int,
    columns: int,
    bucket: timedelta,
) -> tuple[tuple[tuple[float, float], ...], ...]:
    pieces: list[tuple[tuple[float, float], ...]] = []
    piece: list[tuple[float, float]] = []
    last: datetime | None = None
    for point in points:
        value = read(point)
        # A missing bucket is a gap like an empty one: nobody looked, so nothing is drawn.
        if piece and (value is None or (last is not None and point.at - last > 2 * bucket)):
            pieces.append(_scaled(piece, hours, columns))
            piece = []
        if value is not None:
            piece.append(((point.at - start) / timedelta(hours=hours), value))
            last = point.at
    if piece:
        pieces.append(_scaled(piece, hours, columns))
    return tuple(pieces)


def _scaled(
    piece: Sequence[tuple[float, float]], hours: int, columns: int
) -> tuple[tuple[float, float], ...]:
    return tuple((position * hours, value) for position, value in thin(piece, columns))


def _failures(
    points: Sequence[LatencyPoint], start: datetime, hours: int, columns: int
) -> tuple[float, ...]:
    by_column: dict[int, float] = {}
    for point in points:
        if point.failures:
            position = (point.at - start) / timedelta(hours=hours)
            by_column.setdefault(min(columns - 1, int(position * columns)), position * hours)
    return tuple(by_column.values())


def _usual_distance(points: Sequence[LatencyPoint]) -> timedelta:
    distances = [after.at - before.at for before, after in pairwise(points)]
    return sorted(distances)[len(distances) // 2] if distances else timedelta(hours=1)


def value_ticks(highest_ms: float, most: int) -> tuple[float, ...]:
    """Round values for the axis, from 0 to at least the highest.

    Args:
        highest_ms: the highest figure drawn; most: how many ticks at most, at least 2.
    """
    steps = [base * 10.0**power for power in range(-1, 6) for base in (1, 2, 5)]
    step = next((each for each in steps if highest_ms / each <= max(1, most - 1)), steps[-1])
    ticks = [0.0]
    while ticks[-1] < highest_ms:
        ticks.append(ticks[-1] + step)
    return tuple(ticks)


def time_ticks(chart_: Chart, zone: tzinfo, most: int) -> tuple[tuple[float, str], ...]:
    """Where the time axis is labelled: hours since the start, and the clock or the day.

    Args:
        chart_: whose axis; zone: of the labels; most: how many at most, at least 2.
    """
    hours = (chart_.end - chart_.start) / timedelta(hours=1)
    count = max(2, min(most, 7))
    ticks: list[tuple[float, str]] = []
    for number in range(count):
        ahead = hours * number / (count - 1)
        at = (chart_.start + timedelta(hours=ahead)).astimezone(zone)
        text = at.strftime("%H:%M") if hours <= 24 else clock.short_day(at.date())
        ticks.append((ahead, text))
    return tuple(ticks)
