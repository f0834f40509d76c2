"""Opens one fresh connection, plain or TLS, with a clock on each part and a reason for failure.

TLS runs over memory buffers inside the protocol instead of through the event loop's own layer: so
the handshake has a clock of its own, errors arrive as OpenSSL raised them, and plain asyncio and
uvloop behave the same.

When a certificate is refused, OpenSSL keeps nothing of it. To show which certificate it was, a
second handshake without verification is made, only after a failure, within the same deadline, and
nothing is ever sent over it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from functools import lru_cache
from pathlib import Path
from typing import cast

import certifi

from statustui.domain.observation import Certificate
from statustui.domain.status import ErrorKind
from statustui.engine.certificate import read_certificate
from statustui.engine.resolving import is_address, lookups
from statustui.engine.trace import LookFailed, Part, Trace

_CHUNK = 65_536
_MOST_ADDRESSES = 4

# Shortages of this host, which say nothing about the target.
_OWN_TROUBLE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})

# Verification codes of OpenSSL (x509_vfy.h).
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = frozenset({18, 19})
_UNKNOWN_AUTHORITY = frozenset({2, 20, 21})
_WRONG_NAME = frozenset({62, 64})


@lru_cache(maxsize=64)
def tls_context(verify: bool, ca_file: Path | None, http: bool) -> ssl.SSLContext:
    """The TLS settings shared by all checks of one mode; building one costs 30 ms.

    Args:
        verify: whether chain and name must be right.
        ca_file: further authorities to trust, PEM.
        http: whether HTTP/1.1 is offered as the protocol.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if http:
        context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if _system_has_authorities():
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _system_has_authorities() -> bool:
    """A bare container often has no list of authorities; then certifi's is used."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (bool(paths.capath) and any(Path(paths.capath).iterdir()))


class Channel(asyncio.Protocol):
    """One connection: turns what arrives into plain bytes and hands them on.

    A subclass says what happens in `opened`, `received` and `ended`, and ends the look by `finish`
    or `fail`. `wait` is where the task waits for it.

    Args:
        trace: where times and addresses are noted.
        context: TLS settings, None for a plain connection.
        server_name: the name that the certificate must carry.
    """

    def __init__(
        self, trace: Trace, context: ssl.SSLContext | None = None, server_name: str = ""
    ) -> None:
        self.trace = trace
        self._context = context
        self._server_name = server_name
        self._transport: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._incoming: ssl.MemoryBIO | None = None
        self._outgoing: ssl.MemoryBIO | None = None
        self._shaken = False
        self.refused_certificate: ssl.SSLCertVerificationError | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What a kind of check decides.

    def opened(self) -> None:
        """The connection, and the handshake where there is one, is complete."""
        self.finish()

    def received(self, data: bytes) -> None:
        """Plain bytes have arrived."""

    def ended(self) -> None:
        """The other side has closed before `finish` or `fail`."""
        self.fail(ErrorKind.PROTOCOL, f"{self.trace.peer} closed the connection")

    # What it calls.

    def send(self, data: bytes) -> None:
        """Sends plain bytes, encrypted where TLS is on."""
        if self._tls is None:
            self._write(data)
            return
        self._tls.write(data)
        self._flush()

    def finish(self) -> None:
        """The look is complete; the clock stops here."""
        if not self._done.done():
            self.trace.stop()
            self._done.set_result(None)

    def fail(self, kind: ErrorKind, reason: str) -> None:
        """The look has failed; the clock stops here."""
        if not self._done.done():
            self.trace.stop()
            self._done.set_exception(LookFailed(kind, reason))

    @property
    def finished(self) -> bool:
        """Whether the look is over."""
        return self._done.done()

    async def wait(self) -> None:
        """Waits until the look is over.

        Raises:
            LookFailed: as told to `fail`.
        """
        await self._done

    def close(self) -> None:
        """Drops the connection at once; every check opens its own."""
        if not self._done.done():
            self._done.cancel()
        elif not self._done.cancelled():
            # A deadline may have come between the failure and the one who waits for it.
            self._done.exception()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.trace.connected = True
        if self._context is None:
            self.opened()
            return
        self.trace.enter(Part.TLS)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._tls = self._context.wrap_bio(
                self._incoming, self._outgoing, server_hostname=self._server_name or None
            )
        except ValueError as error:
            # A name that no certificate can carry: empty labels, a leading dot, too long.
            self.fail(ErrorKind.TLS, f"{self._server_name} cannot be a certificate's name: {error}")
            return
        self._shake()

    def data_received(self, data: bytes) -> None:
        if self._done.done():
            return
        self.trace.received += len(data)
        if self._tls is None or self._incoming is None:
            self.received(data)
            return
        self._incoming.write(data)
        if not self._shaken and not self._shake():
            return
        self._decrypt()

    def eof_received(self) -> None:
        if self._incoming is not None:
            self._incoming.write_eof()
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if isinstance(error, ConnectionResetError):
            where = self.trace.address
            self.fail(ErrorKind.CONNECT, f"connection reset by {where}")
        else:
            self._end()

    def _end(self) -> None:
        if self._done.done():
            return
        if self._tls is not None and not self._shaken:
            self.fail(
                ErrorKind.TLS,
                f"{self.trace.address} closed the connection during the TLS handshake",
            )
        else:
            self.ended()

    def _shake(self) -> bool:
        """Goes on with the handshake as far as bytes allow; True once it is complete."""
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLCertVerificationError as error:
            self.refused_certificate = error
            self._flush()
            self.fail(ErrorKind.TLS, f"certificate of {self.trace.peer} refused")
            return False
        except ssl.SSLError as error:
            self._flush()
            self.fail(ErrorKind.TLS, f"TLS handshake with {self.trace.peer}: {_tls_reason(error)}")
            return False
        self._shaken = True
        self._flush()
        der = self._tls.getpeercert(binary_form=True)
        if der is not None:
            self.trace.certificate = read_certificate(der)
        self.opened()
        return not self._done.done()

    def _decrypt(self) -> None:
        assert self._tls is not None
        while not self._done.done():
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                self._flush()
                return
            except ssl.SSLZeroReturnError:
                self._end()
                return
            except ssl.SSLError as error:
                self.fail(ErrorKind.TLS, f"TLS with {self.trace.peer}: {_tls_reason(error)}")
                return
            if not data:
                self._end()
                return
            self.received(data)

    def _flush(self) -> None:
        assert self._outgoing is not None
        if self._outgoing.pending:
            self._write(self._outgoing.read())

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _tls_reason(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS on this port"
    # OpenSSL's own words, "TLSV1_ALERT_PROTOCOL_VERSION", made readable.
    return (error.reason or "failed").replace("_", " ").lower()


def with_port(host: str, port: int) -> str:
    """Host and port as one word, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolve(host: str, trace: Trace, family: int = socket.AF_UNSPEC) -> list[str]:
    """Looks a host up, as a part of its own.

    Raises:
        LookFailed: of kind `dns`.
    """
    trace.enter(Part.RESOLVE)
    if is_address(host):
        return [host]
    try:
        found = await lookups.addresses(host, family)
    except UnicodeError:
        raise LookFailed(ErrorKind.DNS, f"{host} is not a name that can be looked up") from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            reason = f"no resolver answered for {host}"
        elif error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            reason = f"the name {host} does not exist"
        else:
            reason = f"looking up {host} failed: {error.strerror}"
        raise LookFailed(ErrorKind.DNS, reason) from None
    except OSError as error:
        raise LookFailed(ErrorKind.OBSERVER, f"cannot look up {host}: {error.strerror}") from None
    if not found:
        raise LookFailed(ErrorKind.DNS, f"the name {host} has no address")
    return found


async def connect(channel: Channel, host: str, port: int, *, deadline: float) -> None:
    """Resolves a host and connects the channel to the first of its addresses that answers.

    An address that does not answer may use its share of the time that is left, so that a dead one
    among several (IPv6 without a route, mostly) does not hide the others.

    Args:
        channel: not connected yet.
        host: a name or an address.
        port: 1–65,535.
        deadline: on the event loop's clock; the caller's own timeout ends the whole look.

    Raises:
        LookFailed: of kind `dns`, `connect`, `refused` or `observer`.
        TimeoutError: when the last address did not answer.
    """
    trace = channel.trace
    addresses = (await resolve(host, trace))[:_MOST_ADDRESSES]
    loop = asyncio.get_running_loop()
    trace.enter(Part.CONNECT)
    failure: LookFailed | None = None
    for index, address in enumerate(addresses):
        trace.address = with_port(address, port)
        left = len(addresses) - index
        try:
            if left == 1:
                await loop.create_connection(lambda: channel, address, port)
            else:
                share = (deadline - loop.time()) / left
                async with asyncio.timeout(share):
                    await loop.create_connection(lambda: channel, address, port)
        except TimeoutError as error:
            if error.errno is None and left == 1:
                raise
            reason = f"connect to {trace.address} not answered"
            failure = LookFailed(ErrorKind.TIMEOUT, reason)
        except OSError as error:
            failure = _connect_failure(error, trace.address)
        else:
            return
    assert failure is not None
    raise failure


def _connect_failure(error: OSError, address: str) -> LookFailed:
    number = error.errno
    words = os.strerror(number).lower() if number else str(error)
    if number in _OWN_TROUBLE:
        return LookFailed(ErrorKind.OBSERVER, f"this host cannot connect to {address}: {words}")
    if number == errno.ECONNREFUSED:
        return LookFailed(ErrorKind.REFUSED, f"connect to {address} refused")
    if number in _UNREACHABLE:
        return LookFailed(ErrorKind.CONNECT, f"connect to {address}: no route to it ({words})")
    if number in (errno.EACCES, errno.EPERM):
        return LookFailed(ErrorKind.OBSERVER, f"this host may not connect to {address}: {words}")
    return LookFailed(ErrorKind.CONNECT, f"connect to {address} failed: {words}")


class _Showing(Channel):
    """A handshake that only wants to see the certificate."""


async def explain_refusal(
    channel: Channel, error: ssl.SSLCertVerificationError, *, http: bool, server_name: str
) -> LookFailed:
    """Says why a certificate was refused, and notes the certificate in the channel's trace.

    Args:
        channel: the one whose handshake failed.
        error: what OpenSSL said.
        http: as for `tls_context`.
        server_name: the name that was asked for.
    """
    trace = channel.trace
    trace.certificate = await _show_certificate(trace.address, http, server_name)
    return LookFailed(ErrorKind.TLS, _refusal(error, trace.certificate, trace.peer, server_name))


def _refusal(
    error: ssl.SSLCertVerificationError, shown: Certificate | None, peer: str, server_name: str
) -> str:
    code = error.verify_code
    whose = f"certificate of {peer}"
    if code == _EXPIRED:
        when = f" on {shown.not_after:%Y-%m-%d}" if shown is not None else ""
        return f"{whose} expired{when}"
    if code == _NOT_YET_VALID:
        return f"{whose} is not valid yet"
    if code in _SELF_SIGNED:
        return f"{whose} is self-signed"
    if code in _UNKNOWN_AUTHORITY:
        issuer = f" ({shown.issuer})" if shown is not None and shown.issuer else ""
        return f"{whose} is from an unknown authority{issuer}"
    if code in _WRONG_NAME:
        if shown is None:
            return f"{whose} is for another name"
        names = shown.names or (shown.subject,)
        listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        return f"{whose} is for {listed}, not for {server_name}"
    return f"{whose} refused: {error.verify_message}"


async def _show_certificate(address: str, http: bool, server_name: str) -> Certificate | None:
    host, _, port = address.rpartition(":")
    # Its own trace: the times of this handshake are not the target's answer.
    trace = Trace(address)
    channel = _Showing(trace, tls_context(False, None, http), server_name)
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: channel, host.strip("[]"), int(port))
        await channel.wait()
    except (OSError, LookFailed):
        # It showed nothing this time; the reason stands without it.
        return None
    finally:
        channel.close()
    return trace.certificate
