"""Looks at a TCP target: connects, shakes hands where TLS is on, and may say and hear a line."""

from __future__ import annotations

import asyncio
import shlex
from functools import lru_cache

from statustui.domain.monitor import MASK, TcpConfig
from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import connect, with_port
from statustui.engine.connection import Channel, explain_refusal
from statustui.engine.steps import Step, handshake
from statustui.engine.tls_settings import TlsSettings
from statustui.engine.trace import LookFailed, Part, Trace, timed_out

_MOST_BYTES = 65_536
_SHOWN = 200


class _Conversation(Channel):
    """Says what is to be said and listens until the expected text has come."""

    def __init__(self, trace: Trace, config: TcpConfig, steps: tuple[Step, ...]) -> None:
        super().__init__(trace, steps)
        self._send = config.send.encode() if config.send is not None else b""
        self._expect = config.expect.encode() if config.expect is not None else None
        self.heard = bytearray()

    def opened(self) -> None:
        if self._expect is not None:
            self.trace.enter(Part.FIRST_BYTE)
        if self._send:
            self.send(self._send)
        if self._expect is None:
            self.finish()

    def received(self, data: bytes) -> None:
        if self.trace.part is Part.FIRST_BYTE:
            self.trace.enter(Part.TRANSFER)
        # Only what is new, and the seam before it, can hold the text.
        expect = self._expect or b""
        start = max(0, len(self.heard) - len(expect))
        self.heard += data[: _MOST_BYTES - len(self.heard)]
        if self.heard.find(expect, start) >= 0:
            self.finish()
        elif len(self.heard) >= _MOST_BYTES:
            self.fail(ErrorKind.ASSERTION, self.unheard(f"in the first {_MOST_BYTES:,} bytes"))

    def ended(self) -> None:
        self.fail(ErrorKind.ASSERTION, self.unheard("before it closed the connection"))

    def unheard(self, when: str) -> str:
        """The line for an expected text that did not come."""
        wanted = shorten(clean((self._expect or b"").decode("utf-8", "replace")), 60)
        said = f", it said “{shorten(self.banner, 60)}”" if self.heard else ""
        return f"{self.trace.peer} did not say “{wanted}” {when}{said}"

    @property
    def banner(self) -> str:
        """What was heard, harmless, on one line."""
        return shorten(clean(self.heard[: 4 * _SHOWN].decode("utf-8", "replace")), _SHOWN)


async def look_tcp(
    config: TcpConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Opens one connection; success is the connection, the handshake, or the expected text.

    Args:
        config: where, and what to say and hear.
        timeout_ms: the deadline over everything.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    trace = Trace(with_port(config.host, config.port))
    steps: tuple[Step, ...] = ()
    if config.tls:
        settings = TlsSettings(config.verify_tls, options.ca_file)
        steps = (handshake(settings, config.server_name or config.host, trace.peer),)
    channel = _Conversation(trace, config, steps)
    kind: ErrorKind | None = None
    reason = ""
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            try:
                await connect(channel, config.host, config.port)
                await channel.wait()
            except LookFailed as failure:
                raise (await explain_refusal(channel) or failure) from None
    except TimeoutError:
        part = trace.part
        trace.stop()
        if channel.heard:
            kind = ErrorKind.ASSERTION
            reason = channel.unheard(f"within {timeout_ms / 1000:g} s")
        else:
            kind, reason = ErrorKind.TIMEOUT, timed_out(trace, part, timeout_ms)
    except LookFailed as failure:
        trace.stop()
        kind, reason = failure.kind, failure.reason
    finally:
        channel.close()
    return Observation(
        started_at=started_at,
        duration_ms=trace.duration_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=trace.phases,
        address=trace.address,
        connected=trace.connected,
        body=bytes(channel.heard),
        certificate=trace.certificate,
        answers=(channel.banner,) if channel.heard else (),
        repeat_command=_repeat_command(config, timeout_ms),
        addresses=trace.addresses,
    )


@lru_cache(maxsize=4096)
def _repeat_command(config: TcpConfig, timeout_ms: int) -> str:
    seconds = str(max(1, timeout_ms // 1000))
    said = shlex.join(["printf", "%s", MASK]) + " | " if config.send is not None else ""
    if config.tls:
        words = ["openssl", "s_client", "-connect", with_port(config.host, config.port)]
        words += ["-servername", config.server_name or config.host]
        if config.verify_tls:
            words.append("-verify_return_error")
        silent = "" if said else " </dev/null"
        return clean(f"{said}timeout {seconds} {shlex.join(words)}{silent}")
    words = ["nc", "-v", "-w", seconds]
    if config.send is None and config.expect is None:
        words.append("-z")
    words += [config.host, str(config.port)]
    return clean(said + shlex.join(words))
