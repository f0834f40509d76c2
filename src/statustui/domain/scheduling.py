"""When a monitor looks: slots at a stable phase, extra looks between them, and no bursts.

The slots of a monitor are the instants t, in milliseconds since 1970, with t mod interval = phase.
The phase comes from the monitor's identity, so ten thousand monitors with one interval spread over
it, and a restarted engine finds the same slots again. Nothing is counted forward from a last run:
after a suspended laptop wakes, the next slot is simply the next one, and those in between are holes
in the coverage instead of a burst.

Between slots there are extra looks: the retry after a first failure, a first look at a monitor
that is new, one that somebody asked for. They belong to the slot before them and count as checks,
not as slots.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# A new monitor's first look comes within this time, at a moment that its phase decides: soon enough
# for whoever added it, spread enough when a file adds thousands.
FIRST_LOOK_WITHIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Timetable:
    """The slots of one monitor in one region.

    Attributes:
        interval_ms: between two slots.
        phase_ms: 0 up to interval_ms.
        from_at: no slot before this (the monitor was made, edited or resumed then).
        to_at: no slot at or after this; None for no end.
        has_begun: whether `from_at` is past on the clock that it was written by; another clock
            may be behind that.
    """

    interval_ms: int
    phase_ms: int
    from_at: datetime
    to_at: datetime | None = None
    has_begun: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The next look of a monitor.

    Attributes:
        at: when it is due.
        slot_at: the slot that it belongs to.
        is_extra: whether it is a look between slots.
    """

    at: datetime
    slot_at: datetime
    is_extra: bool = False


def stable_phase_ms(monitor_id: str, region: str, interval_seconds: int) -> int:
    """The phase of a monitor, as the database draws it too: from a hash of its id and the region.

    Args:
        monitor_id: its UUID in lower case with hyphens.
        region: the region's name.
        interval_seconds: between two slots.
    """
    digest = hashlib.md5(f"{monitor_id}:{region}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:12], 16) % (interval_seconds * 1000)


def next_slot(timetable: Timetable, after: datetime) -> datetime | None:
    """The first slot later than a time, None when the timetable has ended by then."""
    start = _begun(timetable, after + timedelta(microseconds=1))
    # Rounded up to whole milliseconds, which is what slots stand on.
    start_ms = -((_EPOCH - start) // _MILLISECOND)
    steps = -((timetable.phase_ms - start_ms) // timetable.interval_ms)
    slot = _EPOCH + (timetable.phase_ms + steps * timetable.interval_ms) * _MILLISECOND
    if timetable.to_at is not None and slot >= timetable.to_at:
        return None
    return slot


def _begun(timetable: Timetable, at: datetime) -> datetime:
    return at if timetable.has_begun else max(at, timetable.from_at)


def slot_before(timetable: Timetable, at: datetime) -> datetime:
    """The last slot at or before a time, whether or not the timetable had begun by then."""
    now_ms = (at - _EPOCH) // _MILLISECOND
    steps = (now_ms - timetable.phase_ms) // timetable.interval_ms
    return _EPOCH + (timetable.phase_ms + steps * timetable.interval_ms) * _MILLISECOND


def next_due(
    timetable: Timetable, now: datetime, *, retry_seconds: int | None = None
) -> Due | None:
    """The next look after one that has just ended.

    Args:
        timetable: the monitor's slots.
        now: when the last look ended; slots that passed meanwhile are skipped.
        retry_seconds: set when the last look asks for a retry.

    Returns:
        The retry when it comes before the next slot, else the next slot.
    """
    slot = next_slot(timetable, now)
    if retry_seconds is not None:
        retry_at = now + timedelta(seconds=retry_seconds)
        if slot is None or retry_at < slot:
            return Due(retry_at, slot_before(timetable, retry_at), is_extra=True)
    return None if slot is None else Due(slot, slot)


def first_due(timetable: Timetable, now: datetime) -> Due | None:
    """The first look at a monitor that was never looked at: soon, or at its slot if sooner."""
    spread = timetable.phase_ms / timetable.interval_ms * FIRST_LOOK_WITHIN_SECONDS
    begin = _begun(timetable, now)
    soon = begin + timedelta(seconds=spread)
    slot = next_slot(timetable, begin - timedelta(microseconds=1))
    if slot is not None and slot <= soon:
        return Due(slot, slot)
    if timetable.to_at is not None and soon >= timetable.to_at:
        return None
    return Due(soon, slot_before(timetable, soon), is_extra=True)


def extra_due(timetable: Timetable, now: datetime) -> Due:
    """A look at once, because somebody asked for it."""
    return Due(now, slot_before(timetable, now), is_extra=True)
