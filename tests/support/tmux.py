"""A real terminal: tmux on a socket of its own, driven by keys and read as text."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Tmux:
    """One window of a size.

    Args:
        folder: where the socket stands.
        command: the words to run.
        environment: the program's whole environment.
        columns, rows: the window's size in characters.
    """

    def __init__(
        self,
        folder: Path,
        command: list[str],
        environment: Mapping[str, str],
        *,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self._socket = str(folder / "tmux.sock")
        script = folder / "run.sh"
        exports = "\n".join(
            f"export {name}={shlex.quote(value)}"
            for name, value in environment.items()
            if name.isidentifier() and name not in ("TERM", "TMUX", "TMUX_PANE")
        )
        script.write_text(f"{exports}\nexport COLORTERM=truecolor\n{shlex.join(command)}\n"
                          "echo \"ended with $?\"\nsleep 600\n")  # fmt: skip
        self._tmux(
            "-f", os.devnull, "new-session", "-d", "-s", "it", "-x", str(columns), "-y",
            str(rows), f"sh {shlex.quote(str(script))}",
        )  # fmt: skip
        self._tmux("set-option", "-g", "status", "off")
        self._tmux("set-option", "-g", "escape-time", "0")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names ("Enter", "C-s", "j")."""
        for key in keys:
            self._tmux("send-keys", "-t", "it", key)

    def type(self, text: str) -> None:
        """Type text as it stands."""
        self._tmux("send-keys", "-t", "it", "-l", text)

    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "it")

    def shows(self, *texts: str, seconds: float = 15.0) -> str:
        """Wait until every text is on the screen, and give the screen."""
        deadline = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if all(text in screen for text in texts):
                return screen
            if time.monotonic() > deadline:
                missing = [text for text in texts if text not in screen]
                raise AssertionError(f"not on the screen: {missing}\n{screen}")
            time.sleep(0.05)

    def close(self) -> None:
        """End the program and the terminal."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")


@contextlib.contextmanager
def terminal(
    folder: Path,
    command: list[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    rows: int = 24,
) -> Iterator[Tmux]:
    """A terminal that is closed with the block."""
    made = Tmux(folder, command, environment, columns=columns, rows=rows)
    try:
        yield made
    finally:
        made.close()
