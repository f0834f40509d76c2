"""Keeps one TLS context for each way of speaking TLS: building one takes longer than a check.

Files that a configuration names may be exchanged at any time, as certificates are before they end;
so a context also depends on when its files were changed.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import certifi

from statustui.domain.pem import FILE
from statustui.domain.status import ErrorKind
from statustui.engine.trace import LookFailed

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """One way of speaking TLS.

    Attributes:
        verify: whether chain and name must be right.
        ca_file: further authorities to trust, PEM.
        ca: the only authorities to trust, PEM or "file:/path"; None takes the host's.
        client_cert, client_key: who we are when the other side asks, PEM or "file:/path".
        protocols: what is offered by ALPN, the favourite first.
    """

    verify: bool = True
    ca_file: Path | None = None
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    protocols: tuple[str, ...] = ()

    def lenient(self) -> TlsSettings:
        """The same for looking at a certificate without trusting it, and as nobody."""
        return TlsSettings(verify=False, protocols=self.protocols)

    def anonymous(self) -> TlsSettings:
        """The same without saying who we are."""
        return (
            self if self.client_cert is None else replace(self, client_cert=None, client_key=None)
        )


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """The TLS context for some settings, the same for all who ask.

    Raises:
        LookFailed: of kind `observer`, when a file cannot be read or holds something else.
    """
    stamps: tuple[_Stamp, ...] = ()
    for pem in (settings.ca, settings.client_cert, settings.client_key):
        if pem is not None and pem.startswith(FILE):
            stamps = (*stamps, _stamp(pem.removeprefix(FILE)))
    return _build(settings, stamps)


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _unreadable(path: str, error: OSError) -> LookFailed:
    words = (error.strerror or str(error)).lower()
    return LookFailed(ErrorKind.OBSERVER, f"this host cannot read {path}: {words}")


@lru_cache(maxsize=256)
def _build(settings: TlsSettings, stamps: tuple[_Stamp, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.protocols:
        context.set_alpn_protocols(settings.protocols)
    if settings.client_cert is not None:
        _introduce(context, settings.client_cert, settings.client_key)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if settings.ca is not None:
        _trust(context, settings.ca)
    elif _system_has_authorities():
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())
    if settings.ca_file is not None:
        context.load_verify_locations(settings.ca_file)
    return context


def _system_has_authorities() -> bool:
    """A bare container often has no list of authorities; then certifi's is used."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (bool(paths.capath) and any(Path(paths.capath).iterdir()))


def _trust(context: ssl.SSLContext, ca: str) -> None:
    try:
        if ca.startswith(FILE):
            context.load_verify_locations(ca.removeprefix(FILE))
        else:
            context.load_verify_locations(cadata=ca)
    except ssl.SSLError as error:
        raise _unusable("ca", error) from None
    except OSError as error:
        raise _unreadable(ca.removeprefix(FILE), error) from None


def _introduce(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Loads a client certificate; OpenSSL takes it from files only, so text becomes one for now."""
    with tempfile.TemporaryDirectory(prefix="statustui-") as folder:
        paths: list[str] = []
        for name, pem in (("cert.pem", cert), ("key.pem", key)):
            if pem is None:
                continue
            if pem.startswith(FILE):
                paths.append(pem.removeprefix(FILE))
                continue
            path = Path(folder, name)
            path.touch(mode=0o600)
            path.write_text(pem, encoding="utf-8")
            paths.append(str(path))
        try:
            # Without a password given OpenSSL would ask for one, on the terminal.
            context.load_cert_chain(paths[0], paths[1] if key is not None else None, password="")
        except ssl.SSLError as error:
            raise _unusable("client_cert", error) from None
        except OSError as error:
            raise _unreadable(" or ".join(paths), error) from None


def _unusable(key: str, error: ssl.SSLError) -> LookFailed:
    words = (error.reason or str(error) or "no certificate in it").replace("_", " ").lower()
    return LookFailed(ErrorKind.OBSERVER, f"{key} cannot be used: {words}")
