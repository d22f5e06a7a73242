"""The result of a computation in its public form, and its one canonical text."""

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from calc_stream.core.batches import Batch, batches_of
from calc_stream.core.decimals import fixed, shortest, significant
from calc_stream.core.events import Event, Problem, in_force
from calc_stream.core.footprint import Footprint
from calc_stream.core.genealogy import inherited
from calc_stream.core.ledger import Ledger
from calc_stream.core.linear import Vector
from calc_stream.core.plant import SiteModel

Result = dict[str, Any]


def compute_result(
    ledger: Ledger, model: SiteModel, events: Iterable[Event], footprint: Footprint | None = None
) -> Result:
    """The output of `wattprint compute`: quantities as decimal strings in the sources' units."""
    totals = ledger.totals()
    batches, _ = batches_of(in_force(events)[0])
    own = {name: totals.get(f"batch:{name}", {}) for name in batches}
    came_with, _ = inherited(batches, own)
    return {
        "site": model.site,
        "intervals": ledger.intervals,
        "incomplete": list(ledger.incomplete),
        "untraced": list(ledger.untraced),
        "ignored": ledger.ignored,
        "sources": _texts(model, ledger.inflow),
        "accounts": {name: _texts(model, sums) for name, sums in totals.items()},
        "closure": _texts(model, ledger.closure()),
        "batches": {
            name: batch_result(model, batch, own[name], came_with[name], footprint)
            for name, batch in sorted(batches.items())
        },
    }


def batch_result(
    model: SiteModel,
    batch: Batch,
    own: Mapping[str, int],
    came_with: Vector,
    footprint: Footprint | None = None,
) -> Result:
    """One batch: own and inherited energy, and energy for one good unit."""
    rounded = {source: round(value) for source, value in came_with.items()}
    burden = {
        source: own.get(source, 0) + came_with.get(source, Fraction(0))
        for source in sorted({*own, *came_with})
    }
    return {
        "product": batch.product,
        "good": shortest(batch.good),
        "scrap": shortest(batch.scrap),
        "unit": batch.unit,
        "own": _texts(model, own),
        "inherited": _texts(model, {source: q for source, q in rounded.items() if q}),
        "per_unit": _per_unit(model, burden, batch.good),
        "kg_co2e": footprint.columns(model, burden) if footprint else {},
    }


def problems_of(ledger: Ledger, events: Iterable[Event]) -> list[Problem]:
    """Everything the events say that cannot be, the first line first."""
    batches, problems = batches_of(in_force(events)[0])
    _, more = inherited(batches, {})
    return sorted([*ledger.problems, *problems, *more], key=lambda problem: problem.order)


def canonical(result: Result) -> str:
    """JSON with sorted keys and one line end."""
    return json.dumps(result, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def _texts(model: SiteModel, quanta: Mapping[str, int]) -> dict[str, str]:
    texts = {}
    for source, amount in quanta.items():
        carrier = model.carrier_of(source)
        texts[source] = fixed(amount, carrier.quanta_per_unit, carrier.digits)
    return texts


def _per_unit(model: SiteModel, burden: Vector, good: Fraction) -> dict[str, str] | None:
    if not good:
        return None
    return {
        source: significant(Fraction(value) / model.carrier_of(source).quanta_per_unit / good)
        for source, value in burden.items()
        if value
    }
