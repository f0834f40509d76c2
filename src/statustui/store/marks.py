"""Notes that something changed, and reads what was noted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from statustui.domain.errors import Problem
from statustui.domain.fields import require_valid
from statustui.domain.readmodels import Mark
from statustui.domain.status import Role
from statustui.domain.text import clean
from statustui.store import permission, queries
from statustui.store.connection import Pool, fetch_one, transaction

_SQL = queries.load("marks")

TEXT_MOST = 500
SOURCE_MOST = 255
LINK_MOST = 2_000


async def add_mark(
    pool: Pool,
    org_id: int,
    text: str,
    *,
    services: Sequence[UUID],
    source: str | None,
    link: str | None,
    at: datetime | None,
) -> Mark:
    """Note that something changed."""
    problems: list[Problem] = []
    text = clean(text)
    source = clean(source or "") or None
    link = clean(link or "") or None
    if not text:
        problems.append(Problem("must not be empty", ("text",)))
    for field, value, most in (
        ("text", text, TEXT_MOST),
        ("source", source, SOURCE_MOST),
        ("link", link, LINK_MOST),
    ):
        if value is not None and len(value) > most:
            problems.append(
                Problem(f"has {len(value):,} characters; at most {most:,} are allowed", (field,))
            )
    if link is not None and not link.startswith(("http://", "https://")):
        problems.append(Problem("begins with http:// or https://", ("link",)))
    require_valid(problems, "the mark")
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.MEMBER, "set marks")
        mark_id = await connection.fetchval(_SQL["add"], org_id, at, text, source, link)
        if services:
            await connection.execute(
                _SQL["add_services"], org_id, mark_id, list(dict.fromkeys(services))
            )
        return read_mark(await fetch_one(connection, _SQL["load"], org_id, None, mark_id))


async def load_marks(pool: Pool, org_id: int, since: datetime) -> tuple[Mark, ...]:
    """What was noted since then, newest first."""
    async with transaction(pool, readonly=True) as connection:
        return tuple(map(read_mark, await connection.fetch(_SQL["load"], org_id, since, None)))


def read_mark(row: asyncpg.Record) -> Mark:
    """A row with a mark's columns and the names of its services."""
    return Mark(
        id=row["id"],
        at=row["at"],
        text=row["text"],
        source=row["source"],
        link=row["link"],
        services=tuple(row["services"]),
        author=row["author"],
    )
