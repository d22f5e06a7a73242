"""Where readings are projected to. A sink is one file here with these public names:

Settings              frozen struct, unknown keys refused; the docstring holds a sample of it
open_sink(settings, directory)   -> Sink; opens no connection

A sink is given whole segments, in the journal's order, some of them more than once.
"""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np

import wire.config
from ingestor.columns import Floats, Ints
from wire.segment import Segment


@dataclass(frozen=True)
class Rejected:
    """Bytes a database will never take, and its reason."""

    data: bytes
    reason: str


@dataclass(frozen=True)
class Column:
    """One quantity of one meter at one quality: `values[i]` at `t_ms[i]`, ordered, each time once."""

    quantity: str
    quality: str
    t_ms: Ints
    values: Floats


class Sink(Protocol):
    """Writing the same segment again leaves the same points."""

    def prepare(self) -> None:
        """Make the database ready. Raises TransientError."""

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        """Keep (journal offset, segment) pairs of one site. Raises TransientError."""

    def dialect(self) -> str:
        """What answers, in words, for the doctor. Raises TransientError."""

    def columns(
        self, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str] = ()
    ) -> list[Column]:
        """What is kept of a meter with from_ms <= t < to_ms; without quantities all of them.

        Ordered by quantity and quality. Raises TransientError.
        """

    def meters(self, site: str) -> set[str]:
        """Every meter something is kept of. Raises TransientError."""

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        """Delete a meter's readings, to write them anew; False if that is not to be had.

        Raises TransientError.
        """

    def retention_days(self) -> int:
        """Readings older than this are gone on purpose; 0 if none are."""

    def close(self) -> None: ...


@runtime_checkable
class LineSink(Sink, Protocol):
    """A sink that can be offered again, as text, what it rejected."""

    def write_lines(self, lines: bytes) -> list[Rejected]:
        """Raises TransientError."""


@dataclass(frozen=True)
class Configured:
    """One `[[sinks]]` table whose file was found and whose keys are right."""

    name: str
    kind: str
    module: ModuleType
    settings: Any

    def open(self, directory: Path) -> Sink:
        """`directory` is where a sink may keep files."""
        sink: Sink = self.module.open_sink(self.settings, directory)
        return sink


def joined(parts: Sequence[Column]) -> list[Column]:
    """Parts put together, in order of time; of two values at one time the lower."""
    found: dict[tuple[str, str], list[Column]] = {}
    for part in parts:
        found.setdefault((part.quantity, part.quality), []).append(part)
    return [_joined(*key, found[key]) for key in sorted(found)]


def _joined(quantity: str, quality: str, parts: list[Column]) -> Column:
    times = np.concatenate([part.t_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    if not np.all(times[1:] > times[:-1]):
        order = np.lexsort((values, times))
        times, begins = np.unique(times[order], return_index=True)
        values = values[order][begins]
    return Column(quantity, quality, times, values)


def configure(table: Mapping[str, object], file: str | Path, key: str) -> Configured:
    """The sink a table names by `kind`; `name` sets two of a kind apart.

    Raises ConfigError; the table stands at `key` of `file`.
    """
    rest = dict(table)
    kind = rest.pop("kind", None)
    if not isinstance(kind, str) or not kind:
        raise wire.config.refuse(file, f"{key}.kind", f"is missing; {_known()}")
    name = rest.pop("name", kind)
    if not isinstance(name, str) or not name:
        raise wire.config.refuse(file, f"{key}.name", "is a text")
    module = _load(kind, file, key)
    return Configured(
        name, kind, module, wire.config.convert(rest, module.Settings, str(file), key)
    )


def _load(kind: str, file: str | Path, key: str) -> ModuleType:
    dotted = kind if "." in kind else f"{__name__}.{kind}"
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as exc:
        if exc.name and dotted.startswith(exc.name):
            problem = f"there is no sink {kind!r}; {_known()}"
            raise wire.config.refuse(file, f"{key}.kind", problem) from exc
        raise


def _known() -> str:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return f"known: {', '.join(names)}; a dotted name is a module of your own"
