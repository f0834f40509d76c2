"""What monitors say about how they look: through apply and back by export, shown, and looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Call

FILE = """
organization: {slug: acme, name: Acme Corp}
services:
  - name: API
    group: Core
    depends_on: [Database]
    monitors:
      - name: far
        type: http
        config:
          url: https://api.acme.test/health
          body_regex: '"status":\\s*"(ok|fine)"'
          ca: file:/etc/acme/ca.pem
          client_cert: /etc/acme/client.pem
          client_key: |
            -----BEGIN PRIVATE KEY-----
            MIIBhunter2
            -----END PRIVATE KEY-----
          http_version: 2
          ip_version: any
          proxy: http://ann:hunter2@proxy.acme.test:3128
      - name: mail
        type: tls
        config: {host: mail.acme.test, starttls: smtp, warn_days: 21}
  - {name: Database, visible: false}
"""


def test_apply_and_export_keep_every_key(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(FILE)
    assert len(call("apply", str(file), "--json").data["changes"]) == 2
    assert call("apply", str(file)).out == "nothing to change\n"
    exported = call("export").out
    file.write_text(exported)
    assert call("apply", str(file), "--prune").out == "nothing to change\n"
    assert "hunter2@proxy" in exported
    shown = call("monitor", "show", "API/far", "--json")
    assert "hunter2" not in shown.out
    config = shown.data["config"]
    assert (config["http_version"], config["ip_version"]) == ("2", None)
    assert config["client_cert"] == "file:/etc/acme/client.pem"
    assert config["client_key"] == "***"
    assert config["proxy"] == "http://***@proxy.acme.test:3128"
    assert "hunter2" not in call("monitor", "show", "API/far").out
    mail = call("monitor", "show", "API/mail", "--json").data["config"]
    assert (mail["port"], mail["starttls"], mail["warn_days"]) == (587, "smtp", 21)


def test_a_wrong_key_is_named_with_its_line_and_the_right_one(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(FILE.replace("http_version", "http_verson").replace("smtp", "smpt"))
    ended = call("apply", str(file))
    assert ended.code == 2
    assert 'unknown key "http_verson"; did you mean "http_version"?' in ended.err
    assert '"smpt" is not one of' in ended.err
    assert 'did you mean "smtp"?' in ended.err
    assert "hunter2" not in ended.err


class _Redirecting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 302)
        if self.path != "/there":
            self.send_header("Location", "/there")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture
def redirecting() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_look_shows_hops_addresses_and_the_version(call: Call, redirecting: int) -> None:
    url = f"http://localhost:{redirecting}/"
    looked = call("check", url)
    assert looked.code == 0, looked.err
    lines = [line.split(maxsplit=1) for line in looked.out.splitlines() if line.strip()]
    facts = {words[0]: words[-1] for words in lines}
    assert facts["address"] == f"127.0.0.1:{redirecting}"
    assert facts["status"] == "HTTP 200, in HTTP/1.1"
    assert facts["redirect"].startswith("302 in ")
    assert facts["redirect"].endswith(f" ms to {url}there")
    data = call("check", url, "--json").data
    assert "127.0.0.1" in data["addresses"]
    ((hop),) = data["redirects"]
    assert (hop["url"], hop["status_code"]) == (f"{url}there", 302)
    assert hop["duration_ms"] > 0


def test_a_look_at_a_certificate_by_its_address(call: Call) -> None:
    for target, port in (("tls://127.0.0.1:1", 1), ("tls://127.0.0.1:1?starttls=imap", 1)):
        ended = call("check", target)
        assert ended.code == 1
        assert f"connect to 127.0.0.1:{port} refused" in ended.out
    assert call("check", "tls://127.0.0.1?starttls=imap", "--json").code in (0, 1)
    assert call("check", "tls://127.0.0.1?starttls=imp").code == 2
