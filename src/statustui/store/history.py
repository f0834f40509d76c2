"""Writes a whole past in one transaction: an organization that looks as if it had been watched.

Only the superuser of a database of one's own can do this, which is what the demonstration has. Rows
go in by COPY, each table in one stream; what they mean was decided by the domain before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from statustui.domain.rollup import BUCKETS, Rollup
from statustui.store import queries
from statustui.store.bootstrap import create_organization
from statustui.store.connection import ConnectionTarget, connect
from statustui.store.errors import translated

_SQL = queries.load("history")
_SCHEMA = "statustui"

_ROLLUP_COLUMNS = (
    *("success", "degraded", "failure", "timeout", "unknown", "maintenance", "slots", "timed"),
    *("sum_ms", "min_ms", "max_ms"),
    *(f"h{bucket:02}" for bucket in range(BUCKETS)),
)


class ServiceRecord(NamedTuple):
    """A row of `services`."""

    id: UUID
    org_id: int
    name: str
    description: str
    group_name: str
    display_order: int
    is_visible: bool
    created_at: datetime


class DependencyRecord(NamedTuple):
    """A row of `service_dependencies`."""

    org_id: int
    service_id: UUID
    depends_on_id: UUID


class MonitorRecord(NamedTuple):
    """A row of `monitors`; `config` is JSON."""

    id: UUID
    org_id: int
    service_id: UUID
    name: str
    type: str
    config: str
    interval_seconds: int
    timeout_ms: int
    failure_threshold: int
    recovery_threshold: int
    retry_interval_seconds: int
    degraded_after_ms: int | None
    conditions: list[str]
    runbook: str | None
    tags: list[str]
    created_at: datetime


class ScheduleRecord(NamedTuple):
    """A row of `monitor_schedules`."""

    monitor: int
    region: int
    org_id: int
    from_at: datetime
    to_at: datetime
    interval_seconds: int
    phase_ms: int


class CheckRecord(NamedTuple):
    """A row of `checks`."""

    monitor: int
    region: int
    checked_at: datetime
    org_id: int
    slot_at: datetime
    status: str
    error_kind: str | None
    is_retry: bool
    in_maintenance: bool
    status_code: int | None
    duration_ms: float
    resolve_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    transfer_ms: float | None
    reason: str | None
    address: str | None


class MonitorStateRecord(NamedTuple):
    """A row of `monitor_state`; the last two are JSON (see `domain.evidence`)."""

    monitor: int
    region: int
    org_id: int
    state: str
    state_since: datetime
    consecutive_failures: int
    consecutive_successes: int
    last_good_at: datetime | None
    last_checked_at: datetime
    last_slot_at: datetime
    last_status: str
    last_error_kind: str | None
    last_reason: str | None
    last_duration_ms: float
    recent: bytes
    recent_until: datetime | None
    last_look: str
    last_good: str


class MonitorStatusRecord(NamedTuple):
    """A row of `monitor_status`."""

    monitor: int
    org_id: int
    state: str
    since: datetime
    error_kind: str | None
    reason: str | None


class MonitorStateChangeRecord(NamedTuple):
    """A row of `monitor_state_changes`."""

    org_id: int
    monitor: int
    region: int | None
    from_state: str
    to_state: str
    error_kind: str | None
    reason: str | None
    effective_at: datetime
    recorded_at: datetime


class EvidenceRecord(NamedTuple):
    """A row of `evidence`; `data` is JSON (see `domain.evidence`)."""

    org_id: int
    monitor: int
    region: int
    checked_at: datetime
    data: str
    body: str | None
    recorded_at: datetime


class ServiceMonitorStatusRecord(NamedTuple):
    """A row of `service_monitor_status`."""

    service_id: UUID
    org_id: int
    status: str
    since: datetime
    monitor_id: UUID | None


class ServiceStateRecord(NamedTuple):
    """What a row of `service_state` becomes."""

    service_id: UUID
    current_status: str
    status_since: datetime
    public_status: str
    public_since: datetime


class StatusChangeRecord(NamedTuple):
    """A row of `service_status_changes`."""

    org_id: int
    service_id: UUID
    from_status: str
    to_status: str
    public_from: str
    public_to: str
    cause: str
    cause_id: UUID | None
    effective_at: datetime
    recorded_at: datetime


class IncidentRecord(NamedTuple):
    """A row of `incidents`."""

    id: UUID
    org_id: int
    code: str
    title: str
    internal_title: str | None
    impact: str
    status: str
    is_auto: bool
    is_public: bool
    created_by: str | None
    lead: str | None
    touched_by: str | None
    touched_at: datetime | None
    started_at: datetime
    identified_at: datetime | None
    monitoring_at: datetime | None
    resolved_at: datetime | None
    published_at: datetime | None
    next_update_by: datetime | None
    cause_service_id: UUID | None
    error_kind: str | None
    postmortem: str | None
    postmortem_published_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class IncidentServiceRecord(NamedTuple):
    """A row of `incident_services`."""

    org_id: int
    incident_id: UUID
    service_id: UUID
    from_status: str
    to_status: str
    asked_status: str | None
    added_at: datetime


class IncidentUpdateRecord(NamedTuple):
    """A row of `incident_updates`."""

    org_id: int
    incident_id: UUID
    kind: str
    status: str
    message: str
    is_public: bool
    author: str | None
    next_update_by: datetime | None
    still_works: str | None
    created_at: datetime


class MarkRecord(NamedTuple):
    """A row of `marks`."""

    id: UUID
    org_id: int
    at: datetime
    text: str
    source: str | None
    author: str
    created_at: datetime


class MarkServiceRecord(NamedTuple):
    """A row of `mark_services`."""

    org_id: int
    mark_id: UUID
    service_id: UUID


class WindowRecord(NamedTuple):
    """A row of `maintenance_windows`."""

    id: UUID
    org_id: int
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    status: str
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


class WindowServiceRecord(NamedTuple):
    """A row of `maintenance_services`."""

    org_id: int
    window_id: UUID
    service_id: UUID


class WindowUpdateRecord(NamedTuple):
    """A row of `maintenance_updates`."""

    org_id: int
    window_id: UUID
    status: str
    message: str
    author: str | None
    created_at: datetime


class ObservedRecord(NamedTuple):
    """A row of `observed`."""

    org_id: int
    observed_at: datetime
    last_check_at: datetime


Record = (
    ServiceRecord
    | DependencyRecord
    | MonitorRecord
    | ScheduleRecord
    | CheckRecord
    | MonitorStateRecord
    | MonitorStatusRecord
    | MonitorStateChangeRecord
    | EvidenceRecord
    | ServiceMonitorStatusRecord
    | StatusChangeRecord
    | IncidentRecord
    | IncidentServiceRecord
    | IncidentUpdateRecord
    | MarkRecord
    | MarkServiceRecord
    | WindowRecord
    | WindowServiceRecord
    | WindowUpdateRecord
    | ObservedRecord
)

_TABLES: Mapping[type[Record], str] = {
    ServiceRecord: "services",
    DependencyRecord: "service_dependencies",
    MonitorRecord: "monitors",
    ScheduleRecord: "monitor_schedules",
    CheckRecord: "checks",
    MonitorStateRecord: "monitor_state",
    MonitorStatusRecord: "monitor_status",
    MonitorStateChangeRecord: "monitor_state_changes",
    EvidenceRecord: "evidence",
    ServiceMonitorStatusRecord: "service_monitor_status",
    StatusChangeRecord: "service_status_changes",
    IncidentRecord: "incidents",
    IncidentServiceRecord: "incident_services",
    IncidentUpdateRecord: "incident_updates",
    MarkRecord: "marks",
    MarkServiceRecord: "mark_services",
    WindowRecord: "maintenance_windows",
    WindowServiceRecord: "maintenance_services",
    WindowUpdateRecord: "maintenance_updates",
    ObservedRecord: "observed",
}


class HistoryWriter:
    """Writes into one open transaction.

    Args:
        connection: as a superuser, inside a transaction.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def find_organization(self, slug: str) -> int | None:
        """The organization's id, None when there is none of that name."""
        found: int | None = await self._connection.fetchval(_SQL["find_organization"], slug)
        return found

    async def create_organization(self, *, owner: str, name: str, slug: str, timezone: str) -> int:
        """Creates an organization with its page, owned by a person.

        Args:
            owner: the person's role; it must exist.
            name: 1–255 characters.
            slug: 3–100 characters.
            timezone: IANA name.
        """
        this_role = await self._connection.fetchval(_SQL["current_role"])
        await self._connection.execute(_SQL["act_as"], owner)
        try:
            return await create_organization(
                self._connection, name=name, slug=slug, timezone=timezone
            )
        finally:
            await self._connection.execute(_SQL["act_as"], this_role)

    async def dress(
        self,
        org_id: int,
        *,
        brand_color: str,
        recovery_watch_seconds: int,
        page_name: str,
        page_description: str,
    ) -> None:
        """Sets how the organization and its page look and behave."""
        await self._connection.execute(
            _SQL["dress_organization"], org_id, brand_color, recovery_watch_seconds
        )
        await self._connection.execute(_SQL["dress_page"], org_id, page_name, page_description)

    async def write(self, records: Sequence[Record]) -> None:
        """Writes rows of one table.

        Args:
            records: all of one kind; none at all is nothing to do.
        """
        if records:
            kind = type(records[0])
            await self._copy(_TABLES[kind], kind._fields, records)

    async def write_hours(self, org_id: int, hours: Iterable[tuple[int, datetime, Rollup]]) -> None:
        """Writes hourly rollups: monitor, hour, sums."""
        rows = [(org_id, monitor, hour, *_sums(rollup)) for monitor, hour, rollup in hours]
        columns = ("org_id", "monitor", "hour", *_ROLLUP_COLUMNS)
        await self._copy("rollups_hourly", columns, rows)

    async def write_days(self, org_id: int, days: Iterable[tuple[int, date, Rollup]]) -> None:
        """Writes daily rollups: monitor, day, sums."""
        rows = [(org_id, monitor, day, *_sums(rollup)) for monitor, day, rollup in days]
        await self._copy("rollups_daily", ("org_id", "monitor", "day", *_ROLLUP_COLUMNS), rows)

    async def settle_services(self, states: Iterable[ServiceStateRecord]) -> None:
        """Sets what services are, as the last of their changes says."""
        await self._connection.executemany(_SQL["settle_service"], list(states))

    async def ensure_partitions(self, start: datetime, end: datetime) -> None:
        """Makes the months of raw checks between two times."""
        await self._connection.execute(_SQL["ensure_partitions"], start, end)

    async def monitor_keys(self, org_id: int) -> dict[UUID, int]:
        """The short keys of all monitors by id."""
        rows = await self._connection.fetch(_SQL["monitor_keys"], org_id)
        return {row["id"]: row["key"] for row in rows}

    async def open_schedules(self, org_id: int) -> dict[int, datetime]:
        """Since when each monitor's present schedule holds, by key."""
        rows = await self._connection.fetch(_SQL["open_schedules"], org_id)
        return {row["monitor"]: row["from_at"] for row in rows}

    async def region_key(self, name: str) -> int:
        """The short key of a region that exists."""
        return int(await self._connection.fetchval(_SQL["region_key"], name))

    async def point_monitor(
        self, org_id: int, monitor_id: UUID, config: str, runbook: str | None
    ) -> None:
        """Gives a monitor another configuration (JSON), unless it has it already."""
        await self._connection.execute(_SQL["point_monitor"], org_id, monitor_id, config, runbook)

    async def analyze(self) -> None:
        """Lets the planner know what came in, before anybody reads it."""
        await self._connection.execute(_SQL["analyze"])

    async def _copy(
        self, table: str, columns: Sequence[str], records: Iterable[Sequence[object]]
    ) -> None:
        await self._connection.copy_records_to_table(
            table, schema_name=_SCHEMA, columns=columns, records=records
        )


def _sums(rollup: Rollup) -> tuple[object, ...]:
    return (
        rollup.success,
        rollup.degraded,
        rollup.failure,
        rollup.timeout,
        rollup.unknown,
        rollup.maintenance,
        rollup.slots,
        rollup.timed,
        rollup.sum_ms,
        rollup.min_ms,
        rollup.max_ms,
        *rollup.histogram,
    )


@asynccontextmanager
async def writing_history(target: ConnectionTarget) -> AsyncIterator[HistoryWriter]:
    """One transaction for a whole past: all of it becomes visible at once, or nothing.

    Args:
        target: a superuser's.

    Raises:
        DatabaseUnavailable: the database cannot be reached, or was lost.
        Forbidden: this role may not.
    """
    connection = await connect(target)
    try:
        with translated(target.label):
            async with connection.transaction():
                yield HistoryWriter(connection)
    finally:
        await connection.close()
