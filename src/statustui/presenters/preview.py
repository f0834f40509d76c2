"""Shows a public post before anybody can read it: the page now beside the page after.

Both halves are made by the functions that make the page itself, from the same values; the page
after is the page now with the post applied to those values. What is shown here can differ from
the page only in layout, never in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from difflib import SequenceMatcher
from uuid import UUID

from statustui.domain.publicmodels import (
    PublicAffected,
    PublicIncident,
    PublicPage,
    PublicService,
    PublicUpdate,
)
from statustui.domain.readmodels import (
    Board,
    IncidentDetail,
    IncidentSummary,
    IncidentUpdate,
    PageInfo,
    ServiceRow,
)
from statustui.domain.status import (
    IncidentStatus,
    MonitorState,
    ServiceStatus,
    Visibility,
    worst,
)
from statustui.palette import glyph_of, token_of, word_of
from statustui.presenters import clock
from statustui.presenters.composer import Written, asked_status
from statustui.presenters.incident import Fact, failing_words
from statustui.presenters.line import (
    Line,
    Part,
    cell_width,
    count_of,
    cut_line,
    join_names,
    pad,
    plain,
    wrap,
)
from statustui.presenters.page.banner import banner
from statustui.presenters.page.incidents import incident_view

# The code of an incident that has none yet; it never leaves this module's values.
NEW_CODE = "new"
_NEW_ID = UUID(int=0)
AFFECTED_MOST = 8
UPDATES_MOST = 3


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of the page in words.

    Attributes:
        line: as painted.
        key: what makes two lines the same one; equal keys stand level and are never marked,
            whatever their text: the time of the newest update changes with every update.
    """

    line: Line
    key: str


@dataclass(frozen=True, slots=True)
class PairedLine:
    """A line of the page now beside the line of the page after at the same height.

    Attributes:
        before, after: None where the side leaves a gap.
        mark: "+" on what is new, "-" on what is gone, "~" where one stands for the other.
    """

    before: Line | None
    after: Line | None
    mark: str


def page_now(board: Board, page: PageInfo, detail: IncidentDetail | None) -> PublicPage:
    """The page as the database knows it now.

    Args:
        board: the last read of the organization.
        page: which of its pages.
        detail: the incident that is written about, for the words already said; None for a new one.
    """
    services = tuple(
        _public_service(service, board.read_at)
        for service in sorted(board.services, key=lambda row: (row.display_order, row.name))
        if _is_on(page, service)
    )
    shown = {service.id for service in services}
    incidents = tuple(
        _public_incident(incident, detail, shown)
        for incident in board.incidents
        if incident.is_public
        and incident.status.is_open
        and any(service.id in shown for service in incident.services)
    )
    organization = board.organization
    return PublicPage(
        slug=page.slug,
        name=page.name,
        description="",
        headline=None,
        support_link=None,
        visibility=page.visibility,
        custom_domain=None,
        theme="auto",
        organization_name=organization.name,
        organization_slug=organization.slug,
        organization_url=organization.public_base_url,
        logo_url=None,
        brand_color=organization.brand_color,
        timezone=organization.timezone,
        revision="",
        read_at=board.read_at,
        observed_at=max((row.last_looked_at for row in board.services if row.last_looked_at),
                        default=None),
        services=services,
        incidents=incidents,
        maintenance=(),
    )  # fmt: skip


def _is_on(page: PageInfo, service: ServiceRow) -> bool:
    return service.is_visible and (page.service_ids is None or service.id in page.service_ids)


def _public_service(service: ServiceRow, read_at: datetime) -> PublicService:
    return PublicService(
        id=service.id,
        name=service.name,
        description=service.description or None,
        group_name=service.group_name or None,
        display_order=service.display_order,
        status=service.public_status,
        # While the house knows more than the page shows, the page's own moment is not known here.
        status_since=min(service.status_since, read_at),
        created_at=service.status_since,
        days=(),
        points=(),
    )


def _public_incident(
    incident: IncidentSummary, detail: IncidentDetail | None, shown: set[UUID]
) -> PublicIncident:
    updates: tuple[PublicUpdate, ...] = ()
    if detail is not None and detail.summary.id == incident.id:
        updates = tuple(
            _public_update(update) for update in reversed(detail.updates) if update.is_public
        )
    return PublicIncident(
        id=incident.id,
        code=incident.code,
        title=incident.title,
        status=incident.status,
        impact=incident.impact,
        is_auto=incident.is_auto,
        started_at=incident.started_at,
        identified_at=incident.identified_at,
        monitoring_at=incident.monitoring_at,
        resolved_at=incident.resolved_at,
        created_at=incident.created_at,
        updated_at=incident.updated_at,
        next_update_by=incident.next_update_by,
        updates=updates,
        services=tuple(
            PublicAffected(service.id, service.name, service.from_status, service.to_status)
            for service in incident.services
            if service.id in shown
        ),
        postmortem=None,
    )


def _public_update(update: IncidentUpdate) -> PublicUpdate:
    return PublicUpdate(
        id=update.id,
        status=update.status,
        message=update.message,
        still_works=update.still_works,
        created_at=update.created_at,
        edited_at=update.edited_at,
        detected_automatically=update.detected_automatically,
        next_update_by=update.next_update_by,
    )


def page_after(
    now_page: PublicPage,
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    at: datetime,
) -> PublicPage:
    """The page with a post applied.

    Args:
        now_page: as `page_now` made it; board: the same read.
        incident: what the post belongs to, None when it opens an incident.
        written: the post; at: when it is assumed to go public.
    """
    rows = {row.id: row for row in board.services}
    update = PublicUpdate(
        id=_NEW_ID,
        status=written.status,
        message=written.message,
        still_works=None,
        created_at=at,
        edited_at=None,
        detected_automatically=False,
        next_update_by=written.next_update_by,
    )
    before = next(
        (each for each in now_page.incidents if incident is not None and each.id == incident.id),
        None,
    )
    after = _incident_after(now_page, before, incident, written, update, rows, at)
    services = tuple(
        _service_after(service, rows, board, incident, written, after, at)
        for service in now_page.services
    )
    others = tuple(each for each in now_page.incidents if each is not before)
    is_shown = bool(after.services)
    return replace(now_page, services=services, incidents=(after, *others) if is_shown else others)


def _incident_after(
    page: PublicPage,
    before: PublicIncident | None,
    incident: IncidentSummary | None,
    written: Written,
    update: PublicUpdate,
    rows: dict[UUID, ServiceRow],
    at: datetime,
) -> PublicIncident:
    shown = {service.id for service in page.services}
    if before is None and incident is not None:
        before = _public_incident(incident, None, shown)
    if before is None:
        asked = asked_status(written.impact)
        before = PublicIncident(
            id=_NEW_ID,
            code=NEW_CODE,
            title=written.title or "",
            status=written.status,
            impact=written.impact,
            is_auto=False,
            started_at=at,
            identified_at=None,
            monitoring_at=None,
            resolved_at=None,
            created_at=at,
            updated_at=at,
            next_update_by=None,
            updates=(),
            services=tuple(
                PublicAffected(id_, rows[id_].name, rows[id_].public_status,
                               worst([rows[id_].public_status, asked or rows[id_].public_status]))
                for id_ in written.services
                if id_ in shown
            ),
            postmortem=None,
        )  # fmt: skip
    stages = {
        IncidentStatus.IDENTIFIED: "identified_at",
        IncidentStatus.MONITORING: "monitoring_at",
        IncidentStatus.RESOLVED: "resolved_at",
    }
    reached = stages.get(written.status)
    changed = replace(
        before,
        title=written.title or before.title,
        status=written.status,
        updated_at=at,
        next_update_by=written.next_update_by,
        updates=(update, *before.updates),
    )
    match reached:
        case "identified_at":
            return replace(changed, identified_at=before.identified_at or at)
        case "monitoring_at":
            return replace(changed, monitoring_at=before.monitoring_at or at)
        case "resolved_at":
            return replace(changed, resolved_at=at)
        case _:
            return changed


def _service_after(
    service: PublicService,
    rows: dict[UUID, ServiceRow],
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    after: PublicIncident,
    at: datetime,
) -> PublicService:
    row = rows[service.id]
    concerned = next((each for each in after.services if each.id == service.id), None)
    if concerned is None or row.pinned_status is not None:
        return service
    if written.status is IncidentStatus.RESOLVED:
        own = incident.id if incident is not None else None
        asked = [
            each.to_status
            for other in board.incidents
            if other.id != own and other.is_public and other.status.is_open and not other.is_auto
            for each in other.services
            if each.id == service.id
        ]
        status = worst([_said_by_monitors(row), *asked])
    elif incident is None:
        status = worst([service.status, concerned.to_status])
    else:
        # Its words make the incident public: from then on the page shows what the house knows.
        status = worst([service.status, row.status])
    if status is service.status:
        return service
    return replace(service, status=status, status_since=at)


def _said_by_monitors(row: ServiceRow) -> ServiceStatus:
    if row.in_maintenance:
        return ServiceStatus.UNDER_MAINTENANCE
    match row.monitor_state:
        case MonitorState.DOWN:
            down = (ServiceStatus.MAJOR_OUTAGE, ServiceStatus.PARTIAL_OUTAGE)
            # How many of its monitors are down is not known here; its status says it best.
            return row.status if row.status in down else ServiceStatus.PARTIAL_OUTAGE
        case MonitorState.DEGRADED | MonitorState.FLAPPING:
            return ServiceStatus.DEGRADED_PERFORMANCE
        case MonitorState.UNKNOWN | MonitorState.UP | MonitorState.PAUSED | None:
            return ServiceStatus.OPERATIONAL


def page_lines(page: PublicPage, code: str, now: datetime, width: int) -> tuple[PageLine, ...]:
    """The part of a page that a post can change, in words.

    Args:
        page: now or after; code: the incident that is written about.
        now: the present moment; width: columns.
    """
    top = banner(page, now)
    lines: list[PageLine] = []
    status = top.status or ServiceStatus.OPERATIONAL
    token = token_of(status)
    texts = wrap(top.headline, width - 2)
    for number, text in enumerate(texts):
        sign = f"{glyph_of(status)} " if number == 0 else "  "
        _add(lines, ((f"{sign}{text}", f"{token} b"),), f"headline:{top.headline}:{number}")
    for number, text in enumerate(wrap(top.lead, width - 2) if top.lead else ()):
        _add(lines, ((f"  {text}", "text"),), f"lead:{top.lead}:{number}")
    times = [
        *([f"since {top.since.text}"] if top.since is not None else []),
        *([f"updated {top.updated.text}"] if top.updated is not None else []),
    ]
    for number, text in enumerate(wrap(", ".join(times), width - 2) if times else ()):
        _add(lines, ((f"  {text}", "muted"),), f"times:{number}")
    shown = next((each for each in page.incidents if each.code == code), None)
    if shown is not None:
        _add(lines, (), "gap:incident")
        lines.extend(_incident_lines(shown, now, width))
    others = [each for each in page.incidents if each is not shown]
    if others:
        _add(lines, (), "gap:others")
        for each in others:
            _add(
                lines,
                cut_line(((each.title, "text"), (f"  {each.status.value}", "muted")), width),
                f"other:{each.code}",
            )
    _add(lines, (), "gap:services")
    lines.extend(_service_lines(page, width))
    return tuple(lines)


def _add(lines: list[PageLine], line: Line, key: str) -> None:
    lines.append(PageLine(line, key))


def _incident_lines(incident: PublicIncident, now: datetime, width: int) -> list[PageLine]:
    view = incident_view(incident, now)
    lines: list[PageLine] = []
    for text in wrap(view.title, width):
        _add(lines, ((text, "strong b"),), f"title:{text}")
    if not view.updates:
        _add(lines, (("no words yet", "muted"),), "no words")
        return lines
    for number, (update, shown) in enumerate(
        zip(incident.updates[:UPDATES_MOST], view.updates[:UPDATES_MOST], strict=True)
    ):
        source = f"{shown.source[:1].lower()}{shown.source[1:]}"
        said = f"{shown.word}, {shown.posted.text}, {source}"
        for row, text in enumerate(wrap(said, width)):
            _add(lines, ((text, "text"),), f"said:{update.id}:{row}")
        for row, text in enumerate(wrap(update.message, width)):
            _add(lines, ((text, "text"),), f"message:{update.id}:{row}")
        if number == 0 and view.promise:
            for text in wrap(view.promise, width):
                _add(lines, ((text, "text"),), f"promise:{text}")
    earlier = len(view.updates) - UPDATES_MOST
    if earlier > 0:
        _add(lines, ((f"and {count_of(earlier, 'earlier update')}", "muted"),), "earlier")
    return lines


def _service_lines(page: PublicPage, width: int) -> list[PageLine]:
    broken = sorted(
        (each for each in page.services if each.status is not ServiceStatus.OPERATIONAL),
        key=lambda each: (-each.status.severity, each.display_order, each.name),
    )
    lines: list[PageLine] = []
    name_width = max(
        (cell_width(each.name) for each in broken[:AFFECTED_MOST]), default=len("000 others")
    )
    name_width = min(max(name_width, len("000 others")), width - 14)
    for each in broken[:AFFECTED_MOST]:
        token = token_of(each.status)
        name = pad(each.name, name_width)
        text = f"{glyph_of(each.status)} {name}  {word_of(each.status)}"
        _add(lines, ((text, token),), f"service:{each.id}:{each.status.value}")
    if len(broken) > AFFECTED_MOST:
        _add(
            lines,
            ((f"  and {len(broken) - AFFECTED_MOST} more", "muted"),),
            f"more:{len(broken)}",
        )
    well = len(page.services) - len(broken)
    if well:
        name = (count_of(well, "other") if broken else f"all {well}").ljust(name_width)
        up = ServiceStatus.OPERATIONAL
        text = f"{glyph_of(up)} {name}  {word_of(up)}"
        _add(lines, ((text, token_of(up)),), f"well:{well}")
    return lines


def pair(before: Sequence[PageLine], after: Sequence[PageLine]) -> tuple[PairedLine, ...]:
    """Set two pages level: what is new leaves a gap on the other side, and so does what is gone."""
    matcher = SequenceMatcher(
        None, [line.key for line in before], [line.key for line in after], autojunk=False
    )
    rows: list[PairedLine] = []
    for kind, left, left_end, right, right_end in matcher.get_opcodes():
        if kind == "equal":
            rows.extend(
                PairedLine(old.line, new.line, "")
                for old, new in zip(before[left:left_end], after[right:right_end], strict=True)
            )
            continue
        gone, new = before[left:left_end], after[right:right_end]
        for number in range(max(len(gone), len(new))):
            old_line = gone[number].line if number < len(gone) else None
            new_line = new[number].line if number < len(new) else None
            rows.append(PairedLine(old_line, new_line, _mark(old_line, new_line)))
    return tuple(rows)


def _mark(before: Line | None, after: Line | None) -> str:
    if before is not None and after is not None:
        return "" if plain(before) == plain(after) else "~"
    return "-" if after is None else "+"


def concerned_pages(board: Board, service_ids: Sequence[UUID]) -> tuple[PageInfo, ...]:
    """The pages that show at least one of some services."""
    visible = {row.id: row for row in board.services if row.is_visible}
    concerned = [visible[each] for each in service_ids if each in visible]
    return tuple(page for page in board.pages if any(_is_on(page, row) for row in concerned))


def checklist(
    board: Board,
    incident: IncidentSummary | None,
    written: Written,
    *,
    now: datetime,
    zone: tzinfo,
    public_delay_seconds: int,
) -> tuple[Fact, ...]:
    """What to look at before posting, in a fixed order: pages, reaches, still true, promise, take
    back.

    Args:
        board: the last read; incident: None for a new one; written: the post.
        now: the present moment; zone: of clock times.
        public_delay_seconds: how long the page waits.
    """
    ids = written.services if incident is None else tuple(each.id for each in incident.services)
    pages = concerned_pages(board, ids)
    rows = [row for row in board.services if row.id in ids]
    said, failing = failing_words(rows, now)
    found: list[Fact] = [
        ("pages", _pages_line(board, pages)),
        ("reaches", _reaches_line(pages, public_delay_seconds)),
        ("still true", _still_true(said, failing, written)),
    ]
    if written.next_update_by is not None:
        promised = clock.clock_named(written.next_update_by, zone)
        found.append(
            (
                "promise",
                (
                    (f"next update by {promised}", "text"),
                    (f", {clock.until(written.next_update_by, now)}", "muted"),
                ),
            )
        )
    elif written.status is IncidentStatus.RESOLVED:
        found.append(("promise", (("none, the incident ends here", "muted"),)))
    else:
        found.append(("promise", (("no next update is promised", "text b"),)))
    found.append(("take back", _take_back_line(public_delay_seconds)))
    return tuple(found)


def _pages_line(board: Board, pages: Sequence[PageInfo]) -> Line:
    if not pages:
        return (("none shows these services: nobody outside will read this", "text b"),)
    parts: list[Part] = [(join_names([page.name for page in pages]), "text")]
    others = len(board.pages) - len(pages)
    if others:
        does = "does" if others == 1 else "do"
        parts.append(
            (f"   {count_of(others, 'other page')} {does} not show these services", "muted")
        )
    return tuple(parts)


def _reaches_line(pages: Sequence[PageInfo], public_delay_seconds: int) -> Line:
    if not pages:
        return (("nobody", "text"),)
    public = any(page.visibility is Visibility.PUBLIC for page in pages)
    who = "everyone who opens the page" if public else "those who hold a token of the page"
    after = f" after {public_delay_seconds} s" if public_delay_seconds else " at once"
    return ((who, "text"), (after, "muted"), ("   no mail, no webhooks", "muted"))


def _still_true(said: str, failing: bool, written: Written) -> Line:
    if failing:
        sentence: list[Part] = [
            (f"{glyph_of(ServiceStatus.MAJOR_OUTAGE)} {said}", "outage"),
        ]
        if written.status is IncidentStatus.RESOLVED:
            sentence.append(("  and this resolves it", "strong b"))
        return tuple(sentence)
    return ((said, "text"),)


def _take_back_line(public_delay_seconds: int) -> Line:
    if not public_delay_seconds:
        return (("not possible: it is public at once", "text b"),)
    return (
        ("U", "strong b"),
        (f" within {public_delay_seconds} s: the page never shows it.", "muted"),
        (" A dropped line still posts.", "muted"),
    )
