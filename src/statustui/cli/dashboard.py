"""`statustui` without a command: the dashboard, or its plain form where a full screen has no place.

Whether a full screen is possible is decided here, before the terminal toolkit is imported: by
itself it would draw in colour into a pipe or a dumb terminal.
"""

from __future__ import annotations

import typer

from statustui.settings import Settings, terminal_facts


def open_dashboard(
    settings: Settings, *, read_only: bool, plain: bool, no_watch: bool, incident: str | None
) -> None:
    """Open the dashboard and leave with its exit code.

    Args:
        settings: all settings.
        read_only: nothing can be changed from this terminal.
        plain: ask for the form without cursor movement.
        no_watch: start no watch when none is running.
        incident: code of an incident to open first.
    """
    from statustui.runtime import dashboard

    facts = terminal_facts()
    if plain or not facts.is_terminal or facts.term in ("", "dumb"):
        raise typer.Exit(dashboard.run_plain(settings, no_watch=no_watch))
    raise typer.Exit(
        dashboard.run_dashboard(
            settings, facts, read_only=read_only, no_watch=no_watch, incident=incident
        )
    )
