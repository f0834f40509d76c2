"""Gives the transport the shape that httpx knows, for anybody who brings a client of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx

from statustui.domain.status import ErrorKind
from statustui.engine.tls_settings import TlsSettings
from statustui.engine.trace import LookFailed, Trace, timed_out
from statustui.engine.transport import PROTOCOLS, Way, exchange, wire_of

_DEFAULT_TIMEOUT_SECONDS = 30.0


class CheckTransport(httpx.AsyncBaseTransport):
    """`exchange` in the shape of an httpx transport: one fresh connection for each request.

    The response carries its trace as `response.extensions["trace"]`. A body that was compressed is
    handed on unpacked, without its `Content-Encoding`.

    Args:
        verify: whether certificates must be right.
        ca_file: further authorities to trust.
        max_body_bytes: how much of a body is read.
    """

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: Path | None = None,
        max_body_bytes: int = 1_000_000,
    ) -> None:
        self._way = Way(TlsSettings(verify, ca_file, protocols=PROTOCOLS["1.1"]))
        self._cap = max_body_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers one request.

        Raises:
            httpx.TransportError: one of its kinds, for whatever went wrong.
        """
        wire = wire_of(request, await request.aread())
        seconds = _timeout_of(request.extensions.get("timeout"))
        trace = Trace(wire.peer)
        try:
            async with asyncio.timeout(seconds):
                answer = await exchange(wire, trace, way=self._way, cap=self._cap)
        except TimeoutError:
            raise httpx.ReadTimeout(
                timed_out(trace, trace.part, round(seconds * 1000)), request=request
            ) from None
        except LookFailed as failure:
            kind = (
                httpx.RemoteProtocolError
                if failure.kind is ErrorKind.PROTOCOL
                else httpx.ConnectError
            )
            raise kind(failure.reason, request=request) from None
        unpacked = any(
            name.lower() == b"content-encoding" and value.strip().lower() in _UNPACKED
            for name, value in answer.headers
        )
        dropped = (b"content-encoding", b"content-length") if unpacked else ()
        return httpx.Response(
            answer.status,
            headers=[pair for pair in answer.headers if pair[0].lower() not in dropped],
            stream=httpx.ByteStream(answer.body),
            extensions={"trace": trace, "reason_phrase": answer.reason.encode("latin-1")},
        )


_UNPACKED = (b"gzip", b"x-gzip", b"deflate")


def _timeout_of(timeouts: object) -> float:
    """One deadline out of httpx's four timeouts: the longest of those that are set."""
    if isinstance(timeouts, Mapping):
        given = [value for value in timeouts.values() if isinstance(value, int | float)]
        if given:
            return float(max(given))
    return _DEFAULT_TIMEOUT_SECONDS
