"""The engine and people write about the same incidents at once, and neither is in the way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.errors import Conflict, NotFound
from statustui.domain.posting import UpdateInput
from statustui.domain.status import IncidentStatus
from statustui.store.connection import open_pool
from statustui.store.engine import EngineStore
from tests.support.databases import Database
from tests.support.house import House, open_house
from tests.support.watched import ENGINE_ROLE, Story, refused, seen

_ROUNDS = 12


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as made:
        await made.admin.execute("UPDATE monitors SET failure_threshold = 1")
        await made.admin.execute("UPDATE organizations SET recovery_watch_seconds = 0")
        yield made


@pytest.fixture
async def story(house: House, database: Database) -> AsyncIterator[Story]:
    pool = await open_pool(database.target(ENGINE_ROLE), max_size=3)
    try:
        made = Story(house.admin, EngineStore(pool), house.org)
        await made.take()
        yield made
    finally:
        await pool.close()


async def _break_and_mend(story: Story, over: asyncio.Event) -> None:
    """All services of the house go down and come back, some looks in one batch, some alone."""
    work = await story.store.load_work("local", story.region)
    # Far enough apart that nothing is flapping.
    minutes = itertools.count(1, 3)
    begin = datetime.now(UTC) - timedelta(days=2)
    try:
        for number in range(_ROUNDS):
            for look in (refused, seen):
                decisions = [
                    story.decide(monitor, look(begin + timedelta(minutes=next(minutes))))
                    for monitor in work.monitors.values()
                ]
                if number % 2:
                    await story.store.record_batch(story.share, decisions, datetime.now(UTC))
                    continue
                for decision in decisions:
                    await story.store.record_batch(story.share, [decision], datetime.now(UTC))
    finally:
        over.set()


async def _be_busy(house: House, person: str, over: asyncio.Event) -> tuple[int, int]:
    """Somebody acknowledges, posts and resolves whatever is open; how often it worked, or not."""
    store, done, refusals = house.stores[person], 0, 0
    stages = itertools.cycle([IncidentStatus.IDENTIFIED, None, IncidentStatus.RESOLVED])
    while not over.is_set():
        for incident in await store.load_incidents(house.org):
            if incident.status is IncidentStatus.RESOLVED:
                continue
            post = UpdateInput(next(stages), "We are on it.", base_version=incident.version)
            try:
                await store.acknowledge(house.org, incident.code)
                await store.post_update(
                    house.org, incident.code, post, public_delay_seconds=0, notify_delay_seconds=0
                )
                done += 1
            except (Conflict, NotFound):
                refusals += 1
        await asyncio.sleep(0)
    return done, refusals


async def test_engine_and_people_at_once(house: House, story: Story) -> None:
    over = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        # A deadlock or a broken rule would end the engine's side with an error.
        group.create_task(_break_and_mend(story, over))
        busy = [group.create_task(_be_busy(house, person, over)) for person in ("owner", "member")]
    assert sum(task.result()[0] for task in busy) > 0
    await story.store.settle(story.lease, datetime.now(UTC), organizations=None)
    states = await house.admin.fetch("SELECT current_status FROM service_state")
    assert {row["current_status"] for row in states} == {"operational"}
    for incident in await story.incidents():
        is_open = incident["status"] != "resolved"
        # Whatever is still open was left to a person, and says that it recovered.
        assert not is_open or incident["touched_at"] is not None
        updates = await story.updates(incident["id"])
        assert updates[0]["status"] == "investigating"
        assert [update["status"] for update in updates].count("resolved") == (not is_open)
