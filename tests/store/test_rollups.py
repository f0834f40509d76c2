"""Figures made again from raw checks are those that were written live, and nothing is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.observation import Observation
from statustui.domain.rollup import BOUNDS_MS, bucket_of
from statustui.domain.scheduling import Due
from statustui.domain.status import ErrorKind
from statustui.store import engine_rows, queries, rollups
from statustui.store.connection import Pool, open_pool
from tests.support import bookkeeping
from tests.support.databases import Database
from tests.support.tenants import settle_tenants
from tests.support.watched import ENGINE_ROLE, Story, engine_story, refused, seen

_MIDNIGHT = datetime.combine(datetime.now(UTC).date() - timedelta(days=1), time(), UTC)
_NEGATED_BOUNDS = [-bound for bound in reversed(BOUNDS_MS)]


@pytest.fixture
async def story(database: Database) -> AsyncIterator[Story]:
    async with engine_story(database) as made:
        await made.admin.execute("SET search_path = statustui")
        yield made


@pytest.fixture
async def pool(database: Database, story: Story) -> AsyncIterator[Pool]:
    opened = await open_pool(database.target(ENGINE_ROLE), max_size=3)
    try:
        yield opened
    finally:
        await opened.close()


async def _all(
    pool: Pool, org_id: int, *, dry_run: bool, first: date | None = None, last: date | None = None
) -> tuple[list[rollups.Difference], int]:
    """What differed, and how many rows were rewritten."""
    differences: list[rollups.Difference] = []
    rewritten = 0
    async for step in rollups.rebuild(pool, org_id, first, last, dry_run=dry_run):
        differences += step.differences
        rewritten += step.rewritten
    return differences, rewritten


# -- streams of checks -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """One look of one of two monitors from one of two regions.

    Attributes:
        after_ms: since the last look of any; late_ms: after its slot.
        saw: what an answer is made of; lasted_ms: until it came.
        extra: whether it belongs to no slot of its own.
    """

    monitor: int
    region: int
    after_ms: int
    late_ms: int
    saw: str
    lasted_ms: float
    extra: bool
    in_maintenance: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person does between looks: another interval, a pause, its end, regions."""

    monitor: int
    change: str


_LOOKS = st.builds(
    Look,
    monitor=st.integers(0, 1),
    region=st.integers(0, 1),
    after_ms=st.one_of(st.integers(1, 60_000), st.integers(60_000, 7_200_000)),
    late_ms=st.integers(0, 9_000),
    saw=st.sampled_from(["good", "good", "slow", "bad", "refused", "timeout", "blind"]),
    lasted_ms=st.one_of(st.floats(0.125, 29_000, width=32), st.sampled_from(BOUNDS_MS)),
    extra=st.booleans(),
    in_maintenance=st.sampled_from([False, False, False, True]),
)
_EDITS = st.builds(
    Edit,
    monitor=st.integers(0, 1),
    change=st.sampled_from(
        [
            "interval_seconds = 5",
            "interval_seconds = 3600",
            "is_active = false",
            "is_active = true",
            "paused_until = now() + interval '1 h'",
            "paused_until = NULL",
            "regions = '{local}'",
            "regions = '{local,eu}'",
        ]
    ),
)
_STREAMS = st.lists(
    st.one_of(_LOOKS, _LOOKS, _LOOKS, _LOOKS, _EDITS, st.sampled_from(["write", "again", "facts"])),
    min_size=1,
    max_size=60,
)
_SPOILINGS = st.lists(
    st.tuples(
        st.sampled_from(["rollups_hourly", "rollups_daily"]),
        st.sampled_from(["success + 1", "0", "slots + 3", "gone"]),
        st.integers(0, 30),
    ),
    max_size=4,
)


def _observation(look: Look, at: datetime) -> Observation:
    match look.saw:
        case "good":
            return seen(at, duration_ms=look.lasted_ms)
        case "slow":
            return seen(at, duration_ms=28_000.0)
        case "bad":
            return seen(at, 503, look.lasted_ms)
        case "refused":
            return refused(at)
        case "timeout":
            return Observation(at, 1_000.0, error_kind=ErrorKind.TIMEOUT, reason="no answer in 1 s")
        case _:
            return Observation(at, 1.0, error_kind=ErrorKind.OBSERVER, reason="no network here")


@dataclass(slots=True)
class Stream:
    """Two monitors of an organization of their own, looked at from two regions."""

    story: Story
    org_id: int
    monitors: Sequence[WatchedMonitor]
    regions: Sequence[int]
    at: datetime = field(default_factory=lambda: _MIDNIGHT - timedelta(hours=3))
    memories: dict[tuple[int, int], Memory] = field(default_factory=dict)
    waiting: list[Decision] = field(default_factory=list)
    written: list[Decision] = field(default_factory=list)

    def look(self, look: Look) -> None:
        """Make one look, to be written later."""
        self.at += timedelta(milliseconds=look.after_ms)
        region = self.regions[look.region]
        monitor = replace(self.monitors[look.monitor], region=region)
        key = (monitor.key, region)
        slot = self.at.replace(microsecond=self.at.microsecond // 1000 * 1000)
        begun = slot + timedelta(milliseconds=look.late_ms, microseconds=7)
        self.at = begun
        decision = decide(
            monitor,
            self.memories.get(key, Memory()),
            _observation(look, begun),
            Due(begun, slot, is_extra=look.extra),
            in_maintenance=look.in_maintenance,
        )
        self.memories[key] = decision.memory
        self.waiting.append(decision)

    async def write(self) -> None:
        """Write what waits."""
        await self.story.store.record_batch(self.story.share, self.waiting, datetime.now(UTC))
        self.written += self.waiting
        self.waiting = []

    async def step(self, step: Look | Edit | str) -> None:
        """One step of the stream."""
        if isinstance(step, Look):
            self.look(step)
        elif isinstance(step, Edit):
            await self.story.admin.execute(
                f"UPDATE monitors SET {step.change} WHERE key = $1",
                self.monitors[step.monitor].key,
            )
        elif step == "again":
            # A batch is sent again with what came meanwhile, and facts of it by another way.
            self.waiting = [*self.written[-7:], *self.waiting]
            await self.write()
        elif step == "facts":
            await self.story.store.record_stale_facts(self.written[-5:])
        else:
            await self.write()


async def _stream(story: Story) -> Stream:
    org_id = await story.admin.fetchval(
        """INSERT INTO organizations (slug, name, automatic_incidents)
        VALUES ('s' || replace(gen_random_uuid()::text, '-', ''), 'S', 'off') RETURNING org_id"""
    )
    own = replace_org(story, org_id)
    service = await own.service("API")
    keys = [await own.monitor(service, name, failure_threshold=3) for name in ("one", "two")]
    eu = await story.store.register(uuid4(), "eu", "test", 1, "0")
    watched = (await story.store.load_work("local", story.region)).monitors
    return Stream(story, org_id, [watched[key] for key in keys], [story.region, eu])


def replace_org(story: Story, org_id: int) -> Story:
    """The same engine, about another organization."""
    other = Story(story.admin, story.store, org_id, story.holder)
    other.lease, other.share = story.lease, story.share
    return other


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_STREAMS, spoilings=_SPOILINGS)
async def test_made_again_they_are_what_was_written_live(
    story: Story, pool: Pool, steps: list[Look | Edit | str], spoilings: list[tuple[str, str, int]]
) -> None:
    stream = await _stream(story)
    for step in steps:
        await stream.step(step)
    await stream.write()
    assert await bookkeeping.wrong_rollups(story.admin, stream.org_id) == []
    assert await _all(pool, stream.org_id, dry_run=True) == ([], 0)
    for table, change, number in spoilings:
        await _spoil(story.admin, stream.org_id, table, change, number)
    wrong = await bookkeeping.wrong_rollups(story.admin, stream.org_id)
    told, none = await _all(pool, stream.org_id, dry_run=True)
    assert (bool(told), none) == (bool(wrong), 0)
    _, rewritten = await _all(pool, stream.org_id, dry_run=False)
    assert rewritten == len(told)
    assert await bookkeeping.wrong_rollups(story.admin, stream.org_id) == []
    assert await _all(pool, stream.org_id, dry_run=False) == ([], 0)


async def _spoil(
    admin: asyncpg.Connection, org_id: int, table: str, change: str, number: int
) -> None:
    """Make one row of figures wrong, whichever is at that place."""
    rows = await admin.fetch(f"SELECT ctid FROM {table} WHERE org_id = $1 ORDER BY ctid", org_id)
    if rows:
        what = "DELETE FROM {0}" if change == "gone" else "UPDATE {0} SET success = {1}, h03 = 9"
        await admin.execute(
            f"{what.format(table, change)} WHERE ctid = $1", rows[number % len(rows)]["ctid"]
        )


async def test_buckets_are_those_of_the_domain(story: Story) -> None:
    values = [0.0, 0.5, 1e6, *BOUNDS_MS]
    values += [bound * factor for bound in BOUNDS_MS for factor in (1 - 1e-12, 1 + 1e-12)]
    found = await story.admin.fetch(
        "SELECT latency_bucket(v) AS bucket FROM unnest($1::float8[]) WITH ORDINALITY AS g (v, n)"
        " ORDER BY n",
        values,
    )
    assert [row["bucket"] for row in found] == [bucket_of(value) for value in values]


# -- beside an engine that goes on -------------------------------------------------------------


async def _hours(story: Story, key: int, count: int) -> list[Decision]:
    """Looks of one monitor over the hours before now."""
    monitor = await story.watched(key)
    start = _MIDNIGHT - timedelta(minutes=2)
    return [
        story.decide(
            monitor, seen(start + timedelta(seconds=10 * number), duration_ms=5.0 + number)
        )
        for number in range(count)
    ]


async def _until_waiting(admin: asyncpg.Connection, task: asyncio.Task[Any]) -> None:
    """Until somebody waits for a lock in this database."""
    waiting = """SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock')"""
    async with asyncio.timeout(10):
        while not await admin.fetchval(waiting):
            assert not task.done(), "it waited for nobody"
            await asyncio.sleep(0.005)


async def test_a_batch_being_written_is_waited_for_and_counted(
    story: Story, pool: Pool, database: Database
) -> None:
    key = await story.monitor(await story.service("API"))
    decisions = await _hours(story, key, 40)
    await story.store.record_batch(story.share, decisions[:30], datetime.now(UTC))
    await story.admin.execute("UPDATE rollups_hourly SET success = 1")
    await story.admin.execute("UPDATE rollups_daily SET h02 = 99")
    engine = await database.connect(ENGINE_ROLE)
    await engine.execute("SET search_path = statustui")
    batch = engine.transaction()
    await batch.start()
    await engine.execute(
        queries.load("engine_batch")["record_checks"],
        *engine_rows.check_columns(decisions[30:]),
        _NEGATED_BOUNDS,
    )
    rebuilding = asyncio.create_task(_all(pool, story.org_id, dry_run=False))
    await _until_waiting(story.admin, rebuilding)
    await batch.commit()
    _, rewritten = await rebuilding
    assert rewritten >= 3
    assert await bookkeeping.wrong_rollups(story.admin, story.org_id) == []


async def test_a_batch_that_comes_meanwhile_adds_to_what_was_rewritten(
    story: Story, database: Database
) -> None:
    key = await story.monitor(await story.service("API"))
    decisions = await _hours(story, key, 40)
    await story.store.record_batch(story.share, decisions[:30], datetime.now(UTC))
    await story.admin.execute("UPDATE rollups_hourly SET success = 1")
    engine = await database.connect(ENGINE_ROLE)
    await engine.execute("SET search_path = statustui")
    rebuild = engine.transaction()
    await rebuild.start()
    for day in (_MIDNIGHT.date() - timedelta(days=1), _MIDNIGHT.date()):
        await engine.execute("SELECT rollup_rebuild($1, $2, $3, 'hour')", story.org_id, [key], day)
    writing = asyncio.create_task(
        story.store.record_batch(story.share, decisions[30:], datetime.now(UTC))
    )
    await _until_waiting(story.admin, writing)
    await rebuild.commit()
    assert (await writing).inserted == 10
    assert await bookkeeping.wrong_rollups(story.admin, story.org_id) == []


async def test_rebuilding_again_and_again_beside_a_writer(story: Story, pool: Pool) -> None:
    service = await story.service("API")
    keys = [await story.monitor(service, name) for name in ("a", "b", "c")]
    mine = [await _hours(story, key, 120) for key in keys]

    async def write() -> None:
        for number in range(0, 120, 2):
            batch = [decision for each in mine for decision in each[number : number + 2]]
            await story.store.record_batch(story.share, batch, datetime.now(UTC))

    writing = asyncio.create_task(write())
    rewritten = 0
    while not writing.done():
        await story.admin.execute("UPDATE rollups_daily SET success = success + 1")
        await story.admin.execute("UPDATE rollups_hourly SET slots = 0")
        rewritten += (await _all(pool, story.org_id, dry_run=False))[1]
    await writing
    rewritten += (await _all(pool, story.org_id, dry_run=False))[1]
    assert rewritten > 0
    assert await bookkeeping.wrong_rollups(story.admin, story.org_id) == []


# -- what is left alone ------------------------------------------------------------------------


async def test_a_past_without_its_checks_is_left_alone(story: Story, pool: Pool) -> None:
    """Figures that are older than the oldest check cannot be made again."""
    key = await story.monitor(await story.service("API"))
    decisions = await _hours(story, key, 60)
    await story.store.record_batch(story.share, decisions, datetime.now(UTC))
    old = _MIDNIGHT.date() - timedelta(days=40)
    await story.admin.execute(
        "INSERT INTO rollups_daily (org_id, monitor, day, success) VALUES ($1, $2, $3, 2880)",
        story.org_id,
        key,
        old,
    )
    # The day of the oldest check counts more than is there: its first part has no checks.
    cut = _MIDNIGHT.date() - timedelta(days=1)
    await story.admin.execute("UPDATE rollups_daily SET success = 2000 WHERE day = $1", cut)
    await story.admin.execute(
        "UPDATE rollups_daily SET success = 1 WHERE day = $1", _MIDNIGHT.date()
    )
    differences, _ = await _all(pool, story.org_id, dry_run=False)
    assert {(each.grain, each.at.date()) for each in differences} == {("day", _MIDNIGHT.date())}
    kept = await story.admin.fetch("SELECT day, success FROM rollups_daily ORDER BY day")
    assert [(row["day"], row["success"]) for row in kept] == [
        (old, 2880),
        (cut, 2000),
        (_MIDNIGHT.date(), 48),
    ]


async def test_a_month_that_was_dropped_keeps_its_figures(story: Story, pool: Pool) -> None:
    key = await story.monitor(await story.service("API"))
    admin = story.admin
    first = (datetime.now(UTC) - timedelta(days=70)).replace(day=1, hour=0, minute=0, second=30)
    for day in range(0, 65, 5):
        at = first + timedelta(days=day)
        await admin.execute("SELECT ensure_check_partitions($1, $1)", at)
        decision = story.decide(
            await story.watched(key), seen(at), slot_at=at - timedelta(minutes=1)
        )
        await story.store.record_batch(story.share, [decision], datetime.now(UTC))
    figures = "SELECT * FROM rollups_daily ORDER BY day"
    whole = await admin.fetch(figures)
    assert len(whole) == 26  # each look just after midnight belongs to the slot just before
    assert await admin.fetchval("SELECT drop_check_partition($1)", first.date())
    assert await _all(pool, story.org_id, dry_run=False) == ([], 0)
    assert await admin.fetch(figures) == whole
    # What is older than the oldest check stays; what is younger is made again.
    await admin.execute("UPDATE rollups_daily SET failure = 7")
    _, rewritten = await _all(pool, story.org_id, dry_run=False)
    left = await admin.fetch("SELECT day FROM rollups_daily WHERE failure = 7 ORDER BY day")
    oldest = await admin.fetchval("SELECT min(slot_at) FROM checks")
    assert [row["day"] for row in left] == [
        row["day"] for row in whole if row["day"] <= oldest.date()
    ]
    assert rewritten == len(whole) - len(left) > 0


async def test_days_can_be_chosen(story: Story, pool: Pool) -> None:
    key = await story.monitor(await story.service("API"))
    await story.store.record_batch(story.share, await _hours(story, key, 60), datetime.now(UTC))
    await story.admin.execute("UPDATE rollups_daily SET success = 1")
    before, after = _MIDNIGHT.date() - timedelta(days=1), _MIDNIGHT.date()
    chosen, rewritten = await _all(pool, story.org_id, dry_run=False, first=after, last=after)
    assert {each.at.date() for each in chosen} == {after}
    assert rewritten == 1
    rest, _ = await _all(pool, story.org_id, dry_run=True)
    assert {each.at.date() for each in rest} == {before}


# -- who may -----------------------------------------------------------------------------------


async def test_owners_and_the_engine_may_and_it_is_audited(database: Database) -> None:
    tenants = await settle_tenants(database)
    admin = await tenants.connect("postgres")
    today = datetime.now(UTC).date()
    await admin.execute("UPDATE rollups_daily SET success = 5 WHERE org_id = $1", tenants.org)
    ask = "SELECT rollup_rebuild($1, $2, $3, 'day')"
    arguments = (tenants.org, [tenants.key], today)
    for part, code in (
        *(("admin", "SU003"), ("member", "SU003"), ("viewer", "SU003")),
        *(("stranger", "SU002"), ("statustui_web", "42501")),
    ):
        connection = await tenants.connect(part)
        await connection.execute("SET default_transaction_read_only = off")
        for statement in (
            ask,
            "SELECT * FROM rollup_compare($1, $2, $3, 'day')",
            "SELECT $2::int[], $3::date FROM rollup_beginnings($1)",
        ):
            with pytest.raises(asyncpg.PostgresError) as refusal:
                await connection.execute(statement, *arguments)
            assert refusal.value.sqlstate == code, (part, statement)
    owner = await tenants.connect("owner")
    assert await owner.fetchval(ask, *arguments) == 1
    entry = await admin.fetchrow("SELECT * FROM audit_log WHERE table_name = 'rollups_daily'")
    assert entry is not None
    assert (entry["actor"], entry["row_id"]) == (tenants.people["owner"], str(today))
    engine = await tenants.connect(ENGINE_ROLE)
    assert await engine.fetchval(ask, *arguments) == 0
    # Another organization's monitors cannot be named.
    stranger = await tenants.connect("stranger")
    await admin.execute("UPDATE rollups_daily SET success = 5 WHERE org_id = $1", tenants.org)
    assert await stranger.fetchval(ask, tenants.other_org, [tenants.key], today) == 0
