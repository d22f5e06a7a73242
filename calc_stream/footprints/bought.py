"""Pure: what was bought for a product, from its declaration and from the lots its batches took.

A lot that a batch took is what really went in, so where every batch took of it, lots go before what is
declared of the same input: of the same footprint (`pcf`), or of its name as the lot's product. Where
only some did, the declaration stands for all and these lots are not counted besides. Lots nobody
declared are counted on top.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from calc_stream.core import Lot
from calc_stream.core.decimals import parse_fraction, shortest, significant
from calc_stream.footprints.declaration import Input, Product
from calc_stream.footprints.footprint import Upstream
from calc_stream.ledger.rows import BatchRow


@dataclass(frozen=True)
class Bought:
    """For one unit of good output. `complete`: the list is all that was bought, and all of it is known.

    `primary`: of `kg`, what is primary by the suppliers' word.
    """

    inputs: tuple[Upstream, ...] = ()
    complete: bool = False
    kg: Fraction = Fraction(0)
    primary: Fraction = Fraction(0)


def bought(
    batches: Sequence[BatchRow], good: Fraction, declared: Product | None, lots: Mapping[str, Lot]
) -> Bought:
    """`good`: the sum of the batches' good output."""
    taken = _taken(batches)
    inputs = declared.input if declared else ()
    found: list[Upstream] = []
    complete = declared is not None and declared.inputs_complete
    for each in inputs:
        same = {lot: units for lot, units in taken.items() if _is_same(each, lots.get(lot))}
        taken = {lot: units for lot, units in taken.items() if lot not in same}
        fits = all(lots[lot].unit == each.unit for lot in same)
        if same and fits and _took_all(batches, same):
            found += [_of_lot(lots[lot], units / good, each) for lot, units in same.items()]
        else:
            found.append(_declared(each))
    for lot, units in taken.items():
        known = lots.get(lot)
        if known is None or known.factor is None:
            complete = False  # something was bought of which nobody can say what came with it
        else:
            found.append(_of_lot(known, units / good, None))
    return told(found, complete)


def told(inputs: Sequence[Upstream], complete: bool) -> Bought:
    """What a list of inputs adds up to."""
    kg = sum((parse_fraction(each.kg_co2e) for each in inputs), Fraction(0))
    parts = ((parse_fraction(u.kg_co2e), parse_fraction(u.primary_share or "0")) for u in inputs)
    primary = sum((mass * share for mass, share in parts), Fraction(0))
    return Bought(tuple(inputs), complete, kg, primary)


def _taken(batches: Sequence[BatchRow]) -> dict[str, Fraction]:
    """Units by lot, of all batches."""
    taken: dict[str, Fraction] = {}
    for row in batches:
        for lot, units in row.bought.items():
            taken[lot] = taken.get(lot, Fraction(0)) + parse_fraction(units)
    return dict(sorted(taken.items()))


def _is_same(declared: Input, lot: Lot | None) -> bool:
    if lot is None:
        return False
    by_name = (lot.product or "").casefold() == declared.name.casefold()
    return by_name or bool(declared.pcf and lot.pcf == declared.pcf)


def _took_all(batches: Sequence[BatchRow], lots: Mapping[str, Fraction]) -> bool:
    """Whether every batch with good output took of one of the lots."""
    return all(lots.keys() & row.bought.keys() for row in batches if row.good != "0")


def _of_lot(lot: Lot, amount: Fraction, declared: Input | None) -> Upstream:
    """By the lot's own factor, or what is declared of the input where the lot tells none."""
    factor, share = lot.factor, None
    if factor is None and declared is not None:
        factor = parse_fraction(declared.kg_co2e)
    if declared is not None and (lot.factor is None or lot.pcf == declared.pcf):
        share = declared.primary_share
    return Upstream(
        name=lot.product or (declared.name if declared else lot.id),
        amount=significant(amount),
        unit=lot.unit,
        kg_co2e=significant(amount * (factor or 0)),
        supplier=lot.supplier,
        pcf=lot.pcf,
        primary_share=share,
        not_fossil=_parts(declared, factor, amount, significant),
        source=lot.document or f"lot {lot.id}",
    )


def _declared(each: Input) -> Upstream:
    return Upstream(
        name=each.name,
        amount=each.amount,
        unit=each.unit,
        kg_co2e=shortest(parse_fraction(each.amount) * parse_fraction(each.kg_co2e)),
        supplier=each.supplier,
        pcf=each.pcf,
        primary_share=each.primary_share,
        not_fossil=_parts(
            each, parse_fraction(each.kg_co2e), parse_fraction(each.amount), shortest
        ),
        source=each.source,
    )


def _parts(
    declared: Input | None,
    factor: Fraction | None,
    amount: Fraction,
    text: Callable[[Fraction], str],
) -> dict[str, str]:
    """Written as the kg they are parts of; of another factor than the declared one nothing is known."""
    if declared is None or factor != parse_fraction(declared.kg_co2e):
        return {}
    return {n: text(amount * parse_fraction(kg)) for n, kg in declared.not_fossil.items()}
