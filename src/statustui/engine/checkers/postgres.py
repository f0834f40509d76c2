"""Looks at a PostgreSQL server: connects, logs in, and asks one question, read-only.

Everything about the connection comes from the monitor's own text: no socket, no password file, no
service, no variable and no client key of this host takes part, because whoever writes a monitor
must not be able to use what this host may do.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import ssl
from functools import lru_cache
from pathlib import Path

import certifi

from statustui.domain.monitor import MASK, PostgresConfig
from statustui.domain.observation import Observation
from statustui.domain.probe_config import POSTGRES_MOST_ROWS, Dsn, mask_dsn, split_dsn
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.certificate import read_certificate
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import resolve, with_port
from statustui.engine.postgres_wire import Hangup, Nonsense, Row, ServerError, Wire, decoded
from statustui.engine.trace import LookFailed, Part, Trace, timed_out

# Rows beyond this many bytes of text are not read any more.
_MOST_BYTES = 1_000_000
_KEPT_ROWS = 20
_LONGEST_CELL = 500


async def look_postgres(
    config: PostgresConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Connects to a database and runs one query.

    Logging in counts as a part of connecting, and the query's own time is that to the first byte.
    Whether the first cell and the number of rows are right is the domain's part.

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
    wires: list[Wire] = []
    kind: ErrorKind | None = None
    reason = ""
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            wire = await _connect(parts, trace, options, wires)
            trace.connected = True
            trace.enter(Part.FIRST_BYTE)
            # The transaction's own, not the session's: behind a pooler that belongs to others too.
            await wire.execute(
                f"BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {int(timeout_ms)}"
            )
            # One more than is told of, so that exactly as many are not taken for too many.
            result = await wire.query(config.query, POSTGRES_MOST_ROWS + 1, answer.take)
            trace.stop()
            answer.is_cut = answer.is_cut or not result.is_whole
        wire.close()
    except TimeoutError:
        part = trace.part
        trace.stop()
        kind = ErrorKind.TIMEOUT
        within = f"within {timeout_ms / 1000:g} s"
        if part is Part.FIRST_BYTE:
            reason = f"{trace.peer} did not answer the query {within}"
        else:
            reason = timed_out(trace, part, timeout_ms)
    except (LookFailed, ServerError, Nonsense, Hangup, OSError) as error:
        trace.stop()
        kind, reason = _explain(error, parts, trace)
    except BaseException:
        _abort(wires)
        raise
    if kind is not None:
        _abort(wires)
    for each in wires:
        await each.gone()
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
        certificate=trace.certificate,
        rows=answer.rows if kind is None else None,
        cell=answer.cell if kind is None else None,
        repeat_command=_repeat_command(config),
    )


def _abort(wires: list[Wire]) -> None:
    for wire in wires:
        wire.abort()


class _Answer:
    """What a query gave, as far as it was read."""

    def __init__(self) -> None:
        self.rows = 0
        self.cell: str | None = None
        self.is_cut = False
        self._bytes = 0
        self._kept: list[dict[str, str | None]] = []

    def take(self, columns: tuple[str, ...], row: Row) -> bool:
        """Takes one row; returns whether more are wanted."""
        if self.rows == POSTGRES_MOST_ROWS:
            return False
        self.rows += 1
        self._bytes += sum(len(cell) for cell in row if cell is not None)
        if len(self._kept) < _KEPT_ROWS:
            shown = [
                None if cell is None else shorten(clean(cell, multiline=True), _LONGEST_CELL)
                for cell in decoded(row)
            ]
            names = [clean(name) for name in columns]
            self._kept.append(dict(zip(names, shown, strict=False)))
            if self.rows == 1 and shown:
                self.cell = shown[0]
        else:
            self.is_cut = True
        return self._bytes <= _MOST_BYTES

    def as_json(self) -> bytes:
        """The first rows, for conditions and evidence."""
        return json.dumps(self._kept, ensure_ascii=False).encode("utf-8", "replace")


async def _connect(parts: Dsn, trace: Trace, options: LookOptions, wires: list[Wire]) -> Wire:
    """Connects to the first address that takes it, and logs in there.

    Args:
        parts: where and as whom; trace: takes down what is gone through; options: whom to trust.
        wires: takes every connection that is opened, for whoever ends them.
    """
    addresses = await resolve(parts.host, trace)
    trace.enter(Part.CONNECT)
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for address in addresses:
        trace.address = with_port(address, parts.port)
        try:
            _, wire = await loop.create_connection(Wire, address, parts.port)
        except OSError as error:
            failure = error
            continue
        wires.append(wire)
        if parts.sslmode != "disable":
            trace.enter(Part.TLS)
            await _secure(wire, parts, trace, options)
            # Logging in is no part of the handshake.
            trace.enter(Part.CONNECT)
        await wire.log_in(parts.user, parts.password, parts.database)
        return wire
    raise failure if failure is not None else LookFailed(ErrorKind.DNS, "no address")


async def _secure(wire: Wire, parts: Dsn, trace: Trace, options: LookOptions) -> None:
    """Begins TLS as `sslmode` says.

    Raises:
        LookFailed: it is asked for, and the server does not speak it.
    """
    context = _context(parts.sslmode, options.ca_file)
    secured = await wire.begin_tls(context, parts.host)
    if secured is None:
        if parts.sslmode == "prefer":
            return
        raise LookFailed(ErrorKind.TLS, f"{trace.peer} does not speak TLS, and sslmode asks for it")
    shown = secured.getpeercert(binary_form=True)
    trace.certificate = read_certificate(shown) if shown else None


@lru_cache(maxsize=8)
def _context(sslmode: str, ca_file: Path | None) -> ssl.SSLContext:
    """The TLS settings of a mode; building them takes longer than a check."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = sslmode == "verify-full"
    if not sslmode.startswith("verify"):
        context.verify_mode = ssl.CERT_NONE
        return context
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _explain(error: Exception, parts: Dsn, trace: Trace) -> tuple[ErrorKind, str]:
    """The kind of trouble, and its line for a tired person."""
    where = trace.address or trace.peer
    match error:
        case LookFailed():
            return error.kind, error.reason
        case ServerError():
            return _explain_refusal(error, parts, trace)
        case Hangup() | ConnectionResetError() | BrokenPipeError():
            return ErrorKind.CONNECT, f"{where} closed the connection before it had answered"
        case Nonsense():
            return ErrorKind.PROTOCOL, f"{where} is no PostgreSQL server: {error}"
        case ssl.SSLCertVerificationError():
            return ErrorKind.TLS, f"certificate of {trace.peer}: {error.verify_message}"
        case ssl.SSLError():
            why = (error.reason or str(error)).replace("_", " ").lower()
            return ErrorKind.TLS, f"TLS handshake with {where} failed: {why}"
        case ConnectionRefusedError():
            return ErrorKind.REFUSED, f"connect to {where} refused"
        case OSError():
            return ErrorKind.CONNECT, f"connect to {where} failed: {error.strerror or error}"
        case _:
            raise error


def _explain_refusal(error: ServerError, parts: Dsn, trace: Trace) -> tuple[ErrorKind, str]:
    """What the server itself complains about."""
    state, said = error.state, error.message
    if state.startswith(("57P", "53")):
        return ErrorKind.CONNECT, f"{trace.peer} takes no connection: {said}"
    if state == "57014":
        return ErrorKind.TIMEOUT, f"{trace.peer} ended the query: {said}"
    if state.startswith("28"):
        return ErrorKind.PROTOCOL, f"{trace.peer} refused the login of {parts.user}: {said}"
    if state == "3D000" and not trace.connected:
        return ErrorKind.PROTOCOL, f"{trace.peer} has no database {parts.database}"
    if trace.connected:
        return ErrorKind.ASSERTION, f"the query failed: {said}"
    return ErrorKind.PROTOCOL, f"{trace.peer} refused the connection: {said}"


@lru_cache(maxsize=4096)
def _repeat_command(config: PostgresConfig) -> str:
    words = ["psql", "-X", mask_dsn(config.dsn), "-c", config.query]
    return shorten(clean(shlex.join(words)), 2_000)
