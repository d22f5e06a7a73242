"""Results for others: each file is one form, found by its name.

A file has a sample `[exporter]` table in its docstring, `Settings`, `MEDIA_TYPE`, and
`write(export, settings) -> bytes`. What is exported stands in the ledger, on disk.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from calc_stream.ledger.products import product_rows
from calc_stream.ledger.rows import BatchRow, ProductRow
from calc_stream.ledger.store import Store
from wire.errors import ConfigError

WHAT = ("batches", "products")


@dataclass(frozen=True)
class Export:
    """`what`: batches or products. `offset`: the journal offset the ledger stands at."""

    what: str
    site: str
    offset: int
    rows: Sequence[BatchRow] | Sequence[ProductRow]


def find(kind: str) -> ModuleType:
    """The exporter's module; a dotted name is somebody else's. Raises ConfigError."""
    name = kind if "." in kind else f"{__name__}.{kind}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise ConfigError(f"format: there is no exporter {kind!r}") from exc


def gather(store: Store, site: str, what: str, product: str | None = None) -> Export:
    """The newest revision of every closed batch, or what follows from them per product."""
    latest = [row for row in store.latest(site) if product is None or row.product == product]
    offset = store.state(site)[0]
    if what == "products":
        return Export(what, site, offset, product_rows(latest))
    return Export(what, site, offset, latest)


def unverified(export: Export) -> int:
    """How many rows stand on a factor nobody here has read in its document."""
    return sum(row.factor_status == "secondary" for row in export.rows)
