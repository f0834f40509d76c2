"""Decides which monitor looks when: one heap, bounded concurrency, no bursts; it does no I/O.

The engine's loop asks `take` what to start now, starts it, and says `finish` when it has ended. In
between, a monitor is in one of four places:

    waiting   on the heap, by the time its next look is due
    ready     due, but as many looks run as may run at once
    blocked   due, but as many looks at its host run as may run at once
    running   being looked at; it is in no other place, so it never runs twice at once

The heap holds (due, number) pairs; an entry that was rescheduled since leaves its old pair behind,
which is dropped when it comes up because its number is no longer the entry's own.

A look that could not start within its tolerance (a quarter of the interval, between 1 and 10
seconds) is skipped: its monitor goes on with the next slot, and the skipped one is a hole in the
coverage. So a machine that slept for an hour wakes to the slots that come, not to those that
passed, and an engine with too much to do does less instead of falling further behind.

Monitors that come from an engine that stopped or died, whose last slot nobody looked in, are looked
at once on arrival: evenly, at most a thousand a second, and only within the tolerance as the look
of that slot.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from statustui.domain.decision import WatchedMonitor
from statustui.domain.monitor import host_of
from statustui.domain.scheduling import (
    Due,
    Timetable,
    extra_due,
    first_due,
    next_due,
    next_slot,
    slot_before,
)

_TOLERANCE_LEAST = timedelta(seconds=1)
_TOLERANCE_MOST = timedelta(seconds=10)
_BETWEEN_OVERDUE = timedelta(milliseconds=1)
# After an outage of the watcher's own network; a line that has just come back is not for a flood.
_BETWEEN_AGAIN = timedelta(milliseconds=10)
_AGAIN_WITHIN = timedelta(seconds=2)


class _Place(Enum):
    WAITING = auto()
    READY = auto()
    BLOCKED = auto()
    RUNNING = auto()


@dataclass(slots=True)
class _Entry:
    monitor: WatchedMonitor
    host: str
    due: Due | None = None
    number: int = 0
    place: _Place = _Place.WAITING
    is_gone: bool = False
    is_requested: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A look to start now.

    Attributes:
        host: whom it burdens.
        late_seconds: how much later than due it starts.
    """

    monitor: WatchedMonitor
    due: Due
    host: str
    late_seconds: float


class Scheduler:
    """The heap of one engine.

    Args:
        concurrency: looks at once; per_host: looks at one host at once.
    """

    def __init__(self, concurrency: int, per_host: int) -> None:
        self._concurrency = concurrency
        self._per_host = per_host
        self._entries: dict[int, _Entry] = {}
        self._heap: list[tuple[datetime, int, int]] = []
        self._ready: deque[_Entry] = deque()
        self._blocked: dict[str, deque[_Entry]] = {}
        self._numbers = itertools.count(1)
        self._running: set[int] = set()
        self._at_host: dict[str, int] = {}
        self._skipped = 0
        self._late_seconds = 0.0

    @property
    def monitors(self) -> int:
        """How many monitors are scheduled."""
        return len(self._entries)

    @property
    def running(self) -> int:
        """How many looks run."""
        return len(self._running)

    @property
    def skipped(self) -> int:
        """How many looks were skipped since the start, because they could not start in time."""
        return self._skipped

    @property
    def keys(self) -> Set[int]:
        """The monitors that are scheduled."""
        return self._entries.keys()

    @property
    def has_waiting(self) -> bool:
        """Whether looks are due that could not start, because others run."""
        return bool(self._ready or self._blocked)

    def watches(self, key: int) -> bool:
        """Whether a monitor is scheduled."""
        return key in self._entries

    def load(
        self,
        monitors: Mapping[int, WatchedMonitor],
        last_looks: Mapping[int, datetime],
        now: datetime,
    ) -> None:
        """Takes over what is to be watched from now on; what did not change goes on as it was.

        Args:
            monitors: all of them by key; paused ones and those without a timetable rest.
            last_looks: when each was looked at last; a monitor that is not in it is new.
            now: the time.
        """
        active = {
            key: monitor
            for key, monitor in monitors.items()
            if monitor.timetable is not None and not monitor.is_paused
        }
        for key in [key for key in self._entries if key not in active]:
            self._drop(key)
        overdue: list[_Entry] = []
        for key, monitor in active.items():
            entry = self._entries.get(key)
            if entry is None:
                entry = _Entry(monitor, host_of(monitor.spec.config))
                self._entries[key] = entry
                last = last_looks.get(key)
                if key in self._running:
                    entry.place = _Place.RUNNING  # paused and resumed during one look
                elif last is not None and _is_overdue(_timetable(entry), last, now):
                    overdue.append(entry)
                else:
                    self._begin(entry, last, now)
                asked = monitor.run_requested_at
                is_asked = asked is not None and last is not None and asked > last
            else:
                # Told by the request itself: the database's clock may be ahead of this one.
                is_asked = monitor.run_requested_at != entry.monitor.run_requested_at
                self._update(entry, monitor, now)
            if is_asked:
                self._request(entry, now)
        self._spread(overdue, now)

    def look_again(self, keys: Collection[int], now: datetime) -> None:
        """Lets monitors look again that nobody could look at, evenly, never in a burst.

        Args:
            keys: of monitors; those that are due soon anyway are left alone.
            now: the time.
        """
        between = max(_BETWEEN_AGAIN, _AGAIN_WITHIN / max(1, len(keys)))
        for place, key in enumerate(sorted(keys)):
            entry = self._entries.get(key)
            if entry is None or entry.place is not _Place.WAITING:
                continue
            at = now + (place + 1) * between
            if entry.due is None or at < entry.due.at:
                timetable = _timetable(entry)
                self._push(entry, Due(at, slot_before(timetable, at), is_extra=True))

    def reschedule(self, now: datetime) -> None:
        """Gives every waiting monitor its next slot again, after the clock was set.

        One that somebody asked for is looked at all the same.
        """
        for entry in self._entries.values():
            if entry.place is _Place.WAITING:
                timetable = _timetable(entry)
                asked = entry.is_requested
                self._push(entry, extra_due(timetable, now) if asked else next_due(timetable, now))

    def next_at(self) -> datetime | None:
        """When something is due next; None while nothing is."""
        while self._heap:
            at, number, key = self._heap[0]
            entry = self._entries.get(key)
            if entry is not None and entry.number == number:
                return at
            heapq.heappop(self._heap)
        return None

    def take(self, now: datetime, most: int | None = None) -> list[Run]:
        """What is to be started now; each of them must be `finish`ed.

        Args:
            now: the time.
            most: how many at the most; the rest is given out by the next call.
        """
        while (at := self.next_at()) is not None and at <= now:
            _, _, key = heapq.heappop(self._heap)
            entry = self._entries[key]
            entry.place = _Place.READY
            self._ready.append(entry)
        self._unblock()
        runs: list[Run] = []
        while self._ready and len(self._running) < self._concurrency and len(runs) != most:
            entry = self._ready.popleft()
            if entry.is_gone or entry.due is None:
                continue
            late = now - entry.due.at
            if late > _tolerance(_timetable(entry)):
                self._skipped += 1
                self._push(entry, next_due(_timetable(entry), now))
                continue
            at_host = self._at_host.get(entry.host, 0)
            if at_host >= self._per_host:
                entry.place = _Place.BLOCKED
                self._blocked.setdefault(entry.host, deque()).append(entry)
                continue
            self._at_host[entry.host] = at_host + 1
            self._running.add(entry.monitor.key)
            entry.place = _Place.RUNNING
            entry.is_requested = False
            self._late_seconds = late.total_seconds()
            runs.append(Run(entry.monitor, entry.due, entry.host, self._late_seconds))
        return runs

    def _unblock(self) -> None:
        """Lets those go on whose host has room again, in the order in which they came."""
        for host, queue in list(self._blocked.items()):
            room = self._per_host - self._at_host.get(host, 0)
            freed: list[_Entry] = []
            while queue and len(freed) < room:
                entry = queue.popleft()
                if not entry.is_gone:
                    entry.place = _Place.READY
                    freed.append(entry)
            if not queue:
                del self._blocked[host]
            self._ready.extendleft(reversed(freed))

    def finish(self, run: Run, now: datetime, *, retry: bool) -> None:
        """Says that a look has ended.

        Args:
            run: as it came from `take`.
            now: the time.
            retry: whether its verdict wants another look after the retry interval.
        """
        left = self._at_host[run.host] - 1
        if left:
            self._at_host[run.host] = left
        else:
            del self._at_host[run.host]
        self._running.discard(run.monitor.key)
        entry = self._entries.get(run.monitor.key)
        if entry is None or entry.place is not _Place.RUNNING:
            return  # deleted or paused meanwhile
        if entry.monitor is not run.monitor:
            entry.host = host_of(entry.monitor.spec.config)
        if entry.is_requested:
            entry.is_requested = False
            self._push(entry, extra_due(_timetable(entry), now))
            return
        seconds = entry.monitor.spec.retry_interval_seconds if retry else None
        self._push(entry, next_due(_timetable(entry), now, retry_seconds=seconds))

    def behind_seconds(self, now: datetime) -> float:
        """How late looks start at present: what waits longest, or else what was started last."""
        waiting = [
            (now - entry.due.at).total_seconds()
            for entry in itertools.chain(
                itertools.islice(self._ready, 1),
                *(itertools.islice(queue, 1) for queue in self._blocked.values()),
            )
            if entry.due is not None
        ]
        return max(0.0, self._late_seconds, *waiting)

    def _begin(self, entry: _Entry, last_look: datetime | None, now: datetime) -> None:
        timetable = _timetable(entry)
        if last_look is None:
            self._push(entry, first_due(timetable, now))
        else:
            self._push(entry, next_due(timetable, now))

    def _spread(self, overdue: list[_Entry], now: datetime) -> None:
        """Lets those look soon whose last slot passed while nobody looked."""
        for place, entry in enumerate(overdue):
            if entry.due is not None:
                continue  # somebody asked for a look at once
            timetable = _timetable(entry)
            at = now + place * _BETWEEN_OVERDUE
            slot = slot_before(timetable, now)
            following = next_slot(timetable, now)
            if following is not None and following <= at:
                self._push(entry, next_due(timetable, now))
            else:
                self._push(entry, Due(at, slot, is_extra=at - slot > _tolerance(timetable)))

    def _update(self, entry: _Entry, monitor: WatchedMonitor, now: datetime) -> None:
        changed = entry.monitor.timetable != monitor.timetable
        entry.monitor = monitor
        if entry.place is _Place.RUNNING:
            return  # its end finds the new timetable, and gives back the old host
        entry.host = host_of(monitor.spec.config)
        if entry.place is _Place.WAITING and changed:
            self._push(entry, next_due(_timetable(entry), now))

    def _request(self, entry: _Entry, now: datetime) -> None:
        """Lets a monitor look at once; while it runs already, once more when that has ended."""
        if entry.place in (_Place.RUNNING, _Place.WAITING):
            entry.is_requested = True
        if entry.place is _Place.WAITING and not (entry.due and entry.due.at <= now):
            self._push(entry, extra_due(_timetable(entry), now))

    def _push(self, entry: _Entry, due: Due | None) -> None:
        entry.due = due
        entry.number = next(self._numbers)
        entry.place = _Place.WAITING
        if due is not None:
            heapq.heappush(self._heap, (due.at, entry.number, entry.monitor.key))

    def _drop(self, key: int) -> None:
        entry = self._entries.pop(key)
        entry.is_gone = True
        entry.number = 0


def _timetable(entry: _Entry) -> Timetable:
    timetable = entry.monitor.timetable
    if timetable is None:
        raise ValueError("a monitor without a timetable is not scheduled")
    return timetable


def _is_overdue(timetable: Timetable, last_look: datetime, now: datetime) -> bool:
    """Whether a slot has passed in which, or after which, nobody looked."""
    slot = slot_before(timetable, now)
    return last_look < slot and timetable.from_at <= slot


def _tolerance(timetable: Timetable) -> timedelta:
    quarter = timedelta(milliseconds=timetable.interval_ms / 4)
    return min(max(quarter, _TOLERANCE_LEAST), _TOLERANCE_MOST)
