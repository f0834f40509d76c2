"""Maintenance and drafts from the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from statustui.cli.main import invoke
from tests.support.databases import Database
from tests.support.house import House, open_house

Run = Callable[..., Any]


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
    """Runs a command as a person of the house; gives what was printed, or how it failed."""
    for name in ("STATUSTUI_DATA_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

    def call(*words: str, part: str = "admin", code: int = 0) -> Any:
        parameters = database.parameters(database.person(part))
        query = urlencode({"host": parameters["host"], "port": parameters["port"]})
        monkeypatch.setenv(
            "STATUSTUI_DATABASE_URL",
            f"postgresql://{database.person(part)}@/{parameters['database']}?{query}"
            "&sslmode=disable",
        )
        capsys.readouterr()
        ended = invoke([*words, "--json"])
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return json.loads(printed.out)["data"] if not code else printed.err

    return call


def test_maintenance_from_announcing_to_cancelling(house: House, run: Run) -> None:
    start = (datetime.now(UTC) + timedelta(days=3)).replace(hour=2, minute=0, second=0)
    start = start.replace(microsecond=0)
    words = ("--starts", f"{start:%Y-%m-%dT%H:%M}Z", "--service", "API")
    made = run("maintenance", "add", "Restart", *words, "--duration", "1h")
    assert (made["status"], made["services"]) == ("scheduled", ["API"])
    assert made["ends_at"] == f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert run("maintenance", "show", "restart") == made
    edited = run(
        *("maintenance", "edit", "Restart", "--recurrence", "freq=daily", "--service", "Docs"),
        *("--ends", f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M}Z"),
    )
    assert (edited["recurrence_rule"], edited["services"]) == ("FREQ=DAILY", ["Docs"])
    assert edited["ends_at"] == f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    assert edited["starts_at"] == made["starts_at"]
    # One occurrence is left out, and the next takes its place.
    run("maintenance", "cancel", "Restart", "--once")
    skipped = run("maintenance", "show", "Restart")
    assert skipped["exceptions"] == [made["starts_at"]]
    assert skipped["starts_at"] == f"{start + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    assert "does not take place" in skipped["updates"][0]["message"]
    run("maintenance", "cancel", made["id"])
    assert [each["status"] for each in run("maintenance", "list")] == ["cancelled"]
    run("maintenance", "show", "Restart", code=3)


def test_maintenance_is_for_admins_and_mistakes_are_named(house: House, run: Run) -> None:
    soon = ("--starts", "2030-01-06T02:00", "--duration", "1h")
    assert "admin" in run("maintenance", "add", "T", *soon, part="member", code=4)
    assert "Restrat" not in run("maintenance", "add", "T", "--starts", "tomorrow", code=2)
    assert "WEEKLY" in run("maintenance", "add", "T", *soon, "--recurrence", "FREQ=WEEKLI", code=2)
    assert "recurs" in run("maintenance", "add", "T", *soon, "--except", "2030-01-06T02:00", code=2)
    run("maintenance", "add", "T", *soon, "--ends", "2030-01-06T03:00", code=2)
    run("maintenance", "add", "T", *soon, "--service", "Nobody", code=3)
    over = run(
        "maintenance", "add", "T", "--starts", "2020-01-06T02:00", "--duration", "1h", code=2
    )
    assert "ahead" in over
    run("maintenance", "add", "Restart", *soon, part="admin")
    assert "did you mean Restart" in run("maintenance", "cancel", "Restrat", code=3)
    assert "does not recur" in run("maintenance", "cancel", "Restart", "--once", code=2)


@pytest.fixture
async def guarded(house: House) -> str:
    """The code of an incident whose words wait."""
    code: str = await house.admin.fetchval(
        """SELECT code FROM open_automatic_incident($1, 'API is unavailable', 'critical', false,
               'Automatic checks of API have been failing.', now(), 'major_outage',
               p_is_guarded => true)""",
        house.services["API"],
    )
    return code


def test_a_draft_is_shown_held_and_let_go(guarded: str, run: Run) -> None:
    code = guarded
    shown = run("incident", "show", code)
    assert shown["draft"]["message"] == "Automatic checks of API have been failing."
    assert (shown["draft"]["held_by"], shown["is_public"]) == (None, False)
    held = run("incident", "hold", code, part="member")
    assert held["draft"]["held_by"]
    assert run("incident", "hold", code, "--release")["draft"]["held_by"] is None
    run("incident", "hold", code, part="viewer", code=4)
    published = run("incident", "publish", code)
    assert (published["draft"], published["is_public"]) == (None, True)
    assert published["updates"][0]["message"] == shown["draft"]["message"]
    assert published["updates"][0]["detected"] == "person"
    run("incident", "hold", code, code=5)
