"""Watches that are cut off from the database: the only one, one of two, both.

Two watches never speak to each other, only to the database, so being cut off from each other alone
is how they always are: each has its own line here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.stage import CONFIRMED_SECONDS, shared_stage
from tests.support.databases import Database

pytestmark = pytest.mark.slow


async def test_the_only_watch_is_cut_off_and_goes_on_looking(
    tmp_path: Path, database: Database
) -> None:
    async with shared_stage(tmp_path, database) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        async with stage.cut("a"):
            # One outage comes and goes meanwhile, one ends, one begins.
            await stage.break_("t02")
            await stage.heal("t01")
            await asyncio.sleep(CONFIRMED_SECONDS)
            await stage.heal("t02")
            await stage.break_("t03")
            # Longer than what still counts as seen just now, so that all of it needs its true time.
            await asyncio.sleep(3 * CONFIRMED_SECONDS)
        await stage.until_known("t03")
        await stage.until_known("t01", "t02", state="up")
        await stage.assert_clean()


async def test_a_watch_is_killed_while_its_results_wait_for_the_database(
    tmp_path: Path, database: Database
) -> None:
    async with shared_stage(tmp_path, database) as stage:
        watch = stage.watches["a"]
        async with stage.cut("a"):
            await stage.break_("t01", "t02")
            await asyncio.sleep(CONFIRMED_SECONDS)
            await stage.heal("t01")
            await stage.until_looked(1, names=["t01"])
            watch.kill()
        await watch.start()
        await stage.until_known("t02")
        await stage.until_known("t01", state="up")
        await stage.assert_clean()


async def test_a_line_that_lets_nothing_through(tmp_path: Path, database: Database) -> None:
    async with shared_stage(tmp_path, database) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        async with stage.silence("a"):
            await stage.break_("t02")
            await stage.heal("t01")
            await asyncio.sleep(2 * CONFIRMED_SECONDS)
        await stage.until_known("t02")
        await stage.until_known("t01", state="up")
        await stage.assert_clean()


async def test_two_watches_lose_each_other_and_then_the_database(
    tmp_path: Path, database: Database
) -> None:
    async with shared_stage(tmp_path, database, hosts=("a", "b")) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        # One is cut off: the other takes its part over, and decides alone.
        async with stage.cut("a"):
            await stage.break_("t02", "t03", "t04")
            await stage.until_known("t02", "t03", "t04")
            await stage.heal("t01", "t02")
            await stage.until_known("t01", "t02", state="up")
        await stage.until_looked(1)
        # Then both are, and an outage comes and goes meanwhile.
        async with stage.cut("a", "b"):
            await stage.heal("t03")
            await stage.break_("t05")
            await asyncio.sleep(CONFIRMED_SECONDS + 3)
            await stage.heal("t05")
            await stage.break_("t06")
            await asyncio.sleep(CONFIRMED_SECONDS)
        await stage.until_known("t04", "t06")
        await stage.until_known("t03", "t05", state="up")
        await stage.assert_clean()
