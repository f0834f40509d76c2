"""Lists as people read them in a shell: aligned columns, cut to the terminal, nothing coloured."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from statustui.presenters.line import cell_width


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under headings; the last column takes what is left.

    Args:
        headings: one per column.
        rows: texts, already cleaned, as many as headings each.
    """
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(cell_width(line[index]) for line in lines) for index in range(len(headings))]
    widths[-1] = 0
    limit = shutil.get_terminal_size((100, 24)).columns
    shown = []
    for line in lines:
        cells = [
            text + " " * (width - cell_width(text))
            for text, width in zip(line, widths, strict=True)
        ]
        shown.append(cut("  ".join(cells).rstrip(), max(limit, 60)))
    return "\n".join(shown)


def cut(text: str, columns: int) -> str:
    """A text of at most so many columns, with an ellipsis where something was left out."""
    if cell_width(text) <= columns:
        return text
    kept, used = [], 0
    for character in text:
        used += cell_width(character)
        if used > columns - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"
