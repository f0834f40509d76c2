"""Words that wait for their seconds are held when their incident changes its stage meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from statustui.domain.errors import Conflict
from statustui.domain.posting import UpdateInput
from statustui.domain.readmodels import Draft
from statustui.domain.status import IncidentStatus
from tests.support.databases import Database
from tests.support.house import House, open_house
from tests.support.watched import ENGINE_ROLE

GRACE = 3_600.0
WORDS = "Sign-in and checkout fail."


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


async def _outage(house: House) -> str:
    code: str = await house.admin.fetchval(
        """SELECT code FROM open_automatic_incident($1, 'API is unavailable', 'critical', true,
           'The API does not answer.', now(), 'major_outage', 'API fails', 'refused', NULL)""",
        house.services["API"],
    )
    return code


async def _wait(house: House, code: str) -> UUID:
    """A post that waits, with a promise half an hour ahead."""
    receipt = await house.store.post_update(
        house.org,
        code,
        UpdateInput(
            IncidentStatus.IDENTIFIED,
            WORDS,
            next_update_by=datetime.now(UTC) + timedelta(minutes=30),
        ),
        public_delay_seconds=GRACE,
    )
    assert receipt.is_waiting
    assert receipt.post_id is not None
    return receipt.post_id


async def _engine_moves(house: House, code: str, status: str) -> None:
    engine = await house.database.connect("statustui_engine")
    try:
        outcome = await engine.fetchval(
            """SELECT statustui.move_automatic_incident(id, $2, 'It answers again.')
               FROM statustui.incidents WHERE code = $1""",
            code,
            status,
        )
    finally:
        await engine.close()
    assert outcome == "moved"


async def _seconds_pass(house: House) -> list[str]:
    """The seconds of every waiting post are over; what became of each."""
    await house.admin.execute(
        "UPDATE pending_posts SET public_at = clock_timestamp(), notify_at = clock_timestamp() "
        "WHERE applied_at IS NULL AND refused_at IS NULL"
    )
    return [
        row["outcome"]
        for row in await house.admin.fetch("SELECT * FROM statustui.apply_due_posts()")
    ]


async def _drafts(house: House, code: str) -> list[Draft]:
    return [
        draft
        for draft in await house.store.load_drafts(house.org)
        if draft.incident_code == code and draft.kind == "public"
    ]


async def test_a_post_is_held_when_the_checks_moved_the_incident(house: House) -> None:
    code = await _outage(house)
    before = (await house.store.find_incident(house.org, code)).version
    await _wait(house, code)
    await _engine_moves(house, code, "monitoring")
    assert await _seconds_pass(house) == ["refused"]
    assert await _seconds_pass(house) == []
    found = await house.store.load_incident(house.org, code)
    assert found.summary.status is IncidentStatus.MONITORING
    assert found.summary.pending is None
    assert [each.message for each in found.updates][-1] == "It answers again."
    assert found.held is not None
    assert found.held.refusal == f"{code} moved to monitoring meanwhile"
    assert found.held.message == WORDS
    assert found.held.moved_to is IncidentStatus.MONITORING
    assert found.held.moved_at == found.updates[-1].created_at
    [draft] = await _drafts(house, code)
    assert dict(draft.fields) == {
        "status": "identified",
        "title": found.summary.title,
        "text": WORDS,
        "next_by": "30m",
    }
    # The version the words were written about: posting them again shows what changed.
    assert draft.base_version == before < found.summary.version
    web = await house.admin.fetch("SELECT message FROM public_incident_updates")
    assert WORDS not in {row["message"] for row in web}
    # Nobody else is told, and nobody else has the words.
    other = await house.stores["admin"].load_incident(house.org, code)
    assert other.held is None
    assert await house.stores["admin"].load_drafts(house.org) == ()


async def test_a_post_is_held_when_the_incident_moved_and_came_back(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    await _engine_moves(house, code, "monitoring")
    await _engine_moves(house, code, "investigating")
    assert await _seconds_pass(house) == ["refused"]
    found = await house.store.load_incident(house.org, code)
    assert found.summary.status is IncidentStatus.INVESTIGATING


async def test_a_post_is_applied_when_nothing_moved(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    assert await _seconds_pass(house) == ["applied"]
    found = await house.store.load_incident(house.org, code)
    assert found.summary.status is IncidentStatus.IDENTIFIED
    assert found.updates[-1].message == WORDS
    assert found.held is None
    assert await _drafts(house, code) == []


async def test_notes_and_further_services_hold_nothing(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    await house.store.post_update(house.org, code, UpdateInput(None, "a note", is_public=False))
    joined = await house.admin.fetchval(
        """SELECT outcome FROM open_automatic_incident($1, 'API and Checkout are unavailable',
           'critical', true, 'Checkout does not answer.', now(), 'major_outage', 'both fail',
           'refused', NULL)""",
        house.services["Checkout"],
    )
    assert joined in ("opened", "attached")
    assert await _seconds_pass(house) == ["applied"]


async def test_releasing_a_post_early_holds_it_as_well(house: House) -> None:
    code = await _outage(house)
    post = await _wait(house, code)
    await _engine_moves(house, code, "monitoring")
    with pytest.raises(Conflict, match="moved to monitoring meanwhile"):
        await house.store.release(house.org, post)
    assert [draft.fields["text"] for draft in await _drafts(house, code)] == [WORDS]


async def test_held_words_stand_before_those_begun_meanwhile(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    begun = Draft(code, 99, {"status": "monitoring", "text": "And mail"}, datetime.now(UTC))
    await house.store.save_draft(house.org, begun)
    await _engine_moves(house, code, "monitoring")
    assert await _seconds_pass(house) == ["refused"]
    [draft] = await _drafts(house, code)
    assert draft.fields["text"] == f"{WORDS}\n\nAnd mail"
    assert draft.base_version < 99


async def test_a_draft_too_long_for_both_stops_nothing(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    long = "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(11_500))
    begun = Draft(code, 1, {"text": long}, datetime.now(UTC))
    await house.store.save_draft(house.org, begun)
    await _engine_moves(house, code, "monitoring")
    assert await _seconds_pass(house) == ["refused"]
    [draft] = await _drafts(house, code)
    assert draft.fields["text"] == long
    held = (await house.store.load_incident(house.org, code)).held
    assert held is not None
    assert held.message == WORDS


async def test_the_next_post_takes_the_place_of_a_held_one(house: House) -> None:
    code = await _outage(house)
    await _wait(house, code)
    await _engine_moves(house, code, "monitoring")
    await _seconds_pass(house)
    await house.store.post_update(
        house.org, code, UpdateInput(IncidentStatus.MONITORING, "It held.")
    )
    assert (await house.store.load_incident(house.org, code)).held is None


async def test_a_post_that_cannot_be_applied_keeps_no_other_waiting(house: House) -> None:
    blocked = await _outage(house)
    free: str = await house.admin.fetchval(
        """SELECT code FROM open_automatic_incident($1, 'Docs are unavailable', 'critical', true,
           'The docs do not answer.', now(), 'major_outage', 'Docs fail', 'refused', NULL)""",
        house.services["Docs"],
    )
    posts = [await _wait(house, code) for code in (blocked, free)]
    await house.admin.execute("UPDATE pending_posts SET public_at = now() - interval '1 second'")
    holder, engine = await house.database.connect(), await house.database.connect(ENGINE_ROLE)
    try:
        async with holder.transaction():
            await holder.execute(
                "SELECT 1 FROM statustui.incidents WHERE code = $1 FOR UPDATE", blocked
            )
            applied = await engine.fetch("SELECT post_id FROM statustui.apply_due_posts()")
            assert [row["post_id"] for row in applied] == posts[1:]
        applied = await engine.fetch("SELECT post_id FROM statustui.apply_due_posts()")
        assert [row["post_id"] for row in applied] == posts[:1]
    finally:
        await holder.close()
        await engine.close()
