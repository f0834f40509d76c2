"""The throwaway world: one process that serves it, and the dashboard in front of that.

The world (embedded database, targets, watch) is a child process of its own even here, for the same
reason as always: a terminal that stops reading must not stop the targets it is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from statustui.domain.errors import StatustuiError
from statustui.runtime import logs, watch
from statustui.runtime.dashboard import run_dashboard
from statustui.runtime.database import admin_target, embedded_operator, open_database
from statustui.settings import Settings, TerminalFacts, child_environment, default_data_dir

_READY = "page at "
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


def run_demo(settings: Settings, facts: TerminalFacts, *, headless: bool, keep: bool) -> int:
    """Open the demonstration world.

    Args:
        settings: all settings; database and data directory are the world's own.
        facts: what the environment says about the terminal.
        headless: no dashboard: print the page's address and run until SIGTERM.
        keep: keep the world in the user's data directory for the next time.

    Returns:
        The exit code.

    Raises:
        StatustuiError: the world did not start.
    """
    with _world_folder(keep=keep) as folder:
        world = settings.model_copy(
            update={"database_url": None, "data_dir": folder, "org": "demo"}
        )
        if headless:
            logs.configure(settings.log, file=settings.log.file)
            return watch.run_loop(run_world(world, until=None))
        with served_world(world, throwaway=not keep) as page:
            sys.stdout.write(f"{_READY}{page}\n")
            sys.stdout.flush()
            return run_dashboard(world, facts, read_only=False, no_watch=True, incident=None)


@contextlib.contextmanager
def _world_folder(*, keep: bool) -> Iterator[Path]:
    if keep:
        folder = default_data_dir().with_name("statustui-demo")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="statustui-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def run_world(settings: Settings, *, until: int | None) -> int:
    """Serve the world in this process until SIGTERM.

    Args:
        settings: those of the world.
        until: a descriptor whose end of file ends the world too: it closes when the dashboard's
            process dies, however it dies; None for none.

    Returns:
        The exit code.
    """
    from statustui.demo.seed import imagine_past, prepare_world
    from statustui.demo.targets import DemoTargets

    stop = asyncio.Event()
    watch.stop_on_signals(stop)
    if until is not None:
        asyncio.get_running_loop().add_reader(until, stop.set)
    targets = DemoTargets()
    await targets.start()
    # Ninety days take a second to imagine; the database takes as long to start.
    past = asyncio.ensure_future(asyncio.to_thread(imagine_past, targets))
    try:
        async with open_database(settings) as database:
            await prepare_world(admin_target(database), embedded_operator(), targets, past)

            def ready(page: str) -> None:
                sys.stdout.write(f"{_READY}{page}/s/demo\n")
                sys.stdout.flush()

            return await watch.run(settings, database, stop, on_ready=ready)
    finally:
        await targets.stop()


@contextlib.contextmanager
def served_world(settings: Settings, *, throwaway: bool = True) -> Iterator[str]:
    """The world, served by a process of its own for as long as the block lasts.

    Args:
        settings: those of the world; its data directory must exist.
        throwaway: whether that process removes the directory at its end: it outlives this one
            when this one is killed.

    Yields:
        The address of its page.

    Raises:
        StatustuiError: it did not start.
    """
    log = settings.data_dir / "watch.log"
    environment = child_environment(settings)
    with log.open("ab") as errors:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "statustui.runtime.demo_world",
                *(["--throwaway"] if throwaway else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _wait_for_page(child, log)
    finally:
        child.send_signal(signal.SIGTERM)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_for_page(child: subprocess.Popen[bytes], log: Path) -> str:
    if child.stdout is None:
        raise ValueError("the world's output must be a pipe")
    sys.stdout.write("preparing a world: database, targets, 90 days of history ...\n")
    sys.stdout.flush()
    # The world takes seconds to start; what the dashboard imports is read meanwhile.
    importlib.import_module("statustui.app")
    deadline = time.monotonic() + _START_SECONDS
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([child.stdout], [], [], left)[0]:
            break
        piece = os.read(child.stdout.fileno(), 4096)
        if not piece:
            break
        said += piece
        for line in said.decode(errors="replace").splitlines(keepends=True):
            if line.startswith(_READY) and line.endswith("\n"):
                return line.removeprefix(_READY).strip()
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise StatustuiError("the demonstration world did not start", advice=tail)
