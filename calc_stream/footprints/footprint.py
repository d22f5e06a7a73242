"""The public form of a published factor: one product, one unit, one method, one period.

A footprint is never changed. Another figure is another footprint, which names those it takes the
place of; one that should not be used may be withdrawn, and stays. Amounts are decimal strings, times
ms UTC.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from calc_stream.core.decimals import parse_fraction, shortest
from calc_stream.factors.parts import Parts
from calc_stream.footprints.period import named_period

# period: its period is over · drift: the running figure moved too far from the published one
# restated: a batch of its period was · upstream: purchased inputs became known · asked: by hand
Cause = Literal["period", "drift", "restated", "upstream", "asked"]
# gate_to_gate: what happened on the site; cradle_to_gate: with all that was bought for it
Boundary = Literal["gate_to_gate", "cradle_to_gate"]


class BatchUsed(msgspec.Struct, frozen=True):
    """A revision the figure stands on. `row`: SHA-256 of the revision as the ledger holds it."""

    batch: str
    revision: int
    offset: int
    good: str
    kg_co2e: str
    row: str


class SourceUsed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source gave to all good output: its amount, and kg by column of the method. `factors`:
    the ids of the rows the total counted it with."""

    source: str
    carrier: str
    unit: str
    amount: str
    columns: dict[str, str]
    factors: tuple[str, ...] = ()


class FactorUsed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The row of the factor set a source was counted with; `kg`: what the total got by it. `parts`: what
    a fuel's value was made of, where the row tells."""

    id: str
    value: str
    unit: str
    stage: str
    region: str
    data_year: int
    publisher: str
    document: str
    url: str
    hash: str
    status: str
    primary: bool
    kg: str
    parts: Parts | None = None


class Upstream(msgspec.Struct, frozen=True, omit_defaults=True):
    """A purchased input per unit of product. `pcf`: the id of the supplier's footprint, if it has one.

    `kg_co2e`: of the whole amount. `primary_share`: of its kg, 0 to 1; None: the supplier does not say.
    `not_fossil`: what of it the supplier says is not from fossil sources, and uptake besides, kg by the
    names of PACT.
    """

    name: str
    amount: str
    unit: str
    kg_co2e: str
    supplier: str
    pcf: str
    primary_share: str | None
    source: str
    not_fossil: dict[str, str] = {}


class Spread(msgspec.Struct, frozen=True):
    """Over the batches, kg for a unit, each batch weighted by its good quantity.

    `sd` is None of one batch. It says how batches differ, and is no measurement uncertainty.
    """

    least: str
    most: str
    sd: str | None


class Doubted(msgspec.Struct, frozen=True):
    """Half of the 95 % interval (k = 2) for a unit, None while a meter is of unknown class."""

    kwh: str | None
    kg_co2e: str | None
    unknown_meters: tuple[str, ...]


class Evidence(msgspec.Struct, frozen=True):
    """Where the figure can be checked: everything it stands on is in the journal up to `offset`.

    `basis`: SHA-256 over "batch TAB revision LF" of all batches in order. `size` and `root`: the
    first signed tree head that stands for `offset`; 0 and "" while none does.
    """

    offset: int
    basis: str
    size: int
    root: str


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """The factor, for one `unit` of good output and in sum.

    `start_ms` (within) to `end_ms` (not within): the period its batches ended in, by the clock of
    `timezone`, the site's. `columns`: kg by column of the method for one unit, `kg_co2e`: the sum the
    method counts, own energy only;
    `upstream_kg_co2e`: of purchased inputs, None unless the product's declaration tells all of them.
    `by_location` and `by_market`: the same sum by the place and by contract. `stages`: kg for a unit
    of value_adding, overhead, allocated and inherited; their sum is `kg_co2e`.
    `upto`: everything in the journal up to there was known when it was drawn up. `incomplete`: batches
    of which a meter has no readings for part of their time, so what it metered then is missing.
    Shares are of 1: `measured_share` (not interpolated), `measured_activity_share` (of kg, metered
    here, whatever the factor), `primary_data_share` (of kg, metered and by a primary factor, inputs
    counted), `traceable_share` (of energy, by meters with a valid certificate; None: not known).
    """

    id: str
    site: str
    product: str
    unit: str
    method: str
    period: str
    timezone: str = "UTC"
    start_ms: int
    end_ms: int
    published_ms: int
    cause: Cause
    supersedes: tuple[str, ...] = ()
    draft: bool = True
    boundary: Boundary = "gate_to_gate"
    batches: tuple[BatchUsed, ...]
    good: str
    scrap: str
    energy_kwh: str
    kwh_per_unit: str
    total_kg_co2e: str
    kg_co2e: str
    columns: dict[str, str]
    by_location: str
    by_market: str
    stages: dict[str, str]
    sources: tuple[SourceUsed, ...]
    factors: tuple[FactorUsed, ...]
    factor_status: str
    factor_sets: tuple[str, ...]
    models: tuple[str, ...]
    upstream: tuple[Upstream, ...] = ()
    upstream_kg_co2e: str | None = None
    spread: Spread
    u95: Doubted
    measured_share: str
    measured_activity_share: str
    primary_data_share: str
    traceable_share: str | None
    gwp: str
    standard: str
    allocation: str
    valid_from_ms: int
    valid_until_ms: int
    evidence: Evidence
    upto: int = 0
    incomplete: tuple[str, ...] = ()

    @property
    def boundary_kg_co2e(self) -> str:
        """For one unit: with purchased inputs where the boundary has them in, else own energy only."""
        if self.boundary == "gate_to_gate" or self.upstream_kg_co2e is None:
            return self.kg_co2e
        return shortest(parse_fraction(self.kg_co2e) + parse_fraction(self.upstream_kg_co2e))

    @property
    def is_running(self) -> bool:
        """Whether its period was not over when it was published: the rest of it is not in the figure."""
        return self.end_ms < named_period(self.period, self.timezone).end_ms


class Withdrawn(msgspec.Struct, frozen=True):
    """Since when a figure is not to be used any more, and why: what everybody is told."""

    t_ms: int
    reason: str


class Withdrawal(msgspec.Struct, frozen=True):
    """That a footprint was withdrawn, and who did it. It keeps its place until another one of its
    product, unit, method and period is published."""

    id: str
    site: str
    product: str
    by: str
    withdrawn: Withdrawn


def successors(footprints: Iterable[Footprint]) -> dict[str, str]:
    """The ids of those that took another's place, by the id of that one."""
    return {before: each.id for each in footprints for before in each.supersedes}
