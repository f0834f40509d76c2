"""Response times as a drawing: a day of hours becomes two lines in a box, and one sentence that
says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from statustui.domain.publicmodels import PublicPoint
from statustui.presenters.page.times import clock

HOURS: Final = 24
WIDTH: Final = 480
HEIGHT: Final = 100
# What the top of the scale may be, in milliseconds: steps that halve into round figures.
_TOPS: Final = (
    2, 4, 10, 20, 40, 60, 100, 200, 300, 400, 600, 800, 1_000, 1_600, 2_000, 3_000, 4_000, 6_000,
    8_000, 10_000, 16_000, 20_000, 30_000, 60_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """What a template needs to draw response times.

    Attributes:
        median: SVG path of the median, broken where nothing answered.
        slow: SVG path of the 95th percentile.
        area: SVG path of what lies between both.
        gaps: SVG path over hours in which checks ran and none was answered, empty when none.
        top, middle: labels of the scale.
        hours: labels below, evenly spread from the left edge to the right one.
        sentence: the same in words.
    """

    median: str
    slow: str
    area: str
    gaps: str
    top: str
    middle: str
    hours: tuple[str, ...]
    sentence: str


def milliseconds(value: float) -> str:
    """ "180 ms", "1.4 s", "0.3 ms"."""
    if value < 10:
        return f"{value:.1f} ms".replace(".0 ", " ")
    if value < 1_000:
        return f"{value:.0f} ms"
    return f"{value / 1_000:.1f} s".replace(".0 ", " ")


def latency_chart(points: Sequence[PublicPoint], now: datetime) -> LatencyChart | None:
    """The last 24 hours of a service.

    Args:
        points: one per hour; hours may be missing.
        now: the present moment; the right edge is the end of its hour.

    Returns:
        None when no hour had an answer.
    """
    right = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    left = right - timedelta(hours=HOURS)
    slots: list[PublicPoint | None] = [None] * HOURS
    for point in points:
        index = int((point.at - left) / timedelta(hours=1))
        if left <= point.at < right:
            slots[index] = point
    answered = [
        (index, slot.p50_ms, slot.p95_ms)
        for index, slot in enumerate(slots)
        if slot is not None and slot.p50_ms is not None and slot.p95_ms is not None
    ]
    if not answered:
        return None
    highest = max(slow for _, _, slow in answered)
    top = next((step for step in _TOPS if step >= highest), _TOPS[-1])
    runs: list[list[tuple[int, float, float]]] = []
    for entry in answered:
        if runs and runs[-1][-1][0] == entry[0] - 1:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    silent = [
        index
        for index, slot in enumerate(slots)
        if slot is not None and slot.checks > 0 and slot.p50_ms is None
    ]
    step = HOURS // 4
    return LatencyChart(
        median="".join(_line([(index, median) for index, median, _ in run], top) for run in runs),
        slow="".join(_line([(index, slow) for index, _, slow in run], top) for run in runs),
        area="".join(_area(run, top) for run in runs),
        gaps="".join(f"M{_x(index) - _HALF} 0h{_STEP}v{HEIGHT}h-{_STEP}z" for index in silent),
        top=milliseconds(top),
        middle=milliseconds(top / 2),
        hours=tuple(clock(left + timedelta(hours=offset)) for offset in range(0, HOURS + 1, step)),
        sentence=_sentence(answered, silent, left),
    )


_STEP: Final = WIDTH // HOURS
_HALF: Final = _STEP // 2


def _x(index: int) -> int:
    return index * _STEP + _HALF


def _y(value: float, top: float) -> int:
    return round(HEIGHT - min(value / top, 1.0) * HEIGHT)


def _path(points: Sequence[tuple[int, int]]) -> str:
    """Through all points, each told by its distance from the one before: short, and much alike, so
    that the charts of hundreds of services stay small on the wire."""
    (x, y), *rest = points
    parts = [f"M{x} {y}"]
    for next_x, next_y in rest:
        parts.append(f"l{next_x - x} {next_y - y}")
        x, y = next_x, next_y
    return "".join(parts)


def _line(points: Sequence[tuple[int, float]], top: float) -> str:
    """One unbroken stretch; a single hour is drawn as wide as the hour is."""
    if len(points) == 1:
        index, value = points[0]
        return f"M{_x(index) - _HALF} {_y(value, top)}h{_STEP}"
    return _path([(_x(index), _y(value, top)) for index, value in points])


def _area(run: Sequence[tuple[int, float, float]], top: float) -> str:
    if len(run) == 1:
        return ""
    there = [(_x(index), _y(slow, top)) for index, _, slow in run]
    back = [(_x(index), _y(median, top)) for index, median, _ in reversed(run)]
    return f"{_path([*there, *back])}z"


def _sentence(
    answered: Sequence[tuple[int, float, float]], silent: Sequence[int], left: datetime
) -> str:
    medians = sorted(median for _, median, _ in answered)
    typical = medians[len(medians) // 2]
    slowest = max(answered, key=lambda entry: entry[2])
    text = (
        f"Half of the answers came within about {milliseconds(typical)}; the slowest hour began "
        f"at {clock(left + timedelta(hours=slowest[0]))} UTC, when one in twenty took longer than "
        f"{milliseconds(slowest[2])}."
    )
    if silent:
        hours = "one hour" if len(silent) == 1 else f"{len(silent)} hours"
        text += f" In {hours} no check was answered."
    return text
