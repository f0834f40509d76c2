"""What the command line prints with `--json`: the public shapes with what operators see added.

A key that both have means the same in both, but a service's `current_status` is here what the house
knows; what the page shows stands beside it as `public_status`.
"""

from __future__ import annotations

from datetime import timedelta

from statustui.domain.maintenance_config import MaintenanceDetail
from statustui.domain.readmodels import (
    EngineInfo,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    MaintenanceRow,
    MonitorRow,
    ServiceRow,
    WatchInfo,
)
from statustui.presenters.clock import iso

Json = dict[str, object]


def service_document(service: ServiceRow) -> Json:
    """One service."""
    return {
        "id": str(service.id),
        "name": service.name,
        "description": service.description or None,
        "current_status": service.status.value,
        "public_status": service.public_status.value,
        "status_since": iso(service.status_since),
        "pinned_status": service.pinned_status.value if service.pinned_status else None,
        "group_name": service.group_name or None,
        "display_order": service.display_order,
        "is_visible": service.is_visible,
        "monitor_state": service.monitor_state.value if service.monitor_state else None,
        "error_kind": service.error_kind.value if service.error_kind else None,
        "reason": service.reason or None,
        "depends_on": [str(each) for each in service.depends_on],
        "cause_id": str(service.cause_id) if service.cause_id else None,
        "incident_code": service.incident_code,
        "monitors": service.monitors,
        "paused": service.paused,
        "silenced_until": iso(service.silenced_until),
    }


def monitor_document(monitor: MonitorRow) -> Json:
    """One monitor; secrets in its configuration are masked already."""
    return {
        "id": str(monitor.id),
        "name": monitor.name,
        "service_id": str(monitor.service_id),
        "service_name": monitor.service_name,
        "type": monitor.type.value,
        "target": monitor.target,
        "state": monitor.state.value,
        "state_since": iso(monitor.state_since),
        "interval_seconds": monitor.interval_seconds,
        "timeout_ms": monitor.timeout_ms,
        "failure_threshold": monitor.failure_threshold,
        "recovery_threshold": monitor.recovery_threshold,
        "degraded_after_ms": monitor.degraded_after_ms,
        "conditions": list(monitor.conditions),
        "degraded_conditions": list(monitor.degraded_conditions),
        "is_active": monitor.is_active,
        "paused_until": iso(monitor.paused_until),
        "last_checked_at": iso(monitor.last_checked_at),
        "last_status": monitor.last_status.value if monitor.last_status else None,
        "last_duration_ms": monitor.last_duration_ms,
        "error_kind": monitor.error_kind.value if monitor.error_kind else None,
        "reason": monitor.reason or None,
        "next_run_at": iso(monitor.next_run_at),
        "runbook": monitor.runbook,
        "tags": list(monitor.tags),
        "regions": {region.name: region.state.value for region in monitor.regions},
        "region_quorum": monitor.region_quorum,
        "config": dict(monitor.config),
    }


def incident_document(detail: IncidentDetail) -> Json:
    """One incident whole, its updates newest first."""
    document = summary_document(detail.summary)
    document["updates"] = [_update(each) for each in _newest_first(detail.updates)]
    document["postmortem"] = detail.postmortem
    return document


def summary_document(incident: IncidentSummary) -> Json:
    """One incident without its updates."""
    pending = incident.pending
    return {
        "id": str(incident.id),
        "code": incident.code,
        "title": incident.title,
        "internal_title": incident.internal_title or None,
        "status": incident.status.value,
        "impact": incident.impact.value,
        "is_auto": incident.is_auto,
        "is_public": incident.is_public,
        "version": incident.version,
        "started_at": iso(incident.started_at),
        "identified_at": iso(incident.identified_at),
        "monitoring_at": iso(incident.monitoring_at),
        "resolved_at": iso(incident.resolved_at),
        "created_at": iso(incident.created_at),
        "updated_at": iso(incident.updated_at),
        "created_by": incident.created_by,
        "lead": incident.lead,
        "acknowledged_by": incident.acknowledged_by,
        "acknowledged_at": iso(incident.acknowledged_at),
        "acknowledged_until": iso(incident.acknowledged_until),
        "snoozed_until": iso(incident.snoozed_until),
        "next_update_by": iso(incident.next_update_by),
        "affected_services": [
            {
                "id": str(service.id),
                "name": service.name,
                "from_status": service.from_status.value,
                "to_status": service.to_status.value,
                "is_visible": service.is_visible,
            }
            for service in incident.services
        ],
        "draft": None
        if incident.draft is None
        else {
            "message": incident.draft,
            "due_at": iso(incident.draft_due_at),
            "held_by": incident.held_by,
        },
        "pending_post": None
        if pending is None
        else {
            "id": str(pending.id),
            "author": pending.author,
            "status": pending.status.value,
            "message": pending.message,
            "public_at": iso(pending.public_at),
            "notify_at": iso(pending.notify_at),
        },
    }


def maintenance_document(window: MaintenanceDetail) -> Json:
    """One window that runs or is ahead, with what was said about it."""
    config = window.config
    return {
        "id": str(window.id),
        "title": config.title,
        "description": config.description,
        "starts_at": iso(config.starts_at),
        "ends_at": iso(config.starts_at + timedelta(seconds=config.duration_seconds)),
        "status": window.status.value,
        "recurrence_rule": config.recurrence,
        "exceptions": [iso(each) for each in config.exceptions],
        "services": list(config.services),
        "auto_update": config.auto_update,
        "is_public": config.is_public,
        "updates": [
            {
                "status": update.status.value,
                "message": update.message,
                "is_public": update.is_public,
                "author": update.author,
                "created_at": iso(update.created_at),
            }
            for update in reversed(window.updates)
        ],
    }


def window_document(window: MaintenanceRow) -> Json:
    """One window in a list."""
    return {
        "id": str(window.id),
        "title": window.title,
        "description": window.description or None,
        "starts_at": iso(window.starts_at),
        "ends_at": iso(window.ends_at),
        "status": window.status.value,
        "recurrence_rule": window.recurrence_rule,
        "services": list(window.services),
        "auto_update": window.auto_update,
    }


def watch_document(watch: WatchInfo | None) -> Json | None:
    """The watch that checks or did last."""
    if watch is None:
        return None
    return {
        "holder": watch.holder,
        "alive": watch.alive,
        "heartbeat_at": iso(watch.heartbeat_at),
        "started_at": iso(watch.started_at),
        "behind_seconds": watch.behind_seconds,
        "offline": watch.offline,
        "spooled_results": watch.spooled_results,
        "engines": [engine_document(engine) for engine in watch.engines],
    }


def engine_document(engine: EngineInfo) -> Json:
    """One engine that looks at present."""
    return {
        "holder": engine.holder,
        "host": engine.host,
        "region": engine.region,
        "monitors": engine.monitors,
        "share": round(engine.share, 4),
        "behind_seconds": engine.behind_seconds,
        "started_at": iso(engine.started_at),
        "heartbeat_at": iso(engine.heartbeat_at),
        "clock_skew_seconds": engine.clock_skew_seconds,
        "offline": engine.offline,
        "spooled_results": engine.spooled_results,
    }


def _newest_first(updates: tuple[IncidentUpdate, ...]) -> list[IncidentUpdate]:
    return sorted(updates, key=lambda each: each.created_at, reverse=True)


def _update(update: IncidentUpdate) -> Json:
    # Late: most commands print no message, and reading Markdown takes a fifth of their start.
    from statustui.presenters.markdown import to_html

    return {
        "id": str(update.id),
        "status": update.status.value,
        "message": update.message,
        "message_html": to_html(update.message),
        "still_works": update.still_works,
        "is_public": update.is_public,
        "author": update.author,
        "created_at": iso(update.created_at),
        "edited_at": iso(update.edited_at),
        "next_update_by": iso(update.next_update_by),
        "detected": "automatically" if update.detected_automatically else "person",
    }
