"""Times as the public page writes them: the clock first, in UTC, and how long ago in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_LONG_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def machine(at: datetime) -> str:
    """For the `datetime` attribute: "2026-11-19T14:07:00Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: datetime) -> str:
    """ "14:07", in UTC."""
    return at.astimezone(UTC).strftime("%H:%M")


def day(on: date, today: date) -> str:
    """ "19 Nov", with the year once that is another one than `today`'s."""
    text = f"{on.day} {_MONTHS[on.month - 1]}"
    return text if on.year == today.year else f"{text} {on.year}"


def days(first: date, last: date, today: date) -> str:
    """ "13 – 17 Nov", "28 Oct – 3 Nov", or one day."""
    if first == last:
        return day(first, today)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} – {day(last, today)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} – {day(last, today)}"
    return f"{first.day} {_MONTHS[first.month - 1]} {first.year} – {day(last, today)}"


def month(year: int, number: int) -> str:
    """ "November 2026"."""
    return f"{_LONG_MONTHS[number - 1]} {year}"


def moment(at: datetime, now: datetime) -> str:
    """ "14:07 UTC" today, "18 Nov, 14:07 UTC" before."""
    moved, today = at.astimezone(UTC), now.astimezone(UTC).date()
    if moved.date() == today:
        return f"{clock(at)} UTC"
    return f"{day(moved.date(), today)}, {clock(at)} UTC"


def short_moment(at: datetime, now: datetime) -> str:
    """ "14:07" today, "18 Nov" before: where there is little room."""
    moved, today = at.astimezone(UTC), now.astimezone(UTC).date()
    return clock(at) if moved.date() == today else day(moved.date(), today)


def weekday_moment(at: datetime, now: datetime) -> str:
    """ "Sun 22 Nov, 02:00": for what is announced."""
    moved = at.astimezone(UTC)
    today = now.astimezone(UTC).date()
    return f"{_WEEKDAYS[moved.weekday()]} {day(moved.date(), today)}, {clock(at)}"


def full(at: datetime) -> str:
    """ "19 Nov 2026, 14:52 UTC"."""
    moved = at.astimezone(UTC)
    return f"{moved.day} {_MONTHS[moved.month - 1]} {moved.year}, {clock(at)} UTC"


def span(length: timedelta) -> str:
    """How long: "less than a minute", "45 min", "1 h 12 min", "3 h", "2 days 5 h", "40 days"."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    whole, hours = divmod(hours, 24)
    text = "1 day" if whole == 1 else f"{whole} days"
    return f"{text} {hours} h" if hours and whole < 7 else text


def ago(at: datetime, now: datetime) -> str:
    """ "6 min ago", or "just now" within the first minute."""
    length = now - at
    return "just now" if length < timedelta(minutes=1) else f"{span(length)} ago"


def until(at: datetime, now: datetime) -> str:
    """ "in 23 min", "in less than a minute", or how long it is overdue."""
    if at > now:
        # A promise for 15:15 is 23 minutes away from 14:52:01 on for who reads the clock.
        return f"in {span(at - now + timedelta(seconds=59))}"
    return f"{span(now - at)} overdue" if now - at >= timedelta(minutes=1) else "due now"
