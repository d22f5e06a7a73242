"""Pure: the same records by other factors, another policy, method or model, line beside line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from calc_stream.core import burdens
from calc_stream.core.accounts import Cell, Cells
from calc_stream.core.decimals import significant
from calc_stream.core.pools import Transfer, spreading_of
from calc_stream.evidence.case import Case, Part, posted, posted_within, rates_of
from calc_stream.factors import by_source
from wire.errors import BadData
from wire.units import convert, kind

_DIGITS = 12


@dataclass(frozen=True)
class Figure:
    """`amount` in `unit`; `kg` None where a source has no factor of the method's kind."""

    unit: str
    amount: Fraction
    kg: Fraction | None


class Change(msgspec.Struct, frozen=True):
    """Decimal strings; None where something is not known, or there is nothing to divide by."""

    before: str | None
    after: str | None
    difference: str | None
    percent: str | None


class Line(msgspec.Struct, frozen=True):
    """One source of a batch, or one account of a month; the last line is the sum."""

    name: str
    unit: str
    amount: Change
    kg: Change


def of_batch(case: Case, batch: str) -> dict[str, Figure]:
    """All energy the batch bears by source. Raises BadData."""
    ledger = posted(case)
    spreading = spreading_of(ledger, case.events)
    if batch not in spreading.batches:
        raise BadData(f"batch {batch!a} is in no event up to there")
    rates = rates_of(case, ledger)
    borne, _ = burdens(spreading.batches, spreading.sums, spreading.transfers())
    found: dict[str, Figure] = {}
    for source, periods in sorted(by_source(borne[batch].total()).items()):
        carrier = case.versions.carrier_of(source)
        amount = Fraction(sum(periods.values())) / carrier.quanta_per_unit
        found[source] = Figure(carrier.unit, amount, rates.mass({source: periods}).total)
    return found


def of_accounts(case: Case, from_ms: int, to_ms: int) -> dict[str, Figure]:
    """What every account received between two instants, once pools and campaigns gave of it what
    batches bear, in kWh; carriers that are no energy only weigh. Raises BadData."""
    part = posted_within(case, (from_ms, to_ms))
    named: dict[str, Cells] = {}
    for account, cells in part.sums.items():
        for key, quanta in cells.items():
            _add(named, account.name, key, quanta)
    for transfer in _transfers(case, part, from_ms, to_ms):
        key = transfer.period, transfer.source
        _add(named, transfer.account, key, -transfer.quanta)
        _add(named, f"batch:{transfer.batch}", key, transfer.quanta)
    found: dict[str, Figure] = {}
    for name, cells in sorted(named.items()):
        if not any(cells.values()):
            continue
        sources = by_source(cells)
        amount = Fraction(0)
        for source, periods in sources.items():
            carrier = case.versions.carrier_of(source)
            if kind(carrier.unit) == "energy":
                per_quantum = convert(carrier.unit, "kWh") / carrier.quanta_per_unit
                amount += sum(periods.values()) * per_quantum
        found[name] = Figure("kWh", amount, part.rates.mass(sources).total)
    return found


def _transfers(case: Case, part: Part, from_ms: int, to_ms: int) -> Iterator[Transfer]:
    """Of what was posted in this time. By what it is spread may lie around it, too."""
    if not case.versions.spreads:
        return
    for transfer in spreading_of(posted(case, part.marks), case.events).transfers():
        if from_ms <= transfer.period < to_ms:
            yield transfer


def _add(named: dict[str, Cells], name: str, key: Cell, quanta: int) -> None:
    own = named.setdefault(name, {})
    own[key] = own.get(key, 0) + quanta


def compared(before: Mapping[str, Figure], after: Mapping[str, Figure]) -> list[Line]:
    """Line beside line; what is missing on one side is nothing there. The sum is of energy."""
    lines = []
    for name in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(name), after.get(name)
        unit = (other or one or _NOTHING).unit
        lines.append(_line(name, unit, one or _NOTHING, other or _NOTHING))
    whole = [_sum(side) for side in (before, after)]
    return [*lines, _line("sum", "kWh", *whole)]


_NOTHING = Figure("kWh", Fraction(0), Fraction(0))


def _sum(side: Mapping[str, Figure]) -> Figure:
    kwh = Fraction(0)
    masses = [figure.kg for figure in side.values()]
    for figure in side.values():
        if kind(figure.unit) == "energy":
            kwh += figure.amount * convert(figure.unit, "kWh")
    known = [kg for kg in masses if kg is not None]
    return Figure("kWh", kwh, sum(known, Fraction(0)) if len(known) == len(masses) else None)


def _line(name: str, unit: str, one: Figure, other: Figure) -> Line:
    return Line(name, unit, _change(one.amount, other.amount), _change(one.kg, other.kg))


def _change(before: Fraction | None, after: Fraction | None) -> Change:
    difference = None if before is None or after is None else after - before
    percent = None
    if difference is not None and before:
        percent = significant(100 * difference / before, 6)
    return Change(_text(before), _text(after), _text(difference), percent)


def _text(number: Fraction | None) -> str | None:
    return None if number is None else significant(number, _DIGITS)
