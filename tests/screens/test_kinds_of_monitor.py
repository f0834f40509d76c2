"""Monitors without phases and addresses (jobs, plugins, databases) list and open like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from statustui.domain.monitor import (
    CheckConfig,
    CommandConfig,
    HeartbeatConfig,
    PostgresConfig,
    masked,
    target_of,
    type_of,
)
from statustui.domain.observation import Phases
from statustui.domain.readmodels import LastLook, MonitorRow, ServiceNow
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState, Role
from statustui.screens.service import ServiceScreen
from tests.support import acme
from tests.support.memory_store import MemoryStore, screen_text, stage, until


class OneKind(MemoryStore):
    """A service with one monitor that is down."""

    row: MonitorRow
    look: LastLook

    async def load_service_now(self, org_id: int, service_id: UUID) -> ServiceNow:
        """The service with that monitor alone."""
        return replace(acme.service_now(), looks=(self.look,))


@pytest.mark.parametrize(
    ("config", "kind", "reason", "phases"),
    [
        (
            HeartbeatConfig(3_600, 300),
            ErrorKind.TIMEOUT,
            "no beat for 2 h 3 min, expected every 1 h",
            Phases(),
        ),
        (CommandConfig(("/p/check_load", "-w", "5")), ErrorKind.COMMAND, "LOAD CRITICAL", Phases()),
        (
            PostgresConfig("postgresql://app:hunter2@db.test/app"),
            ErrorKind.ASSERTION,
            'the query gave "1", expected "2"',
            Phases(1.0, 20.0, None, 3.0),
        ),
    ],
)
async def test_it_lists_and_opens(
    tmp_path: Path, config: CheckConfig, kind: ErrorKind, reason: str, phases: Phases
) -> None:
    memory = OneKind(acme.board(role=Role.OWNER), acme.DETAIL)
    row = replace(
        acme.monitor(201, "nightly", MonitorState.DOWN),
        type=type_of(config),
        target=target_of(config),
        config=masked(config),
        error_kind=kind,
        reason=reason,
    )
    memory.monitors = (row,)
    memory.look = replace(
        acme.look(201, "nightly", MonitorState.DOWN),
        monitor=row,
        status=CheckStatus.FAILURE,
        phases=phases,
        address="",
        error_kind=kind,
        reason=reason,
        status_code=None,
        certificate=None,
        repeat_command="",
        last_good_phases=None,
        evidence=None,
    )
    async with stage(memory, tmp_path) as pilot:
        await until(pilot, lambda: "INC-4F2K" in screen_text(pilot), "the first screen")
        await pilot.press("3")
        await until(pilot, lambda: "API/nightly" in screen_text(pilot), "the list of monitors")
        assert str(type_of(config)) in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ServiceScreen), "the service")
        await until(pilot, lambda: reason in screen_text(pilot), "why it is down")
        assert "hunter2" not in screen_text(pilot)
