"""A little unevenness that is the same every time: no service answers twice in the same time."""

from __future__ import annotations

import math

_SIZE = 4096


def _table() -> tuple[float, ...]:
    """Factors around 1, skewed as latencies are: mostly a little less, now and then much more.

    The values walk through the unit interval by the golden ratio, which spreads them evenly, and
    go through the quantile function of a log-logistic distribution.
    """
    golden = (math.sqrt(5) - 1) / 2
    factors = []
    for index in range(_SIZE):
        part = 0.002 + 0.996 * ((index * golden) % 1.0)
        factors.append(0.98 * (part / (1 - part)) ** 0.08)
    return tuple(factors)


_FACTORS = _table()


def wobble(number: int) -> float:
    """A factor around 1 for the number-th answer."""
    # A large odd step, so that neighbours in time are no neighbours in the table.
    return _FACTORS[(number * 1597 + 7) % _SIZE]


def tide(hour_of_day: float) -> float:
    """How much slower things are at an hour of the day (UTC): least at four, most at sixteen."""
    return 1.0 + 0.14 * math.sin((hour_of_day - 10.0) / 24.0 * 2.0 * math.pi)
