"""The embedded server with real processes: shared, refused, killed, brought back, stopped last."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from statustui.domain.errors import DatabaseUnavailable, Forbidden
from statustui.store import embedded, embedded_binaries
from statustui.store.embedded import EmbeddedEndpoint, EmbeddedServer
from statustui.store.embedded_account import SYSTEM_ACCOUNT, server_account
from statustui.store.embedded_binaries import find_binaries, run_program
from tests.support.people import plain_user, run_program_as, start_program_as

# Starts a server in argv[1], says so, and leaves when its input ends: stopping, or just dying.
USE_SERVER = """
import asyncio, sys
from pathlib import Path
from statustui.store.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]), durable=False)
    endpoint = await server.start()
    print("started" if endpoint.was_started else "joined", endpoint.server_version, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print("stopped" if await server.stop_if_last() else "left", flush=True)

asyncio.run(main())
"""

# Tries to connect to the socket folder argv[1] as role argv[2] and prints what came of it.
CONNECT = """
import asyncio, sys, asyncpg

async def main():
    try:
        connection = await asyncpg.connect(
            host=sys.argv[1], user=sys.argv[2], database="postgres", ssl=False
        )
    except (asyncpg.PostgresError, OSError) as error:
        print(type(error).__name__, error)
        return
    print("connected", await connection.fetchval("SELECT session_user"))
    await connection.close()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user of the host can reach, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="statustui-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Callable[..., EmbeddedServer]]:
    """Makes servers that are stopped when the test ends, whatever it did to them."""
    async with AsyncExitStack() as stack:

        def make(data_dir: Path = folder / "data") -> EmbeddedServer:
            server = EmbeddedServer(data_dir, durable=False)
            stack.push_async_callback(server.stop_if_last)
            return server

        yield make


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def processes_of(data_dir: Path) -> list[int]:
    """Every live process that works in the cluster's folder."""
    found = []
    cluster = os.stat(data_dir / "postgres")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.path.samestat(os.stat(entry / "cwd"), cluster):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def state_of(pid: int) -> str:
    """The kernel's letter for a process: T is stopped, Z is dead and not collected."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is seen to be so."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


async def ask(endpoint: EmbeddedEndpoint, query: str, *values: object) -> object:
    connection = await asyncpg.connect(**endpoint.dsn_parameters("postgres", "postgres"))
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def keep_a_row(endpoint: EmbeddedEndpoint) -> None:
    await ask(endpoint, "CREATE TABLE kept (text text)")
    await ask(endpoint, "INSERT INTO kept VALUES ('still here')")


async def test_first_start_joining_and_the_last_one_out(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    first, second = servers(), servers()
    started = await first.start()
    assert started.was_started
    assert started.server_version == first.server_version
    assert started.server_version.startswith("18.")
    assert await first.start() is started, "starting twice is starting once"

    joined = await second.start()
    assert not joined.was_started
    await keep_a_row(started)
    assert await ask(joined, "SELECT text FROM kept") == "still here"

    pid = postmaster_pid(folder / "data")
    assert not await first.stop_if_last(), "another still uses it"
    assert await ask(joined, "SELECT 1") == 1
    assert await second.stop_if_last()
    assert processes_of(folder / "data") == []
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()
    assert not await second.stop_if_last(), "leaving twice is leaving once"

    again = await servers().start()
    assert again.was_started
    assert postmaster_pid(folder / "data") != pid
    assert await ask(again, "SELECT text FROM kept") == "still here"


async def test_leaving_it_running_for_the_next(servers: Callable[..., EmbeddedServer]) -> None:
    first, second = servers(), servers()
    await first.start()
    await first.release()
    joined = await second.start()
    assert not joined.was_started
    assert await second.stop_if_last()


async def test_it_listens_on_one_private_socket_only(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    endpoint = await servers().start()
    for setting, wanted in {
        "listen_addresses": "",
        "unix_socket_directories": "run",
        "dynamic_shared_memory_type": "mmap",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
    }.items():
        assert await ask(endpoint, "SELECT current_setting($1)", setting) == wanted
    data_dir = folder / "data"
    for private in (data_dir, data_dir / "postgres", data_dir / "postgres" / "run"):
        assert private.stat().st_mode & 0o777 == 0o700
    rules = await ask(
        endpoint,
        "SELECT string_agg(concat_ws(' ', type, database, user_name, auth_method), ';') "
        "FROM pg_hba_file_rules",
    )
    assert rules == "local {all} {all} peer"
    for name in ("pg_hba_file_rules", "pg_ident_file_mappings"):
        assert await ask(endpoint, f"SELECT count(*) FROM {name} WHERE error IS NOT NULL") == 0


async def test_its_owner_connects_as_any_role(servers: Callable[..., EmbeddedServer]) -> None:
    endpoint = await servers().start()
    await ask(endpoint, 'CREATE ROLE "Ana Ruiz" LOGIN')
    connection = await asyncpg.connect(**endpoint.dsn_parameters("Ana Ruiz", "postgres"))
    assert await connection.fetchval("SELECT session_user") == "Ana Ruiz"
    await connection.close()
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(**endpoint.dsn_parameters("nobody_made_me", "postgres"))


async def test_a_path_of_200_characters_and_one_with_spaces_and_quotes(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    long = folder / ("a" * 100) / ("b" * 100)
    odd = folder / "with space, 'quotes' and \"ümlaut\""
    for data_dir in (long, odd):
        endpoint = await servers(data_dir).start()
        assert await ask(endpoint, "SELECT 1") == 1
    assert len(str(long)) > 200


async def test_four_processes_start_at_once(folder: Path) -> None:
    data_dir = str(folder / "data")
    starters = [await start_program_as(None, USE_SERVER, data_dir) for _ in range(4)]
    said = []
    async with asyncio.timeout(60):
        for starter in starters:
            assert starter.stdout is not None
            said.append((await starter.stdout.readline()).decode().split()[0])
    assert sorted(said) == ["joined", "joined", "joined", "started"]
    left = []
    for starter in starters:
        output, errors = await starter.communicate(b"")
        assert (starter.returncode, errors) == (0, b"")
        left.append(output.decode().strip())
    assert left == ["left", "left", "left", "stopped"]
    assert processes_of(folder / "data") == []


async def test_a_server_whose_users_were_killed_is_taken_over(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    user = await start_program_as(None, USE_SERVER, str(folder / "data"))
    assert user.stdout is not None
    assert (await user.stdout.readline()).startswith(b"started")
    pid = postmaster_pid(folder / "data")
    user.kill()
    await user.communicate(b"")

    server = servers()
    assert not (await server.start()).was_started
    assert postmaster_pid(folder / "data") == pid
    assert await server.stop_if_last(), "the dead do not count as users"


async def test_everything_killed_then_started_again(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    user = await start_program_as(None, USE_SERVER, str(folder / "data"))
    assert user.stdout is not None
    assert (await user.stdout.readline()).startswith(b"started")
    other = servers()
    await keep_a_row(await other.start())
    await other.release()
    for pid in [*processes_of(folder / "data"), user.pid]:
        os.kill(pid, signal.SIGKILL)
    await user.communicate(b"")

    endpoint = await servers().start()
    assert endpoint.was_started
    assert await ask(endpoint, "SELECT text FROM kept") == "still here"


async def test_it_is_brought_back_on_the_same_address(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    server = servers()
    endpoint = await server.start()
    await keep_a_row(endpoint)
    assert not await server.ensure_alive(), "it lives"
    for pid in processes_of(folder / "data"):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        async with asyncio.timeout(20):
            while True:
                # A backend that was just dying may still take the line and drop it.
                with contextlib.suppress(ConnectionResetError, asyncpg.ConnectionDoesNotExistError):
                    await ask(endpoint, "SELECT 1")
    assert await server.ensure_alive()
    assert await ask(endpoint, "SELECT text FROM kept") == "still here"


async def test_processes_that_outlive_the_killed_server_are_waited_for(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    server = servers()
    endpoint = await server.start()
    connection = await asyncpg.connect(**endpoint.dsn_parameters("postgres", "postgres"))
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)  # it cannot notice that its server is gone
    postmaster = postmaster_pid(folder / "data")
    os.kill(postmaster, signal.SIGKILL)
    await until(lambda: postmaster not in processes_of(folder / "data"))
    assert await server.ensure_alive()
    assert backend not in processes_of(folder / "data")
    assert await ask(endpoint, "SELECT 1") == 1
    connection.terminate()


async def test_a_dead_server_that_nobody_collected(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    # The starter is stopped, so it cannot take its child's exit status: the process stays, dead,
    # under its id, and PostgreSQL alone would believe that it runs.
    user = await start_program_as(None, USE_SERVER, str(folder / "data"))
    assert user.stdout is not None
    assert (await user.stdout.readline()).startswith(b"started")
    pid = postmaster_pid(folder / "data")
    user.send_signal(signal.SIGSTOP)
    await until(lambda: state_of(user.pid) == "T")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: state_of(pid) == "Z")

    server = servers()
    endpoint = await server.start()
    assert endpoint.was_started
    assert await ask(endpoint, "SELECT 1") == 1
    user.send_signal(signal.SIGCONT)
    user.kill()
    await user.communicate(b"")


async def test_a_process_id_that_now_belongs_to_a_stranger(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    server = servers()
    await server.start()
    file = folder / "data" / "postgres" / "postmaster.pid"
    content = file.read_text()
    for pid in processes_of(folder / "data"):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: processes_of(folder / "data") == [])
    stranger = subprocess.Popen(["sleep", "600"], cwd="/")
    try:
        file.write_text("\n".join([str(stranger.pid), *content.splitlines()[1:]]) + "\n")
        assert await server.ensure_alive()
        assert stranger.poll() is None, "a stranger is left alone"
    finally:
        stranger.kill()
        stranger.wait()


async def test_an_initialisation_killed_half_way_leaves_nothing(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    user = await start_program_as(None, USE_SERVER, str(folder / "data"))
    await until(lambda: list((folder / "data").glob(".postgres-new-*/PG_VERSION")) != [])
    user.kill()
    await user.communicate(b"")
    assert not (folder / "data" / "postgres").exists()

    endpoint = await servers().start()
    assert await ask(endpoint, "SELECT 1") == 1
    assert list((folder / "data").glob(".postgres-new-*")) == []


async def test_a_start_that_fails_says_why(
    servers: Callable[..., EmbeddedServer], folder: Path
) -> None:
    server = EmbeddedServer(folder / "data", durable=False, extra_settings={"max_connections": "0"})
    with pytest.raises(DatabaseUnavailable) as caught:
        await server.start()
    assert "max_connections" in caught.value.cause
    assert "postgres.log" in caught.value.advice
    assert not await server.stop_if_last(), "what failed to start is not in use"
    assert (await servers().start()).was_started


async def test_a_full_disk_is_named(folder: Path) -> None:
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        with pytest.raises(DatabaseUnavailable, match="No space left on device") as caught:
            await EmbeddedServer(small / "data").start()
        assert "Free disk space" in caught.value.advice
        assert not (small / "data" / "postgres").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


async def test_data_of_another_major_version_are_left_alone(folder: Path) -> None:
    cluster = folder / "data" / "postgres"
    cluster.mkdir(parents=True)
    if os.geteuid() == 0:
        account = server_account(folder / "data", lambda _: None)
        os.chown(cluster, account.uid, account.gid)
    (cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(DatabaseUnavailable, match="made by PostgreSQL 17"):
        await EmbeddedServer(folder / "data").start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_using_it_before_starting_it_is_an_error(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    with pytest.raises(DatabaseUnavailable, match="was not started"):
        await server.ensure_alive()
    with pytest.raises(DatabaseUnavailable, match="was not started"):
        _ = server.endpoint
    assert not (folder / "data").exists()


async def test_a_data_folder_that_is_a_file(folder: Path) -> None:
    (folder / "data").write_text("")
    with pytest.raises(DatabaseUnavailable, match="cannot be used"):
        await EmbeddedServer(folder / "data").start()


async def test_a_plain_users_server_refuses_everybody_else_and_root(folder: Path) -> None:
    user = plain_user()
    data_dir = folder / "data"
    os.chown(folder, user.pw_uid, user.pw_gid)
    process = await start_program_as(user, USE_SERVER, str(data_dir))
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    assert said.startswith("started"), said
    socket_folder = str(data_dir / "postgres" / "run")
    assert await run_program_as(user, CONNECT, socket_folder, "postgres") == (
        0,
        "connected postgres\n",
        "",
    )

    for opened in (data_dir, data_dir / "postgres", data_dir / "postgres" / "run"):
        opened.chmod(0o755)
    (data_dir / "postgres" / "run" / ".s.PGSQL.5432").chmod(0o777)
    for stranger in (None, pwd.getpwnam("daemon")):
        code, output, _ = await run_program_as(stranger, CONNECT, socket_folder, "postgres")
        assert code == 0
        assert "Peer authentication failed" in output

    with pytest.raises(Forbidden, match=user.pw_name) as caught:
        await EmbeddedServer(data_dir).start()
    assert f"Run statustui as {user.pw_name}" in caught.value.advice
    output_left, _ = await process.communicate(b"")
    assert output_left == b"stopped\n"


async def test_roots_server_runs_as_a_system_user_and_refuses_plain_users(folder: Path) -> None:
    user = plain_user()
    data_dir = folder / "data"
    server = EmbeddedServer(data_dir, durable=False)
    endpoint = await server.start()
    try:
        account = pwd.getpwnam(SYSTEM_ACCOUNT)
        assert Path(f"/proc/{postmaster_pid(data_dir)}").stat().st_uid == account.pw_uid
        assert endpoint.client == "root"
        assert await ask(endpoint, "SELECT session_user") == "postgres"
        code, output, _ = await run_program_as(user, USE_SERVER, str(data_dir))
        assert code == 1
        assert output == ""

        for opened in (data_dir, data_dir / "postgres", data_dir / "postgres" / "run"):
            opened.chmod(0o755)
        (data_dir / "postgres" / "run" / ".s.PGSQL.5432").chmod(0o777)
        for stranger in (user, account):
            _, output, _ = await run_program_as(
                stranger, CONNECT, str(data_dir / "postgres" / "run"), "postgres"
            )
            assert "Peer authentication failed" in output
    finally:
        assert await server.stop_if_last()


async def test_root_with_data_that_only_root_can_reach(folder: Path) -> None:
    plain_user()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "deep" / "data", durable=False)
    endpoint = await server.start()
    try:
        assert await ask(endpoint, "SELECT 1") == 1
        assert closed.stat().st_mode & 0o777 == 0o700, "no existing folder is opened"
    finally:
        assert await server.stop_if_last()


async def test_programs_out_of_reach_are_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_user()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    package = find_binaries(folder, server_account(folder, lambda _: None)).parents[1]
    shutil.copytree(package, closed / package.name)
    shutil.copytree(package.parent / f"{package.name}.libs", closed / f"{package.name}.libs")
    monkeypatch.setattr(embedded_binaries, "_package_folder", lambda _: closed / package.name)

    data_dir = folder / "data"
    data_dir.mkdir()
    data_dir.chmod(0o711)
    account = server_account(data_dir, lambda _: None)
    binaries = find_binaries(data_dir, account)
    assert binaries.is_relative_to(data_dir)
    stamp = (binaries / "postgres").stat()
    assert find_binaries(data_dir, account) == binaries
    assert (binaries / "postgres").stat().st_ino == stamp.st_ino, "the first copy is kept"
    done = run_program(
        account, [str(binaries / "initdb"), "--version"], folder="/", timeout_seconds=10
    )
    assert done.stdout.startswith("initdb (PostgreSQL) 18.")

    server = EmbeddedServer(data_dir, durable=False)
    endpoint = await server.start()
    try:
        assert await ask(endpoint, "SELECT 1") == 1
    finally:
        assert await server.stop_if_last()


async def test_a_starter_that_hangs_does_not_hang_the_next_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data").mkdir()
    monkeypatch.setattr(embedded, "GATE_TIMEOUT_SECONDS", 0.05)
    with (folder / "data" / "gate.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with pytest.raises(
            DatabaseUnavailable, match="another process has been starting"
        ) as caught:
            await EmbeddedServer(folder / "data").start()
    assert "gate.lock" in caught.value.advice
