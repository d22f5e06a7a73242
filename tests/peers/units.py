"""openLCA's reference data, as olca-schema lists them: {unit: [its id, its group's, its quantity's]}."""

import json

from olca_schema import units

NAMES = ("Wh", "kWh", "MWh", "kJ", "MJ", "GJ", "l", "m3", "Nm3", "g", "kg", "t", "Item(s)")
listed = {
    name: [units.unit_ref(name).id, units.group_ref(name).id, units.property_ref(name).id]
    for name in NAMES
}
print(json.dumps(listed))
