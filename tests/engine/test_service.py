"""The engine follows edits and survives the loss of its database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg
import pytest

from statustui.domain.monitor import CheckConfig, HttpConfig
from statustui.domain.observation import Observation
from statustui.engine.checkers import LookOptions
from statustui.engine.clock import Clock
from statustui.engine.service import Engine, EngineReport
from statustui.engine.spool import Spool
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.engine import EngineStore
from tests.support.databases import Database
from tests.support.proxy import Line
from tests.support.watched import ENGINE_ROLE, Story, engine_story, refused, seen

T = TypeVar("T")


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.release()
        yield made


class Targets:
    """Answers looks without a network, and remembers who was looked at."""

    def __init__(self) -> None:
        self.looks: list[str] = []
        self.broken: set[str] = set()
        self.defective: set[str] = set()
        self.frozen_seconds = 0.0
        self.freeze: dict[str, float] = {}

    async def look(
        self, config: CheckConfig, *, timeout_ms: int, options: LookOptions
    ) -> Observation:
        """As the checkers do."""
        assert isinstance(config, HttpConfig)
        self.looks.append(config.url)
        if config.url in self.defective:
            raise RuntimeError("a defect of a checker")
        at = options.wall_clock()
        self.frozen_seconds += self.freeze.pop(config.url, 0.0)
        return refused(at) if config.url in self.broken else seen(at)

    def count(self, url: str) -> int:
        """How often an address was looked at."""
        return self.looks.count(url)


@asynccontextmanager
async def running(
    target: ConnectionTarget,
    targets: Targets,
    *,
    is_lossless: bool = True,
    clock: Clock | None = None,
    reports: list[EngineReport] | None = None,
    spool: Path | None = None,
) -> AsyncIterator[Engine]:
    """An engine that runs inside the block, and is stopped cleanly after it."""
    pool = await open_pool(target, max_size=5)
    try:
        async with ChangeListener(target) as changes:
            engine = Engine(
                EngineStore(pool),
                changes,
                EngineSettings(flush_interval_ms=100),
                holder="test:1",
                spool=Spool(spool, 10_000_000) if spool is not None else None,
                look=targets.look,
                clock=clock,
            )
            stop = asyncio.Event()
            task = asyncio.create_task(engine.run(stop))
            try:
                yield engine
            finally:
                stop.set()
                report = await asyncio.wait_for(task, 5)
            if reports is not None:
                reports.append(report)
            if is_lossless:
                assert report == EngineReport(0)
    finally:
        pool.terminate()


async def until(probe: Callable[[], T | Awaitable[T]], seconds: float, what: str) -> T:
    """Asks again until the answer is true."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = probe()
                answer = await found if isinstance(found, Awaitable) else found
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


async def test_edits_take_effect_within_a_second(database: Database, story: Story) -> None:
    targets = Targets()
    service = await story.service("API")
    async with running(database.target(ENGINE_ROLE), targets) as engine:
        await until(lambda: engine.status().state == "active", 5, "the engine is active")
        # A long interval, so that every look below is one that was asked for.
        key = await story.monitor(service, url="http://one/", interval_seconds=3_600)
        await until(lambda: targets.count("http://one/"), 4, "the first look at a new monitor")

        async def state() -> str:
            found: str = await story.admin.fetchval(
                "SELECT state FROM statustui.monitor_status WHERE monitor = $1", key
            )
            return found

        async def is_up() -> bool:
            return await state() == "up"

        async def is_paused() -> bool:
            return await state() == "paused"

        async def is_resumed() -> bool:
            return await state() == "unknown"

        await until(is_up, 2, "the monitor is up")
        begun = _loop_time()
        await story.admin.execute("UPDATE statustui.monitors SET run_requested_at = now()")
        await until(lambda: targets.count("http://one/") == 2, 2, "a look that was asked for")
        assert _loop_time() - begun < 1
        begun = _loop_time()
        await story.admin.execute("UPDATE statustui.monitors SET is_active = false")
        await until(is_paused, 2, "the pause")
        assert _loop_time() - begun < 1
        await until(lambda: engine.status().monitors == 0, 1, "nobody looks any more")
        await story.admin.execute(
            """UPDATE statustui.monitors SET is_active = true,
                paused_until = clock_timestamp() + interval '700 ms'"""
        )
        # The pause ends by itself, without anybody's announcement.
        await until(is_resumed, 3, "the end of the pause")
        await until(lambda: engine.status().monitors == 1, 1, "it is watched again")
        await story.admin.execute(
            "UPDATE statustui.monitors SET deleted_at = now() WHERE key = $1", key
        )
        await until(lambda: engine.status().monitors == 0, 1, "it is gone")


async def test_results_wait_for_the_database_and_looks_do_not(
    database: Database, story: Story
) -> None:
    targets = Targets()
    service = await story.service("API")
    key = await story.monitor(service, url="http://one/")
    async with Line(database.parameters(ENGINE_ROLE)) as line:
        target = ConnectionTarget(line.through, "engine@test")
        async with running(target, targets) as engine:
            await until(lambda: targets.count("http://one/"), 8, "a first look")
            await until(lambda: engine.status().pending_results == 0, 3, "it is written")
            await line.cut()
            targets.broken.add("http://one/")
            looks = targets.count("http://one/")
            await until(lambda: targets.count("http://one/") > looks, 8, "looks go on")
            await until(lambda: engine.status().unavailable, 5, "it is noticed")
            assert engine.status().pending_results > 0
            assert await story.incidents() == []
            await line.mend()
            await until(story.incidents, 8, "what waited is written and has its consequences")
        counted = await story.admin.fetchval(
            "SELECT count(*) FROM statustui.checks WHERE monitor = $1", key
        )
        assert counted == targets.count("http://one/")
        # A stop left the region and gave the lease back.
        share = await story.store.join(story.region, story.holder)
        assert share.members == (story.holder,)
        assert await story.store.take_lease("keeper", uuid4(), {}) is not None


async def test_a_stop_without_a_database_counts_what_is_lost(
    database: Database, story: Story
) -> None:
    targets = Targets()
    service = await story.service("API")
    await story.monitor(service, url="http://one/")
    async with Line(database.parameters(ENGINE_ROLE)) as line:
        target = ConnectionTarget(line.through, "engine@test")
        reports: list[EngineReport] = []
        async with running(target, targets, is_lossless=False, reports=reports) as engine:
            await until(lambda: targets.count("http://one/"), 8, "a first look")
            await until(lambda: engine.status().pending_results == 0, 3, "it is written")
            await line.cut()
            written = targets.count("http://one/")
            await until(lambda: engine.status().pending_results, 12, "a result waits")
        # Whatever was looked at after the line was cut, and nothing else.
        assert reports == [EngineReport(targets.count("http://one/") - written)]


async def test_a_stop_without_a_database_loses_nothing_and_the_next_engine_writes_it(
    database: Database, story: Story, tmp_path: Path
) -> None:
    targets = Targets()
    service = await story.service("API")
    key = await story.monitor(service, url="http://one/")
    async with Line(database.parameters(ENGINE_ROLE)) as line:
        target = ConnectionTarget(line.through, "engine@test")
        reports: list[EngineReport] = []
        async with running(
            target, targets, is_lossless=False, reports=reports, spool=tmp_path / "local"
        ) as engine:
            await until(lambda: targets.count("http://one/"), 8, "a first look")
            await until(lambda: engine.status().pending_results == 0, 3, "it is written")
            await line.cut()
            targets.broken.add("http://one/")
            written = targets.count("http://one/")
            await until(lambda: engine.status().spooled_results, 12, "a result is on disk")
            assert engine.status().spool_bytes > 0
            assert engine.status().spool_oldest_at is not None
        looked = targets.count("http://one/")
        assert reports == [EngineReport(0, looked - written)]
        targets.broken.clear()
        await line.mend()
        begun = datetime.now(UTC)
        async with running(target, targets, spool=tmp_path / "local") as engine:
            await until(lambda: engine.status().state == "active", 10, "it is active")
            # What was left has its consequences before anybody looks again.
            (incident,) = await story.incidents()
            first_failure = await story.admin.fetchval(
                "SELECT min(checked_at) FROM statustui.checks WHERE status = 'failure'"
            )
            assert incident["started_at"] == first_failure < begun
            assert engine.status().spooled_results == 0
    counted = await story.admin.fetchval(
        "SELECT count(*) FROM statustui.checks WHERE monitor = $1", key
    )
    assert counted == targets.count("http://one/")
    changes = await story.admin.fetch(
        "SELECT to_state FROM statustui.monitor_state_changes ORDER BY id"
    )
    assert [row["to_state"] for row in changes][:2] == ["up", "down"]


async def test_a_stop_does_not_wait_for_a_database_that_is_silent(
    database: Database, story: Story
) -> None:
    targets = Targets()
    service = await story.service("API")
    await story.monitor(service, url="http://one/")
    async with Line(database.parameters(ENGINE_ROLE)) as line:
        target = ConnectionTarget(line.through, "engine@test")
        async with running(target, targets, is_lossless=False) as engine:
            await until(lambda: targets.count("http://one/"), 8, "a first look")
            await until(lambda: engine.status().pending_results == 0, 3, "it is written")
            line.freeze()
            looks = targets.count("http://one/")
            await until(lambda: targets.count("http://one/") > looks, 8, "looks go on")
            begun = _loop_time()
        assert _loop_time() - begun < 5
        assert engine.status().state == "stopped"


async def test_a_defect_in_a_checker_is_nobody_looking(
    database: Database, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    targets = Targets()
    targets.defective.add("http://one/")
    service = await story.service("API")
    await story.monitor(service, url="http://one/")

    async def unknown() -> bool:
        rows = await story.admin.fetch("SELECT status, error_kind FROM statustui.checks")
        return bool(rows) and {tuple(row) for row in rows} == {("unknown", "observer")}

    async with running(database.target(ENGINE_ROLE), targets):
        await until(unknown, 8, "an unknown check")
    assert "a defect of a checker" in caplog.text
    assert await story.status(service) == ("operational", "operational")
    slots = await story.admin.fetchval("SELECT sum(slots) FROM statustui.rollups_daily")
    assert slots == 0


@pytest.mark.parametrize("sleeps", [False, True], ids=["frozen", "machine asleep"])
async def test_a_look_during_which_the_watch_stood_still_says_nothing_of_its_target(
    database: Database, story: Story, sleeps: bool
) -> None:
    targets = Targets()
    clock = Clock(
        lambda: time.time() + targets.frozen_seconds,
        # While a machine sleeps, its monotonic clock does not count.
        lambda: time.monotonic() + (0.0 if sleeps else targets.frozen_seconds),
    )
    service = await story.service("API")
    url = "http://in-the-air/"
    targets.broken.add(url)
    targets.freeze[url] = 15.0
    async with running(database.target(ENGINE_ROLE), targets, clock=clock):
        key = await story.monitor(service, url=url, interval_seconds=3_600, failure_threshold=1)

        async def checks() -> list[asyncpg.Record]:
            return list(
                await story.admin.fetch(
                    "SELECT * FROM statustui.checks WHERE monitor = $1 ORDER BY checked_at", key
                )
            )

        (first,) = await until(checks, 5, "the look that was in the air")
        assert (first["status"], first["error_kind"]) == ("unknown", "observer")
        assert not await story.admin.fetchval("SELECT count(*) FROM statustui.incidents")
        await story.admin.execute("UPDATE statustui.monitors SET run_requested_at = now()")

        async def is_told() -> bool:
            return len(await checks()) > 1

        await until(is_told, 5, "the next look")
        assert (await checks())[1]["status"] == "failure"


async def test_looks_inside_a_window_are_flagged(database: Database, story: Story) -> None:
    targets = Targets()
    targets.broken.add("http://one/")
    service = await story.service("API")
    await story.monitor(service, url="http://one/")
    window = await story.admin.fetchval(
        """INSERT INTO statustui.maintenance_windows (org_id, title, starts_at, ends_at)
        VALUES ($1, 'Upgrade', now() - interval '1 minute', now() + interval '1 hour')
        RETURNING id""",
        story.org_id,
    )
    await story.admin.execute(
        "INSERT INTO statustui.maintenance_services VALUES ($1, $2, $3)",
        story.org_id,
        window,
        service,
    )

    async def flags() -> list[bool]:
        rows = await story.admin.fetch(
            "SELECT in_maintenance FROM statustui.checks ORDER BY checked_at"
        )
        return [row["in_maintenance"] for row in rows]

    async def is_flagged() -> bool:
        return any(await flags())

    async def is_plain() -> bool:
        return not all(await flags())

    async def is_down() -> bool:
        return await story.status(service) == ("major_outage", "major_outage")

    async with running(database.target(ENGINE_ROLE), targets):
        await until(is_flagged, 8, "a look inside the window")
        assert await story.incidents() == []
        await story.admin.execute(
            "UPDATE statustui.maintenance_windows SET status = 'completed' WHERE id = $1", window
        )
        # The service was down all along, so people hear of it as soon as the window is over.
        await until(is_down, 3, "the outage shows")
        await until(story.incidents, 3, "an incident is open")
        await until(is_plain, 8, "a look after the window")


async def test_a_monitor_that_cannot_be_read_harms_no_other(
    database: Database, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    targets = Targets()
    service = await story.service("API")
    await story.monitor(service, "odd", url="gopher://one/")
    await story.monitor(service, "good", url="http://two/")
    async with running(database.target(ENGINE_ROLE), targets) as engine:
        await until(lambda: targets.count("http://two/"), 8, "the other is looked at")
        assert engine.status().monitors == 1
    assert "is not watched" in caplog.text
