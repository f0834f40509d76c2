"""How a command ends: what it prints, where, and with which exit code.

Commands only raise. Whatever they raise ends in `report`, which prints one line to standard error
that says what is wrong and, indented below it, what to do. With `--json` the same error stands on
standard output as `{"error": {"code", "message"}}`, so that a script reads one stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import traceback
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import typer

from statustui.domain.errors import Problem, StatustuiError, ValidationFailed
from statustui.domain.text import clean
from statustui.presenters.clock import iso
from statustui.settings import LoadedSettings, SettingsError, default_data_dir, load_settings

T = TypeVar("T")
_CREDENTIALS = re.compile(r"://[^@/\s]*@")


def settings_of(context: typer.Context, **flags: Any) -> LoadedSettings:
    """The settings for this call: global options first given, then environment, file, defaults.

    Args:
        context: the command's context; its root holds the global options.
        flags: settings that this command's own options override, nested by group.

    Raises:
        ValidationFailed: a setting is unknown or wrong.
    """
    root = context.find_root().obj
    given: dict[str, Any] = dict(root) if isinstance(root, dict) else {}
    given.update({name: value for name, value in flags.items() if value is not None})
    try:
        return load_settings(given)
    except SettingsError as error:
        problems = [Problem(line) for line in error.problems]
        raise ValidationFailed(
            str(error),
            problems=problems,
            advice="`statustui doctor` lists every setting with where it came from",
        ) from None


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run one command's coroutine to its end on a fresh event loop."""
    return asyncio.run(main)


def emit(data: object, *, as_json: bool, text: str = "", pagination: object = None) -> None:
    """Print a command's result.

    Args:
        data: the value of `data` in JSON.
        as_json: whether `--json` was given.
        text: what people read; nothing is printed for an empty one.
        pagination: `{page, per_page, total}` for lists that page, else None.
    """
    if as_json:
        document: dict[str, object] = {"data": data}
        if pagination is not None:
            document["pagination"] = pagination
        write_out(json.dumps(document, default=plain, ensure_ascii=False, indent=2))
    elif text:
        write_out(text.rstrip("\n"))


def write_out(text: str) -> None:
    """Print lines to standard output, now.

    A reader who has gone away (`| head`) changes nothing about how the command ends.

    Args:
        text: lines, without a line end after the last.

    Raises:
        StatustuiError: they cannot be written, on a full disk for example.
    """
    try:
        # Some standard outputs cannot spell every letter: those show its escape.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
    except OSError as error:
        forget_output()
        raise StatustuiError(f"cannot write the result: {error.strerror or error}") from None


def plain(value: object) -> object:
    """A value as JSON spells it: times as ISO 8601 UTC with Z, ids and words as text."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def report(error: StatustuiError, *, as_json: bool) -> int:
    """Print an error for people, and with `--json` for programs too.

    Returns:
        The exit code that belongs to it.
    """
    # Errors repeat what was typed; what was typed may have come out of anybody's file.
    message = clean(error.message)
    if as_json:
        # Where standard output is full, standard error still says what is wrong.
        with contextlib.suppress(StatustuiError):
            report_json(error)
    lines = [f"statustui: {message}"]
    problems = error.problems if isinstance(error, ValidationFailed) else ()
    if len(problems) == 1:
        lines += _excerpt(problems[0], "  ")
    elif problems:
        lines = [f"statustui: {len(problems)} problems"]
        for problem in problems:
            lines += [f"  {located(problem)}", *_excerpt(problem, "    ")]
    lines += [f"  {clean(line)}" for line in error.advice.splitlines()]
    write_error("\n".join(lines))
    return error.exit_code


def _excerpt(problem: Problem, indent: str) -> list[str]:
    """What is wrong, with a caret below the place; made harmless where it was made."""
    return [f"{indent}{line}" for line in problem.excerpt.splitlines()]


def write_error(text: str) -> None:
    """Print lines to standard error; when even that is gone, the exit code has to say it all."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def report_json(error: StatustuiError) -> int:
    """Print an error for programs alone.

    Returns:
        The exit code that belongs to it.
    """
    document = {"error": {"code": error.code, "message": clean(error.message)}}
    write_out(json.dumps(document, ensure_ascii=False))
    return error.exit_code


def located(problem: Problem) -> str:
    """A problem with where it is in front, unless its message says that itself."""
    told = clean(problem.message)
    if problem.line is not None:
        return f"line {problem.line}: {told}"
    where = ".".join(clean(str(step)) for step in problem.path)
    return f"{where}: {told}" if where else told


def forget_output() -> None:
    """Let what is still to be printed go nowhere: whoever read it has gone away.

    Otherwise the interpreter would try once more on its way out and complain on standard error.
    """
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class UsageError(ValidationFailed):
    """The words of the command line do not fit."""


def defect(error: Exception) -> StatustuiError:
    """What a person is told when the program itself is at fault.

    The traceback goes to a file: on the screen it helps nobody, and it may hold what should not be
    shown.

    Args:
        error: what was raised.
    """
    file = default_data_dir() / "defects.log"
    told = f"something went wrong that should not have: {type(error).__name__}"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What was typed may hold a password, and a traceback may hold anything.
        typed = _CREDENTIALS.sub("://", " ".join(sys.argv))
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat()} {typed}\n")
            log.writelines(traceback.format_exception(error))
    except OSError as unwritable:
        return StatustuiError(told, advice=f"{error}; the details could not be kept: {unwritable}")
    return StatustuiError(told, advice=f"please report it with the end of {file}")
