"""The first screen: what is broken, since when, why, whose it is, and what the public sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from statustui import palette
from statustui.domain.errors import NotFound, StatustuiError
from statustui.domain.publicmodels import PublicPage
from statustui.domain.readmodels import IncidentDetail, IncidentSummary, ServiceNow
from statustui.presenters import board_head, board_pane, clock
from statustui.presenters.board import (
    BoardLine,
    BoardView,
    GroupLine,
    ServiceLine,
    arrange,
    key_of,
    lines,
    matcher,
)
from statustui.presenters.board_cells import (
    NARROW,
    CellContext,
    calm_columns,
    cells,
    columns,
    sort_values,
)
from statustui.presenters.columns import Column
from statustui.presenters.line import Line
from statustui.screens.base import Choice
from statustui.screens.listing import ListScreen
from statustui.widgets.footer_keys import FILTER, KEYS, FooterKeys, KeyHint
from statustui.widgets.line_list import LineList, Row, SortKey
from statustui.widgets.lines import Lines
from statustui.widgets.title_bar import title_line

_SETTLE_SECONDS = 0.15
_TWICE_SECONDS = 1.5
_FEW = 500
"""Services up to which the page in the pane is made anew with every board."""

_ON_INCIDENT = {
    "acknowledge": "acknowledge {code}; 30 min, you become lead if none is",
    "snooze": "snooze {code}; choose for how long",
    "tell": "write to the public about {code}; opens the composer",
    "note": "write an internal note to {code}; opens the composer",
    "resolve": "resolve {code}; opens the composer",
}
"""What actions on an incident are called in the palette."""


class ServicesScreen(ListScreen[None]):
    """The list of services between two lines of what matters and a pane about the selected one.

    Args:
        note: said in the last line at the start.
    """

    TITLE_OF_KEYS = "Services"

    BINDINGS: ClassVar[list[BindingType]] = [
        # Pressed in haste, and torn out of sequences on bad lines: esc must not end the program.
        Binding("escape", "nothing_behind", "filter, marks and order away", id="clear"),
        Binding("exclamation_mark", "next_problem", "next problem", id="next_problem"),
        Binding("a", "acknowledge", "acknowledge for 30 minutes; you become lead if none is",
                id="acknowledge"),
        Binding("z", "snooze", "snooze: choose for how long", id="snooze"),
        Binding("u", "tell", "write to the public", id="tell"),
        Binding("w", "note", "write an internal note", id="note"),
        Binding("i", "new_incident", "new incident", id="new_incident"),
        Binding("r", "resolve", "resolve the incident", id="resolve"),
        Binding("b", "runbook", "show the runbook", id="runbook"),
        Binding("y", "copy", "copy the command, the error or the name", id="copy"),
        Binding("o", "public_link", "copy the page's address", id="public_link"),
    ]  # fmt: skip

    def __init__(self, note: str = "") -> None:
        super().__init__()
        self._note = note
        self._view: BoardView | None = None
        self._is_expanded = False
        self._incident: IncidentDetail | None = None
        self._now: ServiceNow | None = None
        self._settling: Timer | None = None
        self._asked = 0
        self._loaded: tuple[object, ...] = ()
        self._page: PublicPage | None = None
        self._page_for: UUID | None = None
        self._headline = ""
        self._minute: datetime | None = None
        self._quit_asked = float("-inf")
        self._calm: bool | None = None

    def compose(self) -> ComposeResult:
        """Two lines, the list, the pane, the keys."""
        yield Lines(id="head")
        yield LineList[BoardLine](self._columns, self._cells, id="services")
        yield Lines(id="pane")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Say that nothing is known yet."""
        self._lay_out()
        self.query_one("#head", Lines).show([((" ", "text"), ("reading the board …", "muted"))])
        self.show_keys()
        if self._note:
            self.say(self._note)

    def on_resize(self, _: events.Resize) -> None:
        """Give the list and the pane their places on the new screen."""
        if self._view is not None:
            self._show_rows()
        self._lay_out()
        self._show_head()
        self._show_pane()
        self.show_keys()

    # What it shows

    @property
    def view(self) -> BoardView | None:
        """The board in the order in which it is shown, None before the first answer."""
        return self._view

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Show the board that was loaded anew."""
        if self.board is None or not self._is_whole():
            return
        self._view = arrange(self.board, self.now())
        self._minute = None
        if len(self.board.services) <= _FEW:
            self._make_page()
        self._show_rows()
        self._show_head()
        self._lay_out()
        self._show_pane()
        self.show_keys()
        if kinds is None or self._state_of_selected() != self._loaded:
            self._settle()

    def tick(self, now: datetime) -> None:
        """The clock moves on; ages do once a minute."""
        if not self._is_whole():
            return
        self._show_head()
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute and self.board is not None:
            first, self._minute = self._minute is None, minute
            if not first:
                self._view = arrange(self.board, now)
                self._show_rows()
                self._show_pane()

    def _is_whole(self) -> bool:
        """Whether its parts are there: not before it is mounted, nor while it is taken apart."""
        return bool(self.query("#head")) and bool(self.query("#pane"))

    def _cell_context(self) -> CellContext:
        board = self.board
        return CellContext(
            at=self.now(),
            zone=self.zone,
            figures=self.dashboard.figures,
            maintenance=board.maintenance if board is not None else (),
        )

    def _is_calm(self) -> bool:
        return self._view is not None and not self._view.is_broken

    def _columns(self, width: int) -> Sequence[Column]:
        return calm_columns(width) if self._is_calm() else columns(width)

    def _cells(
        self, line: BoardLine, shown: Sequence[Column], is_selected: bool
    ) -> dict[str, Line]:
        return dict(cells(line, shown, self._cell_context(), is_selected))

    def _show_rows(self, *, whole: bool = False) -> None:
        view = self._view
        if view is None:
            return
        whole = whole or self._is_expanded or bool(self.filter_text) or bool(self.lines.sort_name)
        tall = self.size.height >= board_pane.TALLEST and self.size.width >= 120
        shown = lines(view, all_of_them=whole, by_group=tall)
        if self._calm is not self._is_calm():
            self._calm = self._is_calm()
            self.lines.lay_out_again()
        self.lines.show([Row(key_of(line), line, _is_selectable(line)) for line in shown])

    def _show_head(self) -> None:
        view = self._view
        width = self.size.width
        if view is None or not width:
            return
        condition = board_head.Condition(
            stale_seconds=self.dashboard.stale_seconds(), is_read_only=self.dashboard.read_only
        )
        now = self.now()
        self.query_one("#head", Lines).show(
            [
                board_head.counts_line(view, condition, now, self.zone, width),
                board_head.now_line(view, now, self.zone, width, self._value_at()),
            ]
        )

    def _value_at(self) -> int:
        shown = self._columns(self.size.width)
        return next((column.start for column in shown if column.name == "service"), 12)

    def _lay_out(self) -> None:
        width, height = self.size.width, self.size.height
        if not width:
            return
        narrow = width < NARROW
        self.lines.has_heading = not narrow
        top = 2 if narrow else 3
        self.query_one("#head", Lines).styles.height = top
        calm = self._is_calm()
        pane_at = board_pane.pane_top(len(self.lines.rows), width, height)
        if calm and not narrow:
            pane_at = height - 2 - (6 if height >= board_pane.TALL else board_pane.LOW_HEIGHT)
        if self.lines.rows and not calm and height >= board_pane.TALL:
            pane_at = min(pane_at, height - 2 - board_pane.LOW_HEIGHT)
        list_height = max(1, pane_at - top - (0 if narrow else 1))
        if height < 16 and not narrow:
            # Too low for both: the list is what matters.
            list_height, pane_at = max(1, height - top - 2), height - 1
        self.lines.styles.height = list_height
        pane = self.query_one("#pane", Lines)
        pane.styles.height = max(0, height - top - list_height - 1)

    def _show_pane(self) -> None:
        view = self._view
        width, height = self.size.width, self.size.height
        if view is None or not width or not self._is_whole():
            return
        source = self._source(view)
        pane = self.query_one("#pane", Lines)
        room = _pane_height(pane)
        if width < NARROW:
            pane.show([board_pane.narrow_line(source, self._cell_context())])
            return
        if room < 2:
            pane.show([])
            return
        # One line stays free above the pane and one below it.
        rows = height if not self._is_calm() else min(height, board_pane.TALL - 1)
        content = board_pane.pane(
            source, self._cell_context(), width, room - 3, rows, self._value_at()
        )
        pane.show([(), title_line(content.title, content.tag, width), *content.lines])

    def _source(self, view: BoardView) -> board_pane.PaneSource:
        line = self.lines.selected
        incident, now = self._incident, self._now
        if not isinstance(line, ServiceLine):
            return board_pane.PaneSource(view, line)
        if incident is not None and (
            line.incident is None or incident.summary.code != line.incident.code
        ):
            incident = None
        if now is not None and now.service.id != line.service.id:
            now = None
        if now is None or self._page_for != line.service.id:
            return board_pane.PaneSource(view, line, incident, now)
        return board_pane.PaneSource(view, line, incident, now, self._page, self._headline)

    def _make_page(self) -> None:
        """Make the page as the public sees it for the selected row; costly with many services."""
        if self._view is None:
            return
        source = self._source(self._view)
        line = source.line
        if isinstance(line, ServiceLine) and source.now is not None:
            self._page = board_pane.page_of(source)
            self._page_for = line.service.id
            page = self._page
            self._headline = board_pane.headline_of(page, self.now()) if page is not None else ""

    def on_line_list_selected(self, _: LineList.Selected) -> None:
        """Tell of the row that is selected now; what must be loaded follows when it stays."""
        self._show_pane()
        self.show_keys()
        self._settle()

    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE_SECONDS, self._load_selected)

    def _state_of_selected(self) -> tuple[object, ...]:
        """What tells whether the details of the selected row must be loaded anew."""
        line = self.lines.selected
        if not isinstance(line, ServiceLine):
            return ()
        incident = line.incident
        return (
            line.service.id,
            line.look,
            line.service.reason,
            line.service.failures,
            line.service.last_looked_at,
            *((incident.code, incident.version, incident.updated_at) if incident else ()),
        )

    @property
    def is_settling(self) -> bool:
        """Whether more about the selected row is still to be loaded."""
        return self._settling is not None or self._asked > 0

    def _load_selected(self) -> None:
        self._settling = None
        self._loaded = self._state_of_selected()
        line = self.lines.selected
        if not isinstance(line, ServiceLine) or self.size.width < NARROW:
            return

        def quiet(error: StatustuiError) -> bool:
            # What has just been deleted elsewhere disappears with the next board.
            self._asked -= 1
            return isinstance(error, NotFound)

        service = line.service
        self._asked += 1
        self.attempt(
            self.store.load_service_now(self.organization_id, service.id), self._took_now, quiet
        )
        if line.incident is not None and self.size.height >= board_pane.TALL:
            self._asked += 1
            self.attempt(
                self.store.load_incident(self.organization_id, line.incident.code),
                self._took_incident,
                quiet,
            )

    def _took_now(self, now: ServiceNow) -> None:
        self._asked -= 1
        self._now = now
        self._make_page()
        self._show_pane()
        self.show_keys()

    def _took_incident(self, incident: IncidentDetail) -> None:
        self._asked -= 1
        self._incident = incident
        self._make_page()
        self._show_pane()

    # Keys shown

    def action_words(self, action: str, words: str) -> str | None:
        """Actions on an incident name it, and are not offered where there is none."""
        incident = self._incident_of(self.lines.selected) or self._urgent()
        if action in ("acknowledge", "snooze"):
            incident = self._incident_of(self.lines.selected)
        if action not in _ON_INCIDENT:
            return words
        if not self.can_write or (incident is None and not self.lines.marks):
            return None
        if incident is None or self.lines.marks:
            return words
        return _ON_INCIDENT[action].format(code=incident.code)

    def _urgent(self) -> IncidentSummary | None:
        return self._view.urgent if self._view is not None else None

    def hints(self) -> Sequence[KeyHint]:
        """What applies to the selected row, most wanted first."""
        if self.size.width < NARROW:
            return self._narrow_hints()
        if self.lines.marks:
            return self._marked_hints()
        found: list[KeyHint] = []
        line = self.lines.selected
        incident = self._incident_of(line)
        if incident is not None and self.can_write:
            taken = incident.acknowledged_until
            if taken is None or taken <= self.now():
                found.append(KeyHint("a", "ack"))
            found += [KeyHint("u", "tell public"), KeyHint("w", "note")]
        if self._runbook():
            found.append(KeyHint("b", "runbook"))
        found.append(KeyHint("enter", "list all" if isinstance(line, GroupLine) else "open"))
        if self.can_write:
            if incident is not None:
                found += [KeyHint("z", "snooze"), KeyHint("r", "resolve")]
            found.append(KeyHint("i", "new incident"))
        found += [KeyHint("ctrl+p", "palette"), KeyHint("2", "incidents"), KeyHint("3", "monitors")]
        return found

    def always(self) -> Sequence[KeyHint]:
        """`/` and `?` never go; on 40 columns there is only room for one."""
        return (KEYS,) if self.size.width < NARROW else (FILTER, KEYS)

    def _narrow_hints(self) -> Sequence[KeyHint]:
        incident = self._incident_of(self.lines.selected)
        found = []
        if incident is not None and self.can_write:
            found += [KeyHint("a", "ack"), KeyHint("u", "tell")]
        return [*found, KeyHint("enter", "open")]

    def _marked_hints(self) -> Sequence[KeyHint]:
        hidden = self.lines.hidden_marks
        words = f"{len(self.lines.marks)} marked" + (f", {hidden} hidden" if hidden else "")
        found = [KeyHint(words, "")]
        if self.can_write:
            found += [KeyHint("a", "ack"), KeyHint("z", "snooze"), KeyHint("i", "new incident")]
        return [*found, KeyHint("space", "mark"), KeyHint("esc", "clear marks")]

    # Filter and order

    @property
    def everything(self) -> int:
        """All services, folded ones too."""
        return len(self._view.board.services) if self._view is not None else 0

    def filter_for(self, text: str) -> Callable[[Any], bool]:
        """Words, `state:down`, `group:core`, `tag:eu`, `since:<1h`."""
        return matcher(text, self.now())

    def sort_keys(self) -> Sequence[SortKey[Any]]:
        """By service, state, age, latency, uptime."""
        context = self._cell_context()

        def of(
            value: Callable[[ServiceLine, CellContext], tuple[object, ...]],
        ) -> Callable[[Any], Any]:
            return lambda line: value(line, context)

        return [SortKey(name, of(value)) for name, value in sort_values()]

    def set_filter(self, text: str) -> None:
        """Filter; while there is a filter, every service stands by itself."""
        was_filtered = bool(self.filter_text)
        if bool(text.strip()) and not was_filtered:
            self._filter_text = text.strip()
            self._show_rows()
        super().set_filter(text)
        if was_filtered and not self.filter_text:
            self._show_rows()

    def action_sort(self) -> None:
        """Go on to the next order; with one, every service stands by itself."""
        self._show_rows(whole=True)
        super().action_sort()
        self._show_rows()

    def filter_changed(self) -> None:
        """The keys say how much is marked, the pane follows the selection."""
        self.show_keys()
        self._show_pane()

    # Doing

    def open_selected(self) -> None:
        """Open the service, or list what a line stands for."""
        line = self.lines.selected
        if isinstance(line, GroupLine):
            self._is_expanded = True
            self._show_rows()
            self.lines.select(key_of(ServiceLine(line.services[0], palette.UP)))
        elif line is not None:
            self.open_service(line.service.id)

    def action_next_problem(self) -> None:
        """Select the next service that is broken."""
        found = self.lines.find(lambda line: isinstance(line, ServiceLine) and line.is_broken)
        if not found:
            self.say("nothing is broken")

    def action_back(self) -> None:
        """Take filter, marks, order and unfolding away, one at a time; then ask about quitting."""
        if not self.filter_text and not self.lines.marks:
            if self.lines.sort_name:
                self.lines.set_sort(None)
                self._show_rows()
                self.say("problems first again")
                return
            if self._is_expanded:
                self._is_expanded = False
                self._show_rows()
                return
        super().action_back()

    def action_nothing_behind(self) -> None:
        """`esc` takes filter, marks, order and unfolding away, and never leaves the program."""
        if self.filter_text or self.lines.marks or self.lines.sort_name or self._is_expanded:
            self.action_back()

    def go_back(self) -> None:
        """There is nothing behind the first screen: pressed twice it is left."""
        now = time.monotonic()
        if now - self._quit_asked <= _TWICE_SECONDS:
            self.dashboard.leave()
            return
        self._quit_asked = now
        self.say("q again quits")

    def _incident_of(self, line: object) -> IncidentSummary | None:
        return line.incident if isinstance(line, ServiceLine) else None

    def _concerned(self) -> list[IncidentSummary]:
        """The incidents of the marked rows, or of the selected one; each once."""
        view = self._view
        if view is None:
            return []
        marks = self.lines.marks
        if marks:
            chosen = [line.incident for line in view.broken if key_of(line) in marks]
        else:
            chosen = [self._incident_of(self.lines.selected)]
        found: dict[str, IncidentSummary] = {}
        for incident in chosen:
            if incident is not None:
                found[incident.code] = incident
        return list(found.values())

    def _one(self) -> IncidentSummary | None:
        """The incident to write to: of the selected row, else the one that NOW names."""
        found = next(iter(self._concerned()), None) or self._urgent()
        if found is None:
            self.say("no incident is open; i opens one")
        return found

    def action_acknowledge(self) -> None:
        """Acknowledge; pressed again it only says so."""
        found = self._concerned()
        if not found:
            self.say("no incident here to acknowledge; i opens one")
            return
        if not self.may_write():
            return
        marked = self._marks_words()
        for incident in found:
            until = incident.acknowledged_until
            if until is not None and until > self.now() and incident.acknowledged_by:
                at = clock.clock_named(until, self.zone)
                self.say(f"{incident.code}: {incident.acknowledged_by} has it until {at}")
                continue
            self.attempt(
                self.store.acknowledge(self.organization_id, incident.code),
                self._acknowledged(incident.code, marked),
            )
        self.lines.clear_marks()
        self.show_keys()

    def _acknowledged(self, code: str, marked: str) -> Callable[[datetime], None]:
        board = self.board
        lead = next(
            (each.lead for each in (board.incidents if board else ()) if each.code == code), None
        )
        other = lead if lead and board is not None and lead != board.operator else None

        def done(until: datetime) -> None:
            at = clock.clock_named(until, self.zone)
            if other is not None:
                self.say(f"{marked}{code} acknowledged until {at}; {other} stays lead")
            else:
                self.say(f"{marked}{code} is yours until {at}")

        return done

    def _marks_words(self) -> str:
        marks = self.lines.marks
        if not marks:
            return ""
        hidden = self.lines.hidden_marks
        return f"{len(marks)} marked{f', {hidden} hidden' if hidden else ''}: "

    def action_snooze(self) -> None:
        """Ask for how long, then snooze."""
        found = self._concerned()
        if not found:
            self.say("no incident here to snooze")
            return
        if not self.may_write():
            return
        now = self.now()
        marked = self._marks_words()
        morning = _morning(now.astimezone(self.zone))
        untils = [
            ("1", "30 min", now + timedelta(minutes=30)),
            ("2", "1 h", now + timedelta(hours=1)),
            ("3", f"until {clock.clock_named(morning, self.zone)}", morning),
        ]

        def snoozing(until: datetime) -> Callable[[], None]:
            def do() -> None:
                for incident in found:
                    self.attempt(
                        self.store.snooze(self.organization_id, incident.code, until), said
                    )
                self.lines.clear_marks()
                self.show_keys()

            def said(_: None) -> None:
                words = clock.clock_named(until, self.zone)
                self.say(f"{marked}{codes} snoozed until {words}")

            return do

        codes = ", ".join(incident.code for incident in found)
        self.ask(f"snooze {codes}", [Choice(key, name, snoozing(at)) for key, name, at in untils])

    def action_tell(self) -> None:
        """Write to the public about the selected row's incident."""
        if (incident := self._one()) is not None:
            self.open_composer(incident.code)

    def action_note(self) -> None:
        """Write an internal note."""
        if (incident := self._one()) is not None:
            self.open_composer(incident.code, is_public=False)

    def action_resolve(self) -> None:
        """Write the words that resolve the incident."""
        if (incident := self._one()) is not None:
            self.open_composer(incident.code, resolves=True)

    def action_new_incident(self) -> None:
        """Write a new incident about the marked services, or about the selected one."""
        view = self._view
        names: list[str] = []
        if view is not None and self.lines.marks:
            names = [
                service.name
                for service in view.board.services
                if str(service.id) in self.lines.marks
            ]
        elif isinstance(line := self.lines.selected, ServiceLine) and line.is_broken:
            names = [line.service.name]
        self.open_composer(None, service_names=names)

    def _runbook(self) -> str:
        line = self.lines.selected
        if not isinstance(line, ServiceLine) or self._now is None:
            return ""
        if self._now.service.id != line.service.id:
            return ""
        return next((look.monitor.runbook for look in self._now.looks if look.monitor.runbook), "")

    def action_runbook(self) -> None:
        """Show the runbook's text, or its address."""
        from statustui.screens.runbook import RunbookScreen

        line = self.lines.selected
        runbook = self._runbook()
        if not runbook or not isinstance(line, ServiceLine):
            self.say("no monitor here names a runbook")
            return
        self.app.push_screen(RunbookScreen(line.service.name, runbook))

    def action_copy(self) -> None:
        """Copy what helps elsewhere, and show it, since not every terminal copies."""
        if self._view is None:
            return
        what, text = board_pane.copy_text(self._source(self._view))
        if not text:
            self.say("nothing to copy here")
            return
        self.app.copy_to_clipboard(text)
        self.say(f"copied {what}: {text}")

    def action_public_link(self) -> None:
        """Copy the page's address."""
        board = self.board
        if board is None or not board.pages:
            self.say("there is no page yet")
            return
        base = (board.organization.public_base_url or "").rstrip("/")
        address = f"{base}/s/{board.pages[0].slug}"
        incident = self._incident_of(self.lines.selected)
        if incident is not None and incident.is_public:
            address += f"/incidents/{incident.code}"
        self.app.copy_to_clipboard(address)
        self.say(f"copied: {address}")


def _is_selectable(line: BoardLine) -> bool:
    return isinstance(line, ServiceLine) or line.is_summary


def _pane_height(pane: Lines) -> int:
    height = pane.styles.height
    return int(height.value) if height is not None else 0


def _morning(now: datetime) -> datetime:
    """Eight in the morning, today or tomorrow, in the zone of `now`."""
    eight = now.replace(hour=8, minute=0, second=0, microsecond=0)
    return eight if eight > now else eight + timedelta(days=1)
