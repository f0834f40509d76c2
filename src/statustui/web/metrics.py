"""Serves the metrics on a port of their own, with the page server's parsing and limits.

A scrape never waits for the database: what it gives is made from memory. Making it takes a while
where there are thousands of monitors, so that is done in a thread, once for all who ask meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from statustui.web import documents
from statustui.web.answers import Answer
from statustui.web.http1 import Request
from statustui.web.server import PageServer

if TYPE_CHECKING:
    from statustui.settings import WebSettings

PATH: Final = "/metrics"
_MISSING: Final = "There is only /metrics here."


class MetricsServer:
    """Listens, and answers GET and HEAD of `/metrics`.

    Args:
        take: takes a snapshot, on the event loop; what it gives is called in a thread and gives the
            text.
        content_type: of that text.
        settings: where to listen, and the limits.
    """

    def __init__(
        self, take: Callable[[], Callable[[], bytes]], content_type: str, settings: WebSettings
    ) -> None:
        self._take = take
        self._content_type = content_type
        self._making: asyncio.Task[Answer] | None = None
        self._server = PageServer(self._answer, self._refuse, settings)

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening; answers under way have half a second."""
        await self._server.stop(0.5)

    @property
    def address(self) -> str:
        """Where the metrics are, as "http://127.0.0.1:9859/metrics"."""
        host, port = self._server.address
        return f"http://[{host}]:{port}{PATH}" if ":" in host else f"http://{host}:{port}{PATH}"

    def _answer(self, request: Request) -> Answer | asyncio.Future[Answer]:
        if request.path != PATH:
            return documents.text_failure(404, _MISSING)
        if self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._make(), name="metrics")
        # One client who goes away must not take the answer from the others.
        return asyncio.shield(self._making)

    async def _make(self) -> Answer:
        write = self._take()
        return await asyncio.to_thread(self._wrap, write)

    def _wrap(self, write: Callable[[], bytes]) -> Answer:
        return Answer(
            200,
            self._content_type,
            write(),
            cache_control=documents.NEVER,
            revalidate=False,
        )

    def _refuse(
        self, status: int, message: str, request: Request | None, retry_after_seconds: int
    ) -> Answer:
        fields: list[tuple[str, str]] = []
        if retry_after_seconds:
            fields.append(("Retry-After", str(retry_after_seconds)))
        if status == 405:
            fields.append(("Allow", "GET, HEAD"))
        return documents.text_failure(status, message, tuple(fields))
