"""The configurations that carry secrets: what is refused, and what of them is shown."""

from __future__ import annotations

import pytest

from statustui.domain.errors import ValidationFailed
from statustui.domain.monitor import (
    CommandConfig,
    HeartbeatConfig,
    PostgresConfig,
    host_of,
    masked,
    parse_config,
    target_of,
)
from statustui.domain.probe_config import Dsn, mask_argv, split_dsn
from statustui.domain.status import MonitorType


def test_a_dsn_is_taken_apart() -> None:
    assert split_dsn("postgresql://app%40x:p%2Fw@[2001:db8::1]:6543/my%20db?sslmode=require") == (
        Dsn("2001:db8::1", 6543, "app@x", "p/w", "my db", "require")
    )
    assert split_dsn("postgres://app@db.test") == Dsn("db.test", 5432, "app", "", "app", "prefer")


@pytest.mark.parametrize(
    ("dsn", "problem"),
    [
        ("db.test", "begins with postgresql://"),
        ("mysql://a@b/c", "begins with postgresql://"),
        ("postgresql:///app", "names one host"),
        ("postgresql://a@b,c/app", "cannot be read"),
        ("postgresql://a@b:1,c:2/app", "cannot be read"),
        ("postgresql://db.test/app", "names the user"),
        ("postgresql://a@b:0/c", "port 0"),
        ("postgresql://a@b:99999/c", "cannot be read"),
        ("postgresql://a@b/c?host=/run/postgresql", '"sslmode" alone'),
        ("postgresql://a@b/c?passfile=/etc/pgpass", '"sslmode" alone'),
        ("postgresql://a@b/c?sslmode=never", "sslmode is one of"),
    ],
)
def test_what_would_borrow_from_the_host_is_no_dsn(dsn: str, problem: str) -> None:
    told = split_dsn(dsn)
    assert isinstance(told, str)
    assert problem in told or ("," in dsn and "one host" in told)
    with pytest.raises(ValidationFailed) as caught:
        parse_config(MonitorType.POSTGRES, {"dsn": dsn})
    assert caught.value.problems[0].path == ("dsn",)


def test_a_password_is_masked_wherever_a_database_is_shown() -> None:
    config = PostgresConfig("postgresql://app:hunter2@db.test:6543/app?sslmode=require")
    assert target_of(config) == "postgresql://app:***@db.test:6543/app?sslmode=require"
    assert "hunter2" not in str(masked(config))
    assert host_of(config) == "db.test"
    assert "hunter2" not in target_of(PostgresConfig("postgresql://app:hunter2"))


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("/p/check_disk", "-w", "10%", "-c", "5%", "/"), None),
        (("/p/check_http", "-H", "a.test", "-p", "8080"), ["-H", "a.test", "-p", "***"]),
        (("/p/check_snmp", "-C", "public", "-t5"), ["-C", "***", "-t5"]),
        (("/p/a", "--password=a", "--token", "b", "c"), ["--password=***", "--token", "***", "c"]),
        (("/p/check_x", "-pgeheim", "key=a", "--all"), ["-p***", "key=***", "--all"]),
    ],
)
def test_arguments_that_may_be_secrets_are_masked(
    argv: tuple[str, ...], shown: list[str] | None
) -> None:
    assert mask_argv(argv)[1:] == (list(argv[1:]) if shown is None else shown)
    assert target_of(CommandConfig(argv)).startswith(argv[0].rpartition("/")[2])


@pytest.mark.parametrize(
    ("kind", "mapping", "path", "message"),
    [
        ("heartbeat", {}, ("every",), "required"),
        ("heartbeat", {"every": 60}, ("every",), "with its unit"),
        ("heartbeat", {"every": "1s"}, ("every",), "outside"),
        ("command", {}, ("argv",), "required"),
        ("command", {"argv": "check_disk /"}, ("argv",), "list of words"),
        ("command", {"argv": []}, ("argv",), "list of words"),
        ("command", {"argv": ["check_disk"]}, ("argv", 0), "absolute path"),
        ("command", {"argv": ["/bin/a", True]}, ("argv", 1), "expected text"),
        ("command", {"argv": ["/bin/a", "b\0c"]}, ("argv", 1), "NUL"),
        ("command", {"argv": ["/bin/a"], "shell": True}, ("shell",), "unknown key"),
        ("postgres", {"query": "SELECT 1"}, ("dsn",), "required"),
        ("postgres", {"dsn": "postgresql://a@b/c", "expected_rows": -1}, ("expected_rows",), "out"),
    ],
)
def test_mistakes(
    kind: str, mapping: dict[str, object], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(ValidationFailed, match=message) as caught:
        parse_config(MonitorType(kind), mapping)
    assert path in [problem.path for problem in caught.value.problems]


def test_what_is_left_out_is_filled_in() -> None:
    assert parse_config(MonitorType.HEARTBEAT, {"every": "1d"}) == HeartbeatConfig(86_400, 3_600)
    assert parse_config(MonitorType.HEARTBEAT, {"every": "5m"}) == HeartbeatConfig(300, 60)
    cell = parse_config(MonitorType.POSTGRES, {"dsn": "postgresql://a@b/c", "expected": 5})
    assert isinstance(cell, PostgresConfig)
    assert cell.expected == "5"
    words = parse_config(MonitorType.COMMAND, {"argv": ["/bin/a", "-w", 5]})
    assert words == CommandConfig(("/bin/a", "-w", "5"))
