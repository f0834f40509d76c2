"""The bars of a look: in order, at least one column, never beyond the axis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.observation import Phases
from statustui.presenters.waterfall import lay_out, milliseconds

NOW = Phases(2.0, 11.0, 24.0, 273.0, 2.0)
GOOD = Phases(2.0, 10.0, 22.0, 6.0, 1.0)


def test_a_slow_first_byte_is_the_telling_phase() -> None:
    fall = lay_out(NOW, GOOD, 80)
    assert [bar.name for bar in fall.bars if bar.is_telling] == ["first byte"]
    assert fall.total_ms == 312.0
    assert fall.good_total_ms == 41.0
    assert fall.ticks[0].text == "0"
    assert fall.ticks[-1].text.endswith(" ms")


def test_phases_that_no_look_reached_are_left_out() -> None:
    fall = lay_out(Phases(resolve_ms=1.0, connect_ms=3.0), None, 40)
    assert [bar.name for bar in fall.bars] == ["resolve", "connect"]
    assert fall.good_total_ms is None


def test_a_phase_that_this_look_did_not_reach_has_no_bar() -> None:
    fall = lay_out(Phases(resolve_ms=2.0), GOOD, 40)
    assert [bar.length for bar in fall.bars] == [40, 0, 0, 0, 0]


def test_nothing_timed_is_nothing_drawn() -> None:
    fall = lay_out(Phases(), None, 40)
    assert fall.bars == ()
    assert fall.ticks == ()
    assert fall.total_ms is None


def test_short_phases_never_tell() -> None:
    fall = lay_out(Phases(resolve_ms=4.9), Phases(resolve_ms=0.1), 40)
    assert not fall.bars[0].is_telling


_PHASE = st.none() | st.floats(0, 30_000)


@given(st.builds(Phases, _PHASE, _PHASE, _PHASE, _PHASE, _PHASE), st.integers(1, 200))
def test_bars_stay_on_the_axis_in_their_order(phases: Phases, columns: int) -> None:
    fall = lay_out(phases, None, columns)
    drawn = [bar for bar in fall.bars if bar.length]
    assert all(bar.offset >= 0 and bar.offset + bar.length <= columns for bar in drawn)
    assert [bar.offset for bar in drawn] == sorted(bar.offset for bar in drawn)
    ends = [tick.offset + len(tick.text) for tick in fall.ticks]
    starts = [tick.offset for tick in fall.ticks]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0, "0.0 ms"),
        (0.34, "0.3 ms"),
        (41.2, "41 ms"),
        (1_204.0, "1,204 ms"),
        (12_400.0, "12.4 s"),
    ],
)
def test_milliseconds(value: float | None, shown: str) -> None:
    assert milliseconds(value) == shown
