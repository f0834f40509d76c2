"""Named queries: found by name, and every one prepared on the migrated schema."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from statustui.store import queries
from tests.support.databases import Database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of query files that the loader reads instead of its own."""
    monkeypatch.setattr(queries, "files", lambda _: tmp_path)
    queries.load.cache_clear()
    return tmp_path


def test_statements_are_found_by_name(folder: Path) -> None:
    text = "-- About things.\n\n-- name: one\nSELECT 1;\n\n-- why\n-- name: two\n-- how\nSELECT 2\n"
    (folder / "things.sql").write_text(text)
    assert queries.aggregates() == ("things",)
    found = queries.load("things")
    assert found["one"] == "SELECT 1"
    assert found["two"] == "-- how\nSELECT 2"
    assert set(found) == {"one", "two"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 2", "no name line"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2", "twice"),
        ("-- name: one\n-- nothing\n-- name: two\nSELECT 2", "one is empty"),
    ],
)
def test_a_file_that_is_wrong_is_a_defect(folder: Path, text: str, complaint: str) -> None:
    (folder / "things.sql").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        queries.load("things")


async def test_every_query_fits_the_schema(database: Database) -> None:
    queries.load.cache_clear()
    connection = await database.connect()
    await connection.execute("SET search_path = statustui, pg_temp")
    failures = []
    count = 0
    for aggregate in queries.aggregates():
        for name, statement in queries.load(aggregate).items():
            if name.endswith("_16") and database.major_version < 16:
                continue
            count += 1
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                failures.append(f"{aggregate}.{name}: {error}")
    assert failures == []
    assert count > 40


def test_no_statement_stands_outside_the_query_files() -> None:
    """Every file in the folder is read by the loader, none lies beside it."""
    names = {entry.name for entry in files("statustui.store.queries").iterdir()}
    names -= {"__init__.py", "__pycache__"}
    assert {name.removesuffix(".sql") for name in names} == set(queries.aggregates())
