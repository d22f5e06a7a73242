"""Certificates that others made, read as a library that is not ours reads them."""

import base64
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from wire.certificate import load, read_all
from wire.errors import BadData, ConfigError
from wire.signing import SigningKey

# One authority of the world has a serial number the library will not take for long.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


def _ms(moment):
    return int(moment.timestamp() * 1000)


def test_the_authorities_of_the_world_are_read_as_a_library_reads_them() -> None:
    pem = Path(certifi.where()).read_bytes()
    ours, theirs = read_all(pem), x509.load_pem_x509_certificates(pem)
    assert len(ours) == len(theirs) > 100
    for own, other in zip(ours, theirs, strict=True):
        names = other.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert own.name == (names[0].value if names else "")
        assert own.serial == other.serial_number
        assert own.from_ms == _ms(other.not_valid_before_utc)
        assert own.until_ms == _ms(other.not_valid_after_utc)
        assert own.sha256 == other.fingerprint(hashes.SHA256()).hex()
        key = other.public_key()
        assert own.ed25519 == (
            key.public_bytes_raw() if isinstance(key, ed25519.Ed25519PublicKey) else b""
        )


def test_a_certificate_cut_short_anywhere_is_bad_data() -> None:
    [der, *_] = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    whole = der.public_bytes(serialization.Encoding.DER)
    for length in range(0, len(whole), 7):
        cut = _pem(whole[:length])
        with pytest.raises(BadData):
            read_all(cut)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\n!\n"])
def test_what_holds_no_certificate_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "c.pem").write_bytes(text)
    with pytest.raises(ConfigError, match=r"c\.pem: no certificate in PEM form"):
        load(tmp_path / "c.pem")


def test_a_key_has_the_form_of_rfc_8410() -> None:
    """Section 10.3 of it: this seed, this file, this public key."""
    seed = bytes.fromhex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")
    key = SigningKey(seed)
    assert b"\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n" in key.pem
    assert str(key.public) == "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"\n-----END CERTIFICATE-----\n"
