"""What a check costs here, everything included, beside what a probe costs blackbox_exporter.

Both look at the same target, in a process of its own on loopback, over a fresh connection each
time, in turns of the same run. The engine does all that it always does: scheduling, check, verdict,
writing to PostgreSQL (whose own CPU is not counted); its CPU is that of its process over a stretch
of steady work. The exporter is asked over connections that stay open, as a scraper asks it, and its
CPU is that of its process over the probes made, at the same rate.

    .venv/bin/python bench/against_blackbox.py [--rate 1200] [--tls-rate 250] [--rounds 3]

Needs Debian's prometheus-blackbox-exporter.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from _house import Targets, add_monitors, figure, house, open_many_files, show, targets
from engine import running, until

EXPORTER = "prometheus-blackbox-exporter"
_TICKS = os.sysconf("SC_CLK_TCK")
_SCRAPERS = 16


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True)
class Exporter:
    """A blackbox_exporter at work."""

    pid: int
    port: int


@contextmanager
def exporter(goal: Targets) -> Iterator[Exporter]:
    """The exporter with two modules, `plain` and `secure`, ended with the block."""
    program = shutil.which(EXPORTER)
    if program is None:
        sys.exit(f"this benchmark needs {EXPORTER}: apt-get install {EXPORTER}")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text(
            "modules:\n"
            "  plain: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}\n"
            "  secure: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4,\n"
            f"    tls_config: {{ca_file: {goal.ca_file}}}}}}}\n"
        )
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            yield Exporter(process.pid, port)
        finally:
            process.terminate()
            process.wait()


async def probe_cpu(found: Exporter, module: str, target: str, rate: float, probes: int) -> float:
    """CPU of the exporter per probe at a steady rate, in milliseconds."""
    request = (
        f"GET /probe?module={module}&target={target} HTTP/1.1\r\nHost: exporter\r\n\r\n"
    ).encode()
    lines = [await asyncio.open_connection("127.0.0.1", found.port) for _ in range(_SCRAPERS)]
    loop = asyncio.get_running_loop()

    async def scrape(number: int, begun: float) -> None:
        reader, writer = lines[number]
        for place in range(number, probes, _SCRAPERS):
            await asyncio.sleep(max(0.0, begun + place / rate - loop.time()))
            writer.write(request)
            if b"\nprobe_success 1" not in await _answer(reader):
                raise RuntimeError("the exporter's probe failed")

    for _ in range(2):  # the first is to warm up
        before = cpu_of(found.pid)
        begun = loop.time()
        await asyncio.gather(*(scrape(number, begun) for number in range(_SCRAPERS)))
    for _, writer in lines:
        writer.close()
    return (cpu_of(found.pid) - before) / probes * 1000


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"chunked" in head:
        body = b""
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return body
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return await reader.readexactly(length)


async def check_cpu(url: str, config: str, rate: float, options: argparse.Namespace) -> float:
    """CPU of the engine per check at a steady rate, everything included, in milliseconds."""
    monitors = round(rate * options.interval)
    async with house() as home:
        await add_monitors(
            home.admin, "bench", monitors, url, interval=options.interval, config=config
        )
        async with running(home) as made:
            await until(lambda: made.engine.status().monitors == monitors)
            await asyncio.sleep(options.interval + 4)
            before = await home.admin.fetchval("SELECT count(*) FROM checks")
            cpu = time.process_time()
            await asyncio.sleep(options.seconds)
            cpu = time.process_time() - cpu
            checks = await home.admin.fetchval("SELECT count(*) FROM checks") - before
        bad = await home.admin.fetchval("SELECT count(*) FROM checks WHERE status <> 'success'")
    if bad:
        raise RuntimeError(f"{bad} checks of a healthy target did not succeed")
    return cpu / checks * 1000


async def run(
    goal: Targets, found: Exporter, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Both, in turns, plain and with TLS."""
    took: dict[str, list[float]] = {
        name: [] for name in ("plain", "secure", "plain_bb", "secure_bb")
    }
    ca = json.dumps({"ca": goal.ca_file.read_text()})
    for _ in range(options.rounds):
        for name, scheme, port, config, rate in (
            ("plain", "http", goal.plain, "{}", options.rate),
            ("secure", "https", goal.secure, ca, options.tls_rate),
        ):
            url = f"{scheme}://127.0.0.1:{port}/"
            probes = round(rate * options.seconds)
            took[f"{name}_bb"].append(await probe_cpu(found, name, url, rate, probes))
            took[name].append(await check_cpu(url, config, rate, options))
    return took


def main() -> None:
    """Measures, prints what was found, ends with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", type=float, default=1_200, help="plain looks per second")
    parser.add_argument("--tls-rate", type=float, default=250, help="looks with TLS per second")
    parser.add_argument("--interval", type=int, default=5, help="seconds between two looks")
    parser.add_argument("--seconds", type=float, default=15, help="how long each turn lasts")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.disable()
    open_many_files()
    with targets() as goal, exporter(goal) as found:
        took = uvloop.run(run(goal, found, options))
    middle = {name: statistics.median(values) for name, values in took.items()}
    figures = {
        "cpu_plain": figure(middle["plain"], "ms", middle["plain_bb"], "ratio <= 0.5"),
        "cpu_tls": figure(middle["secure"], "ms", middle["secure_bb"], "ratio <= 1"),
    }
    show(figures)
    print(json.dumps({"bench": "against_blackbox", "figures": figures}))


if __name__ == "__main__":
    main()
