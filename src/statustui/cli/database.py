"""`statustui init` and `statustui db …`: bring a database to the schema this version needs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.domain.errors import ValidationFailed
from statustui.domain.text import shorten

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


@app.command("rollup")
def rollup(
    context: typer.Context,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="rewrite what differs; without it, only compare")
    ] = False,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="first UTC day, YYYY-MM-DD")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="last UTC day, today by default")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only compare")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Compare figures with raw checks, or make them anew.

    Days whose raw checks are no longer all there stay as they are. For owners; a watch may go on
    meanwhile.
    """
    from statustui.runtime import figures

    begin, end = _day("--from", first), _day("--to", last)
    settings = console.settings_of(context).settings
    report = console.run(
        figures.rebuild_rollups(settings, begin, end, dry_run=dry_run or not rebuild)
    )
    console.emit(report.as_data(), as_json=as_json, text=report.as_text())


@app.command("prune")
def prune(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Let go of raw checks and figures that are too old."""
    from statustui.runtime import figures

    settings = console.settings_of(context).settings
    report = console.run(figures.prune(settings, dry_run=dry_run))
    console.emit(report.as_data(), as_json=as_json, text=report.as_text())


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValidationFailed(
            f'{option}: "{shorten(text, 40)}" is no day', advice="write it as 2027-01-31"
        ) from None
