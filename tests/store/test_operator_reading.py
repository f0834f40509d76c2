"""What a person reads: the board, one service, one incident; each consistent, nothing secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from statustui.domain import recent
from statustui.domain.errors import NotFound, ValidationFailed
from statustui.domain.posting import IncidentInput, UpdateInput
from statustui.domain.status import (
    CheckStatus,
    ErrorKind,
    Impact,
    IncidentStatus,
    MonitorState,
    Role,
    ServiceStatus,
)
from statustui.presenters.evidence import change_words
from tests.support.databases import Database
from tests.support.house import House, detail, open_house


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


async def test_an_organization_is_seen_with_ones_own_role(house: House) -> None:
    for part, role in (("owner", Role.OWNER), ("viewer", Role.VIEWER)):
        (organization,) = await house.stores[part].organizations()
        assert organization.slug == "acme"
        assert organization.role is role
        assert len(organization.channel_key) == 32


async def test_the_board_shows_a_cause_above_its_effects(house: House) -> None:
    since = datetime.now(UTC) - timedelta(minutes=3)
    await house.see(
        "Database", "down", since=since, reason="refused 10.0.0.5", error_kind="refused"
    )
    await house.see("API", "down", since=since, reason="503", error_kind="http_status")
    await house.see("Docs", "up")
    board = await house.store.load_board(house.org)
    rows = {row.name: row for row in board.services}
    assert [row.name for row in board.services] == ["Database", "API", "Checkout", "Docs"]
    assert board.operator == house.person("owner")
    assert abs(board.read_at - datetime.now(UTC)) < timedelta(minutes=1)
    database, api, docs = rows["Database"], rows["API"], rows["Docs"]
    assert database.status is ServiceStatus.MAJOR_OUTAGE
    assert database.status_since == since
    assert database.monitor_state is MonitorState.DOWN
    assert database.error_kind is ErrorKind.REFUSED
    assert (database.reason, database.reason_monitor) == ("refused 10.0.0.5", "health")
    assert (database.regions_down, database.regions_looked) == (1, 1)
    assert database.cause_id is None
    assert api.cause_id == database.id
    assert api.depends_on == (database.id,)
    assert docs.status is ServiceStatus.OPERATIONAL
    assert docs.tags == ("eu",)
    assert rows["Checkout"].cause_id is None
    assert rows["Checkout"].monitor_state is MonitorState.UNKNOWN
    assert board.watch is None
    assert [page.slug for page in board.pages] == ["acme"]
    assert board.pages[0].service_ids is None


async def test_the_reason_is_that_of_the_last_look(house: House) -> None:
    # What was said when the state began, and what the look after it saw.
    now = datetime.now(UTC)
    await house.see(
        "API", "degraded", since=now - timedelta(hours=3), reason="took 468 ms, limit 200 ms"
    )
    key = await house.key("API")
    last = {"last_status": "degraded", "last_reason": "took 632 ms, limit 200 ms"}
    await house.admin.execute(
        "UPDATE monitor_state SET last_status = $2, last_reason = $3, last_checked_at = $4"
        " WHERE monitor = $1",
        key,
        *last.values(),
        now - timedelta(seconds=3),
    )
    api = await house.store.find_service(house.org, "API")
    assert api.reason == "took 632 ms, limit 200 ms"
    assert api.last_looked_at == now - timedelta(seconds=3)
    assert (api.monitor_state, api.error_kind) == (MonitorState.DEGRADED, None)
    # A resumed monitor has a state without a reason: its last look still tells.
    await house.admin.execute("UPDATE monitor_status SET reason = NULL WHERE monitor = $1", key)
    api = await house.store.find_service(house.org, "API")
    assert api.reason == "took 632 ms, limit 200 ms"
    # One good look is no recovery yet: the state's own reason, and how far the way back is.
    await house.admin.execute(
        "UPDATE monitor_status SET reason = 'took 468 ms, limit 200 ms' WHERE monitor = $1", key
    )
    await house.admin.execute(
        """UPDATE monitor_state SET last_status = 'success', last_reason = NULL,
               last_checked_at = $2, extra = '{"good": 1}' WHERE monitor = $1""",
        key,
        now,
    )
    api = await house.store.find_service(house.org, "API")
    assert (api.reason, api.successes) == ("took 468 ms, limit 200 ms", 1)
    assert api.last_looked_at == now


async def test_failed_looks_are_told_before_the_verdict(house: House) -> None:
    now = datetime.now(UTC)
    spec = await house.store.load_monitor_spec(house.org, house.monitors["API"])
    house.monitors["second"] = await house.store.add_monitor(
        house.org, house.services["API"], replace(spec, name="second")
    )
    await house.see("API", "up", last_checked_at=now - timedelta(seconds=35))
    await house.see(
        "second",
        "up",
        last_checked_at=now - timedelta(seconds=5),
        last_status="failure",
        consecutive_failures=2,
    )
    await house.admin.execute(
        """UPDATE monitor_state SET last_reason = 'connection refused', last_error_kind = 'refused'
           WHERE monitor = $1""",
        await house.key("second"),
    )
    api = await house.store.find_service(house.org, "API")
    assert api.status is ServiceStatus.OPERATIONAL
    assert (api.monitor_state, api.reason_monitor) == (MonitorState.UP, "second")
    assert (api.reason, api.error_kind) == ("connection refused", ErrorKind.REFUSED)
    assert (api.failures, api.threshold) == (2, spec.failure_threshold)
    assert api.last_looked_at == now - timedelta(seconds=5)
    # The look that is good again takes it all back.
    await house.see("second", "up", consecutive_failures=0)
    api = await house.store.find_service(house.org, "API")
    assert (api.failures, api.reason, api.error_kind) == (0, "", None)


async def test_the_board_counts_what_is_silenced_once_each(house: House) -> None:
    now = datetime.now(UTC)
    await house.store.pause_monitor(house.org, house.monitors["API"], now + timedelta(hours=1))
    await house.store.pause_monitor(house.org, house.monitors["Docs"])
    code = await house.open_automatic("API")
    await house.store.snooze(house.org, code, now + timedelta(hours=2))
    board = await house.store.load_board(house.org)
    rows = {row.name: row for row in board.services}
    assert board.silenced == 2
    assert rows["API"].silenced_until == now + timedelta(hours=2)
    assert rows["API"].monitor_state is None
    assert (rows["API"].paused, rows["API"].monitors) == (1, 1)
    assert rows["Docs"].silenced_until is None
    assert rows["Docs"].paused == 1


async def test_strips_of_several_monitors_are_put_together(house: House) -> None:
    until = datetime.now(UTC).replace(second=0, microsecond=0)
    good = bytes([recent.encode(CheckStatus.SUCCESS, 5.0)] * 60)
    bad = bytes(59) + bytes([recent.encode(CheckStatus.FAILURE, 5.0)])
    spec = await house.store.load_monitor_spec(house.org, house.monitors["Docs"])
    house.monitors["second"] = await house.store.add_monitor(
        house.org, house.services["API"], replace(spec, name="second")
    )
    await house.see("API", "up", recent=good, recent_until=until)
    await house.see("second", "down", recent=bad, recent_until=until)
    api = await house.store.find_service(house.org, "API")
    assert api.recent[:59] == good[:59]
    assert api.recent[59] == bad[59]
    assert api.recent_until == until


async def test_names_are_found_in_any_case_and_near_ones_are_offered(house: House) -> None:
    store = house.store
    assert (await store.find_service(house.org, "api")).name == "API"
    assert (await store.find_service(house.org, str(house.services["API"]))).name == "API"
    with pytest.raises(NotFound) as caught:
        await store.find_service(house.org, "Chekout")
    assert "did you mean Checkout?" in caught.value.advice
    assert (await store.find_monitor(house.org, "api/HEALTH")).service_name == "API"
    with pytest.raises(ValidationFailed, match="Database/health") as ambiguous:
        await store.find_monitor(house.org, "health")
    assert "Service/monitor" in ambiguous.value.advice
    with pytest.raises(NotFound):
        await store.find_monitor(house.org, "API/heath\x1b[31m")
    with pytest.raises(NotFound):
        await store.load_service_now(house.org, uuid4())


@pytest.mark.parametrize("code", ["INC-0000", "INC-", "", "nonsense", "INC-IIII", "a/b", "%", "1"])
async def test_a_code_nothing_answers_to_is_not_found(house: House, code: str) -> None:
    with pytest.raises(NotFound):
        await house.store.load_incident(house.org, code)


async def test_monitors_are_listed_without_their_secrets(house: House) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    await house.store.pause_monitor(house.org, house.monitors["Docs"], until)
    await house.see("API", "down", reason="503", error_kind="http_status", consecutive_failures=1)
    rows = await house.stores["viewer"].load_monitors(house.org)
    assert [row.service_name for row in rows] == ["API", "Checkout", "Database", "Docs"]
    assert "s3cr3t" not in repr(rows)
    docs = next(row for row in rows if row.service_name == "Docs")
    assert docs.state is MonitorState.PAUSED
    assert docs.paused_until == until
    assert docs.next_run_at is not None
    assert docs.next_run_at >= until
    api = rows[0]
    assert api.state is MonitorState.DOWN
    assert (api.error_kind, api.reason) == (ErrorKind.HTTP_STATUS, "503")
    assert api.target.startswith("http://127.0.0.1:9/API?token=")
    assert api.next_run_at is not None
    assert api.next_run_at - datetime.now(UTC) <= timedelta(seconds=20)
    spec = await house.store.load_monitor_spec(house.org, api.id)
    assert "s3cr3t" in repr(spec.config)


async def test_a_monitor_written_by_hand_wrongly_spoils_no_list(house: House) -> None:
    await house.admin.execute(
        "UPDATE monitors SET config = '{}' WHERE id = $1", house.monitors["API"]
    )
    rows = await house.store.load_monitors(house.org)
    assert rows[0].target.startswith("unreadable")


async def test_one_service_closely(house: House) -> None:
    now = datetime.now(UTC)
    look = detail(phases={"connect_ms": 3.0}, address="127.0.0.1:9", status_code=503)
    good = detail(at=(now - timedelta(hours=1)).isoformat(), phases={"connect_ms": 1.0})
    await house.see(
        "API",
        "down",
        reason="answered 503",
        error_kind="http_status",
        last_look=look,
        last_good=good,
        last_good_at=now - timedelta(hours=1),
    )
    key = await house.key("API")
    await house.admin.execute(
        """INSERT INTO evidence (org_id, monitor, region, checked_at, data, body)
           VALUES ($1, $2, 1, $3, $4::text::jsonb, 'broken')""",
        house.org,
        key,
        now,
        detail(reason="answered 503", error_kind="http_status", status_code=503),
    )
    code = await house.open_automatic("API")
    shown = await house.store.load_service_now(house.org, house.services["API"])
    (first,) = shown.looks
    assert first.status_code == 503
    assert first.phases.connect_ms == 3.0
    assert first.last_good_phases is not None
    assert first.last_good_phases.connect_ms == 1.0
    assert first.evidence is not None
    assert first.evidence.body_text == "broken"
    assert [incident.code for incident in shown.incidents] == [code]
    assert [row.name for row in shown.depends_on] == ["Database"]
    database = await house.store.load_service_now(house.org, house.services["Database"])
    assert [row.name for row in database.needed_by] == ["API", "Checkout"]
    assert [look.at for look in database.looks] == [None]


async def test_evidence_says_what_had_changed_and_what_was_noted(house: House) -> None:
    now = datetime.now(UTC)
    began, key = now - timedelta(minutes=20), await house.key("API")

    async def keep(at: datetime, *, good: bool = False, **seen: object) -> None:
        await house.admin.execute(
            """INSERT INTO evidence (org_id, monitor, region, checked_at, is_good, data, body)
               VALUES ($1, $2, 1, $3, $4, $5::text::jsonb, 'broken')""",
            *(house.org, key, at, good, detail(at=at.isoformat(), **seen)),
        )

    await keep(began - timedelta(days=1), good=True, address="10.0.0.7:80")
    await keep(began - timedelta(minutes=1), good=True, address="10.0.0.9:80", body_bytes=900)
    await keep(began, address="10.0.0.5:80", body_bytes=36, reason="answered 503", rows=3)
    # It has recovered since, which must not become what it is compared with.
    later = detail(at=now.isoformat(), address="10.0.0.6:80")
    await house.see("API", "up", since=now, last_good=later, last_good_at=now)

    async def note(text: str, minutes: int, *services: str) -> None:
        chosen = [house.services[name] for name in services]
        at = began + timedelta(minutes=minutes)
        await house.store.add_mark(house.org, text, at=at, services=chosen, source="ci")

    await note("long before", -61)
    await note("for all", -59)
    await note("api 1.42", -2, "API", "Docs")
    await note("docs 3", -1, "Docs")
    await note("noted when done", 4)
    await note("long after", 6)

    (found,) = await house.stores["viewer"].load_monitor_evidence(house.org, house.monitors["API"])
    assert found.at == began
    assert found.last_good_at == began - timedelta(minutes=1)
    assert [change_words(change) for change in found.changes] == [
        "address 10.0.0.9 to 10.0.0.5",
        "size 900 B to 36 B",
    ]
    assert [mark.text for mark in found.marks] == ["noted when done", "api 1.42", "for all"]
    assert dict(found.further)["rows"] == "3"
    code = await house.open_automatic("API", minutes=20)
    shown = await house.store.load_incident(house.org, code)
    assert shown.evidence == found
    now_shown = await house.store.load_service_now(house.org, house.services["API"])
    assert now_shown.looks[0].evidence == found
    assert await house.store.load_monitor_evidence(house.org, house.monitors["Docs"]) == ()


async def test_an_incident_whole(house: House) -> None:
    began = datetime.now(UTC) - timedelta(minutes=5)
    await house.see("API", "down", since=began, reason="answered 503", error_kind="http_status")
    code = await house.open_automatic("API")
    await house.store.acknowledge(house.org, code)
    await house.store.post_update(house.org, code, UpdateInput(None, "looking", is_public=False))
    await house.store.add_mark(house.org, "api 1.42", source="ci", services=[house.services["API"]])
    await house.store.add_mark(house.org, "docs 3", services=[house.services["Docs"]])
    found = await house.store.load_incident(house.org, code.removeprefix("INC-").lower())
    assert found.summary.code == code
    assert found.summary.is_auto
    assert found.summary.created_by is None
    assert found.summary.lead == house.person("owner")
    assert found.summary.told_at is not None
    assert found.summary.told_by is None, "by the checks"
    assert [service.name for service in found.summary.services] == ["API"]
    assert [update.is_public for update in found.updates] == [True, False]
    assert found.updates[0].detected_automatically
    assert [page.slug for page in found.pages] == ["acme"]
    kinds = [(entry.kind, entry.text) for entry in found.timeline]
    assert kinds[0] == ("failure", "answered 503")
    assert ("mark", "api 1.42") in kinds
    assert ("mark", "docs 3") not in kinds
    assert ("note", "looking") in kinds
    assert any(kind == "acknowledged" for kind, _ in kinds)
    assert any(kind == "public_status" for kind, _ in kinds)
    times = [entry.at for entry in found.timeline]
    assert times == sorted(times)


async def test_editing_is_in_the_timeline(house: House) -> None:
    code = await house.open_automatic("API")
    await house.store.edit_incident(house.org, code, title="API fails", impact=Impact.MAJOR)
    found = await house.store.load_incident(house.org, code)
    (edited,) = [entry for entry in found.timeline if entry.kind == "edited"]
    assert edited.who == house.person("owner")
    assert "title" in edited.text
    assert "impact from critical to major" in edited.text


async def test_incidents_are_listed_by_what_is_asked(house: House) -> None:
    first = await house.store.create_incident(
        house.org,
        IncidentInput("One", Impact.MINOR, "words", ((house.services["Docs"], None),)),
    )
    second = await house.store.create_incident(
        house.org, IncidentInput("Two", Impact.MAJOR, "words", ((house.services["API"], None),))
    )
    await house.store.post_update(
        house.org, first.code, UpdateInput(IncidentStatus.RESOLVED, "done")
    )
    store, org = house.store, house.org
    codes = [summary.code for summary in await store.load_incidents(org)]
    assert codes == [second.code, first.code]
    (major,) = await store.load_incidents(org, impact=Impact.MAJOR)
    assert major.code == second.code
    (resolved,) = await store.load_incidents(org, status=IncidentStatus.RESOLVED)
    assert resolved.code == first.code
    (docs,) = await store.load_incidents(org, service_id=house.services["Docs"])
    assert docs.code == first.code
    assert [each.code for each in await store.load_incidents(org, open_only=True)] == [second.code]
    (older,) = await store.load_incidents(org, before=major.started_at)
    assert older.code == first.code
    (one,) = await store.load_incidents(org, limit=1)
    assert one.code == second.code
    board = await store.load_board(org)
    assert {summary.code for summary in board.incidents} == {first.code, second.code}


async def test_figures_come_from_sums(house: House) -> None:
    now = datetime.now(UTC)
    await house.roll_up("API", now, success=90, degraded=5, failure=5, unknown=7, slots=95)
    await house.roll_up("API", now - timedelta(days=29), success=10, slots=10)
    await house.roll_up("API", now - timedelta(days=30), success=1_000, slots=1_000)
    await house.admin.execute(
        """INSERT INTO rollups_hourly (org_id, monitor, hour, success, timed, h10, min_ms, max_ms)
           VALUES ($1, $2, date_trunc('hour', now()), 100, 100, 100, 90, 110)""",
        house.org,
        await house.key("API"),
    )
    # The window's end is the end of the hour; in a day's last one it is all of the day.
    await house.admin.execute(
        """UPDATE rollups_daily SET timed = 100, h10 = 100, min_ms = 90, max_ms = 110
           WHERE monitor = $1 AND day = $2""",
        await house.key("API"),
        now.date(),
    )
    figures = {each.service_id: each for each in await house.store.load_figures(house.org)}
    api = figures[house.services["API"]]
    assert (api.succeeded, api.looked) == (105, 110)
    assert len(api.days) == 30
    assert (api.days[0].succeeded, api.days[29].looked) == (10, 100)
    assert api.days[29].slots_looked == 95
    assert api.p95_ms is not None
    assert 90 <= api.p95_ms <= 110
    assert figures[house.services["Docs"]].p95_ms is None
    assert figures[house.services["Docs"]].looked == 0


async def test_a_day_shows_the_worst_of_it(house: House) -> None:
    now = datetime.now(UTC)
    await house.see("API", "down", since=now)
    await house.see("API", "up", since=now)
    figures = {each.service_id: each for each in await house.store.load_figures(house.org)}
    api = figures[house.services["API"]]
    assert api.days[29].worst_status is ServiceStatus.MAJOR_OUTAGE
    assert api.days[28].worst_status is None
    assert figures[house.services["Docs"]].days[29].worst_status is ServiceStatus.OPERATIONAL


async def test_latency_is_read_at_every_width(house: House) -> None:
    now = datetime.now(UTC)
    key = await house.key("API")
    for status, duration, seconds in (
        ("success", 10.0, 5),
        ("success", 30.0, 4),
        ("failure", 5_000.0, 3),
        ("unknown", 1.0, 2),
    ):
        at = now - timedelta(seconds=seconds)
        await house.admin.execute(
            """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status,
                   duration_ms)
               VALUES ($1, 1, $2, $3, $2, $4, $5)""",
            key,
            at,
            house.org,
            status,
            duration,
        )
    points = await house.store.load_latency(house.org, house.services["API"], 24)
    assert sum(point.checks for point in points) == 3
    assert sum(point.failures for point in points) == 1
    assert all(10 <= point.p50_ms <= 30 for point in points if point.p50_ms is not None)
    await house.roll_up("API", now, success=4, h05=4, min_ms=8.0, max_ms=12.0)
    (day,) = await house.store.load_latency(house.org, house.services["API"], 24 * 90)
    assert day.checks == 4
    assert day.p99_ms is not None
    assert 8 <= day.p99_ms <= 12
    assert await house.store.load_latency(house.org, house.services["API"], 24 * 7) == ()
    with pytest.raises(ValidationFailed):
        await house.store.load_latency(house.org, house.services["API"], 0)


async def test_a_services_timeline_ends_with_the_newest(house: House) -> None:
    await house.see("API", "down", reason="answered 503")
    code = await house.open_automatic("API")
    await house.see("API", "up")
    entries = await house.store.load_service_timeline(house.org, house.services["API"], 50)
    kinds = [entry.kind for entry in entries]
    assert "failure" in kinds
    assert "recovery" in kinds
    assert "status" in kinds
    assert any(entry.kind == "update" and entry.text.startswith(code) for entry in entries)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    last_two = await house.store.load_service_timeline(house.org, house.services["API"], 2)
    assert last_two == entries[-2:]


async def test_the_watch_is_known_by_its_engines(house: House) -> None:
    assert await house.store.load_watch() is None
    for number, (monitors, behind) in enumerate([(30, 1.5), (10, 0.0)], start=1):
        engine = UUID(int=number)
        await house.admin.execute(
            """INSERT INTO statustui.engines (id, region, host, process_id, version, started_at,
                behind_seconds, info)
            VALUES ($1, 1, 'bastion', $2, '1', $3, $4, $5::text::jsonb)""",
            engine,
            number,
            datetime(2027, 1, number, tzinfo=UTC),
            behind,
            json.dumps({"holder": f"bastion:{number}", "monitors": monitors}),
        )
        watch = await house.store.load_watch()
        assert watch is not None
        assert watch.alive is (number > 1)  # registered, but not in the region yet
        await house.admin.fetchval("SELECT statustui.share_join(1::smallint, $1, 6)", engine)
    watch = await house.store.load_watch()
    assert watch is not None
    assert (watch.holder, watch.alive, watch.behind_seconds) == ("bastion:1 and 1 more", True, 1.5)
    assert watch.started_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert [(each.holder, each.region, each.share) for each in watch.engines] == [
        ("bastion:1", "local", 0.75),
        ("bastion:2", "local", 0.25),
    ]
    await house.admin.fetchval("SELECT statustui.share_leave(1::smallint, $1)", UUID(int=1))
    left = await house.store.load_watch()
    assert left is not None
    assert (left.holder, left.alive) == ("bastion:2", True)
    await house.admin.fetchval("SELECT statustui.share_leave(1::smallint, $1)", UUID(int=2))
    released = await house.store.load_watch()
    assert released is not None
    assert (released.holder, released.alive, released.engines) == ("bastion:2", False, ())
