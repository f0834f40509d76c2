"""Reads certificates and keys in a configuration: PEM text itself, or the file that holds it.

A file is written `file:/path` (a bare absolute path counts as one) and belongs to the host of the
engine that looks: it is read there, at each change, and neither stored nor sent anywhere.
"""

from __future__ import annotations

from statustui.domain.fields import FieldReader, shown

FILE = "file:"

_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY = "PRIVATE KEY-----"
_LONGEST = 200_000


def read_pem(reader: FieldReader, key: str) -> str | None:
    """One or more certificates; None when the key is absent."""
    return _read(reader, key, _CERTIFICATE, "certificate")


def read_private_key(reader: FieldReader, key: str) -> str | None:
    """A private key; None when the key is absent."""
    return _read(reader, key, _PRIVATE_KEY, "private key")


def holds_private_key(pem: str | None) -> bool:
    """Whether a value is, or carries, a private key itself and not the name of a file."""
    return pem is not None and not pem.startswith(FILE) and _PRIVATE_KEY in pem


def _read(reader: FieldReader, key: str, marker: str, what: str) -> str | None:
    value = reader.text(key, None, longest=_LONGEST, cleaned=False)
    if value is None:
        return None
    if marker in value:
        return value.strip() + "\n"
    written = value.strip()
    path = written.removeprefix(FILE)
    if path.startswith("/") and path.isprintable():
        return FILE + path
    # What was written may be a piece of a key, so only a file's name is repeated.
    found = f", found {shown(written)}" if written.startswith(FILE) else ""
    reader.wrong(key, f"expected a {what} as PEM text, or file:/absolute/path{found}")
    return None
