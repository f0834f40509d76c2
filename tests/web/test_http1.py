"""The parser's rules as a table, and properties that hold for any bytes in any pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statustui.web.http1 import (
    MAX_HEAD_BYTES,
    MAX_REQUEST_LINE_BYTES,
    Event,
    HeadMemory,
    Refused,
    Request,
    RequestParser,
    field_lines,
    status_line,
)

HOST = b"Host: status.test\r\n"


def events_of(data: bytes, piece: int = 0) -> list[Event]:
    """Everything that a parser says about some bytes, given whole or in pieces."""
    parser = RequestParser(HeadMemory())
    events = []
    pieces = (
        [data[start : start + piece] for start in range(0, len(data), piece)] if piece else [data]
    )
    for part in pieces:
        parser.feed(part)
        while (event := parser.next_event()) is not None:
            events.append(event)
    return events


def get(target: bytes, fields: bytes = HOST, version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def test_a_plain_request_is_read_whole() -> None:
    (request,) = events_of(
        b"GET /s/acme/history?page=2&q=a+b%20c&page=3 HTTP/1.1\r\nHost: Status.Test:8080\r\n"
        b"Accept-Encoding: gzip\r\nAccept-encoding:br \r\n\r\n"
    )
    assert request == Request(
        method="GET",
        path="/s/acme/history",
        parameters=(("page", "2"), ("q", "a b c"), ("page", "3")),
        fields=(
            ("host", "Status.Test:8080"),
            ("accept-encoding", "gzip"),
            ("accept-encoding", "br"),
        ),
        host="status.test:8080",
        keep_alive=True,
    )
    assert request.field("accept-encoding") == "gzip, br"
    assert request.field("cookie") is None
    assert request.parameter("page") == "3"
    assert request.parameter("none") is None


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (get(b"/"), True),
        (get(b"/", HOST + b"Connection: close\r\n"), False),
        (get(b"/", HOST + b"Connection: foo, Close\r\n"), False),
        (get(b"/", HOST, b"HTTP/1.0"), False),
        (get(b"/", b"", b"HTTP/1.0"), False),
        (get(b"/", HOST + b"Connection: keep-alive\r\n", b"HTTP/1.0"), False),
        (get(b"/", HOST + b"Content-Length: 0\r\n"), True),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", False),
    ],
)
def test_whether_the_connection_stays_open(data: bytes, keep_alive: bool) -> None:
    (request,) = events_of(data)
    assert isinstance(request, Request)
    assert request.keep_alive is keep_alive


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/s/caf%C3%A9", "/s/café"),
        (b"/s//x", "/s//x"),
        (b"/...", "/..."),
        (b"http://other.test/s/a?x=1", "/s/a"),
        (b"HTTP://other.test", "/"),
        (b"http://[::1]:80/x", "/x"),
    ],
)
def test_targets_that_are_read(target: bytes, path: str) -> None:
    (request,) = events_of(get(target))
    assert isinstance(request, Request)
    assert request.path == path


def test_the_absolute_form_decides_the_host() -> None:
    (request,) = events_of(get(b"http://Other.test/x"))
    assert isinstance(request, Request)
    assert request.host == "other.test"


REFUSALS = {
    "line too long": (b"GET /" + b"a" * MAX_REQUEST_LINE_BYTES + b" HTTP/1.1\r\n\r\n", 414),
    "line too long, unfinished": (b"GET /" + b"a" * (MAX_REQUEST_LINE_BYTES + 10), 414),
    "head too large": (get(b"/", HOST + b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n"), 431),
    "head too large, unfinished": (
        b"GET / HTTP/1.1\r\n" + b"X: aaaaaaaaaa\r\n" * (MAX_HEAD_BYTES // 15 + 1),
        431,
    ),
    "many fields": (get(b"/", HOST + b"X: a\r\n" * 100), 431),
    "two different lengths": (
        get(b"/", HOST + b"Content-Length: 0\r\nContent-Length: 4\r\n"),
        400,
    ),
    "the same length twice": (
        get(b"/", HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n"),
        400,
    ),
    "a list of lengths": (get(b"/", HOST + b"Content-Length: 0, 0\r\n"), 400),
    "a signed length": (get(b"/", HOST + b"Content-Length: +0\r\n"), 400),
    "a hexadecimal length": (get(b"/", HOST + b"Content-Length: 0x0\r\n"), 400),
    "an empty length": (get(b"/", HOST + b"Content-Length: \r\n"), 400),
    "an endless length": (get(b"/", HOST + b"Content-Length: " + b"9" * 40 + b"\r\n"), 400),
    "a body": (get(b"/", HOST + b"Content-Length: 5\r\n"), 413),
    "chunked": (get(b"/", HOST + b"Transfer-Encoding: chunked\r\n"), 400),
    "chunked, hidden by a tab": (get(b"/", HOST + b"Transfer-Encoding:\tchunked\r\n"), 400),
    "identity": (get(b"/", HOST + b"Transfer-Encoding: identity\r\n"), 400),
    "length and chunked": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "continued line": (get(b"/", HOST + b"X: a\r\n b\r\n"), 400),
    "continued first line": (get(b"/", b" " + HOST), 400),
    "blank before the colon": (get(b"/", HOST + b"X : a\r\n"), 400),
    "no colon": (get(b"/", HOST + b"X\r\n"), 400),
    "no name": (get(b"/", HOST + b": a\r\n"), 400),
    "a lone LF after the line": (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
    "a lone LF in a field": (get(b"/", HOST + b"X: a\nY: b\r\n"), 400),
    "a lone CR in a field": (get(b"/", HOST + b"X: a\rY: b\r\n"), 400),
    "a NUL in a field": (get(b"/", HOST + b"X: a\0b\r\n"), 400),
    "a control character in a field": (get(b"/", HOST + b"X: a\x1bb\r\n"), 400),
    "a NUL in the target": (get(b"/a\0b"), 400),
    "a blank in the target": (get(b"/a b"), 400),
    "two blanks": (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a tab for a blank": (b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no version": (b"GET /\r\n" + HOST + b"\r\n", 400),
    "old version": (get(b"/", HOST, b"HTTP/0.9"), 505),
    "new version": (get(b"/", HOST, b"HTTP/2.0"), 505),
    "version with a second digit": (get(b"/", HOST, b"HTTP/1.10"), 400),
    "lower-case version": (get(b"/", HOST, b"http/1.1"), 400),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no host": (get(b"/", b""), 400),
    "two hosts": (get(b"/", HOST + HOST), 400),
    "a host with a path": (get(b"/", b"Host: a/b\r\n"), 400),
    "a host with a user": (get(b"/", b"Host: a@b\r\n"), 400),
    "an asterisk": (get(b"*"), 400),
    "an authority": (get(b"status.test:443"), 400),
    "another scheme": (get(b"ftp://status.test/"), 400),
    "an absolute form without host": (get(b"http:///x"), 400),
    "a relative path": (get(b"s/acme"), 400),
    "a fragment": (get(b"/a#b"), 400),
    "traversal": (get(b"/s/../../etc/passwd"), 400),
    "escaped traversal": (get(b"/s/%2e%2e/%2E%2e/etc/passwd"), 400),
    "escaped slash": (get(b"/s/a%2fb"), 400),
    "backslash": (get(b"/s/..\\x"), 400),
    "escaped backslash": (get(b"/s/..%5cx"), 400),
    "a dot segment": (get(b"/s/./a"), 400),
    "half an escape": (get(b"/s/%a"), 400),
    "no escape": (get(b"/s/%zz"), 400),
    "half an escape in the query": (get(b"/s/a?b=%"), 400),
    "escaped NUL": (get(b"/s/%00"), 400),
    "escaped line end in the query": (get(b"/s/a?b=%0d%0aX:1"), 400),
    "an overlong encoding": (get(b"/s/%c0%ae%c0%ae"), 400),
    "not UTF-8": (get(b"/s/%ff"), 400),
    "not ASCII": (get(b"/s/\xc3\xa9"), 400),
    "many parameters": (get(b"/?" + b"a=b&" * 51), 400),
    "many empty lines": (b"\r\n\r\n" + get(b"/"), 400),
}


@pytest.mark.parametrize(("data", "status"), REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("piece", [0, 1, 7])
def test_what_is_refused(data: bytes, status: int, piece: int) -> None:
    events = events_of(data, piece)
    assert [type(event) for event in events] == [Refused]
    refused = events[0]
    assert isinstance(refused, Refused)
    assert refused.status == status
    assert refused.message


def test_nothing_is_read_behind_a_refusal() -> None:
    events = events_of(get(b"/a") + get(b"*") + get(b"/b"))
    assert [type(event) for event in events] == [Request, Refused]


def test_one_empty_line_is_passed_over() -> None:
    for piece in (0, 1, 3):
        (request,) = events_of(b"\r\n" + get(b"/a"), piece)
        assert isinstance(request, Request)
        assert request.path == "/a"


def test_an_unknown_method_is_read_so_that_it_can_be_told() -> None:
    (request,) = events_of(b"DELETE /s/acme HTTP/1.1\r\n" + HOST + b"\r\n")
    assert isinstance(request, Request)
    assert request.method == "DELETE"


def test_the_largest_allowed_head_is_read() -> None:
    start = b"GET / HTTP/1.1\r\n" + HOST + b"X: "
    data = start + b"a" * (MAX_HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"
    assert len(data) == MAX_HEAD_BYTES
    assert [type(event) for event in events_of(data)] == [Request]
    assert [type(event) for event in events_of(data[:-4] + b"a\r\n\r\n")] == [Refused]


def test_heads_are_remembered_and_forgotten() -> None:
    memory = HeadMemory(capacity=2)
    parser = RequestParser(memory)
    found = []
    for target in (b"/a", b"/a", b"/b", b"/c"):
        parser.feed(get(target))
        found.append(parser.next_event())
    assert found[0] is found[1]
    assert memory.get(get(b"/c")[:-4]) is found[3]
    assert memory.get(get(b"/a")[:-4]) is None


PIPELINE = get(b"/a") + get(b"/b?x=%20", HOST + b"Accept: text/plain\r\n") + get(b"/c", HOST)


@given(st.lists(st.integers(0, len(PIPELINE)), max_size=12))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    parser = RequestParser(HeadMemory())
    events = []
    edges = [0, *sorted(cuts), len(PIPELINE)]
    for start, end in itertools.pairwise(edges):
        parser.feed(PIPELINE[start:end])
        while (event := parser.next_event()) is not None:
            events.append(event)
    assert events == events_of(PIPELINE)
    assert [event.path for event in events if isinstance(event, Request)] == ["/a", "/b", "/c"]
    assert parser.waiting_bytes == 0


@given(st.binary(max_size=600), st.integers(1, 9))
def test_any_bytes_end_in_events_and_bounded_memory(data: bytes, piece: int) -> None:
    parser = RequestParser(HeadMemory())
    for start in range(0, len(data), piece):
        parser.feed(data[start : start + piece])
        while (event := parser.next_event()) is not None:
            assert isinstance(event, Request | Refused)
        assert parser.waiting_bytes <= MAX_HEAD_BYTES


HTTP_LIKE = st.lists(
    st.sampled_from(
        [b"GET ", b"/", b"a", b"%", b"2e", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: a", b":",
         b"Content-Length: 0", b"Transfer-Encoding: x", b" ", b"\t", b"\0", b"?", b"&", b"="]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(HTTP_LIKE, st.integers(1, 5))
def test_whole_and_in_pieces_the_same_requests_are_read(data: bytes, piece: int) -> None:
    whole = [event for event in events_of(data) if isinstance(event, Request)]
    parts = [event for event in events_of(data, piece) if isinstance(event, Request)]
    assert whole == parts
    for request in whole:
        assert ".." not in request.path.split("/")
        assert not any(character < " " for character in request.path)


def test_response_framing() -> None:
    assert status_line(200) == b"HTTP/1.1 200 OK\r\n"
    assert status_line(431) == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    assert field_lines([("ETag", '"x"'), ("Vary", "Accept")]) == b'ETag: "x"\r\nVary: Accept\r\n'
    with pytest.raises(ValueError, match="cannot be sent"):
        field_lines([("Location", "/a\r\nSet-Cookie: b=c")])
    with pytest.raises(ValueError, match="cannot be sent"):
        field_lines([("Bad name", "x")])
