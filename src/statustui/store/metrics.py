"""Reads what the metrics page says about the whole installation."""

from __future__ import annotations

from statustui.domain.enginemetrics import DatabaseFigures, MonitorName
from statustui.domain.status import Impact, MonitorState
from statustui.store import queries
from statustui.store.connection import Pool, transaction

_SQL = queries.load("metrics")

_OUTCOMES = ("delivered", "failed", "given_up")


async def load_figures(pool: Pool, region: str) -> DatabaseFigures:
    """What only the database knows.

    Args:
        pool: of the engine's role; region: whose monitors are named.

    Raises:
        DatabaseUnavailable: it does not answer.
    """
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        names = await connection.fetch(_SQL["names"], region)
        engines = await connection.fetch(_SQL["engines"])
        monitors = await connection.fetch(_SQL["monitors"])
        incidents = await connection.fetch(_SQL["incidents"])
        notifications = await connection.fetch(_SQL["notifications"])
    return DatabaseFigures(
        names={
            row["key"]: MonitorName(row["slug"], row["service"], row["monitor"]) for row in names
        },
        engines={(row["region"], row["state"]): row["number"] for row in engines},
        monitors={MonitorState(row["state"]): row["number"] for row in monitors},
        incidents={Impact(row["impact"]): row["number"] for row in incidents},
        notifications={
            (row["channel"], outcome): int(row[outcome])
            for row in notifications
            for outcome in _OUTCOMES
        },
    )
