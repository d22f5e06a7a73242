"""Gets a gateway its certificate with a single-use code, and the next one before it ends.

~~~toml
receipt_key_file = "/var/lib/wattprint/receipt.key.pub"

[broker]
host = "broker.example"
port = 8883
ca_file = "/var/lib/wattprint/ca.pem"
cert_file = "/var/lib/wattprint/gateway.pem"   # certificate and key; no key_file

[enrol]
url = "https://cloud.example:8421"             # of the ingestor's API
~~~

`edge-agent enrol` writes these three files, and the running agent writes them anew.
The keys are made here and never leave. Whom to trust is not known yet at the first time: the
authority's certificate is fetched from whoever answers and must be the one the code names; what is
secret is sent only over a link checked with it. Key and certificate share a file, so that no kill
leaves one without the other.
"""

import http.client
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from wire import certificate, enrolment, tls
from wire.certificate import Certificate
from wire.enrolment import Code, Enrolled, Trusted
from wire.errors import BadData, ConfigError, TransientError
from wire.files import keep
from wire.signing import PublicKey, SigningKey
from wire.topics import client_id

_TIMEOUT_S = 20.0
_MOST_BYTES = 65536


class Enrol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where certificates come from: the ingestor's API, `https://host:port`."""

    url: str

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
            raise ValueError("url is https://host:port")


@dataclass(frozen=True)
class Files:
    """Where what comes is kept; `cert` holds the key, too."""

    ca: Path
    cert: Path
    receipt_keys: Path


@dataclass(frozen=True)
class Gateway:
    """Who asks, and where."""

    url: str
    site: str
    gateway: str
    key: SigningKey
    files: Files

    def enrol(self, code: Code) -> Certificate:
        """The first certificate. Raises TransientError, BadData and ConfigError."""
        told = _read(_ask(self.url, _unchecked(), "GET", "/enrol/ca"), Trusted)
        [ca, *_] = certificate.read_all(told.ca.encode())
        if not code.trusts(ca.sha256):
            raise BadData(f"{self.url}: is not of the authority this code names; nothing was sent")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=told.ca)
        return self._get(context, "/enrol", code.secret)

    def renew(self) -> Certificate:
        """The next one, also when the last has run out. Raises as `enrol`."""
        return self._get(tls.context(self.files.ca), "/renew", b"")

    def _get(self, context: ssl.SSLContext, path: str, secret: bytes) -> Certificate:
        tls_key = self._pending()
        request = enrolment.ask(self.site, self.gateway, self.key, tls_key, secret)
        told = _read(_ask(self.url, context, "POST", path, request), Enrolled)
        [got, *_] = certificate.read_all(told.certificate.encode())
        name = client_id(self.site, self.gateway)
        if (got.name, got.ed25519) != (name, tls_key.public.raw):
            raise BadData(f"{self.url}: the certificate it gave is {got.name}'s, or of another key")
        certificate.read_all(told.ca.encode())
        keys = [str(PublicKey.parse(text)) for text in told.receipt_keys]
        try:
            keep(self.files.ca, told.ca.encode(), 0o644)
            keep(self.files.receipt_keys, "".join(f"{key}\n" for key in keys).encode(), 0o644)
            keep(self.files.cert, tls_key.pem + told.certificate.encode())
            self._pending_file.unlink()
        except OSError as exc:
            raise ConfigError(f"{exc.filename}: cannot be written: {exc.strerror}") from exc
        return got

    @property
    def _pending_file(self) -> Path:
        return self.files.cert.with_name(self.files.cert.name + ".key")

    def _pending(self) -> SigningKey:
        """The next TLS key, the same until its certificate came: a code is bound to its keys."""
        return SigningKey.load_or_create(self._pending_file)


def is_due(found: Certificate, now_ms: int) -> bool:
    """Whether a third of its time is left, or less."""
    return now_ms > found.until_ms - (found.until_ms - found.from_ms) // 3


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _ask(url: str, context: ssl.SSLContext, method: str, path: str, body: bytes = b"") -> bytes:
    """The answer's body. Raises TransientError; BadData for one that will always be a refusal."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    link = http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=context)
    try:
        link.request(method, path, body or None, {"Content-Type": "application/json"})
        answer = link.getresponse()
        data = answer.read(_MOST_BYTES)
    except OSError as exc:
        raise TransientError(f"{url}: {tls.in_words(exc)}") from exc
    except http.client.HTTPException as exc:
        raise TransientError(f"{url}: does not speak HTTP: {exc!r}") from exc
    finally:
        link.close()
    if answer.status in (200, 201):
        return data
    why = f"{url}: {_detail(data) or answer.reason}"
    if answer.status in (403, 404, 413, 422):
        raise BadData(why)
    raise TransientError(why)


class _Problem(msgspec.Struct):
    detail: str = ""


def _detail(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_Problem).detail
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


T = TypeVar("T")


def _read(data: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"an answer that is none: {exc}") from exc
