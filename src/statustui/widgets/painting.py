"""Turns lines of named styles into what the terminal toolkit prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from statustui import palette
from statustui.palette import Palette
from statustui.presenters.line import Line, Part, cell_width, cut_line, width_of


class Painter:
    """Paints in one palette, in Unicode or in ASCII.

    Args:
        colors: the palette.
        is_ascii: whether the program's glyphs are replaced by their twins.
    """

    def __init__(self, colors: Palette, *, is_ascii: bool) -> None:
        self.palette = colors
        self.is_ascii = is_ascii
        self._styles: dict[str, Style] = {}

    def style(self, key: str) -> Style:
        """The toolkit's style for a style's name.

        Raises:
            KeyError: there is no such style.
        """
        found = self._styles.get(key)
        if found is None:
            wanted = palette.paint(key, self.palette.name)
            found = self._styles[key] = Style(
                color=_color(wanted.color),
                bgcolor=_color(wanted.background),
                # Only what is wanted is set: a False would be sent to the terminal as well.
                bold=wanted.bold or None,
                dim=wanted.dim or None,
                reverse=wanted.reverse or None,
                underline=wanted.underline or None,
            )
        return found

    def text(self, text: str) -> str:
        """A text with the glyphs that this terminal has."""
        return palette.to_ascii(text) if self.is_ascii else text

    def segments(self, line: Sequence[Part], ground: str = "bg") -> list[Segment]:
        """The pieces of a line, on a ground where they name none."""
        pieces: list[list[str]] = []
        for text, key in line:
            if not text:
                continue
            shown, style = self._shown(text, key), _grounded(key, ground)
            if pieces and (style == pieces[-1][1] or self._is_blank(shown, style, pieces[-1][1])):
                pieces[-1][0] += shown
            else:
                pieces.append([shown, style])
        return [Segment(shown, self.style(style)) for shown, style in pieces]

    def _is_blank(self, text: str, key: str, before: str) -> bool:
        """Whether spaces look the same in the style before them; each change of style costs."""
        if not text.isspace():
            return False
        own, other = self.style(key), self.style(before)
        return own.bgcolor == other.bgcolor and not any(
            style.reverse or style.underline for style in (own, other)
        )

    def strip(self, line: Sequence[Part], width: int, ground: str = "bg") -> Strip:
        """A line of exactly `width` columns."""
        return Strip(self.segments(fit(line, width), ground), width)

    def _shown(self, text: str, key: str) -> str:
        if " dash" in key and not self.palette.has_tints:
            text = "-" * len(text)
        return self.text(text)


def fit(line: Sequence[Part], width: int) -> Line:
    """A line cut at its end or filled with spaces to exactly `width` columns."""
    shown = cut_line(line, width)
    missing = width - width_of(shown)
    return (*shown, (" " * missing, "text")) if missing > 0 else shown


def place(pieces: Sequence[tuple[int, int, Line]], width: int) -> Line:
    """One line from pieces that stand at columns.

    Args:
        pieces: first column, width and content of each, from left to right.
        width: of the whole line.
    """
    parts: list[Part] = []
    at = 0
    for start, own, content in pieces:
        if start >= width:
            break
        if start > at:
            parts.append((" " * (start - at), "text"))
            at = start
        shown = fit(content, min(own, width - start))
        parts.extend(shown)
        at += sum(cell_width(text) for text, _ in shown)
    return fit(parts, width)


def _grounded(key: str, ground: str) -> str:
    return key if ground == "bg" or "on:" in key else f"{key} on:{ground}"


def _color(value: int | str | None) -> Color:
    if isinstance(value, int):
        # A number of the table goes to the terminal as it is: short, and no rounding of greys.
        return Color.from_ansi(value)
    return Color.parse(value or "default")


class _Painted(Protocol):
    painter: Painter


def painter_of(widget: Widget) -> Painter:
    """The painter of the application that a widget stands in."""
    return cast(_Painted, widget.app).painter


_FULL_COLOR = (
    "256color",
    "direct",
    "truecolor",
    "kitty",
    "ghostty",
    "alacritty",
    "foot",
    "wezterm",
)
_FEW_GLYPHS = ("linux", "vt100", "vt102", "vt220", "ansi", "cons25")


def choose_palette(wanted: str, *, term: str, colorterm: str, no_color: bool) -> Palette:
    """The palette for a terminal.

    Args:
        wanted: the setting: `auto`, or the name of a palette. `NO_COLOR` is stronger.
        term, colorterm: what the environment calls the terminal.
        no_color: whether the environment asks for no colour.
    """
    if no_color:
        return palette.MONO
    if wanted != "auto":
        return palette.PALETTES[wanted]
    if colorterm.casefold() in ("truecolor", "24bit") or any(part in term for part in _FULL_COLOR):
        return palette.DARK
    return palette.ANSI


def choose_ascii(wanted: str, *, term: str, locale: str) -> bool:
    """Whether the program's glyphs are replaced by ASCII.

    Args:
        wanted: the setting: `auto`, `unicode` or `ascii`.
        term: what the environment calls the terminal: a console's font has few glyphs.
        locale: the environment's locale, which says whether the terminal reads UTF-8.
    """
    if wanted != "auto":
        return wanted == "ascii"
    named = locale.casefold().replace("-", "")
    return term in _FEW_GLYPHS or "utf8" not in named
