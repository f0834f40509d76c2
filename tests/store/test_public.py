"""What the page reads from the database: all that is public, nothing that is not, and figures that
equal those counted by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.status import IncidentStatus, MaintenanceStatus, ServiceStatus, Visibility
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.public import PublicStore
from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants
from tests.support.watched import engine_story, refused, seen


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PublicStore]:
    pool = await open_pool(database.target("statustui_web"), max_size=2)
    try:
        yield PublicStore(pool)
    finally:
        await pool.close()


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    return await settle_tenants(database)


async def test_the_index_lists_every_page(store: PublicStore, tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    await owner.execute(
        "INSERT INTO pages (org_id, slug, name, visibility) VALUES ($1, 'inside', 'I', 'private')",
        tenants.org,
    )
    entries = {entry.slug: entry for entry in await store.load_page_index()}
    assert list(entries) == ["acme-corp", "inside", "other"]
    assert entries["inside"].visibility is Visibility.PRIVATE
    assert entries["inside"].org_key == entries["acme-corp"].org_key != entries["other"].org_key


async def test_only_what_is_public_is_read(store: PublicStore, tenants: Tenants) -> None:
    page = await store.load_page("acme-corp")
    assert page is not None
    assert [service.name for service in page.services] == ["API"]
    (incident,) = page.incidents
    assert incident.title == "incident"
    assert [update.message for update in incident.updates] == ["words of incident"]
    assert [service.name for service in incident.services] == ["API"]
    (window,) = page.maintenance
    assert (window.title, window.services) == ("Restart", ("API",))
    assert window.service_ids == (tenants.ids["api"],)
    assert [update.message for update in window.updates] == ["soon"]
    assert window.status is MaintenanceStatus.SCHEDULED
    assert "secret" not in repr(page)
    assert "Database" not in repr(page)
    assert "internal_incident" not in repr(page)


async def test_a_page_that_does_not_exist(store: PublicStore, tenants: Tenants) -> None:
    assert await store.load_page("nobody") is None


async def test_an_incident_through_its_life(store: PublicStore, tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    made = await owner.fetchrow(
        "SELECT * FROM incident_create($1, 'Slow', 'minor', 'We look.', $2)",
        tenants.org,
        [tenants.ids["api"]],
    )
    assert made is not None
    page = await store.load_page("acme-corp")
    assert page is not None
    incident = next(each for each in page.incidents if each.code == made["code"])
    assert incident.status is IncidentStatus.INVESTIGATING
    assert page.services[0].status is not ServiceStatus.OPERATIONAL
    assert made["code"] in page.services[0].days[-1].incident_codes
    await owner.execute(
        "SELECT post_update($1, 'It is the cache.', 'identified', p_still_works => 'Reads.')",
        made["incident_id"],
    )
    await owner.execute(
        "SELECT post_update($1, 'secret: a note', p_is_public => false)", made["incident_id"]
    )
    await owner.execute("SELECT post_update($1, 'Over.', 'resolved')", made["incident_id"])
    again = await store.reload_page(page, incidents=True)
    assert again is not None
    incident = next(each for each in again.incidents if each.code == made["code"])
    assert [update.message for update in incident.updates] == [
        "Over.", "It is the cache.", "We look.",
    ]  # fmt: skip
    assert incident.updates[1].still_works == "Reads."
    assert not incident.updates[0].detected_automatically
    assert incident.resolved_at is not None
    unchanged = await store.reload_page(page, incidents=False)
    assert unchanged is not None
    assert unchanged.incidents == page.incidents


async def test_figures_equal_those_counted_by_hand(store: PublicStore, database: Database) -> None:
    async with engine_story(database) as story:
        await story.admin.execute(
            "INSERT INTO statustui.pages (org_id, slug, name) VALUES ($1, 'acme', 'Acme')",
            story.org_id,
        )
        service = await story.service("API")
        key = await story.monitor(service, failure_threshold=10)
        now = datetime.now(UTC)
        for index in range(20):
            at = now - timedelta(seconds=60 - index)
            watched = await story.watched(key)
            look = refused(at) if index in (3, 4, 5) else seen(at, duration_ms=10.0 + index)
            decision = story.decide(watched, look)
            await story.store.record_batch(story.share, [decision], datetime.now(UTC))
        page = await store.load_page("acme")
        assert page is not None
        again = await store.reload_page(page, incidents=True)
        assert again is not None
        (service_read,) = page.services
        raw = await story.admin.fetchrow(
            """SELECT count(*) FILTER (WHERE status IN ('success', 'degraded')) AS good,
                      count(*) FILTER (WHERE status <> 'unknown') AS looked,
                      avg(duration_ms) FILTER (WHERE status IN ('success', 'degraded')) AS mean
               FROM statustui.checks WHERE monitor = $1""",
            key,
        )
        assert raw is not None
        days = [day for day in service_read.days if day.looked]
        assert (sum(day.succeeded for day in days), sum(day.looked for day in days)) == (17, 20)
        assert (raw["good"], raw["looked"]) == (17, 20)
        assert sum((day.avg_ms or 0) * day.succeeded for day in days) == pytest.approx(
            raw["mean"] * 17
        )
        for day in days:
            assert day.p95_ms is not None
            assert 10 <= day.p95_ms <= 30
        assert sum(point.checks for point in service_read.points) == 20
        assert page.observed_at is not None
        assert [day.looked for day in again.services[0].days] == [
            day.looked for day in service_read.days
        ]


async def test_reading_again_gives_what_reading_whole_gives(
    store: PublicStore, tenants: Tenants
) -> None:
    first = await store.load_page("acme-corp")
    assert first is not None
    admin = await tenants.database.connect()
    await admin.execute("SET search_path = statustui, pg_temp")
    for back, success, failure in ((0, 50, 1), (1, 80, 0)):
        await admin.execute(
            """INSERT INTO rollups_daily (org_id, monitor, day, success, failure, slots, timed,
                   sum_ms, min_ms, max_ms, h05)
               VALUES ($1, $2, $3, $4, $5, 60, $4, 100, 5, 9, $4)
               ON CONFLICT (org_id, monitor, day) DO UPDATE
               SET success = excluded.success, failure = excluded.failure""",
            tenants.org,
            tenants.key,
            datetime.now(UTC).date() - timedelta(days=back),
            success,
            failure,
        )
    await admin.execute(
        "INSERT INTO services (org_id, name, group_name) VALUES ($1, 'Search', 'Extra')",
        tenants.org,
    )
    again = await store.reload_page(first, incidents=True)
    whole = await store.load_page("acme-corp")
    assert again is not None
    assert whole is not None
    assert [service.name for service in again.services] == ["API", "Search"]
    assert again.services[0].days == whole.services[0].days
    assert again.services[0].points == whole.services[0].points
    assert (again.services[0].days[-1].succeeded, again.services[0].days[-1].looked) == (50, 51)
    third = await store.reload_page(again, incidents=False)
    assert third is not None
    assert third.services[0].days[-2:] == whole.services[0].days[-2:]


async def test_more_days_on_demand(store: PublicStore, tenants: Tenants) -> None:
    admin = await tenants.database.connect()
    day = datetime.now(UTC).date() - timedelta(days=300)
    await admin.execute(
        """INSERT INTO statustui.rollups_daily (org_id, monitor, day, success)
        VALUES ($1, $2, $3, 9)""",
        tenants.org,
        tenants.key,
        day,
    )
    short = await store.load_page("acme-corp")
    long = await store.load_page("acme-corp", days=365)
    assert short is not None
    assert long is not None
    assert all(each.day != day for each in short.services[0].days)
    found = next(each for each in long.services[0].days if each.day == day)
    assert (found.succeeded, found.worst_status) == (9, None)


async def test_an_outage_of_yesterday_marks_its_day(store: PublicStore, tenants: Tenants) -> None:
    # The world's one change says: major outage since a day ago.
    page = await store.load_page("acme-corp")
    assert page is not None
    by_day = {day.day: day.worst_status for day in page.services[0].days}
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert by_day[yesterday] is ServiceStatus.MAJOR_OUTAGE


async def test_a_database_that_is_away_is_said_so(database: Database) -> None:
    target = ConnectionTarget(
        {"host": "127.0.0.1", "port": 1, "user": "x", "database": "x", "timeout": 2.0}, "nowhere"
    )
    pool = await open_pool(target, min_size=0, max_size=1)
    with pytest.raises(DatabaseUnavailable):
        await PublicStore(pool).load_page_index()
    await pool.close()
