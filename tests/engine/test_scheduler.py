"""The scheduler looks in time, never twice at once, never in a burst, and burdens no host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statustui.domain.decision import WatchedMonitor
from statustui.domain.monitor import HttpConfig, MonitorSpec
from statustui.domain.scheduling import Timetable, stable_phase_ms
from statustui.domain.status import MonitorType
from statustui.engine.scheduler import Run, Scheduler

_BEGIN = datetime(2027, 1, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)


def _monitor(
    key: int, *, host: str = "", interval: int = 60, phase_ms: int = 0, **more: Any
) -> WatchedMonitor:
    return WatchedMonitor(
        **{
            "key": key,
            "id": UUID(int=key),
            "org_id": 1,
            "service_id": UUID(int=1),
            "region": 1,
            "spec": MonitorSpec(
                name=f"m{key}",
                type=MonitorType.HTTP,
                config=HttpConfig(f"http://{host or f'h{key}'}/"),
                timeout_ms=1_000,
                interval_seconds=interval,
                retry_interval_seconds=5,
            ),
            "timetable": Timetable(interval * 1000, phase_ms, _BEGIN),
            **more,
        }
    )


def _looked(monitors: Mapping[int, WatchedMonitor]) -> dict[int, datetime]:
    """As if each had been looked at before."""
    return dict.fromkeys(monitors, _BEGIN)


def _loaded(*monitors: WatchedMonitor, concurrency: int = 10, per_host: int = 10) -> Scheduler:
    scheduler = Scheduler(concurrency, per_host)
    by_key = {monitor.key: monitor for monitor in monitors}
    scheduler.load(by_key, _looked(by_key), _BEGIN)
    return scheduler


def _keys(runs: list[Run]) -> list[int]:
    return [run.monitor.key for run in runs]


def test_looks_start_at_their_slots() -> None:
    scheduler = _loaded(_monitor(1, phase_ms=5_000), _monitor(2, phase_ms=1_000))
    assert scheduler.next_at() == _at(1)
    assert scheduler.take(_at(0.5)) == []
    (run,) = scheduler.take(_at(1.25))
    assert (run.monitor.key, run.due.slot_at, run.late_seconds) == (2, _at(1), 0.25)
    assert scheduler.behind_seconds(_at(1.25)) == 0.25
    scheduler.finish(run, _at(1.5), retry=False)
    assert _keys(scheduler.take(_at(5))) == [1]
    assert scheduler.next_at() == _at(61)


def test_a_monitor_never_looks_twice_at_once() -> None:
    scheduler = _loaded(_monitor(1, interval=5))
    (run,) = scheduler.take(_at(5))
    assert scheduler.take(_at(10)) == []
    assert scheduler.take(_at(15)) == []
    scheduler.finish(run, _at(16), retry=False)
    # The slots at 10 and 15 are gone; the next one is at 20.
    assert scheduler.next_at() == _at(20)


def test_a_retry_comes_before_the_next_slot() -> None:
    scheduler = _loaded(_monitor(1))
    (run,) = scheduler.take(_at(60))
    scheduler.finish(run, _at(60.2), retry=True)
    (again,) = scheduler.take(_at(65.2))
    assert (again.due.slot_at, again.due.is_extra) == (_at(60), True)
    scheduler.finish(again, _at(65.4), retry=False)
    assert scheduler.next_at() == _at(120)


def test_concurrency_is_bounded_and_those_who_wait_keep_their_order() -> None:
    scheduler = _loaded(*(_monitor(key, phase_ms=key) for key in range(1, 6)), concurrency=2)
    first = scheduler.take(_at(0.01))
    assert _keys(first) == [1, 2]
    assert scheduler.take(_at(0.02)) == []
    assert 0.01 < scheduler.behind_seconds(_at(0.02)) < 0.02
    scheduler.finish(first[0], _at(0.03), retry=False)
    assert _keys(scheduler.take(_at(0.03))) == [3]
    assert scheduler.running == 2


def test_one_slow_host_does_not_hold_up_the_others() -> None:
    slow = [_monitor(key, host="slow", phase_ms=key) for key in range(1, 5)]
    other = _monitor(9, phase_ms=100)
    scheduler = _loaded(*slow, other, per_host=2)
    first = scheduler.take(_at(0.2))
    assert _keys(first) == [1, 2, 9]
    scheduler.finish(first[1], _at(0.3), retry=False)
    assert _keys(scheduler.take(_at(0.3))) == [3]
    # One that waits for the host goes away; the next one gets its place.
    rest = {monitor.key: monitor for monitor in (slow[0], slow[2], other)}
    scheduler.finish(first[0], _at(0.4), retry=False)
    scheduler.load(rest, _looked(rest), _at(0.4))
    assert _keys(scheduler.take(_at(0.4))) == []


def test_a_gone_monitor_does_not_take_the_place_of_those_behind_it() -> None:
    monitors = [_monitor(key, host="one", phase_ms=key) for key in range(1, 4)]
    scheduler = _loaded(*monitors, per_host=1)
    (run,) = scheduler.take(_at(0.1))
    rest = {1: monitors[0], 3: monitors[2]}
    scheduler.load(rest, _looked(rest), _at(0.2))
    scheduler.finish(run, _at(0.3), retry=False)
    assert _keys(scheduler.take(_at(0.3))) == [3]


def test_after_a_sleep_nothing_is_made_up_for() -> None:
    monitors = [
        _monitor(key, interval=60, phase_ms=stable_phase_ms(str(UUID(int=key)), "local", 60))
        for key in range(1, 1_001)
    ]
    scheduler = _loaded(*monitors, concurrency=10_000, per_host=10_000)
    woken = _at(3_600)
    at_once = scheduler.take(woken)
    # Only those whose slot was within the tolerance (ten seconds of sixty) still look.
    assert len(at_once) < 1_000 * 10 / 60 * 1.3
    assert scheduler.skipped > 700
    assert scheduler.skipped + len(at_once) == 1_000
    following = scheduler.next_at()
    assert following is not None
    assert following > woken


def test_too_much_to_do_means_doing_less_not_later() -> None:
    monitors = [_monitor(key, interval=5, phase_ms=key) for key in range(1, 101)]
    scheduler = _loaded(*monitors, concurrency=1)
    now = 0.2
    for _ in range(100):
        for run in scheduler.take(_at(now)):
            now += 0.1
            scheduler.finish(run, _at(now), retry=False)
    assert scheduler.skipped > 50
    assert scheduler.behind_seconds(_at(now)) <= 1.5


def test_edits_take_effect_where_the_monitor_is() -> None:
    scheduler = _loaded(_monitor(1), _monitor(2), _monitor(3))
    slower = {1: _monitor(1, phase_ms=30_000), 3: replace(_monitor(3), is_paused=True)}
    scheduler.load(slower, _looked(slower), _at(10))
    assert scheduler.monitors == 1
    assert scheduler.next_at() == _at(30)
    (run,) = scheduler.take(_at(30))
    edited = {1: _monitor(1, host="elsewhere", phase_ms=45_000)}
    scheduler.load(edited, _looked(edited), _at(31))
    scheduler.finish(run, _at(32), retry=False)
    assert scheduler.next_at() == _at(45)
    (run,) = scheduler.take(_at(45))
    assert run.monitor.spec.config == HttpConfig("http://elsewhere/")


def test_paused_and_resumed_during_a_look_it_still_runs_once() -> None:
    scheduler = _loaded(_monitor(1, interval=5))
    (run,) = scheduler.take(_at(5))
    scheduler.load({}, {}, _at(6))
    assert not scheduler.watches(1)
    scheduler.load({1: _monitor(1, interval=5)}, {1: _BEGIN}, _at(7))
    assert scheduler.take(_at(10)) == []
    scheduler.finish(run, _at(11), retry=False)
    assert scheduler.next_at() == _at(15)
    assert scheduler.running == 0


def test_a_new_monitor_and_one_that_somebody_asked_for() -> None:
    scheduler = Scheduler(10, 10)
    monitors = {1: _monitor(1, phase_ms=59_000), 2: _monitor(2, phase_ms=59_000)}
    scheduler.load(monitors, {2: _BEGIN}, _at(0.5))
    runs = scheduler.take(_at(2.5))
    assert _keys(runs) == [1]
    assert runs[0].due.is_extra
    scheduler.finish(runs[0], _at(2.6), retry=False)
    # The database's clock is ahead; what was asked for is had all the same, and once.
    asked = {key: replace(each, run_requested_at=_at(30)) for key, each in monitors.items()}
    scheduler.load(asked, {1: _at(2.5), 2: _BEGIN}, _at(3))
    runs = scheduler.take(_at(3))
    assert sorted(_keys(runs)) == [1, 2]
    # Asked for again while it runs: once more afterwards.
    again = {key: replace(each, run_requested_at=_at(31)) for key, each in monitors.items()}
    scheduler.load(again, {1: _at(2.5), 2: _BEGIN}, _at(3.1))
    for run in runs:
        scheduler.finish(run, _at(3.2), retry=False)
    runs = scheduler.take(_at(3.2))
    assert sorted(_keys(runs)) == [1, 2]
    for run in runs:
        scheduler.finish(run, _at(3.3), retry=False)
    # The looks that were asked for have been had.
    scheduler.load(again, {1: _at(3.2), 2: _at(3.2)}, _at(4))
    assert scheduler.take(_at(4)) == []
    # An engine that takes over finds what was asked for since the last look.
    other = Scheduler(10, 10)
    other.load(again, {1: _at(30.5), 2: _at(31.5)}, _at(32))
    assert _keys(other.take(_at(32))) == [1]


def test_the_clock_is_set_back() -> None:
    scheduler = _loaded(_monitor(1))
    assert scheduler.next_at() == _at(60)
    scheduler.reschedule(_at(-3_600))
    # Its timetable begins at zero.
    assert scheduler.next_at() == _at(0)


def test_what_somebody_asked_for_outlives_a_clock_that_was_set() -> None:
    monitor = _monitor(1, interval=3_600)
    scheduler = _loaded(monitor)
    asked = replace(monitor, run_requested_at=_at(5))
    scheduler.load({1: asked}, _looked({1: asked}), _at(10))
    scheduler.reschedule(_at(900))
    (run,) = scheduler.take(_at(900))
    assert run.due.is_extra
    scheduler.finish(run, _at(901), retry=False)
    scheduler.reschedule(_at(950))
    assert scheduler.next_at() == _at(3_600)


class SchedulerMachine(RuleBasedStateMachine):
    """Whatever comes in whatever order: bounds hold, and everybody gets their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.scheduler = Scheduler(3, 2)
        self.monitors: dict[int, WatchedMonitor] = {}
        self.running: list[Run] = []
        self.starts: dict[int, float] = {}

    def load(self) -> None:
        self.scheduler.load(self.monitors, _looked(self.monitors), _at(self.now))

    @rule(
        key=st.integers(1, 8),
        host=st.sampled_from("ab"),
        phase_ms=st.integers(0, 4_999),
        is_paused=st.booleans(),
    )
    def edit(self, key: int, host: str, phase_ms: int, is_paused: bool) -> None:
        monitor = _monitor(key, host=host, interval=5, phase_ms=phase_ms)
        self.monitors[key] = replace(monitor, is_paused=is_paused)
        self.load()

    @precondition(lambda self: self.monitors)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        del self.monitors[data.draw(st.sampled_from(sorted(self.monitors)))]
        self.load()

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 4.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for run in self.scheduler.take(_at(self.now)):
            assert run.monitor.key not in _keys(self.running)
            assert run.due.at <= _at(self.now)
            assert run.late_seconds <= 1.25
            self.running.append(run)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), retry=st.booleans())
    def end(self, data: st.DataObject, retry: bool) -> None:
        run = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.scheduler.finish(run, _at(self.now), retry=retry)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.running) == self.scheduler.running <= 3
        hosts = [run.monitor.spec.config for run in self.running]
        assert all(hosts.count(host) <= 2 for host in hosts)

    def teardown(self) -> None:
        """With nothing in the way, every monitor that is not paused looks within an interval."""
        for run in self.running:
            self.scheduler.finish(run, _at(self.now), retry=False)
        active = {key for key, monitor in self.monitors.items() if not monitor.is_paused}
        looked: set[int] = set()
        for _ in range(1_100):
            self.now += 0.01
            for run in self.scheduler.take(_at(self.now)):
                looked.add(run.monitor.key)
                self.scheduler.finish(run, _at(self.now), retry=False)
        assert looked == active


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_came_from_another_engine_overdue_is_looked_at_at_once() -> None:
    # Slots at 0, 60, ...; 2 was looked at after its last slot, 3 rested until after it.
    monitors = {
        1: _monitor(1),
        2: _monitor(2),
        3: _monitor(3, timetable=Timetable(60_000, 0, _at(62))),
        4: _monitor(4, interval=600, timetable=Timetable(600_000, 30_000, _BEGIN)),
        5: _monitor(5, phase_ms=8_000),
    }
    last_looks = {1: _at(1), 2: _at(60.5), 3: _at(1), 4: _at(-500), 5: _at(8)}
    scheduler = Scheduler(10, 10)
    scheduler.load(monitors, last_looks, _at(67))
    runs = scheduler.take(_at(67.01))
    assert _keys(runs) == [1, 4]
    # Within its tolerance it is the look of that slot; later it is only a look.
    assert [(run.due.slot_at, run.due.is_extra) for run in runs] == [
        (_at(60), False),
        (_at(30), True),
    ]
    for run in runs:
        scheduler.finish(run, _at(67.02), retry=False)
    assert scheduler.next_at() == _at(68)


def test_a_great_share_that_is_overdue_comes_evenly() -> None:
    monitors = {key: _monitor(key, phase_ms=key) for key in range(1, 3_001)}
    scheduler = Scheduler(10_000, 10)
    scheduler.load(monitors, dict.fromkeys(monitors, _at(5)), _at(65))
    started = []
    for step in range(40):
        runs = scheduler.take(_at(65 + step / 10))
        started.append(len(runs))
        for run in runs:
            scheduler.finish(run, _at(65 + step / 10), retry=False)
    assert sum(started) == 3_000
    assert max(started) <= 101
    # Those that come to their next slot before their turn wait for it.
    soon = {key: _monitor(key, interval=5, phase_ms=600) for key in range(1, 3_001)}
    scheduler = Scheduler(10_000, 10)
    scheduler.load(soon, dict.fromkeys(soon, _at(-60)), _at(4.5))
    assert len(scheduler.take(_at(5.5))) == 1_001
    assert len(scheduler.take(_at(5.6))) == 1_999
