"""Beats of jobs: who may send one, what is noted, and when the engine is asked to look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from statustui.domain.errors import Forbidden, NotFound, ValidationFailed
from statustui.store.beats import NotedBeat, note_beat
from statustui.store.connection import open_pool
from statustui.store.engine import EngineStore
from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants

CONFIG = '{"every": "1h", "grace": "5m"}'


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    """Two organizations, each with a job of the same name."""
    world = await settle_tenants(database)
    admin = await world.connect("postgres")
    for org, prefix in ((world.org, ""), (world.other_org, "other_")):
        row = await admin.fetchrow(
            """INSERT INTO monitors (org_id, service_id, name, type, config)
               VALUES ($1, $2, 'nightly', 'heartbeat', $3) RETURNING id, key""",
            org,
            world.ids[f"{prefix}api"],
            CONFIG,
        )
        assert row is not None
        world.ids[f"{prefix}job"] = row["id"]
        world.numbers[f"{prefix}job_key"] = row["key"]
    return world


async def note(tenants: Tenants, part: str, name: str = "nightly", **more: Any) -> NotedBeat:
    connection = await tenants.connect(part)
    given: dict[str, Any] = {"org": None, "is_ok": True, "message": "", "label": "db", **more}
    return await note_beat(connection, name, **given)


async def row(tenants: Tenants, key: str = "job_key") -> asyncpg.Record:
    admin = await tenants.connect("postgres")
    found = await admin.fetchrow(
        """SELECT b.*, m.run_requested_at FROM beats b JOIN monitors m ON m.key = b.monitor
           WHERE monitor = $1""",
        tenants.numbers[key],
    )
    assert found is not None
    return found


async def test_a_member_beats_and_it_is_noted_once(tenants: Tenants) -> None:
    before = await row(tenants)
    assert (before["last_at"], before["beats"], before["run_requested_at"]) == (None, 0, None)
    noted = await note(tenants, "member", "API/nightly", message="all\x1b[31m well")
    after = await row(tenants)
    assert noted == NotedBeat("API/nightly", after["last_at"], True, "all well")
    assert (after["is_ok"], after["message"], after["beats"]) == (True, "all well", 1)
    assert after["author"] == tenants.people["member"]
    # Nobody knew yet how the job is, so somebody looks now.
    assert after["run_requested_at"] == after["last_at"]
    assert (await row(tenants, "other_job_key"))["beats"] == 0


async def test_the_engine_is_asked_to_look_only_when_that_changes_something(
    tenants: Tenants,
) -> None:
    admin = await tenants.connect("postgres")
    first = await note(tenants, "member")
    key = tenants.numbers["job_key"]
    await admin.execute(
        "INSERT INTO monitor_status (monitor, org_id, state, since) VALUES ($1, $2, 'up', now())",
        key,
        tenants.org,
    )

    async def asked() -> datetime:
        asked_at: datetime = (await row(tenants))["run_requested_at"]
        return asked_at

    await note(tenants, "owner")
    assert await asked() == first.at
    failed = await note(tenants, "owner", is_ok=False, message="exit code 2")
    assert await asked() == failed.at
    again = await note(tenants, "owner")
    assert await asked() == again.at
    await note(tenants, "owner")
    assert await asked() == again.at
    await admin.execute("UPDATE monitor_status SET state = 'down' WHERE monitor = $1", key)
    late = await note(tenants, "owner")
    assert await asked() == late.at


async def test_a_beat_is_announced_when_somebody_should_look_and_leaves_no_line_in_the_audit(
    tenants: Tenants,
) -> None:
    admin = await tenants.connect("postgres")
    lines = await admin.fetchval("SELECT count(*) FROM audit_log")
    heard: list[object] = []
    await admin.add_listener("statustui", lambda *words: heard.append(words[-1]))
    await note(tenants, "member")
    await admin.execute("SELECT 1")
    key = await admin.fetchval(
        "SELECT channel_key FROM organizations WHERE org_id = $1", tenants.org
    )
    assert heard == [f"{key}:configuration"]
    assert await admin.fetchval("SELECT count(*) FROM audit_log") == lines


async def test_who_may_not(tenants: Tenants) -> None:
    with pytest.raises(Forbidden):
        await note(tenants, "viewer")
    with pytest.raises(NotFound):
        await note(tenants, "member", "API/nightli")
    with pytest.raises(ValidationFailed, match="API/health is of type http"):
        await note(tenants, "member", "health")
    member = await tenants.connect("member")
    with pytest.raises(asyncpg.PostgresError, match="no such monitor") as refused:
        await member.fetchval("SELECT beat($1)", tenants.ids["other_job"])
    assert refused.value.sqlstate == "SU002"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await member.execute("UPDATE beats SET last_at = now()")
    engine = await tenants.connect("statustui_engine")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await engine.fetchval("SELECT beat($1)", tenants.ids["job"])
    assert (await row(tenants))["beats"] == 0


async def test_names_that_mean_several(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    await admin.execute(
        """INSERT INTO monitors (org_id, service_id, name, type, config)
           VALUES ($1, $2, 'Nightly', 'heartbeat', $3)""",
        tenants.org,
        tenants.ids["hidden"],
        CONFIG,
    )
    with pytest.raises(ValidationFailed, match="ambiguous: API/nightly, Database/Nightly"):
        await note(tenants, "member")
    assert (await note(tenants, "member", "database/nightly")).monitor == "Database/Nightly"
    assert (await note(tenants, "member", str(tenants.ids["job"]))).monitor == "API/nightly"
    # A person of two organizations says which one is meant.
    await admin.execute(
        "INSERT INTO members VALUES ($1, $2, 'member')",
        tenants.other_org,
        tenants.people["member"],
    )
    with pytest.raises(ValidationFailed, match="ambiguous") as told:
        await note(tenants, "member", "API/nightly")
    assert "--org" in told.value.advice
    assert (await note(tenants, "member", "API/nightly", org="other")).monitor == "API/nightly"
    assert (await row(tenants, "other_job_key"))["beats"] == 1


async def test_beats_are_expected_from_when_somebody_waits_for_them(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    owner = await tenants.connect("owner")
    key, job = tenants.numbers["job_key"], tenants.ids["job"]

    async def since() -> datetime:
        moment: datetime = (await row(tenants))["expected_from"]
        return moment

    async def edit(change: str) -> datetime:
        await admin.execute(
            "UPDATE beats SET expected_from = '2020-01-01Z' WHERE monitor = $1", key
        )
        await owner.execute(f"UPDATE monitors SET {change} WHERE id = $1", job)
        return await since()

    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert datetime.now(UTC) - await since() < timedelta(minutes=1)
    assert await edit("interval_seconds = 120") == long_ago
    assert await edit("is_active = false") > long_ago
    assert await edit("is_active = true") > long_ago
    until = datetime.now(UTC) + timedelta(hours=2)
    assert await edit(f"paused_until = '{until.isoformat()}'") == until
    assert await edit("paused_until = NULL") < until
    assert await edit("type = 'tcp'") == long_ago
    assert await edit("type = 'heartbeat'") > long_ago


async def test_the_engine_reads_what_it_judges(tenants: Tenants) -> None:
    pool = await open_pool(tenants.database.target("statustui_engine"))
    try:
        store = EngineStore(pool)
        key = tenants.numbers["job_key"]
        found, restart = await store.load_beats([key, 12_345])
        assert list(found) == [key]
        assert (found[key].last_at, found[key].is_ok) == (None, True)
        assert restart is None
        await note(tenants, "member", is_ok=False, message="exit code 1")
        admin = await tenants.connect("postgres")
        died = datetime.now(UTC) - timedelta(days=400)
        await admin.execute(
            """INSERT INTO engines (id, region, host, process_id, version, heartbeat_at)
               VALUES (gen_random_uuid(), 1, 'h', 1, '1', $1)""",
            died,
        )
        found, restart = await store.load_beats([key])
        assert (found[key].is_ok, found[key].message) == (False, "exit code 1")
        assert found[key].last_at is not None
        assert found[key].last_at <= found[key].now
        # The server started after that engine's last sign of life.
        assert restart is not None
        assert restart.since == died
        assert restart.until <= found[key].now
    finally:
        await pool.close()


async def test_two_beats_at_once_wait_for_each_other(tenants: Tenants) -> None:
    member, owner = await tenants.connect("member"), await tenants.connect("owner")
    async with member.transaction():
        first = await member.fetchval("SELECT beat($1)", tenants.ids["job"])
        await owner.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await owner.fetchval("SELECT beat($1)", tenants.ids["job"])
    second = await owner.fetchval("SELECT beat($1)", tenants.ids["job"])
    assert second > first
    assert (await row(tenants))["last_at"] == second
