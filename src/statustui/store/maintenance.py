"""Reads announced work, and writes it as people announce, change and cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from statustui.domain.errors import Conflict, NotFound, ValidationFailed
from statustui.domain.fields import shown
from statustui.domain.maintenance import next_occurrence
from statustui.domain.maintenance_config import (
    MaintenanceConfig,
    MaintenanceDetail,
    MaintenanceUpdate,
)
from statustui.domain.readmodels import MaintenanceRow
from statustui.domain.status import MaintenanceStatus, Role
from statustui.domain.text import nearest
from statustui.store import permission, queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("maintenance")


async def load_maintenance(pool: Pool, org_id: int) -> tuple[MaintenanceRow, ...]:
    """Windows that run or are ahead, and those that ended within the last week; by start."""
    async with transaction(pool, readonly=True) as connection:
        return await load_windows(connection, org_id)


async def load_windows(connection: PoolConnection, org_id: int) -> tuple[MaintenanceRow, ...]:
    """The same inside a transaction."""
    return tuple(
        MaintenanceRow(
            id=row["id"],
            title=row["title"],
            description=row["description"],
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            status=MaintenanceStatus(row["status"]),
            recurrence_rule=row["recurrence_rule"],
            services=tuple(row["services"]),
            auto_update=row["auto_update"],
        )
        for row in await connection.fetch(_SQL["load_windows"], org_id)
    )


async def find_window(pool: Pool, org_id: int, title_or_id: str) -> MaintenanceDetail:
    """The window of that title or id that runs or is ahead.

    Raises:
        NotFound: there is none. ValidationFailed: several have that title.
    """
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        return await _find(connection, org_id, title_or_id)


async def _find(connection: PoolConnection, org_id: int, title_or_id: str) -> MaintenanceDetail:
    rows = await connection.fetch(_SQL["load_series"], org_id)
    wanted = title_or_id.strip().casefold()
    found = [row for row in rows if wanted in (str(row["id"]), row["title"].casefold())]
    if len(found) > 1:
        ids = ", ".join(f"{row['id']} ({row['starts_at']:%Y-%m-%d %H:%M}Z)" for row in found)
        raise ValidationFailed(
            f"{len(found)} windows are called {shown(title_or_id)}", advice=f"name one by id: {ids}"
        )
    if not found:
        near = nearest(title_or_id, [row["title"] for row in rows])
        raise NotFound(
            f"no maintenance {shown(title_or_id)} runs or is ahead",
            advice=f"did you mean {near}?" if near else "`statustui maintenance list` shows all",
        )
    (row,) = found
    updates = await connection.fetch(_SQL["load_updates"], org_id, row["id"])
    return MaintenanceDetail(
        id=row["id"],
        status=MaintenanceStatus(row["status"]),
        config=_config(row),
        updates=tuple(
            MaintenanceUpdate(
                status=MaintenanceStatus(each["status"]),
                message=each["message"],
                is_public=each["is_public"],
                author=each["author"],
                created_at=each["created_at"],
            )
            for each in updates
        ),
    )


def _config(row: asyncpg.Record) -> MaintenanceConfig:
    return MaintenanceConfig(
        title=row["title"],
        starts_at=row["starts_at"],
        duration_seconds=round((row["ends_at"] - row["starts_at"]).total_seconds()),
        description=row["description"],
        recurrence=row["recurrence_rule"],
        exceptions=tuple(sorted(row["exceptions"])),
        services=tuple(row["services"]),
        auto_update=row["auto_update"],
        is_public=row["is_public"],
    )


async def add_window(
    pool: Pool, org_id: int, window: MaintenanceConfig, services: Sequence[UUID], zone: ZoneInfo
) -> UUID:
    """Announce a window; of a recurring one the first occurrence that is not over.

    Raises:
        ValidationFailed: it is over already. Forbidden: the person is no admin.
    """
    coming = _coming(window, zone, datetime.now(UTC) - _length(window))
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "announce maintenance")
        window_id: UUID = await connection.fetchval(_SQL["add_window"], org_id, *_columns(coming))
        await connection.execute(_SQL["set_services"], org_id, window_id, list(services))
        return window_id


async def edit_window(
    pool: Pool,
    org_id: int,
    window_id: UUID,
    window: MaintenanceConfig,
    services: Sequence[UUID],
    zone: ZoneInfo,
) -> None:
    """Change a window that runs or is ahead; a start that became an exception moves to the next.

    Raises:
        ValidationFailed: nothing of it is ahead any more. Conflict: it ended meanwhile.
    """
    # What starts on an exception does not take place: the next occurrence does.
    coming = _coming(window, zone, window.starts_at - timedelta(microseconds=1))
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "edit maintenance")
        done = await connection.fetchval(_SQL["edit_window"], org_id, window_id, *_columns(coming))
        if done is None:
            raise Conflict("that window has ended meanwhile")
        await connection.execute(_SQL["set_services"], org_id, window_id, list(services))


def _length(window: MaintenanceConfig) -> timedelta:
    return timedelta(seconds=window.duration_seconds)


def _coming(window: MaintenanceConfig, zone: ZoneInfo, after: datetime) -> MaintenanceConfig:
    """The window at its first occurrence that starts after a time."""
    found = next_occurrence(
        window.starts_at,
        window.starts_at + _length(window),
        window.recurrence,
        zone,
        after=after,
        exceptions=frozenset(window.exceptions),
    )
    if found is None:
        raise ValidationFailed("nothing of this maintenance is ahead", advice="name another start")
    return replace(window, starts_at=found.starts_at)


def _columns(window: MaintenanceConfig) -> tuple[object, ...]:
    return (
        window.title,
        window.description,
        window.starts_at,
        window.starts_at + _length(window),
        window.auto_update,
        window.is_public,
        window.recurrence,
        list(window.exceptions),
    )


async def cancel_window(
    pool: Pool, org_id: int, title_or_id: str, *, once: bool, zone: ZoneInfo
) -> MaintenanceDetail:
    """Cancel a window, with all that would recur; with `once` only the occurrence at hand.

    Returns:
        The window as it was.

    Raises:
        NotFound: there is none. ValidationFailed: nothing recurs after it, so that `once` is all.
        Conflict: it ended meanwhile.
    """
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "cancel maintenance")
        found = await _find(connection, org_id, title_or_id)
        if not once:
            ended = await connection.fetchval(_SQL["end_window"], org_id, found.id, "cancelled")
            words = "The maintenance was cancelled."
        elif found.config.recurrence is None:
            raise ValidationFailed(
                f"{shown(found.config.title)} does not recur", advice="cancel it without --once"
            )
        elif found.status is MaintenanceStatus.IN_PROGRESS:
            # What runs is over; the watch writes the next occurrence.
            ended = await connection.fetchval(_SQL["end_window"], org_id, found.id, "completed")
            words = "The maintenance was ended early."
        else:
            skipped = (*found.config.exceptions, found.config.starts_at)
            coming = _coming(
                replace(found.config, exceptions=skipped), zone, found.config.starts_at
            )
            ended = await connection.fetchval(
                _SQL["edit_window"], org_id, found.id, *_columns(coming)
            )
            words = f"It does not take place at {found.config.starts_at:%Y-%m-%d %H:%M} UTC."
        if ended is None:
            raise Conflict("that window has ended meanwhile")
        await connection.execute(_SQL["add_update"], org_id, found.id, words)
        return found
