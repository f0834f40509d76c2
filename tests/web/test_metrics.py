"""The metrics' own port: one path, GET and HEAD, and one making for all who ask at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from statustui.settings import WebSettings
from statustui.web.metrics import MetricsServer
from statustui.web.routes import route_of
from tests.web.serving import Client, Reply

SETTINGS = WebSettings(port=0)  # type: ignore[call-arg]
TYPE = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serving(take: Callable[[], Callable[[], bytes]]) -> AsyncIterator[MetricsServer]:
    server = MetricsServer(take, TYPE, SETTINGS)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def ask(server: MetricsServer, path: str = "/metrics", method: str = "GET") -> Reply:
    where = urlsplit(server.address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    async with Client(reader, writer) as client:
        return await client.ask(path, method=method)


async def test_there_is_one_path_and_it_is_never_kept() -> None:
    async with serving(lambda: lambda: b"a 1\n") as server:
        assert server.address.endswith("/metrics")
        found = await ask(server)
        assert (found.status, found.body) == (200, b"a 1\n")
        assert found.fields["content-type"] == TYPE
        assert found.fields["cache-control"] == "no-store"
        head = await ask(server, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.fields["content-length"] == "4"
        assert (await ask(server, "/")).status == 404
        assert (await ask(server, "/metrics/x")).status == 404
        refused = await ask(server, method="POST")
        assert (refused.status, refused.fields["allow"]) == (405, "GET, HEAD")


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    going, goes_on, taken = threading.Event(), threading.Event(), []

    def write() -> bytes:
        going.set()
        assert goes_on.wait(10)
        return f"a {len(taken)}\n".encode()

    def take() -> Callable[[], bytes]:
        taken.append(1)
        return write

    async with serving(take) as server:
        first = asyncio.create_task(ask(server))
        await asyncio.to_thread(going.wait, 10)
        others = [asyncio.create_task(ask(server)) for _ in range(3)]
        first.cancel()
        # Other requests are answered meanwhile: nothing is made on the event loop.
        assert (await ask(server, "/")).status == 404
        goes_on.set()
        assert [(await each).body for each in others] == [b"a 1\n"] * 3
        assert (await ask(server)).body == b"a 2\n"


async def test_what_cannot_be_made_is_an_error_and_the_next_may_be() -> None:
    answers = iter([b"", b"a 1\n"])

    def write() -> bytes:
        made = next(answers)
        if not made:
            raise ValueError("nothing")
        return made

    async with serving(lambda: write) as server:
        assert (await ask(server)).status == 500
        assert (await ask(server)).body == b"a 1\n"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        *(
            ("/", "start"),
            ("/s/acme", "page"),
            ("/s/acme/", "page"),
            ("/s/acme/history", "history"),
        ),
        *(("/s/a/incidents/INC-1", "incident"), ("/s/a/page-0123456789ab.css", "style")),
        *(("/s/a/b/c", "other"), ("/api/public/a/status", "api_status"), ("/x", "other")),
        *(("/api/public/a/incidents/1", "api_incidents"), ("/api/public/a/x", "other")),
        *(("/static/icon-up.svg", "static"), ("/healthz", "health"), ("/readyz", "health")),
    ],
)
def test_requests_are_counted_under_few_names(path: str, route: str) -> None:
    assert route_of(path) == route
