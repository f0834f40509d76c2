"""The rules that the database itself keeps, tried alone and under concurrency."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from statustui.domain.errors import Conflict, Forbidden, NotFound, StaleState, ValidationFailed
from statustui.store import errors
from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants

MONITOR = "INSERT INTO monitors (org_id, service_id, name, type) VALUES ($1, $2, $3, 'tcp')"


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    """Two organizations and their people."""
    return await settle_tenants(database)


async def _code(awaited: Any) -> str | None:
    """The SQLSTATE that a statement ends with, None when it succeeds."""
    try:
        await awaited
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    return None


# -- rules over many rows ----------------------------------------------------------------------


async def test_the_monitor_limit_holds_when_two_add_at_once(tenants: Tenants) -> None:
    owner, admin = await tenants.connect("owner"), await tenants.connect("admin")
    await owner.execute("SELECT organization_set_plan($1, 'free')", tenants.org)
    await owner.execute(MONITOR, tenants.org, tenants.ids["api"], "second")
    first, second = owner.transaction(), admin.transaction()
    await first.start()
    await second.start()
    await owner.execute(MONITOR, tenants.org, tenants.ids["api"], "third")
    waiting = asyncio.create_task(
        _code(admin.execute(MONITOR, tenants.org, tenants.ids["api"], "fourth"))
    )
    await _until_blocked(owner, admin)
    await first.commit()
    assert await waiting == "SU006"
    await second.rollback()
    assert await owner.fetchval("SELECT count(*) FROM monitors") == 3


async def _until_blocked(watcher: asyncpg.Connection, blocked: asyncpg.Connection) -> None:
    """Returns once the other connection waits for a lock."""
    while not await watcher.fetchval(
        "SELECT cardinality(pg_blocking_pids($1)) > 0", blocked.get_server_pid()
    ):
        await asyncio.sleep(0)


async def test_going_over_names_plan_and_limit(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    await owner.execute("SELECT organization_set_plan($1, 'free')", tenants.org)
    with (
        pytest.raises(Conflict, match="plan free allows 3 monitors") as caught,
        errors.translated(),
    ):
        await owner.execute(
            """INSERT INTO monitors (org_id, service_id, name, type)
               SELECT $1, $2, 'm' || n, 'tcp' FROM generate_series(1, 3) n""",
            tenants.org,
            tenants.ids["api"],
        )
    assert "change the plan" in caught.value.advice
    too_short = pytest.raises(Conflict, match="plan free allows no interval below 60 s")
    with too_short, errors.translated():
        await owner.execute("UPDATE monitors SET interval_seconds = 30, timeout_ms = 1000")


async def test_lowering_a_plan_lists_what_is_over(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    for name in "abcd":
        await owner.execute(MONITOR, tenants.org, tenants.ids["api"], name)
    await owner.execute(
        "UPDATE monitors SET interval_seconds = 10, timeout_ms = 1000 WHERE name = 'a'"
    )
    over = pytest.raises(Conflict, match=r"5 monitors, 3 allowed; interval below 60 s: API/a$")
    with over, errors.translated():
        await owner.execute("SELECT organization_set_plan($1, 'free')", tenants.org)
    await owner.execute("UPDATE monitors SET deleted_at = now() WHERE name <> 'health'")
    await owner.execute("SELECT organization_set_plan($1, 'free')", tenants.org)
    assert await owner.fetchval("SELECT plan FROM organizations") == "free"


async def test_the_last_owner_cannot_leave(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    me = tenants.people["owner"]
    remove = "SELECT member_remove($1, $2)"
    assert await _code(owner.execute(remove, tenants.org, me)) == "SU004"
    assert await _code(owner.execute("DELETE FROM members WHERE role = 'owner'")) == "SU004"
    assert await _code(owner.execute("UPDATE members SET role = 'viewer'")) == "SU004"


async def test_two_last_owners_cannot_leave_at_once(tenants: Tenants) -> None:
    owner, admin = await tenants.connect("owner"), await tenants.connect("admin")
    people = tenants.people
    await owner.execute("SELECT member_set_role($1, $2, 'owner')", tenants.org, people["admin"])
    leaving = owner.transaction()
    await leaving.start()
    remove = "SELECT member_remove($1, $2)"
    await owner.execute(remove, tenants.org, people["owner"])
    watcher = await tenants.connect("postgres")
    waiting = asyncio.create_task(_code(admin.execute(remove, tenants.org, people["admin"])))
    await _until_blocked(watcher, admin)
    await leaving.commit()
    assert await waiting == "SU004"


async def test_dependencies_make_no_circle(tenants: Tenants) -> None:
    owner, admin = await tenants.connect("owner"), await tenants.connect("admin")
    add = "INSERT INTO services (org_id, name) VALUES ($1, $2) RETURNING id"
    third = await owner.fetchval(add, tenants.org, "Third")
    depend = "INSERT INTO service_dependencies VALUES ($1, $2, $3)"
    api, database = tenants.ids["api"], tenants.ids["hidden"]
    await owner.execute(depend, tenants.org, database, third)
    assert await _code(owner.execute(depend, tenants.org, third, api)) == "SU001"
    assert await _code(owner.execute(depend, tenants.org, third, third)) == "23514"

    # Neither of two edges is a circle alone; together they are.
    fourth = await owner.fetchval(add, tenants.org, "Fourth")
    one = owner.transaction()
    await one.start()
    await owner.execute(depend, tenants.org, third, fourth)
    watcher = await tenants.connect("postgres")
    waiting = asyncio.create_task(_code(admin.execute(depend, tenants.org, fourth, api)))
    await _until_blocked(watcher, admin)
    await one.commit()
    assert await waiting == "SU001"


# -- append-only, audit ------------------------------------------------------------------------


async def test_timelines_are_append_only_even_for_a_superuser(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    for table in ("incident_updates", "maintenance_updates", "audit_log"):
        for sql in (
            f"UPDATE {table} SET org_id = org_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            assert await _code(admin.execute(sql)) == "SU003", sql


async def test_a_redacted_text_is_gone_and_its_removal_stays(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    update = tenants.ids["incident_update"]
    await owner.execute("SELECT redact_update($1)", update)
    row = await owner.fetchrow("SELECT * FROM incident_updates WHERE id = $1", update)
    assert row["message"] == "[redacted]"
    assert row["redacted_at"] is not None
    admin = await tenants.connect("postgres")
    trace = await admin.fetch(
        "SELECT * FROM audit_log WHERE table_name = 'incident_updates' AND action = 'update'"
    )
    assert [(entry["actor"], "redacted_at" in entry["after"]) for entry in trace] == [
        (tenants.people["owner"], True)
    ]
    audit = await admin.fetchval("SELECT string_agg(a::text, '') FROM audit_log a")
    assert "words of incident" not in audit
    web = await tenants.connect("statustui_web")
    gone = "SELECT count(*) FROM public_incident_updates WHERE page_slug = 'acme-corp'"
    assert await web.fetchval(gone) == 0
    assert await _code(owner.execute("DELETE FROM incident_updates")) == "42501"


async def test_every_change_is_audited_with_secrets_masked(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    config = {
        "url": "https://bob:hunter2@host.test/a?api_token=hunter2&x=1",
        "headers": {"Authorization": "Bearer hunter2", "Accept": "text/html"},
        "auth": {"basic": {"username": "bob", "password": "hunter2"}},
        "body": "pin=hunter2",
        "expected_status": ["200-299"],
    }
    await owner.execute("UPDATE monitors SET config = $1", json.dumps(config))
    row = await owner.fetchrow("SELECT * FROM audit_log ORDER BY id DESC LIMIT 1")
    assert (row["actor"], row["action"], row["table_name"]) == (
        tenants.people["owner"],
        "update",
        "monitors",
    )
    assert row["row_id"] == str(tenants.ids["monitor"])
    assert "hunter2" not in row["after"]
    after = json.loads(row["after"])
    assert set(after) == {"config"}
    assert after["config"]["url"] == "https://***@host.test/a?api_token=***&x=1"
    assert after["config"]["headers"] == {"Authorization": "***", "Accept": "text/html"}
    assert after["config"]["expected_status"] == ["200-299"]
    assert json.loads(row["before"])["config"] == {"url": "https://secret-host.test/"}


async def test_nobody_can_claim_to_act_for_another(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    assert await _code(owner.execute("INSERT INTO acting_as VALUES (1, 'x')")) == "42501"
    await owner.execute("SET statustui.actor = 'x'; SET statustui.purge = 'on'")
    await owner.execute("UPDATE services SET name = 'Renamed' WHERE name = 'API'")
    actor = "SELECT actor FROM audit_log ORDER BY id DESC LIMIT 1"
    assert await owner.fetchval(actor) == tenants.people["owner"]


# -- values ------------------------------------------------------------------------------------


async def test_monitor_defaults(tenants: Tenants) -> None:
    """Timeout: the smaller of 10 s and interval - 1 s; retry: a third of it, 5 to 20 s."""
    owner = await tenants.connect("owner")
    for interval, timeout_ms, retry in (
        (5, 4000, 5),
        (10, 9000, 5),
        (11, 10000, 5),
        (30, 10000, 10),
        (60, 10000, 20),
        (86400, 10000, 20),
    ):
        row = await owner.fetchrow(
            """INSERT INTO monitors (org_id, service_id, name, type, interval_seconds)
               VALUES ($1, $2, $3, 'ping', $4) RETURNING timeout_ms, retry_interval_seconds""",
            tenants.org,
            tenants.ids["api"],
            f"every {interval}",
            interval,
        )
        assert tuple(row) == (timeout_ms, retry), interval


WRONG_VALUES: list[tuple[str, type[Exception]]] = [
    ("UPDATE monitors SET interval_seconds = 4", ValidationFailed),
    ("UPDATE monitors SET interval_seconds = 86401", ValidationFailed),
    ("UPDATE monitors SET interval_seconds = 10, timeout_ms = 10000", ValidationFailed),
    ("UPDATE monitors SET timeout_ms = 999", ValidationFailed),
    ("UPDATE monitors SET failure_threshold = 0", ValidationFailed),
    ("UPDATE monitors SET regions = '{}'", ValidationFailed),
    ("UPDATE monitors SET region_quorum = 2", ValidationFailed),
    ("UPDATE monitors SET type = 'gopher'", ValidationFailed),
    ("UPDATE monitors SET config = '[]'", ValidationFailed),
    ("UPDATE services SET name = ''", ValidationFailed),
    ("UPDATE services SET name = E'a\\x1b[31m'", ValidationFailed),
    ("UPDATE services SET name = ' padded '", ValidationFailed),
    ("UPDATE services SET name = repeat('x', 256)", ValidationFailed),
    ("UPDATE services SET name = 'Database' WHERE name = 'API'", Conflict),
    ("UPDATE services SET pinned_status = 'broken'", ValidationFailed),
    ("UPDATE organizations SET timezone = 'Mars/Olympus'", ValidationFailed),
    ("UPDATE organizations SET slug = 'Two--Words'", ValidationFailed),
    ("UPDATE organizations SET slug = 'other'", Conflict),
    ("UPDATE organizations SET brand_color = 'red'", ValidationFailed),
    ("UPDATE organizations SET logo_url = 'javascript:x'", ValidationFailed),
    ("UPDATE organizations SET plan = 'free'", Forbidden),
    ("UPDATE pages SET slug = 'other'", Conflict),
    ("UPDATE incidents SET title = repeat('x', 501)", ValidationFailed),
    ("UPDATE maintenance_windows SET ends_at = starts_at", ValidationFailed),
    ("SELECT member_set_role($org, 'nobody', 'viewer')", NotFound),
    ("SELECT member_set_role($org, '$viewer', 'king')", ValidationFailed),
    ("SELECT organization_set_plan($org, 'gold')", NotFound),
    ("SELECT organization_create('')", ValidationFailed),
    ("SELECT organization_create('Acme Corp')", Conflict),
    ("SELECT request_run(gen_random_uuid())", NotFound),
]


async def test_wrong_values_are_refused_in_words(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    for statement, expected in WRONG_VALUES:
        sql = statement.replace("$org", str(tenants.org))
        sql = sql.replace("$viewer", tenants.people["viewer"])
        with pytest.raises(expected) as caught, errors.translated():
            await owner.execute(sql)
        assert type(caught.value) is expected, sql
        assert "violates" not in str(caught.value)


async def test_codes_are_short_unique_and_readable(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    codes = [
        row["code"]
        for row in await admin.fetch(
            """INSERT INTO incidents (org_id, title, impact, created_by, is_public)
               SELECT $1, 'T', 'none', 'x', false FROM generate_series(1, 400) RETURNING code""",
            tenants.org,
        )
    ]
    assert len(set(codes)) == 400
    assert all(re.fullmatch(r"INC-[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    # Every character occurs: 1,600 draws miss one of 32 once in 10^20 runs.
    assert len(set("".join(codes)) - set("INC-")) >= 30
    assert len({code[7] for code in codes}) > 20


# -- schedules ---------------------------------------------------------------------------------


async def test_a_schedule_follows_edits_pauses_and_resumes(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    monitor = tenants.ids["monitor"]

    async def schedules() -> list[tuple[int, bool]]:
        rows = await owner.fetch(
            """SELECT interval_seconds, to_at IS NULL AS is_open FROM monitor_schedules
               WHERE monitor = $1 ORDER BY from_at""",
            tenants.key,
        )
        return [(row["interval_seconds"], row["is_open"]) for row in rows]

    async def edit(assignments: str) -> None:
        await owner.execute(f"UPDATE monitors SET {assignments} WHERE id = $1", monitor)

    assert await schedules() == [(60, True)]
    await edit("name = 'renamed'")
    assert await schedules() == [(60, True)]
    await edit("interval_seconds = 30")
    assert await schedules() == [(60, False), (30, True)]
    await edit("is_active = false")
    assert await schedules() == [(60, False), (30, False)]
    await edit("is_active = true, paused_until = now() + interval '1 hour'")
    assert await schedules() == [(60, False), (30, False), (30, True)]
    ahead = "SELECT max(from_at) > now() + interval '59 min' FROM monitor_schedules"
    assert await owner.fetchval(ahead)
    # Resumed early: what was planned for the end of the pause never was.
    await edit("paused_until = NULL")
    assert await schedules() == [(60, False), (30, False), (30, True)]
    assert not await owner.fetchval(ahead)
    await edit("deleted_at = now()")
    assert await schedules() == [(60, False), (30, False), (30, False)]


async def test_a_service_takes_its_monitors_along(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    await owner.execute(MONITOR, tenants.org, tenants.ids["api"], "second")
    await owner.execute("UPDATE monitors SET deleted_at = '2026-01-01' WHERE name = 'second'")
    left = "SELECT array_agg(name ORDER BY name) FROM monitors WHERE deleted_at IS NULL"
    is_open = "SELECT count(*) FROM monitor_schedules WHERE monitor = $1 AND to_at IS NULL"
    delete = "UPDATE services SET deleted_at = now() WHERE id = $1"
    await owner.execute(delete, tenants.ids["api"])
    assert await owner.fetchval(left) is None
    assert await owner.fetchval(is_open, tenants.key) == 0
    await owner.execute("UPDATE services SET deleted_at = NULL WHERE id = $1", tenants.ids["api"])
    assert await owner.fetchval(left) == ["health"]
    assert await owner.fetchval(is_open, tenants.key) == 1


async def test_scheduled_slots_are_those_counted_by_hand(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    await admin.execute("DELETE FROM monitor_schedules")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    pieces = [
        (start + timedelta(seconds=17), start + timedelta(hours=1, seconds=3), 60, 12_345),
        (start + timedelta(hours=1, seconds=3), start + timedelta(hours=2), 7, 6_999),
        (start + timedelta(hours=3), None, 90, 0),
    ]
    for from_at, to_at, interval, phase in pieces:
        await admin.execute(
            "INSERT INTO monitor_schedules VALUES ($1, 1, $2, $3, $4, $5, $6)",
            tenants.key,
            tenants.org,
            from_at,
            to_at,
            interval,
            phase,
        )
    end = start + timedelta(hours=4, minutes=30)
    rows = await admin.fetch(
        "SELECT * FROM scheduled_slots($1, $2, $3, '1 hour') ORDER BY at", tenants.org, start, end
    )
    expected: dict[datetime, int] = {}
    for from_at, to_at, interval, phase in pieces:
        at_ms = int(from_at.timestamp() * 1000)
        while at_ms < int((to_at or end).timestamp() * 1000):
            if at_ms % (interval * 1000) == phase:
                hour = datetime.fromtimestamp(at_ms // 3_600_000 * 3600, UTC)
                expected[hour] = expected.get(hour, 0) + 1
            at_ms += 1 if interval == 7 or at_ms % 1000 != phase % 1000 else 1000
    assert {row["at"]: row["slots"] for row in rows} == expected


# -- partitions --------------------------------------------------------------------------------

CHECK = """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status, duration_ms)
           VALUES ($1, 1, $2, $3, $2, 'success', 1)"""


async def test_partitions_are_made_ahead_once(tenants: Tenants) -> None:
    engines = [await tenants.connect("statustui_engine") for _ in range(3)]
    ensure = "SELECT ensure_check_partitions($1, $2)"
    future = datetime.now(UTC) + timedelta(days=200)
    assert await _code(engines[0].execute(CHECK, tenants.key, future, tenants.org)) == "23514"
    made = await asyncio.gather(
        *(one.fetchval(ensure, future, future + timedelta(days=62)) for one in engines)
    )
    assert sorted(made)[:2] == [0, 0]
    assert sorted(made)[2] >= 3
    await engines[0].execute(CHECK, tenants.key, future, tenants.org)
    again = "SELECT ensure_check_partitions()"
    assert await engines[0].fetchval(again) == 0


async def test_old_months_are_dropped_whole_and_recent_ones_never(tenants: Tenants) -> None:
    engine = await tenants.connect("statustui_engine")
    old = datetime(2025, 2, 14, tzinfo=UTC)
    await engine.execute("SELECT ensure_check_partitions($1, $1)", old)
    await engine.execute(CHECK, tenants.key, old, tenants.org)
    drop = "SELECT drop_check_partition($1)"
    assert await engine.fetchval(drop, old.date()) is True
    assert await engine.fetchval(drop, old.date()) is False
    assert await engine.fetchval("SELECT count(*) FROM checks WHERE checked_at < '2025-03-01'") == 0
    assert await _code(engine.execute(drop, datetime.now(UTC).date())) == "SU001"


async def test_the_month_under_way_is_never_dropped_by_its_first_day(tenants: Tenants) -> None:
    """Asked with the first of this month, thirty days on it is more than a week ago."""
    engine = await tenants.connect("statustui_engine")
    today = datetime.now(UTC).date()
    recent = today - timedelta(days=6)
    code = await _code(engine.execute("SELECT drop_check_partition($1)", recent.replace(day=1)))
    assert code == "SU001"


# -- announcements -----------------------------------------------------------------------------


async def test_each_change_announces_its_kind_once(tenants: Tenants) -> None:
    listener = await tenants.connect("viewer")
    heard: list[str] = []
    await listener.add_listener("statustui", lambda *message: heard.append(message[3]))
    owner = await tenants.connect("owner")
    key = await owner.fetchval("SELECT channel_key FROM organizations")
    assert re.fullmatch(r"[0-9a-f]{32}", key)
    async with owner.transaction():
        for name in ("a", "b", "c"):
            await owner.execute(
                "INSERT INTO services (org_id, name) VALUES ($1, $2)", tenants.org, name
            )
    await owner.execute("INSERT INTO marks (org_id, text) VALUES ($1, 'deploy')", tenants.org)
    await owner.execute("DELETE FROM marks WHERE text = 'nothing like it'")
    engine = await tenants.connect("statustui_engine")
    await engine.execute("UPDATE observed SET observed_at = now() WHERE org_id = $1", tenants.org)
    holder = tenants.ids["api"]
    await engine.fetchval("SELECT lease_take('l', $1, 6)", holder)
    await engine.fetchval("SELECT lease_take('l', $1, 6)", holder)
    await engine.execute("SELECT pg_notify('statustui', 'end')")
    async with asyncio.timeout(10):
        while "end" not in heard:
            await asyncio.sleep(0)
    assert sorted(heard[:2]) == [f"{key}:configuration", f"{key}:services"]
    assert heard[2:] == [f"{key}:marks", f"{key}:checks", "*:leases", "end"]
    await listener.remove_listener("statustui", lambda *message: None)


# -- leases ------------------------------------------------------------------------------------


async def test_a_lease_has_one_holder_and_a_new_epoch_each(tenants: Tenants) -> None:
    engine = await tenants.connect("statustui_engine")
    take = "SELECT lease_take('keeper', $1, $2)"
    hold = "SELECT lease_hold('keeper', $1, $2)"
    one, two = tenants.ids["api"], tenants.ids["hidden"]
    assert await engine.fetchval(take, one, 60.0) == 1
    assert await engine.fetchval(take, one, 60.0) == 1
    assert await engine.fetchval(take, two, 60.0) is None
    assert await engine.fetchval(hold, one, 1) is True
    assert await engine.fetchval(hold, two, 1) is False
    release = "SELECT lease_release('keeper', $1, $2)"
    assert await engine.fetchval(release, two, 1) is False
    assert await engine.fetchval(release, one, 1) is True
    assert await engine.fetchval(hold, one, 1) is False
    assert await engine.fetchval(take, two, 60.0) == 2
    assert await engine.fetchval(take, one, 60.0) is None


async def test_a_lease_cannot_be_taken_under_a_writer(tenants: Tenants) -> None:
    """While a holder's transaction is open its lease is locked; who takes it over waits."""
    writer, rival = (
        await tenants.connect("statustui_engine"),
        await tenants.connect("statustui_engine"),
    )
    one, two = tenants.ids["api"], tenants.ids["hidden"]
    take = "SELECT lease_take('keeper', $1, $2)"
    epoch = await writer.fetchval(take, one, 0.3)
    writing = writer.transaction()
    await writing.start()
    assert await writer.fetchval("SELECT lease_hold('keeper', $1, $2)", one, epoch)
    watcher = await tenants.connect("postgres")
    while not await watcher.fetchval("SELECT clock_timestamp() > expires_at FROM leases"):
        await asyncio.sleep(0.01)
    waiting = asyncio.create_task(rival.fetchval(take, two, 60.0))
    await _until_blocked(watcher, rival)
    await writing.commit()
    assert await waiting == epoch + 1


# -- errors ------------------------------------------------------------------------------------


async def test_the_databases_own_errors_become_ours(database: Database) -> None:
    connection = await database.connect()
    for code, expected in (
        ("SU001", ValidationFailed),
        ("SU002", NotFound),
        ("SU003", Forbidden),
        ("SU004", Conflict),
        ("SU005", StaleState),
        ("SU006", Conflict),
    ):
        with pytest.raises(expected) as caught, errors.translated():
            await connection.execute(
                f"DO $$ BEGIN RAISE EXCEPTION 'what is wrong' USING ERRCODE = '{code}',"
                " HINT = 'what to do'; END $$"
            )
        assert type(caught.value) is expected
        assert (caught.value.message, caught.value.advice) == ("what is wrong", "what to do")


async def test_a_defect_is_not_dressed_up(database: Database) -> None:
    connection = await database.connect()
    with pytest.raises(asyncpg.PostgresSyntaxError), errors.translated():
        await connection.execute("SELEC 1")
