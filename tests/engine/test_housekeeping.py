"""Trouble with one thing that is due keeps no other from being done."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast
from uuid import UUID

import pytest

from statustui.domain.errors import DatabaseUnavailable
from statustui.engine import housekeeping
from statustui.store.engine import Lease


class Troubled:
    """A store that fails at some things and counts the rest."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.done: list[str] = []
        self._stop = stop

    async def apply_due_posts(self) -> int:
        raise DatabaseUnavailable("here", "somebody holds a row")

    async def keep_house(self) -> None:
        raise ValueError("a defect")

    async def tick(self, lease: Lease) -> None:
        self.done.append("tick")
        raise ValueError("a rule that nobody can read")

    async def silence_regions(self, lease: Lease, silent_seconds: float) -> None:
        self.done.append("silence")
        if self.done.count("silence") == 2:
            self._stop.set()


async def test_each_thing_is_done_whatever_becomes_of_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "TICK_SECONDS", 0.0)
    stop = asyncio.Event()
    store = Troubled(stop)
    lease = Lease("keeper", UUID(int=1), 1)
    with caplog.at_level(logging.WARNING, "statustui.engine"):
        ticking = asyncio.create_task(housekeeping.keep_time(cast(Any, store), lambda: lease, 10.0))
        async with asyncio.timeout(5):
            await stop.wait()
        assert not ticking.done()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
    assert store.done[:4] == ["tick", "silence", "tick", "silence"]
    assert caplog.text.count("posts waits: ") == 1
    assert "what is due failed in itself" in caplog.text
