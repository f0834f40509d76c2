"""The strip of the last hour shows what was looked at, where it was, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from statustui.domain import recent
from statustui.domain.readmodels import DayCell
from statustui.domain.status import CheckStatus, ServiceStatus
from statustui.presenters.line import plain
from statustui.presenters.strip import days, hour

AT = datetime(2026, 11, 21, 3, 59, 30, tzinfo=UTC)
UNTIL = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def strip(*looks: tuple[int, CheckStatus, float]) -> bytes:
    """Looks so many minutes before the last minute."""
    found = bytearray(60)
    for before, status, took in looks:
        found[59 - before] = recent.encode(status, took)
    return bytes(found)


def test_a_failure_anywhere_in_a_cell_wins() -> None:
    looks = [(n, CheckStatus.SUCCESS, 10.0) for n in range(60)]
    whole = bytearray(strip(*looks))
    whole[57] = recent.encode(CheckStatus.FAILURE, 0.0)
    line = hour(bytes(whole), UNTIL, AT, 12, hue="outage")
    assert plain(line) == "▁▁▁▁▁▁▁▁▁▁▁x"
    assert line[-1] == ("x", "outage b")


@pytest.mark.parametrize("cells", [12, 20, 30])
def test_it_has_as_many_cells_as_asked_and_spaces_where_nobody_looked(cells: int) -> None:
    assert plain(hour(b"", None, AT, cells, hue="up")) == " " * cells
    half = bytes(30) + bytes([1]) * 30
    assert plain(hour(half, UNTIL, AT, cells, hue="up")) == " " * (cells // 2) + "▁" * (cells // 2)


def test_cells_keep_their_place_while_the_minute_passes() -> None:
    looks = strip((10, CheckStatus.FAILURE, 0.0), (0, CheckStatus.SUCCESS, 5.0))
    early = datetime(2026, 11, 21, 3, 55, 0, tzinfo=UTC)
    first = plain(hour(looks, UNTIL, early, 12, hue="outage"))
    last = plain(hour(looks, UNTIL, AT, 12, hue="outage"))
    assert first == last


def test_an_old_strip_moves_out_to_the_left() -> None:
    whole = bytes([1]) * 60
    later = plain(hour(whole, UNTIL, AT + timedelta(minutes=30), 12, hue="up"))
    assert later == "▁▁▁▁▁▁      "
    assert plain(hour(whole, UNTIL, AT + timedelta(hours=2), 12, hue="up")) == " " * 12


@pytest.mark.parametrize(
    ("took", "limit", "sign", "key"),
    [
        (20.0, 1000, "▁", "faint"),
        (400.0, 1000, "▃", "faint"),
        (990.0, 1000, "▄", "faint"),
        (40.0, 50, "▄", "faint"),
    ],
)
def test_heights_follow_the_limit(took: float, limit: int, sign: str, key: str) -> None:
    looks = strip(*((n, CheckStatus.SUCCESS, took) for n in range(5)))
    line = hour(looks, UNTIL, AT, 12, hue="up", limit_ms=limit)
    assert plain(line)[-1] == sign
    assert line[-1][1] == key


def test_what_was_degraded_stands_above_the_limit_and_stronger() -> None:
    looks = strip(*((n, CheckStatus.DEGRADED, 700.0) for n in range(5)))
    line = hour(looks, UNTIL, AT, 12, hue="degraded", limit_ms=500)
    assert line[-1][1] == "muted"
    assert line[-1][0] in "▅▆▇"


def test_unknown_and_maintenance_have_signs_of_their_own() -> None:
    blind = strip(*((n, CheckStatus.UNKNOWN, 0.0) for n in range(5)))
    assert hour(blind, UNTIL, AT, 12, hue="unknown")[-1] == ("?", "unknown")
    work = bytes(55) + bytes([recent.encode(CheckStatus.FAILURE, 0.0, in_maintenance=True)]) * 5
    assert hour(work, UNTIL, AT, 12, hue="up")[-1] == ("░", "maint")


def cell(worst: ServiceStatus | None, looked: int = 10) -> DayCell:
    """A day."""
    return DayCell(date(2026, 11, 1), looked, looked, 10, looked, worst)


def test_days_show_the_worst_and_say_when_there_is_no_data() -> None:
    shown = [
        cell(None),
        cell(ServiceStatus.MAJOR_OUTAGE),
        cell(ServiceStatus.DEGRADED_PERFORMANCE),
        cell(ServiceStatus.UNDER_MAINTENANCE),
        cell(None, looked=0),
    ]
    line = days(shown, 6)
    assert plain(line) == " ∙x▴░?"
    assert ("x", "strong b") in line
