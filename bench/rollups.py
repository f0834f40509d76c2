"""What it costs to read figures from sums: uptime, windows, the dashboard's days, a page's.

An organization of 500 services with a monitor each has 100 days of daily and two days of hourly
rollups in a database of the embedded server, as 30-second checks would have left them. The figures
are read through the program's own stores, as the roles that read them. The baseline of each is the
plain way to the same numbers, in the same run: every row that is needed, fetched with all its
columns, and nothing else done with it. Of each the median counts.

    .venv/bin/python bench/rollups.py [--services 500] [--rounds 15]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from statustui.store import figures
from statustui.store.bootstrap import initialise
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.embedded import EmbeddedServer
from statustui.store.public import PublicStore

DAYS = 90
# The one goal in milliseconds is set for 500 services; the rest are to beat the plain way.
GOAL_UPTIME_MS = 50.0
GOAL_RATIO = 1.0

_SERVICES = """
INSERT INTO services (org_id, name, created_at)
SELECT $1, 'Service ' || n, now() - interval '100 days' FROM generate_series(1, $2::int) n
"""
_MONITORS = """
INSERT INTO monitors (org_id, service_id, name, type, interval_seconds)
SELECT org_id, id, 'health', 'tcp', 30 FROM services
"""
_DAILY = """
INSERT INTO rollups_daily (org_id, monitor, day, success, failure, slots, timed, sum_ms, min_ms,
    max_ms, h09, h10, h11, h12)
SELECT org_id, key, (now() AT TIME ZONE 'UTC')::date - d, 2870 - key % 7, 10 + key % 7, 2880,
       2870 - key % 7, 2870 * 120, 60, 300, 700 - key % 7, 1000, 1000, 170
FROM monitors, generate_series(0, 99) d
"""
_HOURLY = """
INSERT INTO rollups_hourly (org_id, monitor, hour, success, failure, slots, timed, sum_ms, min_ms,
    max_ms, h09, h10, h11, h12)
SELECT org_id, key, date_trunc('hour', now()) - h * interval '1 hour', 119, 1, 120, 119,
       119 * 120, 60, 300, 20, 50, 40, 9
FROM monitors, generate_series(0, 47) h
"""
_ALL_DAYS = "SELECT * FROM rollups_daily WHERE org_id = $1 AND day > current_date - $2::int"
_ALL_HOURS = "SELECT * FROM rollups_hourly WHERE org_id = $1 AND hour > now() - interval '25 hours'"

Work = Callable[[], Awaitable[object]]


async def fill(admin: asyncpg.Connection, services: int) -> int:
    """Make the organization; returns its id."""
    org_id: int = await admin.fetchval(
        "INSERT INTO organizations (slug, name) VALUES ('bench', 'Bench') RETURNING org_id"
    )
    await admin.execute(
        "INSERT INTO pages (org_id, slug, name) VALUES ($1, 'bench', 'Bench')", org_id
    )
    await admin.execute(_SERVICES, org_id, services)
    await admin.execute(_MONITORS)
    await admin.execute("UPDATE monitor_schedules SET from_at = now() - interval '100 days'")
    await admin.execute(_DAILY)
    await admin.execute(_HOURLY)
    await admin.execute("VACUUM ANALYZE")
    return org_id


async def measure(cases: dict[str, Work], rounds: int) -> dict[str, float]:
    """The median of each case in milliseconds; the cases take turns."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, work in cases.items():
            begin = time.perf_counter()
            await work()
            if number:  # the first round only warms up
                found[name].append((time.perf_counter() - begin) * 1000)
    return {name: statistics.median(values) for name, values in found.items()}


async def connect(server: EmbeddedServer, database: str) -> asyncpg.Connection:
    """A connection as the server's superuser."""
    parameters: dict[str, Any] = dict(server.endpoint.dsn_parameters("postgres", database))
    connection: asyncpg.Connection = await asyncpg.connect(**parameters)
    return connection


async def run(services: int, rounds: int) -> dict[str, float]:
    """Measure on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-rollups-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder) / "data", durable=False)
        await server.start()
        try:
            first = await connect(server, "postgres")
            await first.execute("CREATE DATABASE bench")
            await first.close()
            admin = await connect(server, "bench")
            await initialise(admin)
            await admin.execute("SET search_path = statustui")
            org_id = await fill(admin, services)
            await admin.execute("CREATE ROLE reader LOGIN IN ROLE statustui_operator")
            await admin.execute("INSERT INTO users (role_name) VALUES ('reader')")
            await admin.execute("INSERT INTO members VALUES ($1, 'reader', 'owner')", org_id)
            found = await _measure_all(server, admin, org_id, rounds)
            await admin.close()
            return found
        finally:
            await server.stop_if_last()


async def _measure_all(
    server: EmbeddedServer, admin: asyncpg.Connection, org_id: int, rounds: int
) -> dict[str, float]:
    def target(role: str) -> ConnectionTarget:
        return ConnectionTarget(server.endpoint.dsn_parameters(role, "bench"), "bench")

    reader = await open_pool(target("reader"), max_size=1)
    web = await open_pool(target("statustui_web"), max_size=1)
    public = PublicStore(web)
    try:
        page = await public.load_page("bench")
        if page is None:
            raise RuntimeError("the page that was made is there")
        now = datetime.now(UTC)
        cases: dict[str, Work] = {
            "uptime_90_days": lambda: figures.load_uptime(reader, org_id, DAYS),
            "window_90_days": lambda: figures.load_window(
                reader, org_id, now - timedelta(days=DAYS), now
            ),
            "window_24_hours": lambda: figures.load_window(
                reader, org_id, now - timedelta(hours=24), now
            ),
            "figures_30_days": lambda: figures.load_figures(reader, org_id),
            "page_90_days": lambda: public.load_page("bench"),
            "page_again": lambda: public.reload_page(page, incidents=True),
            "rows_90": lambda: admin.fetch(_ALL_DAYS, org_id, DAYS),
            "rows_30": lambda: admin.fetch(_ALL_DAYS, org_id, 30),
            "rows_2": lambda: admin.fetch(_ALL_DAYS, org_id, 2),
            "rows_hours": lambda: admin.fetch(_ALL_HOURS, org_id),
        }
        return await measure(cases, rounds)
    finally:
        await reader.close()
        await web.close()


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    found = asyncio.run(run(options.services, options.rounds))
    baselines = {
        "uptime_90_days": found["rows_90"],
        "window_90_days": found["rows_90"] + found["rows_hours"],
        "window_24_hours": found["rows_hours"],
        "figures_30_days": found["rows_30"] + found["rows_hours"],
        "page_90_days": found["rows_90"] + found["rows_hours"],
        "page_again": found["rows_2"] + found["rows_hours"],
    }
    shown = {}
    print(f"{'':18}{'ms':>10}{'rows, ms':>10}{'ratio':>8}{'goal':>8}")
    for name, baseline in baselines.items():
        value, ratio = found[name], found[name] / baseline
        goal = GOAL_UPTIME_MS if name == "uptime_90_days" else GOAL_RATIO
        print(f"{name:18}{value:10.1f}{baseline:10.1f}{ratio:8.2f}{goal:8.1f}")
        shown[name] = {
            "value": round(value, 2),
            "unit": "ms",
            "baseline": round(baseline, 2),
            "ratio": round(ratio, 3),
            "goal": goal,
        }
    print(json.dumps({"bench": "rollups", "figures": shown}))


if __name__ == "__main__":
    main()
