"""Notes that a job ran, and reads when it last said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from statustui.domain.errors import NotFound, ValidationFailed
from statustui.domain.fields import shown
from statustui.domain.heartbeat import Beats
from statustui.domain.text import clean, nearest, shorten
from statustui.store import queries
from statustui.store.connection import Connection, Pool, transaction
from statustui.store.errors import translated

_SQL = queries.load("beats")

MESSAGE_MOST = 500


@dataclass(frozen=True, slots=True)
class NotedBeat:
    """A beat as it was noted.

    Attributes:
        monitor: "Service/monitor"; at: on the database's clock.
    """

    monitor: str
    at: datetime
    is_ok: bool
    message: str


async def note_beat(
    connection: Connection, name: str, *, org: str | None, is_ok: bool, message: str, label: str
) -> NotedBeat:
    """Notes a beat of the job that a name means.

    Args:
        connection: of the job's own role.
        name: "Service/monitor", a heartbeat monitor's name where it is the only one, or its id.
        org: slug of the organization, None for whichever this role belongs to.
        is_ok: whether the job went well.
        message: a line about it, cut to `MESSAGE_MOST` characters; may be empty.
        label: the database's name for people.

    Raises:
        NotFound: no monitor answers to the name.
        ValidationFailed: several do, or the one is no heartbeat.
        Forbidden: this role is a viewer.
        DatabaseUnavailable: the beat was not noted.
    """
    wanted = clean(name)
    said = shorten(clean(message), MESSAGE_MOST)
    with translated(label):
        rows = await connection.fetch(_SQL["find"], wanted, org)
        found = _choose(rows, wanted)
        if found is None:
            names = [row["address"] for row in await connection.fetch(_SQL["names"], org)]
            raise _nobody(name, wanted, names)
        at: datetime = await connection.fetchval(_SQL["beat"], found["id"], is_ok, said or None)
    return NotedBeat(f"{found['service_name']}/{found['name']}", at, is_ok, said)


def _choose(rows: Sequence[Any], wanted: str) -> Any:
    """The one row that is meant, None when there is none.

    Raises:
        ValidationFailed: several are meant, or the one takes no beats.
    """
    beating = [row for row in rows if row["type"] == "heartbeat"]
    if not beating:
        if not rows:
            return None
        address = f"{rows[0]['service_name']}/{rows[0]['name']}"
        raise ValidationFailed(
            f"{address} is of type {rows[0]['type']}, and only heartbeat monitors take beats"
        )
    exact = [
        row for row in beating if wanted in (str(row["id"]), f"{row['service_name']}/{row['name']}")
    ]
    found = exact or beating
    if len(found) > 1:
        several = ", ".join(f"{row['service_name']}/{row['name']}" for row in found)
        advice = "name it as Service/monitor"
        if len({row["slug"] for row in found}) > 1:
            advice += ", and the organization with `statustui --org SLUG beat …`"
        raise ValidationFailed(f"{shown(wanted)} is ambiguous: {several}", advice=advice)
    return found[0]


def _nobody(name: str, wanted: str, names: list[str]) -> NotFound:
    near = nearest(wanted, [*names, *(each.partition("/")[2] for each in names)])
    return NotFound(
        f"no heartbeat monitor {shown(name)}",
        advice=f"did you mean {near}?" if near else "`statustui monitor list` shows them",
    )


async def load_beats(pool: Pool, monitor_id: UUID) -> Beats:
    """What is known of one monitor's job."""
    async with transaction(pool, readonly=True) as connection:
        row = await connection.fetchrow(_SQL["load"], monitor_id)
    if row is None:
        raise NotFound("no such heartbeat monitor in this organization")
    return Beats(
        now=row["now"],
        expected_from=row["expected_from"],
        last_at=row["last_at"],
        is_ok=row["is_ok"] is not False,
        message=row["message"] or "",
    )
