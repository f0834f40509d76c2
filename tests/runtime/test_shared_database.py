"""A team's installation: a PostgreSQL that asks everybody for a password, and two hosts."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import has_distribution_15
from tests.support.scram_server import ADMIN, PASSWORD, ScramServer, scram_server
from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp, recovery_watch: 0s}}
services:
  - name: API
    monitors:
      - {{name: health, type: http, interval: 5s, timeout: 2s, config: {{url: "{url}"}}}}
"""


@pytest.fixture(scope="module")
def server(databases_folder: Path, worker_id: str) -> Iterator[ScramServer]:
    if not has_distribution_15():
        pytest.skip("PostgreSQL 15 of the distribution is not installed")
    folder = databases_folder / f"scram-{worker_id}"
    folder.mkdir(mode=0o711)
    with scram_server(folder) as made:
        yield made


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


def _as(host: World, server: ScramServer, role: str, password: str) -> None:
    host.environment["STATUSTUI_DATABASE_URL"] = server.address(role, password, "status")


@pytest.mark.slow
async def test_a_team_on_a_server_with_passwords(
    server: ScramServer, tmp_path: Path, target: Target
) -> None:
    await server.execute(
        "CREATE DATABASE status",
        "CREATE ROLE alice LOGIN PASSWORD 'al'",
        "CREATE ROLE bob LOGIN PASSWORD 'bo'",
        "CREATE ROLE carl LOGIN PASSWORD 'ca'",
    )
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with world(tmp_path / "one") as here, world(tmp_path / "two") as there:
        file = here.write("acme.yaml", FILE.format(url=target.url))

        # Whoever may not prepare the database is told who may; nothing is left behind.
        _as(here, server, "alice", "al")
        told = here.run("apply", file)
        assert told.returncode == 4, told.stderr
        assert "statustui init" in told.stderr
        assert "superuser" in told.stderr
        assert "alice@127.0.0.1" in told.stderr
        assert ":al@" not in told.stderr

        # Whoever may prepares it on the way, and the watch's passwords are kept for this host.
        _as(here, server, ADMIN, PASSWORD)
        assert here.data("apply", file)["changes"]
        assert here.data("apply", file)["changes"] == []
        (kept,) = (tmp_path / "one" / "data" / "roles").glob("*.json")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        watch = here.serve()
        until(lambda: target.requests, seconds=15, what="the first check")

        # A stranger is told how to be let in; run by an owner, that statement does it.
        _as(there, server, "alice", "al")
        for words in (("service", "list"), ("serve", "--status"), ("db", "status")):
            assert there.refused(4, *words)["code"] == "AUTHORIZATION_FAILED"
        advice = there.run("service", "list").stderr
        statement = advice[advice.index("SELECT ") :].strip().replace("SLUG", "acme")
        assert "'alice'" in statement
        (member,) = await server.execute(statement, database="status")
        assert member is not None
        await server.execute(
            statement.replace("'alice'", "'bob'").replace("'member'", "'viewer'"),
            database="status",
        )
        (row,) = there.data("service", "list")
        assert row["name"] == "API"

        # The same row-level security for everybody: a member posts, a viewer is refused.
        code = there.data("incident", "add", "--title", "T", "--service", "API", "--message", "M")[
            "code"
        ]
        _as(there, server, "bob", "bo")
        assert there.data("incident", "show", code)["code"] == code
        refused = there.run("incident", "resolve", code, "--message", "M", "--force")
        assert refused.returncode == 4
        assert "alice" in refused.stderr
        assert there.data("serve", "--status")["alive"] is True
        assert there.data("serve", "--status")["this_host"] == []

        # This place has no passwords for the watch's roles and says how it would get some.
        lacking = there.run("serve")
        assert lacking.returncode == 6
        assert "statustui init" in lacking.stderr
        assert "STATUSTUI_DATABASE__ENGINE_URL" in lacking.stderr

        # A second place of the same server gets passwords of its own and takes none away.
        _as(there, server, ADMIN, PASSWORD)
        there.data("init")
        second = there.serve()
        seen = len(target.requests)
        until(lambda: len(target.requests) > seen, seconds=15, what="the first watch goes on")
        assert json.loads(here.get("/healthz")[1])["engine"] == "active"
        until(
            lambda: len(there.data("serve", "--status")["engines"]) == 2,
            seconds=15,
            what="the second watch takes its part",
        )

        # The register knows the database, not the person: whoever asks stops this host's watch.
        _as(there, server, "bob", "bo")
        assert there.data("serve", "--stop")["stopped"] == [second.pid]
        assert second.wait(5) == 0

        # Without its database the watch still ends in time, and the page answers until then.
        server.stop()
        until(lambda: here.status("/healthz") == 503, seconds=10, what="the watch notices")
        assert here.status("/s/acme") == 200
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(5) in (0, 1)
        down = here.run("service", "list")
        assert down.returncode == 6
        assert f"127.0.0.1:{server.port}" in down.stderr
        assert "is PostgreSQL running there" in down.stderr
        assert here.run("status").returncode == 3
