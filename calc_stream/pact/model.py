"""The documents of PACT Technical Specifications v3, as we write them.

Only what a measured footprint can state; what others may state besides is judged in `shapes.py`.
Amounts are decimal strings, kg CO2e for the declared unit; what is None is left out.
"""

from typing import Any, Literal

import msgspec

SPEC_VERSION = "3.0.3"
Status = Literal["Active", "Deprecated"]


class EmissionFactorSource(msgspec.Struct, frozen=True):
    """A source of secondary factors."""

    name: str
    version: str


class DataQuality(msgspec.Struct, frozen=True):
    """Ratings from 1 (best) to 5, weighted by emissions."""

    technological: str = msgspec.field(name="technologicalDQR")
    geographical: str = msgspec.field(name="geographicalDQR")
    temporal: str = msgspec.field(name="temporalDQR")


class CarbonFootprint(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """The figure and what it stands on."""

    declared_unit_of_measurement: str
    declared_unit_amount: str
    product_mass_per_declared_unit: str
    reference_period_start: str
    reference_period_end: str
    geography_country: str | None = None
    geography_country_subdivision: str | None = None
    boundary_processes_description: str
    pcf_excluding_biogenic_uptake: str
    pcf_including_biogenic_uptake: str
    fossil_ghg_emissions: str
    land_use_change_ghg_emissions: str | None = None
    land_management_emissions: str | None = msgspec.field(
        default=None, name="landManagementBiogenicCO2Emissions"
    )
    land_management_removals: str | None = msgspec.field(
        default=None, name="landManagementBiogenicCO2Removals"
    )
    technological_removals: str | None = msgspec.field(
        default=None, name="technologicalCO2Removals"
    )
    ccs_capture: str | None = msgspec.field(default=None, name="ccsTechnologicalCO2Capture")
    biogenic_non_co2: str | None = msgspec.field(default=None, name="biogenicNonCO2Emissions")
    biogenic_uptake: str | None = msgspec.field(default=None, name="biogenicCO2Uptake")
    fossil_carbon_content: str
    packaging_emissions_included: bool
    ccs_included: bool = msgspec.field(name="ccsTechnologicalCO2CaptureIncluded")
    ipcc_characterization_factors: list[str]
    cross_sectoral_standards: list[str]
    exempted_emissions_percent: str
    allocation_rules_description: str
    secondary_emission_factor_sources: list[EmissionFactorSource] | None = None
    primary_data_share: str
    dqi: DataQuality | None = None


class DataModelExtension(msgspec.Struct, frozen=True, rename="camel"):
    """What a data model of somebody's own says besides."""

    spec_version: str
    data_schema: str
    data: dict[str, Any]


class ProductFootprint(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """One document; never changed: what is new has another id and names those before it."""

    id: str
    spec_version: str
    preceding_pf_ids: list[str] | None = None
    created: str
    status: Status
    validity_period_start: str
    validity_period_end: str
    company_name: str
    company_ids: list[str]
    product_description: str
    product_ids: list[str]
    product_classifications: list[str] | None = None
    product_name_company: str
    comment: str
    pcf: CarbonFootprint
    extensions: list[DataModelExtension]


class Error(msgspec.Struct, frozen=True):
    """What a server answers, and a rejection says."""

    code: str
    message: str
