"""How an HTTP request travels: client certificates, authorities, proxies, families, redirects."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from statustui.domain.monitor import BasicAuth, HttpConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.servers import (
    Authority,
    ProxyServer,
    answering,
    black_hole,
    free_port,
    make_authority,
    page,
    read_head,
    serving,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def _wanting_a_client(authority: Authority, tag: str) -> ssl.SSLContext:
    context = authority.context("127.0.0.1", tag=tag)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    return context


async def _who(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the name in the client's certificate."""
    await read_head(reader)
    found = writer.get_extra_info("peercert") or {}
    name = dict(pair for group in found.get("subject", ()) for pair in group).get("commonName", "")
    writer.write(page(str(name).encode()))
    await writer.drain()


# --- client certificates and authorities --------------------------------------------------------


async def test_a_client_certificate_is_shown_from_a_file_and_as_text(authority: Authority) -> None:
    file = authority.issue("watcher.acme.test", tag="client")
    text = file.read_text()
    key, _, rest = text.partition("-----BEGIN CERTIFICATE-----")
    cert = "-----BEGIN CERTIFICATE-----" + rest
    ca = f"file:{authority.file}"
    async with serving(_who, _wanting_a_client(authority, "wanting")) as port:
        url = f"https://127.0.0.1:{port}/"
        both = await look(HttpConfig(url, ca=ca, client_cert=f"file:{file}"), timeout_ms=5_000)
        apart = await look(
            HttpConfig(url, ca=ca, client_cert=cert, client_key=key), timeout_ms=5_000
        )
    assert (both.error_kind, both.body) == (None, b"watcher.acme.test"), both.reason
    assert (apart.error_kind, apart.body) == (None, b"watcher.acme.test"), apart.reason
    assert f"--cacert {authority.file} --cert {file}" in both.repeat_command
    assert "--cert '***' --key '***'" in apart.repeat_command


async def test_a_server_that_wants_a_certificate_says_so(authority: Authority) -> None:
    # asyncio's server hangs up without the alert; OpenSSL's own sends it.
    leaf = authority.issue("127.0.0.1", tag="strict")
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(leaf), "-www"]
    command += ["-CAfile", str(authority.file), "-Verify", "1", "-verify_return_error"]
    server = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        while b"ACCEPT" not in await server.stdout.readline():
            pass
        config = HttpConfig(f"https://127.0.0.1:{port}/", ca=f"file:{authority.file}")
        seen = await look(config, timeout_ms=5_000)
    finally:
        server.kill()
        await server.wait()
    assert seen.error_kind is ErrorKind.TLS
    assert "certificate required" in seen.reason


async def test_a_key_is_gone_from_disk_once_it_is_loaded(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pem = authority.issue("watcher.acme.test", tag="fleeting").read_text()
    async with serving(_who, _wanting_a_client(authority, "wanting")) as port:
        config = HttpConfig(
            f"https://127.0.0.1:{port}/", ca=authority.file.read_text(), client_cert=pem
        )
        seen = await look(config, timeout_ms=5_000)
    assert (seen.error_kind, seen.body) == (None, b"watcher.acme.test"), seen.reason
    assert list(tmp_path.iterdir()) == []


async def test_a_certificate_that_was_exchanged_on_disk_is_taken(authority: Authority) -> None:
    file = authority.issue("before.acme.test", tag="exchanged")
    async with serving(_who, _wanting_a_client(authority, "wanting")) as port:
        config = HttpConfig(
            f"https://127.0.0.1:{port}/", ca=f"file:{authority.file}", client_cert=f"file:{file}"
        )
        before = await look(config, timeout_ms=5_000)
        authority.issue("after.acme.test", tag="exchanged")
        after = await look(config, timeout_ms=5_000)
    assert (before.body, after.body) == (b"before.acme.test", b"after.acme.test")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "this host cannot read"),
        ("-----BEGIN CERTIFICATE-----\nnonsense\n", "client_cert cannot be used"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "client_cert cannot be used",
        ),
    ],
)
async def test_a_certificate_we_cannot_use_is_our_own_trouble(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "client.pem"
    if content is not None:
        file.write_text(content)
    config = HttpConfig(f"https://127.0.0.1:{free_port()}/", client_cert=f"file:{file}")
    seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.OBSERVER
    assert expected in seen.reason


async def test_an_authority_of_its_own_replaces_the_hosts(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = make_authority(tmp_path)
    async with serving(answering(page(b"")), authority.context("127.0.0.1", tag="own")) as port:
        config = HttpConfig(f"https://127.0.0.1:{port}/", ca=authority.file.read_text())
        own = await look(config, timeout_ms=5_000)
        # The host trusts it, but this monitor trusts another authority alone.
        other = await look(replace(config, ca=f"file:{stranger.file}"), timeout_ms=5_000)
    assert own.error_kind is None, own.reason
    assert other.error_kind is ErrorKind.TLS
    assert own.certificate is not None
    assert own.certificate.chain == ("127.0.0.1", "Throwaway Authority")


# --- proxies ------------------------------------------------------------------------------------


async def test_http_goes_through_a_proxy_with_its_whole_address() -> None:
    proxy = ProxyServer(credentials="ann:s3cret word")
    async with serving(answering(page(b"there"))) as port, serving(proxy) as through:
        config = HttpConfig(
            f"http://127.0.0.1:{port}/path", proxy=f"http://ann:s3cret%20word@127.0.0.1:{through}"
        )
        seen = await look(config, timeout_ms=5_000)
        unknown = await look(replace(config, proxy=f"http://127.0.0.1:{through}"), timeout_ms=5_000)
    assert (seen.error_kind, seen.body) == (None, b"there")
    assert proxy.asked[0] == f"GET http://127.0.0.1:{port}/path"
    assert f"host: 127.0.0.1:{port}".encode() in proxy.heads[0].lower()
    assert seen.address == f"127.0.0.1:{through}"
    assert "s3cret" not in seen.repeat_command
    assert unknown.status_code == 407


@pytest.mark.parametrize("secure_proxy", [False, True])
@pytest.mark.parametrize("version", ["1.1", "auto"])
async def test_https_goes_through_a_tunnel(
    authority: Authority, secure_proxy: bool, version: str
) -> None:
    proxy = ProxyServer(credentials="ann:s3cret")
    context = authority.context("127.0.0.1", tag="tunnelled")
    proxy_context = authority.context("127.0.0.1", tag="proxy") if secure_proxy else None
    body = b"safe" * 100_000
    async with (
        serving(answering(page(body)), context) as port,
        serving(proxy, proxy_context) as through,
    ):
        scheme = "https" if secure_proxy else "http"
        config = HttpConfig(
            f"https://127.0.0.1:{port}/",
            proxy=f"{scheme}://ann:s3cret@127.0.0.1:{through}",
            http_version=version,
        )
        seen = await look(config, timeout_ms=5_000, options=LookOptions(ca_file=authority.file))
    assert (seen.error_kind, seen.body) == (None, body), seen.reason
    assert proxy.asked == [f"CONNECT 127.0.0.1:{port}"]
    # Neither the path nor what else the request says is the proxy's to read.
    assert b"accept" not in proxy.heads[0].lower()
    assert seen.certificate is not None
    assert seen.certificate.subject == "127.0.0.1"
    assert seen.phases.tls_ms is not None
    assert seen.connected


async def test_a_refused_certificate_behind_a_proxy_is_shown(authority: Authority) -> None:
    proxy = ProxyServer()
    context = authority.context("127.0.0.1", expired=True, tag="expired")
    async with serving(answering(page(b"")), context) as port, serving(proxy) as through:
        config = HttpConfig(f"https://127.0.0.1:{port}/", proxy=f"http://127.0.0.1:{through}")
        seen = await look(config, timeout_ms=5_000, options=LookOptions(ca_file=authority.file))
    assert seen.error_kind is ErrorKind.TLS
    assert f"certificate of 127.0.0.1:{port} expired on" in seen.reason
    assert seen.certificate is not None


async def test_a_proxy_with_a_certificate_of_nobody_is_told_apart(authority: Authority) -> None:
    context = authority.context("127.0.0.1", self_signed=True, tag="proxy")
    async with serving(ProxyServer(), context) as through:
        config = HttpConfig("https://target.acme.test/", proxy=f"https://127.0.0.1:{through}")
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.TLS
    assert f"certificate of the proxy 127.0.0.1:{through} is self-signed" in seen.reason
    assert seen.certificate is None


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        ("502 Bad Gateway", ErrorKind.CONNECT, "did not connect to target.acme.test:443: 502 Bad"),
        (
            "407 Who \x1b[31mare you",
            ErrorKind.CONNECT,
            "did not connect to target.acme.test:443: 407 Who are you",
        ),
    ],
    ids=["502", "407"],
)
async def test_a_proxy_that_does_not_connect(answer: str, kind: ErrorKind, expected: str) -> None:
    async with serving(ProxyServer(answer=answer)) as through:
        config = HttpConfig("https://target.acme.test/", proxy=f"http://127.0.0.1:{through}")
        seen = await look(config, timeout_ms=5_000)
    assert (seen.error_kind, seen.connected) == (kind, False)
    assert seen.reason.startswith(f"proxy 127.0.0.1:{through} {expected}")


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        (b"SSH-2.0-nonsense\r\n", ErrorKind.PROTOCOL, "does not speak HTTP"),
        (b"", ErrorKind.PROTOCOL, "closed the connection before TLS began"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, ErrorKind.PROTOCOL, "said more than 64 kB"),
        (b"HTTP/1.1 200 OK\r\n\r\nslipped in", ErrorKind.TLS, "said more before TLS had begun"),
    ],
    ids=["another protocol", "nothing", "endless head", "bytes slipped in"],
)
async def test_a_proxy_that_misbehaves(said: bytes, kind: ErrorKind, expected: str) -> None:
    async with serving(answering(said)) as through:
        config = HttpConfig("https://target.acme.test/", proxy=f"http://127.0.0.1:{through}")
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is kind
    assert f"proxy 127.0.0.1:{through} {expected}" in seen.reason


async def test_a_proxy_that_is_not_there_or_silent() -> None:
    port = free_port()
    config = HttpConfig("https://target.acme.test/", proxy=f"http://127.0.0.1:{port}")
    seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.REFUSED
    assert seen.reason == f"proxy 127.0.0.1:{port}: connect to 127.0.0.1:{port} refused"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(silent) as through:
        waited = replace(config, proxy=f"http://127.0.0.1:{through}")
        seen = await look(waited, timeout_ms=200)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == (
        f"connect to target.acme.test:443 through the proxy 127.0.0.1:{through} not answered "
        "within 0.2 s"
    )
    assert not seen.connected


# --- addresses ----------------------------------------------------------------------------------


async def test_the_family_is_kept_and_every_address_is_noted() -> None:
    async with serving(answering(page(b"four"))) as port:
        config = HttpConfig(f"http://localhost:{port}/", ip_version=4)
        seen = await look(config, timeout_ms=5_000)
        literal = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
        other = await look(
            replace(config, url=f"http://127.0.0.1:{port}/", ip_version=6), timeout_ms=5_000
        )
    assert (seen.body, seen.address) == (b"four", f"127.0.0.1:{port}")
    assert seen.addresses == ("127.0.0.1",)
    assert literal.addresses == ()
    assert other.error_kind is ErrorKind.DNS
    assert other.reason == "127.0.0.1 is not an IPv6 address"


class _Names:
    """Stands for the system's resolver: one name with the addresses that a test wants."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    async def addresses(self, host: str, family: int = 0) -> list[str]:
        return list(self._addresses)


async def test_a_dead_address_costs_a_moment_and_not_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(answering(page(b"alive"))) as port:
        with black_hole("127.0.0.2", port):
            names = _Names("127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.4")
            monkeypatch.setattr("statustui.engine.connecting.lookups", names)
            seen = await look(HttpConfig(f"http://api.acme.test:{port}/"), timeout_ms=10_000)
    assert (seen.error_kind, seen.body) == (None, b"alive"), seen.reason
    assert seen.address == f"127.0.0.1:{port}"
    assert seen.addresses == ("127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.4")
    assert seen.phases.connect_ms is not None
    assert 240 < seen.phases.connect_ms < 4_000


async def test_when_all_fail_the_most_telling_failure_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = _Names("127.0.0.2", "2001:db8::1", "127.0.0.3")
    monkeypatch.setattr("statustui.engine.connecting.lookups", names)
    port = free_port()
    seen = await look(HttpConfig(f"http://api.acme.test:{port}/"), timeout_ms=1_000)
    # The families take turns.
    assert seen.addresses == ("127.0.0.2", "2001:db8::1", "127.0.0.3")
    if seen.error_kind is ErrorKind.REFUSED:
        assert seen.reason == f"connect to 127.0.0.3:{port} refused"
    else:  # this host has a route to the address of the documentation, which drops everything
        assert seen.error_kind is ErrorKind.TIMEOUT


async def test_nothing_is_left_open_after_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answering(page(b"x"))) as port:
        with black_hole("127.0.0.2", port):
            names = _Names("127.0.0.2", "127.0.0.1")
            monkeypatch.setattr("statustui.engine.connecting.lookups", names)
            before = len(os.listdir("/proc/self/fd"))
            config = HttpConfig(f"http://api.acme.test:{port}/")
            await asyncio.gather(*(look(config, timeout_ms=5_000) for _ in range(5)))
            dead = HttpConfig(f"http://api.acme.test:{port}/dead")
            names._addresses = ["127.0.0.2", "127.0.0.2"]
            await look(dead, timeout_ms=300)
            for _ in range(20):
                await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_crowd_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = _Names(*(f"127.0.1.{number}" for number in range(1, 200)))
    monkeypatch.setattr("statustui.engine.connecting.lookups", crowd)
    seen = await look(HttpConfig(f"http://api.acme.test:{free_port()}/"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.REFUSED
    assert len(seen.addresses) == 16


# --- redirects ----------------------------------------------------------------------------------


async def test_redirects_are_kept_hop_by_hop(authority: Authority) -> None:
    heads: list[bytes] = []
    peers: list[object] = []

    async def last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_head(reader))
        peers.append(writer.get_extra_info("peercert"))
        writer.write(page(b"there"))
        await writer.drain()

    wanting = authority.context("127.0.0.1", tag="optional")
    wanting.verify_mode = ssl.CERT_OPTIONAL
    wanting.load_verify_locations(authority.file)
    client = authority.issue("watcher.acme.test", tag="client")
    async with serving(last, wanting) as end:
        onward = page(
            b"", status="307 Onward", headers=(f"Location: https://127.0.0.1:{end}/?token=abc",)
        )

        async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await read_head(reader))
            peers.append(writer.get_extra_info("peercert"))
            await asyncio.sleep(0.03)
            writer.write(onward)
            await writer.drain()

        async with serving(slowly, _wanting_a_client(authority, "first")) as middle:
            config = HttpConfig(
                f"https://127.0.0.1:{middle}/",
                ca=f"file:{authority.file}",
                client_cert=f"file:{client}",
                auth=BasicAuth("ann", "secret"),
            )
            seen = await look(config, timeout_ms=5_000)
    assert (seen.error_kind, seen.body) == (None, b"there"), seen.reason
    (hop,) = seen.redirects
    assert (hop.url, hop.status_code) == (f"https://127.0.0.1:{end}/?token=***", 307)
    assert 30 <= hop.duration_ms < seen.duration_ms
    # Another host learns neither the password nor who the client is.
    assert b"authorization" in heads[0].lower()
    assert b"authorization" not in heads[1].lower()
    assert peers[0]
    assert not peers[1]


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r'"status":\s*"ok"', True), (r"^\{.*\}$", True), (r"(?i)STATUS", True), (r"v\d+", False)],
)
async def test_a_regular_expression_is_searched(pattern: str, expected: bool) -> None:
    async with serving(answering(page(b'{"status": "ok"}\n'))) as port:
        config = HttpConfig(f"http://127.0.0.1:{port}/", body_regex=pattern)
        seen = await look(config, timeout_ms=5_000)
    assert (seen.error_kind, seen.body_matches) == (None, expected)


async def test_an_evil_pattern_on_an_evil_body_holds_up_nobody() -> None:
    body = b"ab" * 200_000
    longest = 0.0

    async def watching() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    async with serving(answering(page(body))) as port:
        url = f"http://127.0.0.1:{port}/"
        quick = await look(HttpConfig(url, body_regex=r"(a+b+)+c$"), timeout_ms=20_000)
        watcher = asyncio.create_task(watching())
        slow = await look(HttpConfig(url, body_regex=r"(a|b)*a(a|b){18}c"), timeout_ms=20_000)
        watcher.cancel()
    # `re` would try two to the power of the length of the body.
    assert (quick.error_kind, quick.body_matches) == (None, False)
    assert slow.body_matches in (None, False)
    if slow.body_matches is None:
        assert slow.error_kind is ErrorKind.OBSERVER
        assert "body_regex takes too long" in slow.reason
    assert longest < 0.1


async def test_a_coding_nobody_asked_for_stays_within_the_cap() -> None:
    # What a brotli bomb looks like from outside; it is not unpacked, only cut.
    data = page(b"\x9b" * 3_000_000, headers=("Content-Encoding: br",))
    async with serving(answering(data)) as port:
        seen = await look(HttpConfig(f"http://127.0.0.1:{port}/"), timeout_ms=5_000)
    assert (seen.error_kind, len(seen.body), seen.body_truncated) == (None, 1_000_000, True)
