"""What is broken comes first, causes above effects; what nobody can see is never called up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from statustui import palette
from statustui.domain.readmodels import Board, IncidentSummary, ServiceRow
from statustui.domain.status import MonitorState, ServiceStatus
from statustui.presenters.board import (
    GroupLine,
    ServiceLine,
    arrange,
    key_of,
    lines,
    look_of_service,
    matcher,
)
from tests.support import sample_world
from tests.support.sample_world import AT, service_id


def names(board: Board, **options: bool) -> list[str]:
    """The list's rows as text, indented as they are."""
    found = []
    for line in lines(arrange(board, AT), **options):
        if isinstance(line, ServiceLine):
            found.append("  " * line.depth + line.service.name)
        else:
            found.append(f"[{line.name} {len(line.services)}]")
    return found


def changed(board: Board, name: str, **changes: object) -> Board:
    """The board with one service changed."""
    rows = tuple(
        replace(row, **changes) if row.name == name else row  # type: ignore[arg-type]
        for row in board.services
    )
    return replace(board, services=rows)


def test_the_drawn_outage_is_in_the_drawn_order() -> None:
    assert names(sample_world.outage()) == [
        "Database",
        "  API",
        "  Mail",
        "  Checkout",
        "Search",
        "Webhooks",
        "VPN",
        "[ 37]",
    ]


def test_what_is_acknowledged_stands_below_what_is_nobodys() -> None:
    board = sample_world.outage()
    incidents = tuple(
        replace(each, acknowledged_by="bob", acknowledged_until=AT + timedelta(minutes=5))
        if each.code == "INC-4F2K"
        else replace(each, acknowledged_by=None, acknowledged_until=None)
        for each in board.incidents
    )
    order = names(replace(board, incidents=incidents))
    assert order.index("Search") < order.index("Database")


def test_an_acknowledgement_that_has_run_out_counts_no_more() -> None:
    board = sample_world.outage()
    view = arrange(board, AT + timedelta(minutes=20))
    search = next(line for line in view.broken if line.service.name == "Search")
    assert not search.is_quiet


def test_a_hidden_service_alone_stands_below_what_customers_feel() -> None:
    order = names(sample_world.outage())
    assert order.index("VPN") > order.index("Webhooks")


def test_causes_in_a_circle_end_nowhere() -> None:
    board = sample_world.outage()
    board = changed(board, "Database", cause_id=service_id("API"))
    order = names(board)
    assert sorted(order[:-1]) == [
        "API", "Checkout", "Database", "Mail", "Search", "VPN", "Webhooks",
    ]  # fmt: skip


def test_a_cause_that_is_up_again_indents_nothing() -> None:
    board = changed(
        sample_world.outage(),
        "Database",
        status=ServiceStatus.OPERATIONAL,
        monitor_state=MonitorState.UP,
    )
    assert "  API" not in names(board)
    assert "API" in names(board)


def test_chains_of_causes_are_indented_step_by_step() -> None:
    board = changed(sample_world.outage(), "Checkout", cause_id=service_id("API"))
    order = names(board)
    assert order[:4] == ["Database", "  API", "    Checkout", "  Mail"]


def test_healthy_services_are_one_line_or_one_for_each_group_or_all() -> None:
    board = sample_world.outage()
    assert names(board, by_group=True)[7:] == [
        "[core 5]",
        "[money 5]",
        "[web 9]",
        "[links 6]",
        "[staff 12]",
    ]
    assert len(names(board, all_of_them=True)) == 44
    summary = lines(arrange(board, AT))[-1]
    assert isinstance(summary, GroupLine)
    assert summary.share == (("core", 5), ("money", 5), ("web", 9), ("links", 6), ("staff", 12))


def test_when_nothing_is_broken_all_stand_under_their_groups() -> None:
    order = names(sample_world.calm())
    assert order[:3] == ["[core 9]", "API", "Database"]
    assert len(order) == 44 + 5


def test_keys_of_rows_are_never_equal() -> None:
    for board in (sample_world.outage(), sample_world.calm()):
        for options in ({}, {"by_group": True}, {"all_of_them": True}):
            keys = [key_of(line) for line in lines(arrange(board, AT), **options)]
            assert len(set(keys)) == len(keys)


def test_the_most_urgent_incident_is_broken_owed_hurting_and_nobodys_in_this_order() -> None:
    board = sample_world.outage()
    main, search, webhooks = board.incidents
    healed = replace(main, code="INC-OVER", services=(), is_public=True)

    def urgent(*incidents: IncidentSummary) -> str:
        found = arrange(replace(board, incidents=incidents), AT).urgent
        assert found is not None
        return found.code

    assert urgent(webhooks, search, main) == "INC-4F2K"
    # What is green again stands behind everything that is not, and is still named when alone.
    assert urgent(healed, search) == "INC-4F2J"
    assert urgent(healed) == "INC-OVER"
    # An outage that somebody has stays before a small matter that nobody has.
    taken = replace(main, acknowledged_by="bob", acknowledged_until=AT + timedelta(minutes=1))
    loud = replace(search, acknowledged_by=None, acknowledged_until=None)
    assert urgent(taken, loud) == "INC-4F2K"
    # An overdue promise comes before a greater impact that owes nothing.
    told = replace(main, is_public=True, told_at=AT)
    late = replace(search, is_public=True, told_at=AT, next_update_by=AT - timedelta(minutes=1))
    assert urgent(told, late) == "INC-4F2J"
    assert urgent(webhooks, loud) == "INC-4F2J"


def test_an_incident_that_a_person_opened_and_leads_is_somebodys() -> None:
    board = sample_world.outage()
    by_hand = replace(board.incidents[1], is_auto=False, lead="root", acknowledged_until=None)
    view = arrange(replace(board, incidents=(by_hand,)), AT)
    assert next(line for line in view.broken if line.service.name == "Search").is_quiet


def test_open_incidents_without_anything_broken_are_counted() -> None:
    board = sample_world.calm()
    left = replace(sample_world.outage().incidents[0], is_public=True)
    view = arrange(replace(board, incidents=(left,)), AT)
    assert (view.still_open, view.urgent, view.is_broken) == (1, left, False)


def service(**changes: object) -> ServiceRow:
    """A healthy service with changes."""
    return replace(sample_world.healthy("API", "core", 1), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "look"),
    [
        (service(), palette.UP),
        (service(status=ServiceStatus.MAJOR_OUTAGE), palette.OUTAGE),
        (service(status=ServiceStatus.PARTIAL_OUTAGE), palette.PARTIAL),
        (service(monitor_state=MonitorState.UNKNOWN), palette.UNKNOWN),
        (service(monitor_state=MonitorState.FLAPPING), palette.FLAPPING),
        (
            service(status=ServiceStatus.DEGRADED_PERFORMANCE, monitor_state=MonitorState.FLAPPING),
            palette.FLAPPING,
        ),
        (service(monitors=2, paused=2, monitor_state=MonitorState.PAUSED), palette.PAUSED),
        (service(monitors=2, paused=1), palette.UP),
        (service(monitors=0, paused=0, monitor_state=None), palette.UP),
        (service(status=ServiceStatus.UNDER_MAINTENANCE), palette.MAINTENANCE),
        (
            service(pinned_status=ServiceStatus.OPERATIONAL, monitor_state=MonitorState.UNKNOWN),
            palette.UP,
        ),
    ],
)
def test_the_state_that_is_shown(row: ServiceRow, look: palette.Look) -> None:
    assert look_of_service(row) is look


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("data", ["Database"]),
        ("state:down", ["Database", "API", "Mail", "Checkout"]),
        ("state:outage checkout", ["Checkout"]),
        ("group:money", ["Checkout", "Invoices", "Payouts", "Subscriptions", "Tax", "Fraud rules"]),
        ("who:bob", ["Search"]),
        ("public:none", ["Search", "Webhooks"]),
        ("since:<5m", ["Database", "API", "Mail", "Checkout"]),
        ("since:<", None),
        ("inc-4f2j", ["Search"]),
        ("refused", ["Database"]),
        ("no such thing", []),
        ("http://x", []),
    ],
)
def test_filters(query: str, found: list[str] | None) -> None:
    matches = matcher(query, AT)
    every = lines(arrange(sample_world.outage(), AT), all_of_them=True)
    left = [line.service.name for line in every if isinstance(line, ServiceLine) and matches(line)]
    if found is None:
        assert len(left) == 44
    elif query == "public:none":
        # Of what is up the page shows green as well, and rightly so.
        assert left[:2] == found
    else:
        assert left == found


def test_headings_never_match_a_filter() -> None:
    matches = matcher("core", AT)
    assert not any(
        matches(line)
        for line in lines(arrange(sample_world.calm(), AT))
        if isinstance(line, GroupLine)
    )
