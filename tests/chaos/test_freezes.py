"""SIGSTOP for thirty seconds and SIGCONT: of the only watch, and of one of two."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.stage import embedded_stage, shared_stage
from tests.support.databases import Database

_FROZEN_SECONDS = 30.0

pytestmark = pytest.mark.slow


async def test_the_only_watch_stands_still(tmp_path: Path) -> None:
    async with embedded_stage(tmp_path) as stage:
        watch = stage.watches["a"]
        await stage.break_("t01")
        await stage.until_known("t01")
        await stage.break_("t02")
        await stage.until_looked(1, names=["t02"])
        watch.freeze()
        await stage.break_("t03", "t04")
        await asyncio.sleep(_FROZEN_SECONDS / 2)
        # Nobody sees this one come and go, so nobody may speak of it.
        await stage.heal("t01", "t04")
        await asyncio.sleep(_FROZEN_SECONDS / 2)
        watch.thaw()
        await stage.until_known("t02", "t03")
        await stage.assert_clean()


async def test_one_of_two_watches_stands_still(tmp_path: Path, database: Database) -> None:
    async with shared_stage(tmp_path, database, hosts=("a", "b")) as stage:
        watch = stage.watches["a"]
        await stage.break_("t01")
        await stage.until_known("t01")
        await stage.break_("t02", "t03")
        await stage.until_looked(1, names=["t02", "t03"])
        watch.freeze()
        thaw = asyncio.create_task(asyncio.sleep(_FROZEN_SECONDS))
        await stage.break_("t04")
        await stage.until_known("t02", "t03", "t04")
        # What the frozen one knows is old when it wakes.
        await stage.heal("t01", "t02")
        await stage.until_known("t01", "t02", state="up")
        await stage.break_("t05")
        await thaw
        watch.thaw()
        await stage.until_known("t05")
        await stage.assert_clean()
