"""How a simulated register is written where no shipped profile shows it."""

import struct
from fractions import Fraction

import pytest

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import Request, find_request
from simulators.slaves.modbus import ModbusMeter, ModbusParty


class Fixed:
    """A meter that measures the same for ever."""

    serial = 4711

    def __init__(self, value: str) -> None:
        self._value = Fraction(value)

    def value(self, quantity: str, t_ms: int) -> Fraction:  # noqa: ARG002
        return self._value


def meter(register: str, value: str) -> ModbusMeter:
    text = f'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "a manual"\n[registers]\n{register}\n'
    profile = profiles.parse(text, "test.toml")
    assert isinstance(profile, Profile)
    return ModbusMeter("m", profile, Fixed(value))


def written(register: str, value: str, at: int = 0, count: int = 2) -> bytes:
    answer = meter(register, value).answer(Request(1, 3, at, count), 0)
    assert answer.exception is None
    return struct.pack(f">{count}H", *answer.words)


ENERGY = 'active_energy_import = {{ at = 0, unit = "kWh", {} }}'


@pytest.mark.parametrize(
    ("how", "value", "data"),
    [
        ('as = "u32", scale = "0.01"', "1206.429", "0001d742"),
        ('as = "u32", scale = "0.01", words = "little"', "1206.42", "d7420001"),
        ('as = "u32", scale = "0.01", bytes = "little"', "1206.42", "010042d7"),
        ('as = "bcd", length = 2, scale = "0.01"', "1206.42", "00120642"),
        ('as = "u32", scale = "0.01", modulus = "1000"', "1206.42", "000050a2"),
        ('as = "f32", decimals = 2', "1206.428", "4496cd71"),  # 1206.42, what is full
    ],
)
def test_a_counter_is_written_in_its_type_and_order(how: str, value: str, data: str) -> None:
    assert written(ENERGY.format(how), value).hex() == data


def test_an_offset_is_taken_off_before_writing() -> None:
    how = 'temperature = { at = 0, as = "i16", unit = "degC", scale = "0.1", offset = "-50" }'
    assert written(how, "21.5", count=1).hex() == "02cb"  # 715: 71.5 above -50


def test_a_number_too_big_for_its_register_stops_at_its_end() -> None:
    how = 'active_power = { at = 0, as = "i16", unit = "W" }'
    assert written(how, "40000", count=1).hex() == "7fff"
    assert written(how, "-40000", count=1).hex() == "8000"


def test_digits_apart_are_whole_numbers_of_their_weight() -> None:
    how = 'as = "u16", plus = [{ at = 1, scale = "10000" }], decimals = 0'
    assert struct.unpack(">2H", written(ENERGY.format(how), "31206.7")) == (1206, 3)
    how = 'as = "u16", plus = [{ at = 1, scale = "0.001" }], decimals = 3'
    assert struct.unpack(">2H", written(ENERGY.format(how), "1206.7891")) == (1206, 789)


def test_nobody_answers_for_another_unit_on_a_line_but_a_gateway_does() -> None:
    meters = {1: meter(ENERGY.format('as = "u32"'), "5")}
    asked = Request(2, 3, 0, 2)
    assert ModbusParty(meters, "rtu").turns(asked, 0) == []
    (turn,) = ModbusParty(meters, "tcp").turns(asked, 0)
    assert turn.answer.hex() == "000000000003" + "02" + "830b"


def test_the_other_answers_are_sound_frames_of_somebody_else() -> None:
    party = ModbusParty({247: meter(ENERGY.format('as = "u32"'), "5")}, "rtu")
    (turn,) = party.turns(Request(247, 3, 0, 2), 0)
    assert turn.answer.hex()[:14] == "f7030400000005"
    assert turn.other("foreign").hex()[:14] == "01030400000005"
    assert turn.other("function").hex()[:14] == "f7040400000005"
    assert turn.other("refusal").hex()[:6] == "f78306"


def test_a_party_finds_requests_in_what_it_hears() -> None:
    party = ModbusParty({}, "rtu")
    data = b"\xff\x00" + bytes.fromhex("110300000001 869a")
    assert party.find(data) == find_request(data, "rtu")
    assert party.find(data)[0] == Request(17, 3, 0, 1)
