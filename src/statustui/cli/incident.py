"""`statustui incident …`: what went wrong and what was said about it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.cli.columns import table
from statustui.cli.service import status_named
from statustui.cli.session import operator
from statustui.domain.errors import Conflict, NotFound, ValidationFailed
from statustui.domain.posting import IncidentInput, PostReceipt, UpdateInput
from statustui.domain.readmodels import IncidentDetail, IncidentSummary
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.domain.text import nearest, parse_duration
from statustui.presenters import clock
from statustui.presenters.incident import still_failing
from statustui.presenters.operatorapi import incident_document

app = typer.Typer(
    help="What went wrong and what was said about it.", no_args_is_help=True, rich_markup_mode=None
)

_GRACE_SECONDS = 600
# Far above what a message may hold, so that an endless pipe is refused and not read for ever.
_MESSAGE_BYTES = 100_000

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="the incident's code, such as INC-4F2K")]
Message = Annotated[
    str,
    typer.Option(
        "--message",
        "-m",
        metavar="TEXT",
        help="Markdown, 1 to 5,000 characters; - reads standard input",
    ),
]
Delay = Annotated[
    str,
    typer.Option(
        "--delay",
        metavar="DURATION",
        help="how long the post can be taken back before it is public, at most 10m",
    ),
]
NextUpdate = Annotated[
    str | None,
    typer.Option(
        "--next-update",
        metavar="DURATION",
        help="promise the next update within this time, such as 30m",
    ),
]
StillWorks = Annotated[
    str | None,
    typer.Option("--still-works", metavar="TEXT", help="what customers can still do"),
]


@app.command("list")
def list_incidents(
    context: typer.Context,
    status: Annotated[
        IncidentStatus | None, typer.Option("--status", help="only in this stage")
    ] = None,
    impact: Annotated[Impact | None, typer.Option("--impact", help="only of this impact")] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", metavar="NAME", help="only those of this service"),
    ] = None,
    open_only: Annotated[bool, typer.Option("--open", help="none that are resolved")] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=500, help="how many at most")
    ] = 50,
    as_json: Json = False,
) -> None:
    """Incidents, newest first."""
    console.run(
        _list(
            context,
            status=status,
            impact=impact,
            service=service,
            open_only=open_only,
            limit=limit,
            as_json=as_json,
        )
    )


@app.command("show")
def show(context: typer.Context, code: Code, as_json: Json = False) -> None:
    """One incident with everything that was said."""
    console.run(_show(context, code, as_json=as_json))


@app.command("add")
def add(
    context: typer.Context,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="what the public reads")],
    message: Message,
    impact: Annotated[Impact, typer.Option("--impact", help="how much it hurts")] = Impact.MINOR,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            metavar="NAME[=STATUS]",
            help="a service it concerns, and what it should show (by default what the impact "
            "says); may be repeated",
        ),
    ] = None,
    status: Annotated[
        IncidentStatus, typer.Option("--status", help="the stage it begins in")
    ] = IncidentStatus.INVESTIGATING,
    internal: Annotated[
        bool, typer.Option("--internal", help="stays in the house until it is published")
    ] = False,
    internal_title: Annotated[
        str, typer.Option("--internal-title", metavar="TEXT", help="what operators call it")
    ] = "",
    next_update: NextUpdate = None,
    still_works: StillWorks = None,
    delay: Delay = "0s",
    as_json: Json = False,
) -> None:
    """Open an incident."""
    console.run(
        _add(
            context,
            IncidentInput(
                title=title,
                impact=impact,
                message=_message(message),
                status=status,
                is_public=not internal,
                internal_title=internal_title,
                next_update_by=_promised(next_update),
                still_works=still_works,
            ),
            tuple(service or ()),
            delay=_grace(delay),
            as_json=as_json,
        )
    )


@app.command("update")
def update(
    context: typer.Context,
    code: Code,
    message: Message,
    status: Annotated[
        IncidentStatus | None,
        typer.Option("--status", help="the stage it moves to; by default it stays"),
    ] = None,
    note: Annotated[
        bool, typer.Option("--note", help="an internal note, which the public never sees")
    ] = False,
    next_update: NextUpdate = None,
    still_works: StillWorks = None,
    delay: Delay = "0s",
    force: Annotated[
        bool, typer.Option("--force", help="resolve although checks still fail")
    ] = False,
    as_json: Json = False,
) -> None:
    """Post to an incident."""
    if note and status is not None:
        raise console.UsageError("a note moves nothing: leave out --status or --note")
    console.run(
        _post(
            context,
            code,
            UpdateInput(
                status=status,
                message=_message(message),
                is_public=not note,
                next_update_by=_promised(next_update),
                still_works=still_works,
            ),
            delay=_grace(delay),
            force=force,
            as_json=as_json,
        )
    )


@app.command("resolve")
def resolve(
    context: typer.Context,
    code: Code,
    message: Message,
    delay: Delay = "0s",
    force: Annotated[
        bool, typer.Option("--force", help="also while its checks still fail")
    ] = False,
    as_json: Json = False,
) -> None:
    """Resolve an incident; that is final."""
    given = UpdateInput(status=IncidentStatus.RESOLVED, message=_message(message))
    console.run(_post(context, code, given, delay=_grace(delay), force=force, as_json=as_json))


@app.command("ack")
def acknowledge(
    context: typer.Context,
    code: Code,
    length: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="how long; by default the organization's time"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Acknowledge an incident, and lead it if nobody does."""
    console.run(
        _acknowledge(
            context,
            code,
            None if length is None else max(1, round(_seconds(length) / 60)),
            as_json=as_json,
        )
    )


@app.command("hold")
def hold(
    context: typer.Context,
    code: Code,
    release: Annotated[bool, typer.Option("--release", help="let the words go again")] = False,
    as_json: Json = False,
) -> None:
    """Hold a guarded incident's draft until a person posts."""
    console.run(_hold(context, code, hold=not release, as_json=as_json))


@app.command("publish")
def publish(context: typer.Context, code: Code, as_json: Json = False) -> None:
    """Publish an internal incident, with its draft if any."""
    console.run(_publish(context, code, as_json=as_json))


def _message(given: str) -> str:
    if given != "-":
        return given
    # Whatever is piped in: bytes that are no text are shown as such and never end the program.
    return sys.stdin.buffer.read(_MESSAGE_BYTES).decode("utf-8", "replace")


def _seconds(given: str) -> float:
    return parse_duration(given).total_seconds()


def _grace(given: str) -> float:
    # A post that waits keeps everybody else's back: nobody may hold an incident for longer.
    seconds = _seconds(given)
    if seconds > _GRACE_SECONDS:
        raise ValidationFailed(
            f"--delay {given} is longer than 10m", advice="give at most 10m, or post later"
        )
    return seconds


def _promised(given: str | None) -> datetime | None:
    if given is None:
        return None
    length = parse_duration(given)
    if not length:
        raise ValidationFailed("the next update is promised for a time to come, such as 30m")
    return datetime.now(UTC) + length


async def _list(
    context: typer.Context,
    *,
    status: IncidentStatus | None,
    impact: Impact | None,
    service: str | None,
    open_only: bool,
    limit: int,
    as_json: bool,
) -> None:
    async with operator(context) as (store, organization):
        wanted = None
        if service is not None:
            wanted = (await store.find_service(organization.id, service)).id
        found = await store.load_incidents(
            organization.id,
            status=status,
            impact=impact,
            service_id=wanted,
            open_only=open_only,
            limit=limit,
        )
        data = []
        if as_json:
            data = [
                incident_document(await store.load_incident(organization.id, each.code))
                for each in found
            ]
    now = datetime.now(UTC)
    console.emit(
        data,
        as_json=as_json,
        text=table(
            ("CODE", "STATUS", "IMPACT", "STARTED", "TITLE"), [_row(each, now) for each in found]
        )
        if found
        else "no incidents",
    )


def _row(incident: IncidentSummary, now: datetime) -> tuple[str, ...]:
    return (
        incident.code,
        incident.status.value,
        incident.impact.value,
        clock.moment(incident.started_at, now, UTC) + "Z",
        incident.internal_or_title + ("" if incident.is_public else "  (internal)"),
    )


async def _show(context: typer.Context, code: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        detail = await store.load_incident(organization.id, code)
    console.emit(incident_document(detail), as_json=as_json, text=_text(detail))


def _text(detail: IncidentDetail) -> str:
    incident, now = detail.summary, datetime.now(UTC)

    def at(moment: datetime) -> str:
        return clock.moment(moment, now, UTC) + "Z"

    lines = [
        f"{incident.code}  {incident.status.value}  {incident.impact.value}"
        + ("" if incident.is_public else "  internal"),
        f"title     {incident.title}",
    ]
    if incident.internal_title:
        lines.append(f"internal  {incident.internal_title}")
    lines.append(f"started   {at(incident.started_at)}")
    if incident.resolved_at is not None:
        lines.append(
            f"resolved  {at(incident.resolved_at)}, "
            f"after {clock.span(incident.resolved_at - incident.started_at)}"
        )
    if incident.draft is not None:
        lines += [f"draft     {line}" for line in incident.draft.splitlines()]
        lines.append(f"          {_draft(incident, now)}")
    if incident.lead:
        lines.append(f"lead      {incident.lead}")
    if incident.services:
        named = ", ".join(f"{each.name} ({each.status.value})" for each in incident.services)
        lines.append(f"services  {named}")
    for each in sorted(detail.updates, key=lambda update: update.created_at):
        door = "" if each.is_public else ", internal"
        lines += [
            "",
            (
                f"{at(each.created_at)}  {each.status.value}, "
                f"{each.author or 'detected automatically'}{door}"
            ),
        ]
        lines += [f"  {line}" for line in each.message.splitlines()]
    return "\n".join(lines)


async def _add(
    context: typer.Context,
    given: IncidentInput,
    named: tuple[str, ...],
    *,
    delay: float,
    as_json: bool,
) -> None:
    from dataclasses import replace

    async with operator(context) as (store, organization):
        services = []
        for text in named:
            name, asked = _asked(text)
            try:
                found = await store.find_service(organization.id, name)
            except NotFound:
                if asked is None:
                    raise
                # A service's own name may have an equals sign in it.
                found, asked = await store.find_service(organization.id, text), None
            services.append((found.id, asked))
        receipt = await store.create_incident(
            organization.id, replace(given, services=tuple(services)), delay_seconds=delay
        )
        detail = await store.load_incident(organization.id, receipt.code)
    console.emit(
        incident_document(detail),
        as_json=as_json,
        text=f"opened {receipt.code}"
        + _when(receipt, detail.summary)
        + (
            ": it concerns no service that the public sees"
            if given.is_public and not detail.summary.is_public
            else ""
        ),
    )


def _asked(text: str) -> tuple[str, ServiceStatus | None]:
    name, separator, status = text.rpartition("=")
    if not separator:
        return text, None
    if nearest(status, [each.value for each in ServiceStatus]) is None:
        return text, None
    return name, status_named(status)


async def _post(
    context: typer.Context,
    code: str,
    given: UpdateInput,
    *,
    delay: float,
    force: bool,
    as_json: bool,
) -> None:
    async with operator(context) as (store, organization):
        if given.status is IncidentStatus.RESOLVED and not force:
            incident = await store.find_incident(organization.id, code)
            services = await store.load_services(organization.id)
            words, failing = still_failing(incident, services, datetime.now(UTC))
            if failing and incident.status.is_open:
                raise Conflict(
                    f"{incident.code} is not resolved: {words}",
                    advice="add --force to resolve it all the same",
                )
        receipt = await store.post_update(organization.id, code, given, public_delay_seconds=delay)
        detail = await store.load_incident(organization.id, receipt.code)
    console.emit(
        incident_document(detail),
        as_json=as_json,
        text=f"posted to {receipt.code}" + _when(receipt, detail.summary),
    )


def _when(receipt: PostReceipt, incident: IncidentSummary) -> str:
    if receipt.is_waiting and receipt.public_at is not None:
        return f", public at {receipt.public_at.astimezone(UTC):%H:%M:%SZ}"
    if not incident.is_public:
        return ", internal"
    return "" if receipt.public_at is None else ", public now"


async def _acknowledge(
    context: typer.Context, code: str, minutes: int | None, *, as_json: bool
) -> None:
    async with operator(context) as (store, organization):
        until = await store.acknowledge(organization.id, code, minutes)
        detail = await store.load_incident(organization.id, code)
    console.emit(
        incident_document(detail),
        as_json=as_json,
        text=f"{detail.summary.code} is acknowledged until {until.astimezone(UTC):%H:%MZ}",
    )


async def _hold(context: typer.Context, code: str, *, hold: bool, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        await store.hold_incident(organization.id, code, hold=hold)
        detail = await store.load_incident(organization.id, code)
    console.emit(
        incident_document(detail),
        as_json=as_json,
        text=f"{detail.summary.code}: {_draft(detail.summary, datetime.now(UTC))}",
    )


def _draft(incident: IncidentSummary, now: datetime) -> str:
    """What becomes of the words that wait."""
    if incident.held_by is not None:
        return f"the draft is held by {incident.held_by}; nothing is posted until a person does"
    due = incident.draft_due_at or now
    return f"without a person the approved sentence is posted at {clock.moment(due, now, UTC)}Z"


async def _publish(context: typer.Context, code: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        await store.publish_incident(organization.id, code)
        detail = await store.load_incident(organization.id, code)
    console.emit(
        incident_document(detail), as_json=as_json, text=f"{detail.summary.code} is public"
    )
