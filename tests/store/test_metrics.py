"""The engine's role reads what the metrics page says about the installation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.enginemetrics import DatabaseFigures, MonitorName
from statustui.domain.status import Impact, MonitorState
from statustui.store.connection import open_pool
from statustui.store.metrics import load_figures
from tests.support.databases import Database
from tests.support.house import House, open_house
from tests.support.watched import ENGINE_ROLE


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


async def read(house: House) -> DatabaseFigures:
    pool = await open_pool(house.database.target(ENGINE_ROLE))
    try:
        return await load_figures(pool, "local")
    finally:
        await pool.close()


async def test_figures_of_the_installation(house: House) -> None:
    now = datetime.now(UTC)
    await house.see("API", "down", since=now, reason="refused", error_kind="refused")
    await house.see("Docs", "up")
    await house.store.pause_monitor(house.org, house.monitors["Docs"], None)
    await house.open_automatic("API")
    for number, (heartbeat, offline, stopped) in enumerate(
        (
            (now, None, None),
            (now, now, None),
            (now - timedelta(minutes=1), None, None),
            (now - timedelta(minutes=1), None, now),
        )
    ):
        await house.admin.execute(
            """INSERT INTO engines (id, region, host, process_id, version, heartbeat_at,
                   offline_since, stopped_at)
               VALUES (gen_random_uuid(), 1, 'host', $1, '1', $2, $3, $4)""",
            *(number, heartbeat, offline, stopped),
        )
    channel = await house.admin.fetchval(
        "INSERT INTO channels (org_id, name, kind) VALUES ($1, 'ops', 'slack') RETURNING id",
        house.org,
    )
    for key, attempts, delivered, dead in (
        ("a", 1, now, None),
        ("b", 3, now, None),
        ("c", 5, None, now),
        ("d", 0, None, None),
    ):
        await house.admin.execute(
            """INSERT INTO outbox (org_id, channel_id, event, event_key, payload, attempts,
                   delivered_at, dead_at)
               VALUES ($1, $2, 'ping', $3, '{}', $4, $5, $6)""",
            *(house.org, channel, key, attempts, delivered, dead),
        )
    figures = await read(house)
    names = set(figures.names.values())
    assert names == {MonitorName("acme", name, "health") for name in house.monitors}
    assert await house.key("API") in figures.names
    assert figures.engines == {
        ("local", "alive"): 1,
        ("local", "offline"): 1,
        ("local", "silent"): 1,
    }
    assert figures.monitors == {
        MonitorState.DOWN: 1,
        MonitorState.PAUSED: 1,
        MonitorState.UNKNOWN: 2,
    }
    assert figures.incidents == {Impact.CRITICAL: 1}
    assert figures.notifications == {
        ("ops", "delivered"): 2,
        ("ops", "failed"): 7,
        ("ops", "given_up"): 1,
    }
