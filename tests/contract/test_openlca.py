"""The openLCA package as others read it: olca-schema loses nothing, Brightway computes our figures."""

import json
import math
import zipfile
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from calc_stream.datasets.ids import named
from calc_stream.datasets.units import measure
from calc_stream.exporters import Export, openlca
from calc_stream.footprints.footprint import Doubted, Footprint
from tests import peers
from tests.contract import textbook
from tests.contract.test_exporters import EXPORTS, FIRST, PUBLISHED, ROWS, SECOND
from tests.unit.calc_stream_live import footprints_sample
from tests.unit.calc_stream_live.days import Days, Office
from wire.units import UNITS

# All footprints in force, the second with purchased inputs.
BOTH = replace(PUBLISHED, superseded=frozenset())


def objects(export: Export) -> dict[str, Any]:
    with zipfile.ZipFile(BytesIO(openlca.write(export, openlca.Settings()))) as package:
        assert package.testzip() is None
        return {name: json.loads(package.read(name)) for name in package.namelist()}


def unpacked(export: Export, folder: Path) -> Path:
    with zipfile.ZipFile(BytesIO(openlca.write(export, openlca.Settings()))) as package:
        package.extractall(folder)
    return folder


def process(export: Export, id_: str) -> Any:
    return objects(export)[f"processes/{id_}.json"]


@dataclass
class Scores:
    """By Brightway, for one unit of each process, a table a package: samples, those a calculator
    `published`, batches, and two published examples."""

    published: list[Footprint]
    of: list[dict[str, dict[str, float]]]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    folder = tmp_path_factory.mktemp("packages")
    plant = Days(folder)
    plant.first_day()
    published = Office(plant).look()
    exports = BOTH, replace(BOTH, rows=published), EXPORTS[0]
    folders = [unpacked(export, folder / str(at)) for at, export in enumerate(exports)]
    folders.append(textbook.heijungs_and_suh(folder / "book"))
    folders.append(textbook.olca_allocation(folder / "allocation"))
    (folder / "brightway").mkdir()
    home = {"BRIGHTWAY2_DIR": str(folder / "brightway")}
    return Scores(published, peers.told("brightway", *folders, environment=home))


def test_the_judge_gets_published_examples_right(scores: Scores) -> None:
    book, allocation = scores.of[3:]
    for kind in ("stored", "exact"):
        assert book["generation"][kind] * 1000 == pytest.approx(120, rel=1e-6)
        assert allocation["joint"][kind] == pytest.approx(0.5, rel=1e-6)
    assert book["refinery"]["exact"] == pytest.approx(0.1, rel=1e-12)


def test_brightway_s_scores_of_footprints_are_our_figures(scores: Scores) -> None:
    found = {**scores.of[0], **scores.of[1]}
    assert scores.published
    for footprint in (FIRST, SECOND, *scores.published):
        ours = float(Fraction(footprint.kg_co2e) + Fraction(footprint.upstream_kg_co2e or "0"))
        assert math.isclose(found[footprint.id]["exact"], ours, rel_tol=1e-9)
        assert math.isclose(found[footprint.id]["stored"], ours, rel_tol=1e-6)


def test_brightway_s_scores_of_batches_are_our_figures(scores: Scores) -> None:
    for row in ROWS:
        ours = float(Fraction(row.kg_co2e or "0") / Fraction(row.good))
        score = scores.of[2][named("batch", row.site, row.batch, str(row.revision))]
        assert math.isclose(score["exact"], ours, rel_tol=1e-9)


def test_units_and_quantities_are_those_of_the_reference_data() -> None:
    listed = peers.told("units")
    for unit in (*UNITS, "piece"):
        ours = measure(unit)
        theirs = listed[{"L": "l", "piece": "Item(s)"}.get(unit, unit)]
        assert [ours.unit.id, ours.group.id, ours.id] == theirs


@pytest.mark.parametrize("export", [BOTH, EXPORTS[0]], ids=lambda export: export.what)
def test_olca_schema_knows_every_field_and_reads_it_as_it_is(
    export: Export, tmp_path: Path
) -> None:
    told = peers.told("olca", unpacked(export, tmp_path))
    assert told["objects"] == len(objects(export)) - 1  # its version is no object
    assert told["other"] == {}


def test_every_reference_is_in_the_package() -> None:
    found = objects(BOTH)
    known = {each["@id"] for name, each in found.items() if "/" in name}
    units = {unit["@id"] for each in found.values() for unit in each.get("units", [])}

    def referred(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(referred, value))
        if not isinstance(value, dict):
            return set()
        own = {value["@id"]} if "@id" in value else set()
        return own.union(*map(referred, value.values()))

    assert referred(list(found.values())) <= known | units


def test_a_footprint_superseded_is_not_in_it() -> None:
    names = objects(PUBLISHED)
    assert f"processes/{SECOND.id}.json" in names
    assert f"processes/{FIRST.id}.json" not in names


def test_the_process_gives_all_good_output_and_takes_what_was_metered() -> None:
    made, *taken = process(BOTH, SECOND.id)["exchanges"]
    assert (made["amount"], made["unit"]["name"], made["isInput"]) == (210, "Item(s)", False)
    assert [(each["amount"], each["unit"]["name"]) for each in taken] == [
        (238, "Nm3"),
        (1340, "kWh"),
        (2541, "kg"),
    ]
    assert all(each["isInput"] and each["defaultProvider"] for each in taken)


def test_half_of_u95_is_the_standard_deviation() -> None:
    found = objects(BOTH)
    gas, grid = found[f"processes/{FIRST.id}.json"]["exchanges"][1:]
    assert "uncertainty" not in gas  # no energy by itself: U95 of energy says nothing of it
    burnt = found[f"processes/{gas['defaultProvider']['@id']}.json"]["exchanges"][1]
    u95_kwh, u95_kg = FIRST.u95.kwh, FIRST.u95.kg_co2e
    assert u95_kwh is not None
    assert u95_kg is not None
    of_kwh = float(u95_kwh) / float(FIRST.kwh_per_unit) / 2
    assert grid["uncertainty"]["distributionType"] == "NORMAL_DISTRIBUTION"
    assert grid["uncertainty"]["sd"] == pytest.approx(1340 * of_kwh)
    provider = found[f"processes/{grid['defaultProvider']['@id']}.json"]
    emitted = provider["exchanges"][1]
    of_kg = float(u95_kg) / float(FIRST.kg_co2e) / 2
    rest = emitted["uncertainty"]["sd"] / emitted["amount"]
    assert math.hypot(rest, of_kwh) == pytest.approx(of_kg)
    assert burnt["uncertainty"]["sd"] / burnt["amount"] == pytest.approx(of_kg)


def test_what_suppliers_state_has_no_uncertainty_of_ours() -> None:
    found = objects(BOTH)
    ingot = found[f"processes/{SECOND.id}.json"]["exchanges"][3]
    provider = found[f"processes/{ingot['defaultProvider']['@id']}.json"]
    assert "uncertainty" not in json.dumps([ingot, provider["exchanges"]])
    assert "purchased inputs state none" in found[f"processes/{SECOND.id}.json"]["description"]
    assert "as far as they state" in found[f"processes/{FIRST.id}.json"]["description"]


def test_less_than_nothing_has_no_deviation_below_nothing() -> None:
    """A source that took back more than it gave."""
    grid = msgspec.structs.replace(
        FIRST.sources[1], amount="-1340", columns={"life_cycle": "-774.118"}
    )
    back = footprints_sample.sample(sources=(FIRST.sources[0], grid))
    taken = process(replace(PUBLISHED, rows=[back]), back.id)["exchanges"][2]
    assert (taken["amount"], taken["uncertainty"]["sd"] > 0) == (-1340, True)


def test_inputs_some_of_which_are_unknown_are_no_part_of_a_gate_to_gate_process() -> None:
    partly = footprints_sample.complete(draft=True, boundary="gate_to_gate", upstream_kg_co2e=None)
    taken = process(replace(PUBLISHED, rows=[partly]), partly.id)["exchanges"][1:]
    assert [each["flow"]["name"].split(" ")[0] for each in taken] == ["gas", "grid"]


def test_the_name_says_how_far_it_reaches() -> None:
    names = [process(BOTH, each.id)["name"] for each in (FIRST, SECOND)]
    assert names == [
        "Aluminium wheel 17 in (gate to gate, 2026-10, gbt24067)",
        "Aluminium wheel 17 in (cradle to gate, 2026-10, gbt24067)",
    ]
    batches = [each for name, each in objects(EXPORTS[0]).items() if "processes/" in name]
    assert {"gate to gate" in each["name"] for each in batches} == {True}


def test_of_electricity_by_place_and_by_contract_one_is_counted() -> None:
    columns = {"life_cycle": "774.118", "life_cycle_market": "600"}
    grid = msgspec.structs.replace(FIRST.sources[1], columns=columns)
    both = footprints_sample.sample(sources=(FIRST.sources[0], grid))
    found = objects(replace(PUBLISHED, rows=[both]))
    taken = found[f"processes/{both.id}.json"]["exchanges"][2]
    emitted = found[f"processes/{taken['defaultProvider']['@id']}.json"]["exchanges"][1:]
    assert [each["flow"]["name"].rsplit(" ", 1)[1] for each in emitted] == ["life_cycle_market"]
    assert emitted[0]["amount"] * 1340 == pytest.approx(600)


def test_a_running_period_is_not_all_of_it() -> None:
    until = FIRST.end_ms - 20 * 86_400_000
    asked = footprints_sample.sample(cause="asked", end_ms=until)
    export = replace(BOTH, rows=[FIRST, asked])
    over, running = (
        process(export, each.id)["processDocumentation"]["timeDescription"]
        for each in (FIRST, asked)
    )
    assert over.startswith("All batches that ended in 2026-10 (2026-09-30T16:00:00.000Z to")
    assert "settled before it was over" in running
    assert "All" not in running


def test_an_incomplete_batch_says_so() -> None:
    found = [each for name, each in objects(EXPORTS[0]).items() if "processes/" in name]
    said = {
        each["dqEntry"]: "Incomplete" in each["processDocumentation"]["dataTreatmentDescription"]
        for each in found
        if "dqEntry" in each
    }
    assert said == {"(2;1;1;1;1)": False, "(3;3;1;1;1)": True}


def test_a_factor_that_was_corrected_is_another_source() -> None:
    grid = msgspec.structs.replace(FIRST.factors[0], value="0.6205", status="secondary")
    later = footprints_sample.sample(period="2026-11", factors=(grid, *FIRST.factors[1:]))
    found = objects(replace(BOTH, rows=[FIRST, later]))
    assert len([name for name in found if name.startswith("sources/")]) == 4


def test_without_u95_no_uncertainty_is_stated() -> None:
    unknown = footprints_sample.sample(u95=Doubted(None, None, ("m-3",)))
    text = json.dumps(objects(replace(PUBLISHED, rows=[unknown])))
    assert '"uncertainty"' not in text
    assert "not known kWh, not known kg CO2e" in text
    assert "Meters of unknown class: m-3." in text


def test_quality_follows_from_measurement_and_factors() -> None:
    found = objects(BOTH)
    own = found[f"processes/{FIRST.id}.json"]
    assert own["dqEntry"] == "(2;1;1;1;1)"  # 0.998 measured, meters traceable
    gas, grid = own["exchanges"][1:]
    # Of 2024 and verified, for China; of 2025, a transcription.
    assert (grid["dqEntry"], gas["dqEntry"]) == ("(2;2;1;2;2)", "(3;2;1;2;2)")
    system = found[f"dq_systems/{own['dqSystem']['@id']}.json"]
    assert system["indicators"][0]["name"] == "Reliability"
    perfect = footprints_sample.sample(measured_share="1")
    assert process(replace(BOTH, rows=[perfect]), perfect.id)["dqEntry"] == "(1;1;1;1;1)"


def test_documentation_says_boundary_period_sample_and_rules() -> None:
    told = process(BOTH, FIRST.id)
    documentation = told["processDocumentation"]
    assert "Gate to gate" in documentation["technologyDescription"]
    assert "2 batches, 210 piece" in documentation["samplingDescription"]
    assert FIRST.allocation in documentation["inventoryMethodDescription"]
    assert (documentation["validFrom"], documentation["validUntil"]) == ("2026-10-01", "2027-10-31")
    assert FIRST.evidence.basis in told["description"]
    assert len(documentation["sources"]) == len(FIRST.factors)


def test_days_are_those_of_the_site() -> None:
    """At five in the morning in Chongqing it is still the day before in Greenwich."""
    hours = 5 * 3_600_000
    early = footprints_sample.sample(valid_until_ms=FIRST.valid_until_ms + hours)
    documentation = process(replace(BOTH, rows=[early]), early.id)["processDocumentation"]
    assert (documentation["validFrom"], documentation["validUntil"]) == ("2026-10-01", "2027-11-01")


def test_the_tree_head_stands_in_the_words_where_there_is_one() -> None:
    proof = msgspec.structs.replace(FIRST.evidence, size=5000, root="5dc9" * 16)
    signed = footprints_sample.sample(evidence=proof)
    said = process(replace(BOTH, rows=[signed]), signed.id)["description"]
    assert f"basis {proof.basis}, tree root {proof.root}." in said
    assert "tree root not yet signed." in process(BOTH, FIRST.id)["description"]


def test_the_company_owns_the_data() -> None:
    found = objects(BOTH)
    documentation = found[f"processes/{FIRST.id}.json"]["processDocumentation"]
    owner = found[f"actors/{documentation['dataSetOwner']['@id']}.json"]
    assert owner["name"] == documentation["dataGenerator"]["name"] == "Chongqing Example Wheels"


def test_without_a_declaration_the_site_is_the_place() -> None:
    bare = replace(BOTH, declaration=None)
    (location,) = [each for name, each in objects(bare).items() if name.startswith("locations/")]
    assert (location["name"], location["code"]) == (BOTH.site, BOTH.site)
    assert not [name for name in objects(bare) if name.startswith("actors/")]


def test_a_batch_of_unknown_mass_or_without_good_output_is_left_out() -> None:
    known, unknown = EXPORTS[0].rows
    rows = [
        msgspec.structs.replace(unknown, kg_co2e=None),
        msgspec.structs.replace(known, good="0"),
    ]
    assert not [name for name in objects(replace(EXPORTS[0], rows=rows)) if "processes/" in name]
