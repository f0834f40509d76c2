"""PostgreSQL checks against a real server on loopback, with passwords and with TLS."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from statustui.domain.monitor import MonitorSpec, PostgresConfig
from statustui.domain.observation import Observation
from statustui.domain.status import CheckStatus, ErrorKind, MonitorType
from statustui.domain.verdict import judge
from statustui.engine.checkers import LookOptions, look
from tests.engine.checkers.servers import (
    Authority,
    black_hole,
    free_port,
    make_authority,
    serving,
)
from tests.support.databases import has_distribution_15, unprivileged_account
from tests.support.scram_server import ADMIN, PASSWORD, ScramServer, scram_server

SECRET = "hunter2/hunter2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(databases_folder: Path, worker_id: str, authority: Authority) -> Iterator[ScramServer]:
    if not has_distribution_15():
        pytest.skip("PostgreSQL 15 of the distribution is not installed")
    folder = databases_folder / f"checked-{worker_id}"
    folder.mkdir(mode=0o711)
    with scram_server(folder) as made:
        authority.context("localhost", tag="postgres")
        account = unprivileged_account()
        key = folder / "pg15-scram" / "server.pem"
        key.write_bytes((authority.folder / "postgres.pem").read_bytes())
        key.chmod(0o600)
        if account.is_separate:
            os.chown(key, account.uid, account.gid)
        asyncio.run(
            made.execute(
                f"CREATE ROLE app LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 3",
                "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0",
                "CREATE TABLE jobs AS SELECT 1 AS a",
                "ALTER SYSTEM SET ssl = on",
                "ALTER SYSTEM SET ssl_cert_file = 'server.pem'",
                "ALTER SYSTEM SET ssl_key_file = 'server.pem'",
                "SELECT pg_reload_conf()",
            )
        )
        yield made


def dsn(server: ScramServer, mode: str = "", host: str = "127.0.0.1", user: str = "app") -> str:
    words = {"app": SECRET.replace("/", "%2F"), ADMIN: PASSWORD.replace(" ", "%20")}
    word = words.get(user, user)
    query = f"?sslmode={mode}" if mode else ""
    return f"postgresql://{user}:{word}@{host}:{server.port}/postgres{query}"


async def see(config: PostgresConfig, *, timeout_ms: int = 5_000, **options: Path) -> Observation:
    """Looks; whatever comes of it, the password stands nowhere in it."""
    seen = await look(config, timeout_ms=timeout_ms, options=LookOptions(**options))  # type: ignore[arg-type]
    assert "hunter2" not in repr(seen)
    return seen


def verdict(config: PostgresConfig, seen: Observation) -> tuple[CheckStatus, str]:
    spec = MonitorSpec("db", MonitorType.POSTGRES, config, 5_000, 20)
    result = judge(spec, seen, seen.started_at)
    return result.status, result.reason


async def test_a_query_is_timed_and_its_rows_are_read(server: ScramServer) -> None:
    config = PostgresConfig(
        dsn(server), "SELECT n, n IS NULL AS b, NULL AS c FROM generate_series(7, 9) n"
    )
    seen = await see(config)
    assert seen.error_kind is None, seen.reason
    assert (seen.rows, seen.cell) == (3, "7")
    assert json.loads(seen.body)[0] == {"n": "7", "b": "f", "c": None}
    assert seen.connected
    assert seen.address == f"127.0.0.1:{server.port}"
    assert seen.phases.connect_ms is not None
    assert seen.phases.first_byte_ms is not None
    assert seen.phases.connect_ms + seen.phases.first_byte_ms <= seen.duration_ms + 0.1
    assert seen.repeat_command.startswith("psql -X 'postgresql://app:***@127.0.0.1:")
    assert verdict(config, seen)[0] is CheckStatus.SUCCESS


@pytest.mark.parametrize(
    ("query", "expected", "rows", "status", "reason"),
    [
        ("SELECT 42", "42", 1, CheckStatus.SUCCESS, ""),
        ("SELECT 'a b'", "a b", None, CheckStatus.SUCCESS, ""),
        ("SELECT 1", "2", None, CheckStatus.FAILURE, 'the query gave "1", expected "2"'),
        ("SELECT NULL", "2", None, CheckStatus.FAILURE, 'the query gave NULL, expected "2"'),
        ("SELECT 1 LIMIT 0", "2", None, CheckStatus.FAILURE, 'the query gave no row, expected "2"'),
        ("SELECT 1 LIMIT 0", None, 1, CheckStatus.FAILURE, "the query gave 0 rows, expected 1"),
        ("SHOW transaction_read_only", "on", 1, CheckStatus.SUCCESS, ""),
    ],
)
async def test_what_a_query_must_give(
    server: ScramServer,
    query: str,
    expected: str | None,
    rows: int | None,
    status: CheckStatus,
    reason: str,
) -> None:
    config = PostgresConfig(dsn(server), query, expected, rows)
    assert verdict(config, await see(config)) == (status, reason)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELEC 1", 'the query failed: syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "the query failed: cannot insert multiple commands"),
        ("INSERT INTO jobs VALUES (2)", "the query failed: cannot execute INSERT in a read-only"),
        ("CREATE TABLE mine (a int)", "the query failed: cannot execute CREATE TABLE in a read-on"),
        ("COMMIT", ""),
        ("SELECT * FROM nowhere", 'the query failed: relation "nowhere" does not exist'),
        ("SELECT 1 / 0", "the query failed: division by zero"),
    ],
)
async def test_a_query_that_fails_is_told_and_nothing_is_ever_written(
    server: ScramServer, query: str, reason: str
) -> None:
    seen = await see(PostgresConfig(dsn(server, user=ADMIN), query))
    if reason:
        assert seen.error_kind is ErrorKind.ASSERTION
    assert seen.reason.startswith(reason)
    assert await server.execute(
        "SELECT count(*) FROM jobs", "SELECT count(*) FROM pg_class WHERE relname = 'mine'"
    ) == [1, 0]


async def test_an_endless_result_is_bounded(server: ScramServer) -> None:
    endless = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t"
    many = await see(PostgresConfig(dsn(server), endless))
    assert many.error_kind is None, many.reason
    assert (many.rows, many.body_truncated) == (1_000, True)
    wide = await see(
        PostgresConfig(dsn(server), "SELECT repeat('x', 500) FROM generate_series(1, 100000)")
    )
    assert wide.rows == 1_000
    assert len(wide.body) < 20_000
    huge = await see(PostgresConfig(dsn(server), "SELECT repeat('x', 3000000)"))
    assert huge.error_kind is ErrorKind.PROTOCOL
    assert huge.reason == "the query gave a row of 3,000,010 bytes, 1,000,000 are allowed"


async def test_a_slow_query_ends_here_and_there(server: ScramServer) -> None:
    seen = await see(PostgresConfig(dsn(server), "SELECT pg_sleep(30)"), timeout_ms=300)
    assert seen.error_kind is ErrorKind.TIMEOUT
    assert "query" in seen.reason
    async with asyncio.timeout(5):
        while (await server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"))[
            0
        ]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("user", "word", "database", "kind", "reason"),
    [
        ("app", "wrong", "postgres", ErrorKind.PROTOCOL, "refused the login of app: password auth"),
        ("nobody", "x", "postgres", ErrorKind.PROTOCOL, "refused the login of nobody: password"),
        ("app", "", "postgres", ErrorKind.PROTOCOL, "refused the login of app: "),
        ("few", "few", "postgres", ErrorKind.CONNECT, "takes no connection: too many connections"),
        (ADMIN, "open%20sesame", "gone", ErrorKind.PROTOCOL, "has no database gone"),
    ],
)
async def test_a_login_that_is_refused(
    server: ScramServer, user: str, word: str, database: str, kind: ErrorKind, reason: str
) -> None:
    # A password of this host must not help out.
    os.environ["PGPASSWORD"] = SECRET
    try:
        seen = await see(
            PostgresConfig(f"postgresql://{user}:{word}@127.0.0.1:{server.port}/{database}")
        )
    finally:
        del os.environ["PGPASSWORD"]
    assert (seen.error_kind, seen.connected) == (kind, False)
    assert seen.reason.startswith(f"127.0.0.1:{server.port} {reason}")


@pytest.mark.parametrize(
    ("mode", "host", "trusted", "reason"),
    [
        ("disable", "localhost", True, ""),
        ("prefer", "127.0.0.1", False, ""),
        ("require", "127.0.0.1", False, ""),
        ("verify-ca", "127.0.0.1", True, ""),
        ("verify-full", "localhost", True, ""),
        ("verify-full", "127.0.0.1", True, "certificate of"),
        ("verify-ca", "localhost", False, "certificate of"),
    ],
)
async def test_tls_is_as_sslmode_says(
    server: ScramServer, authority: Authority, mode: str, host: str, trusted: bool, reason: str
) -> None:
    config = PostgresConfig(
        dsn(server, mode, host), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    )
    ca = {"ca_file": authority.file} if trusted else {}
    seen = await see(config, **ca)
    assert seen.reason.startswith(reason)
    if reason:
        assert seen.error_kind is ErrorKind.TLS
    else:
        assert seen.error_kind is None, seen.reason
        assert seen.cell == ("f" if mode == "disable" else "t")
        assert (seen.certificate is None) == (mode == "disable")


async def test_nobody_answers() -> None:
    config = PostgresConfig(f"postgresql://a:hunter2@127.0.0.1:{free_port()}/a")
    refused = await see(config)
    assert refused.error_kind is ErrorKind.REFUSED
    assert refused.reason == f"connect to {refused.address} refused"
    with black_hole() as port:
        lost = await see(PostgresConfig(f"postgresql://a:b@127.0.0.1:{port}/a"), timeout_ms=300)
    assert lost.error_kind is ErrorKind.TIMEOUT
    assert lost.reason == f"connect to 127.0.0.1:{port} not answered within 0.3 s"
    missing = await see(PostgresConfig("postgresql://a:b@no-such-host.invalid/a"))
    assert missing.error_kind is ErrorKind.DNS


@pytest.mark.parametrize(
    ("said", "mode", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "disable", ErrorKind.PROTOCOL),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "require", ErrorKind.PROTOCOL),
        (b"Snow comes what TLS does not cover", "require", ErrorKind.PROTOCOL),
        (b"N", "require", ErrorKind.TLS),
        (b"S", "require", ErrorKind.CONNECT),
        (b"", "disable", ErrorKind.CONNECT),
        (b"R\xff\xff\xff\xff", "disable", ErrorKind.PROTOCOL),
    ],
)
async def test_who_is_no_database(said: bytes, mode: str, kind: ErrorKind) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        await writer.drain()

    async with serving(handler) as port:
        config = PostgresConfig(f"postgresql://a:b@127.0.0.1:{port}/a?sslmode={mode}")
        seen = await see(config, timeout_ms=2_000)
    assert seen.error_kind is kind, seen.reason
    assert str(port) in seen.reason
    assert not seen.connected


async def test_an_endless_greeting_ends_at_the_deadline() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        while True:
            writer.write(b"N\x00\x00\x00\x09SA\0\0\0" * 100)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(handler) as port:
        config = PostgresConfig(f"postgresql://a:b@127.0.0.1:{port}/a?sslmode=disable")
        seen = await see(config, timeout_ms=300)
        assert seen.error_kind in (ErrorKind.TIMEOUT, ErrorKind.PROTOCOL)
        assert replace(seen, duration_ms=0).reason


@pytest.mark.parametrize("mode", ["disable", "verify-full"])
def test_on_the_watch_s_own_loop(server: ScramServer, authority: Authority, mode: str) -> None:
    async def looks() -> list[Observation]:
        config = PostgresConfig(dsn(server, mode, "localhost", ADMIN))
        slow = replace(config, query="SELECT pg_sleep(9)")
        return [
            await see(config, ca_file=authority.file),
            await see(slow, timeout_ms=300, ca_file=authority.file),
        ]

    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen, slow = runner.run(looks())
    assert (seen.error_kind, seen.cell) == (None, "1"), seen.reason
    assert slow.error_kind is ErrorKind.TIMEOUT
