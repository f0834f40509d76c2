"""Says from where something is seen: what the regions agree on, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from statustui.domain.readmodels import RegionState
from statustui.domain.status import MonitorState

_ALONE = "local"
_NAMED = 3
_BROKEN = (MonitorState.DOWN, MonitorState.FLAPPING, MonitorState.DEGRADED)
_ANSWERED = (MonitorState.UP, MonitorState.DEGRADED, MonitorState.FLAPPING)


def differing(regions: Sequence[RegionState]) -> str:
    """Where it is down and where it is up, "down from eu, up from us"; empty while they agree.

    Args:
        regions: what each says.
    """
    down = [region.name for region in regions if region.state is MonitorState.DOWN]
    up = [region.name for region in regions if region.state in _ANSWERED]
    if not down or not up:
        return ""
    return f"down from {_names(down)}, up from {_names(up)}"


def blind(regions: Sequence[RegionState]) -> str:
    """From where nobody can look, "eu-2 cannot look"; empty while all can.

    Where a monitor is looked at from the one place that needs no name, none is said.
    """
    names = [region.name for region in regions if region.state is MonitorState.UNKNOWN]
    if not names or [region.name for region in regions] == [_ALONE]:
        return ""
    return f"{_names(names)} cannot look"


def spread(regions: Sequence[RegionState]) -> str:
    """What each of several regions says, "down from eu, up from us, eu-2 cannot look".

    Args:
        regions: in the order in which the monitor names them.
    """
    said = [
        f"{state.value} from {_names(names)}"
        for state in (*_BROKEN, MonitorState.UP)
        if (names := [region.name for region in regions if region.state is state])
    ]
    return ", ".join(part for part in (*said, blind(regions)) if part)


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return f"{len(names)} regions"
