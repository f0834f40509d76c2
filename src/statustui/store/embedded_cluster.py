"""The files of the embedded server: made once, configured at every start, never half there."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from statustui.domain.errors import DatabaseUnavailable, Forbidden
from statustui.store.embedded_account import ServerAccount, user_name
from statustui.store.embedded_binaries import MAJOR_VERSION, run_program
from statustui.store.embedded_leftovers import end_programs_in

SOCKET_FOLDER = "run"
SOCKET_NAME = ".s.PGSQL.5432"

_INITIALISE_TIMEOUT_SECONDS = 120.0

# Sockets only, inside the data; no shared memory that the end of a login session would remove
# (it removes the POSIX kind, and every new connection failed afterwards); no process that a
# status page does not need. Client errors are told to the client, not written to the log too.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_directories": SOCKET_FOLDER,
    "unix_socket_permissions": "0700",
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}

# For data that nobody will miss, such as a test's: nothing waits for the disk.
_THROWAWAY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1h",
}


def is_initialised(cluster: Path) -> bool:
    """Whether the folder holds a database cluster."""
    return (cluster / "PG_VERSION").is_file()


def check_cluster(cluster: Path, account: ServerAccount) -> None:
    """Refuse a cluster that this account or these programs cannot serve.

    Raises:
        Forbidden: it belongs to somebody else.
        DatabaseUnavailable: another major version of PostgreSQL made it.
    """
    owner = cluster.stat().st_uid
    if owner != account.uid:
        who = user_name(owner)
        raise Forbidden(
            f"the database in {cluster} belongs to {who}, not to {account.name}",
            advice=f"Run statustui as {who}, or choose another folder with STATUSTUI_DATA_DIR.",
        )
    version = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    if version != MAJOR_VERSION:
        raise DatabaseUnavailable(
            str(cluster),
            f"its files were made by PostgreSQL {version}, the embedded one is {MAJOR_VERSION}",
            advice=f"Dump it with PostgreSQL {version}, move the folder away, start statustui, "
            "and load the dump.",
        )


def initialise(cluster: Path, binaries: Path, account: ServerAccount, *, durable: bool) -> None:
    """Make a new cluster in a folder that does not exist yet.

    It is built beside its place and renamed into it: whoever kills this half way leaves a
    folder that the next start removes, and never half a cluster.

    Args:
        cluster: where the cluster shall be.
        binaries: folder of `initdb`.
        account: who shall own it.
        durable: False skips waiting for the disk.

    Raises:
        DatabaseUnavailable: `initdb` failed; the cause is its last line.
    """
    prefix = f".{cluster.name}-new-"
    for leftover in cluster.parent.glob(f"{prefix}*"):
        # Who was killed while making it may have left its helpers at work.
        end_programs_in(leftover, account.uid, patience_seconds=0)
        shutil.rmtree(leftover)
    building = cluster.parent / f"{prefix}{secrets.token_hex(4)}"
    building.mkdir(mode=0o700)
    try:
        if account.is_separate:
            os.chown(building, account.uid, account.gid)
        command = [
            str(binaries / "initdb"),
            *("-D", "/proc/self/cwd" if account.is_separate else "."),
            *("-U", "postgres"),
            "--auth-local=peer",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *(() if durable else ("--no-sync",)),
        ]
        _run_initdb(command, building, cluster, account)
        run = building / SOCKET_FOLDER
        run.mkdir(mode=0o700)
        if account.is_separate:
            os.chown(run, account.uid, account.gid)
        building.rename(cluster)
        if durable:
            _sync_folder(cluster.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _run_initdb(command: list[str], building: Path, cluster: Path, account: ServerAccount) -> None:
    address = str(cluster)
    try:
        done = run_program(
            account, command, folder=building, timeout_seconds=_INITIALISE_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise DatabaseUnavailable(
            address,
            f"making the database took longer than {_INITIALISE_TIMEOUT_SECONDS:.0f} s",
            advice="See whether the disk is overloaded, and start again.",
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(
            address, f"initdb cannot be executed: {error}", advice="Install statustui again."
        ) from error
    if done.returncode != 0:
        raise DatabaseUnavailable(
            address,
            f"initdb failed: {_complaint(done.stderr or done.stdout)}",
            advice="Free disk space or choose another folder with STATUSTUI_DATA_DIR.",
        )


def _complaint(said: str) -> str:
    # Its last line often only tells that it cleans up after itself.
    lines = said.strip().splitlines() or ["it said nothing"]
    for mark in ("PANIC:", "FATAL:", "error:"):
        for line in lines:
            if mark in line:
                return line.partition(mark)[2].strip()
    return lines[-1].strip()


def _sync_folder(folder: Path) -> None:
    # A rename is only there after a power cut once the folder itself has reached the disk.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def configure(
    cluster: Path, account: ServerAccount, *, durable: bool, extra: Mapping[str, str]
) -> None:
    """Write the configuration that this version wants; done before every start.

    Whoever runs statustui may connect as every role of this private database, and nobody else may
    connect at all: not another user, and not root when a plain user owns the data. The kernel
    says who is at the other end of the socket, so there is no password to keep.

    Args:
        cluster: the cluster's folder.
        account: who runs the server and who may connect.
        durable: False trades safety after a power cut for speed.
        extra: further settings of PostgreSQL, by name.
    """
    settings = {**_SETTINGS, **({} if durable else _THROWAWAY_SETTINGS), **extra}
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    opening = "# Written by statustui at every start; changes belong into its settings."
    files = {
        "postgresql.conf": [opening, *lines],
        "pg_hba.conf": [opening, "local all all peer map=statustui"],
        "pg_ident.conf": [opening, f'statustui "{_ident_name(account.client)}" all'],
    }
    for name, content in files.items():
        _write(cluster, name, "\n".join(content) + "\n", account)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _ident_name(name: str) -> str:
    # In this file a leading slash makes a pattern, and there is no way to write a quote.
    if name.startswith("/") or not name.isprintable() or '"' in name:
        raise DatabaseUnavailable(
            "the embedded database",
            f"the user name {name!r} cannot be written into PostgreSQL's map of users",
            advice="Run statustui as a user with a plain name.",
        )
    return name


def _write(cluster: Path, name: str, content: str, account: ServerAccount) -> None:
    # A new file renamed over the old: whole or unchanged, and a link planted under the old name
    # is replaced, not followed.
    temporary = cluster / f"{name}.{secrets.token_hex(4)}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            if account.is_separate:
                os.fchown(file.fileno(), account.uid, account.gid)
        temporary.rename(cluster / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
