"""Adds checks up into the figures that outlive them: counts, coverage slots, latency.

A rollup holds what one hour or one day of one monitor amounted to. Rollups add: the sum over 24
hours is the day, the sum over monitors is the service. So uptime, coverage and percentiles over any
window come from a few rows instead of thousands of checks.

Latency goes into a histogram of 24 buckets whose upper bounds stand at equal ratios: bound i is
30000 ^ (i / 22) milliseconds, from 1 ms to 30 s, which is the longest timeout; the last bucket is
open. A value belongs to the first bucket whose bound is not below it. A percentile read from it is
off by at most one ratio, 1.6, and in practice by far less, because it is interpolated inside its
bucket. The database adds up with the same bounds (docs/data.md).

Checks flagged as inside maintenance are counted apart and in nothing else; `unknown` checks (nobody
could look) are counted, but in no uptime and no slot.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from statustui.domain.status import CheckStatus

BUCKETS = 24
BOUNDS_MS: tuple[float, ...] = tuple(30_000 ** (index / 22) for index in range(BUCKETS - 1))
"""Upper bounds of all buckets but the last, which has none."""

_NONE = (0,) * BUCKETS


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """What a rollup needs to know of one check.

    Attributes:
        monitor: any key that tells monitors apart; region: the same for regions.
        checked_at: when it started; slot_at: the scheduled slot that it belongs to.
        is_retry: whether it was an extra look (a retry, a first look, one that somebody asked
            for): it counts as a check and never as a slot.
    """

    monitor: int
    region: int
    checked_at: datetime
    slot_at: datetime
    status: CheckStatus
    duration_ms: float
    in_maintenance: bool = False
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Rollup:
    """Sums over some checks.

    Attributes:
        success, degraded, failure, timeout, unknown: checks outside maintenance by status.
        maintenance: checks inside maintenance, whatever they saw.
        slots: scheduled slots whose own look was had, inside maintenance or not.
        timed: checks that succeeded outside maintenance: those that the latency figures are over.
        sum_ms, min_ms, max_ms: over `timed`; the last two None without any.
        histogram: `timed` by bucket.
    """

    success: int = 0
    degraded: int = 0
    failure: int = 0
    timeout: int = 0
    unknown: int = 0
    maintenance: int = 0
    slots: int = 0
    timed: int = 0
    sum_ms: float = 0.0
    min_ms: float | None = None
    max_ms: float | None = None
    histogram: tuple[int, ...] = _NONE

    @property
    def succeeded(self) -> int:
        """Checks that count as up."""
        return self.success + self.degraded

    @property
    def looked(self) -> int:
        """Checks that count in uptime: outside maintenance, and somebody could look."""
        return self.succeeded + self.failure + self.timeout

    @property
    def avg_ms(self) -> float | None:
        """Mean latency of what succeeded, None without any."""
        return self.sum_ms / self.timed if self.timed else None

    def percentile_ms(self, fraction: float) -> float | None:
        """A latency percentile, None when nothing succeeded.

        Args:
            fraction: 0.95 for the 95th.
        """
        return percentile_ms(self.histogram, fraction, self.min_ms, self.max_ms)

    def __add__(self, other: Rollup) -> Rollup:
        return Rollup(
            success=self.success + other.success,
            degraded=self.degraded + other.degraded,
            failure=self.failure + other.failure,
            timeout=self.timeout + other.timeout,
            unknown=self.unknown + other.unknown,
            maintenance=self.maintenance + other.maintenance,
            slots=self.slots + other.slots,
            timed=self.timed + other.timed,
            sum_ms=self.sum_ms + other.sum_ms,
            min_ms=min((m for m in (self.min_ms, other.min_ms) if m is not None), default=None),
            max_ms=max((m for m in (self.max_ms, other.max_ms) if m is not None), default=None),
            histogram=tuple(
                mine + theirs for mine, theirs in zip(self.histogram, other.histogram, strict=True)
            ),
        )


def bucket_of(duration_ms: float) -> int:
    """The bucket of a latency, 0 to 23."""
    return bisect_left(BOUNDS_MS, duration_ms)


def total(rollups: Iterable[Rollup]) -> Rollup:
    """The sum of some rollups; all zero when there are none."""
    result = Rollup()
    for rollup in rollups:
        result += rollup
    return result


def roll_up(checks: Iterable[RecordedCheck]) -> Rollup:
    """Adds checks up; the same figures that the database keeps, made from the checks themselves.

    A slot counts once, however many checks looked in it.
    """
    counts = dict.fromkeys(CheckStatus, 0)
    maintenance = 0
    slots: set[tuple[int, int, datetime]] = set()
    durations: list[float] = []
    histogram = [0] * BUCKETS
    for check in checks:
        if check.status.looked and not check.is_retry:
            slots.add((check.monitor, check.region, check.slot_at))
        if check.in_maintenance:
            maintenance += 1
            continue
        counts[check.status] += 1
        if check.status.succeeded:
            durations.append(check.duration_ms)
            histogram[bucket_of(check.duration_ms)] += 1
    return Rollup(
        success=counts[CheckStatus.SUCCESS],
        degraded=counts[CheckStatus.DEGRADED],
        failure=counts[CheckStatus.FAILURE],
        timeout=counts[CheckStatus.TIMEOUT],
        unknown=counts[CheckStatus.UNKNOWN],
        maintenance=maintenance,
        slots=len(slots),
        timed=len(durations),
        sum_ms=sum(durations),
        min_ms=min(durations, default=None),
        max_ms=max(durations, default=None),
        histogram=tuple(histogram),
    )


def percentile_ms(
    histogram: Sequence[int],
    fraction: float,
    min_ms: float | None = None,
    max_ms: float | None = None,
) -> float | None:
    """A percentile read from a histogram of latencies.

    The bucket is that of the nearest rank (the smallest value with at least `fraction` of all
    values at or below it); inside the bucket ranks are spread at equal ratios, as its bounds are.

    Args:
        histogram: counts of the 24 buckets.
        fraction: above 0, at most 1.
        min_ms, max_ms: smallest and largest value, which the result never passes.

    Returns:
        Milliseconds, None when the histogram is empty.
    """
    count = sum(histogram)
    if count == 0:
        return None
    rank = max(1.0, fraction * count)
    below = 0
    for bucket, inside in enumerate(histogram):
        if inside and below + inside >= rank:
            low = BOUNDS_MS[bucket - 1] if bucket else BOUNDS_MS[0] / BOUNDS_MS[1]
            high = BOUNDS_MS[bucket] if bucket < len(BOUNDS_MS) else BOUNDS_MS[-1]
            value = low * math.pow(high / low, (rank - below) / inside)
            if max_ms is not None:
                value = min(value, max_ms)
            return value if min_ms is None else max(value, min_ms)
        below += inside
    raise AssertionError("a rank stands above the sum of its histogram")  # pragma: no cover
