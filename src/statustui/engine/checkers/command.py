"""Runs a monitoring plugin of this host, if the host itself allows it, and reads what it says.

Whoever may edit monitors need not be somebody who may run programs here. So the host's own settings
name the folders whose programs may be run, and the path is judged after every link in it was
followed. A plugin gets no shell, no input, four variables and a session of its own, and its whole
process group is killed at the deadline, and also when it ends and leaves something running.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import IO

from statustui.domain.monitor import CommandConfig
from statustui.domain.observation import Observation, Phases
from statustui.domain.perfdata import parse_output
from statustui.domain.probe_config import command_name, mask_argv
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.trace import LookFailed

MOST_BYTES = 65_536
"""How much is kept of what a plugin prints; the rest is read and dropped."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}
"""All that a plugin gets of an environment: what this program was started with is nobody else's."""

_CHUNK = 65_536
_PIPE_READS = 4
# How long a look may take longer than its deadline so that what it killed is gone when it returns.
_GONE_SECONDS = 0.2


async def look_command(
    config: CommandConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Runs a plugin once.

    What its exit code means is the domain's part.

    Args:
        config: its path and arguments.
        timeout_ms: the deadline, at which its process group is killed.
        options: how this engine looks; its `commands_allowed` decides whether it runs at all.
    """
    started_at = options.wall_clock()
    begun = perf_counter()
    kind: ErrorKind | None = None
    reason = ""
    plugin: _Plugin | None = None
    name = command_name(config.argv)
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            program = await asyncio.to_thread(allowed_program, config.argv[0], options)
            plugin = _Plugin([str(program), *config.argv[1:]])
            await plugin.run()
    except TimeoutError:
        kind, reason = ErrorKind.TIMEOUT, f"{name} did not end within {timeout_ms / 1000:g} s"
    except LookFailed as failure:
        kind, reason = failure.kind, failure.reason
    except OSError as error:
        kind = ErrorKind.OBSERVER
        reason = f"{config.argv[0]} cannot be run here: {error.strerror or error}"
    finally:
        if plugin is not None:
            plugin.end()
    duration_ms = (perf_counter() - begun) * 1000
    if plugin is not None:
        await plugin.gone(_GONE_SECONDS)
    code = None if plugin is None or kind is not None else plugin.exit_code
    printed = parse_output(plugin.printed if plugin is not None else "")
    said = printed.text
    if plugin is not None and not said:
        # Plugins that break say so where nobody looks.
        said = clean(plugin.complained.strip().partition("\n")[0])
    if kind is ErrorKind.TIMEOUT and said:
        reason += f"; it had said: {said}"
    return Observation(
        started_at=started_at,
        duration_ms=duration_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=Phases(),
        connected=code is not None,
        exit_code=code,
        output=f"{said}\n{printed.more}" if printed.more else said,
        perfdata=printed.perfdata,
        repeat_command=clean(shlex.join(mask_argv(config.argv))),
    )


def allowed_program(path: str, options: LookOptions) -> Path:
    """The file that a path means, when this host lets it be run.

    Args:
        path: absolute, as the monitor says.
        options: which folders are allowed.

    Raises:
        LookFailed: with the kind `OBSERVER`: nobody could look from here.
    """
    if not hasattr(os, "pidfd_open"):
        raise _refused("command checks need Linux, which tells of the end of a process by a pidfd")
    if not options.commands_allowed:
        raise _refused(
            f"commands are not run on this host: engine.commands_allowed names no folder "
            f"(for {path})"
        )
    try:
        program = Path(path).resolve(strict=True)
        folders = [folder.resolve() for folder in options.commands_allowed]
        mode = program.stat().st_mode
        folder_mode = program.parent.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refused(f"{path} cannot be run here: {why}") from None
    if not any(program.is_relative_to(folder) for folder in folders):
        named = ", ".join(str(folder) for folder in options.commands_allowed)
        leads = "" if str(program) == path else f", which is {program},"
        raise _refused(
            f"{path}{leads} is not in a folder that engine.commands_allowed names ({named})"
        )
    if not stat.S_ISREG(mode) or not os.access(program, os.X_OK):
        raise _refused(f"{path} is not a program")
    if mode & stat.S_IWOTH or folder_mode & stat.S_IWOTH:
        raise _refused(f"{path} is not run: everybody on this host may write it")
    return program


def _refused(reason: str) -> LookFailed:
    return LookFailed(ErrorKind.OBSERVER, reason)


class _Plugin:
    """One process group, from its start until nothing of it is left.

    The leader is watched by a descriptor that tells its end without reaping it. So its number
    still belongs to it when the rest of its group is killed, and no stranger can be hit.

    Args:
        words: the program and its arguments.
    """

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._descriptor = -1
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._pipes: dict[int, tuple[IO[bytes], bytearray]] = {}
        self._said = bytearray()
        self._complaint = bytearray()
        self.exit_code: int | None = None

    @property
    def printed(self) -> str:
        """What it wrote to its standard output."""
        return self._said.decode("utf-8", "replace")

    @property
    def complained(self) -> str:
        """What it wrote to its standard error."""
        return self._complaint.decode("utf-8", "replace")

    async def run(self) -> None:
        """Starts it and waits for its end.

        Raises:
            OSError: it cannot be started.
        """
        self._process = process = subprocess.Popen(
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            close_fds=True,
        )
        self._descriptor = os.pidfd_open(process.pid)
        self._loop.add_reader(self._descriptor, self._on_end)
        for pipe, kept in ((process.stdout, self._said), (process.stderr, self._complaint)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._pipes[pipe.fileno()] = (pipe, kept)
                self._loop.add_reader(pipe.fileno(), self._read, pipe.fileno())
        await self._ended

    def end(self) -> None:
        """Kills what is left of it, and takes what it had said; waits for nothing."""
        process = self._process
        if process is None:
            return
        _kill_group(process.pid)
        for number in list(self._pipes):
            # More than a pipe holds comes from somebody who left the group, and may never end.
            for _ in range(_PIPE_READS):
                if not self._read(number):
                    break
            self._drop(number)
        if self._descriptor < 0:
            # No descriptor could be had: the process is killed, and this wait is short.
            process.wait()
            self._gone.set()
        elif self._ended.done() and not self._ended.cancelled():
            self._loop.remove_reader(self._descriptor)
            self._reap()
        else:
            # Killed, but one that waits for a dead disk ends when it likes. It is reaped then.
            self._loop.add_reader(self._descriptor, self._reap_later)

    async def gone(self, seconds: float) -> None:
        """Waits a little until a process that was started and ended is reaped."""
        if self._process is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()

    def _on_end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if not self._ended.done():
            self._ended.set_result(None)

    def _reap_later(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self.exit_code = self._process.wait()
        os.close(self._descriptor)
        self._descriptor = -1
        self._gone.set()

    def _read(self, number: int) -> bool:
        """Reads what is there; returns whether there may be more."""
        if number not in self._pipes:
            return False
        _, kept = self._pipes[number]
        try:
            data = os.read(number, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._drop(number)
            return False
        kept += data[: MOST_BYTES - len(kept)]
        return True

    def _drop(self, number: int) -> None:
        if number in self._pipes:
            self._loop.remove_reader(number)
            self._pipes.pop(number)[0].close()


def _kill_group(number: int) -> None:
    try:
        os.killpg(number, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended, and left nothing behind
    except PermissionError:
        return  # what is left has become another user (a plugin with the set-user bit)
