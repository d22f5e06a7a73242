"""Every folder under compute/ is a test: its files in, the bytes of expected.json out.

A README in it computes the figures by hand. Several model files are versions; own factors go with
the method gbt24067.
"""

import argparse
import json
from pathlib import Path

import pytest

from calc_stream.commands import compute

CASES = sorted(path for path in (Path(__file__).parent / "compute").iterdir() if path.is_dir())


def run(case: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    args = [word for path in sorted(case.glob("model*.toml")) for word in ("--model", str(path))]
    args += ["--events", f"{case}/events.jsonl"]
    if (case / "factors").is_dir():
        args += ["--factors", f"{case}/factors", "--method", "gbt24067"]
    return compute.run(parser.parse_args([*args, "--readings", f"{case}/readings.jsonl", *more]))


def test_there_are_cases() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compute_prints_what_was_expected(case: Path, capfdbinary) -> None:
    assert run(case, "--json") == 0
    out, err = capfdbinary.readouterr()
    assert err == b""
    assert out == (case / "expected.json").read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_names_every_account(case: Path, capfd) -> None:
    assert run(case) == 0
    out = capfd.readouterr().out
    expected = json.loads((case / "expected.json").read_text())
    for account in expected["accounts"]:
        kind, _, name = account.partition(":")
        assert f"batch {name}  " in out if kind == "batch" else account in out.split("\n")
    assert all(f"closure {source}: 0.000000" in out for source in expected["sources"])


def test_a_method_needs_a_factor_for_every_source(capfd) -> None:
    case = Path(__file__).parent / "compute" / "worked_4_one_meter"
    assert run(case, "--method", "gbt24067", "--json") == 2  # the model names no factor
    assert "model.toml: sources.grid.factor: is missing" in capfd.readouterr().err


def test_energy_times_factor_is_rounded_once(tmp_path: Path, capfd) -> None:
    case = Path(__file__).parent / "compute" / "worked_4_one_meter"
    for name in ("model.toml", "events.jsonl", "readings.jsonl"):
        text = (case / name).read_text()
        carrier = 'carrier = "electricity"\n'
        text = text.replace(carrier, carrier + 'factor = "cn-grid-footprint-2024"\n')
        (tmp_path / name).write_text(text)
    assert run(tmp_path, "--method", "gbt24067", "--json") == 0
    batch = json.loads(capfd.readouterr().out)["batches"]["P"]
    assert batch["kg_co2e"] == {"life_cycle": "0.03321775"}  # 0.0575 kWh * 0.5777 kg/kWh
