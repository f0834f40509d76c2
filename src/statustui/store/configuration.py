"""Reads the whole configuration, and makes the database hold what a file says, or nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg

from statustui.domain.configuration import (
    Configuration,
    ConfigurationChange,
    MonitorConfig,
    OrganizationConfig,
    PageConfig,
    ServiceConfig,
)
from statustui.domain.configuration_changes import Plan, Stored, StoredSeries, plan
from statustui.domain.errors import NotFound
from statustui.domain.maintenance_config import MaintenanceConfig
from statustui.domain.monitor import config_to_mapping
from statustui.domain.status import AutomaticIncidents, Role, Visibility
from statustui.domain.text import nearest
from statustui.store import monitors, permission, queries
from statustui.store.connection import Pool, PoolConnection, fetch_one, transaction

_SQL = queries.load("configuration")

LONGEST_SECONDS = 300
"""How long one statement may take while a file is applied: ten thousand monitors take a while."""


class _DryRunEnds(Exception):
    """Leaves a transaction that was only tried."""


async def load_configuration(pool: Pool, org_id: int) -> Configuration:
    """The whole configuration; of maintenance what runs or is ahead."""
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        stored = await _load(connection, org_id)
        return Configuration(
            organization=stored.configuration.organization,
            pages=stored.configuration.pages,
            services=stored.configuration.services,
            maintenance=tuple(series.config for series in stored.series if series.is_open),
        )


async def apply_configuration(
    pool: Pool, wanted: Configuration, *, dry_run: bool, prune: bool
) -> tuple[ConfigurationChange, ...]:
    """Make the database hold what a file says, whole or not at all.

    A dry run does everything and takes it back, so that it also finds what the database refuses.
    """
    changes: tuple[ConfigurationChange, ...] = ()
    try:
        async with transaction(pool) as connection:
            changes = await _apply(connection, wanted, prune=prune)
            if dry_run:
                raise _DryRunEnds
    except _DryRunEnds:
        pass
    return changes


async def _apply(
    connection: PoolConnection, wanted: Configuration, *, prune: bool
) -> tuple[ConfigurationChange, ...]:
    slug = wanted.organization.slug
    created: list[ConfigurationChange] = []
    found = await connection.fetchrow(_SQL["find_organization"], slug)
    if found is not None:
        org_id: int = found["org_id"]
    else:
        org_id = await _create(connection, wanted.organization)
        created.append(ConfigurationChange("create", "organization", slug))
        created.append(ConfigurationChange("create", "page", slug))
    stored = await _load(connection, org_id)
    planned = plan(stored, wanted, prune=prune, at=datetime.now(UTC))
    if planned.changes:
        await permission.require_role(connection, org_id, Role.ADMIN, "apply a configuration")
        await _write(connection, org_id, wanted, planned)
    if not created:
        return tuple(planned.changes)
    # An organization is made with its first page: what the file says of both is one with that.
    made_with_it = [("organization", slug), ("page", slug)]
    rest = [each for each in planned.changes if (each.kind, each.name) not in made_with_it]
    return (*created, *rest)


async def _create(connection: PoolConnection, wanted: OrganizationConfig) -> int:
    """Create the organization on an empty installation.

    Raises:
        NotFound: the installation has organizations; a slip of a slug makes no new one.
    """
    if await connection.fetchval(_SQL["any_organization"]):
        slugs = [row["slug"] for row in await connection.fetch(_SQL["my_slugs"])]
        near = nearest(wanted.slug, slugs)
        hint = f"did you mean {near}?" if near else f"there is {', '.join(slugs)}"
        raise NotFound(
            f'no organization "{wanted.slug}" that you belong to',
            advice=f"{hint}\nto create another one, run "
            f"`statustui init --name {wanted.name!r} --slug {wanted.slug}` first",
        )
    org_id: int = await connection.fetchval(
        _SQL["create_organization"], wanted.name, wanted.slug, wanted.timezone
    )
    return org_id


# -- reading -------------------------------------------------------------------------------------


async def _load(connection: PoolConnection, org_id: int) -> Stored:
    row = await fetch_one(connection, _SQL["load_organization"], org_id)
    service_rows = await connection.fetch(_SQL["load_services"], org_id)
    monitor_rows = await connection.fetch(_SQL["load_monitors"], org_id)
    by_service = {
        service: tuple(MonitorConfig(monitors.monitor_spec(each), True) for each in group)
        for service, group in groupby(monitor_rows, itemgetter("service_name"))
    }
    return Stored(
        configuration=Configuration(
            organization=_organization(row),
            pages=tuple(map(_page, await connection.fetch(_SQL["load_pages"], org_id))),
            services=tuple(
                _service(each, by_service.get(each["name"], ())) for each in service_rows
            ),
        ),
        places={each["name"]: each["display_order"] for each in service_rows},
        series=tuple(
            StoredSeries(each["series_id"], _maintenance(each), each["is_open"])
            for each in await connection.fetch(_SQL["load_maintenance"], org_id)
            if each["is_open"] or not each["is_cancelled"]
        ),
    )


def _organization(row: asyncpg.Record) -> OrganizationConfig:
    return OrganizationConfig(
        slug=row["slug"],
        name=row["name"],
        timezone=row["timezone"],
        brand_color=row["brand_color"].upper(),
        automatic_incidents=AutomaticIncidents(row["automatic_incidents"]),
        recovery_watch_seconds=row["recovery_watch_seconds"],
        guarded_sentence=row["guarded_sentence"],
        logo_url=row["logo_url"],
        public_base_url=row["public_base_url"],
    )


def _page(row: asyncpg.Record) -> PageConfig:
    return PageConfig(
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        headline=row["headline"],
        support_url=row["support_url"],
        visibility=Visibility(row["visibility"]),
        custom_domain=row["custom_domain"],
        theme=row["theme"],
        services=None if row["lists_all"] else tuple(row["services"]),
    )


def _service(row: asyncpg.Record, monitor_configs: tuple[MonitorConfig, ...]) -> ServiceConfig:
    mode = row["automatic_incidents"]
    return ServiceConfig(
        name=row["name"],
        group=row["group_name"],
        description=row["description"],
        is_visible=row["is_visible"],
        automatic_incidents=AutomaticIncidents(mode) if mode else None,
        depends_on=tuple(row["depends_on"]),
        monitors=monitor_configs,
    )


def _maintenance(row: asyncpg.Record) -> MaintenanceConfig:
    return MaintenanceConfig(
        title=row["title"],
        starts_at=row["first_at"],
        duration_seconds=round((row["ends_at"] - row["starts_at"]).total_seconds()),
        description=row["description"],
        recurrence=row["recurrence_rule"],
        exceptions=tuple(sorted(row["exceptions"])),
        services=tuple(row["services"]),
        auto_update=row["auto_update"],
        is_public=row["is_public"],
    )


# -- writing -------------------------------------------------------------------------------------


async def _write(
    connection: PoolConnection, org_id: int, wanted: Configuration, planned: Plan
) -> None:
    """Everything of a plan, in an order in which nothing stands in the way of what follows."""
    await connection.execute(_SQL["allow_long"], f"{LONGEST_SECONDS}s")
    if planned.organization:
        organization = wanted.organization
        await connection.execute(
            _SQL["update_organization"],
            org_id,
            organization.name,
            organization.timezone,
            organization.brand_color,
            organization.automatic_incidents,
            organization.recovery_watch_seconds,
            organization.logo_url,
            organization.public_base_url,
            organization.guarded_sentence,
        )
    await _write_services(connection, org_id, planned)
    await _write_monitors(connection, org_id, planned)
    await _write_pages(connection, org_id, planned)
    await _write_maintenance(connection, org_id, planned)


async def _execute(connection: PoolConnection, name: str, *arguments: object) -> None:
    """Runs a statement that may be about thousands of rows."""
    await connection.execute(_SQL[name], *arguments, timeout=LONGEST_SECONDS + 5)


async def _write_services(connection: PoolConnection, org_id: int, planned: Plan) -> None:
    if planned.services_removed:
        gone = planned.services_removed
        await _execute(connection, "clear_dependencies_on", org_id, gone)
        await _execute(connection, "remove_monitors_of_services", org_id, gone)
        await _execute(connection, "remove_services", org_id, gone)
    for name, entries in (
        ("add_services", planned.services_added),
        ("update_services", planned.services_updated),
    ):
        if entries:
            rows = [_service_row(service, place) for service, place in entries]
            await _execute(connection, name, org_id, json.dumps(rows))
    if planned.dependencies_set:
        # All go before any comes: an edge that is turned round would look like a circle.
        names = [each.name for each in planned.dependencies_set]
        await _execute(connection, "clear_dependencies", org_id, names)
        pairs = [
            (service.name, needed)
            for service in planned.dependencies_set
            for needed in service.depends_on
        ]
        if pairs:
            await _execute(connection, "add_dependencies", org_id, *_columns(pairs))


def _service_row(service: ServiceConfig, place: int) -> dict[str, object]:
    return {
        "name": service.name,
        "group_name": service.group,
        "description": service.description,
        "display_order": place,
        "is_visible": service.is_visible,
        "automatic_incidents": service.automatic_incidents,
    }


def _columns(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    first: list[str] = []
    second: list[str] = []
    for one, other in pairs:
        first.append(one)
        second.append(other)
    return first, second


async def _write_monitors(connection: PoolConnection, org_id: int, planned: Plan) -> None:
    # What goes makes room below the plan's limit for what comes.
    if planned.monitors_removed:
        await _execute(connection, "remove_monitors", org_id, *_columns(planned.monitors_removed))
    for name, entries in (
        ("update_monitors", planned.monitors_updated),
        ("add_monitors", planned.monitors_added),
    ):
        if entries:
            rows = [_monitor_row(service, monitor) for service, monitor in entries]
            await _execute(connection, name, org_id, json.dumps(rows))


def _monitor_row(service: str, monitor: MonitorConfig) -> dict[str, Any]:
    spec = monitor.spec
    return {
        "service": service,
        "name": spec.name,
        "type": spec.type,
        "config": config_to_mapping(spec.config),
        "interval_seconds": spec.interval_seconds,
        "timeout_ms": spec.timeout_ms,
        "failure_threshold": spec.failure_threshold,
        "recovery_threshold": spec.recovery_threshold,
        "retry_interval_seconds": spec.retry_interval_seconds,
        "degraded_after_ms": spec.degraded_after_ms,
        "conditions": spec.conditions,
        "degraded_conditions": spec.degraded_conditions,
        "is_active": spec.is_active,
        "paused_until": spec.paused_until.isoformat() if spec.paused_until else None,
        "runbook": spec.runbook,
        "tags": spec.tags,
        "regions": spec.regions,
        "region_quorum": spec.region_quorum,
    }


async def _write_pages(connection: PoolConnection, org_id: int, planned: Plan) -> None:
    if planned.pages_removed:
        await connection.execute(_SQL["remove_pages"], org_id, planned.pages_removed)
    if not planned.pages_added and not planned.pages_updated:
        return
    ids = {row["slug"]: row["id"] for row in await connection.fetch(_SQL["load_pages"], org_id)}
    for slug, page in planned.pages_updated:
        await connection.execute(_SQL["update_page"], org_id, ids[slug], *_page_columns(page))
        await _list_services(connection, org_id, ids[slug], page.services)
    for page in planned.pages_added:
        page_id = await connection.fetchval(_SQL["add_page"], org_id, *_page_columns(page))
        await _list_services(connection, org_id, page_id, page.services)


def _page_columns(page: PageConfig) -> tuple[Any, ...]:
    return (
        page.slug,
        page.name,
        page.description,
        page.headline,
        page.support_url,
        page.visibility,
        page.custom_domain,
        page.theme,
        page.services is None,
    )


async def _list_services(
    connection: PoolConnection, org_id: int, page_id: object, names: Sequence[str] | None
) -> None:
    await connection.execute(_SQL["clear_page_services"], org_id, page_id)
    if names:
        await connection.execute(_SQL["list_page_services"], org_id, page_id, list(names))


async def _write_maintenance(connection: PoolConnection, org_id: int, planned: Plan) -> None:
    if planned.series_cancelled:
        await connection.execute(_SQL["cancel_series"], org_id, planned.series_cancelled)
    for series_id, window in planned.windows_updated:
        rows = await connection.fetch(
            _SQL["update_open_windows"],
            org_id,
            series_id,
            window.title,
            window.description,
            float(window.duration_seconds),
            window.auto_update,
            window.is_public,
            window.recurrence,
            list(window.exceptions),
        )
        ids = [row["id"] for row in rows]
        await connection.execute(_SQL["clear_window_services"], org_id, ids)
        await _concern(connection, org_id, ids, window)
    for window in planned.windows_added:
        window_id = await connection.fetchval(
            _SQL["add_window"],
            org_id,
            window.title,
            window.description,
            window.starts_at,
            window.starts_at + timedelta(seconds=window.duration_seconds),
            window.auto_update,
            window.is_public,
            window.recurrence,
            list(window.exceptions),
        )
        await _concern(connection, org_id, [window_id], window)


async def _concern(
    connection: PoolConnection, org_id: int, ids: Sequence[object], window: MaintenanceConfig
) -> None:
    if window.services:
        await connection.execute(
            _SQL["add_window_services"], org_id, list(ids), list(window.services)
        )
