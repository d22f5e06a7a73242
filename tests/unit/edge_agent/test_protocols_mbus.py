"""Frames others published, and their figures (`mbus_frames.toml` names the sources)."""

import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.protocols import mbus, mbus_dates, mbus_vif
from edge_agent.protocols.mbus import (
    ANY,
    SELECTED,
    Frame,
    Secondary,
    find_ack,
    find_answer,
    find_request,
    frame_bytes,
    parse_secondary,
)
from edge_agent.protocols.mbus_records import ApplicationError, Record, Telegram, decode, sender
from wire.errors import BadData

FRAMES: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in tomllib.loads((Path(__file__).parent / "mbus_frames.toml").read_text())["frame"]
}
KAMSTRUP = bytes.fromhex(FRAMES["kamstrup_multical_601"]["hex"])
NOISE = st.binary(max_size=12)


def found(data: bytes, address: int = ANY) -> Frame:
    frame, used = find_answer(data, address)
    assert frame is not None
    assert used == len(data)
    return frame


def read(name: str) -> Telegram:
    return decode(found(bytes.fromhex(FRAMES[name]["hex"])))


def records(name: str, kind: str) -> list[Record]:
    return [r for r in read(name).records if r.kind == kind]


def named(record: Record) -> str:
    function = "" if record.function == "instantaneous" else f" {record.function}"
    parts = (("s", record.storage), ("t", record.tariff), ("u", record.subunit))
    return record.kind + function + "".join(f" {letter}{n}" for letter, n in parts if n)


@pytest.mark.parametrize("name", FRAMES)
def test_a_published_telegram_says_what_was_published(name: str) -> None:
    telegram, expected = read(name), FRAMES[name]
    said = {named(r): r for r in telegram.records if not r.qualifiers}
    for key, text in expected["values"].items():
        figure, _, unit = text.partition(" ")
        assert (said[key].number, said[key].unit) == (Fraction(figure), unit), key
    identity = telegram.header.identity
    assert identity is not None
    says = (int(identity.number), telegram.header.manufacturer, identity.version)
    assert says == (expected["id"], expected.get("maker", ""), expected.get("version", 0))


# libmbus's error-frames, and two of its test-frames that it refuses.
HEAD = "68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00 03 13 15 31 00 DA 02 3B 13 01 8B"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (f"68 1C 1C {HEAD} 60 04 C7 16", "ends inside a value"),
        (f"68 1E 1E {HEAD} 60 04 37 18 16 16", "ends inside a value"),
        (f"68 1A 1A {HEAD} 63 16", "ends inside a value"),
        (f"68 1B 1B {HEAD} 60 C3 16", "ends inside a value"),
        (f"68 29 29 {HEAD} {'8B ' * 10} 60 04 37 18 02 86 16", "more than 10 DIFEs"),
        (f"68 2A 2A {HEAD} 60 {'84 ' * 11} 04 37 18 02 C4 16", "more than 10 VIFEs"),
        ("68 08 08 68 08 02 72 78 56 34 12 24 B4 16", "ends inside a value"),
        (
            "68 2E 2E 68 08 05 72 34 08 00 54 96 15 32 00 F2 00 00 00 01 FD 1B 00 02 FC 03 48 52 25 74"
            " D4 11 22 FC 03 48 52 25 74 C8 11 12 FC 13 48 52 25 74 B4 16 5B 16",
            "ends inside a value",
        ),
    ],
)
def test_a_telegram_that_is_not_built_as_it_says_is_bad_data(frame: str, why: str) -> None:
    with pytest.raises(BadData, match=why):
        decode(found(bytes.fromhex(frame)))


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ("68 04 04 68 08 01 70 08 81 16", 8, "application too busy"),
        ("68 04 04 68 08 01 70 00 79 16", 0, "unspecified error"),
        ("68 04 04 68 08 01 70 01 7A 16", 1, "CI field not implemented"),
    ],
)
def test_a_refusal_is_told_by_its_code(frame: str, code: int, said: str) -> None:
    with pytest.raises(ApplicationError, match=said) as refused:
        decode(found(bytes.fromhex(frame)))
    assert refused.value.code == code


def test_letters_in_the_digits_are_no_number_but_a_leading_f_is_a_minus() -> None:
    assert [r.number for r in records("abb_f95", "flow")] == [None]
    assert [r.number for r in records("ELS_Elster-F96-Plus", "power")] == [None]
    (difference,) = records("landis+gyr_ultraheat_t230", "temperature_difference")
    assert difference.number == Fraction("-0.2")


def test_pulses_of_a_test_output_are_no_volume() -> None:
    """Volume per pulse (VIFE 28): libmbus shows 0.000008 m3 of water."""
    volumes = records("EFE_Engelmann-WaterStar", "volume")
    assert [(r.storage, r.number) for r in volumes if not r.storage] == [(0, Fraction("0.332"))]


def test_the_time_of_a_maximum_is_no_power() -> None:
    maxima = [r for r in records("landis+gyr_ultraheat_t230", "power") if r.function == "maximum"]
    assert [r.qualifiers for r in maxima] == ["", ""]
    times = [r for r in records("landis+gyr_ultraheat_t230", "time_point") if r.qualifiers == "6f"]
    assert [str(r.raw) for r in times][2:] == ["2011-08-26 20:50:00", "2011-08-09 11:43:00"]


def test_a_phase_is_kept_apart_from_the_total() -> None:
    volts = records("EMU_EMU-Professional-375-M-Bus", "voltage")
    now = {r.qualifiers: r.number for r in volts if r.function == "instantaneous"}
    assert now == {"ff01": Fraction("225.7"), "ff02": 0, "ff03": 0}
    powers = {(r.subunit, r.qualifiers): r.number for r in records("EMU_EMU-Professional-375-M-Bus", "power")}  # fmt: skip
    assert (powers[0, ""], powers[0, "ff01"], powers[2, ""]) == (-2, -2, 14)


def test_dates_texts_and_the_makers_own_unit() -> None:
    assert [r.raw for r in records("kamstrup_multical_601", "date")] == [date(2010, 12, 31)]
    assert str(records("kamstrup_multical_601", "time_point")[0].raw) == "2011-01-05 15:26:00"
    assert records("LGB_G350", "fabrication_number")[0].raw == "G0017591208205814"
    humidity = records("elv_temp_humid", "plain_text")
    assert (humidity[0].unit, humidity[0].number) == ("%RH", Fraction("45.64"))
    customer = records("ACW_Itron-CYBLE-M-Bus-14", "plain_text")
    assert (customer[0].unit, customer[0].raw) == ("cust. ID", "09LA076755")


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ("9F 2C", date(2020, 12, 31)),
        ("7F CC", date(1999, 12, 31)),  # a year above 80 is of the last century
        ("FF FC", None),  # every year
        ("1A 0F 65 11", "2011-01-05 15:26:00"),  # of the Multical 601's telegram
        ("9A 0F 65 11", None),  # marked as invalid
        ("00 1A 0F 65 11 00", "2011-01-05 15:26:00"),
        ("00 9A 0F 65 11 00", None),
    ],
)
def test_a_date_and_what_marks_it_as_none(data: str, read: date | str | None) -> None:
    """Types G, F and I of EN 13757-3."""
    said = mbus_dates.read(bytes.fromhex(data))
    assert (str(said) if isinstance(read, str) else said) == read


@pytest.mark.parametrize(
    ("status", "now", "storages"),
    [("00", "0.135", [0, 1]), ("01", "0.309", [0, 1]), ("02", "0.135", [1, 1])],
)
def test_the_status_of_a_fixed_telegram_says_how_its_counters_are_written(
    status: str, now: str, storages: list[int]
) -> None:
    """The example of the M-Bus documentation, 6.2; bit 0: binary, bit 1: of a fixed date."""
    data = bytes.fromhex(f"78 56 34 12 0A {status} E9 7E 01 00 00 00 35 01 00 00")
    first, second = decode(Frame(0x08, 5, 0x73, data)).records
    assert (first.number, second.number) == (Fraction("0.001"), Fraction(now))
    assert [first.storage, second.storage] == storages


def test_a_number_of_variable_length_may_be_negative() -> None:
    record = bytes.fromhex("0D 2B D2 34 12")  # LVAR D2: two bytes of digits, below zero
    assert decode(Frame(0x08, 1, 0x78, record)).records[0].number == -1234


def test_flags_are_no_signed_number() -> None:
    (record,) = decode(Frame(0x08, 1, 0x78, bytes.fromhex("02 FD 17 00 80"))).records
    assert record.raw == 0x8000


def test_a_text_may_stand_behind_the_extensions() -> None:
    """libmbus example_plain_text_placement."""
    data = bytes.fromhex("78 56 34 12 24 40 01 07 55 00 00 00 03 FC 20 03 43 42 41 15 31 00")
    (record,) = decode(Frame(0x08, 2, 0x72, data)).records
    assert record.raw == 12565
    assert record.kind == "unknown"


def test_more_telegrams_are_announced() -> None:
    assert read("abb_delta").more
    assert read("elv_temp_humid").more
    assert not read("kamstrup_multical_601").more


def test_media_and_makers() -> None:
    said = {name: read(name).header.medium for name in FRAMES}
    assert said["kamstrup_multical_601"] == "heat"
    assert said["LGB_G350"] == said["itron_cyble_m-bus_v1.4_gas"] == said["oms_frame1"] == "gas"
    assert said["EMU_EMU-Professional-375-M-Bus"] == "electricity"
    assert said["manual_frame2"] == said["ACW_Itron-CYBLE-M-Bus-14"] == "water"
    assert said["sen_pollusonic_2"] == "heat"


def test_a_frame_without_a_long_header() -> None:
    """OMS's short header (CI 7A) and none (78), around the same record."""
    record = bytes.fromhex("0C 14 27 04 85 02")
    short = decode(Frame(0x08, 1, 0x7A, bytes.fromhex("2A 00 00 00") + record))
    assert (short.header.identity, short.header.access) == (None, 0x2A)
    assert decode(Frame(0x08, 1, 0x78, record)).records == short.records
    assert short.records[0].number == Fraction("28504.27")


@pytest.mark.parametrize("mode", ["05", "07", "0D"])
def test_an_encrypted_telegram_says_so(mode: str) -> None:
    head = bytes.fromhex(f"78 56 34 12 93 15 33 03 2A 00 20 {mode}")
    with pytest.raises(BadData, match="is encrypted"):
        decode(Frame(0x08, 1, 0x72, head + bytes(32)))


@pytest.mark.parametrize(
    ("vib", "kind", "unit", "scale"),
    [
        ("0E", "energy", "kWh", Fraction(1_000_000, 3_600_000)),  # 1 MJ
        ("FB 09", "energy", "kWh", Fraction(10**9, 3_600_000)),  # 1 GJ
        ("FB 01", "energy", "kWh", Fraction(1000)),
        ("FB 02", "reactive_energy", "kvarh", Fraction(1)),
        ("FB 17", "reactive_power", "var", Fraction(1000)),
        ("FB 2D", "frequency", "Hz", Fraction(1, 100)),
        ("35", "power", "W", Fraction(100_000, 3600)),  # 0.1 MJ/h
        ("46", "flow", "m3/h", Fraction(6)),  # 0.1 m3/min
        ("4C", "flow", "m3/h", Fraction(36, 1000)),  # 10 ml/s
        ("1E", "mass", "t", Fraction(1)),
        ("93 75", "volume", "m3", Fraction(1, 10_000)),  # 1 l, corrected by 1/10
        ("93 7D", "volume", "m3", Fraction(1)),  # 1 l, thousandfold
        ("93 3E", "volume", "m3", Fraction(1, 1000)),  # at base conditions
        ("93 22", "unknown", "", Fraction(1)),  # per hour
        ("1B", "mass", "t", Fraction(1, 1000)),
    ],
)
def test_value_information(vib: str, kind: str, unit: str, scale: Fraction) -> None:
    """Of the tables of EN 13757-3; the ways from J and from minutes are those no double has."""
    said = mbus_vif.meaning(bytes.fromhex(vib))
    assert (said.kind, said.unit, said.scale) == (kind, unit, scale)


def test_an_error_code_means_not_measured() -> None:
    for extension in ("15", "18"):  # no data, data error
        record = bytes.fromhex(f"04 86 {extension} 39 30 00 00")
        assert decode(Frame(0x08, 1, 0x78, record)).records[0].number is None
    assert decode(Frame(0x08, 1, 0x78, bytes.fromhex("02 06 00 80"))).records[0].number is None
    assert decode(Frame(0x08, 1, 0x78, bytes.fromhex("05 06 00 00 C0 7F"))).records[0].raw is None


# Short frames of the Eastron SDM120-Mbus protocol document V1.2.
def test_published_requests() -> None:
    assert mbus.reset(254) == bytes.fromhex("10 40 FE 3E 16")
    assert mbus.reset(253) == bytes.fromhex("10 40 FD 3D 16")
    assert mbus.request(254, toggle=False) == bytes.fromhex("10 5B FE 59 16")  # ABB A43 manual
    assert mbus.request(254, toggle=True) == bytes.fromhex("10 7B FE 79 16")
    assert find_request(b"\0" + mbus.request(5, toggle=True)) == (Frame(0x7B, 5), 6)


def test_a_secondary_address_is_selected_as_published() -> None:
    """The M-Bus documentation, 7.1: 68 0B 0B 68 53 FD 52 ID1-4 Man1-2 Gen Med CS 16."""
    kamstrup = parse_secondary("068558172D2C0804")
    assert mbus.select(kamstrup)[:15] == bytes.fromhex(
        "68 0B 0B 68 53 FD 52 17 58 85 06 2D 2C 08 04"
    )
    assert sender(found(KAMSTRUP)) == kamstrup
    assert str(kamstrup) == "068558172D2C0804"
    frame, _ = find_request(mbus.select(parse_secondary("0685FFFF")))
    assert frame is not None
    mask = mbus.selected(frame)
    assert mask == Secondary("0685FFFF")
    assert mask.covers(kamstrup)
    assert not Secondary("0686FFFF").covers(kamstrup)
    assert not Secondary("FFFFFFFF", medium=7).covers(kamstrup)


@pytest.mark.parametrize("text", ["", "123", "1234567G", "06855817KAM0804", "068558172D2C08"])
def test_no_secondary_address(text: str) -> None:
    with pytest.raises(ValueError, match="8 or 16 digits"):
        parse_secondary(text)


@given(NOISE, NOISE)
def test_noise_around_an_answer_does_not_hide_it(before: bytes, after: bytes) -> None:
    frame, used = find_answer(before + KAMSTRUP + after, 17)
    assert frame is not None
    assert len(decode(frame).records) == 27
    assert used == len(before) + len(KAMSTRUP)


@given(st.integers(0, len(KAMSTRUP) - 1), NOISE)
def test_bytes_that_may_begin_an_answer_are_never_forgotten(cut: int, before: bytes) -> None:
    part = before + KAMSTRUP[:cut]
    frame, used = find_answer(part, 17)
    assert frame is None
    assert find_answer(part[used:] + KAMSTRUP[cut:], 17)[0] is not None


@given(st.integers(0, len(KAMSTRUP) - 1), st.integers(0, 7))
def test_one_flipped_bit_is_no_answer(at: int, bit: int) -> None:
    broken = bytearray(KAMSTRUP)
    broken[at] ^= 1 << bit
    assert find_answer(bytes(broken), 17)[0] is None


def test_the_echo_of_a_selection_is_no_answer() -> None:
    asked = mbus.select(parse_secondary("12345678"))
    assert find_answer(asked, SELECTED)[0] is None


@pytest.mark.parametrize("control", [0x18, 0x28, 0x38])
def test_a_meter_may_add_that_it_has_urgent_data_or_is_busy(control: int) -> None:
    frame = found(KAMSTRUP)
    answer = frame_bytes(Frame(control, frame.address, frame.ci, frame.data))
    assert find_answer(answer, frame.address)[0] is not None


def test_another_meters_answer_is_none() -> None:
    assert find_answer(KAMSTRUP, 18) == (None, len(KAMSTRUP))
    assert find_answer(mbus.request(17, toggle=True), 17)[0] is None
    assert find_answer(KAMSTRUP, SELECTED)[0] is not None


@given(NOISE)
def test_an_acknowledgement_is_found_behind_an_echo(after: bytes) -> None:
    sent = mbus.select(parse_secondary("E5E5E5E5"))
    assert find_ack(sent, sent) == (None, 0)
    assert find_ack(sent[:9], sent) == (None, 0)
    assert find_ack(sent + b"\xe5" + after, sent) == (b"\xe5", len(sent) + 1)
    assert find_ack(b"\xe5", sent) == (b"\xe5", 1)


@given(
    st.sampled_from([0x40, 0x5B, 0x7B, 0x53]),
    st.integers(0, 255),
    st.none() | st.tuples(st.integers(0, 255), st.binary(max_size=252)),
)
def test_both_ends_understand_each_other(
    control: int, address: int, rest: tuple[int, bytes] | None
) -> None:
    frame = Frame(control, address, *(rest or ()))
    data = frame_bytes(frame)
    assert find_request(data) == (frame, len(data))


@given(st.sampled_from([0x70, 0x72, 0x73, 0x76, 0x77, 0x78, 0x7A, 0x51]), st.binary(max_size=252))
def test_whatever_a_frame_holds_it_is_read_or_it_is_bad_data(ci: int, data: bytes) -> None:
    frame = Frame(0x08, 1, ci, data)
    sender(frame)
    try:
        telegram = decode(frame)
    except BadData:
        return
    for record in telegram.records:
        assert record.number is None or isinstance(record.number, Fraction)


@given(st.sampled_from(sorted(FRAMES)), st.data())
def test_a_damaged_telegram_with_a_sound_check_sum_breaks_nothing(name: str, data: st.DataObject) -> None:  # fmt: skip
    frame = found(bytes.fromhex(FRAMES[name]["hex"]))
    body = bytearray(frame.data)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        telegram = decode(Frame(frame.control, frame.address, frame.ci, bytes(body)))
    except BadData:
        return
    assert all(r.number is None or isinstance(r.number, Fraction) for r in telegram.records)
