"""What people do to incidents: open, post, take back, acknowledge; the schema decides."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from statustui.domain.errors import Conflict, NotFound
from statustui.domain.posting import (
    AskedStatus,
    IncidentInput,
    PostReceipt,
    TakenBack,
    UpdateInput,
    prepare_incident,
    prepare_update,
)
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.domain.text import clean
from statustui.store import incidents, queries
from statustui.store.connection import Pool, PoolConnection, fetch_one, transaction

_SQL = queries.load("posts")


async def create_incident(
    pool: Pool,
    org_id: int,
    given: IncidentInput,
    *,
    delay_seconds: float,
    notify_delay_seconds: float,
) -> PostReceipt:
    """Open an incident."""
    given = prepare_incident(given)
    ids, statuses = _asked(given.services)
    async with transaction(pool) as connection:
        row = await fetch_one(
            connection,
            _SQL["create_incident"],
            org_id,
            given.title,
            given.impact,
            given.message,
            ids,
            statuses,
            given.status,
            given.is_public,
            given.internal_title or None,
            given.next_update_by,
            given.still_works,
            given.started_at,
            given.resolved_at,
            delay_seconds,
            notify_delay_seconds,
        )
        post = await connection.fetchrow(_SQL["load_post"], row["post_id"])
        waiting = post is not None and post["is_waiting"]
        return PostReceipt(
            code=row["code"],
            post_id=row["post_id"],
            public_at=row["public_at"] if given.is_public else None,
            version=row["version"],
            is_waiting=waiting,
        )


async def post_update(
    pool: Pool,
    org_id: int,
    code: str,
    given: UpdateInput,
    *,
    public_delay_seconds: float,
    notify_delay_seconds: float,
) -> PostReceipt:
    """Post to an incident."""
    given = prepare_update(given)
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        if given.status is None and not given.is_public:
            await connection.fetchval(_SQL["add_note"], summary.id, given.message)
            return PostReceipt(summary.code, None, None, summary.version, False)
        ids, statuses = _asked(given.services or ())
        row = await fetch_one(
            connection,
            _SQL["post_update"],
            summary.id,
            given.message,
            given.status,
            given.is_public,
            given.base_version,
            given.next_update_by,
            given.still_works,
            ids,
            statuses,
            given.title,
            given.impact,
            public_delay_seconds,
            notify_delay_seconds,
        )
        return PostReceipt(
            code=summary.code,
            post_id=row["post_id"],
            public_at=row["public_at"] if given.is_public else None,
            version=row["version"],
            is_waiting=row["is_waiting"],
        )


def _asked(services: tuple[AskedStatus, ...]) -> tuple[list[UUID], list[str | None]]:
    return [service for service, _ in services], [status for _, status in services]


async def take_back(pool: Pool, org_id: int, post_id: UUID) -> TakenBack:
    """Take a waiting post back."""
    async with transaction(pool) as connection:
        await _require_post(connection, org_id, post_id)
        row = await fetch_one(connection, _SQL["take_back"], post_id)
        return TakenBack(
            incident_code=row["code"],
            status=IncidentStatus(row["status"]),
            message=row["message"],
            is_public=row["is_public"],
            base_version=row["version"],
            next_update_by=row["next_update_by"],
            still_works=row["still_works"],
            title=row["title"],
            services=tuple(
                (service, ServiceStatus(status) if status else None)
                for service, status in zip(row["service_ids"], row["service_statuses"], strict=True)
            ),
            is_opening=row["is_opening"],
        )


async def release(pool: Pool, org_id: int, post_id: UUID) -> None:
    """Make a waiting post public at once."""
    async with transaction(pool) as connection:
        await _require_post(connection, org_id, post_id)
        refusal = await connection.fetchval(_SQL["release"], post_id)
    # Raised after the commit: that the post was refused is to stay written.
    if refusal is not None:
        raise Conflict(f"the post was not applied: {refusal}")


async def _require_post(connection: PoolConnection, org_id: int, post_id: UUID) -> None:
    if not await connection.fetchval(_SQL["is_post_of"], org_id, post_id):
        raise NotFound("no such post in this organization")


async def apply_due_posts(pool: Pool) -> int:
    """Apply every post whose moment has come."""
    async with transaction(pool) as connection:
        return int(await connection.fetchval(_SQL["apply_due_posts"]))


async def acknowledge(pool: Pool, org_id: int, code: str, minutes: int | None) -> datetime:
    """Acknowledge an incident."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        until: datetime = await connection.fetchval(_SQL["acknowledge"], summary.id, minutes)
        return until


async def release_acknowledgement(pool: Pool, org_id: int, code: str) -> None:
    """End an acknowledgement."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        await connection.fetchval(_SQL["release_acknowledgement"], summary.id)


async def snooze(pool: Pool, org_id: int, code: str, until: datetime | None) -> None:
    """Silence an incident until a time; None ends it."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        await connection.fetchval(_SQL["snooze"], summary.id, until)


async def hold_incident(pool: Pool, org_id: int, code: str, *, hold: bool) -> None:
    """Hold the words of a guarded incident, or let them go."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        await connection.fetchval(_SQL["hold"], summary.id, hold)


async def publish_incident(pool: Pool, org_id: int, code: str) -> None:
    """Publish an internal incident as it stands."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        await connection.fetchval(_SQL["publish"], summary.id)


async def edit_incident(
    pool: Pool,
    org_id: int,
    code: str,
    *,
    title: str | None,
    internal_title: str | None,
    impact: Impact | None,
    lead: str | None,
    base_version: int | None,
) -> None:
    """Change what is given."""
    async with transaction(pool) as connection:
        summary = await incidents.summary_of(connection, org_id, code)
        await connection.fetchval(
            _SQL["edit"],
            summary.id,
            None if title is None else clean(title),
            None if internal_title is None else clean(internal_title),
            impact,
            lead,
            base_version,
        )
