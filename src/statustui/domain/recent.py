"""The last hour of a monitor or service as 60 bytes, one a minute, for the strip on the screen.

A screen with 500 services shows 30,000 minutes; from raw checks that would be a heavy query on
every repaint. So each monitor's state carries its strip, and the strips of a service's monitors
are put together byte by byte.

One byte is one minute:

    0x00          no check
    0x01 – 0x18   success; 1 + the latency bucket (see `rollup`) of the slowest success
    0x21 – 0x38   the same, and at least one of them was degraded (0x20 added)
    0x80          at least one check failed or timed out
    0x81          checks ran, but nobody could look
    0x40 added    at least one of these checks was flagged as inside maintenance

The worst of a minute wins: failure, then degraded, then the slowest success, then unknown, then
nothing. `recent_until` is the minute after the last byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from statustui.domain.rollup import BOUNDS_MS, bucket_of
from statustui.domain.status import CheckStatus

MINUTES = 60
EMPTY = bytes(MINUTES)

_DEGRADED = 0x20
_MAINTENANCE = 0x40
_FAILURE = 0x80
_UNKNOWN = 0x81
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Minute:
    """One byte in words.

    Attributes:
        status: `success`, `degraded`, `failure` or `unknown`; None when no check ran.
        bucket: latency bucket of the slowest success, 0–23; None for the rest.
        in_maintenance: whether a check was flagged as inside maintenance.
    """

    status: CheckStatus | None
    bucket: int | None = None
    in_maintenance: bool = False

    @property
    def limit_ms(self) -> float | None:
        """The slowest success took at most this long (for the open bucket: the longest timeout)."""
        if self.bucket is None:
            return None
        return BOUNDS_MS[min(self.bucket, len(BOUNDS_MS) - 1)]


def minute_of(at: datetime) -> datetime:
    """The start of the minute that a time lies in."""
    return at.replace(second=0, microsecond=0)


def encode(status: CheckStatus, duration_ms: float, in_maintenance: bool = False) -> int:
    """The byte of a minute in which only this check ran."""
    match status:
        case CheckStatus.FAILURE | CheckStatus.TIMEOUT:
            byte = _FAILURE
        case CheckStatus.UNKNOWN:
            byte = _UNKNOWN
        case CheckStatus.SUCCESS:
            byte = 1 + bucket_of(duration_ms)
        case CheckStatus.DEGRADED:
            byte = _DEGRADED + 1 + bucket_of(duration_ms)
    return byte | _MAINTENANCE if in_maintenance else byte


def decode(byte: int) -> Minute:
    """Says in words what a byte holds; a byte that nothing wrote reads as no check."""
    in_maintenance = bool(byte & _MAINTENANCE)
    rest = byte & ~_MAINTENANCE
    if rest == _FAILURE:
        return Minute(CheckStatus.FAILURE, None, in_maintenance)
    if rest == _UNKNOWN:
        return Minute(CheckStatus.UNKNOWN, None, in_maintenance)
    bucket = (rest & ~_DEGRADED) - 1
    if 0 <= bucket <= len(BOUNDS_MS):
        status = CheckStatus.DEGRADED if rest & _DEGRADED else CheckStatus.SUCCESS
        return Minute(status, bucket, in_maintenance)
    return Minute(None)


def decode_strip(strip: bytes) -> tuple[Minute, ...]:
    """The minutes of a strip, oldest first."""
    return tuple(map(decode, strip))


def merge(one: int, other: int) -> int:
    """The byte of two sets of checks in the same minute."""
    if one == other:
        return one
    flag = (one | other) & _MAINTENANCE
    one &= ~_MAINTENANCE
    other &= ~_MAINTENANCE
    if _FAILURE in (one, other):
        return _FAILURE | flag
    looked = [byte for byte in (one, other) if 0 < byte < _FAILURE]
    if looked:
        degraded = (one | other) & _DEGRADED if len(looked) == 2 else looked[0] & _DEGRADED
        return max(byte & ~_DEGRADED for byte in looked) | degraded | flag
    return max(one, other) | flag


def move(strip: bytes, until: datetime | None, to: datetime) -> bytes:
    """The strip that ends at another minute: minutes without checks are empty.

    Args:
        strip: up to 60 bytes, oldest first.
        until: the minute after its last byte; None when nothing was ever written.
        to: the minute after the last byte wanted.

    Returns:
        60 bytes.
    """
    if until is None or not strip:
        return EMPTY
    strip = strip[-MINUTES:].rjust(MINUTES, b"\0")
    steps = (to - until) // _MINUTE
    if steps >= 0:
        return (strip + bytes(min(steps, MINUTES)))[-MINUTES:]
    return (bytes(min(-steps, MINUTES)) + strip)[:MINUTES]


def add(strip: bytes, until: datetime | None, at: datetime, byte: int) -> tuple[bytes, datetime]:
    """Adds one check to a strip.

    Args:
        strip, until: the strip as it was.
        at: when the check started. A check older than the strip changes nothing.
        byte: from `encode`.

    Returns:
        The new strip of 60 bytes, and the minute after its last byte.
    """
    end = minute_of(at) + _MINUTE
    if end == until and len(strip) == MINUTES:
        # Most checks come within the minute of the one before.
        return strip[:-1] + bytes((merge(strip[-1], byte),)), end
    if until is not None and end < until:
        end = until
    moved = bytearray(move(strip, until, end))
    index = MINUTES - 1 - (end - _MINUTE - minute_of(at)) // _MINUTE
    if index >= 0:
        moved[index] = merge(moved[index], byte)
    return bytes(moved), end


def combine(
    strips: Iterable[tuple[bytes, datetime | None]],
) -> tuple[bytes, datetime | None]:
    """Puts the strips of several monitors together.

    Args:
        strips: each with the minute after its last byte.

    Returns:
        60 bytes that end with the newest of them, and that minute; empty and None without any.
    """
    written = [(strip, until) for strip, until in strips if until is not None and strip]
    if not written:
        return EMPTY, None
    end = max(until for _, until in written)
    result = bytearray(MINUTES)
    for strip, until in written:
        for index, byte in enumerate(move(strip, until, end)):
            result[index] = merge(result[index], byte)
    return bytes(result), end
