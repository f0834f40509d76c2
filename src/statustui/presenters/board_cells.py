"""Fills the columns of the first screen: which there are at a width, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from statustui import palette
from statustui.domain.readmodels import MaintenanceRow, ServiceFigures
from statustui.domain.status import MaintenanceStatus, ServiceStatus
from statustui.presenters import clock, strip
from statustui.presenters.board import BoardLine, GroupLine, ServiceLine
from statustui.presenters.columns import Column
from statustui.presenters.line import Line, cell_width, count_of
from statustui.presenters.percent import percent
from statustui.presenters.why import LONG, why

NARROW = 60
_RIGHT = frozenset({"since", "p95", "share"})
_HEADINGS = {
    "state": "STATE",
    "service": "SERVICE",
    "since": "SINCE",
    "hour": "LAST HOUR",
    "public": "PUBLIC",
    "who": "WHO",
    "p95": "P95",
    "share": "30 D %",
    "days": "30 DAYS",
    "why": "WHY",
    "next": "NEXT",
}


def columns(width: int) -> tuple[Column, ...]:
    """The columns while something is broken."""
    if width < NARROW:
        return _placed([("state", 10), ("service", max(6, width - 18)), ("since", 5)], width)
    if width < 120:
        wanted = [("state", 10), ("service", 16), ("since", 5), ("hour", 12), ("public", 6)]
        return _placed([*wanted, ("who", 4), ("why", 0)], width)
    wanted = [
        ("state", 10),
        ("service", 28 if width >= 200 else 22),
        ("since", 5),
        ("hour", 30 if width >= 200 else 20),
        ("public", 6),
        ("who", 5),
    ]
    if width >= 160:
        wanted += [("p95", 7), ("share", 6)]
    if width >= 200:
        wanted.append(("days", 30))
    return _placed([*wanted, ("why", 0)], width)


def calm_columns(width: int) -> tuple[Column, ...]:
    """The columns while nothing is broken: figures instead of reasons."""
    if width < NARROW:
        return _placed([("state", 10), ("service", max(6, width - 19)), ("share", 6)], width)
    if width < 120:
        taken = 10 + 12 + 7 + 6 + 1 + 4 * (1 if width < 100 else 2)
        wanted = [("state", 10), ("service", min(40, width - taken - 1)), ("hour", 12)]
        return _placed([*wanted, ("p95", 7), ("share", 6)], width)
    service = 28 if width >= 200 else 22
    hour = 30 if width >= 200 else 20
    wanted = [("state", 10), ("service", service), ("hour", hour), ("p95", 7), ("share", 6)]
    return _placed([*wanted, ("days", 30), ("next", 0)], width)


def _placed(wanted: Sequence[tuple[str, int]], width: int) -> tuple[Column, ...]:
    gap = 1 if width < 100 else 2
    placed: list[Column] = []
    start = 1
    for name, own in wanted:
        taken = own or max(1, width - start)
        placed.append(Column(name, _HEADINGS[name], start, taken, name in _RIGHT))
        start += taken + gap
    return tuple(placed)


@dataclass(frozen=True, slots=True)
class CellContext:
    """What cells depend on besides their row.

    Attributes:
        at: the present moment; zone: of clock times.
        figures: the slower figures by service; maintenance: windows ahead and under way.
    """

    at: datetime
    zone: tzinfo
    figures: Mapping[UUID, ServiceFigures]
    maintenance: Sequence[MaintenanceRow] = ()


def cells(
    line: BoardLine, shown: Sequence[Column], context: CellContext, is_selected: bool
) -> Mapping[str, Line]:
    """The cells of a row by column.

    Args:
        line: the row; shown: the columns; context: what else matters.
        is_selected: whether the cursor is on it: its name is strong and nothing of it is dim.
    """
    if isinstance(line, GroupLine):
        return _group_cells(line, shown, context)
    return _service_cells(line, shown, context, is_selected)


def _service_cells(
    line: ServiceLine, shown: Sequence[Column], context: CellContext, is_selected: bool
) -> Mapping[str, Line]:
    service, look = line.service, line.look
    is_calm = look is palette.UP
    base = "muted" if line.is_quiet and not is_selected else "text"
    bold = " b" if line.is_fresh or is_selected else ""
    figures = context.figures.get(service.id)
    width_of = {column.name: column.width for column in shown}
    found: dict[str, Line] = {
        "state": ((f"{look.glyph} {look.word}", look.token + ("" if is_calm else bold)),),
        "service": (
            ("  " * line.depth, "text"),
            (
                cut_middle(service.name, width_of.get("service", 16) - 2 * line.depth),
                "strong b" if is_selected else f"{base}{bold}",
            ),
        ),
        "since": ((since_words(context.at - service.status_since), base),),
    }
    if "hour" in width_of:
        found["hour"] = strip.hour(
            service.recent,
            service.recent_until,
            context.at,
            width_of["hour"],
            hue=look.token,
            limit_ms=service.limit_ms,
        )
    if "public" in width_of:
        found["public"] = (_public(line, context.at, base),)
    if "who" in width_of:
        who = who_word(line, context.at)
        if cell_width(who) > width_of["who"]:
            who = f"{who[: width_of['who'] - 1]}~"
        found["who"] = ((who, "muted" if who == "-" else base),)
    if "p95" in width_of:
        found["p95"] = ((p95_words(figures), base),)
    if "share" in width_of:
        found["share"] = (_share(figures, is_calm=is_calm, base=base),)
    if "days" in width_of and figures is not None:
        found["days"] = strip.days(figures.days)
    if "why" in width_of:
        words = why(service, line.cause_name, context.at, context.zone)
        # Two lengths: the long one where it has its room, else the one that is never cut.
        chosen = words.long if width_of["why"] >= LONG - 4 else words.short
        found["why"] = ((chosen, "strong" if is_selected else base),)
    if "next" in width_of:
        found["next"] = _next(service.name, context)
    return found


def since_words(age: timedelta) -> str:
    """How long, changing once a minute: "<1m", "3m", "2h", "6d"."""
    return clock.age(age) if age >= timedelta(minutes=1) else "<1m"


def _group_cells(
    line: GroupLine, shown: Sequence[Column], context: CellContext
) -> Mapping[str, Line]:
    width_of = {column.name: column.width for column in shown}
    number = count_of(len(line.services), "service")
    if not line.is_summary:
        found: dict[str, Line] = {
            "state": ((line.name or "other", "strong b"),),
            "service": ((number, "muted"),),
        }
        if cell_width(line.name) > width_of["state"]:
            found = {"*state": ((line.name, "strong b"), (f"  {number}", "muted"))}
        if "share" in width_of:
            found["share"] = ((_group_share(line, context), "muted"),)
        return found
    up = palette.UP
    found = {"state": ((f"{up.glyph} {up.word}", up.token),)}
    if line.share:
        found["service"] = ((number, "muted"),)
        if width_of.get("why", 0) >= LONG - 4 and len(line.share) > 1:
            found["why"] = ((_shares(line.share, width_of["why"]), "muted"),)
        return found
    found["service"] = ((f"{line.name or 'other'}, {number}", "muted"),)
    names = ", ".join(service.name for service in line.services)
    found["*hour"] = ((f"{names} ", "muted"),)
    return found


def _shares(share: Sequence[tuple[str, int]], width: int) -> str:
    """ "core 5 money 5 web 9": as many groups as fit whole, then how many more there are."""
    words = [f"{name or 'other'} {count}" for name, count in share]
    for shown in range(len(words), 0, -1):
        left = len(words) - shown
        more = f" +{count_of(left, 'group')}" if left else ""
        text = " ".join(words[:shown]) + more
        if cell_width(text) <= width:
            return text
    return f"{len(words)} groups"


def _group_share(line: GroupLine, context: CellContext) -> str:
    known = [context.figures[each.id] for each in line.services if each.id in context.figures]
    looked = sum(each.looked for each in known)
    return _number(percent(sum(each.succeeded for each in known), looked))


def _share(figures: ServiceFigures | None, *, is_calm: bool, base: str) -> tuple[str, str]:
    if figures is None:
        return "", base
    words = _number(percent(figures.succeeded, figures.looked))
    return words, "muted" if is_calm and words == "100" else base


def _number(share: str | None) -> str:
    # The column's heading says that it is percent.
    return "-" if share is None else share.removesuffix("%")


def p95_words(figures: ServiceFigures | None) -> str:
    """The latency that 95 of 100 looks stay under, "-" without data: "812 ms", "1.2 s"."""
    if figures is None:
        return ""
    if figures.p95_ms is None:
        return "-"
    if figures.p95_ms < 9_999.5:
        return f"{figures.p95_ms:.0f} ms"
    return f"{figures.p95_ms / 1_000:.1f} s"


def public_word(line: ServiceLine, at: datetime) -> str:
    """What the public sees of a service that is not up.

    Returns:
        `hidden` (it is on no page), `none` (the page shows green), `colour` (a colour without
        words), `told`, or `late` (a promised update is overdue).
    """
    service, incident = line.service, line.incident
    if not service.is_visible:
        return "hidden"
    if incident is not None and incident.is_public:
        if incident.next_update_by is not None and incident.next_update_by < at:
            return "late"
        if incident.told_at is not None:
            return "told"
    if service.public_status is ServiceStatus.OPERATIONAL:
        return "none"
    return "told" if service.public_status is ServiceStatus.UNDER_MAINTENANCE else "colour"


def _public(line: ServiceLine, at: datetime, base: str) -> tuple[str, str]:
    if not line.is_broken and line.look is not palette.MAINTENANCE:
        return "-", "muted"
    word = public_word(line, at)
    if word in ("none", "late"):
        return word, "strong b"
    return word, base if word != "hidden" else "muted"


def who_word(line: ServiceLine, at: datetime) -> str:
    """Whose it is: the lead, or "z1h" while it is snoozed (whole hours left), or "-"."""
    incident = line.incident
    if incident is None:
        return "-"
    if incident.snoozed_until is not None and incident.snoozed_until > at:
        hours = -(-(incident.snoozed_until - at) // timedelta(hours=1))
        return f"z{hours}h" if hours < 48 else f"z{hours // 24}d"
    return incident.lead or incident.acknowledged_by or "-"


def _next(name: str, context: CellContext) -> Line:
    window = next_window(context.maintenance, context.at, name)
    if window is None:
        return ()
    return ((near(window.starts_at, context.at, context.zone), "maint"),)


def near(at: datetime, now: datetime, zone: tzinfo) -> str:
    """A moment ahead in at most eleven columns: "02:00", "Sat 02:00", "28 Nov"."""
    there, here = at.astimezone(zone), now.astimezone(zone)
    if there.date() == here.date():
        return clock.clock(at, zone)
    day = clock.day(there.date(), here.date())
    if at - now < timedelta(days=6):
        return f"{day.split(' ', 1)[0]} {clock.clock(at, zone)}"
    return day.split(" ", 1)[1]


def next_window(
    maintenance: Sequence[MaintenanceRow], at: datetime, service_name: str | None = None
) -> MaintenanceRow | None:
    """The next window that has not begun, of one service or of any."""
    return min(
        (
            window
            for window in maintenance
            if window.status is MaintenanceStatus.SCHEDULED
            and window.starts_at > at
            and (service_name is None or service_name in window.services)
        ),
        key=lambda window: window.starts_at,
        default=None,
    )


def cut_middle(text: str, width: int) -> str:
    """A name cut in its middle, "~" standing for what is gone: its ends tell names apart."""
    if cell_width(text) <= width or width < 3:
        return text
    left = width // 2
    right = width - 1 - left
    while cell_width(text[:left]) > width // 2:
        left -= 1
    while right and cell_width(text[-right:]) > width - 1 - width // 2:
        right -= 1
    return f"{text[:left]}~{text[-right:] if right else ''}"


def sort_values() -> tuple[
    tuple[str, Callable[[ServiceLine, CellContext], tuple[object, ...]]], ...
]:
    """The orders that the list offers: name, and what is compared."""
    return (
        ("service", lambda line, _: (line.service.name.casefold(),)),
        ("state", lambda line, _: (palette.LOOKS.index(line.look), line.service.name.casefold())),
        ("since", lambda line, _: (-line.service.status_since.timestamp(),)),
        ("p95", lambda line, context: (-_p95(line, context), line.service.name.casefold())),
        ("30 d %", lambda line, context: (_uptime(line, context), line.service.name.casefold())),
    )


def _p95(line: ServiceLine, context: CellContext) -> float:
    figures = context.figures.get(line.service.id)
    return figures.p95_ms if figures is not None and figures.p95_ms is not None else -1.0


def _uptime(line: ServiceLine, context: CellContext) -> float:
    figures = context.figures.get(line.service.id)
    if figures is None or not figures.looked:
        return 2.0
    return figures.succeeded / figures.looked
