"""A few choices on one line, taken by their digits while the line has the focus."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from statustui.presenters.composer import choice_line
from statustui.widgets.painting import painter_of


class ChoiceLine(Widget, can_focus=True):
    """One of several words.

    Args:
        choices: from left to right, at most nine.
        chosen: which one at first.
    """

    DEFAULT_CSS = "ChoiceLine { height: 1; }"

    class Changed(Message):
        """Another one was chosen."""

        def __init__(self, choice_line: ChoiceLine, value: str) -> None:
            super().__init__()
            self.choice_line = choice_line
            self.value = value

    def __init__(
        self,
        choices: Sequence[str],
        chosen: int = 0,
        *,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._choices = tuple(choices)
        self._chosen = chosen

    @property
    def value(self) -> str:
        """The chosen word."""
        return self._choices[self._chosen]

    def set_value(self, value: str) -> None:
        """Choose without a message; a word that is no choice changes nothing."""
        if value in self._choices:
            self._chosen = self._choices.index(value)
            self.refresh()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Digits choose here; they are not looked up as commands."""
        return character is not None and character.isdigit()

    def on_key(self, event: events.Key) -> None:
        """Choose by digit, or by the arrows to either side."""
        if event.character is not None and event.character.isdigit():
            wanted = int(event.character) - 1
        elif event.key in ("left", "right"):
            wanted = self._chosen + (1 if event.key == "right" else -1)
        else:
            return
        event.stop()
        event.prevent_default()
        if 0 <= wanted < len(self._choices) and wanted != self._chosen:
            self._chosen = wanted
            self.refresh()
            self.post_message(self.Changed(self, self.value))

    def on_click(self, event: events.Click) -> None:
        """Choose what is under the mouse."""
        at = 0
        for number, (text, _) in enumerate(choice_line(self._choices, self._chosen)):
            if at <= event.x < at + len(text) and number % 2 == 0:
                if number // 2 != self._chosen:
                    self._chosen = number // 2
                    self.refresh()
                    self.post_message(self.Changed(self, self.value))
                return
            at += len(text)

    def render_line(self, y: int) -> Strip:
        """Paint the choices."""
        line = choice_line(self._choices, self._chosen)
        return painter_of(self).strip(line, self.size.width)
