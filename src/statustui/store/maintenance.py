"""Reads announced work."""

from __future__ import annotations

from statustui.domain.readmodels import MaintenanceRow
from statustui.domain.status import MaintenanceStatus
from statustui.store import queries
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
