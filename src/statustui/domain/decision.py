"""What one check leads to, whole: the value that the engine hands to the store.

`decide` is where a look becomes consequences, and it is pure: the same memory and the same look
give the same decision, whatever runs around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from statustui.domain import recent
from statustui.domain.evidence import body_text, describe, describe_headers, keepable_headers
from statustui.domain.masking import mask_text
from statustui.domain.monitor import MonitorSpec
from statustui.domain.observation import Observation, Phases
from statustui.domain.scheduling import Due, Timetable
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.domain.text import clean, shorten
from statustui.domain.verdict import (
    CheckResult,
    Transition,
    VerdictState,
    advance,
    judge,
)


@dataclass(frozen=True, slots=True)
class MonitorRef:
    """Which monitor, in which region: what all rows about it are written under.

    Attributes:
        key, region: the database's small keys, for checks and state.
        tenure: the generation of the region's members at which the engine gained the monitor.
        has_other_regions: whether it is looked at from several, which are put together.
    """

    key: int
    id: UUID
    org_id: int
    service_id: UUID
    region: int
    tenure: int = field(default=1, kw_only=True)
    has_other_regions: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class WatchedMonitor(MonitorRef):
    """A monitor as the engine of one region works with it.

    Attributes:
        timetable: its slots; None while it has none, because it is paused without an end.
        is_paused: whether it rested when this was read; paused_until: until when, None for no end.
        run_requested_at: when somebody last asked to look now.
    """

    spec: MonitorSpec
    timetable: Timetable | None
    is_paused: bool = False
    paused_until: datetime | None = None
    run_requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one monitor in one region from check to check.

    Attributes:
        last_slot_at: the newest slot that had its look.
        recent, recent_until: the strip of the last hour.
        last_look: detail of the last look; last_good: of the last one that was wholly good, not
            degraded.
        good_headers: what headers that last good one had; in memory only, because writing them
            with every look would double what is written. Empty after a restart.
    """

    verdict: VerdictState = field(default_factory=VerdictState)
    last_checked_at: datetime | None = None
    last_slot_at: datetime | None = None
    last_status: CheckStatus | None = None
    last_error_kind: ErrorKind | None = None
    last_reason: str = ""
    last_duration_ms: float | None = None
    certificate_not_after: datetime | None = None
    recent: bytes = recent.EMPTY
    recent_until: datetime | None = None
    last_look: Mapping[str, object] = field(default_factory=dict)
    last_good: Mapping[str, object] = field(default_factory=dict)
    good_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check as it is stored for good."""

    checked_at: datetime
    slot_at: datetime
    status: CheckStatus
    error_kind: ErrorKind | None
    is_retry: bool
    in_maintenance: bool
    status_code: int | None
    duration_ms: float
    phases: Phases
    reason: str
    address: str


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A look in detail: the first failure of a row of them, or the last good look before it."""

    checked_at: datetime
    is_good: bool
    detail: Mapping[str, object]
    body: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One check, and everything that follows from it."""

    monitor: MonitorRef
    check: CheckRow
    result: CheckResult
    memory: Memory
    transitions: tuple[Transition, ...] = ()
    evidence: tuple[EvidenceRow, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether somebody waits to hear of it: a state changed, and not just to the first up."""
        return any(
            change.from_state is not MonitorState.UNKNOWN or change.to_state is not MonitorState.UP
            for change in self.transitions
        )


def decide(
    monitor: WatchedMonitor,
    memory: Memory,
    observation: Observation,
    due: Due,
    *,
    in_maintenance: bool,
) -> Decision:
    """What follows from one look.

    Args:
        monitor: who looked.
        memory: what was remembered before.
        observation: what was seen; its start is later than the last look's.
        due: the slot it belongs to, and whether it was an extra look.
        in_maintenance: whether a window covered the service when it started.

    Raises:
        ValidationFailed: a stored condition cannot be read.
    """
    at = observation.started_at
    result = judge(monitor.spec, observation, at)
    verdict, transitions = advance(memory.verdict, result, monitor.spec, at)
    strip, strip_until = recent.add(
        memory.recent,
        memory.recent_until,
        at,
        recent.encode(result.status, observation.duration_ms, in_maintenance),
    )
    detail = describe(observation, in_full=False)
    is_good = result.status is CheckStatus.SUCCESS
    after = Memory(
        verdict=verdict,
        last_checked_at=at,
        last_slot_at=_slot_after(memory, due, result.status),
        last_status=result.status,
        last_error_kind=result.error_kind,
        last_reason=result.reason,
        last_duration_ms=observation.duration_ms,
        certificate_not_after=(
            observation.certificate.not_after
            if observation.certificate is not None
            else memory.certificate_not_after
        ),
        recent=strip,
        recent_until=strip_until,
        last_look=detail,
        # A slow look is no measure of what is normal, however long it has been like that.
        last_good=detail if is_good else memory.last_good,
        good_headers=keepable_headers(observation.headers) if is_good else memory.good_headers,
    )
    check = CheckRow(
        checked_at=at,
        slot_at=due.slot_at,
        status=result.status,
        error_kind=result.error_kind,
        is_retry=due.is_extra,
        in_maintenance=in_maintenance,
        status_code=observation.status_code,
        duration_ms=observation.duration_ms,
        phases=observation.phases,
        reason=result.reason,
        address=shorten(clean(observation.address), 300),
    )
    begins = result.status.looked and not result.status.succeeded and verdict.failures == 1
    evidence = _evidence(memory, observation, result) if begins else ()
    return Decision(monitor, check, result, after, transitions, evidence)


def _slot_after(memory: Memory, due: Due, status: CheckStatus) -> datetime | None:
    if due.is_extra or not status.looked:
        return memory.last_slot_at
    if memory.last_slot_at is None:
        return due.slot_at
    return max(memory.last_slot_at, due.slot_at)


def _evidence(
    memory: Memory, observation: Observation, result: CheckResult
) -> tuple[EvidenceRow, ...]:
    detail = describe(observation, in_full=True)
    detail["reason"] = mask_text(result.reason)
    if result.error_kind is not None:
        detail["error_kind"] = str(result.error_kind)
    if result.failed_conditions:
        detail["failed_conditions"] = [mask_text(each) for each in result.failed_conditions]
    rows = [EvidenceRow(observation.started_at, False, detail, body_text(observation))]
    good_at = memory.verdict.last_good_at
    if memory.last_good and good_at is not None:
        good = dict(memory.last_good)
        if memory.good_headers:
            good["headers"] = describe_headers(memory.good_headers)
        rows.append(EvidenceRow(good_at, True, good, ""))
    return tuple(rows)
