"""Connections: addresses are read strictly, and what goes wrong is said in plain words."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from statustui.domain.errors import Conflict, DatabaseUnavailable, ValidationFailed
from statustui.store.connection import (
    ConnectionTarget,
    connect,
    open_pool,
    target_from_url,
    transaction,
)
from tests.support.databases import Database
from tests.support.proxy import Line


@asynccontextmanager
async def answering(words: bytes) -> AsyncIterator[int]:
    """A server on loopback that says the same to everybody and then only listens."""
    done: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        done.append(ended)
        writer.write(words)
        with contextlib.suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    for ended in done:
        await ended.wait()


def test_an_address_is_shown_without_its_password() -> None:
    target = target_from_url("postgresql://alice:s3cr%2Ft@db.acme.test:6432/status?sslmode=require")
    assert target.label == "postgresql://alice@db.acme.test:6432/status"
    assert target.parameters["password"] == "s3cr/t"
    assert target.parameters["user"] == "alice"
    assert "s3cr" not in repr(target)
    assert target.parameters["dsn"] == "postgresql://db.acme.test:6432/status?sslmode=require"


def test_another_role_never_gets_the_password_of_the_address() -> None:
    url = "postgresql://alice:secret@db/status"
    engine = target_from_url(url, user="statustui_engine")
    assert engine.parameters["user"] == "statustui_engine"
    assert "password" not in engine.parameters
    assert "secret" not in str(engine.parameters)
    assert engine.label == "postgresql://statustui_engine@db/status"
    with_own = target_from_url(url, user="statustui_engine", password="own")
    assert with_own.parameters["password"] == "own"


def test_what_only_psql_knows_does_not_reach_the_server() -> None:
    target = target_from_url(
        "postgresql://db/status?channel_binding=require&keepalives=1&connect_timeout=3"
    )
    assert target.parameters["dsn"] == "postgresql://db/status"
    assert target.parameters["timeout"] == 3.0


def test_a_password_in_the_query_is_not_shown_either() -> None:
    target = target_from_url("postgresql://db/status?user=bob&password=secret")
    assert target.label == "postgresql://bob@db/status"
    assert target.parameters["password"] == "secret"
    assert "secret" not in target.parameters["dsn"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://db/status",
        "db.acme.test",
        "postgresql://db:notaport/status",
        "postgresql://alice:pass#word@db/status",
        "postgresql://db/status?connect_timeout=soon",
        "postgresql://db/status?sslmode",
    ],
)
def test_a_wrong_address_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        target_from_url(url)
    assert "postgresql://user@host:port/database" in caught.value.advice
    assert "word" not in caught.value.message


async def test_nobody_listening_is_said_with_address_cause_and_advice() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        target = target_from_url(f"postgresql://alice:secret@127.0.0.1:{port}/status")
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(target)
    assert caught.value.address == f"postgresql://alice@127.0.0.1:{port}/status"
    assert caught.value.cause == "connection refused"
    assert "is PostgreSQL running there" in caught.value.advice
    assert "secret" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with answering(b"") as port:
        target = target_from_url(
            f"postgresql://alice@127.0.0.1:{port}/status?sslmode=disable", timeout_seconds=0.2
        )
        with pytest.raises(DatabaseUnavailable, match="no answer in time"):
            await connect(target)


async def test_something_that_is_no_database_is_said() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        target = target_from_url(f"postgresql://127.0.0.1:{port}/x?sslmode=disable&user=a")
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(ConnectionTarget({**target.parameters, "timeout": 2.0}, target.label))
    assert caught.value.advice


async def test_a_missing_database_is_said(database: Database) -> None:
    parameters = {**database.parameters(), "database": "nowhere_at_all"}
    with pytest.raises(DatabaseUnavailable) as caught:
        await connect(ConnectionTarget(parameters, "here"))
    assert "nowhere_at_all" in caught.value.cause
    assert "createdb" in caught.value.advice


async def test_a_session_is_set_up_and_stays_so(database: Database) -> None:
    pool = await open_pool(database.target(), min_size=1, max_size=1, statement_seconds=7)
    try:
        for _ in range(2):
            async with pool.acquire() as connection:
                assert await connection.fetchval("SHOW search_path") == "statustui, pg_temp"
                assert await connection.fetchval("SHOW statement_timeout") == "7s"
    finally:
        await pool.close()


async def test_a_statement_that_takes_too_long_is_ended(database: Database) -> None:
    pool = await open_pool(database.target(), max_size=1, statement_seconds=0.1)
    try:
        with pytest.raises(DatabaseUnavailable, match="had to wait too long"):
            async with transaction(pool) as connection:
                await connection.execute("SELECT pg_sleep(30)")
        async with transaction(pool) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await pool.close()


async def test_a_read_only_transaction_writes_nothing(database: Database) -> None:
    pool = await open_pool(database.target(), max_size=1)
    try:
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
                await connection.execute("DELETE FROM plans")
    finally:
        await pool.close()


async def test_an_error_in_the_middle_takes_back_the_whole_transaction(database: Database) -> None:
    pool = await open_pool(database.target(), max_size=1)
    try:
        with pytest.raises(Conflict, match="regions_name_key"):
            async with transaction(pool) as connection:
                await connection.execute("INSERT INTO regions (name) VALUES ('eu-1')")
                await connection.execute("INSERT INTO regions (name) VALUES ('eu-1')")
        async with transaction(pool) as connection:
            assert await connection.fetchval("SELECT count(*) FROM regions") == 1
    finally:
        await pool.close()


async def test_a_lost_line_is_said_and_the_pool_recovers(database: Database) -> None:
    async with Line(database.parameters()) as line:
        pool = await open_pool(ConnectionTarget(line.through, "the line"), max_size=1)
        try:
            async with transaction(pool) as connection:
                await connection.fetchval("SELECT 1")
            await line.cut()
            with pytest.raises(DatabaseUnavailable) as caught:
                async with transaction(pool) as connection:
                    await connection.fetchval("SELECT 1")
            assert caught.value.address == "the line"
            await line.mend()
            async with transaction(pool) as connection:
                assert await connection.fetchval("SELECT 2") == 2
        finally:
            pool.terminate()


async def test_a_server_that_dies_while_nobody_asks_is_a_lost_line(database: Database) -> None:
    async with Line(database.parameters()) as line:
        pool = await open_pool(ConnectionTarget(line.through, "db"), max_size=1)
        try:
            async with transaction(pool) as connection:
                number = await connection.fetchval("SELECT pg_backend_pid()")
            line.lingers = True
            admin = await database.connect()
            await admin.execute("SELECT pg_terminate_backend($1)", number)
            await line.hung_up.wait()
            # It has said that it ends, and the end itself is not heard of yet.
            for _ in range(5):
                await asyncio.sleep(0)
            line.lingers = False
            with pytest.raises(DatabaseUnavailable, match="db is unavailable"):
                async with transaction(pool) as connection:
                    await connection.execute("SELECT 1")
            async with transaction(pool) as connection:
                assert await connection.fetchval("SELECT 1") == 1
        finally:
            pool.terminate()
