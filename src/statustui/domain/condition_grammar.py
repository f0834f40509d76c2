"""Reads conditions: the small language in which a monitor says what a good answer is.

The grammar is the one that Gatus made familiar, so that people can bring theirs along:

    condition    = operand operator operand
    operator     = "==" | "!=" | "<" | "<=" | ">" | ">="
    operand      = placeholder | "len(" placeholder ")" | "has(" placeholder ")"
                 | "pat(" text ")" | "any(" option { "," option } ")" | literal
    option       = literal | "pat(" text ")"
    placeholder  = "[" NAME "]" path                  NAME in upper or lower case
    path         = { "." key | [ "." ] "[" index "]" | '["' key '"]' }
    literal      = '"' quoted text '"' | bare text up to the operator or the end

Nothing given here, however odd, raises anything but `ValidationFailed`, whose problem has the
column of the mistake and the condition with a caret below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from statustui.domain.condition_values import (
    BadPattern,
    Piece,
    as_integer,
    as_number,
    compile_pattern,
)
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.text import clean, nearest, point_at, shorten

MAX_LENGTH = 500
"""Characters of one condition."""

_NUMBER_NAMES = ("STATUS", "RESPONSE_TIME", "CERTIFICATE_EXPIRATION")
_TEXT_NAMES = ("BODY", "HEADER", "CONNECTED", "IP", "DNS_RCODE")
PLACEHOLDERS = _NUMBER_NAMES + _TEXT_NAMES
"""The names that may stand in brackets."""

_FUNCTIONS = ("len", "has", "pat", "any")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_SPACED_OPERATOR = re.compile(r"(?<=\s)(?:==|!=|<=|>=|<|>)(?=\s)")
_CLOSED_BEFORE_OPERATOR = re.compile(r"\)(?=\s*(?:==|!=|<=|>=|<|>))")
_KEY = re.compile(r"[^\s.\[\]()=!<>,\"]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9#$%&'*+.^_`|~-]+")
_CALL = re.compile(r"([A-Za-z_]+)\(")
_OPENED = re.compile(r"\[(?=[A-Za-z_])")
_BRACKETED = re.compile(r"\[([A-Za-z_]+)\]")
_INDEX = re.compile(r"\[(\d{1,9})\]", re.ASCII)
_QUOTED_KEY = re.compile(r'\["([^"\\]*)"\]')

_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the condition.

    Attributes:
        text: what it says; source: how it was written, quotes and all.
        number: where the bare text reads as a number or a duration (in milliseconds).
        integer: where it reads as a whole number.
    """

    text: str
    source: str
    number: float | None = None
    integer: int | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """`pat(…)`: the pieces between the asterisks, in order."""

    text: str
    pieces: tuple[Piece, ...]


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
            problems += [replace(problem, path=(index,)) for problem in failure.problems]
    if problems:
        raise ValidationFailed(problems[0].message, problems=problems)
    return tuple(read)


def _mistake(text: str, position: int, message: str) -> ValidationFailed:
    column = position + 1
    quoted = shorten(clean(text), _SHOWN_LENGTH)
    line = f'condition "{quoted}", column {column}: {message}'
    problem = Problem(line, column=column, excerpt=point_at(text, position))
    return ValidationFailed(line, problems=(problem,))


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
        if _OPENED.match(self._text, self._at):
            return self._placeholder("")
        call = _CALL.match(self._text, self._at)
        if call is not None:
            return self._call(call[1], call.end(), stop_at_operator=stop_at_operator)
        if self._text[self._at] == '"':
            return self._quoted()
        return self._bare(stop_at_operator)

    def _call(self, name: str, inner: int, *, stop_at_operator: bool) -> Operand:
        start = self._at
        if name not in _FUNCTIONS:
            near = nearest(name, _FUNCTIONS)
            hint = f", did you mean {near}()?" if near else "; there are len, has, pat and any"
            raise self._wrong(f"unknown function {name}(){hint} A text goes in quotes", start)
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
            pattern = self._pattern(self._last_bracket(stop_at_operator=stop_at_operator))
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
            pattern = self._pattern(self._text.find(")", self._at))
            self._expect(")")
            return pattern
        if self._text.startswith('"', self._at):
            return self._quoted()
        end, depth = self._at, 0
        while end < len(self._text):
            character = self._text[end]
            if depth == 0 and character in ",)":
                break
            depth += {"(": 1, ")": -1}.get(character, 0)
            end += 1
        return self._literal(end)

    def _last_bracket(self, *, stop_at_operator: bool) -> int:
        """Where a pattern that may hold brackets itself is closed, -1 when it is not."""
        if not stop_at_operator:
            return self._text.rfind(")", self._at)
        found = _CLOSED_BEFORE_OPERATOR.search(self._text, self._at)
        return found.start() if found is not None else self._text.find(")", self._at)

    def _pattern(self, end: int) -> Pattern:
        start = self._skip_spaces()
        if self._text.startswith('"', self._at):
            text = self._quoted().text
            self._skip_spaces()
        else:
            if end < 0:
                raise self._wrong("the closing ) is missing", len(self._text))
            text = self._text[start:end].strip()
            self._at = end
        if not text:
            raise self._wrong("pat() needs a text, with * for anything")
        try:
            return Pattern(text, compile_pattern(text))
        except BadPattern as bad:
            raise self._wrong(bad.message, start + bad.position) from None

    def _placeholder(self, function: str) -> Placeholder:
        start = self._at
        found = _BRACKETED.match(self._text, start)
        if found is None:
            raise self._wrong("expected a placeholder such as [STATUS]", start)
        name = found[1].upper()
        if name not in PLACEHOLDERS:
            near = nearest(name, PLACEHOLDERS)
            names = ", ".join(f"[{known}]" for known in PLACEHOLDERS)
            hint = f", did you mean [{near}]?" if near else f"; there are {names}"
            raise self._wrong(f"unknown placeholder [{found[1]}]{hint}", start)
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
            if self._text.startswith(".[", start):
                self._at += 1
            elif self._text[start] == ".":
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
                return Literal("".join(pieces), self._text[start : self._at])
            else:
                pieces.append(character)
                at += 1
        raise self._wrong('the closing " is missing', start)

    def _bare(self, stop_at_operator: bool) -> Literal:
        end = len(self._text)
        if stop_at_operator:
            # "a==b == [BODY]" compares the text a==b.
            found = _SPACED_OPERATOR.search(self._text, self._at) or _OPERATOR.search(
                self._text, self._at
            )
            if found is not None:
                end = found.start()
        return self._literal(end)

    def _literal(self, end: int) -> Literal:
        text = self._text[self._at : end].strip()
        if not text:
            raise self._wrong("a value is missing")
        self._at = end
        return Literal(text, text, as_number(text), as_integer(text))

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
