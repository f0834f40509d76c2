"""Finished answers: every byte that can be sent for one state of one page, made once and kept.

An answer knows its strong ETag (a hash of its own bytes, one per encoding), its gzip form, and
the heads for "here it is", "you have it already" and "only the head", so that a request costs a
choice between bytes and no work. The ETag of the gzip form ends in `-gzip`, because a strong tag
may never name two different sequences of bytes (RFC 9110); a client may come back with either.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from statustui.web.http1 import Request, field_lines, status_line

SMALLEST_COMPRESSED_BYTES: Final = 512

# What the pages may load: only what this server itself serves, and nothing inline. The page has
# no form, may stand in no frame, and tells other sites nothing about where its reader was.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_FIELDS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "geolocation=(), camera=(), microphone=(), payment=()"),
)

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


class Answer:
    """One answer in all the forms that a client may ask for.

    Args:
        status: the HTTP status.
        content_type: the media type, with its charset where it is text.
        body: the bytes as they are without an encoding.
        cache_control: who may keep it and how long.
        fields: further header fields.
        vary: what else than the encoding the choice of this answer depended on.
        revalidate: whether it carries an ETag, so that 304 can be answered.
    """

    __slots__ = ("_etag", "_forms", "_not_modified", "body", "content_type", "status")

    def __init__(
        self,
        status: int,
        content_type: str,
        body: bytes,
        *,
        cache_control: str,
        fields: Iterable[tuple[str, str]] = (),
        vary: str = "",
        revalidate: bool = True,
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body
        self._etag = hashlib.blake2b(body, digest_size=12).hexdigest() if revalidate else ""
        packed = _compress(body)
        varies = ", ".join(part for part in ("Accept-Encoding" if packed else "", vary) if part)
        shared = [("Cache-Control", cache_control), *fields, *SECURITY_FIELDS]
        if varies:
            shared.append(("Vary", varies))
        plain_tag = [("ETag", f'"{self._etag}"')] if revalidate else []
        packed_tag = [("ETag", f'"{self._etag}-gzip"')] if revalidate else []
        described = [("Content-Type", content_type)]
        self._forms = {
            False: (
                status_line(status)
                + field_lines(
                    [*described, ("Content-Length", str(len(body))), *plain_tag, *shared]
                ),
                body,
            )
        }
        self._not_modified = {False: status_line(304) + field_lines([*plain_tag, *shared])}
        if packed is not None:
            length = ("Content-Length", str(len(packed)))
            coding = ("Content-Encoding", "gzip")
            self._forms[True] = (
                status_line(status)
                + field_lines([*described, length, coding, *packed_tag, *shared]),
                packed,
            )
            self._not_modified[True] = status_line(304) + field_lines([*packed_tag, *shared])

    @property
    def etag(self) -> str:
        """The opaque part of the plain form's entity tag, empty when there is none."""
        return self._etag

    @property
    def transferred_bytes(self) -> int:
        """How long the body is for a client that reads gzip."""
        return len(self._forms.get(True, self._forms[False])[1])

    def form(self, request: Request | None) -> tuple[bytes, bytes]:
        """What is sent for a request.

        Args:
            request: None when there was none that could be read.

        Returns:
            The head up to the fields that the connection itself adds, and the body.
        """
        if request is None:
            return self._forms[False]
        packed = True in self._forms and accepts_gzip(request.field("accept-encoding") or "")
        if self.status == 200 and self._etag:
            condition = request.field("if-none-match")
            if condition is not None and self._has(condition):
                return self._not_modified[packed], b""
        head, body = self._forms[packed]
        return head, b"" if request.method == "HEAD" else body

    def _has(self, condition: str) -> bool:
        """Whether If-None-Match names these bytes, by weak comparison."""
        if condition.strip() == "*":
            return True
        return any(
            tag.removesuffix("-gzip") == self._etag for tag in _ENTITY_TAG.findall(condition)
        )


def _compress(body: bytes) -> bytes | None:
    """The gzip form, None when it would not be worth it; without a time, so that equal bodies
    are equal bytes."""
    if len(body) < SMALLEST_COMPRESSED_BYTES:
        return None
    packed = gzip.compress(body, compresslevel=6, mtime=0)
    return packed if len(packed) < len(body) else None


@lru_cache(maxsize=512)
def accepts_gzip(field: str) -> bool:
    """Whether an Accept-Encoding field allows gzip; without one the plain form is sent."""
    allowed = False
    for part in field.lower().split(","):
        coding, _, parameters = part.partition(";")
        coding = coding.strip()
        if coding in ("gzip", "x-gzip", "*"):
            wanted = _quality(parameters) > 0
            if coding != "*":
                return wanted
            allowed = wanted
    return allowed


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value.strip())
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=512)
def prefers_plain_text(accept: str, agent: str) -> bool:
    """Whether the reader is a terminal: it asks for text rather than HTML, or it is curl.

    Args:
        accept: the Accept field, empty when none was sent.
        agent: the User-Agent field.
    """
    plain = html = -1.0
    for part in accept.lower().split(","):
        media, _, parameters = part.partition(";")
        media = media.strip()
        if media == "text/plain":
            plain = _quality(parameters)
        elif media in ("text/html", "application/xhtml+xml"):
            html = max(html, _quality(parameters))
    if plain > 0 and plain > html:
        return True
    return html <= 0 and agent.lower().startswith("curl/")
