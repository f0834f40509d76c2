"""The lists of incidents and monitors and the screen of a service, over a store in memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from statustui.domain.readmodels import LatencyPoint
from statustui.domain.status import IncidentStatus, Role
from statustui.screens.incident import IncidentScreen
from statustui.screens.monitors import MonitorsScreen
from statustui.screens.service import ServiceScreen
from statustui.widgets.footer_keys import KeyHint
from tests.support import acme
from tests.support.memory_store import MemoryStore, screen_rows, screen_text, stage, store, until


async def shows(pilot: Pilot[Any], text: str) -> None:
    """Wait until a text stands on the screen."""
    await until(pilot, lambda: text in screen_text(pilot), f"{text!r} on the screen")


def with_history() -> MemoryStore:
    memory = store()
    memory.history = tuple(
        replace(
            acme.INCIDENT,
            id=acme.number(600 + n),
            code=f"INC-OLD{n}",
            title=f"Old thing {n}",
            status=IncidentStatus.RESOLVED,
            started_at=acme.NOW - timedelta(days=20 * n),
            resolved_at=acme.NOW - timedelta(days=20 * n, minutes=-7),
        )
        for n in range(1, 4)
    )
    return memory


async def test_open_ones_first_then_by_month(tmp_path: Path) -> None:
    async with stage(with_history(), tmp_path) as pilot:
        await shows(pilot, "INC-4F2K")
        await pilot.press("2")
        await shows(pilot, "1 open, 3 resolved")
        rows = screen_rows(pilot)
        assert [row for row in rows if "incident" in row and "INC" not in row][:2] == [
            " open  1 incident",
            " November 2026  1 incident",
        ]
        await pilot.press("slash")
        await pilot.press(*"thing", "space", *"3")
        await shows(pilot, "1 of 4 match thing 3")
        await pilot.press("enter", "enter")
        await shows(pilot, "no incident INC-OLD3")
        assert isinstance(pilot.app.screen, IncidentScreen)


async def test_run_pause_and_resume(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await shows(pilot, "INC-4F2K")
        await pilot.press("3")
        await shows(pilot, "API/health")
        await pilot.press("x")
        await shows(pilot, "asked the watch to look: API/health")
        assert memory.asked_to_run == [acme.number(201)]
        await pilot.press("p")
        await shows(pilot, "pause it for")
        await pilot.press("ctrl+u", *"2x", "enter")
        await shows(pilot, "is no time")
        assert memory.paused == []
        await pilot.press("p")
        await pilot.press("enter")
        await shows(pilot, "paused for 1h: API/health")
        ((_, end),) = memory.paused
        assert end is not None
        assert timedelta(minutes=59) < end - acme.NOW < timedelta(minutes=61)
        await shows(pilot, "1 paused")
        screen = pilot.app.screen
        assert isinstance(screen, MonitorsScreen)
        assert KeyHint("p", "resume") in screen.hints()
        await pilot.press("p")
        await shows(pilot, "looks again: API/health")
        assert memory.resumed == [acme.number(201)]


async def test_escape_pauses_nothing(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await shows(pilot, "INC-4F2K")
        await pilot.press("3")
        await shows(pilot, "API/health")
        await pilot.press("p", "escape")
        await shows(pilot, "x look now")
        assert memory.paused == []


async def test_members_may_look_but_not_pause(tmp_path: Path) -> None:
    memory = store(Role.MEMBER)
    async with stage(memory, tmp_path) as pilot:
        await shows(pilot, "INC-4F2K")
        await pilot.press("3")
        await shows(pilot, "API/health")
        assert "pause" not in screen_rows(pilot)[-1]
        await pilot.press("p")
        await shows(pilot, "admins and owners may")
        await pilot.press("x")
        await until(pilot, lambda: len(memory.asked_to_run) == 1, "the run")


async def test_actions_work_on_all_marked(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path) as pilot:
        await shows(pilot, "INC-4F2K")
        await pilot.press("3")
        await shows(pilot, "API/health")
        await pilot.press("space", "space")
        await shows(pilot, "2 marked")
        await pilot.press("x")
        await until(pilot, lambda: len(memory.asked_to_run) == 2, "both")
        await until(pilot, lambda: "marked" not in screen_rows(pilot)[0], "the marks to go")


async def to_service(pilot: Pilot[Any]) -> ServiceScreen:
    await shows(pilot, "INC-4F2K")
    screen = pilot.app.screen
    assert isinstance(screen, IncidentScreen)
    screen.open_service(acme.number(2))
    await shows(pilot, "EVIDENCE")
    await shows(pilot, "›health")
    found = pilot.app.screen
    assert isinstance(found, ServiceScreen)
    return found


async def test_now_shows_the_waterfall_and_the_command(tmp_path: Path) -> None:
    memory = store()
    async with stage(memory, tmp_path, size=(120, 36)) as pilot:
        await to_service(pilot)
        text = screen_text(pilot)
        assert "first byte    273 ms     6 ms" in text
        assert "▄▄▄▄" in text
        assert "curl -sv --max-time 10 https://api.acme.test/health" in text
        assert "61 d left" in text
        await pilot.press("j")
        await shows(pilot, "success, HTTP 200")
        await pilot.press("x")
        await until(pilot, lambda: memory.asked_to_run == [acme.number(202)], "the run")
        await pilot.press("y")
        await shows(pilot, "copied: curl")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, IncidentScreen), "the incident")


async def test_latency_is_drawn_when_opened(tmp_path: Path) -> None:
    memory = store()
    memory.points = tuple(
        LatencyPoint(acme.NOW - timedelta(minutes=5 * n), 40.0, 60.0, 80.0, 10, int(n == 3))
        for n in range(288, -1, -1)
    )
    async with stage(memory, tmp_path) as pilot:
        await to_service(pilot)
        await pilot.press("right_square_bracket")
        await shows(pilot, "highest p95 60 ms")
        text = screen_text(pilot)
        assert "++++++++" in text
        assert "100 ms" in text
        assert "2,890 looks, 1 failed" in text
        await pilot.press("right")
        await until(pilot, lambda: memory.calls.count("load_latency") >= 2, "the longer range")
        await pilot.press("right_square_bracket")
        await shows(pilot, "first failure: connect to 10.0.0.5:5432 refused")
        await pilot.press("left_square_bracket", "left_square_bracket")
        await shows(pilot, "EVIDENCE")


async def test_a_service_without_data_says_so(tmp_path: Path) -> None:
    async with stage(store(), tmp_path) as pilot:
        await to_service(pilot)
        await pilot.press("right_square_bracket")
        await shows(pilot, "no data")
        await shows(pilot, "nothing was looked at in this time")


def test_the_drawing_library_is_loaded_only_for_a_chart() -> None:
    program = (
        "import sys, statustui.app, statustui.screens.service, statustui.screens.incident\n"
        "print([name for name in sys.modules if 'plotext' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


async def test_the_palette_finds_a_tab_by_its_name_and_cuts_nothing_beside_blanks(
    tmp_path: Path,
) -> None:
    async with stage(store(), tmp_path) as pilot:
        await to_service(pilot)
        await pilot.press("ctrl+p", *"latency")
        await until(pilot, lambda: "Next tab" in screen_text(pilot), "the tab")
        await pilot.press("escape", "ctrl+p", *"copy")
        await until(
            pilot,
            lambda: "Copy the command that repeats the look" in screen_text(pilot),
            "the whole name",
        )
