"""What goes wrong in the demonstration world, and when: the same every time it is run.

The first thing breaks half a minute after the start, so that somebody who has just opened the
dashboard sees it happen, sees what depends on it follow, has time to acknowledge it and to tell
the public, and sees all of it recover within two minutes. Then one thing after another breaks for
a little while, with quiet between, over and over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How a target behaves."""

    OK = "ok"
    SLOW = "slow"
    ERROR = "error"
    HANG = "hang"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Step:
    """One target misbehaves for a while.

    Attributes:
        at_seconds: from the beginning of a round.
        target: its name.
        mode: how it misbehaves.
        for_seconds: how long.
    """

    at_seconds: float
    target: str
    mode: Mode
    for_seconds: float


ROUND_SECONDS = 900.0
"""How long one round of the script lasts before it begins anew."""

SCRIPT = (
    Step(30, "database", Mode.REFUSE, 80),
    Step(210, "search", Mode.SLOW, 60),
    Step(330, "mail", Mode.ERROR, 40),
    Step(450, "payments", Mode.ERROR, 40),
    Step(570, "dns", Mode.ERROR, 35),
    Step(690, "web", Mode.HANG, 40),
    Step(800, "files", Mode.REFUSE, 35),
)
