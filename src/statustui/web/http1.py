"""HTTP/1.1 without sockets: bytes come in, frozen events come out, nothing is ever guessed.

What this server speaks is small: a request has a head and no body, the only methods are GET and
HEAD, and whatever two parsers could read in two ways is refused, because a page behind a cache
must never disagree with the cache about where one request ends and the next begins.

    bytes ──► RequestParser.feed ──► Request         answer it; the next one may already wait
                                 └─► Refused         answer with its status, then close
                                 └─► (nothing)       more bytes are needed

Once something was refused the parser stays refused: what follows on that connection is not read.

The rules, after RFC 9110 and RFC 9112, stricter where those leave a choice:

* a line ends with CR LF; a lone CR, a lone LF and a NUL are refused anywhere in the head;
* the request line holds at most 4,096 bytes (414), the whole head at most 16,384 (431) in at
  most 100 fields (431);
* a field name is a token with the colon right behind it, a continued line is refused, a value
  holds visible characters, blanks and bytes from 0x80 only;
* exactly one Host in HTTP/1.1, at most one in HTTP/1.0;
* Content-Length once, digits only, and nothing but 0; Transfer-Encoding never;
* the target is a path from the root, or the absolute form that proxies send; the authority form
  and the asterisk belong to methods that do not exist here;
* in the path every escape is two hexadecimal digits, the result is UTF-8 without control
  characters, and no segment is `.`, `..`, or hides a slash or a backslash;
* one empty line before a request line is passed over, as old clients send it.

Many heads on one server are the same bytes again and again, so parsed heads are remembered by
their bytes, as many as `REMEMBERED_HEADS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_REQUEST_LINE_BYTES: Final = 4_096
MAX_HEAD_BYTES: Final = 16_384
MAX_FIELDS: Final = 100
MAX_PARAMETERS: Final = 50
REMEMBERED_HEADS: Final = 2_048
REMEMBERED_HEAD_BYTES: Final = 2_048

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~\-]*)(?::[0-9]{0,5})?")
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")
_CR: Final = 0x0D
_LENGTH = re.compile(rb"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was read whole.

    Attributes:
        method: as it was sent, `GET` or `HEAD` or another token.
        path: decoded, begins with a slash, has no dot segments.
        parameters: the decoded query, in the order sent; a name may come more than once.
        fields: header fields, names in lower case, values without surrounding blanks.
        host: the authority that was asked for, in lower case, empty when none was sent.
        keep_alive: whether the client wants the connection to stay open after the answer.
    """

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    host: str
    keep_alive: bool
    _joined: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A remembered request is asked for the same fields again and again.
        joined: dict[str, str] = {}
        for name, value in self.fields:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        object.__setattr__(self, "_joined", joined)

    def field(self, name: str) -> str | None:
        """One header field, several of that name joined with commas; None when there is none.

        Args:
            name: in lower case.
        """
        return self._joined.get(name)

    def parameter(self, name: str) -> str | None:
        """The last value of a query parameter, None when it was not given."""
        found = None
        for key, value in self.parameters:
            if key == name:
                found = value
        return found


@dataclass(frozen=True, slots=True)
class Refused:
    """What was sent cannot be answered; the connection is closed after saying so.

    Attributes:
        status: the HTTP status that fits.
        message: one plain sentence for whoever sent it.
    """

    status: int
    message: str


Event = Request | Refused


class _Refusal(Exception):
    """Carries a refusal out of the parsing functions."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.refused = Refused(status, message)


class HeadMemory:
    """Heads that were parsed before, by their bytes; shared by all connections of a server."""

    def __init__(self, capacity: int = REMEMBERED_HEADS) -> None:
        self._capacity = capacity
        self._requests: dict[bytes, Request] = {}

    def get(self, head: bytes) -> Request | None:
        """What these bytes were parsed to, None when they are not remembered."""
        return self._requests.get(head)

    def remember(self, head: bytes, request: Request) -> None:
        """Keep a parsed head; when full, everything is forgotten and the common ones return."""
        if len(head) > REMEMBERED_HEAD_BYTES:
            return
        if len(self._requests) >= self._capacity:
            self._requests.clear()
        self._requests[head] = request


class RequestParser:
    """Reads the requests of one connection.

    Args:
        memory: parsed heads shared with other connections.
    """

    __slots__ = ("_buffer", "_memory", "_refused", "_seen", "_start")

    def __init__(self, memory: HeadMemory | None = None) -> None:
        self._memory = memory if memory is not None else HeadMemory()
        self._buffer = b""
        self._start = 0  # where the next head begins
        self._seen = 0  # up to where that head was looked at and found good so far
        self._refused: Refused | None = None

    @property
    def waiting_bytes(self) -> int:
        """How many bytes have come that belong to no complete request yet."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._refused is not None:
            return
        if self._start == len(self._buffer):
            self._buffer, self._start, self._seen = data, 0, 0
        else:
            self._buffer = self._buffer[self._start :] + data
            self._seen -= self._start
            self._start = 0

    def next_event(self) -> Event | None:
        """The next event, None when more bytes are needed or the connection was refused before."""
        if self._refused is not None or self._start == len(self._buffer):
            return None
        try:
            return self._next_request()
        except _Refusal as refusal:
            self._refused = refusal.refused
            self._buffer, self._start, self._seen = b"", 0, 0
            return refusal.refused

    def _next_request(self) -> Request | None:
        if self._buffer[self._start] == _CR and not self._skip_empty_line():
            return None
        buffer, start = self._buffer, self._start
        limit = start + MAX_HEAD_BYTES
        # The end may straddle what was looked at before.
        end = buffer.find(b"\r\n\r\n", max(start, self._seen - 3), limit)
        if end < 0:
            self._refuse_early(limit)
            return None
        head = buffer[start:end]
        self._start = self._seen = end + 4
        known = self._memory.get(head)
        if known is not None:
            return known
        request = parse_head(head)
        self._memory.remember(head, request)
        return request

    def _skip_empty_line(self) -> bool:
        """Pass over one empty line; False when its second byte has not come yet."""
        following = self._buffer[self._start + 1 : self._start + 3]
        if not following or following == b"\n":
            return False
        if following[:1] != b"\n" or following[1:] in (b"\r", b"\n"):
            raise _Refusal(400, "empty lines instead of a request")
        self._start += 2
        self._seen = max(self._seen, self._start)
        return True

    def _refuse_early(self, limit: int) -> None:
        """Refuse an incomplete head as soon as it cannot become a good one."""
        buffer, start = self._buffer, self._start
        line_end = buffer.find(b"\n", start, start + MAX_REQUEST_LINE_BYTES + 2)
        if line_end < 0 and len(buffer) - start > MAX_REQUEST_LINE_BYTES + 1:
            raise _Refusal(414, "the request line is longer than 4 kB")
        # The last byte may be a CR whose LF is still under way, so it is looked at next time.
        upto = min(limit, len(buffer))
        if buffer[upto - 1] == _CR:
            upto -= 1
        if _BARE_LINE_END.search(buffer, max(start, self._seen), upto):
            raise _Refusal(400, "a line does not end with CR LF, or holds a NUL")
        if len(buffer) >= limit:
            raise _Refusal(431, "the header fields are larger than 16 kB")
        self._seen = upto


def parse_head(head: bytes) -> Request:
    """Read one complete head.

    Args:
        head: everything before the empty line, without it.

    Raises:
        _Refusal: it breaks a rule of this module's text.
    """
    if _BARE_LINE_END.search(head):
        raise _Refusal(400, "a line does not end with CR LF, or holds a NUL")
    lines = head.split(b"\r\n")
    if len(lines[0]) > MAX_REQUEST_LINE_BYTES:
        raise _Refusal(414, "the request line is longer than 4 kB")
    if len(lines) - 1 > MAX_FIELDS:
        raise _Refusal(431, "there are more than 100 header fields")
    parts = lines[0].split(b" ")
    if len(parts) != 3:
        raise _Refusal(400, "the request line is not: method, target, version")
    method_bytes, target, version = parts
    if not _TOKEN.fullmatch(method_bytes):
        raise _Refusal(400, "the method is not a token")
    matched = _VERSION.fullmatch(version)
    if matched is None:
        raise _Refusal(400, "the version is not HTTP/1.1")
    if matched.group(1) != b"1" or matched.group(2) not in (b"0", b"1"):
        raise _Refusal(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    modern = matched.group(2) == b"1"
    fields = tuple(_parse_field(line) for line in lines[1:])
    method = method_bytes.decode("ascii")
    _check_body(method, fields)
    authority, path, parameters = _parse_target(target)
    host = _host(fields, modern=modern)
    return Request(
        method=method,
        path=path,
        parameters=parameters,
        fields=fields,
        host=(host if authority is None else authority).lower(),
        keep_alive=_keeps_alive(fields, modern=modern),
    )


def _parse_field(line: bytes) -> tuple[str, str]:
    if line[:1] in (b" ", b"\t"):
        raise _Refusal(400, "a header field continues on the next line")
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise _Refusal(400, "a header field has no proper name")
    if not _VALUE.fullmatch(value):
        raise _Refusal(400, "a header field holds a control character")
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def _check_body(method: str, fields: tuple[tuple[str, str], ...]) -> None:
    """Refuse what announces a body, or announces it in two ways.

    Another method than GET and HEAD with a well-framed body passes, so that it can be told that
    the method does not exist; the connection is closed then without reading the body.
    """
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0].encode("latin-1"))):
        raise _Refusal(400, "Content-Length must be given once, in digits")
    if lengths and codings:
        raise _Refusal(400, "Content-Length and Transfer-Encoding contradict each other")
    if method not in ("GET", "HEAD"):
        return
    if codings:
        raise _Refusal(400, "a request with Transfer-Encoding is not accepted")
    if lengths and int(lengths[0]) != 0:
        raise _Refusal(413, "a request with a body is not accepted")


def _host(fields: tuple[tuple[str, str], ...], *, modern: bool) -> str:
    hosts = [value for name, value in fields if name == "host"]
    if len(hosts) > 1 or (modern and not hosts):
        raise _Refusal(400, "exactly one Host field is needed")
    host = hosts[0] if hosts else ""
    if not _HOST.fullmatch(host):
        raise _Refusal(400, "the Host field is not a host and a port")
    return host


def _keeps_alive(fields: tuple[tuple[str, str], ...], *, modern: bool) -> bool:
    """Whether the connection outlives the answer; in HTTP/1.0 it never does here."""
    options = {
        option.strip().lower()
        for name, value in fields
        if name == "connection"
        for option in value.split(",")
    }
    if "close" in options:
        return False
    # Trailing bytes of a body nobody reads must not be taken for the next request.
    if any(
        name == "transfer-encoding" or (name == "content-length" and int(value) != 0)
        for name, value in fields
    ):
        return False
    return modern


def _parse_target(
    target: bytes,
) -> tuple[str | None, str, tuple[tuple[str, str], ...]]:
    """The authority of an absolute form, the decoded path, the decoded query."""
    if not _TARGET.fullmatch(target):
        raise _Refusal(400, "the target holds characters that must be escaped")
    authority = None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        authority = absolute.group(1).decode("ascii")
        if not authority or not _HOST.fullmatch(authority):
            raise _Refusal(400, "the target names no proper host")
        target = absolute.group(2)
        if not target.startswith(b"/"):
            target = b"/" + target
    if not target.startswith(b"/"):
        raise _Refusal(400, "the target is not a path from the root")
    if b"#" in target:
        raise _Refusal(400, "the target holds a fragment")
    if _BAD_ESCAPE.search(target):
        raise _Refusal(400, "the target holds a broken escape")
    raw_path, _, raw_query = target.partition(b"?")
    return authority, _decode_path(raw_path), _decode_query(raw_query)


def _decode_path(raw: bytes) -> str:
    segments = []
    for segment in raw.split(b"/"):
        text = _decode(segment)
        if text in (".", "..") or "/" in text or "\\" in text:
            raise _Refusal(400, "the path does not name its place plainly")
        segments.append(text)
    return "/".join(segments)


def _decode_query(raw: bytes) -> tuple[tuple[str, str], ...]:
    if not raw:
        return ()
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise _Refusal(400, "there are more than 50 parameters")
    decoded = []
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        decoded.append((_decode(name), _decode(value)))
    return tuple(decoded)


def _decode(escaped: bytes) -> str:
    try:
        text = unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refusal(400, "an escape is not UTF-8") from error
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise _Refusal(400, "the target holds a control character")
    return text


_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


def status_line(status: int) -> bytes:
    """The first line of a response, with its line end."""
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n".encode("ascii")


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Header fields as they stand on the wire, each with its line end.

    Raises:
        ValueError: a name or value could break out of its line; only a defect of the program
            does that, so it is not translated.
    """
    lines = []
    for name, value in fields:
        line = f"{name}: {value}".encode("latin-1")
        if not _TOKEN.fullmatch(name.encode("ascii")) or not _VALUE.fullmatch(line):
            raise ValueError(f"header field {name!r} cannot be sent")
        lines.append(line + b"\r\n")
    return b"".join(lines)
