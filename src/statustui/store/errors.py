"""Turns what PostgreSQL and asyncpg raise into the errors that the rest of the program knows.

The database's own rules raise SQLSTATEs of the class SU; their message is for people and their
hint says what to do:

    SU001 ValidationFailed    SU003 Forbidden    SU005 StaleState
    SU002 NotFound            SU004 Conflict     SU006 Conflict (a plan's limit)

Built-in constraints are put into words by their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from statustui.domain.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    NotFound,
    StaleState,
    StatustuiError,
    ValidationFailed,
)

_OWN: dict[str, type[StatustuiError]] = {
    "SU001": ValidationFailed,
    "SU002": NotFound,
    "SU003": Forbidden,
    "SU004": Conflict,
    "SU005": StaleState,
    "SU006": Conflict,
}

_TAKEN = {
    "organizations_slug_key": "an organization with that slug exists",
    "pages_slug_key": "a page with that slug exists",
    "pages_custom_domain_key": "another page has that domain",
    "page_tokens_name": "this page has a token of that name",
    "services_name": "a service of that name exists",
    "monitors_name": "this service has a monitor of that name",
    "members_pkey": "that person is a member already",
    "channels_org_id_name_key": "a channel of that name exists",
    "incident_services_one_open_auto": "an automatic incident is open for that service",
    "pending_posts_one_waiting": "another post waits to become public",
    "maintenance_windows_series_id_starts_at_key": "that occurrence exists already",
}

_WRONG = {
    "timeout_below_interval": "the timeout must be shorter than the interval",
    "quorum_within_regions": "the quorum is larger than the number of regions",
    "depends_on_itself": "a service cannot depend on itself",
    "ends_after_start": "the end must be after the start",
    "incident_only_worsens": "an incident only worsens a service",
    "resolved_after_start": "an incident is resolved after it started",
    "monitors_interval_seconds_check": "the interval is 5 to 86,400 seconds",
    "monitors_timeout_ms_check": "the timeout is 1,000 to 30,000 ms",
    "monitors_failure_threshold_check": "the failure threshold is 1 to 10",
    "monitors_recovery_threshold_check": "the recovery threshold is 1 to 10",
    "organizations_slug_check": "a slug has 3 to 100 lower-case letters, digits, single hyphens",
    "pages_slug_check": "a slug has 3 to 100 lower-case letters, digits, single hyphens",
    "organizations_brand_color_check": "a colour is written #RRGGBB",
}

_ADVICE_LOGIN = "check the user, the password and pg_hba.conf of that server"


def translate(error: BaseException, address: str = "the database") -> StatustuiError | None:
    """The error of ours that says the same as one of asyncpg or of the network.

    Args:
        error: what was caught.
        address: how to name the database, without a password.

    Returns:
        The error to raise instead, or None when it is none that is expected (a defect).
    """
    if isinstance(error, asyncpg.PostgresError):
        return _translate_server(error, address)
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        if "closed" in text or "closing" in text or "released back" in text:
            return DatabaseUnavailable(address, "the connection was lost")
        return None
    if isinstance(error, asyncpg.InternalClientError):
        # A server that dies says so on idle lines, and closes them a moment later. Whoever asks
        # something in between is told that another operation is in progress.
        return DatabaseUnavailable(address, "the connection was lost")
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(
            address, "no answer in time", advice="check that the server runs and can be reached"
        )
    if isinstance(error, OSError):
        return DatabaseUnavailable(
            address,
            error.strerror or str(error),
            advice="check the address, and that the server runs and can be reached",
        )
    return None


@contextmanager
def translated(address: str = "the database") -> Iterator[None]:
    """Raises the program's own errors for those of PostgreSQL that arise inside the block.

    Args:
        address: how to name the database, without a password.
    """
    try:
        yield
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    ) as error:
        ours = translate(error, address)
        if ours is None:
            raise
        raise ours from error


def _translate_server(error: asyncpg.PostgresError, address: str) -> StatustuiError | None:
    state = error.sqlstate or ""
    message = str(error.args[0]) if error.args else type(error).__name__
    advice = getattr(error, "hint", None) or ""
    constraint = getattr(error, "constraint_name", None) or ""
    if state in _OWN:
        return _OWN[state](message, advice=advice)
    match state:
        case "42501":
            return Forbidden(
                "your role may not do this", advice=advice or f"the database says: {message}"
            )
        case "23505":
            return Conflict(_TAKEN.get(constraint, f"that exists already ({constraint})"))
        case "23514":
            return ValidationFailed(_WRONG.get(constraint, _check_in_words(error, constraint)))
        case "23502":
            column = getattr(error, "column_name", None) or "a value"
            return ValidationFailed(f"{column} is missing")
        case "23503":
            return _broken_reference(error)
        case "40001" | "40P01":
            return Conflict("somebody else changed the same at that moment", advice="try again")
        case "55P03" | "57014":
            return DatabaseUnavailable(
                address, "the statement had to wait too long", advice="try again"
            )
        case "28P01" | "28000":
            return DatabaseUnavailable(address, message, advice=_ADVICE_LOGIN)
        case "3D000":
            return DatabaseUnavailable(address, message, advice="create it with createdb")
        case "3F000" | "42P01" | "42883":
            return DatabaseUnavailable(
                address,
                "its tables are not those of this version",
                advice=f"run `statustui init` ({message})",
            )
        case "25006":
            return DatabaseUnavailable(
                address, "it is read-only", advice="connect to the primary server"
            )
        case _:
            pass
    if state.startswith("22"):
        return ValidationFailed(message)
    # The line, a resource that ran out, a shutdown, the server's own files.
    if state.startswith(("08", "53", "57P", "58")):
        return DatabaseUnavailable(address, message, advice=advice or "try again in a moment")
    return None


def _check_in_words(error: asyncpg.PostgresError, constraint: str) -> str:
    table = getattr(error, "table_name", None) or ""
    subject = constraint.removeprefix(f"{table}_").removesuffix("_check").replace("_", " ")
    return f"{subject} is not valid" if subject else "a value is not valid"


def _broken_reference(error: asyncpg.PostgresError) -> StatustuiError:
    detail = getattr(error, "detail", None) or ""
    if "still referenced" in detail:
        return Conflict("something else still refers to it")
    return NotFound("it refers to something that does not exist here")
