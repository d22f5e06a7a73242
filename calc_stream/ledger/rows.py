"""The public form of results: a batch, a product. Amounts are decimal strings, times ms UTC."""

from collections.abc import Sequence
from typing import Literal

import msgspec

State = Literal["live", "provisional", "closed", "settled", "restated"]
# What a batch is in once its direct energy has been final for the first time.
CLOSED: frozenset[str] = frozenset({"closed", "settled", "restated"})


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One batch as it stands at a journal offset; with `revision` > 0 a figure that stays for ever.

    `by_source`: its energy in each source's own unit (`units`), which is the sum of `value_adding`
    (while producing), `overhead` (its own set-up, cleaning, waiting, faults), `allocated` (from
    pools) and `inherited` (with other batches). `columns`: kg by the stage its factors count, of the
    sources with a factor; `kg_co2e` is their sum, None when a source that gave energy has none
    (`unknown_sources`). `by_period`: amounts by source and by when its period began ("": from ever),
    for each period has its factors. `bought`: units by
    lot, its own and inherited; `bought_kg_co2e`: what came with them, never part of `kg_co2e`, None
    when a lot tells none (`unknown_lots`). `spread`: what pools and campaigns give is in, and what
    contracts cover, for all their windows are over. `settled`: that, and its input batches are closed and spread too; a batch
    that settles after it was first stated gets a revision. `incomplete`: a meter of the site has no
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
    value_adding: dict[str, str] = {}
    overhead: dict[str, str] = {}
    allocated: dict[str, str] = {}
    inherited: dict[str, str] = {}
    units: dict[str, str] = {}
    kg_co2e: str | None = None
    columns: dict[str, str] = {}
    unknown_sources: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    by_period: dict[str, dict[str, str]] = {}
    factor_status: str = ""
    bought: dict[str, str] = {}
    bought_kg_co2e: str | None = None
    unknown_lots: tuple[str, ...] = ()
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
    spread: bool = True
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
        *("state", "settled", "spread", "offset", "revision", "model", "factor_set"),
        *("cause", "difference_kwh", "difference_kg"),
    }
)
STATED: Sequence[str] = [name for name in BatchRow.__struct_fields__ if name not in _ABOUT]


def same_figures(one: BatchRow, other: BatchRow) -> bool:
    """Whether two rows state the same."""
    return all(getattr(one, name) == getattr(other, name) for name in STATED)
