"""`statustui service …`: what the public knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.cli.columns import table
from statustui.cli.session import operator
from statustui.domain.errors import ValidationFailed
from statustui.domain.readmodels import ServiceRow
from statustui.domain.status import ServiceStatus
from statustui.domain.text import nearest, shorten
from statustui.presenters.clock import age
from statustui.presenters.operatorapi import monitor_document, service_document
from statustui.presenters.why import why
from statustui.presenters.windows import WINDOWS, window_document, window_line

app = typer.Typer(
    help="What the public knows: list, add, pin.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="name or id of the service")]


@app.command("list")
def list_services(context: typer.Context, as_json: Json = False) -> None:
    """Every service with its status."""
    console.run(_list(context, as_json=as_json))


@app.command("show")
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """One service: monitors, dependencies, uptime, latencies."""
    console.run(_show(context, name, as_json=as_json))


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="unique in the organization")],
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="the group it is listed in")
    ] = None,
    description: Annotated[
        str | None,
        typer.Option("--description", metavar="TEXT", help="one line for the public"),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="the public never sees it")] = False,
    depends_on: Annotated[
        list[str] | None,
        typer.Option("--depends-on", metavar="NAME", help="a service it needs; may be repeated"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a service."""
    console.run(
        _add(
            context,
            name,
            group=group,
            description=description,
            hidden=hidden,
            depends_on=tuple(depends_on or ()),
            as_json=as_json,
        )
    )


@app.command("pin")
def pin(
    context: typer.Context,
    name: Name,
    status: Annotated[
        str,
        typer.Argument(
            metavar="STATUS",
            help="major_outage, partial_outage, degraded_performance, under_maintenance or "
            "operational",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Set a status by hand.

    It holds over monitors, incidents and maintenance until it is unpinned.
    """
    console.run(_pin(context, name, status_named(status), as_json=as_json))


def status_named(word: str) -> ServiceStatus:
    """The status that a word of the command line names.

    Raises:
        ValidationFailed: there is none of that name.
    """
    try:
        return ServiceStatus(word)
    except ValueError:
        known = [each.value for each in ServiceStatus]
        near = nearest(word, known)
        raise ValidationFailed(
            f'no status "{shorten(word, 60)}"',
            advice=f"did you mean {near}?" if near else f"known are {', '.join(known)}",
        ) from None


@app.command("unpin")
def unpin(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let monitors, incidents and maintenance speak again."""
    console.run(_pin(context, name, None, as_json=as_json))


async def _list(context: typer.Context, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        services = await store.load_services(organization.id)
    now = datetime.now(UTC)
    console.emit(
        [service_document(service) for service in services],
        as_json=as_json,
        text=table(
            ("STATUS", "SERVICE", "GROUP", "SINCE", "WHY"),
            [_row(service, now) for service in services],
        )
        if services
        else "no services; `statustui apply FILE` or `statustui service add NAME` creates one",
    )


def _row(service: ServiceRow, now: datetime) -> tuple[str, ...]:
    hidden = "" if service.is_visible else " (hidden)"
    return (
        service.status.value,
        service.name + hidden,
        service.group_name or "-",
        age(now - service.status_since),
        why(service, "", now, UTC).long,
    )


async def _show(context: typer.Context, name: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        service = await store.find_service(organization.id, name)
        now = await store.load_service_now(organization.id, service.id)
        at = datetime.now(UTC)
        windows = [
            (name, await store.load_window(organization.id, at - length, at, [service.id]))
            for name, length in WINDOWS
        ]
    data = service_document(now.service)
    data["windows"] = [window_document(name, found.get(service.id)) for name, found in windows]
    data["monitors"] = [monitor_document(look.monitor) for look in now.looks]
    lines = [
        (
            f"{now.service.name}  {now.service.status.value} since "
            f"{now.service.status_since.astimezone(UTC):%F %TZ}"
        ),
        f"public    {now.service.public_status.value}"
        + ("" if now.service.is_visible else ", hidden from every page"),
    ]
    if now.service.description:
        lines.append(f"about     {now.service.description}")
    if now.depends_on:
        lines.append("needs     " + ", ".join(each.name for each in now.depends_on))
    if now.needed_by:
        lines.append("needed by " + ", ".join(each.name for each in now.needed_by))
    lines += [
        f"monitor   {look.monitor.name}: {look.monitor.state.value}, {look.monitor.target}"
        + (f", {look.reason}" if look.reason else "")
        for look in now.looks
    ]
    lines += [f"over      {window_line(name, found.get(service.id))}" for name, found in windows]
    console.emit(data, as_json=as_json, text="\n".join(lines))


async def _add(
    context: typer.Context,
    name: str,
    *,
    group: str | None,
    description: str | None,
    hidden: bool,
    depends_on: tuple[str, ...],
    as_json: bool,
) -> None:
    async with operator(context) as (store, organization):
        found = [(await store.find_service(organization.id, each)).id for each in depends_on]
        needed = list(dict.fromkeys(found))
        made = await store.add_service(
            organization.id,
            name,
            group_name=group,
            description=description,
            is_visible=not hidden,
            depends_on=needed,
        )
        service = await store.find_service(organization.id, str(made))
    console.emit(service_document(service), as_json=as_json, text=f"created {service.name}")


async def _pin(
    context: typer.Context, name: str, status: ServiceStatus | None, *, as_json: bool
) -> None:
    async with operator(context) as (store, organization):
        service = await store.find_service(organization.id, name)
        if status is None:
            await store.unpin_service(organization.id, service.id)
        else:
            await store.pin_service(organization.id, service.id, status)
        service = await store.find_service(organization.id, str(service.id))
    console.emit(
        service_document(service),
        as_json=as_json,
        text=f"{service.name} is {service.status.value}"
        + (", set by hand" if service.pinned_status else ""),
    )
