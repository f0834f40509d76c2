"""How much one HTTP check costs, and how near to the truth the latency is that it reports.

The same target, in a process of its own on loopback, is looked at in turns by the checker, by a
bare httpx client that opens a fresh connection each time, and by a raw socket client (blocking for
the latency, on the event loop for the rate). All run in this process on the same loop, in several
rounds one after the other; the best round of each is taken, so that what else the machine does
spoils all alike.

    .venv/bin/python bench/engine_checks.py [--checks 1000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import multiprocessing
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

import httpx
import uvloop

from statustui.domain.monitor import HttpConfig
from statustui.engine.checkers import look

BODY = b'{"status": "ok", "version": "1.42.0"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: bench\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
IN_FLIGHT = 200
TIMEOUT_MS = 30_000

Look = Callable[[], Awaitable[float]]
"""Looks once and gives the latency that it would report, in milliseconds."""


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)
        self._transport.close()


def serve(ready: Connection) -> None:
    """The target: answers every request at once and closes."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=4096)
        ready.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(run())


@dataclass
class Figures:
    """What one way of looking came to, in its best round."""

    cpu_ms: float = float("inf")
    p50_ms: float = float("inf")
    p99_ms: float = float("inf")
    rate: float = 0.0
    burst_p50_ms: float = float("inf")


async def measure(look_once: Look, checks: int, figures: Figures) -> None:
    """One round: one after the other for CPU and latency, then many at once for the rate."""
    gc.collect()
    reported = []
    cpu = time.process_time()
    for _ in range(checks):
        reported.append(await look_once())
    figures.cpu_ms = min(figures.cpu_ms, (time.process_time() - cpu) / checks * 1000)
    figures.p50_ms = min(figures.p50_ms, statistics.median(reported))
    figures.p99_ms = min(figures.p99_ms, statistics.quantiles(reported, n=100)[98])

    burst: list[float] = []
    left = checks * 2

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            burst.append(await look_once())

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    figures.rate = max(figures.rate, len(burst) / (time.perf_counter() - begun))
    figures.burst_p50_ms = min(figures.burst_p50_ms, statistics.median(burst))


def checker(port: int) -> Look:
    """The engine's own way."""
    config = HttpConfig(f"http://127.0.0.1:{port}/health")

    async def once() -> float:
        seen = await look(config, timeout_ms=TIMEOUT_MS)
        assert (seen.status_code, seen.body) == (200, BODY), seen.reason
        return seen.duration_ms

    return once


def bare_httpx(client: httpx.AsyncClient, port: int) -> Look:
    """httpx as it comes, timed around the call as anybody would."""
    url = f"http://127.0.0.1:{port}/health"

    async def once() -> float:
        begun = time.perf_counter()
        response = await client.get(url)
        assert (response.status_code, response.content) == (200, BODY)
        return (time.perf_counter() - begun) * 1000

    return once


def raw_socket(port: int) -> Look:
    """Nothing but the loop's socket calls: what a check costs at the least."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    address = ("127.0.0.1", port)

    async def once() -> float:
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        with socket.socket() as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            await loop.sock_sendall(connection, request)
            data = b""
            while not data.endswith(BODY):
                data += await loop.sock_recv(connection, 65_536)
        return (time.perf_counter() - begun) * 1000

    return once


def blocking_latency(port: int, checks: int) -> float:
    """The median latency without any event loop: as near to the truth as Python gets."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    found = []
    for _ in range(checks):
        begun = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request)
            data = b""
            while not data.endswith(BODY):
                data += connection.recv(65_536)
            found.append((time.perf_counter() - begun) * 1000)
    return statistics.median(found)


async def compare(port: int, checks: int, rounds: int) -> dict[str, dict[str, object]]:
    """Runs the rounds and returns the figures of the last line."""
    ours, theirs, bare = Figures(), Figures(), Figures()
    blocking = float("inf")
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as client:
        for look_once in (checker(port), bare_httpx(client, port), raw_socket(port)):
            for _ in range(50):
                await look_once()
        for _ in range(rounds):
            blocking = min(blocking, blocking_latency(port, checks))
            await measure(checker(port), checks, ours)
            await measure(raw_socket(port), checks, bare)
            await measure(bare_httpx(client, port), max(100, checks // 4), theirs)

    print(f"{'':24}{'checker':>10}{'httpx':>10}{'raw socket':>12}")
    for name, unit in (
        ("cpu_ms", "ms CPU per check"),
        ("p50_ms", "ms reported, p50"),
        ("p99_ms", "ms reported, p99"),
        ("rate", f"checks/s, {IN_FLIGHT} at once"),
        ("burst_p50_ms", "ms reported then, p50"),
    ):
        values = [getattr(one, name) for one in (ours, theirs, bare)]
        print(f"{unit:24}{values[0]:10.3f}{values[1]:10.3f}{values[2]:12.3f}")
    print(f"{'blocking socket, p50 ms':24}{blocking:10.3f}")

    def figure(value: float, unit: str, baseline: float, goal: str) -> dict[str, object]:
        return {
            "value": round(value, 4),
            "unit": unit,
            "baseline": round(baseline, 4),
            "ratio": round(value / baseline, 3),
            "goal": goal,
        }

    return {
        "cpu_per_check_vs_httpx": figure(ours.cpu_ms, "ms", theirs.cpu_ms, "<= 0.35 ms"),
        "cpu_per_check_vs_raw_socket": figure(ours.cpu_ms, "ms", bare.cpu_ms, "ratio <= 4"),
        "latency_p50_vs_httpx": figure(ours.p50_ms, "ms", theirs.p50_ms, "ratio <= 0.5"),
        "latency_p50_vs_blocking_socket": figure(ours.p50_ms, "ms", blocking, "ratio <= 2"),
        "latency_p99_vs_httpx": figure(ours.p99_ms, "ms", theirs.p99_ms, "ratio <= 0.5"),
        "rate_vs_httpx": figure(ours.rate, "checks/s", theirs.rate, "ratio >= 3"),
        "rate_vs_raw_socket": figure(ours.rate, "checks/s", bare.rate, "ratio >= 0.25"),
        "burst_latency_p50_vs_httpx": figure(
            ours.burst_p50_ms, "ms", theirs.burst_p50_ms, "ratio <= 0.5"
        ),
    }


def main() -> None:
    """Starts the target, compares, prints the figures and the closing line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=1000, help="checks in one round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    logging.disable()  # httpx writes a line for each request, which is not what is compared
    context = multiprocessing.get_context("spawn")
    ready, ready_there = context.Pipe(duplex=False)
    target = context.Process(target=serve, args=(ready_there,), daemon=True)
    target.start()
    try:
        port = ready.recv()
        figures = uvloop.run(compare(port, arguments.checks, arguments.rounds))
    finally:
        target.terminate()
        target.join()
    print(json.dumps({"bench": "engine_checks", "figures": figures}))


if __name__ == "__main__":
    main()
