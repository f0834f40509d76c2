"""Percentages that never flatter: they are rounded down, so only what is whole prints as 100%."""

from __future__ import annotations


def percent(part: int, whole: int, places: int = 2) -> str | None:
    """A share in percent, rounded down, without trailing zeros when it is whole.

    Args:
        part: how many of them.
        whole: of how many.
        places: digits after the point.

    Returns:
        "99.98%", "100%", or None when there is no whole to have a share of. 99,999 of 100,000
        is "99.99%": one failure is never hidden by rounding.
    """
    if whole <= 0:
        return None
    if part >= whole:
        return "100%"
    scale = 10**places
    steps = max(part, 0) * 100 * scale // whole
    return f"{steps // scale}.{steps % scale:0{places}d}%" if steps else "0%"


def share(part: int, whole: int, places: int = 4) -> float | None:
    """The same as a number for programs: percent, rounded down, None without a whole.

    Args:
        part: how many of them.
        whole: of how many.
        places: digits after the point.
    """
    if whole <= 0:
        return None
    scale: int = 10**places
    steps = min(max(part, 0) * 100 * scale // whole, 100 * scale)
    return steps / scale
