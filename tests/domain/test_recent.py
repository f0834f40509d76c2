"""The hour's strip holds, for each minute, the worst that was seen in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.recent import (
    EMPTY,
    MINUTES,
    Minute,
    add,
    combine,
    decode,
    decode_strip,
    encode,
    merge,
    minute_of,
    move,
)
from statustui.domain.rollup import bucket_of
from statustui.domain.status import CheckStatus

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
_BYTES = st.builds(
    encode,
    st.sampled_from(CheckStatus),
    st.floats(0, 60_000),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("status", "duration_ms", "in_maintenance", "byte"),
    [
        (CheckStatus.SUCCESS, 0.5, False, 0x01),
        (CheckStatus.SUCCESS, 60_000, False, 0x18),
        (CheckStatus.DEGRADED, 0.5, False, 0x21),
        (CheckStatus.DEGRADED, 60_000, True, 0x78),
        (CheckStatus.FAILURE, 5, False, 0x80),
        (CheckStatus.TIMEOUT, 5, True, 0xC0),
        (CheckStatus.UNKNOWN, 5, False, 0x81),
        (CheckStatus.UNKNOWN, 5, True, 0xC1),
    ],
)
def test_bytes_are_as_written_down(
    status: CheckStatus, duration_ms: float, in_maintenance: bool, byte: int
) -> None:
    assert encode(status, duration_ms, in_maintenance) == byte
    minute = decode(byte)
    shown = CheckStatus.FAILURE if status is CheckStatus.TIMEOUT else status
    bucket = bucket_of(duration_ms) if status.succeeded else None
    assert minute == Minute(shown, bucket, in_maintenance)


@given(st.integers(0, 255))
def test_every_byte_can_be_read(byte: int) -> None:
    minute = decode(byte)
    assert (minute.limit_ms is None) == (minute.bucket is None)


@given(_BYTES, _BYTES, _BYTES)
def test_merging_does_not_depend_on_order(one: int, two: int, three: int) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one
    assert merge(one, 0) == one


def test_the_worst_of_a_minute_wins() -> None:
    quick = encode(CheckStatus.SUCCESS, 2)
    slow = encode(CheckStatus.SUCCESS, 500)
    degraded = encode(CheckStatus.DEGRADED, 20)
    unknown = encode(CheckStatus.UNKNOWN, 0)
    failure = encode(CheckStatus.FAILURE, 0)
    assert merge(quick, slow) == slow
    assert decode(merge(slow, degraded)) == Minute(CheckStatus.DEGRADED, bucket_of(500))
    assert merge(unknown, quick) == quick
    assert merge(failure, unknown) == failure
    assert merge(failure, degraded) == failure


def test_a_strip_moves_on_with_time() -> None:
    strip, until = add(b"", None, _NOON, encode(CheckStatus.SUCCESS, 2))
    assert until == _NOON + timedelta(minutes=1)
    assert [m.status for m in decode_strip(strip)] == [None] * 59 + [CheckStatus.SUCCESS]
    strip, until = add(strip, until, _NOON + timedelta(minutes=2, seconds=59), 0x80)
    assert [m.status for m in decode_strip(strip)][-3:] == [
        CheckStatus.SUCCESS,
        None,
        CheckStatus.FAILURE,
    ]
    # A late result of an older minute finds its place; one before the strip is dropped.
    strip, until = add(strip, until, _NOON + timedelta(minutes=1), 0x81)
    assert decode(strip[-2]).status is CheckStatus.UNKNOWN
    assert until == _NOON + timedelta(minutes=3)
    assert add(strip, until, _NOON - timedelta(hours=2), 0x80) == (strip, until)


@given(
    st.lists(st.tuples(st.integers(0, 200), _BYTES), min_size=1, max_size=40),
)
def test_a_strip_holds_exactly_the_last_hour(checks: list[tuple[int, int]]) -> None:
    strip, until = EMPTY, None
    for minute, byte in sorted(checks):
        strip, until = add(strip, until, _NOON + timedelta(minutes=minute), byte)
    assert until is not None
    last = max(minute for minute, _ in checks)
    expected = [0] * MINUTES
    for minute, byte in checks:
        if minute > last - MINUTES:
            index = MINUTES - 1 - (last - minute)
            expected[index] = merge(expected[index], byte)
    assert list(strip) == expected


def test_strips_of_several_monitors() -> None:
    early = add(b"", None, _NOON, 0x01)
    late = add(b"", None, _NOON + timedelta(minutes=1), 0x80)
    strip, until = combine([early, late, (EMPTY, None)])
    assert until == late[1]
    assert strip[-2:] == b"\x01\x80"
    assert combine([]) == (EMPTY, None)


def test_moving_back_and_far() -> None:
    strip = bytes(range(1, 25)).rjust(MINUTES, b"\0")
    assert move(strip, _NOON, _NOON + timedelta(minutes=MINUTES)) == EMPTY
    assert move(strip, _NOON, _NOON + timedelta(days=30)) == EMPTY
    assert move(strip, _NOON, _NOON - timedelta(minutes=1))[-1] == 23
    assert move(b"\x05", _NOON, _NOON)[-1] == 5
    assert minute_of(_NOON + timedelta(seconds=59, microseconds=5)) == _NOON
