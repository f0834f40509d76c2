"""How incidents move and what that makes of services, settled in the database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants

CREATE = "SELECT * FROM incident_create($1, $2, $3, 'We are looking into it.', $4)"
POST = "SELECT * FROM post_update($1, 'Words.', $2)"


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    """Two organizations; Acme's API is visible, its Database hidden, and no incident is open."""
    world = await settle_tenants(database)
    owner = await world.connect("owner")
    await owner.execute("SELECT incident_delete(id) FROM incidents ORDER BY id")
    return world


async def _code(awaited: Any) -> str | None:
    try:
        await awaited
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    return None


async def _statuses(connection: asyncpg.Connection, service: UUID) -> tuple[str, str]:
    row = await connection.fetchrow(
        "SELECT current_status, public_status FROM service_state WHERE service_id = $1", service
    )
    assert row is not None
    return row["current_status"], row["public_status"]


async def _say(
    engine: asyncpg.Connection,
    tenants: Tenants,
    service: UUID,
    status: str,
    since: datetime | None = None,
) -> None:
    """What the engine does when a service's monitors say something new."""
    await engine.execute(
        """INSERT INTO service_monitor_status (service_id, org_id, status, since)
           VALUES ($1, $2, $3, coalesce($4, now()))
           ON CONFLICT (service_id) DO UPDATE SET status = $3, since = coalesce($4, now())""",
        service,
        tenants.org,
        status,
        since,
    )
    await engine.execute("SELECT recompute_service_status(ARRAY[$1::uuid], 'monitor')", service)


async def _open(
    engine: asyncpg.Connection, service: UUID, *, is_public: bool = True, cause: UUID | None = None
) -> tuple[UUID, str]:
    row = await engine.fetchrow(
        """SELECT incident_id, outcome FROM open_automatic_incident($1, 'API is unavailable',
           'critical', $2, 'The API does not answer.', now(), 'major_outage',
           'Database takes down API', 'refused', $3)""",
        service,
        is_public,
        cause,
    )
    assert row is not None
    return row["incident_id"], row["outcome"]


async def _move(engine: asyncpg.Connection, incident: UUID, status: str) -> str:
    sql = "SELECT move_automatic_incident($1, $2, 'It answers again.')"
    outcome: str = await engine.fetchval(sql, incident, status)
    return outcome


# -- people's incidents ------------------------------------------------------------------------


async def test_an_incident_from_first_words_to_the_end(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    api = tenants.ids["api"]
    made = await member.fetchrow(CREATE, tenants.org, "API fails", "major", [api])
    incident = made["incident_id"]
    assert await _statuses(member, api) == ("partial_outage", "partial_outage")
    for status in ("identified", "monitoring", "investigating", "resolved"):
        posted = await member.fetchrow(POST, incident, status)
        assert posted["status"] == status
        assert posted["update_id"] is not None
    row = await member.fetchrow("SELECT * FROM incidents WHERE id = $1", incident)
    assert row["resolved_at"] >= row["monitoring_at"] >= row["identified_at"] >= row["started_at"]
    assert row["created_by"] == row["lead"] == tenants.people["member"]
    assert await _statuses(member, api) == ("operational", "operational")
    changes = await member.fetch(
        """SELECT from_status, to_status, cause, cause_id FROM service_status_changes
           WHERE cause_id = $1 ORDER BY id""",
        incident,
    )
    assert [tuple(change) for change in changes] == [
        ("operational", "partial_outage", "incident", incident),
        ("partial_outage", "operational", "incident", incident),
    ]
    assert await _code(member.execute(POST, incident, "investigating")) == "SU004"
    assert await _code(member.execute("SELECT add_note($1, 'why')", incident)) is None
    admin = await tenants.connect("postgres")
    back = "UPDATE incidents SET status = 'monitoring', resolved_at = NULL WHERE id = $1"
    assert await _code(admin.execute(back, incident)) == "SU004"


async def test_the_worst_of_what_is_asked_counts(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    api = tenants.ids["api"]
    minor = await member.fetchval(CREATE, tenants.org, "Slow", "minor", [api])
    critical = await member.fetchval(CREATE, tenants.org, "Down", "critical", [api])
    assert await _statuses(member, api) == ("major_outage", "major_outage")
    await member.execute(POST, critical, "resolved")
    assert await _statuses(member, api) == ("degraded_performance", "degraded_performance")
    await member.execute(POST, minor, "resolved")
    assert await _statuses(member, api) == ("operational", "operational")


async def test_an_incident_only_worsens(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    api = tenants.ids["api"]
    await member.execute(CREATE, tenants.org, "Down", "critical", [api])
    ask = """SELECT * FROM incident_create($1, 'T', 'minor', 'm', $2, $3)"""
    for status, code in (
        ("degraded_performance", "SU001"),
        ("under_maintenance", "SU001"),
        ("broken", "SU001"),
        ("major_outage", None),
    ):
        assert await _code(member.execute(ask, tenants.org, [api], [status])) == code, status
    # As the impact says: a minor one beside an outage leaves the outage as it is.
    made = await member.fetchval(CREATE, tenants.org, "Slow", "minor", [api])
    row = await member.fetchrow("SELECT * FROM incident_services WHERE incident_id = $1", made)
    assert (row["from_status"], row["to_status"]) == ("major_outage", "major_outage")
    assert row["asked_status"] == "degraded_performance"
    none = await member.fetchval(CREATE, tenants.org, "Note", "none", [tenants.ids["hidden"]])
    row = await member.fetchrow("SELECT * FROM incident_services WHERE incident_id = $1", none)
    assert (row["to_status"], row["asked_status"]) == ("operational", None)


async def test_unknown_and_foreign_services_are_not_found(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    for service in (tenants.ids["other_api"], tenants.ids["incident"]):
        assert await _code(member.execute(CREATE, tenants.org, "T", "major", [service])) == "SU002"
    twice = [tenants.ids["api"]] * 2
    assert await _code(member.execute(CREATE, tenants.org, "T", "major", twice)) == "SU001"
    assert await member.fetchval("SELECT count(*) FROM incidents WHERE deleted_at IS NULL") == 0


async def test_an_internal_incident_never_leaves_the_house_until_published(
    tenants: Tenants,
) -> None:
    member = await tenants.connect("member")
    web = await tenants.connect("statustui_web")
    api = tenants.ids["api"]
    seen = "SELECT count(*) FROM public_incidents WHERE page_slug = 'acme-corp'"
    words = "SELECT array_agg(message ORDER BY created_at) FROM public_incident_updates"
    made = await member.fetchval(
        """SELECT incident_id FROM incident_create($1, 'T', 'major', 'Inside.', $2,
           p_is_public => false)""",
        tenants.org,
        [api],
    )
    assert await _statuses(member, api) == ("partial_outage", "operational")
    await member.execute(
        "SELECT * FROM post_update($1, 'Still inside.', 'identified', p_is_public => false)", made
    )
    assert await web.fetchval(seen) == 0
    await member.execute("SELECT * FROM post_update($1, 'Now outside.')", made)
    assert await web.fetchval(seen) == 1
    assert await web.fetchval(words + " WHERE page_slug = 'acme-corp'") == ["Now outside."]
    assert await _statuses(member, api) == ("partial_outage", "partial_outage")
    quiet = "SELECT * FROM post_update($1, 'm', 'monitoring', p_is_public => false)"
    assert await _code(member.execute(quiet, made)) == "SU001"


async def test_without_a_visible_service_it_is_internal(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    hidden = tenants.ids["hidden"]
    made = await member.fetchval(CREATE, tenants.org, "T", "major", [hidden])
    public = "SELECT is_public FROM incidents WHERE id = $1"
    assert await member.fetchval(public, made) is False
    assert await _code(member.execute("SELECT incident_publish($1)", made)) == "SU004"
    await member.execute(
        "SELECT * FROM post_update($1, 'm', p_services => $2)", made, [tenants.ids["api"]]
    )
    assert await member.fetchval(public, made) is True


async def test_an_incident_entered_after_the_fact(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    api = tenants.ids["api"]
    begun = datetime.now(UTC) - timedelta(days=3)
    sql = """SELECT incident_id FROM incident_create($1, 'T', 'major', 'It was.', $2,
             p_started_at => $3, p_resolved_at => $4)"""
    made = await member.fetchval(sql, tenants.org, [api], begun, begun + timedelta(hours=1))
    row = await member.fetchrow("SELECT * FROM incidents WHERE id = $1", made)
    assert (row["status"], row["is_retroactive"], row["is_public"]) == ("resolved", True, True)
    assert (row["started_at"], row["resolved_at"]) == (begun, begun + timedelta(hours=1))
    assert await _statuses(member, api) == ("operational", "operational")
    wrong = member.execute(sql, tenants.org, [api], begun, begun - timedelta(hours=1))
    assert await _code(wrong) == "SU001"


# -- posts -------------------------------------------------------------------------------------


async def test_of_two_who_post_at_once_one_wins(tenants: Tenants) -> None:
    member, owner = await tenants.connect("member"), await tenants.connect("owner")
    made = await member.fetchrow(CREATE, tenants.org, "T", "major", [tenants.ids["api"]])
    incident, version = made["incident_id"], made["version"]
    sql = "SELECT * FROM post_update($1, 'Mine.', 'identified', p_base_version => $2)"
    first = member.transaction()
    await first.start()
    await member.execute(sql, incident, version)
    watcher = await tenants.connect("postgres")
    waiting = asyncio.create_task(owner.execute(sql, incident, version))
    while not await watcher.fetchval(
        "SELECT cardinality(pg_blocking_pids($1)) > 0", owner.get_server_pid()
    ):
        await asyncio.sleep(0)
    await first.commit()
    with pytest.raises(asyncpg.PostgresError) as caught:
        await waiting
    assert caught.value.sqlstate == "SU005"
    assert tenants.people["member"] in str(caught.value)
    detail = json.loads(str(caught.value.detail))
    assert (detail["status"], detail["version"]) == ("identified", version + 1)
    await owner.execute(sql, incident, detail["version"])


async def test_notes_and_acknowledging_make_no_post_stale(tenants: Tenants) -> None:
    member, owner = await tenants.connect("member"), await tenants.connect("owner")
    made = await member.fetchrow(CREATE, tenants.org, "T", "major", [tenants.ids["api"]])
    incident = made["incident_id"]
    updated = "SELECT updated_at FROM incidents WHERE id = $1"
    before = await owner.fetchval(updated, incident)
    await owner.execute("SELECT add_note($1, 'n')", incident)
    await owner.execute("SELECT acknowledge($1)", incident)
    await owner.execute("SELECT snooze($1, now() + interval '1 hour', 'recovered')", incident)
    assert await owner.fetchval(updated, incident) == before
    sql = "SELECT * FROM post_update($1, 'm', 'identified', p_base_version => $2)"
    await member.execute(sql, incident, made["version"])
    await owner.execute("SELECT incident_edit($1, p_title => 'Another')", incident)
    assert await _code(member.execute(sql, incident, made["version"] + 1)) == "SU005"


async def test_a_waiting_post_becomes_public_at_its_moment(tenants: Tenants) -> None:
    member, web = await tenants.connect("member"), await tenants.connect("statustui_web")
    engine = await tenants.connect("statustui_engine")
    api = tenants.ids["api"]
    made = await member.fetchrow(CREATE, tenants.org, "T", "minor", [api])
    incident = made["incident_id"]
    posted = await member.fetchrow(
        """SELECT * FROM post_update($1, 'Worse.', 'identified', p_services => $2,
           p_statuses => '{major_outage}', p_delay_seconds => 30, p_notify_delay_seconds => 60,
           p_title => 'New title')""",
        incident,
        [api],
    )
    assert posted["update_id"] is None
    assert timedelta(seconds=29) < posted["notify_at"] - posted["public_at"] < timedelta(seconds=31)
    due = "SELECT * FROM apply_due_posts()"
    assert await engine.fetch(due) == []
    assert await _statuses(member, api) == ("degraded_performance", "degraded_performance")
    other = "SELECT * FROM post_update($1, 'Another.')"
    assert await _code(member.execute(other, incident)) == "SU005"

    admin = await tenants.connect("postgres")
    await admin.execute(
        "UPDATE pending_posts SET public_at = now() - interval '1 s' WHERE id = $1",
        posted["post_id"],
    )
    # Whoever comes first applies it, once.
    rival = await tenants.connect("owner")
    outcomes = await asyncio.gather(engine.fetch(due), rival.fetch(due))
    assert sorted(len(rows) for rows in outcomes) == [0, 1]
    assert await _statuses(member, api) == ("major_outage", "major_outage")
    row = await web.fetchrow("SELECT * FROM public_incidents WHERE page_slug = 'acme-corp'")
    assert (row["title"], row["status"]) == ("New title", "identified")
    author = "SELECT author FROM incident_updates WHERE message = 'Worse.'"
    assert await member.fetchval(author) == tenants.people["member"]
    actors = await admin.fetch(
        """SELECT DISTINCT actor FROM audit_log WHERE row_id = $1 AND table_name = 'incidents'""",
        str(incident),
    )
    assert [row["actor"] for row in actors] == [tenants.people["member"]]


async def test_a_post_taken_back_never_was(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    made = await member.fetchrow(CREATE, tenants.org, "T", "minor", [tenants.ids["api"]])
    incident = made["incident_id"]
    later = "SELECT post_id FROM post_update($1, 'Oops.', 'identified', p_delay_seconds => 30)"
    post = await member.fetchval(later, incident)
    taken = await member.fetchrow("SELECT * FROM take_back_post($1)", post)
    assert (taken["message"], taken["status"]) == ("Oops.", "identified")
    admin = await tenants.connect("postgres")
    await admin.execute("UPDATE pending_posts SET public_at = now() - interval '1 s'")
    assert await admin.fetch("SELECT * FROM apply_due_posts()") == []
    words = "SELECT count(*) FROM incident_updates WHERE message = 'Oops.'"
    assert await admin.fetchval(words) == 0
    status = await member.fetchrow("SELECT status, version FROM incidents WHERE id = $1", incident)
    assert tuple(status) == ("investigating", made["version"])
    for again in ("take_back_post", "release_post"):
        assert await _code(member.execute(f"SELECT {again}($1)", post)) == "SU004"


async def test_a_post_released_is_public_at_once(tenants: Tenants) -> None:
    member = await tenants.connect("member")
    made = await member.fetchrow(CREATE, tenants.org, "T", "minor", [tenants.ids["api"]])
    later = "SELECT post_id FROM post_update($1, 'Go.', 'identified', p_delay_seconds => 30)"
    post = await member.fetchval(later, made["incident_id"])
    released = await member.fetchrow("SELECT * FROM release_post($1)", post)
    assert released["applied_at"] is not None
    assert await _code(member.execute("SELECT take_back_post($1)", post)) == "SU004"
    stranger = await tenants.connect("stranger")
    assert await _code(stranger.execute("SELECT take_back_post($1)", post)) == "SU002"


async def test_an_opening_that_waits_is_internal_until_then(tenants: Tenants) -> None:
    member, web = await tenants.connect("member"), await tenants.connect("statustui_web")
    api = tenants.ids["api"]
    made = await member.fetchrow(
        "SELECT * FROM incident_create($1, 'T', 'major', 'm', $2, p_delay_seconds => 30)",
        tenants.org,
        [api],
    )
    assert await _statuses(member, api) == ("partial_outage", "operational")
    seen = "SELECT count(*) FROM public_incidents WHERE page_slug = 'acme-corp'"
    assert await web.fetchval(seen) == 0
    await member.execute("SELECT release_post($1)", made["post_id"])
    assert await web.fetchval(seen) == 1
    assert await _statuses(member, api) == ("partial_outage", "partial_outage")


async def test_a_correction_keeps_its_place(tenants: Tenants) -> None:
    member, web = await tenants.connect("member"), await tenants.connect("statustui_web")
    made = await member.fetchrow(CREATE, tenants.org, "T", "minor", [tenants.ids["api"]])
    incident = made["incident_id"]
    await member.execute(POST, incident, "resolved")
    first = await member.fetchval(
        "SELECT id FROM incident_updates WHERE incident_id = $1 ORDER BY created_at LIMIT 1",
        incident,
    )
    correct = "SELECT update_id FROM post_update($1, $2, p_supersedes => $3)"
    second = await member.fetchval(correct, incident, "Better.", first)
    await member.fetchval(correct, incident, "Best.", second)
    rows = await web.fetch(
        """SELECT * FROM public_incident_updates WHERE page_slug = 'acme-corp'
           ORDER BY created_at"""
    )
    assert [(row["message"], row["status"], row["edited_at"] is None) for row in rows] == [
        ("Best.", "investigating", False),
        ("Words.", "resolved", True),
    ]
    assert rows[0]["id"] == first


async def test_acknowledging_twice_only_says_so(tenants: Tenants) -> None:
    member, owner = await tenants.connect("member"), await tenants.connect("owner")
    engine = await tenants.connect("statustui_engine")
    incident, _ = await _open(engine, tenants.ids["api"])
    sql = "SELECT * FROM acknowledge($1)"
    first = await member.fetchrow(sql, incident)
    assert first["lead"] == first["acknowledged_by"] == tenants.people["member"]
    lasts = first["acknowledged_until"] - first["acknowledged_at"]
    # The database reads its clock for each of the two.
    assert abs(lasts - timedelta(minutes=30)) < timedelta(seconds=1)
    assert dict(await owner.fetchrow(sql, incident)) == dict(first)
    events = "SELECT count(*) FROM incident_updates WHERE kind = 'event' AND incident_id = $1"
    assert await owner.fetchval(events, incident) == 1
    released = await owner.fetchrow("SELECT * FROM release_acknowledgement($1)", incident)
    assert (released["acknowledged_by"], released["lead"]) == (None, tenants.people["member"])
    # Acknowledging is no touch: the engine still resolves what it opened.
    assert await _move(engine, incident, "resolved") == "moved"


# -- statuses ----------------------------------------------------------------------------------


async def test_what_monitors_say_is_the_status(tenants: Tenants) -> None:
    engine = await tenants.connect("statustui_engine")
    api = tenants.ids["api"]
    began = datetime.now(UTC) - timedelta(minutes=2)
    await _say(engine, tenants, api, "major_outage", began)
    assert await _statuses(engine, api) == ("major_outage", "major_outage")
    row = await engine.fetchrow("SELECT * FROM service_state WHERE service_id = $1", api)
    assert (row["status_since"], row["public_since"]) == (began, began)
    change = await engine.fetchrow("SELECT * FROM service_status_changes ORDER BY id DESC LIMIT 1")
    assert (change["cause"], change["effective_at"]) == ("monitor", began)
    assert change["recorded_at"] > began + timedelta(minutes=1)
    again = "SELECT count(*) FROM recompute_service_status(ARRAY[$1::uuid], 'monitor')"
    assert await engine.fetchval(again, api) == 0


async def test_a_pinned_status_overrides_everything(tenants: Tenants) -> None:
    engine, admin = await tenants.connect("statustui_engine"), await tenants.connect("admin")
    api = tenants.ids["api"]
    await _say(engine, tenants, api, "major_outage")
    pin = "UPDATE services SET pinned_status = $2 WHERE id = $1"
    for status in ("operational", "under_maintenance", "degraded_performance"):
        await admin.execute(pin, api, status)
        assert await _statuses(admin, api) == (status, status)
    await admin.execute(pin, api, None)
    assert await _statuses(admin, api) == ("major_outage", "major_outage")
    causes = await admin.fetch("SELECT cause FROM service_status_changes ORDER BY id DESC LIMIT 4")
    assert {row["cause"] for row in causes} == {"manual"}


async def test_a_window_hides_monitors_but_not_what_a_person_says(tenants: Tenants) -> None:
    engine, member = await tenants.connect("statustui_engine"), await tenants.connect("member")
    admin = await tenants.connect("postgres")
    api = tenants.ids["api"]
    shift = "UPDATE maintenance_windows SET starts_at = $2, ends_at = $3 WHERE id = $1"
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    await admin.execute(shift, tenants.ids["window"], now - hour, now + hour)
    moved = await engine.fetch("SELECT window_id, status FROM advance_maintenance()")
    assert [tuple(row) for row in moved] == [(tenants.ids["window"], "in_progress")]
    assert await engine.fetch("SELECT * FROM advance_maintenance()") == []
    assert await _statuses(engine, api) == ("under_maintenance", "under_maintenance")
    await _say(engine, tenants, api, "major_outage")
    assert await _statuses(engine, api) == ("under_maintenance", "under_maintenance")
    await _open(engine, api)
    assert await _statuses(engine, api) == ("under_maintenance", "under_maintenance")
    made = await member.fetchval(CREATE, tenants.org, "T", "major", [tenants.ids["hidden"]])
    assert await _statuses(engine, tenants.ids["hidden"]) == ("partial_outage", "under_maintenance")
    await member.execute(POST, made, "resolved")
    await admin.execute(shift, tenants.ids["window"], now - 2 * hour, now - hour)
    moved = await engine.fetch("SELECT window_id, status FROM advance_maintenance()")
    assert [tuple(row) for row in moved] == [(tenants.ids["window"], "completed")]
    assert await _statuses(engine, api) == ("major_outage", "major_outage")
    window = await admin.fetchrow(
        "SELECT * FROM maintenance_windows WHERE id = $1", tenants.ids["window"]
    )
    assert window["started_at"] < window["finished_at"]
    back = "UPDATE maintenance_windows SET status = 'scheduled' WHERE id = $1"
    assert await _code(admin.execute(back, tenants.ids["window"])) == "SU004"


async def test_cancelling_a_window_ends_the_maintenance(tenants: Tenants) -> None:
    admin = await tenants.connect("admin")
    api = tenants.ids["api"]
    move = "UPDATE maintenance_windows SET status = $2 WHERE id = $1"
    await admin.execute(move, tenants.ids["window"], "in_progress")
    assert await _statuses(admin, api) == ("under_maintenance", "under_maintenance")
    await admin.execute(move, tenants.ids["window"], "cancelled")
    assert await _statuses(admin, api) == ("operational", "operational")


async def test_how_much_of_the_monitors_the_public_sees(tenants: Tenants) -> None:
    """public and off: colour at once; internal: none until published; guarded: after 3 minutes."""
    engine, owner = await tenants.connect("statustui_engine"), await tenants.connect("owner")
    api = tenants.ids["api"]
    mode = "UPDATE services SET automatic_incidents = $2 WHERE id = $1"
    began = datetime.now(UTC) - timedelta(minutes=1)
    await _say(engine, tenants, api, "major_outage", began)
    for name, shown in (
        ("internal", "operational"),
        ("off", "major_outage"),
        ("guarded", "operational"),
        ("public", "major_outage"),
    ):
        await owner.execute(mode, api, name)
        assert await _statuses(owner, api) == ("major_outage", shown), name
    await owner.execute(mode, api, "guarded")
    await engine.execute("SELECT advance_maintenance()")
    assert await _statuses(owner, api) == ("major_outage", "operational")
    await engine.execute("UPDATE service_monitor_status SET since = now() - interval '181 s'")
    await engine.execute("SELECT advance_maintenance()")
    assert await _statuses(owner, api) == ("major_outage", "major_outage")

    await owner.execute(mode, api, "internal")
    incident, _ = await _open(engine, api, is_public=False)
    assert await _statuses(owner, api) == ("major_outage", "operational")
    await owner.execute("SELECT incident_publish($1)", incident)
    assert await _statuses(owner, api) == ("major_outage", "major_outage")
    # The public learns late of what began early: its bar starts with the outage.
    row = await owner.fetchrow("SELECT * FROM service_state WHERE service_id = $1", api)
    assert row["public_since"] == row["status_since"] == began
    await owner.execute(mode, api, None)
    await owner.execute("UPDATE organizations SET automatic_incidents = 'internal'")
    await owner.execute("SELECT incident_delete($1)", incident)
    assert await _statuses(owner, api) == ("major_outage", "operational")


# -- automatic incidents -----------------------------------------------------------------------


async def test_one_open_automatic_incident_for_each_service(tenants: Tenants) -> None:
    engines = [await tenants.connect("statustui_engine") for _ in range(4)]
    outcomes = await asyncio.gather(*(_open(engine, tenants.ids["api"]) for engine in engines))
    assert sorted(outcome for _, outcome in outcomes) == ["exists"] * 3 + ["opened"]
    assert len({incident for incident, _ in outcomes}) == 1
    (incident, _), *_ = outcomes
    assert await _move(engines[0], incident, "resolved") == "moved"
    assert (await _open(engines[0], tenants.ids["api"]))[1] == "opened"


async def test_the_life_of_an_untouched_automatic_incident(tenants: Tenants) -> None:
    engine, web = await tenants.connect("statustui_engine"), await tenants.connect("statustui_web")
    api = tenants.ids["api"]
    await _say(engine, tenants, api, "major_outage")
    incident, _ = await _open(engine, api)
    assert await _move(engine, incident, "monitoring") == "failing"
    await _say(engine, tenants, api, "operational")
    assert await _statuses(engine, api) == ("operational", "operational")
    for status, outcome in (
        ("monitoring", "moved"),
        ("monitoring", "unchanged"),
        ("investigating", "moved"),
        ("monitoring", "moved"),
        ("resolved", "moved"),
        ("investigating", "closed"),
    ):
        assert await _move(engine, incident, status) == outcome
    rows = await web.fetch(
        """SELECT status, detected FROM public_incident_updates WHERE page_slug = 'acme-corp'
           ORDER BY created_at"""
    )
    assert [tuple(row) for row in rows] == [
        (status, "automatically")
        for status in ("investigating", "monitoring", "investigating", "monitoring", "resolved")
    ]
    row = await web.fetchrow("SELECT * FROM public_incident_services")
    assert (row["from_status"], row["to_status"]) == ("operational", "major_outage")


async def test_what_a_person_touched_is_theirs_to_resolve(tenants: Tenants) -> None:
    engine, member = await tenants.connect("statustui_engine"), await tenants.connect("member")
    incident, _ = await _open(engine, tenants.ids["api"])
    await member.execute("SELECT add_note($1, 'looking')", incident)
    later = "SELECT post_id FROM post_update($1, 'We know.', 'identified', p_delay_seconds => 60)"
    post = await member.fetchval(later, incident)
    # The words only wait yet, and are not resolved under their writer's hands.
    assert await _move(engine, incident, "resolved") == "touched"
    await member.execute("SELECT release_post($1)", post)
    assert await _move(engine, incident, "monitoring") == "moved"
    assert await _move(engine, incident, "resolved") == "touched"
    await member.execute(POST, incident, "resolved")
    assert await _move(engine, incident, "resolved") == "closed"


async def test_a_person_can_say_what_an_automatic_incident_asks(tenants: Tenants) -> None:
    engine, member = await tenants.connect("statustui_engine"), await tenants.connect("member")
    api = tenants.ids["api"]
    incident, _ = await _open(engine, api)
    assert await _statuses(member, api) == ("operational", "operational")
    ask = "SELECT * FROM post_update($1, 'm', p_services => $2, p_statuses => $3)"
    await member.execute(ask, incident, [api], ["partial_outage"])
    assert await _statuses(member, api) == ("partial_outage", "partial_outage")
    await member.execute(ask, incident, [api], ["operational"])
    assert await _statuses(member, api) == ("operational", "operational")


async def test_a_service_joins_the_incident_of_its_cause(tenants: Tenants) -> None:
    engine, web = await tenants.connect("statustui_engine"), await tenants.connect("statustui_web")
    api, hidden = tenants.ids["api"], tenants.ids["hidden"]
    await _say(engine, tenants, hidden, "major_outage")
    root, outcome = await _open(engine, hidden)
    assert outcome == "opened"
    seen = "SELECT title FROM public_incidents WHERE page_slug = 'acme-corp'"
    assert await web.fetchval(seen) is None
    await _say(engine, tenants, api, "major_outage")
    joined, outcome = await _open(engine, api, cause=hidden)
    assert (joined, outcome) == (root, "attached")
    # The public title names what the page shows; the cause stays in the internal one.
    assert await web.fetchval(seen) == "API is unavailable"
    names = "SELECT array_agg(name) FROM public_incident_services WHERE page_slug = 'acme-corp'"
    assert await web.fetchval(names) == ["API"]
    assert (await _open(engine, api))[1] == "exists"
    await _say(engine, tenants, api, "operational")
    assert await _move(engine, root, "resolved") == "failing"
    await _say(engine, tenants, hidden, "operational")
    assert await _move(engine, root, "resolved") == "moved"
    # Both are free for incidents of their own again.
    assert (await _open(engine, api))[1] == "opened"
    assert (await _open(engine, hidden))[1] == "opened"


async def test_what_a_person_titled_stays(tenants: Tenants) -> None:
    engine, member = await tenants.connect("statustui_engine"), await tenants.connect("member")
    hidden = tenants.ids["hidden"]
    root, _ = await _open(engine, hidden)
    await member.execute("SELECT incident_edit($1, p_title => 'Mine', p_impact => 'minor')", root)
    await _open(engine, tenants.ids["api"], cause=hidden)
    row = await member.fetchrow("SELECT * FROM incidents WHERE id = $1", root)
    assert (row["title"], row["impact"], row["is_public"]) == ("Mine", "minor", True)


# -- news --------------------------------------------------------------------------------------


async def test_news_go_to_channels_that_want_them_once(tenants: Tenants) -> None:
    engine, member = await tenants.connect("statustui_engine"), await tenants.connect("member")
    admin = await tenants.connect("postgres")
    await admin.execute(
        """INSERT INTO channels (org_id, name, kind, events, is_active) VALUES
           ($1, 'all', 'slack', '{}', true), ($1, 'off', 'slack', '{}', false),
           ($1, 'ends', 'slack', '{incident.resolved}', true)""",
        tenants.org,
    )
    made = await member.fetchval(CREATE, tenants.org, "T", "minor", [tenants.ids["api"]])
    await member.execute(
        "SELECT * FROM post_update($1, 'm', 'resolved', p_notify_delay_seconds => 60)", made
    )
    rows = await admin.fetch(
        """SELECT c.name, o.event, o.not_before > now() + interval '50 s' AS waits
           FROM outbox o JOIN channels c ON c.id = o.channel_id
           WHERE o.event <> 'ping' ORDER BY o.event, c.name"""
    )
    assert [tuple(row) for row in rows] == [
        ("all", "incident.created", False),
        ("all", "incident.resolved", True),
        ("ends", "incident.resolved", True),
    ]
    queue = "SELECT queue_event($1, 'monitor.down', 'down:1', '{}')"
    assert await engine.fetchval(queue, tenants.org) == 1
    assert await engine.fetchval(queue, tenants.org) == 0
