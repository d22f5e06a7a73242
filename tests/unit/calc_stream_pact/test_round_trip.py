"""A supplier's plant offers what it measured; a buyer's plant fetches it and completes its own.

Everything between is real: two journals, two ledgers, HTTPS, the command, the files it keeps.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from calc_stream.__main__ import main
from calc_stream.footprints.declaration import Company, Declaration, Input, Product
from calc_stream.footprints.footprint import Footprint
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.upstream import read_declaration
from calc_stream.pact.validator import problems
from tests.unit.calc_stream_live.days import DAY_1, Days, Office
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_pact.documents import good
from tests.unit.calc_stream_pact.exchange import Server, offered
from wire.errors import ConfigError

# The supplier buys alloy for its casting, and tells all it buys.
ALLOY = Input("Alloy", "7.25", "kg", "8.4", "Example Smelter", "a database", "0.5")
CASTING = Product(
    "wheel",
    "Raw casting",
    "7.1",
    input=(ALLOY,),
    inputs_complete=True,
    ids=("urn:gtin:4012345678918",),
)
SUPPLIER = Declaration(
    Company("Example Castings", "castings.example.com", "CN", "CN-SC"), (CASTING,)
)
PRODUCTS = """
[company]
name = "Example Wheels"
domain = "wheels.example.com"
country = "CN"
[[product]]
id = "wheel"
name = "Painted wheel"
mass_kg = "7.3"
inputs_complete = true
[[product.input]]
name = "Raw casting"
amount = "1.04"
unit = "{unit}"
pcf = "{pcf}"
document = "{document}"
"""


@dataclass
class Supplier:
    server: Server
    footprint: Footprint
    secret: Path

    def fetch(self, into: Path, *more: str) -> int:
        return main([*self.ask, "--ca-file", str(self.server.ca), "--into", str(into), *more])

    @property
    def ask(self) -> list[str]:
        words = ["pact", "fetch", self.server.url, "--client-id", "wheels"]
        return [*words, "--secret-file", str(self.secret)]


def published(folder: Path, declaration: Declaration | None, batches: tuple[int, ...]) -> Footprint:
    """The footprint of a day of a plant with batches of so many Wh."""
    folder.mkdir()
    plant = Days(folder)
    with closing(plant.writer):
        for number, wh in enumerate(batches):
            plant.batch(f"B-{number}", 1 + number, wh, 12_345, "7")
        plant.meters(8.5)
        made = [each for each in Office(plant, declaration).look() if each.period == DAY_1]
    (footprint,) = made
    return footprint


@pytest.fixture(scope="module")
def supplier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supplier]:
    folder = tmp_path_factory.mktemp("supplier")
    footprint = published(folder / "plant", SUPPLIER, (57_300, 81_001))
    assert (footprint.boundary, footprint.draft) == ("cradle_to_gate", False)
    secret = folder / "secret"
    secret.write_text("wheels-wheels\n")
    with offered(
        folder / "door", footprint, site=SITE, told=SUPPLIER, callers=("wheels",)
    ) as server:
        yield Supplier(server, footprint, secret)


def fetched(supplier: Supplier, into: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert supplier.fetch(into, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_what_a_supplier_measured_completes_the_buyers_footprint_exactly(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fetched(supplier, tmp_path / "upstream", capsys)
    products = tmp_path / "products.toml"
    names = {"pcf": told["id"], "document": told["file"], "unit": "piece"}
    products.write_text(PRODUCTS.format(**names))
    declaration = read_declaration(products)

    alone = published(tmp_path / "alone", None, (34_567,))
    whole = published(tmp_path / "whole", declaration, (34_567,))
    theirs = Fraction(supplier.footprint.kg_co2e) + Fraction("7.25") * Fraction("8.4")
    bought = Fraction("1.04") * theirs
    assert (alone.boundary, alone.draft) == ("gate_to_gate", True)
    assert (whole.boundary, whole.draft) == ("cradle_to_gate", False)
    assert Fraction(whole.kg_co2e) == Fraction(alone.kg_co2e)
    assert Fraction(whole.upstream_kg_co2e or "") == bought

    made = of_footprint(whole, declaration, "https://w.example.com")
    document = json.loads(msgspec.json.encode(made))
    assert problems(document) == []
    total = Fraction(alone.kg_co2e) + bought
    assert Fraction(document["pcf"]["pcfExcludingBiogenicUptake"]) == total
    # Of the supplier's kg, half of the alloy's are primary; of the buyer's own, none.
    primary = bought * Fraction(told_share(told))
    apart = Fraction(document["pcf"]["primaryDataShare"]) - 100 * primary / total
    assert abs(apart) < Fraction(1, 10_000)  # shares have six decimals


def told_share(told: dict[str, Any]) -> str:
    document = json.loads(Path(told["file"]).read_text())
    return str(Fraction(document["pcf"]["primaryDataShare"]) / 100)


def test_supplier_share_and_source_are_those_of_the_document(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fetched(supplier, tmp_path, capsys)
    products = tmp_path / "products.toml"
    names = {"pcf": told["id"], "document": told["file"], "unit": "piece"}
    products.write_text(PRODUCTS.format(**names))
    (bought,) = read_declaration(products).product[0].input
    assert bought.supplier == "Example Castings"
    assert bought.source == f"PACT footprint {told['id']}, SHA-256 {told['sha256']}"
    alloy = Fraction("7.25") * Fraction("8.4")
    share = alloy / 2 / (alloy + Fraction(supplier.footprint.kg_co2e))
    assert bought.primary_share is not None
    assert abs(Fraction(bought.primary_share) - share) < Fraction(1, 10**6)


def test_an_input_in_kg_is_counted_by_the_mass_the_document_states(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fetched(supplier, tmp_path, capsys)
    products = tmp_path / "products.toml"
    names = {"pcf": told["id"], "document": told["file"], "unit": "kg"}
    products.write_text(PRODUCTS.format(**names))
    (bought,) = read_declaration(products).product[0].input
    theirs = Fraction(supplier.footprint.kg_co2e) + Fraction("7.25") * Fraction("8.4")
    assert abs(Fraction(bought.kg_co2e) - theirs / Fraction("7.1")) < Fraction(1, 10**15)


def test_the_same_document_fetched_again_is_the_same_file(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {fetched(supplier, tmp_path, capsys)["file"] for _ in range(2)}
    assert {str(path) for path in tmp_path.glob("*.json")} == files
    origins = [json.loads(line) for line in (tmp_path / "fetched.jsonl").read_text().splitlines()]
    assert [each["url"] for each in origins] == [supplier.server.url] * 2


def test_what_is_asked_for_is_what_is_fetched(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supplier.fetch(tmp_path, "--product", "urn:gtin:4012345678918") == 0
    out = capsys.readouterr().out
    assert f'pcf = "{supplier.footprint.id}"' in out
    assert "Raw casting" in out
    assert supplier.fetch(tmp_path, "--id", supplier.footprint.id) == 0
    assert supplier.fetch(tmp_path, "--product", "urn:gtin:4000000000000") == 1
    assert "no footprint fits" in capsys.readouterr().err
    assert supplier.fetch(tmp_path, "--id", sample().id) == 2
    assert "answered 404" in capsys.readouterr().err


def test_who_is_not_who_it_says_is_not_asked(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = [*supplier.ask, "--into", str(tmp_path)]
    assert main(ask) == 2  # its authority is not a public one
    assert "is ca_file that of its authority?" in capsys.readouterr().err
    supplier.secret.write_text("another\n")
    try:
        assert main([*ask, "--ca-file", str(supplier.server.ca)]) == 2
    finally:
        supplier.secret.write_text("wheels-wheels\n")
    assert "are client id and secret those it gave?" in capsys.readouterr().err
    ask[2] = supplier.server.url.replace("https", "http")
    assert main(ask) == 2
    assert "must start with https://" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"told": {"fossilGhgEmissions": "1"}}, "its parts are 1"),
        ({"top": {"status": "Deprecated"}}, "is superseded; fetch the one that took its place"),
        (
            {
                "told": {
                    "pcfExcludingBiogenicUptake": "-1",
                    "pcfIncludingBiogenicUptake": "-1",
                    "landManagementBiogenicCO2Removals": "-15.3",
                }
            },
            "has a PCF below nothing",
        ),
        ({"more": "not_fossil = {}\n[product.input.x]"}, "is not a known key"),
        ({"more": 'not_fossil = { biogenicCO2Uptake = "-1" }'}, "not_fossil: is what a document"),
        ({"pcf": sample().id}, "not "),
        ({"unit": "m3"}, "is per kilogram; m3 cannot be converted to it"),
        ({"more": 'kg_co2e = "1"'}, "input[0].kg_co2e: is what the document says"),
        ({"more": 'supplier = "X"'}, "input[0].supplier: is what the document says"),
        ({"file": "none.json"}, "cannot be read"),
        ({"extension": "gate-to-gate"}, "is gate to gate only"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    document = good()
    document["pcf"].update(changes.get("told", {}))
    document.update(changes.get("top", {}))
    if "extension" in changes:
        data = {"boundary": changes["extension"], "draft": True}
        schema = "https://castings.example.com/extension-1.0.0.schema.json"
        document["extensions"] = [{"specVersion": "2.0.0", "dataSchema": schema, "data": data}]
    file = tmp_path / changes.get("file", "ingot.json")
    if "file" not in changes:
        file.write_text(json.dumps(document))
    names = {"pcf": document["id"], "document": str(file), "unit": "kg", **changes}
    products = tmp_path / "products.toml"
    products.write_text(PRODUCTS.format(**names) + changes.get("more", ""))
    with pytest.raises(ConfigError) as caught:
        read_declaration(products)
    assert str(caught.value).startswith(f"{products}: product[0].input[0]")
    assert why in str(caught.value)


def test_a_kept_document_that_was_changed_is_noticed(
    supplier: Supplier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fetched(supplier, tmp_path, capsys)
    file = Path(told["file"])
    file.write_text(file.read_text().replace("Raw casting", "Raw Casting"))
    products = tmp_path / "products.toml"
    products.write_text(PRODUCTS.format(pcf=told["id"], document=file, unit="piece"))
    with pytest.raises(ConfigError, match="its name is not its hash"):
        read_declaration(products)


def test_tonnes_and_other_amounts_of_a_document_are_converted_exactly(tmp_path: Path) -> None:
    """14.3 kg for 5 kg of product: 2860 for a tonne of it."""
    document = good(declaredUnitAmount="5", productMassPerDeclaredUnit="5")
    file = tmp_path / "ingot.json"
    file.write_text(json.dumps(document))
    products = tmp_path / "products.toml"
    products.write_text(PRODUCTS.format(pcf=document["id"], document=file, unit="t"))
    (bought,) = read_declaration(products).product[0].input
    assert (bought.kg_co2e, bought.primary_share) == ("2860", "0.6")


def test_what_is_not_fossil_in_a_document_comes_with_the_input_exactly(tmp_path: Path) -> None:
    """Of 14.3 kg for 5 kg of product 4 are not fossil; 0.8 kg of uptake for each kg are besides."""
    parts = {"landUseChangeGhgEmissions": "3", "biogenicNonCO2Emissions": "1"}
    document = good(
        declaredUnitAmount="5",
        productMassPerDeclaredUnit="5",
        fossilGhgEmissions="10.3",
        biogenicCO2Uptake="-4",
        pcfIncludingBiogenicUptake="10.3",
        landManagementBiogenicCO2Emissions="0",
        **parts,
    )
    file = tmp_path / "ingot.json"
    file.write_text(json.dumps(document))
    products = tmp_path / "products.toml"
    products.write_text(PRODUCTS.format(pcf=document["id"], document=file, unit="kg"))
    declaration = read_declaration(products)
    (bought,) = declaration.product[0].input
    told = {"landUseChangeGhgEmissions": "0.6", "biogenicNonCO2Emissions": "0.2"}
    assert bought.not_fossil == {**told, "biogenicCO2Uptake": "-0.8"}
    whole = published(tmp_path / "whole", declaration, (34_567,))
    assert whole.upstream[0].not_fossil == {
        "landUseChangeGhgEmissions": "0.624",  # of 1.04 kg
        "biogenicNonCO2Emissions": "0.208",
        "biogenicCO2Uptake": "-0.832",
    }
    pcf = of_footprint(whole, declaration, "https://w.example.com").pcf
    apart = Fraction(pcf.pcf_excluding_biogenic_uptake) - Fraction(pcf.fossil_ghg_emissions)
    assert apart == Fraction("0.832")
    assert pcf.biogenic_uptake == "-0.832"
