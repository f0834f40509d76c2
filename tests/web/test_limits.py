"""Counting requests and connections, and whom a proxy speaks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.errors import ValidationFailed
from statustui.web.limits import ConnectionCounter, RateLimiter, TrustedProxies, bucket_of


def test_a_bucket_fills_up_again() -> None:
    limiter = RateLimiter(rate=10, burst=2)
    assert [limiter.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.1)]
    assert limiter.take("b", 0.0) == 0.0
    assert limiter.take("a", 0.05) == pytest.approx(0.05)
    assert limiter.take("a", 0.11) == 0.0
    assert limiter.take("a", 100.0) == 0.0
    limiter.forget_full(101.0)
    assert len(limiter) == 0


@given(st.floats(1, 100), st.integers(1, 50), st.lists(st.floats(0, 0.2), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_the_burst(
    rate: float, burst: int, pauses: list[float]
) -> None:
    limiter = RateLimiter(rate, burst)
    now, granted = 0.0, 0
    for pause in pauses:
        now += pause
        granted += limiter.take("a", now) == 0.0
    assert granted <= burst + rate * now + 1


def test_buckets_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statustui.web.limits.MOST_BUCKETS", 10)
    limiter = RateLimiter(rate=1, burst=5)
    for index in range(100):
        for _ in range(index % 5 + 1):
            limiter.take(str(index), 0.0)
    limiter.forget_full(0.0)
    assert len(limiter) == 10
    assert limiter.take("4", 0.0) > 0, "the emptiest were forgotten"


def test_connections_are_counted_in_and_out() -> None:
    counter = ConnectionCounter(overall=3, per_address=2)
    assert [counter.enter("a"), counter.enter("a"), counter.enter("a")] == [0, 0, 429]
    assert [counter.enter(None), counter.enter("b")] == [0, 503]
    counter.leave("a")
    assert counter.enter("b") == 0
    for address in ("a", "b", None):
        counter.leave(address)
    assert counter.open == 0
    with pytest.raises(KeyError):
        counter.leave("a")


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "not an address"),
    ],
)
def test_what_counts_as_one_address(address: str, bucket: str) -> None:
    assert bucket_of(address) == bucket


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.5, 10.0.0.7", "10.0.0.5"),
        ("10.0.0.1", "203.0.113.9, junk", "10.0.0.1"),
        ("10.0.0.1", "junk, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("2001:db8::1", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_whom_a_proxy_speaks_for(peer: str, forwarded: str | None, client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8", "2001:db8::1"])
    assert proxies.client(peer, forwarded) == client


def test_without_proxies_nobody_is_believed() -> None:
    assert TrustedProxies([]).client("10.0.0.1", "203.0.113.9") == "10.0.0.1"
    with pytest.raises(ValidationFailed, match="nonsense"):
        TrustedProxies(["nonsense"])
