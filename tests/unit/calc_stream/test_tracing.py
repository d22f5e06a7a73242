"""Tracing against one dense linear system an interval, written straight from the rules."""

from fractions import Fraction
from itertools import accumulate

import numpy as np

from calc_stream.core import (
    Marks,
    Periods,
    Readings,
    Versions,
    parse_model,
    parse_readings,
    recompute,
)
from calc_stream.core.edges import edges_within, extra_cuts, span_of
from calc_stream.core.model import SiteModel
from calc_stream.core.plant import Link, Meter
from calc_stream.core.registers import flows_between

from .often import often
from .plants import World, worlds

Vector = dict[str, Fraction]
HELD = """
format = 1
site = "s"
slot_s = 60
[carriers.gas]
unit = "m3"
quanta_per_unit = 1000
[carriers.heat]
unit = "kWh"
quanta_per_unit = 1000
[sources.gas]
carrier = "gas"
[utilities.boiler]
[buses.heat]
carrier = "heat"
[nodes.bath]
[[meters]]
id = "burnt"
from = "gas"
to = "boiler"
unit = "m3"
[[meters]]
id = "given"
from = "boiler"
to = "heat"
unit = "kWh"
[[meters]]
id = "used"
from = "heat"
to = "bath"
unit = "kWh"
"""


def shares_of(model: SiteModel, place: str, flows: dict[str, int]) -> list[tuple[str, Fraction]]:
    """(where, part of the content) for every way out of a place."""
    edges = [*model.meters, *model.links]
    out = [e for e in edges if e.start == place]
    into = [e for e in edges if e.end == place]
    links = [e for e in out if isinstance(e, Link)]
    drawn = sum(flows[e.id] for e in out if isinstance(e, Meter))
    if place in model.utilities:
        if not out or (not links and drawn == 0):
            return []
        if len({e.end for e in out}) == 1:
            return [(out[0].end, Fraction(1))]
        if out[0].share is not None:
            return [(e.end, e.share / sum(o.share for o in out)) for e in out]
        return [(e.end, Fraction(flows[e.id], drawn)) for e in out]
    linked = any(isinstance(e, Link) for e in into)
    arrived = sum(flows[e.id] for e in into if isinstance(e, Meter))
    divisor = drawn if model.buses[place].residual == "spread" or linked else arrived
    if divisor == 0:
        return []
    ways = [(e.end, Fraction(flows[e.id], divisor)) for e in out if isinstance(e, Meter)]
    rest, weights = 1 - Fraction(drawn, divisor), sum(e.share or 1 for e in links)
    return ways + [(e.end, rest * (e.share or 1) / weights) for e in links]


def gathered(model: SiteModel, flows: dict[str, int]) -> dict[str, Vector] | None:
    """Content of every place, node and export; None when a loop has no end."""
    places = [*model.buses, *model.utilities]
    ends = [*places, *model.nodes, *model.exports]
    size = len(places)
    matrix = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    ways = {place: shares_of(model, place, flows) for place in places}
    for place, own in ways.items():
        for end, share in own:
            if end in places:
                matrix[places.index(end)][places.index(place)] -= share
    entered: dict[str, Vector] = {end: dict.fromkeys(model.sources, Fraction(0)) for end in ends}
    for meter in model.meters:
        if meter.start in model.sources:
            entered[meter.end][meter.start] += flows[meter.id]
    right = [[entered[place][s] for s in model.sources] for place in places]
    for at in range(size):
        if matrix[at][at] <= 0:
            return None
        for row in range(size):
            if row != at:
                factor = matrix[row][at] / matrix[at][at]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[at])]
                right[row] = [a - factor * b for a, b in zip(right[row], right[at])]
    content = {
        place: {s: right[at][k] / matrix[at][at] for k, s in enumerate(model.sources)}
        for at, place in enumerate(places)
    }
    result = {end: dict(entered[end]) for end in ends if end not in places}
    for place, own in ways.items():
        left = 1 - sum(share for _, share in own)
        result[f"residual:{place}"] = {s: v * left for s, v in content[place].items()}
        for end, share in own:
            if end in result:
                for s, v in content[place].items():
                    result[end][s] += v * share
    return result


def floors(contents: dict[str, Vector], source: str) -> dict[str, int]:
    """Cumulative floor over the accounts in byte order."""
    names = sorted(contents, key=str.encode)
    sums = [0, *(total // 1 for total in accumulate(contents[name][source] for name in names))]
    return {name: int(b - a) for name, a, b in zip(names, sums, sums[1:]) if b != a}


@often(12, 80, world=worlds())
def test_every_posting_is_the_cumulative_floor_of_the_exact_content(world: World) -> None:
    model, readings = parse_model(world.model, "m"), world.readings()
    ledger = recompute(model, (), readings)  # no events: every node is one account
    span = span_of(model, readings)
    if span is None:
        return
    versions = Versions.of(model)
    periods = Periods(versions, Marks())
    cuts = extra_cuts(versions.reigns[0], readings, (), periods, span)
    edges = edges_within(span, model.slot_ms, cuts)
    flows = {
        meter: flow.quanta.tolist()
        for meter, flow in flows_between(edges, model.meters, readings).items()
    }
    p = ledger.postings
    posted: dict[tuple[int, str], dict[str, int]] = {}
    for start, account, source, quanta in zip(
        *(p.starts.tolist(), p.account.tolist(), p.source.tolist(), p.quanta.tolist())
    ):
        posted.setdefault((start, p.sources[source]), {})[p.accounts[account].name] = quanta
    for row, start in enumerate(edges[:-1].tolist()):
        exact = gathered(model, {meter: own[row] for meter, own in flows.items()})
        if exact is None:
            continue
        named = {
            f"pool:{end}"
            if end in model.nodes
            else f"export:{end}"
            if end in model.exports
            else end: v
            for end, v in exact.items()
        }
        for source in model.sources:
            assert posted.get((start, source), {}) == floors(named, source)


def test_a_utility_may_give_what_it_held_and_a_bus_may_not() -> None:
    def untraced(given: int, used: int) -> tuple[str, ...]:
        rises = {"burnt": 0, "given": given, "used": used}
        text = "\n".join(
            f'{{"meter": "{meter}", "t": "2026-11-21T08:0{minute}:00Z", "register": "{rise}"}}'
            for meter, last in rises.items()
            for minute, rise in ((0, 0), (1, last))
        )
        model = parse_model(HELD, "m")
        return recompute(model, (), parse_readings(text, "r", rises)).untraced

    assert untraced(given=5, used=5) == ()
    assert untraced(given=0, used=5) == ("used",)


def test_no_meters_have_no_flows() -> None:
    assert not flows_between(np.array([0, 60_000]), [], Readings(), 1000)
