"""Decisions as the engine makes them, without an engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from statustui.domain.decision import CheckRow, Decision, EvidenceRow, Memory, MonitorRef
from statustui.domain.observation import Phases
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.domain.verdict import CheckResult, Transition, VerdictState

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)


def decision(
    number: int,
    *,
    to: MonitorState | None = None,
    monitor: int = 1,
    service: int = 1,
    at: datetime | None = None,
    tenure: int = 1,
) -> Decision:
    """One decision, told by its number, which is its check's reason.

    Args:
        to: the state that it changes to, None when it changes none; from the other of up and down.
        at: when it looked; `number` seconds after `BEGIN` when not given.
    """
    at = at or BEGIN + timedelta(seconds=number)
    is_bad = to is MonitorState.DOWN
    status = CheckStatus.FAILURE if is_bad else CheckStatus.SUCCESS
    kind = ErrorKind.REFUSED if is_bad else None
    check = CheckRow(
        at, at, status, kind, False, False, 200, 1.5, Phases(connect_ms=0.5), f"{number}", "a:1"
    )
    state = to or MonitorState.UP
    other = MonitorState.UP if is_bad else MonitorState.DOWN
    return Decision(
        MonitorRef(monitor, UUID(int=monitor), 1, UUID(int=service), 1, tenure=tenure),
        check,
        CheckResult(status, kind, f"{number}"),
        Memory(
            VerdictState(state, since=at, flips=(at,)),
            last_checked_at=at,
            last_status=status,
            recent=bytes(range(60)),
            recent_until=at,
            last_look={"at": at.isoformat(), "phases": {"connect_ms": 0.5}, "answers": ["ä\x7f"]},
        ),
        () if to is None else (Transition(other, to, at, at, kind, "why"),),
        (EvidenceRow(at, False, {"reason": "why", "headers": {"a": "b"}}, "body\n"),)
        if is_bad
        else (),
    )


def numbers(decisions: object) -> list[int]:
    """Which decisions these are."""
    assert isinstance(decisions, list | tuple)
    return [int(each.check.reason) for each in decisions]
