"""Pure: the data sets a process of ILCD refers to: flows, quantities, units, sources, the company."""

from calc_stream.core.decimals import significant
from calc_stream.datasets.ids import named, source_id
from calc_stream.datasets.ilcd_parts import (
    FORMAT,
    VERSION,
    Table,
    by_script,
    classed,
    compliance,
    own,
    reference,
    root,
    texts,
)
from calc_stream.datasets.units import Measure
from calc_stream.datasets.words import Said
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import FactorUsed

_WHOSE = Said("of this data set", "本数据集专用")


class Around:
    """`found`: data sets by path without ending. `made`: when what is entered now was made."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._owner_id = named("contact", declaration.company.domain)
        self.made = ""
        self.found: dict[str, Table] = {}

    def flow(
        self, id_: str, name: Said, of: Measure, category: Table, kind: str = "Product flow"
    ) -> Table:
        """A reference to a flow of `category`; the flow itself is there now."""
        self._property(of)
        self.found[f"flows/{id_}"] = root(
            "Flow",
            "flow",
            {
                "@xmlns:ecn": "http://eplca.jrc.ec.europa.eu/ILCD/Extensions/2018/ECNumber",
                "@locations": "../ILCDLocations.xml",
            },
            {
                "flowInformation": {
                    "dataSetInformation": {
                        "common:UUID": id_,
                        "name": {
                            "baseName": texts(name),
                            "treatmentStandardsRoutes": texts(_WHOSE),
                            "mixAndLocationTypes": texts(_WHOSE),
                        },
                        "classificationInformation": category,
                    },
                    "quantitativeReference": {"referenceToReferenceFlowProperty": "0"},
                },
                "modellingAndValidation": {
                    "LCIMethod": {"typeOfDataSet": kind},
                    "complianceDeclarations": compliance(short=True),
                },
                "administrativeInformation": self._administration(id_),
                "flowProperties": {"flowProperty": {
                    "@dataSetInternalID": "0",
                    "referenceToFlowPropertyDataSet": own("flow property", of.id, of.name),
                    "meanValue": "1",
                }},
            },
        )  # fmt: skip
        return reference("flow", id_, VERSION, name)

    def _property(self, of: Measure) -> None:
        name = by_script(of.name)
        self.found[f"flowproperties/{of.id}"] = root("FlowProperty", "flowProperty", {}, {
            "flowPropertiesInformation": {
                "dataSetInformation": {
                    "common:UUID": of.id,
                    "common:name": texts(name),
                    "classificationInformation": classed("1", "Technical flow properties"),
                },
                "quantitativeReference": {
                    "referenceToReferenceUnitGroup": own("unit group", of.group.id, of.group.name),
                },
            },
            "modellingAndValidation": {"complianceDeclarations": compliance(short=True)},
            "administrativeInformation": self._administration(of.id),
        })  # fmt: skip
        units = [
            {"@dataSetInternalID": str(at), "name": unit.name,
             "meanValue": significant(unit.factor, 15)}
            for at, unit in enumerate(of.group.units)
        ]  # fmt: skip
        self.found[f"unitgroups/{of.group.id}"] = root("UnitGroup", "unitGroup", {}, {
            "unitGroupInformation": {
                "dataSetInformation": {
                    "common:UUID": of.group.id,
                    "common:name": texts(by_script(of.group.name)),
                    "classificationInformation": classed("1", "Technical unit groups"),
                },
                "quantitativeReference": {"referenceToReferenceUnit": "0"},
            },
            "modellingAndValidation": {"complianceDeclarations": compliance(short=True)},
            "administrativeInformation": self._administration(of.group.id),
            "units": {"unit": units},
        })  # fmt: skip

    def source(self, factor: FactorUsed) -> Table:
        """A reference to what is known of a factor."""
        id_ = source_id(factor)
        said = f"{factor.publisher}: {factor.document} ({factor.value} {factor.unit})"
        information: Table = {
            "common:UUID": id_,
            "common:shortName": texts(by_script(factor.id)),
            "classificationInformation": classed("5", "Publications and communications"),
            "sourceCitation": said,
            "publicationType": "Undefined",
            "sourceDescriptionOrComment": texts(Said(f"Status: {factor.status}", "")),
        }
        if factor.url:
            information["referenceToDigitalFile"] = {"@uri": factor.url}
        self.found[f"sources/{id_}"] = root("Source", "source", {}, {
            "sourceInformation": {"dataSetInformation": information},
            "administrativeInformation": self._administration(id_),
        })  # fmt: skip
        return reference("source", id_, VERSION, factor.id)

    def contact(self) -> None:
        """The company."""
        company, id_ = self._declaration.company, self._owner_id
        name = by_script(company.name)
        information: Table = {
            "common:UUID": id_,
            "common:shortName": texts(name),
            "common:name": texts(name),
            "classificationInformation": classed("2", "Organisations"),
        }
        if company.contact:
            information["email"] = company.contact
        information["WWWAddress"] = company.domain
        self.found[f"contacts/{id_}"] = root("Contact", "contact", {}, {
            "contactInformation": {"dataSetInformation": information},
            "administrativeInformation": self._administration(id_),
        })  # fmt: skip

    def owner(self) -> Table:
        """A reference to the company."""
        name = by_script(self._declaration.company.name)
        return reference("contact", self._owner_id, VERSION, name)

    def entry(self, whose: Table | None = None) -> Table:
        """When it was entered, in which form, and by whom where that is asked."""
        found = {
            "common:timeStamp": self.made,
            "common:referenceToDataSetFormat": reference("source", *FORMAT),
        }
        if whose is not None:
            found["common:referenceToPersonOrEntityEnteringTheData"] = whose
        return found

    def _administration(self, id_: str) -> Table:
        return {
            "dataEntryBy": self.entry(),
            "publicationAndOwnership": {
                "common:dataSetVersion": VERSION,
                "common:permanentDataSetURI": f"urn:uuid:{id_}",
                "common:referenceToOwnershipOfDataSet": self.owner(),
            },
        }
