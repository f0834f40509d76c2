"""A tinted row that heads a part of a screen: what it is at the left, what kind at the right."""

from __future__ import annotations

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from statustui.presenters.line import Line, cut_line, width_of
from statustui.widgets.lines import changed_span
from statustui.widgets.painting import fit, painter_of


def title_line(left: Line, right: Line, width: int) -> Line:
    """A title bar as a line on the ground `panel`.

    Where a palette has no tints, dim dashes fill the gap: they are painted, not written.

    Args:
        left: the title; right: the tag.
        width: of the screen; one column stays free at either end.
    """
    tag = width_of(right)
    head = cut_line(left, max(0, width - 2 - (tag + 1 if tag else 0)))
    gap = width - 2 - width_of(head) - tag
    # Only the middle may become dashes, and it has a style of its own all the same: two bars that
    # differ in their gaps differ in their cells.
    filling = [(" ", "text"), (" " * (gap - 2), "faint dash"), (" ", "text")]
    parts = [(" ", "text"), *head, *(filling if gap >= 4 else [(" " * gap, "text")]), *right]
    parts.append((" ", "text"))
    return tuple((text, key if "on:" in key else f"{key} on:panel") for text, key in parts if text)


class TitleBar(Widget):
    """One line; see `title_line`."""

    DEFAULT_CSS = "TitleBar { height: 1; }"

    def __init__(
        self,
        left: Line = (),
        right: Line = (),
        *,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._left, self._right = left, right
        self._shown: Line = ()

    def show(self, left: Line, right: Line = ()) -> None:
        """Show another title; what is equal is not painted again."""
        self._left, self._right = left, right
        width = self.size.width
        span = changed_span(fit(self._shown, width), fit(title_line(left, right, width), width))
        if span is not None:
            self.refresh(Region(span[0], 0, span[1] - span[0], 1))

    def render_line(self, y: int) -> Strip:
        """Paint the bar."""
        self._shown = title_line(self._left, self._right, self.size.width)
        return painter_of(self).strip(self._shown, self.size.width, "panel")
