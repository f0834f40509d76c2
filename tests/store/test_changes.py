"""The listener hears every announcement, trusts none, and finds its way back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.store.changes import (
    CHANNEL,
    EVERYBODY,
    KINDS,
    Change,
    ChangeListener,
    Resync,
    Subscription,
    parse_payload,
)
from statustui.store.connection import ConnectionTarget
from tests.support.databases import Database
from tests.support.proxy import Line

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
Announce = Callable[..., Awaitable[None]]


@pytest.fixture
async def announce(database: Database) -> Announce:
    connection = await database.connect()

    async def send(*payloads: str) -> None:
        async with connection.transaction():
            for payload in payloads:
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)

    return send


async def following(subscription: Subscription) -> frozenset[Change] | Resync:
    async with asyncio.timeout(5):
        return await anext(subscription)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        ":",
        "incidents",
        f"{KEY}:",
        f"{KEY}:incident",
        f"{KEY}:INCIDENTS",
        f"{KEY}:incidents ",
        f" {KEY}:incidents",
        f"{KEY}:incidents\n",
        f"{KEY[:-1]}:incidents",
        f"{KEY.upper()}:incidents",
        f"**:{'incidents'}",
        f"{KEY}:incidents:x",
        "٠" * 32 + ":incidents",
        "\x1b[2J:incidents",
    ],
)
def test_what_is_not_exactly_an_announcement_is_none(payload: str) -> None:
    assert parse_payload(payload) is None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_read(kind: str) -> None:
    assert parse_payload(f"{KEY}:{kind}") == Change(KEY, kind)
    assert parse_payload(f"*:{kind}") == Change(EVERYBODY, kind)


@given(st.text())
def test_nothing_breaks_the_parser(payload: str) -> None:
    change = parse_payload(payload)
    assert change is None or f"{change.org_key}:{change.kind}" == payload


async def test_one_transaction_arrives_as_one_bundle(
    database: Database, announce: Announce
) -> None:
    async with ChangeListener(database.target()) as listener:
        assert listener.connected
        subscription = listener.subscribe()
        await announce(f"{KEY}:incidents", f"{KEY}:services", f"{KEY}:incidents", "*:leases")
        assert await following(subscription) == {
            Change(KEY, "incidents"),
            Change(KEY, "services"),
            Change(EVERYBODY, "leases"),
        }


async def test_rubbish_is_counted_and_dropped(database: Database, announce: Announce) -> None:
    async with ChangeListener(database.target()) as listener:
        subscription = listener.subscribe()
        await announce("rubbish", f"{KEY}:nonsense", f"{KEY}:marks")
        assert await following(subscription) == {Change(KEY, "marks")}
        assert listener.refused == 2


async def test_a_reader_of_one_organization_hears_it_and_everybody(
    database: Database, announce: Announce
) -> None:
    async with ChangeListener(database.target()) as listener:
        mine = listener.subscribe(KEY)
        all_of_them = listener.subscribe()
        await announce(f"{OTHER}:incidents", f"{KEY}:services", "*:engines")
        assert await following(mine) == {Change(KEY, "services"), Change(EVERYBODY, "engines")}
        assert len(await following(all_of_them)) == 3  # type: ignore[arg-type]


async def test_a_burst_is_handed_over_in_few_bundles(
    database: Database, announce: Announce
) -> None:
    async with ChangeListener(database.target(), coalesce_seconds=0.05) as listener:
        subscription = listener.subscribe()
        bundles = 0
        seen: set[Change] = set()
        reading = asyncio.ensure_future(following(subscription))
        for number in range(60):
            await announce(f"{number:032x}:checks")
        while len(seen) < 60:
            bundle = await reading
            assert isinstance(bundle, frozenset)
            assert not bundle & seen
            seen |= bundle
            bundles += 1
            reading = asyncio.ensure_future(following(subscription))
        reading.cancel()
        assert bundles < 30


async def test_a_reader_that_falls_behind_is_told_to_start_over(
    database: Database, announce: Announce
) -> None:
    async with ChangeListener(database.target(), most=5) as listener:
        subscription = listener.subscribe()
        keeping_up = listener.subscribe(KEY)
        await announce(*(f"{number:032x}:checks" for number in range(6)), f"{KEY}:checks")
        assert isinstance(await following(subscription), Resync)
        assert await following(keeping_up) == {Change(KEY, "checks")}
        await announce(f"{KEY}:marks")
        assert await following(subscription) == {Change(KEY, "marks")}


async def test_a_killed_line_comes_back_with_a_resync(
    database: Database, announce: Announce
) -> None:
    async with ChangeListener(database.target("statustui_web")) as listener:
        subscription = listener.subscribe()
        before = listener.since
        admin = await database.connect()
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE usename = 'statustui_web' AND datname = current_database()"
        )
        assert ended == 1
        assert isinstance(await following(subscription), Resync)
        assert listener.connected
        assert listener.since > before
        await announce(f"{KEY}:services")
        assert await following(subscription) == {Change(KEY, "services")}


async def test_a_server_that_is_away_is_tried_until_it_is_back(database: Database) -> None:
    async with (
        Line(database.parameters()) as line,
        ChangeListener(ConnectionTarget(line.through, "line")) as listener,
    ):
        subscription = listener.subscribe()
        await line.cut()
        waiting = asyncio.ensure_future(following(subscription))
        async with asyncio.timeout(5):
            while listener.connected:
                await asyncio.sleep(0)
        assert not waiting.done()
        await line.mend()
        assert isinstance(await waiting, Resync)
        assert listener.connected


async def test_a_line_that_is_silently_dead_is_noticed(database: Database) -> None:
    async with Line(database.parameters()) as line:
        target = ConnectionTarget(line.through, "line")
        async with ChangeListener(target, keepalive_seconds=0.05, answer_seconds=0.2) as listener:
            subscription = listener.subscribe()
            accepted = line.accepted
            line.freeze()
            async with asyncio.timeout(5):
                while listener.connected:
                    await asyncio.sleep(0.01)
            line.thaw()
            assert isinstance(await following(subscription), Resync)
            assert line.accepted > accepted


async def test_a_frozen_database_is_noticed_within_five_seconds(database: Database) -> None:
    async with (
        Line(database.parameters()) as line,
        ChangeListener(ConnectionTarget(line.through, "line")) as listener,
    ):
        assert listener.connected
        line.freeze()
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout(15):
            while listener.connected:
                await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - begun < 5
        line.thaw()


async def test_entering_does_not_wait_for_a_database_that_is_away(database: Database) -> None:
    line = Line(database.parameters())
    await line.mend()
    await line.cut()
    async with asyncio.timeout(5):
        async with ChangeListener(ConnectionTarget(line.through, "line")) as listener:
            assert not listener.connected
            subscription = listener.subscribe()
            await line.mend()
            assert isinstance(await following(subscription), Resync)
    await line.cut()


async def test_closing_ends_every_reader(database: Database) -> None:
    async with ChangeListener(database.target()) as listener:
        subscription = listener.subscribe()
        reading = asyncio.ensure_future(_all(subscription))
    async with asyncio.timeout(5):
        assert await reading == []


async def test_a_reader_nobody_holds_is_forgotten(database: Database) -> None:
    async with ChangeListener(database.target()) as listener:
        subscription = listener.subscribe()
        assert len(listener._subscriptions) == 1
        del subscription
        assert len(listener._subscriptions) == 0


async def test_the_schema_announces_what_the_listener_knows(database: Database) -> None:
    """Every kind that a trigger of the schema sends is one that is listened for."""
    connection = await database.connect()
    definitions = await connection.fetch(
        "SELECT pg_get_triggerdef(oid) AS text FROM pg_trigger WHERE tgname LIKE 'announce%'"
    )
    kinds = {row["text"].rpartition("('")[2].removesuffix("')") for row in definitions}
    assert kinds == KINDS


async def _all(subscription: Subscription) -> list[object]:
    return [bundle async for bundle in subscription]
