"""Engines of one region share its monitors, and what one of them leaves behind the others take."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from statustui.domain.sharing import follow, owner
from statustui.engine.clock import Clock
from statustui.engine.membership import Rhythm
from tests.support.databases import Database
from tests.support.fleet import QUICK, Host, host, shared, until
from tests.support.watched import Story, engine_story, refused


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.release()
        yield made


async def _monitors(story: Story, count: int, **more: object) -> list[int]:
    service = await story.service("API")
    return [
        await story.monitor(service, f"m{number}", url=f"http://m{number}/", **more)  # type: ignore[arg-type]
        for number in range(count)
    ]


async def _generation(story: Story) -> tuple[int, list[UUID]]:
    row = await story.admin.fetchrow("SELECT generation, members FROM statustui.shares")
    assert row is not None
    return row["generation"], row["members"]


async def _looks_are_recorded_once(story: Story, *hosts: Host) -> None:
    """Whoever looked, and whatever became of it: as many checks as looks."""
    looks = sum(len(each.targets.looks) for each in hosts)
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.checks") == looks


async def test_each_monitor_is_looked_at_by_one_engine(database: Database, story: Story) -> None:
    await _monitors(story, 24)
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(host(database)) for _ in range(3)]
        await shared(hosts, 24)
        for each in hosts:
            each.targets.looks.clear()
        before = await story.admin.fetchval("SELECT count(*) FROM statustui.checks")
        await until(
            lambda: len({url for each in hosts for url in each.targets.looks}) == 24,
            8,
            "every monitor's next slot",
        )
        seen_by = [set(each.targets.looks) for each in hosts]
        assert sum(map(len, seen_by)) == 24
        assert all(seen_by)
        share = sum(each.engine.status().share for each in hosts)
        assert share == pytest.approx(1)
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.checks") >= before + 24
    assert (await _generation(story))[1] == []


async def test_a_newcomer_takes_its_part_and_a_leaver_gives_it_back(
    database: Database, story: Story
) -> None:
    await _monitors(story, 30, interval_seconds=3_600)
    async with host(database) as first, host(database) as second:
        await shared([first, second], 30)
        generation, members = await _generation(story)
        had = [each.engine.status().monitors for each in (first, second)]
        async with host(database) as third:
            await shared([first, second, third], 30)
            now, among = await _generation(story)
            assert (now, among[:2]) == (generation + 1, members)
            taken = third.engine.status().monitors
            lost = [
                before - each.engine.status().monitors
                for before, each in zip(had, (first, second), strict=True)
            ]
            assert min(lost) >= 0
            assert sum(lost) == taken
        begun = time.monotonic()
        await shared([first, second], 30)
        assert time.monotonic() - begun < 1  # told, not found out by the silence
        assert await _generation(story) == (generation + 2, members)
        assert [each.engine.status().monitors for each in (first, second)] == had


async def _is_overdue_since_now(story: Story) -> None:
    """Every monitor's slot is this very moment."""
    await story.admin.execute(
        """UPDATE statustui.monitor_schedules SET from_at = from_at - interval '1 day',
            phase_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                       % (interval_seconds * 1000)"""
    )


async def _takes_over(
    database: Database, story: Story, rhythm: Rhythm, most_seconds: float
) -> float:
    await _monitors(story, 20, interval_seconds=3_600)
    async with host(database, rhythm=rhythm) as first, host(database, rhythm=rhythm) as second:
        await shared([first, second], 20)
        await until(lambda: len(first.targets.looks) + len(second.targets.looks) == 20, 8, "looks")
        theirs = set(second.targets.looks)
        recorded = "SELECT count(*) = 20 FROM statustui.checks"
        await until(lambda: story.admin.fetchval(recorded), 3, "they are recorded")
        await second.kill()
        begun = time.monotonic()
        first.targets.looks.clear()
        await _is_overdue_since_now(story)
        await until(lambda: set(first.targets.looks) >= theirs, most_seconds, "it is taken over")
        took = time.monotonic() - begun
        assert first.engine.status().monitors == 20
        # What the first held all along goes on at its next slot; nothing runs twice.
        assert max(Counter(first.targets.looks).values()) == 1
        reasons = "SELECT array_agg(reason ORDER BY generation) FROM statustui.share_generations"
        assert (await story.admin.fetchval(reasons))[-1] == "died"
    return took


async def test_a_dead_engines_share_is_taken_over_and_what_is_overdue_looked_at(
    database: Database, story: Story
) -> None:
    assert await _takes_over(database, story, QUICK, 5) < 5


@pytest.mark.slow
async def test_with_its_own_rhythm_it_takes_less_than_ten_seconds(
    database: Database, story: Story
) -> None:
    assert await _takes_over(database, story, Rhythm(), 10) < 10


async def test_who_was_cut_off_decides_nothing_and_what_it_saw_is_recorded_once(
    database: Database, story: Story
) -> None:
    await _monitors(story, 12)
    async with host(database) as first, host(database) as second:
        await shared([first, second], 12)
        for each in (first, second):
            await until(lambda each=each: each.targets.looks, 8, "looks")  # type: ignore[misc]
        # From here on the second sees everything broken, and nobody hears of it.
        second.line.freeze()
        second.targets.broken = {f"http://m{number}/" for number in range(12)}
        looked = len(second.targets.looks)
        await until(lambda: first.engine.status().monitors == 12, 6, "the first has all")
        await until(lambda: len(second.targets.looks) >= looked + 4, 8, "the second looks")
        assert second.engine.status().pending_results >= 4
        broken, second.targets.broken = second.targets.broken, set()
        second.line.thaw()
        await shared([first, second], 12)
        await until(lambda: second.engine.status().pending_results == 0, 4, "it has told")
        assert await story.incidents() == []
        states = "SELECT array_agg(DISTINCT state) FROM statustui.monitor_status"
        assert await story.admin.fetchval(states) == ["up"]
        failed = "SELECT count(*) FROM statustui.checks WHERE status = 'failure'"
        assert await story.admin.fetchval(failed) >= 4
        # Now it decides again, with a memory that is true.
        second.targets.broken = broken
        await until(story.incidents, 8, "what it sees counts again")
    await _looks_are_recorded_once(story, first, second)
    over = await story.admin.fetchval(
        """SELECT count(*) FROM statustui.rollups_hourly r WHERE r.slots > (
            SELECT count(DISTINCT c.slot_at) FROM statustui.checks c
            WHERE c.monitor = r.monitor AND NOT c.is_retry
              AND date_trunc('hour', c.slot_at) = r.hour)"""
    )
    assert over == 0


async def test_who_was_given_up_by_nobody_goes_on(database: Database, story: Story) -> None:
    await _monitors(story, 6)
    async with host(database) as alone:
        await shared([alone], 6)
        await until(lambda: len(alone.targets.looks) >= 6, 8, "looks")
        generation = await _generation(story)
        alone.line.freeze()
        alone.targets.broken = {"http://m0/"}
        looked = alone.targets.looks.count("http://m0/")
        await until(lambda: alone.targets.looks.count("http://m0/") > looked, 8, "a failure")
        await asyncio.sleep(QUICK.dead_seconds)
        alone.line.thaw()
        await until(story.incidents, 5, "what it decided meanwhile counts")
        assert await _generation(story) == generation
    await _looks_are_recorded_once(story, alone)


async def _looks_at_once(story: Story, *hosts: Host) -> None:
    """Somebody asks for a look, it is had, and recorded."""
    looks = sum(len(each.targets.looks) for each in hosts)
    await story.admin.execute("UPDATE statustui.monitors SET run_requested_at = clock_timestamp()")
    await until(
        lambda: sum(len(each.targets.looks) for each in hosts) > looks, 4, "the look asked for"
    )
    recorded = "SELECT count(*) FROM statustui.checks"

    async def is_recorded() -> bool:
        return bool(await story.admin.fetchval(recorded) > looks)

    await until(is_recorded, 4, "it is recorded")


@pytest.mark.parametrize("minutes", [10, -10])
async def test_a_clock_that_is_wrong_harms_nobody(
    database: Database, story: Story, minutes: int, caplog: pytest.LogCaptureFixture
) -> None:
    (key,) = await _monitors(story, 1)
    wrong = Clock(lambda: time.time() + minutes * 60)
    async with host(database, clock=wrong) as first:
        await until(lambda: first.targets.looks, 8, "a first look")
        await _looks_at_once(story, first)
        is_told = (
            "SELECT abs((info ->> 'clock_skew_seconds')::float8 - $1) < 5 FROM statustui.engines"
            " ORDER BY started_at DESC LIMIT 1"
        )
        await until(lambda: story.admin.fetchval(is_told, minutes * 60.0), 3, "it is told")
        word = "ahead of" if minutes > 0 else "behind"
        assert f"clock is 600 s {word} the database's" in caplog.text
        async with host(database) as second:
            await shared([first, second], 1)
            await first.kill()
            await until(lambda: second.engine.status().monitors == 1, 6, "it takes over")
            second.targets.broken = {"http://m0/"}
            await _looks_at_once(story, first, second)
            assert await story.incidents()
            second.targets.broken = set()
            await _looks_at_once(story, first, second)
    rows = await story.admin.fetch(
        "SELECT checked_at, status FROM statustui.checks WHERE monitor = $1 ORDER BY checked_at",
        key,
    )
    assert len(rows) == len(first.targets.looks) + len(second.targets.looks)
    # In the order in which they were had, whatever the clocks say.
    failed = [row["status"] for row in rows].index("failure")
    assert failed >= len(first.targets.looks)
    assert rows[-1]["status"] == "success"
    slots = await story.admin.fetchval("SELECT sum(slots) FROM statustui.rollups_hourly")
    distinct = await story.admin.fetchval(
        "SELECT count(DISTINCT slot_at) FROM statustui.checks WHERE NOT is_retry"
    )
    assert slots == distinct


async def test_a_stale_tenure_counts_for_nothing(story: Story) -> None:
    (key,) = await _monitors(story, 1)
    await story.take()
    before = await story.watched(key)
    rival = uuid4()
    await story.store.register(rival, "local", "test", 2, "1")
    await story.store.join(story.region, rival)
    await story.store.leave(await story.store.join(story.region, rival))
    # It may have been the rival's for a moment, or not: both are found out.
    missed = await story.store.load_generations(story.region, story.share.generation)
    share = follow(story.share, missed, {key: before.id})
    was_lost = owner(missed[0].members, before.id) == rival
    decision = story.decide(before, refused(datetime.now(UTC) - timedelta(seconds=1)))
    await story.store.record_batch(share, [decision], datetime.now(UTC))
    assert bool(await story.incidents()) is not was_lost
    assert await story.admin.fetchval("SELECT count(*) FROM statustui.checks") == 1
