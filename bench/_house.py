"""What benchmarks of the engine share: targets in a process of their own, a database, monitors.

Nothing here measures; it builds what is measured, on loopback alone, and takes it down again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import multiprocessing
import resource
import ssl
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import asyncpg
import uvloop

from statustui.store.bootstrap import initialise
from statustui.store.connection import ConnectionTarget
from statustui.store.embedded import EmbeddedServer

BODY = b'{"status": "ok", "version": "1.42.0"}'
_HEAD = (
    b"Content-Type: application/json\r\nServer: bench\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nConnection: close\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (_HEAD, len(BODY), BODY)
BROKEN = b"HTTP/1.1 503 Service Unavailable\r\n%sContent-Length: 0\r\n\r\n" % _HEAD

MAKE_MONITORS = """
WITH org AS (
    INSERT INTO organizations (slug, name) VALUES ($1, $1)
    ON CONFLICT (slug) DO UPDATE SET name = EXCLUDED.name RETURNING org_id
), services AS (
    INSERT INTO services (org_id, name)
    SELECT org_id, $1 || ' ' || n FROM org, generate_series(1, greatest($2::int / $7::int, 1)) n
    RETURNING org_id, id, name
)
INSERT INTO monitors (org_id, service_id, name, type, config, interval_seconds, timeout_ms,
    retry_interval_seconds, failure_threshold)
SELECT s.org_id, s.id, 'monitor ' || n, 'http',
       $3::jsonb || jsonb_build_object('url',
           replace($4::text, '{host}', host(inet '127.0.0.1' + n % 200))),
       $5::int, least(5000, $5::int * 1000 - 1000), 1, $6::int
FROM generate_series(0, $2::int - 1) n
JOIN services s ON s.name = $1 || ' ' || (n % greatest($2::int / $7::int, 1) + 1)
"""


def open_many_files() -> None:
    """Allows this process as many open connections as the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# -- targets ---------------------------------------------------------------------------------------


class _Answering(asyncio.Protocol):
    """Answers at once and closes; `/until/T` answers 503 from the second T since 1970 on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /until/"):
            at = float(data[11:].split(b" ", 1)[0])
            self._transport.write(ANSWER if time.time() < at else BROKEN)
        else:
            self._transport.write(ANSWER)
        self._transport.close()


def _serve(ready: Connection, certificate: str) -> None:
    async def run() -> None:
        open_many_files()
        loop = asyncio.get_running_loop()
        plain = await loop.create_server(_Answering, "0.0.0.0", 0, backlog=4096)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        secure = await loop.create_server(_Answering, "0.0.0.0", 0, backlog=4096, ssl=context)
        ready.send([each.sockets[0].getsockname()[1] for each in (plain, secure)])
        await asyncio.Event().wait()

    uvloop.run(run())


@dataclass(frozen=True)
class Targets:
    """Ports of the target process, and the authority that signed its certificate (PEM)."""

    plain: int
    secure: int
    ca_file: Path


@contextmanager
def targets() -> Iterator[Targets]:
    """A server for plain and TLS connections, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        chain, authority = _make_certificate(Path(folder))
        here, there = context.Pipe(duplex=False)
        server = context.Process(target=_serve, args=(there, str(chain)), daemon=True)
        server.start()
        try:
            plain, secure = here.recv()
            yield Targets(plain, secure, authority)
        finally:
            server.terminate()
            server.join()


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """A throwaway authority, and a certificate of it for 200 addresses of loopback."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def build(
        subject: str, issuer: str, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
        )

    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        build("bench authority", "bench authority", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = [x509.IPAddress(ipaddress.IPv4Address("127.0.0.1") + n) for n in range(200)]
    leaf = (
        build("bench", "bench authority", key)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain, ca_file = folder / "chain.pem", folder / "ca.pem"
    chain.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(pem)
    )
    ca_file.write_bytes(authority.public_bytes(pem))
    return chain, ca_file


# -- the database ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class House:
    """A migrated database of its own.

    Attributes:
        admin: a connection that may do everything; engine: how the engine's role connects.
        folder: the data folder, as `data_dir` of the settings.
    """

    admin: asyncpg.Connection
    engine: ConnectionTarget
    folder: Path


def engine_target(server: EmbeddedServer) -> ConnectionTarget:
    """How the engine's role reaches a house's database from this process."""
    return ConnectionTarget(
        server.endpoint.dsn_parameters(user="statustui_engine", database="statustui"), "bench"
    )


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """PostgreSQL in a folder of its own, ended and removed with the block."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder))
        await server.start()
        try:
            first = await asyncpg.connect(**server.endpoint.dsn_parameters("postgres", "postgres"))
            await first.execute("CREATE DATABASE statustui")
            await first.close()
            as_admin = server.endpoint.dsn_parameters(user="postgres", database="statustui")
            admin = await asyncpg.connect(**dict(as_admin))
            try:
                await initialise(admin)
                await admin.execute("SET search_path TO statustui")
                await admin.execute(
                    "UPDATE plans SET max_monitors = NULL, min_interval_seconds = 5"
                )
                yield House(admin, engine_target(server), Path(folder))
            finally:
                await admin.close()
        finally:
            await server.stop_if_last()


async def add_monitors(
    admin: asyncpg.Connection,
    slug: str,
    count: int,
    url: str,
    *,
    interval: int,
    config: str = "{}",
    failure_threshold: int = 3,
    per_service: int = 4,
) -> None:
    """Adds monitors; `{host}` in their address is replaced by 200 addresses of loopback in turns.

    Args:
        slug: of their organization.
        url: what they look at; config: further keys of their configuration, JSON.
    """
    await admin.execute(
        MAKE_MONITORS, slug, count, config, url, interval, failure_threshold, per_service
    )
    await admin.execute("ANALYZE")


# -- figures ---------------------------------------------------------------------------------------


def quantile(values: list[float], percent: int) -> float:
    """A percentile of measured values."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def figure(value: float, unit: str, baseline: float | None, goal: str) -> dict[str, object]:
    """One figure of the closing line."""
    ratio = round(value / baseline, 3) if baseline else None
    return {
        "value": round(value, 4),
        "unit": unit,
        "baseline": round(baseline, 4) if baseline is not None else None,
        "ratio": ratio,
        "goal": goal,
    }


def show(figures: dict[str, dict[str, object]]) -> None:
    """Prints figures as people read them."""
    for name, each in figures.items():
        against = f"{each['ratio']} of {each['baseline']}" if each["baseline"] is not None else ""
        print(f"{name:28} {each['value']:>11} {each['unit']:9} {against:22} {each['goal']}")
