"""How much one address may ask: pure counting, with the time handed in.

An address here is what one subscriber of an access provider can be taken for: a whole IPv4
address, or the first 64 bits of an IPv6 address, since those are what is handed out to one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from statustui.domain.errors import ValidationFailed

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_BUCKETS: Final = 100_000


class RateLimiter:
    """A token bucket per address.

    Args:
        rate: tokens that come back per second.
        burst: how many a full bucket holds.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(max(burst, 1))
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, address: str, now: float) -> float:
        """Take one token.

        Args:
            address: the key of the bucket.
            now: seconds of a clock that never goes back.

        Returns:
            0 when there was a token, otherwise the seconds until there is one.
        """
        tokens, at = self._buckets.get(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens >= 1.0:
            self._buckets[address] = (tokens - 1.0, now)
            return 0.0
        self._buckets[address] = (tokens, now)
        return (1.0 - tokens) / self._rate

    def forget_full(self, now: float) -> None:
        """Drop buckets that have filled up again; with too many left, the fullest go first."""
        kept = {
            address: (tokens, at)
            for address, (tokens, at) in self._buckets.items()
            if tokens + (now - at) * self._rate < self._burst
        }
        if len(kept) > MOST_BUCKETS:
            emptiest = sorted(kept.items(), key=lambda item: item[1][0])[:MOST_BUCKETS]
            kept = dict(emptiest)
        self._buckets = kept

    def __len__(self) -> int:
        return len(self._buckets)


class ConnectionCounter:
    """How many connections are open, overall and per address.

    Args:
        overall: the most at once.
        per_address: the most at once from one address.
    """

    def __init__(self, overall: int, per_address: int) -> None:
        self._overall = overall
        self._per_address = per_address
        self._open = 0
        self._by_address: dict[str, int] = {}

    def enter(self, address: str | None) -> int:
        """Count a new connection.

        Args:
            address: None for a trusted proxy, which is not limited by its address.

        Returns:
            0 when there is room and it was counted, otherwise the HTTP status of the refusal.
        """
        if self._open >= self._overall:
            return 503
        if address is not None:
            count = self._by_address.get(address, 0)
            if count >= self._per_address:
                return 429
            self._by_address[address] = count + 1
        self._open += 1
        return 0

    def leave(self, address: str | None) -> None:
        """Count the end of a connection that was counted by `enter`."""
        self._open -= 1
        if address is not None:
            count = self._by_address[address] - 1
            if count:
                self._by_address[address] = count
            else:
                del self._by_address[address]

    @property
    def open(self) -> int:
        """How many are open now."""
        return self._open


class TrustedProxies:
    """The proxies that are believed about whom they ask for.

    Args:
        networks: addresses and networks, as text.

    Raises:
        ValidationFailed: one of them is neither.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[IPNetwork, ...] = tuple(_network(network) for network in networks)

    def trusts(self, address: str) -> bool:
        """Whether the peer with this address is one of them."""
        parsed = parse_address(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self._networks
        )

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """The address that a request came from.

        The field is read from its end: each proxy appends whom it saw, so the last address that
        is not a trusted proxy was seen by one that is. What stands before it may be invented.

        Args:
            peer: the address at the other end of the connection.
            forwarded_for: the X-Forwarded-For field, None without one.
        """
        if forwarded_for is None or not self._networks or not self.trusts(peer):
            return peer
        client = peer
        for part in reversed(forwarded_for.split(",")):
            text = part.strip()
            if parse_address(text) is None:
                return client
            client = text
            if not self.trusts(text):
                return client
        return client


def _network(text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValidationFailed(
            f"{text!r} among the trusted proxies is no address and no network",
            advice="write addresses such as 10.0.0.1, or networks such as 10.0.0.0/8, separated "
            "by commas, in STATUSTUI_WEB__TRUSTED_PROXIES",
        ) from error


@lru_cache(maxsize=4_096)
def parse_address(text: str) -> IPAddress | None:
    """An IP address, IPv4 where it is one in IPv6 clothing; None when it is none."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


@lru_cache(maxsize=4_096)
def bucket_of(address: str) -> str:
    """The key under which an address is counted."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)
