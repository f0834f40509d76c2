"""Writes what was counted and measured in Prometheus' text format.

Names and labels of `probe_…` are those that dashboards for the blackbox exporter know. Only what
was seen is written: a look that nobody could have (`unknown`) has no `probe_success`, and the last
look of a monitor that is paused or watched elsewhere is left out when it is old.

`FAMILIES` says what there is; the reference page is made from it, and what is not in it is not
written. The few figures of the program itself are written by prometheus-client, on a registry of
their own. The eleven lines of each monitor are written here: by the library, a scrape of 5,000
monitors took ten times as long, longer than all their checks between two scrapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from statustui.domain.enginemetrics import (
    SECONDS_BOUNDS,
    DatabaseFigures,
    FrozenHistogram,
    MetricsSnapshot,
    ProbeSnapshot,
)
from statustui.domain.status import Impact, MonitorState, MonitorType
from statustui.domain.text import clean, shorten

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        kind: "gauge", "counter" or "histogram".
        help: one sentence; labels: in their order.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


_MONITOR = ("organization", "service", "monitor", "region")

PROBE_FAMILIES = (
    Family(
        "probe_success",
        "gauge",
        "Whether the last look succeeded (degraded included); absent when nobody could look.",
        _MONITOR,
    ),
    Family("probe_duration_seconds", "gauge", "How long the last look took.", _MONITOR),
    Family(
        "probe_http_status_code",
        "gauge",
        "HTTP status of the last look, 0 without an answer.",
        _MONITOR,
    ),
    Family(
        "probe_http_duration_seconds",
        "gauge",
        "How long each phase of the last HTTP look took.",
        (*_MONITOR, "phase"),
    ),
    Family(
        "probe_dns_lookup_time_seconds",
        "gauge",
        "How long resolving the name took in the last look.",
        _MONITOR,
    ),
    Family(
        "probe_ssl_earliest_cert_expiry",
        "gauge",
        "When the certificate that was shown last ends, in seconds since 1970.",
        _MONITOR,
    ),
    Family(
        "probe_icmp_duration_seconds",
        "gauge",
        "How long each phase of the last ping took.",
        (*_MONITOR, "phase"),
    ),
)
"""Of each monitor: the last look from here."""

OWN_FAMILIES = (
    Family("statustui_build_info", "gauge", "Always 1; the version is its label.", ("version",)),
    Family(
        "statustui_checks_total",
        "counter",
        "Checks that this engine made since its start.",
        ("type", "status"),
    ),
    Family(
        "statustui_check_lateness_seconds",
        "histogram",
        "Start of a check minus the slot that it belongs to; extra looks are left out.",
    ),
    Family(
        "statustui_results_queued",
        "gauge",
        "Results in memory that are not in the database yet.",
    ),
    Family(
        "statustui_results_spooled",
        "gauge",
        "Results on disk that are not in the database yet.",
    ),
    Family(
        "statustui_results_lost_total",
        "counter",
        "Results that were given up since the start.",
    ),
    Family("statustui_flush_seconds", "histogram", "How long writing a batch of results took."),
    Family(
        "statustui_engines",
        "gauge",
        "Engines of the installation: alive, offline (lost its own network), silent.",
        ("region", "state"),
    ),
    Family("statustui_monitors", "gauge", "Monitors of the installation by state.", ("state",)),
    Family("statustui_incidents_open", "gauge", "Open incidents of the installation.", ("impact",)),
    Family(
        "statustui_notifications_total",
        "counter",
        "Deliveries: delivered, failed (attempts that did not get through), given_up.",
        ("channel", "outcome"),
    ),
    Family(
        "statustui_database_figures_age_seconds",
        "gauge",
        "Age of what was read from the database: engines, monitors, incidents, notifications.",
    ),
    Family(
        "statustui_http_requests_total",
        "counter",
        "Requests that the page answered since the start.",
        ("route", "code"),
    ),
    Family("statustui_sse_clients", "gauge", "Clients that listen to the page's events now."),
)
"""Of the program itself."""

FAMILIES = (*PROBE_FAMILIES, *OWN_FAMILIES)
"""Every metric, in the order in which they are written."""

_Sample = tuple[tuple[str, ...], float]


def write_metrics(snapshot: MetricsSnapshot) -> bytes:
    """The whole answer to a scrape.

    Args:
        snapshot: what was counted and measured.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(snapshot))
    return write_probes(snapshot).encode() + generate_latest(registry)


class _Snapshot(Collector):
    """Hands one snapshot to a registry of its own; nothing of the process is shared."""

    def __init__(self, snapshot: MetricsSnapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot
        samples = _own(snapshot)
        if snapshot.figures is not None:
            samples |= _figures(snapshot.figures, snapshot.figures_age_seconds)
        histograms = {
            "statustui_check_lateness_seconds": snapshot.engine.lateness,
            "statustui_flush_seconds": snapshot.engine.flush,
        }
        for family in OWN_FAMILIES:
            if family.name in histograms:
                yield _histogram(family, histograms[family.name])
            elif samples.get(family.name):
                yield _plain(family, samples[family.name])


def _plain(family: Family, samples: Iterable[_Sample]) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name.removesuffix("_total"), family.help, labels=family.labels)
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


def _histogram(family: Family, seen: FrozenHistogram) -> Metric:
    metric = HistogramMetricFamily(family.name, family.help)
    bounds = [*map(str, SECONDS_BOUNDS), "+Inf"]
    reached = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, seen.counts, strict=True):
        reached += count
        buckets.append((bound, reached))
    metric.add_metric((), buckets, seen.total)
    return metric


def _own(snapshot: MetricsSnapshot) -> dict[str, list[_Sample]]:
    engine = snapshot.engine
    samples: dict[str, list[_Sample]] = {
        "statustui_build_info": [((_label(snapshot.version),), 1)],
        "statustui_checks_total": [
            ((str(kind), str(status)), count)
            for (kind, status), count in sorted(engine.checks.items())
        ],
        "statustui_results_queued": [((), engine.queued)],
        "statustui_results_spooled": [((), engine.spooled)],
        "statustui_results_lost_total": [((), engine.lost)],
    }
    if snapshot.web is not None:
        samples["statustui_http_requests_total"] = [
            ((route, str(code)), count)
            for (route, code), count in sorted(snapshot.web.requests.items())
        ]
        samples["statustui_sse_clients"] = [((), snapshot.web.sse_clients)]
    return samples


def _figures(figures: DatabaseFigures, age_seconds: float) -> dict[str, list[_Sample]]:
    notifications: dict[tuple[str, ...], float] = {}
    for (channel, outcome), count in figures.notifications.items():
        # Channels of several organizations may have one name.
        labels = (_label(channel), outcome)
        notifications[labels] = notifications.get(labels, 0) + count
    return {
        "statustui_engines": [
            ((_label(region), state), count)
            for (region, state), count in sorted(figures.engines.items())
        ],
        "statustui_monitors": [
            ((str(state),), figures.monitors.get(state, 0)) for state in MonitorState
        ],
        "statustui_incidents_open": [
            ((str(impact),), figures.incidents.get(impact, 0)) for impact in Impact
        ],
        "statustui_notifications_total": sorted(notifications.items()),
        "statustui_database_figures_age_seconds": [((), round(age_seconds, 3))],
    }


def write_probes(snapshot: MetricsSnapshot) -> str:
    """The last looks, of monitors whose names are known."""
    names = snapshot.figures.names if snapshot.figures is not None else {}
    region = _escaped(snapshot.engine.region)
    lines: dict[str, list[str]] = {family.name: [] for family in PROBE_FAMILIES}
    for probe in snapshot.engine.probes:
        name = names.get(probe.key)
        if name is None or probe.is_stale(snapshot.at):
            continue
        # Read by every line of this monitor; escaped once.
        labels = f'monitor="{_escaped(name.monitor)}",organization="{_escaped(name.organization)}"'
        rest = f'region="{region}",service="{_escaped(name.service)}"'
        for metric, phase, value in _of_probe(probe):
            further = f'phase="{phase}",' if phase else ""
            lines[metric].append(f"{metric}{{{labels},{further}{rest}}} {value!r}")
    blocks: list[str] = []
    for family in PROBE_FAMILIES:
        if lines[family.name]:
            blocks.append(f"# HELP {family.name} {family.help}")
            blocks.append(f"# TYPE {family.name} {family.kind}")
            blocks += lines[family.name]
    return "\n".join(blocks) + "\n" if blocks else ""


def _of_probe(probe: ProbeSnapshot) -> Iterator[tuple[str, str, float]]:
    """Metric, phase and value of everything that is known of a look."""
    phases = probe.phases
    if probe.status.looked:
        yield "probe_success", "", float(probe.status.succeeded)
    yield "probe_duration_seconds", "", probe.duration_ms / 1000
    if phases.resolve_ms is not None:
        yield "probe_dns_lookup_time_seconds", "", phases.resolve_ms / 1000
    if probe.certificate_not_after is not None:
        yield "probe_ssl_earliest_cert_expiry", "", probe.certificate_not_after.timestamp()
    if probe.type is MonitorType.HTTP:
        yield "probe_http_status_code", "", float(probe.status_code or 0)
        for phase, spent in (
            ("resolve", phases.resolve_ms),
            ("connect", phases.connect_ms),
            ("tls", phases.tls_ms),
            ("processing", phases.first_byte_ms),
            ("transfer", phases.transfer_ms),
        ):
            if spent is not None:
                yield "probe_http_duration_seconds", phase, spent / 1000
    elif probe.type is MonitorType.PING:
        if phases.resolve_ms is not None:
            yield "probe_icmp_duration_seconds", "resolve", phases.resolve_ms / 1000
        if probe.status.succeeded:
            yield "probe_icmp_duration_seconds", "rtt", probe.duration_ms / 1000


def _label(text: str) -> str:
    """A name as a label's value: harmless, and not longer than anybody reads."""
    return shorten(clean(text), _LONGEST_LABEL)


def _escaped(text: str) -> str:
    """A label's value as it stands between quotes; line ends are gone already."""
    return _label(text).replace("\\", "\\\\").replace('"', '\\"')
