"""One fresh connection, plain or TLS, with a clock on each part and a reason for failure.

TLS runs over memory buffers inside the protocol instead of through the event loop's own layer: so
the handshake has a clock of its own, errors arrive as OpenSSL raised them, TLS may begin in the
middle of a conversation or inside another TLS, and plain asyncio and uvloop behave the same.

When a certificate is refused, OpenSSL keeps nothing of it. To show which certificate it was, a
second handshake without verification is made, only after a failure, within the same deadline, and
nothing is ever sent over it.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import cast

from statustui.domain.observation import Certificate
from statustui.domain.status import ErrorKind
from statustui.engine.certificate import read_chain, shown_chain
from statustui.engine.steps import Conversation, Handshake, Step, Words
from statustui.engine.tls_settings import tls_context
from statustui.engine.trace import LookFailed, Part, Trace

_CHUNK = 65_536
_LONGEST_WORDS = 65_536
# Answers to a peer that asks and asks (pings, settings) without reading them pile up to here.
_MOST_UNSENT = 4_000_000

# Verification codes of OpenSSL (x509_vfy.h).
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = frozenset({18, 19})
_UNKNOWN_AUTHORITY = frozenset({2, 20, 21})
_WRONG_NAME = frozenset({62, 64})


class _Layer:
    """TLS under way or established, between the bytes of the layer below and those above."""

    __slots__ = ("handshake", "incoming", "outgoing", "shaken", "tls")

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.shaken = False
        self.tls = handshake.context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=handshake.server_name or None
        )


class Channel(asyncio.Protocol):
    """One connection: goes through its steps, turns what arrives into plain bytes, hands them on.

    A subclass says what happens in `opened`, `received` and `ended`, and ends the look by `finish`
    or `fail`. `wait` is where the task waits for it.

    Args:
        trace: where times and addresses are noted.
        steps: what comes between the connection and `opened`; none for a plain connection.
    """

    def __init__(self, trace: Trace, steps: tuple[Step, ...] = ()) -> None:
        self.trace = trace
        self.steps = steps
        self.steps_begun = 0
        self.refused_certificate: ssl.SSLCertVerificationError | None = None
        self._transport: asyncio.Transport | None = None
        self._layers: list[_Layer] = []
        self._conversation: Conversation | None = None
        self._talking_to = ""
        self._heard = bytearray()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What a kind of check decides.

    def opened(self) -> None:
        """The connection, and every step after it, is complete."""
        self.finish()

    def received(self, data: bytes) -> None:
        """Plain bytes have arrived."""

    def ended(self) -> None:
        """The other side has closed before `finish` or `fail`."""
        self.fail(ErrorKind.PROTOCOL, f"{self.trace.peer} closed the connection")

    # What it calls.

    def send(self, data: bytes) -> None:
        """Sends plain bytes, encrypted where TLS is on."""
        self._put(len(self._layers), data)

    def reply(self, data: bytes) -> None:
        """Sends what the other side made us say, unless it makes us talk without listening."""
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() > _MOST_UNSENT:
            self.fail(ErrorKind.PROTOCOL, f"{self.trace.peer} does not read what is sent")
        else:
            self.send(data)

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

    @property
    def chosen_protocol(self) -> str | None:
        """What the other side chose of what was offered by ALPN."""
        return self._layers[-1].tls.selected_alpn_protocol() if self._layers else None

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
        if self.steps:
            self._next_step()
        else:
            self.opened()

    def data_received(self, data: bytes) -> None:
        if self._done.done():
            return
        self.trace.received += len(data)
        if self._layers:
            self._feed(0, data)
        else:
            self._plain(data)

    def eof_received(self) -> None:
        if self._layers:
            self._layers[0].incoming.write_eof()
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
        if self._layers and not self._layers[-1].shaken:
            who = self.trace.tunnel_to or self.trace.address
            self.fail(ErrorKind.TLS, f"{who} closed the connection during the TLS handshake")
        elif self._conversation is not None:
            self.fail(
                ErrorKind.PROTOCOL, f"{self._talking_to} closed the connection before TLS began"
            )
        else:
            self.ended()

    # The steps.

    def _next_step(self) -> None:
        if self.steps_begun == len(self.steps):
            self.opened()
            return
        step = self.steps[self.steps_begun]
        self.steps_begun += 1
        if isinstance(step, Words):
            self.trace.enter(step.part)
            if step.makes_connection:
                self.trace.connected = False
            self._talking_to = step.peer
            self._conversation = step.talk(self._heard)
            self._converse()
            return
        self.trace.enter(Part.TLS)
        try:
            self._layers.append(_Layer(step))
        except ValueError as error:
            # A name that no certificate can carry: empty labels, a leading dot, too long.
            self.fail(ErrorKind.TLS, f"{step.server_name} cannot be a certificate's name: {error}")
            return
        self._shake(len(self._layers) - 1)

    def _converse(self) -> None:
        assert self._conversation is not None
        try:
            said = next(self._conversation)
        except StopIteration as end:
            self._conversation = None
            if self._heard:
                # Whoever sits on the line may have put it there.
                self.fail(ErrorKind.TLS, f"{self._talking_to} said more before TLS had begun")
                return
            if end.value:
                self.send(end.value)
            self.trace.connected = True
            self._next_step()
        except LookFailed as failure:
            self.fail(failure.kind, failure.reason)
        else:
            if said:
                self.send(said)

    def _plain(self, data: bytes) -> None:
        if self._conversation is None:
            self.received(data)
            return
        self._heard += data
        if len(self._heard) > _LONGEST_WORDS:
            limit = _LONGEST_WORDS // 1024
            self.fail(
                ErrorKind.PROTOCOL, f"{self._talking_to} said more than {limit} kB before TLS"
            )
        else:
            self._converse()

    def _feed(self, depth: int, data: bytes) -> None:
        """Takes bytes that arrived below a layer; above the last they are plain."""
        if depth == len(self._layers):
            self._plain(data)
            return
        layer = self._layers[depth]
        layer.incoming.write(data)
        if layer.shaken or self._shake(depth):
            self._decrypt(depth)

    def _shake(self, depth: int) -> bool:
        """Goes on with a handshake as far as bytes allow; True when there is more to read."""
        layer = self._layers[depth]
        peer = layer.handshake.peer
        try:
            layer.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush(depth)
            return False
        except ssl.SSLCertVerificationError as error:
            self.refused_certificate = error
            self._flush(depth)
            self.fail(ErrorKind.TLS, f"certificate of {peer} refused")
            return False
        except ssl.SSLError as error:
            self._flush(depth)
            self.fail(ErrorKind.TLS, f"TLS handshake with {peer}: {_tls_reason(error)}")
            return False
        layer.shaken = True
        if layer.handshake.of_target:
            ders = shown_chain(layer.tls, verified=layer.handshake.settings.verify)
            if ders:
                self.trace.certificate = read_chain(ders)
        self._next_step()
        # What comes next mostly has something to say; its first words took our last ones along.
        self._flush(depth)
        return not self._done.done()

    def _decrypt(self, depth: int) -> None:
        tls = self._layers[depth].tls
        while not self._done.done():
            try:
                data = tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                self._flush(depth)
                return
            except ssl.SSLZeroReturnError:
                self._end()
                return
            except ssl.SSLError as error:
                peer = self._layers[depth].handshake.peer
                self.fail(ErrorKind.TLS, f"TLS with {peer}: {_tls_reason(error)}")
                return
            if not data:
                self._end()
                return
            self._feed(depth + 1, data)

    def _put(self, layers: int, data: bytes) -> None:
        """Sends bytes down through so many layers."""
        if layers == 0:
            if self._transport is not None:
                self._transport.write(data)
            return
        self._layers[layers - 1].tls.write(data)
        self._flush(layers - 1)

    def _flush(self, depth: int) -> None:
        outgoing = self._layers[depth].outgoing
        if outgoing.pending:
            self._put(depth, outgoing.read())


def _tls_reason(error: ssl.SSLError) -> str:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS on this port"
    # OpenSSL's own words, "TLSV1_ALERT_PROTOCOL_VERSION", made readable.
    return (error.reason or "failed").replace("_", " ").lower()


class _Showing(Channel):
    """A handshake that only wants to see the certificate."""


async def explain_refusal(channel: Channel) -> LookFailed | None:
    """Says why a certificate was refused, and notes the certificate in the channel's trace.

    Args:
        channel: the one that failed.

    Returns:
        None when it did not fail for a certificate.
    """
    error = channel.refused_certificate
    if error is None:
        return None
    *before, refused = channel.steps[: channel.steps_begun]
    assert isinstance(refused, Handshake)
    settings = refused.settings.lenient()
    again = replace(refused, settings=settings, context=tls_context(settings), of_target=True)
    shown = await _show_certificate(channel.trace.address, (*before, again))
    if refused.of_target:
        channel.trace.certificate = shown
    reason = _refusal(error, shown, refused.peer, refused.server_name)
    return LookFailed(ErrorKind.TLS, reason)


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


async def _show_certificate(address: str, steps: tuple[Step, ...]) -> Certificate | None:
    host, _, port = address.rpartition(":")
    # Its own trace: the times of this handshake are not the target's answer.
    trace = Trace(address)
    channel = _Showing(trace, steps)
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
