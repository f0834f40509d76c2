"""Reads the `config` of an HTTP monitor: the request, how it travels, what its answer must be."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from statustui.domain.check_config import (
    HTTP_METHODS,
    HTTP_VERSIONS,
    BasicAuth,
    BearerAuth,
    HttpConfig,
)
from statustui.domain.errors import Problem, ValidationFailed
from statustui.domain.fields import FieldReader, Path, shown
from statustui.domain.linear_regex import compile_pattern
from statustui.domain.pem import read_pem, read_private_key
from statustui.domain.text import clean, shorten

_KEYS = (
    "url",
    "method",
    "headers",
    "body",
    "auth",
    "expected_status",
    "expected_body",
    "not_expected_body",
    "body_regex",
    "follow_redirects",
    "max_redirects",
    "verify_tls",
    "ca",
    "client_cert",
    "client_key",
    "http_version",
    "ip_version",
    "proxy",
    "max_body_bytes",
)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# The transport decides these from the request itself; two opinions make a request ambiguous.
_TRANSPORT_HEADERS = frozenset(
    {"connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"}
)


def read_http(mapping: object, problems: list[Problem], path: Path) -> HttpConfig:
    """Reads the configuration of an HTTP monitor; mistakes go into `problems`.

    Args:
        mapping: keys and values as written.
        problems: where mistakes go.
        path: where the mapping stands in its document.
    """
    reader = FieldReader(mapping, problems, path=path, known=_KEYS)
    config = HttpConfig(
        url=_read_url(reader),
        method=reader.choice("method", "GET", of=HTTP_METHODS),
        headers=_read_headers(reader),
        body=reader.text("body", None, longest=100_000, shortest=0, cleaned=False),
        auth=_read_auth(reader),
        expected_status=_read_statuses(reader),
        expected_body=reader.text("expected_body", None, longest=10_000, cleaned=False),
        not_expected_body=reader.text("not_expected_body", None, longest=10_000, cleaned=False),
        body_regex=_read_body_regex(reader),
        follow_redirects=reader.flag("follow_redirects", True),
        max_redirects=reader.integer("max_redirects", 10, least=0, most=50),
        verify_tls=reader.flag("verify_tls", True),
        ca=read_pem(reader, "ca"),
        client_cert=read_pem(reader, "client_cert"),
        client_key=read_private_key(reader, "client_key"),
        http_version=_read_http_version(reader),
        ip_version=read_ip_version(reader),
        proxy=_read_proxy(reader),
        max_body_bytes=reader.integer("max_body_bytes", 1_000_000, least=0, most=10_000_000),
    )
    _check_together(reader, config)
    return config


def _check_together(reader: FieldReader, config: HttpConfig) -> None:
    """What each is right for itself and wrong together."""
    if config.ca is not None and not config.verify_tls:
        reader.wrong("ca", "means nothing with verify_tls: false")
    if config.client_key is not None and config.client_cert is None:
        reader.wrong("client_key", "means nothing without client_cert")
    if config.http_version == "2" and config.proxy and config.url.startswith("http:"):
        reader.wrong("http_version", '"2" without TLS does not go through a proxy')
    host = urlsplit(config.url).hostname if url_problem(config.url) is None else None
    if host and config.proxy is None and family_mismatch(host, config.ip_version):
        reader.wrong("ip_version", f"{config.ip_version} does not fit the address {shown(host)}")


def read_ip_version(reader: FieldReader) -> int | None:
    """4, 6, or None for both; the word "any" is taken for both too."""
    value = reader.raw("ip_version")
    if value is None or value == "any":
        return None
    if isinstance(value, bool) or value not in (4, 6, "4", "6"):
        reader.wrong("ip_version", f"{shown(value)} is not one of 4, 6, any")
        return None
    return int(str(value))


def family_mismatch(host: str, ip_version: int | None) -> bool:
    """Whether a host is written as an address of the other family."""
    if ip_version is None:
        return False
    try:
        return ipaddress.ip_address(host).version != ip_version
    except ValueError:
        return False


def _read_http_version(reader: FieldReader) -> str:
    # YAML reads 1.1 and 2 without quotes as numbers, and everybody writes them so.
    value = reader.raw("http_version")
    if value is None:
        return "1.1"
    if not isinstance(value, bool) and str(value) in HTTP_VERSIONS:
        return str(value)
    if value in (2.0, "2.0"):
        return "2"
    reader.wrong("http_version", f"{shown(value)} is not one of {', '.join(HTTP_VERSIONS)}")
    return "1.1"


def _read_body_regex(reader: FieldReader) -> str | None:
    pattern = reader.text("body_regex", None, longest=1_000, cleaned=False)
    if pattern is None:
        return None
    try:
        compile_pattern(pattern)
    except ValidationFailed as failure:
        problem = failure.problems[0] if failure.problems else Problem(failure.message)
        reader.problems.append(
            Problem(problem.message, (*reader.path, "body_regex"), column=problem.column)
        )
    return pattern


def _read_proxy(reader: FieldReader) -> str | None:
    proxy = reader.text("proxy", None, longest=2_000)
    if proxy is None:
        return None
    problem = "needs its scheme, http:// or https://" if "://" not in proxy else None
    problem = problem or _address_problem(proxy)
    if problem is None:
        parts = urlsplit(proxy)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            problem = "is scheme, host and port alone, without a path"
        elif parts.port is None:
            problem = "needs its port, such as :3128"
    if problem is not None:
        # The mistake may stand beside a password, so what was written is not repeated.
        reader.wrong("proxy", problem)
    return proxy


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
    problem = _address_problem(url)
    if problem is not None:
        return problem
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return "carries credentials; put them under auth, where they are masked"
    return None


def _address_problem(url: str) -> str | None:
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
