"""The page after a post beside the page now: made by the page's own functions, level, marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from statustui.domain.readmodels import Board, IncidentDetail, IncidentSummary
from statustui.domain.status import Impact, IncidentStatus, MonitorState, ServiceStatus
from statustui.presenters import preview, preview_page
from statustui.presenters.composer import Written
from statustui.presenters.line import plain, width_of
from statustui.presenters.preview import PageLine, PairedLine
from tests.support.acme import (
    DETAIL,
    INCIDENT,
    NOW,
    OTHER_PAGE,
    PAGE,
    SERVICES,
    at,
    board,
    number,
    service,
)

WRITTEN = Written(
    status=IncidentStatus.IDENTIFIED,
    message="Payments and sign-in fail for all customers. We found the cause.",
    title=None,
    next_update_by=at("03:50"),
    impact=Impact.CRITICAL,
    is_public=True,
    services=(),
)


def pairs(
    read: Board,
    incident: IncidentSummary | None,
    detail: IncidentDetail | None,
    written: Written,
    width: int = 58,
) -> tuple[PairedLine, ...]:
    now_page = preview_page.page_now(read, PAGE, detail)
    after = preview_page.page_after(now_page, read, incident, written, NOW)
    code = incident.code if incident is not None else preview_page.NEW_CODE
    return preview.pair(
        preview.page_lines(now_page, code, NOW, width),
        preview.page_lines(after, code, NOW, width),
    )


def marked(rows: tuple[PairedLine, ...], mark: str) -> list[str]:
    return [plain(row.after or row.before or ()) for row in rows if row.mark == mark]


def test_first_words_are_added_and_the_rest_stands_level() -> None:
    silent = replace(DETAIL, updates=())
    rows = pairs(board(), INCIDENT, silent, WRITTEN)
    new = [plain(row.after or ()) for row in rows if row.mark in ("+", "~")]
    # Who says it is worded by the page; that it is said at all is what matters here.
    assert new[0].startswith("Identified, 03:19 UTC, ")
    assert new[1:] == [
        "Payments and sign-in fail for all customers. We found the",
        "cause.",
        "Next update by 03:50 UTC, in 31 min",
    ]
    assert not marked(rows, "-")
    assert plain(rows[0].after or ()) == "✗ Partial outage: 3 of 43 services unavailable"


def test_hidden_services_appear_nowhere() -> None:
    rows = pairs(board(), INCIDENT, DETAIL, WRITTEN)
    everything = "\n".join(
        plain(side) for row in rows for side in (row.before, row.after) if side is not None
    )
    assert "Database" not in everything
    assert INCIDENT.internal_title not in everything


def test_an_internal_incident_gets_its_title_and_its_colour_with_the_first_words() -> None:
    internal = replace(INCIDENT, is_public=False, impact=Impact.MINOR)
    services = (
        SERVICES[0],
        replace(SERVICES[1], public_status=ServiceStatus.OPERATIONAL),
        *SERVICES[2:],
    )
    read = board(incidents=(internal,), services=services)
    rows = pairs(read, internal, replace(DETAIL, summary=internal), WRITTEN)
    before = [plain(row.before) for row in rows if row.before is not None]
    assert not any(INCIDENT.title in text for text in before)
    assert INCIDENT.title in marked(rows, "+")
    assert "✗ API         outage" in marked(rows, "+")


def test_resolving_what_is_up_again_brings_services_back() -> None:
    services = tuple(replace(row, monitor_state=MonitorState.UP) for row in SERVICES)
    read = board(services=services)
    written = replace(WRITTEN, status=IncidentStatus.RESOLVED, next_update_by=None)
    rows = pairs(read, INCIDENT, DETAIL, written)
    assert plain(rows[0].after or ()) == "∙ All 43 services operational"
    assert rows[0].mark == "~"


def test_resolving_what_still_fails_leaves_its_colour() -> None:
    written = replace(WRITTEN, status=IncidentStatus.RESOLVED, next_update_by=None)
    rows = pairs(board(), INCIDENT, DETAIL, written)
    assert plain(rows[0].after or ()) == "✗ Partial outage: 3 of 43 services unavailable"
    facts = dict(
        preview.checklist(board(), INCIDENT, written, now=NOW, zone=UTC, public_delay_seconds=10)
    )
    assert "still failing" in plain(facts["still true"])
    assert "this resolves it" in plain(facts["still true"])


def test_a_new_incident_turns_what_it_affects() -> None:
    services = tuple(service(n, f"S{n}") for n in range(1, 5))
    read = board(incidents=(), services=services)
    written = replace(
        WRITTEN, title="S1 is slow", impact=Impact.MINOR, services=(number(1),),
        status=IncidentStatus.INVESTIGATING,
    )  # fmt: skip
    rows = pairs(read, None, None, written)
    assert plain(rows[0].after or ()) == "▴ Degraded performance: 1 of 4 services"
    assert "S1 is slow" in [plain(row.after or ()) for row in rows]


def test_a_page_shows_only_what_it_lists() -> None:
    page = preview_page.page_now(board(), OTHER_PAGE, DETAIL)
    assert [row.name for row in page.services] == ["Service 0"]
    assert page.incidents == ()
    assert preview.concerned_pages(board(), [number(2)]) == (PAGE,)
    assert preview.concerned_pages(board(), [number(1)]) == ()
    assert preview.concerned_pages(board(), [number(10)]) == (PAGE, OTHER_PAGE)


@pytest.mark.parametrize("width", [20, 38, 58, 98])
def test_lines_fit(width: int) -> None:
    hostile = replace(WRITTEN, message="[bold]x[/] " + "日" * 80, title="t" * 300)
    for row in pairs(board(), INCIDENT, DETAIL, hostile, width):
        for side in (row.before, row.after):
            assert side is None or width_of(side) <= width


def test_words_look_as_on_the_page() -> None:
    written = replace(WRITTEN, message="**Back** again, see [why](https://acme.test/a).")
    found = [row.after for row in pairs(board(), INCIDENT, DETAIL, written, 98) if row.after]
    (said,) = [each for each in found if "Back" in plain(each)]
    assert plain(said) == "Back again, see why (https://acme.test/a)."
    assert said[0] == ("Back", "text b")


def line(key: str) -> PageLine:
    return PageLine(((key, "text"),), key)


def test_what_is_gone_leaves_a_gap() -> None:
    rows = preview.pair([line("a"), line("b"), line("c")], [line("a"), line("c"), line("d")])
    assert [row.mark for row in rows] == ["", "-", "", "+"]
    assert rows[1].after is None
    assert rows[3].before is None


def test_the_checklist_keeps_its_order() -> None:
    found = preview.checklist(
        board(), INCIDENT, WRITTEN, now=NOW, zone=UTC, public_delay_seconds=10
    )
    assert [label for label, _ in found] == [
        "pages",
        "reaches",
        "still true",
        "promise",
        "take back",
    ]
    said = {label: plain(content) for label, content in found}
    assert said["pages"] == "Acme   1 other page does not show these services"
    assert said["reaches"].startswith("everyone who opens the page after 10 s")
    assert said["still true"] == "✗ all 4 are still failing, looked 4 s ago"
    assert said["promise"] == "next update by 03:50Z, in 31 min"
    assert said["take back"].startswith("U within 10 s")


def test_a_post_that_cannot_be_taken_back_says_so() -> None:
    said = dict(
        preview.checklist(board(), INCIDENT, WRITTEN, now=NOW, zone=UTC, public_delay_seconds=0)
    )
    assert "public at once" in plain(said["take back"])
    hidden = replace(INCIDENT, services=INCIDENT.services[:1])
    nobody = dict(
        preview.checklist(board(), hidden, WRITTEN, now=NOW, zone=UTC, public_delay_seconds=0)
    )
    assert "nobody outside" in plain(nobody["pages"])
    assert plain(nobody["reaches"]) == "nobody"
