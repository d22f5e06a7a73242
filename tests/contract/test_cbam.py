"""CBAM data by the template's own examples, and by hand from published factors."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from typing import Any

import msgspec
import pytest

from calc_stream.datasets.cbam import Stream
from calc_stream.exporters import Export, cbam
from calc_stream.factors import load_method
from calc_stream.footprints.declaration import Product
from tests.contract import cbam_sample
from tests.contract.test_exporters import IN_TONNES
from tests.unit.calc_stream_live import footprints_sample
from wire.errors import ConfigError

C_TO_CO2 = load_method("cbam").metric.c_to_co2
F = Fraction


def written(export: Export = IN_TONNES, **settings: str) -> dict[str, Any]:
    data = cbam.write(export, msgspec.convert(settings, cbam.Settings))
    with zipfile.ZipFile(BytesIO(data)) as files:
        found: dict[str, Any] = json.loads(files.read("communication.json"))
        for name in files.namelist():
            if name.endswith(".csv"):
                text = files.read(name).decode("utf-8-sig")
                assert list(csv.DictReader(io.StringIO(text))) == found[name[:-4]]
    return found


@pytest.mark.parametrize(
    ("stream", "t_co2", "tj"),
    [
        (
            Stream("Combustion", "Heavy fuel oil", F(252_000), "t", ncv=F(45), ef=F(73)),
            F(827_820),
            11_340,
        ),
        (
            Stream("Process Emissions", "Raw meal for clinker", F(121_000), "t", ef=F("0.08794")),
            F("10640.74"),
            0,
        ),
        (
            Stream("Mass balance", "Steel", F(-1_808_226), "t", carbon=F("0.003878")),
            F("-25693.068768192"),
            0,
        ),
    ],
    ids=["combustion", "process", "mass balance"],
)
def test_the_examples_of_the_template_come_out_exactly(
    stream: Stream, t_co2: Fraction, tj: int
) -> None:
    """CBAM communication template of the European Commission, sheet B_EmInst, rows Ex.1 to Ex.3."""
    assert (stream.t_co2(C_TO_CO2), stream.tj) == (t_co2, tj)


def test_with_44_twelfths_the_template_s_steel_would_come_out_otherwise() -> None:
    steel = Stream("Mass balance", "Steel", F(-1_808_226), "t", carbon=F("0.003878"))
    assert round(float(steel.t_co2(F(44, 12))), 2) == -25_711.77


def test_biomass_is_taken_off() -> None:
    wood = Stream("Combustion", "Wood", F(100), "t", ncv=F(15), ef=F(112), bioc=F("0.75"))
    assert wood.t_co2(C_TO_CO2) == 100 * F(15) / 1000 * 112 / 4


def test_a_fuel_is_a_source_stream_and_its_emissions_are_the_ledger_s() -> None:
    (stream,) = written()["B_EmInst"]
    assert {key: stream[key] for key in list(stream)[1:10]} == {
        "Method": "Combustion",
        "Source stream name": "gas (natural_gas)",
        "Activity data (AD)": "10",
        "AD Unit": "1000Nm3",
        "Net calorific value (NCV)": "38.931",
        "NCV Unit": "GJ/1000Nm3",
        "Emission factor (EF)": "56.0592",  # 15.3 x 3.664
        "EF Unit": "tCO2/TJ",
        "Oxidation factor (OxF)": "99",
    }
    assert stream["Energy content (fossil), TJ"] == "0.38931"
    burnt = F("38.931") * F("15.3") * F("3.664") * F("0.99") * 10 / 1000
    assert float(stream["CO2e fossil (t)"]) == pytest.approx(float(burnt), rel=1e-12)
    gas = cbam_sample.goods().sources[0]
    assert float(gas.columns["direct"]) / 1000 == pytest.approx(float(burnt), rel=1e-12)


def test_direct_has_the_bought_heat_and_indirect_the_electricity() -> None:
    (product,) = written()["Summary_Communication"]
    burnt = F("38.931") * F("15.3") * F("3.664") * F("0.99") * 10 / 1000
    direct = (burnt + F(110)) / 500  # 1000 GJ at 0.11 t
    indirect = F("0.5581") * 400 / 500
    assert float(product["SEE (direct)"]) == pytest.approx(float(direct), rel=1e-12)
    assert product["SEE (indirect)"] == "0.44648"
    assert indirect == F("0.44648")
    total = F(product["SEE (direct)"]) + F(product["SEE (indirect)"])
    assert float(product["SEE (total)"]) == pytest.approx(float(total), rel=1e-12)
    footprint = cbam_sample.goods()
    assert float(total) * 1000 == pytest.approx(float(footprint.kg_co2e), rel=1e-9)
    assert product["CN Codes"] == "7601 10 00"
    assert product["Embedded electricity (MWh/t)"] == "0.8"
    assert product["Electricity EF (tCO2/MWh)"] == "0.5581"
    assert product["Source for electricity EF"] == "D.4(b)"
    assert product["Share of emissions by default value"] == "0"


def test_processes_stand_in_the_template_s_rows() -> None:
    rows = {row["Row"]: (row["Unit"], row["Value"]) for row in written()["D_Processes"]}
    assert rows["(a)"] == ("t", "500")
    assert rows["(h) i."] == ("TJ", "1")
    assert rows["(h) ii."] == ("tCO2/TJ", "110")
    assert rows["(j) i."] == ("MWh", "400")
    assert rows["(j) ii."] == ("tCO2/MWh", "0.5581")
    assert rows["(j) iii."] == ("-", "D.4(b)")
    (stream,) = written()["B_EmInst"]
    assert rows["(g)"] == ("tCO2e", stream["CO2e fossil (t)"])


def test_the_installation_has_the_period_as_its_own_days() -> None:
    rows = {row["Parameter"]: row["Value"] for row in written()["A_InstData"]}
    assert rows["UNLOCODE:"] == "CNCKG"
    assert rows["Reporting period start:"] == "2026-10-01"
    assert rows["Reporting period end:"] == "2026-10-31"


def test_the_commission_s_electricity_factor_is_a_default_value() -> None:
    (product,) = written(electricity_source="D.4(a)")["Summary_Communication"]
    share = float(product["SEE (indirect)"]) / float(product["SEE (total)"])
    assert float(product["Share of emissions by default value"]) == pytest.approx(share)


def burning(**changes: Any) -> Export:
    """With another use of gas, by a factor of its value alone."""
    goods = cbam_sample.goods()
    bare = [msgspec.structs.replace(each, parts=None) for each in goods.factors]
    gas = msgspec.structs.replace(goods.sources[0], **changes)
    sources = (gas, *goods.sources[1:])
    return replace(IN_TONNES, rows=[cbam_sample.goods(factors=tuple(bare), sources=sources)])


def test_a_fuel_whose_factor_tells_no_heating_value_counts_by_the_value_alone() -> None:
    (stream,) = written(burning(columns={"direct": "21622"}))["B_EmInst"]
    assert (stream["Net calorific value (NCV)"], stream["EF Unit"]) == ("", "tCO2/1000Nm3")
    assert (stream["Emission factor (EF)"], stream["CO2e fossil (t)"]) == ("2.1622", "21.622")


@pytest.mark.parametrize(
    ("fuel", "unit", "per", "stream"),
    [
        ("20", "t", "kg", ("20", "t", "3.1", "tCO2/t")),
        ("20000", "kg", "kg", ("20", "t", "3.1", "tCO2/t")),
        ("20", "t", "t", ("20", "t", "3.1", "tCO2/t")),
        ("20000", "kg", "t", ("20", "t", "3.1", "tCO2/t")),
        ("20000", "L", "L", ("20", "1000L", "3.1", "tCO2/1000L")),
    ],
)
def test_fuel_in_kilograms_is_stated_in_tonnes(
    fuel: str, unit: str, per: str, stream: tuple[str, ...]
) -> None:
    """62 t of CO2 whichever way it is metered and its factor is told; what does not fit one
    another would stand as one factor for a unit as metered."""
    value = "3100" if per == "t" else "3.1"
    export = burning(columns={"direct": "62000"}, amount=fuel, unit=unit, factors=("oil",))
    (goods,) = export.footprints
    oil = msgspec.structs.replace(
        goods.factors[0], id="oil", value=value, unit=f"kgCO2/{per}", parts=None
    )
    row = cbam_sample.goods(sources=goods.sources, factors=(oil, *goods.factors[1:]))
    (found,) = written(replace(export, rows=[row]))["B_EmInst"]
    keys = ("Activity data (AD)", "AD Unit", "Emission factor (EF)", "EF Unit")
    assert tuple(found[key] for key in keys) == stream
    assert found["CO2e fossil (t)"] == "62"


def bought_power(**changes: Any) -> Export:
    """Two factors of electricity one after the other, and a contract for it."""
    goods = cbam_sample.goods()
    grid = goods.sources[1]
    columns = {"scope_2_location": grid.columns["scope_2_location"], "scope_2_market": "100000"}
    its = msgspec.structs.replace(grid, columns=columns, factors=(*grid.factors, "next"))
    following = msgspec.structs.replace(goods.factors[1], id="next", **changes)
    row = cbam_sample.goods(
        sources=(goods.sources[0], its, goods.sources[2]), factors=(*goods.factors, following)
    )
    return replace(IN_TONNES, rows=[row])


def test_electricity_by_several_factors_is_a_mix() -> None:
    (product,) = written(bought_power())["Summary_Communication"]
    assert product["Source for electricity EF"] == "Mix"
    assert product["SEE (indirect)"] == "0.44648"


def test_by_contract_indirect_emissions_are_those_of_the_contract() -> None:
    found = written(bought_power(), electricity="market", electricity_source="D.4.3.2")
    (product,) = found["Summary_Communication"]
    assert product["SEE (indirect)"] == "0.2"  # 100 t of 500
    assert product["Electricity EF (tCO2/MWh)"] == "0.25"
    assert product["Source for electricity EF"] == "D.4.3.2"


def test_a_supplier_s_own_factor_is_not_taken_for_a_public_one() -> None:
    goods = cbam_sample.goods()
    own = [msgspec.structs.replace(each, primary=True) for each in goods.factors]
    with pytest.raises(ConfigError, match="--set electricity_source=: say where"):
        written(replace(IN_TONNES, rows=[cbam_sample.goods(factors=tuple(own))]))


def test_a_stream_the_factor_does_not_give_stands_as_it_was_counted() -> None:
    """So the streams add up to the directly attributable emissions, whatever a factor says."""
    found = written(burning(columns={"direct": "20000"}))
    (stream,) = found["B_EmInst"]
    assert (stream["Activity data (AD)"], stream["AD Unit"]) == ("10000", "Nm3")
    assert (stream["Emission factor (EF)"], stream["EF Unit"]) == ("0.002", "tCO2/Nm3")
    rows = {row["Row"]: row["Value"] for row in found["D_Processes"]}
    assert stream["CO2e fossil (t)"] == rows["(g)"] == "20"


def test_heat_that_was_metered_as_mass_has_no_energy_guessed() -> None:
    goods = cbam_sample.goods()
    steam = msgspec.structs.replace(goods.sources[2], unit="t", amount="400", factors=("per-t",))
    of_mass = msgspec.structs.replace(
        goods.factors[2], id="per-t", unit="kgCO2/t", value="275", parts=None
    )
    changed = cbam_sample.goods(
        sources=(*goods.sources[:2], steam), factors=(*goods.factors[:2], of_mass)
    )
    found = written(replace(IN_TONNES, rows=[changed]))
    rows = {row["Row"]: row["Value"] for row in found["D_Processes"]}
    assert (rows["(h) i."], rows["(h) ii."]) == ("", "")
    assert found["Summary_Communication"] == written()["Summary_Communication"]


def test_names_are_no_formulas_and_figures_stay_figures() -> None:
    told = cbam_sample.declaration()
    billet = msgspec.structs.replace(told.product[0], name='=HYPERLINK("http://x")')
    export = replace(IN_TONNES, declaration=msgspec.structs.replace(told, product=(billet,)))
    data = cbam.write(export, cbam.Settings())
    with zipfile.ZipFile(BytesIO(data)) as files:
        text = files.read("Summary_Communication.csv").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["Product name"] == '\'=HYPERLINK("http://x")'
    assert row["SEE (indirect)"] == "0.44648"


def test_what_is_left_out_is_said() -> None:
    assert "precursors" in written()["not_within"]


def test_several_goods_stand_beside_each_other() -> None:
    slab = cbam_sample.goods(product="slab")
    told = cbam_sample.declaration()
    other = msgspec.structs.replace(told.product[0], id="slab", name="Aluminium slab")
    declared = msgspec.structs.replace(told, product=(*told.product, other))
    both = replace(IN_TONNES, rows=[*IN_TONNES.rows, slab], declaration=declared)
    found = written(both)
    names = ["Aluminium billet", "Aluminium slab"]
    assert [row["Product name"] for row in found["Summary_Communication"]] == names
    assert [row["Production process"] for row in found["B_EmInst"]] == names
    same = msgspec.structs.replace(declared, product=(*told.product, replaced(other)))
    with pytest.raises(ConfigError, match="two products are named 'Aluminium billet'"):
        written(replace(both, declaration=same))


def replaced(product: Product) -> Product:
    return msgspec.structs.replace(product, name="Aluminium billet")


def test_other_methods_are_no_part_of_it() -> None:
    both = replace(IN_TONNES, rows=[footprints_sample.sample(), *IN_TONNES.rows])
    assert written(both)["footprints"] == [cbam_sample.goods().id]


NOVEMBER = cbam_sample.goods(period="2026-11")
RUNNING = cbam_sample.goods(product="slab", end_ms=cbam_sample.goods().end_ms - 86_400_000)


@pytest.mark.parametrize(
    ("export", "settings", "said"),
    [
        (replace(IN_TONNES, declaration=None), {}, "--declaration: is needed"),
        (
            replace(IN_TONNES, declaration=cbam_sample.declaration(cn_code="")),
            {},
            "product billet: cn_code is missing",
        ),
        (
            replace(IN_TONNES, rows=[cbam_sample.goods(unit="piece")]),
            {},
            "is for one piece, .* let batches report their good output in t: a declared mass is no",
        ),
        (
            replace(IN_TONNES, rows=[*IN_TONNES.rows, NOVEMBER]),
            {},
            "--set period=: name one reporting period of: 2026-10, 2026-11",
        ),
        (
            IN_TONNES,
            {"period": "2026-12"},
            "--set period=: there is none of 2026-12; take one of: 2026-10",
        ),
        (
            replace(IN_TONNES, rows=[*IN_TONNES.rows, RUNNING]),
            {},
            "are of 2026-10 up to different times; wait until the period is over",
        ),
        (IN_TONNES, {"electricity": "market"}, "--set electricity_source=: say where"),
    ],
    ids=[
        "nothing declared",
        "no CN code",
        "pieces",
        "two periods",
        "no period",
        "running",
        "contracts",
    ],
)
def test_what_the_template_cannot_take_is_refused(
    export: Export, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        written(export, **settings)


def test_one_period_can_be_chosen() -> None:
    two = replace(IN_TONNES, rows=[*IN_TONNES.rows, NOVEMBER])
    assert written(two, period="2026-11")["footprints"] == [NOVEMBER.id]
