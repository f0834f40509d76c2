"""The pane under the list: what is known of the selected row, most telling fact first.

On low screens it is a title and six facts. From 30 rows it says more and takes what is left; from
120 columns the timeline stands at its right, from 200 the page as the public sees it now. Only
facts that exist are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from statustui import palette
from statustui.domain.publicmodels import PublicPage
from statustui.domain.readmodels import (
    IncidentDetail,
    IncidentSummary,
    LastLook,
    PageInfo,
    ServiceFigures,
    ServiceNow,
    ServiceRow,
)
from statustui.domain.status import CheckStatus, MaintenanceStatus, MonitorState, ServiceStatus
from statustui.presenters import clock, timeline
from statustui.presenters.board import BoardLine, BoardView, GroupLine, ServiceLine
from statustui.presenters.board_cells import NARROW, CellContext, near, p95_words
from statustui.presenters.evidence import changed_line
from statustui.presenters.incident import is_acknowledged, told_words
from statustui.presenters.line import Line, Part, count_of, cut_line, join_names, plain, width_of
from statustui.presenters.percent import percent
from statustui.presenters.regions import blind, differing
from statustui.presenters.why import why

TALL = 30
TALLEST = 44
FACTS_BELOW = 6
"""Facts on a low screen."""
LOW_HEIGHT = FACTS_BELOW + 1
_MOST_ONSETS = 6

Fact = tuple[str, Line]


@dataclass(frozen=True, slots=True)
class PaneSource:
    """What the pane is made from.

    Attributes:
        line: the selected row, None without any.
        incident: the incident whole, None while it is not loaded or there is none.
        now: the service's last looks, None while they are not loaded.
        page: the first page that concerns the row as the public sees it, None while unknown.
        headline: its own first words, empty while unknown.
    """

    view: BoardView
    line: BoardLine | None
    incident: IncidentDetail | None = None
    now: ServiceNow | None = None
    page: PublicPage | None = None
    headline: str = ""


def page_of(source: PaneSource) -> PublicPage | None:
    """The first page that shows the selected row, or the first of all, as the public sees it.

    Made from the whole board, so whoever asks should keep it for a while. None without pages.
    """
    # What renders pages takes long to import, and no first frame needs it.
    from statustui.presenters.preview_page import page_now

    pages = source.view.board.pages
    line = source.line
    if isinstance(line, ServiceLine):
        pages = (*_pages(source.view, line.service), *pages)
    return page_now(source.view.board, pages[0], source.incident) if pages else None


@dataclass(frozen=True, slots=True)
class Pane:
    """The pane's content: title at the left, tag at the right, and the lines below."""

    title: Line
    tag: Line
    lines: tuple[Line, ...]


def narrow_line(source: PaneSource, context: CellContext) -> Line:
    """The one line that a screen of 40 columns has room for: why."""
    line = source.line
    if not isinstance(line, ServiceLine):
        return ()
    words = why(line.service, line.cause_name, context.at, context.zone).long
    looked = line.service.last_looked_at
    if not words and looked is not None:
        words = f"looked {clock.span(context.at - looked)} ago"
    return ((" ", "text"), (words or line.look.word, "muted"))


def pane(
    source: PaneSource, context: CellContext, width: int, height: int, rows: int, value_at: int
) -> Pane:
    """The pane for a row.

    Args:
        source: the row and what is known of it; context: time, zone and figures.
        width: of the screen; height: lines of the pane without its title.
        rows: of the whole screen: from 30 there is more to say.
        value_at: the column in which values start.
    """
    title, tag = _title(source, context)
    tall = rows >= TALL
    facts = _facts(source, context, tall=tall)
    right_at = width
    if tall and width >= 120:
        right_at = 88 if width >= 160 else 70
    left = _left(facts, right_at - 2 if right_at < width else width, value_at, is_tall=tall)
    if not tall:
        return Pane(title, tag, tuple(left[:height]))
    body_height = max(0, height - 1)
    third_at = 146 if width >= 200 else width
    columns: list[tuple[int, list[Line]]] = [(0, left)]
    if right_at < width:
        columns.append((right_at, _right(source, context, third_at - right_at)))
    if third_at < width:
        columns.append((third_at, _page_now(source, context, width - third_at - 1)))
    lines = _beside(columns, width, body_height)
    if rows >= TALLEST and width >= 120:
        lines = _with_foot(lines, source, context, width, body_height, right_at, value_at)
    return Pane(title, tag, ((), *lines))


# Title


def _title(source: PaneSource, context: CellContext) -> tuple[Line, Line]:
    line = source.line
    if line is None:
        return (("nothing selected", "muted"),), ()
    if isinstance(line, GroupLine):
        number = count_of(len(line.services), "service")
        return ((line.name or "up", "strong b"), (f"  {number}", "muted")), ()
    incident = line.incident
    service = line.service
    if incident is None:
        age = clock.span(context.at - service.status_since)
        words: list[Part] = [(service.name, "strong b")]
        if line.look is palette.UP:
            words.append((f"  up {age}", "muted"))
        else:
            words += [
                (f"  {line.look.glyph} {line.look.word}", line.look.token),
                (f"  {age}", "muted"),
            ]
        return tuple(words), _pages_tag(source.view, service)
    down = source.view.takes_down.get(incident.cause_service_id or service.id, ())
    cause = next(
        (
            each.service.name
            for each in source.view.broken
            if each.service.id == (incident.cause_service_id or service.id)
        ),
        service.name,
    )
    if down:
        words = [
            (incident.code, "strong b"),
            (f"  {cause}", "strong b"),
            (" takes down ", "muted"),
            (", ".join(down), "strong b"),
        ]
        return tuple(words), _kind_tag(incident)
    name = incident.internal_or_title if not incident.is_public else incident.title
    return ((incident.code, "strong b"), (f"  {name}", "strong b")), _kind_tag(incident)


def _kind_tag(incident: IncidentSummary) -> Line:
    return (("public", "strong b"),) if incident.is_public else (("internal", "internal b"),)


def _pages_tag(view: BoardView, service: ServiceRow) -> Line:
    if not service.is_visible:
        return (("hidden", "internal b"),)
    names = [page.name for page in _pages(view, service)]
    return ((f"on {', '.join(names)}", "muted"),) if names else ()


def _pages(view: BoardView, service: ServiceRow) -> list[PageInfo]:
    return [
        page
        for page in view.board.pages
        if service.is_visible and (page.service_ids is None or service.id in page.service_ids)
    ]


# Facts


def _facts(source: PaneSource, context: CellContext, *, tall: bool) -> list[Fact]:
    line = source.line
    if line is None:
        return []
    if isinstance(line, GroupLine):
        names = ", ".join(service.name for service in line.services)
        return [("services", ((names, "text"),)), ("", (("enter lists them", "muted"),))]
    if line.look is palette.UP:
        return _healthy_facts(source, line, context)
    found = _evidence(line, source.now, context, tall=tall)
    if line.incident is not None:
        found += _incident_facts(source, line, line.incident, context, tall=tall)
    else:
        found.append(("public", _public_words(source, line, context)))
    runbook = _runbook(source.now)
    if runbook:
        found.append(("runbook", ((runbook, "text"), ("  (b)", "muted"))))
    return found


def _evidence(
    line: ServiceLine, now: ServiceNow | None, context: CellContext, *, tall: bool
) -> list[Fact]:
    service = line.service
    if service.pinned_status is not None:
        return [("evidence", (("its status was set by hand", "text"),))]
    reason = service.reason or why(service, line.cause_name, context.at, context.zone).long
    words = reason or f"{line.look.word}, no reason is known"
    regions = ""
    if where := differing(service.regions):
        regions = f", {where}"
    elif service.regions_looked > 1:
        regions = f", {service.regions_down} of {service.regions_looked} regions"
    if service.monitor_state is not MonitorState.UNKNOWN and (missing := blind(service.regions)):
        regions += f"; {missing}"
    looked = service.last_looked_at
    age = f"{clock.span(context.at - looked)} ago" if looked is not None else "never"
    if not tall:
        found: list[Fact] = [("evidence", ((f"{words}{regions}, looked {age}", "text"),))]
        changed = _changed(service, now, context)
        if changed:
            found.append(("changed", changed))
        if service.reason_monitor:
            found.append(("monitor", ((service.reason_monitor, "text"), *_by(line))))
        return found
    worst = _worst_look(service, now)
    found = [("evidence", ((words + regions, "text"),))]
    good = worst.last_good_at if worst is not None else None
    where = f" from {worst.region}" if worst is not None and worst.region else ""
    last_good = f"; last good {clock.moment(good, context.at, context.zone)}" if good else ""
    found.append(("looked", ((f"{age}{where}{last_good}", "text"),)))
    if service.reason_monitor:
        found.append(("monitor", ((service.reason_monitor, "text"), *_by(line))))
    changed = _changed(service, now, context)
    if changed:
        found.append(("changed", changed))
    if worst is not None and worst.repeat_command:
        found.append(("repeat it", ((worst.repeat_command, "text"), ("   (y copies)", "muted"))))
    found.append(("", ()))
    return found


def _changed(service: ServiceRow, now: ServiceNow | None, context: CellContext) -> Line:
    """What changed before it broke, while it is broken."""
    worst = _worst_look(service, now)
    if worst is None or worst.status in (CheckStatus.SUCCESS, None):
        return ()
    return changed_line(worst.evidence, context.zone)


def _by(line: ServiceLine) -> Line:
    return ((f"  explained by {line.cause_name}", "muted"),) if line.cause_name else ()


def _worst_look(service: ServiceRow, now: ServiceNow | None) -> LastLook | None:
    if now is None or now.service.id != service.id:
        return None
    looks = sorted(
        now.looks,
        key=lambda look: (
            look.monitor.name != service.reason_monitor,
            look.status in (CheckStatus.SUCCESS, None),
        ),
    )
    return looks[0] if looks else None


def _runbook(now: ServiceNow | None) -> str:
    if now is None:
        return ""
    return next((look.monitor.runbook for look in now.looks if look.monitor.runbook), "") or ""


def _incident_facts(
    source: PaneSource,
    line: ServiceLine,
    incident: IncidentSummary,
    context: CellContext,
    *,
    tall: bool,
) -> list[Fact]:
    found: list[Fact] = []
    if incident.snoozed_until is not None and incident.snoozed_until > context.at:
        until = clock.moment(incident.snoozed_until, context.at, context.zone)
        found.append(("snoozed", ((f"until {until}", "text"),)))
    elif is_acknowledged(incident, context.at) and incident.acknowledged_until is not None:
        until = clock.moment(incident.acknowledged_until, context.at, context.zone)
        who = incident.acknowledged_by or "somebody"
        found.append(("acked", ((f"{who} until {until}", "text"),)))
    else:
        since = clock.moment(incident.started_at, context.at, context.zone)
        found.append(("acked", (("nobody yet", "strong b"), (f", began {since}", "text"))))
    public = _public_words(source, line, context)
    due = incident.next_update_by
    if due is not None:
        late = due < context.at
        words = (
            f"{'overdue since' if late else 'due'} {clock.moment(due, context.at, context.zone)}"
        )
        if tall:
            found += [("public", public), ("update", ((words, "strong b" if late else "text"),))]
        else:
            key = "strong b" if late else "text"
            # What is owed stands first: it must not be cut.
            found.append(("public", (("update ", "text"), (words, key), (";  ", "text"), *public)))
    else:
        found.append(("public", public))
    if tall:
        pages = join_names([page.name for page in _pages(source.view, line.service)])
        if pages:
            found.append(("pages", ((pages, "text"),)))
        found.append(("", ()))
    return found


def _public_words(source: PaneSource, line: ServiceLine, context: CellContext) -> Line:
    incident = line.incident
    if incident is not None:
        # Only what is broken can be coloured, and that is little where services are many.
        ids = {each.id for each in incident.services}
        is_visible = any(each.is_visible for each in incident.services)
        concerned = [each.service for each in source.view.broken if each.service.id in ids]
    else:
        is_visible = line.service.is_visible
        concerned = [line.service]
    visible = [each for each in concerned if each.is_visible]
    if not is_visible:
        return (("nothing: it is on no page", "text"),)
    if incident is not None and incident.is_public and incident.told_at is not None:
        words = told_words(incident.told_at, incident.told_by, context.at, context.zone)
        return ((words, "text"), (f', "{incident.title}"', "muted"))
    if all(each.public_status is ServiceStatus.OPERATIONAL for each in visible):
        return (("sees green", "text"), (", no words", "strong b"))
    if source.headline:
        return ((f'page says "{source.headline}", ', "text"), ("no words", "strong b"))
    return (("sees colour, ", "text"), ("no words", "strong b"))


def headline_of(page: PublicPage, at: datetime) -> str:
    """The page's own words, without the count behind the colon."""
    from statustui.presenters.page.banner import banner

    whole = banner(page, at).headline
    kind, colon, _ = whole.partition(":")
    return kind if colon and kind in {look.sentence for look in palette.LOOKS} else whole


def _healthy_facts(source: PaneSource, line: ServiceLine, context: CellContext) -> list[Fact]:
    service = line.service
    found: list[Fact] = []
    if service.failures:
        words = why(service, "", context.at, context.zone).long
        found.append(("failing", ((words, "strong b"), (", no verdict yet", "muted"))))
    now = source.now
    if now is not None and now.service.id == service.id and now.looks:
        for number, look in enumerate(now.looks[:3]):
            found.append(("looked" if number == 0 else "", _look_words(look, context)))
    elif service.last_looked_at is not None:
        age = clock.span(context.at - service.last_looked_at)
        found.append(("looked", ((f"{age} ago, {count_of(service.monitors, 'monitor')}", "text"),)))
    else:
        found.append(("looked", (("nobody has looked yet", "text"),)))
    figures = context.figures.get(service.id)
    if figures is not None:
        found.append(("30 days", _figures(figures)))
    if service.description:
        found.append(("about", ((service.description, "text"),)))
    if now is not None and now.depends_on:
        found.append(("needs", ((join_names([each.name for each in now.depends_on]), "text"),)))
    runbook = _runbook(now)
    if runbook:
        found.append(("runbook", ((runbook, "text"), ("  (b)", "muted"))))
    return found


def _look_words(look: LastLook, context: CellContext) -> Line:
    words = [look.monitor.name]
    if look.duration_ms is not None:
        words.append(f"{look.duration_ms:,.0f} ms")
    if look.at is not None:
        words.append(f"{clock.span(context.at - look.at)} ago")
    if look.region and look.region != "local":
        words.append(f"from {look.region}")
    if look.status_code is not None:
        words.append(f"HTTP {look.status_code}")
    if look.certificate is not None:
        words.append(f"certificate {(look.certificate.not_after - context.at).days} d")
    return ((", ".join(words), "text"),)


def _figures(figures: ServiceFigures) -> Line:
    share = percent(figures.succeeded, figures.looked)
    if share is None:
        return (("no data", "text"),)
    return ((f"{share} of {figures.looked:,} looks, p95 {p95_words(figures)} today", "text"),)


# Beside the facts


def _left(facts: Sequence[Fact], width: int, value_at: int, *, is_tall: bool) -> list[Line]:
    lines: list[Line] = []
    for label, words in facts:
        if not label and not words:
            lines.append(())
            continue
        head = f" {label}".ljust(value_at)
        key = "strong b" if label == "evidence" and is_tall else "muted"
        lines.append(((head, key), *cut_line(words, max(1, width - value_at - 1))))
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _right(source: PaneSource, context: CellContext, width: int) -> list[Line]:
    lines: list[Line] = []
    if source.incident is not None:
        rows = timeline.rows(source.incident.timeline)
        lines += timeline.short_lines(rows, context.zone, width, 9, 12)
    onset = _onset(source, context)
    if onset and lines:
        lines.append(())
    return [*lines, *onset]


def _onset(source: PaneSource, context: CellContext) -> list[Line]:
    """Who broke when, the first one first."""
    line = source.line
    if not isinstance(line, ServiceLine) or line.incident is None:
        return []
    ids = {each.id for each in line.incident.services}
    if line.incident.cause_service_id is not None:
        ids.add(line.incident.cause_service_id)
    broken = [each for each in source.view.broken if each.service.id in ids and each.is_broken]
    if len(broken) < 2:
        return []
    broken.sort(key=lambda each: (each.service.status_since, each.depth))
    first = broken[0].service.status_since
    lines: list[Line] = []
    for each in broken[:_MOST_ONSETS]:
        lag = each.service.status_since - first
        words = "first" if not lines else f"+{_lag(lag)}"
        lines.append(
            (
                (f" {clock.clock_seconds(each.service.status_since, context.zone)} ", "muted"),
                (f"{each.look.glyph} ", f"{each.look.token} b"),
                (f"{'  ' * each.depth}{each.service.name}".ljust(16), "text"),
                (f" {words}", "muted"),
            )
        )
    if len(broken) > _MOST_ONSETS:
        lines.append(((f"            and {len(broken) - _MOST_ONSETS} more", "muted"),))
    return lines


def _lag(span: timedelta) -> str:
    """Seconds tell an order of onset up to some minutes: "75 s"."""
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 300 else clock.span(span)


def _page_now(source: PaneSource, context: CellContext, width: int) -> list[Line]:
    shown = source.page
    if shown is None:
        return []
    from statustui.presenters.preview import page_lines

    line = source.line
    code = line.incident.code if isinstance(line, ServiceLine) and line.incident else ""
    lines = [each.line for each in page_lines(shown, code, context.at, width)]
    only = len(source.view.board.pages) == 1
    head = "THE PAGE NOW" if only else f"THE PAGE NOW: {shown.name}"
    return [((head, "muted"),), (), *lines]


def _beside(columns: Sequence[tuple[int, Sequence[Line]]], width: int, height: int) -> list[Line]:
    """Puts blocks of lines beside each other, each at its column."""
    tallest = max((len(lines) for _, lines in columns), default=0)
    joined: list[Line] = []
    for number in range(min(tallest, height)):
        parts: list[Part] = []
        for at, lines in columns:
            if number >= len(lines) or not lines[number]:
                continue
            gap = at - width_of(parts)
            if gap < 0:
                parts = list(cut_line(parts, at - 1))
                gap = at - width_of(parts)
            parts.append((" " * gap, "text"))
            parts.extend(lines[number])
        joined.append(cut_line(parts, width))
    return joined


def _with_foot(
    lines: list[Line],
    source: PaneSource,
    context: CellContext,
    width: int,
    height: int,
    right_at: int,
    value_at: int,
) -> list[Line]:
    """Adds what is ahead and what else is open, where there is room for it."""
    ahead = _ahead(source.view, context, value_at)
    other = _also_open(source, context, width - right_at)
    need = max(len(ahead), len(other))
    if need <= 2 or len(lines) + 2 + need > height:
        return lines
    return [*lines, (), (), *_beside([(0, ahead), (right_at, other)], width, need)]


def _ahead(view: BoardView, context: CellContext, value_at: int) -> list[Line]:
    found: list[tuple[datetime, Line]] = []
    for incident in view.board.incidents:
        if not incident.status.is_open:
            continue
        due = incident.next_update_by
        if due is not None and due > context.at and incident.is_public:
            found.append((due, ((f"{incident.code}: public update due", "strong b"),)))
        snoozed = incident.snoozed_until
        if snoozed is not None and snoozed > context.at:
            found.append((snoozed, ((f"{incident.code}: snooze ends", "text"),)))
        acked = incident.acknowledged_until
        if acked is not None and acked > context.at:
            found.append((acked, ((f"{incident.code}: acknowledgement ends", "text"),)))
    for window in view.board.maintenance:
        if window.status is MaintenanceStatus.SCHEDULED and window.starts_at > context.at:
            about = ", ".join(window.services) or window.title
            length = clock.span(window.ends_at - window.starts_at)
            found.append((window.starts_at, ((f"maintenance {about}, {length}", "maint"),)))
    if not found:
        return []
    found.sort(key=lambda each: each[0])
    return [
        ((" AHEAD", "muted"),),
        (),
        *(
            (
                (
                    f" {near(at, context.at, context.zone)}".ljust(value_at),
                    "muted",
                ),
                *words,
            )
            for at, words in found[:5]
        ),
    ]


def _also_open(source: PaneSource, context: CellContext, width: int) -> list[Line]:
    line = source.line
    own = line.incident.code if isinstance(line, ServiceLine) and line.incident else ""
    lines: list[Line] = []
    for incident in source.view.board.incidents:
        if not incident.status.is_open or incident.code == own:
            continue
        who = incident.lead or incident.acknowledged_by
        if incident.snoozed_until is not None and incident.snoozed_until > context.at:
            until = clock.moment(incident.snoozed_until, context.at, context.zone)
            state: Part = (f"  snoozed until {until}", "muted")
        elif is_acknowledged(incident, context.at):
            state = (f"  {who}", "muted")
        else:
            state = ("  unacked", "strong b")
        words: Line = ((f" {incident.code}  ", "muted"), (incident.internal_or_title, "text"))
        lines.append((*cut_line(words, max(10, width - len(state[0]) - 2)), state))
    return [((" ALSO OPEN", "muted"),), (), *lines[:5]] if lines else []


def pane_top(list_rows: int, width: int, rows: int) -> int:
    """The screen's line on which the pane starts.

    On low screens it stands at the bottom. From 30 rows it starts under the list, in steps of four
    rows so that it seldom moves.

    Args:
        list_rows: rows of the list; width, rows: of the screen.
    """
    if width < NARROW:
        return rows - 2
    bottom = rows - 2 - LOW_HEIGHT
    if rows < TALL:
        return bottom
    return min(4 + -(-(list_rows + 2) // 4) * 4, bottom)


def copy_text(source: PaneSource) -> tuple[str, str]:
    """What `y` copies for a row: what it is, and the text."""
    line = source.line
    if not isinstance(line, ServiceLine):
        return "", ""
    worst = _worst_look(line.service, source.now)
    if worst is not None and worst.repeat_command and line.is_broken:
        return "the command that repeats the look", worst.repeat_command
    if line.service.reason:
        return "the error", line.service.reason
    return "the name", line.service.name


def as_text(lines: Sequence[Line]) -> str:
    """Lines as plain text, without what stands at their ends."""
    return "\n".join(plain(line).rstrip() for line in lines)
