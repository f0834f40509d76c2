"""Leaving the dashboard while the watch that it started goes on: the shell says what is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tmux import needs_tmux, terminal
from tests.support.world import Target, World, world

FILE = """
organization: {{slug: acme, name: Acme Corp}}
services:
  - name: Website
    monitors:
      - {{name: home, type: http, interval: 5s, timeout: 2s, config: {{url: "{url}"}}}}
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[World]:
    target = Target()
    with world(tmp_path) as made:
        made.data("apply", made.write("acme.yaml", FILE.format(url=target.url)))
        yield made
    target.close()


@pytest.mark.slow
@pytest.mark.tmux
@needs_tmux
def test_what_goes_on_is_said_after_leaving(installation: World, tmp_path: Path) -> None:
    with terminal(
        tmp_path, installation.command(), installation.environment, columns=120
    ) as screen:
        screen.shows("Website", seconds=40)
        screen.press("q", "q")
        screen.shows("leave it running")
        screen.press("l")
        shown = screen.shows("the watch goes on", "ended with 0")
        assert installation.get("/healthz")[0] == 200
    found = re.search(r"the watch goes on \(process (\d+)\): page (\S+); (.*)", shown)
    assert found is not None, shown
    assert found[2] == f"{installation.page}/s/acme"
    assert installation.get("/s/acme")[0] == 200
    assert found[3].strip() == "`statustui serve --stop` ends it"
    stopped = installation.run("serve", "--stop")
    assert found[1] in stopped.stdout
