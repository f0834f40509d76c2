"""The whole page as one value: everything a template, or a terminal's plain text, has to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from statustui.domain.publicmodels import (
    PublicIncident,
    PublicMaintenance,
    PublicPage,
    PublicService,
)
from statustui.domain.status import ServiceStatus
from statustui.presenters.chart import LatencyChart, latency_chart
from statustui.presenters.markdown import is_allowed_link, to_html
from statustui.presenters.page.banner import (
    Banner,
    Moment,
    banner,
    running_maintenance,
    upcoming_maintenance,
)
from statustui.presenters.page.days import DayStrip, day_strip, status_word
from statustui.presenters.page.history import HistoryEntry, recent_days
from statustui.presenters.page.incidents import IncidentView, incident_view
from statustui.presenters.page.times import clock, full, moment, span, until, weekday_moment
from statustui.presenters.percent import percent

# More services than this, and a strip draws its clean days in runs instead of one by one.
MANY_SERVICES = 100


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service with its days and its response times.

    Attributes:
        why: since when it is affected, empty when it is not.
    """

    id: str
    name: str
    description: str
    status: ServiceStatus
    word: str
    since: Moment | None
    why: str
    strip: DayStrip
    chart: LatencyChart | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """Healthy services that belong together.

    Attributes:
        name: empty when the page has no groups.
        note: "7 operational", "3 operational, 4 shown above".
        figures: "lowest 99.95%, coverage 99.6%", empty without data.
    """

    name: str
    services: tuple[ServiceView, ...]
    note: str
    figures: str


@dataclass(frozen=True, slots=True)
class MaintenanceUpdateView:
    """What was said about a window. `html` is safe as it is."""

    word: str
    posted: Moment
    html: str


@dataclass(frozen=True, slots=True)
class MaintenanceView:
    """One maintenance window.

    Attributes:
        when: "Sun 22 Nov, 02:00 – 04:00 UTC".
        length: "2 h".
        repeats: "repeats weekly", empty when it does not.
        html: the description, safe as it is.
        progress: parts in a thousand of the window that have passed.
    """

    id: str
    title: str
    starts: Moment
    ends: Moment
    when: str
    length: str
    repeats: str
    html: str
    services: str
    updates: tuple[MaintenanceUpdateView, ...]
    progress: int
    remaining: str


@dataclass(frozen=True, slots=True)
class PageView:
    """A page at a moment.

    Attributes:
        mark: the letter that stands in the organization's sign.
        name_parts: the name with its last word apart, "Acme" and "Status".
        folded: whether the healthy groups are closed to one line each.
        many: whether there are so many services that strips are drawn in runs.
        stale: "14:31 UTC" when the page cannot be brought up to date, else empty.
        description: one sentence for previews and search.
    """

    slug: str
    name: str
    name_parts: tuple[str, str]
    mark: str
    page_description: str
    page_headline: str
    support_link: str
    theme: str
    title: str
    description: str
    banner: Banner
    incidents: tuple[IncidentView, ...]
    affected: tuple[ServiceView, ...]
    groups: tuple[GroupView, ...]
    healthy_count: int
    folded: bool
    many: bool
    running: tuple[MaintenanceView, ...]
    upcoming: tuple[MaintenanceView, ...]
    history: tuple[HistoryEntry, ...]
    as_of: str
    as_of_at: datetime
    stale: str


def page_view(page: PublicPage, now: datetime, *, stale: bool = False) -> PageView:
    """A page at a moment.

    Args:
        page: as it was last read.
        now: the present moment.
        stale: whether it can no longer be brought up to date.
    """
    by_code = {incident.code: incident for incident in page.incidents}
    many = len(page.services) > MANY_SERVICES
    ordered = sorted(page.services, key=lambda service: (service.display_order, service.name))
    views = {service.id: _service(service, by_code, now) for service in ordered}
    affected = sorted(
        (service for service in ordered if service.status is not ServiceStatus.OPERATIONAL),
        key=lambda service: -service.status.severity,
    )
    running = running_maintenance(page)
    top = banner(page, now)
    name_parts = _name_parts(page.name)
    open_incidents = sorted(
        (incident for incident in page.incidents if incident.status.is_open),
        key=lambda incident: (-incident.impact.severity, -incident.started_at.timestamp()),
    )
    return PageView(
        slug=page.slug,
        name=page.name,
        name_parts=name_parts,
        mark=(page.organization_name.strip() or page.name.strip() or "?")[0].upper(),
        page_description=page.description,
        page_headline=page.headline or "",
        support_link=(
            page.support_link if page.support_link and is_allowed_link(page.support_link) else ""
        ),
        theme=page.theme,
        title=f"{_short(top, page)} – {page.name}",
        description=_description(top, now),
        banner=top,
        incidents=tuple(
            incident_view(
                incident,
                now,
                lists_services=len(open_incidents) > 1
                or not {each.id for each in incident.services} <= {each.id for each in affected},
            )
            for incident in open_incidents
        ),
        affected=tuple(views[service.id] for service in affected),
        groups=_groups(ordered, views),
        healthy_count=len(ordered) - len(affected),
        folded=bool(affected),
        many=many,
        running=tuple(_maintenance(window, now) for window in running),
        upcoming=tuple(_maintenance(window, now) for window in upcoming_maintenance(page, now)),
        history=recent_days(page, now),
        as_of=full(page.read_at if stale else now),
        as_of_at=page.read_at if stale else now,
        stale=moment(page.read_at, now) if stale else "",
    )


def _name_parts(name: str) -> tuple[str, str]:
    """Split off a last word, which is set lighter: "Acme" and "Status"."""
    head, _, tail = name.rpartition(" ")
    return (head, tail) if head else (name, "")


def _short(top: Banner, page: PublicPage) -> str:
    """The headline as a tab shows it: without what the end of the sentence repeats."""
    return top.headline.removesuffix(" unavailable").removesuffix(" partly")


def _description(top: Banner, now: datetime) -> str:
    parts = [top.headline]
    if top.since is not None:
        parts[0] += f" since {top.since.text}"
    parts[0] += "."
    if top.promise is not None and top.promise.label.startswith("Next update by"):
        parts.append(f"Next update by {top.promise.moment.text}.")
    return " ".join(parts)


def _service(
    service: PublicService, incidents: dict[str, PublicIncident], now: datetime
) -> ServiceView:
    affected = service.status is not ServiceStatus.OPERATIONAL
    since = Moment(service.status_since, moment(service.status_since, now)) if affected else None
    return ServiceView(
        id=str(service.id),
        name=service.name,
        description=service.description or "",
        status=service.status,
        word=status_word(service.status),
        since=since,
        why=span(now - service.status_since) if affected else "",
        strip=day_strip(service, incidents, now),
        chart=latency_chart(service.points, now),
    )


def _groups(ordered: list[PublicService], views: dict[UUID, ServiceView]) -> tuple[GroupView, ...]:
    names: list[str | None] = []
    for service in ordered:
        if service.group_name not in names:
            names.append(service.group_name)
    named = any(name is not None for name in names)
    groups = []
    for name in names:
        members = [service for service in ordered if service.group_name == name]
        healthy = tuple(
            views[service.id] for service in members if service.status is ServiceStatus.OPERATIONAL
        )
        if not healthy:
            continue
        note = f"{len(healthy)} operational"
        if len(healthy) < len(members):
            note += f", {len(members) - len(healthy)} shown above"
        title = (name or "Other services") if named else ""
        groups.append(GroupView(title, healthy, note, _lowest(healthy)))
    return tuple(groups)


def _lowest(services: tuple[ServiceView, ...]) -> str:
    """The lowest uptime and the lowest coverage of a group: an average would hide them."""
    figures = [view.strip.figures for view in services]
    uptimes = [each for each in figures if each.looked]
    covered = [each for each in figures if each.slots_scheduled]
    parts = []
    if uptimes:
        low = min(uptimes, key=lambda each: each.succeeded / each.looked)
        parts.append(f"lowest {percent(low.succeeded, low.looked)}")
    if covered:
        low = min(covered, key=lambda each: each.slots_looked / each.slots_scheduled)
        parts.append(f"coverage {low.coverage}")
    return ", ".join(parts)


_FREQUENCIES = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


def _repeats(rule: str | None) -> str:
    """A recurrence rule in the words that fit in a line."""
    if not rule:
        return ""
    parts = dict(
        part.split("=", 1) for part in rule.upper().removeprefix("RRULE:").split(";") if "=" in part
    )
    unit = _FREQUENCIES.get(parts.get("FREQ", ""))
    if unit is None:
        return "repeats"
    interval = parts.get("INTERVAL", "1")
    return f"every {unit}" if interval == "1" else f"every {interval} {unit}s"


def _maintenance(window: PublicMaintenance, now: datetime) -> MaintenanceView:
    length = window.ends_at - window.starts_at
    same_day = window.starts_at.date() == window.ends_at.date()
    end = clock(window.ends_at) if same_day else weekday_moment(window.ends_at, now)
    passed = (now - window.starts_at) / length if length > timedelta() else 1.0
    return MaintenanceView(
        id=str(window.id),
        title=window.title,
        starts=Moment(window.starts_at, moment(window.starts_at, now)),
        ends=Moment(window.ends_at, f"{end} UTC"),
        when=f"{weekday_moment(window.starts_at, now)} – {end} UTC",
        length=span(length),
        repeats=_repeats(window.recurrence_rule),
        html=to_html(window.description) if window.description else "",
        services=", ".join(window.services),
        updates=tuple(
            MaintenanceUpdateView(
                word=update.status.value.replace("_", " ").capitalize(),
                posted=Moment(update.created_at, moment(update.created_at, now)),
                html=to_html(update.message),
            )
            for update in window.updates
        ),
        progress=round(min(max(passed, 0.0), 1.0) * 1000),
        remaining=until(window.ends_at, now),
    )
