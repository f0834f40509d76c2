"""Who takes part in a region changes in steps without a gap, however many come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest

from statustui.domain.errors import ValidationFailed
from statustui.domain.sharing import Generation, Share
from statustui.store import engine_share
from statustui.store.connection import Pool, open_pool
from statustui.store.engine import EngineStore, LeaseLost
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story, seen


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(database.target(ENGINE_ROLE), max_size=8)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def admin(database: Database) -> asyncpg.Connection:
    connection = await database.connect()
    await connection.execute("SET search_path = statustui")
    return connection


async def _registered(store: EngineStore) -> UUID:
    engine = uuid4()
    await store.register(engine, "local", "test", 1, "1")
    return engine


async def test_only_a_real_change_is_a_generation(pool: Pool, admin: asyncpg.Connection) -> None:
    store = EngineStore(pool)
    one, two = await _registered(store), await _registered(store)
    first = await store.join(1, one)
    assert first == Share(1, one, 1, (one,))
    assert await store.join(1, one) == first
    assert await store.join(1, two) == Share(1, two, 2, (one, two))
    assert await store.evict(1) == 2
    beat = await store.beat(first, 0.25, {"monitors": 3})
    assert (beat.generation, beat.is_known, beat.has_dead) == (2, True, False)
    await admin.execute(
        "UPDATE engines SET heartbeat_at = now() - interval '6.5 s' WHERE id = $1", two
    )
    assert (await store.beat(first, 0, {})).has_dead
    assert await store.evict(1, 7) == 2
    assert await store.evict(1) == 3
    await store.leave(first)
    await store.leave(first)
    assert await store.load_generations(1, 0) == (
        Generation(1, (one,)),
        Generation(2, (one, two)),
        Generation(3, (one,)),
        Generation(4, ()),
    )
    reasons = await admin.fetchval(
        "SELECT array_agg(reason ORDER BY generation) FROM share_generations"
    )
    assert reasons == ["joined", "joined", "died", "left"]
    # Who was forgotten altogether is told so.
    await admin.execute("DELETE FROM engines")
    assert not (await store.beat(first, 0, {})).is_known


async def test_a_program_from_before_does_not_decide_beside_those_that_share(
    pool: Pool, admin: asyncpg.Connection
) -> None:
    store = EngineStore(pool)
    with pytest.raises(ValidationFailed):
        await store.take_lease("engine:local", uuid4(), {})
    assert await store.take_lease("keeper", uuid4(), {}) is not None


async def test_who_is_not_of_the_generation_decides_nothing(
    pool: Pool, admin: asyncpg.Connection
) -> None:
    store = EngineStore(pool)
    one, two = await _registered(store), await _registered(store)
    before = await store.join(1, one)
    async with engine_share.sharing(pool, before):
        pass
    after = await store.join(1, two)
    for stale in (
        before,
        Share(1, one, 3, (one, two)),
        Share(1, uuid4(), 2, (one, two)),
        Share(2, two, 2, (one, two)),
    ):
        with pytest.raises(LeaseLost):
            async with engine_share.sharing(pool, stale):
                raise AssertionError("it was let in")
    async with engine_share.sharing(pool, after):
        pass


async def test_a_change_waits_for_who_decides_and_for_nobody_who_comes_later(
    database: Database, pool: Pool, admin: asyncpg.Connection
) -> None:
    """Writers that overlap without end must not keep an engine out."""
    store = EngineStore(pool)
    one, two = await _registered(store), await _registered(store)
    share = await store.join(1, one)
    done = asyncio.Event()
    refused: list[int] = []

    async def write(number: int) -> None:
        while not done.is_set():
            try:
                async with engine_share.sharing(pool, share):
                    await asyncio.sleep(0.03)
            except LeaseLost:
                refused.append(number)
                return
            await asyncio.sleep(0)

    writers = [asyncio.create_task(write(number)) for number in range(4)]
    await asyncio.sleep(0.1)
    begun = asyncio.get_running_loop().time()
    joined = await store.join(1, two)
    took = asyncio.get_running_loop().time() - begun
    assert joined.generation == 2
    assert took < 1
    await asyncio.wait(writers, timeout=3)
    done.set()
    await asyncio.gather(*writers)
    assert sorted(refused) == [0, 1, 2, 3]


async def test_who_is_frozen_while_deciding_loses_its_hold(
    database: Database, pool: Pool, admin: asyncpg.Connection
) -> None:
    store = EngineStore(pool)
    one, two = await _registered(store), await _registered(store)
    share = await store.join(1, one)
    frozen = await database.connect(ENGINE_ROLE)
    await frozen.execute("BEGIN")
    await frozen.execute("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
    assert await frozen.fetchval("SELECT statustui.share_hold(1::smallint, $1, $2)", one, 1)
    joined = await store.join(1, two)
    assert joined.generation == share.generation + 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await frozen.execute("COMMIT")


@pytest.mark.parametrize("seed", range(3))
async def test_nobody_ever_decides_together_with_a_change(
    database: Database, admin: asyncpg.Connection, seed: int
) -> None:
    """Engines come, go, die and decide at once: every decision stands in its generation."""
    await admin.execute("CREATE TABLE decided (engine uuid, generation bigint, at timestamptz)")
    await admin.execute("GRANT INSERT ON decided TO statustui_engine")
    chance = random.Random(seed)
    ends_at = asyncio.get_running_loop().time() + 1.2

    async def live(pool: Pool, luck: random.Random) -> None:
        store = EngineStore(pool)
        engine = await _registered(store)
        share = await store.join(1, engine, 0.15)
        while asyncio.get_running_loop().time() < ends_at:
            await asyncio.sleep(luck.random() * 0.03)
            match luck.choices(["decide", "beat", "leave", "freeze"], [10, 6, 1, 1])[0]:
                case "decide":
                    try:
                        async with engine_share.sharing(pool, share) as connection:
                            await connection.execute(
                                "INSERT INTO statustui.decided VALUES ($1, $2, clock_timestamp())",
                                engine,
                                share.generation,
                            )
                            await asyncio.sleep(luck.random() * 0.01)
                    except LeaseLost:
                        share = await store.join(1, engine, 0.15)
                case "beat":
                    if (await store.beat(share, 0, {}, 0.15)).has_dead:
                        await store.evict(1, 0.15)
                case "leave":
                    await store.leave(share)
                    share = await store.join(1, engine, 0.15)
                case _:
                    await asyncio.sleep(0.2)

    async with AsyncExitStack() as stack:
        pools = []
        for _ in range(3):
            opened = await open_pool(database.target(ENGINE_ROLE), max_size=2)
            stack.push_async_callback(opened.close)
            pools.append(opened)
        await asyncio.gather(*(live(each, random.Random(chance.random())) for each in pools))
    rows = await admin.fetch("SELECT * FROM share_generations ORDER BY generation")
    assert [row["generation"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(a["members"] != b["members"] for a, b in pairwise(rows))
    decided = await admin.fetch("SELECT * FROM decided")
    assert decided
    begins = {row["generation"]: row["at"] for row in rows}
    for row in decided:
        generation = rows[row["generation"] - 1]
        assert row["engine"] in generation["members"]
        assert begins[row["generation"]] <= row["at"]
        following = begins.get(row["generation"] + 1)
        assert following is None or row["at"] <= following


async def test_facts_of_two_engines_about_one_slot_count_it_once(
    database: Database,
) -> None:
    """Whoever decides and whoever only saw, at the very same moment."""
    async with engine_story(database) as story:
        await _settle_slots(story)


async def _settle_slots(story: Story) -> None:
    service = await story.service("API")
    keys = [
        await story.monitor(service, f"m{number}", created_before=timedelta(minutes=5))
        for number in range(15)
    ]
    slot = datetime.now(UTC) - timedelta(seconds=20)
    mine, theirs = [], []
    for key in keys:
        monitor = await story.watched(key)
        theirs.append(story.decide(monitor, seen(slot), slot_at=slot))
        story.memories.clear()
        mine.append(story.decide(monitor, seen(slot + timedelta(seconds=3)), slot_at=slot))
    now = datetime.now(UTC)
    for begin in range(0, 15, 5):
        await asyncio.gather(
            story.store.record_stale_facts(theirs[begin : begin + 5]),
            story.store.record_batch(story.share, mine[begin : begin + 5], now),
        )
    for table in ("rollups_hourly", "rollups_daily"):
        rows = await story.admin.fetch(f"SELECT slots, success FROM statustui.{table}")
        assert {tuple(row) for row in rows} == {(1, 2)}
