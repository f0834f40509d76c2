"""Reads what people want to know from a leaf certificate, also from one that was refused.

Python hands out a decoded certificate only after it was verified, and the one that was refused is
the one to show. So this reads the few fields from the DER encoding (X.509, RFC 5280 section 4.1)
by itself: no trust is decided here, only what is displayed.
"""

from __future__ import annotations

import _ssl
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from statustui.domain.observation import Certificate
from statustui.domain.text import clean, shorten

_INTEGER = 0x02
_OBJECT_ID = 0x06
_OCTETS = 0x04
_SEQUENCE = 0x30
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_BMP_STRING = 0x1E
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_DNS_NAME = 0x82
_IP_ADDRESS = 0x87

_COMMON_NAME = bytes.fromhex("550403")
_ORGANIZATION = bytes.fromhex("55040a")
_SUBJECT_ALTERNATIVE_NAMES = bytes.fromhex("551d11")

_LONGEST_NAME = 200
_MOST_NAMES = 100
_LONGEST_CHAIN = 20


class _Malformed(ValueError):
    """The bytes are not a certificate."""


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate | None:
    """Reads a certificate; None when it cannot be read.

    The same certificate comes with every check of a target, so what was read is remembered.

    Args:
        der: the certificate as it came over the wire.
    """
    try:
        return _read(der)
    except (_Malformed, ValueError):
        return None


def shown_chain(tls: ssl.SSLObject, *, verified: bool) -> tuple[bytes, ...]:
    """The certificates of a connection whose handshake is complete, leaf first, DER.

    Args:
        tls: the connection.
        verified: whether to take the chain that was verified, with its root, or what was sent.
    """
    name = "get_verified_chain" if verified else "get_unverified_chain"
    public: Any = getattr(tls, name, None)
    if public is not None:
        return tuple(public())
    # Until Python 3.13 the public object hands out the leaf alone; the one inside knows them all.
    inside: Any = getattr(tls, "_sslobj")  # noqa: B009
    found = getattr(inside, name)() or ()
    return tuple(one.public_bytes(_ssl.ENCODING_DER) for one in found[:_LONGEST_CHAIN])


@lru_cache(maxsize=4096)
def read_chain(ders: tuple[bytes, ...]) -> Certificate | None:
    """Reads a leaf and the subjects of all above it; None when the leaf cannot be read.

    Args:
        ders: the certificates, leaf first.
    """
    leaf = read_certificate(ders[0])
    if leaf is None:
        return None
    above = (read_certificate(der) for der in ders[1:])
    subjects = (one.subject if one is not None else "unreadable" for one in above)
    return replace(leaf, chain=(leaf.subject, *subjects))


def _read(der: bytes) -> Certificate:
    ((_, outer),) = _one(der, _SEQUENCE)
    parts = list(_elements(_first(outer, _SEQUENCE)))
    if parts and parts[0][0] == _VERSION:
        parts.pop(0)
    if len(parts) < 6:
        raise _Malformed
    (serial_tag, serial), _, (_, issuer), (_, validity), (_, subject) = parts[:5]
    times = list(_elements(validity))
    if serial_tag != _INTEGER or len(times) != 2:
        raise _Malformed
    names: tuple[str, ...] = ()
    for tag, value in parts[5:]:
        if tag == _EXTENSIONS:
            names = _alternative_names(_first(value, _SEQUENCE))
    return Certificate(
        subject=_name(subject),
        issuer=_name(issuer),
        serial=serial.hex(),
        not_after=_time(*times[1]),
        names=names,
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in a row."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise _Malformed
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > len(data):
                raise _Malformed
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise _Malformed
        yield tag, data[at : at + length]
        at += length


def _one(data: bytes, tag: int) -> list[tuple[int, bytes]]:
    found = list(_elements(data))
    if len(found) != 1 or found[0][0] != tag:
        raise _Malformed
    return found


def _first(data: bytes, tag: int) -> bytes:
    for found, value in _elements(data):
        if found == tag:
            return value
        break
    raise _Malformed


def _name(data: bytes) -> str:
    """The common name, else the organization, else nothing."""
    found: dict[bytes, str] = {}
    for _, group in _elements(data):
        for _, pair in _elements(group):
            parts = list(_elements(pair))
            if len(parts) == 2 and parts[0][0] == _OBJECT_ID:
                tag, value = parts[1]
                found.setdefault(parts[0][1], _string(tag, value))
    return found.get(_COMMON_NAME) or found.get(_ORGANIZATION) or ""


def _string(tag: int, value: bytes) -> str:
    encoding = "utf-16-be" if tag == _BMP_STRING else "utf-8"
    return shorten(clean(value.decode(encoding, "replace")), _LONGEST_NAME)


def _time(tag: int, value: bytes) -> datetime:
    """UTCTime has two digits for the year, 50–99 being the last century (RFC 5280 4.1.2.5.1)."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise _Malformed
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(extensions: bytes) -> tuple[str, ...]:
    names: list[str] = []
    for _, extension in _elements(extensions):
        parts = list(_elements(extension))
        if not parts or parts[0] != (_OBJECT_ID, _SUBJECT_ALTERNATIVE_NAMES):
            continue
        if parts[-1][0] != _OCTETS:
            raise _Malformed
        for tag, value in _elements(_first(parts[-1][1], _SEQUENCE)):
            if tag == _DNS_NAME:
                names.append(_string(tag, value))
            elif tag == _IP_ADDRESS and len(value) in (4, 16):
                names.append(str(ipaddress.ip_address(value)))
    return tuple(names[:_MOST_NAMES])
