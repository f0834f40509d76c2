"""Wires the metrics: snapshots of engine and page, figures from the database, the port.

The figures are read in the background every few seconds, and only while somebody scrapes. When the
database does not answer, the last ones stay and their age says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

import statustui
from statustui.domain.enginemetrics import DatabaseFigures, MetricsSnapshot, WebSnapshot
from statustui.domain.errors import StatustuiError
from statustui.engine.service import Engine
from statustui.settings import Settings

_LOG = logging.getLogger("statustui.metrics")

REFRESH_SECONDS = 5.0
# Longer than any usual scrape interval.
_ASKED_LATELY_SECONDS = 150.0
_READ_SECONDS = 4.0
_TICK_SECONDS = 0.5
# How long a thread that makes an answer may keep the event loop waiting; Python's own five
# milliseconds would show in the times of looks.
_SWITCH_SECONDS = 0.000_5


class Figures:
    """What was last read from the database, and the task that reads it.

    Args:
        load: reads.
    """

    def __init__(self, load: Callable[[], Awaitable[DatabaseFigures]]) -> None:
        self._load = load
        self._read_at = 0.0
        # Read once at the start, so that the first scrape has something to say.
        self._asked_at = monotonic()
        self._failed = False
        self.latest: DatabaseFigures | None = None

    def ask(self) -> None:
        """Somebody wants them: they are kept fresh for a while."""
        self._asked_at = monotonic()

    @property
    def age_seconds(self) -> float:
        """How long ago the latest were read."""
        return monotonic() - self._read_at

    async def run(self) -> None:
        """Reads now and then until cancelled."""
        while True:
            now = monotonic()
            wanted = now - self._asked_at < _ASKED_LATELY_SECONDS
            if wanted and (self.latest is None or now - self._read_at >= REFRESH_SECONDS):
                await self.read()
                await asyncio.sleep(REFRESH_SECONDS if self._failed else _TICK_SECONDS)
            else:
                await asyncio.sleep(_TICK_SECONDS)

    async def read(self) -> None:
        """Reads once; the last figures stay when that fails."""
        begun = monotonic()
        try:
            async with asyncio.timeout(_READ_SECONDS):
                self.latest = await self._load()
        except (StatustuiError, TimeoutError) as error:
            if not self._failed:
                told = error.message if isinstance(error, StatustuiError) else "no answer in time"
                _LOG.warning("figures for the metrics cannot be read: %s", told)
            self._failed = True
            return
        self._failed = False
        self._read_at = begun


@asynccontextmanager
async def serving(
    settings: Settings,
    engine: Engine,
    load: Callable[[], Awaitable[DatabaseFigures]],
    web: Callable[[], WebSnapshot] | None,
) -> AsyncIterator[str]:
    """Serves metrics inside the block; a port that cannot be had is said in the log and no more.

    Args:
        settings: all settings.
        engine: whose counters are shown.
        load: reads what only the database knows.
        web: gives the page's counters, None without a page.

    Yields:
        Where they are; empty when they are not served.
    """
    if not settings.metrics.enabled:
        yield ""
        return
    # Imported only where they are wanted: the library takes its time to load.
    from statustui.presenters.metrics import CONTENT_TYPE, write_metrics
    from statustui.web.metrics import MetricsServer

    figures = Figures(load)

    def take() -> Callable[[], bytes]:
        figures.ask()
        counted = engine.snapshot()
        at, known, age = engine.now(), figures.latest, figures.age_seconds
        answered = web() if web is not None else None
        return lambda: write_metrics(
            MetricsSnapshot(
                at=at,
                version=statustui.__version__,
                engine=counted(),
                figures=known,
                figures_age_seconds=age,
                web=answered,
            )
        )

    where = {"host": settings.metrics.host, "port": settings.metrics.port}
    limits = settings.web.model_copy(update={**where, "trusted_proxies": ()})
    server = MetricsServer(take, CONTENT_TYPE, limits)
    try:
        await server.start()
    except OSError as error:
        reason = (
            "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or error
        )
        _LOG.warning(
            "metrics are not served: %s:%d: %s; STATUSTUI_METRICS__PORT chooses another",
            settings.metrics.host,
            settings.metrics.port,
            reason,
        )
        yield ""
        return
    sys.setswitchinterval(_SWITCH_SECONDS)
    reading = asyncio.create_task(figures.run(), name="metrics-figures")
    _LOG.info("metrics at %s", server.address)
    try:
        yield server.address
    finally:
        reading.cancel()
        # A reading that a silent database holds up ends with its connection; a stop has no time.
        await asyncio.wait({reading}, timeout=0.05)
        with contextlib.suppress(OSError):
            await server.stop()
