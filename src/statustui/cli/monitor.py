"""`statustui monitor …`: how services are watched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from statustui.cli import console
from statustui.cli.columns import table
from statustui.cli.session import operator
from statustui.domain.monitor import parse_monitor
from statustui.domain.status import MonitorType
from statustui.domain.text import parse_duration
from statustui.presenters.evidence import evidence_document, evidence_text
from statustui.presenters.operatorapi import monitor_document

app = typer.Typer(
    help="How services are watched: list, add, run, pause.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Service/monitor, the monitor's name, or its id")
]


@app.command("list")
def list_monitors(context: typer.Context, as_json: Json = False) -> None:
    """Every monitor with what it says now."""
    console.run(_list(context, as_json=as_json))


@app.command("show")
def show(
    context: typer.Context,
    name: Name,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence",
            help="what the first failure of the newest outage saw, and what had changed by then",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """One monitor: what it does and what it saw last."""
    if evidence:
        console.run(_show_evidence(context, name, as_json=as_json))
    else:
        console.run(_show(context, name, as_json=as_json))


@app.command("add")
def add(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="its name or id")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="unique in the service")],
    kind: Annotated[MonitorType, typer.Option("--type", help="how it looks")],
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="one key of its config, such as url=https://host/health; may be repeated",
        ),
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="DURATION", help="time between two looks")
    ] = "60s",
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="DURATION",
            help="deadline over one look; by default 10s, or the interval less a second",
        ),
    ] = None,
    failure_threshold: Annotated[
        int | None,
        typer.Option(
            "--failure-threshold", metavar="N", help="failed looks in a row that mean down; 3"
        ),
    ] = None,
    recovery_threshold: Annotated[
        int | None,
        typer.Option(
            "--recovery-threshold", metavar="N", help="good looks in a row that mean up; 1"
        ),
    ] = None,
    degraded_after: Annotated[
        str | None,
        typer.Option("--degraded-after", metavar="DURATION", help="slower than this is degraded"),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="CONDITION",
            help='what must hold, such as "[STATUS] == 200"; may be repeated',
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a monitor; the watch looks within a second."""
    wanted: dict[str, object] = {
        "name": name,
        "type": kind.value,
        "interval": interval,
        "config": _pairs(config or []),
        "conditions": list(condition or ()),
    }
    optional = {
        "timeout": timeout,
        "failure_threshold": failure_threshold,
        "recovery_threshold": recovery_threshold,
        "degraded_after": degraded_after,
    }
    wanted.update({key: value for key, value in optional.items() if value is not None})
    console.run(_add(context, service, wanted, as_json=as_json))


@app.command("run")
def run(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Ask the watch to look once, now."""
    console.run(_run(context, name, as_json=as_json))


@app.command("pause")
def pause(
    context: typer.Context,
    name: Name,
    length: Annotated[
        str,
        typer.Option(
            "--for", metavar="DURATION", help="how long, such as 30m, 1h, 2d; or until-resumed"
        ),
    ] = "1h",
    as_json: Json = False,
) -> None:
    """Let a monitor rest for a while."""
    until = None if length == "until-resumed" else datetime.now(UTC) + parse_duration(length)
    console.run(_pause(context, name, until, as_json=as_json))


@app.command("resume")
def resume(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Let a monitor look again."""
    console.run(_resume(context, name, as_json=as_json))


def _pairs(given: list[str]) -> dict[str, object]:
    """`key=value` pairs; a value in YAML's flow style keeps its type (numbers, lists, true)."""
    import yaml

    pairs: dict[str, object] = {}
    for pair in given:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise console.UsageError(f"--set takes KEY=VALUE, not {pair!r}")
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            # Text that YAML reads as something unfinished is meant as it stands.
            read = value
        pairs[key] = value if read is None else read
    return pairs


async def _list(context: typer.Context, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        monitors = await store.load_monitors(organization.id)
    rows = [
        (
            monitor.state.value,
            f"{monitor.service_name}/{monitor.name}",
            monitor.type.value,
            f"{monitor.interval_seconds}s",
            monitor.reason or monitor.target,
        )
        for monitor in monitors
    ]
    console.emit(
        [monitor_document(monitor) for monitor in monitors],
        as_json=as_json,
        text=table(("STATE", "MONITOR", "TYPE", "EVERY", "TARGET OR REASON"), rows)
        if rows
        else "no monitors; `statustui apply FILE` or `statustui monitor add` creates one",
    )


async def _show(context: typer.Context, name: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        monitor = await store.find_monitor(organization.id, name)
    data = monitor_document(monitor)
    lines = [f"{monitor.service_name}/{monitor.name}"]
    width = max(len(key) for key in data)
    lines += [
        f"  {key:<{width}}  {value}"
        for key, value in data.items()
        if value not in (None, [], "", {})
    ]
    console.emit(data, as_json=as_json, text="\n".join(lines))


async def _show_evidence(context: typer.Context, name: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        monitor = await store.find_monitor(organization.id, name)
        found = await store.load_monitor_evidence(organization.id, monitor.id)
    console.emit(
        [evidence_document(each) for each in found],
        as_json=as_json,
        text=evidence_text(found, datetime.now(UTC), UTC),
    )


async def _add(
    context: typer.Context, service: str, wanted: dict[str, object], *, as_json: bool
) -> None:
    spec = parse_monitor(wanted)
    async with operator(context) as (store, organization):
        owner = await store.find_service(organization.id, service)
        made = await store.add_monitor(organization.id, owner.id, spec)
        monitor = await store.find_monitor(organization.id, str(made))
    console.emit(
        monitor_document(monitor),
        as_json=as_json,
        text=f"created {monitor.service_name}/{monitor.name}",
    )


async def _run(context: typer.Context, name: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        monitor = await store.find_monitor(organization.id, name)
        await store.request_run(organization.id, monitor.id)
        watch = await store.load_watch()
    who = f"asked {watch.holder}" if watch and watch.alive else "asked, but no watch runs"
    console.emit(
        monitor_document(monitor),
        as_json=as_json,
        text=f"{who} to look at {monitor.service_name}/{monitor.name}",
    )


async def _pause(
    context: typer.Context, name: str, until: datetime | None, *, as_json: bool
) -> None:
    async with operator(context) as (store, organization):
        monitor = await store.find_monitor(organization.id, name)
        await store.pause_monitor(organization.id, monitor.id, until)
        monitor = await store.find_monitor(organization.id, str(monitor.id))
    ends = "until resumed" if until is None else f"until {until:%F %H:%MZ}"
    console.emit(
        monitor_document(monitor),
        as_json=as_json,
        text=f"{monitor.service_name}/{monitor.name} is paused {ends}",
    )


async def _resume(context: typer.Context, name: str, *, as_json: bool) -> None:
    async with operator(context) as (store, organization):
        monitor = await store.find_monitor(organization.id, name)
        await store.resume_monitor(organization.id, monitor.id)
        monitor = await store.find_monitor(organization.id, str(monitor.id))
    console.emit(
        monitor_document(monitor),
        as_json=as_json,
        text=f"{monitor.service_name}/{monitor.name} looks again",
    )
