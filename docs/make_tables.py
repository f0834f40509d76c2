"""Writes docs/reference/tables.md from a migrated database, so that the two cannot differ."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import asyncpg

from statustui.store.bootstrap import initialise
from statustui.store.embedded import EmbeddedServer

TARGET = Path(__file__).parent / "reference" / "tables.md"

INTRODUCTION = """# Tables and views

Made from the migrations by `python docs/make_tables.py`; do not edit by hand.

Everything lies in the schema `statustui`. Operators connect as their own role and see the rows of
their organizations; the public page reads the `public_` views and nothing else. What the tables
decide, and why, is in [data.md](../data.md).
"""

_RELATIONS = """
SELECT c.oid, c.relname AS name, c.relkind::text AS kind, obj_description(c.oid) AS words
FROM pg_class AS c
WHERE c.relnamespace = 'statustui'::regnamespace
  AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
ORDER BY c.relkind = 'v', c.relname
"""

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS is_required, col_description(a.attrelid, a.attnum) AS words
FROM pg_attribute AS a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


async def page(connection: asyncpg.Connection) -> str:
    """The page's text.

    Args:
        connection: to a migrated database, as its superuser.
    """
    parts = [INTRODUCTION]
    for relation in await connection.fetch(_RELATIONS):
        is_view = relation["kind"] == "v"
        words = f"{relation['words']}\n\n" if relation["words"] else ""
        parts.append(f"\n## `{relation['name']}`{' (view)' if is_view else ''}\n\n{words}")
        parts.append("| column | type | |\n|---|---|---|\n")
        for column in await connection.fetch(_COLUMNS, relation["oid"]):
            kind = column["type"].replace("timestamp with time zone", "timestamptz")
            optional = not (is_view or column["is_required"])
            note = "; ".join(
                part
                for part in ("may be absent" if optional else "", column["words"] or "")
                if part
            )
            parts.append(f"| `{column['name']}` | {kind} | {note} |\n")
    return "".join(parts)


async def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "data", durable=False)
        endpoint = await server.start()
        try:
            connection = await asyncpg.connect(**endpoint.dsn_parameters("postgres", "postgres"))
            try:
                await initialise(connection)
                TARGET.write_text(await page(connection), encoding="utf-8")
            finally:
                await connection.close()
        finally:
            await server.stop_if_last()


if __name__ == "__main__":
    asyncio.run(_write())
