"""Where words are written: an update for everyone, a note for the house, or a new incident.

The focus opens in the text and everything else is filled in. What is typed is kept 300 ms after
the last key, so that neither a mistyped `esc` nor a dropped line nor a killed process loses it;
what the bar says about that is what the database, or the disk, has answered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from statustui.domain.errors import StatustuiError, ValidationFailed
from statustui.domain.posting import IncidentInput, PostReceipt, UpdateInput
from statustui.domain.readmodels import Draft, IncidentDetail, IncidentSummary, ServiceRow
from statustui.domain.text import clean
from statustui.presenters import composer, timeline
from statustui.presenters import incident as words
from statustui.presenters.composer import LABELS, Door, Field, Written
from statustui.presenters.head import head_line, labelled, narrow, room, value_column
from statustui.presenters.line import Line, cut, cut_line, join_names
from statustui.screens.base import BaseScreen
from statustui.screens.draft_keeper import DraftKeeper
from statustui.store.draft_files import DraftFiles
from statustui.widgets.choice_line import ChoiceLine
from statustui.widgets.field_input import FieldInput
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.form_row import FormRow
from statustui.widgets.line_input import LineInput
from statustui.widgets.lines import Lines
from statustui.widgets.message_area import MessageArea
from statustui.widgets.title_bar import TitleBar

_log = logging.getLogger(__name__)

DRAFT_SECONDS = 0.3
WIDE = 120
SIDE_WIDTH = 36
TEXT_WIDTH = 68
NEXT_BY_WIDTH = 7


class ComposerScreen(BaseScreen[None]):
    """Writes to an incident, or opens one.

    Args:
        code: the incident, None to open a new one.
        is_public: whether everyone will read it; else it is an internal note.
        resolves: whether it opens with the stage `resolved` and a text that says so.
        fields: what the fields hold instead of what they would open with: a post taken back.
        service_names: what a new incident affects to begin with.
    """

    TITLE_OF_KEYS = "Composer"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "preview", "show what it will look like; a note is written at once",
                id="composer.preview"),
        Binding("tab", "app.focus_next", "next field", id="composer.next", show=False),
        Binding("shift+tab", "app.focus_previous", "field before", id="composer.before",
                show=False),
        Binding("escape", "back", "back; the draft is kept", id="composer.back"),
    ]  # fmt: skip

    def __init__(
        self,
        code: str | None,
        *,
        is_public: bool = True,
        resolves: bool = False,
        fields: Mapping[str, str] | None = None,
        service_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.code = code
        self.door = Door.NEW if code is None else Door.PUBLIC if is_public else Door.NOTE
        self._resolves = resolves
        self._given = dict(fields) if fields is not None else None
        self._service_names = tuple(service_names)
        self._detail: IncidentDetail | None = None
        self._opened_with: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._base_version = 0
        self._rows: dict[Field, FormRow] = {}
        self._inputs: dict[Field, Widget] = {}
        self._keeper: DraftKeeper | None = None
        self._draft_timer: Timer | None = None
        self._draft_said = ""
        self._had_draft = False
        self._is_filled = False
        self._is_over = False
        self._is_writing = False

    # What it is about

    @property
    def summary(self) -> IncidentSummary | None:
        """The incident as it was last read, None for a new one or before the first answer."""
        if self._detail is not None:
            return self._detail.summary
        board = self.board
        if board is None or self.code is None:
            return None
        return next((each for each in board.incidents if each.code == self.code), None)

    @property
    def detail(self) -> IncidentDetail | None:
        """The incident whole, None for a new one or before the first answer."""
        return self._detail

    @property
    def is_ready(self) -> bool:
        """Whether the incident and the drafts have been looked for."""
        return self._is_filled

    @property
    def fields(self) -> dict[str, str]:
        """What the fields hold."""
        return {field.value: _value_of(widget) for field, widget in self._inputs.items()}

    @property
    def _services(self) -> Sequence[ServiceRow]:
        return self.board.services if self.board is not None else ()

    @property
    def _is_internal(self) -> bool:
        if self.door is Door.NEW:
            field = self._inputs.get(Field.AUDIENCE)
            return field is not None and _value_of(field) == composer.AUDIENCES[1]
        return self.door is Door.NOTE

    # Building

    def compose(self) -> ComposeResult:
        """The incident above, the fields below, the keys."""
        yield Lines(id="composer-head")
        with Horizontal(id="composer-top"):
            yield Lines(id="composer-timeline")
            yield Lines(id="composer-known")
        yield TitleBar(id="composer-bar")
        with Horizontal(id="composer-body"):
            with Vertical(id="composer-fields"):
                yield from self._make_rows()
            yield Lines(id="composer-told")
        yield FooterKeys(id="footer")

    def _make_rows(self) -> ComposeResult:
        own = composer.FIELDS[self.door]
        if self.door is Door.PUBLIC:
            yield self._row(Field.STATUS, ChoiceLine([stage.value for stage in composer.STAGES]))
            yield Lines(id="composer-affected")
        if Field.IMPACT in own:
            impacts = [impact.value for impact in composer.IMPACTS]
            yield self._row(Field.IMPACT, ChoiceLine(impacts))
            yield self._row(Field.AUDIENCE, ChoiceLine(composer.AUDIENCES))
        if Field.AFFECTED in own:
            complete = FieldInput(
                complete=lambda text: composer.complete_service(text, self._services)
            )
            yield self._row(Field.AFFECTED, complete)
        if Field.TITLE in own:
            yield self._row(Field.TITLE, FieldInput())
        yield self._row(Field.TEXT, MessageArea(is_internal=self.door is Door.NOTE))
        if Field.NEXT_BY in own:
            yield self._row(Field.NEXT_BY, FieldInput(), field_width=NEXT_BY_WIDTH)
        yield Lines(id="composer-problem")

    def _row(self, field: Field, widget: Widget, field_width: int | None = None) -> FormRow:
        tinted = isinstance(widget, ChoiceLine | MessageArea)
        row = FormRow(
            LABELS[field],
            widget,
            lead=1 if tinted else 0,
            field_width=field_width,
            id=f"composer-{field.value.replace('_', '-')}",
        )
        self._inputs[field] = widget
        self._rows[field] = row
        return row

    def on_mount(self) -> None:
        """Fill the fields in, put the focus into the text, and look for a draft."""
        board = self.board
        files = None
        if board is not None:
            files = DraftFiles(self.dashboard.data_dir, board.organization.slug)
        self._keeper = DraftKeeper(self.store, self.organization_id, files)
        self._fill(self._first_fields())
        summary = self.summary
        self._base_version = summary.version if summary is not None else 0
        self._inputs[Field.TEXT].focus()
        self._lay_out()
        self.run_worker(self._begin())

    def _first_fields(self) -> dict[str, str]:
        first = composer.first_fields(
            self.door,
            self.summary,
            self.now(),
            self.zone,
            resolving=self._resolves,
            service_names=self._service_names,
        )
        return {name: first[name] for name in composer.FIELDS[self.door]}

    async def _begin(self) -> None:
        """Load the incident, then the draft that is offered again."""
        if self.code is not None:
            try:
                detail = await self.store.load_incident(self.organization_id, self.code)
            except StatustuiError as error:
                self.complain(error)
            else:
                self._first_detail(detail)
        if self._given is not None:
            self._fill({**self._opened_with, **self._given}, opens=False)
            self._changed()
        elif self._keeper is not None:
            try:
                drafts = await self._keeper.offered()
            except StatustuiError as error:
                self.complain(error)
            else:
                self._offer(composer.draft_for(drafts, self.door, self.code))
        self._is_filled = True
        self._draw()

    def _first_detail(self, detail: IncidentDetail) -> None:
        untouched = self.fields == self._opened_with
        self._detail = detail
        self._base_version = detail.summary.version
        if untouched and self._given is None:
            self._fill(self._first_fields())
        self._draw()

    def _offer(self, draft: Draft | None) -> None:
        if draft is None:
            return
        self._had_draft = True
        known = {
            name: clean(value, multiline=name == Field.TEXT)
            for name, value in draft.fields.items()
            if name in composer.FIELDS[self.door]
        }
        typed = self.fields
        text = composer.after_other_words(
            known.get(Field.TEXT, ""),
            typed[Field.TEXT] if typed != self._opened_with else "",
        )
        held = {**typed, **known, Field.TEXT.value: text}
        if self._resolves:
            held[Field.STATUS.value] = self._opened_with[Field.STATUS]
            held[Field.NEXT_BY.value] = ""
        self._fill(held, opens=False)
        if draft.base_version:
            # What has happened since the draft was begun must be seen before it is posted.
            self._base_version = draft.base_version
        self._draft_said = "draft of before"
        self.say("your draft of before is here again")

    def _fill(self, values: Mapping[str, str], *, opens: bool = True) -> None:
        for field, widget in self._inputs.items():
            if field in values:
                _set_value(widget, values[field])
        held = self.fields
        if opens:
            self._opened_with = dict(held)
        self._last = dict(held)

    # Drawing

    def on_resize(self, _: events.Resize) -> None:
        """Lay out for the new size."""
        self._lay_out()

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Show what happened meanwhile; the text stays as it is."""
        if self.code is not None and (kinds is None or kinds & {"incidents", "services"}):
            self.attempt(
                self.store.load_incident(self.organization_id, self.code), self._fresh_detail
            )
        if self._keeper is not None and self._keeper.is_on_disk:
            # The board was loaded: the database is back, and the draft belongs there.
            self._save_soon()
        self._draw()

    def on_screen_resume(self) -> None:
        """Catch up after the preview."""
        if self._is_filled:
            self.refresh_for(None)

    def _fresh_detail(self, detail: IncidentDetail) -> None:
        self._detail = detail
        self._draw()

    def tick(self, now: datetime) -> None:
        """Move the clock, and how far away the promise is."""
        if self.is_drawable:
            self._draw_head(now)
            self._draw_promise(now)

    def hints(self) -> Sequence[KeyHint]:
        """Keys that work while the focus is in a text."""
        send = "preview"
        if self._is_internal:
            send = "write the note" if self.door is Door.NOTE else "open it"
        hints = [KeyHint("ctrl+s", send)]
        if len(self._inputs) > 1:
            hints.append(KeyHint("tab", "field"))
        return [*hints, KeyHint("esc", "keep draft")]

    def always(self) -> Sequence[KeyHint]:
        """`?` is a letter here; f1 is not."""
        return (KeyHint("f1", "keys"),)

    def _lay_out(self) -> None:
        if not self.is_drawable:
            return
        width, height = self.size.width, self.size.height
        at = value_column(width)
        wide = width >= WIDE
        for name in ("composer-known", "composer-told"):
            side = self.query_one(f"#{name}", Lines)
            side.display = wide
            side.styles.width = SIDE_WIDTH
        timeline_rows, text_rows = _heights(height, self.door)
        top = self.query_one("#composer-top", Horizontal)
        top.display = timeline_rows > 0
        top.styles.height = timeline_rows
        room_left = width - (SIDE_WIDTH if wide else 0)
        for field, row in self._rows.items():
            if field is Field.TEXT:
                row.styles.height = text_rows
                row.lay_out(at, min(TEXT_WIDTH, room_left - at))
            else:
                row.lay_out(at)
        self._draw()

    def _draw(self) -> None:
        if not self.is_drawable:
            return
        now = self.now()
        self._draw_head(now)
        self._draw_top(now)
        self._draw_bar()
        self._draw_affected()
        self._draw_promise(now)
        self._draw_told(now)
        self.show_keys()

    def _draw_head(self, now: datetime) -> None:
        width = self.size.width
        summary = self.summary
        left: Line = (("new incident", "strong b"),)
        second: Line = ()
        if self.code is not None:
            left = ((self.code, "strong b"),)
        if summary is not None:
            left = words.head(summary, now, self.zone, room(width))
            second = words.affected(summary, self._services, width, value_column(width))
        elif self.code is None and self.board is not None:
            names = [each.code for each in self.board.incidents if each.status.is_open]
            said = f"open now: {join_names(names)}" if names else "nothing is open now"
            second = ((" ", "text"), (said, "muted"))
        stale = self.dashboard.stale_seconds()
        first = head_line(left, now, self.zone, width, stale_seconds=stale)
        self.query_one("#composer-head", Lines).show((first, cut_line(second, width)))

    def _draw_top(self, now: datetime) -> None:
        shown = self.query_one("#composer-timeline", Lines)
        known = self.query_one("#composer-known", Lines)
        rows = shown.size.height
        width = self.size.width - (SIDE_WIDTH + 3 if self.size.width >= WIDE else 0)
        at = value_column(self.size.width)
        if self._detail is not None:
            entries = timeline.rows(self._detail.timeline)
            shown.show(timeline.short_lines(entries, self.zone, width, rows, at))
            known.show(narrow(words.facts(self._detail, now, self.zone), SIDE_WIDTH - 2))
        elif self.code is None and self.board is not None:
            working = [each for each in self.board.incidents if each.status.is_open]
            shown.show([_open_line(each) for each in working[:rows]])

    def _draw_bar(self) -> None:
        left: Line
        match self.door:
            case Door.PUBLIC:
                left = (
                    (" PUBLIC UPDATE ", "chipfg b on:chip"),
                    ("  everyone can read this", "text"),
                )
            case Door.NOTE:
                left = (("INTERNAL NOTE", "internal b"), ("  the public never sees this", "text"))
            case Door.NEW if self._is_internal:
                left = (
                    ("NEW INCIDENT", "internal b"),
                    ("  internal, until it is published", "text"),
                )
            case Door.NEW:
                left = (
                    (" NEW INCIDENT ", "chipfg b on:chip"),
                    ("  everyone can read this", "text"),
                )
        loud = self._draft_said.startswith(("draft not", "database"))
        said = ((self._draft_said, "text b" if loud else "muted"),) if self._draft_said else ()
        self.query_one("#composer-bar", TitleBar).show(left, said)
        text = self._inputs.get(Field.TEXT)
        if isinstance(text, MessageArea):
            text.set_class(self._is_internal, "-internal")

    def _draw_affected(self) -> None:
        summary = self.summary
        if self.door is not Door.PUBLIC or summary is None:
            return
        said, hidden = words.asked_words(summary)
        if _value_of(self._inputs[Field.STATUS]) == composer.STAGES[-1].value and said:
            names = [each.name for each in summary.services if each.is_visible]
            said = f"{cut(join_names(names), 40)}: from then on what checks say"
        parts: list[tuple[str, str]] = [(said or "no visible service", "text")]
        if hidden:
            parts.append((f"   {hidden}", "internal"))
        at = value_column(self.size.width)
        line = labelled("Affected", parts, at)
        self.query_one("#composer-affected", Lines).show((cut_line(line, self.size.width),))

    def _draw_promise(self, now: datetime) -> None:
        row = self._rows.get(Field.NEXT_BY)
        field = self._inputs.get(Field.NEXT_BY)
        if row is None or field is None:
            return
        status = self._inputs.get(Field.STATUS)
        if status is not None and _value_of(status) == composer.STAGES[-1].value:
            row.hint((("resolved: nothing more is promised", "muted"),))
            return
        row.hint(composer.next_by_line(_value_of(field), now, self.zone))

    def _draw_told(self, now: datetime) -> None:
        detail = self._detail
        told = self.query_one("#composer-told", Lines)
        if detail is None:
            return
        found: list[tuple[str, Line]] = []
        if self.door is Door.PUBLIC:
            pages = join_names([page.name for page in detail.pages]) or "none shows these services"
            delay = self.dashboard.settings.public_delay_seconds
            found.append(("page", ((pages, "text"),)))
            found.append(("public", ((f"after {delay} s" if delay else "at once", "text"),)))
        said, failing = words.still_failing(detail.summary, self._services, now)
        found.append(("checks", ((said, "outage" if failing else "text"),)))
        newest = next((each for each in reversed(detail.updates) if each.is_public), None)
        last = cut(newest.message, 120) if newest is not None else "nothing, colour only"
        found.append(("said", ((last, "text"),)))
        told.show(narrow(found, SIDE_WIDTH - 2))

    def _complain_about(self, error: ValidationFailed | None) -> None:
        lines = self.query_one("#composer-problem", Lines)
        if error is None:
            lines.show(())
            return
        at = value_column(self.size.width)
        lines.show((((" " * at, "text"), (error.message, "degraded b")),))
        path = error.problems[0].path if error.problems else ()
        field = next((each for each in self._inputs if path and each == path[0]), None)
        if field is not None:
            self._inputs[field].focus()

    # Typing

    def on_text_area_changed(self, _: TextArea.Changed) -> None:
        """Keep what was typed."""
        self._changed()

    def on_line_input_changed(self, _: LineInput.Changed) -> None:
        """Keep what was typed."""
        self._changed()

    def on_choice_line_changed(self, _: ChoiceLine.Changed) -> None:
        """Keep what was chosen."""
        self._changed()
        self._draw_bar()
        self._draw_affected()
        self.show_keys()

    def on_line_input_submitted(self, _: LineInput.Submitted) -> None:
        """Go on to the next field."""
        self.focus_next()

    def on_line_input_cancelled(self, _: LineInput.Cancelled) -> None:
        """Go back; the draft is kept."""
        self.action_back()

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Say by the labels where the focus is."""
        self._show_focus()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """Say by the labels where the focus is."""
        self._show_focus()

    def _show_focus(self) -> None:
        for row in self._rows.values():
            row.show_focus()

    def _changed(self) -> None:
        held = self.fields
        if held == self._last or self._is_over:
            return
        self._last = held
        self._draft_said = ""
        self._complain_about(None)
        self._draw_bar()
        self._draw_promise(self.now())
        self._save_soon()

    def _save_soon(self) -> None:
        if self._draft_timer is not None:
            self._draft_timer.stop()
        self._draft_timer = self.set_timer(DRAFT_SECONDS, self._save_now)

    def _save_now(self) -> None:
        self.run_worker(self._save())

    async def _save(self) -> None:
        keeper = self._keeper
        if keeper is None or self._is_over or not self.can_write:
            return
        held = self.fields
        kind = composer.draft_of(self.door, self.summary, held, self.now()).kind
        if not composer.is_worth_keeping(held, self._opened_with):
            if self._had_draft:
                try:
                    await keeper.forget(self.code, kind)
                except StatustuiError as error:
                    self.complain(error)
                    return
                self._had_draft = False
            return
        said = await keeper.keep(self._draft(held))
        if keeper.is_on_disk:
            self.dashboard.reload()
        self._had_draft = True
        # Only what is still on the screen is called saved.
        if held == self.fields and not self._is_over:
            self._draft_said = said
            if self.is_drawable:
                self._draw_bar()

    def _draft(self, held: Mapping[str, str]) -> Draft:
        draft = composer.draft_of(self.door, self.summary, held, self.now())
        return replace(draft, incident_code=self.code, base_version=self._base_version)

    def action_back(self) -> None:
        """Go back at once; what was typed is kept, however long the database takes to answer."""
        if self._draft_timer is not None:
            self._draft_timer.stop()
        if self._draft_said == "":
            # The application runs it: this screen is about to go.
            self.app.run_worker(self._save())
        super().action_back()

    # Sending

    def action_preview(self) -> None:
        """Show the page with this on it; what stays in the house is written at once."""
        if self._is_over or self._is_writing or not self.may_write():
            return
        try:
            written = self.read()
        except ValidationFailed as error:
            self._complain_about(error)
            return
        if self._is_internal:
            self._is_writing = True
            self.attempt(self.send(written, None), self._written, self._refused)
            return
        if self.board is None:
            self.say("the database has not answered yet")
            return
        from statustui.screens.preview import PreviewScreen

        self.app.push_screen(PreviewScreen(self, written))

    def read(self) -> Written:
        """What is written, read and found good.

        Raises:
            ValidationFailed: with every problem.
        """
        return composer.read(
            self.door, self.fields, self.summary, self._services, self.now(), self.zone
        )

    @property
    def base_version(self) -> int:
        """The version of the incident that the author has seen."""
        return self._base_version

    def has_seen(self, detail: IncidentDetail) -> None:
        """The author was shown how the incident has moved on."""
        self._detail = detail
        self._base_version = detail.summary.version

    async def send(self, written: Written, base_version: int | None) -> PostReceipt:
        """Post what is written.

        Args:
            written: what `read` returned.
            base_version: what the author has seen; None for what concerns no version.

        Raises:
            StatustuiError: nothing was posted; the text stays.
        """
        settings = self.dashboard.settings
        public = settings.public_delay_seconds if written.is_public else 0
        notify = max(public, settings.notify_delay_seconds) if written.is_public else 0
        if self.code is None:
            return await self.store.create_incident(
                self.organization_id,
                IncidentInput(
                    title=written.title or "",
                    impact=written.impact,
                    message=written.message,
                    services=tuple((each, None) for each in written.services),
                    is_public=written.is_public,
                    next_update_by=written.next_update_by,
                ),
                delay_seconds=public,
                notify_delay_seconds=notify,
            )
        return await self.store.post_update(
            self.organization_id,
            self.code,
            UpdateInput(
                status=written.status if written.is_public else None,
                message=written.message,
                base_version=base_version,
                is_public=written.is_public,
                next_update_by=written.next_update_by,
                title=written.title,
            ),
            public_delay_seconds=public,
            notify_delay_seconds=notify,
        )

    def _written(self, receipt: PostReceipt) -> None:
        said = "note written" if self.door is Door.NOTE else f"{receipt.code} is open, internal"
        self.posted(receipt, said)

    def _refused(self, _: StatustuiError) -> bool:
        self._is_writing = False
        return False

    def posted(self, receipt: PostReceipt, message: str) -> None:
        """It was posted: the draft is forgotten, and the incident shown.

        Args:
            receipt: what became of it; message: said in the last line of the incident.
        """
        self._is_over = True
        if self._draft_timer is not None:
            self._draft_timer.stop()
        # The application runs it: this screen is about to go.
        self.app.run_worker(self._forget())
        self._show_incident(receipt.code, message)

    async def _forget(self) -> None:
        if self._keeper is None:
            return
        kind = composer.draft_of(self.door, None, {}, self.now()).kind
        try:
            await self._keeper.forget(self.code, kind)
        except StatustuiError as error:
            _log.warning("the draft of a post is still there: %s", error.message)

    def _show_incident(self, code: str, message: str) -> None:
        from statustui.screens.incident import IncidentScreen

        stack = self.app.screen_stack
        below = stack[stack.index(self) - 1]
        while self.app.screen is not below:
            self.app.pop_screen()
        self.dashboard.reload()
        if isinstance(below, IncidentScreen) and below.code == code:
            below.say(message)
        else:
            self.app.push_screen(IncidentScreen(code, message))


def _heights(height: int, door: Door) -> tuple[int, int]:
    """Rows of the timeline and of the text on a screen of some height."""
    own = {Door.PUBLIC: 5, Door.NOTE: 0, Door.NEW: 6}[door]
    # Head 2, gap 1, gap 1, bar 1, gap 1, (fields, gap, text, gap, promise), problem 1, gap 1, keys.
    left = height - 10 - own
    text = max(3, min(9, 4 if height < 30 else int(left * 0.45)))
    most = 10 if height < 44 else 20
    return max(0, min(most, left - text)), text


def _open_line(incident: IncidentSummary) -> Line:
    return (
        (" ", "text"),
        (incident.code.ljust(11), "muted"),
        (incident.internal_or_title, "text"),
        (f"  {incident.status.value}", "muted"),
    )


def _value_of(widget: Widget) -> str:
    match widget:
        case ChoiceLine() | LineInput():
            return widget.value
        case TextArea():
            return widget.text
        case _:
            raise TypeError(f"{type(widget).__name__} is no field")


def _set_value(widget: Widget, value: str) -> None:
    match widget:
        case ChoiceLine() | LineInput():
            widget.set_value(value)
        case TextArea():
            widget.load_text(value)
            widget.move_cursor(widget.document.end)
        case _:
            raise TypeError(f"{type(widget).__name__} is no field")
