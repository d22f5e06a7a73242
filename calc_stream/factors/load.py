"""Reads factor files, the shipped ones and a site's own. Their form stands in forms.py."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from calc_stream.core.toml_lines import line_of
from calc_stream.factors.factor_set import FactorSet
from calc_stream.factors.forms import File
from calc_stream.factors.instruments import Instrument
from calc_stream.factors.judge import (
    NAME,
    Place,
    check_document,
    hourly_row,
    instrument,
    row,
    table_rows,
)
from calc_stream.factors.row import Row
from wire import config
from wire.config import refuse
from wire.errors import BadData, ConfigError

SHIPPED = Path(__file__).parent
_STEP = re.compile(r"[^.\[\]]+")


def load(directory: Path | None = None) -> FactorSet:
    """The shipped factors, and those of `directory` beside them. Raises ConfigError."""
    places: dict[str, Place] = {}
    rows: list[Row] = []
    entries: dict[str, tuple[str, ...]] = {}
    instruments: list[Instrument] = []
    for path in _files(directory):
        text, file = _read(path)
        for place, found in _rows(path, text, file):
            _note(places, place, found.id, "id")
            rows.append(found)
        for name, listed in file.entries.items():
            _note(places, Place(path, text, ("entries",), "entries"), name, name)
            entries[name] = tuple(listed)
        for at, form in enumerate(file.instruments):
            place = Place(path, text, ("instruments", at), f"instruments.{form.id}")
            _note(places, place, form.id, "id")
            instruments.append(instrument(place, form, file.documents))
    try:
        return FactorSet.of(rows, entries, instruments)
    except BadData as exc:
        name, key, problem = str(exc).split(": ", 2)
        raise places[name].refuse(name if key == "entries" else key, problem) from exc


def _note(places: dict[str, Place], place: Place, name: str, key: str) -> None:
    """Remembers where a name was given; nowhere else may it be given again."""
    if name in places:
        raise place.refuse(key, f"is already an id in {places[name].path.name}")
    if not NAME.fullmatch(name):
        raise place.refuse(key, "may hold only a-z 0-9 . _ -")
    places[name] = place


def _files(directory: Path | None) -> Iterator[Path]:
    yield from sorted(SHIPPED.glob("*.toml"))
    if directory is None:
        return
    own = sorted(directory.glob("*.toml"))
    if not own:
        raise refuse(directory, "factors", "no factor files (*.toml) are in this folder")
    yield from own


def _read(path: Path) -> tuple[str, File]:
    """The file's text and content, its documents judged."""
    try:
        text = path.read_text(encoding="utf-8")
        file = config.convert(tomllib.loads(text), File, str(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path}: is no TOML text: {exc}") from exc
    except ConfigError as exc:
        key, _, problem = str(exc).removeprefix(f"{path}: ").partition(": ")
        steps = tuple(int(s) if s.isdigit() else s for s in _STEP.findall(key))
        raise refuse(f"{path}:{line_of(text, steps)}", key, problem) from exc
    if file.format != 1:
        problem = f"{file.format} is not supported; this build reads format 1"
        raise Place(path, text, (), "").refuse("format", problem)
    for name, document in file.documents.items():
        check_document(Place(path, text, ("documents", name), f"documents.{name}"), document)
    return text, file


def _rows(path: Path, text: str, file: File) -> Iterator[tuple[Place, Row]]:
    for at, form in enumerate(file.factors):
        place = Place(path, text, ("factors", at), f"factors.{form.id}")
        yield place, row(place, form, file.documents)
    for at, table in enumerate(file.tables):
        place = Place(path, text, ("tables", at), f"tables[{at}]")
        yield from table_rows(place, table, file.documents)
    for at, hourly in enumerate(file.hourly):
        place = Place(path, text, ("hourly", at), f"hourly.{hourly.id}")
        yield place, hourly_row(place, hourly, file.documents)
