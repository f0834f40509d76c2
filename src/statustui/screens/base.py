"""What every screen of the dashboard has: the board, the store, the clock, keys and a last line.

A screen never shows what it hopes happened. It calls one method of the store, and shows what comes
back when the change has been announced. Letters are bound on screens and never on the application,
so that a text field can have them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar, cast
from uuid import UUID

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer

from statustui.domain.errors import Conflict, DatabaseUnavailable, Forbidden, StatustuiError
from statustui.domain.readmodels import Board, ServiceFigures
from statustui.domain.status import Role
from statustui.presenters.line import Line
from statustui.widgets.footer_keys import FILTER, KEYS, FooterKeys, KeyHint
from statustui.widgets.painting import Painter

if TYPE_CHECKING:
    from statustui.settings import TerminalFacts, TerminalSettings
    from statustui.store.operator import OperatorStore

T = TypeVar("T")
R = TypeVar("R")

MESSAGE_SECONDS = 6.0


class Dashboard(Protocol):
    """What the application offers to its screens.

    Attributes:
        board: what the database answered last; None until the first answer.
        figures: the slower figures by service, empty until they are loaded.
        read_only: whether nothing may be changed from here.
        zone: the one time zone of all screens.
        data_dir: where drafts are kept while the database is away.
    """

    store: OperatorStore
    organization_id: int
    board: Board | None
    figures: dict[UUID, ServiceFigures]
    painter: Painter
    settings: TerminalSettings
    facts: TerminalFacts
    data_dir: Path
    read_only: bool
    zone: tzinfo

    def now(self) -> datetime:
        """The present moment on the database's clock."""

    def stale_seconds(self) -> int | None:
        """How old what is shown may be, None while the database answers."""

    def reload(self) -> None:
        """Load the board again, soon."""

    def lost(self, error: DatabaseUnavailable) -> None:
        """A screen found the database away."""

    def leave(self) -> None:
        """End the dashboard, asking first where there is something to ask."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a question in the last line: its key, its words, and what it does."""

    key: str
    label: str
    do: Callable[[], None]


class BaseScreen(Screen[R]):
    """The base of all screens.

    Subclasses compose their widgets and end with `FooterKeys(id="footer")`, and override
    `hints`, `refresh_for` and `tick` as they need.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back", id="back"),
        Binding("question_mark,f1", "keys", "the keys of here, then of everywhere", id="keys"),
        Binding("ctrl+p,colon", "palette", "palette: every action, service, monitor and incident",
                id="palette"),
        Binding("1", "open_services", "services", id="services"),
        Binding("2", "open_incidents", "incidents", id="incidents"),
        Binding("3", "open_monitors", "monitors", id="monitors"),
        Binding("ctrl+r", "reload", "load everything again", id="reload"),
        Binding("ctrl+z", "suspend", "suspend; fg continues", id="suspend"),
    ]  # fmt: skip

    TITLE_OF_KEYS = "Keys"

    # Keys come to the screen itself; only text fields take the focus, when they are opened.
    AUTO_FOCUS: ClassVar[str | None] = ""

    def __init__(self) -> None:
        super().__init__()
        self._question: tuple[Choice, ...] = ()
        self._message_timer: Timer | None = None

    # What the application offers

    @property
    def dashboard(self) -> Dashboard:
        """The application, as screens know it."""
        return cast(Dashboard, self.app)

    @property
    def store(self) -> OperatorStore:
        """Where everything is read and written."""
        return self.dashboard.store

    @property
    def organization_id(self) -> int:
        """The organization that is shown."""
        return self.dashboard.organization_id

    @property
    def board(self) -> Board | None:
        """What the database answered last; None until the first answer."""
        return self.dashboard.board

    @property
    def zone(self) -> tzinfo:
        """The time zone of everything on the screen."""
        return self.dashboard.zone

    def now(self) -> datetime:
        """The present moment on the database's clock."""
        return self.dashboard.now()

    def strips(self) -> list[Strip]:
        """What is on the screen at this moment, line by line."""
        return self._compositor.render_strips()

    @property
    def is_drawable(self) -> bool:
        """Whether its widgets are there to be drawn on: not yet while it is built, no more while
        it goes, although answers of the store may still arrive."""
        return self.is_mounted and self.is_running and self.size.width > 0

    # What screens override

    def hints(self) -> Sequence[KeyHint]:
        """The keys that apply here and now, most wanted first."""
        return (KeyHint("esc", "back"),)

    def always(self) -> Sequence[KeyHint]:
        """The keys that stand at the right and never go."""
        return (FILTER, KEYS)

    def refresh_for(self, kinds: frozenset[str] | None) -> None:
        """Something changed; called on the screen in front, after the board was loaded again.

        Args:
            kinds: what changed ("incidents", "services", "monitors", "checks", "configuration",
                "maintenance", "marks", "drafts", …), None when it may be everything.
        """

    def tick(self, now: datetime) -> None:
        """A second has passed; called on the screen in front. Only clocks may change here."""

    # The last line

    def action_words(self, action: str, words: str) -> str | None:
        """What an action is called here and now, for the palette; None when it does not apply.

        Args:
            action: as bound; words: what the binding says; what follows ";" is shown as a detail.
        """
        return words

    def show_keys(self) -> None:
        """Show the keys that apply now in the last line."""
        for footer in self.query(FooterKeys):
            footer.show(self.hints(), self.always())

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Say in the last line, for a few seconds, what has just happened here."""
        self._say(((text, "strong b" if is_error else "text"),))

    def complain(self, error: StatustuiError) -> None:
        """Say in the last line what went wrong and what to do about it."""
        advice = f"; {error.advice.splitlines()[0]}" if error.advice else ""
        self.say(f"{error.message}{advice}", is_error=True)

    def _say(self, line: Line, seconds: float | None = MESSAGE_SECONDS) -> None:
        if self._message_timer is not None:
            self._message_timer.stop()
            self._message_timer = None
        for footer in self.query(FooterKeys):
            footer.say(line)
        if line and seconds is not None:
            self._message_timer = self.set_timer(seconds, self._quiet)

    def _quiet(self) -> None:
        self._say(())

    def ask(self, question: str, choices: Sequence[Choice], *, no: str = "no") -> None:
        """Ask in the last line; the next of the choices' keys answers, `esc` or `q` drops it.

        Args:
            question: short, so that the choices fit beside it on 80 columns.
            choices: the answers; no: what `esc` means.
        """
        self._question = tuple(choices)
        parts: list[tuple[str, str]] = [(question, "strong b")]
        for choice in choices:
            parts += [("   ", "text"), (choice.key, "strong b"), (f" {choice.label}", "muted")]
        parts += [("   ", "text"), ("esc", "strong b"), (f" {no}", "muted")]
        self._say(tuple(parts), seconds=None)

    @property
    def is_asking(self) -> bool:
        """Whether a question waits for its answer."""
        return bool(self._question)

    def typed_ahead(self, event: events.Key) -> None:
        """A key that was pressed before this screen was in front; it was meant for it.

        Screens with a text field take it as text. Here it is dropped: it must never be taken for
        a command of the screen before.
        """

    def on_key(self, event: events.Key) -> None:
        """Answer the question in the last line; keep what is typed ahead from being commands."""
        if self.app.screen is not self:
            # The toolkit chose this screen before the key in front of this one had its effect.
            event.stop()
            event.prevent_default()
            if isinstance(self.app.screen, BaseScreen):
                self.app.screen.typed_ahead(event)
            return
        if event.key in ("colon", "ctrl+p") and not self._question:
            # At once, and not when the toolkit looks bindings up, so that the next key finds it.
            event.stop()
            event.prevent_default()
            self.action_palette()
            return
        if not self._question:
            return
        event.stop()
        event.prevent_default()
        chosen = next((each for each in self._question if each.key == _readable(event)), None)
        if chosen is None and event.key not in ("escape", "q"):
            return
        self._question = ()
        self._quiet()
        if chosen is not None:
            chosen.do()

    def on_screen_resume(self) -> None:
        """Catch up with what changed while another screen was in front."""
        if self.is_mounted and self.board is not None:
            self.refresh_for(None)
            self.show_keys()

    # Doing

    def attempt(
        self,
        action: Awaitable[T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[StatustuiError], bool] | None = None,
    ) -> None:
        """Call the store in the background, and say what went wrong if something did.

        Args:
            action: the call.
            done: told the answer.
            failed: told the error first; True when nothing more is to be said.
        """

        async def call() -> None:
            try:
                answer = await action
            except StatustuiError as error:
                if isinstance(error, DatabaseUnavailable):
                    self.dashboard.lost(error)
                if failed is None or not failed(error):
                    self.complain(error)
            else:
                if done is not None:
                    done(answer)

        self.run_worker(call(), exit_on_error=True)

    def may_write(self) -> bool:
        """Whether this operator may change something here; says who may when not."""
        board = self.board
        if self.dashboard.read_only:
            self.say("read only: started with --read-only, nothing can be changed from here")
            return False
        if board is not None and not board.organization.role.at_least(Role.MEMBER):
            self.say(f"viewers of {board.organization.name} only read; members may do this")
            return False
        return True

    @property
    def can_write(self) -> bool:
        """Whether keys that change something are shown."""
        board = self.board
        return not self.dashboard.read_only and (
            board is None or board.organization.role.at_least(Role.MEMBER)
        )

    def is_known(self, error: StatustuiError) -> bool:
        """Whether an error is one that a person can put right here."""
        return isinstance(error, Forbidden | Conflict)

    # Going elsewhere

    def action_back(self) -> None:
        """Go back to the screen before."""
        if len(self.app.screen_stack) > 1 and self.app.screen is self:
            self.app.pop_screen()

    def action_keys(self) -> None:
        """Show the keys."""
        from statustui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self))

    def action_palette(self) -> None:
        """Open the palette."""
        from statustui.screens.palette import PaletteScreen

        self.app.push_screen(PaletteScreen(self))

    def action_open_services(self) -> None:
        """Go to the first screen."""
        self._to_first()

    def action_open_incidents(self) -> None:
        """Go to the list of incidents."""
        from statustui.screens.incidents import IncidentsScreen

        if not isinstance(self, IncidentsScreen):
            self._to_first()
            self.app.push_screen(IncidentsScreen())

    def action_open_monitors(self) -> None:
        """Go to the list of monitors."""
        from statustui.screens.monitors import MonitorsScreen

        if not isinstance(self, MonitorsScreen):
            self._to_first()
            self.app.push_screen(MonitorsScreen())

    def open_incident(self, code: str) -> None:
        """Open an incident."""
        from statustui.screens.incident import IncidentScreen

        self.app.push_screen(IncidentScreen(code))

    def open_service(self, service_id: UUID) -> None:
        """Open a service."""
        from statustui.screens.service import ServiceScreen

        self.app.push_screen(ServiceScreen(service_id))

    def open_composer(
        self,
        code: str | None,
        *,
        is_public: bool = True,
        resolves: bool = False,
        service_names: Sequence[str] = (),
    ) -> None:
        """Open the composer.

        Args:
            code: the incident, None for a new one.
            is_public: whether everyone will read the text; else it is an internal note.
            resolves: whether the status is set to resolved.
            service_names: what a new incident is about.
        """
        from statustui.screens.composer import ComposerScreen

        if self.may_write():
            self.app.push_screen(
                ComposerScreen(
                    code, is_public=is_public, resolves=resolves, service_names=service_names
                )
            )

    def action_reload(self) -> None:
        """Load everything again."""
        self.dashboard.reload()
        self.say("loading everything again")

    def action_suspend(self) -> None:
        """Suspend the program, as shells do."""
        self.app.action_suspend_process()

    def _to_first(self) -> None:
        while len(self.app.screen_stack) > 1:
            self.app.pop_screen()


def _readable(event: events.Key) -> str:
    """The key as a question names it."""
    return event.character if event.is_printable and event.character else event.key
