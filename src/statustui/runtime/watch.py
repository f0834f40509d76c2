"""The watch: engine and page as one process, and how it is found, started and stopped.

It is a process of its own because a terminal whose line has stalled blocks its event loop; nothing
that must go on may live there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.domain.readmodels import EngineInfo, WatchInfo
from statustui.presenters.operatorapi import engine_document
from statustui.runtime import logs, registry
from statustui.runtime.database import (
    Database,
    database_place,
    inspect_database,
    open_database,
    operator_store,
)
from statustui.settings import Settings, child_environment

if TYPE_CHECKING:
    from statustui.engine.spool_folder import SpoolOnDisk

_LOG = logging.getLogger("statustui.watch")

# When Python looks for garbage that hangs together. Its own numbers make it walk through all that
# is remembered of thousands of monitors many times a second, an eighth of all CPU.
COLLECT_AFTER = (20_000, 20, 50)

# The longest a clean stop may take; what is not written by then is counted and said.
STOP_SECONDS = 4.0
_START_SECONDS = 20.0
_SAID = "statustui: "
_ROLES_ADVICE = """\
the watch connects as roles of its own: on this host, somebody who may prepare the database runs
`statustui init` with a password in the address, or STATUSTUI_DATABASE__ENGINE_URL and
STATUSTUI_DATABASE__WEB_URL say how"""
# A pool that is silent is left behind: everything together has five seconds.
_POOL_CLOSE_SECONDS = 0.3
_SERVER_CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class WatchReport:
    """The engines that check, the watches of this host, and what waits on its disk."""

    watch: WatchInfo | None
    here: tuple[registry.RegisteredWatch, ...]
    spool: SpoolOnDisk | None = None

    @property
    def alive(self) -> bool:
        """Whether some watch checks at present, on whichever host."""
        return self.watch is not None and self.watch.alive

    def as_data(self) -> dict[str, object]:
        """As JSON."""
        return {
            "alive": self.alive,
            "holder": self.watch.holder if self.watch else None,
            "heartbeat_at": self.watch.heartbeat_at if self.watch else None,
            "started_at": self.watch.started_at if self.watch else None,
            "engines": [engine_document(each) for each in self.watch.engines] if self.watch else [],
            "this_host": [{"pid": item.pid, "page": item.page} for item in self.here],
            "spool": {
                "results": self.watch.spooled_results if self.alive and self.watch else None,
                "bytes": self.spool.bytes,
                "oldest_at": self.spool.oldest_at,
                "unreadable_bytes": self.spool.unreadable_bytes,
            }
            if self.spool
            else None,
        }

    def as_text(self) -> str:
        """As people read it."""
        if self.watch is None:
            lines = ["no watch ever ran on this database"]
        elif self.watch.alive:
            lines = [f"the watch runs: {self.watch.holder}, since {self.watch.started_at:%F %TZ}"]
            lines += [engine_line(each) for each in self.watch.engines]
        else:
            heard = f"{self.watch.heartbeat_at:%F %TZ}"
            lines = [f"no watch runs; the last was {self.watch.holder}, heard of at {heard}"]
        lines += [
            f"on this host: process {item.pid}" + (f", page {item.page}" if item.page else "")
            for item in self.here
        ]
        return "\n".join([*lines, *(spool_lines(self.spool) if self.spool else ())])


def spool_lines(spool: SpoolOnDisk) -> list[str]:
    """What waits on this host's disk, as people read it; nothing when nothing does."""
    lines: list[str] = []
    if spool.oldest_at is not None:
        lines.append(
            f"on this host's disk: {spool.bytes:,} bytes of results wait for the database, "
            f"the oldest since {spool.oldest_at:%F %TZ}"
        )
    if spool.unreadable_bytes:
        lines.append(f"{spool.unreadable_bytes:,} bytes there could not be read: {spool.folder}")
    return lines


def engine_line(engine: EngineInfo) -> str:
    """One engine as people read it."""
    said = [
        f"engine {engine.holder}",
        f"region {engine.region}",
        f"{engine.monitors:,} monitors, {engine.share:.0%} of the region",
        f"behind {engine.behind_seconds:.0f} s" if engine.behind_seconds >= 1 else "on time",
        f"since {engine.started_at:%F %TZ}",
    ]
    if engine.offline:
        said.append("its own network is gone")
    return ", ".join(said)


@dataclass(frozen=True, slots=True)
class WatchStart:
    """What came of making sure that a watch runs.

    Attributes:
        pid: of the process started from here; None when one was running already.
        note: one line for the first screen.
    """

    pid: int | None
    note: str


def serve(settings: Settings) -> int:
    """Run the watch in this process until SIGTERM or SIGINT.

    Args:
        settings: all settings.

    Returns:
        The exit code: 0 for a clean stop, 1 when results were lost.

    Raises:
        StatustuiError: it could not start.
    """
    logs.configure(settings.log, file=settings.log.file)
    return run_loop(_serve(settings))


def run_loop(main: Awaitable[int]) -> int:
    """Run a coroutine on uvloop where it can be had, else on asyncio's own loop."""

    async def body() -> int:
        return await main

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(body())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with open_database(settings) as database:
        return await run(settings, database, stop)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT ask for a clean stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def run(
    settings: Settings,
    database: Database,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Run engine and page on an open database until asked to stop.

    Args:
        settings: all settings.
        database: open.
        stop: set to ask for a clean stop.
        on_ready: called with the page's address (empty without one) once everything runs.

    Returns:
        0, or 1 when results were lost; those that wait on disk are not.
    """
    from statustui.engine.service import Engine
    from statustui.engine.spool import Spool
    from statustui.runtime import metrics
    from statustui.store.changes import ChangeListener
    from statustui.store.connection import open_pool
    from statustui.store.engine import EngineStore
    from statustui.store.metrics import load_figures
    from statustui.store.public import PublicStore
    from statustui.store.retention import Retention
    from statustui.web.service import Health, WebService

    gc.set_threshold(*COLLECT_AFTER)
    registration = registry.Registration(settings.data_dir, database_place(settings))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(registration.close)
        try:
            engine_pool = await open_pool(database.engine, min_size=1, max_size=6)
        except DatabaseUnavailable as error:
            if database.server is not None:
                raise
            raise DatabaseUnavailable(
                error.address, error.cause, advice=f"{error.advice}\n{_ROLES_ADVICE}"
            ) from error
        stack.push_async_callback(_close, engine_pool)
        engine_changes = await stack.enter_async_context(ChangeListener(database.engine))
        engine = Engine(
            EngineStore(engine_pool, Retention(**settings.retention.model_dump())),
            engine_changes,
            settings.engine,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            spool=Spool(
                spool_folder(settings) / settings.engine.region, settings.engine.spool_max_bytes
            ),
        )
        page, told = "", None
        if settings.web.enabled:
            web_pool = await open_pool(database.web, min_size=1, max_size=3)
            stack.push_async_callback(_close, web_pool)
            web_changes = await stack.enter_async_context(ChangeListener(database.web))

            def health() -> Health:
                status = engine.status()
                return Health(
                    database=engine_changes.connected,
                    engine=status.state,
                    spooled_results=status.spooled_results,
                    spool_bytes=status.spool_bytes,
                )

            web = WebService(PublicStore(web_pool), web_changes, settings.web, health)
            await web.start()
            stack.push_async_callback(web.stop)
            page, told = web.address, web.snapshot
            registration.update(page=page)
            _LOG.info("page at %s", page)
        await stack.enter_async_context(
            metrics.serving(
                settings,
                engine,
                lambda: load_figures(engine_pool, settings.engine.region),
                told,
            )
        )
        halt = asyncio.Event()
        checking = asyncio.create_task(engine.run(halt), name="engine")
        tending = asyncio.create_task(_tend(database), name="server")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            if on_ready is not None:
                on_ready(page)
            _LOG.info("watching", extra={"database": database.label})
            await asyncio.wait({checking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tending.cancel()
            stopping.cancel()
            halt.set()
            with contextlib.suppress(asyncio.CancelledError):
                await tending
        report = await checking
        if report.results_on_disk:
            sys.stderr.write(
                f"statustui: {report.results_on_disk} results wait on disk and are written when "
                "the watch starts again\n"
            )
        if report.lost_results:
            _LOG.error("%d results were lost: the database did not answer", report.lost_results)
            sys.stderr.write(f"statustui: {report.lost_results} results were lost\n")
            return 1
        _LOG.info("stopped")
        return 0


async def _close(pool: object) -> None:
    """Close a pool, but never wait for a database that does not answer."""
    close = getattr(pool, "close")  # noqa: B009  the pool's type belongs to the store
    try:
        await asyncio.wait_for(close(), timeout=_POOL_CLOSE_SECONDS)
    except TimeoutError:
        getattr(pool, "terminate")()  # noqa: B009


async def _tend(database: Database) -> None:
    """Restart the embedded server whenever it dies; the watch is the one who is always there."""
    if database.server is None:
        await asyncio.Event().wait()
        return
    while True:
        await asyncio.sleep(_SERVER_CHECK_SECONDS)
        try:
            await database.server.ensure_alive()
        except DatabaseUnavailable as error:
            _LOG.error("the embedded database does not start: %s", error.message)


async def watch_report(settings: Settings) -> WatchReport:
    """Which watch checks, which run on this host, and what waits on its disk.

    Raises:
        DatabaseUnavailable: its advice says what waits on disk.
    """
    from statustui.engine.spool_folder import on_disk

    here = registry.live(settings.data_dir, database_place(settings))
    spool = on_disk(spool_folder(settings))
    try:
        async with (
            open_database(settings, prepare=False) as database,
            operator_store(database) as store,
        ):
            state = await inspect_database(database)
            return WatchReport(await store.load_watch() if state.initialised else None, here, spool)
    except DatabaseUnavailable as error:
        advice = "\n".join([*spool_lines(spool), *filter(None, [error.advice])])
        raise DatabaseUnavailable(error.address, error.cause, advice=advice) from error


def spool_folder(settings: Settings) -> Path:
    """Where results wait on disk that belong to this database, by region."""
    return settings.data_dir / "spool" / registry.identity(database_place(settings))


def stop_watch(settings: Settings) -> tuple[int, ...]:
    """End this host's watches for these data, also one that a terminal started.

    Returns:
        The process numbers that have ended.
    """
    return registry.stop(settings.data_dir, database_place(settings))


async def ensure_watch(settings: Settings, database: Database) -> WatchStart:
    """Start a watch as a process of its own when none is alive on the database.

    Args:
        settings: all settings; the child gets the same database and data directory.
        database: open.

    Returns:
        What was done.

    Raises:
        StatustuiError: the watch ended at once; the message has the end of its log.
    """
    async with operator_store(database, max_connections=1) as store, _starting(settings):
        found = await store.load_watch()
        if found is not None and found.alive:
            return WatchStart(None, f"the watch runs: {found.holder}")
        log = settings.log.file or settings.data_dir / "watch.log"
        child = _spawn(settings, log)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise StatustuiError(
                    f"the watch does not start: {_reason(log, child.returncode)}",
                    advice=f"{_tail(log)}\nits log is {log}",
                )
            found = await store.load_watch()
            if found is not None and found.alive:
                return WatchStart(child.pid, f"started a watch: process {child.pid}")
            await asyncio.sleep(0.05)
        raise StatustuiError(
            f"the watch did not take up its work within {_START_SECONDS:.0f} s",
            advice=f"its log is {log}",
        )


@asynccontextmanager
async def _starting(settings: Settings) -> AsyncIterator[None]:
    """One starter at a time on this host, so that two terminals start one watch."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(
        settings.data_dir / "watch-start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Conflict(
                        "another terminal is starting a watch and does not come to an end",
                        advice="close it, or open this one with --no-watch",
                    ) from None
                await asyncio.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _spawn(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "statustui", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=child_environment(settings),
            start_new_session=True,
            close_fds=True,
        )


def _reason(log: Path, code: int) -> str:
    """What the watch itself said when it ended, else how it ended."""
    said = [line for line in _tail(log, 20).splitlines() if line.startswith(_SAID)]
    return said[-1].removeprefix(_SAID) if said else f"it ended at once with exit code {code}"


def _tail(log: Path, lines: int = 5) -> str:
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        return f"(its log cannot be read: {error})"
    return "\n".join(text.splitlines()[-lines:])
