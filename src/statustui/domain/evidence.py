"""What of a look is kept in detail: with the last look of each monitor, and with first failures.

The detail is stored as JSON with the keys below, so that a reader of another version still finds
what it knows. Bodies stand apart, cut to their first four kilobytes and cleaned: what a broken
service sends at three in the morning is read in a terminal. Secrets that can be told by their
names are masked. Values are cut to 500 characters, lists to 50, bodies to 16,000 bytes after
cleaning; a good look keeps at most 8,000 characters of headers. `body_bytes` is how long the body
was as far as it was read.

    at, duration_ms, phases {resolve_ms, connect_ms, tls_ms, first_byte_ms, transfer_ms}, address,
    addresses [], status_code, http_version, headers {name: value},
    certificate {subject, issuer, serial, not_after, names, chain},
    dns_rcode, dnssec, answers [], loss_percent,
    round_trips {sent, received, min_ms, avg_ms, max_ms, jitter_ms},
    redirects [{url, status_code, duration_ms}], rows, exit_code, output,
    perfdata [{label, value, unit, warn, crit, min, max}], repeat_command
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from statustui.domain.masking import mask_text
from statustui.domain.monitor import mask_header
from statustui.domain.observation import Certificate, Observation, Phases, RoundTrips
from statustui.domain.perfdata import PerfDatum
from statustui.domain.text import clean, shorten

BODY_BYTES = 4_096
"""How much of a body is kept."""

_STORED_BODY_BYTES = 16_000
_MOST_GOOD_HEADER_CHARACTERS = 8_000

_PHASES = ("resolve_ms", "connect_ms", "tls_ms", "first_byte_ms", "transfer_ms")
_MOST_HEADERS = 50
_MOST_ANSWERS = 50
_MOST_FIGURES = 20
_LONGEST_VALUE = 500
_LONGEST_OUTPUT = 1_000
_NOTHING: tuple[object, ...] = (None, "", [], {})


def describe(observation: Observation, *, in_full: bool) -> dict[str, object]:
    """The detail of a look as JSON values; what was not seen is left out.

    Args:
        observation: what was seen.
        in_full: with headers, for evidence; without them for the last look of each monitor.
    """
    phases = observation.phases
    detail: dict[str, object] = {
        "at": observation.started_at.isoformat(),
        "duration_ms": round(observation.duration_ms, 3),
        "phases": {
            name: round(value, 3)
            for name in _PHASES
            if (value := getattr(phases, name)) is not None
        },
        "address": _short(observation.address),
        "status_code": observation.status_code,
        "body_bytes": len(observation.body) or None,
        "dns_rcode": observation.dns_rcode,
        "dnssec": observation.dnssec,
        "loss_percent": observation.loss_percent,
        "rows": observation.rows,
        "exit_code": observation.exit_code,
        "repeat_command": _command(observation.repeat_command),
    }
    # Every look comes by here, and few have any of these.
    if observation.answers:
        detail["answers"] = [_short(answer) for answer in observation.answers[:_MOST_ANSWERS]]
    if observation.addresses:
        detail["addresses"] = [_short(each) for each in observation.addresses[:_MOST_ANSWERS]]
    # What nearly every look would say is said in evidence only.
    if in_full or observation.http_version != "1.1":
        detail["http_version"] = observation.http_version
    if observation.round_trips is not None:
        detail["round_trips"] = _round_trips(observation.round_trips)
    if observation.redirects:
        detail["redirects"] = [
            {
                "url": _short(hop.url),
                "status_code": hop.status_code,
                "duration_ms": round(hop.duration_ms, 3),
            }
            for hop in observation.redirects[:_MOST_ANSWERS]
        ]
    if observation.output:
        # What a plugin prints, it may have been given as a secret.
        output = shorten(clean(observation.output, multiline=True), _LONGEST_OUTPUT)
        detail["output"] = mask_text(output)
    if observation.perfdata:
        detail["perfdata"] = [_figure(datum) for datum in observation.perfdata[:_MOST_FIGURES]]
    if observation.certificate is not None:
        certificate = observation.certificate
        detail["certificate"] = {
            "subject": _short(certificate.subject),
            "issuer": _short(certificate.issuer),
            "serial": _short(certificate.serial),
            "not_after": certificate.not_after.isoformat(),
            "names": [_short(name) for name in certificate.names[:_MOST_ANSWERS]],
            "chain": [_short(subject) for subject in certificate.chain[:_MOST_ANSWERS]],
        }
    if in_full:
        detail["headers"] = describe_headers(observation.headers)
    return {key: value for key, value in detail.items() if value not in _NOTHING}


def _round_trips(seen: RoundTrips) -> dict[str, object]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name in ("sent", "received", "min_ms", "avg_ms", "max_ms", "jitter_ms")
        if (value := getattr(seen, name)) is not None
    }


def body_text(observation: Observation) -> str:
    """The beginning of the body as text that is safe to show; empty when there was none."""
    text = clean(observation.body[:BODY_BYTES].decode("utf-8", "replace"), multiline=True)
    # Cleaning and masking may lengthen a text; the table takes no more.
    return mask_text(text).encode()[:_STORED_BODY_BYTES].decode("utf-8", "ignore")


def _short(text: str) -> str:
    # Addresses and names are the same look after look.
    return _kept_short(text) if len(text) <= 100 else shorten(clean(text), _LONGEST_VALUE)


@lru_cache(maxsize=16_384)
def _kept_short(text: str) -> str:
    return shorten(clean(text), _LONGEST_VALUE)


@lru_cache(maxsize=16_384)
def _command(text: str) -> str:
    return shorten(clean(text), 2_000)


def _figure(datum: PerfDatum) -> dict[str, object]:
    figure: dict[str, object] = {
        "label": datum.label,
        "value": datum.value,
        "unit": datum.unit,
        "warn": datum.warn,
        "crit": datum.crit,
        "min": datum.least,
        "max": datum.most,
    }
    return {key: value for key, value in figure.items() if value not in (None, "")}


def phases_of(detail: Mapping[str, object] | None) -> Phases:
    """The phases in a stored detail; all None when there are none."""
    found = (detail or {}).get("phases")
    values = found if isinstance(found, Mapping) else {}
    return Phases(**{name: _number(values.get(name)) for name in _PHASES})


def certificate_of(detail: Mapping[str, object] | None) -> Certificate | None:
    """The certificate in a stored detail, None without one."""
    found = (detail or {}).get("certificate")
    if not isinstance(found, Mapping):
        return None
    not_after = time_of(found, "not_after")
    if not_after is None:
        return None
    names, chain = found.get("names"), found.get("chain")
    return Certificate(
        subject=str(found.get("subject", "")),
        issuer=str(found.get("issuer", "")),
        serial=str(found.get("serial", "")),
        not_after=not_after,
        names=tuple(map(str, names)) if isinstance(names, list) else (),
        chain=tuple(map(str, chain)) if isinstance(chain, list) else (),
    )


def time_of(detail: Mapping[str, object] | None, key: str = "at") -> datetime | None:
    """A time in a stored detail, None when it is not there."""
    found = (detail or {}).get(key)
    if not isinstance(found, str):
        return None
    try:
        moment = datetime.fromisoformat(found)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def describe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they are kept: the first fifty, masked by their names."""
    first = list(headers.items())[:_MOST_HEADERS]
    return {_short(name): _short(mask_header(name, value)) for name, value in first}


def keepable_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a good look as they wait in memory for a bad one; none when they are huge.

    Every good look comes by here: nothing is copied.
    """
    if sum(map(len, headers.values())) > _MOST_GOOD_HEADER_CHARACTERS:
        return {}
    return headers
