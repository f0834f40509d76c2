"""The tables as the checker reads them: one snapshot, in plain rows, through plain SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from tests.support import bookkeeping

Row = asyncpg.Record

_QUERIES = {
    "monitors": """
        SELECT m.key, m.org_id, m.service_id, m.name, m.config ->> 'url' AS url, m.interval_seconds,
               m.timeout_ms, m.failure_threshold, m.recovery_threshold, m.retry_interval_seconds,
               u.state
        FROM statustui.monitors m LEFT JOIN statustui.monitor_status u ON u.monitor = m.key
        WHERE m.deleted_at IS NULL AND m.type = 'http'""",
    "services": """
        SELECT s.id, s.org_id, s.name, s.is_visible, s.pinned_status,
               coalesce(s.automatic_incidents, o.automatic_incidents) AS mode,
               o.recovery_watch_seconds, st.current_status,
               EXISTS (SELECT FROM statustui.maintenance_services ms
                       JOIN statustui.maintenance_windows w ON w.id = ms.window_id
                       WHERE ms.service_id = s.id AND w.status = 'in_progress') AS in_window,
               EXISTS (SELECT FROM statustui.incident_services x
                       JOIN statustui.incidents i ON i.id = x.incident_id
                       WHERE x.service_id = s.id AND x.asked_status IS NOT NULL
                         AND i.status <> 'resolved' AND i.deleted_at IS NULL) AS is_asked
        FROM statustui.services s
        JOIN statustui.organizations o ON o.org_id = s.org_id
        JOIN statustui.service_state st ON st.service_id = s.id
        WHERE s.deleted_at IS NULL""",
    "checks": """
        SELECT monitor, region, checked_at, slot_at, status, error_kind, is_retry, status_code,
               duration_ms, reason
        FROM statustui.checks ORDER BY monitor, checked_at""",
    "incidents": """
        SELECT id, org_id, code, status, is_auto, is_public, started_at, monitoring_at, resolved_at,
               touched_at, created_at, is_retroactive
        FROM statustui.incidents WHERE deleted_at IS NULL ORDER BY started_at, code""",
    "incident_services": "SELECT incident_id, service_id FROM statustui.incident_services",
    "updates": """
        SELECT incident_id, kind, status, message, is_public, author, created_at
        FROM statustui.incident_updates ORDER BY incident_id, created_at, id""",
    "outbox": """
        SELECT q.channel_id, c.name AS channel, q.event, q.event_key, q.incident_id,
               q.payload ->> 'status' AS status, q.payload ->> 'update_id' AS update_id,
               q.created_at
        FROM statustui.outbox q JOIN statustui.channels c ON c.id = q.channel_id
        ORDER BY q.channel_id, q.incident_id, q.created_at, q.id""",
    "channels": """
        SELECT id, org_id, name FROM statustui.channels WHERE is_active AND events = '{}'""",
}


@dataclass(frozen=True, slots=True)
class Tables:
    """One snapshot of a database.

    Attributes:
        at: when it was taken, on the database's clock.
        wrong_rollups: where sums differ from the checks they are made of.
        strange_checks: checks that no timetable planned.
    """

    at: float
    monitors: tuple[Row, ...]
    services: Mapping[UUID, Row]
    checks: Mapping[int, tuple[Row, ...]]
    incidents: tuple[Row, ...]
    services_of: Mapping[UUID, tuple[UUID, ...]]
    updates: tuple[Row, ...]
    outbox: tuple[Row, ...]
    channels: tuple[Row, ...]
    wrong_rollups: tuple[str, ...]
    strange_checks: tuple[str, ...]

    @property
    def automatic(self) -> list[Row]:
        """The incidents that the engine opened."""
        return [incident for incident in self.incidents if incident["is_auto"]]

    def monitors_of(self, service: UUID) -> list[Row]:
        """The monitors of a service."""
        return [monitor for monitor in self.monitors if monitor["service_id"] == service]


async def read_tables(connection: asyncpg.Connection) -> Tables:
    """Take a snapshot.

    Args:
        connection: of a superuser, since every table has row-level security.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = {name: await connection.fetch(query) for name, query in _QUERIES.items()}
        at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        wrong: list[str] = []
        strange: list[str] = []
        for org_id in sorted({monitor["org_id"] for monitor in rows["monitors"]}):
            wrong += await bookkeeping.wrong_rollups(connection, org_id)
            strange += await bookkeeping.strange_checks(connection, org_id)
    checks: dict[int, list[Row]] = defaultdict(list)
    for check in rows["checks"]:
        checks[check["monitor"]].append(check)
    services_of: dict[UUID, list[UUID]] = defaultdict(list)
    for link in rows["incident_services"]:
        services_of[link["incident_id"]].append(link["service_id"])
    return Tables(
        at=at.timestamp(),
        monitors=tuple(rows["monitors"]),
        services={service["id"]: service for service in rows["services"]},
        checks={key: tuple(some) for key, some in checks.items()},
        incidents=tuple(rows["incidents"]),
        services_of={key: tuple(some) for key, some in services_of.items()},
        updates=tuple(rows["updates"]),
        outbox=tuple(rows["outbox"]),
        channels=tuple(rows["channels"]),
        wrong_rollups=tuple(wrong),
        strange_checks=tuple(strange),
    )
