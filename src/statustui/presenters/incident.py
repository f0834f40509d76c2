"""Says what an incident is in the few lines of its head, and what is known about its cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from statustui.domain.readmodels import (
    AffectedService,
    Evidence,
    HeldPost,
    IncidentDetail,
    IncidentSummary,
    PendingPost,
    ServiceRow,
)
from statustui.domain.status import Impact, MonitorState, ServiceStatus
from statustui.palette import glyph_of, token_of
from statustui.presenters import clock
from statustui.presenters.evidence import changed_line
from statustui.presenters.line import Line, Part, count_of, cut, cut_line, join_names, width_of

Fact = tuple[str, Line]
"""A label and what is said about it."""


def head(
    incident: IncidentSummary,
    now: datetime,
    zone: tzinfo,
    width: int,
) -> Line:
    """The first line: code, stage, impact, age, whose it is, what is owed, what can be taken back.

    Args:
        incident: whose line it is; now: the present moment; zone: of clock times.
        width: columns that it may take; from 100 the labels are longer.
    """
    wide = width >= 90
    parts: list[Part] = [
        (incident.code, "strong b"),
        ("  ", "text"),
        (incident.status.value, "text"),
    ]
    further: list[list[Part]] = []
    if incident.pending is not None:
        # What can be taken back has seconds: it goes before everything that has hours.
        further.append([("   ", "text"), *_countdown(incident.pending, now)])
    if incident.impact is not Impact.NONE:
        style = "strong b" if incident.impact is Impact.CRITICAL else "text"
        further.append([("  ", "text"), (incident.impact.value, style)])
    if not incident.is_public:
        further.append([("  ", "text"), ("internal", "internal b")])
    end = incident.resolved_at or now
    further.append([("  ", "text"), (clock.age(end - incident.started_at), "text")])
    if incident.pending is None:
        further.append(_whose(incident, now, zone))
        further.append(_owed(incident, now, zone, wide=wide))
    for piece in further:
        # What does not fit goes whole: half a word at the edge tells nothing.
        if width_of([*parts, *piece]) <= width:
            parts += piece
    return cut_line(parts, width)


def _countdown(pending: PendingPost, now: datetime) -> list[Part]:
    seconds = seconds_left(pending, now)
    if seconds <= 0:
        return [("going public", "strong b")]
    return [
        ("public in ", "muted"),
        (f"{seconds} s", "strong b"),
        ("  ", "text"),
        ("U", "strong b"),
        (" take back  ", "muted"),
        ("p", "strong b"),
        (" now", "muted"),
    ]


def seconds_left(pending: PendingPost, now: datetime) -> int:
    """How many whole seconds a post can still be taken back, 0 when it is due."""
    left = (pending.public_at - now).total_seconds()
    # Rounded up: while anything is left there is a second to press the key in.
    return max(0, -int(-left // 1))


def _whose(incident: IncidentSummary, now: datetime, zone: tzinfo) -> list[Part]:
    if not incident.status.is_open:
        ended = incident.resolved_at
        if ended is None:
            return []
        return [("   resolved ", "muted"), (clock.moment(ended, now, zone), "text")]
    parts: list[Part] = []
    if incident.snoozed_until is not None and incident.snoozed_until > now:
        parts += [
            ("   snoozed until ", "muted"),
            (clock.clock(incident.snoozed_until, zone), "text"),
        ]
    if is_acknowledged(incident, now):
        who = incident.lead or incident.acknowledged_by or ""
        parts += [("   lead ", "muted"), (who, "text")]
    elif incident.lead:
        parts += [("   lead ", "muted"), (incident.lead, "text"), ("  unacked", "strong b")]
    else:
        parts += [("   ", "text"), ("unacked", "strong b")]
    return parts


def _owed(incident: IncidentSummary, now: datetime, zone: tzinfo, *, wide: bool) -> list[Part]:
    if not incident.status.is_open or not incident.is_public:
        return []
    due = incident.next_update_by
    if due is None:
        if incident.told_at is None:
            return [("   public ", "muted"), ("no words yet", "strong b")]
        return []
    label = "   update " if wide else "   "
    if due <= now:
        return [(label, "muted"), (f"late since {clock.moment(due, now, zone)}", "strong b")]
    return [(f"{label}due ", "muted"), (clock.moment(due, now, zone), "strong b")]


def is_acknowledged(incident: IncidentSummary, now: datetime) -> bool:
    """Whether somebody has said that they are on it, and that still holds."""
    return incident.acknowledged_until is not None and incident.acknowledged_until > now


def affected(
    incident: IncidentSummary, services: Sequence[ServiceRow], width: int, value_at: int
) -> Line:
    """The second line: what is affected, and what causes it.

    Args:
        incident: whose line it is; services: of the organization, to name the cause.
        width: columns; value_at: the column in which values start.
    """
    start: Line = ((" ", "text"), ("AFFECTED".ljust(value_at - 1), "muted"))
    cause = _cause(incident, services)
    tail = _cause_parts(cause)
    shown: list[Part] = []
    others = [service for service in incident.services if cause is None or service.id != cause.id]
    if not others and cause is None:
        return (*start, ("no service named", "muted"))
    space = width - value_at - width_of(tail) - 1
    for number, service in enumerate(others):
        piece = _service_parts(service)
        rest = len(others) - number
        more: list[Part] = [("  ", "text"), (f"and {rest} more", "muted")]
        gap: list[Part] = [("  ", "text")] if shown else []
        is_last = rest == 1
        reserve = 0 if is_last else width_of(more)
        if width_of([*shown, *gap, *piece]) + reserve > space and shown:
            shown += more
            break
        shown += [*gap, *piece]
    return cut_line([*start, *shown, *tail], width)


def _service_parts(service: AffectedService) -> list[Part]:
    token = token_of(service.status)
    parts: list[Part] = [(f"{glyph_of(service.status)} {service.name}", token)]
    if not service.is_visible:
        parts.append((" hidden", "internal"))
    return parts


def _cause(incident: IncidentSummary, services: Sequence[ServiceRow]) -> ServiceRow | None:
    return next((row for row in services if row.id == incident.cause_service_id), None)


def _cause_parts(cause: ServiceRow | None) -> list[Part]:
    if cause is None:
        return []
    parts: list[Part] = [
        ("   cause ", "muted"),
        (f"{glyph_of(cause.status)} {cause.name}", token_of(cause.status)),
    ]
    if not cause.is_visible:
        parts.append((" hidden", "internal"))
    return parts


def facts(detail: IncidentDetail, now: datetime, zone: tzinfo) -> tuple[Fact, ...]:
    """What is known, in a fixed order.

    What was held, evidence, answer, last good, changed, repeat it, acked, public, pages.

    Args:
        detail: the incident whole; now: the present moment; zone: of clock times.
    """
    incident = detail.summary
    found: list[Fact] = []
    if detail.held is not None and incident.status.is_open:
        found.append(("held", held_parts(detail.held, now, zone)))
    if detail.evidence is not None:
        found += _evidence_facts(detail.evidence, now, zone)
    if is_acknowledged(incident, now) and incident.status.is_open:
        assert incident.acknowledged_until is not None
        found.append(
            (
                "acked",
                (
                    (incident.acknowledged_by or "", "text"),
                    (f" until {clock.moment(incident.acknowledged_until, now, zone)}", "muted"),
                ),
            )
        )
    found.append(("public", (_told(detail, now, zone),)))
    if detail.pages:
        found.append(("page", ((join_names([page.name for page in detail.pages]), "text"),)))
    return tuple(found)


def _evidence_facts(evidence: Evidence, now: datetime, zone: tzinfo) -> list[Fact]:
    reason = evidence.reason or (evidence.error_kind.value if evidence.error_kind else "failed")
    found: list[Fact] = [
        ("evidence", ((reason, "text"),)),
        (
            "seen",
            (
                (f"{evidence.service_name}/{evidence.monitor_name}", "text"),
                (f" from {evidence.region}, {clock.moment(evidence.at, now, zone)}", "muted"),
            ),
        ),
    ]
    answer = answer_parts(evidence)
    if answer:
        found.append(("answer", answer))
    if evidence.last_good_at is not None:
        found.append(("last good", ((clock.moment(evidence.last_good_at, now, zone), "text"),)))
    changed = changed_line(evidence, zone)
    if changed:
        found.append(("changed", changed))
    if evidence.repeat_command:
        found.append(("repeat it", ((evidence.repeat_command, "text"),)))
    return found


def answer_parts(evidence: Evidence) -> Line:
    """What the target answered: status, server, the start of its body; empty without an answer."""
    parts: list[Part] = []
    if evidence.status_code is not None:
        parts.append((f"HTTP {evidence.status_code}", "text"))
    server = evidence.headers.get("server", "")
    if server:
        parts += [("  server " if parts else "server ", "muted"), (cut(server, 30), "text")]
    if evidence.answers:
        parts.append((("  " if parts else "") + ", ".join(evidence.answers), "text"))
    body = " ".join(evidence.body_text.split())
    if body:
        parts.append((("  " if parts else "") + cut(body, 120), "text"))
    return tuple(parts)


def _told(detail: IncidentDetail, now: datetime, zone: tzinfo) -> Part:
    incident = detail.summary
    if not incident.is_public:
        return ("nothing: internal until it is published", "internal")
    newest = next(
        (update for update in reversed(detail.updates) if update.is_public),
        None,
    )
    if newest is None:
        return ("sees colour, no words yet", "strong b")
    return (told_words(newest.created_at, newest.author, now, zone), "text")


def told_words(at: datetime, author: str | None, now: datetime, zone: tzinfo) -> str:
    """When the public was told last, and by whom: "told 03:41 by alice" or "… by the checks".

    Args:
        at: of the newest public update; author: None when the checks wrote it.
        now: the present moment; zone: of clock times.
    """
    return f"told {clock.moment(at, now, zone)} by {author or 'the checks'}"


def held_parts(held: HeldPost, now: datetime, zone: tzinfo) -> Line:
    """What became of one's own post that was held: "monitoring was posted at 09:35:41; u opens …".

    Args:
        held: the post; now: the present moment; zone: of clock times.
    """
    if held.moved_to is None or held.moved_at is None:
        return ((held.refusal, "strong b"),)
    today = held.moved_at.astimezone(zone).date() == now.astimezone(zone).date()
    at = (
        clock.clock_seconds(held.moved_at, zone)
        if today
        else clock.moment(held.moved_at, now, zone)
    )
    return (
        (f"{held.moved_to.value} was posted at {at}; ", "strong b"),
        ("u", "strong b"),
        (" opens your words", "text"),
    )


def still_failing(
    incident: IncidentSummary, services: Sequence[ServiceRow], now: datetime
) -> tuple[str, bool]:
    """Whether the checks of an incident's services still fail, in words.

    Args:
        incident: whose services are asked; services: the organization's, as last read.
        now: the present moment.

    Returns:
        The sentence, and whether anything still fails.
    """
    ids = {service.id for service in incident.services}
    rows = [row for row in services if row.id in ids]
    return failing_words(rows, now)


def failing_words(rows: Sequence[ServiceRow], now: datetime) -> tuple[str, bool]:
    """The same for any services; see `still_failing`."""
    watched = [row for row in rows if row.monitor_state not in (None, MonitorState.PAUSED)]
    if not watched:
        return "no check watches these services", False
    failing = [row for row in watched if row.monitor_state is MonitorState.DOWN]
    limping = [
        row
        for row in watched
        if row.monitor_state in (MonitorState.DEGRADED, MonitorState.FLAPPING)
    ]
    blind = [row for row in watched if row.monitor_state is MonitorState.UNKNOWN]
    looked = max((row.last_looked_at for row in watched if row.last_looked_at), default=None)
    tail = f", looked {clock.span(now - looked)} ago" if looked is not None else ""
    if failing:
        return f"{_all_are(failing, watched)} still failing{tail}", True
    if limping:
        return f"{_all_are(limping, watched)} still degraded{tail}", True
    if blind:
        return f"{_all_of(blind, watched)} cannot be looked at{tail}", False
    if len(watched) == 1:
        return f"{watched[0].name} is up again{tail}", False
    return f"all {len(watched)} are up again{tail}", False


def _all_of(some: Sequence[ServiceRow], every: Sequence[ServiceRow]) -> str:
    if len(every) == 1:
        return every[0].name
    if len(some) == len(every):
        return f"all {len(every)}"
    if len(some) > 3:
        return f"{len(some)} of {len(every)}"
    return join_names([row.name for row in some])


def _all_are(some: Sequence[ServiceRow], every: Sequence[ServiceRow]) -> str:
    return f"{_all_of(some, every)} {'is' if len(some) == 1 else 'are'}"


def asked_words(incident: IncidentSummary) -> tuple[str, str]:
    """What the public reads about the affected services, and which of them stay hidden.

    Returns:
        "API, Checkout, Mail: major outage" and "Database stays hidden", either possibly empty.
    """
    visible = [service for service in incident.services if service.is_visible]
    hidden = [service for service in incident.services if not service.is_visible]
    by_status: dict[ServiceStatus, list[str]] = {}
    for service in visible:
        by_status.setdefault(service.to_status, []).append(service.name)
    said = "; ".join(
        f"{', '.join(names)}: {status.value.replace('_', ' ')}"
        for status, names in sorted(by_status.items(), key=lambda item: -item[0].severity)
    )
    if len(said) > 60 and len(visible) > 3:
        said = f"{visible[0].name}, {visible[1].name} and {count_of(len(visible) - 2, 'other')}"
    if not hidden:
        return said, ""
    if len(hidden) > 2:
        return said, f"{len(hidden)} stay hidden"
    verb = "stays" if len(hidden) == 1 else "stay"
    return said, f"{join_names([service.name for service in hidden])} {verb} hidden"


def told_facts(
    detail: IncidentDetail,
    services: Sequence[ServiceRow],
    now: datetime,
    public_delay_seconds: int | None,
) -> tuple[Fact, ...]:
    """What stands beside a text while it is written: who gets it, what checks say, what was said.

    Args:
        detail: the incident; services: the organization's, as last read; now: the present moment.
        public_delay_seconds: how long the page waits, None for what never becomes public.
    """
    found: list[Fact] = []
    if public_delay_seconds is not None:
        pages = join_names([page.name for page in detail.pages]) or "none shows these services"
        after = f"after {public_delay_seconds} s" if public_delay_seconds else "at once"
        found += [("page", ((pages, "text"),)), ("public", ((after, "text"),))]
    said, failing = still_failing(detail.summary, services, now)
    found.append(("checks", ((said, "outage" if failing else "text"),)))
    newest = next((each for each in reversed(detail.updates) if each.is_public), None)
    last = cut(newest.message, 120) if newest is not None else "nothing, colour only"
    found.append(("said", ((last, "text"),)))
    return tuple(found)
