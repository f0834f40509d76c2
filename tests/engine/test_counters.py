"""What the engine did is counted where it does it, exactly and for almost nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.enginemetrics import SECONDS_BOUNDS, EngineSnapshot, Histogram
from statustui.domain.monitor import HttpConfig, MonitorSpec
from statustui.domain.observation import Certificate, Observation
from statustui.domain.scheduling import Due, Timetable
from statustui.domain.status import CheckStatus, ErrorKind, MonitorType
from statustui.engine.counters import Counters

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SPEC = MonitorSpec(
    name="health",
    type=MonitorType.HTTP,
    config=HttpConfig("http://a/"),
    timeout_ms=1_000,
    retry_interval_seconds=5,
)


def look(
    key: int, *, late_ms: float = 2.0, extra: bool = False, error: ErrorKind | None = None
) -> tuple[WatchedMonitor, Decision]:
    monitor = WatchedMonitor(key, UUID(int=key), 1, UUID(int=9), 1, SPEC, Timetable(60_000, 0, AT))
    seen = Observation(
        AT + timedelta(milliseconds=late_ms),
        5.0,
        error,
        connected=error is None,
        status_code=200 if error is None else None,
        certificate=Certificate("a", "ca", "01", AT + timedelta(days=9)),
    )
    due = Due(AT, AT, is_extra=extra)
    return monitor, decide(monitor, Memory(), seen, due, in_maintenance=False)


def snapshot(counters: Counters) -> EngineSnapshot:
    return counters.snapshot(queued=1, spooled=2, lost=3, region="eu-1")()


def test_checks_are_counted_and_the_last_look_of_each_monitor_is_known() -> None:
    counters = Counters()
    counters.checked(*look(1))
    counters.checked(*look(2, late_ms=40))
    counters.checked(*look(2, late_ms=9_000, extra=True, error=ErrorKind.REFUSED))
    counters.flushed(0.03)
    made = counters.snapshot(queued=1, spooled=2, lost=3, region="eu-1")
    # What comes later is not in what was taken.
    counters.checked(*look(3))
    seen = made()
    assert seen.checks == {
        (MonitorType.HTTP, CheckStatus.SUCCESS): 2,
        (MonitorType.HTTP, CheckStatus.FAILURE): 1,
    }
    assert sum(seen.lateness.counts) == 2, "an extra look is due at no slot"
    assert seen.lateness.total == 0.042
    assert sum(seen.flush.counts) == 1
    assert (seen.queued, seen.spooled, seen.lost, seen.region) == (1, 2, 3, "eu-1")
    first, second = seen.probes
    assert (first.key, first.status, first.status_code) == (1, CheckStatus.SUCCESS, 200)
    assert (second.key, second.status) == (2, CheckStatus.FAILURE)
    assert second.certificate_not_after == AT + timedelta(days=9)
    assert not second.is_stale(AT + timedelta(seconds=60))
    assert replace(second, interval_seconds=5).is_stale(AT + timedelta(seconds=60))
    counters.keep_only({2})
    assert [probe.key for probe in snapshot(counters).probes] == [2]


@given(st.lists(st.floats(-1, 100)))
def test_a_histogram_counts_each_value_once_where_it_belongs(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    seen = histogram.frozen()
    reached = 0
    for bound, count in zip(SECONDS_BOUNDS, seen.counts, strict=False):
        reached += count
        assert reached == sum(value <= bound for value in values)
    assert sum(seen.counts) == len(values)
