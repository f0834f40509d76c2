"""Reading certificates: agreement with a full library, and nothing raised for anything else."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from statustui.engine.certificate import read_certificate


def _certificate(not_after: datetime, *, common_name: str | None = "api.acme.test") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Corp")]
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    names = [
        x509.DNSName("api.acme.test"),
        x509.RFC822Name("ops@acme.test"),
        x509.IPAddress(ip_address("192.0.2.1")),
        x509.IPAddress(ip_address("2001:db8::1")),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Some CA")]))
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


_GOOD = _certificate(datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC))


def test_the_fields_are_read() -> None:
    found = read_certificate(_GOOD)
    assert found is not None
    assert found.subject == "api.acme.test"
    assert found.issuer == "Some CA"
    assert found.serial == "abcdef".rjust(8, "0")
    assert found.not_after == datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert found.names == ("api.acme.test", "192.0.2.1", "2001:db8::1")


def test_times_after_2049_and_names_without_a_common_name() -> None:
    found = read_certificate(_certificate(datetime(2060, 1, 1, tzinfo=UTC), common_name=None))
    assert found is not None
    assert found.subject == "Acme Corp"
    assert found.not_after == datetime(2060, 1, 1, tzinfo=UTC)


def test_hostile_names_are_made_harmless() -> None:
    der = _certificate(datetime(2027, 1, 1, tzinfo=UTC), common_name="a\x1b[31mb\u202ec")
    found = read_certificate(der)
    assert found is not None
    assert found.subject == "abc"


@given(st.binary(max_size=300))
def test_anything_else_is_none(data: bytes) -> None:
    assert read_certificate(data) is None


@given(st.integers(0, len(_GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_nothing(at: int, value: int) -> None:
    read_certificate(_GOOD[:at] + bytes([value]) + _GOOD[at + 1 :])
    read_certificate(_GOOD[:at])
