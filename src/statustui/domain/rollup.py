"""Adds checks up into the figures that outlive them: counts, coverage slots, latency.

A rollup holds what one hour or one day of one monitor amounted to. Rollups add: the sum over 24
hours is the day, the sum over monitors is the service. So uptime, coverage and percentiles over any
window come from a few rows instead of thousands of checks.

Latency goes into a histogram of 24 buckets whose upper bounds stand at equal ratios: bound i is
30000 ^ (i / 22) milliseconds, from 1 ms to 30 s, which is the longest timeout; the last bucket is
open. A value belongs to the first bucket whose bound is not below it. The database adds up with the
same bounds (docs/data.md).

**How exact a percentile is.** The true one is the nearest rank: the smallest value with at least
that share of all values at or below it. Adding histograms up loses nothing, so its bucket is known
for certain, for any window and any number of monitors, and what is read lies in the same bucket.
Between 1 ms and 30 s both therefore differ by less than the ratio of two bounds,
30000 ^ (1 / 22) = 1.598 (`RATIO`): what is read is at most 59.8 % too high or 37.5 % too low,
whatever the distribution. Below 1 ms it is off by less than 1 ms. Above 30 s, where no check that
succeeded comes from, it lies between 30 s and the largest value. It never passes the smallest and
the largest value, which are kept, so a bucket at the edge of what was seen is narrower, and the
highest percentile is exact. Inside its bucket the ranks are spread at equal ratios, which brings a
smooth distribution within a few per cent.

Finer buckets are not worth their price: half the error would take 46 columns, each added up in
every batch of checks and every day that is read, and nobody acts on 310 ms instead of 300.

Checks flagged as inside maintenance are counted apart and in nothing else; `unknown` checks (nobody
could look) are counted, but in no uptime and no slot.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

from statustui.domain.status import CheckStatus

BUCKETS = 24
BOUNDS_MS: tuple[float, ...] = tuple(30_000 ** (index / 22) for index in range(BUCKETS - 1))
"""Upper bounds of all buckets but the last, which has none."""

RATIO = 30_000 ** (1 / 22)
"""A percentile and what is read for it differ by less than this factor, from 1 ms to 30 s."""

_NONE = (0,) * BUCKETS
_LOWS: tuple[float, ...] = (BOUNDS_MS[0] / RATIO, *BOUNDS_MS)
_HIGHS: tuple[float, ...] = (*BOUNDS_MS, BOUNDS_MS[-1] * RATIO)
# What a fraction times a count is off by, so that 0.7 of 10 is the 7th and not the 8th.
_ROUNDING = 1e-9


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


@dataclass(frozen=True, slots=True)
class WindowParts:
    """Which rollups a window is added up from: whole days where there are any, hours at its edges.

    Every end is not included; an empty stretch begins where it ends.

    Attributes:
        from_hour, hours_until: the hours before the first whole day, or all of them.
        first_day, days_until: the whole days.
        later_from, to_hour: the hours after the last whole day.
    """

    from_hour: datetime
    hours_until: datetime
    first_day: date
    days_until: date
    later_from: datetime
    to_hour: datetime

    @property
    def start(self) -> datetime:
        """Where the figures really begin."""
        return self.from_hour

    @property
    def end(self) -> datetime:
        """Where they really end."""
        return self.to_hour


def split_window(
    start: datetime, end: datetime, hours_since: datetime | None = None
) -> WindowParts:
    """Which rollups cover a window, with as few rows as there can be.

    The window is widened to whole hours in UTC. Where the hours of its edges are no longer kept,
    it is widened to whole days.

    Args:
        start, end: the window; its end is not included.
        hours_since: from which midnight in UTC on hours are kept; None when all of them are.

    Raises:
        ValueError: it ends before it starts.
    """
    if end < start:
        raise ValueError("a window ends after it starts")
    begin, stop = _hour(start), _hour(end)
    if stop < end:
        stop += timedelta(hours=1)
    if hours_since is not None and begin < hours_since:
        begin = _midnight(begin)
        if stop < hours_since and stop != _midnight(stop):
            stop = _midnight(stop) + timedelta(days=1)
    first = _midnight(begin) if begin == _midnight(begin) else _midnight(begin) + timedelta(days=1)
    last = _midnight(stop)
    if last <= first:
        return WindowParts(begin, stop, begin.date(), begin.date(), stop, stop)
    return WindowParts(begin, first, first.date(), last.date(), last, stop)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


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
    """A percentile read from a histogram of latencies; see `percentiles_ms`."""
    (found,) = percentiles_ms(histogram, (fraction,), min_ms, max_ms)
    return found


def percentiles_ms(
    histogram: Sequence[int],
    fractions: Sequence[float],
    min_ms: float | None = None,
    max_ms: float | None = None,
) -> tuple[float | None, ...]:
    """Percentiles read from a histogram of latencies.

    The bucket is that of the nearest rank (the smallest value with at least `fraction` of all
    values at or below it); inside the bucket, ranks are spread at equal ratios, as its bounds are.
    How far that can be off is said in the head of this module.

    Args:
        histogram: counts of the 24 buckets.
        fractions: each above 0, at most 1.
        min_ms, max_ms: smallest and largest value, which no result passes.

    Returns:
        Milliseconds for each fraction, None for all when the histogram is empty.
    """
    upto = list(accumulate(histogram))
    count = upto[-1]
    if count == 0:
        return (None,) * len(fractions)
    found: list[float | None] = []
    for fraction in fractions:
        rank = max(1, math.ceil(fraction * count - _ROUNDING))
        if rank == count and max_ms is not None:
            found.append(max_ms)
            continue
        bucket = bisect_left(upto, rank)
        low, high = _LOWS[bucket], _HIGHS[bucket]
        if min_ms is not None and min_ms > low:
            low = min(min_ms, high)
        if max_ms is not None and max_ms < high:
            high = max(max_ms, low)
        inside = histogram[bucket]
        share = (rank - (upto[bucket] - inside) - 0.5) / inside
        value = low * (high / low) ** share
        # The first bucket has no lower bound, and rounding may carry past an end by a hair.
        if max_ms is not None and value > max_ms:
            value = max_ms
        found.append(min_ms if min_ms is not None and value < min_ms else value)
    return tuple(found)
