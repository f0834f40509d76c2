"""Evaluates conditions: whether what was seen is what a monitor calls a good answer.

How they are written is read by `condition_grammar`, how values compare is in `condition_values`;
this is where the two meet what a check saw.

`[STATUS]`, `[RESPONSE_TIME]` (milliseconds), `[BODY]`, `[BODY].a.b[0]` (in a JSON body),
`[HEADER].name`, `[CONNECTED]`, `[IP]`, `[DNS_RCODE]` and `[CERTIFICATE_EXPIRATION]` (time left)
are what can be read. `pat(*text*)` matches with `*` for anything, `any(a, b)` is one of several;
both stand beside `==` and `!=` only. A duration (`48h`, `500ms`) is a number of milliseconds.

What was not seen at all makes a condition false, whatever its operator: "not broken" cannot be
concluded from no answer. A key that is missing in a JSON body differs from everything, so only
`!=` holds for it. Evaluating raises nothing: what can be saved can be run. Where the same text
means something else to Gatus is listed in docs/monitors.md and in `tests/domain/test_gatus.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from statustui.domain.condition_grammar import (
    MAX_LENGTH,
    PLACEHOLDERS,
    Choice,
    Condition,
    Literal,
    Operand,
    Pattern,
    Placeholder,
    parse,
    parse_all,
)
from statustui.domain.condition_values import (
    MISSING,
    NOT_JSON,
    NOT_SEEN,
    Absent,
    JsonValue,
    as_integer,
    as_number,
    matches,
    read_json,
    text_of,
    to_float,
)
from statustui.domain.observation import Observation
from statustui.domain.text import clean, format_duration, shorten

__all__ = [
    "MAX_LENGTH",
    "PLACEHOLDERS",
    "Condition",
    "ConditionResult",
    "check_conditions",
    "evaluate",
    "parse",
    "parse_all",
]

_SHOWN_LENGTH = 60
_LONGEST_NUMBER = 70

# A JSON value, a literal of the condition, or the reason why there is none.
_Value = object


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds.

    Attributes:
        shown: the condition with what was found in parentheses, one harmless line
            ("[STATUS] (503) == 200").
    """

    ok: bool
    shown: str


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


def _resolve(operand: Operand, observation: Observation, at: datetime) -> _Value:
    if not isinstance(operand, Placeholder):
        return operand
    value = _read(operand, observation, at)
    if operand.function == "has":
        if value is NOT_SEEN or value is NOT_JSON:
            return value
        if operand.name == "BODY" and not operand.path:
            return value != ""
        return value is not MISSING and value is not None
    if operand.function == "len":
        return _length(value)
    return value


def _read(placeholder: Placeholder, observation: Observation, at: datetime) -> _Value:
    seen = _SOURCES[placeholder.name](observation, at)
    if seen is NOT_SEEN:
        return seen
    if placeholder.name == "HEADER":
        name = placeholder.path[0]
        return observation.headers.get(str(name), MISSING)
    if placeholder.name != "BODY":
        return seen
    if not placeholder.path:
        if placeholder.function == "len":
            # `len([BODY])` of a JSON list counts its elements, of anything else its characters.
            listed = read_json(observation.body)
            if isinstance(listed, list):
                return listed
            return observation.body.decode("utf-8", "replace")
        return observation.body.decode("utf-8", "replace").strip()
    value = read_json(observation.body)
    for step in placeholder.path:
        if isinstance(value, Absent):
            return value
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else MISSING
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step, MISSING)
        else:
            value = MISSING
    return value


def _certificate_left(observation: Observation, at: datetime) -> _Value:
    if observation.certificate is None:
        # Nothing is left where there is none; where nothing answered, nobody knows.
        return 0 if observation.connected else NOT_SEEN
    return (observation.certificate.not_after - at) / timedelta(milliseconds=1)


def _ip(observation: Observation, _: datetime) -> _Value:
    host, colon, port = observation.address.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        host = observation.address
    return host.strip("[]") or NOT_SEEN


def _response_time(observation: Observation, _: datetime) -> _Value:
    return observation.duration_ms if observation.connected else NOT_SEEN


def _answered(observation: Observation) -> bool:
    return observation.status_code is not None or bool(observation.body)


_SOURCES: dict[str, Callable[[Observation, datetime], _Value]] = {
    "STATUS": lambda seen, _: NOT_SEEN if seen.status_code is None else seen.status_code,
    "RESPONSE_TIME": _response_time,
    "BODY": lambda seen, _: True if _answered(seen) else NOT_SEEN,
    "HEADER": lambda seen, _: True if _answered(seen) else NOT_SEEN,
    # Connecting is what every look tries, so "false" is something that was seen.
    "CONNECTED": lambda seen, _: seen.connected,
    "IP": _ip,
    "DNS_RCODE": lambda seen, _: seen.dns_rcode or NOT_SEEN,
    "CERTIFICATE_EXPIRATION": _certificate_left,
}


def _length(value: _Value) -> _Value:
    if isinstance(value, Absent):
        return value
    if value is None:
        return MISSING
    return len(value) if isinstance(value, list) else len(text_of(value))


def _holds(left: _Value, operator: str, right: _Value) -> bool:
    for side in (left, right):
        if side is NOT_SEEN or side is NOT_JSON:
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
    if left is MISSING or right is MISSING:
        return False
    if isinstance(left, Literal | Pattern | Choice):
        left, right = right, left
    match right:
        case Literal() | Pattern():
            return _is(left, text_of(left), right)
        case Choice():
            # Made once: the body may be large and the options many.
            text = text_of(left)
            return any(_is(left, text, option) for option in right.options)
        case _:
            return _same(left, right)


def _is(found: JsonValue, text: str, written: Literal | Pattern) -> bool:
    """Whether what was found, also given as text, is what was written."""
    if isinstance(written, Pattern):
        return matches(written.pieces, text)
    if isinstance(found, bool) or not isinstance(found, int | float):
        # A text in quotes may be meant without them, or be a JSON text with them.
        if text in (written.text, written.source):
            return True
        return written.integer is not None and _integer(text) == written.integer
    if written.integer is not None and isinstance(found, int):
        return found == written.integer
    return written.number is not None and to_float(found) == written.number


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Whether two things that were found are equal, as they would be when written out."""
    if _is_number(left) and _is_number(right):
        return left == right
    first, second = text_of(left), text_of(right)
    if first == second:
        return True
    number = _integer(first)
    return number is not None and number == _integer(second)


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _integer(text: str) -> int | None:
    return as_integer(text) if len(text) <= _LONGEST_NUMBER else None


def _number(value: _Value) -> float | None:
    if isinstance(value, Literal):
        return value.number
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return to_float(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        return as_number(value.strip())
    return None


def _show(operand: Operand, value: _Value) -> str:
    match operand:
        case Literal():
            return shorten(clean(operand.text), _SHOWN_LENGTH) or '""'
        case Pattern():
            return f"pat({shorten(clean(operand.text), _SHOWN_LENGTH)})"
        case Choice():
            return f"any({', '.join(_show(option, option) for option in operand.options)})"
        case Placeholder():
            return f"{clean(operand.source)} ({_found(operand, value)})"
        case _:
            assert_never(operand)


def _found(placeholder: Placeholder, value: _Value) -> str:
    if isinstance(value, Absent):
        return value.shown
    if placeholder.name == "CERTIFICATE_EXPIRATION" and isinstance(value, int):
        return "no certificate"
    if placeholder.name == "CERTIFICATE_EXPIRATION" and isinstance(value, float):
        if value <= 0:
            return "expired"
        hours = timedelta(hours=int(value // 3_600_000))
        return format_duration(hours) if hours else "less than 1h"
    if placeholder.name == "RESPONSE_TIME" and isinstance(value, float):
        return f"{value:.1f}"
    # Cut before cleaning: a body may be a megabyte.
    return shorten(clean(text_of(value)[: 4 * _SHOWN_LENGTH]), _SHOWN_LENGTH)
