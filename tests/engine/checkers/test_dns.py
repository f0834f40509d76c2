"""DNS checks against a small name server of our own on loopback, UDP and TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from statustui.domain.monitor import DnsConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import look
from statustui.engine.checkers.dns import look_dns
from tests.engine.checkers.name_server import serving_names
from tests.engine.checkers.servers import free_port


@pytest.fixture
async def resolver() -> AsyncIterator[str]:
    async with serving_names() as address:
        yield address


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("api.acme.test", "A", ("192.0.2.1", "192.0.2.2")),
        ("API.acme.test.", "AAAA", ("2001:db8::1",)),
        ("www.acme.test", "CNAME", ("edge.acme.test",)),
        ("acme.test", "MX", ("10 mail.acme.test",)),
        ("acme.test", "TXT", ("v=spf1 -all",)),
        ("acme.test", "NS", ("ns1.acme.test", "ns2.b")),
        (
            "acme.test",
            "SOA",
            ("ns1.acme.test hostmaster.acme.test 2026112701 7200 900 1209600 300",),
        ),
        ("_sip._tcp.acme.test", "SRV", ("0 0 0 .", "10 60 5060 sip.acme.test")),
        ("acme.test", "CAA", ('0 issue "ca.test"',)),
        ("192.0.2.7", "PTR", ("edge.acme.test",)),
        ("7.2.0.192.in-addr.arpa", "PTR", ("edge.acme.test",)),
        ("2001:db8::7", "PTR", ("six.acme.test",)),
        ("late.acme.test", "A", ("192.0.2.9",)),
    ],
)
async def test_answers_are_read(
    resolver: str, name: str, kind: str, answers: tuple[str, ...]
) -> None:
    seen = await look(DnsConfig(name, kind, resolver), timeout_ms=5_000)
    assert seen.error_kind is None, seen.reason
    assert (seen.dns_rcode, seen.answers) == ("NOERROR", answers)
    assert seen.connected
    assert seen.address == resolver
    assert seen.phases.first_byte_ms == seen.duration_ms


async def test_response_codes_are_seen(resolver: str) -> None:
    missing = await look(DnsConfig("nothing.acme.test", "A", resolver), timeout_ms=5_000)
    assert (missing.dns_rcode, missing.error_kind, missing.answers) == ("NXDOMAIN", None, ())
    broken = await look(DnsConfig("broken.acme.test", "A", resolver), timeout_ms=5_000)
    assert (broken.dns_rcode, broken.error_kind) == ("SERVFAIL", None)
    assert broken.connected


async def test_an_answer_that_does_not_fit_comes_over_tcp(resolver: str) -> None:
    seen = await look(DnsConfig("large.acme.test", "A", resolver), timeout_ms=5_000)
    assert seen.dns_rcode == "NOERROR"
    assert len(seen.answers) == 100


@pytest.mark.parametrize(
    ("zone", "rcode", "dnssec"),
    [
        ("signed", "NOERROR", "secure"),
        ("unsigned", "NOERROR", "insecure"),
        ("bogus", "SERVFAIL", "bogus"),
        ("lame", "SERVFAIL", None),
    ],
)
async def test_validation_is_the_resolvers_and_bogus_is_told_from_broken(
    resolver: str, zone: str, rcode: str, dnssec: str | None
) -> None:
    config = DnsConfig(f"{zone}.acme.test", "A", resolver, dnssec=True)
    seen = await look(config, timeout_ms=5_000)
    assert seen.error_kind is None, seen.reason
    assert (seen.dns_rcode, seen.dnssec) == (rcode, dnssec)
    assert "+dnssec" in seen.repeat_command
    plain = await look(DnsConfig(f"{zone}.acme.test", "A", resolver), timeout_ms=5_000)
    assert plain.dnssec is None


async def test_a_cut_answer_whose_rest_does_not_come(resolver: str) -> None:
    seen = await look(DnsConfig("cut.acme.test", "A", resolver), timeout_ms=5_000)
    assert seen.error_kind is ErrorKind.PROTOCOL
    assert seen.reason.startswith(
        f"the answer of resolver {resolver} did not fit into a datagram, and over TCP: "
    )


@pytest.mark.parametrize("name", ["silent.acme.test", "wrong-id.acme.test", "garbage.acme.test"])
async def test_what_is_no_answer_is_passed_over(resolver: str, name: str) -> None:
    seen = await look(DnsConfig(name, "A", resolver), timeout_ms=300)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert seen.reason == f"no answer from resolver {resolver} for {name} in 0.3 s"
    assert not seen.connected
    assert seen.dns_rcode is None


async def test_nobody_listening_ends_within_the_deadline() -> None:
    resolver = f"127.0.0.1:{free_port()}"
    seen = await look(DnsConfig("acme.test", "A", resolver), timeout_ms=300)
    assert seen.error_kind in (ErrorKind.TIMEOUT, ErrorKind.REFUSED)
    assert resolver in seen.reason


async def test_a_name_that_cannot_be_asked_for_is_our_own_trouble(resolver: str) -> None:
    for name in ("a" * 70 + ".test", "a..b"):
        seen = await look(DnsConfig(name, "A", resolver), timeout_ms=1_000)
        assert seen.error_kind is ErrorKind.OBSERVER


async def test_the_line_that_repeats_it(resolver: str) -> None:
    port = resolver.rpartition(":")[2]
    seen = await look_dns(DnsConfig("api.acme.test", "MX", resolver), timeout_ms=2_000)
    assert seen.repeat_command == f"dig +time=2 +tries=1 @127.0.0.1 -p {port} api.acme.test MX"
