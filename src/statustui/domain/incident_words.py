"""The words of automatic incidents: titles, names and durations as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from statustui.domain.text import shorten

LONGEST_TITLE = 500
_NAMED = 3


def names_of(names: list[str]) -> str:
    """Names as a sentence has them: "API", "API and Mail", "API, Mail, Shop and 3 more"."""
    short = [shorten(name, 80) for name in names[:_NAMED]]
    left = len(names) - _NAMED
    if left == 1:
        short.append(shorten(names[_NAMED], 80))
    if left > 1:
        return f"{', '.join(short)} and {left} more"
    if len(short) == 1:
        return short[0]
    return f"{', '.join(short[:-1])} and {short[-1]}"


def public_title(services: Sequence[tuple[str, bool]]) -> str:
    """The title of an automatic incident: what is out in part and what is out in full, apart.

    Args:
        services: of the affected services that the public knows, at least one, in the order of
            its list: the name, and whether it is out in full. What stands first is spoken of first.
    """
    clauses = []
    for in_full in dict.fromkeys(whole for _, whole in services):
        names = [name for name, whole in services if whole is in_full]
        verb = "is" if len(names) == 1 else "are"
        how = "unavailable" if in_full else "partly unavailable"
        clauses.append(f"{names_of(names)} {verb} {how}")
    return shorten(", ".join(clauses), LONGEST_TITLE)


def spoken_duration(duration: timedelta) -> str:
    """A duration as a sentence says it: "40 seconds", "9 minutes", "2 hours 5 minutes"."""
    seconds = max(0, round(duration / timedelta(seconds=1)))
    if seconds < 60:
        return _count(max(seconds, 1), "second")
    minutes = seconds // 60
    if minutes < 60:
        return _count(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        tail = f" {_count(minutes, 'minute')}" if minutes else ""
        return f"{_count(hours, 'hour')}{tail}"
    days, hours = divmod(hours, 24)
    tail = f" {_count(hours, 'hour')}" if hours else ""
    return f"{_count(days, 'day')}{tail}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def internal_title(text: str) -> str:
    """A title that operators read, cut to what a title may hold."""
    return shorten(text, LONGEST_TITLE)
