"""What a scrape reads: every metric in its form, hostile names harmless, nothing invented."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from statustui.domain.enginemetrics import (
    DatabaseFigures,
    EngineSnapshot,
    Histogram,
    MetricsSnapshot,
    MonitorName,
    ProbeSnapshot,
    WebSnapshot,
)
from statustui.domain.observation import Phases
from statustui.domain.status import CheckStatus, Impact, MonitorState, MonitorType
from statustui.presenters.metrics import FAMILIES, write_metrics

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def histogram(*seconds: float) -> Histogram:
    made = Histogram()
    for each in seconds:
        made.add(each)
    return made


HTTP = ProbeSnapshot(
    key=1,
    type=MonitorType.HTTP,
    at=AT - timedelta(seconds=5),
    interval_seconds=30,
    timeout_ms=5_000,
    status=CheckStatus.SUCCESS,
    duration_ms=12.5,
    phases=Phases(0.5, 1.0, 2.0, 8.0, 1.0),
    status_code=200,
    certificate_not_after=AT + timedelta(days=30),
)
PING = replace(
    HTTP,
    key=2,
    type=MonitorType.PING,
    phases=Phases(resolve_ms=0.25),
    duration_ms=0.5,
    status_code=None,
    certificate_not_after=None,
)
DOWN = replace(HTTP, key=3, status=CheckStatus.TIMEOUT, phases=Phases(0.5), status_code=None)
BLIND = replace(PING, key=4, status=CheckStatus.UNKNOWN)
SNAPSHOT = MetricsSnapshot(
    at=AT,
    version="1.2.3",
    engine=EngineSnapshot(
        checks={
            (MonitorType.HTTP, CheckStatus.SUCCESS): 7,
            (MonitorType.HTTP, CheckStatus.TIMEOUT): 1,
            (MonitorType.PING, CheckStatus.SUCCESS): 3,
        },
        lateness=histogram(0.0005, 0.002, 0.002, 60.0).frozen(),
        flush=histogram(0.02).frozen(),
        queued=4,
        spooled=2,
        lost=1,
        region="eu-1",
        probes=(HTTP, PING, DOWN, BLIND),
    ),
    figures=DatabaseFigures(
        names={
            1: MonitorName("acme", "API", "health"),
            2: MonitorName("acme", "API", "ping"),
            3: MonitorName("acme", "Web", "health"),
            4: MonitorName("acme", "Web", "ping"),
        },
        engines={("eu-1", "alive"): 2, ("us-1", "silent"): 1},
        monitors={MonitorState.UP: 3, MonitorState.DOWN: 1},
        incidents={Impact.MAJOR: 1},
        notifications={("mail", "delivered"): 5, ("mail", "failed"): 0, ("mail", "given_up"): 1},
    ),
    figures_age_seconds=1.25,
    web=WebSnapshot({("page", 200): 9, ("page", 304): 2, ("other", 404): 1}),
)


def read(snapshot: MetricsSnapshot) -> Samples:
    """What the library's own parser finds."""
    text = write_metrics(snapshot).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_every_metric_is_there() -> None:
    samples = read(SNAPSHOT)
    api = {"organization": "acme", "service": "API", "monitor": "health", "region": "eu-1"}
    ping = {**api, "monitor": "ping"}
    for name, labels, expected in (
        ("probe_success", api, 1.0),
        ("probe_duration_seconds", api, 0.0125),
        ("probe_http_status_code", api, 200.0),
        ("probe_http_duration_seconds", {**api, "phase": "processing"}, 0.008),
        ("probe_http_duration_seconds", {**api, "phase": "tls"}, 0.002),
        ("probe_dns_lookup_time_seconds", api, 0.0005),
        ("probe_ssl_earliest_cert_expiry", api, (AT + timedelta(days=30)).timestamp()),
        ("probe_icmp_duration_seconds", {**ping, "phase": "rtt"}, 0.0005),
        ("probe_success", {**api, "service": "Web"}, 0.0),
        ("probe_http_status_code", {**api, "service": "Web"}, 0.0),
        ("statustui_build_info", {"version": "1.2.3"}, 1.0),
        ("statustui_checks_total", {"type": "http", "status": "success"}, 7.0),
        ("statustui_check_lateness_seconds_bucket", {"le": "0.001"}, 1.0),
        ("statustui_check_lateness_seconds_bucket", {"le": "0.0025"}, 3.0),
        ("statustui_check_lateness_seconds_bucket", {"le": "10.0"}, 3.0),
        ("statustui_check_lateness_seconds_bucket", {"le": "+Inf"}, 4.0),
        ("statustui_check_lateness_seconds_count", {}, 4.0),
        ("statustui_check_lateness_seconds_sum", {}, 60.0045),
        ("statustui_flush_seconds_count", {}, 1.0),
        ("statustui_results_queued", {}, 4.0),
        ("statustui_results_spooled", {}, 2.0),
        ("statustui_results_lost_total", {}, 1.0),
        ("statustui_engines", {"region": "us-1", "state": "silent"}, 1.0),
        ("statustui_monitors", {"state": "down"}, 1.0),
        ("statustui_monitors", {"state": "paused"}, 0.0),
        ("statustui_incidents_open", {"impact": "major"}, 1.0),
        ("statustui_incidents_open", {"impact": "critical"}, 0.0),
        ("statustui_notifications_total", {"channel": "mail", "outcome": "given_up"}, 1.0),
        ("statustui_database_figures_age_seconds", {}, 1.25),
        ("statustui_http_requests_total", {"route": "page", "code": "304"}, 2.0),
        ("statustui_sse_clients", {}, 0.0),
    ):
        assert value(samples, name, **labels) == pytest.approx(expected), (name, labels)
    text = write_metrics(SNAPSHOT).decode()
    written = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert written == {family.name for family in FAMILIES}, "each is written, and no other"


def test_what_was_not_seen_is_not_written() -> None:
    samples = read(SNAPSHOT)
    blind = {"organization": "acme", "service": "Web", "monitor": "ping", "region": "eu-1"}
    assert value(samples, "probe_success", **blind) is None
    assert value(samples, "probe_duration_seconds", **blind) == 0.0005
    late = replace(SNAPSHOT, at=AT + timedelta(seconds=91))
    assert not any(name.startswith("probe_") for name, _ in read(late))
    nameless = replace(SNAPSHOT, figures=None, web=None)
    names = {name for name, _ in read(nameless)}
    assert not any(name.startswith(("probe_", "statustui_engines")) for name in names)
    assert "statustui_checks_total" in names


@settings(max_examples=60, deadline=5_000)
@given(st.text(max_size=20) | st.sampled_from(['a"b', "a\\", "a\nb", "\x1b[31m", "a{b}", "#"]))
def test_names_cannot_break_the_format(name: str) -> None:
    figures = DatabaseFigures(
        names={1: MonitorName(name, name, name)},
        notifications={(name, "delivered"): 1},
        engines={(name, "alive"): 1},
    )
    samples = read(replace(SNAPSHOT, figures=figures))
    assert sum(metric == "probe_success" for metric, _ in samples) == 1
    assert sum(metric == "statustui_notifications_total" for metric, _ in samples) == 1
    long = MonitorName("a" * 500, "b", "c")
    ((_, labels),) = [
        key
        for key in read(replace(SNAPSHOT, figures=DatabaseFigures(names={1: long})))
        if key[0] == "probe_success"
    ]
    assert len(dict(labels)["organization"]) == 200


def test_channels_of_one_name_are_counted_together() -> None:
    names = {("a", "delivered"): 1, ("a\n", "delivered"): 2}
    samples = read(replace(SNAPSHOT, figures=DatabaseFigures(notifications=names)))
    assert value(samples, "statustui_notifications_total", channel="a", outcome="delivered") == 3


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=write_metrics(SNAPSHOT),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
