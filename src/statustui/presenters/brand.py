"""A brand colour that can be read: mixed towards black or white until its contrast suffices.

The mix is made in OKLab, where a step looks equally large whatever the hue, so that a brand stays
recognisable. Contrast is WCAG 2's ratio of relative luminances.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# A little more than the 4.5 that WCAG 2.2 AA asks of body text, so that rounding never breaks it.
ENOUGH_CONTRAST: Final = 4.6

_HEX = re.compile(r"#[0-9a-fA-F]{6}")

Linear = tuple[float, float, float]


def is_colour(text: str) -> bool:
    """Whether it is a colour as `#RRGGBB`."""
    return _HEX.fullmatch(text) is not None


def legible(brand: str, grounds: Iterable[str], *, towards_white: bool) -> str:
    """The brand colour, changed as little as makes it readable.

    Args:
        brand: `#RRGGBB`.
        grounds: the colours it is written on, `#RRGGBB` each.
        towards_white: True on dark grounds, False on light ones.

    Returns:
        `#rrggbb` with a contrast of at least 4.6 on every ground, found in steps of one percent.

    Raises:
        ValueError: one of them is no colour.
    """
    surfaces = [luminance(ground) for ground in grounds]
    start = _to_oklab(_to_linear(brand))
    goal = (1.0, 0.0, 0.0) if towards_white else (0.0, 0.0, 0.0)
    for step in range(101):
        share = step / 100
        mixed = (
            start[0] + (goal[0] - start[0]) * share,
            start[1] + (goal[1] - start[1]) * share,
            start[2] + (goal[2] - start[2]) * share,
        )
        colour = _to_hex(_from_oklab(mixed))
        if all(_ratio(luminance(colour), surface) >= ENOUGH_CONTRAST for surface in surfaces):
            return colour
    return _to_hex((1.0, 1.0, 1.0) if towards_white else (0.0, 0.0, 0.0))


def contrast(first: str, second: str) -> float:
    """WCAG's contrast ratio of two colours, 1 to 21."""
    return _ratio(luminance(first), luminance(second))


def luminance(colour: str) -> float:
    """WCAG's relative luminance of a colour, 0 to 1.

    Raises:
        ValueError: it is no `#RRGGBB`.
    """
    red, green, blue = _to_linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _ratio(first: float, second: float) -> float:
    lighter, darker = max(first, second), min(first, second)
    return (lighter + 0.05) / (darker + 0.05)


def _to_linear(colour: str) -> Linear:
    if not is_colour(colour):
        raise ValueError(f"{colour!r} is no colour of the form #RRGGBB")
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return _expand(red), _expand(green), _expand(blue)


def _expand(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _compress(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    if channel <= 0.0031308:
        return channel * 12.92
    return float(1.055 * channel ** (1 / 2.4) - 0.055)


def _to_hex(linear: Linear) -> str:
    return "#" + "".join(f"{round(_compress(channel) * 255):02x}" for channel in linear)


# The matrices of OKLab (Björn Ottosson, 2020).
def _to_oklab(linear: Linear) -> Linear:
    red, green, blue = linear
    long = _root(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = _root(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = _root(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _from_oklab(lab: Linear) -> Linear:
    lightness, green_red, blue_yellow = lab
    long = (lightness + 0.3963377774 * green_red + 0.2158037573 * blue_yellow) ** 3
    middle = (lightness - 0.1055613458 * green_red - 0.0638541728 * blue_yellow) ** 3
    short = (lightness - 0.0894841775 * green_red - 1.2914855480 * blue_yellow) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _root(value: float) -> float:
    return float(max(value, 0.0) ** (1 / 3))
