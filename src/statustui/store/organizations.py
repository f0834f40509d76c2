"""Reads who the person is here, their pages, and who watches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import asyncpg

from statustui.domain.errors import NotFound
from statustui.domain.readmodels import EngineInfo, Organization, PageInfo, WatchInfo
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
    """The engines' rows as the value that others know."""
    rows = await connection.fetch(_SQL["load_watch"])
    if not rows:
        return None
    infos = [json.loads(row["info"]) for row in rows]
    living = [(row, info) for row, info in zip(rows, infos, strict=True) if row["is_alive"]]
    of_region: Counter[str] = Counter()
    for row, info in living:
        of_region[row["region"]] += int(info.get("monitors") or 0)
    engines = tuple(_engine(row, info, of_region) for row, info in living)
    first = engines[0] if engines else _engine(rows[0], infos[0], of_region)
    others = len(engines) - 1
    return WatchInfo(
        holder=first.holder if others < 1 else f"{first.holder} and {others} more",
        alive=bool(engines),
        heartbeat_at=max(row["heartbeat_at"] for row in rows),
        started_at=first.started_at,
        behind_seconds=max((engine.behind_seconds for engine in engines), default=0.0),
        offline=bool(engines) and all(engine.offline for engine in engines),
        spooled_results=sum(engine.spooled_results for engine in engines),
        engines=engines,
    )


def _engine(row: asyncpg.Record, info: Mapping[str, Any], of_region: Counter[str]) -> EngineInfo:
    monitors = int(info.get("monitors") or 0)
    return EngineInfo(
        holder=str(info.get("holder") or f"{row['host']}:{row['process_id']}"),
        host=row["host"],
        region=row["region"],
        monitors=monitors,
        share=monitors / max(1, of_region[row["region"]]),
        behind_seconds=float(row["behind_seconds"]),
        started_at=row["started_at"],
        heartbeat_at=row["heartbeat_at"],
        clock_skew_seconds=float(info.get("clock_skew_seconds") or 0.0),
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
