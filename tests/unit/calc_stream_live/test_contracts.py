"""Contracts, live: what they cover of an hour is known when the hour is over, and counts from then on,
in what is stated, explained and computed again."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from calc_stream.explanation import explain
from calc_stream.factors import FactorSet, load, load_method
from calc_stream.factors.contracts import Contracts
from calc_stream.factors.instruments import Instrument
from calc_stream.ledger.rows import STATED
from calc_stream.ledger.store import open_store
from calc_stream.restated import Ask, differences, ground, restate
from tests.unit.calc_stream_live.plant import SITE, T0, Plant, engine, go_on, row, rules, run_to_end
from wire.journal import open_reader

HOUR = 3_600_000
PPA = Instrument(
    id="wind",
    type="ppa",
    source="grid",
    factor="cn-wind-footprint",
    valid_from_ms=T0 - 24 * HOUR,
    valid_to_ms=T0 + 24 * HOUR,
    publisher="p",
    document="contract-7",
    dated="2026-01-01",
    url="",
    hash="",
    volumes=("0.9",),
)
CERTIFICATES = msgspec.structs.replace(
    PPA,
    type="certificates",
    match="period",
    valid_to_ms=T0 + 2 * HOUR,
    volumes=("0.9",),
    certificates=("GEC-1",),
    certificate_volume="1",
)
GRID, WIND = Fraction("0.5777"), Fraction("0.0324")


def begun(folder: Path, *instruments: Instrument) -> Plant:
    """P from 30 s to 90 s, a Wh a second all the time."""
    known = load()
    plant = Plant(folder)
    plant.model()
    plant.factors(data=FactorSet.of(known.rows, known.entries, instruments).encode())
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
    plant.read((0, 10_000), (30, 10_030), (90, 10_090), (1800, 11_800))
    return plant


def kg(part: Fraction, kwh: Fraction = Fraction("0.06")) -> str:
    """Of P's energy, so much of it by the contract."""
    return load_method("gbt24067").rounded(kwh * (part * WIND + (1 - part) * GRID))


def test_the_hour_of_a_contract_is_waited_for_and_then_counts(tmp_path: Path) -> None:
    plant = begun(tmp_path, PPA)
    running = run_to_end(plant, tmp_path / "calc", rules(lateness_s=60))
    p = row(running, "P")
    assert (p.state, p.settled, p.spread, p.revision) == ("closed", False, False, 1)
    assert p.kg_co2e == kg(Fraction(0))
    plant.read((3659, 13_659))
    assert row(go_on(running), "P") == p  # lateness counts for the hour, too
    plant.read((3660, 13_660))
    p = row(go_on(running), "P")
    assert (p.state, p.settled, p.spread, p.revision) == ("settled", True, True, 2)
    assert p.kg_co2e == kg(Fraction(9, 36))  # 0.9 of the 3.6 kWh that came in the hour
    assert p.factors == ("cn-grid-footprint-2024", "cn-wind-footprint-2024")
    plant.read((7300, 17_300))
    assert row(go_on(running), "P") == p  # another hour is nothing to it


def test_a_late_reading_of_the_hour_restates_what_was_covered(tmp_path: Path) -> None:
    plant = begun(tmp_path, PPA)
    plant.read((5400, 15_400))
    running = run_to_end(plant, tmp_path / "calc")
    assert row(running, "P").kg_co2e == kg(Fraction(9, 36))
    plant.read((3600, 12_700))  # less in the hour than the line had it: 2.7 kWh
    p = row(go_on(running), "P")
    assert (p.state, p.revision, p.kg_co2e) == ("restated", 3, kg(Fraction(9, 27)))
    assert p.energy_kwh == "0.060000"


def test_certificates_count_when_their_time_is_over(tmp_path: Path) -> None:
    plant = begun(tmp_path, CERTIFICATES)
    plant.read((7199, 17_199))
    running = run_to_end(plant, tmp_path / "calc")
    assert (row(running, "P").spread, row(running, "P").kg_co2e) == (False, kg(Fraction(0)))
    plant.read((7200, 17_200))
    p = row(go_on(running), "P")
    assert (p.spread, p.kg_co2e) == (True, kg(Fraction(9, 72)))


def test_restarts_change_nothing(tmp_path: Path) -> None:
    plant = begun(tmp_path, PPA)
    run_to_end(plant, tmp_path / "calc").close()
    plant.read((3600, 13_600))
    running = go_on(engine(plant, open_store(tmp_path / "calc")))
    running.close()
    plant.read((5400, 15_400), (1900, 11_800))
    again = go_on(engine(plant, open_store(tmp_path / "calc")))
    assert row(again, "P") == row(run_to_end(plant, tmp_path / "whole"), "P")


@pytest.mark.parametrize("contract", [PPA, CERTIFICATES])
def test_what_is_stated_is_computed_again_and_explained(
    tmp_path: Path, contract: Instrument
) -> None:
    plant = begun(tmp_path, contract)
    plant.read((3600, 13_600), (7300, 17_300))
    running = run_to_end(plant, tmp_path / "calc")
    stated = row(running, "P")
    assert stated.settled
    running.close()
    records = [r for r in plant.writer.walk(SITE) if r.offset <= stated.offset]
    its = ground(records, load_method("gbt24067"), Ask(("P",), stated.offset))
    (again,) = restate(its)
    assert list(differences(stated, again, STATED)) == []
    with (
        closing(open_reader(plant.journal)) as reader,
        closing(open_store(tmp_path / "calc")) as store,
    ):
        told = explain(store, reader, SITE, stated)
        masses = [m for source in told.sources for m in source.masses if m.counted]
        assert (
            load_method("gbt24067").rounded(sum(Fraction(m.kg) for m in masses)) == stated.kg_co2e
        )
        first = explain(store, reader, SITE, store.revisions(SITE, "P")[0])
        masses = [m for source in first.sources for m in source.masses if m.counted]
        assert load_method("gbt24067").rounded(sum(Fraction(m.kg) for m in masses)) == kg(
            Fraction(0)
        )


def test_windows_that_overlap_are_waited_for_together() -> None:
    hours = Contracts([PPA])
    assert hours.window("grid", T0 + 5) == (T0, T0 + HOUR)
    assert hours.window("pv", T0 + 5) is None
    assert hours.window("grid", PPA.valid_to_ms) is None
    month = Contracts([PPA, CERTIFICATES])
    assert month.window("grid", T0) == (CERTIFICATES.valid_from_ms, CERTIFICATES.valid_to_ms)
    later = T0 + 2 * HOUR
    assert month.window("grid", later) == (later, later + HOUR)
    both = list(month.windows((T0 + HOUR, later)))
    assert both == [month.window("grid", T0), month.window("grid", later)]
    rest = msgspec.structs.replace(PPA, type="residual_mix", volumes=())
    assert not Contracts([rest])
