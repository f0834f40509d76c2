"""Whatever fails, recovers, is edited and is done by people, incidents stay what they should be."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from statustui.domain.explaining import may_be_explained_soon, needs_of
from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind
from statustui.store import engine_situation
from statustui.store.connection import Pool, open_pool, transaction
from tests.support.databases import Database
from tests.support.watched import ENGINE_ROLE, Story, engine_story, refused, seen

_SERVICES = 14
_STEPS = 24
_STEP = timedelta(seconds=1)
_MODES = [None, None, None, "internal", "guarded", "off"]

_INCIDENTS = """
SELECT i.id, i.status, i.is_public, i.title, i.internal_title, i.started_at, i.deleted_at,
       (SELECT count(*) FROM outbox o WHERE o.incident_id = i.id
        AND o.event = 'incident.created') AS opened,
       (SELECT count(*) FROM outbox o WHERE o.incident_id = i.id
        AND o.event = 'incident.resolved') AS resolved,
       EXISTS (SELECT FROM checks c WHERE c.org_id = i.org_id AND c.checked_at = i.started_at
               AND c.status IN ('failure', 'timeout')) AS has_failure,
       ARRAY(SELECT s.name FROM incident_services x JOIN services s ON s.id = x.service_id
             WHERE x.incident_id = i.id AND NOT s.is_visible) AS hidden,
       EXISTS (SELECT FROM incident_services x JOIN services s ON s.id = x.service_id
               WHERE x.incident_id = i.id AND s.is_visible) AS has_visible
FROM incidents i ORDER BY i.id
"""


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.admin.execute("SET search_path = statustui")
        await made.admin.execute(
            "INSERT INTO channels (org_id, name, kind) VALUES ($1, 'all', 'slack')", made.org_id
        )
        yield made


@pytest.fixture
async def pool(database: Database, story: Story) -> AsyncIterator[Pool]:
    opened = await open_pool(database.target(ENGINE_ROLE), max_size=1)
    try:
        yield opened
    finally:
        await opened.close()


async def _world(story: Story, chance: random.Random) -> list[int]:
    await story.organization(recovery_watch_seconds=chance.choice([0, 4]))
    services: list[UUID] = []
    keys = []
    for number in range(_SERVICES):
        services.append(
            await story.service(
                f"S{number:02d}",
                visible=chance.random() < 0.7,
                needs=tuple(
                    chance.sample(services[-5:], min(len(services), chance.choice([0, 1, 2])))
                ),
                mode=chance.choice(_MODES),
            )
        )
        for name in ("a", "b")[: chance.choice([1, 1, 2])]:
            keys.append(
                await story.monitor(
                    services[-1],
                    name,
                    url=chance.choice([None, None, "http://shared.test/"]),
                    failure_threshold=chance.choice([1, 2, 3]),
                )
            )
    return keys


def _look(chance: random.Random, is_up: bool, at: datetime) -> Observation:
    if is_up:
        return seen(at)
    if chance.random() < 0.8:
        return refused(at)
    return Observation(at, 1.0, error_kind=ErrorKind.TLS, reason="the certificate expired")


async def _somebody_does_something(story: Story, chance: random.Random) -> None:
    """An edit, or what a person does to an incident."""
    execute = story.admin.execute
    some = "(SELECT id FROM services ORDER BY md5(id::text || $1) LIMIT 1)"
    one = "(SELECT id FROM incidents WHERE is_open_auto ORDER BY md5(id::text || $1) LIMIT 1)"
    seed = str(chance.random())
    match chance.randrange(9):
        case 0:
            mode = chance.choice(_MODES)
            await execute(
                f"UPDATE services SET automatic_incidents = $2 WHERE id = {some}", seed, mode
            )
        case 1:
            pin = chance.choice([None, None, "operational", "partial_outage"])
            await execute(f"UPDATE services SET pinned_status = $2 WHERE id = {some}", seed, pin)
        case 2:
            await execute(
                f"UPDATE services SET is_visible = NOT is_visible WHERE id = {some}", seed
            )
        case 3:
            await execute(
                f"""DELETE FROM service_dependencies WHERE service_id = {some}""",
                seed,
            )
        case 4 | 5:
            status = chance.choice(["identified", "monitoring", "resolved"])
            await execute(
                f"""INSERT INTO pending_posts (org_id, incident_id, author, base_version, status,
                    message, is_public, public_at, notify_at)
                SELECT org_id, id, 'alice', version, $2, 'We look.', $3, now(), now()
                FROM incidents WHERE id = {one}""",
                seed,
                status,
                chance.random() < 0.7,
            )
            await story.store.apply_due_posts()
        case 6:
            await execute(f"UPDATE incidents SET deleted_at = now() WHERE id = {one}", seed)
        case 7:
            await execute(
                f"""UPDATE incidents SET held_by = 'alice', held_at = now()
                WHERE draft IS NOT NULL AND id = {one}""",
                seed,
            )
        case _:
            await execute(
                """UPDATE incidents SET acknowledged_by = 'alice', acknowledged_at = now(),
                    acknowledged_until = now() + interval '1 hour' WHERE is_open_auto"""
            )


async def _everything(story: Story) -> list[Sequence[Any]]:
    rows = await story.admin.fetch(
        """SELECT i.id, i.status, i.version, i.title, i.internal_title, i.is_public, i.draft,
                  (SELECT count(*) FROM incident_updates u WHERE u.incident_id = i.id) AS updates,
                  (SELECT count(*) FROM outbox) AS told
           FROM incidents i ORDER BY i.id"""
    )
    return [tuple(row) for row in rows]


async def _check(story: Story, pool: Pool, at: datetime, where: Any) -> None:
    incidents: list[Mapping[str, Any]] = [dict(row) for row in await story.admin.fetch(_INCIDENTS)]
    for incident in incidents:
        # Behind each there is a check that failed when it says that it began.
        assert incident["has_failure"], (where, incident)
        # Nobody was told twice that it began or that it is over.
        assert incident["opened"] <= 1, (where, incident)
        assert incident["resolved"] <= 1, (where, incident)
        if incident["status"] == "resolved" and incident["opened"] == 0:
            assert incident["resolved"] == 1, (where, incident)
    async with transaction(pool) as connection:
        services = [row["id"] for row in await connection.fetch("SELECT id FROM services")]
        (situation,) = await engine_situation.load_situations(connection, services)
    members = [service for incident in situation.incidents for service in incident.services]
    assert len(members) == len(set(members)), where
    for service in situation.services.values():
        if service.wants_incident and not service.is_covered and service.id not in members:
            needs = [needed for _, needed in needs_of(situation, service)]
            assert any(may_be_explained_soon(each, service, at) for each in needs), (
                where,
                service,
            )


@pytest.mark.parametrize("seed", range(4))
async def test_any_story_keeps_its_promises(story: Story, pool: Pool, seed: int) -> None:
    chance = random.Random(seed)
    keys = await _world(story, chance)
    is_up = dict.fromkeys(keys, True)
    # Live, and never ahead of the database: incidents do not begin in the future.
    begin = datetime.now(UTC) - _STEPS * _STEP - timedelta(seconds=1)
    opened = 0
    for step in range(_STEPS):
        at = begin + step * _STEP
        watched = (await story.store.load_work("local", story.region)).monitors
        for key in keys:
            if chance.random() < 0.2:
                is_up[key] = chance.random() < 0.5
        # Everything was seen well once; then whatever comes.
        chosen = keys if step == 0 else chance.sample(keys, chance.choice([3, 8, len(keys)]))
        decisions = [
            story.decide(watched[key], _look(chance, is_up[key] or step == 0, at)) for key in chosen
        ]
        await story.store.record_batch(story.lease, decisions, at)
        if chance.random() < 0.2:
            # Nobody knows whether it was committed; it is sent again.
            await story.store.record_batch(story.lease, decisions, at)
        if chance.random() < 0.4:
            await _somebody_does_something(story, chance)
            await story.store.settle(story.lease, at, organizations=None)
        await story.store.tick(story.lease, at)
        await _check(story, pool, at, (seed, step))
        before = await _everything(story)
        opened = max(opened, len(before))
        await story.store.settle(story.lease, at, organizations=None)
        await story.store.tick(story.lease, at)
        assert await _everything(story) == before, (seed, step)
    assert opened > 1
