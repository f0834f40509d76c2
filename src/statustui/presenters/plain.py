"""The board in words, one fact a line, for terminals without a cursor and for screen readers."""

from __future__ import annotations

from datetime import UTC

from statustui import palette
from statustui.domain.readmodels import Board, IncidentSummary, ServiceRow
from statustui.domain.status import IncidentStatus
from statustui.presenters import clock
from statustui.presenters.board import ServiceLine, arrange, look_of_service
from statustui.presenters.board_cells import public_word, who_word
from statustui.presenters.board_head import Condition, badges
from statustui.presenters.line import count_of
from statustui.presenters.why import why

_PUBLIC = {
    "hidden": "on no page",
    "none": "the page shows green",
    "colour": "the page shows it without words",
    "told": "the public was told",
    "late": "a promised update is overdue",
}
_WORDS = {palette.MAINTENANCE.word: "maintenance"}


def board_lines(board: Board) -> list[str]:
    """The whole board: a line of counts, then one line for each service that is not up.

    Args:
        board: as the database answered; times are in UTC.
    """
    at = board.read_at
    view = arrange(board, at)
    counts = ", ".join(f"{number} {_said(look.word)}" for look, number in view.counts)
    parts = [
        f"{clock.clock_seconds(at, UTC)}Z {board.organization.name}: {counts or 'no services yet'}"
    ]
    if board.silenced:
        parts.append(f"{board.silenced} silenced")
    parts += [badge.lower() for badge in badges(board, Condition())]
    lines = ["; ".join(parts)]
    lines += [_service(line, board) for line in view.broken]
    lines += [_incident(each, board) for each in board.incidents if each.status.is_open]
    if board.services and not view.broken:
        lines.append("all services are up")
    return lines


def change_lines(before: Board, after: Board) -> list[str]:
    """What has changed between two boards, one line for each change; empty when nothing has.

    Args:
        before, after: two reads of one organization. Ages and latencies are no changes.
    """
    at = after.read_at
    time = f"{clock.clock_seconds(at, UTC)}Z"
    lines: list[str] = []
    old_services = {service.id: service for service in before.services}
    shown = {line.service.id: line for line in arrange(after, at).broken}
    for service in after.services:
        known = old_services.pop(service.id, None)
        if known is None:
            lines.append(f"{time} {service.name} was added")
        elif _state(known) != _state(service):
            line = shown.get(service.id)
            words = _service(line, after) if line is not None else _recovered(service, known)
            lines.append(f"{time} {words}")
    lines += [f"{time} {service.name} was removed" for service in old_services.values()]
    old_incidents = {incident.code: incident for incident in before.incidents}
    for incident in after.incidents:
        lines += [f"{time} {words}" for words in _moves(old_incidents.get(incident.code), incident)]
    gone = set(badges(before, Condition()))
    lines += [f"{time} {each.lower()}" for each in badges(after, Condition()) if each not in gone]
    if "NO WATCH" in gone and "NO WATCH" not in badges(after, Condition()):
        lines.append(f"{time} a watch is checking again")
    return lines


def _state(service: ServiceRow) -> tuple[str, str, str]:
    return look_of_service(service).word, service.status, service.public_status


def _said(word: str) -> str:
    return _WORDS.get(word, word)


def _recovered(service: ServiceRow, before: ServiceRow) -> str:
    lasted = clock.span(service.status_since - before.status_since)
    return f"{service.name} is up, was {_said(look_of_service(before).word)} for {lasted}"


def _service(line: ServiceLine, board: Board) -> str:
    service = line.service
    at = board.read_at
    since = clock.moment(service.status_since, at, UTC)
    parts = [f"{service.name}: {_said(line.look.word)} since {since}Z"]
    reason = service.reason or why(service, line.cause_name, at, UTC).long
    if reason:
        parts.append(reason)
    if line.cause_name:
        parts.append(f"caused by {line.cause_name}")
    if line.incident is not None:
        who = who_word(line, at)
        parts.append(f"{line.incident.code}, {'nobody has it' if who == '-' else f'with {who}'}")
    if line.is_broken:
        parts.append(_PUBLIC[public_word(line, at)])
    return "; ".join(parts)


def _incident(incident: IncidentSummary, board: Board) -> str:
    at = board.read_at
    count = count_of(len(incident.services), "service")
    kind = "public" if incident.is_public else "internal"
    began = clock.moment(incident.started_at, at, UTC)
    return (
        f"{incident.code} {incident.internal_or_title}: {incident.status}, {incident.impact}, "
        f"{kind}, {count}, began {began}Z"
    )


def _moves(before: IncidentSummary | None, after: IncidentSummary) -> list[str]:
    name = f"{after.code} {after.internal_or_title}"
    if before is None:
        return [f"{name}: opened, {after.impact}"] if after.status.is_open else []
    moves: list[str] = []
    if before.status is not after.status:
        resolved = after.status is IncidentStatus.RESOLVED
        moves.append(f"{name}: {'resolved' if resolved else f'now {after.status}'}")
    if before.acknowledged_by != after.acknowledged_by and after.acknowledged_by:
        moves.append(f"{name}: acknowledged by {after.acknowledged_by}")
    if before.told_at != after.told_at and after.told_at is not None:
        moves.append(f"{name}: the public was told")
    if not before.is_public and after.is_public:
        moves.append(f"{name}: is public now")
    return moves
