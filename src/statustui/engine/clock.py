"""Tells the engine the time: wall time that runs evenly, and notices when somebody set the clock.

Intervals must not depend on a clock that jumps, but slots stand on wall time. So wall time is read
once and counted on with the monotonic clock; when the two drift apart by more than a tolerance
(the clock was set, or the machine slept), the counted time follows and `jumped` says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_TOLERANCE = timedelta(seconds=1)
# Slewing by a time service stays below this per reading and is followed quietly.
_QUIET = timedelta(milliseconds=5)


class Clock:
    """Wall time, counted evenly.

    Args:
        wall: gives the time in seconds since 1970; monotonic: seconds that never jump.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = self._measure()

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.fromtimestamp(self._monotonic() + self._offset, UTC)

    def jumped(self) -> bool:
        """Compares the counted time with the clock and follows it.

        Returns:
            Whether the clock was more than a second away, so that what is due must be found anew.
        """
        measured = self._measure()
        drift = timedelta(seconds=abs(measured - self._offset))
        if drift > _QUIET:
            self._offset = measured
        return drift > _TOLERANCE

    def mark(self) -> tuple[float, float]:
        """A moment to measure from, with `since`."""
        return self._wall(), self._monotonic()

    def since(self, mark: tuple[float, float]) -> timedelta:
        """How much time has passed since a mark, whether this process ran meanwhile or not.

        The counted clock stands still while a machine sleeps, the other one does not, so the one
        that says more is right about how long nobody watched.
        """
        return timedelta(seconds=max(self._wall() - mark[0], self._monotonic() - mark[1]))

    def _measure(self) -> float:
        return self._wall() - self._monotonic()
