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
from textual.containers import Horizontal
from textual.timer import Timer

from statustui.domain.errors import StatustuiError, ValidationFailed
from statustui.domain.posting import PostReceipt
from statustui.domain.readmodels import Draft, IncidentDetail, IncidentSummary, ServiceRow
from statustui.domain.text import clean
from statustui.presenters import composer, timeline
from statustui.presenters import incident as words
from statustui.presenters.composer import Door, Field, Written
from statustui.presenters.head import head_line, labelled, narrow, room, value_column
from statustui.presenters.line import Line, cut, cut_line, join_names
from statustui.screens.base import BaseScreen
from statustui.screens.draft_keeper import DraftKeeper
from statustui.store.draft_files import DraftFiles
from statustui.widgets.composer_form import ComposerForm
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.lines import Lines
from statustui.widgets.title_bar import TitleBar

_log = logging.getLogger(__name__)

DRAFT_SECONDS = 0.3
# A program that ends waits so long for the database before it keeps a draft on the disk.
HASTE_SECONDS = 1.0
WIDE = 120
SIDE_WIDTH = 36


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
        self._form = ComposerForm(
            self.door,
            lambda text: composer.complete_service(text, self._services),
            id="composer-fields",
        )
        self._keeper: DraftKeeper | None = None
        self._draft_timer: Timer | None = None
        self._draft_said = ""
        self._had_draft = False
        self._is_filled = False
        self._is_over = False
        self._is_left = False
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
        return self._form.held

    @property
    def _services(self) -> Sequence[ServiceRow]:
        return self.board.services if self.board is not None else ()

    # Building

    def compose(self) -> ComposeResult:
        """The incident above, the fields below, the keys."""
        yield Lines(id="composer-head")
        with Horizontal(id="composer-top"):
            yield Lines(id="composer-timeline")
            yield Lines(id="composer-known")
        yield TitleBar(id="composer-bar")
        with Horizontal(id="composer-body"):
            yield self._form
            yield Lines(id="composer-told")
        yield FooterKeys(id="footer")

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
        self._form.focus_text()
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
            is_failing=self.summary is not None
            and words.still_failing(self.summary, self._services, self.now())[1],
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
            # Its words stand nowhere else any more.
            self._save_soon()
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
        self._form.fill(values)
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
        if self._form.is_internal:
            send = "write the note" if self.door is Door.NOTE else "open it"
        hints = [KeyHint("ctrl+s", send)]
        if len(composer.FIELDS[self.door]) > 1:
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
        self._form.lay_out(at, width - (SIDE_WIDTH if wide else 0), text_rows)
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
        loud = self._draft_said.startswith(("draft not", "database"))
        said = ((self._draft_said, "text b" if loud else "muted"),) if self._draft_said else ()
        left = composer.bar(self.door, is_internal=self._form.is_internal)
        self.query_one("#composer-bar", TitleBar).show(left, said)
        self._form.show_internal()

    def _draw_affected(self) -> None:
        summary = self.summary
        if self.door is not Door.PUBLIC or summary is None:
            return
        said, hidden = words.asked_words(summary)
        if self._resolves_now and said:
            names = [each.name for each in summary.services if each.is_visible]
            said = f"{cut(join_names(names), 40)}: from then on what checks say"
        parts: list[tuple[str, str]] = [(said or "no visible service", "text")]
        if hidden:
            parts.append((f"   {hidden}", "internal"))
        at = value_column(self.size.width)
        self._form.show_affected(labelled("Affected", parts, at))

    @property
    def _resolves_now(self) -> bool:
        return self._form.value(Field.STATUS) == composer.STAGES[-1].value

    def _draw_promise(self, now: datetime) -> None:
        if self._resolves_now:
            self._form.show_promise((("resolved: nothing more is promised", "muted"),))
            return
        text = self._form.value(Field.NEXT_BY)
        self._form.show_promise(composer.next_by_line(text, now, self.zone))

    def _draw_told(self, now: datetime) -> None:
        if self._detail is None:
            return
        delay = self.dashboard.settings.public_delay_seconds if self.door is Door.PUBLIC else None
        found = words.told_facts(self._detail, self._services, now, delay)
        self.query_one("#composer-told", Lines).show(narrow(found, SIDE_WIDTH - 2))

    # Typing

    def on_composer_form_changed(self, _: ComposerForm.Changed) -> None:
        """Keep what was typed or chosen."""
        self._changed()

    def on_composer_form_left(self, _: ComposerForm.Left) -> None:
        """Go back; the draft is kept."""
        self.action_back()

    def _changed(self) -> None:
        held = self.fields
        if held == self._last or self._is_over:
            return
        self._last = held
        self._draft_said = ""
        self._form.show_problem(None)
        self._draw_bar()
        self._draw_affected()
        self._draw_promise(self.now())
        self.show_keys()
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

    async def on_unmount(self) -> None:
        """Keep the last letters when the program ends before they were saved."""
        if self._draft_timer is not None:
            self._draft_timer.stop()
        held = self.fields
        is_kept = self._draft_said != "" and held == self._last
        if self._is_over or self._is_left or is_kept or self._keeper is None:
            return
        if not self.can_write or not composer.is_worth_keeping(held, self._opened_with):
            return
        said = await self._keeper.keep_in_haste(self._draft(held), HASTE_SECONDS)
        if said.startswith("draft not saved"):
            _log.warning("%s: %s", self.code or "a new incident", said)

    def _draft(self, held: Mapping[str, str]) -> Draft:
        draft = composer.draft_of(self.door, self.summary, held, self.now())
        return replace(draft, incident_code=self.code, base_version=self._base_version)

    def action_back(self) -> None:
        """Go back at once; what was typed is kept, however long the database takes to answer."""
        if self._draft_timer is not None:
            self._draft_timer.stop()
        self._is_left = True
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
            self._form.show_problem(error)
            return
        if self._form.is_internal:
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
                composer.incident_input(written),
                delay_seconds=public,
                notify_delay_seconds=notify,
            )
        return await self.store.post_update(
            self.organization_id,
            self.code,
            composer.update_input(written, base_version),
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
