"""The embedded server's process: seen, started, stopped, and cleared away after a crash.

Whether a server lives is asked of its socket, not of a process id: an id may have been given to
another program since, or belong to another container that shares these files. Ids are only looked
at once the socket is dead, to tell "still starting" from "gone", and only believed when that
process works in this very folder as the right user.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from statustui.domain.errors import DatabaseUnavailable
from statustui.store.embedded_account import ServerAccount
from statustui.store.embedded_binaries import PROGRAM_ENVIRONMENT
from statustui.store.embedded_cluster import SOCKET_FOLDER, SOCKET_NAME
from statustui.store.embedded_leftovers import (
    PROC,
    end_programs_in,
    has_process_folders,
    works_in,
)

_POLL_SECONDS = 0.01
_CONNECT_TIMEOUT_SECONDS = 5.0
_ORPHANS_LEAVE_SECONDS = 2.0
# Whoever stops the server is waited for himself, a watch for at most five seconds. A server that is
# told to stop at once loses nothing either: the next start reads its log of changes.
_FAST_STOP_SECONDS = 1.5
_IMMEDIATE_STOP_SECONDS = 0.5
_LOG_KEEP_BYTES = 4_000_000
# The longest socket address that every platform takes, with its closing zero.
_SOCKET_ADDRESS_BYTES = 104


class ServerState(enum.Enum):
    """What can be seen of the server from outside."""

    READY = "ready"
    CHANGING = "starting or stopping"
    GONE = "gone"


class Postmaster:
    """The server process of one cluster.

    Args:
        cluster: the cluster's folder; it must exist.
        account: who runs the server.
        log: file that takes what the server prints.
    """

    def __init__(self, cluster: Path, account: ServerAccount, log: Path) -> None:
        self._cluster = cluster
        self._account = account
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = os.open(cluster / SOCKET_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def socket_folder(self) -> str:
        """The socket's folder as a short address, valid in this process while this object is open.

        A socket's address holds about a hundred bytes, a path in a home folder may be longer;
        the held descriptor makes the path's length irrelevant.

        Raises:
            DatabaseUnavailable: the platform has no `/proc` and the path is too long.
        """
        if PROC.joinpath("self", "fd").is_dir():
            return f"/proc/self/fd/{self._folder}"
        folder = str(self._cluster / SOCKET_FOLDER)
        if len(os.fsencode(f"{folder}/{SOCKET_NAME}")) >= _SOCKET_ADDRESS_BYTES:
            raise DatabaseUnavailable(
                folder,
                "the path is too long for a socket on this platform",
                advice="Set STATUSTUI_DATA_DIR to a folder with a shorter path.",
            )
        return folder

    def close(self) -> None:
        """Let go of the socket's folder; the server goes on."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def answers(self) -> bool:
        """Whether somebody takes connections at the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_CONNECT_TIMEOUT_SECONDS)
            try:
                client.connect(f"{self.socket_folder}/{SOCKET_NAME}")
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except (TimeoutError, BlockingIOError):
                # The queue of waiting connections is full: somebody lives, and is busy.
                return True
        return True

    def look(self) -> ServerState:
        """See whether the server is ready, on its way, or gone."""
        pid, status = self._pid_file()
        if self.answers():
            return ServerState.READY if status == "ready" else ServerState.CHANGING
        if pid is not None and self._works_here(pid):
            return ServerState.CHANGING
        if self._process is not None and self._process.poll() is None:
            return ServerState.CHANGING
        return ServerState.GONE

    def start(self, binaries: Path, *, timeout_seconds: float) -> bool:
        """Start the server unless it already runs, and wait until it takes connections.

        The caller holds the gate: nobody else starts or stops it meanwhile.

        Args:
            binaries: folder of `postgres`.
            timeout_seconds: how long starting may take, recovery after a crash included.

        Returns:
            True when it was started here, False when it was running.

        Raises:
            DatabaseUnavailable: it ended at once, or was not ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        started = False
        while (state := self.look()) is not ServerState.READY:
            if state is ServerState.GONE:
                if started:
                    raise self._failure("the server ended while starting")
                self._clear_leftovers()
                self._spawn(binaries)
                started = True
            elif time.monotonic() > deadline:
                raise self._failure(f"the server was not ready within {timeout_seconds:.0f} s")
            else:
                time.sleep(_POLL_SECONDS)
        return started

    def stop(self) -> bool:
        """End the server: sessions are cut, data are written, nothing is lost.

        The caller holds the gate, and knows that nobody uses the server any more.

        Returns:
            True when it has ended, False when it runs where this process cannot reach it
            (another container on the same files).

        Raises:
            DatabaseUnavailable: it did not end, not even when told to at once.
        """
        pid, _ = self._pid_file()
        if pid is None or not self._works_here(pid):
            return not self.answers()
        for stop_signal, seconds in (
            (signal.SIGINT, _FAST_STOP_SECONDS),
            (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS),
        ):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop_signal)
            deadline = time.monotonic() + seconds
            while self._works_here(pid):
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return True
        raise self._failure(f"the server (process {pid}) does not stop")

    def _spawn(self, binaries: Path) -> None:
        self._rotate_log()
        separate = self._account.is_separate
        # With an account of its own the server enters the folder before rights are dropped and
        # stays there: it may be unable to walk the path again.
        command = [
            str(binaries / "postgres"),
            *("-D", "/proc/self/cwd" if separate else str(self._cluster)),
        ]
        with self._log.open("ab") as log:
            self._log.chmod(0o600)
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self._cluster,
                    env=dict(PROGRAM_ENVIRONMENT),
                    user=self._account.uid if separate else None,
                    group=self._account.gid if separate else None,
                    extra_groups=[] if separate else None,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    umask=0o077,
                )
            except OSError as error:
                raise self._failure(f"postgres cannot be executed: {error}") from error
        self._process = process
        # The server outlives whoever started it. While its starter lives, this thread takes its
        # exit status at once: an untaken one would leave a dead process that still has its id,
        # and PostgreSQL would believe that the old server runs.
        threading.Thread(target=process.wait, name="postmaster-exit", daemon=True).start()

    def _rotate_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > _LOG_KEEP_BYTES:
            self._log.rename(self._log.with_suffix(".log.1"))

    def _pid_file(self) -> tuple[int | None, str]:
        # Line 1 is the process, line 8 its state; the file is written by the server.
        try:
            lines = (self._cluster / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return None, ""
        first = lines[0].strip() if lines else ""
        # A negative number stands for a single-user process, which is no server.
        pid = int(first) if first.isascii() and first.isdigit() and int(first) > 1 else None
        return pid, lines[7].strip() if len(lines) > 7 else ""

    def _works_here(self, pid: int) -> bool:
        """Whether that process is alive, ours, and has this cluster as its working folder."""
        if has_process_folders():
            return works_in(pid, self._cluster, self._account.uid)
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _clear_leftovers(self) -> None:
        """Make the ground free after a crash, so that the next server can start.

        PostgreSQL removes the lock files of the dead itself, unless the process id is taken, be
        it by a dead process that nobody collected or by a stranger.
        """
        end_programs_in(self._cluster, self._account.uid, patience_seconds=_ORPHANS_LEAVE_SECONDS)
        recorded, _ = self._pid_file()
        if recorded is not None and PROC.joinpath(str(recorded)).exists():
            run = self._cluster / SOCKET_FOLDER
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            (run / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
            (run / SOCKET_NAME).unlink(missing_ok=True)

    def _failure(self, what: str) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            str(self._cluster),
            f"{what}: {self._last_complaint()}",
            advice=f"See {self._log}. Free disk space if it is full; the data are kept.",
        )

    def _last_complaint(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 16_384))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return "it printed nothing"
        if not lines:
            return "it printed nothing"
        for number in range(len(lines) - 1, -1, -1):
            for mark in ("FATAL:", "PANIC:"):
                if mark in lines[number]:
                    if "contains errors" in lines[number] and number > 0:
                        # It only counts the mistakes; the line before names the last of them.
                        number, mark = number - 1, "LOG:"
                    return lines[number].partition(mark)[2].strip() or lines[number]
        return lines[-1].strip()
