"""What is promised, in seconds: how long something may take before the checker calls it wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them in seconds.

    Attributes:
        lost_before_kill: results that a killed watch may take with it: its last second, and what
            it takes to write a batch.
        hand_over: a dead engine's share is another's after so long; two may look for as long.
        settle: answers younger than this may still be on their way to the tables.
        confirmed: beyond interval, timeouts and retries, until an incident is in the tables.
        late: how much later than the truth an incident may say that something began or ended,
            while nothing was done to the watch; live: when something was, for what is younger than
            this counts as seen just now.
        clock: how finely the targets' times and the checks' times agree.
    """

    lost_before_kill: float = 1.25
    hand_over: float = 10.0
    settle: float = 3.0
    confirmed: float = 3.0
    late: float = 3.0
    live: float = 30.0
    clock: float = 0.25


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation, in words."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
