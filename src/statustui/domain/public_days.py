"""The worst public status of each day, from the moments at which it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from statustui.domain.status import ServiceStatus


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One change of a service's public status.

    Attributes:
        at: when it took effect: when the outage began, which is earlier than when it was known.
        before, after: the statuses.
    """

    at: datetime
    before: ServiceStatus
    after: ServiceStatus


def worst_by_day(
    changes: Sequence[StatusChange],
    present: ServiceStatus,
    born_at: datetime,
    first: date,
    now: datetime,
) -> dict[date, ServiceStatus]:
    """The worst status of each UTC day on which a service existed.

    A status holds from its change until the next one. Before the first known change the service
    had the status that it changed from, and without any change the present one.

    Args:
        changes: in the order in which they took effect.
        present: the status now.
        born_at: when the service was created; it had no status before, but an outage that began
            earlier (entered after the fact) is still told.
        first: the first day asked for.
        now: the present moment; its day is the last.
    """
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    edges = [(change.at, change.after) for change in changes]
    opening = changes[0].before if changes else present
    spans = [(min(born_at, start), opening), *edges]
    worst: dict[date, ServiceStatus] = {}
    for index, (begin, status) in enumerate(spans):
        end = spans[index + 1][0] if index + 1 < len(spans) else now
        begin = max(begin, start if index else max(born_at, start))
        end = min(end, now)
        if end < begin or (end == begin and index + 1 < len(spans)):
            continue
        day = begin.astimezone(UTC).date()
        # The first moment of a day belongs to the next span, not to this one.
        last = (end - timedelta(microseconds=1) if end > begin else end).astimezone(UTC).date()
        for each in _days(day, last):
            known = worst.get(each)
            if known is None or status.severity > known.severity:
                worst[each] = status
    return worst


# Most services of a page have had the same stretches of days: nothing happened in all of them.
@lru_cache(maxsize=64)
def _days(first: date, last: date) -> tuple[date, ...]:
    """All days from one to another, both included."""
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))
