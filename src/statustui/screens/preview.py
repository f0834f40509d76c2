"""What a public post will look like, before anybody can read it; `p` posts it.

Keys are ignored for the first 400 ms: what was typed ahead into a slow line must not publish.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from statustui.domain.errors import Conflict, StaleState, StatustuiError
from statustui.domain.posting import PostReceipt
from statustui.domain.readmodels import Board, IncidentDetail, IncidentSummary, PageInfo
from statustui.domain.status import IncidentStatus
from statustui.presenters import clock, preview, preview_page
from statustui.presenters import incident as words
from statustui.presenters.composer import Written
from statustui.presenters.head import head_line, labelled, value_column
from statustui.presenters.line import Line, count_of, cut_line, width_of
from statustui.presenters.preview import PairedLine
from statustui.screens.base import BaseScreen, Choice
from statustui.widgets.footer_keys import FooterKeys, KeyHint
from statustui.widgets.lines import Lines
from statustui.widgets.scrolled_lines import ScrolledLines
from statustui.widgets.title_bar import TitleBar, title_line

if TYPE_CHECKING:
    from statustui.screens.composer import ComposerScreen

DEAF_SECONDS = 0.4
# From this width both halves stand side by side.
WIDE = 100


class PreviewScreen(BaseScreen[None]):
    """Shows the page now beside the page after, and what to look at before posting.

    Args:
        composer: where the text stands, and stays until it is posted.
        written: what would be posted.
    """

    TITLE_OF_KEYS = "Preview"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "post", "post", id="preview.post"),
        Binding("tab,shift+tab", "other_half", "the page now, or the page after",
                id="preview.half"),
        Binding("right_square_bracket", "other_page", "the next page", id="preview.page"),
        Binding("j,down", "move(1)", "down", id="preview.down"),
        Binding("k,up", "move(-1)", "up", id="preview.up"),
        Binding("ctrl+d,pagedown", "page(0.5)", "half a page down", id="preview.page_down"),
        Binding("ctrl+u,pageup", "page(-0.5)", "half a page up", id="preview.page_up"),
    ]  # fmt: skip

    def __init__(self, composer: ComposerScreen, written: Written) -> None:
        super().__init__()
        self._composer = composer
        self._written = written
        self._is_armed = False
        self._is_posting = False
        self._shows_after = True
        self._page_number = 0
        self._has_confirmed = False
        self._moved_on = ""

    @property
    def is_armed(self) -> bool:
        """Whether keys are heard by now."""
        return self._is_armed

    def compose(self) -> ComposeResult:
        """The head, the halves, the checklist, the keys."""
        yield Lines(id="preview-head")
        yield Lines(id="preview-titles")
        yield ScrolledLines(id="preview-page")
        yield TitleBar((("BEFORE YOU POST", "strong b"),), id="preview-title")
        yield Lines(id="preview-checklist")
        yield FooterKeys(id="footer")

    def on_mount(self) -> None:
        """Draw, and hear keys after a while."""
        self._draw()
        self.set_timer(DEAF_SECONDS, self._arm)

    def _arm(self) -> None:
        self._is_armed = True
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key does anything yet, or while the post is on its way."""
        return self._is_armed and not self._is_posting

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw()

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """The page may be another one meanwhile."""
        self._draw()

    def on_screen_resume(self) -> None:
        """Draw what is known."""
        self._draw()

    def tick(self, now: datetime) -> None:
        """Move the clock, and how long ago the checks looked."""
        if self.is_drawable:
            self._draw_head(now)
            self._draw_checklist(now)

    # Drawing

    @property
    def _summary(self) -> IncidentSummary | None:
        return self._composer.summary

    def hints(self) -> Sequence[KeyHint]:
        """`p` posts; nothing else is bold."""
        board = self.board
        if board is None:
            return (KeyHint("esc", "back to the text"),)
        number = len(self._pages(board))
        label = f"post to {count_of(number, 'page')}" if number else "post, no page shows it"
        hints = [KeyHint("p", label, is_chip=True), KeyHint("esc", "back to the text")]
        if self.size.width < WIDE:
            hints.append(KeyHint("tab", "page now" if self._shows_after else "page after"))
        if number > 1:
            hints.append(KeyHint("]", "next page"))
        return hints

    def always(self) -> Sequence[KeyHint]:
        """Only the keys."""
        return (KeyHint("?", "keys"),)

    def _pages(self, board: Board) -> tuple[PageInfo, ...]:
        summary = self._summary
        ids = (
            self._written.services
            if summary is None
            else tuple(each.id for each in summary.services)
        )
        return preview.concerned_pages(board, ids)

    def _draw(self) -> None:
        board = self.board
        if not self.is_drawable or board is None:
            return
        now = self.now()
        self.set_class(self.size.height < 30, "-short")
        self._draw_head(now)
        self._draw_page(board, now)
        self._draw_checklist(now)
        self.show_keys()

    def _draw_head(self, now: datetime) -> None:
        width = self.size.width
        code = self._composer.code
        left: Line = (
            (code, "strong b") if code is not None else ("new incident", "strong b"),
            ("  preview of the public update", "text"),
        )
        stale = self.dashboard.stale_seconds()
        first = head_line(left, now, self.zone, width, stale_seconds=stale)
        self.query_one("#preview-head", Lines).show((first,))

    def _draw_page(self, board: Board, now: datetime) -> None:
        width = self.size.width
        wide = width >= WIDE
        half = width // 2
        pages = self._pages(board) or board.pages[:1]
        if not pages:
            return
        page = pages[self._page_number % len(pages)]
        summary = self._summary
        code = summary.code if summary is not None else preview_page.NEW_CODE
        before = preview_page.page_now(board, page, self._composer.detail)
        after = preview_page.page_after(before, board, summary, self._written, now)
        room = (half if wide else width) - 5
        rows = preview.pair(
            preview.page_lines(before, code, now, room),
            preview.page_lines(after, code, now, room),
        )
        named = f"  {page.name}" if len(board.pages) > 1 else ""
        read = clock.clock_seconds(board.read_at, self.zone)
        now_title: Line = ((f"PAGE NOW{named}", "strong b"), (f"  as of {read}", "muted"))
        after_title: Line = ((f"PAGE AFTER{named}", "strong b"), ("  + added   - gone", "muted"))
        titles = self.query_one("#preview-titles", Lines)
        shown = self.query_one("#preview-page", ScrolledLines)
        if wide:
            title = _beside(((" ", "text"), *now_title), ((" ", "text"), *after_title), half + 2)
            titles.show((_on_panel(title, width),))
            shown.show_all([_pair_line(row, width, half) for row in rows])
            return
        chosen = after_title if self._shows_after else now_title
        titles.show((title_line(chosen, (("tab: the other", "muted"),), width),))
        shown.show_all([_half_line(row, width, after=self._shows_after) for row in rows])

    def _draw_checklist(self, now: datetime) -> None:
        board = self.board
        if board is None or not self.is_drawable:
            return
        width, at = self.size.width, value_column(self.size.width)
        found = preview.checklist(
            board,
            self._summary,
            self._written,
            now=now,
            zone=self.zone,
            public_delay_seconds=self.dashboard.settings.public_delay_seconds,
        )
        if self._moved_on:
            found = (("changed", ((self._moved_on, "strong b"),)), *found)
        lines = [cut_line(labelled(label, value, at), width) for label, value in found]
        checklist = self.query_one("#preview-checklist", Lines)
        checklist.styles.height = len(lines)
        checklist.show(lines)

    # Doing

    def action_other_half(self) -> None:
        """Show the other half, where only one fits."""
        self._shows_after = not self._shows_after
        self._draw()

    def action_other_page(self) -> None:
        """Show another page that this concerns."""
        self._page_number += 1
        self._draw()

    def action_move(self, by: int) -> None:
        """Move the halves by lines."""
        self.query_one("#preview-page", ScrolledLines).move(by)

    def action_page(self, pages: float) -> None:
        """Move the halves by pages."""
        self.query_one("#preview-page", ScrolledLines).move_page(pages)

    def action_post(self) -> None:
        """Post; asks once when it resolves what still fails."""
        board, summary = self.board, self._summary
        if board is None or not self.may_write() or self.is_asking:
            return
        if (
            self._written.status is IncidentStatus.RESOLVED
            and summary is not None
            and not self._has_confirmed
        ):
            _, failing = words.still_failing(summary, board.services, self.now())
            if failing:
                # What fails is said in the checklist, right above.
                question = "checks still fail: resolve all the same?"
                self.ask(question, [Choice("y", "resolve", self._confirm)])
                return
        self._post()

    def _confirm(self) -> None:
        self._has_confirmed = True
        self._post()

    def _post(self) -> None:
        self._is_posting = True
        self.say("posting")
        self.attempt(
            self._composer.send(self._written, self._composer.base_version),
            self._posted,
            self._refused,
        )

    def _posted(self, receipt: PostReceipt) -> None:
        # How long it still waits stands in the first line, which counts; a figure here would not.
        waits = "it waits: U takes it back, p makes it public now"
        said = waits if receipt.is_waiting else "public now"
        self._composer.posted(receipt, said)

    def _refused(self, error: StatustuiError) -> bool:
        self._is_posting = False
        code = self._composer.code
        if isinstance(error, StaleState) and code is not None:
            self.attempt(
                self.store.load_incident(self.organization_id, code),
                lambda detail: self._show_change(error, detail),
            )
            return True
        if isinstance(error, Conflict):
            self.dashboard.reload()
        return False

    def _show_change(self, error: StaleState, detail: IncidentDetail) -> None:
        """The incident moved on: show it as it is now, say how, and ask."""
        self._composer.has_seen(detail)
        self._moved_on = error.message
        self.dashboard.reload()
        self._draw()
        self.ask("it has moved on: post all the same?", [Choice("y", "post", self._post)])


def _beside(left: Line, right: Line, column: int) -> Line:
    shown = cut_line(left, column - 1)
    return (*shown, (" " * (column - width_of(shown)), "text"), *right)


def _on_panel(line: Line, width: int) -> Line:
    gap = max(0, width - width_of(line))
    tinted = [(text, f"{key} on:panel") for text, key in line]
    return (*tinted, (" " * gap, "faint on:panel dash"))


def _pair_line(row: PairedLine, width: int, half: int) -> Line:
    gone = row.mark in ("-", "~") and row.before is not None
    new = row.mark in ("+", "~") and row.after is not None
    left: Line = (("-" if gone else " ", "muted"), *(row.before or ()))
    right = row.after or ()
    mark = ("+" if new else " ", "strong b")
    space = width - half - 3
    body: Line = (mark, (" ", "text"), *cut_line(right, space))
    body = (*body, (" " * max(0, width - half - 1 - width_of(body)), "text"))
    body = ((" ", "text"), *body)
    if new:
        body = tuple((text, f"{key} on:panel") for text, key in body)
    return _beside_exact(left, body, half)


def _beside_exact(left: Line, right: Line, column: int) -> Line:
    shown = cut_line(left, column)
    return (*shown, (" " * (column - width_of(shown)), "text"), *right)


def _half_line(row: PairedLine, width: int, *, after: bool) -> Line:
    if after:
        new = row.mark in ("+", "~") and row.after is not None
        line: Line = (("+" if new else " ", "strong b"), (" ", "text"), *(row.after or ()))
    else:
        gone = row.mark in ("-", "~") and row.before is not None
        new = False
        line = (("-" if gone else " ", "muted"), (" ", "text"), *(row.before or ()))
    line = cut_line(line, width)
    if not new:
        return line
    gap = " " * max(0, width - width_of(line))
    return tuple((text, f"{key} on:panel") for text, key in (*line, (gap, "text")))
