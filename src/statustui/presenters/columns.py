"""Shares the width of a list out among its columns: fixed ones by need, the last takes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_LEAST_LAST = 8
_LEAST_NAME = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Attributes:
        name: by which cells are found; heading: what stands above it.
        start: its first column on the screen; width: how many it takes.
        is_right: whether its cells are set to the right.
    """

    name: str
    heading: str
    start: int
    width: int
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that a list would like to have.

    Attributes:
        width: how many columns it takes; least_screen: the narrowest screen that shows it.
        wide_width: how many it takes from 120 columns on, None for the same.
    """

    name: str
    heading: str
    width: int
    least_screen: int = 0
    wide_width: int | None = None
    is_right: bool = False


def lay_out(wanted: Sequence[Wanted], width: int) -> tuple[Column, ...]:
    """Place columns on a screen; the last one takes what is left.

    Args:
        wanted: from left to right.
        width: of the screen. The first column is the cursor's; between two columns is a gap of
            one below 100 columns and of two from there. Where not all have room, those before
            the last go, and what names a row gives way; a state is never cut.
    """
    gap = 1 if width < 100 else 2
    shown = _fitting([column for column in wanted if width >= column.least_screen], width, gap)
    columns: list[Column] = []
    start = 1
    for number, column in enumerate(shown):
        own = column.wide_width if width >= 120 and column.wide_width is not None else column.width
        if number == len(shown) - 1:
            own = max(1, width - start - 1)
        columns.append(Column(column.name, column.heading, start, own, column.is_right))
        start += own + gap
    return tuple(columns)


def _fitting(wanted: Sequence[Wanted], width: int, gap: int) -> list[Wanted]:
    """The columns that fit a narrow screen, the state's always among them."""
    shown = list(wanted)

    def taken() -> int:
        fixed = sum(column.width for column in shown[:-1])
        return 1 + fixed + gap * (len(shown) - 1) + _LEAST_LAST

    while len(shown) > 2 and taken() > width:
        position = next(
            (at for at in range(len(shown) - 2, 0, -1) if shown[at].name != "state"), None
        )
        if position is None:
            break
        del shown[position]
    over = taken() - width
    for at, column in enumerate(shown):
        if over > 0 and column.name != "state" and column.width > _LEAST_NAME:
            less = min(over, column.width - _LEAST_NAME)
            shown[at] = replace(column, width=column.width - less)
            over -= less
    return shown
