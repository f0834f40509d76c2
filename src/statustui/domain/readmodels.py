"""What the terminal and the command line read: frozen values that the store fills and presenters
turn into words.

Nothing here knows how it was loaded. Times are aware UTC. Ids are the public UUIDs; small integer
keys of the database never leave the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from statustui.domain.evidence_changes import Change
from statustui.domain.observation import Certificate, Phases
from statustui.domain.status import (
    AutomaticIncidents,
    ChangeCause,
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


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant, as its members see it.

    Attributes:
        channel_key: the random key under which its changes are announced.
        role: what the operator may do in it.
    """

    id: int
    slug: str
    name: str
    timezone: str
    brand_color: str
    plan: str
    automatic_incidents: AutomaticIncidents
    recovery_watch_seconds: int
    public_base_url: str | None
    role: Role
    channel_key: str = ""


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page of the organization.

    Attributes:
        service_ids: the services it lists, None when it shows all visible ones.
    """

    slug: str
    name: str
    visibility: Visibility
    service_ids: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine, as its own row tells.

    Attributes:
        holder: "host:pid" of its process; host: of that.
        region: where it looks from.
        monitors: how many it looks at; share: the part of its region's monitors, 0 to 1.
        behind_seconds: how late its checks start at present, 0 when on time.
        started_at: when it began; heartbeat_at: when it was heard of last.
        clock_skew_seconds: how much its host's clock is ahead of the database's.
        offline: whether it believes that its own network is gone.
        spooled_results: results that wait on its disk, as of its last beat.
    """

    holder: str
    host: str
    region: str
    monitors: int
    share: float
    behind_seconds: float
    started_at: datetime
    heartbeat_at: datetime
    clock_skew_seconds: float = 0.0
    offline: bool = False
    spooled_results: int = 0


@dataclass(frozen=True, slots=True)
class WatchInfo:
    """The engines that look at present, or the one that did last.

    Attributes:
        holder: "host:pid" of the process, with how many others there are.
        alive: whether any was heard of lately, on the database's clock.
        heartbeat_at: when one was heard of last.
        started_at: when the one that has looked longest began.
        behind_seconds: how late checks start at present where they start latest, 0 when on time.
        offline: whether all of them believe that their own network is gone.
        spooled_results: results that wait on the disks of all of them.
        engines: those that are alive.
    """

    holder: str
    alive: bool
    heartbeat_at: datetime
    started_at: datetime
    behind_seconds: float
    offline: bool = False
    spooled_results: int = 0
    engines: tuple[EngineInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class RegionState:
    """What one region says about a monitor; `unknown` while it cannot look."""

    name: str
    state: MonitorState


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service on the first screen.

    Attributes:
        status: what the house knows; public_status: what the page shows.
        status_since: since when `status` holds (the outage's first failed check).
        pinned_status: the manual status that overrides everything, None when not pinned.
        monitor_state: the worst of its active monitors; None without any.
        error_kind, reason: of the monitor that is worst, from its last look when that was not
            good; when it was, what was said when its state began. Also of one that is up still
            while its failures are too few for a verdict.
        reason_monitor: that monitor's name.
        depends_on: ids of the services it needs.
        cause_id: the dependency that is down and explains this, None when it stands alone.
        incident_code: the most severe open incident that it is part of.
        recent: one byte a minute for the last hour, oldest first (see `domain.recent`).
        recent_until: the minute after the last byte of `recent`.
        monitors: how many monitors; paused: how many of them are paused or inactive.
        silenced_until: end of the longest pause or snooze; None when nothing is silenced.
        regions_down, regions_looked: how many regions say down, of how many that looked; regions:
            what each says from which that monitor is looked at.
        flips: state changes within the flapping window.
        limit_ms: the configured `degraded_after_ms` of the worst monitor.
        last_looked_at: start of the look that `reason` comes from; while nothing is wrong, of the
            newest look of any monitor.
        in_maintenance: whether a window covers it now.
        failures: failed looks in a row of the worst monitor; threshold: how many make it down.
            0 < failures < threshold while it is up: a verdict is near.
        successes: good looks in a row of the worst monitor while it is not up: it may recover.
    """

    id: UUID
    name: str
    group_name: str
    description: str
    display_order: int
    is_visible: bool
    status: ServiceStatus
    public_status: ServiceStatus
    status_since: datetime
    pinned_status: ServiceStatus | None = None
    monitor_state: MonitorState | None = None
    error_kind: ErrorKind | None = None
    reason: str = ""
    reason_monitor: str = ""
    depends_on: tuple[UUID, ...] = ()
    cause_id: UUID | None = None
    incident_code: str | None = None
    recent: bytes = b""
    recent_until: datetime | None = None
    monitors: int = 0
    paused: int = 0
    silenced_until: datetime | None = None
    regions_down: int = 0
    regions_looked: int = 0
    regions: tuple[RegionState, ...] = ()
    flips: int = 0
    limit_ms: int | None = None
    last_looked_at: datetime | None = None
    in_maintenance: bool = False
    tags: tuple[str, ...] = ()
    failures: int = 0
    threshold: int = 0
    successes: int = 0


@dataclass(frozen=True, slots=True)
class AffectedService:
    """A service in an incident, with what the incident did to it."""

    id: UUID
    name: str
    is_visible: bool
    from_status: ServiceStatus
    to_status: ServiceStatus
    status: ServiceStatus


@dataclass(frozen=True, slots=True)
class PendingPost:
    """A public post that can still be taken back.

    Attributes:
        public_at: when the page shows it; notify_at: when mail and webhooks go out.
    """

    id: UUID
    author: str
    status: IncidentStatus
    message: str
    public_at: datetime
    notify_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IncidentSummary:
    """One incident in a list, and the line NOW of the first screen.

    Attributes:
        version: rises with every post or edit; a post names the version it was based on.
        internal_title: names the cause; `title` is public.
        cause_service_id: the service whose failure explains the others, None when unknown.
        told_at: time of the newest public update; None when none yet.
        told_by: who wrote it; None when the checks did.
        next_update_by: the promised time of the next public update.
        acknowledged_until, snoozed_until: when these expire.
        pending: the post that still can be taken back.
        draft: words of a guarded incident that wait; draft_due_at: when the approved sentence is
            posted without them; held_by: who holds them, None when nobody does.
    """

    id: UUID
    code: str
    title: str
    internal_title: str
    status: IncidentStatus
    impact: Impact
    is_auto: bool
    is_public: bool
    version: int
    started_at: datetime
    identified_at: datetime | None
    monitoring_at: datetime | None
    resolved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by: str | None
    lead: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    acknowledged_until: datetime | None
    snoozed_until: datetime | None
    next_update_by: datetime | None
    told_at: datetime | None
    services: tuple[AffectedService, ...] = ()
    cause_service_id: UUID | None = None
    pending: PendingPost | None = None
    after_the_fact: bool = False
    told_by: str | None = None
    draft: str | None = None
    draft_due_at: datetime | None = None
    held_by: str | None = None

    @property
    def internal_or_title(self) -> str:
        """What operators call it."""
        return self.internal_title or self.title


@dataclass(frozen=True, slots=True)
class IncidentUpdate:
    """One row of an incident's append-only timeline of updates and notes."""

    id: UUID
    status: IncidentStatus
    message: str
    is_public: bool
    author: str | None
    created_at: datetime
    edited_at: datetime | None = None
    next_update_by: datetime | None = None
    still_works: str | None = None
    detected_automatically: bool = False


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of a timeline, oldest first.

    Attributes:
        kind: `update`, `note`, `failure`, `recovery`, `state`, `status`, `public_status`,
            `acknowledged`, `snoozed`, `edited`, `mark`, `maintenance`, `delivery`.
        text: cleaned; who: a person, None for the engine; is_public: whether the public sees it.
    """

    at: datetime
    kind: str
    text: str
    who: str | None = None
    is_public: bool = False
    service_name: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen with the first failure, kept for the incident.

    Attributes:
        changes: what was otherwise at the last good look before it.
        marks: what was noted in the hour before it and the five minutes after it, for its service
            or for none, newest first.
        further: whatever else was seen, as labels and words.
    """

    monitor_id: UUID
    monitor_name: str
    service_name: str
    region: str
    at: datetime
    error_kind: ErrorKind | None
    reason: str
    phases: Phases
    address: str = ""
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body_text: str = ""
    certificate: Certificate | None = None
    answers: tuple[str, ...] = ()
    repeat_command: str = ""
    last_good_at: datetime | None = None
    last_good_phases: Phases | None = None
    changes: tuple[Change, ...] = ()
    marks: tuple[Mark, ...] = ()
    further: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HeldPost:
    """A post of one's own that did not become public, because the incident moved meanwhile.

    Attributes:
        refusal: why, as a sentence.
        moved_to: the stage to which the incident was moved; moved_at: when that was posted; both
            None when it was no post that stood in the way.
    """

    status: IncidentStatus
    message: str
    held_at: datetime
    refusal: str
    moved_to: IncidentStatus | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """One incident whole.

    Attributes:
        held: this person's newest post when it was held within the last day; its words stand in
            the draft.
    """

    summary: IncidentSummary
    updates: tuple[IncidentUpdate, ...]
    timeline: tuple[TimelineEntry, ...]
    evidence: Evidence | None
    postmortem: str | None
    pages: tuple[PageInfo, ...]
    held: HeldPost | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceRow:
    """One maintenance window, or the next occurrence of a recurring one."""

    id: UUID
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    status: MaintenanceStatus
    recurrence_rule: str | None
    services: tuple[str, ...]
    auto_update: bool = True


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the first screen shows, as one consistent read.

    Attributes:
        read_at: the database's clock when it was read.
        incidents: the open ones, and those resolved within the last 24 hours.
        watch: the lease row, None when no watch ever ran.
        silenced: how many services or monitors are paused, snoozed or in maintenance.
    """

    organization: Organization
    operator: str
    read_at: datetime
    services: tuple[ServiceRow, ...]
    incidents: tuple[IncidentSummary, ...]
    pages: tuple[PageInfo, ...]
    maintenance: tuple[MaintenanceRow, ...]
    watch: WatchInfo | None
    silenced: int


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of a service: counts of checks, and the worst that was shown."""

    day: date
    succeeded: int
    looked: int
    slots_scheduled: int
    slots_looked: int
    worst_status: ServiceStatus | None


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The slower figures of one service, loaded after the first frame.

    Attributes:
        p95_ms: over the last 24 hours, None without data.
        succeeded, looked: checks of the last 30 days.
        days: 30 days, oldest first.
    """

    service_id: UUID
    p95_ms: float | None
    succeeded: int
    looked: int
    days: tuple[DayCell, ...]


@dataclass(frozen=True, slots=True)
class MonitorRow:
    """One monitor in a list.

    Attributes:
        target: what it looks at, secrets masked ("https://api.acme.test/health").
        address: "Service/monitor", the name that commands take.
        next_run_at: when the engine looks next, as far as the database knows.
        regions: what each says from which it is looked at; region_quorum: how many of them make it
            down, None for more than half of those that looked.
    """

    id: UUID
    name: str
    service_id: UUID
    service_name: str
    type: MonitorType
    target: str
    state: MonitorState
    state_since: datetime | None
    interval_seconds: int
    timeout_ms: int
    failure_threshold: int
    recovery_threshold: int
    degraded_after_ms: int | None
    is_active: bool
    paused_until: datetime | None
    last_checked_at: datetime | None
    last_status: CheckStatus | None
    last_duration_ms: float | None
    error_kind: ErrorKind | None
    reason: str
    next_run_at: datetime | None
    runbook: str | None
    tags: tuple[str, ...]
    config: Mapping[str, object]
    conditions: tuple[str, ...] = ()
    degraded_conditions: tuple[str, ...] = ()
    recent: bytes = b""
    recent_until: datetime | None = None
    regions: tuple[RegionState, ...] = ()
    region_quorum: int | None = None


@dataclass(frozen=True, slots=True)
class LastLook:
    """The last check of one monitor from one region, for the waterfall."""

    monitor: MonitorRow
    region: str
    at: datetime | None
    status: CheckStatus | None
    duration_ms: float | None
    phases: Phases
    address: str
    error_kind: ErrorKind | None
    reason: str
    status_code: int | None
    certificate: Certificate | None
    repeat_command: str
    last_good_at: datetime | None
    last_good_phases: Phases | None
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """The tab *Now* of a service."""

    service: ServiceRow
    looks: tuple[LastLook, ...]
    incidents: tuple[IncidentSummary, ...]
    depends_on: tuple[ServiceRow, ...]
    needed_by: tuple[ServiceRow, ...]


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """One bucket of a latency chart; the figures are None when nothing succeeded in it."""

    at: datetime
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    checks: int
    failures: int


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One row of a service's history of statuses."""

    effective_at: datetime
    recorded_at: datetime
    from_status: ServiceStatus
    to_status: ServiceStatus
    cause: ChangeCause
    cause_code: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text somebody has not posted yet.

    Attributes:
        incident_code: None for a new incident.
        fields: what the composer's fields hold, by field name.
        kind: `public` or `note`; each incident keeps one draft of either kind per person.
    """

    incident_code: str | None
    base_version: int
    fields: Mapping[str, str]
    saved_at: datetime
    kind: str = "public"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that changed, noted by a person or a script."""

    id: UUID
    at: datetime
    text: str
    source: str
    link: str | None
    services: tuple[str, ...]
    author: str
