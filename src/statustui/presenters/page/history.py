"""What has been: the last 14 days on the page, and whole months behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from statustui.domain.publicmodels import PublicDay, PublicPage
from statustui.presenters.page.incidents import IncidentView, incident_view
from statustui.presenters.page.times import day as day_text
from statustui.presenters.page.times import days as days_text
from statustui.presenters.page.times import month as month_text
from statustui.presenters.percent import percent

SHOWN_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One or more days of the list: either incidents, or the words that there were none.

    Attributes:
        on: the newest day it stands for.
        when: "18 Nov", "13 – 17 Nov".
        incidents: that began then, newest first.
        note: what to say when there were none.
    """

    on: date
    when: str
    incidents: tuple[IncidentView, ...]
    note: str


@dataclass(frozen=True, slots=True)
class MonthView:
    """One month of incidents.

    Attributes:
        name: "November 2026".
        key: "2026-11".
        newer, older: keys of the neighbours, None at the ends.
    """

    key: str
    name: str
    entries: tuple[HistoryEntry, ...]
    newer: str | None
    older: str | None


def recent_days(page: PublicPage, now: datetime) -> tuple[HistoryEntry, ...]:
    """The last 14 days, newest first; quiet neighbours are merged into one line.

    An incident stands on the day it began. Open ones are told above and left out here.
    """
    today = now.astimezone(UTC).date()
    shown = [today - timedelta(days=back) for back in range(SHOWN_DAYS)]
    closed = [incident for incident in page.incidents if not incident.status.is_open]
    open_days = {
        incident.started_at.astimezone(UTC).date()
        for incident in page.incidents
        if incident.status.is_open
    }
    by_day: dict[date, list[IncidentView]] = {}
    for incident in sorted(closed, key=lambda each: each.started_at, reverse=True):
        on = incident.started_at.astimezone(UTC).date()
        by_day.setdefault(on, []).append(incident_view(incident, now))
    entries: list[HistoryEntry] = []
    quiet: list[date] = []

    def say_quiet() -> None:
        if quiet:
            entries.append(_quiet(page, list(reversed(quiet)), today))
            quiet.clear()

    for on in shown:
        if on in by_day:
            say_quiet()
            entries.append(HistoryEntry(on, day_text(on, today), tuple(by_day[on]), ""))
        elif on in open_days:
            say_quiet()
        elif on == today:
            entries.append(_quiet(page, [on], today))
        else:
            quiet.append(on)
    say_quiet()
    return tuple(entries)


def _quiet(page: PublicPage, days: Sequence[date], today: date) -> HistoryEntry:
    """The line for days without incidents; `days` are oldest first."""
    wanted = set(days)
    entries = [each for service in page.services for each in service.days if each.day in wanted]
    coverage = _coverage(entries)
    note = "No incidents so far today." if days == [today] else "No incidents."
    if coverage is not None:
        note += f" Coverage {coverage}."
    elif not entries:
        note += " Nobody looked."
    return HistoryEntry(days[-1], days_text(days[0], days[-1], today), (), note)


def _coverage(entries: Sequence[PublicDay]) -> str | None:
    return percent(
        sum(each.slots_looked for each in entries),
        sum(each.slots_scheduled for each in entries),
        places=1,
    )


def parse_month(text: str) -> tuple[int, int] | None:
    """Year and month of "2026-11", None when it is no month."""
    year, dash, number = text.partition("-")
    if not dash or len(year) != 4 or len(number) != 2:
        return None
    if not (year.isascii() and year.isdigit() and number.isascii() and number.isdigit()):
        return None
    found = int(year), int(number)
    return found if found[0] >= 1970 and 1 <= found[1] <= 12 else None


def month_view(page: PublicPage, month: tuple[int, int] | None, now: datetime) -> MonthView | None:
    """One month of incidents, newest first.

    Args:
        month: year and month, None for the present one.

    Returns:
        None for a month before the first incident and before the first service, or after now.
    """
    moved = now.astimezone(UTC)
    present = (moved.year, moved.month)
    chosen = month if month is not None else present
    first = _first_month(page, present)
    if not first <= chosen <= present:
        return None
    today = moved.date()
    by_day: dict[date, list[IncidentView]] = {}
    for incident in sorted(page.incidents, key=lambda each: each.started_at, reverse=True):
        on = incident.started_at.astimezone(UTC).date()
        if (on.year, on.month) == chosen:
            by_day.setdefault(on, []).append(incident_view(incident, now))
    entries = tuple(
        HistoryEntry(on, day_text(on, today), tuple(views), "") for on, views in by_day.items()
    )
    return MonthView(
        key=_key(chosen),
        name=month_text(*chosen),
        entries=entries,
        newer=None if chosen == present else _key(_step(chosen, 1)),
        older=None if chosen == first else _key(_step(chosen, -1)),
    )


def _first_month(page: PublicPage, present: tuple[int, int]) -> tuple[int, int]:
    moments = [incident.started_at.astimezone(UTC) for incident in page.incidents]
    moments += [service.created_at.astimezone(UTC) for service in page.services]
    return min(((at.year, at.month) for at in moments), default=present)


def _step(month: tuple[int, int], by: int) -> tuple[int, int]:
    months = month[0] * 12 + month[1] - 1 + by
    return months // 12, months % 12 + 1


def _key(month: tuple[int, int]) -> str:
    return f"{month[0]:04d}-{month[1]:02d}"
