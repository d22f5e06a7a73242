"""B2MML: element and attribute names, and the words of MaterialUse, are those of MESA's schemas."""

import msgspec
import pytest

from ingestor.b2mml import read_job_responses
from ingestor.events import read_event
from wire.errors import BadData

PERFORMANCE = """<?xml version="1.0" encoding="UTF-8"?>
<WorkPerformance xmlns="http://www.mesa.org/xml/B2MML-V0600">
 <ID>WP-1</ID>
 <WorkResponse><ID>WR-1</ID>
  <JobResponse>
   <ID>JR-7</ID><WorkType>Production</WorkType><JobOrderID>B1</JobOrderID>
   <StartTime>2026-11-21T08:00:00+08:00</StartTime><EndTime>2026-11-21T09:30:00+08:00</EndTime>
   <JobState>Completed</JobState>
   <EquipmentActual><EquipmentID>press-1</EquipmentID></EquipmentActual>
   <MaterialActual>
    <MaterialDefinitionID>ingot</MaterialDefinitionID><MaterialLotID>B0</MaterialLotID>
    <MaterialUse>Consumed</MaterialUse>
    <Quantity><QuantityString>50</QuantityString><DataType>double</DataType>
     <UnitOfMeasure>kg</UnitOfMeasure></Quantity>
   </MaterialActual>
   <MaterialActual>
    <MaterialDefinitionID>wheel-18</MaterialDefinitionID><MaterialUse>Produced</MaterialUse>
    <Quantity><QuantityString>95</QuantityString><UnitOfMeasure>piece</UnitOfMeasure></Quantity>
   </MaterialActual>
   <MaterialActual>
    <MaterialDefinitionID>wheel-18</MaterialDefinitionID>
    <MaterialUse OtherValue="Scrap">Other</MaterialUse>
    <Quantity><QuantityString>5</QuantityString><UnitOfMeasure>piece</UnitOfMeasure></Quantity>
   </MaterialActual>
   <MaterialActual><MaterialDefinitionID>oil</MaterialDefinitionID>
    <MaterialUse>Consumable</MaterialUse></MaterialActual>
  </JobResponse>
 </WorkResponse>
</WorkPerformance>"""

# What OPC 40001-3 (Machinery, job management) shows as the result of a job order for glass (table 28), in
# the elements of MESA's V7 schemas and their order. It names no zone and no machine; those are added.
GLASS = """<ShowJobResponse xmlns="http://www.mesa.org/xml/B2MML" releaseID="V0700">
 <ApplicationArea><CreationDateTime>2022-10-17T17:19:00Z</CreationDateTime></ApplicationArea>
 <DataArea><Show/>
  <JobResponse>
   <ID>2</ID>
   <StartTime>2022-10-17T17:17:00Z</StartTime><EndTime>2022-10-17T17:19:00Z</EndTime>
   <JobOrderID>77773</JobOrderID><JobState>COMPLETED</JobState>
   <JobResponseData><ID>AsBuiltBOM</ID>
    <JobResponseData><ID>1004 (4mm Float)</ID>
     <Value><ValueString>Pane_123456</ValueString></Value></JobResponseData>
   </JobResponseData>
   <EquipmentActual><EquipmentID>ISO_Line_3</EquipmentID></EquipmentActual>
   <MaterialActual>
    <MaterialDefinitionID>ISO_4-16-4_LE Solar</MaterialDefinitionID>
    <MaterialLotID>AuftragsPOS_02</MaterialLotID><MaterialSubLotID>ISO_12345</MaterialSubLotID>
    <MaterialUse>Material produced</MaterialUse>
    <StorageLocation>ISO_Line_3_Exit</StorageLocation>
    <Quantity><QuantityString>1</QuantityString><UnitOfMeasure>pcs</UnitOfMeasure></Quantity>
    <MaterialActualProperty><ID>Param_1234</ID>
     <Quantity><QuantityString>1450</QuantityString><UnitOfMeasure>mm</UnitOfMeasure></Quantity>
    </MaterialActualProperty>
   </MaterialActual>
  </JobResponse>
 </DataArea>
</ShowJobResponse>"""


def told(document: str, lots: str = "batch") -> list[dict[str, str]]:
    rows = read_job_responses(document.encode(), lots)  # type: ignore[arg-type]
    for row in rows:
        read_event(row.data)  # each is an event by the rules of all events
    return [msgspec.json.decode(row.data) for row in rows]


def test_a_response_becomes_the_events_of_its_batch() -> None:
    assert told(PERFORMANCE) == [
        {"id": "JR-7/start/press-1", "t": "2026-11-21T08:00:00+08:00", "type": "start"}
        | {"node": "press-1", "batch": "B1", "product": "wheel-18"},
        {"id": "JR-7/stop/press-1", "t": "2026-11-21T09:30:00+08:00", "type": "stop"}
        | {"node": "press-1", "batch": "B1"},
        {"id": "JR-7/material/1", "t": "2026-11-21T09:30:00+08:00", "type": "input"}
        | {"batch": "B1", "of": "B0", "quantity": "50", "unit": "kg"},
        {"id": "JR-7/material/2", "t": "2026-11-21T09:30:00+08:00", "type": "quantity"}
        | {"batch": "B1", "good": "95", "unit": "piece"},
        {"id": "JR-7/material/3", "t": "2026-11-21T09:30:00+08:00", "type": "quantity"}
        | {"batch": "B1", "scrap": "5", "unit": "piece"},
    ]


def test_a_result_that_others_published_is_read() -> None:
    place = {"node": "ISO_Line_3", "batch": "77773"}
    assert told(GLASS) == [
        {"id": "2/start/ISO_Line_3", "t": "2022-10-17T17:17:00Z", "type": "start"}
        | {**place, "product": "ISO_4-16-4_LE Solar"},
        {"id": "2/stop/ISO_Line_3", "t": "2022-10-17T17:19:00Z", "type": "stop"} | place,
        {"id": "2/material/1", "t": "2022-10-17T17:19:00Z", "type": "quantity"}
        | {"batch": "77773", "good": "1", "unit": "pcs"},
    ]


def test_what_was_bought_is_an_input_from_a_lot() -> None:
    [bought] = [event for event in told(PERFORMANCE, "bought") if event["type"] == "input"]
    assert bought["lot"] == "B0"
    assert "of" not in bought


def test_the_namespace_of_later_versions_and_none_are_read_too() -> None:
    v7 = PERFORMANCE.replace("B2MML-V0600", "B2MML")
    assert told(v7) == told(PERFORMANCE.replace(' xmlns="http://www.mesa.org/xml/B2MML-V0600"', ""))


_LAUGHS = '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;">]>'
_FILE = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<WorkPerformance ", _LAUGHS + "<WorkPerformance ", "document type"),
        ("<WorkPerformance ", _FILE + "<WorkPerformance ", "document type"),
        ("</WorkPerformance>", "", "is not XML"),
        ("<ID>JR-7</ID>", "", "needs an ID"),
        ("<EquipmentID>press-1</EquipmentID>", "", "EquipmentID says where"),
        (">Consumable<", ">By-product Produced<", "'By-product Produced' is not known here"),
        ('encoding="UTF-8"', 'encoding="wtf-8"', "is not XML"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(old: str, new: str, says: str) -> None:
    assert old in PERFORMANCE
    with pytest.raises(BadData, match=says):
        told(PERFORMANCE.replace(old, new))


def test_a_document_as_deep_as_a_well_is_refused() -> None:
    with pytest.raises(BadData, match="too deep"):
        told("<a>" * 50_000)
