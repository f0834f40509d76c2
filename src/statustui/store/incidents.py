"""Reads incidents: in lists, on the first screen, and one whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import asyncpg

from statustui.domain.errors import NotFound
from statustui.domain.fields import shown
from statustui.domain.readmodels import (
    AffectedService,
    HeldPost,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    PageInfo,
    PendingPost,
)
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.domain.text import nearest
from statustui.store import evidence, organizations, queries, timelines
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("incidents")

_CODE = re.compile(r"(?:INC-)?([0-9A-HJKMNP-TV-Z]{4,10})", re.ASCII)


async def load_open_and_recent(
    connection: PoolConnection, org_id: int
) -> tuple[IncidentSummary, ...]:
    """Open incidents, then those resolved within the last day; newest first."""
    rows = await connection.fetch(_SQL["find_open_and_recent"], org_id)
    return await summaries(connection, org_id, [row["id"] for row in rows])


async def load_incidents(
    pool: Pool,
    org_id: int,
    *,
    status: IncidentStatus | None,
    impact: Impact | None,
    service_id: UUID | None,
    open_only: bool,
    limit: int,
    before: datetime | None,
) -> tuple[IncidentSummary, ...]:
    """Incidents that fit, newest first."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        rows = await connection.fetch(
            _SQL["find_incidents"], org_id, status, impact, service_id, open_only, before, limit
        )
        return await summaries(connection, org_id, [row["id"] for row in rows])


async def find_incident(pool: Pool, org_id: int, code: str) -> IncidentSummary:
    """One incident without its timeline."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        return await summary_of(connection, org_id, code)


async def load_incident(pool: Pool, org_id: int, code: str) -> IncidentDetail:
    """One incident whole."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        summary = await summary_of(connection, org_id, code)
        rows = await connection.fetch(_SQL["load_updates"], org_id, summary.id)
        return IncidentDetail(
            summary=summary,
            updates=tuple(_update(row) for row in rows if row["kind"] != "event"),
            timeline=await timelines.incident_timeline(connection, org_id, summary),
            evidence=await evidence.first_evidence(connection, org_id, summary),
            postmortem=await connection.fetchval(_SQL["load_postmortem"], org_id, summary.id),
            pages=await _pages(connection, org_id, summary),
            held=await _held(connection, org_id, summary),
        )


async def summary_of(connection: PoolConnection, org_id: int, code: str) -> IncidentSummary:
    """One incident inside a transaction.

    Raises:
        NotFound: no such incident, also when the code is malformed.
    """
    wanted, incident_id = read_code(code)
    if wanted is not None:
        incident_id = await connection.fetchval(_SQL["find_by_code"], org_id, wanted)
    if incident_id is not None:
        for summary in await summaries(connection, org_id, [incident_id]):
            return summary
    near = None
    if wanted is not None:
        codes = [row["code"] for row in await connection.fetch(_SQL["recent_codes"], org_id)]
        near = nearest(wanted, codes)
    raise NotFound(
        f"no incident {shown(code)} in this organization",
        advice=f"did you mean {near}?" if near else "`statustui incident list` shows them",
    )


def read_code(text: str) -> tuple[str | None, UUID | None]:
    """An incident's code or id as somebody typed it; nothing for what can be neither."""
    plain = text.strip()
    found = _CODE.fullmatch(plain.upper())
    if found is not None:
        return f"INC-{found[1]}", None
    try:
        return None, UUID(plain)
    except ValueError:
        return None, None


async def summaries(
    connection: PoolConnection, org_id: int, ids: Sequence[UUID]
) -> tuple[IncidentSummary, ...]:
    """These incidents in this order, with the services they concern; deleted ones are left out."""
    if not ids:
        return ()
    rows = await connection.fetch(_SQL["load_summaries"], org_id, ids)
    found = await connection.fetch(_SQL["load_affected"], org_id, ids)
    affected = {
        incident: tuple(map(_affected, group))
        for incident, group in groupby(found, itemgetter("incident_id"))
    }
    return tuple(_summary(row, affected.get(row["id"], ())) for row in rows)


async def _pages(
    connection: PoolConnection, org_id: int, summary: IncidentSummary
) -> tuple[PageInfo, ...]:
    """The pages on which the incident shows, or would: those with one of its visible services."""
    visible = {service.id for service in summary.services if service.is_visible}
    return tuple(
        page
        for page in await organizations.pages(connection, org_id)
        if visible and (page.service_ids is None or visible.intersection(page.service_ids))
    )


async def _held(
    connection: PoolConnection, org_id: int, summary: IncidentSummary
) -> HeldPost | None:
    row = await connection.fetchrow(_SQL["load_held"], org_id, summary.id)
    if row is None:
        return None
    return HeldPost(
        status=IncidentStatus(row["status"]),
        message=row["message"],
        held_at=row["refused_at"],
        refusal=row["refusal"],
        moved_to=IncidentStatus(row["moved_to"]) if row["moved_to"] else None,
        moved_at=row["moved_at"],
    )


def _affected(row: asyncpg.Record) -> AffectedService:
    return AffectedService(
        id=row["service_id"],
        name=row["name"],
        is_visible=row["is_visible"],
        from_status=ServiceStatus(row["from_status"]),
        to_status=ServiceStatus(row["to_status"]),
        status=ServiceStatus(row["current_status"]),
    )


def _summary(row: asyncpg.Record, services: tuple[AffectedService, ...]) -> IncidentSummary:
    return IncidentSummary(
        id=row["id"],
        code=row["code"],
        title=row["title"],
        internal_title=row["internal_title"],
        status=IncidentStatus(row["status"]),
        impact=Impact(row["impact"]),
        is_auto=row["is_auto"],
        is_public=row["is_public"],
        version=row["version"],
        started_at=row["started_at"],
        identified_at=row["identified_at"],
        monitoring_at=row["monitoring_at"],
        resolved_at=row["resolved_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        created_by=row["created_by"],
        lead=row["lead"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_until=row["acknowledged_until"],
        snoozed_until=row["snoozed_until"],
        next_update_by=row["next_update_by"],
        told_at=row["told_at"],
        told_by=row["told_by"],
        services=services,
        cause_service_id=row["cause_service_id"],
        pending=_pending(row),
        after_the_fact=row["is_retroactive"],
        draft=row["draft"],
        draft_due_at=row["draft_due_at"],
        held_by=row["held_by"],
    )


def _pending(row: asyncpg.Record) -> PendingPost | None:
    if row["pending_id"] is None:
        return None
    return PendingPost(
        id=row["pending_id"],
        author=row["pending_author"],
        status=IncidentStatus(row["pending_status"]),
        message=row["pending_message"],
        public_at=row["public_at"],
        notify_at=row["notify_at"],
        created_at=row["pending_created_at"],
    )


def _update(row: asyncpg.Record) -> IncidentUpdate:
    return IncidentUpdate(
        id=row["id"],
        status=IncidentStatus(row["status"]),
        message=row["message"],
        is_public=row["is_public"],
        author=row["author"],
        created_at=row["created_at"],
        edited_at=row["edited_at"],
        next_update_by=row["next_update_by"],
        still_works=row["still_works"],
        detected_automatically=row["author"] is None,
    )
