"""X.509: certificates and revocation lists. The only file that knows its library.

Authorities and servers have P-256 keys, which everything reads; gateways Ed25519 ones, which they
make without this library.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wire.errors import ConfigError

_CA_DAYS = 20 * 365
_BACKDATED = dt.timedelta(days=1)  # a gateway's clock may be a little behind
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Issuer:
    """An authority's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, certificate: Path, key: Path) -> "Issuer":
        """Raises ConfigError."""
        try:
            private = serialization.load_pem_private_key(key.read_bytes(), None)
        except OSError as exc:
            raise ConfigError(f"{key}: the authority's key cannot be read: {exc.strerror}") from exc
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ConfigError(f"{key}: is no private key: {exc}") from exc
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{key}: is no key of an authority made here")
        try:
            return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), private)
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{certificate}: is no certificate in PEM form: {exc}") from exc

    def sign(
        self, name: str, public: bytes, now_ms: int, days: int, hosts: Sequence[str] = ()
    ) -> bytes:
        """A certificate in PEM for an Ed25519 key (32 bytes) or a P-256 one (DER): a client's, or
        with `hosts` a server's."""
        now = _at(now_ms)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(name, self.certificate.subject, now, days)
            .public_key(_public(public))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if hosts:
            alternatives = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(_PEM)

    def revoke(self, known: bytes, serials: Sequence[int], now_ms: int) -> bytes:
        """The list in PEM of what this authority revoked: `known`, an earlier one or b"", and
        `serials`."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(_at(now_ms) - _BACKDATED)
            # A list that runs out shuts everybody out; this one lies beside the broker that reads
            # it, so there is no stale copy a date could guard against.
            .next_update(self.certificate.not_valid_after_utc)
        )
        entries = list(x509.load_pem_x509_crl(known)) if known else []
        for serial in sorted(set(serials) - {entry.serial_number for entry in entries}):
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            entries.append(entry.revocation_date(_at(now_ms)).build())
        for each in entries:
            builder = builder.add_revoked_certificate(each)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(_PEM)


def new_authority(name: str, now_ms: int) -> tuple[bytes, bytes]:
    """(private key, certificate) in PEM, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        *(False,) * 5, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
    )
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, subject, _at(now_ms), _CA_DAYS)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(key_id, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private_pem(key), certificate.public_bytes(_PEM)


def new_server_key() -> tuple[bytes, bytes]:
    """(private in PEM, public in DER) of a P-256 key: browsers do not take Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _private_pem(key), key.public_key().public_bytes(serialization.Encoding.DER, form)


def _builder(name: str, issuer: x509.Name, now: dt.datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _public(raw: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    if len(raw) == 32:
        return ed25519.Ed25519PublicKey.from_public_bytes(raw)
    loaded = serialization.load_der_public_key(raw)
    if not isinstance(loaded, ec.EllipticCurvePublicKey):
        raise AssertionError("neither a gateway's nor a server's key")
    return loaded


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _at(t_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(t_ms / 1000, dt.UTC)
