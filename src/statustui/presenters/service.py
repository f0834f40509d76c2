"""Says what one service is and what was last seen of it, monitor by monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from statustui.domain.observation import Certificate
from statustui.domain.readmodels import IncidentSummary, LastLook, ServiceNow, ServiceRow
from statustui.domain.status import CheckStatus, ErrorKind, MonitorState
from statustui.palette import glyph_of, token_of, word_of
from statustui.presenters import clock
from statustui.presenters.columns import Column, Wanted, lay_out
from statustui.presenters.evidence import changed_line
from statustui.presenters.incident import Fact, answer_parts, is_acknowledged
from statustui.presenters.line import Line, Part, cut, cut_line, width_of
from statustui.presenters.monitors import is_paused
from statustui.presenters.waterfall import LABEL_ROOM, PhaseBar, Waterfall, milliseconds
from statustui.presenters.waterfall import lay_out as lay_out_phases

TABS = ("Now", "Latency", "Timeline")
CERTIFICATE_SOON = timedelta(days=14)

_WANTED = (
    Wanted("monitor", "MONITOR", 22, wide_width=28),
    Wanted("region", "FROM", 6, wide_width=8),
    Wanted("state", "STATE", 10),
    Wanted("answer", "ANSWER", 9, wide_width=12),
    Wanted("total", "TOTAL", 8, is_right=True),
    Wanted("looked", "LOOKED", 8, is_right=True),
    Wanted("why", "WHY", 8),
)

_PHASE_WIDTH = 11
_FIGURE_WIDTH = 9


@dataclass(frozen=True, slots=True)
class LookRow:
    """One monitor seen from one region; `key` tells it from the others."""

    key: str
    cells: Mapping[str, Line]


def columns(width: int) -> tuple[Column, ...]:
    """The columns that a screen of this width shows."""
    return lay_out(_WANTED, width)


def head(now: ServiceNow, at: datetime, width: int) -> Line:
    """The first line: what it is, since when, its incident, its cause, what the public sees.

    Args:
        now: the service; at: the present moment; width: columns that it may take.
    """
    service = now.service
    token = token_of(service.status)
    shown: list[Part] = [
        (service.name, "strong b"),
        (f"  {glyph_of(service.status)} {word_of(service.status)}", f"{token} b"),
        (f"  {clock.age(at - service.status_since)}", "text"),
    ]
    incident = next((each for each in now.incidents if each.status.is_open), None)
    further: list[list[Part]] = []
    if incident is not None:
        further.append(_incident_parts(incident, at))
    cause = next((each for each in now.depends_on if each.id == service.cause_id), None)
    if cause is not None:
        glyph = glyph_of(cause.status)
        further.append([("   cause ", "muted"), (f"{glyph} {cause.name}", token_of(cause.status))])
    further.append(_public_parts(service, incident))
    for parts in further:
        # What does not fit goes whole: half a word at the edge tells nothing.
        if width_of([*shown, *parts]) > width:
            break
        shown += parts
    return cut_line(shown, width)


def _incident_parts(incident: IncidentSummary, at: datetime) -> list[Part]:
    parts: list[Part] = [(f"   {incident.code}", "strong b")]
    if not is_acknowledged(incident, at):
        parts.append(("  unacked", "strong b"))
    return parts


def _public_parts(service: ServiceRow, incident: IncidentSummary | None) -> list[Part]:
    if not service.is_visible:
        return [("   hidden from the public", "internal")]
    parts: list[Part] = [("   public sees ", "muted"), (word_of(service.public_status), "text")]
    if incident is not None and incident.is_public and incident.told_at is None:
        parts.append((", no words", "strong b"))
    return parts


def look_key(look: LastLook) -> str:
    """What tells a look from the others of its service."""
    return f"{look.monitor.id}@{look.region}"


def rows(now: ServiceNow, at: datetime, zone: tzinfo) -> tuple[LookRow, ...]:
    """The last look of each monitor and region, in the order in which they were loaded."""
    return tuple(_row(look, at, zone) for look in now.looks)


def _row(look: LastLook, at: datetime, zone: tzinfo) -> LookRow:
    paused = is_paused(look.monitor, at)
    state = MonitorState.PAUSED if paused else look.monitor.state
    bold = " b" if state is MonitorState.DOWN else ""
    base = "muted" if paused else "text"
    return LookRow(
        key=look_key(look),
        cells={
            "monitor": ((look.monitor.name, base),),
            "region": ((look.region, base),),
            "state": ((f"{glyph_of(state)} {word_of(state)}", token_of(state) + bold),),
            "answer": ((_answer(look), base),),
            "total": ((milliseconds(look.duration_ms), base),),
            "looked": ((_looked(look, zone), "muted"),),
            "why": ((look.reason or "-", base if look.reason else "muted"),),
        },
    )


def _answer(look: LastLook) -> str:
    if look.status is None:
        return "-"
    if look.status_code is not None:
        return f"HTTP {look.status_code}"
    if look.error_kind is not None:
        return _ERROR_WORDS[look.error_kind]
    return "slow" if look.status is CheckStatus.DEGRADED else "answered"


_ERROR_WORDS: Mapping[ErrorKind, str] = {
    ErrorKind.DNS: "no name",
    ErrorKind.CONNECT: "no route",
    ErrorKind.REFUSED: "refused",
    ErrorKind.TIMEOUT: "timeout",
    ErrorKind.TLS: "TLS",
    ErrorKind.PROTOCOL: "garbled",
    ErrorKind.HTTP_STATUS: "status",
    ErrorKind.ASSERTION: "wrong",
    ErrorKind.LOSS: "loss",
    ErrorKind.COMMAND: "command",
    ErrorKind.OBSERVER: "no look",
}


def _looked(look: LastLook, zone: tzinfo) -> str:
    return clock.clock_seconds(look.at, zone) if look.at is not None else "never"


def look_title(look: LastLook, at: datetime, zone: tzinfo) -> Line:
    """The bar above the waterfall: what was looked at, from where, when, and what came of it."""
    parts: list[Part] = [(look.monitor.target, "strong b")]
    if look.at is None:
        return (*parts, ("  nobody has looked yet", "muted"))
    said = [f"from {look.region}", f"looked {clock.moment(look.at, at, zone)}"]
    if look.status is not None:
        said.append(look.status.value)
    if look.status_code is not None:
        said.append(f"HTTP {look.status_code}")
    if look.duration_ms is not None:
        said.append(milliseconds(look.duration_ms))
    return (*parts, (f"  {', '.join(said)}", "muted"))


def waterfall_lines(
    look: LastLook, at: datetime, zone: tzinfo, width: int, value_at: int
) -> tuple[Line, ...]:
    """The phases of a look: names, figures now and when all was well, bars.

    Args:
        look: whose phases; at: the present moment; zone: of clock times.
        width: columns; value_at: the column in which figures start.
    """
    figures_end = value_at + 2 * _FIGURE_WIDTH
    bars_at = figures_end + 2
    space = max(10, width - bars_at - LABEL_ROOM - 1)
    fall = lay_out_phases(look.phases, look.last_good_phases, space)
    if not fall.bars:
        said = "no phase was timed" if look.at is not None else "nothing to show before a look"
        return (((" ", "text"), (said, "muted")),)
    lines: list[Line] = [_axis(fall, value_at)]
    lines += [_phase_line(bar, value_at) for bar in fall.bars]
    good = (
        f"last good {clock.moment(look.last_good_at, at, zone)}"
        if look.last_good_at is not None
        else "never good so far"
    )
    lines.append(
        (
            (" ", "text"),
            ("total".ljust(value_at - 1), "muted"),
            (milliseconds(fall.total_ms).rjust(_FIGURE_WIDTH - 1), "text"),
            (milliseconds(fall.good_total_ms).rjust(_FIGURE_WIDTH), "muted"),
            ("   ", "text"),
            (good, "muted"),
        )
    )
    return tuple(lines)


def _axis(fall: Waterfall, value_at: int) -> Line:
    axis = ""
    for tick in fall.ticks:
        axis = axis.ljust(tick.offset) + tick.text
    return (
        (" ", "text"),
        ("PHASE".ljust(value_at - 1), "muted"),
        ("NOW".rjust(_FIGURE_WIDTH - 1), "muted"),
        ("GOOD".rjust(_FIGURE_WIDTH), "muted"),
        ("   ", "text"),
        (axis, "muted"),
    )


def _phase_line(bar: PhaseBar, value_at: int) -> Line:
    style = "strong b" if bar.is_telling else "text"
    return (
        (" ", "text"),
        (bar.name.ljust(value_at - 1), style),
        (milliseconds(bar.now_ms).rjust(_FIGURE_WIDTH - 1), style),
        (milliseconds(bar.good_ms).rjust(_FIGURE_WIDTH), "muted"),
        ("   " + " " * bar.offset, "text"),
        ("▄" * bar.length, "degraded" if bar.is_telling else "muted"),
    )


def facts(now: ServiceNow, look: LastLook | None, at: datetime, zone: tzinfo) -> tuple[Fact, ...]:
    """What is known about a look, in a fixed order: error, answer, address, certificate, changed,
    depends, needed by, repeat it.

    Args:
        now: the service; look: the chosen one, None without monitors.
        at: the present moment; zone: of clock times.
    """
    found: list[Fact] = []
    if look is not None:
        found += _look_facts(look, at, zone)
    if now.depends_on:
        found.append(("depends", _services_line(now.depends_on)))
    if now.needed_by:
        found.append(("needed by", _services_line(now.needed_by)))
    if look is not None and look.repeat_command:
        found.append(("repeat it", ((look.repeat_command, "text"), ("  (y copies)", "muted"))))
    return tuple(found)


def _look_facts(look: LastLook, at: datetime, zone: tzinfo) -> list[Fact]:
    found: list[Fact] = []
    failed = look.reason and look.status not in (None, CheckStatus.SUCCESS)
    if failed:
        found.append(("error", ((look.reason, "strong b"),)))
    if look.evidence is not None:
        answer = answer_parts(look.evidence)
        if answer:
            found.append(("answer", answer))
        first = clock.moment(look.evidence.at, at, zone)
        found.append(("first seen", ((f"{first}, {look.evidence.reason}", "text"),)))
    elif look.status_code is not None:
        found.append(("answer", ((f"HTTP {look.status_code}", "text"),)))
    if look.address:
        found.append(("address", ((look.address, "text"), *_address_note(look))))
    if look.certificate is not None:
        found.append(("cert", certificate_line(look.certificate, at)))
    since_good = changed_line(look.evidence, zone) if failed else ()
    if since_good:
        found.append(("changed", since_good))
    slower = _slower(look)
    if slower:
        found.append(("slower" if since_good else "changed", ((slower, "strong b"),)))
    return found


def _address_note(look: LastLook) -> Line:
    evidence = look.evidence
    if evidence is None or not evidence.address or evidence.address == look.address:
        return ()
    return ((f"  was {evidence.address} at the first failure", "muted"),)


def certificate_line(certificate: Certificate, at: datetime) -> Line:
    """Whose certificate it is and how many days are left, amber when it soon ends."""
    left = certificate.not_after - at
    if left <= timedelta(0):
        said, style = f"ended {clock.span(-left)} ago", "degraded b"
    else:
        said = f"{left.days} d left" if left.days else f"{clock.span(left)} left"
        style = "degraded b" if left < CERTIFICATE_SOON else "muted"
    return (
        (cut(certificate.subject or ", ".join(certificate.names), 60), "text"),
        (f"  {said}", style),
    )


def _slower(look: LastLook) -> str:
    """Which phases take far longer than at the last good look."""
    fall = lay_out_phases(look.phases, look.last_good_phases, 1)
    return ", ".join(
        f"{bar.name} {milliseconds(bar.good_ms)} to {milliseconds(bar.now_ms)}"
        for bar in fall.bars
        if bar.is_telling
    )


def _services_line(services: Sequence[ServiceRow]) -> Line:
    parts: list[Part] = []
    for service in services:
        if parts:
            parts.append(("  ", "text"))
        parts.append((f"{glyph_of(service.status)} {service.name}", token_of(service.status)))
    return tuple(parts)


def tab_line(chosen: int) -> Line:
    """The tabs, the chosen one tinted."""
    parts: list[Part] = [(" ", "text")]
    for number, name in enumerate(TABS):
        parts.append((f" {name} ", "strong b on:sel" if number == chosen else "muted"))
        parts.append((" ", "text"))
    return tuple(parts)
