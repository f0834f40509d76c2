"""What is told about the demonstration's past: incidents with their updates, marks, windows.

The troubles named here decide which checks of the past failed, so that words and figures agree.
Times are counted back from the moment the world is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from statustui.domain.status import ErrorKind, Impact, IncidentStatus, ServiceStatus

_INVESTIGATING = IncidentStatus.INVESTIGATING
_IDENTIFIED = IncidentStatus.IDENTIFIED
_MONITORING = IncidentStatus.MONITORING
_RESOLVED = IncidentStatus.RESOLVED

_DEGRADED = ServiceStatus.DEGRADED_PERFORMANCE
_PARTIAL = ServiceStatus.PARTIAL_OUTAGE
_MAJOR = ServiceStatus.MAJOR_OUTAGE

YOU = ""
"""Stands for the person in front of the terminal, wherever an author is named."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How one monitor saw it.

    Attributes:
        service, monitor: whose checks went wrong.
        kind: the error; None for answers that were only slow.
        reason: as the engine would have put it.
        status_code: of the answer, if there was one.
        times_slower: for answers that were slow.
    """

    service: str
    monitor: str
    kind: ErrorKind | None
    reason: str = ""
    status_code: int | None = None
    times_slower: float = 1.0


@dataclass(frozen=True, slots=True)
class Words:
    """One update; `{since}` and `{lasted}` in a message stand for what the checks say.

    Attributes:
        minutes: after the start; of an open incident, too.
        author: None for the engine, `YOU` for the person in front.
        promise_minutes: the next update is promised this long after the world is made.
    """

    minutes: float
    status: IncidentStatus
    message: str
    author: str | None = None
    is_public: bool = True
    still_works: str | None = None
    promise_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class PastIncident:
    """One incident.

    Attributes:
        ago: how long before now it began; `at` replaces the time of day, in hours and minutes.
        lasted_minutes: how long checks saw it; None: until now.
        affected: services and what became of them.
        asked: whether people asked for these statuses, rather than the monitors.
        cause: the service whose failure explains it, where it is another one.
    """

    code: str
    title: str
    impact: Impact
    ago: timedelta
    at: tuple[int, int] | None
    lasted_minutes: float | None
    affected: tuple[tuple[str, ServiceStatus], ...]
    troubles: tuple[Trouble, ...]
    updates: tuple[Words, ...]
    created_by: str | None = None
    asked: bool = False
    internal_title: str | None = None
    cause: str | None = None
    postmortem: str | None = None

    def started_at(self, now: datetime) -> datetime:
        """When it began, UTC."""
        begun = now - self.ago
        if self.at is not None:
            begun = begun.replace(hour=self.at[0], minute=self.at[1], second=20, microsecond=0)
        return begun


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A maintenance window; its checks are flagged, and may fail without harm."""

    title: str
    description: str
    starts_in: timedelta
    at: tuple[int, int]
    minutes: float
    services: tuple[str, ...]
    created_by: str
    troubles: tuple[Trouble, ...] = ()

    def starts_at(self, now: datetime) -> datetime:
        """When it begins, UTC."""
        day = now + self.starts_in
        return day.replace(hour=self.at[0], minute=self.at[1], second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class PastMark:
    """Something that changed."""

    ago: timedelta
    text: str
    source: str
    services: tuple[str, ...]
    author: str


_DATABASE_GONE = (
    Trouble("Database", "port", ErrorKind.REFUSED, "connect to 10.20.0.5:5432 refused"),
    Trouble(
        "API",
        "health",
        ErrorKind.HTTP_STATUS,
        "HTTP 503 Service Unavailable, expected 200–299",
        503,
    ),
    Trouble(
        "Sign-in",
        "health",
        ErrorKind.HTTP_STATUS,
        "HTTP 503 Service Unavailable, expected 200–299",
        503,
    ),
    Trouble(
        "Checkout",
        "health",
        ErrorKind.HTTP_STATUS,
        "HTTP 503 Service Unavailable, expected 200–299",
        503,
    ),
)

_POSTMORTEM = """\
## What happened

At 13:40 UTC the primary database stopped accepting connections. The API answered part of its
requests with errors, and signing in and placing orders were not possible for 38 minutes.
**No data were lost**; orders that had been confirmed were kept.

## Why

A report that had been started by hand held a long transaction. Its temporary files filled the
disk of the primary, and the server stopped rather than risk damage. The alarm on free disk space
was set to 5 %, which left four minutes between the alarm and the stop.

## What went well

- The first failed check was on the page one minute later.
- The standby was up to date, and switching to it worked as practised.

## What we changed

1. Reports run against the standby, with a limit on temporary files.
2. The alarm on free disk space comes at 20 %.
3. The switch to the standby is one command now, and practised every month.
"""

INCIDENTS = (
    PastIncident(
        code="INC-R3P7",
        title="Reports take longer than usual",
        internal_title="Render queue saturated after the month-end import",
        impact=Impact.MINOR,
        ago=timedelta(hours=3, minutes=10),
        at=None,
        lasted_minutes=None,
        affected=(("Reports", _DEGRADED),),
        asked=True,
        troubles=(Trouble("Reports", "render", None, times_slower=4.7),),
        created_by=YOU,
        updates=(
            Words(
                9,
                _INVESTIGATING,
                "Reports and exports take several times longer than usual. We are looking into "
                "the cause.",
                YOU,
                still_works="Dashboards and scheduled reports are not affected.",
            ),
            Words(
                22,
                _IDENTIFIED,
                "Queue depth 1,900 and falling by about 9 a minute. Not urgent tonight.",
                "mika",
                is_public=False,
            ),
            Words(
                41,
                _IDENTIFIED,
                "A large import keeps the render workers busy. **Reports are complete and "
                "correct**, they only take longer. We have added workers and the backlog is "
                "shrinking.",
                YOU,
                still_works="Dashboards and scheduled reports are not affected.",
                promise_minutes=45,
            ),
        ),
    ),
    PastIncident(
        code="INC-4KX9",
        title="Push notifications to some phones are delayed",
        internal_title="Vendor trouble: one push provider delays delivery",
        impact=Impact.MINOR,
        ago=timedelta(hours=26, minutes=5),
        at=None,
        lasted_minutes=0,
        affected=(("Push notifications", _DEGRADED),),
        asked=True,
        troubles=(),
        created_by="priya",
        updates=(
            Words(
                4,
                _INVESTIGATING,
                "Some customers report that notifications reach their phones late. Our own "
                "gateway hands them over at once, so we are asking the providers.",
                "priya",
            ),
            Words(
                58,
                _IDENTIFIED,
                "One of the providers that carry notifications to phones confirms delays of up "
                "to 20 minutes. Nothing is lost. Our gateway and the other providers work "
                "normally.",
                "priya",
                still_works="E-mail and in-app messages arrive at once.",
            ),
            Words(
                1_130,
                _IDENTIFIED,
                "The provider has brought delays down to about five minutes and is still "
                "working on it.",
                "jonas",
                still_works="E-mail and in-app messages arrive at once.",
                promise_minutes=180,
            ),
        ),
    ),
    PastIncident(
        code="INC-8QZ2",
        title="Card payments are slow",
        impact=Impact.MINOR,
        ago=timedelta(days=2),
        at=(9, 12),
        lasted_minutes=24,
        affected=(("Payments", _DEGRADED),),
        asked=False,
        troubles=(Trouble("Payments", "status", None, times_slower=8.0),),
        created_by="jonas",
        updates=(
            Words(
                5, _INVESTIGATING, "Card payments take longer than usual; they succeed.", "jonas"
            ),
            Words(
                14,
                _IDENTIFIED,
                "One of our acquirers answers slowly. We are moving traffic to another.",
                "jonas",
            ),
            Words(
                25,
                _MONITORING,
                "Traffic has been moved and payments are back to their usual speed.",
                "jonas",
            ),
            Words(
                47, _RESOLVED, "Payments have been at their usual speed for 20 minutes.", "jonas"
            ),
        ),
    ),
    PastIncident(
        code="INC-7D5M",
        title="API is partly unavailable, Sign-in and Checkout are unavailable",
        internal_title="Database takes down API, Sign-in and Checkout",
        impact=Impact.CRITICAL,
        ago=timedelta(days=5),
        at=(13, 40),
        lasted_minutes=38,
        affected=(
            ("Database", _MAJOR),
            ("API", _PARTIAL),
            ("Sign-in", _MAJOR),
            ("Checkout", _MAJOR),
        ),
        troubles=_DATABASE_GONE,
        cause="Database",
        updates=(
            Words(
                2,
                _INVESTIGATING,
                "Automatic checks of API, Sign-in and Checkout have been failing since {since} "
                "UTC. We are investigating.",
            ),
            Words(
                7,
                _INVESTIGATING,
                "Signing in and placing orders is not possible at the moment, and the API "
                "answers part of its requests with errors. We know that this hurts and are on "
                "it.",
                "mika",
                still_works="The website, search and file downloads.",
            ),
            Words(
                11,
                _IDENTIFIED,
                "Primary is out of disk; postgres stopped itself. Standby has zero lag.",
                "mika",
                is_public=False,
            ),
            Words(
                18,
                _IDENTIFIED,
                "The primary database has stopped. We are switching to its standby, which is "
                "up to date.",
                "mika",
                still_works="The website, search and file downloads.",
            ),
            Words(
                40,
                _MONITORING,
                "The standby has taken over and everything works again. We keep watching.",
                "mika",
            ),
            Words(
                75,
                _RESOLVED,
                "All services have been stable for half an hour. No data were lost. We will "
                "publish what happened and what we change.",
                "mika",
            ),
        ),
        postmortem=_POSTMORTEM,
    ),
    PastIncident(
        code="INC-2HV6",
        title="DNS is partly unavailable",
        impact=Impact.MAJOR,
        ago=timedelta(days=11),
        at=(22, 5),
        lasted_minutes=34,
        affected=(("DNS", _PARTIAL),),
        troubles=(
            Trouble("DNS", "mail MX", ErrorKind.DNS, "SERVFAIL for demo.test MX from 10.20.0.2"),
        ),
        updates=(
            Words(
                0.4,
                _INVESTIGATING,
                "Automatic checks of DNS have been failing since {since} UTC. We are "
                "investigating.",
            ),
            Words(
                34.1,
                _MONITORING,
                "Automatic checks of DNS succeed again. We are watching that it stays so.",
            ),
            Words(
                36,
                _RESOLVED,
                "Automatic checks of DNS succeed again. The disruption lasted {lasted}.",
            ),
        ),
    ),
    PastIncident(
        code="INC-9TB4",
        title="Uploads and downloads fail",
        impact=Impact.CRITICAL,
        ago=timedelta(days=19),
        at=(6, 30),
        lasted_minutes=52,
        affected=(("File storage", _MAJOR),),
        asked=False,
        troubles=(
            Trouble(
                "File storage",
                "object",
                ErrorKind.TIMEOUT,
                "no answer from 10.20.3.7:9000 within 2 s",
            ),
        ),
        created_by="priya",
        updates=(
            Words(
                6,
                _INVESTIGATING,
                "Files cannot be uploaded or downloaded at the moment. We are investigating.",
                "priya",
                still_works="Everything that does not need attachments.",
            ),
            Words(
                21,
                _IDENTIFIED,
                "A switch in front of the storage cluster has failed. It is being replaced by "
                "its spare.",
                "priya",
            ),
            Words(
                54,
                _MONITORING,
                "The spare is in place; uploads and downloads work. Uploads that failed have "
                "to be repeated.",
                "priya",
            ),
            Words(90, _RESOLVED, "Stable for half an hour. Nothing stored was lost.", "priya"),
        ),
    ),
    PastIncident(
        code="INC-6NW1",
        title="Website is unavailable",
        impact=Impact.CRITICAL,
        ago=timedelta(days=33),
        at=(16, 20),
        lasted_minutes=26,
        affected=(("Website", _MAJOR),),
        troubles=(
            Trouble(
                "Website",
                "home page",
                ErrorKind.TLS,
                "certificate of www.demo.test:443 expired on the same day",
            ),
        ),
        updates=(
            Words(
                0.4,
                _INVESTIGATING,
                "Automatic checks of Website have been failing since {since} UTC. We are "
                "investigating.",
            ),
            Words(
                26.1,
                _MONITORING,
                "Automatic checks of Website succeed again. We are watching that it stays so.",
            ),
            Words(
                28,
                _RESOLVED,
                "Automatic checks of Website succeed again. The disruption lasted {lasted}.",
            ),
        ),
    ),
    PastIncident(
        code="INC-5CJ8",
        title="E-mail is delivered late",
        impact=Impact.MAJOR,
        ago=timedelta(days=47),
        at=(10, 0),
        lasted_minutes=125,
        affected=(("E-mail", _MAJOR),),
        asked=False,
        troubles=(
            Trouble(
                "E-mail",
                "smtp",
                ErrorKind.ASSERTION,
                "10.20.0.9:25 did not say “220” before it closed the connection, it said “421 "
                "mail.demo.test too busy, try again later”",
            ),
        ),
        created_by="jonas",
        updates=(
            Words(
                8,
                _INVESTIGATING,
                "Receipts and notices by mail arrive late. They are queued, none is lost.",
                "jonas",
            ),
            Words(
                35,
                _IDENTIFIED,
                "A mass mailing by one customer fills the queue. We are separating it.",
                "jonas",
            ),
            Words(127, _MONITORING, "The queue is empty again; new mail leaves at once.", "jonas"),
            Words(170, _RESOLVED, "Mail has been delivered at once for 40 minutes.", "jonas"),
        ),
    ),
    PastIncident(
        code="INC-3EF5",
        title="Search is slow",
        impact=Impact.MINOR,
        ago=timedelta(days=68),
        at=(1, 15),
        lasted_minutes=61,
        affected=(("Search", _DEGRADED),),
        asked=False,
        troubles=(Trouble("Search", "query", None, times_slower=14.0),),
        created_by="mika",
        updates=(
            Words(20, _IDENTIFIED, "An index is being rebuilt; searches take a second.", "mika"),
            Words(63, _RESOLVED, "The index is ready and searches are fast again.", "mika"),
        ),
    ),
)

WINDOWS = (
    PastWindow(
        title="Database upgrade",
        description="We upgrade the primary database. Signing in, orders and the API pause for up "
        "to half an hour within this window.",
        starts_in=timedelta(days=-26),
        at=(2, 0),
        minutes=60,
        services=("API", "Sign-in", "Checkout", "Database"),
        created_by="mika",
        troubles=_DATABASE_GONE,
    ),
    PastWindow(
        title="Work on the network in Frankfurt",
        description="Routers in one of our data centres are replaced, one after the other. "
        "Traffic takes another way meanwhile; expect slightly longer response times.",
        starts_in=timedelta(days=3),
        at=(22, 0),
        minutes=120,
        services=("Edge network", "DNS"),
        created_by="mika",
    ),
)

MARKS = (
    PastMark(timedelta(minutes=47), "web 3.18 deployed", "deploy", ("Website",), "jonas"),
    PastMark(
        timedelta(hours=3, minutes=31), "month-end import started", "cron", ("Reports",), "mika"
    ),
    PastMark(timedelta(hours=21), "checkout 5.2.0 deployed", "deploy", ("Checkout",), "priya"),
    PastMark(timedelta(days=1, hours=4), "api 1.42.0 deployed", "deploy", ("API",), "jonas"),
    PastMark(timedelta(days=2, hours=6), "search index rebuilt", "cron", ("Search",), "mika"),
    PastMark(timedelta(days=5, hours=2), "switch to the standby", "runbook", ("Database",), "mika"),
    PastMark(timedelta(days=6, hours=3), "api 1.41.2 deployed", "deploy", ("API",), "jonas"),
)
