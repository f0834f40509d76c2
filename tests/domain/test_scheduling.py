"""Slots are stable, spread and never made up for; extra looks belong to the slot before them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.coverage import Coverage, count_slots, cover
from statustui.domain.scheduling import (
    Timetable,
    extra_due,
    first_due,
    next_due,
    next_slot,
    slot_before,
    stable_phase_ms,
)

_BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_TIMES = st.integers(0, 10**9).map(lambda number: _BEGIN + timedelta(microseconds=number * 97))


@st.composite
def _timetables(draw: st.DrawFn) -> Timetable:
    interval_ms = draw(st.sampled_from([5_000, 7_000, 30_000, 60_000, 3_600_000]))
    from_at = draw(_TIMES)
    ends = draw(st.booleans())
    return Timetable(
        interval_ms,
        draw(st.integers(0, interval_ms - 1)),
        from_at,
        from_at + timedelta(seconds=draw(st.integers(0, 90_000))) if ends else None,
    )


@given(_timetables(), _TIMES)
def test_the_next_slot_is_the_first_on_the_phase(timetable: Timetable, after: datetime) -> None:
    slot = next_slot(timetable, after)
    if slot is None:
        assert timetable.to_at is not None
        return
    milliseconds, rest = divmod(slot - datetime(1970, 1, 1, tzinfo=UTC), _MS)
    assert not rest
    assert milliseconds % timetable.interval_ms == timetable.phase_ms
    assert slot > after
    assert slot >= timetable.from_at
    before = slot - timetable.interval_ms * _MS
    assert before <= after or before < timetable.from_at
    assert slot_before(timetable, slot) == slot


@given(_timetables(), _TIMES, st.integers(0, 5_000))
def test_counted_slots_are_those_one_walks_over(
    timetable: Timetable, start: datetime, seconds: int
) -> None:
    end = start + timedelta(seconds=seconds)
    walked = 0
    slot = next_slot(timetable, start - timedelta(microseconds=1))
    while slot is not None and slot < end:
        walked += 1
        slot = next_slot(timetable, slot)
    assert count_slots(timetable, start, end) == walked


@given(_timetables(), _TIMES, st.integers(1, 30))
def test_a_retry_never_passes_the_next_slot(
    timetable: Timetable, now: datetime, seconds: int
) -> None:
    due = next_due(timetable, now, retry_seconds=seconds)
    slot = next_slot(timetable, now)
    assert due is not None
    assert due.at > now
    if due.is_extra:
        assert due.at == now + timedelta(seconds=seconds)
        assert slot is None or due.at < slot
        assert due.slot_at <= due.at
    else:
        assert due.at == due.slot_at == slot


def test_after_a_long_sleep_the_next_look_is_the_next_slot() -> None:
    timetable = Timetable(60_000, 1_500, _BEGIN)
    due = next_due(timetable, _BEGIN + timedelta(hours=5, seconds=7))
    assert due is not None
    assert due.at == _BEGIN + timedelta(hours=5, seconds=61.5)


def test_a_new_monitor_is_looked_at_soon() -> None:
    late_phase = Timetable(3_600_000, 3_599_999, _BEGIN)
    due = first_due(late_phase, _BEGIN + timedelta(seconds=1))
    assert due is not None
    assert due.is_extra
    assert due.at <= _BEGIN + timedelta(seconds=3)
    early_phase = Timetable(3_600_000, 1_000, _BEGIN)
    due = first_due(early_phase, _BEGIN + timedelta(seconds=0.9995))
    assert due is not None
    assert (due.at, due.is_extra) == (_BEGIN + timedelta(seconds=1), False) or due.is_extra
    resumed_later = Timetable(60_000, 0, _BEGIN + timedelta(hours=1))
    due = first_due(resumed_later, _BEGIN)
    assert due is not None
    assert due.at >= _BEGIN + timedelta(hours=1)
    over = Timetable(3_600_000, 3_599_999, _BEGIN, _BEGIN + timedelta(seconds=1))
    assert first_due(over, _BEGIN) is None


def test_somebody_asks_to_look_now() -> None:
    timetable = Timetable(60_000, 0, _BEGIN)
    now = _BEGIN + timedelta(seconds=90)
    due = extra_due(timetable, now)
    assert (due.at, due.slot_at, due.is_extra) == (now, _BEGIN + timedelta(seconds=60), True)


def test_phases_are_those_that_the_database_draws() -> None:
    monitor = UUID("6b9c3f0e-6f0c-4d9d-9f39-0a4b8a1f0d11")
    phases = [stable_phase_ms(str(monitor), region, 60) for region in ("local", "eu")]
    assert phases == [stable_phase_ms(str(monitor), region, 60) for region in ("local", "eu")]
    assert phases[0] != phases[1]
    spread = [stable_phase_ms(str(UUID(int=number)), "local", 60) for number in range(2_000)]
    assert 0 <= min(spread) < 300
    assert 59_700 < max(spread) < 60_000
    per_second = [
        sum(second * 1000 <= p < second * 1000 + 1000 for p in spread) for second in range(60)
    ]
    assert max(per_second) < 2_000 / 60 * 2


def test_coverage_adds_up_over_timetables() -> None:
    before = Timetable(60_000, 0, _BEGIN, _BEGIN + timedelta(minutes=10))
    after = Timetable(30_000, 0, _BEGIN + timedelta(minutes=20))
    covered = cover([before, after], 25, _BEGIN, _BEGIN + timedelta(minutes=30))
    assert covered == Coverage(scheduled=10 + 20, looked=25)
    assert covered + Coverage(1, 1) == Coverage(31, 26)
