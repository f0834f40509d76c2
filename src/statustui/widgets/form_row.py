"""One field of a form: its label, the field, and a word about it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from statustui import palette
from statustui.presenters.line import Line
from statustui.widgets.lines import Lines


class FormRow(Horizontal):
    """Shows a field behind its label; the label says where the focus is.

    Args:
        label: the field's name.
        field: what is edited, or shown.
        lead: columns that the field starts before the column of values, for its tint.
    """

    DEFAULT_CSS = """
    FormRow { height: 1; width: 1fr; }
    FormRow > .form-label { height: 1; }
    FormRow > .form-hint { width: 1fr; height: 1; }
    """

    def __init__(
        self,
        label: str,
        field: Widget,
        *,
        lead: int = 0,
        field_width: int | None = None,
        id: str | None = None,  # noqa: A002  the toolkit's name
    ) -> None:
        super().__init__(id=id)
        self._label = label
        self._field = field
        self._lead = lead
        self._field_width = field_width
        self._label_lines = Lines(classes="form-label")
        self._hint_lines = Lines(classes="form-hint")

    def compose(self) -> ComposeResult:
        """The label, the field, the hint."""
        yield self._label_lines
        yield self._field
        if self._field_width is not None:
            yield self._hint_lines

    def lay_out(self, value_at: int, width: int | None = None) -> None:
        """Set the columns.

        Args:
            value_at: where values start; width: of the field, None takes the rest.
        """
        self._label_lines.styles.width = value_at - self._lead
        own = width if width is not None else self._field_width
        if own is not None:
            self._field.styles.width = own
        else:
            self._field.styles.width = "1fr"
        self.show_focus()

    def show_focus(self) -> None:
        """Say by the label whether the field has the focus."""
        if self._field.has_focus:
            line: Line = ((palette.CURSOR, "strong b"), (self._label, "strong b"))
        else:
            line = ((" ", "text"), (self._label, "muted"))
        self._label_lines.show((line,))

    def hint(self, line: Line) -> None:
        """Say something about the field, behind it."""
        self._hint_lines.show((line,))
