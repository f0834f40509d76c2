"""Finds SQL by name: one file per aggregate, one `-- name: …` line before each statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


def aggregates() -> tuple[str, ...]:
    """The names of all query files, without `.sql`, in alphabetical order."""
    return tuple(
        sorted(
            entry.name.removesuffix(".sql")
            for entry in files(__name__).iterdir()
            if entry.name.endswith(".sql")
        )
    )


@cache
def load(aggregate: str) -> Mapping[str, str]:
    """The statements of one file, by name.

    Args:
        aggregate: the file's name without `.sql`.

    Returns:
        Statement text by name; comments belong to the statement that follows them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a name is used twice, a statement is empty, or text stands before the first
            name (comments may).
    """
    text = files(__name__).joinpath(f"{aggregate}.sql").read_text(encoding="utf-8")
    head, *pieces = _NAME.split(text)
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError(f"{aggregate}.sql: a statement has no name line")
    statements: dict[str, str] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        lines = body.strip().splitlines()
        # Comments at the end are about the next statement.
        while lines and (not lines[-1].strip() or lines[-1].startswith("--")):
            lines.pop()
        statement = "\n".join(lines).removesuffix(";")
        if not statement:
            raise ValueError(f"{aggregate}.sql: {name} is empty")
        if name in statements:
            raise ValueError(f"{aggregate}.sql: {name} stands there twice")
        statements[name] = statement
    return MappingProxyType(statements)
