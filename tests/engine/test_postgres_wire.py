"""The protocol of PostgreSQL against the standard's own example, and against noise."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest

from statustui.domain.monitor import PostgresConfig
from statustui.domain.status import ErrorKind
from statustui.engine.checkers import look
from statustui.engine.postgres_wire import Nonsense, Scram
from tests.engine.checkers.servers import serving

SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
NONCE = "rOprNGfwEbeRWgbNEkqO"
THEIRS = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def test_scram_as_rfc_7677_shows_it() -> None:
    scram = Scram("pencil", NONCE)
    # PostgreSQL takes the name from the first message of all, so none stands here.
    assert scram.first() == f"n,,n=,r={NONCE}".encode()
    scram = Scram("pencil", NONCE)
    scram._bare = f"n=user,r={NONCE}"
    challenge = f"r={NONCE}{THEIRS},s={SALT},i=4096".encode()
    assert scram.answer(challenge) == (
        f"c=biws,r={NONCE}{THEIRS},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    )
    scram.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(Nonsense, match="does not know the password"):
        scram.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")
    with pytest.raises(Nonsense, match="does not know the password"):
        Scram("pencil").check(b"v=")


@pytest.mark.parametrize(
    "challenge",
    [b"", b"r=x,s=AA==,i=1", f"r={NONCE}x,s=AA==,i=999999999".encode(), b"\xff", b"r=,s,i"],
)
def test_a_challenge_that_is_none(challenge: bytes) -> None:
    with pytest.raises(Nonsense, match="challenge"):
        Scram("pencil", NONCE).answer(challenge)


def _message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!i", len(payload) + 4) + payload


GREETING = (
    _message(b"R", struct.pack("!i", 0))
    + _message(b"S", b"server_version\x0015\x00")
    + _message(b"K", b"\0" * 8)
    + _message(b"Z", b"I")
)
BEGUN = _message(b"C", b"BEGIN\0") + _message(b"C", b"SET\0") + _message(b"Z", b"T")
COLUMN = b"a\0" + struct.pack("!ihihih", 0, 0, 23, 4, -1, 0)
ANSWER = (
    _message(b"1", b"")
    + _message(b"2", b"")
    + _message(b"T", struct.pack("!h", 1) + COLUMN)
    + _message(b"D", struct.pack("!hi", 1, 1) + b"7")
    + _message(b"C", b"SELECT 1\0")
    + _message(b"Z", b"T")
)


async def test_whatever_a_server_says_a_look_comes_back() -> None:
    """A good conversation with a few bytes changed, left out or cut, four hundred times."""
    draw = random.Random(7677)
    said: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(said[-1])
        await writer.drain()
        writer.write_eof()
        await reader.read(10_000)

    good = GREETING + BEGUN + ANSWER
    kinds = set()
    async with serving(handler) as port:
        config = PostgresConfig(f"postgresql://a:b@127.0.0.1:{port}/a?sslmode=disable")
        said.append(good)
        seen = await look(config, timeout_ms=2_000)
        assert (seen.error_kind, seen.rows, seen.cell) == (None, 1, "7"), seen.reason
        for _ in range(400):
            data = bytearray(good)
            for _ in range(draw.randint(1, 4)):
                at = draw.randrange(len(data))
                match draw.randrange(3):
                    case 0:
                        data[at] = draw.randrange(256)
                    case 1:
                        del data[at : at + draw.randint(1, 9)]
                    case _:
                        data[at:at] = draw.randbytes(draw.randint(1, 9))
            said.append(bytes(data))
            seen = await look(config, timeout_ms=2_000)
            kinds.add(seen.error_kind)
            assert seen.error_kind is not ErrorKind.OBSERVER
    assert {None, ErrorKind.PROTOCOL, ErrorKind.CONNECT} <= kinds
