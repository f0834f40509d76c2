"""What the program counts and measures about itself and its monitors, as plain values.

Counters live where the work is done (`engine/counters.py`, `web/server.py`); a snapshot of them is
made when somebody asks, and `presenters/metrics.py` writes it out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from statustui.domain.observation import Phases
from statustui.domain.status import CheckStatus, Impact, MonitorState, MonitorType

SECONDS_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of every histogram of seconds; one without a bound follows."""


class Histogram:
    """Counts of values by bucket; adding one costs a search among thirteen numbers."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Counts one value; a negative one, of a clock that was set, counts as nothing."""
        self.counts[bisect_left(SECONDS_BOUNDS, seconds)] += 1
        if seconds > 0:
            self.total += seconds

    def frozen(self) -> FrozenHistogram:
        """As it is now."""
        return FrozenHistogram(tuple(self.counts), self.total)


@dataclass(frozen=True, slots=True)
class FrozenHistogram:
    """A histogram at one moment; counts are by bucket, not added up."""

    counts: tuple[int, ...] = (0,) * (len(SECONDS_BOUNDS) + 1)
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeSnapshot:
    """The last look at one monitor.

    Attributes:
        key: by which names are found.
        status_code: of HTTP.
        certificate_not_after: of the leaf that was shown last.
    """

    key: int
    type: MonitorType
    at: datetime
    interval_seconds: int
    timeout_ms: int
    status: CheckStatus
    duration_ms: float
    phases: Phases
    status_code: int | None = None
    certificate_not_after: datetime | None = None

    def is_stale(self, now: datetime) -> bool:
        """Whether nobody has looked for so long that it says nothing any more.

        The monitor is paused, gone, or watched by another engine.
        """
        patience = 3 * self.interval_seconds + self.timeout_ms / 1000
        return (now - self.at).total_seconds() > patience


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """What this process's engine did since its start.

    Attributes:
        checks: how many, by type and status.
        lateness: of looks that belong to a slot, start minus slot, in seconds.
        flush: how long writing a batch took, in seconds.
        queued: results that wait for the database in memory; spooled: on disk; lost: given up.
    """

    checks: Mapping[tuple[MonitorType, CheckStatus], int] = field(default_factory=dict)
    lateness: FrozenHistogram = FrozenHistogram()
    flush: FrozenHistogram = FrozenHistogram()
    queued: int = 0
    spooled: int = 0
    lost: int = 0
    region: str = ""
    probes: tuple[ProbeSnapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitorName:
    """How people know a monitor."""

    organization: str
    service: str
    monitor: str


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """What only the database knows, of the whole installation.

    Attributes:
        names: of monitors by key.
        engines: how many by region and state ("alive", "offline", "silent").
        monitors: how many by state; incidents: open ones by impact.
        notifications: by channel and outcome ("delivered", "failed", "given_up").
    """

    names: Mapping[int, MonitorName] = field(default_factory=dict)
    engines: Mapping[tuple[str, str], int] = field(default_factory=dict)
    monitors: Mapping[MonitorState, int] = field(default_factory=dict)
    incidents: Mapping[Impact, int] = field(default_factory=dict)
    notifications: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebSnapshot:
    """What the page answered since the start.

    Attributes:
        requests: how many by route and HTTP status; sse_clients: who listens to events now.
    """

    requests: Mapping[tuple[str, int], int] = field(default_factory=dict)
    sse_clients: int = 0


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """All of it at one moment.

    Attributes:
        figures: as last read, None before the first reading.
        figures_age_seconds: how long ago that was.
        web: None where no page is served.
    """

    at: datetime
    version: str
    engine: EngineSnapshot
    figures: DatabaseFigures | None = None
    figures_age_seconds: float = 0.0
    web: WebSnapshot | None = None
