"""Catena-X PCF, aspect model io.catenax.pcf 9.0.0: a file for each footprint in force, cradle to gate.

~~~toml
[exporter]
kind = "catenax"
region = ""                          # UN region of the site, where its country's is not known here
waste_incineration = "cut-off"       # or "reverse cut-off", "system expansion", "polluter pays principle"
~~~

A zip of JSON files. Catena-X has no word for gate to gate, so a footprint without its purchased
inputs is refused. What is said is what PACT says, in Catena-X's places, with numbers for texts; the
extension has no place there. Companies are known by their business partner number (BPNL).
"""

import re
from decimal import Decimal
from typing import Any, Literal

import msgspec

from calc_stream.evidence.bundle_file import pack
from calc_stream.exporters import Export
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.model import CarbonFootprint, ProductFootprint
from wire.errors import BadData, ConfigError

MEDIA_TYPE = "application/zip"
TAKES = ("footprints",)
_MODEL = "urn:io.catenax.pcf:datamodel:version:9.0.0"
_PARTNER = re.compile(r"BPNL[0-9A-Z]{12}")
_GWP = ("AR4", "AR5", "AR6")
# UN M49, for countries that make things in numbers.
_REGIONS = {
    "Eastern Asia": "CN HK JP KP KR MN MO TW",
    "South-eastern Asia": "BN ID KH LA MM MY PH SG TH TL VN",
    "Southern Asia": "AF BD BT IN IR LK MV NP PK",
    "Central Asia": "KG KZ TJ TM UZ",
    "Western Asia": "AE AM AZ BH CY GE IL IQ JO KW LB OM PS QA SA SY TR YE",
    "Eastern Europe": "BG BY CZ HU MD PL RO RU SK UA",
    "Northern Europe": "DK EE FI GB IE IS LT LV NO SE",
    "Southern Europe": "AD AL BA ES GI GR HR IT ME MK MT PT RS SI SM VA",
    "Western Europe": "AT BE CH DE FR LI LU MC NL",
    "Northern America": "BM CA GL PM US",
    "Latin America and the Caribbean": "AR BO BR CL CO CR CU DO EC GT HN MX NI PA PE PY SV UY VE",
    "Northern Africa": "DZ EG LY MA SD TN",
    "Australia and New Zealand": "AU NZ",
}
_NOT_FOSSIL = (
    *("land_use_change_ghg_emissions", "land_management_emissions", "land_management_removals"),
    *("biogenic_non_co2", "biogenic_uptake"),
)
_Table = dict[str, Any]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What neither a footprint nor its declaration tells."""

    region: str = ""
    waste_incineration: Literal[
        "cut-off", "reverse cut-off", "system expansion", "polluter pays principle"
    ] = "cut-off"


def write(export: Export, settings: Settings) -> bytes:
    """The files. Raises ConfigError for what Catena-X cannot take."""
    if export.declaration is None:
        raise ConfigError("--declaration: is needed: Catena-X names company and product")
    files = {}
    for footprint in export.in_force:
        table = _of(footprint, export.declaration, settings)
        text = msgspec.json.Encoder(decimal_format="number").encode(table)
        files[f"{footprint.id}.json"] = msgspec.json.format(text, indent=1) + b"\n"
    return pack(files)


def _of(footprint: Footprint, declaration: Declaration, settings: Settings) -> _Table:
    if footprint.boundary != "cradle_to_gate":
        raise ConfigError(
            f"footprint {footprint.id} of {footprint.product}: is gate to gate, which Catena-X does"
            " not know; declare all purchased inputs of the product (inputs_complete), or take others"
            " with --product"
        )
    company = declaration.company
    region = settings.region or next((r for r, c in _REGIONS.items() if company.country in c), "")
    if not region:
        raise ConfigError(f"--set region=: is needed: the UN region of {company.country}")
    number = next(filter(None, map(_PARTNER.search, company.ids)), None)
    if number is None:
        problem = 'holds no business partner number, such as "urn:bpn:id:BPNL000000000DWF"'
        raise ConfigError(f"--declaration: company.ids: {problem}")
    try:
        document = of_footprint(footprint, declaration, f"https://{company.domain}")
    except BadData as exc:
        raise ConfigError(str(exc)) from exc
    others = [id_ for id_ in document.company_ids if id_ != number.string]
    # As the model's own example writes it, though no URN is like that.
    known = msgspec.structs.replace(document, company_ids=[f"urn:{number[0]}", *others])
    return _table(known, region, settings)


def _table(document: ProductFootprint, region: str, settings: Settings) -> _Table:
    """Every node stands in a list of one."""
    pcf = document.pcf
    product: _Table = {
        "productNameCompany": document.product_name_company,
        "productDescription": document.product_description,
        "productIds": document.product_ids,
        "declaredUnitOfMeasurement": pcf.declared_unit_of_measurement,
        "declaredUnitAmount": Decimal(pcf.declared_unit_amount),
        "productMassPerDeclaredUnit": Decimal(pcf.product_mass_per_declared_unit),
    }
    if document.product_classifications:
        product["productClassifications"] = document.product_classifications
    company = {"companyName": document.company_name, "companyIds": document.company_ids}
    return {
        "scopeOfPcfForm": [{"specVersion": [_MODEL], "partialFullPcf": "Cradle-to-gate"}],
        "companyAndProductInformation": [
            {"companyInformation": [company], "productInformation": [product]}
        ],
        "pcfAssessmentAndMethodology": [
            {
                "pcfAssessmentInformation": [_assessment(document, region)],
                "pcfMethodology": [_methodology(pcf, settings)],
                **_quality(pcf),
            }
        ],
        "general": [{"comment": document.comment}],
        "carbonContent": [{"fossilCarbonContent": Decimal(pcf.fossil_carbon_content)}],
        "productLifeCycleStagesAndEmissions": [_stages(pcf)],
    }


def _assessment(document: ProductFootprint, region: str) -> _Table:
    pcf = document.pcf
    country = pcf.geography_country or (pcf.geography_country_subdivision or "")[:2]
    place = {"geographyRegionOrSubregion": region, "geographyCountry": country}
    if pcf.geography_country_subdivision:
        place["geographyCountrySubdivision"] = pcf.geography_country_subdivision
    technology = {
        "ccsTechnologicalCO2CaptureIncluded": pcf.ccs_included,
        "boundaryProcessesDescription": pcf.boundary_processes_description,
    }
    # The version is PACT's, and a state other than active is not used.
    identity = {
        "id": document.id,
        "version": 0,
        "status": "Active",
        "retroOrProspectivePcfType": "Retrospective PCF",
    }
    time = {
        "referencePeriodStart": pcf.reference_period_start,
        "referencePeriodEnd": pcf.reference_period_end,
        "created": document.created,
        "validityPeriodStart": document.validity_period_start,
        "validityPeriodEnd": document.validity_period_end,
    }
    exempted = {"exemptedEmissionsPercent": Decimal(pcf.exempted_emissions_percent)}
    return {
        "technology": [technology],
        "idAndVersion": [identity],
        "boundarySpecifications": [exempted],
        "geography": [place],
        "time": [time],
    }


def _methodology(pcf: CarbonFootprint, settings: Settings) -> _Table:
    gwp = next(iter(pcf.ipcc_characterization_factors), "")
    return {
        "massBalancingInformation": [
            {
                "massBalancingUsed": False,
                "freeAttributionInMassBalancing": "not applicable",
                "massBalancingCertificateScheme": "not applicable",
            }
        ],
        "standards": [
            {
                "crossSectoralStandards": pcf.cross_sectoral_standards,
                "productOrSectorSpecificRules": [],
            }
        ],
        "gwpCharacterizationFactorDetails": [
            {"ipccCharacterizationFactors": gwp if gwp in _GWP else "unspecified"}
        ],
        "allocationInForeground": [
            {
                "allocationWasteIncineration": settings.waste_incineration,
                "allocationRulesDescription": pcf.allocation_rules_description,
            }
        ],
    }


def _quality(pcf: CarbonFootprint) -> _Table:
    """All of it or nothing: where nothing was emitted there are no ratings."""
    if pcf.dqi is None:
        return {}
    sources = pcf.secondary_emission_factor_sources or []
    told = {
        "primaryDataShare": Decimal(pcf.primary_data_share),
        "secondaryEmissionFactorSources": list(
            dict.fromkeys(f"{each.name} {each.version}".strip() for each in sources)
        ),
        "technologicalDQR": Decimal(pcf.dqi.technological),
        "geographicalDQR": Decimal(pcf.dqi.geographical),
        "temporalDQR": Decimal(pcf.dqi.temporal),
    }
    return {"dataSourcesAndQuality": [told]}


def _stages(pcf: CarbonFootprint) -> _Table:
    """What suppliers say is not fossil has PACT's names here, too; captured carbon has no place."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(pcf)}
    parts = ((names[part], getattr(pcf, part)) for part in _NOT_FOSSIL)
    production = {
        "pcfIncludingBiogenicUptake": Decimal(pcf.pcf_including_biogenic_uptake),
        "pcfExcludingBiogenicUptake": Decimal(pcf.pcf_excluding_biogenic_uptake),
        "fossilGhgEmissions": Decimal(pcf.fossil_ghg_emissions),
        **{name: Decimal(kg) for name, kg in parts if kg is not None},
    }
    return {
        "productionStage": [production],
        "packagingStage": [{"packagingEmissionsIncluded": pcf.packaging_emissions_included}],
        "distributionStage": [{"distributionStageIncluded": False}],
    }
