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
# How far apart two occurrences may lie, in steps of each frequency: ten years.
_REACH = {"DAILY": 3_660, "WEEKLY": 523, "MONTHLY": 120, "YEARLY": 10}
_LONGEST = 6  # times that; no series goes on for more than sixty years
_MOST_POSITIONS = 12  # each is looked up in every step
_UNTIL = re.compile(r"UNTIL=(\d{8})(?:T(\d{6})(Z?))?(?=;|$)")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One window, in UTC; its end is the first moment that is not in it."""

    starts_at: datetime
    ends_at: datetime


class _OutOfReach(Exception):
    """A rule has found nothing for as long as it may search."""


class _Interval(int):
    """An interval that stops whoever adds it too often.

    dateutil looks at UNTIL only when it has found something, so a rule that never matches is
    searched until the year 9999. It adds the interval once for each step, and nothing else is
    called as often.
    """

    idle: int
    most_idle: int
    steps: int
    most_steps: int

    @classmethod
    def bounded(cls, value: int, reach: int) -> _Interval:
        made = cls(value)
        made.idle = made.steps = 0
        made.most_idle = max(12, reach // value)
        made.most_steps = _LONGEST * made.most_idle
        return made

    def _step(self) -> None:
        self.idle += 1
        self.steps += 1
        if self.idle > self.most_idle or self.steps > self.most_steps:
            raise _OutOfReach

    def __radd__(self, other: int) -> int:
        self._step()
        return other + int(self)

    def __mul__(self, other: int) -> int:
        # Weeks are added as days.
        self._step()
        return int(self) * other


def read_rule(text: str) -> str:
    """Checks a recurrence rule and gives it back in upper case without "RRULE:".

    Raises:
        ValidationFailed: when it is not a rule of RFC 5545 that recurs daily or less often; more
            often is no window that people announce. And when it finds no day within ten years,
            whatever day it is counted from.
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
    if parts.get("BYSETPOS", "").count(",") >= _MOST_POSITIONS:
        raise ValidationFailed(f"BYSETPOS names more than {_MOST_POSITIONS} positions")
    try:
        expanded = _expand(rule, _ANY_WALL_TIME, ZoneInfo("UTC"))
        interval = int(parts.get("INTERVAL", "1"))
        reach = _REACH[parts["FREQ"]]
        if not 1 <= interval <= reach:
            raise ValidationFailed(f"INTERVAL must be from 1 to {reach} with FREQ={parts['FREQ']}")
        # Which of the periods count depends on the start, and when it ends says nothing here.
        every = expanded.replace(interval=1, count=None, until=None)
        if next(_search(every, 1, reach), None) is None:
            raise ValidationFailed("there is no such day in ten years")
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
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


def _search(rule: rrule, interval: int, reach: int) -> Iterator[datetime]:
    """What a rule finds, in wall time, until it finds nothing for too long."""
    bounded = _Interval.bounded(interval, reach)
    try:
        for naive in rule.replace(interval=bounded):
            bounded.idle = 0
            yield naive
    except _OutOfReach:
        return


def _starts(text: str, wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    rule = read_rule(text)  # the database takes any line
    parts = dict(piece.split("=", 1) for piece in rule.split(";"))
    expanded = _expand(rule, wall, zone)
    return _search(expanded, int(parts.get("INTERVAL", "1")), _REACH[parts["FREQ"]])


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

    They end where nothing follows within ten years, and sixty years after the first: what one
    organization writes must not hold up the watch of all. With long intervals it is twelve steps
    instead of ten years, and seventy-two instead of sixty.

    Args:
        starts_at, ends_at: the first occurrence, in UTC.
        rule: from `read_rule`; None for a window that happens once.
        zone: where the rule's days and hours are.
        after: occurrences over by then are left out.
        exceptions: starts that do not happen.

    Raises:
        ValidationFailed: when the first occurrence is asked for and the rule cannot be read.
    """
    duration = ends_at - starts_at
    if rule is None:
        if ends_at > after and starts_at not in exceptions:
            yield Occurrence(starts_at, ends_at)
        return
    wall = starts_at.astimezone(zone).replace(tzinfo=None)
    # A day's margin: the wall clock at `after` may lie before or behind by the zone's jumps.
    horizon = (after - duration - timedelta(days=1)).astimezone(zone).replace(tzinfo=None)
    for naive in _starts(rule, wall, zone):
        if naive < horizon:
            continue
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


def next_in_series(
    first_starts_at: datetime,
    newest: Occurrence,
    rule: str,
    zone: ZoneInfo,
    *,
    after: datetime,
    exceptions: Collection[datetime] = (),
) -> Occurrence | None:
    """The occurrence that follows the newest one of a series, None when the series is over.

    It is counted from the first: counted from the newest, COUNT would never be reached, and a start
    that daylight saving moved once would stay moved. Where a person moved the newest one to a time
    that the rule does not give, the series begins anew with it, its COUNT too. An occurrence is as
    long as the newest one.

    Args:
        first_starts_at: the first start under this rule, in UTC.
        newest: what was written last.
        rule: from `read_rule`.
        zone: where the rule's days and hours are.
        after: what starts by then is left out.
        exceptions: starts that do not happen.

    Raises:
        ValidationFailed: when the rule cannot be read.
    """
    duration = newest.ends_at - newest.starts_at

    def following(
        start: datetime, since: datetime, left_out: Collection[datetime]
    ) -> Occurrence | None:
        return next_occurrence(
            start, start + duration, rule, zone, after=since, exceptions=left_out
        )

    begin = first_starts_at
    if begin != newest.starts_at:
        expected = following(begin, newest.starts_at - timedelta(microseconds=1), ())
        if expected is None or expected.starts_at != newest.starts_at:
            begin = newest.starts_at
    return following(begin, max(after, newest.starts_at), exceptions)
