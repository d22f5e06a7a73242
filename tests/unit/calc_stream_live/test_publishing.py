"""Product factors as they are published: when, why, what of, and that nothing published changes."""

import hashlib
import math
from collections.abc import Iterable
from contextlib import closing
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.period import named_period
from calc_stream.ledger.rows import BatchRow
from tests.unit.calc_stream_live.days import (
    BURNT,
    DAY_1,
    DAY_2,
    GRID,
    HOUR_S,
    MODEL,
    NOW,
    SUPPLIED,
    Days,
    Office,
)
from tests.unit.calc_stream_live.plant import SITE, T0
from wire.errors import ConfigError

ZONE = "Asia/Shanghai"


@pytest.fixture
def plant(tmp_path: Path) -> Days:
    return Days(tmp_path)


def one(found: list[Footprint]) -> Footprint:
    assert len(found) == 1
    return found[0]


def total(numbers: Iterable[str]) -> Fraction:
    return sum(map(Fraction, numbers), Fraction(0))


def test_a_period_that_is_over_is_published_with_the_mean_over_good_output(plant: Days) -> None:
    plant.first_day()
    found = one(Office(plant).look())
    kwh = Fraction(57_300 + 81_001 + 9_999, 1000)
    gas = Fraction(12_345 + 20_001 + 777, 1000)
    kg = kwh * GRID + gas * (BURNT + SUPPLIED)
    assert (found.period, found.cause, found.unit) == (DAY_1, "period", "piece")
    assert (found.good, found.scrap) == ("23", "2")  # nobody counted C, and its energy counts
    assert float(found.kg_co2e) == pytest.approx(float(kg / 23), rel=1e-11)
    assert float(found.kwh_per_unit) == pytest.approx(float(kwh / 23), rel=1e-11)
    assert abs(Fraction(found.total_kg_co2e) - kg) <= Fraction(3, 2 * 10**6)
    assert (found.start_ms - T0, found.end_ms - T0) == (-16 * HOUR_S * 1000, 8 * HOUR_S * 1000)
    assert (found.draft, found.boundary, found.upstream_kg_co2e) == (True, "gate_to_gate", None)
    assert (found.published_ms, found.valid_from_ms) == (NOW, found.end_ms)


def test_every_figure_follows_from_the_revisions_decimals_alone(plant: Days) -> None:
    plant.first_day()
    office = Office(plant)
    found = one(office.look())
    with closing(office.store()) as store:
        rows = [store.revisions(SITE, used.batch)[used.revision - 1] for used in found.batches]
    assert Fraction(found.total_kg_co2e) == total(row.kg_co2e or "" for row in rows)
    assert Fraction(found.energy_kwh) == total(row.energy_kwh for row in rows)
    digits = len(found.kg_co2e.partition(".")[2])
    assert digits > 8
    mean = round(Fraction(found.total_kg_co2e) / Fraction(found.good) * 10**digits)
    assert Fraction(found.kg_co2e) == Fraction(mean, 10**digits)
    assert found.evidence.offset == max(row.offset for row in rows)
    basis = "".join(f"{row.batch}\t{row.revision}\n" for row in rows)
    assert found.evidence.basis == hashlib.sha256(basis.encode()).hexdigest()
    kept = [hashlib.sha256(msgspec.json.encode(row)).hexdigest() for row in rows]
    assert [used.row for used in found.batches] == kept


def test_parts_add_up_to_their_sums_digit_for_digit(plant: Days) -> None:
    plant.first_day()
    found = one(Office(plant).look())
    assert total(found.columns.values()) == Fraction(found.kg_co2e)
    assert total(found.stages.values()) == Fraction(found.kg_co2e)
    assert total(factor.kg for factor in found.factors) == Fraction(found.total_kg_co2e)
    by_source = [kg for source in found.sources for kg in source.columns.values()]
    assert total(by_source) == Fraction(found.total_kg_co2e)
    assert {s.source: s.amount for s in found.sources} == {"gas": "33.123", "grid": "148.3"}
    assert found.by_location == found.by_market == found.kg_co2e


def test_how_batches_differ_is_weighted_by_good_output(plant: Days) -> None:
    plant.first_day()
    found = one(Office(plant).look())
    each = [(Fraction(b.good), Fraction(b.kg_co2e) / Fraction(b.good)) for b in found.batches[:2]]
    mean = sum(w * x for w, x in each) / 23
    variance = sum(w * (x - mean) ** 2 for w, x in each) / 23 * 2  # n / (n - 1) of two
    assert found.spread.sd is not None
    assert float(found.spread.sd) == pytest.approx(math.sqrt(variance), rel=1e-5)
    assert float(found.spread.least) == pytest.approx(float(min(x for _, x in each)))
    assert float(found.spread.most) == pytest.approx(float(max(x for _, x in each)))


def test_what_a_meter_errs_does_not_average_out_over_batches(plant: Days) -> None:
    plant.first_day()
    found = one(Office(plant).look())
    of_one = 0.01 / math.sqrt(3) * 148.3 * float(GRID), 0.015 / math.sqrt(3) * 33.123 * 2.768
    assert found.u95.kg_co2e is not None
    assert found.u95.kwh is not None
    assert float(found.u95.kg_co2e) == pytest.approx(2 * math.hypot(*of_one) / 23, rel=1e-5)
    assert float(found.u95.kwh) == pytest.approx(2 * 0.01 / math.sqrt(3) * 148.3 / 23, rel=1e-5)
    squares = [0.01 / math.sqrt(3) * wh / 1000 for wh in (57_300, 81_001, 9_999)]
    assert float(found.u95.kwh) > 1.4 * 2 * math.hypot(*squares) / 23  # what quadrature would say


def test_a_model_that_changes_within_a_period_leaves_the_doubt_known(tmp_path: Path) -> None:
    """The electricity meter is of class 1 for A and B, and of class 0.5 for C; it is the same one."""
    plant = Days(tmp_path)
    since = "valid_from = 2026-11-21T10:30:00Z\n"
    better = MODEL.replace('class = "1"\n', 'class = "0.5"\n')
    plant.model(better.replace("slot_s = 60\n", f"slot_s = 60\n{since}"), "model-2")
    plant.first_day()
    found = one(Office(plant).look())
    assert len(found.models) == 2
    assert found.u95.kwh is not None
    doubt = 2 / math.sqrt(3) * (0.01 * (57.3 + 81.001) + 0.005 * 9.999)
    assert float(found.u95.kwh) == pytest.approx(doubt / 23, rel=1e-5)


def test_a_meter_of_unknown_class_leaves_the_doubt_open_and_is_named(tmp_path: Path) -> None:
    plant = Days(tmp_path, MODEL.replace('class = "1.5"\n', ""))
    plant.first_day()
    u95 = one(Office(plant).look()).u95
    assert (u95.kg_co2e, u95.unknown_meters) == (None, ("g",))
    assert u95.kwh is not None


def test_a_period_with_something_open_waits(plant: Days) -> None:
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.batch("B", 7.4, 81_001, 20_001, "13")  # ends after 7.9 hours
    plant.meters(7.95)
    office = Office(plant)
    assert office.look() == []  # the day is not over
    plant.meters(8.5)
    assert [used.batch for used in one(office.look()).batches] == ["A", "B"]


def test_a_batch_belongs_to_the_day_it_ended_in(plant: Days) -> None:
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.batch("over-midnight", 7.75, 81_001, 20_001, "13")
    plant.meters(9)
    office = Office(plant)
    assert [used.batch for used in one(office.look()).batches] == ["A"]
    plant.meters(33)
    assert [used.batch for used in one(office.look()).batches] == ["over-midnight"]


def test_looking_again_publishes_nothing_twice(plant: Days) -> None:
    plant.first_day()
    office = Office(plant)
    first = office.look()
    assert office.look() == []
    assert office.all() == first


def test_a_kill_before_the_shelf_was_written_leads_to_the_same_footprint(tmp_path: Path) -> None:
    plant = Days(tmp_path)
    plant.first_day()
    office = Office(plant)
    first = one(office.look())
    office.ledger.rename(tmp_path / "lost")  # ledger and shelf: all comes from the journal again
    assert one(office.look()).id == first.id


def test_a_restated_batch_brings_a_successor_and_the_first_stays(plant: Days) -> None:
    plant.first_day()
    office = Office(plant)
    first = one(office.look())
    plant.told("quantity", 3.6, batch="C", good="5", scrap="0", unit="piece")
    second = one(office.look())
    assert (second.cause, second.supersedes, second.good) == ("restated", (first.id,), "28")
    plant.told("quantity", 3.7, batch="C", good="1", scrap="0", unit="piece")
    third = one(office.look())
    assert third.supersedes == (second.id,)
    assert office.all() == [first, second, third]
    assert office.superseded() == {first.id, second.id}


def test_a_running_figure_that_moved_too_far_is_published(plant: Days) -> None:
    plant.first_day()
    office = Office(plant)
    first = one(office.look())
    plant.batch("D", 9, 57_300, 12_345, "5")  # twice as much for one
    plant.meters(10)
    assert office.look() == []  # one batch says too little
    plant.batch("E", 11, 57_300, 12_345, "5")
    plant.meters(12)
    drifted = one(office.look())
    assert (drifted.cause, drifted.period, drifted.supersedes) == ("drift", DAY_2, ())
    assert drifted.end_ms == T0 + round(11.5 * HOUR_S * 1000) + 1
    assert float(drifted.kg_co2e) > 1.1 * float(first.kg_co2e)
    plant.meters(32.5)
    whole = one(office.look())
    assert (whole.cause, whole.supersedes) == ("period", (drifted.id,))
    assert whole.end_ms == T0 + 32 * HOUR_S * 1000


def test_how_far_is_too_far_is_configured(plant: Days) -> None:
    plant.first_day()
    office = Office(plant).with_rules(drift=Fraction(2))
    assert len(office.look()) == 1
    plant.batch("D", 9, 57_300, 12_345, "5")
    plant.batch("E", 11, 57_300, 12_345, "5")
    plant.meters(12)
    assert office.look() == []


def test_a_batch_whose_kg_nobody_knows_holds_its_product_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Days(tmp_path, MODEL.replace('factor = "cn-natural-gas"\n', ""))
    plant.first_day()
    office = Office(plant)
    office.follow()
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        publisher = office.publisher(store, shelf)
        assert publisher.look() == publisher.look() == []
    said = [each.message for each in caplog.records if "no footprint of wheel" in each.message]
    assert len(said) == 1  # the second look does not say it again
    with pytest.raises(ConfigError, match="no factor is known for gas"):
        asked(office, "wheel", DAY_1)


def test_months_quarters_and_years_are_periods_too(tmp_path: Path) -> None:
    plant = Days(tmp_path, MODEL.replace("slot_s = 60", "slot_s = 3600"))
    plant.first_day()
    plant.meters(24 * 45)
    found = [one(Office(plant).with_rules(every=e).look()) for e in ("month", "quarter", "year")]
    assert [each.period for each in found] == ["2026-11", "2026-Q4", "2026"]
    assert len({each.id for each in found}) == 3


def asked(office: Office, product: str, period: str) -> tuple[Footprint, bool]:
    office.follow()
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        return office.publisher(store, shelf).ask(product, named_period(period, ZONE))


def test_by_hand_a_running_period_is_published_and_once(plant: Days) -> None:
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.meters(2)
    office = Office(plant)
    found, new = asked(office, "wheel", DAY_1)
    assert (found.cause, new, found.end_ms) == ("asked", True, T0 + round(1.5 * HOUR_S * 1000) + 1)
    assert asked(office, "wheel", DAY_1) == (found, False)
    plant.batch("B", 3, 81_001, 20_001, "13")
    plant.meters(8.5)
    assert one(office.look()).supersedes == (found.id,)


@pytest.mark.parametrize(
    ("product", "period", "says"),
    [
        ("rim", DAY_1, "there are: none"),
        ("wheel", DAY_2, f"there are: {DAY_1}"),
        ("wheel", "2026-11", f"there are: {DAY_1}"),
    ],
)
def test_by_hand_what_is_not_there_is_refused_with_what_is(
    plant: Days, product: str, period: str, says: str
) -> None:
    plant.first_day()
    with pytest.raises(ConfigError, match=says):
        asked(Office(plant), product, period)


_SOME = st.tuples(st.integers(0, 90_000), st.integers(0, 9_000), st.sampled_from(("", "1", "7.5")))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_SOME, min_size=1, max_size=4), st.permutations(range(4)), st.data())
def test_whatever_batches_and_in_whatever_order_they_are_named(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[int, int, str]],
    names: list[int],
    data: st.DataObject,
) -> None:
    """The sum does not depend on names; each step keeps what was published; the chain is a line."""
    figures = []
    for order in (range(4), names):
        plant = Days(tmp_path_factory.mktemp("days"))
        for number, (wh, litres, good) in enumerate(batches):
            plant.batch(f"B{order[number]}", 1 + number, wh, litres, good)
        plant.meters(8.5)
        found = Office(plant).look()
        figures.append([(f.kg_co2e, f.good, f.columns, f.spread, f.u95.kg_co2e) for f in found])
    assert figures[0] == figures[1]
    office, known = Office(plant), found
    for step in range(data.draw(st.integers(1, 3))):
        plant.told("quantity", 5 + step / 10, batch="B0", good="2", scrap="0", unit="piece")
        known = [*known, *office.look()]
        assert office.all() == known
        for before, after in pairwise(known):
            assert after.supersedes == (before.id,)
        assert office.superseded() == {each.id for each in known[:-1]}


def test_rows_of_the_ledger_decode_to_what_the_footprint_names(plant: Days) -> None:
    plant.first_day()
    office = Office(plant)
    found = one(office.look())
    with closing(office.store()) as store:
        latest: list[BatchRow] = store.latest(SITE)
    assert [(r.batch, r.revision, r.good) for r in latest] == [
        (used.batch, used.revision, used.good) for used in found.batches
    ]
