"""Hears what PostgreSQL announces, on a connection of its own, and hands it on in small bundles.

An announcement is `<organization's key>:<kind>`: something of that kind has changed for that
organization, nothing more. Anyone who can connect may send one, so it carries no authority and is
parsed strictly; who hears it reloads. What cannot be told apart any more (the line was lost, a
reader fell behind) is said as `Resync`: reload everything.

The connection stands outside every pool, because giving one back ends its LISTEN. The line is
probed every two seconds, since a dead peer, a frozen server and a network that drops packets all
look exactly like a quiet one, and whoever reads old figures must know it within five seconds. A
probe asks for a constant: about 100 bytes each way, no table and no lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import asyncpg

from statustui.domain.errors import DatabaseUnavailable
from statustui.store.connection import Connection, ConnectionTarget, connect, ping

_LOG = logging.getLogger("statustui.changes")

CHANNEL = "statustui"
EVERYBODY = "*"
"""The key of changes that belong to no organization."""

KINDS = frozenset(
    {
        "checks",
        "configuration",
        "drafts",
        "engines",
        "incidents",
        "leases",
        "maintenance",
        "marks",
        "monitors",
        "outbox",
        "services",
    }
)
"""What can change."""

_PAYLOAD = re.compile(r"(\*|[0-9a-f]{32}):([a-z]{1,20})", re.ASCII)
# Together with the second in which a screen ticks, at most 5 s.
_KEEPALIVE_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """Something of a kind has changed.

    Attributes:
        org_key: the organization's random key, or `EVERYBODY`.
        kind: one of `KINDS`.
    """

    org_key: str
    kind: str


@dataclass(frozen=True, slots=True)
class Resync:
    """Announcements may have been missed: whoever shows something loads it again."""

    reason: str


def parse_payload(payload: str) -> Change | None:
    """Reads an announcement; None for everything that is not exactly one of ours."""
    found = _PAYLOAD.fullmatch(payload)
    if found is None or found[2] not in KINDS:
        return None
    return Change(found[1], found[2])


class Subscription:
    """What one reader has not taken yet; iterate over it.

    At most one bundle in `coalesce_seconds` is handed out, the first one at once. It ends when the
    listener is closed, and costs nothing more once nobody holds it.
    """

    def __init__(self, org_key: str | None, coalesce_seconds: float, most: int) -> None:
        self._org_key = org_key
        self._coalesce_seconds = coalesce_seconds
        self._most = most
        self._changes: set[Change] = set()
        self._resync: Resync | None = None
        self._ready = asyncio.Event()
        self._ended = False
        self._not_before = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> frozenset[Change] | Resync:
        await self._ready.wait()
        loop = asyncio.get_running_loop()
        pause = self._not_before - loop.time()
        if pause > 0 and not self._ended:
            await asyncio.sleep(pause)
        if self._resync is None and not self._changes:
            raise StopAsyncIteration
        self._not_before = loop.time() + self._coalesce_seconds
        if not self._ended:
            self._ready.clear()
        if self._resync is not None:
            resync, self._resync = self._resync, None
            self._changes.clear()
            return resync
        changes, self._changes = frozenset(self._changes), set()
        return changes

    def _add(self, change: Change) -> None:
        if self._org_key is not None and change.org_key not in (self._org_key, EVERYBODY):
            return
        if self._resync is None:
            self._changes.add(change)
            if len(self._changes) > self._most:
                self._lose("more changed than could be told apart")
        self._ready.set()

    def _lose(self, reason: str) -> None:
        self._changes.clear()
        self._resync = Resync(reason)
        self._ready.set()

    def _end(self) -> None:
        self._ended = True
        self._ready.set()


class ChangeListener:
    """Listens from entering its context to leaving it, through every loss of the line.

    Entering waits for the first attempt to connect, whatever comes of it; a database that is away
    is tried again, with growing pauses, until the end.

    Args:
        target: connects as a role that may connect; hearing announcements needs no right.
        coalesce_seconds: the least time between two bundles for one reader.
        keepalive_seconds: how long the line is trusted between two probes.
        answer_seconds: how long the answer to a probe may take.
        most: changes that are kept apart for one reader; more become a `Resync`.
    """

    def __init__(
        self,
        target: ConnectionTarget,
        *,
        coalesce_seconds: float = 0.05,
        keepalive_seconds: float = _KEEPALIVE_SECONDS,
        answer_seconds: float = _ANSWER_SECONDS,
        most: int = 256,
    ) -> None:
        self._target = target
        self._coalesce_seconds = coalesce_seconds
        self._keepalive_seconds = keepalive_seconds
        self._answer_seconds = answer_seconds
        self._most = most
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._heard_of = False
        self._connected = False
        self._since = datetime.now(UTC)
        self._refused = 0

    @property
    def connected(self) -> bool:
        """Whether announcements are heard at present."""
        return self._connected

    @property
    def since(self) -> datetime:
        """Since when `connected` is what it is."""
        return self._since

    @property
    def refused(self) -> int:
        """How many payloads were not ours and were dropped."""
        return self._refused

    def subscribe(self, org_key: str | None = None) -> Subscription:
        """Starts to collect for one more reader, from this moment on.

        Args:
            org_key: only this organization's changes, and those that belong to none; None for all.
        """
        subscription = Subscription(org_key, self._coalesce_seconds, self._most)
        self._subscriptions.add(subscription)
        return subscription

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name="changes")
        await self._tried.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for subscription in list(self._subscriptions):
            subscription._end()  # noqa: SLF001  the two belong together

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            reason = ""
            try:
                connection = await connect(self._target)
            except DatabaseUnavailable as error:
                reason = error.cause
            else:
                lost = asyncio.Event()
                try:
                    reason = await self._hear(connection, lost)
                    pause = _FIRST_PAUSE_SECONDS
                finally:
                    # Not close(): a line that is dead would be waited for.
                    connection.terminate()
            if self._connected:
                self._set_connected(False)
                _LOG.warning("announcements are not heard: %s", reason)
            self._tried.set()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _hear(self, connection: Connection, lost: asyncio.Event) -> str:
        """Listens on an open connection until it is lost; returns why it was."""

        def ended(_: Any) -> None:
            lost.set()

        connection.add_termination_listener(ended)
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._set_connected(True)
            if self._heard_of or self._tried.is_set():
                # Also after a failed first attempt: readers have loaded nothing, or something old.
                for subscription in list(self._subscriptions):
                    subscription._lose("the line to the database was lost and is back")  # noqa: SLF001
            self._heard_of = True
            self._tried.set()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._keepalive_seconds):
                        await lost.wait()
                if lost.is_set():
                    return "the server closed the line"
                await ping(connection, timeout_seconds=self._answer_seconds)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return str(error) or "no answer"

    def _heard(self, _connection: Any, _process: int, _channel: str, payload: object) -> None:
        change = parse_payload(payload) if isinstance(payload, str) else None
        if change is None:
            self._refused += 1
            return
        for subscription in list(self._subscriptions):
            subscription._add(change)  # noqa: SLF001

    def _set_connected(self, connected: bool) -> None:
        self._connected = connected
        self._since = datetime.now(UTC)
