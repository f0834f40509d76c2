"""Makes hourly and daily figures again from raw checks, and says where they were something else.

Comparing is one statement and therefore one snapshot, in which checks and their figures are always
whole, so it needs no lock. Only what differs is locked and written (`rollup_rebuild`, see
docs/data.md). Each step is a transaction of its own over some monitors and one day, so engines go
on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import asyncpg

from statustui.domain.errors import DatabaseUnavailable
from statustui.store import queries
from statustui.store.connection import Pool, transaction

_SQL = queries.load("rollups")

Grain = Literal["hour", "day"]
GRAINS: tuple[Grain, ...] = ("hour", "day")

# 50 monitors that look every 30 s have 144,000 checks a day: about half a second of work.
_MONITORS_AT_ONCE = 50
_TRIES = 5
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of figures that is not what its raw checks add up to.

    Attributes:
        monitor: key; grain: whether it is an hour's row or a day's; at: its beginning.
        kept_checks, made_checks: checks counted in the row, and by its raw checks.
        kept_slots, made_slots: the same of slots that had their look.
    """

    monitor: int
    grain: Grain
    at: datetime
    kept_checks: int
    made_checks: int
    kept_slots: int
    made_slots: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one day of some monitors came to.

    Attributes:
        monitors: how many of them were looked at; differences: what differed; rewritten: rows
            that were, 0 when only comparing.
    """

    day: date
    monitors: int
    differences: tuple[Difference, ...]
    rewritten: int


async def load_names(pool: Pool, org_id: int) -> dict[int, str]:
    """The addresses of all monitors of an organization, deleted ones too, by key."""
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["load_names"], org_id)
    return {row["key"]: row["address"] for row in rows}


async def load_beginnings(pool: Pool, org_id: int) -> dict[int, date]:
    """From which day on each monitor's raw checks are all there; monitors without any are missing.

    Raises:
        Forbidden: only owners, and the engine's role, may ask.
        NotFound: no such organization for this person.
    """
    async with transaction(pool, readonly=True) as connection:
        rows = await connection.fetch(_SQL["load_beginnings"], org_id)
    return {row["monitor"]: row["first_day"] for row in rows}


async def rebuild(
    pool: Pool,
    org_id: int,
    first: date | None,
    last: date | None,
    *,
    dry_run: bool,
) -> AsyncIterator[Step]:
    """Compares the figures of some days with their raw checks and rewrites what differs.

    Days whose raw checks are no longer all there are left as they are.

    Args:
        pool: of an owner's role, or of the engine's.
        org_id: the organization.
        first, last: UTC days, both included; None for the oldest there is, and for today.
        dry_run: only compare.

    Yields:
        A step for each day and fifty monitors, oldest day first.

    Raises:
        Forbidden, NotFound: as `load_beginnings`.
        DatabaseUnavailable: the database was lost, or somebody held a row for too long; what was
            yielded is done, and doing it again changes nothing.
    """
    beginnings = await load_beginnings(pool, org_id)
    if not beginnings:
        return
    day = max(filter(None, (first, min(beginnings.values()))))
    end = min(filter(None, (last, datetime.now(UTC).date())))
    while day <= end:
        there = sorted(monitor for monitor, begins in beginnings.items() if begins <= day)
        for index in range(0, len(there), _MONITORS_AT_ONCE):
            some = there[index : index + _MONITORS_AT_ONCE]
            yield await _step(pool, org_id, some, day, dry_run=dry_run)
        day += timedelta(days=1)


async def _step(
    pool: Pool, org_id: int, monitors: Sequence[int], day: date, *, dry_run: bool
) -> Step:
    differences: list[Difference] = []
    rewritten = 0
    for grain in GRAINS:
        async with transaction(pool, readonly=True) as connection:
            rows = await connection.fetch(_SQL["compare"], org_id, list(monitors), day, grain)
        differences += [_difference(grain, row) for row in rows]
        touched = sorted({row["monitor"] for row in rows})
        if touched and not dry_run:
            rewritten += await _rewrite(pool, org_id, touched, day, grain)
    return Step(day, len(monitors), tuple(differences), rewritten)


def _difference(grain: Grain, row: asyncpg.Record) -> Difference:
    return Difference(grain=grain, **dict(row))


async def _rewrite(
    pool: Pool, org_id: int, monitors: Sequence[int], day: date, grain: Grain
) -> int:
    for attempt in range(_TRIES):
        try:
            async with transaction(pool) as connection:
                rows: int = await connection.fetchval(
                    _SQL["rebuild"], org_id, list(monitors), day, grain
                )
            return rows
        except DatabaseUnavailable:
            # Most often a batch that is being written holds one of the rows.
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover
