"""Finds out whether this host has lost its own network, before its looks blame their targets.

The rule is `domain/observer.py`'s. Here is what it is fed with: every look; canaries, which are
tried only while there is doubt or an outage; and where no canary is configured, addresses that
answered looks lately, as witnesses: a connection is opened to a few of them and closed again, so
that an answer is there in a second or two even where looks are rare and time out slowly.

While there is doubt, a look that failed is held, and what follows from it with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.observation import Observation
from statustui.domain.observer import (
    HOSTS_AT_LEAST,
    Connection,
    Observer,
    hear,
    is_elsewhere,
    is_own_failure,
    reaches,
    see,
)
from statustui.domain.status import ErrorKind
from statustui.domain.text import shorten
from statustui.engine.clock import Clock
from statustui.engine.resolving import lookups
from statustui.engine.tasks import wait_for

_LOG = logging.getLogger("statustui.engine")

Address = tuple[str, int]

# How long one answer of canaries and witnesses is good for, and how long they may take for it.
_ASK_AGAIN_SECONDS = 1.5
_ANSWER_SECONDS = 1.5
_CANARIES_AT_ONCE = 8
_WITNESSES_AT_ONCE = 5
_MOST_WITNESSES = 200
_TELL_AGAIN_SECONDS = 1.0
_LONGEST_HOLD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Outage:
    """The watcher's network is gone, or back.

    Attributes:
        since: when it was lost; until: when it was back, None while it is not.
    """

    since: datetime
    until: datetime | None = None


class OwnNetwork:
    """What this engine thinks of its own network.

    Args:
        clock: the time.
        canaries: host and port of each.
        tell: writes down that an outage began or ended, and tells people.
        came_back: called when an outage has ended.
    """

    def __init__(
        self,
        clock: Clock,
        canaries: Sequence[Address],
        tell: Callable[[Outage], Awaitable[None]],
        came_back: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._canaries = tuple(canaries)
        self._tell = tell
        self._came_back = came_back
        self._observer = Observer()
        self._hosts: frozenset[str] = frozenset()
        self._witnesses: OrderedDict[str, Address] = OrderedDict()
        self._troubled = asyncio.Event()
        self._answered = asyncio.Event()
        self._news: deque[Outage] = deque()
        self._has_news = asyncio.Event()

    @property
    def offline_since(self) -> datetime | None:
        """Since when the network is gone; None while it is there."""
        is_offline = self._observer.connection is Connection.OFFLINE
        return self._observer.since if is_offline else None

    def watch(self, hosts: Collection[str]) -> None:
        """Says which hosts are looked at; with too few of them nothing is held in doubt."""
        self._hosts = frozenset(host for host in hosts if is_elsewhere(host))

    # -- looks -----------------------------------------------------------------------------------

    async def consider(
        self, host: str, observation: Observation, *, was_down: bool, hold_seconds: float
    ) -> Observation:
        """What a look is worth: itself, or that nobody could look.

        Args:
            host: that was looked at.
            observation: what was seen.
            was_down: whether its monitor was down before, so that a failure is no news.
            hold_seconds: how long to wait for an answer at most when there is doubt.
        """
        is_resolver = " " in host  # the system's own: what it knows by heart proves nothing
        reached = reaches(observation)
        if reached is None or not (is_elsewhere(host) or is_resolver):
            return observation
        if reached:
            if not is_resolver:
                self._remember(host, observation)
                self._take(self._seen(host, True))
            return observation
        if not was_down:
            self._take(self._seen(host, False))
            if self._is_in_doubt and (self._canaries or len(self._hosts) >= HOSTS_AT_LEAST):
                await wait_for(self._answered, min(hold_seconds, _LONGEST_HOLD_SECONDS))
        if not is_own_failure(self._observer, observation.started_at):
            return observation
        return replace(
            observation,
            error_kind=ErrorKind.OBSERVER,
            reason=shorten(f"this watch has lost its network: {observation.reason}", 300),
        )

    @property
    def _is_in_doubt(self) -> bool:
        return self._observer.connection is Connection.IN_DOUBT

    def _seen(self, host: str, reached: bool) -> Observer:
        return see(self._observer, host, reached, self._clock.now(), len(self._hosts))

    def _remember(self, host: str, observation: Observation) -> None:
        if observation.dns_rcode is not None or not observation.connected:
            return
        name, _, port = observation.address.rpartition(":")
        if port.isdigit() and name:
            self._witnesses[host] = (name.strip("[]"), int(port))
            self._witnesses.move_to_end(host)
            if len(self._witnesses) > _MOST_WITNESSES:
                self._witnesses.popitem(last=False)

    def _take(self, after: Observer) -> None:
        """Takes over what follows from something seen, and says what changed."""
        before, self._observer = self._observer, after
        if before.connection is after.connection:
            return
        if after.connection is Connection.IN_DOUBT:
            self._answered.clear()
            self._troubled.set()
            return
        self._answered.set()
        if after.connection is Connection.OFFLINE:
            since = after.since or self._clock.now()
            _LOG.error("this host has lost its network: looks say nothing until it is back")
            self._note(Outage(since))
        elif before.connection is Connection.OFFLINE:
            self._troubled.clear()
            now = self._clock.now()
            _LOG.warning("this host has its network back")
            self._note(Outage(before.since or now, now))
            self._came_back()
        else:
            self._troubled.clear()

    # -- canaries and witnesses ------------------------------------------------------------------

    async def run(self) -> None:
        """Asks canaries and witnesses while there is doubt, and tells people, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask())
            group.create_task(self._report())

    async def _ask(self) -> None:
        while True:
            await self._troubled.wait()
            if self._canaries:
                answers = await _try(self._canaries[:_CANARIES_AT_ONCE])
                self._take(hear(self._observer, answers, self._clock.now()))
            else:
                await self._ask_witnesses()
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def _ask_witnesses(self) -> None:
        observer = self._observer
        is_offline = observer.connection is Connection.OFFLINE
        # In doubt, others than those that failed; offline, those whose answer would be news.
        chosen = [
            (host, address)
            for host, address in reversed(self._witnesses.items())
            if (host in observer.failed) is is_offline
        ][:_WITNESSES_AT_ONCE]
        answers = await _try([address for _, address in chosen])
        for (host, _), answered in zip(chosen, answers, strict=True):
            if self._troubled.is_set():
                self._take(self._seen(host, answered))

    # -- telling ---------------------------------------------------------------------------------

    def _note(self, outage: Outage) -> None:
        self._news.append(outage)
        self._has_news.set()

    async def _report(self) -> None:
        """Tells in order what happened, as soon as the database can be reached."""
        while True:
            await self._has_news.wait()
            try:
                await self._tell(self._news[0])
            except DatabaseUnavailable as error:
                _LOG.debug("the outage is told later: %s", error.message)
                await asyncio.sleep(_TELL_AGAIN_SECONDS)
                continue
            self._news.popleft()
            if not self._news:
                self._has_news.clear()


async def _try(addresses: Sequence[Address]) -> list[bool]:
    """Which of some addresses answer, all at once."""
    return list(await asyncio.gather(*map(_answers, addresses)))


async def _answers(address: Address) -> bool:
    """Whether something answers there; a connection that is refused is an answer."""
    host, port = address
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            for found in (await lookups.addresses(host))[:2]:
                try:
                    _, writer = await asyncio.open_connection(found, port)
                except ConnectionRefusedError:
                    return True
                except OSError:
                    continue
                writer.transport.abort()
                return True
    except (TimeoutError, OSError, UnicodeError):
        return False
    return False
