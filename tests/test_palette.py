"""Every colour can be read on every ground it stands on, and no sign depends on colour."""

from __future__ import annotations

import unicodedata

import pytest

from statustui import palette
from statustui.domain.status import CheckStatus, MonitorState, ServiceStatus
from statustui.palette import DARK, HEX, LIGHT, LOOKS, Palette

TEXTS = ("text", "strong", "muted", "outage", "maint", "unknown", "up", "internal")


def luminance(number: int) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    value = HEX[number].removeprefix("#")
    channels = [int(value[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colors: Palette, one: str, other: str) -> float:
    """Contrast ratio of two tokens."""
    values = []
    for token in (one, other):
        number = colors.colors[token]
        assert isinstance(number, int)
        values.append(luminance(number))
    return (max(values) + 0.05) / (min(values) + 0.05)


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=lambda each: each.name)
@pytest.mark.parametrize("ground", ["bg", "panel", "sel"])
def test_texts_can_be_read_on_every_ground(colors: Palette, ground: str) -> None:
    for token in TEXTS:
        assert contrast(colors, token, ground) >= 4.5, token
    assert contrast(colors, "faint", ground) >= 3.0
    # On light, amber is kept off title bars; there only weight and word may tell.
    if (colors, ground) != (LIGHT, "panel"):
        assert contrast(colors, "degraded", ground) >= 4.0


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=lambda each: each.name)
def test_chips_can_be_read(colors: Palette) -> None:
    assert contrast(colors, "alarmfg", "alarm") >= 4.5
    assert contrast(colors, "chipfg", "chip") >= 4.5


def test_the_hex_table_is_the_terminal_s_own() -> None:
    levels = (0, 95, 135, 175, 215, 255)
    for number, value in HEX.items():
        if number < 232:
            cube = number - 16
            rgb = (levels[cube // 36], levels[cube // 6 % 6], levels[cube % 6])
        else:
            rgb = ((number - 232) * 10 + 8,) * 3
        assert value == "#{:02x}{:02x}{:02x}".format(*rgb)


def test_all_palettes_know_the_same_tokens() -> None:
    assert set(DARK.colors) == set(LIGHT.colors)
    for colors in palette.PALETTES.values():
        for token in palette.TOKENS:
            palette.paint(f"{token} b on:sel", colors.name)


def test_a_misspelt_style_is_an_error() -> None:
    with pytest.raises(KeyError):
        palette.paint("outrage b", "dark")
    with pytest.raises(KeyError):
        palette.paint("text on:nowhere", "dark")


def test_every_state_has_a_look_and_words_have_at_most_eight_letters() -> None:
    for state in [*ServiceStatus, *MonitorState, *CheckStatus]:
        assert palette.look_of(state) in LOOKS
    for look in LOOKS:
        assert len(look.word) <= 8
        assert look.ascii.isascii()
        assert palette.look_of(look.word) is look


def test_states_differ_by_sign_or_word_without_any_colour() -> None:
    assert len({(look.glyph, look.word) for look in LOOKS}) == len(LOOKS)
    assert len({(look.ascii, look.word) for look in LOOKS}) == len(LOOKS)


def test_status_glyphs_are_narrow_in_every_locale_and_never_emoji() -> None:
    for sign in [*(look.glyph for look in LOOKS), palette.CURSOR, palette.SELECTED_MARK]:
        assert unicodedata.east_asian_width(sign) in ("N", "Na"), sign


def test_every_glyph_of_the_program_has_an_ascii_twin() -> None:
    signs = palette.HEIGHTS + palette.CURSOR + palette.MAINTENANCE_CELL + "…▄"
    signs += "".join(look.glyph for look in LOOKS)
    assert palette.to_ascii(signs).isascii()
    assert len(palette.to_ascii(signs)) == len(signs)


def test_without_tints_the_selected_row_and_chips_are_reversed() -> None:
    assert palette.paint("muted on:sel", "mono") == palette.Paint(None, None, reverse=True)
    assert palette.paint("alarmfg b on:alarm", "ansi") == palette.Paint(
        "bright_red", None, bold=True, reverse=True
    )
    assert palette.paint("muted", "mono") == palette.Paint(None, None, dim=True)


def test_without_colour_nothing_names_a_colour() -> None:
    for token in palette.TOKENS:
        assert palette.paint(token, "mono").color is None
        assert palette.paint(token, "mono").background is None
