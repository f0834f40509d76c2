"""The list keeps its selection by key, and paints only what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.app import App, ComposeResult

from statustui import palette
from statustui.presenters.columns import Column
from statustui.presenters.line import Line
from statustui.widgets.line_list import LineList, Row, SortKey
from statustui.widgets.painting import Painter


@dataclass(frozen=True)
class Item:
    name: str
    size: int = 0


COLUMNS = (Column("name", "NAME", 1, 10), Column("size", "SIZE", 12, 5, is_right=True))


def cells(item: Item, _: Sequence[Column], is_selected: bool) -> Mapping[str, Line]:
    key = "strong b" if is_selected else "text"
    return {"name": ((item.name, key),), "size": ((str(item.size), key),)}


class CountingList(LineList[Item]):
    """Remembers which lines were painted."""

    painted: list[int]

    def render_line(self, y: int):  # type: ignore[no-untyped-def]
        self.__dict__.setdefault("painted", []).append(y)
        return super().render_line(y)


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.painter = Painter(palette.DARK, is_ascii=False)
        self.selected: list[object] = []
        self.opened: list[object] = []

    def compose(self) -> ComposeResult:
        yield CountingList(lambda _: COLUMNS, cells)

    def on_line_list_selected(self, message: LineList.Selected) -> None:
        self.selected.append(message.key)

    def on_line_list_opened(self, message: LineList.Opened) -> None:
        self.opened.append(message.key)


def rows(*names: str, heading: str | None = None) -> list[Row[Item]]:
    made = [Row(name, Item(name, number)) for number, name in enumerate(names)]
    return [Row(heading, Item(heading), is_selectable=False), *made] if heading else made


def shown(app: Host) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


async def test_the_first_row_is_selected_and_every_move_is_told() -> None:
    app = Host()
    async with app.run_test(size=(30, 8)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b", "c"))
        line_list.move(1)
        line_list.move(5)
        line_list.move(-1)
        await pilot.pause()
        assert app.selected == ["a", "b", "c", "b"]
        assert shown(app)[:4] == [
            " NAME        SIZE",
            " a              0",
            "›b              1",
            " c              2",
        ]


async def test_the_selection_stays_on_its_row_while_rows_come_go_and_are_sorted() -> None:
    app = Host()
    async with app.run_test(size=(30, 8)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b", "c"))
        line_list.select("b")
        line_list.show(rows("x", "c", "b", "a"))
        assert line_list.selected_key == "b"
        line_list.set_sort(SortKey("name", lambda item: item.name))
        assert [row.key for row in line_list.rows] == ["a", "b", "c", "x"]
        assert line_list.selected_key == "b"
        line_list.set_sort(SortKey("name", lambda item: item.name), is_reversed=True)
        assert [row.key for row in line_list.rows] == ["x", "c", "b", "a"]
        assert line_list.selected_key == "b"
        await pilot.pause()
        assert shown(app)[3] == "›b              2"


async def test_when_the_selected_row_goes_its_successor_is_selected_and_the_last_at_the_end() -> (
    None
):
    app = Host()
    async with app.run_test(size=(30, 8)):
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b", "c"))
        line_list.select("b")
        line_list.show(rows("a", "c"))
        assert line_list.selected_key == "c"
        line_list.show(rows("a"))
        assert line_list.selected_key == "a"
        line_list.show([])
        assert line_list.selected_key is None
        assert line_list.selected is None
        line_list.move(1)
        assert line_list.selected_key is None


async def test_headings_are_stepped_over_and_go_while_filtered_or_sorted() -> None:
    app = Host()
    async with app.run_test(size=(30, 12)):
        line_list = app.query_one(CountingList)
        line_list.show([*rows("a", heading="first"), *rows("b", heading="second")])
        assert line_list.selected_key == "a"
        line_list.move(1)
        assert line_list.selected_key == "b"
        line_list.move(-1)
        assert line_list.selected_key == "a"
        assert not line_list.select("first")
        assert line_list.total == 2
        line_list.set_filter(lambda item: item.name == "b")
        assert [row.key for row in line_list.rows] == ["b"]
        assert (line_list.matching, line_list.total) == (1, 2)
        line_list.set_filter(None)
        assert [row.key for row in line_list.rows] == ["first", "a", "second", "b"]


async def test_marks_stay_with_their_rows_and_hidden_ones_are_counted() -> None:
    app = Host()
    async with app.run_test(size=(30, 8)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b", "c"))
        line_list.toggle_mark()
        line_list.toggle_mark()
        assert line_list.marks == {"a", "b"}
        assert line_list.selected_key == "c"
        line_list.set_filter(lambda item: item.name != "a")
        assert line_list.hidden_marks == 1
        line_list.show(rows("b", "c"))
        assert line_list.marks == {"b"}
        await pilot.pause()
        assert shown(app)[1] == "*b              0"
        line_list.clear_marks()
        assert not line_list.marks


async def test_at_the_edge_it_scrolls_by_half_a_page_and_says_what_is_below() -> None:
    app = Host()
    async with app.run_test(size=(30, 9)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows(*(f"row {n:02}" for n in range(30))))
        await pilot.pause()
        assert shown(app)[8] == "            23 more below"
        for _ in range(6):
            line_list.move(1)
        await pilot.pause()
        assert shown(app)[7].startswith("›row 06")
        line_list.move(1)
        await pilot.pause()
        assert shown(app)[1].startswith(" row 03")
        assert shown(app)[5].startswith("›row 07")
        line_list.move_to_end(last=True)
        await pilot.pause()
        assert shown(app)[8].startswith("›row 29")
        assert shown(app)[1].startswith(" row 22")
        line_list.move_to_end(last=False)
        await pilot.pause()
        assert shown(app)[1].startswith("›row 00")


async def test_only_lines_that_differ_are_painted_again() -> None:
    app = Host()
    async with app.run_test(size=(30, 12)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b", "c", "d"))
        await pilot.pause()
        line_list.painted.clear()
        changed = rows("a", "b", "c", "d")
        changed[2] = Row("c", Item("c", 9))
        line_list.show(changed)
        await pilot.pause()
        assert line_list.painted == [3]
        line_list.painted.clear()
        line_list.show(changed)
        line_list.redraw()
        await pilot.pause()
        assert line_list.painted == []
        line_list.move(1)
        await pilot.pause()
        assert line_list.painted == [1, 2]


async def test_it_finds_the_next_match_and_goes_on_from_the_other_end() -> None:
    app = Host()
    async with app.run_test(size=(30, 8)):
        line_list = app.query_one(CountingList)
        line_list.show(rows("a", "b1", "c", "b2"))
        assert line_list.find(lambda item: item.name.startswith("b"))
        assert line_list.selected_key == "b1"
        assert line_list.find(lambda item: item.name.startswith("b"))
        assert line_list.selected_key == "b2"
        assert line_list.find(lambda item: item.name.startswith("b"))
        assert line_list.selected_key == "b1"
        assert line_list.find(lambda item: item.name.startswith("b"), backwards=True)
        assert line_list.selected_key == "b2"
        assert not line_list.find(lambda item: item.name == "z")


async def test_a_click_selects_and_a_click_on_the_selected_row_opens() -> None:
    app = Host()
    async with app.run_test(size=(30, 8)) as pilot:
        app.query_one(CountingList).show(rows("a", "b", "c"))
        await pilot.click(CountingList, offset=(3, 3))
        assert app.query_one(CountingList).selected_key == "c"
        assert app.opened == []
        await pilot.click(CountingList, offset=(3, 3))
        assert app.opened == ["c"]
        await pilot.click(CountingList, offset=(3, 7))
        assert app.opened == ["c"]


async def test_a_page_is_what_the_screen_shows() -> None:
    app = Host()
    async with app.run_test(size=(30, 11)):
        line_list = app.query_one(CountingList)
        line_list.show(rows(*(f"row {n:02}" for n in range(50))))
        line_list.move_page(1)
        assert line_list.selected_key == "row 10"
        line_list.move_page(0.5)
        assert line_list.selected_key == "row 15"
        line_list.move_page(-1)
        assert line_list.selected_key == "row 05"


async def test_the_selected_row_stays_on_the_screen_when_the_terminal_shrinks() -> None:
    app = Host()
    async with app.run_test(size=(30, 20)) as pilot:
        line_list = app.query_one(CountingList)
        line_list.show(rows(*(f"row {n:02}" for n in range(30))))
        line_list.select("row 17")
        await pilot.resize_terminal(30, 8)
        await pilot.pause()
        assert any(line.startswith("›row 17") for line in shown(app))
