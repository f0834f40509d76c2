"""So that `python -m statustui` is the same as the installed command."""

from __future__ import annotations

from statustui.cli.main import main

if __name__ == "__main__":
    main()
