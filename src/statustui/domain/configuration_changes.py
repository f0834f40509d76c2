"""Compares what a configuration file says with what is stored, and plans what makes them equal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from statustui.domain.configuration import (
    Configuration,
    ConfigurationChange,
    MonitorConfig,
    PageConfig,
    ServiceConfig,
)
from statustui.domain.configuration_writing import (
    maintenance_to_mapping,
    masked_monitor,
    organization_to_mapping,
    page_to_mapping,
    service_to_mapping,
)
from statustui.domain.errors import Problem
from statustui.domain.fields import Path, require_valid, shown
from statustui.domain.maintenance import expand
from statustui.domain.maintenance_config import MaintenanceConfig, zone_of
from statustui.domain.monitor import config_to_mapping, monitor_to_mapping
from statustui.domain.text import nearest, shorten

PLACE_STEP = 10
"""Distance of two services in the order of lists, so that one can be put between them by hand."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A maintenance window as it is stored, with all its occurrences.

    Attributes:
        config: its start is that of the first occurrence that was stored.
        is_open: whether an occurrence runs or is ahead.
    """

    id: UUID
    config: MaintenanceConfig
    is_open: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored.

    Attributes:
        configuration: all of it but maintenance.
        places: the display order of each service.
    """

    configuration: Configuration
    places: Mapping[str, int]
    series: tuple[StoredSeries, ...] = ()


@dataclass(slots=True)
class Plan:
    """What is to be written, and the same in words."""

    changes: list[ConfigurationChange] = field(default_factory=list)
    organization: bool = False
    pages_added: list[PageConfig] = field(default_factory=list)
    pages_updated: list[tuple[str, PageConfig]] = field(default_factory=list)
    pages_removed: list[str] = field(default_factory=list)
    services_added: list[tuple[ServiceConfig, int]] = field(default_factory=list)
    services_updated: list[tuple[ServiceConfig, int]] = field(default_factory=list)
    services_removed: list[str] = field(default_factory=list)
    dependencies_set: list[ServiceConfig] = field(default_factory=list)
    monitors_added: list[tuple[str, MonitorConfig]] = field(default_factory=list)
    monitors_updated: list[tuple[str, MonitorConfig]] = field(default_factory=list)
    monitors_removed: list[tuple[str, str]] = field(default_factory=list)
    windows_added: list[MaintenanceConfig] = field(default_factory=list)
    windows_updated: list[tuple[UUID, MaintenanceConfig]] = field(default_factory=list)
    series_cancelled: list[UUID] = field(default_factory=list)

    def note(self, action: str, kind: str, name: str, details: Sequence[str] = ()) -> None:
        """Says a change in words."""
        self.changes.append(ConfigurationChange(action, kind, name, tuple(details)))


def plan(stored: Stored, wanted: Configuration, *, prune: bool, at: datetime) -> Plan:
    """What has to be written so that the database holds what a file says.

    Args:
        stored: what it holds.
        wanted: what the file says; a section that is None stays as it is.
        prune: also remove what the file's sections do not name.
        at: the present; maintenance that is over is not written any more.

    Raises:
        ValidationFailed: the file names a service that exists neither in it nor here.
    """
    _check_names(stored, wanted, prune=prune)
    result = Plan()
    now = stored.configuration
    details = differences(
        organization_to_mapping(now.organization), organization_to_mapping(wanted.organization)
    )
    if details:
        result.organization = True
        result.note("update", "organization", wanted.organization.slug, details)
    if wanted.services is not None:
        _plan_services(result, stored, wanted.services, prune=prune)
    if wanted.pages is not None:
        _plan_pages(result, now.pages or (), wanted.pages, prune=prune)
    if wanted.maintenance is not None:
        zone = zone_of(wanted.organization.timezone) or ZoneInfo("UTC")
        _plan_maintenance(result, stored.series, wanted.maintenance, zone, prune=prune, at=at)
    return result


def differences(
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    secret_before: object = None,
    secret_after: object = None,
) -> list[str]:
    """One line for each key whose value differs.

    Args:
        before, after: with the same keys, as they may be shown.
        secret_before, secret_after: the same in full where that may not be shown: when only they
            differ, a line says so without them.
    """
    lines = [
        f"{key}: {_value(before.get(key))} → {_value(value)}"
        for key, value in after.items()
        if before.get(key) != value
    ]
    if not lines and secret_before != secret_after:
        lines.append("config: a secret or a body changed")
    return lines


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return shorten(", ".join(map(str, value)), 100) or "none"
    if isinstance(value, Mapping):
        return shorten(
            ", ".join(f"{key}={_value(each)}" for key, each in value.items() if each is not None),
            200,
        )
    return shorten(str(value).replace("\n", " "), 100)


def _check_names(stored: Stored, wanted: Configuration, *, prune: bool) -> None:
    problems: list[Problem] = []
    known = {service.name for service in wanted.services or ()}
    if wanted.services is None or not prune:
        known |= set(stored.places)

    def check(names: Sequence[str], path: Path) -> None:
        for index, name in enumerate(names):
            if name not in known:
                near = nearest(name, known)
                hint = f'; did you mean "{near}"?' if near else ""
                problems.append(Problem(f"no service {shown(name)}{hint}", (*path, index)))

    for index, service in enumerate(wanted.services or ()):
        check(service.depends_on, ("services", index, "depends_on"))
    for index, page in enumerate(wanted.pages or ()):
        check(page.services or (), ("pages", index, "services"))
    for index, window in enumerate(wanted.maintenance or ()):
        check(window.services, ("maintenance", index, "services"))
    require_valid(problems, "the file")


def _plan_services(
    result: Plan, stored: Stored, wanted: Sequence[ServiceConfig], *, prune: bool
) -> None:
    before = {service.name: service for service in stored.configuration.services or ()}
    names = {service.name for service in wanted}
    # A file that names only some says nothing about the order of all: what is new comes last.
    is_whole = prune or names.issuperset(before)
    last = 0 if is_whole else max(stored.places.values(), default=0)
    for service in wanted:
        known = before.get(service.name)
        if is_whole or known is None:
            last = place = last + PLACE_STEP
        else:
            place = stored.places[service.name]
        if known is None:
            result.services_added.append((service, place))
            result.note("create", "service", service.name)
            if service.depends_on:
                result.dependencies_set.append(service)
        else:
            details = differences(
                {**_service(known), "place": stored.places[service.name] // PLACE_STEP},
                {**_service(service), "place": place // PLACE_STEP},
            )
            if stored.places[service.name] != place and not details:
                details = [f"place: {place // PLACE_STEP}"]
            if details:
                result.services_updated.append((service, place))
                result.note("update", "service", service.name, details)
            if set(known.depends_on) != set(service.depends_on):
                result.dependencies_set.append(service)
        _plan_monitors(result, service, known, prune=prune)
    if prune:
        for name in sorted(before.keys() - names):
            result.services_removed.append(name)
            result.note("remove", "service", name)


def _service(service: ServiceConfig) -> dict[str, object]:
    return {**service_to_mapping(service), "depends_on": sorted(service.depends_on)}


def _plan_monitors(
    result: Plan, service: ServiceConfig, known: ServiceConfig | None, *, prune: bool
) -> None:
    before = {monitor.spec.name: monitor.spec for monitor in known.monitors} if known else {}
    for monitor in service.monitors:
        address = f"{service.name}/{monitor.spec.name}"
        spec = before.get(monitor.spec.name)
        if spec is None:
            result.monitors_added.append((service.name, monitor))
            result.note("create", "monitor", address)
            continue
        if not monitor.says_activity:
            monitor = replace(
                monitor,
                spec=replace(
                    monitor.spec, is_active=spec.is_active, paused_until=spec.paused_until
                ),
            )
        if monitor_to_mapping(spec) == monitor_to_mapping(monitor.spec):
            continue
        result.monitors_updated.append((service.name, monitor))
        details = differences(
            masked_monitor(spec),
            masked_monitor(monitor.spec),
            secret_before=config_to_mapping(spec.config),
            secret_after=config_to_mapping(monitor.spec.config),
        )
        result.note("update", "monitor", address, details)
    if prune:
        for name in before:
            if name not in {monitor.spec.name for monitor in service.monitors}:
                result.monitors_removed.append((service.name, name))
                result.note("remove", "monitor", f"{service.name}/{name}")


def _plan_pages(
    result: Plan, stored: Sequence[PageConfig], wanted: Sequence[PageConfig], *, prune: bool
) -> None:
    before = {page.slug: page for page in stored}
    for page in wanted:
        known = before.get(page.slug)
        if known is None:
            result.pages_added.append(page)
            result.note("create", "page", page.slug)
            continue
        details = differences(page_to_mapping(known), page_to_mapping(page))
        if details:
            result.pages_updated.append((known.slug, page))
            result.note("update", "page", page.slug, details)
    if prune:
        for slug in before:
            if slug not in {page.slug for page in wanted}:
                result.pages_removed.append(slug)
                result.note("remove", "page", slug)


def _plan_maintenance(
    result: Plan,
    stored: Sequence[StoredSeries],
    wanted: Sequence[MaintenanceConfig],
    zone: ZoneInfo,
    *,
    prune: bool,
    at: datetime,
) -> None:
    matches = {
        index: series
        for index, window in enumerate(wanted)
        for series in stored
        if _is_same(series.config, window, zone)
    }
    matched = {series.id for series in matches.values()}
    for index, window in enumerate(wanted):
        series = matches.get(index)
        if series is not None:
            _plan_window(result, series, window, zone)
            continue
        following = _next(window, zone, at)
        if following is None:
            continue
        moved = [
            other
            for other in stored
            if other.is_open and other.config.title == window.title and other.id not in matched
        ]
        if len(moved) == 1:
            matched.add(moved[0].id)
            result.series_cancelled.append(moved[0].id)
            result.note(
                "update",
                "maintenance",
                window.title,
                differences(
                    maintenance_to_mapping(moved[0].config, zone),
                    maintenance_to_mapping(window, zone),
                ),
            )
        else:
            result.note("create", "maintenance", window.title)
        result.windows_added.append(following)
    if prune:
        _prune_maintenance(result, stored, matched)


def _prune_maintenance(
    result: Plan, stored: Sequence[StoredSeries], kept: Collection[UUID]
) -> None:
    for series in stored:
        if series.is_open and series.id not in kept:
            result.series_cancelled.append(series.id)
            result.note("remove", "maintenance", series.config.title)


def _is_same(stored: MaintenanceConfig, wanted: MaintenanceConfig, zone: ZoneInfo) -> bool:
    """Whether what is stored began as one of the occurrences that the file means."""
    if stored.title != wanted.title:
        return False
    if stored.starts_at == wanted.starts_at:
        return True
    if wanted.recurrence is None or stored.starts_at < wanted.starts_at:
        return False
    following = _next(wanted, zone, stored.starts_at)
    return following is not None and following.starts_at == stored.starts_at


def _next(window: MaintenanceConfig, zone: ZoneInfo, at: datetime) -> MaintenanceConfig | None:
    """The window with its first occurrence that is not over, None when all are."""
    ends_at = window.starts_at + timedelta(seconds=window.duration_seconds)
    found = next(
        expand(
            window.starts_at,
            ends_at,
            window.recurrence,
            zone,
            after=at,
            exceptions=window.exceptions,
        ),
        None,
    )
    return None if found is None else replace(window, starts_at=found.starts_at)


def _plan_window(
    result: Plan, series: StoredSeries, window: MaintenanceConfig, zone: ZoneInfo
) -> None:
    if not series.is_open:
        return
    here = replace(window, starts_at=series.config.starts_at)
    details = differences(
        _window(series.config, zone),
        _window(here, zone),
    )
    if details:
        result.windows_updated.append((series.id, here))
        result.note("update", "maintenance", window.title, details)


def _window(window: MaintenanceConfig, zone: ZoneInfo) -> dict[str, object]:
    return {**maintenance_to_mapping(window, zone), "services": sorted(window.services)}
