"""Who may do what, tried in the database by every kind of person, on every table and verb."""

from __future__ import annotations

import json

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants

# Who may read rows of the organization, add one, change one, remove one. Parts that are not named
# may not; `stranger` owns another organization. "-" is nobody.
EVERYBODY = "owner admin member viewer"
SEEN = EVERYBODY + " statustui_engine"
RULES: dict[str, tuple[str, str, str, str]] = {
    "organizations": (SEEN, "-", "owner admin", "-"),
    "pages": (SEEN, "owner admin", "owner admin", "owner admin"),
    "page_tokens": (EVERYBODY, "owner admin", "owner admin", "-"),
    "page_services": (SEEN, "owner admin", "owner admin", "owner admin"),
    "members": (EVERYBODY, "owner", "owner", "owner"),
    "services": (SEEN, "owner admin member", "owner admin", "-"),
    "service_dependencies": (
        SEEN,
        "owner admin",
        "-",
        "owner admin",
    ),
    "service_state": (SEEN, "-", "-", "-"),
    "service_monitor_status": (
        SEEN,
        "statustui_engine",
        "statustui_engine",
        "statustui_engine",
    ),
    "service_status_changes": (SEEN, "-", "-", "-"),
    "monitors": (SEEN, "owner admin", "owner admin", "-"),
    "monitor_schedules": (SEEN, "-", "-", "-"),
    "monitor_state": (
        SEEN,
        "statustui_engine",
        "statustui_engine",
        "statustui_engine",
    ),
    "monitor_status": (
        SEEN,
        "statustui_engine",
        "statustui_engine",
        "statustui_engine",
    ),
    "monitor_state_changes": (SEEN, "statustui_engine", "-", "-"),
    "beats": (SEEN, "-", "-", "-"),
    "checks": (SEEN, "statustui_engine", "-", "-"),
    "rollups_hourly": (
        SEEN,
        "statustui_engine",
        "statustui_engine",
        "-",
    ),
    "rollups_daily": (SEEN, "statustui_engine", "statustui_engine", "-"),
    "evidence": (SEEN, "statustui_engine", "-", "-"),
    "observed": (SEEN, "statustui_engine", "statustui_engine", "-"),
    "incidents": (SEEN, "-", "owner admin member", "-"),
    "incident_services": (SEEN, "-", "-", "-"),
    "incident_updates": (SEEN, "-", "-", "-"),
    "pending_posts": (SEEN, "-", "-", "-"),
    "marks": (SEEN, "owner admin member", "-", "owner admin"),
    "mark_services": (SEEN, "owner admin member", "-", "-"),
    "maintenance_windows": (
        SEEN,
        "owner admin statustui_engine",
        "owner admin",
        "-",
    ),
    "maintenance_services": (
        SEEN,
        "owner admin statustui_engine",
        "-",
        "owner admin",
    ),
    "maintenance_updates": (SEEN, "owner admin", "-", "-"),
    "channels": (SEEN, "owner admin", "owner admin", "owner admin"),
    "outbox": (SEEN, "statustui_engine", "statustui_engine", "-"),
    # A draft is its writer's alone: nobody reads the one that is there, members write their own.
    "drafts": ("-", "owner admin member", "-", "-"),
    "audit_log": (EVERYBODY, "-", "-", "-"),
}

# Tables without an organization: whoever is named may, stranger included.
OPERATORS = EVERYBODY + " stranger"
ALL = OPERATORS + " statustui_engine"
SHARED_RULES: dict[str, tuple[str, str, str, str]] = {
    "plans": (ALL, "-", "-", "-"),
    "installation": (ALL, "-", "-", "-"),
    "users": (OPERATORS, "-", OPERATORS, "-"),
    "regions": (ALL, "statustui_engine", "statustui_engine", "-"),
    "leases": (ALL, "statustui_engine", "statustui_engine", "-"),
    "engines": (
        ALL,
        "statustui_engine",
        "statustui_engine",
        "statustui_engine",
    ),
    "shares": (ALL, "-", "-", "-"),
    "share_generations": (ALL, "-", "-", "statustui_engine"),
    "schema_migrations": (OPERATORS + " statustui_engine statustui_web", "-", "-", "-"),
    "acting_as": ("-", "-", "-", "-"),
    "check_partitions": ("-", "-", "-", "-"),
}

PARTS = ("owner", "admin", "member", "viewer", "stranger", "statustui_engine", "statustui_web")

# One new row of Acme for every table into which anybody may write.
INSERTS = {
    "pages": "(org_id, slug, name) VALUES ($org, 'second-page', 'P')",
    "page_tokens": "(org_id, page_id, name, token_hash) VALUES ($org, $page, 'b',"
    " decode(repeat('ab', 32), 'hex'))",
    "page_services": "(org_id, page_id, service_id) VALUES ($org, $page, $hidden)",
    "members": "(org_id, role_name, role) VALUES ($org, '$stranger', 'viewer')",
    "services": "(org_id, name) VALUES ($org, 'New')",
    "service_dependencies": "VALUES ($org, $new, $api)",
    "service_monitor_status": "VALUES ($hidden, $org, 'operational', now())",
    "monitors": "(org_id, service_id, name, type) VALUES ($org, $api, 'second', 'tcp')",
    "monitor_state": "(monitor, region, org_id, state_since) VALUES ($key, 2, $org, now())",
    "monitor_status": "(monitor, org_id, state, since) VALUES ($spare, $org, 'up', now())",
    "monitor_state_changes": "(org_id, monitor, from_state, to_state, effective_at)"
    " VALUES ($org, $key, 'up', 'down', now())",
    "beats": "(monitor, org_id, expected_from) VALUES ($key, $org, now())",
    "checks": "(monitor, region, checked_at, org_id, slot_at, status, duration_ms)"
    " VALUES ($key, 1, now(), $org, now(), 'failure', 1)",
    "rollups_hourly": "(org_id, monitor, hour) VALUES ($org, $key, '2026-01-01 00:00Z')",
    "rollups_daily": "(org_id, monitor, day) VALUES ($org, $key, '2026-01-01')",
    "evidence": "(org_id, monitor, region, checked_at) VALUES ($org, $key, 1, now())",
    "observed": "VALUES ($new_org, now(), now())",
    "marks": "(org_id, text) VALUES ($org, 'deploy')",
    "mark_services": "VALUES ($org, $mark, $hidden)",
    "maintenance_windows": "(org_id, title, starts_at, ends_at, recurrence_rule)"
    " VALUES ($org, 'W', now(), now() + interval '1 h', 'FREQ=DAILY')",
    "maintenance_services": "VALUES ($org, $window, $new)",
    "maintenance_updates": "(org_id, window_id, status, message)"
    " VALUES ($org, $window, 'scheduled', 'm')",
    "channels": "(org_id, name, kind) VALUES ($org, 'second', 'slack')",
    "outbox": "(org_id, channel_id, event, event_key, payload)"
    " VALUES ($org, $channel, 'ping', 'two', '{}')",
    "drafts": "(org_id, subject, kind, body) VALUES ($org, 'new', 'note', '{}')",
    # Nobody's to write: any row will do to be refused.
    "organizations": "(slug, name) VALUES ('third', 'Third')",
    "service_state": "(service_id, org_id) VALUES ($new, $org)",
    "service_status_changes": "(org_id, service_id, from_status, to_status, public_from, public_to,"
    " cause, effective_at) VALUES ($org, $api, 'operational', 'major_outage', 'operational',"
    " 'operational', 'manual', now())",
    "monitor_schedules": "VALUES ($key, 1, $org, now(), NULL, 60, 1)",
    "incidents": "(org_id, title, impact, created_by, is_public)"
    " VALUES ($org, 'T', 'none', 'x', false)",
    "incident_services": "(org_id, incident_id, service_id, from_status, to_status)"
    " VALUES ($org, $incident, $new, 'operational', 'operational')",
    "incident_updates": "(org_id, incident_id, status, message, is_public)"
    " VALUES ($org, $incident, 'identified', 'm', true)",
    "pending_posts": "(org_id, incident_id, base_version, status, message, is_public, public_at,"
    " notify_at) VALUES ($org, $incident, 1, 'identified', 'm', true, now(), now())",
    "audit_log": "(org_id, actor, action, table_name) VALUES ($org, 'x', 'insert', 'x')",
    "plans": "(name, min_interval_seconds, retention_days) VALUES ('mine', 5, 5)",
    "installation": "DEFAULT VALUES",
    "users": "(role_name) VALUES ('somebody')",
    "regions": "(name) VALUES ('eu-1')",
    "leases": "VALUES ('x', gen_random_uuid(), 1, now(), now())",
    "engines": "(id, region, host, process_id, version) VALUES (gen_random_uuid(), 1, 'h', 1, '1')",
    "shares": "(region) VALUES (2)",
    "share_generations": "VALUES (1, 99, '{}', 'left')",
    "schema_migrations": "VALUES (999, 'x', 'x')",
    "acting_as": "VALUES (1, 'x')",
    "check_partitions": "VALUES ('2020-01-01', 'x')",
}

# A column that may be changed, for every table in which anybody may change one.
UPDATES = {
    "organizations": "name = 'Acme'",
    "pages": "name = 'P'",
    "page_tokens": "revoked_at = now()",
    "page_services": "display_order = 3",
    "members": "role = 'admin'",
    "services": "pinned_status = 'major_outage'",
    "service_monitor_status": "status = 'partial_outage'",
    "monitors": "paused_until = now() + interval '1 h'",
    "monitor_state": "state = 'up'",
    "monitor_status": "state = 'down'",
    "rollups_hourly": "success = 2",
    "rollups_daily": "success = 2",
    "observed": "observed_at = now()",
    "incidents": "title = 'T'",
    "maintenance_windows": "title = 'T'",
    "channels": "is_active = false",
    "outbox": "attempts = 1",
    "users": "display_name = 'N'",
    "regions": "created_at = now()",
    "leases": "epoch = 2",
    "engines": "behind_seconds = 1",
    "drafts": "base_version = 1",
}

ALL_RULES = {**RULES, **SHARED_RULES}


@pytest.fixture
async def tenants(database: Database) -> Tenants:
    """Two organizations, and spare rows to refer to."""
    world = await settle_tenants(database)
    admin = await world.connect("postgres")
    world.ids["new"] = await admin.fetchval(
        "INSERT INTO services (org_id, name) VALUES ($1, 'Spare') RETURNING id", world.org
    )
    spare = await admin.fetchval(
        """INSERT INTO monitors (org_id, service_id, name, type)
           VALUES ($1, $2, 'spare', 'tcp') RETURNING key""",
        world.org,
        world.ids["new"],
    )
    new_org = await admin.fetchval(
        "INSERT INTO organizations (slug, name) VALUES ('new', 'New') RETURNING org_id"
    )
    await admin.execute("INSERT INTO regions (name) VALUES ('second')")
    await admin.execute("INSERT INTO leases VALUES ('l', gen_random_uuid(), 1, now(), now())")
    await admin.execute(
        """INSERT INTO engines (id, region, host, process_id, version)
           VALUES (gen_random_uuid(), 1, 'h', 1, '1')"""
    )
    await admin.execute("INSERT INTO shares (region) VALUES (1)")
    await admin.execute(
        "INSERT INTO share_generations VALUES (1, 1, '{}', 'left', now() - interval '8 days')"
    )
    world.numbers.update(spare=spare, new_org=new_org)
    return world


def filled(text: str, tenants: Tenants) -> str:
    """The SQL with Acme's ids in the places of their names."""
    values = {name: str(number) for name, number in tenants.numbers.items()}
    values |= {name: f"'{value}'" for name, value in tenants.ids.items()}
    text = text.replace("$stranger", tenants.people["stranger"])
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"${name}", values[name])
    return text


async def _attempt(connection: asyncpg.Connection, sql: str) -> int | None:
    """How many rows a statement reached, undone afterwards; None when it was refused."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return len(await connection.fetch(sql))
    except asyncpg.InsufficientPrivilegeError:
        return None
    finally:
        await transaction.rollback()


def _statements(table: str, tenants: Tenants) -> dict[str, str]:
    scope = f"WHERE org_id = {tenants.org}" if table in RULES else ""
    if table == "users":
        scope = "WHERE role_name = session_user"
    if table == "members":
        scope += f" AND role_name = '{tenants.people['viewer']}'"
    change = UPDATES.get(table, "org_id = org_id" if table in RULES else "")
    statements = {
        "select": f"SELECT 1 FROM {table} {scope}",
        "insert": f"INSERT INTO {table} {filled(INSERTS[table], tenants)}",
        "update": f"UPDATE {table} SET {change} {scope} RETURNING 1",
        "delete": f"DELETE FROM {table} {scope} RETURNING 1",
    }
    if table == "page_tokens":
        statements["select"] = f"SELECT id FROM page_tokens {scope}"
    if not change:
        statements["update"] = f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"
    return statements


async def test_no_table_is_forgotten(tenants: Tenants) -> None:
    admin = await tenants.connect("postgres")
    tables = await admin.fetch(
        """SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS is_forced
           FROM pg_class WHERE relnamespace = 'statustui'::regnamespace
             AND relkind IN ('r', 'p') AND NOT relispartition"""
    )
    assert {row["name"] for row in tables} == set(ALL_RULES)
    assert {row["name"] for row in tables if not row["is_forced"]} == {"schema_migrations"}


async def test_every_table_and_verb(tenants: Tenants) -> None:
    """The whole matrix: what the rules name works, all else does not."""
    wrong = []
    for part in PARTS:
        connection = await tenants.connect(part)
        # The page's sessions are read-only as well; here only the grants are tried.
        await connection.execute("SET default_transaction_read_only = off")
        for table, rules in ALL_RULES.items():
            statements = _statements(table, tenants)
            for (verb, statement), allowed in zip(statements.items(), rules, strict=True):
                reached = await _attempt(connection, statement)
                # An INSERT without RETURNING gives no row, and its success is no refusal.
                passes = reached is not None if verb == "insert" else bool(reached)
                if passes != (part in allowed.split()):
                    wrong.append((part, table, verb, reached))
    assert wrong == []


async def test_the_engine_knows_what_channels_are_called_and_no_more(tenants: Tenants) -> None:
    engine = await tenants.connect("statustui_engine")
    await engine.fetch("SELECT id, org_id, name, kind FROM channels")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await engine.fetch("SELECT config FROM channels")


async def test_an_insert_for_another_organization_is_refused(tenants: Tenants) -> None:
    stranger = await tenants.connect("stranger")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute(
            "INSERT INTO services (org_id, name) VALUES ($1, 'Mine')", tenants.org
        )


async def test_a_row_cannot_be_moved_to_another_organization(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("UPDATE services SET org_id = $1", tenants.other_org)


async def test_rows_of_two_organizations_cannot_be_joined(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await owner.execute(
            "INSERT INTO service_dependencies VALUES ($1, $2, $3)",
            tenants.org,
            tenants.ids["api"],
            tenants.ids["other_api"],
        )


async def test_another_role_lends_nothing(tenants: Tenants) -> None:
    """SET ROLE changes what tables may be touched, never whose rows are seen."""
    viewer = await tenants.connect("viewer")
    for role in ("statustui_owner", "statustui_engine", "statustui_rolemaker"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await viewer.execute(f"SET ROLE {role}")
    await viewer.execute("SET ROLE statustui_operator")
    assert await viewer.fetchval("SELECT count(DISTINCT org_id) FROM services") == 1


async def test_partitions_are_closed(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    partition = await owner.fetchval(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'checks'::regclass"
        " ORDER BY 1 LIMIT 1"
    )
    for part in ("owner", "statustui_engine", "statustui_web"):
        connection = await tenants.connect(part)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM {partition}")


async def test_functions_refuse_who_may_not(tenants: Tenants) -> None:
    ids = tenants.ids
    calls = (
        ("SELECT incident_create($1, 'T', 'major', 'm')", tenants.org),
        ("SELECT post_update($1, 'm')", ids["incident"]),
        ("SELECT add_note($1, 'm')", ids["incident"]),
        ("SELECT acknowledge($1)", ids["incident"]),
        ("SELECT release_acknowledgement($1)", ids["incident"]),
        ("SELECT snooze($1, now() + interval '1 h')", ids["incident"]),
        ("SELECT incident_edit($1, 'T')", ids["incident"]),
        ("SELECT incident_publish($1)", ids["internal_incident"]),
        ("SELECT incident_delete($1)", ids["incident"]),
        ("SELECT redact_update($1)", ids["incident_update"]),
        ("SELECT request_run($1)", ids["monitor"]),
        ("SELECT member_remove($1, 'x')", tenants.org),
        ("SELECT member_set_role($1, 'x', 'owner')", tenants.org),
        ("SELECT member_add($1, 'x', 'owner')", tenants.org),
        ("SELECT organization_set_plan($1, 'free')", tenants.org),
    )
    # Whoever sees the organization hears "may not"; to others nothing is there.
    for part, expected in (("viewer", "SU003"), ("stranger", "SU002"), ("statustui_web", "42501")):
        connection = await tenants.connect(part)
        for sql, argument in calls:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(sql, argument)
            assert caught.value.sqlstate == expected, (part, sql)


async def test_what_only_owners_do(tenants: Tenants) -> None:
    ids = tenants.ids
    calls = (
        ("SELECT incident_delete($1)", ids["incident"]),
        ("SELECT redact_update($1)", ids["incident_update"]),
        ("SELECT member_set_role($1, session_user::text, 'owner')", tenants.org),
        ("SELECT organization_set_plan($1, 'free')", tenants.org),
    )
    for part in ("admin", "member"):
        connection = await tenants.connect(part)
        for sql, argument in calls:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(sql, argument)
            assert caught.value.sqlstate == "SU003", sql
            assert tenants.people["owner"] in (caught.value.hint or "")


async def test_inner_functions_are_the_owners_alone(tenants: Tenants) -> None:
    """What decides for others behind the checks is callable by none of them."""
    inner = {
        "apply_post",
        "ask_of_services",
        "lock_incident",
        "lock_incident_as",
        "lock_post_as",
        "add_event",
        "audited",
        "mask_secrets",
        "write_audit",
        "announce",
    }
    for part in ("owner", "statustui_web", "statustui_engine"):
        connection = await tenants.connect(part)
        names = await connection.fetch(
            """SELECT proname AS name FROM pg_proc WHERE pronamespace = 'statustui'::regnamespace
               AND has_function_privilege(session_user, oid, 'EXECUTE')"""
        )
        assert not {row["name"] for row in names} & inner, part
    public = await connection.fetchval(
        """SELECT count(*)
           FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
           WHERE p.pronamespace = 'statustui'::regnamespace AND a.grantee = 0"""
    )
    assert public == 0


async def test_the_engine_decides_and_people_do_not(tenants: Tenants) -> None:
    owner = await tenants.connect("owner")
    for sql in (
        "SELECT recompute_service_status('{}', 'monitor')",
        "SELECT advance_maintenance()",
        "SELECT move_automatic_incident(gen_random_uuid(), 'resolved', 'm')",
        "SELECT lease_take('keeper', gen_random_uuid(), 6)",
        "SELECT queue_event(1, 'ping', 'k', '{}')",
        "SELECT statustui_logins.make_login('somebody', NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(sql)


async def test_policies_ask_once_per_statement(tenants: Tenants) -> None:
    """The plan calls my_orgs in an InitPlan: once, however many rows there are."""
    owner = await tenants.connect("owner")
    text = await owner.fetchval(
        "EXPLAIN (FORMAT JSON, ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM services"
    )
    plan = json.loads(text)[0]["Plan"]
    (initial,) = [node for node in plan["Plans"] if node["Parent Relationship"] == "InitPlan"]
    assert initial["Node Type"] == "Result"
    assert initial["Actual Loops"] == 1
    assert "my_orgs" not in plan["Filter"]
    assert "InitPlan" in plan["Filter"] or "$0" in plan["Filter"]


# -- the page's role ---------------------------------------------------------------------------


@pytest.fixture
async def web(tenants: Tenants) -> asyncpg.Connection:
    """A connection as the page's role."""
    return await tenants.connect("statustui_web")


async def test_the_page_reads_views_only(tenants: Tenants, web: asyncpg.Connection) -> None:
    readable = {
        row["name"]: row["kind"]
        for row in await web.fetch(
            """SELECT relname AS name, relkind::text AS kind FROM pg_class
               WHERE relnamespace = 'statustui'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                 AND has_any_column_privilege(oid, 'SELECT')"""
        )
    }
    assert readable.pop("schema_migrations") == "r"
    assert set(readable.values()) == {"v"}
    assert all(name.startswith("public_") for name in readable)
    barriers = await web.fetchval(
        """SELECT bool_and(coalesce('security_barrier=true' = ANY (reloptions), false))
           FROM pg_class WHERE relnamespace = 'statustui'::regnamespace AND relkind = 'v'"""
    )
    assert barriers is True


async def test_no_public_view_holds_a_secret(tenants: Tenants, web: asyncpg.Connection) -> None:
    """Everything that the page's role can read, as text: nothing in it is the house's alone."""
    admin = await tenants.connect("postgres")
    await admin.execute("UPDATE incidents SET lead = 'secret-person', postmortem = 'secret-text'")
    views = [
        row["name"]
        for row in await web.fetch(
            """SELECT relname AS name FROM pg_class WHERE relkind = 'v'
               AND relnamespace = 'statustui'::regnamespace AND relname LIKE 'public%'"""
        )
    ]
    assert len(views) >= 12
    everything = ""
    for view in views:
        rows = await web.fetch(f"SELECT to_json(v)::text AS row FROM {view} v")
        assert rows, view
        everything += "\n".join(row["row"] for row in rows)
    assert "words of incident" in everything
    assert "secret" not in everything
    assert "words of internal_incident" not in everything
    assert "Database" not in everything
    assert str(tenants.ids["hidden"]) not in everything
    assert str(tenants.ids["internal_incident"]) not in everything
    assert str(tenants.ids["monitor"]) not in everything
    assert "health" not in everything
    assert tenants.people["owner"] not in everything


async def test_each_page_has_its_own_services(tenants: Tenants, web: asyncpg.Connection) -> None:
    names = "SELECT array_agg(name ORDER BY name) FROM public_services WHERE page_slug = $1"
    assert await web.fetchval(names, "acme-corp") == ["API", "Spare"]
    owner = await tenants.connect("owner")
    await owner.execute("UPDATE pages SET lists_all = false WHERE slug = 'acme-corp'")
    assert await web.fetchval(names, "acme-corp") == ["API"]
    await owner.execute("DELETE FROM page_services")
    incidents = "SELECT count(*) FROM public_incidents WHERE page_slug = $1"
    assert await web.fetchval(names, "acme-corp") is None
    assert await web.fetchval(incidents, "acme-corp") == 0
    assert await web.fetchval(incidents, "other") == 1


async def test_a_deleted_incident_leaves_the_page(
    tenants: Tenants, web: asyncpg.Connection
) -> None:
    owner = await tenants.connect("owner")
    await owner.execute("SELECT incident_delete($1)", tenants.ids["incident"])
    for view in ("public_incidents", "public_incident_services", "public_incident_updates"):
        assert await web.fetchval(f"SELECT count(*) FROM {view} WHERE page_slug = 'acme-corp'") == 0


async def test_the_page_cannot_write(tenants: Tenants, web: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await web.execute("CREATE TEMP TABLE mine (a int)")
    await web.execute("SET default_transaction_read_only = off")
    for sql in (
        "UPDATE public_pages SET name = 'x'",
        "DELETE FROM public_page_tokens",
        "INSERT INTO marks (org_id, text) VALUES (1, 'x')",
        "CREATE TABLE statustui.mine (a int)",
    ):
        with pytest.raises(
            (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)
        ):
            await web.execute(sql)


async def test_page_tokens_are_compared_by_their_hash(
    tenants: Tenants, web: asyncpg.Connection
) -> None:
    hashes = "SELECT count(*) FROM public_page_tokens WHERE page_slug = 'acme-corp'"
    assert await web.fetchval(hashes) == 1
    owner = await tenants.connect("owner")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.fetch("SELECT token_hash FROM page_tokens")
    await owner.execute("UPDATE page_tokens SET revoked_at = now()")
    assert await web.fetchval(hashes) == 0
