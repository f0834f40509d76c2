"""What is on disk comes back in order, once, whatever killed the process or filled the disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from statustui.domain.status import MonitorState
from statustui.engine import spool_segment
from statustui.engine.spool import Spool, SpoolRefused
from statustui.engine.spool_folder import SpoolFolder, SpoolFull, on_disk
from statustui.engine.spool_records import Unreadable, decode, encode
from statustui.engine.spool_segment import Head, SegmentWriter, frames_of, read_frame, scan
from tests.support.decisions import BEGIN, decision, numbers

DATABASE = UUID(int=7)
ENGINE = UUID(int=1)
MUCH = 10_000_000
DOWN = MonitorState.DOWN


def _folder(place: Path, max_bytes: int = MUCH, engine: int = 1) -> SpoolFolder:
    made = SpoolFolder(place / "local", max_bytes)
    made.know(DATABASE, UUID(int=engine))
    return made


def _drain(folder: SpoolFolder, most: int = 100) -> list[int]:
    found: list[int] = []
    while (waiting := folder.peek(most)) is not None:
        found += numbers(waiting.decisions)
        folder.advance(len(waiting.decisions))
    return found


def _die(folder: SpoolFolder) -> None:
    """What a kernel does with the locks and files of a process that is killed."""
    if folder._writer is not None:
        folder._writer.close()
    assert folder._lock is not None
    os.close(folder._lock)


def test_a_decision_comes_back_as_it_was() -> None:
    given_ = [decision(1), decision(2, to=DOWN), decision(3, to=MonitorState.UP)]
    assert decode(encode(given_)) == given_
    with pytest.raises(Unreadable):
        decode(b"nothing")
    with pytest.raises(Unreadable):
        decode(encode(given_)[:-5])


def test_first_in_first_out_and_nothing_left_behind(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.append([decision(n) for n in range(3)], BEGIN)
    folder.append([decision(n) for n in range(3, 1_300)], BEGIN + timedelta(seconds=9))
    assert folder.amount.results == 1_300
    assert folder.amount.oldest_at == BEGIN
    assert on_disk(tmp_path).bytes == folder.amount.bytes > 0
    assert folder.peek(2) == folder.peek(2)  # looking takes nothing away
    assert _drain(folder, 700) == list(range(1_300))
    assert folder.amount.results == folder.amount.bytes == 0
    folder.append([decision(5_000)], BEGIN)
    assert _drain(folder) == [5_000]
    folder.close()
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["gate"]


def test_what_is_on_disk_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    folder.append([decision(1, to=DOWN)], BEGIN)
    for path in tmp_path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_torn_end_costs_what_was_torn_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path
    head = Head(DATABASE, ENGINE, BEGIN)
    writer = SegmentWriter(place / "whole.seg", head)
    ends: list[tuple[int, int]] = [(writer.segment.size, 0)]
    total = 0
    for size in (2, 1):
        writer.append(frames_of([decision(total + n, to=DOWN) for n in range(size)]))
        total += size
        ends.append((writer.segment.size, total))
    writer.close()
    data = (place / "whole.seg").read_bytes()
    torn = place / "torn.seg"
    for length in range(len(data) + 1):
        whole = list(spool_segment._whole_frames(data[:length]))
        survivors = max((count for end, count in ends if end <= length), default=None)
        assert sum(count for _, _, count in whole) == (survivors or 0)
        if length % 40 and not any(abs(length - end) < 2 for end, _ in ends):
            continue
        for tail in (b"", b"\0" * 40, b"\xff" * 40):
            torn.write_bytes(data[:length] + (tail if length < len(data) else b""))
            if survivors is None:
                with pytest.raises((spool_segment.TornHead, spool_segment.ForeignSegment)):
                    scan(torn)
                continue
            segment = scan(torn)
            assert segment.results == survivors
            assert segment.head == head
            assert torn.stat().st_size == segment.size
            found = [n for i in range(len(segment.frames)) for n in numbers(read_frame(segment, i))]
            assert found == list(range(survivors))


def test_a_file_without_a_result_is_forgotten_and_a_foreign_one_kept(tmp_path: Path) -> None:
    name = UUID(int=5).hex
    dead = tmp_path / "local" / name
    dead.mkdir(parents=True)
    (dead / "00000001.seg").write_bytes(b"\0\0\0")
    (dead / "00000002.seg").write_bytes(b"something else altogether, and long enough to be odd")
    later = Head(DATABASE, ENGINE, BEGIN).as_payload().replace(b'"version":1', b'"version":9')
    (dead / "00000003.seg").write_bytes(spool_segment._frame(later, 0))
    elsewhere = Head(UUID(int=8), ENGINE, BEGIN)
    SegmentWriter(dead / "00000004.seg", elsewhere).append(frames_of([decision(1)]))
    SegmentWriter(dead / "00000005.seg", Head(DATABASE, ENGINE, BEGIN)).append(
        frames_of([decision(2)])
    )
    folder = _folder(tmp_path)
    assert folder.adopt() == 1
    assert _drain(folder) == [2]
    assert not dead.exists()
    kept = sorted(path.name for path in (tmp_path / "local" / "aside").iterdir())
    assert kept == [f"{name}-0000000{n}.seg" for n in (2, 3, 4)]
    assert on_disk(tmp_path).unreadable_bytes > 0


def test_whoever_comes_next_takes_over_from_the_dead_and_not_from_the_living(
    tmp_path: Path,
) -> None:
    first, second = _folder(tmp_path), _folder(tmp_path, engine=2)
    first.append([decision(1)], BEGIN)
    second.append([decision(3)], BEGIN + timedelta(seconds=5))
    third = _folder(tmp_path, engine=3)
    assert third.adopt() == 0
    _die(second)
    _die(first)
    assert third.adopt() == 2
    assert _folder(tmp_path, engine=4).adopt() == 0
    third.append([decision(4)], BEGIN)
    _die(third)
    fourth = _folder(tmp_path, engine=4)
    assert fourth.adopt() == 3
    found = []
    while (waiting := fourth.peek(100)) is not None:
        found.append((numbers(waiting.decisions), {each.int for each in waiting.left_by}))
        fourth.advance(len(waiting.decisions))
    # Who decided, and who had taken it over without deciding anything before it was written.
    assert found == [([1], {1, 3}), ([3], {2, 3}), ([4], {3})]


def test_what_was_not_forgotten_comes_again_to_the_next(tmp_path: Path) -> None:
    first = _folder(tmp_path)
    first.append([decision(n) for n in range(10)], BEGIN)
    assert first.peek(4) is not None
    first.advance(4)
    assert first.amount.results == 6
    first._buffer.clear()
    _die(first)
    second = _folder(tmp_path, engine=2)
    second.adopt()
    assert _drain(second) == list(range(10))  # the primary key of checks knows the first four


def test_a_full_spool_gives_up_the_oldest_that_changes_no_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit = 64 * 1024
    folder = _folder(tmp_path, limit)
    given_ = 0
    while not folder.amount.given_up:
        batch = [decision(given_ + n, to=DOWN if n == 7 else None) for n in range(50)]
        folder.append(batch, BEGIN)
        given_ += 50
        assert folder.amount.bytes <= limit
        assert given_ < 100_000
    assert "given up" in caplog.text
    lost = folder.amount.given_up
    assert folder.amount.results == given_ - lost
    left = _drain(folder)
    assert left == sorted(left)
    gone = set(range(given_)) - set(left)
    assert len(gone) == lost
    assert all(number % 50 != 7 for number in gone)
    # The oldest: what was thinned lies before all that is whole.
    assert max(gone) < min(n for n in left if n % 50 != 7)


def test_a_spool_full_of_changes_takes_no_more(tmp_path: Path) -> None:
    folder = _folder(tmp_path, 64 * 1024)
    written = 0
    with pytest.raises(SpoolFull):
        while True:
            folder.append([decision(written + n, to=DOWN) for n in range(200)], BEGIN)
            written += 200
            assert written < 100_000
    assert folder.amount.given_up == 0
    assert _drain(folder) == list(range(written))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_is_said_at_once_and_loses_nothing_that_was_taken(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(small_disk / "spool" / "local", MUCH)
    spool.know(DATABASE, ENGINE)
    taken = 0
    with pytest.raises(SpoolRefused):
        while True:
            await spool.append([decision(taken + n) for n in range(200)], BEGIN)
            taken += 200
    assert "No space left" in (spool.status.trouble or "")
    assert caplog.text.count("cannot be kept on disk") == 1
    with pytest.raises(SpoolRefused):
        await spool.append([decision(n) for n in range(5_000)], BEGIN)
    assert caplog.text.count("cannot be kept on disk") == 1
    assert spool.status.results == taken > 0
    found: list[int] = []
    for _ in range(20):
        waiting = await spool.peek(1)
        assert waiting is not None
        found += numbers(waiting.decisions)
        await spool.advance(1)
    while (waiting := await spool.peek(500)) is not None:
        found += numbers(waiting.decisions)
        await spool.advance(len(waiting.decisions))
    assert found == list(range(taken))
    await spool.append([decision(taken)], BEGIN)
    assert spool.status.trouble is None
    await spool.close()


_CHILD = """
import sys, os
from pathlib import Path
from uuid import UUID
from statustui.engine.spool_folder import SpoolFolder
from tests.support.decisions import BEGIN, decision
folder = SpoolFolder(Path(sys.argv[1]), 10_000_000)
folder.know(UUID(int=7), UUID(int=1))
number = 0
while True:
    folder.append([decision(number + n) for n in range(3)], BEGIN)
    number += 3
    os.write(1, b"%d\\n" % number)
"""


def test_a_process_that_is_killed_loses_nothing_that_it_had_put_down(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "local")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    with child.stdout as said:
        lines = [said.readline() for _ in range(40)]
        child.kill()
        lines += said.readlines()
    child.wait()
    acknowledged = int(lines[-1] if lines[-1].endswith(b"\n") else lines[-2])
    folder = _folder(tmp_path, engine=2)
    folder.adopt()
    found = _drain(folder)
    assert found == list(range(len(found)))
    assert len(found) >= acknowledged >= 120
