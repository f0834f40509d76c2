"""What the regions from which a monitor is looked at say about it together.

Every region comes to a state of its own. Together:

    down       at least the quorum is down: as many as the monitor asks for, else more than half of
               the regions that looked
    flapping   not so many are down, but with those that flap they are
    degraded   anything else is wrong anywhere: down from one place and up from another is degraded
    up         all that looked are up
    unknown    nobody looked

A region that could not look, because its network or all of its engines are gone, has no say: it
is neither up nor down. Where the monitor names its quorum, that many are needed even while fewer
can look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from statustui.domain.status import ErrorKind, MonitorState

_LOOKED = (MonitorState.DOWN, MonitorState.FLAPPING, MonitorState.DEGRADED, MonitorState.UP)
_BADNESS = {state: rank for rank, state in enumerate(reversed(_LOOKED))}


@dataclass(frozen=True, slots=True)
class RegionSay:
    """What one region says, or all of them together.

    Attributes:
        state: what it is; since: the first look that said so.
        error_kind, reason: of the look that decided it, where something is wrong.
    """

    state: MonitorState
    since: datetime
    error_kind: ErrorKind | None = None
    reason: str = ""


def quorum_of(asked: int | None, looked: int) -> int:
    """How many regions must say down.

    Args:
        asked: what the monitor asks for; None for more than half.
        looked: how many regions looked.
    """
    return asked if asked is not None else looked // 2 + 1


def combine(
    says: Iterable[RegionSay], quorum: int | None, before: RegionSay | None, at: datetime
) -> RegionSay:
    """What the regions say together.

    Args:
        says: of every region from which the monitor is to be looked at; those that never looked
            may be left out.
        quorum: as the monitor asks for it.
        before: what they said together before; None for nothing.
        at: now; since when it holds that nobody looks.

    Returns:
        The say now; `before` itself when its state is the same.
    """
    looked = [say for say in says if say.state in _LOOKED]
    state = _together([say.state for say in looked], quorum)
    if before is not None and before.state is state:
        return before
    if state is MonitorState.UNKNOWN:
        return RegionSay(state, at)
    since = _since(state, looked, quorum_of(quorum, len(looked)), before)
    if before is not None:
        since = max(since, before.since)  # hosts' clocks differ; what follows comes later
    wrong = sorted(
        (say for say in looked if say.state is not MonitorState.UP),
        key=lambda say: (-_BADNESS[say.state], say.since),
    )
    if not wrong:
        return RegionSay(state, since)
    return RegionSay(state, since, wrong[0].error_kind, wrong[0].reason)


def _together(states: Sequence[MonitorState], asked: int | None) -> MonitorState:
    if not states:
        return MonitorState.UNKNOWN
    quorum = quorum_of(asked, len(states))
    down = states.count(MonitorState.DOWN)
    flapping = states.count(MonitorState.FLAPPING)
    if down >= quorum:
        return MonitorState.DOWN
    if flapping and down + flapping >= quorum:
        return MonitorState.FLAPPING
    if all(state is MonitorState.UP for state in states):
        return MonitorState.UP
    return MonitorState.DEGRADED


def _since(
    state: MonitorState, looked: Sequence[RegionSay], quorum: int, before: RegionSay | None
) -> datetime:
    """When it began: with the look that completed the quorum, broke the first, healed the last."""
    if state is MonitorState.UP:
        return max(say.since for say in looked)
    counted: tuple[MonitorState, ...] = (MonitorState.DOWN,)
    if state is MonitorState.FLAPPING:
        counted = (MonitorState.DOWN, MonitorState.FLAPPING)
    bad = sorted(say.since for say in looked if say.state in counted)
    if state in (MonitorState.DOWN, MonitorState.FLAPPING):
        return bad[quorum - 1]
    healed = [say.since for say in looked if say.state is not MonitorState.DOWN]
    if before is not None and _BADNESS.get(before.state, 0) > _BADNESS[state] and healed:
        return max(healed)
    return min(say.since for say in looked if say.state is not MonitorState.UP)
