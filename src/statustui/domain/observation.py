"""What one check saw, without any verdict: the value that checkers return and the domain judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from statustui.domain.perfdata import PerfDatum
from statustui.domain.status import ErrorKind

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Phases:
    """How long each part of a check took, in milliseconds; None for a part that was not reached."""

    resolve_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    transfer_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """The leaf certificate that a server showed.

    Attributes:
        chain: subjects from the leaf to the root, as it was verified; as the server sent it where
            nothing was verified.
    """

    subject: str
    issuer: str
    serial: str
    not_after: datetime
    names: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """One redirect that was followed.

    Attributes:
        url: where it led, secrets masked.
        status_code: of the answer that redirected.
        duration_ms: how long that answer took, from looking its host up to its last byte.
    """

    url: str
    status_code: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """What a series of pings came to; the times are None when nothing came back.

    Attributes:
        sent, received: packets.
        min_ms, avg_ms, max_ms: of those that came back.
        jitter_ms: the mean of the absolute differences between the round trips of packets that came
            back one after the other, in the order in which they were sent; None with fewer than
            two.
    """

    sent: int
    received: int
    min_ms: float | None = None
    avg_ms: float | None = None
    max_ms: float | None = None
    jitter_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen by one check.

    Attributes:
        started_at: wall clock at the start, UTC, microseconds.
        duration_ms: monotonic time from start to end.
        error_kind: what went wrong on the way, None when the target answered in full.
        reason: one readable line for that error ("connect to 10.0.0.5:443 refused"), cleaned.
        phases: how long each part took.
        address: the address that was tried last, with port ("10.0.0.5:443").
        addresses: all that the name resolved to, in the order tried, without port; a proxy's, where
            there is one. Those after the one that answered were not needed.
        connected: whether a connection (or an answer) was had at all.
        status_code: HTTP status, None for other kinds.
        headers: response headers, names in lower case, cleaned and masked.
        body: what was read of the body, at most the cap of the configuration.
        body_truncated: whether the cap cut it.
        certificate: the leaf certificate, None without TLS.
        dns_rcode: "NOERROR", "NXDOMAIN", … for DNS checks.
        answers: DNS answers as text, or a TCP banner as its one element.
        dnssec: "secure", "insecure" or "bogus" where validation was asked for.
        loss_percent: lost packets of a ping, 0–100.
        round_trips: what a series of pings came to.
        redirects: those followed, in order.
        body_matches: whether the body matched the monitor's `body_regex`, None without one.
        http_version: "1.1", "2", as it was spoken; empty for other kinds.
        rows: how many rows a query gave, at most as many as were read; cell: the first one's first.
        exit_code: of a plugin; None when it did not end by itself.
        output: what a plugin printed before its figures; perfdata: these figures.
        repeat_command: the curl, dig, nc or ping line that repeats the look, secrets masked.
    """

    started_at: datetime
    duration_ms: float
    error_kind: ErrorKind | None = None
    reason: str = ""
    phases: Phases = field(default_factory=Phases)
    address: str = ""
    connected: bool = False
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    body: bytes = b""
    body_truncated: bool = False
    certificate: Certificate | None = None
    dns_rcode: str | None = None
    answers: tuple[str, ...] = ()
    loss_percent: float | None = None
    redirects: tuple[Redirect, ...] = ()
    repeat_command: str = ""
    addresses: tuple[str, ...] = ()
    round_trips: RoundTrips | None = None
    body_matches: bool | None = None
    http_version: str = ""
    dnssec: str | None = None
    rows: int | None = None
    cell: str | None = None
    exit_code: int | None = None
    output: str = ""
    perfdata: tuple[PerfDatum, ...] = ()
