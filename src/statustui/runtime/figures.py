"""Compares and rebuilds figures, and prunes what is too old, for the commands under `db`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date

from statustui.domain.errors import DatabaseUnavailable
from statustui.domain.text import clean
from statustui.runtime.database import Database, choose_organization, open_database, operator_store
from statustui.settings import Settings
from statustui.store import retention, rollups
from statustui.store.connection import Pool, open_pool
from statustui.store.retention import Pruned, Retention, Surplus
from statustui.store.rollups import Difference

# What a person reads of many differences; all of them are in JSON.
_SHOWN = 20
_DROP_TRIES = 10
_STEPS = 100_000
_ENGINE_ADVICE = (
    "this is done as the watch's role: run it on a host of the watch, or set "
    "STATUSTUI_DATABASE__ENGINE_URL"
)


@dataclass(slots=True)
class RollupReport:
    """What comparing figures with raw checks came to.

    Attributes:
        first, last: the days that were compared, None when there was none.
        kept_since: from this day on the raw checks of at least one monitor are all there.
        compared: monitors times days; rewritten: rows; names: addresses of monitors by key.
    """

    organization: str
    dry_run: bool
    kept_since: date | None
    first: date | None = None
    last: date | None = None
    compared: int = 0
    rewritten: int = 0
    differences: list[Difference] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, object]:
        """As JSON."""
        return {
            "organization": self.organization,
            "dry_run": self.dry_run,
            "raw_checks_since": self.kept_since,
            "first_day": self.first,
            "last_day": self.last,
            "monitor_days": self.compared,
            "rows_rewritten": self.rewritten,
            "differences": [
                {
                    "monitor": self.names.get(each.monitor, str(each.monitor)),
                    "grain": each.grain,
                    "at": each.at,
                    "checks": each.kept_checks,
                    "raw_checks": each.made_checks,
                    "slots": each.kept_slots,
                    "raw_slots": each.made_slots,
                }
                for each in self.differences
            ],
        }

    def as_text(self) -> str:
        """As people read it."""
        if self.first is None or self.last is None:
            since = f" (they are all there since {self.kept_since:%F})" if self.kept_since else ""
            return f"no day of {self.organization} has all its raw checks{since}: nothing compared"
        days = f"{self.first:%F} to {self.last:%F}, {self.compared:,} days of monitors"
        lines = [
            f"compared   {self.organization}, {days}",
            f"differ     {len(self.differences):,} rows of hours and days",
        ]
        for each in self.differences[:_SHOWN]:
            name = clean(self.names.get(each.monitor, str(each.monitor)))
            at = each.at.astimezone(UTC)
            when = f"{at:%F %H}h" if each.grain == "hour" else f"{at:%F}    "
            lines.append(
                f"           {when}  {name}: {each.kept_checks:,} checks in {each.kept_slots:,} "
                f"slots, raw checks say {each.made_checks:,} in {each.made_slots:,}"
            )
        if len(self.differences) > _SHOWN:
            lines.append(f"           and {len(self.differences) - _SHOWN:,} more")
        if not self.dry_run:
            lines.append(f"rewritten  {self.rewritten:,} rows")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What is too old, and what went of it; `pruned` is None when only looking."""

    surplus: Surplus
    pruned: Pruned | None

    def as_data(self) -> dict[str, object]:
        """As JSON."""
        data: dict[str, object] = {
            "dry_run": self.pruned is None,
            "checks_kept_since": self.surplus.checks_since,
            "hours_kept_since": self.surplus.hours_since,
            "months": [
                {"month": f"{each.month:%Y-%m}", "rows": each.rows, "bytes": each.size_bytes}
                for each in self.surplus.months
            ],
            "hourly_rows": self.surplus.hours,
            "evidence_rows": self.surplus.evidence,
        }
        if self.pruned is not None:
            data["dropped"] = [f"{month:%Y-%m}" for month in self.pruned.months]
            data["in_use"] = [f"{month:%Y-%m}" for month in self.pruned.waiting]
            data["hourly_rows_deleted"] = self.pruned.hours
            data["evidence_rows_deleted"] = self.pruned.evidence
        return data

    def as_text(self) -> str:
        """As people read it."""
        surplus, pruned = self.surplus, self.pruned
        checks, hours_since = f"{surplus.checks_since:%F}", f"{surplus.hours_since:%F}"
        rest = f"hourly figures since {hours_since}, daily figures for ever"
        lines = [f"kept       raw checks since {checks} by whole months, {rest}"]
        for each in surplus.months:
            what = "would go"
            if pruned is not None:
                what = "gone" if each.month in pruned.months else "in use, try again"
            lines.append(
                f"checks     {each.month:%Y-%m}: {each.rows:,} rows, "
                f"{each.size_bytes / 1_000_000:,.1f} MB, {what}"
            )
        if not surplus.months:
            lines.append("checks     no month is too old")
        hours, evidence = surplus.hours, surplus.evidence
        if pruned is not None:
            hours, evidence = pruned.hours, pruned.evidence
        what = "would go" if pruned is None else "gone"
        lines.append(f"hourly     {hours:,} rows {what}")
        lines.append(f"evidence   {evidence:,} rows {what}; that of incidents is kept")
        return "\n".join(lines)


async def rebuild_rollups(
    settings: Settings, first: date | None, last: date | None, *, dry_run: bool
) -> RollupReport:
    """Compare the figures of this person's organization with its raw checks, and rewrite them.

    Args:
        settings: all settings.
        first, last: UTC days, both included; None for all there are.
        dry_run: only compare.

    Raises:
        Forbidden: this person is no owner.
        DatabaseUnavailable: it was lost; run it again.
    """
    async with open_database(settings) as database:
        async with operator_store(database) as store:
            organization = await choose_organization(store, settings.org)
        pool = await open_pool(database.operator, min_size=0, max_size=1)
        try:
            return await _rebuild(pool, organization.id, organization.slug, first, last, dry_run)
        finally:
            await pool.close()


async def _rebuild(
    pool: Pool, org_id: int, slug: str, first: date | None, last: date | None, dry_run: bool
) -> RollupReport:
    beginnings = await rollups.load_beginnings(pool, org_id)
    report = RollupReport(slug, dry_run, min(beginnings.values(), default=None))
    report.names = await rollups.load_names(pool, org_id)
    async for step in rollups.rebuild(pool, org_id, first, last, dry_run=dry_run):
        report.first = report.first or step.day
        report.last = step.day
        report.compared += step.monitors
        report.rewritten += step.rewritten
        report.differences += step.differences
    return report


async def prune(settings: Settings, *, dry_run: bool) -> PruneReport:
    """Let go of what is too old by these settings and the organizations' plans.

    Args:
        settings: all settings.
        dry_run: only say what would go.

    Raises:
        DatabaseUnavailable: it cannot be reached as the watch's role, or was lost.
    """
    kept = Retention(**settings.retention.model_dump())
    async with open_database(settings) as database:
        pool = await _engine_pool(database)
        try:
            surplus = await retention.load_surplus(pool, kept)
            pruned = None
            if not dry_run:
                pruned = await retention.prune(pool, kept, steps=_STEPS, tries=_DROP_TRIES)
            return PruneReport(surplus, pruned)
        finally:
            await pool.close()


async def _engine_pool(database: Database) -> Pool:
    try:
        return await open_pool(database.engine, min_size=1, max_size=1)
    except DatabaseUnavailable as error:
        if database.server is not None:
            raise
        raise DatabaseUnavailable(
            error.address, error.cause, advice=f"{error.advice}\n{_ENGINE_ADVICE}"
        ) from error
