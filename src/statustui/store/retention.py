"""Lets go of what has become too old, in small steps: months of raw checks, hours, evidence.

Dropping a month needs the table for itself for a moment, so it is tried for half a second and
otherwise left to the next time; deleting rows goes by thousands. Whoever writes at the same time
waits for no longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from statustui.domain.errors import DatabaseUnavailable
from statustui.store import queries
from statustui.store.connection import Pool, fetch_one, transaction

_SQL = queries.load("retention")
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days are kept.

    Attributes:
        checks_days: raw checks, and evidence of no incident, 7 or more.
        hourly_days: hourly figures, 35 or more.
    """

    checks_days: int = 90
    hourly_days: int = 400


USUAL = Retention()


@dataclass(frozen=True, slots=True)
class OldMonth:
    """A month of raw checks that is too old.

    Attributes:
        month: its first day; rows: how many checks, estimated where they are many; size_bytes:
            on disk, indexes included.
    """

    month: date
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Surplus:
    """What is older than what is kept.

    Attributes:
        months: of raw checks, oldest first; hours: rows of hourly figures; evidence: rows.
        checks_since, hours_since: what lies before is too old; a month goes when all of it does.
    """

    months: tuple[OldMonth, ...]
    hours: int
    evidence: int
    checks_since: date
    hours_since: datetime


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went.

    Attributes:
        months: dropped; waiting: months that somebody was using, to be tried again.
        hours, evidence: rows deleted; more: whether such rows are left.
    """

    months: tuple[date, ...] = ()
    waiting: tuple[date, ...] = ()
    hours: int = 0
    evidence: int = 0
    more: bool = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that should have gone."""
        return not self.waiting and not self.more


async def load_surplus(pool: Pool, retention: Retention) -> Surplus:
    """What would go.

    Args:
        pool: connections as the engine's role.
        retention: what is kept.

    Raises:
        Forbidden: another role may not see it.
    """
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        months = await connection.fetch(_SQL["load_partitions"], retention.checks_days)
        rest = await fetch_one(
            connection, _SQL["load_rest"], retention.checks_days, retention.hourly_days
        )
    return Surplus(
        tuple(OldMonth(row["month"], row["rows"], row["bytes"]) for row in months),
        rest["hours"],
        rest["evidence"],
        rest["checks_since"],
        rest["hours_since"],
    )


async def prune(
    pool: Pool,
    retention: Retention,
    *,
    steps: int,
    tries: int = 1,
    pause_seconds: float = 1.0,
) -> Pruned:
    """Lets it go, each month and each few thousand rows in a transaction of its own.

    Args:
        pool: connections as the engine's role.
        retention: what is kept.
        steps: how many times rows are deleted at most, of each kind.
        tries: how often a month that is in use is tried.
        pause_seconds: between two tries.

    Raises:
        Forbidden: another role may not.
        DatabaseUnavailable: the database was lost; what is done is done.
    """
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["load_old_months"], retention.checks_days)
    dropped, waiting = await _drop(pool, [row["month"] for row in rows], tries, pause_seconds)
    hours, hours_left = await _delete(pool, "prune_hours", retention.hourly_days, steps)
    evidence, evidence_left = await _delete(pool, "prune_evidence", retention.checks_days, steps)
    return Pruned(dropped, waiting, hours, evidence, hours_left or evidence_left)


async def _drop(
    pool: Pool, months: Sequence[date], tries: int, pause_seconds: float
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    waiting = list(months)
    for attempt in range(tries):
        if attempt and waiting:
            await asyncio.sleep(pause_seconds)
        for month in tuple(waiting):
            try:
                async with transaction(pool) as connection:
                    await connection.fetchval(_SQL["drop_partition"], month)
            except DatabaseUnavailable:
                # Somebody uses the table, and would use it at the next month as well.
                break
            waiting.remove(month)
    return tuple(month for month in months if month not in waiting), tuple(waiting)


async def _delete(pool: Pool, statement: str, days: int, steps: int) -> tuple[int, bool]:
    gone = 0
    for _ in range(steps):
        async with transaction(pool) as connection:
            rows: int = await connection.fetchval(_SQL[statement], days, _ROWS_AT_ONCE)
        gone += rows
        if rows < _ROWS_AT_ONCE:
            return gone, False
    return gone, True
