"""Servers and databases for tests: one server per run, one clone of a template per test."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import asyncpg

from statustui.store.bootstrap import initialise
from statustui.store.connection import ConnectionTarget
from statustui.store.embedded import EmbeddedServer
from statustui.store.embedded_account import ServerAccount
from statustui.store.embedded_binaries import run_program
from statustui.store.embedded_leftovers import end_programs_in
from statustui.store.embedded_process import Postmaster

TEMPLATE = "statustui_template"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

# Nothing here outlives the run, so nothing waits for the disk.
_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 3_000_000_000
_PREFIX = "statustui-tests-"

TEST_SETTINGS = {"max_connections": "300", "shared_buffers": "64MB"}


class DatabaseServer(Protocol):
    """A running PostgreSQL that tests may fill with databases."""

    major_version: int

    def parameters(self, user: str, database: str) -> dict[str, Any]:
        """Keyword arguments of `asyncpg.connect` for one role and database."""
        ...


@dataclass(slots=True)
class EmbeddedDatabaseServer:
    """The product's own embedded server, shared by all workers of the run."""

    server: EmbeddedServer
    major_version: int = 18

    def parameters(self, user: str, database: str) -> dict[str, Any]:
        """See DatabaseServer."""
        return self.server.endpoint.dsn_parameters(user, database)


@dataclass(slots=True)
class DistributionDatabaseServer:
    """The distribution's PostgreSQL 15 on a private cluster of this worker."""

    postmaster: Postmaster
    major_version: int = 15

    def parameters(self, user: str, database: str) -> dict[str, Any]:
        """See DatabaseServer."""
        return {
            "host": self.postmaster.socket_folder,
            "port": 5432,
            "user": user,
            "database": database,
            "ssl": False,
        }


@dataclass(slots=True)
class Database:
    """One test's own database, migrated, with no organization in it.

    Roles belong to the whole server, which other tests use at the same time: take a person's role
    name from `person`, so that it is this test's alone; such roles are dropped with the database.
    """

    server: DatabaseServer
    name: str
    _connections: list[asyncpg.Connection] = field(default_factory=list)

    @property
    def major_version(self) -> int:
        """Major version of the server, 15 or 18."""
        return self.server.major_version

    def parameters(self, role: str = "postgres") -> dict[str, Any]:
        """Keyword arguments of `asyncpg.connect` as that role."""
        return self.server.parameters(role, self.name)

    def target(self, role: str = "postgres") -> ConnectionTarget:
        """What the store's pools are opened with, as that role."""
        return ConnectionTarget(self.parameters(role), f"{role}@test/{self.name}")

    def person(self, name: str) -> str:
        """A role name for a person of this test: `alice` becomes `alice_t7_gw0`."""
        return f"{name}_{self.name}"

    async def connect(self, role: str = "postgres") -> asyncpg.Connection:
        """Open a plain connection as that role; it is closed when the test ends."""
        connection = await asyncpg.connect(**self.parameters(role))
        self._connections.append(connection)
        return connection

    async def close(self) -> None:
        """Close what `connect` opened."""
        for connection in self._connections:
            if not connection.is_closed():
                await connection.close(timeout=5)
        self._connections.clear()


@contextmanager
def run_folder(parent: Path, run: str) -> Iterator[Path]:
    """A folder for the databases of this run, shared by its workers; the last one removes it.

    It lies in memory where there is enough: copying the template's thousand small files costs ten
    times as much on a disk. What a killed run has left there is swept away by the next.

    Args:
        parent: where it goes when there is not enough memory.
        run: name of the run, the same for all workers.
    """
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
        parent = _MEMORY
        _sweep(parent, run)
    folder = parent / f"{_PREFIX}{run}"
    while True:
        folder.mkdir(mode=0o711, exist_ok=True)
        with (folder / "in-use.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            if not (folder / "in-use.lock").exists():
                continue  # the last of another set of workers was just removing it
            try:
                yield folder
            finally:
                if _is_alone(lock):
                    shutil.rmtree(folder)
            return


def _sweep(parent: Path, run: str) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        lock_file = folder / "in-use.lock"
        if folder.name == f"{_PREFIX}{run}" or not os.access(lock_file, os.W_OK):
            continue
        with lock_file.open("a") as lock:
            if not _is_alone(lock):
                continue
            for cluster in (path.parent for path in folder.glob("*/*/PG_VERSION")):
                end_programs_in(cluster, cluster.stat().st_uid, patience_seconds=0)
            shutil.rmtree(folder, ignore_errors=True)


def _is_alone(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def embedded_database_server(
    folder: Path, name: str = "embedded"
) -> Iterator[EmbeddedDatabaseServer]:
    """Start or join the run's embedded server of that name; whoever leaves last stops it."""
    server = EmbeddedServer(folder / name, durable=False, extra_settings=TEST_SETTINGS)
    asyncio.run(server.start())
    wrapped = EmbeddedDatabaseServer(server)
    try:
        with _locked(folder / f"{name}.lock"):
            asyncio.run(prepare_template(wrapped))
        yield wrapped
    finally:
        asyncio.run(server.stop_if_last())


@contextmanager
def distribution_database_server(folder: Path, worker: str) -> Iterator[DistributionDatabaseServer]:
    """Make and start a private cluster of the distribution's PostgreSQL 15 for one worker."""
    account = unprivileged_account()
    home = folder / f"pg15-{worker}"
    home.mkdir(mode=0o711)
    cluster = home / "data"
    cluster.mkdir(mode=0o700)
    if account.is_separate:
        os.chown(cluster, account.uid, account.gid)
    made = run_program(
        account,
        [
            str(DEBIAN_15 / "initdb"),
            # Version 15 walks to its programs and back by path: it cannot be given a short cut.
            *("-D", str(cluster), "-U", "postgres"),
            *("--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        folder=cluster,
        timeout_seconds=60,
    )
    assert made.returncode == 0, made.stderr
    run = cluster / "run"
    run.mkdir(mode=0o700)
    if account.is_separate:
        os.chown(run, account.uid, account.gid)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": "run",
        "fsync": "off",
        "full_page_writes": "off",
        "timezone": "UTC",
        "dynamic_shared_memory_type": "mmap",
        **TEST_SETTINGS,
    }
    with (cluster / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    postmaster = Postmaster(cluster, account, home / "postgres.log")
    postmaster.start(DEBIAN_15, timeout_seconds=30)
    server = DistributionDatabaseServer(postmaster)
    try:
        asyncio.run(prepare_template(server))
        yield server
    finally:
        postmaster.stop()
        postmaster.close()
        shutil.rmtree(home)


async def prepare_template(server: DatabaseServer) -> None:
    """Migrate the template database unless another worker has done it; the caller holds a lock."""
    admin = await asyncpg.connect(**server.parameters("postgres", "postgres"))
    try:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
            return
        building = f"{TEMPLATE}_building"
        await admin.execute(f"CREATE DATABASE {building}")
        connection = await asyncpg.connect(**server.parameters("postgres", building))
        try:
            await initialise(connection)
        finally:
            await connection.close()
        await admin.execute(f"ALTER DATABASE {building} RENAME TO {TEMPLATE}")
    finally:
        await admin.close()


async def clone_database(server: DatabaseServer, name: str) -> Database:
    """Make a database from the template."""
    admin = await asyncpg.connect(**server.parameters("postgres", "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    finally:
        await admin.close()
    return Database(server, name)


async def drop_database(database: Database) -> None:
    """Remove a test's database and the roles of its people."""
    await database.close()
    admin = await asyncpg.connect(**database.server.parameters("postgres", "postgres"))
    try:
        await admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
        people = await admin.fetch(
            "SELECT quote_ident(rolname) AS name FROM pg_roles WHERE right(rolname, $1) = $2",
            len(database.name) + 1,
            f"_{database.name}",
        )
        for person in people:
            await admin.execute(f"DROP ROLE {person['name']}")
    finally:
        await admin.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def unprivileged_account() -> ServerAccount:
    """Who may run a PostgreSQL here: this user, or for root the distribution's."""
    me = pwd.getpwuid(os.geteuid())
    if me.pw_uid != 0:
        return ServerAccount(me.pw_uid, me.pw_gid, me.pw_name, me.pw_name, False, Path(me.pw_dir))
    other = pwd.getpwnam("postgres")
    return ServerAccount(
        other.pw_uid, other.pw_gid, other.pw_name, me.pw_name, True, Path(other.pw_dir)
    )


def has_distribution_15() -> bool:
    """Whether the distribution's PostgreSQL 15 is installed and can be executed."""
    try:
        done = subprocess.run(
            [DEBIAN_15 / "postgres", "--version"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
