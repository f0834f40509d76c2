"""The field in which a message is written: plain text, whatever was pasted into it."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

from statustui.domain.text import clean


class MessageArea(TextArea):
    """Several lines of text, wrapped at the field's edge.

    Args:
        is_internal: whether only members will read it; then it is coloured so all along.
    """

    DEFAULT_CSS = """
    MessageArea {
        border: none;
        padding: 0 1;
        height: 1fr;
        color: $st-strong;
        background: $st-panel;
        scrollbar-size: 0 0;
        &:focus { border: none; }
        & .text-area--cursor { text-style: reverse; color: $st-text; background: $st-panel; }
        &:ansi .text-area--cursor { text-style: reverse; color: $st-text; background: $st-panel; }
        &:dark .text-area--cursor { text-style: reverse; color: $st-text; background: $st-panel; }
        & .text-area--cursor-line { background: $st-panel; }
        & .text-area--selection { text-style: reverse; color: $st-text; background: $st-panel; }
        &.-internal { color: $st-internal; }
    }
    """

    def __init__(self, *, is_internal: bool, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            id=id,
            classes="-internal" if is_internal else None,
        )
        # A cursor that blinks sends bytes to the line, all night long.
        self.cursor_blink = False

    async def _on_paste(self, event: events.Paste) -> None:
        # What was copied from a log or a terminal may hold escape codes.
        event.stop()
        event.prevent_default()
        text = clean(event.text, multiline=True)
        if text:
            start, end = self.selection
            self._replace_via_keyboard(text, start, end)
