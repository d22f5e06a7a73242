"""TLS 1.3 as a client: the context from files, and in plain words why a handshake failed."""

import ssl
from pathlib import Path
from typing import Any

from wire import certificate
from wire.errors import ConfigError

# What the other side's alert, or our own library, calls it -> what a person can do about it.
_WORDS = {
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired: get a new one",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our certificate was revoked: get a new one, or ask why",
    "TLSV1_ALERT_UNKNOWN_CA": "our certificate is of an authority it does not know",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate: set cert_file",
    "SSLV3_ALERT_BAD_CERTIFICATE": "our certificate is not what it wants",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "our certificate is not what it wants",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it does not speak TLS 1.3",
    "UNSUPPORTED_PROTOCOL": "it does not speak TLS 1.3",
    "WRONG_VERSION_NUMBER": "it does not speak TLS on this port",
    "RECORD_LAYER_FAILURE": "it does not speak TLS on this port",
}


class Socket(ssl.SSLSocket):
    """Keeps what ended it: in TLS 1.3 a refusal of our certificate comes with the first answer,
    and whoever reads there says no more than that the connection is lost."""

    refusal = ""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()  # paho forgets it then
            raise

    def recv(self, *args: Any) -> bytes:
        try:
            return super().recv(*args)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as exc:
            self.refusal = in_words(exc)
            raise


def context(ca: Path, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client's context, certificate shown and host checked. `cert` may hold the key, too.

    Raises ConfigError naming the file.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.sslsocket_class = Socket
    certificate.load(ca)
    try:
        made.load_verify_locations(ca)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{ca}: is no certificate in PEM form: {exc}") from exc
    if cert is not None:
        certificate.load(cert)
        load_pair(made, cert, key)
    return made


def trusting(ca: Path | None) -> ssl.SSLContext:
    """A context for HTTPS, with servers of the authority in `ca`, or of those the system knows.

    Raises ConfigError naming the file.
    """
    if ca is not None:
        certificate.load(ca)
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as exc:
        raise ConfigError(f"{ca}: is no certificate in PEM form: {exc}") from exc


def in_words(exc: OSError) -> str:
    """What failed, and what to do about it where that is known."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        hint = {
            9: "it begins later; is our clock set?",  # X509_V_ERR_CERT_NOT_YET_VALID
            10: "its owner must renew it, or our clock is wrong",  # X509_V_ERR_CERT_HAS_EXPIRED
            62: "host must be a name it was made for",  # X509_V_ERR_HOSTNAME_MISMATCH
            64: "host must be an address it was made for",  # X509_V_ERR_IP_ADDRESS_MISMATCH
        }.get(exc.verify_code, "is ca_file that of its authority?")
        return f"its certificate is not accepted: {exc.verify_message}; {hint}"
    if isinstance(exc, ssl.SSLError):
        reason = exc.reason or str(exc)
        return _WORDS.get(reason, f"TLS failed: {reason}")
    return str(exc)


def load_pair(made: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """What we show, and its key, which `cert` may hold as well. Raises ConfigError."""
    holder = key or cert
    try:
        # A key behind a pass phrase would be asked for on a terminal; here it is refused.
        made.load_cert_chain(cert, key, password="")
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"{holder}: is not the key of the certificate in {cert}") from exc
        raise ConfigError(f"{holder}: holds no private key in PEM form, unencrypted") from exc
    except OSError as exc:
        raise ConfigError(f"{holder}: cannot be read: {exc.strerror}") from exc
