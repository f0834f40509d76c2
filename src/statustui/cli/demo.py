"""`statustui demo`: a throwaway world with real targets, 90 days of history and a page."""

from __future__ import annotations

from typing import Annotated

import typer

from statustui.cli import console
from statustui.settings import terminal_facts


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", metavar="PORT", help="port of the page")] = 8080,
    headless: Annotated[
        bool, typer.Option("--headless", help="no dashboard: print the page's address and run")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="keep the world for the next time")] = False,
) -> None:
    """Open a throwaway world to try things in.

    Real checks of local targets that break and recover, 90 days of history, a page, and the
    dashboard in front; nothing of yours is touched.
    """
    from statustui.runtime import demo

    settings = console.settings_of(context, web={"port": port, "host": "127.0.0.1"}).settings
    facts = terminal_facts()
    if not headless and (not facts.is_terminal or facts.term in ("", "dumb")):
        raise console.UsageError(
            "the dashboard needs a terminal",
            advice="run `statustui demo --headless` for the page alone",
        )
    raise typer.Exit(demo.run_demo(settings, facts, headless=headless, keep=keep))
