"""One look leads to one decision: the check, what is remembered, what is kept as evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.evidence import certificate_of, phases_of, time_of
from statustui.domain.monitor import HttpConfig, MonitorSpec
from statustui.domain.observation import Certificate, Observation, Phases
from statustui.domain.scheduling import Due, Timetable
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState, MonitorType

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
_CERTIFICATE = Certificate("CN=a", "CN=ca", "01", _NOON + timedelta(days=30), ("a", "b"))
_MONITOR = WatchedMonitor(
    key=1,
    id=UUID(int=1),
    org_id=1,
    service_id=UUID(int=2),
    region=1,
    spec=MonitorSpec(
        name="a",
        type=MonitorType.HTTP,
        config=HttpConfig("http://a/"),
        timeout_ms=1_000,
        retry_interval_seconds=5,
        failure_threshold=2,
    ),
    timetable=Timetable(60_000, 0, _NOON),
)
_GOOD = Observation(
    started_at=_NOON,
    duration_ms=12.3456,
    connected=True,
    status_code=200,
    phases=Phases(connect_ms=1.0, first_byte_ms=2.0),
    address="10.0.0.1:80",
    headers={"server": "x\x1b[2J", "set-cookie": "id=hidden", "authorization": "hidden"},
    body=b"caf\xc3\xa9 \x1b[31m\xff" + b"x" * 10_000,
    certificate=_CERTIFICATE,
    repeat_command="curl http://a/",
)


def _look(
    memory: Memory, second: float, *, status_code: int = 200, extra: bool = False
) -> Decision:
    at = _NOON + timedelta(seconds=second)
    seen = replace(_GOOD, started_at=at, status_code=status_code)
    return decide(_MONITOR, memory, seen, Due(at, at, is_extra=extra), in_maintenance=False)


def test_a_good_look() -> None:
    decision = _look(Memory(), 0)
    assert decision.check.status is CheckStatus.SUCCESS
    assert decision.check.address == "10.0.0.1:80"
    assert decision.evidence == ()
    assert [change.to_state for change in decision.transitions] == [MonitorState.UP]
    memory = decision.memory
    assert (memory.last_slot_at, memory.last_checked_at) == (_NOON, _NOON)
    assert memory.certificate_not_after == _CERTIFICATE.not_after
    assert phases_of(memory.last_good) == _GOOD.phases
    assert certificate_of(memory.last_good) == _CERTIFICATE
    assert time_of(memory.last_good) == _NOON
    assert "headers" not in memory.last_look
    assert json.loads(json.dumps(memory.last_look)) == memory.last_look


def test_the_first_failure_of_a_row_leaves_evidence_with_the_last_good_look() -> None:
    good = _look(Memory(), 0)
    first = _look(good.memory, 60, status_code=500)
    second = _look(first.memory, 65, status_code=500, extra=True)
    assert [(row.is_good, row.checked_at) for row in first.evidence] == [
        (False, _NOON + timedelta(seconds=60)),
        (True, _NOON),
    ]
    assert second.evidence == ()
    # The headers of the good look were only in memory until now.
    assert "headers" not in good.memory.last_good
    masked = {"server": "x", "set-cookie": "***", "authorization": "***"}
    assert first.evidence[1].detail == {**good.memory.last_good, "headers": masked}
    evidence = first.evidence[0]
    assert evidence.detail["error_kind"] == "http_status"
    assert evidence.detail["headers"] == {
        "server": "x",
        "set-cookie": "***",
        "authorization": "***",
    }
    assert evidence.body.startswith("café \ufffdx")
    assert len(evidence.body.encode()) <= 16_384
    assert "hidden" not in json.dumps(evidence.detail)
    assert [change.to_state for change in second.transitions] == [MonitorState.DOWN]
    assert second.transitions[0].effective_at == _NOON + timedelta(seconds=60)
    # What was good stays known through the outage.
    assert time_of(second.memory.last_good) == _NOON


def test_a_slow_look_is_no_measure_of_what_is_good() -> None:
    slow = replace(_MONITOR, spec=replace(_MONITOR.spec, degraded_after_ms=100))
    memory = _look(Memory(), 0).memory
    for second in (60, 120):
        at = _NOON + timedelta(seconds=second)
        seen = replace(_GOOD, started_at=at, duration_ms=468.0, phases=Phases(first_byte_ms=466.0))
        memory = decide(
            slow, memory, seen, Due(at, at, is_extra=False), in_maintenance=False
        ).memory
    assert memory.verdict.state is MonitorState.DEGRADED
    assert memory.last_status is CheckStatus.DEGRADED
    assert phases_of(memory.last_look) == Phases(first_byte_ms=466.0)
    assert phases_of(memory.last_good) == _GOOD.phases
    assert (time_of(memory.last_good), memory.verdict.last_good_at) == (_NOON, _NOON)


def test_an_extra_look_is_no_slot_and_nobody_looking_neither() -> None:
    decision = _look(Memory(), 0, extra=True)
    assert decision.memory.last_slot_at is None
    assert decision.check.is_retry
    at = _NOON + timedelta(minutes=1)
    blind = Observation(at, 1.0, ErrorKind.OBSERVER, "no socket")
    decided = decide(_MONITOR, decision.memory, blind, Due(at, at), in_maintenance=True)
    assert decided.memory.last_slot_at is None
    assert decided.check.status is CheckStatus.UNKNOWN
    assert decided.check.in_maintenance
    assert decided.memory.recent[-1] == 0xC1


def test_details_of_another_version_are_read_as_far_as_they_go() -> None:
    assert phases_of(None) == Phases()
    assert phases_of({"phases": {"connect_ms": "x", "tls_ms": True, "new": 5}}) == Phases()
    assert certificate_of({"certificate": {"subject": "a", "not_after": "soon"}}) is None
    assert certificate_of({"certificate": "x"}) is None
    assert time_of({"at": "2027-01-01T00:00:00"}) is None
    assert time_of({"at": 5}) is None
