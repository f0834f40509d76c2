"""What a person hands in to open an incident or to post to one, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from statustui.domain.errors import Problem
from statustui.domain.fields import require_valid
from statustui.domain.status import Impact, IncidentStatus, ServiceStatus
from statustui.domain.text import clean

AskedStatus = tuple[UUID, ServiceStatus | None]
"""A service, and the status it should get; None takes what the impact says."""


@dataclass(frozen=True, slots=True)
class IncidentInput:
    """A new incident.

    Attributes:
        title: what the public reads, 1–500 characters.
        message: its first words, 1–5,000 characters of Markdown.
        services: what it concerns; without a visible one it stays internal.
        internal_title: what operators call it, empty for the title.
        is_public: whether the first words are public.
        next_update_by: the promised time of the next update.
        still_works: what customers can still do.
        started_at, resolved_at: past times, for an incident entered after the fact.
    """

    title: str
    impact: Impact
    message: str
    services: tuple[AskedStatus, ...] = ()
    status: IncidentStatus = IncidentStatus.INVESTIGATING
    is_public: bool = True
    internal_title: str = ""
    next_update_by: datetime | None = None
    still_works: str | None = None
    started_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UpdateInput:
    """A post to an incident.

    Attributes:
        status: the stage it moves to; None keeps the present one.
        message: 1–5,000 characters of Markdown.
        base_version: the version the author saw; an older one than the present is refused.
            None posts whatever it is now.
        is_public: False writes an internal note, which moves nothing.
        title, impact: None leaves them as they are.
        services: what it asks of services from now on; None leaves that as it is. A status of
            `operational` withdraws what was asked before.
    """

    status: IncidentStatus | None
    message: str
    base_version: int | None = None
    is_public: bool = True
    next_update_by: datetime | None = None
    still_works: str | None = None
    title: str | None = None
    impact: Impact | None = None
    services: tuple[AskedStatus, ...] | None = None


@dataclass(frozen=True, slots=True)
class PostReceipt:
    """What became of a post.

    Attributes:
        code: of the incident.
        post_id: names it while it can be taken back; None for an internal note.
        public_at: when the page shows it; None when it is not public.
        version: the incident's version now.
        is_waiting: whether it can still be taken back.
    """

    code: str
    post_id: UUID | None
    public_at: datetime | None
    version: int
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A post that never was, for the composer to go on with.

    Attributes:
        is_opening: whether these were the first words of a new incident.
        base_version: the incident's version now.
    """

    incident_code: str
    status: IncidentStatus
    message: str
    is_public: bool
    base_version: int
    next_update_by: datetime | None
    still_works: str | None
    title: str | None
    services: tuple[AskedStatus, ...]
    is_opening: bool


TITLE_MOST = 500
MESSAGE_MOST = 5_000
STILL_WORKS_MOST = 2_000


def prepare_incident(given: IncidentInput) -> IncidentInput:
    """The same with cleaned texts.

    Raises:
        ValidationFailed: a text is empty or too long, or a service is named twice.
    """
    problems: list[Problem] = []
    prepared = replace(
        given,
        title=_line("title", given.title, problems, required=True),
        internal_title=_line("internal_title", given.internal_title, problems),
        message=_prose("message", given.message, problems, MESSAGE_MOST, required=True),
        still_works=_prose("still_works", given.still_works or "", problems, STILL_WORKS_MOST)
        or None,
    )
    _check_services(given.services, problems)
    require_valid(problems, "the incident")
    return prepared


def prepare_update(given: UpdateInput) -> UpdateInput:
    """The same with cleaned texts.

    Raises:
        ValidationFailed: a text is empty or too long, or a service is named twice.
    """
    problems: list[Problem] = []
    prepared = replace(
        given,
        message=_prose("message", given.message, problems, MESSAGE_MOST, required=True),
        title=None if given.title is None else _line("title", given.title, problems, required=True),
        still_works=_prose("still_works", given.still_works or "", problems, STILL_WORKS_MOST)
        or None,
    )
    _check_services(given.services or (), problems)
    require_valid(problems, "the update")
    return prepared


def _line(field: str, text: str, problems: list[Problem], *, required: bool = False) -> str:
    return _measured(field, clean(text), problems, TITLE_MOST, required=required)


def _prose(
    field: str, text: str, problems: list[Problem], most: int, *, required: bool = False
) -> str:
    return _measured(field, clean(text, multiline=True), problems, most, required=required)


def _measured(field: str, text: str, problems: list[Problem], most: int, *, required: bool) -> str:
    if required and not text:
        problems.append(Problem("must not be empty", (field,)))
    if len(text) > most:
        problems.append(
            Problem(f"has {len(text):,} characters; at most {most:,} are allowed", (field,))
        )
    return text


def _check_services(services: tuple[AskedStatus, ...], problems: list[Problem]) -> None:
    ids = [service for service, _ in services]
    if len(set(ids)) < len(ids):
        problems.append(Problem("a service is named twice", ("services",)))
