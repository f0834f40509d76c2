"""The clock of a watch is set back and forward: a fake clock in an engine, everything else real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from statustui.engine.clock import Clock
from statustui.engine.service import Engine
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import open_pool
from statustui.store.engine import EngineStore
from tests.chaos.audit import audit
from tests.chaos.targets import Targets
from tests.chaos.truth import TruthWriter, read_truth
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story

_HOUR = 3_600.0

pytestmark = pytest.mark.slow


class Hands:
    """Sets the clock of an engine, and writes it down."""

    def __init__(self, truth: TruthWriter) -> None:
        self._truth = truth
        self._away = 0.0
        self.clock = Clock(lambda: time.time() + self._away)

    def set(self, away: float) -> None:
        """Let the clock be so many seconds away from the right time."""
        self._truth.note("clock", seconds=away - self._away)
        self._away = away


@asynccontextmanager
async def _watching(database: Database, clock: Clock) -> AsyncIterator[Engine]:
    """An engine with real checks that is stopped cleanly in the end."""
    target = database.target(ENGINE_ROLE)
    pool = await open_pool(target, max_size=4)
    try:
        async with ChangeListener(target) as changes:
            engine = Engine(
                EngineStore(pool),
                changes,
                EngineSettings(flush_interval_ms=100),
                holder="test:1",
                clock=clock,
            )
            stop = asyncio.Event()
            task = asyncio.create_task(engine.run(stop))
            try:
                yield engine
            finally:
                stop.set()
                report = await asyncio.wait_for(task, 8)
            assert report.lost_results == 0
    finally:
        pool.terminate()


async def _until_known(story: Story, name: str, state: str, incidents: int) -> None:
    async def known() -> bool:
        row = await story.admin.fetchrow(
            """SELECT (SELECT u.state FROM statustui.monitors m
                       JOIN statustui.monitor_status u ON u.monitor = m.key WHERE m.name = $1),
                      (SELECT count(*) FROM statustui.incidents WHERE status <> 'resolved')""",
            name,
        )
        return row is not None and tuple(row) == (state, incidents)

    try:
        async with asyncio.timeout(30):
            while not await known():
                await asyncio.sleep(0.1)
    except TimeoutError:
        rows = await story.admin.fetch("SELECT * FROM statustui.incidents")
        raise AssertionError(f"not within 30 s: {name} {state}, {rows}") from None


async def test_a_clock_that_is_set_back_and_forward(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    truth = TruthWriter(log)
    targets = Targets(truth, network="127.78")
    hands = Hands(truth)
    try:
        urls = await targets.start(8)
        async with engine_story(database) as story:
            await story.release()
            await story.organization(recovery_watch_seconds=2)
            await story.admin.execute(
                "INSERT INTO statustui.channels (org_id, name, kind) VALUES ($1, 'chat', 'slack')",
                story.org_id,
            )
            for name, url in urls.items():
                await story.monitor(
                    await story.service(name),
                    name,
                    url=url,
                    failure_threshold=2,
                    created_before=timedelta(hours=3),
                )
            async with _watching(database, hands.clock):
                await _until_known(story, "t08", "up", 0)
                # Right in the middle of an outage, and with one that is not confirmed yet.
                for name, away in (("t01", -_HOUR), ("t02", _HOUR), ("t03", 0.0), ("t04", -30.0)):
                    await targets.become([name], "fail")
                    await _until_known(story, name, "down", 1)
                    hands.set(away)
                    await targets.become([name], "ok")
                    await _until_known(story, name, "up", 0)
                hands.set(0.0)
                await _until_known(story, "t08", "up", 0)
                before = len(read_truth(log).targets[urls["t08"]].answers)
                async with asyncio.timeout(15):
                    while len(read_truth(log).targets[urls["t08"]].answers) < before + 2:
                        await asyncio.sleep(0.1)
            report = await audit(story.admin, read_truth(log))
            assert not report.findings, "\n" + str(report)
            assert report.incidents == 4
    finally:
        await targets.stop()
        truth.close()
