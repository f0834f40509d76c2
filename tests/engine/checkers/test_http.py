"""HTTP checks against real servers, most of which misbehave."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
import zlib
from pathlib import Path

import httpx
import pytest
import uvloop

from statustui.domain.monitor import BasicAuth, BearerAuth, HttpConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import LookOptions, look
from statustui.engine.httpx_transport import CheckTransport
from statustui.engine.transport import MAX_HEAD_BYTES
from tests.engine.checkers.servers import (
    Authority,
    Handler,
    answering,
    black_hole,
    free_port,
    make_authority,
    page,
    read_head,
    serving,
)


async def test_a_good_answer_is_seen_whole() -> None:
    body = b'{"status": "ok"}'
    async with serving(answering(page(body, headers=("X-Version: 7", "Set-Cookie: s=1")))) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/health?x=1"), timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.status_code == 200
    assert seen.body == body
    assert not seen.body_truncated
    assert seen.connected
    assert seen.address == f"127.0.0.1:{port}"
    assert seen.headers["x-version"] == "7"
    assert seen.headers["set-cookie"] == "***"
    phases = seen.phases
    parts = [phases.resolve_ms, phases.connect_ms, phases.first_byte_ms, phases.transfer_ms]
    assert all(part is not None and part >= 0 for part in parts)
    assert phases.tls_ms is None
    assert sum(part or 0 for part in parts) <= seen.duration_ms + 0.01
    assert seen.repeat_command == (
        f"curl -sS -i --max-time 5 -L --max-redirs 10 'http://127.0.0.1:{port}/health?x=1'"
    )


async def test_the_request_says_what_was_configured() -> None:
    heard: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        heard.append(head + await reader.readexactly(5))
        writer.write(page(b""))
        await writer.drain()

    async with serving(handler) as port:
        config = HttpConfig(
            f"http://127.0.0.1:{port}/a%20b?q=1#part",
            method="POST",
            headers=(("X-Api-Key", "s3cret"), ("User-Agent", "mine"), ("Host", "api.acme.test")),
            body="hallo",
            auth=BasicAuth("ann", "pass:word"),
        )
        seen = await look(config, timeout_ms=5_000)
    head, body = heard[0].split(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b?q=1 HTTP/1.1"
    names = [line.partition(":")[0].lower() for line in lines[1:]]
    assert len(names) == len(set(names))
    assert {
        "x-api-key: s3cret",
        "user-agent: mine",
        "host: api.acme.test",
        "content-length: 5",
        "connection: close",
        "authorization: basic yw5uonbhc3m6d29yza==",
    } <= {line.lower() for line in lines}
    assert body == b"hallo"
    for secret in ("s3cret", "pass:word", "hallo"):
        assert secret not in seen.repeat_command


async def test_a_bearer_token_is_sent_and_not_shown() -> None:
    heard: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await read_head(reader))
        writer.write(page(b""))

    async with serving(handler) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", auth=BearerAuth("t0ken"))
        seen = await look(config, timeout_ms=5_000)
    assert b"authorization: bearer t0ken" in heard[0].lower()
    assert "t0ken" not in seen.repeat_command


async def test_a_refused_connection_says_so() -> None:
    port = free_port()
    seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.REFUSED
    assert seen.reason == f"connect to 127.0.0.1:{port} refused"
    assert not seen.connected
    assert seen.status_code is None


async def test_a_name_that_does_not_exist_says_so() -> None:
    seen = await look(HttpConfig("http://does-not-exist.invalid/"), timeout_ms=20_000)
    assert seen.error_kind is ErrorKind.DNS
    assert "does-not-exist.invalid" in seen.reason


async def test_a_black_hole_ends_at_the_deadline() -> None:
    with black_hole() as port:
        begun = time.monotonic()
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=300)
        assert time.monotonic() - begun < 2
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"connect to 127.0.0.1:{port} not answered within 0.3 s"
    assert seen.phases.connect_ms is not None
    assert seen.phases.connect_ms >= 290
    assert seen.phases.first_byte_ms is None


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    await asyncio.Event().wait()


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _dripping_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (_silent, "no answer from 127.0.0.1:{port} within 0.3 s"),
        (_dripping, "answer from 127.0.0.1:{port} not finished within 0.3 s"),
        (_dripping_head, "answer from 127.0.0.1:{port} not finished within 0.3 s"),
    ],
)
async def test_one_deadline_ends_every_kind_of_slowness(handler: Handler, reason: str) -> None:
    async with serving(handler) as port:
        begun = time.monotonic()
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=300)
        assert time.monotonic() - begun < 2
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == reason.format(port=port)
    assert seen.connected
    assert 290 <= seen.duration_ms < 2_000


def _endless(head: bytes, piece: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return handler


@pytest.mark.parametrize(
    "handler",
    [
        _endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        _endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + b"x" * 65_536 + b"\r\n",
        ),
    ],
)
async def test_a_body_without_end_is_a_failure_with_bounded_memory(handler: Handler) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(handler) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", max_body_bytes=100_000)
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert "more than 100,000 bytes" in seen.reason
    assert seen.status_code == 200
    assert seen.body == b"x" * 100_000
    assert seen.body_truncated
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_a_long_body_that_says_its_length_is_only_cut() -> None:
    async with serving(answering(page(b"x" * 300_000))) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", max_body_bytes=1_000)
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.body == b"x" * 1_000
    assert seen.body_truncated


async def test_a_body_of_exactly_the_cap_is_whole() -> None:
    for data in (page(b"x" * 1_000), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000):
        async with serving(answering(data)) as port:
            config = HttpConfig(f"http://127.0.0.1:{port}/", max_body_bytes=1_000)
            seen = await look(config, timeout_ms=5_000)
        assert (seen.error_kind, len(seen.body), seen.body_truncated) == (None, 1_000, False)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_gzip_bomb_stays_within_the_cap(declared: bool) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    assert len(bomb) < 300_000
    if declared:
        data = page(bomb, headers=("Content-Encoding: gzip",))
    else:
        data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(answering(data, wait=True)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", max_body_bytes=1_000_000)
        seen = await look(config, timeout_ms=5_000)
    assert seen.body == bytes(1_000_000)
    assert seen.body_truncated
    assert seen.error_kind is (None if declared else ErrorKind.PROTOCOL)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b"hallo " * 1000, mtime=0)),
        ("gzip", gzip.compress(b"hallo " * 400, mtime=0) + gzip.compress(b"hallo " * 600, mtime=0)),
        ("deflate", zlib.compress(b"hallo " * 1000)),
        ("deflate", zlib.compress(b"hallo " * 1000)[2:-4]),
        ("identity", b"hallo " * 1000),
    ],
)
async def test_compressed_bodies_are_read(encoding: str, data: bytes) -> None:
    answer = page(data, headers=(f"Content-Encoding: {encoding}",))

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        for at in range(0, len(answer), 97):
            writer.write(answer[at : at + 97])
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(slowly) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.body == b"hallo " * 1000


GARBAGE = [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP on this port, it said “SSH-2.0-OpenSSH_9.2”"),
    (b"\x1b[2J\x00\xff\xfe\x80", "does not speak HTTP"),
    (b"HTTP/1.1 abc OK\r\n\r\n", "break the rules of HTTP"),
    (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "break the rules of HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "rules of HTTP"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "rules of HTTP"),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "is broken"),
    (b"HTTP/1.1 200 OK\r\nContent-Le", "in the middle of the headers"),
    (b"", "without an answer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "after 3 of 100 bytes of body"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "after 2 bytes of body"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "interim answers"),
    (
        page(gzip.compress(b"hallo" * 100, mtime=0)[:-9], headers=("Content-Encoding: gzip",)),
        "compressed body that breaks off",
    ),
]


@pytest.mark.parametrize(("data", "expected"), GARBAGE)
async def test_garbage_is_a_failure_of_the_protocol(data: bytes, expected: str) -> None:
    async with serving(answering(data)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert expected in seen.reason
    assert seen.reason.isprintable()


async def test_interim_answers_are_passed_over() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + page(b"ok", status="201 Created")
    async with serving(answering(data)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert (seen.error_kind, seen.status_code, seen.body) == (None, 201, b"ok")
    assert "link" not in seen.headers


async def test_huge_headers_are_a_failure() -> None:
    async with serving(_endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 1_000)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert f"headers larger than {MAX_HEAD_BYTES // 1024} kB" in seen.reason


async def test_head_requests_have_no_body() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    async with serving(answering(data, wait=True)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", method="HEAD")
        seen = await look(config, timeout_ms=2_000)
    assert (seen.error_kind, seen.status_code, seen.body) == (None, 200, b"")


async def test_a_reset_connection_is_told_apart() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Leaving what was sent unread makes the kernel reset the connection.
        writer.transport.pause_reading()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with serving(handler) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind in (ErrorKind.CONNECT, ErrorKind.PROTOCOL)
    assert f"127.0.0.1:{port}" in seen.reason


async def test_escape_codes_do_not_get_through() -> None:
    data = page(b"x", headers=("X-Evil: \x1b[31mred\x1b[0m",), status="200 \x1b[2JOK")
    async with serving(answering(data)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert "\x1b" not in repr(dict(seen.headers)) + seen.reason


def _redirecting(heard: list[bytes], location: str, *, times: int, status: int = 302) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await read_head(reader))
        if len(heard) <= times:
            writer.write(page(b"", status=f"{status} Moved", headers=(f"Location: {location}",)))
        else:
            writer.write(page(b"there"))
        await writer.drain()

    return handler


async def test_redirects_are_followed() -> None:
    heard: list[bytes] = []
    async with serving(_redirecting(heard, "/next?a=1", times=2)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", auth=BearerAuth("t0ken"))
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.body == b"there"
    assert [hop.url for hop in seen.redirects] == [f"http://127.0.0.1:{port}/next?a=1"] * 2
    assert all(b"t0ken" in head for head in heard)
    assert heard[1].startswith(b"GET /next?a=1 HTTP/1.1\r\n")


async def test_a_redirect_is_an_answer_when_it_is_not_to_be_followed() -> None:
    async with serving(_redirecting([], "/next", times=9)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", follow_redirects=False)
        seen = await look(config, timeout_ms=5_000)
    assert (seen.status_code, seen.redirects, seen.error_kind) == (302, (), None)


async def test_a_redirect_loop_ends() -> None:
    heard: list[bytes] = []
    async with serving(_redirecting(heard, "/again", times=99)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", max_redirects=4)
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert "more than 4 redirects" in seen.reason
    assert len(heard) == 5


async def test_another_host_gets_no_credentials() -> None:
    elsewhere: list[bytes] = []
    async with serving(_redirecting(elsewhere, "", times=0)) as other:
        location = f"http://127.0.0.1:{other}/"
        async with serving(_redirecting([], location, times=9)) as port:
            config = HttpConfig(
                f"http://127.0.0.1:{port}/",
                auth=BasicAuth("ann", "secret"),
                headers=(("Cookie", "session=1"), ("X-Plain", "1")),
            )
            seen = await look(config, timeout_ms=5_000)
    assert seen.body == b"there"
    head = elsewhere[0].lower()
    assert b"authorization" not in head
    assert b"cookie" not in head
    assert b"x-plain" in head
    assert f"host: 127.0.0.1:{other}".encode() in head


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST")],
)
async def test_redirects_change_the_method_as_browsers_do(
    status: int, method: str, expected: str
) -> None:
    heard: list[bytes] = []
    async with serving(_redirecting(heard, "/next", times=1, status=status)) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", method=method, body="abc")
        await look(config, timeout_ms=5_000)
    assert heard[1].startswith(f"{expected} /next ".encode())
    assert (b"content-length: 3" in heard[1].lower()) is (expected != "GET")


@pytest.mark.parametrize(
    "location", ["ftp://acme.test/", "javascript:alert(1)", "http://[::1", "//\x7f:x/"]
)
async def test_a_redirect_to_nowhere_is_a_failure(location: str) -> None:
    async with serving(_redirecting([], location, times=9)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind in (ErrorKind.PROTOCOL, ErrorKind.DNS)
    assert seen.reason


@pytest.mark.parametrize(
    "url", ["http://", "gopher://x/", "http://[::1/", "http://x:99999/", "/just/a"]
)
async def test_an_address_that_cannot_be_asked_is_our_own_trouble(url: str) -> None:
    seen = await look(HttpConfig(url), timeout_ms=1_000)
    assert seen.error_kind is ErrorKind.OBSERVER
    assert seen.reason


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


async def test_a_good_certificate_is_noted(authority: Authority) -> None:
    context = authority.context("127.0.0.1", tag="good")
    async with serving(answering(page(b"safe" * 50_000)), context) as port:
        seen = await look(
            HttpConfig(f"https://127.0.0.1:{port}/"),
            timeout_ms=5_000,
            options=LookOptions(ca_file=authority.file),
        )
    assert seen.error_kind is None, seen.reason
    assert seen.body == b"safe" * 50_000
    assert seen.phases.tls_ms is not None
    assert seen.certificate is not None
    assert seen.certificate.subject == "127.0.0.1"
    assert seen.certificate.issuer == "Throwaway Authority"
    assert seen.certificate.names == ("127.0.0.1",)
    assert 59 <= (seen.certificate.not_after - seen.started_at).days <= 60


@pytest.mark.parametrize(
    ("how", "name", "expected"),
    [
        ({"expired": True}, "127.0.0.1", " expired on 20"),
        ({"future": True}, "127.0.0.1", " is not valid yet"),
        ({"self_signed": True}, "127.0.0.1", " is self-signed"),
        ({}, "other.acme.test", " is for other.acme.test, not for 127.0.0.1"),
    ],
)
async def test_a_refused_certificate_is_shown_with_the_reason(
    authority: Authority, how: dict[str, bool], name: str, expected: str
) -> None:
    context = authority.context(name, tag="refused", **how)
    async with serving(answering(page(b"")), context) as port:
        config = HttpConfig(f"https://127.0.0.1:{port}/")
        options = LookOptions(ca_file=authority.file)
        seen = await look(config, timeout_ms=5_000, options=options)
        trusting = await look(
            HttpConfig(config.url, verify_tls=False), timeout_ms=5_000, options=options
        )
    assert seen.error_kind is ErrorKind.TLS
    assert f"certificate of 127.0.0.1:{port}{expected}" in seen.reason
    assert seen.certificate is not None
    assert seen.certificate.subject == name
    assert seen.status_code is None
    assert (trusting.error_kind, trusting.status_code) == (None, 200)
    assert trusting.certificate == seen.certificate


async def test_an_authority_nobody_knows_is_named(authority: Authority) -> None:
    context = authority.context("127.0.0.1", tag="unknown")
    async with serving(answering(page(b"")), context) as port:
        seen = await look(HttpConfig(f"https://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.TLS
    assert "from an unknown authority (Throwaway Authority)" in seen.reason


async def test_plain_http_on_a_tls_port_is_told() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(page(b"", status="400 Bad Request"))
        await writer.drain()

    async with serving(handler) as port:
        seen = await look(HttpConfig(f"https://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.TLS
    assert "does not speak TLS on this port" in seen.reason


async def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(handler) as port:
        seen = await look(HttpConfig(f"https://127.0.0.1:{port}/"), timeout_ms=300)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"TLS handshake with 127.0.0.1:{port} not finished within 0.3 s"


async def test_a_handshake_cut_off_is_told() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)

    async with serving(handler) as port:
        seen = await look(HttpConfig(f"https://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert seen.error_kind in (ErrorKind.TLS, ErrorKind.CONNECT)


# --- the same under uvloop, and as a transport --------------------------------------------------


def test_uvloop_sees_the_same(authority: Authority, tmp_path: Path) -> None:
    async def story() -> None:
        await test_a_good_answer_is_seen_whole()
        await test_a_good_certificate_is_noted(authority)
        await test_a_refused_connection_says_so()
        await test_a_black_hole_ends_at_the_deadline()
        await test_one_deadline_ends_every_kind_of_slowness(
            _dripping, "answer from 127.0.0.1:{port} not finished within 0.3 s"
        )
        await test_a_refused_certificate_is_shown_with_the_reason(
            authority, {"expired": True}, "127.0.0.1", " expired on 20"
        )
        for data, expected in GARBAGE:
            await test_garbage_is_a_failure_of_the_protocol(data, expected)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


async def test_many_at_once_each_see_their_own_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        writer.write(page(head.split(b" ")[1]))
        await writer.drain()

    async with serving(handler) as port:
        configs = [HttpConfig(f"http://127.0.0.1:{port}/{number}") for number in range(100)]
        seen = await asyncio.gather(*(look(config, timeout_ms=10_000) for config in configs))
    assert [one.body for one in seen] == [b"/%d" % number for number in range(100)]


async def test_an_httpx_client_can_use_the_transport() -> None:
    body = b"hallo " * 1000
    answer = page(gzip.compress(body, mtime=0), headers=("Content-Encoding: gzip",))
    async with (
        serving(answering(answer)) as port,
        httpx.AsyncClient(transport=CheckTransport(), trust_env=False) as client,
    ):
        response = await client.get(f"http://127.0.0.1:{port}/")
        assert response.content == body
        assert response.extensions["trace"].phases.first_byte_ms > 0
        with pytest.raises(httpx.ConnectError, match="refused"):
            await client.get(f"http://127.0.0.1:{free_port()}/")
    async with (
        serving(_silent) as port,
        httpx.AsyncClient(transport=CheckTransport(), trust_env=False, timeout=0.2) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"http://127.0.0.1:{port}/")
    async with (
        serving(answering(b"nonsense")) as port,
        httpx.AsyncClient(transport=CheckTransport(), trust_env=False) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://127.0.0.1:{port}/")
