"""The keys: those of the screen in front, then those that work everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui.presenters.line import Line
from statustui.screens.base import BaseScreen
from statustui.screens.listing import ListScreen
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.lines import Lines
from statustui.widgets.painting import fit
from statustui.widgets.title_bar import TitleBar

_SHOWN = {
    "question_mark": "?",
    "exclamation_mark": "!",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "colon": ":",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "full_stop": ".",
    "comma": ",",
    "space": "space",
    "down": "down",
    "up": "up",
}

KeyTable = tuple[str, tuple[tuple[str, str], ...]]


def shown_key(keys: str) -> str:
    """Keys as people read them: "j,down" is "j down", "question_mark" is "?"."""
    return " ".join(_SHOWN.get(key.strip(), key.strip()) for key in keys.split(","))


def key_rows(bindings: Iterable[BindingType]) -> tuple[tuple[str, str], ...]:
    """Each binding's keys and what they do."""
    rows: list[tuple[str, str]] = []
    for binding in bindings:
        made = binding if isinstance(binding, Binding) else Binding(*binding)
        if made.description:
            rows.append((made.key_display or shown_key(made.key), made.description))
    return tuple(rows)


def key_tables(screen: type[BaseScreen[Any]]) -> tuple[KeyTable, ...]:
    """The keys of a screen: its own, those of lists where it is one, those of everywhere."""
    own = [
        binding
        for owner in screen.__mro__
        if owner not in (ListScreen, BaseScreen) and issubclass(owner, BaseScreen)
        for binding in owner.__dict__.get("BINDINGS", ())
    ]
    tables: list[KeyTable] = [(screen.TITLE_OF_KEYS, key_rows(own))]
    if issubclass(screen, ListScreen):
        tables.append(("Lists", key_rows(ListScreen.__dict__["BINDINGS"])))
    everywhere = key_rows(BaseScreen.__dict__["BINDINGS"])
    quitting = (("ctrl+q", "quit"), ("ctrl+c ctrl+c", "quit"))
    tables.append(("Everywhere", (*everywhere, *quitting)))
    return tuple(table for table in tables if table[1])


class HelpScreen(BaseScreen[None]):
    """The keys of a screen.

    Args:
        behind: the screen whose keys are shown.
    """

    TITLE_OF_KEYS = "Keys"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", id="keys_down"),
        Binding("k,up", "scroll(-1)", "up", id="keys_up"),
        Binding("pagedown,ctrl+d", "scroll(10)", "a page down", id="keys_page_down"),
        Binding("pageup,ctrl+u", "scroll(-10)", "a page up", id="keys_page_up"),
    ]

    def __init__(self, behind: BaseScreen[Any]) -> None:
        super().__init__()
        self._behind = behind
        self._top = 0

    def compose(self) -> ComposeResult:
        """The title, the keys, the last line."""
        yield TitleBar((("KEYS", "strong b"), (f"  {self._behind.TITLE_OF_KEYS}", "text")))
        yield Lines(id="text")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Show them."""
        self._show()
        self.show_keys()

    def on_resize(self, _: events.Resize) -> None:
        """Lay them out anew."""
        self._show()

    def hints(self) -> Sequence[KeyHint]:
        """Scroll and back."""
        return (KeyHint("j k", "scroll"), KeyHint("esc", "back"))

    def always(self) -> Sequence[KeyHint]:
        """Nothing is filtered here, and the keys are shown already."""
        return ()

    def action_keys(self) -> None:
        """The keys are shown already: pressed again they go."""
        self.action_back()

    def action_scroll(self, rows: int) -> None:
        """Move by rows."""
        most = max(0, len(self._lines()) - max(1, self.size.height - 3))
        self._top = max(0, min(most, self._top + rows))
        self._show()

    def _lines(self) -> list[Line]:
        blocks = [_block(table) for table in key_tables(type(self._behind))]
        if self.size.width < 100:
            return _stacked(blocks)
        # The screen's own keys and those of everywhere at the left, those of lists beside them.
        return _side_by_side([_stacked(blocks[::2]), _stacked(blocks[1::2])], self.size.width)

    def _show(self) -> None:
        if self.size.width:
            self.query_one("#text", Lines).show([(), *self._lines()[self._top :]])


def _block(table: KeyTable) -> list[Line]:
    name, rows = table
    wide = max(len(keys) for keys, _ in rows)
    lines: list[Line] = [((f" {name.upper()}", "muted"),)]
    for keys, words in rows:
        lines.append(((f" {keys.ljust(wide)}", "strong b"), (f"  {words}", "text")))
    return lines


def _stacked(blocks: Sequence[Sequence[Line]]) -> list[Line]:
    lines: list[Line] = []
    for block in blocks:
        lines += [*block, ()]
    return lines[:-1]


def _side_by_side(blocks: Sequence[Sequence[Line]], width: int) -> list[Line]:
    own = width // max(1, len(blocks))
    tallest = max((len(block) for block in blocks), default=0)
    lines: list[Line] = []
    for number in range(tallest):
        parts: list[tuple[str, str]] = []
        for block in blocks:
            parts += fit(block[number] if number < len(block) else (), own)
        lines.append(tuple(parts))
    return lines
