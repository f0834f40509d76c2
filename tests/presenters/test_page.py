"""What the page says, in words: banner, days, incidents, history, times."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from statustui.domain.publicmodels import PublicDay, PublicPage
from statustui.domain.status import (
    Impact,
    IncidentStatus,
    MaintenanceStatus,
    ServiceStatus,
)
from statustui.presenters.chart import latency_chart, milliseconds
from statustui.presenters.page import times
from statustui.presenters.page.banner import banner, enumerate_names, overall_since
from statustui.presenters.page.days import day_strip, figures
from statustui.presenters.page.history import month_view, parse_month, recent_days
from statustui.presenters.page.incidents import incident_view
from statustui.presenters.page.text import page_text
from statustui.presenters.page.view import page_view
from tests.web import samples
from tests.web.samples import MAJOR, NOW, PARTIAL, SLOW, WORK, at

WELL = ServiceStatus.OPERATIONAL


def with_statuses(*statuses: ServiceStatus) -> PublicPage:
    page = samples.page(incidents=(), windows=())
    services = page.services[: len(statuses)]
    return replace(
        page,
        services=tuple(
            replace(service, status=status, status_since=at("19 14:00"))
            for service, status in zip(services, statuses, strict=True)
        ),
    )


@pytest.mark.parametrize(
    ("statuses", "headline", "lead"),
    [
        ((WELL, WELL, WELL), "All 3 services operational", "No incident has been published."),
        (
            (MAJOR, MAJOR),
            "Major outage: all 2 services unavailable",
            "Card payments and Checkout.",
        ),
        (
            (MAJOR, WELL, WELL),
            "Partial outage: 1 of 3 services unavailable",
            "Card payments. 2 work normally.",
        ),
        (
            (MAJOR, PARTIAL, SLOW, SLOW, WELL),
            "Partial outage: 1 of 5 services unavailable",
            "Card payments. One more is partly unavailable; 2 more are degraded; 1 works normally.",
        ),
        (
            (PARTIAL, PARTIAL, WELL),
            "Partial outage: 2 of 3 services partly unavailable",
            "Card payments and Checkout. 1 works normally.",
        ),
        (
            (SLOW, WORK, WELL),
            "Degraded performance: 1 of 3 services",
            "Card payments. One more is under maintenance; 1 works normally.",
        ),
        (
            (WORK, WELL),
            "Maintenance in progress: 1 of 2 services",
            "Card payments, as announced. Nothing is broken. 1 works normally.",
        ),
        ((MAJOR,), "Card payments: major outage", "Card payments, as customers see it."),
        ((WELL,), "Card payments: operational", "No incident has been published."),
        ((), "No services are listed yet", ""),
    ],
)
def test_the_banner_counts(statuses: tuple[ServiceStatus, ...], headline: str, lead: str) -> None:
    top = banner(with_statuses(*statuses), NOW)
    assert (top.headline, top.lead) == (headline, lead)


def test_the_banner_says_since_when_and_what_comes() -> None:
    top = banner(samples.outage_page(), NOW)
    assert top.since is not None
    assert (top.since.text, top.since_note) == ("14:07 UTC", "45 min")
    assert top.updated is not None
    assert (top.updated.text, top.updated_note) == ("14:46 UTC", "6 min ago")
    assert top.promise is not None
    assert top.promise.label == "Next update by"
    assert top.promise.moment.text == "15:15 UTC"
    assert top.promise.note == "in 23 min, also if nothing has changed"
    late = banner(samples.outage_page(), at("19 15:20"))
    assert late.promise is not None
    assert (late.promise.label, late.promise.note) == (
        "Next update was promised by",
        "5 min overdue",
    )


def test_the_banner_promises_only_what_the_worst_incident_promised() -> None:
    page = samples.outage_page()
    worst = next(each for each in page.incidents if each.status.is_open)
    minor = replace(
        worst, id=samples.uuid("minor"), code="INC-MMMM", impact=Impact.MINOR,
        next_update_by=NOW + timedelta(minutes=2),
    )  # fmt: skip
    both = banner(replace(page, incidents=(minor, *page.incidents)), NOW)
    assert both.promise is not None
    assert both.promise.moment.text == "15:15 UTC"
    silent = replace(worst, next_update_by=None)
    others = tuple(each for each in page.incidents if not each.status.is_open)
    assert banner(replace(page, incidents=(minor, silent, *others)), NOW).promise is None


def test_what_was_resolved_is_said_for_a_day() -> None:
    page = samples.resolved_page()
    soon = banner(page, at("18 09:52"))
    assert (soon.lead, soon.lead_code) == ("Resolved 40 min ago: Webhooks delivered late",
                                           "INC-K3VD")  # fmt: skip
    assert banner(page, at("19 09:11")).lead.startswith("Resolved 23 h 59 min ago")
    assert banner(page, at("19 09:13")).lead == "No incident since 18 Nov, 09:12 UTC, 1 day ago."


def test_what_was_resolved_stays_beside_what_is_open() -> None:
    """One is over, another goes on: both are said."""
    top = banner(samples.outage_page(), at("19 08:00"))
    assert top.recent == "Resolved 22 h 48 min ago: Webhooks delivered late"
    assert top.recent_code == "INC-K3VD"
    assert banner(samples.outage_page(), NOW).recent == ""
    calm = banner(samples.resolved_page(), at("18 09:52"))
    assert (calm.recent, calm.lead_code) == ("", "INC-K3VD")


def test_an_open_incident_on_a_calm_page_is_said() -> None:
    watching = replace(samples.OUTAGE, status=IncidentStatus.MONITORING)
    top = banner(samples.page({}, (watching,)), NOW)
    assert top.headline == "All 43 services operational"
    assert top.lead == (
        "One incident is still open, monitoring: Card payments and checkout are failing"
    )
    assert top.lead_code == "INC-7KQ2"


def test_a_page_nobody_has_looked_at_lately_says_so() -> None:
    assert banner(samples.quiet_page(), NOW).looked_note == ""
    old = replace(samples.quiet_page(), observed_at=NOW - timedelta(hours=2))
    assert banner(old, NOW).looked_note == "nobody has looked for 2 h"


def test_since_when_all_is_well() -> None:
    page = with_statuses(WELL, WELL)
    first, second = page.services
    later = replace(second, status_since=at("19 14:30"))
    assert overall_since(replace(page, services=(first, later))) == at("19 14:30")
    assert overall_since(with_statuses()) is None


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["A"], "A"),
        (["A", "B"], "A and B"),
        (list("ABCDEF"), "A, B, C, D, E and F"),
        (list("ABCDEFG"), "A, B, C, D, E and 2 more"),
    ],
)
def test_names_are_enumerated(names: list[str], text: str) -> None:
    assert enumerate_names(names) == text


def test_affected_come_first_and_healthy_groups_are_folded() -> None:
    view = page_view(samples.outage_page(), NOW)
    assert [service.name for service in view.affected] == [
        "Card payments", "Checkout", "Payouts", "Invoices", "Search",
    ]  # fmt: skip
    assert view.folded
    assert view.healthy_count == 38
    assert [group.note for group in view.groups][:2] == [
        "3 operational, 4 shown above",
        "8 operational",
    ]
    assert not page_view(samples.quiet_page(), NOW).folded


def test_a_group_names_its_lowest() -> None:
    view = page_view(samples.quiet_page(), NOW)
    for group in view.groups:
        uptimes = [service.strip.figures for service in group.services]
        lowest = min(each.succeeded / each.looked for each in uptimes)
        shown = float(group.figures.removeprefix("lowest ").partition("%")[0])
        assert shown <= lowest * 100 < shown + 0.011


def test_every_day_has_its_bar_and_its_title() -> None:
    page = samples.outage_page()
    service = page.services[0]
    by_code = {incident.code: incident for incident in page.incidents}
    strip = day_strip(service, by_code, NOW)
    assert len(strip.bars) == 90
    assert (strip.bars[0].on, strip.bars[-1].on) == (date(2026, 8, 22), date(2026, 11, 19))
    assert strip.bars[0].title == "22 Aug: 100%, coverage 100%"
    assert strip.bars[-1].title == (
        "19 Nov: Major outage: 96.87%, coverage 100%. "
        "Card payments and checkout are failing, 45 min so far"
    )
    assert strip.bars[-8].title.endswith("Checkout errors, 47 min")
    pale = [bar for bar in strip.bars if bar.pale]
    assert [bar.title for bar in pale] == ["2 Oct: 100%, coverage 70.0%"]
    assert strip.summary.startswith("90 days: ")


def test_the_list_of_days_says_every_day_once() -> None:
    for page in (samples.outage_page(), samples.quiet_page()):
        for service in page.services:
            strip = day_strip(service, {}, NOW)
            days = [
                run.last - timedelta(days=back)
                for run in strip.runs
                for back in range((run.last - run.first).days + 1)
            ]
            assert days == [bar.on for bar in reversed(strip.bars)]
            for run in strip.runs:
                (bar,) = [bar for bar in strip.bars if bar.on == run.first]
                assert run.status is bar.status


def test_a_young_service_has_days_without_data() -> None:
    young = next(s for s in samples.quiet_page().services if s.name == "Passkeys")
    strip = day_strip(young, {}, NOW)
    assert [bar.status for bar in strip.bars].count(None) == 53
    assert strip.bars[0].title == "22 Aug: no data"
    assert strip.figures.uptime == "100%"
    assert strip.figures.window == "over 37 days"
    assert strip.runs[-1].text == "53 days, no data"
    assert strip.summary.endswith("53 without data")


def test_no_checks_are_never_a_hundred_percent() -> None:
    service = replace(samples.quiet_page().services[0], days=())
    strip = day_strip(service, {}, NOW)
    assert (strip.figures.uptime, strip.figures.coverage) == ("no data", None)
    assert all(bar.status is None for bar in strip.bars)
    blind = PublicDay(samples.TODAY, 0, 0, 0, 100, 0, None, None, WELL)
    strip = day_strip(replace(service, days=(blind,)), {}, NOW)
    assert strip.bars[-1].status is None
    assert strip.bars[-1].title == "19 Nov: no data, coverage 0%"


def test_one_failure_in_a_hundred_thousand_is_not_hidden() -> None:
    day = PublicDay(samples.TODAY, 99_999, 100_000, 100_000, 100, 100, 1.0, 2.0, WELL)
    assert figures([day]).uptime == "99.99%"


def test_today_shows_what_is_said_now() -> None:
    service = replace(samples.quiet_page().services[4], status=PARTIAL)
    assert day_strip(service, {}, NOW).bars[-1].status is PARTIAL


def test_stages_and_updates() -> None:
    view = incident_view(samples.OUTAGE, NOW)
    assert [(stage.word, stage.state) for stage in view.stages] == [
        ("Investigating", "done"),
        ("Identified", "now"),
        ("Monitoring", "ahead"),
        ("Resolved", "ahead"),
    ]
    assert [stage.at.text if stage.at else "" for stage in view.stages] == [
        "14:09",
        "14:46",
        "",
        "",
    ]
    assert view.length == "identified, 45 min so far"
    assert [update.source for update in view.updates] == [
        "Confirmed by our team", "Confirmed by our team", "Detected automatically",
    ]  # fmt: skip
    assert view.updates[1].edited is not None
    assert view.updates[1].edited.text == "14:25"
    skipped = incident_view(samples.PAST[1], NOW)
    assert [stage.state for stage in skipped.stages] == ["done", "passed", "passed", "now"]
    assert skipped.length == "resolved after 47 min"
    assert "<em>payment gateway</em>" in skipped.postmortem


def test_an_incident_without_updates_is_shown() -> None:
    bare = replace(samples.OUTAGE, updates=(), impact=Impact.NONE)
    view = incident_view(bare, NOW)
    assert (view.updates, view.excerpt, view.impact) == ((), "", "No impact")


def test_the_last_days_merge_quiet_neighbours() -> None:
    entries = recent_days(samples.resolved_page(), NOW)
    assert [entry.when for entry in entries] == [
        "19 Nov", "18 Nov", "13 – 17 Nov", "12 Nov", "10 – 11 Nov", "9 Nov", "6 – 8 Nov",
    ]  # fmt: skip
    assert entries[0].note.startswith("No incidents so far today. Coverage ")
    assert [view.code for view in entries[1].incidents] == ["INC-K3VD"]
    # The open one is told above; its day is neither quiet nor listed.
    assert recent_days(samples.outage_page(), NOW)[0].when == "18 Nov"


def test_months_lead_to_each_other() -> None:
    page = samples.resolved_page()
    present = month_view(page, None, NOW)
    assert present is not None
    assert (present.name, present.newer, present.older) == ("November 2026", None, "2026-10")
    assert [entry.when for entry in present.entries] == ["18 Nov", "12 Nov", "9 Nov"]
    september = month_view(page, (2026, 9), NOW)
    assert september is not None
    assert [view.code for entry in september.entries for view in entry.incidents] == ["INC-M0NT"]
    assert month_view(page, (2026, 12), NOW) is None
    assert month_view(page, (2019, 1), NOW) is None
    january = month_view(page, (2026, 1), NOW)
    assert january is not None
    assert (january.older, january.newer) == ("2025-12", "2026-02")


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-1", "26-01", "2026-13", "2026-00", "x", "٢٠٢٦-٠١"]
)
def test_what_is_no_month(text: str) -> None:
    assert parse_month(text) is None


def test_maintenance_in_progress() -> None:
    view = page_view(samples.maintenance_page(), NOW)
    (window,) = view.running
    assert window.progress == 435
    assert window.remaining == "in 1 h 8 min"
    assert view.banner.promise is not None
    assert view.banner.promise.label == "Planned to end at"
    assert [each.repeats for each in view.upcoming] == ["every week"]
    assert view.upcoming[0].when == "Sun 29 Nov, 02:00 – 03:00 UTC"


def test_maintenance_that_was_cancelled_is_not_announced() -> None:
    page = samples.quiet_page()
    cancelled = replace(page.maintenance[0], status=MaintenanceStatus.CANCELLED)
    view = page_view(replace(page, maintenance=(cancelled,)), NOW)
    assert (view.upcoming, view.banner.promise) == ((), None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (4320, "1 h 12 min"),
        (86_400, "1 day"),
        (104_400, "1 day 5 h"),
        (86_400 * 8 + 7200, "8 days"),
    ],
)
def test_how_long(seconds: int, text: str) -> None:
    assert times.span(timedelta(seconds=seconds)) == text


def test_times_of_other_years_say_so() -> None:
    assert times.day(date(2025, 11, 19), date(2026, 1, 2)) == "19 Nov 2025"
    assert times.days(date(2025, 12, 30), date(2026, 1, 2), date(2026, 1, 2)) == (
        "30 Dec 2025 – 2 Jan"
    )
    assert times.moment(at("18 09:12"), NOW) == "18 Nov, 09:12 UTC"
    assert times.machine(at("18 09:12")) == "2026-11-18T09:12:00Z"


def test_the_chart_says_what_it_draws() -> None:
    service = samples.quiet_page().services[0]
    chart = latency_chart(service.points, NOW)
    assert chart is not None
    assert chart.median.count("M") == 1
    assert chart.median.count("l") == 23
    assert chart.hours == ("15:00", "21:00", "03:00", "09:00", "15:00")
    assert chart.sentence.startswith("Half of the answers came within about ")
    broken = latency_chart(samples.points("x", silent=3), NOW)
    assert broken is not None
    assert broken.gaps.count("M") == 3
    assert "In 3 hours no check was answered." in broken.sentence
    assert latency_chart((), NOW) is None
    (only,) = service.points[-1:]
    single = latency_chart((only,), NOW)
    assert single is not None
    assert "h20" in single.median


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.34, "0.3 ms"), (2, "2 ms"), (180.4, "180 ms"), (1400, "1.4 s"), (2000, "2 s")],
)
def test_milliseconds(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_plain_text_says_the_same() -> None:
    page = samples.outage_page()
    text = page_text(page_view(page, NOW), {each.code: each for each in page.incidents})
    assert text.startswith("Acme Status\n===========\n\nPartial outage: 4 of 43")
    assert "Next update by 15:15 UTC (in 23 min, also if nothing has changed)." in text
    assert "!!! Card payments: Major outage, since 14:07 UTC" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    assert text.endswith("As of 19 Nov 2026, 14:52 UTC. All times are UTC.\n")


def test_links_to_support_lead_to_the_web_only() -> None:
    page = replace(samples.quiet_page(), support_link="javascript:alert(1)")
    assert page_view(page, NOW).support_link == ""
    assert page_view(samples.quiet_page(), NOW).support_link == "https://acme.test/support"
