"""Draws response times over time; only a screen that shows a chart imports this module.

The drawing library prints for a terminal of its own; its characters and the numbers of its
colours are read back here, so that the chart is painted in the palette like everything else.
"""

from __future__ import annotations

import re
from datetime import tzinfo

from textual import events
from textual_plotext.plot import Plot

from statustui.presenters import latency
from statustui.presenters.latency import Chart
from statustui.presenters.line import Line, Part
from statustui.widgets.lines import Lines

# The number that stands for each series in the library's output, its sign and its style.
SERIES = {"p50": (1, "∙", "muted"), "p95": (2, "+", "strong b"), "p99": (3, "*", "faint")}
_FAILURE = 4
_STYLES = {str(number): style for number, _, style in SERIES.values()} | {str(_FAILURE): "strong b"}
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_LABEL_WIDTH = 10


class LatencyChart(Lines):
    """A chart of p50, p95 and p99; it is drawn anew for other values or another size only."""

    DEFAULT_CSS = "LatencyChart { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the toolkit's name
        super().__init__(id=id)
        self._chart: Chart | None = None
        self._zone: tzinfo | None = None

    @property
    def plot_columns(self) -> int:
        """How many columns the lines may take."""
        return max(10, self.size.width - _LABEL_WIDTH)

    def plot(self, chart: Chart, zone: tzinfo) -> None:
        """Draw other values."""
        if chart == self._chart and zone == self._zone:
            return
        self._chart, self._zone = chart, zone
        self._build()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._build()
        self.refresh()

    def _build(self) -> None:
        chart, zone = self._chart, self._zone
        width, height = self.size.width, self.size.height
        if chart is None or zone is None or width < 20 or height < 4:
            self.show(())
            return
        if chart.highest_ms is None and not chart.failures:
            self.show((((" ", "text"), ("nothing was looked at in this time", "muted")),))
            return
        plot = Plot()
        plot.theme("clear")
        plot.frame(False)
        plot.plotsize(width - 1, height)
        # Else it draws no larger than the terminal it finds; its own widget does the same.
        plot._set_size(width - 1, height)  # noqa: SLF001
        # The p50 are the most and move the least: what stands out from them is drawn over them.
        for series in chart.series:
            number, sign, _ = SERIES[series.name]
            for piece in series.pieces:
                hours = [position for position, _ in piece]
                values = [value for _, value in piece]
                plot.plot(hours, values, marker=sign, color=number)
        if chart.failures:
            plot.scatter(
                list(chart.failures), [0.0] * len(chart.failures), marker="x", color=_FAILURE
            )
        ticks = latency.value_ticks(chart.highest_ms or 1.0, max(2, height // 4))
        plot.ylim(0, ticks[-1])
        plot.yticks(list(ticks), [f"{tick:,.0f} ms ".rjust(_LABEL_WIDTH - 1) for tick in ticks])
        hours_shown = (chart.end - chart.start).total_seconds() / 3600
        plot.xlim(0, hours_shown)
        labels = latency.time_ticks(chart, zone, width // 14)
        plot.xticks([position for position, _ in labels], [text for _, text in labels])
        self.show(read_back(str(plot.build())))


def read_back(printed: str) -> tuple[Line, ...]:
    """What the library printed, as lines in the palette's styles."""
    return tuple(_line(row) for row in printed.rstrip("\n").split("\n"))


def _line(row: str) -> Line:
    parts: list[Part] = [(" ", "text")]
    style = "muted"
    position = 0
    for escape in _ESCAPE.finditer(row):
        if escape.start() > position:
            parts.append((row[position : escape.start()], style))
        number = escape[1].removeprefix("38;5;")
        style = _STYLES.get(number, "muted")
        position = escape.end()
    if position < len(row):
        parts.append((row[position:], style))
    return tuple(parts)
