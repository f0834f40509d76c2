"""A database that is there, but slow, without connections, without room, or in hostile hands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.disk import SmallDisk, small_disk
from tests.chaos.hostile import hostile_member
from tests.chaos.stage import (
    CONFIRMED_SECONDS,
    Stage,
    embedded_stage,
    exhausted,
    server_stage,
    shared_stage,
)
from tests.support.databases import Database, has_distribution_15

pytestmark = pytest.mark.slow


async def test_every_statement_is_slow(tmp_path: Path, database: Database) -> None:
    async with shared_stage(tmp_path, database) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        async with stage.slowness("a", line_seconds=0.1, write_seconds=1.0):
            await stage.heal("t01")
            await stage.break_("t02", "t03")
            await stage.until_known("t02", "t03")
            await stage.heal("t02")
            await stage.until_known("t01", "t02", state="up")
        await stage.assert_clean()


async def test_no_connection_is_left(tmp_path: Path, databases_folder: Path) -> None:
    if not has_distribution_15():
        pytest.skip("PostgreSQL 15 of the distribution is not installed")
    async with server_stage(tmp_path, databases_folder, max_connections=25) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        async with exhausted(stage):
            await stage.heal("t01")
            await stage.break_("t02", "t03")
            await asyncio.sleep(CONFIRMED_SECONDS)
            await stage.heal("t02")
            await asyncio.sleep(CONFIRMED_SECONDS)
        await stage.until_known("t03")
        await stage.until_known("t01", "t02", state="up")
        await stage.assert_clean()


async def test_the_disk_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with embedded_stage(tmp_path, data=disk.path / "data") as stage:
            await _fill_the_disk(stage, disk)


async def _fill_the_disk(stage: Stage, disk: SmallDisk) -> None:
    await stage.break_("t01")
    await stage.until_known("t01")
    with stage.trouble("disk full"):
        disk.fill()
        await stage.heal("t01")
        await stage.break_("t02", "t03")
        await asyncio.sleep(CONFIRMED_SECONDS)
        await stage.heal("t02")
        await asyncio.sleep(CONFIRMED_SECONDS)
        disk.free()
    await stage.until_known("t03")
    await stage.until_known("t01", "t02", state="up")
    await stage.assert_clean()


@pytest.mark.parametrize("part", ["member", "admin"])
async def test_a_hostile_person_holds_locks_and_sends_announcements(
    tmp_path: Path, database: Database, part: str
) -> None:
    async with shared_stage(tmp_path, database) as stage:
        await stage.break_("t01")
        await stage.until_known("t01")
        async with hostile_member(stage, database, part) as mallory:
            await stage.heal("t01")
            await stage.break_("t02", "t03")
            await asyncio.sleep(CONFIRMED_SECONDS)
            await stage.heal("t02")
            await asyncio.sleep(CONFIRMED_SECONDS)
        assert mallory.locks
        assert mallory.announcements > 1_000
        await stage.until_known("t03")
        await stage.until_known("t01", "t02", state="up")
        await stage.assert_clean()
