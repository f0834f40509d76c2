"""The watch as a process: how it ends, who checks when there are two, and what a crash costs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp}}
services:
  - name: API
    monitors:
      - {{name: health, type: http, interval: 5s, timeout: 2s, config: {{url: "{url}"}}}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("serve")) as made:
        made.data("apply", made.write("acme.yaml", FILE.format(url=target.url)))
        yield made


@pytest.fixture
def second(installation: World, tmp_path: Path) -> Iterator[World]:
    """The same data from a second place, with a port of its own."""
    with world(tmp_path) as made:
        made.environment["STATUSTUI_DATA_DIR"] = installation.environment["STATUSTUI_DATA_DIR"]
        yield made


def _process(engine: dict[str, Any]) -> int:
    return int(engine["holder"].rpartition(":")[2])


def _engine(place: World) -> str:
    try:
        return str(json.loads(place.get("/healthz")[1])["engine"])
    except OSError:
        return "gone"


def _checks_shown(place: World) -> int:
    (service,) = place.public("/api/public/acme/uptime?days=2")["services"]
    return sum(day["total_checks"] or 0 for day in service["days"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(installation: World, number: signal.Signals) -> None:
    watch = installation.serve()
    watch.send_signal(number)
    assert watch.wait(5) == 0
    log = (installation.folder / "serve.log").read_text()
    assert log.rstrip().endswith("stopped")
    assert "Traceback" not in log


def test_a_port_in_use_is_said_and_ends_it(installation: World) -> None:
    watch = installation.serve()
    other = installation.run("serve")
    assert other.returncode == 1
    assert f"127.0.0.1:{installation.port}: the port is in use" in other.stderr
    assert "--port" in other.stderr
    assert "Traceback" not in other.stderr
    assert watch.poll() is None
    until(lambda: _engine(installation) == "active", seconds=10, what="the watch goes on")
    assert installation.data("serve", "--stop")["stopped"] == [watch.pid]
    assert watch.wait(5) == 0


def test_two_watches_share_and_one_takes_over_when_the_other_was_killed(
    installation: World, second: World, target: Target
) -> None:
    first = installation.serve()
    until(lambda: _engine(installation) == "active", seconds=15, what="the first watch checks")
    other = second.serve()
    until(lambda: _engine(second) == "active", seconds=15, what="the second one takes its part")
    report = installation.data("serve", "--status")
    assert {entry["pid"] for entry in report["this_host"]} == {first.pid, other.pid}
    assert [_process(entry) for entry in report["engines"]] == [first.pid, other.pid]
    assert report["holder"].endswith(f":{first.pid} and 1 more")

    first.kill()
    first.wait()
    seen = len(target.requests)
    until(lambda: len(target.requests) > seen, seconds=15, what="the checks go on")

    def is_alone() -> bool:
        found = installation.data("serve", "--status")["engines"]
        return [(_process(entry), entry["share"]) for entry in found] == [(other.pid, 1.0)]

    until(is_alone, seconds=15, what="the other has all of it")
    report = installation.data("serve", "--status")
    assert report["holder"].endswith(f":{other.pid}")
    # The lock of the killed one is free, so it is not taken for alive.
    assert [entry["pid"] for entry in report["this_host"]] == [other.pid]
    other.send_signal(signal.SIGTERM)
    assert other.wait(5) == 0


def test_a_killed_database_is_restarted_and_no_result_is_lost(
    tmp_path: Path,
) -> None:
    target = Target()
    try:
        with world(tmp_path) as installation:
            installation.data("apply", installation.write("acme.yaml", FILE.format(url=target.url)))
            _kill_the_database_under_a_watch(installation, target)
    finally:
        target.close()


def _kill_the_database_under_a_watch(installation: World, target: Target) -> None:
    data = Path(installation.environment["STATUSTUI_DATA_DIR"])
    watch = installation.serve()
    until(lambda: _engine(installation) == "active", seconds=15, what="the watch checks")
    until(lambda: installation.status("/s/acme") == 200, seconds=5, what="the page is there")
    seen = len(target.requests)
    until(lambda: len(target.requests) > seen, seconds=10, what="a check")

    # The newest result is still on its way to the database when that dies.
    postmaster = data / "postgres" / "postmaster.pid"
    killed = int(postmaster.read_text().split()[0])
    os.kill(killed, signal.SIGKILL)
    assert installation.status("/s/acme") == 200

    def restarted() -> bool:
        assert installation.status("/s/acme") == 200, "the page answers meanwhile"
        try:
            lines = postmaster.read_text().split()
        except FileNotFoundError:
            return False
        return bool(lines) and int(lines[0]) != killed

    until(restarted, seconds=15, what="the watch starts the database again")
    before = len(target.requests)
    until(lambda: len(target.requests) > before, seconds=15, what="the checks go on")
    # The page's figures follow within seconds; looks that go on meanwhile would stay ahead of them.
    installation.data("monitor", "pause", "API/health")
    until(
        lambda: _checks_shown(installation) == len(target.requests),
        seconds=20,
        what="every request that the target answered is a stored check",
    )
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(5) == 0
