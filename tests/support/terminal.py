"""The dashboard in tests: over a store in memory, without a database, in a terminal of any size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from textual.pilot import Pilot

from statustui.app import DashboardApp, QuitChoice
from statustui.domain.errors import DatabaseUnavailable, NotFound
from statustui.domain.readmodels import (
    Board,
    Draft,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    LatencyPoint,
    MonitorRow,
    Organization,
    ServiceFigures,
    ServiceNow,
    TimelineEntry,
    WatchInfo,
)
from statustui.screens.services import ServicesScreen
from statustui.settings import TerminalFacts, TerminalSettings
from statustui.store.changes import Change, Resync
from tests.support import sample_world

FACTS = TerminalFacts(
    term="xterm-256color",
    colorterm="truecolor",
    no_color=False,
    is_terminal=True,
    inside_tmux=False,
    locale="C.UTF-8",
    columns=None,
)


class MemoryListener:
    """Says what a test says, as the listener on the database does."""

    def __init__(self) -> None:
        self.connected = True
        self._queues: list[asyncio.Queue[frozenset[Change] | Resync]] = []

    async def _changes(
        self, queue: asyncio.Queue[frozenset[Change] | Resync]
    ) -> AsyncIterator[frozenset[Change] | Resync]:
        while True:
            yield await queue.get()

    def subscribe(self, org_key: str | None = None) -> AsyncIterator[frozenset[Change] | Resync]:
        """One more reader."""
        queue: asyncio.Queue[frozenset[Change] | Resync] = asyncio.Queue()
        self._queues.append(queue)
        return self._changes(queue)

    def announce(self, *kinds: str) -> None:
        """Something of these kinds changed; all of it without any."""
        bundle: frozenset[Change] | Resync = (
            frozenset(Change(sample_world.CHANNEL_KEY, kind) for kind in kinds)
            if kinds
            else Resync("a test says so")
        )
        for queue in self._queues:
            queue.put_nowait(bundle)


class MemoryStore:
    """An operator's store that keeps one board in memory.

    Attributes:
        is_away: whether every call fails as if the database were unreachable.
        calls: what was asked of it, by name with arguments.
        notes, runbook: what the service's details say.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.is_away = False
        self.calls: list[tuple[Any, ...]] = []
        self.runbook: str | None = None
        self.nows: dict[UUID, ServiceNow] = {}
        self.details: dict[str, IncidentDetail] = {}
        self.listener = MemoryListener()

    def _asked(self, *call: object) -> None:
        self.calls.append(call)
        if self.is_away:
            raise DatabaseUnavailable("memory", "a test took it away", advice="give it back")

    def change(self, board: Board, *kinds: str) -> None:
        """Another board, announced as the database would."""
        self.board = board
        self.listener.announce(*(kinds or ("services", "incidents")))

    def change_incident(self, code: str, **changes: object) -> IncidentSummary:
        """An incident with other fields, announced."""
        found = next(each for each in self.board.incidents if each.code == code)
        fresh = replace(found, **changes)  # type: ignore[arg-type]
        incidents = tuple(fresh if each.code == code else each for each in self.board.incidents)
        self.change(replace(self.board, incidents=incidents), "incidents")
        return fresh

    async def organizations(self) -> tuple[Organization, ...]:
        self._asked("organizations")
        return (self.board.organization,)

    async def load_board(self, org_id: int) -> Board:
        self._asked("load_board", org_id)
        return self.board

    async def load_watch(self) -> WatchInfo | None:
        self._asked("load_watch")
        return self.board.watch

    async def load_figures(self, org_id: int) -> tuple[ServiceFigures, ...]:
        self._asked("load_figures", org_id)
        return sample_world.figures(self.board)

    async def load_service_now(self, org_id: int, service_id: UUID) -> ServiceNow:
        self._asked("load_service_now", org_id, service_id)
        if service_id in self.nows:
            return self.nows[service_id]
        row = next((each for each in self.board.services if each.id == service_id), None)
        if row is None:
            raise NotFound("no such service")
        return ServiceNow(row, (), (), (), ())

    async def load_incident(self, org_id: int, code: str) -> IncidentDetail:
        self._asked("load_incident", org_id, code)
        if code in self.details:
            return self.details[code]
        found = next((each for each in self.board.incidents if each.code == code), None)
        if found is None:
            raise NotFound(f"no incident {code}")
        return IncidentDetail(found, (), (), None, None, self.board.pages)

    async def load_incidents(self, org_id: int, **_: object) -> tuple[IncidentSummary, ...]:
        self._asked("load_incidents", org_id)
        return self.board.incidents

    async def load_monitors(self, org_id: int) -> tuple[MonitorRow, ...]:
        self._asked("load_monitors", org_id)
        return ()

    async def load_latency(
        self, org_id: int, service_id: UUID, hours: int
    ) -> tuple[LatencyPoint, ...]:
        self._asked("load_latency", org_id, service_id, hours)
        return ()

    async def load_service_timeline(
        self, org_id: int, service_id: UUID, limit: int = 200
    ) -> tuple[TimelineEntry, ...]:
        self._asked("load_service_timeline", org_id, service_id, limit)
        return ()

    async def load_drafts(self, org_id: int) -> tuple[Draft, ...]:
        self._asked("load_drafts", org_id)
        return ()

    async def save_draft(self, org_id: int, draft: Draft) -> None:
        self._asked("save_draft", org_id, draft)

    async def delete_draft(
        self, org_id: int, incident_code: str | None, kind: str = "public"
    ) -> None:
        self._asked("delete_draft", org_id, incident_code, kind)

    async def acknowledge(self, org_id: int, code: str, minutes: int | None = None) -> datetime:
        self._asked("acknowledge", code)
        until = self.board.read_at + timedelta(minutes=minutes or 30)
        self.change_incident(
            code,
            acknowledged_by=self.board.operator,
            acknowledged_at=self.board.read_at,
            acknowledged_until=until,
            lead=self.board.operator,
        )
        return until

    async def release_acknowledgement(self, org_id: int, code: str) -> None:
        self._asked("release_acknowledgement", code)
        self.change_incident(code, acknowledged_by=None, acknowledged_until=None)

    async def snooze(self, org_id: int, code: str, until: datetime | None) -> None:
        self._asked("snooze", code, until)
        self.change_incident(code, snoozed_until=until)

    async def publish_incident(self, org_id: int, code: str) -> None:
        self._asked("publish_incident", code)
        self.change_incident(code, is_public=True)

    async def request_run(self, org_id: int, monitor_id: UUID) -> None:
        self._asked("request_run", monitor_id)

    def told(self, code: str, message: str) -> None:
        """Somebody else has told the public."""
        fresh = self.change_incident(code, told_at=self.board.read_at, title="We are on it")
        update = IncidentUpdate(
            fresh.id, fresh.status, message, is_public=True, author="bob",
            created_at=self.board.read_at,
        )  # fmt: skip
        self.details[code] = IncidentDetail(fresh, (update,), (), None, None, self.board.pages)


class FrozenApp(DashboardApp):
    """The dashboard on a clock that stands still, until a test moves it."""

    moved = timedelta(0)

    def now(self) -> datetime:
        """The moment of the board, plus what a test added."""
        return (self.board.read_at if self.board is not None else sample_world.AT) + self.moved


@contextlib.asynccontextmanager
async def dashboard(
    store: MemoryStore,
    size: tuple[int, int] = (80, 24),
    *,
    theme: str = "dark",
    glyphs: str = "unicode",
    facts: TerminalFacts = FACTS,
    data_dir: Path = Path("/nonexistent"),
    **options: Any,
) -> AsyncIterator[tuple[FrozenApp, Pilot[QuitChoice]]]:
    """The dashboard after its first frame, and whoever presses its keys.

    Args:
        store: what it reads; size: columns and rows.
        theme, glyphs: the settings; facts: of the terminal.
        options: of the application.
    """
    settings = TerminalSettings(
        theme=theme, glyphs=glyphs, bell=False, **options.pop("settings", {})
    )  # type: ignore[call-arg,arg-type]
    app = FrozenApp(
        cast(Any, store),
        cast(Any, store.listener),
        sample_world.ORG,
        settings,
        facts=facts,
        data_dir=data_dir,
        **options,
    )
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        yield app, pilot


async def settle(app: DashboardApp, pilot: Pilot[Any]) -> None:
    """Wait until what was announced and asked has been shown, details of the selection too."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 5

    def is_busy() -> bool:
        settling = isinstance(app.screen, ServicesScreen) and app.screen.is_settling
        if app.board is None or app.is_loading or settling:
            return True
        return bool(app.board.services) and not app.figures

    await pilot.pause()
    while is_busy():
        assert loop.time() < deadline, "the board was never shown"
        await asyncio.sleep(0.01)
        await pilot.pause()
    for _ in range(3):
        await pilot.pause()


def screen_lines(app: DashboardApp) -> list[str]:
    """What is on the screen, line by line, without what is blank at their ends."""
    strips = app.screen._compositor.render_strips()
    return [strip.text.rstrip() for strip in strips]


def screen_text(app: DashboardApp) -> str:
    """What is on the screen as one text."""
    return "\n".join(screen_lines(app)) + "\n"
