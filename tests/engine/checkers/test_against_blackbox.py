"""The same misbehaving targets before two judges: our checks, and Debian's blackbox_exporter.

Each target is looked at by both at the same time, with the same deadline. Where the two differ, the
case says why, and the test fails as soon as either of them changes its mind.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from statustui.domain.monitor import (
    CheckConfig,
    DnsConfig,
    HttpConfig,
    MonitorSpec,
    TcpConfig,
    type_of,
)
from statustui.domain.verdict import judge
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.name_server import serving_names
from tests.engine.checkers.servers import (
    Handler,
    answering,
    black_hole,
    free_port,
    make_authority,
    page,
    read_head,
    serving,
)

EXPORTER = shutil.which("prometheus-blackbox-exporter")
# Long for those that answer, on a busy machine too; short for those that never will.
TIMEOUT_MS = 10_000
HANGING_MS = 1_500
AT_ONCE = 8

pytestmark = pytest.mark.skipif(
    EXPORTER is None, reason="prometheus-blackbox-exporter is not installed"
)


@dataclass(frozen=True)
class Case:
    """One target as both look at it.

    Attributes:
        target, module: what the exporter is asked; config: what we look at.
        up: what both say, or what we say where `theirs` differs.
        theirs: what the exporter says, None for the same; why: the reason for the difference.
        hangs: whether the deadline has to end it.
    """

    target: str
    module: str
    config: CheckConfig
    up: bool
    theirs: bool | None = None
    why: str = ""
    hangs: bool = False

    @property
    def timeout_ms(self) -> int:
        """The deadline for both."""
        return HANGING_MS if self.hangs else TIMEOUT_MS


# -- targets ---------------------------------------------------------------------------------------


def dripping(data: bytes) -> Handler:
    """Answers byte by byte, and never comes to an end."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.2)

    return handler


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without a length and without an end."""
    await read_head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()
        # Fast enough for every limit, and slow enough to leave the machine to the others.
        await asyncio.sleep(0.005)


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads and says nothing."""
    while await reader.read(1_000):
        pass


def greeting(data: bytes) -> Handler:
    """Says something at once and waits."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.Event().wait()

    return handler


def _gzip_bomb(*, has_length: bool) -> bytes:
    """50 MB of nothing in 50 kB."""
    body = gzip.compress(bytes(50_000_000))
    if has_length:
        return page(body, headers=("Content-Encoding: gzip",))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def _redirect(to: str) -> bytes:
    return page(b"", status="302 Found", headers=(f"Location: {to}",))


OK = page(b"all is well")
HANGING = ("slow drip", "endless", "says nothing", "black hole", "no banner", "no answer at all")
HTTP_TARGETS: dict[str, tuple[Handler, bool]] = {
    "plain": (answering(OK), True),
    "not found": (answering(page(b"", status="404 Not Found")), False),
    "error": (answering(page(b"", status="500 Internal Server Error")), False),
    "slow drip of headers": (dripping(OK), False),
    "slow drip of the body": (
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + b"x" * 99),
        False,
    ),
    "endless body": (endless, False),
    "says nothing": (mute, False),
    "redirect loop": (answering(_redirect("/")), False),
    "cut body": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort"), False),
    "garbage": (answering(b"\x00\x01\x02 this is no HTTP\r\n\r\n"), False),
    "empty answer": (answering(b""), False),
    "bad length": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), False),
    "bad chunks": (
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n"),
        False,
    ),
    "gzip": (answering(page(gzip.compress(b"ok"), headers=("Content-Encoding: gzip",))), True),
}


async def build_cases(stack: AsyncExitStack, folder: Path) -> dict[str, Case]:
    """Starts every target; gives the cases by name."""
    cases: dict[str, Case] = {}

    async def serve(handler: Handler, context: ssl.SSLContext | None = None) -> int:
        return await stack.enter_async_context(serving(handler, context))

    def http(name: str, url: str, up: bool) -> None:
        cases[f"http: {name}"] = Case(url, "http", HttpConfig(url), up)

    hole = stack.enter_context(black_hole())
    closed = free_port()
    for name, (handler, up) in HTTP_TARGETS.items():
        http(name, f"http://127.0.0.1:{await serve(handler)}/", up)
    plain = int(cases["http: plain"].target.rpartition(":")[2].strip("/"))
    redirect = await serve(answering(_redirect(f"http://127.0.0.1:{plain}/")))
    http("redirect that ends well", f"http://127.0.0.1:{redirect}/", True)
    http("refused", f"http://127.0.0.1:{closed}/", False)
    http("black hole", f"http://127.0.0.1:{hole}/", False)
    http("name that does not exist", "http://no-such-host.invalid/", False)
    for how, has_length in (("with its length", True), ("without its length", False)):
        port = await serve(answering(_gzip_bomb(has_length=has_length)))
        url = f"http://127.0.0.1:{port}/"
        http(f"gzip bomb {how}", url, True)
        cases[f"http: gzip bomb {how}, unpacked"] = Case(url, "http_gzip", HttpConfig(url), True)
    url = f"http://127.0.0.1:{await serve(answering(page(b'x' * 3_000_000)))}/"
    http("body longer than what is read", url, True)
    cases["http: text that is there"] = Case(
        f"http://127.0.0.1:{plain}/",
        "http_well",
        HttpConfig(f"http://127.0.0.1:{plain}/", expected_body="is well"),
        True,
    )
    cases["http: text that is missing"] = Case(
        f"http://127.0.0.1:{plain}/",
        "http_ill",
        HttpConfig(f"http://127.0.0.1:{plain}/", expected_body="is ill"),
        False,
    )

    authority = make_authority(folder)
    contexts = {
        "valid certificate": (authority.context("127.0.0.1", tag="valid"), True),
        "expired certificate": (authority.context("127.0.0.1", expired=True, tag="old"), False),
        "certificate of tomorrow": (authority.context("127.0.0.1", future=True, tag="new"), False),
        "self-signed certificate": (
            authority.context("127.0.0.1", self_signed=True, tag="self"),
            False,
        ),
        "certificate of another name": (authority.context("other.test", tag="other"), False),
    }
    for name, (context, up) in contexts.items():
        port = await serve(answering(OK), context)
        url = f"https://127.0.0.1:{port}/"
        http(name, url, up)
        cases[f"http: {name}, not verified"] = Case(
            url, "http_insecure", HttpConfig(url, verify_tls=False), True
        )
        cases[f"tcp: {name}"] = Case(
            f"127.0.0.1:{port}", "tcp_tls", TcpConfig("127.0.0.1", port, tls=True), up
        )
    http("no TLS where TLS is wanted", f"https://127.0.0.1:{plain}/", False)

    def tcp(name: str, port: int, up: bool, module: str = "tcp", expect: str | None = None) -> None:
        cases[f"tcp: {name}"] = Case(
            f"127.0.0.1:{port}", module, TcpConfig("127.0.0.1", port, expect=expect), up
        )

    smtp = await serve(greeting(b"220 mail.acme.test ESMTP\r\n"))
    tcp("open", smtp, True)
    tcp("refused", closed, False)
    tcp("black hole", hole, False)
    tcp("banner as expected", smtp, True, "tcp_banner", "220 ")
    tcp("another banner", await serve(greeting(b"554 no\r\n")), False, "tcp_banner", "220 ")
    tcp("no banner", await serve(mute), False, "tcp_banner", "220 ")
    tcp("closed before the banner", await serve(answering(b"")), False, "tcp_banner", "220 ")

    resolver = await stack.enter_async_context(serving_names())

    def names(name: str, asked: str, up: bool, theirs: bool | None = None, why: str = "") -> None:
        config = DnsConfig(asked, "A", resolver)
        cases[f"dns: {name}"] = Case(resolver, f"dns_{asked}", config, up, theirs, why)

    names("an answer", "api.acme.test", True)
    names("NXDOMAIN", "nothing.acme.test", False)
    names("SERVFAIL", "broken.acme.test", False)
    names("no answer at all", "silent.acme.test", False)
    names("garbage and no answer at all", "garbage.acme.test", False)
    names("another id and no answer at all", "wrong-id.acme.test", False)
    names("answered over TCP after a cut", "large.acme.test", True)
    names(
        "cut, and TCP fails",
        "cut.acme.test",
        False,
        theirs=True,
        why="the exporter takes the cut answer for the whole and does not ask over TCP",
    )
    names(
        "an answer after a forged one",
        "late.acme.test",
        True,
        theirs=False,
        why="the exporter gives up at the first datagram with a wrong id; a stub resolver goes on "
        "listening, or whoever can send it datagrams could make it fail",
    )
    names(
        "no record of that type",
        "www.acme.test",
        False,
        theirs=True,
        why="without validation rules the exporter asks for NOERROR alone; "
        "a name without an address serves nobody",
    )
    cases["dns: refused"] = Case(
        f"127.0.0.1:{closed}",
        "dns_api.acme.test",
        DnsConfig("api.acme.test", "A", f"127.0.0.1:{closed}"),
        False,
    )
    return {
        name: replace(case, hangs=any(word in name for word in HANGING))
        for name, case in cases.items()
    }


# -- the two judges --------------------------------------------------------------------------------


def write_modules(file: Path, authority: Path, asked: set[str]) -> None:
    """The exporter's configuration; JSON is YAML too."""
    base = {"timeout": f"{TIMEOUT_MS}ms"}
    tls = {"tls_config": {"ca_file": str(authority)}}
    http = {"preferred_ip_protocol": "ip4", **tls}

    def over_http(**more: object) -> dict[str, object]:
        return {**base, "prober": "http", "http": {**http, **more}}

    modules: dict[str, object] = {
        "http": over_http(),
        "http_insecure": over_http(tls_config={"insecure_skip_verify": True}),
        "http_gzip": over_http(compression="gzip", headers={"Accept-Encoding": "gzip"}),
        "http_well": over_http(fail_if_body_not_matches_regexp=["is well"]),
        "http_ill": over_http(fail_if_body_not_matches_regexp=["is ill"]),
        "tcp": {**base, "prober": "tcp"},
        "tcp_tls": {**base, "prober": "tcp", "tcp": {"tls": True, **tls}},
        "tcp_banner": {
            **base,
            "prober": "tcp",
            "tcp": {"query_response": [{"expect": "^220 "}]},
        },
    }
    for module in asked:
        name = module.removeprefix("dns_")
        modules[module] = {
            **base,
            "prober": "dns",
            "dns": {"query_name": name, "query_type": "A", "transport_protocol": "udp"},
        }
    file.write_text(json.dumps({"modules": modules}))


@asynccontextmanager
async def exporter(file: Path) -> AsyncIterator[int]:
    """A running exporter; gives its port."""
    assert EXPORTER is not None
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        EXPORTER,
        f"--config.file={file}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    await fetch(port, "/-/healthy")
                    break
                except OSError:
                    assert process.returncode is None, "the exporter does not start"
                    await asyncio.sleep(0.02)
        yield port
    finally:
        process.kill()
        await process.wait()


async def fetch(port: int, path: str, timeout_ms: int = TIMEOUT_MS) -> str:
    """What the exporter answers; it takes half a second off the time it is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        seconds = timeout_ms / 1000 + 0.5
        head = f"GET {path} HTTP/1.0\r\nX-Prometheus-Scrape-Timeout-Seconds: {seconds}\r\n\r\n"
        writer.write(head.encode())
        return (await reader.read()).decode()
    finally:
        writer.transport.abort()


async def theirs(port: int, case: Case) -> bool:
    """Whether the exporter takes a target for up."""
    query = urlencode({"target": case.target, "module": case.module})
    lines = (await fetch(port, f"/probe?{query}", case.timeout_ms)).splitlines()
    (found,) = [line for line in lines if line.startswith("probe_success ")]
    return found == "probe_success 1"


async def ours(case: Case, options: LookOptions) -> tuple[bool, str]:
    """Whether we take it for up, and why not."""
    seen = await look(case.config, timeout_ms=case.timeout_ms, options=options)
    spec = MonitorSpec("m", type_of(case.config), case.config, case.timeout_ms, 20)
    result = judge(spec, seen, seen.started_at)
    return result.status.succeeded, result.reason


async def test_both_say_the_same_of_every_target(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        cases = await build_cases(stack, tmp_path)
        file = tmp_path / "blackbox.yml"
        asked = {case.module for case in cases.values() if case.module.startswith("dns_")}
        write_modules(file, tmp_path / "authority.pem", asked)
        port = await stack.enter_async_context(exporter(file))
        options = LookOptions(ca_file=tmp_path / "authority.pem")
        turn = asyncio.Semaphore(AT_ONCE)

        async def ask_both(case: Case) -> tuple[bool, tuple[bool, str]]:
            async with turn:
                return await asyncio.gather(theirs(port, case), ours(case, options))

        both = await asyncio.gather(*map(ask_both, cases.values()))
    wrong = {}
    for (name, case), (they, (we, reason)) in zip(cases.items(), both, strict=True):
        expected = case.up if case.theirs is None else case.theirs
        if (we, they) != (case.up, expected):
            wrong[name] = f"we say {we} ({reason}), they say {they}"
    assert wrong == {}
    assert len(cases) >= 45
    assert all(case.why for case in cases.values() if case.theirs is not None)
