"""The one map from a status to its glyph, word and colour, and the colours of every palette.

Terminal, page and command line all take their signs and words from here, so that a status looks
and reads the same wherever it is met. A status is always a glyph, a word and a colour: whoever
cannot see one of them has the others.

Styles are named by strings, so that what is to be painted stays plain data: a token of the table
below, then flags ("muted", "outage b", "strong b on:sel"). Every colour is an entry of the 256
colour table, so that a terminal with 256 colours shows what one with millions does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from statustui.domain.status import CheckStatus, MaintenanceStatus, MonitorState, ServiceStatus


@dataclass(frozen=True, slots=True)
class Look:
    """How one state is shown.

    Attributes:
        glyph: one column wide in every terminal, never an emoji; ascii: its twin.
        word: at most eight letters; token: the colour's name.
        sentence: what the public reads for it.
    """

    glyph: str
    ascii: str
    word: str
    token: str
    sentence: str


OUTAGE = Look("✗", "x", "outage", "outage", "Major outage")
PARTIAL = Look("✗", "x", "partial", "outage", "Partial outage")
DEGRADED = Look("▴", "!", "degraded", "degraded", "Degraded performance")
FLAPPING = Look("~", "~", "flapping", "degraded", "Degraded performance")
MAINTENANCE = Look("◊", "m", "maint", "maint", "Under maintenance")
UNKNOWN = Look("?", "?", "unknown", "unknown", "Unknown")
UP = Look("∙", ".", "up", "up", "Operational")
PAUSED = Look("=", "=", "paused", "muted", "Paused")

LOOKS: tuple[Look, ...] = (
    OUTAGE,
    PARTIAL,
    DEGRADED,
    FLAPPING,
    MAINTENANCE,
    UNKNOWN,
    UP,
    PAUSED,
)
"""All states, worst first."""

_LOOK_OF: Mapping[str, Look] = {
    ServiceStatus.MAJOR_OUTAGE: OUTAGE,
    ServiceStatus.PARTIAL_OUTAGE: PARTIAL,
    ServiceStatus.DEGRADED_PERFORMANCE: DEGRADED,
    ServiceStatus.UNDER_MAINTENANCE: MAINTENANCE,
    ServiceStatus.OPERATIONAL: UP,
    MonitorState.DOWN: OUTAGE,
    MonitorState.FLAPPING: FLAPPING,
    MonitorState.DEGRADED: DEGRADED,
    MonitorState.UNKNOWN: UNKNOWN,
    MonitorState.UP: UP,
    MonitorState.PAUSED: PAUSED,
    CheckStatus.SUCCESS: UP,
    CheckStatus.FAILURE: OUTAGE,
    CheckStatus.TIMEOUT: OUTAGE,
    MaintenanceStatus.IN_PROGRESS: MAINTENANCE,
    MaintenanceStatus.SCHEDULED: MAINTENANCE,
    **{look.word: look for look in LOOKS},
}

MARK = "|"
"""A mark (a deployment, an edit) in a strip or a timeline."""
CURSOR = "›"
SELECTED_MARK = "*"
MAINTENANCE_CELL = "░"
FAILURE_CELL = "x"
UNKNOWN_CELL = "?"
HEIGHTS = "▁▂▃▄▅▆▇"
"""Cells of the strip of the last hour, the fastest first."""

_ASCII = str.maketrans(
    {
        **{look.glyph: look.ascii for look in LOOKS},
        **dict(zip(HEIGHTS, "__.--==", strict=True)),
        CURSOR: ">",
        MAINTENANCE_CELL: "m",
        "…": "~",
        "▄": "-",
        "█": "#",
        "–": "-",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)


def look_of(state: str) -> Look:
    """How a status, a monitor's state, a check's outcome or a state's word is shown.

    Raises:
        KeyError: nothing is known of such a state.
    """
    return _LOOK_OF[state]


def glyph_of(state: str) -> str:
    """The glyph of a state."""
    return _LOOK_OF[state].glyph


def word_of(state: str) -> str:
    """The word of a state, at most eight letters."""
    return _LOOK_OF[state].word


def token_of(state: str) -> str:
    """The colour's name of a state."""
    return _LOOK_OF[state].token


def sentence_of(state: str) -> str:
    """What the public reads for a state."""
    return _LOOK_OF[state].sentence


def to_ascii(text: str) -> str:
    """A text with the program's own glyphs replaced by their twins; other texts are untouched."""
    return text.translate(_ASCII)


@dataclass(frozen=True, slots=True)
class Paint:
    """How a piece of text is painted.

    Attributes:
        color, background: a number of the 256 colour table, the name of one of the 16 colours,
            or None for the terminal's own.
    """

    color: int | str | None
    background: int | str | None
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False


@dataclass(frozen=True, slots=True)
class Palette:
    """One set of colours.

    Attributes:
        name: as in the setting; is_dark: whether its ground is dark.
        has_tints: whether a row can be set apart by a slightly different ground; where it
            cannot, the selected row is reversed and dim dashes fill title bars.
        colors: by token, a number of the 256 colour table or a name of the 16 colours.
    """

    name: str
    is_dark: bool
    has_tints: bool
    colors: Mapping[str, int | str]


DARK = Palette(
    "dark",
    is_dark=True,
    has_tints=True,
    colors={
        "bg": 233,
        "panel": 234,
        "sel": 235,
        "text": 252,
        "strong": 231,
        "muted": 247,
        "faint": 243,
        "outage": 203,
        "degraded": 221,
        "maint": 75,
        "unknown": 140,
        "up": 72,
        "internal": 73,
        "alarmfg": 231,
        "alarm": 160,
        "chipfg": 233,
        "chip": 252,
    },
)
LIGHT = Palette(
    "light",
    is_dark=False,
    has_tints=True,
    colors={
        "bg": 231,
        "panel": 255,
        "sel": 230,
        "text": 235,
        "strong": 16,
        "muted": 240,
        "faint": 244,
        "outage": 124,
        "degraded": 130,
        "maint": 25,
        "unknown": 60,
        "up": 23,
        "internal": 55,
        "alarmfg": 231,
        "alarm": 160,
        "chipfg": 231,
        "chip": 236,
    },
)
ANSI = Palette(
    "ansi",
    is_dark=True,
    has_tints=False,
    colors={
        "outage": "bright_red",
        "degraded": "yellow",
        "maint": "bright_blue",
        "unknown": "magenta",
        "up": "green",
        "internal": "cyan",
        "alarm": "bright_red",
    },
)
MONO = Palette("mono", is_dark=True, has_tints=False, colors={})

PALETTES: Mapping[str, Palette] = {each.name: each for each in (DARK, LIGHT, ANSI, MONO)}

HEX: Mapping[int, str] = {
    16: "#000000",
    23: "#005f5f",
    25: "#005faf",
    55: "#5f00af",
    60: "#5f5f87",
    72: "#5faf87",
    73: "#5fafaf",
    75: "#5fafff",
    124: "#af0000",
    130: "#af5f00",
    140: "#af87d7",
    160: "#d70000",
    203: "#ff5f5f",
    221: "#ffd75f",
    230: "#ffffd7",
    231: "#ffffff",
    233: "#121212",
    234: "#1c1c1c",
    235: "#262626",
    236: "#303030",
    240: "#585858",
    243: "#767676",
    244: "#808080",
    247: "#9e9e9e",
    252: "#d0d0d0",
    255: "#eeeeee",
}
"""The entries of the 256 colour table that are used, for whatever wants them as hex."""

TOKENS: tuple[str, ...] = tuple(DARK.colors)
_FLAGS = {"b": "bold", "d": "dim", "r": "reverse", "u": "underline"}
_ALIASES = {"chipbg": "alarm", "pubfg": "chipfg", "pubbg": "chip"}


@lru_cache(maxsize=4096)
def paint(key: str, palette: str) -> Paint:
    """What a style's name means in a palette.

    Args:
        key: a token, then flags: `b` bold, `d` dim, `r` reverse, `u` underlined, `on:token` the
            ground. `dash` is for whoever fills title bars and means nothing here.
        palette: name of the palette.

    Raises:
        KeyError: a token or flag that does not exist: a style that is misspelt must be seen.
    """
    chosen = PALETTES[palette]
    token, ground = "text", "bg"
    flags: dict[str, bool] = {}
    for part in key.split():
        if part in _FLAGS:
            flags[_FLAGS[part]] = True
        elif part.startswith("on:"):
            ground = _token(part[3:])
        elif part != "dash":
            token = _token(part)
    if chosen.has_tints:
        return Paint(chosen.colors[token], chosen.colors[ground], **flags)
    if ground == "sel":
        flags["reverse"] = True
    if ground in ("alarm", "chip"):
        flags["reverse"] = flags["bold"] = True
    if token in ("muted", "faint") and ground != "sel":
        flags["dim"] = True
    if token == "strong":
        flags["bold"] = True
    color = chosen.colors.get("alarm" if ground == "alarm" else token)
    return Paint(color, None, **flags)


def _token(name: str) -> str:
    name = _ALIASES.get(name, name)
    if name not in DARK.colors:
        raise KeyError(f"the palettes have no colour named {name!r}")
    return name
