"""Where an incident may go from where it is, and what its impact means for services.

The stages go investigating → identified → monitoring → resolved. Among the three open stages a
person may skip and go back; `resolved` is final, a recurrence is a new incident:

    from            to
    investigating   identified, monitoring, resolved
    identified      investigating, monitoring, resolved
    monitoring      investigating, identified, resolved
    resolved        nothing
"""

from __future__ import annotations

from collections.abc import Mapping

from statustui.domain.status import Impact, IncidentStatus, ServiceStatus

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
