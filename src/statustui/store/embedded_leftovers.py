"""PostgreSQL's programs that outlived whoever started them, found by the folder they work in."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")

_PROGRAMS = frozenset({"postgres", "initdb"})
_POLL_SECONDS = 0.01


def has_process_folders() -> bool:
    """Whether this platform shows processes, and where each works, as folders."""
    return PROC.joinpath("self", "cwd").exists()


def works_in(pid: int, folder: Path, uid: int) -> bool:
    """Whether a live process of that user has the folder as its working folder.

    A dead process whose exit status nobody took has none, and so is not alive here.
    """
    process = PROC / str(pid)
    try:
        if process.stat().st_uid != uid:
            return False
        return os.path.samestat(os.stat(process / "cwd"), os.stat(folder))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def end_programs_in(folder: Path, uid: int, *, patience_seconds: float) -> None:
    """Wait until no program of PostgreSQL works in the folder, and end those that stay.

    The processes of a killed server notice by themselves and leave; one that does not is ended,
    because what comes next writes the same files.

    Args:
        folder: the working folder; a shell that somebody left in it is none of our business.
        uid: user the programs run as.
        patience_seconds: how long they may take to leave by themselves.
    """
    deadline = time.monotonic() + patience_seconds
    while found := list(_programs_in(folder, uid)):
        if time.monotonic() >= deadline:
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _programs_in(folder: Path, uid: int) -> Iterator[int]:
    if not has_process_folders():
        return
    for entry in os.scandir(PROC):
        if entry.name.isdigit() and works_in(int(entry.name), folder, uid):
            try:
                name = (PROC / entry.name / "comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if name in _PROGRAMS:
                yield int(entry.name)
