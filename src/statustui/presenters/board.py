"""Puts the services of the first screen in order: what is broken first, causes above effects.

While anything is broken the healthy are one line, or one for each group where there is room. What
a cause takes down stands indented under it. When nothing is broken, all services are listed by
group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from statustui import palette
from statustui.domain.readmodels import Board, IncidentSummary, ServiceRow
from statustui.domain.status import MonitorState, ServiceStatus
from statustui.palette import Look
from statustui.presenters.incident import is_acknowledged

_DEEPEST = 3

_BROKEN = (
    palette.OUTAGE,
    palette.PARTIAL,
    palette.DEGRADED,
    palette.FLAPPING,
    palette.UNKNOWN,
)
_QUIET = (palette.MAINTENANCE, palette.PAUSED)


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One service in the list.

    Attributes:
        look: its state as shown; depth: how many causes stand above it.
        incident: the open one that it is part of; cause_name: empty when it stands alone.
        is_quiet: somebody has it: acknowledged or snoozed.
    """

    service: ServiceRow
    look: Look
    depth: int = 0
    incident: IncidentSummary | None = None
    cause_name: str = ""
    is_quiet: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether it is out and nobody has it."""
        return self.look in (palette.OUTAGE, palette.PARTIAL) and not self.is_quiet

    @property
    def is_broken(self) -> bool:
        """Whether it is anything that somebody should look at."""
        return self.look in _BROKEN


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A heading above the services of a group, or one line that stands for its healthy ones.

    Attributes:
        name: of the group, empty for all; services: those it stands for.
        is_summary: whether it stands for them instead of heading them.
        share: how many healthy ones each group has, for the one line that stands for all.
    """

    name: str
    services: tuple[ServiceRow, ...]
    is_summary: bool
    share: tuple[tuple[str, int], ...] = ()


BoardLine = ServiceLine | GroupLine


@dataclass(frozen=True, slots=True)
class BoardView:
    """The board in the order in which it is shown.

    Attributes:
        broken: what is broken, maintained or paused, causes above what they take down.
        healthy: the rest, in the order of groups.
        counts: services by look, worst first, without looks that nothing has.
        is_broken: whether anything is broken, so that the healthy are folded.
        has_fresh: whether an outage is nobody's yet.
        urgent: the incident that matters most, None without an open one.
        takes_down: names by cause.
        still_open: how many incidents are open although nothing of them is broken any more.
    """

    board: Board
    broken: tuple[ServiceLine, ...]
    healthy: tuple[ServiceRow, ...]
    counts: tuple[tuple[Look, int], ...]
    is_broken: bool
    has_fresh: bool
    urgent: IncidentSummary | None
    takes_down: Mapping[UUID, tuple[str, ...]]
    still_open: int = 0


def look_of_service(service: ServiceRow) -> Look:
    """The state that is shown for a service: what the house knows, and what its monitors can see.

    A status set by hand is shown as it is. A service that counts as operational although nobody
    can look, all looking is paused or its monitor flaps is not shown as up.
    """
    if service.pinned_status is not None:
        return palette.look_of(service.status)
    state = service.monitor_state
    if service.status is ServiceStatus.OPERATIONAL:
        if service.monitors and service.paused >= service.monitors:
            return palette.PAUSED
        if state in (MonitorState.UNKNOWN, MonitorState.FLAPPING):
            return palette.look_of(state)
        return palette.UP
    if service.status is ServiceStatus.DEGRADED_PERFORMANCE and state is MonitorState.FLAPPING:
        return palette.FLAPPING
    return palette.look_of(service.status)


def is_quiet(incident: IncidentSummary | None, at: datetime) -> bool:
    """Whether somebody has an incident: acknowledged, snoozed, or opened by hand and led."""
    if incident is None:
        return False
    if not incident.is_auto and incident.lead:
        return True
    snoozed = incident.snoozed_until is not None and incident.snoozed_until > at
    return snoozed or is_acknowledged(incident, at)


def arrange(board: Board, at: datetime) -> BoardView:
    """Put a board in order.

    Order of what is broken: customers affected first, then what nobody has yet, then the newest;
    a cause stands where the most pressing of what it takes down would stand.

    Args:
        board: as the database answered.
        at: the present moment.
    """
    incidents = {each.code: each for each in board.incidents if each.status.is_open}
    names = {service.id: service.name for service in board.services}
    number_of: dict[str, int] = {}
    broken: dict[UUID, ServiceLine] = {}
    healthy: list[ServiceRow] = []
    for service in board.services:
        look = look_of_service(service)
        number_of[look.word] = number_of.get(look.word, 0) + 1
        if look is palette.UP:
            healthy.append(service)
            continue
        incident = incidents.get(service.incident_code or "")
        broken[service.id] = ServiceLine(
            service=service,
            look=look,
            incident=incident,
            cause_name=names.get(service.cause_id, "") if service.cause_id else "",
            is_quiet=is_quiet(incident, at),
        )
    under: dict[UUID, list[ServiceLine]] = {}
    roots: list[ServiceLine] = []
    for line in broken.values():
        cause = line.service.cause_id
        if cause is not None and cause in broken and not _is_circle(line, broken):
            under.setdefault(cause, []).append(line)
        else:
            roots.append(line)
    ordered: list[ServiceLine] = []
    for root in sorted(roots, key=lambda line: min(_pressing(each) for each in _tree(line, under))):
        ordered.extend(_unfolded(root, under, 0))
    counts = tuple(
        (look, number_of[look.word]) for look in palette.LOOKS if number_of.get(look.word)
    )
    return BoardView(
        board=board,
        broken=tuple(ordered),
        healthy=tuple(sorted(healthy, key=_place)),
        counts=counts,
        is_broken=any(line.is_broken for line in ordered),
        has_fresh=any(line.is_fresh for line in ordered),
        urgent=_urgent(incidents.values(), broken, at),
        still_open=_still_open(incidents.values(), broken),
        takes_down={
            cause: tuple(
                each.service.name for each in sorted(lines, key=lambda e: _place(e.service))
            )
            for cause, lines in under.items()
        },
    )


def _is_circle(line: ServiceLine, broken: Mapping[UUID, ServiceLine]) -> bool:
    seen = {line.service.id}
    cause = line.service.cause_id
    while cause is not None and cause in broken:
        if cause in seen:
            return True
        seen.add(cause)
        cause = broken[cause].service.cause_id
    return False


def _tree(root: ServiceLine, under: Mapping[UUID, Sequence[ServiceLine]]) -> Iterable[ServiceLine]:
    yield root
    for line in under.get(root.service.id, ()):
        yield from _tree(line, under)


def _unfolded(
    root: ServiceLine, under: Mapping[UUID, Sequence[ServiceLine]], depth: int
) -> Iterable[ServiceLine]:
    yield ServiceLine(
        root.service, root.look, min(depth, _DEEPEST), root.incident, root.cause_name, root.is_quiet
    )
    for line in sorted(under.get(root.service.id, ()), key=lambda each: _place(each.service)):
        yield from _unfolded(line, under, depth + 1)


def _pressing(line: ServiceLine) -> tuple[bool, bool, bool, float]:
    affects = line.service.is_visible and line.service.status not in (
        ServiceStatus.OPERATIONAL,
        ServiceStatus.UNDER_MAINTENANCE,
    )
    return (
        line.look in _QUIET,
        not affects,
        line.is_quiet,
        -line.service.status_since.timestamp(),
    )


def _place(service: ServiceRow) -> tuple[int, str, UUID]:
    return service.display_order, service.name.casefold(), service.id


def _urgent(
    incidents: Iterable[IncidentSummary], broken: Mapping[UUID, ServiceLine], at: datetime
) -> IncidentSummary | None:
    """What matters most: broken now, then an update that is owed, then impact, then the newest."""

    def pressing(each: IncidentSummary) -> tuple[bool, bool, int, bool, float]:
        lines = [broken[service.id] for service in each.services if service.id in broken]
        return (
            not any(line.is_broken for line in lines),
            not is_owed(each, lines, at),
            -each.impact.severity,
            is_quiet(each, at),
            -each.started_at.timestamp(),
        )

    return min(incidents, key=pressing, default=None)


def _still_open(incidents: Iterable[IncidentSummary], broken: Mapping[UUID, ServiceLine]) -> int:
    return sum(
        not any(service.id in broken for service in incident.services) for incident in incidents
    )


def is_owed(incident: IncidentSummary, lines: Sequence[ServiceLine], at: datetime) -> bool:
    """Whether the public waits for words: a promise is late, or it sees a colour and no words."""
    if incident.is_public and incident.next_update_by is not None and incident.next_update_by < at:
        return True
    return incident.told_at is None and any(
        line.service.is_visible and line.service.public_status is not ServiceStatus.OPERATIONAL
        for line in lines
    )


def lines(view: BoardView, *, all_of_them: bool = False, by_group: bool = False) -> list[BoardLine]:
    """The rows of the list.

    Args:
        view: the board in order.
        all_of_them: every service by itself, for filters, orders, and whoever asks for it.
        by_group: one line for the healthy of each group instead of one for all.
    """
    if not view.is_broken:
        return _calm(view)
    shown: list[BoardLine] = [*view.broken]
    if not view.healthy:
        return shown
    if all_of_them:
        return [*shown, *(ServiceLine(service, palette.UP) for service in view.healthy)]
    groups = grouped(view.healthy)
    if by_group:
        return [*shown, *(GroupLine(name, each, is_summary=True) for name, each in groups)]
    share = tuple((name, len(each)) for name, each in groups)
    return [*shown, GroupLine("", view.healthy, is_summary=True, share=share)]


def _calm(view: BoardView) -> list[BoardLine]:
    quiet = {line.service.id: line for line in view.broken}
    services = sorted([*view.healthy, *(line.service for line in view.broken)], key=_place)
    groups = grouped(services)
    shown: list[BoardLine] = []
    for name, members in groups:
        if len(groups) > 1 or name:
            shown.append(GroupLine(name, members, is_summary=False))
        shown.extend(quiet.get(each.id) or ServiceLine(each, palette.UP) for each in members)
    return shown


def grouped(services: Iterable[ServiceRow]) -> list[tuple[str, tuple[ServiceRow, ...]]]:
    """Services by group, groups in the order of their first service."""
    groups: dict[str, list[ServiceRow]] = {}
    for service in services:
        groups.setdefault(service.group_name, []).append(service)
    return [(name, tuple(members)) for name, members in groups.items()]


def key_of(line: BoardLine) -> str:
    """What tells a row of the list from all others."""
    if isinstance(line, ServiceLine):
        return str(line.service.id)
    return f"group {line.name}" if line.is_summary else f"heading {line.name}"


def matcher(query: str, at: datetime) -> Callable[[BoardLine], bool]:
    """What a filter leaves.

    Args:
        query: words that must all occur in the name, group, reason or incident, and
            `state:down`, `group:core`, `tag:eu`, `who:bob`, `public:late`, `since:<1h`.
        at: the present moment, for `since:`.
    """
    from statustui.presenters.board_cells import public_word, who_word

    words = query.casefold().split()

    def matches(line: BoardLine) -> bool:
        if not isinstance(line, ServiceLine):
            return False
        return all(holds(line, word) for word in words)

    def holds(line: ServiceLine, word: str) -> bool:
        service = line.service
        name, colon, value = word.partition(":")
        if colon:
            match name:
                case "state":
                    said = (line.look.word, service.monitor_state or "", service.status)
                    return any(each.startswith(value) for each in said)
                case "group":
                    return service.group_name.casefold().startswith(value)
                case "tag":
                    return any(tag.casefold().startswith(value) for tag in service.tags)
                case "who":
                    return who_word(line, at).casefold().startswith(value)
                case "public":
                    return public_word(line, at).startswith(value)
                case "since":
                    return _since(at - service.status_since, value)
                case _:
                    pass
        return (
            word
            in (
                f"{service.name} {service.group_name} {service.reason} "
                f"{service.incident_code or ''} {line.look.word}"
            ).casefold()
        )

    return matches


def _since(age: timedelta, value: str) -> bool:
    from statustui.domain.errors import ValidationFailed
    from statustui.domain.text import parse_duration

    is_older = value.startswith(">")
    try:
        limit = parse_duration(value.lstrip("<>"))
    except ValidationFailed:
        # Still being typed: an unfinished condition leaves everything.
        return True
    return age > limit if is_older else age <= limit
