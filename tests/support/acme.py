"""The organization that the tests of the incident's screens look at: a hidden database is down and
takes three services with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from statustui.domain.observation import Certificate, Phases
from statustui.domain.readmodels import (
    AffectedService,
    Board,
    Evidence,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    LastLook,
    MonitorRow,
    Organization,
    PageInfo,
    ServiceNow,
    ServiceRow,
    TimelineEntry,
)
from statustui.domain.status import (
    AutomaticIncidents,
    CheckStatus,
    ErrorKind,
    Impact,
    IncidentStatus,
    MonitorState,
    MonitorType,
    Role,
    ServiceStatus,
    Visibility,
)

NOW = datetime(2026, 11, 21, 3, 19, 35, tzinfo=UTC)
CODE = "INC-4F2K"


def number(n: int) -> UUID:
    """A UUID that is easily told from others."""
    return UUID(int=n)


def at(clock: str) -> datetime:
    """A clock time of the night, with or without seconds."""
    parts = [int(part) for part in clock.split(":")]
    second = parts[2] if len(parts) > 2 else 0
    return NOW.replace(hour=parts[0], minute=parts[1], second=second)


def service(
    n: int,
    name: str,
    state: MonitorState | None = MonitorState.UP,
    *,
    visible: bool = True,
    public: ServiceStatus | None = None,
) -> ServiceRow:
    """A service whose monitors all say the same."""
    status = {
        MonitorState.DOWN: ServiceStatus.MAJOR_OUTAGE,
        MonitorState.DEGRADED: ServiceStatus.DEGRADED_PERFORMANCE,
    }.get(state or MonitorState.UP, ServiceStatus.OPERATIONAL)
    return ServiceRow(
        id=number(n),
        name=name,
        group_name="core",
        description="",
        display_order=n,
        is_visible=visible,
        status=status,
        public_status=public if public is not None else status,
        status_since=at("03:10:55"),
        monitor_state=state,
        last_looked_at=at("03:19:31"),
        monitors=1,
        regions_down=1,
        regions_looked=1,
    )


def organization(role: Role = Role.OWNER) -> Organization:
    """Acme, as a person with this role sees it."""
    return Organization(
        id=1,
        slug="acme",
        name="Acme",
        timezone="Europe/Berlin",
        brand_color="#3B82F6",
        plan="team",
        automatic_incidents=AutomaticIncidents.PUBLIC,
        recovery_watch_seconds=120,
        public_base_url=None,
        role=role,
    )


SERVICES = (
    service(1, "Database", MonitorState.DOWN, visible=False),
    replace(service(2, "API", MonitorState.DOWN), cause_id=number(1), depends_on=(number(1),)),
    replace(service(3, "Checkout", MonitorState.DOWN), cause_id=number(1)),
    replace(service(4, "Mail", MonitorState.DOWN), cause_id=number(1)),
    *(service(10 + n, f"Service {n}") for n in range(40)),
)

PAGE = PageInfo("acme", "Acme", Visibility.PUBLIC)
OTHER_PAGE = PageInfo("acme-partners", "Partners", Visibility.PRIVATE, (number(10),))


def affected(row: ServiceRow) -> AffectedService:
    """A service as part of the incident."""
    return AffectedService(
        row.id, row.name, row.is_visible, ServiceStatus.OPERATIONAL, row.status, row.status
    )


INCIDENT = IncidentSummary(
    id=number(100),
    code=CODE,
    title="API, Checkout and Mail are unavailable",
    internal_title="Database takes down API, Checkout, Mail",
    status=IncidentStatus.INVESTIGATING,
    impact=Impact.CRITICAL,
    is_auto=True,
    is_public=True,
    version=3,
    started_at=at("03:10:55"),
    identified_at=None,
    monitoring_at=None,
    resolved_at=None,
    created_at=at("03:11:00"),
    updated_at=at("03:17:02"),
    created_by=None,
    lead=None,
    acknowledged_by=None,
    acknowledged_at=None,
    acknowledged_until=None,
    snoozed_until=None,
    next_update_by=at("03:41"),
    told_at=None,
    services=tuple(affected(row) for row in SERVICES[:4]),
    cause_service_id=number(1),
)

ACKNOWLEDGED = replace(
    INCIDENT,
    lead="alice",
    acknowledged_by="alice",
    acknowledged_at=at("03:14:20"),
    acknowledged_until=at("03:44:20"),
)

TIMELINE = (
    TimelineEntry(at("03:09:12"), "mark", "deploy db-proxy 2.8", who="ci"),
    TimelineEntry(
        at("03:10:55"), "failure", "connect to 10.0.0.5:5432 refused", service_name="Database"
    ),
    TimelineEntry(at("03:11:02"), "failure", "HTTP 503", service_name="API"),
    TimelineEntry(at("03:12:10"), "public_status", "Partial outage", is_public=True),
    TimelineEntry(at("03:14:20"), "acknowledged", "acknowledged until 03:44", who="alice"),
    TimelineEntry(
        at("03:17:02"), "note", "promoting the replica, 4 min", who="alice", status="investigating"
    ),
)

EVIDENCE = Evidence(
    monitor_id=number(201),
    monitor_name="db port",
    service_name="Database",
    region="local",
    at=at("03:10:55"),
    error_kind=ErrorKind.REFUSED,
    reason="connect to 10.0.0.5:5432 refused",
    phases=Phases(resolve_ms=2.0),
    address="10.0.0.5:5432",
    repeat_command="nc -vz 10.0.0.5 5432",
    last_good_at=at("03:10:25"),
)

AUTOMATIC_UPDATE = IncidentUpdate(
    id=number(300),
    status=IncidentStatus.INVESTIGATING,
    message="API, Checkout and Mail are unavailable since 03:10 UTC.",
    is_public=True,
    author=None,
    created_at=at("03:12:10"),
    detected_automatically=True,
)

DETAIL = IncidentDetail(
    summary=INCIDENT,
    updates=(AUTOMATIC_UPDATE,),
    timeline=TIMELINE,
    evidence=EVIDENCE,
    postmortem=None,
    pages=(PAGE,),
)


def board(
    *,
    incidents: tuple[IncidentSummary, ...] = (INCIDENT,),
    services: tuple[ServiceRow, ...] = SERVICES,
    role: Role = Role.OWNER,
) -> Board:
    """The first screen's read."""
    return Board(
        organization=organization(role),
        operator="alice",
        read_at=NOW,
        services=services,
        incidents=incidents,
        pages=(PAGE, OTHER_PAGE),
        maintenance=(),
        watch=None,
        silenced=0,
    )


def monitor(
    n: int = 201, name: str = "health", state: MonitorState = MonitorState.UP
) -> MonitorRow:
    """A monitor of the service API."""
    down = state is MonitorState.DOWN
    return MonitorRow(
        id=number(n),
        name=name,
        service_id=number(2),
        service_name="API",
        type=MonitorType.HTTP,
        target="https://api.acme.test/health",
        state=state,
        state_since=at("03:10:55"),
        interval_seconds=30,
        timeout_ms=10_000,
        failure_threshold=2,
        recovery_threshold=1,
        degraded_after_ms=800,
        is_active=True,
        paused_until=None,
        last_checked_at=at("03:19:31"),
        last_status=CheckStatus.FAILURE if down else CheckStatus.SUCCESS,
        last_duration_ms=312.0,
        error_kind=ErrorKind.HTTP_STATUS if down else None,
        reason="HTTP 503, wanted 200-299" if down else "",
        next_run_at=NOW + timedelta(seconds=26),
        runbook=None,
        tags=("eu",),
        config={},
    )


def look(n: int = 201, name: str = "health", state: MonitorState = MonitorState.DOWN) -> LastLook:
    """The last look of a monitor of the API."""
    row = monitor(n, name, state)
    down = state is MonitorState.DOWN
    return LastLook(
        monitor=row,
        region="local",
        at=row.last_checked_at,
        status=row.last_status,
        duration_ms=312.0,
        phases=Phases(2.0, 11.0, 24.0, 273.0 if down else 6.0, 2.0),
        address="203.0.113.10:443",
        error_kind=row.error_kind,
        reason=row.reason,
        status_code=503 if down else 200,
        certificate=Certificate(
            "api.acme.test", "Test CA", "01", NOW + timedelta(days=61, hours=3)
        ),
        repeat_command="curl -sv --max-time 10 https://api.acme.test/health",
        last_good_at=at("03:10:25"),
        last_good_phases=Phases(2.0, 10.0, 22.0, 6.0, 1.0),
        evidence=None,
    )


def service_now() -> ServiceNow:
    """The tab Now of the API."""
    return ServiceNow(
        service=SERVICES[1],
        looks=(look(), look(202, "ping", MonitorState.UP)),
        incidents=(INCIDENT,),
        depends_on=(SERVICES[0],),
        needed_by=(),
    )
