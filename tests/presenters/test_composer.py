"""The composer's fields: what they open with, how they are read, what is said when wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from statustui.domain.errors import ValidationFailed
from statustui.domain.readmodels import Draft
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.presenters import composer
from statustui.presenters.composer import Door
from statustui.presenters.line import plain
from tests.support.acme import CODE, INCIDENT, NOW, SERVICES, at, number

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("status", "following"),
    [
        (IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED),
        (IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING),
        (IncidentStatus.MONITORING, IncidentStatus.RESOLVED),
        (IncidentStatus.RESOLVED, IncidentStatus.RESOLVED),
    ],
)
def test_the_natural_next_stage(status: IncidentStatus, following: IncidentStatus) -> None:
    assert composer.next_status(status) is following


def test_choices_keep_their_places_and_tint_the_chosen_one() -> None:
    stages = [stage.value for stage in composer.STAGES]
    line = composer.choice_line(stages, 1)
    assert plain(line) == " 1 investigating   2 identified   3 monitoring   4 resolved "
    assert [text for text, style in line if style == "text b on:sel"] == [" 2 identified "]
    assert plain(composer.choice_line(stages, 0)).startswith(" 1 investigating   2")


def test_an_update_opens_with_everything_but_the_text() -> None:
    fields = composer.first_fields(Door.PUBLIC, INCIDENT, NOW, UTC)
    assert fields["status"] == "identified"
    assert fields["title"] == INCIDENT.title
    assert fields["text"] == ""
    assert fields["next_by"] == "03:50"


def test_resolving_opens_with_words_and_no_promise() -> None:
    fields = composer.first_fields(Door.PUBLIC, INCIDENT, NOW, UTC, resolving=True)
    assert fields["status"] == "resolved"
    assert fields["text"] == "This incident is resolved. It lasted 8 min."
    assert fields["next_by"] == ""


def test_a_new_incident_affects_what_was_selected() -> None:
    fields = composer.first_fields(Door.NEW, None, NOW, UTC, service_names=["API"])
    assert fields["affected"] == "API"
    assert fields["audience"] == "public"


@pytest.mark.parametrize(
    ("text", "zone", "read"),
    [
        ("", UTC, None),
        ("none", UTC, None),
        ("04:50", UTC, at("04:50")),
        ("04:50", BERLIN, at("03:50")),
        ("4:50", UTC, at("04:50")),
        ("03:19", UTC, at("03:19") + timedelta(days=1)),
        ("30m", UTC, at("03:49")),
        ("1h30m", UTC, at("04:49")),
    ],
)
def test_next_by(text: str, zone: ZoneInfo, read: datetime | None) -> None:
    assert composer.read_next_by(text, NOW, zone) == read


@pytest.mark.parametrize("text", ["25:00", "soon", "12", "0s", "8d", "04:5", "\x1b[31m"])
def test_a_promise_that_cannot_be_read_is_refused(text: str) -> None:
    if not text.strip("\x1b[31m"):
        assert composer.read_next_by(text, NOW, UTC) is None
        return
    with pytest.raises(ValidationFailed):
        composer.read_next_by(text, NOW, UTC)
    assert composer.next_by_line(text, NOW, UTC)[0][1] == "degraded"


def test_what_a_promise_means_stands_beside_it() -> None:
    assert plain(composer.next_by_line("03:50", NOW, UTC)) == "UTC  in 31 min"
    assert plain(composer.next_by_line("04:50", NOW, BERLIN)) == "CET  in 31 min"
    assert plain(composer.next_by_line("03:19", NOW, UTC)) == "UTC  in 1 d, tomorrow"
    assert "no next update" in plain(composer.next_by_line("", NOW, UTC))


def test_services_are_named_and_the_nearest_is_offered() -> None:
    found = composer.read_services(" api, Mail ,, API", SERVICES)
    assert [row.name for row in found] == ["API", "Mail"]
    with pytest.raises(ValidationFailed) as caught:
        composer.read_services("Chekout, Nothing like it", SERVICES)
    assert [problem.message for problem in caught.value.problems] == [
        'no service is called "Chekout"; nearest is "Checkout"',
        'no service is called "Nothing like it"',
    ]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("che", "checkout"),
        ("API, ma", "API, mail"),
        ("API, ap", None),
        ("", None),
        ("zzz", None),
    ],
)
def test_names_are_completed(typed: str, completed: str | None) -> None:
    assert composer.complete_service(typed, SERVICES) == completed


def fields(**changed: str) -> dict[str, str]:
    return {
        **composer.first_fields(Door.PUBLIC, INCIDENT, NOW, UTC),
        "text": "We found the cause.",
        **changed,
    }


def test_a_public_update_is_read() -> None:
    written = composer.read(Door.PUBLIC, fields(), INCIDENT, SERVICES, NOW, UTC)
    assert written.status is IncidentStatus.IDENTIFIED
    assert written.message == "We found the cause."
    assert written.title is None
    assert written.next_update_by == at("03:50")
    assert written.is_public
    renamed = composer.read(Door.PUBLIC, fields(title="API is down"), INCIDENT, SERVICES, NOW, UTC)
    assert renamed.title == "API is down"


def test_a_note_keeps_the_stage_and_stays_in_the_house() -> None:
    written = composer.read(
        Door.NOTE, fields(next_by="nonsense", title=""), INCIDENT, SERVICES, NOW, UTC
    )
    assert written.status is INCIDENT.status
    assert not written.is_public
    assert written.next_update_by is None


def test_resolving_promises_nothing() -> None:
    written = composer.read(
        Door.PUBLIC, fields(status="resolved", next_by="nonsense"), INCIDENT, SERVICES, NOW, UTC
    )
    assert written.next_update_by is None


def test_a_new_incident_is_read() -> None:
    given = {
        **composer.first_fields(Door.NEW, None, NOW, UTC, service_names=["API", "Database"]),
        "title": "API is slow",
        "text": "We look.",
        "impact": "minor",
        "audience": "internal",
    }
    written = composer.read(Door.NEW, given, None, SERVICES, NOW, UTC)
    assert written.services == (number(2), number(1))
    assert written.impact is Impact.MINOR
    assert not written.is_public
    assert written.title == "API is slow"


def test_every_problem_is_said_with_its_field() -> None:
    given = fields(text=" \n ", title="", next_by="soon")
    with pytest.raises(ValidationFailed) as caught:
        composer.read(Door.PUBLIC, given, INCIDENT, SERVICES, NOW, UTC)
    assert [problem.path for problem in caught.value.problems] == [
        ("text",),
        ("title",),
        ("next_by",),
    ]
    long = fields(text="x" * 5_001, title="y" * 501)
    with pytest.raises(ValidationFailed) as caught:
        composer.read(Door.PUBLIC, long, INCIDENT, SERVICES, NOW, UTC)
    assert [problem.path for problem in caught.value.problems] == [("text",), ("title",)]


def test_control_characters_never_leave_the_composer() -> None:
    written = composer.read(
        Door.PUBLIC, fields(text="a\x1b[31mb\u202ec\nd"), INCIDENT, SERVICES, NOW, UTC
    )
    assert written.message == "abc\nd"


def test_drafts_are_found_by_door_and_incident() -> None:
    public = composer.draft_of(Door.PUBLIC, INCIDENT, {"text": "a"}, NOW)
    note = composer.draft_of(Door.NOTE, INCIDENT, {"text": "b"}, NOW)
    new = composer.draft_of(Door.NEW, None, {"text": "c"}, NOW)
    newer = replace(public, saved_at=NOW + timedelta(seconds=1))
    drafts = [public, note, new, newer]
    assert composer.draft_for(drafts, Door.PUBLIC, CODE) is newer
    assert composer.draft_for(drafts, Door.NOTE, CODE) is note
    assert composer.draft_for(drafts, Door.NEW, None) is new
    assert composer.draft_for(drafts, Door.PUBLIC, "INC-0000") is None
    assert public == Draft(CODE, INCIDENT.version, {"text": "a"}, NOW, "public")


def test_only_what_was_written_is_worth_keeping() -> None:
    opened = composer.first_fields(Door.PUBLIC, INCIDENT, NOW, UTC)
    assert not composer.is_worth_keeping(dict(opened), opened)
    assert composer.is_worth_keeping({**opened, "text": "We"}, opened)


def test_what_an_impact_asks_of_its_services() -> None:
    assert composer.asked_status(Impact.CRITICAL) is ServiceStatus.MAJOR_OUTAGE
    assert composer.asked_status(Impact.NONE) is None


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (IncidentStatus.INVESTIGATING, "identified"),
        (IncidentStatus.IDENTIFIED, "identified"),
        (IncidentStatus.MONITORING, "monitoring"),
    ],
)
def test_nothing_is_offered_as_over_while_the_checks_fail(
    status: IncidentStatus, offered: str
) -> None:
    found = replace(INCIDENT, status=status)
    fields = composer.first_fields(Door.PUBLIC, found, NOW, UTC, is_failing=True)
    assert fields["status"] == offered
    resolving = composer.first_fields(Door.PUBLIC, found, NOW, UTC, resolving=True, is_failing=True)
    assert resolving["status"] == "resolved"
