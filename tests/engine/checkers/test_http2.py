"""HTTP/2 against a server made of h2, agreed on over TLS and known beforehand without."""

from __future__ import annotations

import asyncio
import gzip
import ssl

import h2.config
import h2.connection
import pytest

from statustui.domain.monitor import BearerAuth, HttpConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.servers import (
    Authority,
    Handler,
    Http2Page,
    ProxyServer,
    answering,
    make_authority,
    page,
    serving,
    speaking_http2,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def _offering(authority: Authority, *protocols: str) -> ssl.SSLContext:
    context = authority.context("127.0.0.1", tag="-".join(protocols).replace("/", ""))
    context.set_alpn_protocols(list(protocols))
    return context


async def test_over_tls_both_sides_agree(authority: Authority) -> None:
    heard: list[tuple[dict[bytes, bytes], bytes]] = []

    def answer(head: dict[bytes, bytes], content: bytes) -> Http2Page:
        heard.append((head, content))
        return Http2Page(b"two" * 50_000, (("content-type", "text/plain"),), interim=2)

    context = _offering(authority, "h2")
    options = LookOptions(ca_file=authority.file)
    async with serving(speaking_http2(answer), context) as port:
        config = HttpConfig(
            f"https://127.0.0.1:{port}/path?a=b",
            method="POST",
            body="x" * 90_000,  # more than the first window
            headers=(("X-Own", "1"),),
            auth=BearerAuth("t0ken"),
            http_version="2",
        )
        seen = await look(config, timeout_ms=10_000, options=options)
    assert seen.error_kind is None, seen.reason
    assert (seen.status_code, seen.http_version) == (200, "2")
    assert seen.body == b"two" * 50_000
    assert seen.headers["content-type"] == "text/plain"
    assert seen.phases.first_byte_ms is not None
    assert seen.phases.transfer_ms is not None
    ((head, content),) = heard
    assert head[b":path"] == b"/path?a=b"
    assert head[b":authority"] == f"127.0.0.1:{port}".encode()
    assert head[b"authorization"] == b"Bearer t0ken"
    assert head[b"x-own"] == b"1"
    assert b"connection" not in head
    assert content == b"x" * 90_000
    assert "--http2" in seen.repeat_command


async def test_auto_takes_what_the_server_chooses(authority: Authority) -> None:
    options = LookOptions(ca_file=authority.file)
    two = speaking_http2(lambda *_: Http2Page(b"2"))
    async with serving(two, _offering(authority, "h2", "http/1.1")) as port:
        config = HttpConfig(f"https://127.0.0.1:{port}/", http_version="auto")
        newer = await look(config, timeout_ms=5_000, options=options)
    async with serving(answering(page(b"1")), _offering(authority, "http/1.1")) as port:
        config = HttpConfig(f"https://127.0.0.1:{port}/", http_version="auto")
        older = await look(config, timeout_ms=5_000, options=options)
        wanted = await look(
            HttpConfig(config.url, http_version="2"), timeout_ms=5_000, options=options
        )
    assert (newer.http_version, newer.body) == ("2", b"2")
    assert (older.http_version, older.body) == ("1.1", b"1")
    assert wanted.error_kind in (ErrorKind.PROTOCOL, ErrorKind.TLS)
    assert "HTTP/2" in wanted.reason or "protocol" in wanted.reason


async def test_without_tls_it_must_be_known_beforehand() -> None:
    async with serving(speaking_http2(lambda *_: Http2Page(b"h2c", status="204"))) as port:
        url = f"http://127.0.0.1:{port}/"
        seen = await look(HttpConfig(url, http_version="2"), timeout_ms=5_000)
    async with serving(answering(page(b"plain"))) as port:
        url = f"http://127.0.0.1:{port}/"
        auto = await look(HttpConfig(url, http_version="auto"), timeout_ms=5_000)
        wrong = await look(HttpConfig(url, http_version="2"), timeout_ms=5_000)
    assert (seen.error_kind, seen.status_code, seen.http_version) == (None, 204, "2")
    assert (auto.error_kind, auto.http_version) == (None, "1.1")
    assert wrong.error_kind is ErrorKind.PROTOCOL
    assert "does not speak HTTP/2 on this port, it answered in HTTP/1" in wrong.reason


async def test_it_goes_through_a_tunnel(authority: Authority) -> None:
    two = speaking_http2(lambda *_: Http2Page(b"2"))
    proxy = ProxyServer()
    async with serving(two, _offering(authority, "h2")) as port, serving(proxy) as through:
        config = HttpConfig(
            f"https://127.0.0.1:{port}/", http_version="2", proxy=f"http://127.0.0.1:{through}"
        )
        seen = await look(config, timeout_ms=5_000, options=LookOptions(ca_file=authority.file))
    assert (seen.error_kind, seen.body, seen.http_version) == (None, b"2", "2"), seen.reason


async def test_a_redirect_and_head_and_gzip() -> None:
    def answer(head: dict[bytes, bytes], content: bytes) -> Http2Page:
        if head[b":path"] == b"/":
            return Http2Page(b"", (("location", "/next"),), status="302")
        if head[b":method"] == b"HEAD":
            return Http2Page(b"", (("content-length", "1000"),))
        packed = gzip.compress(b"hallo " * 1000, mtime=0)
        return Http2Page(packed, (("content-encoding", "gzip"),))

    async with serving(speaking_http2(answer)) as port:
        url = f"http://127.0.0.1:{port}/"
        seen = await look(HttpConfig(url, http_version="2"), timeout_ms=5_000)
        head = await look(HttpConfig(f"{url}x", method="HEAD", http_version="2"), timeout_ms=5_000)
    assert (seen.error_kind, seen.body) == (None, b"hallo " * 1000), seen.reason
    assert [hop.status_code for hop in seen.redirects] == [302]
    assert (head.error_kind, head.status_code, head.body) == (None, 200, b"")


async def test_bodies_are_bounded_as_in_http_1() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)

    def answer(head: dict[bytes, bytes], content: bytes) -> Http2Page:
        if head[b":path"] == b"/honest":
            return Http2Page(b"x" * 300_000, (("content-length", "300000"),))
        if head[b":path"] == b"/bomb":
            return Http2Page(
                bomb, (("content-encoding", "gzip"), ("content-length", str(len(bomb))))
            )
        return Http2Page(b"x" * 300_000)

    async with serving(speaking_http2(answer)) as port:
        seen = {
            name: await look(
                HttpConfig(
                    f"http://127.0.0.1:{port}/{name}", http_version="2", max_body_bytes=100_000
                ),
                timeout_ms=5_000,
            )
            for name in ("honest", "bomb", "endless")
        }
    assert seen["honest"].error_kind is None
    assert seen["bomb"].error_kind is None
    for name in ("honest", "bomb"):
        assert (len(seen[name].body), seen[name].body_truncated) == (100_000, True)
    assert seen["endless"].error_kind is ErrorKind.PROTOCOL
    assert "more than 100,000 bytes" in seen["endless"].reason


def _server() -> h2.connection.H2Connection:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    return connection


def _misbehaving(kind: str) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _server()
        connection.receive_data(await reader.read(65_536))
        if kind == "headers":
            many = [(f"x-{number}", "y" * 200) for number in range(1_000)]
            connection.send_headers(1, [(":status", "200"), *many])
        elif kind == "reset":
            connection.reset_stream(1, 11)
        elif kind == "goaway":
            connection.close_connection(error_code=2)
        elif kind == "interim":
            for _ in range(50):
                connection.send_headers(1, [(":status", "103")])
        elif kind == "short":
            connection.send_headers(1, [(":status", "200"), ("content-length", "10")])
            connection.send_data(1, b"abc", end_stream=False)
        elif kind == "shorter":
            connection.send_headers(1, [(":status", "200"), ("content-length", "10")])
            connection.send_data(1, b"abc", end_stream=True)
        writer.write(connection.data_to_send())
        if kind == "garbage":
            writer.write(b"\xff" * 500)
        if kind == "pings":
            for _ in range(20_000):
                connection.ping(b"12345678")
                writer.write(connection.data_to_send())
                await writer.drain()
        if kind in ("silent", "pings"):
            await asyncio.Event().wait()
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("headers", "breaks the rules of HTTP/2"),
        ("reset", "gave the request up (enhance your calm)"),
        ("goaway", "ended the connection (internal error)"),
        ("interim", "sent more than 10 interim answers"),
        ("short", "closed the connection after 3 of 10 bytes of body"),
        ("shorter", "breaks the rules of HTTP/2"),
        ("garbage", "breaks the rules of HTTP/2"),
        ("closed", "closed the connection without an answer"),
    ],
)
async def test_what_breaks_the_rules_is_a_failure(kind: str, expected: str) -> None:
    async with serving(_misbehaving(kind)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", http_version="2")
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert expected in seen.reason


@pytest.mark.parametrize("kind", ["silent", "pings"])
async def test_the_deadline_ends_what_goes_on_for_ever(kind: str) -> None:
    async with serving(_misbehaving(kind)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", http_version="2")
        seen = await look(config, timeout_ms=400)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"no answer from 127.0.0.1:{port} within 0.4 s"


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-x\r\n", b"\x1b[2J" + b"x" * 100], ids=["ssh", "escape codes"]
)
async def test_what_is_no_http_at_all_is_told(said: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)
        writer.write(said * 10)
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(handler) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", http_version="2")
        seen = await look(config, timeout_ms=2_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert "does not speak HTTP/2 on this port, it said" in seen.reason
    assert "\x1b" not in seen.reason
