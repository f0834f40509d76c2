"""The page's part of the watch: keeps every public page up to date in memory and serves it.

    announcement ──► which pages, and what of them ──► read again ──► new state, old answers gone
    request ──► answer from memory (made on first demand, kept until the state or the minute goes)

Statuses, incidents and maintenance are read as soon as they are announced. Figures (uptime,
coverage, response times) change with every check, so they are read every few seconds, and only for
pages that somebody asked for lately; a page that nobody wanted for longer is read again when the
next reader comes, who waits for that one reading. When the database is away, readings fail, the
last states stay and say how old they are, and trying goes on.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from statustui.domain.enginemetrics import WebSnapshot
from statustui.domain.errors import StatustuiError
from statustui.store.changes import ChangeListener, Resync, Subscription
from statustui.store.public import SHOWN_DAYS, PublicStore
from statustui.web.health import Health
from statustui.web.pages import Pages, ServedPage
from statustui.web.routes import Routes, route_of
from statustui.web.server import PageServer

if TYPE_CHECKING:
    from statustui.settings import WebSettings

__all__ = ["Health", "WebService"]

log = logging.getLogger(__name__)

# Least time between two readings of one page, so that a storm of changes is not a storm of reads.
# How long a stop waits for a reading that the database holds up.
_END_SECONDS = 0.3
SPACING_SECONDS: Final = 0.2
FIGURES_SECONDS: Final = 3.0
# For this long after a request a page is kept fresh without being asked for.
ASKED_LATELY_SECONDS: Final = 600.0
# Announcements may be lost without anybody noticing; this finds what they would have said.
POLL_SECONDS: Final = 30.0
POLL_DEAF_SECONDS: Final = 1.0
# Read whole now and then, for what changes further back than yesterday.
WHOLE_SECONDS: Final = 900.0
RETRY_SECONDS: Final = 1.0
TICK_SECONDS: Final = 0.25

# Kinds of announcements after which a page is read at once; new checks wait for the next round.
_AT_ONCE: Final = frozenset({"configuration", "services", "incidents", "maintenance"})
_FIGURES: Final = frozenset({"checks", "monitors"})


class _Reader:
    """Reads one page again when it has to be, never twice at once."""

    def __init__(self, store: PublicStore, pages: Pages, served: ServedPage) -> None:
        self._store = store
        self._pages = pages
        self._served = served
        self._task: asyncio.Task[None] | None = None
        self._wants_incidents = True
        self._wants_whole = True
        self._again = False
        self._not_before = 0.0
        self._last = self._last_whole = float("-inf")

    def want(self, *, incidents: bool, whole: bool = False) -> None:
        """Note what has to be read; `read` or the next tick does it."""
        self._wants_incidents |= incidents
        self._wants_whole |= whole
        self._again = True

    def read(self) -> asyncio.Task[None]:
        """Begin to read what was noted, or join the reading under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(), name=f"web-{self._served.entry.slug}")
        return self._task

    async def _read(self) -> None:
        self._again = True
        while self._again:
            pause = self._last + SPACING_SECONDS - monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            self._again = False
            try:
                if not await self._read_once():
                    return
            except Exception:
                # A page that cannot be made from what was read must not stop the others.
                log.exception("page %s could not be read", self._served.entry.slug)
                self._not_before = monotonic() + RETRY_SECONDS
                return

    async def _read_once(self) -> bool:
        served = self._served
        incidents, whole = self._wants_incidents, self._wants_whole
        self._wants_incidents = self._wants_whole = False
        # What is announced from here on may not be in what is read.
        served.behind = False
        begun = monotonic()
        try:
            if served.page is None or whole:
                days = max(served.days, SHOWN_DAYS)
                page = await self._store.load_page(served.entry.slug, days=days)
                self._last_whole = begun
                served.days = days
            else:
                page = await self._store.reload_page(served.page, incidents=incidents)
        except StatustuiError as error:
            self.want(incidents=incidents, whole=whole)
            served.behind = True
            self._not_before = monotonic() + RETRY_SECONDS
            if not served.stale:
                log.warning("page %s keeps its last state: %s", served.entry.slug, error.message)
            served.put_stale()
            return False
        self._last = begun
        if page is None:
            self._pages.remove(served.entry.slug)
            return False
        if served.stale:
            log.info("page %s is up to date again", served.entry.slug)
        served.put(page, read=(begun + monotonic()) / 2)
        return True

    def read_if_due(self, now: float, *, deaf: bool) -> None:
        """Begin to read when it is time to.

        Args:
            now: the monotonic clock.
            deaf: whether announcements cannot be heard at present.
        """
        served = self._served
        if now < self._not_before or (self._task is not None and not self._task.done()):
            return
        if not asked_lately(served, now):
            return
        if now - self._last_whole >= WHOLE_SECONDS:
            self.want(incidents=True, whole=True)
        elif now - self._last >= (POLL_DEAF_SECONDS if deaf or served.stale else POLL_SECONDS):
            self.want(incidents=True)
        elif served.behind and now - self._last >= FIGURES_SECONDS:
            self.want(incidents=False)
        if self._again:
            self.read()

    async def stop(self) -> None:
        """End the reading under way."""
        if self._task is not None:
            await _end([self._task])


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait for them only a moment.

    A reading that a silent database holds up ends with its connection, which whoever opened the
    pool closes next; waiting here for the database to agree would keep the process from stopping.
    """
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_END_SECONDS)


def asked_lately(served: ServedPage, now: float) -> bool:
    """Whether somebody asked for a page within the last minutes, or it is new here."""
    return now - served.asked < ASKED_LATELY_SECONDS


class WebService:
    """The public page, from the database's announcements to the socket.

    Args:
        store: reads pages.
        changes: says what changed.
        settings: where to listen, and the limits.
        health: how the process is.
    """

    def __init__(
        self,
        store: PublicStore,
        changes: ChangeListener,
        settings: WebSettings,
        health: Callable[[], Health],
    ) -> None:
        self._store = store
        self._changes = changes
        self._settings = settings
        self._pages = Pages()
        self._readers: dict[ServedPage, _Reader] = {}
        self._index_wanted = True
        self._index_not_before = 0.0
        self._index_read = float("-inf")
        self._index_failed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._routes = Routes(self._pages, self._wanted, health, self._is_fresh)
        self._server = PageServer(self._routes.answer, self._routes.refuse, settings, route_of)

    @property
    def address(self) -> str:
        """Where the page is, as "http://127.0.0.1:8080"."""
        host, port = self._server.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def snapshot(self) -> WebSnapshot:
        """What was answered so far, for the metrics."""
        return WebSnapshot(self._server.requests())

    async def start(self) -> None:
        """Begin to listen, and to read pages.

        Raises:
            StatustuiError: the address cannot be listened on.
        """
        subscription = self._changes.subscribe()
        try:
            await self._server.start()
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            if error.errno == errno.EADDRINUSE:
                raise StatustuiError(
                    f"the page cannot listen on {where}: the port is in use",
                    advice="choose another with --port or STATUSTUI_WEB__PORT, or stop the other "
                    "watch with `statustui serve --stop`",
                ) from error
            raise StatustuiError(
                f"the page cannot listen on {where}: {error.strerror or error}",
                advice="give an address of this host with --host or STATUSTUI_WEB__HOST, and a "
                "port that this user may open with --port or STATUSTUI_WEB__PORT",
            ) from error
        await self._read_index(monotonic())
        self._tasks = [
            asyncio.create_task(self._follow(subscription), name="web-changes"),
            asyncio.create_task(self._tick(), name="web-tick"),
        ]

    async def stop(self) -> None:
        """Finish the answers under way, stop listening and reading."""
        await self._server.stop()
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(
            *([_end(tasks)] if tasks else []), *(reader.stop() for reader in self._readers.values())
        )

    def _is_fresh(self, served: ServedPage) -> bool:
        """Whether a page may be answered at once, because it is being followed."""
        return served.stale or asked_lately(served, monotonic())

    def _wanted(self, served: ServedPage, days: int) -> Awaitable[None]:
        reader = self._reader(served)
        if served.page is None or days > served.days:
            served.days = max(served.days, days)
            reader.want(incidents=True, whole=True)
        else:
            reader.want(incidents=True)
        return asyncio.shield(reader.read())

    def _reader(self, served: ServedPage) -> _Reader:
        reader = self._readers.get(served)
        if reader is None:
            reader = self._readers[served] = _Reader(self._store, self._pages, served)
        return reader

    async def _follow(self, subscription: Subscription) -> None:
        """Read again what is announced."""
        async for announced in subscription:
            if isinstance(announced, Resync):
                self._index_wanted = True
                for served in self._pages.all():
                    self._announce(served, at_once=True)
                continue
            for change in announced:
                if change.kind == "configuration":
                    self._index_wanted = True
            for org_key in {change.org_key for change in announced}:
                kinds = {change.kind for change in announced if change.org_key == org_key}
                if not kinds & (_AT_ONCE | _FIGURES):
                    continue
                for served in self._pages.of_organization(org_key):
                    self._announce(served, at_once=bool(kinds & _AT_ONCE))
            if self._index_wanted:
                await self._read_index(monotonic())

    def _announce(self, served: ServedPage, *, at_once: bool) -> None:
        served.behind = True
        if at_once:
            reader = self._reader(served)
            reader.want(incidents=True)
            if asked_lately(served, monotonic()):
                reader.read()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = monotonic()
            deaf = not self._changes.connected
            age = now - self._index_read
            if self._index_wanted or age >= (POLL_DEAF_SECONDS if deaf else POLL_SECONDS):
                await self._read_index(now)
            for served in self._pages.all():
                self._reader(served).read_if_due(now, deaf=deaf)

    async def _read_index(self, now: float) -> None:
        """Learn which pages there are; while that fails, those that were known stay."""
        if now < self._index_not_before:
            return
        self._index_wanted = False
        try:
            entries = await self._store.load_page_index()
        except StatustuiError as error:
            if not self._index_failed:
                log.warning("the list of pages cannot be read: %s", error.message)
            self._index_failed = True
            self._index_wanted = True
            self._index_not_before = now + RETRY_SECONDS
            for served in self._pages.all():
                served.put_stale()
            return
        self._index_failed = False
        self._index_read = now
        self._pages.put_index(entries)
        kept = set(self._pages.all())
        for served in [each for each in self._readers if each not in kept]:
            await self._readers.pop(served).stop()
        for served in kept:
            self._reader(served).read_if_due(now, deaf=False)
