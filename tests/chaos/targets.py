"""Targets that break when they are told to, and write down themselves what they did.

Each has an address of loopback of its own, so that nothing about them is shared. As a program, they
are a process of their own, which nothing that is done to a watch or a test can hold up:

    python -m tests.chaos.targets --truth truth.jsonl --count 30

prints their addresses as one JSON line and then obeys JSON lines on its standard input, such as
{"names": ["t01"], "mode": "fail"}, each answered by one line. It ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.truth import OK, StatusNumbers, TruthWriter

# ok: answers well; fail: with an error; drop: hangs up; hang: says nothing; refuse: is not there.
MODES = (OK, "fail", "drop", "hang", "refuse")
_GOOD_BODY = b'{"status": "ok"}'
_BAD_BODY = b"broken"
_LONGEST_HEAD = 16_384


class ScriptedTarget:
    """An HTTP server that answers as it is told.

    Args:
        name: in the log; host: its address; truth: the log.
    """

    def __init__(self, name: str, host: str, truth: TruthWriter) -> None:
        self.name = name
        self.url = ""
        self._host = host
        self._port = 0
        self._truth = truth
        self._mode = OK
        self._numbers = StatusNumbers()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen, and say where."""
        await self._listen()
        self.url = f"http://{self._host}:{self._port}/"
        self._truth.note("target", name=self.name, url=self.url)

    async def become(self, mode: str) -> None:
        """Change; what is asked from now on is answered so."""
        if mode not in MODES:
            raise ValueError(f"a target cannot be {mode!r}")
        if mode == "refuse":
            await self._deafen()
        elif self._server is None:
            await self._listen()
        self._mode = mode
        self._truth.note("state", name=self.name, mode=mode)

    async def stop(self) -> None:
        """Stop listening."""
        await self._deafen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host, self._port, limit=_LONGEST_HEAD
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        # Whoever looks may hang up at any time: that is their business.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                await reader.readuntil(b"\r\n\r\n")
                await self._answer(reader, writer)
            finally:
                self._open.discard(writer)
                writer.transport.abort() if self._mode == "drop" else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self._mode:
            case "drop":
                self._truth.note("answer", name=self.name, status=None)
            case "hang":
                self._truth.note("answer", name=self.name, status=None)
                await reader.read()
            case mode:
                good = mode == OK
                status = self._numbers.next(good=good)
                body = _GOOD_BODY if good else _BAD_BODY
                writer.write(
                    f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
                self._truth.note("answer", name=self.name, status=status)
                await writer.drain()


class Targets:
    """Several targets in one loop.

    Args:
        truth: the log; network: the first two numbers of their addresses.
    """

    def __init__(self, truth: TruthWriter, network: str = "127.77") -> None:
        self._truth = truth
        self._network = network
        self.by_name: dict[str, ScriptedTarget] = {}

    async def start(self, count: int) -> dict[str, str]:
        """Starts so many; gives their addresses by name."""
        for number in range(1, count + 1):
            host = f"{self._network}.{number // 250}.{number % 250 + 1}"
            target = ScriptedTarget(f"t{number:02}", host, self._truth)
            await target.start()
            self.by_name[target.name] = target
        return {name: target.url for name, target in self.by_name.items()}

    async def become(self, names: Iterable[str], mode: str) -> None:
        """Changes some of them, at one moment."""
        for name in names:
            await self.by_name[name].become(mode)

    async def stop(self) -> None:
        """Stops all."""
        for target in self.by_name.values():
            await target.stop()


async def _obey(truth: TruthWriter, count: int) -> None:
    targets = Targets(truth)
    sys.stdout.write(json.dumps(await targets.start(count)) + "\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        await targets.become(order["names"], order["mode"])
        sys.stdout.write("done\n")
        sys.stdout.flush()
    await targets.stop()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, required=True, help="the log to append to")
    parser.add_argument("--count", type=int, default=30, help="how many targets")
    words = parser.parse_args()
    truth = TruthWriter(words.truth)
    try:
        asyncio.run(_obey(truth, words.count))
    finally:
        truth.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
