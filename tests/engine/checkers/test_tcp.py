"""TCP checks against real listeners."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from statustui.domain.monitor import TcpConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.servers import black_hole, free_port, make_authority, serving


async def _mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.acme.test ESMTP\r\n")
    if (await reader.readline()).startswith(b"EHLO"):
        writer.write(b"250-mail.acme.test\r\n")
        await asyncio.sleep(0.01)
        writer.write(b"250 HELP\r\n")
    else:
        writer.write(b"500 \x1b[31mwhat?\r\n")
    await writer.drain()
    await reader.read()


async def test_a_connection_is_enough() -> None:
    async with serving(_mail) as port:
        seen = await look(TcpConfig("127.0.0.1", port), timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.connected
    assert seen.phases.connect_ms is not None
    assert seen.phases.first_byte_ms is None
    assert seen.repeat_command == f"nc -v -w 5 -z 127.0.0.1 {port}"


async def test_what_was_expected_is_heard_across_pieces() -> None:
    async with serving(_mail) as port:
        config = TcpConfig("127.0.0.1", port, send="EHLO me\r\n", expect="test\r\n250 HELP")
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.answers == ("220 mail.acme.test ESMTP 250-mail.acme.test 250 HELP",)
    assert seen.repeat_command == f"printf %s '***' | nc -v -w 5 127.0.0.1 {port}"


async def test_something_else_heard_is_an_assertion() -> None:
    async with serving(_mail) as port:
        config = TcpConfig("127.0.0.1", port, send="NOOP\r\n", expect="250 HELP")
        seen = await look(config, timeout_ms=300)
    assert seen.error_kind is ErrorKind.ASSERTION
    assert seen.reason == (
        f"127.0.0.1:{port} did not say “250 HELP” within 0.3 s, "
        "it said “220 mail.acme.test ESMTP 500 what?”"
    )


async def test_closing_without_the_expected_text_is_an_assertion() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go away")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving(handler) as port:
        seen = await look(TcpConfig("127.0.0.1", port, expect="220"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.ASSERTION
    assert "before it closed the connection, it said “go away”" in seen.reason


async def test_an_endless_banner_is_bounded() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(handler) as port:
        seen = await look(TcpConfig("127.0.0.1", port, expect="220"), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.ASSERTION
    assert len(seen.body) == 65_536


async def test_silence_is_a_timeout() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(handler) as port:
        seen = await look(TcpConfig("127.0.0.1", port, expect="220"), timeout_ms=200)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"no answer from 127.0.0.1:{port} within 0.2 s"


async def test_refused_and_dropped_are_told_apart() -> None:
    port = free_port()
    seen = await look(TcpConfig("127.0.0.1", port), timeout_ms=5_000)
    assert (seen.error_kind, seen.reason) == (
        ErrorKind.REFUSED,
        f"connect to 127.0.0.1:{port} refused",
    )
    with black_hole() as dropped:
        seen = await look(TcpConfig("127.0.0.1", dropped), timeout_ms=200)
    assert seen.error_kind is ErrorKind.TIMEOUT


async def test_a_name_is_looked_up_and_each_address_tried() -> None:
    async with serving(_mail) as port:
        # "localhost" may be ::1 first, where nobody listens.
        seen = await look(TcpConfig("localhost", port), timeout_ms=5_000)
    assert seen.error_kind is None
    assert seen.address == f"127.0.0.1:{port}"
    assert seen.phases.resolve_ms is not None


async def test_tls_with_its_own_name(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    context = authority.context("db.acme.test")
    options = LookOptions(ca_file=authority.file)
    async with serving(_mail, context) as port:
        named = TcpConfig("127.0.0.1", port, tls=True, server_name="db.acme.test", expect="220")
        seen = await look(named, timeout_ms=5_000, options=options)
        wrong = await look(
            TcpConfig("127.0.0.1", port, tls=True), timeout_ms=5_000, options=options
        )
        anyway = await look(
            TcpConfig("127.0.0.1", port, tls=True, verify_tls=False), timeout_ms=5_000
        )
    assert seen.error_kind is None, seen.reason
    assert seen.answers == ("220 mail.acme.test ESMTP",)
    assert seen.certificate is not None
    assert wrong.error_kind is ErrorKind.TLS
    assert "is for db.acme.test, not for 127.0.0.1" in wrong.reason
    assert wrong.certificate is not None
    assert wrong.certificate.serial == seen.certificate.serial
    # What was verified reaches to the root; what was refused is shown as it was sent.
    assert seen.certificate.chain == ("db.acme.test", "Throwaway Authority")
    assert wrong.certificate.chain == ("db.acme.test",)
    assert anyway.error_kind is None


@pytest.mark.parametrize("name", ["", "." * 300, "a..b", ".acme.test", "ü" * 100])
async def test_a_name_no_certificate_can_carry(name: str) -> None:
    async with serving(_mail) as port:
        config = TcpConfig("127.0.0.1", port, tls=True, server_name=name)
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.TLS
    assert seen.reason


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "." * 10, "x" * 300])
async def test_a_name_that_cannot_be_looked_up(host: str) -> None:
    seen = await look(TcpConfig(host, 80), timeout_ms=20_000)
    assert seen.error_kind is ErrorKind.DNS
