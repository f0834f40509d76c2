"""Prepares a database for its first use: the cluster's roles, the schema, the tables, the first
person.

A superuser may do it, or a role with CREATEROLE that may create schemas in the database. The
program's own roles are:

    statustui_owner       owns everything; nobody logs in as it, nobody inherits it
    statustui_rolemaker   may create logins; owns the one function that does
    statustui_operator    the group of all people; row-level security decides for each of them
    statustui_engine      the watch: checks, states, automatic incidents
    statustui_web         the page: may read the public views, and nothing else

A role that is no superuser borrows the first two for one transaction at a time and gives them back
in it. Roles belong to the whole server, so creating one may collide with another database's
preparation; everything here can be repeated, and is.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files

import asyncpg

from statustui.domain.errors import Forbidden, ValidationFailed
from statustui.store import migrate, queries
from statustui.store.connection import ConnectionTarget, connect
from statustui.store.errors import translated

OWNER = "statustui_owner"
ROLEMAKER = "statustui_rolemaker"
OPERATORS = "statustui_operator"
ENGINE = "statustui_engine"
WEB = "statustui_web"

_SQL = queries.load("bootstrap")
_CREATE = {
    OWNER: "create_owner",
    ROLEMAKER: "create_rolemaker",
    OPERATORS: "create_operator",
    ENGINE: "create_engine",
    WEB: "create_web",
}
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What was found in a database, without changing it.

    Attributes:
        initialised: whether the schema is there.
        pending: names of migrations still to be applied; empty when this role may not know.
        applied: names of those that were.
        server_version: as the server says it ("18.4").
        may_initialise: whether this role could initialise or migrate it.
        who_may: who could, in words.
        role: who is connected.
        is_superuser: whether row-level security does not hold this role.
        may_use: whether this role may read here at all; somebody whom no owner has added may not.
    """

    initialised: bool
    pending: tuple[str, ...]
    applied: tuple[str, ...]
    server_version: str
    may_initialise: bool
    who_may: str
    role: str
    is_superuser: bool
    may_use: bool


@dataclass(frozen=True, slots=True)
class InitReport:
    """What an initialisation did.

    Attributes:
        applied: names of the migrations that it applied.
        created_roles: roles that it created.
    """

    applied: tuple[str, ...]
    created_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    role: str
    is_superuser: bool
    may_create_roles: bool
    may_create_schemas: bool
    database_owner: str
    database_name: str
    version_number: int
    version: str
    password_encryption: str
    has_schema: bool
    roles: list[str]

    @property
    def membership_has_options(self) -> bool:
        return self.version_number >= 160000


async def inspect(connection: asyncpg.Connection) -> DatabaseState:
    """What is there, and whether the connected role could initialise it.

    Args:
        connection: open, as any role.

    Raises:
        Conflict: an applied migration was edited, or the database is newer than this version.
    """
    facts = await _load_facts(connection)
    readable = await connection.fetchval(_SQL["ledger_is_readable"])
    applied = await migrate.load_applied(connection)
    # Who may not read the ledger is told that all is well; the first query says otherwise.
    waiting = (
        migrate.pending(applied, migrate.available()) if readable or not facts.has_schema else ()
    )
    return DatabaseState(
        initialised=facts.has_schema and (bool(applied) or not readable),
        pending=tuple(migration.name for migration in waiting),
        applied=tuple(row.name for row in applied),
        server_version=facts.version.split()[0],
        may_initialise=await _may_initialise(connection, facts),
        who_may=_who_may(facts),
        role=facts.role,
        is_superuser=facts.is_superuser,
        may_use=readable or not facts.has_schema,
    )


async def initialise(
    connection: asyncpg.Connection,
    *,
    operator: str | None = None,
    passwords: Mapping[str, str] | None = None,
) -> InitReport:
    """Create what is missing: roles, schema, tables, the first person. Repeating it is harmless.

    Args:
        connection: open, in no transaction, as a superuser or as a role with CREATEROLE that may
            create schemas in the database.
        operator: a role to create as the first person's login (on the embedded server, where the
            connected role is the server's own); None: the connected role is the first person.
        passwords: by login, for servers that ask for passwords; a verifier is sent, never the
            password. A login is one of the program's roles, or such a role's name with an ending
            of the caller's ("statustui_engine_3f9a"), which makes a login of its own that is a
            member of that role: roles belong to the whole server, and so do their passwords, so
            two databases of one server need a login each.

    Raises:
        Forbidden: this role may not; the advice says who may, and what to run by hand.
        Conflict: an applied migration was edited, or the database is newer than this version.
        ValidationFailed: a password has characters outside printable ASCII, or a login is none of
            the program's.
        DatabaseUnavailable: the connection was lost.
    """
    for login in passwords or {}:
        _role_of(login)
    verifiers = {role: scram_verifier(word) for role, word in (passwords or {}).items()}
    with translated():
        facts = await _load_facts(connection)
        if not await _may_initialise(connection, facts):
            raise Forbidden(
                f"{facts.role} may not prepare database {facts.database_name}",
                advice=f"{_who_may(facts)} must run `statustui init`; or a superuser runs, in that "
                f"database:\n{statements_by_hand(facts.role)}",
            )
        created = await _prepare_server(connection, verifiers)
        applied = await migrate.apply_pending(connection, owner_transaction)
        await _settle_first_person(connection, operator)
    return InitReport(applied, created)


async def create_organization(
    connection: asyncpg.Connection, *, name: str, slug: str | None = None, timezone: str = "UTC"
) -> int:
    """Create an organization with its first page; the connected person becomes its owner.

    Args:
        connection: open, as the person.
        name: 1–255 characters.
        slug: 3–100 characters; made from the name when None.
        timezone: IANA name.

    Returns:
        The organization's id within this database.

    Raises:
        Forbidden: one exists already, and the person owns none and is no superuser.
        Conflict: the slug is taken.
        ValidationFailed: a value is not valid.
    """
    with translated():
        return int(await connection.fetchval(_SQL["create_organization"], name, slug, timezone))


async def hears_announcements(target: ConnectionTarget, *, timeout_seconds: float = 2.0) -> bool:
    """Whether LISTEN works on this way; a transaction pooler in between silently loses it.

    Args:
        target: how to connect.
        timeout_seconds: how long to wait for the connection's own announcement.

    Raises:
        DatabaseUnavailable: no connection can be had.
    """
    token = secrets.token_hex(8)
    heard = asyncio.Event()

    def notice(_connection: object, _process: int, _channel: str, payload: object, /) -> None:
        if payload == token:
            heard.set()

    connection = await connect(target)
    try:
        with translated(target.label):
            await connection.add_listener("statustui_hearing", notice)
            await connection.execute(_SQL["announce_to_oneself"], token)
            try:
                async with asyncio.timeout(timeout_seconds):
                    await heard.wait()
            except TimeoutError:
                return False
            await connection.remove_listener("statustui_hearing", notice)
    finally:
        await connection.close()
    return True


@asynccontextmanager
async def owner_transaction(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction in which the connection is the schema's owner and sees its tables unqualified.

    Args:
        connection: open, in no transaction, as a role that may initialise the database.

    Raises:
        Forbidden: this role may not become the owner.
    """
    facts = await _load_facts(connection)
    async with connection.transaction():
        # Two grants of one membership at a time would collide; the lock only orders them.
        await connection.execute(_SQL["serialise"])
        lent = await _lend(connection, facts, OWNER)
        path = await connection.fetchval(_SQL["current_search_path"])
        await connection.execute(_SQL["become_owner"])
        await connection.execute(_SQL["pin_search_path"])
        yield
        await connection.execute(_SQL["become_oneself"])
        await connection.execute(_SQL["restore_search_path"], path)
        if lent:
            await connection.execute(_SQL["return_owner"])


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = 4096) -> str:
    """What PostgreSQL stores for a password (RFC 5802, RFC 7677), so that it never travels.

    Args:
        password: printable ASCII, at least one character.
        salt: 16 bytes; drawn when None.
        iterations: of PBKDF2.

    Raises:
        ValidationFailed: other characters, which would need a normalisation first.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise ValidationFailed("a password of the program's roles is printable ASCII")
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def statements_by_hand(person: str) -> str:
    """The statements for a superuser to run where the person has no CREATEROLE.

    Args:
        person: the role that will initialise.
    """
    text = (
        files("statustui.store").joinpath("migrations", "roles", "by_hand.sql").read_text("utf-8")
    )
    quoted = '"' + person.replace('"', '""') + '"'
    return text.replace(":person", quoted)


def statement_to_let_in(person: str) -> str:
    """What an owner of an organization runs in psql to let a person in.

    Args:
        person: the role that the person connects as.
    """
    quoted = "'" + person.replace("'", "''") + "'"
    return _SQL["let_in"].strip().replace("$2", "'SLUG'").replace("$1", quoted)


async def _load_facts(connection: asyncpg.Connection) -> _Facts:
    row = await connection.fetchrow(_SQL["facts"])
    if row is None:
        raise Forbidden("the database does not say who is connected", advice="connect directly")
    return _Facts(**row)


async def _may_initialise(connection: asyncpg.Connection, facts: _Facts) -> bool:
    if facts.is_superuser:
        return True
    if not (facts.may_create_schemas or facts.has_schema):
        return False
    there = set(facts.roles)
    if there >= {OWNER, ROLEMAKER} and all(
        [await _may_become(connection, facts, role) for role in (OWNER, ROLEMAKER)]
    ):
        return there == set(_CREATE) or facts.may_create_roles
    if not facts.may_create_roles:
        return False
    if not facts.membership_has_options:
        return True
    return bool(await connection.fetchval(_SQL["may_administer"], sorted(there)))


async def _may_become(connection: asyncpg.Connection, facts: _Facts, role: str) -> bool:
    manner = "SET" if facts.membership_has_options else "MEMBER"
    return bool(await connection.fetchval(_SQL["may_become"], role, manner))


def _who_may(facts: _Facts) -> str:
    return (
        "a superuser of that server, or a role with CREATEROLE that owns the database "
        f"{facts.database_name} (its owner is {facts.database_owner})"
    )


async def _lend(connection: asyncpg.Connection, facts: _Facts, role: str) -> bool:
    """Make the connected role a member for the time of the transaction; whether that was needed."""
    if facts.is_superuser or await _may_become(connection, facts, role):
        return False
    name = "lend_owner" if role == OWNER else "lend_rolemaker"
    await connection.execute(_SQL[f"{name}_16" if facts.membership_has_options else name])
    return True


async def _prepare_server(
    connection: asyncpg.Connection, verifiers: Mapping[str, str]
) -> tuple[str, ...]:
    """Roles, schemas, the function that makes logins, the ledger: one transaction, repeated while
    another database's preparation creates or grants the same roles at the same moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with connection.transaction():
                return await _prepare_server_once(connection, verifiers)
        except (
            asyncpg.UniqueViolationError,
            asyncpg.DuplicateObjectError,
            asyncpg.InternalServerError,  # "tuple concurrently updated"
        ):
            if attempt == _ATTEMPTS:
                raise
            # The other one is at work on the very same rows; it needs a moment to commit.
            await asyncio.sleep(0.05 * attempt)
    raise AssertionError("the last attempt returns or raises")


async def _prepare_server_once(
    connection: asyncpg.Connection, verifiers: Mapping[str, str]
) -> tuple[str, ...]:
    run = partial(_run, connection)
    await run("serialise")
    facts = await _load_facts(connection)
    created = tuple(role for role in _CREATE if role not in facts.roles)
    for role in created:
        await run(_CREATE[role])
    lent = [role for role in (OWNER, ROLEMAKER) if await _lend(connection, facts, role)]
    if not facts.has_schema:
        await run("create_schema")
    await run("create_logins_schema")
    if not await connection.fetchval(_SQL["may_rolemaker_grant_operator"]):
        await run("let_rolemaker_grant_operator")
    await run("become_rolemaker")
    await run("create_make_login")
    await run("close_make_login")
    await run("open_make_login")
    await run("open_logins_schema")
    await run("become_oneself")
    await run("become_owner")
    await run("create_ledger")
    await run("open_schema")
    await run("open_ledger")
    await run("become_oneself")
    if facts.is_superuser or facts.database_owner == facts.role:
        await connection.execute(await connection.fetchval(_SQL["let_connect"]))
    for login, verifier in verifiers.items():
        role = _role_of(login)
        if role != login:
            make = await connection.fetchval(_SQL["make_program_login"], login, role)
            if make is not None:
                await connection.execute(make)
        await connection.execute(await connection.fetchval(_SQL["set_verifier"], login, verifier))
    for statement in await connection.fetch(_SQL["keep_the_page_from_writing"]):
        await connection.execute(statement["sql"])
    if OWNER in lent:
        await run("return_owner")
    if ROLEMAKER in lent:
        await run("return_rolemaker")
    if not facts.is_superuser and not await connection.fetchval(
        _SQL["may_become"], OPERATORS, "USAGE"
    ):
        await connection.execute(await connection.fetchval(_SQL["join_operators"]))
    return created


def _role_of(login: str) -> str:
    """The program's role that a login has the rights of."""
    for role in (ENGINE, WEB):
        if login == role or (login.startswith(f"{role}_") and len(login) <= 63):
            return role
    raise ValidationFailed(f"{login} is no login of the program")


async def _run(connection: asyncpg.Connection, name: str) -> None:
    await connection.execute(_SQL[name])


async def _settle_first_person(connection: asyncpg.Connection, operator: str | None) -> None:
    facts = await _load_facts(connection)
    async with owner_transaction(connection):
        if operator is not None:
            await connection.execute(_SQL["make_login"], operator)
        await connection.execute(_SQL["add_user"], operator or facts.role)
