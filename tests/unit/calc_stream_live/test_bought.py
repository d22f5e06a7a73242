"""What was bought for a product: declared or taken from lots, and never counted twice."""

from pathlib import Path

import msgspec
import pytest

from calc_stream.footprints.declaration import Company, Declaration, Input, Product
from calc_stream.footprints.footprint import Footprint
from tests.unit.calc_stream_live.days import Days, Office

PCF = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
INGOT = Input("Ingot", "2", "kg", "14.3", "Example Aluminium", "their footprint", "0.6", PCF)
PAINT = Input("Paint", "0.1", "kg", "3", "Example Paints", "their catalogue")
OWN = 177.357374 / 23  # kg for one, of energy


def declared(*inputs: Input, complete: bool = True) -> Declaration:
    wheel = Product("wheel", "Wheel", "11.2", inputs_complete=complete, input=inputs)
    return Declaration(Company("Example", "wheels.example.com", "CN"), (wheel,))


@pytest.fixture
def plant(tmp_path: Path) -> Days:
    return Days(tmp_path)


def published(plant: Days, declaration: Declaration | None) -> Footprint:
    plant.meters(8.6)
    (found,) = Office(plant, declaration).look()
    return found


def lot(plant: Days, name: str, **said: str) -> None:
    plant.told("lot", 0.1, lot=name, unit="kg", document="delivery note", **said)


def took(plant: Days, batch: str, of: str, quantity: str) -> None:
    plant.told("input", 3.6, batch=batch, lot=of, quantity=quantity, unit="kg")


def test_a_declaration_that_is_complete_makes_it_cradle_to_gate(plant: Days) -> None:
    plant.first_day()
    found = published(plant, declared(INGOT, PAINT))
    assert (found.boundary, found.draft, found.upstream_kg_co2e) == (
        "cradle_to_gate",
        False,
        "28.9",
    )
    assert [(u.name, u.amount, u.kg_co2e) for u in found.upstream] == [
        ("Ingot", "2", "28.6"),
        ("Paint", "0.1", "0.3"),
    ]
    whole = OWN + 28.9
    assert float(found.primary_data_share) == pytest.approx(28.6 * 0.6 / whole, abs=1e-6)
    assert float(found.measured_activity_share) == pytest.approx(OWN / whole, abs=1e-6)


@pytest.mark.parametrize("declaration", [None, declared(INGOT, complete=False)])
def test_without_all_inputs_it_is_a_draft_from_gate_to_gate(
    plant: Days, declaration: Declaration | None
) -> None:
    plant.first_day()
    found = published(plant, declaration)
    assert (found.boundary, found.draft, found.upstream_kg_co2e) == ("gate_to_gate", True, None)
    assert (found.primary_data_share, found.measured_activity_share) == ("0", "1")


def test_lots_every_batch_took_go_before_what_is_declared(plant: Days) -> None:
    lot(plant, "L1", pcf=PCF, factor="10")
    lot(plant, "L2", product="ingot", supplier="Another", factor="12")
    plant.first_day()
    took(plant, "A", "L1", "23")
    took(plant, "B", "L2", "46")
    found = published(plant, declared(INGOT))
    assert [(u.amount, u.kg_co2e, u.primary_share) for u in found.upstream] == [
        ("1", "10", "0.6"),  # the declared footprint itself
        ("2", "24", None),
    ]
    assert found.upstream_kg_co2e == "34"


def test_lots_only_some_batches_took_leave_it_to_the_declaration(plant: Days) -> None:
    lot(plant, "L1", pcf=PCF, factor="10")
    plant.first_day()
    took(plant, "A", "L1", "23")
    found = published(plant, declared(INGOT))
    assert [(u.amount, u.kg_co2e) for u in found.upstream] == [("2", "28.6")]


def test_lots_nobody_declared_count_on_top(plant: Days) -> None:
    lot(plant, "L9", product="resin", factor="2")
    plant.first_day()
    took(plant, "A", "L9", "23")
    found = published(plant, declared(INGOT))
    assert [(u.name, u.kg_co2e) for u in found.upstream] == [("Ingot", "28.6"), ("resin", "2")]
    assert found.upstream_kg_co2e == "30.6"


def test_a_lot_without_a_supplier_s_footprint_is_no_input_without_one(plant: Days) -> None:
    lot(plant, "L9", product="resin", factor="2")
    plant.first_day()
    took(plant, "A", "L9", "23")
    took(plant, "B", "L9", "23")
    found = published(plant, declared(PAINT))
    assert [(u.name, u.kg_co2e) for u in found.upstream] == [("Paint", "0.3"), ("resin", "4")]


def test_lots_counted_in_another_unit_than_the_declared_input_leave_it_to_the_declaration(
    plant: Days,
) -> None:
    plant.told("lot", 0.1, lot="L1", unit="piece", pcf=PCF, factor="10")
    plant.first_day()
    for batch in "AB":
        plant.told("input", 3.6, batch=batch, lot="L1", quantity="23", unit="piece")
    found = published(plant, declared(INGOT))
    assert [(u.amount, u.unit, u.kg_co2e) for u in found.upstream] == [("2", "kg", "28.6")]


@pytest.mark.parametrize(
    ("factor", "parts"), [("14.3", {"kg": "8"}), ("14", {}), ("", {"kg": "8"})]
)
def test_what_is_not_fossil_is_known_of_the_declared_factor_only(
    plant: Days, factor: str, parts: dict[str, str]
) -> None:
    """4 kg of 1 kg of ingot, of which each batch took 2 kg for one."""
    lot(plant, "L1", pcf=PCF, **({"factor": factor} if factor else {}))
    plant.first_day()
    took(plant, "A", "L1", "20")
    took(plant, "B", "L1", "26")
    found = published(plant, declared(msgspec.structs.replace(INGOT, not_fossil={"kg": "4"})))
    assert [u.not_fossil for u in found.upstream] == [parts]


def test_a_lot_without_a_factor_takes_that_of_the_declared_input(plant: Days) -> None:
    lot(plant, "L1", pcf=PCF)
    plant.first_day()
    took(plant, "A", "L1", "10")
    took(plant, "B", "L1", "13")
    found = published(plant, declared(INGOT))
    assert [(u.amount, u.kg_co2e, u.source) for u in found.upstream] == [
        ("1", "14.3", "delivery note")
    ]


def test_something_bought_of_which_nothing_is_known_keeps_it_a_draft(plant: Days) -> None:
    lot(plant, "L9", pcf="7fa85f64-5717-4562-b3fc-2c963f66afa6")
    plant.first_day()
    took(plant, "A", "L9", "23")
    found = published(plant, declared(INGOT))
    assert (found.draft, found.upstream_kg_co2e) == (True, None)


def test_when_inputs_become_known_a_successor_says_so(plant: Days) -> None:
    plant.first_day()
    before = published(plant, None)
    office = Office(plant, declared(INGOT))
    (after,) = office.look()
    assert (after.cause, after.supersedes, after.draft) == ("upstream", (before.id,), False)
    assert after.kg_co2e == before.kg_co2e
    assert office.look() == []
