"""Where something is seen is said by name, and only where it tells something."""

from __future__ import annotations

import pytest

from statustui.domain.readmodels import RegionState
from statustui.domain.status import MonitorState
from statustui.presenters.regions import blind, differing, spread

_D, _U, _S, _N = (
    MonitorState.DOWN,
    MonitorState.UP,
    MonitorState.DEGRADED,
    MonitorState.UNKNOWN,
)


def _regions(**states: MonitorState) -> tuple[RegionState, ...]:
    return tuple(RegionState(name.replace("_", "-"), state) for name, state in states.items())


@pytest.mark.parametrize(
    ("regions", "differs", "cannot", "each"),
    [
        (_regions(local=_U), "", "", "up from local"),
        (_regions(local=_N), "", "", ""),
        (_regions(eu=_N), "", "eu cannot look", "eu cannot look"),
        (_regions(eu=_D, us=_D), "", "", "down from eu and us"),
        (_regions(eu=_D, us=_U), "down from eu, up from us", "", "down from eu, up from us"),
        (
            _regions(eu=_S, us=_D, eu_2=_N),
            "down from us, up from eu",
            "eu-2 cannot look",
            "down from us, degraded from eu, eu-2 cannot look",
        ),
        (
            _regions(a=_U, b=_U, c=_U, d=_U, e=_D, f=_N, g=_N, h=_N),
            "down from e, up from 4 regions",
            "f, g and h cannot look",
            "down from e, up from 4 regions, f, g and h cannot look",
        ),
    ],
)
def test_what_is_said(
    regions: tuple[RegionState, ...], differs: str, cannot: str, each: str
) -> None:
    assert (differing(regions), blind(regions), spread(regions)) == (differs, cannot, each)
