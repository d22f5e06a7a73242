"""Reads simulated meters as their makers publish, with nothing of the product's own decoding."""

import struct
from fractions import Fraction

from edge_agent.protocols.modbus import Request
from simulators.instrument import Instrument
from simulators.slaves.modbus import ModbusMeter


def registers(instrument: Instrument) -> ModbusMeter:
    return ModbusMeter(instrument.meter.name, instrument.profile, instrument)


def words(instrument: Instrument, fc: int, at: int, count: int, t_ms: int) -> bytes:
    answer = registers(instrument).answer(Request(instrument.meter.unit_id, fc, at, count), t_ms)
    assert answer.exception is None
    return struct.pack(f">{count}H", *answer.words)


def energy_kwh(instrument: Instrument, t_ms: int) -> Fraction:
    """The import register in kWh, to the meter's own decimals."""
    model = instrument.profile.model
    if "PAC2200" in model:  # Wh as two tariffs in double precision
        one, two = struct.unpack(">dd", words(instrument, 3, 801, 8, t_ms))
        return (Fraction(one) + Fraction(two)) / 1000
    if "SDM630" in model:  # kWh in single precision
        (kwh,) = struct.unpack(">f", words(instrument, 4, 72, 2, t_ms))
        return Fraction(round(kwh, 3)).limit_denominator(1000)
    (raw,) = struct.unpack(">Q", words(instrument, 3, 20480, 4, t_ms))
    assert "B23" in model
    return Fraction(raw, 100)
