"""A block of lines longer than the screen: it moves by half a page and says what is hidden."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from statustui.presenters.line import Line, count_of
from statustui.widgets.lines import Lines


class ScrolledLines(Lines):
    """Shows the part of its lines that fits.

    It stays at the end while new lines come, as long as it was at the end.

    Args:
        starts_at_end: whether the last lines are shown at first, as in a timeline.
        note_at: the column in which the note about hidden lines starts.
    """

    DEFAULT_CSS = "ScrolledLines { height: 1fr; }"

    def __init__(
        self,
        *,
        starts_at_end: bool = False,
        note_at: int = 1,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._whole: tuple[Line, ...] = ()
        self._top = 0
        self._follows = starts_at_end
        self._note_at = note_at

    def show_all(self, lines: Sequence[Line], note_at: int | None = None) -> None:
        """Show other lines; the position stays, or stays at the end."""
        self._whole = tuple(lines)
        if note_at is not None:
            self._note_at = note_at
        self._lay_out()

    def move(self, by: int) -> None:
        """Move by lines."""
        self._top = max(0, min(self._last_top(), self._top + by))
        self._follows = self._top >= self._last_top()
        self._lay_out()

    def move_page(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * max(1, self.size.height - 1)))

    def move_to_end(self, *, last: bool) -> None:
        """Move to the first or the last lines."""
        self.move(len(self._whole) if last else -len(self._whole))

    @property
    def is_whole(self) -> bool:
        """Whether all lines fit."""
        return len(self._whole) <= self.size.height

    def on_resize(self, _: events.Resize) -> None:
        """Show what fits now."""
        self._lay_out()
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move on by three lines."""
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move back by three lines."""
        event.stop()
        self.move(-3)

    def _last_top(self) -> int:
        return max(0, len(self._whole) - self.size.height)

    def _lay_out(self) -> None:
        height = self.size.height
        if height <= 0:
            return
        self._top = self._last_top() if self._follows else min(self._top, self._last_top())
        shown = list(self._whole[self._top : self._top + height])
        below = len(self._whole) - self._top - len(shown)
        if self._top and shown:
            shown[0] = self._note(self._top + 1, "above")
        if below and len(shown) > 1:
            shown[-1] = self._note(below + 1, "below")
        self.show(shown)

    def _note(self, hidden: int, where: str) -> Line:
        return ((" " * self._note_at, "text"), (f"{count_of(hidden, 'line')} {where}", "muted"))
