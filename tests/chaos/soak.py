"""Breaks watches and databases at random for as long as asked, and compares after each round.

    make soak SOAK_MINUTES=30
    python -m tests.chaos.soak --minutes 30 --seed 4711

A round is a world of its own with some faults, one after the other, while targets break and are
well again. Its seed is printed first; the same seed draws the same faults and outages, though not
to the millisecond. The folder of a round in which something was found is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.audit import Report
from tests.chaos.disk import small_disk
from tests.chaos.faults import (
    ON_ONE_HOST,
    ON_SEVERAL_HOSTS,
    Fault,
    Round,
    fill_the_disk,
    weather,
)
from tests.chaos.stage import embedded_stage, shared_stage
from tests.support.databases import (
    DEBIAN_15,
    DistributionDatabaseServer,
    clone_database,
    distribution_database_server,
    drop_database,
    has_distribution_15,
    run_folder,
)

_TARGETS = 40


@asynccontextmanager
async def _one_host(
    folder: Path, draw: random.Random
) -> AsyncIterator[tuple[Round, Sequence[Fault]]]:
    """The embedded server, on a small disk where that can be had."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk")) if os.geteuid() == 0 else None
        data = disk.path / "data" if disk is not None else None
        async with embedded_stage(folder, data=data, targets=_TARGETS) as stage:

            async def kill() -> None:
                stage.kill_server()

            faults = ON_ONE_HOST if disk is None else (*ON_ONE_HOST, fill_the_disk)
            yield Round(stage, draw, kill, disk=disk), faults


@asynccontextmanager
async def _several_hosts(
    folder: Path, draw: random.Random, server: DistributionDatabaseServer
) -> AsyncIterator[tuple[Round, Sequence[Fault]]]:
    """Two or three watches on one PostgreSQL."""
    hosts = ("a", "b", "c")[: draw.choice((1, 2, 2, 3))]
    database = await clone_database(server, f"soak_{draw.randrange(1 << 30)}")
    try:
        async with shared_stage(folder, database, hosts=hosts, targets=_TARGETS) as stage:

            async def kill() -> None:
                pid = (server.postmaster._cluster / "postmaster.pid").read_text().split()[0]
                stage.note_killed_server()
                os.kill(int(pid), signal.SIGKILL)
                await asyncio.sleep(draw.uniform(0.2, 8.0))
                await asyncio.to_thread(server.postmaster.start, DEBIAN_15, timeout_seconds=60)

            yield Round(stage, draw, kill, database=database), ON_SEVERAL_HOSTS
    finally:
        await drop_database(database)


async def _play(round_: Round, faults: Sequence[Fault]) -> Report:
    """Some faults, one after the other; then everything comes to rest and is compared."""
    draw = round_.draw
    blowing = asyncio.create_task(weather(round_.stage, random.Random(draw.random())))
    try:
        for fault in draw.choices(faults, k=draw.randint(2, 5)):
            await asyncio.sleep(draw.uniform(0.0, 10.0))
            _say(f"   {await fault(round_)}")
    finally:
        blowing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await blowing
    await round_.stage.rest()
    return await round_.stage.audit()


async def _round(seed: int, server: DistributionDatabaseServer | None) -> bool:
    """One round; returns whether nothing was found."""
    draw = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="statustui-soak-"))
    several = server is not None and draw.random() < 0.6
    _say(f"seed {seed}: {'several hosts' if several else 'one host'}")
    started = time.monotonic()
    world = (
        _several_hosts(folder, draw, server)
        if several and server is not None
        else _one_host(folder, draw)
    )
    try:
        async with world as (round_, faults):
            report = await _play(round_, faults)
            clean = not report.findings
            if not clean:
                _say(round_.stage.account(report))
            _say(f"   {str(report).splitlines()[-1]}, {time.monotonic() - started:.0f} s")
    except AssertionError as error:
        _say(f"   {error}")
        clean = False
    if clean:
        shutil.rmtree(folder)
    else:
        _say(f"   NOT CLEAN; its logs are in {folder}")
    return clean


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long")
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count on")
    parser.add_argument("--rounds", type=int, help="at most so many")
    words = parser.parse_args()
    # A soak that is ended cleans up behind itself, as one that is interrupted does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(1_000_000) if words.seed is None else words.seed
    deadline = time.monotonic() + words.minutes * 60
    dirty: list[int] = []
    played = 0
    with contextlib.ExitStack() as stack:
        server = None
        if has_distribution_15():
            parent = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            parent.chmod(0o711)
            folder = stack.enter_context(run_folder(parent, f"soak{os.getpid()}"))
            server = stack.enter_context(distribution_database_server(folder, "soak"))
        while time.monotonic() < deadline and (words.rounds is None or played < words.rounds):
            if not asyncio.run(_round(seed + played, server)):
                dirty.append(seed + played)
            played += 1
    _say(f"{played} rounds, {len(dirty)} of them not clean {dirty or ''}".rstrip())
    return 1 if dirty or not played else 0


if __name__ == "__main__":
    sys.exit(main())
