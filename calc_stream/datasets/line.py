"""Pure: a published footprint as one flat line, for tables."""

import msgspec

from calc_stream.footprints.footprint import Footprint, Withdrawn


class FootprintLine(msgspec.Struct, frozen=True, kw_only=True):
    """Names as in `Footprint`; whatever is for one unit says so. `batches`: how many.
    `boundary_kg_co2e_per_unit` is the figure: own energy, and purchased inputs where they are in.

    `superseded`: another footprint has taken its place; `withdrawn_ms`, `withdrawn_why`: it is not to
    be used. Of batches, factors and purchased inputs
    only the names are here; the JSON form has all of them.
    """

    site: str
    product: str
    id: str
    period: str
    timezone: str
    start_ms: int
    end_ms: int
    published_ms: int
    cause: str
    superseded: bool
    withdrawn_ms: int | None
    withdrawn_why: str | None
    supersedes: tuple[str, ...]
    draft: bool
    boundary: str
    batches: int
    incomplete_batches: int
    good: str
    scrap: str
    unit: str
    energy_kwh: str
    by_source: dict[str, str]
    units: dict[str, str]
    kwh_per_unit: str
    total_kg_co2e: str
    boundary_kg_co2e_per_unit: str
    kg_co2e_per_unit: str
    upstream_kg_co2e_per_unit: str | None
    columns: dict[str, str]
    by_location_kg_co2e_per_unit: str
    by_market_kg_co2e_per_unit: str
    value_adding_kg_co2e_per_unit: str | None
    overhead_kg_co2e_per_unit: str | None
    allocated_kg_co2e_per_unit: str | None
    inherited_kg_co2e_per_unit: str | None
    least_kg_co2e_per_unit: str
    most_kg_co2e_per_unit: str
    sd_kg_co2e_per_unit: str | None
    u95_kwh_per_unit: str | None
    u95_kg_co2e_per_unit: str | None
    unknown_meters: tuple[str, ...]
    measured_share: str
    measured_activity_share: str
    primary_data_share: str
    traceable_share: str | None
    factors: tuple[str, ...]
    factor_status: str
    upstream: tuple[str, ...]
    method: str
    standard: str
    gwp: str
    allocation: str
    factor_sets: tuple[str, ...]
    models: tuple[str, ...]
    valid_from_ms: int
    valid_until_ms: int
    offset: int
    basis: str
    tree_size: int
    tree_root: str


def is_number(name: str) -> bool:
    """Whether a field of a line, of batches and products too, is a decimal string: names carry units."""
    units = ("_kwh", "_kg", "kg_co2e", "_per_unit", "_share")
    return name in ("good", "scrap") or name.endswith(units)


def line(footprint: Footprint, superseded: bool, withdrawn: Withdrawn | None) -> FootprintLine:
    """Nothing is computed: every figure is the footprint's own."""
    own = {
        name: getattr(footprint, name)
        for name in FootprintLine.__struct_fields__
        if name in Footprint.__struct_fields__
    }
    stages = {
        f"{part}_kg_co2e_per_unit": footprint.stages.get(part)
        for part in ("value_adding", "overhead", "allocated", "inherited")
    }
    told = {
        **own,
        **stages,
        "superseded": superseded,
        "withdrawn_ms": withdrawn.t_ms if withdrawn else None,
        "withdrawn_why": withdrawn.reason if withdrawn else None,
        "batches": len(footprint.batches),
        "incomplete_batches": len(footprint.incomplete),
        "by_source": {one.source: one.amount for one in footprint.sources},
        "units": {one.source: one.unit for one in footprint.sources},
        "boundary_kg_co2e_per_unit": footprint.boundary_kg_co2e,
        "kg_co2e_per_unit": footprint.kg_co2e,
        "upstream_kg_co2e_per_unit": footprint.upstream_kg_co2e,
        "by_location_kg_co2e_per_unit": footprint.by_location,
        "by_market_kg_co2e_per_unit": footprint.by_market,
        "least_kg_co2e_per_unit": footprint.spread.least,
        "most_kg_co2e_per_unit": footprint.spread.most,
        "sd_kg_co2e_per_unit": footprint.spread.sd,
        "u95_kwh_per_unit": footprint.u95.kwh,
        "u95_kg_co2e_per_unit": footprint.u95.kg_co2e,
        "unknown_meters": footprint.u95.unknown_meters,
        "factors": tuple(one.id for one in footprint.factors),
        "upstream": tuple(one.name for one in footprint.upstream),
        "offset": footprint.evidence.offset,
        "basis": footprint.evidence.basis,
        "tree_size": footprint.evidence.size,
        "tree_root": footprint.evidence.root,
    }
    return FootprintLine(**told)
