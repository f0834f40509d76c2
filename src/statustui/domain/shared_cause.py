"""What a failing look has in common with others that fail: a host, an address, a resolver, a
certificate.

Each is one line that names the thing and how it fails ("host db1.acme.test:5432 refused"). Two
services with the same line fail of the same thing, and the line is what operators read as the
cause. What fails in its own way, such as a page that answers 404, has none.

A refusal belongs to the port: another program on the same machine lives. A host that does not
answer at all takes everything on it down, so then the port is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from statustui.domain.evidence import certificate_of, phases_of
from statustui.domain.monitor import CheckConfig, DnsConfig, host_of
from statustui.domain.status import ErrorKind
from statustui.domain.text import clean, shorten

_LONGEST = 200
_BROKEN_SERVER = 500
_OF_THE_MACHINE = (ErrorKind.REFUSED, ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.LOSS)


def causes_of(
    config: CheckConfig,
    error_kind: ErrorKind | None,
    reason: str,
    detail: Mapping[str, object],
) -> tuple[str, ...]:
    """What would fail together with this look, the most telling first.

    Args:
        config: of the monitor.
        error_kind: why it failed, None when a condition says so without a kind.
        reason: the line that says how.
        detail: of the failed look, as `evidence.describe` wrote it.
    """
    if error_kind is None:
        return ()
    if isinstance(config, DnsConfig):
        return _of_resolver(config, error_kind, detail)
    if error_kind is ErrorKind.DNS:
        # A name that does not exist is its owner's fault; a resolver that is silent is everybody's.
        host = _split(host_of(config))[0]
        silent = "no resolver answered" in reason
        found = ["the system's resolver does not answer"] if silent else []
        return _lines([*found, f"the name {host} cannot be resolved"])
    how = _how(error_kind, detail)
    if how is None:
        return ()
    words, with_port = how
    found = []
    certificate = certificate_of(detail)
    if error_kind is ErrorKind.TLS and certificate is not None and certificate.serial:
        found.append(f"certificate {certificate.serial} of {certificate.subject} is not accepted")
    host, port = _split(host_of(config))
    address, address_port = _split(str(detail.get("address", "")))
    if host:
        found.append(f"host {_named(host, (port or address_port) if with_port else '')} {words}")
    of_the_machine = error_kind in _OF_THE_MACHINE
    if of_the_machine and address and address != host and _is_address(address):
        found.append(f"address {_named(address, address_port if with_port else '')} {words}")
    return _lines(found)


def _how(error_kind: ErrorKind, detail: Mapping[str, object]) -> tuple[str, bool] | None:
    """How it fails, and whether that belongs to its port; None for what is nobody else's."""
    match error_kind:
        case ErrorKind.REFUSED:
            return "refused", True
        case ErrorKind.CONNECT:
            return "cannot be reached", False
        case ErrorKind.TIMEOUT:
            connected = phases_of(detail).connect_ms is not None
            return ("does not answer in time", True) if connected else ("is silent", False)
        case ErrorKind.LOSS:
            return "loses packets", False
        case ErrorKind.TLS:
            return "fails in the TLS handshake", True
        case ErrorKind.PROTOCOL:
            return "breaks the protocol", True
        case ErrorKind.HTTP_STATUS:
            code = detail.get("status_code")
            if isinstance(code, int) and code >= _BROKEN_SERVER:
                return f"answers {code}", True
            return None
        case _:
            return None


def _of_resolver(
    config: DnsConfig, error_kind: ErrorKind, detail: Mapping[str, object]
) -> tuple[str, ...]:
    """A record that is wrong or missing is its own; a resolver that fails, fails for everybody."""
    rcode = detail.get("dns_rcode")
    if error_kind is ErrorKind.ASSERTION or rcode in ("NOERROR", "NXDOMAIN"):
        return ()
    resolver = host_of(config)
    return _lines(
        [f"resolver {resolver} answers {rcode}" if rcode else f"resolver {resolver} fails"]
    )


def _lines(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(shorten(clean(line), _LONGEST) for line in found))


def _split(text: str) -> tuple[str, str]:
    """Host and port of "db1:5432", "[::1]:53", "db1" or "::1"."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def _named(host: str, port: str) -> str:
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
