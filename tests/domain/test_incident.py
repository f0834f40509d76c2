"""Automatic incidents follow from how things stand, once, and leave people their say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.incident import reconcile
from statustui.domain.incident_facts import (
    FlagFlapping,
    IncidentFacts,
    LeaveIncident,
    MoveIncident,
    OpenIncident,
    ServiceFacts,
    Situation,
)
from statustui.domain.incident_words import public_title, spoken_duration
from statustui.domain.stages import (
    impact_of,
    may_move,
    may_worsen,
    status_of,
    worsened_statuses,
)
from statustui.domain.status import (
    AutomaticIncidents,
    ErrorKind,
    Impact,
    IncidentStatus,
    ServiceStatus,
)

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
_OUT = ServiceStatus.MAJOR_OUTAGE
_PARTLY = ServiceStatus.PARTIAL_OUTAGE
_WELL = ServiceStatus.OPERATIONAL
_INCIDENT = UUID(int=0xFF)


def _id(number: int) -> UUID:
    return UUID(int=number)


def _at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


def _service(number: int, name: str, say: ServiceStatus = _WELL, **more: Any) -> ServiceFacts:
    return ServiceFacts(
        **{
            "id": _id(number),
            "name": name,
            "is_visible": True,
            "mode": AutomaticIncidents.PUBLIC,
            "say": say,
            "say_since": _at(0),
            "said_at": _at(5),
            "error_kind": ErrorKind.REFUSED,
            **more,
        }
    )


def _incident(*services: int, **more: Any) -> IncidentFacts:
    return IncidentFacts(
        **{
            "id": _INCIDENT,
            "status": IncidentStatus.INVESTIGATING,
            "touched": False,
            "started_at": _at(-600),
            "monitoring_at": None,
            "services": tuple(map(_id, services)),
            **more,
        }
    )


def _situation(
    *services: ServiceFacts, incidents: tuple[IncidentFacts, ...] = (), watch: int = 120
) -> Situation:
    return Situation(watch, {service.id: service for service in services}, incidents)


def test_an_outage_opens_an_incident_with_the_time_of_its_first_failure() -> None:
    (action,) = reconcile(_situation(_service(1, "API", _OUT), _service(2, "Mail")), _at(10))
    assert action == OpenIncident(
        service_id=_id(1),
        joins_id=None,
        cause_id=None,
        title="API is unavailable",
        internal_title=None,
        impact=Impact.CRITICAL,
        to_status=_OUT,
        is_public=True,
        is_guarded=False,
        message=(
            "Automatic checks of API have been failing since 12:00 UTC. We are investigating."
        ),
        started_at=_at(0),
        error_kind=ErrorKind.REFUSED,
    )
    (action,) = reconcile(_situation(_service(1, "API", _PARTLY)), _at(10))
    assert isinstance(action, OpenIncident)
    assert (action.title, action.impact) == ("API is partly unavailable", Impact.MAJOR)


@pytest.mark.parametrize(
    ("facts", "is_opened"),
    [
        ({}, True),
        ({"say": ServiceStatus.DEGRADED_PERFORMANCE}, False),
        ({"say": None}, False),
        ({"mode": AutomaticIncidents.OFF}, False),
        ({"mode": AutomaticIncidents.INTERNAL}, True),
        ({"in_window": True}, False),
        ({"pinned": ServiceStatus.OPERATIONAL}, False),
        ({"pinned": ServiceStatus.UNDER_MAINTENANCE}, False),
        ({"pinned": ServiceStatus.PARTIAL_OUTAGE}, True),
        ({"is_covered": True}, False),
        # Closed by somebody who knew of this outage, and by somebody who did not yet.
        ({"closed_at": _at(6)}, False),
        ({"closed_at": _at(4)}, True),
    ],
)
def test_what_gets_an_incident(facts: Mapping[str, Any], is_opened: bool) -> None:
    service = replace(_service(1, "API", _OUT), **facts)
    assert bool(reconcile(_situation(service), _at(10))) == is_opened


@pytest.mark.parametrize(
    ("mode", "is_public"),
    [
        (AutomaticIncidents.PUBLIC, True),
        (AutomaticIncidents.INTERNAL, False),
        (AutomaticIncidents.GUARDED, False),
    ],
)
def test_only_the_public_mode_tells_the_public_at_once(
    mode: AutomaticIncidents, is_public: bool
) -> None:
    (action,) = reconcile(_situation(_service(1, "API", _OUT, mode=mode)), _at(10))
    assert isinstance(action, OpenIncident)
    assert action.is_public is is_public


def test_causes_open_first_and_what_needs_them_joins() -> None:
    database = _service(9, "Database", _OUT, is_visible=False, say_since=_at(3))
    api = _service(1, "API", _OUT, depends_on=(_id(9),))
    shop = _service(2, "Shop", _OUT, depends_on=(_id(1), _id(8)))
    mail = _service(3, "Mail", _OUT)
    cache = _service(8, "Cache")
    actions = reconcile(_situation(shop, api, mail, cache, database), _at(10))
    openings = [action for action in actions if isinstance(action, OpenIncident)]
    assert [(action.service_id, action.cause_id) for action in openings] == [
        (_id(3), None),
        (_id(9), None),
        (_id(1), _id(9)),
        (_id(2), _id(9)),
    ]
    last = openings[-1]
    assert last.title == "API and Shop are unavailable"
    assert last.internal_title == "Database takes down API, Shop"
    assert "Database" not in last.message


def test_a_cause_without_an_incident_of_its_own_explains_nothing() -> None:
    database = _service(9, "Database", _OUT, mode=AutomaticIncidents.OFF)
    api = _service(1, "API", _OUT, depends_on=(_id(9),))
    (action,) = reconcile(_situation(api, database), _at(10))
    assert isinstance(action, OpenIncident)
    assert (action.service_id, action.cause_id) == (_id(1), None)


def test_a_late_dependant_joins_the_incident_that_is_open() -> None:
    database = _service(9, "Database", _OUT, is_covered=True)
    mail = _service(3, "Mail", _OUT, depends_on=(_id(9),), is_covered=True)
    api = _service(1, "API", _OUT, depends_on=(_id(9),))
    situation = _situation(database, mail, api, incidents=(_incident(9, 3),))
    (action,) = reconcile(situation, _at(10))
    assert isinstance(action, OpenIncident)
    assert action.cause_id == _id(9)
    assert action.title == "API, Database and Mail are unavailable"
    assert action.internal_title == "Database takes down API, Mail"


def _moved(service: ServiceFacts, incident: IncidentFacts, seconds: float, watch: int = 120) -> str:
    situation = _situation(replace(service, is_covered=True), incidents=(incident,), watch=watch)
    actions = reconcile(situation, _at(seconds))
    assert len(actions) <= 1
    for action in actions:
        assert isinstance(action, MoveIncident)
        return str(action.status)
    return ""


@pytest.mark.parametrize(
    ("service", "incident", "seconds", "watch", "moved"),
    [
        ({}, {}, 1, 120, "monitoring"),
        ({}, {"status": IncidentStatus.IDENTIFIED}, 1, 120, "monitoring"),
        ({}, {"status": IncidentStatus.MONITORING}, 119, 120, ""),
        ({}, {"status": IncidentStatus.MONITORING}, 120, 120, "resolved"),
        ({}, {}, 500, 120, "monitoring"),
        ({}, {}, 0, 0, "resolved"),
        ({"failing": True}, {}, 0, 0, ""),
        ({"failing": True}, {"status": IncidentStatus.MONITORING}, 120, 120, ""),
        ({"watched": False}, {}, 500, 0, ""),
        ({"say": ServiceStatus.DEGRADED_PERFORMANCE}, {}, 500, 0, ""),
        ({"say": None}, {}, 500, 0, ""),
        ({"say": _OUT}, {}, 500, 0, ""),
        ({"say": _OUT}, {"status": IncidentStatus.MONITORING}, 1, 120, "investigating"),
        (
            {"say": _OUT},
            {"status": IncidentStatus.MONITORING, "touched": True},
            1,
            120,
            "investigating",
        ),
        ({"say": _OUT, "in_window": True}, {"status": IncidentStatus.MONITORING}, 1, 120, ""),
        ({}, {"touched": True}, 1, 0, "monitoring"),
        ({}, {"touched": True, "status": IncidentStatus.MONITORING}, 500, 120, ""),
    ],
)
def test_how_open_incidents_move(
    service: Mapping[str, Any], incident: Mapping[str, Any], seconds: int, watch: int, moved: str
) -> None:
    facts = replace(_service(1, "API"), **service)
    assert _moved(facts, replace(_incident(1), **incident), seconds, watch) == moved


def test_an_incident_waits_for_all_of_its_services() -> None:
    services = [_service(1, "API"), _service(2, "Mail", _OUT, is_covered=True)]
    assert reconcile(_situation(*services, incidents=(_incident(1, 2),), watch=0), _at(9)) == ()
    services[1] = _service(2, "Mail", say_since=_at(60))
    situation = _situation(*services, incidents=(_incident(1, 2),), watch=0)
    (action,) = reconcile(situation, _at(61))
    assert isinstance(action, MoveIncident)
    assert action.message == (
        "Automatic checks of API and Mail succeed again. The disruption lasted 11 minutes."
    )


def test_public_words_name_only_what_the_public_knows() -> None:
    services = [_service(1, "API"), _service(9, "Database", is_visible=False)]
    situation = _situation(*services, incidents=(_incident(9, 1),))
    (action,) = reconcile(situation, _at(9))
    assert isinstance(action, MoveIncident)
    assert "API" in action.message
    assert "Database" not in action.message


@st.composite
def _situations(draw: st.DrawFn) -> Situation:
    count = draw(st.integers(1, 6))
    services = []
    for number in range(count):
        # Later services may need earlier ones, so there is no circle.
        needs = draw(st.sets(st.integers(0, number - 1))) if number else set()
        services.append(
            _service(
                number,
                f"S{number}",
                draw(st.sampled_from([_OUT, _PARTLY, _WELL])),
                mode=draw(st.sampled_from(AutomaticIncidents)),
                is_visible=draw(st.booleans()),
                in_window=draw(st.booleans()),
                depends_on=tuple(map(_id, needs)),
                say_since=_at(draw(st.integers(0, 60))),
            )
        )
    return _situation(*services, watch=draw(st.sampled_from([0, 30])))


def _apply(situation: Situation, at: datetime) -> Situation:
    """The situation after its actions were carried out as the database carries them out."""
    incidents = {incident.id: incident for incident in situation.incidents}
    services = dict(situation.services)
    for number, action in enumerate(reconcile(situation, at)):
        match action:
            case OpenIncident():
                services[action.service_id] = replace(
                    services[action.service_id], looks_since_cause=0
                )
                found = next((i for i in incidents.values() if action.joins_id in i.services), None)
                if found is not None:
                    joined = replace(
                        found,
                        services=(*found.services, action.service_id),
                        cause_id=action.cause_id or found.cause_id,
                    )
                    incidents[found.id] = joined
                else:
                    assert action.joins_id is None
                    made = replace(
                        _incident(), id=UUID(int=1_000 + number), services=(action.service_id,)
                    )
                    incidents[made.id] = made
            case MoveIncident():
                moved = replace(incidents[action.incident_id], status=action.status)
                incidents[moved.id] = moved
                if action.status is IncidentStatus.RESOLVED:
                    del incidents[moved.id]
            case LeaveIncident():
                known = incidents[action.incident_id]
                rest = tuple(s for s in known.services if s != action.service_id)
                incidents[known.id] = replace(known, services=rest)
            case FlagFlapping():
                flagged = replace(incidents[action.incident_id], says_flapping=action.is_flapping)
                incidents[flagged.id] = flagged
    return Situation(situation.recovery_watch_seconds, services, tuple(incidents.values()))


@given(_situations())
def test_carrying_it_out_leaves_nothing_to_do(situation: Situation) -> None:
    after = _apply(situation, _at(100))
    assert reconcile(after, _at(100)) == ()
    for service in after.services.values():
        opened = [incident for incident in after.incidents if service.id in incident.services]
        wanted = (
            service.is_out and service.mode is not AutomaticIncidents.OFF and not service.in_window
        )
        assert len(opened) == wanted


@pytest.mark.parametrize(
    ("cause", "service", "asked", "leaves"),
    [
        ({}, {"looks_since_cause": 2}, frozenset(), True),
        ({}, {"looks_since_cause": 1}, frozenset(), False),
        ({"say": _OUT}, {"looks_since_cause": 2}, frozenset(), False),
        # Nobody looks at the cause any more: that is no recovery.
        ({"watched": False}, {"looks_since_cause": 2}, frozenset(), False),
        ({}, {"looks_since_cause": 2, "mode": AutomaticIncidents.OFF}, frozenset(), False),
        ({}, {"looks_since_cause": 2}, frozenset({_id(1)}), False),
    ],
)
def test_who_outlives_its_cause_gets_an_incident_of_its_own(
    cause: Mapping[str, Any], service: Mapping[str, Any], asked: frozenset[UUID], leaves: bool
) -> None:
    database = replace(_service(9, "Database"), **cause)
    api = replace(_service(1, "API", _OUT, depends_on=(_id(9),)), **service)
    incident = _incident(9, 1, cause_id=_id(9), asked_of=asked)
    actions = reconcile(_situation(database, api, incidents=(incident,)), _at(60))
    assert any(isinstance(action, LeaveIncident) for action in actions) == leaves
    opened = [action for action in actions if isinstance(action, OpenIncident)]
    assert [(action.service_id, action.joins_id) for action in opened] == (
        [(_id(1), None)] if leaves else []
    )


def test_an_incident_is_under_investigation_and_says_so_while_something_in_it_flaps() -> None:
    slow = ServiceStatus.DEGRADED_PERFORMANCE
    api = _service(1, "API", slow, is_flapping=True)
    incident = _incident(1, status=IncidentStatus.MONITORING)
    flag, move = reconcile(_situation(api, incidents=(incident,)), _at(60))
    assert isinstance(flag, FlagFlapping)
    assert (flag.is_flapping, flag.internal_title) == (True, "API is flapping")
    assert isinstance(move, MoveIncident)
    assert move.status is IncidentStatus.INVESTIGATING
    said = replace(incident, status=IncidentStatus.INVESTIGATING, says_flapping=True)
    assert reconcile(_situation(api, incidents=(said,)), _at(60)) == ()
    # A person who watches it is not contradicted.
    watched = replace(incident, touched=True, says_flapping=True)
    assert reconcile(_situation(api, incidents=(watched,)), _at(60)) == ()
    # By itself it opens nothing.
    assert reconcile(_situation(api), _at(60)) == ()
    (flag, _) = reconcile(_situation(_service(1, "API"), incidents=(said,)), _at(60))
    assert isinstance(flag, FlagFlapping)
    assert not flag.is_flapping


def test_stages_move_as_their_table_says() -> None:
    for status in IncidentStatus:
        assert not may_move(IncidentStatus.RESOLVED, status)
        if status.is_open:
            assert all(may_move(status, wanted) for wanted in IncidentStatus)


def test_an_incident_only_worsens_a_service() -> None:
    for current in ServiceStatus:
        for wanted in ServiceStatus:
            allowed = wanted.severity > current.severity and wanted in worsened_statuses(current)
            assert may_worsen(current, wanted) == allowed
        assert ServiceStatus.UNDER_MAINTENANCE not in worsened_statuses(current)
    assert worsened_statuses(ServiceStatus.MAJOR_OUTAGE) == ()


def test_impact_and_status_answer_each_other() -> None:
    for impact in (Impact.CRITICAL, Impact.MAJOR, Impact.MINOR):
        status = status_of(impact)
        assert status is not None
        assert impact_of(status) is impact
    assert status_of(Impact.NONE) is None
    assert impact_of(ServiceStatus.UNDER_MAINTENANCE) is Impact.NONE


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["A"], "A is unavailable"),
        (["A", "B"], "A and B are unavailable"),
        (["A", "B", "C"], "A, B and C are unavailable"),
        (["A", "B", "C", "D"], "A, B, C and D are unavailable"),
        (["A", "B", "C", "D", "E"], "A, B, C and 2 more are unavailable"),
    ],
)
def test_titles(names: list[str], title: str) -> None:
    assert public_title([(name, True) for name in names]) == title
    assert len(public_title([(name * 400, False) for name in names])) <= 500


def test_a_title_tells_partly_from_wholly_in_the_order_of_the_list() -> None:
    partly_first = [("API", False), ("Sign-in", True), ("Checkout", True)]
    assert (
        public_title(partly_first)
        == "API is partly unavailable, Sign-in and Checkout are unavailable"
    )
    wholly_first = [("Sign-in", True), ("API", False), ("Mail", False), ("Checkout", True)]
    assert (
        public_title(wholly_first)
        == "Sign-in and Checkout are unavailable, API and Mail are partly unavailable"
    )
    database = _service(9, "Database", _OUT, place=3, is_visible=False)
    mail = _service(3, "Mail", _OUT, place=2, depends_on=(_id(9),))
    api = _service(1, "API", _PARTLY, place=1, depends_on=(_id(9),))
    shop = _service(2, "Shop", _OUT, place=2, depends_on=(_id(9),))
    *_, last = reconcile(_situation(shop, api, mail, database), _at(10))
    assert isinstance(last, OpenIncident)
    assert last.title == "API is partly unavailable, Mail and Shop are unavailable"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "1 second"),
        (0.2, "1 second"),
        (40, "40 seconds"),
        (60, "1 minute"),
        (599, "9 minutes"),
        (3_600, "1 hour"),
        (7_500, "2 hours 5 minutes"),
        (172_800, "2 days"),
        (180_000, "2 days 2 hours"),
    ],
)
def test_spoken_duration(seconds: float, words: str) -> None:
    assert spoken_duration(timedelta(seconds=seconds)) == words


def test_what_is_left_of_an_incident_decides_and_hidden_names_stay_hidden() -> None:
    hidden = _service(1, "Database", is_visible=False)
    removed = _service(2, "API", checked=False, watched=False)
    (move,) = reconcile(_situation(hidden, removed, incidents=(_incident(1, 2),)), _at(500))
    assert isinstance(move, MoveIncident)
    assert move.status is not IncidentStatus.INVESTIGATING
    assert "API" in move.message
    assert "Database" not in move.message
