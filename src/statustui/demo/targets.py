"""The local targets of the demonstration world: real servers on loopback that really fail.

HTTP services, a TCP database, a mail server's greeting and a name server, each with a mode that the
script or an operator sets (see `script.Mode`). The services that need the database connect to it
for every request and answer 503 when they cannot, so its failure is theirs. What is pinged is
loopback itself, which nothing here can break.

An operator can break and heal things by hand:

    curl http://127.0.0.1:PORT/                           what there is, and how it behaves
    curl -X POST http://127.0.0.1:PORT/database/refuse    break it for a minute (?seconds=60)
    curl -X POST http://127.0.0.1:PORT/database/ok        heal it
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import cast
from urllib.parse import parse_qs, urlsplit

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from statustui.demo.script import ROUND_SECONDS, SCRIPT, Mode
from statustui.demo.weather import wobble

HOST = "127.0.0.1"
DATABASE_GREETING = "demo-database ready"
ZONE = "demo.test"

_BROKEN_SECONDS = 60.0
_LONGEST_SECONDS = 86_400.0
_SLOW_MS = 900.0
_HEAD_SECONDS = 5.0
_DATABASE_SECONDS = 0.5

HTTP_TARGETS: Mapping[str, float] = MappingProxyType(
    {
        "web": 38.0,
        "api": 24.0,
        "auth": 31.0,
        "checkout": 62.0,
        "payments": 88.0,
        "search": 45.0,
        "hooks": 29.0,
        "push": 34.0,
        "reports": 420.0,
        "files": 18.0,
    }
)
"""How long each HTTP service usually takes to answer, in milliseconds."""

NEEDS_DATABASE = frozenset({"api", "auth", "checkout"})
MAIL_MS = 12.0
DATABASE_MS = 2.0
DNS_MS = 3.0

TARGETS = (*HTTP_TARGETS, "mail", "database", "dns")
"""The names of all targets that can be set."""

_RECORDS = {
    (f"www.{ZONE}.", dns.rdatatype.A): ("A", "192.0.2.10"),
    (f"{ZONE}.", dns.rdatatype.MX): ("MX", f"10 mail.{ZONE}."),
}

_Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class _Listener:
    """A TCP port that can be closed and opened again in the same place."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Listens; on the port it had before, if it had one."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._begin, HOST, self.port, reuse_address=True, family=socket.AF_INET
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listens no more, and drops every connection."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # whoever looks may leave at any moment; that is no concern of a target's
        finally:
            writer.transport.abort()


class _NameServer(asyncio.DatagramProtocol):
    """Answers for the demonstration's zone over UDP."""

    def __init__(self, targets: DemoTargets) -> None:
        self._targets = targets
        self._asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        mode = self._targets.mode("dns")
        if mode in (Mode.HANG, Mode.REFUSE):
            return
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        response = dns.message.make_response(query)
        if mode is Mode.ERROR:
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            _fill(response, query)
        self._asked += 1
        delay_ms = DNS_MS * wobble(self._asked) + (_SLOW_MS if mode is Mode.SLOW else 0.0)
        loop = asyncio.get_running_loop()
        loop.call_later(delay_ms / 1000, self._send, response.to_wire(), addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(wire, addr)


def _fill(response: dns.message.Message, query: dns.message.Message) -> None:
    if not query.question:
        response.set_rcode(dns.rcode.FORMERR)
        return
    question = query.question[0]
    record = _RECORDS.get((question.name.to_text().lower(), question.rdtype))
    if record is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
        return
    kind, text = record
    response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, text))


class DemoTargets:
    """All targets, the script that breaks them, and the port through which people do.

    Attributes:
        control_address: where people break and heal things.
    """

    def __init__(self) -> None:
        self._modes = dict.fromkeys(TARGETS, Mode.OK)
        self._listeners: dict[str, _Listener] = {
            name: _Listener(self._http(name, usual_ms)) for name, usual_ms in HTTP_TARGETS.items()
        }
        self._listeners["mail"] = _Listener(self._mail)
        self._listeners["database"] = _Listener(self._database)
        self._control = _Listener(self._answer_operator)
        self._name_server: asyncio.DatagramTransport | None = None
        self._dns_port = 0
        self._healings: dict[str, asyncio.Task[None]] = {}
        self._script: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._served = 0

    async def start(self) -> None:
        """Listens on free ports of loopback; every target is healthy."""
        for listener in (*self._listeners.values(), self._control):
            await listener.open()
        loop = asyncio.get_running_loop()
        self._name_server, _ = await loop.create_datagram_endpoint(
            lambda: _NameServer(self), local_addr=(HOST, self._dns_port)
        )
        self._dns_port = self._name_server.get_extra_info("sockname")[1]

    def begin(self) -> None:
        """Starts the script; its first step comes after half a minute."""
        if self._script is None:
            self._script = asyncio.create_task(self._run_script())

    async def stop(self) -> None:
        """Ends the script and every target."""
        tasks = [task for task in (self._script, *self._healings.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._healings.clear()
        self._script = None
        for listener in (*self._listeners.values(), self._control):
            await listener.close()
        if self._name_server is not None:
            self._name_server.close()
            self._name_server = None

    def port(self, target: str) -> int:
        """The port of a target; it stays the same while the world runs."""
        return self._dns_port if target == "dns" else self._listeners[target].port

    def mode(self, target: str) -> Mode:
        """How a target behaves at present."""
        return self._modes[target]

    @property
    def control_address(self) -> str:
        """Where people break and heal things."""
        return f"http://{HOST}:{self._control.port}"

    async def set_mode(self, target: str, mode: Mode, for_seconds: float = _BROKEN_SECONDS) -> None:
        """Changes how a target behaves.

        Args:
            target: one of `TARGETS`.
            mode: how.
            for_seconds: how long, before it is healthy again.
        """
        healing = self._healings.pop(target, None)
        if healing is not None:
            healing.cancel()
        await self._change(target, mode)
        if mode is not Mode.OK:
            self._healings[target] = asyncio.create_task(self._heal(target, for_seconds))

    async def _change(self, target: str, mode: Mode) -> None:
        async with self._changing:
            self._modes[target] = mode
            listener = self._listeners.get(target)
            if listener is None:
                return
            if mode is Mode.REFUSE:
                await listener.close()
            else:
                await listener.open()

    async def _heal(self, target: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        del self._healings[target]
        await self._change(target, Mode.OK)

    async def _run_script(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            for step in SCRIPT:
                await asyncio.sleep(max(0.0, begun + step.at_seconds - loop.time()))
                await self.set_mode(step.target, step.mode, step.for_seconds)
            begun += ROUND_SECONDS

    # What each target says.

    def _http(self, name: str, usual_ms: float) -> _Handler:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
            mode = self._modes[name]
            if mode is Mode.HANG:
                await reader.read()  # says nothing until the other side gives up
                return
            self._served += 1
            delay_ms = usual_ms * wobble(self._served)
            await asyncio.sleep((delay_ms + (_SLOW_MS if mode is Mode.SLOW else 0.0)) / 1000)
            status, body = "200 OK", {"status": "ok", "service": name}
            if mode is Mode.ERROR:
                status, body = (
                    "500 Internal Server Error",
                    {"status": "error", "service": name, "error": "unexpected end of input"},
                )
            elif name in NEEDS_DATABASE and not await self._database_answers():
                status, body = (
                    "503 Service Unavailable",
                    {"status": "unavailable", "service": name, "error": "database unreachable"},
                )
            data = json.dumps(body).encode()
            lines = (
                f"HTTP/1.1 {status}",
                "Content-Type: application/json",
                f"Content-Length: {len(data)}",
                "Connection: close",
            )
            is_head = head.startswith(b"HEAD ")
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if is_head else data))
            await _finish(writer)

        return answer

    async def _database_answers(self) -> bool:
        """Connects to the database as a service would, and waits for its greeting."""
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, self.port("database"))
                try:
                    return (await reader.readline()).decode().startswith(DATABASE_GREETING)
                finally:
                    writer.transport.abort()
        except (OSError, TimeoutError):
            return False

    async def _database(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self._modes["database"]
        if mode is Mode.HANG:
            await reader.read()
            return
        self._served += 1
        slow_ms = _SLOW_MS if mode is Mode.SLOW else 0.0
        await asyncio.sleep((DATABASE_MS * wobble(self._served) + slow_ms) / 1000)
        greeting = "demo-database recovering" if mode is Mode.ERROR else DATABASE_GREETING
        writer.write(f"{greeting}\r\n".encode())
        await _finish(writer)

    async def _mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self._modes["mail"]
        if mode is Mode.HANG:
            await reader.read()
            return
        self._served += 1
        slow_ms = _SLOW_MS if mode is Mode.SLOW else 0.0
        await asyncio.sleep((MAIL_MS * wobble(self._served) + slow_ms) / 1000)
        if mode is Mode.ERROR:
            writer.write(f"421 mail.{ZONE} too busy, try again later\r\n".encode())
        else:
            writer.write(f"220 mail.{ZONE} ESMTP ready\r\n".encode())
        await _finish(writer)

    # What an operator asks.

    async def _answer_operator(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        request = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        status, text = "400 Bad Request", "this is not HTTP\n"
        if len(request) == 3:
            status, text = await self._obey(request[0], request[1])
        data = text.encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
            + data
        )
        await _finish(writer)

    async def _obey(self, method: str, address: str) -> tuple[str, str]:
        parts = urlsplit(address)
        words = parts.path.strip("/").split("/")
        if method == "GET":
            return "200 OK", "".join(f"{name:10} {mode}\n" for name, mode in self._modes.items())
        if method != "POST" or len(words) != 2:
            return "404 Not Found", "POST /TARGET/MODE, or GET / for what there is\n"
        target, wanted = words
        if target not in self._modes:
            return "404 Not Found", f"no target {target!r}: {', '.join(TARGETS)}\n"
        if wanted not in set(Mode):
            return "404 Not Found", f"no mode {wanted!r}: {', '.join(Mode)}\n"
        seconds = _BROKEN_SECONDS
        given = parse_qs(parts.query).get("seconds")
        if given:
            try:
                seconds = float(given[0])
            except ValueError:
                return "400 Bad Request", "seconds is a number\n"
            if not 0 < seconds <= _LONGEST_SECONDS:
                return "400 Bad Request", f"seconds is between 0 and {_LONGEST_SECONDS:g}\n"
        await self.set_mode(target, Mode(wanted), seconds)
        how_long = "" if wanted == Mode.OK else f" for {seconds:g} s"
        return "200 OK", f"{target} is {wanted}{how_long}\n"


async def _finish(writer: asyncio.StreamWriter) -> None:
    """Sends what is left and closes, so that nothing is cut off."""
    await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
