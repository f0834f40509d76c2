"""Everything a person reads and does, over connections of that person's own role.

Each method is one transaction. The database decides what the role may see and change; nothing is
checked here that it does not check. Errors are those of `statustui.domain.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from statustui.domain.configuration import Configuration, ConfigurationChange
from statustui.domain.heartbeat import Beats
from statustui.domain.maintenance_config import MaintenanceConfig, MaintenanceDetail
from statustui.domain.monitor import MonitorSpec
from statustui.domain.posting import IncidentInput, PostReceipt, TakenBack, UpdateInput
from statustui.domain.readmodels import (
    Board,
    Draft,
    Evidence,
    IncidentDetail,
    IncidentSummary,
    LatencyPoint,
    MaintenanceRow,
    Mark,
    MonitorRow,
    Organization,
    ServiceFigures,
    ServiceNow,
    ServiceRow,
    TimelineEntry,
    WatchInfo,
)
from statustui.domain.rollup import Rollup
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.store import (
    beats,
    board,
    configuration,
    drafts,
    evidence,
    figures,
    incidents,
    maintenance,
    marks,
    monitors,
    organizations,
    posts,
    service_detail,
    services,
    timelines,
)
from statustui.store.connection import Pool


class OperatorStore:
    """The database as one person may use it.

    Args:
        pool: of the person's own role; two connections are enough.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # -- the whole ---------------------------------------------------------------------------------

    async def organizations(self) -> tuple[Organization, ...]:
        """The organizations this person belongs to, by name."""
        return await organizations.load_organizations(self._pool)

    async def load_watch(self) -> WatchInfo | None:
        """Who checks at present or did last; None when no watch ever ran here."""
        return await organizations.load_watch(self._pool)

    async def load_board(self, org_id: int) -> Board:
        """Everything the first screen shows, as one consistent read.

        Raises:
            NotFound: no such organization for this person.
        """
        return await board.load_board(self._pool, org_id)

    async def load_figures(self, org_id: int) -> tuple[ServiceFigures, ...]:
        """The slower figures of every service, from sums only."""
        return await figures.load_figures(self._pool, org_id)

    async def load_window(
        self,
        org_id: int,
        start: datetime,
        end: datetime,
        service_ids: Sequence[UUID] | None = None,
    ) -> dict[UUID, Rollup]:
        """What any window amounts to by service: counts, p50, p95, p99; from sums alone.

        Args:
            org_id: the organization.
            start, end: the window; it is widened to whole hours, beyond 34 days to whole days.
            service_ids: None for all.

        Raises:
            ValidationFailed: it ends before it starts.
        """
        return await figures.load_window(self._pool, org_id, start, end, service_ids)

    async def load_uptime(self, org_id: int, days: int) -> dict[UUID, tuple[int, int]]:
        """Checks that succeeded, and checks that looked, of every service over some UTC days."""
        return await figures.load_uptime(self._pool, org_id, days)

    # -- services ----------------------------------------------------------------------------------

    async def load_service_now(self, org_id: int, service_id: UUID) -> ServiceNow:
        """The last look of each monitor of a service, with what surrounds it.

        Raises:
            NotFound: no such service.
        """
        return await service_detail.load_service_now(self._pool, org_id, service_id)

    async def load_latency(
        self, org_id: int, service_id: UUID, hours: int
    ) -> tuple[LatencyPoint, ...]:
        """Response times of a service over its monitors, oldest first.

        Args:
            org_id: the organization.
            service_id: the service.
            hours: how far back, 1 to 9,600. The buckets are minutes for an hour, five minutes for
                a day, hours for up to 31 days, else days.
        """
        return await figures.load_latency(self._pool, org_id, service_id, hours)

    async def load_service_timeline(
        self, org_id: int, service_id: UUID, limit: int = 200
    ) -> tuple[TimelineEntry, ...]:
        """The newest events of a service, oldest first: statuses, monitors, incidents, marks."""
        return await timelines.load_service_timeline(self._pool, org_id, service_id, limit)

    async def find_service(self, org_id: int, name_or_id: str) -> ServiceRow:
        """The service of that name (in any case) or id.

        Raises:
            NotFound: none answers to it; the advice names the nearest.
            ValidationFailed: several do.
        """
        return await services.find_service(self._pool, org_id, name_or_id)

    async def load_services(self, org_id: int) -> tuple[ServiceRow, ...]:
        """All services, in their order, as on the board."""
        return (await board.load_board(self._pool, org_id)).services

    async def add_service(
        self,
        org_id: int,
        name: str,
        *,
        group_name: str | None = None,
        description: str | None = None,
        display_order: int | None = None,
        is_visible: bool = True,
        depends_on: Sequence[UUID] = (),
    ) -> UUID:
        """Create a service, at the end of the list when no place is given.

        Raises:
            Conflict: the name is taken. Forbidden: the role may not.
        """
        return await services.add_service(
            self._pool,
            org_id,
            name,
            group_name=group_name,
            description=description,
            display_order=display_order,
            is_visible=is_visible,
            depends_on=depends_on,
        )

    async def edit_service(
        self,
        org_id: int,
        service_id: UUID,
        *,
        name: str | None = None,
        group_name: str | None = None,
        description: str | None = None,
        display_order: int | None = None,
        is_visible: bool | None = None,
    ) -> None:
        """Change what is given; an empty text clears a group or description."""
        await services.edit_service(
            self._pool,
            org_id,
            service_id,
            name=name,
            group_name=group_name,
            description=description,
            display_order=display_order,
            is_visible=is_visible,
        )

    async def pin_service(self, org_id: int, service_id: UUID, status: ServiceStatus) -> None:
        """Set a status by hand; it holds, over everything, until it is unpinned."""
        await services.set_pinned(self._pool, org_id, service_id, status)

    async def unpin_service(self, org_id: int, service_id: UUID) -> None:
        """Let monitors, incidents and maintenance speak again."""
        await services.set_pinned(self._pool, org_id, service_id, None)

    # -- monitors ----------------------------------------------------------------------------------

    async def load_monitors(self, org_id: int) -> tuple[MonitorRow, ...]:
        """All monitors with what they say now, by service and name; secrets are masked."""
        return await monitors.load_monitors(self._pool, org_id)

    async def find_monitor(self, org_id: int, name_or_id: str) -> MonitorRow:
        """The monitor called "Service/monitor", or by its name alone, or of that id.

        Raises:
            NotFound: none answers to it; the advice names the nearest.
            ValidationFailed: several do; the message lists them.
        """
        return await monitors.find_monitor(self._pool, org_id, name_or_id)

    async def load_monitor_spec(self, org_id: int, monitor_id: UUID) -> MonitorSpec:
        """What a monitor does, in full, with its secrets: for looking by hand and for editing.

        Raises:
            NotFound: no such monitor.
        """
        return await monitors.load_monitor_spec(self._pool, org_id, monitor_id)

    async def add_monitor(self, org_id: int, service_id: UUID, spec: MonitorSpec) -> UUID:
        """Create a monitor; the watch looks within a second.

        Raises:
            Conflict: the name is taken, or the plan's limit is reached.
        """
        return await monitors.add_monitor(self._pool, org_id, service_id, spec)

    async def pause_monitor(
        self, org_id: int, monitor_id: UUID, until: datetime | None = None
    ) -> None:
        """Let a monitor rest until a time; None: until somebody resumes it."""
        await monitors.pause_monitor(self._pool, org_id, monitor_id, until)

    async def resume_monitor(self, org_id: int, monitor_id: UUID) -> None:
        """Let a monitor look again."""
        await monitors.resume_monitor(self._pool, org_id, monitor_id)

    async def request_run(self, org_id: int, monitor_id: UUID) -> None:
        """Ask the watch to look once, now."""
        await monitors.request_run(self._pool, org_id, monitor_id)

    async def load_beats(self, monitor_id: UUID) -> Beats:
        """What is known of the job of a heartbeat monitor."""
        return await beats.load_beats(self._pool, monitor_id)

    # -- incidents ---------------------------------------------------------------------------------

    async def load_incidents(
        self,
        org_id: int,
        *,
        status: IncidentStatus | None = None,
        impact: Impact | None = None,
        service_id: UUID | None = None,
        open_only: bool = False,
        limit: int = 200,
        before: datetime | None = None,
    ) -> tuple[IncidentSummary, ...]:
        """Incidents, newest first.

        Args:
            org_id: the organization.
            status, impact, service_id: only those; None for all.
            open_only: none that are resolved.
            limit: how many at most.
            before: only those that started earlier, for the next page.
        """
        return await incidents.load_incidents(
            self._pool,
            org_id,
            status=status,
            impact=impact,
            service_id=service_id,
            open_only=open_only,
            limit=limit,
            before=before,
        )

    async def load_incident(self, org_id: int, code: str) -> IncidentDetail:
        """One incident whole, by its code (in any case, with or without INC-) or id.

        Raises:
            NotFound: no such incident, also when the code is malformed.
        """
        return await incidents.load_incident(self._pool, org_id, code)

    async def find_incident(self, org_id: int, code: str) -> IncidentSummary:
        """One incident without its timeline, by its code or id.

        Raises:
            NotFound: no such incident, also when the code is malformed.
        """
        return await incidents.find_incident(self._pool, org_id, code)

    async def create_incident(
        self,
        org_id: int,
        given: IncidentInput,
        *,
        delay_seconds: float = 0,
        notify_delay_seconds: float = 0,
    ) -> PostReceipt:
        """Open an incident; with a delay, its first words wait and can be taken back.

        Raises:
            NotFound: a service does not exist. ValidationFailed: a text or status is wrong.
        """
        return await posts.create_incident(
            self._pool,
            org_id,
            given,
            delay_seconds=delay_seconds,
            notify_delay_seconds=notify_delay_seconds,
        )

    async def post_update(
        self,
        org_id: int,
        code: str,
        given: UpdateInput,
        *,
        public_delay_seconds: float = 0,
        notify_delay_seconds: float = 0,
    ) -> PostReceipt:
        """Post to an incident, publicly or as an internal note.

        Raises:
            StaleState: it moved on since `base_version`; the message says how.
            Conflict: it is resolved. NotFound: no such incident.
        """
        return await posts.post_update(
            self._pool,
            org_id,
            code,
            given,
            public_delay_seconds=public_delay_seconds,
            notify_delay_seconds=notify_delay_seconds,
        )

    async def take_back(self, org_id: int, post_id: UUID) -> TakenBack:
        """Take a waiting post back.

        Raises:
            Conflict: it is public already, or was taken back.
        """
        return await posts.take_back(self._pool, org_id, post_id)

    async def release(self, org_id: int, post_id: UUID) -> None:
        """Make a waiting post public at once."""
        await posts.release(self._pool, org_id, post_id)

    async def apply_due_posts(self) -> int:
        """Apply every post whose moment has come, as the watch does; returns how many."""
        return await posts.apply_due_posts(self._pool)

    async def acknowledge(self, org_id: int, code: str, minutes: int | None = None) -> datetime:
        """Acknowledge an incident, and lead it if nobody does; again it only says so.

        Args:
            org_id: the organization.
            code: of the incident.
            minutes: 1–1,440; None takes the organization's.

        Returns:
            Until when it is acknowledged.
        """
        return await posts.acknowledge(self._pool, org_id, code, minutes)

    async def release_acknowledgement(self, org_id: int, code: str) -> None:
        """End an acknowledgement."""
        await posts.release_acknowledgement(self._pool, org_id, code)

    async def snooze(self, org_id: int, code: str, until: datetime | None) -> None:
        """Silence an incident until a time within seven days; None ends it."""
        await posts.snooze(self._pool, org_id, code, until)

    async def hold_incident(self, org_id: int, code: str, *, hold: bool = True) -> None:
        """Hold the words of a guarded incident: nothing is posted by itself; or let them go.

        Raises:
            Conflict: no words of it wait.
        """
        await posts.hold_incident(self._pool, org_id, code, hold=hold)

    async def publish_incident(self, org_id: int, code: str) -> None:
        """Publish an internal incident as it stands."""
        await posts.publish_incident(self._pool, org_id, code)

    async def edit_incident(
        self,
        org_id: int,
        code: str,
        *,
        title: str | None = None,
        internal_title: str | None = None,
        impact: Impact | None = None,
        lead: str | None = None,
        base_version: int | None = None,
    ) -> None:
        """Change what is given.

        Raises:
            StaleState: it moved on since `base_version`.
        """
        await posts.edit_incident(
            self._pool,
            org_id,
            code,
            title=title,
            internal_title=internal_title,
            impact=impact,
            lead=lead,
            base_version=base_version,
        )

    # -- drafts, marks, maintenance ----------------------------------------------------------------

    async def save_draft(self, org_id: int, draft: Draft) -> None:
        """Keep a text that is not posted yet; one per incident, kind and person."""
        await drafts.save_draft(self._pool, org_id, draft)

    async def load_drafts(self, org_id: int) -> tuple[Draft, ...]:
        """This person's drafts, newest first."""
        return await drafts.load_drafts(self._pool, org_id)

    async def delete_draft(
        self, org_id: int, incident_code: str | None, kind: str = "public"
    ) -> None:
        """Forget a draft; nothing happens when there is none."""
        await drafts.delete_draft(self._pool, org_id, incident_code, kind)

    async def add_mark(
        self,
        org_id: int,
        text: str,
        *,
        services: Sequence[UUID] = (),
        source: str | None = None,
        link: str | None = None,
        at: datetime | None = None,
    ) -> Mark:
        """Note that something changed."""
        return await marks.add_mark(
            self._pool, org_id, text, services=services, source=source, link=link, at=at
        )

    async def load_marks(self, org_id: int, since: datetime) -> tuple[Mark, ...]:
        """What was noted since then, newest first."""
        return await marks.load_marks(self._pool, org_id, since)

    async def load_monitor_evidence(self, org_id: int, monitor_id: UUID) -> tuple[Evidence, ...]:
        """The newest evidence of a monitor, one for each region that has some, newest first."""
        return await evidence.load_monitor_evidence(self._pool, org_id, monitor_id)

    async def load_maintenance(self, org_id: int) -> tuple[MaintenanceRow, ...]:
        """Windows that run or are ahead, and those that ended within the last week; by start."""
        return await maintenance.load_maintenance(self._pool, org_id)

    async def find_maintenance(self, org_id: int, title_or_id: str) -> MaintenanceDetail:
        """The window of that title (in any case) or id that runs or is ahead.

        Raises:
            NotFound: there is none; the advice names the nearest.
            ValidationFailed: several have that title.
        """
        return await maintenance.find_window(self._pool, org_id, title_or_id)

    async def add_maintenance(
        self, org_id: int, window: MaintenanceConfig, services: Sequence[UUID], zone: ZoneInfo
    ) -> UUID:
        """Announce a window for some services; of a recurring one the first that is not over."""
        return await maintenance.add_window(self._pool, org_id, window, services, zone)

    async def edit_maintenance(
        self,
        org_id: int,
        window_id: UUID,
        window: MaintenanceConfig,
        services: Sequence[UUID],
        zone: ZoneInfo,
    ) -> None:
        """Change a window that runs or is ahead.

        Raises:
            Conflict: it ended meanwhile.
        """
        await maintenance.edit_window(self._pool, org_id, window_id, window, services, zone)

    async def cancel_maintenance(
        self, org_id: int, title_or_id: str, *, once: bool, zone: ZoneInfo
    ) -> MaintenanceDetail:
        """Cancel a window with all that recurs, or one occurrence; returns it as it was."""
        return await maintenance.cancel_window(
            self._pool, org_id, title_or_id, once=once, zone=zone
        )

    # -- configuration -----------------------------------------------------------------------------

    async def load_configuration(self, org_id: int) -> Configuration:
        """The whole configuration, as the file of `apply` holds it."""
        return await configuration.load_configuration(self._pool, org_id)

    async def apply_configuration(
        self, wanted: Configuration, *, dry_run: bool = False, prune: bool = False
    ) -> tuple[ConfigurationChange, ...]:
        """Make the database hold what a file says, whole or not at all.

        Args:
            wanted: what the file says; the organization is created when it does not exist and
                this person may.
            dry_run: only say what would change.
            prune: also remove pages, services, monitors and maintenance the file does not name.

        Returns:
            What was changed (or would be); empty when nothing.

        Raises:
            NotFound: no such organization for this person, and it may not be created.
            Forbidden, Conflict: the database refuses a part; then nothing was changed.
        """
        return await configuration.apply_configuration(
            self._pool, wanted, dry_run=dry_run, prune=prune
        )
