"""Opens connections and pools as one role, and says in plain words why one cannot be had.

Nothing here depends on startup parameters beyond the standard ones: a pooler in session mode
refuses those it does not know, so a session is set up by its first statement instead. And because
no code here changes a session later (only `SET LOCAL` inside transactions), a connection goes back
to its pool without the round trip that would reset it.

JSON columns arrive and leave as text: a type codec would cost every new connection a round trip.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from statustui.domain.errors import DatabaseUnavailable, ValidationFailed
from statustui.store import errors, queries

Connection = asyncpg.Connection
Pool = asyncpg.Pool
PoolConnection = PoolConnectionProxy

SCHEMA = "statustui"
SEARCH_PATH = f"{SCHEMA}, pg_temp"
CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 15.0
IDLE_SECONDS = 60.0

# Parameters that psql knows and asyncpg would send on to the server as settings.
_CLIENT_ONLY = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "gssdelegation",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "min_protocol_version",
        "max_protocol_version",
        "require_auth",
        "requirepeer",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)

_SQL = queries.load("session")


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """How to connect as one role.

    Attributes:
        parameters: keyword arguments of `asyncpg.connect`; not shown when printed, they may hold
            a password.
        label: the same for people, without any password.
    """

    parameters: Mapping[str, Any] = field(repr=False)
    label: str


class _Named(asyncpg.Connection):
    """A connection that knows what to call its database when it is lost."""

    __slots__ = ("label",)

    label: str


def target_from_url(
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    timeout_seconds: float = CONNECT_SECONDS,
) -> ConnectionTarget:
    """Reads an address such as `postgresql://alice@db.acme.test/status?sslmode=verify-full`.

    Args:
        url: as given by the operator; what it leaves out comes from the PG… variables and
            `~/.pgpass`, as with psql.
        user: connect as this role instead; the address's password is then dropped.
        password: the password of that role.
        timeout_seconds: how long one attempt to connect may take; `connect_timeout` in the
            address goes before it.

    Raises:
        ValidationFailed: it is not such an address.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        _ = parts.port if "," not in parts.netloc else None
    except ValueError as error:
        raise _bad_address(str(error)) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise _bad_address("it does not begin with postgresql://")
    if parts.fragment:
        raise _bad_address('a "#" inside the password is written %23')
    query = dict(pairs)
    credentials, _, hosts = parts.netloc.rpartition("@")
    url_user, _, url_password = credentials.partition(":")
    role = user or unquote(url_user) or query.pop("user", "")
    given = query.pop("password", "") or unquote(url_password)
    if user is not None and user != unquote(url_user):
        given = ""
    timeout = timeout_seconds
    if "connect_timeout" in query:
        try:
            timeout = float(query.pop("connect_timeout")) or timeout_seconds
        except ValueError:
            raise _bad_address("connect_timeout is not a number of seconds") from None
    query = {name: value for name, value in query.items() if name not in _CLIENT_ONLY}
    parameters: dict[str, Any] = {
        "dsn": urlunsplit(("postgresql", hosts, parts.path, urlencode(query), "")),
        "timeout": timeout,
    }
    if role:
        parameters["user"] = role
    secret = password if password is not None else given
    if secret:
        parameters["password"] = secret
    shown = quote(role, safe="") + "@" if role else ""
    where = hosts or query.get("host", "localhost")
    return ConnectionTarget(parameters, f"postgresql://{shown}{where}{parts.path}")


def _bad_address(why: str) -> ValidationFailed:
    return ValidationFailed(
        f"the database address cannot be read: {why}",
        advice="write it as postgresql://user@host:port/database (STATUSTUI_DATABASE_URL)",
    )


async def connect(
    target: ConnectionTarget, *, statement_seconds: float | None = None
) -> Connection:
    """Opens one connection outside any pool.

    Args:
        target: where and as whom.
        statement_seconds: the longest a statement may take; None for no limit.

    Raises:
        DatabaseUnavailable: it cannot be had, with why and what to do.
    """
    return await _connect(target, statement_seconds or 0.0)


async def open_pool(
    target: ConnectionTarget,
    *,
    min_size: int = 0,
    max_size: int = 2,
    statement_seconds: float = STATEMENT_SECONDS,
) -> Pool:
    """Opens a pool of connections as one role.

    A statement that takes longer than `statement_seconds` is ended by the server, and given up
    here a little later, should the server not answer at all. Idle connections are closed.

    Args:
        target: where and as whom.
        min_size: connections opened at once; with 0 the first is opened when it is needed.
        max_size: connections at most; 2 are enough for a terminal.
        statement_seconds: the longest that one statement may take.

    Raises:
        DatabaseUnavailable: `min_size` connections cannot be had.
    """

    async def opener(*_: Any, **__: Any) -> Connection:
        return await _connect(target, statement_seconds)

    async def nothing_to_reset(_: Any) -> None:
        return None

    pool = asyncpg.create_pool(
        min_size=min_size,
        max_size=max_size,
        connect=opener,
        reset=nothing_to_reset,
        connection_class=_Named,
        max_inactive_connection_lifetime=IDLE_SECONDS,
    )
    return await pool


async def _connect(target: ConnectionTarget, statement_seconds: float) -> Connection:
    parameters: dict[str, Any] = {"timeout": CONNECT_SECONDS, **target.parameters}
    if statement_seconds:
        parameters.setdefault("command_timeout", statement_seconds + 5.0)
    settings: dict[str, str] = {"application_name": "statustui"}
    settings.update(parameters.get("server_settings") or {})
    parameters["server_settings"] = settings
    try:
        connection = await asyncpg.connect(**parameters, connection_class=_Named)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise unavailable(error, target.label) from error
    connection.label = target.label
    try:
        await connection.execute(
            _SQL["begin_session"], SEARCH_PATH, f"{round(statement_seconds * 1000)}"
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        connection.terminate()
        raise unavailable(error, target.label) from error
    except asyncio.CancelledError:
        connection.terminate()
        raise
    return connection


def unavailable(error: Exception, label: str) -> DatabaseUnavailable:
    """An error from connecting, or from losing a connection, as what it means to an operator."""
    cause = _cause(error)
    return DatabaseUnavailable(label, cause, advice=_advice(error))


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _advice(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "is the host up, and does a firewall drop the connection?"
        case ConnectionRefusedError() | FileNotFoundError():
            return "is PostgreSQL running there, on that port? (`pg_isready` tells)"
        case ssl.SSLError():
            return "check sslmode and sslrootcert in the address"
        case asyncpg.InvalidCatalogNameError():
            return "create it with `createdb`, or correct the name in the address"
        case asyncpg.InvalidAuthorizationSpecificationError():
            return "check the role and its password (or ~/.pgpass), and the server's pg_hba.conf"
        case asyncpg.TooManyConnectionsError():
            return "close other sessions, or raise max_connections of the server"
        case asyncpg.CannotConnectNowError() | asyncpg.AdminShutdownError():
            return "the server is starting or stopping; it is tried again"
        case asyncpg.ProtocolViolationError() | asyncpg.FeatureNotSupportedError():
            return "a pooler in between must be in session mode; else connect directly"
        case OSError():
            return "check the host in the address (STATUSTUI_DATABASE_URL), and the network"
        case _:
            return "`statustui doctor` tries the connection step by step"


@asynccontextmanager
async def transaction(
    pool: Pool,
    *,
    isolation: Literal["read_committed", "repeatable_read", "serializable"] | None = None,
    readonly: bool = False,
) -> AsyncIterator[PoolConnection]:
    """One transaction on a connection of the pool, with errors translated.

    Raises:
        DatabaseUnavailable: no connection could be had, or it was lost.
        StatustuiError: what the statement's error means (see `store.errors`).
    """
    with errors.translated():
        async with pool.acquire() as connection:
            # The label is known only now; an inner error is put into words with it first.
            with errors.translated(getattr(connection, "label", "the database")):
                try:
                    async with connection.transaction(isolation=isolation, readonly=readonly):
                        yield connection
                except asyncpg.InternalClientError:
                    # Its state is unknown: nobody else may get it.
                    connection.terminate()
                    raise


async def fetch_one(
    connection: PoolConnection, statement: str, *arguments: object
) -> asyncpg.Record:
    """The one row of a statement that always gives one.

    Raises:
        LookupError: it gave none, which is a defect.
    """
    row = await connection.fetchrow(statement, *arguments)
    if row is None:
        raise LookupError("a statement gave no row")
    return row


async def ping(connection: Connection, *, timeout_seconds: float) -> None:
    """Makes sure that the other end still answers.

    Raises:
        TimeoutError, OSError, asyncpg errors: it does not.
    """
    async with asyncio.timeout(timeout_seconds):
        await connection.execute(_SQL["ping"])
