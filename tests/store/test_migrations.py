"""Preparing a database: who may, what is created, and that repeating or racing it does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from statustui.domain.errors import Conflict, Forbidden, ValidationFailed
from statustui.store import bootstrap, migrate
from statustui.store.bootstrap import initialise, inspect
from tests.support.databases import (
    Database,
    DatabaseServer,
    distribution_database_server,
    embedded_database_server,
    has_distribution_15,
)

ROLES = {
    "statustui_owner",
    "statustui_rolemaker",
    "statustui_operator",
    "statustui_engine",
    "statustui_web",
}
ALL = tuple(migration.name for migration in migrate.available())


@pytest.fixture(scope="module", params=["pg18", "pg15"])
def private_server(
    request: pytest.FixtureRequest, databases_folder: Path, worker_id: str
) -> Iterator[DatabaseServer]:
    """A server of this module's own, because roles belong to a whole server."""
    if request.param == "pg18":
        with embedded_database_server(databases_folder, f"private-{worker_id}") as embedded:
            yield embedded
        return
    if not has_distribution_15():
        pytest.skip("PostgreSQL 15 of the distribution is not installed")
    with distribution_database_server(databases_folder, f"private-{worker_id}") as distribution:
        yield distribution


@pytest.fixture
async def bare(private_server: DatabaseServer) -> AsyncIterator[Server]:
    """That server with no database and none of the program's roles."""
    async with AsyncExitStack() as stack:
        server = Server(private_server, stack)
        await server.wipe()
        yield server


class Server:
    """A server to prepare from nothing."""

    def __init__(self, server: DatabaseServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def connect(self, user: str, database: str) -> asyncpg.Connection:
        connection = await asyncpg.connect(**self.server.parameters(user, database))
        self._stack.push_async_callback(connection.close)
        return connection

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(**self.server.parameters("postgres", "postgres"))
        try:
            yield connection
        finally:
            await connection.close()

    async def execute(self, *statements: str) -> None:
        async with self.admin() as admin:
            for statement in statements:
                await admin.execute(statement)

    async def wipe(self) -> None:
        async with self.admin() as admin:
            for row in await admin.fetch(
                "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0',"
                " 'template1')"
            ):
                await admin.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
            # Roles that granted something last: 16 and later remember who granted a membership.
            for row in await admin.fetch(
                "SELECT rolname FROM pg_roles WHERE oid >= 16384"
                " ORDER BY rolname NOT LIKE 'statustui%', rolname"
            ):
                await admin.execute(f'DROP ROLE "{row["rolname"]}"')


async def _lasting_memberships(connection: asyncpg.Connection, member: str) -> set[str]:
    """The roles that a member could use or become, now that preparing is over."""
    version = connection.get_server_version().major
    manners = ("USAGE", "SET") if version >= 16 else ("MEMBER",)
    rows = await connection.fetch(
        """SELECT r.rolname AS name FROM pg_roles r, unnest($3::text[]) AS manner
           WHERE r.rolname = ANY ($2::text[]) AND pg_has_role($1, r.oid, manner)""",
        member,
        sorted(ROLES),
        manners,
    )
    return {row["name"] for row in rows}


# -- files -------------------------------------------------------------------------------------


def _write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1;")
    return folder


def test_migrations_are_numbered_without_gaps() -> None:
    found = migrate.available()
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))


def test_a_gap_or_a_double_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without gaps"):
        migrate.available(_write(tmp_path, "0001_a.sql", "0003_b.sql"))
    with pytest.raises(ValueError, match="without gaps"):
        migrate.available(_write(tmp_path, "0002_a.sql", "0003_c.sql"))


def test_other_files_are_no_migrations(tmp_path: Path) -> None:
    _write(tmp_path, "0001_a.sql", "notes.sql", "0002_b.sql.bak")
    assert [migration.name for migration in migrate.available(tmp_path)] == ["0001_a"]


def test_an_edited_migration_is_refused() -> None:
    first = migrate.Migration(1, "0001_a", "SELECT 1")
    applied = migrate.Applied(1, "0001_a", "another checksum", None)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="edited after it was applied"):
        migrate.pending([applied], [first])


def test_a_database_of_a_newer_version_is_refused() -> None:
    applied = migrate.Applied(2, "0002_b", "x", None)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="does not know"):
        migrate.pending([applied], [migrate.Migration(1, "0001_a", "SELECT 1")])


# -- preparing ---------------------------------------------------------------------------------


async def test_a_superuser_prepares_a_database_once(bare: Server) -> None:
    await bare.execute("CREATE DATABASE one")
    connection = await bare.connect("postgres", "one")
    before = await inspect(connection)
    assert (before.initialised, before.may_initialise, before.pending) == (False, True, ALL)
    report = await initialise(connection)
    assert report.applied == ALL
    assert set(report.created_roles) == ROLES
    assert await initialise(connection) == bootstrap.InitReport((), ())
    after = await inspect(connection)
    assert (after.initialised, after.applied, after.pending) == (True, ALL, ())
    assert (after.role, after.is_superuser) == ("postgres", True)
    owners = await connection.fetch(
        """SELECT DISTINCT pg_get_userbyid(relowner) AS name FROM pg_class
           WHERE relnamespace = 'statustui'::regnamespace"""
    )
    assert [row["name"] for row in owners] == ["statustui_owner"]


async def test_a_role_that_may_create_roles_prepares_its_database(bare: Server) -> None:
    await bare.execute("CREATE ROLE chief LOGIN CREATEROLE", "CREATE DATABASE one OWNER chief")
    chief = await bare.connect("chief", "one")
    report = await initialise(chief)
    assert (report.applied, set(report.created_roles)) == (ALL, ROLES)
    # What was borrowed was given back; being one of the people is what stays.
    assert await _lasting_memberships(chief, "chief") == {"statustui_operator"}
    assert await initialise(chief) == bootstrap.InitReport((), ())
    assert (await inspect(chief)).applied == ALL

    org = await bootstrap.create_organization(chief, name="Acme Corp")
    member = "SELECT * FROM statustui.member_add($1, $2, 'viewer')"
    assert (await chief.fetchrow(member, org, "walter"))["role_name"] == "walter"
    walter = await bare.connect("walter", "one")
    assert await walter.fetchval("SELECT slug FROM statustui.organizations") == "acme-corp"
    state = await inspect(walter)
    assert (state.initialised, state.applied, state.may_initialise) == (True, ALL, False)


async def test_who_may_not_is_told_who_may_and_what_to_run(bare: Server) -> None:
    await bare.execute("CREATE ROLE plain LOGIN", "CREATE DATABASE one OWNER plain")
    plain = await bare.connect("plain", "one")
    with pytest.raises(Forbidden, match="plain may not prepare") as caught:
        await initialise(plain)
    assert "CREATEROLE" in caught.value.advice
    statements = bootstrap.statements_by_hand("plain")
    assert statements in caught.value.advice

    admin = await bare.connect("postgres", "one")
    await admin.execute(statements)
    assert (await inspect(plain)).may_initialise
    assert await initialise(plain) == bootstrap.InitReport(ALL, ())
    assert await bootstrap.create_organization(plain, name="Acme") == 1


async def test_a_stranger_to_the_database_may_not(bare: Server) -> None:
    await bare.execute("CREATE ROLE maker LOGIN CREATEROLE", "CREATE DATABASE one")
    maker = await bare.connect("maker", "one")
    state = await inspect(maker)
    assert not state.may_initialise
    assert "its owner is postgres" in state.who_may
    with pytest.raises(Forbidden):
        await initialise(maker)


async def test_many_start_at_once_and_one_prepares(bare: Server) -> None:
    await bare.execute("CREATE DATABASE one")
    connections = [await bare.connect("postgres", "one") for _ in range(5)]
    reports = await asyncio.gather(*(initialise(connection) for connection in connections))
    applied = [name for report in reports for name in report.applied]
    assert sorted(applied) == sorted(ALL)
    assert {role for report in reports for role in report.created_roles} == ROLES


async def test_two_databases_of_one_server_are_prepared_at_once(bare: Server) -> None:
    """The roles are the server's: both want to create them, neither fails."""
    await bare.execute(
        "CREATE ROLE chief LOGIN CREATEROLE",
        "CREATE DATABASE one OWNER chief",
        "CREATE DATABASE two OWNER chief",
    )
    one, two = await bare.connect("chief", "one"), await bare.connect("chief", "two")
    reports = await asyncio.gather(initialise(one), initialise(two))
    assert [report.applied for report in reports] == [ALL, ALL]
    assert sorted(role for report in reports for role in report.created_roles) == sorted(ROLES)


async def test_the_embedded_servers_first_person_gets_a_login(bare: Server) -> None:
    await bare.execute("CREATE DATABASE one")
    connection = await bare.connect("postgres", "one")
    await initialise(connection, operator="carol")
    await initialise(connection, operator="carol")
    users = await connection.fetch("SELECT role_name FROM statustui.users")
    assert [row["role_name"] for row in users] == ["carol"]
    carol = await bare.connect("carol", "one")
    assert await bootstrap.create_organization(carol, name="Ärger & Söhne", timezone="UTC") == 1
    slug = await carol.fetchval("SELECT slug FROM statustui.organizations")
    assert await carol.fetchval("SELECT statustui.is_slug($1)", slug)


async def test_passwords_travel_as_verifiers(bare: Server) -> None:
    await bare.execute("CREATE DATABASE one")
    connection = await bare.connect("postgres", "one")
    await initialise(connection, passwords={"statustui_engine": "quite-secret"})
    stored = await connection.fetchval(
        "SELECT rolpassword FROM pg_authid WHERE rolname = 'statustui_engine'"
    )
    salt = stored.split(":")[1].split("$")[0]
    assert stored == bootstrap.scram_verifier("quite-secret", salt=_decoded(salt))
    with pytest.raises(ValidationFailed):
        await initialise(connection, passwords={"statustui_web": "schlüssel"})


async def test_two_databases_of_one_server_have_logins_of_their_own(bare: Server) -> None:
    await bare.execute(
        "CREATE ROLE chief LOGIN CREATEROLE",
        "CREATE DATABASE one OWNER chief",
        "CREATE DATABASE two OWNER chief",
    )
    for name in ("one", "two"):
        chief = await bare.connect("chief", name)
        logins = {
            f"statustui_engine_{name}": "engine-secret",
            f"statustui_web_{name}": "web-secret",
        }
        await initialise(chief, passwords=logins)
        await initialise(chief, passwords=logins)
        await bootstrap.create_organization(chief, name="Acme")
    engine = await bare.connect("statustui_engine_two", "two")
    assert await engine.fetchval("SELECT count(*) FROM statustui.organizations") == 1
    web = await bare.connect("statustui_web_two", "two")
    assert await web.fetchval("SELECT page_slug FROM statustui.public_pages") == "acme"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await web.execute("CREATE TEMP TABLE mine (a int)")
    for login in ("statustui_owner", "statustui_engineer", "walter"):
        with pytest.raises(ValidationFailed):
            await initialise(chief, passwords={login: "x"})


def _decoded(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


def test_a_verifier_is_that_of_the_published_example() -> None:
    """User "user", password "pencil": RFC 7677's example exchange."""
    assert bootstrap.scram_verifier("pencil", salt=_decoded("W22ZaJ0SNY7soEsUEjb6gQ==")) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


async def test_logins_with_power_of_their_own_are_refused(bare: Server) -> None:
    await bare.execute(
        "CREATE DATABASE one",
        "CREATE ROLE super_one LOGIN SUPERUSER",
        "CREATE ROLE maker LOGIN CREATEROLE",
        "CREATE ROLE copier LOGIN REPLICATION",
        "CREATE ROLE passer LOGIN BYPASSRLS",
        "CREATE ROLE crowd NOLOGIN",
        "CREATE ROLE plain LOGIN",
    )
    connection = await bare.connect("postgres", "one")
    await initialise(connection)
    make = "SELECT statustui_logins.make_login($1, $2)"
    for name in ("super_one", "maker", "copier", "passer", "crowd", "pg_monitor", "statustui_web"):
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute(make, name, None)
        assert caught.value.sqlstate == "SU003", name
    for name, verifier, code in (
        ("x" * 64, None, "SU001"),
        ("a\nb", None, "SU001"),
        ("fresh", "a password", "SU001"),
        ("plain", bootstrap.scram_verifier("x"), "SU004"),
    ):
        with pytest.raises(asyncpg.PostgresError) as caught:
            await connection.execute(make, name, verifier)
        assert caught.value.sqlstate == code
    assert await connection.fetchval(make, "plain", None) is False
    assert await connection.fetchval(make, 'a"b; DROP', bootstrap.scram_verifier("x")) is True
    assert await _lasting_memberships(connection, 'a"b; DROP') == {"statustui_operator"}


# -- the ledger --------------------------------------------------------------------------------


async def test_an_edited_file_stops_everything(database: Database) -> None:
    connection = await database.connect()
    await connection.execute(
        "UPDATE statustui.schema_migrations SET checksum = 'x' WHERE number = 3"
    )
    for attempt in (initialise, inspect):
        with pytest.raises(Conflict, match=f"{ALL[2]} was edited"):
            await attempt(connection)


async def test_a_migration_that_fails_leaves_nothing(database: Database) -> None:
    connection = await database.connect()
    known = migrate.available()
    number = len(known) + 1
    broken = migrate.Migration(
        number, "broken", "CREATE TABLE half (a int); SELECT 1 / 0; CREATE TABLE rest (a int)"
    )
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate.apply_pending(connection, bootstrap.owner_transaction, (*known, broken))
    assert await connection.fetchval("SELECT to_regclass('statustui.half')") is None
    assert await connection.fetchval("SELECT current_user = session_user")
    assert [row.number for row in await migrate.load_applied(connection)] == [
        migration.number for migration in known
    ]
    good = migrate.Migration(number, "good", "CREATE TABLE half (a int)")
    assert await migrate.apply_pending(connection, bootstrap.owner_transaction, (*known, good)) == (
        "good",
    )
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'half'"
    assert await connection.fetchval(owner) == "statustui_owner"


async def test_announcements_are_heard(database: Database) -> None:
    assert await bootstrap.hears_announcements(database.target())
