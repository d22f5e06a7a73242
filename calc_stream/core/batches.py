"""What the events say of each batch: product, quantities, inputs, times."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.decimals import shortest, shown
from calc_stream.core.events import Event, Problem


@dataclass(slots=True)
class Batch:
    """One batch. `drawn`: quantities of other batches' good output it took, by batch;
    `drawn_by`: the first event that said so."""

    id: str
    product: str | None = None
    unit: str | None = None
    good: Fraction = Fraction(0)
    scrap: Fraction = Fraction(0)
    first_start_ms: int | None = None
    last_stop_ms: int | None = None
    drawn: dict[str, Fraction] = field(default_factory=dict)
    drawn_by: dict[str, Event] = field(default_factory=dict)


def batches_of(standing: Iterable[Event]) -> tuple[dict[str, Batch], list[Problem]]:
    """Every batch named in an event that stands. `standing` is in order."""
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
        elif event.type == "input":
            batches.setdefault(event.of, Batch(event.of))
            inputs.append(event)
    return batches, [*problems, *_draw(batches, inputs)]


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
