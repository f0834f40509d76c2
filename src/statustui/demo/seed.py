"""Puts the demonstration into a database: its configuration, ninety days of past, what is told.

All of it becomes visible in one commit, so whoever asks for the page before gets nothing and
afterwards everything. A world that was kept is only pointed at the targets' new ports: the time in
between is a hole in its coverage, as any engine's stop is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid5

from statustui.demo import history, world
from statustui.demo.history import Asking, Closing, MonitorPast, ServicePast
from statustui.demo.past import (
    INCIDENTS,
    MARKS,
    WINDOWS,
    YOU,
    PastIncident,
    PastMark,
    PastWindow,
    Words,
)
from statustui.demo.targets import HOST, DemoTargets
from statustui.demo.world import SERVICES, DemoMonitor, DemoService
from statustui.domain.incident import spoken_duration
from statustui.domain.monitor import config_to_mapping
from statustui.domain.status import (
    IncidentStatus,
    MaintenanceStatus,
    MonitorState,
    ServiceStatus,
)
from statustui.store.connection import ConnectionTarget
from statustui.store.history import (
    CheckRecord,
    DependencyRecord,
    HistoryWriter,
    IncidentRecord,
    IncidentServiceRecord,
    IncidentUpdateRecord,
    MarkRecord,
    MarkServiceRecord,
    MonitorRecord,
    MonitorStateChangeRecord,
    MonitorStateRecord,
    MonitorStatusRecord,
    ObservedRecord,
    ScheduleRecord,
    ServiceMonitorStatusRecord,
    ServiceRecord,
    ServiceStateRecord,
    StatusChangeRecord,
    WindowRecord,
    WindowServiceRecord,
    WindowUpdateRecord,
    writing_history,
)

_REGION = "local"
_FAMILY = UUID("0c9f6a52-57a5-4d0c-9f3e-0d2f1c7a9e11")
_PAGE_NAME = "Demo Cloud Status"


@dataclass(frozen=True, slots=True)
class WorldPast:
    """What would have been seen until now, by monitor."""

    now: datetime
    monitors: Mapping[UUID, MonitorPast]


def imagine_past(targets: DemoTargets, now: datetime | None = None) -> WorldPast:
    """Makes ninety days of checks; a second of work, fit for a thread while a database starts.

    Args:
        targets: listening.
        now: the present, UTC; None takes the clock.
    """
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    episodes = history.episodes(INCIDENTS, WINDOWS, at)
    pasts = {}
    for number, (service, monitor) in enumerate(_monitors(), start=1):
        monitor_id = world.monitor_id(service, monitor)
        names = (service.name, monitor.name)
        pasts[monitor_id] = history.monitor_past(
            monitor,
            world.spec_of(monitor, targets),
            number,
            history.timetables(monitor_id, at),
            [
                episode
                for episode in episodes
                if (episode.trouble.service, episode.trouble.monitor) == names
            ],
            [times for window, times in _window_times(at) if service.name in window.services],
        )
    return WorldPast(at, pasts)


async def prepare_world(
    admin: ConnectionTarget,
    operator_role: str,
    targets: DemoTargets,
    past: Awaitable[WorldPast] | None = None,
) -> None:
    """Makes the world, or wakes one that was kept, and starts the script of what goes wrong.

    Args:
        admin: connects as the database's superuser.
        operator_role: the person who will own the organization; the role must exist.
        targets: listening.
        past: what `imagine_past` makes, begun earlier to save time; None makes it here.

    Raises:
        DatabaseUnavailable: the database was lost meanwhile.
    """
    async with writing_history(admin) as writer:
        org_id = await writer.find_organization(world.SLUG)
        if org_id is None:
            made = await (past if past is not None else asyncio.to_thread(imagine_past, targets))
            await _Seed(writer, operator_role, targets, made).write()
        else:
            await _point_monitors(writer, org_id, targets)
    targets.begin()


async def _point_monitors(writer: HistoryWriter, org_id: int, targets: DemoTargets) -> None:
    for service, monitor in _monitors():
        spec = world.spec_of(monitor, targets)
        config = json.dumps(config_to_mapping(spec.config))
        await writer.point_monitor(org_id, world.monitor_id(service, monitor), config, spec.runbook)


def _monitors() -> list[tuple[DemoService, DemoMonitor]]:
    return [(service, monitor) for service in SERVICES for monitor in service.monitors]


def _window_times(now: datetime) -> list[tuple[PastWindow, tuple[datetime, datetime]]]:
    times = []
    for window in WINDOWS:
        starts_at = window.starts_at(now)
        times.append((window, (starts_at, starts_at + timedelta(minutes=window.minutes))))
    return times


def _id(kind: str, name: str) -> UUID:
    return uuid5(_FAMILY, f"{kind}:{name}")


@dataclass(frozen=True, slots=True)
class _Told:
    """When an incident of the past really began and ended, as the checks saw it."""

    incident: PastIncident
    id: UUID
    started_at: datetime
    recovered_at: datetime | None

    def moment(self, words: Words) -> datetime:
        """When an update was written: those after the recovery keep their distance to it."""
        lasted = self.incident.lasted_minutes
        if self.recovered_at is None or lasted is None or words.minutes <= lasted:
            return self.started_at + timedelta(minutes=words.minutes)
        return self.recovered_at + timedelta(minutes=words.minutes - lasted)

    def message(self, words: Words) -> str:
        """The words, with the times that the checks know."""
        lasted = (self.recovered_at or self.started_at) - self.started_at
        return words.message.format(
            since=f"{self.started_at:%H:%M}", lasted=spoken_duration(lasted)
        )


class _Seed:
    """One world in the making."""

    def __init__(
        self, writer: HistoryWriter, operator_role: str, targets: DemoTargets, past: WorldPast
    ) -> None:
        self._writer = writer
        self._you = operator_role
        self._targets = targets
        self._now = past.now
        self._pasts = past.monitors
        self._org = 0
        self._region = 0
        self._keys: Mapping[UUID, int] = {}
        self._begun = history.beginning(past.now)

    async def write(self) -> None:
        """Writes everything, in the order in which rows need each other."""
        await self._configuration()
        pasts = self._pasts
        told = [self._told(incident, pasts) for incident in INCIDENTS]
        services = {service.name: self._service_past(service, pasts, told) for service in SERVICES}
        await self._looks(pasts)
        await self._services(services)
        await self._windows()
        await self._incidents(told)
        await self._marks()
        await self._writer.analyze()

    # What is watched.

    async def _configuration(self) -> None:
        writer = self._writer
        self._org = org = await writer.create_organization(
            owner=self._you, name=world.NAME, slug=world.SLUG, timezone=world.TIMEZONE
        )
        self._region = await writer.region_key(_REGION)
        await writer.dress(
            org,
            brand_color=world.BRAND_COLOR,
            recovery_watch_seconds=world.RECOVERY_WATCH_SECONDS,
            page_name=_PAGE_NAME,
            page_description=world.DESCRIPTION,
        )
        await writer.write(
            [
                ServiceRecord(
                    service.id,
                    org,
                    service.name,
                    service.description,
                    service.group,
                    order,
                    service.is_visible,
                    self._begun,
                )
                for order, service in enumerate(SERVICES)
            ]
        )
        await writer.write(
            [
                DependencyRecord(org, service.id, world.BY_NAME[needed].id)
                for service in SERVICES
                for needed in service.depends_on
            ]
        )
        await writer.write(
            [self._monitor_record(service, monitor) for service, monitor in _monitors()]
        )
        self._keys = await writer.monitor_keys(org)

    def _monitor_record(self, service: DemoService, monitor: DemoMonitor) -> MonitorRecord:
        spec = world.spec_of(monitor, self._targets)
        return MonitorRecord(
            id=world.monitor_id(service, monitor),
            org_id=self._org,
            service_id=service.id,
            name=spec.name,
            type=str(spec.type),
            config=json.dumps(config_to_mapping(spec.config)),
            interval_seconds=spec.interval_seconds,
            timeout_ms=spec.timeout_ms,
            failure_threshold=spec.failure_threshold,
            recovery_threshold=spec.recovery_threshold,
            retry_interval_seconds=spec.retry_interval_seconds,
            degraded_after_ms=spec.degraded_after_ms,
            conditions=list(spec.conditions),
            runbook=spec.runbook,
            tags=list(spec.tags),
            created_at=self._begun,
        )

    # What was seen.

    async def _looks(self, pasts: Mapping[UUID, MonitorPast]) -> None:
        writer, org = self._writer, self._org
        opened = await writer.open_schedules(org)
        await writer.write(
            [
                ScheduleRecord(
                    monitor=self._keys[monitor],
                    region=self._region,
                    org_id=org,
                    from_at=timetable.from_at,
                    # The last one ends where the present one, of this very moment, begins.
                    to_at=opened[self._keys[monitor]]
                    if timetable is past.timetables[-1]
                    else timetable.to_at or self._now,
                    interval_seconds=timetable.interval_ms // 1000,
                    phase_ms=timetable.phase_ms,
                )
                for monitor, past in pasts.items()
                for timetable in past.timetables
            ]
        )
        await writer.ensure_partitions(self._now - history.RAW, self._now)
        for service, monitor in _monitors():
            monitor_id = world.monitor_id(service, monitor)
            key = self._keys[monitor_id]
            await writer.write(self._check_records(monitor, key, pasts[monitor_id]))
        keyed = [(self._keys[monitor], past) for monitor, past in pasts.items()]
        await writer.write_hours(
            org, [(key, hour, sums) for key, past in keyed for hour, sums in past.hours]
        )
        await writer.write_days(
            org, [(key, day, sums) for key, past in keyed for day, sums in past.days]
        )
        await writer.write([self._state_record(key, past) for key, past in keyed])
        await writer.write(
            [
                MonitorStatusRecord(
                    monitor=key,
                    org_id=org,
                    state=str(past.state.state),
                    since=past.state.since or self._begun,
                    error_kind=None,
                    reason=None,
                )
                for key, past in keyed
            ]
        )
        await writer.write(
            [
                MonitorStateChangeRecord(
                    org_id=org,
                    monitor=key,
                    region=region,
                    from_state=str(change.from_state),
                    to_state=str(change.to_state),
                    error_kind=str(change.error_kind) if change.error_kind else None,
                    reason=change.reason or None,
                    effective_at=change.effective_at,
                    recorded_at=change.decided_at,
                )
                for key, past in keyed
                for change in past.transitions
                if change.from_state is not MonitorState.UNKNOWN
                for region in (self._region, None)
            ]
        )
        newest = max(past.looks[-1].recorded.checked_at for past in pasts.values())
        await writer.write([ObservedRecord(org, self._now, newest)])

    def _check_records(
        self, monitor: DemoMonitor, key: int, past: MonitorPast
    ) -> list[CheckRecord]:
        org, region, shares = self._org, self._region, monitor.shares
        target = monitor.target.partition(":")[0]
        address = f"{HOST}:{self._targets.port(target)}" if target else HOST
        records = []
        resolve, connect, tls, first_byte, transfer = shares
        for look in past.looks:
            check, result = look.recorded, look.result
            # A look that failed got no further than its failure.
            ms = check.duration_ms if check.status.succeeded else None
            records.append(
                CheckRecord(
                    key,
                    region,
                    check.checked_at,
                    org,
                    check.slot_at,
                    str(check.status),
                    str(result.error_kind) if result.error_kind else None,
                    check.is_retry,
                    check.in_maintenance,
                    look.status_code,
                    check.duration_ms,
                    _share(resolve, ms),
                    _share(connect, ms),
                    _share(tls, ms),
                    _share(first_byte, ms),
                    _share(transfer, ms),
                    result.reason or None,
                    address,
                )
            )
        return records

    def _state_record(self, key: int, past: MonitorPast) -> MonitorStateRecord:
        last = past.looks[-1].recorded
        good = [look.recorded for look in past.looks[-500:] if look.recorded.status.succeeded]
        return MonitorStateRecord(
            monitor=key,
            region=self._region,
            org_id=self._org,
            state=str(past.state.state),
            state_since=past.state.since or self._begun,
            consecutive_failures=0,
            consecutive_successes=len(good),
            last_good_at=good[-1].checked_at,
            last_checked_at=last.checked_at,
            last_slot_at=last.slot_at,
            last_status=str(last.status),
            last_duration_ms=last.duration_ms,
            recent=past.strip,
            recent_until=past.strip_until,
        )

    # What it meant.

    def _told(self, incident: PastIncident, pasts: Mapping[UUID, MonitorPast]) -> _Told:
        """The incident with its times as the checks saw them; as told, where none saw it."""
        started_at = incident.started_at(self._now)
        if incident.lasted_minutes is None or not incident.troubles:
            return _Told(incident, _id("incident", incident.code), started_at, None)
        soon = started_at + timedelta(minutes=incident.lasted_minutes)
        begun, over = [], []
        for trouble in incident.troubles:
            service = world.BY_NAME[trouble.service]
            monitor = next(one for one in service.monitors if one.name == trouble.monitor)
            changes = pasts[world.monitor_id(service, monitor)].transitions
            for change, following in pairwise(changes):
                if started_at <= change.effective_at < soon:
                    begun.append(change.effective_at)
                    over.append(following.effective_at)
        return _Told(incident, _id("incident", incident.code), min(begun), max(over))

    def _service_past(
        self, service: DemoService, pasts: Mapping[UUID, MonitorPast], told: Sequence[_Told]
    ) -> ServicePast:
        monitors = []
        for monitor in service.monitors:
            monitor_id = world.monitor_id(service, monitor)
            monitors.append((monitor_id, pasts[monitor_id]))
        asked = []
        for one in told:
            status = dict(one.incident.affected).get(service.name)
            if one.incident.asked and status is not None:
                until = None
                if one.incident.updates[-1].status is IncidentStatus.RESOLVED:
                    until = one.moment(one.incident.updates[-1])
                asked.append(Asking(one.id, status, one.moment(one.incident.updates[0]), until))
        closed = [
            Closing(_id("window", window.title), starts_at, ends_at)
            for window, (starts_at, ends_at) in _window_times(self._now)
            if service.name in window.services and ends_at <= self._now
        ]
        return history.service_past(self._begun, monitors, asked, closed)

    async def _services(self, services: Mapping[str, ServicePast]) -> None:
        writer, org = self._writer, self._org
        await writer.write(
            [
                ServiceMonitorStatusRecord(
                    world.BY_NAME[name].id, org, str(past.say.status), past.say.since, past.said_by
                )
                for name, past in services.items()
                if past.say is not None
            ]
        )
        await writer.write(
            [
                StatusChangeRecord(
                    org_id=org,
                    service_id=world.BY_NAME[name].id,
                    from_status=str(change.from_status),
                    to_status=str(change.to_status),
                    public_from=str(change.from_status),
                    public_to=str(change.to_status),
                    cause=str(change.cause),
                    cause_id=change.cause_id,
                    effective_at=change.effective_at,
                    recorded_at=change.recorded_at,
                )
                for name, past in services.items()
                for change in past.changes
            ]
        )
        await writer.settle_services(
            ServiceStateRecord(
                world.BY_NAME[name].id, str(past.status), past.since, str(past.status), past.since
            )
            for name, past in services.items()
        )

    # What was told.

    def _author(self, name: str | None) -> str | None:
        return self._you if name == YOU else name

    async def _incidents(self, told: Sequence[_Told]) -> None:
        writer, org = self._writer, self._org
        await writer.write([self._incident_record(one) for one in told])
        await writer.write(
            [
                IncidentServiceRecord(
                    org_id=org,
                    incident_id=one.id,
                    service_id=world.BY_NAME[name].id,
                    from_status=str(ServiceStatus.OPERATIONAL),
                    to_status=str(status),
                    asked_status=str(status) if one.incident.asked else None,
                    added_at=one.moment(one.incident.updates[0]),
                )
                for one in told
                for name, status in one.incident.affected
            ]
        )
        await writer.write(
            [
                IncidentUpdateRecord(
                    org_id=org,
                    incident_id=one.id,
                    kind="update" if words.is_public else "note",
                    status=str(words.status),
                    message=one.message(words),
                    is_public=words.is_public,
                    author=self._author(words.author),
                    next_update_by=self._promise(words),
                    still_works=words.still_works,
                    created_at=one.moment(words),
                )
                for one in told
                for words in one.incident.updates
            ]
        )

    def _promise(self, words: Words) -> datetime | None:
        if words.promise_minutes is None:
            return None
        return self._now + timedelta(minutes=words.promise_minutes)

    def _incident_record(self, one: _Told) -> IncidentRecord:
        incident = one.incident
        public = [words for words in incident.updates if words.is_public]
        by_people = [words for words in public if words.author is not None]
        first, last = public[0], public[-1]
        reached = {
            stage: next((one.moment(words) for words in public if words.status is stage), None)
            for stage in IncidentStatus
        }
        touched = by_people[0] if by_people else None
        is_auto = incident.created_by is None
        postmortem_at = None
        if incident.postmortem is not None:
            postmortem_at = one.moment(last) + timedelta(days=1, hours=3)
        lead = self._author(by_people[-1].author) if by_people else None
        return IncidentRecord(
            id=one.id,
            org_id=self._org,
            code=incident.code,
            title=incident.title,
            internal_title=incident.internal_title,
            impact=str(incident.impact),
            status=str(last.status),
            is_auto=is_auto,
            is_public=True,
            created_by=self._author(incident.created_by),
            lead=lead,
            touched_by=self._author(touched.author) if touched else None,
            touched_at=one.moment(touched) if touched else None,
            started_at=one.started_at,
            identified_at=reached[IncidentStatus.IDENTIFIED],
            monitoring_at=reached[IncidentStatus.MONITORING],
            resolved_at=reached[IncidentStatus.RESOLVED],
            published_at=one.moment(first),
            next_update_by=self._promise(last),
            cause_service_id=world.BY_NAME[incident.cause].id if incident.cause else None,
            error_kind=next((str(t.kind) for t in incident.troubles if t.kind), None),
            postmortem=incident.postmortem,
            postmortem_published_at=postmortem_at,
            version=len(public),
            created_at=one.moment(first),
            updated_at=postmortem_at or one.moment(incident.updates[-1]),
        )

    async def _windows(self) -> None:
        writer, org = self._writer, self._org
        windows, updates = [], []
        for window, (starts_at, ends_at) in _window_times(self._now):
            window_id = _id("window", window.title)
            is_over = ends_at <= self._now
            announced = min(starts_at - timedelta(days=4), self._now - timedelta(hours=20))
            status = MaintenanceStatus.COMPLETED if is_over else MaintenanceStatus.SCHEDULED
            windows.append(
                WindowRecord(
                    id=window_id,
                    org_id=org,
                    title=window.title,
                    description=window.description,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    status=str(status),
                    created_by=window.created_by,
                    started_at=starts_at if is_over else None,
                    finished_at=ends_at if is_over else None,
                    created_at=announced,
                )
            )
            if is_over:
                for stage, message, at in (
                    (MaintenanceStatus.IN_PROGRESS, "The maintenance has begun.", starts_at),
                    (MaintenanceStatus.COMPLETED, "The maintenance is over.", ends_at),
                ):
                    updates.append(
                        WindowUpdateRecord(org, window_id, str(stage), message, None, at)
                    )
        await writer.write(windows)
        await writer.write(
            [
                WindowServiceRecord(org, _id("window", window.title), world.BY_NAME[name].id)
                for window in WINDOWS
                for name in window.services
            ]
        )
        await writer.write(updates)

    async def _marks(self) -> None:
        writer, org = self._writer, self._org
        await writer.write([self._mark_record(mark) for mark in MARKS])
        await writer.write(
            [
                MarkServiceRecord(org, _id("mark", mark.text), world.BY_NAME[name].id)
                for mark in MARKS
                for name in mark.services
            ]
        )

    def _mark_record(self, mark: PastMark) -> MarkRecord:
        at = self._now - mark.ago
        return MarkRecord(
            _id("mark", mark.text), self._org, at, mark.text, mark.source, mark.author, at
        )


def _share(share: float | None, ms: float | None) -> float | None:
    return None if share is None or ms is None else share * ms
