"""Plugins of this host, well-behaved and otherwise, run as the watch runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from statustui.domain.monitor import CommandConfig, MonitorSpec
from statustui.domain.observation import Observation
from statustui.domain.perfdata import PerfDatum
from statustui.domain.status import CheckStatus, ErrorKind, MonitorType
from statustui.domain.verdict import judge
from statustui.engine.checkers import LookOptions, look
from statustui.engine.checkers.command import ENVIRONMENT, MOST_BYTES

pytestmark = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux tells of a process's end by a descriptor"
)


class Plugins:
    """A folder of plugins, and looks at what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, script: str) -> str:
        """A shell script; returns its path."""
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    async def see(
        self, *argv: str, timeout_ms: int = 5_000, allowed: tuple[Path, ...] | None = None
    ) -> Observation:
        """Runs one."""
        folders = (self.folder,) if allowed is None else allowed
        options = LookOptions(commands_allowed=folders)
        return await look(CommandConfig(argv), timeout_ms=timeout_ms, options=options)


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return Plugins(folder)


def verdict(seen: Observation) -> tuple[CheckStatus, ErrorKind | None, str]:
    spec = MonitorSpec("p", MonitorType.COMMAND, CommandConfig(("/x",)), 5_000, 20)
    result = judge(spec, seen, seen.started_at)
    return result.status, result.error_kind, result.reason


def children() -> set[int]:
    """The processes of this one that are not reaped."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(word) for word in (task / "children").read_text().split()}
    return found


def is_alive(number: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("code", "said", "status", "kind", "reason"),
    [
        (0, "LOAD OK", CheckStatus.SUCCESS, None, ""),
        (1, "LOAD WARNING", CheckStatus.DEGRADED, None, "LOAD WARNING"),
        (2, "LOAD CRITICAL", CheckStatus.FAILURE, ErrorKind.COMMAND, "LOAD CRITICAL"),
        (3, "LOAD UNKNOWN", CheckStatus.UNKNOWN, ErrorKind.COMMAND, "LOAD UNKNOWN"),
        (2, "", CheckStatus.FAILURE, ErrorKind.COMMAND, "the plugin says critical"),
        (
            127,
            "what?",
            CheckStatus.UNKNOWN,
            ErrorKind.COMMAND,
            "the plugin broke, exit code 127: what?",
        ),
    ],
)
async def test_the_exit_code_is_the_verdict(
    plugins: Plugins,
    code: int,
    said: str,
    status: CheckStatus,
    kind: ErrorKind | None,
    reason: str,
) -> None:
    path = plugins.write("check_load", f"echo '{said}'; exit {code}")
    seen = await plugins.see(path)
    assert (seen.exit_code, seen.output) == (code, said)
    assert verdict(seen) == (status, kind, reason)
    assert seen.duration_ms > 0


async def test_text_and_figures_are_read_and_harmless(plugins: Plugins) -> None:
    path = plugins.write(
        "check_disk", r"printf 'DISK \033[31mOK | /=2643MB;5948;5958;0;5968\nmore | b=1\n'"
    )
    seen = await plugins.see(path)
    assert seen.output == "DISK OK\nmore"
    assert seen.perfdata == (
        PerfDatum("/", 2643.0, "MB", "5948", "5958", 0.0, 5968.0),
        PerfDatum("b", 1.0),
    )


async def test_a_plugin_gets_its_words_four_variables_and_nothing_else(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    script = plugins.folder / "check_all"
    script.write_text(
        f"#!{sys.executable} -IS\n"
        "import os, sys\n"
        "print(sys.argv[1:], dict(os.environ), os.getcwd(), repr(sys.stdin.read()),\n"
        "      sorted(map(int, os.listdir('/proc/self/fd')))[:-1], os.getpid() == os.getsid(0))\n"
    )
    script.chmod(0o755)
    opened = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(opened, True)
    try:
        seen = await plugins.see(str(script), "a b", "$HOME;`id`", "")
    finally:
        os.close(opened)
    assert seen.output == (f"{['a b', '$HOME;`id`', '']} {ENVIRONMENT} / '' [0, 1, 2] True")


async def test_at_the_deadline_the_whole_group_is_killed_and_reaped(plugins: Plugins) -> None:
    note = plugins.folder / "pids"
    path = plugins.write(
        "check_slow",
        f"trap '' TERM; sleep 60 & echo $! > {note}; echo $$ >> {note}; echo begun; sleep 60",
    )
    before = children()
    begun = time.monotonic()
    seen = await plugins.see(path, timeout_ms=400)
    assert time.monotonic() - begun < 2
    assert verdict(seen) == (
        CheckStatus.TIMEOUT,
        ErrorKind.TIMEOUT,
        "check_slow did not end within 0.4 s; it had said: begun",
    )
    assert seen.exit_code is None
    numbers = [int(line) for line in note.read_text().split()]
    assert len(numbers) == 2
    async with asyncio.timeout(2):
        while any(is_alive(number) for number in numbers):
            await asyncio.sleep(0.01)
    assert children() == before


async def test_what_a_plugin_leaves_behind_is_killed_and_not_waited_for(plugins: Plugins) -> None:
    note = plugins.folder / "pid"
    path = plugins.write("check_leaving", f"sleep 60 & echo $! > {note}; echo OK")
    begun = time.monotonic()
    seen = await plugins.see(path)
    assert time.monotonic() - begun < 2
    assert (seen.exit_code, seen.output) == (0, "OK")
    async with asyncio.timeout(2):
        while is_alive(int(note.read_text())):
            await asyncio.sleep(0.01)


async def test_endless_output_is_capped(plugins: Plugins) -> None:
    path = plugins.write("check_loud", "yes 0123456789 | head -c 3000000; exit 1")
    seen = await plugins.see(path)
    assert seen.exit_code == 1
    assert MOST_BYTES - 20 <= len(seen.output) <= MOST_BYTES
    forever = await plugins.see(plugins.write("check_yes", "exec yes"), timeout_ms=300)
    assert forever.error_kind is ErrorKind.TIMEOUT


async def test_a_plugin_that_breaks_says_nothing_about_its_target(plugins: Plugins) -> None:
    path = plugins.write("check_broken", "echo 'cannot find libfoo' >&2; kill -SEGV $$")
    seen = await plugins.see(path)
    assert seen.exit_code == -signal.SIGSEGV
    assert verdict(seen) == (
        CheckStatus.UNKNOWN,
        ErrorKind.COMMAND,
        f"the plugin broke, killed by signal {int(signal.SIGSEGV)}: cannot find libfoo",
    )


async def test_nothing_runs_where_the_host_allows_nothing(plugins: Plugins) -> None:
    note = plugins.folder / "ran"
    path = plugins.write("check_it", f"touch {note}")
    seen = await plugins.see(path, allowed=())
    status, kind, reason = verdict(seen)
    assert (status, kind) == (CheckStatus.UNKNOWN, ErrorKind.OBSERVER)
    assert reason.startswith("commands are not run on this host: engine.commands_allowed names")
    assert path in reason
    assert not note.exists()


async def test_only_programs_inside_an_allowed_folder_run(plugins: Plugins, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    outside = Plugins(tmp_path).write("check_outside", f"touch {ran}")
    (plugins.folder / "link").symlink_to(outside)
    twin = tmp_path / "plugins-twin"
    twin.mkdir()
    beside = Plugins(twin).write("check_beside", f"touch {ran}")
    plain = plugins.folder / "notes.txt"
    plain.write_text("not a program")
    for path, told in (
        (outside, "is not in a folder that engine.commands_allowed names"),
        (f"{plugins.folder}/../check_outside", f", which is {outside}, is not in a folder"),
        (str(plugins.folder / "link"), f", which is {outside}, is not in a folder"),
        (beside, "is not in a folder"),
        (str(plugins.folder / "missing"), "cannot be run here: No such file"),
        (str(plain), "is not a program"),
        (str(plugins.folder), "is not a program"),
    ):
        seen = await plugins.see(path)
        assert seen.error_kind is ErrorKind.OBSERVER
        assert told in seen.reason, seen.reason
    assert not ran.exists()
    # The other way round: a link from outside to what is allowed.
    allowed = plugins.write("check_ok", "echo OK")
    inward = tmp_path / "inward"
    inward.symlink_to(allowed)
    assert (await plugins.see(str(inward))).exit_code == 0


async def test_what_everybody_may_write_is_not_run(plugins: Plugins) -> None:
    path = plugins.write("check_it", "echo OK")
    Path(path).chmod(0o757)
    assert "everybody on this host may write it" in (await plugins.see(path)).reason
    Path(path).chmod(0o755)
    assert (await plugins.see(path)).exit_code == 0
    plugins.folder.chmod(plugins.folder.stat().st_mode | stat.S_IWOTH)
    assert "everybody on this host may write it" in (await plugins.see(path)).reason


async def test_no_descriptor_and_no_child_is_left(plugins: Plugins) -> None:
    path = plugins.write("check_it", "echo OK")
    slow = plugins.write("check_slow", "sleep 60")
    await plugins.see(path)
    opened = len(os.listdir("/proc/self/fd"))
    before = children()
    await asyncio.gather(
        *(plugins.see(path) for _ in range(20)),
        *(plugins.see(slow, timeout_ms=300) for _ in range(5)),
    )
    assert len(os.listdir("/proc/self/fd")) == opened
    assert children() == before


async def test_a_watch_that_stops_takes_its_plugins_with_it(plugins: Plugins) -> None:
    note = plugins.folder / "pid"
    path = plugins.write("check_slow", f"echo $$ > {note}; sleep 60")
    task = asyncio.create_task(plugins.see(path, timeout_ms=30_000))
    async with asyncio.timeout(5):
        while not note.exists() or not note.read_text().strip():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        while is_alive(int(note.read_text())):
            await asyncio.sleep(0.01)


def test_on_the_watch_s_own_loop(plugins: Plugins) -> None:
    path = plugins.write("check_it", "echo 'OK | a=1'")
    slow = plugins.write("check_slow", "sleep 60")

    async def looks() -> list[Observation]:
        return [await plugins.see(path), await plugins.see(slow, timeout_ms=200)]

    uvloop = pytest.importorskip("uvloop")
    before = children()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen, late = runner.run(looks())
    assert (seen.exit_code, seen.output, len(seen.perfdata)) == (0, "OK", 1)
    assert late.error_kind is ErrorKind.TIMEOUT
    assert children() == before
