"""Finds services by what people call them, and writes what people change about them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from statustui.domain.errors import NotFound, Problem, ValidationFailed
from statustui.domain.fields import require_valid, shown
from statustui.domain.readmodels import ServiceRow
from statustui.domain.status import Role, ServiceStatus
from statustui.domain.text import clean, nearest
from statustui.store import board, incidents, permission, queries
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("services")

NAME_MOST = 255
DESCRIPTION_MOST = 5_000


async def find_service(pool: Pool, org_id: int, name_or_id: str) -> ServiceRow:
    """The service of that name or id."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        service_id = await find_id(connection, org_id, name_or_id)
        return await load_row(connection, org_id, service_id)


async def load_row(connection: PoolConnection, org_id: int, service_id: UUID) -> ServiceRow:
    """One service as on the board.

    Raises:
        NotFound: no such service.
    """
    summaries = await incidents.load_open_and_recent(connection, org_id)
    around = await board.find_neighbours(connection, org_id, service_id)
    for row in await board.load_services(connection, org_id, summaries, around):
        if row.id == service_id:
            return row
    raise NotFound("no such service in this organization")


async def find_id(connection: PoolConnection, org_id: int, name_or_id: str) -> UUID:
    """The id of the service that a name or an id means.

    Raises:
        NotFound: none answers to it.
        ValidationFailed: several names differ only in case, and none is written so.
    """
    wanted = clean(name_or_id)
    rows = await connection.fetch(_SQL["find"], org_id, wanted, as_id(wanted))
    exact = [row for row in rows if row["name"] == wanted or str(row["id"]) == wanted.lower()]
    found = exact or rows
    if len(found) == 1:
        service_id: UUID = found[0]["id"]
        return service_id
    if found:
        names = ", ".join(row["name"] for row in found)
        raise ValidationFailed(f"{shown(name_or_id)} is ambiguous: {names}")
    names_known = [row["name"] for row in await connection.fetch(_SQL["load_names"], org_id)]
    near = nearest(wanted, names_known)
    raise NotFound(
        f"no service {shown(name_or_id)} in this organization",
        advice=f"did you mean {near}?" if near else "`statustui service list` shows them",
    )


def as_id(text: str) -> UUID | None:
    """A UUID as somebody typed it, None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def add_service(
    pool: Pool,
    org_id: int,
    name: str,
    *,
    group_name: str | None,
    description: str | None,
    display_order: int | None,
    is_visible: bool,
    depends_on: Sequence[UUID],
) -> UUID:
    """Create a service."""
    problems: list[Problem] = []
    texts = _texts(problems, name=name, group_name=group_name, description=description)
    if not texts["name"]:
        problems.append(Problem("must not be empty", ("name",)))
    require_valid(problems, "the service")
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.MEMBER, "create services")
        service_id: UUID = await connection.fetchval(
            _SQL["add"],
            org_id,
            texts["name"],
            texts["group_name"] or None,
            texts["description"] or None,
            display_order,
            is_visible,
        )
        if depends_on:
            await permission.require_role(connection, org_id, Role.ADMIN, "set dependencies")
            await connection.execute(_SQL["add_dependencies"], org_id, service_id, list(depends_on))
        return service_id


async def edit_service(
    pool: Pool,
    org_id: int,
    service_id: UUID,
    *,
    name: str | None,
    group_name: str | None,
    description: str | None,
    display_order: int | None,
    is_visible: bool | None,
) -> None:
    """Change what is given."""
    problems: list[Problem] = []
    texts = _texts(problems, name=name, group_name=group_name, description=description)
    if texts["name"] == "":
        problems.append(Problem("must not be empty", ("name",)))
    require_valid(problems, "the service")
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "edit services")
        changed = await connection.fetchval(
            _SQL["edit"],
            org_id,
            service_id,
            texts["name"],
            texts["group_name"],
            texts["description"],
            display_order,
            is_visible,
        )
        if changed is None:
            raise NotFound("no such service in this organization")


async def set_pinned(
    pool: Pool, org_id: int, service_id: UUID, status: ServiceStatus | None
) -> None:
    """Set a status by hand, or take it away with None."""
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "pin a status")
        if await connection.fetchval(_SQL["set_pinned"], org_id, service_id, status) is None:
            raise NotFound("no such service in this organization")


def _texts(problems: list[Problem], **given: str | None) -> dict[str, str | None]:
    cleaned: dict[str, str | None] = {}
    for field, text in given.items():
        most = DESCRIPTION_MOST if field == "description" else NAME_MOST
        value = None if text is None else clean(text, multiline=field == "description")
        if value is not None and len(value) > most:
            problems.append(
                Problem(f"has {len(value):,} characters; at most {most:,} are allowed", (field,))
            )
        cleaned[field] = value
    return cleaned
