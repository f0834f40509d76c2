"""Says in a few words why a service is in its state, the telling word first, in two lengths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

from statustui.domain.readmodels import ServiceRow
from statustui.domain.status import ErrorKind, MonitorState, ServiceStatus
from statustui.presenters import clock
from statustui.presenters.line import cut
from statustui.presenters.regions import blind, differing

SHORT = 20
LONG = 38

_ADDRESS = re.compile(
    r"(?:connect to |connection reset by |with )(\[[0-9a-fA-F:]+\]:\d+|[^\s:]+:\d+)"
)
_CODE = re.compile(r"\banswered (\d{3})\b|\bHTTP (\d{3})\b")
_SECONDS = re.compile(r"([\d.,]+ ?m?s)\b")
_TOOK = re.compile(r"took ([\d,.]+) ms, limit ([\d,.]+) ms")


@dataclass(frozen=True, slots=True)
class Why:
    """A reason in two lengths: at most 20 and at most 38 columns."""

    short: str
    long: str


def why(service: ServiceRow, cause_name: str, at: datetime, zone: tzinfo) -> Why:
    """Why a service is what it is.

    Args:
        service: the row; cause_name: the dependency that explains it, empty when none does.
        at: the present moment; zone: of clock times.
    """
    found = _why(service, cause_name, at, zone)
    return Why(cut(found.short, SHORT), cut(found.long, LONG))


def _why(service: ServiceRow, cause_name: str, at: datetime, zone: tzinfo) -> Why:
    if service.pinned_status is not None:
        return Why("set by hand", "set by hand, monitors are overruled")
    if service.status is ServiceStatus.UNDER_MAINTENANCE:
        return Why("maintenance", "maintenance window")
    if service.monitors and service.paused >= service.monitors:
        until = service.silenced_until
        words = f"until {clock.moment(until, at, zone)}" if until else "until resumed"
        return Why(words, f"paused {words}")
    own = _own(service)
    if cause_name:
        # The cause is what tells; of the own reason the part before the comma is enough.
        brief = own.long.split(", ", 1)[0]
        return Why(_by(own.short, cause_name, SHORT), _by(brief, cause_name, LONG))
    if own.long:
        return own
    if service.status is not ServiceStatus.OPERATIONAL and service.incident_code:
        return Why(f"said by {service.incident_code}", f"said by {service.incident_code}")
    if not service.monitors:
        return Why("no monitor", "no monitor looks at it")
    return Why("", "")


def _by(words: str, cause: str, width: int) -> str:
    """The reason, then who is to blame; the reason gives way where both are too long."""
    tail = f"by {cause}"
    if not words:
        return tail
    room = width - len(tail) - 2
    return f"{cut(words, room)}, {tail}" if room >= 3 else tail


def _own(service: ServiceRow) -> Why:
    if service.monitor_state is MonitorState.UNKNOWN and not service.failures:
        reason = service.reason
        if (where := blind(service.regions)) and not reason:
            return Why(where, where)
        return Why("cannot look", f"cannot look: {reason}" if reason else "cannot look")
    telling = _telling(service.error_kind, service.reason)
    if service.monitor_state in (MonitorState.UP, MonitorState.UNKNOWN) and service.failures:
        # No verdict yet, and whoever looks at it now should know that there may soon be one.
        near = f"{service.failures} of {service.threshold} failed"
        return Why(near, f"{near}: {telling.long}" if telling.long else near)
    if service.monitor_state is MonitorState.FLAPPING:
        last = telling.short.split(" ", 1)[0]
        flips = f"{service.flips} flips"
        return Why(
            f"{flips}, {last}" if last else flips,
            f"{flips}, last: {telling.long}" if telling.long else flips,
        )
    if where := differing(service.regions):
        return Why(where.partition(", up")[0], where)
    if not telling.long:
        return telling
    looked = service.regions_looked
    if looked > 1 and len(telling.long) <= LONG - 13:
        return Why(telling.short, f"{telling.long}, {service.regions_down}/{looked} regions")
    return telling


def _telling(kind: ErrorKind | None, reason: str) -> Why:
    if not reason:
        return Why("", "")
    took = _TOOK.search(reason)
    if took is not None:
        return Why(f"{took[1]} > {took[2]} ms", f"{took[1]} ms, limit {took[2]} ms")
    address = _ADDRESS.search(reason)
    where = address[1] if address is not None else ""
    host = where.rpartition(":")[0]
    match kind:
        case ErrorKind.REFUSED if where:
            return Why(f"refused {host}", f"refused {where}")
        case ErrorKind.HTTP_STATUS:
            code = _CODE.search(reason)
            if code is not None:
                number = code[1] or code[2]
                _, _, expected = reason.partition(", ")
                return Why(number, f"HTTP {number}, {expected}" if expected else f"HTTP {number}")
        case ErrorKind.TIMEOUT:
            if reason.startswith("no beat"):
                return Why(reason.partition(",")[0], reason)
            span = _SECONDS.search(reason)
            if span is None:
                return Why("timeout", f"timeout: {reason}")
            return Why(f"timeout {span[1]}", f"timeout after {span[1]}")
        case ErrorKind.TLS:
            short = "certificate" if "certificate" in reason else "TLS"
            return Why(short, reason)
        case ErrorKind.CONNECT if where:
            return Why(f"no way to {host}", reason)
        case _:
            pass
    return Why(reason, reason)
