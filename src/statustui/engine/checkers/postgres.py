"""Looks at a PostgreSQL server: connects, logs in, and asks one question, read-only.

Everything about the connection comes from the monitor's own text: no socket, no password file, no
service, no variable and no client key of this host takes part, because whoever writes a monitor
must not be able to use what this host may do. The host is resolved here, so that the address is
known and a dead resolver holds up nobody else.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import asyncpg

from statustui.domain.monitor import MASK, PostgresConfig
from statustui.domain.observation import Observation
from statustui.domain.probe_config import POSTGRES_MOST_ROWS, Dsn, mask_dsn, split_dsn
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import resolve, with_port
from statustui.engine.tls_settings import TlsSettings, tls_context
from statustui.engine.trace import LookFailed, Part, Trace, timed_out

_CHUNK_ROWS = 100
# Rows beyond this many bytes of text are not asked for any more.
_MOST_BYTES = 1_000_000
_KEPT_ROWS = 20
_LONGEST_CELL = 500
_CLOSE_SECONDS = 0.2


async def look_postgres(
    config: PostgresConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Connects to a database and runs one query.

    The time to connect (with TLS and login) and the query's own are phases of their own. Whether
    the first cell and the number of rows are right is the domain's part.

    Args:
        config: where, as whom, and what to ask.
        timeout_ms: the deadline over everything; the server is told it too.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    parts = split_dsn(config.dsn)
    if isinstance(parts, str):
        return Observation(started_at, 0.0, ErrorKind.OBSERVER, f"its dsn {parts}")
    trace = Trace(with_port(parts.host, parts.port))
    answer = _Answer()
    kind: ErrorKind | None = None
    reason = ""
    connection: asyncpg.Connection | None = None
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            connection = await _connect(parts, trace, options, timeout_ms)
            trace.connected = True
            trace.enter(Part.FIRST_BYTE)
            await _ask(connection, config.query, timeout_ms, answer)
        trace.stop()
    except TimeoutError:
        part = trace.part
        trace.stop()
        kind = ErrorKind.TIMEOUT
        if part is Part.FIRST_BYTE:
            reason = f"{trace.peer} did not answer the query within {timeout_ms / 1000:g} s"
        else:
            reason = timed_out(trace, part, timeout_ms)
    except LookFailed as failure:
        trace.stop()
        kind, reason = failure.kind, failure.reason
    except Exception as error:  # noqa: BLE001  the driver raises whatever it stumbles over
        trace.stop()
        kind, reason = _explain(error, parts, trace, during_query=trace.connected)
    finally:
        if connection is not None:
            await _close(connection)
    if parts.password:
        reason = reason.replace(parts.password, MASK)
    return Observation(
        started_at=started_at,
        duration_ms=trace.duration_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=trace.phases,
        address=trace.address,
        connected=trace.connected,
        body=answer.as_json() if kind is None else b"",
        body_truncated=answer.is_cut,
        rows=answer.rows if kind is None else None,
        cell=answer.cell,
        repeat_command=_repeat_command(config),
    )


class _Answer:
    """What a query gave, as far as it was read."""

    def __init__(self) -> None:
        self.rows = 0
        self.cell: str | None = None
        self.is_cut = False
        self._bytes = 0
        self._kept: list[dict[str, str | None]] = []

    def add(self, records: Sequence[Any]) -> bool:
        """Takes rows; returns whether more may be asked for."""
        for record in records:
            cells = {name: _as_text(value) for name, value in record.items()}
            if self.rows == 0 and cells:
                self.cell = next(iter(cells.values()))
            self.rows += 1
            self._bytes += sum(len(text) for text in cells.values() if text is not None)
            if len(self._kept) < _KEPT_ROWS:
                self._kept.append(cells)
            else:
                self.is_cut = True
        if self._bytes > _MOST_BYTES:
            self.is_cut = True
        return self._bytes <= _MOST_BYTES and self.rows < POSTGRES_MOST_ROWS

    def as_json(self) -> bytes:
        """The first rows, for conditions and evidence."""
        return json.dumps(self._kept, ensure_ascii=False).encode("utf-8", "replace")


def _as_text(value: object) -> str | None:
    """A cell nearly as psql shows it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return shorten(f"\\x{value[:_LONGEST_CELL].hex()}", _LONGEST_CELL)
    return shorten(clean(str(value), multiline=True), _LONGEST_CELL)


async def _connect(
    parts: Dsn, trace: Trace, options: LookOptions, timeout_ms: int
) -> asyncpg.Connection:
    """Logs in at the first address that takes a connection."""
    addresses = await resolve(parts.host, trace)
    contexts = _contexts(parts, options)
    trace.enter(Part.CONNECT)
    failure: OSError | None = None
    for address in addresses:
        trace.address = with_port(address, parts.port)
        for number, context in enumerate(contexts):
            try:
                return await asyncpg.connect(
                    host=address,
                    port=parts.port,
                    user=parts.user,
                    # Never None: that would look for one on this host.
                    password=parts.password,
                    database=parts.database,
                    ssl=context,
                    direct_tls=False,
                    timeout=timeout_ms / 1000 + 1,
                    statement_cache_size=0,
                )
            except ssl.SSLError:
                raise
            except ConnectionError as error:
                failure = error
                if "rejected SSL upgrade" not in str(error):
                    break  # the next address
                if number + 1 == len(contexts):
                    raise LookFailed(
                        ErrorKind.TLS, f"{trace.peer} does not speak TLS, and sslmode asks for it"
                    ) from None
            except OSError as error:
                failure = error
                break
    raise failure if failure is not None else OSError("no address")


def _contexts(parts: Dsn, options: LookOptions) -> tuple[ssl.SSLContext | bool, ...]:
    """With what TLS to try, in order; False is without."""
    match parts.sslmode:
        case "disable":
            return (False,)
        case "prefer":
            return (_unverified(), False)
        case "require":
            return (_unverified(),)
        case _:
            full = parts.sslmode == "verify-full"
            return (_named_context(parts.host, full, str(options.ca_file or "")),)


@lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    return tls_context(TlsSettings(verify=False))


@lru_cache(maxsize=1_000)
def _named_context(host: str, checks_name: bool, ca_file: str) -> ssl.SSLContext:
    """Verifies the chain, and (verify-full) that the certificate is for `host`."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = host
    context.check_hostname = checks_name
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class _NamedContext(ssl.SSLContext):
    """Checks the name of the monitor where the driver only knows the address."""

    name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the original, with the name."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


async def _ask(
    connection: asyncpg.Connection, query: str, timeout_ms: int, answer: _Answer
) -> None:
    """Runs the query and reads a bounded part of what it gives.

    All settings are the transaction's own: behind a pooler the session belongs to others too.
    """
    await connection.execute(
        f"BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {int(timeout_ms)}"
    )
    statement = await connection.prepare(query)
    if not statement.get_attributes():
        await statement.fetch()
        return
    cursor = await statement.cursor()
    while records := await cursor.fetch(_CHUNK_ROWS):
        if not answer.add(records):
            answer.is_cut = True
            break
        if len(records) < _CHUNK_ROWS:
            break


def _explain(
    error: Exception, parts: Dsn, trace: Trace, *, during_query: bool
) -> tuple[ErrorKind, str]:
    """The kind of trouble, and its line for a tired person."""
    where = trace.address or trace.peer
    if isinstance(error, asyncpg.PostgresError):
        return _explain_server(error, parts, trace, during_query=during_query)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ErrorKind.TLS, f"certificate of {trace.peer}: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return ErrorKind.TLS, f"TLS handshake with {where} failed: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return ErrorKind.REFUSED, f"connect to {where} refused"
    if isinstance(error, OSError):
        broke = isinstance(error, ConnectionError) and (error.errno is None or not error.strerror)
        if broke or during_query or isinstance(error, ConnectionResetError | BrokenPipeError):
            return ErrorKind.CONNECT, f"{where} closed the connection before it had answered"
        return ErrorKind.CONNECT, f"connect to {where} failed: {error.strerror or error}"
    return ErrorKind.PROTOCOL, f"{where} does not speak PostgreSQL's protocol: {error}"


def _explain_server(
    error: asyncpg.PostgresError, parts: Dsn, trace: Trace, *, during_query: bool
) -> tuple[ErrorKind, str]:
    """What the server itself (or the driver in its name) complains about."""
    state = error.sqlstate or ""
    said = str(error.args[0]) if error.args else type(error).__name__
    if state.startswith(("57P", "53")):
        return ErrorKind.CONNECT, f"{trace.peer} takes no connection: {said}"
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        return ErrorKind.CONNECT, f"{trace.peer} closed the connection before it had answered"
    if state == "57014":
        return ErrorKind.TIMEOUT, f"{trace.peer} ended the query: {said}"
    if state.startswith("28"):
        return ErrorKind.PROTOCOL, f"{trace.peer} refused the login of {parts.user}: {said}"
    if state == "3D000":
        return ErrorKind.PROTOCOL, f"{trace.peer} has no database {parts.database}"
    if during_query and not state.startswith("08"):
        return ErrorKind.ASSERTION, f"the query failed: {said}"
    return ErrorKind.PROTOCOL, f"{trace.peer}: {said}"


async def _close(connection: asyncpg.Connection) -> None:
    """Says goodbye, but waits for nobody who does not answer."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=_CLOSE_SECONDS)
    if not connection.is_closed():
        connection.terminate()


@lru_cache(maxsize=4096)
def _repeat_command(config: PostgresConfig) -> str:
    words = ["psql", "-X", mask_dsn(config.dsn), "-c", config.query]
    return shorten(clean(shlex.join(words)), 2_000)
