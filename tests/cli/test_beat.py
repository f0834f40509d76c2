"""`statustui beat`: what cron runs, against a watch that listens."""

from __future__ import annotations

import time

from tests.cli.conftest import Call


def _state(call: Call, wanted: str, seconds: float = 5.0) -> dict[str, object]:
    """The monitor's row once it is in a state."""
    end = time.monotonic() + seconds
    while True:
        row: dict[str, object] = call("monitor", "show", "API/nightly", "--json").data
        if row["state"] == wanted or time.monotonic() > end:
            return row
        time.sleep(0.05)


def test_a_job_beats_fails_and_beats_again(call: Call) -> None:
    made = call(
        *("monitor", "add", "API", "nightly", "--type", "heartbeat", "--set", "every=1h"),
        *("--failure-threshold", "1", "--json"),
    )
    assert made.data["config"] == {"every": "1h", "grace": "6m"}
    first = call("beat", "API/nightly")
    assert (first.code, first.out, first.err) == (0, "", "")
    assert _state(call, "up")["state"] == "up"
    failed = call("beat", "nightly", "--exit-code", "3")
    assert failed.code == 0
    assert failed.out.endswith("the job failed\n")
    down = _state(call, "down")
    assert (down["state"], down["reason"]) == ("down", "the job said that it failed: exit code 3")
    noted = call(
        "beat", "NIGHTLY", "--status", "ok", "--message", "in time \x1b[31magain", "--json"
    )
    assert noted.data["monitor"] == "API/nightly"
    assert (noted.data["status"], noted.data["message"]) == ("ok", "in time again")
    assert _state(call, "up")["state"] == "up"
    looked = call("check", "API/nightly", "--json")
    assert looked.data["status"] == "success"
    assert looked.data["target"] == "a beat every 1h, 6m grace"


def test_what_is_refused(call: Call) -> None:
    call("monitor", "add", "API", "weekly", "--type", "heartbeat", "--set", "every=7d")
    call(
        "monitor", "add", "API", "port", "--type", "tcp", "--set", "host=a.test", "--set", "port=1"
    )
    missing = call("beat", "weekli")
    assert missing.code == 3
    assert "did you mean weekly?" in missing.err
    assert call("beat", "API/port").code == 2
    assert call("beat", "weekly", "--status", "ok", "--exit-code", "0").code == 2
    assert call("beat", "weekly", "--status", "perhaps").code == 2
    assert call("beat").code == 2
    gone = call("--database-url", "postgresql://a:b@127.0.0.1:1/a", "beat", "weekly")
    assert gone.code == 6
    assert "127.0.0.1:1" in gone.err
