"""What every room's tests share: a fresh migrated database on a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.databases import (
    Database,
    DatabaseServer,
    DistributionDatabaseServer,
    EmbeddedDatabaseServer,
    clone_database,
    distribution_database_server,
    drop_database,
    embedded_database_server,
    has_distribution_15,
    run_folder,
)

_STORE_TESTS = Path(__file__).parent / "store"
_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the store's database tests on both servers, everybody else's on the embedded one."""
    if "server_kind" in metafunc.fixturenames:
        both = metafunc.definition.path.is_relative_to(_STORE_TESTS)
        if metafunc.definition.get_closest_marker("embedded_only"):
            both = False
        metafunc.parametrize("server_kind", ["pg18", "pg15"] if both else ["pg18"], scope="session")


@pytest.fixture(scope="session")
def databases_folder(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, testrun_uid: str
) -> Iterator[Path]:
    """A folder for databases that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    with run_folder(base if worker_id == "master" else base.parent, testrun_uid) as folder:
        yield folder


@pytest.fixture(scope="session")
def embedded_server(databases_folder: Path) -> Iterator[EmbeddedDatabaseServer]:
    """The run's embedded server, joined."""
    with embedded_database_server(databases_folder) as server:
        yield server


@pytest.fixture(scope="session")
def distribution_server(
    databases_folder: Path, worker_id: str
) -> Iterator[DistributionDatabaseServer]:
    """The distribution's PostgreSQL 15, or a skip that says it is not there."""
    if not has_distribution_15():
        pytest.skip("PostgreSQL 15 of the distribution is not installed")
    with distribution_database_server(databases_folder, worker_id) as server:
        yield server


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest, server_kind: str) -> DatabaseServer:
    """The server this test runs on."""
    name = {"pg18": "embedded_server", "pg15": "distribution_server"}[server_kind]
    server: DatabaseServer = request.getfixturevalue(name)
    return server


@pytest.fixture
async def database(database_server: DatabaseServer, worker_id: str) -> AsyncIterator[Database]:
    """A migrated database of this test's own, without any organization."""
    made = await clone_database(database_server, f"t{next(_numbers)}_{worker_id}")
    try:
        yield made
    finally:
        await drop_database(made)
