"""From the forms in a factor file to factors: each judged where it stands, by file, line and key."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import msgspec

from calc_stream.core.decimals import significant
from calc_stream.core.toml_lines import line_of
from calc_stream.factors.forms import Document, HourlyForm, InstrumentForm, RowForm, TableForm
from calc_stream.factors.gwp import load_gwp
from calc_stream.factors.instruments import Instrument
from calc_stream.factors.parts import CO2_ONLY, Metric, Parts, number
from calc_stream.factors.regions import problem_of
from calc_stream.factors.row import HOUR_MS, KINDS, Row
from wire.config import refuse
from wire.errors import BadData, ConfigError
from wire.units import UNITS

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HASH = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


@dataclass(frozen=True)
class Place:
    """A table in a file: `at` is its path in the TOML, `name` what its errors call it."""

    path: Path
    text: str
    at: tuple[str | int, ...]
    name: str

    def refuse(self, key: str, problem: str) -> ConfigError:
        line = line_of(self.text, (*self.at, *key.split(".")))
        return refuse(f"{self.path}:{line}", f"{self.name}.{key}".lstrip("."), problem)


def check_document(place: Place, document: Document) -> None:
    """Raises ConfigError."""
    if document.sha256 and not _HASH.fullmatch(document.sha256):
        raise place.refuse("sha256", "is not a SHA-256 in hex")
    if not document.title or not document.publisher:
        raise place.refuse("title", "title and publisher must say something")
    if not _DATE.fullmatch(document.dated):
        problem = "is not a date such as 2025-10-23, nor a month or year"
        raise place.refuse("dated", f"{document.dated!a} {problem}")


def row(place: Place, form: RowForm, documents: Mapping[str, Document], item: str = "") -> Row:
    """`item`: what the document lists it under. Raises ConfigError."""
    if form.parts is not None:
        _judge_value(place, form, form.parts)
    until_ms = None if form.valid_to is None else _instant(place, "valid_to", form.valid_to)
    made = _made(place, form, documents, form.value, until_ms)
    title = f"{made.document}: {item}" if item else made.document
    return msgspec.structs.replace(made, parts=form.parts, document=title)


def table_rows(
    place: Place, table: TableForm, documents: Mapping[str, Document]
) -> Iterator[tuple[Place, Row]]:
    """The rows of a table one by one. Raises ConfigError."""
    common = {key: getattr(table, key) for key in ("unit", "kind", "stage", "u95", "primary")}
    for line in table.rows:
        if len(line.values) != len(table.editions):
            problem = f"{line.series} has {len(line.values)} values"
            raise place.refuse("rows", f"{problem} for {len(table.editions)} editions")
        for value, edition in zip(line.values, table.editions, strict=True):
            if not value:
                continue
            said = {key: getattr(edition, key) for key in edition.__struct_fields__}
            name = f"{line.series}-{edition.data_year}"
            form = RowForm(
                id=name, series=line.series, region=line.region, value=value, **common, **said
            )
            where = Place(place.path, place.text, place.at, f"{place.name}.{name}")
            yield where, row(where, form, documents, line.item)


def hourly_row(place: Place, form: HourlyForm, documents: Mapping[str, Document]) -> Row:
    """Raises ConfigError."""
    if not form.values:
        raise place.refuse("values", "are none; give one for each hour")
    numbers = []
    for at, text in enumerate(form.values, 1):
        try:
            numbers.append(number(text))
        except BadData as exc:
            raise place.refuse("values", f"number {at}: {exc}") from exc
    mean = significant(sum(numbers, Fraction(0)) / len(numbers), 6)
    until_ms = _instant(place, "valid_from", form.valid_from) + len(numbers) * HOUR_MS
    made = _made(place, form, documents, mean, until_ms)
    return msgspec.structs.replace(made, hours=tuple(form.values))


def instrument(place: Place, form: InstrumentForm, documents: Mapping[str, Document]) -> Instrument:
    """Raises ConfigError."""
    if not NAME.fullmatch(form.id):
        raise place.refuse("id", "may hold only a-z 0-9 . _ -")
    document = _document(place, form.document, documents)
    return Instrument(
        id=form.id,
        type=form.type,
        source=form.source,
        factor=form.factor,
        valid_from_ms=_instant(place, "valid_from", form.valid_from),
        valid_to_ms=_instant(place, "valid_to", form.valid_to),
        unit=form.unit,
        match=form.match,
        volumes=tuple(form.volumes),
        certificates=tuple(form.certificates),
        certificate_volume=form.certificate_volume,
        publisher=document.publisher,
        document=document.title,
        dated=document.dated,
        url=document.url,
        hash=document.sha256,
    )


def _judge_value(place: Place, form: RowForm, parts: Parts) -> None:
    """The printed value must be what its parts give, rounded as it is printed."""
    for key, problem in parts.problems():
        raise place.refuse(f"parts.{key}", problem)
    try:
        gwp = load_gwp(parts.gwp).numbers() if parts.gwp else CO2_ONLY.gwp
        found, value = parts.kg(Metric(CO2_ONLY.c_to_co2, gwp)), number(form.value)
    except (BadData, ConfigError) as exc:
        raise place.refuse("parts", str(exc)) from exc
    digits = len(form.value.partition(".")[2])
    if abs(found - value) * 2 > Fraction(1, 10**digits):
        raise place.refuse("value", f"is {form.value}, but its parts give {significant(found)}")


def _made(
    place: Place,
    form: RowForm | HourlyForm,
    documents: Mapping[str, Document],
    value: str,
    until_ms: int | None,
) -> Row:
    for field in ("id", "series"):
        if not NAME.fullmatch(getattr(form, field)):
            raise place.refuse(field, "may hold only a-z 0-9 . _ -")
    if form.unit.partition("/")[2] not in UNITS:
        known = ", ".join(sorted(UNITS))
        raise place.refuse("unit", f"{form.unit!r} is not a mass per a known unit: {known}")
    if (problem := problem_of(form.region)) is not None:
        raise place.refuse("region", problem)
    document = _document(place, form.document, documents)
    return KINDS[form.kind](
        id=form.id,
        series=form.series,
        value=value,
        unit=form.unit,
        gases="CO2" if form.kind == "inventory" else "CO2e",
        stage=form.stage,
        region=form.region,
        data_year=form.data_year,
        valid_from_ms=_instant(place, "valid_from", form.valid_from),
        valid_to_ms=until_ms,
        status=form.status,
        u95=form.u95,
        primary=form.primary,
        publisher=document.publisher,
        document=document.title,
        dated=document.dated,
        url=document.url,
        hash=document.sha256,
    )


def _document(place: Place, name: str, documents: Mapping[str, Document]) -> Document:
    if name not in documents:
        known = ", ".join(sorted(documents)) or "none"
        raise place.refuse("document", f"no [documents.{name}] here; known: {known}")
    return documents[name]


def _instant(place: Place, key: str, moment: datetime) -> int:
    if moment.tzinfo is None:
        raise place.refuse(key, "needs a zone, such as 2025-10-23T00:00:00+08:00")
    return round(moment.timestamp() * 1000)
