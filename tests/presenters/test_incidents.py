"""The list of incidents: open first, then by month, and what a filter finds in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from statustui.domain.readmodels import IncidentSummary
from statustui.domain.status import Impact, IncidentStatus
from statustui.presenters import incidents
from statustui.presenters.line import plain
from tests.support.acme import ACKNOWLEDGED, INCIDENT, NOW, number


def made(n: int, **changed: object) -> IncidentSummary:
    return replace(INCIDENT, id=number(n), code=f"INC-{n:04d}", **changed)  # type: ignore[arg-type]


OVER = made(
    1,
    status=IncidentStatus.RESOLVED,
    started_at=NOW - timedelta(days=30),
    resolved_at=NOW - timedelta(days=30, minutes=-14),
)
OLDER = made(
    2,
    status=IncidentStatus.RESOLVED,
    started_at=NOW - timedelta(days=61),
    resolved_at=NOW - timedelta(days=61, minutes=-3),
)
MINOR = made(3, impact=Impact.MINOR, started_at=NOW - timedelta(minutes=1))
OWNED = replace(ACKNOWLEDGED, id=number(4), code="INC-0004")
INTERNAL = made(5, is_public=False)


def test_open_ones_first_the_worst_and_unowned_before_the_others() -> None:
    shown = incidents.rows([OLDER, MINOR, OVER, OWNED, INCIDENT], NOW, UTC)
    assert [row.code for row in shown] == ["INC-4F2K", "INC-0004", "INC-0003", "INC-0001",
                                           "INC-0002"]  # fmt: skip
    assert [row.group for row in shown] == ["open", "open", "open", "October 2026",
                                            "September 2026"]  # fmt: skip


def test_cells() -> None:
    (row,) = incidents.rows([INCIDENT], NOW, UTC)
    said = {name: plain(cell) for name, cell in row.cells.items()}
    assert said["length"] == "8m"
    assert said["who"] == "unacked"
    assert said["since"] == "03:10"
    (over,) = incidents.rows([OVER], NOW, UTC)
    assert plain(over.cells["length"]) == "14m"
    (internal,) = incidents.rows([INTERNAL], NOW, UTC)
    assert plain(internal.cells["title"]) == f"{INCIDENT.internal_title}  internal"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2),
        ("status:open", 1),
        ("status:resolved", 1),
        ("status:invest", 1),
        ("impact:critical checkout", 2),
        ("service:mail", 2),
        ("lead:alice", 0),
        ("inc-4f2k", 1),
        ("[bold]", 0),
    ],
)
def test_filter(query: str, found: int) -> None:
    shown = incidents.rows([INCIDENT, OVER], NOW, UTC)
    assert sum(incidents.matches(row, query) for row in shown) == found


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160, 200])
def test_columns_stay_on_the_screen(width: int) -> None:
    columns = incidents.columns(width)
    ends = [column.start + column.width for column in columns]
    assert all(end < column.start for end, column in zip(ends, columns[1:], strict=False))
    if width >= 80:
        assert ends[-1] <= width
    assert columns[-1].name == "title"


def test_words() -> None:
    assert incidents.summary([INCIDENT, OVER, OLDER]) == "1 open, 2 resolved"
    assert plain(incidents.heading("open", 2)) == "open  2 incidents"
