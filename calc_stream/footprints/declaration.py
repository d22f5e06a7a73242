"""What only people know of a company and its products, for those who receive the figures.

~~~toml
[company]
name = "Chongqing Example Wheels"
domain = "wheels.example.com"               # names our ids: urn:pact:wheels.example.com:supplier-id:…
ids = ["urn:lei:529900EXAMPLE0000000"]      # optional, besides
country = "CN"
subdivision = "CN-CQ"                       # optional
contact = "energy@wheels.example.com"       # optional

[installation]                              # optional: for CBAM
name = "Plant 1"
address = "1 Example Road, Chongqing"
unlocode = "CNCKG"
latitude = "29.563"
longitude = "106.551"

[[product]]
id = "wheel-17"                             # as batches name it
name = "Aluminium wheel 17 in"
name_zh = "17 英寸铝车轮"
description = "Cast aluminium wheel, machined and painted"
description_zh = "铸造铝车轮，机加工并喷涂"
mass_kg = "11.2"                            # of one unit; "0" for energy and services
fossil_carbon_kg = "0.012"                  # in one unit; optional
cn_code = "8708 70 50"                      # optional: Combined Nomenclature
cpc = "49129"                               # optional: UN Central Product Classification
ids = ["urn:gtin:04012345678901"]           # optional, besides
packaging = false                           # whether packaging is within the boundary
inputs_complete = true                      # the inputs below are all that is bought for it

[[product.input]]                           # optional: purchased inputs, for one unit
name = "Aluminium ingot"
amount = "12.1"
unit = "kg"
kg_co2e = "14.3"                            # for one unit of the input
primary_share = "0.6"                       # optional
supplier = "Example Aluminium"
source = "their PACT footprint of 2026"
pcf = "3fa85f64-5717-4562-b3fc-2c963f66afa6"   # optional: the supplier's footprint
document = "upstream/8d21….json"            # optional: it, as `wattprint pact fetch` kept it; then
                                            # kg_co2e, primary_share, supplier and source are its
~~~
"""

from pathlib import Path

import msgspec

from calc_stream.core.decimals import parse_fraction
from wire import config
from wire.config import refuse


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purchased input for one unit of product; `kg_co2e` for one unit of the input.

    `document`: of footprint `pcf`; what it says is filled in by `calc_stream.pact.upstream`, and only
    from there comes `not_fossil`, as in `footprint.Upstream`.
    """

    name: str
    amount: str
    unit: str
    kg_co2e: str = ""
    supplier: str = ""
    source: str = ""
    primary_share: str | None = None
    pcf: str = ""
    document: Path | None = None
    not_fossil: dict[str, str] = {}


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mass_kg`, `fossil_carbon_kg` and inputs are of one unit of good output."""

    id: str
    name: str
    mass_kg: str
    name_zh: str = ""
    description: str = ""
    description_zh: str = ""
    fossil_carbon_kg: str = "0"
    cn_code: str = ""
    cpc: str = ""
    ids: tuple[str, ...] = ()
    packaging: bool = False
    inputs_complete: bool = False
    input: tuple[Input, ...] = ()


class Company(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who states the figures. `country`: ISO 3166-1 alpha-2, `subdivision`: ISO 3166-2."""

    name: str
    domain: str
    country: str
    subdivision: str = ""
    ids: tuple[str, ...] = ()
    contact: str = ""


class Installation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is, as CBAM asks. Degrees as decimal strings, WGS 84."""

    name: str
    address: str = ""
    unlocode: str = ""
    latitude: str = ""
    longitude: str = ""


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    company: Company
    product: tuple[Product, ...] = ()
    installation: Installation | None = None

    def of(self, product: str) -> Product | None:
        """What is declared of a product; None: nothing."""
        return next((each for each in self.product if each.id == product), None)


def load_declaration(path: Path) -> Declaration:
    """Raises ConfigError naming file, key and the cure."""
    found = config.load(path, Declaration)
    seen: set[str] = set()
    for number, product in enumerate(found.product):
        here = f"product[{number}]"
        if product.id in seen:
            raise refuse(path, f"{here}.id", f"{product.id!r} is declared twice")
        seen.add(product.id)
        _check(path, f"{here}.mass_kg", product.mass_kg)
        _check(path, f"{here}.fossil_carbon_kg", product.fossil_carbon_kg)
        for at, bought in enumerate(product.input):
            _check_input(path, f"{here}.input[{at}]", bought)
    return found


def _check_input(path: Path, here: str, bought: Input) -> None:
    """What a document says is not said a second time, and what none says is."""
    _check(path, f"{here}.amount", bought.amount)
    if bought.not_fossil:
        raise refuse(path, f"{here}.not_fossil", "is what a document says; leave it out")
    stated = {name: getattr(bought, name) for name in ("kg_co2e", "supplier", "source")}
    if bought.document is not None:
        twice = [name for name, value in stated.items() if value] + (
            ["primary_share"] if bought.primary_share is not None else []
        )
        if twice:
            raise refuse(path, f"{here}.{twice[0]}", "is what the document says; leave it out")
        if not bought.pcf:
            raise refuse(path, f"{here}.pcf", "is missing: the id of the footprint in the document")
        return
    missing = next((name for name, value in stated.items() if not value), None)
    if missing is not None:
        raise refuse(path, f"{here}.{missing}", "is missing")
    _check(path, f"{here}.kg_co2e", bought.kg_co2e)
    if bought.primary_share is not None:
        _check(path, f"{here}.primary_share", bought.primary_share, 1)


def _check(path: Path, key: str, text: str, most: int | None = None) -> None:
    try:
        value = parse_fraction(text)
    except ValueError:
        value = None
    if value is None or value < 0 or (most is not None and value > most):
        upto = "" if most is None else f" to {most}"
        raise refuse(path, key, f'{text!a} must be a decimal string from 0{upto}, such as "0.5"')
