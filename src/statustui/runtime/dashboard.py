"""The dashboard's process: opens the database as the person, makes sure a watch runs, draws."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence

from statustui.domain.errors import DatabaseUnavailable, StatustuiError
from statustui.domain.readmodels import PageInfo
from statustui.domain.status import Visibility
from statustui.presenters import plain
from statustui.runtime import logs, registry
from statustui.runtime.database import (
    Database,
    choose_organization,
    database_place,
    open_database,
    operator_store,
)
from statustui.runtime.watch import WatchStart, ensure_watch
from statustui.settings import Settings, TerminalFacts
from statustui.store.changes import ChangeListener

_LOG = logging.getLogger("statustui.dashboard")


def run_dashboard(
    settings: Settings,
    facts: TerminalFacts,
    *,
    read_only: bool,
    no_watch: bool,
    incident: str | None,
) -> int:
    """Open the full-screen dashboard and stay until it is left.

    Args:
        settings: all settings.
        facts: what the environment says about the terminal.
        read_only: nothing can be changed from here.
        no_watch: start no watch when none is running.
        incident: code of an incident to open first.

    Returns:
        The exit code.
    """
    _log_to_file(settings)
    return asyncio.run(
        _dashboard(settings, facts, read_only=read_only, no_watch=no_watch, incident=incident)
    )


def run_plain(settings: Settings, *, no_watch: bool) -> int:
    """Print the list and then one line per change, without cursor movement, until interrupted.

    Args:
        settings: all settings.
        no_watch: start no watch when none is running.

    Returns:
        The exit code.
    """
    _log_to_file(settings)
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_plain(settings, no_watch=no_watch))
    return 130


def _log_to_file(settings: Settings) -> None:
    # The terminal is taken: a line written into it would be written into the picture.
    logs.configure(settings.log, file=settings.log.file or settings.data_dir / "dashboard.log")


async def _watch(settings: Settings, database: Database, *, no_watch: bool) -> WatchStart:
    if no_watch:
        return WatchStart(None, "")
    try:
        return await ensure_watch(settings, database)
    except StatustuiError as error:
        # Whoever may not run the watch, or cannot here, still sees and posts; it may run elsewhere.
        _LOG.warning("%s: %s", error.message, error.advice)
        return WatchStart(None, f"nobody checks: {error.message}; run `statustui serve`")


async def _dashboard(
    settings: Settings,
    facts: TerminalFacts,
    *,
    read_only: bool,
    no_watch: bool,
    incident: str | None,
) -> int:
    from statustui.app import DashboardApp, QuitChoice

    async with open_database(settings) as database, operator_store(database) as store:
        organization = await choose_organization(store, settings.org)
        started = await _watch(settings, database, no_watch=no_watch)
        async with ChangeListener(database.operator) as listener:
            app = DashboardApp(
                store,
                listener,
                organization.id,
                settings.terminal,
                facts=facts,
                data_dir=settings.data_dir,
                watch_note=started.note,
                started_watch=started.pid is not None,
                read_only=read_only,
                open_incident=incident,
            )
            choice = await app.run_async(mouse=settings.terminal.mouse)
        if started.pid is not None and choice is QuitChoice.STOP_WATCH:
            await asyncio.to_thread(_end, settings, started.pid)
        elif started.pid is not None:
            _tell(farewell(settings, started.pid, app.board.pages if app.board else ()))
        return 0


def farewell(settings: Settings, pid: int, pages: Sequence[PageInfo]) -> str:
    """What is left running after the dashboard, where its page is and how it is ended.

    Args:
        settings: all settings.
        pid: of the watch that was started from here.
        pages: of the organization that was looked at.

    Returns:
        One line; empty when that watch has ended meanwhile.
    """
    live = registry.live(settings.data_dir, database_place(settings))
    found = next((item for item in live if item.pid == pid), None)
    if found is None:
        return ""
    public = [page.slug for page in pages if page.visibility is Visibility.PUBLIC]
    address = f"{found.page}/s/{public[0]}" if public else found.page
    where = f"page {address}; " if found.page else ""
    return f"the watch goes on (process {pid}): {where}`statustui serve --stop` ends it"


def _tell(line: str) -> None:
    if not line or not sys.stdout.isatty():
        return
    # The terminal may close at this very moment, and then there is nobody to tell.
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _end(settings: Settings, pid: int) -> None:
    registered = {item.pid for item in registry.live(settings.data_dir, database_place(settings))}
    # Only a watch that is still registered is ours to end: the number may have been used again.
    if pid in registered:
        os.kill(pid, signal.SIGTERM)


async def follow(settings: Settings) -> AsyncIterator[str]:
    """Everything that changes from now on, one line each, until the iteration is ended.

    Args:
        settings: all settings.

    Yields:
        Sentences without line breaks; an unreachable database is one of them.
    """
    async with open_database(settings) as database, operator_store(database) as store:
        organization = await choose_organization(store, settings.org)
        async with ChangeListener(database.operator) as listener:
            board = await store.load_board(organization.id)
            async for _ in listener.subscribe(organization.channel_key):
                try:
                    fresh = await store.load_board(organization.id)
                except DatabaseUnavailable as error:
                    yield error.message
                    continue
                for line in plain.change_lines(board, fresh):
                    yield line
                board = fresh


async def _plain(settings: Settings, *, no_watch: bool) -> int:
    async with open_database(settings) as database, operator_store(database) as store:
        organization = await choose_organization(store, settings.org)
        started = await _watch(settings, database, no_watch=no_watch)
        board = await store.load_board(organization.id)
    for line in [*([started.note] if started.note else []), *plain.board_lines(board)]:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    async for line in follow(settings):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0
