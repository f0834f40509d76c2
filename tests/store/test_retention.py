"""What is too old goes by itself, as the settings and the plans say, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
import pytest

from statustui.domain.errors import Forbidden
from statustui.store import figures
from statustui.store.connection import Pool, open_pool
from statustui.store.engine import EngineStore
from statustui.store.public import PublicStore
from statustui.store.retention import Retention, load_surplus, prune
from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants
from tests.support.watched import ENGINE_ROLE

CHECK = """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status, duration_ms)
           VALUES ($1, 1, $2, $3, $2, 'success', 12)"""
USUAL = Retention(checks_days=90, hourly_days=400)


def _months_ago(count: int) -> datetime:
    """The middle of the month so many months before this one."""
    now = datetime.now(UTC)
    index = now.year * 12 + now.month - 1 - count
    return datetime(index // 12, index % 12 + 1, 15, 12, tzinfo=UTC)


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    return await settle_tenants(database)


@pytest.fixture
async def pool(database: Database, tenants: Tenants) -> AsyncIterator[Pool]:
    opened = await open_pool(database.target(ENGINE_ROLE), max_size=3)
    try:
        yield opened
    finally:
        await opened.close()


async def _fill_months(tenants: Tenants, admin: asyncpg.Connection, count: int) -> None:
    """A check in each of so many months before this one."""
    for back in range(1, count + 1):
        at = _months_ago(back)
        await admin.execute("SELECT ensure_check_partitions($1, $1)", at)
        await admin.execute(CHECK, tenants.key, at, tenants.org)


async def _months_with_checks(admin: asyncpg.Connection) -> set[date]:
    rows = await admin.fetch(
        "SELECT DISTINCT date_trunc('month', checked_at, 'UTC')::date AS month FROM checks"
    )
    return {row["month"] for row in rows}


def _first(back: int) -> date:
    return _months_ago(back).date().replace(day=1)


async def test_months_that_are_too_old_go_whole(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    await _fill_months(tenants, admin, 7)
    surplus = await load_surplus(pool, USUAL)
    kept_since = datetime.now(UTC).date() - timedelta(days=90)
    assert surplus.checks_since == kept_since
    old = [back for back in range(7, 0, -1) if _first(back - 1) <= kept_since]
    assert old
    assert [month.month for month in surplus.months] == [_first(back) for back in old]
    assert {month.rows for month in surplus.months} == {1}
    assert all(month.size_bytes > 0 for month in surplus.months)
    assert len(await _months_with_checks(admin) & {_first(back) for back in old}) == len(old)
    pruned = await prune(pool, USUAL, steps=1)
    assert pruned.months == tuple(_first(back) for back in old)
    assert pruned.is_done
    left = await _months_with_checks(admin)
    assert not left & {_first(back) for back in old}
    assert {_first(back) for back in range(1, 8) if back not in old} <= left
    assert (await load_surplus(pool, USUAL)).months == ()


@pytest.mark.parametrize(
    ("plans", "checks_days", "expected"),
    [
        (("team", "team"), 90, 90),  # a plan that shows more than is kept keeps no more
        (("free", "free"), 90, 7),
        (("free", "pro"), 90, 90),  # one organization is enough to want them
        (("pro", "pro"), 30, 30),
        (("team", "free"), 400, 365),
    ],
)
async def test_a_plan_lets_checks_go_sooner_only_when_it_is_everybodys(
    tenants: Tenants, pool: Pool, plans: tuple[str, str], checks_days: int, expected: int
) -> None:
    admin = await tenants.connect("postgres")
    for org, plan in zip((tenants.org, tenants.other_org), plans, strict=True):
        await admin.execute("UPDATE organizations SET plan = $2 WHERE org_id = $1", org, plan)
    surplus = await load_surplus(pool, Retention(checks_days, 400))
    assert datetime.now(UTC).date() - surplus.checks_since == timedelta(days=expected)


async def test_a_month_in_use_is_left_for_the_next_time(tenants: Tenants, pool: Pool) -> None:
    """A writer keeps the table: dropping gives up soon, and nobody waits behind it for long."""
    admin = await tenants.connect("postgres")
    await _fill_months(tenants, admin, 6)
    writer = await tenants.connect(ENGINE_ROLE)
    batch = writer.transaction()
    await batch.start()
    await writer.execute(CHECK, tenants.key, datetime.now(UTC), tenants.org)
    # Making months ahead does not wait for writers.
    far = datetime.now(UTC) + timedelta(days=300)
    async with asyncio.timeout(5):
        assert await admin.fetchval("SELECT ensure_check_partitions($1, $1)", far) == 1
    first = await prune(pool, USUAL, steps=1)
    assert first.months == ()
    assert first.waiting
    assert not first.is_done
    await batch.commit()
    again = await prune(pool, USUAL, steps=1)
    assert again.months == first.waiting
    assert again.is_done


async def test_the_next_try_finds_the_table_free(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    await _fill_months(tenants, admin, 6)
    writer = await tenants.connect(ENGINE_ROLE)
    batch = writer.transaction()
    await batch.start()
    await writer.execute(CHECK, tenants.key, datetime.now(UTC), tenants.org)
    pruning = asyncio.create_task(prune(pool, USUAL, steps=1, tries=100, pause_seconds=0.01))
    waits = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock')"
    )
    async with asyncio.timeout(10):
        while not await admin.fetchval(waits):
            await asyncio.sleep(0.005)
    await batch.commit()
    pruned = await pruning
    assert pruned.months
    assert pruned.is_done


async def test_two_engines_that_keep_house_at_once_drop_each_month_once(
    tenants: Tenants, pool: Pool
) -> None:
    admin = await tenants.connect("postgres")
    await _fill_months(tenants, admin, 6)
    old = {month.month for month in (await load_surplus(pool, USUAL)).months}
    both = await asyncio.gather(
        *(prune(pool, USUAL, steps=1, tries=50, pause_seconds=0.01) for _ in range(2))
    )
    assert all(each.is_done for each in both)
    assert not await _months_with_checks(admin) & old


async def test_hours_go_and_days_stay(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    today = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    for back in (39, 40, 41, 500):
        for hour in (0, 23):
            await admin.execute(
                """INSERT INTO rollups_hourly (org_id, monitor, hour, success)
                   VALUES ($1, $2, $3, 1)""",
                tenants.org,
                tenants.key,
                today - timedelta(days=back) + timedelta(hours=hour),
            )
        await admin.execute(
            "INSERT INTO rollups_daily (org_id, monitor, day, success) VALUES ($1, $2, $3, 1)",
            tenants.org,
            tenants.key,
            (today - timedelta(days=back)).date(),
        )
    kept = Retention(checks_days=40, hourly_days=40)
    assert (await load_surplus(pool, kept)).hours == 4
    assert (await prune(pool, kept, steps=3)).hours == 4
    left = await admin.fetch(
        "SELECT hour FROM rollups_hourly WHERE org_id = $1 AND hour < $2 ORDER BY hour",
        tenants.org,
        today - timedelta(days=1),
    )
    assert [(today - row["hour"]).total_seconds() // 3_600 for row in left] == [
        40 * 24, 40 * 24 - 23, 39 * 24, 39 * 24 - 23,
    ]  # fmt: skip
    days = "SELECT count(*) FROM rollups_daily WHERE org_id = $1 AND day < $2"
    assert await admin.fetchval(days, tenants.org, today.date()) == 4


async def test_rows_go_in_steps(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    await admin.execute(
        """INSERT INTO rollups_hourly (org_id, monitor, hour)
           SELECT $1, $2, date_trunc('hour', now()) - n * interval '1 hour'
           FROM generate_series(24 * 450, 24 * 450 + 11999) n""",
        tenants.org,
        tenants.key,
    )
    first = await prune(pool, USUAL, steps=1)
    assert (first.hours, first.more) == (5_000, True)
    rest = await prune(pool, USUAL, steps=4)
    assert (rest.hours, rest.more) == (7_000, False)


async def test_evidence_of_an_incident_stays(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    began = datetime.now(UTC) - timedelta(days=200)
    incident = await admin.fetchval(
        """INSERT INTO incidents (org_id, title, impact, created_by, is_public, published_at,
               status, started_at, resolved_at)
           VALUES ($1, 'Old', 'major', 'x', true, $2, 'resolved', $2, $3) RETURNING id""",
        tenants.org,
        began,
        began + timedelta(hours=2),
    )
    await admin.execute(
        """INSERT INTO incident_services (org_id, incident_id, service_id, from_status, to_status)
           VALUES ($1, $2, $3, 'operational', 'major_outage')""",
        tenants.org,
        incident,
        tenants.ids["api"],
    )
    moments = {
        "good look before it": began - timedelta(minutes=5),
        "first failure": began,
        "another one within": began + timedelta(hours=1),
        "after it": began + timedelta(hours=3),
        "long before it": began - timedelta(days=3),
        "recent": datetime.now(UTC) - timedelta(days=20),
    }
    for at in moments.values():
        await admin.execute(
            "INSERT INTO evidence (org_id, monitor, region, checked_at) VALUES ($1, $2, 1, $3)",
            tenants.org,
            tenants.key,
            at,
        )
    assert (await load_surplus(pool, USUAL)).evidence == 2
    assert (await prune(pool, USUAL, steps=1)).evidence == 2
    rows = await admin.fetch("SELECT checked_at FROM evidence WHERE monitor = $1", tenants.key)
    left = {row["checked_at"] for row in rows}
    assert {name for name, at in moments.items() if at not in left} == {
        "after it",
        "long before it",
    }


async def test_keeping_house_does_all_of_it(tenants: Tenants, pool: Pool) -> None:
    admin = await tenants.connect("postgres")
    await _fill_months(tenants, admin, 6)
    pruned = await EngineStore(pool, Retention(checks_days=30, hourly_days=60)).keep_house()
    assert pruned.months
    assert pruned.is_done
    ahead = await admin.fetchval("SELECT max(month) FROM check_partitions")
    assert ahead > datetime.now(UTC).date()


async def test_only_the_engine_may(tenants: Tenants, database: Database) -> None:
    for part in ("owner", "stranger", "statustui_web"):
        role = tenants.people.get(part, part)
        opened = await open_pool(database.target(role), max_size=1)
        try:
            with pytest.raises(Forbidden):
                await load_surplus(opened, USUAL)
            with pytest.raises(Forbidden):
                await prune(opened, USUAL, steps=1)
        finally:
            await opened.close()


@pytest.mark.parametrize(("checks_days", "hourly_days"), [(6, 400), (90, 34), (0, 400)])
async def test_too_little_is_refused(pool: Pool, checks_days: int, hourly_days: int) -> None:
    with pytest.raises(Exception, match="at least"):
        await prune(pool, Retention(checks_days, hourly_days), steps=1)


# -- how far back is shown ---------------------------------------------------------------------


async def test_readers_see_as_far_back_as_their_plan(tenants: Tenants, database: Database) -> None:
    admin = await tenants.connect("postgres")
    today = datetime.now(UTC).date()
    for back in range(1, 12):
        at = datetime.combine(today - timedelta(days=back), time(), UTC)
        for table, column, value in (
            ("rollups_daily", "day", at.date()),
            ("rollups_hourly", "hour", at),
        ):
            await admin.execute(
                f"INSERT INTO {table} (org_id, monitor, {column}, success, timed, h05, sum_ms,"
                " min_ms, max_ms) VALUES ($1, $2, $3, 1, 1, 1, 7, 7, 7)",
                tenants.org,
                tenants.key,
                value,
            )
    await admin.execute("UPDATE monitor_schedules SET from_at = now() - interval '30 days'")
    owner = await open_pool(database.target(tenants.people["owner"]), max_size=1)
    web = await open_pool(database.target("statustui_web"), max_size=1)
    api = tenants.ids["api"]
    now = datetime.now(UTC)

    async def seen() -> tuple[set[int], ...]:
        """How many days ago something is shown, by each way to read it."""
        page = await PublicStore(web).load_page("acme-corp", days=30)
        assert page is not None
        (service,) = page.services
        (mine,) = [f for f in await figures.load_figures(owner, tenants.org) if f.service_id == api]
        hourly = await figures.load_latency(owner, tenants.org, api, 24 * 30)
        daily = await figures.load_latency(owner, tenants.org, api, 24 * 60)
        window = await figures.load_window(owner, tenants.org, now - timedelta(days=30), now)
        uptime = await figures.load_uptime(owner, tenants.org, 30)
        return (
            {(today - day.day).days for day in service.days if day.looked},
            {(today - day.day).days for day in service.days if day.slots_scheduled},
            {(today - day.day).days for day in mine.days if day.looked},
            {(today - day.day).days for day in mine.days if day.slots_scheduled},
            {(today - point.at.date()).days for point in hourly},
            {(today - point.at.date()).days for point in daily},
            set(range(window[api].looked)),
            set(range(uptime[api][1])),
        )

    try:
        everything = await seen()
        assert [max(each) for each in everything] == [11, 29, 11, 29, 11, 11, 11, 11]
        await admin.execute("UPDATE organizations SET plan = 'free' WHERE org_id = $1", tenants.org)
        limited = await seen()
        assert [max(each) for each in limited] == [7] * 8
        raw = await admin.fetchval("SELECT count(*) FROM rollups_daily WHERE day < $1", today)
        assert raw == 11, "nothing was deleted"
    finally:
        await owner.close()
        await web.close()
