"""Planning by the limits of real meters, and decoding of published words."""

import struct
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import profiles
from edge_agent.exact import as_decimal, as_fraction
from edge_agent.profiles.modbus import IdentityRegister, Profile
from edge_agent.registers import Block, Learned, decode, learn, plan, read_text
from edge_agent.scaling import modulus
from wire.errors import BadData, ProfileError
from wire.messages import Value

SDM630 = profiles.load_as(Profile, "eastron_sdm630")
PAC2200 = profiles.load_as(Profile, "siemens_pac2200")
EM24 = profiles.load_as(Profile, "carlo_gavazzi_em24_din")
ABB = profiles.load_as(Profile, "abb_b23")
ADL400 = profiles.load_as(Profile, "acrel_adl400")


def one(profile: Profile, quantity: str, words: list[int], **ratio: Fraction) -> Value | None:
    """The value of one quantity when its block carries these words."""
    (block,) = plan(profile, [quantity], **ratio)
    assert block.count == len(words)
    return decode(block, words)[quantity]


def taken_apart(block: Block, told: list[int]) -> dict[str, Value | None] | str:
    """The values the slow way, or why there are none."""
    slow = replace(block, fields=tuple(replace(f, plain=None) for f in block.fields))
    return decoded(slow, told)


def decoded(block: Block, told: list[int]) -> dict[str, Value | None] | str:
    try:
        return decode(block, told)
    except BadData as exc:
        return str(exc)


def words(kind: str, number: float) -> list[int]:
    return list(struct.unpack(f">{struct.calcsize(kind) // 2}H", struct.pack(f">{kind}", number)))


def is_modbus(name: str) -> bool:
    return isinstance(profiles.load(name, allow_unverified=True), Profile)


def made(line: str) -> Profile:
    text = 'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "-"\n[registers]\n'
    profile = profiles.parse(text + line, "made")
    assert isinstance(profile, Profile)
    return profile


@pytest.mark.parametrize("name", [n for n in profiles.names() if is_modbus(n)])
def test_a_number_written_the_usual_way_is_the_one_its_parts_make(name: str) -> None:
    """With any words: also those that are no number, or a sentinel."""
    profile, dice = profiles.load_as(Profile, name, allow_unverified=True), Random(name)
    strange = [0, 0x7FC0, 0x7F80, 0xFF80, 0x7FFF, 0x8000, 0xFFFF]
    for block in plan(profile, list(profile.registers)):
        for _ in range(30):
            told = [dice.choice([*strange, dice.randrange(65536)]) for _ in range(block.count)]
            assert decoded(block, told) == taken_apart(block, told)


@pytest.mark.parametrize("name", [n for n in profiles.names() if is_modbus(n)])
def test_every_plan_keeps_the_limits_and_starts_at_a_value(name: str) -> None:
    profile = profiles.load_as(Profile, name, allow_unverified=True)
    limits = profile.limits
    blocks = plan(profile, profile.registers)
    read = [f.quantity for block in blocks for f in block.fields]
    assert sorted(read) == sorted(profile.registers)
    for block in blocks:
        assert block.count <= limits.max_words
        assert block.address == min(f.register.at for f in block.fields)
        assert not limits.even or (block.address % 2 == 0 and block.count % 2 == 0)
        end = block.address + block.count
        for item in block.fields:
            starts = item.register.starts
            assert min(starts) >= block.address
            assert max(starts) + item.register.size <= end


def test_an_sdm630_is_read_in_few_requests() -> None:
    asked = ["active_energy_import", "active_power", "voltage_l1", "voltage_l1_l2"]
    blocks = plan(SDM630, asked)
    assert [(b.fc, b.address, b.count) for b in blocks] == [(4, 0, 2), (4, 52, 22), (4, 200, 2)]


def test_no_request_to_an_em24_is_longer_than_11_words() -> None:
    blocks = plan(EM24, EM24.registers)
    assert max(b.count for b in blocks) <= 11
    assert {f.register.at for b in blocks for f in b.fields if "import" in f.quantity} == {62, 64}


def test_a_meter_that_wants_even_counts_is_asked_for_one_register_more() -> None:
    text = (
        'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "-"\n[limits]\neven = true\n[registers]\n'
    )
    profile = profiles.parse(text + 'active_power = { at = 4, as = "u16", unit = "W" }', "made")
    (block,) = plan(profile, ["active_power"])
    assert (block.address, block.count) == (4, 2)
    assert decode(block, [7, 9]) == {"active_power": (7, 0)}


def test_a_refused_word_nobody_asked_for_is_learned_once_and_the_next_refusal_teaches_more() -> (
    None
):
    """An even count is kept, so the word is asked for again: the register itself must be absent."""
    text = (
        'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "-"\n[limits]\neven = true\n[registers]\n'
        'active_power = { at = 4, as = "u16", unit = "W", optional = true }'
    )
    profile = profiles.parse(text, "made")
    assert isinstance(profile, Profile)
    learned = Learned()
    for _ in range(2):
        (block,) = plan(profile, ["active_power"], learned)
        learned = learn(learned, block) or pytest.fail("nothing learned")
    assert plan(profile, ["active_power"], learned) == []


def test_a_hole_as_long_as_the_limit_is_read_over_and_a_longer_one_is_not() -> None:
    holes = profiles.parse(
        'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "-"\n[limits]\nmax_hole = 2\n[registers]\n'
        'active_power = { at = 0, as = "u16", unit = "W" }\n'
        'frequency = { at = 3, as = "u16", unit = "Hz" }\n'
        'power_factor = { at = 7, as = "u16", unit = "1" }\n',
        "made",
    )
    assert isinstance(holes, Profile)
    assert [(b.address, b.count) for b in plan(holes, holes.registers)] == [(0, 4), (7, 1)]


def test_one_request_asks_one_function() -> None:
    profile = made(
        'active_power = { at = 0, fc = 3, as = "u16", unit = "W" }\n'
        'frequency = { at = 1, fc = 4, as = "u16", unit = "Hz" }'
    )
    assert [(b.fc, b.address) for b in plan(profile, profile.registers)] == [(3, 0), (4, 1)]


def test_a_hole_that_was_refused_is_not_read_again() -> None:
    (block,) = plan(ABB, ["voltage_l3", "current_l1"])
    learned = learn(Learned(), block)
    assert learned is not None
    again = plan(ABB, ["voltage_l3", "current_l1"], learned)
    assert [(b.address, b.count) for b in again] == [(23300, 2), (23308, 2)]


def test_an_optional_register_that_is_refused_is_left_out_and_its_neighbours_stay() -> None:
    asked = ["active_energy_export", "reactive_energy_export"]
    learned, blocks = Learned(), plan(EM24, asked)
    assert len(blocks) == 1
    learned = learn(learned, blocks[0]) or pytest.fail("nothing learned")
    alone = plan(EM24, asked, learned)
    assert [b.address for b in alone] == [92, 94]
    learned = learn(learned, alone[0]) or pytest.fail("nothing learned")
    assert [b.address for b in plan(EM24, asked, learned)] == [94]


def test_a_register_that_must_be_asked_alone_takes_no_neighbour_with_it() -> None:
    asked = ["active_energy_export", "reactive_energy_export"]
    learned = Learned(alone=frozenset({"active_energy_export"}))
    assert [b.address for b in plan(EM24, asked, learned)] == [92, 94]
    learned = Learned(alone=frozenset({"reactive_energy_export"}))
    assert [b.address for b in plan(EM24, asked, learned)] == [92, 94], "nor goes with one"


def test_a_mandatory_register_that_is_refused_teaches_nothing() -> None:
    (block,) = plan(SDM630, ["active_energy_import"])
    assert learn(Learned(), block) is None


def test_a_quantity_the_model_lacks_is_refused_by_name() -> None:
    with pytest.raises(ProfileError, match="SDM630-Modbus: no gas_volume; it has voltage_l1"):
        plan(SDM630, ["gas_volume"])


def test_the_published_sdm120_voltage() -> None:
    # Eastron SDM120 protocol document: 43 66 33 34 is 230.2 V.
    assert one(profiles.load_as(Profile, "eastron_sdm120"), "voltage_l1", [0x4366, 0x3334]) == (
        2302,
        -1,
    )


def test_the_published_acrel_current_times_its_transformer() -> None:
    # SmartEVSE's meter test: raw 1600 is 16 A.
    assert one(ADL400, "current_l1", [1600]) == (1600, -2)
    forty = Fraction(40)
    assert one(ADL400, "current_l1", [1600], ct=forty, pt=Fraction(100)) == (6400, -1)
    assert one(ADL400, "voltage_l1", [577], ct=forty, pt=Fraction(100)) == (5770, 0)
    assert one(ADL400, "active_energy_import", [0, 123], ct=forty, pt=Fraction(100)) == (4920, 0)
    assert one(ADL400, "frequency", [5000], ct=forty, pt=Fraction(100)) == (5000, -2)


def test_a_ratio_without_a_finite_decimal_is_rounded_far_below_the_register_step() -> None:
    ratio = Fraction(6000, 110)
    value = one(ADL400, "active_energy_import", [0, 123], pt=ratio)
    assert value is not None
    assert abs(as_fraction(value) - Fraction(123, 100) * ratio) <= Fraction(1, 1000)


def test_a_pac_total_is_the_sum_of_both_tariffs() -> None:
    total = one(PAC2200, "active_energy_import", words("d", 1234.5) + words("d", 0.25))
    assert total == (1235, -3)  # 1234.75 Wh in kWh


@pytest.mark.parametrize(
    ("bits", "value"),
    [
        # IEEE 754-2019 binary64: 1, the least number above it, 1/3, 2**53 + 2.
        ("3FF0000000000000", 1),
        ("3FF0000000000001", 1 + Fraction(1, 2**52)),
        ("3FD5555555555555", Fraction(6004799503160661, 2**54)),
        ("4340000000000001", 2**53 + 2),
    ],
)
def test_a_float_is_taken_for_the_binary_fraction_it_is(bits: str, value: Fraction) -> None:
    keys = 'at = 0, as = "f64", unit = "kWh", scale = "100000000", decimals = 12'
    profile = made(f"active_energy_import = {{ {keys} }}")
    raw = list(struct.unpack(">4H", bytes.fromhex(bits)))
    got = one(profile, "active_energy_import", raw)
    assert got is not None
    assert abs(as_fraction(got) / 10**8 - value) <= Fraction(1, 2 * 10**20)


@pytest.mark.parametrize(
    ("number", "mantissa"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2)]
)
def test_a_half_goes_to_the_even_neighbour(number: float, mantissa: int) -> None:
    profile = made('active_power = { at = 0, as = "f32", unit = "W", decimals = 0 }')
    assert one(profile, "active_power", words("f", number)) == (mantissa, 0)


@pytest.mark.parametrize(
    ("line", "raw", "value"),
    [
        ('active_power = { at = 0, as = "u16", unit = "W" }', [0xFFFE], (65534, 0)),
        ('active_power = { at = 0, as = "i16", unit = "W" }', [0xFFFE], (-2, 0)),
        ('active_power = { at = 0, as = "u32", unit = "W" }', [1, 2], (65538, 0)),
        ('active_power = { at = 0, as = "i32", unit = "W" }', [0xFFFF, 0xFFFF], (-1, 0)),
        ('active_power = { at = 0, as = "u64", unit = "W" }', [0, 1, 0, 2], ((1 << 32) + 2, 0)),
        ('active_power = { at = 0, as = "i64", unit = "W" }', [0xFFFF] * 4, (-1, 0)),
        ('active_power = { at = 0, as = "bcd", length = 2, unit = "W" }', [0x12, 0x3456], (123456, 0)),
        ('active_power = { at = 0, as = "i32", words = "little", unit = "W" }', [2, 1], (65538, 0)),
        ('active_power = { at = 0, as = "u32", bytes = "little", unit = "W" }', [0x0100, 0x0200], (65538, 0)),
        ('temperature = { at = 0, as = "u16", unit = "degC", scale = "0.1", offset = "-40" }', [415], (15, -1)),
        ('active_energy_import = { at = 0, as = "u16", unit = "kWh", plus = [{ at = 1, scale = "0.001" }], decimals = 3 }', [12, 345], (12345, -3)),
        ('active_power = { at = 0, as = "i16", unit = "W", scale = "0.1" }', [15], (15, -1)),
        ('active_power = { at = 0, as = "i16", unit = "W", scale = "0.25" }', [3], (75, -2)),
        ('active_power = { at = 0, as = "i16", unit = "W", scale = "1000" }', [3], (3000, 0)),
        ('active_energy_import = { at = 0, as = "i64", unit = "Wh" }', [0, 0, 0, 7], (7, -3)),
        ('active_energy_import = { at = 0, as = "u16", unit = "MWh" }', [7], (7000, 0)),
        ('heat_energy = { at = 0, as = "u16", unit = "MJ", decimals = 3 }', [36], (10000, -3)),
    ],
)  # fmt: skip
def test_every_way_a_number_is_written(line: str, raw: list[int], value: Value) -> None:
    assert one(made(line), line.split()[0], raw) == value


@pytest.mark.parametrize(
    ("quantity", "raw"),
    [
        ("active_energy_import", [0xFFFF] * 4),
        ("active_power", [0x7FFF, 0xFFFF]),
        ("frequency", [0xFFFF]),
        ("power_factor", [0x7FFF]),
    ],
)
def test_the_abb_markers_for_not_measured_are_missing_values(quantity: str, raw: list[int]) -> None:
    assert one(ABB, quantity, raw) is None


@pytest.mark.parametrize("bits", [0x7FC0, 0x7F80, 0xFF80], ids=["nan", "inf", "-inf"])
def test_a_float_that_is_no_number_is_a_missing_value(bits: int) -> None:
    assert one(SDM630, "voltage_l1", [bits, 0]) is None


def test_digits_that_are_none_are_bad_data() -> None:
    profile = made('active_power = { at = 7, as = "bcd", length = 1, unit = "W" }')
    with pytest.raises(BadData, match="register 7: 12a4 is not a decimal number"):
        one(profile, "active_power", [0x12A4])


def test_identity_as_text() -> None:
    # Victron dbus-modbus-client abb.py: the type of a B23 is 0x42323320.
    assert read_text(IdentityRegister(at=0, as_="string", length=2), [0x4232, 0x3320]) == "B23"
    assert read_text(IdentityRegister(at=0, as_="u32"), [0x0001, 0xE240]) == "123456"
    assert read_text(IdentityRegister(at=0, as_="bcd", length=2), [0x0012, 0x3456]) == "00123456"


def test_a_modulus_is_given_on_the_primary_side_and_in_the_quantitys_unit() -> None:
    register = PAC2200.registers["active_energy_import"]
    assert modulus("active_energy_import", register, Fraction(1), Fraction(1)) == 10**9
    eastron = SDM630.registers["active_energy_import"]
    assert modulus("active_energy_import", eastron, Fraction(40), Fraction(1)) == 10**6


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_no_float_is_off_by_more_than_half_its_resolution(number: float) -> None:
    value = one(SDM630, "active_energy_import", words("f", number))
    assert value is not None
    assert value[1] == -3
    assert abs(as_fraction(value) - Fraction(number)) <= Fraction(1, 2000)


@given(st.integers(-(10**20), 10**20), st.integers(-9, 3))
def test_a_value_as_decimal_is_exactly_that_value(mantissa: int, exponent: int) -> None:
    number = as_fraction((mantissa, exponent))
    assert Fraction(as_decimal(number)) == number


def test_meters_read_alike_share_their_plan_and_others_do_not() -> None:
    quantities = ["voltage_l2", "voltage_l1"]
    (block,) = plan(SDM630, quantities)
    assert plan(SDM630, quantities)[0] is block
    assert plan(SDM630, quantities, ct=Fraction(2))[0] is not block
    assert plan(SDM630, quantities[:1])[0] is not block
    again = profiles.load_as(Profile, "eastron_sdm630")
    assert plan(again, quantities)[0] is not block, "its file may have changed"
    plan(SDM630, quantities).clear()
    assert plan(SDM630, quantities) == [block], "what a caller does with its list is its own"
