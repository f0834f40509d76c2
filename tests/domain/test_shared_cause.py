"""What a failing look has in common with others, and what a dead dependency explains."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from statustui.domain.explaining import explains, fail_together, may_be_explained_soon
from statustui.domain.incident_facts import ServiceFacts
from statustui.domain.monitor import CheckConfig, DnsConfig, HttpConfig, PingConfig, TcpConfig
from statustui.domain.shared_cause import causes_of
from statustui.domain.status import AutomaticIncidents, ErrorKind, ServiceStatus

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
_WEB = HttpConfig("https://api.acme.test/health")
_CERTIFICATE = {
    "subject": "*.acme.test",
    "issuer": "CA",
    "serial": "4D2",
    "not_after": "2026-12-31T00:00:00+00:00",
}


@pytest.mark.parametrize(
    ("config", "kind", "reason", "detail", "lines"),
    [
        (_WEB, None, "", {}, ()),
        (_WEB, ErrorKind.ASSERTION, "body", {}, ()),
        (_WEB, ErrorKind.HTTP_STATUS, "answered 404", {"status_code": 404}, ()),
        (
            _WEB,
            ErrorKind.HTTP_STATUS,
            "answered 503",
            {"status_code": 503, "address": "10.0.0.5:443"},
            ("host api.acme.test:443 answers 503",),
        ),
        (
            _WEB,
            ErrorKind.REFUSED,
            "",
            {"address": "10.0.0.5:443"},
            ("host api.acme.test:443 refused", "address 10.0.0.5:443 refused"),
        ),
        # A host that is silent takes all of its ports along.
        (
            TcpConfig("db1.acme.test", 5432),
            ErrorKind.TIMEOUT,
            "",
            {"address": "10.0.0.7:5432"},
            ("host db1.acme.test is silent", "address 10.0.0.7 is silent"),
        ),
        (
            HttpConfig("http://[fd00::1]:8080/"),
            ErrorKind.TIMEOUT,
            "",
            {"address": "[fd00::1]:8080", "phases": {"connect_ms": 1.0}},
            ("host [fd00::1]:8080 does not answer in time",),
        ),
        (
            _WEB,
            ErrorKind.TLS,
            "",
            {"certificate": _CERTIFICATE, "address": "10.0.0.5:443"},
            (
                "certificate 4D2 of *.acme.test is not accepted",
                "host api.acme.test:443 fails in the TLS handshake",
            ),
        ),
        (
            _WEB,
            ErrorKind.DNS,
            "no resolver answered for api.acme.test",
            {},
            (
                "the system's resolver does not answer",
                "the name api.acme.test cannot be resolved",
            ),
        ),
        (PingConfig("gw.acme.test"), ErrorKind.LOSS, "", {}, ("host gw.acme.test loses packets",)),
        (DnsConfig("acme.test", "A"), ErrorKind.DNS, "", {"dns_rcode": "NXDOMAIN"}, ()),
        (
            DnsConfig("acme.test", "A", resolver="10.0.0.53"),
            ErrorKind.TIMEOUT,
            "",
            {},
            ("resolver 10.0.0.53 fails",),
        ),
        (
            DnsConfig("acme.test", "A", resolver="10.0.0.53"),
            ErrorKind.DNS,
            "",
            {"dns_rcode": "SERVFAIL"},
            ("resolver 10.0.0.53 answers SERVFAIL",),
        ),
    ],
)
def test_what_would_fail_with_it(
    config: CheckConfig,
    kind: ErrorKind | None,
    reason: str,
    detail: Mapping[str, object],
    lines: tuple[str, ...],
) -> None:
    assert causes_of(config, kind, reason, detail) == lines


def test_what_a_target_sends_reaches_no_title_as_it_is() -> None:
    certificate = {**_CERTIFICATE, "subject": "\x1b[31mred\n" + "x" * 500}
    (first, _) = causes_of(_WEB, ErrorKind.TLS, "", {"certificate": certificate})
    assert first.isprintable()
    assert len(first) <= 200


def _out(number: int, **more: Any) -> ServiceFacts:
    return ServiceFacts(
        **{
            "id": UUID(int=number),
            "name": f"S{number}",
            "is_visible": True,
            "mode": AutomaticIncidents.PUBLIC,
            "say": ServiceStatus.MAJOR_OUTAGE,
            "broke_at": _NOON,
            "say_since": _NOON,
            "error_kind": ErrorKind.REFUSED,
            **more,
        }
    )


def _at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("cause", "service", "is_explained"),
    [
        ({}, {}, True),
        # The dependency was seen well while the service failed already.
        ({"good_until": _at(-11), "broke_at": _at(30)}, {"broke_at": _at(-20)}, True),
        ({"good_until": _at(-9), "broke_at": _at(30)}, {"broke_at": _at(-20)}, False),
        # The service went on for long without the dependency.
        ({}, {"good_until": _at(300), "broke_at": _at(330)}, True),
        ({}, {"good_until": _at(301), "broke_at": _at(330)}, False),
        ({}, {"error_kind": ErrorKind.TLS}, False),
        ({"error_kind": ErrorKind.TLS}, {"error_kind": ErrorKind.TLS}, True),
        ({}, {"error_kind": ErrorKind.DNS}, False),
        ({"resolves_names": True}, {"error_kind": ErrorKind.DNS}, True),
        ({}, {"error_kind": ErrorKind.LOSS}, False),
        ({"error_kind": ErrorKind.TIMEOUT}, {"error_kind": ErrorKind.LOSS}, True),
        ({}, {"error_kind": ErrorKind.HTTP_STATUS, "status_code": 404}, False),
        ({}, {"error_kind": ErrorKind.HTTP_STATUS, "status_code": 502}, True),
        ({}, {"error_kind": ErrorKind.ASSERTION}, True),
        ({}, {"error_kind": None}, True),
    ],
)
def test_what_a_dead_dependency_explains(
    cause: Mapping[str, Any], service: Mapping[str, Any], is_explained: bool
) -> None:
    assert explains(_out(9, **cause), _out(1, **service)) == is_explained


@pytest.mark.parametrize(
    ("cause", "seconds", "waits"),
    [
        ({}, 14.9, True),
        ({}, 15, False),
        ({"mode": AutomaticIncidents.OFF}, 1, False),
        ({"in_window": True}, 1, False),
        ({"confirmed_by": None}, 1, False),
        ({"good_until": _at(-1)}, 1, False),
    ],
)
def test_who_waits_for_a_confirmation(
    cause: Mapping[str, Any], seconds: float, waits: bool
) -> None:
    failing = {
        "say": ServiceStatus.OPERATIONAL,
        "broke_at": None,
        "failing_since": _NOON,
        "confirmed_by": _at(15),
    }
    dependency = _out(9, **{**failing, **cause})
    service = _out(1, broke_at=_at(-15 if "good_until" in cause else 0))
    assert may_be_explained_soon(dependency, service, _at(seconds)) == waits


def test_two_outages_have_one_onset_when_neither_was_well_after_the_other_began() -> None:
    first = _out(1, good_until=_at(-30))
    assert fail_together(first, _out(2, broke_at=_at(40), good_until=_at(10)))
    assert not fail_together(first, _out(2, broke_at=_at(40), good_until=_at(11)))
    assert fail_together(first, _out(2))
