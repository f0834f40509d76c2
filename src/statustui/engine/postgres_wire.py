"""Speaks as much of PostgreSQL's protocol (version 3) as one look needs, with bounds on everything.

The store's driver would do, but it reads a row whole before anybody can say that it is too long,
and it fills gaps in an address from the host's own environment. What is looked at here belongs to
somebody else, who may be hostile: a message has a longest length, what is not read yet holds the
sender up, and nothing is taken from this host.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
import struct
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from statustui.domain.status import ErrorKind
from statustui.engine.trace import LookFailed

LONGEST_MESSAGE = 1_000_000
_HELD_BYTES = 262_144
_SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
_VERSION = 196_608
_MOST_ITERATIONS = 500_000
_CLOSE_SECONDS = 0.2

Row = tuple[bytes | None, ...]


class ServerError(Exception):
    """The server said no.

    Args:
        state: its SQLSTATE; message: its first line.
    """

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.message = message


class Hangup(Exception):
    """The server closed the connection in the middle of the conversation."""


class Nonsense(Exception):
    """What the server says is not PostgreSQL's protocol; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave.

    Attributes:
        columns: their names; is_whole: False when there were more rows than were asked for.
    """

    columns: tuple[str, ...]
    is_whole: bool


class Wire(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self) -> None:
        self._heard = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_held = False
        self._is_lost = False
        self._gone = asyncio.Event()

    # -- bytes -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it, and again when TLS has begun."""
        # uvloop's transports are of classes of their own.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keeps what came, and holds the sender up when it is too much to keep."""
        self._heard += data
        if len(self._heard) > _HELD_BYTES and not self._is_held and self._transport is not None:
            self._is_held = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio calls it."""
        self._is_lost = True
        self._gone.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _read(self, size: int) -> bytes:
        while len(self._heard) < size:
            if self._is_lost:
                raise Hangup
            if self._is_held and self._transport is not None:
                self._is_held = False
                self._transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = bytes(self._heard[:size])
        del self._heard[:size]
        return data

    def _write(self, *messages: bytes) -> None:
        if self._transport is None or self._is_lost:
            raise Hangup
        self._transport.write(b"".join(messages))

    def close(self) -> None:
        """Says goodbye where that is possible and ends; waits for nothing."""
        if self._transport is None:
            return
        if not self._is_lost:
            self._transport.write(b"X\0\0\0\4")
        self._transport.close()

    def abort(self) -> None:
        """Ends at once."""
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Waits a moment until the connection is closed, then ends it whatever the server does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._gone.wait()
                return
        self.abort()
        await asyncio.sleep(0)

    # -- TLS -------------------------------------------------------------------------------------

    async def begin_tls(self, context: ssl.SSLContext, name: str) -> ssl.SSLObject | None:
        """Asks for TLS and shakes hands; returns None when the server does not speak it.

        Args:
            context: how to shake hands; name: whom the certificate should name.

        Raises:
            Nonsense, Hangup, ssl.SSLError, OSError: the handshake was not had.
        """
        self._write(_SSL_REQUEST)
        answer = await self._read(1)
        if answer == b"N":
            return None
        if answer != b"S":
            raise Nonsense("it answers the question for TLS with neither yes nor no")
        if self._heard:
            raise Nonsense("it sends words before TLS that somebody could have put there")
        if self._transport is None:
            raise Hangup
        upgraded = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=name
        )
        if upgraded is None:
            raise Hangup
        self._transport = upgraded
        secured: ssl.SSLObject | None = upgraded.get_extra_info("ssl_object")
        return secured

    # -- login -----------------------------------------------------------------------------------

    async def log_in(self, user: str, password: str, database: str) -> None:
        """Logs in, with whichever of the usual ways the server asks for.

        Raises:
            ServerError: it refuses.
            LookFailed: it asks for something that a monitor does not have.
            Nonsense, Hangup: as it says.
        """
        words = ["user", user, "database", database, "application_name", "statustui"]
        words += ["client_encoding", "UTF8"]
        body = struct.pack("!i", _VERSION) + b"".join(_text(word) for word in words) + b"\0"
        self._write(struct.pack("!i", len(body) + 4), body)
        scram: Scram | None = None
        while True:
            kind, payload = await self._message()
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            (method,) = _unpack("!i", payload[:4])
            if method == 0 or method == 12:
                if method == 12:
                    if scram is None:
                        raise Nonsense("it ends a login that it never began")
                    scram.check(payload[4:])
                continue
            if method == 3:
                self._write(_message(b"p", _text(password)))
            elif method == 5:
                self._write(_message(b"p", _text(_md5(user, password, payload[4:8]))))
            elif method == 10:
                if b"SCRAM-SHA-256" not in payload[4:].split(b"\0"):
                    raise _asks("a way of logging in that is not known here")
                scram = Scram(password)
                first = scram.first()
                said = _text("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first
                self._write(_message(b"p", said))
            elif method == 11 and scram is not None:
                # Milliseconds of arithmetic, or as many more as the server likes.
                proof = await asyncio.to_thread(scram.answer, payload[4:])
                self._write(_message(b"p", proof))
            else:
                names = {2: "Kerberos", 7: "GSSAPI", 9: "SSPI"}
                raise _asks(names.get(method, "a way of logging in that is not known here"))

    # -- queries ---------------------------------------------------------------------------------

    async def execute(self, statements: str) -> None:
        """Runs statements that give nothing.

        Raises:
            ServerError, Nonsense, Hangup: as the server says.
        """
        self._write(_message(b"Q", _text(statements)))
        failure: ServerError | None = None
        while True:
            try:
                kind, _ = await self._message()
            except ServerError as error:
                failure = error
                continue
            if kind == b"Z":
                break
        if failure is not None:
            raise failure

    async def query(
        self, statement: str, most_rows: int, take: Callable[[tuple[str, ...], Row], bool]
    ) -> Result:
        """Runs one statement and hands over its rows.

        Args:
            statement: one statement, whatever it gives.
            most_rows: the server is asked for no more than these.
            take: gets the names of the columns and a row of texts; False ends the reading.

        Raises:
            ServerError, Nonsense, Hangup: as the server says.
            LookFailed: a row is longer than what is read.
        """
        self._write(
            _message(b"P", b"\0" + _text(statement) + b"\0\0"),
            _message(b"B", b"\0\0\0\0\0\0\0\0"),
            _message(b"D", b"P\0"),
            _message(b"E", b"\0" + struct.pack("!i", most_rows)),
            _message(b"S", b""),
        )
        columns: tuple[str, ...] = ()
        while True:
            kind, payload = await self._message()
            match kind:
                case b"T":
                    columns = _columns(payload)
                case b"D":
                    if not take(columns, _row(payload)):
                        return Result(columns, False)
                case b"s":
                    return Result(columns, False)
                case b"C" | b"I":
                    return Result(columns, True)
                case b"G" | b"H" | b"W":
                    raise LookFailed(ErrorKind.ASSERTION, "the query copies; it must give rows")
                case b"Z":
                    raise Nonsense("it ends a query without its result")
                case _:
                    continue

    async def _message(self) -> tuple[bytes, bytes]:
        """The next message that says something.

        Raises:
            ServerError: it is an error.
        """
        head = await self._read(5)
        kind, (length,) = head[:1], _unpack("!i", head[1:])
        if not kind.isalnum() or length < 4:
            raise Nonsense("it does not speak PostgreSQL's protocol")
        if length > LONGEST_MESSAGE:
            if kind == b"D":
                told = f"the query gave a row of {length:,} bytes, {LONGEST_MESSAGE:,} are allowed"
                raise LookFailed(ErrorKind.PROTOCOL, told)
            raise Nonsense(f"it announces a message of {length:,} bytes")
        payload = await self._read(length - 4)
        if kind == b"E":
            raise _server_error(payload)
        return kind, payload


class Scram:
    """SCRAM-SHA-256 (RFC 5802, RFC 7677), from the client's side.

    Args:
        password: as the monitor has it.
        nonce: what the client draws; None draws it.
    """

    def __init__(self, password: str, nonce: str | None = None) -> None:
        self._password = _prepared(password)
        self._nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self._bare = f"n=,r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """What the client says first."""
        return f"n,,{self._bare}".encode()

    def answer(self, challenge: bytes) -> bytes:
        """The proof for the server's challenge.

        Raises:
            Nonsense: it is no challenge.
        """
        try:
            said = challenge.decode("ascii")
            parts = dict(part.split("=", 1) for part in said.split(","))
            nonce, salt, iterations = parts["r"], base64.b64decode(parts["s"]), int(parts["i"])
        except (ValueError, KeyError):
            raise Nonsense("its challenge for the password cannot be read") from None
        if not nonce.startswith(self._nonce) or not 1 <= iterations <= _MOST_ITERATIONS:
            raise Nonsense("its challenge for the password is none that is answered")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        client = _hmac(salted, b"Client Key")
        final = f"c=biws,r={nonce}"
        whole = f"{self._bare},{said},{final}".encode()
        self._signature = _hmac(_hmac(salted, b"Server Key"), whole)
        mask = _hmac(hashlib.sha256(client).digest(), whole)
        proof = bytes(a ^ b for a, b in zip(client, mask, strict=True))
        return f"{final},p={base64.b64encode(proof).decode()}".encode()

    def check(self, final: bytes) -> None:
        """Checks that the server knows the password too.

        Raises:
            Nonsense: it does not.
        """
        expected = b"v=" + base64.b64encode(self._signature)
        if not self._signature or not hmac.compare_digest(final, expected):
            raise Nonsense("it does not know the password that it asked for")


def _prepared(password: str) -> bytes:
    """As SASLprep has it for everything that people type as a password."""
    if password.isascii():
        return password.encode()
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in password)
    return unicodedata.normalize("NFKC", spaced).encode()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _md5(user: str, password: str, salt: bytes) -> str:
    inner = hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
    return f"md5{outer}"


def _asks(what: str) -> LookFailed:
    return LookFailed(
        ErrorKind.PROTOCOL, f"the server asks for {what}, and a monitor has a password"
    )


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!i", len(payload) + 4) + payload


def _unpack(form: str, data: bytes) -> tuple[int, ...]:
    try:
        return struct.unpack(form, data)
    except struct.error:
        raise Nonsense("a message of it breaks off") from None


def _columns(payload: bytes) -> tuple[str, ...]:
    (count,) = _unpack("!h", payload[:2])
    names = []
    position = 2
    for _ in range(count):
        end = payload.find(b"\0", position)
        if end < 0:
            raise Nonsense("a message of it breaks off")
        names.append(payload[position:end].decode("utf-8", "replace"))
        position = end + 19
    return tuple(names)


def _row(payload: bytes) -> Row:
    (count,) = _unpack("!h", payload[:2])
    cells: list[bytes | None] = []
    position = 2
    for _ in range(count):
        (length,) = _unpack("!i", payload[position : position + 4])
        position += 4
        if length < 0:
            cells.append(None)
            continue
        if position + length > len(payload):
            raise Nonsense("a row of it breaks off")
        cells.append(payload[position : position + length])
        position += length
    return tuple(cells)


def _server_error(payload: bytes) -> ServerError:
    fields: dict[bytes, str] = {}
    for field in payload.split(b"\0"):
        if field:
            fields.setdefault(field[:1], field[1:].decode("utf-8", "replace"))
    return ServerError(fields.get(b"C", ""), fields.get(b"M", "an error without words"))


def decoded(cells: Sequence[bytes | None]) -> tuple[str | None, ...]:
    """A row as texts."""
    return tuple(None if cell is None else cell.decode("utf-8", "replace") for cell in cells)
