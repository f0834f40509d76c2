"""The command `statustui`: runs one command, and turns whatever ends it into an exit code.

Exit codes: 0 done, 2 usage or validation, 3 not found, 4 forbidden, 5 conflict, 6 database
unavailable; 1 is a defect of the program or an output that cannot be written, 130 an interrupt. No
traceback reaches a person: a defect is written to a file with one line on the screen that says
where. That holds from the first moment on, so this module itself imports next to nothing: an
interrupt that falls into the half second of importing is one like any other.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer.exceptions import TyperException

INTERRUPTED = 130

_CODE = re.compile(r"^INC-[0-9A-Za-z]+$", re.IGNORECASE)
# Options of the program itself, which people also try behind a command.
_GLOBAL = re.compile(
    r"No such option: (--(?:org|database-url|data-dir|read-only|no-watch|incident|version))\b"
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave the process with its exit code.

    Args:
        arguments: the words after the program's name; None takes the process's own.
    """
    _open_closed_streams()
    try:
        code = invoke(_arguments(list(sys.argv[1:] if arguments is None else arguments)))
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _open_closed_streams() -> None:
    # `>&-` leaves None behind; whoever closed a stream wants to read nothing from it.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _arguments(given: list[str]) -> list[str]:
    # `statustui INC-4F2K` opens that incident: a code never is the name of a command.
    if given and _CODE.match(given[0]):
        return ["--incident", given[0].upper(), *given[1:]]
    return given


def invoke(given: list[str]) -> int:
    """Run one command.

    Args:
        given: the words after the program's name.

    Returns:
        The exit code.
    """
    from typer.exceptions import Abort, Exit, TyperException

    from statustui.cli import console
    from statustui.cli.tree import build
    from statustui.domain.errors import StatustuiError

    as_json = "--json" in given
    try:
        result: object = build(given[0] if given else "")(
            args=given, prog_name="statustui", standalone_mode=False
        )
    except Exit as leave:
        return int(leave.exit_code)
    except Abort:
        return INTERRUPTED
    except TyperException as error:
        return _refuse(error, as_json=as_json)
    except StatustuiError as error:
        return console.report(error, as_json=as_json)
    except SystemExit:
        # The toolkit's answer to a reader of our output who has gone away.
        console.forget_output()
        return 0
    except Exception as error:  # noqa: BLE001  the last line: no traceback on a screen
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            console.forget_output()
            full = StatustuiError("no space left on the device", advice="make room, and try again")
            return console.report(full, as_json=as_json)
        return console.report(console.defect(error), as_json=as_json)
    return int(result) if isinstance(result, int) else 0


def _refuse(error: TyperException, *, as_json: bool) -> int:
    """Say what does not fit in the words that were given."""
    from statustui.cli import console

    told = error.format_message().replace("Value error, ", "")
    if told.startswith("Usage: "):
        # A group without a command answers with its help, which is no sentence about a mistake.
        console.write_error(told.rstrip("\n"))
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
