"""`statustui apply FILE` and `statustui export`: the whole configuration as one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from statustui.cli import console

if TYPE_CHECKING:
    from statustui.domain.configuration import Configuration, ConfigurationChange
    from statustui.settings import Settings

_SIGNS = {"create": "+", "update": "~", "remove": "-"}


def register(root: typer.Typer) -> None:
    """Add the commands to the tree."""
    root.command("apply")(apply)
    root.command("export")(export)


def apply(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="YAML; - reads standard input")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would change")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="also remove services, monitors, pages and maintenance not in the file"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Make the database hold what a file says, whole or not at all."""
    from statustui.cli.configuration_file import read_file

    settings = console.settings_of(context).settings
    given = read_file(file)
    wanted = given.configuration
    slug = wanted.organization.slug
    if settings.org is not None and settings.org != slug:
        raise console.UsageError(
            f"--org names {settings.org}, the file {slug}",
            advice="leave out --org and STATUSTUI_ORG, or correct the file",
        )
    with given.locating():
        changes = console.run(_apply(settings, wanted, dry_run=dry_run, prune=prune))
    data = {
        "organization": slug,
        "dry_run": dry_run,
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "name": change.name,
                "details": list(change.details),
            }
            for change in changes
        ],
    }
    console.emit(data, as_json=as_json, text=_as_text(changes, dry_run=dry_run))


async def _apply(
    settings: Settings, wanted: Configuration, *, dry_run: bool, prune: bool
) -> tuple[ConfigurationChange, ...]:
    from statustui.runtime.database import open_database, operator_store

    async with open_database(settings) as database, operator_store(database) as store:
        return await store.apply_configuration(wanted, dry_run=dry_run, prune=prune)


def _as_text(changes: Sequence[ConfigurationChange], *, dry_run: bool) -> str:
    if not changes:
        return "nothing to change"
    lines: list[str] = []
    for change in changes:
        lines.append(f"{_SIGNS[change.action]} {change.kind} {change.name}")
        lines += [f"    {detail}" for detail in change.details]
    count = f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
    lines.append(f"would make {count}; nothing was written" if dry_run else f"made {count}")
    return "\n".join(lines)


def export(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print the configuration as the file that `apply` reads.

    What monitors keep secret, such as passwords and tokens, stands in it as it is.
    """
    from statustui.cli.configuration_file import write_text
    from statustui.domain.configuration_writing import configuration_to_mapping

    settings = console.settings_of(context).settings
    configuration = console.run(_export(settings))
    data = configuration_to_mapping(configuration)
    console.emit(data, as_json=as_json, text="" if as_json else write_text(configuration))


async def _export(settings: Settings) -> Configuration:
    from statustui.runtime.database import operator_session

    async with operator_session(settings) as (store, organization):
        return await store.load_configuration(organization.id)
