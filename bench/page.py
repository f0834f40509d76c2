"""How many requests the page's server answers, and what one costs, beside nginx with its bytes.

A page of 43 services with 90 days each is rendered once and served by this program's own server in
a process of its own (uvloop, one core), and by nginx with one worker from a file with the very same
bytes, on loopback. Both are asked in turns, several rounds, by `wrk` with kept connections; the
best round of each counts, so that what else the machine does spoils both alike. CPU per request is
what the server's own process used, user and system, as the kernel counts it.

Without nginx the baseline is left out and said to be missing; without wrk nothing can be measured.

    .venv/bin/python bench/page.py [--seconds 3] [--rounds 3] [--connections 64]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import uvloop

from statustui.domain.publicmodels import PublicDay, PublicPage, PublicPoint, PublicService
from statustui.domain.status import ServiceStatus, Visibility
from statustui.settings import WebSettings
from statustui.store.public import PageEntry
from statustui.web.health import Health
from statustui.web.pages import Pages, ServedPage
from statustui.web.routes import Routes
from statustui.web.server import PageServer

SERVICES = 43
DAYS = 90
GOAL_RATIO = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


def made_up_page() -> PublicPage:
    """A page of the size that an ordinary company has."""
    now = datetime.now(UTC)
    return PublicPage(
        slug="acme",
        name="Acme Status",
        description="",
        headline=None,
        support_link=None,
        visibility=Visibility.PUBLIC,
        custom_domain=None,
        theme="auto",
        organization_name="Acme",
        organization_slug="acme",
        organization_url=None,
        logo_url=None,
        brand_color="#3B82F6",
        timezone="UTC",
        revision="1",
        read_at=now,
        observed_at=now,
        services=tuple(made_up_service(number, now) for number in range(SERVICES)),
        incidents=(),
        maintenance=(),
    )


def made_up_service(number: int, now: datetime) -> PublicService:
    """One service with a slow day now and then."""
    days = []
    for back in range(DAYS - 1, -1, -1):
        failed = 7 if (back * 31 + number * 17) % 40 == 0 else 0
        status = ServiceStatus.DEGRADED_PERFORMANCE if failed else ServiceStatus.OPERATIONAL
        days.append(
            PublicDay(
                (now - timedelta(days=back)).date(), 2880 - failed, 2880, 2880, 2880, 2880, 120.0,
                300.0, status,
            )
        )  # fmt: skip
    hour = now.replace(minute=0, second=0, microsecond=0)
    points = tuple(
        PublicPoint(hour - timedelta(hours=back), 110.0, 100.0 + back, 250.0 + back * 3, 400.0, 120)
        for back in range(23, -1, -1)
    )
    return PublicService(
        id=UUID(int=number + 1),
        name=f"Service {number + 1}",
        description=None,
        group_name=f"Group {number // 7 + 1}",
        display_order=number,
        status=ServiceStatus.OPERATIONAL,
        status_since=now - timedelta(days=9),
        created_at=now - timedelta(days=400),
        days=tuple(days),
        points=points,
    )


def serve(ready: Connection) -> None:
    """Our server, in its own process, until it is told to stop."""

    async def run() -> None:
        page = made_up_page()
        pages = Pages()
        pages.put_index([PageEntry(page.slug, page.name, page.visibility, None, "0" * 32)])
        served = pages.get(page.slug)
        assert served is not None
        served.days = DAYS
        served.put(page, read=time.monotonic())

        def wanted(_: ServedPage, __: int) -> Awaitable[None]:
            return asyncio.sleep(0)

        routes = Routes(pages, wanted, lambda: Health(True, "active"), lambda _: True)
        settings = WebSettings.model_validate(
            {"port": 0, "requests_per_second": 1e9, "burst": 10**9}
        )
        server = PageServer(routes.answer, routes.refuse, settings)
        await server.start()
        ready.send(server.address[1])
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()
        await server.stop(0.1)

    uvloop.run(run())


def fetch(port: int, path: str, *fields: str) -> tuple[dict[str, str], bytes]:
    """One answer, whole."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", "Connection: close", *fields, "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall("\r\n".join(lines).encode())
        received = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}, body


@dataclass(frozen=True)
class Case:
    """One kind of request."""

    name: str
    path: str
    fields: tuple[str, ...]


@dataclass
class Result:
    """The best of some rounds."""

    per_second: float = 0.0
    cpu_ms: float = float("inf")


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def measure(port: int, pid: int, case: Case, seconds: int, connections: int) -> Result:
    """One round."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for each in case.fields:
        words += ["-H", each]
    before = cpu_seconds(pid)
    done = subprocess.run(
        [*words, f"http://127.0.0.1:{port}{case.path}"],
        capture_output=True, text=True, check=True, timeout=seconds + 30,
    )  # fmt: skip
    used = cpu_seconds(pid) - before
    found = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or rate is None or "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk could not measure {case.name}:\n{done.stdout}")
    return Result(float(rate.group(1)), used / int(found.group(1)) * 1000)


class Nginx:
    """nginx with one worker that serves the same bytes."""

    def __init__(self, folder: Path, plain: bytes, packed: bytes) -> None:
        (folder / "plain").write_bytes(plain)
        (folder / "packed").write_bytes(packed)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        config = folder / "nginx.conf"
        config.write_text(
            f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
            {"user root;" if os.geteuid() == 0 else ""}
            events {{ worker_connections 4096; }}
            http {{ access_log off; server_tokens off; sendfile on; tcp_nopush on;
                keepalive_requests 100000000; open_file_cache max=10; default_type text/html;
                client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
                fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                server {{ listen 127.0.0.1:{self.port} backlog=1024; root {folder};
                    location = /packed {{ add_header Content-Encoding gzip; }} }} }}"""
        )
        self._process = subprocess.Popen(
            ["nginx", "-p", str(folder), "-e", f"{folder}/errors", "-c", str(config)]
        )
        for _ in range(100):
            try:
                fetch(self.port, "/plain")
                break
            except OSError:
                time.sleep(0.05)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.worker = int(children.read_text().split()[0])

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed, so nothing can be measured: apt-get install wrk")
        print(json.dumps({"bench": "page", "figures": {}}))
        sys.exit(0)
    mine, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    port = int(mine.recv())
    assert process.pid is not None
    folder = Path(tempfile.mkdtemp(prefix="bench-page-"))
    folder.chmod(0o755)
    nginx = None
    try:
        head, plain = fetch(port, "/s/acme", "Accept: text/html")
        packed_head, packed = fetch(port, "/s/acme", "Accept: text/html", "Accept-Encoding: gzip")
        cases = [
            Case("page_gzip", "/s/acme", ("Accept: text/html", "Accept-Encoding: gzip")),
            Case("page_plain", "/s/acme", ("Accept: text/html",)),
            Case(
                "not_modified",
                "/s/acme",
                (
                    "Accept: text/html",
                    "Accept-Encoding: gzip",
                    f"If-None-Match: {packed_head['etag']}",
                ),
            ),
            Case("api_status_gzip", "/api/public/acme/status", ("Accept-Encoding: gzip",)),
        ]
        same = {"page_gzip": "/packed", "page_plain": "/plain"}
        if shutil.which("nginx") is None:
            print("nginx is not installed, so there is no baseline: apt-get install nginx-light")
        else:
            nginx = Nginx(folder, plain, packed)
            assert fetch(nginx.port, "/packed")[1] == packed
            tag = fetch(nginx.port, "/packed")[0]["etag"]
        print(f"page: {len(plain):,} bytes, {len(packed):,} in gzip; ETag {head['etag']}\n")
        ours = {case.name: Result() for case in cases}
        baseline: dict[str, Result] = {}
        for _ in range(options.rounds):
            for case in cases:
                result = measure(port, process.pid, case, options.seconds, options.connections)
                best(ours[case.name], result)
                if nginx is None or not (case.name in same or case.name == "not_modified"):
                    continue
                fields = case.fields
                if case.name == "not_modified":
                    fields = (f"If-None-Match: {tag}",)
                other = Case(case.name, same.get(case.name, "/packed"), fields)
                result = measure(
                    nginx.port, nginx.worker, other, options.seconds, options.connections
                )
                best(baseline.setdefault(case.name, Result()), result)
    finally:
        if nginx is not None:
            nginx.stop()
        process.terminate()
        process.join(10)
        shutil.rmtree(folder)
    report(ours, baseline)


def best(kept: Result, result: Result) -> None:
    """Keep the better figures."""
    kept.per_second = max(kept.per_second, result.per_second)
    kept.cpu_ms = min(kept.cpu_ms, result.cpu_ms)


def report(ours: dict[str, Result], baseline: dict[str, Result]) -> None:
    """The table for people, the line for programs."""
    figures = {}
    print(f"{'':18}{'requests/s':>12}{'nginx':>10}{'ratio':>8}{'CPU ms':>10}{'nginx':>10}")
    for name, result in ours.items():
        other = baseline.get(name)
        ratio = None if other is None else result.per_second / other.per_second
        nginx_rate = "-" if other is None else f"{other.per_second:,.0f}"
        nginx_cpu = "-" if other is None else f"{other.cpu_ms:.4f}"
        shown = "-" if ratio is None else f"{ratio:.2f}"
        print(
            f"{name:18}{result.per_second:12,.0f}{nginx_rate:>10}{shown:>8}"
            f"{result.cpu_ms:10.4f}{nginx_cpu:>10}"
        )
        figures[f"{name}_per_second"] = {
            "value": round(result.per_second),
            "unit": "requests/s",
            "baseline": None if other is None else round(other.per_second),
            "ratio": None if ratio is None else round(ratio, 3),
            "goal": GOAL_RATIO,
        }
        figures[f"{name}_cpu"] = {
            "value": round(result.cpu_ms, 4),
            "unit": "ms/request",
            "baseline": None if other is None else round(other.cpu_ms, 4),
            "ratio": None if other is None else round(result.cpu_ms / other.cpu_ms, 3),
            "goal": 1 / GOAL_RATIO,
        }
    print(json.dumps({"bench": "page", "figures": figures}))


if __name__ == "__main__":
    main()
