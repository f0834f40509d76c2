"""A service breaks and recovers: the rows tell it as it was, and figures equal the checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from statustui.domain.coverage import count_slots
from statustui.domain.scheduling import Timetable
from statustui.engine.service import Engine, EngineReport
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story
from tests.support.world import Target

T = TypeVar("T")


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.release()
        yield made


@asynccontextmanager
async def running(database: Database, story: Story) -> AsyncIterator[Engine]:
    """An engine that runs inside the block, and is stopped cleanly after it."""
    settings = EngineSettings(flush_interval_ms=200)
    async with ChangeListener(database.target(ENGINE_ROLE)) as changes:
        engine = Engine(story.store, changes, settings, holder="test:1")
        stop = asyncio.Event()
        task = asyncio.create_task(engine.run(stop))
        try:
            yield engine
        finally:
            stop.set()
            report = await asyncio.wait_for(task, 5)
        assert report == EngineReport(0)


async def until(probe: Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
    """Asks the database again until the answer is true."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await probe()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


@pytest.mark.slow
async def test_a_service_breaks_and_recovers(
    database: Database, story: Story, target: Target
) -> None:
    service = await story.service("API")
    async with running(database, story) as engine:
        key = await story.monitor(service, url=target.url, interval_seconds=5, failure_threshold=2)

        async def checks() -> list[str]:
            rows = await story.admin.fetch(
                "SELECT status FROM statustui.checks WHERE monitor = $1 ORDER BY checked_at", key
            )
            return [row["status"] for row in rows]

        async def is_open() -> bool:
            return [i["status"] for i in await story.incidents()] == ["investigating"]

        async def is_resolved() -> bool:
            return [i["status"] for i in await story.incidents()] == ["resolved"]

        # Added while the engine runs: the first look comes within moments, and a slot after it.
        await until(checks, 5, "the first look at a new monitor")
        await until(lambda: _longer(checks, 2), 8, "a slot has its look")
        assert await story.status(service) == ("operational", "operational")

        target.status = 500
        await until(is_open, 8, "an incident is open")
        assert await story.status(service) == ("major_outage", "major_outage")
        assert engine.status().state == "active"

        target.status = 200
        await until(is_resolved, 8, "the incident is resolved")
        assert await story.status(service) == ("operational", "operational")
    (incident,) = await story.incidents()
    rows = await story.admin.fetch(
        "SELECT * FROM statustui.checks WHERE monitor = $1 ORDER BY checked_at", key
    )
    failed = [row for row in rows if row["status"] == "failure"]
    assert len(failed) == 2
    assert incident["started_at"] == failed[0]["checked_at"]
    assert (failed[0]["is_retry"], failed[1]["is_retry"]) == (False, True)
    assert failed[1]["slot_at"] == failed[0]["slot_at"]
    assert {row["status_code"] for row in failed} == {500}
    recovered = next(
        row["checked_at"]
        for row in rows
        if row["status"] == "success" and row["checked_at"] > failed[1]["checked_at"]
    )
    changes = await story.admin.fetch("SELECT * FROM statustui.service_status_changes ORDER BY id")
    assert [change["effective_at"] for change in changes] == [failed[0]["checked_at"], recovered]
    # The service said so within a second of the deciding check, and so did its public status.
    for change, decided in zip(changes, (failed[1]["checked_at"], recovered), strict=True):
        assert (change["recorded_at"] - decided).total_seconds() < 1
        assert change["public_to"] == change["to_status"]
    await _figures_equal_the_checks(story, key, rows)


async def _longer(checks: Callable[[], Awaitable[list[str]]], count: int) -> bool:
    return len(await checks()) >= count


async def _figures_equal_the_checks(story: Story, key: int, rows: list[object]) -> None:
    """Uptime and coverage from the rollups are those counted by hand."""
    counted = await story.admin.fetch("SELECT * FROM statustui.checks WHERE monitor = $1", key)
    assert len(counted) == len(rows)
    rollup = await story.admin.fetchrow(
        """SELECT sum(success + degraded) AS succeeded,
            sum(success + degraded + failure + timeout) AS looked, sum(slots) AS slots
        FROM statustui.rollups_daily WHERE monitor = $1""",
        key,
    )
    assert rollup is not None
    succeeded = sum(row["status"] in ("success", "degraded") for row in counted)
    assert (rollup["succeeded"], rollup["looked"]) == (succeeded, len(counted))
    slots = {row["slot_at"] for row in counted if not row["is_retry"]}
    assert rollup["slots"] == len(slots)
    schedule = await story.admin.fetchrow(
        "SELECT * FROM statustui.monitor_schedules WHERE monitor = $1", key
    )
    assert schedule is not None
    timetable = Timetable(5_000, schedule["phase_ms"], schedule["from_at"])
    first = schedule["from_at"]
    until_last = max(slots)
    # By hand: the slots from the first after the beginning to the last that had its look.
    by_hand = count_slots(timetable, first, until_last) + 1
    assert first <= min(slots)
    assert len(slots) <= by_hand
    scheduled = await story.admin.fetchval(
        """SELECT sum(slots) FROM statustui.scheduled_slots($1::int, $2::timestamptz,
            $3::timestamptz + interval '1 ms', interval '1 day') WHERE monitor = $4""",
        story.org_id,
        first.replace(hour=0, minute=0, second=0, microsecond=0),
        until_last,
        key,
    )
    assert scheduled == by_hand
    assert datetime.now(UTC) > until_last
