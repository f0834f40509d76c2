"""A file is applied whole or not at all, says what it changes, and changes nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from statustui.domain.configuration import Configuration, read_configuration
from statustui.domain.configuration_writing import configuration_to_mapping
from statustui.domain.errors import Conflict, Forbidden, NotFound, ValidationFailed
from statustui.domain.status import MonitorState
from statustui.store.connection import open_pool
from statustui.store.operator import OperatorStore
from tests.support.databases import Database
from tests.support.house import House, open_house


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with open_house(database) as opened:
        yield opened


@pytest.fixture
async def newcomer(database: Database) -> AsyncIterator[OperatorStore]:
    """Somebody on an installation without any organization."""
    admin = await database.connect()
    role = database.person("newcomer")
    await admin.execute(f"CREATE ROLE {role} LOGIN IN ROLE statustui_operator")
    pool = await open_pool(database.target(role))
    yield OperatorStore(pool)
    await pool.close()


def monitor(name: str = "health", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "http", "config": {"url": "http://x.test/"}, **more}


def file(**sections: Any) -> Configuration:
    return read_configuration({"organization": {"slug": "acme", "name": "Acme Corp"}, **sections})


SERVICES: list[dict[str, Any]] = [
    {"name": "API", "group": "Core", "depends_on": ["Database"], "monitors": [monitor()]},
    {
        "name": "Database",
        "visible": False,
        "monitors": [
            {"name": "port", "type": "tcp", "config": {"host": "db", "port": 5432}},
        ],
    },
]


async def test_an_empty_installation_gets_its_organization(newcomer: OperatorStore) -> None:
    wanted = file(
        pages=[{"name": "Acme Status"}, {"slug": "api", "name": "API", "services": ["API"]}],
        services=SERVICES,
        maintenance=[
            {
                "title": "Restart",
                "starts": "2020-01-05T02:00",
                "duration": "1h",
                "recurrence": "FREQ=WEEKLY;BYDAY=SU",
                "services": ["API"],
            }
        ],
    )
    tried = await newcomer.apply_configuration(wanted, dry_run=True)
    assert await newcomer.organizations() == ()
    made = await newcomer.apply_configuration(wanted)
    assert made == tried
    assert {(change.action, change.kind, change.name) for change in made} == {
        ("create", "organization", "acme"),
        ("create", "page", "acme"),
        ("create", "page", "api"),
        ("create", "service", "API"),
        ("create", "service", "Database"),
        ("create", "monitor", "API/health"),
        ("create", "monitor", "Database/port"),
        ("create", "maintenance", "Restart"),
    }
    (organization,) = await newcomer.organizations()
    assert organization.role == "owner"
    board = await newcomer.load_board(organization.id)
    assert [row.name for row in board.services] == ["API", "Database"]
    assert board.services[0].depends_on == (board.services[1].id,)
    assert [page.name for page in board.pages] == ["Acme Status", "API"]
    assert board.pages[1].service_ids == (board.services[0].id,)
    (window,) = board.maintenance
    assert window.ends_at > board.read_at
    assert window.starts_at.astimezone(UTC).strftime("%a %H:%M") == "Sun 02:00"
    assert await newcomer.apply_configuration(wanted) == ()


async def test_what_is_exported_applies_without_a_change(house: House) -> None:
    exported = await house.store.load_configuration(house.org)
    again = read_configuration(configuration_to_mapping(exported))
    assert await house.store.apply_configuration(again, prune=True) == ()


async def test_only_what_differs_is_changed_and_said(house: House) -> None:
    await house.store.apply_configuration(file(services=SERVICES))
    changed = await house.store.apply_configuration(
        file(
            services=[
                {"name": "API", "depends_on": [], "monitors": [monitor(interval="30s")]},
                SERVICES[1],
            ]
        )
    )
    assert [(change.action, change.kind, change.name) for change in changed] == [
        ("update", "service", "API"),
        ("update", "monitor", "API/health"),
    ]
    assert changed[0].details == ("group: Core → none", "depends_on: Database → none")
    assert "interval: 1m → 30s" in changed[1].details
    api = await house.store.find_service(house.org, "API")
    assert (api.group_name, api.depends_on) == ("", ())
    names = [row.name for row in await house.store.load_services(house.org)]
    assert set(names) == {"API", "Database", "Checkout", "Docs"}


async def test_a_secret_that_changes_is_said_but_not_shown(house: House) -> None:
    def with_token(token: str) -> Configuration:
        config = {"url": "http://x.test/", "auth": {"type": "bearer", "token": token}}
        return file(services=[{"name": "Docs", "monitors": [monitor("m", config=config)]}])

    await house.store.apply_configuration(with_token("hunter2"))
    (change,) = await house.store.apply_configuration(with_token("swordfish"))
    assert change.details == ("config: a secret or a body changed",)
    assert await house.store.apply_configuration(with_token("swordfish")) == ()


async def test_a_pause_is_left_alone_unless_the_file_says(house: House) -> None:
    await house.store.apply_configuration(file(services=SERVICES))
    row = await house.store.find_monitor(house.org, "Database/port")
    await house.store.pause_monitor(house.org, row.id)
    assert await house.store.apply_configuration(file(services=SERVICES)) == ()
    assert (await house.store.find_monitor(house.org, "port")).state is MonitorState.PAUSED
    says = [
        SERVICES[0],
        {**SERVICES[1], "monitors": [{**SERVICES[1]["monitors"][0], "active": True}]},
    ]
    (change,) = await house.store.apply_configuration(file(services=says))
    assert change.details == ("active: no → yes",)
    assert (await house.store.find_monitor(house.org, "port")).state is not MonitorState.PAUSED


async def test_nothing_is_removed_without_being_asked(house: House) -> None:
    only = file(services=[{"name": "Docs", "monitors": [monitor()]}], pages=[{"name": "Only"}])
    await house.store.apply_configuration(only)
    assert len(await house.store.load_services(house.org)) == 4
    removed = await house.store.apply_configuration(only, prune=True)
    gone = {(change.kind, change.name) for change in removed if change.action == "remove"}
    assert gone == {("service", "API"), ("service", "Checkout"), ("service", "Database")}
    assert [row.name for row in await house.store.load_services(house.org)] == ["Docs"]
    assert len(await house.store.load_monitors(house.org)) == 1
    assert await house.store.apply_configuration(only, prune=True) == ()


async def test_a_removed_name_can_come_back(house: House) -> None:
    without = file(services=[{"name": "Docs"}])
    await house.store.apply_configuration(without, prune=True)
    await house.store.apply_configuration(file(services=SERVICES))
    assert (await house.store.find_service(house.org, "API")).monitors == 1


async def test_places_follow_the_file_when_it_names_all(house: House) -> None:
    order = ["Docs", "Checkout", "API", "Database"]
    await house.store.apply_configuration(file(services=[{"name": name} for name in order]))
    assert [row.name for row in await house.store.load_services(house.org)] == order
    await house.store.apply_configuration(file(services=[{"name": "New"}, {"name": "API"}]))
    names = [row.name for row in await house.store.load_services(house.org)]
    assert names == [*order, "New"]


async def test_an_edge_can_be_turned_round_in_one_go(house: House) -> None:
    turned = [{"name": "API"}, {"name": "Database", "depends_on": ["API"]}]
    await house.store.apply_configuration(file(services=turned))
    database = await house.store.find_service(house.org, "Database")
    assert database.depends_on == (house.services["API"],)


async def test_a_circle_with_what_is_stored_is_refused_whole(house: House) -> None:
    before = await house.store.load_configuration(house.org)
    wanted = file(
        services=[{"name": "Database", "depends_on": ["Checkout"]}, {"name": "Something new"}]
    )
    with pytest.raises(ValidationFailed, match="depend on itself"):
        await house.store.apply_configuration(wanted)
    assert await house.store.load_configuration(house.org) == before


async def test_an_unknown_service_is_named_with_its_place_and_the_nearest(house: House) -> None:
    wanted = file(
        services=[{"name": "New", "depends_on": ["Databse"]}],
        pages=[{"name": "One", "services": ["New", "Dogs"]}],
        maintenance=[
            {"title": "t", "starts": "2090-01-01T00:00", "duration": "1h", "services": ["zzz"]}
        ],
    )
    with pytest.raises(ValidationFailed) as caught:
        await house.store.apply_configuration(wanted)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert 'did you mean "Database"?' in found["services", 0, "depends_on", 0]
    assert 'did you mean "Docs"?' in found["pages", 0, "services", 1]
    assert "zzz" in found["maintenance", 0, "services", 0]


async def test_a_plans_limit_refuses_the_whole_file(house: House) -> None:
    await house.admin.execute("UPDATE organizations SET plan = 'pro'")
    before = await house.store.load_configuration(house.org)
    many = [monitor(f"m{number}") for number in range(17)]
    with pytest.raises(Conflict, match="plan pro allows 20 monitors"):
        await house.store.apply_configuration(file(services=[{"name": "New", "monitors": many}]))
    with pytest.raises(Conflict, match="plan pro allows 20 monitors"):
        await house.store.apply_configuration(
            file(services=[{"name": "New", "monitors": many}]), dry_run=True
        )
    assert await house.store.load_configuration(house.org) == before


@pytest.mark.parametrize("part", ["member", "viewer"])
async def test_who_may_not_is_told_who_may(house: House, part: str) -> None:
    with pytest.raises(Forbidden) as caught:
        await house.stores[part].apply_configuration(file(services=[{"name": "New"}]))
    assert house.person("admin") in caught.value.advice
    assert len(await house.store.load_services(house.org)) == 4


async def test_a_slip_of_the_slug_makes_no_organization(house: House) -> None:
    wanted = read_configuration({"organization": {"slug": "acne", "name": "Acme"}})
    with pytest.raises(NotFound) as caught:
        await house.store.apply_configuration(wanted)
    assert "did you mean acme?" in caught.value.advice
    assert len(await house.store.organizations()) == 1


async def test_a_stranger_makes_no_organization_beside_others(
    house: House, newcomer: OperatorStore
) -> None:
    with pytest.raises(Forbidden):
        await newcomer.apply_configuration(
            read_configuration({"organization": {"slug": "mine", "name": "Mine"}})
        )


async def test_maintenance_changes_moves_and_ends(house: House) -> None:
    start = (datetime.now(UTC) + timedelta(days=3)).replace(hour=2, minute=0)

    def window(at: datetime, **more: Any) -> Configuration:
        return file(
            maintenance=[
                {
                    "title": "Restart",
                    "starts": f"{at:%Y-%m-%dT%H:%M}Z",
                    "duration": "1h",
                    "services": ["API"],
                    **more,
                }
            ]
        )

    store, org = house.store, house.org
    (created,) = await store.apply_configuration(window(start))
    assert created.action == "create"
    assert await store.apply_configuration(window(start)) == ()
    (changed,) = await store.apply_configuration(window(start, duration="2h", services=["Docs"]))
    assert set(changed.details) == {"duration: 1h → 2h", "services: API → Docs"}
    (row,) = await store.load_maintenance(org)
    assert (row.services, row.ends_at - row.starts_at) == (("Docs",), timedelta(hours=2))
    later = start + timedelta(days=1)
    (moved,) = await store.apply_configuration(window(later))
    assert moved.action == "update"
    statuses = {row.starts_at.day: str(row.status) for row in await store.load_maintenance(org)}
    assert statuses == {start.day: "cancelled", later.day: "scheduled"}
    assert await store.apply_configuration(window(later)) == ()
    assert await store.apply_configuration(file(maintenance=[])) == ()
    (ended,) = await store.apply_configuration(file(maintenance=[]), prune=True)
    assert (ended.action, ended.name) == ("remove", "Restart")
    assert {str(row.status) for row in await store.load_maintenance(org)} == {"cancelled"}


async def test_work_that_is_over_is_not_announced(house: House) -> None:
    over = [{"title": "Long ago", "starts": "2020-01-01T00:00", "duration": "1h"}]
    assert await house.store.apply_configuration(file(maintenance=over)) == ()
    assert await house.store.load_maintenance(house.org) == ()


async def test_hostile_words_are_stored_as_words(house: House) -> None:
    name = "'; DROP TABLE services; --"
    await house.store.apply_configuration(
        file(services=[{"name": name, "description": '<script>alert("x")</script>'}])
    )
    row = await house.store.find_service(house.org, name)
    assert row.description == '<script>alert("x")</script>'
