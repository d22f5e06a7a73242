"""Which points of a series are compared, what each replaced, and which bytes its signature is of."""

import base64
import json
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from calc_stream.__main__ import main
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.period import named_period
from calc_stream.footprints.series import Run, check, series_of, sign
from tests.unit.calc_stream_live.test_kpi import ZONE, month
from wire.errors import BadData
from wire.signing import SigningKey


def runs(*published: Footprint) -> tuple[Run, ...]:
    return series_of("s", "p", published, {}).runs


def test_a_run_says_what_differs_from_the_one_just_before_it() -> None:
    first = month("2026-08", "7")
    second = month("2026-09", "7", gwp="AR5")
    third = month("2026-10", "7", gwp="AR5", models=("another",))
    assert [run.breaks for run in runs(first, second, third)] == [(), ("gwp",), ("models",)]


def test_units_that_a_product_is_counted_in_are_runs_of_their_own() -> None:
    months = [
        month(name, "7", unit=unit) for name in ("2026-09", "2026-10") for unit in ("piece", "kg")
    ]
    found = runs(*months)
    assert [(run.constant.unit, len(run.points)) for run in found] == [("piece", 2), ("kg", 2)]


def test_a_quarter_is_told_from_a_month_and_a_year() -> None:
    found = runs(month("2026-Q3", "7"), month("2026-07", "7"), month("2026", "7"))
    assert {run.constant.every for run in found} == {"quarter", "month", "year"}


def test_nothing_is_compared_with_nothing() -> None:
    (run,) = runs(month("2026-09", "0"), month("2026-10", "7"), month("2026-11", "0"))
    assert [point.change_percent for point in run.points] == [None, None, "-100"]


def test_a_figure_of_another_period_that_was_superseded_names_it() -> None:
    before = month("2026-10", "7")
    (run,) = runs(before, month("2026-11", "6", before))
    (point,) = run.points
    assert [(s.kg_co2e, s.period) for s in point.superseded] == [("7", "2026-10")]


def test_the_periods_asked_for_begin_before_the_end() -> None:
    months = [month(name, "7") for name in ("2026-09", "2026-10", "2026-11")]
    september, november = (named_period(name, ZONE).start_ms for name in ("2026-09", "2026-11"))
    (run,) = series_of("s", "p", months, {}, (september, november)).runs
    assert [point.period for point in run.points] == ["2026-09", "2026-10"]


def test_what_is_signed_is_a_head_line_and_the_series() -> None:
    """Checked by another library; without the line something else the key signs could pass for it."""
    key = SigningKey.new()
    signed = sign(series_of("s", "p", [month("2026-10", "7")], {}), key)
    said = json.dumps(json.loads(msgspec.json.encode(signed))["series"], separators=(",", ":"))
    public = Ed25519PublicKey.from_public_bytes(key.public.raw)
    public.verify(base64.b64decode(signed.signature), b"wattprint kpi 1\n" + said.encode())


def test_a_signature_is_written_one_way() -> None:
    key = SigningKey(bytes(32))
    signed = sign(series_of("s", "p", [month("2026-10", "7")], {}), key)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = digits[digits.index(signed.signature[-3]) ^ 1]
    for text, why in (
        (f"{signed.signature[:-3]}{last}==", "the one way base64 has"),
        ("é" * 88, "is not base64"),
    ):
        with pytest.raises(BadData, match=why):
            check(msgspec.structs.replace(signed, signature=text), key.public)


@pytest.mark.parametrize("place", [(), ("series",), ("series", "runs", 0, "points", 0)])
def test_a_file_that_says_more_than_is_signed_is_refused(
    place: tuple[str | int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, file = SigningKey.new(), tmp_path / "series.json"
    told = json.loads(
        msgspec.json.encode(sign(series_of("s", "p", [month("2026-10", "7")], {}), key))
    )
    words = ["kpi", "--verify", str(file), "--key", str(key.public)]
    file.write_text(json.dumps(told, indent=2))
    assert main(words) == 0
    part = told
    for step in place:
        part = part[step]
    part["audited_by"] = "a bank"
    file.write_text(json.dumps(told))
    assert main(words) == 1
    assert "says more than a signed series does" in capsys.readouterr().out
