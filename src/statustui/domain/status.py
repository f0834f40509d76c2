"""The closed vocabularies of the product, each with the order in which it is worse or better.

The values are what the database, the API and the command line spell; the words that people read
are in `statustui.palette`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class ServiceStatus(StrEnum):
    """What is said about a service, worst first; maintenance counts only when nothing is broken."""

    MAJOR_OUTAGE = "major_outage"
    PARTIAL_OUTAGE = "partial_outage"
    DEGRADED_PERFORMANCE = "degraded_performance"
    UNDER_MAINTENANCE = "under_maintenance"
    OPERATIONAL = "operational"

    @property
    def severity(self) -> int:
        """0 for operational, rising with how bad it is."""
        return _SERVICE_SEVERITY[self]


class MonitorState(StrEnum):
    """What one monitor says, worst first; `paused` stands apart."""

    DOWN = "down"
    FLAPPING = "flapping"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UP = "up"
    PAUSED = "paused"


class CheckStatus(StrEnum):
    """The outcome of one check; `unknown` means that nobody could look."""

    SUCCESS = "success"
    DEGRADED = "degraded"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"

    @property
    def succeeded(self) -> bool:
        """Whether it counts as up in uptime figures."""
        return self in (CheckStatus.SUCCESS, CheckStatus.DEGRADED)

    @property
    def looked(self) -> bool:
        """Whether the target was looked at; only these checks count in uptime figures."""
        return self is not CheckStatus.UNKNOWN


class ErrorKind(StrEnum):
    """Why a check did not succeed."""

    DNS = "dns"
    CONNECT = "connect"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROTOCOL = "protocol"
    HTTP_STATUS = "http_status"
    ASSERTION = "assertion"
    LOSS = "loss"
    COMMAND = "command"
    OBSERVER = "observer"


class IncidentStatus(StrEnum):
    """The stages of an incident, in their natural order; `resolved` is final."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"

    @property
    def is_open(self) -> bool:
        """Whether the incident is still worked on."""
        return self is not IncidentStatus.RESOLVED


class Impact(StrEnum):
    """How much an incident hurts, least first."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def severity(self) -> int:
        """0 for none, rising with how bad it is."""
        return list(Impact).index(self)


class MaintenanceStatus(StrEnum):
    """The stages of a maintenance window."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """What a member may do in an organization, most first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"

    def at_least(self, needed: Role) -> bool:
        """Whether this role includes everything that `needed` may do."""
        order = list(Role)
        return order.index(self) <= order.index(needed)


class AutomaticIncidents(StrEnum):
    """What a monitor that goes down does to the public."""

    PUBLIC = "public"
    GUARDED = "guarded"
    INTERNAL = "internal"
    OFF = "off"


class MonitorType(StrEnum):
    """How a monitor looks; the kinds that this version can run."""

    HTTP = "http"
    TCP = "tcp"
    DNS = "dns"
    PING = "ping"
    TLS = "tls"
    POSTGRES = "postgres"
    HEARTBEAT = "heartbeat"
    COMMAND = "command"


class Visibility(StrEnum):
    """Who may read a page."""

    PUBLIC = "public"
    PRIVATE = "private"


class ChangeCause(StrEnum):
    """What made a service change its status."""

    MONITOR = "monitor"
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    MANUAL = "manual"


_SERVICE_SEVERITY = {status: rank for rank, status in enumerate(reversed(list(ServiceStatus)))}


def worst(statuses: Iterable[ServiceStatus]) -> ServiceStatus:
    """The worst of some service statuses; operational when there are none."""
    return max(statuses, key=lambda status: status.severity, default=ServiceStatus.OPERATIONAL)
