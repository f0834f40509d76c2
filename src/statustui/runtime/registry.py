"""Which watches run on this host for a data directory, so that they can be shown and stopped.

Every watch keeps one file in `watches/` of the data directory and holds a lock on it for as long as
it lives. The lock, not the process number, says that it is alive: numbers are used again, and the
kernel frees a lock however a process dies. Who checks is decided by the lease in the database;
this is only for finding the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegisteredWatch:
    """A live watch of this host.

    Attributes:
        pid: its process number.
        database: the identity of its database (see `identity`).
        page: address of its page, empty while it serves none.
        path: its file.
    """

    pid: int
    database: str
    page: str
    path: Path


def identity(label: str) -> str:
    """A short stable name for a database, from its label without secrets."""
    return hashlib.sha256(label.encode()).hexdigest()[:16]


class Registration:
    """This process's own entry; released when closed or when the process dies.

    Args:
        data_dir: the data directory.
        label: the database's label.
    """

    def __init__(self, data_dir: Path, label: str) -> None:
        folder = _folder(data_dir)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}.json"
        self._label = label
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.update(page="")

    def update(self, *, page: str) -> None:
        """Write the entry anew.

        Args:
            page: address of the page, empty for none.
        """
        entry = {"pid": os.getpid(), "database": identity(self._label), "page": page}
        data = json.dumps(entry).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, data, 0)

    def close(self) -> None:
        """Remove the entry."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._descriptor)


def live(data_dir: Path, label: str | None = None) -> tuple[RegisteredWatch, ...]:
    """The watches of this host that are alive.

    Args:
        data_dir: the data directory.
        label: only those on the database with this label; None for all.
    """
    wanted = None if label is None else identity(label)
    return tuple(
        entry for entry in _entries(data_dir) if wanted is None or entry.database == wanted
    )


def stop(data_dir: Path, label: str | None, *, wait_seconds: float = 10.0) -> tuple[int, ...]:
    """Ask the live watches of this host to end, and wait until they have.

    Args:
        data_dir: the data directory.
        label: only those on the database with this label; None for all.
        wait_seconds: how long to wait for each before it is ended by force.

    Returns:
        The process numbers that have ended.
    """
    found = live(data_dir, label)
    for watch in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(watch.pid, signal.SIGTERM)
    deadline = time.monotonic() + wait_seconds
    for watch in found:
        while _is_held(watch.path) and time.monotonic() < deadline:
            time.sleep(0.02)
        if _is_held(watch.path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(watch.pid, signal.SIGKILL)
            while _is_held(watch.path):
                time.sleep(0.02)
    return tuple(watch.pid for watch in found)


def _folder(data_dir: Path) -> Path:
    return data_dir / "watches"


def _entries(data_dir: Path) -> Iterator[RegisteredWatch]:
    folder = _folder(data_dir)
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.json")):
        if not _is_held(path):
            # Left by a process that was killed: nobody holds it, so nobody needs it.
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            continue
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, KeyError):
            entry = json.loads(path.read_text())
            yield RegisteredWatch(int(entry["pid"]), entry["database"], entry["page"], path)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
