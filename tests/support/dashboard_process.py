"""The dashboard as a program of its own over a world in memory, for real terminals and benchmarks.

python -m tests.support.dashboard_process [--services N] [--changes RATE] [--calm] [--tell]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from statustui.app import DashboardApp, QuitChoice
from statustui.domain.readmodels import Board, ServiceFigures
from statustui.domain.status import MonitorState, ServiceStatus
from statustui.settings import TerminalSettings, terminal_facts
from tests.support import sample_world
from tests.support.terminal import MemoryStore


def _moved(board: Board, by: timedelta) -> Board:
    """The same board at another moment."""
    services = tuple(
        replace(
            row,
            status_since=row.status_since + by,
            recent_until=row.recent_until + by if row.recent_until else None,
            last_looked_at=row.last_looked_at + by if row.last_looked_at else None,
        )
        for row in board.services
    )
    incidents = tuple(
        replace(
            each,
            started_at=each.started_at + by,
            next_update_by=each.next_update_by + by if each.next_update_by else None,
        )
        for each in board.incidents
    )
    return replace(board, services=services, incidents=incidents, read_at=board.read_at + by)


class LiveStore(MemoryStore):
    """A world whose clock runs, with services that break and recover at a rate."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._rows = list(board.services)
        self._random = random.Random(7)
        self._figures = sample_world.figures(board)

    async def load_board(self, org_id: int) -> Board:
        """The board at this moment."""
        self.board = replace(self.board, services=tuple(self._rows), read_at=datetime.now(UTC))
        return self.board

    async def load_figures(self, org_id: int) -> tuple[ServiceFigures, ...]:
        """The slower figures, made at the start."""
        return self._figures

    def flip(self) -> None:
        """One service breaks or recovers."""
        at = self._random.randrange(len(self._rows))
        row = self._rows[at]
        is_up = row.status is ServiceStatus.OPERATIONAL
        self._rows[at] = replace(
            row,
            status=ServiceStatus.DEGRADED_PERFORMANCE if is_up else ServiceStatus.OPERATIONAL,
            monitor_state=MonitorState.DEGRADED if is_up else MonitorState.UP,
            status_since=datetime.now(UTC),
            reason="took 900 ms, limit 500 ms" if is_up else "",
            cause_id=None,
            incident_code=None,
        )
        self.listener.announce("services")


async def _changing(store: LiveStore, rate: float) -> None:
    loop = asyncio.get_running_loop()
    start, done = loop.time(), 0
    while True:
        await asyncio.sleep(0.02)
        due = int((loop.time() - start) * rate)
        for _ in range(due - done):
            store.flip()
        done = due


async def main() -> int:
    """Run until it is left."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=44)
    parser.add_argument("--changes", type=float, default=0.0)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--after", type=float, default=2.0)
    parser.add_argument("--tell", action="store_true", help="say how long the world took to make")
    options = parser.parse_args()
    started = time.perf_counter()
    make = sample_world.calm if options.calm else sample_world.outage
    board = make(more=max(0, options.services - 44))
    if options.services < 44:
        board = replace(board, services=board.services[: options.services])
    store = LiveStore(_moved(board, datetime.now(UTC) - sample_world.AT))
    if options.tell:
        sys.stdout.write(f"made in {time.perf_counter() - started:.3f} s\n")
        sys.stdout.flush()
    app = DashboardApp(
        cast(Any, store),
        cast(Any, store.listener),
        sample_world.ORG,
        TerminalSettings(bell=False),  # type: ignore[call-arg]
        facts=terminal_facts(),
        data_dir=Path("/nonexistent"),
    )
    changing: asyncio.Task[None] | None = None
    if options.changes:

        async def later() -> None:
            await asyncio.sleep(options.after)
            await _changing(store, options.changes)

        changing = asyncio.create_task(later())
    choice = await app.run_async(mouse=False)
    if changing is not None:
        changing.cancel()
    return 0 if choice is QuitChoice.QUIT else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
