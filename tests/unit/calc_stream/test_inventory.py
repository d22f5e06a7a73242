"""A site's inventory: what the sources' meters counted is what the accounts received, to the quantum."""

import csv
import io
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.__main__ import main
from calc_stream.core.accounts import Cell, Sums
from calc_stream.core.model import parse_model
from calc_stream.core.records import parse_events, parse_readings
from calc_stream.core.versions import Versions
from calc_stream.evidence import inventory as counted_twice
from calc_stream.evidence.case import Case
from calc_stream.evidence.inventory import Inventory, inventory
from calc_stream.factors import load, load_method
from calc_stream.factors.row import Row

from .rich_worlds import Json, RichWorld, rich_world, toml
from .test_oracle import lines

# 100 kWh an hour from the grid, 20 Nm3 of gas into the boiler; half of the power is sold on.
MODEL = """
format = 1
site = "plant"
timezone = "Asia/Shanghai"
slot_s = 3600
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[carriers.gas]
unit = "Nm3"
quanta_per_unit = 1_000_000
kwh_per_unit = "10.814"
[sources.grid]
carrier = "electricity"
factor = "cn-cq-grid"
[sources.gas-in]
carrier = "gas"
factor = "cn-natural-gas-co2"
[buses.main]
carrier = "electricity"
[nodes.n1]
[nodes.boiler]
[exports.neighbour]
[[meters]]
id = "m-grid"
from = "grid"
to = "main"
unit = "kWh"
[[meters]]
id = "m-n1"
from = "main"
to = "n1"
unit = "kWh"
[[meters]]
id = "m-out"
from = "main"
to = "neighbour"
unit = "kWh"
[[meters]]
id = "m-gas"
from = "gas-in"
to = "boiler"
unit = "Nm3"
"""
PER_HOUR = {"m-grid": 100, "m-n1": 40, "m-out": 50, "m-gas": 20}
# The 31st of October and the 1st of November in Shanghai.
HOURS = [f"2026-10-{30 + h // 24:02d}T{h % 24:02d}:00:00Z" for h in range(16, 48)]
HOURS += [f"2026-11-01T{h:02d}:00:00Z" for h in range(17)]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    readings = [
        {"meter": meter, "t": t, "register": str(per_hour * at)}
        for meter, per_hour in PER_HOUR.items()
        for at, t in enumerate(HOURS)
    ]
    told = [
        {"type": "start", "t": "2026-10-31T20:00:00Z", "node": "n1", "batch": "B",
         "product": "wheel"},
        {"type": "stop", "t": "2026-11-01T02:00:00Z", "node": "n1", "batch": "B"},
        {"type": "quantity", "t": "2026-11-01T02:00:00Z", "batch": "B", "good": "5",
         "unit": "piece"},
    ]  # fmt: skip
    events = [event | {"id": f"e{at}"} for at, event in enumerate(told)]
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    (tmp_path / "readings.jsonl").write_text("\n".join(map(json.dumps, readings)))
    names = ("model.toml", "events.jsonl", "readings.jsonl")
    return [w for name in names for w in (f"--{name.split('.')[0]}", str(tmp_path / name))]


def test_a_month_by_scope_and_where_it_went(files: list[str], capsys) -> None:
    assert main(["inventory", "--month", "2026-11", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    gas, grid = found["sources"]
    # 24 hours of the 1st of November; the readings end with them.
    assert (grid["amount"], gas["amount"]) == ("2400.000000", "480.000000")
    [row] = [row for row in load().rows if row.id == grid["factors"][0]]
    by_place = Fraction(row.value) * 2400
    burnt = Fraction("38.931") * Fraction("15.3") * Fraction("0.99") / 1000 * Fraction(44, 12) * 480
    assert Fraction(found["total"]["scope_2_location"]) == by_place
    assert found["total"]["scope_1"] == f"{round(burnt * 10**6) / 10**6:.6f}"
    assert found["difference"] == {
        "scope_1": "0.000000",
        "scope_2_location": "0.000000",
        "scope_2_market": "0.000000",
    }
    assert found["difference_quanta"] == {"grid": 0, "gas-in": 0}
    uses = {use["account"]: (use["group"], use["product"], use["kwh"]) for use in found["uses"]}
    assert uses == {
        "batch:B": ("batches", "wheel", "240"),
        "export:neighbour": ("exports", None, "1200"),
        "pool:boiler": ("pools", None, "5190.72"),
        "pool:n1": ("pools", None, "720"),
        "residual:main": ("residuals", None, "240"),
    }
    assert Fraction(found["exported"]["scope_2_location"]) == by_place / 2
    assert Fraction(found["net"]["scope_2_location"]) == by_place / 2
    assert found["incomplete"] == ["m-gas", "m-grid"]  # the month is longer than they were read


def test_set_up_goes_where_the_method_has_it_go_and_not_over_a_campaign(
    files: list[str], capsys
) -> None:
    model, events = Path(files[1]), Path(files[3])
    model.write_text(MODEL + '[policy]\nsetup = "campaign"\n')
    more = [
        {"type": "state", "t": "2026-10-31T18:00:00Z", "node": "n1", "state": "setup"},
        {"type": "start", "t": "2026-11-01T03:00:00Z", "node": "n1", "batch": "C",
         "product": "wheel"},
        {"type": "stop", "t": "2026-11-01T05:00:00Z", "node": "n1", "batch": "C"},
    ]  # fmt: skip
    text = "\n".join(json.dumps(event | {"id": f"m{at}"}) for at, event in enumerate(more))
    events.write_text(f"{events.read_text()}\n{text}")
    assert main(["inventory", "--month", "2026-11", *files, "--json"]) == 0
    told = capsys.readouterr()
    uses = {use["account"]: use["kwh"] for use in json.loads(told.out)["uses"]}
    assert (uses["batch:B"], uses["batch:C"]) == ("320", "80")  # six hours and two of set-up; two
    said = 'policy.setup: is "campaign"; method ghg_inventory demands "next" and gets it'
    assert said in told.err


def test_two_months_are_the_whole(files: list[str], capsys) -> None:
    sums = []
    for month in ("2026-10", "2026-11"):
        assert main(["inventory", "--month", month, *files, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        # Readings begin when October has, and end before November does.
        assert found["incomplete"] == ["m-gas", "m-grid"]
        sums.append([Decimal(one["amount"]) for one in found["sources"]])
    assert [sum(each) for each in zip(*sums, strict=True)] == [960, 4800]


def test_the_table_and_the_csv_say_the_same(files: list[str], capsys) -> None:
    assert main(["inventory", "--month", "2026-11", *files]) == 0
    table = capsys.readouterr().out
    assert "batches wheel" in table
    assert "m-grid was not read over all of this time" in table
    assert main(["inventory", "--month", "2026-11", *files, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    [batch] = [row for row in rows if row["account"] == "batch:B"]
    assert next(line for line in table.splitlines() if line.startswith("batches")).split() == [
        *("batches", "wheel", batch["kwh"], "kWh"),
        *(batch[column] for column in ("scope_1", "scope_2_location", "scope_2_market")),
    ]


def test_an_account_that_is_missing_shows_in_every_difference_and_in_the_exit_code(
    files: list[str], capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = counted_twice._by_account

    def lacking(sums: Sums) -> dict[str, dict[Cell, int]]:
        return {name: own for name, own in every(sums).items() if name != "residual:main"}

    monkeypatch.setattr(counted_twice, "_by_account", lacking)
    assert main(["inventory", "--month", "2026-11", *files, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["difference_quanta"] == {"grid": 240_000_000, "gas-in": 0}
    by_place = Fraction(found["total"]["scope_2_location"]) / 10
    assert Fraction(found["difference"]["scope_2_location"]) == by_place > 0
    assert main(["inventory", "--month", "2026-11", *files]) == 1
    rest = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("diff"))
    assert "grid 240000000" in rest


BATTERY = """
[stores.battery]
carrier = "electricity"
efficiency = "0.9"
[[meters]]
id = "m-in"
from = "main"
to = "battery"
unit = "kWh"
[[meters]]
id = "m-back"
from = "battery"
to = "main"
unit = "kWh"
"""


def test_a_month_with_two_models_a_battery_and_an_export_is_what_the_hours_say(
    tmp_path: Path, capsys
) -> None:
    """Registers rise evenly, so every amount is hours by hand; from the 10th on another grid factor."""
    since = datetime(2026, 11, 10, 3, 17, tzinfo=UTC)
    first, begin = datetime(2026, 10, 31, 10, tzinfo=UTC), datetime(2026, 10, 31, 16, tzinfo=UTC)
    rates = PER_HOUR | {"m-grid": 97, "m-out": 31, "m-in": 11, "m-back": 9}
    readings = [
        {
            "meter": meter,
            "t": (first + timedelta(hours=hour)).isoformat(),
            "register": f"{rate * hour}",
        }
        for meter, rate in rates.items()
        for hour in range(0, 24 * 33, 5)
    ]
    second = MODEL.replace('site = "plant"', f'site = "plant"\nvalid_from = {since.isoformat()}')
    models = (MODEL + BATTERY, second.replace("cn-cq-grid", "cn-sc-grid-co2") + BATTERY)
    words = ["inventory", "--month", "2026-11", "--json"]
    for number, text in enumerate(models):
        (tmp_path / f"{number}.toml").write_text(text)
        words += ["--model", str(tmp_path / f"{number}.toml")]
    for name, records in (("readings", readings), ("events", [])):
        (tmp_path / name).write_text("\n".join(map(json.dumps, records)))
        words += [f"--{name}", str(tmp_path / name)]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    hours = Fraction(int((since - begin).total_seconds()), 3600)
    parts = hours, 24 * 30 - hours
    values = [
        Fraction(row.value) for name in ("cn-cq-grid-co2", "cn-sc-grid-co2") for row in named(name)
    ]
    assert len(values) == 2
    weights = sum(part * value for part, value in zip(parts, values, strict=True))
    _, grid = found["sources"]
    assert grid["amount"] == f"{97 * 24 * 30}.000000"
    kg = {use["account"]: Fraction(use["kg"]["scope_2_location"]) for use in found["uses"]}
    for total, rate in ((found["total"], 97), (grid["kg"], 97)):
        assert abs(Fraction(total["scope_2_location"]) - rate * weights) < Fraction(1, 10**5)
    assert sum(kg.values()) == pytest.approx(97 * weights, abs=1e-4)
    assert set(found["difference_quanta"].values()) == {0}
    assert {name for name in kg if name.startswith(("store", "export"))} == {
        "store:battery",
        "export:neighbour",
    }
    kwh = {use["account"]: Fraction(use["kwh"]) for use in found["uses"]}
    electricity = sum(amount for name, amount in kwh.items() if name != "pool:boiler")
    assert electricity == pytest.approx(97 * 24 * 30, abs=1e-3)


def named(series: str) -> list[Row]:
    """The row of it that is in force in the month."""
    rows = [row for row in load().rows if row.series == series]
    return [max(rows, key=lambda row: row.data_year)]


def test_a_month_beyond_any_calendar_is_refused(files: list[str], capsys) -> None:
    assert main(["inventory", "--month", "9999-12", *files]) == 2
    assert "is not a month such as 2026-11" in capsys.readouterr().err


def test_a_source_without_a_factor_leaves_every_sum_open(
    files: list[str], tmp_path: Path, capsys
) -> None:
    (tmp_path / "model.toml").write_text(MODEL.replace('factor = "cn-natural-gas-co2"\n', ""))
    assert main(["inventory", "--month", "2026-11", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["scope_2_location"] is None
    assert found["unknown_sources"] == ["gas-in"]
    assert main(["inventory", "--month", "2026-11", *files, "--csv"]) == 0
    rows = {row["account"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["pool:boiler"]["scope_1"] == ""
    assert rows["pool:n1"]["scope_2_location"] > "0"


def test_a_method_for_products_is_refused(files: list[str], capsys) -> None:
    assert main(["inventory", "--month", "2026-11", "--method", "gbt24067", *files]) == 2
    assert "gbt24067 is for products; take ghg_inventory" in capsys.readouterr().err


def cased(world: RichWorld) -> Case:
    """The world with a factor for each of its sources."""
    factors = {"grid": "cn-cq-grid", "pv": "cn-cq-grid", "gas-in": "cn-natural-gas-co2"}
    models: list[Json] = [
        model | {"sources": {n: s | {"factor": factors[n]} for n, s in model["sources"].items()}}
        for model in world.models
    ]
    versions = Versions.of(parse_model(toml(model), "m") for model in models)
    events = list(parse_events(lines(world.events), "e"))
    readings = parse_readings(lines(world.readings), "r", versions.meters)
    return Case(versions, events, readings, load(), load_method("ghg_inventory"))


@pytest.mark.parametrize("seed", range(24))
def test_whatever_a_plant_is_like_both_counts_agree(seed: int) -> None:
    case = cased(rich_world(f"world {seed}"))
    rng = random.Random(seed)
    times = sorted(
        t for meter in case.versions.meters for t in (case.readings.reach(meter) or ())
    ) or [0, 1]
    for _ in range(3):
        first, last = sorted(rng.randint(times[0], times[-1]) for _ in range(2))
        found = inventory(
            replace(case, to_ms=rng.choice([None, last])), "a time", (first, last + 1)
        )
        assert not any(found.difference_quanta.values()), found.difference_quanta
        assert agreed(found)


def agreed(found: Inventory) -> bool:
    """Whether the parts, each rounded by itself, are the total within their roundings."""
    for column in ("scope_1", "scope_2_location", "scope_2_market"):
        parts = [getattr(use.kg, column) for use in found.uses]
        if None in parts or getattr(found.difference, column) is None:
            return bool(found.unknown_sources)
        rest = Decimal(getattr(found.total, column)) - sum(map(Decimal, parts))
        if Decimal(getattr(found.difference, column)) or abs(rest) > Decimal("1e-6") * len(parts):
            return False
    return True


def test_what_a_battery_holds_is_carried_from_one_time_to_the_next() -> None:
    """The worked example of the battery in two halves; amounts by hand from its steps 1 to 4."""
    golden = Path(__file__).parents[2] / "golden" / "compute" / "battery_carries_its_mix"
    model = (golden / "model.toml").read_text()
    for source in ("grid", "pv"):
        table = f'[sources.{source}]\ncarrier = "electricity"\n'
        model = model.replace(table, f'{table}factor = "cn-cq-grid"\n')
    versions = Versions.of([parse_model(model, "m")])
    events = list(parse_events((golden / "events.jsonl").read_text(), "e"))
    readings = parse_readings((golden / "readings.jsonl").read_text(), "r", versions.meters)
    case = Case(versions, events, readings, load(), load_method("ghg_inventory"))
    begin = 1795248000000  # 2026-11-21T08:00:00Z
    halves = [
        inventory(case, "half", (begin + at * 120_000, begin + (at + 1) * 120_000)) for at in (0, 1)
    ]
    assert [{use.account: use.kwh for use in half.uses} for half in halves] == [
        {"batch:B": "3.25", "pool:n1": "4", "store:battery": "0.75"},
        {"batch:B": "2.282608", "pool:n1": "1.967392", "store:battery": "-3.25"},
    ]
    assert [half.difference_quanta for half in halves] == [{"grid": 0, "pv": 0}] * 2
    assert [half.incomplete for half in halves] == [(), ()]
