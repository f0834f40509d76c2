"""The pages that are served, and what is known of each: the last state that was read, the answers
made from it, and whether it has to be read again.

Nothing here waits for the database. Whoever brings pages up to date (`service`) puts new states in
and is told through `wanted` when a page is asked for that is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final, Protocol

from statustui.domain.publicmodels import PublicPage
from statustui.domain.status import Visibility
from statustui.presenters.publicapi import incident_keys, normal_incident_key
from statustui.web.answers import Answer
from statustui.web.documents import Snapshot

# Answers kept per state; queries with many values would otherwise grow without end.
MOST_ANSWERS: Final = 256
# A key of more parts names one of many alike, and is forgotten first.
COMMON_KEY_PARTS: Final = 2

Key = tuple[object, ...]
Build = Callable[[Snapshot], Answer]


class Entry(Protocol):
    """What the index of pages says about one."""

    @property
    def slug(self) -> str:
        """The page's slug."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def visibility(self) -> Visibility:
        """Who may read it."""

    @property
    def org_key(self) -> str:
        """The key of its organization's announcements."""


@dataclass(frozen=True, slots=True)
class _State:
    """What was read, and when on this process's clock."""

    page: PublicPage
    read: float
    stale: bool


class ServedPage:
    """One public page.

    Attributes:
        asked: when somebody asked for it last, on the monotonic clock.
        behind: whether something was announced that has not been read yet.
        days: how many days of figures are read.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.asked = monotonic()
        self.behind = False
        self.days = 0
        self._state: _State | None = None
        self._snapshot: Snapshot | None = None
        self._minute = 0
        self._incident_keys: frozenset[str] | None = None
        self._answers: dict[Key, Answer] = {}
        self._building: dict[Key, asyncio.Future[Answer]] = {}

    @property
    def page(self) -> PublicPage | None:
        """The page as it was read last, None before it was read at all."""
        return None if self._state is None else self._state.page

    @property
    def stale(self) -> bool:
        """Whether it could not be brought up to date the last time."""
        return self._state is not None and self._state.stale

    def put(self, page: PublicPage, *, read: float) -> None:
        """Take a state that was just read.

        Args:
            page: what was read.
            read: when, on the monotonic clock.
        """
        self._set(_State(page, read, stale=False))

    def put_stale(self) -> None:
        """Go on with the last state, saying how old it is."""
        if self._state is not None and not self._state.stale:
            self._set(_State(self._state.page, self._state.read, stale=True))

    def _set(self, state: _State) -> None:
        self._state = state
        self._snapshot = None
        self._incident_keys = None
        self._answers = {}
        self._building = {}

    def has_incident(self, key: str) -> bool:
        """Whether there is an incident by this id or code, told without building anything."""
        if self._incident_keys is None:
            incidents = () if self._state is None else self._state.page.incidents
            self._incident_keys = frozenset(
                each for incident in incidents for each in incident_keys(incident)
            )
        return normal_incident_key(key) in self._incident_keys

    def answer(self, key: Key, build: Build) -> Answer | asyncio.Future[Answer]:
        """An answer made from the present state.

        Relative times ("6 min ago") make every answer one of its minute.

        Args:
            key: names the answer among those of this page.
            build: makes it; called in a thread, once for all who wait.

        Returns:
            The answer, or the future of those who wait for it.

        Raises:
            LookupError: the page was not read yet.
        """
        state = self._state
        if state is None:
            raise LookupError(self.entry.slug)
        elapsed = monotonic() - state.read
        at = state.page.read_at + timedelta(seconds=elapsed)
        minute = int(at.timestamp()) // 60
        if self._snapshot is None or minute != self._minute:
            self._set(state)
            self._snapshot = Snapshot(state.page, at, state.stale)
            self._minute = minute
        known = self._answers.get(key)
        if known is not None:
            return known
        building = self._building.get(key)
        if building is None:
            building = asyncio.ensure_future(
                self._build(key, build, self._snapshot, self._answers, self._building)
            )
            self._building[key] = building
        # One reader who goes away must not take the answer from the others.
        return asyncio.shield(building)

    async def _build(
        self,
        key: Key,
        build: Build,
        snapshot: Snapshot,
        answers: dict[Key, Answer],
        building: dict[Key, asyncio.Future[Answer]],
    ) -> Answer:
        try:
            answer = await asyncio.to_thread(build, snapshot)
        finally:
            building.pop(key, None)
        if len(answers) >= MOST_ANSWERS:
            for rare in [each for each in answers if len(each) > COMMON_KEY_PARTS]:
                del answers[rare]
        answers[key] = answer
        return answer


class Pages:
    """All pages of the installation, by slug."""

    def __init__(self) -> None:
        self._served: dict[str, ServedPage] = {}
        self.loaded = False

    def get(self, slug: str) -> ServedPage | None:
        """A page that everybody may read, None for private ones and those that do not exist."""
        return self._served.get(slug)

    def all(self) -> tuple[ServedPage, ...]:
        """Every page that everybody may read, by slug."""
        return tuple(self._served.values())

    def of_organization(self, org_key: str) -> tuple[ServedPage, ...]:
        """The pages that changes under this key concern."""
        return tuple(each for each in self._served.values() if each.entry.org_key == org_key)

    def put_index(self, entries: Iterable[Entry]) -> None:
        """Take the list of pages as it was just read; states of pages that stay are kept."""
        served = {}
        for entry in entries:
            if entry.visibility is not Visibility.PUBLIC:
                continue
            known = self._served.get(entry.slug)
            if known is not None and known.entry.org_key == entry.org_key:
                known.entry = entry
                served[entry.slug] = known
            else:
                served[entry.slug] = ServedPage(entry)
        self._served = dict(sorted(served.items()))
        self.loaded = True

    def remove(self, slug: str) -> None:
        """Forget a page that turned out to be gone."""
        self._served.pop(slug, None)
