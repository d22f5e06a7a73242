"""Bills and deliveries against the meters of their source."""

import argparse
import json
from pathlib import Path

import pytest

from calc_stream.commands import bills
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, run_to_end
from wire.journal import Entry
from wire.messages import Sample

DAY_MS = 86_400_000
SHANGHAI = MODEL.replace("slot_s = 60", 'slot_s = 3600\ntimezone = "Asia/Shanghai"')


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """10 kWh a day from 21 November 2026, 16:00 in Shanghai, for twenty days."""
    plant = Plant(tmp_path)
    plant.model(SHANGHAI)
    plant.factors()
    samples = [
        Sample(meter, T0 + day * DAY_MS, {"active_energy_import": (10_000 * day, -3)})
        for meter in ("m", "m-press")
        for day in range(21)
    ]
    plant.segment(samples)
    return plant


def paper(plant: Plant, kind: str, id_: str, **said: str) -> None:
    data = json.dumps({"id": id_, **said}).encode()
    plant.writer.append(SITE, [Entry(kind, id_, data)])


def bill(plant: Plant, id_: str, quantity: str, begin: str, end: str) -> None:
    said = {"from": f"{begin}T00:00:00+08:00", "to": f"{end}T00:00:00+08:00", "source": "grid"}
    paper(plant, "reading", id_, type="bill", **said, quantity=quantity, unit="MWh", document=id_)


def found(plant: Plant, tmp_path: Path) -> list[bills.Comparison]:
    run_to_end(plant, tmp_path / "l")
    parser = argparse.ArgumentParser()
    bills.add_arguments(parser)
    places = ["--ledger", str(tmp_path / "l"), "--journal", str(plant.journal)]
    compared, unfit = bills.bills(parser.parse_args(places))
    assert unfit == []
    return compared


def test_a_bill_is_compared_over_its_own_time(plant: Plant, tmp_path: Path) -> None:
    bill(plant, "INV-7", "0.051", "2026-11-25", "2026-11-30")
    [one] = found(plant, tmp_path)
    assert (one.month, one.source, one.unit) == ("2026-11-25", "grid", "kWh")
    assert (one.billed, one.metered, one.difference) == ("51.000000", "50.000000", "-1.000000")
    assert (one.percent, one.unread, one.documents) == ("-1.96", [], ["INV-7"])


def test_a_month_not_read_to_its_ends_says_so(plant: Plant, tmp_path: Path) -> None:
    bill(plant, "INV-7", "0.1", "2026-11-01", "2026-12-01")
    bill(plant, "INV-8", "0.02", "2026-11-01", "2026-12-01")
    [one] = found(plant, tmp_path)
    assert (one.month, one.billed, one.unread) == ("2026-11", "120.000000", ["m"])
    # From 21 November 16:00 to 1 December 0:00 are 9 1/3 days.
    assert one.metered == "93.333333"
    assert one.documents == ["INV-7", "INV-8"]


def test_deliveries_are_added_by_month_and_a_void_takes_one_back(
    plant: Plant, tmp_path: Path
) -> None:
    said = {"type": "delivery", "source": "grid", "quantity": "36", "unit": "MJ", "document": "D"}
    paper(plant, "reading", "d1", t="2026-12-01T00:00:00+08:00", **said)
    paper(plant, "reading", "d2", t="2026-12-31T23:59:00+08:00", **said)
    paper(plant, "reading", "d3", t="2026-12-05T00:00:00+08:00", **said)
    paper(plant, "correction", "v", type="void", of="d3", reason="told twice")
    [one] = found(plant, tmp_path)
    assert (one.month, one.billed) == ("2026-12", "20.000000")


def test_a_model_that_changed_within_the_time_counts_each_meter_while_it_stood(
    plant: Plant, tmp_path: Path
) -> None:
    later = SHANGHAI.replace('id = "m"', 'id = "m-new"')
    later = later.replace("format = 1", "format = 1\nvalid_from = 2026-11-28T00:00:00+08:00")
    plant.model(later, "model-2")
    samples = [
        Sample("m-new", T0 + day * DAY_MS, {"active_energy_import": (3_000 * day, -3)})
        for day in range(5, 21)
    ]
    plant.segment(samples)
    bill(plant, "INV-7", "0.1", "2026-11-26", "2026-11-30")
    [one] = found(plant, tmp_path)
    assert one.metered == "26.000000"


def test_a_source_that_came_within_the_time_of_a_bill_counts_from_then_on(
    plant: Plant, tmp_path: Path
) -> None:
    later = SHANGHAI.replace("format = 1", "format = 1\nvalid_from = 2026-11-28T00:00:00+08:00")
    later = later.replace("[buses.main]", '[sources.pv]\ncarrier = "electricity"\n[buses.main]')
    meter = '[[meters]]\nid = "m-pv"\nfrom = "pv"\nto = "main"\nunit = "kWh"\n'
    plant.model(later + meter, "model-2")
    samples = [
        Sample("m-pv", T0 + day * DAY_MS, {"active_energy_import": (3_000 * day, -3)})
        for day in range(5, 21)
    ]
    plant.segment(samples)
    said = {"from": "2026-11-26T00:00:00+08:00", "to": "2026-11-30T00:00:00+08:00"}
    told = {"source": "pv", "quantity": "6", "unit": "kWh", "document": "F-1"}
    paper(plant, "reading", "F-1", type="bill", **said, **told)
    [one] = found(plant, tmp_path)
    assert (one.source, one.metered, one.difference) == ("pv", "6.000000", "0.000000")


def test_the_command_prints_a_line_a_bill(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill(plant, "INV-7", "0.051", "2026-11-25", "2026-11-30")
    run_to_end(plant, tmp_path / "l")
    parser = argparse.ArgumentParser()
    bills.add_arguments(parser)
    places = ["--ledger", str(tmp_path / "l"), "--journal", str(plant.journal)]
    assert bills.run(parser.parse_args(places)) == 0
    said = capsys.readouterr().out
    assert said.startswith("2026-11-25  grid: billed 51.000000 kWh, metered 50.000000, difference")
    assert bills.run(parser.parse_args([*places, "--month", "2026-10"])) == 0
    assert "no bills or deliveries of 2026-10" in capsys.readouterr().out


def test_a_paper_that_fits_nothing_is_named_and_hides_no_other(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill(plant, "INV-7", "0.051", "2026-11-25", "2026-11-30")
    span = {"from": "2026-11-25T00:00:00+08:00", "to": "2026-11-30T00:00:00+08:00"}
    for id_, source, unit in (("INV-8", "grid", "m3"), ("INV-9", "well", "kWh")):
        told = {"source": source, "quantity": "6", "unit": unit, "document": id_}
        paper(plant, "reading", id_, type="bill", **span, **told)
    run_to_end(plant, tmp_path / "l")
    parser = argparse.ArgumentParser()
    bills.add_arguments(parser)
    places = ["--ledger", str(tmp_path / "l"), "--journal", str(plant.journal)]
    assert bills.run(parser.parse_args(places)) == 1
    said = capsys.readouterr()
    assert said.out.startswith("2026-11-25  grid: billed 51.000000 kWh, metered 50.000000")
    assert said.err.splitlines() == [
        "2026-11-25  bill 'INV-8' (INV-8): unit: m3 (volume) cannot be converted to kWh (energy),"
        " in which the model counts grid; void it, and tell it better",
        "2026-11-25  bill 'INV-9' (INV-9): source: the model has no 'well'; void it, and tell it better",
    ]
    assert bills.run(parser.parse_args([*places, "--month", "2026-10"])) == 0
