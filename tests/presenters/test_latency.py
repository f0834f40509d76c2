"""The points of a chart are reduced to its width without losing a spike or closing a gap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.readmodels import LatencyPoint
from statustui.presenters import latency

END = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def point(minutes_ago: int, p95: float | None, failures: int = 0) -> LatencyPoint:
    half = None if p95 is None else p95 / 2
    double = None if p95 is None else p95 * 2
    return LatencyPoint(END - timedelta(minutes=minutes_ago), half, p95, double, 10, failures)


def test_three_series_over_the_range() -> None:
    points = [point(minutes, 40.0) for minutes in range(59, -1, -1)]
    made = latency.chart(points, END, 1, 100)
    assert [series.name for series in made.series] == ["p50", "p95", "p99"]
    assert made.highest_ms == 80.0
    assert made.start == END - timedelta(hours=1)
    assert made.series[1].pieces[0][-1] == (1.0, 40.0)


def test_points_outside_the_range_are_left_out() -> None:
    made = latency.chart([point(90, 900.0), point(30, 40.0)], END, 1, 50)
    assert made.highest_ms == 80.0


def test_the_line_stops_where_nothing_answered() -> None:
    points = [point(5, 40.0), point(4, 41.0), point(3, None, 10), point(2, 42.0)]
    made = latency.chart(points, END, 1, 50)
    assert [len(piece) for piece in made.series[0].pieces] == [2, 1]
    assert len(made.failures) == 1


def test_the_line_stops_where_nobody_looked() -> None:
    points = [point(m, 40.0) for m in (50, 49, 48, 20, 19, 18)]
    made = latency.chart(points, END, 1, 50)
    assert [len(piece) for piece in made.series[0].pieces] == [3, 3]


def test_a_spike_between_many_points_is_kept() -> None:
    points = [point(m, 900.0 if m == 700 else 40.0) for m in range(1_439, -1, -1)]
    made = latency.chart(points, END, 24, 100)
    values = [value for piece in made.series[1].pieces for _, value in piece]
    assert max(values) == 900.0
    assert len(values) <= 200


@given(
    st.lists(st.floats(0, 1_000), min_size=1, max_size=400),
    st.integers(1, 60),
)
def test_thinning_keeps_the_ends_and_the_order(values: list[float], columns: int) -> None:
    points = [(number / len(values), value) for number, value in enumerate(values)]
    kept = latency.thin(points, columns)
    assert len(kept) <= max(len(values) if len(values) <= 2 * columns else 0, 2 * columns)
    assert max(value for _, value in kept) == max(values)
    assert min(value for _, value in kept) == min(values)
    assert list(kept) == sorted(kept, key=lambda point: point[0])


def test_words() -> None:
    said = latency.words([point(3, 40.0), point(2, 812.0), point(1, 44.0), point(0, None, 10)])
    assert said.latest == point(1, 44.0)
    assert said.highest == point(2, 812.0)
    assert (said.checks, said.failures) == (40, 10)
    assert latency.words([]).latest is None


def test_a_bucket_that_has_just_begun_says_nothing_yet() -> None:
    begun = replace(point(0, 900.0), checks=1)
    said = latency.words([point(3, 40.0), point(2, 42.0), point(1, 44.0), begun])
    assert said.latest == point(1, 44.0)
    assert said.checks == 31
    assert latency.words([begun]).latest == begun


def test_ticks_are_round_and_reach_the_highest() -> None:
    assert latency.value_ticks(470.0, 6) == (0.0, 100.0, 200.0, 300.0, 400.0, 500.0)
    assert latency.value_ticks(0.4, 5) == (0.0, 0.1, 0.2, 0.30000000000000004, 0.4)
    day = latency.chart([], END, 24, 100)
    assert latency.time_ticks(day, UTC, 3) == ((0.0, "03:00"), (12.0, "15:00"), (24.0, "03:00"))
    month = latency.chart([], END, 30 * 24, 100)
    assert [text for _, text in latency.time_ticks(month, UTC, 2)] == ["22 Oct", "21 Nov"]
