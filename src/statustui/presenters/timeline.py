"""Turns the entries of a timeline into lines: when, what kind, what, and who may read it.

The sign says the kind without colour: a failure and a recovery carry the sign of their status,
`|` is a mark, `a` an acknowledgement, `z` a snooze, `u` an update, `w` a note: the letters are the
keys that make such an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from statustui.domain.readmodels import TimelineEntry
from statustui.palette import Look, glyph_of, look_of
from statustui.presenters import clock
from statustui.presenters.line import Line, cut, pad, plain, wrap

TIME_WIDTH = 8
TAG_WIDTH = 8
# Wider than any message: rows are made for the column later.
_UNBROKEN = 100_000

_SIGNS = {
    "mark": "|",
    "acknowledged": "a",
    "snoozed": "z",
    "update": "u",
    "note": "w",
    "edited": "e",
}


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One entry as it is shown.

    Attributes:
        at: when it happened.
        sign: at most one column; sign_style: how it is painted.
        text: what happened; may have several paragraphs; text_style: how it is painted.
        tag: "public", "internal" or nothing.
    """

    at: datetime
    sign: str
    sign_style: str
    text: str
    text_style: str
    tag: str = ""


def rows(entries: Sequence[TimelineEntry], *, with_service: bool = True) -> tuple[TimelineRow, ...]:
    """Say what each entry means.

    Args:
        entries: oldest first.
        with_service: name the service in each entry that has one; not needed where all are about
            the same service.
    """
    shown: list[TimelineRow] = []
    has_failed = False
    for entry in entries:
        shown.append(_row(entry, with_service=with_service, is_first_failure=not has_failed))
        has_failed = has_failed or entry.kind == "failure"
    return tuple(shown)


def _row(entry: TimelineEntry, *, with_service: bool, is_first_failure: bool) -> TimelineRow:
    sign, sign_style = _sign(entry)
    text = _text(entry, with_service=with_service, is_first_failure=is_first_failure)
    if entry.kind == "note":
        return TimelineRow(entry.at, sign, sign_style, text, "internal", "internal")
    tag = "public" if entry.is_public else ""
    if entry.kind == "update" and not entry.is_public:
        return TimelineRow(entry.at, sign, sign_style, text, "internal", "internal")
    return TimelineRow(entry.at, sign, sign_style, text, "text", tag)


def _sign(entry: TimelineEntry) -> tuple[str, str]:
    match entry.kind:
        case "failure":
            return glyph_of("major_outage"), "outage b"
        case "recovery":
            return glyph_of("operational"), "up"
        case "state" | "status":
            look = _look(entry.status)
            return (look.glyph, look.token) if look is not None else (" ", "text")
        case "maintenance":
            return glyph_of("under_maintenance"), "maint"
        case _:
            return _SIGNS.get(entry.kind, " "), "strong b"


def _look(status: str) -> Look | None:
    try:
        return look_of(status)
    except KeyError:
        # An entry of a kind that says no status, or one that a newer program has written.
        return None


def _word(entry: TimelineEntry) -> str:
    look = _look(entry.status)
    return look.word if look is not None else entry.text


def _text(entry: TimelineEntry, *, with_service: bool, is_first_failure: bool) -> str:
    service = entry.service_name if with_service else ""
    who = entry.who or ""
    match entry.kind:
        case "failure" if is_first_failure:
            about = f"{service} first failure" if service else "first failure"
            return f"{about}: {entry.text}" if entry.text else about
        case "failure":
            return _about(service, entry.text or "failed")
        case "recovery":
            return _about(service, entry.text or "recovered")
        case "state":
            look = _look(entry.status)
            said = f"{entry.text} {look.word}" if look is not None else entry.text
            return _about(service, said.strip())
        case "status":
            said = _word(entry)
            return f"{service} is {said}" if service else f"status {said}"
        case "public_status":
            said = _word(entry)
            return f"page shows {service} as {said}" if service else f"page turned: {said}"
        case "note":
            # Nobody but the house reads a note: it stays as it was typed.
            return f"{who}: {entry.text}" if who else entry.text
        case "update":
            said = _message(entry.text)
            stage = f"{entry.status}: " if entry.status else ""
            # Who wrote it is left out for the engine's own words: they say so themselves.
            return f"{who}, {stage}{said}" if who else f"{stage}{said}"
        case "mark":
            return f"{entry.text} by {who}" if who else entry.text
        case _:
            return f"{who} {entry.text}".strip()


def _message(text: str) -> str:
    """An update as the page words it, without its Markdown; paragraphs and items are lines."""
    # What reads Markdown takes long to import, and no first frame needs it.
    from statustui.presenters.markdown_lines import message_lines

    return "\n".join(plain(line) for line in message_lines(text, _UNBROKEN) if line)


def _about(service: str, text: str) -> str:
    return f"{service}: {text}" if service else text


def short_lines(
    shown: Sequence[TimelineRow], zone: tzinfo, width: int, rows_left: int, text_at: int
) -> tuple[Line, ...]:
    """The newest entries, one line each, oldest of them first.

    Args:
        shown: all entries; zone: of the clock times; width: columns; rows_left: lines at most.
        text_at: the column in which texts start.
    """
    newest = shown[-rows_left:] if rows_left > 0 else ()
    return tuple(_short(row, zone, width, text_at) for row in newest)


def _short(row: TimelineRow, zone: tzinfo, width: int, text_at: int) -> Line:
    head = _head(row, clock.clock_seconds(row.at, zone), text_at)
    space = max(1, width - text_at - (TAG_WIDTH + 2 if row.tag else 1))
    text = cut(" ".join(row.text.split()), space)
    if not row.tag:
        return (*head, (text, row.text_style))
    tag_style = "internal" if row.tag == "internal" else "strong b"
    return (*head, (pad(text, space), row.text_style), (row.tag.rjust(TAG_WIDTH + 1), tag_style))


def full_lines(
    shown: Sequence[TimelineRow], now: datetime, zone: tzinfo, width: int, text_at: int
) -> tuple[Line, ...]:
    """Every entry whole, broken into lines; a line names the day where another day begins.

    Args:
        shown: all entries, oldest first; now: the present moment; zone: of the clock times.
        width: columns; text_at: the column in which texts start.
    """
    lines: list[Line] = []
    today = now.astimezone(zone).date()
    last = today if len({row.at.astimezone(zone).date() for row in shown}) <= 1 else None
    for row in shown:
        on = row.at.astimezone(zone).date()
        if on != last:
            lines.append((("  " if text_at < 2 else " ", "text"), (clock.day(on, today), "muted")))
            last = on
        lines.extend(_full(row, zone, width, text_at))
    return tuple(lines)


def _full(row: TimelineRow, zone: tzinfo, width: int, text_at: int) -> tuple[Line, ...]:
    space = max(1, width - text_at - (TAG_WIDTH + 2 if row.tag else 1))
    texts = wrap(row.text, space)
    tag_style = "internal" if row.tag == "internal" else "strong b"
    lines: list[Line] = []
    for number, text in enumerate(texts):
        if number:
            lines.append(((" " * text_at, "text"), (text, row.text_style)))
            continue
        head = _head(row, clock.clock_seconds(row.at, zone), text_at)
        if row.tag:
            tag = (row.tag.rjust(TAG_WIDTH + 1), tag_style)
            lines.append((*head, (pad(text, space), row.text_style), tag))
        else:
            lines.append((*head, (text, row.text_style)))
    return tuple(lines)


def _head(row: TimelineRow, time: str, text_at: int) -> Line:
    # One column for the cursor, the time, the sign, then what is left to the column of texts.
    gap = max(1, text_at - (1 + TIME_WIDTH + 1 + 1))
    return (
        (" ", "text"),
        (time.ljust(TIME_WIDTH), "muted"),
        (" ", "text"),
        (row.sign or " ", row.sign_style),
        (" " * gap, "text"),
    )
