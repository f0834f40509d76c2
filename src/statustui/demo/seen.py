"""Writes what was seen: schedules, checks, their sums, and what is known of each monitor now."""

from __future__ import annotations

import json
from dataclasses import replace

from statustui.demo import history, world
from statustui.demo.history import Look, MonitorPast
from statustui.demo.scene import Scene, monitors
from statustui.demo.targets import HOST
from statustui.demo.world import DemoMonitor
from statustui.domain.evidence import describe
from statustui.domain.observation import Observation, Phases
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.domain.verdict import Transition
from statustui.store.history import (
    CheckRecord,
    EvidenceRecord,
    MonitorStateChangeRecord,
    MonitorStateRecord,
    MonitorStatusRecord,
    ObservedRecord,
    ScheduleRecord,
)


async def write_looks(scene: Scene) -> None:
    """Writes everything that the monitors of the past saw."""
    writer, org, pasts = scene.writer, scene.org_id, scene.pasts
    opened = await writer.open_schedules(org)
    await writer.write(
        [
            ScheduleRecord(
                monitor=scene.keys[monitor],
                region=scene.region,
                org_id=org,
                from_at=timetable.from_at,
                # The last one ends where the present one, of this very moment, begins.
                to_at=opened[scene.keys[monitor]]
                if timetable is past.timetables[-1]
                else timetable.to_at or scene.now,
                interval_seconds=timetable.interval_ms // 1000,
                phase_ms=timetable.phase_ms,
            )
            for monitor, past in pasts.items()
            for timetable in past.timetables
        ]
    )
    await writer.ensure_partitions(scene.now - history.RAW, scene.now)
    for service, monitor in monitors():
        monitor_id = world.monitor_id(service, monitor)
        key = scene.keys[monitor_id]
        await writer.write(_check_records(scene, monitor, key, pasts[monitor_id]))
    keyed = [(scene.keys[monitor], past) for monitor, past in pasts.items()]
    await writer.write_hours(
        org, [(key, hour, sums) for key, past in keyed for hour, sums in past.hours]
    )
    await writer.write_days(
        org, [(key, day, sums) for key, past in keyed for day, sums in past.days]
    )
    await writer.write(
        [
            _state_record(
                scene,
                monitor,
                scene.keys[world.monitor_id(service, monitor)],
                pasts[world.monitor_id(service, monitor)],
            )
            for service, monitor in monitors()
        ]
    )
    await writer.write(
        [
            MonitorStatusRecord(
                monitor=key,
                org_id=org,
                state=str(past.state.state),
                since=past.state.since or scene.begun,
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
                region=None,
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
        ]
    )
    await writer.write(
        [
            _evidence_record(scene, key, change)
            for key, past in keyed
            for change in past.transitions
            if change.to_state is MonitorState.DOWN
        ]
    )
    newest = max(past.looks[-1].recorded.checked_at for past in pasts.values())
    await writer.write([ObservedRecord(org, scene.now, newest)])


def _observation(scene: Scene, monitor: DemoMonitor, look: Look) -> Observation:
    """The look as its checker would have handed it over."""
    target = monitor.target.partition(":")[0]
    check, result = look.recorded, look.result
    phases = Phases()
    if check.status.succeeded:
        # A look that failed got no further than its failure.
        phases = Phases(
            *(None if share is None else share * check.duration_ms for share in monitor.shares)
        )
    return Observation(
        started_at=check.checked_at,
        duration_ms=check.duration_ms,
        error_kind=result.error_kind,
        reason=result.reason,
        phases=phases,
        address=f"{HOST}:{scene.targets.port(target)}" if target else HOST,
        connected=check.status.succeeded,
        status_code=look.status_code,
    )


def _check_records(
    scene: Scene, monitor: DemoMonitor, key: int, past: MonitorPast
) -> list[CheckRecord]:
    records = []
    for look in past.looks:
        check = look.recorded
        seen = _observation(scene, monitor, look)
        phases = seen.phases
        records.append(
            CheckRecord(
                key,
                scene.region,
                check.checked_at,
                scene.org_id,
                check.slot_at,
                str(check.status),
                str(seen.error_kind) if seen.error_kind else None,
                check.is_retry,
                check.in_maintenance,
                seen.status_code,
                check.duration_ms,
                phases.resolve_ms,
                phases.connect_ms,
                phases.tls_ms,
                phases.first_byte_ms,
                phases.transfer_ms,
                seen.reason or None,
                seen.address,
            )
        )
    return records


def _state_record(
    scene: Scene, monitor: DemoMonitor, key: int, past: MonitorPast
) -> MonitorStateRecord:
    last = past.looks[-1]
    recorded = past.looks[-500:]
    good = [look for look in recorded if look.recorded.status is CheckStatus.SUCCESS]
    last_good = _observation(scene, monitor, good[-1]) if good else None
    check = last.recorded
    return MonitorStateRecord(
        monitor=key,
        region=scene.region,
        org_id=scene.org_id,
        state=str(past.state.state),
        state_since=past.state.since or scene.begun,
        consecutive_failures=0,
        consecutive_successes=sum(look.recorded.status.succeeded for look in recorded),
        last_good_at=last_good.started_at if last_good else None,
        last_checked_at=check.checked_at,
        last_slot_at=check.slot_at,
        last_status=str(check.status),
        last_error_kind=str(last.result.error_kind) if last.result.error_kind else None,
        last_reason=last.result.reason or None,
        last_duration_ms=check.duration_ms,
        recent=past.strip,
        recent_until=past.strip_until,
        last_look=json.dumps(describe(_observation(scene, monitor, last), in_full=False)),
        last_good=json.dumps(describe(last_good, in_full=False) if last_good else {}),
    )


def _evidence_record(scene: Scene, key: int, change: Transition) -> EvidenceRecord:
    seen = Observation(change.effective_at, 9.0, change.error_kind, change.reason)
    body = None
    if change.error_kind is ErrorKind.HTTP_STATUS:
        seen = replace(
            seen,
            connected=True,
            status_code=503,
            headers={"content-type": "application/json", "retry-after": "30"},
        )
        body = '{"status": "unavailable", "error": "database unreachable"}'
    data = describe(seen, in_full=True)
    data["reason"] = change.reason
    data["error_kind"] = str(change.error_kind)
    return EvidenceRecord(
        org_id=scene.org_id,
        monitor=key,
        region=scene.region,
        checked_at=change.effective_at,
        data=json.dumps(data),
        body=body,
        recorded_at=change.decided_at,
    )
