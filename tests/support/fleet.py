"""Several engines at once on a test's database, each behind a line of its own that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypeVar

from statustui.domain.monitor import CheckConfig, HttpConfig
from statustui.domain.observation import Observation
from statustui.engine.checkers import LookOptions
from statustui.engine.clock import Clock
from statustui.engine.membership import Rhythm
from statustui.engine.service import Engine, EngineReport
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.engine import EngineStore
from tests.support.databases import Database
from tests.support.proxy import Line
from tests.support.watched import ENGINE_ROLE, refused, seen

T = TypeVar("T")

# A death is noticed within a second instead of eight; what is measured stays the same.
QUICK = Rhythm(beat_seconds=0.2, dead_seconds=0.8, lease_seconds=0.8, silent_seconds=1.6)


class Targets:
    """Answers looks without a network, and remembers who was looked at."""

    def __init__(self) -> None:
        self.looks: list[str] = []
        self.broken: set[str] = set()

    async def look(
        self, config: CheckConfig, *, timeout_ms: int, options: LookOptions
    ) -> Observation:
        """As the checkers do."""
        assert isinstance(config, HttpConfig)
        self.looks.append(config.url)
        at = options.wall_clock()
        return refused(at) if config.url in self.broken else seen(at)


class Host:
    """One engine, and the line on which it hears of the others."""

    def __init__(self, engine: Engine, line: Line, targets: Targets) -> None:
        self.engine = engine
        self.line = line
        self.targets = targets
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(engine.run(self._stop))

    @property
    def state(self) -> str:
        """As the engine says."""
        return self.engine.status().state

    async def stop(self) -> None:
        """A clean stop; nothing to do for one that was killed."""
        self._stop.set()
        if not self._task.cancelled():
            assert await asyncio.wait_for(self._task, 5) == EngineReport(0)

    async def kill(self) -> None:
        """Ends the engine without a word to anybody, its lines included."""
        await self.line.cut()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def host(
    database: Database,
    *,
    region: str = "local",
    targets: Targets | None = None,
    clock: Clock | None = None,
    rhythm: Rhythm = QUICK,
) -> AsyncIterator[Host]:
    """An engine that runs inside the block, and is stopped after it unless it was killed."""
    async with Line(database.parameters(ENGINE_ROLE)) as line:
        target = ConnectionTarget(line.through, "engine@test")
        pool = await open_pool(target, max_size=5)
        try:
            async with ChangeListener(target) as changes:
                looked = targets or Targets()
                made = Host(
                    Engine(
                        EngineStore(pool),
                        changes,
                        EngineSettings(region=region, flush_interval_ms=50),
                        holder=f"{region}:1",
                        look=looked.look,
                        clock=clock,
                        rhythm=rhythm,
                    ),
                    line,
                    looked,
                )
                try:
                    yield made
                finally:
                    await made.stop()
        finally:
            pool.terminate()


async def until(probe: Callable[[], T | Awaitable[T]], seconds: float, what: str) -> T:
    """Asks again until the answer is true."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = probe()
                answer = await found if isinstance(found, Awaitable) else found
                if answer:
                    return answer
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


async def shared(hosts: Collection[Host], monitors: int) -> None:
    """Waits until these and no others share so many monitors."""
    await until(
        lambda: (
            all(
                each.state == "active" and each.engine.status().members == len(hosts)
                for each in hosts
            )
            and sum(each.engine.status().monitors for each in hosts) == monitors
        ),
        8,
        f"{len(hosts)} engines share {monitors} monitors",
    )
