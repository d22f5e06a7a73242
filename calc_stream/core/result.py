"""The result of a computation in its public form, and its one canonical text."""

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import floor
from typing import Any

from calc_stream.core.accounts import Cells
from calc_stream.core.batches import Batch, Lot, lots_of
from calc_stream.core.burdens import Burden, burdens, by_source
from calc_stream.core.decimals import fixed, shortest, significant
from calc_stream.core.events import Event, in_force
from calc_stream.core.ledger import Ledger
from calc_stream.core.plant import SiteModel
from calc_stream.core.pools import Transfer, spreading_of
from calc_stream.core.versions import Versions

Result = dict[str, Any]
# From quanta by period and source to kg by column.
Weigh = Callable[[Mapping[tuple[int, str], Fraction]], dict[str, str]]


def compute_result(
    ledger: Ledger,
    site: SiteModel | Versions,
    events: Iterable[Event],
    weigh: Weigh | None = None,
    parts: bool = False,
) -> Result:
    """The output of `wattprint compute`: quantities as decimal strings in the sources' units.

    `parts`: tell each batch's value-adding, overhead and allocated energy apart even where nothing
    is spread.
    """
    versions, events = Versions.of(site), list(events)
    spreading, lots = spreading_of(ledger, events), lots_of(in_force(events)[0])
    batches, sums, transfers = spreading.batches, spreading.sums, spreading.transfers()
    borne, _ = burdens(batches, sums, transfers)
    parts |= versions.spreads
    return {
        "site": versions.site,
        "intervals": ledger.intervals,
        "incomplete": list(ledger.incomplete),
        "untraced": list(ledger.untraced),
        "ignored": ledger.ignored,
        "sources": _texts(versions, ledger.inflow),
        "accounts": {
            name: _texts(versions, own) for name, own in moved(ledger.totals(), transfers).items()
        },
        "closure": _texts(versions, ledger.closure()),
        "batches": {
            name: batch_result(versions, batch, borne[name], lots, weigh, parts)
            for name, batch in sorted(batches.items())
        },
        **(_stores(versions, ledger) if versions.stores else {}),
    }


def batch_result(
    versions: Versions,
    batch: Batch,
    burden: Burden,
    lots: Mapping[str, Lot],
    weigh: Weigh | None = None,
    parts: bool = False,
) -> Result:
    """One batch: own and inherited energy, and energy for one good unit."""
    own: Cells = dict(burden.value)
    for key, quanta in burden.overhead.items():
        own[key] = own.get(key, 0) + quanta
    whole = burden.total()
    result: Result = {
        "product": batch.product,
        "good": shortest(batch.good),
        "scrap": shortest(batch.scrap),
        "unit": batch.unit,
        "own": _amounts(versions, own),
        "inherited": _amounts(versions, burden.inherited),
        "per_unit": _per_unit(versions, by_source(whole), batch.good),
        "kg_co2e": weigh(whole) if weigh else {},
    }
    if parts:
        result["value_adding"] = _amounts(versions, burden.value)
        result["overhead"] = _amounts(versions, burden.overhead)
        result["allocated"] = _amounts(versions, burden.allocated)
    if burden.bought:
        result["bought"] = {
            lot: _bought(lots.get(lot), units) for lot, units in burden.bought.items()
        }
    return result


def moved(
    totals: Mapping[str, Mapping[str, int]], transfers: Iterable[Transfer]
) -> dict[str, dict[str, int]]:
    """The accounts once pools and campaigns gave away what batches bear; zeros left out."""
    found = {name: dict(own) for name, own in totals.items()}
    for transfer in transfers:
        for name, sign in ((transfer.account, -1), (f"batch:{transfer.batch}", 1)):
            own = found.setdefault(name, {})
            own[transfer.source] = own.get(transfer.source, 0) + sign * transfer.quanta
    kept = {name: {s: q for s, q in sorted(own.items()) if q} for name, own in found.items()}
    return {name: own for name, own in sorted(kept.items()) if own}


def canonical(result: Result) -> str:
    """JSON with sorted keys and one line end."""
    return json.dumps(result, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def _amounts(versions: Versions, cells: Mapping[tuple[int, str], int | Fraction]) -> dict[str, str]:
    """By source over all periods, rounded half-even to quanta."""
    rounded = {source: round(quanta) for source, quanta in by_source(cells).items()}
    return _texts(versions, {source: quanta for source, quanta in rounded.items() if quanta})


def _texts(versions: Versions, quanta: Mapping[str, int]) -> dict[str, str]:
    texts = {}
    for source, amount in quanta.items():
        carrier = versions.carrier_of(source)
        texts[source] = fixed(amount, carrier.quanta_per_unit, carrier.digits)
    return texts


def _per_unit(
    versions: Versions, burden: Mapping[str, Fraction], good: Fraction
) -> dict[str, str] | None:
    if not good:
        return None
    return {
        source: significant(quanta / versions.carrier_of(source).quanta_per_unit / good)
        for source, quanta in burden.items()
    }


def _bought(lot: Lot | None, units: Fraction) -> Result:
    """What was bought for a batch, and for the batches it was made of; never added to energy."""
    mass = None if lot is None or lot.factor is None else significant(units * lot.factor)
    told = {} if lot is None else {"unit": lot.unit, "document": lot.document, "pcf": lot.pcf}
    return {"quantity": significant(units), "kg_co2e": mass} | {k: v for k, v in told.items() if v}


def _stores(versions: Versions, ledger: Ledger) -> Result:
    """What is in each store at the end, what it held at first, and what it gave beyond its level."""
    stores: Result = {}
    for name, carrier in sorted(versions.stores.items()):
        stock, short = ledger.postings.ended.get(name), ledger.postings.short.get(name, 0)
        level = floor(stock.level) if stock else 0
        stores[name] = {
            key: fixed(floor(quanta), carrier.quanta_per_unit, carrier.digits)
            for key, quanta in (("level", level), ("shortage", short))
        }
    opening = {source: quanta for source, quanta in ledger.opening.items() if quanta}
    return {"stores": stores, "opening": _texts(versions, opening)}
