"""Running code as another user of this host, which only root's tests can do."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"
PLAIN_USER = "nobody"


def plain_user() -> pwd.struct_passwd:
    """A user without any rights; skips the test unless root runs it."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    return pwd.getpwnam(PLAIN_USER)


@cache
def _interpreter(uid: int, gid: int) -> str | None:
    # Root's own interpreter often lies where nobody else may look; the system's serves as well
    # when it is of the same version, because compiled libraries depend on that.
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [candidate, "-c", "import asyncpg, statustui.store.embedded"],
                env=environment(),
                user=uid,
                group=gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                check=False,
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def environment(**more: str) -> dict[str, str]:
    """The environment of a program that uses the sources and libraries of this run."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{SOURCES}:{sysconfig.get_path('platlib')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "error",
        "HOME": "/nonexistent",
        **more,
    }


async def run_program_as(
    user: pwd.struct_passwd | None, source: str, *arguments: str, timeout_seconds: float = 60
) -> tuple[int, str, str]:
    """Run Python source as that user, or as ourselves; returns exit code, output and errors."""
    process = await start_program_as(user, source, *arguments)
    async with asyncio.timeout(timeout_seconds):
        output, errors = await process.communicate(b"")
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def start_program_as(
    user: pwd.struct_passwd | None, source: str, *arguments: str
) -> asyncio.subprocess.Process:
    """Start Python source as that user, or as ourselves, with pipes on all three streams."""
    executable: str | None = sys.executable
    if user is not None:
        executable = _interpreter(user.pw_uid, user.pw_gid)
        if executable is None:
            pytest.skip(f"{user.pw_name} can execute no Python with our libraries")
    assert executable is not None
    return await asyncio.create_subprocess_exec(
        executable,
        "-c",
        source,
        *arguments,
        cwd="/",
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
