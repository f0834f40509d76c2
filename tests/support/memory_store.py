"""A store in memory, for tests of screens: it answers as the database would, and can be away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from textual.pilot import Pilot

from statustui.app import DashboardApp
from statustui.domain.errors import Conflict, DatabaseUnavailable, NotFound, StaleState
from statustui.domain.posting import IncidentInput, PostReceipt, TakenBack, UpdateInput
from statustui.domain.readmodels import (
    Board,
    Draft,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    LatencyPoint,
    MonitorRow,
    PendingPost,
    ServiceFigures,
    ServiceNow,
    ServiceRow,
    TimelineEntry,
    WatchInfo,
)
from statustui.domain.status import IncidentStatus, Role
from statustui.settings import TerminalFacts, TerminalSettings
from statustui.store.operator import OperatorStore
from tests.support import acme


class MemoryStore:
    """What the screens of an incident ask of the operator's store.

    Args:
        board: what it holds at first; the database's clock stands still at `board.read_at`.
        detail: the one incident that can be loaded whole.
    """

    def __init__(self, board: Board, detail: IncidentDetail) -> None:
        self.board = board
        self.details = {detail.summary.code: detail}
        self.drafts: dict[tuple[str | None, str], Draft] = {}
        self.posted: list[UpdateInput | IncidentInput] = []
        self.asked_to_run: list[UUID] = []
        self.paused: list[tuple[UUID, datetime | None]] = []
        self.resumed: list[UUID] = []
        self.monitors: tuple[MonitorRow, ...] = (
            acme.monitor(201, "health", acme.MonitorState.DOWN),
            acme.monitor(202, "ping"),
        )
        self.points: tuple[LatencyPoint, ...] = ()
        self.history: tuple[IncidentSummary, ...] = ()
        self.is_away = False
        self.calls: list[str] = []

    # What screens read

    async def load_board(self, org_id: int) -> Board:
        self._answer("load_board")
        return self.board

    async def load_watch(self) -> WatchInfo | None:
        self._answer("load_watch")
        return self.board.watch

    async def load_figures(self, org_id: int) -> tuple[ServiceFigures, ...]:
        self._answer("load_figures")
        return ()

    async def load_incident(self, org_id: int, code: str) -> IncidentDetail:
        self._answer("load_incident")
        if code not in self.details:
            raise NotFound(f"no incident {code} in this organization")
        return self.details[code]

    async def load_incidents(self, org_id: int, **_: Any) -> tuple[IncidentSummary, ...]:
        self._answer("load_incidents")
        return (*(each.summary for each in self.details.values()), *self.history)

    async def load_service_now(self, org_id: int, service_id: UUID) -> ServiceNow:
        self._answer("load_service_now")
        if service_id != acme.service_now().service.id:
            raise NotFound("no such service")
        return acme.service_now()

    async def load_latency(
        self, org_id: int, service_id: UUID, hours: int
    ) -> tuple[LatencyPoint, ...]:
        self._answer("load_latency")
        return self.points

    async def load_service_timeline(
        self, org_id: int, service_id: UUID, limit: int = 200
    ) -> tuple[TimelineEntry, ...]:
        self._answer("load_service_timeline")
        return acme.TIMELINE

    async def load_monitors(self, org_id: int) -> tuple[MonitorRow, ...]:
        self._answer("load_monitors")
        return self.monitors

    async def load_drafts(self, org_id: int) -> tuple[Draft, ...]:
        self._answer("load_drafts")
        return tuple(self.drafts.values())

    async def load_services(self, org_id: int) -> tuple[ServiceRow, ...]:
        self._answer("load_services")
        return self.board.services

    # What screens change

    async def save_draft(self, org_id: int, draft: Draft) -> None:
        self._answer("save_draft")
        self.drafts[draft.incident_code, draft.kind] = draft

    async def delete_draft(self, org_id: int, code: str | None, kind: str = "public") -> None:
        self._answer("delete_draft")
        self.drafts.pop((code, kind), None)

    async def acknowledge(self, org_id: int, code: str, minutes: int | None = None) -> datetime:
        self._answer("acknowledge")
        until = self.board.read_at + timedelta(minutes=minutes or 30)
        self._change(
            code,
            lead=self.board.operator,
            acknowledged_by=self.board.operator,
            acknowledged_at=self.board.read_at,
            acknowledged_until=until,
        )
        return until

    async def post_update(
        self,
        org_id: int,
        code: str,
        given: UpdateInput,
        *,
        public_delay_seconds: float = 0,
        notify_delay_seconds: float = 0,
    ) -> PostReceipt:
        self._answer("post_update")
        summary = self.details[code].summary
        if given.base_version is not None and given.base_version != summary.version:
            raise StaleState(f"bob has moved {code} to {summary.status.value} meanwhile")
        if not summary.status.is_open and given.is_public:
            raise Conflict(f"{code} is resolved, and that is final")
        self.posted.append(given)
        if not given.is_public:
            self._tell(code, "note", given.message, summary.status)
            return PostReceipt(code, None, None, summary.version, False)
        status = given.status or summary.status
        at = self.board.read_at + timedelta(seconds=public_delay_seconds)
        if public_delay_seconds:
            notify_at = self.board.read_at + timedelta(seconds=notify_delay_seconds)
            pending = PendingPost(
                acme.number(900 + len(self.posted)), self.board.operator, status, given.message,
                at, notify_at, self.board.read_at,
            )  # fmt: skip
            self._change(code, pending=pending)
            return PostReceipt(code, pending.id, at, summary.version, True)
        self._publish(code, status, given.message)
        return PostReceipt(code, acme.number(900), at, summary.version + 1, False)

    async def create_incident(
        self,
        org_id: int,
        given: IncidentInput,
        *,
        delay_seconds: float = 0,
        notify_delay_seconds: float = 0,
    ) -> PostReceipt:
        self._answer("create_incident")
        self.posted.append(given)
        rows = {row.id: row for row in self.board.services}
        summary = replace(
            acme.INCIDENT,
            id=acme.number(500),
            code="INC-9NEW",
            title=given.title,
            internal_title="",
            impact=given.impact,
            is_auto=False,
            is_public=given.is_public,
            services=tuple(acme.affected(rows[each]) for each, _ in given.services),
            cause_service_id=None,
        )
        self.details["INC-9NEW"] = replace(acme.DETAIL, summary=summary, timeline=(), updates=())
        self._change("INC-9NEW")
        at = self.board.read_at if given.is_public else None
        return PostReceipt("INC-9NEW", None, at, 1, False)

    async def take_back(self, org_id: int, post_id: UUID) -> TakenBack:
        self._answer("take_back")
        for code, detail in self.details.items():
            pending = detail.summary.pending
            if pending is not None and pending.id == post_id:
                self._change(code, pending=None)
                return TakenBack(
                    code, pending.status, pending.message, True, detail.summary.version,
                    None, None, None, (), False,
                )  # fmt: skip
        raise Conflict("it is public already")

    async def release(self, org_id: int, post_id: UUID) -> None:
        self._answer("release")
        for code, detail in list(self.details.items()):
            pending = detail.summary.pending
            if pending is not None and pending.id == post_id:
                self._publish(code, pending.status, pending.message)

    async def request_run(self, org_id: int, monitor_id: UUID) -> None:
        self._answer("request_run")
        self.asked_to_run.append(monitor_id)

    async def pause_monitor(
        self, org_id: int, monitor_id: UUID, until: datetime | None = None
    ) -> None:
        self._answer("pause_monitor")
        self.paused.append((monitor_id, until))
        self.monitors = tuple(
            replace(each, paused_until=until, is_active=until is not None)
            if each.id == monitor_id
            else each
            for each in self.monitors
        )

    async def resume_monitor(self, org_id: int, monitor_id: UUID) -> None:
        self._answer("resume_monitor")
        self.resumed.append(monitor_id)
        self.monitors = tuple(
            replace(each, paused_until=None, is_active=True) if each.id == monitor_id else each
            for each in self.monitors
        )

    # What tests do behind the screens' backs

    def move(self, code: str, status: IncidentStatus) -> None:
        """Somebody else posts."""
        self._publish(code, status, "We know more.")

    def change_services(self, services: Sequence[ServiceRow]) -> None:
        """The checks say something else."""
        self.board = replace(self.board, services=tuple(services))

    def _publish(self, code: str, status: IncidentStatus, message: str) -> None:
        summary = self.details[code].summary
        self._change(
            code, status=status, version=summary.version + 1, pending=None,
            told_at=self.board.read_at,
        )  # fmt: skip
        self._tell(code, "update", message, status)

    def _tell(self, code: str, kind: str, message: str, status: IncidentStatus) -> None:
        detail = self.details[code]
        public = kind == "update"
        entry = TimelineEntry(
            self.board.read_at, kind, message, who=self.board.operator, is_public=public,
            status=status.value,
        )  # fmt: skip
        update = IncidentUpdate(
            acme.number(700 + len(detail.updates)), status, message, public,
            self.board.operator, self.board.read_at,
        )  # fmt: skip
        self.details[code] = replace(
            detail, timeline=(*detail.timeline, entry), updates=(*detail.updates, update)
        )

    def _change(self, code: str, **changed: Any) -> None:
        detail = self.details[code]
        summary = replace(detail.summary, **changed)
        self.details[code] = replace(detail, summary=summary)
        others = tuple(each for each in self.board.incidents if each.code != code)
        self.board = replace(self.board, incidents=(summary, *others))

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.is_away:
            raise DatabaseUnavailable("postgresql://acme", "connection refused")


class SilentListener:
    """A listener that is connected and hears nothing by itself."""

    connected = True

    def subscribe(self, org_key: str | None = None) -> AsyncIterator[Any]:
        """Never yields."""
        return self._never()

    async def _never(self) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield frozenset()


FACTS = TerminalFacts(
    term="xterm-256color",
    colorterm="truecolor",
    no_color=False,
    is_terminal=True,
    inside_tmux=False,
    locale="C.UTF-8",
    columns=80,
)


def store(role: Role = Role.OWNER) -> MemoryStore:
    """The night of the outage."""
    return MemoryStore(acme.board(role=role), acme.DETAIL)


@asynccontextmanager
async def stage(
    memory: MemoryStore | OperatorStore,
    data_dir: Path,
    *,
    size: tuple[int, int] = (80, 24),
    incident: str | None = acme.CODE,
    facts: TerminalFacts = FACTS,
    settings: TerminalSettings | None = None,
    read_only: bool = False,
    listener: Any = None,
    organization_id: int = 1,
) -> AsyncIterator[Pilot[Any]]:
    """The dashboard over a store, in memory or not, with an incident opened first."""
    app = DashboardApp(
        memory,  # type: ignore[arg-type]
        listener or SilentListener(),
        organization_id,
        settings or TerminalSettings(),  # type: ignore[call-arg]
        facts=facts,
        data_dir=data_dir,
        read_only=read_only,
        open_incident=incident,
    )
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.board is not None, "the board")
        yield pilot


async def until(pilot: Pilot[Any], is_true: Any, what: str, seconds: float = 10.0) -> None:
    """Let the application work until something is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not is_true():
        if loop.time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\n{screen_text(pilot)}")
        await pilot.pause(0.01)


def screen_rows(pilot: Pilot[Any]) -> list[str]:
    """What stands on the screen, row by row."""
    compositor = pilot.app.screen._compositor
    strips = compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def screen_text(pilot: Pilot[Any]) -> str:
    """What stands on the screen."""
    return "\n".join(screen_rows(pilot))
