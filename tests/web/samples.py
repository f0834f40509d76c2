"""Pages made up for tests: a shop's 43 services on a quiet day, in an outage, under maintenance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from statustui.domain.publicmodels import (
    PublicAffected,
    PublicDay,
    PublicIncident,
    PublicMaintenance,
    PublicMaintenanceUpdate,
    PublicPage,
    PublicPoint,
    PublicService,
    PublicUpdate,
)
from statustui.domain.status import (
    Impact,
    IncidentStatus,
    MaintenanceStatus,
    ServiceStatus,
    Visibility,
)

NOW = datetime(2026, 11, 19, 14, 52, 10, tzinfo=UTC)
TODAY = NOW.date()

GROUPS: dict[str, tuple[str, ...]] = {
    "Payments": (
        "Card payments", "Checkout", "Payouts", "Invoices", "Bank transfers", "Refunds",
        "Fraud screening",
    ),
    "API": (
        "REST API", "GraphQL API", "Streaming API", "Batch API", "Webhooks", "File uploads",
        "Sandbox", "API keys",
    ),
    "Apps": ("Dashboard", "Sign-in", "Passkeys", "iPhone app", "Android app", "Point of sale"),
    "Search and data": (
        "Search", "Reports", "Exports", "Warehouse sync", "Analytics", "Audit log",
    ),
    "Messaging": (
        "E-mail receipts", "Text messages", "Push notifications", "In-app messages",
        "Support chat",
    ),
    "Integrations": (
        "Accounting sync", "Tax calculation", "Shipping labels", "Customer records sync",
        "Marketplace", "Spreadsheet add-on (read-only until March 2027)", "Inventory sync",
    ),
    "Delivery": ("Europe", "North America", "Asia Pacific", "Documentation"),
}  # fmt: skip


def number(*parts: object) -> int:
    """A number that looks random and is the same every time."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=4).digest())


def uuid(*parts: object) -> UUID:
    """An id that is the same every time."""
    return UUID(bytes=hashlib.blake2b(repr(parts).encode(), digest_size=16).digest())


def at(text: str) -> datetime:
    """A moment from "19 14:07" (November) or "2026-09-07 10:00"."""
    if "-" in text:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def days(
    name: str, bad: dict[date, tuple[ServiceStatus, int, tuple[str, ...]]], count: int = 90
) -> tuple[PublicDay, ...]:
    """Days with a check every 20 s; `bad` gives status, failed checks and incidents of a day."""
    made = []
    for back in range(count - 1, -1, -1):
        on = TODAY - timedelta(days=back)
        checks = 4320
        looked = checks
        status, failed, codes = bad.get(on, (ServiceStatus.OPERATIONAL, 0, ()))
        if on == date(2026, 10, 2):
            looked = 3024
        elif number(name, on) % 97 == 0:
            looked = checks - number(name, on) % 400
        average = 120.0 + number(name) % 200
        made.append(
            PublicDay(
                day=on,
                succeeded=looked - failed,
                looked=looked,
                checks=looked,
                slots_scheduled=checks,
                slots_looked=looked,
                avg_ms=average,
                p95_ms=average * 2.3,
                worst_status=status,
                incident_codes=codes,
            )
        )
    return tuple(made)


def points(name: str, *, silent: int = 0, slow: bool = False) -> tuple[PublicPoint, ...]:
    """24 hours of response times; the last `silent` ones without an answer."""
    right = NOW.replace(minute=0, second=0, microsecond=0)
    made = []
    for back in range(23, -1, -1):
        hour = right - timedelta(hours=back)
        median = 80 + number(name) % 160 + number(name, back) % 40
        if slow and back < 2:
            median *= 4
        if back < silent:
            made.append(PublicPoint(hour, None, None, None, None, 180))
        else:
            spread = 1.8 + number(name, back, "p95") % 90 / 100
            made.append(
                PublicPoint(
                    hour, median * 1.1, float(median), median * spread, median * spread * 1.4, 180
                )
            )
    return tuple(made)


def update(
    status: IncidentStatus,
    when: str,
    message: str,
    *,
    auto: bool = False,
    still_works: str | None = None,
    edited: str | None = None,
    promise: str | None = None,
) -> PublicUpdate:
    """One update of an incident."""
    return PublicUpdate(
        id=uuid("update", when, message),
        status=status,
        message=message,
        still_works=still_works,
        created_at=at(when),
        edited_at=at(edited) if edited else None,
        detected_automatically=auto,
        next_update_by=at(promise) if promise else None,
    )


def incident(
    code: str,
    title: str,
    impact: Impact,
    started: str,
    updates: Sequence[PublicUpdate],
    services: Sequence[tuple[str, ServiceStatus]],
    *,
    resolved: str | None = None,
    promise: str | None = None,
    auto: bool = False,
    postmortem: str | None = None,
) -> PublicIncident:
    """An incident; `updates` are newest first."""

    def first(status: IncidentStatus) -> datetime | None:
        return min((u.created_at for u in updates if u.status is status), default=None)

    return PublicIncident(
        id=uuid("incident", code),
        code=code,
        title=title,
        status=updates[0].status if updates else IncidentStatus.INVESTIGATING,
        impact=impact,
        is_auto=auto,
        started_at=at(started),
        identified_at=first(IncidentStatus.IDENTIFIED),
        monitoring_at=first(IncidentStatus.MONITORING),
        resolved_at=at(resolved) if resolved else None,
        created_at=min((u.created_at for u in updates), default=at(started)),
        updated_at=max((u.created_at for u in updates), default=at(started)),
        next_update_by=at(promise) if promise else None,
        updates=tuple(updates),
        services=tuple(
            PublicAffected(uuid("service", name), name, ServiceStatus.OPERATIONAL, status)
            for name, status in services
        ),
        postmortem=postmortem,
    )


MAJOR = ServiceStatus.MAJOR_OUTAGE
PARTIAL = ServiceStatus.PARTIAL_OUTAGE
SLOW = ServiceStatus.DEGRADED_PERFORMANCE
WORK = ServiceStatus.UNDER_MAINTENANCE

PAST = (
    incident(
        "INC-K3VD", "Webhooks delivered late", Impact.MINOR, "18 08:31",
        [
            update(
                IncidentStatus.RESOLVED, "18 09:12",
                "Deliveries between 08:31 and 09:12 UTC arrived up to 38 minutes late. All have "
                "been delivered; none was lost.",
            ),
            update(IncidentStatus.INVESTIGATING, "18 08:35", "Webhooks arrive late.", auto=True),
        ],
        [("Webhooks", SLOW)], resolved="18 09:12", auto=True,
    ),
    incident(
        "INC-9XW1", "Checkout errors", Impact.MAJOR, "12 22:04",
        [
            update(
                IncidentStatus.RESOLVED, "12 22:51",
                "About one in three payments failed between 22:04 and 22:51 UTC. Nobody was "
                "charged for a failed payment.",
            ),
        ],
        [("Card payments", MAJOR), ("Checkout", MAJOR)], resolved="12 22:51",
        postmortem="## What went wrong\n\nA certificate of the *payment gateway* expired.\n\n"
        "- It was not watched.\n- It is now.",
    ),
    incident(
        "INC-B77Q", "Slow search", Impact.MINOR, "9 10:00",
        [update(IncidentStatus.RESOLVED, "9 11:12", "")], [("Search", SLOW)], resolved="9 11:12",
    ),
    incident(
        "INC-M0NT", "Sign-in was slow", Impact.MINOR, "2026-09-07 10:00",
        [update(IncidentStatus.RESOLVED, "2026-09-07 10:07", "Sign-in is as fast as before.")],
        [("Sign-in", SLOW)], resolved="2026-09-07 10:07",
    ),
)  # fmt: skip

OUTAGE = incident(
    "INC-7KQ2", "Card payments and checkout are failing", Impact.CRITICAL, "19 14:07",
    [
        update(
            IncidentStatus.IDENTIFIED, "19 14:46",
            "We have found the cause and are bringing the four services back one at a time, card "
            "payments first. We expect the first payments to go through by 15:10 UTC. Until then "
            "a payment fails at once instead of hanging.\n\nNobody is charged for a payment that "
            "fails. There is no need to change anything on your side.",
            still_works="Sign-in, Dashboard, Bank transfers, Refunds and all API reads work "
            "normally. Orders placed now are kept and can be paid later.",
            promise="19 15:15",
        ),
        update(
            IncidentStatus.INVESTIGATING, "19 14:18",
            "We can confirm that card payments and checkout have failed for all customers since "
            "14:07 UTC. Payouts and invoices created since then are waiting and will be sent when "
            "this is over.",
            edited="19 14:25",
        ),
        update(
            IncidentStatus.INVESTIGATING, "19 14:09",
            "Our checks of Card payments, Checkout, Payouts and Invoices have failed since 14:07 "
            "UTC. A person has been called.",
            auto=True,
        ),
    ],
    [("Card payments", MAJOR), ("Checkout", MAJOR), ("Payouts", MAJOR), ("Invoices", MAJOR)],
    promise="19 15:15", auto=True,
)  # fmt: skip


def maintenance(
    title: str,
    starts: str,
    ends: str,
    services: tuple[str, ...],
    *,
    description: str = "",
    status: MaintenanceStatus = MaintenanceStatus.SCHEDULED,
    rule: str | None = None,
    updates: Sequence[tuple[MaintenanceStatus, str, str]] = (),
) -> PublicMaintenance:
    """A maintenance window."""
    return PublicMaintenance(
        id=uuid("maintenance", title),
        title=title,
        description=description,
        starts_at=at(starts),
        ends_at=at(ends),
        status=status,
        recurrence_rule=rule,
        services=services,
        service_ids=tuple(uuid("service", name) for name in services),
        updates=tuple(
            PublicMaintenanceUpdate(uuid("maintenance", title, when), said, message, at(when))
            for said, when, message in updates
        ),
    )


COMING = (
    maintenance(
        "Reporting storage moves to new disks", "22 02:00", "22 04:00",
        ("Reports", "Exports", "Analytics"),
        description="Reports, Exports and Analytics pause. Payments and the API are not touched.",
    ),
    maintenance(
        "Weekly restart of the sandbox", "29 02:00", "29 03:00", ("Sandbox",),
        description="Sandbox answers 503 for up to five minutes within the hour.",
        rule="FREQ=WEEKLY;BYDAY=SU",
    ),
)  # fmt: skip


def services(now_status: dict[str, tuple[ServiceStatus, str]]) -> tuple[PublicService, ...]:
    """The shop's services, with the present status of some of them."""
    made = []
    order = 0
    for group, names in GROUPS.items():
        for name in names:
            bad: dict[date, tuple[ServiceStatus, int, tuple[str, ...]]] = {}
            for index in range(number(name, "bad") % 4):
                on = TODAY - timedelta(days=15 + number(name, index) % 70)
                bad[on] = ((SLOW, SLOW, PARTIAL)[number(name, on, "s") % 3], 20 + index * 40, ())
            for past in PAST:
                for affected in past.services:
                    if affected.name == name:
                        bad[past.started_at.date()] = (affected.to_status, 140, (past.code,))
            if group == "Search and data":
                bad[date(2026, 9, 13)] = (WORK, 0, ())
            status, since = now_status.get(name, (ServiceStatus.OPERATIONAL, "2026-08-01 00:00"))
            if status is MAJOR:
                bad[TODAY] = (status, 135, (OUTAGE.code,))
            elif status is not ServiceStatus.OPERATIONAL:
                bad[TODAY] = (status, 0, ())
            young = name == "Passkeys"
            made.append(
                PublicService(
                    id=uuid("service", name),
                    name=name,
                    description=f"{name}, as customers see it." if order % 3 == 0 else None,
                    group_name=group,
                    display_order=order,
                    status=status,
                    status_since=at(since),
                    created_at=NOW - timedelta(days=36 if young else 400),
                    days=days(name, bad, 37 if young else 90),
                    points=points(name, silent=1 if status is MAJOR else 0, slow=status is SLOW),
                )
            )
            order += 1
    return tuple(made)


def page(
    now_status: dict[str, tuple[ServiceStatus, str]] | None = None,
    incidents: tuple[PublicIncident, ...] = PAST,
    windows: tuple[PublicMaintenance, ...] = COMING,
) -> PublicPage:
    """The shop's page."""
    return PublicPage(
        slug="acme",
        name="Acme Status",
        description="Checked from outside by Acme's own monitoring.",
        headline=None,
        support_link="https://acme.test/support",
        visibility=Visibility.PUBLIC,
        custom_domain=None,
        theme="auto",
        organization_name="Acme Corp",
        organization_slug="acme",
        organization_url=None,
        logo_url=None,
        brand_color="#3B82F6",
        timezone="Europe/Berlin",
        revision="1",
        read_at=NOW,
        observed_at=NOW - timedelta(seconds=8),
        services=services(now_status or {}),
        incidents=incidents,
        maintenance=windows,
    )


def quiet_page() -> PublicPage:
    """All is well; the last incident was yesterday."""
    old = tuple(past for past in PAST if past.code != "INC-K3VD")
    return page(incidents=old)


def resolved_page() -> PublicPage:
    """All is well again since less than a day."""
    return page()


def outage_page() -> PublicPage:
    """Four services are down, one is slow."""
    down = dict.fromkeys(("Card payments", "Checkout", "Payouts"), (MAJOR, "19 14:07"))
    down["Invoices"] = (MAJOR, "19 14:09")
    down["Search"] = (SLOW, "19 14:31")
    return page(down, (OUTAGE, *PAST))


def maintenance_page() -> PublicPage:
    """Three services are worked on, as announced."""
    window = maintenance(
        "Reporting storage moves to new disks", "19 14:00", "19 16:00",
        ("Reports", "Exports", "Analytics"),
        description="The storage behind reporting is replaced. Events are recorded during the "
        "work and appear in Reports within 30 minutes after its end.",
        status=MaintenanceStatus.IN_PROGRESS,
        updates=[
            (
                MaintenanceStatus.IN_PROGRESS, "19 14:30",
                "The first of two copies is done and verified. We are on schedule.",
            ),
            (MaintenanceStatus.IN_PROGRESS, "19 14:00", "The announced work has begun."),
            (
                MaintenanceStatus.SCHEDULED, "12 09:00",
                "On 19 November, 14:00 to 16:00 UTC, we move the storage behind reporting.",
            ),
        ],
    )  # fmt: skip
    pausing = dict.fromkeys(("Reports", "Exports", "Analytics"), (WORK, "19 14:00"))
    return page(pausing, PAST, (window, COMING[1]))


def empty_page() -> PublicPage:
    """A page to which nothing was added yet."""
    return replace(
        page(incidents=(), windows=()), services=(), observed_at=None, description="", slug="new"
    )


def small_page() -> PublicPage:
    """Two services without groups and nothing else."""
    full = page(incidents=(), windows=())
    return replace(
        full, services=tuple(replace(each, group_name=None) for each in full.services[:2])
    )


HOSTILE = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)>{{7*7}}'


def hostile_page() -> PublicPage:
    """Every text that a person can write holds markup, scripts and template syntax."""
    full = outage_page()
    return replace(
        full,
        name=HOSTILE,
        description=HOSTILE,
        headline=HOSTILE,
        support_link="javascript:alert(1)",
        organization_name=HOSTILE,
        brand_color="red;}</style>",
        services=tuple(
            replace(each, name=HOSTILE, description=HOSTILE, group_name=HOSTILE)
            for each in full.services
        ),
        incidents=tuple(
            replace(
                each,
                title=HOSTILE,
                postmortem=HOSTILE,
                updates=tuple(
                    replace(
                        entry,
                        message=f"{HOSTILE}\n\n[a](javascript:alert(1)) ![b](https://x.test/p.png)"
                        "\n\n<iframe src=//x.test></iframe>\n\n[c](data:text/html,x)",
                        still_works=HOSTILE,
                    )
                    for entry in each.updates
                ),
                services=tuple(replace(each_one, name=HOSTILE) for each_one in each.services),
            )
            for each in full.incidents
        ),
        maintenance=tuple(
            replace(
                window,
                title=HOSTILE,
                description=HOSTILE,
                services=(HOSTILE,) * len(window.services),
                updates=tuple(replace(each, message=HOSTILE) for each in window.updates),
            )
            for window in full.maintenance
        ),
    )
