"""A small name server on loopback, UDP and TCP, that misbehaves by the first label of the name."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

_REVERSE_6 = dns.reversename.from_address("2001:db8::7").to_text()
RECORDS = {
    ("api.acme.test.", "A"): [
        ("api.acme.test.", "CNAME", "edge.acme.test."),
        ("edge.acme.test.", "A", "192.0.2.2"),
        ("edge.acme.test.", "A", "192.0.2.1"),
    ],
    ("api.acme.test.", "AAAA"): [("api.acme.test.", "AAAA", "2001:db8::1")],
    ("www.acme.test.", "CNAME"): [("www.acme.test.", "CNAME", "edge.acme.test.")],
    ("acme.test.", "MX"): [("acme.test.", "MX", "10 mail.acme.test.")],
    ("acme.test.", "NS"): [("acme.test.", "NS", "ns1.acme.test."), ("acme.test.", "NS", "ns2.b.")],
    ("acme.test.", "SOA"): [
        (
            "acme.test.",
            "SOA",
            "ns1.acme.test. hostmaster.acme.test. 2026112701 7200 900 1209600 300",
        )
    ],
    ("_sip._tcp.acme.test.", "SRV"): [
        ("_sip._tcp.acme.test.", "SRV", "10 60 5060 sip.acme.test."),
        ("_sip._tcp.acme.test.", "SRV", "0 0 0 ."),
    ],
    ("acme.test.", "CAA"): [("acme.test.", "CAA", '0 issue "ca.test"')],
    ("7.2.0.192.in-addr.arpa.", "PTR"): [("7.2.0.192.in-addr.arpa.", "PTR", "edge.acme.test.")],
    (_REVERSE_6, "PTR"): [(_REVERSE_6, "PTR", "six.acme.test.")],
    ("acme.test.", "TXT"): [("acme.test.", "TXT", '"v=spf1 " "-all \\027[31m"')],
}


def respond(wire: bytes, over_udp: bool) -> list[bytes]:
    """The datagrams that our server sends for one question, by the first label of its name."""
    query = dns.message.from_wire(wire)
    question = query.question[0]
    name = question.name.to_text().lower()
    response = dns.message.make_response(query)
    first = name.split(".")[0]
    if first == "silent":
        return []
    if first == "broken":
        response.set_rcode(dns.rcode.SERVFAIL)
        return [response.to_wire()]
    if first == "garbage":
        return [wire[:2] + b"\x80\x00\xff\xff\xff\xff" + b"\xc0" * 40]
    if first in ("wrong-id", "late"):
        forged = bytes([wire[0] ^ 1]) + wire[1:]
        other = dns.message.make_response(dns.message.from_wire(forged))
        other.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "203.0.113.66"))
        if first == "wrong-id":
            return [other.to_wire()]
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.9"))
        return [b"\x00", other.to_wire(), response.to_wire()]
    if first in ("signed", "unsigned", "bogus", "lame"):
        return [_validated(query, response, first)]
    if first == "cut" and over_udp:
        response.flags |= dns.flags.TC
        return [response.to_wire()]
    if first == "cut":
        return [b""]
    if first == "large":
        if over_udp:
            response.flags |= dns.flags.TC
        else:
            texts = [f"192.0.2.{number}" for number in range(1, 200)]
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *texts))
        return [response.to_wire()]
    found = RECORDS.get((name, dns.rdatatype.to_text(question.rdtype)))
    if found is None and all(name != known for known, _ in RECORDS):
        response.set_rcode(dns.rcode.NXDOMAIN)
    for owner, kind, text in found or ():
        response.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, text))
    return [response.to_wire()]


def _validated(query: dns.message.Message, response: dns.message.Message, kind: str) -> bytes:
    """What a validating resolver says of a zone that is signed, not signed, badly signed, dead."""
    name = query.question[0].name.to_text()
    checks = not query.flags & dns.flags.CD
    if kind == "lame" or (kind == "bogus" and checks):
        response.set_rcode(dns.rcode.SERVFAIL)
        return response.to_wire()
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
    # AD is for those who asked for it.
    if kind == "signed" and query.ednsflags & dns.flags.DO:
        response.flags |= dns.flags.AD
    return response.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for datagram in respond(data, over_udp=True):
            self._transport.sendto(datagram, addr)


async def _tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    (length,) = struct.unpack("!H", await reader.readexactly(2))
    for data in respond(await reader.readexactly(length), over_udp=False):
        writer.write(struct.pack("!H", len(data)) + data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def serving_names() -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(_tcp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(_Udp, local_addr=("127.0.0.1", port))
    try:
        yield f"127.0.0.1:{port}"
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
