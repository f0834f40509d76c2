"""An organization with services and monitors for tests of what the engine does with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.observation import Observation, Phases
from statustui.domain.scheduling import Due
from statustui.domain.sharing import Share
from statustui.domain.status import ErrorKind
from statustui.store.connection import open_pool
from statustui.store.engine import EngineStore, Lease
from tests.support.databases import Database

ENGINE_ROLE = "statustui_engine"


def seen(at: datetime, status_code: int = 200, duration_ms: float = 12.0) -> Observation:
    """An answer of an HTTP server."""
    return Observation(
        started_at=at,
        duration_ms=duration_ms,
        connected=True,
        status_code=status_code,
        body=b'{"status": "ok"}',
        headers={"content-type": "application/json", "set-cookie": "session=1"},
        address="127.0.0.1:80",
        phases=Phases(connect_ms=1.0, first_byte_ms=2.0),
        repeat_command="curl http://127.0.0.1/",
    )


def refused(at: datetime) -> Observation:
    """A connection that was refused."""
    return Observation(
        started_at=at,
        duration_ms=1.0,
        error_kind=ErrorKind.REFUSED,
        reason="connect to 127.0.0.1:80 refused",
    )


@dataclass(slots=True)
class Story:
    """An engine's store on a test's database, and what it remembers from look to look."""

    admin: asyncpg.Connection
    store: EngineStore
    org_id: int
    holder: UUID = field(default_factory=uuid4)
    lease: Lease = field(init=False)
    share: Share = field(init=False)
    region: int = 1
    memories: dict[int, Memory] = field(default_factory=dict)

    async def take(self) -> None:
        """Take the keeper's lease and a share, and let both last through a slow test."""
        await self.store.register(self.holder, "local", "test", 1, "1")
        self.share = await self.store.join(self.region, self.holder)
        lease = await self.store.take_lease("keeper", self.holder, {"holder": "test:1"}, 3_600)
        assert lease is not None
        self.lease = lease
        await self.admin.execute(
            "UPDATE statustui.engines SET heartbeat_at = now() + interval '1 hour'"
        )

    async def release(self) -> None:
        """Leave everything to the engines of a test."""
        await self.store.release_lease(self.lease)
        await self.store.leave(self.share)

    async def service(
        self,
        name: str,
        *,
        visible: bool = True,
        needs: tuple[UUID, ...] = (),
        mode: str | None = None,
    ) -> UUID:
        """Add a service."""
        service_id: UUID = await self.admin.fetchval(
            """INSERT INTO statustui.services (org_id, name, is_visible, automatic_incidents)
            VALUES ($1, $2, $3, $4) RETURNING id""",
            self.org_id,
            name,
            visible,
            mode,
        )
        for needed in needs:
            await self.admin.execute(
                """INSERT INTO statustui.service_dependencies (org_id, service_id, depends_on_id)
                VALUES ($1, $2, $3)""",
                self.org_id,
                service_id,
                needed,
            )
        return service_id

    async def monitor(
        self,
        service: UUID,
        name: str = "health",
        *,
        url: str | None = None,
        interval_seconds: int = 5,
        timeout_ms: int = 1_000,
        failure_threshold: int = 1,
        retry_interval_seconds: int = 1,
        created_before: timedelta = timedelta(0),
    ) -> int:
        """Add an HTTP monitor, of a host of its own unless one is named, and give its key."""
        key: int = await self.admin.fetchval(
            """INSERT INTO statustui.monitors (org_id, service_id, name, type, config,
                interval_seconds, timeout_ms, failure_threshold, retry_interval_seconds)
            VALUES ($1, $2, $3, 'http', $4, $5, $6, $7, $8) RETURNING key""",
            self.org_id,
            service,
            name,
            json.dumps({"url": url or f"http://{uuid4().hex[:12]}.test/"}),
            interval_seconds,
            timeout_ms,
            failure_threshold,
            retry_interval_seconds,
        )
        if created_before:
            await self.admin.execute(
                """UPDATE statustui.monitor_schedules SET from_at = from_at - $2::interval
                WHERE monitor = $1""",
                key,
                created_before,
            )
        return key

    async def watched(self, key: int) -> WatchedMonitor:
        """The monitor as the engine reads it."""
        work = await self.store.load_work("local", self.region)
        return work.monitors[key]

    def decide(
        self,
        monitor: WatchedMonitor,
        observation: Observation,
        *,
        slot_at: datetime | None = None,
        extra: bool = False,
        in_maintenance: bool = False,
    ) -> Decision:
        """What one look leads to, remembered for the next."""
        decision = decide(
            monitor,
            self.memories.get(monitor.key, Memory()),
            observation,
            Due(observation.started_at, slot_at or observation.started_at, is_extra=extra),
            in_maintenance=in_maintenance,
        )
        self.memories[monitor.key] = decision.memory
        return decision

    async def look(self, key: int, observation: Observation) -> None:
        """One look of one monitor, recorded."""
        decision = self.decide(await self.watched(key), observation)
        await self.store.record_batch(self.share, [decision], datetime.now(UTC))

    async def incidents(self) -> list[Mapping[str, Any]]:
        """All incidents, oldest first."""
        rows = await self.admin.fetch(
            "SELECT * FROM statustui.incidents WHERE org_id = $1 ORDER BY created_at, code",
            self.org_id,
        )
        return [dict(row) for row in rows]

    async def updates(self, incident: UUID) -> list[Mapping[str, Any]]:
        """An incident's rows of text, oldest first."""
        rows = await self.admin.fetch(
            "SELECT * FROM statustui.incident_updates WHERE incident_id = $1 ORDER BY created_at",
            incident,
        )
        return [dict(row) for row in rows]

    async def status(self, service: UUID) -> tuple[str, str]:
        """A service's status for the house and for the public."""
        row = await self.admin.fetchrow(
            "SELECT current_status, public_status FROM statustui.service_state"
            " WHERE service_id = $1",
            service,
        )
        assert row is not None
        return row["current_status"], row["public_status"]

    async def organization(self, **columns: object) -> None:
        """Change columns of the organization."""
        for name, value in columns.items():
            await self.admin.execute(
                f"UPDATE statustui.organizations SET {name} = $2 WHERE org_id = $1",
                self.org_id,
                value,
            )


@asynccontextmanager
async def engine_story(database: Database) -> AsyncIterator[Story]:
    """An organization on the `team` plan, and an engine that may decide."""
    admin = await database.connect()
    org_id = await admin.fetchval(
        """INSERT INTO statustui.organizations (slug, name, recovery_watch_seconds)
        VALUES ('acme', 'Acme', 0) RETURNING org_id"""
    )
    pool = await open_pool(database.target(ENGINE_ROLE), max_size=3)
    try:
        story = Story(admin, EngineStore(pool), org_id)
        await story.take()
        yield story
    finally:
        await pool.close()
