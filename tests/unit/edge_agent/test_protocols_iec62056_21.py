"""Read-outs others published (`iec62056_21_readouts.toml` says who)."""

import tomllib
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols import iec62056_21 as codec
from edge_agent.protocols.iec62056_21 import (
    Identification,
    Item,
    find_identification,
    find_readout,
    items,
    ratio,
    readout_bytes,
    seven_bits,
    with_parity,
)

READOUTS: dict[str, dict[str, str]] = {
    each["name"]: each
    for each in tomllib.loads((Path(__file__).parent / "iec62056_21_readouts.toml").read_text())[
        "readout"
    ]
}


def text_of(name: str) -> str:
    return READOUTS[name]["text"].replace("\n", "\r\n")


def said_of(name: str) -> bytes:
    return b"\x02" + text_of(name).encode() + b"\x03" + READOUTS[name]["check"].encode()


LEM, UH50, ZMD = (text_of(n) for n in ("lem_em4tii", "landis_gyr_uh50", "landis_gyr_zmd120"))
LEM_SAID, UH50_SAID = said_of("lem_em4tii"), said_of("landis_gyr_uh50")


def by_code(text: str) -> dict[str, Item]:
    return {item.reduced: item for item in items(text)}


@pytest.mark.parametrize(("said", "text"), [(LEM_SAID, LEM), (UH50_SAID, UH50)])
def test_a_published_read_out_has_a_sound_check(said: bytes, text: str) -> None:
    assert find_readout(said) == (text, len(said)), "as an adapter gives it that removes parity"
    assert find_readout(with_parity(said)) == (text, len(said))
    assert readout_bytes(text) == with_parity(said)


def test_electricity_in_long_codes() -> None:
    said = by_code(LEM)
    assert said["1.8.0"] == Item("1-0:1.8.0*255", ("000000000.0*kWh",))
    assert (said["1.8.0"].number, said["1.8.0"].unit) == (Decimal(0), "kWh")
    assert said["C.1.0"].texts == ("03878504",)
    assert said["1-0:0.2.1*50"].number is None, "another value than the present one keeps its mark"
    assert said["0.0.1"].texts == ("",)
    assert (said["0.3.0"].number, said["0.3.0"].unit) == (Decimal("6.00"), "Imp/kWh")


def test_electricity_in_short_codes() -> None:
    said = by_code(ZMD)
    energies = {code: said[code].number for code in ("1.8.0", "2.8.0", "1.8.1", "2.8.2")}
    assert energies == {
        "1.8.0": Decimal("1846.0"),
        "2.8.0": Decimal("4329.6"),
        "1.8.1": Decimal("1846.0"),
        "2.8.2": Decimal(0),
    }
    assert said["0.0.0"].texts[0].strip() == "20000"


def test_heat_and_its_history() -> None:
    said = by_code(UH50)
    assert (said["6.8"].number, said["6.8"].unit) == (Decimal("328.871"), "GJ")
    assert said["6.8*01"].number == Decimal("314.658")
    assert said["6.26"].number == Decimal("3329.67")
    assert said["6.8.1"].number is None, "an empty tariff is not zero"
    assert said["9.4"].number is None, "two numbers in one bracket are none"
    assert said["9.36"].number is None
    assert len(list(items(UH50))) == UH50.count("(")


def test_what_other_meters_write() -> None:
    """Hager EHZ (go-iec62056), Kamstrup 382 (piggymeter issue 4), Apator (RIOT 22033)."""
    assert next(items("1-0:41.7.0*255(+00026*W)")).number == 26
    assert next(items("1.6(000007,4*kW)")).number == Decimal("7.4")
    assert next(items("1-0:1.8.0*255(000001.2963)")).unit == ""
    apator = list(
        items("1.8.0*00(007900.58)\r\nC.2.1(1107113C2E06)(      )\r\n0.2.2(:::::G11)!\r\n")
    )
    assert [i.reduced for i in apator] == ["1.8.0*00", "C.2.1", "0.2.2"]
    assert apator[1].texts == ("1107113C2E06", "      ")


@pytest.mark.parametrize("text", ["ERROR", "------", "ER05", "12:30:00", "*kWh", "", "1.2.3", "0x10", "1e3*kWh"])  # fmt: skip
def test_an_error_text_is_not_measured(text: str) -> None:
    assert Item("1.8.0", (text,)).number is None


@pytest.mark.parametrize(
    ("said", "letter", "confirmed", "announced", "plain"),
    [
        (b"/EMH5\\@D4EM4TIIW001--\r\n", "5", 9600, None, False),
        (b"/LGZ4\\2ZMD3104100\r\n", "4", 4800, None, False),  # Landis+Gyr E650 manual, p. 60
        (b"/ACE0\\3k260V01.19\r\n", "0", 300, None, False),  # vzlogger
        (b"/LUGCUH50\r\n", "C", None, 2400, False),
        (b"/KAM 685-382-QR-10\r\n", " ", None, None, True),  # piggymeter issue 4: «protocol: A»
    ],
)
def test_an_identification_says_how_it_goes_on(
    said: bytes, letter: str, confirmed: int | None, announced: int | None, plain: bool
) -> None:
    # vzlogger: noise, and the echo of an optical head.
    for heard in (said, b"\x7f\x7f/?!\r\n" + said):
        for data in (heard, with_parity(heard)):
            found, used = find_identification(data)
            assert found is not None
            assert used == len(data)
            assert (found.letter, found.confirmed_baud, found.announced_baud) == (
                letter,
                confirmed,
                announced,
            )
            assert found.may_be_plain == plain
            assert codec.identification_bytes(found) == with_parity(said)


def test_published_requests() -> None:
    """LEM EM4TII manual; Landis+Gyr manuals; pwitab/iec62056-21 tests."""
    assert seven_bits(codec.request()) == b"/?!\r\n"
    assert seven_bits(codec.request("45678903")) == b"/?45678903!\r\n"
    assert seven_bits(codec.acknowledge("5")) == b"\x06050\r\n"
    assert codec.request() == bytes.fromhex("AF 3F 21 8D 0A"), "even parity in the eighth bit"
    assert codec.letter_of(300) == "0"
    assert codec.letter_of(115200) is None


def test_published_checks() -> None:
    """LEM EM4TII manual: SOH B0 ETX q; SOH P0 STX () ETX `. pwitab/iec62056-21: P0 (1234567) P."""
    for block, check in (
        (b"B0\x03", b"q"),
        (b"P0\x02()\x03", b"`"),
        (b"P0\x02(1234567)\x03", b"P"),
    ):
        assert bytes((reduce(xor, block),)) == check
    said = b'\x023:14(314*kWh)4:15(415*kWh)\r\n!\r\n\x03"'  # pwitab tests/test_data.py
    assert find_readout(said) == ("3:14(314*kWh)4:15(415*kWh)\r\n!\r\n", len(said))
    assert find_readout(said[:-1] + b"x") == (None, 0)


def test_two_equal_characters_that_are_damaged_alike_cancel_out_in_no_check() -> None:
    good = readout_bytes("1.8.0(000*kWh)\r\n!\r\n")
    bad = bytearray(good)
    for at in (7, 8):  # two of the zeros
        bad[at] ^= 0x01
    assert find_readout(good)[0] is not None
    assert find_readout(bytes(bad)) == (None, 0)


def test_behind_the_mark_that_ends_the_values_is_none() -> None:
    assert [item.code for item in items("1.8.0(1*kWh)\r\n!\r\n2.8.0(2*kWh)\r\n")] == ["1.8.0"]


def test_without_a_check_only_where_the_identification_allows_it() -> None:
    plain = ZMD.encode()
    assert find_readout(plain) == (None, 0)
    assert find_readout(plain, may_be_plain=True) == (ZMD, len(plain))
    broken = UH50_SAID[:-1] + b"x"
    assert find_readout(broken, may_be_plain=True) == (None, 0), "a check that came must be right"


@given(st.integers(0, len(UH50_SAID) - 1), st.integers(0, 7))
def test_one_flipped_bit_is_no_read_out(at: int, bit: int) -> None:
    said = bytearray(with_parity(UH50_SAID))
    said[at] ^= 1 << bit
    assert find_readout(bytes(said))[0] is None


@given(st.integers(0, len(LEM_SAID) - 1))
def test_a_part_is_not_the_whole(cut: int) -> None:
    assert find_readout(with_parity(LEM_SAID)[:cut]) == (None, 0)


def test_a_frame_of_nothing_in_noise_hides_no_read_out() -> None:
    nothing = bytes((2, 3, 3))  # its check is right
    assert find_readout(with_parity(nothing)) == (None, 0)
    text, used = find_readout(with_parity(nothing + LEM_SAID))
    assert text is not None
    assert text.startswith("1-")
    assert used == len(nothing) + len(LEM_SAID)


@given(st.binary(max_size=20).filter(lambda noise: 2 not in noise))
def test_noise_before_a_read_out_does_not_hide_it(noise: bytes) -> None:
    text, used = find_readout(with_parity(noise + LEM_SAID))
    assert text == LEM
    assert used == len(noise) + len(LEM_SAID)


@pytest.mark.parametrize(
    ("unit", "to", "expected"),
    [
        ("GJ", "kWh", Fraction(10**6, 3600)),
        ("MWh", "kWh", Fraction(1000)),
        ("kW", "W", Fraction(1000)),
        ("m3ph", "m3/h", Fraction(1)),
        ("kWh", "kvarh", None),
        ("Imp/kWh", "kWh", None),
    ],
)
def test_units(unit: str, to: str, expected: Fraction | None) -> None:
    assert ratio(unit, to) == expected


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="()!/"), max_size=12)  # fmt: skip


@given(st.lists(st.tuples(TEXT.map(str.strip), TEXT), max_size=20))
def test_both_ends_understand_each_other(values: list[tuple[str, str]]) -> None:
    text = "".join(f"{code}({value})\r\n" for code, value in values) + "!\r\n"
    data = readout_bytes(text)
    assert find_readout(data) == (text, len(data))
    assert [(i.code, i.texts[0]) for i in items(text)] == values


@given(st.sampled_from("0123456789ABCDEFX "), TEXT)
def test_an_identification_is_understood(letter: str, text: str) -> None:
    said = Identification("LGZ", letter, text)
    data = codec.identification_bytes(said)
    assert find_identification(data) == (said, len(data))


@given(st.binary(max_size=200))
def test_whatever_comes_nothing_breaks(data: bytes) -> None:
    find_identification(data)
    text, used = find_readout(data, may_be_plain=True)
    assert used <= len(data)
    for item in items(text or data.decode("latin-1")):
        assert item.number is None or item.number.is_finite()
