"""One line of a form: quiet while another has the focus, able to complete what is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.strip import Strip

from statustui.presenters.line import cell_width
from statustui.widgets.line_input import LineInput
from statustui.widgets.painting import fit, painter_of


class FieldInput(LineInput):
    """A text that is edited in a form.

    Args:
        complete: the whole text with its last word completed, None when nothing fits; offered
            dimmed behind the cursor, and taken with the right arrow or `ctrl+f`.
    """

    def __init__(
        self,
        *,
        value: str = "",
        complete: Callable[[str], str | None] | None = None,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(value=value, id=id)
        self._complete = complete

    def on_key(self, event: events.Key) -> None:
        """Take the offered rest at the end of the text; edit otherwise."""
        offered = self._offered()
        if event.key in ("right", "ctrl+f", "end") and offered:
            event.stop()
            event.prevent_default()
            self._put(f"{self._value}{offered}", len(self._value) + len(offered))
            return
        super().on_key(event)

    def render_line(self, y: int) -> Strip:
        """Paint the text, the cursor while it is here, and the rest that is offered."""
        width = self.size.width
        painter = painter_of(self)
        if not self.has_focus:
            return painter.strip(fit(((self._value, "text"),), width), width)
        before, after = self._value[: self._at], self._value[self._at :]
        while cell_width(before) > width - 2:
            before = before[1:]
        offered = self._offered()
        rest = after[1:] if after else offered[1:]
        under = after[:1] or offered[:1] or " "
        line = (
            (before, "strong"),
            (under, "text r"),
            (rest, "strong" if after else "faint"),
        )
        return painter.strip(fit(line, width), width)

    def on_focus(self) -> None:
        """Paint with the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Paint without it."""
        self.refresh()

    def _offered(self) -> str:
        if self._complete is None or self._at != len(self._value):
            return ""
        whole = self._complete(self._value)
        if whole is None or not whole.startswith(self._value):
            return ""
        return whole[len(self._value) :]
