"""`statustui maintenance …`: announced work, once or recurring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from statustui.cli import console
from statustui.cli.columns import table
from statustui.cli.session import operator
from statustui.domain.configuration_writing import maintenance_to_mapping
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import require_valid
from statustui.domain.maintenance_config import (
    MaintenanceConfig,
    MaintenanceDetail,
    read_maintenance,
    read_start,
    zone_of,
)
from statustui.domain.readmodels import MaintenanceRow, Organization
from statustui.domain.text import format_duration
from statustui.presenters import clock
from statustui.presenters.operatorapi import maintenance_document, window_document

if TYPE_CHECKING:
    from statustui.store.operator import OperatorStore

app = typer.Typer(
    help="Announced work, once or recurring.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Name = Annotated[str, typer.Argument(metavar="TITLE", help="title or id of the window")]
Starts = Annotated[
    str | None,
    typer.Option(
        "--starts",
        metavar="TIME",
        help="such as 2027-01-03T02:00, in the organization's zone, or with Z or an offset",
    ),
]
Ends = Annotated[
    str | None,
    typer.Option("--ends", metavar="TIME", help="when it ends, written like the start"),
]
Duration = Annotated[
    str | None, typer.Option("--duration", metavar="DURATION", help="how long, such as 90m")
]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="a service it concerns; may be repeated"),
]
Recurrence = Annotated[
    str | None,
    typer.Option(
        "--recurrence",
        metavar="RULE",
        help="a rule of RFC 5545 in the organization's zone, such as FREQ=WEEKLY;BYDAY=SU",
    ),
]
Exceptions = Annotated[
    list[str] | None,
    typer.Option(
        "--except",
        metavar="TIME",
        help="a start of the rule that does not take place; may be repeated",
    ),
]
Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="what the public reads about it")
]


@app.command("list")
def list_windows(context: typer.Context, as_json: Json = False) -> None:
    """What runs or is ahead, and what ended within the last week."""
    console.run(_list(context, as_json=as_json))


@app.command("show")
def show(context: typer.Context, title: Name, as_json: Json = False) -> None:
    """One window that runs or is ahead, with what was said about it."""
    console.run(_show(context, title, as_json=as_json))


@app.command("add")
def add(
    context: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="what the public reads")],
    starts: Starts = None,
    ends: Ends = None,
    duration: Duration = None,
    service: Services = None,
    recurrence: Recurrence = None,
    exceptions: Exceptions = None,
    description: Description = None,
    internal: Annotated[bool, typer.Option("--internal", help="the public never sees it")] = False,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="it neither begins nor ends by itself, and sets no status"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Announce a window; it begins and ends by itself."""
    if starts is None:
        raise console.UsageError("say when it starts: --starts 2027-01-03T02:00")
    given: dict[str, object] = {
        "title": title,
        "starts": starts,
        "duration": duration,
        "recurrence": recurrence,
        "exceptions": list(exceptions or ()),
        "description": description,
        "services": list(service or ()),
        "public": not internal,
        "auto_update": not by_hand,
    }
    console.run(_add(context, given, ends, as_json=as_json))


@app.command("edit")
def edit(
    context: typer.Context,
    name: Name,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="another title")
    ] = None,
    starts: Starts = None,
    ends: Ends = None,
    duration: Duration = None,
    service: Services = None,
    recurrence: Recurrence = None,
    exceptions: Exceptions = None,
    description: Description = None,
    public: Annotated[
        bool | None, typer.Option("--public/--internal", help="whether the public sees it")
    ] = None,
    by_hand: Annotated[
        bool | None, typer.Option("--by-hand/--by-itself", help="whether it begins and ends so")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change what is given.

    Services and exceptions replace what was there; --recurrence "" makes it happen once.
    """
    changes: dict[str, object] = {
        "title": title,
        "starts": starts,
        "duration": duration,
        "recurrence": recurrence,
        "exceptions": exceptions,
        "description": description,
        "services": service,
        "public": public,
        "auto_update": None if by_hand is None else not by_hand,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    if recurrence == "":
        given["exceptions"] = []
    console.run(_edit(context, name, given, ends, as_json=as_json))


@app.command("cancel")
def cancel(
    context: typer.Context,
    title: Name,
    once: Annotated[
        bool, typer.Option("--once", help="only this occurrence; the next takes place")
    ] = False,
    as_json: Json = False,
) -> None:
    """Cancel a window, with all that would recur."""
    console.run(_cancel(context, title, once=once, as_json=as_json))


def _zone(organization: Organization) -> ZoneInfo:
    return zone_of(organization.timezone) or ZoneInfo("UTC")


def _with_length(
    given: Mapping[str, object], ends: str | None, zone: ZoneInfo
) -> dict[str, object]:
    """What was given, with the duration that an end means."""
    if ends is None:
        return dict(given)
    if given.get("duration") is not None:
        raise console.UsageError("give --ends or --duration, not both")
    length = read_start(ends, zone) - read_start(str(given["starts"]), zone)
    if length <= timedelta(0):
        raise ValidationFailed("it ends before it starts")
    return {**given, "duration": format_duration(length)}


def _read(given: Mapping[str, object], zone: ZoneInfo) -> MaintenanceConfig:
    problems: list[Problem] = []
    present = {key: value for key, value in given.items() if value not in (None, "", [])}
    window = read_maintenance(present, problems, (), zone)
    require_valid(problems, "the maintenance")
    return window


async def _ids(
    store: OperatorStore, organization: Organization, window: MaintenanceConfig
) -> list[UUID]:
    return [(await store.find_service(organization.id, name)).id for name in window.services]


async def _list(context: typer.Context, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        found = await store.load_maintenance(organization.id)
    now = datetime.now(UTC)
    console.emit(
        [window_document(window) for window in found],
        as_json=as_json,
        text=table(
            ("STATUS", "STARTS", "ENDS", "TITLE", "SERVICES"),
            [_row(window, now, _zone(organization)) for window in found],
        )
        if found
        else "no maintenance",
    )


def _row(window: MaintenanceRow, now: datetime, zone: tzinfo) -> tuple[str, ...]:
    return (
        window.status.value,
        clock.moment(window.starts_at, now, zone),
        clock.moment(window.ends_at, now, zone),
        window.title + ("" if window.recurrence_rule is None else "  (recurs)"),
        ", ".join(window.services) or "-",
    )


def _text(window: MaintenanceDetail, zone: tzinfo) -> str:
    now, config = datetime.now(UTC), window.config

    def at(moment: datetime) -> str:
        return clock.moment(moment, now, zone)

    length = timedelta(seconds=config.duration_seconds)
    lines = [
        f"{config.title}  {window.status.value}" + ("" if config.is_public else "  internal"),
        f"id          {window.id}",
        f"from        {at(config.starts_at)} to {at(config.starts_at + length)}, {zone}",
    ]
    if config.recurrence is not None:
        lines.append(f"recurs      {config.recurrence}")
    if config.exceptions:
        lines.append(f"except      {', '.join(map(at, config.exceptions))}")
    lines.append(f"services    {', '.join(config.services) or 'none'}")
    if not config.auto_update:
        lines.append("by hand     it begins, ends and sets a status only when a person does that")
    if config.description:
        lines += ["", config.description]
    for update in window.updates:
        lines += ["", f"{at(update.created_at)}  {update.status.value}, {update.author or 'watch'}"]
        lines += [f"  {line}" for line in update.message.splitlines()]
    return "\n".join(lines)


async def _show(context: typer.Context, title: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        window = await store.find_maintenance(organization.id, title)
    console.emit(
        maintenance_document(window), as_json=as_json, text=_text(window, _zone(organization))
    )


async def _add(
    context: typer.Context, given: Mapping[str, object], ends: str | None, *, as_json: bool
) -> None:
    async with operator(context) as (store, organization):
        zone = _zone(organization)
        wanted = _read(_with_length(given, ends, zone), zone)
        services = await _ids(store, organization, wanted)
        made = await store.add_maintenance(organization.id, wanted, services, zone)
        window = await store.find_maintenance(organization.id, str(made))
    console.emit(maintenance_document(window), as_json=as_json, text=_text(window, zone))


async def _edit(
    context: typer.Context,
    name: str,
    changes: Mapping[str, object],
    ends: str | None,
    *,
    as_json: bool,
) -> None:
    async with operator(context) as (store, organization):
        zone = _zone(organization)
        found = await store.find_maintenance(organization.id, name)
        given = {**maintenance_to_mapping(found.config, zone), **changes}
        if ends is not None and "duration" not in changes:
            given["duration"] = None
        wanted = _read(_with_length(given, ends, zone), zone)
        services = await _ids(store, organization, wanted)
        await store.edit_maintenance(organization.id, found.id, wanted, services, zone)
        window = await store.find_maintenance(organization.id, str(found.id))
    console.emit(maintenance_document(window), as_json=as_json, text=_text(window, zone))


async def _cancel(context: typer.Context, title: str, *, once: bool, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        zone = _zone(organization)
        window = await store.cancel_maintenance(organization.id, title, once=once, zone=zone)
    start = clock.moment(window.config.starts_at, datetime.now(UTC), zone)
    console.emit(
        maintenance_document(window),
        as_json=as_json,
        text=f"cancelled {window.config.title}" + (f" of {start}" if once else ""),
    )
