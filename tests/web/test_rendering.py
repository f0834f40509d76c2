"""What the templates make of hostile texts, and of the style sheet's colours."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from statustui.domain.status import ServiceStatus
from statustui.presenters.brand import contrast
from statustui.presenters.page.history import month_view
from statustui.presenters.page.incidents import incident_view
from statustui.presenters.page.view import page_view
from statustui.web import rendering
from tests.web import samples
from tests.web.samples import NOW


def hostile_documents() -> dict[str, str]:
    page = samples.hostile_page()
    view = page_view(page, NOW)
    month = month_view(page, None, NOW)
    assert month is not None
    incident = incident_view(page.incidents[0], NOW)
    return {
        "page": rendering.render_page(page, view).decode(),
        "incident": rendering.render_incident(page, view, incident).decode(),
        "history": rendering.render_history(page, view, month).decode(),
    }


@pytest.mark.parametrize("name", ["page", "incident", "history"])
def test_markup_is_shown_as_text_everywhere(name: str) -> None:
    html = hostile_documents()[name]
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "<iframe" not in html
    assert "onerror=alert(1)&gt;" in html
    assert "{{7*7}}" in html, "a template inside a text was run"
    assert not re.search(r'(?:href|src)="?\s*(?:javascript|data|vbscript):', html)
    # Only our own script is there, by address.
    assert re.findall(r"<script[^>]*>", html) == [f'<script src="{rendering.script_path()}" defer>']


def test_a_hostile_colour_does_not_reach_the_style_sheet() -> None:
    assert rendering.stylesheet("red;}</style>") == rendering.base_stylesheet()
    assert "--brand: #ffe600;" in rendering.stylesheet("#FFE600")
    assert "--on-brand: black" in rendering.stylesheet("#FFE600")
    assert "--on-brand: white" in rendering.stylesheet("#7A0010")


def test_the_title_and_the_sign_say_the_status() -> None:
    for page, title, icon in (
        (samples.outage_page(), "Partial outage: 4 of 43 services – Acme Status", "down"),
        (samples.quiet_page(), "All 43 services operational – Acme Status", "well"),
        (samples.maintenance_page(), "Maintenance in progress: 3 of 43 services – Acme", "work"),
        (samples.empty_page(), "No services are listed yet – Acme Status", "none"),
    ):
        html = rendering.render_page(page, page_view(page, NOW)).decode()
        assert f"<title>{title}" in html
        assert f'content="{title}' in html
        assert f'href="/static/icon-{icon}.svg"' in html
        assert html.count("<h1") == 1


def test_a_forced_theme_is_said() -> None:
    page = replace(samples.quiet_page(), theme="dark")
    html = rendering.render_page(page, page_view(page, NOW)).decode()
    assert '<html lang="en" class="dark">' in html


def test_every_day_has_an_element_with_its_title() -> None:
    page = samples.quiet_page()
    html = rendering.render_page(page, page_view(page, NOW)).decode()
    assert len(re.findall(r'<i(?: class="[a-z ]+")? title="\d+ [A-Z][a-z]{2}: ', html)) == 43 * 90


def test_words_are_legible_on_ground_and_band() -> None:
    sheet = rendering.base_stylesheet()
    dark_start = sheet.index("prefers-color-scheme: dark")
    colours = rendering.sheet_colours()
    for part, ground in (
        (sheet[:dark_start], colours.light_ground),
        (sheet[dark_start:], colours.dark_ground),
    ):

        def named(name: str, part: str = part) -> str:
            found = re.search(rf"--{name}: (#[0-9a-f]{{6}})", part)
            assert found is not None, name
            return found.group(1)

        for kind in ("well", "slow", "part", "down", "work", "none"):
            assert contrast(named(kind), ground) >= 4.5
            assert contrast(named(kind), named(f"{kind}-band")) >= 4.5
            assert contrast(named(f"{kind}-bar"), ground) >= 3
        for text in ("ink", "quiet"):
            for band in ("ground", "tint", "well-band", "slow-band", "down-band", "work-band"):
                assert contrast(named(text), named(band)) >= 4.5


def test_the_two_dark_blocks_agree() -> None:
    sheet = rendering.base_stylesheet()
    blocks = re.findall(r"(--ground: #0f1114;.*?)\n\s*}", sheet, re.DOTALL)
    assert len(blocks) == 2
    assert re.sub(r"\s+", " ", blocks[0]) == re.sub(r"\s+", " ", blocks[1])


def test_signs_exist_for_every_status() -> None:
    for status in (*ServiceStatus, None):
        body = rendering.render_icon(rendering.colour_class(status))
        assert body is not None
        assert body.startswith(b"<svg")
    assert rendering.render_icon("other") is None
