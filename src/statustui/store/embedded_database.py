"""Makes the one database of a new embedded server, whoever of several starters comes first."""

from __future__ import annotations

import asyncpg

from statustui.store.connection import ConnectionTarget, connect
from statustui.store.errors import translated
from statustui.store.queries import load

DATABASE_NAME = "statustui"


async def ensure_database(maintenance: ConnectionTarget) -> bool:
    """Create the database when it is not there.

    Args:
        maintenance: connects to the server's `postgres` database as its superuser.

    Returns:
        Whether this call created it.

    Raises:
        DatabaseUnavailable: the server cannot be reached.
    """
    queries = load("embedded")
    connection = await connect(maintenance)
    try:
        with translated(maintenance.label):
            if await connection.fetchval(queries["database_exists"]):
                return False
            try:
                await connection.execute(queries["create_database"])
            except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                # Another starter was quicker; either error is how the server says so.
                return False
            return True
    finally:
        await connection.close()
