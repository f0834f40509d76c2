"""Windows recur in local time, and stay as long as they were announced."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.errors import ValidationFailed
from statustui.domain.maintenance import (
    Occurrence,
    expand,
    next_in_series,
    next_occurrence,
    read_rule,
)

_BERLIN = ZoneInfo("Europe/Berlin")


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=_BERLIN).astimezone(UTC)


def test_a_weekly_window_keeps_its_hour_across_daylight_saving() -> None:
    start = _local("2027-03-14T02:00")
    found = expand(start, start + timedelta(hours=3), "FREQ=WEEKLY;BYDAY=SU", _BERLIN, after=start)
    three = list(islice(found, 4))
    assert [each.starts_at.astimezone(_BERLIN).hour for each in three] == [2, 2, 3, 2]
    # On 28 March 02:00 does not exist; the window begins when the clocks have gone forward.
    assert {each.ends_at - each.starts_at for each in three} == {timedelta(hours=3)}


def test_a_window_over_the_night_the_clocks_go_back_is_not_longer() -> None:
    start = _local("2027-10-24T01:00")
    found = expand(start, start + timedelta(hours=3), "FREQ=WEEKLY", _BERLIN, after=start)
    second = list(islice(found, 2))[1]
    assert second.starts_at == _local("2027-10-31T01:00")
    assert second.ends_at.astimezone(_BERLIN).hour == 3  # 1:00, 2:00, 2:00 again, 3:00


def test_leap_days_and_exceptions() -> None:
    start = datetime(2028, 2, 29, 12, tzinfo=UTC)
    end = start + timedelta(hours=1)
    following = next_occurrence(start, end, "FREQ=YEARLY", ZoneInfo("UTC"), after=start)
    assert following is not None
    assert following.starts_at == datetime(2032, 2, 29, 12, tzinfo=UTC)
    skipped = next_occurrence(
        start,
        end,
        "FREQ=DAILY",
        ZoneInfo("UTC"),
        after=start,
        exceptions=[start + timedelta(days=1)],
    )
    assert skipped == Occurrence(start + timedelta(days=2), end + timedelta(days=2))


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("FREQ=DAILY;COUNT=3", 3),
        ("FREQ=DAILY;UNTIL=20270103", 3),
        ("FREQ=DAILY;UNTIL=20270103T010000", 3),
        ("FREQ=DAILY;UNTIL=20270102T235959Z", 2),
        ("FREQ=DAILY;UNTIL=20270103T000000Z", 3),
        (None, 1),
    ],
)
def test_rules_that_end(rule: str | None, count: int) -> None:
    start = _local("2027-01-01T01:00")
    found = expand(start, start + timedelta(hours=1), rule, _BERLIN, after=start)
    assert len(list(found)) == count


def test_a_window_under_way_is_found_and_one_that_is_over_is_not() -> None:
    start = datetime(2027, 1, 1, 1, tzinfo=UTC)
    end = start + timedelta(hours=1)
    utc = ZoneInfo("UTC")
    inside = next(expand(start, end, "FREQ=DAILY", utc, after=start + timedelta(minutes=59)))
    assert inside.starts_at == start
    after = next(expand(start, end, "FREQ=DAILY", utc, after=end))
    assert after.starts_at == start + timedelta(days=1)
    assert next_occurrence(start, end, None, utc, after=start) is None
    assert list(expand(start, end, None, utc, after=end)) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("FREQ=WEEKLY;BYDAY=SU", "FREQ=WEEKLY;BYDAY=SU"),
        (" rrule:freq=monthly; byday=1mo ", "FREQ=MONTHLY;BYDAY=1MO"),
    ],
)
def test_rules_are_read(text: str, rule: str) -> None:
    assert read_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not like"),
        ("FREQ", "is not like"),
        ("FREQ=HOURLY", "must be one of DAILY"),
        ("BYDAY=MO", "must be one of DAILY"),
        ("FREQ=WEEKLY;BYDAYS=MO", "did you mean BYDAY"),
        ("FREQ=WEEKLY;FREQ=DAILY", "twice"),
        ("FREQ=WEEKLY;BYDAY=XX", "not a recurrence rule"),
        ("FREQ=WEEKLY;INTERVAL=x", "not a recurrence rule"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be from 1 to 3660"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL must be"),
        ("FREQ=YEARLY;INTERVAL=11", "INTERVAL must be from 1 to 10"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "no such day"),
        ("FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30", "no such day"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "no such day"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20280101", "no such day"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=" + ",".join(["1"] * 13), "more than 12 positions"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20270101", "not by both"),
        ("FREQ=DAILY\nEXDATE=20270101", "must be one of"),
        ("DTSTART=20270101;FREQ=DAILY", "no part of"),
    ],
)
def test_rules_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationFailed, match=message):
        read_rule(text)


@given(
    st.integers(0, 1_000_000),
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,WE", "FREQ=MONTHLY;BYMONTHDAY=31"]),
    st.integers(1, 600),
    st.integers(0, 600),
)
def test_occurrences_come_in_order_and_keep_their_length(
    offset: int, rule: str, minutes: int, days: int
) -> None:
    start = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(minutes=offset)
    duration = timedelta(minutes=minutes)
    after = start + timedelta(days=days)
    found = list(islice(expand(start, start + duration, rule, _BERLIN, after=after), 5))
    assert found
    for each in found:
        assert each.ends_at - each.starts_at == duration
        assert each.ends_at > after
    assert [each.starts_at for each in found] == sorted({each.starts_at for each in found})


@pytest.mark.parametrize(
    ("rule", "start"),
    [
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "2027-01-01T02:00"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=3", "2027-01-01T02:00"),
        ("FREQ=YEARLY;INTERVAL=10;BYMONTH=2;BYMONTHDAY=29", "2027-01-01T02:00"),
    ],
)
def test_what_never_happens_is_not_searched_for_long(rule: str, start: str) -> None:
    begin = _local(start)
    since = time.process_time()
    assert list(expand(begin, begin + timedelta(hours=1), rule, _BERLIN, after=begin)) == []
    assert time.process_time() - since < 1  # to the year 9999 it takes several


def test_rules_that_some_starts_never_meet_are_rules() -> None:
    assert read_rule("FREQ=MONTHLY;INTERVAL=12;BYMONTH=3;UNTIL=20200101")
    start = _local("2027-03-05T02:00")
    found = expand(
        start, start, "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3", _BERLIN, after=start - timedelta(1)
    )
    assert [each.starts_at for each in islice(found, 2)] == [start, _local("2028-03-05T02:00")]


def _series(start: datetime, rule: str, days: int) -> list[datetime]:
    """Starts of a series, each written when the one before is over."""
    hour = timedelta(hours=1)
    starts = [start]
    while len(starts) < days:
        newest = Occurrence(starts[-1], starts[-1] + hour)
        following = next_in_series(start, newest, rule, _BERLIN, after=newest.ends_at)
        if following is None:
            break
        starts.append(following.starts_at)
    return starts


def test_a_series_ends_by_its_count() -> None:
    assert len(_series(_local("2027-01-01T01:00"), "FREQ=DAILY;COUNT=3", 9)) == 3


def test_a_series_returns_to_its_hour_after_the_night_that_has_none() -> None:
    starts = _series(_local("2027-03-26T02:30"), "FREQ=DAILY", 5)
    assert [f"{start.astimezone(_BERLIN):%d %H:%M}" for start in starts] == [
        "26 02:30",
        "27 02:30",
        "28 03:30",  # 02:30 does not exist
        "29 02:30",
        "30 02:30",
    ]


def test_a_series_begins_anew_where_it_was_moved_and_keeps_its_newest_length() -> None:
    first, moved = _local("2027-01-01T01:00"), _local("2027-01-03T05:00")
    newest = Occurrence(moved, moved + timedelta(hours=2))
    following = next_in_series(first, newest, "FREQ=DAILY", _BERLIN, after=moved)
    start = _local("2027-01-04T05:00")
    assert following == Occurrence(start, start + timedelta(hours=2))


@pytest.mark.parametrize("rule", ["nonsense", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYMONTH=13"])
def test_a_stored_rule_that_cannot_be_read_is_refused_when_it_is_asked(rule: str) -> None:
    start = _local("2027-01-01T01:00")
    with pytest.raises(ValidationFailed):
        next_occurrence(start, start, rule, _BERLIN, after=start)
