"""When the engine opens, groups, moves and resolves incidents by itself.

Automatic incidents are not driven by events but by comparing what is with what should be:
`reconcile` looks at an organization's services and its open automatic incidents and says what is
still to be done. Doing it twice changes nothing, so a batch that is repeated after a lost
connection, an engine that takes over, or a maintenance window that ends while a service is still
down need no rules of their own. The rules:

- A service whose monitors say that it is out, in full or in part, gets an incident, unless one is
  open for it, its mode is `off`, it is inside a maintenance window, it is pinned to a status that
  is no outage, or an incident of it was closed by somebody who knew of this outage.
- When something it depends on is out, has an open incident and explains it (`explaining` says what
  that means: onset and error fit), it joins that incident, as a service affected.
- When something it depends on has begun to fail and is not confirmed yet, it waits for that, as
  long as the confirmation may take. So it does not matter which of the two is confirmed first.
- When the cause is confirmed after all that needs it, because nobody had looked at it, it joins
  their incident as the cause instead of opening another.
- When something else that is out fails of the same thing (one host, address, resolver, certificate,
  or a dependency that nobody has seen well since), it joins the incident of that.
- Who is attached to a cause and still out two looks after the cause recovered leaves the incident
  and gets one of its own, unless a person asked a status of it there.
- The cause goes into the internal title; the public title names the visible services alone, what
  is out in part apart from what is out in full.
- When nothing in the incident is out any more and all of it is looked at, the incident goes to
  `monitoring`; it resolves when that has lasted for the watching time. What is out again before
  that takes it back to `investigating`.
- While something in it is flapping, an incident stays open, is under investigation, and says so in
  its timeline and its internal title. Flapping opens none, as degraded opens none.
- When nothing in the incident is checked any more, because its monitors or services were removed,
  it resolves and says so. A pause is no removal.
- Once a person has posted or edited, the resolving is theirs.

Whoever joins an incident is told to nobody: the incident was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from statustui.domain.explaining import (
    explains,
    fail_together,
    follows_from_dependency,
    is_in_doubt,
    may_be_explained_soon,
    needs_of,
)
from statustui.domain.incident_facts import (
    Action,
    FlagFlapping,
    IncidentFacts,
    LeaveIncident,
    MoveIncident,
    OpenIncident,
    ServiceFacts,
    Situation,
)
from statustui.domain.incident_words import (
    internal_title,
    names_of,
    public_title,
    spoken_duration,
)
from statustui.domain.stages import impact_of
from statustui.domain.status import AutomaticIncidents, IncidentStatus, ServiceStatus

LOOKS_AFTER_CAUSE = 2
"""How many failed looks after its cause recovered give a service an incident of its own."""


def reconcile(situation: Situation, at: datetime) -> tuple[Action, ...]:
    """What is to be done about automatic incidents, given how things are.

    Args:
        situation: services of one organization, as one consistent read.
        at: now.

    Returns:
        Services that leave, moves of incidents that are open, then incidents to open: causes before
        what joins them.
    """
    leaving = _leaving(situation)
    left = {(action.incident_id, action.service_id) for action in leaving}
    staying = [
        (incident, [s for s in incident.services if (incident.id, s) not in left])
        for incident in situation.incidents
    ]
    moves: list[Action] = []
    for incident, services in staying:
        members = [situation.services[s] for s in services if s in situation.services]
        flag = _flag(incident, members)
        move = _move(situation, incident, members, at)
        moves += [action for action in (flag, move) if action is not None]
    openings = _Openings(situation, at, barred={s: i for i, s in left})
    return (*leaving, *moves, *openings.found())


# -- incidents that are open -----------------------------------------------------------------------


def _leaving(situation: Situation) -> list[LeaveIncident]:
    found = []
    for incident in situation.incidents:
        cause = situation.services.get(incident.cause_id) if incident.cause_id else None
        # That nobody looks at the cause is no recovery.
        if cause is None or cause.is_out or not cause.watched:
            continue
        for service_id in incident.services:
            service = situation.services.get(service_id)
            if (
                service is not None
                and service.id != cause.id
                and service.wants_incident
                and not service.is_covered
                and service.looks_since_cause >= LOOKS_AFTER_CAUSE
                and service.id not in incident.asked_of
            ):
                message = (
                    f"{service.name} is still down although {cause.name} has recovered: "
                    "it is followed in an incident of its own"
                )
                found.append(LeaveIncident(incident.id, service.id, message))
    return found


def _flag(incident: IncidentFacts, members: list[ServiceFacts]) -> FlagFlapping | None:
    flapping = [service.name for service in members if service.is_flapping]
    if bool(flapping) == incident.says_flapping:
        return None
    if not flapping:
        return FlagFlapping(incident.id, False, None, "It is stable again.")
    names = names_of(flapping)
    verb = "is" if len(flapping) == 1 else "are"
    return FlagFlapping(
        incident.id,
        True,
        internal_title(f"{names} {verb} flapping"),
        f"{names} {verb} flapping: up and down in turns. The incident stays open until that has "
        "been stable for ten minutes.",
    )


def _recovered_at(services: list[ServiceFacts]) -> datetime | None:
    """Since when everything in an incident is well, None when it is not or nobody can tell."""
    since = [service.say_since for service in services if service.say_since is not None]
    for service in services:
        if service.say is not ServiceStatus.OPERATIONAL or not service.watched:
            return None
    return max(since, default=None)


def _move(
    situation: Situation, incident: IncidentFacts, members: list[ServiceFacts], at: datetime
) -> MoveIncident | None:
    services = [service for service in members if service.checked]
    if not services:
        return _abandoned(incident, members, at)
    out = [service for service in services if service.is_out and not service.in_window]
    flapping = [service for service in services if service.is_flapping and not service.in_window]
    if out or flapping:
        # That it is flapping a person knows who says that it is being watched.
        if incident.status is not IncidentStatus.MONITORING or (incident.touched and not out):
            return None
        names = names_of(_shown(out or flapping))
        words = (
            f"Automatic checks of {names} are failing again."
            if out
            else f"Automatic checks of {names} fail and succeed in turns."
        )
        return MoveIncident(
            incident.id, IncidentStatus.INVESTIGATING, f"{words} We are investigating.", at
        )
    recovered = _recovered_at(services)
    if recovered is None or any(service.failing for service in services):
        return None
    names = names_of(_shown(members))
    if incident.touched:
        if incident.status is IncidentStatus.MONITORING:
            return None
        return _monitoring(incident, names, at)
    due = recovered + timedelta(seconds=situation.recovery_watch_seconds)
    if due <= at and (
        incident.status is IncidentStatus.MONITORING or not situation.recovery_watch_seconds
    ):
        lasted = spoken_duration(recovered - incident.started_at)
        # That moment may be long over when nobody was there; but the recovery had to be known.
        over_at = max(due, incident.monitoring_at or due)
        return MoveIncident(
            incident.id,
            IncidentStatus.RESOLVED,
            f"Automatic checks of {names} succeed again. The disruption lasted {lasted}.",
            over_at if incident.status is IncidentStatus.MONITORING else at,
        )
    if incident.status is IncidentStatus.MONITORING:
        return None
    return _monitoring(incident, names, at)


def _abandoned(
    incident: IncidentFacts, members: list[ServiceFacts], at: datetime
) -> MoveIncident | None:
    """Ends an incident whose services, or all checks of them, were removed: nothing else would."""
    if incident.touched:
        return None
    visible = [service.name for service in members if service.is_visible]
    what = names_of(visible) if visible else "What was affected"
    verb = "are" if len(visible) > 1 else "is"
    return MoveIncident(
        incident.id,
        IncidentStatus.RESOLVED,
        f"{what} {verb} no longer checked automatically. We close this incident.",
        at,
    )


def _monitoring(incident: IncidentFacts, names: str, at: datetime) -> MoveIncident:
    return MoveIncident(
        incident.id,
        IncidentStatus.MONITORING,
        f"Automatic checks of {names} succeed again. We are watching that it stays so.",
        at,
    )


# -- incidents to open -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """An incident that is open or about to be opened, with what will be in it.

    Attributes:
        key: the incident's id, or that of the service that it will be opened for.
        cause: the service that takes the others down, None when none is known.
        shared: the line of what its services have in common, empty without one.
    """

    key: UUID
    members: list[ServiceFacts]
    cause: ServiceFacts | None = None
    shared: str = ""


@dataclass(slots=True)
class _Planned:
    """A service that gets an incident, and which."""

    service: ServiceFacts
    group: _Group
    joins: UUID | None


@dataclass(slots=True)
class _Openings:
    """Finds, service by service, which incident each belongs to, and then the words.

    Attributes:
        barred: the incident that a service has just left, and does not join again.
        group_of: the incident of each service; needs: all that stands below each.
        needing: by what they need, services in incidents that await a cause.
        out_with: by cause in common, services that are out and in a group, with their groups.
    """

    situation: Situation
    at: datetime
    barred: Mapping[UUID, UUID]
    group_of: dict[UUID, _Group] = field(default_factory=dict)
    needs: dict[UUID, list[tuple[int, ServiceFacts]]] = field(default_factory=dict)
    needing: dict[UUID, list[ServiceFacts]] = field(default_factory=dict)
    out_with: dict[str | UUID, list[tuple[ServiceFacts, _Group]]] = field(default_factory=dict)

    def found(self) -> list[OpenIncident]:
        services = self.situation.services
        self._read_open()
        wanting = [
            service
            for service in services.values()
            if (service.id not in self.group_of and not service.is_covered)
            and service.wants_incident
        ]
        if not wanting:
            return []
        # A cause stands before whatever joins it; among equals the earlier outage comes first.
        depth: dict[UUID, int] = {}
        wanting.sort(key=lambda s: (_depth(services, s.id, depth), s.say_since or s.said_at, s.id))
        planned = [plan for service in wanting if (plan := self._place(service)) is not None]
        # Whatever joins an incident says what all of it comes to; that is found out once.
        words: dict[UUID, _Words] = {}
        for plan in planned:
            if plan.joins is not None and plan.group.key not in words:
                words[plan.group.key] = _words(_spoken_of(plan.group.members), plan.group)
        return [
            _opening(plan, words[plan.group.key] if plan.joins else _words([plan.service], None))
            for plan in planned
        ]

    def _read_open(self) -> None:
        services = self.situation.services
        for incident in self.situation.incidents:
            members = [
                services[s]
                for s in incident.services
                if s in services and self.barred.get(s) != incident.id
            ]
            if not members:
                continue
            group = _Group(
                incident.id,
                members,
                services.get(incident.cause_id) if incident.cause_id else None,
            )
            for member in members:
                self._enter(member, group)
            # A cause that is found later takes down all of it, or what was taken for the cause.
            known = group.cause is not None and group.cause.is_out
            for member in [group.cause] if known and group.cause is not None else members:
                if member.is_out and member.id in self.group_of:
                    for _, needed in self._needs(member):
                        self.needing.setdefault(needed.id, []).append(member)

    def _needs(self, service: ServiceFacts) -> list[tuple[int, ServiceFacts]]:
        if service.id not in self.needs:
            self.needs[service.id] = list(needs_of(self.situation, service))
        return self.needs[service.id]

    def _enter(self, service: ServiceFacts, group: _Group) -> None:
        self.group_of[service.id] = group
        if service.is_out:
            for cause in self._in_common(service):
                self.out_with.setdefault(cause, []).append((service, group))

    def _in_common(self, service: ServiceFacts) -> list[str | UUID]:
        """What a service may have in common with others that fail, the most telling first."""
        found: list[str | UUID] = list(service.causes)
        if follows_from_dependency(service):
            found += [
                needed.id for _, needed in self._needs(service) if is_in_doubt(needed, service)
            ]
        return found

    def _place(self, service: ServiceFacts) -> _Planned | None:
        """Where a service belongs; None while it waits for the confirmation of its cause."""
        cause = self._cause(service)
        if cause is not None:
            group = self.group_of[cause.id]
            group.cause = group.cause or cause
            return self._join(service, group, cause.id)
        for needing in self.needing.get(service.id, ()):
            if explains(service, needing):
                group = self.group_of[needing.id]
                group.cause = service
                return self._join(service, group, needing.id)
        for shared in self._in_common(service):
            for other, group in self.out_with.get(shared, ()):
                is_left = self.barred.get(service.id) == group.key
                is_over = group.cause is not None and not group.cause.is_out
                if not is_left and not is_over and fail_together(service, other):
                    group.shared = group.shared or self._line(shared)
                    return self._join(service, group, other.id)
        if any(
            may_be_explained_soon(needed, service, self.at) for _, needed in self._needs(service)
        ):
            return None
        return self._join(service, _Group(service.id, []), None)

    def _join(self, service: ServiceFacts, group: _Group, joins: UUID | None) -> _Planned:
        group.members.append(service)
        self._enter(service, group)
        return _Planned(service, group, joins)

    def _line(self, shared: str | UUID) -> str:
        if isinstance(shared, str):
            return shared
        return f"all need {self.situation.services[shared].name}"

    def _cause(self, service: ServiceFacts) -> ServiceFacts | None:
        """The deepest dependency that is out, explains it and has an open incident."""
        found = [
            (distance, needed.id)
            for distance, needed in self._needs(service)
            if needed.is_out
            and needed.id in self.group_of
            and self.barred.get(service.id) != self.group_of[needed.id].key
            and explains(needed, service)
        ]
        return self.situation.services[max(found)[1]] if found else None


def _depth(services: Mapping[UUID, ServiceFacts], service_id: UUID, depth: dict[UUID, int]) -> int:
    """How many dependencies stand one behind the other below a service; they form no circle."""
    if service_id not in depth:
        depth[service_id] = 0  # were there a circle after all, it would end here
        below = [
            _depth(services, dependency, depth) + 1
            for dependency in services[service_id].depends_on
            if dependency in services
        ]
        depth[service_id] = max(below, default=0)
    return depth[service_id]


@dataclass(frozen=True, slots=True)
class _Words:
    """What an incident is called, and the services that public words name."""

    title: str
    internal_title: str | None
    names: str


def _words(named: list[ServiceFacts], group: _Group | None) -> _Words:
    internal = None
    if group is not None and group.cause is not None:
        cause = group.cause
        others = [member.name for member in _listed(group.members) if member.id != cause.id]
        internal = internal_title(f"{cause.name} takes down {_counted(others)}")
    elif group is not None and group.shared:
        internal = internal_title(f"{len(group.members)} services affected: {group.shared}")
    parts = [(member.name, member.say is ServiceStatus.MAJOR_OUTAGE) for member in named]
    return _Words(public_title(parts), internal, names_of(_shown(named)))


def _opening(plan: _Planned, words: _Words) -> OpenIncident:
    service, cause = plan.service, plan.group.cause
    status = service.say or ServiceStatus.PARTIAL_OUTAGE
    since = service.out_since
    if since is None:
        raise ValueError(f"{service.name} is out, but since when was not recorded")
    return OpenIncident(
        service_id=service.id,
        joins_id=plan.joins,
        cause_id=cause.id if cause is not None and plan.joins is not None else None,
        title=words.title,
        internal_title=words.internal_title,
        impact=impact_of(status),
        to_status=status,
        is_public=service.mode is AutomaticIncidents.PUBLIC,
        is_guarded=service.mode is AutomaticIncidents.GUARDED,
        message=(
            f"Automatic checks of {words.names} have been failing since "
            f"{since:%H:%M} UTC. We are investigating."
        ),
        started_at=since,
        error_kind=service.error_kind,
    )


_NAMED_IN_FULL = 3


def _counted(names: list[str]) -> str:
    if len(names) <= _NAMED_IN_FULL:
        return ", ".join(names)
    return f"{len(names)} services: {', '.join(names[:_NAMED_IN_FULL])} and more"


def _spoken_of(members: list[ServiceFacts]) -> list[ServiceFacts]:
    """The services that a title names: those of which the public hears first, as far as any."""
    out = [member for member in _listed(members) if member.is_out]
    visible = [member for member in out if member.is_visible]
    told = [member for member in visible if member.mode is AutomaticIncidents.PUBLIC]
    guarded = [member for member in visible if member.mode is not AutomaticIncidents.INTERNAL]
    return told or guarded or visible or out


def _listed(members: Iterable[ServiceFacts]) -> list[ServiceFacts]:
    return sorted(members, key=lambda member: (member.place, member.name))


def _shown(services: Iterable[ServiceFacts]) -> list[str]:
    """The names that public words may use; all names when nothing of it is public anyway."""
    everything = list(services)
    visible = [service.name for service in everything if service.is_visible]
    return visible or [service.name for service in everything]
