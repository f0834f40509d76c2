"""Writes docs/reference/commands.md from the commands themselves, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from statustui.cli.tree import build

TARGET = Path(__file__).parent / "reference" / "commands.md"

INTRODUCTION = """# Commands

Made from the code by `python docs/make_commands.py`; do not edit by hand.

`statustui` alone opens the dashboard. Every other command is for scripts as well: with `--json` it
prints `{"data": …}` or `{"error": {"code": …, "message": …}}` on standard output. What went wrong
and what to do about it stands on standard error, with and without `--json`.
Exit codes: 0 done, 2 usage or validation, 3 not found, 4 forbidden, 5 conflict, 6 database
unavailable. A name or a code serves wherever an id is asked.
"""

# The shell's own, and the same everywhere.
_LEFT_OUT = {"--install-completion", "--show-completion", "--help"}


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its path, in the order of `--help`; the program itself first."""
    yield from _walk("statustui", typer.main.get_command(build()))


def page() -> str:
    """The page's text."""
    return INTRODUCTION + "".join(_section(path, command) for path, command in commands())


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _walk(f"{path} {name}", inner)


def _section(path: str, command: Any) -> str:
    shown = [_row(item) for item in command.params if not _LEFT_OUT.intersection(item.opts)]
    arguments = "".join(
        f" {item.name.upper()}" if item.required else f" [{item.name.upper()}]"
        for item in command.params
        if item.param_type_name == "argument"
    )
    words = " ".join((command.help or "").split())
    table = "\n| argument or option | default | what it does |\n|---|---|---|\n" + "\n".join(shown)
    return f"\n## `{path}{arguments}`\n\n{words}\n" + (f"{table}\n" if shown else "")


def _row(item: Any) -> str:
    if item.param_type_name == "argument":
        name = item.name.upper()
    else:
        name = ", ".join(item.opts)
        if item.secondary_opts:
            name += f" / {', '.join(item.secondary_opts)}"
        if not getattr(item, "is_flag", False):
            name += f" {item.metavar or item.name.upper()}"
    default = item.default
    if item.required:
        shown = "required"
    elif default is None or default is False or default in ((), [], ""):
        shown = ""
    else:
        shown = f"`{default}`"
    words = " ".join((getattr(item, "help", None) or "").split()).replace("|", "\\|")
    return f"| `{name}` | {shown} | {words} |"


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
