"""`statustui mark TEXT`: note that something changed, from a deploy script or by hand."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from statustui.cli import console
from statustui.cli.session import operator
from statustui.presenters.clock import iso


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("mark")(mark)


def mark(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help='what changed, such as "api 1.42"')],
    service: Annotated[
        list[str] | None,
        typer.Option("--service", metavar="NAME", help="a service it concerns; may be repeated"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="TEXT", help="who says so, such as a pipeline's name"),
    ] = None,
    link: Annotated[
        str | None, typer.Option("--link", metavar="URL", help="where to read more")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Note that something changed, such as a deployment.

    It is shown in timelines and charts.
    """
    console.run(_mark(context, text, tuple(service or ()), source, link, as_json=as_json))


async def _mark(
    context: typer.Context,
    text: str,
    named: tuple[str, ...],
    source: str | None,
    link: str | None,
    *,
    as_json: bool,
) -> None:
    async with operator(context) as (store, organization):
        services = [(await store.find_service(organization.id, name)).id for name in named]
        made = await store.add_mark(
            organization.id, text, services=services, source=source, link=link
        )
    console.emit(
        {
            "id": str(made.id),
            "at": iso(made.at),
            "text": made.text,
            "source": made.source,
            "link": made.link,
            "services": list(made.services),
            "author": made.author,
        },
        as_json=as_json,
        text=f"noted at {made.at.astimezone(UTC):%H:%M:%SZ}: {made.text}",
    )
