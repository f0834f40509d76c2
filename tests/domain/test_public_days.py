"""The worst status of each day, by table and by a brute-force count of seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.public_days import StatusChange, worst_by_day
from statustui.domain.status import ServiceStatus

WELL, SLOW, PART, DOWN = (
    ServiceStatus.OPERATIONAL,
    ServiceStatus.DEGRADED_PERFORMANCE,
    ServiceStatus.PARTIAL_OUTAGE,
    ServiceStatus.MAJOR_OUTAGE,
)
FIRST = date(2026, 11, 10)
NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def worst(*changes: StatusChange, present: ServiceStatus = WELL, born: datetime = LONG_AGO) -> dict[
    int, ServiceStatus
]:  # fmt: skip
    found = worst_by_day(changes, present, born, FIRST, NOW)
    return {day.day: status for day, status in found.items()}


def test_without_changes_every_day_has_the_present_status() -> None:
    assert worst(present=SLOW) == dict.fromkeys(range(10, 16), SLOW)


def test_an_outage_marks_the_days_that_it_touched() -> None:
    outage = (StatusChange(at(12, 23), WELL, DOWN), StatusChange(at(13, 1), DOWN, WELL))
    assert worst(*outage) == {10: WELL, 11: WELL, 12: DOWN, 13: DOWN, 14: WELL, 15: WELL}


def test_an_outage_that_ends_at_midnight_leaves_the_next_day_alone() -> None:
    outage = (StatusChange(at(12, 23), WELL, DOWN), StatusChange(at(13), DOWN, WELL))
    assert worst(*outage)[13] is WELL


def test_what_lasted_from_before_the_window_is_told() -> None:
    before = StatusChange(at(1), WELL, PART)
    assert worst(before, StatusChange(at(11, 6), PART, WELL)) == {
        10: PART, 11: PART, 12: WELL, 13: WELL, 14: WELL, 15: WELL,
    }  # fmt: skip


def test_before_the_first_known_change_it_was_what_it_changed_from() -> None:
    assert worst(StatusChange(at(14), SLOW, WELL))[12] is SLOW


def test_days_before_a_service_existed_have_no_status() -> None:
    assert sorted(worst(born=at(13, 5))) == [13, 14, 15]
    # What was entered after the fact is told all the same.
    early = (StatusChange(at(11, 3), WELL, DOWN), StatusChange(at(11, 4), DOWN, WELL))
    assert worst(*early, born=at(13, 5))[11] is DOWN


HOURS = st.integers(0, 24 * 6 - 13)


@given(
    st.lists(st.tuples(HOURS, st.sampled_from([WELL, SLOW, PART, DOWN])), max_size=8),
    st.sampled_from([WELL, DOWN]),
)
def test_the_same_as_looking_at_every_hour(
    moments: list[tuple[int, ServiceStatus]], opening: ServiceStatus
) -> None:
    start = at(10)
    changes = []
    before = opening
    for hour, after in sorted(moments, key=lambda moment: moment[0]):
        changes.append(StatusChange(start + timedelta(hours=hour), before, after))
        before = after
    expected: dict[date, ServiceStatus] = {}
    for hour in range(int((NOW - start) / timedelta(hours=1))):
        moment = start + timedelta(hours=hour)
        held = next((c.after for c in reversed(changes) if c.at <= moment), None)
        if held is None:
            held = changes[0].before if changes else before
        known = expected.get(moment.date())
        if known is None or held.severity > known.severity:
            expected[moment.date()] = held
    assert worst_by_day(changes, before, LONG_AGO, FIRST, NOW) == expected
