"""The list that all screens share: it paints only rows on the screen, and only cells that changed.

Rows are values with a key. The list keeps the selected row selected by its key while rows come, go
and are sorted anew; it never moves the selection by itself unless the selected row is gone. It
scrolls by half a page, because each scrolled line costs a whole repaint on a slow line.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from statustui import palette
from statustui.presenters.columns import Column
from statustui.presenters.line import Line, cell_width
from statustui.widgets.lines import changed_span
from statustui.widgets.painting import painter_of
from statustui.widgets.painting import place as placed

T = TypeVar("T")

Cells = Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One row of a list.

    Attributes:
        key: tells it from all others, and stays the same while the row changes.
        value: what is drawn.
        is_selectable: False for headings; headings go while the list is filtered or sorted.
    """

    key: Hashable
    value: T
    is_selectable: bool = True


@dataclass(frozen=True, slots=True)
class SortKey(Generic[T]):
    """One way to sort a list: its name, and what is compared."""

    name: str
    of: Callable[[T], Any] = field(repr=False)


class LineList(Widget, Generic[T]):
    """Rows in columns, with a selection, marks, a filter and a sort order.

    Args:
        columns: the columns that a width shows.
        draw: the cells of a row by column name; asks for the value, the columns, and whether the
            row is selected.
        has_heading: whether the first line names the columns.
        names_hidden: whether the last line says how many rows are below the screen.
        id: as the toolkit has it.
    """

    DEFAULT_CSS = "LineList { height: 1fr; }"

    class Selected(Message):
        """Another row is selected; `key` is None when the list is empty."""

        def __init__(self, line_list: LineList[Any], key: Hashable | None) -> None:
            super().__init__()
            self.line_list = line_list
            self.key = key

    class Opened(Message):
        """A row was opened with the mouse (a click on the selected row)."""

        def __init__(self, line_list: LineList[Any], key: Hashable) -> None:
            super().__init__()
            self.line_list = line_list
            self.key = key

    def __init__(
        self,
        columns: Callable[[int], Sequence[Column]],
        draw: Callable[[T, Sequence[Column], bool], Cells],
        *,
        has_heading: bool = True,
        names_hidden: bool = True,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._columns_for = columns
        self._draw = draw
        self.has_heading = has_heading
        self._names_hidden = names_hidden
        self._columns: tuple[Column, ...] = ()
        self._all: tuple[Row[T], ...] = ()
        self._rows: list[Row[T]] = []
        self._places: dict[Hashable, int] = {}
        self._selected: Hashable | None = None
        self._marks: set[Hashable] = set()
        self._filter: Callable[[T], bool] | None = None
        self._sort: SortKey[T] | None = None
        self._is_reversed = False
        self._top = 0
        self._shown: dict[int, Line] = {}

    # What it holds

    @property
    def rows(self) -> Sequence[Row[T]]:
        """The rows as they stand: filtered and sorted."""
        return self._rows

    @property
    def total(self) -> int:
        """How many selectable rows there are, without the filter."""
        return sum(row.is_selectable for row in self._all)

    @property
    def matching(self) -> int:
        """How many selectable rows the filter leaves."""
        return sum(row.is_selectable for row in self._rows)

    @property
    def selected_key(self) -> Hashable | None:
        """The key of the selected row, None when nothing can be selected."""
        return self._selected

    @property
    def selected(self) -> T | None:
        """The value of the selected row."""
        at = self._places.get(self._selected)
        return None if at is None else self._rows[at].value

    @property
    def marks(self) -> frozenset[Hashable]:
        """The keys of the marked rows, also of those that the filter hides."""
        return frozenset(self._marks)

    @property
    def hidden_marks(self) -> int:
        """How many marked rows the filter hides."""
        return sum(key not in self._places for key in self._marks)

    @property
    def sort_name(self) -> str:
        """The name of the order, empty for the rows' own."""
        return self._sort.name if self._sort is not None else ""

    @property
    def is_reversed(self) -> bool:
        """Whether the chosen order runs backwards."""
        return self._is_reversed

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is set."""
        return self._filter is not None

    # Changing it

    def show(self, rows: Sequence[Row[T]]) -> None:
        """Show these rows; the selection, the marks and the position stay where they were."""
        self._all = tuple(rows)
        self._marks &= {row.key for row in self._all}
        self._arrange()

    def set_filter(self, matches: Callable[[T], bool] | None) -> None:
        """Leave only matching rows; None shows all again."""
        self._filter = matches
        self._arrange()

    def set_sort(self, key: SortKey[T] | None, *, is_reversed: bool = False) -> None:
        """Sort by something; None for the order in which the rows were given."""
        self._sort = key
        self._is_reversed = is_reversed
        self._arrange()

    def select(self, key: Hashable) -> bool:
        """Select a row by its key; False when it is not in the list or cannot be selected."""
        place = self._places.get(key)
        if place is None or not self._rows[place].is_selectable:
            return False
        self._move_to(place)
        return True

    def toggle_mark(self) -> None:
        """Mark the selected row, or take its mark away, and go on to the next."""
        if self._selected is None:
            return
        self._marks ^= {self._selected}
        self._repaint()
        self.move(1)

    def clear_marks(self) -> None:
        """Take all marks away."""
        self._marks.clear()
        self._repaint()

    def lay_out_again(self) -> None:
        """Ask for the columns again; for lists that have several sets of them."""
        self._columns = tuple(self._columns_for(self.size.width))
        self._shown.clear()
        self.refresh()

    def redraw(self) -> None:
        """Draw all rows again and repaint the cells that differ; for what depends on the time."""
        self._repaint()

    # Moving

    def move(self, by: int) -> None:
        """Move the selection by rows, over what cannot be selected."""
        place = self._places.get(self._selected)
        if place is None:
            self.move_to_end(last=False)
            return
        step = 1 if by > 0 else -1
        wanted = max(0, min(len(self._rows) - 1, place + by))
        at = wanted
        while 0 <= at < len(self._rows) and not self._rows[at].is_selectable:
            at += step
        if not 0 <= at < len(self._rows):
            at = wanted
            while at != place and not self._rows[at].is_selectable:
                at -= step
        self._move_to(at)

    def move_page(self, pages: float) -> None:
        """Move the selection by pages (0.5 is half a page down, -1 a page up)."""
        rows = max(1, round(abs(pages) * self._body_height()))
        self.move(rows if pages > 0 else -rows)

    def move_to_end(self, *, last: bool) -> None:
        """Select the first or the last row that can be selected."""
        order = range(len(self._rows))
        for at in reversed(order) if last else order:
            if self._rows[at].is_selectable:
                self._move_to(at)
                return
        self._select(None)

    def find(self, matches: Callable[[T], bool], *, backwards: bool = False) -> bool:
        """Select the next row that matches, going on from the other end.

        Returns:
            Whether one was found.
        """
        count = len(self._rows)
        start = self._places.get(self._selected, -1)
        step = -1 if backwards else 1
        for distance in range(1, count + 1):
            place = (start + step * distance) % count
            row = self._rows[place]
            if row.is_selectable and matches(row.value):
                self._move_to(place)
                return True
        return False

    # Painting

    def on_resize(self, _: events.Resize) -> None:
        """Lay the columns out for the new width, and keep the selected row on the screen."""
        self._columns = tuple(self._columns_for(self.size.width))
        self._keep_in_view()
        self._shown.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse; a click on the selected row opens it."""
        at = self._place_at(event.y)
        if at is None or not self._rows[at].is_selectable:
            return
        if self._rows[at].key == self._selected:
            self.post_message(self.Opened(self, self._rows[at].key))
        else:
            self._move_to(at)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move on by three rows."""
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move back by three rows."""
        event.stop()
        self.move(-3)

    def render_line(self, y: int) -> Strip:
        """Paint one line."""
        line = self._line(y)
        self._shown[y] = line
        return painter_of(self).strip(line, self.size.width)

    def _line(self, y: int) -> Line:
        width = self.size.width
        if self.has_heading and y == 0:
            return placed(
                [
                    (
                        column.start,
                        column.width,
                        ((_aligned(column.heading, column.width, column.is_right), "muted"),),
                    )
                    for column in self._columns
                ],
                width,
            )
        hidden = self._hidden_below()
        if hidden and y == self.size.height - 1:
            start = self._columns[1].start if len(self._columns) > 1 else 1
            return placed([(start, width - start, ((f"{hidden:,} more below", "muted"),))], width)
        at = self._place_at(y)
        if at is None:
            return ()
        return self._row_line(self._rows[at], width)

    def _row_line(self, row: Row[T], width: int) -> Line:
        is_selected = row.is_selectable and row.key == self._selected
        ground = "sel" if is_selected else "bg"
        cells = self._draw(row.value, self._columns, is_selected)
        pieces: list[tuple[int, int, Line]] = []
        if row.key in self._marks:
            pieces.append((0, 1, ((palette.SELECTED_MARK, "strong b"),)))
        elif is_selected:
            pieces.append((0, 1, ((palette.CURSOR, "strong b"),)))
        for column in self._columns:
            content = cells.get(column.name)
            if not content:
                continue
            if column.is_right:
                room = column.width - sum(cell_width(text) for text, _ in content)
                if room > 0:
                    content = ((" " * room, "text"), *content)
            pieces.append((column.start, column.width, content))
        for name, content in cells.items():
            # "*service" starts where that column starts and runs on to the next cell.
            if name.startswith("*"):
                start = next((c.start for c in self._columns if c.name == name[1:]), None)
                if start is not None:
                    after = (at for at, *_ in pieces if at > start)
                    pieces.append((start, min(after, default=width + 1) - 1 - start, content))
        line = placed(sorted(pieces, key=lambda piece: piece[0]), width)
        if ground == "bg":
            return line
        return tuple((text, key if "on:" in key else f"{key} on:{ground}") for text, key in line)

    def _repaint(self, only: set[int] | None = None) -> None:
        """Compare what is on the screen with what belongs there, and refresh the difference.

        Args:
            only: the lines that can differ, None for all.
        """
        if not self._shown:
            self.refresh()
            return
        width = self.size.width
        for y in range(self.size.height):
            if only is not None and y not in only:
                continue
            line = self._line(y)
            old = self._shown.get(y)
            if old == line:
                continue
            new = placed([(0, width, line)], width)
            if old is None:
                self.refresh(Region(0, y, width, 1))
                continue
            span = changed_span(placed([(0, width, old)], width), new)
            if span is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    # Order and position

    def _arrange(self) -> None:
        rows = [*self._all]
        if self._filter is not None:
            matches = self._filter
            rows = [row for row in rows if row.is_selectable and matches(row.value)]
        if self._sort is not None:
            of = self._sort.of
            rows = [row for row in rows if row.is_selectable]
            rows.sort(key=lambda row: of(row.value), reverse=self._is_reversed)
        before = self._places.get(self._selected)
        self._rows = rows
        self._places = {row.key: place for place, row in enumerate(rows)}
        if self._selected not in self._places:
            self._select_near(before)
        self._keep_in_view()
        self._repaint()

    def _select_near(self, before: int | None) -> None:
        """The selected row is gone: its successor is selected, or the last row."""
        candidates = [at for at, row in enumerate(self._rows) if row.is_selectable]
        if not candidates:
            self._select(None)
            return
        start = before or 0
        at = next((each for each in candidates if each >= start), candidates[-1])
        self._select(self._rows[at].key)

    def _select(self, key: Hashable | None) -> None:
        if key != self._selected:
            self._selected = key
            self.post_message(self.Selected(self, key))

    def _move_to(self, place: int) -> None:
        before, top = self._places.get(self._selected), self._top
        self._select(self._rows[place].key)
        self._keep_in_view()
        if self._top != top:
            self._repaint()
            return
        first = 1 if self.has_heading else 0
        self._repaint({at - top + first for at in (before, place) if at is not None})

    def _keep_in_view(self) -> None:
        count, height = len(self._rows), self._body_height()
        at = self._places.get(self._selected, 0)
        room = self._room(self._top)
        if at < self._top or at >= self._top + room:
            half = max(1, height // 2)
            # Half a page of rows is left in the direction of travel.
            self._top = at - half if at >= self._top + room else at - (height - half - 1)
        # No hole at the end: the last page is full.
        self._top = max(0, min(self._top, count - height))
        while at >= self._top + self._room(self._top):
            self._top += 1
        if self._top == 1 and at <= height - 2:
            self._top = 0
        # A heading right above the first selectable row stays with it.
        if (
            self._top
            and self._top <= at
            and all(not row.is_selectable for row in self._rows[: self._top])
        ):
            self._top = 0

    def _body_height(self) -> int:
        return max(1, self.size.height - (1 if self.has_heading else 0))

    def _room(self, top: int) -> int:
        """How many rows are shown from a top row on."""
        height = self._body_height()
        if self._names_hidden and height > 2 and len(self._rows) - top > height:
            return height - 1
        return height

    def _hidden_below(self) -> int:
        if not self._names_hidden or self._body_height() <= 2:
            return 0
        if len(self._rows) - self._top <= self._body_height():
            return 0
        below = self._rows[self._top + self._room(self._top) :]
        return sum(row.is_selectable for row in below) or len(below)

    def _place_at(self, y: int) -> int | None:
        line = y - (1 if self.has_heading else 0)
        if line < 0 or line >= self._room(self._top):
            return None
        at = self._top + line
        return at if at < len(self._rows) else None


def _aligned(text: str, width: int, is_right: bool) -> str:
    return text.rjust(width) if is_right else text
