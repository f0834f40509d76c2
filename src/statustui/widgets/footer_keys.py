"""The line of keys at the bottom, which chooses what fits and never scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from statustui.presenters.line import Line, Part, cell_width, width_of
from statustui.widgets.lines import changed_span
from statustui.widgets.painting import fit, painter_of


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A key and what it does here.

    Attributes:
        key: as people read it ("a", "ctrl+s", "enter"); label: one or two words.
        is_chip: shown as a chip with a bold label: the one key that publishes.
    """

    key: str
    label: str
    is_chip: bool = False


FILTER = KeyHint("/", "filter")
KEYS = KeyHint("?", "keys")


def lay_out(hints: Sequence[KeyHint], always: Sequence[KeyHint], width: int) -> Line:
    """The line of keys: what fits from the left, what is always there at the right.

    Args:
        hints: most wanted first; what does not fit goes from the end, and never half.
        always: stand right and never go.
        width: of the screen.
    """
    tail = _joined(always)
    room = width - 1 - (width_of(tail) + 3 if tail else 1)
    kept: list[KeyHint] = []
    for hint in hints:
        if width_of(_joined([*kept, hint])) > room:
            break
        kept.append(hint)
    head = _joined(kept)
    gap = width - 1 - width_of(head) - width_of(tail) - 1
    return ((" ", "text"), *head, (" " * max(0, gap), "text"), *tail, (" ", "text"))


def _joined(hints: Sequence[KeyHint]) -> Line:
    parts: list[Part] = []
    for hint in hints:
        if parts:
            parts.append(("  ", "text"))
        if hint.is_chip:
            parts += [(f" {hint.key} ", "chipfg b on:chip"), (f" {hint.label}", "strong b")]
        else:
            parts += [(hint.key, "strong b"), (f" {hint.label}" if hint.label else "", "muted")]
    return tuple(parts)


class FooterKeys(Widget):
    """One line: keys, or for a moment what has just happened, or a question."""

    DEFAULT_CSS = "FooterKeys { height: 1; dock: bottom; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the toolkit's name
        super().__init__(id=id)
        self._hints: tuple[KeyHint, ...] = ()
        self._always: tuple[KeyHint, ...] = ()
        self._message: Line = ()
        self._shown: Line = ()

    @property
    def message(self) -> Line:
        """What is said at present, empty while keys are shown."""
        return self._message

    def show(self, hints: Sequence[KeyHint], always: Sequence[KeyHint] = (FILTER, KEYS)) -> None:
        """Show these keys."""
        self._hints, self._always = tuple(hints), tuple(always)
        self._repaint()

    def say(self, message: Line) -> None:
        """Show a message instead of the keys, until it is taken away with an empty one."""
        self._message = message
        self._repaint()

    def render_line(self, y: int) -> Strip:
        """Paint the line."""
        self._shown = self._line()
        return painter_of(self).strip(self._shown, self.size.width)

    def _line(self) -> Line:
        if self._message:
            width = self.size.width
            tail = _joined(self._always)
            room = width - 2 - (width_of(tail) + 2 if tail else 0)
            if sum(cell_width(text) for text, _ in self._message) <= room:
                return (
                    (" ", "text"),
                    *fit(self._message, room),
                    ("  " if tail else "", "text"),
                    *tail,
                    (" ", "text"),
                )
            return fit(((" ", "text"), *self._message), width)
        return lay_out(self._hints, self._always, self.size.width)

    def _repaint(self) -> None:
        width = self.size.width
        span = changed_span(fit(self._shown, width), fit(self._line(), width))
        if span is not None:
            self.refresh(Region(span[0], 0, span[1] - span[0], 1))
