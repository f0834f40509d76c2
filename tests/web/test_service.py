"""The page on a real database: how fast it follows, and what it does when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import asyncpg
import pytest

from statustui.domain.errors import StatustuiError
from statustui.domain.publicmodels import PublicPage
from statustui.settings import WebSettings
from statustui.store.changes import ChangeListener
from statustui.store.connection import Pool, open_pool
from statustui.store.public import PublicStore
from statustui.web import service as module
from statustui.web.service import Health, WebService
from tests.support.databases import Database
from tests.support.tenants import Tenants, settle_tenants
from tests.web.serving import Client, Reply, settings


class WatchedStore(PublicStore):
    """The real store, which counts its readings and can be made to wait."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.readings = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def _reach(self) -> None:
        await self.gate.wait()
        self.readings += 1

    async def load_page(self, slug: str, *, days: int = 90) -> PublicPage | None:
        await self._reach()
        return await super().load_page(slug, days=days)

    async def reload_page(self, before: PublicPage, *, incidents: bool) -> PublicPage | None:
        await self._reach()
        return await super().reload_page(before, incidents=incidents)


@dataclass
class Running:
    """A service, its store and its world."""

    service: WebService
    store: WatchedStore
    tenants: Tenants
    web: WebSettings
    changes: ChangeListener

    async def get(self, path: str, *fields: str) -> Reply:
        host, _, port = self.service.address.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        async with Client(reader, writer) as client:
            return await client.ask(path, *fields)

    async def data(self, path: str) -> Any:
        reply = await self.get(f"/api/public/acme-corp/{path}")
        assert reply.status == 200, reply.text
        return reply.data["data"]

    async def owner(self) -> asyncpg.Connection:
        return await self.tenants.connect("owner")


@pytest.fixture
async def running(database: Database) -> AsyncIterator[Running]:
    tenants = await settle_tenants(database)
    pool = await open_pool(database.target("statustui_web"), min_size=1, max_size=3)
    store = WatchedStore(pool)
    async with ChangeListener(database.target("statustui_web")) as changes:
        service = WebService(store, changes, settings(), lambda: Health(True, "active"))
        await service.start()
        try:
            yield Running(service, store, tenants, settings(), changes)
        finally:
            store.gate.set()
            await service.stop()
            await pool.close()


async def until(probe: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> float:
    """Ask again and again until it is so; gives the seconds that it took."""
    begun = monotonic()
    async with asyncio.timeout(seconds):
        while not await probe():
            await asyncio.sleep(0.01)
    return monotonic() - begun


async def test_pages_are_there_from_the_start(running: Running) -> None:
    data = await running.data("status")
    assert [each["name"] for each in data["services"]] == ["API"]
    page = await running.get("/s/acme-corp")
    assert page.status == 200
    assert "words of incident" in page.text
    assert "secret" not in page.text
    assert (await running.get("/readyz")).status == 200
    listed = await running.get("/")
    assert "/s/acme-corp" in listed.text
    assert "/s/other" in listed.text


async def test_a_post_is_on_the_page_within_a_second(running: Running) -> None:
    owner = await running.owner()
    await running.data("status")
    made = await owner.fetchrow(
        "SELECT * FROM incident_create($1, 'Search is down', 'critical', 'We look.', $2)",
        running.tenants.org,
        [running.tenants.ids["api"]],
    )
    assert made is not None

    async def is_told() -> bool:
        data = await running.data("status")
        codes = [each["code"] for each in data["active_incidents"]]
        return made["code"] in codes and data["overall_status"] == "major_outage"

    # Polling alone would take 30 s.
    assert await until(is_told) < 3
    page = await running.get("/s/acme-corp")
    assert "Search is down" in page.text
    assert "Major outage" in page.text or "major outage" in page.text
    await owner.execute("SELECT post_update($1, 'All over.', 'resolved')", made["incident_id"])

    async def is_over() -> bool:
        return "All over." in (await running.get(f"/s/acme-corp/incidents/{made['code']}")).text

    assert await until(is_over) < 3


async def test_page_settings_follow(running: Running) -> None:
    owner = await running.owner()
    await owner.execute("UPDATE pages SET name = 'New name' WHERE slug = 'acme-corp'")

    async def is_renamed() -> bool:
        return "New name" in (await running.get("/s/acme-corp")).text

    assert await until(is_renamed) < 3
    await owner.execute("UPDATE pages SET visibility = 'private' WHERE slug = 'acme-corp'")

    async def is_gone() -> bool:
        return (await running.get("/s/acme-corp")).status == 404

    assert await until(is_gone) < 3
    assert (await running.get("/api/public/acme-corp/status")).status == 404
    assert (await running.get("/")).fields["location"] == "/s/other"


async def test_figures_follow_within_five_seconds(running: Running) -> None:
    await running.data("uptime")
    admin = await running.tenants.database.connect()
    await admin.execute("SET search_path = statustui, pg_temp")
    await admin.execute(
        "UPDATE rollups_daily SET failure = 1 WHERE monitor = $1", running.tenants.key
    )
    await admin.execute(
        "UPDATE observed SET observed_at = now() WHERE org_id = $1", running.tenants.org
    )

    async def is_counted() -> bool:
        (service,) = (await running.data("uptime"))["services"]
        return service["overall_uptime"] == 50

    # Every three seconds while somebody asks, and what the machine adds.
    assert await until(is_counted, 12) < 8


async def _admit(database: Database, *, connections: bool) -> None:
    """Let the database accept connections or not; those that are open are ended."""
    admin = await asyncpg.connect(**database.server.parameters("postgres", "postgres"))
    try:
        allowed = "true" if connections else "false"
        await admin.execute(f"ALTER DATABASE {database.name} WITH ALLOW_CONNECTIONS {allowed}")
        if not connections:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                database.name,
            )
    finally:
        await admin.close()


async def test_the_last_state_is_served_while_the_database_is_away(running: Running) -> None:
    before = await running.get("/s/acme-corp")
    database = running.tenants.database
    await _admit(database, connections=False)

    async def is_stale() -> bool:
        return "cannot be brought up to date" in (await running.get("/s/acme-corp")).text

    await until(is_stale)
    page = await running.get("/s/acme-corp")
    assert page.status == before.status == 200
    assert "As of <time" in page.text
    begun = monotonic()
    for _ in range(50):
        assert (await running.get("/api/public/acme-corp/status")).status == 200
    assert monotonic() - begun < 5, "somebody waited for the database"
    await _admit(database, connections=True)
    owner = await running.owner()
    await owner.execute("UPDATE pages SET name = 'Back again' WHERE slug = 'acme-corp'")

    async def is_fresh() -> bool:
        text = (await running.get("/s/acme-corp")).text
        return "cannot be brought up to date" not in text and "Back again" in text

    await until(is_fresh, 10)


async def test_who_comes_before_the_first_reading_shares_it(database: Database) -> None:
    await settle_tenants(database)
    pool = await open_pool(database.target("statustui_web"), min_size=1, max_size=3)
    store = WatchedStore(pool)
    store.gate.clear()
    async with ChangeListener(database.target("statustui_web")) as changes:
        service = WebService(store, changes, settings(), lambda: Health(True, "active"))
        await service.start()
        running = Running(service, store, None, settings(), changes)  # type: ignore[arg-type]
        asked = [asyncio.create_task(running.get("/s/acme-corp")) for _ in range(20)]
        while len(service._server.connections) < 20 or any(
            each._busy is None for each in service._server.connections
        ):
            await asyncio.sleep(0.01)
        assert not any(each.done() for each in asked)
        store.gate.set()
        replies = await asyncio.gather(*asked)
        assert {reply.status for reply in replies} == {200}
        assert store.readings <= 4, "each reader read for itself"
        await service.stop()
    await pool.close()


async def test_a_page_that_nobody_wants_is_not_read(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.data("status")
    monkeypatch.setattr(module, "ASKED_LATELY_SECONDS", 0.0)
    owner = await running.owner()
    await until(_still(running.store))
    readings = running.store.readings
    await owner.execute("UPDATE services SET description = 'seen' WHERE name = 'API'")
    subscription = running.changes.subscribe()
    await owner.execute("UPDATE services SET description = 'seen again' WHERE name = 'API'")
    async with asyncio.timeout(5):
        await anext(subscription)
    assert running.store.readings == readings
    # Who comes then gets the present state, not the old one.
    (service,) = await running.data("services")
    assert service["description"] == "seen again"


def _still(store: WatchedStore) -> Callable[[], Awaitable[bool]]:
    """Whether nothing is being read any more."""

    async def probe() -> bool:
        before = store.readings
        await asyncio.sleep(0.5)
        return store.readings == before

    return probe


async def test_more_days_are_read_when_they_are_asked_for(running: Running) -> None:
    (service,) = (await running.data("uptime?days=365"))["services"]
    assert len(service["days"]) == 365
    readings = running.store.readings
    await running.data("uptime?days=365")
    assert running.store.readings <= readings + 1


async def test_a_port_in_use_is_said_with_advice(running: Running) -> None:
    port = int(running.service.address.rpartition(":")[2])
    other = WebService(
        running.store, running.changes, settings(port=port), lambda: Health(True, "active")
    )
    with pytest.raises(StatustuiError, match="cannot listen") as raised:
        await other.start()
    assert "STATUSTUI_WEB__PORT" in raised.value.advice
