"""The reference says what the program has, no more and no less."""

from __future__ import annotations

from pathlib import Path

from docs import make_commands, make_keys, make_metrics, make_settings, make_tables
from statustui.presenters.metrics import FAMILIES
from statustui.settings import field_keys
from tests.support.databases import Database

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def committed(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_every_setting_is_described() -> None:
    assert committed("settings.md") == make_settings.page(), "run `make reference`"
    silent = [key for key, words in field_keys().items() if not words]
    assert silent == []


def test_every_command_and_option_is_described() -> None:
    assert committed("commands.md") == make_commands.page(), "run `make reference`"
    silent = []
    for path, command in make_commands.commands():
        if not command.help:
            silent.append(path)
        for item in command.params:
            if not getattr(item, "help", None):
                silent.append(f"{path} {item.opts[0]}")
    assert silent == [], "give each a help text"


def test_every_key_is_described() -> None:
    assert committed("keys.md") == make_keys.page(), "run `make reference`"
    silent = [
        f"{name} {binding.key}"
        for name, _, bindings in make_keys.tables()
        for binding in bindings
        if not binding.description
    ]
    assert silent == [], "give each binding a description"
    repeated = [
        f"{name} {key}"
        for name, _, bindings in make_keys.tables()
        for key in {binding.key for binding in bindings}
        if sum(binding.key == key for binding in bindings) > 1
    ]
    assert repeated == [], "one key does one thing on a screen"


def test_every_metric_is_described() -> None:
    assert committed("metrics.md") == make_metrics.page(), "run `make reference`"
    silent = [family.name for family in FAMILIES if not family.help.endswith(".")]
    assert silent == [], "give each a sentence"


async def test_every_table_is_described(database: Database) -> None:
    connection = await database.connect()
    assert committed("tables.md") == await make_tables.page(connection), "run `make reference`"
