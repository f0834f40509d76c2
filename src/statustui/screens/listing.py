"""What all screens with a list have: movement, filter, order and marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from statustui.presenters.line import cut
from statustui.screens.base import BaseScreen, R
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.line_input import LineInput
from statustui.widgets.line_list import LineList, SortKey


class ListScreen(BaseScreen[R]):
    """A screen with one `LineList` and a `FooterKeys`; the filter is typed over the last line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open what is selected", id="open"),
        Binding("j,down", "move(1)", "down", id="down"),
        Binding("k,up", "move(-1)", "up", id="up"),
        Binding("g,home", "first", "first row", id="first"),
        Binding("G,end", "last", "last row", id="last"),
        Binding("ctrl+d", "page(0.5)", "half a page down", id="half_down"),
        Binding("ctrl+u", "page(-0.5)", "half a page up", id="half_up"),
        Binding("pagedown", "page(1)", "a page down", id="page_down"),
        Binding("pageup", "page(-1)", "a page up", id="page_up"),
        Binding("slash", "filter", "filter as you type", id="filter"),
        Binding("greater_than_sign", "match(1)", "next match of the last filter", id="next_match"),
        Binding("less_than_sign", "match(-1)", "match before", id="match_before"),
        Binding("s", "sort", "sort by the next column; S turns it round", id="sort"),
        Binding("S", "turn", "turn the order round", id="turn"),
        Binding("space", "mark", "mark; actions work on all marked", id="mark"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._filter_text = ""
        self._last_filter = ""

    def on_mount(self) -> None:
        """Put the filter's line in place, hidden."""
        entry = LineInput(" / ", id="filter")
        entry.display = False
        self.mount(entry)

    def on_key(self, event: events.Key) -> None:
        """Open the filter at once, and give it what was typed ahead over a slow line."""
        entry = self.query_one("#filter", LineInput)
        if entry.display:
            taken = entry.take(event)
        else:
            taken = event.key == "slash" and not self.is_asking
            if taken:
                self.action_filter()
        if taken:
            event.stop()
            event.prevent_default()

    # What screens override

    @property
    def lines(self) -> LineList[Any]:
        """The list."""
        return self.query_one(LineList)

    def filter_for(self, text: str) -> Callable[[Any], bool]:
        """Which values a filter's text leaves; a screen that does not say keeps them all."""
        return lambda _: True

    def sort_keys(self) -> Sequence[SortKey[Any]]:
        """The orders that `s` goes through, after the list's own."""
        return ()

    def open_selected(self) -> None:
        """Open the selected row."""

    def filter_changed(self) -> None:
        """Another filter, order or mark was set; for lines that tell of it."""

    def show_keys(self) -> None:
        """While a filter is on, it stands first among the keys, with how to take it away."""
        found = self.hints()
        if self._filter_text:
            lines = self.lines
            on = KeyHint(
                f"/ {cut(self._filter_text, 24)}", f"{lines.matching} of {self.everything}"
            )
            found = (on, KeyHint("esc", "clears it"), *found)
        elif self.lines.sort_name:
            on = KeyHint(f"by {self.lines.sort_name}", "")
            found = (on, KeyHint("s", "next order"), KeyHint("esc", "usual order"), *found)
        for footer in self.query(FooterKeys):
            footer.show(found, self.always())

    @property
    def everything(self) -> int:
        """How many rows there are without a filter."""
        return self.lines.total

    @property
    def filter_text(self) -> str:
        """The filter that is set, empty for none."""
        return self._filter_text

    # Keys

    def action_open(self) -> None:
        """Open what is selected."""
        self.open_selected()

    def on_line_list_opened(self, _: LineList.Opened) -> None:
        """Open what was clicked."""
        self.open_selected()

    def action_move(self, rows: int) -> None:
        """Move by rows."""
        self.lines.move(rows)

    def action_first(self) -> None:
        """Go to the first row."""
        self.lines.move_to_end(last=False)

    def action_last(self) -> None:
        """Go to the last row."""
        self.lines.move_to_end(last=True)

    def action_page(self, pages: float) -> None:
        """Move by pages."""
        self.lines.move_page(pages)

    def action_mark(self) -> None:
        """Mark the selected row."""
        self.lines.toggle_mark()
        self.filter_changed()

    def action_sort(self) -> None:
        """Go on to the next order."""
        keys = [None, *self.sort_keys()]
        names = [key.name if key is not None else "" for key in keys]
        now = names.index(self.lines.sort_name) if self.lines.sort_name in names else 0
        chosen = keys[(now + 1) % len(keys)]
        self.lines.set_sort(chosen)
        self.say(f"sorted by {chosen.name}; S turns it round" if chosen else "the usual order")
        self.filter_changed()

    def action_turn(self) -> None:
        """Turn the chosen order round."""
        key = next((key for key in self.sort_keys() if key.name == self.lines.sort_name), None)
        if key is None:
            self.say("press s to choose an order first")
            return
        self.lines.set_sort(key, is_reversed=not self.lines.is_reversed)
        self.filter_changed()

    def action_match(self, step: int) -> None:
        """Go to the next row that the last filter matches."""
        if not self._last_filter:
            self.say("nothing to look for yet; press / and type")
            return
        if not self.lines.find(self.filter_for(self._last_filter), backwards=step < 0):
            self.say(f'nothing matches "{self._last_filter}"')

    def action_filter(self) -> None:
        """Type a filter over the last line."""
        entry = self.query_one("#filter", LineInput)
        entry.set_value(self._filter_text)
        entry.display = True
        self.query_one(FooterKeys).display = False
        self.set_focus(entry)

    def on_line_input_changed(self, message: LineInput.Changed) -> None:
        """Filter as it is typed."""
        if message.line_input.id == "filter":
            message.stop()
            self.set_filter(message.value)

    def on_line_input_submitted(self, message: LineInput.Submitted) -> None:
        """Keep the filter."""
        if message.line_input.id == "filter":
            message.stop()
            self._close_filter()

    def on_line_input_cancelled(self, message: LineInput.Cancelled) -> None:
        """Take the filter away."""
        if message.line_input.id == "filter":
            message.stop()
            self.set_filter("")
            self._close_filter()

    def set_filter(self, text: str) -> None:
        """Show only what matches a text; all with an empty one."""
        self._filter_text = text.strip()
        if self._filter_text:
            self._last_filter = self._filter_text
            self.lines.set_filter(self.filter_for(self._filter_text))
        else:
            self.lines.set_filter(None)
        self.filter_changed()

    def action_back(self) -> None:
        """Take the filter away first, then the marks, then the screen."""
        if self._filter_text:
            self.set_filter("")
        elif self.lines.marks:
            self.lines.clear_marks()
            self.filter_changed()
        else:
            self.go_back()

    def go_back(self) -> None:
        """Go back to the screen before."""
        super().action_back()

    def _close_filter(self) -> None:
        self.query_one("#filter", LineInput).display = False
        self.query_one(FooterKeys).display = True
        self.set_focus(None)
        self.show_keys()
