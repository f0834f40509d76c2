"""The list of incidents: open ones first, then what is over, month by month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from statustui.domain.readmodels import IncidentSummary
from statustui.domain.status import Impact
from statustui.presenters import clock
from statustui.presenters.columns import Column, Wanted, lay_out
from statustui.presenters.incident import is_acknowledged
from statustui.presenters.line import Line, count_of

OPEN_GROUP = "open"

_WANTED = (
    Wanted("code", "CODE", 9),
    Wanted("status", "STATUS", 13),
    Wanted("impact", "IMPACT", 8),
    Wanted("since", "BEGAN", 12),
    Wanted("length", "FOR", 5, is_right=True),
    Wanted("who", "WHO", 8, least_screen=100, wide_width=12),
    Wanted("services", "SERVICES", 24, least_screen=140, wide_width=30),
    Wanted("title", "TITLE", 20),
)


@dataclass(frozen=True, slots=True)
class IncidentListRow:
    """One incident in the list.

    Attributes:
        code: its key; group: "open", or the month it began in.
        cells: by column; words: what a filter searches, in lower case.
        facts: what `status:`, `impact:`, `lead:` and `service:` in a filter search.
    """

    code: str
    group: str
    cells: Mapping[str, Line]
    words: str
    facts: Mapping[str, str]


def columns(width: int) -> tuple[Column, ...]:
    """The columns that a screen of this width shows."""
    return lay_out(_WANTED, width)


def rows(
    incidents: Iterable[IncidentSummary], now: datetime, zone: tzinfo
) -> tuple[IncidentListRow, ...]:
    """All incidents in the order in which they are listed.

    Open ones come first, those that hurt most and are nobody's before the others; then the rest,
    the newest first.
    """
    every = list(incidents)
    working = sorted(
        (each for each in every if each.status.is_open),
        key=lambda each: (
            -each.impact.severity,
            is_acknowledged(each, now),
            -each.started_at.timestamp(),
        ),
    )
    over = sorted(
        (each for each in every if not each.status.is_open),
        key=lambda each: each.started_at,
        reverse=True,
    )
    return (
        *(_row(each, OPEN_GROUP, now, zone) for each in working),
        *(_row(each, clock.month(each.started_at.astimezone(zone)), now, zone) for each in over),
    )


def _row(incident: IncidentSummary, group: str, now: datetime, zone: tzinfo) -> IncidentListRow:
    is_open = incident.status.is_open
    base = "text" if is_open else "muted"
    owned = is_acknowledged(incident, now)
    loud = is_open and not owned
    ended = incident.resolved_at or now
    names = [service.name for service in incident.services]
    who = incident.lead or incident.acknowledged_by or ""
    impact_style = "strong b" if is_open and incident.impact is Impact.CRITICAL else base
    title: list[tuple[str, str]] = [(incident.title, "text b" if loud else base)]
    if not incident.is_public:
        title = [(incident.internal_or_title, "internal"), ("  internal", "internal")]
    return IncidentListRow(
        code=incident.code,
        group=group,
        cells={
            "code": ((incident.code, "strong b" if is_open else base),),
            "status": ((incident.status.value, base),),
            "impact": ((incident.impact.value, impact_style),),
            "since": ((clock.moment(incident.started_at, now, zone), base),),
            "length": ((clock.age(ended - incident.started_at), base),),
            "who": (("unacked", "strong b"),) if loud and not who else ((who or "-", base),),
            "services": ((", ".join(names) or "-", base),),
            "title": tuple(title),
        },
        words=" ".join(
            [incident.code, incident.title, incident.internal_title, incident.status.value,
             incident.impact.value, who, *names]
        ).casefold(),
        facts={
            "status": "open" if is_open else incident.status.value,
            "stage": incident.status.value,
            "impact": incident.impact.value,
            "lead": who.casefold(),
            "service": "\n".join(names).casefold(),
        },
    )  # fmt: skip


def matches(row: IncidentListRow, query: str) -> bool:
    """Whether a row is what a filter asks for.

    Args:
        query: words that must all occur, and `status:open`, `status:resolved`, `impact:major`,
            `lead:alice`, `service:api`.
    """
    for word in query.casefold().split():
        name, colon, value = word.partition(":")
        if colon and name == "status":
            if not any(row.facts[each].startswith(value) for each in ("status", "stage")):
                return False
        elif colon and name in ("impact", "lead"):
            if not row.facts[name].startswith(value):
                return False
        elif colon and name == "service":
            if value not in row.facts[name]:
                return False
        elif word not in row.words:
            return False
    return True


def heading(group: str, number: int) -> Line:
    """The line above a group: "open  2 incidents", "November 2026  1 incident"."""
    return ((group, "strong b"), (f"  {count_of(number, 'incident')}", "muted"))


def summary(incidents: Sequence[IncidentSummary]) -> str:
    """The list in one phrase: "2 open, 5 resolved"."""
    working = sum(each.status.is_open for each in incidents)
    return f"{working} open, {len(incidents) - working} resolved"
