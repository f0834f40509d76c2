"""The register of this host's watches: the lock says who lives, not the process number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from statustui.runtime import registry

_HOLD = """
import sys, time
from pathlib import Path
from statustui.runtime.registry import Registration
held = Registration(Path(sys.argv[1]), sys.argv[2])
held.update(page="http://127.0.0.1:1")
print("held", flush=True)
if sys.argv[3] == "stubborn":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
time.sleep(60)
"""


def _hold(folder: Path, label: str, manner: str = "") -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder), label, manner],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    if manner == "stubborn":
        assert child.stdout.readline() == "deaf\n"
    return child


def _reap(child: subprocess.Popen[str]) -> int:
    child.kill()
    assert child.stdout is not None
    child.stdout.close()
    return child.wait()


def test_a_live_watch_is_found_by_its_database(tmp_path: Path) -> None:
    child = _hold(tmp_path, "one")
    try:
        (found,) = registry.live(tmp_path, "one")
        assert (found.pid, found.page) == (child.pid, "http://127.0.0.1:1")
        assert registry.live(tmp_path, "another") == ()
        assert registry.live(tmp_path) == (found,)
    finally:
        _reap(child)


def test_a_killed_watch_is_gone_at_once(tmp_path: Path) -> None:
    child = _hold(tmp_path, "one")
    os.kill(child.pid, signal.SIGKILL)
    _reap(child)
    assert registry.live(tmp_path) == ()
    assert list((tmp_path / "watches").iterdir()) == []


def test_stop_ends_only_the_watches_of_that_database(tmp_path: Path) -> None:
    first, second = _hold(tmp_path, "one"), _hold(tmp_path, "two")
    try:
        # The child is reaped by this process, so its lock is free as soon as it has died.
        assert registry.stop(tmp_path, "one") == (first.pid,)
        assert first.wait(5) == -signal.SIGTERM
        assert second.poll() is None
    finally:
        _reap(first)
        _reap(second)


def test_stop_uses_force_after_the_wait(tmp_path: Path) -> None:
    child = _hold(tmp_path, "one", "stubborn")
    try:
        assert registry.stop(tmp_path, None, wait_seconds=0.3) == (child.pid,)
        assert child.wait(5) == -signal.SIGKILL
    finally:
        _reap(child)


def test_nothing_to_stop(tmp_path: Path) -> None:
    assert registry.stop(tmp_path, None) == ()
