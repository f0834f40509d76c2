"""What every kind of look takes beside its own configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import statustui


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LookOptions:
    """How this engine looks, whatever it looks at.

    Attributes:
        user_agent: how HTTP checks introduce themselves.
        ca_file: authorities to trust beside the system's, PEM.
        wall_clock: gives the time at which a look began, aware UTC.
    """

    user_agent: str = f"statustui/{statustui.__version__}"
    ca_file: Path | None = None
    wall_clock: Callable[[], datetime] = _now


DEFAULT_OPTIONS = LookOptions()
