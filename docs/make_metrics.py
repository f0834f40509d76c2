"""Writes docs/reference/metrics.md from the metrics themselves, so that the two cannot differ."""

from __future__ import annotations

from pathlib import Path

from statustui.domain.enginemetrics import SECONDS_BOUNDS
from statustui.presenters.metrics import OWN_FAMILIES, PROBE_FAMILIES, Family

TARGET = Path(__file__).parent / "reference" / "metrics.md"

INTRODUCTION = """# Metrics

Made from the code by `python docs/make_metrics.py`; do not edit by hand.

Every watch serves `/metrics` in Prometheus' text format on a port of its own (`metrics.port`, by
default 9859 on loopback; see [settings](settings.md)). A port in use is said in the log and stops
nothing. A scrape is answered from memory and never waits for the database: what comes from there is
read every five seconds while somebody scrapes, and its age is a metric too.

```yaml
scrape_configs:
  - job_name: statustui
    static_configs: [{targets: ["127.0.0.1:9859"]}]
```

"""

_PROBES = """## Of each monitor

The last look of this watch's engine, in the names that dashboards for the blackbox exporter know. A
look that nobody could have says nothing about success, and the last look of a monitor that is
paused, gone or watched by another engine disappears after three intervals.

`probe_http_duration_seconds` has the phases `resolve`, `connect`, `tls`, `processing` and
`transfer`; `probe_icmp_duration_seconds` has `resolve` and `rtt`.
"""

_OWN = """
## Of the program

Counters begin at zero when the watch starts. Histograms have buckets up to {bounds} s.
Figures of the installation (engines, monitors, incidents, notifications) are the same in every
watch: take them from one.
"""


def page() -> str:
    """The page's text."""
    bounds = ", ".join(f"{bound:g}" for bound in SECONDS_BOUNDS)
    return (
        INTRODUCTION
        + _PROBES
        + _table(PROBE_FAMILIES)
        + _OWN.format(bounds=bounds)
        + _table(OWN_FAMILIES)
    )


def _table(families: tuple[Family, ...]) -> str:
    rows = ["", "| metric | kind | labels | |", "|---|---|---|---|"]
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
