"""Monitors are read strictly, every mistake at once, and written back as they were read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.errors import ValidationFailed
from statustui.domain.monitor import (
    BasicAuth,
    BearerAuth,
    CheckConfig,
    CommandConfig,
    DnsConfig,
    HeartbeatConfig,
    HttpConfig,
    MonitorSpec,
    PingConfig,
    PostgresConfig,
    TcpConfig,
    TlsConfig,
    config_to_mapping,
    mask_url,
    masked,
    monitor_to_mapping,
    parse_config,
    parse_monitor,
    split_resolver,
    target_of,
    type_of,
)
from statustui.domain.status import MonitorType

_WIRE_TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=30,
)
_HOSTS = st.sampled_from(["db.acme.test", "10.0.0.5", "::1", "localhost", "a-b.example"])
_STATUS_RANGES = st.tuples(st.integers(100, 599), st.integers(100, 599)).map(
    lambda pair: (min(pair), max(pair))
)
_PEM = st.sampled_from(["file:/etc/ssl/a.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n"])
_CONFIGS: st.SearchStrategy[CheckConfig] = st.one_of(
    st.builds(
        HttpConfig,
        url=st.sampled_from(["http://127.0.0.1:8080/", "https://api.acme.test/health?a=b"]),
        method=st.sampled_from(["GET", "POST"]),
        headers=st.dictionaries(
            st.sampled_from(["Accept", "X-Api-Key"]), st.sampled_from(["a", "b c"])
        ).map(lambda headers: tuple(sorted(headers.items()))),
        body=st.none() | _WIRE_TEXT,
        auth=st.none()
        | st.builds(BasicAuth, username=st.just("u"), password=_WIRE_TEXT)
        | st.builds(BearerAuth, token=st.just("t0ken")),
        expected_status=st.lists(_STATUS_RANGES, min_size=1, max_size=4, unique=True).map(tuple),
        expected_body=st.none() | _WIRE_TEXT,
        follow_redirects=st.booleans(),
        max_redirects=st.integers(0, 50),
        body_regex=st.none() | st.sampled_from(["ok|fine", r"^\d+$"]),
        ca=st.none() | _PEM,
        client_cert=_PEM,
        client_key=st.none()
        | st.sampled_from(["file:/etc/ssl/key.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n"]),
        http_version=st.sampled_from(["1.1", "auto"]),
        ip_version=st.none() | st.just(4),
        proxy=st.none() | st.sampled_from(["http://u:p@proxy:3128", "https://[::1]:8443"]),
    ),
    st.builds(
        TcpConfig,
        host=_HOSTS,
        port=st.integers(1, 65_535),
        verify_tls=st.booleans(),
        send=st.none() | _WIRE_TEXT,
        expect=st.none() | _WIRE_TEXT,
    ),
    st.builds(
        DnsConfig,
        name=st.just("acme.test"),
        record_type=st.sampled_from(["A", "TXT", "PTR", "SRV"]),
        dnssec=st.booleans(),
        resolver=st.none() | st.sampled_from(["10.0.0.1", "10.0.0.1:5353", "[::1]:53"]),
        expected=st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), unique=True).map(tuple),
    ),
    st.builds(
        PingConfig,
        host=_HOSTS,
        count=st.integers(1, 20),
        interval_ms=st.integers(10, 5_000),
        max_loss_percent=st.floats(0, 100),
        ip_version=st.sampled_from([None, 4, 6]),
    ),
    st.builds(
        TlsConfig,
        host=_HOSTS,
        port=st.integers(1, 65_535),
        server_name=st.none() | st.just("mail.acme.test"),
        starttls=st.none() | st.sampled_from(["smtp", "postgres"]),
        warn_days=st.integers(0, 3_650),
        ca=st.none() | _PEM,
    ),
    st.builds(
        PostgresConfig,
        dsn=st.sampled_from(["postgresql://u:p%40@db.test:6543/app?sslmode=require"]),
        query=st.just("SELECT 1"),
        expected=st.none() | st.sampled_from(["", "1"]),
        expected_rows=st.none() | st.integers(0, 1_000),
    ),
    st.builds(
        HeartbeatConfig,
        every_seconds=st.integers(5, 86_400),
        grace_seconds=st.integers(0, 86_400),
    ),
    st.builds(CommandConfig, argv=st.tuples(st.just("/usr/lib/check_a"), _WIRE_TEXT)),
)


@given(_CONFIGS)
def test_the_canonical_form_reads_back(config: CheckConfig) -> None:
    stored = json.loads(json.dumps(config_to_mapping(config)))
    assert parse_config(type_of(config), stored) == config


@given(_CONFIGS, st.integers(5, 86_400))
def test_a_written_monitor_reads_back(config: CheckConfig, interval: int) -> None:
    spec = parse_monitor(
        {
            "name": "API health",
            "type": str(type_of(config)),
            "interval": f"{interval}s",
            "config": config_to_mapping(config),
            "tags": ["a", "b"],
            "paused_until": "2027-01-31T18:00+01:00",
        }
    )
    assert parse_monitor(monitor_to_mapping(spec)) == spec


def test_defaults_follow_the_interval() -> None:
    def read(**more: object) -> MonitorSpec:
        return parse_monitor({"name": "a", "type": "ping", "config": {"host": "localhost"}, **more})

    plain = read()
    assert (plain.interval_seconds, plain.timeout_ms) == (60, 10_000)
    assert (plain.retry_interval_seconds, plain.failure_threshold) == (20, 3)
    assert plain.recovery_threshold == 1
    quick = read(interval="5s")
    assert (quick.timeout_ms, quick.retry_interval_seconds) == (4_000, 5)
    middle = read(interval="30s")
    assert (middle.timeout_ms, middle.retry_interval_seconds) == (10_000, 10)


def test_a_whole_monitor() -> None:
    spec = parse_monitor(
        {
            "name": " API  health ",
            "type": "http",
            "interval": "30s",
            "timeout": "5s",
            "failure_threshold": 2,
            "degraded_after": "800ms",
            "conditions": ["[BODY].status == ok"],
            "runbook": "# Steps\r\n1. look",
            "active": False,
            "paused_until": datetime(2027, 1, 31, 18, tzinfo=UTC),
            "tags": ["core", "core"],
            "config": {
                "url": "https://api.acme.test/health",
                "expected_status": [200, "300-308"],
                "headers": {"Accept": "application/json"},
                "auth": {"type": "basic", "username": "u", "password": "p"},
            },
        }
    )
    assert spec.name == "API health"
    assert spec.degraded_after_ms == 800
    assert spec.runbook == "# Steps\n1. look"
    assert spec.tags == ("core",)
    assert spec.is_active is False
    assert isinstance(spec.config, HttpConfig)
    assert spec.config.expected_status == ((200, 200), (300, 308))
    assert spec.config.headers == (("Accept", "application/json"),)
    assert spec.config.auth == BasicAuth("u", "p")


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"intervall": "5s"}, ("intervall",), 'did you mean "interval"'),
        ({"interval": 30}, ("interval",), 'with its unit: "30s"'),
        ({"interval": "4s"}, ("interval",), "outside 5s to 1d"),
        ({"interval": "5500ms"}, ("interval",), "whole seconds"),
        ({"interval": "5s", "timeout": "5s"}, ("timeout",), "shorter than the interval"),
        ({"timeout": "31s"}, ("timeout",), "outside 1s to 30s"),
        ({"retry_interval": "2m"}, ("retry_interval",), "outside 1s to 1m"),
        ({"degraded_after": "20s"}, ("degraded_after",), "never reached"),
        ({"failure_threshold": 0}, ("failure_threshold",), "outside 1 to 10"),
        ({"failure_threshold": True}, ("failure_threshold",), "whole number"),
        ({"failure_threshold": "3"}, ("failure_threshold",), "whole number"),
        ({"name": None}, ("name",), "required"),
        ({"name": 5}, ("name",), "in quotes"),
        ({"name": "\x1b[31m"}, ("name",), "must not be empty"),
        ({"name": "x" * 256}, ("name",), "at most 255"),
        ({"type": "htp"}, ("type",), 'did you mean "http"'),
        ({"type": None}, ("type",), "required"),
        ({"regions": ["EU 1"]}, ("regions",), "no region's name"),
        ({"regions": ["eu", "us"], "region_quorum": 3}, ("region_quorum",), "outside 1 to 2"),
        ({"region_quorum": 2}, ("region_quorum",), "outside 1 to 1"),
        ({"active": "yes"}, ("active",), "true or false"),
        ({"paused_until": "tomorrow"}, ("paused_until",), "not a time"),
        ({"paused_until": "2027-01-31T18:00"}, ("paused_until",), "offset"),
        ({"conditions": [5]}, ("conditions", 0), "expected text"),
        ({"conditions": ["[STATUS] == 200", "[STATUS] ="]}, ("conditions", 1), "column"),
        ({"degraded_conditions": ["nonsense"]}, ("degraded_conditions", 0), "nonsense"),
        ({"config": None}, ("config",), "required"),
        ({"config": []}, ("config",), "expected keys and values"),
        ({"config": {}}, ("config", "url"), "required"),
        ({"config": {"url": "api.acme.test"}}, ("config", "url"), "https://api.acme.test"),
        ({"config": {"url": "ftp://a/"}}, ("config", "url"), "not http or https"),
        ({"config": {"url": "http://a b/"}}, ("config", "url"), "white space"),
        ({"config": {"url": "http:///x"}}, ("config", "url"), "no host"),
        ({"config": {"url": "http://a:99999/"}}, ("config", "url"), "not an address"),
        ({"config": {"url": "http://a:0/"}}, ("config", "url"), "port 0"),
        ({"config": {"url": "http://[::1/"}}, ("config", "url"), "not an address"),
        ({"config": {"url": "http://u:p@a/"}}, ("config", "url"), "under auth"),
        (
            {"config": {"url": "http://a/", "expected_status": ["2xx"]}},
            ("config", "expected_status", 0),
            "not a status",
        ),
        (
            {"config": {"url": "http://a/", "expected_status": "299-200"}},
            ("config", "expected_status"),
            '"200-299" is the right way round',
        ),
        (
            {"config": {"url": "http://a/", "headers": {"X-A": "b\r\nEvil: 1"}}},
            ("config", "headers", "X-A"),
            "line ends",
        ),
        (
            {"config": {"url": "http://a/", "headers": {"Content-Length": "5"}}},
            ("config", "headers", "Content-Length"),
            "by the request itself",
        ),
        (
            {"config": {"url": "http://a/", "headers": {"X-A": "b", "x-a": "c"}}},
            ("config", "headers", "x-a"),
            "given twice",
        ),
        (
            {"config": {"url": "http://a/", "headers": ["X-A"]}},
            ("config", "headers"),
            "names and values",
        ),
        (
            {"config": {"url": "http://a/", "auth": {"type": "digest"}}},
            ("config", "auth", "type"),
            "not one of basic, bearer",
        ),
        (
            {"config": {"url": "http://a/", "auth": {"type": "bearer"}}},
            ("config", "auth", "token"),
            "required",
        ),
        (
            {"config": {"url": "http://a/", "body": "a\0b"}},
            ("config", "body"),
            "NUL",
        ),
        ({"config": {"url": "http://a/", "proxy": "x"}}, ("config", "proxy"), "needs its scheme"),
    ],
)
def test_one_mistake_is_named_with_its_place(
    change: dict[str, object], path: tuple[str | int, ...], message: str
) -> None:
    good: dict[str, object] = {"name": "a", "type": "http", "config": {"url": "http://a/"}}
    with pytest.raises(ValidationFailed, match=message) as caught:
        parse_monitor({**good, **change}, path=("services", 0))
    assert ("services", 0, *path) in [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("kind", "mapping", "key", "message"),
    [
        ("tcp", {"host": "a"}, "port", "required"),
        ("tcp", {"host": "a", "port": 70_000}, "port", "outside"),
        ("tcp", {"host": "http://a", "port": 1}, "host", "host alone"),
        ("tcp", {"host": "a b", "port": 1}, "host", "not a host name"),
        ("tcp", {"host": "10.0.0.256", "port": 1}, "host", "not a host name"),
        ("tcp", {"host": "a", "port": 1, "server_name": "b"}, "server_name", "tls: true"),
        ("dns", {"name": "a..b"}, "name", "not a domain name"),
        ("dns", {"name": "192.0.2.1"}, "name", "asked for with PTR"),
        ("dns", {"name": "a", "record_type": "X"}, "record_type", "not one of"),
        ("dns", {"name": "a", "resolver": "ns1.test"}, "resolver", "10.0.0.1"),
        ("dns", {"name": "a", "expected_match": "set"}, "expected", "required"),
        ("ping", {"host": "a", "count": 0}, "count", "outside"),
        ("ping", {"host": "a", "ip_version": 5}, "ip_version", "not one of 4, 6, any"),
        ("ping", {"host": "a", "interval": "1ms"}, "interval", "outside"),
        ("ping", {"host": "a", "max_loss_percent": 101}, "max_loss_percent", "outside"),
    ],
)
def test_mistakes_of_the_other_kinds(
    kind: str, mapping: dict[str, object], key: str, message: str
) -> None:
    with pytest.raises(ValidationFailed, match=message) as caught:
        parse_config(MonitorType(kind), mapping)
    assert (key,) in [problem.path for problem in caught.value.problems]


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ValidationFailed, match="3 mistakes in the monitor") as caught:
        parse_monitor({"nam": "a", "type": "tcp", "config": {"host": "a", "port": "x"}})
    assert {problem.path for problem in caught.value.problems} == {
        ("nam",),
        ("name",),
        ("config", "port"),
    }


def test_secrets_are_masked_wherever_shown() -> None:
    config = HttpConfig(
        url="https://a.test/x?token=hidden&page=2",
        method="POST",
        headers=(("Authorization", "Bearer hidden"), ("Accept", "text/html")),
        body='{"password": "hidden"}',
        auth=BasicAuth("reader", "hidden"),
    )
    assert "hidden" not in json.dumps(masked(config))
    assert "hidden" not in target_of(config)
    assert target_of(config) == "POST https://a.test/x?token=***&page=2"
    assert masked(config)["headers"] == {"Accept": "text/html", "Authorization": "***"}
    assert "hidden" not in json.dumps(masked(TcpConfig("a", 1, send="AUTH hidden")))
    assert "hidden" not in json.dumps(masked(HttpConfig("http://a/", auth=BearerAuth("hidden"))))
    assert mask_url("http://u:hidden@a/") == "http://***@a/"


@pytest.mark.parametrize(
    ("resolver", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("[::1]", ("::1", 53)),
        ("10.0.0.1:0", None),
        ("10.0.0.1:x", None),
        ("name", None),
    ],
)
def test_split_resolver(resolver: str, expected: tuple[str, int] | None) -> None:
    assert split_resolver(resolver) == expected


def test_targets_on_one_line() -> None:
    assert target_of(TcpConfig("::1", 5432)) == "[::1]:5432"
    assert target_of(DnsConfig("a.test", "MX", "10.0.0.1")) == "MX a.test @10.0.0.1"
    assert target_of(PingConfig("a.test")) == "a.test"


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        ({"body_rgx": "x"}, "body_rgx", 'did you mean "body_regex"'),
        ({"clientcert": "x"}, "clientcert", 'did you mean "client_cert"'),
        ({"body_regex": "a(b"}, "body_regex", "missing ), unterminated subpattern (column 2)"),
        ({"body_regex": r"(a)\1"}, "body_regex", "back-reference"),
        ({"ca": "ca.pem"}, "ca", "expected a certificate as PEM text, or file:/absolute/path"),
        ({"ca": "file:ca.pem"}, "ca", 'found "file:ca.pem"'),
        ({"ca": "/etc/ca.pem", "verify_tls": False}, "ca", "means nothing with verify_tls"),
        ({"client_key": "file:/k.pem"}, "client_key", "means nothing without client_cert"),
        ({"http_version": 3}, "http_version", "3 is not one of 1.1, 2, auto"),
        ({"ip_version": 5}, "ip_version", "not one of 4, 6, any"),
        ({"url": "http://10.0.0.5/", "ip_version": 6}, "ip_version", "does not fit the address"),
        ({"proxy": "proxy:3128"}, "proxy", "needs its scheme"),
        ({"proxy": "http://proxy"}, "proxy", "needs its port"),
        ({"proxy": "socks5://proxy:1080"}, "proxy", '"socks5" is not http or https'),
        ({"proxy": "http://proxy:3128/path"}, "proxy", "without a path"),
        (
            {"url": "http://a/", "proxy": "http://proxy:3128", "http_version": "2"},
            "http_version",
            "does not go through a proxy",
        ),
    ],
)
def test_mistakes_in_how_a_request_travels(
    config: dict[str, object], key: str, message: str
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_config(MonitorType.HTTP, {"url": "https://a/", **config})
    (problem,) = caught.value.problems
    assert problem.path == (key,)
    assert message in problem.message


def test_a_mistake_repeats_no_secret() -> None:
    for config in (
        {"client_key": "MIIBsecret"},
        {"proxy": "http://ann:hunter2@proxy"},
        {"proxy": "ann:hunter2@proxy:3128"},
    ):
        with pytest.raises(ValidationFailed) as caught:
            parse_config(MonitorType.HTTP, {"url": "https://a/", "client_cert": "/c", **config})
        assert "secret" not in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_what_people_write_for_versions_and_files() -> None:
    def read(**more: object) -> HttpConfig:
        config = parse_config(MonitorType.HTTP, {"url": "https://a/", **more})
        assert isinstance(config, HttpConfig)
        return config

    assert read().http_version == "1.1"
    assert [read(http_version=value).http_version for value in (1.1, 2, 2.0, "2", "auto")] == [
        "1.1",
        "2",
        "2",
        "2",
        "auto",
    ]
    assert [read(ip_version=value).ip_version for value in ("any", 4, "6", None)] == [
        None,
        4,
        6,
        None,
    ]
    assert read(ca="/etc/ca.pem").ca == "file:/etc/ca.pem"


def test_keys_and_the_password_of_a_proxy_are_masked() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIBsecret\n-----END PRIVATE KEY-----\n"
    certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
    config = HttpConfig(
        "https://a/",
        client_cert=certificate,
        client_key=key,
        proxy="http://ann:hunter2@proxy:3128",
    )
    shown = masked(config)
    assert shown["client_key"] == "***"
    assert shown["client_cert"] == certificate
    assert shown["proxy"] == "http://***@proxy:3128"
    assert masked(HttpConfig("https://a/", client_cert=certificate + key))["client_cert"] == "***"
    # The name of a file is no secret, and the one thing to know when it is missing.
    named = masked(HttpConfig("https://a/", client_cert="file:/c", client_key="file:/k"))
    assert (named["client_cert"], named["client_key"]) == ("file:/c", "file:/k")


def test_a_tls_monitor_takes_the_usual_port_of_its_protocol() -> None:
    def read(**more: object) -> TlsConfig:
        config = parse_config(MonitorType.TLS, {"host": "a.test", **more})
        assert isinstance(config, TlsConfig)
        return config

    assert (read().port, read().warn_days, read().starttls) == (443, 14, None)
    assert (read(starttls="imap").port, read(starttls="imap", port=1143).port) == (143, 1143)
    assert target_of(read(starttls="smtp")) == "smtp a.test:587"
    for config, message in (
        ({"starttls": "smpt"}, 'did you mean "smtp"'),
        ({"warn_day": 3}, 'did you mean "warn_days"'),
        ({"warn_days": -1}, "outside 0 to 3,650"),
    ):
        with pytest.raises(ValidationFailed, match=re.escape(message)):
            read(**config)
