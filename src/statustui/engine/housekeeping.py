"""Does what is due by the clock and not by a check: posts, windows, recoveries, partitions, and
what has become too old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from statustui.domain.errors import Conflict, DatabaseUnavailable, StatustuiError
from statustui.store.engine import EngineStore, Lease, LeaseLost

_LOG = logging.getLogger("statustui.engine")
T = TypeVar("T")

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
    troubled: set[str] = set()
    while True:
        await _do("posts", store.apply_due_posts(), troubled)
        lease = held()
        if lease is not None:
            if house_in <= 0:
                # Set first: trouble with what is old must not keep what is due from being done.
                house_in = _HOUSE_AGAIN_SECONDS
                pruned = await _do("what is to be kept ready", store.keep_house(), troubled)
                if pruned is not None and pruned.months:
                    months = ", ".join(map("{:%Y-%m}".format, pruned.months))
                    _LOG.info("dropped raw checks of %s", months)
                if pruned is not None and pruned.is_done:
                    house_in = _HOUSE_SECONDS
            await _do("what is due", store.tick(lease), troubled)
            silenced = store.silence_regions(lease, silent_seconds)
            await _do("regions that are silent", silenced, troubled)
        await asyncio.sleep(TICK_SECONDS)
        house_in -= TICK_SECONDS


async def _do(what: str, work: Coroutine[Any, Any, T], troubled: set[str]) -> T | None:
    """Does one thing of several, so that trouble with it keeps no other from being done.

    Args:
        what: for the log.
        work: what is to be done.
        troubled: what the database was away for at the last attempt, to say that only once.
    """
    try:
        result = await work
    except LeaseLost:
        _LOG.debug("%s: refused, the lease is another's", what)
    except Conflict as error:
        _LOG.info("%s: somebody writes the same at this moment: %s", what, error.message)
    except DatabaseUnavailable as error:
        if not troubled:  # the others wait for the same
            _LOG.warning("%s waits: %s", what, error.message)
        troubled.add(what)
    except StatustuiError as error:
        _LOG.error("%s could not be done: %s", what, error.message)
    except Exception:  # noqa: BLE001  a supervisor: a defect in one thing must not end the others
        _LOG.exception("%s failed in itself, and is tried again", what)
    else:
        troubled.discard(what)
        return result
    return None
