"""`statustui init` and `statustui db …`: bring a database to the schema this version needs."""

from __future__ import annotations

from typing import Annotated

import typer

from statustui.cli import console

app = typer.Typer(
    help="Where the database is, and its tables.", no_args_is_help=True, rich_markup_mode=None
)


def register(root: typer.Typer) -> None:
    """Add the commands to the tree."""
    root.command("init")(init)
    root.add_typer(app, name="db")


def init(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="create this organization too"),
    ] = None,
    slug: Annotated[
        str | None,
        typer.Option(
            "--slug", metavar="SLUG", help="its short name; made from the name by default"
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="its time zone, by IANA name")
    ] = "UTC",
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", help="ask nothing, which is how it always is")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Prepare the database: roles, tables, rights; safe to repeat."""
    from statustui.runtime import database

    settings = console.settings_of(context).settings
    report = console.run(database.initialise(settings, name=name, slug=slug, timezone=timezone))
    console.emit(report.as_data(), as_json=as_json, text=report.as_text())


@app.command("migrate")
def migrate(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Apply the migrations that are missing."""
    from statustui.runtime import database

    settings = console.settings_of(context).settings
    report = console.run(database.initialise(settings, name=None, slug=None, timezone="UTC"))
    console.emit(report.as_data(), as_json=as_json, text=report.as_text())


@app.command("status")
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show where the database is and which migrations it has."""
    from statustui.runtime import database

    settings = console.settings_of(context).settings
    report = console.run(database.database_report(settings))
    console.emit(report.as_data(), as_json=as_json, text=report.as_text())
