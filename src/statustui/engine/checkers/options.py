"""What every kind of look takes beside its own configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import statustui
from statustui.domain.heartbeat import Away, Beats


def _now() -> datetime:
    return datetime.now(UTC)


class BeatsUnknown(Exception):
    """Nobody can tell when a job was last heard from; the message says why."""


@dataclass(frozen=True, slots=True)
class LookOptions:
    """How this engine looks, whatever it looks at.

    Attributes:
        user_agent: how HTTP checks introduce themselves.
        ca_file: authorities to trust beside the system's, PEM.
        wall_clock: gives the time at which a look began, aware UTC.
        commands_allowed: folders whose programs a command check may run; none by default.
        beats: says what is known of the job of the monitor that is looked at; raises
            `BeatsUnknown`. None where there is no stored monitor.
    """

    user_agent: str = f"statustui/{statustui.__version__}"
    ca_file: Path | None = None
    wall_clock: Callable[[], datetime] = _now
    commands_allowed: tuple[Path, ...] = ()
    beats: Callable[[], Awaitable[tuple[Beats, tuple[Away, ...]]]] | None = None


DEFAULT_OPTIONS = LookOptions()
