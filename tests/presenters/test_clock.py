"""Moments and spans as the incident's screens write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from statustui.presenters import clock

NOW = datetime(2026, 11, 21, 3, 19, 35, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def test_one_zone_is_named() -> None:
    assert clock.clock_named(NOW, UTC) == "03:19Z"
    assert clock.clock_named(NOW, BERLIN) == "04:19 CET"
    assert clock.clock_named(NOW, ZoneInfo("UTC")) == "03:19Z"
    assert clock.clock_seconds(NOW, BERLIN) == "04:19:35"


@pytest.mark.parametrize(
    ("seconds", "span", "age"),
    [
        (0, "0 s", "0s"),
        (59, "59 s", "59s"),
        (60, "1 min", "1m"),
        (3_599, "59 min", "59m"),
        (3_600, "1 h", "1h"),
        (4_320, "1 h 12 min", "1h"),
        (86_400, "1 d", "1d"),
        (280_800, "3 d 6 h", "3d"),
        (-5, "0 s", "0s"),
    ],
)
def test_spans(seconds: int, span: str, age: str) -> None:
    assert clock.span(timedelta(seconds=seconds)) == span
    assert clock.age(timedelta(seconds=seconds)) == age


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (30 * 60, "in 30 min"),
        (30 * 60 - 59, "in 30 min"),
        (20, "in 20 s"),
        (0, "now"),
        (-59, "now"),
        (-12 * 60, "12 min overdue"),
    ],
)
def test_until(seconds: int, said: str) -> None:
    assert clock.until(NOW + timedelta(seconds=seconds), NOW) == said


def test_moments_name_the_day_when_it_is_another() -> None:
    assert clock.moment(NOW, NOW, UTC) == "03:19"
    assert clock.moment(NOW - timedelta(days=1), NOW, UTC) == "20 Nov 03:19"
    assert clock.moment(NOW - timedelta(days=400), NOW, UTC) == "17 Oct 2025 03:19"
    assert clock.day(NOW.date(), NOW.date()) == "Sat 21 Nov"
    assert clock.month(NOW.date()) == "November 2026"
