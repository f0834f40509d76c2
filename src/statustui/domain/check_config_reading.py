"""Reads the `config` of each kind of monitor, with every mistake and its place."""

from __future__ import annotations

import ipaddress
import re
from typing import assert_never

from statustui.domain.check_config import (
    DNS_RECORD_TYPES,
    STARTTLS_PORTS,
    CheckConfig,
    DnsConfig,
    PingConfig,
    TcpConfig,
    TlsConfig,
)
from statustui.domain.errors import Problem
from statustui.domain.fields import FieldReader, Path, shown
from statustui.domain.http_config_reading import read_http, read_ip_version
from statustui.domain.pem import read_pem
from statustui.domain.probe_config_reading import read_command, read_heartbeat, read_postgres
from statustui.domain.status import MonitorType


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
            return read_http(mapping, problems, path)
        case MonitorType.TCP:
            return _read_tcp(mapping, problems, path)
        case MonitorType.DNS:
            return _read_dns(mapping, problems, path)
        case MonitorType.PING:
            return _read_ping(mapping, problems, path)
        case MonitorType.TLS:
            return _read_tls(mapping, problems, path)
        case MonitorType.POSTGRES:
            return read_postgres(mapping, problems, path)
        case MonitorType.HEARTBEAT:
            return read_heartbeat(mapping, problems, path)
        case MonitorType.COMMAND:
            return read_command(mapping, problems, path)
        case _:
            assert_never(monitor_type)


_TCP_KEYS = ("host", "port", "tls", "verify_tls", "server_name", "send", "expect")
_TCP_ELSEWHERE = {"starttls": 'belongs to monitors of the type "tls"'}


def _read_tcp(mapping: object, problems: list[Problem], path: Path) -> TcpConfig:
    reader = FieldReader(mapping, problems, path=path, known=_TCP_KEYS, later=_TCP_ELSEWHERE)
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
    return PingConfig(
        host=_read_host(reader, "host"),
        count=reader.integer("count", 3, least=1, most=20),
        interval_ms=reader.duration_ms("interval", 200, least_ms=10, most_ms=5_000),
        max_loss_percent=reader.number("max_loss_percent", 0.0, least=0, most=100),
        ip_version=read_ip_version(reader),
    )


_TLS_KEYS = ("host", "port", "server_name", "starttls", "warn_days", "ca")


def _read_tls(mapping: object, problems: list[Problem], path: Path) -> TlsConfig:
    reader = FieldReader(mapping, problems, path=path, known=_TLS_KEYS)
    starttls = reader.choice("starttls", None, of=tuple(STARTTLS_PORTS))
    usual = 443 if starttls is None else STARTTLS_PORTS[starttls]
    return TlsConfig(
        host=_read_host(reader, "host"),
        port=reader.integer("port", usual, least=1, most=65_535),
        server_name=reader.text("server_name", None, longest=253),
        starttls=starttls,
        warn_days=reader.integer("warn_days", 14, least=0, most=3_650),
        ca=read_pem(reader, "ca"),
    )
