"""Knows how to ask an HTTP proxy: whole addresses for http, a tunnel (CONNECT) for https."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.connecting import with_port
from statustui.engine.steps import Conversation, Talk, quoted, read_line
from statustui.engine.trace import LookFailed

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Whom requests are handed to.

    Attributes:
        secure: whether it is spoken to over TLS.
        authorization: the value of `Proxy-Authorization`, empty for none.
    """

    host: str
    port: int
    secure: bool
    authorization: bytes = b""

    @property
    def peer(self) -> str:
        """Host and port as people name it."""
        return with_port(self.host, self.port)


@lru_cache(maxsize=1024)
def proxy_of(address: str) -> Proxy:
    """The proxy of an address such as "http://user:password@host:3128"."""
    parts = urlsplit(address)
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + b64encode(pair.encode())
    return Proxy(
        host=parts.hostname or "",
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        secure=parts.scheme == "https",
        authorization=authorization,
    )


def tunnel(proxy: Proxy, target: str, user_agent: bytes) -> Talk:
    """The conversation that makes a proxy connect to somebody (RFC 9110 section 9.3.6).

    Args:
        proxy: whom to ask.
        target: host and port.
        user_agent: how we introduce ourselves, empty for not at all.
    """
    lines = [f"CONNECT {target} HTTP/1.1".encode(), f"Host: {target}".encode()]
    if user_agent:
        lines.append(b"User-Agent: " + user_agent)
    if proxy.authorization:
        lines.append(b"Proxy-Authorization: " + proxy.authorization)
    request = b"\r\n".join(lines) + b"\r\n\r\n"

    def converse(heard: bytearray) -> Conversation:
        yield request
        status = yield from read_line(heard)
        version, _, rest = status.partition(b" ")
        code = rest[:3]
        if not version.startswith(b"HTTP/1.") or not code.isdigit():
            raise LookFailed(
                ErrorKind.PROTOCOL, f"proxy {proxy.peer} does not speak HTTP: {quoted(status)}"
            )
        while (yield from read_line(heard)):
            pass
        if not code.startswith(b"2"):
            words = shorten(clean(rest.decode("latin-1")), 60)
            raise LookFailed(
                ErrorKind.CONNECT, f"proxy {proxy.peer} did not connect to {target}: {words}"
            )
        return b""

    return converse
