"""Whether a job was heard from in time: pure, on the database's clock alone.

A beat is late when it has not come `grace` after it was due, counted from the last one, or from
when beats began to be expected. What could not be noted is not late: a database that was away when
the beat should have come took none, so the job gets its whole time again from when it was back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from statustui.domain.probe_config import HeartbeatConfig
from statustui.domain.status import ErrorKind

# How much sooner than usual a job may be done, at least.
_JITTER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Beats:
    """What is known of a job, as the database tells it.

    Attributes:
        now: the database's clock when it was asked.
        expected_from: since when beats are expected.
        last_at: the last beat, None before the first.
        is_ok: whether the job said that it went well; message: what else it said.
    """

    now: datetime
    expected_from: datetime
    last_at: datetime | None = None
    is_ok: bool = True
    message: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """A stretch in which the database took no beats, as far as the engine knows."""

    since: datetime
    until: datetime


def judge_beats(
    config: HeartbeatConfig, beats: Beats, aways: Sequence[Away] = ()
) -> tuple[ErrorKind | None, str]:
    """What a job's silence or its last words amount to.

    Args:
        config: how often it is expected.
        beats: what is known of it.
        aways: when the database could not be reached lately.

    Returns:
        The kind of trouble and its line; None and an empty line when all is well. `OBSERVER` is for
        what nobody can tell yet.
    """
    allowed = timedelta(seconds=config.every_seconds + config.grace_seconds)
    heard = beats.last_at if beats.last_at is not None else beats.expected_from
    due = max(heard, beats.expected_from) + allowed
    if beats.now <= due:
        if beats.last_at is None or beats.last_at < beats.expected_from:
            if beats.last_at is None:
                return ErrorKind.OBSERVER, f"no beat yet; the first is due by {_clock(due, beats)}"
            return (
                ErrorKind.OBSERVER,
                f"no beat since watching began again; it is due by {_clock(due, beats)}",
            )
        if not beats.is_ok:
            said = f": {beats.message}" if beats.message else ""
            return ErrorKind.COMMAND, f"the job said that it failed{said}"
        return None, ""
    back_at = _lost(config, beats, heard, due, aways)
    if back_at is not None and beats.now <= back_at + allowed:
        again = _clock(back_at + allowed, beats)
        return (
            ErrorKind.OBSERVER,
            f"beats could not be noted while the database was away; the next is due by {again}",
        )
    every = span(timedelta(seconds=config.every_seconds))
    if beats.last_at is None:
        waited = span(beats.now - beats.expected_from)
        return ErrorKind.TIMEOUT, f"no beat ever, waited {waited}, expected every {every}"
    return (
        ErrorKind.TIMEOUT,
        f"no beat for {span(beats.now - beats.last_at)}, expected every {every}",
    )


def _lost(
    config: HeartbeatConfig,
    beats: Beats,
    heard: datetime,
    due: datetime,
    aways: Sequence[Away],
) -> datetime | None:
    """When the database was back that was away while the beat should have come; None if it was not.

    A first beat may come at any time; later ones come about `every` after the one before.
    """
    early = timedelta(seconds=max(config.grace_seconds, _JITTER_SECONDS))
    usual = heard + timedelta(seconds=config.every_seconds) - early
    begins = beats.expected_from if beats.last_at is None else max(heard, usual)
    return max(
        (away.until for away in aways if away.since <= due and away.until >= begins), default=None
    )


def _clock(at: datetime, beats: Beats) -> str:
    there = at.astimezone(UTC)
    same_day = there.date() == beats.now.astimezone(UTC).date()
    return f"{there:%H:%MZ}" if same_day else f"{there:%Y-%m-%d %H:%MZ}"


def span(length: timedelta) -> str:
    """How long, in one or two units, as people say it: "42 s", "2 h 3 min", "3 d 4 h"."""
    left = max(0, int(length.total_seconds()))
    parts = []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        if count:
            parts.append((unit, f"{count} {unit}"))
    if not parts:
        return "0 s"
    order = ["d", "h", "min", "s"]
    first = order.index(parts[0][0])
    return " ".join(text for unit, text in parts if order.index(unit) <= first + 1)
