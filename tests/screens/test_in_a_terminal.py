"""In a real terminal the dashboard leaves nothing behind, whatever happens to it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pseudo_terminal import PseudoTerminal, pseudo_terminal

ROOT = Path(__file__).resolve().parents[2]
ENTER_FULL_SCREEN, LEAVE_FULL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"

pytestmark = pytest.mark.slow


def environment(**more: str) -> dict[str, str]:
    """A terminal with 256 colours and UTF-8."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "COLORTERM", "TMUX") and not name.startswith("STATUSTUI_")
    }
    return plain | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)} | more


COMMAND = [sys.executable, "-m", "tests.support.dashboard_process"]


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    """The dashboard, after its first frame."""
    with pseudo_terminal(COMMAND, environment()) as made:
        made.shows("INC-4F2K")
        made.quiet()
        yield made


def restored(terminal: PseudoTerminal) -> bool:
    """Whether the last thing said about the alternate screen is that it was left."""
    output = terminal.output()
    return output.rfind(LEAVE_FULL_SCREEN) > output.rfind(ENTER_FULL_SCREEN)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_and_gives_the_screen_back(
    terminal: PseudoTerminal, number: signal.Signals
) -> None:
    terminal.process.send_signal(number)
    assert terminal.process.wait(5) == 0
    terminal.wait_for(lambda _: restored(terminal), seconds=2)


def test_a_closed_terminal_leaves_no_process(terminal: PseudoTerminal) -> None:
    terminal.hang_up()
    assert terminal.process.wait(6) is not None


def test_a_terminal_that_reads_no_more_keeps_no_process_from_ending() -> None:
    command = [*COMMAND, "--changes", "400", "--after", "0"]
    with pseudo_terminal(command, environment()) as terminal:
        terminal.shows("INC-4F2K")
        terminal.stop_reading()
        # Nothing is read any more; the program's own queue fills up, then it stands still.
        before = terminal.cpu_seconds()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(1)
            now = terminal.cpu_seconds()
            if now == before:
                break
            before = now
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(8) == 128 + signal.SIGTERM


def test_keys_leave_it_too(terminal: PseudoTerminal) -> None:
    terminal.type(b"q")
    terminal.shows("q again quits")
    terminal.type(b"q")
    assert terminal.process.wait(5) == 0
    terminal.wait_for(lambda _: restored(terminal), seconds=2)


def test_after_being_stopped_it_paints_everything_again(terminal: PseudoTerminal) -> None:
    terminal.type(b"\x1a")
    terminal.wait_for(lambda _: restored(terminal), seconds=5)
    # It gives the terminal back before it stops; a shell continues it only once it has stopped.
    stat = Path(f"/proc/{terminal.process.pid}/stat")
    deadline = time.monotonic() + 10
    while stat.read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it does not stop"
        time.sleep(0.01)
    before = terminal.size
    terminal.process.send_signal(signal.SIGCONT)
    terminal.shows("SERVICE", since=before)
    terminal.shows("INC-4F2K", since=before)


def test_the_window_says_how_much_is_broken(terminal: PseudoTerminal) -> None:
    assert "\x1b]2;✗ 4 statustui\x07".encode() in terminal.output()


def test_moving_the_selection_costs_little_and_doing_nothing_almost_nothing(
    terminal: PseudoTerminal,
) -> None:
    before = terminal.size
    terminal.type(b"j")
    terminal.quiet(0.2)
    # Two rows of 120 columns and the pane; the whole screen is ten times that.
    assert terminal.size - before < 4_000
    terminal.quiet(0.4)
    before = terminal.size
    time.sleep(2)
    assert (terminal.size - before) / 2 < 100


def test_colours_are_numbers_of_the_table(terminal: PseudoTerminal) -> None:
    output = terminal.output()
    assert b"48;5;233" in output
    assert b"38;2;" not in output.split(b"INC-4F2K", 1)[1]


def test_without_colour_none_is_sent() -> None:
    with pseudo_terminal(COMMAND, environment(NO_COLOR="1")) as terminal:
        terminal.shows("INC-4F2K")
        terminal.quiet()
        for sequence in (b"38;5;", b"48;5;", b"38;2;", b"48;2;", b"\x1b[31m", b";31m", b"\x1b[91m"):
            assert sequence not in terminal.output()


def test_with_sixteen_colours_only_those_are_sent() -> None:
    with pseudo_terminal(COMMAND, environment(TERM="xterm")) as terminal:
        terminal.shows("INC-4F2K")
        terminal.quiet()
        for sequence in (b"38;5;", b"48;5;", b"38;2;", b"48;2;"):
            assert sequence not in terminal.output()


def test_a_locale_without_utf8_gets_ascii() -> None:
    with pseudo_terminal(COMMAND, environment(LC_ALL="POSIX")) as terminal:
        terminal.shows("INC-4F2K")
        terminal.quiet()
        painted = terminal.output().split(b"\x1b]2;", 1)[1]
        assert "✗".encode() not in painted
        assert b"x outage" in painted
