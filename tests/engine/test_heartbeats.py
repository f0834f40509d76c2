"""The engine hears jobs: late is down, a beat is seen at once, a database that is away is nobody's
fault but our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.heartbeat import Away, Beats
from statustui.domain.monitor import HeartbeatConfig
from statustui.domain.status import ErrorKind
from statustui.engine.beats import BeatReader
from statustui.engine.checkers import LookOptions, look
from statustui.engine.checkers.options import BeatsUnknown
from statustui.engine.service import Engine
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import open_pool
from statustui.store.engine import EngineStore
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story

START = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Shelf:
    """A store of beats that can be away, and counts how often it is asked."""

    def __init__(self) -> None:
        self.minutes = 0.0
        self.asked: list[list[int]] = []
        self.is_away = False
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def load_beats(self, monitors: Iterable[int]) -> tuple[Mapping[int, Beats], Away | None]:
        """As the engine's store does."""
        self.asked.append(list(monitors))
        await self.hangs.wait()
        if self.is_away:
            raise DatabaseUnavailable("db", "no answer in time")
        now = START + timedelta(minutes=self.minutes)
        return {key: Beats(now, START) for key in self.asked[-1] if key < 100}, None


async def test_all_who_ask_at_once_are_answered_by_one_question() -> None:
    shelf = Shelf()
    reader = BeatReader(shelf)
    await asyncio.gather(*(reader.of(key % 50) for key in range(200)))
    assert len(shelf.asked) == 1
    assert sorted(shelf.asked[0]) == list(range(50))
    await reader.of(3)
    assert shelf.asked[1] == [3]
    with pytest.raises(BeatsUnknown, match="no such heartbeat"):
        await reader.of(100)


async def test_it_remembers_when_the_database_was_away() -> None:
    shelf = Shelf()
    reader = BeatReader(shelf)
    assert (await reader.of(1))[1] == ()
    shelf.is_away = True
    with pytest.raises(BeatsUnknown, match="no answer in time"):
        await reader.of(1)
    shelf.is_away, shelf.minutes = False, 30
    assert (await reader.of(1))[1] == (Away(START, START + timedelta(minutes=30)),)
    shelf.minutes = 40
    assert len((await reader.of(1))[1]) == 1
    # One that only hangs is as good as away.
    shelf.hangs.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await reader.of(1)
    shelf.minutes = 50
    shelf.hangs.set()
    await asyncio.sleep(0)
    assert (await reader.of(1))[1] == (
        Away(START, START + timedelta(minutes=30)),
        Away(START + timedelta(minutes=40), START + timedelta(minutes=50)),
    )


async def test_nobody_can_look_while_the_database_is_away() -> None:
    shelf = Shelf()
    shelf.is_away = True
    reader = BeatReader(shelf)
    config = HeartbeatConfig(60, 0)
    options = LookOptions(beats=lambda: reader.of(1))
    seen = await look(config, timeout_ms=1_000, options=options)
    assert seen.error_kind is ErrorKind.OBSERVER
    assert seen.reason.startswith("the database did not say when the last beat was: ")
    assert "no answer in time" in seen.reason
    shelf.hangs.clear()
    seen = await look(config, timeout_ms=20, options=options)
    assert seen.error_kind is ErrorKind.OBSERVER
    assert seen.reason == "the database did not say when the last beat was"
    assert (await look(config, timeout_ms=20)).error_kind is ErrorKind.OBSERVER
    shelf.hangs.set()
    await asyncio.sleep(0)


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.store.release_lease(made.lease)
        yield made


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[Engine]:
    """An engine with the real checkers."""
    target = database.target(ENGINE_ROLE)
    pool = await open_pool(target, max_size=3)
    try:
        async with ChangeListener(target) as changes:
            engine = Engine(
                EngineStore(pool), changes, EngineSettings(flush_interval_ms=50), holder="test:1"
            )
            stop = asyncio.Event()
            task = asyncio.create_task(engine.run(stop))
            try:
                yield engine
            finally:
                stop.set()
                await asyncio.wait_for(task, 5)
    finally:
        pool.terminate()


async def test_late_is_down_and_a_beat_is_seen_at_once(database: Database, story: Story) -> None:
    service = await story.service("Jobs")
    row = await story.admin.fetchrow(
        """INSERT INTO statustui.monitors (org_id, service_id, name, type, config,
               interval_seconds, timeout_ms, failure_threshold)
           VALUES ($1, $2, 'nightly', 'heartbeat', '{"every": "1h", "grace": "0s"}', 3600, 2000, 1)
           RETURNING id, key""",
        story.org_id,
        service,
    )
    assert row is not None
    job, key = row["id"], row["key"]
    person = database.person("cron")
    await story.admin.execute(f"CREATE ROLE {person} LOGIN IN ROLE statustui_operator")
    await story.admin.execute("INSERT INTO statustui.users (role_name) VALUES ($1)", person)
    await story.admin.execute(
        "INSERT INTO statustui.members VALUES ($1, $2, 'owner')", story.org_id, person
    )
    cron = await database.connect(person)

    async def state_within(seconds: float, wanted: str) -> str:
        async with asyncio.timeout(seconds):
            while True:
                found = await story.admin.fetchrow(
                    """SELECT s.state, m.last_reason FROM statustui.monitor_state m
                       LEFT JOIN statustui.monitor_status s USING (monitor) WHERE monitor = $1""",
                    key,
                )
                if found is not None and (found["state"] or "unknown") == wanted:
                    reason: str = found["last_reason"] or ""
                    return reason
                await asyncio.sleep(0.01)

    async with running(database):
        # Made just now: nobody knows, and nobody is told.
        assert "no beat yet; the first is due by" in await state_within(5, "unknown")
        await cron.execute("SELECT statustui.beat($1)", job)
        assert await state_within(2, "up") == ""
        # The slots are an hour apart; everything below is seen because somebody asked for a look.
        await story.admin.execute(
            "UPDATE statustui.beats SET last_at = now() - interval '2 h 3 min 1 s'"
            ", expected_from = now() - interval '1 day'"
        )
        await story.admin.execute("UPDATE statustui.monitors SET run_requested_at = now()")
        reason = await state_within(2, "down")
        assert reason == "no beat for 2 h 3 min, expected every 1 h"
        assert (
            await story.admin.fetchval(
                "SELECT count(*) FROM statustui.incidents WHERE is_auto AND resolved_at IS NULL"
            )
            == 1
        )
        await cron.execute("SELECT statustui.beat($1)", job)
        assert await state_within(1, "up") == ""
        await cron.execute("SELECT statustui.beat($1, false, 'exit code 3')", job)
        assert await state_within(1, "down") == "the job said that it failed: exit code 3"
    await cron.close()
