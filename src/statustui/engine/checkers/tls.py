"""Looks at a server's certificate: whether it is right, whose it is, how long it still holds."""

from __future__ import annotations

import asyncio
import shlex
from functools import lru_cache

from statustui.domain.monitor import MASK, TlsConfig
from statustui.domain.observation import Observation
from statustui.domain.pem import FILE
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import connect, with_port
from statustui.engine.connection import Channel, explain_refusal
from statustui.engine.starttls import starttls
from statustui.engine.steps import Step, Words, handshake
from statustui.engine.tls_settings import TlsSettings
from statustui.engine.trace import LookFailed, Part, Trace, timed_out


class _Handshake(Channel):
    """Goes as far as the end of the handshake."""


async def look_tls(
    config: TlsConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Shakes hands once, after the words that the protocol wants, and keeps the certificate.

    A certificate that is expired, of another name, self-signed or of an unknown authority is a
    failure. How many days are too few is the domain's part.

    Args:
        config: where, and what to say before.
        timeout_ms: the deadline over everything.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    trace = Trace(with_port(config.host, config.port))
    channel: _Handshake | None = None
    kind: ErrorKind | None = None
    reason = ""
    try:
        # Building the context takes longer than a check; the deadline is not to count it.
        channel = _Handshake(trace, _steps_of(config, trace.peer, options))
        async with asyncio.timeout(timeout_ms / 1000):
            try:
                await connect(channel, config.host, config.port)
                await channel.wait()
            except LookFailed as failure:
                raise (await explain_refusal(channel) or failure) from None
    except TimeoutError:
        part = trace.part
        trace.stop()
        kind, reason = ErrorKind.TIMEOUT, timed_out(trace, part, timeout_ms)
    except LookFailed as failure:
        trace.stop()
        kind, reason = failure.kind, failure.reason
    finally:
        if channel is not None:
            channel.close()
    return Observation(
        started_at=started_at,
        duration_ms=trace.duration_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=trace.phases,
        address=trace.address,
        connected=trace.connected,
        certificate=trace.certificate,
        repeat_command=_repeat_command(config, timeout_ms),
        addresses=trace.addresses,
    )


def _steps_of(config: TlsConfig, peer: str, options: LookOptions) -> tuple[Step, ...]:
    server_name = config.server_name or config.host
    settings = TlsSettings(ca_file=options.ca_file, ca=config.ca)
    shake = handshake(settings, server_name, peer)
    if config.starttls is None:
        return (shake,)
    # The words are part of the way to TLS, and their time is counted there.
    return (Words(starttls(config.starttls, peer, server_name), peer, Part.TLS), shake)


@lru_cache(maxsize=4096)
def _repeat_command(config: TlsConfig, timeout_ms: int) -> str:
    seconds = str(max(1, timeout_ms // 1000))
    words = ["openssl", "s_client", "-connect", with_port(config.host, config.port)]
    words += ["-servername", config.server_name or config.host]
    if config.starttls is not None:
        words += ["-starttls", config.starttls]
    if config.ca is not None:
        words += ["-CAfile", config.ca.removeprefix(FILE) if config.ca.startswith(FILE) else MASK]
    words += ["-showcerts", "-verify_return_error"]
    return clean(f"timeout {seconds} {shlex.join(words)} </dev/null")
