"""Asks the database when jobs were last heard from, for all who ask at one moment at once.

It also remembers when the database could not be asked: beats that came meanwhile were noted by
nobody, so a job is not late before it had its whole time again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from statustui.domain.errors import StatustuiError
from statustui.domain.heartbeat import Away, Beats
from statustui.engine.checkers.options import BeatsUnknown

# An engine that never had an answer cannot know how long there was none to be had.
_UNKNOWN_STRETCH = timedelta(days=1)
_MOST_STRETCHES = 100


class BeatsStore(Protocol):
    """Where beats are noted."""

    async def load_beats(self, monitors: Iterable[int]) -> tuple[Mapping[int, Beats], Away | None]:
        """What is known of the jobs of these monitors, by key, and the server's last restart."""


class BeatReader:
    """What one engine knows of jobs.

    Args:
        store: the database.
    """

    def __init__(self, store: BeatsStore) -> None:
        self._store = store
        self._waiting: dict[int, list[asyncio.Future[Beats]]] = {}
        self._task: asyncio.Task[None] | None = None
        # On the database's clock: the last answer before a silence, and the first one after it.
        self._answered_at: datetime | None = None
        self._is_away = False
        self._aways: tuple[Away, ...] = ()

    async def of(self, monitor: int) -> tuple[Beats, tuple[Away, ...]]:
        """What is known of one monitor's job, and when the database was away lately.

        Args:
            monitor: its key.

        Raises:
            BeatsUnknown: the database did not answer, or knows no such monitor.
        """
        future: asyncio.Future[Beats] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(monitor, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._ask(), name="beats")
        try:
            return await future, self._aways
        except asyncio.CancelledError:
            # The deadline came before the database's answer.
            self._is_away = True
            raise

    async def _ask(self) -> None:
        """Asks for everybody who waits, until nobody does."""
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                try:
                    found, restart = await self._store.load_beats(waiting)
                except StatustuiError as error:
                    self._is_away = True
                    _fail(waiting.values(), error.message)
                    continue
                except BaseException:
                    _fail(waiting.values(), "asking it failed")
                    raise
                self._note(found, restart)
                for key, futures in waiting.items():
                    if (beats := found.get(key)) is None:
                        _fail([futures], "it knows no such heartbeat")
                        continue
                    for future in futures:
                        if not future.done():
                            future.set_result(beats)
        finally:
            self._task = None

    def _note(self, found: Mapping[int, Beats], restart: Away | None) -> None:
        """Takes down that the database answered, and since when it had not."""
        now = next((beats.now for beats in found.values()), None)
        if now is None:
            return
        found_aways = [restart] if restart is not None else []
        if self._is_away:
            since = self._answered_at if self._answered_at is not None else now - _UNKNOWN_STRETCH
            found_aways.append(Away(since, now))
        self._aways = _merged((*self._aways, *found_aways))[-_MOST_STRETCHES:]
        self._is_away = False
        self._answered_at = now


def _merged(aways: Iterable[Away]) -> tuple[Away, ...]:
    """The stretches in order, those that touch each other as one."""
    merged: list[Away] = []
    for away in sorted(aways, key=lambda away: away.since):
        if merged and away.since <= merged[-1].until:
            merged[-1] = Away(merged[-1].since, max(merged[-1].until, away.until))
        else:
            merged.append(away)
    return tuple(merged)


def _fail(waiting: Iterable[list[asyncio.Future[Beats]]], why: str) -> None:
    for futures in waiting:
        for future in futures:
            if not future.done():
                future.set_exception(BeatsUnknown(why))
