"""One file of the spool: a head, then frames of results, each with its length and checksum.

A frame is on disk as a whole or not at all: whatever a process was doing when it was killed, or a
disk when it was full, only the last frame can be torn, and reading stops before it.

    frame     length of the payload, number of results, CRC-32 of all that (4 bytes each), payload
    head      a frame with no results; its payload is JSON: format, version, database, engine, time

Nothing here knows asyncio; `spool.Spool` calls it from a thread of its own.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson

from statustui.domain.decision import Decision
from statustui.engine.spool_records import VERSION, Unreadable, decode, encode

_FORMAT = "statustui spool"
_PREFIX = struct.Struct(">III")
_RESULTS_IN_A_FRAME = 500
# No frame comes near this; a length beyond it was never written by this program.
_LONGEST_FRAME = 64_000_000
_LONGEST_HEAD = 4_096


class TornHead(Exception):
    """A process died before the head of its file was whole: nothing was ever in it."""


class ForeignSegment(Exception):
    """Another version wrote it, or what stands in it cannot be believed: it is to be kept aside."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is said once about all results of a file.

    Attributes:
        database: the installation whose monitors these are.
        engine: that decided.
        opened_at: when the file was begun.
    """

    database: UUID
    engine: UUID
    opened_at: datetime

    def as_payload(self) -> bytes:
        """As it stands in the file."""
        return orjson.dumps(
            {
                "format": _FORMAT,
                "version": VERSION,
                "database": str(self.database),
                "engine": str(self.engine),
                "opened_at": self.opened_at,
            }
        )


@dataclass(slots=True)
class Segment:
    """A file of the spool.

    Attributes:
        path: where it is; head: what it says about itself.
        frames: for each frame, where it begins and how many results it holds.
        size: bytes that are whole.
        is_thinned: whether only results that change a state are left in it.
        left_by: the engines that had it before, this one's own are nobody's.
    """

    path: Path
    head: Head
    frames: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0
    is_thinned: bool = False
    left_by: frozenset[UUID] = frozenset()

    @property
    def results(self) -> int:
        """How many results it holds."""
        return sum(count for _, count in self.frames)


class SegmentWriter:
    """A segment that is being written.

    Args:
        path: of a file that does not exist.
        head: what it says about itself.

    Raises:
        OSError: the disk is full, or nothing can be written there.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.segment = Segment(path, head)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            self._write(_frame(head.as_payload(), 0))
            os.fsync(self._descriptor)
            sync_folder(path.parent)
        except OSError:
            os.close(self._descriptor)
            with suppress(OSError):
                path.unlink()
            raise

    def append(self, frames: Sequence[tuple[bytes, int]]) -> None:
        """Adds frames and waits until the disk has them; all of them or none.

        Args:
            frames: from `frames_of`.

        Raises:
            OSError: the segment holds what it held before.
        """
        segment = self.segment
        before = segment.size
        added: list[tuple[int, int]] = []
        try:
            for data, count in frames:
                added.append((segment.size, count))
                self._write(data)
            os.fsync(self._descriptor)
        except OSError:
            # Bytes that stay behind a failure would be torn frames in the middle of a file.
            segment.size = before
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise
        segment.frames += added

    def close(self) -> None:
        """Ends the writing."""
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        segment = self.segment
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, segment.size)
            segment.size += written
            view = view[written:]


def frames_of(decisions: Sequence[Decision]) -> list[tuple[bytes, int]]:
    """Decisions as frames, each with the number of its results."""
    frames: list[tuple[bytes, int]] = []
    for start in range(0, len(decisions), _RESULTS_IN_A_FRAME):
        part = decisions[start : start + _RESULTS_IN_A_FRAME]
        frames.append((_frame(encode(part), len(part)), len(part)))
    return frames


def _frame(payload: bytes, count: int) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(struct.pack(">II", len(payload), count)))
    return _PREFIX.pack(len(payload), count, checksum) + payload


def scan(path: Path) -> Segment:
    """Reads what a file holds, up to where it was torn, and cuts the torn end off.

    Raises:
        TornHead: it was never begun.
        ForeignSegment: another version's, or damaged at its very beginning.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    found = list(_whole_frames(data))
    if not found:
        is_begun = len(data) >= _PREFIX.size
        declared, count, _ = _PREFIX.unpack_from(data) if is_begun else (_LONGEST_HEAD, 0, 0)
        is_head = count == 0 and declared <= _LONGEST_HEAD
        if (is_head and len(data) < _PREFIX.size + declared) or not data.strip(b"\0"):
            raise TornHead(str(path))
        raise ForeignSegment(f"{path} does not begin like a spool")
    (start, length, _), *rest = found
    head = _read_head(data[start + _PREFIX.size : start + _PREFIX.size + length])
    end = sum(_PREFIX.size + length for _, length, _ in found)
    if end < len(data):
        os.truncate(path, end)
    return Segment(path, head, [(start, count) for start, _, count in rest], end)


def _whole_frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, length and number of results of every frame before the first that is not whole."""
    start = 0
    view = memoryview(data)
    while start + _PREFIX.size <= len(data):
        length, count, checksum = _PREFIX.unpack_from(data, start)
        end = start + _PREFIX.size + length
        if length > _LONGEST_FRAME or end > len(data):
            return
        payload = view[start + _PREFIX.size : end]
        if checksum != zlib.crc32(payload, zlib.crc32(view[start : start + 8])):
            return
        yield start, length, count
        start = end


def _read_head(payload: bytes) -> Head:
    try:
        told = orjson.loads(payload)
        if told["format"] != _FORMAT or told["version"] != VERSION:
            raise ForeignSegment(f"version {told['version']!r} of {told['format']!r}")
        return Head(
            UUID(told["database"]),
            UUID(told["engine"]),
            datetime.fromisoformat(told["opened_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForeignSegment(f"its head cannot be read: {error}") from error


def read_frame(segment: Segment, number: int) -> list[Decision]:
    """The decisions of one frame.

    Args:
        segment: as it was scanned or written.
        number: of the frame, from 0.

    Raises:
        ForeignSegment: what stands there is no record of this version.
        OSError: it cannot be read.
    """
    start, count = segment.frames[number]
    with segment.path.open("rb") as file:
        file.seek(start)
        length, _, _ = _PREFIX.unpack(file.read(_PREFIX.size))
        payload = file.read(length)
    try:
        decisions = decode(payload)
    except Unreadable as error:
        raise ForeignSegment(f"{segment.path}: {error}") from error
    if len(decisions) != count:
        raise ForeignSegment(f"{segment.path} holds {len(decisions)} results and says {count}")
    return decisions


def thin(segment: Segment) -> int:
    """Leaves in a segment only what changes a state.

    Returns:
        How many results were given up.

    Raises:
        ForeignSegment, OSError: it is as it was.
    """
    kept: list[Decision] = []
    before = segment.results
    for number in range(len(segment.frames)):
        kept += [each for each in read_frame(segment, number) if each.transitions]
    path = segment.path.with_suffix(".thin")
    with suppress(FileNotFoundError):
        path.unlink()
    writer = SegmentWriter(path, segment.head)
    try:
        writer.append(frames_of(kept))
        path.rename(segment.path)
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        writer.close()
    segment.frames, segment.size = writer.segment.frames, writer.segment.size
    segment.is_thinned = True
    return before - len(kept)


def sync_folder(folder: Path) -> None:
    """Waits until the disk knows the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
