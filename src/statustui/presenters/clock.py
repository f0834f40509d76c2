"""Writes moments and spans as the screens of an incident do: clock times first, in one zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def iso(at: datetime | None) -> str | None:
    """ "2026-11-19T14:07:00Z", as programs read a time: UTC, microseconds where there are any."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def zone_name(at: datetime, zone: tzinfo) -> str:
    """The name of a zone at a moment: "Z" for UTC, "CET", "+05:30"."""
    if zone is UTC:
        return "Z"
    name = at.astimezone(zone).tzname() or ""
    return "Z" if name in ("UTC", "") else name


def clock(at: datetime, zone: tzinfo) -> str:
    """ "03:41"."""
    return at.astimezone(zone).strftime("%H:%M")


def clock_seconds(at: datetime, zone: tzinfo) -> str:
    """ "03:41:07"."""
    return at.astimezone(zone).strftime("%H:%M:%S")


def clock_named(at: datetime, zone: tzinfo) -> str:
    """ "03:41Z", "04:41 CET"."""
    name = zone_name(at, zone)
    return f"{clock(at, zone)}{'' if name == 'Z' else ' '}{name}"


def day(on: date, today: date) -> str:
    """ "Sat 21 Nov", with the year when it is another one than `today`'s."""
    text = f"{_DAYS[on.weekday()]} {on.day} {_MONTHS[on.month - 1]}"
    return text if on.year == today.year else f"{text} {on.year}"


def short_day(on: date) -> str:
    """ "21 Nov"."""
    return f"{on.day} {_MONTHS[on.month - 1]}"


def month(on: date) -> str:
    """ "November 2026"."""
    return f"{_LONG_MONTHS[on.month - 1]} {on.year}"


def moment(at: datetime, now: datetime, zone: tzinfo) -> str:
    """The clock today ("03:41"), with the day otherwise ("20 Nov 03:41")."""
    there, today = at.astimezone(zone), now.astimezone(zone).date()
    if there.date() == today:
        return clock(at, zone)
    year = "" if there.year == today.year else f" {there.year}"
    return f"{there.day} {_MONTHS[there.month - 1]}{year} {clock(at, zone)}"


def span(length: timedelta) -> str:
    """How long, in one or two units: "42 s", "8 min", "1 h 12 min", "3 d 4 h"."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def age(length: timedelta) -> str:
    """How long, in at most four characters: "42s", "8m", "3h", "12d"."""
    seconds = max(0, int(length.total_seconds()))
    for size, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def until(at: datetime, now: datetime) -> str:
    """ "in 30 min", "now", or "12 min overdue"."""
    if at - now >= timedelta(seconds=1):
        # A promise for 15:15 is half an hour away from 14:45:01 on for who reads the clock.
        ahead = at - now
        if ahead > timedelta(minutes=1):
            ahead += timedelta(seconds=59)
        return f"in {span(ahead)}"
    late = now - at
    return "now" if late < timedelta(minutes=1) else f"{span(late)} overdue"
