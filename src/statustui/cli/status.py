"""`statustui status`: the list of services in words, with a monitoring plugin's exit code."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.cli.columns import table
from statustui.cli.session import operator
from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.readmodels import Board
from statustui.domain.status import MonitorState, ServiceStatus
from statustui.presenters import board as arranged
from statustui.presenters import clock, operatorapi, plain
from statustui.presenters.why import why

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
_WORDS = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("status")(status)


def status(
    context: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", help="stay, and print one line for every change")
    ] = False,
    plain_form: Annotated[
        bool, typer.Option("--plain", help="sentences instead of columns")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print the services, the worst first.

    Ends with 0 when all is well or maintained, 1 when something is degraded, 2 for an outage, 3
    when nobody can tell: no check looks, or the database cannot be reached.
    """
    try:
        code = console.run(_status(context, watch=watch, plain_form=plain_form, as_json=as_json))
    except DatabaseUnavailable as error:
        console.report(error, as_json=as_json)
        code = UNKNOWN
    raise typer.Exit(code)


async def _status(context: typer.Context, *, watch: bool, plain_form: bool, as_json: bool) -> int:
    async with operator(context) as (store, organization):
        board = await store.load_board(organization.id)
    code = verdict(board)
    now = datetime.now(UTC)
    console.emit(
        _data(board, code),
        as_json=as_json,
        text="\n".join(plain.board_lines(board)) if plain_form else _columns(board, code, now),
    )
    if watch:
        await _follow(context)
    return code


async def _follow(context: typer.Context) -> None:
    from statustui.runtime.dashboard import follow

    async for line in follow(console.settings_of(context).settings):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def verdict(board: Board) -> int:
    """The exit code a monitoring system understands.

    Args:
        board: as read.

    Returns:
        0 to 3; the worst of all services, where "nobody can look" counts only when nothing is
        known to be broken.
    """
    statuses = [service.status for service in board.services]
    if any(s in (ServiceStatus.MAJOR_OUTAGE, ServiceStatus.PARTIAL_OUTAGE) for s in statuses):
        return CRITICAL
    if ServiceStatus.DEGRADED_PERFORMANCE in statuses:
        return WARNING
    if any(service.monitor_state is MonitorState.UNKNOWN for service in board.services):
        return UNKNOWN
    return OK


def _data(board: Board, code: int) -> dict[str, object]:
    return {
        "verdict": _WORDS[code].lower(),
        "organization": {"name": board.organization.name, "slug": board.organization.slug},
        "services": [operatorapi.service_document(service) for service in board.services],
        "open_incidents": [
            operatorapi.summary_document(each) for each in board.incidents if each.status.is_open
        ],
        "watch": operatorapi.watch_document(board.watch),
        "silenced": board.silenced,
        "read_at": clock.iso(board.read_at),
    }


def _columns(board: Board, code: int, now: datetime) -> str:
    view = arranged.arrange(board, now)
    counts = ", ".join(f"{number} {look.word}" for look, number in view.counts) or "no services"
    watched = "" if board.watch and board.watch.alive else " - no watch runs"
    lines = [f"{_WORDS[code]} - {board.organization.name}: {counts}{watched}"]
    rows = [
        (
            line.look.word,
            "  " * line.depth + line.service.name,
            clock.age(now - line.service.status_since),
            line.incident.code if line.incident else "-",
            why(line.service, line.cause_name, now, UTC).long,
        )
        for line in view.broken
    ]
    rows += [
        ("up", service.name, clock.age(now - service.status_since), "-", "")
        for service in view.healthy
    ]
    if rows:
        lines += ["", table(("STATE", "SERVICE", "SINCE", "INCIDENT", "WHY"), rows)]
    return "\n".join(lines)
