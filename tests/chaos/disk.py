"""A disk that can be full: a small file system in memory, which only root can mount."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# A new cluster with its log and programs takes about half of it.
_MEGABYTES = 260


@dataclass(slots=True)
class SmallDisk:
    """The mounted file system."""

    path: Path

    def fill(self) -> None:
        """Leave no room at all; whatever is given back meanwhile is taken on the next call."""
        file = os.open(self.path / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 20, 1 << 12, 1):
                # Each write ends with "no space left", the last one after the last byte.
                with contextlib.suppress(OSError):
                    while os.write(file, bytes(size)):
                        pass
        finally:
            os.close(file)
        assert os.statvfs(self.path).f_bavail == 0

    def free(self) -> None:
        """Give everything back."""
        (self.path / "filler").unlink()


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount it, and unmount it whatever happens; skips the test unless root runs it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    path.mkdir(mode=0o711)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=711", "tmpfs", path],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        assert not os.environ.get("CI"), made.stderr
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily, so that nothing that still has a file open leaves it mounted.
        subprocess.run(["umount", "--lazy", path], check=True)
