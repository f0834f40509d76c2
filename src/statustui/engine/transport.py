"""Makes one HTTP exchange on one fresh connection: httpx's requests, a transport of our own.

httpx as it comes keeps connections, builds a client's machinery for each request and measures
itself along with the target: 1.5 ms of CPU per check, and 3.9 ms reported for a target that
answers in 0.3. A monitor wants the opposite: nothing kept, a clock on every part, one deadline,
and never more than a set number of bytes in memory whatever the other side sends.

Cookies and the environment are not looked at; proxies only where a configuration names one.

How an answer may end badly:

- no byte at all, or a head that breaks off, is larger than `MAX_HEAD_BYTES` or is not HTTP;
- a body that ends before its declared length, or compressed data that are broken;
- a body that goes past the cap. When its length was declared it is honest, and only cut there.
  When it was not, it may be endless, and that is a failure.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import httptools
import httpx

from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.body import Body
from statustui.engine.connecting import connect, with_port
from statustui.engine.connection import Channel, explain_refusal
from statustui.engine.http2 import MAX_HEAD_BYTES, Http2Exchange
from statustui.engine.proxy import Proxy, tunnel
from statustui.engine.steps import Step, Words, handshake
from statustui.engine.tls_settings import TlsSettings
from statustui.engine.trace import LookFailed, Part, Trace

_MAX_INTERIM = 10
_DEFAULT_PORTS = {"http": 80, "https": 443}
# These belong to one connection; the request says its own where it needs them.
_OF_THE_CONNECTION = (b"connection", b"transfer-encoding")
_NOT_IN_HTTP2 = (*_OF_THE_CONNECTION, b"host", b"keep-alive", b"proxy-connection", b"upgrade")

PROTOCOLS = {"1.1": ("http/1.1",), "2": ("h2",), "auto": ("h2", "http/1.1")}
"""What is offered by ALPN for each `http_version` of a configuration."""


_HTTP_1 = TlsSettings(protocols=PROTOCOLS["1.1"])


@dataclass(frozen=True, slots=True)
class Way:
    """How requests of one monitor travel.

    Attributes:
        tls: for targets (and proxies) that want it.
        family: addresses of which family.
        proxy: whom they are handed to, None for the target itself.
        version: "1.1", "2" or "auto", as the configuration says.
    """

    tls: TlsSettings = _HTTP_1
    family: int = socket.AF_UNSPEC
    proxy: Proxy | None = None
    version: str = "1.1"


DIRECTLY = Way()


@dataclass(frozen=True, slots=True)
class Wire:
    """One request, ready to be sent.

    Attributes:
        host: a name (IDNA encoded) or an address without brackets.
        secure: whether it goes over TLS.
        data: head and body as they go over the wire in HTTP/1.1.
        fields: the head as HTTP/2 has it; empty where it is not wanted.
        content: the body alone.
        user_agent: how we introduce ourselves.
    """

    method: str
    host: str
    port: int
    secure: bool
    data: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes = b""
    user_agent: bytes = b""

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
        version: "1.1" or "2".
    """

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    truncated: bool
    version: str = "1.1"


def wire_of(request: httpx.Request, body: bytes, way: Way = DIRECTLY) -> Wire:
    """Writes a request as it goes over the wire.

    Args:
        request: with an absolute http or https address.
        body: its body, read.
        way: how it will travel.

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
    secure = url.scheme == "https"
    method = request.method.encode("ascii")
    asked = url.raw_path
    through = way.proxy if way.proxy is not None and not secure else None
    if through is not None:
        asked = b"http://" + url.netloc + asked
    lines = [method + b" " + asked + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if name.lower() not in _OF_THE_CONNECTION:
            lines.append(name + b": " + value)
    if through is not None and through.authorization:
        lines.append(b"Proxy-Authorization: " + through.authorization)
    lines.append(b"Connection: close")
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("a header or the address holds a line break")
    fields: tuple[tuple[bytes, bytes], ...] = ()
    if way.version != "1.1":
        fields = (
            (b":method", method),
            (b":scheme", url.raw_scheme),
            (b":authority", request.headers["Host"].encode("latin-1")),
            (b":path", url.raw_path),
            *(
                (name.lower(), value)
                for name, value in request.headers.raw
                if name.lower() not in _NOT_IN_HTTP2
            ),
        )
    return Wire(
        method=request.method,
        host=url.raw_host.decode("ascii"),
        port=port,
        secure=secure,
        data=b"\r\n".join(lines) + b"\r\n\r\n" + body,
        fields=fields,
        content=body,
        user_agent=request.headers.get("User-Agent", "").encode("latin-1"),
    )


class _Exchange(Channel):
    """Sends the request and reads the answer as far as it is wanted."""

    def __init__(
        self, trace: Trace, wire: Wire, cap: int, steps: tuple[Step, ...], version: str
    ) -> None:
        super().__init__(trace, steps)
        self._wire = wire
        self._version = version
        self._second: Http2Exchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._head_complete = False
        self._interim = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._status = 0
        self._reason = b""
        self._body = Body(cap)
        self._complete = False
        self._broken = ""

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Until here it was the proxy's, where there is one.
        self.trace.peer = self._wire.peer
        super().connection_made(transport)

    def opened(self) -> None:
        wire = self._wire
        if self._version != "1.1":
            is_2 = self.chosen_protocol == "h2" if wire.secure else self._version == "2"
            if self._version == "2" and not is_2:
                self.fail(ErrorKind.PROTOCOL, f"{self._peer} does not offer HTTP/2")
                return
            if is_2:
                self._second = Http2Exchange(
                    wire.fields, wire.content, self._body, head_only=wire.method == "HEAD"
                )
        self.trace.enter(Part.FIRST_BYTE)
        self.trace.received = 0
        self.send(wire.data if self._second is None else self._second.begin())

    def received(self, data: bytes) -> None:
        if self._second is not None:
            self._received_2(self._second, data)
            return
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
            if not (self._complete or self._body.full or self._broken):
                self._not_http(data, error)
                return
        if self._broken:
            self.fail(ErrorKind.PROTOCOL, self._broken)
        elif self._complete:
            self._end_of_body()
        elif self._body.full:
            self._past_the_cap()
        elif not self._head_complete and self._head_bytes > MAX_HEAD_BYTES:
            limit = MAX_HEAD_BYTES // 1024
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} sent headers larger than {limit} kB")

    def _received_2(self, second: Http2Exchange, data: bytes) -> None:
        had_head = second.has_head
        reply = second.receive(data)
        if second.has_head and not had_head:
            # What came before were settings, which say nothing about the request.
            self.trace.enter(Part.TRANSFER)
        if second.broken:
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} {second.broken}")
        elif self._body.broken:
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} sent a compressed body that is broken")
        elif second.complete:
            self._end_of_body()
        elif self._body.full:
            self._past_the_cap()
        elif reply:
            self.reply(reply)

    def ended(self) -> None:
        second = self._second
        if not (second.has_head if second is not None else self._head_complete):
            what = "in the middle of the headers" if self._head_bytes else "without an answer"
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} closed the connection {what}")
        elif second is not None or self._body.chunked or self._body.length is not None:
            of = f" of {self._body.length:,}" if self._body.length is not None else ""
            came = f"{self._body.raw_size:,}{of} bytes of body"
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} closed the connection after {came}")
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
        head_only = self._wire.method == "HEAD"
        self._body.expect(self._headers, nothing=head_only)
        self._complete = head_only

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
        body = self._body
        if body.full or self._complete or self._broken:
            return
        body.add(data)
        if body.broken:
            self._broken = f"{self._peer} sent a compressed body that is broken"

    # The ends.

    @property
    def _peer(self) -> str:
        return self.trace.peer

    def _end_of_body(self) -> None:
        if self._body.breaks_off:
            self.fail(ErrorKind.PROTOCOL, f"{self._peer} sent a compressed body that breaks off")
        else:
            self.finish()

    def _past_the_cap(self) -> None:
        if self._body.has_honest_length:
            self.finish()
            return
        self.fail(
            ErrorKind.PROTOCOL,
            f"{self._peer} sent more than {self._body.cap:,} bytes without saying how many will "
            "come (max_body_bytes)",
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
        second = self._second
        return Answer(
            status=self._status if second is None else second.status,
            reason=self._reason.decode("latin-1"),
            headers=tuple(self._headers if second is None else second.headers),
            body=self._body.content(),
            truncated=self._body.full,
            version="1.1" if second is None else "2",
        )

    @property
    def has_head(self) -> bool:
        """Whether status and headers were read."""
        return self._head_complete if self._second is None else self._second.has_head


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


def _steps_of(wire: Wire, way: Way) -> tuple[Step, ...]:
    """What comes between the connection and the request."""
    steps: list[Step] = []
    proxy = way.proxy
    if proxy is not None:
        if proxy.secure:
            theirs = way.tls.anonymous()
            theirs = TlsSettings(theirs.verify, theirs.ca_file, theirs.ca, protocols=("http/1.1",))
            named = f"the proxy {proxy.peer}"
            steps.append(handshake(theirs, proxy.host, named, of_target=False))
        if wire.secure:
            talk = tunnel(proxy, wire.peer, wire.user_agent)
            steps.append(Words(talk, f"proxy {proxy.peer}", Part.CONNECT, makes_connection=True))
    if wire.secure:
        steps.append(handshake(way.tls, wire.host, wire.peer))
    return tuple(steps)


async def exchange(
    wire: Wire, trace: Trace, *, way: Way = DIRECTLY, cap: int = 1_000_000
) -> Answer:
    """Sends one request over a connection of its own and reads the answer.

    Ending the whole at a deadline is the caller's part (`asyncio.timeout_at`).

    Args:
        wire: what to send, where.
        trace: where times, address and certificate are noted.
        way: how it travels.
        cap: bytes of the decoded body that are kept.

    Raises:
        LookFailed: of any network kind, or `observer` when this host cannot use the TLS settings;
            `Broken` when there was a head.
        TimeoutError: from the caller's deadline.
    """
    steps = _steps_of(wire, way) if wire.secure or way.proxy is not None else ()
    trace.peer, trace.tunnel_to = wire.peer, ""
    # Proxies take requests without TLS in HTTP/1.1 only.
    version = way.version if wire.secure or way.proxy is None else "1.1"
    channel = _Exchange(trace, wire, cap, steps, version)
    try:
        if way.proxy is None:
            await connect(channel, wire.host, wire.port, family=way.family)
        else:
            await _connect_to_proxy(channel, wire, way.proxy, way.family)
        await channel.wait()
    except LookFailed as failure:
        refusal = await explain_refusal(channel)
        if refusal is not None:
            raise refusal from None
        if channel.has_head:
            raise Broken(failure, channel.answer()) from None
        raise
    finally:
        channel.close()
    return channel.answer()


async def _connect_to_proxy(channel: Channel, wire: Wire, proxy: Proxy, family: int) -> None:
    trace = channel.trace
    trace.peer = proxy.peer
    if wire.secure:
        trace.tunnel_to = wire.peer
    try:
        await connect(channel, proxy.host, proxy.port, family=family)
    except LookFailed as failure:
        raise LookFailed(failure.kind, f"proxy {proxy.peer}: {failure.reason}") from None
