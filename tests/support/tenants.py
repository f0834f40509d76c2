"""A small world in one database: two organizations, a person of every role, one row everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.support.databases import Database

ROLES = ("owner", "admin", "member", "viewer")


@dataclass(frozen=True, slots=True)
class Tenants:
    """Two organizations, Acme and Other, and who is who.

    Attributes:
        people: role names by part: the four roles of Acme, and `stranger`, who owns Other.
        org, other_org: their org_id.
        ids: public ids of Acme's rows by a short name; `other_…` are Other's.
        numbers: Acme's `org` and the `key` of its monitor; tests may add their own.
    """

    database: Database
    people: dict[str, str]
    org: int
    other_org: int
    ids: dict[str, UUID]
    numbers: dict[str, int]

    @property
    def key(self) -> int:
        """The key of Acme's monitor."""
        return self.numbers["key"]

    async def connect(self, part: str) -> asyncpg.Connection:
        """A plain connection as a person (by part) or as a program's role (by its name)."""
        connection = await self.database.connect(self.people.get(part, part))
        await connection.execute("SET search_path = statustui, pg_temp")
        return connection


async def settle_tenants(database: Database) -> Tenants:
    """Fill a migrated database the way people and the engine would."""
    admin = await database.connect()
    await admin.execute("SET search_path = statustui, pg_temp")
    people = {part: database.person(part) for part in (*ROLES, "stranger")}
    for part in ("owner", "stranger"):
        await admin.execute(f"CREATE ROLE {people[part]} LOGIN IN ROLE statustui_operator")
    owner = await database.connect(people["owner"])
    org = await owner.fetchval("SELECT org_id FROM statustui.organization_create('Acme Corp')")
    for part in ROLES[1:]:
        await owner.fetchval("SELECT statustui.member_add($1, $2, $3)", org, people[part], part)
    other_org = await _create_other(admin, people["stranger"])
    ids: dict[str, UUID] = {}
    key = await _fill(admin, org, "", ids)
    await _fill(admin, other_org, "other_", ids)
    await admin.close()
    await owner.close()
    return Tenants(database, people, org, other_org, ids, {"org": org, "key": key})


async def _create_other(admin: asyncpg.Connection, stranger: str) -> int:
    # A second organization needs an owner of another one or a superuser; made by hand here.
    async with admin.transaction():
        org: int = await admin.fetchval(
            "INSERT INTO organizations (slug, name) VALUES ('other', 'Other') RETURNING org_id"
        )
        await admin.execute("INSERT INTO users (role_name) VALUES ($1)", stranger)
        await admin.execute("INSERT INTO members VALUES ($1, $2, 'owner')", org, stranger)
        await admin.execute("INSERT INTO pages (org_id, slug, name) VALUES ($1, 'other', 'O')", org)
    return org


async def _fill(admin: asyncpg.Connection, org: int, prefix: str, ids: dict[str, UUID]) -> int:
    """One row in every tenant table, written by the superuser, whom no policy holds."""

    async def add(name: str, sql: str, *arguments: Any) -> UUID:
        ids[prefix + name] = await admin.fetchval(sql, *arguments)
        return ids[prefix + name]

    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    page = await add("page", "SELECT id FROM pages WHERE org_id = $1", org)
    service = "INSERT INTO services (org_id, name, is_visible) VALUES ($1, $2, $3) RETURNING id"
    api = await add("api", service, org, "API", True)
    hidden = await add("hidden", service, org, "Database", False)
    await admin.execute("INSERT INTO page_services VALUES ($1, $2, $3)", org, page, api)
    await admin.execute("INSERT INTO service_dependencies VALUES ($1, $2, $3)", org, api, hidden)
    await admin.execute(
        "INSERT INTO page_tokens (org_id, page_id, name, token_hash) VALUES ($1, $2, 'a', $3)",
        org,
        page,
        uuid4().bytes * 2,
    )
    monitor = await admin.fetchrow(
        """INSERT INTO monitors (org_id, service_id, name, type, config)
           VALUES ($1, $2, 'health', 'http', '{"url": "https://secret-host.test/"}')
           RETURNING id, key""",
        org,
        api,
    )
    assert monitor is not None
    ids[prefix + "monitor"] = monitor["id"]
    key: int = monitor["key"]
    await admin.execute(
        """INSERT INTO monitor_state (monitor, region, org_id, state_since)
           VALUES ($1, 1, $2, $3)""",
        key,
        org,
        now,
    )
    await admin.execute(
        "INSERT INTO beats (monitor, org_id, expected_from) VALUES ($1, $2, $3)", key, org, now
    )
    await admin.execute(
        "INSERT INTO monitor_status (monitor, org_id, state, since) VALUES ($1, $2, 'up', $3)",
        key,
        org,
        now,
    )
    await admin.execute(
        """INSERT INTO monitor_state_changes (org_id, monitor, from_state, to_state, effective_at)
           VALUES ($1, $2, 'unknown', 'up', $3)""",
        org,
        key,
        now,
    )
    await admin.execute(
        """INSERT INTO service_monitor_status (service_id, org_id, status, since)
           VALUES ($1, $2, 'operational', $3)""",
        api,
        org,
        now,
    )
    await admin.execute(
        """INSERT INTO service_status_changes (org_id, service_id, from_status, to_status,
               public_from, public_to, cause, effective_at)
           VALUES ($1, $2, 'operational', 'major_outage', 'operational', 'major_outage',
                   'monitor', $3)""",
        org,
        api,
        now - timedelta(days=1),
    )
    await admin.execute(
        """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status, duration_ms,
               reason)
           VALUES ($1, 1, $2, $3, $2, 'success', 12, 'secret-reason')""",
        key,
        now,
        org,
    )
    await admin.execute(
        "INSERT INTO rollups_hourly (org_id, monitor, hour, success) VALUES ($1, $2, $3, 1)",
        org,
        key,
        hour,
    )
    await admin.execute(
        "INSERT INTO rollups_daily (org_id, monitor, day, success) VALUES ($1, $2, $3, 1)",
        org,
        key,
        now.date(),
    )
    await admin.execute(
        "INSERT INTO evidence (org_id, monitor, region, checked_at) VALUES ($1, $2, 1, $3)",
        org,
        key,
        now,
    )
    await admin.execute("INSERT INTO observed VALUES ($1, $2, $2)", org, now)
    incident = """INSERT INTO incidents (org_id, title, internal_title, impact, created_by,
                      is_public, published_at)
                  VALUES ($1, $2, 'secret-cause', 'major', 'secret-person', $3,
                          CASE WHEN $3 THEN now() END) RETURNING id"""
    update = """INSERT INTO incident_updates (org_id, incident_id, kind, status, message, is_public,
                    author)
                VALUES ($1, $2, $3, 'investigating', $4, $5, 'secret-person') RETURNING id"""
    for name, is_public in (("incident", True), ("internal_incident", False)):
        made = await add(name, incident, org, name, is_public)
        await admin.execute(
            """INSERT INTO incident_services (org_id, incident_id, service_id, from_status,
                   to_status) SELECT $1, $2, s, 'operational', 'partial_outage'
               FROM unnest($3::uuid[]) s""",
            org,
            made,
            [api, hidden],
        )
        await add(f"{name}_update", update, org, made, "update", f"words of {name}", True)
        await add(f"{name}_note", update, org, made, "note", "secret-note", False)
    await admin.execute(
        """INSERT INTO pending_posts (org_id, incident_id, base_version, status, message, is_public,
               public_at, notify_at, taken_back_at, taken_back_by)
           VALUES ($1, $2, 1, 'identified', 'secret-draft', true, now(), now(), now(), 'x')""",
        org,
        ids[prefix + "incident"],
    )
    mark = await add("mark", "INSERT INTO marks (org_id, text) VALUES ($1, 'x') RETURNING id", org)
    await admin.execute("INSERT INTO mark_services VALUES ($1, $2, $3)", org, mark, api)
    window = await add(
        "window",
        """INSERT INTO maintenance_windows (org_id, title, starts_at, ends_at)
           VALUES ($1, 'Restart', now() + interval '1 day', now() + interval '2 days')
           RETURNING id""",
        org,
    )
    await admin.execute(
        "INSERT INTO maintenance_services SELECT $1, $2, s FROM unnest($3::uuid[]) s",
        org,
        window,
        [api, hidden],
    )
    await admin.execute(
        """INSERT INTO maintenance_updates (org_id, window_id, status, message)
           VALUES ($1, $2, 'scheduled', 'soon')""",
        org,
        window,
    )
    channel = await add(
        "channel",
        """INSERT INTO channels (org_id, name, kind, events)
           VALUES ($1, 'hook', 'webhook', '{ping}') RETURNING id""",
        org,
    )
    await admin.execute(
        """INSERT INTO outbox (org_id, channel_id, event, event_key, payload)
           VALUES ($1, $2, 'ping', 'one', '{}')""",
        org,
        channel,
    )
    await admin.execute(
        """INSERT INTO drafts (org_id, role_name, subject, kind, body)
           VALUES ($1, 'x', 'new', 'note', '{}')""",
        org,
    )
    return key
