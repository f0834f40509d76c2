"""Compares a bad look with the last good one: what changed is where one begins to search.

Both looks come as stored details (`domain.evidence`), also from another version, so every key may
be missing or hold something odd. Only what both looks saw is compared: a look that never connected
says nothing about the certificate.

    address      the host's addresses as sets; the one that was used where only that is known
    answer       DNS answers as a set, and the rcode; a banner
    certificate  serial, issuer, subject
    header       each value, but for headers that change with every answer (`VOLATILE`); of those
                 with a name that hides a secret only that they came or went
    size         of the body, when it changed by more than a tenth and by 64 bytes at least
    redirects    where they led, without queries

At most `MOST_CHANGES` are told, each value cut to `LONGEST_VALUE` characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from statustui.domain.text import clean, shorten

MOST_CHANGES = 20
LONGEST_VALUE = 120

VOLATILE = frozenset(
    {
        *("age", "cf-cache-status", "cf-ray", "connection", "content-length", "date", "etag"),
        *(
            "expires",
            "keep-alive",
            "last-modified",
            "nel",
            "report-to",
            "request-id",
            "retry-after",
        ),
        *("server-timing", "set-cookie", "traceparent", "tracestate", "transfer-encoding"),
        *("x-amz-cf-id", "x-amz-id-2", "x-amz-request-id", "x-amzn-trace-id", "x-cache-hits"),
        *("x-correlation-id", "x-request-id", "x-runtime", "x-response-time", "x-served-by"),
        *("x-timer", "x-trace-id", "x-varnish"),
    }
)
"""Headers whose values change with every answer, or say again what is compared elsewhere."""

_VOLATILE_STARTS = ("ratelimit-", "x-ratelimit-", "x-rate-limit-", "x-b3-")
_LEAST_BYTES = 64

Detail = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        what: "address", "certificate serial", "header server", …
        before: how it was, empty when it was not there.
        after: how it is, empty when it is gone.
    """

    what: str
    before: str
    after: str


def changes(good: Detail, seen: Detail) -> tuple[Change, ...]:
    """What a look saw otherwise than the last good one, most telling first.

    Args:
        good: detail of the last good look, empty for none.
        seen: detail of the look.
    """
    if not good or not seen:
        return ()
    found = (change for compare in _COMPARED for change in compare(good, seen))
    return tuple(islice(found, MOST_CHANGES))


def _addresses(good: Detail, seen: Detail) -> Iterator[Change]:
    before, after = _texts(good, "addresses"), _texts(seen, "addresses")
    if not before or not after:
        # Of several addresses any may have been taken: only one that is not among them is news.
        first, second = _host(good), _host(seen)
        if not first or not second or first in after or second in before:
            return
        before, after = [first], [second]
    yield from _sets("address", before, after)


def _answers(good: Detail, seen: Detail) -> Iterator[Change]:
    rcode = _text(good, "dns_rcode"), _text(seen, "dns_rcode")
    if all(rcode) and rcode[0] != rcode[1]:
        yield _change("DNS", *rcode)
    before, after = _texts(good, "answers"), _texts(seen, "answers")
    if before and (after or rcode[1]):
        yield from _sets("DNS answer" if rcode[0] else "answer", before, after)


def _certificate(good: Detail, seen: Detail) -> Iterator[Change]:
    before, after = _mapping(good, "certificate"), _mapping(seen, "certificate")
    if not before or not after:
        return
    for name in ("serial", "issuer", "subject"):
        old, new = _text(before, name), _text(after, name)
        if old != new:
            yield _change(f"certificate {name}", old, new)


def _redirects(good: Detail, seen: Detail) -> Iterator[Change]:
    # A look that got no answer went nowhere, which is no change of where it would go.
    if not isinstance(seen.get("status_code"), int):
        return
    before, after = _hops(good), _hops(seen)
    if before != after:
        yield _change("redirects", " > ".join(before), " > ".join(after))


def _size(good: Detail, seen: Detail) -> Iterator[Change]:
    before, after = _count(good, "body_bytes"), _count(seen, "body_bytes")
    if before is None or after is None:
        return
    difference = abs(after - before)
    if difference >= _LEAST_BYTES and difference * 10 > before:
        yield _change("size", f"{before:,} B", f"{after:,} B")


def _headers(good: Detail, seen: Detail) -> Iterator[Change]:
    before, after = _mapping(good, "headers"), _mapping(seen, "headers")
    if not before or not after:
        return
    for name in sorted({*before, *after}, key=str):
        lowered = str(name).lower()
        if lowered in VOLATILE or lowered.startswith(_VOLATILE_STARTS):
            continue
        old, new = _text(before, name), _text(after, name)
        if old != new:
            yield _change(f"header {lowered}", old, new)


_COMPARED: tuple[Callable[[Detail, Detail], Iterator[Change]], ...] = (
    _addresses,
    _answers,
    _certificate,
    _redirects,
    _size,
    _headers,
)


def _sets(what: str, before: list[str], after: list[str]) -> Iterator[Change]:
    """What is no longer there and what is new; the order of answers means nothing."""
    gone = [each for each in before if each not in after]
    new = [each for each in after if each not in before]
    if gone or new:
        yield _change(what, ", ".join(sorted(gone)), ", ".join(sorted(new)))


def _change(what: str, before: str, after: str) -> Change:
    return Change(_short(what), _short(before), _short(after))


def _short(text: str) -> str:
    # Cleaned when it was stored, but not everything that is stored was stored by this program.
    return shorten(clean(text[: 4 * LONGEST_VALUE]), LONGEST_VALUE)


def _text(detail: Detail, key: str) -> str:
    found = detail.get(key)
    return found if isinstance(found, str) else ""


def _texts(detail: Detail, key: str) -> list[str]:
    found = detail.get(key)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _mapping(detail: Detail, key: str) -> Detail:
    found = detail.get(key)
    return found if isinstance(found, Mapping) else {}


def _host(detail: Detail) -> str:
    address = _text(detail, "address")
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
        return address
    return host.strip("[]")


def _hops(detail: Detail) -> list[str]:
    """Where redirects led; each is a text or a mapping with `url`."""
    found = detail.get("redirects")
    hops: list[str] = []
    for each in found if isinstance(found, list) else ():
        url = each.get("url") if isinstance(each, Mapping) else each
        if isinstance(url, str):
            # Queries hold states and times that are new with every look.
            hops.append(url.partition("?")[0])
    return hops


def _count(detail: Detail, key: str) -> int | None:
    found = detail.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
