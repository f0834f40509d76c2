"""A service breaks after a deploy: what changed and what was noted is found by the operator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.world import until, world

FILE = """
organization: {{slug: acme, name: Acme Corp}}
services:
  - name: API
    monitors:
      - name: health
        type: http
        interval: 5s
        timeout: 2s
        failure_threshold: 1
        config: {{url: "{url}"}}
        conditions: ["[BODY].status == ok"]
"""
GOOD = b'{"status": "ok", "padding": "' + b"x" * 200 + b'"}'
BAD = b'{"status": "broken", "dsn": "postgresql://app:hunter2@10.0.0.5/db"}'


class Release:
    """A target whose release the test decides."""

    def __init__(self) -> None:
        self.version = 1
        self.requests = 0


@contextmanager
def serving(release: Release) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.requests += 1
            body = GOOD if release.version == 1 else BAD
            self.send_response(200)
            self.send_header("X-Release", str(release.version))
            self.send_header("Set-Cookie", f"session=secret-{release.requests}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/health?token=s3cr3t"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
def test_what_changed_is_found_where_one_looks(tmp_path: Path) -> None:
    release = Release()
    with serving(release) as url, world(tmp_path) as installation:
        installation.data("apply", installation.write("acme.yaml", FILE.format(url=url)))
        installation.serve()
        until(lambda: release.requests, seconds=15, what="a good look")
        until(
            lambda: installation.data("monitor", "show", "API/health")["state"] == "up",
            seconds=15,
            what="the service is up",
        )
        assert installation.data("monitor", "show", "API/health", "--evidence") == []
        installation.data("mark", "api 1.42", "--service", "API", "--source", "ci")
        release.version = 2
        until(
            lambda: installation.data("monitor", "show", "API/health", "--evidence"),
            seconds=20,
            what="the evidence of the first failure",
        )
        done = installation.run("monitor", "show", "API/health", "--evidence")
        (found,) = installation.data("monitor", "show", "API/health", "--evidence")
        assert found["changed"] == [
            {"what": "size", "before": f"{len(GOOD)} B", "after": f"{len(BAD)} B"},
            {"what": "header x-release", "before": "1", "after": "2"},
        ]
        assert [(mark["text"], mark["source"]) for mark in found["marks"]] == [("api 1.42", "ci")]
        assert found["reason"] == "[BODY].status (broken) == ok"
        assert found["headers"]["set-cookie"] == "***"
        assert "postgresql://***@10.0.0.5/db" in found["body"]
        assert found["repeat_command"].startswith("curl")
        for secret in ("hunter2", "s3cr3t", "secret-"):
            assert secret not in done.stdout
        assert "header x-release 1 to 2" in done.stdout
