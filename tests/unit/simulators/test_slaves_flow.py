"""Simulated CJ/T 188 and M-Bus meters, where somebody published bytes in those."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from edge_agent import profiles
from edge_agent.profiles import cjt188 as cjt188_profile
from edge_agent.profiles import mbus as mbus_profile
from edge_agent.protocols import cjt188, mbus, mbus_records
from simulators.slaves.cjt188 import Cjt188Meter, Cjt188Party
from simulators.slaves.dlt645_data import Clock
from simulators.slaves.mbus import MBusMeter, MBusParty

T_MS = int(datetime(2017, 1, 9, 17, 20, 6, tzinfo=UTC).timestamp()) * 1000


class Shows:
    """A meter that measures what it is given, and 0 of everything else."""

    def __init__(self, serial: int = 12345678, **values: str) -> None:
        self.serial, self._values = serial, values

    def value(self, quantity: str, t_ms: int) -> Fraction:  # noqa: ARG002
        return Fraction(self._values.get(quantity, 0))


def water(address: str = "00201510270588", **values: str) -> Cjt188Meter:
    model = profiles.load_as(cjt188_profile.Profile, "cjt188_water")
    return Cjt188Meter("w", address, model, Shows(**values), Clock(zone_ms=0))


def heat(model: str = "cjt188_heat", **values: str) -> tuple[Cjt188Meter, cjt188_profile.Profile]:
    profile = profiles.load_as(cjt188_profile.Profile, model)
    return Cjt188Meter("h", "0" * 13 + "7", profile, Shows(**values)), profile


def said(party: Cjt188Party, asked: str) -> list[str]:
    request, _ = party.find(bytes.fromhex(asked))
    assert request is not None
    turns = party.turns(request, T_MS)
    return [turn.answer.lstrip(b"\xfe").hex(" ").upper() for turn in turns]


def test_a_water_meter_answers_as_published() -> None:
    asked = "68 10 88 05 27 10 15 20 00 01 03 90 1F 01 25 16"
    answered = (
        "68 10 88 05 27 10 15 20 00 81 16 90 1F 01 00 00 00 00 2C 00 00 00 00 2C"
        " 06 20 17 09 01 17 20 00 00 8E 16"
    )
    assert said(Cjt188Party([water()]), asked) == [answered]
    anybody = "68 10 AA AA AA AA AA AA AA 01 03 90 1F 01 D2 16"  # published
    assert said(Cjt188Party([water()]), anybody) == [answered]
    assert said(Cjt188Party([water("00201510270589")]), asked) == []


def test_what_it_counted_is_cut_and_begins_again_after_its_last_digit() -> None:
    request = cjt188.Request(0x10, "00201510270588")
    for value, digits in (("1234.567", "56341200"), ("1000000.01", "01000000")):
        assert water(water_volume=value).answer(request, T_MS).data.hex()[:8] == digits


def test_a_heat_meter_tells_its_numbers_in_their_places() -> None:
    meter, profile = heat(heat_energy="1234.56", flow="1.2345", temperature="65.43")
    request = cjt188.Request(0x20, meter.address)
    frame = cjt188.answer_frame(request, meter.answer(request, T_MS))
    answer, _ = cjt188.find_answer(frame, request, profile.layout)
    assert answer is not None
    energies, rest = "0000000005 5634120005 0000000017", "4523010035 000000002c 436500 000000"
    assert answer.data[:31].hex() == (energies + rest).replace(" ", "")
    unit_first, other = heat("cjt188_heat_unit_first", heat_energy="1234.56")
    request = cjt188.Request(int(other.kind, 16), unit_first.address)
    frame = cjt188.answer_frame(request, unit_first.answer(request, T_MS))
    assert cjt188.find_answer(frame, request, other.layout)[0] is not None
    assert b"\x05\x56\x34\x12\x00" in frame


def test_the_address_is_told_and_another_identifier_refused() -> None:
    meter = water()
    told = meter.answer(cjt188.read_address(), T_MS)
    assert (told.address, told.data) == ("00201510270588", b"")
    assert meter.answer(cjt188.Request(0x10, meter.address, "911F"), T_MS).refusal is not None


def test_the_other_answers_of_a_water_meter_are_sound_frames_of_something_else() -> None:
    party = Cjt188Party([water()])
    request = cjt188.Request(0x10, "00201510270588", serial=255)
    (turn,) = party.turns(request, T_MS)
    layout = "XXXXXX.XXU XXXXXX.XXU BBBBBBB BB"
    assert len(turn.payload) == 19
    for kind in ("foreign", "function"):
        assert cjt188.find_answer(turn.other(kind), request, layout)[0] is None
    neighbour = cjt188.Request(0x10, "00201510270589", serial=255)
    assert cjt188.find_answer(turn.other("foreign"), neighbour, layout)[0] is not None
    later = cjt188.Request(0x10, "00201510270588", serial=0)
    assert cjt188.find_answer(turn.other("function"), later, layout)[0] is not None
    refused, _ = cjt188.find_answer(turn.other("refusal"), request, layout)
    assert refused is not None
    assert refused.refusal is not None


# --- M-Bus ---------------------------------------------------------------------------------------


def electricity(
    address: int = 1, serial: int = 12345678, model: str = "mbus_electricity", **more: Any
) -> MBusMeter:
    values = more.pop("values", {})
    profile = profiles.load_as(mbus_profile.Profile, model)
    return MBusMeter(f"e-{address}", address, profile, Shows(serial, **values), **more)


def ask(party: MBusParty, frame: bytes) -> list[bytes]:
    request, used = party.find(frame)
    assert request is not None
    assert used == len(frame)
    return [turn.answer for turn in party.turns(request, T_MS)]


def read(party: MBusParty, address: int, *, toggle: bool = True) -> mbus_records.Telegram:
    (answer,) = ask(party, mbus.request(address, toggle=toggle))
    frame, _ = mbus.find_answer(answer, address)
    assert frame is not None
    return mbus_records.decode(frame)


def test_a_reset_is_acknowledged_and_nobody_answers_for_another_address() -> None:
    party = MBusParty([electricity(1)])
    assert ask(party, bytes.fromhex("10 40 01 41 16")) == [b"\xe5"]  # EN 13757-2
    assert ask(party, bytes.fromhex("10 40 02 42 16")) == []
    assert ask(party, bytes.fromhex("10 5B 02 5D 16")) == []
    assert len(ask(party, bytes.fromhex("10 5B FE 59 16"))) == 1  # 254: whoever is there
    assert ask(party, bytes.fromhex("10 40 FF 3F 16")) == []  # 255: everybody, in silence


def test_its_records_are_written_as_the_standard_says() -> None:
    values = {"active_energy_import": "1206.427519", "active_power": "-1234.5"}
    (answer,) = ask(MBusParty([electricity(values=values)]), mbus.request(1, toggle=True))
    # Number, maker WPT, version, electricity, first access, no status, no signature.
    assert answer[4:19].hex(" ") == "08 01 72 78 56 34 12 14 5e 01 02 01 00 00 00"
    # 1206427519 mWh: 64 bits, code 00; -1234500 mW: code 28; 0 mV and 0 mA: FD 46 and FD 59.
    energy, power = "07 00 7f 9f e8 47 00 00 00 00", "07 28 bc 29 ed ff ff ff ff ff"
    rest = "07 fd 46 00 00 00 00 00 00 00 00 07 fd 59 00 00 00 00 00 00 00 00"
    assert answer[19:-2].hex(" ") == f"{energy} {power} {rest}"


@pytest.mark.parametrize("model", ["mbus_electricity", "mbus_heat", "mbus_water", "abb_b23_mbus"])
def test_every_value_can_be_read_back(model: str) -> None:
    profile = profiles.load_as(mbus_profile.Profile, model)
    values = {name: f"{1000 + n}.25" for n, name in enumerate(profile.registers)}
    telegram = read(MBusParty([electricity(model=model, values=values)]), 1)
    for name, register in profile.registers.items():
        part = register.parts[0]
        found = [
            record.number
            for record in telegram.records
            if (record.kind, record.storage) == (register.kind, register.storage)
            and (record.tariff, record.subunit) == (part.tariff, part.subunit)
        ]
        if register.kind in ("energy", "power", "volume", "flow", "flow_temperature", "voltage"):
            assert found == [Fraction(values[name])], name
    assert telegram.header.medium in profile.identity.media


def test_parts_are_added_up_to_the_whole() -> None:
    profile = profiles.load_as(mbus_profile.Profile, "mbus_electricity")
    register = mbus_profile.Register(
        kind="energy", unit="kWh", decimals=3, plus=(mbus_profile.Part(tariff=1),)
    )
    model = mbus_profile.Profile(
        **{
            **{key: getattr(profile, key) for key in ("vendor", "model", "grade", "source")},
            "registers": {"active_energy_import": register},
        }
    )
    meter = MBusMeter("m", 1, model, Shows(active_energy_import="1206.425"))
    records = read(MBusParty([meter]), 1).records
    assert [(record.tariff, record.number) for record in records] == [
        (0, Fraction("904.819")),
        (1, Fraction("301.606")),
    ]


def test_what_does_not_fit_follows_when_the_bit_is_toggled_and_is_repeated_when_not() -> None:
    values = {"active_energy_import": "1", "active_power": "2", "voltage_l1": "230"}
    party = MBusParty([electricity(values=values, most=34)])
    first, again = read(party, 1, toggle=True), read(party, 1, toggle=True)
    assert first.records == again.records
    assert first.more
    second = read(party, 1, toggle=False)
    assert second.records != first.records
    ask(party, mbus.reset(1))
    assert read(party, 1, toggle=True).records == first.records


def test_only_the_selected_meter_answers_at_253() -> None:
    party = MBusParty(
        [electricity(1, 12345678), electricity(1, 12345699), electricity(2, 87654321)]
    )
    assert ask(party, mbus.request(mbus.SELECTED, toggle=True)) == []
    assert ask(party, mbus.select(mbus.parse_secondary("1234567F"))) == [mbus.ACK]
    telegram = read(party, mbus.SELECTED)
    assert telegram.header.identity is not None
    assert telegram.header.identity.number == "12345678"
    assert len(ask(party, mbus.select(mbus.parse_secondary("123456FF")))) == 2  # both at once
    assert ask(party, mbus.select(mbus.parse_secondary("99999999"))) == []
    assert ask(party, mbus.request(mbus.SELECTED, toggle=True)) == []
    ask(party, mbus.select(mbus.parse_secondary("87654321")))
    assert ask(party, mbus.reset(mbus.SELECTED)) == [mbus.ACK]
    assert ask(party, mbus.request(mbus.SELECTED, toggle=True)) == []


def test_the_other_answers_of_an_mbus_meter_are_sound_frames_of_something_else() -> None:
    request, _ = MBusParty([]).find(mbus.request(1, toggle=True))
    assert request is not None
    (turn,) = MBusParty([electricity(1)]).turns(request, T_MS)
    assert mbus.find_answer(turn.other("foreign"), 1)[0] is None
    assert mbus.find_answer(turn.other("foreign"), 2)[0] is not None
    frame, _ = mbus.find_answer(turn.other("refusal"), 1)
    assert frame is not None
    with pytest.raises(mbus_records.ApplicationError, match="too busy"):
        mbus_records.decode(frame)
    assert turn.other("function") == mbus.ACK
