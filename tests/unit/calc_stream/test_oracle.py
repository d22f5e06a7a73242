"""Random worlds that use everything, computed and held against the oracle, to the quantum."""

import json

import pytest

from calc_stream.core import (
    Ledger,
    Spreading,
    burdens,
    parse_events,
    parse_readings,
    recompute,
)
from calc_stream.core.batches import batches_of
from calc_stream.core.course import timelines
from calc_stream.core.events import in_force

from . import oracle
from .oracle.calendar import Marks
from .rich_worlds import RichWorld, rich_world


def lines(rows: tuple[dict, ...]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def computed(world: RichWorld) -> Ledger:
    versions = world.versions()
    events = parse_events(lines(world.events), "e")
    readings = parse_readings(lines(world.readings), "r", versions.meters)
    ledger = recompute(versions, events, readings, marks=world.marks)
    assert ledger.problems == ()
    return ledger


def expected(world: RichWorld) -> oracle.Result:
    marks = Marks({s: list(t) for s, t in world.marks.at.items()}, set(world.marks.hourly))
    return oracle.compute(list(world.models), list(world.events), list(world.readings), marks)


def assert_as_the_oracle_has_it(world: RichWorld) -> oracle.Result:
    ledger, truth = computed(world), expected(world)
    sums = ledger.sums()
    found = {
        (tuple(account), period, source): quanta
        for account, cells in sums.items()
        for (period, source), quanta in cells.items()
    }
    assert found == {key: quanta for key, quanta in truth.sums.items() if quanta}
    assert posted(ledger) == {key: quanta for key, quanta in truth.posted.items() if quanta}
    assert ledger.intervals == truth.intervals
    assert set(ledger.untraced) == truth.untraced
    assert set(ledger.incomplete) == truth.incomplete
    assert all(quanta == truth.sources[s] for s, quanta in ledger.inflow.items())
    assert all(quanta == truth.opening[s] for s, quanta in ledger.opening.items())
    assert set(ledger.closure().values()) <= {0}
    assert_stores_as_in(truth, ledger)
    assert_borne_as_in(truth, world, ledger)
    return truth


def posted(ledger: Ledger) -> dict:
    """Interval by interval."""
    p, found = ledger.postings, {}
    columns = (p.starts.tolist(), p.account.tolist(), p.source.tolist(), p.quanta.tolist())
    for start, account, source, quanta in zip(*columns, strict=True):
        key = tuple(p.accounts[account]), start, p.sources[source]
        assert key not in found
        found[key] = quanta
    return found


def assert_stores_as_in(truth: oracle.Result, ledger: Ledger) -> None:
    assert set(ledger.postings.ended) == set(truth.stores)
    for name, stock in ledger.postings.ended.items():
        store = truth.stores[name]
        assert stock.level == store.level
        assert dict(stock.content) == {s: q for s, q in store.content.items() if q}
        assert ledger.postings.short.get(name, 0) == store.shortage


def assert_borne_as_in(truth: oracle.Result, world: RichWorld, ledger: Ledger) -> None:
    standing = in_force(parse_events(lines(world.events), "e"))[0]
    batches, sums = batches_of(standing)[0], ledger.sums()
    nodes = timelines(world.versions(), standing, batches)[0]
    transfers = Spreading(ledger.periods, nodes, batches, sums, ledger.span).transfers()
    given = {(t.account, t.batch, t.period, t.source): t.quanta for t in transfers}
    assert given == truth.transfers
    borne = burdens(batches, sums, transfers)[0]
    whole = {name: {c: q for c, q in own.total().items() if q} for name, own in borne.items()}
    assert {name: own for name, own in whole.items() if own} == truth.burdens


FEW, MANY = range(5), range(5, 15)


@pytest.mark.parametrize("tens", [*FEW, *(pytest.param(n, marks=pytest.mark.full) for n in MANY)])
def test_every_world_is_as_the_oracle_has_it(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        assert_as_the_oracle_has_it(rich_world(f"world {seed}"))


@pytest.mark.full
@pytest.mark.parametrize("hundreds", range(1, 41))
@pytest.mark.timeout(1200)
def test_many_more_worlds_are_as_the_oracle_has_them(hundreds: int) -> None:
    for seed in range(100 * hundreds, 100 * hundreds + 100):
        assert_as_the_oracle_has_it(rich_world(f"world {seed}"))


def test_the_worlds_use_everything() -> None:
    """What no world does, no comparison covers."""
    seen: set[str] = set()
    for seed in range(60):
        world = rich_world(f"world {seed}")
        truth = expected(world)
        posted = {key for key, quanta in truth.sums.items() if quanta}
        seen |= {account.partition(":")[0] for (account, _, _), _, _ in posted}
        seen |= {f"{state} {account[:5]}" for (account, _, state), _, _ in posted}
        seen |= {f"from {account[:4]}" for account, *_ in truth.transfers}
        seen |= {f"spread {model['policy']['spread']}" for model in world.models}
        seen |= {"shortage"} if any(s.shortage for s in truth.stores.values()) else set()
        seen |= {"untraced"} if truth.untraced else set()
        seen |= {"versions"} if len(world.models) > 1 else set()
        below = {key[0] for (key, _, _), quanta in truth.sums.items() if quanta < 0}
        seen |= {f"below zero {account.partition(':')[0]}" for account in below}
    assert seen >= {"batch", "campaign", "export", "pool", "residual", "store"}
    assert seen >= {"producing batch", "setup batch", "setup campa", "setup pool:", "off pool:"}
    assert seen >= {"from pool", "from camp", "shortage", "untraced", "versions"}
    assert seen >= {f"spread {m}" for m in ("machine_hours", "mass", "pieces", "direct_energy")}
    assert seen >= {"below zero residual", "below zero store"}
