"""Two regions look at one monitor: what each sees is shown, and enough must call it down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.support.databases import Database
from tests.support.fleet import Host, Targets, host, until
from tests.support.watched import Story, engine_story

_URL = "http://one/"


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.release()
        yield made


async def _monitor(story: Story, service: UUID, regions: list[str], **more: object) -> int:
    key = await story.monitor(service, url=_URL, **more)  # type: ignore[arg-type]
    await story.admin.execute(
        "UPDATE statustui.monitors SET regions = $2 WHERE key = $1", key, regions
    )
    return key


async def _look(story: Story, *hosts: Host) -> None:
    """Every host looks once more."""
    before = [len(each.targets.looks) for each in hosts]
    await story.admin.execute("UPDATE statustui.monitors SET run_requested_at = clock_timestamp()")
    await until(
        lambda: all(
            len(each.targets.looks) > looks for each, looks in zip(hosts, before, strict=True)
        ),
        5,
        "a look of each",
    )


async def _is(story: Story, key: int, state: str) -> None:
    async def reached() -> bool:
        found = await story.admin.fetchval(
            "SELECT state FROM statustui.monitor_status WHERE monitor = $1", key
        )
        return bool(found == state)

    await until(reached, 6, f"the monitor is {state}")


async def _says(story: Story, key: int) -> dict[str, str]:
    rows = await story.admin.fetch(
        """SELECT r.name, s.state FROM statustui.monitor_state s
        JOIN statustui.regions r ON r.key = s.region WHERE s.monitor = $1 ORDER BY r.name""",
        key,
    )
    return {row["name"]: row["state"] for row in rows}


async def _say(story: Story, key: int, **states: str) -> None:
    async def reached() -> bool:
        return await _says(story, key) == states

    await until(reached, 6, f"the regions say {states}")


async def test_down_from_eu_and_up_from_us_is_degraded_with_both_shown(
    database: Database, story: Story
) -> None:
    service = await story.service("API")
    key = await _monitor(story, service, ["eu", "us"])
    eu, us = Targets(), Targets()
    async with (
        host(database, region="eu", targets=eu) as in_eu,
        host(database, region="us", targets=us) as in_us,
    ):
        await _say(story, key, eu="up", us="up")
        eu.broken = {_URL}
        await _look(story, in_eu)
        await _is(story, key, "degraded")
        assert await _says(story, key) == {"eu": "down", "us": "up"}
        assert await story.status(service) == ("degraded_performance", "degraded_performance")
        assert await story.incidents() == []
        us.broken = {_URL}
        await _look(story, in_us)
        await _is(story, key, "down")
        (incident,) = await until(story.incidents, 3, "an incident")
        assert incident["is_auto"]
        # One region is enough to make it better, both to make it well.
        eu.broken = set()
        await _look(story, in_eu)
        await _is(story, key, "degraded")
        us.broken = set()
        await _look(story, in_us)
        await _is(story, key, "up")
    changes = await story.admin.fetch(
        """SELECT coalesce(r.name, '-') AS region, c.from_state, c.to_state
        FROM statustui.monitor_state_changes c LEFT JOIN statustui.regions r ON r.key = c.region
        WHERE c.monitor = $1 ORDER BY c.id""",
        key,
    )
    together = [(row["from_state"], row["to_state"]) for row in changes if row["region"] == "-"]
    assert together == [
        ("unknown", "up"),
        ("up", "degraded"),
        ("degraded", "down"),
        ("down", "degraded"),
        ("degraded", "up"),
    ]
    for region in ("eu", "us"):
        assert [row["to_state"] for row in changes if row["region"] == region] == [
            "up",
            "down",
            "up",
        ]


async def test_two_regions_that_change_at_the_same_moment_see_each_other(
    database: Database, story: Story
) -> None:
    service = await story.service("API")
    keys = [
        await story.monitor(service, f"m{number}", url=_URL, interval_seconds=3_600)
        for number in range(40)
    ]
    await story.admin.execute("UPDATE statustui.monitors SET regions = '{eu,us}'")
    eu, us = Targets(), Targets()
    async with (
        host(database, region="eu", targets=eu) as in_eu,
        host(database, region="us", targets=us) as in_us,
    ):
        states = "SELECT array_agg(DISTINCT state), count(*) FROM statustui.monitor_status"

        async def all_are(state: str) -> bool:
            row = await story.admin.fetchrow(states)
            return row is not None and row[0] == [state] and row[1] == len(keys)

        await until(lambda: all_are("up"), 8, "all are up")
        eu.broken = us.broken = {_URL}
        await _look(story, in_eu, in_us)
        await until(lambda: all_are("down"), 8, "all are down")


async def test_a_region_whose_engines_are_gone_is_unknown_and_not_down(
    database: Database, story: Story
) -> None:
    seen_by_both, seen_by_us = await story.service("API"), await story.service("Edge")
    both = await _monitor(story, seen_by_both, ["eu", "us"])
    alone = await _monitor(story, seen_by_us, ["us"], name="edge")
    async with host(database, region="eu") as in_eu, host(database, region="us") as in_us:
        await _is(story, alone, "up")
        await _say(story, both, eu="up", us="up")
        await in_us.kill()
        await _is(story, alone, "unknown")
        await _say(story, both, eu="up", us="unknown")
        await _is(story, both, "up")
        assert await story.incidents() == []
        assert await story.status(seen_by_us) == ("operational", "operational")
        # What is left looks on, and what it sees is enough.
        in_eu.targets.broken = {_URL}
        await _look(story, in_eu)
        await _is(story, both, "down")
        await until(story.incidents, 3, "an incident")
        in_eu.targets.broken = set()
        await _look(story, in_eu)
        await _is(story, both, "up")
        # Whoever comes back starts with what is remembered: nothing.
        async with host(database, region="us"):
            await _is(story, alone, "up")
            gone = """SELECT s.gone_at FROM statustui.shares s
                JOIN statustui.regions r ON r.key = s.region WHERE r.name = 'us'"""
            assert await story.admin.fetchval(gone) is None


async def test_a_region_that_a_monitor_does_not_name_any_more_has_no_say(
    database: Database, story: Story
) -> None:
    service = await story.service("API")
    key = await _monitor(story, service, ["eu", "us"])
    eu = Targets()
    eu.broken = {_URL}
    async with host(database, region="eu", targets=eu), host(database, region="us"):
        await _is(story, key, "degraded")
        await story.admin.execute("UPDATE statustui.monitors SET regions = '{us}'")
        await _is(story, key, "up")
        await story.admin.execute("UPDATE statustui.monitors SET regions = '{us,eu}'")
        await _is(story, key, "degraded")
        await story.admin.execute("UPDATE statustui.monitors SET region_quorum = 1")
        await _is(story, key, "down")
