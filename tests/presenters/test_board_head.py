"""The first two lines say what matters at every width, and no badge is ever dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from statustui.domain.readmodels import PendingPost, WatchInfo
from statustui.domain.status import IncidentStatus, Role, ServiceStatus
from statustui.presenters.board import arrange
from statustui.presenters.board_head import Condition, badges, counts_line, now_line
from statustui.presenters.line import plain, width_of
from tests.support import sample_world
from tests.support.sample_world import AT

OUTAGE = arrange(sample_world.outage(), AT)
CALM = arrange(sample_world.calm(), AT)
FINE = Condition()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            80,
            " Acme   4 outage  1 degraded  1 flapping  1 unknown  37 up  1 silenced   03:14Z ",
        ),
        (40, " Acme  4 outage  3 other 37 up 1z 03:14Z"),
        (60, " Acme   4 outage  3 other  37 up  1 silenced         03:14Z "),
    ],
)
def test_the_drawn_line_of_counts(width: int, shown: str) -> None:
    assert plain(counts_line(OUTAGE, FINE, AT, UTC, width)) == shown


@pytest.mark.parametrize("width", range(40, 210))
def test_it_fills_the_width_and_keeps_the_clock_and_every_badge(width: int) -> None:
    condition = Condition(stale_seconds=14, is_read_only=True)
    for view in (OUTAGE, CALM):
        text = plain(counts_line(view, condition, AT, UTC, width))
        assert width_of(counts_line(view, condition, AT, UTC, width)) == width
        for needed in ("STALE 14s", "READ ONLY", "03:14"):
            assert needed in text
        assert width_of(counts_line(view, FINE, AT, UTC, width)) == width


def test_one_chip_while_an_outage_is_nobodys_and_none_once_all_are_taken() -> None:
    assert any("on:alarm" in key for _, key in counts_line(OUTAGE, FINE, AT, UTC, 120))
    board = sample_world.outage()
    taken = tuple(
        replace(each, acknowledged_by="bob", acknowledged_until=AT + timedelta(minutes=9))
        for each in board.incidents
    )
    view = arrange(replace(board, incidents=taken), AT)
    assert not any("on:alarm" in key for _, key in counts_line(view, FINE, AT, UTC, 120))


def test_the_zone_is_named() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert plain(counts_line(CALM, FINE, AT, berlin, 120)).rstrip().endswith("04:14:07 CET")


def watch(**changes: object) -> WatchInfo:
    """A watch that is fine but for the changes."""
    fine = WatchInfo("db1:1", alive=True, heartbeat_at=AT, started_at=AT, behind_seconds=0.0)
    return replace(fine, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "condition", "shown"),
    [
        (watch(), FINE, ()),
        (None, FINE, ("NO WATCH",)),
        (watch(alive=False), FINE, ("NO WATCH",)),
        (watch(offline=True), FINE, ("OFFLINE",)),
        (watch(behind_seconds=12.4), FINE, ("BEHIND 12s",)),
        (watch(behind_seconds=1.0), FINE, ()),
        (watch(offline=True, spooled_results=1_234), FINE, ("OFFLINE", "SPOOL 1,234")),
        (watch(alive=False, spooled_results=1_234), FINE, ("NO WATCH",)),
        (watch(), Condition(stale_seconds=75), ("STALE 1m",)),
        (None, Condition(3, is_read_only=True), ("STALE 3s", "NO WATCH", "READ ONLY")),
    ],
)
def test_badges(found: WatchInfo | None, condition: Condition, shown: tuple[str, ...]) -> None:
    assert badges(replace(sample_world.calm(), watch=found), condition) == shown


def test_a_viewer_reads_only() -> None:
    assert badges(sample_world.calm(role=Role.VIEWER), FINE) == ("READ ONLY",)


def now(width: int = 120, **changes: object) -> str:
    """The line NOW with the first incident changed."""
    board = sample_world.outage()
    first = replace(board.incidents[0], **changes)  # type: ignore[arg-type]
    view = arrange(replace(board, incidents=(first,)), AT)
    return plain(now_line(view, AT, UTC, width, 13))


def test_now_says_what_is_owed() -> None:
    assert now() == (
        " NOW         INC-4F2K  unacked   public  sees colour, no words yet   update due  03:41"
    )
    assert now(80) == " NOW         INC-4F2K  unacked  public sees colour, no words"
    assert now(40) == " NOW INC-4F2K unacked"


def test_now_says_who_has_it_and_until_when() -> None:
    text = now(acknowledged_by="bob", lead="bob", acknowledged_until=AT + timedelta(minutes=16))
    assert "bob until 03:30" in text
    assert "unacked, lead bob" in now(lead="bob")
    assert "snoozed until 04:14" in now(snoozed_until=AT + timedelta(hours=1))


def test_now_says_what_the_public_was_told() -> None:
    told = AT.replace(minute=12)
    assert "public  told 03:12 by the checks" in now(is_public=True, told_at=told)
    assert "public  told 03:12 by bob" in now(is_public=True, told_at=told, told_by="bob")
    late = now(is_public=True, told_at=told, next_update_by=AT.replace(minute=10))
    assert "update late since 03:10" in late
    assert "sees nothing" in now(services=(), cause_service_id=None)
    assert ", identified" in now(status=IncidentStatus.IDENTIFIED)


def test_now_counts_down_while_a_post_can_be_taken_back() -> None:
    board = sample_world.outage()
    pending = PendingPost(
        board.incidents[0].id, "alice", IncidentStatus.IDENTIFIED, "words",
        public_at=AT + timedelta(seconds=8), notify_at=AT, created_at=AT,
    )  # fmt: skip
    assert "public in 8 s" in now(pending=pending)


def test_trouble_without_an_incident_offers_one() -> None:
    view = arrange(replace(sample_world.outage(), incidents=()), AT)
    text = plain(now_line(view, AT, UTC, 120, 13))
    assert text == " NOW         7 services with trouble, no incident  (i opens one)"


def test_all_up_says_since_when_and_what_is_ahead() -> None:
    text = plain(now_line(CALM, AT, UTC, 120, 13))
    assert text == (
        " ALL UP      6 h 4 min since INC-3ZQ1   next work 28 Nov 02:00 Checkout   watch db1:4711"
    )


def test_an_empty_organization_is_not_called_up() -> None:
    view = arrange(replace(sample_world.calm(), services=()), AT)
    assert "nothing is watched yet" in plain(now_line(view, AT, UTC, 80, 13))


def test_there_is_only_one_red_chip() -> None:
    board = sample_world.outage()
    rows = tuple(
        replace(row, status=ServiceStatus.PARTIAL_OUTAGE) if row.name == "API" else row
        for row in board.services
    )
    line = counts_line(arrange(replace(board, services=rows), AT), FINE, AT, UTC, 160)
    assert [text for text, key in line if "on:alarm" in key] == [" ✗ 3 outage "]
    assert ("✗ 1 partial", "outage b") in line


@pytest.mark.parametrize("width", range(60, 140))
def test_now_drops_whole_pieces_and_never_cuts_one(width: int) -> None:
    text = now(width, status=IncidentStatus.IDENTIFIED, told_at=AT, lead="alexandra")
    assert "…" not in text
    assert "unacked, lead alexandra" in text


def test_an_open_incident_without_anything_broken_stays_in_sight() -> None:
    board = sample_world.calm()
    left = replace(
        sample_world.outage().incidents[0], is_public=True, told_at=AT, told_by="alice", services=()
    )
    view = arrange(replace(board, incidents=(left,)), AT)
    assert "1 open" in plain(counts_line(view, FINE, AT, UTC, 80))
    assert "1 open incident" in plain(counts_line(view, FINE, AT, UTC, 120))
    assert "INC-4F2K  unacked   public  told 03:14 by alice" in plain(
        now_line(view, AT, UTC, 120, 13)
    )
