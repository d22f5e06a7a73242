"""A wired M-Bus meter as it looks from its line.

It answers at its primary address, at 254, and at 253 once it is selected by its secondary address;
what does not fit one telegram follows in the next, asked for with the toggled bit. Every value is a
64-bit integer at the step its profile keeps.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from edge_agent.profiles import factor, offset
from edge_agent.profiles.mbus import Part, Profile, Register
from edge_agent.protocols.mbus import (
    ACK,
    ANY,
    SELECTED,
    SND_NKE,
    Frame,
    Secondary,
    find_request,
    frame_bytes,
    selected,
)
from edge_agent.protocols.mbus_vif import MEDIA
from simulators.slaves import Other, Source, Turn

_RSP_UD, _REQ_UD2, _FCB = 0x08, 0x5B, 0x20
_VARIABLE, _ERROR, _TOO_BUSY = 0x72, 0x70, b"\x08"
_INTEGER, _MORE_FOLLOW = 0x07, b"\x1f"
_BEFORE_HEADER, _HEADER = 7, 12
_MOST = 240  # bytes behind CI in one telegram
_FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")


class _Code(NamedTuple):
    """Value information: the code of 10**`exponent` of the unit, and how many follow it upwards."""

    before: bytes
    first: int
    exponent: int
    codes: int


_CODES = {
    "energy": _Code(b"", 0x00, -6, 8),
    "volume": _Code(b"", 0x10, -6, 8),
    "mass": _Code(b"", 0x18, -6, 8),
    "power": _Code(b"", 0x28, -3, 8),
    "flow": _Code(b"", 0x38, -6, 8),
    "mass_flow": _Code(b"", 0x50, -6, 8),
    "flow_temperature": _Code(b"", 0x58, -3, 4),
    "return_temperature": _Code(b"", 0x5C, -3, 4),
    "external_temperature": _Code(b"", 0x64, -3, 4),
    "pressure": _Code(b"", 0x68, -3, 4),
    "voltage": _Code(b"\xfd", 0x40, -9, 16),
    "current": _Code(b"\xfd", 0x50, -12, 16),
    "frequency": _Code(b"\xfb", 0x2C, -3, 4),
    "reactive_power": _Code(b"\xfb", 0x14, 0, 4),
    "apparent_power": _Code(b"\xfb", 0x34, 0, 4),
}


class MBusMeter:
    """Meter `name` at the primary `address`, of model `profile`, which shows `source`."""

    def __init__(
        self, name: str, address: int, profile: Profile, source: Source, most: int = _MOST
    ) -> None:
        self.name, self.address = name, address
        self._profile, self._source, self._most = profile, source, most
        self._access = self._telegram = 0
        self._last_fcb: int | None = None

    @property
    def secondary(self) -> Secondary:
        """Its number, maker, version and medium."""
        identity = self._profile.identity
        maker = 0
        for letter in identity.manufacturer or "WPT":
            maker = maker << 5 | ord(letter) - 64
        media = {name: code for code, name in reversed(MEDIA.items())}
        medium = media[identity.media[0]] if identity.media else 0
        number = f"{self._source.serial % 10**8:08d}"
        return Secondary(number, maker, identity.versions[0] if identity.versions else 1, medium)

    def reset(self) -> None:
        """The next request gets the first telegram."""
        self._telegram, self._last_fcb = 0, None

    def answer(self, request: Frame, t_ms: int) -> Frame:
        """The telegram that is due: the same again as long as the request's bit has not changed."""
        fcb = request.control & _FCB
        telegrams = self._telegrams(t_ms)
        if self._last_fcb is not None and fcb != self._last_fcb:
            self._telegram = (self._telegram + 1) % len(telegrams)
        self._last_fcb = fcb
        self._access = (self._access + 1) % 256
        who = self.secondary
        header = bytes.fromhex(who.number)[::-1] + who.manufacturer.to_bytes(2, "little")
        header += bytes((who.version, who.medium, self._access, 0, 0, 0))
        data = header + telegrams[self._telegram]
        return Frame(_RSP_UD, self.address, _VARIABLE, data)

    def _telegrams(self, t_ms: int) -> list[bytes]:
        """The records, as many to a telegram as go in."""
        out = [b""]
        for quantity, register in self._profile.registers.items():
            for record in self._records(quantity, register, t_ms):
                if _HEADER + len(out[-1]) + len(record) + 1 > self._most:
                    out[-1] += _MORE_FOLLOW
                    out.append(b"")
                out[-1] += record
        return out

    def _records(self, quantity: str, register: Register, t_ms: int) -> list[bytes]:
        code = _CODES.get(register.kind)
        if code is None:
            return []
        decimals = register.decimals or 0
        step = max(0, min(code.codes - 1, -decimals - code.exponent))
        value = self._source.value(quantity, t_ms) - offset(quantity, register)
        number = value / factor(quantity, register)
        raw = math.floor(number / Fraction(10) ** (code.exponent + step))
        parts = register.parts
        # Parts that are added up: every one rises, and only their sum is the truth.
        share = raw // (2 * len(parts)) if len(parts) > 1 else 0
        numbers = [raw - share * (len(parts) - 1), *[share] * (len(parts) - 1)]
        return [
            _information(register, part)
            + _value_information(code, step, bytes.fromhex(register.qualifiers))
            + n.to_bytes(8, "little", signed=True)
            for part, n in zip(parts, numbers, strict=True)
        ]


class MBusParty:
    """M-Bus meters on one line. Several that are selected at once talk at once."""

    def __init__(self, meters: Sequence[MBusMeter]) -> None:
        self._meters = meters
        self._selected: list[MBusMeter] = []

    def least_turn_s(self, baud: int) -> float:
        """Eleven bits."""
        return 11 / baud

    def find(self, data: bytes) -> tuple[Frame | None, int]:
        """See the base."""
        return find_request(data)

    def turns(self, request: Frame, t_ms: int) -> list[Turn]:
        """See the base."""
        wanted = selected(request)
        if wanted is not None:
            self._selected = [m for m in self._meters if wanted.covers(m.secondary)]
            for meter in self._selected:
                meter.reset()
            return [_acknowledged(meter) for meter in self._selected]
        meant = self._meant(request.address)
        if request.control == SND_NKE:
            for meter in meant:
                meter.reset()
            if request.address == SELECTED:
                self._selected = []
            return [_acknowledged(meter) for meter in meant]
        if request.control & ~_FCB == _REQ_UD2:
            return [_turn(meter, meter.answer(request, t_ms)) for meter in meant]
        return []

    def _meant(self, address: int) -> list[MBusMeter]:
        if address == SELECTED:
            return self._selected
        return [meter for meter in self._meters if address in (meter.address, ANY)]


def _acknowledged(meter: MBusMeter) -> Turn:
    return Turn(meter.name, ACK, range(0), "none", lambda _: ACK)


def _turn(meter: MBusMeter, answer: Frame) -> Turn:
    def other(kind: Other) -> bytes:
        if kind == "foreign":
            return frame_bytes(replace(answer, address=(answer.address + 1) % 251))
        if kind == "refusal":
            return frame_bytes(Frame(_RSP_UD, answer.address, _ERROR, _TOO_BUSY))
        return ACK

    frame = frame_bytes(answer)
    return Turn(meter.name, frame, range(_BEFORE_HEADER + _HEADER, len(frame) - 2), "sum", other)


def _information(register: Register, part: Part) -> bytes:
    """DIF and DIFEs: which value of its kind this is."""
    storage, tariff, subunit = register.storage, part.tariff, part.subunit
    out = [_INTEGER | _FUNCTIONS.index(register.function) << 4 | (storage & 1) << 6]
    storage >>= 1
    while storage or tariff or subunit:
        out[-1] |= 0x80
        out.append(storage & 15 | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    return bytes(out)


def _value_information(code: _Code, step: int, qualifiers: bytes) -> bytes:
    """VIF and VIFEs: what it is and to which step."""
    last = code.first + step
    return code.before + bytes((last | 0x80 if qualifiers else last,)) + qualifiers
