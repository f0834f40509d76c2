"""Knows the words that turn a plain connection of each protocol to TLS (STARTTLS).

Each is a conversation as `steps.Talk` wants it. Nothing that was heard before the handshake may
count after it (whoever sits on the line could have slipped it in), so what is left over when a
conversation ends is a failure; the channel sees to that.
"""

from __future__ import annotations

from collections.abc import Generator
from xml.sax.saxutils import quoteattr

from statustui.domain.status import ErrorKind
from statustui.engine.steps import Conversation, Talk, quoted, read_bytes, read_line, unwelcome
from statustui.engine.trace import LookFailed

_LONGEST_PACKET = 16_384


def starttls(protocol: str, peer: str, server_name: str) -> Talk:
    """The conversation of a protocol.

    Args:
        protocol: one of `domain.check_config.STARTTLS_PORTS`.
        peer: whom with, for reasons.
        server_name: the name of the server, where the protocol wants it said.
    """

    def begin(heard: bytearray) -> Conversation:
        match protocol:
            case "smtp":
                return _smtp(heard, peer)
            case "imap":
                return _imap(heard, peer)
            case "pop3":
                return _pop3(heard, peer)
            case "ftp":
                return _ftp(heard, peer)
            case "ldap":
                return _ldap(heard, peer)
            case "postgres":
                return _postgres(heard, peer)
            case "mysql":
                return _mysql(heard, peer)
            case "xmpp":
                return _xmpp(heard, peer, server_name)
            case "sieve":
                return _sieve(heard, peer)
            case _:
                raise ValueError(protocol)

    return begin


def _declined(peer: str, answer: bytes) -> LookFailed:
    return LookFailed(ErrorKind.TLS, f"{peer} declined to begin TLS: {quoted(answer)}")


def _not_offered(peer: str) -> LookFailed:
    return LookFailed(ErrorKind.TLS, f"{peer} does not offer to begin TLS (STARTTLS)")


def _reply(heard: bytearray, peer: str, protocol: str) -> Generator[bytes, None, list[bytes]]:
    """The lines of one reply of SMTP or FTP: all but the last have a hyphen after the code."""
    lines: list[bytes] = []
    while True:
        line = yield from read_line(heard)
        lines.append(line)
        code, after = line[:3], line[3:4]
        if code.isdigit() and after in (b" ", b""):
            return lines
        # FTP lets the lines in between be anything; SMTP repeats the code.
        if len(lines) == 1 and not (code.isdigit() and after == b"-"):
            raise unwelcome(peer, line, protocol)


def _smtp(heard: bytearray, peer: str) -> Conversation:
    greeting = yield from _reply(heard, peer, "SMTP")
    if greeting[-1][:3] != b"220":
        raise unwelcome(peer, greeting[-1], "SMTP")
    yield b"EHLO localhost\r\n"
    offers = yield from _reply(heard, peer, "SMTP")
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offers[1:]):
        raise _not_offered(peer)
    yield b"STARTTLS\r\n"
    answer = yield from _reply(heard, peer, "SMTP")
    if answer[-1][:3] != b"220":
        raise _declined(peer, answer[-1])
    return b""


def _ftp(heard: bytearray, peer: str) -> Conversation:
    greeting = yield from _reply(heard, peer, "FTP")
    if greeting[-1][:3] != b"220":
        raise unwelcome(peer, greeting[-1], "FTP")
    yield b"AUTH TLS\r\n"
    answer = yield from _reply(heard, peer, "FTP")
    if answer[-1][:3] != b"234":
        raise _declined(peer, answer[-1])
    return b""


def _imap(heard: bytearray, peer: str) -> Conversation:
    greeting = yield from read_line(heard)
    if not greeting.upper().startswith(b"* OK"):
        raise unwelcome(peer, greeting, "IMAP")
    yield b"a STARTTLS\r\n"
    while True:
        answer = yield from read_line(heard)
        if answer.startswith(b"* "):
            continue
        if not answer.upper().startswith(b"A OK"):
            raise _declined(peer, answer)
        return b""


def _pop3(heard: bytearray, peer: str) -> Conversation:
    greeting = yield from read_line(heard)
    if not greeting.upper().startswith(b"+OK"):
        raise unwelcome(peer, greeting, "POP3")
    yield b"STLS\r\n"
    answer = yield from read_line(heard)
    if not answer.upper().startswith(b"+OK"):
        raise _declined(peer, answer)
    return b""


def _sieve(heard: bytearray, peer: str) -> Conversation:
    offered = False
    while True:
        line = yield from read_line(heard)
        if line.upper().startswith(b"OK"):
            break
        if not line.startswith(b'"'):
            raise unwelcome(peer, line, "ManageSieve")
        offered = offered or line.upper().startswith(b'"STARTTLS"')
    if not offered:
        raise _not_offered(peer)
    yield b"STARTTLS\r\n"
    answer = yield from read_line(heard)
    if not answer.upper().startswith(b"OK"):
        raise _declined(peer, answer)
    return b""


def _ldap(heard: bytearray, peer: str) -> Conversation:
    """An extended request with the name of StartTLS (RFC 4511 sections 4.12 and 4.14)."""
    name = b"1.3.6.1.4.1.1466.20037"
    request = b"\x77" + bytes([len(name) + 2]) + b"\x80" + bytes([len(name)]) + name
    message = b"\x02\x01\x01" + request
    yield b"\x30" + bytes([len(message)]) + message
    head = yield from read_bytes(heard, 2)
    size = head[1]
    if size & 0x80:
        more = yield from read_bytes(heard, size & 0x7F)
        size = int.from_bytes(more, "big")
    if head[0] != 0x30 or not 0 < size <= _LONGEST_PACKET:
        raise unwelcome(peer, head, "LDAP")
    answer = yield from read_bytes(heard, size)
    # The message's number, then the extended response, which begins with the result's code.
    at = answer.find(b"\x0a\x01", 4)
    if answer[:4] != b"\x02\x01\x01\x78" or not 0 <= at < len(answer) - 2:
        raise unwelcome(peer, answer, "LDAP")
    if answer[at + 2] != 0:
        raise LookFailed(
            ErrorKind.TLS, f"{peer} declined to begin TLS: LDAP result {answer[at + 2]}"
        )
    return b""


def _postgres(heard: bytearray, peer: str) -> Conversation:
    """An SSLRequest and one letter (PostgreSQL's documentation, message formats)."""
    yield b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    answer = yield from read_bytes(heard, 1)
    if answer == b"N":
        raise _not_offered(peer)
    if answer != b"S":
        raise unwelcome(peer, answer + bytes(heard), "PostgreSQL")
    return b""


def _mysql(heard: bytearray, peer: str) -> Conversation:
    """The greeting's capabilities, then an SSLRequest (MySQL's documentation, connection phase)."""
    size = int.from_bytes((yield from read_bytes(heard, 4))[:3], "little")
    if not 0 < size <= _LONGEST_PACKET:
        raise unwelcome(peer, bytes(heard), "MySQL")
    greeting = yield from read_bytes(heard, size)
    if greeting[0] != 10:
        raise unwelcome(peer, greeting, "MySQL")
    # After the version's text: a number of four bytes, eight of salt, a zero, the capabilities.
    at = greeting.find(b"\0", 1) + 1 + 4 + 8 + 1
    tls = 0x0800
    if not int.from_bytes(greeting[at : at + 2], "little") & tls:
        raise _not_offered(peer)
    protocol_41, secure_connection, largest = 0x0200, 0x8000, 1 << 24
    flags = tls | protocol_41 | secure_connection
    payload = flags.to_bytes(4, "little") + largest.to_bytes(4, "little") + b"\x21" + b"\0" * 23
    return len(payload).to_bytes(3, "little") + b"\x01" + payload


def _xmpp(heard: bytearray, peer: str, server_name: str) -> Conversation:
    namespace = b"urn:ietf:params:xml:ns:xmpp-tls"
    yield (
        f"<?xml version='1.0'?><stream:stream to={quoteattr(server_name)} xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    ).encode()
    while not (b"</stream:features>" in heard or b"<stream:features/>" in heard):
        if heard and not heard.lstrip().startswith(b"<"):
            raise unwelcome(peer, bytes(heard), "XMPP")
        if b"<stream:error" in heard or b"</stream:stream" in heard:
            raise unwelcome(peer, bytes(heard[heard.find(b"<stream:error") :]), "XMPP")
        yield b""
    if namespace not in heard:
        raise _not_offered(peer)
    heard.clear()
    yield b"<starttls xmlns='" + namespace + b"'/>"
    while b">" not in heard:
        yield b""
    if not heard.startswith(b"<proceed"):
        raise _declined(peer, bytes(heard))
    del heard[: heard.index(b">") + 1]
    if heard.startswith(b"</proceed>"):
        del heard[: len(b"</proceed>")]
    return b""
