"""The lines that screens paint: pieces of text, each with the name of the style it is painted in.

A style is named by a token of the palette and optional flags after it ("muted", "strong b",
"outage b", "text b on:sel"), never by a colour. Texts are plain: nothing in them is markup, and
whoever paints them must not look for any.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

Part = tuple[str, str]
Line = tuple[Part, ...]

_WORDS = re.compile(r"\S+|\s+")


def cell_width(text: str) -> int:
    """How many columns of a terminal a text takes: 2 for wide characters, 0 for combining ones."""
    return len(text) if text.isascii() else _width(text)


@lru_cache(maxsize=8192)
def _width(text: str) -> int:
    return sum(_character_width(character) for character in text)


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def plain(line: Iterable[Part]) -> str:
    """The text of a line without its styles."""
    return "".join(text for text, _ in line)


def width_of(line: Iterable[Part]) -> int:
    """How many columns a line takes."""
    return sum(cell_width(text) for text, _ in line)


def cut(text: str, width: int) -> str:
    """A text cut at its end to at most `width` columns, "…" standing for what is gone."""
    if cell_width(text) <= width:
        return text
    return _head(text, width - 1).rstrip() + "…" if width > 0 else ""


def _head(text: str, width: int) -> str:
    taken = 0
    for position, character in enumerate(text):
        taken += _character_width(character)
        if taken > width:
            return text[:position]
    return text


def cut_line(line: Sequence[Part], width: int) -> Line:
    """A line cut at its end to at most `width` columns, "…" standing for what is gone."""
    if width_of(line) <= width:
        return tuple(line)
    kept: list[Part] = []
    left = width
    for text, style in line:
        if cell_width(text) >= left:
            # The piece that reaches the edge: something of the line is lost behind it.
            head = _head(text, left - 1)
            kept.append((head + "…", style) if left > 0 else ("", style))
            break
        kept.append((text, style))
        left -= cell_width(text)
    return tuple(part for part in kept if part[0])


def pad(text: str, width: int) -> str:
    """A text cut or filled with spaces to exactly `width` columns."""
    shown = cut(text, width)
    return shown + " " * (width - cell_width(shown))


def wrap(text: str, width: int) -> tuple[str, ...]:
    """A text broken into rows of at most `width` columns, at spaces where there are any.

    Line ends of the text are kept; a word longer than a row is cut into rows. An empty text is
    one empty row.
    """
    rows: list[str] = []
    for paragraph in text.split("\n"):
        rows.extend(_wrap_paragraph(paragraph, max(1, width)))
    return tuple(rows)


def _wrap_paragraph(paragraph: str, width: int) -> list[str]:
    rows: list[str] = []
    row = ""
    for word in _WORDS.findall(paragraph):
        if cell_width(row) + cell_width(word.rstrip()) <= width:
            row += word
            continue
        if row.strip():
            rows.append(row.rstrip())
        row = "" if word.isspace() else word
        while cell_width(row) > width and len(row) > 1:
            # At least one character goes, however narrow the column, or this would never end.
            head = _head(row, width) or row[0]
            rows.append(head)
            row = row[len(head) :]
    rows.append(row.rstrip())
    return rows


def join_names(names: Sequence[str]) -> str:
    """Names as a sentence lists them: "API", "API and Mail", "API, Checkout and Mail"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: "1 service", "3 services"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
