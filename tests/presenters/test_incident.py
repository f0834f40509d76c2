"""The head of an incident: what it is, whose it is and what is owed, however wide the screen is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from statustui.domain.readmodels import HeldPost, PendingPost
from statustui.domain.status import Impact, IncidentStatus, MonitorState, ServiceStatus
from statustui.presenters import incident as words
from statustui.presenters.line import plain, width_of
from tests.support.acme import (
    ACKNOWLEDGED,
    DETAIL,
    INCIDENT,
    NOW,
    SERVICES,
    affected,
    number,
    service,
)

PENDING = PendingPost(
    id=number(400),
    author="alice",
    status=IncidentStatus.IDENTIFIED,
    message="We found the cause.",
    public_at=NOW + timedelta(seconds=7.2),
    notify_at=NOW + timedelta(seconds=57),
    created_at=NOW,
)


def head(incident=INCIDENT, width: int = 70) -> str:  # type: ignore[no-untyped-def]
    return plain(words.head(incident, NOW, UTC, width))


def test_unacknowledged() -> None:
    assert head() == "INC-4F2K  investigating  critical  8m   unacked   due 03:41"


def test_acknowledged_names_the_lead() -> None:
    assert head(ACKNOWLEDGED) == "INC-4F2K  investigating  critical  8m   lead alice   due 03:41"
    assert "update due 03:41" in head(ACKNOWLEDGED, 108)


def test_an_acknowledgement_that_ran_out_is_none() -> None:
    late = replace(ACKNOWLEDGED, acknowledged_until=NOW - timedelta(seconds=1))
    assert "lead alice  unacked" in head(late)


def test_a_promise_that_was_broken_is_said() -> None:
    late = replace(INCIDENT, next_update_by=NOW - timedelta(minutes=12))
    assert "late since 03:07" in head(late)


def test_no_words_yet() -> None:
    assert "public no words yet" in head(replace(INCIDENT, next_update_by=None))
    assert "words" not in head(replace(INCIDENT, next_update_by=None, told_at=NOW))


def test_internal_is_said_and_owes_nothing() -> None:
    said = head(replace(INCIDENT, is_public=False))
    assert "internal" in said
    assert "due" not in said


def test_resolved_says_when_and_keeps_its_length() -> None:
    over = replace(INCIDENT, status=IncidentStatus.RESOLVED, resolved_at=NOW - timedelta(minutes=3))
    assert head(over) == "INC-4F2K  resolved  critical  5m   resolved 03:16"


def test_what_can_be_taken_back_stands_in_the_first_line() -> None:
    pending = replace(INCIDENT, pending=PENDING)
    assert head(pending, 63) == "INC-4F2K  investigating   public in 8 s  U take back  p now  8m"
    assert "critical" in head(pending, 100)
    due = replace(INCIDENT, pending=replace(PENDING, public_at=NOW))
    assert "going public" in head(due, 80)


@pytest.mark.parametrize("width", [20, 40, 70])
def test_the_head_fits(width: int) -> None:
    assert width_of(words.head(ACKNOWLEDGED, NOW, UTC, width)) <= width


def test_impact_none_is_not_said() -> None:
    assert head(replace(INCIDENT, impact=Impact.NONE)).startswith("INC-4F2K  investigating  8m")


def test_affected_names_the_cause_apart() -> None:
    line = plain(words.affected(INCIDENT, SERVICES, 80, 12))
    assert line == " AFFECTED   ✗ API  ✗ Checkout  ✗ Mail   cause ✗ Database hidden"


def test_many_affected_are_counted() -> None:
    many = replace(INCIDENT, services=tuple(affected(row) for row in SERVICES))
    for width in (60, 80, 120):
        line = words.affected(many, SERVICES, width, 12)
        assert width_of(line) <= width
        assert "more   cause ✗ Database hidden" in plain(line)
    none = replace(INCIDENT, services=(), cause_service_id=None)
    assert "no service named" in plain(words.affected(none, SERVICES, 80, 12))


def test_facts() -> None:
    found = {label: plain(line) for label, line in words.facts(DETAIL, NOW, UTC)}
    assert found["evidence"] == "connect to 10.0.0.5:5432 refused"
    assert found["seen"] == "Database/db port from local, 03:10"
    assert found["repeat it"] == "nc -vz 10.0.0.5 5432"
    assert found["public"] == "told 03:12 by the checks"
    assert found["page"] == "Acme"
    assert "acked" not in found
    acknowledged = {
        label: plain(line)
        for label, line in words.facts(replace(DETAIL, summary=ACKNOWLEDGED), NOW, UTC)
    }
    assert acknowledged["acked"] == "alice until 03:44"


@pytest.mark.parametrize(
    ("states", "said", "failing"),
    [
        ([MonitorState.DOWN] * 3, "all 3 are still failing", True),
        ([MonitorState.DOWN], "Service 0 is still failing", True),
        ([MonitorState.DOWN, MonitorState.UP], "Service 0 is still failing", True),
        ([MonitorState.DEGRADED, MonitorState.UP], "Service 0 is still degraded", True),
        ([MonitorState.UP, MonitorState.UP], "all 2 are up again", False),
        ([MonitorState.UP], "Service 0 is up again", False),
        ([MonitorState.UNKNOWN], "Service 0 cannot be looked at", False),
        ([MonitorState.PAUSED, None], "no check watches these services", False),
    ],
)
def test_still_failing(states: list[MonitorState | None], said: str, failing: bool) -> None:
    rows = [service(n, f"Service {n}", state) for n, state in enumerate(states)]
    words_said, still = words.failing_words(rows, NOW)
    assert words_said.split(",")[0] == said
    assert still is failing
    if "no check" not in said:
        assert words_said.endswith(", looked 4 s ago")


def test_what_the_public_reads_never_names_a_hidden_service() -> None:
    said, hidden = words.asked_words(INCIDENT)
    assert said == "API, Checkout, Mail: major outage"
    assert hidden == "Database stays hidden"
    mixed = replace(
        INCIDENT,
        services=(
            replace(INCIDENT.services[1], to_status=ServiceStatus.DEGRADED_PERFORMANCE),
            INCIDENT.services[2],
        ),
    )
    assert words.asked_words(mixed) == ("Checkout: major outage; API: degraded performance", "")


def test_what_stands_beside_a_text() -> None:
    found = {label: plain(line) for label, line in words.told_facts(DETAIL, SERVICES, NOW, 10)}
    assert found["page"] == "Acme"
    assert found["public"] == "after 10 s"
    assert found["checks"].startswith("all 4 are still failing")
    assert found["said"] == "API, Checkout and Mail are unavailable since 03:10 UTC."
    silent = replace(DETAIL, updates=(), pages=())
    note = dict(words.told_facts(silent, SERVICES, NOW, None))
    assert list(note) == ["checks", "said"]
    assert plain(note["said"]) == "nothing, colour only"
    public = dict(words.told_facts(silent, SERVICES, NOW, 0))
    assert plain(public["page"]) == "none shows these services"
    assert plain(public["public"]) == "at once"


def test_a_held_post_is_the_first_fact() -> None:
    held = HeldPost(
        IncidentStatus.IDENTIFIED,
        "Sign-in fails.",
        NOW,
        "INC-4F2K moved to monitoring meanwhile",
        IncidentStatus.MONITORING,
        NOW - timedelta(seconds=2),
    )
    label, said = words.facts(replace(DETAIL, held=held), NOW, UTC)[0]
    at = (NOW - timedelta(seconds=2)).strftime("%H:%M:%S")
    assert label == "held"
    assert plain(said) == f"monitoring was posted at {at}; u opens your words"
    deleted = replace(held, moved_to=None, moved_at=None)
    assert plain(words.held_parts(deleted, NOW, UTC)) == "INC-4F2K moved to monitoring meanwhile"
    over = replace(DETAIL.summary, status=IncidentStatus.RESOLVED, resolved_at=NOW)
    resolved = replace(DETAIL, summary=over, held=held)
    assert "held" not in [label for label, _ in words.facts(resolved, NOW, UTC)]
