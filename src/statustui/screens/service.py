"""One service: what was last seen of it, how fast it answered, what has happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from statustui.domain.errors import NotFound, StatustuiError
from statustui.domain.readmodels import (
    IncidentSummary,
    LastLook,
    LatencyPoint,
    ServiceNow,
    TimelineEntry,
)
from statustui.presenters import clock, latency, service, timeline
from statustui.presenters.columns import Column
from statustui.presenters.head import head_line, labelled, room, value_column
from statustui.presenters.line import Line, cut_line, width_of
from statustui.presenters.service import LookRow
from statustui.presenters.waterfall import milliseconds
from statustui.screens.base import BaseScreen
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.line_list import Cells, LineList, Row
from statustui.widgets.lines import Lines
from statustui.widgets.scrolled_lines import ScrolledLines
from statustui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from statustui.widgets.latency_chart import LatencyChart

TIMELINE_ENTRIES = 300
NOW, LATENCY, TIMELINE = range(len(service.TABS))


class ServiceScreen(BaseScreen[None]):
    """Shows one service.

    Args:
        service_id: which one.
    """

    TITLE_OF_KEYS = "Service"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,tab", "tab(1)", "next tab; now, latency, timeline",
                id="service.next_tab"),
        Binding("left_square_bracket,shift+tab", "tab(-1)", "tab before",
                id="service.tab_before"),
        Binding("x", "run", "look now", id="service.run"),
        Binding("a", "acknowledge", "acknowledge its incident", id="service.acknowledge"),
        Binding("u", "update", "write a public update", id="service.update"),
        Binding("w", "note", "write an internal note", id="service.note"),
        Binding("i", "new", "new incident for this service", id="service.new"),
        Binding("enter", "open", "open its incident", id="service.open"),
        Binding("y", "copy", "copy the command that repeats the look", id="service.copy"),
        Binding("right,l", "range(1)", "chart: a longer time", id="service.longer"),
        Binding("left,h", "range(-1)", "chart: a shorter time", id="service.shorter"),
        Binding("j,down", "move(1)", "down", id="service.down"),
        Binding("k,up", "move(-1)", "up", id="service.up"),
        Binding("ctrl+d,pagedown", "page(0.5)", "half a page down", id="service.page_down"),
        Binding("ctrl+u,pageup", "page(-0.5)", "half a page up", id="service.page_up"),
        Binding("g,home", "end(False)", "the beginning", id="service.first"),
        Binding("G,end", "end(True)", "the end", id="service.last"),
    ]  # fmt: skip

    def __init__(self, service_id: UUID) -> None:
        super().__init__()
        self.service_id = service_id
        self._now: ServiceNow | None = None
        self._gone = ""
        self._tab = NOW
        self._range = 1
        self._points: tuple[LatencyPoint, ...] = ()
        self._points_of = -1
        self._entries: tuple[TimelineEntry, ...] = ()

    def compose(self) -> ComposeResult:
        """The head, the tabs, what the chosen tab shows, the keys."""
        yield Lines(id="service-head")
        yield Lines(id="service-tabs")
        with Vertical(id="service-now"):
            yield LineList(service.columns, _draw, names_hidden=False, id="service-looks")
            yield TitleBar(id="service-look")
            yield Lines(id="service-waterfall")
            yield TitleBar((("EVIDENCE", "strong b"),), id="service-evidence")
            yield Lines(id="service-facts")
        with Vertical(id="service-latency"):
            yield Lines(id="service-ranges")
            yield Vertical(id="service-chart-place")
        yield ScrolledLines(starts_at_end=True, id="service-timeline")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Load what the first tab shows."""
        self._show_tab()
        self._load()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self._load()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self._redraw)

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Load again what the chosen tab shows."""
        self._load()

    def tick(self, now: datetime) -> None:
        """Move the clock."""
        if self.is_drawable:
            self._draw_head(now)

    # Loading

    def _load(self) -> None:
        store, org = self.store, self.organization_id
        self.attempt(store.load_service_now(org, self.service_id), self._loaded, self._failed)
        if self._tab == LATENCY:
            self._load_points()
        elif self._tab == TIMELINE:
            self.attempt(
                store.load_service_timeline(org, self.service_id, TIMELINE_ENTRIES),
                self._loaded_entries,
            )

    def _load_points(self) -> None:
        wanted = self._range

        def loaded(points: tuple[LatencyPoint, ...]) -> None:
            # An answer for a range that was left meanwhile is of no use.
            if wanted == self._range:
                self._points, self._points_of = points, wanted
                self._draw_chart()

        hours = latency.RANGES[wanted][1]
        self.attempt(self.store.load_latency(self.organization_id, self.service_id, hours), loaded)

    def _loaded(self, now: ServiceNow) -> None:
        self._now, self._gone = now, ""
        if not self.is_drawable:
            return
        rows = service.rows(now, self.now(), self.zone)
        self._looks.show([Row(row.key, row) for row in rows])
        self._redraw()

    def _loaded_entries(self, entries: tuple[TimelineEntry, ...]) -> None:
        self._entries = entries
        self._draw_timeline()

    def _failed(self, error: StatustuiError) -> bool:
        if isinstance(error, NotFound) and self._now is None:
            self._gone = error.message
            self._redraw()
            return True
        return False

    # Drawing

    @property
    def _looks(self) -> LineList[LookRow]:
        return self.query_one("#service-looks", LineList)

    @property
    def _look(self) -> LastLook | None:
        if self._now is None:
            return None
        key = self._looks.selected_key
        return next((each for each in self._now.looks if service.look_key(each) == key), None)

    @property
    def _incident(self) -> IncidentSummary | None:
        if self._now is None:
            return None
        return next((each for each in self._now.incidents if each.status.is_open), None)

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with the service, by this role."""
        hints: list[KeyHint] = []
        incident = self._incident
        if self._tab == LATENCY:
            hints.append(KeyHint("left right", "shorter, longer"))
        if self.can_write:
            if self._tab == NOW and self._look is not None:
                hints.append(KeyHint("x", "look now"))
            if incident is not None:
                hints += [KeyHint("a", "ack"), KeyHint("u", "tell public"), KeyHint("w", "note")]
            else:
                hints.append(KeyHint("i", "new incident"))
        if incident is not None:
            hints.append(KeyHint("enter", incident.code))
        if self._tab == NOW and self._look is not None and self._look.repeat_command:
            hints.append(KeyHint("y", "copy"))
        return [*hints, KeyHint("esc", "back")]

    def always(self) -> Sequence[KeyHint]:
        """The tabs and the keys."""
        return (KeyHint("[ ]", "tabs"), KeyHint("?", "keys"))

    def _show_tab(self) -> None:
        self.query_one("#service-now").display = self._tab == NOW
        self.query_one("#service-latency").display = self._tab == LATENCY
        self.query_one("#service-timeline").display = self._tab == TIMELINE
        self.query_one("#service-tabs", Lines).show((service.tab_line(self._tab),))
        self.show_keys()

    def _redraw(self) -> None:
        if not self.is_drawable:
            return
        self._draw_head(self.now())
        match self._tab:
            case 0:
                self._draw_now()
            case 1:
                self._draw_chart()
            case _:
                self._draw_timeline()
        self.show_keys()

    def _draw_head(self, now: datetime) -> None:
        if not self.is_drawable:
            return
        width = self.size.width
        left: Line = ((self._gone, "text"),)
        if self._now is not None:
            left = service.head(self._now, now, room(width))
        first = head_line(
            left,
            now,
            self.zone,
            width,
            stale_seconds=self.dashboard.stale_seconds(),
            read_only=self.dashboard.read_only,
        )
        self.query_one("#service-head", Lines).show((first,))

    def _draw_now(self) -> None:
        now = self._now
        if now is None:
            return
        at, width = self.now(), self.size.width
        value_at = value_column(width)
        look = self._look
        looks = self._looks
        height = self.size.height
        self.set_class(height >= 30, "-tall")
        most = max(2, height // 4)
        looks.styles.height = 1 + min(max(1, len(now.looks)), most)
        title = self.query_one("#service-look", TitleBar)
        waterfall = self.query_one("#service-waterfall", Lines)
        facts = self.query_one("#service-facts", Lines)
        if look is None:
            title.show((("no monitor watches this service", "text"),))
            waterfall.show(())
            waterfall.styles.height = 1
        else:
            title.show(service.look_title(look, at, self.zone))
            lines = service.waterfall_lines(look, at, self.zone, width, value_at)
            waterfall.styles.height = len(lines)
            waterfall.show([cut_line(line, width) for line in lines])
        found = service.facts(now, look, at, self.zone)
        facts.show([cut_line(labelled(label, value, value_at), width) for label, value in found])

    def _draw_chart(self) -> None:
        if self._tab != LATENCY or not self.is_drawable:
            return
        parts: list[tuple[str, str]] = [(" ", "text")]
        for number, (name, _) in enumerate(latency.RANGES):
            parts.append((f" {name} ", "strong b on:sel" if number == self._range else "muted"))
            parts.append((" ", "text"))
        legend: Line = ()
        said: Line = ()
        if self._points_of == self._range:
            legend, said = _legend(), self._sum_up()
            chart = self._chart_widget
            made = latency.chart(
                self._points, self.now(), latency.RANGES[self._range][1], chart.plot_columns
            )
            chart.plot(made, self.zone)
        gap = max(1, self.size.width - 1 - width_of(parts) - width_of(legend))
        first = (*parts, (" " * gap, "text"), *legend)
        self.query_one("#service-ranges", Lines).show((first, cut_line(said, self.size.width)))

    @property
    def _chart_widget(self) -> LatencyChart:
        # Imported when the first chart is opened: the drawing library takes its time to load.
        from statustui.widgets.latency_chart import LatencyChart

        return self.query_one("#service-chart", LatencyChart)

    def _sum_up(self) -> Line:
        said = latency.words(self._points)
        if said.latest is None:
            looks = f"{said.checks} looks, none was answered" if said.checks else "no data"
            return ((" ", "text"), (looks, "muted"))
        parts: list[tuple[str, str]] = [(" ", "text")]
        for name, value in (
            ("p50", said.latest.p50_ms),
            ("p95", said.latest.p95_ms),
            ("p99", said.latest.p99_ms),
        ):
            parts += [(f"{name} ", "muted"), (f"{milliseconds(value)}   ", "text")]
        if said.highest is not None:
            when = clock.moment(said.highest.at, self.now(), self.zone)
            parts.append(("highest p95 ", "muted"))
            at = f" at {when}" if self.size.width >= 100 else ""
            parts.append((f"{milliseconds(said.highest.p95_ms)}{at}   ", "text"))
        parts.append((f"{said.checks:,} looks, {said.failures:,} failed", "muted"))
        return tuple(parts)

    def _draw_timeline(self) -> None:
        if self._tab != TIMELINE or not self.is_drawable:
            return
        shown = self.query_one("#service-timeline", ScrolledLines)
        width, at = self.size.width, value_column(self.size.width)
        if not self._entries:
            shown.show_all([((" ", "text"), ("nothing has happened to it so far", "muted"))], at)
            return
        rows = timeline.rows(self._entries, with_service=False)
        shown.show_all(timeline.full_lines(rows, self.now(), self.zone, width, at), at)

    # Doing

    def on_line_list_selected(self, _: LineList.Selected) -> None:
        """Show another look."""
        if self._tab == NOW:
            self._redraw()

    async def action_tab(self, step: int) -> None:
        """Go to another tab."""
        self._tab = (self._tab + step) % len(service.TABS)
        if self._tab == LATENCY and not self.query("#service-chart"):
            from statustui.widgets.latency_chart import LatencyChart

            place = self.query_one("#service-chart-place", Vertical)
            await place.mount(LatencyChart(id="service-chart"))
        self._show_tab()
        self._redraw()
        self._load()

    def action_range(self, step: int) -> None:
        """Show a longer or a shorter time."""
        if self._tab != LATENCY:
            return
        self._range = max(0, min(len(latency.RANGES) - 1, self._range + step))
        self._draw_chart()
        self._load_points()

    def action_move(self, by: int) -> None:
        """Select another look, or move in the timeline."""
        if self._tab == NOW:
            self._looks.move(by)
        elif self._tab == TIMELINE:
            self.query_one("#service-timeline", ScrolledLines).move(by)

    def action_page(self, pages: float) -> None:
        """Move by pages."""
        if self._tab == NOW:
            self._looks.move_page(pages)
        elif self._tab == TIMELINE:
            self.query_one("#service-timeline", ScrolledLines).move_page(pages)

    def action_end(self, last: bool) -> None:
        """Move to an end."""
        if self._tab == NOW:
            self._looks.move_to_end(last=last)
        elif self._tab == TIMELINE:
            self.query_one("#service-timeline", ScrolledLines).move_to_end(last=last)

    def action_run(self) -> None:
        """Ask the watch to look now."""
        look = self._look
        if look is None:
            self.say("no monitor watches this service")
            return
        if not self.may_write():
            return
        name = look.monitor.name
        self.attempt(
            self.store.request_run(self.organization_id, look.monitor.id),
            lambda _: self.say(f"asked the watch to look: {name}"),
        )

    def action_acknowledge(self) -> None:
        """Acknowledge the service's incident."""
        incident = self._incident
        if incident is None:
            self.say("no incident is open for this service")
            return
        if not self.may_write():
            return
        code, zone = incident.code, self.zone

        def done(until: datetime) -> None:
            self.say(f"{code} acknowledged until {clock.clock_named(until, zone)}")
            self._load()

        self.attempt(self.store.acknowledge(self.organization_id, code), done)

    def action_update(self) -> None:
        """Write to the public."""
        self._write_to(is_public=True)

    def action_note(self) -> None:
        """Write a note."""
        self._write_to(is_public=False)

    def _write_to(self, *, is_public: bool) -> None:
        incident = self._incident
        if incident is None:
            self.say("no incident is open for this service: i opens one")
            return
        self.open_composer(incident.code, is_public=is_public)

    def action_new(self) -> None:
        """Open a new incident for this service."""
        if self._now is None or not self.may_write():
            return
        from statustui.screens.composer import ComposerScreen

        self.app.push_screen(ComposerScreen(None, service_names=(self._now.service.name,)))

    def action_open(self) -> None:
        """Open the service's incident."""
        incident = self._incident
        if incident is None:
            self.say("no incident is open for this service")
            return
        self.open_incident(incident.code)

    def action_copy(self) -> None:
        """Copy the command that repeats the look."""
        look = self._look
        if look is None or not look.repeat_command:
            self.say("no command is known that repeats the look")
            return
        self.app.copy_to_clipboard(look.repeat_command)
        # The terminal may not allow it, and then this is where to copy it from.
        self.say(f"copied: {look.repeat_command}")


def _legend() -> Line:
    from statustui.widgets.latency_chart import SERIES

    parts: list[tuple[str, str]] = []
    for name, (_, sign, style) in SERIES.items():
        parts += [(f"{sign} ", style), (f"{name}  ", "muted")]
    return (*parts, ("x ", "strong b"), ("failed", "muted"))


def _draw(value: LookRow, columns: Sequence[Column], is_selected: bool) -> Cells:
    if not is_selected:
        return value.cells
    cells = dict(value.cells)
    cells["monitor"] = tuple((text, "strong b") for text, _ in value.cells["monitor"])
    return cells
