"""Keeps secrets out of sight: what may be one is masked wherever it is shown, logged or audited.

A value is a secret when its name says so. Nobody can tell from a value alone, and masking a header
too many costs nothing at three in the morning.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MASK = "***"

_NAMED = r"passw|pwd|secret|token|api[_-]?key|access[_-]?key|credential|session[_-]?id|signature"
# A text may be long and hostile: every part of these is bounded, and none starts inside a word.
_HEADER_LINE = re.compile(
    r"(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,4}[:=]\s{0,4}[\"']?)"
    r"([^\r\n\"']{1,4096})",
    re.IGNORECASE,
)
_SCHEME_AND_SECRET = re.compile(
    r"(?<![\w-])(bearer|basic)(\s{1,4})[\w.~+/=-]{6,4096}", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@\"'<>]{1,512}@")
_NAMED_SECRET = re.compile(
    rf"(?<![\w-])([\w-]{{0,40}}?(?:{_NAMED})[\w-]{{0,40}})([\"']?\s{{0,4}}[=:]\s{{0,4}}[\"']?)"
    r"([^\s&\"',;}<>\])]{1,4096})",
    re.IGNORECASE,
)

_SECRET_WORD = re.compile(
    r"auth|cookie|credential|key|passw|pwd|secret|session|sig|signature|token", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Whether a header or query parameter of that name is likely to carry a secret."""
    return _SECRET_WORD.search(name) is not None


def mask_url(url: str) -> str:
    """An address with credentials and the values of secret-looking query parameters masked."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return MASK
    netloc = parts.netloc
    if "@" in netloc:
        netloc = f"{MASK}@{netloc.rpartition('@')[2]}"
    shown_query = parts.query
    if any(is_secret_name(name) for name, _ in query):
        shown_query = urlencode(
            [(name, MASK if is_secret_name(name) else value) for name, value in query], safe="*"
        )
    return urlunsplit((parts.scheme, netloc, parts.path, shown_query, parts.fragment))


def mask_text(text: str) -> str:
    """A text from outside, or about it, without the secrets that can be told from their names.

    Authorization and cookie lines, bearer tokens, credentials in addresses (`://name:password@`),
    and what stands behind names such as `token=`, `"password":`, `api_key=`.

    Args:
        text: any number of lines.
    """
    text = _CREDENTIALS.sub(f"{MASK}@", text)
    text = _HEADER_LINE.sub(rf"\1\2{MASK}", text)
    text = _SCHEME_AND_SECRET.sub(rf"\1\2{MASK}", text)
    return _NAMED_SECRET.sub(rf"\1\2{MASK}", text)


def mask_header(name: str, value: str) -> str:
    """A header's value as it may be shown."""
    return MASK if is_secret_name(name) else value
