"""Pure: published footprints as ILCD data sets, nested tables in the order of ILCD's schema.

TIDAS writes them as JSON as they are, ILCD as XML: a key "@name" is an attribute, "#text" an
element's own text, a list repeats its element. Amounts are for one unit of product. A data set is
terminated: what a total counts leaves it as kg of CO2 equivalents, and what was metered enters as
reminder flows, for people to see and no tool to count again.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from calc_stream.core.decimals import instant, parse_fraction, shortest, significant
from calc_stream.datasets.dates import day
from calc_stream.datasets.ids import named
from calc_stream.datasets.ilcd_around import Around
from calc_stream.datasets.ilcd_parts import (
    FORMAT,
    VERSION,
    Table,
    chinese,
    compliance,
    exchange,
    joined,
    reference,
    root,
    texts,
)
from calc_stream.datasets.process import Process, Taken, footprint_process
from calc_stream.datasets.units import measure
from calc_stream.datasets.words import BOUNDARIES, Said
from calc_stream.factors import load_method
from calc_stream.factors.rates import counted
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from wire.errors import ConfigError

_CPC = {
    "0": "Agriculture, forestry and fishery products",
    "1": "Ores and minerals; electricity, gas and water",
    "2": "Food products, beverages and tobacco; textiles, apparel and leather products",
    "3": "Other transportable goods, except metal products, machinery and equipment",
    "4": "Metal products, machinery and equipment",
    "5": "Constructions and construction services",
}
_APPLICATIONS = Said(
    "Product carbon footprints downstream, inventories of purchased goods, factor databases.",
    "下游产品碳足迹核算、外购货物排放清单、碳足迹因子数据库。",
)
_ACCESS = Said("As agreed with the owner of the data set.", "按与数据集所有者的约定使用。")
_NOT_CUT = Said(
    "All metered carriers; nothing metered is cut off.", "包含全部计量能源，计量范围内无取舍。"
)


class _DataSets:
    """Data sets by path without ending."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._around = Around(declaration)
        self.found = self._around.found

    def add(self, footprint: Footprint) -> None:
        """The process and whatever it refers to."""
        process = footprint_process(footprint, self._declaration)
        self._around.made = instant(process.made_ms)
        method = load_method(footprint.method)
        kg = {name: footprint.columns[name] for name in counted(footprint.columns, method)}
        if footprint.upstream_kg_co2e is not None:
            kg["bought"] = footprint.upstream_kg_co2e
        exchanges = [self._product(process)]
        for column, amount in kg.items():
            exchanges.append(self._emission(footprint, column, amount, len(exchanges) + 1))
        for taken in process.taken:
            exchanges.append(self._reminder(process, taken, len(exchanges) + 1))
        self.found[f"processes/{footprint.id}"] = self._process(footprint, process, exchanges)
        self._around.contact()

    def _process(self, footprint: Footprint, process: Process, exchanges: list[Table]) -> Table:
        return root("Process", "process", {"@locations": "../ILCDLocations.xml"}, {
            "processInformation": self._information(footprint, process),
            "modellingAndValidation": self._modelling(footprint, process),
            "administrativeInformation": self._administration(footprint),
            "exchanges": {"exchange": exchanges},
        })  # fmt: skip

    def _information(self, footprint: Footprint, process: Process) -> Table:
        said, company = process.said, self._declaration.company
        about = ("boundary", "method", "uncertainty", "evidence")
        return {
            "dataSetInformation": {
                "common:UUID": footprint.id,
                "name": {
                    "baseName": texts(process.name),
                    "treatmentStandardsRoutes": texts(said["method"], 500),
                    "mixAndLocationTypes": texts(_mix(footprint)),
                },
                "classificationInformation": {"common:classification": {
                    "common:class": [{"@level": "0", "@classId": "C", "#text": "Manufacturing"}],
                }},
                "common:generalComment": texts(joined(said[key] for key in about)),
            },
            "quantitativeReference": {
                "@type": "Reference flow(s)",
                "referenceToReferenceFlow": "1",
            },
            "time": {
                "common:referenceYear": int(day(process.end_ms - 1, process.timezone)[:4]),
                "common:dataSetValidUntil": int(day(footprint.valid_until_ms - 1, process.timezone)[:4]),
                "common:timeRepresentativenessDescription": texts(said["time"]),
            },
            "geography": {"locationOfOperationSupplyOrProduction": {"@location": company.subdivision or company.country}},
            "technology": {"technologyDescriptionAndIncludedProcesses": texts(said["boundary"])},
        }  # fmt: skip

    def _modelling(self, footprint: Footprint, process: Process) -> Table:
        said = process.said
        complete = footprint.boundary == "cradle_to_gate"
        sources = [self._around.source(factor) for factor in footprint.factors]
        return {
            "LCIMethodAndAllocation": {
                "typeOfDataSet": "LCI result" if complete else "Partly terminated system",
                "LCIMethodPrinciple": "Attributional",
                "LCIMethodApproaches": "Allocation - physical causality",
                "deviationsFromLCIMethodApproaches": texts(said["allocation"]),
            },
            "dataSourcesTreatmentAndRepresentativeness": {
                "dataCutOffAndCompletenessPrinciples": texts(_NOT_CUT),
                "dataSelectionAndCombinationPrinciples": texts(said["data"]),
                "dataTreatmentAndExtrapolationsPrinciples": texts(said["treatment"]),
                "referenceToDataSource": sources or reference("source", *FORMAT),
                "annualSupplyOrProductionVolume": texts(_volume(footprint)),
                "samplingProcedure": texts(said["sampling"]),
                "dataCollectionPeriod": texts(said["time"], 500),
                "uncertaintyAdjustments": texts(said["uncertainty"]),
            },
            "validation": {"review": {"@type": "Not reviewed"}},
            "complianceDeclarations": compliance(),
        }

    def _administration(self, footprint: Footprint) -> Table:
        owner = self._around.owner()
        return {
            "common:commissionerAndGoal": {
                "common:referenceToCommissioner": owner,
                "common:intendedApplications": texts(_APPLICATIONS),
            },
            "dataGenerator": {"common:referenceToPersonOrEntityGeneratingTheDataSet": owner},
            "dataEntryBy": self._around.entry(owner),
            "publicationAndOwnership": {
                "common:dateOfLastRevision": self._around.made,
                "common:dataSetVersion": VERSION,
                "common:permanentDataSetURI": f"urn:uuid:{footprint.id}",
                "common:workflowAndPublicationStatus":
                    "Working draft" if footprint.draft else "Data set finalised; entirely published",
                "common:referenceToOwnershipOfDataSet": owner,
                "common:copyright": "true",
                "common:licenseType": "Other",
                "common:accessRestrictions": texts(_ACCESS),
            },
        }  # fmt: skip

    def _product(self, process: Process) -> Table:
        of = measure(process.unit)
        flow = self._around.flow(named("flow", process.id), process.name, of, _cpc(process))
        amount = significant(of.unit.factor, 15)
        return exchange(1, flow, "Output", amount) | {"dataDerivationTypeStatus": "Measured"}

    def _emission(self, footprint: Footprint, column: str, kg: str, number: int) -> Table:
        name = Said(
            f"Greenhouse gases as CO2 equivalents ({footprint.gwp}), {column}",
            f"温室气体，以 CO2 当量计（{footprint.gwp}），{column}",
        )
        air = [("1", "Emissions"), ("1.3", "Emissions to air"),
               ("1.3.4", "Emissions to air, unspecified")]  # fmt: skip
        classes = [
            {"@level": str(level), "@catId": id_, "#text": text}
            for level, (id_, text) in enumerate(air)
        ]
        category = {"common:elementaryFlowCategorization": {"common:category": classes}}
        id_ = named("emission", column, footprint.gwp)
        flow = self._around.flow(id_, name, measure("kg"), category, "Elementary flow")
        found = exchange(number, flow, "Output", kg)
        if column != "bought" and (relative := _relative_u95(footprint)) is not None:
            found |= {
                "uncertaintyDistributionType": "normal",
                "relativeStandardDeviation95In": relative,
            }
        return found | {
            "dataSourceType": _primary(footprint.primary_data_share),
            "dataDerivationTypeStatus": "Calculated",
        }

    def _reminder(self, process: Process, taken: Taken, number: int) -> Table:
        """What was metered or bought; it is counted among the emissions already."""
        known = taken.name if not chinese(taken.name) else taken.key
        name = Said(known, taken.name)
        category = {"common:classification": [{
            "@name": "wattprint",
            "common:class": [{"@level": "0", "@classId": "taken", "#text": "Taken"}],
        }]}  # fmt: skip
        of = measure(taken.unit)
        flow = self._around.flow(named("flow", process.id, taken.key), name, of, category)
        amount = significant(taken.amount / process.output * of.unit.factor, 15)
        metered = taken.key.startswith("source/")
        found = exchange(number, flow, "Input", amount, "General reminder flow")
        return found | {
            "dataSourceType": "Primary" if metered else "Secondary",
            "dataDerivationTypeStatus": "Measured" if metered else "Calculated",
        }


def data_sets(footprints: Iterable[Footprint], declaration: Declaration | None) -> dict[str, Table]:
    """Data sets by path without ending. Raises ConfigError without a declaration."""
    if declaration is None:
        raise ConfigError("--declaration: is needed: a data set names its owner and its place")
    found = _DataSets(declaration)
    for footprint in footprints:
        found.add(footprint)
    return found.found


def _mix(footprint: Footprint) -> Said:
    site, reach = footprint.site, BOUNDARIES[footprint.boundary]
    return Said(f"Production at site {site}, {reach.en}", f"站点 {site} 生产，{reach.zh}")


def _volume(footprint: Footprint) -> Said:
    """TIDAS wants a number, then a unit or a context."""
    good = f"{footprint.good} {footprint.unit}"
    return Said(f"{good} in {footprint.period}", f"{good}（{footprint.period}）")


def _cpc(process: Process) -> Table:
    code = process.declared.cpc if process.declared is not None else ""
    if code[:1] in _CPC:
        section = {"@level": "0", "@classId": code[0], "#text": _CPC[code[0]]}
        return {"common:classification": {"common:class": [section]}}
    product = {"@level": "0", "@classId": "product", "#text": process.product}
    return {"common:classification": [{"@name": "wattprint", "common:class": [product]}]}


def _relative_u95(footprint: Footprint) -> str | None:
    """Of kg CO2e, in percent; ILCD takes five digits, three of them decimals. Rounded up: what is
    doubtful is never stated as certain."""
    mass = abs(parse_fraction(footprint.kg_co2e))
    if footprint.u95.kg_co2e is None or not mass:
        return None
    thousandths = ceil(parse_fraction(footprint.u95.kg_co2e) / mass * 100_000)
    least = 10 ** max(len(str(thousandths)) - 5, 0)
    rounded = ceil(Fraction(thousandths, least)) * least
    return shortest(Fraction(rounded, 1000)) if rounded < 100_000_000 else None


def _primary(share: str) -> str:
    part = parse_fraction(share)
    if part == 1:
        return "Primary"
    if part > parse_fraction("0.9"):
        return "> 90% primary"
    return "Mixed primary / secondary" if part else "Secondary"
