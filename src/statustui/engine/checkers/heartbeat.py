"""Looks whether a job was heard from in time; the job's beats stand in the database.

While the database is away nobody can look, and a job that beats meanwhile is not heard: that is
this house's trouble and never the job's.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from statustui.domain.heartbeat import judge_beats
from statustui.domain.monitor import HeartbeatConfig
from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, BeatsUnknown, LookOptions


async def look_heartbeat(
    config: HeartbeatConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Reads when the job was last heard from.

    Args:
        config: how often it is expected.
        timeout_ms: the deadline for the database's answer.
        options: how this engine looks; its `beats` answers for one monitor.
    """
    started_at = options.wall_clock()
    begun = perf_counter()
    kind: ErrorKind | None
    if options.beats is None:
        kind, reason = ErrorKind.OBSERVER, "beats belong to a stored monitor, and this is none"
    else:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                beats, aways = await options.beats()
            kind, reason = judge_beats(config, beats, aways)
        except (TimeoutError, BeatsUnknown) as error:
            why = f": {error}" if str(error) else ""
            kind, reason = (
                ErrorKind.OBSERVER,
                f"the database did not say when the last beat was{why}",
            )
    return Observation(
        started_at=started_at,
        duration_ms=(perf_counter() - begun) * 1000,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        connected=kind is not ErrorKind.OBSERVER,
    )
