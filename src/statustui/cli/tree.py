"""The tree of commands: the program's own options, and which command is defined where."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from statustui import __version__
from statustui.cli import beat, console


def build(first: str = "") -> typer.Typer:
    """The tree of commands.

    Args:
        first: the first word that was given; for `beat`, which cron starts all day long, nothing
            else is loaded.

    Returns:
        The Typer application; without `first` it is whole, and documentation tests walk it.
    """
    app = typer.Typer(
        name="statustui",
        help="Watch services, carry incidents by keyboard, publish a status page. "
        "Without a command it opens the dashboard.",
        invoke_without_command=True,
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    if first == "beat":
        beat.register(app)
    else:
        _add_all(app)
    return app


def _add_all(app: typer.Typer) -> None:
    from statustui.cli import (
        apply,
        check,
        database,
        demo,
        doctor,
        incident,
        maintenance,
        mark,
        monitor,
        serve,
        service,
        status,
    )

    for module in (serve, demo, doctor, status, check, apply, mark, beat):
        module.register(app)
    app.add_typer(service.app, name="service")
    app.add_typer(monitor.app, name="monitor")
    app.add_typer(incident.app, name="incident")
    app.add_typer(maintenance.app, name="maintenance")
    database.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"statustui {__version__}\n")
        raise typer.Exit(0)


def _root(
    context: typer.Context,
    org: Annotated[
        str | None,
        typer.Option("--org", metavar="SLUG", help="the organization, for people in several"),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", metavar="URL", help="a shared PostgreSQL, postgresql://user@host/db"
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir", metavar="FOLDER", help="where the embedded database, drafts and logs are"
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="dashboard: nothing can be changed")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="dashboard: one line per change, no full screen")
    ] = False,
    no_watch: Annotated[
        bool, typer.Option("--no-watch", help="dashboard: start no watch when none is running")
    ] = False,
    open_incident: Annotated[
        str | None,
        typer.Option("--incident", metavar="CODE", help="dashboard: open this incident"),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print the version and end"
        ),
    ] = False,
) -> None:
    context.obj = {"org": org, "database_url": database_url, "data_dir": data_dir}
    if context.invoked_subcommand is None:
        from statustui.cli import dashboard

        dashboard.open_dashboard(
            console.settings_of(context).settings,
            read_only=read_only,
            plain=plain,
            no_watch=no_watch,
            incident=open_incident,
        )
