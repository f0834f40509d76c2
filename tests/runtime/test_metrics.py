"""A watch's metrics as Prometheus finds them: true, also while the database is silent."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp}}
services:
  - name: API
    monitors:
      - {{name: health, type: http, interval: 5s, timeout: 2s, config: {{url: "{url}"}}}}
"""


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


def scrape(installation: World) -> str:
    with urllib.request.urlopen(installation.metrics, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def value(text: str, name: str, **labels: str) -> float | None:
    """The sum of the samples that have these labels, None without any."""
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None


@pytest.mark.slow
def test_a_watch_tells_what_it_does_also_beside_a_silent_database(
    tmp_path: Path, target: Target
) -> None:
    with world(tmp_path) as installation:
        installation.data("apply", installation.write("acme.yaml", FILE.format(url=target.url)))
        installation.serve()
        until(lambda: installation.metrics, seconds=10, what="the address of the metrics")
        api = {"organization": "acme", "service": "API", "monitor": "health", "region": "local"}
        until(
            lambda: value(scrape(installation), "probe_success", **api) == 1,
            seconds=20,
            what="the first look",
        )
        installation.status("/s/acme")
        text = scrape(installation)
        assert value(text, "probe_http_status_code", **api) == 200
        checks = value(text, "statustui_checks_total", type="http", status="success")
        assert checks is not None
        assert checks >= 1
        assert value(text, "statustui_http_requests_total", route="page", code="200") == 1
        until(
            lambda: value(scrape(installation), "statustui_engines", state="alive") == 1,
            seconds=10,
            what="the engine among the figures",
        )
        assert value(text, "statustui_monitors") == 1
        assert value(text, "statustui_incidents_open") == 0
        until(
            lambda: (value(scrape(installation), "statustui_flush_seconds_count") or 0) >= 1,
            seconds=10,
            what="a batch that was written",
        )
        if (promtool := shutil.which("promtool")) is not None:
            done = subprocess.run(
                [promtool, "check", "metrics"],
                input=scrape(installation),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        first = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        server = [first, *map(int, children)]
        for process in server:
            os.kill(process, signal.SIGSTOP)
        try:
            before = len(target.requests)
            until(lambda: len(target.requests) > before, seconds=15, what="a look meanwhile")
            begun = time.monotonic()
            text = scrape(installation)
            assert time.monotonic() - begun < 2
            assert (value(text, "statustui_database_figures_age_seconds") or 0) > 0
            assert value(text, "statustui_monitors") == 1, "as last known"
            assert value(text, "probe_success", **api) == 1
            until(
                lambda: (value(scrape(installation), "statustui_results_queued") or 0) >= 1,
                seconds=10,
                what="a result that waits",
            )
        finally:
            for process in server:
                os.kill(process, signal.SIGCONT)
        assert "Traceback" not in (tmp_path / "serve.log").read_text()


@pytest.mark.slow
def test_a_port_in_use_is_said_and_the_watch_goes_on(tmp_path: Path, target: Target) -> None:
    with socket.socket() as taken, world(tmp_path) as installation:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        installation.environment["STATUSTUI_METRICS__PORT"] = str(port)
        installation.data("apply", installation.write("acme.yaml", FILE.format(url=target.url)))
        installation.serve()
        until(lambda: target.requests, seconds=15, what="the first look")
        log = (tmp_path / "serve.log").read_text()
        assert f"metrics are not served: 127.0.0.1:{port}: the port is in use" in log
        assert "STATUSTUI_METRICS__PORT" in log


@pytest.mark.slow
def test_metrics_can_be_left_out(tmp_path: Path) -> None:
    with world(tmp_path) as installation:
        installation.environment["STATUSTUI_METRICS__ENABLED"] = "false"
        installation.serve()
        assert installation.metrics == ""
