"""How a gateway gets its certificate: a single-use code, a request signed with both its keys.

The code holds 16 random bytes and the first 16 of the SHA-256 of the authority's certificate: so
the gateway knows whom to trust before it has been told anything. A signature of each key stands in
for the signing request of X.509, which says no more than «whoever asks has this key».
"""

import base64
import hashlib
from dataclasses import dataclass

import msgspec

from wire.errors import BadData
from wire.signing import PublicKey, SigningKey

_SIGNED = b"wattprint enrolment 1\n"
_PART = 16


@dataclass(frozen=True)
class Code:
    """What an installer is given: `secret` for the ingestor, `authority` for the gateway."""

    secret: bytes
    authority: bytes

    @classmethod
    def new(cls, secret: bytes, sha256: str) -> "Code":
        """`secret`: 16 random bytes; `sha256`: of the authority's certificate, in hex."""
        return cls(secret, bytes.fromhex(sha256)[:_PART])

    @classmethod
    def parse(cls, text: str) -> "Code":
        """Raises BadData, which does not repeat the code."""
        plain = "".join(text.split()).replace("-", "").upper()
        try:
            raw = base64.b32decode(plain + "=" * (-len(plain) % 8))
        except ValueError as exc:  # binascii.Error, or letters that are no ASCII
            raise BadData("an enrolment code is 13 groups of four letters and digits") from exc
        if len(raw) != 2 * _PART:
            raise BadData("an enrolment code is 13 groups of four letters and digits")
        return cls(raw[:_PART], raw[_PART:])

    def __str__(self) -> str:
        text = base64.b32encode(self.secret + self.authority).decode().rstrip("=")
        return "-".join(text[at : at + 4] for at in range(0, len(text), 4))

    def __repr__(self) -> str:
        return "Code(…)"  # a secret is in no log

    def trusts(self, sha256: str) -> bool:
        """Whether this is the authority's certificate."""
        return bytes.fromhex(sha256)[:_PART] == self.authority

    @property
    def mark(self) -> str:
        """What the authority keeps of it."""
        return hashlib.sha256(self.secret).hexdigest()


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """«I am this gateway; this key signs my segments, and this one is for TLS.»

    `secret`: base64 of the code's, empty in a renewal. Both signatures are over it all without them.
    """

    site: str
    gateway: str
    key: str
    tls_key: str
    secret: str = ""
    sig: str = ""
    tls_sig: str = ""

    @property
    def keys(self) -> str:
        """Both keys as one text, which a code is bound to."""
        return hashlib.sha256(f"{self.key} {self.tls_key}".encode()).hexdigest()


class Enrolled(msgspec.Struct, frozen=True):
    """The answer: a certificate, whom to trust, both in PEM, and the keys receipts are signed with."""

    certificate: str
    ca: str
    receipt_keys: list[str]


class Trusted(msgspec.Struct, frozen=True):
    """The answer to whom a code does not let trust yet: the authority's certificate in PEM."""

    ca: str


def ask(
    site: str, gateway: str, key: SigningKey, tls_key: SigningKey, secret: bytes = b""
) -> bytes:
    """A signed request, in JSON."""
    text = base64.b64encode(secret).decode()
    unsigned = Request(site, gateway, str(key.public), str(tls_key.public), text)
    message = _SIGNED + msgspec.json.encode(unsigned)
    signed = msgspec.structs.replace(
        unsigned,
        sig=base64.b64encode(key.sign(message)).decode(),
        tls_sig=base64.b64encode(tls_key.sign(message)).decode(),
    )
    return msgspec.json.encode(signed)


def read(data: bytes) -> Request:
    """A request both of whose keys signed it. Raises BadData."""
    try:
        request = msgspec.json.decode(data, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"enrolment: {exc}") from exc
    message = _SIGNED + msgspec.json.encode(msgspec.structs.replace(request, sig="", tls_sig=""))
    for text, signature in ((request.key, request.sig), (request.tls_key, request.tls_sig)):
        PublicKey.parse(text).check(signature, message)
    return request
