"""The command `statustui`: builds the tree of commands, runs one, and turns errors into exit codes.

Exit codes: 0 done, 2 usage or validation, 3 not found, 4 forbidden, 5 conflict, 6 database
unavailable; 1 is a defect of the program, 130 an interrupt. No traceback reaches a person: a defect
is written to the log with one line on the screen that says where.
"""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any

import typer
from typer.exceptions import Abort, Exit, TyperException

from statustui import __version__
from statustui.cli import (
    apply,
    check,
    console,
    dashboard,
    database,
    demo,
    doctor,
    incident,
    mark,
    monitor,
    serve,
    service,
    status,
)
from statustui.domain.errors import StatustuiError

_CODE = re.compile(r"^INC-[0-9A-Za-z]+$", re.IGNORECASE)
# Options of the program itself, which people also try behind a command.
_GLOBAL = re.compile(
    r"No such option: (--(?:org|database-url|data-dir|read-only|no-watch|incident|version))\b"
)


def build() -> typer.Typer:
    """The whole tree of commands.

    Returns:
        The Typer application; documentation tests walk it.
    """
    app = typer.Typer(
        name="statustui",
        help="Watch services, carry incidents by keyboard, publish a status page. "
        "Without a command it opens the dashboard.",
        invoke_without_command=True,
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in (serve, demo, doctor, status, check, apply, mark):
        module.register(app)
    app.add_typer(service.app, name="service")
    app.add_typer(monitor.app, name="monitor")
    app.add_typer(incident.app, name="incident")
    database.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"statustui {__version__}\n")
        raise Exit(0)


def _root(
    context: typer.Context,
    org: Annotated[
        str | None,
        typer.Option("--org", metavar="SLUG", help="the organization, for people in several"),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", metavar="URL", help="a shared PostgreSQL, postgresql://user@host/db"
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir", metavar="FOLDER", help="where the embedded database, drafts and logs are"
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="dashboard: nothing can be changed")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="dashboard: one line per change, no full screen")
    ] = False,
    no_watch: Annotated[
        bool, typer.Option("--no-watch", help="dashboard: start no watch when none is running")
    ] = False,
    open_incident: Annotated[
        str | None,
        typer.Option("--incident", metavar="CODE", help="dashboard: open this incident"),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print the version and end"
        ),
    ] = False,
) -> None:
    context.obj = {"org": org, "database_url": database_url, "data_dir": data_dir}
    if context.invoked_subcommand is None:
        dashboard.open_dashboard(
            console.settings_of(context).settings,
            read_only=read_only,
            plain=plain,
            no_watch=no_watch,
            incident=open_incident,
        )


def _arguments(given: list[str]) -> list[str]:
    # `statustui INC-4F2K` opens that incident: a code never is the name of a command.
    if given and _CODE.match(given[0]):
        return ["--incident", given[0].upper(), *given[1:]]
    return given


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave the process with its exit code.

    Args:
        arguments: the words after the program's name; None takes the process's own.
    """
    given = _arguments(list(sys.argv[1:] if arguments is None else arguments))
    sys.exit(invoke(given))


def invoke(given: list[str]) -> int:
    """Run one command.

    Args:
        given: the words after the program's name.

    Returns:
        The exit code.
    """
    as_json = "--json" in given
    try:
        result: Any = build()(args=given, prog_name="statustui", standalone_mode=False)
    except Exit as leave:
        return int(leave.exit_code)
    except Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except TyperException as error:
        return _refuse(error, as_json=as_json)
    except StatustuiError as error:
        return console.report(error, as_json=as_json)
    except BrokenPipeError:
        console.forget_output()
        return 0
    except Exception as error:  # noqa: BLE001  the last line: no traceback on a screen
        return console.report(console.defect(error), as_json=as_json)
    return int(result) if isinstance(result, int) else 0


def _refuse(error: TyperException, *, as_json: bool) -> int:
    """Say what does not fit in the words that were given."""
    told = error.format_message().replace("Value error, ", "")
    if told.startswith("Usage: "):
        # A group without a command answers with its help, which is no sentence about a mistake.
        sys.stderr.write(told.rstrip("\n") + "\n")
        told = "say what to do"
        return (
            console.report_json(console.UsageError(told))
            if as_json
            else console.UsageError.exit_code
        )
    context = getattr(error, "ctx", None)
    command = str(getattr(context, "command_path", "") or "statustui")
    misplaced = _GLOBAL.match(told)
    if misplaced and command != "statustui":
        advice = f"{misplaced[1]} stands before the command: `statustui {misplaced[1]} …`"
    elif told.startswith("No such option: --json"):
        advice = "--json stands after the command: `statustui service list --json`"
    else:
        advice = f"see `{command} --help`"
    return console.report(console.UsageError(told, advice=advice), as_json=as_json)
