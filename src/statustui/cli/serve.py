"""`statustui serve`: run the watch, or ask about and stop the one of this host."""

from __future__ import annotations

from typing import Annotated

import typer

from statustui.cli import console


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="address the page listens on")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="port of the page; 0 takes a free one"),
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="check and tell, no page")] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="end the watch of this host for these data")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="show the watch that runs, and end")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Run the watch: checks, automatic incidents and the page.

    It stays in the foreground until SIGTERM or SIGINT, and then writes what is under way.
    """
    from statustui.runtime import watch

    web: dict[str, object] = {"host": host, "port": port}
    if no_page:
        web["enabled"] = False
    settings = console.settings_of(context, web=web).settings
    if stop and status:
        raise console.UsageError("--stop and --status do not go together")
    if stop:
        stopped = watch.stop_watch(settings)
        text = (
            f"stopped {len(stopped)} watch{'es' if len(stopped) > 1 else ''}: "
            + ", ".join(f"process {pid}" for pid in stopped)
            if stopped
            else "no watch of this host runs for these data"
        )
        console.emit({"stopped": list(stopped)}, as_json=as_json, text=text)
        return
    if status:
        report = console.run(watch.watch_report(settings))
        console.emit(report.as_data(), as_json=as_json, text=report.as_text())
        raise typer.Exit(0 if report.alive else 3)
    raise typer.Exit(watch.serve(settings))
