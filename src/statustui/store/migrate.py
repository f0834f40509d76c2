"""Brings the schema forward: numbered SQL files, each applied once, in order, never edited later.

Every migration runs as the owner's role in a transaction of its own that first locks the ledger, so
that any number of processes may start at once: one applies, the others wait and find nothing to do.
The ledger keeps each file's checksum; a file that was edited after it was applied is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Protocol

import asyncpg

from statustui.domain.errors import Conflict
from statustui.store import queries

_FILE = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_SQL = queries.load("bootstrap")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file.

    Attributes:
        number: its place, from 1 without a gap.
        name: the file's name without `.sql` ("0001_organizations").
        text: the statements.
    """

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of the ledger."""

    number: int
    name: str
    checksum: str
    applied_at: datetime


class OwnerTransaction(Protocol):
    """Opens a transaction in which the connection is the schema's owner."""

    def __call__(
        self, connection: asyncpg.Connection, /
    ) -> AbstractAsyncContextManager[object]: ...


def available(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of this version, in order.

    Args:
        folder: where the files are; None for those of the package.

    Raises:
        ValueError: two files have one number, or a number is missing.
    """
    folder = folder or files("statustui.store").joinpath("migrations")
    found = []
    for entry in folder.iterdir():
        if match := _FILE.match(entry.name):
            text = entry.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), entry.name.removesuffix(".sql"), text))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are numbered from 1, without gaps and doubles")
    return tuple(found)


async def load_applied(connection: asyncpg.Connection) -> tuple[Applied, ...]:
    """The ledger, oldest first; empty when there is none or this role may not read it."""
    if not await connection.fetchval(_SQL["ledger_is_readable"]):
        return ()
    return tuple(Applied(**row) for row in await connection.fetch(_SQL["load_ledger"]))


def pending(applied: Sequence[Applied], migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """What is still to be applied.

    Args:
        applied: the ledger.
        migrations: those of this version.

    Raises:
        Conflict: an applied file was edited since, or the database is newer than this version.
    """
    known = {migration.number: migration for migration in migrations}
    for row in applied:
        migration = known.get(row.number)
        if migration is None:
            raise Conflict(
                f"the database has migration {row.name}, which this version does not know",
                advice="use a newer statustui with this database",
            )
        if migration.checksum != row.checksum:
            raise Conflict(
                f"migration {row.name} was edited after it was applied",
                advice="restore the file of the version that applied it; changes need a new file",
            )
    done = {row.number for row in applied}
    return tuple(migration for migration in migrations if migration.number not in done)


async def apply_pending(
    connection: asyncpg.Connection,
    as_owner: OwnerTransaction,
    migrations: Sequence[Migration] | None = None,
) -> tuple[str, ...]:
    """Apply what is pending, each file in a transaction of its own.

    Args:
        connection: open, in no transaction.
        as_owner: opens a transaction as the schema's owner.
        migrations: what there is; None for those of the package.

    Returns:
        The names of those that this call applied.

    Raises:
        Conflict: an applied file was edited since, or the database is newer than this version.
    """
    migrations = available() if migrations is None else migrations
    names: list[str] = []
    while pending(await load_applied(connection), migrations):
        async with as_owner(connection):
            await connection.execute(_SQL["lock_ledger"])
            waiting = pending(await load_applied(connection), migrations)
            if not waiting:
                break
            first = waiting[0]
            await connection.execute(first.text)
            await connection.execute(
                _SQL["record_migration"], first.number, first.name, first.checksum
            )
        names.append(first.name)
    return tuple(names)
