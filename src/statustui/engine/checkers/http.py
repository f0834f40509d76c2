"""Looks at an HTTP target: one request, its redirects, and what came back."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import httpx

from statustui.domain.monitor import (
    MASK,
    BasicAuth,
    BearerAuth,
    HttpConfig,
    mask_header,
    mask_url,
)
from statustui.domain.observation import Observation
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten
from statustui.engine.checkers.options import DEFAULT_OPTIONS, LookOptions
from statustui.engine.connection import tls_context
from statustui.engine.trace import LookFailed, Trace, timed_out
from statustui.engine.transport import Answer, Broken, Wire, exchange, wire_of

_LONGEST_HEADER = 1_000
_MOST_HEADERS = 200
_REMEMBERED_REQUESTS = 16_384
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


async def look_http(
    config: HttpConfig, *, timeout_ms: int, options: LookOptions = DEFAULT_OPTIONS
) -> Observation:
    """Makes one request and follows its redirects, each over a fresh connection.

    Status and body are not judged here; that is the domain's part.

    Args:
        config: what to ask.
        timeout_ms: the deadline over everything, redirects included.
        options: how this engine looks.
    """
    started_at = options.wall_clock()
    try:
        wire = _first_wire(config, options.user_agent)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return Observation(
            started_at=started_at,
            duration_ms=0.0,
            error_kind=ErrorKind.OBSERVER,
            reason=shorten(clean(f"this request cannot be sent: {error}"), 300),
        )
    if wire.secure:
        # Building one takes longer than a check; the first is not to count it.
        tls_context(config.verify_tls, options.ca_file, True)
    trace = Trace(wire.peer)
    answer: Answer | None = None
    redirects: list[str] = []
    kind: ErrorKind | None = None
    reason = ""
    deadline = asyncio.get_running_loop().time() + timeout_ms / 1000
    try:
        async with asyncio.timeout_at(deadline):
            answer = await _exchange(config, wire, trace, deadline, options)
            if config.follow_redirects and 300 <= answer.status < 400:
                answer = await _follow(config, answer, trace, deadline, options, redirects)
    except TimeoutError:
        part = trace.part
        trace.stop()
        kind, reason = ErrorKind.TIMEOUT, timed_out(trace, part, timeout_ms)
    except Broken as failure:
        answer, kind, reason = failure.answer, failure.kind, failure.reason
    except LookFailed as failure:
        trace.stop()
        answer, kind, reason = None, failure.kind, failure.reason
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
        repeat_command=_repeat_command(config, timeout_ms),
    )


async def _exchange(
    config: HttpConfig, wire: Wire, trace: Trace, deadline: float, options: LookOptions
) -> Answer:
    return await exchange(
        wire,
        trace,
        deadline=deadline,
        verify=config.verify_tls,
        ca_file=options.ca_file,
        cap=config.max_body_bytes,
    )


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


@lru_cache(maxsize=_REMEMBERED_REQUESTS)
def _first_wire(config: HttpConfig, user_agent: str) -> Wire:
    """The bytes of a monitor's request are the same each time; building them costs 0.1 ms."""
    return wire_of(_first_request(config, user_agent), _body(config))


async def _follow(
    config: HttpConfig,
    answer: Answer,
    trace: Trace,
    deadline: float,
    options: LookOptions,
    gone: list[str],
) -> Answer:
    request = _first_request(config, options.user_agent)
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
        gone.append(shorten(clean(mask_url(str(request.url))), 500))
        try:
            wire = wire_of(request, await request.aread())
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise LookFailed(
                ErrorKind.PROTOCOL, f"redirect to {gone[-1]} cannot be followed: {error}"
            ) from None
        answer = await _exchange(config, wire, trace, deadline, options)


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
    if (url.scheme, url.host, _port(url)) != (old.scheme, old.host, _port(old)):
        headers.pop("Authorization", None)
        headers.pop("Cookie", None)
    if method != request.method:
        for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
            headers.pop(name, None)
        return httpx.Request(method, url, headers=headers)
    headers.pop("Content-Length", None)
    return httpx.Request(method, url, headers=headers, content=request.content or None)


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _shown_headers(answer: Answer) -> dict[str, str]:
    """Headers by lower-case name, harmless, secrets masked; what repeats is joined by commas."""
    shown: dict[str, str] = {}
    for raw_name, raw_value in answer.headers[:_MOST_HEADERS]:
        name = raw_name.decode("latin-1").lower()
        value = clean(raw_value[:_LONGEST_HEADER].decode("utf-8", "replace"))
        value = mask_header(name, value)
        shown[name] = f"{shown[name]}, {value}" if name in shown else value
    return shown


@lru_cache(maxsize=_REMEMBERED_REQUESTS)
def _repeat_command(config: HttpConfig, timeout_ms: int) -> str:
    words = ["curl", "-sS", "-i", "--max-time", f"{timeout_ms / 1000:g}"]
    if config.follow_redirects:
        words += ["-L", "--max-redirs", str(config.max_redirects)]
    if not config.verify_tls:
        words.append("-k")
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
