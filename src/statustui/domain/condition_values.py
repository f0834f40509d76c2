"""How conditions take what was seen: as text, as a number, as JSON, and against a pattern.

The rules are Gatus' wherever its documentation or its own tests say something, because people bring
conditions along: whole numbers may be written as 0x1F, 0o17 or 0b11, a duration is a number of
milliseconds, an object is its JSON without spaces and with its keys in order.

What is seen comes from anybody. Everything here takes time and memory in proportion to the body,
which the check has bounded, and raises nothing.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9]\d*|0)", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DURATION = re.compile(
    r"([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w))+)", re.ASCII
)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "μs": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "m": 6e4,
    "h": 3.6e6,
    "d": 8.64e7,
    "w": 6.048e8,
}
_LONGEST_NUMBER = 70
_HUGE = 1e300

JsonValue = object
"""None, bool, int, float, str, a list or a dict of these."""


class Absent:
    """What stands for a value that is not there.

    Args:
        shown: how that is told.
    """

    __slots__ = ("shown",)

    def __init__(self, shown: str) -> None:
        self.shown = shown


NOT_SEEN = Absent("not seen")
NOT_JSON = Absent("not JSON")
MISSING = Absent("missing")


# --- numbers ---------------------------------------------------------------------------------


def as_integer(text: str) -> int | None:
    """A whole number of 64 bits, decimal or with the prefix 0x, 0o, 0 or 0b; None for others."""
    if len(text) > _LONGEST_NUMBER or not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    is_old_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    number = int(digits, 8) if is_old_octal else int(digits, 0)
    if text.startswith("-"):
        number = -number
    return number if -(2**63) <= number < 2**63 else None


def as_number(text: str) -> float | None:
    """A number as it stands, a duration in milliseconds; None for what is neither."""
    if len(text) > _LONGEST_NUMBER:
        return None
    integer = as_integer(text)
    if integer is not None:
        return float(integer)
    if _DECIMAL.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    duration = _DURATION.fullmatch(text)
    if duration is None:
        return None
    parts = _DURATION_PART.findall(duration[2])
    total = sum(float(amount) * _UNIT_MS[unit] for amount, unit in parts)
    return -total if duration[1] == "-" else total


def to_float(number: int | float) -> float:
    """The number as a float; an integer beyond all floats becomes infinity, never an error."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


# --- JSON ------------------------------------------------------------------------------------


def _no_such_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


# The conditions of one look follow each other; what was read of a large body is not kept longer.
@lru_cache(maxsize=1)
def read_json(body: bytes) -> JsonValue:
    """The body as JSON, `NOT_JSON` when it is none.

    Of a key that stands twice the last value counts.
    """
    try:
        found: object = json.loads(body, parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        # Not JSON, not text, a number of thousands of digits, or nested beyond reason.
        return NOT_JSON
    return found


def text_of(value: JsonValue) -> str:
    """A JSON value as it would be written in a condition."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return json.dumps(value) if abs(to_float(value)) < _HUGE else "a huge number"
        case _:
            try:
                return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
            except (TypeError, ValueError, RecursionError):
                # Nested to the limit of what could be read.
                return "?"


# --- patterns --------------------------------------------------------------------------------


class BadPattern(ValueError):
    """A pattern is not well formed.

    Args:
        position: where, counted from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands between two asterisks; as many characters long as what it matches.

    Attributes:
        text: what it matches, None when it has `?` or `[…]` and `expression` says it.
    """

    length: int
    text: str | None
    expression: re.Pattern[str] | None = None

    def stands_at(self, text: str, position: int) -> bool:
        """Whether it matches from this position on."""
        if self.text is not None:
            return text.startswith(self.text, position)
        assert self.expression is not None
        return self.expression.match(text, position) is not None

    def find(self, text: str, start: int) -> int:
        """The first position from `start` where it matches, -1 for none."""
        if self.text is not None:
            return text.find(self.text, start)
        assert self.expression is not None
        found = self.expression.search(text, start)
        return found.start() if found is not None else -1


def compile_pattern(pattern: str) -> tuple[Piece, ...]:
    """Reads a pattern: `*` is any text, `?` one character, `[a-z]` one of several, `\\` escapes.

    Raises:
        BadPattern: a bracket is not closed, or a backslash stands at the end.
    """
    pieces: list[Piece] = []
    plain: list[str] = []
    coded: list[str] = []
    is_plain = True

    def end() -> None:
        nonlocal is_plain
        if is_plain:
            pieces.append(Piece(len(plain), "".join(plain)))
        else:
            pieces.append(Piece(len(plain), None, re.compile("".join(coded), re.DOTALL)))
        plain.clear()
        coded.clear()
        is_plain = True

    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "*":
            end()
            at += 1
            continue
        following = at + 1
        code = None
        if character == "?":
            code = "."
        elif character == "[":
            code, following = _one_of(pattern, at)
        elif character == "\\":
            character, following = _escaped(pattern, at)
        is_plain = is_plain and code is None
        plain.append(character)
        coded.append(code or re.escape(character))
        at = following
    end()
    return tuple(pieces)


def _one_of(pattern: str, start: int) -> tuple[str, int]:
    """The expression for `[a-z0]` or `[^a-z]`, and where it ends."""
    at = start + 1
    is_negated = pattern.startswith("^", at)
    at += is_negated
    ranges: list[str] = []
    while at < len(pattern) and pattern[at] != "]":
        low, at = _escaped(pattern, at)
        high = low
        if pattern.startswith("-", at) and at + 1 < len(pattern) and pattern[at + 1] != "]":
            high, at = _escaped(pattern, at + 1)
        if high < low:
            raise BadPattern(f"nothing lies between {low} and {high}", start)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if at >= len(pattern) or not ranges:
        raise BadPattern("a [ is not closed or empty; write \\[ for the character itself", start)
    return f"[{'^' if is_negated else ''}{''.join(ranges)}]", at + 1


def _escaped(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] != "\\":
        return pattern[at], at + 1
    if at + 1 == len(pattern):
        raise BadPattern("a backslash stands at the end; write two for the character itself", at)
    return pattern[at + 1], at + 2


def matches(pieces: tuple[Piece, ...], text: str) -> bool:
    """Whether the pieces occur in order, the first at the start and the last at the end."""
    first, *rest = pieces
    if not first.stands_at(text, 0):
        return False
    if not rest:
        return len(text) == first.length
    at = first.length
    *middle, last = rest
    for piece in middle:
        found = piece.find(text, at)
        if found < 0:
            return False
        at = found + piece.length
    end = len(text) - last.length
    return end >= at and last.stands_at(text, end)
