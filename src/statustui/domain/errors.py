"""The errors that statustui raises on purpose, so that every caller can tell them apart.

    StatustuiError
    ├── ValidationFailed        what was given is wrong            exit 2   422 VALIDATION_ERROR
    ├── NotFound                nothing answers to that name       exit 3   404 NOT_FOUND
    ├── Forbidden               the role may not do this           exit 4   403 AUTHORIZATION_FAILED
    ├── Conflict                somebody else was first, a limit   exit 5   409 CONFLICT
    │   └── StaleState          the post was based on an old state exit 5   409 CONFLICT
    └── DatabaseUnavailable     PostgreSQL cannot be reached       exit 6   503 UNAVAILABLE

Errors of libraries are translated once, at the boundary where they arise (`store/errors.py` for
asyncpg). The message is one line for a tired person; `advice` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class StatustuiError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: one line that says what is wrong.
        advice: one or more lines that say what to do, or an empty string.
    """

    exit_code = 1
    code = "INTERNAL_ERROR"
    http_status = 500

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in what was given.

    Attributes:
        message: what is wrong, and the nearest right name where there is one.
        path: where it is, as keys and indexes from the outside in.
        line: line in the file, from 1; None when it did not come from a file.
        column: column in that line, from 1; None when unknown.
        excerpt: what is wrong with a caret below the place, two harmless lines; empty where a
            line and a column of a file say enough.
    """

    message: str
    path: tuple[str | int, ...] = ()
    line: int | None = None
    column: int | None = None
    excerpt: str = ""


class ValidationFailed(StatustuiError):
    """What was given is wrong; `problems` lists every mistake that was found."""

    exit_code = 2
    code = "VALIDATION_ERROR"
    http_status = 422

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.problems = tuple(problems)


class NotFound(StatustuiError):
    """Nothing answers to that name, code or id."""

    exit_code = 3
    code = "NOT_FOUND"
    http_status = 404


class Forbidden(StatustuiError):
    """The role may not do this; the message says who may."""

    exit_code = 4
    code = "AUTHORIZATION_FAILED"
    http_status = 403


class Conflict(StatustuiError):
    """The change does not fit the present state: a limit, a duplicate, a final status."""

    exit_code = 5
    code = "CONFLICT"
    http_status = 409


class StaleState(Conflict):
    """A post was based on a state that has moved on; nothing was written, the text is kept."""


class DatabaseUnavailable(StatustuiError):
    """PostgreSQL cannot be reached.

    Args:
        address: what was tried, without any password.
        cause: what the operating system or the server said.
        advice: how to fix it.
    """

    exit_code = 6
    code = "UNAVAILABLE"
    http_status = 503

    def __init__(self, address: str, cause: str, *, advice: str = "") -> None:
        super().__init__(f"database at {address} is unavailable: {cause}", advice=advice)
        self.address = address
        self.cause = cause
