"""The fields of the composer: what each holds, which has the focus, what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import TextArea

from statustui.domain.errors import ValidationFailed
from statustui.presenters import composer
from statustui.presenters.composer import LABELS, Door, Field
from statustui.presenters.line import Line, cut_line
from statustui.widgets.choice_line import ChoiceLine
from statustui.widgets.field_input import FieldInput
from statustui.widgets.form_row import FormRow
from statustui.widgets.line_input import LineInput
from statustui.widgets.lines import Lines
from statustui.widgets.message_area import MessageArea

TEXT_WIDTH = 68
NEXT_BY_WIDTH = 7


class ComposerForm(Vertical):
    """Shows the fields of one door, and tells when one of them holds something else.

    Args:
        door: which fields there are.
        complete: completes the last of several names of services, None when nothing fits.
    """

    DEFAULT_CSS = """
    ComposerForm {
        width: 1fr;
        height: 1fr;
        & > Lines { height: 1; }
        & > .composer-text { height: 4; margin: 1 0; }
    }
    """

    class Changed(Message):
        """A field holds something else."""

    class Left(Message):
        """Escape was pressed in a field."""

    def __init__(
        self,
        door: Door,
        complete: Callable[[str], str | None],
        *,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._door = door
        self._complete = complete
        self._rows: dict[Field, FormRow] = {}
        self._inputs: dict[Field, Widget] = {}
        self._affected = Lines()
        self._problem = Lines()
        self._value_at = 0

    def compose(self) -> ComposeResult:
        """One row for each field."""
        own = composer.FIELDS[self._door]
        if Field.STATUS in own:
            yield self._row(Field.STATUS, ChoiceLine([stage.value for stage in composer.STAGES]))
            yield self._affected
        if Field.IMPACT in own:
            impacts = [impact.value for impact in composer.IMPACTS]
            yield self._row(Field.IMPACT, ChoiceLine(impacts))
            yield self._row(Field.AUDIENCE, ChoiceLine(composer.AUDIENCES))
        if Field.AFFECTED in own:
            yield self._row(Field.AFFECTED, FieldInput(complete=self._complete))
        if Field.TITLE in own:
            yield self._row(Field.TITLE, FieldInput())
        yield self._row(Field.TEXT, MessageArea(is_internal=self._door is Door.NOTE))
        if Field.NEXT_BY in own:
            yield self._row(Field.NEXT_BY, FieldInput(), field_width=NEXT_BY_WIDTH)
        yield self._problem

    def _row(self, field: Field, widget: Widget, field_width: int | None = None) -> FormRow:
        tinted = isinstance(widget, ChoiceLine | MessageArea)
        row = FormRow(LABELS[field], widget, lead=1 if tinted else 0, field_width=field_width)
        row.add_class(f"composer-{field.value.replace('_', '-')}")
        self._inputs[field] = widget
        self._rows[field] = row
        return row

    # What the fields hold

    @property
    def held(self) -> dict[str, str]:
        """What all fields hold, by name."""
        return {field.value: _value_of(widget) for field, widget in self._inputs.items()}

    @property
    def is_internal(self) -> bool:
        """Whether only members will read it."""
        if self._door is Door.NEW:
            return self.value(Field.AUDIENCE) == composer.AUDIENCES[1]
        return self._door is Door.NOTE

    def value(self, field: Field) -> str:
        """What a field holds, an empty text when this door has no such field."""
        widget = self._inputs.get(field)
        return "" if widget is None else _value_of(widget)

    def fill(self, values: Mapping[str, str]) -> None:
        """Put these values into the fields that they name."""
        for field, widget in self._inputs.items():
            if field in values:
                _set_value(widget, values[field])

    # How they look

    def lay_out(self, value_at: int, room: int, text_rows: int) -> None:
        """Set columns and rows.

        Args:
            value_at: where values start; room: columns that the form has.
            text_rows: height of the text.
        """
        self._value_at = value_at
        for field, row in self._rows.items():
            if field is Field.TEXT:
                row.styles.height = text_rows
                row.lay_out(value_at, min(TEXT_WIDTH, room - value_at))
            else:
                row.lay_out(value_at)

    def show_internal(self) -> None:
        """Colour the text by who will read it."""
        self._inputs[Field.TEXT].set_class(self.is_internal, "-internal")

    def show_affected(self, line: Line) -> None:
        """Say what the incident affects."""
        self._affected.show((cut_line(line, self.size.width),))

    def show_promise(self, line: Line) -> None:
        """Say what the promised time means."""
        row = self._rows.get(Field.NEXT_BY)
        if row is not None:
            row.hint(line)

    def show_problem(self, error: ValidationFailed | None) -> None:
        """Say what is wrong, and put the focus where it is wrong; None takes it away."""
        if error is None:
            self._problem.show(())
            return
        self._problem.show((((" " * self._value_at, "text"), (error.message, "degraded b")),))
        path = error.problems[0].path if error.problems else ()
        wrong = next((each for each in self._inputs if path and each == path[0]), None)
        if wrong is not None:
            self._inputs[wrong].focus()

    def focus_text(self) -> None:
        """Put the focus into the text."""
        self._inputs[Field.TEXT].focus()

    # What happens in them

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Tell that the text is another one."""
        self._tell(message)

    def on_line_input_changed(self, message: LineInput.Changed) -> None:
        """Tell that a line is another one."""
        self._tell(message)

    def on_choice_line_changed(self, message: ChoiceLine.Changed) -> None:
        """Tell that something else was chosen."""
        self._tell(message)

    def on_line_input_submitted(self, message: LineInput.Submitted) -> None:
        """Go on to the next field."""
        message.stop()
        self.screen.focus_next()

    def on_line_input_cancelled(self, message: LineInput.Cancelled) -> None:
        """Leave."""
        message.stop()
        self.post_message(self.Left())

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Say by the labels where the focus is."""
        self._show_focus()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """Say by the labels where the focus is."""
        self._show_focus()

    def _show_focus(self) -> None:
        for row in self._rows.values():
            row.show_focus()

    def _tell(self, message: Message) -> None:
        message.stop()
        self.post_message(self.Changed())


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
