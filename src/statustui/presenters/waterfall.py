"""Lays the phases of one check out as bars on a time axis, beside those of its last good look.

A phase starts where the one before it ended; every bar is at least one column wide, so that a
phase of a millisecond is still seen. A phase that took more than four times what it took when all
was well is the telling one.
"""

from __future__ import annotations

from dataclasses import dataclass

from statustui.domain.observation import Phases

TELLING_RATIO = 4.0
# A phase this short is noise, however many times its last good look it took.
TELLING_LEAST_MS = 5.0
# How far the label of the last tick may reach beyond the axis.
LABEL_ROOM = 8

_NAMES = (
    ("resolve", "resolve_ms"),
    ("connect", "connect_ms"),
    ("TLS", "tls_ms"),
    ("first byte", "first_byte_ms"),
    ("transfer", "transfer_ms"),
)


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One phase.

    Attributes:
        name: "first byte"; now_ms: how long it took, None when it was not reached.
        good_ms: how long it took at the last good look, None when unknown.
        offset, length: columns of its bar; length 0 when it was not reached.
        is_telling: whether it took far longer than when all was well.
    """

    name: str
    now_ms: float | None
    good_ms: float | None
    offset: int
    length: int
    is_telling: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis; `text` starts at column `offset`."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars of a look, the axis above them, and the sums; None where nothing is known."""

    bars: tuple[PhaseBar, ...]
    ticks: tuple[Tick, ...]
    total_ms: float | None
    good_total_ms: float | None


def milliseconds(value: float | None) -> str:
    """A short duration: "-" when unknown, "0.3 ms", "41 ms", "1,204 ms", "12.4 s"."""
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    # What would print as "0 ms" did take time.
    return f"{value:.1f} ms" if value < 0.95 else f"{round(value):,} ms"


def lay_out(now: Phases, good: Phases | None, columns: int) -> Waterfall:
    """Place the phases of a look on an axis.

    Args:
        now: the look that is shown.
        good: the last good look of the same monitor and region, None when there was none.
        columns: width of the axis, at least 1; labels may reach `LABEL_ROOM` beyond it.

    Returns:
        Only the phases that either look reached: a plain HTTP check has no TLS.
    """
    columns = max(1, columns)
    reached = [
        (name, getattr(now, field), getattr(good, field) if good is not None else None)
        for name, field in _NAMES
    ]
    reached = [phase for phase in reached if phase[1] is not None or phase[2] is not None]
    total = sum(took for _, took, _ in reached if took is not None)
    bars: list[PhaseBar] = []
    before = 0.0
    for name, took, took_good in reached:
        offset = length = 0
        if took is not None and total > 0:
            offset = min(columns - 1, round(before / total * columns))
            length = max(1, round((before + took) / total * columns) - offset)
            length = min(length, columns - offset)
            before += took
        bars.append(PhaseBar(name, took, took_good, offset, length, _is_telling(took, took_good)))
    has_now = any(took is not None for _, took, _ in reached)
    goods = [took_good for _, _, took_good in reached if took_good is not None]
    return Waterfall(
        tuple(bars),
        _ticks(total, columns),
        total if has_now else None,
        sum(goods) if goods else None,
    )


def _is_telling(took: float | None, good: float | None) -> bool:
    if took is None or good is None:
        return False
    return took > TELLING_LEAST_MS and took > TELLING_RATIO * good


def _ticks(total_ms: float, columns: int) -> tuple[Tick, ...]:
    """The start and up to three round figures, each far enough from the one before it."""
    if total_ms <= 0:
        return ()
    step = 1.0
    for candidate in _round_steps():
        step = candidate
        if total_ms / step <= 4 and columns * step / total_ms >= 9:
            break
    ticks = [Tick(0, "0")]
    for number in range(1, int(total_ms / step) + 1):
        offset = round(number * step / total_ms * columns)
        text = f"{number * step:,.0f}"
        if offset + len(f"{text} ms") > columns + LABEL_ROOM:
            break
        ticks.append(Tick(offset, text))
    last = ticks[-1]
    return (*ticks[:-1], Tick(last.offset, f"{last.text} ms")) if columns >= 4 else tuple(ticks)


def _round_steps() -> list[float]:
    return [base * 10**power for power in range(6) for base in (1.0, 2.0, 5.0)]
