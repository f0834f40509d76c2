"""Shows the runbook that a monitor names: its text, or the address where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui.presenters.line import Line, wrap
from statustui.screens.base import BaseScreen
from statustui.widgets.footer_keys import KEYS, FooterKeys, KeyHint
from statustui.widgets.lines import Lines
from statustui.widgets.title_bar import TitleBar


class RunbookScreen(BaseScreen[None]):
    """A runbook.

    Args:
        service: whose it is; runbook: its text or address, as configured.
    """

    TITLE_OF_KEYS = "Runbook"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", id="runbook_down"),
        Binding("k,up", "scroll(-1)", "up", id="runbook_up"),
        Binding("y", "copy", "copy it", id="runbook_copy"),
    ]

    def __init__(self, service: str, runbook: str) -> None:
        super().__init__()
        self._service = service
        self._runbook = runbook
        self._top = 0

    def compose(self) -> ComposeResult:
        """The title, the text, the keys."""
        yield TitleBar((("RUNBOOK", "strong b"), (f"  {self._service}", "text")))
        yield Lines(id="text")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Show it."""
        self._show()
        self.show_keys()

    def on_resize(self, _: events.Resize) -> None:
        """Break its lines anew."""
        self._show()

    def hints(self) -> Sequence[KeyHint]:
        """Scroll, copy, back."""
        return (KeyHint("j k", "scroll"), KeyHint("y", "copy"), KeyHint("esc", "back"))

    def always(self) -> Sequence[KeyHint]:
        """There is nothing to filter here."""
        return (KEYS,)

    def action_scroll(self, rows: int) -> None:
        """Move by rows."""
        most = max(0, len(self._lines()) - max(1, self.size.height - 3))
        self._top = max(0, min(most, self._top + rows))
        self._show()

    def action_copy(self) -> None:
        """Copy the text or address."""
        self.app.copy_to_clipboard(self._runbook)
        self.say("copied")

    def _lines(self) -> list[Line]:
        width = max(10, min(100, self.size.width - 2))
        return [((" ", "text"), (row, "text")) for row in wrap(self._runbook, width)]

    def _show(self) -> None:
        self.query_one("#text", Lines).show([(), *self._lines()[self._top :]])
