"""Makes text that came from outside harmless, and reads and writes small things inside text.

Everything an operator saves and everything a target answers passes through `clean` once, on the
way in. What is stored is then safe to show in a terminal, on a page and in a log: it cannot move a
cursor, recolour a line, reverse the direction of reading or end a log record. Markup is *not*
touched here: `<b>` is five honest characters, and whoever renders HTML escapes it.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from datetime import timedelta

from statustui.domain.errors import ValidationFailed

# Whole escape sequences go, not only their first byte: "\x1b[31mred" reads "red", not "[31mred".
# CSI (ESC [ or 0x9B), then strings (OSC, DCS, SOS, PM, APC; ended by BEL or ST), then short ones.
# A string ends where another begins, so that no text is read through from each of its characters.
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
)
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")

# Invisible characters that change what is read: embedding, override and isolate controls of
# bidirectional text, zero-width spaces, byte order marks, annotations, tags, object replacement.
# ZWJ and ZWNJ stay: emoji and Persian need them. LRM and RLM go with the other controls.
_INVISIBLE = frozenset(
    {
        *(0x00AD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xFFFC),
        *range(0x202A, 0x202F),
        *range(0x2061, 0x2070),
        *range(0xFFF9, 0xFFFC),
        *range(0xE0000, 0xE0080),
    }
)

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNIT_MS: dict[str, int] = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
# Larger than any duration that means something here, small enough for every timedelta sum.
_LONGEST = timedelta(days=3_650)

_TRANSLITERATED = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d"}
)


def clean(text: str, multiline: bool = False) -> str:
    """Removes from a text what could harm a terminal, a page, a log or a reader.

    Gone are escape sequences, control characters, lone surrogates, noncharacters, and invisible
    characters that reorder or hide text. The rest is kept and brought to Unicode's composed form
    (NFC), so that two names which look alike compare equal.

    Args:
        text: anything.
        multiline: keep line ends (as "\\n") and inner spaces; tabs become four spaces and spaces
            at line ends go. Otherwise all white space becomes single spaces.

    Returns:
        The cleaned text, without white space at its ends. Cleaning it again changes nothing.
    """
    if text.isascii() and text.isprintable():
        # Most texts by far: nothing to remove, nothing to compose.
        return text.strip() if multiline else _SPACES.sub(" ", text).strip()
    text = _ESCAPE_SEQUENCE.sub("", text)
    text = _LINE_END.sub("\n", text).replace("\t", "    ")
    text = "".join(character for character in text if not _harmful(character))
    text = unicodedata.normalize("NFC", text)
    if not multiline:
        return _SPACES.sub(" ", text).strip()
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def _harmful(character: str) -> bool:
    if character == "\n":
        return False
    point = ord(character)
    if point < 0x20 or 0x7F <= point < 0xA0 or point in _INVISIBLE:
        return True
    # Surrogates (Cs) cannot be encoded; noncharacters are not text.
    return 0xD800 <= point <= 0xDFFF or 0xFDD0 <= point <= 0xFDEF or (point & 0xFFFE) == 0xFFFE


def shorten(text: str, limit: int) -> str:
    """Cuts a text to at most `limit` characters, the last being "…" when something was cut.

    Args:
        text: one line.
        limit: characters, at least 1.
    """
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "…"


def point_at(text: str, position: int, width: int = 72) -> str:
    """A part of a line and, below it, a caret at a position.

    Args:
        text: anything; what is not harmless to show becomes "·", so that columns stay columns.
        position: the character meant, from 0; the length of the text means its end.
        width: columns of the part that is shown.
    """
    start = max(0, position - width + 8) if len(text) > width else 0
    shown = "".join(
        each if each.isprintable() and not unicodedata.combining(each) else "·"
        for each in text[start : start + width]
    )
    before = "…" if start else ""
    after = "…" if start + width < len(text) else ""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in shown[: position - start])
    return f"{before}{shown}{after}\n{' ' * (len(before) + position - start + wide)}^"


def slugify(name: str, fallback: str = "organization") -> str:
    """Makes an address part from a name: lower case letters, digits, single hyphens, 3–100 long.

    Args:
        name: what people call it.
        fallback: used when the name has fewer than three usable characters; alone when it has
            none, else in front of what there is ("ab" gives "organization-ab").
    """
    lowered = name.casefold().translate(_TRANSLITERATED)
    plain = unicodedata.normalize("NFKD", lowered).encode("ascii", "ignore").decode("ascii")
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug:
        return fallback
    if len(slug) < 3:
        slug = f"{fallback}-{slug}"
    return slug[:100].strip("-")


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that somebody who typed `word` most likely meant, None when none is near.

    Upper and lower case, hyphens, underscores and spaces are taken as the same.
    """

    def plain(value: str) -> str:
        return re.sub(r"[-_\s]+", "_", value.casefold())

    by_plain: dict[str, str] = {}
    for candidate in candidates:
        by_plain.setdefault(plain(candidate), candidate)
    found = difflib.get_close_matches(plain(word), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def parse_duration(text: str) -> timedelta:
    """Reads a duration as people write it in the configuration: "800ms", "30s", "5m", "1h30m".

    Units are ms, s, m, h, d and w, largest first, each at most once; a fraction may stand
    before any unit ("1.5s"). The unit is never left out, because "timeout: 5" reads as
    milliseconds to one person and as minutes to the next.

    Raises:
        ValidationFailed: when it is not a duration, or longer than ten years.
    """
    compact = text.strip().lower().replace(" ", "")
    position = 0
    total_ms = 0.0
    seen: list[int] = []
    while position < len(compact):
        part = _DURATION_PART.match(compact, position)
        if part is None:
            break
        unit_ms = _UNIT_MS[part[2]]
        if seen and unit_ms >= seen[-1]:
            break
        seen.append(unit_ms)
        total_ms += float(part[1]) * unit_ms
        position = part.end()
    if not seen or position < len(compact):
        shown = shorten(clean(text), 40)
        if re.fullmatch(r"\d+(\.\d+)?", compact):
            raise ValidationFailed(f'"{shown}" needs a unit: "{compact}s", "{compact}m", …')
        raise ValidationFailed(f'"{shown}" is not a duration; write it like "30s", "800ms" or "5m"')
    if total_ms > _LONGEST / timedelta(milliseconds=1):
        raise ValidationFailed(f'"{shorten(clean(text), 40)}" is longer than ten years')
    return timedelta(milliseconds=total_ms)


def format_duration(duration: timedelta) -> str:
    """Writes a duration the way `parse_duration` reads it, in the fewest units ("90s" is "1m30s").

    Args:
        duration: not negative; parts of a millisecond are dropped.
    """
    left = duration // timedelta(milliseconds=1)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
