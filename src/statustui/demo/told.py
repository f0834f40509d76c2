"""Writes what was told: incidents with their updates, maintenance windows, marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from statustui.demo import world
from statustui.demo.history import MonitorPast
from statustui.demo.past import INCIDENTS, MARKS, WINDOWS, YOU, PastIncident, PastMark, Words
from statustui.demo.scene import Scene, identify, window_times
from statustui.domain.incident_words import spoken_duration
from statustui.domain.status import IncidentStatus, MaintenanceStatus, ServiceStatus
from statustui.store.history import (
    IncidentRecord,
    IncidentServiceRecord,
    IncidentUpdateRecord,
    MarkRecord,
    MarkServiceRecord,
    WindowRecord,
    WindowServiceRecord,
    WindowUpdateRecord,
)


@dataclass(frozen=True, slots=True)
class ToldIncident:
    """When an incident of the past really began and ended, as the checks saw it.

    Attributes:
        incident: as it is told of.
        recovered_at: None where no check saw it, or it is not over.
    """

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


def tell(pasts: Mapping[UUID, MonitorPast], now: datetime) -> list[ToldIncident]:
    """Every incident with the times that the checks know.

    Args:
        pasts: what was seen, by monitor.
        now: the present of the world.
    """
    return [_as_seen(pasts, now, incident) for incident in INCIDENTS]


def _as_seen(
    pasts: Mapping[UUID, MonitorPast], now: datetime, incident: PastIncident
) -> ToldIncident:
    """The incident with its times as the checks saw them; as told, where none saw it."""
    started_at = incident.started_at(now)
    if incident.lasted_minutes is None or not incident.troubles:
        return ToldIncident(incident, identify("incident", incident.code), started_at, None)
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
    return ToldIncident(incident, identify("incident", incident.code), min(begun), max(over))


def _author(scene: Scene, name: str | None) -> str | None:
    return scene.you if name == YOU else name


async def write_incidents(scene: Scene, told: Sequence[ToldIncident]) -> None:
    """Writes incidents, what they did to services, and their updates."""
    writer, org = scene.writer, scene.org_id
    await writer.write([_incident_record(scene, one) for one in told])
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
                author=_author(scene, words.author),
                next_update_by=_promise(scene, words),
                still_works=words.still_works,
                created_at=one.moment(words),
            )
            for one in told
            for words in one.incident.updates
        ]
    )


def _promise(scene: Scene, words: Words) -> datetime | None:
    if words.promise_minutes is None:
        return None
    return scene.now + timedelta(minutes=words.promise_minutes)


def _incident_record(scene: Scene, one: ToldIncident) -> IncidentRecord:
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
    lead = _author(scene, by_people[-1].author) if by_people else None
    return IncidentRecord(
        id=one.id,
        org_id=scene.org_id,
        code=incident.code,
        title=incident.title,
        internal_title=incident.internal_title,
        impact=str(incident.impact),
        status=str(last.status),
        is_auto=is_auto,
        is_public=True,
        created_by=_author(scene, incident.created_by),
        lead=lead,
        touched_by=_author(scene, touched.author) if touched else None,
        touched_at=one.moment(touched) if touched else None,
        started_at=one.started_at,
        identified_at=reached[IncidentStatus.IDENTIFIED],
        monitoring_at=reached[IncidentStatus.MONITORING],
        resolved_at=reached[IncidentStatus.RESOLVED],
        published_at=one.moment(first),
        next_update_by=_promise(scene, last),
        cause_service_id=world.BY_NAME[incident.cause].id if incident.cause else None,
        error_kind=next((str(t.kind) for t in incident.troubles if t.kind), None),
        postmortem=incident.postmortem,
        postmortem_published_at=postmortem_at,
        version=len(public),
        created_at=one.moment(first),
        updated_at=postmortem_at or one.moment(incident.updates[-1]),
    )


async def write_windows(scene: Scene) -> None:
    """Writes maintenance windows, past and to come."""
    writer, org = scene.writer, scene.org_id
    windows, updates = [], []
    for window, (starts_at, ends_at) in window_times(scene.now):
        window_id = identify("window", window.title)
        is_over = ends_at <= scene.now
        announced = min(starts_at - timedelta(days=4), scene.now - timedelta(hours=20))
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
                updates.append(WindowUpdateRecord(org, window_id, str(stage), message, None, at))
    await writer.write(windows)
    await writer.write(
        [
            WindowServiceRecord(org, identify("window", window.title), world.BY_NAME[name].id)
            for window in WINDOWS
            for name in window.services
        ]
    )
    await writer.write(updates)


async def write_marks(scene: Scene) -> None:
    """Writes what changed."""
    writer, org = scene.writer, scene.org_id
    await writer.write([_mark_record(scene, mark) for mark in MARKS])
    await writer.write(
        [
            MarkServiceRecord(org, identify("mark", mark.text), world.BY_NAME[name].id)
            for mark in MARKS
            for name in mark.services
        ]
    )


def _mark_record(scene: Scene, mark: PastMark) -> MarkRecord:
    at = scene.now - mark.ago
    return MarkRecord(
        identify("mark", mark.text), scene.org_id, at, mark.text, mark.source, mark.author, at
    )
