"""A look is judged against expectations, and rows of looks against thresholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.monitor import (
    CheckConfig,
    DnsConfig,
    HttpConfig,
    MonitorSpec,
    PingConfig,
    TcpConfig,
    type_of,
)
from statustui.domain.observation import Observation
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.domain.verdict import (
    CheckResult,
    Transition,
    VerdictState,
    advance,
    judge,
    wants_retry,
)

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def _spec(config: CheckConfig | None = None, **more: Any) -> MonitorSpec:
    config = config or HttpConfig("http://a/")
    return MonitorSpec(
        **{
            "name": "a",
            "type": type_of(config),
            "config": config,
            "timeout_ms": 1_000,
            "retry_interval_seconds": 5,
            **more,
        }
    )


def _seen(**more: Any) -> Observation:
    return Observation(
        **{
            "started_at": _NOON,
            "duration_ms": 20.0,
            "connected": True,
            "status_code": 200,
            "body": b'{"status": "ok"}',
            **more,
        }
    )


_TIMEOUT = {"error_kind": ErrorKind.TIMEOUT, "reason": "no answer", "connected": False}
_REFUSED = {"error_kind": ErrorKind.REFUSED, "reason": "refused", "connected": False}


@pytest.mark.parametrize(
    ("spec", "seen", "status", "kind", "reason"),
    [
        (_spec(), {}, "success", None, ""),
        (_spec(), {"status_code": 299}, "success", None, ""),
        (
            _spec(),
            {"status_code": 503},
            "failure",
            "http_status",
            "answered 503 Service Unavailable, expected 200-299",
        ),
        (_spec(), {"status_code": 599}, "failure", "http_status", "answered 599, expected"),
        (_spec(), _TIMEOUT, "timeout", "timeout", "no answer"),
        (_spec(), _REFUSED, "failure", "refused", "refused"),
        (_spec(), {**_REFUSED, "reason": ""}, "failure", "refused", "refused"),
        (_spec(), {**_REFUSED, "error_kind": ErrorKind.OBSERVER}, "unknown", "observer", ""),
        (
            _spec(HttpConfig("http://a/", expected_status=((200, 200), (301, 399)))),
            {"status_code": 204},
            "failure",
            "http_status",
            "expected 200, 301-399",
        ),
        (_spec(HttpConfig("http://a/", expected_body="ok")), {}, "success", None, ""),
        (
            _spec(HttpConfig("http://a/", expected_body="fine")),
            {"body_truncated": True},
            "failure",
            "assertion",
            'body does not contain "fine" within its first 16 bytes',
        ),
        (
            _spec(HttpConfig("http://a/", not_expected_body="ok")),
            {},
            "failure",
            "assertion",
            'body contains "ok"',
        ),
        (
            _spec(HttpConfig("http://a/", body_regex="ok|fine")),
            {"body_matches": True},
            "success",
            None,
            "",
        ),
        (
            _spec(HttpConfig("http://a/", body_regex="v[0-9]+")),
            {"body_matches": False, "body_truncated": True},
            "failure",
            "assertion",
            'body does not match "v[0-9]+" within its first 16 bytes',
        ),
        (
            _spec(conditions=("[BODY].status == fine",)),
            {},
            "failure",
            "assertion",
            "[BODY].status",
        ),
        (_spec(conditions=("[BODY].status == ok",)), {}, "success", None, ""),
        # A condition on the status replaces the default expectation, not one that was written.
        (_spec(conditions=("[STATUS] == 503",)), {"status_code": 503}, "success", None, ""),
        (
            _spec(
                HttpConfig("http://a/", expected_status=((200, 200),)),
                conditions=("[STATUS] < 600",),
            ),
            {"status_code": 503},
            "failure",
            "http_status",
            "expected 200",
        ),
        (_spec(conditions=("[CONNECTED] == false",)), _REFUSED, "success", None, ""),
        (_spec(conditions=("[CONNECTED] == false",)), {}, "failure", "assertion", "[CONNECTED]"),
        (
            _spec(degraded_after_ms=10),
            {"duration_ms": 1240.4},
            "degraded",
            None,
            "took 1,240 ms, limit 10 ms",
        ),
        (_spec(degraded_after_ms=20), {}, "success", None, ""),
        (
            _spec(degraded_conditions=("[RESPONSE_TIME] < 10",)),
            {},
            "degraded",
            None,
            "[RESPONSE_TIME]",
        ),
        (_spec(TcpConfig("a", 1)), {"status_code": None}, "success", None, ""),
        (_spec(PingConfig("a")), {"loss_percent": 0.0}, "success", None, ""),
        (
            _spec(PingConfig("a", max_loss_percent=20)),
            {"loss_percent": 33.3},
            "failure",
            "loss",
            "33.3 % of packets lost, allowed 20 %",
        ),
        (
            _spec(PingConfig("a")),
            {"loss_percent": 100.0, "connected": False},
            "failure",
            "loss",
            "100 % of packets lost",
        ),
        (
            _spec(DnsConfig("a.test")),
            {"dns_rcode": "NXDOMAIN"},
            "failure",
            "dns",
            "A a.test: NXDOMAIN",
        ),
        (
            _spec(DnsConfig("a.test")),
            {"dns_rcode": "NOERROR"},
            "failure",
            "dns",
            "no such record",
        ),
        (
            _spec(DnsConfig("a.test"), conditions=("[DNS_RCODE] == NXDOMAIN",)),
            {"dns_rcode": "NXDOMAIN"},
            "success",
            None,
            "",
        ),
        (
            _spec(DnsConfig("a.test", "MX", expected=("10 MX.a.test.",))),
            {"dns_rcode": "NOERROR", "answers": ("10 mx.a.test", "20 b.test")},
            "success",
            None,
            "",
        ),
        (
            _spec(DnsConfig("a.test", expected=("10.0.0.1", "10.0.0.2"))),
            {"dns_rcode": "NOERROR", "answers": ("10.0.0.2", "10.0.0.3")},
            "failure",
            "assertion",
            "10.0.0.1 is missing; got 10.0.0.2, 10.0.0.3",
        ),
        (
            _spec(DnsConfig("a.test", expected=("10.0.0.1",), expected_match="set")),
            {"dns_rcode": "NOERROR", "answers": ("10.0.0.1", "10.0.0.9")},
            "failure",
            "assertion",
            "10.0.0.9 is not expected",
        ),
    ],
)
def test_judge(
    spec: MonitorSpec, seen: dict[str, Any], status: str, kind: str | None, reason: str
) -> None:
    result = judge(spec, _seen(**seen), _NOON)
    assert result.status == status, result
    assert result.error_kind == kind
    assert reason in result.reason
    assert bool(result.reason) == (result.status is not CheckStatus.SUCCESS)


def test_a_hostile_reason_is_harmless() -> None:
    hostile = "bad\x1b[2J\r\n\u202e" + "x" * 1_000
    result = judge(_spec(), _seen(error_kind=ErrorKind.PROTOCOL, reason=hostile), _NOON)
    assert result.reason.isprintable()
    assert len(result.reason) <= 300


# One letter a look: s(uccess), d(egraded), f(ailure), u(nknown), a second apart.
_LETTERS = {
    "s": CheckResult(CheckStatus.SUCCESS),
    "d": CheckResult(CheckStatus.DEGRADED, None, "slow"),
    "f": CheckResult(CheckStatus.FAILURE, ErrorKind.REFUSED, "refused"),
    "u": CheckResult(CheckStatus.UNKNOWN, ErrorKind.OBSERVER, "offline"),
}


def _walk(
    looks: str, spec: MonitorSpec, state: VerdictState | None = None
) -> tuple[VerdictState, list[tuple[str, int, int]]]:
    """The state after some looks, and its changes: to what, effective and decided second."""
    state = state or VerdictState()
    changes: list[tuple[str, int, int]] = []
    for second, letter in enumerate(looks):
        state, transitions = advance(
            state, _LETTERS[letter], spec, _NOON + timedelta(seconds=second)
        )
        changes += [
            (
                str(change.to_state),
                round((change.effective_at - _NOON).total_seconds()),
                round((change.decided_at - _NOON).total_seconds()),
            )
            for change in transitions
        ]
    return state, changes


@pytest.mark.parametrize(
    ("looks", "changes"),
    [
        ("s", [("up", 0, 0)]),
        ("d", [("degraded", 0, 0)]),
        ("fff", [("down", 0, 2)]),
        ("sff", [("up", 0, 0)]),
        ("sffsff", [("up", 0, 0)]),
        ("sffff", [("up", 0, 0), ("down", 1, 3)]),
        ("sfffs", [("up", 0, 0), ("down", 1, 3)]),
        ("sfffss", [("up", 0, 0), ("down", 1, 3), ("up", 4, 5)]),
        ("sfffsfss", [("up", 0, 0), ("down", 1, 3), ("up", 6, 7)]),
        ("sfffdd", [("up", 0, 0), ("down", 1, 3), ("degraded", 4, 5)]),
        ("sdd", [("up", 0, 0)]),
        ("sddd", [("up", 0, 0), ("degraded", 1, 3)]),
        ("sdfd", [("up", 0, 0), ("degraded", 1, 3)]),
        ("sdddss", [("up", 0, 0), ("degraded", 1, 3), ("up", 4, 5)]),
        ("sdddsds", [("up", 0, 0), ("degraded", 1, 3)]),
        ("sdddfff", [("up", 0, 0), ("degraded", 1, 3), ("down", 4, 6)]),
        ("suu", [("up", 0, 0)]),
        ("suuu", [("up", 0, 0), ("unknown", 1, 3)]),
        ("suuus", [("up", 0, 0), ("unknown", 1, 3), ("up", 4, 4)]),
        ("sfuff", [("up", 0, 0), ("down", 1, 4)]),
        ("sffuuuf", [("up", 0, 0), ("unknown", 3, 5)]),
        ("uuu", []),
    ],
)
def test_rows_of_looks(looks: str, changes: list[tuple[str, int, int]]) -> None:
    spec = _spec(failure_threshold=3, recovery_threshold=2)
    assert _walk(looks, spec)[1] == changes


@given(st.text("sdfu", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_whatever_happens_the_rows_and_the_state_agree(
    looks: str, failure_threshold: int, recovery_threshold: int
) -> None:
    spec = _spec(failure_threshold=failure_threshold, recovery_threshold=recovery_threshold)
    state = VerdictState()
    for second, letter in enumerate(looks):
        at = _NOON + timedelta(seconds=second)
        before = state
        state, transitions = advance(before, _LETTERS[letter], spec, at)
        assert len(transitions) == (state.state is not before.state)
        for change in transitions:
            assert isinstance(change, Transition)
            assert (change.from_state, change.to_state) == (before.state, state.state)
            assert change.effective_at <= change.decided_at == at
            assert state.since == change.effective_at
        assert (state.failures > 0) == (state.first_failure_at is not None)
        assert (state.successes > 0) == (state.first_success_at is not None)
        assert not (state.failures and state.successes)
        if state.failures >= failure_threshold:
            assert state.rows_say is MonitorState.DOWN
        if state.rows_say is MonitorState.DOWN:
            assert state.successes < recovery_threshold
        assert (state.state is MonitorState.FLAPPING) == (state.beneath is not None)
        assert wants_retry(state, spec) <= (0 < state.failures < failure_threshold)


def test_a_retry_is_wanted_only_until_the_verdict_is_confirmed() -> None:
    spec = _spec(failure_threshold=3)
    wanted = []
    state = VerdictState()
    for second, letter in enumerate("sfffffs"):
        state, _ = advance(state, _LETTERS[letter], spec, _NOON + timedelta(seconds=second))
        wanted.append(wants_retry(state, spec))
    assert wanted == [False, True, True, False, False, False, False]
    assert not wants_retry(replace(state, failures=1, unknowns=1), spec)


def test_flips_are_remembered_for_ten_intervals() -> None:
    spec = _spec(failure_threshold=1, interval_seconds=5)
    state, changes = _walk("sfsfs", spec)
    # The first look found out what it is; that is no change of the target.
    assert (len(changes), len(state.flips)) == (5, 4)
    state, _ = advance(state, _LETTERS["f"], spec, _NOON + timedelta(seconds=52))
    assert [round((flip - _NOON).total_seconds()) for flip in state.flips] == [3, 4, 52]


def test_five_changes_within_ten_intervals_are_flapping() -> None:
    spec = _spec(failure_threshold=1, interval_seconds=5)
    state, changes = _walk("sfsfsf", spec)
    assert (state.state, state.rows_say) == (MonitorState.FLAPPING, MonitorState.DOWN)
    assert [to_state for to_state, *_ in changes][-2:] == ["up", "flapping"]
    # Further changes are none of the state; what it would be is known all the time.
    state, changes = _walk("sfsfsfsfs", spec)
    assert len(changes) == 6
    assert (state.state, state.rows_say) == (MonitorState.FLAPPING, MonitorState.UP)
    # Spread over more than ten intervals they are five changes.
    slow = _spec(failure_threshold=1, interval_seconds=5)
    state = VerdictState()
    for number, letter in enumerate("sfsfsfsfs"):
        state, _ = advance(state, _LETTERS[letter], slow, _NOON + timedelta(seconds=13 * number))
    assert state.state is MonitorState.UP


@pytest.mark.parametrize(("letter", "after"), [("s", MonitorState.UP), ("f", MonitorState.DOWN)])
def test_a_flapping_monitor_is_stable_after_ten_minutes(letter: str, after: MonitorState) -> None:
    spec = _spec(failure_threshold=1, interval_seconds=5)
    flapping, _ = _walk("sfsfsf" + ("s" if letter == "s" else ""), spec)
    last = max(flapping.flips)
    early, changes = advance(flapping, _LETTERS[letter], spec, last + timedelta(seconds=599))
    assert (early.state, changes) == (MonitorState.FLAPPING, ())
    stable, (change,) = advance(early, _LETTERS[letter], spec, last + timedelta(seconds=600))
    assert (stable.state, stable.beneath) == (after, None)
    assert (change.from_state, change.to_state) == (MonitorState.FLAPPING, after)
    # An outage began with its first failure; what is well is so since it was found stable.
    began = last if after is MonitorState.DOWN else change.decided_at
    assert change.effective_at == began


def test_a_flapping_monitor_that_nobody_sees_is_unknown() -> None:
    spec = _spec(failure_threshold=1, interval_seconds=5)
    state, changes = _walk("sfsfsfu", spec)
    assert (state.state, state.beneath) == (MonitorState.UNKNOWN, None)
    assert [to_state for to_state, *_ in changes][-2:] == ["flapping", "unknown"]
