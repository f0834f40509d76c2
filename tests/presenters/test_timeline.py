"""A timeline says when, what kind, what, and who may read it; in as many columns as there are."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from statustui.domain.readmodels import TimelineEntry
from statustui.presenters import timeline
from statustui.presenters.line import plain, width_of
from tests.support.acme import NOW, TIMELINE, at


def entry(kind: str, text: str = "", **more: object) -> TimelineEntry:
    return TimelineEntry(at("03:10:55"), kind, text, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sign", "text", "tag"),
    [
        (entry("failure", "refused", service_name="Database"), "✗",
         "Database first failure: refused", ""),
        (entry("failure"), "✗", "first failure", ""),
        (entry("recovery", service_name="API"), "∙", "API: recovered", ""),
        (entry("state", "health", service_name="API", status="down"), "✗",
         "API: health outage", ""),
        (entry("status", service_name="API", status="major_outage"), "✗", "API is outage", ""),
        (entry("public_status", status="partial_outage", is_public=True), " ",
         "page turned: partial", "public"),
        (entry("acknowledged", "acknowledged until 03:44", who="alice"), "a",
         "alice acknowledged until 03:44", ""),
        (entry("note", "promoting", who="alice"), "w", "alice: promoting", "internal"),
        (entry("update", "We look.", who="bob", status="identified", is_public=True), "u",
         "bob, identified: We look.", "public"),
        (entry("update", "API is down.", status="investigating", is_public=True), "u",
         "investigating: API is down.", "public"),
        (entry("update", "Hush.", status="identified", who="bob"), "u",
         "bob, identified: Hush.", "internal"),
        (entry("mark", "deploy 2.8", who="ci"), "|", "deploy 2.8 by ci", ""),
        (entry("maintenance", "Weekly restart"), "◊", "Weekly restart", ""),
    ],
)  # fmt: skip
def test_each_kind(given: TimelineEntry, sign: str, text: str, tag: str) -> None:
    (row,) = timeline.rows([given])
    assert (row.sign, row.text, row.tag) == (sign, text, tag)
    assert (row.text_style == "internal") == (tag == "internal")


def test_only_the_first_failure_is_called_first() -> None:
    texts = [row.text for row in timeline.rows(TIMELINE) if row.sign == "✗"]
    assert texts == [
        "Database first failure: connect to 10.0.0.5:5432 refused",
        "API: HTTP 503",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_short_lines_fit_and_tags_stand_at_the_edge(width: int) -> None:
    lines = timeline.short_lines(timeline.rows(TIMELINE), UTC, width, 3, 12)
    assert len(lines) == 3
    assert all(width_of(line) <= width for line in lines)
    assert plain(lines[-1]).endswith("internal")
    assert plain(lines[-1]).startswith(" 03:17:02 w alice: promoting")
    assert width_of(lines[-1]) == width - 1


def test_a_long_text_is_broken_under_itself() -> None:
    long = TimelineEntry(at("03:17:02"), "note", "one two three four five six", who="alice")
    lines = timeline.full_lines(timeline.rows([long]), NOW, UTC, 40, 12)
    assert plain(lines[1]).startswith(" " * 12)
    assert plain(lines[1]).strip()
    assert plain(lines[0]).endswith("internal")
    assert not plain(lines[1]).endswith("internal")


def test_an_update_reads_as_on_the_page() -> None:
    written = "**Reports are back**, see [why](https://acme.test/a).\n\n- one\n- two"
    entry = TimelineEntry(NOW, "update", written, who="eve", status="monitoring", is_public=True)
    (row,) = timeline.rows([entry])
    assert row.text.splitlines() == [
        "eve, monitoring: Reports are back, see why (https://acme.test/a).",
        "- one",
        "- two",
    ]
    note = TimelineEntry(NOW, "note", "**as typed**", who="eve")
    assert timeline.rows([note])[0].text == "eve: **as typed**"


def test_another_day_is_named() -> None:
    yesterday = TimelineEntry(NOW - timedelta(days=1), "mark", "deploy")
    lines = [plain(line) for line in timeline.full_lines(timeline.rows([yesterday]), NOW, UTC,
                                                         80, 12)]  # fmt: skip
    assert lines[0].strip() == "Fri 20 Nov"
    today = timeline.full_lines(timeline.rows(TIMELINE), NOW, UTC, 80, 12)
    assert len(today) == len(TIMELINE)


def test_markup_and_line_ends_stay_text() -> None:
    hostile = TimelineEntry(NOW, "note", "[bold red]x[/]\nsecond", who="eve")
    (line,) = timeline.short_lines(timeline.rows([hostile]), UTC, 80, 5, 12)
    assert "[bold red]x[/] second" in plain(line)
    full = timeline.full_lines(timeline.rows([hostile]), NOW, UTC, 80, 12)
    assert len(full) == 2
