"""The outage that the first screen is drawn with: a hidden database takes down three services.

Forty-four services in five groups, the same moment as in the pictures, and as many more as a test
asks for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from statustui.domain.observation import Phases
from statustui.domain.readmodels import (
    AffectedService,
    Board,
    DayCell,
    IncidentDetail,
    IncidentSummary,
    LastLook,
    MaintenanceRow,
    MonitorRow,
    Organization,
    PageInfo,
    ServiceFigures,
    ServiceNow,
    ServiceRow,
    TimelineEntry,
    WatchInfo,
)
from statustui.domain.rollup import BOUNDS_MS
from statustui.domain.status import (
    AutomaticIncidents,
    CheckStatus,
    ErrorKind,
    Impact,
    IncidentStatus,
    MaintenanceStatus,
    MonitorState,
    MonitorType,
    Role,
    ServiceStatus,
    Visibility,
)

AT = datetime(2026, 11, 21, 3, 14, 7, tzinfo=UTC)
ORG = 1
CHANNEL_KEY = "0123456789abcdef0123456789abcdef"
_SPACE = UUID(int=7)

GROUPS = (
    ("core", "API|Database|Login|Sessions|Search|Permissions|Mail|Object store|Queue"),
    ("money", "Checkout|Invoices|Payouts|Subscriptions|Tax|Fraud rules"),
    ("web", "Website|Docs|Status api|Console|Signup|CDN|Images|Support portal|Blog"),
    ("links", "Webhooks|Bank feed|Courier labels|SMS|Maps|Exchange rates|Partner API"),
    (
        "staff",
        (
            "VPN|Git|Build|Artifacts|Metrics|Log store|Backups|Mail relay|"
            "DNS|LDAP|Wiki|Chat bridge|Print queue"
        ),
    ),
)


def service_id(name: str) -> UUID:
    """The id of a service of this world."""
    return uuid5(_SPACE, name)


def ago(minutes: float) -> datetime:
    """So many minutes before the moment of the pictures."""
    return AT - timedelta(minutes=minutes)


def strip(codes: str, *, limit_ms: int = 1000) -> bytes:
    """An hour from twenty signs of three minutes each: 1–7 heights, x failed, ? nobody looked."""
    shares = {"1": 0.05, "2": 0.2, "3": 0.4, "4": 0.8, "5": 1.3, "6": 2.0, "7": 4.0}
    found = bytearray()
    for code in codes:
        if code == "x":
            byte = 0x80
        elif code == "?":
            byte = 0x81
        else:
            wanted = shares[code] * limit_ms
            bucket = sum(bound < wanted / 1.3 for bound in BOUNDS_MS)
            byte = (0x21 if code > "4" else 0x01) + min(bucket, 23)
        found += bytes([byte]) * 3
    return bytes(found)


def organization(role: Role = Role.OWNER) -> Organization:
    """Acme."""
    return Organization(
        id=ORG,
        slug="acme",
        name="Acme",
        timezone="Europe/Berlin",
        brand_color="#3B82F6",
        plan="team",
        automatic_incidents=AutomaticIncidents.PUBLIC,
        recovery_watch_seconds=120,
        public_base_url="https://status.example.net",
        role=role,
        channel_key=CHANNEL_KEY,
    )


def healthy(name: str, group: str, order: int, *, is_visible: bool = True) -> ServiceRow:
    """A service that is up since INC-3ZQ1."""
    return ServiceRow(
        id=service_id(name),
        name=name,
        group_name=group,
        description="",
        display_order=order,
        is_visible=is_visible,
        status=ServiceStatus.OPERATIONAL,
        public_status=ServiceStatus.OPERATIONAL,
        status_since=AT - timedelta(days=6, hours=4),
        monitor_state=MonitorState.UP,
        recent=strip(("2222122222", "2222222322")[order % 2] * 2),
        recent_until=AT.replace(second=0) + timedelta(minutes=1),
        monitors=1,
        regions_looked=1,
        last_looked_at=AT - timedelta(seconds=3),
    )


def _all_healthy() -> list[ServiceRow]:
    found = []
    order = 0
    for group, names in GROUPS:
        for name in names.split("|"):
            order += 1
            visible = name != "Database" and name != "VPN"
            found.append(healthy(name, group, order, is_visible=visible))
    return found


def _broken() -> dict[str, ServiceRow]:
    every = {row.name: row for row in _all_healthy()}
    database = replace(
        every["Database"],
        status=ServiceStatus.MAJOR_OUTAGE,
        status_since=AT.replace(minute=10, second=55),
        monitor_state=MonitorState.DOWN,
        error_kind=ErrorKind.REFUSED,
        reason="connect to 10.0.0.5:5432 refused",
        reason_monitor="port",
        incident_code="INC-4F2K",
        recent=strip("2222223222222222222x"),
        regions_down=2,
        regions_looked=2,
        last_looked_at=AT - timedelta(seconds=4),
    )
    children = {
        name: replace(
            every[name],
            status=ServiceStatus.MAJOR_OUTAGE,
            public_status=ServiceStatus.PARTIAL_OUTAGE,
            status_since=AT.replace(minute=since[0], second=since[1]),
            monitor_state=MonitorState.DOWN,
            error_kind=ErrorKind.HTTP_STATUS,
            reason="answered 503 Service Unavailable, expected 200-299",
            reason_monitor="health",
            depends_on=(database.id,),
            cause_id=database.id,
            incident_code="INC-4F2K",
            recent=strip(codes),
            regions_down=1,
        )
        for name, since, codes in (
            ("API", (11, 2), "1111111211111111111x"),
            ("Checkout", (12, 1), "2222222222232222222x"),
            ("Mail", (11, 2), "1111111111111121111x"),
        )
    }
    search = replace(
        every["Search"],
        status=ServiceStatus.DEGRADED_PERFORMANCE,
        status_since=ago(11.5),
        monitor_state=MonitorState.DEGRADED,
        reason="took 812 ms, limit 500 ms",
        reason_monitor="query",
        incident_code="INC-4F2J",
        recent=strip("22222223222322356677", limit_ms=500),
        limit_ms=500,
    )
    webhooks = replace(
        every["Webhooks"],
        status=ServiceStatus.DEGRADED_PERFORMANCE,
        status_since=ago(26.5),
        monitor_state=MonitorState.FLAPPING,
        error_kind=ErrorKind.TIMEOUT,
        reason="no answer within 10 s",
        reason_monitor="post",
        incident_code="INC-4F1X",
        flips=4,
        recent=strip("222222222x22x2x22x22"),
    )
    vpn = replace(
        every["VPN"],
        status_since=ago(9.5),
        monitor_state=MonitorState.UNKNOWN,
        error_kind=ErrorKind.OBSERVER,
        reason="no route to host",
        reason_monitor="gateway",
        recent=strip("2222222222222222????"),
    )
    return {row.name: row for row in (database, *children.values(), search, webhooks, vpn)}


def affected(row: ServiceRow) -> AffectedService:
    """A service as part of an incident."""
    return AffectedService(
        row.id, row.name, row.is_visible, ServiceStatus.OPERATIONAL, row.status, row.status
    )


def incident(code: str, title: str, rows: list[ServiceRow], **changes: object) -> IncidentSummary:
    """An open incident about some services."""
    plain = IncidentSummary(
        id=uuid5(_SPACE, code),
        code=code,
        title=title,
        internal_title="",
        status=IncidentStatus.INVESTIGATING,
        impact=Impact.MAJOR,
        is_auto=True,
        is_public=True,
        version=1,
        started_at=min(row.status_since for row in rows),
        identified_at=None,
        monitoring_at=None,
        resolved_at=None,
        created_at=ago(3),
        updated_at=ago(3),
        created_by=None,
        lead=None,
        acknowledged_by=None,
        acknowledged_at=None,
        acknowledged_until=None,
        snoozed_until=None,
        next_update_by=None,
        told_at=None,
        services=tuple(affected(row) for row in rows),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def outage(*, more: int = 0, role: Role = Role.OWNER) -> Board:
    """The board of the pictures.

    Args:
        more: how many healthy services there are besides.
        role: what the operator may do.
    """
    broken = _broken()
    rows = [broken.get(row.name, row) for row in _all_healthy()]
    rows += [healthy(f"Service {n:04}", f"group {n % 20}", 100 + n) for n in range(more)]
    main = incident(
        "INC-4F2K",
        "API, Checkout and Mail are unavailable",
        [broken[name] for name in ("API", "Checkout", "Mail", "Database")],
        internal_title="Database takes down API, Checkout, Mail",
        impact=Impact.CRITICAL,
        is_public=False,
        cause_service_id=broken["Database"].id,
        next_update_by=AT.replace(minute=41, second=0),
    )
    search = incident(
        "INC-4F2J",
        "Search p95 812 ms",
        [broken["Search"]],
        is_public=False,
        impact=Impact.MINOR,
        lead="bob",
        acknowledged_by="bob",
        acknowledged_until=AT + timedelta(minutes=19),
    )
    webhooks = incident(
        "INC-4F1X",
        "Webhooks flapping",
        [broken["Webhooks"]],
        is_public=False,
        impact=Impact.MINOR,
        snoozed_until=AT + timedelta(minutes=34),
    )
    # What is kept from the public is shown green by the page.
    rows = [
        replace(row, public_status=ServiceStatus.OPERATIONAL)
        if row.name in ("Search", "Webhooks")
        else row
        for row in rows
    ]
    return Board(
        organization=organization(role),
        operator="alice",
        read_at=AT,
        services=tuple(rows),
        incidents=(main, search, webhooks),
        pages=(PageInfo("acme", "Acme", Visibility.PUBLIC),),
        maintenance=(_maintenance(),),
        watch=WatchInfo("db1:4711", alive=True, heartbeat_at=AT, started_at=ago(600),
                        behind_seconds=0.0),
        silenced=1,
    )  # fmt: skip


def calm(*, more: int = 0, role: Role = Role.OWNER) -> Board:
    """The same organization with everything up."""
    board = outage(role=role)
    rows = [
        *_all_healthy(),
        *(healthy(f"Service {n:04}", f"group {n % 20}", 100 + n) for n in range(more)),
    ]
    past = incident(
        "INC-3ZQ1", "Database is unavailable", rows[:1],
        status=IncidentStatus.RESOLVED, resolved_at=AT - timedelta(hours=6, minutes=4),
    )  # fmt: skip
    return replace(board, services=tuple(rows), incidents=(past,), silenced=0)


def _maintenance() -> MaintenanceRow:
    starts = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
    return MaintenanceRow(
        id=uuid5(_SPACE, "window"),
        title="Checkout moves",
        description="",
        starts_at=starts,
        ends_at=starts + timedelta(hours=1),
        status=MaintenanceStatus.SCHEDULED,
        recurrence_rule=None,
        services=("Checkout",),
    )


def figures(board: Board) -> tuple[ServiceFigures, ...]:
    """The slower figures: an outage a week ago in what broke today, nothing elsewhere."""
    today = AT.date()
    found = []
    for row in board.services:
        bad = row.name in ("API", "Database", "Checkout", "Mail")
        found.append(
            ServiceFigures(
                service_id=row.id,
                p95_ms=None if row.name == "Database" else 40.0 + 8 * (row.display_order % 17),
                succeeded=43_183 if bad else 43_200,
                looked=43_200,
                days=tuple(_day(today - timedelta(days=29 - n), n, bad=bad) for n in range(30)),
            )
        )
    return tuple(found)


def _day(day: date, number: int, *, bad: bool) -> DayCell:
    worst = None
    if bad and number == 24:
        worst = ServiceStatus.MAJOR_OUTAGE
    elif bad and number == 23:
        worst = ServiceStatus.DEGRADED_PERFORMANCE
    return DayCell(day, 1440, 1440, 1440, 1440, worst)


RUNBOOK = "https://wiki.example.net/db-failover.md"


def database_now(board: Board) -> ServiceNow:
    """The last look at the hidden database."""
    service = next(row for row in board.services if row.name == "Database")
    monitor = MonitorRow(
        id=uuid5(_SPACE, "port"),
        name="port",
        service_id=service.id,
        service_name=service.name,
        type=MonitorType.TCP,
        target="10.0.0.5:5432",
        state=MonitorState.DOWN,
        state_since=service.status_since,
        interval_seconds=30,
        timeout_ms=5_000,
        failure_threshold=2,
        recovery_threshold=1,
        degraded_after_ms=None,
        is_active=True,
        paused_until=None,
        last_checked_at=service.last_looked_at,
        last_status=CheckStatus.FAILURE,
        last_duration_ms=0.8,
        error_kind=service.error_kind,
        reason=service.reason,
        next_run_at=AT + timedelta(seconds=26),
        runbook=RUNBOOK,
        tags=(),
        config={},
    )
    look = LastLook(
        monitor=monitor,
        region="eu-1",
        at=service.last_looked_at,
        status=CheckStatus.FAILURE,
        duration_ms=0.8,
        phases=Phases(resolve_ms=0.3),
        address="10.0.0.5:5432",
        error_kind=service.error_kind,
        reason=service.reason,
        status_code=None,
        certificate=None,
        repeat_command="nc -vz 10.0.0.5 5432",
        last_good_at=AT.replace(minute=10, second=25),
        last_good_phases=None,
        evidence=None,
    )
    return ServiceNow(service, (look,), (), (), ())


def main_detail(board: Board) -> IncidentDetail:
    """The drawn incident with its timeline."""

    def entry(second: int, minute: int, kind: str, text: str, **more: object) -> TimelineEntry:
        return TimelineEntry(AT.replace(minute=minute, second=second), kind, text, **more)  # type: ignore[arg-type]

    timeline = (
        entry(12, 9, "mark", "deploy db-proxy 2.8", who="ci"),
        entry(55, 10, "failure", "connect to 10.0.0.5:5432 refused", service_name="Database"),
        entry(2, 11, "failure", "answered 503", service_name="API"),
        entry(2, 11, "failure", "answered 503", service_name="Mail"),
        entry(1, 12, "failure", "answered 503", service_name="Checkout"),
        entry(10, 12, "public_status", "", status="partial_outage", is_public=True),
    )
    return IncidentDetail(board.incidents[0], (), timeline, None, None, board.pages)
