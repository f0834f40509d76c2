"""Reads who the person is here, their pages, and who watches."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from statustui.domain.errors import NotFound
from statustui.domain.readmodels import Organization, PageInfo, WatchInfo
from statustui.domain.status import AutomaticIncidents, Role, Visibility
from statustui.store import queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("organizations")


async def load_organizations(pool: Pool) -> tuple[Organization, ...]:
    """The organizations of the person who connected, by name."""
    async with transaction(pool, readonly=True) as connection:
        return tuple(map(organization, await connection.fetch(_SQL["load_organizations"])))


async def load_watch(pool: Pool) -> WatchInfo | None:
    """Who checks at present or did last."""
    async with transaction(pool, readonly=True) as connection:
        return await watch(connection)


async def organization_row(connection: PoolConnection, org_id: int) -> asyncpg.Record:
    """The organization with `operator` (the role's name) and `read_at` (the database's clock).

    Raises:
        NotFound: this person is no member of it.
    """
    row = await connection.fetchrow(_SQL["load_organization"], org_id)
    if row is None:
        raise NotFound(
            "no such organization that you belong to",
            advice="an owner can add you with your database role's name",
        )
    return row


def organization(row: asyncpg.Record) -> Organization:
    """A row as the value that others know."""
    return Organization(
        id=row["org_id"],
        slug=row["slug"],
        name=row["name"],
        timezone=row["timezone"],
        brand_color=row["brand_color"],
        plan=row["plan"],
        automatic_incidents=AutomaticIncidents(row["automatic_incidents"]),
        recovery_watch_seconds=row["recovery_watch_seconds"],
        public_base_url=row["public_base_url"],
        role=Role(row["role"]),
        channel_key=row["channel_key"],
    )


async def watch(connection: PoolConnection) -> WatchInfo | None:
    """The row of the lease as the value that others know."""
    row = await connection.fetchrow(_SQL["load_watch"])
    if row is None:
        return None
    info: dict[str, Any] = json.loads(row["info"])
    host = info.get("host") or row["host"] or "?"
    process = info.get("process_id") or row["process_id"] or "?"
    return WatchInfo(
        holder=str(info.get("holder") or f"{host}:{process}"),
        alive=row["is_alive"],
        heartbeat_at=row["heartbeat_at"],
        started_at=row["started_at"],
        behind_seconds=float(info.get("behind_seconds") or 0.0),
        offline=row["is_offline"],
        spooled_results=int(info.get("spooled_results") or 0),
    )


async def pages(connection: PoolConnection, org_id: int) -> tuple[PageInfo, ...]:
    """The organization's pages, the first one first."""
    return tuple(
        PageInfo(
            slug=row["slug"],
            name=row["name"],
            visibility=Visibility(row["visibility"]),
            service_ids=None if row["service_ids"] is None else tuple(row["service_ids"]),
        )
        for row in await connection.fetch(_SQL["load_pages"], org_id)
    )
