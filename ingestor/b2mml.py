"""Pure: B2MML `JobResponse` (ISA-95 work performance, MESA V0600 and V7) as production events.

| in the JobResponse | becomes |
|---|---|
| `JobOrderID` | the batch |
| `ID` | the beginning of every event's id, so that the same answer sent again is the same events |
| `StartTime`, each `EquipmentActual/EquipmentID` | a start on that node |
| `EndTime`, each `EquipmentActual/EquipmentID` | a stop on that node |
| `MaterialDefinitionID` of what is produced | the product |
| `MaterialActual`, use Produced, Material Produced or Yield Produced | good quantity at EndTime |
| `MaterialActual`, use Other, OtherValue Scrap | scrap quantity at EndTime |
| `MaterialActual`, use Consumed or Material Consumed | an input at EndTime, of its `MaterialLotID` |
| `MaterialActual`, use Consumable | nothing: it does not go into the product |

Responses within a response are read, too. Uses are the same in letters of either case: the schemas have Material
Produced, OPC 40001-3 Material produced. What else a response says of its materials is refused by
name. A response without EndTime starts a batch; sent again with it, under the same ID, it ends it.
"""

import re
import xml.parsers.expat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ingestor.tables import Row
from wire.errors import BadData
from wire.messages import ProductionEvent

_NAMESPACE = re.compile(r"http://www\.mesa\.org/xml/B2MML(-V\d{4})?")
_MOST_DEPTH = 40
_MOST_ELEMENTS = 200_000
_PRODUCED = ("produced", "material produced", "yield produced")
_CONSUMED = ("consumed", "material consumed")

Lots = Literal["batch", "bought"]


@dataclass
class Element:
    """A part of the document, without its namespace."""

    name: str
    other_value: str = ""
    text: str = ""
    inside: list["Element"] = field(default_factory=list)

    def all(self, name: str) -> list["Element"]:
        return [each for each in self.inside if each.name == name]

    def say(self, name: str) -> str:
        """The text of the first part of this name; "" where there is none."""
        return next((each.text.strip() for each in self.all(name)), "")


def read_job_responses(data: bytes, lots: Lots) -> list[Row]:
    """The events of every JobResponse in the document, in its order. Raises BadData.

    `lots`: whether a consumed MaterialLotID names a batch of this site, or something bought.
    """
    rows = [row for response in _responses(_parse(data)) for row in _rows(response, lots)]
    if not rows:
        raise BadData("there is no JobResponse with a StartTime or EndTime in it")
    return rows


class _Builder:
    """expat's events as elements. Whoever declares a document type may declare entities: refused."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self._count += 1
        if len(self._open) > _MOST_DEPTH or self._count > _MOST_ELEMENTS:
            raise BadData("is too deep, or has too many elements")
        is_b2mml = not namespace or _NAMESPACE.fullmatch(namespace)
        element = Element(local if is_b2mml else name, attributes.get("OtherValue", ""))
        self._open[-1].inside.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_: object) -> None:
        raise BadData("has a document type; B2MML needs none, and entities are not read")


def _parse(data: bytes) -> Element:
    builder = _Builder()
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(data, True)
    except (xml.parsers.expat.ExpatError, ValueError, LookupError) as exc:
        raise BadData(f"is not XML: {exc}") from exc
    return builder.root


def _responses(element: Element) -> Iterator[Element]:
    for each in element.inside:
        if each.name == "JobResponse":
            yield each
        yield from _responses(each)


def _rows(response: Element, lots: Lots) -> Iterator[Row]:
    id_, batch = response.say("ID"), response.say("JobOrderID")
    where = f"JobResponse {id_!r}"
    if not id_ or not batch:
        raise BadData(f"{where}: needs an ID, and a JobOrderID for its batch")
    nodes = [each.say("EquipmentID") for each in response.all("EquipmentActual")]
    materials = response.all("MaterialActual")
    if not all(nodes) or not nodes:
        raise BadData(f"{where}: EquipmentActual/EquipmentID says where; it is missing")
    product = next((m.say("MaterialDefinitionID") for m in materials if _is_produced(m)), "")
    for word, time in (("start", "StartTime"), ("stop", "EndTime")):
        if not (t := response.say(time)):
            continue
        for node in nodes:
            event = ProductionEvent(f"{id_}/{word}/{node}", t, word, node=node, batch=batch)
            if product and word == "start":
                event = msgspec.structs.replace(event, product=product)
            yield Row(where, msgspec.json.encode(event))
    if t := response.say("EndTime"):
        for number, material in enumerate(materials, 1):
            event_id = f"{id_}/material/{number}"
            if told := _material(material, event_id, t, batch, lots, where):
                yield Row(f"{where}: MaterialActual {number}", msgspec.json.encode(told))


def _is_produced(material: Element) -> bool:
    return _use(material) in _PRODUCED


def _use(material: Element) -> str:
    return material.say("MaterialUse").casefold()


def _material(
    material: Element, id_: str, t: str, batch: str, lots: Lots, where: str
) -> ProductionEvent | None:
    use = _use(material)
    other = next((each.other_value for each in material.all("MaterialUse")), "")
    if use == "consumable":
        return None
    quantity = next(iter(material.all("Quantity")), Element(""))
    amount, unit = quantity.say("QuantityString"), quantity.say("UnitOfMeasure")
    if use in _PRODUCED:
        return ProductionEvent(id_, t, "quantity", batch=batch, good=amount, unit=unit)
    if (use, other.casefold()) == ("other", "scrap"):
        return ProductionEvent(id_, t, "quantity", batch=batch, scrap=amount, unit=unit)
    if use in _CONSUMED:
        lot = material.say("MaterialLotID")
        event = ProductionEvent(id_, t, "input", batch=batch, quantity=amount, unit=unit)
        name = "of" if lots == "batch" else "lot"
        return msgspec.structs.replace(event, **{name: lot})
    what = other or material.say("MaterialUse")
    raise BadData(f"{where}: MaterialUse {what!r} is not known here; see the mapping")
