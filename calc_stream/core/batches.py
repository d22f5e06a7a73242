"""What the events say of each batch and lot: product, quantities, inputs, times."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from calc_stream.core.decimals import shortest
from calc_stream.core.events import Event, Problem
from calc_stream.core.in_force import InForce, Named
from wire.reasons import because
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


class Batches:
    """What the events in force say of batches and lots; only of those that are named by what moved it
    is worked out anew. A batch that is otherwise now is another object.

    `problems`: what of it cannot be, by what it is said of.
    """

    def __init__(self, events: InForce) -> None:
        self.batches: dict[str, Batch] = {}
        self.lots: dict[str, Lot] = {}
        self.problems: dict[tuple[str, str], list[Problem]] = {}
        self._named = events.named
        self._refused: set[str] = set()  # of which too much was drawn, or in another unit
        self.follow(events.named)

    def follow(self, moved: Named) -> dict[str, Batch | None]:
        """Takes in what events came and went: how each batch that is otherwise now was before, and of
        those that bought what is told otherwise now."""
        if not any(moved.values()):
            return {}
        lots = {lot for lot in sorted(moved["lot"]) if self._tell(lot)}
        buyers = {event.batch for lot in lots for event in self._named["bought"].get(lot, ())}
        names = {*moved["batch"], *moved["of"], *buyers}
        before = {name: self.batches.get(name) for name in names}
        for name in sorted(names):
            self._count(name)
        turned = [name for name in sorted(names) if self._judge(name)]
        heirs = {event.batch for of in turned for event in self._named["of"].get(of, ())}
        before |= {name: self.batches[name] for name in heirs - names}
        for name in sorted(names | heirs):
            self._take(name)
        return {
            name: batch
            for name, batch in before.items()
            if name in buyers or batch != self.batches.get(name)
        }

    def heirs(self, name: str) -> Iterator[str]:
        """The batches that were made of one."""
        for event in self._named["of"].get(name, ()):
            if name in self.batches[event.batch].drawn:
                yield event.batch

    def _tell(self, name: str) -> bool:
        """A lot as its records have it; whether that is something else now."""
        before, problems = self.lots.pop(name, None), list[Problem]()
        for event in self._named["lot"].get(name, ()):
            said = event.unit, event.factor, event.document, event.pcf, event.supplier
            lot = Lot(name, *said, event.product)
            if self.lots.setdefault(name, lot) != lot:
                problems.append(Problem(event, "lot", because("lot_told", lot=name)))
        self._note("lot", name, problems)
        return before != self.lots.get(name)

    def _count(self, name: str) -> None:
        """A batch without what it was made of."""
        own, problems = self._named["batch"].get(name, []), list[Problem]()
        self.batches.pop(name, None)
        if own or name in self._named["of"]:
            batch = self.batches[name] = Batch(name)
            for event in own:
                if event.type == "start":
                    problems += _started(batch, event)
                elif event.type == "stop":
                    batch.last_stop_ms = event.t_ms
                elif event.type == "quantity":
                    problems += _counted(batch, event)
        self._note("batch", name, problems)

    def _judge(self, name: str) -> bool:
        """What was drawn of a batch's good output; one that gave too much gives nothing. Whether that
        is otherwise now."""
        drawn, problems = self._named["of"].get(name, []), list[Problem]()
        left = self.batches[name].good if drawn else Fraction(0)
        for event in drawn:
            given = self.batches[name]
            if event.part == "scrap":
                continue
            left -= event.quantity
            if event.unit != given.unit and (given.unit is not None or event.quantity):
                if given.unit is None:
                    key, why = "of", because("never_counted", batch=name)
                else:
                    key, why = "unit", because("counted_in", batch=name, unit=given.unit)
                problems.append(Problem(event, key, why))
            elif left < 0:
                why = because("draws_more", batch=name, good=shortest(given.good))
                problems.append(Problem(event, "quantity", why))
        self._note("of", name, problems)
        was, refused = name in self._refused, bool(problems)
        (self._refused.add if refused else self._refused.discard)(name)
        return was != refused

    def _take(self, name: str) -> None:
        """What a batch took of others and of lots."""
        problems: list[Problem] = []
        self._note("bought", name, problems)
        known = self.batches.get(name)
        if known is None:
            return
        batch = self.batches[name] = replace(known, drawn={}, bought={}, drawn_by={})
        for event in self._named["batch"].get(name, ()):
            if event.type != "input":
                continue
            if event.lot:
                problems += _buy(batch, self.lots.get(event.lot), event)
            elif event.part == "good" and event.of not in self._refused and event.quantity:
                batch.drawn[event.of] = batch.drawn.get(event.of, Fraction(0)) + event.quantity
                batch.drawn_by.setdefault(event.of, event)
        self._note("bought", name, problems)

    def _note(self, role: str, name: str, problems: list[Problem]) -> None:
        self.problems.pop((role, name), None)
        if problems:
            self.problems[role, name] = problems


def batches_of(standing: Iterable[Event]) -> tuple[dict[str, Batch], list[Problem]]:
    """Every batch named in an event that stands."""
    its = Batches(InForce(standing))
    problems = [problem for own in its.problems.values() for problem in own]
    return its.batches, sorted(problems, key=lambda problem: problem.order)


def lots_of(standing: Iterable[Event]) -> dict[str, Lot]:
    """Every lot a record that stands tells of; the first word counts."""
    return Batches(InForce(e for e in standing if e.type == "lot")).lots


def _started(batch: Batch, event: Event) -> Iterable[Problem]:
    if batch.first_start_ms is None:
        batch.first_start_ms = event.t_ms
    if event.product is None:
        return
    if batch.product is None:
        batch.product = event.product
    elif batch.product != event.product:
        told = {"batch": batch.id, "product": batch.product, "other": event.product}
        yield Problem(event, "product", because("other_product", **told))


def _counted(batch: Batch, event: Event) -> Iterable[Problem]:
    if batch.unit is None:
        batch.unit = event.unit
    elif batch.unit != event.unit:
        why = because("other_unit", batch=batch.id, unit=batch.unit, other=event.unit)
        yield Problem(event, "unit", why)
        return
    batch.good += event.good
    batch.scrap += event.scrap


def _buy(batch: Batch, lot: Lot | None, event: Event) -> Iterable[Problem]:
    """Notes what was taken from a lot; what no lot record tells of is noted and is a problem."""
    if lot is not None and lot.unit != event.unit:
        why = because("lot_unit", lot=event.lot, unit=lot.unit, other=event.unit)
        yield Problem(event, "unit", why)
        return
    if lot is None:
        yield Problem(event, "lot", because("no_lot", lot=event.lot))
    if event.quantity:
        batch.bought[event.lot] = batch.bought.get(event.lot, Fraction(0)) + event.quantity
