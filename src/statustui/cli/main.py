"""The command line's front: the only entry a shell knows."""

from __future__ import annotations

import sys

from statustui import __version__


def main() -> None:
    """Answer `--version`; every other word is refused until its command exists."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"statustui {__version__}\n")
        return
    sys.stderr.write("statustui: only --version is answered so far\n")
    raise SystemExit(2)
