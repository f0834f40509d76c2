"""What a change of state costs until its service and its incident say so, by size of organization.

Organizations of 20, 500 and 5,000 services lie in one database of the embedded server. In each, a
tenth of the services are databases, and the others depend on one of them; each is watched on a host
of its own. Batches go through the
engine's own store, as its writer sends them: one service that fails or recovers alone, and many
that do so at once, databases with all that needs them. The baseline of one change is the same
change in the organization of 20 services; that of many at once is the plain recording of as many
checks, without anything that follows from them. All are measured in the same run, in turns, and of
each the median counts.

    .venv/bin/python bench/settle.py [--rounds 30] [--at-once 500]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from statustui.domain.decision import Decision, Memory, WatchedMonitor, decide
from statustui.domain.observation import Observation
from statustui.domain.scheduling import Due
from statustui.domain.sharing import Share
from statustui.domain.status import ErrorKind
from statustui.store.bootstrap import initialise
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.embedded import EmbeddedServer
from statustui.store.engine import EngineStore

SIZES = (20, 500, 5_000)
PART = 100  # a storm of changes is written in batches of as many, as the engine's writer does
GOAL_ONE = 3.0  # one change in the largest organization: at most so many times one in the smallest
GOAL_MANY = 50.0  # many at once: at most so many times the plain recording

_MAKE = """
WITH org AS (
    INSERT INTO organizations (slug, name, recovery_watch_seconds)
    VALUES ('bench-' || $1::int, 'Bench ' || $1::int, 0) RETURNING org_id
), services AS (
    INSERT INTO services (org_id, name)
    SELECT org_id, CASE WHEN n % 10 = 0 THEN 'Database ' ELSE 'Service ' END || n
    FROM org, generate_series(0, $1::int - 1) n
    RETURNING org_id, id, name
), monitors AS (
    INSERT INTO monitors (org_id, service_id, name, type, config, failure_threshold, timeout_ms,
        retry_interval_seconds)
    SELECT org_id, id, 'health', 'http', jsonb_build_object('url', 'http://' || id || '.test/'),
           1, 1000, 5
    FROM services
), needs AS (
    INSERT INTO service_dependencies (org_id, service_id, depends_on_id)
    SELECT s.org_id, s.id, d.id
    FROM services s JOIN services d
      ON d.name = 'Database ' || (substring(s.name FROM '[0-9]+')::int / 10 * 10)
    WHERE s.name LIKE 'Service %'
)
SELECT org_id FROM org
"""


@dataclass(slots=True)
class Bench:
    """One database with its organizations, and how their monitors stand."""

    store: EngineStore
    share: Share
    monitors: dict[int, list[WatchedMonitor]]
    memories: dict[int, Memory] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=6))

    def look(self, monitors: Sequence[WatchedMonitor], well: bool) -> list[Decision]:
        """One look of each, at the same moment."""
        self.at += timedelta(seconds=1)
        seen = Observation(self.at, 12.0, connected=True, status_code=200)
        lost = Observation(
            self.at, 1.0, error_kind=ErrorKind.REFUSED, reason="connect to 127.0.0.1:80 refused"
        )
        decisions = []
        for monitor in monitors:
            decision = decide(
                monitor,
                self.memories.get(monitor.key, Memory()),
                seen if well else lost,
                Due(self.at, self.at, is_extra=False),
                in_maintenance=False,
            )
            self.memories[monitor.key] = decision.memory
            decisions.append(decision)
        return decisions

    async def record(self, decisions: Sequence[Decision]) -> None:
        """Record them with everything that follows."""
        for start in range(0, len(decisions), PART):
            part = decisions[start : start + PART]
            await self.store.record_batch(self.share, part, datetime.now(UTC))

    async def record_plainly(self, decisions: Sequence[Decision]) -> None:
        """Record the checks alone."""
        for start in range(0, len(decisions), PART):
            await self.store.record_stale_facts(decisions[start : start + PART])


async def timed(work: Callable[[Sequence[Decision]], Awaitable[None]], of: list[Decision]) -> float:
    """How long it took, in milliseconds."""
    begin = time.perf_counter()
    await work(of)
    return (time.perf_counter() - begin) * 1000


async def prepare(admin: asyncpg.Connection, store: EngineStore) -> Bench:
    """Fill the database."""
    sizes = {}
    for size in SIZES:
        sizes[await admin.fetchval(_MAKE, size)] = size
    engine = uuid4()
    region = await store.register(engine, "local", "bench", 1, "0")
    share = await store.join(region, engine)
    work = await store.load_work("local", region)
    monitors: dict[int, list[WatchedMonitor]] = {size: [] for size in SIZES}
    for monitor in work.monitors.values():
        monitors[sizes[monitor.org_id]].append(monitor)
    bench = Bench(store, share, monitors)
    for those in monitors.values():
        await bench.record(bench.look(those, well=True))
    await admin.execute("VACUUM ANALYZE")
    return bench


async def measure(
    admin: asyncpg.Connection, bench: Bench, rounds: int, at_once: int
) -> dict[str, float]:
    """Milliseconds by case."""
    cases: dict[str, list[float]] = {}

    def keep(name: str, milliseconds: float) -> None:
        cases.setdefault(name, []).append(milliseconds)

    for number in range(rounds):
        for size in SIZES:
            one = [bench.monitors[size][(number * 7 + 1) % size]]
            keep(f"plain_{size}", await timed(bench.record_plainly, bench.look(one, well=True)))
            keep(f"fails_{size}", await timed(bench.record, bench.look(one, well=False)))
            keep(f"recovers_{size}", await timed(bench.record, bench.look(one, well=True)))
    for size in SIZES[1:]:
        for _ in range(3):
            # Between storms that are hours apart, the server does this by itself.
            await admin.execute("VACUUM ANALYZE")
            many = bench.monitors[size][:at_once]  # whole groups, as they were made
            name = f"{len(many)}_of_{size}"
            keep(f"plain_{name}", await timed(bench.record_plainly, bench.look(many, well=True)))
            keep(f"fail_{name}", await timed(bench.record, bench.look(many, well=False)))
            keep(f"recover_{name}", await timed(bench.record, bench.look(many, well=True)))
    return {name: statistics.median(values) for name, values in cases.items()}


async def connect(server: EmbeddedServer, database: str) -> asyncpg.Connection:
    """A connection as the server's superuser."""
    parameters: dict[str, Any] = dict(server.endpoint.dsn_parameters("postgres", database))
    connection: asyncpg.Connection = await asyncpg.connect(**parameters)
    return connection


async def run(rounds: int, at_once: int) -> dict[str, float]:
    """Measure on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-settle-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder) / "data", durable=False)
        await server.start()
        try:
            name = "bench"
            first = await connect(server, "postgres")
            await first.execute(f"CREATE DATABASE {name}")
            await first.close()
            admin = await connect(server, name)
            await initialise(admin)
            await admin.execute("SET search_path = statustui")
            await admin.execute("UPDATE plans SET max_monitors = NULL")
            target = ConnectionTarget(
                server.endpoint.dsn_parameters("statustui_engine", name), "bench"
            )
            pool = await open_pool(target, max_size=2)
            try:
                bench = await prepare(admin, EngineStore(pool))
                return await measure(admin, bench, rounds, at_once)
            finally:
                await pool.close()
                await admin.close()
        finally:
            await server.stop_if_last()


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="single changes per organization")
    parser.add_argument("--at-once", type=int, default=500, help="how many change at once")
    options = parser.parse_args()
    found = asyncio.run(run(options.rounds, options.at_once))
    figures = {}
    print(f"{'':28}{'ms':>10}{'baseline':>10}{'ratio':>8}")
    for name, value in found.items():
        if name.startswith("plain_"):
            continue
        kind, _, rest = name.partition("_")
        single = kind in ("fails", "recovers")
        baseline = found[f"{kind}_{SIZES[0]}" if single else f"plain_{rest}"]
        ratio = value / baseline
        print(f"{name:28}{value:10.1f}{baseline:10.1f}{ratio:8.2f}")
        figures[name] = {
            "value": round(value, 2),
            "unit": "ms",
            "baseline": round(baseline, 2),
            "ratio": round(ratio, 3),
            "goal": GOAL_ONE if single else GOAL_MANY,
        }
    print(json.dumps({"bench": "settle", "figures": figures}))


if __name__ == "__main__":
    main()
