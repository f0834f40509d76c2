"""Says in words what a stored look holds beyond what every look has.

Kinds of checks differ in what they see, and more kinds come: whoever shows evidence shows these as
they are, label and words, and needs to know none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from statustui.domain.text import clean, shorten

_LONGEST = 500

Detail = Mapping[str, object]


def further_facts(detail: Detail) -> tuple[tuple[str, str], ...]:
    """What else was seen, as labels and words in a fixed order; what is missing or odd is left out.

    Args:
        detail: of a look, as `domain.evidence` stores it.
    """
    said = ((label, tell(detail)) for label, tell in _TOLD)
    return tuple((label, shorten(clean(words), _LONGEST)) for label, words in said if words)


def _addresses(detail: Detail) -> str:
    found = _texts(detail.get("addresses"))
    # One that was used is told already.
    return ", ".join(found) if len(found) > 1 else ""


def _redirects(detail: Detail) -> str:
    found = detail.get("redirects")
    hops: list[str] = []
    for each in found if isinstance(found, list) else ():
        if isinstance(each, str):
            hops.append(each)
        elif isinstance(each, Mapping) and isinstance(each.get("url"), str):
            status, took = each.get("status_code"), each.get("duration_ms")
            words = str(status) if _is_number(status) else ""
            if _is_number(took):
                words += f"{', ' if words else ''}{took:.1f} ms"
            hops.append(f"{each['url']}{f' ({words})' if words else ''}")
    return " > ".join(hops)


def _certificate(detail: Detail) -> str:
    found = detail.get("certificate")
    if not isinstance(found, Mapping):
        return ""
    subject, names = found.get("subject"), _texts(found.get("names"))
    parts = [str(subject) if subject else ", ".join(names[:3])]
    parts += [
        f"{word} {found[key]}"
        for word, key in (("serial", "serial"), ("from", "issuer"), ("until", "not_after"))
        if isinstance(found.get(key), str) and found[key]
    ]
    return ", ".join(part for part in parts if part)


def _chain(detail: Detail) -> str:
    found = detail.get("certificate")
    chain = _texts(found.get("chain")) if isinstance(found, Mapping) else []
    return " < ".join(chain) if len(chain) > 1 else ""


def _loss(detail: Detail) -> str:
    found = detail.get("loss_percent")
    return f"{found:g} %" if _is_number(found) else ""


def _round_trips(detail: Detail) -> str:
    found = detail.get("round_trips")
    if not isinstance(found, Mapping):
        return ""
    parts = []
    if _is_number(found.get("sent")) and _is_number(found.get("received")):
        parts.append(f"{found['received']} of {found['sent']} came back")
    parts += [
        f"{key.removesuffix('_ms')} {found[key]:.1f} ms"
        for key in ("min_ms", "avg_ms", "max_ms", "jitter_ms")
        if _is_number(found.get(key))
    ]
    return ", ".join(parts)


def _figures(detail: Detail) -> str:
    found = detail.get("perfdata")
    figures: list[str] = []
    for each in found if isinstance(found, list) else ():
        if isinstance(each, Mapping) and isinstance(each.get("label"), str):
            value = each.get("value")
            shown = f"{value:g}" if _is_number(value) else "?"
            figures.append(f"{each['label']} {shown}{each.get('unit') or ''}")
    return ", ".join(figures)


def _plain(key: str) -> Callable[[Detail], str]:
    def tell(detail: Detail) -> str:
        found = detail.get(key)
        return str(found) if isinstance(found, str) or _is_number(found) else ""

    return tell


def _size(detail: Detail) -> str:
    found = detail.get("body_bytes")
    return f"{found:,} B" if _is_number(found) else ""


_TOLD: tuple[tuple[str, Callable[[Detail], str]], ...] = (
    ("addresses", _addresses),
    ("redirects", _redirects),
    ("certificate", _certificate),
    ("chain", _chain),
    ("http", _plain("http_version")),
    ("size", _size),
    ("rcode", _plain("dns_rcode")),
    ("dnssec", _plain("dnssec")),
    ("loss", _loss),
    ("round trips", _round_trips),
    ("rows", _plain("rows")),
    ("exit code", _plain("exit_code")),
    ("output", _plain("output")),
    ("figures", _figures),
)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
