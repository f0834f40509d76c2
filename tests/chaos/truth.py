"""What really happened, as the targets and the hands that break things wrote it down.

The log is a file of JSON lines with wall time in seconds, appended to by the targets (when they
were well or broken, and every request they answered) and by whoever kills, freezes and cuts. It
knows nothing of the program that is being watched while all this is done to it.

    {"at": 1.0, "what": "target", "name": "t01", "url": "http://127.0.0.1:4711/"}
    {"at": 2.0, "what": "state", "name": "t01", "mode": "ok"}
    {"at": 3.1, "what": "answer", "name": "t01", "status": 217}
    {"at": 4.0, "what": "watch", "name": "a", "did": "killed"}
    {"at": 5.0, "what": "clock", "seconds": -3600}
    {"at": 6.0, "what": "trouble", "name": "database slow", "did": "began"}

An answer carries a number in its status code (see `StatusNumbers`), so that a stored check says
which answer it is about, whatever the clocks said.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK = "ok"
# What a watch has died of, or stands still by; it looks again after one of the others.
_SILENT = frozenset({"killed", "stopped", "frozen"})
_FAULTS = frozenset({"killed", "frozen", "thawed", "started", "cut", "mended"})

Span = tuple[float, float]


class StatusNumbers:
    """Gives each answer of a target a status code of its own, out of a hundred of either kind.

    204 and 205 are passed over, since they would have no body.
    """

    _GOOD = tuple(code for code in range(200, 300) if code not in (204, 205))
    _BAD = tuple(range(500, 600))

    def __init__(self) -> None:
        self._number = 0

    def next(self, *, good: bool) -> int:
        """The status code of the next answer."""
        codes = self._GOOD if good else self._BAD
        self._number += 1
        return codes[self._number % len(codes)]


class TruthWriter:
    """Appends to the log; several processes may do so at once.

    Args:
        path: of the log.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(self, what: str, *, at: float | None = None, **fields: object) -> float:
        """Write one line; returns its time."""
        when = time.time() if at is None else at
        line = json.dumps({"at": when, "what": what, **fields})
        os.write(self._file, line.encode() + b"\n")
        return when

    def close(self) -> None:
        """Stop writing."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request that a target saw, and what it answered; None when it gave no answer."""

    at: float
    status: int | None

    @property
    def good(self) -> bool:
        """Whether whoever asked was told that all is well."""
        return self.status is not None and self.status < 400


@dataclass(slots=True)
class Outage:
    """A stretch in which a target was broken, and nobody heard anything else from it.

    Attributes:
        begin: when it broke; end: when it was well again, None while it is not.
        bad: the requests it failed meanwhile.
        first_good: the first answer of the recovered target.
        modes: how it was broken.
    """

    begin: float
    end: float | None
    bad: list[Answer] = field(default_factory=list)
    first_good: float | None = None
    modes: set[str] = field(default_factory=set)

    @property
    def first_seen(self) -> float | None:
        """When somebody first looked at the broken target; None when nobody did."""
        if "refuse" in self.modes:
            return self.begin  # it saw nobody who came
        return self.bad[0].at if self.bad else None


@dataclass(slots=True)
class TargetTruth:
    """One target's own account."""

    name: str
    url: str
    answers: list[Answer] = field(default_factory=list)
    states: list[tuple[float, str]] = field(default_factory=list)

    def mode(self) -> str:
        """How it is at the end."""
        return self.states[-1][1] if self.states else OK

    def unchanged_since(self) -> float:
        """Since when it is so."""
        changed = 0.0
        before = OK
        for at, mode in self.states:
            if (mode == OK) != (before == OK):
                changed = at
            before = mode
        return changed

    def spans(self) -> list[tuple[float, float | None, set[str]]]:
        """When it was broken: from, to, and how."""
        spans: list[tuple[float, float | None, set[str]]] = []
        since: float | None = None
        modes: set[str] = set()
        for at, mode in self.states:
            if mode != OK:
                since = at if since is None else since
                modes.add(mode)
            elif since is not None:
                spans.append((since, at, modes))
                since, modes = None, set()
        if since is not None:
            spans.append((since, None, modes))
        return spans

    def outages(self) -> list[Outage]:
        """Its outages; two between which nobody heard a good answer are one to all who look."""
        merged: list[Outage] = []
        times = [answer.at for answer in self.answers]
        for begin, end, modes in self.spans():
            until = end if end is not None else float("inf")
            inside = self.answers[bisect_left(times, begin) : bisect_left(times, until)]
            bad = [answer for answer in inside if not answer.good]
            if merged:
                last = merged[-1]
                gap = self.answers[
                    bisect_left(times, last.end or begin) : bisect_left(times, begin)
                ]
                if not any(answer.good for answer in gap):
                    last.end = end
                    last.bad += bad
                    last.modes |= modes
                    continue
            merged.append(Outage(begin, end, bad, modes=modes))
        for outage in merged:
            if outage.end is not None:
                after = self.answers[bisect_left(times, outage.end) :]
                outage.first_good = next((answer.at for answer in after if answer.good), None)
        return merged


@dataclass(slots=True)
class Truth:
    """Everything that was written down."""

    targets: dict[str, TargetTruth] = field(default_factory=dict)
    watches: list[tuple[float, str, str]] = field(default_factory=list)
    troubles: list[tuple[float, str, str]] = field(default_factory=list)
    clocks: list[tuple[float, float]] = field(default_factory=list)

    @property
    def kills(self) -> list[float]:
        """When a watch was killed: it may have taken its last second of results with it."""
        return [at for at, _, did in self.watches if did == "killed"]

    @property
    def clock_seconds(self) -> float:
        """How far a watch's clock was ever away from the right time."""
        away = most = 0.0
        for _, seconds in self.clocks:
            away += seconds
            most = max(most, abs(away))
        return most

    def faults(self) -> list[Span]:
        """When something was done to those who watch, or to what they need."""
        spans = [(at, at) for at, _, did in self.watches if did in _FAULTS]
        begun: dict[str, float] = {}
        for at, name, did in self.troubles:
            if did == "began":
                begun[name] = at
            elif did == "ended" and name in begun:
                spans.append((begun.pop(name), at))
        spans += [(at, float("inf")) for at in begun.values()]
        spans += [(at, at) for at, _ in self.clocks]
        return sorted(spans)

    def forgotten(self, margin: float) -> list[Span]:
        """When looks in a row may have come to nothing, because somebody else went on.

        A watch that dies forgets, and so does one of several when it is away: its monitors become
        another's, which counts anew.

        Args:
            margin: how long taking over may need, in seconds.
        """
        several = len({name for _, name, _ in self.watches}) > 1
        spans = [(at, at + margin) for at in self.kills]
        if several:
            spans += [(first, last + margin) for first, last in self.faults()]
        return spans

    def disturbed(self, begin: float, end: float, margin: float) -> bool:
        """Whether something was done between two times, or shortly before or after."""
        return any(
            first <= end + margin and last >= begin - margin for first, last in self.faults()
        )

    def unwatched(self, margin: float) -> list[Span]:
        """When no watch could look, each stretch with the time that taking over may need.

        Args:
            margin: that time, in seconds. One of several watches that dies leaves its monitors
                unwatched for as long.
        """
        looking: set[str] = set()
        spans: list[Span] = []
        blind_from: float | None = 0.0 if self.watches else None
        for at, name, did in self.watches:
            if did in ("started", "thawed"):
                looking.add(name)
                if blind_from is not None:
                    spans.append((blind_from, at + margin))
                    blind_from = None
            elif did in _SILENT:
                was_looking = name in looking
                looking.discard(name)
                if not looking and blind_from is None:
                    blind_from = at
                elif was_looking:
                    spans.append((at, at + margin))
        if blind_from is not None:
            spans.append((blind_from, float("inf")))
        return spans


def overlap(begin: float, end: float, spans: Iterable[Span]) -> float:
    """How much of a stretch some spans cover, in seconds."""
    covered = 0.0
    at = begin
    for first, last in sorted(spans):
        first, last = max(first, at), min(last, end)
        if last > first:
            covered += last - first
            at = last
    return covered


def read_truth(path: Path) -> Truth:
    """Read a log.

    Args:
        path: of the log; its last line may be half written while its writer goes on.

    Raises:
        ValueError: a line before the last cannot be read.
    """
    truth = Truth()
    by_name: dict[str, TargetTruth] = {}
    for entry in _entries(path):
        at, what = float(entry["at"]), entry["what"]
        match what:
            case "target":
                target = by_name[entry["name"]] = TargetTruth(entry["name"], entry["url"])
                truth.targets[target.url] = target
            case "state":
                by_name[entry["name"]].states.append((at, entry["mode"]))
            case "answer":
                by_name[entry["name"]].answers.append(Answer(at, entry["status"]))
            case "watch":
                truth.watches.append((at, entry["name"], entry["did"]))
            case "trouble":
                truth.troubles.append((at, entry["name"], entry["did"]))
            case "clock":
                truth.clocks.append((at, float(entry["seconds"])))
            case _:
                raise ValueError(f"{path}: nobody knows what {what!r} is")
    for target in by_name.values():
        target.answers.sort(key=lambda answer: answer.at)
        target.states.sort()
    truth.watches.sort()
    return truth


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text().split("\n")
    # What follows the last newline is a line that is only being written.
    for number, line in enumerate(lines[:-1], 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
