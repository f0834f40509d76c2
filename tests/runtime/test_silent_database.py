"""A watch is asked to stop while its database is silent: it says what is lost, and it ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import Target, until, world

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
            assert watch.wait(15) != 0, "a stop that lost results is no success"
            assert time.monotonic() - begun < 5
        finally:
            for process in server:
                os.kill(process, signal.SIGCONT)
        log = (tmp_path / "serve.log").read_text()
        assert "results were lost" in log
        assert "Traceback" not in log
