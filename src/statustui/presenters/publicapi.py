"""The public read-only JSON: the same page as programs read it, with the names they were promised.

Times are ISO 8601 in UTC with `Z`, ids are strings, percentages are numbers that were rounded
down. A day without checks has null for its uptime, never 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.publicmodels import (
    PublicDay,
    PublicIncident,
    PublicMaintenance,
    PublicPage,
    PublicService,
    PublicUpdate,
)
from statustui.domain.status import Impact, IncidentStatus
from statustui.presenters.clock import iso
from statustui.presenters.markdown import to_html
from statustui.presenters.page.banner import (
    overall_since,
    overall_status,
    running_maintenance,
    upcoming_maintenance,
)
from statustui.presenters.page.days import WINDOW_DAYS
from statustui.presenters.percent import share

Json = dict[str, object]

MAX_PER_PAGE: Final = 50
DEFAULT_PER_PAGE: Final = 10
MAX_DAYS: Final = 365
MAX_PAGE: Final = 1_000_000


def status_document(page: PublicPage, now: datetime) -> Json:
    """`status`: everything at a glance."""
    return {
        "organization": {
            "name": page.organization_name,
            "slug": page.organization_slug,
            "logo_url": page.logo_url,
            "brand_color": page.brand_color,
            "timezone": page.timezone,
            "url": page.organization_url,
        },
        "page": {
            "name": page.name,
            "slug": page.slug,
            "description": page.description,
            "visibility": page.visibility.value,
        },
        "overall_status": overall_status(page).value,
        "overall_since": iso(overall_since(page)),
        "services": services_document(page),
        "active_incidents": [
            incident_document(incident)
            for incident in newest_first(page.incidents)
            if incident.status.is_open
        ],
        "maintenance": {
            "active": [_maintenance(window) for window in running_maintenance(page)],
            "upcoming": [_maintenance(window) for window in upcoming_maintenance(page, now)],
        },
        "observed_at": iso(page.observed_at),
        "coverage": _coverage(page.services, now),
    }


def services_document(page: PublicPage) -> list[Json]:
    """`services`: the services in the page's order."""
    ordered = sorted(page.services, key=lambda service: (service.display_order, service.name))
    return [
        {
            "id": str(service.id),
            "name": service.name,
            "description": service.description,
            "current_status": service.status.value,
            "status_since": iso(service.status_since),
            "group_name": service.group_name,
            "display_order": service.display_order,
        }
        for service in ordered
    ]


def incident_document(incident: PublicIncident) -> Json:
    """One incident, updates newest first."""
    return {
        "id": str(incident.id),
        "code": incident.code,
        "title": incident.title,
        "status": incident.status.value,
        "impact": incident.impact.value,
        "is_auto": incident.is_auto,
        "started_at": iso(incident.started_at),
        "identified_at": iso(incident.identified_at),
        "monitoring_at": iso(incident.monitoring_at),
        "resolved_at": iso(incident.resolved_at),
        "created_at": iso(incident.created_at),
        "updated_at": iso(incident.updated_at),
        "next_update_by": iso(incident.next_update_by),
        "updates": [_update(update) for update in incident.updates],
        "affected_services": [
            {
                "id": str(service.id),
                "name": service.name,
                "from_status": service.from_status.value,
                "to_status": service.to_status.value,
            }
            for service in incident.services
        ],
        "postmortem": incident.postmortem,
    }


def _update(update: PublicUpdate) -> Json:
    return {
        "id": str(update.id),
        "status": update.status.value,
        "message": update.message,
        "message_html": to_html(update.message),
        "still_works": update.still_works,
        "created_at": iso(update.created_at),
        "edited_at": iso(update.edited_at),
        "detected": "automatically" if update.detected_automatically else "person",
    }


def _maintenance(window: PublicMaintenance) -> Json:
    return {
        "id": str(window.id),
        "title": window.title,
        "description": window.description,
        "starts_at": iso(window.starts_at),
        "ends_at": iso(window.ends_at),
        "status": window.status.value,
        "recurrence_rule": window.recurrence_rule,
        "services": [
            {"id": str(key), "name": name}
            for key, name in zip(window.service_ids, window.services, strict=True)
        ],
        "updates": [
            {
                "id": str(update.id),
                "status": update.status.value,
                "message": update.message,
                "message_html": to_html(update.message),
                "created_at": iso(update.created_at),
            }
            for update in window.updates
        ],
    }


def newest_first(incidents: Sequence[PublicIncident]) -> list[PublicIncident]:
    """Incidents by when they began, the newest first."""
    return sorted(incidents, key=lambda each: (each.started_at, each.code), reverse=True)


@dataclass(frozen=True, slots=True)
class IncidentQuery:
    """Which incidents are asked for.

    Attributes:
        page: from 1.
        per_page: 1 to 50.
        since, until: bounds of the start, both included.
    """

    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    status: IncidentStatus | None = None
    impact: Impact | None = None
    service_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def parse_incident_query(parameters: Mapping[str, str]) -> IncidentQuery:
    """Read the query of `incidents`; unknown parameters are ignored.

    Raises:
        ValidationFailed: a known one has a bad value; its problem names it.
    """
    return IncidentQuery(
        page=_whole(parameters, "page", 1, 1, MAX_PAGE),
        per_page=_whole(parameters, "per_page", DEFAULT_PER_PAGE, 1, MAX_PER_PAGE),
        status=_optional(
            parameters, "status", IncidentStatus, "one of " + ", ".join(IncidentStatus)
        ),
        impact=_optional(parameters, "impact", Impact, "one of " + ", ".join(Impact)),
        service_id=_optional(parameters, "service_id", _uuid, "the id of a service"),
        since=_optional(parameters, "since", _moment, "an ISO 8601 date or time"),
        until=_optional(parameters, "until", _last_moment, "an ISO 8601 date or time"),
    )


def parse_days(parameters: Mapping[str, str]) -> int:
    """Read `days` of `uptime`: 1 to 365, 90 when absent.

    Raises:
        ValidationFailed: it is something else.
    """
    return _whole(parameters, "days", WINDOW_DAYS, 1, MAX_DAYS)


_Value = TypeVar("_Value")


def _optional(
    parameters: Mapping[str, str], name: str, read: Callable[[str], _Value], expected: str
) -> _Value | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise _bad(name, expected) from error


def _whole(
    parameters: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 9 and lowest <= int(text) <= highest:
        return int(text)
    raise _bad(name, f"a whole number from {lowest} to {highest}")


def _bad(name: str, expected: str) -> ValidationFailed:
    message = f"{name} must be {expected}"
    return ValidationFailed(message, problems=[Problem(message, path=(name,))])


def _uuid(text: str) -> UUID:
    if len(text) != 36:
        raise ValueError(text)
    return UUID(text)


def _moment(text: str) -> datetime:
    # A plus sign in a query that was not escaped arrives as a blank.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _last_moment(text: str) -> datetime:
    """A date alone means its whole day."""
    at = _moment(text)
    if len(text) <= 10:
        return at + timedelta(days=1, microseconds=-1)
    return at


def incidents_document(page: PublicPage, query: IncidentQuery) -> tuple[list[Json], Json]:
    """`incidents`: one page of them, newest first, and the pagination."""
    chosen = [
        incident
        for incident in newest_first(page.incidents)
        if (query.status is None or incident.status is query.status)
        and (query.impact is None or incident.impact is query.impact)
        and (query.since is None or incident.started_at >= query.since)
        and (query.until is None or incident.started_at <= query.until)
        and (
            query.service_id is None
            or any(service.id == query.service_id for service in incident.services)
        )
    ]
    start = (query.page - 1) * query.per_page
    return (
        [incident_document(incident) for incident in chosen[start : start + query.per_page]],
        {"page": query.page, "per_page": query.per_page, "total": len(chosen)},
    )


def normal_incident_key(key: str) -> str:
    """An id or code as it is compared: without regard to case, with or without `INC-`."""
    return key.lower().removeprefix("inc-")


def incident_keys(incident: PublicIncident) -> tuple[str, str]:
    """What an incident answers to, in the form that is compared."""
    return str(incident.id), normal_incident_key(incident.code)


def find_incident(page: PublicPage, key: str) -> PublicIncident | None:
    """An incident by its id or its code."""
    wanted = normal_incident_key(key)
    for incident in page.incidents:
        if wanted in incident_keys(incident):
            return incident
    return None


def uptime_document(page: PublicPage, days: int, now: datetime) -> Json:
    """`uptime`: each service's figures over some days, newest day first.

    Args:
        days: how many, today included; days without a row of their own are listed with null.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    ordered = sorted(page.services, key=lambda service: (service.display_order, service.name))
    return {"services": [_uptime(service, first, days) for service in ordered]}


def _uptime(service: PublicService, first: date, days: int) -> Json:
    by_day = {day.day: day for day in service.days}
    window = [first + timedelta(days=offset) for offset in range(days - 1, -1, -1)]
    counted = [by_day[on] for on in window if on in by_day]
    return {
        "service_id": str(service.id),
        "service_name": service.name,
        "overall_uptime": share(
            sum(day.succeeded for day in counted), sum(day.looked for day in counted)
        ),
        "coverage": share(
            sum(day.slots_looked for day in counted), sum(day.slots_scheduled for day in counted)
        ),
        "days": [_day(on, by_day.get(on)) for on in window],
    }


def _day(on: date, day: PublicDay | None) -> Json:
    if day is None:
        return {
            "date": on.isoformat(),
            "uptime_percentage": None,
            "avg_response_time_ms": None,
            "p95_response_time_ms": None,
            "total_checks": 0,
            "coverage": None,
            "worst_status": None,
        }
    return {
        "date": on.isoformat(),
        "uptime_percentage": share(day.succeeded, day.looked),
        "avg_response_time_ms": _rounded(day.avg_ms),
        "p95_response_time_ms": _rounded(day.p95_ms),
        "total_checks": day.checks,
        "coverage": share(day.slots_looked, day.slots_scheduled),
        "worst_status": None if day.worst_status is None else day.worst_status.value,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _coverage(services: Sequence[PublicService], now: datetime) -> float | None:
    """The share of the planned looks of the last 90 days that happened, over all services."""
    oldest = now.astimezone(UTC).date() - timedelta(days=WINDOW_DAYS - 1)
    days = [day for service in services for day in service.days if day.day >= oldest]
    return share(sum(day.slots_looked for day in days), sum(day.slots_scheduled for day in days))
