"""Lines are cut, padded and broken by columns of the terminal, and nothing in a text is markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.presenters.line import (
    cell_width,
    count_of,
    cut,
    cut_line,
    join_names,
    pad,
    plain,
    width_of,
    wrap,
)


@pytest.mark.parametrize(
    ("text", "width"), [("API", 3), ("", 0), ("日本", 4), ("e\u0301", 1), ("∙ up", 4)]
)
def test_width_counts_columns(text: str, width: int) -> None:
    assert cell_width(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Checkout", 8, "Checkout"),
        ("Checkout", 5, "Chec…"),
        ("a b cdef", 5, "a b…"),
        ("日本語", 4, "日…"),
        ("abc", 0, ""),
    ],
)
def test_cut(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


def test_pad_fills_wide_characters_to_the_column() -> None:
    assert pad("日", 4) == "日  "
    assert pad("Checkout", 4) == "Che…"


def test_cut_line_keeps_styles_and_says_that_something_is_gone() -> None:
    line = (("INC-4F2K", "strong b"), ("  investigating", "text"))
    assert cut_line(line, 30) == line
    assert cut_line(line, 13) == (("INC-4F2K", "strong b"), ("  in…", "text"))


def test_wrap_keeps_paragraphs_and_cuts_what_has_no_spaces() -> None:
    assert wrap("We found the cause.\n\nMore soon.", 12) == (
        "We found the",
        "cause.",
        "",
        "More soon.",
    )
    assert wrap("x" * 9, 4) == ("xxxx", "xxxx", "x")
    assert wrap("", 10) == ("",)
    assert wrap("日本", 1) == ("日", "本")


@given(st.text(alphabet="ab \n日é[]", max_size=80), st.integers(2, 20))
def test_wrapped_rows_fit_and_lose_no_letter(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cell_width(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(text.split())


@given(
    st.lists(st.tuples(st.text(alphabet="ab日 ", max_size=9), st.just("text")), max_size=6),
    st.integers(1, 30),
)
def test_cut_lines_fit(parts: list[tuple[str, str]], width: int) -> None:
    shown = cut_line(parts, width)
    assert width_of(shown) <= width
    assert plain(shown).rstrip("…").rstrip() in plain(parts)


def test_names_and_counts_read_as_sentences() -> None:
    assert join_names([]) == ""
    assert join_names(["API"]) == "API"
    assert join_names(["API", "Mail"]) == "API and Mail"
    assert join_names(["API", "Checkout", "Mail"]) == "API, Checkout and Mail"
    assert count_of(1, "service") == "1 service"
    assert count_of(1204, "service") == "1,204 services"
    assert count_of(2, "other") == "2 others"
