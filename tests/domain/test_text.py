"""Text from outside is made harmless once, and small things in text are read strictly."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.errors import ValidationFailed
from statustui.domain.text import (
    clean,
    format_duration,
    nearest,
    parse_duration,
    shorten,
    slugify,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("  two   spaces ", "two spaces"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("over\u202eride", "override"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("a\r\nb\tc", "a b c"),
        ("half \ud800 pair", "half pair"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("Zu\u0308rich", "Zürich"),
        ("👩\u200d🚒", "👩\u200d🚒"),
        ("\x1b\x1b[31m[31m", "[31m"),
        ("", ""),
    ],
)
def test_clean_one_line(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\n\n a  b \n\tc\n\n", "a  b\n    c"),
        ("keep\n\nparagraphs", "keep\n\nparagraphs"),
        ("a\x1b[2J\nb", "a\nb"),
    ],
)
def test_clean_many_lines(text: str, expected: str) -> None:
    assert clean(text, multiline=True) == expected


@given(st.text(alphabet=st.characters(categories=None)), st.booleans())
def test_clean_text_is_harmless_and_stays_as_it_is(text: str, multiline: bool) -> None:
    cleaned = clean(text, multiline=multiline)
    assert clean(cleaned, multiline=multiline) == cleaned
    assert cleaned == cleaned.strip()
    cleaned.encode("utf-8")
    allowed = "\n" if multiline else ""
    for character in cleaned:
        assert unicodedata.category(character) not in ("Cc", "Cs") or character in allowed
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text(max_size=80), st.integers(min_value=1, max_value=90))
def test_shortened_text_fits(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or short.endswith("…")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme Corp", "acme-corp"),
        ("  Zürich & Straße!! ", "zurich-strasse"),
        ("--a--b--c--", "a-b-c"),
        ("北京", "organization"),
        ("X", "organization-x"),
    ],
)
def test_slugify(name: str, slug: str) -> None:
    assert slugify(name) == slug


@given(st.text(max_size=300))
def test_a_slug_is_always_a_slug(name: str) -> None:
    slug = slugify(name)
    assert 3 <= len(slug) <= 100
    assert slug.isascii()
    assert slug == slug.lower()
    assert not slug.startswith("-")
    assert not slug.endswith("-")
    assert "--" not in slug
    assert all(character.isalnum() or character == "-" for character in slug)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("intervall", "interval"),
        ("Interval", "interval"),
        ("failure-threshold", "failure_threshold"),
        ("timeot", "timeout"),
        ("zzz", None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, ["interval", "failure_threshold", "timeout"]) == expected


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("800ms", 800),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("48h", 172_800_000),
        ("1.5s", 1_500),
        (" 2 D ", 172_800_000),
        ("0s", 0),
    ],
)
def test_parse_duration(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "needs a unit"),
        ("", "not a duration"),
        ("s", "not a duration"),
        ("30 seconds", "not a duration"),
        ("1m1h", "not a duration"),
        ("1s1s", "not a duration"),
        ("-5s", "not a duration"),
        ("5s\x1b[31m!", "not a duration"),
        ("99999d", "longer than ten years"),
    ],
)
def test_parse_duration_refuses(text: str, message: str) -> None:
    with pytest.raises(ValidationFailed, match=message) as caught:
        parse_duration(text)
    assert "\x1b" not in caught.value.message


@given(st.integers(min_value=0, max_value=10**11))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        *(("\t", 100_000), (" ", 100_000), ("\x9d", 100_000), ("\x1b]", 50_000)),
        *(("\x9b0", 50_000), ("\x1b", 100_000), ("\x90\x9d", 50_000), ("\u3000 \t", 30_000)),
    ],
)
def test_cleaning_takes_time_in_proportion(piece: str, times: int) -> None:
    text = f"\x1b[{piece * times}x"
    begun = process_time()
    for multiline in (True, False):
        cleaned = clean(text, multiline)
        assert clean(cleaned, multiline) == cleaned
    # Measured: 0.3 s at most; when it was not, a body of tabs took ten.
    assert process_time() - begun < 3
