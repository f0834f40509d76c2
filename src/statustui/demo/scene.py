"""What every part of the demonstration's making needs to know while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from statustui.demo.history import MonitorPast
from statustui.demo.past import WINDOWS, PastWindow
from statustui.demo.targets import DemoTargets
from statustui.demo.world import SERVICES, DemoMonitor, DemoService
from statustui.store.history import HistoryWriter

_FAMILY = UUID("0c9f6a52-57a5-4d0c-9f3e-0d2f1c7a9e11")


@dataclass(frozen=True, slots=True)
class Scene:
    """One world in the making.

    Attributes:
        writer: the open transaction.
        org_id, region: the database's short keys; keys: those of the monitors, by id.
        you: the role of the person in front.
        now: the present of the world; begun: the first moment of its past.
        pasts: what was seen, by monitor.
    """

    writer: HistoryWriter
    org_id: int
    region: int
    keys: Mapping[UUID, int]
    you: str
    targets: DemoTargets
    now: datetime
    begun: datetime
    pasts: Mapping[UUID, MonitorPast]


def monitors() -> list[tuple[DemoService, DemoMonitor]]:
    """Every monitor with its service."""
    return [(service, monitor) for service in SERVICES for monitor in service.monitors]


def window_times(now: datetime) -> list[tuple[PastWindow, tuple[datetime, datetime]]]:
    """Every maintenance window with its start and end, UTC."""
    times = []
    for window in WINDOWS:
        starts_at = window.starts_at(now)
        times.append((window, (starts_at, starts_at + timedelta(minutes=window.minutes))))
    return times


def identify(kind: str, name: str) -> UUID:
    """An id that is the same in every world."""
    return uuid5(_FAMILY, f"{kind}:{name}")
