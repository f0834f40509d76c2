"""One incident: what it is, whose it is, what happened, what is known, what can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from statustui.domain.errors import NotFound, StatustuiError
from statustui.domain.readmodels import IncidentDetail, IncidentSummary, PendingPost
from statustui.presenters import clock, composer, timeline
from statustui.presenters import incident as words
from statustui.presenters.head import head_line, labelled, narrow, room, value_column
from statustui.presenters.line import Line, cut_line, plain, wrap
from statustui.screens.base import BaseScreen
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.lines import Lines
from statustui.widgets.scrolled_lines import ScrolledLines
from statustui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from statustui.domain.posting import TakenBack

# From this width the facts stand beside the timeline instead of under it.
WIDE = 120
FACTS_WIDTH = 42


class IncidentScreen(BaseScreen[None]):
    """Shows one incident.

    Args:
        code: which one.
        message: said in the last line once it is shown.
    """

    TITLE_OF_KEYS = "Incident"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "acknowledge for 30 minutes", id="incident.acknowledge"),
        Binding("u", "update", "write a public update", id="incident.update"),
        Binding("w", "note", "write an internal note", id="incident.note"),
        Binding("r", "resolve", "resolve: status and text filled in", id="incident.resolve"),
        Binding("U", "take_back", "take the waiting post back", id="incident.take_back"),
        Binding("p", "release", "make the waiting post public now", id="incident.release"),
        Binding("y", "copy", "copy the command that repeats the look", id="incident.copy"),
        Binding("j,down", "move(1)", "later", id="incident.down"),
        Binding("k,up", "move(-1)", "earlier", id="incident.up"),
        Binding("ctrl+d,pagedown", "page(0.5)", "half a page on", id="incident.page_down"),
        Binding("ctrl+u,pageup", "page(-0.5)", "half a page back", id="incident.page_up"),
        Binding("g,home", "end(False)", "the beginning", id="incident.first"),
        Binding("G,end", "end(True)", "the end", id="incident.last"),
    ]

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__()
        self.code = code
        self._message = message
        self._detail: IncidentDetail | None = None
        self._gone = ""

    @property
    def detail(self) -> IncidentDetail | None:
        """The incident as it was last loaded, None before the first answer."""
        return self._detail

    def compose(self) -> ComposeResult:
        """The head, the timeline, the facts, the keys."""
        yield Lines(id="incident-head")
        with Horizontal(id="incident-body"):
            yield ScrolledLines(starts_at_end=True, id="incident-timeline")
            yield Lines(id="incident-side")
        with Vertical(id="incident-pane"):
            yield TitleBar(id="incident-title")
            yield Lines(id="incident-facts")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Load the incident."""
        self._draw()
        self._load()
        if self._message:
            self.say(self._message)

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self._load()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw()

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Load again when something about incidents or what they concern has changed."""
        if kinds is None or kinds & {"incidents", "services", "monitors", "marks", "maintenance"}:
            self._load()
        else:
            self._draw()

    def tick(self, now: datetime) -> None:
        """Move the clock, and the countdown while there is one."""
        if self.is_drawable:
            self._draw_head(now)

    def _load(self) -> None:
        self.attempt(
            self.store.load_incident(self.organization_id, self.code), self._loaded, self._failed
        )

    def _loaded(self, detail: IncidentDetail) -> None:
        before = self._detail
        self._detail = detail
        self._gone = ""
        self._draw()
        if detail.held is not None and before is not None and before.held != detail.held:
            # Who pressed `p` and waits must not have to look for it.
            said = words.held_parts(detail.held, self.now(), self.zone)
            self.say(f"held: {plain(said)}")

    def _failed(self, error: StatustuiError) -> bool:
        if isinstance(error, NotFound) and self._detail is None:
            self._gone = error.message
            self._draw()
            return True
        return False

    # Drawing

    def hints(self) -> Sequence[KeyHint]:
        """What can be done with the incident as it is."""
        incident = self._summary
        if incident is None or not self.can_write or not incident.status.is_open:
            return (KeyHint("w", "note"),) if self._may_note else ()
        hints: list[KeyHint] = []
        if incident.pending is not None:
            hints += [KeyHint("U", "take back"), KeyHint("p", "post now")]
        if not words.is_acknowledged(incident, self.now()):
            hints.append(KeyHint("a", "ack"))
        hints += [KeyHint("u", "tell public"), KeyHint("w", "note"), KeyHint("r", "resolve")]
        if self._command:
            hints.append(KeyHint("y", "copy"))
        hints.append(KeyHint("esc", "back"))
        return hints

    def always(self) -> Sequence[KeyHint]:
        """Only the keys: there is nothing to filter."""
        return (KeyHint("?", "keys"),)

    @property
    def _may_note(self) -> bool:
        return self._summary is not None and self.can_write

    @property
    def _summary(self) -> IncidentSummary | None:
        return self._detail.summary if self._detail is not None else None

    @property
    def _command(self) -> str:
        evidence = self._detail.evidence if self._detail is not None else None
        return evidence.repeat_command if evidence is not None else ""

    def _draw(self) -> None:
        if not self.is_drawable:
            return
        now, width = self.now(), self.size.width
        side = self.query_one("#incident-side", Lines)
        side.display = width >= WIDE
        side.styles.width = FACTS_WIDTH
        self._draw_head(now)
        self._draw_timeline(now)
        self._draw_facts(now)
        self.show_keys()

    def _draw_head(self, now: datetime) -> None:
        width = self.size.width
        head = self.query_one("#incident-head", Lines)
        incident = self._summary
        left: Line = ((self.code, "strong b"), (f"  {self._gone}", "text"))
        second: Line = ()
        if incident is not None:
            left = words.head(incident, now, self.zone, room(width))
            services = self.board.services if self.board is not None else ()
            second = words.affected(incident, services, width, value_column(width))
        first = head_line(
            left,
            now,
            self.zone,
            width,
            stale_seconds=self.dashboard.stale_seconds(),
            read_only=self.dashboard.read_only,
        )
        head.show((first, second))

    def _draw_timeline(self, now: datetime) -> None:
        shown = self.query_one("#incident-timeline", ScrolledLines)
        if self._detail is None:
            return
        width = self.size.width - (FACTS_WIDTH + 2 if self.size.width >= WIDE else 0)
        at = value_column(self.size.width)
        rows = timeline.rows(self._detail.timeline)
        lines = list(timeline.full_lines(rows, now, self.zone, width, at))
        pending = self._detail.summary.pending
        if pending is not None:
            lines += _pending_lines(pending, self.zone, width, at)
        shown.show_all(lines, at)
        self._place_pane(len(lines))

    def _place_pane(self, lines: int) -> None:
        """On a tall screen the pane starts under the timeline, in steps of four rows, so that
        there is no hole between them and the pane seldom moves."""
        body = self.query_one("#incident-body", Horizontal)
        height = self.size.height
        wanted = max(12, -(-lines // 4) * 4)
        free = height - 20
        body.styles.height = wanted if height >= 30 and wanted <= free else "1fr"

    def _draw_facts(self, now: datetime) -> None:
        detail = self._detail
        pane = self.query_one("#incident-pane", Vertical)
        facts = self.query_one("#incident-facts", Lines)
        side = self.query_one("#incident-side", Lines)
        if detail is None:
            return
        incident = detail.summary
        tag: Line = (
            (("public", "strong b"),) if incident.is_public else (("internal", "internal b"),)
        )
        self.query_one("#incident-title", TitleBar).show(
            ((incident.code, "strong b"), ("  ", "text"), (incident.title, "strong b")), tag
        )
        width, at = self.size.width, value_column(self.size.width)
        found = list(words.facts(detail, now, self.zone))
        if self.board is not None and incident.status.is_open:
            said, failing = words.still_failing(incident, self.board.services, now)
            found.append(("checks", ((said, "outage" if failing else "text"),)))
        if incident.internal_title and incident.internal_title != incident.title:
            found.append(("in house", ((incident.internal_title, "internal"),)))
        if width >= WIDE:
            below = ("repeat it", "in house")
            beside = [fact for fact in found if fact[0] not in below]
            side.show(narrow(beside, FACTS_WIDTH - 2))
            found = [fact for fact in found if fact[0] in below]
        lines = [cut_line(labelled(label, value, at), width) for label, value in found]
        most = min(7, self.size.height // 3 - 1) if self.size.height < 30 else 12
        facts.styles.height = min(len(lines), most)
        pane.styles.height = min(len(lines), most) + 2
        facts.show(lines[:most])

    # Doing

    def action_acknowledge(self) -> None:
        """Say that somebody is on it."""
        incident = self._summary
        if incident is None or not self.may_write():
            return
        if not incident.status.is_open:
            self.say(f"{incident.code} is resolved")
            return
        zone = self.zone
        self.attempt(
            self.store.acknowledge(self.organization_id, self.code),
            lambda until: self._changed(f"acknowledged until {clock.clock_named(until, zone)}"),
        )

    def action_update(self) -> None:
        """Open the composer for everyone to read."""
        self._write_to(is_public=True)

    def action_note(self) -> None:
        """Open the composer for an internal note."""
        self._write_to(is_public=False)

    def action_resolve(self) -> None:
        """Open the composer to resolve."""
        self._write_to(is_public=True, resolves=True)

    def _write_to(self, *, is_public: bool, resolves: bool = False) -> None:
        incident = self._summary
        if incident is None:
            return
        if is_public and not incident.status.is_open:
            self.say(f"{incident.code} is resolved, and that is final: i opens a new incident")
            return
        if is_public and incident.pending is not None:
            self.say("a post waits: U takes it back, p makes it public; then write the next one")
            return
        self.open_composer(self.code, is_public=is_public, resolves=resolves)

    def action_take_back(self) -> None:
        """Take the waiting post back into the composer."""
        incident = self._summary
        if incident is None or not self.may_write():
            return
        if incident.pending is None:
            self.say("nothing waits that could be taken back")
            return
        self.attempt(
            self.store.take_back(self.organization_id, incident.pending.id), self._taken_back
        )

    def _taken_back(self, taken: TakenBack) -> None:
        from statustui.screens.composer import ComposerScreen

        self._changed("taken back: the page never showed it")
        fields = composer.taken_back_fields(taken, self.zone)
        self.app.push_screen(ComposerScreen(self.code, fields=fields))

    def action_release(self) -> None:
        """Make the waiting post public at once."""
        incident = self._summary
        if incident is None or not self.may_write():
            return
        if incident.pending is None:
            self.say("nothing waits: u writes a public update")
            return
        self.attempt(
            self.store.release(self.organization_id, incident.pending.id),
            lambda _: self._changed("public now"),
        )

    def _changed(self, message: str) -> None:
        self.say(message)
        self._load()
        self.dashboard.reload()

    def action_copy(self) -> None:
        """Copy the command that repeats the look."""
        command = self._command
        if not command:
            self.say("no command is known that repeats the look")
            return
        self.app.copy_to_clipboard(command)
        # The terminal may not allow it, and then this is where to copy it from.
        self.say(f"copied: {command}")

    def action_move(self, by: int) -> None:
        """Move in the timeline by lines."""
        self.query_one("#incident-timeline", ScrolledLines).move(by)

    def action_page(self, pages: float) -> None:
        """Move in the timeline by pages."""
        self.query_one("#incident-timeline", ScrolledLines).move_page(pages)

    def action_end(self, last: bool) -> None:
        """Move to an end of the timeline."""
        self.query_one("#incident-timeline", ScrolledLines).move_to_end(last=last)


def _pending_lines(pending: PendingPost, zone: object, width: int, at: int) -> list[Line]:
    """The waiting post as the entry that it will become."""
    space = max(1, width - at - 10)
    texts = wrap(f"{pending.author}, {pending.status.value}: {pending.message}", space)
    lines: list[Line] = []
    for number, text in enumerate(texts):
        if number:
            lines.append(((" " * at, "text"), (text, "muted")))
        else:
            mark = " waits".ljust(9)
            lines.append(
                (
                    (mark, "strong b"),
                    (" u", "strong b"),
                    (" " * (at - 11), "text"),
                    (text, "muted"),
                )
            )
    return lines
