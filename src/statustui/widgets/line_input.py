"""One line of typed text without a box, for filters, the palette and short questions."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from statustui.domain.text import clean
from statustui.presenters.line import cell_width
from statustui.widgets.painting import fit, painter_of

_LONGEST = 500


class LineInput(Widget, can_focus=True):
    """A text that is edited at its cursor.

    Args:
        label: stands before the text, painted strong.
        ground: the palette's token of the ground.
        value: the text at first.
    """

    DEFAULT_CSS = "LineInput { height: 1; }"

    class Changed(Message):
        """The text is another one."""

        def __init__(self, line_input: LineInput, value: str) -> None:
            super().__init__()
            self.line_input = line_input
            self.value = value

    class Submitted(Message):
        """Enter was pressed."""

        def __init__(self, line_input: LineInput, value: str) -> None:
            super().__init__()
            self.line_input = line_input
            self.value = value

    class Cancelled(Message):
        """Escape was pressed."""

        def __init__(self, line_input: LineInput) -> None:
            super().__init__()
            self.line_input = line_input

    def __init__(
        self,
        label: str = "",
        *,
        ground: str = "bg",
        value: str = "",
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._label = label
        self._ground = ground
        self._value = value
        self._at = len(value)

    @property
    def value(self) -> str:
        """The text."""
        return self._value

    def set_value(self, value: str) -> None:
        """Replace the text without a message."""
        self._value, self._at = value, len(value)
        self.refresh()

    def insert(self, text: str) -> None:
        """Type a text at the cursor."""
        self._insert(text)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is typed here, so that it is not looked up as a command."""
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        """Edit the text; what is not editing goes on to the screen."""
        if self.take(event):
            event.stop()
            event.prevent_default()

    def take(self, event: events.Key) -> bool:
        """Do what a key does here; whether it does anything."""
        if event.key == "enter":
            self.post_message(self.Submitted(self, self._value))
        elif event.key == "escape":
            self.post_message(self.Cancelled(self))
        else:
            return self._edit(event)
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Insert what was pasted, as one clean line."""
        event.stop()
        self._insert(clean(event.text))

    def render_line(self, y: int) -> Strip:
        """Paint the line with the cursor."""
        width = self.size.width
        before, after = self._value[: self._at], self._value[self._at :]
        room = width - cell_width(self._label) - 2
        while before and cell_width(before) > room:
            before = before[1:]
        under, rest = (after[0], after[1:]) if after else (" ", "")
        cursor = ((under, "text r" if self.has_focus else "text"),)
        line = ((self._label, "strong b"), (before, "strong b"), *cursor, (rest, "strong b"))
        return painter_of(self).strip(fit(line, width), width, self._ground)

    def _edit(self, event: events.Key) -> bool:
        value, at = self._value, self._at
        match event.key:
            case "backspace" | "ctrl+h":
                self._put(value[: max(0, at - 1)] + value[at:], max(0, at - 1))
            case "delete":
                self._put(value[:at] + value[at + 1 :], at)
            case "ctrl+w":
                start = len(value[:at].rstrip())
                start = value.rfind(" ", 0, start) + 1
                self._put(value[:start] + value[at:], start)
            case "ctrl+u":
                self._put(value[at:], 0)
            case "ctrl+k":
                self._put(value[:at], at)
            case "left":
                self._put(value, max(0, at - 1))
            case "right":
                self._put(value, min(len(value), at + 1))
            case "home" | "ctrl+a":
                self._put(value, 0)
            case "end" | "ctrl+e":
                self._put(value, len(value))
            case _:
                if event.character is None or not event.character.isprintable():
                    return False
                self._insert(event.character)
        return True

    def _insert(self, text: str) -> None:
        room = _LONGEST - len(self._value)
        text = text[: max(0, room)]
        self._put(self._value[: self._at] + text + self._value[self._at :], self._at + len(text))

    def _put(self, value: str, at: int) -> None:
        changed = value != self._value
        self._value, self._at = value, at
        self.refresh()
        if changed:
            self.post_message(self.Changed(self, value))
