"""Of worlds that use everything, the intervals under a batch add up to what was posted to it."""

from collections import defaultdict
from fractions import Fraction

import pytest

from calc_stream.core import Periods, parse_events, parse_readings
from calc_stream.core.edges import span_of
from calc_stream.core.pools import spreading_of
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.accounts import AccountTrail, accounts_trail
from calc_stream.evidence.given import pools_trail
from calc_stream.evidence.told import Told
from calc_stream.evidence.trail import trail

from .rich_worlds import RichWorld, rich_world
from .test_oracle import computed, lines

FEW, MANY = range(9), range(9, 200)


def told(world: RichWorld) -> Told:
    versions = world.versions()
    events = {event.id: event for event in parse_events(lines(world.events), "e")}
    readings = parse_readings(lines(world.readings), "r", versions.meters)
    return Told(Periods(versions, world.marks), None, readings, events)


def quanta(its: Told, account: AccountTrail) -> dict[str, Fraction]:
    found: dict[str, Fraction] = defaultdict(Fraction)
    for interval in account.intervals:
        for source, amount in interval.amounts.items():
            carrier = its.versions.carrier_of(source)
            found[source] += Fraction(amount) * carrier.quanta_per_unit
    return {source: number for source, number in found.items() if number}


def stores_give(its: Told) -> bool:
    """Whether anything comes out of a store: then it entered in another interval."""
    models = [reign.model for reign in its.versions.reigns]
    return any(meter.start in model.stores for model in models for meter in model.meters)


@pytest.mark.parametrize("seed", [*FEW, *(pytest.param(n, marks=pytest.mark.full) for n in MANY)])
def test_a_trail_leads_to_what_was_posted(seed: int) -> None:
    world = rich_world(f"world {seed}")
    its, ledger = told(world), computed(world)
    span = span_of(its.versions, its.readings)
    assert span is not None
    for batch in sorted({event.batch for event in its.events.values() if event.batch}):
        found = trail(its, batch, span[1])
        accounts = accounts_trail(found.over, batch)  # none where no time lies between readings
        posted = ledger.totals().get(f"batch:{batch}", {})
        assert (quanta(its, accounts[0]) if accounts else {}) == posted
        for source in {*posted, *found.entered} if not stores_give(its) else ():
            moved = abs(found.entered.get(source, 0) - posted.get(source, 0))
            assert moved <= found.intervals, "a quantum an interval at most"


@pytest.mark.parametrize("tens", range(2))
def test_what_pools_gave_a_batch_adds_up_to_what_it_was_given(tens: int) -> None:
    spread = 0
    for seed in range(10 * tens, 10 * tens + 10):
        world = rich_world(f"world {seed}")
        events = parse_events(lines(world.events), "e")
        spreading = spreading_of(computed(world), events)
        versions, transfers = spreading.periods.versions, spreading.transfers()
        for batch in spreading.batches:
            given: dict[str, Fraction] = defaultdict(Fraction)
            for pool in pools_trail(spreading, [(-LIMIT, LIMIT)], batch):
                for source, amount in pool.amounts.items():
                    given[source] += Fraction(amount) * versions.carrier_of(source).quanta_per_unit
            got: dict[str, int] = defaultdict(int)
            for transfer in transfers:
                if transfer.batch == batch:
                    got[transfer.source] += transfer.quanta
            assert {s: q for s, q in given.items() if q} == {s: q for s, q in got.items() if q}
            spread += bool(given)
    assert spread > 5


def test_some_of_these_worlds_have_stores_that_give_and_some_several_versions() -> None:
    sites = [told(rich_world(f"world {seed}")) for seed in FEW]
    assert {stores_give(its) for its in sites} == {True, False}
    assert {len(its.versions.reigns) > 1 for its in sites} == {True, False}
