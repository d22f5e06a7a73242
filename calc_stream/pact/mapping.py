"""A published footprint and what people declare of its product, as a ProductFootprint of PACT v3.

What is gate to gate says so, in words and in the extension. Only what the document can honestly
state is stated; what is not known (biogenic carbon, logistics) is left out.
"""

from decimal import Decimal
from fractions import Fraction
from urllib.parse import quote

import msgspec

from calc_stream.core.decimals import instant, parse_fraction, shortest
from calc_stream.factors import load_method
from calc_stream.footprints.declaration import Company, Declaration, Product
from calc_stream.footprints.footprint import Footprint, Upstream
from calc_stream.pact.extension import extension
from calc_stream.pact.model import (
    SPEC_VERSION,
    CarbonFootprint,
    EmissionFactorSource,
    ProductFootprint,
)
from calc_stream.pact.quality import rated
from calc_stream.pact.validator import problems
from wire.errors import BadData

# PACT's words for our units; a method without words of its own counts in any of these.
_UNITS_OF = "pact3"
_STANDARDS = {"pact3": ["PACT-3.0"], "gbt24067": ["ISO14067"]}
_CAUSES = {
    "period": "its period is over",
    "drift": "the running figure had moved away from the one before",
    "restated": "a batch of its period was restated",
    "upstream": "purchased inputs became known",
    "asked": "asked for",
}
# Of one of these there are a thousand of a unit PACT has a word for.
_THOUSAND = {"t": "kg", "MWh": "kWh", "GJ": "MJ"}
_CAPTURED = ("technological_removals", "ccs_capture")
_NSS = "-._~!$'()*+,;=@"  # besides letters and digits, what a URN takes unescaped


def of_footprint(footprint: Footprint, declaration: Declaration, base: str) -> ProductFootprint:
    """As long as none takes its place. `base`: where others reach this server.

    Raises BadData where PACT has no way to say it.
    """
    product = declaration.of(footprint.product)
    if product is None:
        raise BadData(f"product {footprint.product}: is not declared; add it as a [[product]]")
    made = _document(footprint, product, declaration.company, base)
    found = problems(msgspec.to_builtins(made))
    if found:
        raise BadData(f"footprint {footprint.id}: {'; '.join(map(str, found))}")
    return made


def product_urn(company: Company, product: str) -> str:
    return f"urn:pact:{company.domain}:supplier-id:{quote(product, _NSS)}"


def company_urn(company: Company) -> str:
    return f"urn:pact:{company.domain}:company-id:{company.domain}"


def _document(
    footprint: Footprint, product: Product, company: Company, base: str
) -> ProductFootprint:
    classes = []
    if product.cpc:
        classes.append(f"urn:pact:productclassification:un-cpc:{_plain(product.cpc)}")
    if product.cn_code:
        classes.append(f"urn:pact:productclassification:cn-code:{_plain(product.cn_code)}")
    return ProductFootprint(
        id=footprint.id,
        spec_version=SPEC_VERSION,
        preceding_pf_ids=list(footprint.supersedes) or None,
        created=instant(footprint.published_ms),
        status="Active",
        validity_period_start=instant(footprint.valid_from_ms),
        validity_period_end=instant(footprint.valid_until_ms),
        company_name=company.name,
        company_ids=list(company.ids) or [company_urn(company)],
        product_description=product.description or product.name,
        product_ids=[product_urn(company, product.id), *product.ids],
        product_classifications=classes or None,
        product_name_company=product.name,
        comment=_comment(footprint),
        pcf=_carbon(footprint, product, company),
        extensions=[extension(footprint, base)],
    )


def _carbon(footprint: Footprint, product: Product, company: Company) -> CarbonFootprint:
    bought = footprint.upstream_kg_co2e if footprint.boundary == "cradle_to_gate" else None
    total = parse_fraction(footprint.kg_co2e) + parse_fraction(bought or "0")
    parts = _not_fossil(footprint)
    uptake = parts.get("biogenic_uptake", Fraction(0))
    fossil = total + uptake - sum(parts.values(), Fraction(0))
    word, units = _unit(footprint)
    place = {"geography_country_subdivision": company.subdivision} if company.subdivision else {}
    return CarbonFootprint(
        declared_unit_of_measurement=word,
        declared_unit_amount=units,
        product_mass_per_declared_unit=_amount(product.mass_kg),
        reference_period_start=instant(footprint.start_ms),
        reference_period_end=instant(footprint.end_ms),
        **(place or {"geography_country": company.country}),
        boundary_processes_description=_boundary(footprint),
        pcf_excluding_biogenic_uptake=shortest(total),
        pcf_including_biogenic_uptake=shortest(total + uptake),
        fossil_ghg_emissions=shortest(fossil),
        **{name: shortest(kg) for name, kg in parts.items()},
        fossil_carbon_content=_amount(product.fossil_carbon_kg),
        packaging_emissions_included=product.packaging,
        ccs_included=not parts.keys().isdisjoint(_CAPTURED),
        ipcc_characterization_factors=[footprint.gwp],
        cross_sectoral_standards=_STANDARDS.get(footprint.method, [footprint.standard]),
        exempted_emissions_percent="0",
        allocation_rules_description=f"{footprint.standard}, method {footprint.method}: "
        f"{footprint.allocation}",
        secondary_emission_factor_sources=_secondary(footprint),
        primary_data_share=shortest(parse_fraction(footprint.primary_data_share) * 100),
        dqi=rated(footprint, company),
    )


def _not_fossil(footprint: Footprint) -> dict[str, Fraction]:
    """What suppliers say is not from fossil sources, by our names of PACT's properties. Of what is
    measured on the site, and of what is only declared, all is."""
    names = {field.encode_name: field.name for field in msgspec.structs.fields(CarbonFootprint)}
    found: dict[str, Fraction] = {}
    for each in footprint.upstream if footprint.boundary == "cradle_to_gate" else ():
        for name, kg in each.not_fossil.items():
            own = names[name]
            found[own] = found.get(own, Fraction(0)) + parse_fraction(kg)
    return found


def _unit(footprint: Footprint) -> tuple[str, str]:
    """PACT's word, and how many of it one of our units is."""
    method = load_method(footprint.method)
    if method.factor_kind != "product_footprint":
        raise BadData(f"footprint {footprint.id}: method {method.id} makes no product footprint")
    words = method.declared_units or load_method(_UNITS_OF).declared_units
    if footprint.unit in words:
        return words[footprint.unit], "1"
    small = _THOUSAND.get(footprint.unit)
    if small not in words:
        known = ", ".join(words)
        raise BadData(f"footprint {footprint.id}: PACT has no {footprint.unit!r}; count in {known}")
    return words[small], "1000"


def _boundary(footprint: Footprint) -> str:
    carriers = ", ".join(sorted({source.carrier for source in footprint.sources}))
    on_site = f"energy and media metered on the site ({carriers}), with their supply"
    if footprint.boundary == "gate_to_gate":
        left_out = "Materials, their transport and what was bought else are not included."
        return f"Gate to gate, a partial footprint: {on_site}. {left_out}"
    return f"Cradle to gate: {on_site}, and all purchased inputs ({len(footprint.upstream)})."


def _comment(footprint: Footprint) -> str:
    told = [f"Published because {_CAUSES[footprint.cause]}."]
    if footprint.draft:
        told.insert(0, "DRAFT: gate to gate only, for purchased inputs are not all known.")
    told += [
        "Electricity by contract and by place, uncertainty, carriers and evidence: see extensions.",
        "Primary data share is strict: metered, and by a primary emission factor.",
        "Data quality ratings follow a fixed rule of ours from the factors' technology, region, year.",
    ]
    return " ".join(told)


def _secondary(footprint: Footprint) -> list[EmissionFactorSource] | None:
    """Where factors that are not primary are from; None: all are."""
    if parse_fraction(footprint.primary_data_share) == 1:
        return None
    named = [
        EmissionFactorSource(f"{each.publisher}: {each.document}", str(each.data_year))
        for each in footprint.factors
        if not each.primary
    ]
    bought = footprint.upstream if footprint.boundary == "cradle_to_gate" else ()
    for each in bought:
        if parse_fraction(each.primary_share or "0") < 1:
            name = "Product footprints of suppliers" if each.pcf else _source(each)
            named.append(EmissionFactorSource(name, "PACT" if each.pcf else "as declared"))
    return list(dict.fromkeys(named)) or [EmissionFactorSource("Not metered", "estimate")]


def _source(bought: Upstream) -> str:
    """Where a declared figure is from; a supplier is not named by it either."""
    is_named = bought.supplier and bought.supplier.casefold() in bought.source.casefold()
    return "Suppliers' own figures" if is_named else bought.source or "Declared"


def _plain(code: str) -> str:
    return quote(code.replace(" ", ""), _NSS)


def _amount(text: str) -> str:
    return format(Decimal(text), "f")
