"""One kind of check per file: each looks at a target and returns an observation."""

from __future__ import annotations

from typing import assert_never

from statustui.domain.monitor import (
    CheckConfig,
    CommandConfig,
    DnsConfig,
    HeartbeatConfig,
    HttpConfig,
    PingConfig,
    PostgresConfig,
    TcpConfig,
    TlsConfig,
)
from statustui.domain.observation import Observation
from statustui.engine.checkers.command import look_command
from statustui.engine.checkers.dns import look_dns
from statustui.engine.checkers.heartbeat import look_heartbeat
from statustui.engine.checkers.http import look_http
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.checkers.ping import look_ping
from statustui.engine.checkers.postgres import look_postgres
from statustui.engine.checkers.tcp import look_tcp
from statustui.engine.checkers.tls import look_tls

__all__ = ["LookOptions", "look"]


async def look(
    config: CheckConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Looks at a target once.

    Whatever the target does, an observation comes back; trouble is in its `error_kind` and
    `reason`. What was seen is not judged here: expected status, body, answers, loss and conditions
    are the domain's part.

    Args:
        config: what to look at, and how.
        timeout_ms: the deadline over the whole look.
        options: how this engine looks.
    """
    match config:
        case HttpConfig():
            return await look_http(config, timeout_ms=timeout_ms, options=options)
        case TcpConfig():
            return await look_tcp(config, timeout_ms=timeout_ms, options=options)
        case DnsConfig():
            return await look_dns(config, timeout_ms=timeout_ms, options=options)
        case PingConfig():
            return await look_ping(config, timeout_ms=timeout_ms, options=options)
        case TlsConfig():
            return await look_tls(config, timeout_ms=timeout_ms, options=options)
        case PostgresConfig():
            return await look_postgres(config, timeout_ms=timeout_ms, options=options)
        case HeartbeatConfig():
            return await look_heartbeat(config, timeout_ms=timeout_ms, options=options)
        case CommandConfig():
            return await look_command(config, timeout_ms=timeout_ms, options=options)
        case _:
            assert_never(config)
