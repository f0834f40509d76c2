"""The configuration file: what it may say, and what everything means that is wrong in it.

The file is declarative. An entry says everything about what it names, so a key that is left out
means its default. A whole section that is left out leaves that section alone. Whether a monitor is
paused is the exception: that is a decision of the hour, and stays as it is unless the file says.

Reading notes every mistake with its path instead of stopping at the first; whoever read the text
turns paths into lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, available_timezones

from statustui.domain.errors import Problem
from statustui.domain.fields import FieldReader, Path, require_valid, shown
from statustui.domain.maintenance_config import MaintenanceConfig, read_maintenance, zone_of
from statustui.domain.monitor import MonitorSpec, read_monitor
from statustui.domain.status import AutomaticIncidents, Visibility
from statustui.domain.text import nearest, slugify

THEMES = ("auto", "light", "dark")
_ENTRIES_MOST = 20_000
_DAY = 86_400

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class OrganizationConfig:
    """The section `organization`."""

    slug: str
    name: str
    timezone: str = "UTC"
    brand_color: str = "#3B82F6"
    automatic_incidents: AutomaticIncidents = AutomaticIncidents.PUBLIC
    recovery_watch_seconds: int = 120
    logo_url: str | None = None
    public_base_url: str | None = None
    guarded_sentence: str | None = None


@dataclass(frozen=True, slots=True)
class PageConfig:
    """An entry of `pages`; services None lists every visible one."""

    slug: str
    name: str
    description: str | None = None
    headline: str | None = None
    support_url: str | None = None
    visibility: Visibility = Visibility.PUBLIC
    custom_domain: str | None = None
    theme: str = "auto"
    services: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """An entry of a service's `monitors`.

    Attributes:
        says_activity: whether the file says that it is paused or active.
    """

    spec: MonitorSpec
    says_activity: bool = False


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """An entry of `services`; its place in the file is its place in lists."""

    name: str
    group: str | None = None
    description: str | None = None
    is_visible: bool = True
    automatic_incidents: AutomaticIncidents | None = None
    depends_on: tuple[str, ...] = ()
    monitors: tuple[MonitorConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole file; a section that is None is not in it."""

    organization: OrganizationConfig
    pages: tuple[PageConfig, ...] | None = None
    services: tuple[ServiceConfig, ...] | None = None
    maintenance: tuple[MaintenanceConfig, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One difference between a file and the database.

    Attributes:
        action: `create`, `update` or `remove`.
        kind: `organization`, `page`, `service`, `monitor` or `maintenance`.
        name: what it is called ("API", "API/health").
        details: what changes, one line for each key; secrets are masked.
    """

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()


_TOP_KEYS = ("organization", "pages", "services", "maintenance")
_WITH_NOTIFICATIONS = "comes with notifications in a later version; take it out of the file for now"
_TOP_LATER = {
    "webhooks": _WITH_NOTIFICATIONS,
    "channels": _WITH_NOTIFICATIONS,
    "subscribers": _WITH_NOTIFICATIONS,
    "members": "is not read from the file: an owner adds people one by one",
}
_ORGANIZATION_KEYS = (
    "slug",
    "name",
    "timezone",
    "brand_color",
    "automatic_incidents",
    "guarded_sentence",
    "recovery_watch",
    "logo_url",
    "public_base_url",
)
_PAGE_KEYS = (
    "slug",
    "name",
    "description",
    "headline",
    "support_url",
    "visibility",
    "custom_domain",
    "theme",
    "services",
)
_SERVICE_KEYS = (
    "name",
    "group",
    "description",
    "visible",
    "automatic_incidents",
    "depends_on",
    "monitors",
)
_MODES = tuple(str(mode) for mode in AutomaticIncidents)


def read_configuration(document: object) -> Configuration:
    """Reads a whole file that was parsed into plain values.

    Args:
        document: mappings, lists, texts, numbers, booleans, None.

    Raises:
        ValidationFailed: with every mistake that was found, each with its path.
    """
    problems: list[Problem] = []
    top = FieldReader(document, problems, known=_TOP_KEYS, later=_TOP_LATER)
    if isinstance(document, Mapping) and not top.has("organization"):
        top.missing("organization")
        organization = OrganizationConfig("unnamed", "unnamed")
    else:
        organization = _read_organization(top.raw("organization"), problems)
    zone = zone_of(organization.timezone) or ZoneInfo("UTC")
    pages = _read_pages(top, organization)
    services = _read_services(top)
    maintenance = _read_maintenance(top, zone)
    if services is not None:
        _check_circles(services, problems)
    require_valid(problems, "the file")
    return Configuration(organization, pages, services, maintenance)


def _read_organization(value: object, problems: list[Problem]) -> OrganizationConfig:
    if not isinstance(value, Mapping):
        value = {} if value is None else value
    reader = FieldReader(value, problems, path=("organization",), known=_ORGANIZATION_KEYS)
    if not isinstance(value, Mapping):
        return OrganizationConfig("unnamed", "unnamed")
    name = reader.text("name", "", longest=255, required=True)
    slug = _slug(reader, slugify(name) if name else "unnamed")
    timezone = reader.text("timezone", "UTC", longest=100)
    if zone_of(timezone) is None:
        near = nearest(timezone, available_timezones())
        hint = f'; did you mean "{near}"?' if near else "; use a name such as Europe/Berlin"
        reader.wrong("timezone", f"{shown(timezone)} is no time zone{hint}")
    color = reader.text("brand_color", "#3B82F6", longest=100)
    if not _COLOR.fullmatch(color):
        reader.wrong("brand_color", f'{shown(color)} is not a colour like "#3B82F6"')
    return OrganizationConfig(
        slug=slug,
        name=name,
        timezone=timezone,
        brand_color=color.upper(),
        automatic_incidents=_mode(reader) or AutomaticIncidents.PUBLIC,
        guarded_sentence=reader.text("guarded_sentence", None, longest=5_000, multiline=True),
        recovery_watch_seconds=reader.duration_seconds("recovery_watch", 120, least=0, most=_DAY),
        logo_url=_address(reader, "logo_url", ("https://",)),
        public_base_url=_address(reader, "public_base_url", ("https://", "http://")),
    )


def _mode(reader: FieldReader) -> AutomaticIncidents | None:
    word = reader.choice("automatic_incidents", None, of=_MODES)
    return AutomaticIncidents(word) if word else None


def _slug(reader: FieldReader, default: str) -> str:
    slug = reader.text("slug", default, longest=100, shortest=3)
    if not _SLUG.fullmatch(slug):
        reader.wrong(
            "slug",
            f"{shown(slug)} can hold lower-case letters, digits and single hyphens only; "
            f'"{slugify(slug)}" would do',
        )
    return slug


def _address(reader: FieldReader, key: str, schemes: tuple[str, ...]) -> str | None:
    address = reader.text(key, None, longest=2_000)
    if address is not None and not address.startswith(schemes):
        reader.wrong(key, f"{shown(address)} does not begin with {' or '.join(schemes)}")
    return address


def _entries(top: FieldReader, key: str) -> Sequence[object] | None:
    value = top.raw(key)
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        top.wrong(key, f"expected a list, found {shown(value)}")
        return ()
    if len(value) > _ENTRIES_MOST:
        top.wrong(key, f"has {len(value):,} entries; at most {_ENTRIES_MOST:,} are allowed")
        return ()
    return value


def _no_doubles(names: Sequence[tuple[str, Path]], what: str, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for name, path in names:
        if name and name in seen:
            problems.append(Problem(f"{what} {shown(name)} stands twice", path))
        seen.add(name)


def _read_pages(
    top: FieldReader, organization: OrganizationConfig
) -> tuple[PageConfig, ...] | None:
    entries = _entries(top, "pages")
    if entries is None:
        return None
    if not entries:
        top.wrong("pages", "an organization has at least one page")
    pages = []
    for index, entry in enumerate(entries):
        path = ("pages", index)
        reader = FieldReader(entry, top.problems, path=path, known=_PAGE_KEYS)
        name = reader.text("name", "", longest=255, required=isinstance(entry, Mapping))
        default = organization.slug if index == 0 else slugify(name or "page", "page")
        domain = reader.text("custom_domain", None, longest=253)
        if domain is not None and not _DOMAIN.fullmatch(domain):
            reader.wrong("custom_domain", f"{shown(domain)} is not a host name in lower case")
        services = (
            reader.texts("services", longest=255, most=_ENTRIES_MOST)
            if reader.has("services")
            else None
        )
        if services is not None:
            places = [(each, (*path, "services", place)) for place, each in enumerate(services)]
            _no_doubles(places, "service", top.problems)
        pages.append(
            PageConfig(
                slug=_slug(reader, default),
                name=name,
                description=reader.text("description", None, longest=5_000, multiline=True),
                headline=reader.text("headline", None, longest=255),
                support_url=_address(reader, "support_url", ("https://", "http://", "mailto:")),
                visibility=Visibility(
                    reader.choice("visibility", "public", of=tuple(map(str, Visibility)))
                ),
                custom_domain=domain,
                theme=reader.choice("theme", "auto", of=THEMES),
                services=services,
            )
        )
    slugs: list[tuple[str, Path]] = [
        (page.slug, ("pages", index, "slug")) for index, page in enumerate(pages)
    ]
    _no_doubles(slugs, "page", top.problems)
    return tuple(pages)


def _read_services(top: FieldReader) -> tuple[ServiceConfig, ...] | None:
    entries = _entries(top, "services")
    if entries is None:
        return None
    services = []
    for index, entry in enumerate(entries):
        path = ("services", index)
        reader = FieldReader(entry, top.problems, path=path, known=_SERVICE_KEYS)
        services.append(
            ServiceConfig(
                name=reader.text("name", "", longest=255, required=isinstance(entry, Mapping)),
                group=reader.text("group", None, longest=255),
                description=reader.text("description", None, longest=5_000, multiline=True),
                is_visible=reader.flag("visible", True),
                automatic_incidents=_mode(reader),
                depends_on=tuple(
                    dict.fromkeys(reader.texts("depends_on", longest=255, most=1_000))
                ),
                monitors=_read_monitors(reader),
            )
        )
    names: list[tuple[str, Path]] = [
        (service.name, ("services", index, "name")) for index, service in enumerate(services)
    ]
    _no_doubles(names, "service", top.problems)
    return tuple(services)


def _read_monitors(service: FieldReader) -> tuple[MonitorConfig, ...]:
    monitors = []
    for index, entry in enumerate(_entries(service, "monitors") or ()):
        path = (*service.path, "monitors", index)
        monitors.append(read_monitor_config(entry, service.problems, path))
    names: list[tuple[str, Path]] = [
        (monitor.spec.name, (*service.path, "monitors", index, "name"))
        for index, monitor in enumerate(monitors)
    ]
    _no_doubles(names, "monitor", service.problems)
    return tuple(monitors)


def read_monitor_config(entry: object, problems: list[Problem], path: Path) -> MonitorConfig:
    """Reads one monitor.

    Args:
        entry: as written.
        problems: where mistakes are noted; the value means something only without any.
        path: where it stands.
    """
    spec = read_monitor(entry, problems, path)
    says_activity = isinstance(entry, Mapping) and ("active" in entry or "paused_until" in entry)
    return MonitorConfig(spec, says_activity)


def _read_maintenance(top: FieldReader, zone: ZoneInfo) -> tuple[MaintenanceConfig, ...] | None:
    entries = _entries(top, "maintenance")
    if entries is None:
        return None
    windows = []
    for index, entry in enumerate(entries):
        path = ("maintenance", index)
        windows.append(read_maintenance(entry, top.problems, path, zone))
    names: list[tuple[str, Path]] = [
        (f"{window.title} at {window.starts_at:%F %H:%M}Z", ("maintenance", index))
        for index, window in enumerate(windows)
    ]
    _no_doubles(names, "maintenance", top.problems)
    return tuple(windows)


def _check_circles(services: Sequence[ServiceConfig], problems: list[Problem]) -> None:
    """Notes every circle of dependencies once, where its first service stands in the file."""
    needs = {service.name: service.depends_on for service in services}
    place = {service.name: index for index, service in enumerate(services)}
    done: set[str] = set()
    for start in needs:
        if start in done:
            continue
        # Depth first without recursion: a chain may be as long as the file.
        trail: list[str] = [start]
        open_ends = [iter(needs[start])]
        while trail:
            following = next(open_ends[-1], None)
            if following is None:
                done.add(trail.pop())
                open_ends.pop()
            elif following in trail:
                circle = [*trail[trail.index(following) :], following]
                where = min(circle, key=lambda name: place[name])
                problems.append(
                    Problem(
                        f"services depend on each other in a circle: {' > '.join(circle)}",
                        ("services", place[where], "depends_on"),
                    )
                )
            elif following not in done and following in needs:
                trail.append(following)
                open_ends.append(iter(needs[following]))
