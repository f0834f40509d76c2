"""What a monitor is: how it looks, how often, and what it takes to believe what it saw.

A configuration arrives as a mapping (from the YAML file, from the command line, from the
database's JSON) and leaves as frozen values; there is one reader for all three, so that what saves
is what runs. `config_to_mapping` writes the canonical form back, with every default spelled out,
so that a default changed later never changes a monitor that exists.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from statustui.domain.conditions import check_conditions
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import FieldReader, Path, require_valid, shown
from statustui.domain.status import MonitorType
from statustui.domain.text import clean, format_duration, shorten

MASK = "***"

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DNS_RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "TXT")

INTERVAL_LEAST_SECONDS = 5
INTERVAL_MOST_SECONDS = 86_400
TIMEOUT_LEAST_MS = 1_000
TIMEOUT_MOST_MS = 30_000
DEFAULT_INTERVAL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """User name and password, sent as `Authorization: Basic`."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """A token, sent as `Authorization: Bearer`."""

    token: str


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """One HTTP request and what its answer must look like.

    Attributes:
        url: absolute, http or https, without credentials in it.
        headers: name and value as written, sorted by name, each name once.
        body: sent as UTF-8.
        expected_status: ranges of status codes, both ends included.
        expected_body, not_expected_body: text that the body must, must not contain.
        max_redirects: how many are followed before it is an error.
        max_body_bytes: how much of the body is read.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    auth: BasicAuth | BearerAuth | None = None
    expected_status: tuple[tuple[int, int], ...] = ((200, 299),)
    expected_body: str | None = None
    not_expected_body: str | None = None
    follow_redirects: bool = True
    max_redirects: int = 10
    verify_tls: bool = True
    max_body_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class TcpConfig:
    """One TCP connection, optionally TLS, optionally a line sent and an answer expected.

    Attributes:
        server_name: the name in the TLS handshake; None takes `host`.
        send: sent as UTF-8 after connecting.
        expect: text that must come back.
    """

    host: str
    port: int
    tls: bool = False
    verify_tls: bool = True
    server_name: str | None = None
    send: str | None = None
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """One DNS question.

    Attributes:
        resolver: "10.0.0.1", "10.0.0.1:5353" or "[::1]:53"; None takes the system's.
        expected: answers as text; none means that any answer will do.
        expected_match: "subset": every expected answer is there; "set": exactly these.
    """

    name: str
    record_type: str = "A"
    resolver: str | None = None
    expected: tuple[str, ...] = ()
    expected_match: str = "subset"


@dataclass(frozen=True, slots=True)
class PingConfig:
    """A few ICMP echo requests.

    Attributes:
        count: packets; interval_ms: time between them.
        max_loss_percent: more lost than this is a failure.
        ip_version: 4, 6, or None for what the name resolves to first.
    """

    host: str
    count: int = 3
    interval_ms: int = 200
    max_loss_percent: float = 0.0
    ip_version: int | None = None


CheckConfig = HttpConfig | TcpConfig | DnsConfig | PingConfig


@dataclass(frozen=True, slots=True)
class MonitorSpec:
    """A monitor as somebody wants it.

    Attributes:
        interval_seconds: time between two slots, 5–86,400.
        timeout_ms: the deadline over one whole look, 1,000–30,000 and shorter than the interval.
        failure_threshold, recovery_threshold: how many looks in a row decide, 1–10.
        retry_interval_seconds: time to the next look after a first failure.
        degraded_after_ms: a success slower than this is degraded; None for no limit.
        conditions: what must hold for a success; degraded_conditions: for a success in full.
        paused_until: no looks before this time; is_active False pauses without an end.
        runbook: an address, or Markdown kept with the monitor.
    """

    name: str
    type: MonitorType
    config: CheckConfig
    timeout_ms: int
    retry_interval_seconds: int
    interval_seconds: int = DEFAULT_INTERVAL_SECONDS
    failure_threshold: int = 3
    recovery_threshold: int = 1
    degraded_after_ms: int | None = None
    conditions: tuple[str, ...] = ()
    degraded_conditions: tuple[str, ...] = ()
    is_active: bool = True
    paused_until: datetime | None = None
    runbook: str | None = None
    tags: tuple[str, ...] = ()


def default_timeout_ms(interval_seconds: int) -> int:
    """The smaller of ten seconds and one second less than the interval, in milliseconds."""
    return max(TIMEOUT_LEAST_MS, min(10_000, (interval_seconds - 1) * 1000))


def default_retry_interval_seconds(interval_seconds: int) -> int:
    """A third of the interval, but between 5 and 20 seconds."""
    return min(20, max(5, interval_seconds // 3))


def type_of(config: CheckConfig) -> MonitorType:
    """The kind of monitor that a configuration belongs to."""
    match config:
        case HttpConfig():
            return MonitorType.HTTP
        case TcpConfig():
            return MonitorType.TCP
        case DnsConfig():
            return MonitorType.DNS
        case PingConfig():
            return MonitorType.PING
        case _:
            assert_never(config)


def target_of(config: CheckConfig) -> str:
    """What it looks at, on one line, with secrets masked ("GET" is not said, other methods are)."""
    match config:
        case HttpConfig():
            url = mask_url(config.url)
            return url if config.method == "GET" else f"{config.method} {url}"
        case TcpConfig():
            return _with_port(config.host, config.port)
        case DnsConfig():
            at = f" @{config.resolver}" if config.resolver else ""
            return f"{config.record_type} {config.name}{at}"
        case PingConfig():
            return config.host
        case _:
            assert_never(config)


def host_of(config: CheckConfig) -> str:
    """Whom a look burdens: the host, the resolver; looks at one of them are bounded together."""
    match config:
        case HttpConfig():
            return urlsplit(config.url).netloc.rpartition("@")[2].lower()
        case TcpConfig() | PingConfig():
            return config.host.lower()
        case DnsConfig():
            return config.resolver or "the system's resolver"
        case _:
            assert_never(config)


# -- reading ---------------------------------------------------------------------------------------

_MONITOR_KEYS = (
    "name",
    "type",
    "interval",
    "timeout",
    "failure_threshold",
    "recovery_threshold",
    "retry_interval",
    "degraded_after",
    "conditions",
    "degraded_conditions",
    "active",
    "paused_until",
    "runbook",
    "tags",
    "config",
)
_NOT_YET = "not available in this version"
_MONITOR_LATER = {"regions": _NOT_YET, "region_quorum": _NOT_YET}
_TYPES_LATER = ("tls", "postgres", "heartbeat", "command")


def parse_config(type: MonitorType, mapping: object, *, path: Path = ()) -> CheckConfig:  # noqa: A002
    """Reads the `config` of a monitor.

    Args:
        type: the kind of monitor, which decides the keys.
        mapping: keys and values as written.
        path: where the mapping stands in its document.

    Raises:
        ValidationFailed: with every mistake that was found.
    """
    problems: list[Problem] = []
    config = _read_config(type, mapping, problems, path)
    require_valid(problems, "the monitor's config")
    return config


def parse_monitor(mapping: object, *, path: Path = ()) -> MonitorSpec:
    """Reads one monitor as it stands in the configuration file.

    Args:
        mapping: the keys `name`, `type`, `interval`, `timeout`, `failure_threshold`,
            `recovery_threshold`, `retry_interval`, `degraded_after`, `conditions`,
            `degraded_conditions`, `active`, `paused_until`, `runbook`, `tags`, `config`;
            durations with their unit.
        path: where the mapping stands in its document.

    Raises:
        ValidationFailed: with every mistake that was found, also those of `config`.
    """
    problems: list[Problem] = []
    spec = read_monitor(mapping, problems, path)
    require_valid(problems, "the monitor")
    return spec


def read_monitor(mapping: object, problems: list[Problem], path: Path = ()) -> MonitorSpec:
    """As `parse_monitor`, but collects mistakes in `problems` for a document that holds many.

    The value that is returned is only meaningful when nothing was added to `problems`.
    """
    reader = FieldReader(mapping, problems, path=path, known=_MONITOR_KEYS, later=_MONITOR_LATER)
    name = reader.text("name", "", longest=255, required=True)
    monitor_type = _read_type(reader)
    interval = reader.duration_seconds(
        "interval",
        DEFAULT_INTERVAL_SECONDS,
        least=INTERVAL_LEAST_SECONDS,
        most=INTERVAL_MOST_SECONDS,
    )
    timeout_ms = reader.duration_ms(
        "timeout",
        default_timeout_ms(interval),
        least_ms=TIMEOUT_LEAST_MS,
        most_ms=TIMEOUT_MOST_MS,
    )
    if timeout_ms >= interval * 1000:
        reader.wrong(
            "timeout",
            f"{format_duration(timedelta(milliseconds=timeout_ms))} must be shorter than the "
            f"interval of {format_duration(timedelta(seconds=interval))}",
        )
    retry = reader.duration_seconds(
        "retry_interval", default_retry_interval_seconds(interval), least=1, most=interval
    )
    degraded_after_ms = reader.duration_ms(
        "degraded_after", None, least_ms=1, most_ms=TIMEOUT_MOST_MS
    )
    if degraded_after_ms is not None and degraded_after_ms >= timeout_ms:
        reader.wrong("degraded_after", "is never reached: the timeout comes first")
    config: CheckConfig = HttpConfig(url="http://localhost/")
    if monitor_type is not None:
        if reader.has("config"):
            config = _read_config(monitor_type, reader.raw("config"), problems, (*path, "config"))
        else:
            reader.missing("config")
    return MonitorSpec(
        name=name,
        type=monitor_type or MonitorType.HTTP,
        config=config,
        interval_seconds=interval,
        timeout_ms=timeout_ms,
        failure_threshold=reader.integer("failure_threshold", 3, least=1, most=10),
        recovery_threshold=reader.integer("recovery_threshold", 1, least=1, most=10),
        retry_interval_seconds=retry,
        degraded_after_ms=degraded_after_ms,
        conditions=_read_conditions(reader, "conditions"),
        degraded_conditions=_read_conditions(reader, "degraded_conditions"),
        is_active=reader.flag("active", True),
        paused_until=_read_time(reader, "paused_until"),
        runbook=reader.text("runbook", None, longest=20_000, multiline=True),
        tags=_unique(reader.texts("tags", longest=50, most=20)),
    )


def _read_type(reader: FieldReader) -> MonitorType | None:
    word = reader.raw("type")
    if isinstance(word, str) and word in _TYPES_LATER:
        kinds = ", ".join(MonitorType)
        reader.wrong("type", f'"{word}" is {_NOT_YET}, which knows {kinds}')
        return None
    chosen = reader.choice("type", None, of=[str(kind) for kind in MonitorType], required=True)
    return MonitorType(chosen) if chosen is not None else None


def _read_time(reader: FieldReader, key: str) -> datetime | None:
    value = reader.raw(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            reader.wrong(key, f'{shown(value)} is not a time; write it like "2027-01-31T18:00Z"')
            return None
    if not isinstance(value, datetime):
        reader.wrong(key, f'expected a time like "2027-01-31T18:00Z", found {shown(value)}')
        return None
    if value.tzinfo is None:
        reader.wrong(key, 'needs its offset from UTC: "2027-01-31T18:00Z" or "…+01:00"')
        return None
    return value.astimezone(UTC)


# Conditions are tried on nothing at all while they are read; which time that is does not matter.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def _read_conditions(reader: FieldReader, key: str) -> tuple[str, ...]:
    """Conditions, each run once by the real evaluator, so that what saves is what runs."""
    texts = reader.texts(key, longest=500, most=20)
    try:
        check_conditions(texts, _ANY_TIME)
    except ValidationFailed as failure:
        reader.problems.extend(
            Problem(problem.message, (*reader.path, key, *problem.path), column=problem.column)
            for problem in failure.problems
        )
    return texts


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _read_config(
    monitor_type: MonitorType, mapping: object, problems: list[Problem], path: Path
) -> CheckConfig:
    match monitor_type:
        case MonitorType.HTTP:
            return _read_http(mapping, problems, path)
        case MonitorType.TCP:
            return _read_tcp(mapping, problems, path)
        case MonitorType.DNS:
            return _read_dns(mapping, problems, path)
        case MonitorType.PING:
            return _read_ping(mapping, problems, path)
        case _:
            assert_never(monitor_type)


_HTTP_KEYS = (
    "url",
    "method",
    "headers",
    "body",
    "auth",
    "expected_status",
    "expected_body",
    "not_expected_body",
    "follow_redirects",
    "max_redirects",
    "verify_tls",
    "max_body_bytes",
)
_HTTP_LATER = dict.fromkeys(
    ("body_regex", "ca", "client_cert", "http_version", "ip_version", "proxy"), _NOT_YET
)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# The transport decides these from the request itself; two opinions make a request ambiguous.
_TRANSPORT_HEADERS = frozenset(
    {"connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"}
)


def _read_http(mapping: object, problems: list[Problem], path: Path) -> HttpConfig:
    reader = FieldReader(mapping, problems, path=path, known=_HTTP_KEYS, later=_HTTP_LATER)
    return HttpConfig(
        url=_read_url(reader),
        method=reader.choice("method", "GET", of=HTTP_METHODS),
        headers=_read_headers(reader),
        body=reader.text("body", None, longest=100_000, shortest=0, cleaned=False),
        auth=_read_auth(reader),
        expected_status=_read_statuses(reader),
        expected_body=reader.text("expected_body", None, longest=10_000, cleaned=False),
        not_expected_body=reader.text("not_expected_body", None, longest=10_000, cleaned=False),
        follow_redirects=reader.flag("follow_redirects", True),
        max_redirects=reader.integer("max_redirects", 10, least=0, most=50),
        verify_tls=reader.flag("verify_tls", True),
        max_body_bytes=reader.integer("max_body_bytes", 1_000_000, least=0, most=10_000_000),
    )


def _read_url(reader: FieldReader) -> str:
    url = reader.text("url", "", longest=2_000, required=True)
    if not url:
        return ""
    problem = url_problem(url)
    if problem is not None:
        reader.wrong("url", problem)
    return url


def url_problem(url: str) -> str | None:
    """What is wrong with the address of an HTTP monitor, None when it can be looked at."""
    if any(character.isspace() for character in url):
        return "has white space in it; write it as %20"
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        return f"is not an address: {clean(str(error))}"
    if parts.scheme not in ("http", "https"):
        if "://" not in url:
            return f'needs its scheme: "https://{shorten(url, 60)}"'
        return f'"{shorten(parts.scheme, 20)}" is not http or https'
    if not host:
        return "has no host"
    if port == 0:
        return "port 0 cannot be connected to"
    if parts.username is not None or parts.password is not None:
        return "carries credentials; put them under auth, where they are masked"
    return None


def _read_headers(reader: FieldReader) -> tuple[tuple[str, str], ...]:
    value = reader.raw("headers")
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        reader.wrong("headers", f"expected names and values, found {shown(value)}")
        return ()
    if len(value) > 50:
        reader.wrong("headers", f"has {len(value)} entries; at most 50 are allowed")
        return ()
    result: list[tuple[str, str]] = []
    for name, content in value.items():
        problem = _header_problem(name, content)
        if problem is None and str(name).lower() in {given.lower() for given, _ in result}:
            problem = "is given twice"
        if problem is not None:
            reader.problems.append(
                Problem(problem, (*reader.path, "headers", shorten(clean(str(name)), 60)))
            )
        else:
            result.append((str(name), str(content).strip()))
    # Stored objects keep no order, so none is promised: sorted, equal configurations are equal.
    return tuple(sorted(result))


def _header_problem(name: object, value: object) -> str | None:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        return f"{shown(name)} is not a header name"
    if name.lower() in _TRANSPORT_HEADERS:
        return "is set by the request itself and cannot be given"
    if not isinstance(value, str):
        return f'expected text, found {shown(value)}; put it in quotes: "{shown(value)}"'
    if len(value) > 4_000:
        return f"has {len(value):,} characters; at most 4,000 are allowed"
    if any(ord(character) < 0x20 and character != "\t" for character in value) or "\x7f" in value:
        return "must not hold line ends or control characters"
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "can hold Latin-1 characters only"
    return None


def _read_auth(reader: FieldReader) -> BasicAuth | BearerAuth | None:
    value = reader.raw("auth")
    if value is None:
        return None
    path = (*reader.path, "auth")
    kind = value.get("type") if isinstance(value, Mapping) else None
    known = {"basic": ("type", "username", "password"), "bearer": ("type", "token")}.get(
        kind if isinstance(kind, str) else "", ("type", "username", "password", "token")
    )
    auth = FieldReader(value, reader.problems, path=path, known=known)
    if not isinstance(value, Mapping):
        return None
    chosen = auth.choice("type", None, of=("basic", "bearer"), required=True)
    if chosen == "basic":
        username = auth.text("username", "", longest=255, required=True, cleaned=False)
        password = auth.text(
            "password", "", longest=1_000, shortest=0, required=True, cleaned=False
        )
        if ":" in username:
            auth.wrong("username", "must not hold a colon: it separates name and password")
        return BasicAuth(username, password)
    if chosen == "bearer":
        token = auth.text("token", "", longest=8_000, required=True, cleaned=False)
        if token and not (token.isascii() and token.isprintable()):
            auth.wrong("token", "can hold printable ASCII characters only")
        return BearerAuth(token)
    return None


_STATUS_RANGE = re.compile(r"([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?")


def _read_statuses(reader: FieldReader) -> tuple[tuple[int, int], ...]:
    value = reader.raw("expected_status")
    if value is None:
        return ((200, 299),)
    items: Sequence[object] = (
        value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    )
    if not items or len(items) > 50:
        reader.wrong("expected_status", "needs between 1 and 50 entries")
        return ((200, 299),)
    ranges = []
    for index, item in enumerate(items):
        where: Path = (*reader.path, "expected_status")
        if len(items) > 1 or items is value:
            where = (*where, index)
        text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        found = _STATUS_RANGE.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            reader.problems.append(
                Problem(f'{shown(item)} is not a status like "200" or "200-299"', where)
            )
            continue
        first, last = int(found[1]), int(found[2] or found[1])
        if first > last:
            reader.problems.append(Problem(f'"{last}-{first}" is the right way round', where))
            continue
        ranges.append((first, last))
    return tuple(dict.fromkeys(ranges))


_TCP_KEYS = ("host", "port", "tls", "verify_tls", "server_name", "send", "expect")


def _read_tcp(mapping: object, problems: list[Problem], path: Path) -> TcpConfig:
    reader = FieldReader(
        mapping, problems, path=path, known=_TCP_KEYS, later={"starttls": _NOT_YET}
    )
    tls = reader.flag("tls", False)
    server_name = reader.text("server_name", None, longest=253)
    if server_name is not None and not tls:
        reader.wrong("server_name", "means something only with tls: true")
    if not reader.has("port"):
        reader.missing("port")
    return TcpConfig(
        host=_read_host(reader, "host"),
        port=reader.integer("port", 0, least=1, most=65_535),
        tls=tls,
        verify_tls=reader.flag("verify_tls", True),
        server_name=server_name,
        send=reader.text("send", None, longest=4_000, cleaned=False),
        expect=reader.text("expect", None, longest=4_000, cleaned=False),
    )


_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return True
    if re.fullmatch(r"[\d.]+", host):
        return False  # digits and dots alone that are no address are a typing mistake
    try:
        ascii_host = host.removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        return False
    return 0 < len(ascii_host) <= 253 and all(
        _HOST_LABEL.fullmatch(label) for label in ascii_host.split(".")
    )


def _read_host(reader: FieldReader, key: str) -> str:
    host = reader.text(key, "", longest=253, required=True)
    if not host:
        return ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if "://" in host:
        reader.wrong(key, f"{shown(host)} is an address with a scheme; give the host alone")
    elif not _is_host(host):
        reader.wrong(key, f"{shown(host)} is not a host name or an IP address")
    return host


_DNS_KEYS = ("name", "record_type", "resolver", "expected", "expected_match")
_RECORD_TYPES_LATER = ("NS", "SOA", "SRV", "CAA", "PTR")


def _read_dns(mapping: object, problems: list[Problem], path: Path) -> DnsConfig:
    reader = FieldReader(mapping, problems, path=path, known=_DNS_KEYS, later={"dnssec": _NOT_YET})
    name = reader.text("name", "", longest=253, required=True)
    if name and not _is_host(name.removeprefix("*.")):
        reader.wrong("name", f"{shown(name)} is not a domain name")
    record_type = reader.raw("record_type")
    if record_type in _RECORD_TYPES_LATER:
        reader.wrong("record_type", f'"{record_type}" is {_NOT_YET}')
        chosen = "A"
    else:
        chosen = reader.choice("record_type", "A", of=DNS_RECORD_TYPES)
    resolver = reader.text("resolver", None, longest=100)
    if resolver is not None and split_resolver(resolver) is None:
        reader.wrong(
            "resolver", f'{shown(resolver)} is not like "10.0.0.1", "10.0.0.1:5353" or "[::1]:53"'
        )
    match = reader.choice("expected_match", "subset", of=("subset", "set"))
    expected = _unique(reader.texts("expected", longest=1_000, most=50))
    if match == "set" and not expected:
        reader.wrong("expected", 'is required with expected_match: "set"')
    return DnsConfig(
        name=name,
        record_type=chosen,
        resolver=resolver,
        expected=expected,
        expected_match=match,
    )


def split_resolver(resolver: str) -> tuple[str, int] | None:
    """Address and port of a resolver as it is written in a configuration; port 53 by default.

    Returns:
        None when it is not an IP address with or without a port. Names are not taken: to resolve
        the resolver, another resolver would have to be trusted.
    """
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", resolver)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif resolver.count(":") == 1:
        host, _, port = resolver.partition(":")
    else:
        host, port = resolver, None
    try:
        ipaddress.ip_address(host)
        number = int(port) if port is not None else 53
    except ValueError:
        return None
    return (host, number) if 1 <= number <= 65_535 else None


_PING_KEYS = ("host", "count", "interval", "max_loss_percent", "ip_version")


def _read_ping(mapping: object, problems: list[Problem], path: Path) -> PingConfig:
    reader = FieldReader(mapping, problems, path=path, known=_PING_KEYS)
    ip_version = reader.integer("ip_version", None, least=4, most=6)
    if ip_version == 5:
        reader.wrong("ip_version", "is 4 or 6")
    return PingConfig(
        host=_read_host(reader, "host"),
        count=reader.integer("count", 3, least=1, most=20),
        interval_ms=reader.duration_ms("interval", 200, least_ms=10, most_ms=5_000),
        max_loss_percent=reader.number("max_loss_percent", 0.0, least=0, most=100),
        ip_version=ip_version,
    )


# -- writing ---------------------------------------------------------------------------------------


def config_to_mapping(config: CheckConfig) -> dict[str, object]:
    """The canonical form that is stored and exported: every key, JSON values only.

    `parse_config(type_of(config), config_to_mapping(config))` gives the same value back.
    """
    match config:
        case HttpConfig():
            return {
                "url": config.url,
                "method": config.method,
                "headers": dict(config.headers),
                "body": config.body,
                "auth": _auth_to_mapping(config.auth),
                "expected_status": [
                    str(first) if first == last else f"{first}-{last}"
                    for first, last in config.expected_status
                ],
                "expected_body": config.expected_body,
                "not_expected_body": config.not_expected_body,
                "follow_redirects": config.follow_redirects,
                "max_redirects": config.max_redirects,
                "verify_tls": config.verify_tls,
                "max_body_bytes": config.max_body_bytes,
            }
        case TcpConfig():
            return {
                "host": config.host,
                "port": config.port,
                "tls": config.tls,
                "verify_tls": config.verify_tls,
                "server_name": config.server_name,
                "send": config.send,
                "expect": config.expect,
            }
        case DnsConfig():
            return {
                "name": config.name,
                "record_type": config.record_type,
                "resolver": config.resolver,
                "expected": list(config.expected),
                "expected_match": config.expected_match,
            }
        case PingConfig():
            return {
                "host": config.host,
                "count": config.count,
                "interval": format_duration(timedelta(milliseconds=config.interval_ms)),
                "max_loss_percent": config.max_loss_percent,
                "ip_version": config.ip_version,
            }
        case _:
            assert_never(config)


def _auth_to_mapping(auth: BasicAuth | BearerAuth | None) -> dict[str, object] | None:
    match auth:
        case None:
            return None
        case BasicAuth():
            return {"type": "basic", "username": auth.username, "password": auth.password}
        case BearerAuth():
            return {"type": "bearer", "token": auth.token}
        case _:
            assert_never(auth)


def monitor_to_mapping(spec: MonitorSpec) -> dict[str, object]:
    """The monitor as the configuration file writes it, every key, durations with their unit."""
    return {
        "name": spec.name,
        "type": str(spec.type),
        "interval": format_duration(timedelta(seconds=spec.interval_seconds)),
        "timeout": format_duration(timedelta(milliseconds=spec.timeout_ms)),
        "failure_threshold": spec.failure_threshold,
        "recovery_threshold": spec.recovery_threshold,
        "retry_interval": format_duration(timedelta(seconds=spec.retry_interval_seconds)),
        "degraded_after": (
            format_duration(timedelta(milliseconds=spec.degraded_after_ms))
            if spec.degraded_after_ms is not None
            else None
        ),
        "conditions": list(spec.conditions),
        "degraded_conditions": list(spec.degraded_conditions),
        "active": spec.is_active,
        "paused_until": spec.paused_until.isoformat() if spec.paused_until else None,
        "runbook": spec.runbook,
        "tags": list(spec.tags),
        "config": config_to_mapping(spec.config),
    }


# -- showing ---------------------------------------------------------------------------------------

_SECRET_WORD = re.compile(
    r"auth|cookie|credential|key|passw|pwd|secret|session|sig|signature|token", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Whether a header or query parameter of that name is likely to carry a secret."""
    return _SECRET_WORD.search(name) is not None


def mask_url(url: str) -> str:
    """An address with credentials and the values of secret-looking query parameters masked."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        netloc = f"{MASK}@{netloc.rpartition('@')[2]}"
    shown_query = parts.query
    if any(is_secret_name(name) for name, _ in query):
        shown_query = urlencode(
            [(name, MASK if is_secret_name(name) else value) for name, value in query], safe="*"
        )
    return urlunsplit((parts.scheme, netloc, parts.path, shown_query, parts.fragment))


def mask_header(name: str, value: str) -> str:
    """A header's value as it may be shown."""
    return MASK if is_secret_name(name) else value


def masked(config: CheckConfig) -> dict[str, object]:
    """The canonical form with everything that may be a secret masked, for showing and auditing.

    Request bodies and what a TCP monitor sends are masked whole, with their length: nobody can
    tell from outside which part of them is a password.
    """
    mapping = config_to_mapping(config)
    match config:
        case HttpConfig():
            mapping["url"] = mask_url(config.url)
            mapping["headers"] = {name: mask_header(name, value) for name, value in config.headers}
            mapping["body"] = _mask_text(config.body)
            match config.auth:
                case None:
                    pass
                case BasicAuth():
                    mapping["auth"] = {
                        "type": "basic",
                        "username": config.auth.username,
                        "password": MASK,
                    }
                case BearerAuth():
                    mapping["auth"] = {"type": "bearer", "token": MASK}
                case _:
                    assert_never(config.auth)
        case TcpConfig():
            mapping["send"] = _mask_text(config.send)
        case DnsConfig() | PingConfig():
            pass
        case _:
            assert_never(config)
    return mapping


def _mask_text(text: str | None) -> str | None:
    return None if text is None else f"{MASK} ({len(text):,} characters)"


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
