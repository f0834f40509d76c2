"""kill -9 of a watch, of PostgreSQL, and of both."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.stage import HAND_OVER_SECONDS, embedded_stage, shared_stage
from tests.support.databases import Database

pytestmark = pytest.mark.slow


async def test_a_watch_is_killed_and_started_again(tmp_path: Path) -> None:
    async with embedded_stage(tmp_path) as stage:
        watch = stage.watches["a"]
        # One outage is known, one is only half seen, one begins while nobody looks.
        await stage.break_("t01")
        await stage.until_known("t01")
        await stage.break_("t02", "t03")
        await stage.until_looked(1, names=["t02"])
        watch.kill()
        await stage.break_("t04")
        await stage.heal("t01")
        await watch.start()
        await stage.until_known("t02", "t03", "t04")
        await stage.assert_clean()


async def test_one_of_two_watches_is_killed(tmp_path: Path, database: Database) -> None:
    async with shared_stage(tmp_path, database, hosts=("a", "b")) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        await stage.break_("t02")
        await stage.until_looked(1, names=["t02"])
        # The one that came first has at least a part of the monitors, if not all of them.
        stage.watches["a"].kill()
        await stage.break_("t03", "t04")
        # Everything is looked at again within the time of a hand-over and an interval.
        await stage.until_looked(1, within=HAND_OVER_SECONDS + 6)
        await stage.until_known("t02", "t03", "t04")
        await stage.heal("t01", "t02")
        await stage.watches["a"].start()
        await stage.until_known("t01", "t02", state="up")
        await stage.assert_clean()


async def test_postgresql_is_killed_again_and_again(tmp_path: Path) -> None:
    async with embedded_stage(tmp_path) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        for name in ("t02", "t03", "t04"):
            await stage.break_(name)
            await stage.until_looked(1, names=[name])
            stage.kill_server()
            await stage.heal("t01")
            await stage.until_answers()
        await stage.until_known("t02", "t03", "t04")
        await stage.assert_clean()


async def test_the_watch_and_postgresql_are_killed_together(tmp_path: Path) -> None:
    async with embedded_stage(tmp_path) as stage:
        watch = stage.watches["a"]
        await stage.break_("t01", "t02")
        await stage.until_known("t01", "t02")
        await stage.break_("t03")
        await stage.until_looked(1, names=["t03"])
        stage.kill_server()
        watch.kill()
        await stage.heal("t01")
        await watch.start()
        await stage.until_answers()
        await stage.until_known("t03")
        await stage.until_known("t01", state="up")
        # And the other way round, a moment apart, so that results wait for a dead database.
        await stage.break_("t04")
        await stage.until_looked(1, names=["t04"])
        stage.kill_server()
        await asyncio.sleep(0.3)
        watch.kill()
        await watch.start()
        await stage.until_answers()
        await stage.until_known("t04")
        await stage.assert_clean()
