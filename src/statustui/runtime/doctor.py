"""Examines an installation: what is reachable, who this is here, and what to do about the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from statustui import __version__
from statustui.domain.errors import StatustuiError
from statustui.domain.readmodels import EngineInfo
from statustui.domain.sharing import CLOCK_TOLERANCE_SECONDS
from statustui.runtime import registry
from statustui.runtime.database import (
    Database,
    database_place,
    open_database,
    operator_store,
    stranger,
)
from statustui.runtime.watch import engine_line
from statustui.settings import Settings, terminal_facts
from statustui.store import bootstrap
from statustui.store.connection import ConnectionTarget, connect

Verdict = Literal["ok", "note", "fails"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    Attributes:
        subject: what; verdict: `ok`, `note` (works, but worth knowing) or `fails`.
        text: what was found; advice: what to do, or an empty string.
    """

    subject: str
    verdict: Verdict
    text: str
    advice: str = ""


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Examine everything that can be examined without changing anything.

    Args:
        settings: all settings.
    """
    findings = [Finding("version", "ok", f"statustui {__version__}"), _terminal(), *_ping()]
    try:
        async with open_database(settings, prepare=False) as database:
            findings += await _examine_database(settings, database)
    except StatustuiError as error:
        findings.append(Finding("database", "fails", error.message, error.advice))
    return tuple(findings)


async def _examine_database(settings: Settings, database: Database) -> list[Finding]:
    kind = "embedded" if database.server else "shared"
    connection = await connect(database.operator)
    try:
        state = await bootstrap.inspect(connection)
        findings = [
            Finding(
                "database",
                "ok",
                f"{database.label}, {kind}, PostgreSQL {state.server_version}",
            )
        ]
        if not state.initialised:
            findings.append(
                Finding(
                    "schema",
                    "fails",
                    "the database is not initialised",
                    f"{state.who_may} runs `statustui init`",
                )
            )
            return findings
        if not state.may_use:
            refused = stranger(state.role, database.label)
            findings.append(Finding("role", "fails", refused.message, refused.advice))
            return findings
        if state.pending:
            findings.append(
                Finding(
                    "schema",
                    "fails",
                    f"{len(state.pending)} migrations are missing",
                    f"{state.who_may} runs `statustui db migrate`",
                )
            )
        else:
            findings.append(Finding("schema", "ok", f"{len(state.applied)} migrations"))
        if state.is_superuser:
            findings.append(
                Finding(
                    "role",
                    "note",
                    f"you are {state.role}, a superuser: nothing the database forbids holds you",
                    "work as a role of your own; `statustui init` was all it is needed for",
                )
            )
        else:
            findings.append(Finding("role", "ok", f"you are {state.role}"))
    finally:
        await connection.close()
    findings.append(await _reaches("watch's role", database.engine))
    findings.append(await _reaches("page's role", database.web))
    findings.append(await _announcements(database))
    async with operator_store(database) as store:
        organizations = await store.organizations()
        if organizations:
            named = ", ".join(f"{item.slug} ({item.role.value})" for item in organizations)
            findings.append(Finding("organizations", "ok", named))
        else:
            findings.append(
                Finding(
                    "organizations",
                    "note",
                    "you belong to none",
                    "`statustui apply FILE` or `statustui init --name NAME` creates one on an "
                    "empty installation; else ask an owner",
                )
            )
        watch = await store.load_watch()
    here = registry.live(settings.data_dir, database_place(settings))
    if watch is not None and watch.alive:
        findings.append(Finding("watch", "ok", f"{watch.holder} checks"))
        findings += [describe_engine(engine) for engine in watch.engines]
    else:
        findings.append(
            Finding(
                "watch",
                "note",
                f"nobody checks; {len(here)} watches run on this host",
                "run `statustui serve`, or open the dashboard, which starts one",
            )
        )
    return findings


def describe_engine(engine: EngineInfo) -> Finding:
    """One engine, and whether the clock of its host can be believed."""
    skew = engine.clock_skew_seconds
    if abs(skew) <= CLOCK_TOLERANCE_SECONDS:
        return Finding("engine", "ok", engine_line(engine))
    away = f"{abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'}"
    return Finding(
        "engine",
        "note",
        f"{engine_line(engine)}; the clock of {engine.host} is {away} the database's",
        "let a time service (chrony, systemd-timesyncd) set it; until then the times of its "
        "checks are off by as much",
    )


async def _reaches(subject: str, target: ConnectionTarget) -> Finding:
    return await _tried(
        subject,
        "can connect",
        lambda: _connects(target),
        "set STATUSTUI_DATABASE__ENGINE_URL and STATUSTUI_DATABASE__WEB_URL on hosts that run "
        "the watch",
    )


async def _connects(target: ConnectionTarget) -> None:
    connection = await connect(target)
    await connection.close()


async def _announcements(database: Database) -> Finding:
    async def heard() -> None:
        if not await bootstrap.hears_announcements(database.operator):
            raise StatustuiError("LISTEN receives nothing")

    return await _tried(
        "announcements",
        "LISTEN works",
        heard,
        "connect directly or through session pooling: transaction pooling loses LISTEN",
    )


async def _tried(
    subject: str, well: str, attempt: Callable[[], Awaitable[None]], advice: str
) -> Finding:
    try:
        await asyncio.wait_for(attempt(), timeout=15)
    except StatustuiError as error:
        return Finding(subject, "fails", error.message, advice)
    except TimeoutError:
        return Finding(subject, "fails", "no answer within 15 s", advice)
    return Finding(subject, "ok", well)


def _terminal() -> Finding:
    facts = terminal_facts()
    if not facts.is_terminal:
        return Finding("terminal", "note", "none: the dashboard prints one line per change")
    colours = "no colours" if facts.no_color else (facts.colorterm or "no COLORTERM")
    return Finding("terminal", "ok", f"TERM={facts.term}, {colours}")


def _ping() -> list[Finding]:
    try:
        with open("/proc/sys/net/ipv4/ping_group_range", encoding="ascii") as file:
            low, high = (int(part) for part in file.read().split())
    except (OSError, ValueError):
        return []
    groups = {os.getegid(), *os.getgroups()}
    if os.geteuid() == 0 or any(low <= group <= high for group in groups):
        return [Finding("ping", "ok", "this user may send ICMP echo requests")]
    return [
        Finding(
            "ping",
            "note",
            "monitors of type ping cannot look from here",
            "widen net.ipv4.ping_group_range to a group of this user, or give the program "
            "CAP_NET_RAW",
        )
    ]
