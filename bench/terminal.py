"""What the dashboard costs in a real pseudo-terminal: time, bytes on the line, processor, memory.

The dashboard runs as a program of its own over a world in memory, so that what is measured is the
terminal and nothing else; the baseline of the first frame is `import textual.app`, measured in the
same run in the same way. Worlds of 20 and of 5,000 services; 120 columns, 36 rows, 256 colours.

    .venv/bin/python bench/terminal.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.pseudo_terminal import PseudoTerminal, pseudo_terminal  # noqa: E402

SIZES = (20, 5_000)
CHANGES_PER_SECOND = 200
COMMAND = [sys.executable, "-m", "tests.support.dashboard_process"]


class Figure(TypedDict):
    """One line of the result."""

    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    goal: str


def environment() -> dict[str, str]:
    """A terminal with 256 colours."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "COLORTERM", "TMUX", "PYTHONDONTWRITEBYTECODE")
        and not name.startswith("STATUSTUI_")
    }
    return plain | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}


def figure(
    value: float, unit: str, goal: str, *, digits: int = 1, baseline: float | None = None
) -> Figure:
    """A figure, rounded, with its ratio to the baseline where there is one."""
    return {
        "value": round(value, digits),
        "unit": unit,
        "baseline": round(baseline, digits) if baseline is not None else None,
        "ratio": round(value / baseline, 2) if baseline else None,
        "goal": goal,
    }


def import_seconds() -> float:
    """How long `import textual.app` takes in a process of its own."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True, env=environment())
    return time.perf_counter() - started


def first_frame(services: int) -> tuple[float, int]:
    """Seconds from the start of the process to its first useful frame, and bytes until it rests.

    The world is made beforehand in the same process; what that took is subtracted.
    """
    with pseudo_terminal([*COMMAND, "--services", str(services), "--tell"], environment()) as term:
        made = term.shows("made in ")
        seconds = float(term.output().split(b"made in ")[1].split(b" ")[0])
        shown = term.shows("NOW", since=0)
        term.quiet(0.5)
        size = len(term.output().split(b"\x1b[?1049h", 1)[1])
        assert made <= shown
        return shown - term.started - seconds, size


def key_times(term: PseudoTerminal, presses: int) -> list[float]:
    """Milliseconds from a key to the frame that shows the cursor in its new row."""
    times: list[float] = []
    cursor = "›".encode()
    term.type(b"g")
    term.quiet(0.1, most=1)
    for number in range(presses):
        before = term.size
        pressed = term.type(b"j" if number % 2 == 0 else b"k")
        shown = term.wait_for(lambda data: cursor in data, since=before, seconds=5)
        times.append((shown - pressed) * 1_000)
        time.sleep(0.03)
    return times


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all values is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def over(term: PseudoTerminal, seconds: float) -> tuple[float, float]:
    """Bytes per second and share of a core over a stretch of time."""
    size, cpu, started = term.size, term.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - started
    return (term.size - size) / took, 100 * (term.cpu_seconds() - cpu) / took


def measure(services: int, *, quick: bool, baseline: float) -> dict[str, Figure]:
    """All figures of one size of world."""
    found: dict[str, Figure] = {}
    name = f"{services}_services"
    frames = [first_frame(services) for _ in range(1 if quick else 3)]
    found[f"first_frame_{name}"] = figure(
        1_000 * min(seconds for seconds, _ in frames), "ms", "ratio <= 1.6", baseline=baseline
    )
    found[f"first_frame_bytes_{name}"] = figure(frames[-1][1] / 1_000, "kB", "<= 25")
    with pseudo_terminal([*COMMAND, "--services", str(services)], environment()) as term:
        term.shows("NOW")
        term.quiet(0.8)
        before = term.size
        moves = 6
        for number in range(moves):
            term.type(b"j" if number < moves // 2 else b"k")
            term.quiet(0.4)
        found[f"bytes_per_move_{name}"] = figure(
            (term.size - before) / moves / 1_000, "kB", "<= 1.5"
        )
        times = key_times(term, 40 if quick else 200)
        found[f"key_p50_{name}"] = figure(statistics.median(times), "ms", "<= 5")
        found[f"key_p99_{name}"] = figure(percentile(times, 0.99), "ms", "<= 25")
        term.quiet(0.8)
        size, cpu = over(term, 5 if quick else 20)
        found[f"idle_bytes_{name}"] = figure(size, "B/s", "<= 100")
        found[f"idle_cpu_{name}"] = figure(cpu, "% of a core", "<= 0.5", digits=2)
        found[f"memory_{name}"] = figure(term.memory_mb(), "MB", "<= 120")
        before = term.size
        started = term.type(b"/svc")
        term.shows("svc", since=before)
        term.quiet(0.3)
        keys = []
        for key in (b"\x7f", b"\x7f", b"e", b"r"):
            before = term.size
            started = term.type(key)
            shown = term.wait_for(lambda data: len(data) > 0, since=before, seconds=5)
            keys.append((shown - started) * 1_000)
            term.quiet(0.3)
        found[f"filter_key_{name}"] = figure(max(keys), "ms", "<= 50")
    changing = [*COMMAND, "--services", str(services), "--changes", str(CHANGES_PER_SECOND)]
    with pseudo_terminal([*changing, "--after", "1"], environment()) as term:
        term.shows("NOW")
        term.quiet(0.5, most=2)
        time.sleep(1.5)
        size, cpu = over(term, 5 if quick else 20)
        found[f"changing_bytes_{name}"] = figure(size / 1_000, "kB/s", "<= 20")
        found[f"changing_cpu_{name}"] = figure(cpu, "% of a core", "<= 3", digits=2)
        times = key_times(term, 40 if quick else 200)
        found[f"changing_key_p50_{name}"] = figure(statistics.median(times), "ms", "<= 5")
        found[f"changing_key_p99_{name}"] = figure(percentile(times, 0.99), "ms", "<= 25")
    return found


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick: bool = parser.parse_args().quick
    import_seconds()
    baseline = 1_000 * min(import_seconds() for _ in range(3))
    figures: dict[str, Figure] = {}
    for services in SIZES:
        figures |= measure(services, quick=quick, baseline=baseline)
    for name, each in figures.items():
        ratio = f"  {each['ratio']} times {each['baseline']}" if each["ratio"] else ""
        print(f"{name:38} {each['value']:>10,} {each['unit']:12} {each['goal']}{ratio}")
    print(json.dumps({"bench": "terminal", "figures": figures}))


if __name__ == "__main__":
    main()
