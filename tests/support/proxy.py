"""A line to PostgreSQL that a test can cut, freeze and mend."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self


class Line:
    """A loopback port that forwards to a database's socket.

    Args:
        parameters: keyword arguments of `asyncpg.connect` for a server on a Unix socket.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.accepted = 0
        # What is sent to the database waits for so long.
        self.delay_seconds = 0.0
        # Whether a connection that the database has closed stays open on this side, as on a line
        # that tells of it late.
        self.lingers = False
        self.hung_up = asyncio.Event()

    @property
    def through(self) -> dict[str, Any]:
        """The same parameters, by way of this line."""
        return {**self._parameters, "host": "127.0.0.1", "port": self.port}

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Accept connections (again), on the same port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._flowing.set()
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def freeze(self) -> None:
        """Keep connections open, but let nothing through."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        path = f"{self._parameters['host']}/.s.PGSQL.{self._parameters['port']}"
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(path)
        except OSError:
            # The database is not there: whoever comes is turned away at this end as well.
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, server_writer, is_asking=True))
                group.create_task(self._copy(server_reader, writer))
        finally:
            self._writers -= {writer, server_writer}
            for one in (writer, server_writer):
                one.transport.abort()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_asking: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if is_asking and self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
                await writer.drain()
        if not is_asking:
            self.hung_up.set()
        if is_asking or not self.lingers:
            writer.transport.abort()
