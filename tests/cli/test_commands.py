"""The commands as people and scripts type them: what they print and how they end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from statustui.cli.main import invoke
from tests.support.databases import Database
from tests.support.house import House, detail, open_house


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The value of `data` that was printed."""
        return json.loads(self.out)["data"]

    @property
    def error(self) -> str:
        """The code of the error that was printed as JSON."""
        return str(json.loads(self.out)["error"]["code"])


Run = Callable[..., Ended]


def address(database: Database, role: str) -> str:
    """The database as `STATUSTUI_DATABASE_URL` names it."""
    parameters = database.parameters(role)
    query = urlencode({"host": parameters["host"], "port": parameters["port"]})
    return f"postgresql://{role}@/{parameters['database']}?{query}&sslmode=disable"


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


@pytest.fixture
def run(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command as a person of the house, the owner unless told otherwise."""
    monkeypatch.setenv("STATUSTUI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))

    def call(*words: str, part: str = "owner") -> Ended:
        monkeypatch.setenv("STATUSTUI_DATABASE_URL", address(database, database.person(part)))
        capsys.readouterr()
        code = invoke(list(words))
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Ended(code, printed.out, printed.err)

    return call


def test_an_incident_from_its_first_words_to_its_last(house: House, run: Run) -> None:
    added = run(
        *("incident", "add", "--title", "T", "--impact", "major"),
        *("--service", "API", "--message", "M", "--json"),
    )
    assert added.code == 0
    code = added.data["code"]
    assert added.data["affected_services"][0]["name"] == "API"
    assert added.data["affected_services"][0]["to_status"] == "partial_outage"
    updated = run(
        *("incident", "update", code, "--status", "identified", "--message", "M", "--json")
    )
    assert (updated.code, updated.data["status"]) == (0, "identified")
    assert [each["status"] for each in updated.data["updates"]] == ["identified", "investigating"]
    listed = run("incident", "list", "--json")
    assert [each["code"] for each in listed.data] == [code]
    assert run("incident", "show", code.lower(), "--json").data["id"] == added.data["id"]
    assert run("incident", "show", added.data["id"], "--json").data["code"] == code
    resolved = run("incident", "resolve", code, "--message", "M", "--json")
    assert (resolved.code, resolved.data["status"]) == (0, "resolved")
    again = run("incident", "update", code, "--message", "more", "--json")
    assert (again.code, again.error) == (5, "CONFLICT")
    assert "resolved" in again.err


def test_options_may_stand_anywhere_after_the_command(house: House, run: Run) -> None:
    added = run(
        *("incident", "add", "--json", "--message", "M", "--service", "api=degraded_performance"),
        *("--title", "T", "--service", "Docs"),
    )
    assert {each["name"]: each["to_status"] for each in added.data["affected_services"]} == {
        "API": "degraded_performance",
        "Docs": "degraded_performance",
    }


def test_a_post_can_be_given_grace(house: House, run: Run) -> None:
    added = run("incident", "add", "--title", "T", "--message", "M", "--delay", "10m")
    assert added.code == 0
    assert "public at" in added.out
    (listed,) = run("incident", "list", "--json").data
    assert listed["pending_post"] is not None


@pytest.fixture
async def broken(house: House) -> House:
    """The house with its API down."""
    await house.see("API", "down", reason="503")
    return house


def test_resolving_while_checks_fail_needs_force(broken: House, run: Run) -> None:
    added = run(
        *("incident", "add", "--title", "T", "--impact", "critical"),
        *("--service", "API", "--message", "M", "--json"),
    )
    code = added.data["code"]
    refused = run("incident", "resolve", code, "--message", "done", "--json")
    assert (refused.code, refused.error) == (5, "CONFLICT")
    assert "--force" in refused.err
    assert run("incident", "resolve", code, "--message", "done", "--force").code == 0


def test_services_and_monitors_are_listed_shown_and_added(house: House, run: Run) -> None:
    services = run("service", "list", "--json").data
    assert [each["name"] for each in services] == ["Database", "API", "Checkout", "Docs"]
    added = run("service", "add", "Search", "--group", "Core", "--depends-on", "API", "--json")
    assert (added.code, added.data["name"]) == (0, "Search")
    assert added.data["depends_on"] == [str(house.services["API"])]
    made = run(
        *("monitor", "add", "Search", "port", "--type", "tcp"),
        *("--set", "host=127.0.0.1", "--set", "port=5432", "--interval", "10s", "--json"),
    )
    assert (made.code, made.data["interval_seconds"]) == (0, 10)
    listed = run("monitor", "list", "--json")
    assert len(listed.data) == 5
    assert "s3cr3t" not in listed.out
    assert run("monitor", "show", "Search/port").code == 0
    paused = run("monitor", "pause", "Search/port", "--for", "30m", "--json")
    assert (paused.code, paused.data["state"]) == (0, "paused")
    assert run("monitor", "resume", "search/PORT", "--json").data["state"] == "unknown"
    assert run("monitor", "run", "Search/port").code == 0
    shown = run("service", "show", "search", "--json")
    assert [each["name"] for each in shown.data["monitors"]] == ["port"]
    assert run("service", "pin", "Search", "major_outage").code == 0
    (search,) = [each for each in run("service", "list", "--json").data if each["name"] == "Search"]
    assert search["current_status"] == "major_outage"
    assert run("service", "unpin", "Search").code == 0


@pytest.fixture
async def failed(house: House) -> House:
    """API failed a minute ago, with a good look before and a mark between."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    before = at - timedelta(minutes=1)
    for moment, is_good, data, body in (
        (before, True, detail(at=before.isoformat(), address="10.0.0.9:80"), None),
        (
            at,
            False,
            detail(
                at=at.isoformat(),
                address="10.0.0.5:80",
                reason="answered 503",
                error_kind="http_status",
                status_code=503,
                headers={"server": "nginx"},
                repeat_command="curl -sS http://api/",
            ),
            "oops\n<b>down</b>",
        ),
    ):
        await house.admin.execute(
            """INSERT INTO evidence (org_id, monitor, region, checked_at, is_good, data, body)
               VALUES ($1, $2, 1, $3, $4, $5::text::jsonb, $6)""",
            *(house.org, await house.key("API"), moment, is_good, data, body),
        )
    await house.store.add_mark(house.org, "api 1.42", source="ci", at=before)
    return house


def test_evidence_is_shown(failed: House, run: Run) -> None:
    ended = run("monitor", "show", "API/health", "--evidence")
    assert ended.code == 0, ended.err
    lines = [line.strip() for line in ended.out.splitlines()]
    assert lines[0].startswith("API/health from local, ")
    for words in (
        "error      answered 503 (http_status)",
        "changed    address 10.0.0.9 to 10.0.0.5",
        "answer     HTTP 503",
        "header     server: nginx",
        "repeat it  curl -sS http://api/",
    ):
        assert words in lines
    assert any(line.startswith("noted") and line.endswith("api 1.42 by ci") for line in lines)
    assert lines[-3:] == ["body", "oops", "<b>down</b>"]
    (document,) = run("monitor", "show", "API/health", "--evidence", "--json", part="viewer").data
    assert document["changed"] == [{"what": "address", "before": "10.0.0.9", "after": "10.0.0.5"}]
    assert [mark["text"] for mark in document["marks"]] == ["api 1.42"]
    assert document["repeat_command"] == "curl -sS http://api/"
    none = run("monitor", "show", "Docs/health", "--evidence")
    assert (none.code, none.out) == (0, "no failure was seen so far, so there is no evidence\n")


async def test_a_service_shows_its_windows(house: House, run: Run) -> None:
    # The command runs in a loop of its own, outside of the test's.
    call = partial(asyncio.to_thread, run)
    today = datetime.now(UTC)
    sums = {"success": 95, "failure": 5, "timed": 95, "sum_ms": 9_500, "h10": 95}
    await house.roll_up("API", today - timedelta(days=20), **sums, min_ms=80.0, max_ms=108.0)
    shown = await call("service", "show", "API", "--json")
    windows = {each["window"]: each for each in shown.data["windows"]}
    assert list(windows) == ["24h", "7d", "30d", "90d"]
    assert (windows["7d"]["checks"], windows["7d"]["p95_ms"]) == (0, None)
    assert (windows["30d"]["uptime"], windows["30d"]["avg_ms"]) == (95.0, 100.0)
    assert 80 <= windows["90d"]["p50_ms"] <= windows["90d"]["p99_ms"] <= 108
    text = await call("service", "show", "API")
    assert "over      24 h no data" in text.out
    assert "over      90 d 95.00% of 100 looks, p50 " in text.out


async def test_figures_are_compared_and_made_again(house: House, run: Run) -> None:
    call = partial(asyncio.to_thread, run)
    at = datetime.now(UTC) - timedelta(hours=2)
    await house.admin.execute(
        """INSERT INTO checks (monitor, region, checked_at, org_id, slot_at, status, duration_ms)
           VALUES ($1, 1, $2, $3, $2, 'success', 12)""",
        await house.key("API"),
        at,
        house.org,
    )
    compared = await call("db", "rollup", "--json")
    assert [each["grain"] for each in compared.data["differences"]] == ["hour", "day"]
    assert {each["monitor"] for each in compared.data["differences"]} == {"API/health"}
    assert compared.data["rows_rewritten"] == 0
    told = await call("db", "rollup", "--rebuild", "--dry-run")
    assert "API/health: 0 checks in 0 slots, raw checks say 1 in 1" in told.out
    assert "rewritten" not in told.out
    assert "rewritten  2 rows" in (await call("db", "rollup", "--rebuild")).out
    again = await call("db", "rollup", "--from", f"{at:%F}")
    assert "differ     0 rows" in again.out
    later = await call("db", "rollup", "--from", f"{at + timedelta(days=2):%F}")
    assert "nothing compared" in later.out
    refused = await call("db", "rollup", "--json", part="admin")
    assert (refused.code, refused.error) == (4, "AUTHORIZATION_FAILED")
    assert (await call("db", "rollup", "--to", "tomorrow")).code == 2


async def test_what_is_too_old_is_told_and_goes(house: House, run: Run) -> None:
    call = partial(asyncio.to_thread, run)
    at = datetime.now(UTC) - timedelta(days=150)
    await house.admin.execute("SELECT ensure_check_partitions($1, $1)", at)
    await house.admin.execute(
        "INSERT INTO rollups_hourly (org_id, monitor, hour) VALUES ($1, $2, $3)",
        house.org,
        await house.key("API"),
        datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=500),
    )
    would = await call("db", "prune", "--dry-run", "--json")
    (month,) = would.data["months"]
    assert (month["month"], month["rows"], month["bytes"] > 0) == (f"{at:%Y-%m}", 0, True)
    assert (would.data["dry_run"], would.data["hourly_rows"]) == (True, 1)
    assert "would go" in (await call("db", "prune", "--dry-run")).out
    gone = await call("db", "prune", "--json")
    assert (gone.data["dropped"], gone.data["hourly_rows_deleted"]) == ([f"{at:%Y-%m}"], 1)
    assert "no month is too old" in (await call("db", "prune")).out


def test_a_mark_is_noted(house: House, run: Run) -> None:
    noted = run("mark", "api 1.42", "--service", "API", "--source", "ci", "--json")
    assert (noted.code, noted.data["services"]) == (0, ["API"])


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("incident", "show", "INC-0000"), 3, "NOT_FOUND"),
        (("incident", "show", "no code at all"), 3, "NOT_FOUND"),
        (("incident", "update", "INC-ILOU", "--message", "m"), 3, "NOT_FOUND"),
        (("incident", "resolve", "%", "--message", "m"), 3, "NOT_FOUND"),
        (("incident", "ack", "INC-"), 3, "NOT_FOUND"),
        (("incident", "list", "--service", "nope"), 3, "NOT_FOUND"),
        (
            ("incident", "add", "--title", "t", "--message", "m", "--service", "nope"),
            3,
            "NOT_FOUND",
        ),
        (("service", "show", "nope"), 3, "NOT_FOUND"),
        (("service", "pin", "nope", "operational"), 3, "NOT_FOUND"),
        (("service", "add", "New", "--depends-on", "nope"), 3, "NOT_FOUND"),
        (("monitor", "show", "API/nope"), 3, "NOT_FOUND"),
        (("monitor", "run", "nope/health"), 3, "NOT_FOUND"),
        (("monitor", "pause", "nope"), 3, "NOT_FOUND"),
        (
            ("monitor", "add", "nope", "m", "--type", "ping", "--set", "host=127.0.0.1"),
            3,
            "NOT_FOUND",
        ),
        (("mark", "x", "--service", "nope"), 3, "NOT_FOUND"),
        (("--org", "nope", "service", "list"), 3, "NOT_FOUND"),
        (("monitor", "show", "health"), 2, "VALIDATION_ERROR"),
        (("incident", "add", "--title", "", "--message", "m"), 2, "VALIDATION_ERROR"),
        (("incident", "add", "--title", "t" * 501, "--message", "m"), 2, "VALIDATION_ERROR"),
        (
            ("incident", "add", "--title", "t", "--message", "m", "--impact", "huge"),
            2,
            "VALIDATION_ERROR",
        ),
        (("incident", "add", "--title", "t"), 2, "VALIDATION_ERROR"),
        (("incident", "add", "--titel", "t", "--message", "m"), 2, "VALIDATION_ERROR"),
        (("incident", "burn"), 2, "VALIDATION_ERROR"),
        (("nonsense",), 2, "VALIDATION_ERROR"),
        (("monitor", "pause", "API/health", "--for", "soon"), 2, "VALIDATION_ERROR"),
        (
            ("monitor", "add", "API", "m", "--type", "http", "--set", "url=gopher://x"),
            2,
            "VALIDATION_ERROR",
        ),
        (
            (
                *("monitor", "add", "API", "m", "--type", "http", "--set", "url=http://x.test/"),
                *("--condition", "[STATUS] = 200"),
            ),
            2,
            "VALIDATION_ERROR",
        ),
        (("apply", "/nowhere/at/all.yaml"), 2, "VALIDATION_ERROR"),
        (("service", "add", "API"), 5, "CONFLICT"),
    ],
)
def test_what_goes_wrong_has_its_code(
    house: House, run: Run, words: tuple[str, ...], code: int, error: str
) -> None:
    ended = run(*words, "--json")
    assert (ended.code, ended.error) == (code, error)
    assert ended.err.startswith("statustui: ")
    plain = run(*words)
    assert (plain.code, plain.out) == (code, "")
    assert plain.err.startswith("statustui: ")


@pytest.mark.parametrize(
    "words",
    [
        ("service", "add", "New"),
        ("incident", "add", "--title", "t", "--message", "m"),
        ("monitor", "run", "API/health"),
        ("monitor", "pause", "API/health"),
        ("service", "pin", "API", "operational"),
        ("mark", "x"),
    ],
)
def test_a_viewer_is_told_who_may(house: House, run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words, "--json", part="viewer")
    assert (ended.code, ended.error) == (4, "AUTHORIZATION_FAILED")
    assert house.person("owner") in ended.err


def test_a_viewer_sees_everything(house: House, run: Run) -> None:
    for words in (("service", "list"), ("monitor", "list"), ("incident", "list"), ("export",)):
        assert run(*words, part="viewer").code == 0


def test_a_file_is_applied_and_the_second_time_changes_nothing(
    house: House, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(
        """
organization: {slug: acme, name: Acme Corp}
services:
  - name: Docs
    group: Web
    monitors:
      - {name: health, type: http, interval: 20s, config: {url: "http://127.0.0.1:9/"}}
"""
    )
    tried = run("apply", str(file), "--dry-run", "--json")
    made = run("apply", str(file), "--json")
    assert tried.data["changes"] == made.data["changes"]
    assert [each["action"] for each in made.data["changes"]] == ["update", "update"]
    assert run("apply", str(file), "--json").data["changes"] == []
    assert run("apply", str(file)).out == "nothing to change\n"
    exported = run("export")
    file.write_text(exported.out)
    assert run("apply", str(file), "--prune", "--json").data["changes"] == []
    refused = run("apply", str(file), "--json", part="member")
    assert refused.code == 0  # nothing to change is nothing to refuse
    file.write_text(exported.out.replace("name: Docs", "name: Manual"))
    assert run("apply", str(file), part="member").code == 4
    assert run("--org", "other", "apply", str(file)).code == 2


def test_a_mistake_in_a_file_has_its_line(house: House, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(
        "organization: {slug: acme, name: Acme}\nservices:\n"
        "  - {name: New, depends_on: [Dcos]}\n  - {nam: Other}\n"
    )
    ended = run("apply", str(file), "--json")
    assert (ended.code, ended.error) == (2, "VALIDATION_ERROR")
    assert f"{file}:4:" in ended.err
    assert 'did you mean "name"?' in ended.err
    file.write_text(
        "organization: {slug: acme, name: Acme}\nservices:\n  - {name: New, depends_on: [Dcos]}\n"
    )
    ended = run("apply", str(file))
    assert ended.code == 2
    assert f"{file}:3:30: services[1].depends_on[1]" in ended.err
    assert 'did you mean "Docs"?' in ended.err


def test_a_mistake_in_a_condition_is_pointed_at(house: House, run: Run, tmp_path: Path) -> None:
    words = ("monitor", "add", "API", "new", "--type", "tcp", "--set", "host=x", "--set", "port=1")
    ended = run(*words, "--condition", "[STATUS] = 200")
    assert ended.code == 2
    assert ended.err.splitlines()[-2:] == ["  [STATUS] = 200", "           ^"]
    file = tmp_path / "acme.yaml"
    file.write_text(
        """
organization: {slug: acme, name: Acme}
services:
  - name: Docs
    monitors:
      - name: health
        type: http
        config: {url: "http://127.0.0.1:9/"}
        conditions: ["[STATUS] == 200", "[BODY].a = 1", "[BODI] == 2"]
"""
    )
    ended = run("apply", str(file))
    assert ended.code == 2
    assert f"{file}:9:41: services[1].monitors[1].conditions[2]" in ended.err
    assert "\n    [BODY].a = 1\n             ^\n" in ended.err
    assert "\n    [BODI] == 2\n    ^\n" in ended.err


def test_status_speaks_to_monitoring_systems(
    broken: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = run("status", "--json")
    assert ended.code in (2, 3)
    assert len(ended.data["services"]) == 4
    monkeypatch.setenv("STATUSTUI_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    assert invoke(["status"]) == 3
    assert invoke(["service", "list"]) == 6


def test_small_commands_load_neither_terminal_nor_database() -> None:
    source = (
        "import sys\nfrom statustui.cli.main import invoke\n"
        "assert invoke(['--version']) == 0\n"
        "loaded = {'textual', 'asyncpg', 'httpx', 'jinja2', 'yaml'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
