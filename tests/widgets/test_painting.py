"""Lines become strips of exactly the width they have, in the colours of a palette."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorType

from statustui import palette
from statustui.presenters.line import Line, width_of
from statustui.widgets.lines import changed_span
from statustui.widgets.painting import Painter, choose_ascii, choose_palette, fit, place

TEXTS = st.text(st.sampled_from("ab ▂✗é日本\u0301"), max_size=12)
LINES = st.lists(st.tuples(TEXTS, st.sampled_from(["text", "muted", "outage b"])), max_size=5)


@given(LINES, st.integers(0, 20))
def test_a_line_is_brought_to_exactly_a_width(parts: list[tuple[str, str]], width: int) -> None:
    assert width_of(fit(parts, width)) == width


@given(LINES, st.integers(1, 30))
def test_a_strip_has_exactly_the_width(parts: list[tuple[str, str]], width: int) -> None:
    strip = Painter(palette.DARK, is_ascii=False).strip(parts, width)
    assert sum(segment.cell_length for segment in strip) == width


@given(LINES, LINES)
def test_outside_the_changed_span_nothing_differs(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    width = 12
    before, after = fit(one, width), fit(other, width)
    painter = Painter(palette.DARK, is_ascii=False)
    span = changed_span(before, after)
    first, last = span if span is not None else (width, width)
    old, new = painter.strip(before, width), painter.strip(after, width)
    assert old.crop(0, first).text == new.crop(0, first).text
    assert old.crop(last, width).text == new.crop(last, width).text
    assert 0 <= first <= last


def test_pieces_stand_at_their_columns_and_are_cut_to_their_width() -> None:
    pieces: list[tuple[int, int, Line]] = [
        (1, 4, (("abcdef", "text"),)),
        (6, 3, (("x", "text"),)),
        (10, 5, (("y", "text"),)),
    ]
    assert "".join(text for text, _ in place(pieces, 16)) == " abc… x   y     "


def test_colours_are_sent_as_numbers_of_the_table_and_not_as_rounded_hex() -> None:
    style = Painter(palette.DARK, is_ascii=False).style("outage b on:sel")
    assert style.color is not None
    assert style.bgcolor is not None
    assert (style.color.type, style.color.number) == (ColorType.EIGHT_BIT, 203)
    assert style.bgcolor.number == 235
    assert style.bold


def test_neighbouring_spaces_cost_no_style_of_their_own() -> None:
    painter = Painter(palette.DARK, is_ascii=False)
    segments = painter.segments((("STATE", "muted"), ("    ", "text"), ("x", "outage b")))
    assert [segment.text for segment in segments] == ["STATE    ", "x"]
    reversed_spaces = painter.segments((("a", "text"), (" ", "text r")))
    assert [segment.text for segment in reversed_spaces] == ["a", " "]


def test_ascii_replaces_glyphs_while_painting() -> None:
    strip = Painter(palette.MONO, is_ascii=True).strip((("›✗ ▂▇ …", "text"),), 8)
    assert strip.text == ">x _= ~ "


def test_gaps_of_title_bars_become_dashes_only_without_tints() -> None:
    line = (("a", "text"), (" " * 6, "faint dash"), ("b", "text"))
    assert Painter(palette.DARK, is_ascii=False).strip(line, 8).text == "a      b"
    assert Painter(palette.ANSI, is_ascii=False).strip(line, 8).text == "a------b"


@pytest.mark.parametrize(
    ("wanted", "term", "colorterm", "no_color", "name"),
    [
        ("auto", "xterm-256color", "", False, "dark"),
        ("auto", "xterm", "truecolor", False, "dark"),
        ("auto", "xterm", "", False, "ansi"),
        ("auto", "screen", "", False, "ansi"),
        ("auto", "tmux-256color", "", False, "dark"),
        ("auto", "linux", "", False, "ansi"),
        ("light", "linux", "", False, "light"),
        ("light", "xterm-256color", "truecolor", True, "mono"),
        ("auto", "xterm-256color", "", True, "mono"),
    ],
)
def test_the_palette_follows_the_terminal_and_the_setting(
    wanted: str, term: str, colorterm: str, no_color: bool, name: str
) -> None:
    chosen = choose_palette(wanted, term=term, colorterm=colorterm, no_color=no_color)
    assert chosen.name == name


@pytest.mark.parametrize(
    ("wanted", "term", "locale", "is_ascii"),
    [
        ("auto", "xterm-256color", "de_DE.UTF-8", False),
        ("auto", "xterm-256color", "C.utf8", False),
        ("auto", "xterm-256color", "C", True),
        ("auto", "xterm-256color", "", True),
        ("auto", "linux", "C.UTF-8", True),
        ("unicode", "vt100", "C", False),
        ("ascii", "xterm-256color", "C.UTF-8", True),
    ],
)
def test_ascii_is_taken_where_the_terminal_has_no_more(
    wanted: str, term: str, locale: str, is_ascii: bool
) -> None:
    assert choose_ascii(wanted, term=term, locale=locale) is is_ascii
