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
from datetime import UTC, datetime
from uuid import UUID

from statustui.demo import history, world
from statustui.demo.history import Asking, Closing, MonitorPast, ServicePast
from statustui.demo.past import INCIDENTS, WINDOWS
from statustui.demo.scene import Scene, identify, monitors, window_times
from statustui.demo.seen import write_looks
from statustui.demo.targets import DemoTargets
from statustui.demo.told import ToldIncident, tell, write_incidents, write_marks, write_windows
from statustui.demo.world import SERVICES, DemoMonitor, DemoService
from statustui.domain.monitor import config_to_mapping
from statustui.domain.status import IncidentStatus
from statustui.store.connection import ConnectionTarget
from statustui.store.history import (
    DependencyRecord,
    HistoryWriter,
    MonitorRecord,
    ServiceMonitorStatusRecord,
    ServiceRecord,
    ServiceStateRecord,
    StatusChangeRecord,
    writing_history,
)

_REGION = "local"
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
    for number, (service, monitor) in enumerate(monitors(), start=1):
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
            [times for window, times in window_times(at) if service.name in window.services],
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
            await _write_world(writer, operator_role, targets, made)
        else:
            await _point_monitors(writer, org_id, targets)
    targets.begin()


async def _point_monitors(writer: HistoryWriter, org_id: int, targets: DemoTargets) -> None:
    for service, monitor in monitors():
        spec = world.spec_of(monitor, targets)
        config = json.dumps(config_to_mapping(spec.config))
        await writer.point_monitor(org_id, world.monitor_id(service, monitor), config, spec.runbook)


async def _write_world(
    writer: HistoryWriter, operator_role: str, targets: DemoTargets, past: WorldPast
) -> None:
    """Writes everything, in the order in which rows need each other."""
    begun = history.beginning(past.now)
    org_id = await _configure(writer, operator_role, targets, begun)
    scene = Scene(
        writer=writer,
        org_id=org_id,
        region=await writer.region_key(_REGION),
        keys=await writer.monitor_keys(org_id),
        you=operator_role,
        targets=targets,
        now=past.now,
        begun=begun,
        pasts=past.monitors,
    )
    told = tell(past.monitors, past.now)
    await write_looks(scene)
    await _write_services(
        scene, {service.name: _service_past(scene, service, told) for service in SERVICES}
    )
    await write_windows(scene)
    await write_incidents(scene, told)
    await write_marks(scene)
    await writer.analyze()


async def _configure(
    writer: HistoryWriter, operator_role: str, targets: DemoTargets, begun: datetime
) -> int:
    org = await writer.create_organization(
        owner=operator_role, name=world.NAME, slug=world.SLUG, timezone=world.TIMEZONE
    )
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
                begun,
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
        [_monitor_record(org, service, monitor, targets, begun) for service, monitor in monitors()]
    )
    return org


def _monitor_record(
    org: int, service: DemoService, monitor: DemoMonitor, targets: DemoTargets, begun: datetime
) -> MonitorRecord:
    spec = world.spec_of(monitor, targets)
    return MonitorRecord(
        id=world.monitor_id(service, monitor),
        org_id=org,
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
        created_at=begun,
    )


def _service_past(scene: Scene, service: DemoService, told: Sequence[ToldIncident]) -> ServicePast:
    seen = []
    for monitor in service.monitors:
        monitor_id = world.monitor_id(service, monitor)
        seen.append((monitor_id, scene.pasts[monitor_id]))
    asked = []
    for one in told:
        status = dict(one.incident.affected).get(service.name)
        if one.incident.asked and status is not None:
            until = None
            if one.incident.updates[-1].status is IncidentStatus.RESOLVED:
                until = one.moment(one.incident.updates[-1])
            asked.append(Asking(one.id, status, one.moment(one.incident.updates[0]), until))
    closed = [
        Closing(identify("window", window.title), starts_at, ends_at)
        for window, (starts_at, ends_at) in window_times(scene.now)
        if service.name in window.services and ends_at <= scene.now
    ]
    return history.service_past(scene.begun, seen, asked, closed)


async def _write_services(scene: Scene, services: Mapping[str, ServicePast]) -> None:
    writer, org = scene.writer, scene.org_id
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
