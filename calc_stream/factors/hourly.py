"""Hourly factors from a CSV: judged line by line, then written as a factor file of a site.

~~~csv
time,value,unit
2026-01-01T00:00+08:00,0.512,kgCO2e/kWh
2026-01-01T01:00+08:00,0.498,kgCO2e/kWh
~~~

One line an hour, each hour once, in order, none missing. A time is the hour's begin; without an offset
it is local time of the zone that is named, where the hour that summer time repeats stands twice and
the one it skips not at all. `unit` may be left out when it is told otherwise; g, kg or t of CO2 or CO2e.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from calc_stream.factors.forms import Document
from calc_stream.factors.parts import number
from calc_stream.factors.row import Kind, Stage, Status
from wire.config import refuse
from wire.errors import BadData
from wire.units import UNITS

_HOUR = timedelta(hours=1)
_KG = {"g": -3, "kg": 0, "t": 3}  # powers of ten
_A_LINE = 12


@dataclass(frozen=True)
class Hours:
    """Values for one hour each from `begin` on, in `unit` (kgCO2e/kWh)."""

    begin: datetime
    unit: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """What the CSV itself does not say of its values."""

    series: str
    kind: Kind
    stage: Stage
    region: str
    status: Status
    document: Document


def read_hours(
    text: str, name: str, zone: ZoneInfo | None = None, unit: str | None = None
) -> Hours:
    """The file's values. Raises ConfigError naming the line."""
    table = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [cell.strip() for cell in next(table, [])]
    if header not in (["time", "value"], ["time", "value", "unit"]):
        raise refuse(f"{name}:1", "header", "must be time,value or time,value,unit")
    begin: datetime | None = None
    before: datetime | None = None
    values: list[str] = []
    found = unit
    for cells in table:
        line = f"{name}:{table.line_num}"
        if not cells:
            continue
        if len(cells) != len(header):
            raise refuse(line, "line", f"has {len(cells)} cells, the header {len(header)}")
        found = _unit(line, found, cells[2].strip() if len(cells) > 2 else found)
        moment = _moment(line, cells[0].strip(), zone, before)
        if before is not None:
            _follows(line, before, moment)
        elif moment.minute % 15 or moment.second or moment.microsecond:
            raise refuse(line, "time", f"{cells[0]} is no begin of an hour")
        values.append(_value(line, cells[1].strip(), found))
        begin, before = begin or moment, moment
    if begin is None or found is None:
        raise refuse(f"{name}:1", "time", "no hour stands below the header")
    mass, _, per = found.partition("/")
    return Hours(begin, f"kg{mass[mass.index('CO2') :]}/{per}", tuple(values))


def as_toml(hours: Hours, said: Said) -> str:
    """A factor file with these hours."""
    begin = hours.begin.isoformat()
    paper = said.document
    facts = [("publisher", paper.publisher), ("title", paper.title), ("dated", paper.dated),
             ("url", paper.url), ("sha256", paper.sha256)]  # fmt: skip
    lines = ["format = 1", "", "[documents.source]"]
    lines += [f"{key} = {_quoted(text)}" for key, text in facts if text]
    lines += ["", "[[hourly]]", f'id = "{said.series}-{hours.begin:%Y%m%dt%H%M}"']
    lines += [f"{key} = {_quoted(text)}" for key, text in (
        ("series", said.series), ("unit", hours.unit), ("kind", said.kind), ("stage", said.stage),
        ("region", said.region), ("document", "source"), ("status", said.status),
    )]  # fmt: skip
    lines += [f"data_year = {hours.begin.year}", f"valid_from = {begin}", "values = ["]
    lines += [f"  {line}," for line in _in_lines(hours.values)]
    return "\n".join([*lines, "]", ""])


def _moment(line: str, text: str, zone: ZoneInfo | None, before: datetime | None) -> datetime:
    """The hour's begin in its own zone. Raises ConfigError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        problem = f"{text!a} is not a time such as 2026-01-01T00:00+08:00"
        raise refuse(line, "time", problem) from exc
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise refuse(line, "time", f"{text} has no offset; add it, or name the time zone")
    local = moment.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise refuse(line, "time", f"{text} does not exist in {zone}: summer time skips it")
    repeated = local.replace(fold=1)
    twice = repeated.utcoffset() != local.utcoffset()
    second = before is not None and _utc(before) >= _utc(local)
    return repeated if twice and second else local


def _follows(line: str, before: datetime, moment: datetime) -> None:
    """Raises ConfigError unless it is the next hour."""
    step = _utc(moment) - _utc(before)
    if step == _HOUR:
        return
    if not step:
        raise refuse(line, "time", f"{moment.isoformat()} stands twice; leave one of them out")
    if step < timedelta(0):
        raise refuse(line, "time", f"{moment.isoformat()} is out of order; sort the file by time")
    if step % _HOUR:
        raise refuse(line, "time", f"{moment.isoformat()} is no hour after {before.isoformat()}")
    lost = step // _HOUR - 1
    cure = "add them, or import the two parts as files of their own"
    first = (_utc(before) + _HOUR).astimezone(moment.tzinfo).isoformat()
    raise refuse(line, "time", f"{lost} hours are missing from {first} on: {cure}")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _unit(line: str, before: str | None, unit: str | None) -> str:
    """The one unit of the whole file. Raises ConfigError."""
    if not unit:
        raise refuse(line, "unit", "is missing: add a column unit, or tell the unit")
    mass, _, per = unit.partition("/")
    if mass.removesuffix("e").removesuffix("CO2") not in _KG or "CO2" not in mass:
        raise refuse(line, "unit", f"{unit!a} is not a mass such as kgCO2e/kWh")
    if per not in UNITS:
        raise refuse(line, "unit", f"{unit!a} is per no known unit: {', '.join(sorted(UNITS))}")
    if before is not None and before != unit:
        raise refuse(line, "unit", f"is {unit}, but {before} before: a file has one unit")
    return unit


def _value(line: str, text: str, unit: str) -> str:
    """The value in kg, exactly."""
    try:
        number(text)
    except BadData as exc:
        raise refuse(line, "value", str(exc)) from exc
    power = _KG[unit[: unit.index("CO2")]]
    return text if not power else f"{Decimal(text).scaleb(power):f}"


def _in_lines(values: Sequence[str]) -> Iterator[str]:
    for at in range(0, len(values), _A_LINE):
        yield ", ".join(f'"{value}"' for value in values[at : at + _A_LINE])


def _quoted(text: str) -> str:
    """As a TOML basic string, which takes JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)
