"""The list of incidents: what is open, then what is over, month by month."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui.domain.readmodels import IncidentSummary
from statustui.presenters import clock, incidents
from statustui.presenters.columns import Column
from statustui.presenters.head import head_line, room
from statustui.presenters.incidents import IncidentListRow
from statustui.presenters.line import Line, cut_line
from statustui.screens.listing import ListScreen
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.line_list import Cells, LineList, Row, SortKey
from statustui.widgets.lines import Lines

HISTORY = 500


class IncidentsScreen(ListScreen[None]):
    """Shows all incidents."""

    TITLE_OF_KEYS = "Incidents"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "new", "new incident", id="incidents.new"),
        Binding("a", "acknowledge", "acknowledge for 30 minutes", id="incidents.acknowledge"),
        Binding("u", "update", "write a public update", id="incidents.update"),
        Binding("w", "note", "write an internal note", id="incidents.note"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._incidents: tuple[IncidentSummary, ...] = ()
        self._has_loaded = False

    def compose(self) -> ComposeResult:
        """The head, the list, the keys."""
        yield Lines(id="incidents-head")
        yield LineList(incidents.columns, _draw, id="incidents-list")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Load the list."""
        self._load()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self._load()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw_head(self.now())
        self.show_keys()

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Load again when an incident has changed."""
        if kinds is None or kinds & {"incidents", "services"}:
            self._load()

    def tick(self, now: datetime) -> None:
        """Move the clock; once a minute, the ages."""
        if self.is_drawable:
            self._draw_head(now)
            if now.second == 0:
                self._show(now)

    def _load(self) -> None:
        self.attempt(self.store.load_incidents(self.organization_id, limit=HISTORY), self._loaded)

    def _loaded(self, loaded: tuple[IncidentSummary, ...]) -> None:
        self._incidents = loaded
        self._has_loaded = True
        if not self.is_drawable:
            return
        self._show(self.now())
        self._draw_head(self.now())
        self.show_keys()

    def _show(self, now: datetime) -> None:
        found = incidents.rows(self._incidents, now, self.zone)
        rows: list[Row[IncidentListRow | Line]] = []
        for group, grouped in groupby(found, key=lambda row: row.group):
            members = list(grouped)
            heading = incidents.heading(group, len(members))
            rows.append(Row(("group", group), heading, is_selectable=False))
            rows += [Row(member.code, member) for member in members]
        self.lines.show(rows)

    def _draw_head(self, now: datetime) -> None:
        if not self.is_drawable:
            return
        said = incidents.summary(self._incidents) if self._has_loaded else ""
        if self.filter_text:
            said = f"{self.lines.matching} of {self.lines.total} match {self.filter_text}"
        left: Line = (("Incidents", "strong b"), (f"   {said}", "text"))
        width = self.size.width
        stale = self.dashboard.stale_seconds()
        first = head_line(
            cut_line(left, room(width)),
            now,
            self.zone,
            width,
            stale_seconds=stale,
            read_only=self.dashboard.read_only,
        )
        empty: Line = ()
        if self._has_loaded and not self._incidents:
            empty = ((" ", "text"), ("no incident so far", "muted"))
        self.query_one("#incidents-head", Lines).show((first, empty))

    # What the list does

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with the selected incident."""
        selected = self._selected()
        hints = [KeyHint("enter", "open")] if selected is not None else []
        if not self.can_write:
            return [*hints, KeyHint("esc", "back")]
        if selected is not None and selected.status.is_open:
            hints += [KeyHint("a", "ack"), KeyHint("u", "tell public"), KeyHint("w", "note")]
        return [*hints, KeyHint("i", "new incident"), KeyHint("s", "sort"), KeyHint("esc", "back")]

    def filter_for(self, text: str) -> Callable[[Any], bool]:
        """Words, and `status:`, `impact:`, `lead:`, `service:`."""
        return lambda value: isinstance(value, IncidentListRow) and incidents.matches(value, text)

    def sort_keys(self) -> Sequence[SortKey[Any]]:
        """By when it began, how long it took, how much it hurts."""
        by_code = {each.code: each for each in self._incidents}
        now = self.now()

        def began(row: IncidentListRow) -> datetime:
            return by_code[row.code].started_at

        def lasted(row: IncidentListRow) -> float:
            found = by_code[row.code]
            return -((found.resolved_at or now) - found.started_at).total_seconds()

        def hurt(row: IncidentListRow) -> int:
            return -by_code[row.code].impact.severity

        return (SortKey("began", began), SortKey("length", lasted), SortKey("impact", hurt))

    def filter_changed(self) -> None:
        """Say in the first line what is left."""
        self._draw_head(self.now())
        self.show_keys()

    def on_line_list_selected(self, _: LineList.Selected) -> None:
        """Other keys may apply to another incident."""
        self.show_keys()

    def open_selected(self) -> None:
        """Open the selected incident."""
        selected = self._selected()
        if selected is not None:
            self.open_incident(selected.code)

    def _selected(self) -> IncidentSummary | None:
        key: Hashable = self.lines.selected_key
        return next((each for each in self._incidents if each.code == key), None)

    def action_new(self) -> None:
        """Open a new incident."""
        self.open_composer(None)

    def action_update(self) -> None:
        """Write to the public."""
        self._write_to(is_public=True)

    def action_note(self) -> None:
        """Write a note."""
        self._write_to(is_public=False)

    def _write_to(self, *, is_public: bool) -> None:
        selected = self._selected()
        if selected is None:
            return
        if is_public and not selected.status.is_open:
            self.say(f"{selected.code} is resolved, and that is final: i opens a new incident")
            return
        self.open_composer(selected.code, is_public=is_public)

    def action_acknowledge(self) -> None:
        """Say that somebody is on it."""
        selected = self._selected()
        if selected is None or not self.may_write():
            return
        if not selected.status.is_open:
            self.say(f"{selected.code} is resolved")
            return
        code, zone = selected.code, self.zone

        def done(until: datetime) -> None:
            self.say(f"{code} acknowledged until {clock.clock_named(until, zone)}")
            self._load()

        self.attempt(self.store.acknowledge(self.organization_id, code), done)


def _draw(value: IncidentListRow | Line, columns: Sequence[Column], is_selected: bool) -> Cells:
    if not isinstance(value, IncidentListRow):
        return {"*code": value}
    if not is_selected:
        return value.cells
    cells = dict(value.cells)
    cells["title"] = tuple(
        (text, "strong b" if style.startswith(("text", "muted")) else style)
        for text, style in value.cells["title"]
    )
    return cells
