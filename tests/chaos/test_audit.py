"""The checker finds what it is for: each violation is planted in a clean world, and found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from statustui.domain.decision import Decision
from tests.chaos.audit import Report, audit
from tests.chaos.truth import StatusNumbers, TruthWriter, read_truth
from tests.support.databases import Database
from tests.support.watched import Story, engine_story, refused, seen

_STEP = timedelta(seconds=5)
# Everything happened a while ago, so that the world has come to rest.
_AGO = timedelta(minutes=5)


@dataclass(slots=True)
class Planted:
    """Three services with a target each, and a log that says what the targets did.

    Attributes:
        at: the time in this world.
        services, monitors: by the target's name.
    """

    story: Story
    log: Path
    truth: TruthWriter
    at: datetime
    services: dict[str, UUID] = field(default_factory=dict)
    monitors: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    numbers: dict[str, StatusNumbers] = field(default_factory=dict)

    async def add(self, name: str) -> None:
        """A service, its monitor and its target."""
        url = f"http://127.0.0.1/{name}"
        self.services[name] = await self.story.service(name)
        self.monitors[name] = await self.story.monitor(
            self.services[name], name, url=url, created_before=timedelta(hours=1)
        )
        self.numbers[name] = StatusNumbers()
        self.truth.note("target", at=self.at.timestamp(), name=name, url=url)

    def become(self, name: str, mode: str) -> None:
        """A target breaks, or is well again."""
        self.broken.discard(name) if mode == "ok" else self.broken.add(name)
        self.truth.note("state", at=self.at.timestamp(), name=name, mode=mode)

    def answer(self, name: str, after: float = 0.01) -> int:
        """A target answers whoever asks; gives the status code."""
        status = self.numbers[name].next(good=name not in self.broken)
        self.truth.note("answer", at=self.at.timestamp() + after, name=name, status=status)
        return status

    async def decide(self, name: str, *, extra: bool = False) -> Decision:
        """One look at a target, decided on and not written."""
        monitor = await self.story.watched(self.monitors[name])
        table = monitor.timetable
        assert table is not None
        slot = self.at
        if not extra:
            milliseconds = round(self.at.timestamp() * 1000)
            slot -= timedelta(milliseconds=(milliseconds - table.phase_ms) % table.interval_ms)
        seen_now = seen(self.at, status_code=self.answer(name))
        return self.story.decide(monitor, seen_now, slot_at=slot, extra=extra)

    async def write(self, *decisions: Decision) -> None:
        """Write looks as the engine does that saw them just now."""
        await self.story.store.record_batch(self.story.share, decisions, None)

    async def round(self, *, times: int = 1) -> None:
        """Time passes, and every target is looked at."""
        for _ in range(times):
            await self.write(*[await self.decide(name) for name in self.monitors])
            self.at += _STEP

    async def sql(self, statement: str, *values: object) -> None:
        """Do by hand what must never happen; rules that stand in the way step aside."""
        async with self.story.admin.transaction():
            await self.story.admin.execute("SET LOCAL session_replication_role = replica")
            await self.story.admin.execute(statement, *values)

    async def report(self) -> Report:
        """What the checker says."""
        return await audit(self.story.admin, read_truth(self.log))

    async def expect(self, rule: str, words: str = "") -> None:
        """The checker finds this, in these words among others."""
        report = await self.report()
        texts = [finding.text for finding in report.findings if finding.rule == rule]
        assert texts, f"not found: {rule}\n{report}"
        assert any(words in text for text in texts), texts


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[Planted]:
    """A story with an outage from its first failure to its end, and nothing wrong in it."""
    log = tmp_path / "truth.jsonl"
    truth = TruthWriter(log)
    try:
        async with engine_story(database) as story:
            await story.admin.execute(
                "INSERT INTO statustui.channels (org_id, name, kind) VALUES ($1, 'chat', 'slack')",
                story.org_id,
            )
            # On a full interval, so that no look crosses into the next hour.
            at = datetime.now(UTC).replace(microsecond=0) - _AGO
            planted = Planted(story, log, truth, at)
            for name in ("api", "mail", "shop"):
                await planted.add(name)
            await planted.round(times=2)
            planted.become("api", "fail")
            await planted.round(times=3)
            planted.become("api", "ok")
            await planted.round(times=2)
            await story.store.settle(story.lease, organizations=None)
            # What the database's own clock wrote is as old as the story.
            await planted.sql(
                "UPDATE statustui.incidents SET resolved_at = $1, monitoring_at = NULL",
                planted.at - 2 * _STEP,
            )
            yield planted
    finally:
        truth.close()


async def test_a_clean_world_is_clean(world: Planted) -> None:
    report = await world.report()
    assert not report.findings, str(report)
    assert (report.answers, report.checks) == (21, 21)
    assert (report.outages, report.incidents, report.deliveries) == (1, 1, 2)


async def test_an_empty_table_is_not_taken_for_a_clean_one(world: Planted) -> None:
    await world.sql("DELETE FROM statustui.monitors")
    await world.expect("nothing to compare")


async def test_a_target_of_which_nobody_wrote(world: Planted) -> None:
    await world.sql(
        """UPDATE statustui.monitors SET config = '{"url": "http://elsewhere.test/"}'
           WHERE name = 'api'"""
    )
    await world.expect("unknown target", "http://elsewhere.test/")


# -- checks ----------------------------------------------------------------------------------------


async def test_a_lost_check(world: Planted) -> None:
    await world.sql(
        "DELETE FROM statustui.checks WHERE ctid IN (SELECT ctid FROM statustui.checks LIMIT 1)"
    )
    await world.expect("missing check", "no check says so")
    await world.expect("rollup differs from checks")


async def test_a_killed_watch_may_take_its_last_second_with_it_and_no_more(world: Planted) -> None:
    world.answer("mail", after=0.0)
    world.truth.note("watch", at=world.at.timestamp() + 1.0, name="a", did="killed")
    report = await world.report()
    assert not report.findings, str(report)
    assert report.excused == 1
    world.answer("mail", after=-0.5)
    await world.expect("missing check", "mail answered")


async def test_a_check_that_is_there_twice(world: Planted) -> None:
    await world.sql(
        """INSERT INTO statustui.checks (monitor, region, checked_at, org_id, slot_at, status,
               status_code, duration_ms, is_retry)
           SELECT monitor, region, checked_at + interval '1 microsecond', org_id, slot_at, status,
               status_code, duration_ms, true
           FROM statustui.checks LIMIT 1"""
    )
    await world.expect("duplicate check")


async def test_a_check_that_no_target_saw(world: Planted) -> None:
    await world.sql(
        """INSERT INTO statustui.checks (monitor, region, checked_at, org_id, slot_at, status,
               status_code, duration_ms, is_retry)
           SELECT monitor, region, checked_at + interval '2 seconds', org_id, slot_at, status, 299,
               duration_ms, true
           FROM statustui.checks WHERE status = 'success' LIMIT 1"""
    )
    await world.expect("invented check", "never answered 299")


async def test_a_check_that_says_the_opposite(world: Planted) -> None:
    await world.sql("UPDATE statustui.checks SET status = 'success' WHERE status = 'failure'")
    await world.expect("check contradicts its answer", "the answer was 5")


async def test_a_failure_of_a_target_that_was_well(world: Planted) -> None:
    monitor = await world.story.watched(world.monitors["shop"])
    await world.write(world.story.decide(monitor, refused(world.at), slot_at=world.at, extra=True))
    await world.expect("invented failure", "connect to 127.0.0.1:80 refused")


async def test_a_look_in_the_air_accounts_for_the_answer_that_it_did_not_hear(
    world: Planted,
) -> None:
    world.answer("shop", after=1.0)
    monitor = await world.story.watched(world.monitors["shop"])
    decision = world.story.decide(
        monitor, seen(world.at, duration_ms=2_000.0), slot_at=world.at, extra=True
    )
    check = replace(decision.check, status_code=None, status="unknown", error_kind="observer")  # type: ignore[arg-type]
    await world.write(replace(decision, check=check, transitions=()))
    report = await world.report()
    assert not report.findings, str(report)


async def test_two_engines_that_look_at_one_monitor_for_too_long(world: Planted) -> None:
    for number in range(4):
        first = await world.decide("mail")
        world.at += timedelta(milliseconds=200)
        second = await world.decide("mail")
        second = replace(second, check=replace(second.check, slot_at=first.check.slot_at))
        await world.write(first)
        await world.write(second)
        world.at += _STEP - timedelta(milliseconds=200)
        rules = (await world.report()).rules
        # Twice within the time of a hand-over is allowed.
        assert ("two engines at one monitor" in rules) == (number >= 2), rules
    await world.expect("two engines at one monitor", "mail was looked at twice per slot")


async def test_a_slot_that_is_counted_twice(world: Planted) -> None:
    await world.sql("UPDATE statustui.rollups_daily SET slots = slots + 1")
    await world.expect("rollup differs from checks", "slots: 8 kept, 7 counted")


async def test_a_check_that_nobody_planned(world: Planted) -> None:
    await world.sql("UPDATE statustui.checks SET slot_at = slot_at - interval '1 second'")
    await world.expect("check outside the timetable", "is no slot of its timetable")


# -- incidents -------------------------------------------------------------------------------------


async def test_an_incident_without_an_outage(world: Planted) -> None:
    await world.sql(
        "UPDATE statustui.incident_services SET service_id = $1", world.services["shop"]
    )
    await world.expect("invented incident", "names shop, which nobody found broken")
    # And then the outage that there was has none.
    await world.expect("missed outage", "no incident is about api")


async def test_an_incident_about_nothing(world: Planted) -> None:
    await world.sql("DELETE FROM statustui.incident_services")
    await world.expect("invented incident", "is about nothing")


async def test_an_outage_without_an_incident(world: Planted) -> None:
    await world.sql("DELETE FROM statustui.incident_services")
    await world.sql("DELETE FROM statustui.incidents")
    await world.expect("missed outage", "api was broken from")


async def test_a_short_outage_that_was_seen_often_enough(world: Planted) -> None:
    # Shorter than what a watch needs in general, but found by looks in a row.
    world.become("mail", "fail")
    decision = await world.decide("mail")
    world.at += timedelta(seconds=2)
    world.become("mail", "ok")
    world.at += _STEP - timedelta(seconds=2)
    good = await world.decide("mail")
    # As if the first had confirmed nothing.
    await world.write(replace(decision, transitions=()), replace(good, transitions=()))
    await world.expect("missed outage", "which 1 looks in a row found")


async def test_an_outage_that_no_watch_could_see_is_not_missed(world: Planted) -> None:
    world.truth.note("watch", at=world.at.timestamp() - 300, name="a", did="started")
    world.truth.note("watch", at=world.at.timestamp(), name="a", did="stopped")
    world.become("mail", "fail")
    world.at += timedelta(seconds=60)
    world.become("mail", "ok")
    world.truth.note("watch", at=world.at.timestamp(), name="a", did="started")
    report = await world.report()
    assert not report.findings, str(report)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("started_at = started_at - interval '20 seconds'", "before its outage did"),
        ("started_at = started_at + interval '9 seconds'", "was found broken"),
        ("resolved_at = resolved_at - interval '9 seconds'", "in the middle of an outage"),
        ("resolved_at = resolved_at + interval '20 seconds'", "its targets were well again"),
        (
            "monitoring_at = resolved_at + interval '20 seconds'",
            "recovered at",
        ),
    ],
)
async def test_an_incident_with_other_times_than_its_outage(
    world: Planted, change: str, words: str
) -> None:
    await world.sql(f"UPDATE statustui.incidents SET {change}")
    await world.expect("wrong time", words)


async def test_two_incidents_at_once(world: Planted) -> None:
    await world.sql(
        """WITH made AS (
               INSERT INTO statustui.incidents (org_id, title, impact, is_auto, is_public,
                   started_at)
               SELECT org_id, title, impact, true, false, started_at + interval '1 second'
               FROM statustui.incidents RETURNING id, org_id)
           INSERT INTO statustui.incident_services (org_id, incident_id, service_id, from_status,
               to_status)
           SELECT org_id, id, $1, 'operational', 'major_outage' FROM made""",
        world.services["api"],
    )
    await world.expect("two incidents at once", "api has INC-")
    await world.expect("one outage, two incidents", "api broke once")


async def test_an_incident_that_is_left_open(world: Planted) -> None:
    await world.sql("UPDATE statustui.incidents SET status = 'monitoring', resolved_at = NULL")
    await world.expect("left open", "is monitoring")


# -- statuses --------------------------------------------------------------------------------------


async def test_a_service_that_says_something_else_than_its_monitors(world: Planted) -> None:
    await world.sql(
        "UPDATE statustui.service_state SET current_status = 'partial_outage'"
        " WHERE service_id = $1",
        world.services["shop"],
    )
    await world.expect("status contradicts monitors", "shop is partial_outage")


async def test_a_monitor_that_says_something_else_than_its_target(world: Planted) -> None:
    await world.sql("UPDATE statustui.monitor_status SET state = 'down'")
    await world.expect("monitor contradicts its target", "shop is down; shop has been ok")


# -- telling ---------------------------------------------------------------------------------------


async def test_an_update_that_says_a_move_again(world: Planted) -> None:
    await world.sql(
        """INSERT INTO statustui.incident_updates (org_id, incident_id, status, message, is_public)
           SELECT org_id, incident_id, status, message, is_public
           FROM statustui.incident_updates WHERE status = 'resolved'"""
    )
    await world.expect("one move, two updates", "says resolved twice in a row")


async def test_an_event_that_is_queued_again_under_another_key(world: Planted) -> None:
    await world.sql(
        """INSERT INTO statustui.outbox (org_id, channel_id, event, event_key, incident_id, payload)
           SELECT org_id, channel_id, event, event_key || ':again', incident_id, payload
           FROM statustui.outbox WHERE event = 'incident.created'"""
    )
    await world.expect("told twice", "chat is told incident.created of INC-")
    await world.expect("told twice", "chat is told of the update")


async def test_an_event_that_is_queued_again_under_its_own_key(world: Planted) -> None:
    await world.sql("ALTER TABLE statustui.outbox DROP CONSTRAINT outbox_channel_id_event_key_key")
    await world.sql(
        """INSERT INTO statustui.outbox (org_id, channel_id, event, event_key, payload)
           SELECT org_id, channel_id, event, event_key, '{}' FROM statustui.outbox"""
    )
    await world.expect("told twice", "chat is told update:")


async def test_a_recovery_that_is_told_twice_in_a_row(world: Planted) -> None:
    await world.sql(
        """INSERT INTO statustui.outbox (org_id, channel_id, event, event_key, incident_id, payload)
           SELECT org_id, channel_id, 'incident.updated', 'again:' || n, incident_id,
                  '{"status": "monitoring"}'
           FROM statustui.outbox, generate_series(1, 2) n WHERE event = 'incident.created'"""
    )
    await world.expect("told twice", "twice in a row")


@pytest.mark.parametrize("afterwards", [False, True])
async def test_a_channel_that_hears_nothing(world: Planted, afterwards: bool) -> None:
    await world.sql("UPDATE statustui.incidents SET is_retroactive = $1", afterwards)
    await world.sql("DELETE FROM statustui.outbox")
    await world.expect("not told", "chat never hears of INC-")


# -- the log ---------------------------------------------------------------------------------------


def test_a_half_written_line_is_left_for_later_and_a_broken_one_is_not(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    log.write_text('{"at": 1, "what": "target", "name": "t", "url": "u"}\n{"at": 2, "wh')
    assert list(read_truth(log).targets) == ["u"]
    log.write_text('{"at": 1, "wh\n{"at": 2, "what": "clock", "seconds": 1}\n')
    with pytest.raises(ValueError, match=r"truth\.jsonl:1"):
        read_truth(log)
    log.write_text('{"at": 1, "what": "weather"}\n')
    with pytest.raises(ValueError, match="weather"):
        read_truth(log)
