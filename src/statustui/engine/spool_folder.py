"""The spool of one engine on disk: its segments in order, bounded, and those that the dead left.

    <data_dir>/spool/<database>/<region>/gate       held while folders come and go
                                        /<engine>/lock, 00000001.seg, …
                                        /aside/     what this version cannot read

An engine writes into a folder of its own, named by its id, and holds a lock on it for as long as
it lives; a kernel frees the lock however a process dies. Whoever finds a folder that nobody holds
takes over what is in it, under the gate, so that two never read the same file.

Everything in here waits for the disk. `spool.Spool` runs it in a thread of its own, one call at a
time, so there are no locks between threads.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from statustui.domain.decision import Decision
from statustui.engine.spool_segment import (
    ForeignSegment,
    Head,
    Segment,
    SegmentWriter,
    TornHead,
    frames_of,
    read_frame,
    scan,
    thin,
)

_LOG = logging.getLogger("statustui.engine")

_LONGEST_SEGMENT = 4 * 1024 * 1024
_SEGMENTS_AT_LEAST = 16
_ASIDE = "aside"
_LOCK = "lock"
_GATE = "gate"
_ENGINE = re.compile("[0-9a-f]{32}")


class SpoolFull(OSError):
    """The spool may not grow, and all that is in it changes a state."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Results from the head of the spool, in order.

    Attributes:
        left_by: the engines that had them before; nobody when they are this engine's own.
    """

    decisions: tuple[Decision, ...]
    left_by: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much waits: results, bytes, since when; and how many results were given up."""

    results: int
    bytes: int
    oldest_at: datetime | None
    given_up: int


class SpoolFolder:
    """Segments in order: written at one end, read at the other.

    Args:
        folder: of the database and region; made when something has to be written.
        max_bytes: what all files below it may take together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(_LONGEST_SEGMENT, max(1, max_bytes // _SEGMENTS_AT_LEAST))
        self._own: Path | None = None
        self._lock: int | None = None
        self._number = 0
        self._about: tuple[UUID, UUID] | None = None
        self._segments: deque[Segment] = deque()
        self._writer: SegmentWriter | None = None
        self._next_frame = 0
        self._buffer: deque[Decision] = deque()
        self._elsewhere = 0
        self._results = 0
        self._given_up = 0

    @property
    def amount(self) -> Amount:
        """How much waits."""
        oldest_at = self._segments[0].head.opened_at if self._segments else None
        return Amount(self._results, self._bytes, oldest_at, self._given_up)

    @property
    def _bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    def know(self, database: UUID, engine: UUID) -> None:
        """Says which installation's monitors the results are about, and which engine decides."""
        self._about = database, engine

    @property
    def _known(self) -> tuple[UUID, UUID]:
        if self._about is None:
            raise RuntimeError("results came before the database was known")
        return self._about

    # -- writing ---------------------------------------------------------------------------------

    def append(self, decisions: Sequence[Decision], at: datetime) -> None:
        """Adds results at the end; when this returns, they are on the disk.

        Args:
            decisions: in the order in which they were made.
            at: now.

        Raises:
            SpoolFull: no room was left, and none can be made.
            OSError: the disk does not take them; nothing was added.
        """
        frames = frames_of(decisions)
        size = sum(len(data) for data, _ in frames)
        self._make_room(size)
        writer = self._writer
        if writer is not None and writer.segment.size >= self._segment_bytes:
            self._rotate()
        if self._writer is None:
            self._begin_segment(Head(*self._known, at))
        try:
            self._open_writer.append(frames)
        except OSError:
            self._rotate()
            raise
        self._results += len(decisions)

    @property
    def _open_writer(self) -> SegmentWriter:
        assert self._writer is not None
        return self._writer

    def _begin_segment(self, head: Head) -> None:
        own = self._own or self._make_own()
        self._number += 1
        self._writer = SegmentWriter(own / f"{self._number:08}.seg", head)
        self._segments.append(self._writer.segment)

    def _rotate(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _make_own(self) -> Path:
        with self._gate():
            return self._claim_own()

    def _claim_own(self) -> Path:
        """Makes and locks the folder of this engine; the gate is held."""
        own = self._folder / self._known[1].hex
        own.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._own = own
        self._elsewhere = self._count_elsewhere()
        return own

    def _make_room(self, size: int) -> None:
        """Gives up the oldest results that change no state until there is room."""
        if self._elsewhere + self._bytes + size <= self._max_bytes:
            return
        self._elsewhere = self._count_elsewhere()
        while self._elsewhere + self._bytes + size > self._max_bytes:
            segment = next((each for each in self._segments if self._may_thin(each)), None)
            if segment is None:
                raise SpoolFull(
                    errno.EDQUOT, f"the spool holds {self._bytes:,} of {self._max_bytes:,} bytes"
                )
            if self._writer is not None and segment is self._writer.segment:
                self._rotate()
            self._thin(segment)

    def _may_thin(self, segment: Segment) -> bool:
        is_begun = segment is self._segments[0] and bool(self._buffer or self._next_frame)
        return not segment.is_thinned and not is_begun

    def _thin(self, segment: Segment) -> None:
        try:
            lost = thin(segment)
        except ForeignSegment as error:
            self._put_aside(segment.path, error)
            lost = segment.results
            self._segments.remove(segment)
        if not segment.frames and segment in self._segments:
            self._segments.remove(segment)
            segment.path.unlink()
        self._results -= lost
        self._given_up += lost
        if lost:
            _LOG.error("the spool is full: %d results were given up so far", self._given_up)

    def _count_elsewhere(self) -> int:
        """Bytes of other engines' spools and of what was put aside."""
        total = 0
        for path in self._folder.glob("*/*"):
            if path.parent != self._own:
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
        return total

    # -- reading ---------------------------------------------------------------------------------

    def peek(self, most: int) -> Waiting | None:
        """The oldest results, which stay until `advance`; None when nothing waits.

        Args:
            most: how many at most; all come from one segment, so there may be fewer.
        """
        while self._segments:
            segment = self._segments[0]
            if self._writer is not None and segment is self._writer.segment:
                self._rotate()
            try:
                while len(self._buffer) < most and self._next_frame < len(segment.frames):
                    self._buffer += read_frame(segment, self._next_frame)
                    self._next_frame += 1
            except ForeignSegment as error:
                self._put_aside(segment.path, error)
                left = sum(count for _, count in segment.frames[self._next_frame :])
                self._results -= left
                self._given_up += left
                segment.frames = segment.frames[: self._next_frame]
            if self._buffer:
                first = [self._buffer[index] for index in range(min(most, len(self._buffer)))]
                return Waiting(tuple(first), segment.left_by)
            self._drop_head()
        return None

    def advance(self, count: int) -> None:
        """Forgets the oldest results: they are in the database."""
        for _ in range(count):
            self._buffer.popleft()
        self._results -= count
        if not self._buffer and self._next_frame >= len(self._segments[0].frames):
            self._drop_head()

    def _drop_head(self) -> None:
        segment = self._segments.popleft()
        self._buffer.clear()
        self._next_frame = 0
        if self._writer is not None and segment is self._writer.segment:
            self._rotate()
        segment.path.unlink(missing_ok=True)

    # -- what the dead left ----------------------------------------------------------------------

    def adopt(self) -> int:
        """Takes over what engines left that are no more.

        Returns:
            How many results were found.

        Raises:
            OSError: the folder cannot be read or changed.
        """
        if not self._folder.is_dir():
            return 0
        before = self._results
        with self._gate():
            left = [found for path in self._others() if (found := self._take_over(path))]
            for _, lock, path, segments in sorted(left, key=lambda each: each[0]):
                try:
                    for segment in segments:
                        segment.left_by = frozenset({segment.head.engine, UUID(path.name)})
                        self._move_in(segment)
                    self._remove(path, lock)
                except OSError as error:
                    os.close(lock)
                    _LOG.error("what is left in %s stays there for now: %s", path, error)
        return self._results - before

    def _others(self) -> Iterator[Path]:
        for path in sorted(self._folder.iterdir()):
            if path.is_dir() and _ENGINE.fullmatch(path.name) and path != self._own:
                yield path

    def _take_over(self, path: Path) -> tuple[datetime, int, Path, list[Segment]] | None:
        """Locks a folder that nobody holds and reads what is in it."""
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        try:
            return self._read_left(path, lock)
        except OSError as error:
            # One folder that cannot be read keeps no other from being taken over.
            os.close(lock)
            _LOG.error("what is left in %s cannot be read now: %s", path, error)
            return None

    def _read_left(self, path: Path, lock: int) -> tuple[datetime, int, Path, list[Segment]] | None:
        segments: list[Segment] = []
        for file in sorted(path.glob("*.seg")):
            size = file.stat().st_size
            try:
                segment = scan(file)
                if segment.head.database != self._known[0]:
                    raise ForeignSegment("its results are about another database's monitors")
            except TornHead:
                file.unlink()
                _LOG.warning("%s was torn before it held a result", file)
            except ForeignSegment as error:
                self._put_aside(file, error)
            else:
                if segment.size < size:
                    _LOG.warning(
                        "the torn end of %s is left out: %d bytes", file, size - segment.size
                    )
                segments.append(segment)
        if not segments:
            self._remove(path, lock)
            return None
        return segments[0].head.opened_at, lock, path, segments

    def _move_in(self, segment: Segment) -> None:
        own = self._own or self._claim_own()
        self._rotate()
        self._number += 1
        path = own / f"{self._number:08}.seg"
        segment.path.rename(path)
        segment.path = path
        self._segments.append(segment)
        self._results += segment.results

    def _remove(self, path: Path, lock: int) -> None:
        """Removes an empty folder; what else lies in it keeps it."""
        for leftover in path.glob("*.thin"):
            leftover.unlink()
        (path / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            path.rmdir()
        os.close(lock)

    def _put_aside(self, path: Path, error: ForeignSegment) -> None:
        aside = self._folder / _ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        kept = aside / f"{path.parent.name}-{path.name}"
        if not kept.exists():  # it is there already when a crash came between the two steps
            os.link(path, kept)
        _LOG.error("results on disk cannot be read and are kept in %s: %s", kept, error)
        path.unlink()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Lets go of the folder; what waits in it is for the next engine."""
        self._rotate()
        own, lock = self._own, self._lock
        self._own = self._lock = None
        if own is None or lock is None:
            return
        if self._segments:
            os.close(lock)
            return
        with self._gate():
            self._remove(own, lock)

    @contextmanager
    def _gate(self) -> Iterator[None]:
        for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / _GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class SpoolOnDisk:
    """What waits on this host, as its files say.

    Attributes:
        folder: of the database, with its regions below it.
        bytes: of all segments; unreadable_bytes: of files that were put aside.
        oldest_at: when the oldest segment was written last; None without any.
    """

    folder: Path
    bytes: int
    unreadable_bytes: int
    oldest_at: datetime | None


def on_disk(folder: Path) -> SpoolOnDisk:
    """What waits below a folder, whoever owns it.

    Args:
        folder: of a database, with its regions below it.
    """
    size = aside = 0
    oldest: float | None = None
    for path in folder.glob("*/*/*.seg"):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue  # written to the database meanwhile
        if path.parent.name == _ASIDE:
            aside += found.st_size
            continue
        size += found.st_size
        oldest = found.st_mtime if oldest is None else min(oldest, found.st_mtime)
    oldest_at = None if oldest is None else datetime.fromtimestamp(oldest, UTC)
    return SpoolOnDisk(folder, size, aside, oldest_at)
