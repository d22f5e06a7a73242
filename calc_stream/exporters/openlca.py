"""openLCA JSON-LD package (olca-schema, version 2): a process for each footprint in force, or batch.

~~~toml
[exporter]
kind = "openlca"
~~~

A zip, as openLCA and Brightway import it. What a process takes comes from a provider process that
emits what the total counts of it, in kg of CO2 equivalents: our factors are no inventories of gases,
so the package brings the impact category that weighs them. Normal distributions have half of U95 as
standard deviation: that of metered energy on the amounts of energy, and what is left of the mass's on
the providers' emissions; all of it where the amount is no energy. Purchased inputs have none. Sampled
independently, sources that share meters are taken for less doubtful than they are. Batches of unknown
mass or without good output are left out.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from calc_stream.core.decimals import instant, significant
from calc_stream.datasets import pedigree
from calc_stream.datasets.dates import day
from calc_stream.datasets.ids import named, source_id
from calc_stream.datasets.process import Process, Taken, batch_process, footprint_process
from calc_stream.datasets.units import Measure, measure
from calc_stream.evidence.bundle_file import pack
from calc_stream.exporters import Export
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import FactorUsed
from calc_stream.ledger.rows import BatchRow

MEDIA_TYPE = "application/zip"
TAKES = ("batches", "footprints")
_VERSION = "01.00.000"
_KG = measure("kg")
_AIR = "Elementary flows/Emission to air/unspecified"
_Object = dict[str, Any]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to set."""


def write(export: Export, settings: Settings) -> bytes:  # noqa: ARG001  nothing to set
    """The package."""
    package = _Package(export.site, export.declaration)
    for footprint in export.in_force:
        package.add(footprint_process(footprint, export.declaration))
    for row in export.rows:
        if isinstance(row, BatchRow) and (found := batch_process(row, export.declaration)):
            package.add(found)
    return package.packed()


class _Package:
    """Objects by folder and id. Every amount is the exact decimal, or of 17 digits."""

    def __init__(self, site: str, declaration: Declaration | None) -> None:
        self._files: dict[tuple[str, str], _Object] = {}
        self._emitted: dict[str, dict[str, _Object]] = {}
        self._made_ms = 0
        self._location = self._place(site, declaration)
        self._owner = self._company(declaration)
        self._quality = self._scores()

    def add(self, process: Process) -> None:
        """The process and all that it takes."""
        self._made_ms = max(self._made_ms, process.made_ms)
        product = self._flow(process.id, process.name.en, process.unit, process.product)
        exchanges = [_exchange(1, product, process.output, measure(process.unit), output=True)]
        exchanges[0]["isQuantitativeReference"] = True
        for taken in process.taken:
            exchanges.append(self._taken(process, taken, len(exchanges) + 1))
        for column, kg in process.kg.items():
            flow = self._emission(column, process.gwp)
            exchanges.append(_exchange(len(exchanges) + 1, flow, kg, _KG, output=True))
        said = process.said
        about = ("boundary", "method", "data", "uncertainty", "evidence")
        self._process(
            process.id,
            process,
            name=process.name.en,
            description=" ".join(said[key].en for key in about if key in said),
            exchanges=exchanges,
            dqEntry=str(process.quality),
            processDocumentation=self._documentation(process),
        )

    def packed(self) -> bytes:
        """The zip; what all processes share comes last."""
        methods = [self._category(gwp, flows) for gwp, flows in sorted(self._emitted.items())]
        if methods:
            told = {"impactCategories": methods, "description": "Weighs kg of CO2e as they are."}
            self._add(
                "lcia_methods",
                named("method", *sorted(self._emitted)),
                "ImpactMethod",
                "wattprint",
                **told,
            )
        files = {
            f"{folder}/{id_}.json": _encoded(found) for (folder, id_), found in self._files.items()
        }
        files["olca-schema.json"] = _encoded({"version": 2})
        return pack(files)

    def _taken(self, process: Process, taken: Taken, number: int) -> _Object:
        """The exchange, and the provider behind it."""
        id_ = named(process.id, taken.key)
        name = f"{taken.name}, for {process.name.en}"
        flow = self._flow(id_, name, taken.unit, "Taken")
        unit = measure(taken.unit)
        given = [_exchange(1, flow, Fraction(1), unit, output=True)]
        given[0]["isQuantitativeReference"] = True
        for column, kg in taken.kg.items():
            emission = self._emission(column, process.gwp)
            amount = kg / taken.amount if taken.amount else Fraction(0)
            given.append(
                _exchange(len(given) + 1, emission, amount, _KG, output=True, sd=taken.kg_sd)
            )
        provider = self._process(
            named("provider", id_),
            process,
            name=name,
            description=taken.about,
            exchanges=given,
            **({"dqEntry": str(taken.quality)} if taken.quality else {}),
            processDocumentation={"sources": [self._source(one) for one in taken.factors]},
        )
        found = _exchange(number, flow, taken.amount, unit, output=False, sd=taken.sd)
        found["defaultProvider"] = provider
        if taken.quality:
            found["dqEntry"] = str(taken.quality)
        return found

    def _documentation(self, process: Process) -> _Object:
        said = {key: words.en for key, words in process.said.items()}
        found: _Object = {
            "timeDescription": said["time"],
            "technologyDescription": said["boundary"],
            "geographyDescription": self._location["name"],
            "dataCollectionDescription": said["collection"],
            "samplingDescription": said["sampling"],
            "dataTreatmentDescription": said["treatment"],
            "inventoryMethodDescription": said["allocation"],
            "completenessDescription": "All metered carriers; nothing metered is cut off.",
            "dataSelectionDescription": f"Data quality by rule: {pedigree.RULE}",
            "validFrom": day(process.start_ms, process.timezone),
            "creationDate": instant(process.made_ms),
            "sources": [self._source(one) for one in process.factors],
        }
        if process.valid_until_ms is not None:
            found["validUntil"] = day(process.valid_until_ms - 1, process.timezone)
        if self._owner:
            found |= {"dataSetOwner": self._owner, "dataGenerator": self._owner}
        return found

    def _process(self, id_: str, process: Process, name: str, **told: Any) -> _Object:
        return self._add(
            "processes",
            id_,
            "Process",
            name,
            **told,
            processType="UNIT_PROCESS",
            # One product each: what was shared is divided before.
            defaultAllocationMethod="NO_ALLOCATION",
            location=self._location,
            dqSystem=self._quality,
            exchangeDqSystem=self._quality,
            lastChange=instant(process.made_ms),
        )

    def _flow(self, id_: str, name: str, unit: str, category: str) -> _Object:
        property_ = self._property(measure(unit))
        factor = {"flowProperty": property_, "conversionFactor": 1, "isRefFlowProperty": True}
        flow = self._add("flows", named("flow", id_), "Flow", name, category=category,
                         flowType="PRODUCT_FLOW", flowProperties=[factor])  # fmt: skip
        return {**flow, "flowType": "PRODUCT_FLOW", "refUnit": measure(unit).group.units[0].name}

    def _emission(self, column: str, gwp: str) -> _Object:
        id_, name = named("emission", column, gwp), f"Greenhouse gases, CO2e ({gwp}): {column}"
        factor = {
            "flowProperty": self._property(_KG),
            "conversionFactor": 1,
            "isRefFlowProperty": True,
        }
        flow = self._add("flows", id_, "Flow", name, category=_AIR,
                         flowType="ELEMENTARY_FLOW", flowProperties=[factor])  # fmt: skip
        told = {**flow, "flowType": "ELEMENTARY_FLOW", "refUnit": "kg"}
        self._emitted.setdefault(gwp, {})[column] = told
        return told

    def _category(self, gwp: str, flows: Mapping[str, _Object]) -> _Object:
        factors = [
            {"flow": flow, "flowProperty": _KG.reference, "unit": _KG.unit.reference, "value": 1}
            for _, flow in sorted(flows.items())
        ]
        return self._add("lcia_categories", named("category", gwp), "ImpactCategory",
                         f"Climate change, GWP 100 a, {gwp}", refUnit="kg CO2e",
                         direction="OUTPUT", impactFactors=factors)  # fmt: skip

    def _property(self, of: Measure) -> _Object:
        units = [
            {
                "@id": unit.id,
                "name": unit.name,
                "conversionFactor": _number(unit.factor),
                "isRefUnit": unit is of.group.units[0],
            }
            for unit in of.group.units
        ]
        group = self._add("unit_groups", of.group.id, "UnitGroup", of.group.name, units=units,
                          defaultFlowProperty=of.reference)  # fmt: skip
        return self._add("flow_properties", of.id, "FlowProperty", of.name, unitGroup=group,
                         flowPropertyType="PHYSICAL_QUANTITY")  # fmt: skip

    def _source(self, factor: FactorUsed) -> _Object:
        text = f"{factor.publisher}: {factor.document}"
        return self._add("sources", source_id(factor), "Source",
                         f"{factor.id} ({factor.status})", textReference=text, url=factor.url,
                         year=factor.data_year)  # fmt: skip

    def _place(self, site: str, declaration: Declaration | None) -> _Object:
        company = None if declaration is None else declaration.company
        code = site if company is None else company.subdivision or company.country
        told: _Object = {"code": code}
        where = None if declaration is None else declaration.installation
        if where is not None and where.latitude and where.longitude:
            told |= {"latitude": Decimal(where.latitude), "longitude": Decimal(where.longitude)}
        return self._add("locations", named("location", site, code), "Location", code, **told)

    def _company(self, declaration: Declaration | None) -> _Object | None:
        if declaration is None:
            return None
        company = declaration.company
        return self._add("actors", named("actor", company.domain), "Actor", company.name,
                         country=company.country, email=company.contact,
                         website=company.domain)  # fmt: skip

    def _scores(self) -> _Object:
        indicators = [
            {
                "name": name,
                "position": at,
                "scores": [{"position": n, "label": str(n)} for n in range(1, 6)],
            }
            for at, name in enumerate(pedigree.INDICATORS, 1)
        ]
        return self._add("dq_systems", named("pedigree"), "DQSystem", "Pedigree by rule",
                         description=pedigree.RULE, hasUncertainties=False,
                         indicators=indicators)  # fmt: skip

    def _add(self, folder: str, id_: str, type_: str, name: str, **told: Any) -> _Object:
        """Keeps the object and gives a reference to it."""
        reference = {"@type": type_, "@id": id_, "name": name}
        self._files[folder, id_] = {**reference, "version": _VERSION, **told}
        return reference


def _exchange(
    number: int,
    flow: _Object,
    amount: Fraction,
    of: Measure,
    *,
    output: bool,
    sd: float | None = None,
) -> _Object:
    found: _Object = {
        "internalId": number,
        "isInput": not output,
        "isAvoidedProduct": False,
        "isQuantitativeReference": False,
        "amount": _number(amount),
        "flow": flow,
        "unit": of.unit.reference,
        "flowProperty": of.reference,
    }
    if sd is not None and amount:
        found["uncertainty"] = {
            "distributionType": "NORMAL_DISTRIBUTION",
            "mean": _number(amount),
            "sd": abs(float(amount) * sd),
        }
    return found


def _number(amount: Fraction) -> Decimal:
    return Decimal(significant(amount, 17))


def _encoded(found: _Object) -> bytes:
    text = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode(found)
    return msgspec.json.format(text, indent=1) + b"\n"
