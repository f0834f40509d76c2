"""Markdown of messages as lines of a terminal: what the page shows bold is bold, and nothing else
of the markup is left to be read around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from markdown_it.token import Token

from statustui.presenters.line import Line, Part, cell_width, wrap
from statustui.presenters.markdown import parse

_BULLET: Final = "- "
_QUOTE: Final = "> "
_CODE: Final = "  "


@dataclass(slots=True)
class _List:
    """A list that is being written; `number` is that of the next item, None for bullets."""

    number: int | None


@dataclass(slots=True)
class _Writer:
    """Where in the message the tokens are, and the lines so far."""

    style: str
    width: int
    lines: list[Line] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    quotes: int = 0
    marker: str = ""
    is_heading: bool = False
    is_gap: bool = False


def message_lines(text: str, width: int, style: str = "text") -> tuple[Line, ...]:
    """A message as lines of at most `width` columns.

    Bold text carries the flag "b", a link is its text and then its address in brackets, a list has
    "- " or its numbers, a quotation "> ", code stands as it is. Paragraphs are kept apart by an
    empty line, items of a list are not. Markup that the page does not interpret stays text.

    Args:
        text: what a person or the engine wrote, cleaned.
        width: of a line, in columns.
        style: the token that plain words are painted in.

    Returns:
        No line for a text without words.
    """
    writer = _Writer(style, max(1, width))
    for token in parse(text):
        _write(writer, token)
    return tuple(writer.lines)


def message_parts(text: str, style: str = "text") -> Line:
    """A message in one line, its paragraphs and items parted by a space.

    Args:
        text: what a person or the engine wrote, cleaned.
        style: the token that plain words are painted in.
    """
    parts: list[Part] = []
    for token in parse(text):
        if token.type == "inline":
            found = _inline(token.children or [], style, is_bold=False)
        elif token.type in ("fence", "code_block"):
            found = [(" ".join(token.content.split()), style)]
        else:
            continue
        if parts and found:
            parts.append((" ", style))
        parts += [(part.replace("\n", " "), key) for part, key in found]
    return _merged(parts)


def _write(writer: _Writer, token: Token) -> None:
    match token.type:
        case "bullet_list_open":
            _gap_before_list(writer)
            writer.lists.append(_List(None))
        case "ordered_list_open":
            _gap_before_list(writer)
            start = token.attrGet("start")
            writer.lists.append(_List(int(start) if start is not None else 1))
        case "bullet_list_close" | "ordered_list_close":
            writer.lists.pop()
            writer.is_gap = not writer.lists
        case "list_item_open":
            writer.marker = _marker(writer.lists[-1])
        case "blockquote_open":
            writer.quotes += 1
        case "blockquote_close":
            writer.quotes -= 1
            writer.is_gap = True
        case "heading_open":
            writer.is_heading = True
        case "heading_close":
            writer.is_heading = False
        case "inline":
            found = _inline(token.children or [], writer.style, is_bold=writer.is_heading)
            _paragraph(writer, found)
        case "fence" | "code_block":
            _code(writer, token.content)
        case "hr":
            _paragraph(writer, [("---", writer.style)])
        case _:
            pass  # what opens and closes a paragraph says nothing that the words do not


def _gap_before_list(writer: _Writer) -> None:
    # A list belongs to the sentence before it.
    if not writer.lists:
        writer.is_gap = False


def _marker(of: _List) -> str:
    if of.number is None:
        return _BULLET
    of.number += 1
    return f"{of.number - 1}. "


def _before(writer: _Writer) -> tuple[str, str]:
    """What stands before the first and before every further row of a paragraph."""
    outer = _QUOTE * writer.quotes + "  " * (len(writer.lists) - 1)
    marker, writer.marker = writer.marker, ""
    if not writer.lists:
        return outer, outer
    room = " " * len(marker or _BULLET)
    return outer + (marker or room), outer + room


def _paragraph(writer: _Writer, parts: Sequence[Part]) -> None:
    _gap(writer)
    first, rest = _before(writer)
    width = _room(writer, rest)
    for number, row in enumerate(_rows(parts, width)):
        before = (first if number == 0 else rest)[: writer.width - width]
        writer.lines.append(((before, writer.style), *row) if before else row)
    writer.is_gap = not writer.lists


def _code(writer: _Writer, content: str) -> None:
    _gap(writer)
    first, rest = _before(writer)
    for number, text in enumerate(content.rstrip("\n").split("\n")):
        before = (first if number == 0 else rest) + _CODE
        width = _room(writer, before)
        for row in wrap(text, width):
            writer.lines.append(((before[: writer.width - width] + row, writer.style),))
    writer.is_gap = not writer.lists


def _room(writer: _Writer, before: str) -> int:
    """Columns for words: half of a narrow column at least, and as many as the widest sign needs."""
    return max(min(2, writer.width), writer.width - min(cell_width(before), writer.width // 2))


def _gap(writer: _Writer) -> None:
    if writer.is_gap and writer.lines:
        writer.lines.append(())
    writer.is_gap = False


def _inline(children: Sequence[Token], style: str, *, is_bold: bool) -> list[Part]:
    parts: list[Part] = []
    depth = int(is_bold)
    links: list[tuple[str, int]] = []
    for child in children:
        key = f"{style} b" if depth else style
        match child.type:
            case "text" | "code_inline":
                parts.append((child.content, key))
            case "softbreak":
                parts.append((" ", key))
            case "hardbreak":
                parts.append(("\n", key))
            case "strong_open":
                depth += 1
            case "strong_close":
                depth -= 1
            case "link_open":
                links.append((str(child.attrGet("href") or ""), len(parts)))
            case "link_close":
                address, start = links.pop()
                if address and "".join(text for text, _ in parts[start:]) != address:
                    parts.append((f" ({address})", key))
            case _:
                pass  # emphasis has no look of its own in a terminal
    return [part for part in _merged(parts) if part[0]]


def _merged(parts: Sequence[Part]) -> Line:
    merged: list[Part] = []
    for text, style in parts:
        if merged and merged[-1][1] == style:
            merged[-1] = (merged[-1][0] + text, style)
        elif text:
            merged.append((text, style))
    return tuple(merged)


def _rows(parts: Sequence[Part], width: int) -> list[Line]:
    """Parts broken into rows as one text would be, each piece in its own style."""
    text = "".join(part for part, _ in parts)
    styles = [style for part, style in parts for _ in part]
    rows: list[Line] = []
    at = 0
    for row in wrap(text, width):
        # Rows are pieces of the text in order; only blanks between them are gone.
        at = text.index(row, at)
        found = zip(row, styles[at : at + len(row)], strict=True)
        rows.append(_merged(list(found)))
        at += len(row)
    return rows
