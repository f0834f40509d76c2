"""Words and numbers for what a service amounted to over some windows of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from statustui.domain.rollup import Rollup
from statustui.presenters.chart import milliseconds
from statustui.presenters.percent import percent, share

WINDOWS: Final = (
    ("24 h", timedelta(hours=24)),
    ("7 d", timedelta(days=7)),
    ("30 d", timedelta(days=30)),
    ("90 d", timedelta(days=90)),
)
_FRACTIONS: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def window_document(name: str, rollup: Rollup | None) -> dict[str, object]:
    """A window for programs; numbers are None where nothing is known.

    Args:
        name: of the window ("7 d").
        rollup: what it amounts to, None when nothing is known.
    """
    known = rollup or Rollup()
    return {
        "window": name.replace(" ", ""),
        "uptime": share(known.succeeded, known.looked),
        "succeeded": known.succeeded,
        "checks": known.looked,
        "avg_ms": _rounded(known.avg_ms),
        **{f"{each}_ms": _rounded(known.percentile_ms(part)) for each, part in _FRACTIONS},
    }


def window_line(name: str, rollup: Rollup | None) -> str:
    """A window for people: "99.98% of 2,880 looks, p50 120 ms, p95 310 ms, p99 1.2 s".

    Args:
        name: of the window ("7 d").
        rollup: what it amounts to, None when nothing is known.
    """
    if rollup is None or rollup.looked == 0:
        return f"{name:<5}no data"
    parts = [f"{percent(rollup.succeeded, rollup.looked)} of {rollup.looked:,} looks"]
    for each, fraction in _FRACTIONS:
        value = rollup.percentile_ms(fraction)
        if value is not None:
            parts.append(f"{each} {milliseconds(value)}")
    return f"{name:<5}{', '.join(parts)}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
