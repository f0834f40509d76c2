"""Ping checks against loopback, and what is said where the kernel allows none."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from statustui.domain.monitor import PingConfig
from statustui.domain.observation import RoundTrips
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import look
from statustui.engine.checkers.ping import NOT_ALLOWED, open_socket, summarize
from statustui.engine.trace import LookFailed


def _may_ping() -> bool:
    try:
        open_socket("127.0.0.1").close()
    except LookFailed:
        return False
    return True


may_ping = pytest.mark.skipif(not _may_ping(), reason="this kernel lets us send no ICMP")


@may_ping
async def test_loopback_answers() -> None:
    seen = await look(PingConfig("127.0.0.1", count=3, interval_ms=10), timeout_ms=5_000)
    assert seen.error_kind is None, seen.reason
    assert seen.loss_percent == 0.0
    assert seen.connected
    assert seen.address == "127.0.0.1"
    # The mean round trip, not the series of three.
    assert 0 < seen.duration_ms < 20
    assert seen.repeat_command == "ping -c 3 -i 0.01 -w 5 127.0.0.1"


@may_ping
async def test_a_name_is_looked_up_in_the_wanted_family() -> None:
    seen = await look(PingConfig("localhost", count=1, ip_version=4), timeout_ms=5_000)
    assert (seen.address, seen.loss_percent) == ("127.0.0.1", 0.0)


@may_ping
async def test_many_at_once_do_not_take_each_others_answers() -> None:
    configs = [PingConfig(f"127.0.0.{number}", count=2, interval_ms=20) for number in range(1, 21)]
    seen = await asyncio.gather(*(look(config, timeout_ms=5_000) for config in configs))
    assert [one.loss_percent for one in seen] == [0.0] * 20


async def test_a_name_that_does_not_exist_says_so() -> None:
    seen = await look(PingConfig("does-not-exist.invalid"), timeout_ms=20_000)
    assert seen.error_kind is ErrorKind.DNS
    assert seen.loss_percent is None


_WITHOUT_RIGHTS = """
import asyncio, os
from statustui.domain.monitor import PingConfig
from statustui.engine.checkers import look
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
seen = asyncio.run(look(PingConfig("127.0.0.1"), timeout_ms=2000))
print(seen.error_kind, seen.reason, seen.loss_percent, sep="|")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its rights away")
def test_without_rights_it_says_what_to_set() -> None:
    with open("/proc/sys/net/ipv4/ping_group_range", encoding="ascii") as file:
        low, high = map(int, file.read().split())
    if low <= 65_534 <= high:
        pytest.skip("this kernel lets everybody send ICMP")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_RIGHTS], capture_output=True, text=True, check=True
    )
    kind, reason, loss = done.stdout.strip().split("|")
    assert kind == ErrorKind.OBSERVER
    assert reason == NOT_ALLOWED
    assert loss == "None"


@may_ping
async def test_the_figures_of_the_series_are_kept() -> None:
    seen = await look(PingConfig("127.0.0.1", count=5, interval_ms=10), timeout_ms=5_000)
    trips = seen.round_trips
    assert trips is not None
    assert (trips.sent, trips.received) == (5, 5)
    assert trips.min_ms is not None
    assert trips.avg_ms is not None
    assert trips.max_ms is not None
    assert trips.jitter_ms is not None
    assert 0 < trips.min_ms <= trips.avg_ms <= trips.max_ms
    assert 0 <= trips.jitter_ms <= trips.max_ms - trips.min_ms
    assert seen.duration_ms == trips.avg_ms


def test_jitter_is_the_mean_difference_of_neighbours() -> None:
    trips = summarize([0.010, 0.014, 0.011, 0.011], 5)
    assert (trips.sent, trips.received) == (5, 4)
    assert (trips.min_ms, trips.max_ms) == (10.0, 14.0)
    assert trips.avg_ms == pytest.approx(11.5)
    assert trips.jitter_ms == pytest.approx((4 + 3 + 0) / 3)
    assert summarize([0.010], 3) == RoundTrips(3, 1, 10.0, 10.0, 10.0, None)
    assert summarize([], 3) == RoundTrips(3, 0)


@may_ping
async def test_the_other_family_is_refused_for_an_address() -> None:
    seen = await look(PingConfig("127.0.0.1", ip_version=6), timeout_ms=2_000)
    assert seen.error_kind is ErrorKind.DNS
    assert seen.reason == "127.0.0.1 is not an IPv6 address"
