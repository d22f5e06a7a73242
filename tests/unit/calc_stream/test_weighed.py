"""Mass by period: factors that change within a batch, hour by hour, contracts, and what is inherited."""

import argparse
import json
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.commands import compute
from wire.errors import ConfigError

MODEL = """
format = 1
site = "s"
slot_s = 900
policy = {{ setup = "{setup}" }}
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
factor = "{factor}"
[nodes.n]
[[meters]]
id = "m"
from = "grid"
to = "n"
unit = "kWh"
"""
# 10 kWh an hour from 00:00 to 04:00 in UTC; A the first two and a half hours, then B, which takes half of A.
READINGS = "".join(
    f'{{"meter":"m","t":"2025-10-22T{at:02d}:00:00Z","register":"{10 * (at - 14)}"}}\n'
    for at in range(14, 19)
)
EVENTS = "\n".join(
    json.dumps({"id": str(at), "t": f"2025-10-22T{t}:00Z", **said})
    for at, (t, said) in enumerate(
        [
            ("14:00", {"type": "start", "node": "n", "batch": "A"}),
            ("16:30", {"type": "stop", "node": "n", "batch": "A"}),
            ("16:30", {"type": "start", "node": "n", "batch": "B"}),
            ("18:00", {"type": "stop", "node": "n", "batch": "B"}),
            ("18:00", {"type": "quantity", "batch": "A", "good": "4", "unit": "piece"}),
            (
                "18:00",
                {"type": "input", "batch": "B", "of": "A", "quantity": "2", "unit": "piece"},
            ),
        ]
    )
)
HOURLY = """
format = 1
[documents.d]
publisher = "Utility"
title = "Disclosure"
dated = "2026"
[[hourly]]
id = "hours"
series = "our-hours"
unit = "kgCO2e/kWh"
kind = "product_footprint"
stage = "life_cycle"
region = "CN-CQ"
data_year = 2025
valid_from = 2025-10-22T14:00:00Z
document = "d"
status = "verified"
values = ["0.1", "0.2", "0.4", "0.8"]
"""
CONTRACT = """
[[instruments]]
id = "wind"
type = "ppa"
source = "grid"
factor = "cn-wind-footprint"
valid_from = 2025-10-22T14:00:00Z
valid_to = 2025-10-22T16:00:00Z
volumes = ["5", "20"]
document = "d"
"""


def computed(
    folder: Path, *, own: str = "", factor: str = "cn-grid-footprint", setup: str = "next",
    method: str = "gbt24067",
) -> dict[str, dict[str, str]]:  # fmt: skip
    (folder / "model.toml").write_text(MODEL.format(factor=factor, setup=setup))
    (folder / "events.jsonl").write_text(EVENTS)
    (folder / "readings.jsonl").write_text(READINGS)
    args = [f"--{name.split('.')[0]}={folder / name}" for name in
            ("model.toml", "events.jsonl", "readings.jsonl")]  # fmt: skip
    if own:
        (folder / "own").mkdir(exist_ok=True)
        (folder / "own" / "own.toml").write_text(own)
        args.append(f"--factors={folder / 'own'}")
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    result = compute.compute(parser.parse_args([*args, f"--method={method}"]))
    return {name: batch["kg_co2e"] for name, batch in result["batches"].items()}


def test_a_factor_that_changes_within_a_batch_counts_for_its_own_time(tmp_path: Path) -> None:
    """At 16:00 UTC, midnight in Beijing, the footprint of 2024 takes the place of that of 2023."""
    found = computed(tmp_path)
    a = 20 * Fraction("0.6205") + 5 * Fraction("0.5777")
    b = 15 * Fraction("0.5777")
    assert Fraction(found["A"]["life_cycle"]) == a
    assert Fraction(found["B"]["life_cycle"]) == b + a / 2


def test_hourly_factors_weigh_each_hour_by_itself(tmp_path: Path) -> None:
    found = computed(tmp_path, own=HOURLY, factor="our-hours")
    a = 10 * Fraction("0.1") + 10 * Fraction("0.2") + 5 * Fraction("0.4")
    b = 5 * Fraction("0.4") + 10 * Fraction("0.8")
    assert Fraction(found["A"]["life_cycle"]) == a
    assert Fraction(found["B"]["life_cycle"]) == b + a / 2


def test_a_contract_counts_in_its_hours_up_to_its_volume(tmp_path: Path) -> None:
    found = computed(tmp_path, own=HOURLY + CONTRACT)
    grid, wind = Fraction("0.6205"), Fraction("0.0336")
    by_contract = 5 * wind + 5 * grid + 10 * wind + 5 * Fraction("0.5777")
    assert Fraction(found["A"]["life_cycle_market"]) == by_contract
    assert Fraction(found["A"]["life_cycle"]) == 20 * grid + 5 * Fraction("0.5777")


def test_an_inventory_shows_place_and_contract_side_by_side(tmp_path: Path) -> None:
    found = computed(tmp_path, factor="cn-cq-grid", method="ghg_inventory")
    assert found["A"] == {"scope_2_location": "13.0675", "scope_2_market": "13.0675"}  # 25 x 0.5227


def test_a_method_gets_the_policy_it_demands_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by = {"method": "ghg_inventory", "factor": "cn-grid"}
    assert computed(tmp_path, setup="campaign", **by) == computed(tmp_path, **by)
    err = capsys.readouterr().err
    assert 'policy.setup: is "campaign"; method ghg_inventory demands "next" and gets it' in err


def test_a_time_no_factor_covers_is_refused_and_not_guessed(tmp_path: Path) -> None:
    short = HOURLY.replace(', "0.8"', "")
    problem = "of our-hours no product_footprint factor holds at 2025-10-22T17:00:00.000Z"
    with pytest.raises(ConfigError, match=f"sources.grid.factor: {problem}"):
        computed(tmp_path, own=short, factor="our-hours")


def test_a_contract_that_cannot_count_is_named_and_not_the_factor_of_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heavy = CONTRACT + 'unit = "kg"\n'
    with pytest.raises(
        ConfigError, match="^instruments.wind.unit: kg is no unit of what grid gives"
    ):
        computed(tmp_path, own=HOURLY + heavy)
    elsewhere = CONTRACT.replace('source = "grid"', 'source = "grid-2"')
    found = computed(tmp_path, own=HOURLY + elsewhere)
    assert found["A"]["life_cycle_market"] == found["A"]["life_cycle"]
    said = "instruments.wind.source: no source is named 'grid-2' in the model: it covers nothing\n"
    assert capsys.readouterr().err == said
