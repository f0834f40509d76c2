"""What docs/data.md tells people to ask the tables is what the program says, on an eventful day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from statustui.domain.coverage import count_slots
from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.observation import Observation
from statustui.domain.scheduling import Due, Timetable
from statustui.domain.status import ErrorKind
from statustui.store import figures
from statustui.store.connection import open_pool
from statustui.store.public import PublicStore
from tests.support import bookkeeping
from tests.support.databases import Database
from tests.support.watched import Story, engine_story, refused, seen

_PAGE = Path(__file__).parents[2] / "docs" / "data.md"
_FIRST = datetime.combine(datetime.now(UTC).date() - timedelta(days=3), time(), UTC)
_END = _FIRST + timedelta(hours=28)


def _at(hours: float, microseconds: int = 0) -> datetime:
    return _FIRST + timedelta(hours=hours, microseconds=microseconds)


# What two monitors were to do, as edits, pauses and regions leave it in the tables: by monitor and
# region, from when, until when, seconds between two looks, phase. No edit falls on a millisecond.
_EDITED = _at(10, 123_457)
_TIMETABLES = [
    ("one", "local", _at(0.25, 7), _EDITED, 120, 31_007),
    ("one", "local", _EDITED, _at(18), 300, 299_999),
    # Paused until half past seven, and then looking again by itself.
    ("one", "local", _at(19.5), _END, 300, 299_999),
    # A second region from noon on, taken away in the evening.
    ("one", "eu", _at(12, 1), _EDITED + timedelta(hours=10), 300, 0),
    ("two", "local", _at(2, 999), _at(6), 60, 59_999),
    # An edit right at a slot, and one a hair after it: only the first slot is the new timetable's.
    ("two", "local", _at(6), _at(7, 1), 600, 0),
    ("two", "local", _at(7, 1), _END, 600, 0),
]
_STOPPED = (_at(23.6), _at(24.4))
_MAINTENANCE = (_at(3), _at(4))


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.admin.execute("SET search_path = statustui")
        await made.admin.execute(
            "INSERT INTO pages (org_id, slug, name) VALUES ($1, 'acme', 'Acme')", made.org_id
        )
        yield made


def _statements() -> dict[str, str]:
    """What the page says, by its first word of comment."""
    blocks = re.findall(r"```sql\n-- (\w+):(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return {name: "--" + text for name, text in blocks}


async def _ask(
    admin: asyncpg.Connection, name: str, service: UUID, begin: datetime, end: datetime
) -> Mapping[str, int]:
    """What a person gets who runs a statement of the page in psql."""
    text = _statements()[name]
    for variable, value in (
        ("service", str(service)),
        ("from", begin.isoformat()),
        ("until", end.isoformat()),
    ):
        assert f":'{variable}'" in text
        text = text.replace(f":'{variable}'", f"'{value}'")
    row = await admin.fetchrow(text)
    assert row is not None
    return dict(row)


def _observation(number: int, at: datetime) -> Observation:
    if number % 17 == 5:
        return refused(at)
    if number % 23 == 7:
        return Observation(at, 1.0, error_kind=ErrorKind.OBSERVER, reason="no network here")
    return seen(at, duration_ms=5.0 + number % 90)


async def _live_through(story: Story, service: UUID) -> None:
    """Write the timetables, and every look that an engine had that was stopped for a while."""
    regions = {
        "local": story.region,
        "eu": await story.store.register(uuid4(), "eu", "test", 1, "0"),
    }
    keys = {name: await story.monitor(service, name) for name in ("one", "two")}
    watched = (await story.store.load_work("local", story.region)).monitors
    await story.admin.execute("UPDATE monitors SET is_active = false")
    await story.admin.execute("DELETE FROM monitor_schedules")
    looks: list[tuple[datetime, WatchedMonitor]] = []
    for name, region, begin, end, interval, phase in _TIMETABLES:
        await story.admin.execute(
            "INSERT INTO monitor_schedules VALUES ($1, $2, $3, $4, $5, $6, $7)",
            keys[name],
            regions[region],
            story.org_id,
            begin,
            end,
            interval,
            phase,
        )
        monitor = replace(watched[keys[name]], region=regions[region])
        looks += [(slot, monitor) for slot in bookkeeping.slots_of(interval, phase, begin, end)]
    looks.sort(key=lambda look: (look[0], look[1].key, look[1].region))
    memories: dict[tuple[int, int], Memory] = {}
    decisions: list[Decision] = []

    def look(monitor: WatchedMonitor, seen_: Observation, slot: datetime, *, extra: bool) -> None:
        key = (monitor.key, monitor.region)
        decision = decide(
            monitor,
            memories.get(key, Memory()),
            seen_,
            Due(seen_.started_at, slot, is_extra=extra),
            in_maintenance=_MAINTENANCE[0] <= seen_.started_at < _MAINTENANCE[1],
        )
        memories[key] = decision.memory
        decisions.append(decision)

    for number, (slot, monitor) in enumerate(looks):
        begun = slot + timedelta(milliseconds=2 + number % 900)
        if _STOPPED[0] <= begun < _STOPPED[1] or number % 41 == 11:
            continue
        observation = _observation(number, begun)
        look(monitor, observation, slot, extra=False)
        if observation.error_kind is ErrorKind.REFUSED:
            look(monitor, refused(begun + timedelta(seconds=20)), slot, extra=True)
    for start in range(0, len(decisions), 150):
        batch = decisions[start : start + 150]
        await story.store.record_batch(story.share, batch, datetime.now(UTC))
        # The line broke before the answer came: some of it is sent again.
        await story.store.record_batch(story.share, batch[-20:], datetime.now(UTC))


async def test_the_documented_statements_say_what_the_program_says(
    story: Story, database: Database
) -> None:
    await story.organization(automatic_incidents="off")
    service = await story.service("API")
    await _live_through(story, service)
    assert await bookkeeping.wrong_rollups(story.admin, story.org_id) == []
    assert await bookkeeping.strange_checks(story.admin, story.org_id) == []
    mine = (await bookkeeping.by_hand(story.admin, story.org_id, datetime.now(UTC)))[service]
    days = [_FIRST.date(), _FIRST.date() + timedelta(days=1)]
    by_statement = {
        day: await _counted(story.admin, service, day, day + timedelta(days=1)) for day in days
    }
    assert by_statement == {day: _plain(mine[day]) for day in days}
    whole = await _counted(story.admin, service, days[0], days[-1] + timedelta(days=1))
    assert whole == _plain(sum(mine.values(), Counter()))
    # Each of the things that the day is made of leaves its trace.
    assert whole["looked"] > whole["succeeded"] > 0
    assert 0 < whole["slots"] < whole["planned"]
    assert by_statement[days[1]]["slots"] < by_statement[days[1]]["planned"]
    await _told(story, database, service, by_statement)


async def _told(
    story: Story, database: Database, service: UUID, expected: Mapping[date, Mapping[str, int]]
) -> None:
    """The page, the terminal and any window agree with what was counted."""
    web = await open_pool(database.target("statustui_web"), max_size=1)
    house = await open_pool(database.target(), max_size=1)
    try:
        page = await PublicStore(web).load_page("acme")
        assert page is not None
        (shown,) = page.services
        assert {
            day.day: _named(day.succeeded, day.looked, day.slots_looked, day.slots_scheduled)
            for day in shown.days
            if day.slots_scheduled
        } == expected
        (terminal,) = await figures.load_figures(house, story.org_id)
        assert {
            day.day: _named(day.succeeded, day.looked, day.slots_looked, day.slots_scheduled)
            for day in terminal.days
            if day.slots_scheduled
        } == expected
        window = (await figures.load_window(house, story.org_id, _FIRST, _at(29)))[service]
        for name, found in (
            ("succeeded", window.succeeded),
            ("looked", window.looked),
            ("slots", window.slots),
        ):
            assert found == sum(day[name] for day in expected.values())
        uptime = await figures.load_uptime(house, story.org_id, 5)
        assert uptime[service] == (window.succeeded, window.looked)
    finally:
        await web.close()
        await house.close()


async def _counted(
    admin: asyncpg.Connection, service: UUID, first: date, after: date
) -> Mapping[str, int]:
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, after))
    uptime = await _ask(admin, "Uptime", service, begin, end)
    coverage = await _ask(admin, "Coverage", service, begin, end)
    return _named(uptime["succeeded"], uptime["looked"], coverage["looked"], coverage["scheduled"])


def _named(succeeded: int, looked: int, slots: int, planned: int) -> dict[str, int]:
    return {"succeeded": succeeded, "looked": looked, "slots": slots, "planned": planned}


def _plain(counter: Counter[str]) -> dict[str, int]:
    return _named(*(counter[name] for name in ("succeeded", "looked", "slots", "planned")))


async def test_slots_are_counted_alike_in_every_way(story: Story) -> None:
    """The database, the domain and telling them off agree, down to the microsecond."""
    key = await story.monitor(await story.service("API"))
    await story.admin.execute("UPDATE monitors SET is_active = false")
    await story.admin.execute("DELETE FROM monitor_schedules")
    for shift in (-1_001, -1_000, -999, -1, 0, 1, 999, 1_000, 1_001):
        begin = _at(5, shift) + timedelta(milliseconds=250)
        for length in (0.5, 1, 5, 5.0005, 47.000001):
            end = begin + timedelta(seconds=length)
            await story.admin.execute(
                "INSERT INTO monitor_schedules VALUES ($1, 1, $2, $3, $4, 5, 250)",
                key,
                story.org_id,
                begin,
                end,
            )
            counted = await story.admin.fetchval(
                "SELECT sum(slots) FROM scheduled_slots($1, $2, $3, interval '1 hour')",
                story.org_id,
                _at(4),
                _at(7),
            )
            told_off = list(bookkeeping.slots_of(5, 250, begin, end))
            assert counted == len(told_off), (shift, length)
            assert count_slots(Timetable(5_000, 250, begin, end), _at(4), _at(7)) == counted
            await story.admin.execute("DELETE FROM monitor_schedules")
