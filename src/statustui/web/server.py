"""The listening side: connections in, requests to a handler, finished bytes out.

One asyncio protocol per connection, no task and no timer of its own: a request that can be
answered from memory is answered within `data_received`, and one sweep over all connections closes
those whose time is up. A client that sends slowly, reads slowly, floods or talks nonsense costs a
bounded amount of memory and never delays another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from time import monotonic, time
from typing import TYPE_CHECKING, Final, cast

from statustui.web.answers import Answer
from statustui.web.http1 import HeadMemory, Refused, Request, RequestParser
from statustui.web.limits import ConnectionCounter, RateLimiter, TrustedProxies, bucket_of

if TYPE_CHECKING:
    from statustui.settings import WebSettings

log = logging.getLogger(__name__)

# A slow reader holds at most twice this much of an answer in this process.
WRITE_CHUNK_BYTES: Final = 65_536
WRITE_STALL_SECONDS: Final = 30.0
LINGER_SECONDS: Final = 1.0
LINGER_BYTES: Final = 262_144
BACKLOG: Final = 1_024
STOP_GRACE_SECONDS: Final = 3.0

Handler = Callable[[Request], Answer | Awaitable[Answer]]
Refuser = Callable[[int, str, "Request | None", int], Answer]


class PageServer:
    """Listens, and answers each request with what its handler gives.

    Args:
        handler: gives an answer at once, or something to wait for.
        refuser: makes the answer for a status, a message, the request if there was one, and the
            seconds after which to try again (0 for none).
        settings: where to listen and all limits.
        route_of: the name under which requests for a path are counted, one of few.
    """

    def __init__(
        self,
        handler: Handler,
        refuser: Refuser,
        settings: WebSettings,
        route_of: Callable[[str], str] = lambda _: "other",
    ) -> None:
        self.handler = handler
        self.refuser = refuser
        self.settings = settings
        self.route_of = route_of
        self.answered: defaultdict[tuple[str, bytes], int] = defaultdict(int)
        self.memory = HeadMemory()
        self.limiter = RateLimiter(settings.requests_per_second, settings.burst)
        self.counter = ConnectionCounter(
            settings.max_connections, settings.max_connections_per_address
        )
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.connections: set[_Connection] = set()
        self.stopping = False
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._date = b""
        self._date_second = 0

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self),
            self.settings.host,
            self.settings.port,
            backlog=BACKLOG,
            reuse_address=True,
        )
        self._sweeper = asyncio.create_task(self._sweep(), name="web-sweep")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on.

        Raises:
            RuntimeError: it does not listen.
        """
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the page server does not listen")
        name = self._server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def requests(self) -> dict[tuple[str, int], int]:
        """How many requests were answered, by route and status."""
        return {(route, int(code)): count for (route, code), count in self.answered.items()}

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Stop listening, let answers under way finish, close everything.

        Args:
            grace_seconds: how long answers under way may take.
        """
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.stop_when_idle()
        await self._wait_for_the_last(grace_seconds)
        for connection in list(self.connections):
            connection.abort()
        await self._wait_for_the_last(LINGER_SECONDS)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None
        self._server = None

    def forget(self, connection: _Connection) -> None:
        """A counted connection is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def _wait_for_the_last(self, seconds: float) -> None:
        if self.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    def date_line(self) -> bytes:
        """The Date field and the end of the head, made once a second."""
        second = int(time())
        if second != self._date_second:
            self._date_second = second
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
        return self._date

    async def _sweep(self) -> None:
        shortest = min(self.settings.header_timeout_seconds, self.settings.keep_alive_seconds)
        pause = min(1.0, shortest / 4)
        while True:
            await asyncio.sleep(pause)
            now = monotonic()
            for connection in list(self.connections):
                connection.close_if_late(now)
            self.limiter.forget_full(now)


class _Connection(asyncio.Protocol):
    """One client.

    `_busy` is an answer being waited for; `_rest` what remains of a body that the client has not
    taken yet; `_lingering` means that all has been said and what still comes is thrown away, so
    that the refusal is not lost in a reset.
    """

    __slots__ = (
        "_address", "_busy", "_closing", "_counted", "_deadline", "_dropped", "_head_since",
        "_lingering", "_parser", "_paused", "_peer", "_proxied", "_rest", "_server", "_transport",
    )  # fmt: skip

    def __init__(self, server: PageServer) -> None:
        self._server = server
        self._parser = RequestParser(server.memory)
        self._transport: asyncio.Transport | None = None
        self._busy: asyncio.Task[None] | None = None
        self._rest = memoryview(b"")
        self._paused = False
        self._closing = False
        self._lingering = False
        self._dropped = 0
        self._counted = False
        self._proxied = False
        self._peer = ""
        self._address = ""
        self._head_since: float | None = None
        self._deadline = 0.0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_CHUNK_BYTES)
        name = transport.get_extra_info("peername")
        self._peer = str(name[0]) if name else ""
        self._address = bucket_of(self._peer)
        server = self._server
        self._proxied = server.proxies.trusts(self._peer)
        refusal = server.counter.enter(None if self._proxied else self._address)
        if refusal:
            words = "too many connections from this address" if refusal == 429 else "too busy"
            head, body = server.refuser(refusal, words, None, 5).form(None)
            self._transport.write(head + server.date_line() + b"Connection: close\r\n\r\n" + body)
            self._transport.close()
            return
        self._counted = True
        server.connections.add(self)
        self._deadline = monotonic() + server.settings.header_timeout_seconds

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self.abort()
            return
        if self._closing:
            return
        self._parser.feed(data)
        self._answer_what_came()

    def eof_received(self) -> bool:
        # A client may close its side once it has asked; it still gets its answer.
        if self._busy is not None or self._rest:
            self._closing = True
            return True
        return False

    def pause_writing(self) -> None:
        self._paused = True
        self._deadline = monotonic() + WRITE_STALL_SECONDS

    def resume_writing(self) -> None:
        self._paused = False
        self._write_rest()
        if not self._rest and not self._paused:
            self._answer_what_came()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy is not None:
            self._busy.cancel()
        if self._counted:
            self._counted = False
            self._server.counter.leave(None if self._proxied else self._address)
            self._server.forget(self)
        self._transport = None

    # What the server calls

    def close_if_late(self, now: float) -> None:
        """Close the connection when what it waits for has not come in time."""
        if now < self._deadline or self._busy is not None:
            return
        transport = self._transport
        if transport is None:
            return
        if self._lingering or self._paused or self._rest or transport.is_closing():
            self.abort()
        elif self._parser.waiting_bytes:
            self._refuse(Refused(408, "the request did not come in time"))
        else:
            self._close()

    def stop_when_idle(self) -> None:
        """Close now when nothing is under way, else after the answer."""
        if self._busy is None and not self._rest:
            self._close()
        self._closing = True

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        if self._transport is not None:
            self._transport.abort()

    # Requests and answers

    def _answer_what_came(self) -> None:
        """Answer one request after the other, until more bytes are needed or somebody waits."""
        while self._transport is not None and self._busy is None:
            if self._paused or self._rest or self._closing:
                break
            event = self._parser.next_event()
            if event is None:
                break
            self._head_since = None
            if isinstance(event, Refused):
                self._refuse(event)
                return
            self._handle(event)
        self._set_reading()
        self._set_deadline()

    def _handle(self, request: Request) -> None:
        server = self._server
        address = self._address
        if self._proxied:
            client = server.proxies.client(self._peer, request.field("x-forwarded-for"))
            address = bucket_of(client)
        wait = server.limiter.take(address, monotonic())
        if wait > 0:
            seconds = max(1, int(wait + 0.999))
            answer = server.refuser(429, "too many requests from this address", request, seconds)
            self._send(answer, request, close=True)
            return
        if request.method not in ("GET", "HEAD"):
            answer = server.refuser(405, "only GET and HEAD exist here", request, 0)
            self._send(answer, request, close=True)
            return
        try:
            found = server.handler(request)
        except Exception:
            log.exception("no answer could be made for %s", request.path)
            found = server.refuser(500, "the answer could not be made", request, 0)
        if isinstance(found, Answer):
            self._send(found, request)
        else:
            self._busy = asyncio.get_running_loop().create_task(self._await(found, request))

    async def _await(self, found: Awaitable[Answer], request: Request) -> None:
        try:
            answer = await found
        except Exception:
            log.exception("no answer could be made for %s", request.path)
            answer = self._server.refuser(500, "the answer could not be made", request, 0)
        self._busy = None
        if self._transport is not None:
            self._send(answer, request)
            self._answer_what_came()

    def _refuse(self, refused: Refused) -> None:
        self._send(self._server.refuser(refused.status, refused.message, None, 0), None, close=True)

    def _send(self, answer: Answer, request: Request | None, *, close: bool = False) -> None:
        transport = self._transport
        if transport is None:
            return
        head, body = answer.form(request)
        server = self._server
        route = "invalid" if request is None else server.route_of(request.path)
        # The status as it is sent: whether it is a 304 was decided just now.
        server.answered[route, head[9:12]] += 1
        ends = (
            close or self._closing or server.stopping or request is None or not request.keep_alive
        )
        tail = b"Connection: close\r\n\r\n" if ends else b"\r\n"
        if len(body) <= WRITE_CHUNK_BYTES:
            transport.write(b"".join((head, server.date_line(), tail, body)))
        else:
            self._rest = memoryview(body)
            transport.write(head + server.date_line() + tail)
        if ends:
            self._closing = True
            self._lingering = close
        if self._rest:
            self._write_rest()
        elif ends:
            self._finish()

    def _write_rest(self) -> None:
        """Hand on as much of the body as the client takes."""
        transport = self._transport
        while self._rest and not self._paused and transport is not None:
            part, self._rest = self._rest[:WRITE_CHUNK_BYTES], self._rest[WRITE_CHUNK_BYTES:]
            transport.write(part)
        if not self._rest and self._closing:
            self._finish()

    def _finish(self) -> None:
        """Say no more; after a refusal wait a moment for the client to read it."""
        transport = self._transport
        if transport is None:
            return
        if self._lingering:
            self._deadline = monotonic() + LINGER_SECONDS
            if transport.can_write_eof():
                transport.write_eof()
            transport.resume_reading()
        else:
            self._close()

    def _close(self) -> None:
        """Close once everything written is gone; a client that does not take it is given up."""
        if self._transport is not None:
            self._deadline = monotonic() + WRITE_STALL_SECONDS
            self._transport.close()

    def _set_reading(self) -> None:
        """Read no further while an answer is under way, so that pipelined requests pile up in the
        client and not here."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._lingering:
            return
        if self._busy is not None or self._rest or self._paused:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _set_deadline(self) -> None:
        if self._lingering or self._paused or self._rest:
            return
        settings = self._server.settings
        if self._parser.waiting_bytes:
            if self._head_since is None:
                self._head_since = monotonic()
            self._deadline = self._head_since + settings.header_timeout_seconds
        else:
            self._deadline = monotonic() + settings.keep_alive_seconds
