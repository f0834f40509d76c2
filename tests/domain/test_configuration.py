"""The configuration file says what it means, and everything that is wrong with it at once."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.domain.configuration import Configuration, read_configuration
from statustui.domain.configuration_writing import configuration_to_mapping
from statustui.domain.errors import ValidationFailed
from statustui.domain.status import AutomaticIncidents, Visibility


def mistakes(document: object) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        read_configuration(document)
    return {".".join(map(str, problem.path)): problem.message for problem in caught.value.problems}


def http(name: str = "health", **more: object) -> dict[str, object]:
    return {"name": name, "type": "http", "config": {"url": "http://x.test/"}, **more}


ORGANIZATION = {"slug": "acme", "name": "Acme"}


def file(**sections: object) -> dict[str, object]:
    return {"organization": ORGANIZATION, **sections}


def test_what_is_left_out_has_its_default() -> None:
    read = read_configuration(
        file(pages=[{"name": "Status"}], services=[{"name": "API", "monitors": [http()]}])
    )
    assert read.organization.timezone == "UTC"
    assert read.organization.automatic_incidents is AutomaticIncidents.PUBLIC
    assert read.organization.recovery_watch_seconds == 120
    assert read.pages is not None
    assert (read.pages[0].slug, read.pages[0].visibility) == ("acme", Visibility.PUBLIC)
    assert read.pages[0].services is None
    assert read.services is not None
    assert read.services[0].is_visible
    assert not read.services[0].monitors[0].says_activity
    assert read.maintenance is None


def test_a_slug_comes_from_the_name() -> None:
    read = read_configuration({"organization": {"name": "Ärzte & Söhne"}})
    assert read.organization.slug == "arzte-sohne"


def test_a_start_is_in_the_organizations_zone_unless_it_says_otherwise() -> None:
    windows = [
        {"title": "a", "starts": "2027-07-03T02:00", "duration": "1h"},
        {"title": "b", "starts": "2027-01-03 02:00", "duration": "1h"},
        {"title": "c", "starts": "2027-01-03T02:00Z", "duration": "1h"},
        {"title": "d", "starts": "2027-01-03T02:00:30-05:00", "duration": "1h"},
    ]
    read = read_configuration(
        {"organization": {**ORGANIZATION, "timezone": "Europe/Berlin"}, "maintenance": windows}
    )
    assert read.maintenance is not None
    assert [window.starts_at for window in read.maintenance] == [
        datetime(2027, 7, 3, 0, 0, tzinfo=UTC),
        datetime(2027, 1, 3, 1, 0, tzinfo=UTC),
        datetime(2027, 1, 3, 2, 0, tzinfo=UTC),
        datetime(2027, 1, 3, 7, 0, 30, tzinfo=UTC),
    ]


def test_every_mistake_is_named_at_once() -> None:
    found = mistakes(
        {
            "organization": {
                "slug": "Acme Corp",
                "name": "Acme",
                "timezone": "Europe/Berln",
                "brand_color": "blue",
                "recovery_watch": "soon",
                "logo_url": "http://acme.test/logo.png",
                "plan": "free",
            },
            "pages": [{"slug": "one", "name": "One", "visibility": "secret"}],
            "services": [
                {"name": "API", "depend_on": ["Database"], "visible": "no"},
                {"name": "API"},
                {"name": "x" * 256},
                "Database",
            ],
            "maintenance": [
                {"title": "t", "starts": "tomorrow", "duration": "1h", "recurrence": "FREQ=WEEKLEY"}
            ],
            "webhooks": [],
            "srvices": [],
        }
    )
    assert '"acme-corp" would do' in found["organization.slug"]
    assert 'did you mean "Europe/Berlin"?' in found["organization.timezone"]
    assert "#3B82F6" in found["organization.brand_color"]
    assert "duration" in found["organization.recovery_watch"]
    assert "https://" in found["organization.logo_url"]
    assert "unknown key" in found["organization.plan"]
    assert "not one of public, private" in found["pages.0.visibility"]
    assert 'did you mean "depends_on"?' in found["services.0.depend_on"]
    assert "true or false" in found["services.0.visible"]
    assert "stands twice" in found["services.1.name"]
    assert "256 characters" in found["services.2.name"]
    assert "keys and values" in found["services.3"]
    assert "not a time" in found["maintenance.0.starts"]
    assert "FREQ" in found["maintenance.0.recurrence"]
    assert "later version" in found["webhooks"]
    assert 'did you mean "services"?' in found["srvices"]


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        (None, "", "keys and values"),
        ([], "", "keys and values"),
        ("text", "", "keys and values"),
        ({}, "organization", "required"),
        ({"organization": []}, "organization", "keys and values"),
        ({"organization": {"slug": "acme"}}, "organization.name", "required"),
        (file(services={"API": {}}), "services", "expected a list"),
        (file(pages=[]), "pages", "at least one page"),
        (file(services=[{"name": 5}]), "services.0.name", 'quotes: "5"'),
        (
            file(services=[{"name": "A", "automatic_incidents": "careful"}]),
            "services.0.automatic_incidents",
            "guarded",
        ),
        (
            file(services=[{"name": "A", "monitors": [http(interval="5")]}]),
            "services.0.monitors.0.interval",
            "needs a unit",
        ),
        (
            file(services=[{"name": "A", "monitors": [http(conditions=["[STATUS] = 200"])]}]),
            "services.0.monitors.0.conditions.0",
            "column",
        ),
        (
            file(services=[{"name": "A", "monitors": [http(), http()]}]),
            "services.0.monitors.1.name",
            "stands twice",
        ),
        (
            file(pages=[{"slug": "one", "name": "1"}, {"slug": "one", "name": "2"}]),
            "pages.1.slug",
            "stands twice",
        ),
        (
            file(pages=[{"name": "P", "custom_domain": "Status.Acme.Test"}]),
            "pages.0.custom_domain",
            "lower case",
        ),
        (
            file(maintenance=[{"title": "t", "starts": "2027-02-30T02:00", "duration": "1h"}]),
            "maintenance.0.starts",
            "not a time",
        ),
        (
            file(
                maintenance=[
                    {
                        "title": "t",
                        "starts": "2027-02-20T02:00",
                        "duration": "1h",
                        "exceptions": ["2027-02-27T02:00"],
                    }
                ]
            ),
            "maintenance.0.exceptions",
            "recurs",
        ),
        (
            file(maintenance=[{"title": "t", "starts": "2027-02-20T02:00"}]),
            "maintenance.0.duration",
            "required",
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(document: object, path: str, words: str) -> None:
    assert words in mistakes(document)[path]


def test_a_circle_of_dependencies_is_drawn() -> None:
    services = [
        {"name": "Web"},
        {"name": "API", "depends_on": ["Database"]},
        {"name": "Database", "depends_on": ["Storage"]},
        {"name": "Storage", "depends_on": ["API"]},
        {"name": "Alone", "depends_on": ["Alone"]},
    ]
    found = mistakes(file(services=services))
    assert found["services.1.depends_on"].endswith("API > Database > Storage > API")
    assert found["services.4.depends_on"].endswith("Alone > Alone")


def test_a_long_chain_of_dependencies_is_no_circle() -> None:
    services = [
        {"name": f"s{number}", "depends_on": [f"s{number + 1}"] if number < 4_999 else []}
        for number in range(5_000)
    ]
    assert len(read_configuration(file(services=services)).services or ()) == 5_000


def test_text_from_outside_is_cleaned_on_the_way_in() -> None:
    read = read_configuration(
        file(services=[{"name": "A\x1b[31mPI\u202e", "description": "<b>one</b>\x07\r\ntwo"}])
    )
    assert read.services is not None
    assert read.services[0].name == "API"
    assert read.services[0].description == "<b>one</b>\ntwo"


def test_what_is_written_reads_back_the_same() -> None:
    document = file(
        pages=[{"name": "Status"}, {"slug": "empty", "name": "Empty", "services": []}],
        services=[
            {"name": "API", "depends_on": ["Database"], "automatic_incidents": "off"},
            {
                "name": "Database",
                "visible": False,
                "monitors": [
                    http(active=False, runbook="restart it\nthen look"),
                    {"name": "port", "type": "tcp", "config": {"host": "db", "port": 5432}},
                ],
            },
        ],
        maintenance=[
            {"title": "t", "starts": "2027-10-31T02:30", "duration": "90m", "services": ["API"]},
            {"title": "u", "starts": "2027-10-31T02:30+01:00", "duration": "1h"},
        ],
    )
    document["organization"] = {**ORGANIZATION, "timezone": "Europe/Berlin"}
    read = read_configuration(document)
    assert read_configuration(configuration_to_mapping(read)) == read


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "slug", "services", "monitors", "config", "type", "x"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(
    st.fixed_dictionaries(
        {"organization": st.just(ORGANIZATION) | _VALUES},
        optional=dict.fromkeys(("pages", "services", "maintenance", "webhooks"), _VALUES),
    )
)
def test_nothing_that_can_be_written_breaks_the_reader(document: dict[str, object]) -> None:
    # A refusal is fine; anything else that is raised fails the test.
    with contextlib.suppress(ValidationFailed):
        assert isinstance(read_configuration(document), Configuration)
