"""Results for others: each file is one form, found by its name.

A file has a sample `[exporter]` table in its docstring, `Settings`, `MEDIA_TYPE`, `TAKES` (what of
`WHAT` it writes) and `write(export, settings) -> bytes`, which raises ConfigError for what the form
cannot say. What is exported stands in the ledger or among the published footprints, on disk.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import msgspec

from calc_stream.datasets.line import FootprintLine, line
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint, Withdrawn, successors
from calc_stream.footprints.shelf import Shelf
from calc_stream.ledger.products import product_rows
from calc_stream.ledger.rows import BatchRow, ProductRow
from calc_stream.ledger.store import Store
from wire.errors import ConfigError

_LINES: dict[str, type[msgspec.Struct]] = {
    "batches": BatchRow,
    "products": ProductRow,
    "footprints": FootprintLine,
}
WHAT = tuple(_LINES)


@dataclass(frozen=True)
class Export:
    """`what`: one of `WHAT`. `offset`: the journal offset the rows stand at. `declaration`: what people
    declare of footprints' products. `superseded`: ids of footprints others took the place of;
    `withdrawn`: of those that are not to be used, since when and why."""

    what: str
    site: str
    offset: int
    rows: Sequence[BatchRow] | Sequence[ProductRow] | Sequence[Footprint]
    declaration: Declaration | None = None
    superseded: frozenset[str] = frozenset()
    withdrawn: Mapping[str, Withdrawn] = field(default_factory=dict)

    @property
    def footprints(self) -> list[Footprint]:
        """The rows, where they are footprints."""
        return [row for row in self.rows if isinstance(row, Footprint)]

    @property
    def in_force(self) -> list[Footprint]:
        """Those no other took the place of, and nobody withdrew."""
        gone = self.superseded | self.withdrawn.keys()
        return [each for each in self.footprints if each.id not in gone]

    @property
    def line_type(self) -> type[msgspec.Struct]:
        """What a line of a table is."""
        return _LINES[self.what]

    def lines(self) -> list[BatchRow | ProductRow | FootprintLine]:
        """The rows for tables."""
        return [
            line(row, row.id in self.superseded, self.withdrawn.get(row.id))
            if isinstance(row, Footprint)
            else row
            for row in self.rows
        ]


def find(kind: str) -> ModuleType:
    """The exporter's module; a dotted name is somebody else's. Raises ConfigError."""
    name = kind if "." in kind else f"{__name__}.{kind}"
    if not all(part.isidentifier() and part != "__init__" for part in name.split(".")):
        raise ConfigError(f"format: there is no exporter {kind!r}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise ConfigError(f"format: there is no exporter {kind!r}") from exc


def shipped() -> list[str]:
    """The names of ours."""
    return sorted(each.name for each in pkgutil.iter_modules(__path__))


def check(exporter: ModuleType, kind: str, what: str) -> None:
    """Whether the form can say that. Raises ConfigError."""
    if what not in exporter.TAKES:
        takes = " or ".join(exporter.TAKES)
        raise ConfigError(f"--format {kind}: does not hold {what}; take --what {takes}")


def settings(exporter: ModuleType, kind: str, told: Iterable[str]) -> msgspec.Struct:
    """The exporter's settings from texts "key=value". Raises ConfigError."""
    parts = [text.partition("=") for text in told]
    table = {key: value for key, _, value in parts}
    try:
        found: msgspec.Struct = msgspec.convert(table, exporter.Settings, strict=False)
    except msgspec.ValidationError as exc:
        known = ", ".join(exporter.Settings.__struct_fields__) or "none"
        raise ConfigError(f"--set of format {kind}: {exc}; its settings: {known}") from exc
    return found


def gather(store: Store, site: str, what: str, product: str | None = None) -> Export:
    """The newest revision of every closed batch, or what follows from them per product."""
    latest = [row for row in store.latest(site) if product is None or row.product == product]
    offset = store.state(site)[0]
    if what == "products":
        return Export(what, site, offset, product_rows(latest))
    return Export(what, site, offset, latest)


def published(
    shelf: Shelf, site: str, product: str | None = None, declaration: Declaration | None = None
) -> Export:
    """Every footprint, in the order of publishing, superseded and withdrawn ones marked."""
    rows = shelf.all(site) if product is None else shelf.of(site, product)
    offset = max((row.evidence.offset for row in rows), default=0)
    withdrawn = {id_: each.withdrawn for id_, each in shelf.withdrawn(site).items()}
    superseded = frozenset(successors(rows))
    return Export("footprints", site, offset, rows, declaration, superseded, withdrawn)


def unverified(export: Export) -> int:
    """How many rows stand on a factor nobody here has read in its document."""
    return sum(row.factor_status == "secondary" for row in export.rows)
