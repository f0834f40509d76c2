"""What stands between a TCP connection and the protocol that is looked at, one step at a time.

A plain HTTP check has no such step, an HTTPS check has one handshake. Mail servers want some words
before theirs (STARTTLS), proxies before somebody else's (CONNECT), and a proxy may want a handshake
of its own before that.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass

from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.tls_settings import TlsSettings, tls_context
from statustui.engine.trace import LookFailed, Part

Conversation = Generator[bytes, None, bytes]
"""Gives what is to be said; goes on when more was heard; ends with its last words, which nobody
answers, when TLS may begin."""

Talk = Callable[[bytearray], Conversation]
"""Begins a conversation; what is heard is added to the buffer, and taken out by who reads it."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """TLS with somebody.

    Attributes:
        settings, context: how.
        server_name: the name that the certificate must carry.
        peer: whom with, as people name it.
        of_target: whether it is the one that is looked at, whose certificate is noted.
    """

    settings: TlsSettings
    context: ssl.SSLContext
    server_name: str
    peer: str
    of_target: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """Words before the handshake.

    Attributes:
        talk: what is said and heard.
        peer: whom with, as people name it.
        part: whose time it is.
        makes_connection: whether the target is reached only when it has ended.
    """

    talk: Talk
    peer: str
    part: Part
    makes_connection: bool = False


Step = Handshake | Words


def handshake(
    settings: TlsSettings, server_name: str, peer: str, *, of_target: bool = True
) -> Handshake:
    """A handshake with its context.

    Raises:
        LookFailed: of kind `observer`, when this host cannot use the settings.
    """
    return Handshake(settings, tls_context(settings), server_name, peer, of_target)


def read_line(heard: bytearray) -> Generator[bytes, None, bytes]:
    """Waits for a whole line and takes it out of what was heard.

    Returns:
        The line without its end, as the value of `yield from`.
    """
    while (end := heard.find(b"\n")) < 0:
        yield b""
    line = bytes(heard[:end]).rstrip(b"\r")
    del heard[: end + 1]
    return line


def read_bytes(heard: bytearray, size: int) -> Generator[bytes, None, bytes]:
    """Waits for so many bytes and takes them out, as the value of `yield from`."""
    while len(heard) < size:
        yield b""
    data = bytes(heard[:size])
    del heard[:size]
    return data


def quoted(data: bytes) -> str:
    """What somebody said, short and harmless."""
    return f"“{shorten(clean(data[:300].decode('utf-8', 'replace')), 60)}”"


def unwelcome(peer: str, data: bytes, protocol: str) -> LookFailed:
    """The failure of somebody who does not begin as the protocol wants."""
    return LookFailed(
        ErrorKind.PROTOCOL, f"{peer} does not greet as {protocol} does, it said {quoted(data)}"
    )
