"""Reads simulated meters as their makers publish, with nothing of the product's own decoding."""

import struct
from fractions import Fraction
from functools import lru_cache

from edge_agent.profiles import dlt645, modbus
from edge_agent.protocols.modbus import Request
from simulators.instrument import Instrument
from simulators.parties import digits
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
from simulators.slaves.modbus import ModbusMeter


@lru_cache(maxsize=64)
def registers(instrument: Instrument) -> ModbusMeter:
    assert isinstance(instrument.profile, modbus.Profile)
    return ModbusMeter(instrument.meter.name, instrument.profile, instrument)


def words(instrument: Instrument, fc: int, at: int, count: int, t_ms: int) -> bytes:
    answer = registers(instrument).answer(Request(instrument.meter.unit_id, fc, at, count), t_ms)
    assert answer.exception is None
    return struct.pack(f">{count}H", *answer.words)


def counter(instrument: Instrument, t_ms: int) -> Fraction:
    """The main register in kWh, m3 or Nm3, to the meter's own decimals."""
    if isinstance(instrument.profile, dlt645.Profile):
        return _dlt645(instrument, t_ms)
    match instrument.meter.profile:
        case "siemens_pac2200" | "siemens_pac3200":  # Wh as two tariffs in double precision
            one, two = struct.unpack(">dd", words(instrument, 3, 801, 8, t_ms))
            return (Fraction(one) + Fraction(two)) / 1000
        case "schneider_iem3155":  # whole Wh
            return Fraction(int.from_bytes(words(instrument, 3, 3203, 4, t_ms)), 1000)
        case "abb_b23":
            return Fraction(int.from_bytes(words(instrument, 3, 20480, 4, t_ms)), 100)
        case "fuxin_gas_corrector":  # twelve digits, the last four behind the point
            return Fraction(int(words(instrument, 3, 18, 3, t_ms).hex()), 10_000)
        case "eastron_sdm630":
            return _float(words(instrument, 4, 72, 2, t_ms))
        case "fox_ft2a":
            return _float(words(instrument, 3, 21, 2, t_ms))
        case "onicon_system_10":
            return _float(words(instrument, 3, 1042, 2, t_ms))
    raise AssertionError(f"nobody has told how a {instrument.meter.profile} is read")


def _float(data: bytes) -> Fraction:
    """A number in single precision, to a thousandth."""
    return Fraction(round(struct.unpack(">f", data)[0], 3)).limit_denominator(1000)


def _dlt645(instrument: Instrument, t_ms: int) -> Fraction:
    """Identifier 00 01 00 00: eight digits, the lowest pair first, each byte 33 hex too much."""
    called = digits(instrument.meter.unit_id)
    pairs = bytes.fromhex(called)[::-1]
    asked = b"\x68" + pairs + b"\x68\x11\x04" + b"\x33\x33\x34\x33"
    asked += bytes((sum(asked) % 256, 0x16))
    party = Dlt645Party([Dlt645Meter(instrument.meter.name, called, instrument)])
    request, _ = party.find(asked)
    assert request is not None
    (turn,) = party.turns(request, t_ms)
    data = turn.answer.lstrip(b"\xfe")[14:18]
    return Fraction(int(bytes(byte - 0x33 for byte in reversed(data)).hex()), 100)
