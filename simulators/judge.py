"""Pure: the calculator's closed results, held against the rules and against the truth.

Against the rules: the oracle computes the same journal prefix over the same span; every account
must lie within 1 quantum per interval of it.

Against the truth: what a batch that was begun and finished within the span holds of each carrier,
the air and cold it used included, must lie within the bound that sampling allows (`bounds`). The
differences within it are not evenly spread: a batch mostly begins and ends beside idling, and a
straight line between two readings gives some of its energy to the idle side of each edge. So
nearly all of them are negative, and more batches do not average that away; `bias` says how much of
all batches' true energy is missing or too much. Only readings closer together make it smaller.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from typing import Any

import msgspec

from simulators.bounds import Bounds
from simulators.instrument import Instrument
from simulators.oracle import Result, compute
from simulators.oracle.registers import read_registers
from simulators.plant import CARRIERS
from simulators.scenario import Scenario
from simulators.truth import Made, finished
from wire.journal import Record
from wire.messages import MeterEvent
from wire.quantities import QUANTITIES, register_id
from wire.segment import Segment, open_segment
from wire.units import convert

_STEPS = ("swap", "rollover", "reset")


class Results(msgspec.Struct, frozen=True):
    """The part of the calculator's closed results that is judged."""

    offset: int
    span: tuple[int, int] | None
    accounts: dict[str, dict[str, str]]
    intervals: int


class Evidence(msgspec.Struct, frozen=True):
    """A journal prefix in the parsed forms of the records."""

    model: dict[str, Any]
    events: list[dict[str, Any]]
    readings: list[dict[str, Any]]


def decimal(value: Fraction) -> str:
    """To six digits, half to even: a mWh where it is kWh."""
    return f"{Decimal(round(value * 10**6)).scaleb(-6):f}"


def judge(
    evidence: Evidence, results: Results, scenario: Scenario, instruments: Iterable[Instrument]
) -> dict[str, object]:
    """The whole verdict, as plain numbers for a report."""
    expected = compute(evidence.model, evidence.events, evidence.readings, results.span)
    worst, where = difference(expected, results.accounts)
    truth = list(_against_truth(evidence, results, scenario, instruments, expected.edges))
    return {
        "within": worst <= expected.intervals and all(batch["within"] for batch in truth),
        "oracle_difference_quanta": decimal(worst),
        "oracle_difference_at": where,
        "intervals": expected.intervals,
        "intervals_of_calculator": results.intervals,
        "allowed": expected.intervals,
        "incomplete": sorted(expected.incomplete),
        "untraced": sorted(expected.untraced),
        "bias": bias(truth),
        "bias_by_carrier": {carrier: bias(truth, carrier) for carrier in _carriers(truth)},
        "truth": truth,
    }


def bias(truth: Sequence[Mapping[str, Any]], carrier: str = "electricity") -> str | None:
    """The sum of all differences as a share of all that is true; None where nothing was judged."""
    rows = [batch["carriers"][carrier] for batch in truth if carrier in batch["carriers"]]
    sums = {
        key: sum((Fraction(row[key]) for row in rows), Fraction(0))
        for key in ("difference", "true")
    }
    return decimal(sums["difference"] / sums["true"]) if sums["true"] else None


def difference(expected: Result, accounts: Mapping[str, Mapping[str, str]]) -> tuple[Fraction, str]:
    """The largest difference of an account and source to the oracle, in quanta, and where."""
    worst, where = Fraction(0), ""
    for account in sorted({*expected.accounts, *accounts}):
        ours, theirs = expected.accounts.get(account, {}), accounts.get(account, {})
        for source in sorted({*ours, *theirs}):
            off = abs(ours.get(source, Fraction(0)) - int(theirs.get(source, "0")))
            if off > worst:
                worst, where = off, f"{account}/{source}"
    return worst, where


def from_journal(records: Iterable[Record], upto: int) -> Evidence:
    """What the records up to offset `upto` say, the last model being in force."""
    model: dict[str, Any] = {}
    events: list[dict[str, Any]] = []
    segments: list[Segment] = []
    for record in records:
        if record.offset > upto:
            break
        if record.kind == "model":
            model = tomllib.loads(record.data.decode())
        elif record.kind == "event":
            events.append(msgspec.json.decode(record.data))
        elif record.kind == "segment":
            segments.append(open_segment(record.data))
    units = {meter["id"]: meter["unit"] for meter in model.get("meters", [])}
    readings = chain.from_iterable(_readings(segment, units) for segment in segments)
    return Evidence(model, [event for event in events if "type" in event], list(readings))


def _readings(segment: Segment, units: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for table in segment.tables:
        named = zip(table.quantities, table.columns, table.exponents, strict=True)
        for quantity, column, exponent in named:
            meter = register_id(table.meter, quantity)
            if meter is None or meter not in units:
                continue
            scale = _in_units_of(quantity, units[meter]) * Fraction(10) ** exponent
            for t_ms, mantissa in zip(table.times_ms.values(), column.values(), strict=True):
                reading = {"meter": meter, "t": _stamp(t_ms), "quality": table.quality}
                yield {**reading, "register": mantissa * scale}
    for event in segment.events:
        yield from _swap(event, units)


def _swap(event: MeterEvent, units: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if event.event not in _STEPS:
        return
    quantity = event.detail["quantity"]
    meter = register_id(event.meter, quantity)
    if meter is not None and meter in units:
        scale = _in_units_of(quantity, units[meter])
        ends = {end: Fraction(event.detail[end]) * scale for end in ("closing", "opening")}
        yield {"meter": meter, "t": _stamp(event.t_ms), "event": "swap", **ends}


def _against_truth(
    evidence: Evidence,
    results: Results,
    scenario: Scenario,
    instruments: Iterable[Instrument],
    edges: Sequence[int],
) -> Iterator[dict[str, object]]:
    meters, _ = read_registers(evidence.model, evidence.readings)
    if results.span is None or not meters:
        return
    begin = max(results.span[0], *(total.first_ms for total in meters.values()))
    end = min(results.span[1], *(total.last_ms for total in meters.values()))
    bounds = Bounds(scenario, instruments, meters, edges)
    for made in finished(scenario, begin, end):
        booked = results.accounts.get(f"batch:{made.batch}", {})
        yield _batch(made, _by_carrier(evidence.model, booked), bounds.of(made))


def _by_carrier(model: Mapping[str, Any], booked: Mapping[str, str]) -> dict[str, Fraction]:
    """Quanta by source as units by carrier."""
    sums: dict[str, Fraction] = {}
    for source, quanta in booked.items():
        carrier = model["sources"][source]["carrier"]
        amount = Fraction(int(quanta), model["carriers"][carrier]["quanta_per_unit"])
        sums[carrier] = sums.get(carrier, Fraction(0)) + amount
    return sums


def _batch(
    made: Made, measured: Mapping[str, Fraction], bounds: Mapping[str, Fraction]
) -> dict[str, object]:
    """One batch's row; its electricity once more in keys of its own, which say their unit."""
    none, rows, within = Fraction(0), {}, True
    for carrier in sorted({*made.true, *measured}):
        found, true, bound = (each.get(carrier, none) for each in (measured, made.true, bounds))
        off = found - true
        within = within and abs(off) <= bound
        numbers = {"measured": found, "true": true, "difference": off, "bound": bound}
        shown = {key: decimal(number) for key, number in numbers.items()}
        rows[carrier] = {**shown, "unit": CARRIERS[carrier]}
    electricity = rows.get("electricity", {})
    flat = {
        f"{key}_kwh": electricity.get(key, "0")
        for key in ("measured", "true", "difference", "bound")
    }
    return {
        "batch": made.batch,
        "product": made.product,
        **flat,
        "carriers": rows,
        "within": within,
    }


def _carriers(truth: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({carrier for batch in truth for carrier in batch["carriers"]})


def _in_units_of(quantity: str, unit: str) -> Fraction:
    return convert(QUANTITIES[quantity].unit, unit)


def _stamp(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="milliseconds")
