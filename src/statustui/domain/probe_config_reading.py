"""Reads the `config` of postgres, heartbeat and command monitors, with every mistake."""

from __future__ import annotations

from statustui.domain.errors import Problem
from statustui.domain.fields import FieldReader, Path
from statustui.domain.probe_config import (
    DEFAULT_QUERY,
    POSTGRES_MOST_ROWS,
    CommandConfig,
    HeartbeatConfig,
    PostgresConfig,
    split_dsn,
)

_POSTGRES_KEYS = ("dsn", "query", "expected", "expected_rows")
_HEARTBEAT_KEYS = ("every", "grace")
_COMMAND_KEYS = ("argv",)

_MINUTE = 60
_HOUR = 3_600
_DAY = 86_400
_MOST_WORDS = 100


def read_postgres(mapping: object, problems: list[Problem], path: Path) -> PostgresConfig:
    """A database to be asked; see `check_config_reading.read_config`."""
    reader = FieldReader(mapping, problems, path=path, known=_POSTGRES_KEYS)
    dsn = reader.text("dsn", "", longest=2_000, required=True, cleaned=False)
    if dsn:
        parts = split_dsn(dsn)
        if isinstance(parts, str):
            reader.wrong("dsn", parts)
    return PostgresConfig(
        dsn=dsn,
        query=reader.text("query", DEFAULT_QUERY, longest=10_000, cleaned=False),
        expected=_read_cell(reader),
        expected_rows=reader.integer("expected_rows", None, least=0, most=POSTGRES_MOST_ROWS),
    )


def _read_cell(reader: FieldReader) -> str | None:
    """A cell is compared as text, and a number is a natural thing to write for one."""
    value = reader.raw("expected")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return reader.text("expected", None, longest=1_000, shortest=0)


def read_heartbeat(mapping: object, problems: list[Problem], path: Path) -> HeartbeatConfig:
    """A job to be heard from; see `check_config_reading.read_config`."""
    reader = FieldReader(mapping, problems, path=path, known=_HEARTBEAT_KEYS)
    if not reader.has("every"):
        reader.missing("every")
    every = reader.duration_seconds("every", _HOUR, least=5, most=400 * _DAY)
    # A tenth, but never so little that a job's own running time looks like trouble.
    usual = min(_HOUR, max(_MINUTE, every // 10))
    return HeartbeatConfig(
        every_seconds=every,
        grace_seconds=reader.duration_seconds("grace", usual, least=0, most=30 * _DAY),
    )


def read_command(mapping: object, problems: list[Problem], path: Path) -> CommandConfig:
    """A plugin to be run; see `check_config_reading.read_config`."""
    reader = FieldReader(mapping, problems, path=path, known=_COMMAND_KEYS)
    value = reader.raw("argv")
    if value is None:
        reader.missing("argv")
        return CommandConfig(("/",))
    if not isinstance(value, list | tuple) or not value:
        reader.wrong("argv", 'expected a list of words, such as ["/usr/lib/…/check_load", "-w", 5]')
        return CommandConfig(("/",))
    if len(value) > _MOST_WORDS:
        reader.wrong("argv", f"has {len(value)} words; at most {_MOST_WORDS} are allowed")
        return CommandConfig(("/",))
    words = []
    for index, item in enumerate(value):
        text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        problem = _word_problem(text, is_program=index == 0)
        if problem is not None:
            problems.append(Problem(problem, (*path, "argv", index)))
        else:
            words.append(str(text))
    return CommandConfig(tuple(words) or ("/",))


def _word_problem(word: object, *, is_program: bool) -> str | None:
    if not isinstance(word, str):
        return "expected text; put it in quotes"
    if len(word) > 4_000:
        return f"has {len(word):,} characters; at most 4,000 are allowed"
    if "\0" in word or any(0xD800 <= ord(character) <= 0xDFFF for character in word):
        return "a NUL character or half a surrogate pair cannot be handed to a program"
    if is_program and (not word.startswith("/") or word.endswith("/")):
        return "is the program's absolute path: no shell and no PATH looks for it"
    return None
