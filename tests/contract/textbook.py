"""Two published examples of matrix LCA as openLCA packages, to judge the judge by."""

import json
from pathlib import Path
from typing import Any

_PROPERTY = {"@type": "FlowProperty", "@id": "amount", "name": "Amount"}
_UNIT = {"@type": "Unit", "@id": "one", "name": "one"}


def heijungs_and_suh(folder: Path) -> Path:
    """10 kWh take 2 litres of fuel and emit 1 kg of CO2; 100 litres emit 10 kg. 1000 kWh: 120 kg.

    Heijungs and Suh, The Computational Structure of Life Cycle Assessment (2002), chapter 2.
    """
    electricity, fuel, co2 = _product("electricity"), _product("fuel"), _emission("co2")
    _process(folder, "generation", [_out(electricity, 10), _in(fuel, 2), _out(co2, 1)])
    _process(folder, "refinery", [_out(fuel, 100), _out(co2, 10)])
    return _shared(folder, [electricity, fuel, co2])


def olca_allocation(folder: Path) -> Path:
    """1 kg of p1 (a quarter) and 3 kg of p2 together emit 2 kg of CO2. 1 kg of p1: 0.5 kg.

    AllocationTest of GreenDelta's olca-modules.
    """
    p1, p2, co2 = _product("p1"), _product("p2"), _emission("co2")
    factors = [
        {"allocationType": "PHYSICAL_ALLOCATION", "product": each, "value": value}
        for each, value in ((p1, 0.25), (p2, 0.75))
    ]
    allocation = {"allocationFactors": factors, "defaultAllocationMethod": "PHYSICAL_ALLOCATION"}
    made = [_out(p1, 1), _out(p2, 3) | {"isQuantitativeReference": False}, _out(co2, 2)]
    _process(folder, "joint", made, **allocation)
    return _shared(folder, [p1, p2, co2])


def _product(name: str) -> dict[str, Any]:
    return {"@type": "Flow", "@id": name, "name": name, "flowType": "PRODUCT_FLOW"}


def _emission(name: str) -> dict[str, Any]:
    return {"@type": "Flow", "@id": name, "name": name, "flowType": "ELEMENTARY_FLOW"}


def _out(flow: dict[str, Any], amount: float) -> dict[str, Any]:
    made = flow["flowType"] == "PRODUCT_FLOW"
    return {**_in(flow, amount), "isInput": False, "input": False, "isQuantitativeReference": made}


def _in(flow: dict[str, Any], amount: float) -> dict[str, Any]:
    return {
        "flow": dict(flow),
        "amount": amount,
        "isInput": True,
        "input": True,
        "isQuantitativeReference": False,
        "unit": dict(_UNIT),
        "flowProperty": dict(_PROPERTY),
    }


def _process(folder: Path, name: str, exchanges: list[dict[str, Any]], **told: Any) -> None:
    place = {"@type": "Location", "@id": "here", "name": "here"}
    process = {"@type": "Process", "@id": name, "name": name, "location": place}
    _write(folder, "processes", {**process, "exchanges": exchanges, **told})


def _shared(folder: Path, flows: list[dict[str, Any]]) -> Path:
    for flow in flows:
        _write(folder, "flows", flow)
    weighed = [{"flow": flow, "value": 1} for flow in flows if flow["@id"] == "co2"]
    _write(folder, "lcia_categories", {"@id": "co2 of all", "impactFactors": weighed})
    _write(folder, "locations", {"@id": "here", "name": "here", "code": "here"})
    _write(folder, "unit_groups", {"@id": "ones", "units": [{**_UNIT, "conversionFactor": 1}]})
    return folder


def _write(folder: Path, kind: str, thing: dict[str, Any]) -> None:
    path = folder / kind / f"{thing['@id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(thing))
