"""`statustui beat NAME`: a job says that it ran; the last line of what cron starts."""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer

from statustui.cli import console


class Outcome(StrEnum):
    """How a job says that it went."""

    OK = "ok"
    FAIL = "fail"


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("beat")(beat)


def beat(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="a heartbeat monitor: Service/monitor, its name alone, or its id"
        ),
    ],
    status: Annotated[
        Outcome | None, typer.Option("--status", help="how it went; ok when nothing is said")
    ] = None,
    exit_code: Annotated[
        int | None,
        typer.Option(
            "--exit-code", metavar="N", help="how it went, as its exit code says: `$?`, 0 is ok"
        ),
    ] = None,
    message: Annotated[
        str, typer.Option("--message", metavar="TEXT", help="a line about it, shown when it failed")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say that a job ran, from cron or at the end of a script.

    A heartbeat monitor whose beats stop coming goes down, and so does one whose job says that it
    failed. Prints nothing when all is well, so that cron sends no mail.
    """
    from statustui.presenters.clock import iso
    from statustui.runtime.beating import beat as note

    if status is not None and exit_code is not None:
        raise console.UsageError(
            "--status and --exit-code say the same", advice="give one of the two"
        )
    is_ok = status is not Outcome.FAIL if exit_code is None else exit_code == 0
    if exit_code and not message:
        message = f"exit code {exit_code}"
    settings = console.settings_of(context).settings
    noted = console.run(note(settings, name, is_ok=is_ok, message=message))
    data = {
        "monitor": noted.monitor,
        "at": iso(noted.at),
        "status": Outcome.OK if noted.is_ok else Outcome.FAIL,
        "message": noted.message,
    }
    text = "" if is_ok else f"noted at {noted.at.astimezone(UTC):%H:%M:%SZ}: the job failed"
    console.emit(data, as_json=as_json, text=text)
