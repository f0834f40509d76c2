"""The distribution's PostgreSQL 15 as a team has it: over TCP, with a password for everybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from statustui.store.embedded_account import ServerAccount
from statustui.store.embedded_binaries import run_program
from tests.support.databases import DEBIAN_15, unprivileged_account
from tests.support.world import free_port

ADMIN = "postgres"
PASSWORD = "open sesame"


class ScramServer:
    """A running server with SCRAM passwords on loopback.

    Args:
        cluster: its folder.
        account: who runs it.
    """

    def __init__(self, cluster: Path, account: ServerAccount) -> None:
        self.port = free_port()
        self._cluster = cluster
        self._account = account

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-p {self.port} -k {self._cluster} -c listen_addresses=127.0.0.1 -c fsync=off "
            "-c full_page_writes=off -c dynamic_shared_memory_type=mmap"
        )
        self._control("-w", "-l", str(self._cluster / "log"), "-o", options, "start")

    def stop(self) -> None:
        """End it at once, connections and all."""
        self._control("-w", "-m", "immediate", "stop")

    def address(self, role: str, password: str, database: str) -> str:
        """The database as `STATUSTUI_DATABASE_URL` names it."""
        word = password.replace(" ", "%20")
        return f"postgresql://{role}:{word}@127.0.0.1:{self.port}/{database}"

    async def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements as the superuser and give the first value of each."""
        connection = await asyncpg.connect(self.address(ADMIN, PASSWORD, database))
        try:
            return [await connection.fetchval(statement) for statement in statements]
        finally:
            await connection.close()

    def _control(self, *words: str) -> None:
        command = [str(DEBIAN_15 / "pg_ctl"), "-D", str(self._cluster), *words]
        done = run_program(self._account, command, folder=self._cluster, timeout_seconds=60)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def scram_server(folder: Path) -> Iterator[ScramServer]:
    """Make and start a server in a folder, which must be reachable for the server's user."""
    account = unprivileged_account()
    cluster = folder / "pg15-scram"
    cluster.mkdir(mode=0o700)
    if account.is_separate:
        os.chown(cluster, account.uid, account.gid)
    word = folder / "password"
    word.write_text(PASSWORD)
    word.chmod(0o644)
    made = run_program(
        account,
        [
            *(str(DEBIAN_15 / "initdb"), "-D", str(cluster), "-U", ADMIN),
            *("--auth=scram-sha-256", f"--pwfile={word}"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
        ],
        folder=cluster,
        timeout_seconds=60,
    )
    assert made.returncode == 0, made.stderr
    server = ScramServer(cluster, account)
    server.start()
    try:
        yield server
    finally:
        # A test may have ended it already, to see what then happens.
        if (cluster / "postmaster.pid").exists():
            server.stop()
