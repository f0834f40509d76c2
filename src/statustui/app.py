"""The full-screen dashboard: it hears what changed, loads the board anew, and hands it to screens.

The dashboard is a client of PostgreSQL and nothing else. Whatever arrives is a hint that something
changed; the board is then loaded whole, at most four times a second, and screens repaint what is
different. While the database is away the last board stays on the screen, with its age beside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import RenderableType
from textual._compositor import ChopsUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme

from statustui import palette
from statustui.domain.errors import DatabaseUnavailable, StatustuiError
from statustui.domain.readmodels import Board, ServiceFigures
from statustui.domain.status import ServiceStatus
from statustui.resources import styles_directory
from statustui.screens.base import BaseScreen, Choice
from statustui.screens.services import ServicesScreen
from statustui.store.changes import Change, ChangeListener, Resync
from statustui.widgets.narrow_update import NarrowUpdate
from statustui.widgets.painting import Painter, choose_ascii, choose_palette

if TYPE_CHECKING:
    from statustui.settings import TerminalFacts, TerminalSettings
    from statustui.store.operator import OperatorStore

_SHORTEST_GAP_SECONDS = 0.25
_STEADY_GAP_SECONDS = 0.4
_LONGEST_GAP_SECONDS = 2.0
_CHECKS_GAP_SECONDS = 5.0
_FIGURES_SECONDS = 300.0
_WATCH_SECONDS = 5.0
_RETRY_SECONDS = (0.5, 1.0, 2.0, 2.0, 5.0)
_SILENCE_SECONDS = 2.0
_TWICE_SECONDS = 1.5
_LAST_RESORT_SECONDS = 4.0

_NOT_ON_THE_BOARD = frozenset({"drafts", "outbox"})
_OFTEN = frozenset({"checks", "engines"})


class QuitChoice(Enum):
    """How the dashboard was left: whether the watch that it started goes on."""

    QUIT = "quit"
    STOP_WATCH = "stop_watch"


class DashboardApp(App[QuitChoice]):
    """The dashboard of one organization.

    Args:
        store: reads and writes as the operator.
        listener: hears what changed; already entered.
        organization_id: whose board is shown.
        settings: the terminal's settings.
        facts: what the environment says about the terminal.
        data_dir: where drafts are kept while the database is away.
        watch_note: said at the start ("started a watch …").
        started_watch: whether a watch was started from here; on quitting it is asked about.
        read_only: nothing can be changed from here.
        open_incident: code of an incident to open first.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "statustui"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "quit", id="quit", priority=True, system=True),
        Binding("ctrl+c", "leave_twice", "quit, pressed twice", id="interrupt", system=True),
    ]

    def __init__(
        self,
        store: OperatorStore,
        listener: ChangeListener,
        organization_id: int,
        settings: TerminalSettings,
        *,
        facts: TerminalFacts,
        data_dir: Path,
        watch_note: str = "",
        started_watch: bool = False,
        read_only: bool = False,
        open_incident: str | None = None,
    ) -> None:
        self.painter = Painter(
            choose_palette(
                settings.theme,
                term=facts.term,
                colorterm=facts.colorterm,
                no_color=facts.no_color,
            ),
            is_ascii=choose_ascii(settings.glyphs, term=facts.term, locale=facts.locale),
        )
        super().__init__(
            css_path=[str(path) for path in sorted(styles_directory().glob("*.tcss"))],
            # Our colours are entries of the terminal's own table: they are sent as they are.
            ansi_color=True,
        )
        self.animation_level = "none"
        self.store = store
        self.organization_id = organization_id
        self.settings = settings
        self.facts = facts
        self.data_dir = data_dir
        self.read_only = read_only
        self.board: Board | None = None
        self.figures: dict[UUID, ServiceFigures] = {}
        self.zone: tzinfo = UTC
        self._listener = listener
        self._watch_note = watch_note
        self._started_watch = started_watch
        self._open_incident = open_incident
        self._wanted = asyncio.Event()
        self._first_board = asyncio.Event()
        self._kinds: set[str] = set()
        self._everything = True
        self._answered = time.monotonic()
        self._is_lost = False
        self._is_reading = False
        self._interrupted = float("-inf")
        self._broken: frozenset[UUID] = frozenset()
        self._window_title = ""
        self._handlers: dict[int, Any] = {}
        self._last_resort: threading.Timer | None = None
        theme = _theme(self.painter.palette)
        self.register_theme(theme)
        self.theme = theme.name

    @property
    def is_loading(self) -> bool:
        """Whether something that was announced is not on the screen yet."""
        return self._wanted.is_set() or self._is_reading

    # What screens ask (see `screens.base.Dashboard`)

    def now(self) -> datetime:
        """The present moment on the database's clock."""
        if self.board is None:
            return datetime.now(UTC)
        return self.board.read_at + timedelta(seconds=time.monotonic() - self._answered)

    def stale_seconds(self) -> int | None:
        """How old what is shown may be, None while the database answers."""
        age = time.monotonic() - self._answered
        if self._is_lost or (not self._listener.connected and age >= _SILENCE_SECONDS):
            return int(age)
        return None

    def reload(self) -> None:
        """Load the board again, soon."""
        self._everything = True
        self._wanted.set()

    def lost(self, error: DatabaseUnavailable) -> None:
        """A screen found the database away: say so at once, and try until it is back."""
        self.log.warning(error.message)
        self._is_lost = True
        self.reload()
        self._tick()

    # Life

    def get_default_screen(self) -> ServicesScreen:
        """The first screen."""
        return ServicesScreen(note=self._watch_note)

    def on_mount(self) -> None:
        """Start to listen, to load and to tick."""
        self._hear_signals()
        self.app_resume_signal.subscribe(self, self._resumed)
        self.run_worker(self._keep_current(), name="board", group="board")
        self.run_worker(self._keep_figures(), name="figures", group="figures")
        self.run_worker(self._keep_watch(), name="watch", group="watch")
        self.set_interval(1.0, self._tick)

    async def run_async(self, *args: Any, **options: Any) -> QuitChoice | None:
        """Run until it is left; see the toolkit's method. Signals are given back at the end."""
        try:
            choice = await super().run_async(*args, **options)
        finally:
            if self._last_resort is not None:
                # It ended by itself: what comes after it may take its time.
                self._last_resort.cancel()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self._exception is not None:
            # The toolkit would print its own traceback with every local value; whoever started
            # the dashboard keeps it in the log and says one line.
            raise self._exception
        return choice

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()

    def _resumed(self, _: object) -> None:
        # After `fg` the terminal shows nothing until everything is painted once.
        self.refresh(layout=True)
        self.screen.refresh()

    def _hear_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread() or self.is_headless:
            return
        loop = asyncio.get_running_loop()

        def end(number: int, _: FrameType | None) -> None:
            # A terminal that reads no more blocks the loop in a write, and then nothing that is
            # asked of the loop happens. So the process ends without it if it must.
            if self._last_resort is None:
                self._last_resort = threading.Timer(_LAST_RESORT_SECONDS, os._exit, (128 + number,))
                self._last_resort.daemon = True
                self._last_resort.start()
            loop.call_soon_threadsafe(self._end)

        # A handler of Python's runs also while the loop is blocked; one of the loop's would not.
        for number in (signal.SIGHUP, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, end)

    def _end(self) -> None:
        self.exit(QuitChoice.QUIT)

    # The event pump

    async def _keep_current(self) -> None:
        self._wanted.set()
        hearing: asyncio.Task[None] | None = None
        failures = 0
        loaded_at = float("-inf")
        gap = 0.0
        last, streak = float("-inf"), 0
        try:
            while True:
                await self._wanted.wait()
                if not self._everything and self._kinds <= _OFTEN:
                    # Looks alone change ages and strips: those may wait, everything else not.
                    wait = max(gap, _CHECKS_GAP_SECONDS)
                else:
                    wait = gap
                pause = loaded_at + wait - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(min(pause, _SHORTEST_GAP_SECONDS))
                    if loaded_at + wait > time.monotonic():
                        continue
                kinds = None if self._everything else frozenset(self._kinds)
                self._kinds.clear()
                self._everything = False
                self._wanted.clear()
                started = time.monotonic()
                self._is_reading = True
                try:
                    if kinds is None or not kinds <= _NOT_ON_THE_BOARD:
                        board = await self.store.load_board(self.organization_id)
                        self._take(board)
                except StatustuiError as error:
                    self._everything = True
                    self._wanted.set()
                    self._failed(error)
                    await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                    failures += 1
                    continue
                finally:
                    self._is_reading = False
                failures = 0
                loaded_at = time.monotonic()
                # A board that takes long to load is loaded less often, so that keys come first,
                # and so is one that changes without end: a slow line carries so much and no more.
                streak = streak + 1 if started - last < 2 * _SHORTEST_GAP_SECONDS else 0
                last = started
                least = _STEADY_GAP_SECONDS if streak > 4 else _SHORTEST_GAP_SECONDS
                gap = min(_LONGEST_GAP_SECONDS, max(least, 5 * (loaded_at - started)))
                if hearing is None:
                    hearing = asyncio.create_task(self._hear(), name="hear changes")
                    self._opened()
                if (front := self._front()) is not None:
                    front.refresh_for(kinds)
        finally:
            if hearing is not None:
                hearing.cancel()

    async def _hear(self) -> None:
        board = self.board
        key = board.organization.channel_key if board is not None else ""
        # What happened between the first board and this moment was not heard.
        changes = self._listener.subscribe(key or None)
        self.reload()
        async for bundle in changes:
            match bundle:
                case Resync():
                    self._everything = True
                case _:
                    self._kinds |= {change.kind for change in bundle if self._concerns(change)}
            if self._everything or self._kinds:
                self._wanted.set()

    def _concerns(self, change: Change) -> bool:
        board = self.board
        return board is None or change.org_key in ("*", board.organization.channel_key)

    def _take(self, board: Board) -> None:
        self.board = board
        self._answered = time.monotonic()
        self._is_lost = False
        self.zone = _zone(board.organization.timezone, self.settings.timezone)
        self._first_board.set()
        self._attract(board)

    def _failed(self, error: StatustuiError) -> None:
        self.log.warning(error.message)
        self._is_lost = True
        self._tick()
        if not isinstance(error, DatabaseUnavailable) and (front := self._front()) is not None:
            front.complain(error)

    async def _keep_figures(self) -> None:
        await self._first_board.wait()
        while True:
            try:
                figures = await self.store.load_figures(self.organization_id)
            except StatustuiError as error:
                self.log.warning(error.message)
                await asyncio.sleep(_RETRY_SECONDS[-1])
                continue
            self.figures = {each.service_id: each for each in figures}
            if (front := self._front()) is not None:
                front.refresh_for(frozenset({"figures"}))
            await asyncio.sleep(_FIGURES_SECONDS)

    async def _keep_watch(self) -> None:
        """A watch that dies announces nothing: it is asked for, and so is the database."""
        await self._first_board.wait()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                watch = await self.store.load_watch()
            except DatabaseUnavailable as error:
                self.lost(error)
                continue
            except StatustuiError as error:
                self.log.warning(error.message)
                continue
            board = self.board
            if board is None or self._is_lost:
                continue
            self._answered_again(replace(board, watch=watch))

    def _answered_again(self, board: Board) -> None:
        known = self.board
        if known is None:
            return
        self.board = replace(board, read_at=self.now())
        self._answered = time.monotonic()
        is_alive = board.watch is not None and board.watch.alive
        if is_alive is not (known.watch is not None and known.watch.alive):
            self.reload()

    def _opened(self) -> None:
        if self._open_incident is not None and isinstance(self.screen, BaseScreen):
            self.screen.open_incident(self._open_incident)

    def _tick(self) -> None:
        if not self._listener.connected and self.board is not None:
            # Nobody tells what changes at present: ask.
            self._everything = True
            self._wanted.set()
        if (front := self._front()) is not None:
            front.tick(self.now())

    def _front(self) -> BaseScreen[Any] | None:
        """The screen in front; None at the very end, when none is left."""
        stack = self.screen_stack
        return stack[-1] if stack and isinstance(stack[-1], BaseScreen) else None

    # Getting attention

    def _attract(self, board: Board) -> None:
        broken = frozenset(
            service.id
            for service in board.services
            if service.status in (ServiceStatus.MAJOR_OUTAGE, ServiceStatus.PARTIAL_OUTAGE)
        )
        is_news = bool(broken - self._broken)
        first, self._broken = not self._window_title, broken
        sign = self.painter.text(palette.OUTAGE.glyph)
        title = f"{sign} {len(broken)} statustui" if broken else "statustui"
        if title != self._window_title:
            self._window_title = title
            self._write(f"\x1b]2;{title}\x07")
        if is_news and not first and self.settings.bell:
            self.bell()

    def _write(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # Painting

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate.of(renderable)
        super()._display(screen, renderable)

    # Leaving

    def leave(self) -> None:
        """End the dashboard; asks about the watch that was started from here, by the setting."""
        match self.settings.on_quit if self._started_watch else "leave":
            case "stop":
                self.exit(QuitChoice.STOP_WATCH)
            case "ask" if isinstance(self.screen, BaseScreen) and not self.screen.is_asking:
                self.screen.ask(
                    "the watch started here:",
                    [
                        Choice("l", "leave it running", self._exit_with(QuitChoice.QUIT)),
                        Choice("s", "stop it", self._exit_with(QuitChoice.STOP_WATCH)),
                    ],
                    no="stay",
                )
            case _:
                self.exit(QuitChoice.QUIT)

    def _exit_with(self, choice: QuitChoice) -> Callable[[], None]:
        return lambda: self.exit(choice)

    def action_leave(self) -> None:
        """End the dashboard."""
        self.leave()

    def action_leave_twice(self) -> None:
        """End the dashboard when pressed twice."""
        now = time.monotonic()
        if now - self._interrupted <= _TWICE_SECONDS:
            self.leave()
            return
        self._interrupted = now
        if isinstance(self.screen, BaseScreen):
            self.screen.say("ctrl+c again quits")


def _zone(name: str, wanted: str) -> tzinfo:
    if wanted == "utc":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        # The host's table of zones is older than the database's: UTC is at least named.
        return UTC


def _theme(colors: palette.Palette) -> Theme:
    """The toolkit's theme, for the few widgets that it styles itself (text areas, charts)."""

    def of(token: str) -> str:
        number = colors.colors.get(token)
        return palette.HEX[number] if isinstance(number, int) else "ansi_default"

    tokens = ("bg", "panel", "sel", "text", "strong", "muted", "faint", "internal")
    ours = {f"st-{token}": of(token) for token in tokens}
    # What the toolkit's own theme of 16 colours says of frames and cursors holds for ours too.
    ansi = BUILTIN_THEMES["ansi-dark"].variables
    return Theme(
        name=f"statustui-{colors.name}",
        primary=of("strong"),
        secondary=of("muted"),
        warning=of("degraded"),
        error=of("outage"),
        success=of("up"),
        accent=of("strong"),
        foreground=of("text"),
        background=of("bg"),
        surface=of("panel"),
        panel=of("panel"),
        dark=colors.is_dark,
        ansi=not colors.has_tints,
        variables=ours if colors.has_tints else {**ansi, **ours},
    )
