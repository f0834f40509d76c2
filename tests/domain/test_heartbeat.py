"""Whether a job was heard from in time, moment by moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.heartbeat import Away, Beats, judge_beats, span
from statustui.domain.probe_config import HeartbeatConfig
from statustui.domain.status import ErrorKind

START = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOURLY = HeartbeatConfig(every_seconds=3_600, grace_seconds=300)


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("now", "last", "kind", "reason"),
    [
        (0, None, ErrorKind.OBSERVER, "no beat yet; the first is due by 13:05Z"),
        (65, None, ErrorKind.OBSERVER, "no beat yet; the first is due by 13:05Z"),
        (66, None, ErrorKind.TIMEOUT, "no beat ever, waited 1 h 6 min, expected every 1 h"),
        (65, 1, None, ""),
        (66, 1, None, ""),
        (66.1, 1, ErrorKind.TIMEOUT, "no beat for 1 h 5 min, expected every 1 h"),
        (124, 1, ErrorKind.TIMEOUT, "no beat for 2 h 3 min, expected every 1 h"),
    ],
)
def test_late_is_down_and_before_the_first_nobody_knows(
    now: float, last: float | None, kind: ErrorKind | None, reason: str
) -> None:
    beats = Beats(_at(now), START, None if last is None else _at(last))
    assert judge_beats(HOURLY, beats) == (kind, reason)


def test_a_job_says_itself_that_it_failed() -> None:
    beats = Beats(_at(5), START, _at(4), is_ok=False, message="exit code 3")
    assert judge_beats(HOURLY, beats) == (
        ErrorKind.COMMAND,
        "the job said that it failed: exit code 3",
    )
    # Silence afterwards is worse than what was said.
    assert judge_beats(HOURLY, Beats(_at(70), START, _at(4), is_ok=False))[0] is ErrorKind.TIMEOUT


def test_what_was_said_before_a_pause_proves_nothing() -> None:
    beats = Beats(_at(10), _at(0), _at(-600))
    assert judge_beats(HOURLY, beats) == (
        ErrorKind.OBSERVER,
        "no beat since watching began again; it is due by 13:05Z",
    )
    assert judge_beats(HOURLY, Beats(_at(66), _at(0), _at(-600)))[0] is ErrorKind.TIMEOUT


def test_a_database_that_was_away_took_no_beats() -> None:
    away = Away(_at(30), _at(90))
    late = Beats(_at(91), START, _at(1))
    assert judge_beats(HOURLY, late)[0] is ErrorKind.TIMEOUT
    assert judge_beats(HOURLY, late, [away]) == (
        ErrorKind.OBSERVER,
        "beats could not be noted while the database was away; the next is due by 14:35Z",
    )
    # It had its whole time again.
    assert judge_beats(HOURLY, Beats(_at(156), START, _at(1)), [away])[0] is ErrorKind.TIMEOUT
    # It was late before the database went away.
    earlier = Beats(_at(91), _at(-200), _at(-100))
    assert judge_beats(HOURLY, earlier, [away])[0] is ErrorKind.TIMEOUT
    # A first beat may have come at any time.
    first = Beats(_at(100), START)
    assert judge_beats(HOURLY, first, [Away(_at(5), _at(6))])[0] is ErrorKind.TIMEOUT
    assert judge_beats(HOURLY, Beats(_at(70), START), [Away(_at(5), _at(6))])[0] is (
        ErrorKind.OBSERVER
    )


def test_a_restart_at_another_hour_excuses_nobody() -> None:
    """A server that is restarted every night would else keep a weekly job from ever being late."""
    day = 24 * 60
    weekly = HeartbeatConfig(every_seconds=7 * 86_400, grace_seconds=3_600)
    nights = [Away(_at(night * day - 2), _at(night * day)) for night in range(1, 9)]
    at_noon = Beats(_at(7.6 * day), _at(-day), _at(day / 2))
    assert judge_beats(weekly, at_noon, nights)[0] is ErrorKind.TIMEOUT
    # One that should have come in such a minute was lost, and nights after it change nothing.
    at_night = Beats(_at(8.5 * day), _at(-day), _at(-1))
    assert judge_beats(weekly, at_night, nights)[0] is ErrorKind.OBSERVER


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (42.9, "42 s"), (90, "1 min 30 s"), (7_380, "2 h 3 min"), (3_601, "1 h")],
)
def test_spans_are_said_in_two_units(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
