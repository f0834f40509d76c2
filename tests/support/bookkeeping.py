"""Counts uptime and coverage by hand, from raw checks and timetables, and compares the figures.

Nothing of what it checks is used in it: no rollup, no function of the database, no code of the
domain. Slots are told off one by one, checks are counted one by one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTS = ("success", "degraded", "failure", "timeout", "unknown")
_BUCKETS = tuple(f"h{number:02}" for number in range(24))
_BOUNDS = tuple(30_000 ** (number / 22) for number in range(23))

Figures = dict[str, float]


def slots_of(
    interval_seconds: int, phase_ms: int, begin: datetime, end: datetime
) -> Iterable[datetime]:
    """Every instant, from `begin` up to but not including `end`, at which a look is planned."""
    step = interval_seconds * 1000
    number = ((begin - _EPOCH) // timedelta(milliseconds=1) - phase_ms) // step
    while True:
        slot = _EPOCH + timedelta(milliseconds=phase_ms + number * step)
        if slot >= end:
            return
        if slot >= begin:
            yield slot
        number += 1


def _add(sums: Figures, check: asyncpg.Record) -> None:
    if check["in_maintenance"]:
        sums["maintenance"] += 1
        return
    sums[check["status"]] += 1
    if check["status"] in ("success", "degraded"):
        took = check["duration_ms"]
        sums["timed"] += 1
        sums["sum_ms"] += took
        sums["min_ms"] = min(sums.get("min_ms", took), took)
        sums["max_ms"] = max(sums.get("max_ms", took), took)
        sums[_BUCKETS[sum(took > bound for bound in _BOUNDS)]] += 1


async def wrong_rollups(admin: asyncpg.Connection, org_id: int) -> list[str]:
    """Where hourly and daily sums say something else than the checks they are made of.

    Args:
        admin: a connection that may read everything.
        org_id: whose books are audited.
    """
    checks = await admin.fetch("SELECT * FROM statustui.checks WHERE org_id = $1", org_id)
    by_hand: dict[tuple[str, int, object], Figures] = defaultdict(lambda: defaultdict(float))
    slots: dict[tuple[str, int, object], set[tuple[int, datetime]]] = defaultdict(set)
    for check in checks:
        for table, at_of in (("hourly", _hour), ("daily", _day)):
            _add(by_hand[table, check["monitor"], at_of(check["checked_at"])], check)
            if not check["is_retry"] and check["status"] != "unknown":
                key = (table, check["monitor"], at_of(check["slot_at"]))
                slots[key].add((check["region"], check["slot_at"]))
    for key, looked in slots.items():
        by_hand[key]["slots"] = len(looked)
    kept: dict[tuple[str, int, object], Mapping[str, Any]] = {}
    for table, column in (("hourly", "hour"), ("daily", "day")):
        rows = await admin.fetch(
            f"SELECT * FROM statustui.rollups_{table} WHERE org_id = $1", org_id
        )
        kept |= {(table, row["monitor"], row[column]): row for row in rows}
    wrong: list[str] = []
    for key in sorted(by_hand.keys() | kept.keys(), key=str):
        mine, row = by_hand.get(key, {}), kept.get(key, {})
        names = (*_COUNTS, "maintenance", "slots", "timed", "sum_ms", "min_ms", "max_ms", *_BUCKETS)
        for name in names:
            counted, said = mine.get(name) or 0.0, row.get(name) or 0.0
            if abs(counted - said) > max(0.01, counted * 1e-5):
                wrong.append(f"{key} {name}: {said:g} kept, {counted:g} counted")
    return wrong


async def by_hand(
    admin: asyncpg.Connection, org_id: int, end: datetime
) -> dict[UUID, dict[date, Counter[str]]]:
    """What each service's days amounted to: succeeded, looked, slots that had their look, planned.

    Args:
        admin: a connection that may read everything.
        org_id: whose checks are counted.
        end: slots and checks from then on are left out.
    """
    days: dict[UUID, dict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    services = {
        row["key"]: row["service_id"]
        for row in await admin.fetch(
            "SELECT key, service_id FROM statustui.monitors WHERE org_id = $1", org_id
        )
    }
    seen: set[tuple[int, int, datetime]] = set()
    for check in await admin.fetch("SELECT * FROM statustui.checks WHERE org_id = $1", org_id):
        service = services[check["monitor"]]
        if check["status"] == "unknown":
            continue
        slot = (check["monitor"], check["region"], check["slot_at"])
        if not check["is_retry"] and slot not in seen and check["slot_at"] < end:
            seen.add(slot)
            days[service][_day(check["slot_at"])]["slots"] += 1
        if not check["in_maintenance"] and check["checked_at"] < end:
            counter = days[service][_day(check["checked_at"])]
            counter["looked"] += 1
            counter["succeeded"] += check["status"] in ("success", "degraded")
    for row in await admin.fetch(
        "SELECT * FROM statustui.monitor_schedules WHERE org_id = $1", org_id
    ):
        until = end if row["to_at"] is None else min(end, row["to_at"])
        service = services[row["monitor"]]
        for slot in slots_of(row["interval_seconds"], row["phase_ms"], row["from_at"], until):
            days[service][_day(slot)]["planned"] += 1
    return days


async def strange_checks(admin: asyncpg.Connection, org_id: int) -> list[str]:
    """Checks that no timetable planned, that share a slot, or that run ahead of their slot."""
    rows = await admin.fetch(
        """SELECT c.*, s.interval_seconds, s.phase_ms
        FROM statustui.checks c
        LEFT JOIN LATERAL (
            SELECT * FROM statustui.monitor_schedules s
            WHERE s.monitor = c.monitor AND s.region = c.region AND s.from_at <= c.slot_at
              AND coalesce(s.to_at, 'infinity') > c.slot_at
            ORDER BY s.from_at LIMIT 1) s ON true
        WHERE c.org_id = $1 AND NOT c.is_retry ORDER BY c.monitor, c.checked_at""",
        org_id,
    )
    strange: list[str] = []
    looked: set[tuple[int, int, datetime]] = set()
    for row in rows:
        slot, name = row["slot_at"], f"monitor {row['monitor']} at {row['checked_at']}"
        if (key := (row["monitor"], row["region"], slot)) in looked:
            strange.append(f"{name}: its slot {slot} was looked at twice")
        looked.add(key)
        if row["interval_seconds"] is None:
            strange.append(f"{name}: no timetable planned its slot {slot}")
        elif ((slot - _EPOCH) // timedelta(milliseconds=1) - row["phase_ms"]) % (
            row["interval_seconds"] * 1000
        ):
            strange.append(f"{name}: {slot} is no slot of its timetable")
        if row["checked_at"] < slot - timedelta(milliseconds=50):
            strange.append(f"{name}: it looked before its slot {slot}")
    return strange


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
