"""Production events: what the plant was doing, exactly as it said so."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from calc_stream.core.decimals import parse_decimal, shortest
from calc_stream.core.swaps import Standing, Swap
from wire.reasons import Reason, because

_RANK = {"stop": 0, "state": 1, "start": 2}


@dataclass(frozen=True, slots=True)
class Event:
    """One production event; which fields mean something depends on `type`.

    `line` is where a file said it, for messages; it takes no part in comparison.
    """

    id: str
    t_ms: int
    type: str
    node: str = ""
    batch: str = ""
    product: str | None = None
    weight: Fraction = Fraction(1)
    state: str = ""
    good: Fraction = Fraction(0)
    scrap: Fraction = Fraction(0)
    unit: str = ""
    of: str = ""
    quantity: Fraction = Fraction(0)
    part: str = "good"  # which part of the input batch was drawn: good | scrap
    meter: str = ""
    closing: Fraction = Fraction(0)  # registers, in the meter's unit
    opening: Fraction = Fraction(0)
    lot: str = ""
    factor: Fraction | None = None  # kgCO2e for one unit of the lot
    document: str = ""
    pcf: str = ""
    supplier: str = ""
    line: int = field(default=0, compare=False)

    @property
    def order(self) -> tuple[int, int, str]:
        """By time, then stop, state, start, then id."""
        return self.t_ms, _RANK.get(self.type, 3), self.id

    @property
    def cuts(self) -> bool:
        """Whether it is an edge."""
        return self.type in _RANK


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the events say that cannot be. `recompute` goes on without it and reports it."""

    event: Event
    key: str
    reason: Reason

    @property
    def text(self) -> str:
        return str(self.reason)

    @property
    def order(self) -> tuple[int, tuple[int, int, str], str, str]:
        """By line, then by event."""
        return self.event.line, self.event.order, self.key, self.text


def in_force(events: Iterable[Event]) -> tuple[list[Event], list[Problem]]:
    """The events that are not voided, in order, and voids that void nothing."""
    known = {event.id: event for event in events}
    voids = [event for event in known.values() if event.type == "void"]
    voided = {event.of for event in voids}
    standing = [e for e in known.values() if e.id not in voided and e.type != "void"]
    return sorted(standing, key=lambda event: event.order), list(void_nothing(voids, known))


def void_nothing(voids: Iterable[Event], known: Mapping[str, Event]) -> Iterator[Problem]:
    """Those of the voids that void none of the events known by id."""
    for event in voids:
        target = known.get(event.of)
        if target is None:
            yield Problem(event, "of", because("voids_unknown", of=event.of))
        elif target.type == "void":
            code = "voids_itself" if target is event else "voids_void"
            yield Problem(event, "of", because(code, of=event.of))


def swaps_told(standing: Iterable[Event]) -> dict[str, list[Swap]]:
    """What events that stand say of registers, by meter."""
    told: dict[str, list[Swap]] = {}
    for event in standing:
        if event.type == "swap":
            told.setdefault(event.meter, []).append(_swap(event))
    return told


def misplaced(
    standing: Iterable[Event], meters: Collection[str], placed: Callable[[str], Standing]
) -> Iterator[Problem]:
    """Words about registers that end none. `placed`: which swaps of a meter stand."""
    for event in standing:
        if event.type != "swap":
            continue
        if event.meter not in meters:
            yield Problem(event, "meter", because("no_meter", meter=event.meter))
        for swap, key, code in placed(event.meter).misplaced:
            if swap == _swap(event):
                yield Problem(event, key, because(code, meter=event.meter))


def _swap(event: Event) -> Swap:
    ends = (parse_decimal(shortest(end)) for end in (event.closing, event.opening))
    return Swap(event.t_ms, *ends)
