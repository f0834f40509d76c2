"""The first two lines of the dashboard: how much is what, and what matters now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from statustui import palette
from statustui.domain.readmodels import Board, IncidentSummary, ServiceRow, WatchInfo
from statustui.domain.status import IncidentStatus, Role, ServiceStatus
from statustui.palette import Look
from statustui.presenters import clock
from statustui.presenters.board import BoardView
from statustui.presenters.board_cells import NARROW, next_window
from statustui.presenters.incident import is_acknowledged, seconds_left, told_words
from statustui.presenters.line import Line, Part, count_of, cut, cut_line, width_of

_WIDE = 100
_BEHIND_SECONDS = 5
_OUT = (palette.OUTAGE, palette.PARTIAL)
_OTHER = (palette.DEGRADED, palette.FLAPPING, palette.MAINTENANCE, palette.UNKNOWN, palette.PAUSED)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is true of the dashboard itself.

    Attributes:
        stale_seconds: how old what is shown may be, None while the database answers.
        is_read_only: whether nothing can be changed from here.
    """

    stale_seconds: int | None = None
    is_read_only: bool = False


def badges(board: Board, condition: Condition) -> tuple[str, ...]:
    """What must not be overlooked about the picture itself, the worst first."""
    found: list[str] = []
    if condition.stale_seconds is not None:
        found.append(f"STALE {_short(condition.stale_seconds)}")
    watch = board.watch
    if watch is None or not watch.alive:
        found.append("NO WATCH")
    elif watch.offline:
        found.append("OFFLINE")
    elif watch.behind_seconds >= _BEHIND_SECONDS:
        found.append(f"BEHIND {_short(int(watch.behind_seconds))}")
    if watch is not None and watch.alive and watch.spooled_results:
        # What is shown lacks them until they are written.
        found.append(f"SPOOL {watch.spooled_results:,}")
    if condition.is_read_only or not board.organization.role.at_least(Role.MEMBER):
        found.append("READ ONLY")
    return tuple(found)


def _short(seconds: int) -> str:
    return clock.age(timedelta(seconds=seconds))


def counts_line(
    view: BoardView, condition: Condition, at: datetime, zone: tzinfo, width: int
) -> Line:
    """The first line: the organization, services by state, what is silenced, badges, the clock.

    When it is crowded, glyphs go first (below 100 columns), then the clock's seconds, then
    everything between outage and up becomes "3 other", then "1 silenced" becomes "1z". A badge
    never goes.
    """
    board = view.board
    edge = 1 if width >= NARROW else 0
    zone_mark = clock.zone_name(at, zone)
    zone_mark = zone_mark if zone_mark == "Z" else f" {zone_mark}"
    long_clock = f"{clock.clock_seconds(at, zone)}{zone_mark}"
    short_clock = f"{clock.clock(at, zone)}{zone_mark}"
    chips: list[Part] = []
    for badge in badges(board, condition):
        chips += [(f" {badge} ", "chipfg b on:chip"), ("  ", "text")]
    name = cut(board.organization.name, 40 if width >= _WIDE else max(8, width // 4))
    for level in range(7):
        time = long_clock if level == 0 and width >= NARROW else short_clock
        right: Line = (*chips, (time, "muted"))
        head: list[Part] = [(" ", "text"), (name, "strong b")]
        if width >= _WIDE:
            head.append((" " * max(2, 12 - width_of(head) + 1), "text"))
        else:
            head.append((" " if width < NARROW else "  ", "text"))
        left: Line = (*head, *_counts(view, width, level))
        gap = width - edge - width_of(left) - width_of(right)
        if gap >= 1:
            return (*left, (" " * gap, "text"), *right, (" " * edge, "text"))
    room = max(0, width - edge - width_of(right) - 1)
    cut_left = cut_line(left, room)
    gap = max(0, width - edge - width_of(cut_left) - width_of(right))
    return (*cut_left, (" " * gap, "text"), *right, (" " * edge, "text"))


def _counts(view: BoardView, width: int, level: int) -> Line:
    gap = " " if width < NARROW else "  "
    pieces: list[Line] = []
    other = 0
    for look, number in view.counts:
        if look in _OTHER and (level >= 2 or width < NARROW):
            other += number
            continue
        if look is palette.UP and level >= 5:
            continue
        # One red chip: the eye lands there, and only there.
        is_chip = view.has_fresh and look in _OUT and not any(_is_chip(each) for each in pieces)
        pieces.append(_count(look, number, is_chip=is_chip, with_glyph=width >= _WIDE))
    if other:
        at = sum(look in _OUT for look, _ in view.counts)
        hue = "degraded" if view.is_broken else "muted"
        pieces.insert(at, ((f"{other} other", hue),))
    if view.still_open and level < 6:
        words = (
            "open" if level >= 1 or width < _WIDE else count_of(view.still_open, "open incident")
        )
        words = f"{view.still_open} open" if words == "open" else words
        pieces.append(((words, "strong b"),))
    silenced = view.board.silenced
    if silenced and level < 4:
        short = level >= 3 or width < NARROW
        pieces.append(((f"{silenced}z" if short else f"{silenced} silenced", "muted"),))
    if not view.is_broken and width >= _WIDE:
        pieces.append(_visibility(view.board))
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        if number:
            after_chip = "on:alarm" in parts[-1][1] and width < _WIDE and width >= NARROW
            parts.append((" " if after_chip else gap, "text"))
        parts.extend(piece)
    return tuple(parts)


def _is_chip(piece: Line) -> bool:
    return any("on:alarm" in key for _, key in piece)


def _count(look: Look, number: int, *, is_chip: bool, with_glyph: bool) -> Line:
    words = f"{look.glyph} {number} {look.word}" if with_glyph else f"{number} {look.word}"
    if look not in _OUT:
        return ((words, look.token),)
    if is_chip:
        return ((f" {words} ", "alarmfg b on:alarm"),)
    return ((words, f"{look.token} b"),)


def _visibility(board: Board) -> Line:
    visible = sum(service.is_visible for service in board.services)
    hidden = len(board.services) - visible
    words = f" {visible} public, {hidden} hidden" if hidden else f" {visible} public"
    return ((words, "muted"),)


def now_line(view: BoardView, at: datetime, zone: tzinfo, width: int, value_at: int) -> Line:
    """The second line: the most urgent incident while something is broken, else that all is well.

    Args:
        view: the board in order; at: the present moment; zone: of clock times.
        width: of the screen; value_at: the column in which values start.
    """
    if not view.board.services:
        return _headed("NOW", "strong b", (("nothing is watched yet", "text"),), width, value_at)
    incident = view.urgent
    if incident is not None:
        room = width - value_at - 1
        said = _incident(view, incident, at, zone, room, width)
        return _headed("NOW", "strong b", said, width, value_at)
    if view.is_broken:
        broken = sum(line.is_broken for line in view.broken)
        words: Line = (
            (count_of(broken, "service"), "strong b"),
            (" with trouble, ", "text"),
            ("no incident", "strong b"),
        )
        if width >= NARROW:
            words = (*words, ("  (i opens one)", "muted"))
        return _headed("NOW", "strong b", words, width, value_at)
    return _headed("ALL UP", "up b", _calm(view, at, zone, width), width, value_at)


def _headed(head: str, key: str, words: Line, width: int, value_at: int) -> Line:
    if width < NARROW:
        return cut_line(((f" {head} ", key), *words), width)
    return cut_line(((f" {head}".ljust(value_at), key), *words), width - 1)


def _incident(
    view: BoardView, incident: IncidentSummary, at: datetime, zone: tzinfo, room: int, width: int
) -> Line:
    """The incident in as many whole pieces as fit: what is owed stays longest."""
    head: Line = ((incident.code, "strong b"), (" " if width < NARROW else "  ", "text"))
    whose = _whose(incident, at, zone)
    if width < NARROW:
        return (*head, *whose)
    wide = width >= _WIDE
    gap: Line = (("   " if wide else "  ", "text"),)
    stage: Line = ()
    if incident.status is not IncidentStatus.INVESTIGATING:
        stage = ((f", {incident.status.value}", "text"),)
    public, due = _public(view.board.services, incident, at, zone, wide=wide)
    if incident.pending is not None:
        seconds = seconds_left(incident.pending, at)
        public = (("public in ", "muted"), (f"{seconds} s", "strong b"))
        due = (("  U in the incident takes it back", "muted"),)
    for line in (
        (*head, *whose, *stage, *gap, *public, *due),
        (*head, *whose, *gap, *public, *due),
        (*head, *whose, *stage, *gap, *public),
        (*head, *whose, *gap, *public),
    ):
        if width_of(line) <= room:
            return line
    return (*head, *whose)


def _whose(incident: IncidentSummary, at: datetime, zone: tzinfo) -> Line:
    if incident.snoozed_until is not None and incident.snoozed_until > at:
        return ((f"snoozed until {clock.moment(incident.snoozed_until, at, zone)}", "text"),)
    if is_acknowledged(incident, at) and incident.acknowledged_until is not None:
        who = incident.lead or incident.acknowledged_by or "somebody"
        until = clock.clock(incident.acknowledged_until, zone)
        return ((who, "text"), (f" until {until}", "muted"))
    if incident.lead:
        return (("unacked", "strong b"), (f", lead {incident.lead}", "text"))
    return (("unacked", "strong b"),)


def _public(
    services: Sequence[ServiceRow],
    incident: IncidentSummary,
    at: datetime,
    zone: tzinfo,
    *,
    wide: bool,
) -> tuple[Line, Line]:
    """What the public sees or was told, and which update is due."""
    ids = {service.id for service in incident.services}
    label: Line = (("public  ", "muted"),) if wide else (("public ", "text"),)
    due = incident.next_update_by
    owed: Line = ()
    if due is not None and due < at and incident.is_public:
        late = f"late since {clock.moment(due, at, zone)}"
        return (*label, ("update ", "text"), (late, "strong b")), ()
    if due is not None:
        owed = (("   update due  ", "muted"), (clock.moment(due, at, zone), "text"))
    if incident.is_public and incident.told_at is not None:
        return (*label, (told_words(incident.told_at, incident.told_by, at, zone), "text")), owed
    sees = any(
        service.id in ids
        and service.is_visible
        and service.public_status is not ServiceStatus.OPERATIONAL
        for service in services
    )
    if sees:
        words = "no words yet" if wide else "no words"
        return (*label, ("sees colour, ", "text"), (words, "strong b")), owed
    return (*label, ("sees nothing", "strong b")), ()


def _calm(view: BoardView, at: datetime, zone: tzinfo, width: int) -> Line:
    board = view.board
    wide = width >= _WIDE
    last = max(
        (each for each in board.incidents if each.resolved_at is not None),
        key=lambda each: each.resolved_at or at,
        default=None,
    )
    parts: list[Part] = []
    if last is not None and last.resolved_at is not None:
        parts += [
            (clock.span(_whole_minutes(at - last.resolved_at)), "strong b"),
            (f" since {last.code}", "muted"),
        ]
    else:
        quiet = max((service.status_since for service in board.services), default=at)
        parts += [
            ("quiet since ", "muted"),
            (clock.moment(quiet, at, zone), "strong b"),
        ]
    if width < NARROW:
        return tuple(parts)
    window = next_window(board.maintenance, at)
    if window is not None:
        about = window.services[0] if window.services else window.title
        parts += [
            ("   next work ", "muted"),
            (clock.moment(window.starts_at, at, zone), "text"),
            (f" {about}", "muted"),
        ]
    if wide:
        parts += [("   watch ", "muted"), *_watch(board.watch)]
    return tuple(parts)


def _whole_minutes(span: timedelta) -> timedelta:
    return max(timedelta(0), span - span % timedelta(minutes=1))


def _watch(watch: WatchInfo | None) -> list[Part]:
    if watch is None or not watch.alive:
        return [("nobody looks", "strong b")]
    return [(watch.holder, "text")]
