"""The one sentence at the top: how much is affected, counted, since when, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from statustui.domain.publicmodels import PublicIncident, PublicMaintenance, PublicPage
from statustui.domain.status import MaintenanceStatus, ServiceStatus, worst
from statustui.presenters.page.times import ago, moment, span, until, weekday_moment

# How long the page goes on saying that something was resolved.
RESOLVED_SHOWN: Final = timedelta(hours=24)
# A page whose checks are older than this says so instead of claiming to know.
LAST_LOOK_OLD: Final = timedelta(minutes=15)
NAMED_AT_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on the page: for people and for programs."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What stands beside the banner: the next update, a planned end, the next maintenance."""

    label: str
    moment: Moment
    note: str


@dataclass(frozen=True, slots=True)
class Banner:
    """The top of the page.

    Attributes:
        status: whose colour and sign it carries, None while there is nothing to speak of.
        headline: the sentence that counts.
        lead: which services, or what was last; may be empty.
        lead_code: the incident that the lead speaks of, if it does.
        recent: what was resolved within a day, where the lead speaks of something else.
        recent_code: the incident that it speaks of.
        since: when the overall status began, None while all is well.
        since_note: how long that is.
        updated: when the newest public word was posted, None without an open incident.
        updated_note: how long ago.
        looked: when a check was last recorded, None when never.
        looked_note: what to add to it.
        promise: what comes next, None when nothing is announced.
    """

    status: ServiceStatus | None
    headline: str
    lead: str
    lead_code: str | None
    recent: str
    recent_code: str | None
    since: Moment | None
    since_note: str
    updated: Moment | None
    updated_note: str
    looked: Moment | None
    looked_note: str
    promise: Promise | None


def overall_status(page: PublicPage) -> ServiceStatus:
    """The worst of the page's services; maintenance counts only when nothing is broken."""
    return worst(service.status for service in page.services)


def overall_since(page: PublicPage) -> datetime | None:
    """When the overall status began: with the first service that has it, or, when all is well,
    with the last one that became well. None on a page without services."""
    status = overall_status(page)
    moments = [service.status_since for service in page.services if service.status is status]
    if not moments:
        return None
    return max(moments) if status is ServiceStatus.OPERATIONAL else min(moments)


def banner(page: PublicPage, now: datetime) -> Banner:
    """The banner of a page at a moment."""
    status = overall_status(page)
    open_incidents = [incident for incident in page.incidents if incident.status.is_open]
    lead, lead_code = _lead(page, status, open_incidents, now)
    recent, recent_code = _recent(page, now)
    if recent_code == lead_code:
        recent, recent_code = "", None
    broken = status is not ServiceStatus.OPERATIONAL
    since = overall_since(page) if broken else None
    posted = [update.created_at for incident in open_incidents for update in incident.updates]
    updated = max(posted, default=None)
    return Banner(
        status=status if page.services else None,
        headline=_headline(page, status),
        lead=lead,
        lead_code=lead_code,
        recent=recent,
        recent_code=recent_code,
        since=_moment(since, now),
        since_note=span(now - since) if since is not None else "",
        updated=_moment(updated, now),
        updated_note=ago(updated, now) if updated is not None else "",
        looked=_moment(page.observed_at, now),
        looked_note=_looked_note(page.observed_at, now),
        promise=_promise(page, open_incidents, now),
    )


def _moment(at: datetime | None, now: datetime) -> Moment | None:
    return None if at is None else Moment(at, moment(at, now))


def _looked_note(observed_at: datetime | None, now: datetime) -> str:
    if observed_at is not None and now - observed_at >= LAST_LOOK_OLD:
        return f"nobody has looked for {span(now - observed_at)}"
    return ""


def _headline(page: PublicPage, status: ServiceStatus) -> str:
    total = len(page.services)
    if total == 0:
        return "No services are listed yet"
    if total == 1:
        return f"{page.services[0].name}: {status.value.replace('_', ' ')}"
    counts = {each: sum(s.status is each for s in page.services) for each in ServiceStatus}
    major, partial = counts[ServiceStatus.MAJOR_OUTAGE], counts[ServiceStatus.PARTIAL_OUTAGE]
    match status:
        case ServiceStatus.MAJOR_OUTAGE if major == total:
            return f"Major outage: all {total} services unavailable"
        case ServiceStatus.MAJOR_OUTAGE:
            return f"Partial outage: {major} of {total} services unavailable"
        case ServiceStatus.PARTIAL_OUTAGE:
            return f"Partial outage: {partial} of {total} services partly unavailable"
        case ServiceStatus.DEGRADED_PERFORMANCE:
            return f"Degraded performance: {counts[status]} of {total} services"
        case ServiceStatus.UNDER_MAINTENANCE:
            return f"Maintenance in progress: {counts[status]} of {total} services"
        case ServiceStatus.OPERATIONAL:
            return f"All {total} services operational"


def enumerate_names(names: Sequence[str], most: int = NAMED_AT_MOST) -> str:
    """ "A, B and C", or "A, B, C and 4 more"."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _lead(
    page: PublicPage,
    status: ServiceStatus,
    open_incidents: Sequence[PublicIncident],
    now: datetime,
) -> tuple[str, str | None]:
    if status is ServiceStatus.OPERATIONAL:
        return _calm_lead(page, open_incidents, now)
    if len(page.services) == 1:
        return page.services[0].description or "", None
    named = [service.name for service in page.services if service.status is status]
    rest = []
    for other, one, many in _OTHERS:
        if other is status:
            continue
        count = sum(service.status is other for service in page.services)
        if count:
            rest.append(f"{'one more is' if count == 1 else f'{count} more are'} "
                        f"{one if count == 1 else many}")  # fmt: skip
    well = sum(service.status is ServiceStatus.OPERATIONAL for service in page.services)
    if well:
        rest.append(f"{well} work{'s' if well == 1 else ''} normally")
    sentences = [f"{enumerate_names(named)}."]
    if status is ServiceStatus.UNDER_MAINTENANCE:
        sentences = [f"{enumerate_names(named)}, as announced. Nothing is broken."]
    if rest:
        text = "; ".join(rest)
        sentences.append(f"{text[0].upper()}{text[1:]}.")
    return " ".join(sentences), None


_OTHERS: Final = (
    (ServiceStatus.PARTIAL_OUTAGE, "partly unavailable", "partly unavailable"),
    (ServiceStatus.DEGRADED_PERFORMANCE, "degraded", "degraded"),
    (ServiceStatus.UNDER_MAINTENANCE, "under maintenance", "under maintenance"),
)


def _calm_lead(
    page: PublicPage, open_incidents: Sequence[PublicIncident], now: datetime
) -> tuple[str, str | None]:
    if open_incidents:
        newest = open_incidents[0]
        if len(open_incidents) > 1:
            return f"{len(open_incidents)} incidents are still being worked on.", None
        return f"One incident is still open, {newest.status.value}: {newest.title}", newest.code
    recent, code = _recent(page, now)
    if code is not None:
        return recent, code
    resolved = _last_resolved(page)
    if resolved is None or resolved.resolved_at is None:
        return ("No incident has been published." if page.services else ""), None
    return (
        f"No incident since {moment(resolved.resolved_at, now)}, {ago(resolved.resolved_at, now)}.",
        None,
    )


def _recent(page: PublicPage, now: datetime) -> tuple[str, str | None]:
    """What was resolved last, while that is less than a day ago."""
    resolved = _last_resolved(page)
    if resolved is None or resolved.resolved_at is None:
        return "", None
    if now - resolved.resolved_at >= RESOLVED_SHOWN:
        return "", None
    return f"Resolved {ago(resolved.resolved_at, now)}: {resolved.title}", resolved.code


def _last_resolved(page: PublicPage) -> PublicIncident | None:
    return max(
        (incident for incident in page.incidents if incident.resolved_at is not None),
        key=lambda incident: incident.resolved_at or incident.started_at,
        default=None,
    )


def _promise(
    page: PublicPage, open_incidents: Sequence[PublicIncident], now: datetime
) -> Promise | None:
    # The banner speaks of the worst: what a minor incident promises is no promise about an outage.
    worst_impact = max((i.impact.severity for i in open_incidents), default=0)
    promised = min(
        (
            i.next_update_by
            for i in open_incidents
            if i.next_update_by is not None and i.impact.severity == worst_impact
        ),
        default=None,
    )
    if promised is not None:
        label = "Next update by" if promised > now else "Next update was promised by"
        note = until(promised, now)
        if promised > now:
            note += ", also if nothing has changed"
        return Promise(label, Moment(promised, moment(promised, now)), note)
    if open_incidents:
        return None
    running = running_maintenance(page)
    if running:
        ends = min(window.ends_at for window in running)
        return Promise("Planned to end at", Moment(ends, moment(ends, now)), until(ends, now))
    coming = upcoming_maintenance(page, now)
    if coming:
        window = coming[0]
        names = enumerate_names(window.services, 3)
        note = ", ".join(part for part in (names, span(window.ends_at - window.starts_at)) if part)
        text = f"{weekday_moment(window.starts_at, now)} UTC"
        return Promise("Next maintenance", Moment(window.starts_at, text), note)
    return None


def running_maintenance(page: PublicPage) -> tuple[PublicMaintenance, ...]:
    """The windows that are in progress, the first to end first."""
    running = [
        window for window in page.maintenance if window.status is MaintenanceStatus.IN_PROGRESS
    ]
    return tuple(sorted(running, key=lambda window: window.ends_at))


def upcoming_maintenance(page: PublicPage, now: datetime) -> tuple[PublicMaintenance, ...]:
    """The windows that are still to come, the next first."""
    coming = [
        window
        for window in page.maintenance
        if window.status is MaintenanceStatus.SCHEDULED and window.ends_at > now
    ]
    return tuple(sorted(coming, key=lambda window: window.starts_at))
