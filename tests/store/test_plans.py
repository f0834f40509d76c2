"""The statements that read figures find their rows by the keys that were made for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from statustui.domain.rollup import split_window
from statustui.store import queries
from tests.support.databases import Database

# Two organizations: one that is asked about, and one that is ten times as large.
_SIZES = (10, 100)

Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with enough rows for a plan to matter.

    Attributes:
        person: an owner of the smaller organization; web: as the page's role.
    """

    person: asyncpg.Connection
    web: asyncpg.Connection
    org_id: int
    service: object


@pytest.fixture
async def filled(database: Database) -> Filled:
    admin = await database.connect()
    await admin.execute("SET search_path = statustui, pg_temp")
    person = database.person("owner")
    await admin.execute(f"CREATE ROLE {person} LOGIN IN ROLE statustui_operator")
    owner = await database.connect(person)
    await owner.execute("SET search_path = statustui, pg_temp")
    org_ids = [
        await owner.fetchval("SELECT org_id FROM organization_create($1, $1)", name)
        for name in ("small", "large")
    ]
    for org_id, size in zip(org_ids, _SIZES, strict=True):
        await admin.execute(
            "INSERT INTO services (org_id, name) SELECT $1, 'S' || n FROM generate_series(1, $2) n",
            org_id,
            size,
        )
        await admin.execute(
            """INSERT INTO monitors (org_id, service_id, name, type)
               SELECT org_id, id, 'health', 'tcp' FROM services WHERE org_id = $1""",
            org_id,
        )
    await admin.execute(
        """INSERT INTO rollups_daily (org_id, monitor, day, success)
           SELECT org_id, key, current_date - n, 1 FROM monitors, generate_series(0, 199) n"""
    )
    await admin.execute(
        """INSERT INTO rollups_hourly (org_id, monitor, hour, success)
           SELECT org_id, key, date_trunc('hour', now()) - n * interval '1 h', 1
           FROM monitors, generate_series(0, 399) n"""
    )
    await admin.execute(
        """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status, duration_ms)
           SELECT key, 1, now() - n * interval '10 min', org_id, now(), 'success', 1
           FROM monitors, generate_series(0, 299) n"""
    )
    await admin.execute("VACUUM ANALYZE")
    web = await database.connect("statustui_web")
    await web.execute("SET search_path = statustui, pg_temp")
    service = await admin.fetchval(
        "SELECT id FROM services WHERE org_id = $1 ORDER BY name LIMIT 1", org_ids[0]
    )
    return Filled(owner, web, org_ids[0], service)


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def _scans(
    connection: asyncpg.Connection, statement: str, *arguments: object
) -> set[tuple[str, str]]:
    """How the large tables are read: by which kind of scan of which index."""
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *arguments)
    (plan,) = json.loads(text)
    # A month without checks is read whole, because there is nothing in it.
    empty = {
        row["relname"]
        for row in await connection.fetch(
            "SELECT relname FROM pg_class WHERE relname LIKE 'checks%' AND reltuples <= 0"
        )
    }
    found = set()
    for node in _nodes(plan["Plan"]):
        table = node.get("Relation Name", "")
        if table.startswith(("rollups_", "checks_")) and table not in empty:
            found.add((node["Node Type"], node.get("Index Name", "")))
        elif node["Node Type"] == "Bitmap Index Scan":
            found.add((node["Node Type"], node["Index Name"]))
    return found


def _indexes(scans: set[tuple[str, str]]) -> set[str]:
    """The indexes of these scans, of which none may read a whole table."""
    assert scans
    assert not [kind for kind, _ in scans if kind == "Seq Scan"], scans
    return {name for _, name in scans if name}


async def test_uptime_comes_from_an_index_alone(filled: Filled) -> None:
    first = datetime.now(UTC).date() - timedelta(days=89)
    sql = queries.load("figures")
    for name in ("load_uptime", "load_days"):
        scans = await _scans(filled.person, sql[name], filled.org_id, first)
        assert scans == {("Index Only Scan", "rollups_daily_pkey")}, name


async def test_any_window_is_found_by_the_keys_of_its_monitors(filled: Filled) -> None:
    now = datetime.now(UTC)
    sql = queries.load("figures")["load_window"]
    for services in (None, [filled.service]):
        for days in (1, 7, 90):
            parts = split_window(now - timedelta(days=days), now)
            scans = await _scans(
                filled.person,
                sql,
                filled.org_id,
                services,
                parts.from_hour,
                parts.hours_until,
                parts.first_day,
                parts.days_until,
                parts.later_from,
                parts.to_hour,
            )
            assert _indexes(scans) == {"rollups_daily_pkey", "rollups_hourly_pkey"}


async def test_charts_of_one_service_read_no_more_than_it(filled: Filled) -> None:
    now = datetime.now(UTC)
    sql = queries.load("figures")
    ask = (filled.org_id, filled.service)
    hourly = await _scans(filled.person, sql["load_latency_hourly"], *ask, now - timedelta(days=7))
    assert _indexes(hourly) == {"rollups_hourly_pkey"}
    daily = await _scans(
        filled.person, sql["load_latency_daily"], *ask, now.date() - timedelta(days=60)
    )
    assert _indexes(daily) == {"rollups_daily_pkey"}
    raw = await _scans(
        filled.person,
        sql["load_latency_from_checks"],
        *(*ask, timedelta(minutes=5), now - timedelta(hours=3)),
    )
    assert all(name.endswith("_pkey") for name in _indexes(raw))


async def test_a_page_reads_its_own_organization_only(filled: Filled) -> None:
    now = datetime.now(UTC)
    sql = queries.load("public")
    daily = await _scans(filled.web, sql["load_daily"], "small", now.date() - timedelta(days=89))
    assert _indexes(daily) == {"rollups_daily_pkey"}
    hourly = await _scans(filled.web, sql["load_hourly"], "small", now - timedelta(hours=24))
    assert _indexes(hourly) == {"rollups_hourly_pkey"}
