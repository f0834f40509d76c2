"""What can happen to watches and databases, each as one fault that begins and is over."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.chaos.disk import SmallDisk
from tests.chaos.hostile import hostile_member
from tests.chaos.stage import Stage
from tests.support.databases import Database

_SHORT = (2.0, 12.0)
_LONG = (5.0, 30.0)


@dataclass(slots=True)
class Round:
    """What faults work on.

    Attributes:
        stage: the world; draw: where chance comes from.
        kill_server: kill -9 of the database, and what brings it back.
        database: the shared one, None for the embedded server.
        disk: on which the embedded server lies, if that is small.
    """

    stage: Stage
    draw: random.Random
    kill_server: Callable[[], Awaitable[None]]
    database: Database | None = None
    disk: SmallDisk | None = None

    def watch(self) -> str:
        """One of the watches."""
        return self.draw.choice(list(self.stage.watches))

    async def wait(self, seconds: tuple[float, float]) -> str:
        """Let some time pass; says how much."""
        drawn = self.draw.uniform(*seconds)
        await asyncio.sleep(drawn)
        return f"{drawn:.0f} s"


Fault = Callable[[Round], Awaitable[str]]


async def kill_a_watch(round_: Round) -> str:
    """kill -9, a while without, and a new one."""
    name = round_.watch()
    round_.stage.watches[name].kill()
    gone = await round_.wait(_SHORT)
    await round_.stage.watches[name].start()
    return f"{name} killed for {gone}"


async def kill_the_database(round_: Round) -> str:
    """kill -9 of PostgreSQL."""
    await round_.kill_server()
    await round_.stage.until_answers()
    return "PostgreSQL killed"


async def kill_both(round_: Round) -> str:
    """kill -9 of a watch and of PostgreSQL."""
    name = round_.watch()
    killing = asyncio.ensure_future(round_.kill_server())
    await asyncio.sleep(round_.draw.choice((0.0, 0.3)))
    round_.stage.watches[name].kill()
    await killing
    await round_.stage.watches[name].start()
    await round_.stage.until_answers()
    return f"PostgreSQL and {name} killed"


async def freeze_a_watch(round_: Round) -> str:
    """SIGSTOP and SIGCONT."""
    name = round_.watch()
    round_.stage.watches[name].freeze()
    try:
        stood = await round_.wait(_LONG)
    finally:
        round_.stage.watches[name].thaw()
    return f"{name} frozen for {stood}"


async def cut_a_watch(round_: Round) -> str:
    """No line from one watch to the database."""
    name = round_.watch()
    async with round_.stage.cut(name):
        return f"{name} cut off for {await round_.wait(_LONG)}"


async def cut_all(round_: Round) -> str:
    """No line from any watch to the database."""
    async with round_.stage.cut(*round_.stage.watches):
        return f"all cut off for {await round_.wait(_LONG)}"


async def silence_a_watch(round_: Round) -> str:
    """A line that is open and lets nothing through."""
    name = round_.watch()
    async with round_.stage.silence(name):
        return f"{name} without an answer for {await round_.wait(_LONG)}"


async def slow_the_database(round_: Round) -> str:
    """Every line and every write is slow."""
    line, write = round_.draw.uniform(0.0, 0.2), round_.draw.uniform(0.2, 2.0)
    async with round_.stage.slowness(*round_.stage.watches, line_seconds=line, write_seconds=write):
        return f"slow by {write:.1f} s a write for {await round_.wait(_LONG)}"


async def fill_the_disk(round_: Round) -> str:
    """No space left on the device."""
    assert round_.disk is not None
    with round_.stage.trouble("disk full"):
        round_.disk.fill()
        try:
            return f"disk full for {await round_.wait(_LONG)}"
        finally:
            round_.disk.free()


async def let_mallory_in(round_: Round) -> str:
    """A person who holds locks and sends announcements."""
    assert round_.database is not None
    part = round_.draw.choice(("viewer", "member", "admin"))
    async with hostile_member(round_.stage, round_.database, part):
        return f"a hostile {part} for {await round_.wait(_LONG)}"


ON_ONE_HOST: Sequence[Fault] = (
    kill_a_watch,
    kill_the_database,
    kill_both,
    freeze_a_watch,
)
ON_SEVERAL_HOSTS: Sequence[Fault] = (
    *ON_ONE_HOST,
    cut_a_watch,
    cut_all,
    silence_a_watch,
    slow_the_database,
    let_mallory_in,
)


async def weather(stage: Stage, draw: random.Random) -> None:
    """Breaks and heals targets until cancelled, each of them seldom enough not to be flapping."""
    modes = ("fail", "fail", "fail", "drop", "refuse", "hang")
    left = dict.fromkeys(stage.names, 2)
    async with asyncio.TaskGroup() as group:
        while any(left.values()):
            await asyncio.sleep(draw.uniform(1.0, 6.0))
            name = draw.choice([name for name, times in left.items() if times])
            left[name] -= 1
            times = left[name]
            left[name] = 0  # not again before this outage is over
            group.create_task(_outage(stage, draw, name, draw.choice(modes), left, times))


async def _outage(
    stage: Stage, draw: random.Random, name: str, mode: str, left: dict[str, int], times: int
) -> None:
    await stage.break_(name, mode=mode)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(draw.uniform(3.0, 40.0))
    await stage.heal(name)
    left[name] = times
