"""Makes one HTTP exchange on one fresh connection: httpx's model on a transport of our own.

httpx as it comes keeps connections, builds a client's machinery for each request and measures
itself along with the target: 1.5 ms of CPU per check, and 3.9 ms reported for a target that
answers in 0.3. A monitor wants the opposite: nothing kept, a clock on every part, one deadline,
and never more than a set number of bytes in memory whatever the other side sends.

`exchange` is the transport proper; `CheckTransport` gives it the shape that httpx knows, for
anybody who brings a client of theirs. Proxies, cookies and the environment are not looked at.

How an answer may end badly:

- no byte at all, or a head that breaks off, is larger than `MAX_HEAD_BYTES` or is not HTTP;
- a body that ends before its declared length, or compressed data that are broken;
- a body that goes past the cap. When its length was declared it is honest, and only cut there.
  When it was not, it may be endless, and that is a failure.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httptools
import httpx

from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.connection import Channel, connect, explain_refusal, tls_context, with_port
from statustui.engine.trace import LookFailed, Part, Trace, timed_out

MAX_HEAD_BYTES = 65_536
"""Bytes of status line and headers, those of interim answers included."""

_MAX_INTERIM = 10
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Tells zlib to take gzip or zlib framing, whichever it finds.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIP_MAGIC = b"\x1f\x8b"
_DEFAULT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Wire:
    """One request, ready to be sent.

    Attributes:
        host: a name (IDNA encoded) or an address without brackets.
        secure: whether it goes over TLS.
        data: head and body as they go over the wire.
    """

    method: str
    host: str
    port: int
    secure: bool
    data: bytes

    @property
    def peer(self) -> str:
        """Host and port as people name it."""
        return with_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: names and values as they came.
        body: decoded, at most the cap.
        truncated: whether the cap cut it.
    """

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    truncated: bool


def wire_of(request: httpx.Request, body: bytes) -> Wire:
    """Writes a request as it goes over the wire.

    Args:
        request: with an absolute http or https address.
        body: its body, read.

    Raises:
        httpx.UnsupportedProtocol: for any other scheme, or without a host.
        httpx.InvalidURL: when its port cannot exist.
        httpx.LocalProtocolError: when a header holds a line break, which would make two of it.
    """
    url = request.url
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    if port is None or not url.raw_host:
        raise httpx.UnsupportedProtocol(f"{url.scheme or 'no scheme'}: only http and https")
    if not 1 <= port <= 65_535:
        raise httpx.InvalidURL(f"port {port} is outside 1 to 65535")
    lines = [f"{request.method} ".encode("ascii") + url.raw_path + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if name.lower() not in (b"connection", b"transfer-encoding"):
            lines.append(name + b": " + value)
    lines.append(b"Connection: close")
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("a header or the address holds a line break")
    return Wire(
        method=request.method,
        host=url.raw_host.decode("ascii"),
        port=port,
        secure=url.scheme == "https",
        data=b"\r\n".join(lines) + b"\r\n\r\n" + body,
    )


class _Exchange(Channel):
    """Sends the request and reads the answer as far as it is wanted."""

    def __init__(self, trace: Trace, wire: Wire, cap: int, context: Any) -> None:
        super().__init__(trace, context, wire.host)
        self._wire = wire
        self._cap = cap
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._head_complete = False
        self._interim = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._status = 0
        self._reason = b""
        self._length: int | None = None
        self._chunked = False
        self._unpacker: _Unpacker | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._raw_size = 0
        self._full = False
        self._complete = False
        self._broken = ""

    # The connection.

    def opened(self) -> None:
        self.trace.enter(Part.FIRST_BYTE)
        self.trace.received = 0
        self.send(self._wire.data)

    def received(self, data: bytes) -> None:
        if self.trace.part is Part.FIRST_BYTE:
            self.trace.enter(Part.TRANSFER)
        if not self._head_complete:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete = True
        except httptools.HttpParserError as error:
            # After the end of a message, or once the cap is reached, nothing more is of interest.
            if not (self._complete or self._full or self._broken):
                self._not_http(data, error)
                return
        if self._broken:
            self.fail(ErrorKind.PROTOCOL, self._broken)
        elif self._complete:
            self._end_of_body()
        elif self._full:
            self._past_the_cap()
        elif not self._head_complete and self._head_bytes > MAX_HEAD_BYTES:
            limit = MAX_HEAD_BYTES // 1024
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} sent headers larger than {limit} kB")

    def ended(self) -> None:
        if not self._head_complete:
            what = "in the middle of the headers" if self._head_bytes else "without an answer"
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} closed the connection {what}")
        elif self._chunked or self._length is not None:
            of = f" of {self._length:,}" if self._length is not None else ""
            self.fail(
                ErrorKind.PROTOCOL,
                f"{self._peer} closed the connection after {self._raw_size:,}{of} bytes of body",
            )
        else:
            self._end_of_body()

    # The parser.

    def on_status(self, text: bytes) -> None:
        """Called by the parser with a piece of the reason phrase."""
        self._reason += text

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser with one header; a trailer after the body is not looked at."""
        if not self._head_complete:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head."""
        self._status = self._parser.get_status_code()
        if 100 <= self._status < 200 and self._status != 101:
            return
        self._head_complete = True
        encoding = b""
        for name, value in self._headers:
            lowered = name.lower()
            if lowered == b"content-length" and value.strip().isdigit():
                self._length = int(value) if len(value) < 20 else None
            elif lowered == b"transfer-encoding":
                self._chunked = True
            elif lowered == b"content-encoding":
                encoding = value.strip().lower()
        if self._wire.method == "HEAD":
            self._complete = True
        elif encoding in (b"gzip", b"x-gzip", b"deflate"):
            self._unpacker = _Unpacker(may_be_bare=encoding == b"deflate")

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, interim ones included."""
        if self._head_complete:
            self._complete = True
            return
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            self._broken = f"{self._peer} sent more than {_MAX_INTERIM} interim answers"
        self._headers.clear()
        self._reason = b""

    def on_body(self, data: bytes) -> None:
        """Called by the parser with a piece of the body."""
        if self._full or self._complete or self._broken:
            return
        self._raw_size += len(data)
        room = self._cap - self._size
        if self._unpacker is None:
            piece = data
        else:
            try:
                # One byte more than there is room for tells "exactly full" from "too much".
                piece = self._unpacker.unpack(data, room + 1)
            except zlib.error:
                self._broken = f"{self._peer} sent a compressed body that is broken"
                return
            # What unpacks to nothing costs no memory, but it may go on for ever.
            self._full = self._raw_size > self._cap + _SLACK
        if len(piece) > room:
            piece = piece[:room]
            self._full = True
        if piece:
            self._body.append(piece)
            self._size += len(piece)

    # The ends.

    @property
    def _peer(self) -> str:
        return self.trace.peer

    def _end_of_body(self) -> None:
        unpacker = self._unpacker
        if unpacker is not None and not self._full and unpacker.unfinished:
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} sent a compressed body that breaks off")
        else:
            self.finish()

    def _past_the_cap(self) -> None:
        if self._length is not None and not self._chunked:
            self.finish()
            return
        self.fail(
            ErrorKind.PROTOCOL,
            f"{self._peer} sent more than {self._cap:,} bytes without saying how many will come "
            "(max_body_bytes)",
        )

    def _not_http(self, data: bytes, error: httptools.HttpParserError) -> None:
        if self._head_complete:
            reason = f"{self._peer} sent a body that breaks the rules of HTTP: {_words(error)}"
        elif data.startswith(b"HTTP/") or self._head_bytes > len(data):
            reason = f"{self._peer} sent headers that break the rules of HTTP: {_words(error)}"
        else:
            start = shorten(clean(data[:80].decode("utf-8", "replace")), 40)
            reason = f"{self._peer} does not speak HTTP on this port, it said “{start}”"
        self.fail(ErrorKind.PROTOCOL, reason)

    def answer(self) -> Answer:
        """What was read, complete or not; meaningful once the head was complete."""
        return Answer(
            status=self._status,
            reason=self._reason.decode("latin-1"),
            headers=tuple(self._headers),
            body=b"".join(self._body),
            truncated=self._full,
        )

    @property
    def has_head(self) -> bool:
        """Whether status and headers were read."""
        return self._head_complete


# Compressed bytes allowed beyond the cap before a body that unpacks to less than it is given up.
_SLACK = 65_536


class _Unpacker:
    """Undoes gzip or deflate with a limit on what comes out, whatever goes in."""

    def __init__(self, *, may_be_bare: bool) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._may_be_bare = may_be_bare
        self._begun = False

    def unpack(self, data: bytes, most: int) -> bytes:
        """At most `most` bytes of what the data unpack to; the rest is dropped."""
        pieces: list[bytes] = []
        while data and most > 0:
            piece = self._once(data, most)
            pieces.append(piece)
            most -= len(piece)
            # A gzip file may be several, one after the other.
            data = self._inflate.unused_data
            if not data.startswith(_GZIP_MAGIC):
                break
            self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        return b"".join(pieces)

    def _once(self, data: bytes, most: int) -> bytes:
        if self._begun:
            return self._inflate.decompress(data, most)
        self._begun = True
        try:
            return self._inflate.decompress(data, most)
        except zlib.error:
            if not self._may_be_bare:
                raise
            # Some servers mean bare deflate data when they say "deflate".
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._inflate.decompress(data, most)

    @property
    def unfinished(self) -> bool:
        """Whether the data broke off in the middle."""
        return self._begun and not self._inflate.eof


def _words(error: Exception) -> str:
    return shorten(clean(str(error)), 80) or "unreadable"


class Broken(LookFailed):
    """An exchange that failed after the head of its answer was read.

    Attributes:
        answer: status, headers and the part of the body that came.
    """

    def __init__(self, failure: LookFailed, answer: Answer) -> None:
        super().__init__(failure.kind, failure.reason)
        self.answer = answer


async def exchange(
    wire: Wire,
    trace: Trace,
    *,
    deadline: float,
    verify: bool = True,
    ca_file: Path | None = None,
    cap: int = 1_000_000,
) -> Answer:
    """Sends one request over a connection of its own and reads the answer.

    Args:
        wire: what to send, where.
        trace: where times, address and certificate are noted.
        deadline: on the event loop's clock, for sharing time between addresses; ending the whole
            at its deadline is the caller's part (`asyncio.timeout_at`).
        verify: whether the certificate must be right.
        ca_file: further authorities to trust.
        cap: bytes of the decoded body that are kept.

    Raises:
        LookFailed: of any network kind; `Broken` when there was a head.
        TimeoutError: from the caller's deadline.
    """
    context = tls_context(verify, ca_file, True) if wire.secure else None
    trace.peer = wire.peer
    channel = _Exchange(trace, wire, cap, context)
    try:
        await connect(channel, wire.host, wire.port, deadline=deadline)
        await channel.wait()
    except LookFailed as failure:
        if channel.refused_certificate is not None:
            raise await explain_refusal(
                channel, channel.refused_certificate, http=True, server_name=wire.host
            ) from None
        if channel.has_head:
            raise Broken(failure, channel.answer()) from None
        raise
    finally:
        channel.close()
    return channel.answer()


class CheckTransport(httpx.AsyncBaseTransport):
    """`exchange` in the shape of an httpx transport: one fresh connection for each request.

    The response carries its trace as `response.extensions["trace"]`. A body that was compressed is
    handed on unpacked, without its `Content-Encoding`.

    Args:
        verify: whether certificates must be right.
        ca_file: further authorities to trust.
        max_body_bytes: how much of a body is read.
    """

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: Path | None = None,
        max_body_bytes: int = 1_000_000,
    ) -> None:
        self._verify = verify
        self._ca_file = ca_file
        self._cap = max_body_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers one request.

        Raises:
            httpx.TransportError: one of its kinds, for whatever went wrong.
        """
        wire = wire_of(request, await request.aread())
        seconds = _timeout_of(request.extensions.get("timeout"))
        trace = Trace(wire.peer)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                answer = await exchange(
                    wire,
                    trace,
                    deadline=deadline,
                    verify=self._verify,
                    ca_file=self._ca_file,
                    cap=self._cap,
                )
        except TimeoutError:
            raise httpx.ReadTimeout(
                timed_out(trace, trace.part, round(seconds * 1000)), request=request
            ) from None
        except LookFailed as failure:
            kind = (
                httpx.RemoteProtocolError
                if failure.kind is ErrorKind.PROTOCOL
                else httpx.ConnectError
            )
            raise kind(failure.reason, request=request) from None
        unpacked = any(
            name.lower() == b"content-encoding" and value.strip().lower() in _UNPACKED
            for name, value in answer.headers
        )
        dropped = (b"content-encoding", b"content-length") if unpacked else ()
        return httpx.Response(
            answer.status,
            headers=[pair for pair in answer.headers if pair[0].lower() not in dropped],
            stream=httpx.ByteStream(answer.body),
            extensions={"trace": trace, "reason_phrase": answer.reason.encode("latin-1")},
        )


_UNPACKED = (b"gzip", b"x-gzip", b"deflate")


def _timeout_of(timeouts: object) -> float:
    """One deadline out of httpx's four timeouts: the longest of those that are set."""
    if isinstance(timeouts, Mapping):
        given = [value for value in timeouts.values() if isinstance(value, int | float)]
        if given:
            return float(max(given))
    return _DEFAULT_TIMEOUT_SECONDS
