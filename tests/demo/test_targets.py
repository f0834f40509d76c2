"""The demonstration's targets: each monitor sees each of them fail and recover, for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from statustui.demo import world
from statustui.demo.script import ROUND_SECONDS, SCRIPT, Mode
from statustui.demo.targets import TARGETS, DemoTargets
from statustui.domain.monitor import monitor_to_mapping, parse_monitor
from statustui.domain.scheduling import stable_phase_ms
from statustui.domain.status import CheckStatus, ErrorKind
from statustui.domain.verdict import CheckResult, judge
from statustui.engine.checkers import look

MONITORS = [(service, monitor) for service in world.SERVICES for monitor in service.monitors]
CONTROLLED = [(service, monitor) for service, monitor in MONITORS if monitor.target in TARGETS]


@pytest.fixture
async def targets() -> AsyncIterator[DemoTargets]:
    made = DemoTargets()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def _judged(monitor: world.DemoMonitor, targets: DemoTargets) -> CheckResult:
    spec = world.spec_of(monitor, targets)
    seen = await look(spec.config, timeout_ms=spec.timeout_ms)
    return judge(spec, seen, seen.started_at)


async def test_everything_is_well_but_the_reports(targets: DemoTargets) -> None:
    results = await asyncio.gather(*(_judged(monitor, targets) for _, monitor in MONITORS))
    for (service, monitor), result in zip(MONITORS, results, strict=True):
        if result.error_kind is ErrorKind.OBSERVER:
            assert service.name == "Edge network"  # a kernel that lets nobody send ICMP
            continue
        wanted = CheckStatus.DEGRADED if service.name == "Reports" else CheckStatus.SUCCESS
        assert result.status is wanted, (service.name, monitor.name, result.reason)


async def test_every_way_to_break_is_seen_and_heals(targets: DemoTargets) -> None:
    for mode, expected in (
        (Mode.REFUSE, {ErrorKind.REFUSED, ErrorKind.TIMEOUT, ErrorKind.HTTP_STATUS}),
        (
            Mode.ERROR,
            {ErrorKind.HTTP_STATUS, ErrorKind.ASSERTION, ErrorKind.DNS},
        ),
        (Mode.HANG, {ErrorKind.TIMEOUT, ErrorKind.HTTP_STATUS}),
    ):
        for target in TARGETS:
            await targets.set_mode(target, mode)
        results = await asyncio.gather(*(_judged(monitor, targets) for _, monitor in CONTROLLED))
        for (service, _), result in zip(CONTROLLED, results, strict=True):
            assert result.error_kind in expected, (mode, service.name, result)
    for target in TARGETS:
        await targets.set_mode(target, Mode.OK)
    await test_everything_is_well_but_the_reports(targets)


async def test_slowness_is_degraded(targets: DemoTargets) -> None:
    await targets.set_mode("search", Mode.SLOW)
    (search,) = world.BY_NAME["Search"].monitors
    assert (await _judged(search, targets)).status is CheckStatus.DEGRADED


async def test_what_needs_the_database_fails_with_it(targets: DemoTargets) -> None:
    await targets.set_mode("database", Mode.REFUSE)
    for service in world.SERVICES:
        result = await _judged(service.monitors[0], targets)
        if "Database" in service.depends_on:
            assert result.error_kind is ErrorKind.HTTP_STATUS
            assert "503" in result.reason
        elif service.name == "Database":
            assert result.error_kind is ErrorKind.REFUSED
        elif result.error_kind is not ErrorKind.OBSERVER:
            assert result.status.succeeded, service.name
    # The port of the API still answers: only part of it is out.
    assert (await _judged(world.BY_NAME["API"].monitors[1], targets)).status.succeeded


async def test_what_was_broken_for_a_while_heals_by_itself(targets: DemoTargets) -> None:
    port = targets.port("files")
    await targets.set_mode("files", Mode.REFUSE, 0.05)
    (files,) = world.BY_NAME["File storage"].monitors
    assert (await _judged(files, targets)).error_kind is ErrorKind.REFUSED
    async with asyncio.timeout(5):
        while (
            targets.mode("files") is not Mode.OK
            or not (await _judged(files, targets)).status.succeeded
        ):
            await asyncio.sleep(0.01)
    assert targets.port("files") == port


async def test_an_operator_breaks_and_heals_by_hand(targets: DemoTargets) -> None:
    async with httpx.AsyncClient(base_url=targets.control_address, trust_env=False) as client:
        assert "database   ok" in (await client.get("/")).text
        broken = await client.post("/database/refuse?seconds=30")
        assert broken.text == "database is refuse for 30 s\n"
        assert targets.mode("database") is Mode.REFUSE
        assert "database   refuse" in (await client.get("/")).text
        assert (await client.post("/database/ok")).text == "database is ok\n"
        assert targets.mode("database") is Mode.OK
        for path, status in (
            ("/nothing/ok", 404),
            ("/database/purple", 404),
            ("/database", 404),
            ("/database/slow?seconds=x", 400),
            ("/database/slow?seconds=-1", 400),
            ("/database/slow?seconds=nan", 400),
        ):
            assert (await client.post(path)).status_code == status, path
    assert targets.mode("database") is Mode.OK


def test_the_script_fits_its_round_and_leaves_the_open_incidents_alone() -> None:
    assert SCRIPT[0].target == "database"
    assert SCRIPT[0].at_seconds + SCRIPT[0].for_seconds < 120
    over = 0.0
    for step in SCRIPT:
        assert step.target in TARGETS
        assert step.target not in ("reports", "push")
        assert step.at_seconds > over
        over = step.at_seconds + step.for_seconds
    assert over < ROUND_SECONDS


async def test_the_world_is_a_configuration_that_would_be_accepted(targets: DemoTargets) -> None:
    visible = [service for service in world.SERVICES if service.is_visible]
    assert len(visible) >= 10
    assert len({service.group for service in visible}) >= 4
    assert not world.BY_NAME["Database"].is_visible
    for _, monitor in MONITORS:
        spec = world.spec_of(monitor, targets)
        assert parse_monitor(monitor_to_mapping(spec)) == spec


def test_the_cause_is_known_before_what_it_takes_down() -> None:
    """Slots come every five seconds; the database is believed at its first failed look, the others
    at their second. So it is first whenever its slot does not come just before theirs."""
    interval_ms = world.INTERVAL_SECONDS * 1000

    def phase(service: world.DemoService) -> int:
        monitor_id = str(world.monitor_id(service, service.monitors[0]))
        return stable_phase_ms(monitor_id, "local", world.INTERVAL_SECONDS)

    cause = phase(world.BY_NAME["Database"])
    for service in world.SERVICES:
        if "Database" in service.depends_on:
            after = (cause - phase(service)) % interval_ms
            assert after <= interval_ms - 1_500, service.name
