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
    """The leaf certificate that a server showed."""

    subject: str
    issuer: str
    serial: str
    not_after: datetime
    names: tuple[str, ...] = ()


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
        rows: how many rows a query gave, at most as many as were read; cell: the first one's first.
        exit_code: of a plugin; None when it did not end by itself.
        output: what a plugin printed before its figures; perfdata: these figures.
        redirects: the addresses gone through, in order.
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
    redirects: tuple[str, ...] = ()
    repeat_command: str = ""
    dnssec: str | None = None
    rows: int | None = None
    cell: str | None = None
    exit_code: int | None = None
    output: str = ""
    perfdata: tuple[PerfDatum, ...] = ()
