"""What a calendar makes of a rule, we make of it too: in odd zones, over every change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st

from statustui.domain.maintenance import expand, read_rule

# Half an hour of daylight saving, quarters of an hour, daylight saving in winter, both halves of
# the world, none at all.
_ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/Asuncion",
    "UTC",
]
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SPAN = timedelta(days=500)


@st.composite
def _rules(draw: st.DrawFn, wall: datetime) -> str:
    """A rule that its own start fulfils, as RFC 5545 wants it."""
    parts = [f"INTERVAL={draw(st.integers(1, 3))}"]
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    day = _DAYS[wall.weekday()]
    if frequency == "WEEKLY" and draw(st.booleans()):
        days = draw(st.sets(st.sampled_from(_DAYS), max_size=3)) | {day}
        parts.append(f"BYDAY={','.join(sorted(days, key=_DAYS.index))}")
    if frequency == "MONTHLY" and draw(st.booleans()):
        parts.append(
            draw(
                st.sampled_from([f"BYDAY={(wall.day - 1) // 7 + 1}{day}", f"BYMONTHDAY={wall.day}"])
            )
        )
    end = draw(st.sampled_from(["", "COUNT", "UNTIL"]))
    if end == "COUNT":
        parts.append(f"COUNT={draw(st.integers(1, 20))}")
    if end == "UNTIL":
        until = wall + timedelta(days=draw(st.integers(0, 400)), hours=30)
        parts.append(f"UNTIL={until:%Y%m%dT%H%M%S}Z")
    return read_rule(f"FREQ={frequency};" + ";".join(parts))


@st.composite
def _series(draw: st.DrawFn) -> tuple[datetime, timedelta, str, ZoneInfo, list[int]]:
    zone = ZoneInfo(draw(st.sampled_from(_ZONES)))
    # Nights, in which the clocks change, of the years around now.
    wall = datetime(2026, 1, 1, tzinfo=zone) + timedelta(
        days=draw(st.integers(0, 700)),
        hours=draw(st.integers(0, 4)),
        minutes=draw(st.sampled_from([0, 15, 30, 45])),
    )
    # A start that does not exist, or exists twice, is written with an offset; take the first.
    start = wall.astimezone(UTC).astimezone(zone).replace(fold=0)
    length = timedelta(minutes=draw(st.integers(1, 600)))
    return start, length, draw(_rules(start)), zone, draw(st.lists(st.integers(0, 30), max_size=4))


@given(_series())
@settings(max_examples=60, deadline=None)
def test_a_calendar_finds_the_same_occurrences(
    series: tuple[datetime, timedelta, str, ZoneInfo, list[int]],
) -> None:
    start, length, rule, zone, left_out = series
    begin = start.astimezone(UTC)
    until = begin + _SPAN

    def ours(exceptions: set[datetime]) -> list[datetime]:
        found = expand(begin, begin + length, rule, zone, after=begin, exceptions=exceptions)
        before = takewhile(lambda each: each.starts_at < until, found)
        return [each.starts_at for each in before]

    everything = ours(set())
    exceptions = {everything[place] for place in left_out if place < len(everything)}
    event = icalendar.Event()
    event.add("UID", "1")
    event.add("DTSTART", start)
    event.add("DURATION", length)
    event.add("RRULE", icalendar.vRecur.from_ical(rule))
    for exception in exceptions:
        event.add("EXDATE", exception.astimezone(zone))
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    theirs = recurring_ical_events.of(calendar).between(begin, until)
    starts = sorted(each["DTSTART"].dt.astimezone(UTC) for each in theirs)
    assert ours(exceptions) == [each for each in starts if begin <= each < until]
