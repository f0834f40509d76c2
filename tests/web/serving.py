"""A page server on a free port of loopback, made-up pages on it, and a client that sends bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from statustui.domain.publicmodels import PublicPage
from statustui.settings import WebSettings
from statustui.store.public import PageEntry
from statustui.web.health import Health
from statustui.web.pages import Pages, ServedPage
from statustui.web.routes import Routes
from statustui.web.server import PageServer

ORG_KEY = "0" * 32


@dataclass
class Reply:
    """One response, read whole."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running server."""

    server: PageServer
    pages: Pages
    host: str
    port: int
    wanted: list[tuple[str, int]] = field(default_factory=list)

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        return Client(reader, writer)

    async def get(self, path: str, *fields: str, method: str = "GET") -> Reply:
        """One request on a connection of its own."""
        async with await self.connect() as client:
            return await client.ask(path, *fields, method=method)


class Client:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(self, path: str, *fields: str, method: str = "GET") -> Reply:
        lines = [f"{method} {path} HTTP/1.1", "Host: status.test", *fields, "", ""]
        self.send("\r\n".join(lines).encode())
        return await self.read(head_only=method == "HEAD")

    async def read(self, *, head_only: bool = False) -> Reply:
        """The next response."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            fields: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(": ")
                assert name.lower() not in fields, f"{name} stands there twice"
                fields[name.lower()] = value
            status = int(first.split(" ")[1])
            length = 0 if head_only or status == 304 else int(fields["content-length"])
            return Reply(status, fields, await self.reader.readexactly(length))

    async def rest(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(10):
            return await self.reader.read(-1)


def settings(**values: object) -> WebSettings:
    """Settings on a free port, with room for many requests from one address."""
    return WebSettings.model_validate(
        {"port": 0, "requests_per_second": 100_000, "burst": 100_000, **values}
    )


def entry(page: PublicPage) -> PageEntry:
    """What the index says about a page."""
    return PageEntry(page.slug, page.name, page.visibility, None, ORG_KEY)


@asynccontextmanager
async def serve(
    pages: Iterable[PublicPage],
    web: WebSettings | None = None,
    *,
    health: Health | None = None,
    unread: Iterable[PublicPage] = (),
) -> AsyncIterator[Served]:
    """Serve pages that were read already, and some that cannot be read."""
    pages, unread = list(pages), list(unread)
    known = Pages()
    known.put_index([entry(page) for page in (*pages, *unread)])
    for page in pages:
        served = known.get(page.slug)
        if served is not None:
            served.days = 90
            served.put(page, read=monotonic())
    wanted: list[tuple[str, int]] = []

    async def want(served: ServedPage, days: int) -> None:
        wanted.append((served.entry.slug, days))
        if served.page is not None:
            served.days = max(served.days, days)

    routes = Routes(
        known, want, lambda: health or Health(database=True, engine="active"), lambda _: True
    )
    server = PageServer(routes.answer, routes.refuse, web or settings())
    await server.start()
    host, port = server.address
    try:
        yield Served(server, known, host, port, wanted)
    finally:
        await server.stop(grace_seconds=0.2)
