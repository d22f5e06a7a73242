"""What a certificate says, read without a library.

A gateway has no X.509 library. All it needs are the name, the dates and the key of a certificate
that TLS itself checks.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wire.errors import BadData, ConfigError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s(.*?)-----END CERTIFICATE-----", re.DOTALL)
_ED25519 = bytes.fromhex("300506032b6570")
_COMMON_NAME = bytes.fromhex("0603550403")
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18


@dataclass(frozen=True)
class Certificate:
    """One certificate's facts; its signature is TLS's business. Times are UTC ms.

    `ed25519`: its public key, empty for a key of another kind; `sha256`: of the whole, in hex.
    """

    name: str
    issuer: str
    serial: int
    from_ms: int
    until_ms: int
    ed25519: bytes
    sha256: str

    @property
    def until(self) -> str:
        """Its last day, for people."""
        return f"{datetime.fromtimestamp(self.until_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def read_all(pem: bytes) -> list[Certificate]:
    """Every certificate of a PEM file, in its order. Raises BadData; also where there is none."""
    found = []
    for block in _PEM.findall(pem):
        try:
            found.append(_read(base64.b64decode(b"".join(block.split()), validate=True)))
        except (binascii.Error, ValueError, IndexError, OverflowError) as exc:
            raise BadData(f"a certificate that cannot be read: {exc}") from exc
    if not found:
        raise BadData("no certificate in PEM form")
    return found


def load(path: Path) -> Certificate:
    """The first certificate in `path`: the one its holder shows. Raises ConfigError."""
    try:
        return read_all(path.read_bytes())[0]
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except BadData as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _read(der: bytes) -> Certificate:
    [(_, whole)] = _parts(der)
    tbs = next(_parts(whole))[1]
    parts = list(_parts(tbs))
    if parts[0][0] == _VERSION:
        del parts[0]
    (_, serial), _, (_, issuer), (_, validity), (_, subject), (_, key) = parts[:6]
    begin, end = (_time_ms(tag, text) for tag, text in _parts(validity))
    is_ours = key.startswith(_ED25519)
    return Certificate(
        name=_common_name(subject),
        issuer=_common_name(issuer),
        serial=int.from_bytes(serial, "big"),
        from_ms=begin,
        until_ms=end,
        ed25519=key[-32:] if is_ours else b"",
        sha256=hashlib.sha256(der).hexdigest(),
    )


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the DER values that stand one after the other. Raises ValueError."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            more = length & 0x7F
            length, at = int.from_bytes(data[at : at + more], "big"), at + more
        if at + length > len(data):
            raise ValueError("it is cut short")
        yield tag, data[at : at + length]
        at += length


def _common_name(name: bytes) -> str:
    for _, attributes in _parts(name):
        for _, attribute in _parts(attributes):
            if attribute.startswith(_COMMON_NAME):
                (_, _), (_, text) = _parts(attribute)
                return text.decode()
    return ""


def _time_ms(tag: int, text: bytes) -> int:
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError(f"a date of type {tag}")
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return int(datetime.strptime(text.decode(), form).replace(tzinfo=UTC).timestamp() * 1000)
