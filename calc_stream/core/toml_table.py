"""A TOML table that knows its place, so that every refusal names file, line and key."""

import re
import tomllib
from collections.abc import Collection, Iterator
from datetime import date, datetime
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, parse_instant
from calc_stream.core.toml_lines import Path, key_in, line_of
from wire.config import refuse
from wire.errors import ConfigError
from wire.reasons import shown

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


class Table:
    """One table: typed values out of it, ConfigError for anything else."""

    def __init__(self, name: str, text: str, path: Path, data: dict[str, object]) -> None:
        self.name, self.text, self.path, self.data = name, text, path, data

    def refuse(self, key: str, problem: str) -> ConfigError:
        """The error about one key of this table; "" means the table itself."""
        path = (*self.path, key) if key else self.path
        dotted = ""
        for part in path:
            dotted += f"[{part}]" if isinstance(part, int) else f".{part}"
        where = f"{self.name}:{line_of(self.text, path)}"
        return refuse(where, _one_line(dotted.lstrip(".")), problem)

    def close(self, known: Collection[str]) -> None:
        """Unknown keys are errors."""
        for key in self.data:
            if key not in known:
                raise self.refuse(key, f"is not a known key; known: {', '.join(sorted(known))}")

    def text_of(self, key: str, default: str | None = None) -> str:
        """A text that says something; `default` None means it must be there."""
        value = self.data.get(key, default)
        if value is None:
            raise self.refuse(key, "is missing")
        if not isinstance(value, str) or not value:
            raise self.refuse(key, f"must be text, not {shown(value)}")
        return value

    def one_of(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """A text from a closed list."""
        value = self.text_of(key, default)
        if value not in choices:
            raise self.refuse(key, f"must be one of {', '.join(choices)}, not {shown(value)}")
        return value

    def name_of(self, key: str) -> str:
        """A text that is a name."""
        return self.check_name(key, self.text_of(key))

    def check_name(self, key: str, value: str) -> str:
        """`value`, when it is made as names are."""
        if not _NAME.fullmatch(value):
            raise self.refuse(key, f"name {shown(value)} may hold only A-Z a-z 0-9 . _ -")
        return value

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        """A whole number, at least `least`."""
        value = self.data.get(key, default)
        if value is None:
            raise self.refuse(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.refuse(key, f"must be a whole number from {least} up, not {shown(value)}")
        return value

    def fraction(self, key: str) -> Fraction | None:
        """A decimal string, exactly; None when absent."""
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.refuse(key, f'must be a decimal string such as "40", not {shown(value)}')
        try:
            return parse_fraction(value)
        except ValueError as exc:
            raise self.refuse(key, str(exc)) from exc

    def instant(self, key: str) -> int | None:
        """An instant with a zone, as text or as a TOML date-time; None when absent."""
        value = self.data.get(key)
        if value is None:
            return None
        try:
            return parse_instant(value.isoformat() if isinstance(value, datetime) else str(value))
        except ValueError as exc:
            raise self.refuse(key, str(exc)) from exc

    def fact(self, key: str) -> object:
        """A plain value that is kept as it is; None when absent."""
        value = self.data.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float | date | None):
            raise self.refuse(key, f"must be text, a number or a date, not {shown(value)}")
        return value

    def table(self, key: str) -> "Table":
        """A table inside this one; empty when absent."""
        return self._inner(key, self.data.get(key, {}))

    def tables(self, key: str) -> Iterator[tuple[str, "Table"]]:
        """The named tables under `key`, by name."""
        outer = self.table(key)
        for name in sorted(outer.data):
            yield outer.check_name(name, name), outer._inner(name, outer.data[name])

    def array(self, key: str) -> Iterator["Table"]:
        """The tables of an array of tables, in their order."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise self.refuse(key, f"must be an array of tables: [[{key}]]")
        for index, inner in enumerate(value):
            if not isinstance(inner, dict):
                raise self.refuse(key, f"must be an array of tables: [[{key}]]")
            yield Table(self.name, self.text, (*self.path, key, index), inner)

    def _inner(self, key: str, value: object) -> "Table":
        if not isinstance(value, dict):
            raise self.refuse(key, f"must be a table, not {shown(value)}")
        return Table(self.name, self.text, (*self.path, key), value)


def read_table(text: str, name: str) -> Table:
    """The whole text as a table. Raises ConfigError."""
    try:
        return Table(name, text, (), tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        found = re.search(r"at line (\d+)", str(exc))
        line = int(found[1]) if found else text.count("\n") + 1
        key = key_in(text, line) or "TOML"
        raise refuse(f"{name}:{line}", key, _one_line(str(exc))) from exc


def _one_line(text: str) -> str:
    return text if text.isprintable() else ascii(text)
