"""The list of monitors, and how long a pause is read to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.errors import ValidationFailed
from statustui.domain.status import MonitorState
from statustui.presenters import monitors
from statustui.presenters.line import plain
from tests.support.acme import NOW, monitor

DOWN = monitor(1, "health", MonitorState.DOWN)
UP = monitor(2, "ping")
PAUSED = replace(monitor(3, "old"), paused_until=NOW + timedelta(hours=1))
INACTIVE = replace(monitor(4, "never"), is_active=False)


def test_worse_ones_first_and_paused_ones_last() -> None:
    shown = monitors.rows([UP, PAUSED, DOWN, INACTIVE], NOW, UTC)
    assert [plain(row.cells["monitor"]) for row in shown] == [
        "API/health",
        "API/ping",
        "API/never",
        "API/old",
    ]


def test_cells() -> None:
    said = {name: plain(cell) for name, cell in monitors.rows([DOWN], NOW, UTC)[0].cells.items()}
    assert said["state"] == "✗ outage"
    assert said["every"] == "30s"
    assert said["next"] == "03:20:01"
    assert said["took"] == "312 ms"
    assert said["why"] == "HTTP 503, wanted 200-299"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (PAUSED, "-"),
        (INACTIVE, "-"),
        (replace(UP, next_run_at=None), "soon"),
        (replace(UP, next_run_at=NOW), "due"),
        (UP, "03:20:01"),
    ],
)
def test_next_run(row: monitors.MonitorRow, said: str) -> None:
    assert monitors.next_run(row, NOW, UTC) == said


@pytest.mark.parametrize(
    ("query", "found"),
    [("state:down", 1), ("state:outage", 1), ("type:http", 3), ("tag:eu", 3), ("service:ap", 3),
     ("ping", 1), ("state:paused", 1), ("other:thing", 0)],
)  # fmt: skip
def test_filter(query: str, found: int) -> None:
    shown = monitors.rows([DOWN, UP, PAUSED], NOW, UTC)
    assert sum(monitors.matches(row, query) for row in shown) == found


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("", NOW + timedelta(hours=1)),
        ("30m", NOW + timedelta(minutes=30)),
        ("until resumed", None),
        (" Until Resumed ", None),
    ],
)
def test_a_pause_has_a_length_unless_somebody_says_otherwise(
    text: str, until: datetime | None
) -> None:
    assert monitors.read_pause(text, NOW) == until


@pytest.mark.parametrize("text", ["soon", "0s", "7"])
def test_a_pause_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        monitors.read_pause(text, NOW)


def test_pauses_are_said() -> None:
    assert monitors.pause_words(PAUSED, NOW, UTC) == "paused until 04:19"
    assert monitors.pause_words(INACTIVE, NOW, UTC) == "paused until resumed"
    assert monitors.pause_words(UP, NOW, UTC) == ""
    labels = [label for label, _ in monitors.detail(DOWN, NOW, UTC)]
    assert labels == ["state", "target", "error", "verdict"]


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_columns_stay_on_the_screen(width: int) -> None:
    columns = monitors.columns(width)
    assert columns[-1].start + columns[-1].width <= width
    assert all(column.width > 0 for column in columns)
