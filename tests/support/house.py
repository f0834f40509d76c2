"""An organization with people, services and monitors, as an operator meets it, without a watch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from statustui.domain.monitor import parse_monitor
from statustui.store.connection import open_pool
from statustui.store.operator import OperatorStore
from tests.support.databases import Database


@dataclass(slots=True)
class House:
    """Acme with four services: API and Checkout need Database, which no page shows; Docs stands
    alone.

    Attributes:
        org: its id; admin: a superuser's connection, for what the watch would write.
        stores: the store of each person: owner, admin, member, viewer.
        services, monitors: ids by name.
    """

    database: Database
    org: int
    admin: asyncpg.Connection
    stores: dict[str, OperatorStore]
    services: dict[str, UUID] = field(default_factory=dict)
    monitors: dict[str, UUID] = field(default_factory=dict)

    @property
    def store(self) -> OperatorStore:
        """The owner's store."""
        return self.stores["owner"]

    def person(self, part: str) -> str:
        """The role name of a person."""
        return self.database.person(part)

    async def key(self, monitor: str) -> int:
        """The key under which checks know a monitor."""
        key: int = await self.admin.fetchval(
            "SELECT key FROM monitors WHERE id = $1", self.monitors[monitor]
        )
        return key

    async def see(
        self,
        monitor: str,
        state: str,
        *,
        since: datetime | None = None,
        reason: str = "",
        error_kind: str | None = None,
        **columns: object,
    ) -> None:
        """Write what the watch writes when a monitor's state is settled, its service included."""
        now = datetime.now(UTC)
        since = since or now
        key = await self.key(monitor)
        service = await self.admin.fetchval(
            "SELECT service_id FROM monitors WHERE id = $1", self.monitors[monitor]
        )
        values: dict[str, object] = {
            "monitor": key,
            "region": 1,
            "org_id": self.org,
            "state": state,
            "state_since": since,
            "last_checked_at": now,
            "last_status": "failure" if state == "down" else "success",
            "last_error_kind": error_kind,
            "last_reason": reason,
            "last_duration_ms": 12.5,
            **columns,
        }
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in values)
        await self.admin.execute(
            f"INSERT INTO monitor_state ({names}) VALUES ({places})"
            f" ON CONFLICT (monitor, region) DO UPDATE SET {changes}",
            *values.values(),
        )
        before = await self.admin.fetchval(
            "SELECT state FROM monitor_status WHERE monitor = $1", key
        )
        await self.admin.execute(
            """INSERT INTO monitor_status (monitor, org_id, state, since, error_kind, reason)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (monitor) DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since,
                   error_kind = EXCLUDED.error_kind, reason = EXCLUDED.reason""",
            key,
            self.org,
            state,
            since,
            error_kind,
            reason,
        )
        if (before or "unknown") != state:
            await self.admin.execute(
                """INSERT INTO monitor_state_changes (org_id, monitor, from_state, to_state, reason,
                       error_kind, effective_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)""",
                self.org,
                key,
                before or "unknown",
                state,
                reason,
                error_kind,
                since,
            )
        say = {"down": "major_outage", "degraded": "degraded_performance"}.get(state, "operational")
        await self.admin.execute(
            """INSERT INTO service_monitor_status (service_id, org_id, status, since)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (service_id) DO UPDATE SET status = EXCLUDED.status,
                   since = EXCLUDED.since""",
            service,
            self.org,
            say,
            since,
        )
        await self.admin.fetch("SELECT * FROM recompute_service_status($1, 'monitor')", [service])

    async def open_automatic(
        self, service: str, *, title: str = "API is unavailable", minutes: int = 5
    ) -> str:
        """Open an incident as the watch does; returns its code."""
        code: str = await self.admin.fetchval(
            """SELECT code FROM open_automatic_incident($1, $2, 'critical', true,
                   'We see failures and look into it.', $3, 'major_outage', 'refused',
                   'refused')""",
            self.services[service],
            title,
            datetime.now(UTC) - timedelta(minutes=minutes),
        )
        return code

    async def roll_up(self, monitor: str, day: datetime, **counts: object) -> None:
        """Write a daily sum."""
        values = {"org_id": self.org, "monitor": await self.key(monitor), **counts}
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(2, len(values) + 2))
        await self.admin.execute(
            f"INSERT INTO rollups_daily (day, {names}) VALUES ($1, {places})",
            day.date(),
            *values.values(),
        )


@asynccontextmanager
async def open_house(database: Database) -> AsyncIterator[House]:
    """Fill a migrated database and open a store for each person."""
    async with AsyncExitStack() as stack:
        admin = await database.connect()
        await admin.execute("SET search_path = statustui, pg_temp")
        owner_role = database.person("owner")
        await admin.execute(f"CREATE ROLE {owner_role} LOGIN IN ROLE statustui_operator")
        owner = await database.connect(owner_role)
        org = await owner.fetchval(
            "SELECT org_id FROM statustui.organization_create('Acme Corp', 'acme')"
        )
        for part in ("admin", "member", "viewer"):
            await owner.fetchval(
                "SELECT statustui.member_add($1, $2, $3)", org, database.person(part), part
            )
        await owner.close()
        stores = {}
        for part in ("owner", "admin", "member", "viewer"):
            pool = await open_pool(database.target(database.person(part)))
            stack.push_async_callback(pool.close)
            stores[part] = OperatorStore(pool)
        house = House(database, org, admin, stores)
        store = house.store
        for name, group, visible in (
            ("Database", "Core", False),
            ("API", "Core", True),
            ("Checkout", "Shop", True),
            ("Docs", None, True),
        ):
            needs = [house.services["Database"]] if name in ("API", "Checkout") else []
            house.services[name] = await store.add_service(
                org, name, group_name=group, is_visible=visible, depends_on=needs
            )
            house.monitors[name] = await store.add_monitor(
                org,
                house.services[name],
                parse_monitor(
                    {
                        "name": "health",
                        "type": "http",
                        "interval": "30s",
                        "config": {
                            "url": f"http://127.0.0.1:9/{name}?token=s3cr3t",
                            "headers": {"Authorization": "Bearer s3cr3t"},
                        },
                        "tags": ["eu"],
                    }
                ),
            )
        yield house


def detail(**values: object) -> str:
    """A look in detail, as it is stored."""
    return json.dumps(values)
