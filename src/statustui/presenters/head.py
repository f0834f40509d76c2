"""The first line of a screen: what it is at the left, badges and the clock at the right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from statustui.presenters import clock
from statustui.presenters.line import Line, Part, cut_line, plain, width_of, wrap

CLOCK_WIDTH = len("03:19:35 CEST")


def room(width: int) -> int:
    """How many columns what stands at the left may take on a screen of this width."""
    return max(10, width - 1 - CLOCK_WIDTH - 2)


def head_line(
    left: Line,
    now: datetime,
    zone: tzinfo,
    width: int,
    *,
    stale_seconds: int | None = None,
    read_only: bool = False,
) -> Line:
    """The first line whole.

    Args:
        left: what the screen is about.
        now: the present moment; zone: of the clock; width: columns.
        stale_seconds: how old what is shown may be, None while the database answers.
        read_only: whether nothing can be changed from here.
    """
    name = clock.zone_name(now, zone)
    seconds = width >= 60
    time = clock.clock_seconds(now, zone) if seconds else clock.clock(now, zone)
    right: list[Part] = []
    if stale_seconds is not None:
        right += [(f" STALE {stale_seconds}s ", "text b r"), ("  ", "text")]
    elif read_only and width >= 100:
        right += [(" READ ONLY ", "text b r"), ("  ", "text")]
    right.append((f"{time}{'' if name == 'Z' else ' '}{name}", "muted"))
    space = width - 2 - width_of(right)
    shown = cut_line(left, max(0, space - 1))
    gap = max(1, space - width_of(shown))
    return ((" ", "text"), *shown, (" " * gap, "text"), *right, (" ", "text"))


def labelled(label: str, value: Sequence[Part], value_at: int) -> Line:
    """A label in its column and a value in the column of values."""
    return ((" ", "text"), (label.ljust(max(1, value_at - 1)), "muted"), *value)


def value_column(width: int) -> int:
    """The column in which values start: where names start in the lists."""
    return 12 if width < 100 else 13


def narrow(found: Sequence[tuple[str, Line]], width: int) -> tuple[Line, ...]:
    """Labelled values in a narrow column; a long one goes on in the lines below.

    Args:
        found: labels of at most ten characters, and what is said about them.
        width: columns.
    """
    lines: list[Line] = []
    for label, value in found:
        style = value[0][1] if value else "text"
        for number, text in enumerate(wrap(plain(value), max(1, width - 11))):
            lines.append((((label if number == 0 else "").ljust(11), "muted"), (text, style)))
    return tuple(lines)
