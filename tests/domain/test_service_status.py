"""Monitors speak together: the worst of them counts, and since the right look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.service_status import MonitorSay, ServiceSay, roll_up
from statustui.domain.status import MonitorState, ServiceStatus

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def _at(minute: int) -> datetime:
    return _NOON + timedelta(minutes=minute)


def _say(text: str) -> list[MonitorSay]:
    """Monitors as "down@3 up@1"."""
    pairs = (word.split("@") for word in text.split())
    return [MonitorSay(MonitorState(state), _at(int(minute))) for state, minute in pairs]


_UP = ServiceSay(ServiceStatus.OPERATIONAL, _at(0))
_PARTIAL = ServiceSay(ServiceStatus.PARTIAL_OUTAGE, _at(2))
_MAJOR = ServiceSay(ServiceStatus.MAJOR_OUTAGE, _at(3))


@pytest.mark.parametrize(
    ("monitors", "before", "status", "since"),
    [
        ("up@0", None, "operational", 0),
        ("down@3", _UP, "major_outage", 3),
        ("down@3 down@5", _UP, "major_outage", 5),
        ("down@3 up@0", _UP, "partial_outage", 3),
        ("down@5 down@3 up@0", _UP, "partial_outage", 3),
        ("down@3 up@7", _MAJOR, "partial_outage", 7),
        ("down@3 degraded@0", _UP, "partial_outage", 3),
        ("down@3 unknown@0", _UP, "major_outage", 3),
        ("degraded@4 up@0", _UP, "degraded_performance", 4),
        ("flapping@4 up@0", _UP, "degraded_performance", 4),
        ("degraded@9 up@0", _PARTIAL, "degraded_performance", 9),
        ("up@9 up@0", _PARTIAL, "operational", 9),
        ("up@9 paused@1", _MAJOR, "operational", 9),
        ("down@1 paused@1", _UP, "major_outage", 1),
        # What did not change stays as it was, with its time.
        ("down@2 down@9 up@0", _PARTIAL, "partial_outage", 2),
        # Nobody knows: what was said still stands.
        ("unknown@9", _MAJOR, "major_outage", 3),
        ("unknown@9 paused@1", _MAJOR, "major_outage", 3),
        # Nobody says anything any more.
        ("paused@9", _MAJOR, "operational", 30),
        ("", _MAJOR, "operational", 30),
        ("paused@9", _UP, "operational", 0),
    ],
)
def test_roll_up(monitors: str, before: ServiceSay | None, status: str, since: int) -> None:
    say = roll_up(_say(monitors), before, _at(30))
    assert say == ServiceSay(ServiceStatus(status), _at(since))


def test_nothing_was_ever_said() -> None:
    assert roll_up([], None, _NOON) is None
    assert roll_up(_say("unknown@0"), None, _NOON) is None


@given(
    st.lists(st.tuples(st.sampled_from(MonitorState), st.integers(0, 20)), max_size=6),
    st.sampled_from([None, _UP, _PARTIAL, _MAJOR]),
)
def test_saying_it_again_changes_nothing(
    monitors: list[tuple[MonitorState, int]], before: ServiceSay | None
) -> None:
    says = [MonitorSay(state, _at(minute)) for state, minute in monitors]
    say = roll_up(says, before, _at(30))
    assert roll_up(says, say, _at(31)) == say
    assert roll_up(reversed(says), before, _at(30)) == say
