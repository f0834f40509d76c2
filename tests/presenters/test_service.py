"""One service: its head, its looks, the waterfall and what is known beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from uuid import UUID

import pytest

from statustui.domain.evidence_changes import Change
from statustui.domain.observation import Certificate, Phases
from statustui.domain.readmodels import Mark
from statustui.domain.status import CheckStatus, MonitorState
from statustui.presenters import service
from statustui.presenters.line import plain, width_of
from tests.support.acme import EVIDENCE, NOW, SERVICES, at, look, service_now


def test_the_head_answers_what_since_when_whose_why_and_what_is_public() -> None:
    said = plain(service.head(service_now(), NOW, 110))
    assert said == (
        "API  ✗ outage  8m   INC-4F2K  unacked   cause ✗ Database   public sees outage, no words"
    )
    hidden = replace(service_now(), service=SERVICES[0], depends_on=())
    assert "hidden from the public" in plain(service.head(hidden, NOW, 110))
    assert width_of(service.head(service_now(), NOW, 60)) <= 60


def test_looks() -> None:
    rows = service.rows(service_now(), NOW, UTC)
    said = [{name: plain(cell) for name, cell in row.cells.items()} for row in rows]
    assert said[0]["answer"] == "HTTP 503"
    assert said[0]["state"] == "✗ outage"
    assert said[0]["looked"] == "03:19:31"
    assert said[1]["state"] == "∙ up"
    assert len({row.key for row in rows}) == 2


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_waterfall_fits_and_shows_the_telling_phase(width: int) -> None:
    lines = service.waterfall_lines(look(), NOW, UTC, width, 13)
    assert all(width_of(line) <= width for line in lines)
    assert plain(lines[0]).startswith(" PHASE")
    amber = [plain(line) for line in lines if any(style == "degraded" for _, style in line)]
    assert len(amber) == 1
    assert amber[0].split()[:2] == ["first", "byte"]
    assert "last good 03:10" in plain(lines[-1])


def test_a_look_without_phases_says_so() -> None:
    bare = replace(look(), phases=Phases(), last_good_phases=None)
    assert "no phase was timed" in plain(service.waterfall_lines(bare, NOW, UTC, 80, 13)[0])
    never = replace(bare, at=None)
    assert "before a look" in plain(service.waterfall_lines(never, NOW, UTC, 80, 13)[0])
    assert "nobody has looked yet" in plain(service.look_title(never, NOW, UTC))


def test_facts() -> None:
    said = {label: plain(line) for label, line in service.facts(service_now(), look(), NOW, UTC)}
    assert said == {
        "error": "HTTP 503, wanted 200-299",
        "answer": "HTTP 503",
        "address": "203.0.113.10:443",
        "cert": "api.acme.test  61 d left",
        "changed": "first byte 6 ms to 273 ms",
        "depends": "✗ Database",
        "repeat it": "curl -sv --max-time 10 https://api.acme.test/health  (y copies)",
    }
    assert service.facts(replace(service_now(), depends_on=()), None, NOW, UTC) == ()


@pytest.mark.parametrize(
    ("left", "said", "style"),
    [
        (timedelta(days=61), "61 d left", "muted"),
        (timedelta(days=3), "3 d left", "degraded b"),
        (timedelta(hours=5), "5 h left", "degraded b"),
        (-timedelta(hours=5), "ended 5 h ago", "degraded b"),
    ],
)
def test_a_certificate_that_ends_is_amber(left: timedelta, said: str, style: str) -> None:
    line = service.certificate_line(Certificate("a.test", "CA", "1", NOW + left), NOW)
    assert line[1] == (f"  {said}", style)


def test_a_paused_monitor_is_not_called_up() -> None:
    paused = replace(look(state=MonitorState.UP))
    paused = replace(paused, monitor=replace(paused.monitor, is_active=False))
    (row,) = service.rows(replace(service_now(), looks=(paused,)), NOW, UTC)
    assert plain(row.cells["state"]) == "= paused"


def test_tabs() -> None:
    assert [text for text, style in service.tab_line(1) if "sel" in style] == [" Latency "]


def test_what_changed_is_told_while_it_fails() -> None:
    failing = replace(
        look(),
        evidence=replace(
            EVIDENCE,
            changes=(
                Change("address", "10.0.0.9", "10.0.0.5"),
                Change("header via", "", "1.1 proxy"),
                Change("certificate serial", "01", ""),
                Change("size", "900 B", "36 B"),
            ),
            marks=(Mark(UUID(int=9), at("03:09"), "deploy", "ci", None, (), "alice"),),
        ),
    )
    said = {label: plain(line) for label, line in service.facts(service_now(), failing, NOW, UTC)}
    assert said["changed"] == (
        "address 10.0.0.9 to 10.0.0.5; header via 1.1 proxy is new; certificate serial 01 is gone"
        " and 1 more;  03:09 deploy by ci"
    )
    well = replace(failing, status=CheckStatus.SUCCESS, reason="")
    said = {label: plain(line) for label, line in service.facts(service_now(), well, NOW, UTC)}
    assert "address" not in said.get("changed", "")
