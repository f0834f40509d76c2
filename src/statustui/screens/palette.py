"""The palette: everything that can be done, and everything that can be gone to, by name."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui import palette
from statustui.domain.readmodels import Board, MonitorRow
from statustui.presenters import clock
from statustui.presenters.board import look_of_service
from statustui.presenters.line import Line, Part, cell_width, cut, pad
from statustui.screens.base import BaseScreen
from statustui.screens.help import shown_key
from statustui.widgets.footer_keys import KEYS, FooterKeys, KeyHint
from statustui.widgets.line_input import LineInput
from statustui.widgets.lines import Lines
from statustui.widgets.painting import fit

_WIDEST = 90
_CODE = re.compile(r"\bINC-\w+")
_MOST = 200
_NAME_AT = 7
_DETAIL_AT = 40
_COUNT = 18


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to choose.

    Attributes:
        verb: `do` or `go`; name, detail: what it is; key: that does the same, if there is one.
        run: what choosing it does, once the palette is closed.
    """

    verb: str
    name: str
    detail: str
    key: str
    run: Callable[[], None]


class PaletteScreen(BaseScreen[None]):
    """Type a part of a name, press enter.

    Args:
        behind: the screen it was opened from: its actions are offered, and done on it.
    """

    TITLE_OF_KEYS = "Palette"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", "down", id="palette_down"),
        Binding("up", "move(-1)", "up", id="palette_up"),
        Binding("pagedown", "move(8)", "further down", id="palette_page_down"),
        Binding("pageup", "move(-8)", "further up", id="palette_page_up"),
        Binding("tab", "only_actions", "only actions, and back", id="palette_actions"),
        Binding("enter", "choose", "do it", id="palette_choose"),
    ]

    AUTO_FOCUS = "LineInput"

    def __init__(self, behind: BaseScreen[Any]) -> None:
        super().__init__()
        self._behind = behind
        self._behind_text = _text_of(behind)
        self._entries: list[Entry] = []
        self._monitors: Sequence[MonitorRow] = ()
        self._found: list[Entry] = []
        self._chosen = 0
        self._top = 0
        self._only_actions = False
        self._typed_ahead = ""
        self._named: set[str] = set()

    def compose(self) -> ComposeResult:
        """The screen behind, faint; over it a field and what it finds."""
        yield Lines(id="behind")
        yield Lines(id="above", ground="panel")
        yield LineInput("  > ", ground="panel", id="query")
        yield Lines(id="count", ground="panel")
        yield Lines(id="found", ground="panel")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Offer everything that is known; monitors follow when they are loaded."""
        self.query_one("#query", LineInput).insert(self._typed_ahead)
        self._entries = list(self._offered())
        self._find()
        self._lay_out()
        self.show_keys()
        self.attempt(
            self.store.load_monitors(self.organization_id), self._took_monitors, lambda _: True
        )

    def on_resize(self, _: events.Resize) -> None:
        """Move to the middle of the new screen."""
        self._lay_out()
        self._show()

    def hints(self) -> Sequence[KeyHint]:
        """Choose, narrow, close."""
        words = "everything" if self._only_actions else "only actions"
        return (KeyHint("enter", "do it"), KeyHint("tab", words), KeyHint("esc", "close"))

    def always(self) -> Sequence[KeyHint]:
        """f1 shows the keys, since ? is typed here."""
        return (KeyHint("f1", KEYS.label),)

    # What is offered

    def _took_monitors(self, monitors: tuple[MonitorRow, ...]) -> None:
        self._monitors = monitors
        self._entries = list(self._offered())
        self._find()

    def _offered(self) -> Iterator[Entry]:
        yield from self._actions()
        board = self.board
        if board is None:
            return
        yield from self._places(board)

    def _actions(self) -> Iterator[Entry]:
        behind = self._behind
        seen: set[str] = set()
        for owner in type(behind).__mro__:
            if not issubclass(owner, BaseScreen):
                break
            for binding in owner.__dict__.get("BINDINGS", ()):
                if not isinstance(binding, Binding) or not binding.description:
                    continue
                if binding.action in seen or binding.action.split("(")[0] in _NOT_HERE:
                    continue
                seen.add(binding.action)
                words = behind.action_words(binding.action, binding.description)
                if words is None:
                    continue
                name, _, detail = words.partition(";")
                self._named.update(_CODE.findall(name))
                yield Entry(
                    "do",
                    name[:1].upper() + name[1:],
                    detail.strip(),
                    shown_key(binding.key).split(" ")[0],
                    self._doing(binding.action),
                )
        yield from self._more_actions()
        yield Entry("do", "Quit", "", "ctrl+q", self.dashboard.leave)

    def _doing(self, action: str) -> Callable[[], None]:
        def run() -> None:
            behind = self._behind
            behind.run_worker(behind.run_action(action), exit_on_error=True)

        return run

    def _more_actions(self) -> Iterator[Entry]:
        """What has no key because it is rare: of every open incident."""
        board = self.board
        if board is None or not self.can_write:
            return
        for incident in board.incidents:
            if not incident.status.is_open:
                continue
            code = incident.code
            if code in self._named:
                continue
            name = incident.internal_or_title
            store, org_id = self.store, self.organization_id
            yield Entry(
                "do",
                f"Acknowledge {code}",
                name,
                "",
                self._storing(partial(store.acknowledge, org_id, code), f"{code} is yours"),
            )
            if incident.acknowledged_by:
                yield Entry(
                    "do",
                    f"Release {code}",
                    f"acknowledged by {incident.acknowledged_by}",
                    "",
                    self._storing(
                        partial(store.release_acknowledgement, org_id, code),
                        f"{code} is nobody's now",
                    ),
                )
            if incident.snoozed_until is not None:
                yield Entry(
                    "do",
                    f"End the snooze of {code}",
                    name,
                    "",
                    self._storing(
                        partial(store.snooze, org_id, code, None), f"{code} is awake again"
                    ),
                )
            if incident.pending is not None:
                yield Entry(
                    "do",
                    f"Take back the post to {code}",
                    "opens the incident; U there",
                    "U",
                    partial(self._behind.open_incident, code),
                )

    def _storing(self, call: Callable[[], Awaitable[object]], words: str) -> Callable[[], None]:
        behind = self._behind

        def said(_: object) -> None:
            behind.say(words)

        def run() -> None:
            if behind.may_write():
                behind.attempt(call(), said)

        return run

    def _places(self, board: Board) -> Iterator[Entry]:
        now = self.now()
        for service in board.services:
            look = look_of_service(service)
            age = "" if look is palette.UP else f" {clock.age(now - service.status_since)}"
            group = f", {service.group_name}" if service.group_name else ""
            yield Entry(
                "go",
                service.name,
                f"{look.glyph} {look.word}{age}{group}",
                "",
                partial(self._behind.open_service, service.id),
            )
        for incident in board.incidents:
            if incident.resolved_at is not None:
                detail = f"resolved {clock.moment(incident.resolved_at, now, self.zone)}"
            else:
                detail = f"{incident.status}, {clock.age(now - incident.started_at)}"
            yield Entry(
                "go",
                f"{incident.code} {incident.internal_or_title}",
                detail,
                "",
                partial(self._behind.open_incident, incident.code),
            )
        for monitor in self._monitors:
            look = palette.look_of(monitor.state)
            yield Entry(
                "go",
                f"{monitor.service_name}/{monitor.name}",
                f"monitor, {look.glyph} {look.word}",
                "",
                partial(self._behind.open_service, monitor.service_id),
            )

    # Finding

    def typed_ahead(self, event: events.Key) -> None:
        """What is typed before the field has the focus is typed into it all the same."""
        if event.character is None or not event.is_printable:
            return
        field = self.query("#query").results(LineInput)
        for each in field:
            each.insert(event.character)
            return
        self._typed_ahead += event.character

    def on_key(self, event: events.Key) -> None:
        """The same for keys that reach the screen itself."""
        if event.character is not None and event.is_printable:
            event.stop()
            event.prevent_default()
            self.typed_ahead(event)

    def on_line_input_changed(self, message: LineInput.Changed) -> None:
        """Find while it is typed."""
        message.stop()
        self._chosen = self._top = 0
        self._find()

    def on_line_input_submitted(self, message: LineInput.Submitted) -> None:
        """Do what is chosen."""
        message.stop()
        self.action_choose()

    def on_line_input_cancelled(self, message: LineInput.Cancelled) -> None:
        """Close."""
        message.stop()
        self.action_back()

    def action_move(self, rows: int) -> None:
        """Choose another."""
        self._chosen = max(0, min(len(self._found) - 1, self._chosen + rows))
        self._show()

    def action_only_actions(self) -> None:
        """Only what can be done, and back."""
        self._only_actions = not self._only_actions
        self._chosen = self._top = 0
        self._find()
        self.show_keys()

    def action_choose(self) -> None:
        """Close the palette, then do what is chosen."""
        if not self._found:
            return
        entry = self._found[self._chosen]
        self.app.pop_screen()
        self._behind.call_after_refresh(entry.run)

    def action_palette(self) -> None:
        """The palette is open already: pressed again it closes."""
        self.action_back()

    def _find(self) -> None:
        query = self.query_one("#query", LineInput).value.casefold().split()
        offered = [entry for entry in self._entries if entry.verb == "do" or not self._only_actions]
        scored = []
        for place, entry in enumerate(offered):
            score = _score(entry, query)
            if score is not None:
                scored.append((entry.verb == "go", score, place, entry))
        scored.sort(key=lambda each: each[:3])
        self._found = [entry for *_, entry in scored][:_MOST]
        self._chosen = min(self._chosen, max(0, len(self._found) - 1))
        self._show()

    # Showing

    def _lay_out(self) -> None:
        width, height = self.size.width, self.size.height
        if not width:
            return
        own = width if width < 100 else _WIDEST
        left = (width - own) // 2
        top = 3 if height >= 16 else 0
        rows = max(2, min(10 if height < 30 else 18, height - top - 4))
        for name, x, y, wide, lines in (
            ("above", 0, top, own, 1),
            ("query", 0, top + 1, own - _COUNT, 1),
            ("count", own - _COUNT, top + 1, _COUNT, 1),
            ("found", 0, top + 2, own, rows),
        ):
            widget = self.query_one(f"#{name}")
            widget.styles.offset = (left + x, y)
            widget.styles.width = wide
            widget.styles.height = lines
        behind = self.query_one("#behind", Lines)
        behind.styles.height = height
        behind.show([((text, "faint"),) for text in self._behind_text])

    def _show(self) -> None:
        found = self.query_one("#found", Lines)
        width = found.size.width or min(self.size.width, _WIDEST)
        height = found.styles.height
        room = max(1, (int(height.value) if height is not None else 10) - 2)
        if self._chosen < self._top:
            self._top = self._chosen
        if self._chosen >= self._top + room:
            self._top = self._chosen - room + 1
        query = self.query_one("#query", LineInput).value.casefold().split()
        count = f"{len(self._found)} of {len(self._entries)}"
        self.query_one("#count", Lines).show([((count.rjust(_COUNT - 3), "muted"),)])
        lines: list[Line] = [()]
        verb = ""
        for place, entry in enumerate(self._found[self._top : self._top + room], self._top):
            shown_verb = entry.verb if entry.verb != verb else ""
            verb = entry.verb
            lines.append(_line(entry, shown_verb, query, width, is_chosen=place == self._chosen))
        if not self._found:
            lines.append(((" " * _NAME_AT, "text"), ("nothing is called that", "muted")))
        found.show(lines)


_NOT_HERE = frozenset(
    {"move", "first", "last", "page", "back", "palette", "scroll", "match", "turn", "open"}
)


def _score(entry: Entry, query: Sequence[str]) -> int | None:
    """How well it fits: 0 where a word of the name begins with what was typed; None: not at all."""
    if not query:
        return 0
    name = entry.name.casefold()
    whole = f"{name} {entry.detail.casefold()}"
    worst = 0
    for word in query:
        if name.startswith(word) or f" {word}" in name or f"/{word}" in name:
            continue
        if word in name:
            worst = max(worst, 1)
        elif word in whole:
            worst = max(worst, 2)
        else:
            return None
    return worst


def _line(entry: Entry, verb: str, query: Sequence[str], width: int, *, is_chosen: bool) -> Line:
    ground = "sel" if is_chosen else "panel"
    key = "strong b" if is_chosen else "text"
    detail_at = min(_DETAIL_AT, width * 5 // 8)
    if not entry.detail:
        # What says everything in its name may use the room of what else would be said.
        own = _NAME_AT + cell_width(entry.name) + 1
        detail_at = max(detail_at, min(own, width - len(entry.key) - 5))
    name = cut(entry.name, detail_at - _NAME_AT - 1)
    parts: list[Part] = [
        (palette.CURSOR if is_chosen else " ", "strong b"),
        (f" {verb}".ljust(_NAME_AT - 1), "muted"),
        *_underlined(name, query, key),
        (" " * (detail_at - _NAME_AT - cell_width(name)), "text"),
    ]
    room = width - detail_at - len(entry.key) - 4
    parts += [
        (pad(entry.detail, max(1, room)), "muted"),
        (" ", "text"),
        (entry.key, "strong b"),
    ]
    return tuple((text, f"{style} on:{ground}") for text, style in fit(parts, width))


def _underlined(name: str, query: Sequence[str], key: str) -> list[Part]:
    folded = name.casefold()
    marked = [False] * len(name)
    if len(folded) == len(name):
        for word in query:
            at = folded.find(word)
            if at >= 0:
                marked[at : at + len(word)] = [True] * len(word)
    parts: list[Part] = []
    for character, is_marked in zip(name, marked, strict=True):
        style = "strong b u" if is_marked else key
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + character, style)
        else:
            parts.append((character, style))
    return parts


def _text_of(screen: BaseScreen[Any]) -> list[str]:
    """What a screen shows at this moment, as plain text."""
    return [strip.text for strip in screen.strips()]
