"""The plain form says in words what the screen shows, one change a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from statustui.domain.status import IncidentStatus, MonitorState, ServiceStatus
from statustui.presenters.plain import board_lines, change_lines
from tests.support import sample_world
from tests.support.sample_world import AT, service_id

OUTAGE, CALM = sample_world.outage(), sample_world.calm()


def test_the_board_in_words() -> None:
    lines = board_lines(OUTAGE)
    assert lines[0] == (
        "03:14:07Z Acme: 4 outage, 1 degraded, 1 flapping, 1 unknown, 37 up; 1 silenced"
    )
    assert lines[1] == (
        "Database: outage since 03:10Z; connect to 10.0.0.5:5432 refused; "
        "INC-4F2K, nobody has it; on no page"
    )
    assert "caused by Database" in lines[2]
    assert lines[-3].startswith("INC-4F2K Database takes down API, Checkout, Mail: investigating")
    assert all(line.isprintable() for line in lines)


def test_calm_is_said() -> None:
    assert board_lines(CALM)[-1] == "all services are up"


def test_nothing_changed_says_nothing_even_when_time_passed() -> None:
    later = replace(
        OUTAGE,
        read_at=AT + timedelta(minutes=3),
        services=tuple(
            replace(row, last_looked_at=AT + timedelta(minutes=3)) for row in OUTAGE.services
        ),
    )
    assert change_lines(OUTAGE, later) == []


def test_each_change_is_one_line() -> None:
    lines = change_lines(CALM, OUTAGE)
    assert len([line for line in lines if ": outage since " in line]) == 4
    assert "03:14:07Z INC-4F2K Database takes down API, Checkout, Mail: opened, critical" in lines


def test_a_recovery_says_how_long_it_lasted() -> None:
    up = tuple(
        replace(
            row,
            status=ServiceStatus.OPERATIONAL,
            monitor_state=MonitorState.UP,
            status_since=AT + timedelta(minutes=5),
        )
        if row.id == service_id("Database")
        else row
        for row in OUTAGE.services
    )
    after = replace(OUTAGE, services=up, read_at=AT + timedelta(minutes=5))
    assert change_lines(OUTAGE, after) == ["03:19:07Z Database is up, was outage for 8 min"]


def test_what_happens_to_an_incident_is_told() -> None:
    first = OUTAGE.incidents[0]
    moved = replace(first, status=IncidentStatus.IDENTIFIED, acknowledged_by="bob", told_at=AT)
    lines = change_lines(OUTAGE, replace(OUTAGE, incidents=(moved, *OUTAGE.incidents[1:])))
    name = "03:14:07Z INC-4F2K Database takes down API, Checkout, Mail"
    assert lines == [
        f"{name}: now identified",
        f"{name}: acknowledged by bob",
        f"{name}: the public was told",
    ]
    resolved = replace(first, status=IncidentStatus.RESOLVED)
    lines = change_lines(OUTAGE, replace(OUTAGE, incidents=(resolved, *OUTAGE.incidents[1:])))
    assert lines == [f"{name}: resolved"]


def test_added_and_removed_services_and_a_lost_watch_are_told() -> None:
    fewer = replace(CALM, services=CALM.services[1:], watch=None)
    assert change_lines(CALM, fewer) == [
        "03:14:07Z API was removed",
        "03:14:07Z no watch",
    ]
    assert change_lines(fewer, CALM) == [
        "03:14:07Z API was added",
        "03:14:07Z a watch is checking again",
    ]
