"""The last hour and the last thirty days of a service as rows of single cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from statustui import palette
from statustui.domain import recent
from statustui.domain.readmodels import DayCell
from statustui.domain.status import CheckStatus, ServiceStatus
from statustui.presenters.line import Line, Part

_DEFAULT_LIMIT_MS = 1_000
# How high a cell stands, by how the slowest look compares with what is allowed: the fifth height
# is the first above the limit.
_STEPS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.5)
_ABOVE_LIMIT = 4


def hour(
    strip: bytes,
    until: datetime | None,
    at: datetime,
    cells: int,
    *,
    hue: str,
    limit_ms: int | None = None,
) -> Line:
    """The last hour: a height for latency, `x` failed, `?` nobody could look, `░` maintenance.

    Each cell stands for a fixed stretch of the clock (five minutes in twelve cells), so that it
    does not change any more once that is over.

    Args:
        strip, until: one byte a minute, and the minute after its last (see `domain.recent`).
        at: the present moment.
        cells: how many cells, a divisor of 60.
        hue: the colour's name of the row's present state, for failures.
        limit_ms: the configured limit, above which a cell is painted stronger.

    Returns:
        A line of exactly `cells` columns; a space where nothing was looked at.
    """
    minutes = recent.MINUTES // cells
    first = recent.minute_of(at)
    end = first + timedelta(minutes=minutes - first.minute % minutes)
    return _hour(strip, until, end, cells, hue, limit_ms or _DEFAULT_LIMIT_MS)


@lru_cache(maxsize=4096)
def _hour(
    strip: bytes, until: datetime | None, end: datetime, cells: int, hue: str, limit_ms: int
) -> Line:
    # Drawn again and again while a list moves under the cursor, and always the same for minutes.
    minutes = recent.MINUTES // cells
    moved = recent.move(strip, until, end)
    parts: list[Part] = []
    for cell in range(cells):
        byte = 0
        for each in moved[cell * minutes : (cell + 1) * minutes]:
            byte = recent.merge(byte, each)
        parts.append(_cell(recent.decode(byte), hue, limit_ms))
    return join(parts)


def _cell(minute: recent.Minute, hue: str, limit_ms: int) -> Part:
    if minute.status is None:
        return " ", "faint"
    if minute.in_maintenance:
        return palette.MAINTENANCE_CELL, "maint"
    match minute.status:
        case CheckStatus.FAILURE | CheckStatus.TIMEOUT:
            return palette.FAILURE_CELL, f"{hue} b"
        case CheckStatus.UNKNOWN:
            return palette.UNKNOWN_CELL, "unknown"
        case CheckStatus.SUCCESS | CheckStatus.DEGRADED:
            pass
    took = minute.limit_ms or 0.0
    height = sum(took > limit_ms * step for step in _STEPS)
    if minute.status is CheckStatus.DEGRADED:
        height = max(height, _ABOVE_LIMIT)
    elif height >= _ABOVE_LIMIT:
        # A bucket's bound may lie above the limit while what was measured did not.
        height = _ABOVE_LIMIT - 1
    return palette.HEIGHTS[height], "muted" if height >= _ABOVE_LIMIT else "faint"


def days(cells: Sequence[DayCell], width: int = 30) -> Line:
    """The last days: `∙` nothing happened, `▴` degraded, `x` outage, `░` maintenance, `?` no data.

    Args:
        cells: oldest first; what is missing at the front is a space.
        width: how many columns.
    """
    shown = list(cells)[-width:]
    parts: list[Part] = [(" ", "faint")] * (width - len(shown))
    return join([*parts, *(_day(cell) for cell in shown)])


def _day(cell: DayCell) -> Part:
    match cell.worst_status:
        case ServiceStatus.MAJOR_OUTAGE | ServiceStatus.PARTIAL_OUTAGE:
            # Red is for what is broken now: an old outage is only strong.
            return palette.FAILURE_CELL, "strong b"
        case ServiceStatus.DEGRADED_PERFORMANCE:
            return palette.DEGRADED.glyph, "muted"
        case ServiceStatus.UNDER_MAINTENANCE:
            return palette.MAINTENANCE_CELL, "maint"
        case _:
            pass
    if cell.looked == 0:
        return palette.UNKNOWN_CELL, "faint"
    return palette.UP.glyph, "faint"


def join(parts: Sequence[Part]) -> Line:
    """Neighbours of one style become one piece."""
    joined: list[Part] = []
    for text, key in parts:
        if joined and joined[-1][1] == key:
            joined[-1] = (joined[-1][0] + text, key)
        else:
            joined.append((text, key))
    return tuple(joined)
