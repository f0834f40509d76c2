"""Somebody with a login who means harm: holds what locks there are, and announces nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.stage import Stage
from tests.support.databases import Database

_NOTES_AT_ONCE = 50
_ROW_LOCKS = ("FOR UPDATE", "FOR SHARE")


@dataclass(slots=True)
class Mallory:
    """What was achieved.

    Attributes:
        locks: by name, those that were got; refused: those that were not.
        announcements: how many were sent.
    """

    locks: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    announcements: int = 0


@asynccontextmanager
async def hostile_member(stage: Stage, database: Database, part: str) -> AsyncIterator[Mallory]:
    """Lets somebody in who does harm until the end of the block.

    Args:
        stage: what is harmed; database: where; part: "viewer", "member" or "admin".
    """
    role = database.person(f"mallory_{part}")
    await stage.execute(f"CREATE ROLE {role} LOGIN IN ROLE statustui_operator")
    await stage.execute("INSERT INTO statustui.users (role_name) VALUES ($1)", role)
    await stage.execute(
        "INSERT INTO statustui.members (org_id, role_name, role)"
        " SELECT org_id, $1, $2 FROM statustui.organizations",
        role,
        part,
    )
    mallory = Mallory()
    async with contextlib.AsyncExitStack() as stack:
        tables = [
            row["name"]
            for row in await stage.execute(
                "SELECT quote_ident(tablename) AS name FROM pg_tables"
                " WHERE schemaname = 'statustui' ORDER BY tablename"
            )
        ]
        with stage.trouble(f"hostile {part}"):
            # Whatever is held is held for as long as its session does nothing else.
            for table in tables:
                await _lock_rows(stack, database, role, mallory, table)
            await _lock_by_number(stack, database, role, mallory)
            shouting = asyncio.create_task(_shout(database, role, mallory))
            listening = await _connect(stack, database, role)
            # Listens and never reads again, as a terminal does whose line is dead.
            await listening.execute("BEGIN; LISTEN statustui; COMMIT")
            try:
                yield mallory
            finally:
                shouting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await shouting


async def _connect(
    stack: contextlib.AsyncExitStack, database: Database, role: str
) -> asyncpg.Connection:
    connection = await asyncpg.connect(**database.parameters(role))
    stack.callback(connection.terminate)
    return connection


async def _lock_rows(
    stack: contextlib.AsyncExitStack,
    database: Database,
    role: str,
    mallory: Mallory,
    table: str,
) -> None:
    connection = await _connect(stack, database, role)
    await connection.execute("SET lock_timeout = '200ms'")
    for lock in _ROW_LOCKS:
        await connection.execute("BEGIN")
        try:
            rows = await connection.fetch(f"SELECT 1 FROM statustui.{table} {lock}")
        except asyncpg.PostgresError:
            mallory.refused.append(f"{table} {lock}")
            await connection.execute("ROLLBACK")
            continue
        if rows:
            mallory.locks.append(f"{table} {lock}: {len(rows)} rows")
            return
        await connection.execute("ROLLBACK")
    await connection.close()


async def _lock_by_number(
    stack: contextlib.AsyncExitStack, database: Database, role: str, mallory: Mallory
) -> None:
    connection = await _connect(stack, database, role)
    await connection.execute("SELECT pg_advisory_lock(n) FROM generate_series(-10, 1000) n")
    mallory.locks.append("advisory locks")


async def _shout(database: Database, role: str, mallory: Mallory) -> None:
    """Sends announcements that are none, and such as others would send, without a pause."""
    connection = await asyncpg.connect(**database.parameters(role))
    try:
        words = [
            "",
            "*",
            "*:",
            "*:leases",
            "*:engines",
            "*:configuration",
            "x" * 7_000,
            "é:\x1b[2J",
        ]
        number = 0
        while True:
            for word in words:
                await connection.execute(
                    "SELECT pg_notify('statustui', $1 || CASE WHEN n % 2 = 0 THEN '' ELSE n::text"
                    " END) FROM generate_series(1, $2::int) n",
                    word,
                    _NOTES_AT_ONCE,
                )
                number += _NOTES_AT_ONCE
                mallory.announcements = number
                await asyncio.sleep(0.02)
    finally:
        connection.terminate()
