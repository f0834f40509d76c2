"""How much of what should have been looked at was looked at.

Coverage stands beside every uptime figure: 100 % of two checks says less than 99.9 % of two
thousand. It is slots that had their look over slots that were scheduled. A paused monitor has no
slots, so a pause is no hole; an engine that stood still leaves one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from statustui.domain.scheduling import Timetable, next_slot

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Slots that were scheduled, and slots that had their look."""

    scheduled: int
    looked: int

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.scheduled + other.scheduled, self.looked + other.looked)


def count_slots(timetable: Timetable, start: datetime, end: datetime) -> int:
    """How many slots a timetable has from `start` up to but not including `end`."""
    begin = max(start, timetable.from_at)
    stop = end if timetable.to_at is None else min(end, timetable.to_at)
    if stop <= begin:
        return 0
    open_ended = Timetable(timetable.interval_ms, timetable.phase_ms, timetable.from_at)
    first = next_slot(open_ended, begin - _MICROSECOND)
    if first is None or first >= stop:
        return 0
    return (stop - first - _MICROSECOND) // timedelta(milliseconds=timetable.interval_ms) + 1


def cover(timetables: Iterable[Timetable], looked: int, start: datetime, end: datetime) -> Coverage:
    """Coverage of one monitor over a window.

    Args:
        timetables: all that it had; each edit, pause and resume begins a new one.
        looked: slots in the window that had their look.
        start, end: the window, its end not included.
    """
    return Coverage(sum(count_slots(each, start, end) for each in timetables), looked)
