"""Looks host names up the way every other program on this host does, without one blocking another.

`getaddrinfo` is the only door to /etc/hosts, nsswitch and the system's resolver, and it blocks its
thread for as long as a dead resolver likes. The event loop's own pool has a handful of threads: a
few names behind a dead resolver would hold up every other check. So lookups have threads of their
own, as many as are needed up to a limit, and they are daemons: a name that hangs cannot hold up
the end of the program either.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from functools import lru_cache
from queue import SimpleQueue

_THREADS = 64

_Answer = list[str] | OSError | UnicodeError
_Work = tuple[str, int, asyncio.AbstractEventLoop, Callable[[_Answer], None]]


class LookupThreads:
    """Threads that wait for `getaddrinfo`, started when there is work and none is idle.

    Args:
        limit: how many there may be; further lookups wait their turn.
    """

    def __init__(self, limit: int = _THREADS) -> None:
        self._limit = limit
        self._work: SimpleQueue[_Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    async def addresses(self, host: str, family: int = socket.AF_UNSPEC) -> list[str]:
        """The addresses of a host, in the order in which the system prefers them.

        Args:
            host: a name or an address; an address is handed back without a lookup.
            family: `socket.AF_INET`, `AF_INET6`, or `AF_UNSPEC` for both.

        Raises:
            OSError: `socket.gaierror` as the system gave it.
            UnicodeError: when the name cannot be written in the DNS at all.
        """
        if is_address(host):
            return [host]
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()

        def settle(answer: _Answer) -> None:
            if future.done():
                return  # the deadline came first
            if isinstance(answer, list):
                future.set_result(answer)
            else:
                future.set_exception(answer)

        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self._limit:
                self._threads += 1
                threading.Thread(target=self._serve, name="lookup", daemon=True).start()
        self._work.put((host, family, loop, settle))
        return await future

    def _serve(self) -> None:
        while True:
            host, family, loop, settle = self._work.get()
            answer = _look_up(host, family)
            with self._lock:
                self._idle += 1
            try:
                loop.call_soon_threadsafe(settle, answer)
            except RuntimeError:
                # The loop has ended meanwhile; nobody waits for this answer any more.
                continue


def _look_up(host: str, family: int) -> _Answer:
    try:
        found = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@lru_cache(maxsize=16_384)
def is_address(host: str) -> bool:
    """Whether a host is written as an IPv4 or IPv6 address (which may carry a zone)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


lookups = LookupThreads()
