"""What reconciling automatic incidents reads, and what it says is to be done: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from statustui.domain.service_status import is_broken
from statustui.domain.status import (
    AutomaticIncidents,
    ErrorKind,
    Impact,
    IncidentStatus,
    ServiceStatus,
)


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
        error_kind, reason, status_code: of its worst monitor.
        closed_at: when an incident that it was part of was last closed by a person.
        is_covered: whether an incident that a person opened is open for it.
        place: in the list of services; those of the same place go by their names.
        broke_at: the first failed look of the monitor that has been down longest; None when none
            is down.
        good_until: the newest good look of what is down, or of everything when nothing is; None
            when there never was one.
        failing_since: the first failed look of a row that is not confirmed yet; None without one.
        confirmed_by: by when such a row is confirmed or broken, if looks come as they should.
        causes: what else would fail with it, as `shared_cause.causes_of` names it.
        is_flapping: whether a monitor changes its state all the time.
        resolves_names: whether what is down is a DNS check.
        looks_since_cause: failed looks in a row since the cause of its incident recovered, as far
            as they were counted.
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
    status_code: int | None = None
    closed_at: datetime | None = None
    is_covered: bool = False
    place: int = 0
    broke_at: datetime | None = None
    good_until: datetime | None = None
    failing_since: datetime | None = None
    confirmed_by: datetime | None = None
    causes: tuple[str, ...] = ()
    is_flapping: bool = False
    resolves_names: bool = False
    looks_since_cause: int = 0

    @property
    def is_out(self) -> bool:
        """Whether its monitors say that it is out, in full or in part."""
        return self.say is not None and is_broken(self.say)

    @property
    def may_have_incident(self) -> bool:
        """Whether an outage of it would open an automatic incident."""
        if self.mode is AutomaticIncidents.OFF or self.in_window:
            return False
        return self.pinned is None or is_broken(self.pinned)

    @property
    def wants_incident(self) -> bool:
        """Whether it is out and nobody who knew of that has closed its incident."""
        if not self.is_out or not self.may_have_incident:
            return False
        if self.closed_at is None or self.said_at is None:
            return True
        return self.said_at > self.closed_at

    @property
    def out_since(self) -> datetime | None:
        """When the outage began, as far as is known."""
        return self.broke_at or self.say_since or self.said_at


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What reconciling needs to know of one open automatic incident.

    Attributes:
        touched: whether a person posted or edited.
        monitoring_at: when it last went to `monitoring`.
        services: what it concerns.
        cause_id: the service that takes the others down; None when none is known.
        says_flapping: whether it says that something in it is flapping.
        asked_of: the services of which a person asked a status in it.
    """

    id: UUID
    status: IncidentStatus
    touched: bool
    started_at: datetime
    monitoring_at: datetime | None
    services: tuple[UUID, ...]
    cause_id: UUID | None = None
    says_flapping: bool = False
    asked_of: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Situation:
    """Services of one organization and their open automatic incidents.

    It need not be all of them: a service comes with what it depends on, down to the end, with what
    is out and shares a cause with it, and with whatever shares an open automatic incident with any
    of these.
    """

    recovery_watch_seconds: int
    services: Mapping[UUID, ServiceFacts]
    incidents: tuple[IncidentFacts, ...]


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Open an incident for a service, or let it join one.

    Attributes:
        joins_id: a service whose open incident it joins; None for one of its own.
        cause_id: the service that takes it down, or itself when it takes down what is in the
            incident that it joins; None when it stands alone or the cause is no service.
        title: public; internal_title: names the cause, None when `title` says all.
        is_public: whether the service's mode lets the public see it at once.
        is_guarded: whether its words wait as a draft.
        message: the public words of the opening.
        started_at: the first failed look.
    """

    service_id: UUID
    joins_id: UUID | None
    cause_id: UUID | None
    title: str
    internal_title: str | None
    impact: Impact
    to_status: ServiceStatus
    is_public: bool
    is_guarded: bool
    message: str
    started_at: datetime
    error_kind: ErrorKind | None


@dataclass(frozen=True, slots=True)
class MoveIncident:
    """Move an open automatic incident to another stage, with words.

    Attributes:
        at: when that was due; it may be long ago when nobody was there.
    """

    incident_id: UUID
    status: IncidentStatus
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LeaveIncident:
    """Take a service out of an incident whose cause no longer explains it; one of its own follows.

    Attributes:
        message: internal, for the timeline of the incident that it leaves.
    """

    incident_id: UUID
    service_id: UUID
    message: str


@dataclass(frozen=True, slots=True)
class FlagFlapping:
    """Let an incident say that something in it is flapping, or that it is stable again.

    Attributes:
        internal_title: the title that says so; None leaves it or takes back what was added.
        message: internal, for the timeline.
    """

    incident_id: UUID
    is_flapping: bool
    internal_title: str | None
    message: str


Action = OpenIncident | MoveIncident | LeaveIncident | FlagFlapping
