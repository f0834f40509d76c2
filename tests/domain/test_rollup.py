"""Figures of rollups agree with the checks that they were made from."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.rollup import (
    BOUNDS_MS,
    BUCKETS,
    RecordedCheck,
    Rollup,
    bucket_of,
    percentile_ms,
    roll_up,
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


@given(
    st.lists(st.floats(1, 30_000), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_a_percentile_is_off_by_at_most_one_bucket(durations: list[float], fraction: float) -> None:
    histogram = [0] * BUCKETS
    for duration in durations:
        histogram[bucket_of(duration)] += 1
    found = percentile_ms(histogram, fraction, min(durations), max(durations))
    exact = sorted(durations)[max(0, math.ceil(fraction * len(durations) - 1e-9) - 1)]
    assert found is not None
    ratio = BOUNDS_MS[1] * 1.000001
    assert exact / ratio <= found <= exact * ratio
    assert min(durations) <= found <= max(durations)


def test_nothing_measured_has_no_latency() -> None:
    assert Rollup().percentile_ms(0.95) is None
    assert Rollup().avg_ms is None
    assert total([]) == Rollup()
