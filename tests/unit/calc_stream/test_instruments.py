"""Contracts cover what was used, hour by hour and once; what is claimed twice is refused."""

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calc_stream.factors import load
from calc_stream.factors.instruments import Instrument, covered
from wire.errors import ConfigError

HOUR = 3_600_000
PPA = Instrument(
    id="wind",
    type="ppa",
    source="grid",
    factor="cn-wind-footprint",
    valid_from_ms=0,
    valid_to_ms=4 * HOUR,
    publisher="p",
    document="contract",
    dated="2026",
    url="",
    hash="",
    volumes=("60",),
)
RESIDUAL = msgspec.structs.replace(
    PPA, id="rest", type="residual_mix", factor="cn-residual-co2", volumes=()
)


def parts(instruments, used):
    """Parts by hour and instrument, as decimals of what was used."""
    given = {at * HOUR: Fraction(amount) for at, amount in enumerate(used)}
    found = covered(instruments, "kWh", given)
    return [{one.id: part for one, part in found[t_ms]} for t_ms in given]


def test_an_hour_is_covered_up_to_its_volume_and_no_hour_lends_to_another() -> None:
    assert parts([PPA], [100, 50, 0, 60]) == [
        {"wind": Fraction(60, 100)},
        {"wind": 1},
        {},
        {"wind": 1},
    ]


def test_contracts_take_in_their_declared_order_and_the_residual_mix_the_rest() -> None:
    sun = msgspec.structs.replace(PPA, id="sun", volumes=("0", "30", "50", "10"))
    tenth = Fraction(1, 10)
    assert parts([RESIDUAL, PPA, sun], [100, 100, 100, 100]) == [
        {"wind": 6 * tenth, "rest": 4 * tenth},
        {"wind": 6 * tenth, "sun": 3 * tenth, "rest": tenth},
        {"wind": 6 * tenth, "sun": 4 * tenth},
        {"wind": 6 * tenth, "sun": tenth, "rest": 3 * tenth},
    ]
    assert parts([sun, PPA], [100, 100, 100, 100])[2] == {"sun": 5 * tenth, "wind": 5 * tenth}


def test_certificates_of_a_month_cover_all_its_hours_alike() -> None:
    month = msgspec.structs.replace(
        PPA,
        type="certificates",
        match="period",
        unit="MWh",
        volumes=("0.1",),
        certificates=("GEC-1",),
        certificate_volume="1",
    )
    assert parts([month], [100, 50, 0, 50]) == [{"wind": Fraction(1, 2)}] * 2 + [
        {},
        {"wind": Fraction(1, 2)},
    ]


def test_outside_its_validity_a_contract_covers_nothing() -> None:
    late = msgspec.structs.replace(PPA, valid_from_ms=HOUR, valid_to_ms=2 * HOUR)
    assert parts([late], [10, 10, 10]) == [{}, {"wind": 1}, {}]


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=4),
    st.lists(st.integers(0, 500), min_size=4, max_size=4),
    st.integers(0, 3000),
)
def test_nothing_is_covered_beyond_what_was_used_or_contracted(used, hourly, whole) -> None:
    by_hour = msgspec.structs.replace(PPA, volumes=tuple(map(str, hourly)))
    at_once = msgspec.structs.replace(PPA, id="month", match="period", volumes=(str(whole),))
    found = parts([by_hour, at_once], used)
    for at, (hour, amount) in enumerate(zip(found, used, strict=True)):
        assert sum(hour.values(), Fraction(0)) <= 1
        assert hour.get("wind", 0) * amount <= hourly[at]
    assert sum(h.get("month", 0) * u for h, u in zip(found, used, strict=True)) <= whole


FILE = """
format = 1
[documents.contract]
publisher = "Utility"
title = "PPA 7"
dated = "2026-01-01"
[[instruments]]
id = "wind"
type = "certificates"
source = "grid"
factor = "cn-wind-footprint"
valid_from = 2026-01-01T00:00:00+08:00
valid_to = 2026-01-02T00:00:00+08:00
volumes = ["50"]
certificates = ["GEC-1", "GEC-2"]
certificate_volume = "1000"
document = "contract"
[[instruments]]
id = "rest"
type = "residual_mix"
source = "grid"
factor = "cn-residual-co2"
valid_from = 2026-01-01T00:00:00+08:00
valid_to = 2027-01-01T00:00:00+08:00
document = "contract"
"""


def test_instruments_are_read_with_their_document(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(FILE)
    wind, rest = load(tmp_path).instruments
    assert (wind.id, wind.document, wind.volume()) == ("wind", "PPA 7", 24 * 50)
    assert rest.type == "residual_mix"


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('volumes = ["50"]', 'volumes = ["100"]', 15, "of 2000 kWh cannot cover 2400"),
        ('"GEC-1", "GEC-2"', '"GEC-1", "GEC-1"', 15, "'GEC-1' is used twice here"),
        ('certificates = ["GEC-1", "GEC-2"]\n', "", 7, "are missing"),
        ('volumes = ["50"]', 'volumes = ["50", "50"]', 14, "are 2; 1 or 24 are needed"),
        ('volumes = ["50"]', 'volumes = ["lots"]', 14, "'lots' is not a decimal string"),
        ('"cn-wind-footprint"', '"cn-tide"', 11, "there is no factor, series or entry 'cn-tide'"),
        ("valid_to = 2026-01-02", "valid_to = 2025-01-02", 13, "is not after valid_from"),
        ('document = "contract"\n[[', 'document = "x"\n[[', 17, "no [documents.x] here"),
        ('id = "rest"', 'id = "wind"', 19, "is already an id"),
    ],
)
def test_what_is_claimed_twice_or_beyond_is_refused(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    assert old in FILE
    (tmp_path / "ours.toml").write_text(FILE.replace(old, new))
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    message = str(refused.value)
    assert f"ours.toml:{line}: instruments." in message
    assert problem in message


def test_a_certificate_is_used_by_one_instrument_only(tmp_path: Path) -> None:
    second = FILE[FILE.index("[[instruments]]") : FILE.rindex("[[instruments]]")]
    second = second.replace('id = "wind"', 'id = "wind-2"').replace('"GEC-1"', '"GEC-3"')
    (tmp_path / "ours.toml").write_text(FILE + second)
    with pytest.raises(ConfigError, match="wind-2.certificates: 'GEC-2' is used by wind, too"):
        load(tmp_path)


def test_one_residual_mix_holds_at_a_time(tmp_path: Path) -> None:
    second = FILE[FILE.rindex("[[instruments]]") :].replace('id = "rest"', 'id = "rest-2"')
    (tmp_path / "ours.toml").write_text(FILE + second)
    with pytest.raises(ConfigError, match="rest-2.valid_from: overlaps residual mix rest"):
        load(tmp_path)
