"""A block of lines that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from statustui.presenters.line import Line, cell_width
from statustui.widgets.painting import fit, painter_of


class Lines(Widget):
    """Shows lines as they are given, each cut or filled to the widget's width.

    Args:
        lines: what is shown at first.
        ground: the palette's token of the ground.
    """

    DEFAULT_CSS = "Lines { height: 1fr; }"

    def __init__(
        self,
        lines: Sequence[Line] = (),
        *,
        ground: str = "bg",
        id: str | None = None,  # noqa: A002  the toolkit's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = tuple(lines)
        self._ground = ground

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show other lines; what is equal is not painted again."""
        before, self._lines = self._lines, tuple(lines)
        width = self.size.width
        for y in range(max(len(before), len(self._lines))):
            old = before[y] if y < len(before) else ()
            new = self._lines[y] if y < len(self._lines) else ()
            if old != new and y < self.size.height:
                span = changed_span(fit(old, width), fit(new, width))
                if span is not None:
                    self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def render_line(self, y: int) -> Strip:
        """Paint one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        return painter_of(self).strip(line, self.size.width, self._ground)


def changed_span(old: Line, new: Line) -> tuple[int, int] | None:
    """The columns from the first to behind the last cell that differs; None when none does."""
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    if len(before) != len(after) or not all(text for text, _ in (*before, *after)):
        # A combining mark or the second half of a wide character: where to cut it is the
        # terminal's own affair, so the whole line is sent.
        return 0, max(len(before), len(after))
    first, last = 0, len(after)
    while first < last and before[first] == after[first]:
        first += 1
    if first == last:
        return None
    while before[last - 1] == after[last - 1]:
        last -= 1
    return first, last


def _cells(line: Line) -> list[tuple[str, str]]:
    """One entry for each column; wide characters and combining marks give an empty one."""
    cells: list[tuple[str, str]] = []
    for text, key in line:
        if text.isascii():
            cells.extend((character, key) for character in text)
            continue
        for character in text:
            match cell_width(character):
                case 1:
                    cells.append((character, key))
                case 0 if cells:
                    cells[-1] = ("", f"{cells[-1][0]}{character} {key}")
                case 0:
                    cells.append(("", f"{character} {key}"))
                case _:
                    cells += [("", f"{character} {key}"), ("", key)]
    return cells
