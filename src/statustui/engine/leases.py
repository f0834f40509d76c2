"""Holds the right to check: one engine per region decides, and another takes over when it dies.

The lease row lives on the database's clock. It is renewed every two seconds and is free for others
six seconds after the last renewal. An engine that could not reach the database for longer asks
again when it can: if nobody had the lease meanwhile, its epoch is just one higher and everything
that this engine remembers is still true. If somebody had, it is not: what is queued becomes facts,
and memory is loaded anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from uuid import UUID

from statustui.store.engine import EngineStore, Lease

_LOG = logging.getLogger("statustui.engine")

RENEW_SECONDS = 2.0


def is_continuous(before: Lease, after: Lease | None) -> bool:
    """Whether nobody else can have held the lease between two of its states."""
    return after is not None and after.epoch - before.epoch in (0, 1)


class LeaseKeeper:
    """The lease of one engine.

    Args:
        store: where the lease row is.
        name: of the lease.
        holder: this engine.
        info: what operators are shown about the holder, asked for at each renewal.
    """

    def __init__(
        self,
        store: EngineStore,
        name: str,
        holder: UUID,
        info: Callable[[], Mapping[str, object]],
    ) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._info = info
        self._held: Lease | None = None

    @property
    def held(self) -> Lease | None:
        """The lease as it was last seen, None when it is another's."""
        return self._held

    async def take(self) -> Lease | None:
        """Takes the lease when it is free; None while another engine has it.

        Raises:
            DatabaseUnavailable: nobody knows.
        """
        self._held = await self._store.take_lease(self._name, self._holder, self._info())
        return self._held

    async def renew(self) -> Lease | None:
        """Renews the lease.

        Returns:
            The lease; None when another engine has it or had it since the last renewal. It has to
            be taken again then, with a memory that is loaded anew.

        Raises:
            DatabaseUnavailable: nobody knows; what was held may still be held.
        """
        before = self._held
        if before is None:
            return None
        after = await self._store.take_lease(self._name, self._holder, self._info())
        if not is_continuous(before, after):
            _LOG.warning("another engine took over; what waits is recorded as facts")
            self._held = None
            return None
        self._held = after
        return after

    async def release(self) -> None:
        """Gives the lease back.

        Raises:
            DatabaseUnavailable: it runs out by itself.
        """
        held, self._held = self._held, None
        if held is not None:
            await self._store.release_lease(held)
