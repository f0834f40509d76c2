"""Does what is due by the clock and not by a check: posts, windows, recoveries, partitions, and
what has become too old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.store.engine import EngineStore, Lease, LeaseLost

_LOG = logging.getLogger("statustui.engine")

TICK_SECONDS = 1.0
_HOUSE_SECONDS = 3_600.0
# What could not go at once is tried again sooner.
_HOUSE_AGAIN_SECONDS = 60.0


async def keep_time(
    store: EngineStore,
    held: Callable[[], Lease | None],
    silent_seconds: float,
) -> None:
    """Ticks until cancelled: every second what is due, every hour what is to be kept ready.

    A tick that the database refuses is tried again a second later; it changes nothing by halves.

    Args:
        store: the database.
        held: the keeper's lease at that moment; without it only the posts of people are applied.
        silent_seconds: how long a region's engines may say nothing until it counts as gone.
    """
    house_in = 0.0
    troubled = False
    while True:
        try:
            await store.apply_due_posts()
            lease = held()
            if lease is not None:
                if house_in <= 0:
                    # Set first: trouble with what is old must not keep what is due from being done.
                    house_in = _HOUSE_AGAIN_SECONDS
                    pruned = await store.keep_house()
                    if pruned.months:
                        _LOG.info(
                            "dropped raw checks of %s",
                            ", ".join(map("{:%Y-%m}".format, pruned.months)),
                        )
                    if pruned.is_done:
                        house_in = _HOUSE_SECONDS
                await store.tick(lease)
                await store.silence_regions(lease, silent_seconds)
            troubled = False
        except LeaseLost:
            _LOG.debug("a tick was refused: the lease is another's")
        except Conflict as error:
            _LOG.info("somebody writes the same at this moment: %s", error.message)
        except DatabaseUnavailable as error:
            if not troubled:
                _LOG.warning("what is due waits: %s", error.message)
            troubled = True
        except StatustuiError as error:
            _LOG.error("what is due could not be done: %s", error.message)
        await asyncio.sleep(TICK_SECONDS)
        house_in -= TICK_SECONDS
