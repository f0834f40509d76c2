"""Whether a broken service explains another, and whether two fail of one thing.

A dependency that is out explains a service when both of these hold:

- **The onset fits.** The service broke between its last good look and its first failed one, and so
  did the dependency. They do not fit when the dependency was still seen well `SLACK` or more after
  the service had begun to fail, nor when the service was still seen well more than `LATEST` after
  the dependency had begun to fail: it lives without it. (Pools and caches run dry late, so there is
  some time between.)
- **The error fits.** A dead dependency makes what needs it refuse, hang, close the connection,
  answer with a 5xx status or with the wrong content. It does not make a certificate expire, a name
  vanish, packets get lost or a page answer 404. Such an error is explained only by a dependency
  that fails in the same way (the expired certificate of a shared balancer), the error `dns` also by
  one that is watched by a DNS check, lost packets also by one that cannot be reached.

A dependency that has begun to fail and is not confirmed yet may be about to explain it. Who needs
it waits for the confirmation, which its thresholds bound.

Two services that are out fail of one thing when their onsets fit each other and they have a cause
in common: a line of `shared_cause.causes_of`, or a dependency that nobody has seen well since.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from statustui.domain.incident_facts import ServiceFacts, Situation
from statustui.domain.status import ErrorKind

# A look that began before another may end after it: by as much as the default timeout.
SLACK = timedelta(seconds=10)
# How long after its dependency died a service may have been seen well and still be explained.
LATEST = timedelta(minutes=5)

_OF_A_DEAD_DEPENDENCY = frozenset(
    {
        None,
        ErrorKind.CONNECT,
        ErrorKind.REFUSED,
        ErrorKind.TIMEOUT,
        ErrorKind.PROTOCOL,
        ErrorKind.ASSERTION,
        ErrorKind.COMMAND,
    }
)
_UNREACHABLE = frozenset({ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.LOSS})
_BROKEN_SERVER = 500


def follows_from_dependency(service: ServiceFacts) -> bool:
    """Whether a dead dependency, whichever it is, makes a service fail in this way."""
    if service.error_kind is ErrorKind.HTTP_STATUS:
        return service.status_code is None or service.status_code >= _BROKEN_SERVER
    return service.error_kind in _OF_A_DEAD_DEPENDENCY


def explains(cause: ServiceFacts, service: ServiceFacts) -> bool:
    """Whether a dependency that is out explains a service that is out."""
    return _onset_fits(cause, cause.out_since, service) and _error_fits(cause, service)


def _onset_fits(cause: ServiceFacts, broke_at: datetime | None, service: ServiceFacts) -> bool:
    out_since = service.out_since
    if broke_at is None or out_since is None:
        return True
    if cause.good_until is not None and cause.good_until - SLACK >= out_since:
        return False
    return service.good_until is None or service.good_until <= broke_at + LATEST


def _error_fits(cause: ServiceFacts, service: ServiceFacts) -> bool:
    if follows_from_dependency(service) or service.error_kind is cause.error_kind:
        return True
    match service.error_kind:
        case ErrorKind.DNS:
            return cause.resolves_names
        case ErrorKind.LOSS:
            return cause.error_kind in _UNREACHABLE
        case _:
            return False


def may_be_explained_soon(cause: ServiceFacts, service: ServiceFacts, at: datetime) -> bool:
    """Whether a dependency that fails, unconfirmed, would explain a service once it is confirmed.

    Args:
        cause: the dependency; service: what needs it and is out.
        at: now; who waited until the confirmation should have come waits no longer.
    """
    if cause.is_out or cause.confirmed_by is None or not cause.may_have_incident:
        return False
    return (
        at < cause.confirmed_by
        and follows_from_dependency(service)
        and _onset_fits(cause, cause.failing_since, service)
    )


def fail_together(one: ServiceFacts, other: ServiceFacts) -> bool:
    """Whether two outages may have one onset: neither was seen well after the other began."""
    return _well_before(one, other) and _well_before(other, one)


def _well_before(one: ServiceFacts, other: ServiceFacts) -> bool:
    out_since = other.out_since
    return one.good_until is None or out_since is None or one.good_until <= out_since + SLACK


def is_in_doubt(dependency: ServiceFacts, service: ServiceFacts) -> bool:
    """Whether nobody has seen a dependency well since a service began to fail."""
    if dependency.is_out:
        return False
    out_since = service.out_since
    return (
        dependency.good_until is None
        or out_since is None
        or dependency.good_until - SLACK < out_since
    )


def needs_of(situation: Situation, service: ServiceFacts) -> Iterator[tuple[int, ServiceFacts]]:
    """All that a service needs, directly or not, with how far below; the nearest first."""
    seen: set[UUID] = set()
    level = list(service.depends_on)
    distance = 0
    while level:
        distance += 1
        following: list[UUID] = []
        for needed in level:
            facts = situation.services.get(needed)
            if facts is None or needed in seen:
                continue
            seen.add(needed)
            yield distance, facts
            following.extend(facts.depends_on)
        level = following
