"""Reads and evaluates conditions: the small language in which a monitor says what a good answer is.

The grammar is the one that Gatus made familiar, so that people can bring theirs along:

    condition    = operand operator operand
    operator     = "==" | "!=" | "<" | "<=" | ">" | ">="
    operand      = placeholder | "len(" placeholder ")" | "has(" placeholder ")"
                 | "pat(" text ")" | "any(" literal { "," literal } ")" | literal
    placeholder  = "[" NAME "]" path
    path         = { "." key | "[" index "]" | '["' key '"]' }
    literal      = '"' quoted text '"' | bare text up to the operator or the end

`[STATUS]`, `[RESPONSE_TIME]` (milliseconds), `[BODY]`, `[BODY].a.b[0]` (in a JSON body),
`[HEADER].name`, `[CONNECTED]`, `[IP]`, `[DNS_RCODE]` and `[CERTIFICATE_EXPIRATION]` (time left)
are what can be read. `pat(*text*)` matches with `*` for anything, `any(a, b)` is one of several;
both stand beside `==` and `!=` only. A duration (`48h`, `500ms`) is a number of milliseconds.

What was not seen at all makes a condition false, whatever its operator: "not broken" cannot be
concluded from no answer. A key that is missing in a JSON body differs from everything, so only
`!=` holds for it. Nothing given here, however odd, raises anything but `ValidationFailed`, and
evaluating raises nothing: what can be saved can be run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import assert_never

from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.observation import Observation
from statustui.domain.text import clean, format_duration, nearest, parse_duration, shorten

MAX_LENGTH = 500
"""Characters of one condition."""

_NUMBER_NAMES = ("STATUS", "RESPONSE_TIME", "CERTIFICATE_EXPIRATION")
_TEXT_NAMES = ("BODY", "HEADER", "CONNECTED", "IP", "DNS_RCODE")
PLACEHOLDERS = _NUMBER_NAMES + _TEXT_NAMES
"""The names that may stand in brackets."""

_FUNCTIONS = ("len", "has", "pat", "any")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_KEY = re.compile(r"[^\s.\[\]()=!<>,\"]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9#$%&'*+.^_`|~-]+")
_CALL = re.compile(r"([A-Za-z_]+)\(")
_BRACKETED = re.compile(r"\[([A-Za-z_]+)\]")
_INDEX = re.compile(r"\[(\d{1,9})\]")
_QUOTED_KEY = re.compile(r'\["([^"\\]*)"\]')
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h|d|w))+")

_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the condition; `number` where the bare text reads as one."""

    text: str
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """`pat(…)`: the pieces of text between the asterisks, in order."""

    text: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`any(…)`: one of several."""

    options: tuple[Literal | Pattern, ...]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Something to read from what was seen, and what to do with it.

    Attributes:
        name: one of `PLACEHOLDERS`.
        path: keys and indexes into a JSON body, or the header's name in lower case.
        function: "", "len" or "has".
        source: how it was written, for messages.
    """

    name: str
    path: tuple[str | int, ...]
    function: str
    source: str


Operand = Literal | Pattern | Choice | Placeholder


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read and found right."""

    text: str
    left: Operand
    operator: str
    right: Operand

    @property
    def placeholders(self) -> frozenset[str]:
        """The names that it reads: a monitor that judges [DNS_RCODE] itself is told so."""
        sides = (self.left, self.right)
        return frozenset(side.name for side in sides if isinstance(side, Placeholder))


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds.

    Attributes:
        shown: the condition with what was found in parentheses, one harmless line
            ("[STATUS] (503) == 200").
    """

    ok: bool
    shown: str


class _Absent:
    """What stands for a value that is not there."""

    __slots__ = ("shown",)

    def __init__(self, shown: str) -> None:
        self.shown = shown


_NOT_SEEN = _Absent("not seen")
_NOT_JSON = _Absent("not JSON")
_MISSING = _Absent("missing")

# A JSON value, a text, a number or the reason why there is none.
_Value = object


def parse(text: str) -> Condition:
    """Reads one condition.

    Args:
        text: as written by the operator.

    Raises:
        ValidationFailed: with one problem whose `column` (from 1) says where it went wrong.
    """
    if len(text) > MAX_LENGTH:
        raise _mistake(text, MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    return _Reader(text).condition()


def parse_all(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Reads several conditions and says everything that is wrong in any of them.

    Raises:
        ValidationFailed: with a problem for each wrong one; its `path` is the index in `texts`.
    """
    read: list[Condition] = []
    problems: list[Problem] = []
    for index, text in enumerate(texts):
        try:
            read.append(parse(text))
        except ValidationFailed as failure:
            problems += [
                Problem(problem.message, (index,), column=problem.column)
                for problem in failure.problems
            ]
    if problems:
        raise ValidationFailed(problems[0].message, problems=problems)
    return tuple(read)


def check_conditions(texts: Iterable[str], at: datetime) -> tuple[Condition, ...]:
    """Reads conditions and runs each on an empty observation, as is done on saving a monitor.

    Args:
        at: any time; nothing was seen, so it does not matter which.

    Raises:
        ValidationFailed: as `parse_all` does.
    """
    read = parse_all(texts)
    nothing = Observation(started_at=at, duration_ms=0.0)
    for condition in read:
        evaluate(condition, nothing, at)
    return read


def evaluate(condition: Condition, observation: Observation, at: datetime) -> ConditionResult:
    """Says whether a condition holds for what was seen.

    Args:
        at: the time of judging, for how long the certificate is still valid.
    """
    left = _resolve(condition.left, observation, at)
    right = _resolve(condition.right, observation, at)
    ok = _holds(left, condition.operator, right)
    shown = f"{_show(condition.left, left)} {condition.operator} {_show(condition.right, right)}"
    return ConditionResult(ok, shown)


# --- reading ---------------------------------------------------------------------------------


def _mistake(text: str, position: int, message: str) -> ValidationFailed:
    column = position + 1
    quoted = shorten(clean(text), _SHOWN_LENGTH)
    line = f'condition "{quoted}", column {column}: {message}'
    return ValidationFailed(line, problems=(Problem(line, column=column),))


class _Reader:
    """A cursor over one condition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def condition(self) -> Condition:
        left_at = self._skip_spaces()
        left = self._operand(stop_at_operator=True)
        operator_at = self._skip_spaces()
        found = _OPERATOR.match(self._text, self._at)
        if found is None:
            if self._at >= len(self._text):
                raise self._wrong("an operator is missing (==, !=, <, <=, >, >=)", operator_at)
            raise self._wrong("expected an operator (==, !=, <, <=, >, >=)", operator_at)
        operator = found[0]
        self._at = found.end()
        right_at = self._skip_spaces()
        right = self._operand(stop_at_operator=False)
        self._skip_spaces()
        if self._at < len(self._text):
            raise self._wrong("nothing may follow here")
        self._check(left, left_at, operator, operator_at, right, right_at)
        return Condition(self._text, left, operator, right)

    def _check(
        self,
        left: Operand,
        left_at: int,
        operator: str,
        operator_at: int,
        right: Operand,
        right_at: int,
    ) -> None:
        if not isinstance(left, Placeholder) and not isinstance(right, Placeholder):
            raise self._wrong(
                "it reads nothing of the answer; name a placeholder such as [STATUS]", left_at
            )
        if operator in ("==", "!="):
            return
        for side, position in ((left, left_at), (right, right_at)):
            match side:
                case Pattern() | Choice():
                    raise self._wrong(
                        f"pat() and any() go with == and !=, not {operator}", position
                    )
                case Literal(number=None):
                    raise self._wrong(
                        f'"{shorten(clean(side.text), _SHOWN_LENGTH)}" is not a number or '
                        f"duration, so {operator} has nothing to compare",
                        position,
                    )
                case Placeholder(function="has"):
                    raise self._wrong("has() is true or false; compare it with ==", position)
                case Placeholder(name="CONNECTED" | "IP" | "DNS_RCODE", function=""):
                    raise self._wrong(f"[{side.name}] has no order; use == or !=", operator_at)
                case Placeholder() | Literal():
                    pass
                case _:
                    assert_never(side)

    def _operand(self, *, stop_at_operator: bool) -> Operand:
        if self._at >= len(self._text):
            raise self._wrong("a value is missing")
        if self._text[self._at] == "[":
            return self._placeholder("")
        call = _CALL.match(self._text, self._at)
        if call is not None:
            return self._call(call[1], call.end())
        if self._text[self._at] == '"':
            return self._quoted()
        return self._bare(stop_at_operator)

    def _call(self, name: str, inner: int) -> Operand:
        start = self._at
        if name not in _FUNCTIONS:
            near = nearest(name, _FUNCTIONS)
            hint = f", did you mean {near}()?" if near else "; there are len, has, pat and any"
            raise self._wrong(f"unknown function {name}(){hint}", start)
        self._at = inner
        if name in ("len", "has"):
            self._skip_spaces()
            if not self._text.startswith("[", self._at):
                raise self._wrong(f"{name}() takes a placeholder such as [BODY].data")
            operand = self._placeholder(name)
            self._skip_spaces()
            self._expect(")")
            return operand
        if name == "pat":
            pattern = self._pattern()
            self._expect(")")
            return pattern
        options: list[Literal | Pattern] = []
        while True:
            self._skip_spaces()
            options.append(self._option())
            self._skip_spaces()
            if self._text.startswith(",", self._at):
                self._at += 1
                continue
            self._expect(")")
            return Choice(tuple(options))

    def _option(self) -> Literal | Pattern:
        if self._text.startswith("pat(", self._at):
            self._at += len("pat(")
            pattern = self._pattern()
            self._expect(")")
            return pattern
        if self._text.startswith('"', self._at):
            return self._quoted()
        end = self._at
        while end < len(self._text) and self._text[end] not in ",)":
            end += 1
        return self._literal(end)

    def _pattern(self) -> Pattern:
        self._skip_spaces()
        if self._text.startswith('"', self._at):
            text = self._quoted().text
            self._skip_spaces()
        else:
            end = self._text.find(")", self._at)
            if end < 0:
                raise self._wrong("the closing ) is missing", len(self._text))
            text = self._text[self._at : end].strip()
            self._at = end
        if not text:
            raise self._wrong("pat() needs a text, with * for anything")
        return Pattern(text, tuple(text.split("*")))

    def _placeholder(self, function: str) -> Placeholder:
        start = self._at
        found = _BRACKETED.match(self._text, start)
        if found is None:
            raise self._wrong("expected a placeholder such as [STATUS]", start)
        name = found[1]
        if name not in PLACEHOLDERS:
            near = nearest(name, PLACEHOLDERS)
            names = ", ".join(f"[{known}]" for known in PLACEHOLDERS)
            hint = f", did you mean [{near}]?" if near else f"; there are {names}"
            raise self._wrong(f"unknown placeholder [{name}]{hint}", start)
        self._at = found.end()
        path = self._header_name() if name == "HEADER" else self._path(name)
        if function == "len" and name not in ("BODY", "HEADER"):
            raise self._wrong(f"[{name}] has no length", start)
        source = self._text[start : self._at]
        return Placeholder(name, path, function, f"{function}({source})" if function else source)

    def _header_name(self) -> tuple[str]:
        key = None
        if self._text.startswith(".", self._at):
            key = _HEADER_NAME.match(self._text, self._at + 1)
        if key is None:
            raise self._wrong("[HEADER] needs a name, as in [HEADER].content-type")
        self._at = key.end()
        return (key[0].lower(),)

    def _path(self, name: str) -> tuple[str | int, ...]:
        path: list[str | int] = []
        while self._at < len(self._text):
            start = self._at
            if self._text[start] == ".":
                key = _KEY.match(self._text, start + 1)
                if key is None:
                    raise self._wrong("a key is missing after the dot", start + 1)
                path.append(key[0])
                self._at = key.end()
            elif self._text[start] == "[":
                index = _INDEX.match(self._text, start)
                quoted = _QUOTED_KEY.match(self._text, start)
                if index is not None:
                    path.append(int(index[1]))
                    self._at = index.end()
                elif quoted is not None:
                    path.append(quoted[1])
                    self._at = quoted.end()
                else:
                    raise self._wrong('expected an index such as [0] or a key such as ["a b"]')
            else:
                break
            if name != "BODY":
                raise self._wrong(f"[{name}] is one value; only [BODY] has parts", start)
        return tuple(path)

    def _quoted(self) -> Literal:
        start = self._at
        pieces: list[str] = []
        at = start + 1
        while at < len(self._text):
            character = self._text[at]
            if character == "\\" and at + 1 < len(self._text):
                pieces.append(self._text[at + 1])
                at += 2
            elif character == '"':
                self._at = at + 1
                return Literal("".join(pieces))
            else:
                pieces.append(character)
                at += 1
        raise self._wrong('the closing " is missing', start)

    def _bare(self, stop_at_operator: bool) -> Literal:
        end = len(self._text)
        if stop_at_operator:
            found = _OPERATOR.search(self._text, self._at)
            if found is not None:
                end = found.start()
        return self._literal(end)

    def _literal(self, end: int) -> Literal:
        text = self._text[self._at : end].strip()
        if not text:
            raise self._wrong("a value is missing")
        self._at = end
        return Literal(text, _as_number(text))

    def _skip_spaces(self) -> int:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at

    def _expect(self, wanted: str) -> None:
        if not self._text.startswith(wanted, self._at):
            raise self._wrong(f"the closing {wanted} is missing")
        self._at += len(wanted)

    def _wrong(self, message: str, position: int | None = None) -> ValidationFailed:
        return _mistake(self._text, self._at if position is None else position, message)


def _as_number(text: str) -> float | None:
    """A number as it stands; a duration in milliseconds."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    if _DURATION.fullmatch(text):
        try:
            return parse_duration(text) / timedelta(milliseconds=1)
        except ValidationFailed:
            return None
    return None


# --- evaluating ------------------------------------------------------------------------------


def _resolve(operand: Operand, observation: Observation, at: datetime) -> _Value:
    if not isinstance(operand, Placeholder):
        return operand
    value = _read(operand, observation, at)
    if operand.function == "has":
        if value is _NOT_SEEN or value is _NOT_JSON:
            return value
        return value is not _MISSING
    if operand.function == "len":
        return _length(value)
    return value


def _read(placeholder: Placeholder, observation: Observation, at: datetime) -> _Value:
    seen = _SOURCES[placeholder.name](observation, at)
    if seen is _NOT_SEEN:
        return seen
    if placeholder.name == "HEADER":
        name = placeholder.path[0]
        return observation.headers.get(str(name), _MISSING)
    if placeholder.name != "BODY":
        return seen
    if not placeholder.path:
        if placeholder.function == "len":
            # `len([BODY])` of a JSON list counts its elements, of anything else its characters.
            listed = _json(observation.body)
            if isinstance(listed, list):
                return listed
        return observation.body.decode("utf-8", "replace")
    value = _json(observation.body)
    for step in placeholder.path:
        if isinstance(value, _Absent):
            return value
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else _MISSING
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step, _MISSING)
        else:
            value = _MISSING
    return value


def _certificate_left(observation: Observation, at: datetime) -> _Value:
    if observation.certificate is None:
        return _NOT_SEEN
    return (observation.certificate.not_after - at) / timedelta(milliseconds=1)


def _ip(observation: Observation, _: datetime) -> _Value:
    host, colon, port = observation.address.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host = observation.address
    return host.strip("[]") or _NOT_SEEN


def _response_time(observation: Observation, _: datetime) -> _Value:
    return observation.duration_ms if observation.connected else _NOT_SEEN


def _answered(observation: Observation) -> bool:
    return observation.status_code is not None or bool(observation.body)


_SOURCES: dict[str, Callable[[Observation, datetime], _Value]] = {
    "STATUS": lambda seen, _: _NOT_SEEN if seen.status_code is None else seen.status_code,
    "RESPONSE_TIME": _response_time,
    "BODY": lambda seen, _: True if _answered(seen) else _NOT_SEEN,
    "HEADER": lambda seen, _: True if _answered(seen) else _NOT_SEEN,
    # Connecting is what every look tries, so "false" is something that was seen.
    "CONNECTED": lambda seen, _: seen.connected,
    "IP": _ip,
    "DNS_RCODE": lambda seen, _: seen.dns_rcode or _NOT_SEEN,
    "CERTIFICATE_EXPIRATION": _certificate_left,
}


@lru_cache(maxsize=4)
def _json(body: bytes) -> _Value:
    """The body as JSON; kept for the other conditions of the same look."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        # Not JSON, not text, a number of thousands of digits, or nested beyond reason.
        return _NOT_JSON
    return found


def _length(value: _Value) -> _Value:
    if isinstance(value, str | list | dict):
        return len(value)
    return value if isinstance(value, _Absent) else _MISSING


def _holds(left: _Value, operator: str, right: _Value) -> bool:
    for side in (left, right):
        if side is _NOT_SEEN or side is _NOT_JSON:
            return False
    if operator == "==":
        return _equal(left, right)
    if operator == "!=":
        return not _equal(left, right)
    first, second = _number(left), _number(right)
    if first is None or second is None:
        return False
    match operator:
        case "<":
            return first < second
        case "<=":
            return first <= second
        case ">":
            return first > second
        case _:
            return first >= second


def _equal(left: _Value, right: _Value) -> bool:
    if left is _MISSING or right is _MISSING:
        return False
    if isinstance(left, Pattern | Choice):
        left, right = right, left
    if isinstance(right, Choice):
        return any(_equal(left, option) for option in right.options)
    if isinstance(right, Pattern):
        return _matches(right, _text(left))
    if isinstance(left, Literal) or isinstance(right, Literal):
        written, found = (left, right) if isinstance(left, Literal) else (right, left)
        if isinstance(written, Literal):
            if isinstance(found, int | float) and not isinstance(found, bool):
                return written.number is not None and _float(found) == written.number
            return _text(found) == written.text
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    try:
        return left == right
    except RecursionError:
        # Two parts of a body nested to the limit: nobody wrote a condition about that.
        return False


def _float(number: int | float) -> float:
    """The number as a float; an integer beyond all floats becomes infinity, never an error."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _number(value: _Value) -> float | None:
    if isinstance(value, Literal):
        return value.number
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _float(value)
    if isinstance(value, str) and len(value) <= _SHOWN_LENGTH:
        return _as_number(value.strip())
    return None


def _text(value: _Value) -> str:
    """A JSON value as it would be written in a condition."""
    match value:
        case str():
            return value
        case Literal():
            return value.text
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return json.dumps(value) if abs(_float(value)) < 1e300 else "a huge number"
        case _:
            return _dumped(value)


def _dumped(value: _Value) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "?"


def _matches(pattern: Pattern, text: str) -> bool:
    """Whether the pieces of the pattern occur in order; linear in the length of the text."""
    first, *rest = pattern.pieces
    if not rest:
        return text == first
    if not text.startswith(first):
        return False
    at = len(first)
    *middle, last = rest
    for piece in middle:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - at >= len(last) and text.endswith(last)


def _show(operand: Operand, value: _Value) -> str:
    match operand:
        case Literal():
            return shorten(clean(operand.text), _SHOWN_LENGTH)
        case Pattern():
            return f"pat({shorten(clean(operand.text), _SHOWN_LENGTH)})"
        case Choice():
            return f"any({', '.join(_show(option, option) for option in operand.options)})"
        case Placeholder():
            return f"{clean(operand.source)} ({_found(operand, value)})"
        case _:
            assert_never(operand)


def _found(placeholder: Placeholder, value: _Value) -> str:
    if isinstance(value, _Absent):
        return value.shown
    if placeholder.name == "CERTIFICATE_EXPIRATION" and isinstance(value, float):
        if value <= 0:
            return "expired"
        hours = timedelta(hours=int(value // 3_600_000))
        return format_duration(hours) if hours else "less than 1h"
    if placeholder.name == "RESPONSE_TIME" and isinstance(value, float):
        return f"{value:.1f}"
    # Cut before cleaning: a body may be a megabyte.
    return shorten(clean(_text(value)[: 4 * _SHOWN_LENGTH]), _SHOWN_LENGTH)
