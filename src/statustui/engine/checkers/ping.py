"""Looks at a host by ICMP echo: how many packets come back, and how long they take.

Times are taken here, around sending and receiving, because the library's own come from the wall
clock, which may step. Kernels differ in who may send ICMP: a raw socket needs CAP_NET_RAW, a
datagram socket a group inside `net.ipv4.ping_group_range`. Both are tried; when neither is
allowed, that says nothing about the target, so nobody looked.
"""

from __future__ import annotations

import asyncio
import errno
import shlex
import socket
from collections.abc import Sequence
from functools import lru_cache
from itertools import count, pairwise
from time import perf_counter

import icmplib

from statustui.domain.monitor import PingConfig
from statustui.domain.observation import Observation, Phases, RoundTrips
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import FAMILIES, resolve
from statustui.engine.trace import LookFailed, Trace

NOT_ALLOWED = (
    "this host lets statustui send no ICMP: set net.ipv4.ping_group_range to include its group "
    '(sysctl -w net.ipv4.ping_group_range="0 2147483647") or give it CAP_NET_RAW'
)

_identifiers = count(1)
_RECEIVE_BYTES = 2_048


async def look_ping(
    config: PingConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Sends a few echo requests and waits for their answers until the deadline.

    The duration is the mean round trip of what came back, not the time of the whole series. How
    much loss is too much is the domain's part.

    Args:
        config: whom, how many, how often.
        timeout_ms: the deadline over everything.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    begun = perf_counter()
    trace = Trace(config.host)
    address = ""
    resolve_ms: float | None = None
    kind: ErrorKind | None = None
    reason = ""
    series: _Series | None = None
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            address = (await resolve(config.host, trace, FAMILIES[config.ip_version]))[0]
            trace.stop()
            resolve_ms = trace.duration_ms
            with open_socket(address) as opened:
                series = _Series(opened, address)
                await series.run(config.count, config.interval_ms / 1000)
    except TimeoutError:
        if series is None:
            kind = ErrorKind.TIMEOUT
            reason = f"the name {config.host} was not resolved within {timeout_ms / 1000:g} s"
    except LookFailed as failure:
        kind, reason = failure.kind, failure.reason
    trips: RoundTrips | None = None
    loss = None
    if kind is None:
        trips = summarize(series.in_order() if series is not None else [], config.count)
        loss = 100.0 * (trips.sent - trips.received) / trips.sent
    mean_ms = trips.avg_ms if trips is not None else None
    return Observation(
        started_at=started_at,
        duration_ms=(perf_counter() - begun) * 1000 if mean_ms is None else mean_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=Phases(resolve_ms=resolve_ms, first_byte_ms=mean_ms),
        address=address,
        connected=trips is not None and trips.received > 0,
        loss_percent=loss,
        repeat_command=_repeat_command(config, timeout_ms),
        addresses=trace.addresses,
        round_trips=trips,
    )


def summarize(round_trips: Sequence[float], sent: int) -> RoundTrips:
    """What a series comes to.

    Jitter is the mean of the absolute differences between neighbours. The smoothed figure of
    RFC 3550 is made for streams: over a handful of packets it has hardly left zero.

    Args:
        round_trips: of the packets that came back, in seconds, in the order of sending.
        sent: packets.
    """
    times = [1000 * seconds for seconds in round_trips]
    if not times:
        return RoundTrips(sent, 0)
    steps = [abs(after - before) for before, after in pairwise(times)]
    return RoundTrips(
        sent=sent,
        received=len(times),
        min_ms=min(times),
        avg_ms=sum(times) / len(times),
        max_ms=max(times),
        jitter_ms=sum(steps) / len(steps) if steps else None,
    )


def open_socket(address: str) -> icmplib.ICMPv4Socket | icmplib.ICMPv6Socket:
    """An ICMP socket of the kind that the kernel allows, the unprivileged one first.

    Raises:
        LookFailed: of kind `observer` when neither is allowed.
    """
    make = icmplib.ICMPv6Socket if ":" in address else icmplib.ICMPv4Socket
    for privileged in (False, True):
        try:
            return make(privileged=privileged)
        except icmplib.SocketPermissionError:
            continue
        except icmplib.ICMPSocketError as error:
            raise LookFailed(ErrorKind.OBSERVER, f"no ICMP socket: {error}") from None
    raise LookFailed(ErrorKind.OBSERVER, NOT_ALLOWED)


class _Series:
    """Echo requests under way over one socket."""

    def __init__(self, opened: icmplib.ICMPv4Socket | icmplib.ICMPv6Socket, address: str) -> None:
        self._socket = opened
        self._address = address
        self._identifier = next(_identifiers) % 65_536
        self._sent_at: dict[int, float] = {}
        self._round_trips: dict[int, float] = {}

    def in_order(self) -> list[float]:
        """The round trips of what came back, in the order of sending, in seconds."""
        return [self._round_trips[number] for number in sorted(self._round_trips)]

    async def run(self, packets: int, interval_seconds: float) -> None:
        """Sends them one after the other and listens until all have come back."""
        loop = asyncio.get_running_loop()
        raw: socket.socket = self._socket.sock
        raw.setblocking(False)
        complete: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            try:
                self._receive(raw)
            except OSError as error:
                if not complete.done():
                    words = error.strerror or str(error)
                    complete.set_exception(
                        LookFailed(ErrorKind.CONNECT, f"ping {self._address}: {words}")
                    )
                return
            if len(self._round_trips) == packets and not complete.done():
                complete.set_result(None)

        loop.add_reader(raw.fileno(), readable)
        try:
            for sequence in range(packets):
                if sequence:
                    await asyncio.sleep(interval_seconds)
                self._send(sequence)
            await complete
        finally:
            complete.cancel()
            loop.remove_reader(raw.fileno())

    def _send(self, sequence: int) -> None:
        request = icmplib.ICMPRequest(self._address, id=self._identifier, sequence=sequence)
        self._sent_at[sequence] = perf_counter()
        try:
            self._socket.send(request)
        except icmplib.SocketBroadcastError:
            raise LookFailed(
                ErrorKind.OBSERVER, f"this host may not send ICMP to {self._address}"
            ) from None
        except icmplib.ICMPSocketError as error:
            raise LookFailed(ErrorKind.CONNECT, f"ping {self._address}: {error}") from None
        # Over a datagram socket the kernel puts in an identifier of its own.
        self._identifier = request.id

    def _receive(self, raw: socket.socket) -> None:
        try:
            packet, _ = raw.recvfrom(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED):
                return  # an ICMP error about one packet: that packet is lost
            raise
        arrived = perf_counter()
        sequence = self._sequence_of(packet)
        if sequence is None:
            return
        sent_at = self._sent_at.pop(sequence, None)
        if sent_at is not None:
            self._round_trips[sequence] = arrived - sent_at

    def _sequence_of(self, packet: bytes) -> int | None:
        """The number of one of our echo replies, None for anything else that came along.

        A raw IPv4 socket hands on the IP header, whose length is in its first byte (RFC 791); then
        come type, code, checksum, identifier and sequence (RFC 792, RFC 4443).
        """
        version6 = ":" in self._address
        if not version6 and self._socket.is_privileged and packet:
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < 8 or packet[0] != (129 if version6 else 0):
            return None
        if int.from_bytes(packet[4:6], "big") != self._identifier:
            return None
        return int.from_bytes(packet[6:8], "big")


@lru_cache(maxsize=4096)
def _repeat_command(config: PingConfig, timeout_ms: int) -> str:
    words = ["ping"]
    if config.ip_version is not None:
        words.append(f"-{config.ip_version}")
    words += ["-c", str(config.count), "-i", f"{config.interval_ms / 1000:g}"]
    words += ["-w", str(max(1, timeout_ms // 1000)), config.host]
    return clean(shlex.join(words))
