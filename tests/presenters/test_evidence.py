"""What changed before something broke stands on the first screen and with the incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from uuid import UUID

import pytest

from statustui.domain.evidence_changes import Change
from statustui.domain.readmodels import Evidence, Mark, ServiceNow
from statustui.domain.status import CheckStatus
from statustui.presenters.board import ServiceLine, arrange, lines
from statustui.presenters.board_cells import CellContext
from statustui.presenters.board_pane import PaneSource, pane
from statustui.presenters.evidence import change_words, changed_line
from statustui.presenters.incident import facts
from statustui.presenters.line import plain, width_of
from tests.support import acme, sample_world
from tests.support.sample_world import AT

WORDS = "address 10.0.0.9 to 10.0.0.5;  03:09 deploy by ci"


def evidence() -> Evidence:
    """With one change and one mark."""
    return replace(
        acme.EVIDENCE,
        changes=(Change("address", "10.0.0.9", "10.0.0.5"),),
        marks=(Mark(UUID(int=9), acme.at("03:09"), "deploy", "ci", None, (), "alice"),),
    )


def shown(now: ServiceNow, rows: int) -> list[str]:
    """The pane of the database's row as text."""
    view = arrange(sample_world.outage(), AT)
    line = next(each for each in lines(view) if isinstance(each, ServiceLine))
    assert line.service.name == "Database"
    made = pane(
        PaneSource(view, line, now=now), CellContext(AT, UTC, {}), 110, 20, rows, value_at=11
    )
    assert all(width_of(each) <= 110 for each in made.lines)
    return [plain(each).strip() for each in made.lines]


@pytest.mark.parametrize("rows", [24, 40])
def test_the_first_screen_says_what_changed_while_it_is_broken(rows: int) -> None:
    now = sample_world.database_now(sample_world.outage())
    looks = tuple(replace(look, evidence=evidence()) for look in now.looks)
    assert f"changed   {WORDS}" in shown(replace(now, looks=looks), rows)
    well = tuple(replace(look, status=CheckStatus.SUCCESS) for look in looks)
    assert not any("changed" in line for line in shown(replace(now, looks=well), rows))


def test_the_incident_says_what_changed_before_it() -> None:
    found = facts(replace(acme.DETAIL, evidence=evidence()), acme.NOW, UTC)
    said = {label: plain(line) for label, line in found}
    assert said["changed"] == WORDS
    labels = [label for label, _ in found]
    assert labels.index("changed") == labels.index("last good") + 1
    assert "changed" not in dict(facts(acme.DETAIL, acme.NOW, UTC))


def test_what_came_and_what_went() -> None:
    assert change_words(Change("header via", "", "1.1 proxy")) == "header via 1.1 proxy is new"
    assert change_words(Change("DNS answer", "10.0.0.1", "")) == "DNS answer 10.0.0.1 is gone"
    assert len(change_words(Change("header x", "a" * 99, "b" * 99))) < 100
    assert changed_line(None, UTC) == ()
