"""Turns rows of monitors and their state into what the engine works with, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import orjson

from statustui.domain.decision import Decision, Memory, WatchedMonitor
from statustui.domain.heartbeat import Away, Beats
from statustui.domain.monitor import CheckConfig, MonitorSpec, parse_config
from statustui.domain.scheduling import Timetable
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState, MonitorType
from statustui.domain.verdict import VerdictState


class Row(Protocol):
    """A row of a query's result."""

    def __getitem__(self, column: str) -> Any:
        """The value of a column."""


# What of a verdict has no column of its own.
_EXTRA_COUNTS = ("imperfect", "good", "unknowns")
_EXTRA_TIMES = (
    "first_success_at",
    "first_imperfect_at",
    "first_good_at",
    "first_unknown_at",
)
_EXTRA = _EXTRA_COUNTS + _EXTRA_TIMES


def read_monitor(row: Row, region: int) -> WatchedMonitor:
    """A monitor as its rows say.

    Raises:
        ValidationFailed: its stored configuration is none that this version can run.
    """
    monitor_type = MonitorType(row["type"])
    spec = MonitorSpec(
        name=row["name"],
        type=monitor_type,
        config=_read_config(monitor_type, row["config"]),
        interval_seconds=row["interval_seconds"],
        timeout_ms=row["timeout_ms"],
        failure_threshold=row["failure_threshold"],
        recovery_threshold=row["recovery_threshold"],
        retry_interval_seconds=row["retry_interval_seconds"],
        degraded_after_ms=row["degraded_after_ms"],
        conditions=tuple(row["conditions"]),
        degraded_conditions=tuple(row["degraded_conditions"]),
        is_active=row["is_active"],
        paused_until=row["paused_until"],
        runbook=row["runbook"],
        tags=tuple(row["tags"]),
        regions=tuple(row["regions"]),
        region_quorum=row["region_quorum"],
    )
    timetable = None
    if row["phase_ms"] is not None:
        timetable = Timetable(
            row["slot_seconds"] * 1000,
            row["phase_ms"],
            row["from_at"],
            has_begun=row["has_begun"],
        )
    return WatchedMonitor(
        key=row["key"],
        id=row["id"],
        org_id=row["org_id"],
        service_id=row["service_id"],
        region=region,
        spec=spec,
        timetable=timetable,
        is_paused=row["is_paused"],
        paused_until=row["paused_until"],
        run_requested_at=row["run_requested_at"],
        has_other_regions=len(spec.regions) > 1,
    )


@lru_cache(maxsize=50_000)
def _read_config(monitor_type: MonitorType, text: str) -> CheckConfig:
    """Remembered, because thousands of monitors are read again whenever one of them is edited."""
    return parse_config(monitor_type, orjson.loads(text))


def read_beats(rows: Sequence[Row]) -> tuple[dict[int, Beats], Away | None]:
    """Jobs by their monitor's key, and when the server was last away (see `load_beats`)."""
    restart = None
    if rows and rows[0]["last_sign_at"] is not None:
        restart = Away(rows[0]["last_sign_at"], rows[0]["server_started_at"])
    return {
        row["monitor"]: Beats(
            now=row["now"],
            expected_from=row["expected_from"],
            last_at=row["last_at"],
            is_ok=row["is_ok"] is not False,
            message=row["message"] or "",
        )
        for row in rows
    }, restart


def read_memory(row: Row) -> Memory:
    """What was remembered of a monitor, from its state row."""
    extra = orjson.loads(row["extra"])
    counts = {name: int(extra.get(name, 0)) for name in _EXTRA_COUNTS}
    times = {name: _time(extra.get(name)) for name in _EXTRA_TIMES}
    verdict = VerdictState(
        state=MonitorState(row["state"]),
        since=row["state_since"],
        failures=row["consecutive_failures"],
        successes=row["consecutive_successes"],
        first_failure_at=row["first_failure_at"],
        last_good_at=row["last_good_at"],
        flips=tuple(row["flips"]),
        imperfect=counts["imperfect"],
        good=counts["good"],
        unknowns=counts["unknowns"],
        first_success_at=times["first_success_at"],
        first_imperfect_at=times["first_imperfect_at"],
        first_good_at=times["first_good_at"],
        first_unknown_at=times["first_unknown_at"],
        beneath=MonitorState(extra["beneath"]) if extra.get("beneath") else None,
    )
    return Memory(
        verdict=verdict,
        last_checked_at=row["last_checked_at"],
        last_slot_at=row["last_slot_at"],
        last_status=CheckStatus(row["last_status"]) if row["last_status"] else None,
        last_error_kind=ErrorKind(row["last_error_kind"]) if row["last_error_kind"] else None,
        last_reason=row["last_reason"] or "",
        last_duration_ms=row["last_duration_ms"],
        certificate_not_after=row["certificate_not_after"],
        recent=bytes(row["recent"]),
        recent_until=row["recent_until"],
        last_look=orjson.loads(row["last_look"]),
        last_good=orjson.loads(row["last_good"]),
    )


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def check_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_checks`, one value per decision."""
    checks = [(decision.monitor, decision.check) for decision in decisions]
    return _columns(
        (
            monitor.org_id,
            monitor.key,
            monitor.region,
            check.checked_at,
            check.slot_at,
            str(check.status),
            _word(check.error_kind),
            check.is_retry,
            check.in_maintenance,
            check.status_code,
            check.duration_ms,
            check.phases.resolve_ms,
            check.phases.connect_ms,
            check.phases.tls_ms,
            check.phases.first_byte_ms,
            check.phases.transfer_ms,
            check.reason or None,
            check.address or None,
        )
        for monitor, check in checks
    )


def state_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_state`: what is remembered after the last decision of each monitor."""
    newest = {(decision.monitor.key, decision.monitor.region): decision for decision in decisions}
    return _columns(_state(decision) for decision in newest.values())


def _state(decision: Decision) -> tuple[Any, ...]:
    monitor, memory, verdict = decision.monitor, decision.memory, decision.memory.verdict
    # What is not there reads as nothing, and mostly there is little.
    extra = {name: value for name in _EXTRA if (value := getattr(verdict, name))}
    if verdict.beneath is not None:
        extra["beneath"] = str(verdict.beneath)
    return (
        monitor.key,
        monitor.region,
        monitor.org_id,
        str(verdict.state),
        verdict.since or decision.check.checked_at,
        verdict.failures,
        verdict.successes,
        verdict.first_failure_at,
        verdict.last_good_at,
        memory.last_checked_at,
        memory.last_slot_at,
        _word(memory.last_status),
        _word(memory.last_error_kind),
        memory.last_reason or None,
        memory.last_duration_ms,
        memory.certificate_not_after,
        "{" + ",".join(f'"{flip.isoformat()}"' for flip in verdict.flips) + "}",
        memory.recent,
        memory.recent_until,
        _json(memory.last_look),
        None if memory.last_good is memory.last_look else _json(memory.last_good),
        _json(extra),
    )


def _json(value: Mapping[str, object]) -> str:
    """JSON, with times in ISO 8601; written with every check, so by the fastest writer there is."""
    return orjson.dumps(value).decode()


def transition_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_transitions`, in the order in which they happened."""
    return _columns(
        (
            decision.monitor.org_id,
            decision.monitor.key,
            decision.monitor.region if decision.monitor.has_other_regions else None,
            str(transition.from_state),
            str(transition.to_state),
            _word(transition.error_kind),
            transition.reason or None,
            transition.effective_at,
        )
        for decision in decisions
        for transition in decision.transitions
    )


def status_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_status`: the last state of each that is looked at from one place."""
    last = {
        decision.monitor.key: (decision, transition)
        for decision in decisions
        for transition in decision.transitions
        if not decision.monitor.has_other_regions
    }
    return _columns(
        (
            decision.monitor.key,
            decision.monitor.org_id,
            str(transition.to_state),
            transition.effective_at,
            _word(transition.error_kind),
            transition.reason or None,
        )
        for decision, transition in last.values()
    )


def slot_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_slots`: the slots that had their look."""
    return _columns(
        (
            decision.monitor.key,
            decision.monitor.region,
            decision.monitor.org_id,
            decision.check.slot_at,
        )
        for decision in decisions
        if not decision.check.is_retry and decision.check.status.looked
    )


def evidence_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_evidence`."""
    return _columns(
        (
            decision.monitor.org_id,
            decision.monitor.key,
            decision.monitor.region,
            row.checked_at,
            row.is_good,
            _json(row.detail),
            row.body or None,
        )
        for decision in decisions
        for row in decision.evidence
    )


def observed_columns(decisions: Sequence[Decision]) -> list[list[Any]]:
    """The columns of `record_observed`: each organization with its newest check."""
    newest: dict[int, datetime] = {}
    for decision in decisions:
        org_id, at = decision.monitor.org_id, decision.check.checked_at
        newest[org_id] = max(newest.get(org_id, at), at)
    return _columns(newest.items())


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows turned into columns; no rows give no columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def _word(value: object | None) -> str | None:
    return None if value is None else str(value)
