"""Ed25519 keys in files, and what they sign. A key is named by its fingerprint."""

import base64
import binascii
import hashlib
from pathlib import Path

import nacl.exceptions
import nacl.signing

from wire.errors import BadData, ConfigError
from wire.files import keep

_PREFIX = "ed25519:"
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")  # RFC 8410; the 32 bytes follow


class PublicKey:
    """What a signature is checked with; written as `ed25519:` and base64."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.id = hashlib.sha256(raw).hexdigest()[:16]
        self._key = nacl.signing.VerifyKey(raw)

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Raises BadData."""
        try:
            raw = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
            if not text.strip().startswith(_PREFIX) or len(raw) != 32:
                raise BadData("a public key is written ed25519: and 44 characters of base64")
            return cls(raw)
        except (binascii.Error, ValueError) as exc:
            raise BadData(f"not a public key: {exc}") from exc

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.raw).decode()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises BadData if `signature` is not this key's signature of `message`."""
        try:
            self._key.verify(message, signature)
        except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError) as exc:
            raise BadData(f"signature does not match key {self.id}") from exc

    def check(self, signature: str, message: bytes) -> None:
        """The same of a signature in base64, which has one way to be written: else another text, which
        nobody signed, would pass for it. Raises BadData."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except ValueError as exc:  # binascii.Error, or letters that are no ASCII
            raise BadData("its signature is not base64") from exc
        if base64.b64encode(raw).decode() != signature:
            raise BadData("its signature is not written the one way base64 has")
        self.verify(raw, message)


class SigningKey:
    """A private key; its file holds 32 bytes in base64 and is readable by its owner only."""

    def __init__(self, raw: bytes) -> None:
        self._key = nacl.signing.SigningKey(raw)
        self.public = PublicKey(bytes(self._key.verify_key))

    @classmethod
    def load_or_create(cls, path: Path) -> "SigningKey":
        """The key in `path`; a new one is made where there is none. Raises ConfigError."""
        try:
            if not path.exists():
                keep(path, base64.b64encode(bytes(nacl.signing.SigningKey.generate())) + b"\n")
            return cls(base64.b64decode(path.read_text().strip(), validate=True))
        except OSError as exc:
            raise ConfigError(f"{path}: key file cannot be used: {exc.strerror}") from exc
        except (ValueError, nacl.exceptions.ValueError) as exc:
            raise ConfigError(f"{path}: is not a key file (32 bytes in base64)") from exc

    @classmethod
    def new(cls) -> "SigningKey":
        """A random one, in no file yet."""
        return cls(bytes(nacl.signing.SigningKey.generate()))

    @property
    def pem(self) -> bytes:
        """The private key as TLS libraries load it."""
        text = base64.b64encode(_PKCS8 + bytes(self._key))
        return b"-----BEGIN PRIVATE KEY-----\n" + text + b"\n-----END PRIVATE KEY-----\n"

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message).signature
