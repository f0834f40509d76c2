"""Waits for tasks and ends them, without ever being held up by one that does not end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

_LOG = logging.getLogger("statustui.engine")


async def cancel(
    tasks: Sequence[asyncio.Task[Any]], seconds: float | None
) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
    """Cancels tasks and waits for at most some time; returns those that ended and those left."""
    for task in tasks:
        task.cancel()
        task.add_done_callback(look_at)
    return await asyncio.wait(tasks, timeout=seconds)


def look_at(task: asyncio.Task[Any]) -> None:
    """Takes note of how a task ended, so that one that was left behind ends without a complaint."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.debug("a task ended after it was left: %s", error)


async def first(*awaitables: Coroutine[Any, Any, object]) -> None:
    """Waits until one of several things is done, and ends the rest.

    Raises:
        Exception: what the one that was done first raised.
    """
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event for at most some time, whether it came or not."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
