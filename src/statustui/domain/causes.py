"""Finds which broken dependency explains a broken service: a cause stands above its effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from statustui.domain.status import ServiceStatus

Key = TypeVar("Key")

_IN_OUTAGE = ServiceStatus.PARTIAL_OUTAGE.severity
_BROKEN = ServiceStatus.DEGRADED_PERFORMANCE.severity


def find_causes(
    statuses: Mapping[Key, ServiceStatus], depends_on: Mapping[Key, Sequence[Key]]
) -> dict[Key, Key]:
    """The root cause of every service that one of its dependencies explains.

    A service is explained when it is broken and something it needs is in outage. If that in turn
    is explained, its own cause counts: what stands at the end of the chain is to be repaired.

    Args:
        statuses: of all services.
        depends_on: what each needs directly; without circles, as everywhere, but a circle (which
            an inconsistent read could show) ends the search instead of never ending.

    Returns:
        The cause by service; services that stand alone are not in it.
    """
    causes: dict[Key, Key] = {}
    for service in depends_on:
        if statuses.get(service, ServiceStatus.OPERATIONAL).severity < _BROKEN:
            continue
        at, seen = service, {service}
        while True:
            below = [
                needed
                for needed in depends_on.get(at, ())
                if needed not in seen
                and statuses.get(needed, ServiceStatus.OPERATIONAL).severity >= _IN_OUTAGE
            ]
            if not below:
                break
            at = max(below, key=lambda needed: statuses[needed].severity)
            seen.add(at)
        if at != service:
            causes[service] = at
    return causes
