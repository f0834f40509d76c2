"""Opens the database that the settings name, and brings it to the schema this version needs.

Without `database_url` that is the embedded server in the data directory, started here when nobody
else has. With it, it is a shared PostgreSQL; the role in the address is the operator, and the watch
uses two roles of its own. Their passwords are drawn when the database is initialised over a
connection with a password and kept in a file of this host that only its user can read.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from statustui.domain.errors import Forbidden, NotFound, StatustuiError, ValidationFailed
from statustui.domain.readmodels import Organization
from statustui.domain.text import clean, nearest, slugify
from statustui.runtime.registry import identity
from statustui.settings import Settings
from statustui.store import bootstrap
from statustui.store.connection import ConnectionTarget, connect, open_pool, target_from_url
from statustui.store.embedded import EmbeddedServer
from statustui.store.embedded_database import DATABASE_NAME, ensure_database

if TYPE_CHECKING:
    from statustui.store.operator import OperatorStore

ENGINE_ROLE = "statustui_engine"
WEB_ROLE = "statustui_web"
_NAME_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Database:
    """An open database, with how each role connects.

    Attributes:
        label: how it is named to people, without a password.
        operator: connects as the person; engine and web as the watch's roles.
        server: the embedded server, None for a shared one.
    """

    label: str
    operator: ConnectionTarget
    engine: ConnectionTarget
    web: ConnectionTarget
    server: EmbeddedServer | None


@dataclass(frozen=True, slots=True)
class InitReport:
    """What initialising did."""

    label: str
    applied: tuple[str, ...]
    roles: tuple[str, ...]
    organization: str | None

    def as_data(self) -> dict[str, object]:
        """As JSON."""
        return {
            "database": self.label,
            "applied": list(self.applied),
            "created_roles": list(self.roles),
            "organization": self.organization,
        }

    def as_text(self) -> str:
        """As people read it."""
        lines = [f"database   {self.label}"]
        lines.append(f"migrations {', '.join(self.applied) or 'nothing to do'}")
        if self.roles:
            lines.append(f"roles      {', '.join(self.roles)} created")
        if self.organization:
            lines.append(f"created    organization {self.organization}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """Where the database is and which migrations it has."""

    label: str
    kind: str
    server_version: str
    applied: tuple[str, ...]
    pending: tuple[str, ...]

    def as_data(self) -> dict[str, object]:
        """As JSON."""
        return {
            "database": self.label,
            "kind": self.kind,
            "server_version": self.server_version,
            "applied": list(self.applied),
            "pending": list(self.pending),
        }

    def as_text(self) -> str:
        """As people read it."""
        lines = [
            f"database   {self.label} ({self.kind})",
            f"server     PostgreSQL {self.server_version}",
            f"migrations {len(self.applied)} applied, {len(self.pending)} pending",
        ]
        lines += [f"           pending {name}" for name in self.pending]
        return "\n".join(lines)


@asynccontextmanager
async def open_database(settings: Settings, *, prepare: bool = True) -> AsyncIterator[Database]:
    """Open the database and hold it open.

    Args:
        settings: all settings.
        prepare: initialise an empty database and apply missing migrations when the role may.

    Yields:
        The database; the embedded server stays up at least until the end.

    Raises:
        DatabaseUnavailable: it cannot be reached.
        Forbidden: it is not initialised and this role may not do it.
        ValidationFailed: the address cannot be read.
    """
    async with AsyncExitStack() as stack:
        database = await _open(settings, stack)
        if prepare:
            await _prepare(settings, database)
            if database.server is None:
                # Preparing may just have drawn the passwords of the watch's roles.
                database = _shared(settings)
        yield database


@asynccontextmanager
async def operator_session(
    settings: Settings, org: str | None = None
) -> AsyncIterator[tuple[OperatorStore, Organization]]:
    """Open the database as this person and choose the organization.

    Args:
        settings: all settings.
        org: slug of the organization; None takes the settings' or the only membership.

    Yields:
        The store and the organization.

    Raises:
        NotFound: this person belongs to no organization of that name.
        ValidationFailed: this person belongs to several and none was named.
    """
    async with open_database(settings) as database, operator_store(database) as store:
        yield store, await choose_organization(store, org or settings.org)


@asynccontextmanager
async def operator_store(
    database: Database, *, max_connections: int = 2
) -> AsyncIterator[OperatorStore]:
    """A store over a pool of the person's own connections."""
    from statustui.store.operator import OperatorStore

    pool = await open_pool(database.operator, min_size=0, max_size=max_connections)
    try:
        yield OperatorStore(pool)
    finally:
        await pool.close()


async def choose_organization(store: OperatorStore, wanted: str | None) -> Organization:
    """The organization a call is about: the one named, else the only one there is.

    Args:
        store: as the person.
        wanted: a slug, None when nobody named one.

    Raises:
        NotFound: the person belongs to none, or to none of that name.
        ValidationFailed: the person belongs to several and none was named.
    """
    organizations = await store.organizations()
    if wanted is not None:
        for organization in organizations:
            if organization.slug == wanted:
                return organization
        near = nearest(wanted, [organization.slug for organization in organizations])
        hint = f"did you mean {near}?" if near else "`statustui doctor` shows who you are here"
        raise NotFound(f"no organization {wanted!r} that you belong to", advice=hint)
    if not organizations:
        raise NotFound(
            "you belong to no organization here",
            advice="on an empty installation run `statustui apply FILE` or "
            "`statustui init --name NAME`; otherwise ask an owner to add you",
        )
    if len(organizations) > 1:
        names = ", ".join(organization.slug for organization in organizations)
        raise ValidationFailed(
            f"you belong to several organizations: {names}",
            advice="name one with --org or STATUSTUI_ORG",
        )
    return organizations[0]


async def initialise(
    settings: Settings, *, name: str | None, slug: str | None, timezone: str
) -> InitReport:
    """Bring the database to this version's schema, and create an organization when asked.

    Args:
        settings: all settings.
        name: the organization's name, None to create none.
        slug: its short name; made from the name when None.
        timezone: IANA name.

    Raises:
        Forbidden: this role may not; the message has who may.
        Conflict: the slug is taken.
        ValidationFailed: the name is empty or too long.
    """
    if name is not None:
        name = clean(name)
        if not 1 <= len(name) <= _NAME_CHARACTERS:
            raise ValidationFailed(
                f"the organization's name has 1 to {_NAME_CHARACTERS} characters, not {len(name)}"
            )
    async with open_database(settings, prepare=False) as database:
        applied, roles = await _prepare(settings, database)
        created = None
        if name is not None:
            connection = await connect(database.operator)
            try:
                created = slug or slugify(name)
                await bootstrap.create_organization(
                    connection, name=name, slug=created, timezone=timezone
                )
            finally:
                await connection.close()
        return InitReport(database.label, applied, roles, created)


async def inspect_database(database: Database) -> bootstrap.DatabaseState:
    """What is there, without changing it.

    Raises:
        Forbidden: nobody has let this person in.
    """
    connection = await connect(admin_target(database))
    try:
        state = await bootstrap.inspect(connection)
    finally:
        await connection.close()
    if not state.may_use:
        raise stranger(state.role, database.label)
    return state


async def database_report(settings: Settings) -> DatabaseReport:
    """Where the database is and which migrations it has, without changing it."""
    async with open_database(settings, prepare=False) as database:
        state = await inspect_database(database)
        return DatabaseReport(
            label=database.label,
            kind="embedded" if database.server else "shared",
            server_version=state.server_version,
            applied=state.applied,
            pending=state.pending,
        )


def database_place(settings: Settings) -> str:
    """The database's name in the registry of watches: the same for whoever connects to it."""
    return "embedded" if settings.database_url is None else _where(settings)


def database_label(settings: Settings) -> str:
    """How the database is named to people, without opening it."""
    if settings.database_url is None:
        return f"embedded in {settings.data_dir}"
    return target_from_url(settings.database_url.get_secret_value()).label


def embedded_operator() -> str:
    """The role of the embedded server's first person: the name of the user at the system."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid{os.getuid()}"
    # The server's own roles are not for people.
    if name == "postgres" or name.startswith(("pg_", "statustui_")):
        return f"operator_{name}"
    return name


async def _open(settings: Settings, stack: AsyncExitStack) -> Database:
    if settings.database_url is None:
        server = EmbeddedServer(settings.data_dir)
        endpoint = await server.start()
        stack.push_async_callback(server.stop_if_last)
        label = database_label(settings)

        def target(user: str) -> ConnectionTarget:
            return ConnectionTarget(endpoint.dsn_parameters(user, DATABASE_NAME), label)

        await ensure_database(
            ConnectionTarget(endpoint.dsn_parameters("postgres", "postgres"), label)
        )
        return Database(
            label, target(embedded_operator()), target(ENGINE_ROLE), target(WEB_ROLE), server
        )
    return _shared(settings)


def _shared(settings: Settings) -> Database:
    if settings.database_url is None:
        raise ValueError("a shared database needs an address")
    timeout = settings.database.connect_timeout_seconds
    url = settings.database_url.get_secret_value()
    operator = target_from_url(url, timeout_seconds=timeout)
    kept = _kept_passwords(settings)

    def program(role: str, override: SecretStr | None) -> ConnectionTarget:
        if override is not None:
            return target_from_url(override.get_secret_value(), timeout_seconds=timeout)
        login = _login(settings, role)
        if login in kept:
            return target_from_url(url, user=login, password=kept[login], timeout_seconds=timeout)
        return target_from_url(url, user=role, timeout_seconds=timeout)

    return Database(
        operator.label,
        operator,
        program(ENGINE_ROLE, settings.database.engine_url),
        program(WEB_ROLE, settings.database.web_url),
        None,
    )


def admin_target(database: Database) -> ConnectionTarget:
    """How to connect to prepare the database: the embedded server's own superuser, else the
    person, who may have the rights for it."""
    if database.server is None:
        return database.operator
    return ConnectionTarget(
        database.server.endpoint.dsn_parameters("postgres", DATABASE_NAME), database.label
    )


async def _prepare(
    settings: Settings, database: Database
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    connection = await connect(admin_target(database))
    try:
        state = await bootstrap.inspect(connection)
        if not state.may_use and not state.may_initialise:
            raise stranger(state.role, database.label)
        lacks_logins = _wants_logins(settings) and not _kept_passwords(settings)
        if state.initialised and not state.pending and not (lacks_logins and state.may_initialise):
            return (), ()
        if not state.may_initialise:
            what = "needs newer tables" if state.initialised else "is not initialised"
            raise Forbidden(
                f"the database at {database.label} {what}",
                advice=f"{state.who_may} must run `statustui init` once",
            )
        passwords: dict[str, str] = {}
        if lacks_logins:
            passwords = {
                _login(settings, role): secrets.token_urlsafe(24)
                for role in (ENGINE_ROLE, WEB_ROLE)
            }
            # Kept first: a password that is set but lost could never be found again.
            _keep_passwords(settings, passwords)
        report = await bootstrap.initialise(
            connection,
            operator=embedded_operator() if database.server else None,
            passwords=passwords or None,
        )
        return report.applied, report.created_roles
    finally:
        await connection.close()


def stranger(role: str, label: str) -> Forbidden:
    """What somebody is told who can connect, but whom nobody has let in.

    Args:
        role: as whom they connected.
        label: the database's.
    """
    return Forbidden(
        f"{role} is no member of any organization in the database at {label}",
        advice=f"an owner of one lets you in; in psql: {bootstrap.statement_to_let_in(role)}",
    )


def _wants_logins(settings: Settings) -> bool:
    # Where people need a password, the watch's roles need one too, unless addresses are set.
    if settings.database_url is None:
        return False
    if settings.database.engine_url is not None and settings.database.web_url is not None:
        return False
    return bool(urlsplit(settings.database_url.get_secret_value()).password)


def _where(settings: Settings) -> str:
    # By server and database, not by person: whoever runs the watch here needs the same ones.
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}?{parts.query}"


def _login(settings: Settings, role: str) -> str:
    # A login for each database, host and data directory: roles belong to the whole server, and
    # preparing one place must not change another's password.
    place = f"{_where(settings)} {socket.gethostname()} {settings.data_dir}"
    return f"{role}_{identity(place)[:8]}"


def _passwords_file(settings: Settings) -> Path:
    return settings.data_dir / "roles" / f"{identity(_where(settings))}.json"


def _kept_passwords(settings: Settings) -> dict[str, str]:
    path = _passwords_file(settings)
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StatustuiError(
            f"cannot read {path}: {error}",
            advice="it holds the passwords of the watch's roles on this host; restore it, or set "
            "STATUSTUI_DATABASE__ENGINE_URL and STATUSTUI_DATABASE__WEB_URL",
        ) from error
    return {str(role): str(password) for role, password in document.items()}


def _keep_passwords(settings: Settings, passwords: dict[str, str]) -> None:
    path = _passwords_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(passwords, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
