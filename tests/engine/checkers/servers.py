"""Real servers on loopback, well-behaved and otherwise, for looking at."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler,
    context: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[int]:
    """Serves with a handler for each connection; gives the port; ends with everything it began."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the one who looks may leave whenever it has seen enough
        finally:
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, host, port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The request's head."""
    return await reader.readuntil(b"\r\n\r\n")


def answering(data: bytes, *, wait: bool = False) -> Handler:
    """Reads a request and says these bytes; closes then, or leaves the connection open."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(data)
        await writer.drain()
        if wait:
            await asyncio.Event().wait()
        writer.close()
        await writer.wait_closed()

    return handler


def page(body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port whose queue is full: the kernel drops every further attempt to connect."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Authority:
    """A throwaway certificate authority; its own certificate is in `file`."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path
    folder: Path

    def context(
        self,
        name: str,
        *,
        expired: bool = False,
        future: bool = False,
        self_signed: bool = False,
        days: int = 60,
        tag: str = "leaf",
    ) -> ssl.SSLContext:
        """A server's TLS settings with a certificate for a name."""
        file = self.issue(
            name, expired=expired, future=future, self_signed=self_signed, days=days, tag=tag
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def issue(
        self,
        name: str,
        *,
        expired: bool = False,
        future: bool = False,
        self_signed: bool = False,
        days: int = 60,
        tag: str = "leaf",
    ) -> Path:
        """A file with a new key and its certificate for a name, valid for so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        today = datetime.now(UTC)
        begins = today + timedelta(days=2) if future else today - timedelta(days=30)
        ends = today - timedelta(days=3) if expired else today + timedelta(days=days)
        alternative: x509.GeneralName = x509.DNSName(name)
        if name.replace(".", "").isdigit():
            alternative = x509.IPAddress(ip_address(name))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key if self_signed else self.key, hashes.SHA256())
        )
        file = self.folder / f"{tag}.pem"
        file.write_bytes(_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return file


@dataclass
class ProxyServer:
    """An HTTP proxy that does as it is asked; `asked` and `headers` are what it heard.

    Attributes:
        credentials: "user:password" that it wants, None for anybody.
        answer: a status line that it gives to CONNECT instead of connecting.
    """

    credentials: str | None = None
    answer: str | None = None
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        self.heads.append(head)
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        self.asked.append(f"{method} {target}")
        if self.credentials is not None:
            wanted = b"Basic " + b64encode(self.credentials.encode())
            if b"proxy-authorization: " + wanted.lower() not in head.lower():
                writer.write(page(b"", status="407 Proxy Authentication Required"))
                await writer.drain()
                return
        if method == "CONNECT":
            if self.answer is not None:
                writer.write(f"HTTP/1.1 {self.answer}\r\n\r\n".encode())
                await writer.drain()
                return
            host, _, port = target.rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        else:
            url = urlsplit(target)
            there = await asyncio.open_connection(url.hostname, url.port)
            there[1].write(f"{method} {url.path} HTTP/1.1\r\n".encode() + rest)
        try:
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        finally:
            there[1].transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()


@dataclass(frozen=True)
class Http2Page:
    """What an HTTP/2 server answers; `interim` heads come before."""

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    status: str = "200"
    interim: int = 0


def speaking_http2(answer: Callable[[dict[bytes, bytes], bytes], Http2Page]) -> Handler:
    """An HTTP/2 server made of h2: one answer for each request, windows respected."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        heads: dict[int, dict[bytes, bytes]] = {}
        contents: dict[int, bytes] = {}
        unsent: dict[int, bytes] = {}
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                match event:
                    case h2.events.RequestReceived(stream_id=stream, headers=headers):
                        heads[stream or 0] = dict(headers or [])
                        contents[stream or 0] = b""
                    case h2.events.DataReceived(stream_id=stream, data=piece):
                        contents[stream or 0] += piece or b""
                        connection.acknowledge_received_data(
                            event.flow_controlled_length or 0, stream or 0
                        )
                    case h2.events.StreamEnded(stream_id=stream):
                        number = stream or 0
                        page = answer(heads[number], contents[number])
                        for _ in range(page.interim):
                            connection.send_headers(number, [(":status", "103")])
                        connection.send_headers(number, [(":status", page.status), *page.headers])
                        unsent[number] = page.body
                    case _:
                        pass
            for number in list(unsent):
                while (room := connection.local_flow_control_window(number)) > 0:
                    most = min(room, connection.max_outbound_frame_size)
                    piece, rest = unsent[number][:most], unsent[number][most:]
                    connection.send_data(number, piece, end_stream=not rest)
                    unsent[number] = rest
                    if not rest:
                        del unsent[number]
                        break
            writer.write(connection.data_to_send())
            await writer.drain()

    return handler


def make_authority(folder: Path) -> Authority:
    """Makes a certificate authority in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Throwaway Authority")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1000))
        .not_valid_after(now + timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "authority.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key, file, folder)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
