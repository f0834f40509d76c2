"""Reads what a monitoring plugin prints: its text, and the figures behind the bar.

The convention: the first line is `TEXT | figures`; further lines are more text, until one holds
another bar, after which everything is figures. A figure is `label=value[unit];warn;crit;min;max`; a
label with spaces or an equals sign stands in single quotes, and a quote in it is doubled. Plugins
are careless with it, so what cannot be read is left out rather than refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from statustui.domain.text import clean, shorten

MOST_FIGURES = 100
_LONGEST_LABEL = 200

_FIGURE = re.compile(
    r"""\s*(?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s='][^\s=]*))=
        (?P<value>U|[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)
        (?P<unit>[^\s;\d]{0,10})
        (?P<rest>(?:;[^\s;]*){0,4});?(?=\s|$)""",
    re.VERBOSE,
)
_SKIPPED = re.compile(r"\s*(?:'(?:[^']|'')*'[^\s]*|[^\s]+)")


@dataclass(frozen=True, slots=True)
class PerfDatum:
    """One figure of a plugin.

    Attributes:
        value: None when the plugin says that it could not be found out ("U").
        unit: "s", "ms", "B", "%", "c", … or nothing.
        warn, crit: the ranges outside of which it is a warning, critical; as written.
        least, most: the bounds of its scale, None when not said.
    """

    label: str
    value: float | None
    unit: str = ""
    warn: str = ""
    crit: str = ""
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class PluginOutput:
    """What a plugin printed, harmless.

    Attributes:
        text: its first line without figures; more: the further lines.
    """

    text: str
    more: str
    perfdata: tuple[PerfDatum, ...]


def parse_output(printed: str) -> PluginOutput:
    """Takes a plugin's output apart.

    Args:
        printed: as it came, decoded.
    """
    first, _, rest = printed.replace("\r\n", "\n").partition("\n")
    text, _, figures = first.partition("|")
    more, bar, further = rest.partition("|")
    written = f"{figures} {further}" if bar else figures
    return PluginOutput(
        text=clean(text).strip(),
        more=clean(more, multiline=True).strip(),
        perfdata=parse_perfdata(written),
    )


def parse_perfdata(written: str) -> tuple[PerfDatum, ...]:
    """The figures that can be read, in their order, at most `MOST_FIGURES`."""
    found: list[PerfDatum] = []
    position = 0
    while position < len(written) and len(found) < MOST_FIGURES:
        match = _FIGURE.match(written, position)
        if match is None:
            skipped = _SKIPPED.match(written, position)
            if skipped is None:
                break
            position = skipped.end()
            continue
        position = match.end()
        found.append(_datum(match))
    return tuple(found)


def _datum(match: re.Match[str]) -> PerfDatum:
    quoted = match["quoted"]
    label = quoted.replace("''", "'") if quoted is not None else match["bare"]
    warn, crit, least, most = [*match["rest"].split(";")[1:], "", "", "", ""][:4]
    return PerfDatum(
        label=shorten(clean(label), _LONGEST_LABEL),
        value=None if match["value"] == "U" else _number(match["value"]),
        unit=clean(match["unit"]),
        warn=shorten(clean(warn), 60),
        crit=shorten(clean(crit), 60),
        least=_number(least),
        most=_number(most),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    # JSON knows no infinity, and neither does a chart.
    return value if abs(value) < 1e300 else None
