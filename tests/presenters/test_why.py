"""Reasons fit their two lengths, the telling word first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from statustui.domain.readmodels import RegionState, ServiceRow
from statustui.domain.status import ErrorKind, MonitorState, ServiceStatus
from statustui.presenters.line import cell_width
from statustui.presenters.why import LONG, SHORT, why
from tests.support import sample_world
from tests.support.sample_world import AT


def row(kind: ErrorKind | None, reason: str, **changes: object) -> ServiceRow:
    """A service that is down for a reason."""
    plain = replace(
        sample_world.healthy("API", "core", 1),
        status=ServiceStatus.MAJOR_OUTAGE,
        monitor_state=MonitorState.DOWN,
        error_kind=kind,
        reason=reason,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


REFUSED = row(ErrorKind.REFUSED, "connect to 10.0.0.5:5432 refused")
BROKEN = row(ErrorKind.HTTP_STATUS, "answered 503 Service Unavailable, expected 200-299")


@pytest.mark.parametrize(
    ("service", "cause", "short", "long"),
    [
        (REFUSED, "", "refused 10.0.0.5", "refused 10.0.0.5:5432"),
        (
            replace(REFUSED, regions_down=2, regions_looked=2),
            "",
            "refused 10.0.0.5",
            "refused 10.0.0.5:5432, 2/2 regions",
        ),
        (
            replace(
                REFUSED,
                monitor_state=MonitorState.DEGRADED,
                regions=(
                    RegionState("eu", MonitorState.DOWN),
                    RegionState("us", MonitorState.UP),
                    RegionState("eu-2", MonitorState.UNKNOWN),
                ),
            ),
            "",
            "down from eu",
            "down from eu, up from us",
        ),
        (
            replace(
                REFUSED,
                reason="",
                monitor_state=MonitorState.UNKNOWN,
                regions=(RegionState("eu-2", MonitorState.UNKNOWN),),
            ),
            "",
            "eu-2 cannot look",
            "eu-2 cannot look",
        ),
        (BROKEN, "Database", "503, by Database", "HTTP 503, by Database"),
        (BROKEN, "", "503", "HTTP 503, expected 200-299"),
        (
            replace(
                REFUSED,
                status=ServiceStatus.OPERATIONAL,
                monitor_state=MonitorState.UP,
                failures=2,
                threshold=3,
            ),
            "",
            "2 of 3 failed",
            "2 of 3 failed: refused 10.0.0.5:5432",
        ),
        (
            row(ErrorKind.TIMEOUT, "no answer within 10 s"),
            "",
            "timeout 10 s",
            "timeout after 10 s",
        ),
        (
            row(
                ErrorKind.TIMEOUT,
                "no answer within 10 s",
                monitor_state=MonitorState.FLAPPING,
                flips=4,
            ),
            "",
            "4 flips, timeout",
            "4 flips, last: timeout after 10 s",
        ),
        (
            row(None, "took 812 ms, limit 500 ms", monitor_state=MonitorState.DEGRADED),
            "",
            "812 > 500 ms",
            "812 ms, limit 500 ms",
        ),
        (
            row(
                ErrorKind.OBSERVER,
                "no route to host",
                status=ServiceStatus.OPERATIONAL,
                monitor_state=MonitorState.UNKNOWN,
            ),
            "",
            "cannot look",
            "cannot look: no route to host",
        ),
        (
            row(None, "", pinned_status=ServiceStatus.MAJOR_OUTAGE),
            "",
            "set by hand",
            "set by hand, monitors are overruled",
        ),
        (
            row(ErrorKind.TIMEOUT, "no beat for 2 h 3 min, expected every 1 h"),
            "",
            "no beat for 2 h 3 m…",
            "no beat for 2 h 3 min, expected every…",
        ),
        (
            row(
                ErrorKind.REFUSED, "connect to 10.0.0.5:80 refused",
                monitor_state=MonitorState.UNKNOWN, failures=1, threshold=3,
            ),
            "",
            "1 of 3 failed",
            "1 of 3 failed: refused 10.0.0.5:80",
        ),
        (
            row(None, "", monitor_state=MonitorState.UP, incident_code="INC-1ABC"),
            "",
            "said by INC-1ABC",
            "said by INC-1ABC",
        ),
        (
            row(
                None, "", status=ServiceStatus.OPERATIONAL, monitors=1, paused=1,
                silenced_until=AT + timedelta(minutes=46),
            ),
            "",
            "until 04:00",
            "paused until 04:00",
        ),
        (
            row(None, "", status=ServiceStatus.OPERATIONAL, monitors=1, paused=1),
            "",
            "until resumed",
            "paused until resumed",
        ),
    ],
)  # fmt: skip
def test_two_lengths(service: ServiceRow, cause: str, short: str, long: str) -> None:
    found = why(service, cause, AT, UTC)
    assert (found.short, found.long) == (short, long)


@pytest.mark.parametrize("kind", [None, *ErrorKind])
@pytest.mark.parametrize(
    "reason",
    [
        "",
        "x" * 300,
        "connect to [2001:db8::1]:443 refused",
        "certificate of host:443 expired on 2026-11-20",
        "answered 200 OK, expected 300-399",
        "日本" * 40,
        "no answer from resolver 127.0.0.1:53 for api.test in 5 s",
    ],
)
@pytest.mark.parametrize("cause", ["", "Database", "A very long name of a service indeed"])
def test_nothing_is_longer_than_its_length(kind: ErrorKind | None, reason: str, cause: str) -> None:
    found = why(row(kind, reason), cause, AT, UTC)
    assert cell_width(found.short) <= SHORT
    assert cell_width(found.long) <= LONG
    if cause == "Database":
        assert "by Database" in found.short
