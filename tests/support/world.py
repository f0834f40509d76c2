"""A real installation for whole stories: a data directory, the command line, a watch, a target."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(probe: Callable[[], T], *, seconds: float, what: str) -> T:
    """Ask again until the answer is true; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    last: T
    while True:
        last = probe()
        if last:
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (last: {last!r})")
        time.sleep(0.02)


class Target:
    """An HTTP server on loopback whose answer the test decides."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[float, int]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = outer.status
                outer.requests.append((time.time(), status))
                body = b'{"status": "ok"}' if status == 200 else b"broken"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/health"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class World:
    """One installation in a folder of its own, driven as people and scripts drive it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("STATUSTUI_")
            and name not in ("PYTHONDONTWRITEBYTECODE", "NO_COLOR")
        }
        self.environment |= {
            "STATUSTUI_DATA_DIR": str(folder / "data"),
            "STATUSTUI_WEB__PORT": str(self.port),
            "STATUSTUI_METRICS__PORT": "0",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "share"),
        }
        self._watches: list[subprocess.Popen[str]] = []

    @property
    def watches(self) -> tuple[subprocess.Popen[str], ...]:
        """The watches that were started, whether they run or not."""
        return tuple(self._watches)

    @property
    def page(self) -> str:
        """The page's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> list[str]:
        """The words that run statustui."""
        return [sys.executable, "-m", "statustui", *words]

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            input=stdin,
        )

    def data(self, *words: str) -> Any:
        """Run one command with --json that must succeed, and give its data."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)["data"]

    def refused(self, code: int, *words: str) -> dict[str, str]:
        """Run one command with --json that must fail with that exit code, and give the error."""
        done = self.run(*words, "--json")
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        error: dict[str, str] = json.loads(done.stdout)["error"]
        assert error["message"]
        assert done.stderr.strip()
        return error

    def write(self, name: str, text: str) -> str:
        """Write a file into the folder and give its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def serve(self, *words: str) -> subprocess.Popen[str]:
        """Start a watch and wait until its page answers."""
        with (self.folder / "serve.log").open("a") as log:
            child = subprocess.Popen(
                self.command("serve", *words),
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )
        self._watches.append(child)

        def answers() -> bool:
            assert child.poll() is None, (self.folder / "serve.log").read_text()
            return self.status("/healthz") == 200

        until(answers, seconds=60, what="the watch answers on /healthz")
        return child

    @property
    def metrics(self) -> str:
        """The address of the newest watch's metrics, as its log says; empty without any."""
        log = (self.folder / "serve.log").read_text()
        return log.rpartition("metrics at ")[2].split()[0] if "metrics at " in log else ""

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask the page for something."""
        request = urllib.request.Request(self.page + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self, path: str) -> int:
        """The status code of an address, 0 while nobody answers."""
        try:
            return self.get(path)[0]
        except OSError:
            return 0

    def public(self, path: str) -> Any:
        """Data of the public API."""
        code, body = self.get(path)
        assert code == 200, (path, code, body)
        return json.loads(body)["data"]

    def close(self) -> None:
        """End everything that was started."""
        for child in self._watches:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._watches:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
            if child.poll() is None:
                child.kill()
                child.wait()
        self.run("serve", "--stop")


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world that is ended with the block."""
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
