"""How a monitor looks: one frozen configuration for each kind, and its canonical form.

`config_to_mapping` spells every default out, so that a default changed later never changes a
monitor that exists. What may be a secret is masked in everything that is meant to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never
from urllib.parse import urlsplit

from statustui.domain.masking import MASK, mask_header, mask_url
from statustui.domain.pem import holds_private_key
from statustui.domain.probe_config import (
    CommandConfig,
    HeartbeatConfig,
    PostgresConfig,
    command_name,
    mask_argv,
    mask_dsn,
    split_dsn,
)
from statustui.domain.status import MonitorType
from statustui.domain.text import format_duration

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HTTP_VERSIONS = ("1.1", "2", "auto")
DNS_RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "CAA", "PTR")


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
        body_regex: a regular expression that must match somewhere in the body.
        max_redirects: how many are followed before it is an error.
        max_body_bytes: how much of the body is read.
        ca: the authorities to trust instead of the host's, as PEM or "file:/path".
        client_cert, client_key: who we are when the server asks, as PEM or "file:/path"; the key
            may stand in `client_cert` too.
        http_version: "1.1", "2" (over TLS by ALPN, else by prior knowledge), or "auto": what the
            server chooses over TLS, else 1.1.
        ip_version: 4, 6, or None for both.
        proxy: "http://user:password@host:port" or https, None for none.
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
    body_regex: str | None = None
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    http_version: str = "1.1"
    ip_version: int | None = None
    proxy: str | None = None


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
        name: what is asked for; for PTR also an IP address, whose reverse name is then asked for.
        resolver: "10.0.0.1", "10.0.0.1:5353" or "[::1]:53"; None takes the system's.
        expected: answers as text; none means that any answer will do.
        expected_match: "subset": every expected answer is there; "set": exactly these.
        dnssec: whether the resolver must say that it validated the answer's signatures.
    """

    name: str
    record_type: str = "A"
    resolver: str | None = None
    expected: tuple[str, ...] = ()
    expected_match: str = "subset"
    dnssec: bool = False


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


STARTTLS_PORTS = {
    "smtp": 587,
    "imap": 143,
    "pop3": 110,
    "ftp": 21,
    "ldap": 389,
    "postgres": 5432,
    "mysql": 3306,
    "xmpp": 5222,
    "sieve": 4190,
}
"""The protocols that can turn to TLS in the middle, each with the port it usually has."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The certificate of a server: whether it is right, and for how long.

    Attributes:
        server_name: the name that the certificate must carry; None takes `host`.
        starttls: the protocol that is spoken before TLS begins, None when TLS begins at once.
        warn_days: with fewer days left the monitor is degraded; 0 never warns.
        ca: the authorities to trust instead of the host's, as PEM or "file:/path".
    """

    host: str
    port: int = 443
    server_name: str | None = None
    starttls: str | None = None
    warn_days: int = 14
    ca: str | None = None


CheckConfig = (
    HttpConfig
    | TcpConfig
    | DnsConfig
    | PingConfig
    | TlsConfig
    | PostgresConfig
    | HeartbeatConfig
    | CommandConfig
)


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
        case TlsConfig():
            return MonitorType.TLS
        case PostgresConfig():
            return MonitorType.POSTGRES
        case HeartbeatConfig():
            return MonitorType.HEARTBEAT
        case CommandConfig():
            return MonitorType.COMMAND
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
        case TlsConfig():
            talk = f"{config.starttls} " if config.starttls else ""
            return talk + _with_port(config.host, config.port)
        case PostgresConfig():
            return mask_dsn(config.dsn)
        case HeartbeatConfig():
            every, grace = _spell(config.every_seconds), _spell(config.grace_seconds)
            return f"a beat every {every}, {grace} grace"
        case CommandConfig():
            return " ".join([command_name(config.argv), *mask_argv(config.argv)[1:]])
        case _:
            assert_never(config)


def host_of(config: CheckConfig) -> str:
    """Whom a look burdens: the host, the resolver; looks at one of them are bounded together."""
    match config:
        case HttpConfig():
            return urlsplit(config.url).netloc.rpartition("@")[2].lower()
        case TcpConfig() | PingConfig() | TlsConfig():
            return config.host.lower()
        case DnsConfig():
            return config.resolver or "the system's resolver"
        case PostgresConfig():
            parts = split_dsn(config.dsn)
            return parts if isinstance(parts, str) else parts.host.lower()
        case HeartbeatConfig():
            return "the table of beats"
        case CommandConfig():
            return "this host's processes"
        case _:
            assert_never(config)


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
                "body_regex": config.body_regex,
                "ca": config.ca,
                "client_cert": config.client_cert,
                "client_key": config.client_key,
                "http_version": config.http_version,
                "ip_version": config.ip_version,
                "proxy": config.proxy,
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
                "dnssec": config.dnssec,
            }
        case PingConfig():
            return {
                "host": config.host,
                "count": config.count,
                "interval": format_duration(timedelta(milliseconds=config.interval_ms)),
                "max_loss_percent": config.max_loss_percent,
                "ip_version": config.ip_version,
            }
        case TlsConfig():
            return {
                "host": config.host,
                "port": config.port,
                "server_name": config.server_name,
                "starttls": config.starttls,
                "warn_days": config.warn_days,
                "ca": config.ca,
            }
        case PostgresConfig():
            return {
                "dsn": config.dsn,
                "query": config.query,
                "expected": config.expected,
                "expected_rows": config.expected_rows,
            }
        case HeartbeatConfig():
            return {
                "every": _spell(config.every_seconds),
                "grace": _spell(config.grace_seconds),
            }
        case CommandConfig():
            return {"argv": list(config.argv)}
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
            mapping["proxy"] = None if config.proxy is None else mask_url(config.proxy)
            for key, pem in (
                ("client_cert", config.client_cert),
                ("client_key", config.client_key),
            ):
                if holds_private_key(pem):
                    mapping[key] = MASK
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
        case PostgresConfig():
            mapping["dsn"] = mask_dsn(config.dsn)
        case CommandConfig():
            mapping["argv"] = mask_argv(config.argv)
        case DnsConfig() | PingConfig() | TlsConfig() | HeartbeatConfig():
            pass
        case _:
            assert_never(config)
    return mapping


def _spell(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds))


def _mask_text(text: str | None) -> str | None:
    return None if text is None else f"{MASK} ({len(text):,} characters)"


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
