"""A watch whose own line goes down and comes back: nobody is blamed, and people are told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story

_ROOT = Path(__file__).parents[2]
_ADDRESSES = [f"10.77.0.{number}" for number in range(11, 17)]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Line:
    """Two network namespaces and the wire between them."""

    def __init__(self) -> None:
        name = uuid4().hex[:8]
        self.watch, self.world = f"stw-{name}", f"sto-{name}"
        self._near, self._far = f"n{name}", f"f{name}"

    def lay(self) -> None:
        """Make them."""
        for space in (self.watch, self.world):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        _ip(
            *("link", "add", self._near, "netns", self.watch, "type", "veth"),
            *("peer", "name", self._far, "netns", self.world),
        )
        _ip("-n", self.watch, "addr", "add", "10.77.0.1/24", "dev", self._near)
        for address in _ADDRESSES:
            _ip("-n", self.world, "addr", "add", f"{address}/24", "dev", self._far)
        _ip("-n", self.watch, "link", "set", self._near, "up")
        _ip("-n", self.world, "link", "set", self._far, "up")

    def cut(self) -> None:
        """The watch's own link goes down."""
        _ip("-n", self.watch, "link", "set", self._near, "down")

    def mend(self) -> None:
        """It comes back."""
        _ip("-n", self.watch, "link", "set", self._near, "up")

    def lose(self, address: str) -> None:
        """One target is gone from the network."""
        _ip("-n", self.world, "addr", "del", f"{address}/24", "dev", self._far)

    def run(self, space: str, *words: str) -> subprocess.Popen[str]:
        """Start something in one of them."""
        return subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-m", "tests.support.inside", *words],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def remove(self) -> None:
        """Take them away."""
        for space in (self.watch, self.world):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", space)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    try:
        made.lay()
    except (OSError, subprocess.CalledProcessError) as error:
        made.remove()
        told = getattr(error, "stderr", b"") or str(error).encode()
        pytest.skip(f"no network namespace can be made here: {told.decode().strip()}")
    yield made
    made.remove()


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.release()
        yield made


async def _until(story: Story, sql: str, wanted: object, what: str, seconds: float = 15.0) -> None:
    found: object = None
    try:
        async with asyncio.timeout(seconds):
            while (found := await story.admin.fetchval(sql)) != wanted:
                await asyncio.sleep(0.03)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}, but {found!r}") from None


_OFFLINE = "SELECT count(*) FROM statustui.engines WHERE offline_since IS NOT NULL"
_UP = "SELECT count(*) FROM statustui.monitor_state WHERE last_status = 'success'"
_UNSEEN = """SELECT count(DISTINCT monitor) FROM statustui.checks
    WHERE status = 'unknown' AND error_kind = 'observer'"""
_BLAMED = "SELECT count(*) FROM statustui.checks WHERE status IN ('failure', 'timeout')"
_INCIDENTS = "SELECT count(*) FROM statustui.incidents"
_EVENTS = """SELECT string_agg(event, ' ' ORDER BY created_at) FROM statustui.outbox
    WHERE event LIKE 'observer.%'"""


@pytest.mark.slow
@pytest.mark.parametrize("canaries", ["", "10.77.0.16:8080"], ids=["witnesses", "canary"])
async def test_a_line_that_goes_down_and_comes_back(
    database: Database, story: Story, line: Line, canaries: str
) -> None:
    await story.admin.execute(
        "INSERT INTO statustui.channels (org_id, name, kind) VALUES ($1, 'us', 'webhook')",
        story.org_id,
    )
    for address in _ADDRESSES:
        service = await story.service(f"at {address}")
        await story.monitor(service, url=f"http://{address}:8080/", failure_threshold=1)
    parameters = database.parameters(ENGINE_ROLE)
    folder = str(parameters["host"]).replace("/self/", f"/{os.getpid()}/")
    given = {"parameters": {**parameters, "host": folder}, "canaries": canaries}
    targets = line.run(line.world, "targets", *_ADDRESSES)
    engine = None
    try:
        assert targets.stdout is not None
        assert await asyncio.to_thread(targets.stdout.readline) == "ready\n"
        engine = line.run(line.watch, "engine", json.dumps(given))
        await _until(story, _UP, 6, "all is well", 20)

        line.cut()
        await _until(story, _OFFLINE, 1, "the watch knows that it is its own line")
        await _until(story, _EVENTS, "observer.offline", "people are told")
        await _until(story, _UNSEEN, 6, "the looks of that time are nobody's")
        assert await story.admin.fetchval(_INCIDENTS) == 0

        line.mend()
        await _until(story, _OFFLINE, 0, "the watch knows that its line is back")
        await _until(story, _UP, 6, "all is well again")
        await _until(story, _EVENTS, "observer.offline observer.online", "people are told, once")
        assert await story.admin.fetchval(_BLAMED) == 0
        assert await story.admin.fetchval(_INCIDENTS) == 0

        if canaries:
            return
        line.lose(_ADDRESSES[2])
        await _until(story, _INCIDENTS, 1, "a target that is gone alone is an incident")
        (incident,) = await story.incidents()
        assert _ADDRESSES[2] in f"{incident['title']} {incident['internal_title']}"
        assert await story.admin.fetchval(_OFFLINE) == 0
        assert await story.admin.fetchval(_EVENTS) == "observer.offline observer.online"
    finally:
        for child in filter(None, (engine, targets)):
            child.terminate()
            await asyncio.to_thread(child.wait, 10)
            if child.stdout is not None:
                child.stdout.close()
    # The hole shows: slots of that time have no look that counts.
    slots = await story.admin.fetchval("SELECT sum(slots) FROM statustui.rollups_daily")
    looks = await story.admin.fetchval(
        "SELECT count(*) FROM statustui.checks WHERE NOT is_retry AND status <> 'unknown'"
    )
    assert slots == looks
