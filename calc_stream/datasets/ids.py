"""Pure: ids that follow from what they name."""

import uuid

from calc_stream.footprints.footprint import FactorUsed

# uuid5 of the DNS namespace and this name, fixed for ever.
_OURS = uuid.uuid5(uuid.NAMESPACE_DNS, "datasets.wattprint")


def named(*parts: str) -> str:
    """The id of a thing: the same parts, the same id, on every machine."""
    return str(uuid.uuid5(_OURS, "\n".join(parts)))


def source_id(factor: FactorUsed) -> str:
    """Of the row as it stood: sets correct each other, and a package may hold footprints by both."""
    told = (factor.value, factor.unit, factor.status, str(factor.data_year), factor.url)
    return named("source", factor.id, factor.publisher, factor.document, *told)
