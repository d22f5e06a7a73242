"""The outside of a segment: header, signature and body as three parts between line feeds."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

import msgspec

from wire.errors import BadData
from wire.signing import SigningKey

VERSION = 1
VERSION_BEHIND = 2  # of a header that says that older readings wait
GENESIS = "0" * 64  # `prev` of the first segment of a stream
_SIGNED = b"wattprint segment 1\n"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who sealed what, when, and after which segment. `v`: the form of header and signature;
    `encoding`: that of the body. `waits_from_ms`: the earliest reading sealed before this segment that
    has no number yet; it comes in a later segment."""

    v: int
    site: str
    gateway: str
    stream: str
    seq: int
    prev: str
    boot: str
    clock: str
    t_first_ms: int
    t_last_ms: int
    readings: int
    encoding: str
    body: str
    key: str
    waits_from_ms: int | None = None

    def where(self, waits_from_ms: int | None) -> "Header":
        """The same where readings from then on wait; None: none do."""
        version = VERSION if waits_from_ms is None else VERSION_BEHIND
        return msgspec.structs.replace(self, v=version, waits_from_ms=waits_from_ms)


@dataclass(frozen=True)
class Place:
    """Where in which stream a segment stands, on what clock its times are, and what waits behind it."""

    site: str
    gateway: str
    stream: str
    seq: int
    prev: str
    boot: str
    clock: str
    waits_from_ms: int | None = None


def enclose(header: Header, body: bytes, key: SigningKey) -> bytes:
    """The bytes of a whole segment."""
    line = msgspec.json.encode(header)
    return b"\n".join((line, base64.b64encode(key.sign(_SIGNED + line)), body))


def disclose(data: bytes) -> tuple[Header, bytes, bytes, memoryview]:
    """(header, signature, what it signs, body). Raises BadData; also for another body's header."""
    end = data.find(b"\n")
    begin = data.find(b"\n", end + 1) + 1
    if end < 0 or not begin:
        raise BadData("not a segment: header, signature and body are three parts")
    line, signature, body = data[:end], data[end + 1 : begin - 1], memoryview(data)[begin:]
    header, raw, signed = unveil(line, signature)
    if hashlib.sha256(body).hexdigest() != header.body:
        raise BadData("segment body does not match the hash in its header")
    return header, raw, signed, body


def unveil(line: bytes, signature: bytes) -> tuple[Header, bytes, bytes]:
    """(header, signature, what it signs) of a segment whose body is not at hand. Raises BadData."""
    try:
        header = msgspec.json.decode(line, type=Header)
        raw = base64.b64decode(signature, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadData(f"segment header: {exc}") from exc
    except binascii.Error as exc:
        raise BadData(f"segment signature is not base64: {exc}") from exc
    # One way to write a signature: else other bytes, another hash, would pass for the same segment.
    if base64.b64encode(raw) != signature:
        raise BadData("segment signature is not written the one way base64 has")
    return header, raw, _SIGNED + line
