"""Compares incidents, statuses and what is to be told with the outages that there really were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from tests.chaos.limits import Finding, Limits
from tests.chaos.tables import Row, Tables
from tests.chaos.truth import Outage, TargetTruth, Truth, overlap

_FOREVER = float("inf")


def audit_incidents(tables: Tables, truth: Truth, limits: Limits) -> Iterable[Finding]:
    """All findings about incidents, timelines, statuses and deliveries."""
    story = _Story(tables, truth, limits)
    yield from story.invented()
    yield from story.wrong_times()
    yield from story.missed()
    yield from story.twice()
    yield from story.left_open()
    yield from story.statuses()
    yield from _timelines(tables)
    yield from _told(tables)


class _Story:
    """Incidents beside outages.

    Args:
        tables: the snapshot; truth: the targets' account; limits: what is promised.
    """

    def __init__(self, tables: Tables, truth: Truth, limits: Limits) -> None:
        self._tables = tables
        self._truth = truth
        self._limits = limits
        self._margin = 1.0 + truth.clock_seconds
        self._targets: dict[UUID, list[tuple[Row, TargetTruth]]] = defaultdict(list)
        for monitor in tables.monitors:
            if (target := truth.targets.get(monitor["url"])) is not None:
                self._targets[monitor["service_id"]].append((monitor, target))
        self._outages = {url: target.outages() for url, target in truth.targets.items()}
        self._by_service: dict[UUID, list[Row]] = defaultdict(list)
        for incident in tables.automatic:
            for service in tables.services_of.get(incident["id"], ()):
                self._by_service[service].append(incident)

    # -- incidents -------------------------------------------------------------------------------

    def invented(self) -> Iterable[Finding]:
        """Incidents about services that were well."""
        for incident in self._tables.automatic:
            services = self._tables.services_of.get(incident["id"], ())
            if not services:
                yield Finding("invented incident", f"{incident['code']} is about nothing")
            for service in services:
                if not self._explains(incident, service):
                    yield Finding(
                        "invented incident",
                        f"{incident['code']} of {_clock(_at(incident['started_at']))} names "
                        f"{self._service(service)}, which nobody found broken then",
                    )

    def wrong_times(self) -> Iterable[Finding]:
        """Incidents that began, recovered or ended at other times than the outage."""
        for incident in self._tables.automatic:
            mine = [
                outage
                for service in self._tables.services_of.get(incident["id"], ())
                for outage in self._explains(incident, service)
            ]
            if not mine:
                continue
            yield from self._wrong_start(incident, mine)
            yield from self._wrong_recovery(incident, mine)

    def _wrong_start(self, incident: Row, outages: list[Outage]) -> Iterable[Finding]:
        started = _at(incident["started_at"])
        first = min(outages, key=lambda outage: outage.begin)
        seen = first.first_seen
        if started < first.begin - self._margin:
            yield Finding(
                "wrong time",
                f"{incident['code']} began at {_clock(started)}, before its outage did at "
                f"{_clock(first.begin)}",
            )
        if seen is not None and started > seen + self._slack(seen, started):
            yield Finding(
                "wrong time",
                f"{incident['code']} began at {_clock(started)}, but its target was found broken "
                f"at {_clock(seen)} already",
            )

    def _wrong_recovery(self, incident: Row, outages: list[Outage]) -> Iterable[Finding]:
        for column, word in (("monitoring_at", "recovered"), ("resolved_at", "was resolved")):
            value = incident[column]
            if value is None or incident["status"] not in ("monitoring", "resolved"):
                continue
            at = _at(value)
            over = [outage for outage in outages if outage.begin <= at]
            lasting = [outage for outage in over if (outage.end or _FOREVER) > at + self._margin]
            if lasting and incident["touched_at"] is None:
                yield Finding(
                    "wrong time",
                    f"{incident['code']} {word} at {_clock(at)}, in the middle of an outage",
                )
                continue
            ends = [outage.first_good for outage in over if outage.first_good is not None]
            if not ends or incident["touched_at"] is not None:
                continue
            expected = max(ends) + self._recovery_seconds(incident, column)
            if column == "resolved_at":
                # Nobody can have decided it while the watch or its database was away.
                expected = max([expected, *self._ends_of_faults(max(ends), at)])
            if at > expected + self._slack(max(ends), at):
                yield Finding(
                    "wrong time",
                    f"{incident['code']} {word} at {_clock(at)}; its targets were well again "
                    f"at {_clock(max(ends))}",
                )

    def _ends_of_faults(self, begin: float, at: float) -> list[float]:
        return [last for _, last in self._truth.faults() if begin <= last <= at]

    def _recovery_seconds(self, incident: Row, column: str) -> float:
        services = self._tables.services_of[incident["id"]]
        looks = max(
            (
                (monitor["recovery_threshold"] - 1) * monitor["interval_seconds"]
                for service in services
                for monitor, _ in self._targets[service]
            ),
            default=0,
        )
        if column == "monitoring_at":
            return float(looks)
        watch = max(
            self._tables.services[service]["recovery_watch_seconds"]
            for service in services
            if service in self._tables.services
        )
        return float(looks + watch)

    def missed(self) -> Iterable[Finding]:
        """Outages that lasted and that no incident is about."""
        for service, pairs in self._targets.items():
            row = self._tables.services.get(service)
            if row is None or row["mode"] == "off" or row["in_window"]:
                continue
            if row["pinned_status"] in ("operational", "under_maintenance"):
                continue
            for monitor, target in pairs:
                for outage in self._outages[target.url]:
                    why = self._must_be_known(monitor, outage)
                    if why and not self._is_covered(service, outage):
                        yield Finding(
                            "missed outage",
                            f"{target.name} was broken from {_clock(outage.begin)} to "
                            f"{_clock(outage.end)}, {why}, and no incident is about {row['name']}",
                        )

    def _must_be_known(self, monitor: Row, outage: Outage) -> str:
        now = self._tables.at - self._limits.settle
        end = min(outage.end or now, now)
        needed = self._confirmation(monitor, outage)
        unwatched = overlap(outage.begin, end, self._truth.unwatched(self._limits.hand_over))
        watched = end - outage.begin - unwatched
        if watched > needed:
            return f"{watched:.1f} s of it watched where {needed:.1f} s are enough"
        if outage.end is None:
            return ""
        # It may have been short and still be known, when there were enough looks in a row.
        forgotten = self._truth.forgotten(self._limits.hand_over)
        last = max((until for since, until in forgotten if since <= outage.end), default=0.0)
        row = [bad for bad in outage.bad if bad.at > last]
        if len(row) >= monitor["failure_threshold"]:
            return f"which {len(row)} looks in a row found"
        return ""

    def _confirmation(self, monitor: Row, outage: Outage | None = None) -> float:
        """How long it takes until an outage is known; any outage when none is given."""
        threshold: int = monitor["failure_threshold"]
        waits = outage is None or "hang" in outage.modes
        return float(
            monitor["interval_seconds"]
            + (threshold - 1) * monitor["retry_interval_seconds"]
            + (threshold * monitor["timeout_ms"] / 1000 if waits else 0.0)
            + self._limits.confirmed
        )

    def twice(self) -> Iterable[Finding]:
        """Services with two automatic incidents at once, and outages with two incidents."""
        for service, incidents in self._by_service.items():
            ordered = sorted(incidents, key=lambda incident: incident["started_at"])
            for before, after in pairwise(ordered):
                ended = before["resolved_at"]
                if ended is None or after["started_at"] < ended:
                    yield Finding(
                        "two incidents at once",
                        f"{self._service(service)} has {before['code']} and {after['code']}",
                    )
            for _, target in self._targets[service]:
                for outage in self._outages[target.url]:
                    about = [
                        incident["code"]
                        for incident in incidents
                        if outage.begin - self._limits.clock
                        <= _at(incident["started_at"])
                        <= (outage.end or _FOREVER)
                    ]
                    if len(about) > 1 and len(self._targets[service]) == 1:
                        yield Finding(
                            "one outage, two incidents",
                            f"{target.name} broke once, at {_clock(outage.begin)}, and there are "
                            f"{' and '.join(about)}",
                        )

    def left_open(self) -> Iterable[Finding]:
        """Incidents that are open although everything has been well for long enough."""
        for incident in self._tables.automatic:
            if incident["status"] == "resolved" or incident["touched_at"] is not None:
                continue
            services = self._tables.services_of.get(incident["id"], ())
            targets = [target for service in services for _, target in self._targets[service]]
            if not targets or any(target.mode() != "ok" for target in targets):
                continue
            good = [self._last_recovery(target) for target in targets]
            if any(each is None for each in good):
                continue
            allowed = self._recovery_seconds(incident, "resolved_at") + self._limits.hand_over
            over = self._tables.at - max(each for each in good if each is not None)
            if over > allowed:
                yield Finding(
                    "left open",
                    f"{incident['code']} is {incident['status']}, {over:.0f} s after everything "
                    "in it was found well",
                )

    def _last_recovery(self, target: TargetTruth) -> float | None:
        outages = self._outages[target.url]
        return outages[-1].first_good if outages else 0.0

    def _explains(self, incident: Row, service: UUID) -> list[Outage]:
        """The outages of a service that an incident may be about: those that somebody saw."""
        begin = _at(incident["started_at"]) - self._margin
        end = _FOREVER if incident["resolved_at"] is None else _at(incident["resolved_at"])
        return [
            outage
            for _, target in self._targets[service]
            for outage in self._outages[target.url]
            if outage.first_seen is not None
            and outage.begin <= end + self._margin
            and (outage.end or _FOREVER) >= begin
        ]

    def _is_covered(self, service: UUID, outage: Outage) -> bool:
        end = _FOREVER if outage.end is None else outage.end
        return any(
            _at(incident["started_at"]) <= end + self._margin
            and (
                incident["resolved_at"] is None
                or _at(incident["resolved_at"]) >= outage.begin - self._margin
            )
            for incident in (*self._by_service[service], *self._of_people(service))
        )

    def _of_people(self, service: UUID) -> list[Row]:
        return [
            incident
            for incident in self._tables.incidents
            if not incident["is_auto"]
            and service in self._tables.services_of.get(incident["id"], ())
        ]

    def _slack(self, begin: float, end: float) -> float:
        """How far a time may be off: more when something was done to the watch meanwhile."""
        slack = self._limits.late + self._truth.clock_seconds
        if self._truth.disturbed(begin, end, self._limits.hand_over):
            slack += self._limits.live
        return slack

    def _service(self, service: UUID) -> str:
        row = self._tables.services.get(service)
        return str(service) if row is None else str(row["name"])

    # -- statuses --------------------------------------------------------------------------------

    def statuses(self) -> Iterable[Finding]:
        """Monitors that say something else than their targets, services than their monitors."""
        for service, pairs in self._targets.items():
            for monitor, target in pairs:
                yield from self._monitor_at_rest(monitor, target)
            row = self._tables.services.get(service)
            if row is None or row["pinned_status"] or row["in_window"] or row["is_asked"]:
                continue
            states = Counter(monitor["state"] for monitor, _ in pairs)
            expected = _service_status(states)
            if expected is not None and row["current_status"] != expected:
                yield Finding(
                    "status contradicts monitors",
                    f"{row['name']} is {row['current_status']}, its monitors are "
                    f"{', '.join(sorted(str(state) for state in states))}",
                )

    def _monitor_at_rest(self, monitor: Row, target: TargetTruth) -> Iterable[Finding]:
        since = target.unchanged_since()
        rested = self._tables.at - since
        rested -= overlap(since, self._tables.at, self._truth.unwatched(self._limits.hand_over))
        if rested < self._confirmation(monitor) + self._limits.hand_over:
            return
        allowed = ("up", "flapping") if target.mode() == "ok" else ("down", "flapping")
        if monitor["state"] not in (*allowed, "paused"):
            yield Finding(
                "monitor contradicts its target",
                f"{monitor['name']} is {monitor['state']}; {target.name} has been "
                f"{target.mode()} for {rested:.0f} s",
            )


def _service_status(states: Counter[str | None]) -> str | None:
    """What monitors come to together; None while one of them does not know."""
    if states[None] or states["unknown"] or states["paused"]:
        return None
    if states["down"]:
        return "major_outage" if states["down"] == states.total() else "partial_outage"
    return "degraded_performance" if states["degraded"] or states["flapping"] else "operational"


def _timelines(tables: Tables) -> Iterable[Finding]:
    """Timelines that tell the public one move twice."""
    codes = {incident["id"]: incident["code"] for incident in tables.automatic}
    stories: dict[UUID, list[Row]] = defaultdict(list)
    for update in tables.updates:
        if update["incident_id"] in codes and update["is_public"] and update["kind"] == "update":
            stories[update["incident_id"]].append(update)
    for incident, updates in stories.items():
        for before, after in pairwise(updates):
            if before["author"] is not None or after["author"] is not None:
                continue
            same = before["status"] == after["status"]
            if same and (
                before["message"] == after["message"]
                or after["status"] in ("monitoring", "resolved")
            ):
                yield Finding(
                    "one move, two updates",
                    f"{codes[incident]} says {after['status']} twice in a row",
                )


def _told(tables: Tables) -> Iterable[Finding]:
    """Channels that would hear something twice, and channels that would hear nothing."""
    codes = {incident["id"]: incident["code"] for incident in tables.incidents}
    told: dict[tuple[UUID, UUID], list[Row]] = defaultdict(list)
    keys: Counter[tuple[UUID, str]] = Counter()
    names: dict[UUID, str] = {}
    for row in tables.outbox:
        names[row["channel_id"]] = row["channel"]
        keys[row["channel_id"], row["event_key"]] += 1
        if row["incident_id"] is not None:
            told[row["channel_id"], row["incident_id"]].append(row)
    for (channel, key), times in keys.items():
        if times > 1:
            yield Finding("told twice", f"{names[channel]} is told {key} {times} times")
    for (channel, incident), rows in told.items():
        events = Counter(row["event"] for row in rows)
        for event in ("incident.created", "incident.resolved"):
            if events[event] > 1:
                yield Finding(
                    "told twice",
                    f"{names[channel]} is told {event} of {codes.get(incident)} "
                    f"{events[event]} times",
                )
        updates = Counter(row["update_id"] for row in rows if row["update_id"] is not None)
        for before, after in pairwise(rows):
            moves = (before["event"], before["status"]), (after["event"], after["status"])
            if moves[0] == moves[1] == ("incident.updated", "monitoring"):
                yield Finding(
                    "told twice",
                    f"{names[channel]} is told twice in a row that {codes.get(incident)} recovered",
                )
        for update, times in updates.items():
            if times > 1:
                yield Finding(
                    "told twice", f"{names[channel]} is told of the update {update} {times} times"
                )
    for opened in tables.automatic:
        if not opened["is_public"]:
            continue
        # What was over when it was recorded is told once, whatever that is called.
        once = opened["is_retroactive"]
        for listener in tables.channels:
            if listener["org_id"] != opened["org_id"]:
                continue
            rows = told.get((listener["id"], opened["id"]), [])
            if not any(once or row["event"] == "incident.created" for row in rows):
                yield Finding("not told", f"{listener['name']} never hears of {opened['code']}")


def _at(value: Any) -> float:
    at: float = value.timestamp()
    return at


def _clock(at: float | None) -> str:
    return "now" if at is None else f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-3]
