"""The first screen by keys alone: what each does, what it says, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from textual import events

from statustui.app import QuitChoice
from statustui.domain.errors import Conflict
from statustui.domain.readmodels import Board, ServiceNow
from statustui.domain.status import MonitorState, Role, ServiceStatus
from statustui.presenters.line import plain
from statustui.screens.composer import ComposerScreen
from statustui.screens.help import HelpScreen
from statustui.screens.palette import PaletteScreen
from statustui.screens.runbook import RunbookScreen
from statustui.screens.services import ServicesScreen
from statustui.widgets.footer_keys import FooterKeys
from statustui.widgets.line_input import LineInput
from statustui.widgets.line_list import LineList
from tests.support import sample_world
from tests.support.sample_world import AT, service_id
from tests.support.terminal import (
    FrozenApp,
    MemoryStore,
    dashboard,
    screen_lines,
    screen_text,
    settle,
)


def selected(app: FrozenApp) -> str:
    """The name of the selected service, or of the line that stands for some."""
    line = app.screen.query_one(LineList).selected
    return line.service.name if hasattr(line, "service") else f"[{line.name}]"


def said(app: FrozenApp) -> str:
    """What the last line says."""
    return plain(app.screen.query_one(FooterKeys).message)


def asked(store: MemoryStore, name: str) -> list[tuple[object, ...]]:
    """What was asked of the store under a name."""
    return [call[1:] for call in store.calls if call[0] == name]


async def test_movement() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        seen = []
        for key in ("j", "down", "k", "up", "G", "k", "g", "end", "home", "ctrl+d", "ctrl+u"):
            await pilot.press(key)
            seen.append(selected(app))
        assert seen == [
            "API", "Mail", "API", "Database", "[]", "VPN", "Database", "[]", "Database",
            "Webhooks", "Database",
        ]  # fmt: skip


async def test_the_next_problem_is_found_from_anywhere() -> None:
    board = sample_world.calm()
    rows = tuple(
        replace(row, status=ServiceStatus.MAJOR_OUTAGE, monitor_state=MonitorState.DOWN)
        if row.name == "Mail"
        else row
        for row in board.services
    )
    async with dashboard(MemoryStore(replace(board, services=rows))) as (app, pilot):
        await pilot.press("G", "!")
        assert selected(app) == "Mail"
    async with dashboard(MemoryStore(board)) as (app, pilot):
        await pilot.press("!")
        assert said(app) == "nothing is broken"


async def test_acknowledging_shows_what_came_back_and_twice_only_says_so() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        await pilot.press("a")
        await settle(app, pilot)
        assert asked(store, "acknowledge") == [("INC-4F2K",)]
        assert said(app) == "INC-4F2K is yours until 03:44Z"
        assert "alice until 03:44" in screen_lines(app)[1]
        await pilot.press("a")
        await settle(app, pilot)
        assert len(asked(store, "acknowledge")) == 1
        assert said(app) == "INC-4F2K: alice has it until 03:44Z"


async def test_nothing_is_shown_that_the_database_did_not_answer() -> None:
    store = MemoryStore(sample_world.outage())

    async def refused(org_id: int, code: str, minutes: int | None = None) -> None:
        raise Conflict("INC-4F2K is resolved", advice="open a new one with i")

    store.acknowledge = refused  # type: ignore[method-assign,assignment]
    async with dashboard(store) as (app, pilot):
        await pilot.press("a")
        await settle(app, pilot)
        assert said(app) == "INC-4F2K is resolved; open a new one with i"
        assert "unacked" in screen_lines(app)[1]


async def test_snoozing_asks_for_how_long_and_esc_drops_the_question() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        await pilot.press("z")
        assert said(app).startswith("snooze INC-4F2K   1 30 min   2 1 h   3 until 08:00Z")
        await pilot.press("j", "a")
        assert selected(app) == "Database"
        assert asked(store, "acknowledge") == []
        await pilot.press("escape")
        assert said(app) == ""
        await pilot.press("z", "2")
        await settle(app, pilot)
        assert asked(store, "snooze") == [("INC-4F2K", AT + timedelta(hours=1))]
        assert said(app) == "INC-4F2K snoozed until 04:14Z"


async def test_marks_act_together_and_are_cleared() -> None:
    store = MemoryStore(sample_world.outage())
    board = store.board
    incidents = tuple(
        replace(each, acknowledged_by=None, acknowledged_until=None, snoozed_until=None)
        for each in board.incidents
    )
    store.board = replace(board, incidents=incidents)
    async with dashboard(store) as (app, pilot):
        for name in ("Database", "API", "Search"):
            app.screen.query_one(LineList).select(str(service_id(name)))
            await pilot.press("space")
        assert "3 marked" in screen_lines(app)[-1]
        await pilot.press("a")
        await settle(app, pilot)
        # Database and API are one incident.
        assert sorted(asked(store, "acknowledge")) == [("INC-4F2J",), ("INC-4F2K",)]
        assert not app.screen.query_one(LineList).marks


async def test_marked_rows_that_a_filter_hides_are_counted() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("space", "space", "slash", *"checkout", "enter")
        assert "2 marked, 2 hidden" in screen_lines(app)[-1]


async def test_the_filter_works_as_it_is_typed_and_esc_clears_it() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("slash", *"web")
        assert [row.value.service.name for row in app.screen.query_one(LineList).rows][:3] == [
            "Webhooks",
            "Website",
            "Docs",
        ]
        assert screen_lines(app)[-1] == " / web"
        await pilot.press("backspace", "backspace", "backspace", *"state:down", "enter")
        assert app.screen.query_one(LineList).matching == 4
        await pilot.press("j", "greater_than_sign")
        assert selected(app) == "Mail"
        await pilot.press("less_than_sign")
        assert selected(app) == "API"
        await pilot.press("escape")
        assert app.screen.query_one(LineList).total == 8
        assert selected(app) == "API"


async def test_letters_typed_into_the_filter_do_nothing_else() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        await pilot.press("slash", *"azuwirqjk!?:123")
        assert isinstance(app.screen, ServicesScreen)
        assert app.screen.filter_text == "azuwirqjk!?:123"
        assert asked(store, "acknowledge") == []


async def test_sorting_goes_through_the_orders_and_turns_round() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("s")
        rows = [row.value.service.name for row in app.screen.query_one(LineList).rows]
        assert rows == sorted(rows, key=str.casefold)
        assert len(rows) == 44
        await pilot.press("S")
        turned = [row.value.service.name for row in app.screen.query_one(LineList).rows]
        assert turned == rows[::-1]
        await pilot.press("escape")
        assert app.screen.query_one(LineList).total == 8


async def test_the_line_of_healthy_services_opens_into_all_of_them() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("G", "enter")
        assert app.screen.query_one(LineList).total == 44
        assert selected(app) == "Login"
        await pilot.press("escape")
        assert app.screen.query_one(LineList).total == 8


async def test_a_change_elsewhere_is_shown_and_the_selection_stays() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        app.screen.query_one(LineList).select(str(service_id("VPN")))
        rows = tuple(
            replace(
                row,
                status=ServiceStatus.MAJOR_OUTAGE,
                public_status=ServiceStatus.MAJOR_OUTAGE,
                monitor_state=MonitorState.DOWN,
                status_since=AT,
            )
            if row.name == "Blog"
            else row
            for row in store.board.services
        )
        store.change(replace(store.board, services=rows), "services")
        await settle(app, pilot)
        text = screen_text(app)
        assert "5 outage" in text
        assert text.index("Blog") < text.index("Search")
        assert selected(app) == "VPN"


async def test_while_the_database_is_away_the_last_board_stays_with_its_age() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        store.is_away = True
        store.listener.announce("services")
        await pilot.pause(0.4)
        assert "STALE" in screen_lines(app)[0]
        assert "Database" in screen_text(app)
        store.is_away = False
        store.change(sample_world.calm(), "services")
        await pilot.pause(1.2)
        await settle(app, pilot)
        assert "STALE" not in screen_lines(app)[0]
        assert "ALL UP" in screen_text(app)


async def test_a_key_that_needs_the_database_says_that_it_is_away() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        store.is_away = True
        await pilot.press("a")
        await pilot.pause(0.1)
        assert "database at memory is unavailable" in said(app)
        assert "give it back" in said(app)
        assert "STALE 0s" in screen_lines(app)[0]


async def test_a_viewer_sees_no_keys_that_write_and_is_told_who_may() -> None:
    store = MemoryStore(sample_world.outage(role=Role.VIEWER))
    async with dashboard(store) as (app, pilot):
        assert "READ ONLY" in screen_lines(app)[0]
        assert " a ack" not in screen_lines(app)[-1]
        await pilot.press("a")
        assert said(app) == "viewers of Acme only read; members may do this"
        await pilot.press("i")
        assert isinstance(app.screen, ServicesScreen)
        assert asked(store, "acknowledge") == []


async def test_read_only_is_said() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store, read_only=True) as (app, pilot):
        await pilot.press("a")
        assert said(app).startswith("read only")
        assert asked(store, "acknowledge") == []


async def test_q_twice_leaves_and_once_only_says_so() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("q")
        assert said(app) == "q again quits"
        assert app.is_running
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is QuitChoice.QUIT


async def test_ctrl_c_twice_leaves() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("ctrl+c")
        assert said(app) == "ctrl+c again quits"
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.return_value is QuitChoice.QUIT


@pytest.mark.parametrize(("key", "choice"), [("s", QuitChoice.STOP_WATCH), ("l", QuitChoice.QUIT)])
async def test_leaving_asks_about_a_watch_that_was_started_here(
    key: str, choice: QuitChoice
) -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store, started_watch=True) as (app, pilot):
        await pilot.press("ctrl+q")
        assert said(app) == "the watch started here:   l leave it running   s stop it   esc stay"
        assert app.return_value is None
        await pilot.press(key)
        await pilot.pause()
        assert app.return_value is choice


@pytest.mark.parametrize(
    ("setting", "choice"), [("stop", QuitChoice.STOP_WATCH), ("leave", QuitChoice.QUIT)]
)
async def test_a_setting_answers_instead(setting: str, choice: QuitChoice) -> None:
    store = MemoryStore(sample_world.outage())
    options = {"started_watch": True, "settings": {"on_quit": setting}}
    async with dashboard(store, **options) as (app, pilot):
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert app.return_value is choice


async def test_torn_escape_sequences_change_nothing() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        before = list(store.calls)
        for end in "ABCDFHMPRZ":
            await pilot.press("escape", "left_square_bracket", end)
        await pilot.press("right_square_bracket", "escape", "O", "P")
        await settle(app, pilot)
        assert isinstance(app.screen, ServicesScreen)
        reading = {"load_service_now", "load_board", "load_watch", "load_figures"}
        assert {call[0] for call in store.calls[len(before) :]} <= reading


@pytest.mark.parametrize("key", ["4", "5", "6", "7", "8", "9", "0", "t", "m", "c", "l", "x"])
async def test_keys_of_what_is_not_there_yet_do_nothing(key: str) -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        before = screen_text(app)
        await pilot.press(key)
        assert screen_text(app) == before


async def test_help_shows_the_real_keys_and_goes_again() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = screen_text(app)
        for binding in ServicesScreen.__dict__["BINDINGS"]:
            assert binding.description in text
        await pilot.press("question_mark")
        assert isinstance(app.screen, ServicesScreen)
        await pilot.press("f1", "q")
        assert isinstance(app.screen, ServicesScreen)


async def test_the_palette_finds_actions_services_and_incidents_by_name() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        await pilot.press("colon")
        assert isinstance(app.screen, PaletteScreen)
        await pilot.press(*"back")
        assert "Backups" in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, ServicesScreen)
        await pilot.press("ctrl+p", *"acknowledge inc-4f1x", "enter")
        await settle(app, pilot)
        assert isinstance(app.screen, ServicesScreen)
        assert asked(store, "acknowledge") == [("INC-4F1X",)]
        assert said(app) == "INC-4F1X is yours"


async def test_the_palette_says_when_nothing_fits_and_enter_does_nothing() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("ctrl+p", *"zzzz")
        assert "nothing is called that" in screen_text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, PaletteScreen)
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, ServicesScreen)


async def test_tab_leaves_only_actions_in_the_palette() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("ctrl+p", *"ack", "tab")
        await pilot.pause()
        assert "Backups" not in screen_text(app)
        assert "everything" in screen_lines(app)[-1]


async def test_the_runbook_is_shown_when_a_monitor_names_one() -> None:
    store = MemoryStore(sample_world.outage())
    store.nows[service_id("Database")] = sample_world.database_now(store.board)
    async with dashboard(store) as (app, pilot):
        assert "b runbook" in screen_lines(app)[-1]
        assert f"runbook    {sample_world.RUNBOOK}  (b)" in screen_text(app)
        await pilot.press("b")
        assert isinstance(app.screen, RunbookScreen)
        assert sample_world.RUNBOOK in screen_text(app)
        await pilot.press("escape", "j", "b")
        assert said(app) == "no monitor here names a runbook"


async def test_copying_shows_what_was_copied() -> None:
    store = MemoryStore(sample_world.outage())
    store.nows[service_id("Database")] = sample_world.database_now(store.board)
    public = tuple(replace(each, is_public=True) for each in store.board.incidents)
    store.board = replace(store.board, incidents=public)
    async with dashboard(store, (120, 36)) as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == "nc -vz 10.0.0.5 5432"
        assert said(app).endswith("nc -vz 10.0.0.5 5432")
        await pilot.press("o")
        assert app.clipboard == "https://status.example.net/s/acme/incidents/INC-4F2K"


async def test_a_question_is_not_answered_by_what_was_typed_into_a_filter() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        await pilot.press("z", "slash", "1")
        await settle(app, pilot)
        assert isinstance(app.screen, ServicesScreen)
        assert app.screen.filter_text == ""
        assert len(asked(store, "snooze")) == 1


async def test_ages_change_once_a_minute_and_the_clock_every_second() -> None:
    store = MemoryStore(sample_world.calm())
    async with dashboard(store, (120, 36)) as (app, pilot):
        assert screen_lines(app)[0].endswith("03:14:07Z")
        app.moved = timedelta(seconds=30)
        assert isinstance(app.screen, ServicesScreen)
        app.screen.tick(app.now())
        await pilot.pause()
        assert screen_lines(app)[0].endswith("03:14:37Z")
        assert "6 h 4 min since" in screen_text(app)
        app.moved = timedelta(minutes=2)
        app.screen.tick(app.now())
        await pilot.pause()
        assert "6 h 6 min since" in screen_text(app)


async def test_a_dead_watch_is_said() -> None:
    store = MemoryStore(replace(sample_world.calm(), watch=None))
    async with dashboard(store) as (app, pilot):
        assert "NO WATCH" in screen_lines(app)[0]
        await pilot.pause()


async def test_hostile_names_cannot_break_the_screen() -> None:
    board: Board = sample_world.outage()
    rows = tuple(
        replace(
            row, name="[bold red]日本語 and a very long name of a service[/] \\[x]", reason="[/]"
        )
        if row.name == "Database"
        else row
        for row in board.services
    )
    store = MemoryStore(replace(board, services=rows))
    for size in ((80, 24), (120, 36), (200, 50), (40, 12)):
        async with dashboard(store, size) as (app, pilot):
            assert "[bold" in screen_text(app)
            await pilot.press("j", "k")


@pytest.mark.parametrize("size", [(20, 5), (40, 8), (60, 10), (79, 15), (300, 90)])
async def test_it_survives_sizes_that_nobody_drew(size: tuple[int, int]) -> None:
    async with dashboard(MemoryStore(sample_world.outage()), size) as (app, pilot):
        await pilot.press("j", "G", "g", "ctrl+p", "a", "escape", "question_mark", "escape")
        assert len(screen_lines(app)) == size[1]
        await pilot.resize_terminal(120, 36)
        await settle(app, pilot)
        assert "NOW" in screen_text(app)


async def test_an_organization_without_services_says_so() -> None:
    empty = replace(sample_world.calm(), services=(), incidents=(), pages=())
    store = MemoryStore(empty)
    async with dashboard(store) as (app, pilot):
        assert "nothing is watched yet" in screen_text(app)
        await pilot.press("j", "enter", "a", "y", "o", "space", "s")
        assert isinstance(app.screen, ServicesScreen)


async def test_what_was_loaded_for_another_row_is_not_shown() -> None:
    store = MemoryStore(sample_world.outage())
    now: ServiceNow = sample_world.database_now(store.board)
    store.nows[service_id("Database")] = now
    async with dashboard(store) as (app, pilot):
        assert sample_world.RUNBOOK in screen_text(app)
        await pilot.press("j")
        assert sample_world.RUNBOOK not in screen_text(app)


async def test_the_first_screen_is_one_key_away_from_everywhere() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        first = app.screen
        await pilot.press("enter", "2", "3", "1")
        assert app.screen is first
        await pilot.press("2", "escape")
        assert app.screen is first
        await pilot.press("enter", "ctrl+p", *"incidents", "enter")
        await settle(app, pilot)
        await pilot.press("1")
        assert app.screen is first


@pytest.mark.parametrize("opening", ["/", ":"])
async def test_what_is_typed_ahead_is_text_and_never_a_command(opening: str) -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        # All keys are there before the program has looked at the first, as over a slow line.
        for character in f"{opening}azq1r":
            key = {"/": "slash", ":": "colon"}.get(character, character)
            app.post_message(events.Key(key, character))
        await settle(app, pilot)
        typed = app.screen.query_one("#filter" if opening == "/" else "#query", LineInput)
        assert typed.value == "azq1r"
        assert asked(store, "acknowledge") == []


async def test_a_filter_that_is_on_is_never_out_of_sight() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("slash", *"state:degr", "enter")
        assert screen_lines(app)[-1].startswith(" / state:degr 2 of 44  esc clears it")
        await pilot.press("escape")
        assert "state:degr" not in screen_text(app)


async def test_without_an_incident_on_the_row_words_go_to_the_one_that_now_names() -> None:
    store = MemoryStore(sample_world.outage())
    async with dashboard(store) as (app, pilot):
        app.screen.query_one(LineList).select(str(service_id("VPN")))
        await pilot.press("w")
        await settle(app, pilot)
        assert isinstance(app.screen, ComposerScreen)
        assert app.screen.code == "INC-4F2K"


async def test_the_palette_names_what_it_acts_on_and_offers_nothing_else() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("ctrl+p", *"ackn")
        text = screen_text(app)
        assert text.count("Acknowledge INC-4F2K") == 1
        assert "30 min, you become lead if none is" in text
        await pilot.press("escape")
        app.screen.query_one(LineList).select(str(service_id("VPN")))
        await pilot.press("ctrl+p", *"snooze")
        assert "Snooze INC" not in screen_text(app)


async def test_acknowledging_what_another_leads_says_so() -> None:
    store = MemoryStore(sample_world.outage())
    store.change_incident("INC-4F2K", lead="jonas")
    async with dashboard(store) as (app, pilot):
        await pilot.press("a")
        await settle(app, pilot)
        assert said(app) == "INC-4F2K acknowledged until 03:44Z; jonas stays lead"


async def test_an_error_of_the_program_reaches_whoever_started_it_and_not_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = MemoryStore(sample_world.outage())

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        async with dashboard(store) as (app, pilot):
            app.screen.action_sort = broken  # type: ignore[method-assign]
            await pilot.press("s")
            await pilot.pause()
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err


async def test_esc_never_leaves_the_program() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        await pilot.press("escape", "escape", "escape")
        await pilot.pause()
        assert app.is_running
        assert app.return_value is None
        await pilot.press("s", "escape")
        assert said(app) == "problems first again"
        assert app.screen.query_one(LineList).total == 8


async def test_the_footer_offers_only_what_is_left_to_do() -> None:
    async with dashboard(MemoryStore(sample_world.outage())) as (app, pilot):
        assert screen_lines(app)[-1].startswith(" a ack")
        app.screen.query_one(LineList).select(str(service_id("Search")))
        await settle(app, pilot)
        # bob has it already.
        assert screen_lines(app)[-1].startswith(" u tell public")


async def test_failed_looks_without_a_verdict_are_not_kept_from_who_looks() -> None:
    board = sample_world.calm()
    rows = tuple(
        replace(row, failures=2, threshold=3, reason="connect to 10.0.0.9:80 refused")
        if row.name == "API"
        else row
        for row in board.services
    )
    async with dashboard(MemoryStore(replace(board, services=rows)), (120, 36)) as (app, _):
        assert "2 of 3 failed" in screen_text(app)
        assert "no verdict yet" in screen_text(app)
