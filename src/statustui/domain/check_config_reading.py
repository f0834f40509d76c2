"""Reads the `config` of each kind of monitor, with every mistake and its place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import assert_never
from urllib.parse import urlsplit

from statustui.domain.check_config import (
    DNS_RECORD_TYPES,
    HTTP_METHODS,
    BasicAuth,
    BearerAuth,
    CheckConfig,
    DnsConfig,
    HttpConfig,
    PingConfig,
    TcpConfig,
)
from statustui.domain.errors import Problem
from statustui.domain.fields import FieldReader, Path, shown
from statustui.domain.probe_config_reading import read_command, read_heartbeat, read_postgres
from statustui.domain.status import MonitorType
from statustui.domain.text import clean, shorten

NOT_YET = "not available in this version"


def read_config(
    monitor_type: MonitorType, mapping: object, problems: list[Problem], path: Path
) -> CheckConfig:
    """Reads a configuration and collects mistakes; meaningful only when there were none.

    Args:
        monitor_type: the kind of monitor, which decides the keys.
        mapping: keys and values as written.
        problems: where mistakes go.
        path: where the mapping stands in its document.
    """
    match monitor_type:
        case MonitorType.HTTP:
            return _read_http(mapping, problems, path)
        case MonitorType.TCP:
            return _read_tcp(mapping, problems, path)
        case MonitorType.DNS:
            return _read_dns(mapping, problems, path)
        case MonitorType.PING:
            return _read_ping(mapping, problems, path)
        case MonitorType.POSTGRES:
            return read_postgres(mapping, problems, path)
        case MonitorType.HEARTBEAT:
            return read_heartbeat(mapping, problems, path)
        case MonitorType.COMMAND:
            return read_command(mapping, problems, path)
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
    ("body_regex", "ca", "client_cert", "http_version", "ip_version", "proxy"), NOT_YET
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
    reader = FieldReader(mapping, problems, path=path, known=_TCP_KEYS, later={"starttls": NOT_YET})
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


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_host(host: str) -> bool:
    if _is_address(host):
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


_DNS_KEYS = ("name", "record_type", "resolver", "expected", "expected_match", "dnssec")


def _read_dns(mapping: object, problems: list[Problem], path: Path) -> DnsConfig:
    reader = FieldReader(mapping, problems, path=path, known=_DNS_KEYS)
    name = reader.text("name", "", longest=253, required=True)
    chosen = reader.choice("record_type", "A", of=DNS_RECORD_TYPES)
    if name and not _is_host(name.removeprefix("*.")):
        reader.wrong("name", f"{shown(name)} is not a domain name")
    elif chosen != "PTR" and _is_address(name):
        reader.wrong("name", f"{shown(name)} is an address; its name is asked for with PTR")
    resolver = reader.text("resolver", None, longest=100)
    if resolver is not None and split_resolver(resolver) is None:
        reader.wrong(
            "resolver", f'{shown(resolver)} is not like "10.0.0.1", "10.0.0.1:5353" or "[::1]:53"'
        )
    match = reader.choice("expected_match", "subset", of=("subset", "set"))
    expected = tuple(dict.fromkeys(reader.texts("expected", longest=1_000, most=50)))
    if match == "set" and not expected:
        reader.wrong("expected", 'is required with expected_match: "set"')
    return DnsConfig(
        name=name,
        record_type=chosen,
        resolver=resolver,
        expected=expected,
        expected_match=match,
        dnssec=reader.flag("dnssec", False),
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
