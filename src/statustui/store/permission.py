"""Says who may, where the database only lets nothing happen: an update of a row that policies hide
from writing touches no row and raises no error."""

from __future__ import annotations

from statustui.domain.errors import Forbidden, NotFound
from statustui.domain.status import Role
from statustui.store import queries
from statustui.store.connection import PoolConnection, fetch_one

_SQL = queries.load("services")


async def require_role(connection: PoolConnection, org_id: int, needed: Role, what: str) -> None:
    """Refuses with the names of those who may.

    The policies decide all the same; this only finds the words.

    Args:
        connection: inside a transaction.
        org_id: the organization.
        needed: the least role.
        what: what was to be done ("edit services").

    Raises:
        Forbidden: the role is too small. NotFound: this person is no member.
    """
    row = await fetch_one(connection, _SQL["who_may"], org_id, needed)
    if row["role"] is None:
        raise NotFound("no such organization that you belong to")
    role = Role(row["role"])
    if not role.at_least(needed):
        people = ", ".join(row["people"])
        raise Forbidden(
            f"you are {role} here; to {what} needs {needed}", advice=f"ask one of: {people}"
        )
