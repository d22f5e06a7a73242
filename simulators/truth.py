"""Pure: who truly used how much of which source.

The rules are those of the records: a bus mixes what flows into it, at every instant; a utility
passes on all it takes with what it gives; what a machine takes belongs to the batch it works or is
set up for, otherwise to the machine's pool; what nobody meters is its bus's residual. But nothing
is read, rounded or interpolated here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

from simulators.contents import Content, carried, unit_contents
from simulators.curve import PER_UNIT, Piece, cuts_of, in_force
from simulators.lane import Visit
from simulators.plant import Edge
from simulators.scenario import Scenario

Accounts = dict[str, dict[str, Fraction]]


class Made(NamedTuple):
    """A batch that was finished: where it was, and what it truly took, by carrier of the source."""

    batch: str
    product: str
    visits: list[Visit]
    true: dict[str, Fraction]


class Moment(NamedTuple):
    """A stretch of time in which every rate is constant. `unit`: what one unit on a bus holds."""

    lasts_ms: int
    taken: dict[Edge, Piece]
    unit: dict[str, Content]


def accounts(scenario: Scenario, from_ms: int, to_ms: int) -> Accounts:
    """account -> source -> units of its carrier over [from_ms, to_ms), exact."""
    mixed = _summed(_moments(scenario, from_ms, to_ms, _by_source), scenario, lambda _: True)
    return {account: contents for account, contents in sorted(mixed.items()) if contents}


def finished(scenario: Scenario, from_ms: int, to_ms: int) -> list[Made]:
    """Every batch begun and finished within [from_ms, to_ms], with what it truly took."""
    begin, end = from_ms - scenario.t0_ms, to_ms - scenario.t0_ms
    made: dict[str, Made] = {}
    for lane in scenario.lanes:
        for order in range(max(0, begin // lane.takt_ms), end // lane.takt_ms + 1):
            visits = lane.visits(order)
            if visits and visits[0].begin_ms >= begin and visits[-1].stop_ms <= end:
                batch = lane.batch(order)
                made[f"batch:{batch}"] = Made(batch, lane.product(order), visits, {})
    moments = _moments(scenario, from_ms, to_ms, _by_carrier)
    true = _summed(moments, scenario, made.__contains__)
    return [facts._replace(true=true[account]) for account, facts in made.items()]


def _moments(
    scenario: Scenario,
    from_ms: int,
    to_ms: int,
    entering: Callable[[Scenario, str, int, int], Content],
) -> Iterator[Moment]:
    """The stretches of [from_ms, to_ms). `entering`: what a unit from the sources of a bus holds."""
    begin, end = from_ms - scenario.t0_ms, to_ms - scenario.t0_ms
    loads = {edge: list(curve.pieces(begin, end)) for edge, curve in scenario.loads.items()}
    supplies = [list(curve.pieces(begin, end)) for curve in scenario.supplies.values()]
    cuts = [*cuts_of([*loads.values(), *supplies]), end]
    rows = {edge: in_force(pieces, cuts) for edge, pieces in loads.items()}
    for i in range(len(cuts) - 1):
        taken = {edge: pieces[i] for edge, pieces in rows.items()}
        rates = {edge: piece.rate for edge, piece in taken.items()}
        plant = scenario.plant
        own = {
            bus: entering(scenario, bus, cuts[i], sum(rates[edge] for edge in plant.below(bus)))
            for bus, facts in plant.buses.items()
            if facts.fed_from is None
        }
        given = {
            bus: sum(rates[edge] for edge in carried(plant, bus))
            for bus, facts in plant.buses.items()
            if facts.fed_from in plant.utilities
        }
        yield Moment(cuts[i + 1] - cuts[i], taken, unit_contents(plant, own, rates, given))


def _by_carrier(scenario: Scenario, bus: str, _at: int, _total: int) -> Content:
    return {scenario.plant.buses[bus].carrier: Fraction(1)}


def _by_source(scenario: Scenario, bus: str, at: int, total: int) -> Content:
    sources = [name for name, source in scenario.plant.sources.items() if source.bus == bus]
    rates = {
        name: scenario.supplies[name].rate(at) for name in sources if name in scenario.supplies
    }
    rates |= {name: total - sum(rates.values()) for name in sources if name not in rates}
    return {name: Fraction(rate, total) for name, rate in rates.items()}


def _summed(
    moments: Iterator[Moment], scenario: Scenario, wanted: Callable[[str], bool]
) -> Accounts:
    # Fractions with one denominator add as integers.
    sums: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    accounts_: Accounts = defaultdict(dict)
    for moment in moments:
        for edge, piece in moment.taken.items():
            account = _account(scenario, edge, piece)
            if account is None or not wanted(account):
                continue
            for source, share in moment.unit[edge[0]].items():
                amount = piece.rate * moment.lasts_ms * share.numerator
                sums[account, source][share.denominator] += amount
    for (account, source), by_denominator in sums.items():
        parts = [Fraction(n, d * PER_UNIT) for d, n in by_denominator.items()]
        accounts_[account][source] = _add(parts)
    return accounts_


def _account(scenario: Scenario, edge: Edge, piece: Piece) -> str | None:
    """Whose a consumer's share is; None where it is passed on or carried by the others."""
    bus, consumer = edge
    if consumer in scenario.plant.utilities:
        return None
    if consumer in scenario.plant.unmetered:
        return None if scenario.plant.is_linked(bus) else f"residual:{bus}"
    return f"batch:{piece.batch}" if piece.batch else f"pool:{consumer}"


def _add(parts: list[Fraction]) -> Fraction:
    """Pairwise, so that long denominators meet late."""
    while len(parts) > 1:
        parts = [sum(parts[i : i + 2], Fraction(0)) for i in range(0, len(parts), 2)]
    return parts[0]
