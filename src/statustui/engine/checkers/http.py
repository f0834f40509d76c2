"""Looks at an HTTP target: one request, its redirects, and what came back."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import httpx

from statustui.domain.linear_regex import TooMuchWork, compile_pattern
from statustui.domain.monitor import (
    MASK,
    BasicAuth,
    BearerAuth,
    HttpConfig,
    mask_header,
    mask_url,
)
from statustui.domain.observation import Observation, Redirect
from statustui.domain.pem import FILE
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connecting import FAMILIES
from statustui.engine.proxy import proxy_of
from statustui.engine.tls_settings import TlsSettings, tls_context
from statustui.engine.trace import LookFailed, Trace, timed_out
from statustui.engine.transport import PROTOCOLS, Answer, Broken, Way, Wire, exchange, wire_of

_LONGEST_HEADER = 1_000
_MOST_HEADERS = 200
_REMEMBERED_REQUESTS = 16_384
_REMEMBERED_HEADERS = 4_096
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


async def look_http(
    config: HttpConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Makes one request and follows its redirects, each over a fresh connection.

    Status and body are not judged here; that is the domain's part. Only `body_regex` is searched
    for here, a piece at a time, so that no body and no pattern holds up other checks.

    Args:
        config: what to ask.
        timeout_ms: the deadline over everything, redirects included.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    try:
        prepared = _prepared(config, options.user_agent, options.ca_file, timeout_ms)
        way, wire = prepared.way, prepared.wire
        if wire.secure:
            # Building one takes longer than a check; the first is not to count it.
            tls_context(way.tls)
    except LookFailed as failure:
        return _not_sent(started_at, failure.reason)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return _not_sent(started_at, f"this request cannot be sent: {error}")
    trace = Trace(wire.peer)
    answer: Answer | None = None
    redirects: list[Redirect] = []
    kind: ErrorKind | None = None
    reason = ""
    body_matches: bool | None = None
    deadline = asyncio.get_running_loop().time() + timeout_ms / 1000
    try:
        async with asyncio.timeout_at(deadline):
            answer = await exchange(wire, trace, way=way, cap=config.max_body_bytes)
            if config.follow_redirects and 300 <= answer.status < 400:
                answer = await _follow(config, answer, trace, way, options, redirects)
    except TimeoutError:
        part = trace.part
        trace.stop()
        kind, reason = ErrorKind.TIMEOUT, timed_out(trace, part, timeout_ms)
    except Broken as failure:
        answer, kind, reason = failure.answer, failure.kind, failure.reason
    except LookFailed as failure:
        trace.stop()
        answer, kind, reason = None, failure.kind, failure.reason
    if kind is None and answer is not None and config.body_regex is not None:
        try:
            async with asyncio.timeout_at(deadline):
                body_matches = await _matches(config.body_regex, answer.body)
        except (TimeoutError, TooMuchWork):
            # What a pattern costs is this host's trouble; the target has answered.
            kind = ErrorKind.OBSERVER
            reason = "body_regex takes too long on this body; write it with fewer ways to match"
    return Observation(
        started_at=started_at,
        duration_ms=trace.duration_ms,
        error_kind=kind,
        reason=shorten(clean(reason), 300) if reason else "",
        phases=trace.phases,
        address=trace.address,
        connected=trace.connected,
        status_code=answer.status if answer is not None else None,
        headers=_shown_headers(answer) if answer is not None else _NO_HEADERS,
        body=answer.body if answer is not None else b"",
        body_truncated=answer.truncated if answer is not None else False,
        certificate=trace.certificate,
        redirects=tuple(redirects),
        repeat_command=prepared.repeat_command,
        addresses=trace.addresses,
        body_matches=body_matches,
        http_version=answer.version if answer is not None else "",
    )


def _not_sent(started_at: datetime, reason: str) -> Observation:
    return Observation(
        started_at=started_at,
        duration_ms=0.0,
        error_kind=ErrorKind.OBSERVER,
        reason=shorten(clean(reason), 300),
    )


async def _matches(pattern: str, body: bytes) -> bool:
    """Searches a body, letting other checks go on at least every few milliseconds."""
    for found in compile_pattern(pattern).search(body.decode("utf-8", "replace")):
        if found is not None:
            return found
        await asyncio.sleep(0)
    return False


def _body(config: HttpConfig) -> bytes:
    return config.body.encode() if config.body is not None else b""


def _first_request(config: HttpConfig, user_agent: str) -> httpx.Request:
    headers = [
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", user_agent),
    ]
    own = {name.lower() for name, _ in config.headers}
    request = httpx.Request(
        config.method,
        config.url,
        headers=[pair for pair in headers if pair[0].lower() not in own] + list(config.headers),
        content=_body(config) if config.body is not None else None,
    )
    match config.auth:
        case BasicAuth(username=username, password=password):
            request = next(httpx.BasicAuth(username, password).sync_auth_flow(request))
        case BearerAuth(token=token):
            request.headers["Authorization"] = f"Bearer {token}"
        case None:
            pass
    return request


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is the same in every look of one monitor."""

    way: Way
    wire: Wire
    repeat_command: str


@lru_cache(maxsize=_REMEMBERED_REQUESTS)
def _prepared(
    config: HttpConfig, user_agent: str, ca_file: Path | None, timeout_ms: int
) -> _Prepared:
    """A monitor's request is the same each time; putting its bytes together costs 0.1 ms.

    Raises:
        httpx.HTTPError, httpx.InvalidURL, UnicodeError: when it cannot be sent.
    """
    way = Way(
        tls=TlsSettings(
            verify=config.verify_tls,
            ca_file=ca_file,
            ca=config.ca,
            client_cert=config.client_cert,
            client_key=config.client_key,
            protocols=PROTOCOLS[config.http_version],
        ),
        family=FAMILIES[config.ip_version],
        proxy=proxy_of(config.proxy) if config.proxy is not None else None,
        version=config.http_version,
    )
    wire = wire_of(_first_request(config, user_agent), _body(config), way)
    return _Prepared(way, wire, _repeat_command(config, timeout_ms))


async def _follow(
    config: HttpConfig,
    answer: Answer,
    trace: Trace,
    way: Way,
    options: LookOptions,
    gone: list[Redirect],
) -> Answer:
    first = request = _first_request(config, options.user_agent)
    before_ms = 0.0
    while True:
        response = httpx.Response(answer.status, headers=answer.headers, request=request)
        if not response.has_redirect_location:
            return answer
        if len(gone) >= config.max_redirects:
            raise LookFailed(
                ErrorKind.PROTOCOL,
                f"more than {config.max_redirects} redirects, the last to "
                f"{mask_url(response.headers['location'])}",
            )
        request = next_request(request, response)
        where = shorten(clean(mask_url(str(request.url))), 500)
        gone.append(Redirect(where, answer.status, trace.duration_ms - before_ms))
        before_ms = trace.duration_ms
        onward = _way_onward(way, first.url, request.url)
        try:
            wire = wire_of(request, await request.aread(), onward)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise LookFailed(
                ErrorKind.PROTOCOL, f"redirect to {where} cannot be followed: {error}"
            ) from None
        answer = await exchange(wire, trace, way=onward, cap=config.max_body_bytes)


def _way_onward(way: Way, first: httpx.URL, url: httpx.URL) -> Way:
    """The way to where a redirect leads: nobody but the first host learns who we are."""
    if _origin(first) == _origin(url):
        return way
    # HTTP/2 without TLS works only where it was agreed on beforehand.
    version = way.version if url.scheme == "https" else "1.1"
    return replace(way, tls=way.tls.anonymous(), version=version)


def next_request(request: httpx.Request, response: httpx.Response) -> httpx.Request:
    """The request that a redirect asks for.

    After 303, and after 301 or 302 to anything but GET and HEAD, a GET without a body follows, as
    browsers and curl do (RFC 9110 section 15.4). Another host, port or scheme gets neither
    `Authorization` nor `Cookie`: who redirects must not be able to collect them.

    Raises:
        LookFailed: when the address cannot be followed.
    """
    location = response.headers["location"]
    try:
        url = request.url.join(location)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise LookFailed(
            ErrorKind.PROTOCOL, f"redirect to an address that cannot be read: {location}"
        ) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise LookFailed(ErrorKind.PROTOCOL, f"redirect to {mask_url(str(url))} is not HTTP")
    if url.fragment == "" and request.url.fragment:
        url = url.copy_with(fragment=request.url.fragment)
    method = request.method
    status = response.status_code
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method = "GET"
    headers = request.headers.copy()
    headers.pop("Host", None)
    old = request.url
    if _origin(url) != _origin(old):
        headers.pop("Authorization", None)
        headers.pop("Cookie", None)
    if method != request.method:
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            headers.pop(name, None)
        return httpx.Request(method, url, headers=headers)
    headers.pop("Content-Length", None)
    return httpx.Request(method, url, headers=headers, content=request.content or None)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _shown_headers(answer: Answer) -> dict[str, str]:
    """Headers by lower-case name, harmless, secrets masked; what repeats is joined by commas."""
    shown: dict[str, str] = {}
    for raw_name, raw_value in answer.headers[:_MOST_HEADERS]:
        name, value = _shown_header(raw_name, raw_value[:_LONGEST_HEADER])
        shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown


@lru_cache(maxsize=_REMEMBERED_HEADERS)
def _shown_header(raw_name: bytes, raw_value: bytes) -> tuple[str, str]:
    """One header; remembered, because most answers carry the same ones as the answer before."""
    name = clean(raw_name.decode("latin-1")).lower()
    value = clean(raw_value.decode("utf-8", "replace"))
    return name, mask_header(name, value)


def _repeat_command(config: HttpConfig, timeout_ms: int) -> str:
    words = ["curl", "-sS", "-i", "--max-time", f"{timeout_ms / 1000:g}"]
    if config.follow_redirects:
        words += ["-L", "--max-redirs", str(config.max_redirects)]
    if not config.verify_tls:
        words.append("-k")
    words += _words_of_the_way(config)
    if config.method == "HEAD":
        words.append("--head")
    elif config.method != "GET" or config.body is not None:
        words += ["-X", config.method]
    for name, value in config.headers:
        words += ["-H", f"{name}: {mask_header(name, value)}"]
    match config.auth:
        case BasicAuth(username=username):
            words += ["-u", f"{username}:{MASK}"]
        case BearerAuth():
            words += ["-H", f"Authorization: Bearer {MASK}"]
        case None:
            pass
    if config.body is not None:
        words += ["--data-raw", MASK]
    words.append(mask_url(config.url))
    return clean(shlex.join(words))


def _words_of_the_way(config: HttpConfig) -> list[str]:
    """What curl is told about how the request travels; a key or certificate as text is masked."""
    words: list[str] = []
    if config.http_version == "2":
        plain = config.url.startswith("http:")
        words.append("--http2-prior-knowledge" if plain else "--http2")
    elif config.http_version == "1.1" and config.url.startswith("https:"):
        words.append("--http1.1")
    if config.ip_version is not None:
        words.append(f"-{config.ip_version}")
    for option, pem in (
        ("--cacert", config.ca),
        ("--cert", config.client_cert),
        ("--key", config.client_key),
    ):
        if pem is not None:
            words += [option, pem.removeprefix(FILE) if pem.startswith(FILE) else MASK]
    if config.proxy is not None:
        words += ["-x", mask_url(config.proxy)]
    return words
