"""Notes a beat over one connection: cron starts it every minute, so it loads and opens little."""

from __future__ import annotations

from statustui.runtime.database import open_database
from statustui.settings import Settings
from statustui.store.beats import NotedBeat, note_beat
from statustui.store.connection import STATEMENT_SECONDS, connect


async def beat(settings: Settings, name: str, *, is_ok: bool, message: str) -> NotedBeat:
    """Note that a job ran.

    The database is taken as it is: a job neither prepares nor migrates one.

    Args:
        settings: all settings.
        name: which monitor is meant.
        is_ok: whether the job went well; message: a line about it.

    Raises:
        NotFound, ValidationFailed, Forbidden, DatabaseUnavailable: nothing was noted.
    """
    async with open_database(settings, prepare=False) as database:
        connection = await connect(database.operator, statement_seconds=STATEMENT_SECONDS)
        try:
            return await note_beat(
                connection,
                name,
                org=settings.org,
                is_ok=is_ok,
                message=message,
                label=database.label,
            )
        finally:
            await connection.close(timeout=1)
