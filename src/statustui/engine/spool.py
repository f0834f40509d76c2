"""Keeps results on disk while the database is away or too slow, and gives them back in order.

The files are `spool_folder`'s. Here is the thread in which it waits for the disk, and what is said
about it: looks never wait for a disk, and a disk that is full ends nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from statustui.domain.decision import Decision
from statustui.engine.spool_folder import SpoolFolder, Waiting

_LOG = logging.getLogger("statustui.engine")
_T = TypeVar("_T")


class SpoolRefused(Exception):
    """The disk does not take results; they stay where they are."""


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """How the spool is.

    Attributes:
        results, bytes: what waits; oldest_at: since when, None when nothing does.
        given_up: results that were given up because the spool was full.
        trouble: why the disk did not take the last results; None when it did.
    """

    results: int = 0
    bytes: int = 0
    oldest_at: datetime | None = None
    given_up: int = 0
    trouble: str | None = None


class Spool:
    """Results on disk, first in, first out.

    Args:
        folder: of the database and region.
        max_bytes: what it may take.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._disk = SpoolFolder(folder, max_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._amount = self._disk.amount
        self._trouble: str | None = None

    @property
    def status(self) -> SpoolStatus:
        """How it is, as of the last thing that was done with it."""
        amount = self._amount
        return SpoolStatus(
            amount.results, amount.bytes, amount.oldest_at, amount.given_up, self._trouble
        )

    def know(self, database: UUID, engine: UUID) -> None:
        """Says which installation's monitors the results are about, and which engine decides."""
        self._disk.know(database, engine)

    async def append(self, decisions: Sequence[Decision], at: datetime) -> None:
        """Adds results; when this returns, they outlive this process.

        Args:
            decisions: in the order in which they were made.
            at: now.

        Raises:
            SpoolRefused: nothing was added.
        """
        try:
            await self._run(partial(self._disk.append, decisions, at))
        except OSError as error:
            reason = error.strerror or str(error)
            if self._trouble is None:
                _LOG.error("results cannot be kept on disk and wait in memory: %s", reason)
            self._trouble = reason
            raise SpoolRefused(reason) from error
        if self._trouble is not None:
            _LOG.info("results are kept on disk again")
            self._trouble = None

    async def peek(self, most: int) -> Waiting | None:
        """The oldest results, which stay until `advance`; None when nothing waits.

        Raises:
            SpoolRefused: the disk does not give them.
        """
        return await self._asked(partial(self._disk.peek, most))

    async def advance(self, count: int) -> None:
        """Forgets the oldest results: they are in the database.

        Raises:
            SpoolRefused: their file cannot be removed.
        """
        await self._asked(partial(self._disk.advance, count))

    async def adopt(self) -> int:
        """Takes over what dead engines left; returns how many results.

        Raises:
            SpoolRefused: the folder cannot be read or changed.
        """
        return await self._asked(self._disk.adopt)

    async def close(self) -> None:
        """Lets go of the files; what waits in them is for the next engine.

        Raises:
            SpoolRefused: they were let go of, and yet something is left that holds nothing.
        """
        try:
            await self._asked(self._disk.close)
        finally:
            self._thread.shutdown(wait=False)

    async def _asked(self, work: Callable[[], _T]) -> _T:
        try:
            return await self._run(work)
        except OSError as error:
            raise SpoolRefused(error.strerror or str(error)) from error

    async def _run(self, work: Callable[[], _T]) -> _T:
        def counted() -> _T:
            try:
                return work()
            finally:
                self._amount = self._disk.amount

        return await asyncio.get_running_loop().run_in_executor(self._thread, counted)
