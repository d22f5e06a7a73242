"""`step` equals `recompute` after any prefix, order, repetition, cut and restart, bit for bit."""

import numpy as np
import pytest
from hypothesis import strategies as st

from calc_stream.core import Chunk, Registers, SiteState, parse_event, parse_model, recompute, step
from calc_stream.core.ledger import Ledger
from wire.errors import BadData

from .often import often
from .plants import World, deliveries, worlds


def assert_same(a: Ledger, b: Ledger) -> None:
    """Equal to the last bit."""
    for field in ("starts", "ends", "account", "source", "quanta", "gapped"):
        left, right = getattr(a.postings, field), getattr(b.postings, field)
        assert left.dtype == right.dtype, field
        assert left.tolist() == right.tolist(), field
    for field in (
        "accounts",
        "sources",
        "intervals",
        "inflow",
        "untraced",
        "opening",
        "ended",
        "short",
    ):
        assert getattr(a.postings, field) == getattr(b.postings, field), field
    assert (a.incomplete, a.untraced, a.ignored) == (b.incomplete, b.untraced, b.ignored)
    assert a.problems == b.problems


def told(world: World, records: list[Chunk]) -> Ledger:
    """`recompute` on what the records say, whatever their order."""
    site = World(
        world.model,
        tuple({e.id: e for chunk in records for e in chunk.events}.values()),
        tuple(
            {
                (r.meter, int(r.times_ms[0]), int(r.mantissas[0]), r.quality): None
                for chunk in records
                for r in chunk.readings
            }
        ),
        tuple(
            {(m, s): None for chunk in records for m, swaps in chunk.swaps.items() for s in swaps}
        ),
    )
    return recompute(parse_model(world.model, "model"), site.events, site.readings())


@often(25, 150, world=worlds(), data=st.data())
def test_any_delivery_gives_what_recompute_gives(world: World, data: st.DataObject) -> None:
    records = data.draw(deliveries(world))
    restarts = data.draw(st.sets(st.integers(0, len(records)), max_size=3))
    prefix = data.draw(st.integers(0, len(records)))
    site = SiteState()
    for number, chunk in enumerate(records):
        if number in restarts:
            site = SiteState.from_bytes(site.to_bytes())
        site.apply(chunk)
        if number + 1 == prefix and site.model is not None:
            assert_same(site.ledger(), told(world, records[:prefix]))
    whole = told(world, records)
    assert_same(site.ledger(), whole)
    frontier = site.frontier_ms
    posted = site.ledger("frontier")
    assert site.totals() == posted.totals()
    assert all(rest == 0 for rest in site.closure().values())
    if frontier is not None:
        limited = recompute(
            parse_model(world.model, "model"), world.events, world.readings(), to_ms=frontier
        )
        assert_same(posted, limited)


@often(10, 60, world=worlds(), data=st.data())
def test_equal_content_gives_equal_state_bytes(world: World, data: st.DataObject) -> None:
    state = b""
    for chunk in data.draw(deliveries(world)):
        state, _ = step(state, chunk)
    at_once = SiteState()
    for chunk in world.records():
        at_once.apply(chunk)
    assert state == at_once.to_bytes()


@often(15, 60, world=worlds(), data=st.data())
def test_changes_name_every_account_that_changed_with_its_new_total(
    world: World, data: st.DataObject
) -> None:
    site = SiteState()
    site.apply(Chunk(model=world.model))
    for chunk in data.draw(deliveries(world)):
        before = site.totals()
        changes = site.apply(chunk)
        after = site.totals()
        moved = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
        assert set(changes.accounts) == moved
        assert all(changes.accounts[name] == after.get(name, {}) for name in moved)


ONE = """
format = 1
site = "one"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
[nodes.n1]
[[meters]]
id = "m"
from = "grid"
to = "n1"
unit = "Wh"
"""


TWO = ONE + ONE[ONE.index("[[meters]]") :].replace('"m"', '"m2"')


def reading(*pairs: tuple[int, int], meter: str = "m") -> Chunk:
    times = np.array([t * 1000 for t, _ in pairs])
    return Chunk(readings=(Registers(meter, times, np.array([r for _, r in pairs]), 0),))


def rows(ledger: Ledger) -> list[tuple[int, str, int]]:
    p = ledger.postings
    return [
        (start // 1000, p.accounts[a].name, q)
        for start, a, q in zip(p.starts.tolist(), p.account.tolist(), p.quanta.tolist())
    ]


def test_a_late_reading_changes_only_its_interval() -> None:
    site = SiteState()
    site.apply(Chunk(model=ONE))
    site.apply(reading((0, 1000), (60, 1100), (180, 1130)))
    before = rows(site.ledger())
    assert before == [(0, "pool:n1", 100_000), (60, "pool:n1", 15_000), (120, "pool:n1", 15_000)]
    changes = site.apply(reading((120, 1120)))
    assert rows(site.ledger()) == [*before[:1], (60, "pool:n1", 20_000), (120, "pool:n1", 10_000)]
    assert changes.accounts == {}  # the total of the pool did not change


def test_a_late_reading_posts_only_its_own_pages_anew() -> None:
    site = SiteState()
    site.apply(Chunk(model=ONE))
    site.apply(reading(*((minute * 60, minute * 7) for minute in range(600))))
    changes = site.apply(reading((12_030, 12_030 * 7 // 60)))
    assert len(changes.spans) == 1
    (start, end) = changes.spans[0]
    assert (start, end) == (11_940_000, 13_440_000)  # from the edge before, to its page's end


def test_nothing_is_posted_until_every_meter_was_read_or_is_silent() -> None:
    site = SiteState()
    site.apply(Chunk(model=TWO))
    site.apply(reading((0, 0), (60, 60)))
    assert site.frontier_ms is None
    assert site.totals() == {}
    assert site.ledger().totals() == {"pool:n1": {"grid": 60_000}}
    site.apply(Chunk(silent=frozenset({"m2"})))
    assert site.totals() == {"pool:n1": {"grid": 60_000}}


def test_declaring_a_meter_silent_posts_all_that_it_held_back() -> None:
    site = SiteState()
    site.apply(Chunk(model=TWO))
    site.apply(reading((0, 0), (60 * 200, 200_000)))
    site.apply(reading((0, 0), (60, 60), meter="m2"))
    assert site.frontier_ms == 60_000
    changes = site.apply(Chunk(silent=frozenset({"m2"})))
    assert changes.frontier_ms == 60_000 * 200
    assert site.totals() == site.ledger().totals() == {"pool:n1": {"grid": 200_060_000}}


def test_a_silent_meter_read_long_before_the_others_adds_the_intervals_between() -> None:
    site = SiteState()
    site.apply(Chunk(model=TWO, silent=frozenset({"m2"})))
    site.apply(reading((60 * 200, 0), (60 * 201, 60)))
    assert site.ledger().intervals == 1
    site.apply(reading((0, 5), meter="m2"))
    assert site.ledger().intervals == 201
    assert site.ledger("frontier").intervals == 201


def test_an_event_told_again_differently_is_refused_and_nothing_changes() -> None:
    told = '{"id": "e1", "t": "1970-01-01T00:00:0%dZ", "type": "start", "node": "n1", "batch": "B"}'
    site = SiteState()
    site.apply(Chunk(model=ONE, events=(parse_event(told % 0),)))
    before = site.to_bytes()
    with pytest.raises(BadData, match="e1"):
        site.apply(Chunk(events=(parse_event(told % 1),), offset=9))
    assert site.to_bytes() == before


@pytest.mark.parametrize("damage", [b"x", b"wattprint state 9\n{}\n"])
def test_a_foreign_state_is_refused(damage: bytes) -> None:
    with pytest.raises(BadData):
        SiteState.from_bytes(damage)


def test_a_cut_off_state_is_refused() -> None:
    site = SiteState()
    site.apply(Chunk(model=ONE))
    site.apply(reading((0, 0), (60, 60)))
    with pytest.raises(BadData):
        SiteState.from_bytes(site.to_bytes()[:-5])
