"""Incidents as the page tells them: stages, updates newest first, and who is affected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from statustui.domain.publicmodels import PublicIncident, PublicUpdate
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.presenters.markdown import excerpt, to_html
from statustui.presenters.page.banner import Moment
from statustui.presenters.page.days import status_word
from statustui.presenters.page.times import ago, moment, short_moment, span, until


@dataclass(frozen=True, slots=True)
class StageView:
    """One of the four stages. `state` is "done", "now", "passed" (never set) or "ahead"."""

    word: str
    at: Moment | None
    state: str


@dataclass(frozen=True, slots=True)
class UpdateView:
    """One update.

    Attributes:
        word: the stage it moved the incident to.
        html: the message, safe as it is.
        source: whether a machine or a person says it.
        edited: when a correction replaced the text, None when never.
        still_works: HTML, safe as it is, empty when nothing was said.
    """

    word: str
    posted: Moment
    html: str
    source: str
    edited: Moment | None
    still_works: str


@dataclass(frozen=True, slots=True)
class AffectedView:
    """A service in an incident, with what happened to it in words."""

    name: str
    status: ServiceStatus
    word: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident.

    Attributes:
        colour: the service status whose colour and sign it wears.
        impact: in words, "Critical".
        length: "45 min so far", "resolved after 47 min".
        updates: newest first.
        promise: "Next update by 15:15 UTC, in 23 min", empty without one.
        postmortem: HTML, safe as it is, empty without one.
        excerpt: the newest message in one paragraph of plain text.
        detected: how it came to be known.
        lists_services: whether its services must be named beside it, because the list of
            affected ones does not say it.
    """

    code: str
    title: str
    colour: ServiceStatus
    impact: str
    status: IncidentStatus
    status_word: str
    is_open: bool
    started: Moment
    resolved: Moment | None
    length: str
    stages: tuple[StageView, ...]
    updates: tuple[UpdateView, ...]
    affected: tuple[AffectedView, ...]
    promise: str
    postmortem: str
    excerpt: str
    detected: str
    lists_services: bool


IMPACT_COLOURS: Final = {
    Impact.CRITICAL: ServiceStatus.MAJOR_OUTAGE,
    Impact.MAJOR: ServiceStatus.MAJOR_OUTAGE,
    Impact.MINOR: ServiceStatus.DEGRADED_PERFORMANCE,
    Impact.NONE: ServiceStatus.OPERATIONAL,
}


def incident_view(
    incident: PublicIncident, now: datetime, *, lists_services: bool = True
) -> IncidentView:
    """An incident at a moment."""
    newest = incident.updates[0] if incident.updates else None
    return IncidentView(
        code=incident.code,
        title=incident.title,
        colour=IMPACT_COLOURS[incident.impact],
        impact="No impact" if incident.impact is Impact.NONE else incident.impact.capitalize(),
        status=incident.status,
        status_word=incident.status.capitalize(),
        is_open=incident.status.is_open,
        started=Moment(incident.started_at, moment(incident.started_at, now)),
        resolved=(
            None
            if incident.resolved_at is None
            else Moment(incident.resolved_at, moment(incident.resolved_at, now))
        ),
        length=incident_length(incident, now),
        stages=_stages(incident, now),
        updates=tuple(_update(update, now) for update in incident.updates),
        affected=tuple(
            AffectedView(service.name, service.to_status, status_word(service.to_status))
            for service in incident.services
        ),
        promise=_promise(incident, now),
        postmortem=to_html(incident.postmortem) if incident.postmortem else "",
        excerpt=excerpt(newest.message) if newest is not None else "",
        detected=_detected(incident),
        lists_services=lists_services and bool(incident.services),
    )


def incident_length(incident: PublicIncident, now: datetime) -> str:
    """ "resolved after 47 min", or "identified, 45 min so far"."""
    if incident.resolved_at is not None:
        return f"resolved after {span(incident.resolved_at - incident.started_at)}"
    return f"{incident.status.value}, {span(now - incident.started_at)} so far"


def _stages(incident: PublicIncident, now: datetime) -> tuple[StageView, ...]:
    first_posts: dict[IncidentStatus, datetime] = {}
    for update in reversed(incident.updates):
        first_posts.setdefault(update.status, update.created_at)
    times = {
        IncidentStatus.INVESTIGATING: first_posts.get(
            IncidentStatus.INVESTIGATING, incident.created_at
        ),
        IncidentStatus.IDENTIFIED: incident.identified_at,
        IncidentStatus.MONITORING: incident.monitoring_at,
        IncidentStatus.RESOLVED: incident.resolved_at,
    }
    order = list(IncidentStatus)
    reached = order.index(incident.status)
    stages = []
    for index, status in enumerate(order):
        at = times[status] if index <= reached else None
        if index == reached:
            state = "now"
        elif index > reached:
            state = "ahead"
        else:
            state = "done" if at is not None else "passed"
        shown = None if at is None else Moment(at, short_moment(at, now))
        stages.append(StageView(status.capitalize(), shown, state))
    return tuple(stages)


def _update(update: PublicUpdate, now: datetime) -> UpdateView:
    return UpdateView(
        word=update.status.capitalize(),
        posted=Moment(update.created_at, moment(update.created_at, now)),
        html=to_html(update.message),
        source=_source(update),
        edited=(
            None
            if update.edited_at is None
            else Moment(update.edited_at, short_moment(update.edited_at, now))
        ),
        still_works=to_html(update.still_works) if update.still_works else "",
    )


def _detected(incident: PublicIncident) -> str:
    if incident.is_retroactive:
        return "Entered after the fact"
    return "Detected automatically" if incident.is_auto else "Reported by our team"


def _source(update: PublicUpdate) -> str:
    if update.detected_automatically:
        return "Detected automatically"
    if update.status in (IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED):
        return "Confirmed by our team"
    return "Posted by our team"


def _promise(incident: PublicIncident, now: datetime) -> str:
    by = incident.next_update_by
    if by is None or not incident.status.is_open:
        return ""
    if by > now:
        return f"Next update by {moment(by, now)}, {until(by, now)}"
    return f"The next update was promised by {moment(by, now)}, {ago(by, now)}"
