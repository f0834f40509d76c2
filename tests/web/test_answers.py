"""Which bytes a client gets: encodings, conditions, heads."""

from __future__ import annotations

import gzip

import pytest

from statustui.web.answers import Answer, accepts_gzip, prefers_plain_text
from statustui.web.http1 import Request

BODY = b"a page " * 200


def request(method: str = "GET", **fields: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Request(method, "/", (), named, "", keep_alive=True)


def answer(status: int = 200) -> Answer:
    return Answer(status, "text/html", BODY, cache_control="public, max-age=5", vary="Accept")


def tag_of(head: bytes) -> str:
    (line,) = [line for line in head.decode().split("\r\n") if line.startswith("ETag: ")]
    return line.removeprefix("ETag: ")


def test_encodings_have_tags_of_their_own() -> None:
    plain_head, plain = answer().form(request())
    packed_head, packed = answer().form(request(accept_encoding="br, gzip"))
    assert plain == BODY == gzip.decompress(packed)
    assert tag_of(plain_head) != tag_of(packed_head)
    assert tag_of(plain_head).startswith('"')
    for head in (plain_head, packed_head):
        assert b"Vary: Accept-Encoding, Accept\r\n" in head
    assert f"Content-Length: {len(packed)}\r\n".encode() in packed_head


def test_equal_bodies_are_equal_bytes() -> None:
    asked = request(accept_encoding="gzip")
    assert answer().form(asked) == answer().form(asked)
    other = Answer(200, "text/html", BODY + b".", cache_control="public, max-age=5")
    assert tag_of(other.form(asked)[0]) != tag_of(answer().form(asked)[0])


def test_small_bodies_are_not_compressed() -> None:
    small = Answer(200, "text/plain", b"ok", cache_control="no-store")
    head, body = small.form(request(accept_encoding="gzip"))
    assert (body, b"Content-Encoding" in head, b"Vary" in head) == (b"ok", False, False)


@pytest.mark.parametrize("wraps", ["{}", "W/{}", '"other", {}', '{} , W/"x"', "*"])
def test_what_the_client_has_is_not_sent(wraps: str) -> None:
    plain_head, _ = answer().form(request())
    packed_head, _ = answer().form(request(accept_encoding="gzip"))
    for tag in (tag_of(plain_head), tag_of(packed_head)):
        for accepted in ("gzip", "identity"):
            head, body = answer().form(
                request(if_none_match=wraps.format(tag), accept_encoding=accepted)
            )
            assert head.startswith(b"HTTP/1.1 304 Not Modified\r\n")
            assert body == b""
            assert b"Cache-Control: public, max-age=5\r\n" in head
            assert b"Content-Length" not in head
            assert b"Vary" in head


@pytest.mark.parametrize("condition", ['"other"', "", "junk", '"', 'W/"other", "more"'])
def test_what_the_client_has_not_is_sent(condition: str) -> None:
    assert answer().form(request(if_none_match=condition))[1] == BODY


def test_only_success_is_conditional() -> None:
    failed = answer(status=404)
    assert failed.form(request(if_none_match="*"))[0].startswith(b"HTTP/1.1 404 ")


def test_a_head_has_the_length_and_no_body() -> None:
    head, body = answer().form(request("HEAD"))
    assert body == b""
    assert head == answer().form(request())[0]
    assert answer().form(request("HEAD", if_none_match="*"))[0].startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=x", False),
    ],
)
def test_whether_gzip_is_allowed(field: str, allowed: bool) -> None:
    assert accepts_gzip(field) is allowed


@pytest.mark.parametrize(
    ("accept", "agent", "plain"),
    [
        ("", "curl/8.5.0", True),
        ("*/*", "curl/8.5.0", True),
        ("text/html", "curl/8.5.0", False),
        ("text/plain", "Mozilla/5.0", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "Mozilla/5.0", False),
        ("text/plain;q=0.5, text/html", "Mozilla/5.0", False),
        ("text/plain, text/html;q=0.5", "", True),
        ("*/*", "Mozilla/5.0", False),
        ("", "", False),
    ],
)
def test_who_reads_plain_text(accept: str, agent: str, plain: bool) -> None:
    assert prefers_plain_text(accept, agent) is plain
