"""Conditions under anything at all: no text and no answer raises anything but a refusal."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from statustui.domain.conditions import Condition, evaluate, parse, parse_all
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.observation import Certificate, Observation
from statustui.domain.text import clean

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SEEN = Observation(
    started_at=AT,
    duration_ms=123.4,
    address="10.0.0.1:443",
    connected=True,
    status_code=200,
    headers={"x": "1"},
    body=b'{"a": [1, "two", {"b": null}], "k": true}',
    certificate=Certificate("api", "ca", "01", AT),
    dns_rcode="NOERROR",
)
EMPTY = Observation(started_at=AT, duration_ms=0.0)
LONGEST_SHOWN = 1_500


def _parsed(text: str) -> tuple[Condition | None, tuple[Problem, ...]]:
    try:
        return parse(text), ()
    except ValidationFailed as failure:
        return None, failure.problems


PIECES = st.sampled_from(
    [
        *("[STATUS]", "[BODY]", "[BODY].a", "[HEADER].x", "[CONNECTED]", "[IP]", "[NOPE]"),
        *("[CERTIFICATE_EXPIRATION]", "[RESPONSE_TIME]", "[DNS_RCODE]", ".a", "[0]", '["k"]'),
        *("len(", "has(", "pat(", "any(", ")", "(", ",", '"', "\\", "*", " ", "\n", "\x00"),
        *("==", "!=", "<", "<=", ">", ">=", "=", "1", "48h", "9" * 30, "1e999", "true", "null"),
        *("nan", "-1", "\ud800", "\u202e", "٣", "²"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("a"), inner),
    max_leaves=10,
)
OBSERVATIONS = st.builds(
    Observation,
    started_at=st.just(AT),
    duration_ms=st.floats(),
    address=st.text(max_size=20),
    connected=st.booleans(),
    status_code=st.none() | st.integers(0, 999),
    headers=st.dictionaries(st.just("x"), st.text()),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    certificate=st.none()
    | st.builds(Certificate, st.text(), st.text(), st.text(), st.datetimes(timezones=st.just(UTC))),
    dns_rcode=st.none() | st.text(),
)


@settings(max_examples=200, deadline=5_000)
@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60), OBSERVATIONS)
@example("[BODY] == pat(*)", EMPTY)
@example("[BODY].a < 1", Observation(AT, 1.0, status_code=200, body=b"[" * 100_000))
@example("[BODY] < 1", Observation(AT, 1.0, status_code=200, body=b"9" * 10_000))
@example("[BODY].a < 1", Observation(AT, 1.0, status_code=200, body=b'{"a":' + b"9" * 4000 + b"}"))
@example("[BODY].a == 1", Observation(AT, 1.0, status_code=200, body=b'{"a":1e400}'))
def test_nothing_but_a_refusal_is_raised(text: str, seen: Observation) -> None:
    condition, problems = _parsed(text)
    assert all(1 <= (problem.column or 0) <= len(text) + 1 for problem in problems)
    if condition is None:
        assert problems
        return
    for observation in (seen, EMPTY, SEEN):
        result = evaluate(condition, observation, AT)
        assert result.shown == clean(result.shown)
        assert len(result.shown) <= LONGEST_SHOWN
    assert parse(text) == condition


@settings(max_examples=50, deadline=5_000)
@given(st.lists(st.text(max_size=20), max_size=4))
def test_several_raise_nothing_but_refusals_either(texts: list[str]) -> None:
    wrong = [index for index, text in enumerate(texts) if _parsed(text)[0] is None]
    if wrong:
        with pytest.raises(ValidationFailed) as caught:
            parse_all(texts)
        assert [problem.path for problem in caught.value.problems] == [(at,) for at in wrong]
    else:
        assert len(parse_all(texts)) == len(texts)


# The grammar itself, so that most of what is made can be read.
SPACES = st.sampled_from(["", " ", "  ", "\t"])
KEYS = st.from_regex(r"[a-z$@_-]{1,5}", fullmatch=True)
STEPS = (
    KEYS.map(lambda key: f".{key}")
    | st.integers(0, 99).map(lambda index: f"[{index}]")
    | st.integers(0, 9).map(lambda index: f".[{index}]")
    | st.from_regex(r'[^"\\]{0,5}', fullmatch=True).map(lambda key: f'["{key}"]')
)
BODY = st.lists(STEPS, max_size=4).map(lambda steps: "[BODY]" + "".join(steps))
WHOLE = st.sampled_from(["[STATUS]", "[RESPONSE_TIME]", "[CERTIFICATE_EXPIRATION]", "[status]"])
NAMED = st.sampled_from(["[CONNECTED]", "[IP]", "[DNS_RCODE]", "[HEADER].x-y", "[header].X"])
ORDERED = BODY | WHOLE | BODY.map(lambda inner: f"len({inner})")
READ = ORDERED | NAMED | BODY.map(lambda inner: f"has( {inner} )")
NUMBERS = (
    st.integers(-(2**63), 2**63 - 1).map(str)
    | st.floats(-1e15, 1e15).map(lambda number: f"{number:.3f}")
    | st.sampled_from(["48h", "1.5s", "500ms", "1h30m", "2d", "0x1F", "0b11", "0o7", "07", "-3m"])
)
WORDS = st.from_regex(r"[A-Za-z0-9./:_{}-]{1,12}", fullmatch=True)
QUOTED = st.from_regex(r'"([^"\\]|\\.){0,12}"', fullmatch=True)
PATTERNS = st.from_regex(r"([a-z ?*]|\\.|\[\^?[a-c]-?x?\]){1,10}\*", fullmatch=True).map(
    lambda text: f"pat({text})"
)
CHOICES = st.lists(NUMBERS | WORDS | QUOTED | PATTERNS, min_size=1, max_size=4).map(
    lambda options: f"any({', '.join(options)})"
)
EQUALITIES = st.tuples(READ, SPACES, st.sampled_from(["==", "!="]), SPACES).flatmap(
    lambda parts: (READ | NUMBERS | WORDS | QUOTED | PATTERNS | CHOICES).map(
        lambda right: "".join((*parts, right))
    )
)
ORDERS = st.tuples(ORDERED, SPACES, st.sampled_from(["<", "<=", ">", ">="]), SPACES).flatmap(
    lambda parts: (ORDERED | NUMBERS).map(lambda right: "".join((*parts, right)))
)


@settings(max_examples=300, deadline=5_000)
@given(EQUALITIES | ORDERS, OBSERVATIONS)
def test_what_the_grammar_allows_is_read_and_run(text: str, seen: Observation) -> None:
    condition = parse(text)
    for observation in (seen, EMPTY, SEEN):
        result = evaluate(condition, observation, AT)
        assert result.shown == clean(result.shown)
        assert len(result.shown) <= LONGEST_SHOWN


@settings(max_examples=150, deadline=5_000)
@given(EQUALITIES | ORDERS, st.data())
def test_a_slip_of_the_finger_is_refused_or_read(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    slipped = (
        text[:at] + data.draw(st.sampled_from(['"', "[", ")", "(", "=", "\\", ""])) + text[at + 1 :]
    )
    condition, problems = _parsed(slipped)
    if condition is not None:
        evaluate(condition, SEEN, AT)
        return
    (problem,) = problems
    assert 1 <= (problem.column or 0) <= len(slipped) + 1
    assert [line.isprintable() for line in problem.excerpt.split("\n")] == [True, True]


@given(EQUALITIES, OBSERVATIONS)
@settings(max_examples=100, deadline=5_000)
def test_unequal_is_the_contrary_of_equal_where_something_was_seen(
    text: str, seen: Observation
) -> None:
    equal = parse(text.replace("!=", "=="))
    unequal = parse(text.replace("!=", "==").replace("==", "!="))
    results = (evaluate(equal, seen, AT), evaluate(unequal, seen, AT))
    unknown = any(word in results[0].shown for word in ("not seen", "not JSON"))
    assert results[0].ok != results[1].ok or (unknown and not results[0].ok)


MEGABYTE = 1_000_000
HOSTILE = {
    "nested": b"[" * MEGABYTE,
    "nested and closed": b"[" * 400_000 + b"]" * 400_000,
    "nested keys": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "nested less": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "digits": b'{"a":' + b"9" * MEGABYTE + b"}",
    "digits after the point": b'{"a":0.' + b"9" * MEGABYTE + b"}",
    "digits that Python reads": b'{"a":' + b"9" * 4_300 + b"}",
    "exponent": b'{"a":1e999999999}',
    "not a number": b'{"a":NaN}',
    "infinity": b'{"a":[-Infinity, Infinity]}',
    "surrogates": b'{"a":"\\ud800\\udfff\\udc00"}',
    "bytes that are no text": b'{"a":"\xff\xfe\xed\xa0\x80"}',
    "zeros": b"\x00" * MEGABYTE,
    "UTF-16": '{"a": "1"}'.encode("utf-16"),
    "many numbers": b'{"a":[' + b"0," * 499_990 + b"0]}",
    "many lists": b'{"a":[' + b"[]," * 330_000 + b"0]}",
    "many objects": b'{"a":[' + b"{}," * 330_000 + b"0]}",
    "one key many times": b"{" + b'"a":1,' * 160_000 + b'"a":2}',
    "many keys": b"{" + b",".join(b'"%d":1' % key for key in range(90_000)) + b"}",
    "almost the pattern": b"a" * MEGABYTE,
    "escapes": b"\x1b[31m" * 200_000,
}
TEXTS = (
    "[BODY].a == 1",
    "[BODY].a < 1",
    "[BODY] > 1",
    "len([BODY].a) > 3",
    "len([BODY]) > 3",
    "has([BODY].a) == true",
    "[BODY].a == [BODY].a",
    "[BODY] != pat(" + "*a?a" * 40 + "b)",
    "[BODY].a == any(" + ", ".join(f"pat(*{number}x*)" for number in range(30)) + ")",
    "[BODY]" + "[0]" * 100 + " == 1",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_costs_a_bounded_amount(name: str) -> None:
    seen = Observation(AT, 1.0, connected=True, status_code=200, body=HOSTILE[name])
    begun = process_time()
    for text in TEXTS:
        result = evaluate(parse(text), seen, AT)
        assert result.shown == clean(result.shown)
        assert len(result.shown) <= LONGEST_SHOWN
    # Measured: 0.7 s at most, for a million characters that almost are the pattern.
    assert process_time() - begun < 5


@pytest.mark.parametrize("name", ["many lists", "many objects", "many keys", "nested"])
def test_a_hostile_body_takes_a_bounded_room(name: str) -> None:
    seen = Observation(AT, 1.0, connected=True, status_code=200, body=HOSTILE[name])
    tracemalloc.start()
    try:
        evaluate(parse("[BODY].a == 1"), seen, AT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Measured: 35 MB at most.
    assert peak < 100_000_000


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    seen = Observation(AT, 1.0, status_code=200, body=HOSTILE["one key many times"])
    assert evaluate(parse("[BODY].a == 2"), seen, AT).ok


def test_what_is_no_number_is_no_json() -> None:
    for name in ("not a number", "infinity", "digits"):
        seen = Observation(AT, 1.0, status_code=200, body=HOSTILE[name])
        result = evaluate(parse("[BODY].a != 1"), seen, AT)
        assert not result.ok
        assert "not JSON" in result.shown
