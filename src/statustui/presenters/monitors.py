"""The list of monitors: what each says, when it looks next, and what went wrong last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from statustui.domain.errors import ValidationFailed
from statustui.domain.readmodels import MonitorRow
from statustui.domain.status import MonitorState
from statustui.domain.text import clean, parse_duration
from statustui.palette import glyph_of, token_of, word_of
from statustui.presenters import clock
from statustui.presenters.columns import Column, Wanted, lay_out
from statustui.presenters.line import Line
from statustui.presenters.regions import spread
from statustui.presenters.waterfall import milliseconds

_WANTED = (
    Wanted("state", "STATE", 10),
    Wanted("monitor", "MONITOR", 24, wide_width=30),
    Wanted("type", "TYPE", 4, least_screen=100),
    Wanted("every", "EVERY", 5, is_right=True),
    Wanted("next", "NEXT", 8, is_right=True),
    Wanted("took", "LAST", 8, is_right=True),
    Wanted("looked", "LOOKED", 8, least_screen=100, is_right=True),
    Wanted("target", "TARGET", 34, least_screen=140, wide_width=44),
    Wanted("why", "LAST ERROR", 16),
)

_ORDER = list(MonitorState)

DEFAULT_PAUSE = "1h"
UNTIL_RESUMED = "until resumed"


@dataclass(frozen=True, slots=True)
class MonitorListRow:
    """One monitor in the list.

    Attributes:
        key: its id as text; cells: by column.
        words: what a filter searches, in lower case.
        facts: what `state:`, `type:`, `service:` and `tag:` in a filter search.
    """

    key: str
    cells: Mapping[str, Line]
    words: str
    facts: Mapping[str, str]


def columns(width: int) -> tuple[Column, ...]:
    """The columns that a screen of this width shows."""
    return lay_out(_WANTED, width)


def is_paused(monitor: MonitorRow, now: datetime) -> bool:
    """Whether nobody looks at present."""
    return not monitor.is_active or (
        monitor.paused_until is not None and monitor.paused_until > now
    )


def rows(monitors: Iterable[MonitorRow], now: datetime, zone: tzinfo) -> tuple[MonitorListRow, ...]:
    """All monitors: those that are worse first, then by service and name."""
    every = sorted(
        monitors,
        key=lambda each: (
            _ORDER.index(_state(each, now)),
            each.service_name.casefold(),
            each.name.casefold(),
        ),
    )
    return tuple(_row(each, now, zone) for each in every)


def _state(monitor: MonitorRow, now: datetime) -> MonitorState:
    return MonitorState.PAUSED if is_paused(monitor, now) else monitor.state


def _row(monitor: MonitorRow, now: datetime, zone: tzinfo) -> MonitorListRow:
    state = _state(monitor, now)
    failing = state in (MonitorState.DOWN, MonitorState.FLAPPING, MonitorState.DEGRADED)
    base = "muted" if state is MonitorState.PAUSED else "text"
    bold = " b" if state is MonitorState.DOWN else ""
    name = f"{monitor.service_name}/{monitor.name}"
    return MonitorListRow(
        key=str(monitor.id),
        cells={
            "state": ((f"{glyph_of(state)} {word_of(state)}", token_of(state) + bold),),
            "monitor": ((name, base + bold),),
            "type": ((monitor.type.value, base),),
            "every": ((clock.age(timedelta(seconds=monitor.interval_seconds)), base),),
            "next": ((next_run(monitor, now, zone), base),),
            "took": ((milliseconds(monitor.last_duration_ms), base),),
            "looked": ((_looked(monitor, zone), "muted"),),
            "target": ((monitor.target, base),),
            "why": ((monitor.reason, "text" if failing else "muted"),),
        },
        words=f"{name} {monitor.target} {monitor.type.value} {monitor.reason}".casefold(),
        facts={
            "state": f"{state.value}\n{word_of(state)}",
            "type": monitor.type.value,
            "service": monitor.service_name.casefold(),
            "tag": "\n".join(monitor.tags).casefold(),
        },
    )


def next_run(monitor: MonitorRow, now: datetime, zone: tzinfo) -> str:
    """When it looks next: a clock time, "due", or "-" while it is paused."""
    if is_paused(monitor, now):
        return "-"
    if monitor.next_run_at is None:
        return "soon"
    return "due" if monitor.next_run_at <= now else clock.clock_seconds(monitor.next_run_at, zone)


def _looked(monitor: MonitorRow, zone: tzinfo) -> str:
    at = monitor.last_checked_at
    return clock.clock_seconds(at, zone) if at is not None else "never"


def matches(row: MonitorListRow, query: str) -> bool:
    """Whether a row is what a filter asks for.

    Args:
        query: words that must all occur, and `state:down`, `type:http`, `service:api`, `tag:eu`.
    """
    for word in query.casefold().split():
        name, colon, value = word.partition(":")
        if colon and name in row.facts:
            if not any(each.startswith(value) for each in row.facts[name].split("\n")):
                return False
        elif word not in row.words:
            return False
    return True


def pause_words(monitor: MonitorRow, now: datetime, zone: tzinfo) -> str:
    """How long it is paused: "paused until 04:41", "paused until resumed", or nothing."""
    if not monitor.is_active:
        return f"paused {UNTIL_RESUMED}"
    if monitor.paused_until is not None and monitor.paused_until > now:
        return f"paused until {clock.moment(monitor.paused_until, now, zone)}"
    return ""


def read_pause(text: str, now: datetime) -> datetime | None:
    """Read how long a monitor shall be paused.

    Args:
        text: "1h", "30m", or "until resumed"; empty means one hour.
        now: the present moment.

    Returns:
        When the pause ends, None for until somebody resumes it.

    Raises:
        ValidationFailed: when it is neither.
    """
    said = clean(text).casefold() or DEFAULT_PAUSE
    if said in (UNTIL_RESUMED, "resumed", "until"):
        return None
    try:
        length = parse_duration(said)
    except ValidationFailed as error:
        raise ValidationFailed(
            f'"{said}" is no time; write it like "1h" or "30m", or "{UNTIL_RESUMED}"'
        ) from error
    if length <= timedelta(0):
        raise ValidationFailed("a pause must have a length")
    return now + length


def detail(monitor: MonitorRow, now: datetime, zone: tzinfo) -> tuple[tuple[str, Line], ...]:
    """What is known of one monitor, as labelled lines for the pane under the list."""
    state = _state(monitor, now)
    since = monitor.state_since
    said: list[tuple[str, str]] = [
        (f"{glyph_of(state)} {word_of(state)}", token_of(state)),
    ]
    if since is not None:
        said.append((f" since {clock.moment(since, now, zone)}", "muted"))
    paused = pause_words(monitor, now, zone)
    if paused:
        said.append((f"   {paused}", "text"))
    verdict = (
        f"down after {monitor.failure_threshold}, up after {monitor.recovery_threshold}, "
        f"timeout {milliseconds(monitor.timeout_ms)}"
    )
    if monitor.region_quorum is not None:
        verdict += f", down when {monitor.region_quorum} of {len(monitor.regions)} regions say so"
    if monitor.degraded_after_ms is not None:
        verdict += f", slow from {milliseconds(monitor.degraded_after_ms)}"
    found: list[tuple[str, Line]] = [
        ("state", tuple(said)),
        ("target", ((monitor.target, "text"),)),
        ("error", ((monitor.reason or "none", "text" if monitor.reason else "muted"),)),
        ("verdict", ((verdict, "text"),)),
    ]
    if len(monitor.regions) > 1:
        found.insert(2, ("regions", ((spread(monitor.regions), "text"),)))
    if monitor.conditions:
        found.append(("must hold", ((", ".join(monitor.conditions), "text"),)))
    if monitor.runbook:
        found.append(("runbook", ((monitor.runbook.split("\n", 1)[0], "text"),)))
    return tuple(found)
