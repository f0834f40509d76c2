"""Reads monitors with what they say now, finds them by name, and writes what people change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg

from statustui.domain.errors import NotFound, ValidationFailed
from statustui.domain.fields import shown
from statustui.domain.monitor import (
    MonitorSpec,
    config_to_mapping,
    masked,
    parse_config,
    target_of,
)
from statustui.domain.readmodels import MonitorRow, RegionState
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState, MonitorType, Role
from statustui.domain.text import clean, nearest
from statustui.store import permission, queries, services
from statustui.store.connection import Pool, PoolConnection, transaction

_SQL = queries.load("monitors")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Values are made of this many rows at a time: in between, a key that was pressed is answered.
_BREATH = 100
_FAILED = (CheckStatus.FAILURE, CheckStatus.TIMEOUT)


async def load_monitors(pool: Pool, org_id: int) -> tuple[MonitorRow, ...]:
    """All monitors, by service and name."""
    async with transaction(pool, readonly=True) as connection:
        rows = await load_rows(connection, org_id)
    now = datetime.now(UTC)
    result: list[MonitorRow] = []
    for number, row in enumerate(rows):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        result.append(monitor_row(row, now))
    return tuple(result)


async def load_rows(
    connection: PoolConnection,
    org_id: int,
    *,
    monitor_id: UUID | None = None,
    service_id: UUID | None = None,
) -> list[asyncpg.Record]:
    """The rows of all monitors, of one, or of one service's; nothing when there is none."""
    rows: list[asyncpg.Record] = await connection.fetch(
        _SQL["load_monitors"], org_id, monitor_id, service_id
    )
    return rows


async def find_monitor(pool: Pool, org_id: int, name_or_id: str) -> MonitorRow:
    """The monitor called "Service/monitor", or by its name alone, or of that id."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        monitor_id = await find_id(connection, org_id, name_or_id)
        (row,) = await load_rows(connection, org_id, monitor_id=monitor_id)
        return monitor_row(row, datetime.now(UTC))


async def find_id(connection: PoolConnection, org_id: int, name_or_id: str) -> UUID:
    """The id of the monitor that a name means.

    Raises:
        NotFound: none answers to it.
        ValidationFailed: several do.
    """
    wanted = clean(name_or_id)
    rows = await connection.fetch(_SQL["load_addresses"], org_id)
    by_address: dict[str, UUID] = {
        f"{row['service_name']}/{row['name']}": row["id"] for row in rows
    }
    by_id = services.as_id(wanted)
    found = {
        address: key for address, key in by_address.items() if key == by_id or address == wanted
    } or {
        address: key
        for address, key in by_address.items()
        if address.casefold() == wanted.casefold()
    }
    if not found:
        found = {
            f"{row['service_name']}/{row['name']}": row["id"]
            for row in rows
            if row["name"].casefold() == wanted.casefold()
        }
    if len(found) == 1:
        (monitor_id,) = found.values()
        return monitor_id
    if found:
        raise ValidationFailed(
            f"{shown(name_or_id)} is ambiguous: {', '.join(found)}",
            advice="name it as Service/monitor",
        )
    near = nearest(wanted, [*by_address, *(row["name"] for row in rows)])
    raise NotFound(
        f"no monitor {shown(name_or_id)} in this organization",
        advice=f"did you mean {near}?" if near else "`statustui monitor list` shows them",
    )


async def load_monitor_spec(pool: Pool, org_id: int, monitor_id: UUID) -> MonitorSpec:
    """What a monitor does, in full."""
    async with transaction(pool, readonly=True) as connection:
        for row in await load_rows(connection, org_id, monitor_id=monitor_id):
            return monitor_spec(row)
        raise NotFound("no such monitor in this organization")


async def add_monitor(pool: Pool, org_id: int, service_id: UUID, spec: MonitorSpec) -> UUID:
    """Create a monitor."""
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "create monitors")
        return await insert(connection, org_id, service_id, spec)


async def insert(
    connection: PoolConnection, org_id: int, service_id: UUID, spec: MonitorSpec
) -> UUID:
    """Write a new monitor inside a transaction; returns its id."""
    monitor_id: UUID = await connection.fetchval(
        _SQL["add"], org_id, service_id, spec.name, *_columns(spec)
    )
    return monitor_id


async def update(
    connection: PoolConnection, org_id: int, monitor_id: UUID, spec: MonitorSpec
) -> None:
    """Write everything but name and service of a monitor inside a transaction.

    Raises:
        NotFound: no such monitor.
    """
    if await connection.fetchval(_SQL["update"], org_id, monitor_id, *_columns(spec)) is None:
        raise NotFound("no such monitor in this organization")


def _columns(spec: MonitorSpec) -> tuple[Any, ...]:
    """The columns that `add` and `update` take, in their order."""
    return (
        spec.type,
        json.dumps(config_to_mapping(spec.config)),
        spec.interval_seconds,
        spec.timeout_ms,
        spec.failure_threshold,
        spec.recovery_threshold,
        spec.retry_interval_seconds,
        spec.degraded_after_ms,
        list(spec.conditions),
        list(spec.degraded_conditions),
        spec.is_active,
        spec.paused_until,
        spec.runbook,
        list(spec.tags),
        list(spec.regions),
        spec.region_quorum,
    )


async def pause_monitor(pool: Pool, org_id: int, monitor_id: UUID, until: datetime | None) -> None:
    """Let a monitor rest."""
    if until is not None and until <= datetime.now(UTC):
        raise ValidationFailed("a pause ends in the future")
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "pause monitors")
        if await connection.fetchval(_SQL["pause"], org_id, monitor_id, until) is None:
            raise NotFound("no such monitor in this organization")


async def resume_monitor(pool: Pool, org_id: int, monitor_id: UUID) -> None:
    """Let a monitor look again."""
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.ADMIN, "resume monitors")
        if await connection.fetchval(_SQL["resume"], org_id, monitor_id) is None:
            raise NotFound("no such monitor in this organization")


async def request_run(pool: Pool, org_id: int, monitor_id: UUID) -> None:
    """Ask the watch to look once, now."""
    async with transaction(pool) as connection:
        await permission.require_role(connection, org_id, Role.MEMBER, "run monitors")
        if not await connection.fetch(_SQL["request_run"], org_id, monitor_id):
            raise NotFound("no such monitor in this organization")


def monitor_spec(row: asyncpg.Record) -> MonitorSpec:
    """A row of `load_monitors` as what the monitor does.

    Raises:
        ValidationFailed: its configuration was not written by statustui and cannot be read.
    """
    kind = MonitorType(row["type"])
    return MonitorSpec(
        name=row["name"],
        type=kind,
        config=parse_config(kind, json.loads(row["config"])),
        timeout_ms=row["timeout_ms"],
        retry_interval_seconds=row["retry_interval_seconds"],
        interval_seconds=row["interval_seconds"],
        failure_threshold=row["failure_threshold"],
        recovery_threshold=row["recovery_threshold"],
        degraded_after_ms=row["degraded_after_ms"],
        conditions=tuple(row["conditions"]),
        degraded_conditions=tuple(row["degraded_conditions"]),
        is_active=row["is_active"],
        paused_until=row["paused_until"],
        runbook=row["runbook"],
        tags=tuple(row["tags"]),
        regions=tuple(row["regions"]),
        region_quorum=row["region_quorum"],
    )


def monitor_row(row: asyncpg.Record, now: datetime) -> MonitorRow:
    """A row of `load_monitors` as lists show it."""
    kind = MonitorType(row["type"])
    target, shown_config = _shown(kind, row["config"])
    paused = not row["is_active"] or row["is_resting"]
    state = MonitorState.PAUSED if paused else MonitorState(row["state"])
    last_status = CheckStatus(row["last_status"]) if row["last_status"] else None
    error_kind, reason = row["last_error_kind"], row["last_reason"]
    return MonitorRow(
        id=row["id"],
        name=row["name"],
        service_id=row["service_id"],
        service_name=row["service_name"],
        type=kind,
        target=target,
        state=state,
        state_since=row["state_since"],
        interval_seconds=row["interval_seconds"],
        timeout_ms=row["timeout_ms"],
        failure_threshold=row["failure_threshold"],
        recovery_threshold=row["recovery_threshold"],
        degraded_after_ms=row["degraded_after_ms"],
        is_active=row["is_active"],
        paused_until=row["paused_until"] if row["is_resting"] else None,
        last_checked_at=row["last_checked_at"],
        last_status=last_status,
        last_duration_ms=row["last_duration_ms"],
        error_kind=ErrorKind(error_kind) if error_kind else None,
        reason=reason or "",
        next_run_at=None if not row["is_active"] else _next_run(row, last_status, now),
        runbook=row["runbook"],
        tags=tuple(row["tags"]),
        config=shown_config,
        conditions=tuple(row["conditions"]),
        degraded_conditions=tuple(row["degraded_conditions"]),
        recent=row["recent"] or b"",
        recent_until=row["recent_until"],
        regions=tuple(
            RegionState(name, MonitorState(said))
            for name, said in zip(row["regions"], row["region_states"], strict=True)
        ),
        region_quorum=row["region_quorum"],
    )


@lru_cache(maxsize=16_384)
def _shown(kind: MonitorType, config: str) -> tuple[str, Mapping[str, object]]:
    """Target and configuration as they may be shown; read once for each that there is."""
    try:
        read = parse_config(kind, json.loads(config))
    except ValidationFailed as failure:
        # Written past this program, with psql: the list is shown all the same.
        return f"unreadable: {failure.message}", MappingProxyType({})
    return target_of(read), MappingProxyType(masked(read))


def _next_run(
    row: asyncpg.Record, last_status: CheckStatus | None, now: datetime
) -> datetime | None:
    """The next slot of the schedule, or the retry that comes before it."""
    if row["phase_ms"] is None:
        return None
    after = max(now, row["scheduled_from"])
    interval = timedelta(seconds=row["interval_seconds"])
    phase = timedelta(milliseconds=row["phase_ms"])
    slots = -((_EPOCH + phase - after) // interval)
    due: datetime = _EPOCH + phase + slots * interval
    retrying = last_status in _FAILED and 0 < row["consecutive_failures"] < row["failure_threshold"]
    if retrying and row["last_checked_at"] is not None:
        retry = row["last_checked_at"] + timedelta(seconds=row["retry_interval_seconds"])
        if retry > now:
            due = min(due, retry)
    return due
