"""The page now, and the page with a post applied, as the values that the page is made from.

A post changes an incident, its words and its stage, and with them what the page says of services:
those rules are the database's, said here once more for the one thing it cannot do: show what would
be before it is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from statustui.domain.publicmodels import (
    PublicAffected,
    PublicIncident,
    PublicPage,
    PublicService,
    PublicUpdate,
)
from statustui.domain.readmodels import (
    Board,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    PageInfo,
    ServiceRow,
)
from statustui.domain.status import IncidentStatus, MonitorState, ServiceStatus, worst
from statustui.presenters.composer import Written, asked_status

# The code of an incident that has none yet; it stays within these values.
NEW_CODE = "new"
_NEW_ID = UUID(int=0)


def page_now(board: Board, page: PageInfo, detail: IncidentDetail | None) -> PublicPage:
    """The page as the database knows it now.

    Args:
        board: the last read of the organization.
        page: which of its pages.
        detail: the incident that is written about, for the words already said; None for a new one.
    """
    services = tuple(
        _public_service(service, board.read_at)
        for service in sorted(board.services, key=lambda row: (row.display_order, row.name))
        if is_on(page, service)
    )
    shown = {service.id for service in services}
    incidents = tuple(
        _public_incident(incident, detail, shown)
        for incident in board.incidents
        if incident.is_public
        and incident.status.is_open
        and any(service.id in shown for service in incident.services)
    )
    organization = board.organization
    return PublicPage(
        slug=page.slug,
        name=page.name,
        description="",
        headline=None,
        support_link=None,
        visibility=page.visibility,
        custom_domain=None,
        theme="auto",
        organization_name=organization.name,
        organization_slug=organization.slug,
        organization_url=organization.public_base_url,
        logo_url=None,
        brand_color=organization.brand_color,
        timezone=organization.timezone,
        revision="",
        read_at=board.read_at,
        observed_at=max((row.last_looked_at for row in board.services if row.last_looked_at),
                        default=None),
        services=services,
        incidents=incidents,
        maintenance=(),
    )  # fmt: skip


def is_on(page: PageInfo, service: ServiceRow) -> bool:
    """Whether a page shows a service."""
    return service.is_visible and (page.service_ids is None or service.id in page.service_ids)


def _public_service(service: ServiceRow, read_at: datetime) -> PublicService:
    return PublicService(
        id=service.id,
        name=service.name,
        description=service.description or None,
        group_name=service.group_name or None,
        display_order=service.display_order,
        status=service.public_status,
        # While the house knows more than the page shows, the page's own moment is not known here.
        status_since=min(service.status_since, read_at),
        created_at=service.status_since,
        days=(),
        points=(),
    )


def _public_incident(
    incident: IncidentSummary, detail: IncidentDetail | None, shown: set[UUID]
) -> PublicIncident:
    updates: tuple[PublicUpdate, ...] = ()
    if detail is not None and detail.summary.id == incident.id:
        updates = tuple(
            _public_update(update) for update in reversed(detail.updates) if update.is_public
        )
    return PublicIncident(
        id=incident.id,
        code=incident.code,
        title=incident.title,
        status=incident.status,
        impact=incident.impact,
        is_auto=incident.is_auto,
        started_at=incident.started_at,
        identified_at=incident.identified_at,
        monitoring_at=incident.monitoring_at,
        resolved_at=incident.resolved_at,
        created_at=incident.created_at,
        updated_at=incident.updated_at,
        next_update_by=incident.next_update_by,
        updates=updates,
        services=tuple(
            PublicAffected(service.id, service.name, service.from_status, service.to_status)
            for service in incident.services
            if service.id in shown
        ),
        postmortem=None,
    )


def _public_update(update: IncidentUpdate) -> PublicUpdate:
    return PublicUpdate(
        id=update.id,
        status=update.status,
        message=update.message,
        still_works=update.still_works,
        created_at=update.created_at,
        edited_at=update.edited_at,
        detected_automatically=update.detected_automatically,
        next_update_by=update.next_update_by,
    )


def page_after(
    now_page: PublicPage,
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    at: datetime,
) -> PublicPage:
    """The page with a post applied.

    Args:
        now_page: as `page_now` made it; board: the same read.
        incident: what the post belongs to, None when it opens an incident.
        written: the post; at: when it is assumed to go public.
    """
    rows = {row.id: row for row in board.services}
    update = PublicUpdate(
        id=_NEW_ID,
        status=written.status,
        message=written.message,
        still_works=None,
        created_at=at,
        edited_at=None,
        detected_automatically=False,
        next_update_by=written.next_update_by,
    )
    before = next(
        (each for each in now_page.incidents if incident is not None and each.id == incident.id),
        None,
    )
    after = _incident_after(now_page, before, incident, written, update, rows, at)
    services = tuple(
        _service_after(service, rows, board, incident, written, after, at)
        for service in now_page.services
    )
    others = tuple(each for each in now_page.incidents if each is not before)
    is_shown = bool(after.services)
    return replace(now_page, services=services, incidents=(after, *others) if is_shown else others)


def _incident_after(
    page: PublicPage,
    before: PublicIncident | None,
    incident: IncidentSummary | None,
    written: Written,
    update: PublicUpdate,
    rows: dict[UUID, ServiceRow],
    at: datetime,
) -> PublicIncident:
    shown = {service.id for service in page.services}
    if before is None and incident is not None:
        before = _public_incident(incident, None, shown)
    if before is None:
        asked = asked_status(written.impact)
        before = PublicIncident(
            id=_NEW_ID,
            code=NEW_CODE,
            title=written.title or "",
            status=written.status,
            impact=written.impact,
            is_auto=False,
            started_at=at,
            identified_at=None,
            monitoring_at=None,
            resolved_at=None,
            created_at=at,
            updated_at=at,
            next_update_by=None,
            updates=(),
            services=tuple(
                PublicAffected(id_, rows[id_].name, rows[id_].public_status,
                               worst([rows[id_].public_status, asked or rows[id_].public_status]))
                for id_ in written.services
                if id_ in shown
            ),
            postmortem=None,
        )  # fmt: skip
    stages = {
        IncidentStatus.IDENTIFIED: "identified_at",
        IncidentStatus.MONITORING: "monitoring_at",
        IncidentStatus.RESOLVED: "resolved_at",
    }
    reached = stages.get(written.status)
    changed = replace(
        before,
        title=written.title or before.title,
        status=written.status,
        updated_at=at,
        next_update_by=written.next_update_by,
        updates=(update, *before.updates),
    )
    match reached:
        case "identified_at":
            return replace(changed, identified_at=before.identified_at or at)
        case "monitoring_at":
            return replace(changed, monitoring_at=before.monitoring_at or at)
        case "resolved_at":
            return replace(changed, resolved_at=at)
        case _:
            return changed


def _service_after(
    service: PublicService,
    rows: dict[UUID, ServiceRow],
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    after: PublicIncident,
    at: datetime,
) -> PublicService:
    row = rows[service.id]
    concerned = next((each for each in after.services if each.id == service.id), None)
    if concerned is None or row.pinned_status is not None:
        return service
    if written.status is IncidentStatus.RESOLVED:
        own = incident.id if incident is not None else None
        asked = [
            each.to_status
            for other in board.incidents
            if other.id != own and other.is_public and other.status.is_open and not other.is_auto
            for each in other.services
            if each.id == service.id
        ]
        status = worst([_said_by_monitors(row), *asked])
    elif incident is None:
        status = worst([service.status, concerned.to_status])
    else:
        # Its words make the incident public: from then on the page shows what the house knows.
        status = worst([service.status, row.status])
    if status is service.status:
        return service
    return replace(service, status=status, status_since=at)


def _said_by_monitors(row: ServiceRow) -> ServiceStatus:
    if row.in_maintenance:
        return ServiceStatus.UNDER_MAINTENANCE
    match row.monitor_state:
        case MonitorState.DOWN:
            down = (ServiceStatus.MAJOR_OUTAGE, ServiceStatus.PARTIAL_OUTAGE)
            # How many of its monitors are down is not known here; its status says it best.
            return row.status if row.status in down else ServiceStatus.PARTIAL_OUTAGE
        case MonitorState.DEGRADED | MonitorState.FLAPPING:
            return ServiceStatus.DEGRADED_PERFORMANCE
        case MonitorState.UNKNOWN | MonitorState.UP | MonitorState.PAUSED | None:
            return ServiceStatus.OPERATIONAL
