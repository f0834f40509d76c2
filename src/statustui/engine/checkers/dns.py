"""Looks at the DNS: asks one resolver one question and keeps its response code and answers.

The question is asked directly (dnspython's `asyncquery`): a stub resolver's `resolve()` would hide
SERVFAIL behind retries and raise for NXDOMAIN, and both are things to be seen. An answer with a
wrong id or from elsewhere is not an answer; it is passed over, and the deadline decides.

`dnssec` trusts the resolver, as every stub does: it asks with DO, and takes the flag AD for a
validated answer. A validating resolver answers SERVFAIL to what does not validate and to what it
cannot find out alike, so after a SERVFAIL it is asked again with CD, which means "do not check": an
answer then was there all along, and its signatures are what is wrong.
"""

from __future__ import annotations

import asyncio
import shlex
from functools import lru_cache
from time import perf_counter

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.reversename

from statustui.domain.monitor import DnsConfig
from statustui.domain.observation import Observation, Phases
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import resolve, with_port
from statustui.engine.resolving import is_address
from statustui.engine.trace import LookFailed, Trace

_PORT = 53
_MOST_ANSWERS = 100
# Fits through every path without being cut into fragments, which firewalls drop.
_PAYLOAD = 1_232
# Records that end in a name, whose closing dot people do not write; SOA has two names in front.
_ENDING_IN_A_NAME = frozenset(
    dns.rdatatype.from_text(kind) for kind in ("CNAME", "MX", "NS", "SRV", "PTR")
)


async def look_dns(
    config: DnsConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Asks one question over UDP, and again over TCP when the answer did not fit.

    Whether the response code and the answers are right is the domain's part; NXDOMAIN and SERVFAIL
    are answers here.

    Args:
        config: what to ask whom.
        timeout_ms: the deadline over everything.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    begun = perf_counter()
    address = ""
    resolve_ms: float | None = None
    answered_ms: float | None = None
    kind: ErrorKind | None = None
    reason = ""
    rcode: str | None = None
    dnssec: str | None = None
    answers: tuple[str, ...] = ()
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            host, port = _resolver_of(config)
            address = with_port(host, port)
            if not is_address(host):
                trace = Trace(address)
                host = (await resolve(host, trace))[0]
                trace.stop()
                resolve_ms = trace.duration_ms
                address = with_port(host, port)
            name = _name_of(config)
            asked = perf_counter()
            response = await _ask(_question(name, config), host, port)
            answered_ms = (perf_counter() - asked) * 1000
            rcode = dns.rcode.to_text(response.rcode())
            answers = _answers(response, config.record_type)
            if config.dnssec:
                dnssec = await _validity(response, name, config, host, port)
    except TimeoutError:
        if rcode is None:
            kind = ErrorKind.TIMEOUT
            within = f"{timeout_ms / 1000:g} s"
            reason = f"no answer from resolver {address} for {config.name} in {within}"
    except LookFailed as failure:
        kind, reason = failure.kind, failure.reason
    except _CutShort as error:
        kind = ErrorKind.PROTOCOL
        reason = (
            f"the answer of resolver {address} did not fit into a datagram, and over TCP: {error}"
        )
    except ConnectionRefusedError:
        kind, reason = ErrorKind.REFUSED, f"resolver {address} refused the question"
    except OSError as error:
        kind = ErrorKind.CONNECT
        reason = f"resolver {address} cannot be asked: {error.strerror or error}"
    except (dns.exception.DNSException, EOFError) as error:
        kind = ErrorKind.PROTOCOL
        reason = f"resolver {address} sent an answer that cannot be read: {error}"
    return Observation(
        started_at=started_at,
        duration_ms=(perf_counter() - begun) * 1000 if answered_ms is None else answered_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=Phases(resolve_ms=resolve_ms, first_byte_ms=answered_ms),
        address=address,
        connected=rcode is not None,
        dns_rcode=rcode,
        dnssec=dnssec,
        answers=answers,
        repeat_command=_repeat_command(config, timeout_ms),
    )


class _CutShort(Exception):
    """The answer was cut, and the whole of it could not be had."""


def _question(
    name: dns.name.Name, config: DnsConfig, *, checks: bool = True
) -> dns.message.Message:
    if not config.dnssec:
        return dns.message.make_query(name, config.record_type)
    question = dns.message.make_query(name, config.record_type, want_dnssec=True, payload=_PAYLOAD)
    if not checks:
        question.flags |= dns.flags.CD
    return question


async def _ask(question: dns.message.Message, host: str, port: int) -> dns.message.Message:
    """Asks over UDP, and over TCP when the answer was cut.

    Raises:
        _CutShort: it was cut, and TCP failed.
        OSError, DNSException: the resolver cannot be asked, or answers nonsense.
    """
    try:
        return await dns.asyncquery.udp(
            question,
            host,
            port=port,
            ignore_unexpected=True,
            ignore_errors=True,
            raise_on_truncation=True,
        )
    except dns.message.Truncated:
        pass
    try:
        return await dns.asyncquery.tcp(question, host, port=port)
    except ConnectionRefusedError:
        raise _CutShort("refused") from None
    except (OSError, EOFError, dns.exception.DNSException) as error:
        if isinstance(error, TimeoutError):
            raise
        why = getattr(error, "strerror", None) or str(error) or "it closed the connection"
        raise _CutShort(why) from None


async def _validity(
    response: dns.message.Message, name: dns.name.Name, config: DnsConfig, host: str, port: int
) -> str | None:
    """What the resolver says about signatures: "secure", "insecure", "bogus"; None for neither."""
    if response.flags & dns.flags.AD:
        return "secure"
    if response.rcode() != dns.rcode.SERVFAIL:
        return "insecure"
    unchecked = await _ask(_question(name, config, checks=False), host, port)
    return "bogus" if unchecked.rcode() != dns.rcode.SERVFAIL else None


def _resolver_of(config: DnsConfig) -> tuple[str, int]:
    """Host and port of who is asked.

    Raises:
        LookFailed: when this host has no resolver.
    """
    written = config.resolver
    if written is None:
        return _system_resolver(), _PORT
    if written.startswith("["):
        host, _, rest = written[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") else _PORT
    if is_address(written):
        return written, _PORT
    host, colon, port = written.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (written, _PORT)


def _system_resolver() -> str:
    """Read anew each time, as every program does: a laptop changes networks."""
    try:
        servers = dns.resolver.Resolver().nameservers
    except dns.exception.DNSException:
        servers = []
    for server in servers:
        if isinstance(server, str):
            return server
    raise LookFailed(
        ErrorKind.OBSERVER, "this host has no resolver in /etc/resolv.conf; name one in `resolver`"
    )


def _name_of(config: DnsConfig) -> dns.name.Name:
    """The name that is asked for; for PTR also the reverse name of an address.

    Raises:
        LookFailed: it cannot be asked for.
    """
    try:
        if config.record_type == "PTR" and is_address(config.name):
            return dns.reversename.from_address(config.name)
        return dns.name.from_text(config.name)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise LookFailed(
            ErrorKind.OBSERVER, f"{config.name} is not a name that can be asked for: {error}"
        ) from None


def _answers(response: dns.message.Message, record_type: str) -> tuple[str, ...]:
    """The records of the wanted type, those behind aliases included, as text.

    Names lose their last dot, and the pieces of a TXT record are joined, so that they compare with
    what people write.
    """
    wanted = dns.rdatatype.from_text(record_type)
    found: list[str] = []
    for rrset in response.answer:
        if rrset.rdtype != wanted:
            continue
        for record in rrset:
            if wanted == dns.rdatatype.TXT:
                text = b"".join(record.strings).decode("utf-8", "replace")
            else:
                text = record.to_text(origin=dns.name.root, relativize=False)
                if wanted in _ENDING_IN_A_NAME:
                    text = _without_dot(text)
                elif wanted == dns.rdatatype.SOA:
                    text = " ".join(_without_dot(word) for word in text.split(" "))
            found.append(shorten(clean(text), 500))
    return tuple(sorted(found)[:_MOST_ANSWERS])


def _without_dot(text: str) -> str:
    """Without the closing dot, but the root's own name stays what it is."""
    return text.removesuffix(".") if len(text) > 1 and not text.endswith(" .") else text


@lru_cache(maxsize=4096)
def _repeat_command(config: DnsConfig, timeout_ms: int) -> str:
    words = ["dig", f"+time={max(1, timeout_ms // 1000)}", "+tries=1"]
    if config.resolver is not None:
        host, port = _resolver_of(config)
        words.append(f"@{host}")
        if port != _PORT:
            words += ["-p", str(port)]
    if config.dnssec:
        words.append("+dnssec")
    if config.record_type == "PTR" and is_address(config.name):
        words += ["-x", config.name]
    else:
        words += [config.name, config.record_type]
    return clean(shlex.join(words))
