"""The engine, whole, under load: lateness, what it reports, what it loses, how soon it tells.

PostgreSQL runs in a folder of its own, the targets in a process of their own; all of it on this
machine. Parts can be run alone:

    load      5,000 monitors every 30 s: start lateness, lost checks, what is reported for a target
              that answers at once beside what a raw socket client reports in the same minutes, and
              the time from the deciding check to the committed incident
    burst     1,000 looks that are due at once: how late they start, how much too much they report
    capacity  more looks than one core can do, for as long as asked: how many it did
    start     10,000 monitors: time from start to all scheduled, memory of the process
    write     checks of that many different monitors written with rollups and state, by one writer
              and by two

    .venv/bin/python bench/engine.py [load burst capacity start write] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from _house import (
    House,
    Targets,
    add_monitors,
    engine_target,
    figure,
    house,
    open_many_files,
    quantile,
    show,
    targets,
)

from statustui.domain.decision import Decision, Memory, decide
from statustui.domain.monitor import HttpConfig
from statustui.domain.observation import Observation, Phases
from statustui.domain.scheduling import Due
from statustui.domain.sharing import Share
from statustui.engine.checkers import look
from statustui.engine.service import Engine, EngineReport
from statustui.runtime.watch import COLLECT_AFTER
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import open_pool
from statustui.store.embedded import EmbeddedServer
from statustui.store.engine import EngineStore

Figures = dict[str, dict[str, object]]
TIMEOUT_MS = 5_000

# Every slot that was due in a window, and the look that it had, if it had one.
_SLOTS = """
SELECT x.slot, c.checked_at, c.status, c.duration_ms
FROM monitor_schedules s
JOIN organizations o ON o.org_id = s.org_id AND o.slug = $3
CROSS JOIN LATERAL (
    SELECT to_timestamp((s.phase_ms + n * s.interval_seconds * 1000::bigint) / 1000.0) AS slot
    FROM generate_series(
        ceil((extract(epoch FROM $1::timestamptz) * 1000 - s.phase_ms)
             / (s.interval_seconds * 1000))::bigint,
        floor((extract(epoch FROM $2::timestamptz) * 1000 - s.phase_ms)
              / (s.interval_seconds * 1000))::bigint) n) x
LEFT JOIN checks c ON c.monitor = s.monitor AND c.slot_at = x.slot AND NOT c.is_retry
"""

# From the end of the check that made a monitor down to the moment its service was in an incident.
_TOLD = """
SELECT extract(epoch FROM x.added_at - c.checked_at) * 1000 - c.duration_ms AS ms
FROM organizations o
JOIN services s ON s.org_id = o.org_id
JOIN monitors m ON m.service_id = s.id
JOIN incident_services x ON x.service_id = s.id
JOIN LATERAL (
    SELECT checked_at, duration_ms FROM checks c
    WHERE c.monitor = m.key AND c.status = 'failure' ORDER BY checked_at LIMIT 1) c ON true
WHERE o.slug = $1
"""


@dataclass
class Running:
    """An engine at work."""

    engine: Engine
    report: EngineReport | None = None


@asynccontextmanager
async def running(house: House, **settings: Any) -> AsyncIterator[Running]:
    """An engine in this process, stopped cleanly with the block."""
    pool = await open_pool(house.engine, max_size=4)
    stop = asyncio.Event()
    gc.set_threshold(*COLLECT_AFTER)  # as in a watch of its own
    try:
        async with ChangeListener(house.engine) as changes:
            made = Running(
                Engine(EngineStore(pool), changes, EngineSettings(**settings), holder="bench:1")
            )
            task = asyncio.create_task(made.engine.run(stop))
            try:
                yield made
            finally:
                stop.set()
                made.report = await task
    finally:
        await pool.close()


async def until(probe: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits until something is true."""
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError("the engine did not get there")
        await asyncio.sleep(0.005)


# -- load ------------------------------------------------------------------------------------------


def raw_client(port: int, seconds: float, out: Connection) -> None:
    """What plain blocking sockets in a process of their own see of the same target, meanwhile."""
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(request)
            while line.recv(65_536):
                pass
        took.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.02)
    out.send(took)


async def bare(url: str, rate: float, seconds: float) -> tuple[float, float]:
    """The same looks from a bare loop; CPU per look and p99 of lateness, in milliseconds."""
    config = HttpConfig(url)
    loop = asyncio.get_running_loop()
    looks: set[asyncio.Task[object]] = set()
    late: list[float] = []
    cpu, begun = time.process_time(), loop.time()
    number = 0
    while (due := begun + number / rate) < begun + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        late.append((loop.time() - due) * 1000)
        task: asyncio.Task[object] = asyncio.ensure_future(look(config, timeout_ms=TIMEOUT_MS))
        looks.add(task)
        task.add_done_callback(looks.discard)
        number += 1
    if looks:
        await asyncio.wait(looks)
    return (time.process_time() - cpu) / number * 1000, quantile(late, 99)


async def load(goal: Targets, options: argparse.Namespace) -> Figures:
    """Many monitors at a steady rate, some of which break on the way."""
    seconds, interval, count = options.seconds, options.interval, options.monitors
    url = f"http://127.0.0.1:{goal.plain}/"
    bare_cpu, bare_late = await bare(url, count / interval, seconds / 3)
    async with house() as home:
        await add_monitors(home.admin, "steady", count, url, interval=interval)
        breaks_at = time.time() + 15 + seconds / 2
        await add_monitors(
            home.admin,
            "breaking",
            100,
            f"http://{{host}}:{goal.plain}/until/{breaks_at}",
            interval=max(5, min(30, int(seconds / 3))),
            failure_threshold=1,
            per_service=1,
        )
        async with running(home) as made:
            # The first looks at new monitors come all within two seconds, and are not what lasts.
            await asyncio.sleep(10)
            context = multiprocessing.get_context("spawn")
            here, there = context.Pipe(duplex=False)
            client = context.Process(
                target=raw_client, args=(goal.plain, seconds - 2, there), daemon=True
            )
            client.start()
            cpu, begin = time.process_time(), datetime.now(UTC)
            before = await home.admin.fetchval("SELECT count(*) FROM checks")
            waiting = 0
            while (left := (begin - datetime.now(UTC)).total_seconds() + seconds) > 0:
                await asyncio.sleep(min(0.25, left))
                waiting = max(waiting, made.engine.status().pending_results)
            cpu = time.process_time() - cpu
            end = datetime.now(UTC) - timedelta(seconds=1)
            raw = here.recv()
            client.join()
            await asyncio.sleep(1.5)
            checks = await home.admin.fetchval("SELECT count(*) FROM checks") - before
        rows = await home.admin.fetch(_SLOTS, begin, end, "steady")
        told = [float(row["ms"]) for row in await home.admin.fetch(_TOLD, "breaking")]
    late = [
        (row["checked_at"] - row["slot"]) / timedelta(milliseconds=1)
        for row in rows
        if row["checked_at"] is not None
    ]
    reported = [float(row["duration_ms"]) for row in rows if row["status"] == "success"]
    failed = sum(row["status"] not in (None, "success") for row in rows)
    lost = made.report.lost_results if made.report is not None else -1
    return {
        "load_cpu_per_check": figure(cpu / checks * 1000, "ms", bare_cpu, "ratio <= 2"),
        "load_lateness_p50": figure(quantile(late, 50), "ms", None, ""),
        "load_lateness_p99": figure(quantile(late, 99), "ms", bare_late, "value <= 5"),
        "load_missed": figure(len(rows) - len(late), "slots", float(len(rows)), "value = 0"),
        "load_failed": figure(failed, "checks", float(len(rows)), "value = 0"),
        "load_lost": figure(lost, "results", None, "value = 0"),
        "load_waiting": figure(waiting, "results", count / interval, "value <= baseline"),
        "load_reported_p50": figure(
            quantile(reported, 50), "ms", quantile(raw, 50), "value - baseline <= 0.3"
        ),
        "load_reported_p99": figure(
            quantile(reported, 99), "ms", quantile(raw, 99), "value - baseline <= 3"
        ),
        "load_told_p50": figure(quantile(told, 50), "ms", None, ""),
        "load_told_p99": figure(quantile(told, 99), "ms", None, "value <= 500"),
        "load_told": figure(len(told), "services", 100.0, "ratio = 1"),
    }


# -- burst -----------------------------------------------------------------------------------------


async def burst(goal: Targets, options: argparse.Namespace) -> Figures:
    """A thousand looks that are asked for at once, at two hundred hosts."""
    url = f"http://{{host}}:{goal.plain}/"
    alone = [
        (
            await look(HttpConfig(url.replace("{host}", "127.0.0.1")), timeout_ms=TIMEOUT_MS)
        ).duration_ms
        for _ in range(500)
    ]
    late: list[float] = []
    reported: list[float] = []
    async with house() as home:
        await add_monitors(home.admin, "burst", 1_000, url, interval=3_600)
        async with running(home) as made:
            await until(lambda: made.engine.status().monitors == 1_000)
            await asyncio.sleep(4)
            for _ in range(options.rounds):
                since = await home.admin.fetchval("SELECT clock_timestamp()")
                async with home.admin.transaction():
                    await home.admin.execute("UPDATE monitors SET run_requested_at = now()")
                found: list[asyncpg.Record] = []
                while len(found) < 1_000:
                    await asyncio.sleep(0.2)
                    found = await home.admin.fetch(
                        "SELECT checked_at, duration_ms FROM checks WHERE checked_at > $1"
                        " AND is_retry ORDER BY checked_at",
                        since,
                    )
                first = found[0]["checked_at"]
                late += [(row["checked_at"] - first) / timedelta(milliseconds=1) for row in found]
                reported += [float(row["duration_ms"]) for row in found]
    typical = quantile(alone, 50)
    return {
        "burst_late_p50": figure(quantile(late, 50), "ms", None, ""),
        "burst_late_most": figure(max(late), "ms", None, "value <= 200"),
        "burst_reported_p50": figure(quantile(reported, 50), "ms", typical, ""),
        "burst_reported_most": figure(max(reported), "ms", typical, "value - baseline <= 30"),
    }


# -- capacity --------------------------------------------------------------------------------------


async def capacity(goal: Targets, options: argparse.Namespace) -> Figures:
    """More looks than one core can do; the engine has one core, everything else the others."""
    count = options.capacity
    async with house() as home:
        await add_monitors(
            home.admin, "capacity", count, f"http://{{host}}:{goal.plain}/", interval=5
        )
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:1])
        try:
            async with running(home) as made:
                await until(lambda: made.engine.status().monitors == count)
                await asyncio.sleep(8)
                cpu, begun = time.process_time(), time.monotonic()
                begin = await home.admin.fetchval("SELECT clock_timestamp()")
                await asyncio.sleep(options.seconds / 3)
                cpu, took = time.process_time() - cpu, time.monotonic() - begun
                end = await home.admin.fetchval("SELECT clock_timestamp()")
                await asyncio.sleep(2)
            done = await home.admin.fetchval(
                "SELECT count(*) FROM checks WHERE checked_at BETWEEN $1 AND $2", begin, end
            )
            slots = len(await home.admin.fetch(_SLOTS, begin, end, "capacity"))
        finally:
            os.sched_setaffinity(0, cores)
    lost = made.report.lost_results if made.report is not None else -1
    return {
        "capacity_rate": figure(done / took, "checks/s", slots / took, "value >= 2,000"),
        "capacity_cpu_per_check": figure(cpu / done * 1000, "ms", None, ""),
        "capacity_lost": figure(lost, "results", None, "value = 0"),
    }


# -- start -----------------------------------------------------------------------------------------


async def start(goal: Targets, options: argparse.Namespace) -> Figures:
    """Ten thousand monitors, and the watch as the process that people run."""
    async with house() as home:
        await add_monitors(
            home.admin, "start", 10_000, f"http://{{host}}:{goal.plain}/", interval=30
        )
        begun = time.monotonic()
        async with running(home) as made:
            await until(lambda: made.engine.status().monitors == 10_000)
            took = time.monotonic() - begun
            # Long enough for every monitor to have a memory.
            await asyncio.sleep(35)
        memory = _watch_memory(home)
    return {
        "start_scheduled": figure(took, "s", None, "value <= 2"),
        "start_memory": figure(memory, "MB", None, "value <= 300"),
    }


def _watch_memory(home: House) -> float:
    """The most memory that a watch of its own process had within 40 s, in MB."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "STATUSTUI_DATA_DIR": str(home.folder),
        "STATUSTUI_WEB__PORT": "0",
        "STATUSTUI_LOG__LEVEL": "error",
    }
    watch = subprocess.Popen([sys.executable, "-m", "statustui", "serve"], env=environment)
    most = 0.0
    try:
        end = time.monotonic() + 40
        while time.monotonic() < end and watch.poll() is None:
            with open(f"/proc/{watch.pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        most = max(most, int(line.split()[1]) / 1024)
            time.sleep(0.5)
        if watch.poll() is not None:
            raise RuntimeError(f"the watch ended with {watch.returncode}")
    finally:
        watch.terminate()
        watch.wait(20)
    return most


# -- write -----------------------------------------------------------------------------------------


def _writer(folder: Path, rounds: int, gate: Connection) -> None:
    """One writer, in a process of its own: its part of the monitors, one look later each round."""
    uvloop.run(_write_rounds(folder, rounds, gate))


async def _write_rounds(folder: Path, rounds: int, gate: Connection) -> None:
    server = EmbeddedServer(folder)
    await server.start()
    pool = await open_pool(engine_target(server), max_size=2)
    store = EngineStore(pool)
    engine_id = uuid4()
    region = await store.register(engine_id, "local", "bench", os.getpid(), "0")
    await store.join(region, engine_id)
    gate.send("joined")
    gate.recv()
    newest = (await store.load_generations(region, 0))[-1]
    share = Share(region, engine_id, newest.number, newest.members)
    work = await store.load_work("local", region, share.owns)
    monitors = [
        replace(monitor, tenure=share.generation)
        for monitor in sorted(work.monitors.values(), key=lambda monitor: monitor.key)
    ]
    memories = {monitor.key: Memory() for monitor in monitors}
    at = datetime.now(UTC) - timedelta(seconds=40 * rounds)
    batches: list[list[Decision]] = []
    for number in range(rounds):
        decisions = []
        for index, monitor in enumerate(monitors):
            then = at + timedelta(seconds=30 * number, microseconds=index * 50)
            seen = Observation(
                started_at=then,
                duration_ms=0.3 + index % 7,
                connected=True,
                status_code=200,
                address="127.0.0.1:80",
                phases=Phases(connect_ms=0.1, first_byte_ms=0.1, transfer_ms=0.1),
                repeat_command="curl -sS -i http://127.0.0.1/",
            )
            decision = decide(
                monitor, memories[monitor.key], seen, Due(then, then), in_maintenance=False
            )
            memories[monitor.key] = decision.memory
            decisions.append(replace(decision, transitions=()))
        batches += [decisions[start : start + 2_000] for start in range(0, len(decisions), 2_000)]
    gate.send("ready")
    gate.recv()
    begun = time.monotonic()
    for batch in batches:
        await store.record_batch(share, batch, None)
    gate.send((sum(map(len, batches)), time.monotonic() - begun))
    await store.leave(share)
    await pool.close()
    await server.stop_if_last()


def _answer(gate: Connection) -> Any:
    if not gate.poll(120):
        raise TimeoutError("a writer does not answer")
    return gate.recv()


async def _rate(home: House, writers: int, rounds: int) -> float:
    """Checks per second that some writers, each with its part of the monitors, write together."""
    context = multiprocessing.get_context("spawn")
    loop = asyncio.get_running_loop()
    gates, processes = [], []
    for _ in range(writers):
        here, there = context.Pipe()
        process = context.Process(target=_writer, args=(home.folder, rounds, there), daemon=True)
        process.start()
        gates.append(here)
        processes.append(process)
    for word in ("all joined", "go"):
        for gate in gates:
            await loop.run_in_executor(None, _answer, gate)
        for gate in gates:
            gate.send(word)
    results = [await loop.run_in_executor(None, _answer, gate) for gate in gates]
    for process in processes:
        process.join()
    return sum(done / took for done, took in results)


async def write(goal: Targets, options: argparse.Namespace) -> Figures:
    """Checks written with rollups and state, every row of a batch a different monitor."""
    async with house() as home:
        url = f"http://127.0.0.1:{goal.plain}/"
        await add_monitors(home.admin, "write", 20_000, url, interval=30)
        await _rate(home, 1, 1)  # the first look of each makes its rows
        await home.admin.execute("VACUUM ANALYZE")
        one = await _rate(home, 1, 4)
        await home.admin.execute("VACUUM ANALYZE")
        two = await _rate(home, 2, 4)
    return {
        "write_one": figure(one, "checks/s", None, "value >= 15,000"),
        "write_two": figure(two, "checks/s", one, "value >= 30,000"),
    }


# -- all of it -------------------------------------------------------------------------------------

Part = Callable[[Targets, argparse.Namespace], Awaitable[Figures]]
PARTS: dict[str, Part] = {
    "load": load,
    "burst": burst,
    "capacity": capacity,
    "start": start,
    "write": write,
}


def main() -> None:
    """Measures, prints what was found, ends with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them by default")
    parser.add_argument("--monitors", type=int, default=5_000)
    parser.add_argument("--interval", type=int, default=30, help="seconds between two looks")
    parser.add_argument("--seconds", type=float, default=60, help="how long the load is watched")
    parser.add_argument("--rounds", type=int, default=5, help="bursts")
    parser.add_argument("--capacity", type=int, default=15_000, help="monitors every 5 s")
    options = parser.parse_args()
    logging.disable()
    open_many_files()
    figures: Figures = {}
    with targets() as goal:
        for name in options.parts or PARTS:
            found = uvloop.run(PARTS[name](goal, options))
            show(found)
            figures |= found
    print(json.dumps({"bench": "engine", "figures": figures}))


if __name__ == "__main__":
    main()
