"""The public form of results: a batch, a product. Amounts are decimal strings, times ms UTC."""

from collections.abc import Sequence
from typing import Literal

import msgspec

State = Literal["live", "provisional", "closed", "settled", "restated"]
# What a batch is in once its direct energy has been final for the first time.
CLOSED: frozenset[str] = frozenset({"closed", "settled", "restated"})


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One batch as it stands at a journal offset; with `revision` > 0 a figure that stays for ever.

    `by_source`: own and inherited energy in each source's own unit (`units`); `inherited`: the part
    that came with other batches. `columns`: kg by the stage its factors count, of the sources with
    a factor; `kg_co2e` is their sum, None when a source that gave energy has none
    (`unknown_sources`). `settled`: its input batches are closed too; a batch that settles after it
    was first stated gets a revision with the same figures. `incomplete`: a meter of the site has no
    readings for part of its time. `cause`, `difference_kwh` and `difference_kg`: what made this
    revision, against the one before.
    """

    site: str
    batch: str
    product: str | None = None
    state: State = "live"
    settled: bool = False
    nodes: tuple[str, ...] = ()
    started_ms: int | None = None
    ended_ms: int | None = None
    energy_kwh: str = "0"
    by_source: dict[str, str] = {}
    inherited: dict[str, str] = {}
    units: dict[str, str] = {}
    kg_co2e: str | None = None
    columns: dict[str, str] = {}
    unknown_sources: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    factor_status: str = ""
    good: str = "0"
    scrap: str = "0"
    unit: str | None = None
    kwh_per_unit: str | None = None
    kg_co2e_per_unit: str | None = None
    measured_share: str = "1"
    interpolated_share: str = "0"
    method: str = ""
    factor_set: str | None = None
    model: str | None = None
    offset: int = 0
    revision: int = 0
    incomplete: bool = False
    cause: str | None = None
    difference_kwh: str | None = None
    difference_kg: str | None = None


class ProductRow(msgspec.Struct, frozen=True, kw_only=True):
    """The mean over a product's closed batches, weighted by good quantity.

    `basis`: SHA-256 over the (batch, revision) pairs it stands on, one a line in order;
    `revision`: the highest among them, `offset`: the latest journal offset among them.
    """

    site: str
    product: str
    unit: str | None
    batches: int
    good: str
    scrap: str
    energy_kwh: str
    kg_co2e: str | None
    kwh_per_unit: str | None
    kg_co2e_per_unit: str | None
    measured_share: str
    interpolated_share: str
    incomplete_batches: int
    settled_batches: int
    factor_status: str
    unknown_sources: tuple[str, ...]
    method: str
    factor_sets: tuple[str, ...]
    models: tuple[str, ...]
    first_started_ms: int | None
    last_ended_ms: int | None
    offset: int
    revision: int
    basis: str


# What a revision states. Where in the journal, which revision and why are about it, not in it.
_ABOUT = frozenset(
    {
        *("state", "settled", "offset", "revision", "model", "factor_set"),
        *("cause", "difference_kwh", "difference_kg"),
    }
)
_FIGURES: Sequence[str] = [name for name in BatchRow.__struct_fields__ if name not in _ABOUT]


def same_figures(one: BatchRow, other: BatchRow) -> bool:
    """Whether two rows state the same."""
    return all(getattr(one, name) == getattr(other, name) for name in _FIGURES)
