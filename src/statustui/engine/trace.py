"""Keeps the time of one look, part by part, on a clock that nobody can set.

`perf_counter` is used rather than the event loop's own clock: uvloop's has a resolution of one
millisecond, and a healthy target next door answers in a third of that. A part ends when its bytes
are at hand, not when the waiting task is scheduled again, so that a busy watch does not measure
itself.
"""

from __future__ import annotations

from enum import IntEnum
from time import perf_counter

from statustui.domain.observation import Certificate, Phases
from statustui.domain.status import ErrorKind


class Part(IntEnum):
    """The parts of a look, in the order in which they are gone through."""

    RESOLVE = 0
    CONNECT = 1
    TLS = 2
    FIRST_BYTE = 3
    TRANSFER = 4


class LookFailed(Exception):
    """The look ended without a full answer.

    Args:
        kind: what sort of trouble it was.
        reason: one line for a tired person; may hold text from outside, which is cleaned later.
    """

    def __init__(self, kind: ErrorKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Trace:
    """What one look has gone through so far; a deadline can end it at any point.

    Attributes:
        started, ended: on the clock of `perf_counter`, in seconds.
        part: the part under way, None before the first and after the last.
        peer: what is being talked to, as the configuration names it ("api.acme.test:443").
        address: the address that was tried last, with its port.
        addresses: all addresses of the names that were looked up, in the order of trying.
        tunnel_to: whom a proxy was asked to connect to, empty without one; `address` is the
            proxy's then.
        connected: whether a connection was had.
        certificate: the leaf that was shown.
        received: bytes that came, for saying how an answer was cut off.
    """

    __slots__ = (
        "_mark",
        "_spent",
        "address",
        "addresses",
        "certificate",
        "connected",
        "ended",
        "part",
        "peer",
        "received",
        "started",
        "tunnel_to",
    )

    def __init__(self, peer: str = "") -> None:
        self.peer = peer
        self.address = ""
        self.addresses: tuple[str, ...] = ()
        self.tunnel_to = ""
        self.connected = False
        self.certificate: Certificate | None = None
        self.received = 0
        self.part: Part | None = None
        self._spent: list[float | None] = [None, None, None, None, None]
        self.started = self.ended = self._mark = perf_counter()

    def enter(self, part: Part) -> None:
        """Ends the part under way and begins another; a part entered twice adds up."""
        now = perf_counter()
        self._close(now)
        self.part = part
        self._mark = now

    def stop(self) -> None:
        """Ends the part under way and with it the look; calling it again changes nothing."""
        if self.part is None:
            return
        now = perf_counter()
        self._close(now)
        self.part = None
        self.ended = now

    def _close(self, now: float) -> None:
        if self.part is not None:
            self._spent[self.part] = (self._spent[self.part] or 0.0) + now - self._mark

    @property
    def duration_ms(self) -> float:
        """From the start to the end of the last part."""
        return (self.ended - self.started) * 1000

    @property
    def phases(self) -> Phases:
        """The time of each part in milliseconds."""
        return Phases(*(None if spent is None else spent * 1000 for spent in self._spent))


def timed_out(trace: Trace, part: Part | None, timeout_ms: int) -> str:
    """The line for a look that its deadline ended.

    Args:
        trace: what was gone through.
        part: the part that was under way.
        timeout_ms: the deadline over all.
    """
    within = f"within {timeout_ms / 1000:g} s"
    where = trace.address or trace.peer
    if trace.tunnel_to:
        where = f"{trace.tunnel_to} through the proxy {where}"
    match part:
        case Part.RESOLVE:
            host = trace.peer.rpartition(":")[0] or trace.peer
            return f"the name {host} was not resolved {within}"
        case Part.CONNECT:
            return f"connect to {where} not answered {within}"
        case Part.TLS:
            return f"TLS handshake with {where} not finished {within}"
        case Part.TRANSFER:
            return f"answer from {trace.peer} not finished {within}"
        case Part.FIRST_BYTE | None:
            return f"no answer from {trace.peer} {within}"
