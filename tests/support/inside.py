"""What runs inside a network namespace of a test: an engine, or targets. Run as a module.

python -m tests.support.inside engine JSON     parameters of asyncpg, canaries
python -m tests.support.inside targets ADDR…   HTTP servers on port 8080 of each address
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from statustui.engine.service import Engine
from statustui.settings import EngineSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import ConnectionTarget, open_pool
from statustui.store.engine import EngineStore


async def _engine(given: dict[str, Any]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    target = ConnectionTarget(given["parameters"], "engine@test")
    pool = await open_pool(target, max_size=5)
    try:
        async with ChangeListener(target) as changes:
            settings = EngineSettings(flush_interval_ms=100, canaries=given["canaries"])
            await Engine(EngineStore(pool), changes, settings, holder="inside:1").run(stop)
    finally:
        pool.terminate()


async def _targets(addresses: list[str]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # a witness is only asked whether it is there
        finally:
            writer.close()

    servers = [await asyncio.start_server(answer, address, 8080) for address in addresses]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    kind, *words = sys.argv[1:]
    asyncio.run(_engine(json.loads(words[0])) if kind == "engine" else _targets(words))
