"""Cuts what waits into batches that are written in one transaction each.

A batch must be over long before the right to decide is, and what fails together is written
together. When results have waited, a batch must not say more than could have been said at the time:
a service that went down and came back has had two moments, so they stand in two batches, and each
is settled as of the newest look in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from statustui.domain.decision import Decision
from statustui.domain.status import MonitorState

MOST_IN_A_BATCH = 2_000
# Opening an incident costs some milliseconds; that a monitor is up at its first look costs less.
_MOST_CHANGES = 100
_MOST_BEGINNINGS = 1_000
# Changes closer than this are one event, as they would have been when they were new.
_ONE_MOMENT = timedelta(seconds=1)

_RANK = {state: rank for rank, state in enumerate(reversed(MonitorState))}


def next_batch(waiting: Iterable[Decision], *, late: bool) -> list[Decision]:
    """The beginning of what waits that is to be written at once.

    Args:
        waiting: in the order in which it was decided.
        late: whether it has waited, so that its own times count and not the present one.
    """
    batch: list[Decision] = []
    changes = beginnings = 0
    directions: dict[UUID, bool] = {}
    until: datetime | None = None
    for decision in waiting:
        if decision.is_news:
            changes += len(decision.transitions)
        else:
            beginnings += len(decision.transitions)
        if (
            len(batch) == MOST_IN_A_BATCH
            or changes > _MOST_CHANGES
            or beginnings > _MOST_BEGINNINGS
        ):
            break
        if late:
            at = decision.check.checked_at
            if until is not None and at > until:
                break
            if decision.transitions:
                worse = _gets_worse(decision)
                service = decision.monitor.service_id
                if directions.setdefault(service, worse) is not worse:
                    break
                until = until or at + _ONE_MOMENT
        batch.append(decision)
    return batch


def _gets_worse(decision: Decision) -> bool:
    first, last = decision.transitions[0], decision.transitions[-1]
    return _RANK[last.to_state] > _RANK[first.from_state]


def newest(batch: Sequence[Decision]) -> datetime:
    """When the newest look of a batch started."""
    return max(decision.check.checked_at for decision in batch)
