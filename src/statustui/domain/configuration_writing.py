"""Writes configuration in the file's own words: for export, and to say what a change changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from statustui.domain.configuration import (
    Configuration,
    OrganizationConfig,
    PageConfig,
    ServiceConfig,
)
from statustui.domain.maintenance_config import MaintenanceConfig, zone_of
from statustui.domain.monitor import MonitorSpec, masked, monitor_to_mapping
from statustui.domain.text import format_duration


def configuration_to_mapping(configuration: Configuration) -> dict[str, object]:
    """A whole file as plain values, in the order in which people write it.

    Keys without a value are left out; `read_configuration` gives the same configuration back.
    """
    zone = zone_of(configuration.organization.timezone)
    services = [
        _compact(service_to_mapping(service))
        | (
            {"monitors": [_monitor(monitor.spec) for monitor in service.monitors]}
            if service.monitors
            else {}
        )
        for service in configuration.services or ()
    ]
    document: dict[str, object] = {
        "organization": _compact(organization_to_mapping(configuration.organization))
    }
    if configuration.pages:
        document["pages"] = [_page(page) for page in configuration.pages]
    if services:
        document["services"] = services
    if configuration.maintenance:
        document["maintenance"] = [
            _compact(maintenance_to_mapping(window, zone)) for window in configuration.maintenance
        ]
    return document


def _compact(mapping: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in mapping.items() if value not in (None, [], {})}


def _page(page: PageConfig) -> dict[str, object]:
    # An empty list is not the same as none: such a page shows nothing.
    mapping = page_to_mapping(page)
    return {key: value for key, value in mapping.items() if value is not None}


def _monitor(spec: MonitorSpec) -> dict[str, object]:
    mapping = _compact(monitor_to_mapping(spec))
    mapping["config"] = _compact(as_mapping(mapping["config"]))
    if spec.is_active and spec.paused_until is None:
        # Whether it is paused is a decision of the hour, not of the file.
        del mapping["active"]
    return mapping


def as_mapping(value: object) -> Mapping[str, object]:
    """A value that is known to be a mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a mapping, found {type(value).__name__}")
    return value


def organization_to_mapping(organization: OrganizationConfig) -> dict[str, object]:
    """The section `organization`, every key."""
    return {
        "slug": organization.slug,
        "name": organization.name,
        "timezone": organization.timezone,
        "brand_color": organization.brand_color,
        "automatic_incidents": str(organization.automatic_incidents),
        "guarded_sentence": organization.guarded_sentence,
        "recovery_watch": _seconds(organization.recovery_watch_seconds),
        "logo_url": organization.logo_url,
        "public_base_url": organization.public_base_url,
    }


def page_to_mapping(page: PageConfig) -> dict[str, object]:
    """An entry of `pages`, every key."""
    return {
        "slug": page.slug,
        "name": page.name,
        "description": page.description,
        "headline": page.headline,
        "support_url": page.support_url,
        "visibility": str(page.visibility),
        "custom_domain": page.custom_domain,
        "theme": page.theme,
        "services": None if page.services is None else list(page.services),
    }


def service_to_mapping(service: ServiceConfig) -> dict[str, object]:
    """An entry of `services` without its monitors, every key."""
    return {
        "name": service.name,
        "group": service.group,
        "description": service.description,
        "visible": service.is_visible,
        "automatic_incidents": (
            str(service.automatic_incidents) if service.automatic_incidents else None
        ),
        "depends_on": list(service.depends_on),
    }


def masked_monitor(spec: MonitorSpec) -> dict[str, object]:
    """An entry of `monitors` as it may be shown, every key."""
    return {**monitor_to_mapping(spec), "config": masked(spec.config)}


def maintenance_to_mapping(window: MaintenanceConfig, zone: tzinfo | None) -> dict[str, object]:
    """An entry of `maintenance`, every key; its start in that zone, UTC (with Z) without one."""
    return {
        "title": window.title,
        "description": window.description,
        "starts": local_time(window.starts_at, zone),
        "duration": _seconds(window.duration_seconds),
        "recurrence": window.recurrence,
        "exceptions": [local_time(each, zone) for each in window.exceptions],
        "services": list(window.services),
        "auto_update": window.auto_update,
        "public": window.is_public,
    }


def local_time(moment: datetime, zone: tzinfo | None) -> str:
    """A time as the file writes it: in that zone, UTC (with Z) without one."""
    local = moment.astimezone(zone) if zone else moment
    text = local.strftime("%Y-%m-%dT%H:%M:%S").removesuffix(":00")
    if zone is None:
        return text + "Z"
    if local.fold or local.replace(fold=1).utcoffset() != local.utcoffset():
        # The hour that comes twice a year needs its offset to be told apart.
        return local.isoformat(timespec="minutes")
    return text


def _seconds(count: int) -> str:
    return format_duration(timedelta(seconds=count))
