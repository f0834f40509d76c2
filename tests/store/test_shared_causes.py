"""What fails together is one incident that is told once, however the looks come in."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from statustui.domain.observation import Observation, Phases
from statustui.domain.status import ErrorKind
from tests.support.databases import Database
from tests.support.watched import Story, engine_story, refused, seen

_MANY = 40


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.admin.execute(
            """INSERT INTO statustui.channels (org_id, name, kind) VALUES ($1, 'all', 'slack')""",
            made.org_id,
        )
        yield made


def _failed(at: datetime, kind: ErrorKind, reason: str, code: int | None = None) -> Observation:
    return Observation(
        started_at=at, duration_ms=5.0, error_kind=kind, reason=reason, status_code=code
    )


def _answers(at: datetime, code: int) -> Observation:
    return Observation(
        started_at=at,
        duration_ms=5.0,
        connected=True,
        status_code=code,
        phases=Phases(connect_ms=1.0),
    )


async def _outbox(story: Story) -> list[str]:
    rows = await story.admin.fetch(
        "SELECT event FROM statustui.outbox ORDER BY created_at, event_key"
    )
    return [row["event"] for row in rows]


async def _members(story: Story, incident: UUID) -> set[UUID]:
    rows = await story.admin.fetch(
        "SELECT service_id FROM statustui.incident_services WHERE incident_id = $1", incident
    )
    return {row["service_id"] for row in rows}


async def _record(
    story: Story, looks: Sequence[tuple[int, Observation]], at: datetime | None = None
) -> None:
    """One batch of looks, in their order."""
    watched = (await story.store.load_work("local", story.region)).monitors
    decisions = [story.decide(watched[key], observation) for key, observation in looks]
    await story.store.record_batch(story.lease, decisions, at or datetime.now(UTC))


async def _behind_a_database(
    story: Story, threshold: int
) -> tuple[UUID, int, dict[int, UUID], int, UUID]:
    """A hidden database, forty services that need it, and one that needs it too."""
    database = await story.service("Database", visible=False)
    root = await story.monitor(
        database, failure_threshold=threshold, url="http://db1.test:5432/", timeout_ms=1_000
    )
    needing = {}
    for number in range(_MANY):
        service = await story.service(f"Service {number:02d}", needs=(database,))
        needing[await story.monitor(service, failure_threshold=threshold)] = service
    other = await story.service("Sign-in", needs=(database,))
    return database, root, needing, await story.monitor(other, failure_threshold=threshold), other


def _expired(at: datetime) -> Observation:
    return _failed(at, ErrorKind.TLS, "the certificate of sign-in.test expired yesterday")


async def _is_one_story(
    story: Story, database: UUID, needing: Mapping[int, UUID], other: UUID
) -> None:
    first, second = sorted(
        await story.incidents(), key=lambda each: each["cause_service_id"] is None
    )
    assert first["cause_service_id"] == database
    assert await _members(story, first["id"]) == {database, *needing.values()}
    assert await _members(story, second["id"]) == {other}
    assert first["title"].endswith("37 more are unavailable")
    assert first["internal_title"].startswith("Database takes down 40 services: ")
    assert (first["is_public"], first["impact"]) == (True, "critical")
    assert second["title"] == "Sign-in is unavailable"
    # Each of the two is told once; forty rows would be forty pages.
    assert await _outbox(story) == ["incident.created"] * 2


async def test_forty_behind_a_dead_database_in_one_batch(story: Story) -> None:
    database, root, needing, odd, other = await _behind_a_database(story, 1)
    now = datetime.now(UTC)
    good = [(key, seen(now - timedelta(seconds=40))) for key in (root, odd, *needing)]
    await _record(story, good)
    looks = [(key, _answers(now - timedelta(seconds=9), 503)) for key in needing]
    looks += [(root, refused(now - timedelta(seconds=8))), (odd, _expired(now))]
    await _record(story, looks)
    await _is_one_story(story, database, needing, other)
    await story.store.tick(story.lease, datetime.now(UTC))
    await story.store.settle(story.lease, datetime.now(UTC), organizations=None)
    await _is_one_story(story, database, needing, other)


@pytest.mark.parametrize("seed", range(3))
async def test_forty_over_several_batches_within_the_retries(story: Story, seed: int) -> None:
    """In whatever order three rounds of looks come in, it is one incident and one other."""
    chance = random.Random(seed)
    database, root, needing, odd, other = await _behind_a_database(story, 3)
    begin = datetime.now(UTC) - timedelta(seconds=4)
    keys = [root, odd, *needing]
    await _record(story, [(key, seen(begin - timedelta(seconds=30))) for key in keys])
    rounds = []
    for number in range(3):
        at = begin + timedelta(seconds=number)
        order = chance.sample(keys, len(keys))
        if number == 2:
            # The database is the last to be confirmed, or somewhere in between.
            order.remove(root)
            order.insert(len(order) if seed == 0 else chance.randrange(len(order)), root)
        rounds += [
            (
                key,
                refused(at)
                if key == root
                else _expired(at)
                if key == odd
                else _failed(at, ErrorKind.TIMEOUT, "no answer within 1 s"),
            )
            for key in order
        ]
    for start in range(0, len(rounds), 17):
        await _record(story, rounds[start : start + 17])
        await story.store.tick(story.lease, datetime.now(UTC))
    await _is_one_story(story, database, needing, other)


async def test_who_waits_for_a_cause_that_is_well_after_all_opens_then(story: Story) -> None:
    database = await story.service("Database")
    api = await story.service("API", needs=(database,))
    root = await story.monitor(database, failure_threshold=3, retry_interval_seconds=5)
    key = await story.monitor(api)
    now = datetime.now(UTC)
    await _record(story, [(root, refused(now)), (key, refused(now))])
    assert await story.incidents() == []
    await story.store.tick(story.lease, now)
    assert await story.incidents() == []
    await _record(story, [(root, seen(now + timedelta(seconds=1)))])
    await story.store.tick(story.lease, now + timedelta(seconds=2))
    (incident,) = await story.incidents()
    assert (incident["title"], await _outbox(story)) == ("API is unavailable", ["incident.created"])


async def test_nobody_waits_longer_than_the_confirmation_may_take(story: Story) -> None:
    database = await story.service("Database")
    api = await story.service("API", needs=(database,))
    root = await story.monitor(database, failure_threshold=3, retry_interval_seconds=5)
    key = await story.monitor(api)
    now = datetime.now(UTC)
    await _record(story, [(root, refused(now)), (key, refused(now))])
    # Two retries after 5 s each, three looks of at most a second, two seconds to write.
    await story.store.tick(story.lease, now + timedelta(seconds=14.9))
    assert await story.incidents() == []
    await story.store.tick(story.lease, now + timedelta(seconds=15))
    (incident,) = await story.incidents()
    assert incident["title"] == "API is unavailable"


async def test_a_cause_that_is_found_late_joins_what_it_took_down(story: Story) -> None:
    database = await story.service("Database", visible=False)
    api = await story.service("API", needs=(database,))
    shop = await story.service("Shop", needs=(api,))
    root, first, second = [await story.monitor(each) for each in (database, api, shop)]
    now = datetime.now(UTC)
    await _record(
        story, [(key, seen(now - timedelta(seconds=60))) for key in (root, first, second)]
    )
    await _record(story, [(first, refused(now - timedelta(seconds=50)))])
    await _record(story, [(second, refused(now - timedelta(seconds=45)))])
    await _record(story, [(root, refused(now - timedelta(seconds=10)))])
    (incident,) = await story.incidents()
    assert incident["cause_service_id"] == database
    assert incident["internal_title"] == "Database takes down API, Shop"
    assert incident["title"] == "API and Shop are unavailable"
    assert await _members(story, incident["id"]) == {database, api, shop}
    assert await _outbox(story) == ["incident.created"]


@pytest.mark.parametrize(
    ("failure", "is_explained"),
    [
        (lambda at: refused(at), True),
        (lambda at: _answers(at, 503), True),
        (lambda at: _answers(at, 404), False),
        (lambda at: _expired(at), False),
        (lambda at: _failed(at, ErrorKind.DNS, "the name api.test does not exist"), False),
        # It broke while the database was still well.
        (lambda at: refused(at - timedelta(seconds=45)), False),
    ],
)
async def test_what_does_not_fit_the_cause_stands_alone(
    story: Story, failure: Any, is_explained: bool
) -> None:
    database = await story.service("Database")
    root = await story.monitor(database)
    key = await story.monitor(await story.service("API", needs=(database,)))
    now = datetime.now(UTC)
    await _record(story, [(key, seen(now - timedelta(seconds=90)))])
    await _record(story, [(root, seen(now - timedelta(seconds=30)))])
    await _record(story, [(root, refused(now - timedelta(seconds=20)))])
    await _record(story, [(key, failure(now - timedelta(seconds=10)))])
    assert len(await story.incidents()) == (1 if is_explained else 2)
    assert len(await _outbox(story)) == (1 if is_explained else 2)


async def test_what_is_still_down_two_looks_after_the_cause_gets_its_own(story: Story) -> None:
    await story.organization(recovery_watch_seconds=3600)
    database = await story.service("Database", visible=False)
    api = await story.service("API", needs=(database,))
    shop = await story.service("Shop", needs=(database,))
    root, first, second = [await story.monitor(each) for each in (database, api, shop)]
    now = datetime.now(UTC) - timedelta(seconds=60)

    def at(seconds: float) -> datetime:
        return now + timedelta(seconds=seconds)

    await _record(story, [(key, refused(at(0))) for key in (root, first, second)])
    await _record(story, [(root, seen(at(10))), (second, seen(at(11)))])
    await _record(story, [(first, refused(at(12)))])
    await story.store.tick(story.lease, datetime.now(UTC))
    assert len(await story.incidents()) == 1
    await _record(story, [(first, refused(at(17)))])
    await story.store.tick(story.lease, datetime.now(UTC))
    old, new = await story.incidents()
    assert await _members(story, old["id"]) == {database, shop}
    assert await _members(story, new["id"]) == {api}
    assert (old["status"], new["status"]) == ("monitoring", "investigating")
    assert new["started_at"] == at(0)
    told = [update["message"] for update in await story.updates(old["id"])]
    assert any("API is still down although Database has recovered" in words for words in told)
    # Once for each of the two, and that the first recovers.
    assert sorted(await _outbox(story)) == ["incident.created"] * 2 + ["incident.updated"]
    await story.store.tick(story.lease, datetime.now(UTC))
    assert len(await story.incidents()) == 2


async def test_what_fails_of_one_host_is_grouped_without_a_dependency(story: Story) -> None:
    services = [await story.service(f"S{number}", visible=number > 0) for number in range(3)]
    keys = [
        await story.monitor(service, url=f"http://db1.test:5432/{number}")
        for number, service in enumerate(services)
    ]
    alone = await story.monitor(await story.service("Alone"), url="http://db2.test:5432/")
    now = datetime.now(UTC)
    await _record(story, [(keys[0], refused(now)), (alone, refused(now)), (keys[1], refused(now))])
    await _record(story, [(keys[2], refused(now + timedelta(seconds=2)))])
    shared, other = sorted(
        await story.incidents(), key=lambda each: each["title"] == "Alone is unavailable"
    )
    assert await _members(story, shared["id"]) == set(services)
    assert shared["internal_title"] == "3 services affected: host db1.test:5432 refused"
    assert shared["title"] == "S1 and S2 are unavailable"
    assert other["title"] == "Alone is unavailable"
    assert await _outbox(story) == ["incident.created"] * 2


async def test_what_all_need_and_nobody_has_seen_well_since_groups_them(story: Story) -> None:
    network = await story.service("Network", visible=False)
    services = [await story.service(f"S{number}", needs=(network,)) for number in range(3)]
    keys = [await story.monitor(service) for service in services]
    root = await story.monitor(network)
    now = datetime.now(UTC)
    await _record(story, [(key, seen(now - timedelta(seconds=60))) for key in (root, *keys)])
    await _record(story, [(key, refused(now)) for key in keys[:2]])
    (incident,) = await story.incidents()
    assert incident["internal_title"] == "2 services affected: all need Network"
    # The network is well after that: the third fails of something else.
    await _record(story, [(root, seen(now + timedelta(seconds=20)))])
    await _record(story, [(keys[2], refused(now + timedelta(seconds=31)))])
    assert len(await story.incidents()) == 2


async def test_one_incident_stays_open_while_its_monitor_flaps(story: Story) -> None:
    await story.organization(recovery_watch_seconds=120)
    service = await story.service("API")
    key = await story.monitor(service)
    begin = datetime.now(UTC) - timedelta(minutes=20)
    await _record(story, [(key, seen(begin))])
    for number, look in enumerate((refused, seen, refused, seen, refused, seen, refused), 1):
        at = begin + timedelta(seconds=5 * number)
        await _record(story, [(key, look(at))], at)
        await story.store.tick(story.lease, at)
    (incident,) = await story.incidents()
    assert (incident["status"], incident["internal_title"]) == ("investigating", "API is flapping")
    assert await story.status(service) == ("degraded_performance", "degraded_performance")
    words = [update["message"] for update in await story.updates(incident["id"])]
    assert sum("API is flapping: up and down in turns" in each for each in words) == 1
    for seconds in (40, 300, 639):
        at = begin + timedelta(seconds=seconds)
        await _record(story, [(key, seen(at))], at)
        await story.store.tick(story.lease, at)
        assert [each["status"] for each in await story.incidents()] == ["investigating"]
    at = begin + timedelta(seconds=640)
    await _record(story, [(key, seen(at))], at)
    (incident,) = await story.incidents()
    assert (incident["status"], incident["flapping_since"]) == ("monitoring", None)
    assert await story.status(service) == ("operational", "operational")
    await story.store.tick(story.lease, at + timedelta(seconds=120))
    assert [each["status"] for each in await story.incidents()] == ["resolved"]


async def test_an_outage_that_was_over_when_it_was_recorded_keeps_its_times(story: Story) -> None:
    await story.organization(recovery_watch_seconds=60)
    key = await story.monitor(await story.service("API"))
    begin = datetime.now(UTC) - timedelta(hours=2)

    def at(minutes: float) -> datetime:
        return begin + timedelta(minutes=minutes)

    await _record(story, [(key, seen(at(0)))], at(0))
    await _record(story, [(key, refused(at(1)))], at(1.2))
    assert await _outbox(story) == []
    await _record(story, [(key, seen(at(9)))], at(9.1))
    await _record(story, [(key, seen(at(10)))], at(10))
    await story.store.tick(story.lease, datetime.now(UTC))
    (incident,) = await story.incidents()
    times = [
        incident[name] for name in ("started_at", "published_at", "monitoring_at", "resolved_at")
    ]
    assert times == [at(1), at(1.2), at(9.1), at(10)]
    assert incident["is_retroactive"]
    said = [u for u in await story.updates(incident["id"]) if u["kind"] == "update"]
    assert [update["created_at"] for update in said] == [at(1.2), at(9.1), at(10)]
    assert "8 minutes" in said[-1]["message"]
    events = [u["message"] for u in await story.updates(incident["id"]) if u["kind"] == "event"]
    assert any("recorded afterwards" in each for each in events)
    # One row, and it says that it is over.
    assert await _outbox(story) == ["incident.resolved"]
    rows = await story.admin.fetch(
        """SELECT effective_at FROM statustui.service_status_changes
        WHERE effective_at > $1 ORDER BY id""",
        at(0),
    )
    assert [row["effective_at"] for row in rows] == [at(1), at(9)]


async def test_an_outage_that_goes_on_when_it_was_recorded_is_told_once(story: Story) -> None:
    key = await story.monitor(await story.service("API"))
    begin = datetime.now(UTC) - timedelta(hours=2)
    await _record(story, [(key, refused(begin))], begin)
    await story.store.tick(story.lease, datetime.now(UTC))
    assert await _outbox(story) == []
    now = datetime.now(UTC)
    await _record(story, [(key, refused(now))], now)
    for _ in range(2):
        await story.store.tick(story.lease, now)
        assert await _outbox(story) == ["incident.created"]
    (incident,) = await story.incidents()
    assert (incident["started_at"], incident["to_be_told"]) == (begin, False)


async def _public_words(story: Story, incident: UUID) -> list[tuple[str, str | None]]:
    updates = await story.updates(incident)
    return [(each["message"], each["author"]) for each in updates if each["is_public"]]


async def _later(story: Story, minutes: int) -> None:
    """As if the incident had opened earlier."""
    await story.admin.execute(
        """UPDATE statustui.incidents
        SET draft_due_at = draft_due_at - make_interval(mins => $1)""",
        minutes,
    )
    await story.admin.execute(
        """UPDATE statustui.service_monitor_status
        SET since = since - make_interval(mins => $1)""",
        minutes,
    )


async def _guarded(story: Story) -> tuple[UUID, int, UUID]:
    await story.organization(recovery_watch_seconds=3600)
    service = await story.service("API", mode="guarded")
    key = await story.monitor(service)
    await _record(story, [(key, refused(datetime.now(UTC)))])
    (incident,) = await story.incidents()
    return service, key, incident["id"]


async def test_guarded_words_wait_and_without_a_person_the_sentence_follows(story: Story) -> None:
    await story.organization(guarded_sentence="We see a problem.")
    service, _, incident = await _guarded(story)
    assert await story.status(service) == ("major_outage", "operational")
    await _later(story, 4)
    await story.store.tick(story.lease, datetime.now(UTC))
    # The colour follows after three minutes, the words after ten.
    assert await story.status(service) == ("major_outage", "major_outage")
    assert await _public_words(story, incident) == []
    await _later(story, 6)
    await story.store.tick(story.lease, datetime.now(UTC))
    await story.store.tick(story.lease, datetime.now(UTC))
    assert await _public_words(story, incident) == [("We see a problem.", None)]
    (row,) = await story.incidents()
    assert (row["is_public"], row["draft"], row["touched_at"]) == (True, None, None)
    assert await _outbox(story) == ["incident.created", "incident.updated"]


@pytest.mark.parametrize("deed", ["held", "posted", "waiting", "recovered", "joined"])
async def test_the_sentence_is_not_posted(story: Story, database: Database, deed: str) -> None:
    _, key, incident = await _guarded(story)
    expected: list[str | None] = []
    match deed:
        case "held":
            await story.admin.execute(
                "UPDATE statustui.incidents SET held_by = 'alice', held_at = now()"
            )
        case "posted":
            await story.admin.execute(
                """INSERT INTO statustui.incident_updates
                    (org_id, incident_id, status, message, is_public, author)
                VALUES ($1, $2, 'investigating', 'We look.', false, 'alice')""",
                story.org_id,
                incident,
            )
        case "waiting":
            await story.admin.execute(
                """INSERT INTO statustui.pending_posts (org_id, incident_id, author, base_version,
                    status, message, is_public, public_at, notify_at)
                VALUES ($1, $2, 'alice', 1, 'identified', 'We look.', true,
                    now() + interval '1 hour', now() + interval '1 hour')""",
                story.org_id,
                incident,
            )
        case "recovered":
            await _record(story, [(key, seen(datetime.now(UTC)))])
        case "joined":
            # A service that speaks at once makes the incident public with its own words.
            other = await story.service("Shop")
            await story.admin.execute(
                """INSERT INTO statustui.service_dependencies (org_id, service_id, depends_on_id)
                SELECT $1, $2, service_id FROM statustui.incident_services""",
                story.org_id,
                other,
            )
            await _record(story, [(await story.monitor(other), refused(datetime.now(UTC)))])
            expected = [None]
    await _later(story, 30)
    await story.store.tick(story.lease, datetime.now(UTC))
    assert [author for _, author in await _public_words(story, incident)] == expected


async def test_what_still_fails_when_its_window_ends_is_told_in_the_same_tick(story: Story) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    now = datetime.now(UTC)
    window = await story.admin.fetchval(
        """INSERT INTO statustui.maintenance_windows (org_id, title, starts_at, ends_at)
        VALUES ($1, 'Restart', $2, $3) RETURNING id""",
        story.org_id,
        now - timedelta(hours=2),
        now - timedelta(seconds=1) + timedelta(hours=1),
    )
    await story.admin.execute(
        "INSERT INTO statustui.maintenance_services VALUES ($1, $2, $3)",
        story.org_id,
        window,
        service,
    )
    await story.store.tick(story.lease, now)
    await _record(story, [(key, refused(now))])
    await story.store.tick(story.lease, now)
    assert (await story.incidents(), await story.status(service)) == (
        [],
        ("under_maintenance", "under_maintenance"),
    )
    assert await _outbox(story) == ["maintenance.started"]
    await story.admin.execute(
        "UPDATE statustui.maintenance_windows SET ends_at = clock_timestamp()"
    )
    await story.store.tick(story.lease, datetime.now(UTC))
    (incident,) = await story.incidents()
    assert (incident["title"], incident["started_at"]) == ("API is unavailable", now)
    assert sorted(await _outbox(story)) == [
        "incident.created",
        "maintenance.completed",
        "maintenance.started",
    ]


async def test_what_failed_inside_a_window_that_is_over_opens_nothing_afterwards(
    story: Story,
) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    begin = datetime.now(UTC) - timedelta(hours=2)
    window = await story.admin.fetchval(
        """INSERT INTO statustui.maintenance_windows (org_id, title, starts_at, ends_at)
        VALUES ($1, 'Restart', $2, $3) RETURNING id""",
        story.org_id,
        begin,
        begin + timedelta(hours=1),
    )
    await story.admin.execute(
        "INSERT INTO statustui.maintenance_services VALUES ($1, $2, $3)",
        story.org_id,
        window,
        service,
    )
    await story.store.tick(story.lease, datetime.now(UTC))
    failed, well = begin + timedelta(minutes=10), begin + timedelta(minutes=20)
    await _record(story, [(key, refused(failed))], failed)
    await _record(story, [(key, seen(well))], well)
    await story.store.tick(story.lease, datetime.now(UTC))
    assert await story.incidents() == []
    # After its end it is an outage like any other.
    failed = begin + timedelta(minutes=70)
    await _record(story, [(key, refused(failed))], failed)
    (incident,) = await story.incidents()
    assert incident["started_at"] == failed


async def test_a_cause_that_is_paused_has_not_recovered(story: Story) -> None:
    database = await story.service("Database")
    api = await story.service("API", needs=(database,))
    root, key = await story.monitor(database), await story.monitor(api)
    now = datetime.now(UTC) - timedelta(seconds=20)
    await _record(story, [(root, refused(now)), (key, refused(now))])
    await story.admin.execute(
        "UPDATE statustui.monitors SET is_active = false WHERE key = $1", root
    )
    await story.store.settle(story.lease, datetime.now(UTC), organizations=None)
    for seconds in (30, 60):
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        await _record(story, [(key, refused(at))], at)
        await story.store.tick(story.lease, at)
    assert len(await story.incidents()) == 1
