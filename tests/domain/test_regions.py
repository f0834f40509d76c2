"""Down is what enough regions call down; less than that is degraded; nobody looking is neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.regions import RegionSay, combine, quorum_of
from statustui.domain.status import ErrorKind, MonitorState

_BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
_WORDS = {
    "d": MonitorState.DOWN,
    "f": MonitorState.FLAPPING,
    "s": MonitorState.DEGRADED,
    "u": MonitorState.UP,
    "?": MonitorState.UNKNOWN,
}
_NOW = _BEGIN + timedelta(hours=1)


def _at(seconds: int) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)


def _says(states: str) -> list[RegionSay]:
    """Each a second after the one before it."""
    return [
        RegionSay(
            _WORDS[letter],
            _at(place),
            None if letter in "u?" else ErrorKind.REFUSED,
            "" if letter in "u?" else f"from {place}",
        )
        for place, letter in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("states", "quorum", "expected"),
    [
        ("u", None, "u"),
        ("d", None, "d"),
        ("du", None, "s"),
        ("dd", None, "d"),
        ("ddu", None, "d"),
        ("duu", None, "s"),
        ("dduu", None, "s"),
        ("d?", None, "d"),
        ("u?", None, "u"),
        ("??", None, "?"),
        ("", None, "?"),
        ("du", 1, "d"),
        ("duu", 1, "d"),
        ("ddu", 3, "s"),
        ("dd?", 3, "s"),
        ("d?", 2, "s"),
        ("su", None, "s"),
        ("fu", None, "s"),
        ("ff", None, "f"),
        ("fd", None, "f"),
        ("fdd", None, "d"),
        ("fs", None, "s"),
    ],
)
def test_what_they_say_together(states: str, quorum: int | None, expected: str) -> None:
    assert combine(_says(states), quorum, None, _NOW).state is _WORDS[expected]


@pytest.mark.parametrize(
    ("before", "states", "since", "reason"),
    [
        ("u", "uud", 2, "from 2"),  # the first that broke
        ("u", "ddu", 1, "from 0"),  # the quorum was complete with the second
        ("s", "ddd", 1, "from 0"),
        ("d", "duu", 2, "from 0"),  # it healed with the last that came back
        ("d", "uuu", 2, ""),
        ("?", "uu?", 1, ""),
    ],
)
def test_since_when_and_why(before: str, states: str, since: int, reason: str) -> None:
    was = RegionSay(_WORDS[before], _BEGIN - timedelta(minutes=1))
    now = combine(_says(states), None, was, _NOW)
    assert (now.since, now.reason) == (_at(since), reason)


def test_that_nobody_looks_begins_when_it_is_found() -> None:
    was = RegionSay(MonitorState.DOWN, _BEGIN, ErrorKind.REFUSED, "refused")
    assert combine(_says("??"), None, was, _NOW) == RegionSay(MonitorState.UNKNOWN, _NOW)


states = st.text("dfsu?", max_size=7)


@given(states, st.none() | st.integers(1, 7), st.sampled_from("dfsu?"))
def test_it_changes_only_with_its_state_and_never_goes_back_in_time(
    letters: str, quorum: int | None, before: str
) -> None:
    was = RegionSay(_WORDS[before], _at(3))
    now = combine(_says(letters), quorum, was, _NOW)
    if now.state is was.state:
        assert now is was
    assert now.since >= was.since
    # Asked again, it stays.
    assert combine(_says(letters), quorum, now, _NOW + timedelta(hours=1)) is now
    shuffled = sorted(_says(letters), key=lambda say: (say.reason, say.since))
    assert combine(shuffled, quorum, was, _NOW) == now


@given(states, st.none() | st.integers(1, 7))
def test_down_is_what_at_least_the_quorum_calls_down(letters: str, quorum: int | None) -> None:
    looked = len(letters) - letters.count("?")
    is_down = looked > 0 and letters.count("d") >= quorum_of(quorum, looked)
    together = combine(_says(letters), quorum, None, _NOW)
    assert (together.state is MonitorState.DOWN) is is_down
    # One more region that cannot look changes nothing.
    blind = [*_says(letters), replace(_says("?")[0], since=_at(99))]
    assert combine(blind, quorum, None, _NOW) == together
