"""Uptime and coverage, as a stranger reads them, equal what is counted by hand from raw checks."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from statustui.store.embedded import EmbeddedServer
from tests.support import bookkeeping
from tests.support.world import Target, World, until, world

FILE = """
organization: {{slug: acme, name: Acme Corp, recovery_watch: 0s}}
pages:
  - {{slug: acme, name: Acme Status}}
services:
  - name: API
    monitors:
      - &one {{name: one, type: http, interval: 5s, timeout: 2s, retry_interval: 1s,
         failure_threshold: 2, config: {{url: "{url}"}}}}
      - {{<<: *one, name: two}}
  - name: Mail
    monitors:
      - {{<<: *one, name: three}}
"""


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.close()


async def _books(data: Path) -> tuple[list[str], list[str], dict[str, Counter[str]]]:
    """What is wrong with the sums, which checks are strange, and each service's counts."""
    server = EmbeddedServer(data)
    await server.start()
    try:
        admin = await asyncpg.connect(
            **server.endpoint.dsn_parameters(user="postgres", database="statustui")
        )
        try:
            org_id = await admin.fetchval("SELECT min(org_id) FROM statustui.organizations")
            counted = await bookkeeping.by_hand(admin, org_id, datetime.now(UTC))
            return (
                await bookkeeping.wrong_rollups(admin, org_id),
                await bookkeeping.strange_checks(admin, org_id),
                {
                    str(UUID(str(key))): sum(days.values(), Counter())
                    for key, days in counted.items()
                },
            )
        finally:
            await admin.close()
    finally:
        await server.release()


def _share(part: int, whole: int) -> float:
    return part * 1_000_000 // whole / 10_000


def _wait_for(target: Target, looks: int) -> None:
    enough = len(target.requests) + looks
    until(lambda: len(target.requests) >= enough, seconds=30, what=f"{looks} more looks")


@pytest.mark.slow
def test_failures_a_pause_and_a_stop_are_counted_as_they_were(
    tmp_path: Path, target: Target
) -> None:
    with world(tmp_path) as installation:
        _tell_a_story(installation, target)
        counted: dict[str, Counter[str]] = {}

        theirs: dict[str, tuple[float, float, int]] = {}

        def agree() -> bool:
            wrong, strange, found = asyncio.run(_books(tmp_path / "data"))
            assert (wrong, strange) == ([], [])
            counted.update(found)
            said = installation.public("/api/public/acme/uptime?days=2")["services"]
            assert {row["service_id"] for row in said} == set(found)
            mine = {
                key: (
                    _share(count["succeeded"], count["looked"]),
                    _share(count["slots"], count["planned"]),
                    count["looked"],
                )
                for key, count in found.items()
            }
            theirs.update(
                (
                    row["service_id"],
                    (
                        row["overall_uptime"],
                        row["coverage"],
                        sum(day["total_checks"] for day in row["days"]),
                    ),
                )
                for row in said
            )
            return theirs == mine

        # Slots of the last moments are not counted as planned yet.
        deadline = time.monotonic() + 40
        while not agree():
            assert time.monotonic() < deadline, f"counted {counted}, the page says {theirs}"
        for service in counted.values():
            assert 0 < service["succeeded"] < service["looked"]
            assert service["slots"] < service["planned"], "the stop is a hole"


def _tell_a_story(installation: World, target: Target) -> None:
    installation.data("apply", installation.write("acme.yaml", FILE.format(url=target.url)))
    watch = installation.serve()
    _wait_for(target, 6)
    target.status = 500
    _wait_for(target, 6)
    target.status = 200
    installation.data("monitor", "pause", "API/one")
    _wait_for(target, 3)
    installation.data("monitor", "resume", "API/one")
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(5) == 0
    # The stop has to be longer than an interval, so that slots pass by.
    stopped = time.monotonic()
    until(lambda: time.monotonic() - stopped > 6, seconds=10, what="slots that nobody looks at")
    installation.serve()
    _wait_for(target, 6)
    # Nothing is planned any more, so that what is counted stands still.
    for monitor in ("API/one", "API/two", "Mail/three"):
        installation.data("monitor", "pause", monitor)
