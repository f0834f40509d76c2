"""What a service's monitors say about it together.

All down is a major outage, some down a partial one, any degraded (or flapping) is degraded
performance. Monitors that are paused have no say; those that nobody could look through have none
either, because not knowing is neither up nor down. This is only the monitors' say: pins,
maintenance windows and incidents are settled on top of it where all of them meet, in the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from statustui.domain.status import MonitorState, ServiceStatus

_BROKEN = (ServiceStatus.MAJOR_OUTAGE, ServiceStatus.PARTIAL_OUTAGE)
_SLOW = (MonitorState.DEGRADED, MonitorState.FLAPPING)


@dataclass(frozen=True, slots=True)
class MonitorSay:
    """What one monitor says: its state, and since which look."""

    state: MonitorState
    since: datetime


@dataclass(frozen=True, slots=True)
class ServiceSay:
    """What the monitors of a service say together: a status, and since when."""

    status: ServiceStatus
    since: datetime


def is_broken(status: ServiceStatus) -> bool:
    """Whether it is an outage, in full or in part."""
    return status in _BROKEN


def roll_up(
    monitors: Iterable[MonitorSay], before: ServiceSay | None, at: datetime
) -> ServiceSay | None:
    """What a service's monitors say.

    Args:
        monitors: all monitors that are not deleted.
        before: what they said before.
        at: now; since when it holds that no monitor speaks any more.

    Returns:
        The say now; `before` itself when it did not change or when nobody could look; None when
        nothing was ever said.
    """
    active = [monitor for monitor in monitors if monitor.state is not MonitorState.PAUSED]
    looked = [monitor for monitor in active if monitor.state is not MonitorState.UNKNOWN]
    if not looked:
        if active or before is None or before.status is ServiceStatus.OPERATIONAL:
            return before
        # The last monitor that said so was paused or deleted: nobody says anything any more.
        return ServiceSay(ServiceStatus.OPERATIONAL, at)
    status = _together([monitor.state for monitor in looked])
    if before is not None and before.status is status:
        return before
    return ServiceSay(status, _since(status, looked, before))


def _together(states: list[MonitorState]) -> ServiceStatus:
    down = states.count(MonitorState.DOWN)
    if down == len(states):
        return ServiceStatus.MAJOR_OUTAGE
    if down:
        return ServiceStatus.PARTIAL_OUTAGE
    if any(state in _SLOW for state in states):
        return ServiceStatus.DEGRADED_PERFORMANCE
    return ServiceStatus.OPERATIONAL


def _since(status: ServiceStatus, looked: list[MonitorSay], before: ServiceSay | None) -> datetime:
    """When a say began: with the first look that broke it, or with the last that healed it."""
    down = [monitor.since for monitor in looked if monitor.state is MonitorState.DOWN]
    slow = [monitor.since for monitor in looked if monitor.state in _SLOW]
    rest = [monitor.since for monitor in looked if monitor.state is not MonitorState.DOWN]
    better = before is not None and before.status.severity > status.severity
    match status:
        case ServiceStatus.MAJOR_OUTAGE:
            return max(down)  # all are down from the moment the last of them went
        case ServiceStatus.PARTIAL_OUTAGE:
            return max(rest) if better else min(down)
        case ServiceStatus.DEGRADED_PERFORMANCE:
            return max(rest) if better else min(slow)
        case _:
            return max(rest)
