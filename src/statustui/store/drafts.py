"""Keeps what somebody is still writing, so that it outlives a dropped line."""

from __future__ import annotations

import json
from uuid import UUID

from statustui.domain.readmodels import Draft
from statustui.store import incidents, queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("drafts")


async def save_draft(pool: Pool, org_id: int, draft: Draft) -> None:
    """Keep a text; it replaces the one of the same incident and kind."""
    async with transaction(pool) as connection:
        await connection.execute(
            _SQL["save"],
            org_id,
            await _incident(connection, org_id, draft.incident_code),
            draft.kind,
            draft.base_version,
            json.dumps({name: _storable(text) for name, text in draft.fields.items()}),
        )


async def load_drafts(pool: Pool, org_id: int) -> tuple[Draft, ...]:
    """This person's drafts, newest first."""
    async with transaction(pool, readonly=True) as connection:
        return tuple(
            Draft(
                incident_code=row["code"],
                base_version=row["base_version"] or 0,
                fields={str(name): str(text) for name, text in json.loads(row["body"]).items()},
                saved_at=row["updated_at"],
                kind=row["kind"],
            )
            for row in await connection.fetch(_SQL["load"], org_id)
        )


async def delete_draft(pool: Pool, org_id: int, incident_code: str | None, kind: str) -> None:
    """Forget a draft; nothing happens when there is none."""
    async with transaction(pool) as connection:
        incident_id = await _incident(connection, org_id, incident_code)
        await connection.execute(_SQL["delete"], org_id, incident_id, kind)


async def _incident(connection: PoolConnection, org_id: int, code: str | None) -> UUID | None:
    if code is None:
        return None
    return (await incidents.summary_of(connection, org_id, code)).id


def _storable(text: str) -> str:
    # A draft is kept as typed, but for what no database text can hold.
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
