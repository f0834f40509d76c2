"""Any brand colour becomes one that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.presenters.brand import contrast, is_colour, legible, luminance

LIGHT = ("#fdfdfc", "#f1f7f4", "#fcf5e4", "#fdf1e8", "#fcefe7", "#edf4f9")
DARK = ("#0f1114", "#101b18", "#211b0e", "#251910", "#2a1710", "#0f1e29")


@pytest.mark.parametrize(
    ("brand", "light", "dark"),
    [
        ("#3b82f6", "#2e69c9", "#3b82f6"),
        ("#FFE600", "#7a6d00", "#ffe600"),
        ("#111111", "#111111", "#868686"),
    ],
)
def test_known_brands(brand: str, light: str, dark: str) -> None:
    assert legible(brand, LIGHT, towards_white=False) == light
    assert legible(brand, DARK, towards_white=True) == dark


@given(st.integers(0, 0xFFFFFF))
def test_every_brand_is_legible_on_every_ground(number: int) -> None:
    brand = f"#{number:06x}"
    for grounds, towards_white in ((LIGHT, False), (DARK, True)):
        ink = legible(brand, grounds, towards_white=towards_white)
        assert is_colour(ink)
        assert min(contrast(ink, ground) for ground in grounds) >= 4.5


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert luminance("#808080") == pytest.approx(0.2159, abs=0.0001)


@pytest.mark.parametrize("text", ["", "red", "#fff", "#12345g", "#1234567", "red;}"])
def test_what_is_no_colour(text: str) -> None:
    assert not is_colour(text)
    with pytest.raises(ValueError, match="no colour"):
        luminance(text)
