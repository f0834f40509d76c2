"""The program's log: one line an event, whatever is in it, where the settings say."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from statustui.runtime import logs
from statustui.settings import LogSettings


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("statustui")
    handlers, levels = list(root.handlers), (root.level, own.level)
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def _settings(**values: object) -> LogSettings:
    return LogSettings.model_validate(values)


def test_a_line_has_time_level_name_message_and_facts(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "watch.log"
    logs.configure(_settings(), file=file)
    logging.getLogger("statustui.engine").info("opened %s", "INC-4F2K", extra={"services": 2})
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info engine: opened INC-4F2K services=2\n",
        file.read_text(),
    )


@pytest.mark.parametrize(
    "hostile",
    [
        "one\n2026-01-01T00:00:00.000Z info watch: forged",
        "one\rtwo",
        "red \x1b[31m and bell \x07",
        "eight bits \x9b2J",
        "back \u202e wards",
        "line \u2028 separator",
        "delete \x7f",
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_message_can_forge_a_line_or_move_a_cursor(
    tmp_path: Path, hostile: str, form: str
) -> None:
    file = tmp_path / "watch.log"
    logs.configure(_settings(format=form), file=file)
    logging.getLogger("statustui.web").warning("asked for %s", hostile, extra={"path": hostile})
    (line,) = file.read_text().splitlines()
    assert line.isprintable()
    if form == "json":
        assert json.loads(line)["message"] == f"asked for {hostile}"


def test_json_has_one_object_a_line_with_the_exception(tmp_path: Path) -> None:
    file = tmp_path / "watch.log"
    logs.configure(_settings(format="json"), file=file)
    try:
        raise RuntimeError("broken \x1b pipe")
    except RuntimeError:
        logging.getLogger("statustui.watch").exception("failed", extra={"path": tmp_path})
    (line,) = file.read_text().splitlines()
    document = json.loads(line)
    assert (document["level"], document["name"]) == ("error", "statustui.watch")
    assert document["path"] == str(tmp_path)
    assert "RuntimeError" in document["exception"]


def test_a_traceback_in_text_holds_no_control_characters(tmp_path: Path) -> None:
    file = tmp_path / "watch.log"
    logs.configure(_settings(), file=file)
    try:
        raise RuntimeError("broken \x1b[2J pipe")
    except RuntimeError:
        logging.getLogger("statustui.watch").exception("failed")
    text = file.read_text()
    assert "RuntimeError: broken" in text
    assert "\x1b" not in text


def test_the_level_is_ours_and_libraries_only_warn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(_settings(level="debug"))
    logging.getLogger("statustui.engine").debug("said")
    logging.getLogger("asyncio").info("not said")
    logging.getLogger("asyncio").warning("said too")
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "said",
        "said too",
    ]


def test_configuring_again_replaces(tmp_path: Path) -> None:
    logs.configure(_settings(), file=tmp_path / "first.log")
    logs.configure(_settings(level="warning"), file=tmp_path / "second.log")
    logging.getLogger("statustui.watch").warning("once")
    logging.getLogger("statustui.watch").info("too quiet")
    assert not (tmp_path / "first.log").exists()
    assert len((tmp_path / "second.log").read_text().splitlines()) == 1
