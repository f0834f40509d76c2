"""A watch ends, or is killed, beside a silent database: what it saw waits on disk, and is kept."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from statustui.engine.spool_folder import on_disk
from statustui.runtime.registry import identity
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


def _server(data: Path) -> list[int]:
    """The embedded server's processes, its first one first."""
    first = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


@pytest.mark.slow
def test_a_stop_beside_a_frozen_server_takes_less_than_five_seconds(
    tmp_path: Path, target: Target
) -> None:
    with world(tmp_path) as installation:
        path = installation.write("acme.yaml", FILE.format(url=target.url))
        installation.data("apply", path)
        watch = installation.serve()
        until(lambda: target.requests, seconds=15, what="the first check")
        server = _server(tmp_path / "data")
        for process in server:
            os.kill(process, signal.SIGSTOP)
        try:
            seen = len(target.requests)
            until(lambda: len(target.requests) > seen, seconds=15, what="a check without database")
            begun = time.monotonic()
            watch.send_signal(signal.SIGTERM)
            # No result is lost; but the server that was started from here does not end.
            assert watch.wait(15) == 6
            assert time.monotonic() - begun < 5
            looked = len(target.requests)
            waiting = on_disk(tmp_path / "data" / "spool" / identity("embedded"))
            assert waiting.bytes > 0
        finally:
            for process in server:
                os.kill(process, signal.SIGCONT)
        log = (tmp_path / "serve.log").read_text()
        assert "wait on disk" in log
        assert "results were lost" not in log
        assert "Traceback" not in log
        assert "results wait for the database" in installation.run("serve", "--status").stdout
        installation.serve()
        until(lambda: _checks(installation) >= looked, seconds=15, what="what waited is written")
        installation.data("monitor", "pause", "API/health")
        until(
            lambda: _checks(installation) == len(target.requests),
            seconds=20,
            what="every request that the target answered is one stored check",
        )
        assert "on this host's disk" not in installation.run("serve", "--status").stdout


@pytest.mark.slow
def test_a_watch_that_is_killed_loses_less_than_a_second_of_results(
    tmp_path: Path, target: Target
) -> None:
    with world(tmp_path) as installation:
        installation.data("apply", installation.write("acme.yaml", FILE.format(url=target.url)))
        watch = installation.serve()
        until(lambda: target.requests, seconds=15, what="the first check")
        folder = tmp_path / "data" / "spool" / identity("embedded")
        server = _server(tmp_path / "data")
        for process in server:
            os.kill(process, signal.SIGSTOP)
        try:
            seen = len(target.requests)
            until(lambda: len(target.requests) > seen, seconds=15, what="a check without database")
            until(lambda: on_disk(folder).bytes, seconds=3, what="its result is on disk")
            watch.kill()
            watch.wait()
            looked = len(target.requests)
        finally:
            for process in server:
                os.kill(process, signal.SIGCONT)
        installation.serve()
        until(lambda: _checks(installation) >= looked, seconds=20, what="what waited is written")
        assert "Traceback" not in (tmp_path / "serve.log").read_text()


def _checks(place: World) -> int:
    (service,) = place.public("/api/public/acme/uptime?days=2")["services"]
    return sum(day["total_checks"] or 0 for day in service["days"])
