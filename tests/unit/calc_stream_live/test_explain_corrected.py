"""After corrections and voids the tree under a figure adds up exactly as before, to the new figure
and, for the revisions of before, to the old one."""

from collections import defaultdict
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from calc_stream.explanation import Explanation, explain
from calc_stream.factors import load_method
from calc_stream.ledger.rows import CLOSED
from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import SITE, Plant, run_to_end
from tests.unit.calc_stream_live.test_statements import correct, manual, state
from wire.journal import open_reader

METHOD = load_method("gbt24067")


def corrected(folder: Path) -> Plant:
    """P, then Q of a part of P; a gap told, taken back, filled by hand; a stop that was wrong."""
    plant = Plant(folder)
    plant.example_4()
    plant.event("e7", 180, "input", batch="Q", of="P", quantity="0.7", unit="piece")
    plant.the_late_reading()
    correct(plant, "c1", 100, 130)
    state(plant, "correction", "v1", type="void", of="c1", reason="it was not open")
    correct(plant, "c2", 50, 70, meter="m")
    correct(plant, "c3", 50, 70)
    manual(plant, "h1", 77, "1.1093")
    plant.event("v2", 181, "void", of="e2")
    plant.event("e8", 83, "stop", node="press", batch="P")
    state(plant, "correction", "v3", type="void", of="h1", reason="of another meter")
    return plant


def assert_adds_up(told: Explanation) -> None:
    row = told.row
    summed: dict[str, Fraction] = defaultdict(Fraction)
    for at, account in enumerate(told.accounts):
        parts: dict[str, Fraction] = defaultdict(Fraction)
        for interval in account.intervals:
            for source, amount in interval.amounts.items():
                parts[source] += Fraction(amount)
        assert parts == {s: Fraction(amount) for s, amount in account.amounts.items()}
        for source, amount in account.amounts.items():
            summed[source] += Fraction(account.counts) * Fraction(amount)
        if at == 0:
            own = {
                s: Fraction(q) + Fraction(row.overhead.get(s, 0))
                for s, q in row.value_adding.items()
            }
            assert parts == own
    stated = {source: Fraction(amount) for source, amount in row.by_source.items()}
    # A part of what another batch got is no whole number of quanta: stated to half of one.
    assert all(abs(summed[s] - amount) <= Fraction(1, 2 * 10**6) for s, amount in stated.items())
    for source in told.sources:
        assert Fraction(source.amount) == stated[source.source]
        besides = Fraction(source.allocated) + Fraction(source.inherited)
        assert Fraction(source.own) + besides == Fraction(source.amount)
        assert Fraction(source.entered) + Fraction(source.rounding) == Fraction(source.own)
        assert abs(Fraction(source.rounding)) * 10**6 <= len(told.accounts[0].intervals)
    kg = sum(Fraction(m.kg) for source in told.sources for m in source.masses if m.counted)
    if row.inherited:  # a part of another batch: a half quantum less or more weighs something
        assert abs(kg - Fraction(row.kg_co2e or 0)) < Fraction(1, 10**6)
    else:
        assert METHOD.rounded(kg) == row.kg_co2e
    for meter in told.meters:
        assert meter.since is not None
        assert meter.until is not None
        assert Fraction(meter.until.total) - Fraction(meter.since.total) == Fraction(meter.counted)


def test_every_revision_before_and_after_corrections_adds_up(tmp_path: Path) -> None:
    plant = corrected(tmp_path)
    run_to_end(plant, tmp_path / "ledger").close()
    figures = set()
    with (
        closing(open_reader(plant.journal)) as reader,
        closing(open_store(tmp_path / "ledger")) as store,
    ):
        for batch in ("P", "Q"):
            revisions = store.revisions(SITE, batch)
            assert len(revisions) >= 5
            for stated in revisions:
                assert stated.state in CLOSED
                told = explain(store, reader, SITE, stated)
                assert told.row == stated
                assert_adds_up(told)
                figures.add((batch, stated.energy_kwh))
    assert len(figures) >= 5, "corrections changed what is stated"
