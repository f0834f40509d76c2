"""Percentages are rounded down and never invented."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.presenters.percent import percent, share


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, None),
        (5, 0, None),
        (100_000, 100_000, "100%"),
        (99_999, 100_000, "99.99%"),
        (99_999_999, 100_000_000, "99.99%"),
        (1, 3, "33.33%"),
        (2, 3, "66.66%"),
        (0, 7, "0%"),
        (1, 100_000, "0%"),
        (1, 1_000, "0.10%"),
        (995, 1_000, "99.50%"),
    ],
)
def test_percent(part: int, whole: int, text: str | None) -> None:
    assert percent(part, whole) == text


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(0, 4))
def test_never_above_the_truth_and_near_it(part: int, whole: int, places: int) -> None:
    part = min(part, whole)
    text = percent(part, whole, places=places)
    assert text is not None
    shown = Fraction(text.removesuffix("%"))
    truth = Fraction(part * 100, whole)
    assert shown <= truth < shown + Fraction(1, 10**places)
    assert (text == "100%") == (part == whole)
    number = share(part, whole)
    assert number is not None
    assert Fraction(number).limit_denominator(10_000) <= truth
    assert (number == 100) == (part == whole)


def test_share_without_a_whole() -> None:
    assert share(0, 0) is None
    assert share(1, 3) == 33.3333
