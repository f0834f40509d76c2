"""What the composer offers and checks: stages by digit, the natural next one, times, names.

The composer has two doors: one writes to the public, one writes an internal note; a third form
opens a new incident. All three hold plain texts by field name, so that a half-written one can be
kept as a draft and offered again on any host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from uuid import UUID

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.posting import IncidentInput, TakenBack, UpdateInput
from statustui.domain.readmodels import Draft, IncidentSummary, ServiceRow
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.domain.text import clean, nearest, parse_duration
from statustui.presenters import clock
from statustui.presenters.line import Line, Part

MESSAGE_MOST = 5_000
TITLE_MOST = 500
NEXT_UPDATE = timedelta(minutes=30)
# A promise further away than this is no promise to somebody who waits for a service.
NEXT_UPDATE_MOST = timedelta(days=7)


class Door(StrEnum):
    """Who will read what is written, and for what."""

    PUBLIC = "public"
    NOTE = "note"
    NEW = "new"


class Field(StrEnum):
    """The fields of the composer, in the order in which `tab` goes through them."""

    STATUS = "status"
    IMPACT = "impact"
    AUDIENCE = "audience"
    AFFECTED = "affected"
    TITLE = "title"
    TEXT = "text"
    NEXT_BY = "next_by"


FIELDS: Mapping[Door, tuple[Field, ...]] = {
    Door.PUBLIC: (Field.STATUS, Field.TITLE, Field.TEXT, Field.NEXT_BY),
    Door.NOTE: (Field.TEXT,),
    Door.NEW: (
        Field.IMPACT,
        Field.AUDIENCE,
        Field.AFFECTED,
        Field.TITLE,
        Field.TEXT,
        Field.NEXT_BY,
    ),
}
"""Which fields each door has."""

LABELS: Mapping[Field, str] = {
    Field.STATUS: "Status",
    Field.IMPACT: "Impact",
    Field.AUDIENCE: "Readers",
    Field.AFFECTED: "Affected",
    Field.TITLE: "Title",
    Field.TEXT: "Text",
    Field.NEXT_BY: "Next by",
}

STAGES = tuple(IncidentStatus)
IMPACTS = tuple(reversed(Impact))
AUDIENCES = ("public", "internal")

_CLOCK = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody wrote, read and found good.

    Attributes:
        services: for a new incident, the ids of what it affects.
        title: None when it stays as it is.
    """

    status: IncidentStatus
    message: str
    title: str | None
    next_update_by: datetime | None
    impact: Impact
    is_public: bool
    services: tuple[UUID, ...]


def next_status(status: IncidentStatus) -> IncidentStatus:
    """The stage that naturally follows a stage; `resolved` is the last."""
    return STAGES[min(STAGES.index(status) + 1, len(STAGES) - 1)]


def choice_line(choices: Sequence[str], chosen: int) -> Line:
    """Choices by digit, the chosen one tinted: " 1 investigating   2 identified   …".

    Each has a column of its own on either side for the tint, so that choosing moves nothing; the
    line starts one column before the first digit.
    """
    parts: list[Part] = []
    for number, choice in enumerate(choices):
        if number:
            parts.append((" ", "text"))
        style = "text b on:sel" if number == chosen else "muted"
        parts.append((f" {number + 1} {choice} ", style))
    return tuple(parts)


def bar(door: Door, *, is_internal: bool) -> Line:
    """The bar above the fields: what is written, and who will read it."""
    match door:
        case Door.PUBLIC:
            what, who = "PUBLIC UPDATE", "everyone can read this"
        case Door.NOTE:
            what, who = "INTERNAL NOTE", "the public never sees this"
        case Door.NEW if is_internal:
            what, who = "NEW INCIDENT", "internal, until it is published"
        case Door.NEW:
            what, who = "NEW INCIDENT", "everyone can read this"
    if is_internal:
        return ((what, "internal b"), (f"  {who}", "text"))
    return ((f" {what} ", "chipfg b on:chip"), (f"  {who}", "text"))


def first_fields(
    door: Door,
    incident: IncidentSummary | None,
    now: datetime,
    zone: tzinfo,
    *,
    resolving: bool = False,
    service_names: Sequence[str] = (),
    is_failing: bool = False,
) -> dict[str, str]:
    """What the fields hold when the composer opens without a draft.

    Args:
        door: who reads it; incident: None for a new one.
        now: the present moment; zone: in which times are written.
        resolving: open with the stage `resolved` and a text that says so.
        service_names: what a new incident affects to begin with.
        is_failing: whether its checks still fail: then nothing is over, and the stage that would
            say so must be chosen by hand.
    """
    fields = {
        Field.STATUS.value: IncidentStatus.INVESTIGATING.value,
        Field.IMPACT.value: Impact.MAJOR.value,
        Field.AUDIENCE.value: AUDIENCES[0],
        Field.AFFECTED.value: ", ".join(service_names),
        Field.TITLE.value: "",
        Field.TEXT.value: "",
        Field.NEXT_BY.value: _on_minute(now + NEXT_UPDATE, zone),
    }
    if incident is None:
        return fields
    status = IncidentStatus.RESOLVED if resolving else next_status(incident.status)
    if (
        is_failing
        and not resolving
        and status
        in (
            IncidentStatus.MONITORING,
            IncidentStatus.RESOLVED,
        )
    ):
        status = incident.status
    fields[Field.STATUS] = status.value
    fields[Field.TITLE] = incident.title
    if resolving:
        fields[Field.TEXT] = resolved_text(incident, now)
        fields[Field.NEXT_BY] = ""
    elif incident.next_update_by is not None and incident.next_update_by > now:
        fields[Field.NEXT_BY] = _on_minute(max(incident.next_update_by, now + NEXT_UPDATE), zone)
    return fields


def resolved_text(incident: IncidentSummary, now: datetime) -> str:
    """The sentence a resolving update opens with; to be edited."""
    lasted = clock.span(now - incident.started_at)
    return f"This incident is resolved. It lasted {lasted}."


def _on_minute(at: datetime, zone: tzinfo) -> str:
    """A clock time on the next round five minutes: people are promised 04:50, not 04:47."""
    late = (-at.minute) % 5
    return clock.clock(at + timedelta(minutes=late), zone)


def read_next_by(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    """Read the time of the next update.

    Args:
        text: "04:50" (the next time it is that late), "30m", "1h30m", or empty or "none" for no
            promise.
        now: the present moment; zone: in which clock times are meant.

    Raises:
        ValidationFailed: when it is none of these, or further away than a week.
    """
    text = clean(text).lower()
    if text in ("", "none", "-"):
        return None
    found = _CLOCK.match(text)
    if found is not None:
        there = now.astimezone(zone)
        at = there.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        if at <= there:
            at += timedelta(days=1)
        return at.astimezone(now.tzinfo)
    try:
        ahead = parse_duration(text)
    except ValidationFailed as error:
        raise ValidationFailed(
            f'"{text}" is no time; write it like "04:50", "30m", or nothing for no promise'
        ) from error
    if not timedelta(0) < ahead <= NEXT_UPDATE_MOST:
        raise ValidationFailed("the next update must be promised within a week")
    return (now + ahead).replace(second=0, microsecond=0)


def next_by_line(text: str, now: datetime, zone: tzinfo) -> Line:
    """What the promise means, beside its field: "in 30 min", or what is wrong with it."""
    try:
        at = read_next_by(text, now, zone)
    except ValidationFailed as error:
        return ((error.message, "degraded"),)
    if at is None:
        return (("no next update is promised", "muted"),)
    name = clock.zone_name(at, zone)
    shown = f"{'UTC' if name == 'Z' else name}  {clock.until(at, now)}"
    tomorrow = at.astimezone(zone).date() != now.astimezone(zone).date()
    return ((f"{shown}, tomorrow" if tomorrow else shown, "muted"),)


def read_services(text: str, services: Sequence[ServiceRow]) -> tuple[ServiceRow, ...]:
    """Read names of services, separated by commas.

    Raises:
        ValidationFailed: with a problem for each name that no service has, and the nearest one
            that exists.
    """
    by_name = {service.name.casefold(): service for service in services}
    found: dict[UUID, ServiceRow] = {}
    problems: list[Problem] = []
    for name in (clean(part) for part in text.split(",")):
        if not name:
            continue
        service = by_name.get(name.casefold())
        if service is None:
            near = nearest(name, [row.name for row in services])
            hint = f'; nearest is "{near}"' if near else ""
            problems.append(
                Problem(f'no service is called "{name}"{hint}', (Field.AFFECTED.value,))
            )
            continue
        found[service.id] = service
    if problems:
        raise ValidationFailed(problems[0].message, problems=problems)
    return tuple(found.values())


def complete_service(text: str, services: Sequence[ServiceRow]) -> str | None:
    """The text with its last name completed, None when no service's name begins like it."""
    head, comma, last = text.rpartition(",")
    start = last.lstrip().casefold()
    if not start:
        return None
    taken = {name.strip().casefold() for name in head.split(",")}
    for service in services:
        name = service.name
        if name.casefold().startswith(start) and name.casefold() not in taken:
            space = last[: len(last) - len(last.lstrip())]
            # What is typed keeps its letters as they are; only the rest is added.
            typed = last.lstrip()
            return f"{head}{comma}{space}{typed}{name[len(typed) :]}"
    return None


def asked_status(impact: Impact) -> ServiceStatus | None:
    """What a new incident asks of its services: None leaves them as they are."""
    return {
        Impact.CRITICAL: ServiceStatus.MAJOR_OUTAGE,
        Impact.MAJOR: ServiceStatus.PARTIAL_OUTAGE,
        Impact.MINOR: ServiceStatus.DEGRADED_PERFORMANCE,
        Impact.NONE: None,
    }[impact]


def read(
    door: Door,
    fields: Mapping[str, str],
    incident: IncidentSummary | None,
    services: Sequence[ServiceRow],
    now: datetime,
    zone: tzinfo,
) -> Written:
    """Read all fields.

    Args:
        door: which fields count; fields: what they hold.
        incident: None for a new one; services: of the organization.
        now: the present moment; zone: in which clock times are meant.

    Raises:
        ValidationFailed: with every problem, the path of each naming its field.
    """
    problems: list[Problem] = []
    message = clean(fields.get(Field.TEXT, ""), multiline=True)
    if not message:
        problems.append(Problem("the text is empty", (Field.TEXT.value,)))
    elif len(message) > MESSAGE_MOST:
        problems.append(
            Problem(
                f"the text has {len(message):,} characters, {MESSAGE_MOST:,} at most",
                (Field.TEXT.value,),
            )
        )
    status = IncidentStatus(fields.get(Field.STATUS) or IncidentStatus.INVESTIGATING)
    if door is Door.NOTE and incident is not None:
        status = incident.status
    title = _read_title(door, fields, incident, problems)
    next_by = _read_promise(door, status, fields, now, zone, problems)
    chosen = _read_affected(door, fields, services, problems)
    if problems:
        raise ValidationFailed(problems[0].message, problems=problems)
    is_public = door is Door.PUBLIC or (
        door is Door.NEW and fields.get(Field.AUDIENCE) != AUDIENCES[1]
    )
    return Written(
        status=status,
        message=message,
        title=title,
        next_update_by=next_by,
        impact=Impact(fields.get(Field.IMPACT) or Impact.MAJOR),
        is_public=is_public,
        services=tuple(service.id for service in chosen),
    )


def _read_title(
    door: Door,
    fields: Mapping[str, str],
    incident: IncidentSummary | None,
    problems: list[Problem],
) -> str | None:
    if door is Door.NOTE:
        return None
    title = clean(fields.get(Field.TITLE, ""))
    if not title:
        problems.append(Problem("the title is empty", (Field.TITLE.value,)))
    elif len(title) > TITLE_MOST:
        problems.append(
            Problem(
                f"the title has {len(title)} characters, {TITLE_MOST} at most",
                (Field.TITLE.value,),
            )
        )
    return None if incident is not None and title == incident.title else title


def _read_promise(
    door: Door,
    status: IncidentStatus,
    fields: Mapping[str, str],
    now: datetime,
    zone: tzinfo,
    problems: list[Problem],
) -> datetime | None:
    if door is Door.NOTE or status is IncidentStatus.RESOLVED:
        return None
    try:
        return read_next_by(fields.get(Field.NEXT_BY, ""), now, zone)
    except ValidationFailed as error:
        problems.append(Problem(error.message, (Field.NEXT_BY.value,)))
        return None


def _read_affected(
    door: Door,
    fields: Mapping[str, str],
    services: Sequence[ServiceRow],
    problems: list[Problem],
) -> tuple[ServiceRow, ...]:
    if door is not Door.NEW:
        return ()
    try:
        return read_services(fields.get(Field.AFFECTED, ""), services)
    except ValidationFailed as error:
        problems.extend(error.problems)
        return ()


def draft_of(
    door: Door, incident: IncidentSummary | None, fields: Mapping[str, str], now: datetime
) -> Draft:
    """The draft that keeps what the fields hold."""
    return Draft(
        incident_code=None if incident is None else incident.code,
        base_version=0 if incident is None else incident.version,
        fields=dict(fields),
        saved_at=now,
        kind=Door.NOTE.value if door is Door.NOTE else Door.PUBLIC.value,
    )


def draft_for(drafts: Sequence[Draft], door: Door, incident_code: str | None) -> Draft | None:
    """The newest draft that this door would open with, None without one."""
    kind = Door.NOTE.value if door is Door.NOTE else Door.PUBLIC.value
    own = [draft for draft in drafts if draft.incident_code == incident_code and draft.kind == kind]
    return max(own, key=lambda draft: draft.saved_at, default=None)


def is_worth_keeping(fields: Mapping[str, str], opened_with: Mapping[str, str]) -> bool:
    """Whether anything was written that the composer would not offer again by itself."""
    return any(
        fields.get(name, "").strip() != opened_with.get(name, "").strip()
        for name in {*fields, *opened_with}
    )


def taken_back_fields(taken: TakenBack, zone: tzinfo) -> dict[str, str]:
    """What the fields hold for a post that was taken back."""
    promised = taken.next_update_by
    fields = {
        Field.STATUS.value: taken.status.value,
        Field.TEXT.value: taken.message,
        Field.NEXT_BY.value: clock.clock(promised, zone) if promised is not None else "",
    }
    if taken.title:
        fields[Field.TITLE.value] = taken.title
    return fields


def after_other_words(draft_text: str, typed: str) -> str:
    """A draft that arrived after somebody had begun to type: both are kept, the draft first."""
    if not typed.strip() or typed.strip() == draft_text.strip():
        return draft_text
    if not draft_text.strip():
        return typed
    return f"{draft_text.rstrip()}\n\n{typed}"


def incident_input(written: Written) -> IncidentInput:
    """A new incident, as the store takes it."""
    return IncidentInput(
        title=written.title or "",
        impact=written.impact,
        message=written.message,
        services=tuple((each, None) for each in written.services),
        is_public=written.is_public,
        next_update_by=written.next_update_by,
    )


def update_input(written: Written, base_version: int | None) -> UpdateInput:
    """A post to an incident, as the store takes it; a note moves no stage."""
    return UpdateInput(
        status=written.status if written.is_public else None,
        message=written.message,
        base_version=base_version,
        is_public=written.is_public,
        next_update_by=written.next_update_by,
        title=written.title,
    )
