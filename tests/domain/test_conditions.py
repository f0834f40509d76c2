"""Conditions: what each says about an answer, where mistakes are, that nothing else is raised."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from statustui.domain.conditions import (
    MAX_LENGTH,
    check_conditions,
    evaluate,
    parse,
)
from statustui.domain.errors import ValidationFailed
from statustui.domain.observation import Certificate, Observation

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DATA = {
    "status": "ok",
    "count": 3,
    "ratio": 0.5,
    "text": "7",
    "on": True,
    "off": False,
    "nothing": None,
    "list": [{"id": 1, "name": "ann b"}, {"id": 2}],
    "a b": {"c.d": 1},
    "version": "1.10",
}
SEEN = Observation(
    started_at=AT,
    duration_ms=123.4,
    address="[2001:db8::1]:443",
    connected=True,
    status_code=200,
    headers={"content-type": "application/json; charset=utf-8"},
    body=json.dumps(DATA).encode(),
    certificate=Certificate("api", "ca", "01", AT + timedelta(hours=50)),
    dns_rcode="NOERROR",
)
EMPTY = Observation(started_at=AT, duration_ms=0.0)

TABLE = [
    ("[STATUS] == 200", True),
    ("200 == [STATUS]", True),
    ("[STATUS]==200", True),
    ("[STATUS] == 201", False),
    ("[STATUS] != 201", True),
    ("[STATUS] == any(200, 429)", True),
    ("[STATUS] != any(500, 503)", True),
    ("[STATUS] == any(201,204)", False),
    ("[STATUS] < 300", True),
    ("[STATUS] >= 200", True),
    ("[STATUS] <= 199", False),
    ("[STATUS] == pat(2*)", True),
    ("[RESPONSE_TIME] < 500", True),
    ("[RESPONSE_TIME] < 500ms", True),
    ("[RESPONSE_TIME] < 0.1s", False),
    ("1s > [RESPONSE_TIME]", True),
    ("[BODY].status == ok", True),
    ('[BODY].status == "ok"', True),
    ("[BODY].status != ok", False),
    ("[BODY].status == pat(o*)", True),
    ("[BODY].status == pat(*x*)", False),
    ("[BODY].status == any(up, pat(o?), ok)", True),
    ("[BODY].count == 3", True),
    ("[BODY].count == 3.0", True),
    ("[BODY].count > 2", True),
    ('[BODY].count == "3"', False),
    ("[BODY].ratio == 0.50", True),
    ("[BODY].text > 6", True),
    ("[BODY].on == true", True),
    ("[BODY].off == false", True),
    ("[BODY].on > 0", False),
    ("[BODY].nothing == null", True),
    ("[BODY].version == 1.10", True),
    ("[BODY].version == 1.1", False),
    ("[BODY].list[0].id == 1", True),
    ("[BODY].list[1].name == x", False),
    ("[BODY].list[1].name != x", True),
    ("[BODY].list[9].id == 1", False),
    ("[BODY].list[0].name == ann b", True),
    ("[BODY].list.[1].id == 2", True),
    ("[body].status == ok", True),
    ("[BODY].text == 0x7", True),
    ("[BODY].text == 007", True),
    ("[BODY].text == [BODY].text", True),
    ("[BODY].ratio >= 5e-1", True),
    ("[BODY].status == pat([n-p]?)", True),
    ("[BODY].status == pat([^n-p]?)", False),
    ("pat(o[k]) == [BODY].status", True),
    ("[BODY].list[0].name != pat(ann \\*)", True),
    ("[BODY].version == any(1.1, 1.10)", True),
    ("[BODY] == []", False),
    ("a==b == [BODY].status", False),
    ('[BODY]["a b"]["c.d"] == 1', True),
    ("[BODY].list[0].id < [BODY].list[1].id", True),
    ("[BODY].list[0] != [BODY].list[1]", True),
    ("[BODY].status == [BODY].status", True),
    ("len([BODY].list) == 2", True),
    ("len([BODY].list) < 2", False),
    ("len([BODY].status) == 2", True),
    ("len([BODY].count) == 1", True),
    ("len([BODY].on) == 4", True),
    ('len([BODY]["a b"]) == 9', True),
    ("len([BODY].nothing) == 4", False),
    ("len([BODY]) > 10", True),
    ("has([BODY].status) == true", True),
    ("has([BODY].nothing) == false", True),
    ("has([BODY].missing) == false", True),
    ("has([BODY].missing) == true", False),
    ("[BODY] == pat(*status*ok*)", True),
    ("[BODY] == pat(*ok*status*)", False),
    ("[HEADER].content-type == pat(application/json*)", True),
    ("[HEADER].Content-Type != text/html", True),
    ("[HEADER].x-missing == 1", False),
    ("has([HEADER].x-missing) == false", True),
    ("[CONNECTED] == true", True),
    ("[CONNECTED] != false", True),
    ("[IP] == 2001:db8::1", True),
    ("[DNS_RCODE] == NOERROR", True),
    ("[DNS_RCODE] == any(NXDOMAIN, NOERROR)", True),
    ("[CERTIFICATE_EXPIRATION] > 48h", True),
    ("[CERTIFICATE_EXPIRATION] > 3d", False),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_conditions_hold_or_not(text: str, expected: bool) -> None:
    result = evaluate(parse(text), SEEN, AT)
    assert result.ok is expected, result.shown


@pytest.mark.parametrize("text", [text for text, _ in TABLE])
def test_nothing_holds_for_an_empty_observation_but_that_nothing_connected(text: str) -> None:
    assert not evaluate(parse(text), EMPTY, AT).ok
    assert evaluate(parse("[CONNECTED] == false"), EMPTY, AT).ok


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[STATUS] == 503", "[STATUS] (200) == 503"),
        ("[BODY].status == up", "[BODY].status (ok) == up"),
        ("[BODY].x == up", "[BODY].x (missing) == up"),
        ("len([BODY].list) > 4", "len([BODY].list) (2) > 4"),
        ("[RESPONSE_TIME] < 100", "[RESPONSE_TIME] (123.4) < 100"),
        ("[CERTIFICATE_EXPIRATION] > 72h", "[CERTIFICATE_EXPIRATION] (2d2h) > 72h"),
        ("[STATUS] == any(1, pat(5*))", "[STATUS] (200) == any(1, pat(5*))"),
    ],
)
def test_the_result_says_what_was_found(text: str, shown: str) -> None:
    assert evaluate(parse(text), SEEN, AT).shown == shown


def test_a_body_that_is_no_json_makes_paths_false() -> None:
    seen = Observation(started_at=AT, duration_ms=1.0, status_code=200, body=b"<html>")
    for text in ("[BODY].a == 1", "[BODY].a != 1", "has([BODY].a) == false"):
        result = evaluate(parse(text), seen, AT)
        assert not result.ok
        assert "not JSON" in result.shown
    assert evaluate(parse("[BODY] == <html>"), seen, AT).ok


def test_a_list_at_the_root() -> None:
    seen = Observation(started_at=AT, duration_ms=1.0, status_code=200, body=b"[1, 2, 3]")
    assert evaluate(parse("len([BODY]) == 3"), seen, AT).ok
    assert evaluate(parse("[BODY][2] == 3"), seen, AT).ok


MISTAKES = [
    ("", 1, "a value is missing"),
    ("[STATUS]", 9, "an operator is missing"),
    ("[STATUS] ==", 12, "a value is missing"),
    ("[STATUS] = 200", 10, "expected an operator"),
    ("[STATS] == 200", 1, "did you mean [STATUS]?"),
    ("[STATUS] == [XYZZY]", 13, "unknown placeholder [XYZZY]"),
    ("200 == 200", 1, "reads nothing"),
    ("[STATUS].a == 1", 9, "only [BODY] has parts"),
    ("[BODY]. == 1", 8, "a key is missing"),
    ("[BODY][x] == 1", 7, "expected an index"),
    ("[BODY][99999999999] == 1", 7, "expected an index"),
    ("[HEADER] == 1", 9, "needs a name"),
    ("[STATUS] < abc", 12, "is not a number or duration"),
    ("[STATUS] < any(1, 2)", 12, "go with == and !="),
    ("[CONNECTED] > true", 13, "has no order"),
    ("has([BODY].a) < 1", 1, "true or false"),
    ("len([STATUS]) == 3", 5, "has no length"),
    ("len(abc) == 3", 5, "takes a placeholder"),
    ("lem([BODY]) == 3", 1, "did you mean len()?"),
    ("len([BODY] == 3", 12, "closing ) is missing"),
    ("[BODY] == pat(abc", 18, "closing ) is missing"),
    ("[BODY] == pat()", 15, "needs a text"),
    ("[BODY] == any(1, 2", 19, "closing ) is missing"),
    ('[BODY] == "abc', 11, 'closing " is missing'),
    ('[BODY] == "abc" x', 17, "nothing may follow"),
    ("[BODY] == len([BODY]) x", 23, "nothing may follow"),
    ("[BODY] == pat(a[b)", 16, "is not closed"),
    ("[BODY] == pat([z-a]*)", 15, "nothing lies between z and a"),
    ("[BODY] == pat(a\\)", 16, "a backslash stands at the end"),
    ("[DOMAIN_EXPIRATION] > 720h", 1, "unknown placeholder [DOMAIN_EXPIRATION]"),
    ("[STATUS] == " + "9" * 600, MAX_LENGTH + 1, "longer than"),
]


@pytest.mark.parametrize(("text", "column", "message"), MISTAKES)
def test_a_mistake_is_shown_with_its_position(text: str, column: int, message: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert problem.column == column
    assert message in problem.message
    assert f"column {column}" in caught.value.message
    line, below = problem.excerpt.split("\n")
    assert below.endswith("^")
    if len(text) <= 72:
        assert line == text
        assert below.index("^") + 1 == column


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("[STATUS] = 200", "[STATUS] = 200\n         ^"),
        ("[STATUS] = \x1b[31m", "[STATUS] = ·[31m\n         ^"),
        ('"网站" = [STATUS]', '"网站" = [STATUS]\n       ^'),
        ('"' + "x" * 90 + '" = 1', "…" + "x" * 62 + '" = 1\n' + " " * 65 + "^"),
    ],
)
def test_the_caret_stands_below_the_mistake(text: str, excerpt: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse(text)
    assert caught.value.problems[0].excerpt == excerpt


def test_every_mistake_of_several_conditions_is_told() -> None:
    with pytest.raises(ValidationFailed) as caught:
        check_conditions(["[STATUS] == 200", "[STATUS] ~ 1", "x == y"], AT)
    assert [problem.path for problem in caught.value.problems] == [(1,), (2,)]
    assert len(check_conditions([text for text, _ in TABLE], AT)) == len(TABLE)


def test_the_placeholders_that_it_reads() -> None:
    assert parse("[DNS_RCODE] == NXDOMAIN").placeholders == {"DNS_RCODE"}
    assert parse("[BODY].a == [HEADER].b").placeholders == {"BODY", "HEADER"}
