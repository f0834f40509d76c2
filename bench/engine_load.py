"""What the engine adds to the checks themselves: lateness, CPU and lost checks under load.

2,000 monitors look every 30 s at one server on loopback. First a bare loop has the same looks at
the same spacing with the same checker, and nothing else: no schedule, no verdict, no database. Then
the engine, whole, with PostgreSQL in a folder of its own. Both run in this process in the same run,
so CPU is compared with CPU of the same minute.

    .venv/bin/python bench/engine_load.py [--monitors 2000] [--interval 30] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import asyncpg
import uvloop

from statustui.domain.monitor import HttpConfig
from statustui.engine.checkers import look
from statustui.engine.service import Engine, EngineReport
from statustui.settings import EngineSettings
from statustui.store.bootstrap import initialise
from statustui.store.changes import ChangeListener
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.embedded import EmbeddedServer
from statustui.store.engine import EngineStore

TIMEOUT_MS = 5_000
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

_MAKE = """
WITH org AS (
    INSERT INTO organizations (slug, name) VALUES ('bench', 'Bench') RETURNING org_id
), services AS (
    INSERT INTO services (org_id, name)
    SELECT org_id, 'Service ' || n FROM org, generate_series(1, greatest($1::int / 4, 1)) n
    RETURNING org_id, id, name
)
INSERT INTO monitors (org_id, service_id, name, type, config, interval_seconds, timeout_ms,
    retry_interval_seconds)
SELECT s.org_id, s.id, 'monitor ' || n, 'http', jsonb_build_object('url', $2::text),
       $3::int, $4::int, 5
FROM generate_series(0, $1::int - 1) n
JOIN services s ON s.name = 'Service ' || (n % greatest($1::int / 4, 1) + 1)
"""

# Every slot that was due at least a timeout ago, and the look that it had, if it had one.
_SLOTS = """
SELECT x.slot, c.checked_at, c.status
FROM monitor_schedules s
CROSS JOIN LATERAL (
    SELECT to_timestamp((s.phase_ms + n * s.interval_seconds * 1000::bigint) / 1000.0) AS slot
    FROM generate_series(
        ceil((extract(epoch FROM $1::timestamptz) * 1000 - s.phase_ms)
             / (s.interval_seconds * 1000))::bigint,
        floor((extract(epoch FROM $2::timestamptz) * 1000 - s.phase_ms)
              / (s.interval_seconds * 1000))::bigint) n) x
LEFT JOIN checks c ON c.monitor = s.monitor AND c.slot_at = x.slot AND NOT c.is_retry
"""


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)
        self._transport.close()


def serve(ready: Connection) -> None:
    """The target, in a process of its own."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=4096)
        ready.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(run())


async def bare(url: str, monitors: int, interval: int, seconds: float) -> tuple[float, float]:
    """The same looks from a bare loop; CPU per look and p99 of lateness, in milliseconds."""
    config = HttpConfig(url)
    loop = asyncio.get_running_loop()
    spacing = interval / monitors
    looks: set[asyncio.Task[object]] = set()
    late: list[float] = []
    cpu, begun = time.process_time(), loop.time()
    number = 0
    while (due := begun + number * spacing) < begun + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        late.append((loop.time() - due) * 1000)
        task: asyncio.Task[object] = asyncio.ensure_future(look(config, timeout_ms=TIMEOUT_MS))
        looks.add(task)
        task.add_done_callback(looks.discard)
        number += 1
    if looks:
        await asyncio.wait(looks)
    return (time.process_time() - cpu) / number * 1000, _p99(late)


async def engine(
    target: ConnectionTarget, admin: asyncpg.Connection, interval: int, seconds: float
) -> dict[str, float]:
    """The engine under the same load."""
    pool = await open_pool(target, max_size=4)
    stop = asyncio.Event()
    try:
        async with ChangeListener(target) as changes:
            whole = Engine(EngineStore(pool), changes, EngineSettings(), holder="bench:1")
            running = asyncio.create_task(whole.run(stop))
            # The first looks at new monitors come all within two seconds, and are not what lasts.
            await asyncio.sleep(5)
            cpu, begin = time.process_time(), datetime.now(UTC)
            before = await admin.fetchval("SELECT count(*) FROM checks")
            pending = 0
            while (left := (begin - datetime.now(UTC)).total_seconds() + seconds) > 0:
                await asyncio.sleep(min(0.25, left))
                pending = max(pending, whole.status().pending_results)
            cpu = time.process_time() - cpu
            end = datetime.now(UTC)
            await asyncio.sleep(1)
            checks = await admin.fetchval("SELECT count(*) FROM checks") - before
            stop.set()
            report: EngineReport = await running
        rows = await admin.fetch(_SLOTS, begin, end)
    finally:
        await pool.close()
    late = [
        (row["checked_at"] - row["slot"]) / timedelta(milliseconds=1)
        for row in rows
        if row["checked_at"] is not None
    ]
    return {
        "cpu_ms": cpu / max(1, checks) * 1000,
        "late_p50_ms": statistics.median(late),
        "late_p99_ms": _p99(late),
        "slots": len(rows),
        "missed": len(rows) - len(late),
        "failed": sum(row["status"] not in (None, "success") for row in rows),
        "lost": report.lost_results,
        "pending": pending,
    }


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def run(port: int, monitors: int, interval: int, seconds: float) -> dict[str, float]:
    """Prepares a database and measures both."""
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder))
        await server.start()
        try:
            first = await asyncpg.connect(**server.endpoint.dsn_parameters("postgres", "postgres"))
            await first.execute("CREATE DATABASE statustui")
            await first.close()
            as_admin = ConnectionTarget(
                server.endpoint.dsn_parameters(user="postgres", database="statustui"), "bench"
            )
            as_engine = ConnectionTarget(
                server.endpoint.dsn_parameters(user="statustui_engine", database="statustui"),
                "bench",
            )
            admin = await asyncpg.connect(**dict(as_admin.parameters))
            try:
                await initialise(admin)
                await admin.execute("SET search_path TO statustui")
                await admin.execute(
                    "UPDATE plans SET max_monitors = NULL, min_interval_seconds = 5"
                )
                await admin.execute(_MAKE, monitors, url, interval, TIMEOUT_MS)
                await admin.execute("ANALYZE")
                cpu, late = await bare(url, monitors, interval, seconds / 2)
                found = await engine(as_engine, admin, interval, seconds)
            finally:
                await admin.close()
        finally:
            await server.stop_if_last()
    return found | {"bare_cpu_ms": cpu, "bare_late_p99_ms": late}


def main() -> None:
    """Measures, prints what was found, ends with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--monitors", type=int, default=2_000)
    parser.add_argument("--interval", type=int, default=30, help="seconds between two looks")
    parser.add_argument("--seconds", type=float, default=60, help="how long the engine is watched")
    options = parser.parse_args()
    logging.disable()
    context = multiprocessing.get_context("spawn")
    ready, ready_there = context.Pipe(duplex=False)
    target = context.Process(target=serve, args=(ready_there,), daemon=True)
    target.start()
    try:
        port = ready.recv()
        found = uvloop.run(run(port, options.monitors, options.interval, options.seconds))
    finally:
        target.terminate()
        target.join()

    def figure(value: float, unit: str, baseline: float, goal: str) -> dict[str, object]:
        ratio = round(value / baseline, 3) if baseline else None
        return {
            "value": round(value, 4),
            "unit": unit,
            "baseline": round(baseline, 4),
            "ratio": ratio,
            "goal": goal,
        }

    figures = {
        "cpu_per_check": figure(found["cpu_ms"], "ms", found["bare_cpu_ms"], "ratio <= 3"),
        "lateness_p99": figure(
            found["late_p99_ms"], "ms", found["bare_late_p99_ms"], "value <= 50 ms"
        ),
        "lateness_p50": figure(found["late_p50_ms"], "ms", 0.0, "value <= 5 ms"),
        "missed_slots": figure(found["missed"], "slots", found["slots"], "value = 0"),
        "failed_looks": figure(found["failed"], "checks", found["slots"], "value = 0"),
        "lost_results": figure(found["lost"], "checks", found["slots"], "value = 0"),
        "most_waiting": figure(
            found["pending"], "results", options.monitors / options.interval, "<= 1 s of results"
        ),
    }
    for name, each in figures.items():
        print(f"{name:16} {each['value']:>10} {each['unit']:8} {each['ratio']}  {each['goal']}")
    print(json.dumps({"bench": "engine_load", "figures": figures}))


if __name__ == "__main__":
    main()
