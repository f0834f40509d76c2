"""Compares checks with the answers of the targets: each exactly once, none invented."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.chaos.limits import Finding, Limits
from tests.chaos.tables import Row, Tables
from tests.chaos.truth import Answer, TargetTruth, Truth, overlap

# The same status code comes again after a hundred looks, which with retries every second take
# longer than three times this.
_NEAR_SECONDS = 30.0


@dataclass(slots=True)
class Counted:
    """What was compared, so that nobody takes an empty table for a clean one."""

    answers: int = 0
    checks: int = 0
    excused: int = 0


def audit_checks(
    tables: Tables, truth: Truth, limits: Limits, counted: Counted
) -> Iterable[Finding]:
    """All findings about checks.

    Args:
        tables: the snapshot; truth: the targets' account.
        limits: what is promised.
        counted: is filled with what was compared.
    """
    if not tables.monitors or not truth.targets:
        yield Finding("nothing to compare", "no monitor or no target was written down")
    seen: dict[str, list[Row]] = defaultdict(list)
    for monitor in tables.monitors:
        if monitor["url"] not in truth.targets:
            yield Finding("unknown target", f"nobody wrote down what {monitor['url']} did")
            continue
        seen[monitor["url"]] += tables.checks.get(monitor["key"], ())
    for url, target in truth.targets.items():
        checks = sorted(seen[url], key=lambda check: check["checked_at"])
        counted.answers += len(target.answers)
        counted.checks += len(checks)
        yield from _compare(target, checks, tables.at, truth, limits, counted)
    yield from _doubled(tables, truth, limits)
    for text in tables.wrong_rollups:
        yield Finding("rollup differs from checks", text)
    for text in tables.strange_checks:
        # Two looks at one slot are judged by how long that went on.
        if "was looked at twice" not in text:
            yield Finding("check outside the timetable", text)


def _compare(
    target: TargetTruth,
    checks: list[Row],
    snapshot_at: float,
    truth: Truth,
    limits: Limits,
    counted: Counted,
) -> Iterable[Finding]:
    near = _NEAR_SECONDS + truth.clock_seconds
    open_answers: dict[int, list[Answer]] = defaultdict(list)
    all_answers: dict[int, list[Answer]] = defaultdict(list)
    silent: list[Answer] = []
    for answer in target.answers:
        if answer.status is None:
            silent.append(answer)
        else:
            open_answers[answer.status].append(answer)
            all_answers[answer.status].append(answer)
    unnumbered: list[Row] = []
    for check in checks:
        code = check["status_code"]
        if code is None:
            unnumbered.append(check)
            continue
        at = _started(check)
        found = _nearest(open_answers[code], at, near)
        if found is not None:
            open_answers[code].remove(found)
            yield from _contradiction(target, check, found)
        elif _nearest(all_answers[code], at, near) is not None:
            yield Finding("duplicate check", f"{_name(target, check)}: its answer has one already")
        else:
            yield Finding(
                "invented check", f"{_name(target, check)}: the target never answered {code} then"
            )
    left = sorted(
        (answer for answers in open_answers.values() for answer in answers),
        key=lambda answer: answer.at,
    )
    for check in unnumbered:
        for some in (left, silent):
            if (found := _inside(some, check, limits)) is not None:
                some.remove(found)
                break
        if check["status"] == "unknown":
            continue
        if not _was_broken(target, check, truth, limits):
            yield Finding(
                "invented failure",
                f"{_name(target, check)} ({check['reason']}): the target was well all the time",
            )
    for answer in left:
        if answer.at > snapshot_at - limits.settle:
            continue
        if any(kill - limits.lost_before_kill <= answer.at <= kill + 0.1 for kill in truth.kills):
            counted.excused += 1
            continue
        yield Finding(
            "missing check",
            f"{target.name} answered {answer.status} at {_clock(answer.at)}, and no check says so",
        )


def _contradiction(target: TargetTruth, check: Row, answer: Answer) -> Iterable[Finding]:
    succeeded = check["status"] in ("success", "degraded")
    if check["status"] != "unknown" and succeeded != answer.good:
        yield Finding(
            "check contradicts its answer",
            f"{_name(target, check)}: the answer was {answer.status}",
        )


def _nearest(answers: list[Answer], at: float, near: float) -> Answer | None:
    closest = min(answers, key=lambda answer: abs(answer.at - at), default=None)
    return closest if closest is not None and abs(closest.at - at) <= near else None


def _inside(answers: list[Answer], check: Row, limits: Limits) -> Answer | None:
    """The answer that came during a look which does not say what it heard."""
    begin = _started(check)
    end = begin + check["duration_ms"] / 1000
    for answer in answers:
        if begin - limits.clock <= answer.at <= end + limits.clock:
            return answer
    return None


def _was_broken(target: TargetTruth, check: Row, truth: Truth, limits: Limits) -> bool:
    begin = _started(check)
    end = begin + check["duration_ms"] / 1000
    margin = limits.clock + truth.clock_seconds
    spans = [(first, float("inf") if last is None else last) for first, last, _ in target.spans()]
    return overlap(begin - margin, end + margin, spans) > 0


def _doubled(tables: Tables, truth: Truth, limits: Limits) -> Iterable[Finding]:
    """Two engines at one monitor show in slots that were looked at twice, one after the other."""
    if truth.clocks:
        return  # whoever is sent back in time meets the same slots again
    for monitor in tables.monitors:
        step = monitor["interval_seconds"]
        slots: dict[tuple[int, float], list[float]] = defaultdict(list)
        for check in tables.checks.get(monitor["key"], ()):
            if not check["is_retry"]:
                slots[check["region"], check["slot_at"].timestamp()].append(_started(check))
        stretch: list[float] = []
        previous: tuple[int, float] | None = None
        for (region, slot), looks in sorted(slots.items()):
            if len(looks) < 2:
                continue
            follows = previous is not None and previous[0] == region
            if not follows or previous is None or slot - previous[1] > step * 1.5:
                stretch = []
            previous = (region, slot)
            stretch += looks
            if max(stretch) - min(stretch) > limits.hand_over:
                yield Finding(
                    "two engines at one monitor",
                    f"{monitor['name']} was looked at twice per slot from "
                    f"{_clock(min(stretch))} to {_clock(max(stretch))}",
                )
                stretch = []


def _started(check: Row) -> float:
    started: float = check["checked_at"].timestamp()
    return started


def _name(target: TargetTruth, check: Row) -> str:
    return f"{target.name}, {check['status']} at {_clock(_started(check))}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-3]
