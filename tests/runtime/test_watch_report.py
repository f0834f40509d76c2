"""Who looks is said engine by engine, and a host whose clock is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from statustui.domain.readmodels import EngineInfo, WatchInfo
from statustui.engine.spool_folder import SpoolOnDisk
from statustui.runtime.doctor import describe_engine
from statustui.runtime.registry import RegisteredWatch
from statustui.runtime.watch import WatchReport

_AT = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
_ONE = EngineInfo("db1:41", "db1", "eu", 1_250, 0.625, 0.0, _AT, _AT)
_TWO = EngineInfo("db2:42", "db2", "eu", 750, 0.375, 12.4, _AT, _AT, offline=True)


def test_each_engine_has_its_line() -> None:
    watch = WatchInfo("db1:41 and 1 more", True, _AT, _AT, 12.4, engines=(_ONE, _TWO))
    report = WatchReport(watch, (RegisteredWatch(41, "", "http://127.0.0.1:8080", Path("41")),))
    assert report.as_text().splitlines() == [
        "the watch runs: db1:41 and 1 more, since 2027-01-02 03:04:05Z",
        (
            "engine db1:41, region eu, 1,250 monitors, 62% of the region, on time,"
            " since 2027-01-02 03:04:05Z"
        ),
        (
            "engine db2:42, region eu, 750 monitors, 38% of the region, behind 12 s,"
            " since 2027-01-02 03:04:05Z, its own network is gone"
        ),
        "on this host: process 41, page http://127.0.0.1:8080",
    ]
    data = report.as_data()
    assert data["alive"] is True
    assert isinstance(data["engines"], list)
    assert [each["region"] for each in data["engines"]] == ["eu", "eu"]
    assert data["engines"][1]["behind_seconds"] == 12.4


def test_what_waits_on_disk_is_said() -> None:
    spool = SpoolOnDisk(Path("/data/spool/x"), 1_234_567, 40, _AT)
    report = WatchReport(None, (), spool)
    assert report.as_text().splitlines()[1:] == [
        (
            "on this host's disk: 1,234,567 bytes of results wait for the database, "
            "the oldest since 2027-01-02 03:04:05Z"
        ),
        "40 bytes there could not be read: /data/spool/x",
    ]
    assert report.as_data()["spool"] == {
        "results": None,
        "bytes": 1_234_567,
        "oldest_at": _AT,
        "unreadable_bytes": 40,
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (4.9, ""),
        (-600.2, "the clock of db1 is 600 s behind the database's"),
        (7_200.0, "the clock of db1 is 7,200 s ahead of the database's"),
    ],
)
def test_a_wrong_clock_is_a_note(seconds: float, said: str) -> None:
    finding = describe_engine(replace(_ONE, clock_skew_seconds=seconds))
    assert finding.verdict == ("note" if said else "ok")
    assert said in finding.text
    assert bool(finding.advice) is bool(said)
