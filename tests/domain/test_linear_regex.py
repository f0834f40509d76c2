"""Regular expressions in linear time find what `re` finds, and refuse what they cannot bound."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.errors import ValidationFailed
from statustui.domain.linear_regex import MOST_WORK, SLICE, TooMuchWork, compile_pattern

_ATOMS = ["a", "b", ".", "[ab]", "[^a]", "[b-z]", r"\d", r"\w", r"\W", r"\s", r"\S", "(?i:A)", "é"]
_ATOMS += ["(?:ab|b)", "(a|)", r"\n", "1", " ", "[^\\d]", "[\\w-]"]
_ANCHORS = ["^", "$", r"\b", r"\B", r"\A", r"\Z"]
_TIMES = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "*?", "{0,2}"]
_PIECES = st.one_of(
    st.builds(str.__add__, st.sampled_from(_ATOMS), st.sampled_from(_TIMES)),
    st.sampled_from(_ANCHORS),
)
_PATTERNS = st.builds(
    lambda flags, pieces, times: f"{flags}({''.join(pieces)}){times}",
    st.sampled_from(["", "", "(?m)", "(?s)", "(?i)", "(?a)"]),
    st.lists(_PIECES, min_size=1, max_size=6),
    st.sampled_from(["", "*", "+", "|b$"]),
)


def _found(pattern: str, text: str) -> bool:
    *between, last = compile_pattern(pattern).search(text)
    assert set(between) <= {None}
    assert last is not None
    return last


@given(_PATTERNS, st.text(alphabet="abAzé1_ \n-", max_size=12))
def test_it_finds_what_re_finds(pattern: str, text: str) -> None:
    # Before Python 3.14, \B does not match in an empty text.
    if text or r"\B" not in pattern:
        assert _found(pattern, text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r'"status":\s*"(ok|fine)"', 'x {"status":   "fine"}', True),
        (r"^second$", "first\nsecond\nthird", False),
        (r"(?m)^second$", "first\nsecond\nthird", True),
        (r"end$", "the end\n", True),
        (r"end\Z", "the end\n", False),
        (r"", "", True),
        (r"x{300}", "x" * 299, False),
        (r"x{300}", "x" * 300, True),
    ],
    ids=lambda value: str(value)[:20],
)
def test_examples(pattern: str, text: str, expected: bool) -> None:
    assert _found(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "message", "column"),
    [
        ("a(b", "not a regular expression: missing )", 2),
        ("[z-a]", "bad character range", 2),
        (r"(a)\1", "back-reference", None),
        ("(?=a)b", "looks ahead or behind", None),
        ("(?<!a)b", "looks ahead or behind", None),
        ("(?>a)b", "possessive or atomic", None),
        ("a*+b", "possessive or atomic", None),
        ("a{1000}", "too large", None),
        ("((a{50}){50}){50}", "too large", None),
        ("(?:){100000}", "too large", None),
        ("(" * 5_000 + ")" * 5_000, "nested too deeply", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_bounded_is_refused(pattern: str, message: str, column: int | None) -> None:
    with pytest.raises(ValidationFailed) as caught:
        compile_pattern(pattern)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.column == column


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*$", r"(a*)*b", r"(.*)(.*)(.*)x", r"a?" * 30]
)
def test_what_is_exponential_elsewhere_is_done_at_once(pattern: str) -> None:
    text = "a" * 50_000 + "!"
    # Each step yields after a bounded amount of work, and there are few of them.
    steps = sum(1 for _ in compile_pattern(pattern).search(text))
    assert steps < 2 * len(text) / SLICE


def test_a_pattern_with_too_many_states_gives_up() -> None:
    chance = random.Random(1)
    text = "".join(chance.choice("ab") for _ in range(200_000))
    steps = 0
    with pytest.raises(TooMuchWork):
        for _ in compile_pattern(r"(a|b)*a(a|b){18}c").search(text):
            steps += 1
    assert steps > MOST_WORK / SLICE / 20
