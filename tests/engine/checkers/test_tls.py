"""TLS checks: right and wrong certificates, at once and after the words of each protocol."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from statustui.domain.check_config import STARTTLS_PORTS
from statustui.domain.monitor import TlsConfig, parse_monitor
from statustui.domain.status import CheckStatus, ErrorKind
from statustui.domain.verdict import judge
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.servers import Authority, Handler, black_hole, make_authority, serving

NAME = "mail.acme.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def test_a_good_certificate_is_kept_whole(authority: Authority) -> None:
    async with serving(_silent, authority.context(NAME, tag="good")) as port:
        config = TlsConfig("127.0.0.1", port, server_name=NAME, ca=authority.file.read_text())
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is None, seen.reason
    assert seen.connected
    assert seen.phases.tls_ms is not None
    assert seen.phases.first_byte_ms is None
    certificate = seen.certificate
    assert certificate is not None
    assert (certificate.subject, certificate.issuer) == (NAME, "Throwaway Authority")
    assert certificate.names == (NAME,)
    assert certificate.chain == (NAME, "Throwaway Authority")
    assert int(certificate.serial, 16) > 0
    assert seen.repeat_command == (
        f"timeout 5 openssl s_client -connect 127.0.0.1:{port} -servername {NAME} "
        "-CAfile '***' -showcerts -verify_return_error </dev/null"
    )


@pytest.mark.parametrize(
    ("how", "name", "expected"),
    [
        ({"expired": True}, NAME, " expired on 20"),
        ({"future": True}, NAME, " is not valid yet"),
        ({"self_signed": True}, NAME, " is self-signed"),
        ({}, "other.acme.test", f" is for other.acme.test, not for {NAME}"),
    ],
    ids=["expired", "future", "self-signed", "another name"],
)
@pytest.mark.parametrize("starttls", [None, "smtp"])
async def test_a_wrong_certificate_is_a_failure_and_shown(
    authority: Authority, starttls: str | None, how: dict[str, bool], name: str, expected: str
) -> None:
    context = authority.context(name, tag="wrong", **how)
    handler = _after(_smtp, context) if starttls else _silent
    async with serving(handler, None if starttls else context) as port:
        config = TlsConfig("127.0.0.1", port, server_name=NAME, starttls=starttls)
        options = LookOptions(ca_file=authority.file)
        seen = await look(config, timeout_ms=5_000, options=options)
    assert seen.error_kind is ErrorKind.TLS
    assert f"certificate of 127.0.0.1:{port}{expected}" in seen.reason
    assert seen.certificate is not None
    assert seen.certificate.subject == name


async def test_an_authority_nobody_knows(authority: Authority) -> None:
    async with serving(_silent, authority.context(NAME, tag="unknown")) as port:
        seen = await look(TlsConfig("127.0.0.1", port, server_name=NAME), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.TLS
    assert "from an unknown authority (Throwaway Authority)" in seen.reason


async def test_few_days_left_are_degraded(authority: Authority) -> None:
    async with serving(_silent, authority.context(NAME, days=10, tag="soon")) as port:
        spec = parse_monitor(
            {
                "name": "certificate",
                "type": "tls",
                "config": {
                    "host": "127.0.0.1",
                    "port": port,
                    "server_name": NAME,
                    "ca": f"file:{authority.file}",
                },
            }
        )
        seen = await look(spec.config, timeout_ms=5_000)
    assert seen.certificate is not None
    ends = seen.certificate.not_after
    warned = judge(spec, seen, ends - timedelta(days=9, hours=1))
    assert warned.status is CheckStatus.DEGRADED
    assert f"certificate of 127.0.0.1:{port} ends in 9 days, on {ends:%Y-%m-%d}" in warned.reason
    assert judge(spec, seen, ends - timedelta(days=14)).status is CheckStatus.SUCCESS
    last = judge(spec, seen, ends - timedelta(hours=5))
    assert "ends in 0 days" in last.reason


# --- STARTTLS -----------------------------------------------------------------------------------

Words = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


def _after(words: Words, context: ssl.SSLContext) -> Handler:
    """Speaks plainly first; turns to TLS where the words allow it."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await words(reader, writer):
            await writer.drain()
            await writer.start_tls(context)
        await reader.read()

    return handler


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"220-mail.acme.test\r\n220 ESMTP ready\r\n")
    assert (await reader.readline()).startswith(b"EHLO ")
    for piece in (b"250-mail.acme.test\r\n250-SIZE 1", b"000\r\n250-STARTTLS\r\n250 HELP\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    assert await reader.readline() == b"STARTTLS\r\n"
    writer.write(b"220 go ahead\r\n")
    return True


async def _imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
    tag = (await reader.readline()).split()[0]
    writer.write(b"* NOTE nothing\r\n" + tag + b" OK begin\r\n")
    return True


async def _pop3(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"+OK ready\r\n")
    assert await reader.readline() == b"STLS\r\n"
    writer.write(b"+OK begin\r\n")
    return True


async def _ftp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"220-welcome\r\n to a server\r\n220 ready\r\n")
    assert await reader.readline() == b"AUTH TLS\r\n"
    writer.write(b"234 begin\r\n")
    return True


async def _ldap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    request = await reader.readexactly(31)
    assert request.endswith(b"1.3.6.1.4.1.1466.20037")
    # The length in its long form, as OpenLDAP's is not, and Active Directory's is.
    answer = b"\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"
    writer.write(b"\x30\x84\x00\x00\x00" + bytes([len(answer)]) + answer)
    return True


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    assert await reader.readexactly(8) == bytes.fromhex("0000000804d2162f")
    writer.write(b"S")
    return True


def _mysql_greeting(flags: int) -> bytes:
    body = b"\x0a8.0.36\0" + b"\x01\0\0\0" + b"saltsalt\0" + flags.to_bytes(2, "little")
    body += b"\x21\x02\0\xff\xc1\x15" + b"\0" * 10 + b"salt" * 3 + b"\0mysql_native_password\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


async def _xmpp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    assert f"to={NAME!r}".replace("'", '"').encode() in await reader.readuntil(b"version='1.0'>")
    writer.write(b"<?xml version='1.0'?><stream:stream id='1' version='1.0'><stream:features>")
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
    assert (await reader.readuntil(b"/>")).startswith(b"<starttls ")
    writer.write(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    return True


async def _sieve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n')
    assert await reader.readline() == b"STARTTLS\r\n"
    writer.write(b'OK "begin"\r\n')
    return True


SERVERS: dict[str, Words] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "ldap": _ldap,
    "postgres": _postgres,
    "xmpp": _xmpp,
    "sieve": _sieve,
}


@pytest.mark.parametrize("protocol", [name for name in STARTTLS_PORTS if name != "mysql"])
async def test_each_protocol_turns_to_tls(authority: Authority, protocol: str) -> None:
    context = authority.context(NAME, tag="starttls")
    async with serving(_after(SERVERS[protocol], context)) as port:
        config = TlsConfig("127.0.0.1", port, server_name=NAME, starttls=protocol)
        options = LookOptions(ca_file=authority.file)
        seen = await look(config, timeout_ms=5_000, options=options)
    assert seen.error_kind is None, seen.reason
    assert seen.certificate is not None
    assert seen.certificate.subject == NAME
    assert f"-starttls {protocol}" in seen.repeat_command


async def test_mysql_turns_to_tls_without_an_answer(authority: Authority) -> None:
    context = authority.context(NAME, tag="mysql")
    requests: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        # The handshake follows the request at once, so nothing more than that may be read.
        connection, _ = listener.accept()
        with connection:
            connection.sendall(_mysql_greeting(0xFFFF))
            requests.append(connection.recv(36, socket.MSG_WAITALL))
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        serving_it = asyncio.create_task(asyncio.to_thread(serve, listener))
        config = TlsConfig(
            "127.0.0.1", listener.getsockname()[1], server_name=NAME, starttls="mysql"
        )
        options = LookOptions(ca_file=authority.file)
        seen = await look(config, timeout_ms=5_000, options=options)
        await asyncio.gather(serving_it, return_exceptions=True)
    assert seen.error_kind is None, seen.reason
    assert seen.certificate is not None
    assert seen.certificate.subject == NAME
    assert requests[0][:4] == b"\x20\0\0\x01"
    assert int.from_bytes(requests[0][4:8], "little") & 0x0800


def _saying(*pieces: bytes) -> Handler:
    """Says the first piece at once and one more for each thing that it hears; then hangs up."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, piece in enumerate(pieces):
            if number:
                await reader.read(1_000)
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


@pytest.mark.parametrize(
    ("protocol", "said", "kind", "expected"),
    [
        ("smtp", (b"554 go away\r\n",), ErrorKind.PROTOCOL, "does not greet as SMTP does"),
        ("smtp", (b"\x1b[2Jhallo\r\n",), ErrorKind.PROTOCOL, "it said “hallo”"),
        ("smtp", (b"220 x\r\n", b"250-x\r\n250 HELP\r\n"), ErrorKind.TLS, "does not offer"),
        (
            "smtp",
            (b"220 x\r\n", b"250 STARTTLS\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n"),
            ErrorKind.TLS,
            "does not offer",
        ),
        (
            "smtp",
            (b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n"),
            ErrorKind.TLS,
            "declined to begin TLS: “454 not now”",
        ),
        (
            "smtp",
            (b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250 slipped in\r\n"),
            ErrorKind.TLS,
            "said more before TLS had begun",
        ),
        ("smtp", (b"220 x",), ErrorKind.PROTOCOL, "closed the connection before TLS began"),
        ("smtp", (b"220-x\r\n" * 20_000,), ErrorKind.PROTOCOL, "before TLS"),
        ("imap", (b"* BYE\r\n",), ErrorKind.PROTOCOL, "IMAP"),
        ("imap", (b"* OK\r\n", b"a NO never\r\n"), ErrorKind.TLS, "“a NO never”"),
        ("pop3", (b"-ERR\r\n",), ErrorKind.PROTOCOL, "POP3"),
        ("pop3", (b"+OK\r\n", b"-ERR no\r\n"), ErrorKind.TLS, "“-ERR no”"),
        ("ftp", (b"421 full\r\n",), ErrorKind.PROTOCOL, "“421 full”"),
        ("ftp", (b"220 x\r\n", b"502 no\r\n"), ErrorKind.TLS, "“502 no”"),
        ("postgres", (b"", b"N"), ErrorKind.TLS, "does not offer"),
        ("postgres", (b"", b"EFATAL"), ErrorKind.PROTOCOL, "PostgreSQL"),
        ("ldap", (b"", bytes.fromhex("300c02010178070a013404000400")), ErrorKind.TLS, "result 52"),
        ("ldap", (b"", b"HTTP/1.1 400 x\r\n"), ErrorKind.PROTOCOL, "LDAP"),
        ("ldap", (b"", b"\x30\x84\xff\xff\xff\xff"), ErrorKind.PROTOCOL, "LDAP"),
        ("mysql", (b"\x0f\0\0\0\xff\x69\x04Host blocked",), ErrorKind.PROTOCOL, "MySQL"),
        ("mysql", (b"SSH-2.0-x\r\n",), ErrorKind.PROTOCOL, "MySQL"),
        ("mysql", (_mysql_greeting(0xF7FF),), ErrorKind.TLS, "does not offer"),
        ("xmpp", (b"", b"SSH-2.0\r\n"), ErrorKind.PROTOCOL, "XMPP"),
        ("xmpp", (b"", b"<a><stream:features/>"), ErrorKind.TLS, "does not offer"),
        ("xmpp", (b"", b"<a><stream:error>no</stream:error>"), ErrorKind.PROTOCOL, "XMPP"),
        (
            "xmpp",
            (b"", b"<a>urn:ietf:params:xml:ns:xmpp-tls</stream:features>", b"<failure/>"),
            ErrorKind.TLS,
            "“<failure/>”",
        ),
        ("sieve", (b'"x"\r\nOK\r\n',), ErrorKind.TLS, "does not offer"),
        ("sieve", (b"nothing\r\n",), ErrorKind.PROTOCOL, "ManageSieve"),
    ],
)
async def test_what_does_not_turn_to_tls_says_why(
    protocol: str, said: tuple[bytes, ...], kind: ErrorKind, expected: str
) -> None:
    async with serving(_saying(*said)) as port:
        config = TlsConfig("127.0.0.1", port, starttls=protocol)
        seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is kind, seen.reason
    assert expected in seen.reason
    assert seen.reason.isprintable()
    assert seen.certificate is None


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"2")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("handler", [_silent, _dripping], ids=["silent", "dripping"])
async def test_the_deadline_ends_every_slowness(handler: Handler) -> None:
    async with serving(handler) as port:
        protocols = [None, *STARTTLS_PORTS]
        configs = [TlsConfig("127.0.0.1", port, starttls=protocol) for protocol in protocols]
        seen = await asyncio.gather(*(look(config, timeout_ms=400) for config in configs))
    for one in seen:
        if one.error_kind is ErrorKind.TIMEOUT:
            late = f"TLS handshake with 127.0.0.1:{port} not finished within 0.4 s"
            assert one.reason == late
        else:  # some protocols know after a few bytes that these are none of theirs
            assert handler is _dripping
            assert one.error_kind in (ErrorKind.TLS, ErrorKind.PROTOCOL)
    assert sum(one.error_kind is ErrorKind.TIMEOUT for one in seen) >= 5


async def test_a_port_that_drops_everything() -> None:
    with black_hole() as port:
        seen = await look(TlsConfig("127.0.0.1", port), timeout_ms=200)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"connect to 127.0.0.1:{port} not answered within 0.2 s"


async def test_a_file_that_is_not_there_is_our_own_trouble() -> None:
    seen = await look(TlsConfig("127.0.0.1", 443, ca="file:/nowhere/ca.pem"), timeout_ms=1_000)
    assert seen.error_kind is ErrorKind.OBSERVER
    assert seen.reason == "this host cannot read /nowhere/ca.pem: no such file or directory"
