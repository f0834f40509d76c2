"""Batches of decisions become rows once, whatever happens, and only by who may decide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from statustui.domain.decision import Decision
from statustui.domain.observation import Observation
from statustui.domain.rollup import RecordedCheck, Rollup, roll_up
from statustui.domain.scheduling import stable_phase_ms
from statustui.domain.sharing import follow
from statustui.domain.status import CheckStatus, ErrorKind
from statustui.store.engine import LeaseLost
from tests.support.databases import Database
from tests.support.watched import Story, engine_story, refused, seen


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        yield made


def _now() -> datetime:
    return datetime.now(UTC)


async def _rollups(story: Story, table: str) -> dict[int, Rollup]:
    """The sums of a rollup table by monitor."""
    rows = await story.admin.fetch(f"SELECT * FROM statustui.{table}")
    result: dict[int, Rollup] = {}
    for row in rows:
        rollup = Rollup(
            **{
                name: row[name]
                for name in (
                    *("success", "degraded", "failure", "timeout", "unknown", "maintenance"),
                    *("slots", "timed", "sum_ms", "min_ms", "max_ms"),
                )
            },
            histogram=tuple(row[f"h{index:02d}"] for index in range(24)),
        )
        result[row["monitor"]] = result.get(row["monitor"], Rollup()) + rollup
    return result


async def _from_checks(story: Story) -> dict[int, Rollup]:
    """The same figures counted from the raw checks."""
    checks: dict[int, list[RecordedCheck]] = {}
    for row in await story.admin.fetch("SELECT * FROM statustui.checks"):
        checks.setdefault(row["monitor"], []).append(
            RecordedCheck(
                monitor=row["monitor"],
                region=row["region"],
                checked_at=row["checked_at"],
                slot_at=row["slot_at"],
                status=CheckStatus(row["status"]),
                duration_ms=row["duration_ms"],
                in_maintenance=row["in_maintenance"],
                is_retry=row["is_retry"],
            )
        )
    return {monitor: roll_up(rows) for monitor, rows in checks.items()}


async def _three_hours(story: Story, key: int) -> list[Decision]:
    """Checks of every kind around two full hours."""
    monitor = await story.watched(key)
    start = _now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2, seconds=0.5)
    decisions = []
    for number in range(120):
        slot = start + timedelta(minutes=number)
        at = slot + timedelta(milliseconds=600)
        if number % 10 == 3:
            observation = refused(at)
        else:
            observation = seen(at, 503 if number % 10 == 4 else 200, 1.6**number % 40_000)
        decisions.append(
            story.decide(
                monitor,
                observation,
                slot_at=slot - timedelta(minutes=1) if number % 10 == 4 else slot,
                extra=number % 10 == 4,
                in_maintenance=number % 10 == 7,
            )
        )
    return decisions


async def test_rollups_agree_with_the_checks_and_a_replay_adds_nothing(story: Story) -> None:
    key = await story.monitor(await story.service("API"))
    decisions = await _three_hours(story, key)
    first = await story.store.record_batch(story.share, decisions[:70], _now())
    again = await story.store.record_batch(story.share, decisions[:70], _now())
    rest = await story.store.record_batch(story.share, decisions[50:], _now())
    assert (first.inserted, again.inserted, rest.inserted) == (70, 0, 50)
    assert (again.repeated, rest.repeated) == (70, 20)
    expected = await _from_checks(story)
    assert expected[key].looked + expected[key].maintenance == 120
    for table in ("rollups_hourly", "rollups_daily"):
        found = await _rollups(story, table)
        assert found.keys() == expected.keys()
        for name in ("success", "failure", "maintenance", "slots", "timed", "histogram"):
            assert getattr(found[key], name) == getattr(expected[key], name), (table, name)
        assert found[key].sum_ms == pytest.approx(expected[key].sum_ms, rel=1e-5)
        assert (found[key].min_ms, found[key].max_ms) == (
            expected[key].min_ms,
            expected[key].max_ms,
        )
    hours = await story.admin.fetchval("SELECT count(*) FROM statustui.rollups_hourly")
    assert hours == 3  # the first slot, half a second before the hour, and two hours of checks


async def test_phases_are_drawn_alike_here_and_there(story: Story) -> None:
    service = await story.service("API")
    for number in range(5):
        monitor = await story.watched(await story.monitor(service, f"m{number}"))
        assert monitor.timetable is not None
        phase = stable_phase_ms(str(monitor.id), "local", monitor.spec.interval_seconds)
        assert monitor.timetable.phase_ms == phase


async def test_memory_reads_back_as_it_was_written(story: Story) -> None:
    key = await story.monitor(await story.service("API"))
    await story.store.record_batch(story.share, await _three_hours(story, key), _now())
    memories = await story.store.load_memories(story.region)
    remembered, expected = memories[key], story.memories[key]
    assert remembered.verdict == expected.verdict
    assert remembered.recent == expected.recent
    assert remembered.last_look == expected.last_look
    assert remembered.last_slot_at == expected.last_slot_at
    assert remembered.last_status == expected.last_status


async def test_an_outage_becomes_an_incident_and_ends_with_it(story: Story) -> None:
    service = await story.service("API")
    key = await story.monitor(service, failure_threshold=2)
    start = _now() - timedelta(minutes=5)
    await story.look(key, seen(start))
    await story.look(key, refused(start + timedelta(seconds=60)))
    assert await story.incidents() == []
    await story.look(key, refused(start + timedelta(seconds=70)))
    (incident,) = await story.incidents()
    assert incident["started_at"] == start + timedelta(seconds=60)
    assert (incident["title"], incident["impact"]) == ("API is unavailable", "critical")
    assert (incident["status"], incident["is_public"]) == ("investigating", True)
    assert incident["error_kind"] == "refused"
    assert await story.status(service) == ("major_outage", "major_outage")
    await story.look(key, seen(start + timedelta(seconds=180)))
    (incident,) = await story.incidents()
    assert incident["status"] == "resolved"
    assert await story.status(service) == ("operational", "operational")
    updates = await story.updates(incident["id"])
    assert [update["is_public"] for update in updates] == [True, True]
    assert "lasted 2 minutes" in updates[-1]["message"]
    changes = await story.admin.fetch(
        "SELECT to_status, effective_at FROM statustui.service_status_changes ORDER BY id"
    )
    assert [(row["to_status"], row["effective_at"]) for row in changes] == [
        ("major_outage", start + timedelta(seconds=60)),
        ("operational", start + timedelta(seconds=180)),
    ]
    evidence = await story.admin.fetch(
        "SELECT is_good, data FROM statustui.evidence ORDER BY checked_at"
    )
    assert [row["is_good"] for row in evidence] == [True, False]
    assert "refused" in evidence[1]["data"]


async def test_a_recovery_is_watched_and_a_relapse_stays_in_the_incident(story: Story) -> None:
    await story.organization(recovery_watch_seconds=60)
    key = await story.monitor(await story.service("API"))
    now = _now()
    await story.look(key, refused(now - timedelta(seconds=50)))
    await story.look(key, seen(now - timedelta(seconds=40)))
    assert [i["status"] for i in await story.incidents()] == ["monitoring"]
    await story.look(key, refused(now - timedelta(seconds=30)))
    assert [i["status"] for i in await story.incidents()] == ["investigating"]
    await story.look(key, seen(now - timedelta(seconds=20)))
    await story.store.tick(story.lease, now)
    (incident,) = await story.incidents()
    assert incident["status"] == "monitoring"
    await story.organization(recovery_watch_seconds=10)
    await story.store.tick(story.lease, now)
    (incident,) = await story.incidents()
    assert incident["status"] == "resolved"
    statuses = [update["status"] for update in await story.updates(incident["id"])]
    assert statuses == ["investigating", "monitoring", "investigating", "monitoring", "resolved"]


async def test_a_person_who_posted_resolves(story: Story) -> None:
    key = await story.monitor(await story.service("API"))
    now = _now()
    await story.look(key, refused(now - timedelta(seconds=50)))
    await story.admin.execute(
        "UPDATE statustui.incidents SET touched_at = now(), touched_by = 'alice'"
    )
    await story.look(key, seen(now - timedelta(seconds=40)))
    await story.store.tick(story.lease, now)
    assert [i["status"] for i in await story.incidents()] == ["monitoring"]


async def test_what_depends_on_a_broken_service_joins_its_incident(story: Story) -> None:
    database = await story.service("Database", visible=False)
    api = await story.service("API", needs=(database,))
    shop = await story.service("Shop", needs=(api,))
    keys = [await story.monitor(service) for service in (database, api, shop)]
    now = _now()
    await story.look(keys[0], refused(now - timedelta(seconds=30)))
    (incident,) = await story.incidents()
    assert (incident["is_public"], incident["title"]) == (False, "Database is unavailable")
    await story.look(keys[1], refused(now - timedelta(seconds=25)))
    await story.look(keys[2], refused(now - timedelta(seconds=20)))
    (incident,) = await story.incidents()
    assert incident["is_public"]
    assert incident["title"] == "API and Shop are unavailable"
    assert incident["internal_title"] == "Database takes down API, Shop"
    public = [u["message"] for u in await story.updates(incident["id"]) if u["is_public"]]
    assert public
    assert not any("Database" in message for message in public)
    attached = await story.admin.fetch(
        "SELECT service_id FROM statustui.incident_services WHERE incident_id = $1", incident["id"]
    )
    assert {row["service_id"] for row in attached} == {database, api, shop}
    await story.look(keys[0], seen(now - timedelta(seconds=15)))
    assert [i["status"] for i in await story.incidents()] == ["investigating"]
    await story.look(keys[1], seen(now - timedelta(seconds=10)))
    await story.look(keys[2], seen(now - timedelta(seconds=5)))
    assert [i["status"] for i in await story.incidents()] == ["resolved"]


@pytest.mark.parametrize(
    ("mode", "incidents", "public_status"),
    [("internal", [False], "operational"), ("off", [], "major_outage")],
)
async def test_modes(story: Story, mode: str, incidents: list[bool], public_status: str) -> None:
    service = await story.service("API", mode=mode)
    key = await story.monitor(service)
    await story.look(key, refused(_now() - timedelta(seconds=10)))
    assert [incident["is_public"] for incident in await story.incidents()] == incidents
    assert await story.status(service) == ("major_outage", public_status)


async def test_inside_a_window_nothing_opens_and_afterwards_it_does(story: Story) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    now = _now()
    window: UUID = await story.admin.fetchval(
        """INSERT INTO statustui.maintenance_windows (org_id, title, starts_at, ends_at)
        VALUES ($1, 'Upgrade', $2, $3) RETURNING id""",
        story.org_id,
        now - timedelta(minutes=1),
        now + timedelta(minutes=5),
    )
    await story.admin.execute(
        "INSERT INTO statustui.maintenance_services VALUES ($1, $2, $3)",
        story.org_id,
        window,
        service,
    )
    await story.store.tick(story.lease, now)
    work = await story.store.load_work("local", story.region)
    assert [each.service_id for each in work.windows] == [service]
    await story.look(key, refused(now))
    assert await story.incidents() == []
    assert await story.status(service) == ("under_maintenance", "under_maintenance")
    await story.admin.execute(
        "UPDATE statustui.maintenance_windows SET ends_at = clock_timestamp() WHERE id = $1", window
    )
    await story.store.tick(story.lease, _now())
    assert await story.status(service) == ("major_outage", "major_outage")
    assert [incident["status"] for incident in await story.incidents()] == ["investigating"]


async def test_a_recurring_window_comes_again_at_its_local_hour(story: Story) -> None:
    await story.organization(timezone="Europe/Berlin")
    service = await story.service("API")
    start = _now().replace(microsecond=0) - timedelta(hours=2)
    window: UUID = await story.admin.fetchval(
        """INSERT INTO statustui.maintenance_windows
            (org_id, title, starts_at, ends_at, recurrence_rule)
        VALUES ($1, 'Restart', $2, $3, 'FREQ=DAILY') RETURNING id""",
        story.org_id,
        start,
        start + timedelta(hours=1),
    )
    await story.admin.execute(
        "INSERT INTO statustui.maintenance_services VALUES ($1, $2, $3)",
        story.org_id,
        window,
        service,
    )
    await story.store.tick(story.lease, _now())
    await story.store.tick(story.lease, _now())
    rows = await story.admin.fetch(
        """SELECT w.status, w.starts_at, w.created_by, x.service_id
        FROM statustui.maintenance_windows w
        JOIN statustui.maintenance_services x ON x.window_id = w.id ORDER BY w.starts_at"""
    )
    assert [(row["status"], row["service_id"]) for row in rows] == [
        ("completed", service),
        ("scheduled", service),
    ]
    assert timedelta(hours=22) < rows[1]["starts_at"] - start < timedelta(hours=26)


@pytest.mark.parametrize(
    "rule", ["nonsense", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"]
)
async def test_a_broken_rule_holds_up_nobody_else(
    story: Story, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = await story.admin.fetchval(
        """INSERT INTO statustui.organizations (name, slug) VALUES ('Other', 'other')
        RETURNING org_id"""
    )
    start = _now().replace(microsecond=0) - timedelta(hours=2)
    for org_id, written in ((other, rule), (story.org_id, "FREQ=DAILY;COUNT=2")):
        await story.admin.execute(
            """INSERT INTO statustui.maintenance_windows
                (org_id, title, starts_at, ends_at, recurrence_rule)
            VALUES ($1, 'Restart', $2, $3, $4)""",
            org_id,
            start,
            start + timedelta(hours=1),
            written,
        )
    await story.store.tick(story.lease, _now())
    await story.store.tick(story.lease, _now())
    rows = await story.admin.fetch("SELECT org_id, starts_at FROM statustui.maintenance_windows")
    assert sorted(tuple(row) for row in rows) == sorted(
        [(other, start), (story.org_id, start), (story.org_id, start + timedelta(days=1))]
    )
    assert len([each for each in caplog.messages if "does not go on" in each]) == 1


async def test_a_pause_is_no_recovery_and_a_resumed_monitor_is_unknown(story: Story) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    await story.look(key, refused(_now() - timedelta(seconds=10)))
    await story.admin.execute("UPDATE statustui.monitors SET is_active = false WHERE key = $1", key)
    await story.store.settle(story.lease, _now())
    assert [i["status"] for i in await story.incidents()] == ["investigating"]
    assert await story.status(service) == ("operational", "operational")
    await story.admin.execute("UPDATE statustui.monitors SET is_active = true WHERE key = $1", key)
    await story.store.settle(story.lease, _now())
    state = await story.admin.fetchval(
        "SELECT state FROM statustui.monitor_status WHERE monitor = $1", key
    )
    assert state == "unknown"
    memory = (await story.store.load_memories(story.region))[key]
    assert memory.verdict.failures == 0


@pytest.mark.parametrize("table", ["monitors", "services"])
@pytest.mark.parametrize("touched", [False, True], ids=["untouched", "touched"])
async def test_what_is_no_longer_checked_stays_open_for_nobody(
    story: Story, table: str, touched: bool
) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    await story.look(key, refused(_now() - timedelta(seconds=10)))
    if touched:
        await story.admin.execute(
            "UPDATE statustui.incidents SET touched_at = now(), touched_by = 'ada'"
        )
    await story.admin.execute(f"UPDATE statustui.{table} SET deleted_at = now()")
    await story.store.settle(story.lease, _now(), organizations=None)
    await story.store.tick(story.lease, _now())
    (incident,) = await story.incidents()
    assert incident["status"] == ("investigating" if touched else "resolved")
    if not touched:
        said = (await story.updates(incident["id"]))[-1]
        named = "API" if table == "monitors" else "What was affected"
        assert said["message"] == (
            f"{named} is no longer checked automatically. We close this incident."
        )
    await story.store.tick(story.lease, _now())
    assert len(await story.updates(incident["id"])) == (1 if touched else 2)


async def test_who_was_put_out_decides_nothing_but_records_what_it_saw(story: Story) -> None:
    service = await story.service("API")
    key = await story.monitor(service)
    decision = story.decide(await story.watched(key), refused(_now()))
    await story.admin.execute("UPDATE statustui.engines SET heartbeat_at = now() - interval '7 s'")
    rival = uuid4()
    await story.store.register(rival, "local", "test", 2, "1")
    other = await story.store.join(story.region, rival)
    assert (other.generation, other.members) == (story.share.generation + 1, (rival,))
    assert await story.store.take_lease("keeper", rival, {}) is None
    await story.admin.execute("UPDATE statustui.leases SET expires_at = now() - interval '1 s'")
    assert await story.store.take_lease("keeper", rival, {}) is not None
    for work in (
        story.store.record_batch(story.share, [decision], _now()),
        story.store.tick(story.lease, _now()),
        story.store.settle(story.lease, _now(), organizations=None),
    ):
        with pytest.raises(LeaseLost):
            await work
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.checks") == 0
    # It finds out what it lost, and says what it saw.
    missed = await story.store.load_generations(story.region, story.share.generation)
    share = follow(story.share, missed, {key: decision.monitor.id})
    outcome = await story.store.record_batch(share, [decision], _now())
    assert outcome.inserted == 1
    assert (await _rollups(story, "rollups_daily"))[key].failure == 1
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.monitor_status") == 0
    assert await story.incidents() == []
    assert (await story.store.record_stale_facts([decision])).inserted == 0


async def test_a_slot_in_which_two_engines_looked_counts_once(story: Story) -> None:
    key = await story.monitor(await story.service("API"), created_before=timedelta(minutes=5))
    now = _now()
    slot = now - timedelta(seconds=30)
    monitor = await story.watched(key)
    await story.store.record_batch(
        story.share,
        [story.decide(monitor, seen(slot - timedelta(seconds=60)))],
        now,
    )
    # The engine before looked at its slot, and only told what it saw after it was put out.
    stale = story.decide(monitor, seen(slot), slot_at=slot)
    story.memories[key] = (await story.store.load_memories(story.region))[key]
    await story.store.record_stale_facts([stale])
    mine = story.decide(monitor, seen(slot + timedelta(seconds=8)), slot_at=slot)
    await story.store.record_batch(story.share, [mine], now)
    row = (await _rollups(story, "rollups_daily"))[key]
    assert (row.success, row.slots) == (3, 2)
    # The other way round, and of a slot of long ago, as after a clock that was ahead.
    later = replace(stale.check, checked_at=slot + timedelta(seconds=9))
    await story.store.record_stale_facts([replace(stale, check=later)])
    row = (await _rollups(story, "rollups_daily"))[key]
    assert (row.success, row.slots) == (4, 2)


async def test_an_incident_that_a_person_closed_does_not_open_again_by_itself(
    story: Story,
) -> None:
    key = await story.monitor(await story.service("API"))
    now = _now()
    await story.look(key, refused(now - timedelta(seconds=60)))
    await story.admin.execute(
        """UPDATE statustui.incidents SET touched_at = clock_timestamp(), status = 'resolved',
            resolved_at = clock_timestamp()"""
    )
    await story.look(key, refused(now - timedelta(seconds=50)))
    await story.store.settle(story.lease, _now(), organizations=None)
    assert len(await story.incidents()) == 1
    await story.look(key, seen(now - timedelta(seconds=40)))
    await story.look(key, refused(now - timedelta(seconds=30)))
    assert [i["status"] for i in await story.incidents()] == ["resolved", "investigating"]


async def test_a_batch_that_is_sent_again_says_nothing_again(story: Story) -> None:
    service = await story.service("API")
    monitor = await story.watched(await story.monitor(service))
    begin = datetime.now(UTC) - timedelta(minutes=5)
    fall = story.decide(monitor, refused(begin))
    rise = story.decide(monitor, seen(begin + timedelta(seconds=60)))
    for decision in (fall, rise):
        await story.store.record_batch(story.share, [decision], decision.check.checked_at)
    changes = "SELECT array_agg(to_state ORDER BY id) FROM statustui.monitor_state_changes"
    assert await story.admin.fetchval(changes) == ["down", "up"]
    # As after a crash in the middle of a spool: the beginning comes once more, and then the rest.
    last = story.decide(monitor, seen(begin + timedelta(seconds=120)))
    again = await story.store.record_batch(story.share, [fall], begin)
    assert (again.inserted, again.repeated) == (0, 1)
    assert await story.status(service) == ("operational", "operational")
    mixed = await story.store.record_batch(story.share, [fall, rise, last], last.check.checked_at)
    assert (mixed.inserted, mixed.repeated) == (1, 2)
    assert await story.admin.fetchval(changes) == ["down", "up"]
    assert len(await story.incidents()) == 1
    state = await story.admin.fetchrow("SELECT * FROM statustui.monitor_state")
    assert state is not None
    assert (state["state"], state["last_checked_at"]) == ("up", last.check.checked_at)
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.checks") == 3


async def test_who_looked_when_a_pause_had_ended_is_not_overruled(
    story: Story, database: Database
) -> None:
    key = await story.monitor(await story.service("API"))
    await story.admin.execute("UPDATE statustui.monitors SET is_active = false WHERE key = $1", key)
    await story.store.settle(story.lease, None, organizations=None)
    await story.admin.execute("UPDATE statustui.monitors SET is_active = true WHERE key = $1", key)
    state = "SELECT state FROM statustui.monitor_status WHERE monitor = $1"
    assert await story.admin.fetchval(state, key) == "paused"
    other = await database.connect()
    try:
        looked = other.transaction()
        await looked.start()
        await other.execute(
            "UPDATE statustui.monitor_status SET state = 'up' WHERE monitor = $1", key
        )
        settling = asyncio.create_task(story.store.settle(story.lease, None, organizations=None))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while not await story.admin.fetchval(waiting):
            await asyncio.sleep(0.01)
        await looked.commit()
        await settling
    finally:
        await other.close()
    assert await story.admin.fetchval(state, key) == "up"


async def test_the_generations_that_engines_may_still_decide_from_are_kept(story: Story) -> None:
    await story.admin.execute("UPDATE statustui.share_generations SET at = at - interval '30 days'")
    count = "SELECT count(*) FROM statustui.share_generations"
    before = await story.admin.fetchval(count)
    await story.store.keep_house()
    assert await story.admin.fetchval(count) == before
    await story.admin.execute("UPDATE statustui.shares SET generation = generation + 2000")
    await story.store.keep_house()
    assert await story.admin.fetchval(count) == 0


async def test_what_was_down_and_cannot_be_looked_at_has_not_recovered(story: Story) -> None:
    service = await story.service("API")
    good = await story.monitor(service, "good")
    late = await story.monitor(service, "late")
    at = _now() - timedelta(seconds=60)
    await story.look(good, seen(at))
    await story.look(late, refused(at))
    blind = Observation(
        started_at=at + timedelta(seconds=10),
        duration_ms=1.0,
        error_kind=ErrorKind.OBSERVER,
        reason="nobody could look",
    )
    await story.look(late, blind)
    await story.store.tick(story.lease, None)
    assert [each["status"] for each in await story.incidents()] == ["investigating"]
    await story.look(late, seen(at + timedelta(seconds=20)))
    await story.store.tick(story.lease, None)
    assert [each["status"] for each in await story.incidents()] == ["resolved"]
