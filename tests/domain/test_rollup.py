"""Figures of rollups agree with the checks that they were made from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.rollup import (
    BOUNDS_MS,
    BUCKETS,
    RATIO,
    RecordedCheck,
    Rollup,
    bucket_of,
    roll_up,
    split_window,
    total,
)
from statustui.domain.status import CheckStatus

_START = datetime(2027, 1, 1, tzinfo=UTC)
_CHECKS = st.lists(
    st.builds(
        RecordedCheck,
        monitor=st.integers(1, 3),
        region=st.just(1),
        checked_at=st.just(_START),
        slot_at=st.integers(0, 5).map(lambda n: _START + timedelta(minutes=n)),
        status=st.sampled_from(CheckStatus),
        duration_ms=st.floats(0, 40_000),
        in_maintenance=st.booleans(),
    ),
    max_size=60,
)


def test_bounds_stand_at_equal_ratios_from_a_millisecond_to_the_longest_timeout() -> None:
    assert len(BOUNDS_MS) == BUCKETS - 1
    assert BOUNDS_MS[0] == 1
    assert math.isclose(BOUNDS_MS[-1], 30_000)
    ratios = [high / low for low, high in pairwise(BOUNDS_MS)]
    assert all(math.isclose(ratio, ratios[0]) for ratio in ratios)


@pytest.mark.parametrize(
    ("duration_ms", "bucket"),
    [(0, 0), (1, 0), (1.0001, 1), (29_999, 22), (30_000.1, 23), (1e9, 23)],
)
def test_bucket_of(duration_ms: float, bucket: int) -> None:
    assert bucket_of(duration_ms) == bucket


def test_a_slot_counts_once_and_maintenance_counts_apart() -> None:
    def check(status: CheckStatus, slot: int, maintenance: bool = False) -> RecordedCheck:
        slot_at = _START + timedelta(minutes=slot)
        return RecordedCheck(1, 1, slot_at, slot_at, status, 10.0, maintenance)

    rollup = roll_up(
        [
            check(CheckStatus.SUCCESS, 0),
            check(CheckStatus.FAILURE, 1),
            check(CheckStatus.TIMEOUT, 1),
            check(CheckStatus.DEGRADED, 2),
            check(CheckStatus.UNKNOWN, 3),
            check(CheckStatus.FAILURE, 4, maintenance=True),
        ]
    )
    assert (rollup.succeeded, rollup.looked) == (2, 4)
    assert (rollup.unknown, rollup.maintenance, rollup.timed) == (1, 1, 2)
    assert rollup.slots == 4  # slot 3 was not looked at; slot 1 twice; slot 4 in maintenance


@given(_CHECKS, st.integers(0, 60))
def test_rollups_of_parts_add_up_to_the_whole(checks: list[RecordedCheck], cut: int) -> None:
    whole = roll_up(checks)
    parts = total([roll_up(checks[:cut]), roll_up(checks[cut:])])
    for name in ("success", "degraded", "failure", "timeout", "unknown", "maintenance", "timed"):
        assert getattr(parts, name) == getattr(whole, name)
    assert parts.histogram == whole.histogram
    assert (parts.min_ms, parts.max_ms) == (whole.min_ms, whole.max_ms)
    assert math.isclose(parts.sum_ms, whole.sum_ms, rel_tol=1e-9)
    # A slot that was cut in two is the one thing that does not add up.
    assert parts.slots >= whole.slots
    assert sum(whole.histogram) == whole.timed == whole.succeeded


# Any distribution: spread evenly, over many sizes, in clumps, or right at the buckets' bounds.
_DURATIONS = st.one_of(
    st.lists(st.floats(1, 30_000), min_size=1, max_size=300),
    st.lists(st.floats(0, 10.3).map(math.exp), min_size=1, max_size=300).map(
        lambda values: [min(value, 30_000.0) for value in values]
    ),
    st.lists(st.tuples(st.floats(1, 30_000), st.integers(1, 400)), min_size=1, max_size=5).map(
        lambda clumps: [value for value, count in clumps for _ in range(count)]
    ),
    st.lists(
        st.sampled_from([bound * factor for bound in BOUNDS_MS[:-1] for factor in (1.0, 1 + 1e-9)]),
        min_size=1,
        max_size=300,
    ),
)
_FRACTIONS = st.one_of(
    st.sampled_from([0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 1.0]), st.floats(0.001, 1.0)
)


def _nearest_rank(durations: Sequence[float], fraction: float) -> float:
    """The smallest value with at least that share of all values at or below it."""
    return sorted(durations)[max(0, math.ceil(fraction * len(durations) - 1e-9) - 1)]


def _timed(durations: Sequence[float]) -> Rollup:
    return roll_up(
        RecordedCheck(1, 1, _START, _START, CheckStatus.SUCCESS, duration, is_retry=True)
        for duration in durations
    )


@given(_DURATIONS, _FRACTIONS)
def test_a_percentile_is_within_the_bound_whatever_the_distribution(
    durations: list[float], fraction: float
) -> None:
    found = _timed(durations).percentile_ms(fraction)
    exact = _nearest_rank(durations, fraction)
    assert found is not None
    assert bucket_of(found) == bucket_of(exact) or math.isclose(found, exact)
    assert max(found / exact, exact / found) < RATIO
    assert min(durations) <= found <= max(durations)
    # What the same comes to in per cent, as it is said to people.
    assert -0.375 < (found - exact) / exact < 0.598


@given(_DURATIONS, _DURATIONS, _FRACTIONS)
def test_the_bound_holds_for_what_was_added_up(
    one: list[float], other: list[float], fraction: float
) -> None:
    found = (_timed(one) + _timed(other)).percentile_ms(fraction)
    exact = _nearest_rank(one + other, fraction)
    assert found is not None
    assert max(found / exact, exact / found) < RATIO


@given(st.lists(st.floats(0, 40_000), min_size=1, max_size=100), _FRACTIONS)
def test_outside_the_bounds_it_is_off_by_as_little_as_is_said(
    durations: list[float], fraction: float
) -> None:
    found = _timed(durations).percentile_ms(fraction)
    exact = _nearest_rank(durations, fraction)
    assert found is not None
    assert min(durations) <= found <= max(durations)
    if exact <= 1:
        assert abs(found - exact) < 1 or found <= 1
    elif exact > 30_000:
        assert found >= 30_000


@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0])
def test_a_smooth_distribution_is_read_within_a_few_per_cent(spread: float) -> None:
    ranks = [(index + 0.5) / 2_000 for index in range(2_000)]
    normal = NormalDist(math.log(120), spread)
    durations = [math.exp(normal.inv_cdf(rank)) for rank in ranks]
    rollup = _timed(durations)
    for fraction in (0.5, 0.95, 0.99):
        found = rollup.percentile_ms(fraction)
        assert found == pytest.approx(_nearest_rank(durations, fraction), rel=0.15)


@pytest.mark.parametrize(
    ("fraction", "rank"), [(0.5, 5), (0.7, 7), (0.95, 10), (0.01, 1), (1.0, 10)]
)
def test_the_rank_is_the_nearest(fraction: float, rank: int) -> None:
    durations = [float(3**index) for index in range(10)]
    found = _timed(durations).percentile_ms(fraction)
    assert found is not None
    assert bucket_of(found) == bucket_of(durations[rank - 1])


def test_the_highest_percentile_is_exact() -> None:
    assert _timed([5.0, 9.0, 777.7]).percentile_ms(1.0) == 777.7
    assert _timed([777.7]).percentile_ms(0.5) == 777.7


_MOMENTS = st.integers(0, 60 * 86_400_000).map(
    lambda number: datetime(2027, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
)


@given(_MOMENTS, _MOMENTS)
def test_a_window_is_covered_once_by_hours_and_days(one: datetime, other: datetime) -> None:
    start, end = min(one, other), max(one, other)
    parts = split_window(start, end)
    hours = [
        *_every(parts.from_hour, parts.hours_until, timedelta(hours=1)),
        *(
            hour
            for day in _every(
                datetime.combine(parts.first_day, time(), UTC),
                datetime.combine(parts.days_until, time(), UTC),
                timedelta(days=1),
            )
            for hour in _every(day, day + timedelta(days=1), timedelta(hours=1))
        ),
        *_every(parts.later_from, parts.to_hour, timedelta(hours=1)),
    ]
    assert hours == list(_every(parts.start, parts.end, timedelta(hours=1)))
    hour = timedelta(hours=1)
    assert parts.start <= start < parts.start + hour
    assert parts.end - hour < end <= parts.end
    edges = (parts.hours_until - parts.from_hour) + (parts.to_hour - parts.later_from)
    assert edges < timedelta(days=2)


@given(_MOMENTS, _MOMENTS, st.dates(date(2027, 1, 1), date(2027, 3, 1)))
def test_hours_that_are_gone_are_not_asked_for(one: datetime, other: datetime, day: date) -> None:
    start, end = min(one, other), max(one, other)
    since = datetime.combine(day, time(), UTC)
    parts = split_window(start, end, since)
    for begin, stop in ((parts.from_hour, parts.hours_until), (parts.later_from, parts.to_hour)):
        assert begin == stop or begin >= since
    assert parts.start <= start
    assert parts.end >= end
    assert parts.end - end < timedelta(days=1)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        split_window(_START, _START - timedelta(seconds=1))


def _every(begin: datetime, stop: datetime, step: timedelta) -> Iterator[datetime]:
    while begin < stop:
        yield begin
        begin += step


def test_nothing_measured_has_no_latency() -> None:
    assert Rollup().percentile_ms(0.95) is None
    assert Rollup().avg_ms is None
    assert total([]) == Rollup()
