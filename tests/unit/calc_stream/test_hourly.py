"""Hourly factors are judged line by line before they become a factor file."""

import hashlib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from calc_stream.__main__ import main
from calc_stream.factors import ProductFactor, load
from calc_stream.factors.hourly import read_hours
from wire.errors import ConfigError

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = "time,value,unit\n"


def lines(*hours: str, unit: str = "kgCO2e/kWh") -> str:
    return HEAD + "".join(f"{hour},0.{at + 1},{unit}\n" for at, hour in enumerate(hours))


def test_an_hour_each_in_order_with_an_offset() -> None:
    found = read_hours(lines("2026-01-01T00:00+08:00", "2026-01-01T01:00+08:00"), "x.csv")
    assert found.begin.isoformat() == "2026-01-01T00:00:00+08:00"
    assert (found.unit, found.values) == ("kgCO2e/kWh", ("0.1", "0.2"))


def test_the_hour_that_summer_time_repeats_stands_twice() -> None:
    autumn = [f"2026-10-25T{hour:02d}:00" for hour in (0, 1, 2, 2, 3)]
    assert len(read_hours(lines(*autumn), "x.csv", BERLIN).values) == 5
    spring = [f"2026-03-29T{hour:02d}:00" for hour in (0, 1, 3, 4)]
    assert len(read_hours(lines(*spring), "x.csv", BERLIN).values) == 4


def test_grams_and_tonnes_become_kilograms_exactly() -> None:
    text = HEAD + "2026-01-01T00:00Z,512.3,gCO2e/kWh\n"
    assert read_hours(text, "x.csv").values == ("0.5123",)
    text = "time,value\n2026-01-01T00:00Z,0.5123\n"
    found = read_hours(text, "x.csv", unit="tCO2/MWh")
    assert (found.unit, found.values) == ("kgCO2/MWh", ("512.3",))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "header"),
        ("when,value\n", 1, "must be time,value or time,value,unit"),
        (HEAD, 1, "no hour stands below the header"),
        (lines("2026-01-01T00:00Z") + "2026-01-01T01:00Z,0.2\n", 3, "has 2 cells, the header 3"),
        (lines("yesterday"), 2, "'yesterday' is not a time"),
        (lines("2026-01-01T00:07Z"), 2, "is no begin of an hour"),
        (lines("2026-03-29T02:00"), 2, "does not exist in Europe/Berlin"),
        (
            lines("2026-10-25T02:00", "2026-10-25T03:00"),
            3,
            "1 hours are missing from 2026-10-25T02",
        ),
        (lines("2026-10-25T02:00", "2026-10-25T02:00", "2026-10-25T02:00"), 4, "stands twice"),
        (lines("2026-01-01T00:00Z", "2026-01-01T04:00Z"), 3, "3 hours are missing from"),
        (lines("2026-01-01T01:00Z", "2026-01-01T00:00Z"), 3, "is out of order; sort the file"),
        (lines("2026-01-01T00:00Z", "2026-01-01T00:30Z"), 3, "is no hour after"),
        (lines("2026-01-01T00:00Z", unit="kgCO2e/horse"), 2, "is per no known unit"),
        (lines("2026-01-01T00:00Z", unit="lbCO2e/kWh"), 2, "is not a mass such as kgCO2e/kWh"),
        (lines("2026-01-01T00:00Z", unit=""), 2, "add a column unit, or tell the unit"),
        (
            lines("2026-01-01T00:00Z") + "2026-01-01T01:00Z,0.2,gCO2e/kWh\n",
            3,
            "is gCO2e/kWh, but kgCO2e/kWh before",
        ),
        (HEAD + "2026-01-01T00:00Z,-0.1,kgCO2e/kWh\n", 2, "must be a finite number from 0 up"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_hours(text, "x.csv", BERLIN)
    message = str(refused.value)
    assert message.startswith(f"x.csv:{line}: ")
    assert problem in message


def test_a_time_without_offset_needs_a_zone() -> None:
    with pytest.raises(ConfigError, match="x.csv:2: time: .* has no offset; add it, or name the"):
        read_hours(lines("2026-01-01T00:00"), "x.csv")


def imported(tmp_path: Path, csv: str, *more: str) -> int:
    (tmp_path / "hourly.csv").write_text(csv)
    (tmp_path / "disclosure.pdf").write_bytes(b"the document")
    out = tmp_path / "own" / "hourly.toml"
    out.parent.mkdir(exist_ok=True)
    return main(
        [
            *("factors", "import", str(tmp_path / "hourly.csv"), "--series", "our-grid"),
            *("--region", "DE", "--kind", "product_footprint", "--stage", "life_cycle"),
            *("--document", str(tmp_path / "disclosure.pdf"), "--publisher", "Utility"),
            *("--title", 'Disclosure "2026"', "--dated", "2027-01-15", "--out", str(out), *more),
        ]
    )


def test_an_imported_file_is_a_factor_file_with_the_documents_hash(tmp_path: Path) -> None:
    autumn = lines(*(f"2026-10-25T{hour:02d}:00" for hour in (0, 1, 2, 2, 3)))
    assert imported(tmp_path, autumn, "--timezone", "Europe/Berlin") == 0
    factors = load(tmp_path / "own")
    (row,) = factors.named("our-grid")
    assert (row.document, row.region, row.hours) == (
        *('Disclosure "2026"', "DE", ("0.1", "0.2", "0.3", "0.4", "0.5")),
    )
    assert row.hash == hashlib.sha256(b"the document").hexdigest()
    second_2_am = row.valid_from_ms + 3 * 3_600_000
    assert factors.at("our-grid", second_2_am, ProductFactor)[0].value == "0.4"


def test_what_cannot_be_loaded_with_the_other_files_is_not_left_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = lines("2026-01-01T00:00Z", "2026-01-01T01:00Z")
    assert imported(tmp_path, two) == 0
    (tmp_path / "own" / "hourly.toml").rename(tmp_path / "own" / "first.toml")
    assert imported(tmp_path, two) == 2
    assert "is already an id in first.toml" in capsys.readouterr().err
    assert not (tmp_path / "own" / "hourly.toml").exists()
    assert imported(tmp_path, lines("2026-01-01T00:00"), "--timezone", "Mars/Olympus") == 2
    assert "'Mars/Olympus' is no time zone" in capsys.readouterr().err


def test_a_file_that_was_there_stays_when_what_would_take_its_place_cannot_be_loaded(
    tmp_path: Path,
) -> None:
    assert imported(tmp_path, lines("2026-01-01T00:00Z")) == 0
    out = tmp_path / "own" / "hourly.toml"
    before = out.read_bytes()
    other = before.replace(b"20260101t0000", b"20260101t0100").replace(b"01-01T00", b"01-01T01")
    (tmp_path / "own" / "next.toml").write_bytes(other)
    assert load(tmp_path / "own").named("our-grid")
    assert imported(tmp_path, lines("2026-01-01T00:00Z", "2026-01-01T01:00Z")) == 2  # overlaps
    assert out.read_bytes() == before
