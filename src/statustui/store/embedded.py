"""A private PostgreSQL that comes along in a wheel, for whoever has no database to name.

How several processes share one server without a supervisor:

- Two files are locked with `flock`, which the kernel releases when a process dies in any way.
  `gate.lock` is held, alone, only while somebody starts or stops the server. `users.lock` is held
  by every process that uses it, together; who can get it alone is the last one, and stops the
  server.
- A server that is found running is taken over as it is, also one whose users were all killed.
- Its socket lies in the data folder, behind a folder that only its owner may enter, and the
  kernel vouches for who connects. There is no port and no password.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from statustui.domain.errors import DatabaseUnavailable, Forbidden
from statustui.store.embedded_account import ServerAccount, server_account, user_name
from statustui.store.embedded_binaries import find_binaries, run_program
from statustui.store.embedded_cluster import check_cluster, configure, initialise, is_initialised
from statustui.store.embedded_process import Postmaster

START_TIMEOUT_SECONDS = 60.0
# Making a new database on a slow disk is the longest that somebody may hold the gate.
GATE_TIMEOUT_SECONDS = 180.0

_POLL_SECONDS = 0.01
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddedEndpoint:
    """How to reach the running server from this process.

    Attributes:
        socket_folder: address of the socket's folder, valid while the server object is held.
        label: the data folder, for people.
        server_version: such as "18.4".
        client: operating-system user who may connect, as any role.
        was_started: this process started the server; False when it was found running.
    """

    socket_folder: str
    label: str
    server_version: str
    client: str
    was_started: bool

    def dsn_parameters(self, user: str, database: str) -> dict[str, object]:
        """Keyword arguments for `asyncpg.connect` and `asyncpg.create_pool`.

        Args:
            user: database role to connect as.
            database: name of the database.
        """
        return {
            "host": self.socket_folder,
            "port": 5432,
            "user": user,
            "database": database,
            "ssl": False,
        }


@dataclass(slots=True)
class _Held:
    """What a running use of the server holds on to."""

    users: int
    postmaster: Postmaster
    binaries: Path
    endpoint: EmbeddedEndpoint
    account: ServerAccount


@dataclass(slots=True)
class EmbeddedServer:
    """The server of one data folder, as one process uses it.

    Args:
        data_dir: folder of the data; made when missing. Its parents are never changed.
        durable: False trades safety after a power cut for speed, for data that nobody will miss.
        extra_settings: further settings of PostgreSQL, by name.
        start_timeout_seconds: how long a start may take, recovery after a crash included.
        notice: called with one line when something was done that an administrator wants to
            know; the log by default.
    """

    data_dir: Path
    durable: bool = True
    extra_settings: Mapping[str, str] = field(default_factory=dict)
    start_timeout_seconds: float = START_TIMEOUT_SECONDS
    notice: Callable[[str], None] = _logger.warning
    _held: _Held | None = field(default=None, init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False)

    async def start(self) -> EmbeddedEndpoint:
        """Start the server or join the one that runs; calling it again changes nothing.

        Raises:
            Forbidden: the data belong to another user.
            DatabaseUnavailable: the server cannot be made or started; the advice says why.
        """
        return await asyncio.to_thread(self._start)

    async def ensure_alive(self) -> bool:
        """Bring the server back if it has died; cheap when it has not.

        Returns:
            True when it had to be started again.

        Raises:
            DatabaseUnavailable: it cannot be started, or `start` was never called.
        """
        return await asyncio.to_thread(self._ensure_alive)

    async def stop_if_last(self) -> bool:
        """Leave the server, and stop it when nobody else uses it.

        Returns:
            True when the server was stopped, False when it goes on for others, or was not in use
            from here.

        Raises:
            DatabaseUnavailable: it does not stop.
        """
        return await asyncio.to_thread(self._leave, True)

    async def release(self) -> None:
        """Leave the server running, whoever else uses it; the next to start joins it."""
        await asyncio.to_thread(self._leave, False)

    @property
    def endpoint(self) -> EmbeddedEndpoint:
        """How to reach the server, after `start`.

        Raises:
            DatabaseUnavailable: it was not started from here.
        """
        if self._held is None:
            raise self._not_started()
        return self._held.endpoint

    @property
    def server_version(self) -> str:
        """The server's version, such as "18.4", after `start`."""
        return self.endpoint.server_version

    def _start(self) -> EmbeddedEndpoint:
        with self._turn:
            if self._held is None:
                self._held = self._join()
            return self._held.endpoint

    def _join(self) -> _Held:
        data_dir = self.data_dir
        account = self._prepare_folder()
        cluster = data_dir / "postgres"
        gate = self._lock(data_dir / "gate.lock", fcntl.LOCK_EX)
        users = -1
        postmaster: Postmaster | None = None
        try:
            users = self._lock(data_dir / "users.lock", fcntl.LOCK_SH)
            binaries = find_binaries(data_dir, account)
            if not is_initialised(cluster):
                initialise(cluster, binaries, account, durable=self.durable)
            check_cluster(cluster, account)
            postmaster = Postmaster(cluster, account, data_dir / "postgres.log")
            if not postmaster.answers():
                configure(cluster, account, durable=self.durable, extra=self.extra_settings)
            was_started = postmaster.start(binaries, timeout_seconds=self.start_timeout_seconds)
            endpoint = EmbeddedEndpoint(
                socket_folder=postmaster.socket_folder,
                label=str(data_dir),
                server_version=_server_version(binaries, account),
                client=account.client,
                was_started=was_started,
            )
            held = _Held(users, postmaster, binaries, endpoint, account)
            users, postmaster = -1, None
            return held
        except PermissionError as error:
            raise _forbidden(data_dir, error) from error
        except OSError as error:
            raise DatabaseUnavailable(
                str(data_dir),
                str(error),
                advice="Free disk space, or choose another folder with STATUSTUI_DATA_DIR.",
            ) from error
        finally:
            if postmaster is not None:
                postmaster.close()
            if users >= 0:
                os.close(users)
            os.close(gate)

    def _ensure_alive(self) -> bool:
        with self._turn:
            held = self._held
            if held is None:
                raise self._not_started()
            if held.postmaster.answers():
                return False
            gate = self._lock(self.data_dir / "gate.lock", fcntl.LOCK_EX)
            try:
                return held.postmaster.start(
                    held.binaries, timeout_seconds=self.start_timeout_seconds
                )
            finally:
                os.close(gate)

    def _leave(self, stop: bool) -> bool:
        with self._turn:
            held, self._held = self._held, None
            if held is None:
                return False
            gate = -1
            try:
                if not stop:
                    return False
                gate = self._lock(self.data_dir / "gate.lock", fcntl.LOCK_EX)
                try:
                    fcntl.flock(held.users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return held.postmaster.stop()
            finally:
                held.postmaster.close()
                os.close(held.users)
                if gate >= 0:
                    os.close(gate)

    def _not_started(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            str(self.data_dir), "the embedded server was not started", advice="Start it first."
        )

    def _prepare_folder(self) -> ServerAccount:
        data_dir = self.data_dir
        try:
            account = server_account(data_dir, self.notice)
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(f"no right to write in {data_dir}")
        except PermissionError as error:
            raise _forbidden(data_dir, error) from error
        except OSError as error:
            raise DatabaseUnavailable(
                str(data_dir),
                f"the data folder cannot be used: {error.strerror or error}",
                advice="Choose another folder with STATUSTUI_DATA_DIR.",
            ) from error
        return account

    def _lock(self, path: Path, kind: int) -> int:
        """Open and lock a file; the returned descriptor holds the lock until it is closed."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except PermissionError as error:
            raise _forbidden(self.data_dir, error) from error
        except OSError as error:
            raise DatabaseUnavailable(
                str(self.data_dir),
                f"{path.name} cannot be opened: {error.strerror or error}",
                advice="Free disk space, or choose another folder with STATUSTUI_DATA_DIR.",
            ) from error
        # Waiting in small steps and not in the kernel: a starter that hangs must not hang us.
        deadline = time.monotonic() + GATE_TIMEOUT_SECONDS
        while True:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
                return handle
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(handle)
                    raise DatabaseUnavailable(
                        str(self.data_dir),
                        f"another process has been starting or stopping the server for "
                        f"{GATE_TIMEOUT_SECONDS:.0f} s",
                        advice=f"See who holds {path} (fuser {path}) and end it if it hangs.",
                    ) from None
                time.sleep(_POLL_SECONDS)
            except OSError as error:
                os.close(handle)
                raise DatabaseUnavailable(
                    str(self.data_dir),
                    f"{path.name} cannot be locked: {error.strerror or error}",
                    advice="Choose a folder on a local disk with STATUSTUI_DATA_DIR.",
                ) from error


def _server_version(binaries: Path, account: ServerAccount) -> str:
    done = run_program(
        account, [str(binaries / "postgres"), "--version"], folder="/", timeout_seconds=30
    )
    return done.stdout.split()[-1]


def _forbidden(data_dir: Path, error: PermissionError) -> Forbidden:
    try:
        owner = user_name(data_dir.stat().st_uid)
    except OSError:
        owner = "another user"
    return Forbidden(
        f"the data in {data_dir} belong to {owner}: {error.strerror or error}",
        advice=f"Run statustui as {owner}, or choose another folder with STATUSTUI_DATA_DIR.",
    )
