"""A batch never says more than could have been said at its time."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.decision import Decision
from statustui.domain.status import MonitorState
from statustui.engine.batches import MOST_IN_A_BATCH, newest, next_batch
from tests.support.decisions import BEGIN, decision, numbers

UP, DOWN = MonitorState.UP, MonitorState.DOWN


def test_a_fall_and_a_rise_of_one_service_stand_apart() -> None:
    waiting = [
        decision(0, to=DOWN, service=1, at=BEGIN),
        decision(1, to=DOWN, service=2, at=BEGIN),
        decision(2, to=UP, service=1, at=BEGIN),
        decision(3, at=BEGIN),
    ]
    assert numbers(next_batch(waiting, late=True)) == [0, 1]
    assert numbers(next_batch(waiting[2:], late=True)) == [2, 3]
    assert numbers(next_batch(waiting, late=False)) == [0, 1, 2, 3]


def test_what_came_long_after_a_change_is_settled_later() -> None:
    waiting = [decision(0), decision(60, to=DOWN), decision(61), decision(62), decision(63, to=UP)]
    batch = next_batch(waiting, late=True)
    assert (numbers(batch), newest(batch)) == ([0, 60, 61], BEGIN + timedelta(seconds=61))


def test_a_batch_has_an_end() -> None:
    assert len(next_batch([decision(0)] * (MOST_IN_A_BATCH + 1), late=True)) == MOST_IN_A_BATCH
    storm = [decision(n, to=DOWN, service=n, at=BEGIN) for n in range(150)]
    assert len(next_batch(storm, late=True)) == len(next_batch(storm, late=False)) == 100


@given(
    st.lists(
        st.tuples(st.sampled_from([None, UP, DOWN]), st.integers(1, 3), st.integers(0, 5)),
        max_size=30,
    )
)
def test_nothing_is_left_out_or_moved(drawn: list[tuple[MonitorState | None, int, int]]) -> None:
    at = BEGIN
    waiting: list[Decision] = []
    for number, (to, service, seconds) in enumerate(drawn):
        at += timedelta(seconds=seconds)
        waiting.append(decision(number, to=to, service=service, at=at))
    written: list[int] = []
    while left := waiting[len(written) :]:
        batch = next_batch(left, late=True)
        assert batch
        written += numbers(batch)
        for service in (1, 2, 3):
            said = {
                each.transitions[0].to_state
                for each in batch
                if each.transitions and each.monitor.service_id.int == service
            }
            assert len(said) < 2
    assert written == list(range(len(waiting)))
