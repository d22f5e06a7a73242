"""Objects of an unpacked openLCA package that olca-schema reads otherwise than they are written."""

import json
import sys
from pathlib import Path

import olca_schema

TYPES = {
    "actors": olca_schema.Actor,
    "dq_systems": olca_schema.DQSystem,
    "flow_properties": olca_schema.FlowProperty,
    "flows": olca_schema.Flow,
    "lcia_categories": olca_schema.ImpactCategory,
    "lcia_methods": olca_schema.ImpactMethod,
    "locations": olca_schema.Location,
    "processes": olca_schema.Process,
    "sources": olca_schema.Source,
    "unit_groups": olca_schema.UnitGroup,
}
folder = Path(sys.argv[1])
found, other = 0, {}
for path in sorted(folder.glob("*/*.json")):
    written = json.loads(path.read_text())
    read = TYPES[path.parent.name].from_dict(written).to_dict()
    found += 1
    lost = {key: value for key, value in written.items() if read.get(key) != value}
    if lost:
        other[str(path.relative_to(folder))] = lost
print(json.dumps({"objects": found, "other": other}))
