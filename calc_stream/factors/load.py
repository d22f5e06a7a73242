"""Reads factor files: `[documents.<id>]` tables, and `[[factors]]` rows that each name one."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from calc_stream.factors.row import GASES, Factor, FactorSet, Kind, Stage, Status
from wire import config
from wire.config import refuse
from wire.errors import BadData, ConfigError
from wire.units import UNITS

SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HASH = re.compile(r"[0-9a-f]{64}")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was published: title, date (YYYY-MM-DD), and how to find the same bytes again."""

    publisher: str
    title: str
    dated: str
    url: str = ""
    sha256: str = ""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[factors]] table."""

    id: str
    series: str
    value: str
    unit: str
    kind: Kind
    stage: Stage
    region: str
    data_year: int
    valid_from: datetime
    document: str
    status: Status
    valid_to: datetime | None = None


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One publisher's file."""

    format: int
    documents: dict[str, Document]
    factors: list[Row]


def load(directory: Path | None = None) -> FactorSet:
    """The shipped factors, and those of `directory` beside them. Raises ConfigError."""
    rows: dict[str, tuple[Path, Factor]] = {}
    for path in _files(directory):
        for row in _rows(path):
            if row.id in rows:
                where = rows[row.id][0].name
                raise refuse(path, f"factors.{row.id}.id", f"is already an id in {where}")
            rows[row.id] = path, row
    try:
        return FactorSet.of(row for _, row in rows.values())
    except BadData as exc:
        at = str(exc).partition(":")[0]
        raise ConfigError(f"{rows[at][0]}: factors.{exc}") from exc


def _files(directory: Path | None) -> Iterator[Path]:
    yield from sorted(SHIPPED.glob("*.toml"))
    if directory is None:
        return
    own = sorted(directory.glob("*.toml"))
    if not own:
        raise refuse(directory, "factors", "no factor files (*.toml) are in this folder")
    yield from own


def _rows(path: Path) -> Iterator[Factor]:
    file = config.load(path, File)
    if file.format != 1:
        raise refuse(path, "format", f"{file.format} is not supported; this build reads format 1")
    for name, document in file.documents.items():
        if document.sha256 and not _HASH.fullmatch(document.sha256):
            raise refuse(path, f"documents.{name}.sha256", "is not a SHA-256 in hex")
        if not document.title or not document.publisher or not document.dated:
            raise refuse(path, f"documents.{name}", "title, publisher and dated must say something")
    for number, row in enumerate(file.factors):
        yield _factor(path, f"factors[{number}]", row, file.documents)


def _factor(path: Path, key: str, row: Row, documents: dict[str, Document]) -> Factor:
    for field in ("id", "series"):
        if not _NAME.fullmatch(getattr(row, field)):
            raise refuse(path, f"{key}.{field}", "may hold only a-z 0-9 . _ -")
    key = f"factors.{row.id}"
    if row.document not in documents:
        known = ", ".join(sorted(documents))
        raise refuse(path, f"{key}.document", f"no [documents.{row.document}] here; known: {known}")
    if row.unit.partition("/")[2] not in UNITS:
        raise refuse(path, f"{key}.unit", f"{row.unit!r} is not a mass per a known unit")
    document = documents[row.document]
    return Factor(
        id=row.id,
        series=row.series,
        value=_decimal(path, f"{key}.value", row.value),
        unit=row.unit,
        kind=row.kind,
        gases=GASES[row.kind],  # type: ignore[arg-type]  # values of GASES are the literals
        stage=row.stage,
        region=row.region,
        data_year=row.data_year,
        valid_from_ms=_instant(path, f"{key}.valid_from", row.valid_from),
        valid_to_ms=_instant(path, f"{key}.valid_to", row.valid_to) if row.valid_to else None,
        publisher=document.publisher,
        document=document.title,
        dated=document.dated,
        url=document.url,
        hash=document.sha256,
        status=row.status,
    )


def _decimal(path: Path, key: str, text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise refuse(path, key, f'{text!r} is not a decimal string such as "0.5777"') from exc
    if not value.is_finite() or value < 0:
        raise refuse(path, key, "must be a finite number from 0 up")
    return text


def _instant(path: Path, key: str, moment: datetime) -> int:
    if moment.tzinfo is None:
        raise refuse(path, key, "needs a zone, such as 2025-10-23T00:00:00+08:00")
    return round(moment.timestamp() * 1000)
