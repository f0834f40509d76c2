"""When announced work happens: recurring windows, expanded the way people mean them.

A rule is written in local time: "every Sunday at 02:00" stays at 02:00 when the clocks change. So
occurrences expand in the organization's zone, each start is converted to UTC, and only then the
duration is added: adding it in wall time would make a three-hour window four hours long on the
night when the clocks go back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from statustui.domain.errors import ValidationFailed
from statustui.domain.fields import shown
from statustui.domain.text import clean, nearest

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYDAY",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYSETPOS",
)
# Rules are tried on some start while they are read; which one does not matter.
_ANY_WALL_TIME = datetime(2027, 1, 1, 12, tzinfo=UTC).replace(tzinfo=None)
_UNTIL = re.compile(r"UNTIL=(\d{8})(?:T(\d{6})(Z?))?(?=;|$)")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One window, in UTC; its end is the first moment that is not in it."""

    starts_at: datetime
    ends_at: datetime


def read_rule(text: str) -> str:
    """Checks a recurrence rule and gives it back in upper case without "RRULE:".

    Raises:
        ValidationFailed: when it is not a rule of RFC 5545 that recurs daily or less often; more
            often is no window that people announce.
    """
    rule = clean(text).upper().removeprefix("RRULE:").replace(" ", "")
    parts: dict[str, str] = {}
    for piece in rule.split(";"):
        name, equals, value = piece.partition("=")
        if not equals or not value:
            raise ValidationFailed(
                f'{shown(piece)} is not like "FREQ=WEEKLY"; parts are separated by semicolons'
            )
        if name not in _PARTS:
            near = nearest(name, _PARTS)
            hint = f"; did you mean {near}?" if near else f"; known here: {', '.join(_PARTS)}"
            raise ValidationFailed(f"{shown(name)} is no part of a recurrence rule here{hint}")
        if name in parts:
            raise ValidationFailed(f"{name} stands twice in the rule")
        parts[name] = value
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValidationFailed(f"FREQ must be one of {', '.join(_FREQUENCIES)}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValidationFailed("a rule ends by COUNT or by UNTIL, not by both")
    try:
        _expand(rule, _ANY_WALL_TIME, ZoneInfo("UTC"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationFailed(f"not a recurrence rule: {clean(str(error))}") from error
    return rule


def _expand(rule: str, start: datetime, zone: ZoneInfo) -> rrule:
    """The rule in wall time, whose UNTIL is wall time too."""

    def local(found: re.Match[str]) -> str:
        day, time, utc = found[1], found[2], found[3]
        if not time:
            return f"UNTIL={day}T235959"  # a day includes all of it
        if not utc:
            return f"UNTIL={day}T{time}"
        moment = datetime.strptime(f"{day}{time}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return f"UNTIL={moment.astimezone(zone):%Y%m%dT%H%M%S}"

    expanded = rrulestr(_UNTIL.sub(local, rule), dtstart=start)
    if not isinstance(expanded, rrule):
        raise ValueError("more than one rule")
    return expanded


def expand(
    starts_at: datetime,
    ends_at: datetime,
    rule: str | None,
    zone: ZoneInfo,
    *,
    after: datetime,
    exceptions: Collection[datetime] = (),
) -> Iterator[Occurrence]:
    """The occurrences of a window that end after a time, in order.

    Args:
        starts_at, ends_at: the first occurrence, in UTC.
        rule: from `read_rule`; None for a window that happens once.
        zone: where the rule's days and hours are.
        after: occurrences over by then are left out.
        exceptions: starts that do not happen.
    """
    duration = ends_at - starts_at
    if rule is None:
        if ends_at > after and starts_at not in exceptions:
            yield Occurrence(starts_at, ends_at)
        return
    wall = starts_at.astimezone(zone).replace(tzinfo=None)
    # A day's margin: the wall clock at `after` may lie before or behind by the zone's jumps.
    horizon = (after - duration - timedelta(days=1)).astimezone(zone).replace(tzinfo=None)
    for naive in _expand(rule, wall, zone).xafter(horizon, inc=True):
        start = naive.replace(tzinfo=zone).astimezone(UTC)
        if start + duration > after and start not in exceptions:
            yield Occurrence(start, start + duration)


def next_occurrence(
    starts_at: datetime,
    ends_at: datetime,
    rule: str | None,
    zone: ZoneInfo,
    *,
    after: datetime,
    exceptions: Collection[datetime] = (),
) -> Occurrence | None:
    """The first occurrence that *starts* after a time, None when there is no more."""
    found = expand(starts_at, ends_at, rule, zone, after=after, exceptions=exceptions)
    return next((occurrence for occurrence in found if occurrence.starts_at > after), None)
