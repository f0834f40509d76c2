"""The command as a process: what it loads, and how it ends when its surroundings go away."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.world import World


def _ended(installation: World, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `$S` is the program."""
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; S="{sys.executable} -m statustui"; {script}'],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_who_goes_away_is_no_error(installation: World) -> None:
    done = _ended(installation, "$S service list --json | head -1; $S --help | true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_in_a_line(installation: World) -> None:
    done = _ended(installation, "$S service list > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "statustui: cannot write the result: No space left on device\n"


def test_closed_streams_change_no_exit_code(installation: World) -> None:
    done = _ended(
        installation,
        "$S service list >&- && { $S service show nope 2>&-; test $? = 3; } "
        "&& { $S service show nope --json >&- 2>/dev/null; test $? = 3; }",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_cannot_spell_shows_escapes(installation: World) -> None:
    script = "PYTHONIOENCODING=ascii $S service add Prüfung && PYTHONIOENCODING=ascii $S status"
    done = _ended(installation, script)
    assert done.stdout.startswith("created Pr\\xfcfung\n")
    assert done.stderr == ""


@pytest.mark.parametrize("words", [("status", "--watch"), ("--plain", "--no-watch")])
def test_an_interrupt_ends_it_quietly_while_it_follows(
    installation: World, words: tuple[str, ...]
) -> None:
    child = subprocess.Popen(
        installation.command(*words),
        env=installation.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=10)
    assert (child.returncode, errors) == (130, "")


def test_an_interrupt_while_it_starts_is_quiet_too(installation: World) -> None:
    # From the moment on that our own code runs, whatever is being imported then.
    source = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'statustui.cli.tree':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "from statustui.cli.main import main\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main(['service', 'list'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_change_reaches_whoever_follows(installation: World) -> None:
    child = subprocess.Popen(
        installation.command("status", "--watch", "--plain"),
        env=installation.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    enough = threading.Event()

    def change() -> None:
        # The list is printed before the following begins: change until a change is told.
        while not enough.wait(0.1):
            installation.data(
                "incident", "add", "--title", "Told", "--message", "m", "--service", "API"
            )

    changing = threading.Thread(target=change)
    watchdog = threading.Timer(30, child.kill)
    watchdog.start()
    changing.start()
    try:
        told = next((line for line in child.stdout if "Told: opened" in line), "")
        assert told, "no change was told"
    finally:
        enough.set()
        changing.join()
        watchdog.cancel()
        child.kill()
        child.communicate()


def test_status_needs_neither_toolkit_nor_page(installation: World) -> None:
    source = (
        "import sys\nfrom statustui.cli.main import invoke\n"
        "code = invoke(['status', '--json'])\n"
        "heavy = {'textual', 'rich', 'jinja2', 'httpx', 'uvloop', 'markdown_it', 'yaml'}\n"
        "sys.exit(f'loaded {heavy & set(sys.modules)}' if heavy & set(sys.modules) else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 1, 2, 3)
