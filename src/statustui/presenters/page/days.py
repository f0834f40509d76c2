"""The 90 days of a service: one bar a day, and the same days as a list in which equal neighbours
are merged, so that every day can be read without a mouse and without 90 stops of the Tab key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from statustui.domain.publicmodels import PublicDay, PublicIncident, PublicService
from statustui.domain.status import ServiceStatus
from statustui.presenters.page.times import day as day_text
from statustui.presenters.page.times import days as days_text
from statustui.presenters.page.times import span
from statustui.presenters.percent import percent

WINDOW_DAYS: Final = 90
# Below this share of the planned looks a bar is drawn pale: it says less than the others do.
PALE_BELOW_PERCENT: Final = 90


@dataclass(frozen=True, slots=True)
class DayBar:
    """One day as it is drawn.

    Attributes:
        on: the day, in UTC.
        status: the worst public status of the day, None when nobody looked.
        pale: whether too few of the planned looks happened.
        title: date, uptime, coverage and incidents in one line.
    """

    on: date
    status: ServiceStatus | None
    pale: bool
    title: str


@dataclass(frozen=True, slots=True)
class DayRun:
    """One or more neighbouring days that say the same.

    Attributes:
        first, last: the days it covers, the same for one.
        when: "2 Oct", "3 Oct – 11 Nov".
        status: the worst status, None without looks; operational draws no sign.
        text: uptime, coverage and what happened.
    """

    first: date
    last: date
    when: str
    status: ServiceStatus | None
    text: str


@dataclass(frozen=True, slots=True)
class DayFigures:
    """Uptime and coverage over some days, as texts.

    Attributes:
        uptime: rounded down, or "no data".
        coverage: rounded down, None when nothing was scheduled.
        window: "over 37 days" when the service is younger than the window, else empty.
        succeeded, looked: the counts behind `uptime`.
        slots_looked, slots_scheduled: the counts behind `coverage`.
    """

    uptime: str
    coverage: str | None
    window: str
    succeeded: int
    looked: int
    slots_looked: int
    slots_scheduled: int


@dataclass(frozen=True, slots=True)
class DayStrip:
    """All about one service's days.

    Attributes:
        bars: oldest first, one per day of the window.
        runs: newest first.
        figures: over the window.
        summary: one sentence that counts the days, for who cannot see bars.
    """

    bars: tuple[DayBar, ...]
    runs: tuple[DayRun, ...]
    figures: DayFigures
    summary: str


def day_strip(
    service: PublicService, incidents: Mapping[str, PublicIncident], now: datetime
) -> DayStrip:
    """The days of a service, ending today.

    Args:
        service: with its days in any number and order; days that are missing had no looks.
        incidents: the page's incidents by code, for their titles.
        now: the present moment.
    """
    today = now.astimezone(UTC).date()
    window = [today - timedelta(days=back) for back in range(WINDOW_DAYS - 1, -1, -1)]
    by_day = {entry.day: entry for entry in service.days}
    seen = []
    for on in window:
        entry = by_day.get(on)
        status = _status(entry)
        if on == today and service.status is not ServiceStatus.OPERATIONAL:
            # The day is not over: what is said now belongs to it, whatever was written so far.
            status = max(status or service.status, service.status, key=_severity)
        seen.append((on, status, _text(entry, status, incidents, now), _pale(entry)))
    bars = tuple(
        DayBar(on, status, pale, f"{day_text(on, today)}: {text}")
        for on, status, text, pale in seen
    )
    return DayStrip(
        bars=bars,
        runs=_runs([(on, status, text) for on, status, text, _ in reversed(seen)], today),
        figures=figures(
            (entry for entry in service.days if window[0] <= entry.day <= today),
            age_days=min((today - service.created_at.astimezone(UTC).date()).days + 1, WINDOW_DAYS),
        ),
        summary=_summary(bars),
    )


def figures(days: Iterable[PublicDay], *, age_days: int = WINDOW_DAYS) -> DayFigures:
    """Uptime and coverage over some days together.

    Args:
        days: the days to add up.
        age_days: how many days the service could have been watched within the window.
    """
    succeeded = looked = slots_looked = slots_scheduled = 0
    counted = []
    for entry in days:
        succeeded += entry.succeeded
        looked += entry.looked
        slots_looked += entry.slots_looked
        slots_scheduled += entry.slots_scheduled
        if entry.checks or entry.slots_scheduled:
            counted.append(entry.day)
    width = max(age_days, (max(counted) - min(counted)).days + 1 if counted else 0)
    plural = "" if width == 1 else "s"
    return DayFigures(
        uptime=percent(succeeded, looked) or "no data",
        coverage=percent(slots_looked, slots_scheduled, places=1),
        window=f"over {width} day{plural}" if width < WINDOW_DAYS else "",
        succeeded=succeeded,
        looked=looked,
        slots_looked=slots_looked,
        slots_scheduled=slots_scheduled,
    )


def _severity(status: ServiceStatus) -> int:
    return status.severity


def _status(entry: PublicDay | None) -> ServiceStatus | None:
    if entry is None:
        return None
    if entry.looked == 0 and entry.worst_status in (None, ServiceStatus.OPERATIONAL):
        return None
    return entry.worst_status or ServiceStatus.OPERATIONAL


def _pale(entry: PublicDay | None) -> bool:
    return (
        entry is not None
        and entry.looked > 0
        and entry.slots_looked * 100 < entry.slots_scheduled * PALE_BELOW_PERCENT
    )


def status_word(status: ServiceStatus) -> str:
    """A status as people read it: "Partial outage"."""
    return status.value.replace("_", " ").capitalize()


def _text(
    entry: PublicDay | None,
    status: ServiceStatus | None,
    incidents: Mapping[str, PublicIncident],
    now: datetime,
) -> str:
    text = (
        _figures_text(entry.succeeded, entry.looked, entry.slots_looked, entry.slots_scheduled)
        if entry is not None
        else "no data"
    )
    if status is not None and status is not ServiceStatus.OPERATIONAL:
        text = f"{status_word(status)}: {text}"
    if entry is None or not entry.incident_codes:
        return text
    told = [
        f"{incident.title}, {_length(incident, now)}"
        for code in entry.incident_codes
        if (incident := incidents.get(code)) is not None
    ]
    return ". ".join([text, *told])


@lru_cache(maxsize=8_192)
def _figures_text(succeeded: int, looked: int, slots_looked: int, slots_scheduled: int) -> str:
    """Most days of most services say the same few things."""
    uptime = percent(succeeded, looked) or "no data"
    coverage = percent(slots_looked, slots_scheduled, places=1)
    return uptime if coverage is None else f"{uptime}, coverage {coverage}"


def _length(incident: PublicIncident, now: datetime) -> str:
    if incident.resolved_at is None:
        return f"{span(now - incident.started_at)} so far"
    return span(incident.resolved_at - incident.started_at)


def _runs(
    entries: Sequence[tuple[date, ServiceStatus | None, str]], today: date
) -> tuple[DayRun, ...]:
    """Merge equal neighbours; `entries` are newest first."""
    runs: list[DayRun] = []
    start = 0
    while start < len(entries):
        last, status, text = entries[start]
        end = start
        while end + 1 < len(entries) and entries[end + 1][1:] == (status, text):
            end += 1
        first = entries[end][0]
        count = end - start + 1
        if count > 1:
            text = f"{count} days, {text if status is None else 'each ' + text}"
        runs.append(DayRun(first, last, days_text(first, last, today), status, text))
        start = end + 1
    return tuple(runs)


_COUNTED: Final = (
    (ServiceStatus.MAJOR_OUTAGE, "with a major outage"),
    (ServiceStatus.PARTIAL_OUTAGE, "with a partial outage"),
    (ServiceStatus.DEGRADED_PERFORMANCE, "degraded"),
    (ServiceStatus.UNDER_MAINTENANCE, "with maintenance"),
    (None, "without data"),
)


def _summary(bars: Sequence[DayBar]) -> str:
    clean = sum(bar.status is ServiceStatus.OPERATIONAL for bar in bars)
    parts = [f"{clean} clean"]
    for status, words in _COUNTED:
        count = sum(bar.status is status for bar in bars)
        if count:
            parts.append(f"{count} {words}")
    return f"{len(bars)} days: {', '.join(parts)}"
