"""The demonstration's past in a real database: whole, public, and in agreement with itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from statustui.demo import history, past, world
from statustui.demo.seed import WorldPast, imagine_past, prepare_world
from statustui.demo.targets import DemoTargets
from statustui.demo.told import tell
from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.rollup import RecordedCheck, roll_up, total
from statustui.domain.status import CheckStatus, IncidentStatus
from statustui.store.connection import ConnectionTarget
from tests.support.databases import Database

NOW = datetime(2026, 11, 21, 8, 30, 17, tzinfo=UTC)


@pytest.fixture(scope="module")
def imagined() -> WorldPast:
    return imagine_past(DemoTargets(), NOW)


def test_every_monitor_has_ninety_days(imagined: WorldPast) -> None:
    assert len(imagined.monitors) == sum(len(service.monitors) for service in world.SERVICES)
    for one in imagined.monitors.values():
        assert [day for day, _ in one.days] == [
            (NOW - timedelta(days=90 - back)).date() for back in range(91)
        ]
        hours = [hour for hour, _ in one.hours]
        assert hours == [
            history.beginning(NOW) + timedelta(hours=number) for number in range(len(hours))
        ]
        assert hours[-1] == NOW.replace(minute=0, second=0)
        assert total(sums for _, sums in one.hours).looked == total(s for _, s in one.days).looked
        assert one.looks[0].recorded.checked_at >= NOW - history.RAW
        assert all(one.strip)


def test_the_past_is_the_same_every_time(imagined: WorldPast) -> None:
    again = imagine_past(DemoTargets(), NOW)
    for monitor, one in imagined.monitors.items():
        assert again.monitors[monitor].days == one.days
        assert again.monitors[monitor].transitions == one.transitions


async def test_the_world_is_written_whole_and_once(database: Database) -> None:
    admin = await database.connect()
    me = database.person("ada")
    await admin.execute(f'CREATE ROLE "{me}" LOGIN IN ROLE statustui_operator')
    targets = DemoTargets()
    await targets.start()
    try:
        await prepare_world(database.target(), me, targets)
        web = await database.connect("statustui_web")
        await _check_public(web)
        await _check_figures(await database.connect())
        before = await admin.fetchval("SELECT count(*) FROM statustui.checks")

        # Another run of a kept world: new ports, nothing written twice.
        other = DemoTargets()
        await other.start()
        try:
            await prepare_world(database.target(), me, other)
            url = await admin.fetchval(
                "SELECT config->>'url' FROM statustui.monitors m JOIN statustui.services s"
                " ON s.id = m.service_id WHERE s.name = 'Website'"
            )
            assert f":{other.port('web')}/" in url
        finally:
            await other.stop()
        assert await admin.fetchval("SELECT count(*) FROM statustui.checks") == before
        assert await admin.fetchval("SELECT count(*) FROM statustui.organizations") == 1
    finally:
        await targets.stop()


async def _check_public(web: asyncpg.Connection) -> None:
    services = await web.fetch(
        "SELECT name, status FROM statustui.public_services WHERE page_slug = 'demo'"
    )
    assert len(services) == 13
    assert {row["name"] for row in services if row["status"] != "operational"} == {
        "Reports",
        "Push notifications",
    }
    days = await web.fetch(
        "SELECT service_id, count(*) FROM statustui.public_daily"
        " WHERE page_slug = 'demo' GROUP BY 1"
    )
    assert [row["count"] for row in days] == [91] * 13
    incidents = await web.fetch("SELECT * FROM statustui.public_incidents WHERE page_slug = 'demo'")
    is_open = [row for row in incidents if row["status"] != "resolved"]
    assert len(is_open) == 2
    assert len(incidents) - len(is_open) >= 5
    assert [row["code"] for row in incidents if row["postmortem"]] == ["INC-7D5M"]
    for row in is_open:
        assert row["next_update_by"] > row["updated_at"]
    names = {row["name"] for row in services}
    told = await web.fetch(
        "SELECT * FROM statustui.public_incident_services WHERE page_slug = 'demo'"
    )
    assert {row["name"] for row in told} <= names  # the hidden cause stays hidden
    updates = await web.fetch(
        "SELECT u.*, i.started_at FROM statustui.public_incident_updates u"
        " JOIN statustui.public_incidents i ON i.id = u.incident_id AND i.page_slug = u.page_slug"
        " WHERE u.page_slug = 'demo' ORDER BY u.created_at"
    )
    assert len(updates) > 20
    for row in updates:
        assert row["created_at"] >= row["started_at"]
        assert "{" not in row["message"]
        assert "disk" not in row["message"]
    windows = await web.fetch("SELECT status FROM statustui.public_maintenance")
    assert sorted(row["status"] for row in windows) == ["completed", "scheduled"]


async def _check_figures(admin: asyncpg.Connection) -> None:
    """The rollups of the last week are those of its raw checks, counted again by the domain."""
    rows = await admin.fetch(
        "SELECT monitor, checked_at, slot_at, status, duration_ms, in_maintenance, is_retry"
        " FROM statustui.checks"
    )
    assert 30_000 < len(rows) < 100_000
    by_hour = defaultdict(list)
    for row in rows:
        hour = row["checked_at"].replace(minute=0, second=0, microsecond=0)
        by_hour[row["monitor"], hour].append(
            RecordedCheck(
                row["monitor"],
                1,
                row["checked_at"],
                row["slot_at"],
                CheckStatus(row["status"]),
                row["duration_ms"],
                row["in_maintenance"],
                row["is_retry"],
            )
        )
    first = min(hour for _, hour in by_hour) + timedelta(hours=1)
    kept = await admin.fetch("SELECT * FROM statustui.rollups_hourly WHERE hour >= $1", first)
    assert len(kept) > 16 * 160
    for row in kept:
        sums = roll_up(by_hour[row["monitor"], row["hour"]])
        for name in ("success", "degraded", "failure", "timeout", "maintenance", "slots", "timed"):
            assert row[name] == getattr(sums, name), (row["monitor"], row["hour"], name)
        assert row["sum_ms"] == pytest.approx(sums.sum_ms, rel=1e-5)
    # Slots that were looked at are slots that were scheduled.
    slots = await admin.fetch(
        "SELECT s.monitor, s.at, s.slots, r.slots AS looked FROM statustui.scheduled_slots("
        " (SELECT org_id FROM statustui.organizations), $1, $2, '1 hour') s"
        " JOIN statustui.rollups_hourly r ON r.monitor = s.monitor AND r.hour = s.at",
        first - timedelta(days=20),
        first + timedelta(days=6),
    )
    assert len(slots) > 16 * 500
    assert all(row["slots"] == row["looked"] for row in slots)


async def test_nothing_is_seen_before_all_is_there(database: Database) -> None:
    admin = await database.connect()
    me = database.person("ada")
    await admin.execute(f'CREATE ROLE "{me}" LOGIN IN ROLE statustui_operator')
    web = await database.connect("statustui_web")
    targets = DemoTargets()
    await targets.start()
    counts = set()
    try:
        writing = asyncio.create_task(prepare_world(database.target(), me, targets))
        while not writing.done():
            counts.add(
                (
                    await web.fetchval("SELECT count(*) FROM statustui.public_pages"),
                    await web.fetchval("SELECT count(*) FROM statustui.public_incidents"),
                )
            )
            await asyncio.sleep(0.01)
        await writing
    finally:
        await targets.stop()
    # Between the two statements the commit may fall, so (0, 9) is possible as well.
    assert counts <= {(0, 0), (0, len(past.INCIDENTS)), (1, len(past.INCIDENTS))}
    assert (0, 0) in counts


async def test_a_database_that_cannot_be_reached_is_said() -> None:
    target = ConnectionTarget({"host": "127.0.0.1", "port": 1, "user": "x"}, "nowhere")
    with pytest.raises(DatabaseUnavailable):
        await prepare_world(target, "x", DemoTargets())


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 21, 0, 0, 3, tzinfo=UTC),
        datetime(2027, 3, 1, 13, 41, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_world_can_be_made_at_any_time(now: datetime) -> None:
    told = tell(imagine_past(DemoTargets(), now).monitors, now)
    for one in told:
        moments = [one.moment(words) for words in one.incident.updates]
        assert one.started_at <= moments[0]
        assert moments == sorted(moments)
        assert moments[-1] < now
        nominal = one.incident.started_at(now)
        assert nominal <= one.started_at <= nominal + timedelta(minutes=16)
        for words in one.incident.updates:
            if words.status is IncidentStatus.MONITORING and one.recovered_at is not None:
                assert one.moment(words) > one.recovered_at


def test_words_and_troubles_fit_together() -> None:
    for incident in past.INCIDENTS:
        names = {name for name, _ in incident.affected}
        assert names <= set(world.BY_NAME)
        for trouble in incident.troubles:
            assert trouble.service in names
            monitors = world.BY_NAME[trouble.service].monitors
            assert trouble.monitor in {monitor.name for monitor in monitors}
        minutes = [words.minutes for words in incident.updates]
        assert minutes == sorted(minutes)
        stages = [words.status for words in incident.updates]
        is_over = stages[-1] is IncidentStatus.RESOLVED
        assert is_over is (incident.ago > timedelta(days=1, hours=12))
