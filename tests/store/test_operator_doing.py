"""What a person does: posts, take-backs, acknowledgements, pauses, drafts; and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from statustui.domain.errors import (
    Conflict,
    Forbidden,
    NotFound,
    StaleState,
    ValidationFailed,
)
from statustui.domain.monitor import parse_monitor
from statustui.domain.posting import IncidentInput, UpdateInput
from statustui.domain.readmodels import Draft
from statustui.domain.status import Impact, IncidentStatus, MonitorState, ServiceStatus
from tests.support.databases import Database
from tests.support.house import House, open_house

GRACE = 3_600.0


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


def incident(house: House, *services: str, **more: object) -> IncidentInput:
    given = {
        "title": "API is slow",
        "impact": Impact.MINOR,
        "message": "We look into it.",
        "services": tuple((house.services[name], None) for name in services),
        **more,
    }
    return IncidentInput(**given)  # type: ignore[arg-type]


async def test_an_incident_asks_of_services_what_its_impact_says(house: House) -> None:
    receipt = await house.stores["member"].create_incident(
        house.org,
        incident(house, "API", title="  API \x1b[31mis\u202e slow ", message="one\r\ntwo\x07"),
    )
    assert not receipt.is_waiting
    found = await house.store.load_incident(house.org, receipt.code)
    assert found.summary.title == "API is slow"
    assert found.updates[0].message == "one\ntwo"
    assert found.summary.created_by == house.person("member")
    assert found.summary.is_public
    api = await house.store.find_service(house.org, "API")
    assert api.status is ServiceStatus.DEGRADED_PERFORMANCE
    assert api.public_status is ServiceStatus.DEGRADED_PERFORMANCE
    assert api.incident_code == receipt.code


async def test_each_service_can_be_given_a_status_of_its_own(house: House) -> None:
    services = (
        (house.services["API"], ServiceStatus.MAJOR_OUTAGE),
        (house.services["Docs"], None),
    )
    await house.store.create_incident(house.org, incident(house, services=services))
    rows = {row.name: row.status for row in await house.store.load_services(house.org)}
    assert rows["API"] is ServiceStatus.MAJOR_OUTAGE
    assert rows["Docs"] is ServiceStatus.DEGRADED_PERFORMANCE


async def test_an_incident_of_hidden_services_never_leaves_the_house(house: House) -> None:
    receipt = await house.store.create_incident(house.org, incident(house, "Database"))
    found = await house.store.load_incident(house.org, receipt.code)
    assert not found.summary.is_public
    assert found.pages == ()
    with pytest.raises(Conflict, match="no visible service"):
        await house.store.publish_incident(house.org, receipt.code)


async def test_a_post_moves_the_incident_and_tells_the_public(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    due = datetime.now(UTC) + timedelta(minutes=30)
    receipt = await house.store.post_update(
        house.org,
        code,
        UpdateInput(
            IncidentStatus.IDENTIFIED,
            "Found it.",
            next_update_by=due,
            still_works="Reading",
            title="API fails for some",
            services=((house.services["API"], ServiceStatus.OPERATIONAL),),
        ),
    )
    assert receipt.public_at is not None
    found = await house.store.load_incident(house.org, code)
    assert found.summary.version == receipt.version
    assert found.summary.status is IncidentStatus.IDENTIFIED
    assert found.summary.title == "API fails for some"
    assert found.summary.next_update_by == due
    assert found.summary.told_at is not None
    assert found.updates[-1].still_works == "Reading"
    api = await house.store.find_service(house.org, "API")
    assert api.status is ServiceStatus.OPERATIONAL


async def test_a_post_based_on_an_old_state_is_refused_with_what_changed(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    seen = (await house.store.find_incident(house.org, code)).version
    await house.stores["admin"].post_update(
        house.org, code, UpdateInput(IncidentStatus.IDENTIFIED, "Mine.", base_version=seen)
    )
    with pytest.raises(StaleState) as caught:
        await house.store.post_update(
            house.org, code, UpdateInput(IncidentStatus.MONITORING, "Late.", base_version=seen)
        )
    assert house.person("admin") in caught.value.message
    assert "identified" in caught.value.message
    found = await house.store.load_incident(house.org, code)
    assert [update.message for update in found.updates][-1] == "Mine."


async def test_resolved_is_final(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    await house.store.post_update(
        house.org, code, UpdateInput(IncidentStatus.RESOLVED, "It is over.")
    )
    assert (await house.store.find_service(house.org, "API")).status is ServiceStatus.OPERATIONAL
    with pytest.raises(Conflict, match="resolved"):
        await house.store.post_update(house.org, code, UpdateInput(None, "More."))
    with pytest.raises(Conflict):
        await house.store.acknowledge(house.org, code)
    await house.store.post_update(house.org, code, UpdateInput(None, "a note", is_public=False))


async def test_a_waiting_post_can_be_taken_back_and_never_was(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    receipt = await house.store.post_update(
        house.org,
        code,
        UpdateInput(
            IncidentStatus.IDENTIFIED,
            "Too early.",
            services=((house.services["API"], ServiceStatus.MAJOR_OUTAGE),),
        ),
        public_delay_seconds=GRACE,
        notify_delay_seconds=2 * GRACE,
    )
    assert receipt.is_waiting
    assert receipt.post_id is not None
    waiting = (await house.store.find_incident(house.org, code)).pending
    assert waiting is not None
    assert (waiting.message, waiting.id) == ("Too early.", receipt.post_id)
    assert waiting.notify_at - waiting.public_at == timedelta(seconds=GRACE)
    taken = await house.store.take_back(house.org, receipt.post_id)
    assert (taken.incident_code, taken.message) == (code, "Too early.")
    assert taken.status is IncidentStatus.IDENTIFIED
    assert taken.services == ((house.services["API"], ServiceStatus.MAJOR_OUTAGE),)
    found = await house.store.load_incident(house.org, code)
    assert found.summary.pending is None
    assert found.summary.status is IncidentStatus.INVESTIGATING
    assert len(found.updates) == 1
    with pytest.raises(Conflict, match="taken back"):
        await house.store.take_back(house.org, receipt.post_id)
    with pytest.raises(NotFound):
        await house.store.take_back(house.org, uuid4())


async def test_a_waiting_post_can_be_released_at_once(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    receipt = await house.store.post_update(
        house.org,
        code,
        UpdateInput(IncidentStatus.IDENTIFIED, "Now."),
        public_delay_seconds=GRACE,
    )
    assert receipt.post_id is not None
    await house.store.release(house.org, receipt.post_id)
    found = await house.store.load_incident(house.org, code)
    assert found.summary.status is IncidentStatus.IDENTIFIED
    with pytest.raises(Conflict, match="public already"):
        await house.store.release(house.org, receipt.post_id)


async def test_a_new_incident_can_wait_too(house: House) -> None:
    receipt = await house.store.create_incident(
        house.org, incident(house, "API"), delay_seconds=GRACE
    )
    assert receipt.is_waiting
    before = await house.store.find_incident(house.org, receipt.code)
    assert not before.is_public
    assert before.pending is not None
    assert await house.store.apply_due_posts() == 0
    await house.admin.execute("UPDATE pending_posts SET public_at = now(), notify_at = now()")
    assert await house.store.apply_due_posts() == 1
    assert (await house.store.find_incident(house.org, receipt.code)).is_public


async def test_an_internal_incident_is_published_as_it_stands(house: House) -> None:
    receipt = await house.store.create_incident(house.org, incident(house, "API", is_public=False))
    api = await house.store.find_service(house.org, "API")
    assert api.status is ServiceStatus.DEGRADED_PERFORMANCE
    assert api.public_status is ServiceStatus.OPERATIONAL
    assert receipt.public_at is None
    await house.store.publish_incident(house.org, receipt.code)
    assert (await house.store.find_incident(house.org, receipt.code)).is_public


async def test_an_incident_can_be_entered_after_the_fact(house: House) -> None:
    now = datetime.now(UTC)
    receipt = await house.store.create_incident(
        house.org,
        incident(
            house,
            "API",
            started_at=now - timedelta(hours=2),
            resolved_at=now - timedelta(hours=1),
        ),
    )
    found = await house.store.find_incident(house.org, receipt.code)
    assert found.after_the_fact
    assert found.resolved_at == now - timedelta(hours=1)


async def test_acknowledging_makes_one_lead_and_again_only_says_so(house: House) -> None:
    code = await house.open_automatic("API")
    until = await house.store.acknowledge(house.org, code, 45)
    assert timedelta(minutes=44) < until - datetime.now(UTC) <= timedelta(minutes=45)
    assert await house.stores["admin"].acknowledge(house.org, code) == until
    found = await house.store.find_incident(house.org, code)
    assert found.acknowledged_by == found.lead == house.person("owner")
    await house.store.release_acknowledgement(house.org, code)
    released = await house.store.find_incident(house.org, code)
    assert released.acknowledged_by is None
    assert released.lead == house.person("owner")


async def test_a_snooze_ends_by_itself(house: House) -> None:
    code = await house.open_automatic("API")
    await house.store.snooze(house.org, code, datetime.now(UTC) + timedelta(hours=1))
    assert (await house.store.find_incident(house.org, code)).snoozed_until is not None
    await house.admin.execute("UPDATE incidents SET snoozed_until = now() - interval '1 s'")
    assert (await house.store.find_incident(house.org, code)).snoozed_until is None
    with pytest.raises(ValidationFailed, match="seven days"):
        await house.store.snooze(house.org, code, datetime.now(UTC) + timedelta(days=8))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": ""}, "title: must not be empty"),
        ({"title": "\x1b[2J\u200b"}, "title: must not be empty"),
        ({"title": "x" * 501}, "501 characters"),
        ({"message": "x" * 5_001}, "5,001 characters"),
        ({"message": " \n "}, "message: must not be empty"),
        ({"status": IncidentStatus.RESOLVED}, "not opened as resolved"),
    ],
)
async def test_a_wrong_incident_is_refused_in_words(
    house: House, given: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationFailed, match=words):
        await house.store.create_incident(house.org, incident(house, "API", **given))
    assert await house.store.load_incidents(house.org) == ()


async def test_a_service_is_named_once_and_exists(house: House) -> None:
    with pytest.raises(ValidationFailed, match="twice"):
        await house.store.create_incident(house.org, incident(house, "API", "API"))
    with pytest.raises(NotFound):
        await house.store.create_incident(house.org, incident(house, services=((uuid4(), None),)))


async def test_an_incident_only_worsens(house: House) -> None:
    await house.see("API", "down")
    services = ((house.services["API"], ServiceStatus.DEGRADED_PERFORMANCE),)
    with pytest.raises(ValidationFailed, match="only worsens"):
        await house.store.create_incident(house.org, incident(house, services=services))


async def test_a_viewer_changes_nothing_and_is_told_who_may(house: House) -> None:
    viewer = house.stores["viewer"]
    code = await house.open_automatic("API")
    attempts = [
        viewer.create_incident(house.org, incident(house, "API")),
        viewer.post_update(house.org, code, UpdateInput(None, "x")),
        viewer.post_update(house.org, code, UpdateInput(None, "x", is_public=False)),
        viewer.acknowledge(house.org, code),
        viewer.add_service(house.org, "New"),
        viewer.add_mark(house.org, "deploy"),
        viewer.request_run(house.org, house.monitors["API"]),
        viewer.pause_monitor(house.org, house.monitors["API"]),
        viewer.pin_service(house.org, house.services["API"], ServiceStatus.OPERATIONAL),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden) as caught:
            await attempt
        assert house.person("owner") in caught.value.advice


async def test_a_member_creates_services_but_edits_none(house: House) -> None:
    member = house.stores["member"]
    await member.add_service(house.org, "New", description="one\ntwo")
    for attempt in (
        member.edit_service(house.org, house.services["API"], name="Other"),
        member.pin_service(house.org, house.services["API"], ServiceStatus.MAJOR_OUTAGE),
        member.unpin_service(house.org, house.services["API"]),
        member.resume_monitor(house.org, house.monitors["API"]),
        member.add_monitor(
            house.org,
            house.services["API"],
            parse_monitor({"name": "m", "type": "ping", "config": {"host": "127.0.0.1"}}),
        ),
    ):
        with pytest.raises(Forbidden, match="needs admin"):
            await attempt


async def test_a_pin_holds_over_everything_until_it_is_taken_away(house: House) -> None:
    await house.see("API", "down")
    admin = house.stores["admin"]
    await admin.pin_service(house.org, house.services["API"], ServiceStatus.OPERATIONAL)
    row = await admin.find_service(house.org, "API")
    assert (row.status, row.pinned_status) == (ServiceStatus.OPERATIONAL,) * 2
    await admin.unpin_service(house.org, house.services["API"])
    row = await admin.find_service(house.org, "API")
    assert (row.status, row.pinned_status) == (ServiceStatus.MAJOR_OUTAGE, None)


async def test_a_service_is_edited_in_part(house: House) -> None:
    store, docs = house.store, house.services["Docs"]
    await store.edit_service(house.org, docs, group_name="Web", description="words")
    await store.edit_service(house.org, docs, name="Manual", is_visible=False)
    row = await store.find_service(house.org, "Manual")
    assert (row.group_name, row.description, row.is_visible) == ("Web", "words", False)
    await store.edit_service(house.org, docs, group_name="")
    assert (await store.find_service(house.org, "Manual")).group_name == ""
    with pytest.raises(Conflict, match="of that name"):
        await store.edit_service(house.org, docs, name="API")
    with pytest.raises(ValidationFailed):
        await store.edit_service(house.org, docs, name=" ")
    with pytest.raises(NotFound):
        await store.edit_service(house.org, uuid4(), name="x")


async def test_a_pause_ends_by_itself_or_by_hand(house: House) -> None:
    store, monitor = house.store, house.monitors["API"]
    await store.pause_monitor(house.org, monitor, datetime.now(UTC) + timedelta(hours=1))
    assert (await store.find_monitor(house.org, "API/health")).state is MonitorState.PAUSED
    await house.admin.execute("UPDATE monitors SET paused_until = now() WHERE id = $1", monitor)
    assert (await store.find_monitor(house.org, "API/health")).state is not MonitorState.PAUSED
    await store.pause_monitor(house.org, monitor)
    row = await store.find_monitor(house.org, "API/health")
    assert (row.state, row.paused_until, row.next_run_at) == (MonitorState.PAUSED, None, None)
    await store.resume_monitor(house.org, monitor)
    assert (await store.find_monitor(house.org, "API/health")).is_active
    with pytest.raises(ValidationFailed, match="future"):
        await store.pause_monitor(house.org, monitor, datetime.now(UTC))
    with pytest.raises(NotFound):
        await store.pause_monitor(house.org, uuid4())


async def test_a_look_is_asked_for(house: House) -> None:
    await house.stores["member"].request_run(house.org, house.monitors["API"])
    asked = await house.admin.fetchval(
        "SELECT run_requested_at FROM monitors WHERE id = $1", house.monitors["API"]
    )
    assert asked is not None
    with pytest.raises(NotFound):
        await house.store.request_run(house.org, uuid4())


async def test_a_draft_is_ones_own_and_one_of_each_kind(house: House) -> None:
    now = datetime.now(UTC)
    code = await house.open_automatic("API")

    def draft(text: str, **more: object) -> Draft:
        fields = {"message": text, "status": "identified"}
        given = {"incident_code": code, "base_version": 3, "kind": "public", **more}
        return Draft(fields=fields, saved_at=now, **given)  # type: ignore[arg-type]

    store, org = house.store, house.org
    await store.save_draft(org, draft("one"))
    await store.save_draft(org, draft("two \x00 raw\x1b"))
    await store.save_draft(org, draft("note", kind="note"))
    await store.save_draft(org, draft("new", incident_code=None, base_version=0))
    found = {(each.incident_code, each.kind): each for each in await store.load_drafts(org)}
    assert set(found) == {(code, "public"), (code, "note"), (None, "public")}
    assert found[code, "public"].fields["message"] == "two  raw\x1b"
    assert found[code, "public"].base_version == 3
    assert await house.stores["admin"].load_drafts(org) == ()
    await store.delete_draft(org, code, "note")
    await store.delete_draft(org, None)
    await store.delete_draft(org, None)
    assert [each.kind for each in await store.load_drafts(org)] == ["public"]
    with pytest.raises(NotFound):
        await store.save_draft(org, draft("x", incident_code="INC-0000"))


async def test_a_mark_is_noted_by_a_person_or_a_script(house: House) -> None:
    api = house.services["API"]
    mark = await house.stores["member"].add_mark(
        house.org, "api\x1b[31m 1.42", services=[api, api], source="ci", link="https://ci.test/1"
    )
    assert (mark.text, mark.services, mark.source) == ("api 1.42", ("API",), "ci")
    assert mark.author == house.person("member")
    (found,) = await house.store.load_marks(house.org, datetime.now(UTC) - timedelta(minutes=1))
    assert found == mark
    assert await house.store.load_marks(house.org, datetime.now(UTC)) == ()
    for wrong in ({"text": ""}, {"text": "x", "link": "javascript:alert(1)"}, {"text": "x" * 501}):
        with pytest.raises(ValidationFailed):
            await house.store.add_mark(house.org, **wrong)


async def test_of_two_who_post_at_once_one_wins(house: House) -> None:
    code = (await house.store.create_incident(house.org, incident(house, "API"))).code
    seen = (await house.store.find_incident(house.org, code)).version
    results = await asyncio.gather(
        *(
            house.stores[part].post_update(
                house.org, code, UpdateInput(IncidentStatus.IDENTIFIED, part, base_version=seen)
            )
            for part in ("owner", "admin")
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(result, StaleState) for result in results) == 1
    found = await house.store.load_incident(house.org, code)
    assert len(found.updates) == 2
