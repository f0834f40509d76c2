"""What a look by hand prints of certificates, addresses and pings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from statustui.domain.monitor import parse_monitor
from statustui.domain.observation import Certificate, Observation, RoundTrips
from statustui.domain.status import CheckStatus
from statustui.domain.verdict import CheckResult
from statustui.presenters.look import check_lines

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
WELL = CheckResult(CheckStatus.SUCCESS)


def _facts(kind: str, host: str, observation: Observation) -> list[str]:
    spec = parse_monitor({"name": "a", "type": kind, "config": {"host": host}})
    return [" ".join(line.split()) for line in check_lines(spec, observation, WELL, AT)]


def test_a_certificate_with_its_chain_and_all_addresses() -> None:
    certificate = Certificate(
        subject="mail.acme.test",
        issuer="Acme Issuing",
        serial="0a1b",
        not_after=AT + timedelta(days=20),
        names=("mail.acme.test", "smtp.acme.\x1b[31mtest"),
        chain=("mail.acme.test", "Acme Issuing", "Acme Root"),
    )
    seen = Observation(
        started_at=AT,
        duration_ms=12.0,
        address="10.0.0.5:443",
        addresses=("fd00::5", "10.0.0.5"),
        certificate=certificate,
    )
    facts = _facts("tls", "mail.acme.test", seen)
    assert "address 10.0.0.5:443" in facts
    assert "of fd00::5, 10.0.0.5" in facts
    assert "certificate mail.acme.test, by Acme Issuing, ends in 20 d" in facts
    assert "names mail.acme.test, smtp.acme.test" in facts
    assert "chain mail.acme.test ← Acme Issuing ← Acme Root" in facts
    assert "serial 0a1b" in facts


def test_the_only_address_is_said_once() -> None:
    seen = Observation(AT, 1.0, address="[fd00::5]:443", addresses=("fd00::5",))
    assert sum("fd00::5" in fact for fact in _facts("tls", "a.test", seen)) == 1
    pinged = Observation(AT, 1.0, address="fd00::5", addresses=("fd00::5",))
    assert sum("fd00::5" in fact for fact in _facts("ping", "a.test", pinged)) == 1


def test_a_series_of_pings() -> None:
    trips = RoundTrips(sent=3, received=2, min_ms=1.0, avg_ms=2.25, max_ms=3.5, jitter_ms=2.5)
    seen = Observation(AT, 2.25, address="10.0.0.5", loss_percent=33.3, round_trips=trips)
    facts = _facts("ping", "a.test", seen)
    assert "address 10.0.0.5" in facts
    assert "round trips 2 of 3, min 1.00 ms, avg 2.25 ms, max 3.50 ms, jitter 2.50 ms" in facts
    nothing = Observation(AT, 5.0, loss_percent=100.0, round_trips=RoundTrips(3, 0))
    assert "round trips 0 of 3" in _facts("ping", "a.test", nothing)
