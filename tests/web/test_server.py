"""The server on real sockets: what good clients get, and what hostile ones do not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from time import monotonic

import pytest

from statustui.web.answers import Answer
from statustui.web.http1 import Request
from statustui.web.server import PageServer
from tests.web import samples
from tests.web.serving import Client, Served, serve, settings


async def is_alive(served: Served) -> None:
    """Another reader is answered as ever."""
    begun = monotonic()
    reply = await served.get("/api/public/acme/status")
    assert reply.status == 200
    assert monotonic() - begun < 5


async def test_a_connection_is_kept_and_used_again() -> None:
    async with serve([samples.small_page()]) as served, await served.connect() as client:
        first = await client.ask("/s/acme")
        second = await client.ask("/s/acme", f"If-None-Match: {first.fields['etag']}")
        third = await client.ask("/s/acme", "Accept-Encoding: gzip")
        fourth = await client.ask("/s/acme", method="HEAD")
    assert (first.status, second.status, third.status, fourth.status) == (200, 304, 200, 200)
    assert second.body == b""
    assert third.fields["content-encoding"] == "gzip"
    assert fourth.fields["content-length"] == str(len(first.body))
    assert "connection" not in first.fields


async def test_what_every_answer_carries() -> None:
    async with serve([samples.small_page()]) as served:
        reply = await served.get("/s/acme")
        refused = await served.get("/nowhere")
    for each in (reply, refused):
        assert "default-src 'none'" in each.fields["content-security-policy"]
        assert "unsafe" not in each.fields["content-security-policy"]
        assert each.fields["x-content-type-options"] == "nosniff"
        assert each.fields["referrer-policy"] == "no-referrer"
        assert "server" not in each.fields
        assert each.fields["date"].endswith("GMT")
    assert reply.fields["cache-control"].startswith("public, max-age=")
    assert "stale-while-revalidate" in reply.fields["cache-control"]
    assert "stale-if-error" in reply.fields["cache-control"]
    assert refused.fields["cache-control"] == "no-store"


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serve([samples.small_page()]) as served, await served.connect() as client:
        paths = ["/s/acme", "/nowhere", "/healthz", "/s/acme/history", "/s/acme"] * 4
        client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        statuses = [(await client.read()).status for _ in paths]
    assert statuses == [200, 404, 200, 200, 200] * 4


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "PURGE"])
async def test_only_get_and_head_exist(method: str) -> None:
    async with serve([samples.small_page()]) as served:
        async with await served.connect() as client:
            reply = await client.ask("/s/acme", method=method)
            assert await client.rest() == b""
        api = await served.get("/api/public/acme/status", method=method)
    assert reply.status == api.status == 405
    assert reply.fields["allow"] == api.fields["allow"] == "GET, HEAD"
    assert reply.fields["connection"] == "close"
    assert api.data["error"]["code"] == "METHOD_NOT_ALLOWED"


async def test_http_1_0_is_answered_and_closed() -> None:
    async with serve([samples.small_page()]) as served, await served.connect() as client:
        client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        reply = await client.read()
        assert (reply.status, reply.fields["connection"]) == (200, "close")
        assert await client.rest() == b""


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HOSTILE = {
    "two lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked get": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n",
    "post with a request for a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n",
    "lone line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "traversal": b"GET /s/../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "escaped traversal": b"GET /static/%2e%2e/page.css HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL": b"GET /s/a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad escape": b"GET /s/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "another site's address": b"GET ftp://evil.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_refused_is_refused_once_and_closed(data: bytes) -> None:
    async with serve([samples.small_page()]) as served:
        async with await served.connect() as client:
            client.send(data + SMUGGLED)
            reply = await client.read()
            assert 400 <= reply.status < 500
            assert reply.fields["connection"] == "close"
            assert await client.rest() == b"", "a smuggled request was answered"
        await is_alive(served)


async def test_huge_heads_are_refused_while_they_come() -> None:
    async with serve([samples.small_page()]) as served:
        async with await served.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 1_000_000)
            assert (await client.read()).status == 431
        async with await served.connect() as client:
            client.send(b"GET /" + b"a" * 100_000)
            assert (await client.read()).status == 414
        await is_alive(served)


async def test_slow_heads_end_and_others_are_unaffected() -> None:
    web = settings(header_timeout_seconds=0.4, keep_alive_seconds=5)
    async with serve([samples.small_page()], web) as served:
        slow = [await served.connect() for _ in range(50)]
        begun = monotonic()
        silent, *dripping = slow

        async def drip(client: Client) -> int:
            client.send(b"GET / HTTP/1.1\r\n")
            for _ in range(60):
                client.send(b"X-a: b\r\n")
                try:
                    async with asyncio.timeout(0.05):
                        return (await client.read()).status
                except TimeoutError:
                    continue
            raise AssertionError("the server went on listening to a drip")

        statuses = await asyncio.gather(*(drip(client) for client in dripping))
        assert set(statuses) == {408}
        assert await silent.rest() == b""
        assert monotonic() - begun < 8
        await is_alive(served)
        for client in slow:
            await client.close()


async def test_idle_connections_end() -> None:
    web = settings(keep_alive_seconds=0.2)
    async with serve([samples.small_page()], web) as served, await served.connect() as client:
        assert (await client.ask("/healthz")).status == 200
        begun = monotonic()
        assert await client.rest() == b""
        assert monotonic() - begun < 2


async def test_a_flood_from_one_address_is_held_off() -> None:
    web = settings(requests_per_second=1, burst=5)
    async with serve([samples.small_page()], web) as served:
        replies = [await served.get("/api/public/acme/status") for _ in range(7)]
        assert [reply.status for reply in replies] == [200] * 5 + [429] * 2
        assert int(replies[-1].fields["retry-after"]) >= 1
        assert replies[-1].data == {
            "error": {
                "code": "RATE_LIMITED",
                "message": "too many requests from this address",
            }
        }
        async with await served.connect() as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
            assert (await client.read()).status == 429
            assert await client.rest() == b"", "the flood was answered line by line"


async def test_addresses_behind_a_trusted_proxy_are_told_apart() -> None:
    web = settings(requests_per_second=1, burst=1, trusted_proxies="127.0.0.0/8, 10.0.0.1")
    async with serve([samples.small_page()], web) as served:

        async def ask(forwarded: str) -> int:
            return (await served.get("/healthz", f"X-Forwarded-For: {forwarded}")).status

        assert await ask("203.0.113.1") == 200
        assert await ask("203.0.113.2") == 200
        assert await ask("203.0.113.1") == 429
        assert await ask("203.0.113.77, 203.0.113.1") == 429, "an invented address was believed"
        assert await ask("203.0.113.3, 10.0.0.1") == 200


async def test_without_trusted_proxies_the_field_is_ignored() -> None:
    web = settings(requests_per_second=1, burst=1)
    async with serve([samples.small_page()], web) as served:
        assert (await served.get("/healthz", "X-Forwarded-For: 203.0.113.1")).status == 200
        assert (await served.get("/healthz", "X-Forwarded-For: 203.0.113.2")).status == 429


async def test_connections_are_limited_per_address_and_overall() -> None:
    for web, status in (
        (settings(max_connections_per_address=3), 429),
        (settings(max_connections=3), 503),
    ):
        async with serve([samples.small_page()], web) as served:
            held = [await served.connect() for _ in range(3)]
            for client in held:
                assert (await client.ask("/healthz")).status == 200
            async with await served.connect() as client:
                assert (await client.read()).status == status
            await held.pop().close()
            await wait_for(lambda: len(served.server.connections) == 2)
            assert (await served.get("/healthz")).status == 200
            for client in held:
                await client.close()


async def wait_for(condition: object) -> None:
    """Until something is true; fails after five seconds."""
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_slow_reader_holds_little_and_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statustui.web.server.WRITE_STALL_SECONDS", 0.5)
    body = b"x" * 20_000_000
    big = Answer(200, "text/plain", body, cache_control="no-store")
    server = PageServer(lambda _: big, lambda *_: big, settings(keep_alive_seconds=1))
    await server.start()
    try:
        host, port = server.address
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.setblocking(False)
            await asyncio.get_running_loop().sock_connect(lazy, (host, port))
            await asyncio.get_running_loop().sock_sendall(
                lazy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50
            )
            await wait_for(lambda: len(server.connections) == 1)
            (connection,) = server.connections
            transport = connection._transport
            assert transport is not None
            await wait_for(lambda: transport.get_write_buffer_size() > 0)
            assert transport.get_write_buffer_size() < 400_000
            # Another reader gets the whole answer meanwhile.
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(10):
                received = await reader.read(-1)
            assert received.endswith(body)
            writer.close()
            await writer.wait_closed()
            await wait_for(lambda: not server.connections)
    finally:
        await server.stop(0.1)


async def test_a_stop_finishes_answers_under_way() -> None:
    release = asyncio.Event()
    done = Answer(200, "text/plain", b"done", cache_control="no-store")

    async def later(_: Request) -> Answer:
        await release.wait()
        return done

    server = PageServer(later, lambda *_: done, settings())
    await server.start()
    reader, writer = await asyncio.open_connection(*server.address)
    idle_reader, idle_writer = await asyncio.open_connection(*server.address)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await wait_for(lambda: any(each._busy for each in server.connections))
    stopping = asyncio.create_task(server.stop(5))
    async with asyncio.timeout(5):
        assert await idle_reader.read(-1) == b"", "an idle connection was kept"
        release.set()
        received = await reader.read(-1)
        await stopping
    assert received.endswith(b"done")
    assert b"Connection: close" in received
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*_address(writer))
    for each in (writer, idle_writer):
        each.close()
        await each.wait_closed()


def _address(writer: asyncio.StreamWriter) -> tuple[str, int]:
    host, port = writer.get_extra_info("peername")[:2]
    return str(host), int(port)


async def test_a_stop_does_not_wait_for_ever() -> None:
    async def never(_: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    done = Answer(200, "text/plain", b"", cache_control="no-store")
    server = PageServer(never, lambda *_: done, settings())
    await server.start()
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await wait_for(lambda: any(each._busy for each in server.connections))
    begun = monotonic()
    await server.stop(0.2)
    assert monotonic() - begun < 2
    with contextlib.suppress(ConnectionError):
        assert await reader.read(-1) == b""
    writer.close()


async def test_a_defect_in_a_handler_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Request) -> Answer:
        raise RuntimeError("a defect")

    async def broken_later(_: Request) -> Answer:
        raise RuntimeError("a defect")

    refused = Answer(500, "text/plain", b"sorry\n", cache_control="no-store")
    for handler in (broken, broken_later):
        server = PageServer(handler, lambda *_: refused, settings())
        await server.start()
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(5):
            received = await reader.read(-1)
        assert received.startswith(b"HTTP/1.1 500 ")
        assert b"defect" not in received
        writer.close()
        await writer.wait_closed()
        await server.stop(0.1)
    assert "a defect" in caplog.text


def test_the_same_under_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def story() -> None:
        await test_a_connection_is_kept_and_used_again()
        await test_pipelined_requests_are_answered_in_order()
        await test_what_is_refused_is_refused_once_and_closed(HOSTILE["two lengths"])
        await test_huge_heads_are_refused_while_they_come()
        await test_a_stop_finishes_answers_under_way()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
