"""The process behind `statustui demo`: serves the world until its dashboard is gone."""

from __future__ import annotations

import shutil
import sys

from statustui.domain.errors import StatustuiError
from statustui.runtime import logs, watch
from statustui.runtime.demo import run_world
from statustui.settings import load_settings


def main() -> int:
    """Serve the world that the environment names; standard input ends with the dashboard.

    With `--throwaway` the world's folder is removed at the end, by whoever is left to do it.
    """
    settings = load_settings({"org": "demo"}).settings
    logs.configure(settings.log)
    try:
        return watch.run_loop(run_world(settings, until=sys.stdin.fileno()))
    except StatustuiError as error:
        sys.stderr.write(f"statustui: {error.message}\n{error.advice}\n")
        return error.exit_code
    finally:
        if "--throwaway" in sys.argv[1:]:
            shutil.rmtree(settings.data_dir, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
