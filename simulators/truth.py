"""Pure: who truly used how much energy of which source.

The rules are those of the records: a bus mixes what flows into it, at every instant; what a machine
takes belongs to the batch it works or is set up for, otherwise to the machine's pool; what nobody
meters is its bus's residual. But nothing is read, rounded or interpolated here.
"""

from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

from simulators.curve import MJ_PER_KWH, Piece
from simulators.lane import Visit
from simulators.scenario import Scenario

Accounts = dict[str, dict[str, Fraction]]


class Made(NamedTuple):
    """A batch that was finished: where it was, and the energy it truly took."""

    batch: str
    product: str
    visits: list[Visit]
    true_kwh: Fraction


def accounts_kwh(scenario: Scenario, from_ms: int, to_ms: int) -> Accounts:
    """account -> source -> kWh over [from_ms, to_ms), exact."""
    begin, end = from_ms - scenario.t0_ms, to_ms - scenario.t0_ms
    loads = {name: list(curve.pieces(begin, end)) for name, curve in scenario.loads.items()}
    supplies = {name: list(curve.pieces(begin, end)) for name, curve in scenario.supplies.items()}
    every = [piece for pieces in (*loads.values(), *supplies.values()) for piece in pieces]
    cuts = sorted({piece.from_ms for piece in every} | {end})
    taken = {name: _in_force(pieces, cuts) for name, pieces in loads.items()}
    given = {name: _in_force(pieces, cuts) for name, pieces in supplies.items()}
    # Fractions with one denominator (the plant's power) add as integers.
    sums: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for i in range(len(cuts) - 1):
        total = sum(pieces[i].watts for pieces in taken.values())
        delivered = {name: pieces[i].watts for name, pieces in given.items()}
        delivered[scenario.plant.balancing] = total - sum(delivered.values())
        for load, pieces in taken.items():
            energy = pieces[i].watts * (cuts[i + 1] - cuts[i])
            for source, watts in delivered.items():
                sums[_account(scenario, load, pieces[i]), source][total] += energy * watts
    out: Accounts = {}
    for (account, source), by_total in sorted(sums.items()):
        parts = [Fraction(mj, total * MJ_PER_KWH) for total, mj in by_total.items()]
        out.setdefault(account, {})[source] = _add(parts)
    return out


def finished(scenario: Scenario, from_ms: int, to_ms: int) -> list[Made]:
    """Every batch begun and finished within [from_ms, to_ms], with its true energy."""
    begin, end = from_ms - scenario.t0_ms, to_ms - scenario.t0_ms
    made = []
    for lane in scenario.lanes:
        for order in range(max(0, begin // lane.takt_ms), end // lane.takt_ms + 1):
            visits = lane.visits(order)
            if not visits or visits[0].begin_ms < begin or visits[-1].stop_ms > end:
                continue
            mj = 0
            for visit in visits:
                curve = scenario.loads[visit.station]
                mj += curve.energy_mj(visit.stop_ms) - curve.energy_mj(visit.begin_ms)
            batch, product = lane.batch(order), lane.product(order)
            made.append(Made(batch, product, visits, Fraction(mj, MJ_PER_KWH)))
    return made


def _in_force(pieces: list[Piece], cuts: list[int]) -> list[Piece]:
    """For each cut but the last the piece in force from there."""
    out, i = [], 0
    for cut in cuts[:-1]:
        while pieces[i].to_ms <= cut:
            i += 1
        out.append(pieces[i])
    return out


def _account(scenario: Scenario, load: str, piece: Piece) -> str:
    if load in scenario.plant.unmetered:
        return f"residual:{scenario.plant.unmetered[load].bus}"
    return f"batch:{piece.batch}" if piece.batch else f"pool:{load}"


def _add(parts: list[Fraction]) -> Fraction:
    """Pairwise, so that long denominators meet late."""
    while len(parts) > 1:
        parts = [sum(parts[i : i + 2], Fraction(0)) for i in range(0, len(parts), 2)]
    return parts[0]
