"""Looks at the DNS: asks one resolver one question and keeps its response code and answers.

The question is asked directly (dnspython's `asyncquery`): a stub resolver's `resolve()` would hide
SERVFAIL behind retries and raise for NXDOMAIN, and both are things to be seen. An answer with a
wrong id or from elsewhere is not an answer; it is passed over, and the deadline decides.
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
            query = dns.message.make_query(_name_of(config), config.record_type)
            asked = perf_counter()
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, host, port=port, ignore_unexpected=True, ignore_errors=True
            )
            answered_ms = (perf_counter() - asked) * 1000
        rcode = dns.rcode.to_text(response.rcode())
        answers = _answers(response, config.record_type)
    except TimeoutError:
        kind = ErrorKind.TIMEOUT
        reason = f"no answer from resolver {address} for {config.name} in {timeout_ms / 1000:g} s"
    except LookFailed as failure:
        kind, reason = failure.kind, failure.reason
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
        answers=answers,
        repeat_command=_repeat_command(config, timeout_ms),
    )


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
    try:
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
                if wanted in (dns.rdatatype.CNAME, dns.rdatatype.MX) and len(text) > 1:
                    text = text.removesuffix(".")
            found.append(shorten(clean(text), 500))
    return tuple(sorted(found)[:_MOST_ANSWERS])


@lru_cache(maxsize=4096)
def _repeat_command(config: DnsConfig, timeout_ms: int) -> str:
    words = ["dig", f"+time={max(1, timeout_ms // 1000)}", "+tries=1"]
    if config.resolver is not None:
        host, port = _resolver_of(config)
        words.append(f"@{host}")
        if port != _PORT:
            words += ["-p", str(port)]
    words += [config.name, config.record_type]
    return clean(shlex.join(words))
