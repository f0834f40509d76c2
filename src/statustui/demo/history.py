"""Makes the past of the demonstration: every check that would have been, and what followed from it.

The checks are drawn first, from what each service usually needs and from the troubles that are told
of. All else is what the domain's own functions make of them: states and their changes by
`verdict.advance`, figures by `rollup.roll_up`, what services were by `service_status.roll_up`. So
bars, percentages, charts and words agree, because they have one source.

Monitors looked every quarter of an hour at first, every three minutes in the last week and every
minute in the last two hours, and again twenty seconds after a first failure; the schedules that are
kept say so too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from statustui.demo.past import PastIncident, PastWindow, Trouble
from statustui.demo.weather import tide, wobble
from statustui.demo.world import DemoMonitor
from statustui.domain import recent, rollup, service_status, verdict
from statustui.domain.monitor import MonitorSpec
from statustui.domain.rollup import RecordedCheck, Rollup
from statustui.domain.scheduling import Timetable, next_slot
from statustui.domain.service_status import MonitorSay, ServiceSay
from statustui.domain.status import (
    ChangeCause,
    CheckStatus,
    ErrorKind,
    MonitorState,
    ServiceStatus,
    worst,
)
from statustui.domain.verdict import CheckResult, Transition, VerdictState

DAYS = 90
RAW = timedelta(days=7)
_RECENT = timedelta(hours=2)
_OLD_SECONDS = 900
_RAW_SECONDS = 180
_RECENT_SECONDS = 60
_RETRY = timedelta(seconds=20)
_LATE = timedelta(milliseconds=2)
_TIMEOUT_MS = 2_000.0
_HOUR = timedelta(hours=1)
_REGION = 1  # there is only one, whatever its key in the database
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# One look in this many fails once, for no reason that is told of.
_BLIP_EVERY = 3_500
_ERROR_MS = {ErrorKind.REFUSED: 0.4, ErrorKind.TIMEOUT: _TIMEOUT_MS}


@dataclass(frozen=True, slots=True)
class Episode:
    """When a trouble was there."""

    start: datetime
    end: datetime
    trouble: Trouble


class Look(NamedTuple):
    """One check of the past: what was recorded of it, and what it amounted to."""

    recorded: RecordedCheck
    result: CheckResult
    status_code: int | None


@dataclass(slots=True)
class MonitorPast:
    """All that is kept of one monitor's past.

    Attributes:
        timetables: when it was to look, with the interval in seconds.
        looks: those of the last week, oldest first.
        hours, days: rollups, oldest first.
        transitions: changes of its state.
        state: what is known of it now.
        strip, strip_until: its last hour.
    """

    timetables: tuple[Timetable, ...]
    looks: list[Look] = field(default_factory=list)
    hours: list[tuple[datetime, Rollup]] = field(default_factory=list)
    days: list[tuple[date, Rollup]] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    state: VerdictState = field(default_factory=VerdictState)
    strip: bytes = recent.EMPTY
    strip_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A service changed."""

    from_status: ServiceStatus
    to_status: ServiceStatus
    cause: ChangeCause
    cause_id: UUID | None
    effective_at: datetime
    recorded_at: datetime


@dataclass(slots=True)
class ServicePast:
    """What a service went through.

    Attributes:
        say: what its monitors say now, and who said it last.
        changes: oldest first; status, since: what it is now.
    """

    say: ServiceSay | None
    said_by: UUID | None
    changes: list[StatusChange]
    status: ServiceStatus
    since: datetime


def beginning(now: datetime) -> datetime:
    """The first moment of the past: a midnight (UTC) ninety days ago."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)


def timetables(monitor: UUID, now: datetime) -> tuple[Timetable, ...]:
    """When a monitor was to look: seldom, more often in the last week, every minute at the end."""
    # A phase within the shortest interval fits all of them.
    phase_ms = monitor.int % (_RECENT_SECONDS * 1000)
    return (
        Timetable(_OLD_SECONDS * 1000, phase_ms, beginning(now), now - RAW),
        Timetable(_RAW_SECONDS * 1000, phase_ms, now - RAW, now - _RECENT),
        Timetable(_RECENT_SECONDS * 1000, phase_ms, now - _RECENT, now),
    )


def episodes(
    incidents: Iterable[PastIncident], windows: Iterable[PastWindow], now: datetime
) -> list[Episode]:
    """Every trouble with its times, oldest first."""
    found = []
    for incident in incidents:
        start = incident.started_at(now)
        end = now + _HOUR
        if incident.lasted_minutes is not None:
            end = start + timedelta(minutes=incident.lasted_minutes)
        found += [Episode(start, end, trouble) for trouble in incident.troubles]
    for window in windows:
        start = window.starts_at(now) + timedelta(minutes=5)
        end = start + timedelta(minutes=window.minutes / 2)
        found += [Episode(start, end, trouble) for trouble in window.troubles]
    return sorted(found, key=lambda episode: episode.start)


def monitor_past(
    monitor: DemoMonitor,
    spec: MonitorSpec,
    number: int,
    slots: tuple[Timetable, ...],
    troubles: Sequence[Episode],
    windows: Sequence[tuple[datetime, datetime]],
) -> MonitorPast:
    """Makes the past of one monitor.

    Args:
        monitor: what it usually sees.
        spec: its thresholds.
        number: tells monitors apart, and their latencies too.
        slots: from `timetables`.
        troubles: what it saw go wrong, oldest first.
        windows: maintenance in which its checks were flagged.
    """
    past = MonitorPast(slots)
    state = VerdictState()
    for timetable in slots:
        keeps_looks = timetable is not slots[0]
        spec_then = replace(spec, interval_seconds=timetable.interval_ms // 1000)
        drawn = _looks(monitor, spec_then, number, timetable, troubles, windows)
        for hour_number, looks in groupby(drawn, _hour_number):
            recorded: list[RecordedCheck] = []
            for look in looks:
                recorded.append(look.recorded)
                if keeps_looks:
                    past.looks.append(look)
                state = _follow(past, state, look, spec_then)
            _add_hour(past, hour_number, recorded)
    past.state = state
    past.days = _days(past.hours)
    for look in past.looks[-2 * recent.MINUTES :]:
        check = look.recorded
        byte = recent.encode(check.status, check.duration_ms, check.in_maintenance)
        past.strip, past.strip_until = recent.add(
            past.strip, past.strip_until, check.checked_at, byte
        )
    return past


def _hour_number(look: Look) -> int:
    return (look.recorded.checked_at - _EPOCH) // _HOUR


def _follow(past: MonitorPast, state: VerdictState, look: Look, spec: MonitorSpec) -> VerdictState:
    status = look.result.status
    if status is CheckStatus.SUCCESS and state.state is MonitorState.UP and not state.imperfect:
        return state  # nothing but counters would change, and those are only read at the end
    after, transitions = verdict.advance(state, look.result, spec, look.recorded.checked_at)
    past.transitions += transitions
    return after


def _add_hour(past: MonitorPast, hour_number: int, recorded: list[RecordedCheck]) -> None:
    hour = _EPOCH + hour_number * _HOUR
    sums = rollup.roll_up(recorded)
    if past.hours and past.hours[-1][0] == hour:
        # The hour in which the interval changed has two parts.
        sums += past.hours.pop()[1]
    past.hours.append((hour, sums))


def _days(hours: Iterable[tuple[datetime, Rollup]]) -> list[tuple[date, Rollup]]:
    grouped = groupby(hours, lambda pair: pair[0].date())
    return [(day, rollup.total(sums for _, sums in pairs)) for day, pairs in grouped]


def _looks(
    monitor: DemoMonitor,
    spec: MonitorSpec,
    key: int,
    timetable: Timetable,
    troubles: Sequence[Episode],
    windows: Sequence[tuple[datetime, datetime]],
) -> Iterator[Look]:
    start, end = timetable.from_at, timetable.to_at
    assert end is not None
    slot = next_slot(timetable, start - timedelta(microseconds=1))
    step = timedelta(milliseconds=timetable.interval_ms)
    waiting = [episode for episode in troubles if episode.end > start]
    number = key * 7_919
    limit_ms = spec.degraded_after_ms
    well = CheckResult(CheckStatus.SUCCESS)
    slow = CheckResult(CheckStatus.DEGRADED)
    status_code = 200 if spec.type == "http" else None
    # Where one failed look is an outage, it would have to be told of.
    may_blip = spec.failure_threshold > 1 and monitor.target not in ("", "api:port")
    was_failing = False
    hour, factor = -1, 1.0
    while slot is not None and slot < end:
        number += 1
        if slot.hour != hour:
            hour = slot.hour
            factor = tide(hour + 0.5) * monitor.usual_ms
        flagged = any(begin <= slot < over for begin, over in windows) if windows else False
        while waiting and waiting[0].end <= slot:
            waiting.pop(0)
        trouble = waiting[0].trouble if waiting and waiting[0].start <= slot else None
        blip = may_blip and number % _BLIP_EVERY == 0
        at = slot + _LATE
        if trouble is None and not blip:
            duration = factor * wobble(number)
            degraded = limit_ms is not None and duration > limit_ms
            result = slow if degraded else well
            yield Look(
                RecordedCheck(key, _REGION, at, slot, result.status, duration, flagged),
                result,
                status_code,
            )
            was_failing = False
        elif trouble is not None and trouble.kind is None:
            duration = monitor.usual_ms * trouble.times_slower * (0.9 + 0.1 * wobble(number))
            yield Look(
                RecordedCheck(key, _REGION, at, slot, CheckStatus.DEGRADED, duration, flagged),
                slow,
                status_code,
            )
            was_failing = False
        else:
            result, duration, code = _failure(trouble, number)
            yield Look(
                RecordedCheck(key, _REGION, at, slot, result.status, duration, flagged),
                result,
                code,
            )
            if not was_failing:
                again = at + _RETRY
                if trouble is None or again >= waiting[0].end:
                    result, duration, code = well, factor * wobble(number + 1), status_code
                if again < end:
                    yield Look(
                        RecordedCheck(
                            key, _REGION, again, slot, result.status, duration, flagged, True
                        ),
                        result,
                        code,
                    )
            was_failing = trouble is not None
        slot += step


def _failure(trouble: Trouble | None, number: int) -> tuple[CheckResult, float, int | None]:
    if trouble is None:
        result = CheckResult(CheckStatus.TIMEOUT, ErrorKind.TIMEOUT, "no answer within 2 s")
        return result, _TIMEOUT_MS, None
    kind = trouble.kind or ErrorKind.PROTOCOL
    is_timeout = kind is ErrorKind.TIMEOUT
    result = CheckResult(
        CheckStatus.TIMEOUT if is_timeout else CheckStatus.FAILURE, kind, trouble.reason
    )
    return result, _ERROR_MS.get(kind, 9.0 * wobble(number)), trouble.status_code


# -- services --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """While an incident asks a service to be no better than this; `until` None: it still does."""

    incident: UUID
    status: ServiceStatus
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Closing:
    """While a maintenance window is under way."""

    window: UUID
    since: datetime
    until: datetime


def service_past(
    begins_at: datetime,
    monitors: Sequence[tuple[UUID, MonitorPast]],
    asked: Sequence[Asking],
    closed: Sequence[Closing],
) -> ServicePast:
    """What a service went through, by the same order of precedence as in daily work.

    Inside a window it is under maintenance unless an incident asks for worse; else it is the worst
    of what its monitors say and incidents ask.

    Args:
        begins_at: since when there is the service.
        monitors: its monitors, by id.
        asked: what incidents asked of it.
        closed: windows that concerned it.
    """
    events: list[tuple[datetime, ChangeCause, UUID | None, tuple[UUID, Transition] | None]] = []
    for monitor, past in monitors:
        events += [
            (transition.decided_at, ChangeCause.MONITOR, monitor, (monitor, transition))
            for transition in past.transitions
        ]
    for asking in asked:
        events.append((asking.since, ChangeCause.INCIDENT, asking.incident, None))
        if asking.until is not None:
            events.append((asking.until, ChangeCause.INCIDENT, asking.incident, None))
    for closing in closed:
        events.append((closing.since, ChangeCause.MAINTENANCE, closing.window, None))
        events.append((closing.until, ChangeCause.MAINTENANCE, closing.window, None))
    events.sort(key=lambda event: event[0])

    says = {monitor: MonitorSay(MonitorState.UNKNOWN, begins_at) for monitor, _ in monitors}
    result = ServicePast(None, None, [], ServiceStatus.OPERATIONAL, begins_at)
    for at, cause, cause_id, moved in events:
        if moved is not None:
            monitor, transition = moved
            says[monitor] = MonitorSay(transition.to_state, transition.effective_at)
            say = service_status.roll_up(says.values(), result.say, at)
            if say is not result.say:
                result.say, result.said_by = say, monitor
        status = _status(at, result.say, asked, closed)
        if status is result.status:
            continue
        effective_at = at
        if cause is ChangeCause.MONITOR and result.say is not None:
            effective_at = result.say.since
        result.changes.append(
            StatusChange(result.status, status, cause, cause_id, effective_at, at)
        )
        result.status, result.since = status, effective_at
    return result


def _status(
    at: datetime, say: ServiceSay | None, asked: Sequence[Asking], closed: Sequence[Closing]
) -> ServiceStatus:
    wanted = [
        asking.status
        for asking in asked
        if asking.since <= at and (asking.until is None or at < asking.until)
    ]
    if any(closing.since <= at < closing.until for closing in closed):
        return worst([ServiceStatus.UNDER_MAINTENANCE, *wanted])
    if say is not None:
        wanted.append(say.status)
    return worst(wanted)
