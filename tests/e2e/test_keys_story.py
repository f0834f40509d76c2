"""One incident carried by keys alone, in a real terminal of 80 by 24, as the public reads it."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import chromium
from tests.support.chromium import needs_chromium
from tests.support.tmux import needs_tmux, terminal
from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp, recovery_watch: 300s}}
pages:
  - {{slug: acme, name: Acme Status}}
services:
  - name: Website
    group: Web
    monitors:
      - {{name: home, type: http, interval: 5s, timeout: 2s, config: {{url: "{well}"}}}}
  - name: Checkout
    group: Money
    monitors:
      - name: health
        type: http
        interval: 5s
        timeout: 2s
        failure_threshold: 1
        config: {{url: "{url}"}}
"""
WORDS = "Payments fail <b>for all</b>. We found the cause."


@pytest.fixture
def targets() -> Iterator[tuple[Target, Target]]:
    made = Target(), Target()
    yield made
    for target in made:
        target.close()


@pytest.fixture
def installation(tmp_path: Path, targets: tuple[Target, Target]) -> Iterator[World]:
    well, broken = targets
    with world(tmp_path) as made:
        made.environment["STATUSTUI_TERMINAL__PUBLIC_DELAY_SECONDS"] = "3"
        path = made.write("acme.yaml", FILE.format(well=well.url, url=broken.url))
        made.data("apply", path)
        yield made


@pytest.mark.slow
@pytest.mark.tmux
@pytest.mark.chromium
@needs_tmux
@needs_chromium
def test_carry_an_incident_by_keys(
    installation: World, targets: tuple[Target, Target], tmp_path: Path
) -> None:
    broken = targets[1]
    broken.status = 503
    installation.serve()

    def newest() -> dict[str, Any]:
        found = installation.public("/api/public/acme/incidents")
        return dict(found[0]) if found else {}

    code = until(newest, seconds=20, what="an automatic incident")["code"]
    command = installation.command()
    with terminal(tmp_path, command, installation.environment) as screen:
        # What is broken, since when and why stands there without a key.
        first = screen.shows("outage", "Checkout", code, "unacked", "503")
        assert "Website" not in first.splitlines()[4]

        screen.press("a")
        screen.shows("1 outage", "Checkout")
        until(
            lambda: "unacked" not in screen.screen(), seconds=5, what="the incident is acknowledged"
        )

        screen.press("u")
        screen.shows("PUBLIC UPDATE", "Text")
        screen.type(WORDS)
        screen.shows("draft saved")
        screen.press("C-s")
        screen.shows("BEFORE YOU POST")
        # The preview does not listen for its first 400 ms, so that nothing typed ahead publishes.
        screen.press("p")
        assert "BEFORE YOU POST" in screen.screen()
        time.sleep(0.6)
        screen.press("p")
        screen.shows(code, "U")

        def told() -> bool:
            return WORDS in [update["message"] for update in newest()["updates"]]

        until(told, seconds=8, what="the public API has the words")
        page = chromium.document(f"{installation.page}/s/acme")
        assert html.escape(WORDS, quote=False) in page
        assert "<b>for all</b>" not in page

        broken.status = 200
        until(
            lambda: installation.public("/api/public/acme/status")["overall_status"],
            seconds=1,
            what="an overall status",
        )
        until(
            lambda: (
                installation.public("/api/public/acme/status")["overall_status"] == "operational"
            ),
            seconds=15,
            what="the service is well again",
        )
        screen.press("r")
        screen.shows("4 resolved")
        screen.type(" All payments go through again.")
        screen.press("C-s")
        screen.shows("BEFORE YOU POST")
        time.sleep(0.6)
        screen.press("p")
        until(lambda: newest()["status"] == "resolved", seconds=10, what="it is resolved")
        screen.press("q", "q", "q", "q")
        screen.shows("ended with 0")
    # Closing the terminal stopped no check.
    assert installation.status("/healthz") == 200
