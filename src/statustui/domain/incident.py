"""How incidents move, and when the engine opens, moves and resolves them by itself.

The stages go investigating → identified → monitoring → resolved. Among the three open stages a
person may skip and go back; `resolved` is final, a recurrence is a new incident:

    from            to
    investigating   identified, monitoring, resolved
    identified      investigating, monitoring, resolved
    monitoring      investigating, identified, resolved
    resolved        nothing

Automatic incidents are not driven by events but by comparing what is with what should be:
`reconcile` looks at an organization's services and its open automatic incidents and says what is
still to be done. Doing it twice changes nothing, so a batch that is repeated after a lost
connection, an engine that takes over, or a maintenance window that ends while a service is still
down need no rules of their own. The rules:

- A service whose monitors say that it is out, in full or in part, gets an incident, unless one is
  open for it, its mode is `off`, it is inside a maintenance window, it is pinned to a status that
  is no outage, or an incident of it was closed by somebody who knew of this outage.
- When something it depends on is out and has an open incident, it joins that incident. The cause
  goes into the internal title; the public title names the visible services alone, what is out in
  part apart from what is out in full.
- When nothing in the incident is out any more and all of it is looked at, the incident goes to
  `monitoring`; it resolves when that has lasted for the watching time. What is out again before
  that takes it back to `investigating`.
- When nothing in the incident is checked any more, because its monitors or services were removed,
  it resolves and says so. A pause is no removal.
- Once a person has posted or edited, the resolving is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from statustui.domain.service_status import is_broken
from statustui.domain.status import (
    AutomaticIncidents,
    ErrorKind,
    Impact,
    IncidentStatus,
    ServiceStatus,
)
from statustui.domain.text import shorten

_OPEN = (IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING)
TRANSITIONS: Mapping[IncidentStatus, tuple[IncidentStatus, ...]] = {
    IncidentStatus.INVESTIGATING: (
        IncidentStatus.IDENTIFIED,
        IncidentStatus.MONITORING,
        IncidentStatus.RESOLVED,
    ),
    IncidentStatus.IDENTIFIED: (
        IncidentStatus.INVESTIGATING,
        IncidentStatus.MONITORING,
        IncidentStatus.RESOLVED,
    ),
    IncidentStatus.MONITORING: (
        IncidentStatus.INVESTIGATING,
        IncidentStatus.IDENTIFIED,
        IncidentStatus.RESOLVED,
    ),
    IncidentStatus.RESOLVED: (),
}

_WORSE: Mapping[ServiceStatus, tuple[ServiceStatus, ...]] = {
    ServiceStatus.OPERATIONAL: (
        ServiceStatus.DEGRADED_PERFORMANCE,
        ServiceStatus.PARTIAL_OUTAGE,
        ServiceStatus.MAJOR_OUTAGE,
    ),
    # Inside a window a person's incident may say that it is worse than announced.
    ServiceStatus.UNDER_MAINTENANCE: (
        ServiceStatus.DEGRADED_PERFORMANCE,
        ServiceStatus.PARTIAL_OUTAGE,
        ServiceStatus.MAJOR_OUTAGE,
    ),
    ServiceStatus.DEGRADED_PERFORMANCE: (
        ServiceStatus.PARTIAL_OUTAGE,
        ServiceStatus.MAJOR_OUTAGE,
    ),
    ServiceStatus.PARTIAL_OUTAGE: (ServiceStatus.MAJOR_OUTAGE,),
    ServiceStatus.MAJOR_OUTAGE: (),
}

_LONGEST_TITLE = 500
_NAMED = 3


def may_move(current: IncidentStatus, wanted: IncidentStatus) -> bool:
    """Whether a post may carry this status: a change that is allowed, or the stage as it is."""
    return wanted in TRANSITIONS[current] or (current is wanted and current in _OPEN)


def may_worsen(current: ServiceStatus, wanted: ServiceStatus) -> bool:
    """Whether an incident may move a service from one status to another: only for the worse."""
    return wanted in _WORSE[current]


def worsened_statuses(current: ServiceStatus) -> tuple[ServiceStatus, ...]:
    """The statuses that an incident may give a service, mildest first."""
    return _WORSE[current]


def impact_of(status: ServiceStatus) -> Impact:
    """How much an automatic incident hurts, from what it did to its service."""
    match status:
        case ServiceStatus.MAJOR_OUTAGE:
            return Impact.CRITICAL
        case ServiceStatus.PARTIAL_OUTAGE:
            return Impact.MAJOR
        case ServiceStatus.DEGRADED_PERFORMANCE:
            return Impact.MINOR
        case ServiceStatus.UNDER_MAINTENANCE | ServiceStatus.OPERATIONAL:
            return Impact.NONE


def status_of(impact: Impact) -> ServiceStatus | None:
    """The status that an incident of this impact gives a service by default; None: unchanged."""
    match impact:
        case Impact.CRITICAL:
            return ServiceStatus.MAJOR_OUTAGE
        case Impact.MAJOR:
            return ServiceStatus.PARTIAL_OUTAGE
        case Impact.MINOR:
            return ServiceStatus.DEGRADED_PERFORMANCE
        case Impact.NONE:
            return None


# -- automatic incidents ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What reconciling needs to know of one service.

    Attributes:
        mode: what its automatic incidents do; the organization's where it has none of its own.
        say: what its monitors say, None when nothing was ever said.
        say_since: since which look; said_at: when that was recorded.
        watched: whether at least one of its monitors looks and knows.
        checked: whether it has a monitor at all, be it paused.
        failing: whether a monitor's last look failed, confirmed or not.
        pinned: the manual status; in_window: whether a window with auto-update runs.
        depends_on: what it needs directly.
        error_kind, reason: of its worst monitor.
        closed_at: when an incident that it was part of was last closed by a person.
        is_covered: whether any incident, also a person's, is open for it.
        place: in the list of services; those of the same place go by their names.
    """

    id: UUID
    name: str
    is_visible: bool
    mode: AutomaticIncidents
    say: ServiceStatus | None = None
    say_since: datetime | None = None
    said_at: datetime | None = None
    watched: bool = True
    checked: bool = True
    failing: bool = False
    pinned: ServiceStatus | None = None
    in_window: bool = False
    depends_on: tuple[UUID, ...] = ()
    error_kind: ErrorKind | None = None
    reason: str = ""
    closed_at: datetime | None = None
    is_covered: bool = False
    place: int = 0

    @property
    def is_out(self) -> bool:
        """Whether its monitors say that it is out, in full or in part."""
        return self.say is not None and is_broken(self.say)


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What reconciling needs to know of one open automatic incident.

    Attributes:
        touched: whether a person posted or edited.
        monitoring_at: when it last went to `monitoring`.
        services: what it concerns.
    """

    id: UUID
    status: IncidentStatus
    touched: bool
    started_at: datetime
    monitoring_at: datetime | None
    services: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """Services of one organization and their open automatic incidents.

    It need not be all of them: a service comes with what it depends on, down to the end, and with
    whatever shares an open automatic incident with any of these.
    """

    recovery_watch_seconds: int
    services: Mapping[UUID, ServiceFacts]
    incidents: tuple[IncidentFacts, ...]


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Open an incident for a service, or let it join the one of its cause.

    Attributes:
        cause_id: the service whose open incident it joins; None for one of its own.
        title: public; internal_title: names the cause, None when `title` says all.
        is_public: whether the service's mode lets the public see it at once.
        message: the public words of the opening.
        started_at: the first failed look.
    """

    service_id: UUID
    cause_id: UUID | None
    title: str
    internal_title: str | None
    impact: Impact
    to_status: ServiceStatus
    is_public: bool
    message: str
    started_at: datetime
    error_kind: ErrorKind | None


@dataclass(frozen=True, slots=True)
class MoveIncident:
    """Move an open automatic incident to another stage, with words."""

    incident_id: UUID
    status: IncidentStatus
    message: str


Action = OpenIncident | MoveIncident


def reconcile(situation: Situation, at: datetime) -> tuple[Action, ...]:
    """What is to be done about automatic incidents, given how things are.

    Args:
        situation: services of one organization, as one consistent read.
        at: now.

    Returns:
        Moves of incidents that are open, then incidents to open: causes before what joins them.
    """
    moves = [move for incident in situation.incidents if (move := _move(situation, incident, at))]
    return (*moves, *_openings(situation))


def _concerned(situation: Situation, incident: IncidentFacts) -> list[ServiceFacts]:
    return [
        situation.services[service]
        for service in incident.services
        if service in situation.services
    ]


def _recovered_at(situation: Situation, incident: IncidentFacts) -> datetime | None:
    """Since when everything in an incident is well, None when it is not or nobody can tell."""
    services = [each for each in _concerned(situation, incident) if each.checked]
    since = [service.say_since for service in services if service.say_since is not None]
    for service in services:
        if service.say is not ServiceStatus.OPERATIONAL or not service.watched:
            return None
    return max(since, default=None)


def _move(situation: Situation, incident: IncidentFacts, at: datetime) -> MoveIncident | None:
    members = _concerned(situation, incident)
    services = [service for service in members if service.checked]
    if not services:
        return _abandoned(incident, members)
    out = [service for service in services if service.is_out and not service.in_window]
    if out:
        if incident.status is not IncidentStatus.MONITORING:
            return None
        names = _names(_shown(out))
        return MoveIncident(
            incident.id,
            IncidentStatus.INVESTIGATING,
            f"Automatic checks of {names} are failing again. We are investigating.",
        )
    recovered = _recovered_at(situation, incident)
    if recovered is None or any(service.failing for service in services):
        return None
    names = _names(_shown(members))
    if incident.touched:
        if incident.status is IncidentStatus.MONITORING:
            return None
        return _monitoring(incident, names)
    watch = timedelta(seconds=situation.recovery_watch_seconds)
    if recovered + watch <= at and (
        incident.status is IncidentStatus.MONITORING or not situation.recovery_watch_seconds
    ):
        lasted = spoken_duration(recovered - incident.started_at)
        return MoveIncident(
            incident.id,
            IncidentStatus.RESOLVED,
            f"Automatic checks of {names} succeed again. The disruption lasted {lasted}.",
        )
    if incident.status is IncidentStatus.MONITORING:
        return None
    return _monitoring(incident, names)


def _abandoned(incident: IncidentFacts, members: list[ServiceFacts]) -> MoveIncident | None:
    """Ends an incident whose services, or all checks of them, were removed: nothing else would."""
    if incident.touched:
        return None
    visible = [service.name for service in members if service.is_visible]
    what = _names(visible) if visible else "What was affected"
    verb = "are" if len(visible) > 1 else "is"
    return MoveIncident(
        incident.id,
        IncidentStatus.RESOLVED,
        f"{what} {verb} no longer checked automatically. We close this incident.",
    )


def _monitoring(incident: IncidentFacts, names: str) -> MoveIncident:
    return MoveIncident(
        incident.id,
        IncidentStatus.MONITORING,
        f"Automatic checks of {names} succeed again. We are watching that it stays so.",
    )


def _openings(situation: Situation) -> list[OpenIncident]:
    open_for = {service for incident in situation.incidents for service in incident.services}
    wanting = {
        service.id: service
        for service in situation.services.values()
        if service.id not in open_for and not service.is_covered and _wants_incident(service)
    }
    # A cause stands before whatever joins it; among equals the earlier outage comes first.
    depth: dict[UUID, int] = {}
    for service_id in wanting:
        _depth(situation, service_id, depth)
    ordered = sorted(
        wanting.values(),
        key=lambda service: (depth[service.id], service.say_since or service.said_at, service.id),
    )
    members = {incident.id: list(incident.services) for incident in situation.incidents}
    incident_of: dict[UUID, UUID] = {
        service: incident.id for incident in situation.incidents for service in incident.services
    }
    causes: dict[UUID, UUID | None] = {}
    for service in ordered:
        cause_id = causes[service.id] = _cause(situation, service, incident_of)
        # An incident that does not exist yet goes by the service that it will be opened for.
        key = incident_of[cause_id] if cause_id is not None else service.id
        incident_of[service.id] = key
        members.setdefault(key, []).append(service.id)
    # Whatever joins an incident says what all of it comes to; that is found out once.
    shared: dict[UUID, _Group] = {}
    openings: list[OpenIncident] = []
    for service in ordered:
        cause_id, key = causes[service.id], incident_of[service.id]
        if cause_id is None:
            group = _group([service])
        else:
            if key not in shared:
                shared[key] = _group(
                    [situation.services[id_] for id_ in members[key] if id_ in situation.services]
                )
            group = shared[key]
        cause = situation.services[cause_id] if cause_id is not None else None
        openings.append(_opening(service, cause, group))
    return openings


def _wants_incident(service: ServiceFacts) -> bool:
    if not service.is_out or service.mode is AutomaticIncidents.OFF or service.in_window:
        return False
    if service.pinned is not None and not is_broken(service.pinned):
        return False
    known = service.closed_at is not None and service.said_at is not None
    return not (known and service.said_at <= service.closed_at)  # type: ignore[operator]


def _depth(situation: Situation, service_id: UUID, depth: dict[UUID, int]) -> int:
    """How many dependencies stand one behind the other below a service; they form no circle."""
    if service_id not in depth:
        depth[service_id] = 0  # were there a circle after all, it would end here
        below = [
            _depth(situation, dependency, depth) + 1
            for dependency in situation.services[service_id].depends_on
            if dependency in situation.services
        ]
        depth[service_id] = max(below, default=0)
    return depth[service_id]


def _cause(
    situation: Situation, service: ServiceFacts, incident_of: Mapping[UUID, UUID]
) -> UUID | None:
    """The deepest dependency that is out and has an open incident, None without any."""
    found: list[tuple[int, UUID]] = []
    seen: set[UUID] = set()
    level = list(service.depends_on)
    distance = 0
    while level:
        distance += 1
        following: list[UUID] = []
        for dependency in level:
            facts = situation.services.get(dependency)
            if facts is None or dependency in seen:
                continue
            seen.add(dependency)
            if facts.is_out and dependency in incident_of:
                found.append((distance, dependency))
            following.extend(facts.depends_on)
        level = following
    return max(found, key=lambda pair: (pair[0], pair[1]), default=(0, None))[1]


@dataclass(frozen=True, slots=True)
class _Group:
    """The services of an incident: all of them, and those of which public words speak."""

    members: list[ServiceFacts]
    visible: list[ServiceFacts]


def _group(members: list[ServiceFacts]) -> _Group:
    visible = [
        member
        for member in members
        if member.is_visible and member.mode is AutomaticIncidents.PUBLIC and member.is_out
    ]
    return _Group(members, sorted(visible, key=lambda member: (member.place, member.name)))


def _opening(service: ServiceFacts, cause: ServiceFacts | None, group: _Group) -> OpenIncident:
    status = service.say or ServiceStatus.PARTIAL_OUTAGE
    named = group.visible or [service]
    internal_title = None
    if cause is not None:
        others = (member.name for member in group.members if member.id != cause.id)
        # More names than a title has characters are never seen.
        affected = ", ".join(islice(others, _LONGEST_TITLE))
        internal_title = shorten(f"{cause.name} takes down {affected}", _LONGEST_TITLE)
    since = service.say_since or service.said_at
    if since is None:
        raise ValueError(f"{service.name} is out, but since when was not recorded")
    return OpenIncident(
        service_id=service.id,
        cause_id=cause.id if cause is not None else None,
        title=public_title(
            [(member.name, member.say is ServiceStatus.MAJOR_OUTAGE) for member in named]
        ),
        internal_title=internal_title,
        impact=impact_of(status),
        to_status=status,
        is_public=service.mode is AutomaticIncidents.PUBLIC,
        message=(
            f"Automatic checks of {_names(_shown(named))} have been failing since "
            f"{since:%H:%M} UTC. We are investigating."
        ),
        started_at=since,
        error_kind=service.error_kind,
    )


def _shown(services: Iterable[ServiceFacts]) -> list[str]:
    """The names that public words may use; all names when nothing of it is public anyway."""
    everything = list(services)
    visible = [service.name for service in everything if service.is_visible]
    return visible or [service.name for service in everything]


def _names(names: list[str]) -> str:
    """ "API", "API and Mail", "API, Mail and 3 more"."""
    short = [shorten(name, 80) for name in names[:_NAMED]]
    left = len(names) - _NAMED
    if left == 1:
        short.append(shorten(names[_NAMED], 80))
    if left > 1:
        return f"{', '.join(short)} and {left} more"
    if len(short) == 1:
        return short[0]
    return f"{', '.join(short[:-1])} and {short[-1]}"


def public_title(services: Sequence[tuple[str, bool]]) -> str:
    """The title of an automatic incident: what is out in part and what is out in full, apart.

    Args:
        services: of the affected services that the public knows, at least one, in the order of
            its list: the name, and whether it is out in full. What stands first is spoken of first.
    """
    clauses = []
    for in_full in dict.fromkeys(whole for _, whole in services):
        names = [name for name, whole in services if whole is in_full]
        verb = "is" if len(names) == 1 else "are"
        how = "unavailable" if in_full else "partly unavailable"
        clauses.append(f"{_names(names)} {verb} {how}")
    return shorten(", ".join(clauses), _LONGEST_TITLE)


def spoken_duration(duration: timedelta) -> str:
    """A duration as a sentence says it: "40 seconds", "9 minutes", "2 hours 5 minutes"."""
    seconds = max(0, round(duration / timedelta(seconds=1)))
    if seconds < 60:
        return _count(max(seconds, 1), "second")
    minutes = seconds // 60
    if minutes < 60:
        return _count(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        tail = f" {_count(minutes, 'minute')}" if minutes else ""
        return f"{_count(hours, 'hour')}{tail}"
    days, hours = divmod(hours, 24)
    tail = f" {_count(hours, 'hour')}" if hours else ""
    return f"{_count(days, 'day')}{tail}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
