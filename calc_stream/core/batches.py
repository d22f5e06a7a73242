"""What the events say of each batch and lot: product, quantities, inputs, times."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.decimals import shortest, shown
from calc_stream.core.events import Event, Problem
from wire.units import UNITS, convert, kind


@dataclass(slots=True)
class Batch:
    """One batch. `drawn`: quantities of other batches' good output it took, by batch; `bought`: of
    lots, by lot; `drawn_by`: the first event that said so."""

    id: str
    product: str | None = None
    unit: str | None = None
    good: Fraction = Fraction(0)
    scrap: Fraction = Fraction(0)
    first_start_ms: int | None = None
    last_stop_ms: int | None = None
    drawn: dict[str, Fraction] = field(default_factory=dict)
    bought: dict[str, Fraction] = field(default_factory=dict)
    drawn_by: dict[str, Event] = field(default_factory=dict)

    def counted(self, measure: str) -> Fraction:
        """All it put out, good or not, in kg ("mass") or in pieces; 0 when not counted so."""
        physical = self.unit in UNITS
        if self.unit is None or (measure == "pieces") == physical:
            return Fraction(0)
        if physical and kind(self.unit) != "mass":
            return Fraction(0)
        rate = convert(self.unit, "kg") if physical else 1
        return (self.good + self.scrap) * rate


@dataclass(frozen=True, slots=True)
class Lot:
    """What was bought: kgCO2e for one unit, None while only the footprint is named that tells it."""

    id: str
    unit: str
    factor: Fraction | None
    document: str
    pcf: str
    supplier: str
    product: str | None


def batches_of(standing: Iterable[Event]) -> tuple[dict[str, Batch], list[Problem]]:
    """Every batch named in an event that stands. `standing` is in order."""
    standing = list(standing)
    batches: dict[str, Batch] = {}
    problems: list[Problem] = []
    inputs: list[Event] = []
    for event in standing:
        if not event.batch:
            continue
        batch = batches.setdefault(event.batch, Batch(event.batch))
        if event.type == "start":
            problems += _started(batch, event)
        elif event.type == "stop":
            batch.last_stop_ms = event.t_ms
        elif event.type == "quantity":
            problems += _counted(batch, event)
        elif event.type == "input" and event.of:
            batches.setdefault(event.of, Batch(event.of))
            inputs.append(event)
    lots, contradicted = lots_of(standing)
    problems += contradicted
    problems += _buy(batches, lots, [e for e in standing if e.type == "input" and e.lot])
    return batches, [*problems, *_draw(batches, inputs)]


def lots_of(standing: Iterable[Event]) -> tuple[dict[str, Lot], list[Problem]]:
    """Every lot a record that stands tells of; the first word counts."""
    lots: dict[str, Lot] = {}
    problems: list[Problem] = []
    for event in standing:
        if event.type != "lot":
            continue
        lot = Lot(
            event.lot,
            event.unit,
            event.factor,
            event.document,
            event.pcf,
            event.supplier,
            event.product,
        )
        if lots.setdefault(event.lot, lot) != lot:
            text = f"{shown(event.lot)} was told before and said something else; void that first"
            problems.append(Problem(event, "lot", text))
    return lots, problems


def _started(batch: Batch, event: Event) -> Iterable[Problem]:
    if batch.first_start_ms is None:
        batch.first_start_ms = event.t_ms
    if event.product is None:
        return
    if batch.product is None:
        batch.product = event.product
    elif batch.product != event.product:
        text = f"batch {shown(batch.id)} makes {shown(batch.product)}, not {shown(event.product)}"
        yield Problem(event, "product", text)


def _counted(batch: Batch, event: Event) -> Iterable[Problem]:
    if batch.unit is None:
        batch.unit = event.unit
    elif batch.unit != event.unit:
        text = f"batch {shown(batch.id)} is counted in {shown(batch.unit)}, not {shown(event.unit)}"
        yield Problem(event, "unit", text)
        return
    batch.good += event.good
    batch.scrap += event.scrap


def _buy(batches: dict[str, Batch], lots: dict[str, Lot], inputs: list[Event]) -> Iterable[Problem]:
    """Notes what was taken from lots; what no lot record tells of is noted and is a problem."""
    for event in inputs:
        lot = lots.get(event.lot)
        if lot is not None and lot.unit != event.unit:
            text = (
                f"lot {shown(event.lot)} is counted in {shown(lot.unit)}, not {shown(event.unit)}"
            )
            yield Problem(event, "unit", text)
            continue
        if lot is None:
            yield Problem(event, "lot", f"no record tells of the lot {shown(event.lot)}")
        if event.quantity:
            bought = batches[event.batch].bought
            bought[event.lot] = bought.get(event.lot, Fraction(0)) + event.quantity


def _draw(batches: dict[str, Batch], inputs: list[Event]) -> Iterable[Problem]:
    """Notes what was drawn from good output; a batch that gave too much gives nothing."""
    problems: list[Problem] = []
    left = {name: batch.good for name, batch in batches.items()}
    refused: set[str] = set()
    for event in inputs:
        if event.part == "scrap":
            continue
        given = batches[event.of]
        left[event.of] -= event.quantity
        if event.unit != given.unit and (given.unit is not None or event.quantity):
            uncounted = given.unit is None
            told = "was never counted" if uncounted else f"is counted in {shown(given.unit)}"
            key = "of" if uncounted else "unit"
            problems.append(Problem(event, key, f"batch {shown(given.id)} {told}"))
            refused.add(event.of)
        elif left[event.of] < 0:
            text = f"draws more of {shown(given.id)} than its good {shortest(given.good)}"
            problems.append(Problem(event, "quantity", text))
            refused.add(event.of)
    for event in inputs:
        if event.part == "good" and event.of not in refused and event.quantity:
            batch = batches[event.batch]
            batch.drawn[event.of] = batch.drawn.get(event.of, Fraction(0)) + event.quantity
            batch.drawn_by.setdefault(event.of, event)
    return problems
