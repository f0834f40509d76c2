"""What changed since the last good look: each kind, what is none, and odd details."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statustui.domain.evidence import describe
from statustui.domain.evidence_changes import (
    LONGEST_VALUE,
    MOST_CHANGES,
    VOLATILE,
    Change,
    changes,
)
from statustui.domain.evidence_facts import further_facts
from statustui.domain.observation import Certificate, Observation
from statustui.domain.text import clean

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

TABLE: list[tuple[dict[str, object], dict[str, object], list[Change]]] = [
    ({"address": "10.0.0.9:80"}, {"address": "10.0.0.9:80"}, []),
    (
        {"address": "10.0.0.9:80"},
        {"address": "10.0.0.5:80"},
        [Change("address", "10.0.0.9", "10.0.0.5")],
    ),
    ({"address": "[::1]:80"}, {"address": "[::1]:81"}, []),
    # The order of addresses means nothing, and neither does which one was taken.
    ({"addresses": ["a", "b"], "address": "a:1"}, {"addresses": ["b", "a"], "address": "b:1"}, []),
    ({"address": "a:1"}, {"addresses": ["b", "a"], "address": "b:1"}, []),
    ({"addresses": ["a", "b"]}, {"addresses": ["b", "c"]}, [Change("address", "a", "c")]),
    ({"addresses": ["a"]}, {"addresses": ["a", "b"]}, [Change("address", "", "b")]),
    # What was not reached did not change.
    ({"address": "a:1"}, {"reason": "no such name"}, []),
    (
        {"dns_rcode": "NOERROR", "answers": ["10.0.0.1", "10.0.0.2"]},
        {"dns_rcode": "NOERROR", "answers": ["10.0.0.2", "10.0.0.1"]},
        [],
    ),
    (
        {"dns_rcode": "NOERROR", "answers": ["10.0.0.1"]},
        {"dns_rcode": "NXDOMAIN"},
        [Change("DNS", "NOERROR", "NXDOMAIN"), Change("DNS answer", "10.0.0.1", "")],
    ),
    (
        {"dns_rcode": "NOERROR", "answers": ["10.0.0.1"]},
        {"dns_rcode": "NOERROR", "answers": ["10.0.0.2"]},
        [Change("DNS answer", "10.0.0.1", "10.0.0.2")],
    ),
    (
        {"answers": ["220 mail"]},
        {"answers": ["421 busy"]},
        [Change("answer", "220 mail", "421 busy")],
    ),
    ({"answers": ["220 mail"]}, {"reason": "refused"}, []),
    (
        {"certificate": {"serial": "01", "issuer": "CA 1", "subject": "api"}},
        {"certificate": {"serial": "02", "issuer": "CA 2", "subject": "api"}},
        [Change("certificate serial", "01", "02"), Change("certificate issuer", "CA 1", "CA 2")],
    ),
    ({"certificate": {"serial": "01"}}, {"address": "a:1"}, []),
    ({"body_bytes": 1000}, {"body_bytes": 1100}, []),
    ({"body_bytes": 1000}, {"body_bytes": 1101}, [Change("size", "1,000 B", "1,101 B")]),
    ({"body_bytes": 10}, {"body_bytes": 70}, []),
    ({"body_bytes": 100_000}, {"body_bytes": 36}, [Change("size", "100,000 B", "36 B")]),
    (
        {"headers": {"server": "nginx", "date": "a", "x-ratelimit-left": "1", "Via": "b"}},
        {"headers": {"server": "envoy", "date": "b", "x-ratelimit-left": "2", "x-new": "1"}},
        [
            Change("header via", "b", ""),
            Change("header server", "nginx", "envoy"),
            Change("header x-new", "", "1"),
        ],
    ),
    ({"headers": {"authorization": "***"}}, {"headers": {"authorization": "***"}}, []),
    (
        {"status_code": 200, "redirects": ["https://a/login?state=1"]},
        {"status_code": 200, "redirects": [{"url": "https://a/login?state=2", "status_code": 302}]},
        [],
    ),
    (
        {"status_code": 200},
        {"status_code": 200, "redirects": [{"url": "https://parked.test/", "status_code": 302}]},
        [Change("redirects", "", "https://parked.test/")],
    ),
    ({"status_code": 200, "redirects": ["https://a/"]}, {"reason": "refused"}, []),
    ({}, {"address": "a:1"}, []),
]


@pytest.mark.parametrize(("good", "seen", "expected"), TABLE)
def test_what_changed(
    good: dict[str, object], seen: dict[str, object], expected: list[Change]
) -> None:
    assert list(changes(good, seen)) == expected


@pytest.mark.parametrize("name", sorted(VOLATILE))
def test_headers_that_change_with_every_answer_are_no_news(name: str) -> None:
    assert changes({"headers": {name: "1"}}, {"headers": {name: "2"}}) == ()


def test_what_is_told_is_bounded_and_harmless() -> None:
    good = {"headers": {f"x-{number}": "\x1b[31m" + "a" * 5_000 for number in range(100)}}
    seen = {"headers": {f"x-{number}": "b" * 5_000 for number in range(100)}}
    found = changes(good, seen)
    assert len(found) == MOST_CHANGES
    for change in found:
        assert len(change.before) <= LONGEST_VALUE
        assert clean(change.before) == change.before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *("address", "addresses", "answers", "body_bytes", "certificate", "dns_rcode", "headers"),
        *("redirects", "status_code", "round_trips", "perfdata", "output", "rows", "loss_percent"),
    ]
)
DETAILS = st.dictionaries(KEYS, VALUES)


@settings(max_examples=200, deadline=5_000)
@given(DETAILS, DETAILS)
def test_details_of_any_shape_are_compared(
    good: dict[str, object], seen: dict[str, object]
) -> None:
    assert len(changes(good, seen)) <= MOST_CHANGES
    assert changes(good, good) == ()
    for label, words in further_facts(seen):
        assert label
        assert clean(words) == words


def test_what_a_look_stores_is_what_is_compared() -> None:
    certificate = Certificate("api", "ca", "01", AT + timedelta(days=1), ("api",))
    good = Observation(
        AT,
        5.0,
        connected=True,
        status_code=200,
        address="10.0.0.9:443",
        headers={"server": "nginx", "date": "now"},
        body=b"x" * 5_000,
        certificate=certificate,
    )
    seen = Observation(
        AT,
        5.0,
        connected=True,
        status_code=503,
        address="10.0.0.5:443",
        headers={"server": "envoy", "date": "later"},
        body=b"oops",
        certificate=Certificate("api", "other ca", "02", AT, ("api",)),
    )
    found = changes(describe(good, in_full=True), describe(seen, in_full=True))
    assert [change.what for change in found] == [
        *("address", "certificate serial", "certificate issuer", "size", "header server"),
    ]


def test_what_else_was_seen_is_told_whatever_its_kind() -> None:
    detail: dict[str, object] = {
        "addresses": ["10.0.0.1", "10.0.0.2"],
        "redirects": [{"url": "https://a/", "status_code": 301, "duration_ms": 1.25}, "https://b/"],
        "certificate": {
            "subject": "api",
            "serial": "01",
            "issuer": "ca",
            "not_after": "2026-12-01T00:00:00+00:00",
            "chain": ["api", "ca", "root"],
        },
        "http_version": "2",
        "body_bytes": 1234,
        "loss_percent": 33.3,
        "round_trips": {"sent": 3, "received": 2, "avg_ms": 1.25, "jitter_ms": 0.5},
        "rows": 3,
        "exit_code": 2,
        "output": "CRITICAL\nload is high",
        "perfdata": [
            {"label": "load1", "value": 9.5, "unit": ""},
            {"label": "used", "value": 80, "unit": "%"},
        ],
    }
    assert further_facts(json.loads(json.dumps(detail))) == (
        ("addresses", "10.0.0.1, 10.0.0.2"),
        ("redirects", "https://a/ (301, 1.2 ms) > https://b/"),
        ("certificate", "api, serial 01, from ca, until 2026-12-01T00:00:00+00:00"),
        ("chain", "api < ca < root"),
        ("http", "2"),
        ("size", "1,234 B"),
        ("loss", "33.3 %"),
        ("round trips", "2 of 3 came back, avg 1.2 ms, jitter 0.5 ms"),
        ("rows", "3"),
        ("exit code", "2"),
        ("output", "CRITICAL load is high"),
        ("figures", "load1 9.5, used 80%"),
    )
