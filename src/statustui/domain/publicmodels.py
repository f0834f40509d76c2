"""What the public page reads: frozen values that hold only what may be published.

The store fills them from public views over a role that can see nothing else. `status` here is
always the public status.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from statustui.domain.status import (
    Impact,
    IncidentStatus,
    MaintenanceStatus,
    ServiceStatus,
    Visibility,
)


@dataclass(frozen=True, slots=True)
class PublicDay:
    """One UTC day of one service.

    Attributes:
        succeeded: checks with `success` or `degraded`; looked: checks that were not `unknown`;
            both without those inside maintenance.
        checks: all checks of the day that looked, maintenance left out.
        slots_scheduled, slots_looked: for coverage.
        avg_ms, p95_ms: over checks that succeeded, None without any.
        worst_status: the worst public status shown during the day, None without data.
        incident_codes: incidents that touched this service on that day.
    """

    day: date
    succeeded: int
    looked: int
    checks: int
    slots_scheduled: int
    slots_looked: int
    avg_ms: float | None
    p95_ms: float | None
    worst_status: ServiceStatus | None
    incident_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicPoint:
    """One hour of response times."""

    at: datetime
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    checks: int


@dataclass(frozen=True, slots=True)
class PublicService:
    """A service that the page shows; `days` are oldest first, `points` the last 24 hours."""

    id: UUID
    name: str
    description: str | None
    group_name: str | None
    display_order: int
    status: ServiceStatus
    status_since: datetime
    created_at: datetime
    days: tuple[PublicDay, ...]
    points: tuple[PublicPoint, ...]


@dataclass(frozen=True, slots=True)
class PublicUpdate:
    """A public update; `message` is the Markdown that was written, already cleaned."""

    id: UUID
    status: IncidentStatus
    message: str
    still_works: str | None
    created_at: datetime
    edited_at: datetime | None
    detected_automatically: bool
    next_update_by: datetime | None


@dataclass(frozen=True, slots=True)
class PublicAffected:
    """A visible service in an incident."""

    id: UUID
    name: str
    from_status: ServiceStatus
    to_status: ServiceStatus


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """A published incident; `updates` are newest first."""

    id: UUID
    code: str
    title: str
    status: IncidentStatus
    impact: Impact
    is_auto: bool
    started_at: datetime
    identified_at: datetime | None
    monitoring_at: datetime | None
    resolved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    next_update_by: datetime | None
    updates: tuple[PublicUpdate, ...]
    services: tuple[PublicAffected, ...]
    postmortem: str | None
    is_retroactive: bool = False


@dataclass(frozen=True, slots=True)
class PublicMaintenanceUpdate:
    """What was said about a maintenance window."""

    id: UUID
    status: MaintenanceStatus
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PublicMaintenance:
    """A maintenance window, or one occurrence of a recurring one.

    Attributes:
        services: names of the visible services that it concerns; service_ids: their ids, in the
            same order.
        updates: newest first.
    """

    id: UUID
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    status: MaintenanceStatus
    recurrence_rule: str | None
    services: tuple[str, ...]
    service_ids: tuple[UUID, ...] = ()
    updates: tuple[PublicMaintenanceUpdate, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicPage:
    """One page whole, as one consistent read.

    Attributes:
        revision: changes whenever anything shown changes; part of the ETag.
        read_at: the database's clock when it was read.
        observed_at: when a check was last recorded for any of its services, None when never.
        incidents: open ones first, then newest first, over the last 90 days and older ones
            as far as they were loaded.
    """

    slug: str
    name: str
    description: str
    headline: str | None
    support_link: str | None
    visibility: Visibility
    custom_domain: str | None
    theme: str
    organization_name: str
    organization_slug: str
    organization_url: str | None
    logo_url: str | None
    brand_color: str
    timezone: str
    revision: str
    read_at: datetime
    observed_at: datetime | None
    services: tuple[PublicService, ...]
    incidents: tuple[PublicIncident, ...]
    maintenance: tuple[PublicMaintenance, ...]
