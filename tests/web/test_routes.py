"""Every address: its status, its shape, and that all links lead somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from statustui.domain.status import Visibility
from statustui.web.health import Health
from tests.web import samples
from tests.web.serving import serve

PRIVATE = replace(samples.quiet_page(), slug="inside", visibility=Visibility.PRIVATE)


class Links(HTMLParser):
    """Collects what a page refers to, and what strict rules forbid."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.internal: set[str] = set()
        self.external: set[str] = set()
        self.loaded: set[str] = set()
        self.ids: list[str] = []
        self.fragments: set[str] = set()
        self.forbidden: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.forbidden.append(f"{tag} {name}")
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                address = value or ""
                if address.startswith("#"):
                    self.fragments.add(address[1:])
                elif tag in ("link", "script", "img"):
                    self.loaded.add(address)
                elif address.startswith("/"):
                    self.internal.add(address)
                else:
                    self.external.add(address)
        if tag in ("style", "iframe", "object", "embed", "form", "base"):
            self.forbidden.append(tag)


PAGES = {
    "quiet": samples.quiet_page,
    "outage": samples.outage_page,
    "maintenance": samples.maintenance_page,
    "resolved": samples.resolved_page,
    "small": samples.small_page,
    "empty": samples.empty_page,
    "hostile": samples.hostile_page,
}


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES.keys())
async def test_every_link_leads_somewhere_and_nothing_is_inline(make: Any) -> None:
    page = make()
    async with serve([page]) as served:
        start = f"/s/{page.slug}"
        todo, seen = [start], set()
        while todo:
            path = todo.pop()
            seen.add(path)
            reply = await served.get(path)
            assert reply.status == 200, path
            if not reply.fields["content-type"].startswith("text/html"):
                continue
            links = Links(reply.text)
            assert links.forbidden == [], path
            assert links.fragments <= set(links.ids), path
            assert len(links.ids) == len(set(links.ids)), path
            assert all(address.startswith("/") for address in links.loaded), path
            assert not any(address.startswith("javascript") for address in links.external)
            # Codes of the shop's incidents are enough; months go back far.
            todo += [
                each.partition("#")[0]
                for each in links.internal | links.loaded
                if each.partition("#")[0] not in {*seen, *todo}
            ]
    assert len(seen) >= 5


async def test_a_page_is_small_on_the_wire() -> None:
    async with serve([samples.outage_page()]) as served:
        page = await served.get("/s/acme", "Accept-Encoding: gzip")
        total = len(page.body)
        plain = await served.get("/s/acme")
        for address in Links(plain.text).loaded:
            total += len((await served.get(address, "Accept-Encoding: gzip")).body)
    assert total < 60_000


async def test_a_page_of_hundreds_of_services_is_small_too() -> None:
    full = samples.quiet_page()
    many = replace(
        full,
        services=tuple(
            replace(each, id=samples.uuid(each.id, copy), name=f"{each.name} {copy}")
            for copy in range(8)
            for each in full.services
        ),
    )
    async with serve([many]) as served:
        page = await served.get("/s/acme", "Accept-Encoding: gzip")
        text = (await served.get("/s/acme")).text
    assert len(many.services) == 344
    assert len(page.body) < 60_000
    assert "All 344 services operational" in text


async def test_the_start_leads_to_the_only_page_or_lists_them() -> None:
    async with serve([samples.small_page(), PRIVATE]) as served:
        reply = await served.get("/")
        assert (reply.status, reply.fields["location"]) == (307, "/s/acme")
        tail = await served.get("/s/acme/")
        assert (tail.status, tail.fields["location"]) == (308, "/s/acme")
    other = replace(samples.small_page(), slug="other", name="Other <b>Status</b>")
    async with serve([samples.small_page(), other, PRIVATE]) as served:
        reply = await served.get("/")
        assert reply.status == 200
        assert 'href="/s/acme"' in reply.text
        assert "Other &lt;b&gt;Status&lt;/b&gt;" in reply.text
        assert "inside" not in reply.text
    async with serve([PRIVATE]) as served:
        assert (await served.get("/")).status == 404


ADDRESSES = [
    "/s/{}", "/s/{}/", "/s/{}/history", "/s/{}/incidents/INC-9XW1", "/s/{}/page-000000000000.css",
    "/api/public/{}/status", "/api/public/{}/services", "/api/public/{}/incidents",
    "/api/public/{}/incidents?page=x", "/api/public/{}/incidents/INC-9XW1",
    "/api/public/{}/uptime", "/api/public/{}/uptime?days=x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_private_page_is_one_that_does_not_exist(address: str) -> None:
    async with serve([samples.small_page(), PRIVATE]) as served:
        private = await served.get(address.format("inside"))
        absent = await served.get(address.format("absent"))
    private.fields.pop("date")
    absent.fields.pop("date")
    assert private == absent
    assert private.status == 404
    if address.startswith("/api/"):
        assert private.data["error"]["code"] == "NOT_FOUND"
    else:
        assert "There is nothing here" in private.text


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/s", "/s/", "/s/acme/nowhere", "/s/acme/incidents", "/s/acme/incidents/",
     "/s/acme/incidents/NONE", "/s/acme/history?month=2026-13", "/s/acme/history?month=x",
     "/s/acme/history?month=1971-01", "/s/acme/history?month=2099-01", "/static/../http1.py",
     "/static/page.css", "/static/icon-other.svg", "/favicon.ico", "/api/public/acme",
     "/api/public/acme/nothing", "/api/public/acme/incidents/", "/api/public/acme/uptime/x",
     "/s/ACME", "/s/acme/page-zz.css", "/api/public//status"],
)  # fmt: skip
async def test_what_does_not_exist(path: str) -> None:
    async with serve([samples.outage_page()]) as served:
        reply = await served.get(path)
    assert reply.status == (400 if ".." in path else 404)
    if path.startswith("/api/"):
        assert reply.data == {
            "error": {"code": "NOT_FOUND", "message": "there is nothing at this address"}
        }


async def test_curl_reads_text() -> None:
    async with serve([samples.outage_page()]) as served:
        curl = await served.get("/s/acme", "User-Agent: curl/8.5.0", "Accept: */*")
        asked = await served.get("/s/acme", "Accept: text/plain")
        incident = await served.get("/s/acme/incidents/INC-7KQ2", "Accept: text/plain")
        history = await served.get("/s/acme/history", "Accept: text/plain")
        browser = await served.get("/s/acme", "Accept: text/html")
        missing = await served.get("/s/none", "User-Agent: curl/8.5.0")
    assert curl.body == asked.body
    assert curl.fields["content-type"] == "text/plain; charset=utf-8"
    assert "private" in curl.fields["cache-control"], "a shared cache may hand it to a browser"
    assert "Partial outage: 4 of 43 services unavailable" in curl.text
    assert "Card payments and checkout are failing" in curl.text
    assert "We have found the cause" in curl.text
    assert "<" not in curl.text.replace("<!", "")
    assert "We can confirm" in incident.text
    assert "Checkout errors" in history.text
    assert browser.fields["content-type"] == "text/html; charset=utf-8"
    assert missing.fields["content-type"].startswith("text/plain")


async def test_style_sheets_carry_the_brand_and_may_be_kept() -> None:
    page = replace(samples.small_page(), brand_color="#FFE600")
    async with serve([page]) as served:
        (address,) = [
            each
            for each in Links((await served.get("/s/acme")).text).loaded
            if each.endswith(".css")
        ]
        sheet = await served.get(address)
        old = await served.get("/s/acme/page-000000000000.css")
    assert "--brand: #ffe600" in sheet.text
    assert "--brand-ink: #7a6d00" in sheet.text
    assert "immutable" in sheet.fields["cache-control"]
    assert old.status == 200
    assert "immutable" not in old.fields["cache-control"], "an old page gets the new sheet for now"
    assert old.body == sheet.body


def is_time(text: object) -> bool:
    assert isinstance(text, str)
    assert text.endswith("Z")
    return datetime.fromisoformat(text).utcoffset() == timedelta()


async def api(path: str) -> Any:
    async with serve([samples.outage_page()]) as served:
        reply = await served.get(f"/api/public/acme/{path}")
    assert reply.fields["content-type"] == "application/json"
    assert reply.fields["access-control-allow-origin"] == "*"
    return reply


async def test_api_status() -> None:
    data = (await api("status")).data["data"]
    assert list(data) == [
        "organization", "page", "overall_status", "overall_since", "services",
        "active_incidents", "maintenance", "observed_at", "coverage",
    ]  # fmt: skip
    assert data["organization"] == {
        "name": "Acme Corp",
        "slug": "acme",
        "logo_url": None,
        "brand_color": "#3B82F6",
        "timezone": "Europe/Berlin",
        "url": None,
    }
    assert data["page"] == {
        "name": "Acme Status",
        "slug": "acme",
        "description": "Checked from outside by Acme's own monitoring.",
        "visibility": "public",
    }
    assert data["overall_status"] == "major_outage"
    assert data["overall_since"] == "2026-11-19T14:07:00Z"
    assert len(data["services"]) == 43
    assert data["services"][0] == {
        "id": str(samples.uuid("service", "Card payments")),
        "name": "Card payments",
        "description": "Card payments, as customers see it.",
        "current_status": "major_outage",
        "status_since": "2026-11-19T14:07:00Z",
        "group_name": "Payments",
        "display_order": 0,
    }
    assert [each["code"] for each in data["active_incidents"]] == ["INC-7KQ2"]
    assert data["maintenance"]["active"] == []
    assert [each["title"] for each in data["maintenance"]["upcoming"]] == [
        "Reporting storage moves to new disks",
        "Weekly restart of the sandbox",
    ]
    assert data["maintenance"]["upcoming"][0]["services"][0] == {
        "id": str(samples.uuid("service", "Reports")),
        "name": "Reports",
    }
    assert is_time(data["observed_at"])
    assert 90 < data["coverage"] < 100


async def test_api_incidents() -> None:
    document = (await api("incidents")).data
    assert document["pagination"] == {"page": 1, "per_page": 10, "total": 5}
    assert [each["code"] for each in document["data"]] == [
        "INC-7KQ2", "INC-K3VD", "INC-9XW1", "INC-B77Q", "INC-M0NT",
    ]  # fmt: skip
    incident = document["data"][0]
    assert list(incident) == [
        "id", "code", "title", "status", "impact", "is_auto", "started_at", "identified_at",
        "monitoring_at", "resolved_at", "created_at", "updated_at", "next_update_by", "updates",
        "affected_services", "postmortem",
    ]  # fmt: skip
    assert incident["status"] == "identified"
    assert incident["impact"] == "critical"
    assert incident["monitoring_at"] is None
    assert incident["next_update_by"] == "2026-11-19T15:15:00Z"
    assert list(incident["updates"][0]) == [
        "id", "status", "message", "message_html", "still_works", "created_at", "edited_at",
        "detected",
    ]  # fmt: skip
    assert [each["detected"] for each in incident["updates"]] == [
        "person", "person", "automatically",
    ]  # fmt: skip
    assert incident["updates"][1]["edited_at"] == "2026-11-19T14:25:00Z"
    assert incident["affected_services"][0] == {
        "id": str(samples.uuid("service", "Card payments")),
        "name": "Card payments",
        "from_status": "operational",
        "to_status": "major_outage",
    }


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("per_page=2", ["INC-7KQ2", "INC-K3VD"]),
        ("per_page=2&page=3", ["INC-M0NT"]),
        ("page=9", []),
        ("status=resolved&per_page=1", ["INC-K3VD"]),
        ("status=identified", ["INC-7KQ2"]),
        ("impact=major", ["INC-9XW1"]),
        ("since=2026-11-13", ["INC-7KQ2", "INC-K3VD"]),
        ("until=2026-11-12", ["INC-9XW1", "INC-B77Q", "INC-M0NT"]),
        ("until=2026-11-12T22:03:59Z", ["INC-B77Q", "INC-M0NT"]),
        ("since=2026-11-12T23:04:00%2B01:00&until=2026-11-12T22:04:00Z", ["INC-9XW1"]),
        (f"service_id={samples.uuid('service', 'Search')}", ["INC-B77Q"]),
        ("since=2026-11-13&since=2026-11-19", ["INC-7KQ2"]),
        ("unknown=1&per_page=1", ["INC-7KQ2"]),
    ],
)
async def test_api_incidents_can_be_chosen(query: str, codes: list[str]) -> None:
    document = (await api(f"incidents?{query}")).data
    assert [each["code"] for each in document["data"]] == codes
    assert document["pagination"]["total"] >= len(codes)


BAD_QUERIES = [
    ("incidents?page=0", "page"), ("incidents?page=x", "page"), ("incidents?page=-1", "page"),
    ("incidents?page=", "page"), ("incidents?page=1e3", "page"), ("incidents?page=%D9%A3", "page"),
    ("incidents?page=99999999999999999999", "page"), ("incidents?per_page=51", "per_page"),
    ("incidents?per_page=0", "per_page"), ("incidents?status=broken", "status"),
    ("incidents?impact=huge", "impact"), ("incidents?service_id=x", "service_id"),
    ("incidents?since=yesterday", "since"), ("incidents?until=2026-02-30", "until"),
    ("incidents?since=0001-01-01T00:00:00%2B23:00", "since"),
    ("uptime?days=0", "days"), ("uptime?days=366", "days"), ("uptime?days=1.5", "days"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "name"), BAD_QUERIES)
async def test_api_names_the_bad_parameter(query: str, name: str) -> None:
    reply = await api(query)
    assert reply.status == 422
    assert reply.data["error"]["code"] == "VALIDATION_ERROR"
    assert reply.data["error"]["message"].startswith(f"{name} must be ")


async def test_api_one_incident() -> None:
    by_id = await api(f"incidents/{samples.uuid('incident', 'INC-9XW1')}")
    by_code = await api("incidents/INC-9XW1")
    lower = await api("incidents/inc-9xw1")
    assert by_id.data == by_code.data == lower.data
    assert by_id.data["data"]["postmortem"].startswith("## What went wrong")
    assert (await api("incidents/INC-XXXX")).status == 404


async def test_api_services() -> None:
    assert [each["name"] for each in (await api("services")).data["data"]][:3] == [
        "Card payments",
        "Checkout",
        "Payouts",
    ]


async def test_api_uptime() -> None:
    services = (await api("uptime?days=60")).data["data"]["services"]
    assert len(services) == 43
    young = next(each for each in services if each["service_name"] == "Passkeys")
    assert list(young) == ["service_id", "service_name", "overall_uptime", "coverage", "days"]
    assert [day["date"] for day in young["days"]] == [
        (date(2026, 11, 19) - timedelta(days=back)).isoformat() for back in range(60)
    ]
    assert list(young["days"][0]) == [
        "date", "uptime_percentage", "avg_response_time_ms", "p95_response_time_ms",
        "total_checks", "coverage", "worst_status",
    ]  # fmt: skip
    assert young["days"][0]["uptime_percentage"] == 100
    assert young["days"][36]["total_checks"] > 0
    assert young["days"][37]["uptime_percentage"] is None, "a day without checks is never 100"
    assert young["days"][37]["total_checks"] == 0
    card = services[0]
    assert card["days"][0]["worst_status"] == "major_outage"
    assert card["days"][0]["uptime_percentage"] == 96.875
    assert card["overall_uptime"] < 100


async def test_api_uptime_over_more_days_than_were_read_asks_for_them() -> None:
    async with serve([samples.small_page()]) as served:
        reply = await served.get("/api/public/acme/uptime?days=365")
        assert served.wanted == [("acme", 365)]
    assert len(reply.data["data"]["services"][0]["days"]) == 365


async def test_no_internal_word_is_in_any_answer() -> None:
    async with serve([samples.outage_page()]) as served:
        for path in ("status", "incidents", "services", "uptime"):
            text = (await served.get(f"/api/public/acme/{path}")).text
            assert not re.search(r"org_id|created_by|author|internal|config|error_kind|lead", text)


async def test_health() -> None:
    async with serve([samples.small_page()]) as served:
        well = await served.get("/healthz")
        ready = await served.get("/readyz")
    assert (well.status, well.data) == (
        200,
        {"status": "ok", "database": "ok", "engine": "active", "web": "ok"},
    )
    assert (ready.status, ready.data) == (200, {"status": "ready", "database": "ok"})
    async with serve(
        [samples.small_page()],
        health=Health(database=False, engine="stopped", spooled_results=7, spool_bytes=900),
    ) as served:
        ill = await served.get("/healthz")
        assert (ill.status, ill.data["database"]) == (503, "unavailable")
        assert ill.data["spool"] == {"results": 7, "bytes": 900}
        not_ready = await served.get("/readyz")
        assert not_ready.status == 503
        assert not_ready.data == {"status": "unavailable", "database": "unavailable"}
        served.pages.loaded = False
        starting = await served.get("/readyz")
        assert (starting.status, starting.data["status"]) == (503, "starting")


async def test_a_page_that_cannot_be_read_yet_says_so() -> None:
    async with serve([], unread=[samples.small_page()]) as served:
        for path in ("/s/acme", "/api/public/acme/status"):
            reply = await served.get(path)
            assert reply.status == 503
            assert reply.fields["retry-after"] == "5"
        assert reply.data["error"]["code"] == "UNAVAILABLE"
        assert (await served.get("/s/other")).status == 404
        served.pages.put_index([])
        served.pages.loaded = False
        assert (await served.get("/s/other")).status == 503


async def test_the_last_state_is_served_with_its_age() -> None:
    async with serve([samples.outage_page()]) as served:
        page = served.pages.get("acme")
        assert page is not None
        before = await served.get("/s/acme")
        page.put_stale()
        after = await served.get("/s/acme")
        text = await served.get("/s/acme", "Accept: text/plain")
        data = await served.get("/api/public/acme/status")
    assert "cannot be brought up to date" not in before.text
    assert 'As of <time datetime="2026-11-19T14:52:10Z">14:52 UTC</time>' in after.text
    assert "As of 14:52 UTC" in text.text
    assert data.status == 200
    assert before.fields["etag"] != after.fields["etag"]


async def test_equal_states_keep_their_tag() -> None:
    async with serve([samples.outage_page()]) as served:
        first = await served.get("/api/public/acme/services")
        page = served.pages.get("acme")
        assert page is not None
        page.put(samples.outage_page(), read=0.0)
        again = await served.get(
            "/api/public/acme/services", f"If-None-Match: {first.fields['etag']}"
        )
        page.put(samples.quiet_page(), read=0.0)
        changed = await served.get(
            "/api/public/acme/services", f"If-None-Match: {first.fields['etag']}"
        )
    assert (again.status, changed.status) == (304, 200)


async def test_answers_for_rare_addresses_do_not_push_out_the_page() -> None:
    async with serve([samples.small_page()]) as served:
        await served.get("/s/acme")
        page = served.pages.get("acme")
        assert page is not None
        async with await served.connect() as client:
            for number in range(1, 400):
                reply = await client.ask(f"/api/public/acme/incidents?page={number}")
                assert reply.status == 200
        assert ("page", False) in page._answers
        assert len(page._answers) <= 300
