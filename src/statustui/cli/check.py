"""`statustui check TARGET`: one look at a target, with how long each part of it took."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.domain.status import CheckStatus


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("check")(check)


def check(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="https://host/path, tcp://host:port, tls://host:port, ping://host, "
            "tls://host:25?starttls=smtp, dns://resolver/name?type=MX, "
            "postgresql://user@host/database, or a monitor's name",
        ),
    ],
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="DURATION",
            help="deadline over the whole look, 1s to 30s; 10s, or what the monitor says",
        ),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="CONDITION",
            help='what must hold too, such as "[STATUS] == 200"; may be repeated',
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Look once, now, from here; nothing is stored.

    Ends with 0 when the target is well, else 1.
    """
    from statustui.presenters.look import check_lines
    from statustui.runtime import looking

    settings = console.settings_of(context).settings
    conditions = tuple(condition or ())
    spec = looking.target_spec(target, timeout=timeout or "10s", conditions=conditions)
    beats = None
    if spec is None:
        stored, beats = console.run(looking.stored_monitor(settings, target))
        spec = looking.changed(stored, timeout=timeout, conditions=conditions)
    now = datetime.now(UTC)
    observation, result = console.run(looking.look_once(spec, settings, at=now, beats=beats))
    data = looking.look_as_data(spec, observation, result)
    lines = check_lines(spec, observation, result, now)
    console.emit(data, as_json=as_json, text="\n".join(lines))
    well = result.status in (CheckStatus.SUCCESS, CheckStatus.DEGRADED)
    raise typer.Exit(0 if well else 1)
