"""A program in a real pseudo-terminal: what it writes, when, and what becomes of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping


class PseudoTerminal:
    """A terminal of a size with a program in it, the leader of its own session.

    Args:
        command: the words to run.
        environment: the program's whole environment.
        columns, rows: the size.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        *,
        columns: int = 120,
        rows: int = 36,
    ) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._pieces: list[tuple[float, bytes]] = []
        self._reads = threading.Event()
        self._reads.set()
        self._ended = threading.Event()
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            self._reads.wait()
            try:
                if not select.select([self._master], [], [], 0.05)[0]:
                    continue
                data = os.read(self._master, 65536)
            except (OSError, ValueError):
                break
            if not data:
                break
            with self._news:
                self._pieces.append((time.perf_counter(), data))
                self._news.notify_all()

    @property
    def size(self) -> int:
        """How many bytes have arrived so far."""
        return sum(len(data) for _, data in self._pieces)

    def output(self, since: int = 0) -> bytes:
        """What has arrived, from a position in bytes on."""
        return b"".join(data for _, data in self._pieces)[since:]

    def type(self, keys: bytes) -> float:
        """Press keys; gives the time."""
        at = time.perf_counter()
        os.write(self._master, keys)
        return at

    def wait_for(
        self, found: Callable[[bytes], bool], *, since: int = 0, seconds: float = 15.0
    ) -> float:
        """Wait until what has arrived satisfies something; gives the time it did."""
        deadline = time.perf_counter() + seconds
        with self._news:
            while True:
                if found(self.output(since)):
                    return self._pieces[-1][0] if self._pieces else time.perf_counter()
                left = deadline - time.perf_counter()
                if left <= 0:
                    raise AssertionError(
                        f"not within {seconds} s; got {self.output(since)[-2000:]!r}"
                    )
                self._news.wait(min(left, 0.1))

    def shows(self, text: str, *, since: int = 0, seconds: float = 15.0) -> float:
        """Wait until a text that is painted in one piece has arrived."""
        wanted = text.encode()
        return self.wait_for(lambda data: wanted in data, since=since, seconds=seconds)

    def quiet(self, seconds: float = 0.3, most: float = 5.0) -> None:
        """Wait until nothing has arrived for a while."""
        deadline = time.perf_counter() + most
        before = self.size
        since = time.perf_counter()
        while time.perf_counter() - since < seconds and time.perf_counter() < deadline:
            with self._news:
                self._news.wait(0.02)
            if self.size != before:
                before, since = self.size, time.perf_counter()

    def stop_reading(self) -> None:
        """Read nothing more, as a stalled line does."""
        self._reads.clear()

    def go_on_reading(self) -> None:
        """Read again."""
        self._reads.set()

    def hang_up(self) -> None:
        """Close the terminal under the program."""
        self._ended.set()
        self._reads.set()
        self._reader.join(2)
        with contextlib.suppress(OSError):
            os.close(self._master)
        self._master = -1

    def cpu_seconds(self) -> float:
        """Processor time the program has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident memory of the program in MB."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def close(self) -> None:
        """End the program, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._master >= 0:
            self.hang_up()


@contextlib.contextmanager
def pseudo_terminal(
    command: list[str], environment: Mapping[str, str], *, columns: int = 120, rows: int = 36
) -> Iterator[PseudoTerminal]:
    """A terminal that is closed with the block."""
    made = PseudoTerminal(command, environment, columns=columns, rows=rows)
    try:
        yield made
    finally:
        made.close()
