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
            help="https://host/path, tcp://host:port, dns://resolver/name, ping://host, "
            "or the name of a monitor"
        ),
    ],
    timeout: Annotated[str, typer.Option("--timeout", help="deadline over the whole look")] = "10s",
    condition: Annotated[
        list[str] | None,
        typer.Option("--condition", help="what must hold, as in a monitor; may be repeated"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Look once, now, from here; nothing is stored. Ends with 0 when the target is well, else 1."""
    from statustui.presenters.look import check_lines
    from statustui.runtime import looking

    settings = console.settings_of(context).settings
    spec = looking.target_spec(target, timeout=timeout, conditions=tuple(condition or ()))
    if spec is None:
        spec = console.run(looking.monitor_spec(settings, target))
    now = datetime.now(UTC)
    observation, result = console.run(looking.look_once(spec, at=now))
    data = looking.look_as_data(spec, observation, result)
    lines = check_lines(spec, observation, result, now)
    console.emit(data, as_json=as_json, text="\n".join(lines))
    well = result.status in (CheckStatus.SUCCESS, CheckStatus.DEGRADED)
    raise typer.Exit(0 if well else 1)
