"""When the watcher blames its own network, and when it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.observation import Observation
from statustui.domain.observer import (
    Connection,
    Observer,
    enough,
    hear,
    is_elsewhere,
    is_own_failure,
    reaches,
    see,
)
from statustui.domain.status import ErrorKind

AT = datetime(2027, 1, 1, tzinfo=UTC)
ONLINE, IN_DOUBT, OFFLINE = Connection.ONLINE, Connection.IN_DOUBT, Connection.OFFLINE


def _after(text: str, hosts: int = 10, observer: Observer | None = None) -> Observer:
    """What looks lead to: "a" fails at host a, "A" reaches it, a second apart."""
    observer = observer or Observer()
    for number, letter in enumerate(text):
        at = AT + timedelta(seconds=number)
        observer = see(observer, letter.lower(), letter.isupper(), at, hosts)
    return observer


@pytest.mark.parametrize(
    ("looks", "hosts", "connection"),
    [
        ("ABC", 10, ONLINE),
        ("a", 10, IN_DOUBT),
        ("aB", 10, ONLINE),
        ("aBa", 10, IN_DOUBT),
        ("abcab", 10, OFFLINE),
        ("abca", 10, IN_DOUBT),
        ("aaaaaaaa", 10, IN_DOUBT),  # one host says nothing about the others
        ("abababab", 10, IN_DOUBT),
        ("abc", 3, OFFLINE),
        ("ab", 2, IN_DOUBT),
        ("abcdefghij", 200, IN_DOUBT),
        ("abcdefghij" * 2, 200, OFFLINE),
        ("abcdefghijK", 200, IN_DOUBT),  # 10 of 11 failed
        ("abcdefghiKLM", 200, ONLINE),
        ("abcabD", 10, OFFLINE),  # next door answers still
        ("abcabA", 10, ONLINE),
        ("abcabdD", 10, ONLINE),
    ],
)
def test_what_looks_lead_to(looks: str, hosts: int, connection: Connection) -> None:
    assert _after(looks, hosts).connection is connection


def test_an_outage_excuses_what_failed_in_it_and_nothing_after_it() -> None:
    observer = _after("abcab")
    assert observer.since == AT
    assert is_own_failure(observer, AT - timedelta(seconds=9))
    back = AT + timedelta(seconds=60)
    ended = see(observer, "a", True, back, 10)
    assert ended.connection is ONLINE
    # One that was under way when the network came back, and one that began after it.
    assert is_own_failure(ended, back - timedelta(seconds=1))
    assert not is_own_failure(ended, back)
    assert not is_own_failure(_after("a"), AT)


def test_canaries_settle_it() -> None:
    doubt = _after("a")
    assert hear(doubt, [False, True], AT).connection is ONLINE
    offline = hear(doubt, [False, False], AT)
    assert offline.connection is OFFLINE
    assert hear(offline, [False], AT) == offline
    assert hear(offline, [True], AT) == Observer(was_offline_until=AT)
    assert hear(doubt, [], AT) == doubt
    assert hear(Observer(), [False], AT).connection is ONLINE


@pytest.mark.parametrize(
    ("observation", "reached"),
    [
        (Observation(AT, 1.0, status_code=500), True),
        (Observation(AT, 1.0, ErrorKind.REFUSED), True),
        (Observation(AT, 1.0, ErrorKind.TLS), True),
        (Observation(AT, 1.0, ErrorKind.DNS), False),
        (Observation(AT, 1.0, ErrorKind.CONNECT), False),
        (Observation(AT, 1.0, ErrorKind.TIMEOUT), False),
        (Observation(AT, 1.0, ErrorKind.OBSERVER), None),
        (Observation(AT, 1.0, loss_percent=100.0), False),
        (Observation(AT, 1.0, loss_percent=66.0), True),
        (Observation(AT, 1.0, dns_rcode="SERVFAIL"), False),
        (Observation(AT, 1.0, dns_rcode="NXDOMAIN"), True),
    ],
)
def test_what_a_look_says_of_the_network(observation: Observation, reached: bool | None) -> None:
    assert reaches(observation) is reached


@pytest.mark.parametrize(
    ("host", "elsewhere"),
    [
        ("api.acme.test", True),
        ("api.acme.test:8443", True),
        ("10.0.0.1:53", True),
        ("[2001:db8::1]:443", True),
        ("2001:db8::1", True),
        ("localhost:80", False),
        ("db.localhost", False),
        ("127.0.0.53", False),
        ("[::1]:5432", False),
        ("::1", False),
        ("the system's resolver", False),
        ("", False),
    ],
)
def test_who_is_elsewhere(host: str, elsewhere: bool) -> None:
    assert is_elsewhere(host) is elsewhere


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=80), st.integers(0, 400))
def test_offline_is_never_said_lightly(looks: list[tuple[int, bool]], hosts: int) -> None:
    observer = Observer()
    for number, (host, reached) in enumerate(looks):
        at = AT + timedelta(seconds=number)
        before, observer = observer, see(observer, str(host), reached, at, hosts)
        assert (observer.connection is ONLINE) == (observer.since is None)
        if observer.connection is OFFLINE and before.connection is not OFFLINE:
            assert len(observer.failed) >= 3
            assert observer.failures >= max(enough(hosts), 0.9 * observer.looks)
        if reached and str(host) in before.failed:
            assert observer.connection is not OFFLINE
