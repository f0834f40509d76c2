"""The same text gives the same verdict as Gatus' documentation says, or the difference is listed.

The rows come from the tables of Gatus' README (conditions, placeholders, functions) and from the
behaviour that its own tests fix, as of version 5. What differs stands in DIFFERENCES with both
verdicts, and, in the same words, in docs/monitors.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from statustui.domain.conditions import evaluate, parse
from statustui.domain.errors import ValidationFailed
from statustui.domain.observation import Certificate, Observation

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MONITORS = Path(__file__).parents[2] / "docs" / "monitors.md"


def body(text: str) -> Observation:
    return Observation(AT, 10.0, connected=True, status_code=200, body=text.encode())


def status(code: int) -> Observation:
    return Observation(AT, 10.0, connected=True, status_code=code)


def took(milliseconds: float) -> Observation:
    return Observation(AT, milliseconds, connected=True, status_code=200)


def at_address(address: str) -> Observation:
    return Observation(AT, 10.0, connected=True, address=f"{address}:443")


def valid_for(hours: float) -> Observation:
    certificate = Certificate("api", "ca", "01", AT + timedelta(hours=hours))
    return Observation(AT, 10.0, connected=True, status_code=200, certificate=certificate)


CONNECTED = Observation(AT, 10.0, connected=True)
REFUSED = Observation(AT, 10.0)
NO_NAME = Observation(AT, 10.0, connected=True, dns_rcode="NXDOMAIN")

# Documented: the condition, what passes, what fails.
DOCUMENTED: list[tuple[str, list[Observation], list[Observation]]] = [
    ("[STATUS] == 200", [status(200)], [status(201), status(404)]),
    ("[STATUS] < 300", [status(200), status(299)], [status(301), status(302)]),
    ("[STATUS] <= 299", [status(201), status(299)], [status(301)]),
    ("[STATUS] > 400", [status(401), status(404)], [status(400), status(200)]),
    ("[STATUS] == any(200, 429)", [status(200), status(429)], [status(201), status(400)]),
    ("[STATUS] == pat(2*)", [status(200), status(299)], [status(302)]),
    ("[CONNECTED] == true", [CONNECTED], [REFUSED]),
    ("[RESPONSE_TIME] < 500", [took(100), took(300)], [took(500), took(501)]),
    ("[IP] == 127.0.0.1", [at_address("127.0.0.1")], [at_address("0.0.0.0")]),
    ("[IP] == pat(192.168.*)", [at_address("192.168.7.1")], [at_address("10.0.0.1")]),
    ("[BODY] == 1", [body("1")], [body("{}"), body("2")]),
    ("[BODY].user.name == ann", [body('{"user":{"name":"ann"}}')], [body('{"user":{}}')]),
    ("[BODY].data[0].id == 1", [body('{"data":[{"id":1}]}')], [body('{"data":[]}')]),
    ("[BODY].age == [BODY].id", [body('{"age":4,"id":4}')], [body('{"age":4,"id":5}')]),
    ("len([BODY].data) < 5", [body('{"data":[{"id":1}]}')], [body('{"data":[1,2,3,4,5]}')]),
    ("len([BODY].name) == 8", [body('{"name":"ann.lane"}')], [body('{"name":"ann"}')]),
    ("has([BODY].errors) == false", [body('{"name":"a"}')], [body('{"errors":[]}')]),
    ("has([BODY].users) == true", [body('{"users":[]}')], [body("{}")]),
    ("[BODY].name == pat(ann*)", [body('{"name":"ann.lane"}')], [body('{"name":"bob"}')]),
    ("[BODY].id == any(1, 2)", [body('{"id":1}'), body('{"id":2}')], [body('{"id":3}')]),
    ("[BODY].ip == any(127.0.0.1, ::1)", [body('{"ip":"::1"}')], [body('{"ip":"::2"}')]),
    ("[CERTIFICATE_EXPIRATION] > 48h", [valid_for(49), valid_for(123)], [valid_for(24)]),
    # "0 if not protocol with certs"
    ("[CERTIFICATE_EXPIRATION] == 0", [took(1)], [valid_for(1)]),
    ("[DNS_RCODE] == NXDOMAIN", [NO_NAME], [CONNECTED]),
    # "minified and converted to a string, and the resulting number of characters"
    ("len([BODY].user) == 20", [body('{"user": {"name" : "ann", "a": 1}}')], [body('{"user":{}}')]),
]

# What its own tests fix beyond that: the condition, what was seen, the verdict.
FIXED: list[tuple[str, Observation, bool]] = [
    ("[RESPONSE_TIME] < 1s", took(50), True),
    ("[RESPONSE_TIME] > 1s", took(2000), True),
    ("[RESPONSE_TIME] >= 500", took(499), False),
    ("[RESPONSE_TIME] <= 500", took(500), True),
    ("[BODY] == up", body("up"), True),
    ("[BODY] == up", body(" up\n"), True),
    ("[BODY] > 122", body("123"), True),
    ("[BODY] < 124", body("123"), True),
    ('[BODY] == "up"', body('"up"'), True),
    ("[BODY].data.name == ann", body('{"data": {"id": 1}}'), False),
    ("len([BODY].data.name) == ann", body('{"data": {"id": 1}}'), False),
    ("[BODY].first != [BODY].last", body('{"first": "ann", "last": "lane"}'), True),
    ("[BODY].first == [BODY].last", body('{"first": "ann", "last": "lane"}'), False),
    ("[BODY].number == [BODY].text", body('{"number": 1, "text": "1"}'), True),
    ("[BODY].missing != 1", body("{}"), True),
    ("[BODY][0].id == 1", body('[{"id": 1}, {"id": 2}]'), True),
    ("[BODY][0].name == ann", body('{"code": 500}'), False),
    ("[BODY].data == OK", body('{"data": null}'), False),
    ("[BODY].data == OK", body("null"), False),
    ("[BODY].items[0] == OK", body('{"items": [null, null]}'), False),
    ("[BODY].items[0][1] == 2", body('{"items": [[1, 2]]}'), True),
    ("has([BODY].data) == false", body('{"data": null}'), True),
    ("[BODY].data[1].id == 2", body('{"data": [{"id": 1}, {"id": 2}]}'), True),
    ("[BODY].id > 0", body('{"id": 1}'), True),
    ("[BODY].data == 1", body('{"data": "0x1"}'), True),
    ("[BODY].data == 0x1", body('{"data": "0x01"}'), True),
    ("[BODY].data == 15", body('{"data": "0xF"}'), True),
    ("len([BODY].data) == 3", body('{"data": "0x1"}'), True),
    ("[BODY].data >= 1", body('{"data": "0x01"}'), True),
    ("[BODY].data == 2", body('{"data": "0o2"}'), True),
    ("[BODY].data == 0b10", body('{"data": "0b0010"}'), True),
    ("[BODY].balance > 100", body('{"balance": "123.45000000000005"}'), True),
    ("[CERTIFICATE_EXPIRATION] > 2419200000", valid_for(24 * 60), True),
    ("[CERTIFICATE_EXPIRATION] > 2419200000", valid_for(24 * 14), False),
    ("len([BODY]) == 3", body('[{"id": 1}, 2, 3]'), True),
    ("len([BODY]) == 8", body("ann.lane"), True),
    ("len([BODY]) == 20", body('{"name": "ann.lane"}'), True),
    ("len([BODY].age) == 2", body('{"age": 18}'), True),
    ("len([BODY].adult) == 4", body('{"adult": true}'), True),
    ("len([BODY][0]) == 23", body('[{"age": 18, "adult": true}]'), True),
    ("[BODY] == pat(*ann*)", body('{"name": "ann.lane"}'), True),
    ('[BODY] == pat(*<b id="x">a/b</b>*)', body('<p><b id="x">a/b</b></p>'), True),
    ('pat(*<b id="x">a/b</b>*) == [BODY]', body('<p><b id="x">a/c</b></p>'), False),
    ("[BODY].data == pat(*What*)", body('{"data": ["a", "What"]}'), True),
    ("[BODY] == pat(f(x)*)", body("f(x) is"), True),
    ("[BODY].v == pat(v?.[0-9])", body('{"v": "v1.2"}'), True),
    ("any(200, 429) == [STATUS]", status(429), True),
    ("[status] == 200", status(200), True),
    ('[BODY].user == {"a":1,"b":2}', body('{"user": {"b": 2, "a": 1}}'), True),
    ("[BODY] == []", body("[]"), True),
    ("[BODY].up == true", body('{"up": true}'), True),
    ("[BODY] == a==b", body("a==b"), True),
]

# What differs: why (the words of docs/monitors.md), the condition, what was seen, Gatus' verdict.
DIFFERENCES: list[tuple[str, str, Observation, bool]] = [
    ("a missing number is none, not 0", "[BODY].queue < 5", body("{}"), True),
    ("a missing number is none, not 0", "[BODY].state < 5", body('{"state": "bad"}'), True),
    ("two missing things are not equal", "[BODY].a == [BODY].a", body("{}"), True),
    ("a body that is not JSON proves nothing", "has([BODY].errors) == false", body("<p>"), True),
    ("a body that is not JSON proves nothing", "[BODY].state != bad", body("<p>"), True),
    ("null can be compared", "[BODY].error == null", body('{"error": null}'), False),
    ("fractions count", "[BODY].load > 1", body('{"load": 1.5}'), False),
    ("fractions count", "[RESPONSE_TIME] <= 500", took(500.4), True),
    ("numbers are equal by value", "[BODY].share == 0.50", body('{"share": 0.5}'), False),
    ("numbers are equal by value", "[BODY].id == 1234567", body('{"id": 1234567}'), False),
    ("numbers are equal by value", "[RESPONSE_TIME] == 1s", took(1000), False),
    ("quotes enclose a text", '[BODY].name == "ann"', body('{"name": "ann"}'), False),
    ("any() knows pat()", "[BODY] == any(down, pat(u*))", body("up"), False),
    ("len() counts characters", "len([BODY].name) == 4", body('{"name": "Zoë!"}'), False),
    ("slashes are characters", "[BODY] == pat(ab*)", body("a/b"), True),
    ("a list has no keys", "[BODY].data.id == pat(*1*)", body('{"data": [1]}'), True),
    ("a list is written as JSON", "[BODY].data == [1,2]", body('{"data": [1, 2]}'), False),
]

# What Gatus takes and never holds, or holds by accident: refused when it is saved.
REFUSED_WORDS = [
    ("a literal that is no number has no order", "[RESPONSE_TIME] < potato"),
    ("a condition reads something of the answer", "1 == 2"),
    ("a pattern is well formed", "[BODY] == pat([a)"),
    ("a text that looks like a function goes in quotes", "[BODY] == f(x)"),
    ("a key with spaces is written in brackets", "[BODY].first name == ann"),
    ("DOMAIN_EXPIRATION and CONTEXT are not there", "[DOMAIN_EXPIRATION] > 720h"),
    ("DOMAIN_EXPIRATION and CONTEXT are not there", "[CONTEXT].user == 1"),
]


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        *((text, seen, True) for text, passing, _ in DOCUMENTED for seen in passing),
        *((text, seen, False) for text, _, failing in DOCUMENTED for seen in failing),
        *FIXED,
    ],
)
def test_the_verdict_is_that_of_gatus(text: str, seen: Observation, expected: bool) -> None:
    result = evaluate(parse(text), seen, AT)
    assert result.ok is expected, result.shown


@pytest.mark.parametrize(("why", "text", "seen", "theirs"), DIFFERENCES)
def test_the_verdict_differs_and_the_manual_says_why(
    why: str, text: str, seen: Observation, theirs: bool
) -> None:
    result = evaluate(parse(text), seen, AT)
    assert result.ok is not theirs, result.shown
    assert f"**{why}**" in MONITORS.read_text(encoding="utf-8")


@pytest.mark.parametrize(("why", "text"), REFUSED_WORDS)
def test_what_is_refused_and_the_manual_says_why(why: str, text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse(text)
    assert f"**{why}**" in MONITORS.read_text(encoding="utf-8")
