"""The list of monitors: run one now, let one rest, let it look again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui.domain.errors import ValidationFailed
from statustui.domain.readmodels import MonitorRow
from statustui.domain.status import MonitorState, Role
from statustui.presenters import monitors
from statustui.presenters.columns import Column
from statustui.presenters.head import head_line, labelled, room, value_column
from statustui.presenters.line import Line, count_of, cut_line
from statustui.presenters.monitors import MonitorListRow
from statustui.screens.listing import ListScreen
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.line_input import LineInput
from statustui.widgets.line_list import Cells, LineList, Row, SortKey
from statustui.widgets.lines import Lines
from statustui.widgets.title_bar import TitleBar

PANE_ROWS = 6


class MonitorsScreen(ListScreen[None]):
    """Shows all monitors."""

    TITLE_OF_KEYS = "Monitors"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "run", "look now", id="monitors.run"),
        Binding("p", "pause", "pause: asks for how long; resumes what is paused",
                id="monitors.pause"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._monitors: tuple[MonitorRow, ...] = ()
        self._has_loaded = False

    def compose(self) -> ComposeResult:
        """The head, the list, what is known of the selected one, the keys."""
        yield Lines(id="monitors-head")
        yield LineList(monitors.columns, _draw, id="monitors-list")
        yield TitleBar(id="monitors-title")
        yield Lines(id="monitors-pane")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Load the list."""
        self._load()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self._load()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw_around()

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Load again when monitors or what they say has changed."""
        if kinds is None or kinds & {"monitors", "services", "checks", "configuration"}:
            self._load()

    def tick(self, now: datetime) -> None:
        """Move the clock."""
        if self.is_drawable:
            self._draw_head(now)

    def _load(self) -> None:
        self.attempt(self.store.load_monitors(self.organization_id), self._loaded)

    def _loaded(self, loaded: tuple[MonitorRow, ...]) -> None:
        self._monitors = loaded
        self._has_loaded = True
        if not self.is_drawable:
            return
        rows = monitors.rows(loaded, self.now(), self.zone)
        self.lines.show([Row(row.key, row) for row in rows])
        self._draw_around()

    def _draw_around(self) -> None:
        if not self.is_drawable:
            return
        self._draw_head(self.now())
        self._draw_pane()
        self.show_keys()

    def _draw_head(self, now: datetime) -> None:
        if not self.is_drawable:
            return
        paused = sum(monitors.is_paused(each, now) for each in self._monitors)
        down = sum(
            each.state is MonitorState.DOWN and not monitors.is_paused(each, now)
            for each in self._monitors
        )
        parts: list[tuple[str, str]] = [("Monitors", "strong b")]
        if self.filter_text:
            said = f"{self.lines.matching} of {self.lines.total} match {self.filter_text}"
            parts.append((f"   {said}", "text"))
        elif self._has_loaded:
            parts.append((f"   {len(self._monitors)} in all", "text"))
            if down:
                parts.append((f"   {down} down", "outage b"))
            if paused:
                parts.append((f"   {paused} paused", "text b"))
        if self.lines.marks:
            hidden = self.lines.hidden_marks
            note = f", {hidden} hidden" if hidden else ""
            parts.append((f"   {len(self.lines.marks)} marked{note}", "strong b"))
        width = self.size.width
        first = head_line(
            cut_line(parts, room(width)),
            now,
            self.zone,
            width,
            stale_seconds=self.dashboard.stale_seconds(),
            read_only=self.dashboard.read_only,
        )
        empty: Line = ()
        if self._has_loaded and not self._monitors:
            empty = ((" ", "text"), ("no monitor yet: statustui monitor add, or apply", "muted"))
        self.query_one("#monitors-head", Lines).show((first, empty))

    def _draw_pane(self) -> None:
        selected = self._selected()
        title = self.query_one("#monitors-title", TitleBar)
        pane = self.query_one("#monitors-pane", Lines)
        if selected is None:
            title.show(())
            pane.show(())
            return
        now, width = self.now(), self.size.width
        name = f"{selected.service_name}/{selected.name}"
        title.show(((name, "strong b"),), ((selected.type.value, "muted"),))
        at = value_column(width)
        found = monitors.detail(selected, now, self.zone)
        lines = [cut_line(labelled(label, value, at), width) for label, value in found]
        pane.show(lines[:PANE_ROWS])

    # What the list does

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with the selected monitor, by this role."""
        selected = self._selected()
        hints: list[KeyHint] = []
        if selected is not None and self.can_write:
            hints.append(KeyHint("x", "look now"))
            if self._may_pause:
                paused = monitors.is_paused(selected, self.now())
                hints.append(KeyHint("p", "resume" if paused else "pause"))
        if selected is not None:
            hints.append(KeyHint("enter", "open"))
        return [*hints, KeyHint("s", "sort"), KeyHint("space", "mark"), KeyHint("esc", "back")]

    @property
    def _may_pause(self) -> bool:
        board = self.board
        return self.can_write and (board is None or board.organization.role.at_least(Role.ADMIN))

    def filter_for(self, text: str) -> Callable[[Any], bool]:
        """Words, and `state:`, `type:`, `service:`, `tag:`."""
        return lambda value: monitors.matches(value, text)

    def sort_keys(self) -> Sequence[SortKey[Any]]:
        """By name, when it looks next, how long the last look took."""
        by_key = {str(each.id): each for each in self._monitors}
        far = datetime.max.replace(tzinfo=self.now().tzinfo)

        def name(row: MonitorListRow) -> str:
            found = by_key[row.key]
            return f"{found.service_name}/{found.name}".casefold()

        def next_run(row: MonitorListRow) -> datetime:
            return by_key[row.key].next_run_at or far

        def took(row: MonitorListRow) -> float:
            return -(by_key[row.key].last_duration_ms or 0.0)

        return (SortKey("name", name), SortKey("next", next_run), SortKey("time taken", took))

    def filter_changed(self) -> None:
        """Say in the first line what is left and marked."""
        self._draw_around()

    def on_line_list_selected(self, _: LineList.Selected) -> None:
        """Show what is known of another monitor."""
        self._draw_around()

    def open_selected(self) -> None:
        """Open the service that the monitor watches."""
        selected = self._selected()
        if selected is not None:
            self.open_service(selected.service_id)

    def _selected(self) -> MonitorRow | None:
        key: Hashable = self.lines.selected_key
        return next((each for each in self._monitors if str(each.id) == key), None)

    def _chosen(self) -> list[MonitorRow]:
        """The marked monitors, or the selected one."""
        marks = self.lines.marks
        if marks:
            return [each for each in self._monitors if str(each.id) in marks]
        selected = self._selected()
        return [selected] if selected is not None else []

    # Doing

    def action_run(self) -> None:
        """Look now."""
        chosen = self._chosen()
        if not chosen or not self.may_write():
            return
        self._do_all(
            [self.store.request_run(self.organization_id, each.id) for each in chosen],
            f"asked the watch to look: {_named(chosen)}",
        )

    def action_pause(self) -> None:
        """Pause, asking for how long; or resume what is paused."""
        chosen = self._chosen()
        if not chosen or not self.may_write():
            return
        if not self._may_pause:
            self.say("members may not pause monitors; admins and owners may")
            return
        now = self.now()
        if all(monitors.is_paused(each, now) for each in chosen):
            self._do_all(
                [self.store.resume_monitor(self.organization_id, each.id) for each in chosen],
                f"looks again: {_named(chosen)}",
            )
            return
        self._ask_for_how_long(len(chosen))

    def _ask_for_how_long(self, number: int) -> None:
        if self.query("#pause"):
            return
        what = "it" if number == 1 else f"all {number}"
        entry = LineInput(
            f" pause {what} for (1h, 30m, until resumed): ",
            value=monitors.DEFAULT_PAUSE,
            id="pause",
        )
        self.query_one(FooterKeys).display = False
        self.mount(entry)
        entry.focus()

    def on_line_input_submitted(self, message: LineInput.Submitted) -> None:
        """Pause for as long as was said; or keep the filter."""
        if message.line_input.id != "pause":
            super().on_line_input_submitted(message)
            return
        message.stop()
        self._close_question(message.line_input)
        try:
            until = monitors.read_pause(message.value, self.now())
        except ValidationFailed as error:
            self.complain(error)
            return
        chosen = self._chosen()
        said = monitors.UNTIL_RESUMED if until is None else f"for {message.value.strip() or '1h'}"
        self._do_all(
            [self.store.pause_monitor(self.organization_id, each.id, until) for each in chosen],
            f"paused {said}: {_named(chosen)}",
        )

    def on_line_input_cancelled(self, message: LineInput.Cancelled) -> None:
        """Pause nothing; or take the filter away."""
        if message.line_input.id != "pause":
            super().on_line_input_cancelled(message)
            return
        message.stop()
        self._close_question(message.line_input)

    def _close_question(self, entry: LineInput) -> None:
        entry.remove()
        self.query_one(FooterKeys).display = True
        self.set_focus(None)
        self.show_keys()

    def _do_all(self, actions: Sequence[Awaitable[None]], said: str) -> None:
        async def do() -> None:
            for action in actions:
                await action

        def done(_: None) -> None:
            self.lines.clear_marks()
            self.say(said)
            self._load()

        self.attempt(do(), done)


def _named(chosen: Sequence[MonitorRow]) -> str:
    if len(chosen) > 2:
        return count_of(len(chosen), "monitor")
    return ", ".join(f"{each.service_name}/{each.name}" for each in chosen)


def _draw(value: MonitorListRow, columns: Sequence[Column], is_selected: bool) -> Cells:
    if not is_selected:
        return value.cells
    cells = dict(value.cells)
    cells["monitor"] = tuple((text, "strong b") for text, _ in value.cells["monitor"])
    return cells
