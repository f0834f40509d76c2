"""Counts what the engine does, for a few additions per check, and remembers last looks.

The counters belong to one engine and are only touched by its event loop. Whoever shows them takes a
snapshot there and writes it out elsewhere.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Set

from statustui.domain.decision import Decision, WatchedMonitor
from statustui.domain.enginemetrics import EngineSnapshot, Histogram, ProbeSnapshot
from statustui.domain.status import CheckStatus, MonitorType


class Counters:
    """The counters of one engine."""

    def __init__(self) -> None:
        self._checks: defaultdict[tuple[MonitorType, CheckStatus], int] = defaultdict(int)
        self._lateness = Histogram()
        self._flush = Histogram()
        self._last: dict[int, tuple[WatchedMonitor, Decision]] = {}

    def checked(self, monitor: WatchedMonitor, decision: Decision) -> None:
        """Counts one check."""
        check = decision.check
        self._checks[monitor.spec.type, check.status] += 1
        if not check.is_retry:
            # An extra look is due at no slot.
            self._lateness.add((check.checked_at - check.slot_at).total_seconds())
        self._last[monitor.key] = (monitor, decision)

    def flushed(self, seconds: float) -> None:
        """Counts one batch that was written, and how long that took."""
        self._flush.add(seconds)

    def keep_only(self, keys: Set[int]) -> None:
        """Forgets the last looks of monitors that are watched no longer.

        Args:
            keys: of those that still are.
        """
        for key in [key for key in self._last if key not in keys]:
            del self._last[key]

    def snapshot(
        self, *, queued: int, spooled: int, lost: int, region: str
    ) -> Callable[[], EngineSnapshot]:
        """All of it as it is now.

        Args:
            queued, spooled, lost: results that wait in memory, on disk, and that were given up.
            region: where the engine looks from.

        Returns:
            What makes the snapshot, in any thread: thousands of looks take some milliseconds.
        """
        checks, looks = dict(self._checks), tuple(self._last.values())
        lateness, flush = self._lateness.frozen(), self._flush.frozen()
        return lambda: EngineSnapshot(
            checks=checks,
            lateness=lateness,
            flush=flush,
            queued=queued,
            spooled=spooled,
            lost=lost,
            region=region,
            probes=tuple(itertools.starmap(_probe, looks)),
        )


def _probe(monitor: WatchedMonitor, decision: Decision) -> ProbeSnapshot:
    check = decision.check
    return ProbeSnapshot(
        key=monitor.key,
        type=monitor.spec.type,
        at=check.checked_at,
        interval_seconds=monitor.spec.interval_seconds,
        timeout_ms=monitor.spec.timeout_ms,
        status=check.status,
        duration_ms=check.duration_ms,
        phases=check.phases,
        status_code=check.status_code,
        certificate_not_after=decision.memory.certificate_not_after,
    )
