"""What a window of time amounted to, in words and as numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from statustui.domain.rollup import RecordedCheck, Rollup, roll_up
from statustui.domain.status import CheckStatus
from statustui.presenters.windows import window_document, window_line

_AT = datetime(2027, 1, 1, tzinfo=UTC)


def _checks(good: int, bad: int) -> Rollup:
    statuses = [CheckStatus.SUCCESS] * good + [CheckStatus.FAILURE] * bad
    return roll_up(RecordedCheck(1, 1, _AT, _AT, status, 120.0) for status in statuses)


def test_a_window_in_words() -> None:
    assert window_line("7 d", _checks(9_999, 1)) == (
        "7 d  99.99% of 10,000 looks, p50 120 ms, p95 120 ms, p99 120 ms"
    )
    assert window_line("24 h", _checks(0, 3)) == "24 h 0% of 3 looks"
    assert window_line("24 h", None) == "24 h no data"
    assert window_line("24 h", Rollup()) == "24 h no data"


def test_a_window_for_programs() -> None:
    assert window_document("24 h", _checks(3, 1)) == {
        "window": "24h",
        "uptime": 75.0,
        "succeeded": 3,
        "checks": 4,
        "avg_ms": 120.0,
        "p50_ms": 120.0,
        "p95_ms": 120.0,
        "p99_ms": 120.0,
    }
    nothing = window_document("90 d", None)
    assert (nothing["uptime"], nothing["checks"], nothing["p99_ms"]) == (None, 0, None)
