"""The promise of the program in one story: a target breaks, everybody is told, it recovers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp, timezone: Europe/Berlin, recovery_watch: 0s}}
pages:
  - {{slug: acme, name: Acme Status}}
services:
  - name: API
    group: Core
    description: Public REST API
    monitors:
      - name: health
        type: http
        interval: 5s
        timeout: 2s
        failure_threshold: 2
        retry_interval: 2s
        config: {{url: "{url}"}}
  - name: Hidden
    visible: false
"""


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


@pytest.fixture
def installation(tmp_path: Path, target: Target) -> Iterator[World]:
    with world(tmp_path) as made:
        made.write("acme.yaml", FILE.format(url=target.url))
        yield made


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.slow
def test_break_and_recover(installation: World, target: Target) -> None:
    path = str(installation.folder / "acme.yaml")
    assert installation.data("apply", path)["changes"]
    assert installation.data("apply", path)["changes"] == []
    watch = installation.serve()

    def service() -> dict[str, str]:
        (row,) = installation.public("/api/public/acme/services")
        return dict(row)

    def incidents() -> list[dict[str, object]]:
        return list(installation.public("/api/public/acme/incidents"))

    until(lambda: target.requests, seconds=15, what="the first check")
    assert service()["current_status"] == "operational"
    assert incidents() == []

    target.status = 500
    (opened,) = until(incidents, seconds=20, what="an incident on the page")
    failed = [at for at, status in target.requests if status == 500]
    assert len(failed) >= 2
    # The outage began with the first failed check, not with the one that confirmed it.
    assert abs(_moment(str(opened["started_at"])).timestamp() - failed[0]) < 0.5
    seen_after = datetime.now(UTC).timestamp() - failed[1]
    assert seen_after < 1.5, f"the page said so {seen_after:.2f} s after the deciding check"
    assert opened["is_auto"] is True
    assert opened["impact"] == "critical"
    assert service()["current_status"] == "major_outage"
    status = installation.public("/api/public/acme/status")
    assert status["overall_status"] == "major_outage"
    assert [item["code"] for item in status["active_incidents"]] == [opened["code"]]
    code, page = installation.get("/s/acme")
    assert code == 200
    assert "Major outage" in page
    assert "Hidden" not in page

    target.status = 200
    until(
        lambda: incidents()[0]["status"] == "resolved", seconds=20, what="the incident is resolved"
    )
    until(lambda: service()["current_status"] == "operational", seconds=2, what="operational again")

    watch.send_signal(signal.SIGTERM)
    assert watch.wait(5) == 0, "a clean stop ends with 0 within five seconds"


def test_the_command_line_as_scripts_use_it(installation: World) -> None:
    installation.data("apply", str(installation.folder / "acme.yaml"))
    names = {row["name"] for row in installation.data("service", "list")}
    assert names == {"API", "Hidden"}
    (monitor,) = installation.data("monitor", "list")
    assert monitor["name"] == "health"
    added = installation.data(
        "incident", "add", "--title", "Slow <b>checkout</b>", "--impact", "major",
        "--service", "API", "--message", "We look into it.",
    )  # fmt: skip
    code = added["code"]
    assert code.startswith("INC-")
    installation.data(
        "incident", "update", code, "--status", "identified", "--message", "Found the cause."
    )
    (listed,) = installation.data("incident", "list")
    assert (listed["code"], listed["status"]) == (code, "identified")
    assert listed["title"] == "Slow <b>checkout</b>"
    installation.data("incident", "resolve", code, "--message", "All well.")
    installation.refused(5, "incident", "update", code, "--status", "monitoring", "--message", "x")
    installation.refused(3, "incident", "update", "INC-ZZZZ", "--status", "identified",
                         "--message", "x")  # fmt: skip
    installation.refused(3, "incident", "resolve", "nonsense", "--message", "x")
    installation.refused(3, "incident", "add", "--title", "T", "--impact", "major", "--service",
                         "Nobody", "--message", "m")  # fmt: skip
    installation.refused(2, "incident", "add", "--title", "T", "--impact", "huge", "--service",
                         "API", "--message", "m")  # fmt: skip


def test_check_looks_once(installation: World, target: Target) -> None:
    well = installation.run("check", target.url, "--json")
    assert well.returncode == 0, well.stderr
    data = json.loads(well.stdout)["data"]
    assert data["status"] == "success"
    assert data["status_code"] == 200
    assert data["phases"]["connect_ms"] >= 0
    target.status = 503
    broken = installation.run("check", target.url, "--json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["data"]["error_kind"] == "http_status"


def test_stop_ends_this_hosts_watch(installation: World) -> None:
    installation.data("apply", str(installation.folder / "acme.yaml"))
    watch = installation.serve()
    assert installation.data("serve", "--status")["alive"] is True
    assert installation.data("serve", "--stop")["stopped"] == [watch.pid]
    assert watch.wait(5) == 0
    assert installation.data("serve", "--stop")["stopped"] == []
    assert installation.run("serve", "--status").returncode == 3
