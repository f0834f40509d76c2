"""What is settled where something changed comes out as if whole organizations had been settled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from statustui.domain.decision import Decision
from statustui.domain.incident import reconcile
from statustui.store import engine_settle, queries
from statustui.store.connection import Pool, PoolConnection, open_pool, transaction
from statustui.store.engine_situation import load_situations
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story, refused, seen

_SERVICES = 24
_STEPS = 12
_BEGIN = datetime.now(UTC) - timedelta(hours=2)

_STATE = """
SELECT s.name, t.current_status, t.public_status, said.status AS said, i.title, i.internal_title,
       i.impact, i.status, i.is_public, i.touched_at IS NOT NULL AS touched,
       ARRAY(SELECT y.service_id FROM incident_services y WHERE y.incident_id = i.id
             ORDER BY y.service_id) AS members
FROM services s
JOIN service_state t ON t.service_id = s.id
LEFT JOIN service_monitor_status said ON said.service_id = s.id
LEFT JOIN incident_services x ON x.service_id = s.id AND x.open_auto
LEFT JOIN incidents i ON i.id = x.incident_id
ORDER BY s.name
"""


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.admin.execute("SET search_path = statustui")
        yield made


@pytest.fixture
async def pool(database: Database, story: Story) -> AsyncIterator[Pool]:
    opened = await open_pool(database.target(ENGINE_ROLE), max_size=2)
    try:
        yield opened
    finally:
        await opened.close()


async def _random_world(story: Story, chance: random.Random) -> dict[int, UUID]:
    """Services that need earlier ones, in every mode, with one or two monitors each; by key."""
    services: list[UUID] = []
    keys: dict[int, UUID] = {}
    await story.organization(recovery_watch_seconds=chance.choice([0, 3600]))
    for number in range(_SERVICES):
        near = services[-6:]
        needs = tuple(chance.sample(near, min(len(near), chance.choice([0, 0, 1, 1, 2]))))
        service = await story.service(
            f"S{number:02d}",
            visible=chance.random() < 0.7,
            needs=needs,
            mode=chance.choice([None, None, "public", "internal", "guarded", "off"]),
        )
        services.append(service)
        for name in ("a", "b")[: chance.choice([1, 1, 2])]:
            threshold = chance.choice([1, 1, 2])
            # Some look at one host: these fail together without needing each other.
            url = f"http://shared{chance.randrange(3)}.test/" if chance.random() < 0.3 else None
            key = await story.monitor(service, name, url=url, failure_threshold=threshold)
            keys[key] = service
    return keys


async def _everything(story: Story) -> list[Mapping[str, Any]]:
    return [dict(row) for row in await story.admin.fetch(_STATE)]


class _Seen(Exception):
    """What came out was seen, and is to be undone."""


async def _settled_as_a_whole(
    story: Story,
    decisions: Sequence[Decision],
    at: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Mapping[str, Any]]:
    """What comes of a batch when everything is settled after it, without leaving a trace."""
    real, found = engine_settle._settle_affected, list[Mapping[str, Any]]()

    async def whole(
        connection: PoolConnection,
        _: list[UUID],
        wanted: Collection[UUID],
        at: datetime,
        *,
        seen_at: datetime | None = None,
    ) -> None:
        everything = await connection.fetch("SELECT id FROM services")
        await real(connection, [row["id"] for row in everything], wanted, at, seen_at=seen_at)
        found.extend([dict(row) for row in await connection.fetch(_STATE)])
        raise _Seen

    async def never(*_: object) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(engine_settle, "_settle_affected", whole)
        patched.setattr(engine_settle, "_all_begin_well", never)
        with pytest.raises(_Seen):
            await story.store.record_batch(story.share, decisions, at)
    return found


async def _left_to_do(story: Story, pool: Pool, at: datetime) -> list[Any]:
    """What a look at the whole organization would still do."""
    services = [row["id"] for row in await story.admin.fetch("SELECT id FROM services ORDER BY id")]
    left: list[Any] = []
    async with transaction(pool) as connection:
        left += await engine_settle._changed_says(connection, services, at)
        for situation in await load_situations(connection, services):
            left += reconcile(situation, at)
        recomputed = await connection.fetch(queries.load("engine_settle")["recompute"], services)
        left += [dict(row) for row in recomputed]
    return left


@pytest.mark.parametrize("seed", range(6))
async def test_it_comes_out_as_if_everything_were_settled(
    story: Story, pool: Pool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    keys = await _random_world(story, chance)
    watched = (await story.store.load_work("local", story.region)).monitors
    opened = 0
    for step in range(_STEPS):
        look = _BEGIN + timedelta(minutes=step)
        chosen = chance.sample(sorted(keys), chance.choice([1, 2, 5, len(keys)]))
        decisions = [
            story.decide(watched[key], refused(look) if chance.random() < 0.6 else seen(look))
            for key in chosen
        ]
        now = datetime.now(UTC)
        expected = None
        if any(decision.transitions for decision in decisions):
            expected = await _settled_as_a_whole(story, decisions, now, monkeypatch)
        await story.store.record_batch(story.share, decisions, now)
        assert expected is None or await _everything(story) == expected, (seed, step)
        await story.store.tick(story.lease, now)
        opened += len(await story.incidents())
        if step % 3 == 2:
            # A person posts to one; from then on the resolving is theirs.
            await story.admin.execute(
                """UPDATE incidents SET touched_at = clock_timestamp(), touched_by = 'alice'
                WHERE id = (SELECT id FROM incidents WHERE is_open_auto ORDER BY code LIMIT 1)"""
            )
        assert await _left_to_do(story, pool, now) == [], (seed, step)
        before = await _everything(story)
        await story.store.settle(story.lease, now, organizations=None)
        assert await _everything(story) == before, (seed, step)
    assert opened > 0


async def test_it_locks_what_the_change_reaches_and_no_more(story: Story, pool: Pool) -> None:
    cache, database = await story.service("Cache"), await story.service("Database")
    api = await story.service("API", needs=(database,))
    mail = await story.service("Mail", needs=(database, cache))
    other = await story.service("Other", needs=(cache,))
    keys = [await story.monitor(service) for service in (database, api, mail, other)]

    async def locked(connection: Any, service: UUID) -> set[UUID]:
        return set(await engine_settle._lock_affected(connection, [service]))

    async with transaction(pool) as connection:
        assert await locked(connection, api) == {api, database}
        assert await locked(connection, database) == {database}
        assert await locked(connection, other) == {other, cache}
        # Elsewhere others go on writing.
        async with story.admin.transaction():
            await story.admin.execute("SET LOCAL lock_timeout = '100ms'")
            await story.admin.execute(
                "SELECT FROM service_state WHERE service_id = $1 FOR UPDATE", mail
            )
    watched = (await story.store.load_work("local", story.region)).monitors
    look = [story.decide(watched[key], refused(_BEGIN)) for key in keys[:2]]
    await story.store.record_batch(story.share, look, datetime.now(UTC))
    async with transaction(pool) as connection:
        # The incident binds them together now, and what joins it needs the other one's name.
        assert await locked(connection, database) == {database, api}
        assert await locked(connection, mail) == {mail, cache, database, api}
        # What waits above for an incident is read with all that it needs in turn.
        await story.admin.execute(
            """INSERT INTO service_monitor_status (service_id, org_id, status, since)
            VALUES ($1, $2, 'major_outage', now())""",
            mail,
            story.org_id,
        )
        assert await locked(connection, api) == {api, database}
        assert await locked(connection, database) == {database, api, mail, cache}


async def test_an_incident_that_grows_meanwhile_is_not_waited_for(
    story: Story, database: Database, pool: Pool
) -> None:
    api, mail = await story.service("API"), await story.service("Mail")
    await story.look(await story.monitor(api), refused(_BEGIN))
    (incident,) = await story.incidents()
    person = await database.connect()
    await person.execute("SET search_path = statustui")
    post = person.transaction()
    await post.start()
    await person.execute(
        "SELECT FROM service_state WHERE service_id = ANY ($1) FOR UPDATE", [api, mail]
    )

    async def settle() -> list[UUID]:
        async with transaction(pool) as connection:
            return await engine_settle._lock_affected(connection, [api])

    waiting = asyncio.create_task(settle())
    while not await story.admin.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"
    ):
        await asyncio.sleep(0)
    await person.execute(
        """INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status,
            open_auto) VALUES ($1, $2, $3, 'operational', 'major_outage', true)""",
        story.org_id,
        incident["id"],
        mail,
    )
    await post.commit()
    assert set(await waiting) == {api, mail}


async def test_a_recovery_that_another_monitor_held_up_is_found_by_the_clock(story: Story) -> None:
    service = await story.service("API")
    down, shaky = (
        await story.monitor(service, "down"),
        await story.monitor(service, "shaky", failure_threshold=3),
    )
    await story.look(shaky, seen(_BEGIN))
    await story.look(down, refused(_BEGIN))
    await story.look(shaky, refused(_BEGIN + timedelta(seconds=1)))
    await story.look(down, seen(_BEGIN + timedelta(seconds=2)))
    await story.store.tick(story.lease, datetime.now(UTC))
    assert [incident["status"] for incident in await story.incidents()] == ["investigating"]
    await story.look(shaky, seen(_BEGIN + timedelta(seconds=3)))
    await story.store.tick(story.lease, datetime.now(UTC))
    assert [incident["status"] for incident in await story.incidents()] == ["resolved"]


async def test_a_stage_that_a_person_set_after_the_recovery_stands(story: Story) -> None:
    await story.organization(recovery_watch_seconds=3600)
    key = await story.monitor(await story.service("API"))
    await story.look(key, refused(_BEGIN))
    await story.look(key, seen(_BEGIN + timedelta(seconds=1)))
    assert [incident["status"] for incident in await story.incidents()] == ["monitoring"]
    await story.admin.execute(
        "UPDATE incidents SET status = 'identified', touched_at = clock_timestamp()"
    )
    await story.store.tick(story.lease, datetime.now(UTC))
    assert [incident["status"] for incident in await story.incidents()] == ["identified"]
