"""CBAM communication data: a zip of one JSON file and of CSV tables in the words of the EC's template.

~~~toml
[exporter]
kind = "cbam"
period = ""                     # of which footprints; may stay empty while there is only one
electricity = "location"        # or "market": what indirect emissions are
electricity_source = ""         # code of the electricity's factor, where it does not follow
~~~

The sheets are A_InstData, B_EmInst (source streams), D_Processes and Summary_Communication; of all
others, and of how goods are divided between market and other processes, a meter knows nothing. Only
footprints in force by the method cbam are taken: AR5, 3.664 kg of CO2 for a kg of carbon. A fuel's
heating value, carbon and oxidation stand there as far as its factor tells them. Bought energy whose
factor is per kWh is electricity, and indirect; per GJ it is measurable heat, and direct. Purchased
precursors are not within: the importer's template has its own sheet for them. The JSON file says what
is left out.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from calc_stream.core.decimals import parse_fraction, significant
from calc_stream.datasets.cbam import Stream
from calc_stream.datasets.dates import day
from calc_stream.datasets.process import factors_of
from calc_stream.datasets.table import harmless
from calc_stream.evidence.bundle_file import pack
from calc_stream.exporters import Export
from calc_stream.factors import load_method
from calc_stream.footprints.declaration import Company, Declaration, Installation, Product
from calc_stream.footprints.footprint import FactorUsed, Footprint, SourceUsed
from wire.errors import ConfigError
from wire.units import convert, kind

MEDIA_TYPE = "application/zip"
TAKES = ("footprints",)
_METHOD = "cbam"
_PUBLIC, _MIX = "D.4(b)", "Mix"
_NOT_WITHIN = (
    "precursors",
    "waste gases",
    "exports of heat and electricity",
    "PFC",
    "process emissions",
    "carbon prices",
)
_Row = dict[str, str]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What footprints do not tell."""

    period: str = ""
    electricity: Literal["location", "market"] = "location"
    electricity_source: Literal[
        "", "D.4(a)", "D.4(b)", "D.4.1", "D.4.2", "D.4.3.1", "D.4.3.2", "Mix"
    ] = ""


def write(export: Export, settings: Settings) -> bytes:
    """The files. Raises ConfigError for what the template cannot take."""
    declaration = export.declaration
    if declaration is None or declaration.installation is None:
        raise ConfigError("--declaration: is needed, with its [installation]")
    footprints = _chosen(export.in_force, settings)
    goods = [_Good(each, declaration, settings) for each in footprints]
    _check_names(good.name for good in goods)
    sheets: dict[str, Sequence[_Row]] = {
        "A_InstData": _installation(declaration.installation, declaration.company, footprints),
        "B_EmInst": [row for good in goods for row in good.source_streams()],
        "D_Processes": [row for good in goods for row in good.process()],
        "Summary_Communication": [good.summary() for good in goods],
    }
    document = {
        "not_within": _NOT_WITHIN,
        "method": {"id": _METHOD, "gwp": "AR5", "c_to_co2": load_method(_METHOD).c_to_co2},
        "footprints": [each.id for each in footprints],
        **sheets,
    }
    text = msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
    return pack({"communication.json": text, **{f"{n}.csv": _csv(r) for n, r in sheets.items()}})


def _chosen(footprints: Iterable[Footprint], settings: Settings) -> list[Footprint]:
    """One period of the method."""
    known = list(footprints)
    found = [each for each in known if each.method == _METHOD]
    if known and not found:
        raise ConfigError(
            'no footprint in force is by the method cbam; let a calculator publish with method = "cbam"'
        )
    periods = sorted({each.period for each in found})
    if settings.period:
        found = [each for each in found if each.period == settings.period]
        if not found:
            problem = f"there is none of {settings.period}; take one of: {', '.join(periods)}"
            raise ConfigError(f"--set period=: {problem}")
    elif len(periods) > 1:
        raise ConfigError(f"--set period=: name one reporting period of: {', '.join(periods)}")
    for each in found:
        if each.unit != "t":
            raise ConfigError(
                f"footprint {each.id} of {each.product}: is for one {each.unit}, and CBAM goods are"
                " counted in tonnes; let batches report their good output in t: a declared mass is"
                " no weighing, and is not taken for it"
            )
        if each.end_ms != found[0].end_ms:
            raise ConfigError(
                f"footprints {found[0].id} and {each.id}: are of {each.period} up to different times;"
                " wait until the period is over, or take one with --product"
            )
    return found


class _Good:
    """A footprint as a production process of the template. Amounts in tonnes, TJ and MWh."""

    def __init__(self, footprint: Footprint, declaration: Declaration, settings: Settings) -> None:
        self._footprint, self._settings = footprint, settings
        self._product = _declared(footprint, declaration)
        self._t = parse_fraction(footprint.good)
        self._c_to_co2 = load_method(_METHOD).metric.c_to_co2
        self._column = f"scope_2_{settings.electricity}"
        self._power, self._heat = self._bought(electric=True), self._bought(electric=False)

    @property
    def name(self) -> str:
        """As the sheets refer to it."""
        return self._product.name

    def source_streams(self) -> list[_Row]:
        """What is burnt, one row a source and factor."""
        rows = []
        for source in self._footprint.sources:
            if "direct" in source.columns:
                factors = self._factors(source, "direct")
                stream = _stream(source, factors[0]) if len(factors) == 1 else _whole(source)
                if not self._is_whole(stream, source):
                    stream = _whole(source)
                rows.append(self._stream_row(stream))
        return rows

    def _is_whole(self, stream: Stream, source: SourceUsed) -> bool:
        """Whether it comes to what the footprint counts, but for the rounding of its amounts."""
        t = parse_fraction(source.columns["direct"]) / 1000
        return abs(stream.t_co2(self._c_to_co2) - t) * 10**6 <= abs(t)

    def process(self) -> list[_Row]:
        """The rows of D_Processes a footprint can fill, in the template's order."""
        heat_t, power_t = self._tonnes(self._heat), self._tonnes(self._power)
        told = [
            ("(a)", "Total production within installation (= denominator for SEE calculation):",
             "t", self._footprint.good),
            ("(g)", "Directly attributable emissions (DirEm*)", "tCO2e",
             _said(self._direct_t() - heat_t)),
        ]  # fmt: skip
        if self._heat:
            tj = _tj(self._heat)
            told += [
                ("(h) i.", "Amount of net measurable heat (imported)", "TJ", _said(tj)),
                ("(h) ii.", "Emissions factor", "tCO2/TJ", _said(heat_t / tj if tj else None)),
            ]
        mwh = self._mwh()
        told += [
            ("(j) i.", "Electricity consumption", "MWh", _said(mwh)),
            ("(j) ii.", "Emission factor of the electricity", "tCO2/MWh",
             _said(power_t / mwh if mwh else None)),
            ("(j) iii.", "Source of the emission factor", "-", self._code()),
        ]  # fmt: skip
        name = self._product.name
        keys = ("Row", "Parameter", "Unit", "Value")
        return [{"Production process": name, **dict(zip(keys, row))} for row in told]

    def summary(self) -> _Row:
        """The product's line of Summary_Communication."""
        direct, indirect = self._direct_t() / self._t, self._tonnes(self._power) / self._t
        mwh, code = self._mwh(), self._code()
        total = direct + indirect
        default = indirect / total if total and code == "D.4(a)" else Fraction(0)
        factor = self._tonnes(self._power) / mwh if mwh else None
        return {
            "Production process from which the products arise": self._product.name,
            "CN Codes": self._product.cn_code,
            "Product name": self._product.name,
            "SEE (direct)": _said(direct),
            "SEE (indirect)": _said(indirect),
            "SEE (total)": _said(total),
            "Unit": "tCO2e/t",
            "Share of emissions by default value": _said(default),
            "Source for electricity EF": code,
            "Embedded electricity (MWh/t)": _said(mwh / self._t),
            "Electricity EF (tCO2/MWh)": _said(factor),
        }

    def _direct_t(self) -> Fraction:
        """What was burnt here, and what heat took that was bought."""
        columns = [source.columns.get("direct", "0") for source in self._footprint.sources]
        burnt = sum(map(parse_fraction, columns), Fraction(0)) / 1000
        return burnt + self._tonnes(self._heat)

    def _bought(self, *, electric: bool) -> list[SourceUsed]:
        """Sources of bought energy: electric where their factors are per kWh, else heat."""
        return [
            source
            for source in self._footprint.sources
            if self._column in source.columns
            and electric == any(f.unit.endswith("Wh") for f in self._factors(source, "generation"))
        ]

    def _factors(self, source: SourceUsed, stage: str) -> list[FactorUsed]:
        return [each for each in factors_of(self._footprint, source) if each.stage == stage]

    def _tonnes(self, sources: Iterable[SourceUsed]) -> Fraction:
        kg = [parse_fraction(source.columns[self._column]) for source in sources]
        return sum(kg, Fraction(0)) / 1000

    def _mwh(self) -> Fraction:
        return sum((_amount(source, "MWh") for source in self._power), Fraction(0))

    def _code(self) -> str:
        if not self._power or self._settings.electricity_source:
            return self._settings.electricity_source
        used = [each for source in self._power for each in self._factors(source, "generation")]
        if len(used) > 1:
            return _MIX
        if self._settings.electricity == "location" and not any(f.primary for f in used):
            return _PUBLIC
        raise ConfigError(
            f"--set electricity_source=: say where the factor of {self._product.id}'s electricity is"
            " from: own generation D.4.1, own CHP D.4.2, direct line D.4.3.1, contract D.4.3.2"
        )

    def _stream_row(self, stream: Stream) -> _Row:
        """Written as the template counts it; its sum is the footprint's own."""
        per_tj = stream.ncv is not None
        return {
            "Production process": self._product.name,
            "Method": stream.approach,
            "Source stream name": stream.name,
            "Activity data (AD)": _said(stream.ad),
            "AD Unit": stream.ad_unit,
            "Net calorific value (NCV)": _said(stream.ncv),
            "NCV Unit": f"GJ/{stream.ad_unit}" if per_tj else "",
            "Emission factor (EF)": _said(stream.ef),
            "EF Unit": "tCO2/TJ" if per_tj else f"tCO2/{stream.ad_unit}",
            "Oxidation factor (OxF)": _said(stream.oxf * 100),
            "OxF Unit": "%",
            "Conversion factor (ConvF)": "",
            "ConvF Unit": "%",
            "Biomass content (BioC)": _said(stream.bioc * 100),
            "BioC Unit": "%",
            "CO2e fossil (t)": _said(stream.t_co2(self._c_to_co2)),
            "CO2e bio (t)": "0",
            "Energy content (fossil), TJ": _said(stream.tj),
        }


def _stream(source: SourceUsed, factor: FactorUsed) -> Stream:
    """By heating value, carbon and oxidation where the factor tells them, else by its value alone."""
    per = factor.unit.partition("/")[2]
    name, scale = f"{source.source} ({source.carrier})", convert(source.unit, per)
    thousand = parse_fraction(source.amount) * scale / 1000  # kg are tonnes, others in thousands
    unit = {"kg": "t"}.get(per, f"1000{per}")
    if per == "t":
        thousand, unit = thousand * 1000, "t"
    of_unit = 1 if per == "t" else 1000
    parts = factor.parts
    if parts is None or not parts.carbon_t_per_tj:
        kg = parse_fraction(factor.value)
        return Stream("Combustion", name, thousand, unit, ef=kg * of_unit / 1000)
    carbon = parse_fraction(parts.carbon_t_per_tj)
    return Stream(
        "Combustion",
        name,
        thousand,
        unit,
        ncv=parse_fraction(parts.ncv_mj) * of_unit / 1000,
        ef=carbon * load_method(_METHOD).metric.c_to_co2,
        oxf=parse_fraction(parts.oxidation),
    )


def _whole(source: SourceUsed) -> Stream:
    """Several factors held one after the other: one for all of it, as it came out."""
    t, amount = parse_fraction(source.columns["direct"]) / 1000, parse_fraction(source.amount)
    name = f"{source.source} ({source.carrier})"
    return Stream("Combustion", name, amount, source.unit, ef=t / amount if amount else Fraction(0))


def _amount(source: SourceUsed, unit: str) -> Fraction:
    return parse_fraction(source.amount) * convert(source.unit, unit)


def _tj(heat: Sequence[SourceUsed]) -> Fraction | None:
    """None where some of it, such as steam in t, is no energy by itself: nothing is guessed."""
    if any(kind(source.unit) != "energy" for source in heat):
        return None
    return sum((_amount(source, "GJ") for source in heat), Fraction(0)) / 1000


def _check_names(names: Iterable[str]) -> None:
    """The template knows processes by name. Raises ConfigError."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(
                f"--declaration: two products are named {name!r}, and the template knows processes by"
                " name; name them apart, or take one with --product"
            )
        seen.add(name)


def _declared(footprint: Footprint, declaration: Declaration) -> Product:
    product = declaration.of(footprint.product)
    if product is None or not product.cn_code:
        raise ConfigError(
            f"--declaration: product {footprint.product}: cn_code is missing; CBAM knows goods by it"
        )
    return product


def _installation(
    place: Installation, company: Company, footprints: Sequence[Footprint]
) -> list[_Row]:
    first = last = ""
    for each in footprints[:1]:
        first, last = day(each.start_ms, each.timezone), day(each.end_ms - 1, each.timezone)
    told = {
        "Name of the installation (English name):": place.name,
        "Street, Number:": place.address,
        "Country:": company.country,
        "UNLOCODE:": place.unlocode,
        "Coordinates of the main emission source (latitude):": place.latitude,
        "Coordinates of the main emission source (longitude):": place.longitude,
        "Reporting period start:": first,
        "Reporting period end:": last,
    }
    return [{"Parameter": key, "Value": value} for key, value in told.items()]


def _said(number: Fraction | None) -> str:
    """To 15 digits, more than any meter has."""
    return "" if number is None else significant(number, 15)


def _csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO()
    sheet = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\r\n")
    sheet.writeheader()
    sheet.writerows({key: harmless(said) for key, said in row.items()} for row in rows)
    return out.getvalue().encode("utf-8-sig")
